#include "session/state.h"
#include "sql/sql_normalize.h"
#include "value/value_cast.h"

/* Simple query: one text, its statements one after the other. */

/* Run one statement through the unnamed portal. Takes over the reference. `last`: of its text; an
   implicit transaction is committed before the client hears that the statement is done. */
static enum status run_statement(struct fiber *f, struct session *session, const char *text,
                                 struct statement *statement, struct value *parameters,
                                 size_t parameter_count, bool last) {
    struct portal *portal;
    enum status status = session__check_failed(session, statement->kind);
    if (status == STATUS_OK)
        status = portal_create(f, session, "", &portal);
    if (status == STATUS_OK)
        status = portal_set(session, portal, text, statement);
    statement_release(statement);
    TRY(status);
    portal->parameters = parameters;
    portal->parameter_count = parameter_count;
    portal->announce = true;
    struct deadline before = session__deadline_begin(f, session);
    bool done;
    char tag[TAG_SIZE] = "";
    status = portal_run(f, session, portal, 0, &done);
    if (status == STATUS_OK) {
        memcpy(tag, portal->tag, sizeof tag); /* committing closes the portal */
        if (last)
            status = session__finish_implicit(f, session);
    }
    fiber_deadline_set(f, before);
    if (status == STATUS_OK)
        status = session->sink->complete(f, session->sink, tag, false);
    return status;
}

/* ---- repeated texts --------------------------------------------------------------------- */

/* The literals of a text as parameters of the statement. False: do it the long way. */
static bool convert_literals(struct session *session, const struct statement *statement,
                             const struct normalized *normalized, struct value **values_out) {
    if (statement->parameter_count != normalized->count)
        return false;
    struct value *values = ARENA_ARRAY(&session->arena, struct value, normalized->count + 1);
    for (size_t i = 0; i < normalized->count; i++) {
        struct type type = type_plain(statement->parameter_types[i]);
        const struct value *literal = &normalized->values[i];
        enum status status;
        if (normalized->types[i] == 0) {
            status = text_input(&session->value_context, literal->string, type, &session->arena,
                                &values[i]);
        } else if (type_equal(literal->type, type)) {
            values[i] = *literal;
            continue;
        } else {
            status = value_cast(&session->value_context, literal, type, false, &session->arena,
                                &values[i]);
        }
        if (status != STATUS_OK)
            return false;
    }
    *values_out = values;
    return true;
}

/* A plan for the text without parsing it: known as it is, or apart from its literals. NULL when
   there is none. *text_out is what the plan was made of. */
static struct statement *find_plan(struct fiber *f, struct session *session, const char *text,
                                   const char **text_out, struct value **values_out,
                                   size_t *count_out) {
    *values_out = NULL;
    *count_out = 0;
    *text_out = text;
    struct normalized *normalized = arena_alloc(&session->arena, sizeof *normalized);
    if (!sql_normalize(text, &session->arena, normalized)) {
        struct statement *statement = session__cached(f, session, text, NULL, 0);
        if (statement != NULL && statement->parameter_count > 0) {
            statement_release(statement);
            return NULL; /* $1 in a simple query: the binder has the words for that */
        }
        return statement;
    }
    struct statement *statement;
    if (session__prepare_text(f, session, normalized->text, normalized->types, normalized->count,
                              &statement) != STATUS_OK ||
        statement == NULL)
        return NULL;
    if (!convert_literals(session, statement, normalized, values_out)) {
        statement_release(statement);
        return NULL;
    }
    *count_out = normalized->count;
    *text_out = normalized->text;
    return statement;
}

/* ---- texts ------------------------------------------------------------------------------ */

static const char *text_of(struct session *session, const struct raw_statement *raw) {
    struct slice slice =
        arena_copy_slice(&session->arena, slice_of(raw->text + raw->offset, raw->size));
    return slice.data == NULL ? "" : (const char *)slice.data;
}

static enum status run_parsed(struct fiber *f, struct session *session,
                              const struct raw_statements *raws) {
    for (size_t i = 0; i < raws->count; i++) {
        const struct raw_statement *raw = &raws->items[i];
        struct statement *statement;
        TRY(session__check_failed(session, raw_statement_kind(raw)));
        TRY(session__prepare_raw(f, session, raw, raws->count == 1 ? raw->text : NULL, &statement));
        TRY(run_statement(f, session, text_of(session, raw), statement, NULL, 0,
                          i + 1 == raws->count));
        TRY(arena_status(&session->arena));
    }
    return STATUS_OK;
}

static enum status run_text(struct fiber *f, struct session *session, const char *text) {
    const char *plan_text;
    struct value *values;
    size_t value_count;
    TRY(utf8_check(slice_of_text(text)));
    if (!session->failed) {
        struct statement *statement =
            find_plan(f, session, text, &plan_text, &values, &value_count);
        if (statement != NULL)
            return run_statement(f, session, plan_text, statement, values, value_count, true);
        error_clear();
    }
    struct raw_statements raws;
    /* The carrier's buffer may be filled anew by COPY. */
    const char *copy = arena_copy_text(&session->arena, text);
    if (copy == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(sql_parse(f, copy, &session->arena, &raws));
    if (raws.count == 0) {
        TRY(session->sink->empty_query(f, session->sink));
        return session__finish_implicit(f, session);
    }
    return run_parsed(f, session, &raws);
}

enum status session_query(struct fiber *f, struct session *session, const char *text) {
    TRY(session__enter(f, session, text));
    arena_reset(&session->arena);
    enum status status = run_text(f, session, text);
    if (status != STATUS_OK)
        status = session__failed(f, session, status);
    session__leave(f, session);
    return status;
}
