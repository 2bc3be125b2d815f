/* FROM: relations, joins, and the scope of names that they make. */
#include <string.h>

#include "sql/bind.h"

/* ---- tables ----------------------------------------------------------------------------- */

static const struct table *find_in(const struct schema *schema, const char *schema_name,
                                   const char *name) {
    const struct table *table = schema_table(schema, schema_name, name);
    const struct sequence *sequence =
        table == NULL ? schema_sequence(schema, schema_name, name) : NULL;
    return sequence == NULL ? table : sequence->relation;
}

const struct table *bind_search_table(const struct binder *b, const char *schema_name,
                                      const char *name) {
    if (schema_name != NULL)
        return find_in(b->schema, schema_name, name);
    const struct table *table = find_in(b->schema, "pg_catalog", name);
    if (table != NULL || b->options == NULL || b->options->search_path == NULL)
        return table != NULL ? table : find_in(b->schema, NULL, name);
    for (size_t i = 0; i < b->options->search_path_count && table == NULL; i++)
        table = find_in(b->schema, b->options->search_path[i], name);
    return table;
}

const struct sequence *bind_search_sequence(const struct binder *b, const char *schema_name,
                                            const char *name) {
    const struct table *table = bind_search_table(b, schema_name, name);
    return table == NULL || table->kind != RELATION_SEQUENCE
               ? NULL
               : schema_sequence_by_oid(b->schema, table->oid);
}

enum status bind_find_table(struct binder *b, const PgQuery__RangeVar *name, bool missing_ok,
                            const struct table **table_out) {
    const char *schema_name = name->schemaname[0] != '\0' ? name->schemaname : NULL;
    const char *database = b->options->database_name != NULL ? b->options->database_name : "satori";
    if (name->catalogname[0] != '\0' && strcmp(name->catalogname, database) != 0)
        return bind_error(b, name->location, STATUS_FEATURE_NOT_SUPPORTED,
                          "cross-database references are not implemented: \"%s.%s.%s\"",
                          name->catalogname, name->schemaname, name->relname);
    *table_out = bind_search_table(b, schema_name, name->relname);
    if (*table_out != NULL || missing_ok)
        return STATUS_OK;
    if (b->recursive_name != NULL && schema_name == NULL &&
        strcmp(b->recursive_name, name->relname) == 0)
        return bind_unsupported(b, name->location, "WITH RECURSIVE");
    int location = b->query != NULL ? name->location : -1; /* as PostgreSQL: none for DDL */
    if (schema_name != NULL)
        return bind_error(b, location, STATUS_UNDEFINED_TABLE, "relation \"%s.%s\" does not exist",
                          schema_name, name->relname);
    return bind_error(b, location, STATUS_UNDEFINED_TABLE, "relation \"%s\" does not exist",
                      name->relname);
}

enum status bind_add_lock(struct binder *b, uint32_t oid, enum relation_lock_mode mode) {
    for (size_t i = 0; i < b->lock_count; i++) {
        if (b->locks[i].oid != oid)
            continue;
        if (b->locks[i].mode < mode)
            b->locks[i].mode = mode;
        return STATUS_OK;
    }
    if (b->lock_count == b->lock_capacity) {
        struct plan_lock *locks;
        TRY(BIND_ARRAY(b, b->lock_capacity + 8, &locks));
        if (b->lock_count > 0)
            memcpy(locks, b->locks, b->lock_count * sizeof *locks);
        b->locks = locks;
        b->lock_capacity += 8;
    }
    b->locks[b->lock_count++] = (struct plan_lock){oid, mode};
    return STATUS_OK;
}

/* ---- scope ------------------------------------------------------------------------------ */

void query_add_scope(struct query *query, struct scope_item *item) {
    if (query->scope_end == NULL)
        query->scope_end = &query->scope;
    *query->scope_end = item;
    query->scope_end = &item->next;
}

static enum status check_alias(struct binder *b, const char *alias) {
    for (const struct scope_item *item = b->query->scope; item != NULL; item = item->next)
        if (item->name_visible && item->alias != NULL && strcmp(item->alias, alias) == 0)
            return bind_error(b, -1, STATUS_DUPLICATE_ALIAS,
                              "table name \"%s\" specified more than once", alias);
    return STATUS_OK;
}

static enum status apply_alias_columns(struct binder *b, const PgQuery__Alias *alias,
                                       uint32_t count, struct scope_column *columns) {
    if (alias == NULL)
        return STATUS_OK;
    if (alias->n_colnames > count)
        return bind_error(b, -1, STATUS_INVALID_COLUMN_REFERENCE,
                          "table \"%s\" has %u columns available but %zu columns specified",
                          alias->aliasname, count, alias->n_colnames);
    for (size_t i = 0; i < alias->n_colnames; i++)
        columns[i].name = arena_copy_text(b->arena, node_text(alias->colnames[i]));
    return STATUS_OK;
}

static enum status add_relation(struct binder *b, struct relation *relation,
                                const PgQuery__Alias *alias, const char *schema_name, int location,
                                uint32_t *relation_out, struct scope_item **scope_out) {
    struct query *query = b->query;
    if (query->relation_count == RELATIONS_MAX)
        return bind_error(b, location, STATUS_STATEMENT_TOO_COMPLEX,
                          "more than %d relations in one query", RELATIONS_MAX);
    uint32_t number = query->relation_count++;
    query->relations[number] = relation;
    TRY(BIND_ARRAY(b, relation->column_count + 1, &relation->used));
    struct scope_item *item;
    TRY(BIND_ARRAY(b, 1, &item));
    TRY(BIND_ARRAY(b, relation->column_count, &item->columns));
    item->alias = relation->alias;
    item->schema_name = schema_name;
    item->relation = (int)number;
    item->name_visible = relation->alias != NULL;
    item->columns_visible = true;
    for (uint32_t i = 0; i < relation->column_count; i++) {
        if (relation->columns[i].name == NULL)
            continue; /* dropped */
        item->columns[item->column_count++] = (struct scope_column){
            relation->columns[i].name,
            expression_variable(b, 0, number, (int16_t)(i + 1), relation->columns[i].type)};
    }
    TRY(apply_alias_columns(b, alias, item->column_count, item->columns));
    if (relation->alias != NULL)
        TRY(check_alias(b, relation->alias));
    query_add_scope(query, item);
    *relation_out = number;
    *scope_out = item;
    return STATUS_OK;
}

enum status bind_add_table(struct binder *b, const struct table *table, const PgQuery__Alias *alias,
                           const char *schema_name, uint32_t *relation_out,
                           struct scope_item **scope_out) {
    struct relation *relation;
    TRY(BIND_ARRAY(b, 1, &relation));
    relation->source = RELATION_OF_TABLE;
    relation->table = table;
    relation->alias = alias != NULL ? arena_copy_text(b->arena, alias->aliasname) : table->name;
    relation->column_count = table->column_count;
    TRY(BIND_ARRAY(b, table->column_count, &relation->columns));
    for (uint32_t i = 0; i < table->column_count; i++)
        if (!table->columns[i].dropped)
            relation->columns[i] =
                (struct bound_column){table->columns[i].name, table->columns[i].type, table->oid,
                                      table->columns[i].number};
    return add_relation(b, relation, alias, alias == NULL ? table->namespace_name : NULL, -1,
                        relation_out, scope_out);
}

static struct cte *find_cte(struct binder *b, const char *name, uint32_t *level_out) {
    uint32_t level = 0;
    for (struct query *query = b->query; query != NULL; query = query->parent, level++)
        for (struct cte *cte = query->ctes; cte != NULL; cte = cte->next)
            if (strcmp(cte->name, name) == 0) {
                *level_out = level;
                return cte;
            }
    return NULL;
}

static enum status add_cte(struct binder *b, struct cte *cte, const PgQuery__RangeVar *name,
                           const char *schema_name, struct relation **relation_out,
                           struct join_item *item) {
    struct relation *relation;
    struct scope_item *scope;
    TRY(BIND_ARRAY(b, 1, &relation));
    relation->source = RELATION_OF_CTE;
    relation->cte = cte;
    relation->alias =
        name->alias != NULL ? arena_copy_text(b->arena, name->alias->aliasname) : cte->name;
    relation->column_count = cte->column_count;
    relation->columns = cte->columns;
    cte->references++;
    *relation_out = relation;
    return add_relation(b, relation, name->alias, name->alias == NULL ? schema_name : NULL,
                        name->location, &item->relation, &scope);
}

static enum status bind_range_var(struct binder *b, const PgQuery__RangeVar *name,
                                  struct join_item *item) {
    struct scope_item *scope;
    uint32_t level;
    struct cte *cte = name->schemaname[0] == '\0' ? find_cte(b, name->relname, &level) : NULL;
    struct relation *relation;
    if (cte != NULL)
        return add_cte(b, cte, name, NULL, &relation, item);
    const struct table *table;
    TRY(bind_find_table(b, name, false, &table));
    if (table->kind == RELATION_INDEX)
        return bind_error(b, name->location, STATUS_WRONG_OBJECT_TYPE, "\"%s\" is an index",
                          table->name);
    TRY(bind_add_lock(b, table->oid, RELATION_LOCK_ACCESS_SHARE));
    TRY(check_alias(b, name->alias != NULL ? name->alias->aliasname : table->name));
    if (table->kind == RELATION_VIEW) {
        TRY(bind_view(b, table, &cte));
        TRY(add_cte(b, cte, name, table->namespace_name, &relation, item));
    } else {
        TRY(bind_add_table(b, table, name->alias, table->namespace_name, &item->relation, &scope));
        relation = b->query->relations[item->relation];
    }
    return bind_view_reads(b, name, table, relation);
}

/* ---- subqueries and functions ----------------------------------------------------------- */

/* While a FROM item is bound, the ones before it can be seen only by LATERAL. */
static void block_scope(struct query *query, bool blocked) {
    for (struct scope_item *item = query->scope; item != NULL; item = item->next)
        item->lateral_blocked = blocked;
}

static bool visit_any(const struct expression *expression, void *context) {
    return true;
}

static enum status bind_range_subselect(struct binder *b, const PgQuery__RangeSubselect *node,
                                        struct join_item *item) {
    if (node->alias == NULL) {
        enum status status =
            bind_error(b, -1, STATUS_SYNTAX_ERROR, "subquery in FROM must have an alias");
        error_hint("For example, FROM (SELECT ...) [AS] foo.");
        return status;
    }
    struct relation *relation;
    TRY(BIND_ARRAY(b, 1, &relation));
    relation->source = RELATION_OF_QUERY;
    relation->alias = arena_copy_text(b->arena, node->alias->aliasname);
    block_scope(b->query, !node->lateral);
    TRY(bind_select(b, node->subquery->select_stmt, &relation->query));
    block_scope(b->query, false);
    relation->lateral = query_walk_variables(relation->query, 1, visit_any, NULL);
    TRY(query_columns(b, relation->query, &relation->column_count, &relation->columns));
    struct scope_item *scope;
    return add_relation(b, relation, node->alias, NULL, -1, &item->relation, &scope);
}

static enum status bind_function_item(struct binder *b, const parse_node *node,
                                      struct expression **call_out, const char **name_out) {
    const char *clause = b->clause;
    bool sets = b->set_functions_allowed, had = b->query->has_set_functions;
    b->clause = "functions in FROM";
    b->set_functions_allowed = true;
    b->row_functions_allowed = NODE_IS(node, FUNC_CALL);
    *name_out = "coalesce";
    if (NODE_IS(node, FUNC_CALL))
        *name_out = arena_copy_text(
            b->arena, node_text(node->func_call->funcname[node->func_call->n_funcname - 1]));
    TRY(bind_expression(b, node, call_out));
    TRY(bind_settle_unknown(b, call_out));
    b->clause = clause;
    b->set_functions_allowed = sets;
    b->row_functions_allowed = false;
    b->query->has_set_functions = had;
    if (NODE_IS(node, SQLVALUE_FUNCTION))
        *name_out = "current_value";
    return STATUS_OK;
}

static enum status add_column(struct binder *b, struct relation *relation, const char *name,
                              struct type type) {
    struct bound_column *columns;
    TRY(BIND_ARRAY(b, relation->column_count + 1, &columns));
    if (relation->column_count > 0)
        memcpy(columns, relation->columns, relation->column_count * sizeof *columns);
    columns[relation->column_count++] = (struct bound_column){.name = name, .type = type};
    relation->columns = columns;
    return STATUS_OK;
}

static enum status add_function_columns(struct binder *b, struct relation *relation,
                                        const struct expression *call, const char *name) {
    const struct function *function = call->kind == EXPRESSION_CALL ? call->function : NULL;
    if (call->type.id == TYPE_RECORD && (function == NULL || function->column_count == 0))
        return bind_unsupported(b, call->location, "a function returning record in FROM");
    if (call->type.id != TYPE_RECORD)
        return add_column(b, relation, name, call->type);
    for (uint32_t i = 0; i < function->column_count; i++)
        TRY(add_column(b, relation, function->columns[i].name,
                       type_plain(function->columns[i].type)));
    return STATUS_OK;
}

static enum status bind_range_function(struct binder *b, const PgQuery__RangeFunction *node,
                                       struct join_item *item) {
    if (node->n_coldeflist > 0)
        return bind_unsupported(b, -1, "a column definition list for a function");
    struct relation *relation;
    TRY(BIND_ARRAY(b, 1, &relation));
    relation->source = RELATION_OF_FUNCTION;
    relation->ordinality = node->ordinality;
    relation->function_count = (uint32_t)node->n_functions;
    TRY(BIND_ARRAY(b, node->n_functions, &relation->calls));
    const char *first_name = NULL;
    for (size_t i = 0; i < node->n_functions; i++) {
        const PgQuery__List *list = node->functions[i]->list;
        const char *name;
        TRY(bind_function_item(b, list->items[0], &relation->calls[i], &name));
        if (list->n_items > 1 && NODE_IS(list->items[1], LIST) && list->items[1]->list->n_items > 0)
            return bind_unsupported(b, -1, "a column definition list for a function");
        if (first_name == NULL)
            first_name = name;
        TRY(add_function_columns(b, relation, relation->calls[i], name));
        relation->lateral |= expression_walk_variables(relation->calls[i], 0, visit_any, NULL);
    }
    /* A scalar column takes the alias as its name. */
    bool scalar = node->n_functions == 1 && relation->column_count == 1;
    if (scalar && node->alias != NULL)
        relation->columns[0].name = arena_copy_text(b->arena, node->alias->aliasname);
    else if (scalar && relation->calls[0]->kind == EXPRESSION_CALL &&
             strcmp(relation->calls[0]->function->symbol, "pg_partition_ancestors") == 0)
        relation->columns[0].name = "relid";
    if (node->ordinality)
        TRY(add_column(b, relation, "ordinality", TYPE_OF(INT8)));
    relation->alias =
        arena_copy_text(b->arena, node->alias != NULL ? node->alias->aliasname : first_name);
    struct scope_item *scope;
    return add_relation(b, relation, node->alias, NULL, -1, &item->relation, &scope);
}

/* ---- joins ------------------------------------------------------------------------------ */

static enum status bind_from_item(struct binder *b, const parse_node *node,
                                  struct join_item **item_out);

/* Scope items made since `*place` (the link to the first of them). */
static const struct scope_column *find_side_column(const struct scope_item *from,
                                                   const struct scope_item *until, const char *name,
                                                   size_t *count_out) {
    const struct scope_column *found = NULL;
    *count_out = 0;
    for (const struct scope_item *item = from; item != until; item = item->next) {
        if (!item->columns_visible)
            continue;
        for (uint32_t i = 0; i < item->column_count; i++)
            if (strcmp(item->columns[i].name, name) == 0) {
                found = &item->columns[i];
                (*count_out)++;
            }
    }
    return found;
}

struct using_column {
    const char *name;
    struct expression *left, *right, *merged;
};

static enum status merge_using(struct binder *b, const PgQuery__JoinExpr *node,
                               const struct scope_item *left, const struct scope_item *right,
                               enum join_kind kind, struct using_column *column,
                               struct expression **condition) {
    size_t count;
    const struct scope_column *l = find_side_column(left, right, column->name, &count);
    if (count != 1)
        return bind_error(b, -1, count == 0 ? STATUS_UNDEFINED_COLUMN : STATUS_AMBIGUOUS_COLUMN,
                          count == 0 ? "column \"%s\" specified in USING clause does not exist in "
                                       "left table"
                                     : "common column name \"%s\" appears more than once in left "
                                       "table",
                          column->name);
    const struct scope_column *r = find_side_column(right, NULL, column->name, &count);
    if (count != 1)
        return bind_error(b, -1, count == 0 ? STATUS_UNDEFINED_COLUMN : STATUS_AMBIGUOUS_COLUMN,
                          count == 0 ? "column \"%s\" specified in USING clause does not exist in "
                                       "right table"
                                     : "common column name \"%s\" appears more than once in right "
                                       "table",
                          column->name);
    column->left = l->expression;
    column->right = r->expression;
    if (column->left->kind == EXPRESSION_VARIABLE)
        bind_mark_used(b, column->left);
    if (column->right->kind == EXPRESSION_VARIABLE)
        bind_mark_used(b, column->right);
    struct expression *equal;
    TRY(bind_operator(b, NULL, "=", -1, expression_copy(b, column->left),
                      expression_copy(b, column->right), &equal));
    *condition = expression_and(b, *condition, equal);
    column->merged = kind == JOIN_RIGHT ? column->right : column->left;
    struct expression **both = ARENA_ARRAY(b->arena, struct expression *, 2);
    both[0] = expression_copy(b, column->left);
    both[1] = expression_copy(b, column->right);
    struct type type;
    TRY(bind_coerce_all(b, 2, both, "JOIN/USING", &type));
    if (kind == JOIN_FULL)
        column->merged = expression_list(b, EXPRESSION_COALESCE, type, -1, 2, both);
    else if (column->merged->type.id != type.id)
        column->merged = kind == JOIN_RIGHT ? both[1] : both[0];
    return STATUS_OK;
}

/* The columns of a join with USING: merged ones, then the others of the left and the right. */
static enum status using_scope(struct binder *b, uint32_t count, const struct using_column *columns,
                               struct scope_item *left, struct scope_item **item_out) {
    uint32_t total = 0;
    for (const struct scope_item *item = left; item != NULL; item = item->next)
        total += item->columns_visible ? item->column_count : 0;
    struct scope_item *merged;
    TRY(BIND_ARRAY(b, 1, &merged));
    TRY(BIND_ARRAY(b, total, &merged->columns));
    merged->relation = -1;
    merged->columns_visible = true;
    for (uint32_t i = 0; i < count; i++)
        merged->columns[merged->column_count++] =
            (struct scope_column){columns[i].name, columns[i].merged};
    for (struct scope_item *item = left; item != NULL; item = item->next) {
        if (!item->columns_visible)
            continue;
        for (uint32_t i = 0; i < item->column_count; i++) {
            bool is_merged = false;
            for (uint32_t k = 0; k < count && !is_merged; k++)
                is_merged = strcmp(columns[k].name, item->columns[i].name) == 0;
            if (!is_merged)
                merged->columns[merged->column_count++] = item->columns[i];
        }
        item->columns_visible = false;
    }
    *item_out = merged;
    return STATUS_OK;
}

static enum status natural_names(struct binder *b, const struct scope_item *left,
                                 const struct scope_item *right, uint32_t *count_out,
                                 struct using_column **columns_out) {
    uint32_t capacity = 0, count = 0;
    for (const struct scope_item *item = left; item != right; item = item->next)
        capacity += item->column_count;
    TRY(BIND_ARRAY(b, capacity, columns_out));
    for (const struct scope_item *item = left; item != right; item = item->next) {
        if (!item->columns_visible)
            continue;
        for (uint32_t i = 0; i < item->column_count; i++) {
            size_t found;
            find_side_column(right, NULL, item->columns[i].name, &found);
            if (found > 0)
                (*columns_out)[count++].name = item->columns[i].name;
        }
    }
    *count_out = count;
    return STATUS_OK;
}

static enum status join_alias(struct binder *b, const PgQuery__JoinExpr *node,
                              struct scope_item *left) {
    struct scope_item *whole;
    TRY(using_scope(b, 0, NULL, left, &whole));
    for (struct scope_item *item = left; item != NULL; item = item->next)
        item->name_visible = false;
    whole->alias = arena_copy_text(b->arena, node->alias->aliasname);
    whole->name_visible = true;
    TRY(apply_alias_columns(b, node->alias, whole->column_count, whole->columns));
    TRY(check_alias(b, whole->alias));
    query_add_scope(b->query, whole);
    return STATUS_OK;
}

static enum status bind_join(struct binder *b, const PgQuery__JoinExpr *node,
                             struct join_item *item) {
    static const enum join_kind kinds[] = {
        [PG_QUERY__JOIN_TYPE__JOIN_INNER] = JOIN_INNER,
        [PG_QUERY__JOIN_TYPE__JOIN_LEFT] = JOIN_LEFT,
        [PG_QUERY__JOIN_TYPE__JOIN_FULL] = JOIN_FULL,
        [PG_QUERY__JOIN_TYPE__JOIN_RIGHT] = JOIN_RIGHT,
    };
    item->is_join = true;
    item->kind = kinds[node->jointype];
    if (node->is_natural && b->view != NULL)
        return bind_unsupported(b, -1, "NATURAL JOIN in a view");
    struct query *query = b->query;
    if (query->scope_end == NULL)
        query->scope_end = &query->scope;
    struct scope_item **left_link = query->scope_end;
    TRY(bind_from_item(b, node->larg, &item->left));
    struct scope_item **right_link = query->scope_end;
    TRY(bind_from_item(b, node->rarg, &item->right));
    struct scope_item *left = *left_link, *right = *right_link;
    uint32_t using_count = 0;
    struct using_column *columns = NULL;
    if (node->is_natural) {
        TRY(natural_names(b, left, right, &using_count, &columns));
    } else if (node->n_using_clause > 0) {
        using_count = (uint32_t)node->n_using_clause;
        TRY(BIND_ARRAY(b, using_count, &columns));
        for (uint32_t i = 0; i < using_count; i++)
            columns[i].name = arena_copy_text(b->arena, node_text(node->using_clause[i]));
    }
    for (uint32_t i = 0; i < using_count; i++)
        TRY(merge_using(b, node, left, right, item->kind, &columns[i], &item->condition));
    if (using_count > 0) {
        struct scope_item *merged;
        TRY(using_scope(b, using_count, columns, left, &merged));
        query_add_scope(query, merged);
    }
    if (node->quals != NULL) {
        /* Only the two sides can be seen in ON. */
        for (struct scope_item *other = query->scope; other != left; other = other->next)
            other->lateral_blocked = true;
        const char *clause = b->clause;
        b->clause = "JOIN conditions";
        TRY(bind_expression(b, node->quals, &item->condition));
        TRY(bind_boolean(b, item->condition, "JOIN/ON", &item->condition));
        b->clause = clause;
        block_scope(query, false);
    }
    if (node->alias != NULL)
        TRY(join_alias(b, node, left));
    return STATUS_OK;
}

static enum status bind_from_item(struct binder *b, const parse_node *node,
                                  struct join_item **item_out) {
    TRY(bind_stack_check(b));
    TRY(BIND_ARRAY(b, 1, item_out));
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_RANGE_VAR:
        return bind_range_var(b, node->range_var, *item_out);
    case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
        return bind_range_subselect(b, node->range_subselect, *item_out);
    case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
        return bind_range_function(b, node->range_function, *item_out);
    case PG_QUERY__NODE__NODE_JOIN_EXPR:
        return bind_join(b, node->join_expr, *item_out);
    case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE:
        return bind_unsupported(b, node->range_table_sample->location, "TABLESAMPLE");
    default:
        return bind_unsupported(b, -1, "this kind of FROM item");
    }
}

enum status bind_from(struct binder *b, size_t count, parse_node **items) {
    struct query *query = b->query;
    struct join_item **list;
    TRY(BIND_ARRAY(b, query->from_count + count, &list));
    if (query->from_count > 0)
        memcpy(list, query->from, query->from_count * sizeof *list);
    query->from = list;
    const char *clause = b->clause;
    for (size_t i = 0; i < count; i++) {
        struct join_item *item;
        TRY(bind_from_item(b, items[i], &item));
        query->from[query->from_count++] = item;
    }
    b->clause = clause;
    return STATUS_OK;
}
