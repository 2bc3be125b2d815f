/* Aggregates of a query, and functions that return rows in its targets. */
#include <string.h>

#include "sql/plan.h"

struct collection {
    struct binder *b;
    enum expression_kind kind;
    uint32_t count, capacity;
    struct expression **items;
    enum status status;
};

static enum status collect_one(struct collection *collection, const struct expression *found) {
    for (uint32_t i = 0; i < collection->count; i++)
        if (expression_equal(collection->items[i], found))
            return STATUS_OK;
    if (collection->count == collection->capacity) {
        struct expression **items;
        TRY(BIND_ARRAY(collection->b, collection->capacity + 16, &items));
        if (collection->count > 0)
            memcpy(items, collection->items, collection->count * sizeof *items);
        collection->items = items;
        collection->capacity += 16;
    }
    collection->items[collection->count++] = (struct expression *)found;
    return STATUS_OK;
}

static bool visit_collect(const struct expression *expression, void *context) {
    struct collection *collection = context;
    bool wanted =
        collection->kind == EXPRESSION_AGGREGATE
            ? expression->kind == EXPRESSION_AGGREGATE
            : expression->kind == EXPRESSION_CALL && expression->function->shape == FUNCTION_SET;
    if (!wanted)
        return false;
    collection->status = collect_one(collection, expression);
    return collection->status != STATUS_OK;
}

static enum status collect(struct frame *frame, enum expression_kind kind,
                           struct collection *collection) {
    const struct query *query = frame->query;
    *collection = (struct collection){.b = frame->p->b, .kind = kind};
    for (uint32_t i = 0; i < query->target_count; i++)
        expression_walk(query->targets[i].expression, visit_collect, collection);
    if (kind == EXPRESSION_AGGREGATE)
        expression_walk(query->having, visit_collect, collection);
    return collection->status;
}

static enum status make_aggregates(struct frame *frame, const struct path *path,
                                   const struct collection *collection,
                                   struct plan_aggregate **out) {
    struct binder *b = frame->p->b;
    TRY(BIND_ARRAY(b, collection->count, out));
    for (uint32_t i = 0; i < collection->count; i++) {
        const struct bound_aggregate *bound = collection->items[i]->aggregate;
        struct plan_aggregate *aggregate = &(*out)[i];
        struct expression **arguments, *filter;
        TRY(BIND_ARRAY(b, bound->argument_count, &arguments));
        for (uint32_t k = 0; k < bound->argument_count; k++)
            TRY(plan_resolve(frame, &path->layout, bound->arguments[k], &arguments[k]));
        TRY(plan_resolve(frame, &path->layout, bound->filter, &filter));
        struct sort_key *order;
        TRY(BIND_ARRAY(b, bound->order_count, &order));
        for (uint32_t k = 0; k < bound->order_count; k++) {
            struct expression *key;
            TRY(plan_resolve(frame, &path->layout, bound->order[k].expression, &key));
            order[k] = bound->order[k];
            order[k].expression = key;
        }
        *aggregate = (struct plan_aggregate){.aggregate = bound->aggregate,
                                             .type = collection->items[i]->type,
                                             .argument_count = bound->argument_count,
                                             .arguments = arguments,
                                             .distinct = bound->distinct,
                                             .filter = filter,
                                             .order_count = bound->order_count,
                                             .order = order};
    }
    return STATUS_OK;
}

/* Do all aggregates take distinct values of one and the same argument? */
static bool share_distinct_argument(const struct collection *collection) {
    const struct bound_aggregate *first =
        collection->count > 0 ? collection->items[0]->aggregate : NULL;
    for (uint32_t i = 0; i < collection->count; i++) {
        const struct bound_aggregate *one = collection->items[i]->aggregate;
        if (!one->distinct || one->argument_count != 1 || one->filter != NULL ||
            one->order_count > 0 || !expression_equal(one->arguments[0], first->arguments[0]))
            return false;
    }
    return collection->count > 0 && !expression_is_volatile(first->arguments[0]);
}

/* Aggregates of distinct values in two steps, neither of which sorts: first the different pairs of
   group and value, by all cores; then the groups of these. keys[] and aggregates[] become about the
   pairs, *input their node. */
static enum status plan_pairs(struct frame *frame, const struct path *path,
                              const struct collection *collection, struct expression **keys,
                              struct plan_aggregate *aggregates, struct plan_node **input) {
    struct planner *p = frame->p;
    const struct query *query = frame->query;
    uint32_t count = query->group_count + 1;
    struct layout layout = {.count = count};
    struct expression **pair, **argument;
    struct plan_node *node;
    TRY(BIND_ARRAY(p->b, count, &layout.items));
    TRY(BIND_ARRAY(p->b, count, &pair));
    TRY(BIND_ARRAY(p->b, 1, &argument));
    for (uint32_t i = 0; i < count; i++) {
        bool is_key = i < query->group_count;
        layout.items[i] = is_key ? query->groups[i] : collection->items[0]->aggregate->arguments[0];
        pair[i] = is_key ? keys[i] : aggregates[0].arguments[0];
        struct expression *column =
            expression_make(p->b, EXPRESSION_COLUMN, pair[i]->type, pair[i]->location);
        column->index = i;
        *(is_key ? &keys[i] : argument) = column;
    }
    double rows = plan_group_count(frame, count, layout.items, path->rows);
    TRY(plan_node_new(p, NODE_AGGREGATE, &layout, rows, &node));
    node->left = *input;
    node->aggregate.key_count = count;
    node->aggregate.keys = pair;
    node->aggregate.is_distinct = true;
    node->start_cost = node->total_cost = (*input)->total_cost + path->rows * 0.02;
    for (uint32_t i = 0; i < count; i++)
        if (pair[i]->kind == EXPRESSION_COLUMN)
            ((struct plan_column *)node->columns)[i] = (*input)->columns[pair[i]->index];
    for (uint32_t i = 0; i < collection->count; i++) {
        aggregates[i].arguments = argument;
        aggregates[i].distinct = false;
    }
    *input = node;
    return STATUS_OK;
}

enum status plan_aggregate(struct frame *frame, struct path *path) {
    struct planner *p = frame->p;
    struct query *query = frame->query;
    struct collection collection;
    TRY(collect(frame, EXPRESSION_AGGREGATE, &collection));
    struct layout layout = {.count = query->group_count + collection.count};
    TRY(BIND_ARRAY(p->b, layout.count, &layout.items));
    struct expression **keys;
    TRY(BIND_ARRAY(p->b, query->group_count, &keys));
    double rows = query->group_count == 0 ? 1 : path->rows;
    for (uint32_t i = 0; i < query->group_count; i++) {
        layout.items[i] = query->groups[i];
        TRY(plan_resolve(frame, &path->layout, query->groups[i], &keys[i]));
    }
    if (query->group_count > 0)
        rows = plan_group_count(frame, query->group_count, query->groups, path->rows);
    if (query->having != NULL)
        rows *= plan_selectivity(frame, query->having);
    rows = rows < 1 ? 1 : rows;
    struct plan_aggregate *aggregates;
    TRY(make_aggregates(frame, path, &collection, &aggregates));
    for (uint32_t i = 0; i < collection.count; i++)
        layout.items[query->group_count + i] = collection.items[i];
    struct plan_node *node, *input = path->node;
    if (share_distinct_argument(&collection))
        TRY(plan_pairs(frame, path, &collection, keys, aggregates, &input));
    TRY(plan_node_new(p, NODE_AGGREGATE, &layout, rows, &node));
    node->left = input;
    node->aggregate.key_count = query->group_count;
    node->aggregate.keys = keys;
    TRY(plan_followers(frame, &node->aggregate.follows));
    node->aggregate.aggregate_count = collection.count;
    node->aggregate.aggregates = aggregates;
    node->start_cost = node->total_cost = input->total_cost + input->rows * 0.02;
    plan_groups_given(frame, node);
    for (uint32_t i = 0; i < query->group_count; i++)
        if (keys[i]->kind == EXPRESSION_COLUMN)
            ((struct plan_column *)node->columns)[i] = input->columns[keys[i]->index];
    struct expression *having;
    TRY(plan_resolve(frame, &layout, query->having, &having));
    node->aggregate.filter = having;
    *path = (struct path){.node = node, .layout = layout, .relation = -1, .rows = rows};
    return STATUS_OK;
}

enum status plan_set_functions(struct frame *frame, struct path *path) {
    struct planner *p = frame->p;
    struct collection collection;
    TRY(collect(frame, EXPRESSION_SET_FUNCTION, &collection));
    if (collection.count == 0)
        return STATUS_OK;
    struct layout layout = {.count = path->layout.count + collection.count};
    TRY(BIND_ARRAY(p->b, layout.count, &layout.items));
    if (path->layout.count > 0)
        memcpy(layout.items, path->layout.items, path->layout.count * sizeof *layout.items);
    struct expression **functions;
    TRY(BIND_ARRAY(p->b, collection.count, &functions));
    for (uint32_t i = 0; i < collection.count; i++) {
        TRY(plan_resolve(frame, &path->layout, collection.items[i], &functions[i]));
        layout.items[path->layout.count + i] = collection.items[i];
    }
    struct plan_node *node;
    TRY(plan_node_new(p, NODE_PROJECT_SET, &layout, path->rows * 100, &node));
    node->left = path->node;
    node->start_cost = path->node->start_cost;
    node->total_cost = path->node->total_cost + path->rows;
    node->project_set.function_count = collection.count;
    node->project_set.functions = functions;
    path->node = node;
    path->layout = layout;
    path->rows = node->rows;
    return STATUS_OK;
}
