/* satori server: the arguments, and a service until a signal comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_log.h"
#include "runtime/runtime.h"
#include "server/server.h"
#include "server/server_options.h"
#include "server/server_service.h"

struct serve {
    struct service service;
    struct engine_options engine_options;
    char listen[256];
    struct setting_override overrides[3];
};

/* Runs on core 0 when SIGINT or SIGTERM arrives; so does everything else that touches `stop`. */
static enum status on_signal(struct fiber *f, void *argument) {
    struct serve *serve = argument;
    LOG(LOG_INFO, "server", "stopping: ending sessions, writing a checkpoint");
    service_stop(&serve->service);
    return STATUS_OK;
}

static void say_ready(struct service *service) {
    const char *address = listener_address(service->listener);
    printf("satori %s serves %s on %s\n", SATORI_VERSION, service->engine_options->directory,
           address);
    const char *colon = strrchr(address, ':');
    if (address[0] != '/' && colon != NULL)
        printf("connect: psql -h %.*s -p %s -U satori satori\n", (int)(colon - address), address,
               colon + 1);
    printf("Ctrl-C stops it.\n");
    fflush(stdout);
}

static enum status serve_on_core(struct fiber *f, void *argument) {
    struct serve *serve = argument;
    serve->service.engine_options = &serve->engine_options;
    serve->service.address = serve->listen;
    serve->service.ready = say_ready;
    return service_run(f, &serve->service);
}

/* The settings that --help lists behind the options. */
static void print_settings(void) {
    printf("\nSettings (in the file of --config as \"name = value\"; those marked 'session' also "
           "with SET):\n");
    for (size_t i = 0; i < settings_count(); i++) {
        struct setting_view view;
        setting_describe(i, &view);
        if (strcmp(view.context, "internal") == 0)
            continue;
        printf("  %s (%s, default %s%s%s)\n      %s\n", view.name, view.context,
               view.default_value[0] != '\0' ? view.default_value : "\"\"",
               view.unit != NULL && view.unit[0] != '\0' ? " " : "",
               view.unit != NULL ? view.unit : "", view.meaning);
    }
}

struct server_arguments {
    const char *data, *create, *listen, *cores, *memory, *partitions, *config, *log_level;
};

static int complain(const char *what, const char *text, const char *wanted) {
    fprintf(stderr, "satori: %s %s: %s\n", what, text, wanted);
    return 2;
}

/* 0 when everything is in order, else the exit status. */
static int read_arguments(const struct server_arguments *arguments, struct serve *serve) {
    uint64_t number;
    if (arguments->data == NULL)
        return complain("--data", "is missing", "name the data directory");
    serve->engine_options.directory = arguments->data;
    serve->engine_options.create_if_missing = arguments->create != NULL;
    serve->engine_options.config_path = arguments->config;
    struct setting_override *override = serve->overrides;
    if (arguments->listen != NULL)
        *override++ = (struct setting_override){"listen", arguments->listen};
    if (arguments->cores != NULL) {
        if (!number_parse(arguments->cores, 1, RUNTIME_CORES_MAX, &number))
            return complain("--cores", arguments->cores, "a number from 1 to 64 is wanted");
        *override++ = (struct setting_override){"cores", arguments->cores};
    }
    if (arguments->partitions != NULL) {
        if (!number_parse(arguments->partitions, 1, 64, &number))
            return complain("--partitions", arguments->partitions,
                            "a number from 1 to 64 is wanted");
        serve->engine_options.partition_count = (unsigned)number;
    }
    if (arguments->memory != NULL) {
        if (!memory_parse(arguments->memory, &number))
            return complain("--memory", arguments->memory, MEMORY_WANTED);
        serve->engine_options.memory_max = number;
    }
    enum log_level level;
    if (arguments->log_level != NULL) {
        if (!log_level_parse(arguments->log_level, &level))
            return complain("--log-level", arguments->log_level, "debug, info, warning or error");
        *override++ = (struct setting_override){"log_level", arguments->log_level};
    }
    serve->engine_options.overrides = serve->overrides;
    serve->engine_options.override_count = (size_t)(override - serve->overrides);
    return 0;
}

/* The settings that count before the engine opens. */
static enum status read_settings(struct serve *serve, struct runtime_options *runtime) {
    char text[32];
    enum log_level level;
    TRY(engine_start_setting(&serve->engine_options, "log_level", text, sizeof text));
    if (log_level_parse(text, &level))
        log_level_set(level);
    TRY(engine_start_setting(&serve->engine_options, "cores", text, sizeof text));
    runtime->core_count = (unsigned)strtoul(text, NULL, 10);
    return engine_start_setting(&serve->engine_options, "listen", serve->listen,
                                sizeof serve->listen);
}

static int run(struct serve *serve) {
    struct runtime_options options = {.on_signal = on_signal, .on_signal_argument = serve};
    log_clock_set(clock_wall_us);
    struct runtime *runtime = NULL;
    enum status status = read_settings(serve, &options);
    if (status == STATUS_OK)
        status = runtime_create(&options, &runtime);
    if (status == STATUS_OK)
        status = runtime_run(runtime, 0, serve_on_core, serve);
    struct error error = *error_current();
    if (runtime != NULL)
        runtime_destroy(runtime);
    if (status == STATUS_OK || status == STATUS_SHUTDOWN) {
        LOG(LOG_INFO, "server", "stopped");
        return 0;
    }
    fprintf(stderr, "satori: %s%s%s\n",
            error.message[0] != '\0' ? error.message : status_text(status),
            error.hint[0] != '\0' ? "; " : "", error.hint);
    return 1;
}

int server_main(int argc, char **argv) {
    struct server_arguments arguments = {0};
    const struct option_spec options[] = {
        {"--data", "DIR", "the data directory", &arguments.data},
        {"--create", NULL, "make a new database if the directory has none", &arguments.create},
        {"--listen", "HOST:PORT",
         "where to serve (default 127.0.0.1:5433); port 0 picks a free one", &arguments.listen},
        {"--cores", "N", "threads (default: one for each processor)", &arguments.cores},
        {"--memory", "SIZE", "memory the process may use (default 256MB)", &arguments.memory},
        {"--partitions", "N", "pieces a new database is cut into (default 8)",
         &arguments.partitions},
        {"--config", "FILE", "settings, one \"name = value\" a line", &arguments.config},
        {"--log-level", "LEVEL", "debug, info (default), warning or error", &arguments.log_level},
    };
    struct command_line line = {
        .usage = "satori server --data DIR [options]",
        .about = "Serves the database in DIR to PostgreSQL clients until SIGINT or SIGTERM.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    enum command_outcome outcome = command_line_parse(&line, argc, argv);
    if (outcome == COMMAND_HELPED)
        print_settings();
    if (outcome != COMMAND_RUN)
        return outcome == COMMAND_HELPED ? 0 : 2;
    struct serve serve = {0};
    int wrong = read_arguments(&arguments, &serve);
    return wrong != 0 ? wrong : run(&serve);
}
