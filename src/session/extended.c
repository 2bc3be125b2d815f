#include "session/state.h"
#include "value/value_binary.h"

/* Extended query: Parse, Bind, Describe, Execute, Close, Sync. */

/* Every function here begins and ends like this. */
static enum status leave(struct fiber *f, struct session *session, enum status status) {
    if (status != STATUS_OK)
        status = session__failed(f, session, status);
    session__leave(f, session);
    return status;
}

/* ---- Parse ------------------------------------------------------------------------------ */

/* In a failed transaction only what ends it may be prepared, without looking at names. */
static enum status check_text(struct fiber *f, struct session *session, const char *text) {
    if (!session->failed)
        return STATUS_OK;
    struct raw_statements raws;
    TRY(sql_parse(f, text, &session->arena, &raws));
    return raws.count == 0 ? STATUS_OK
                           : session__check_failed(session, raw_statement_kind(&raws.items[0]));
}

enum status session_parse(struct fiber *f, struct session *session, const char *name,
                          const char *text, const uint32_t *type_oids, size_t type_count) {
    struct prepared *prepared;
    TRY(session__enter(f, session, text));
    arena_reset(&session->arena);
    enum status status = utf8_check(slice_of_text(text));
    if (status == STATUS_OK)
        status = check_text(f, session, text);
    if (status == STATUS_OK)
        status =
            session__prepared_make(f, session, name, text, type_oids, type_count, false, &prepared);
    return leave(f, session, status);
}

/* ---- Bind ------------------------------------------------------------------------------- */

static enum status read_parameter(struct session *session, struct portal *portal,
                                  const struct session_parameter *parameter, uint32_t type_id,
                                  struct value *value_out) {
    struct type type = type_plain(type_id);
    if (parameter->is_null) {
        *value_out = value_null(type);
        return STATUS_OK;
    }
    struct slice bytes = arena_copy_slice(&portal->arena, parameter->bytes);
    if (bytes.data == NULL && parameter->bytes.size > 0)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (parameter->is_binary)
        return binary_receive(bytes, type, &portal->arena, value_out);
    TRY(utf8_check(bytes));
    return text_input(&session->value_context, bytes, type, &portal->arena, value_out);
}

static enum status read_parameters(struct session *session, struct portal *portal,
                                   const struct prepared *prepared,
                                   const struct session_parameter *parameters, size_t count) {
    const struct statement *statement = prepared->statement;
    size_t wanted = statement == NULL ? 0 : statement->parameter_count;
    if (count != wanted)
        return error_set(STATUS_PROTOCOL_VIOLATION,
                         "bind message supplies %zu parameters, but prepared statement \"%s\" "
                         "requires %zu",
                         count, prepared->named.name, wanted);
    struct value *values = arena_alloc(&portal->arena, (count + 1) * sizeof *values);
    if (values == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        TRY(read_parameter(session, portal, &parameters[i], statement->parameter_types[i],
                           &values[i]));
    portal->parameters = values;
    portal->parameter_count = count;
    return arena_status(&portal->arena);
}

static enum status bind_statement(struct fiber *f, struct session *session, const char *portal_name,
                                  const char *statement_name,
                                  const struct session_parameter *parameters,
                                  size_t parameter_count) {
    struct prepared *prepared;
    struct portal *portal;
    TRY(session__apply_settings(session));
    TRY(session__prepared_find(session, statement_name, &prepared));
    if (prepared->statement != NULL)
        TRY(session__check_failed(session, prepared->statement->kind));
    TRY(session__prepared_renew(f, session, prepared));
    TRY(portal_create(f, session, portal_name, &portal));
    enum status status = portal_set(session, portal, prepared->text, prepared->statement);
    portal->fixed_result = true;
    if (status == STATUS_OK)
        status = read_parameters(session, portal, prepared, parameters, parameter_count);
    if (status == STATUS_OK)
        status = session__check_constants(session, prepared->statement, &portal->arena);
    if (status != STATUS_OK)
        portal_close(f, session, portal);
    return status;
}

enum status session_bind(struct fiber *f, struct session *session, const char *portal,
                         const char *statement, const struct session_parameter *parameters,
                         size_t parameter_count) {
    TRY(session__enter(f, session, NULL));
    return leave(f, session,
                 bind_statement(f, session, portal, statement, parameters, parameter_count));
}

static enum status bind_formats(struct session *session, const char *name, const int16_t *formats,
                                size_t count) {
    struct portal *portal;
    TRY(session__portal_find(session, name, &portal));
    if (count > 1 && count != portal->column_count)
        return error_set(STATUS_PROTOCOL_VIOLATION,
                         "bind message has %zu result formats but query has %zu columns", count,
                         portal->column_count);
    if (portal->columns == NULL)
        return STATUS_OK;
    for (size_t i = 0; i < portal->column_count; i++)
        portal->columns[i].format = count == 0 ? 0 : formats[count == 1 ? 0 : i];
    return STATUS_OK;
}

enum status session_bind_formats(struct fiber *f, struct session *session, const char *portal,
                                 const int16_t *formats, size_t count) {
    TRY(session__enter(f, session, NULL));
    return leave(f, session, bind_formats(session, portal, formats, count));
}

/* ---- Describe --------------------------------------------------------------------------- */

static enum status describe_statement(struct fiber *f, struct session *session, const char *name,
                                      struct prepared **prepared_out) {
    TRY(session__prepared_find(session, name, prepared_out));
    struct prepared *prepared = *prepared_out;
    if (prepared->statement != NULL && prepared->statement->returns_rows)
        TRY(session__check_failed(session, prepared->statement->kind));
    return session__prepared_renew(f, session, prepared);
}

enum status session_describe_statement(struct fiber *f, struct session *session, const char *name,
                                       const uint32_t **type_oids_out, size_t *type_count_out,
                                       const struct column_description **columns_out,
                                       size_t *count_out) {
    struct prepared *prepared;
    TRY(session__enter(f, session, NULL));
    enum status status = describe_statement(f, session, name, &prepared);
    if (status == STATUS_OK) {
        const struct statement *statement = prepared->statement;
        *type_oids_out = statement == NULL ? NULL : statement->parameter_types;
        *type_count_out = statement == NULL ? 0 : statement->parameter_count;
        *columns_out = prepared->columns;
        *count_out = prepared->column_count;
    }
    return leave(f, session, status);
}

enum status session_describe_portal(struct fiber *f, struct session *session, const char *name,
                                    const struct column_description **columns_out,
                                    size_t *count_out) {
    struct portal *portal;
    TRY(session__enter(f, session, NULL));
    enum status status = session__portal_find(session, name, &portal);
    if (status == STATUS_OK && portal->statement != NULL && portal->statement->returns_rows)
        status = session__check_failed(session, portal->statement->kind);
    if (status == STATUS_OK) {
        *columns_out = portal->columns;
        *count_out = portal->column_count;
    }
    return leave(f, session, status);
}

/* ---- Execute ---------------------------------------------------------------------------- */

static enum status execute(struct fiber *f, struct session *session, const char *name,
                           uint64_t row_limit) {
    struct portal *portal;
    TRY(session__portal_find(session, name, &portal));
    if (portal->statement == NULL)
        return session->sink->empty_query(f, session->sink);
    TRY(session__check_failed(session, portal->statement->kind));
    bool ends = portal->statement->kind == STATEMENT_COMMIT ||
                portal->statement->kind == STATEMENT_ROLLBACK;
    if (portal->started && ends)
        return error_set(STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE, "portal \"%s\" cannot be run",
                         name);
    struct deadline before = session__deadline_begin(f, session);
    bool done;
    enum status status = portal_run(f, session, portal, row_limit, &done);
    fiber_deadline_set(f, before);
    TRY(status);
    TRY(session->sink->complete(f, session->sink, portal->tag, !done));
    return STATUS_OK;
}

enum status session_execute(struct fiber *f, struct session *session, const char *portal,
                            uint64_t row_limit) {
    TRY(session__enter(f, session, NULL));
    arena_reset(&session->arena);
    return leave(f, session, execute(f, session, portal, row_limit));
}

/* ---- Close and Sync --------------------------------------------------------------------- */

enum status session_close_statement(struct fiber *f, struct session *session, const char *name) {
    struct prepared *prepared;
    TRY(session__enter(f, session, NULL));
    if (session__prepared_find(session, name, &prepared) == STATUS_OK)
        prepared_destroy(session, prepared);
    return leave(f, session, STATUS_OK); /* closing what is not there is no error */
}

enum status session_close_portal(struct fiber *f, struct session *session, const char *name) {
    struct portal *portal;
    TRY(session__enter(f, session, NULL));
    if (session__portal_find(session, name, &portal) == STATUS_OK)
        portal_close(f, session, portal);
    return leave(f, session, STATUS_OK);
}

void session_fail(struct fiber *f, struct session *session) {
    if (session__enter(f, session, NULL) != STATUS_OK)
        return; /* it is being closed: the next message says so */
    session__abort(f, session);
    session__leave(f, session);
}

enum status session_sync(struct fiber *f, struct session *session) {
    TRY(session__enter(f, session, NULL));
    return leave(f, session, session__finish_implicit(f, session));
}
