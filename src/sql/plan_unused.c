/* Columns that nobody reads are not computed. */
#include "sql/plan.h"

static bool visit_set_function(const struct expression *expression, void *context) {
    return expression->kind == EXPRESSION_CALL && expression->function->shape == FUNCTION_SET;
}

/* It decides which rows there are, or its effects are wanted. */
static bool is_needed(const struct query *query, uint32_t target) {
    const struct expression *expression = query->targets[target].expression;
    if (query->targets[target].junk || expression_is_volatile(expression) ||
        expression_walk(expression, visit_set_function, NULL))
        return true;
    for (uint32_t i = 0; i < query->sort_count; i++)
        if (query->sorts[i].target == target)
            return true;
    for (uint32_t i = 0; i < query->distinct_on_count; i++)
        if (query->distinct_on[i] == target)
            return true;
    return false;
}

static void forget(struct planner *p, struct query *query, uint32_t target) {
    struct expression **expression = &query->targets[target].expression;
    struct value null = value_null((*expression)->type);
    *expression = expression_constant(p->b, &null, (*expression)->location);
}

static bool decides_rows(const struct query *query) {
    return query->set_operation != SET_NONE || query->values_count > 0 || query->distinct;
}

void plan_forget_unused(struct planner *p, struct query *query, const bool *used) {
    if (decides_rows(query))
        return;
    for (uint32_t i = 0, column = 0; i < query->target_count; i++) {
        if (!query->targets[i].junk && !used[++column] && !is_needed(query, i))
            forget(p, query, i);
    }
}

void plan_forget_targets(struct planner *p, struct query *query) {
    const struct expression *limit = query->limit;
    if (limit != NULL && limit->kind == EXPRESSION_CONSTANT &&
        (limit->value.is_null || limit->value.int64 > 0))
        query->limit = NULL;
    bool whole = query->set_operation != SET_NONE || query->values_count > 0 || query->grouped ||
                 query->has_set_functions || query->lock_count > 0 || query->offset != NULL ||
                 query->limit != NULL;
    if (whole)
        return;
    /* Whether there is a row does not depend on their order, nor on their being distinct. */
    query->sort_count = query->distinct_on_count = 0;
    query->distinct = false;
    for (uint32_t i = 0; i < query->target_count; i++)
        if (!expression_is_volatile(query->targets[i].expression))
            forget(p, query, i);
}
