/* Above FROM: projection, distinct, sorting, limit, set operations. */
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

/* ---- order and limit -------------------------------------------------------------------- */

static enum status plan_sort(struct frame *frame, struct path *path, struct expression **keys,
                             const struct expression *limit, const struct expression *offset) {
    struct planner *p = frame->p;
    const struct query *query = frame->query;
    if (plan_order_given(frame, path, keys, limit, offset))
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
    plan_groups_given(frame, node);
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
