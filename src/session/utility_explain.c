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

static enum status explain_only(struct session *session, struct portal *portal,
                                const struct statement_explain *said) {
    TRY(session__check_constants(session, said->inner, &portal->arena));
    struct buffer text = {0};
    enum status status = explain_plan(said, said->inner->plan, NULL, &text);
    if (status == STATUS_OK)
        status = append_result(portal, said, &text);
    buffer_release(&text);
    return status;
}

static enum status explain_execution(struct portal *portal, const struct statement_explain *said,
                                     const struct execution *execution, int64_t started_ns) {
    struct buffer text = {0};
    double milliseconds = (double)(clock_monotonic_ns() - started_ns) / 1e6;
    enum status status = explain_plan(said, said->inner->plan, exec_statistics(execution), &text);
    if (said->format == EXPLAIN_FORMAT_TEXT && said->summary)
        buffer_append_format(&text, "Execution Time: %.3f ms\n", milliseconds);
    if (status == STATUS_OK)
        status = append_result(portal, said, &text);
    buffer_release(&text);
    return status;
}

static enum status explain_analyze(struct fiber *f, struct session *session,
                                   struct portal *portal) {
    const struct statement_explain *said = &portal->statement->explain;
    struct exec_environment environment;
    struct execution *execution;
    TRY(session__transaction(f, session));
    TRY(session__lock(f, session, portal->text, false, &portal->statement));
    said = &portal->statement->explain;
    TRY(session__statement_begin(f, session));
    session__environment(session, said->inner, &portal->arena, portal->parameters,
                         portal->parameter_count, &environment);
    environment.collect_statistics = true;
    int64_t started_ns = clock_monotonic_ns();
    TRY(exec_open(f, &environment, said->inner->plan, &execution));
    struct batch *batch = NULL;
    enum status status;
    do {
        status = exec_next(f, execution, &batch);
    } while (status == STATUS_OK && batch != NULL);
    if (status == STATUS_OK)
        status = explain_execution(portal, said, execution, started_ns);
    exec_close(f, execution);
    TRY(status);
    return session__statement_end(f, session);
}

enum status session__run_explain(struct fiber *f, struct session *session, struct portal *portal) {
    const struct statement_explain *said = &portal->statement->explain;
    if (said->inner->plan == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "EXPLAIN of %s is not supported",
                         statement_kind_tag(said->inner->kind));
    return said->analyze ? explain_analyze(f, session, portal)
                         : explain_only(session, portal, said);
}
