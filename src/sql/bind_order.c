/* What comes behind the rows of a SELECT: ORDER BY, GROUP BY, DISTINCT, LIMIT, FOR UPDATE. */
#include <string.h>

#include "sql/bind_clauses.h"

bool bind_is_integer(const parse_node *node, int *number) {
    if (!NODE_IS(node, A_CONST) || node->a_const->isnull ||
        node->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL)
        return false;
    *number = node->a_const->ival->ival;
    return true;
}

const char *bind_plain_name(const parse_node *node) {
    return NODE_IS(node, COLUMN_REF) && node->column_ref->n_fields == 1
               ? node_text(node->column_ref->fields[0])
               : NULL;
}

static enum status search_target(struct binder *b, struct query *query, const parse_node *node,
                                 const char *clause, bool column_first, uint32_t *target_out) {
    int number;
    if (bind_is_integer(node, &number)) {
        uint32_t place = 0;
        for (uint32_t i = 0; i < query->target_count; i++)
            if (!query->targets[i].junk && ++place == (uint32_t)number) {
                *target_out = i;
                return STATUS_OK;
            }
        return bind_error(b, node->a_const->location, STATUS_INVALID_COLUMN_REFERENCE,
                          "%s position %d is not in select list", clause, number);
    }
    if (NODE_IS(node, A_CONST) && !node->a_const->isnull)
        return bind_error(b, node->a_const->location, STATUS_SYNTAX_ERROR,
                          "non-integer constant in %s", clause);
    const char *name = bind_plain_name(node);
    bool is_column = false;
    if (name != NULL && column_first)
        for (const struct scope_item *item = query->scope; item != NULL; item = item->next)
            for (uint32_t i = 0; item->columns_visible && i < item->column_count; i++)
                is_column |= strcmp(item->columns[i].name, name) == 0;
    if (name != NULL && !is_column) {
        int found = -1;
        for (uint32_t i = 0; i < query->target_count; i++) {
            if (query->targets[i].junk || strcmp(query->targets[i].name, name) != 0)
                continue;
            if (found >= 0 &&
                !expression_equal(query->targets[i].expression, query->targets[found].expression))
                return bind_error(b, node->column_ref->location, STATUS_AMBIGUOUS_COLUMN,
                                  "%s \"%s\" is ambiguous", clause, name);
            if (found < 0)
                found = (int)i;
        }
        if (found >= 0) {
            *target_out = (uint32_t)found;
            return STATUS_OK;
        }
    }
    struct expression *expression;
    b->set_functions_allowed = strcmp(clause, "GROUP BY") != 0;
    TRY(bind_expression(b, node, &expression));
    b->set_functions_allowed = false;
    TRY(bind_settle_unknown(b, &expression));
    for (uint32_t i = 0; i < query->target_count; i++)
        if (expression_equal(query->targets[i].expression, expression)) {
            *target_out = i;
            return STATUS_OK;
        }
    struct target_list list = {query->target_count, query->target_capacity, query->targets};
    *target_out = list.count;
    TRY(bind_push_target(b, &list, "?column?", expression));
    list.items[*target_out].junk = true;
    query->target_count = list.count;
    query->target_capacity = list.capacity;
    query->targets = list.items;
    return STATUS_OK;
}

/* Find or add a target for an item of ORDER BY, GROUP BY or DISTINCT ON. What is compared has a
   type: a literal is text, whatever a set operation around it would have made of it. */
static enum status find_target(struct binder *b, struct query *query, const parse_node *node,
                               const char *clause, bool column_first, uint32_t *target_out) {
    TRY(search_target(b, query, node, clause, column_first, target_out));
    return bind_settle_unknown(b, &query->targets[*target_out].expression);
}

static enum status check_sortable(struct binder *b, const struct expression *expression) {
    if (expression->type.id == TYPE_RECORD ||
        comparison_function(COMPARISON_LT, expression->type.id) == NULL) {
        if (expression->type.id == TYPE_RECORD)
            return STATUS_OK;
        enum status status = bind_error(b, expression->location, STATUS_UNDEFINED_FUNCTION,
                                        "could not identify an ordering operator for type %s",
                                        bind_type_text(b, expression->type));
        error_hint("Use an explicit ordering operator or modify the query.");
        return status;
    }
    return STATUS_OK;
}

enum status bind_order_by(struct binder *b, struct query *query, size_t count, parse_node **items) {
    TRY(BIND_ARRAY(b, count, &query->sorts));
    for (size_t i = 0; i < count; i++) {
        const PgQuery__SortBy *sort = items[i]->sort_by;
        if (sort->n_use_op > 0)
            return bind_unsupported(b, sort->location, "ORDER BY USING");
        uint32_t target;
        TRY(find_target(b, query, sort->node, "ORDER BY", false, &target));
        TRY(check_sortable(b, query->targets[target].expression));
        bool descending = sort->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
        bool nulls_first =
            sort->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
            (sort->sortby_nulls != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST && descending);
        bool repeated = false;
        for (uint32_t k = 0; k < query->sort_count; k++)
            repeated |= query->sorts[k].target == target;
        if (!repeated)
            query->sorts[query->sort_count++] = (struct sort_item){target, descending, nulls_first};
    }
    return STATUS_OK;
}

enum status bind_group_by(struct binder *b, struct query *query, size_t count, parse_node **items) {
    if (count == 0)
        return STATUS_OK;
    query->grouped = true;
    TRY(BIND_ARRAY(b, count, &query->groups));
    const char *clause = b->clause;
    b->clause = "GROUP BY";
    for (size_t i = 0; i < count; i++) {
        if (NODE_IS(items[i], GROUPING_SET)) {
            if (items[i]->grouping_set->kind == PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_EMPTY)
                continue;
            return bind_unsupported(b, items[i]->grouping_set->location, "GROUPING SETS");
        }
        uint32_t target;
        TRY(find_target(b, query, items[i], "GROUP BY", true, &target));
        struct expression *key = query->targets[target].expression;

        if (key->kind == EXPRESSION_AGGREGATE)
            return bind_error(b, key->location, STATUS_GROUPING_ERROR,
                              "aggregate functions are not allowed in GROUP BY");
        bool repeated = false;
        for (uint32_t k = 0; k < query->group_count; k++)
            repeated |= expression_equal(query->groups[k], key);
        if (!repeated)
            query->groups[query->group_count++] = key;
    }
    b->clause = clause;
    return STATUS_OK;
}

enum status bind_distinct_clause(struct binder *b, struct query *query, size_t count,
                                 parse_node **items) {
    if (count == 0)
        return STATUS_OK;
    if (count == 1 && (items[0] == NULL || items[0]->node_case == PG_QUERY__NODE__NODE__NOT_SET)) {
        query->distinct = true;
        TRY(bind_settle_targets(b, query));
        for (uint32_t i = 0; i < query->target_count; i++)
            if (query->targets[i].junk && query->sort_count > 0)
                return bind_error(b, query->targets[i].expression->location,
                                  STATUS_INVALID_COLUMN_REFERENCE,
                                  "for SELECT DISTINCT, ORDER BY expressions must appear in select "
                                  "list");
        return STATUS_OK;
    }
    TRY(BIND_ARRAY(b, count, &query->distinct_on));
    for (size_t i = 0; i < count; i++)
        TRY(find_target(b, query, items[i], "DISTINCT ON", false,
                        &query->distinct_on[query->distinct_on_count++]));
    for (uint32_t i = 0; i < query->sort_count && i < query->distinct_on_count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < query->distinct_on_count; k++)
            found |= query->distinct_on[k] == query->sorts[i].target;
        if (!found)
            return bind_error(
                b, query->targets[query->sorts[i].target].expression->location,
                STATUS_INVALID_COLUMN_REFERENCE,
                "SELECT DISTINCT ON expressions must match initial ORDER BY expressions");
    }
    /* Sort by the rest of the keys, too. */
    struct sort_item *sorts;
    TRY(BIND_ARRAY(b, query->sort_count + query->distinct_on_count, &sorts));
    if (query->sort_count > 0)
        memcpy(sorts, query->sorts, query->sort_count * sizeof *sorts);
    query->sorts = sorts;
    for (uint32_t k = 0; k < query->distinct_on_count; k++) {
        bool found = false;
        for (uint32_t i = 0; i < query->sort_count; i++)
            found |= sorts[i].target == query->distinct_on[k];
        if (!found)
            sorts[query->sort_count++] = (struct sort_item){query->distinct_on[k], false, false};
    }
    return STATUS_OK;
}

static bool visit_any(const struct expression *expression, void *context) {
    return true;
}

enum status bind_limit(struct binder *b, const parse_node *node, const char *what,
                       struct expression **out) {
    if (node == NULL)
        return STATUS_OK;
    const char *clause = b->clause;
    b->clause = what;
    TRY(bind_expression(b, node, out));
    b->clause = clause;
    if (!bind_can_coerce((*out)->type, TYPE_INT8, CAST_ASSIGNMENT))
        return bind_error(b, (*out)->location, STATUS_DATATYPE_MISMATCH,
                          "argument of %s must be type bigint, not type %s", what,
                          bind_type_text(b, (*out)->type));
    TRY(bind_coerce(b, *out, TYPE_OF(INT8), CAST_ASSIGNMENT, (*out)->location, out));
    if (expression_walk_variables(*out, 0, visit_any, NULL))
        return bind_error(b, (*out)->location, STATUS_INVALID_COLUMN_REFERENCE,
                          "argument of %s must not contain variables", what);
    return STATUS_OK;
}

enum status bind_locking(struct binder *b, struct query *query, size_t count, parse_node **items) {
    for (size_t i = 0; i < count; i++) {
        const PgQuery__LockingClause *clause = items[i]->locking_clause;
        bool exclusive = clause->strength == PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORUPDATE ||
                         clause->strength == PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORNOKEYUPDATE;
        const char *name = exclusive ? "FOR UPDATE" : "FOR SHARE";
        if (query->set_operation != SET_NONE || query->values_count > 0)
            return bind_error(b, -1, STATUS_FEATURE_NOT_SUPPORTED,
                              "%s is not allowed with UNION/INTERSECT/EXCEPT", name);
        if (query->grouped || query->distinct || query->distinct_on_count > 0)
            return bind_error(
                b, -1, STATUS_FEATURE_NOT_SUPPORTED, "%s is not allowed with %s", name,
                query->grouped
                    ? (query->group_count > 0 ? "GROUP BY clause" : "aggregate functions")
                    : "DISTINCT clause");
        struct lock_clause *locks;
        TRY(BIND_ARRAY(b, query->lock_count + query->relation_count, &locks));
        if (query->lock_count > 0)
            memcpy(locks, query->locks, query->lock_count * sizeof *locks);
        query->locks = locks;
        for (size_t k = 0; k < (clause->n_locked_rels > 0 ? clause->n_locked_rels : 1); k++) {
            const PgQuery__RangeVar *of =
                clause->n_locked_rels > 0 ? clause->locked_rels[k]->range_var : NULL;
            bool found = of == NULL;
            for (uint32_t r = 0; r < query->relation_count; r++) {
                struct relation *relation = query->relations[r];
                if (of != NULL &&
                    (relation->alias == NULL || strcmp(relation->alias, of->relname) != 0))
                    continue;
                found = true;
                if (relation->source == RELATION_OF_CTE && relation->cte->view != NULL)
                    return bind_unsupported(b, -1, "%s of a view's rows", name);
                if (relation->source != RELATION_OF_TABLE) {
                    if (of == NULL)
                        continue;
                    return bind_error(b, of->location, STATUS_FEATURE_NOT_SUPPORTED,
                                      "%s cannot be applied to this FROM item", name);
                }
                if (relation->table->kind == RELATION_SEQUENCE)
                    return bind_error(b, -1, STATUS_WRONG_OBJECT_TYPE,
                                      "cannot lock rows in sequence \"%s\"", relation->table->name);
                if (relation->table->kind == RELATION_VIRTUAL)
                    continue;
                relation->used[0] = true;
                TRY(bind_add_lock(b, relation->table->oid, RELATION_LOCK_ROW_SHARE));
                query->locks[query->lock_count++] = (struct lock_clause){
                    r, exclusive ? KEY_LOCK_EXCLUSIVE : KEY_LOCK_SHARE,
                    clause->wait_policy == PG_QUERY__LOCK_WAIT_POLICY__LockWaitSkip ? LOCK_SKIP
                    : clause->wait_policy == PG_QUERY__LOCK_WAIT_POLICY__LockWaitError
                        ? LOCK_NO_WAIT
                        : LOCK_WAIT};
            }
            if (!found)
                return bind_error(b, of->location, STATUS_UNDEFINED_TABLE,
                                  "relation \"%s\" in %s clause not found in FROM clause",
                                  of->relname, name);
        }
    }
    return STATUS_OK;
}
