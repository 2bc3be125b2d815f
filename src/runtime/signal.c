/* SIGINT and SIGTERM as fibers of core 0. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/core.h"

static struct {
    fiber_function handler;
    void *argument;
} registered;

static void wanted_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

enum status runtime_signals_handle(fiber_function handler, void *argument) {
    sigset_t set;
    wanted_signals(&set);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0)
        return error_set(STATUS_INTERNAL_ERROR, "could not block signals: %s", strerror(error));
    registered.handler = handler;
    registered.argument = argument;
    return STATUS_OK;
}

static enum status signal_fiber(struct fiber *f, void *argument) {
    sigset_t set;
    wanted_signals(&set);
    struct pollable pollable = {.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (pollable.fd < 0)
        return error_set(STATUS_INTERNAL_ERROR, "could not watch signals: %s", strerror(errno));
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        struct operation wait = {
            .kind = OPERATION_WAIT_READABLE, .fd = pollable.fd, .pollable = &pollable};
        status = operation__run(f, &wait);
        struct signalfd_siginfo info;
        if (status == STATUS_OK && read(pollable.fd, &info, sizeof info) == sizeof info)
            status = fiber_spawn_detached(f, FIBER_LATENCY, "signal handler", registered.handler,
                                          registered.argument);
    }
    f->core->backend->forget(&pollable);
    close(pollable.fd);
    return status;
}

enum status signal__start(struct core *c) {
    if (registered.handler == NULL)
        return STATUS_OK;
    struct fiber *f = fiber__create(c, FIBER_LATENCY, signal_fiber, NULL);
    if (f == NULL)
        return error_current()->status;
    f->name = "signals";
    fiber__ready(f);
    return STATUS_OK;
}
