/* Bound queries as bytes. */
#include "sql/query_image.h"

struct imaging {
    struct buffer *out;
    uint32_t depth; /* queries around the part at hand, within what is imaged */
    bool is_shareable;
};

static void put_query(struct imaging *imaging, const struct query *query, enum query_part part);
static void put_expression(struct imaging *imaging, const struct expression *expression);

static void put(struct imaging *imaging, uint64_t number) {
    buffer_append(imaging->out, &number, sizeof number);
}

static void put_pointer(struct imaging *imaging, const void *pointer) {
    put(imaging, (uint64_t)(uintptr_t)pointer);
}

static void put_type(struct imaging *imaging, struct type type) {
    put(imaging, (uint64_t)type.id << 32 | (uint32_t)type.modifier);
    put(imaging, (uint64_t)type.precision << 8 | type.scale);
}

static void put_list(struct imaging *imaging, uint32_t count, struct expression *const *items) {
    put(imaging, count);
    for (uint32_t i = 0; i < count; i++)
        put_expression(imaging, items[i]);
}

/* ---- expressions ------------------------------------------------------------------------ */

static void put_constant(struct imaging *imaging, const struct value *value) {
    put_type(imaging, value->type);
    put(imaging, value->is_null);
    if (value->is_null)
        return;
    switch (type_physical(value->type)) {
    case PHYSICAL_STRING:
        put(imaging, value->string.size);
        buffer_append(imaging->out, value->string.data, value->string.size);
        break;
    case PHYSICAL_NUMERIC: /* field by field: padding has no value */
        buffer_append(imaging->out, &value->numeric.coefficient, sizeof(int128_t));
        put(imaging, (uint64_t)(uint16_t)value->numeric.scale << 8 | value->numeric.kind);
        break;
    default:
        buffer_append(imaging->out, &value->boolean, physical_size(type_physical(value->type)));
        break;
    }
}

static void put_aggregate(struct imaging *imaging, const struct bound_aggregate *aggregate) {
    put_pointer(imaging, aggregate->aggregate);
    put(imaging, aggregate->distinct);
    put_list(imaging, aggregate->argument_count, aggregate->arguments);
    put_expression(imaging, aggregate->filter);
    put(imaging, aggregate->order_count);
    for (uint32_t i = 0; i < aggregate->order_count; i++) {
        const struct sort_key *key = &aggregate->order[i];
        put_expression(imaging, key->expression);
        put(imaging, (uint64_t)(key->descending << 1 | key->nulls_first));
    }
    if (aggregate->level > 0) /* one of a query around it */
        imaging->is_shareable = false;
}

static void put_subquery(struct imaging *imaging, const struct query *query) {
    imaging->depth++;
    put_query(imaging, query, QUERY_WHOLE);
    imaging->depth--;
}

static void put_comparisons(struct imaging *imaging, const struct bound_sublink *link) {
    put(imaging, (uint64_t)link->kind << 32 | link->left_count);
    for (uint32_t i = 0; i < link->left_count; i++) {
        put_pointer(imaging, link->functions[i]);
        put_expression(imaging, link->casts[i]);
    }
}

static void put_variable(struct imaging *imaging, const struct expression *variable) {
    put(imaging, (uint64_t)variable->variable.level << 32 | variable->variable.relation);
    put(imaging, (uint64_t)(int64_t)variable->variable.column);
    if (variable->variable.level > imaging->depth)
        imaging->is_shareable = false;
}

static void put_expression(struct imaging *imaging, const struct expression *expression) {
    if (expression == NULL) {
        put(imaging, EXPRESSION_NONE);
        return;
    }
    put(imaging, (uint64_t)expression->kind << 32 | expression->argument_count);
    put(imaging, (uint64_t)expression->negated << 24 | (uint64_t)expression->is_explicit << 25 |
                     (uint64_t)expression->is_nested << 26 | (uint64_t)expression->test << 8 |
                     expression->comparison);
    put_type(imaging, expression->type);
    put_pointer(imaging, expression->function);
    if (expression->function != NULL && expression->function->volatility == FUNCTION_VOLATILE)
        imaging->is_shareable = false;
    for (uint32_t i = 0; i < expression->argument_count; i++)
        put_expression(imaging, expression->arguments[i]);
    switch (expression->kind) {
    case EXPRESSION_CONSTANT:
        put_constant(imaging, &expression->value);
        break;
    case EXPRESSION_PARAMETER:
    case EXPRESSION_FIELD:
        put(imaging, expression->index);
        break;
    case EXPRESSION_VARIABLE:
        put_variable(imaging, expression);
        break;
    case EXPRESSION_AGGREGATE:
        put_aggregate(imaging, expression->aggregate);
        break;
    case EXPRESSION_SUBLINK:
        put_list(imaging, expression->sublink->left_count, expression->sublink->left);
        put_comparisons(imaging, expression->sublink);
        put_subquery(imaging, expression->sublink->query);
        break;
    case EXPRESSION_DEFAULT:
        imaging->is_shareable = false;
        break;
    default:
        break;
    }
}

/* ---- queries ---------------------------------------------------------------------------- */

/* A reference to the same one answers the same, unless the text is expanded at each place and has
   something volatile in it. */
static void put_cte(struct imaging *imaging, struct cte *cte) {
    put_pointer(imaging, cte);
    if (cte->sharing == CTE_NOT_LOOKED_AT) {
        struct buffer image = {0};
        cte->sharing = CTE_IS_VOLATILE; /* until it is known, should they need each other */
        if (query_image(&image, cte->query, QUERY_WHOLE))
            cte->sharing = CTE_IS_STABLE;
        buffer_release(&image);
    }
    imaging->is_shareable &= cte->sharing == CTE_IS_STABLE;
}

static void put_relation(struct imaging *imaging, const struct relation *relation) {
    put(imaging, (uint64_t)relation->source << 32 | (uint64_t)relation->ordinality << 1 |
                     (uint64_t)relation->lateral);
    switch (relation->source) {
    case RELATION_OF_TABLE:
        put_pointer(imaging, relation->table);
        break;
    case RELATION_OF_QUERY:
        put_subquery(imaging, relation->query);
        break;
    case RELATION_OF_FUNCTION:
        put_list(imaging, relation->function_count, relation->calls);
        break;
    case RELATION_OF_CTE:
        put_cte(imaging, relation->cte);
        break;
    }
}

static void put_item(struct imaging *imaging, const struct join_item *item) {
    put(imaging, item->is_join ? (uint64_t)item->kind + 1 : 0);
    if (!item->is_join) {
        put(imaging, item->relation);
        return;
    }
    put_item(imaging, item->left);
    put_item(imaging, item->right);
    put_expression(imaging, item->condition);
}

static void put_source(struct imaging *imaging, const struct query *query) {
    put(imaging, query->relation_count);
    for (uint32_t i = 0; i < query->relation_count; i++)
        put_relation(imaging, query->relations[i]);
    put(imaging, query->from_count);
    for (uint32_t i = 0; i < query->from_count; i++)
        put_item(imaging, query->from[i]);
    put_expression(imaging, query->where);
}

static void put_result(struct imaging *imaging, const struct query *query) {
    put(imaging, query->target_count);
    for (uint32_t i = 0; i < query->target_count; i++) {
        put(imaging, query->targets[i].junk);
        put_expression(imaging, query->targets[i].expression);
    }
    put(imaging, query->grouped);
    put_list(imaging, query->group_count, query->groups);
    put_expression(imaging, query->having);
    put(imaging, (uint64_t)query->distinct << 32 | query->distinct_on_count);
    for (uint32_t i = 0; i < query->distinct_on_count; i++)
        put(imaging, query->distinct_on[i]);
    put(imaging, query->sort_count);
    for (uint32_t i = 0; i < query->sort_count; i++) {
        const struct sort_item *sort = &query->sorts[i];
        put(imaging, (uint64_t)sort->target << 2 | (uint64_t)(sort->descending << 1) |
                         (uint64_t)sort->nulls_first);
    }
    put_expression(imaging, query->limit);
    put_expression(imaging, query->offset);
    put(imaging, query->values_count);
    for (uint32_t i = 0; i < query->values_count; i++)
        put_list(imaging, query->target_count, query->values[i]);
}

static void put_query(struct imaging *imaging, const struct query *query, enum query_part part) {
    if (fiber_stack_left() < (96u << 10)) {
        imaging->is_shareable = false;
        return;
    }
    if (query->lock_count > 0)
        imaging->is_shareable = false;
    put_source(imaging, query);
    if (part == QUERY_SOURCE)
        return;
    put_result(imaging, query);
    put(imaging, (uint64_t)query->set_operation << 1 | (uint64_t)query->set_all);
    if (query->set_operation == SET_NONE)
        return;
    put_subquery(imaging, query->left);
    put_subquery(imaging, query->right);
}

/* ---- doors ------------------------------------------------------------------------------ */

bool query_image(struct buffer *image, const struct query *query, enum query_part part) {
    struct imaging imaging = {.out = image, .is_shareable = true};
    put_query(&imaging, query, part);
    return imaging.is_shareable && !image->failed;
}

bool sublink_image(struct buffer *image, const struct bound_sublink *link) {
    struct imaging imaging = {.out = image, .is_shareable = true};
    put_comparisons(&imaging, link);
    put_query(&imaging, link->query, QUERY_WHOLE);
    return imaging.is_shareable && !image->failed;
}

bool expression_image(struct buffer *image, const struct expression *expression) {
    struct imaging imaging = {.out = image, .is_shareable = true};
    put_expression(&imaging, expression);
    return imaging.is_shareable && !image->failed;
}
