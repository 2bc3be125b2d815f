#include <stdlib.h>

#include "base/base_hash.h"
#include "base/base_log.h"
#include "session/state.h"

/* ---- names ------------------------------------------------------------------------------ */

struct named *name_table_find(const struct name_table *table, const char *name) {
    if (table->count == 0)
        return NULL;
    uint64_t hash = hash_bytes(name, strlen(name));
    for (struct named *at = table->buckets[hash % NAME_BUCKETS]; at != NULL; at = at->next)
        if (at->hash == hash && strcmp(at->name, name) == 0)
            return at;
    return NULL;
}

void name_table_put(struct name_table *table, struct named *named) {
    named->hash = hash_bytes(named->name, strlen(named->name));
    struct named **bucket = &table->buckets[named->hash % NAME_BUCKETS];
    named->next = *bucket;
    *bucket = named;
    table->count++;
}

void name_table_remove(struct name_table *table, struct named *named) {
    struct named **at = &table->buckets[named->hash % NAME_BUCKETS];
    while (*at != named)
        at = &(*at)->next;
    *at = named->next;
    table->count--;
}

/* Somebody waits for the answer, unless it is work in the background. */
static void request_begin(struct fiber *f, const struct session *session) {
    if (!session->in_background)
        fiber_request_begin(f);
}

/* ---- opening ---------------------------------------------------------------------------- */

static char *heap_text(const char *text) {
    char *copy = memory_alloc(strlen(text) + 1);
    if (copy != NULL)
        memcpy(copy, text, strlen(text) + 1);
    return copy;
}

static enum status check_names(struct fiber *f, struct engine *engine, const char *user,
                               const char *database) {
    bool exists = false;
    TRY(catalog_role_exists(f, engine->catalog, user, &exists));
    if (!exists)
        return error_set(STATUS_INVALID_AUTHORIZATION, "role \"%s\" does not exist", user);
    TRY(catalog_database_exists(f, engine->catalog, database, &exists));
    if (!exists)
        return error_set(STATUS_INVALID_CATALOG_NAME, "database \"%s\" does not exist", database);
    return STATUS_OK;
}

static enum status set_initial(struct session *session, const char *name, const char *value) {
    enum setting_id id = setting_find(name);
    if (id != SETTING_COUNT)
        return settings_set_initial(&session->settings, id, value);
    if (strchr(name, '.') != NULL)
        return settings_set_custom(&session->settings, name, value);
    return setting_unknown(name);
}

/* The start-up parameter "options": -c name=value, --name=value, as a command line with
   backslashes before blanks. */
static enum status set_options(struct session *session, const char *text) {
    char *copy = arena_copy_text(&session->arena, text);
    for (char *at = copy; *at != '\0';) {
        while (*at == ' ')
            at++;
        if (*at == '\0')
            break;
        char *word, *out;
        bool short_form = strncmp(at, "-c", 2) == 0;
        if (short_form)
            for (word = out = at += 2; *at == ' ';)
                word = out = ++at;
        else if (strncmp(at, "--", 2) == 0)
            word = out = at += 2;
        else
            return error_set(STATUS_SYNTAX_ERROR,
                             "invalid command-line argument for server "
                             "process: %s",
                             at);
        while (*at != '\0' && *at != ' ') {
            at += *at == '\\' && at[1] != '\0';
            *out++ = *at++;
        }
        at += *at == ' ';
        *out = '\0';
        char *equal = strchr(word, '=');
        if (equal == NULL)
            return error_set(STATUS_SYNTAX_ERROR, "-c %s requires a value", word);
        *equal = '\0';
        for (char *dash = word; *dash != '\0'; dash++)
            if (*dash == '-')
                *dash = '_';
        TRY(set_initial(session, word, equal + 1));
    }
    return STATUS_OK;
}

static enum status start_settings(struct session *session, const struct session_options *options) {
    TRY(settings_init(&session->settings, session->engine->defaults));
    TRY(settings_set_text(&session->settings, SETTING_SESSION_AUTHORIZATION, session->user));
    for (size_t i = 0; i < options->setting_count; i++) {
        const char *name = options->setting_names[i], *value = options->setting_values[i];
        if (strcmp(name, "options") == 0)
            TRY(set_options(session, value));
        else
            TRY(set_initial(session, name, value));
    }
    return session__apply_settings(session);
}

/* Into the engine's list, with a process id of its own. */
static enum status enlist(struct session *session) {
    struct engine *engine = session->engine;
    uint32_t secret;
    TRY(secret_random(&secret, sizeof secret));
    session->secret = (int32_t)secret;
    engine__lock(engine);
    bool full = !session->in_background &&
                engine->session_count >= (uint64_t)engine->defaults[SETTING_MAX_CONNECTIONS].number;
    if (!full) {
        session->pid = engine->pid_next;
        engine->pid_next = engine->pid_next == INT32_MAX ? 1 : engine->pid_next + 1;
        engine->session_count += !session->in_background;
        list_push_back(&engine->sessions, &session->link);
    }
    engine__unlock(engine);
    if (full)
        return error_set(STATUS_TOO_MANY_CONNECTIONS, "sorry, too many clients already");
    return STATUS_OK;
}

static void session_free(struct session *session) {
    if (list_linked(&session->link)) {
        engine__lock(session->engine);
        list_remove(&session->link);
        session->engine->session_count -= !session->in_background;
        engine__unlock(session->engine);
    }
    settings_release(&session->settings);
    arena_release(&session->arena);
    arena_release(&session->settings_arena);
    memory_free(session->sequences);
    memory_free(session->user);
    memory_free(session->database);
    memory_free(session);
}

enum status session_open(struct fiber *f, struct engine *engine,
                         const struct session_options *options, struct session **session_out) {
    *session_out = NULL;
    if (atomic_load(&engine->stopping))
        return error_set(STATUS_CANNOT_CONNECT_NOW, "the database system is shutting down");
    const char *user = options->user == NULL ? "satori" : options->user;
    const char *database = options->database == NULL ? "satori" : options->database;
    struct session *session = memory_alloc_zeroed(1, sizeof *session);
    if (session == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    session->engine = engine;
    session->sink = options->sink;
    session->in_background = options->in_background;
    session->start_time_us = session->state_time_us = session__clock_us();
    session->running_fiber = fiber_handle(f);
    request_begin(f, session);
    session__resolver_init(session);
    enum status status = STATUS_OK;
    session->user = heap_text(user);
    session->database = heap_text(database);
    if (session->user == NULL || session->database == NULL)
        status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (status == STATUS_OK)
        status = enlist(session);
    if (status == STATUS_OK)
        status = check_names(f, engine, user, database);
    if (status == STATUS_OK)
        status = start_settings(session, options);
    if (status != STATUS_OK) {
        session_free(session);
        return status;
    }
    *session_out = session;
    return STATUS_OK;
}

void session_close(struct fiber *f, struct session *session) {
    fiber_shield(f);
    session__rollback(f, session);
    session__close_portals(f, session, true);
    session__deallocate_all(session);
    if (session->unnamed_statement != NULL)
        prepared_destroy(session, session->unnamed_statement);
    if (session->spare_portal != NULL) {
        arena_release(&session->spare_portal->arena);
        memory_free(session->spare_portal);
    }
    fiber_unshield(f);
    session_free(session);
}

/* ---- facts ------------------------------------------------------------------------------ */

int32_t session_pid(const struct session *session) {
    return session->pid;
}

int32_t session_secret(const struct session *session) {
    return session->secret;
}

char session_transaction_status(const struct session *session) {
    return session->failed ? 'E' : session->in_block ? 'T' : 'I';
}

const struct value_context *session_value_context(const struct session *session) {
    return &session->value_context;
}

int64_t session_input_timeout_ms(const struct session *session) {
    return session->in_block
               ? setting_number(&session->settings, SETTING_IDLE_IN_TRANSACTION_SESSION_TIMEOUT)
               : 0;
}

/* ---- settings at work ------------------------------------------------------------------- */

enum status session__apply_settings(struct session *session) {
    const struct settings *settings = &session->settings;
    if (session->settings_applied == settings->changes)
        return STATUS_OK;
    struct value_context *context = &session->value_context;
    const char *style = setting_text(settings, SETTING_DATESTYLE);
    context->date_style = style[0] == 'I'   ? DATE_STYLE_ISO
                          : style[0] == 'S' ? DATE_STYLE_SQL
                          : style[0] == 'P' ? DATE_STYLE_POSTGRES
                                            : DATE_STYLE_GERMAN;
    const char *order = strchr(style, ' ') + 1;
    context->date_order = order[0] == 'M'   ? DATE_ORDER_MDY
                          : order[0] == 'D' ? DATE_ORDER_DMY
                                            : DATE_ORDER_YMD;
    context->interval_style = (uint8_t)setting_number(settings, SETTING_INTERVALSTYLE);
    context->bytea_escape = setting_number(settings, SETTING_BYTEA_OUTPUT) == 1;
    int64_t digits = setting_number(settings, SETTING_EXTRA_FLOAT_DIGITS);
    context->float_rounded = digits <= 0;
    context->extra_float_digits = (int8_t)(digits <= 0 ? digits : 0);
    context->resolver = &session->resolver;
    TRY(timezone_find(slice_of_text(setting_text(settings, SETTING_TIMEZONE)), &context->timezone));
    arena_reset(&session->settings_arena);
    char **items;
    size_t count;
    TRY(setting_split_list(setting_text(settings, SETTING_SEARCH_PATH), &session->settings_arena,
                           &items, &count));
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i], "$user") == 0)
            items[i] = session->user;
    session->search_path = items;
    session->search_path_count = count;
    session->settings_applied = settings->changes;
    return STATUS_OK;
}

static void report_one(struct fiber *f, struct session *session, enum setting_id id) {
    struct buffer text = {0};
    setting_show(id, &session->settings.values[id], &text);
    buffer_append_byte(&text, 0);
    if (!text.failed)
        session->sink->parameter_status(f, session->sink, setting_infos[id].name,
                                        (const char *)text.data);
    buffer_release(&text);
}

void session__report(struct fiber *f, struct session *session, const bool *changed) {
    if (session->sink == NULL || session->sink->parameter_status == NULL)
        return;
    for (int id = 0; id < SETTING_COUNT; id++)
        if (changed[id] && setting_infos[id].reported)
            report_one(f, session, id);
}

void session_report_parameters(struct fiber *f, struct session *session) {
    bool all[SETTING_COUNT];
    memset(all, true, sizeof all);
    session__report(f, session, all);
}

/* ---- notices ---------------------------------------------------------------------------- */

/* Severity's place in client_min_messages' list. */
static int64_t severity_rank(const char *severity) {
    return strcmp(severity, "WARNING") == 0  ? 7
           : strcmp(severity, "NOTICE") == 0 ? 6
           : strcmp(severity, "LOG") == 0    ? 5
           : strcmp(severity, "INFO") == 0   ? 100
                                             : 0;
}

void session__notice_detail(struct fiber *f, struct session *session, const char *severity,
                            const char *sqlstate, const char *message, const char *detail) {
    if (session->sink != NULL && session->sink->notice != NULL &&
        severity_rank(severity) >= setting_number(&session->settings, SETTING_CLIENT_MIN_MESSAGES))
        session->sink->notice(f, session->sink, severity, sqlstate, message, detail, NULL);
}

void session__notice(struct fiber *f, struct session *session, const char *severity,
                     const char *sqlstate, const char *message) {
    session__notice_detail(f, session, severity, sqlstate, message, NULL);
}

void session__warning(struct fiber *f, struct session *session, enum status status,
                      const char *message) {
    session__notice(f, session, "WARNING", status_sqlstate(status), message);
}

/* ---- messages --------------------------------------------------------------------------- */

enum status session__enter(struct fiber *f, struct session *session, const char *query) {
    if (atomic_load_explicit(&session->terminated, memory_order_relaxed)) {
        session->doomed = true;
        return error_set(STATUS_SHUTDOWN, "terminating connection due to administrator command");
    }
    session->statement_time_us = session->state_time_us = session__clock_us();
    engine__lock(session->engine);
    if (query != NULL) {
        size_t size = strnlen(query, QUERY_TEXT_SIZE - 1);
        memcpy(session->query, query, size);
        session->query[size] = '\0';
        session->query_time_us = session->statement_time_us;
    }
    session->running_fiber = fiber_handle(f);
    atomic_store_explicit(&session->running, true, memory_order_relaxed);
    engine__unlock(session->engine);
    return STATUS_OK;
}

void session__leave(struct fiber *f, struct session *session) {
    engine__lock(session->engine);
    atomic_store_explicit(&session->running, false, memory_order_relaxed);
    engine__unlock(session->engine);
    session->state_time_us = session->statement_time_us;
    request_begin(f, session); /* the answer's end and the next message */
}
