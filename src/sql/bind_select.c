/* SELECT, VALUES and set operations. */
#include <string.h>

#include "sql/bind_clauses.h"

enum status bind_query_new(struct binder *b, struct query **query_out) {
    struct query *query; /* query_out may be &b->query */
    TRY(BIND_ARRAY(b, 1, &query));
    query->parent = b->query;
    query->depth = b->query != NULL ? b->query->depth + 1 : 0;
    *query_out = query;
    return STATUS_OK;
}

enum status query_columns(struct binder *b, const struct query *query, uint32_t *count_out,
                          struct bound_column **columns_out) {
    TRY(BIND_ARRAY(b, query->target_count, columns_out));
    uint32_t count = 0;
    for (uint32_t i = 0; i < query->target_count; i++)
        if (!query->targets[i].junk)
            (*columns_out)[count++] = (struct bound_column){
                query->targets[i].name, query->targets[i].expression->type,
                query->targets[i].table_oid, query->targets[i].attribute_number};
    *count_out = count;
    return STATUS_OK;
}

/* ---- targets ---------------------------------------------------------------------------- */

enum { TARGETS_MAX = 1664 }; /* PostgreSQL's MaxTupleAttributeNumber */

static const char *name_strength(const parse_node *node, int *strength);

static const char *sublink_name(const PgQuery__SubLink *link, int *strength) {
    *strength = 2;
    if (link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK)
        return "exists";
    if (link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK)
        return "array";
    *strength = 0;
    if (link->sub_link_type != PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK)
        return NULL;
    const PgQuery__SelectStmt *select = link->subselect->select_stmt;
    if (select->n_target_list == 0)
        return NULL;
    const PgQuery__ResTarget *target = select->target_list[0]->res_target;
    *strength = 2;
    return target->name[0] != '\0' ? target->name : name_strength(target->val, strength);
}

static const char *value_function_name(const PgQuery__SQLValueFunction *node) {
    switch (node->op) {
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE:
        return "current_date";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N:
        return "current_timestamp";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N:
        return "localtime";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N:
        return "localtimestamp";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_ROLE:
        return "current_role";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_USER:
        return "current_user";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_USER:
        return "user";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_SESSION_USER:
        return "session_user";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG:
        return "current_catalog";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_SCHEMA:
        return "current_schema";
    default:
        return "current_time";
    }
}

/* PostgreSQL's FigureColname: strength 2 a good name, 1 a type's, 0 none. */
static const char *name_strength(const parse_node *node, int *strength) {
    *strength = 0;
    if (node == NULL)
        return NULL;
    *strength = 2;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        for (size_t i = node->column_ref->n_fields; i > 0; i--)
            if (node_text(node->column_ref->fields[i - 1]) != NULL)
                return node_text(node->column_ref->fields[i - 1]);
        break;
    case PG_QUERY__NODE__NODE_A_INDIRECTION:
        return name_strength(node->a_indirection->arg, strength);
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        return node_text(node->func_call->funcname[node->func_call->n_funcname - 1]);
    case PG_QUERY__NODE__NODE_A_EXPR:
        if (node->a_expr->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF)
            return "nullif";
        break;
    case PG_QUERY__NODE__NODE_TYPE_CAST: {
        const char *inner = name_strength(node->type_cast->arg, strength);
        if (*strength > 1)
            return inner;
        *strength = 1;
        const PgQuery__TypeName *type = node->type_cast->type_name;
        return node_text(type->names[type->n_names - 1]);
    }
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
        return name_strength(node->collate_clause->arg, strength);
    case PG_QUERY__NODE__NODE_GROUPING_FUNC:
        return "grouping";
    case PG_QUERY__NODE__NODE_SUB_LINK:
        return sublink_name(node->sub_link, strength);
    case PG_QUERY__NODE__NODE_CASE_EXPR: {
        const char *inner = name_strength(node->case_expr->defresult, strength);
        if (*strength > 1)
            return inner;
        *strength = 1;
        return "case";
    }
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
        return "array";
    case PG_QUERY__NODE__NODE_ROW_EXPR:
        return "row";
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        return "coalesce";
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
        return node->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "greatest" : "least";
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
        return value_function_name(node->sqlvalue_function);
    default:
        break;
    }
    *strength = 0;
    return NULL;
}

const char *bind_target_name(const parse_node *node) {
    int strength;
    const char *name = name_strength(node, &strength);
    return name != NULL && strength > 0 ? name : "?column?";
}

enum status bind_push_target(struct binder *b, struct target_list *list, const char *name,
                             struct expression *expression) {
    if (list->count == list->capacity) {
        struct target *items;
        uint32_t capacity = list->capacity * 2 + 8;
        TRY(BIND_ARRAY(b, capacity, &items));
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    struct target *target = &list->items[list->count++];
    target->name = arena_copy_text(b->arena, name);
    target->expression = expression;
    if (expression->kind == EXPRESSION_VARIABLE && expression->variable.level == 0 &&
        expression->variable.column > 0) {
        const struct relation *relation = b->query->relations[expression->variable.relation];
        const struct bound_column *column = &relation->columns[expression->variable.column - 1];
        target->table_oid = column->table_oid;
        target->attribute_number = column->attribute_number;
    }
    return STATUS_OK;
}

static enum status expand_item(struct binder *b, const struct scope_item *item,
                               struct target_list *list) {
    for (uint32_t i = 0; i < item->column_count; i++) {
        struct expression *copy = expression_copy(b, item->columns[i].expression);
        if (copy->kind == EXPRESSION_VARIABLE)
            bind_mark_used(b, copy);
        for (uint32_t k = 0; k < copy->argument_count; k++)
            if (copy->arguments[k]->kind == EXPRESSION_VARIABLE)
                bind_mark_used(b, copy->arguments[k]);
        TRY(bind_push_target(b, list, item->columns[i].name, copy));
    }
    return STATUS_OK;
}

static enum status expand_star(struct binder *b, const PgQuery__ColumnRef *ref,
                               struct target_list *list) {
    const struct scope_item *scope = b->query->scope;
    if (ref->n_fields == 1) {
        bool any = false;
        for (const struct scope_item *item = scope; item != NULL; item = item->next) {
            if (!item->columns_visible)
                continue;
            any = true;
            TRY(expand_item(b, item, list));
        }
        if (!any)
            return bind_error(b, ref->location, STATUS_SYNTAX_ERROR,
                              "SELECT * with no tables specified is not valid");
        return STATUS_OK;
    }
    const char *alias = node_text(ref->fields[ref->n_fields - 2]);
    const char *schema_name = ref->n_fields > 2 ? node_text(ref->fields[ref->n_fields - 3]) : NULL;
    for (const struct scope_item *item = scope; item != NULL; item = item->next)
        if (item->name_visible && item->alias != NULL && strcmp(item->alias, alias) == 0 &&
            (schema_name == NULL ||
             (item->schema_name != NULL && strcmp(item->schema_name, schema_name) == 0)))
            return expand_item(b, item, list);
    return bind_error(b, ref->location, STATUS_UNDEFINED_TABLE,
                      "missing FROM-clause entry for table \"%s\"", alias);
}

enum status bind_targets(struct binder *b, size_t count, parse_node **items, bool set_functions,
                         uint32_t *count_out, struct target **targets_out) {
    struct target_list list = {0};
    for (size_t i = 0; i < count; i++) {
        const PgQuery__ResTarget *target = items[i]->res_target;
        const parse_node *value = target->val;
        if (NODE_IS(value, COLUMN_REF) &&
            NODE_IS(value->column_ref->fields[value->column_ref->n_fields - 1], A_STAR)) {
            TRY(expand_star(b, value->column_ref, &list));
            continue;
        }
        struct expression *expression;
        b->set_functions_allowed = set_functions;
        TRY(bind_expression(b, value, &expression));
        b->set_functions_allowed = false;
        TRY(bind_push_target(b, &list,
                             target->name[0] != '\0' ? target->name : bind_target_name(value),
                             expression));
    }
    if (list.count > TARGETS_MAX)
        return error_set(STATUS_TOO_MANY_COLUMNS, "target lists can have at most %d entries",
                         TARGETS_MAX);
    *count_out = list.count;
    *targets_out = list.items;
    return STATUS_OK;
}

enum status bind_settle_targets(struct binder *b, struct query *query) {
    for (uint32_t i = 0; i < query->target_count; i++)
        TRY(bind_settle_unknown(b, &query->targets[i].expression));
    return STATUS_OK;
}

/* ---- clauses ---------------------------------------------------------------------------- */

enum status bind_with(struct binder *b, const PgQuery__WithClause *with) {
    if (with == NULL)
        return STATUS_OK;
    struct cte **end = &b->query->ctes;
    while (*end != NULL)
        end = &(*end)->next;
    for (size_t i = 0; i < with->n_ctes; i++) {
        const PgQuery__CommonTableExpr *node = with->ctes[i]->common_table_expr;
        if (!NODE_IS(node->ctequery, SELECT_STMT))
            return bind_unsupported(b, node->location, "a data-modifying statement in WITH");
        for (const struct cte *other = b->query->ctes; other != NULL; other = other->next)
            if (strcmp(other->name, node->ctename) == 0)
                return bind_error(b, node->location, STATUS_DUPLICATE_ALIAS,
                                  "WITH query name \"%s\" specified more than once", node->ctename);
        struct cte *cte;
        TRY(BIND_ARRAY(b, 1, &cte));
        cte->name = arena_copy_text(b->arena, node->ctename);
        cte->plan_index = -1;
        cte->level = b->query->depth;
        cte->materialize =
            node->ctematerialized == PG_QUERY__CTEMATERIALIZE__CTEMaterializeAlways  ? 1
            : node->ctematerialized == PG_QUERY__CTEMATERIALIZE__CTEMaterializeNever ? -1
                                                                                     : 0;
        const char *outer_name = b->recursive_name;
        b->recursive_name = with->recursive ? cte->name : outer_name;
        TRY(bind_select(b, node->ctequery->select_stmt, &cte->query));
        b->recursive_name = outer_name;
        TRY(query_columns(b, cte->query, &cte->column_count, &cte->columns));
        if (node->n_aliascolnames > cte->column_count)
            return bind_error(b, node->location, STATUS_INVALID_COLUMN_REFERENCE,
                              "WITH query \"%s\" has %u columns available but %zu columns "
                              "specified",
                              cte->name, cte->column_count, node->n_aliascolnames);
        for (size_t k = 0; k < node->n_aliascolnames; k++)
            cte->columns[k].name = arena_copy_text(b->arena, node_text(node->aliascolnames[k]));
        *end = cte;
        end = &cte->next;
    }
    return STATUS_OK;
}

/* ---- the three kinds -------------------------------------------------------------------- */

static enum status bind_plain(struct binder *b, const PgQuery__SelectStmt *select,
                              struct query *query, bool keep_unknown) {
    const char *clause = b->clause;
    bool in_aggregate = b->in_aggregate;
    b->clause = NULL;
    b->in_aggregate = false;
    TRY(bind_from(b, select->n_from_clause, select->from_clause));
    if (b->view != NULL)
        TRY(bind_spell_out_stars(b, select));
    TRY(bind_targets(b, select->n_target_list, select->target_list, true, &query->target_count,
                     &query->targets));
    query->target_capacity = query->target_count;
    if (select->where_clause != NULL) {
        b->clause = "WHERE";
        TRY(bind_expression(b, select->where_clause, &query->where));
        TRY(bind_boolean(b, query->where, "WHERE", &query->where));
        b->clause = NULL;
    }
    if (select->having_clause != NULL) {
        query->grouped = true;
        TRY(bind_expression(b, select->having_clause, &query->having));
        TRY(bind_boolean(b, query->having, "HAVING", &query->having));
    }
    if (!keep_unknown)
        TRY(bind_settle_targets(b, query));
    TRY(bind_order_by(b, query, select->n_sort_clause, select->sort_clause));
    TRY(bind_group_by(b, query, select->n_group_clause, select->group_clause));
    TRY(bind_distinct_clause(b, query, select->n_distinct_clause, select->distinct_clause));
    if (query->grouped)
        TRY(bind_check_grouping(b, query));
    b->clause = clause;
    b->in_aggregate = in_aggregate;
    return STATUS_OK;
}

static enum status bind_values(struct binder *b, const PgQuery__SelectStmt *select,
                               struct query *query, bool keep_unknown) {
    uint32_t rows = (uint32_t)select->n_values_lists;
    uint32_t columns = (uint32_t)select->values_lists[0]->list->n_items;
    query->values_count = rows;
    TRY(BIND_ARRAY(b, rows, &query->values));
    const char *clause = b->clause;
    b->clause = "VALUES";
    for (uint32_t r = 0; r < rows; r++) {
        const PgQuery__List *list = select->values_lists[r]->list;
        if (list->n_items != columns)
            return bind_error(b, node_location(list->items[0]), STATUS_SYNTAX_ERROR,
                              "VALUES lists must all be the same length");
        TRY(BIND_ARRAY(b, columns, &query->values[r]));
        for (uint32_t c = 0; c < columns; c++)
            TRY(bind_expression(b, list->items[c], &query->values[r][c]));
    }
    b->clause = clause;
    TRY(BIND_ARRAY(b, columns + 1, &query->targets));
    query->target_count = columns;
    query->target_capacity = columns;
    struct expression **column;
    TRY(BIND_ARRAY(b, rows, &column));
    for (uint32_t c = 0; c < columns; c++) {
        struct type type = TYPE_OF(UNKNOWN);
        if (!keep_unknown) {
            for (uint32_t r = 0; r < rows; r++)
                column[r] = query->values[r][c];
            TRY(bind_coerce_all(b, rows, column, "VALUES", &type));
            for (uint32_t r = 0; r < rows; r++)
                query->values[r][c] = column[r];
        }
        query->targets[c].name = arena_format(b->arena, "column%u", c + 1);
        query->targets[c].expression = expression_variable(b, 0, 0, (int16_t)(c + 1), type);
    }
    return STATUS_OK;
}

/* Literals of unknown type in a plain SELECT under a set operation take the common type. */
static enum status settle_side(struct binder *b, struct query *side, uint32_t column,
                               struct type type) {
    struct expression **expression = &side->targets[column].expression;
    if ((*expression)->type.id != TYPE_UNKNOWN)
        return STATUS_OK;
    if (side->set_operation == SET_NONE && side->values_count == 0)
        return bind_coerce(b, *expression, type, CAST_IMPLICIT, (*expression)->location,
                           expression);
    return STATUS_OK;
}

static enum status bind_set_operation(struct binder *b, const PgQuery__SelectStmt *select,
                                      struct query *query) {
    query->set_operation = select->op == PG_QUERY__SET_OPERATION__SETOP_UNION       ? SET_UNION
                           : select->op == PG_QUERY__SET_OPERATION__SETOP_INTERSECT ? SET_INTERSECT
                                                                                    : SET_EXCEPT;
    const char *what = query->set_operation == SET_UNION       ? "UNION"
                       : query->set_operation == SET_INTERSECT ? "INTERSECT"
                                                               : "EXCEPT";
    query->set_all = select->all;
    b->keep_unknown = true;
    TRY(bind_select(b, select->larg, &query->left));
    b->keep_unknown = true;
    TRY(bind_select(b, select->rarg, &query->right));
    b->keep_unknown = false;
    uint32_t count, right_count;
    struct bound_column *columns, *right_columns;
    TRY(query_columns(b, query->left, &count, &columns));
    TRY(query_columns(b, query->right, &right_count, &right_columns));
    if (count != right_count)
        return bind_error(b, right_count > 0 ? query->right->targets[0].expression->location : -1,
                          STATUS_SYNTAX_ERROR, "each %s query must have the same number of columns",
                          what);
    TRY(BIND_ARRAY(b, count, &query->targets));
    query->target_count = query->target_capacity = count;
    for (uint32_t i = 0; i < count; i++) {
        struct expression *pair[2] = {query->left->targets[i].expression,
                                      query->right->targets[i].expression};
        struct type type;
        TRY(bind_common_type(b, 2, pair, what, &type));
        TRY(settle_side(b, query->left, i, type));
        TRY(settle_side(b, query->right, i, type));
        for (int side = 0; side < 2; side++)
            if (!bind_can_coerce(pair[side]->type, type.id, CAST_IMPLICIT))
                return bind_error(b, pair[side]->location, STATUS_CANNOT_COERCE,
                                  "%s could not convert type %s to %s", what,
                                  bind_type_text(b, pair[side]->type), bind_type_text(b, type));
        query->targets[i].name = columns[i].name;
        query->targets[i].expression = expression_variable(b, 0, 0, (int16_t)(i + 1), type);
    }
    /* ORDER BY sees the names of the result. */
    for (size_t i = 0; i < select->n_sort_clause; i++) {
        const parse_node *node = select->sort_clause[i]->sort_by->node;
        int number;
        const char *name = bind_plain_name(node);
        bool known = bind_is_integer(node, &number);
        for (uint32_t k = 0; name != NULL && k < count; k++)
            known |= strcmp(columns[k].name, name) == 0;
        if (!known && name != NULL)
            return bind_error(b, node_location(node), STATUS_UNDEFINED_COLUMN,
                              "column \"%s\" does not exist", name);
        if (!known) {
            enum status status = bind_error(b, node_location(node), STATUS_FEATURE_NOT_SUPPORTED,
                                            "invalid UNION/INTERSECT/EXCEPT ORDER BY clause");
            error_detail("Only result column names can be used, not expressions or functions.");
            return status;
        }
    }
    return bind_order_by(b, query, select->n_sort_clause, select->sort_clause);
}

static enum status bind_select_body(struct binder *b, const PgQuery__SelectStmt *select,
                                    struct query *query, bool keep_unknown) {
    if (select->into_clause != NULL)
        return bind_unsupported(b, select->into_clause->rel->location, "SELECT INTO");
    if (select->n_window_clause > 0)
        return bind_unsupported(b, -1, "WINDOW");
    if (select->limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES)
        return bind_unsupported(b, -1, "FETCH FIRST WITH TIES");
    TRY(bind_with(b, select->with_clause));
    if (select->op != PG_QUERY__SET_OPERATION__SETOP_NONE &&
        select->op != PG_QUERY__SET_OPERATION__SET_OPERATION_UNDEFINED) {
        TRY(bind_set_operation(b, select, query));
    } else if (select->n_values_lists > 0) {
        TRY(bind_values(b, select, query, keep_unknown));
        if (select->n_sort_clause > 0)
            TRY(bind_order_by(b, query, select->n_sort_clause, select->sort_clause));
    } else {
        TRY(bind_plain(b, select, query, keep_unknown));
    }
    TRY(bind_limit(b, select->limit_count, "LIMIT", &query->limit));
    TRY(bind_limit(b, select->limit_offset, "OFFSET", &query->offset));
    return bind_locking(b, query, select->n_locking_clause, select->locking_clause);
}

enum status bind_select(struct binder *b, const PgQuery__SelectStmt *select,
                        struct query **query_out) {
    TRY(bind_stack_check(b));
    bool keep_unknown = b->keep_unknown, sets = b->set_functions_allowed;
    b->keep_unknown = false;
    b->set_functions_allowed = false;
    struct query *outer = b->query;
    TRY(bind_query_new(b, query_out));
    b->query = *query_out;
    TRY(bind_select_body(b, select, *query_out, keep_unknown));
    b->query = outer;
    b->set_functions_allowed = sets;
    return STATUS_OK;
}
