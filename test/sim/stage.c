#include "stage.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/server_verify.h"

const char stage_address[] = "127.0.0.1:5433";
static const int64_t MS = 1000000, SECOND = 1000000000;

void stage_fail(struct stage *stage, const char *format, ...) {
    if (stage->failure[0] != '\0')
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(stage->failure, sizeof stage->failure, format, arguments);
    va_end(arguments);
    simulator_note(stage->simulator, "FAILURE: %s", stage->failure);
}

static void start_clients(struct stage *stage) {
    struct runtime_options one_core = {.core_count = 1, .random_seed = 1};
    if (runtime_create(&one_core, &stage->clients) != STATUS_OK)
        stage_fail(stage, "cannot start the clients: %s", error_current()->message);
}

void stage_create(struct stage *stage, const struct scenario *scenario, uint64_t seed,
                  void (*trace)(const char *line)) {
    static const struct setting_override overrides[] = {
        {"checkpoint_interval", "3600"}, {"journal_segment_size", "64"}, {"journal_size", "2"}};
    *stage = (struct stage){.scenario = scenario};
    struct simulator_options options = {.seed = seed, .turn_rate = 20000, .trace = trace};
    if (simulator_create(&options, &stage->simulator) != STATUS_OK)
        return;
    stage->server_options = (struct runtime_options){.core_count = 2, .random_seed = seed + 1};
    stage->engine_options = (struct engine_options){
        .directory = "/sim/data",
        .partition_count = 2,
        .memory_max = 2 << 20,
        .overrides = overrides,
        .override_count = sizeof overrides / sizeof overrides[0],
    };
    start_clients(stage);
}

/* ---- the server ----------------------------------------------------------------------------- */

static void take_finding(void *context, const char *line) {
    struct stage *stage = context;
    simulator_note(stage->simulator, "check: %s", line);
    stage->findings++;
    if (!stage->findings_allowed)
        stage_fail(stage, "check: %s", line);
}

static enum status check_opened(struct fiber *f, struct service *service) {
    struct verification verification;
    return engine_verify(f, service->engine, take_finding, service->context, &verification);
}

static void note_ready(struct service *service) {
    struct stage *stage = service->context;
    stage->ready = stage->ever_ready = true;
}

static enum status serve(struct fiber *f, void *argument) {
    return service_run(f, argument);
}

void stage_start(struct stage *stage) {
    stage->ready = false;
    stage->service = (struct service){
        .engine_options = &stage->engine_options,
        .address = stage_address,
        .opened = check_opened,
        .ready = note_ready,
        .context = stage,
    };
    stage->engine_options.create_if_missing = !stage->ever_ready;
    if (runtime_create(&stage->server_options, &stage->server) != STATUS_OK ||
        runtime_submit(stage->server, 0, serve, &stage->service, &stage->serving) != STATUS_OK)
        stage_fail(stage, "cannot start the server: %s", error_current()->message);
}

/* Has it ended by itself? */
static bool has_ended(struct stage *stage) {
    enum status status;
    if (!future_wait(&stage->serving, 0, &status))
        return false;
    snprintf(stage->end, sizeof stage->end, "%s: %.200s", status_name(status),
             status != STATUS_OK ? error_current()->message : "");
    runtime_destroy(stage->server);
    stage->server = NULL;
    stage->ready = false;
    return true;
}

bool stage_wait_ready(struct stage *stage) {
    int64_t until = simulator_now_ns(stage->simulator) + 60 * SECOND;
    while (!stage->ready && !has_ended(stage) &&
           !simulator_failed(stage->simulator, stage->server)) {
        simulator_run_for(stage->simulator, MS);
        if (simulator_now_ns(stage->simulator) >= until) {
            stage_fail(stage, "the server is not ready after 60 s");
            return false;
        }
    }
    return stage->ready;
}

void stage_crash(struct stage *stage, enum simulator_crash how) {
    if (stage->server != NULL)
        simulator_crash(stage->simulator, stage->server, how);
    simulator_crash(stage->simulator, stage->clients, SIMULATOR_KILL);
    stage->server = NULL;
    stage->ready = false;
    start_clients(stage);
}

static enum status stop_service(struct fiber *f, void *argument) {
    service_stop(argument);
    return STATUS_OK;
}

void stage_stop(struct stage *stage) {
    struct future told;
    if (runtime_submit(stage->server, 0, stop_service, &stage->service, &told) != STATUS_OK)
        stage_fail(stage, "cannot tell the server to stop");
    int64_t until = simulator_now_ns(stage->simulator) + 60 * SECOND;
    while (!has_ended(stage)) {
        simulator_run_for(stage->simulator, MS);
        bool failed = simulator_failed(stage->simulator, stage->server);
        if (!failed && simulator_now_ns(stage->simulator) < until)
            continue;
        if (!failed)
            stage_fail(stage, "the server does not stop when told to");
        stage_crash(stage, SIMULATOR_KILL);
        return;
    }
}

bool stage_run(struct stage *stage, fiber_function function, void *argument) {
    struct future done;
    enum status status;
    if (runtime_submit(stage->clients, 0, function, argument, &done) != STATUS_OK)
        stage_fail(stage, "cannot run a client");
    int64_t until = simulator_now_ns(stage->simulator) + 300 * SECOND;
    while (!future_wait(&done, 0, &status)) {
        simulator_run_for(stage->simulator, MS);
        if (simulator_failed(stage->simulator, stage->server))
            return false;
        if (simulator_now_ns(stage->simulator) >= until) {
            stage_fail(stage, "a client still waits after 300 s");
            return false;
        }
    }
    return true;
}
