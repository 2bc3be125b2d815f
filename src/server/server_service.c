#include "server/server_service.h"

#include "base/base_log.h"
#include "base/base_memory.h"
#include "pgwire/pgwire.h"
#include "server/server_options.h"

void service_stop(struct service *service) {
    event_set(&service->stop);
}

static enum status accept_clients(struct fiber *f, void *argument) {
    struct service *service = argument;
    return pgwire_serve(f, service->listener, service->engine);
}

static enum status open_listener(struct fiber *f, struct service *service) {
    TRY(listener_open(f, service->address, &service->listener));
    if (listener_is_loopback(service->listener))
        return STATUS_OK;
    listener_close(f, service->listener);
    enum status status = error_set(STATUS_FEATURE_NOT_SUPPORTED,
                                   "will not listen on %s: satori has no passwords and no TLS yet",
                                   service->address);
    error_hint("listen on a loopback address such as 127.0.0.1:5433 or on a Unix socket");
    return status;
}

static enum status serve_clients(struct fiber *f, struct service *service) {
    struct task_group group;
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_LATENCY, accept_clients, service));
    if (service->ready != NULL)
        service->ready(service);
    LOG(LOG_INFO, "server", "ready address=%s data=%s backend=%s",
        listener_address(service->listener), service->engine_options->directory,
        runtime_backend_name(runtime_backend(fiber_runtime(f))));
    enum status status = event_wait(f, &service->stop);
    engine_shutdown(service->engine);
    task_group_cancel(&group, STATUS_SHUTDOWN);
    enum status accepted = task_group_wait(f, &group);
    if (accepted != STATUS_OK && accepted != STATUS_SHUTDOWN)
        status = accepted;
    return status;
}

enum status service_run(struct fiber *f, struct service *service) {
    TRY(open_listener(f, service));
    enum status status = engine_open(f, service->engine_options, &service->engine);
    if (status == STATUS_OK)
        memory_keep_freed((size_t)engine_setting_number(service->engine, "memory") * 1024 /
                          KEPT_MEMORY_SHARE);
    if (status == STATUS_OK && service->opened != NULL)
        status = service->opened(f, service);
    if (status == STATUS_OK)
        status = serve_clients(f, service);
    struct error error = *error_current();
    listener_close(f, service->listener);
    if (service->engine != NULL) {
        enum status closed = engine_close(f, service->engine);
        if (status == STATUS_OK)
            return closed;
    }
    *error_current() = error;
    return status;
}
