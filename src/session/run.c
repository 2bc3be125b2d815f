#include "session/state.h"

/* ---- statements of the store ------------------------------------------------------------ */

enum status session__statement_end(struct fiber *f, struct session *session) {
    if (!session->statement_open)
        return STATUS_OK;
    session->statement_open = false;
    return transaction_statement_end(f, session->transaction);
}

enum status session__statement_begin(struct fiber *f, struct session *session) {
    TRY(session__settle_open_portal(f, session, true));
    TRY(session__statement_end(f, session));
    TRY(transaction_statement_begin(f, session->transaction, session->last_commit));
    session->statement_open = session->statement_ran = true;
    return STATUS_OK;
}

enum status session__check_constants(const struct session *session,
                                     const struct statement *statement, struct arena *arena) {
    if (statement == NULL || statement->plan == NULL)
        return STATUS_OK;
    return exec_check_constants(&session->value_context, statement->plan, arena);
}

void session__environment(struct session *session, const struct statement *statement,
                          struct arena *arena, const struct value *parameters,
                          size_t parameter_count, struct exec_environment *environment_out) {
    *environment_out = (struct exec_environment){
        .catalog = session->engine->catalog,
        .store = session->engine->store,
        .schema = (struct schema *)statement->schema,
        .transaction = session->transaction,
        .session_functions = &session__functions,
        .session = session,
        .value_context = &session->value_context,
        .transaction_time_us = session->transaction_time_us,
        .statement_time_us = session->statement_time_us,
        .parameters = parameters,
        .parameter_count = parameter_count,
        .memory_max = (uint64_t)setting_number(&session->settings, SETTING_WORK_MEM) << 10,
        .arena = arena,
    };
}

enum status session__run_plan(struct fiber *f, struct session *session,
                              const struct statement *statement, const struct plan *plan,
                              uint64_t *count_out) {
    struct exec_environment environment;
    struct execution *execution;
    session__environment(session, statement, &session->arena, NULL, 0, &environment);
    *count_out = 0;
    TRY(exec_open(f, &environment, plan, &execution));
    enum status status;
    struct batch *batch;
    uint64_t rows = 0;
    while ((status = exec_next(f, execution, &batch)) == STATUS_OK && batch != NULL)
        rows += batch->selected_count;
    *count_out = plan->is_read_only ? rows : exec_row_count(execution);
    exec_close(f, execution);
    return status;
}

/* ---- deadlines and failures ------------------------------------------------------------- */

struct deadline session__deadline_begin(struct fiber *f, struct session *session) {
    int64_t timeout_ms = setting_number(&session->settings, SETTING_STATEMENT_TIMEOUT);
    struct deadline deadline = {0};
    if (timeout_ms > 0)
        deadline = (struct deadline){
            .at_ns = clock_monotonic_ns() + timeout_ms * 1000000,
            .reason = STATUS_CANCELED,
            .message = "canceling statement due to statement timeout",
        };
    return fiber_deadline_set(f, deadline);
}

enum status session__failed(struct fiber *f, struct session *session, enum status status) {
    if (status == STATUS_SHUTDOWN || status == STATUS_CONNECTION_FAILURE)
        session->doomed = true;
    session__abort(f, session);
    if (status == STATUS_CANCELED)
        fiber_cancel_clear(f);
    return status;
}

enum status session__check_failed(const struct session *session, enum statement_kind kind) {
    if (!session->failed ||
        (kind != STATEMENT_NONE && statement_allowed_in_failed_transaction(kind)))
        return STATUS_OK;
    return error_set(STATUS_IN_FAILED_TRANSACTION, "%s", status_text(STATUS_IN_FAILED_TRANSACTION));
}

/* ---- what functions ask of the session -------------------------------------------------- */

static const char *function_setting_get(void *data, const char *name, struct arena *arena) {
    struct session *session = data;
    enum setting_id id = setting_find(name);
    if (id == SETTING_COUNT)
        return settings_custom(&session->settings, name);
    struct buffer text = {0};
    setting_show(id, &session->settings.values[id], &text);
    buffer_append_byte(&text, 0);
    const char *copy = text.failed ? NULL : arena_copy_text(arena, (const char *)text.data);
    buffer_release(&text);
    return copy;
}

static enum status function_setting_set(void *data, const char *name, const char *value,
                                        bool local) {
    struct session *session = data;
    enum setting_id id = setting_find(name);
    if (id == SETTING_COUNT) {
        if (strchr(name, '.') == NULL)
            return setting_unknown(name);
        return settings_set_custom(&session->settings, name, value);
    }
    TRY(settings_set(&session->settings, id, value, local));
    return session__apply_settings(session);
}

static struct sequence_value *sequence_find(struct session *session, uint32_t oid) {
    for (size_t i = 0; i < session->sequence_count; i++)
        if (session->sequences[i].oid == oid)
            return &session->sequences[i];
    return NULL;
}

static void function_sequence_remember(void *data, uint32_t oid, int64_t value) {
    struct session *session = data;
    struct sequence_value *known = sequence_find(session, oid);
    if (known == NULL) {
        if (!memory_grow(&session->sequences, &session->sequence_capacity,
                         session->sequence_count + 1, sizeof *session->sequences))
            return; /* currval will say that nothing is known */
        known = &session->sequences[session->sequence_count++];
    }
    *known = (struct sequence_value){oid, value};
    session->sequence_last = oid;
}

static bool function_sequence_recall(void *data, uint32_t oid, int64_t *value_out) {
    const struct sequence_value *known = sequence_find(data, oid);
    if (known != NULL)
        *value_out = known->value;
    return known != NULL;
}

static bool function_sequence_last(void *data, uint32_t *oid_out, int64_t *value_out) {
    struct session *session = data;
    *oid_out = session->sequence_last;
    return session->sequence_last != 0 &&
           function_sequence_recall(data, session->sequence_last, value_out);
}

static int32_t function_backend_pid(void *data) {
    return ((struct session *)data)->pid;
}

static const char *function_user_name(void *data) {
    return ((struct session *)data)->user;
}

static const char *function_database_name(void *data) {
    return ((struct session *)data)->database;
}

static const char *function_search_path(void *data, size_t at) {
    const struct session *session = data;
    return at < session->search_path_count ? session->search_path[at] : NULL;
}

static bool function_signal_backend(void *data, int32_t pid, bool terminate) {
    return engine__signal(((struct session *)data)->engine, pid, terminate);
}

static bool function_backend_exists(void *data, int32_t pid) {
    return engine__session_exists(((struct session *)data)->engine, pid);
}

static int64_t function_server_start_us(void *data) {
    return ((struct session *)data)->engine->start_time_us;
}

static void function_notice(void *data, const char *severity, const char *sqlstate,
                            const char *message) {
    session__notice(NULL, data, severity, sqlstate, message);
}

const struct exec_session_functions session__functions = {
    .setting_get = function_setting_get,
    .setting_set = function_setting_set,
    .sequence_remember = function_sequence_remember,
    .sequence_recall = function_sequence_recall,
    .sequence_last = function_sequence_last,
    .notice = function_notice,
    .backend_pid = function_backend_pid,
    .user_name = function_user_name,
    .database_name = function_database_name,
    .search_path = function_search_path,
    .signal_backend = function_signal_backend,
    .backend_exists = function_backend_exists,
    .server_start_us = function_server_start_us,
};
