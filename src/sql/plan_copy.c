/*
 * Deep copies of bound queries and expressions with other variables.
 *
 * Rewriting moves expressions from one query to another: the relations get other numbers and the
 * queries around it are fewer. Planning may also use one bound query several times, and changes it
 * on the way. Both need copies in which each VARIABLE, at whatever depth of nested queries, has
 * been replaced.
 */
#include <string.h>

#include "sql/plan.h"

static enum status copy_query(struct variable_map *map, const struct query *query, uint32_t depth,
                              struct query **out);

static enum status copy_list(struct variable_map *map, uint32_t count,
                             struct expression *const *items, uint32_t depth,
                             struct expression ***out) {
    TRY(BIND_ARRAY(map->p->b, count, out));
    for (uint32_t i = 0; i < count; i++)
        TRY(plan_map(map, items[i], depth, &(*out)[i]));
    return STATUS_OK;
}

static enum status copy_aggregate(struct variable_map *map, const struct bound_aggregate *from,
                                  uint32_t depth, struct bound_aggregate **out) {
    TRY(BIND_ARRAY(map->p->b, 1, out));
    struct bound_aggregate *to = *out;
    *to = *from;
    TRY(copy_list(map, from->argument_count, from->arguments, depth, &to->arguments));
    TRY(plan_map(map, from->filter, depth, &to->filter));
    TRY(BIND_ARRAY(map->p->b, from->order_count, &to->order));
    for (uint32_t i = 0; i < from->order_count; i++) {
        struct expression *key;
        TRY(plan_map(map, from->order[i].expression, depth, &key));
        to->order[i] = from->order[i];
        to->order[i].expression = key;
    }
    return STATUS_OK;
}

static enum status copy_sublink(struct variable_map *map, const struct bound_sublink *from,
                                uint32_t depth, struct bound_sublink **out) {
    TRY(BIND_ARRAY(map->p->b, 1, out));
    struct bound_sublink *to = *out;
    *to = *from;
    TRY(copy_list(map, from->left_count, from->left, depth, &to->left));
    return copy_query(map, from->query, depth + 1, &to->query);
}

enum status plan_map(struct variable_map *map, const struct expression *expression, uint32_t depth,
                     struct expression **out) {
    struct binder *b = map->p->b;
    *out = NULL;
    if (expression == NULL)
        return STATUS_OK;
    TRY(bind_stack_check(b));
    if (expression->kind == EXPRESSION_VARIABLE)
        return map->variable(map, expression, depth, out);
    struct expression *copy;
    TRY(BIND_ARRAY(b, 1, &copy));
    *copy = *expression;
    TRY(copy_list(map, expression->argument_count, expression->arguments, depth, &copy->arguments));
    if (expression->kind == EXPRESSION_AGGREGATE)
        TRY(copy_aggregate(map, expression->aggregate, depth, &copy->aggregate));
    if (expression->kind == EXPRESSION_SUBLINK)
        TRY(copy_sublink(map, expression->sublink, depth, &copy->sublink));
    *out = copy;
    return STATUS_OK;
}

static enum status copy_item(struct variable_map *map, const struct join_item *from, uint32_t depth,
                             struct join_item **out) {
    TRY(BIND_ARRAY(map->p->b, 1, out));
    **out = *from;
    if (!from->is_join) {
        (*out)->relation += depth == 0 ? map->base : 0;
        return STATUS_OK;
    }
    TRY(copy_item(map, from->left, depth, &(*out)->left));
    TRY(copy_item(map, from->right, depth, &(*out)->right));
    return plan_map(map, from->condition, depth, &(*out)->condition);
}

enum status plan_map_items(struct variable_map *map, uint32_t count, struct join_item **items,
                           uint32_t depth, struct join_item ***out) {
    TRY(BIND_ARRAY(map->p->b, count, out));
    for (uint32_t i = 0; i < count; i++)
        TRY(copy_item(map, items[i], depth, &(*out)[i]));
    return STATUS_OK;
}

enum status plan_map_relation(struct variable_map *map, const struct relation *from, uint32_t depth,
                              struct relation **out) {
    TRY(BIND_ARRAY(map->p->b, 1, out));
    **out = *from;
    TRY(copy_list(map, from->function_count, from->calls, depth, &(*out)->calls));
    if (from->source == RELATION_OF_QUERY)
        TRY(copy_query(map, from->query, depth + 1, &(*out)->query));
    return STATUS_OK;
}

static enum status copy_targets(struct variable_map *map, const struct query *from, uint32_t depth,
                                struct query *to) {
    TRY(BIND_ARRAY(map->p->b, from->target_count, &to->targets));
    for (uint32_t i = 0; i < from->target_count; i++) {
        to->targets[i] = from->targets[i];
        TRY(plan_map(map, from->targets[i].expression, depth, &to->targets[i].expression));
    }
    if (from->values_count == 0)
        return STATUS_OK;
    TRY(BIND_ARRAY(map->p->b, from->values_count, &to->values));
    for (uint32_t i = 0; i < from->values_count; i++)
        TRY(copy_list(map, from->target_count, from->values[i], depth, &to->values[i]));
    return STATUS_OK;
}

/* Common table expressions stay shared: they see nothing of the query and are planned once. */
static enum status copy_query(struct variable_map *map, const struct query *from, uint32_t depth,
                              struct query **out) {
    TRY(BIND_ARRAY(map->p->b, 1, out));
    struct query *to = *out;
    *to = *from;
    for (uint32_t i = 0; i < from->relation_count; i++)
        TRY(plan_map_relation(map, from->relations[i], depth, &to->relations[i]));
    TRY(plan_map_items(map, from->from_count, from->from, depth, &to->from));
    TRY(plan_map(map, from->where, depth, &to->where));
    TRY(copy_targets(map, from, depth, to));
    TRY(copy_list(map, from->group_count, from->groups, depth, &to->groups));
    TRY(plan_map(map, from->having, depth, &to->having));
    TRY(plan_map(map, from->limit, depth, &to->limit));
    TRY(plan_map(map, from->offset, depth, &to->offset));
    if (from->set_operation == SET_NONE)
        return STATUS_OK;
    TRY(copy_query(map, from->left, depth + 1, &to->left));
    return copy_query(map, from->right, depth + 1, &to->right);
}

static enum status same_variable(struct variable_map *map, const struct expression *variable,
                                 uint32_t depth, struct expression **out) {
    *out = expression_copy(map->p->b, variable);
    return STATUS_OK;
}

enum status plan_copy_query(struct planner *p, const struct query *query, struct query **out) {
    struct variable_map map = {.p = p, .variable = same_variable};
    return copy_query(&map, query, 0, out);
}
