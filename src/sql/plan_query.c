/* Above FROM: aggregation, projection, distinct, sorting, limit, set operations; changes. */
#include <string.h>

#include "sql/plan.h"

static void pass_columns(struct plan_node *node, const struct plan_node *child) {
    node->left = child;
    node->columns = child->columns;
    node->column_count = child->column_count;
    node->start_cost = child->start_cost;
    node->total_cost = child->total_cost;
}

enum status plan_project(struct frame *frame, struct path *path, uint32_t count,
                         struct expression **expressions, const char **names,
                         struct plan_node **node_out) {
    struct planner *p = frame->p;
    struct expression **resolved;
    TRY(BIND_ARRAY(p->b, count, &resolved));
    struct plan_column *columns;
    TRY(BIND_ARRAY(p->b, count, &columns));
    bool same = count == path->node->column_count;
    for (uint32_t i = 0; i < count; i++) {
        TRY(plan_resolve(frame, &path->layout, expressions[i], &resolved[i]));
        columns[i].name = names != NULL ? names[i] : "";
        columns[i].type = resolved[i]->type;
        same &= resolved[i]->kind == EXPRESSION_COLUMN && resolved[i]->index == i;
    }
    if (same && names == NULL) {
        *node_out = path->node;
        return STATUS_OK;
    }
    struct plan_node *node;
    TRY(plan_node_new(p, NODE_PROJECT, NULL, path->rows, &node));
    pass_columns(node, path->node);
    node->columns = columns;
    node->column_count = count;
    node->project.expressions = resolved;
    node->total_cost += path->rows * 0.005;
    *node_out = node;
    return STATUS_OK;
}

/* ---- aggregation ------------------------------------------------------------------------ */

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

static enum status plan_aggregate(struct frame *frame, struct path *path) {
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
    for (uint32_t i = 0; i < query->group_count; i++)
        if (keys[i]->kind == EXPRESSION_COLUMN)
            ((struct plan_column *)node->columns)[i] = input->columns[keys[i]->index];
    struct expression *having;
    TRY(plan_resolve(frame, &layout, query->having, &having));
    node->aggregate.filter = having;
    *path = (struct path){.node = node, .layout = layout, .relation = -1, .rows = rows};
    return STATUS_OK;
}

static enum status plan_set_functions(struct frame *frame, struct path *path) {
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

/* ---- order and limit -------------------------------------------------------------------- */

/* Does the scan's index give this order? Then say so in the scan. */
static bool index_gives_order(struct frame *frame, struct path *path, const struct query *query,
                              bool limited, struct expression *const *keys) {
    struct plan_node *node = path->node;
    if (node->kind != NODE_TABLE_SCAN || node->scan.any_count > 0)
        return false;
    const struct table *table = node->scan.table;
    for (uint32_t i = 0; i < table->index_count; i++) {
        const struct index *index = table->indexes[i];
        uint32_t skip = 0;
        if (!plan_index_usable(frame, index))
            continue;
        if (node->scan.index != NULL) {
            if (node->scan.index != index)
                continue;
            skip = node->scan.equal_count;
        } else if (!limited) {
            continue;
        }
        if (skip + query->sort_count > index->column_count)
            continue;
        bool forward = true, backward = true;
        for (uint32_t k = 0; k < query->sort_count; k++) {
            const struct index_column *column = &index->columns[skip + k];
            const struct sort_item *sort = &query->sorts[k];
            if (keys[k]->kind != EXPRESSION_COLUMN ||
                node->scan.column_numbers[keys[k]->index] != column->column_number)
                forward = backward = false;
            forward &=
                sort->descending == column->descending && sort->nulls_first == column->nulls_first;
            backward &=
                sort->descending != column->descending && sort->nulls_first != column->nulls_first;
        }
        if (!forward && !backward)
            continue;
        node->scan.index = index;
        node->scan.backward = backward;
        node->scan.ordered = true;
        return true;
    }
    return false;
}

static enum status plan_sort(struct frame *frame, struct path *path, struct expression **keys,
                             const struct expression *limit, const struct expression *offset) {
    struct planner *p = frame->p;
    const struct query *query = frame->query;
    if (index_gives_order(frame, path, query, limit != NULL, keys))
        return STATUS_OK;
    struct sort_key *sorts;
    TRY(BIND_ARRAY(p->b, query->sort_count, &sorts));
    for (uint32_t i = 0; i < query->sort_count; i++)
        sorts[i] =
            (struct sort_key){keys[i], query->sorts[i].descending, query->sorts[i].nulls_first};
    struct plan_node *node;
    TRY(plan_node_new(p, NODE_SORT, NULL, path->rows, &node));
    pass_columns(node, path->node);
    node->sort.key_count = query->sort_count;
    node->sort.keys = sorts;
    node->sort.limit = limit;
    node->sort.offset = offset;
    node->start_cost = node->total_cost = path->node->total_cost + path->rows * 0.05;
    path->node = node;
    return STATUS_OK;
}

static enum status plan_limit(struct frame *frame, struct path *path, struct expression *limit,
                              struct expression *offset) {
    if (limit == NULL && offset == NULL)
        return STATUS_OK;
    double rows = path->rows;
    if (limit != NULL && limit->kind == EXPRESSION_CONSTANT && !limit->value.is_null &&
        limit->value.int64 < rows)
        rows = (double)limit->value.int64;
    struct plan_node *node;
    TRY(plan_node_new(frame->p, NODE_LIMIT, NULL, rows, &node));
    pass_columns(node, path->node);
    node->limit.limit = limit;
    node->limit.offset = offset;
    path->node = node;
    path->rows = rows;
    return STATUS_OK;
}

static enum status plan_distinct(struct frame *frame, struct path *path) {
    struct planner *p = frame->p;
    uint32_t count = path->node->column_count;
    struct expression **keys;
    TRY(BIND_ARRAY(p->b, count, &keys));
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = expression_make(p->b, EXPRESSION_COLUMN, path->node->columns[i].type, -1);
        keys[i]->index = i;
    }
    struct plan_node *node;
    double rows = path->rows / 5;
    TRY(plan_node_new(p, NODE_AGGREGATE, NULL, rows, &node));
    pass_columns(node, path->node);
    node->aggregate.key_count = count;
    node->aggregate.keys = keys;
    node->aggregate.is_distinct = true;
    node->start_cost = node->total_cost = path->node->total_cost + path->rows * 0.02;
    path->node = node;
    path->rows = node->rows;
    return STATUS_OK;
}

static enum status plan_distinct_on(struct frame *frame, struct path *path) {
    const struct query *query = frame->query;
    struct expression **keys;
    TRY(BIND_ARRAY(frame->p->b, query->distinct_on_count, &keys));
    for (uint32_t i = 0; i < query->distinct_on_count; i++)
        TRY(plan_resolve(frame, &path->layout, query->targets[query->distinct_on[i]].expression,
                         &keys[i]));
    struct plan_node *node;
    TRY(plan_node_new(frame->p, NODE_UNIQUE, NULL, path->rows / 5, &node));
    pass_columns(node, path->node);
    node->unique.key_count = query->distinct_on_count;
    node->unique.keys = keys;
    path->node = node;
    return STATUS_OK;
}

static enum status plan_locks(struct frame *frame, struct path *path) {
    struct planner *p = frame->p;
    const struct query *query = frame->query;
    if (query->lock_count == 0)
        return STATUS_OK;
    struct lock_target *targets;
    TRY(BIND_ARRAY(p->b, query->lock_count, &targets));
    struct plan_node *node;
    TRY(plan_node_new(p, NODE_LOCK_ROWS, NULL, path->rows, &node));
    pass_columns(node, path->node);
    for (uint32_t i = 0; i < query->lock_count; i++) {
        const struct lock_clause *lock = &query->locks[i];
        struct lock_target *target = &targets[i];
        target->table = query->relations[lock->relation]->table;
        target->mode = lock->mode;
        target->wait = lock->wait;
        struct lock_column *columns;
        TRY(BIND_ARRAY(p->b, path->layout.count, &columns));
        for (uint32_t c = 0; c < path->layout.count; c++) {
            const struct expression *item = path->layout.items[c];
            if (item->kind != EXPRESSION_VARIABLE || item->variable.level != 0 ||
                item->variable.relation != lock->relation)
                continue;
            if (item->variable.column == 0)
                target->address_column = c;
            else if (item->variable.column > 0)
                columns[target->column_count++] = (struct lock_column){c, item->variable.column};
        }
        target->columns = columns;
    }
    node->lock_rows.target_count = query->lock_count;
    node->lock_rows.targets = targets;
    struct expression *recheck;
    TRY(plan_resolve(frame, &path->layout, query->where, &recheck));
    node->lock_rows.recheck = recheck;
    path->node = node;
    p->plan->is_read_only = false;
    return STATUS_OK;
}

/* ---- a whole query ---------------------------------------------------------------------- */

/* Names and origins of the result. */
static enum status name_columns(struct frame *frame, struct plan_node *node) {
    const struct query *query = frame->query;
    struct plan_column *columns;
    TRY(BIND_ARRAY(frame->p->b, node->column_count, &columns));
    for (uint32_t i = 0, c = 0; i < query->target_count && c < node->column_count; i++) {
        if (query->targets[i].junk)
            continue;
        columns[c] =
            (struct plan_column){query->targets[i].name, node->columns[c].type,
                                 query->targets[i].table_oid, query->targets[i].attribute_number};
        c++;
    }
    node->columns = columns;
    return STATUS_OK;
}

static enum status visible_targets(struct frame *frame, struct expression ***items_out,
                                   const char ***names_out, uint32_t *count_out, bool junk) {
    const struct query *query = frame->query;
    TRY(BIND_ARRAY(frame->p->b, query->target_count, items_out));
    TRY(BIND_ARRAY(frame->p->b, query->target_count, names_out));
    *count_out = 0;
    for (uint32_t i = 0; i < query->target_count; i++)
        if (junk || !query->targets[i].junk) {
            (*items_out)[*count_out] = query->targets[i].expression;
            (*names_out)[(*count_out)++] = query->targets[i].name;
        }
    return STATUS_OK;
}

static bool sorts_volatile(const struct query *query) {
    for (uint32_t i = 0; i < query->sort_count; i++)
        if (expression_is_volatile(query->targets[query->sorts[i].target].expression))
            return true;
    return false;
}

static enum status sort_keys(struct frame *frame, const struct path *path,
                             struct expression ***keys_out) {
    const struct query *query = frame->query;
    TRY(BIND_ARRAY(frame->p->b, query->sort_count, keys_out));
    for (uint32_t i = 0; i < query->sort_count; i++)
        TRY(plan_resolve(frame, &path->layout, query->targets[query->sorts[i].target].expression,
                         &(*keys_out)[i]));
    return STATUS_OK;
}

enum status plan_compose(struct frame *frame, struct path *path, struct plan_node **node_out) {
    struct query *query = frame->query;
    struct layout empty = {0};
    struct expression *limit, *offset, **items, **keys;
    const char **names;
    uint32_t count;
    TRY(plan_resolve(frame, &empty, query->limit, &limit));
    TRY(plan_resolve(frame, &empty, query->offset, &offset));
    if (query->has_set_functions)
        TRY(plan_set_functions(frame, path));
    bool early = !query->distinct && !query->has_set_functions && !sorts_volatile(query);
    if (!early) {
        /* Project first; the layout is then the targets themselves. */
        TRY(visible_targets(frame, &items, &names, &count, true));
        struct plan_node *projected;
        TRY(plan_project(frame, path, count, items, names, &projected));
        path->node = projected;
        path->layout = (struct layout){.count = count, .items = items};
        path->relation = -1;
        if (query->distinct)
            TRY(plan_distinct(frame, path));
    }
    bool bounded = query->distinct_on_count == 0 && query->lock_count == 0;
    if (query->sort_count > 0) {
        TRY(sort_keys(frame, path, &keys));
        TRY(plan_sort(frame, path, keys, bounded ? limit : NULL, bounded ? offset : NULL));
    }
    if (query->distinct_on_count > 0)
        TRY(plan_distinct_on(frame, path));
    TRY(plan_locks(frame, path));
    TRY(plan_limit(frame, path, limit, offset));
    TRY(visible_targets(frame, &items, &names, &count, false));
    TRY(plan_project(frame, path, count, items, early ? names : NULL, node_out));
    if (*node_out == path->node && path->node->column_count != count)
        return error_set(STATUS_INTERNAL_ERROR, "the result has other columns than planned");
    return name_columns(frame, *node_out);
}

static enum status plan_values(struct frame *frame, struct path *path) {
    struct planner *p = frame->p;
    const struct query *query = frame->query;
    path->layout.count = query->target_count;
    TRY(BIND_ARRAY(p->b, query->target_count, &path->layout.items));
    for (uint32_t i = 0; i < query->target_count; i++)
        path->layout.items[i] =
            expression_variable(p->b, 0, 0, (int16_t)(i + 1), query->targets[i].expression->type);
    struct expression ***rows;
    TRY(BIND_ARRAY(p->b, query->values_count, &rows));
    struct layout empty = {0};
    for (uint32_t r = 0; r < query->values_count; r++) {
        TRY(BIND_ARRAY(p->b, query->target_count, &rows[r]));
        for (uint32_t c = 0; c < query->target_count; c++)
            TRY(plan_resolve(frame, &empty, query->values[r][c], &rows[r][c]));
    }
    path->rows = query->values_count;
    path->relation = -1;
    TRY(plan_node_new(p, NODE_VALUES, &path->layout, path->rows, &path->node));
    path->node->values.row_count = query->values_count;
    path->node->values.rows = (struct expression *const *const *)rows;
    path->node->total_cost = path->rows * 0.01;
    return STATUS_OK;
}

/* One side of a set operation, its columns in the result's types. */
static enum status plan_side(struct frame *frame, struct query *side, struct plan_node **node_out) {
    struct planner *p = frame->p;
    const struct query *query = frame->query;
    struct frame inner;
    TRY(plan_subquery(p, side, frame, true, &inner, node_out));
    if (inner.outer.count > 0)
        return bind_unsupported(p->b, -1, "a correlated set operation of this kind");
    struct path path = {.node = *node_out, .rows = (*node_out)->rows, .relation = -1};
    path.layout.count = (*node_out)->column_count;
    struct expression **items;
    TRY(BIND_ARRAY(p->b, path.layout.count, &path.layout.items));
    TRY(BIND_ARRAY(p->b, path.layout.count, &items));
    for (uint32_t i = 0; i < path.layout.count; i++) {
        struct type from = (*node_out)->columns[i].type;
        struct type to = query->targets[i].expression->type;
        items[i] = path.layout.items[i] = expression_variable(p->b, 0, 0, (int16_t)(i + 1), from);
        if (from.id != to.id || type_physical(from) != type_physical(to) || from.scale != to.scale)
            items[i] = expression_cast(p->b, items[i], to, false);
    }
    return plan_project(frame, &path, path.layout.count, items, NULL, node_out);
}

static enum status plan_set_operation(struct frame *frame, struct path *path) {
    struct planner *p = frame->p;
    const struct query *query = frame->query;
    struct plan_node *left, *right, *node;
    TRY(plan_side(frame, query->left, &left));
    TRY(plan_side(frame, query->right, &right));
    path->layout.count = query->target_count;
    TRY(BIND_ARRAY(p->b, query->target_count, &path->layout.items));
    for (uint32_t i = 0; i < query->target_count; i++)
        path->layout.items[i] = query->targets[i].expression;
    path->rows = left->rows + right->rows;
    path->relation = -1;
    bool is_union = query->set_operation == SET_UNION;
    TRY(plan_node_new(p, is_union ? NODE_APPEND : NODE_SET_OPERATION, &path->layout, path->rows,
                      &node));
    node->total_cost = left->total_cost + right->total_cost + path->rows * 0.01;
    if (is_union) {
        const struct plan_node **children;
        TRY(BIND_ARRAY(p->b, 2, &children));
        children[0] = left;
        children[1] = right;
        node->append.child_count = 2;
        node->append.children = children;
    } else {
        node->left = left;
        node->right = right;
        node->set_operation.except = query->set_operation == SET_EXCEPT;
        node->set_operation.all = query->set_all;
        node->start_cost = node->total_cost;
    }
    path->node = node;
    return is_union && !query->set_all ? plan_distinct(frame, path) : STATUS_OK;
}

enum status plan_subquery(struct planner *p, struct query *query, struct frame *parent,
                          bool is_relation, struct frame *frame, struct plan_node **node_out) {
    TRY(bind_stack_check(p->b));
    *frame = (struct frame){.p = p, .query = query, .parent = parent, .is_relation = is_relation};
    struct path path = {.relation = -1, .rows = 1};
    if (query->set_operation != SET_NONE)
        TRY(plan_set_operation(frame, &path));
    else if (query->values_count > 0)
        TRY(plan_values(frame, &path));
    else
        TRY(plan_from(frame, &path));
    if (query->grouped)
        TRY(plan_aggregate(frame, &path));
    return plan_compose(frame, &path, node_out);
}

/* ---- statements ------------------------------------------------------------------------- */

static enum status planner_open(struct binder *b, struct planner *p) {
    *p = (struct planner){.b = b};
    TRY(BIND_ARRAY(b, 1, &p->plan));
    p->plan->is_read_only = true;
    return STATUS_OK;
}

static enum status planner_close(struct planner *p, struct plan_node *root) {
    TRY(plan_prune(p, root));
    p->plan->root = root;
    p->plan->subplans = p->subplans;
    p->plan->ctes = p->ctes;
    p->plan->cte_names = p->cte_names;
    p->plan->locks = p->b->locks;
    p->plan->lock_count = (uint32_t)p->b->lock_count;
    return STATUS_OK;
}

static bool point_scan(const struct plan_node *node) {
    return node->kind == NODE_TABLE_SCAN && node->scan.is_unique &&
           node->scan.equal_count == node->scan.index->column_count;
}

static void find_point_select(struct planner *p, const struct plan_node *root) {
    const struct plan_node *scan = root->kind == NODE_PROJECT ? root->left : root;
    if (!point_scan(scan) || p->plan->subplan_count > 0 || p->plan->slot_count > 0)
        return;
    struct expression **output = ARENA_ARRAY(p->b->arena, struct expression *, root->column_count);
    if (output == NULL)
        return;
    for (uint32_t i = 0; i < root->column_count; i++) {
        if (root->kind == NODE_PROJECT) {
            output[i] = root->project.expressions[i];
            continue;
        }
        output[i] = expression_make(p->b, EXPRESSION_COLUMN, root->columns[i].type, -1);
        output[i]->index = i;
    }
    p->plan->point = (struct plan_point){.kind = POINT_SELECT,
                                         .table = scan->scan.table,
                                         .index = scan->scan.index,
                                         .key = scan->scan.equal,
                                         .column_count = scan->column_count,
                                         .column_numbers = scan->scan.column_numbers,
                                         .filter = scan->scan.filter,
                                         .output_count = root->column_count,
                                         .output = output};
}

static bool visit_sequence(const struct expression *expression, void *context) {
    return expression->kind == EXPRESSION_CALL &&
           (strcmp(expression->function->symbol, "nextval_oid") == 0 ||
            strncmp(expression->function->symbol, "setval", 6) == 0);
}

enum status plan_query(struct binder *b, struct query *query, struct plan **plan_out) {
    struct planner p;
    TRY(planner_open(b, &p));
    struct frame frame;
    struct plan_node *root;
    TRY(plan_share_common(&p, query, NULL));
    TRY(plan_subquery(&p, query, NULL, false, &frame, &root));
    for (uint32_t i = 0; i < query->target_count; i++)
        if (expression_walk(query->targets[i].expression, visit_sequence, NULL))
            p.plan->is_read_only = false;
    TRY(planner_close(&p, root));
    p.plan->travels = p.plan->is_read_only && !p.needs_session && !b->calls_volatile &&
                      root->total_cost >= COST_WORTH_TRAVEL;
    find_point_select(&p, root);
    *plan_out = p.plan;
    return STATUS_OK;
}

/* All columns of a table as relation `number`. */
static enum status table_layout(struct frame *frame, const struct table *table, uint32_t number,
                                struct layout *layout, uint32_t more) {
    TRY(BIND_ARRAY(frame->p->b, table->column_count + more, &layout->items));
    layout->count = table->column_count;
    for (uint32_t i = 0; i < table->column_count; i++)
        layout->items[i] =
            expression_variable(frame->p->b, 0, number, (int16_t)(i + 1), table->columns[i].type);
    return STATUS_OK;
}

static enum status resolve_checks(struct frame *frame, const struct modify *modify,
                                  const struct plan_check **out) {
    struct layout row = {0};
    TRY(table_layout(frame, modify->table, 0, &row, 0));
    struct plan_check *checks;
    TRY(BIND_ARRAY(frame->p->b, modify->check_count, &checks));
    for (uint32_t i = 0; i < modify->check_count; i++) {
        struct expression *condition;
        TRY(plan_resolve(frame, &row, modify->checks[i].condition, &condition));
        checks[i] = (struct plan_check){modify->checks[i].name, condition};
    }
    *out = checks;
    return STATUS_OK;
}

static enum status resolve_assignments(struct frame *frame, const struct modify *modify,
                                       const struct layout *layout, const struct assignment **out) {
    struct assignment *assignments;
    TRY(BIND_ARRAY(frame->p->b, modify->assignment_count, &assignments));
    for (uint32_t i = 0; i < modify->assignment_count; i++) {
        struct expression *value;
        TRY(plan_resolve(frame, layout, modify->assignments[i].value, &value));
        assignments[i] = (struct assignment){modify->assignments[i].column_number, value};
    }
    *out = assignments;
    return STATUS_OK;
}

static enum status resolve_returning(struct frame *frame, const struct modify *modify,
                                     const struct layout *layout, struct plan_node *node,
                                     struct expression *const **out) {
    if (modify->returning_count == 0)
        return STATUS_OK;
    struct expression **items;
    struct plan_column *columns;
    TRY(BIND_ARRAY(frame->p->b, modify->returning_count, &items));
    TRY(BIND_ARRAY(frame->p->b, modify->returning_count, &columns));
    for (uint32_t i = 0; i < modify->returning_count; i++) {
        const struct target *target = &modify->returning[i];
        TRY(plan_resolve(frame, layout, target->expression, &items[i]));
        columns[i] = (struct plan_column){target->name, items[i]->type, target->table_oid,
                                          target->attribute_number};
    }
    node->columns = columns;
    node->column_count = modify->returning_count;
    *out = items;
    return STATUS_OK;
}

static enum status insert_source(struct planner *p, struct modify *modify, struct frame *frame,
                                 struct path *path) {
    if (modify->copy) {
        path->layout.count = modify->copy_count;
        TRY(BIND_ARRAY(p->b, modify->copy_count, &path->layout.items));
        for (uint32_t i = 0; i < modify->copy_count; i++)
            path->layout.items[i] =
                expression_variable(p->b, 0, 0, (int16_t)(i + 1),
                                    modify->table->columns[modify->copy_numbers[i] - 1].type);
        path->rows = 1000;
        return plan_node_new(p, NODE_INPUT, &path->layout, 1000, &path->node);
    }
    struct query *query = modify->query;
    if (query->target_count == 0) {
        path->rows = 1;
        return plan_node_new(p, NODE_RESULT, &path->layout, 1, &path->node);
    }
    TRY(plan_subquery(p, query, NULL, false, frame, &path->node));
    path->rows = path->node->rows;
    path->layout.count = path->node->column_count;
    TRY(BIND_ARRAY(p->b, path->layout.count, &path->layout.items));
    for (uint32_t i = 0; i < path->layout.count; i++)
        path->layout.items[i] =
            expression_variable(p->b, 0, 0, (int16_t)(i + 1), path->node->columns[i].type);
    return STATUS_OK;
}

static enum status plan_insert(struct planner *p, struct modify *modify,
                               struct plan_node **root_out) {
    const struct table *table = modify->table;
    struct query *scope = modify->scope_query, nothing = {0};
    struct frame frame = {.p = p, .query = scope != NULL ? scope : &nothing}, source;
    struct path path = {.relation = -1};
    TRY(insert_source(p, modify, &source, &path));
    ASSERT(path.node != NULL);
    const char **names;
    TRY(BIND_ARRAY(p->b, table->column_count, &names));
    for (uint32_t i = 0; i < table->column_count; i++)
        names[i] = table->columns[i].name;
    struct plan_node *node, *rows;
    struct frame row_frame = {.p = p, .query = &nothing};
    TRY(plan_project(&row_frame, &path, table->column_count, modify->row, names, &rows));
    TRY(plan_node_new(p, NODE_INSERT, NULL, path.rows, &node));
    node->left = rows;
    node->total_cost = rows->total_cost;
    node->insert.table = table;
    node->insert.check_count = modify->check_count;
    TRY(resolve_checks(&frame, modify, &node->insert.checks));
    node->insert.conflict = modify->conflict;
    node->insert.arbiter = modify->arbiter;
    struct layout both = {0}, excluded = {0};
    TRY(table_layout(&frame, table, 0, &both, table->column_count));
    TRY(table_layout(&frame, table, 1, &excluded, 0));
    TRY(resolve_returning(&frame, modify, &both, node, &node->insert.returning));
    memcpy(both.items + table->column_count, excluded.items,
           table->column_count * sizeof *both.items);
    both.count = 2u * table->column_count;
    node->insert.assignment_count = modify->assignment_count;
    TRY(resolve_assignments(&frame, modify, &both, &node->insert.assignments));
    struct expression *where;
    TRY(plan_resolve(&frame, &both, modify->conflict_where, &where));
    node->insert.conflict_where = where;
    *root_out = node;
    return STATUS_OK;
}

static void find_point_modify(struct planner *p, struct modify *modify,
                              const struct plan_node *scan, struct expression *filter) {
    if (!point_scan(scan) || p->plan->slot_count > 0 || p->plan->subplan_count > 0)
        return;
    p->plan->point =
        (struct plan_point){.kind = modify->kind == STATEMENT_UPDATE ? POINT_UPDATE : POINT_DELETE,
                            .table = modify->table,
                            .index = scan->scan.index,
                            .key = scan->scan.equal,
                            .filter = scan->scan.filter != NULL ? filter : NULL};
}

static enum status plan_change(struct planner *p, struct modify *modify,
                               struct plan_node **root_out) {
    const struct table *table = modify->table;
    struct frame frame = {.p = p, .query = modify->query};
    struct path path = {.relation = -1};
    TRY(plan_from(&frame, &path));
    struct plan_node *node;
    TRY(plan_node_new(p, modify->kind == STATEMENT_UPDATE ? NODE_UPDATE : NODE_DELETE, NULL,
                      path.rows, &node));
    node->left = path.node;
    node->total_cost = path.node->total_cost + path.rows;
    struct layout row = {0};
    TRY(table_layout(&frame, table, modify->relation, &row, path.layout.count));
    for (uint32_t i = 0; i < path.layout.count; i++) {
        const struct expression *item = path.layout.items[i];
        if (item->kind == EXPRESSION_VARIABLE && item->variable.relation == modify->relation &&
            item->variable.column == 0)
            node->modify.address_column = i;
        row.items[row.count++] = path.layout.items[i];
    }
    node->modify.table = table;
    node->modify.assignment_count = modify->assignment_count;
    TRY(resolve_assignments(&frame, modify, &row, &node->modify.assignments));
    node->modify.check_count = modify->check_count;
    TRY(resolve_checks(&frame, modify, &node->modify.checks));
    struct expression *recheck;
    TRY(plan_resolve(&frame, &row, modify->query->where, &recheck));
    node->modify.recheck = recheck;
    TRY(resolve_returning(&frame, modify, &row, node, &node->modify.returning));
    find_point_modify(p, modify, path.node, recheck);
    *root_out = node;
    return STATUS_OK;
}

enum status plan_modify(struct binder *b, struct modify *modify, struct plan **plan_out) {
    struct planner p;
    TRY(planner_open(b, &p));
    struct plan_node *root;
    TRY(plan_share_common(&p, modify->query, modify));
    if (modify->kind == STATEMENT_INSERT)
        TRY(plan_insert(&p, modify, &root));
    else
        TRY(plan_change(&p, modify, &root));
    TRY(planner_close(&p, root));
    p.plan->is_read_only = false;
    *plan_out = p.plan;
    return STATUS_OK;
}
