/* EXPLAIN and its options. */
#include <string.h>
#include <strings.h>

#include "sql/bind.h"

/* What is on or off, and whether it was said. */
struct explain_options {
    bool timing, timing_set, summary_set, wal;
};

static enum status explain_format(struct binder *b, const PgQuery__DefElem *option) {
    const char *format = bind_option_text(b, option->arg);
    if (format == NULL)
        return bind_error(b, -1, STATUS_SYNTAX_ERROR, "format requires a parameter");
    if (strcmp(format, "text") == 0)
        return STATUS_OK;
    if (strcmp(format, "xml") == 0 || strcmp(format, "json") == 0 || strcmp(format, "yaml") == 0)
        return bind_unsupported(b, option->location, "EXPLAIN (FORMAT %s)", format);
    return bind_error(b, option->location, STATUS_INVALID_PARAMETER_VALUE,
                      "unrecognized value for EXPLAIN option \"format\": \"%s\"", format);
}

static enum status explain_option(struct binder *b, const PgQuery__DefElem *option,
                                  struct statement_explain *explain,
                                  struct explain_options *options) {
    const struct {
        const char *name;
        bool *value, *said;
    } flags[] = {
        {"analyze", &explain->analyze, NULL},
        {"verbose", &explain->verbose, NULL},
        {"costs", &explain->costs, NULL},
        {"buffers", &explain->buffers, NULL},
        {"settings", &explain->settings, NULL},
        {"wal", &options->wal, NULL},
        {"timing", &options->timing, &options->timing_set},
        {"summary", &explain->summary, &options->summary_set},
    };
    if (strcmp(option->defname, "format") == 0)
        return explain_format(b, option);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (strcmp(option->defname, flags[i].name) != 0)
            continue;
        if (flags[i].said != NULL)
            *flags[i].said = true;
        return bind_option_bool(b, option, flags[i].value);
    }
    return bind_error(b, option->location, STATUS_SYNTAX_ERROR,
                      "unrecognized EXPLAIN option \"%s\"", option->defname);
}

/* The statement whose plan is shown. EXECUTE: the session finds the plan by its name. */
static enum status bind_inner(struct binder *b, const parse_node *node, struct statement *inner) {
    if (NODE_IS(node, CREATE_TABLE_AS_STMT))
        node = node->create_table_as_stmt->query;
    if (NODE_IS(node, DECLARE_CURSOR_STMT))
        node = node->declare_cursor_stmt->query;
    if (NODE_IS(node, EXECUTE_STMT)) {
        inner->kind = STATEMENT_EXECUTE;
        return bind_execute(b, node->execute_stmt, inner);
    }
    if (!NODE_IS(node, SELECT_STMT) && !NODE_IS(node, INSERT_STMT) && !NODE_IS(node, UPDATE_STMT) &&
        !NODE_IS(node, DELETE_STMT))
        return bind_unsupported(b, -1, "EXPLAIN of this statement");
    int64_t started_ns = clock_monotonic_ns();
    TRY(bind_plan_statement(b, node, inner));
    inner->planning_ns = clock_monotonic_ns() - started_ns;
    return STATUS_OK;
}

enum status bind_explain(struct binder *b, const PgQuery__ExplainStmt *node,
                         struct statement *statement) {
    struct statement_explain *explain = &statement->explain;
    struct explain_options options = {.timing = true};
    explain->costs = true;
    for (size_t i = 0; i < node->n_options; i++)
        TRY(explain_option(b, node->options[i]->def_elem, explain, &options));
    if (options.wal && !explain->analyze)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "EXPLAIN option WAL requires ANALYZE");
    if (options.timing_set && options.timing && !explain->analyze)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "EXPLAIN option TIMING requires ANALYZE");
    explain->timing = options.timing && explain->analyze;
    if (!options.summary_set)
        explain->summary = explain->analyze;
    struct statement *inner;
    TRY(BIND_ARRAY(b, 1, &inner));
    inner->schema = statement->schema;
    inner->private_part = statement->private_part;
    TRY(bind_inner(b, node->query, inner));
    explain->inner = inner;
    statement->plan = inner->plan;
    return bind_text_column(b, statement, "QUERY PLAN");
}
