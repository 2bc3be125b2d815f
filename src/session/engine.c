#include <ctype.h>
#include <stdio.h>

#include "base/base_log.h"
#include "journal/journal.h"
#include "runtime/runtime_file.h"
#include "session/state.h"
#include "table/table_freeze.h"
#include "value/value_timezone.h"

enum { CONFIG_SIZE_MAX = 1 << 20, CLOSE_POLL_NS = 1000000 };

int64_t session__clock_us(void) {
    return clock_wall_us() - INT64_C(946684800000000);
}

void engine__lock(struct engine *engine) {
    while (atomic_flag_test_and_set_explicit(&engine->lock, memory_order_acquire)) {
    }
}

void engine__unlock(struct engine *engine) {
    atomic_flag_clear_explicit(&engine->lock, memory_order_release);
}

/* ---- configuration ---------------------------------------------------------------------- */

static enum status config_error(const char *path, unsigned line, const char *what) {
    return error_set(STATUS_CONFIG_FILE_ERROR, "%s, line %u: %s", path, line, what);
}

static enum status set_default(struct engine *engine, enum setting_id id, const char *text) {
    struct setting_value value;
    TRY(setting_parse(id, text, &value));
    setting_value_release(&engine->defaults[id]);
    engine->defaults[id] = value;
    return STATUS_OK;
}

/* One "name = value" line, cut up in place; the equal sign may be missing, the value may stand in
   single quotes with '' for a quote. */
static enum status config_line(struct engine *engine, const char *path, unsigned number,
                               char *line) {
    while (isspace((unsigned char)*line))
        line++;
    if (*line == '\0' || *line == '#')
        return STATUS_OK;
    char *name = line;
    while (isalnum((unsigned char)*line) || *line == '_' || *line == '.')
        line++;
    char *name_end = line;
    while (isspace((unsigned char)*line) || *line == '=')
        line++;
    if (name_end == name || line == name_end)
        return config_error(path, number, "expected name = value");
    *name_end = '\0';
    char *value = line, *out = line;
    if (*line == '\'') {
        value = out = ++line;
        while (*line != '\0' && (*line != '\'' || line[1] == '\'')) {
            line += *line == '\'';
            *out++ = *line++;
        }
        if (*line++ == '\0')
            return config_error(path, number, "a quote is not closed");
    } else {
        while (*line != '\0' && *line != '#' && !isspace((unsigned char)*line))
            *out++ = *line++;
    }
    while (isspace((unsigned char)*line))
        line++;
    if (*line != '\0' && *line != '#')
        return config_error(path, number, "text behind the value");
    *out = '\0';
    enum setting_id id = setting_find(name);
    if (id == SETTING_COUNT || setting_infos[id].context == CONTEXT_INTERNAL) {
        char what[160] = "";
        struct buffer text = {0};
        buffer_append_format(&text, "unrecognized configuration parameter \"%.80s\"", name);
        if (!text.failed)
            memcpy(what, text.data, text.size < sizeof what - 1 ? text.size : sizeof what - 1);
        buffer_release(&text);
        return config_error(path, number, what);
    }
    if (set_default(engine, id, value) != STATUS_OK) {
        struct error error = *error_current();
        return config_error(path, number, error.message);
    }
    return STATUS_OK;
}

static enum status read_config(struct engine *engine, const char *path) {
    struct arena arena = {0};
    struct slice bytes;
    enum status status = file_read_blocking(path, CONFIG_SIZE_MAX, &arena, &bytes);
    if (status == STATUS_LIMIT_EXCEEDED)
        status = error_set(STATUS_CONFIG_FILE_ERROR, "%s is too large for a configuration", path);
    unsigned number = 0;
    if (status == STATUS_OK) {
        bytes = arena_copy_slice(&arena, bytes); /* with a zero byte behind it */
        for (char *line = (char *)bytes.data; line != NULL && status == STATUS_OK;) {
            char *end = strchr(line, '\n');
            if (end != NULL)
                *end++ = '\0';
            status = config_line(engine, path, ++number, line);
            line = end;
        }
    }
    arena_release(&arena);
    return status;
}

static enum status show_defaults(struct engine *engine) {
    for (int id = 0; id < SETTING_COUNT; id++) {
        struct buffer text = {0};
        setting_show(id, &engine->defaults[id], &text);
        buffer_append_byte(&text, 0);
        TRY(buffer_status(&text));
        engine->shown[id] = (char *)text.data; /* the buffer's memory is kept */
    }
    return STATUS_OK;
}

const char *engine_setting(const struct engine *engine, const char *name) {
    enum setting_id id = setting_find(name);
    return id == SETTING_COUNT ? NULL : engine->shown[id];
}

int64_t engine_setting_number(const struct engine *engine, const char *name) {
    enum setting_id id = setting_find(name);
    ASSERT(id != SETTING_COUNT);
    return engine->defaults[id].number;
}

/* ---- time zones ---------------------------------------------------------------------------- */

enum { ZONE_FILE_SIZE_MAX = 64 << 10, ZONE_PATH_SIZE = 128 };

/* The system's zone files. `name` stays inside the folder: value looked at it. */
static bool load_zone(const char *name, struct arena *arena, struct slice *bytes_out) {
    char path[ZONE_PATH_SIZE];
    int size = snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    if (size < 0 || (size_t)size >= sizeof path)
        return false;
    struct error error = *error_current();
    bool found = file_read_blocking(path, ZONE_FILE_SIZE_MAX - 1, arena, bytes_out) == STATUS_OK;
    *error_current() = error;
    return found;
}

/* What is set up once for all engines of the process. */
static void process_init(void) {
    static atomic_flag done = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&done))
        return;
    session__virtual_tables_register();
    timezone_loader_set(load_zone);
}

/* ---- open and close --------------------------------------------------------------------- */

static enum status load_settings(struct engine *engine, const struct engine_options *options) {
    TRY(settings_defaults(engine->defaults));
    if (options->config_path != NULL)
        TRY(read_config(engine, options->config_path));
    for (size_t i = 0; i < options->override_count; i++) {
        enum setting_id id = setting_find(options->overrides[i].name);
        ASSERT(id != SETTING_COUNT);
        TRY(set_default(engine, id, options->overrides[i].value));
    }
    if (options->partition_count > 0)
        engine->defaults[SETTING_PARTITIONS].number = options->partition_count;
    if (options->memory_max > 0)
        engine->defaults[SETTING_MEMORY].number = (int64_t)(options->memory_max >> 10);
    if (options->session_count_max > 0)
        engine->defaults[SETTING_MAX_CONNECTIONS].number = options->session_count_max;
    return show_defaults(engine);
}

static void engine_free(struct engine *engine) {
    for (int core = 0; core < RUNTIME_CORES_MAX; core++)
        plan_cache_destroy(engine->plan_caches[core]);
    for (int id = 0; id < SETTING_COUNT; id++) {
        setting_value_release(&engine->defaults[id]);
        memory_free(engine->shown[id]);
    }
    memory_free(engine);
}

enum status engine_start_setting(const struct engine_options *options, const char *name, char *text,
                                 size_t size) {
    struct engine *engine = memory_alloc_zeroed(1, sizeof *engine);
    if (engine == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    enum status status = load_settings(engine, options);
    if (status == STATUS_OK)
        snprintf(text, size, "%s", engine_setting(engine, name));
    struct error error = *error_current();
    engine_free(engine);
    *error_current() = error;
    return status;
}

static enum status open_store(struct fiber *f, struct engine *engine,
                              const struct engine_options *options) {
    const struct setting_value *settings = engine->defaults;
    struct store_options store_options = {
        .directory = options->directory,
        .partition_count = (unsigned)settings[SETTING_PARTITIONS].number,
        .memory_max = (uint64_t)settings[SETTING_MEMORY].number << 10,
        .journal_size_target = (uint64_t)settings[SETTING_JOURNAL_SIZE].number << 20,
        .journal_segment_size = (uint64_t)settings[SETTING_JOURNAL_SEGMENT_SIZE].number << 10,
        .journal_sync = (int)settings[SETTING_JOURNAL_SYNC].number,
        .checkpoint_interval_ms = settings[SETTING_CHECKPOINT_INTERVAL].number * 1000,
        .deadlock_timeout_ms = settings[SETTING_DEADLOCK_TIMEOUT].number,
        .untended = options->untended,
    };
    enum status status = store_open(f, &store_options, &engine->store);
    if (status != STATUS_UNDEFINED_FILE || !options->create_if_missing)
        return status;
    store_options.create = true;
    return store_open(f, &store_options, &engine->store);
}

/* What goes on in the background. */
static enum status start_upkeep(struct fiber *f, struct engine *engine) {
    TRY(freezer_start(f, engine->catalog));
    enum status status = STATUS_OK;
    if (engine->defaults[SETTING_AUTO_ANALYZE].number != 0)
        status = analyzer__start(f, engine);
    if (status != STATUS_OK)
        freezer_stop(f, engine->catalog);
    return status;
}

enum status engine_open(struct fiber *f, const struct engine_options *options,
                        struct engine **engine_out) {
    process_init();
    *engine_out = NULL;
    struct engine *engine = memory_alloc_zeroed(1, sizeof *engine);
    if (engine == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    engine->runtime = fiber_runtime(f);
    engine->pid_next = 1;
    engine->start_time_us = session__clock_us();
    list_init(&engine->sessions);
    enum status status = load_settings(engine, options);
    if (status == STATUS_OK)
        status = open_store(f, engine, options);
    if (status == STATUS_OK)
        status = catalog_open(f, engine->store, &engine->catalog);
    if (status == STATUS_OK && !options->untended) {
        status = start_upkeep(f, engine);
        if (status != STATUS_OK)
            catalog_close(f, engine->catalog);
    }
    if (status == STATUS_OK) {
        *engine_out = engine;
        return STATUS_OK;
    }
    struct error error = *error_current();
    if (engine->store != NULL) {
        enum status closed = store_close(f, engine->store);
        (void)closed; /* the first failure is the one to tell */
    }
    engine_free(engine);
    *error_current() = error;
    return status;
}

static bool has_sessions(struct engine *engine) {
    engine__lock(engine);
    bool any = !list_empty(&engine->sessions);
    engine__unlock(engine);
    return any;
}

enum status engine_close(struct fiber *f, struct engine *engine) {
    atomic_store(&engine->stopping, true);
    fiber_shield(f);
    analyzer__stop(f, engine);
    while (has_sessions(engine)) {
        enum status slept = fiber_sleep(f, CLOSE_POLL_NS);
        (void)slept; /* shielded */
    }
    for (int core = 0; core < RUNTIME_CORES_MAX; core++) {
        plan_cache_destroy(engine->plan_caches[core]); /* holds schemas of the catalog */
        engine->plan_caches[core] = NULL;
    }
    freezer_stop(f, engine->catalog);
    catalog_close(f, engine->catalog);
    enum status status = store_close(f, engine->store);
    fiber_unshield(f);
    engine_free(engine);
    return status;
}

struct catalog *engine_catalog(struct engine *engine) {
    return engine->catalog;
}

struct store *engine_store(struct engine *engine) {
    return engine->store;
}

/* ---- signals between sessions ----------------------------------------------------------- */

/* The engine's lock is held. */
static void signal_session(struct engine *engine, struct session *session, bool terminate) {
    if (terminate)
        atomic_store(&session->terminated, true);
    if (!atomic_load(&session->running))
        return;
    if (terminate)
        runtime_cancel(engine->runtime, session->running_fiber, STATUS_SHUTDOWN,
                       "terminating connection due to administrator command");
    else
        runtime_cancel(engine->runtime, session->running_fiber, STATUS_CANCELED,
                       "canceling statement due to user request");
}

void engine_shutdown(struct engine *engine) {
    atomic_store(&engine->stopping, true);
    engine__lock(engine);
    LIST_FOR (&engine->sessions, node)
        signal_session(engine, CONTAINER_OF(node, struct session, link), true);
    engine__unlock(engine);
}

void engine_cancel(struct fiber *f, struct engine *engine, int32_t pid, int32_t secret) {
    engine__lock(engine);
    LIST_FOR (&engine->sessions, node) {
        struct session *session = CONTAINER_OF(node, struct session, link);
        if (session->pid == pid && session->secret == secret)
            signal_session(engine, session, false);
    }
    engine__unlock(engine);
}

/* The engine's lock is held. */
static struct session *session_of_pid(struct engine *engine, int32_t pid) {
    LIST_FOR (&engine->sessions, node) {
        struct session *session = CONTAINER_OF(node, struct session, link);
        if (session->pid == pid)
            return session;
    }
    return NULL;
}

bool engine__signal(struct engine *engine, int32_t pid, bool terminate) {
    engine__lock(engine);
    struct session *session = session_of_pid(engine, pid);
    if (session != NULL)
        signal_session(engine, session, terminate);
    /* Who waits for his client's next message is to end, too. */
    if (session != NULL && terminate && !atomic_load(&session->running))
        runtime_cancel(engine->runtime, session->running_fiber, STATUS_SHUTDOWN,
                       "terminating connection due to administrator command");
    engine__unlock(engine);
    return session != NULL;
}

bool engine__session_exists(struct engine *engine, int32_t pid) {
    engine__lock(engine);
    bool found = session_of_pid(engine, pid) != NULL;
    engine__unlock(engine);
    return found;
}
