/* COPY: its options as PostgreSQL checks them, the columns, the plan of its rows. */
#include <string.h>
#include <strings.h>

#include "sql/bind.h"

/* ---- options ---------------------------------------------------------------------------- */

/* What was said, before it is known to fit together. */
struct copy_options {
    struct binder *b;
    const PgQuery__DefElem *format, *freeze, *delimiter, *null, *header, *quote, *escape;
    const PgQuery__DefElem *force_quote, *force_not_null, *force_null, *encoding;
};

static const PgQuery__DefElem **option_place(struct copy_options *options, const char *name) {
    const struct {
        const char *name;
        const PgQuery__DefElem **place;
    } places[] = {
        {"format", &options->format},
        {"freeze", &options->freeze},
        {"delimiter", &options->delimiter},
        {"null", &options->null},
        {"header", &options->header},
        {"quote", &options->quote},
        {"escape", &options->escape},
        {"force_quote", &options->force_quote},
        {"force_not_null", &options->force_not_null},
        {"force_null", &options->force_null},
        {"encoding", &options->encoding},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (strcmp(places[i].name, name) == 0)
            return places[i].place;
    return NULL;
}

/* The option's text; NULL when it was not said. */
static enum status string_option(struct binder *b, const PgQuery__DefElem *option,
                                 const char **text_out) {
    if (option == NULL) {
        *text_out = NULL;
        return STATUS_OK;
    }
    const char *text = bind_option_text(b, option->arg);
    if (text == NULL)
        return bind_error(b, -1, STATUS_SYNTAX_ERROR, "%s requires a parameter", option->defname);
    char *copy = arena_copy_text(b->arena, text);
    if (copy == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    *text_out = copy;
    return STATUS_OK;
}

static enum status format_option(struct binder *b, const PgQuery__DefElem *option,
                                 struct statement_copy *copy) {
    const char *text;
    TRY(string_option(b, option, &text));
    if (strcmp(text, "text") == 0)
        copy->format = COPY_TEXT;
    else if (strcmp(text, "csv") == 0)
        copy->format = COPY_CSV;
    else if (strcmp(text, "binary") == 0)
        copy->format = COPY_BINARY;
    else
        return bind_error(b, option->location, STATUS_INVALID_PARAMETER_VALUE,
                          "COPY format \"%s\" not recognized", text);
    return STATUS_OK;
}

static enum status header_option(struct binder *b, const PgQuery__DefElem *option,
                                 struct statement_copy *copy) {
    const char *text = bind_option_text(b, option->arg);
    copy->header_match = text != NULL && strcasecmp(text, "match") == 0;
    copy->header = true;
    if (copy->header_match && !copy->from)
        return bind_error(b, -1, STATUS_FEATURE_NOT_SUPPORTED,
                          "cannot use \"%s\" with HEADER in COPY TO", text);
    if (copy->header_match || bind_option_bool(b, option, &copy->header) == STATUS_OK)
        return STATUS_OK;
    return bind_error(b, -1, STATUS_SYNTAX_ERROR, "%s requires a Boolean value or \"match\"",
                      option->defname);
}

/* Must be a list of columns, or (force_quote) a star. */
static enum status list_option(struct binder *b, const PgQuery__DefElem *option,
                               struct statement_copy *copy) {
    bool star = NODE_IS(option->arg, A_STAR);
    if (star && strcmp(option->defname, "force_quote") == 0) {
        copy->force_quote_all = true;
        return STATUS_OK;
    }
    if (NODE_IS(option->arg, LIST))
        return STATUS_OK;
    return bind_error(b, option->location, STATUS_INVALID_PARAMETER_VALUE,
                      "argument to option \"%s\" must be a list of column names", option->defname);
}

static enum status encoding_option(struct binder *b, const PgQuery__DefElem *option) {
    static const char *const known[] = {"latin1",  "sql_ascii", "euc_jp",  "win1252", "iso_8859_5",
                                        "latin9",  "latin2",    "win1251", "big5",    "gbk",
                                        "gb18030", "sjis",      "uhc",     "koi8r",   "win1250"};
    ASSERT(option != NULL);
    const char *text;
    TRY(string_option(b, option, &text));
    if (strcasecmp(text, "utf8") == 0 || strcasecmp(text, "utf-8") == 0 ||
        strcasecmp(text, "unicode") == 0)
        return STATUS_OK;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(text, known[i]) == 0)
            return bind_unsupported(b, option->location, "COPY in encoding %s", text);
    return bind_error(b, option->location, STATUS_INVALID_PARAMETER_VALUE,
                      "argument to option \"encoding\" must be a valid encoding name");
}

static enum status take_option(struct copy_options *options, const PgQuery__DefElem *option,
                               struct statement_copy *copy) {
    struct binder *b = options->b;
    const PgQuery__DefElem **place = option_place(options, option->defname);
    if (place == NULL)
        return bind_error(b, option->location, STATUS_SYNTAX_ERROR, "option \"%s\" not recognized",
                          option->defname);
    if (*place != NULL)
        return bind_error(b, option->location, STATUS_SYNTAX_ERROR,
                          "conflicting or redundant options");
    *place = option;
    const char *text;
    if (place == &options->format)
        return format_option(b, option, copy);
    if (place == &options->freeze)
        return bind_option_bool(b, option, &copy->freeze);
    if (place == &options->header)
        return header_option(b, option, copy);
    if (place == &options->encoding)
        return encoding_option(b, option);
    if (place == &options->force_quote || place == &options->force_not_null ||
        place == &options->force_null)
        return list_option(b, option, copy);
    return string_option(b, option, &text);
}

static enum status refuse(const struct binder *b, enum status status, const char *text) {
    return bind_error(b, -1, status, "%s", text);
}
#define REFUSE_WHEN(condition, status, text)                                                       \
    do {                                                                                           \
        if (condition)                                                                             \
            return refuse(b, STATUS_##status, text);                                               \
    } while (0)

static enum status check_delimiter(const struct binder *b, const struct statement_copy *copy,
                                   const char *delimiter) {
    REFUSE_WHEN(strlen(delimiter) != 1, FEATURE_NOT_SUPPORTED,
                "COPY delimiter must be a single one-byte character");
    REFUSE_WHEN(strpbrk(delimiter, "\r\n") != NULL, INVALID_PARAMETER_VALUE,
                "COPY delimiter cannot be newline or carriage return");
    REFUSE_WHEN(strpbrk(copy->null_text, "\r\n") != NULL, INVALID_PARAMETER_VALUE,
                "COPY null representation cannot use newline or carriage return");
    if (copy->format != COPY_CSV &&
        strchr("\\.abcdefghijklmnopqrstuvwxyz0123456789", delimiter[0]) != NULL)
        return bind_error(b, -1, STATUS_INVALID_PARAMETER_VALUE, "COPY delimiter cannot be \"%s\"",
                          delimiter);
    return STATUS_OK;
}

static enum status check_quotes(const struct binder *b, bool csv, const char *delimiter,
                                const char *quote, const char *escape) {
    REFUSE_WHEN(!csv && quote != NULL, FEATURE_NOT_SUPPORTED,
                "COPY quote available only in CSV mode");
    REFUSE_WHEN(csv && quote != NULL && strlen(quote) != 1, FEATURE_NOT_SUPPORTED,
                "COPY quote must be a single one-byte character");
    REFUSE_WHEN(csv && delimiter[0] == (quote != NULL ? quote[0] : '"'), INVALID_PARAMETER_VALUE,
                "COPY delimiter and quote must be different");
    REFUSE_WHEN(!csv && escape != NULL, FEATURE_NOT_SUPPORTED,
                "COPY escape available only in CSV mode");
    REFUSE_WHEN(csv && escape != NULL && strlen(escape) != 1, FEATURE_NOT_SUPPORTED,
                "COPY escape must be a single one-byte character");
    return STATUS_OK;
}

static enum status check_forces(const struct copy_options *options, bool csv, bool from) {
    const struct binder *b = options->b;
    REFUSE_WHEN(!csv && options->force_quote != NULL, FEATURE_NOT_SUPPORTED,
                "COPY force quote available only in CSV mode");
    REFUSE_WHEN(options->force_quote != NULL && from, FEATURE_NOT_SUPPORTED,
                "COPY force quote only available using COPY TO");
    REFUSE_WHEN(!csv && options->force_not_null != NULL, FEATURE_NOT_SUPPORTED,
                "COPY force not null available only in CSV mode");
    REFUSE_WHEN(options->force_not_null != NULL && !from, FEATURE_NOT_SUPPORTED,
                "COPY force not null only available using COPY FROM");
    REFUSE_WHEN(!csv && options->force_null != NULL, FEATURE_NOT_SUPPORTED,
                "COPY force null available only in CSV mode");
    REFUSE_WHEN(options->force_null != NULL && !from, FEATURE_NOT_SUPPORTED,
                "COPY force null only available using COPY FROM");
    return STATUS_OK;
}

/* The options fit together; in PostgreSQL's order, so that of several faults the same is told. */
static enum status finish_options(const struct copy_options *options, struct statement_copy *copy) {
    struct binder *b = options->b;
    bool csv = copy->format == COPY_CSV, binary = copy->format == COPY_BINARY;
    const char *delimiter, *quote, *escape;
    TRY(string_option(b, options->delimiter, &delimiter));
    TRY(string_option(b, options->null, &copy->null_text));
    TRY(string_option(b, options->quote, &quote));
    TRY(string_option(b, options->escape, &escape));
    REFUSE_WHEN(binary && delimiter != NULL, SYNTAX_ERROR,
                "cannot specify DELIMITER in BINARY mode");
    REFUSE_WHEN(binary && copy->null_text != NULL, SYNTAX_ERROR,
                "cannot specify NULL in BINARY mode");
    if (delimiter == NULL)
        delimiter = csv ? "," : "\t";
    if (copy->null_text == NULL)
        copy->null_text = csv ? "" : "\\N";
    TRY(check_delimiter(b, copy, delimiter));
    REFUSE_WHEN(binary && copy->header, FEATURE_NOT_SUPPORTED,
                "cannot specify HEADER in BINARY mode");
    TRY(check_quotes(b, csv, delimiter, quote, escape));
    TRY(check_forces(options, csv, copy->from));
    REFUSE_WHEN(strchr(copy->null_text, delimiter[0]) != NULL, FEATURE_NOT_SUPPORTED,
                "COPY delimiter must not appear in the NULL specification");
    copy->delimiter = delimiter[0];
    copy->quote = quote != NULL ? quote[0] : '"';
    copy->escape = escape != NULL ? escape[0] : copy->quote;
    REFUSE_WHEN(csv && strchr(copy->null_text, copy->quote) != NULL, FEATURE_NOT_SUPPORTED,
                "CSV quote character must not appear in the NULL specification");
    return STATUS_OK;
}

/* ---- columns ---------------------------------------------------------------------------- */

/* Columns by name, of the table or of the query's result. */
static enum status force_columns(struct binder *b, const PgQuery__DefElem *option,
                                 const char *shown, const struct statement_copy *copy,
                                 const struct plan *plan, bool **flags_out) {
    if (option == NULL || !NODE_IS(option->arg, LIST))
        return STATUS_OK;
    const PgQuery__List *list = option->arg->list;
    TRY(BIND_ARRAY(b, copy->column_count + 1, flags_out));
    for (size_t i = 0; i < list->n_items; i++) {
        const char *name = node_text(list->items[i]);
        const struct column *column = copy->table != NULL ? table_column(copy->table, name) : NULL;
        bool known = column != NULL, found = false;
        for (uint32_t k = 0; k < copy->column_count; k++) {
            bool same = copy->table != NULL
                            ? column != NULL && copy->column_numbers[k] == column->number
                            : strcmp(plan->root->columns[k].name, name) == 0;
            if (same)
                (*flags_out)[k] = found = known = true;
        }
        if (!known && copy->table != NULL)
            return bind_error(b, -1, STATUS_UNDEFINED_COLUMN,
                              "column \"%s\" of relation \"%s\" does not exist", name,
                              copy->table->name);
        if (!known)
            return bind_error(b, -1, STATUS_UNDEFINED_COLUMN, "column \"%s\" does not exist", name);
        if (!found)
            return bind_error(b, -1, STATUS_INVALID_COLUMN_REFERENCE,
                              "%s column \"%s\" not referenced by COPY", shown, name);
    }
    return STATUS_OK;
}

static enum status copy_columns(struct binder *b, const PgQuery__CopyStmt *node,
                                struct statement_copy *copy) {
    int16_t *numbers;
    TRY(BIND_ARRAY(b, copy->table->column_count + node->n_attlist, &numbers));
    if (node->n_attlist == 0)
        for (uint32_t i = 0; i < copy->table->column_count; i++)
            if (!copy->table->columns[i].dropped)
                numbers[copy->column_count++] = copy->table->columns[i].number;
    for (size_t i = 0; i < node->n_attlist; i++) {
        const char *name = node_text(node->attlist[i]);
        const struct column *column = table_column(copy->table, name);
        if (column == NULL)
            return bind_error(b, -1, STATUS_UNDEFINED_COLUMN,
                              "column \"%s\" of relation \"%s\" does not exist", name,
                              copy->table->name);
        for (uint32_t k = 0; k < copy->column_count; k++)
            if (numbers[k] == column->number)
                return bind_error(b, -1, STATUS_DUPLICATE_COLUMN,
                                  "column \"%s\" specified more than once", name);
        numbers[copy->column_count++] = column->number;
    }
    copy->column_numbers = numbers;
    return STATUS_OK;
}

/* Rows of INSERT, UPDATE or DELETE ... RETURNING. */
static enum status plan_changes(struct binder *b, const parse_node *node, struct plan **plan_out) {
    struct modify *modify;
    if (!NODE_IS(node, INSERT_STMT) && !NODE_IS(node, UPDATE_STMT) && !NODE_IS(node, DELETE_STMT))
        return bind_unsupported(b, -1, "COPY of this statement");
    TRY(BIND_ARRAY(b, 1, &modify));
    TRY(bind_modify(b, node, modify));
    if (modify->returning_count == 0)
        return bind_error(b, -1, STATUS_FEATURE_NOT_SUPPORTED,
                          "COPY query must have a RETURNING clause");
    return plan_modify(b, modify, plan_out);
}

/* The columns of the table, in the order asked for. */
static enum status plan_columns(struct binder *b, const struct statement_copy *copy,
                                struct plan **plan_out) {
    struct query *query;
    struct scope_item *scope;
    struct join_item *item;
    TRY(bind_query_new(b, &query));
    b->query = query;
    TRY(BIND_ARRAY(b, 1, &item));
    TRY(BIND_ARRAY(b, 1, &query->from));
    TRY(bind_add_table(b, copy->table, NULL, NULL, &item->relation, &scope));
    query->from[0] = item;
    query->from_count = 1;
    TRY(BIND_ARRAY(b, copy->column_count, &query->targets));
    query->target_count = copy->column_count;
    for (uint32_t i = 0; i < copy->column_count; i++) {
        const struct column *column = &copy->table->columns[copy->column_numbers[i] - 1];
        query->targets[i].name = column->name;
        query->targets[i].expression =
            expression_variable(b, 0, item->relation, column->number, column->type);
        bind_mark_used(b, query->targets[i].expression);
    }
    b->query = NULL;
    return plan_query(b, query, plan_out);
}

static enum status copy_to_plan(struct binder *b, const PgQuery__CopyStmt *node,
                                struct statement *statement) {
    struct query *query;
    struct plan *plan;
    if (node->query == NULL) {
        TRY(plan_columns(b, &statement->copy, &plan));
    } else if (NODE_IS(node->query, SELECT_STMT)) {
        TRY(bind_select(b, node->query->select_stmt, &query));
        TRY(plan_query(b, query, &plan));
    } else {
        TRY(plan_changes(b, node->query, &plan));
    }
    statement->plan = plan;
    statement->copy.column_count = plan->root->column_count;
    statement->column_count = plan->root->column_count;
    statement->columns = plan->root->columns;
    return STATUS_OK;
}

/* ---- the statement ---------------------------------------------------------------------- */

static enum status bind_copy_from(struct binder *b, struct statement *statement) {
    const struct statement_copy *copy = &statement->copy;
    ASSERT(copy->table != NULL); /* only COPY TO takes a query */
    if (copy->table->kind == RELATION_VIEW)
        return error_set(STATUS_WRONG_OBJECT_TYPE, "cannot copy to view \"%s\"", copy->table->name);
    if (copy->table->is_system || copy->table->kind != RELATION_TABLE)
        return error_set(STATUS_INSUFFICIENT_PRIVILEGE,
                         "permission denied: \"%s\" is a system catalog", copy->table->name);
    struct modify *modify;
    TRY(BIND_ARRAY(b, 1, &modify));
    TRY(bind_copy_insert(b, copy->table, copy->column_count, copy->column_numbers, modify));
    TRY(bind_plan_modify(b, modify, statement));
    statement->returns_rows = false;
    return STATUS_OK;
}

enum status bind_copy(struct binder *b, const PgQuery__CopyStmt *node,
                      struct statement *statement) {
    struct statement_copy *copy = &statement->copy;
    struct copy_options options = {.b = b};
    copy->from = node->is_from;
    if (node->is_program || node->filename[0] != '\0')
        return bind_unsupported(b, -1, "COPY with a file of the server (use \\copy)");
    if (node->where_clause != NULL)
        return bind_unsupported(b, -1, "COPY FROM with WHERE");
    if (node->relation != NULL)
        TRY(bind_find_table(b, node->relation, false, &copy->table));
    for (size_t i = 0; i < node->n_options; i++)
        TRY(take_option(&options, node->options[i]->def_elem, copy));
    TRY(finish_options(&options, copy));
    if (copy->table != NULL) {
        if (copy->table->kind == RELATION_SEQUENCE)
            return error_set(STATUS_WRONG_OBJECT_TYPE, "cannot copy %s sequence \"%s\"",
                             copy->from ? "to" : "from", copy->table->name);
        TRY(copy_columns(b, node, copy));
        TRY(bind_add_lock(b, copy->table->oid,
                          copy->from ? RELATION_LOCK_ROW_EXCLUSIVE : RELATION_LOCK_ACCESS_SHARE));
    }
    if (copy->from)
        TRY(bind_copy_from(b, statement));
    else
        TRY(copy_to_plan(b, node, statement));
    TRY(force_columns(b, options.force_quote, "FORCE_QUOTE", copy, statement->plan,
                      &copy->force_quote));
    TRY(force_columns(b, options.force_not_null, "FORCE_NOT_NULL", copy, statement->plan,
                      &copy->force_not_null));
    return force_columns(b, options.force_null, "FORCE_NULL", copy, statement->plan,
                         &copy->force_null);
}
