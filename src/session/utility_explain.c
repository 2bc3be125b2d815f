#include "session/state.h"
#include "sql/sql_explain.h"

/* EXPLAIN: the plan as rows of text; with ANALYZE it is run first, its rows thrown away. */

static enum status append_lines(struct portal *portal, struct slice text) {
    const uint8_t *at = text.data, *end = text.data + text.size;
    while (at < end) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        const uint8_t *stop = newline == NULL ? end : newline;
        struct value line = value_string(TYPE_OF(TEXT), slice_of(at, (size_t)(stop - at)));
        TRY(kept_rows_append_values(&portal->stored, &line, 1));
        at = stop + 1;
    }
    return STATUS_OK;
}

/* JSON is one value with its line breaks. */
static enum status append_result(struct portal *portal, const struct statement_explain *said,
                                 const struct buffer *text) {
    TRY(buffer_status(text));
    if (said->format == EXPLAIN_FORMAT_TEXT)
        return append_lines(portal, buffer_slice(text));
    struct value value = value_string(TYPE_OF(TEXT), buffer_slice(text));
    return kept_rows_append_values(&portal->stored, &value, 1);
}

/* What EXPLAIN EXECUTE is about: the prepared statement, retained. */
struct explained {
    struct statement *statement; /* NULL: not EXECUTE */
    const char *text;
};

/* The arguments go into the portal. */
static enum status find_explained(struct fiber *f, struct session *session, struct portal *portal,
                                  struct explained *explained) {
    const struct statement *said = portal->statement->explain.inner;
    struct prepared *prepared;
    *explained = (struct explained){0};
    if (said->kind != STATEMENT_EXECUTE)
        return STATUS_OK;
    TRY(session__prepared_find(session, said->prepared.name, &prepared));
    TRY(session__prepared_renew(f, session, prepared));
    TRY(session__transaction(f, session));
    if (prepared->statement == NULL || prepared->statement->plan == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "EXPLAIN EXECUTE of %s is not supported",
                         prepared->statement == NULL
                             ? "an empty statement"
                             : statement_kind_tag(prepared->statement->kind));
    TRY(session__execute_arguments(f, session, said, prepared, portal));
    statement_retain(prepared->statement);
    *explained = (struct explained){prepared->statement, prepared->text};
    return STATUS_OK;
}

static enum status explain_only(struct session *session, struct portal *portal,
                                const struct statement *inner) {
    const struct statement_explain *said = &portal->statement->explain;
    TRY(session__check_constants(session, inner, &portal->arena));
    struct buffer text = {0};
    enum status status = explain_plan(said, inner->plan, NULL, &text);
    if (said->summary)
        buffer_append_format(&text, "Planning Time: %.3f ms\n", (double)inner->planning_ns / 1e6);
    if (status == STATUS_OK)
        status = append_result(portal, said, &text);
    buffer_release(&text);
    return status;
}

static enum status explain_execution(struct portal *portal, const struct statement *inner,
                                     const struct execution *execution, int64_t started_ns) {
    const struct statement_explain *said = &portal->statement->explain;
    struct buffer text = {0};
    double milliseconds = (double)(clock_monotonic_ns() - started_ns) / 1e6;
    enum status status = explain_plan(said, inner->plan, exec_statistics(execution), &text);
    if (said->format == EXPLAIN_FORMAT_TEXT && said->summary)
        buffer_append_format(&text, "Planning Time: %.3f ms\nExecution Time: %.3f ms\n",
                             (double)inner->planning_ns / 1e6, milliseconds);
    if (status == STATUS_OK)
        status = append_result(portal, said, &text);
    buffer_release(&text);
    return status;
}

static enum status run_all(struct fiber *f, struct session *session, struct portal *portal,
                           const struct statement *inner) {
    struct exec_environment environment;
    struct execution *execution;
    TRY(session__statement_begin(f, session));
    session__environment(session, inner, &portal->arena, portal->parameters,
                         portal->parameter_count, &environment);
    environment.collect_statistics = true;
    int64_t started_ns = clock_monotonic_ns();
    TRY(exec_open(f, &environment, inner->plan, &execution));
    struct batch *batch = NULL;
    enum status status;
    do {
        status = exec_next(f, execution, &batch);
    } while (status == STATUS_OK && batch != NULL);
    if (status == STATUS_OK)
        status = explain_execution(portal, inner, execution, started_ns);
    exec_close(f, execution);
    TRY(status);
    return session__statement_end(f, session);
}

/* Locks first; they may show that the schema has changed and bind anew. */
static enum status explain_analyze(struct fiber *f, struct session *session, struct portal *portal,
                                   struct explained *explained) {
    TRY(session__transaction(f, session));
    if (explained->statement != NULL)
        TRY(session__lock(f, session, explained->text, true, &explained->statement));
    else
        TRY(session__lock(f, session, portal->text, false, &portal->statement));
    return run_all(f, session, portal,
                   explained->statement != NULL ? explained->statement
                                                : portal->statement->explain.inner);
}

enum status session__run_explain(struct fiber *f, struct session *session, struct portal *portal) {
    const struct statement_explain *said = &portal->statement->explain;
    struct explained explained;
    TRY(find_explained(f, session, portal, &explained));
    const struct statement *inner = explained.statement != NULL ? explained.statement : said->inner;
    enum status status;
    if (inner->plan == NULL)
        status = error_set(STATUS_FEATURE_NOT_SUPPORTED, "EXPLAIN of %s is not supported",
                           statement_kind_tag(inner->kind));
    else
        status = said->analyze ? explain_analyze(f, session, portal, &explained)
                               : explain_only(session, portal, inner);
    statement_release(explained.statement);
    return status;
}
