/*
 * Conditions about a subquery's columns become conditions of the subquery.
 *
 * A condition may go below grouping when it is about grouping columns alone: it then decides on
 * whole groups. It does not go below LIMIT, DISTINCT ON, set-returning functions, VALUES and set
 * operations.
 */
#include "sql/plan.h"

struct push {
    const struct query *query;
    uint32_t relation;
    bool possible;
};

static const struct target *shown_target(const struct query *query, uint32_t column) {
    for (uint32_t i = 0; i < query->target_count; i++)
        if (!query->targets[i].junk && column-- == 0)
            return &query->targets[i];
    return NULL;
}

static bool visit_unfit(const struct expression *expression, void *context) {
    return expression->kind == EXPRESSION_SUBLINK || expression->kind == EXPRESSION_AGGREGATE ||
           (expression->kind == EXPRESSION_CALL && expression->function->shape == FUNCTION_SET);
}

static bool is_fit(const struct expression *expression) {
    return !expression_walk(expression, visit_unfit, NULL) && !expression_is_volatile(expression);
}

static bool is_group(const struct query *query, const struct expression *expression) {
    for (uint32_t i = 0; i < query->group_count; i++)
        if (expression_equal(query->groups[i], expression))
            return true;
    return false;
}

static enum status push_variable(struct variable_map *map, const struct expression *variable,
                                 uint32_t depth, struct expression **out) {
    struct push *push = map->context;
    *out = expression_copy(map->p->b, variable);
    if (variable->variable.level > 0) {
        (*out)->variable.level++; /* the subquery is one query further in */
        return STATUS_OK;
    }
    const struct target *target =
        variable->variable.relation == push->relation && variable->variable.column > 0
            ? shown_target(push->query, (uint32_t)(variable->variable.column - 1))
            : NULL;
    push->possible &= target != NULL && is_fit(target->expression) &&
                      (!push->query->grouped || is_group(push->query, target->expression));
    if (push->possible)
        *out = expression_copy(map->p->b, target->expression);
    return STATUS_OK;
}

static bool takes_conditions(const struct query *query) {
    return query->values_count == 0 && query->limit == NULL && query->offset == NULL &&
           query->distinct_on_count == 0 && !query->has_set_functions && query->lock_count == 0 &&
           query->set_operation == SET_NONE && (!query->grouped || query->group_count > 0);
}

enum status plan_push_condition(struct planner *p, struct query *query, uint32_t relation,
                                struct expression *condition, bool *done) {
    *done = false;
    if (!takes_conditions(query) || !is_fit(condition))
        return STATUS_OK;
    struct push push = {query, relation, true};
    struct variable_map map = {.p = p, .variable = push_variable, .context = &push};
    struct expression *pushed;
    TRY(plan_map(&map, condition, 0, &pushed));
    if (!push.possible)
        return STATUS_OK;
    query->where = expression_and(p->b, query->where, pushed);
    *done = true;
    return STATUS_OK;
}
