/*
 * Columns that nobody above reads are dropped where they come from.
 *
 * One pass from the root down over the finished plan: each node is told which of its columns are
 * needed, adds what its own expressions read, asks its children, and rewrites its column numbers.
 * Columns that only a join condition or a filter reads so end at the node that tests it.
 */
#include <string.h>

#include "sql/plan.h"

enum { DROPPED = -1 };

/* Columns of a node: which are needed; after pruning, where each is now. */
struct wanted {
    uint32_t count;
    bool *needed;
    int32_t *place; /* new number, DROPPED when it is gone */
};

static enum status wanted_new(struct planner *p, const struct plan_node *node, bool all,
                              struct wanted *wanted) {
    wanted->count = node->column_count;
    TRY(BIND_ARRAY(p->b, wanted->count, &wanted->needed));
    TRY(BIND_ARRAY(p->b, wanted->count, &wanted->place));
    for (uint32_t i = 0; i < wanted->count; i++) {
        wanted->needed[i] = all;
        wanted->place[i] = (int32_t)i;
    }
    return STATUS_OK;
}

/* ---- expressions ------------------------------------------------------------------------ */

/* A row of one or two children. */
struct row {
    struct planner *p;
    struct wanted *left, *right;
    uint32_t left_count; /* columns of the left child after pruning */
};

static bool visit_need(const struct expression *expression, void *context) {
    const struct row *row = context;
    if (expression->kind != EXPRESSION_COLUMN)
        return false;
    if (expression->index < row->left->count)
        row->left->needed[expression->index] = true;
    else if (row->right != NULL)
        row->right->needed[expression->index - row->left->count] = true;
    return false;
}

static void need(struct row *row, const struct expression *expression) {
    expression_walk(expression, visit_need, row);
}

static uint32_t new_index(const struct row *row, uint32_t index) {
    if (index < row->left->count)
        return (uint32_t)row->left->place[index];
    return row->left_count + (uint32_t)row->right->place[index - row->left->count];
}

static enum status rewrite(struct row *row, const struct expression *expression,
                           struct expression **out);

static enum status rewrite_list(struct row *row, uint32_t count, struct expression *const *items,
                                struct expression ***out) {
    TRY(BIND_ARRAY(row->p->b, count, out));
    for (uint32_t i = 0; i < count; i++)
        TRY(rewrite(row, items[i], &(*out)[i]));
    return STATUS_OK;
}

static enum status rewrite_subplan(struct row *row, const struct subplan *from,
                                   const struct subplan **out) {
    struct subplan *to;
    struct binding *bindings;
    struct expression **left;
    TRY(BIND_ARRAY(row->p->b, 1, &to));
    *to = *from;
    TRY(rewrite_list(row, from->left_count, from->left, &left));
    TRY(BIND_ARRAY(row->p->b, from->binding_count, &bindings));
    for (uint32_t i = 0; i < from->binding_count; i++) {
        struct expression *value;
        TRY(rewrite(row, from->bindings[i].value, &value));
        bindings[i] = (struct binding){from->bindings[i].slot, value};
    }
    to->left = left;
    to->bindings = bindings;
    *out = to;
    return STATUS_OK;
}

static enum status rewrite(struct row *row, const struct expression *expression,
                           struct expression **out) {
    *out = NULL;
    if (expression == NULL)
        return STATUS_OK;
    TRY(bind_stack_check(row->p->b));
    struct expression *copy;
    TRY(BIND_ARRAY(row->p->b, 1, &copy));
    *copy = *expression;
    *out = copy;
    if (expression->kind == EXPRESSION_COLUMN)
        copy->index = new_index(row, expression->index);
    if (expression->kind == EXPRESSION_SUBPLAN)
        TRY(rewrite_subplan(row, expression->subplan, &copy->subplan));
    if (expression->argument_count == 0)
        return STATUS_OK;
    return rewrite_list(row, expression->argument_count, expression->arguments, &copy->arguments);
}

static enum status rewrite_one(struct row *row, const struct expression **expression) {
    struct expression *changed;
    TRY(rewrite(row, *expression, &changed));
    *expression = changed;
    return STATUS_OK;
}

/* ---- columns ---------------------------------------------------------------------------- */

/* Keep the node's columns whose place is not DROPPED. */
static enum status keep_columns(struct planner *p, struct plan_node *node,
                                const struct wanted *wanted) {
    struct plan_column *columns;
    uint32_t count = 0;
    TRY(BIND_ARRAY(p->b, node->column_count, &columns));
    for (uint32_t i = 0; i < wanted->count; i++)
        if (wanted->place[i] != DROPPED) {
            columns[wanted->place[i]] = node->columns[i];
            count++;
        }
    node->columns = columns;
    node->column_count = count;
    return STATUS_OK;
}

/* Number the needed ones in their order. */
static uint32_t place_needed(struct wanted *wanted) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < wanted->count; i++)
        wanted->place[i] = wanted->needed[i] ? (int32_t)count++ : DROPPED;
    return count;
}

/* ... from `count` on those that have no place yet. */
static uint32_t place_others(struct wanted *wanted, uint32_t count) {
    for (uint32_t i = 0; i < wanted->count; i++)
        if (wanted->needed[i] && wanted->place[i] == DROPPED)
            wanted->place[i] = (int32_t)count++;
    return count;
}

static enum status prune(struct planner *p, struct plan_node *node, struct wanted *wanted);

static enum status prune_child(struct planner *p, const struct plan_node *child,
                               struct wanted *wanted) {
    return prune(p, (struct plan_node *)child, wanted);
}

/* All columns of the child stay. */
static enum status prune_below(struct planner *p, const struct plan_node *child) {
    if (child == NULL)
        return STATUS_OK;
    struct wanted all;
    TRY(wanted_new(p, child, true, &all));
    return prune_child(p, child, &all);
}

/* ---- nodes ------------------------------------------------------------------------------ */

static enum status prune_scan(struct planner *p, struct plan_node *node, struct wanted *wanted) {
    struct row row = {.p = p, .left = wanted};
    uint32_t read_above = place_needed(wanted);
    need(&row, node->scan.filter);
    need(&row, node->scan.index_condition);
    uint32_t count = place_others(wanted, read_above);
    node->scan.test_column_count = count - read_above;
    int16_t *numbers;
    TRY(BIND_ARRAY(p->b, count, &numbers));
    for (uint32_t i = 0; i < wanted->count; i++)
        if (wanted->place[i] != DROPPED)
            numbers[wanted->place[i]] = node->scan.column_numbers[i];
    node->scan.column_numbers = numbers;
    row.left_count = count;
    TRY(rewrite_one(&row, &node->scan.filter));
    TRY(rewrite_one(&row, &node->scan.index_condition));
    return keep_columns(p, node, wanted);
}

/* FILTER, SORT, LIMIT, UNIQUE: the child's columns. `expressions` are those of the node. */
static enum status pass_through(struct planner *p, struct plan_node *node, struct wanted *wanted,
                                uint32_t count, const struct expression **expressions) {
    struct row row = {.p = p, .left = wanted};
    for (uint32_t i = 0; i < count; i++)
        need(&row, expressions[i]);
    TRY(prune_child(p, node->left, wanted));
    row.left_count = node->left->column_count;
    for (uint32_t i = 0; i < count; i++)
        TRY(rewrite_one(&row, &expressions[i]));
    return keep_columns(p, node, wanted);
}

static enum status prune_sort(struct planner *p, struct plan_node *node, struct wanted *wanted) {
    const struct expression **items;
    struct sort_key *keys;
    uint32_t count = node->sort.key_count;
    TRY(BIND_ARRAY(p->b, count, &items));
    TRY(BIND_ARRAY(p->b, count, &keys));
    for (uint32_t i = 0; i < count; i++)
        items[i] = node->sort.keys[i].expression;
    TRY(pass_through(p, node, wanted, count, items));
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = node->sort.keys[i];
        keys[i].expression = items[i];
    }
    node->sort.keys = keys;
    return STATUS_OK;
}

static enum status prune_unique(struct planner *p, struct plan_node *node, struct wanted *wanted) {
    struct expression **keys;
    TRY(BIND_ARRAY(p->b, node->unique.key_count, &keys));
    memcpy(keys, node->unique.keys, node->unique.key_count * sizeof *keys);
    TRY(pass_through(p, node, wanted, node->unique.key_count, (const struct expression **)keys));
    node->unique.keys = keys;
    return STATUS_OK;
}

static enum status prune_project(struct planner *p, struct plan_node *node, struct wanted *wanted) {
    struct wanted below;
    struct expression **expressions;
    TRY(wanted_new(p, node->left, false, &below));
    struct row row = {.p = p, .left = &below};
    uint32_t count = place_needed(wanted);
    TRY(BIND_ARRAY(p->b, count, &expressions));
    for (uint32_t i = 0; i < wanted->count; i++)
        if (wanted->needed[i])
            need(&row, node->project.expressions[i]);
    TRY(prune_child(p, node->left, &below));
    row.left_count = node->left->column_count;
    for (uint32_t i = 0; i < wanted->count; i++)
        if (wanted->needed[i])
            TRY(rewrite(&row, node->project.expressions[i], &expressions[wanted->place[i]]));
    node->project.expressions = expressions;
    return keep_columns(p, node, wanted);
}

static enum status prune_project_set(struct planner *p, struct plan_node *node,
                                     struct wanted *wanted) {
    struct wanted below;
    struct expression **functions;
    uint32_t function_count = node->project_set.function_count, old = node->left->column_count;
    TRY(wanted_new(p, node->left, false, &below));
    struct row row = {.p = p, .left = &below};
    for (uint32_t i = 0; i < old; i++)
        below.needed[i] = wanted->needed[i];
    for (uint32_t i = 0; i < function_count; i++)
        need(&row, node->project_set.functions[i]);
    TRY(prune_child(p, node->left, &below));
    row.left_count = node->left->column_count;
    TRY(rewrite_list(&row, function_count, node->project_set.functions, &functions));
    node->project_set.functions = functions;
    for (uint32_t i = 0; i < old; i++)
        wanted->place[i] = below.place[i];
    for (uint32_t i = 0; i < function_count; i++)
        wanted->place[old + i] = (int32_t)(row.left_count + i);
    return keep_columns(p, node, wanted);
}

/* What a join needs of its sides for the wanted columns of its output. */
static void need_output(struct row *row, const struct wanted *wanted, const uint32_t *output) {
    for (uint32_t i = 0; i < wanted->count; i++) {
        if (!wanted->needed[i])
            continue;
        if (output[i] < row->left->count)
            row->left->needed[output[i]] = true;
        else
            row->right->needed[output[i] - row->left->count] = true;
    }
}

static enum status rewrite_output(struct row *row, struct plan_node *node, struct wanted *wanted,
                                  const uint32_t *output, const uint32_t **out) {
    uint32_t *places;
    uint32_t count = place_needed(wanted);
    TRY(BIND_ARRAY(row->p->b, count, &places));
    for (uint32_t i = 0; i < wanted->count; i++)
        if (wanted->needed[i])
            places[wanted->place[i]] = new_index(row, output[i]);
    *out = places;
    return keep_columns(row->p, node, wanted);
}

static enum status prune_join(struct planner *p, struct plan_node *node, struct wanted *wanted) {
    struct wanted left, right;
    TRY(wanted_new(p, node->left, false, &left));
    TRY(wanted_new(p, node->right, false, &right));
    struct row both = {.p = p, .left = &left, .right = &right};
    struct row left_row = {.p = p, .left = &left}, right_row = {.p = p, .left = &right};
    struct expression **left_keys, **right_keys;
    uint32_t count = node->join.key_count;
    need_output(&both, wanted, node->join.output);
    need(&both, node->join.residual);
    for (uint32_t i = 0; i < count; i++) {
        need(&left_row, node->join.left_keys[i]);
        need(&right_row, node->join.right_keys[i]);
    }
    TRY(prune_child(p, node->left, &left));
    TRY(prune_child(p, node->right, &right));
    both.left_count = left_row.left_count = node->left->column_count;
    right_row.left_count = node->right->column_count;
    TRY(rewrite_list(&left_row, count, node->join.left_keys, &left_keys));
    TRY(rewrite_list(&right_row, count, node->join.right_keys, &right_keys));
    node->join.left_keys = left_keys;
    node->join.right_keys = right_keys;
    TRY(rewrite_one(&both, &node->join.residual));
    return rewrite_output(&both, node, wanted, node->join.output, &node->join.output);
}

static enum status prune_nested_loop(struct planner *p, struct plan_node *node,
                                     struct wanted *wanted) {
    struct wanted left, right;
    TRY(wanted_new(p, node->left, false, &left));
    TRY(wanted_new(p, node->right, false, &right));
    struct row both = {.p = p, .left = &left, .right = &right}, row = {.p = p, .left = &left};
    uint32_t count = node->nested_loop.binding_count;
    struct binding *bindings;
    need_output(&both, wanted, node->nested_loop.output);
    need(&both, node->nested_loop.residual);
    for (uint32_t i = 0; i < count; i++)
        need(&row, node->nested_loop.bindings[i].value);
    TRY(prune_child(p, node->left, &left));
    TRY(prune_child(p, node->right, &right));
    both.left_count = row.left_count = node->left->column_count;
    TRY(BIND_ARRAY(p->b, count, &bindings));
    for (uint32_t i = 0; i < count; i++) {
        bindings[i] = node->nested_loop.bindings[i];
        TRY(rewrite_one(&row, &bindings[i].value));
    }
    node->nested_loop.bindings = bindings;
    TRY(rewrite_one(&both, &node->nested_loop.residual));
    return rewrite_output(&both, node, wanted, node->nested_loop.output, &node->nested_loop.output);
}

static enum status rewrite_aggregate(struct row *row, const struct plan_aggregate *from,
                                     struct plan_aggregate *to) {
    struct expression **arguments;
    struct sort_key *order;
    *to = *from;
    TRY(rewrite_list(row, from->argument_count, from->arguments, &arguments));
    to->arguments = arguments;
    TRY(rewrite_one(row, &to->filter));
    TRY(BIND_ARRAY(row->p->b, from->order_count, &order));
    for (uint32_t i = 0; i < from->order_count; i++) {
        order[i] = from->order[i];
        TRY(rewrite_one(row, &order[i].expression));
    }
    to->order = order;
    return STATUS_OK;
}

static void need_aggregate(struct row *row, const struct plan_aggregate *aggregate) {
    for (uint32_t i = 0; i < aggregate->argument_count; i++)
        need(row, aggregate->arguments[i]);
    for (uint32_t i = 0; i < aggregate->order_count; i++)
        need(row, aggregate->order[i].expression);
    need(row, aggregate->filter);
}

/* Keys stay; aggregates go when nobody reads them, but one stays where there is no key. */
static enum status prune_aggregate(struct planner *p, struct plan_node *node,
                                   struct wanted *wanted) {
    uint32_t keys = node->aggregate.key_count, count = 0;
    struct wanted below;
    struct row own = {.p = p, .left = wanted}, row = {.p = p, .left = &below};
    TRY(wanted_new(p, node->left, false, &below));
    need(&own, node->aggregate.filter);
    for (uint32_t i = 0; i < keys; i++) {
        wanted->needed[i] = true;
        need(&row, node->aggregate.keys[i]);
    }
    if (keys == 0 && wanted->count > 0)
        wanted->needed[0] = true;
    for (uint32_t i = keys; i < wanted->count; i++)
        if (wanted->needed[i])
            need_aggregate(&row, &node->aggregate.aggregates[i - keys]);
    own.left_count = place_needed(wanted);
    TRY(prune_child(p, node->left, &below));
    row.left_count = node->left->column_count;
    struct expression **new_keys;
    struct plan_aggregate *aggregates;
    TRY(rewrite_list(&row, keys, node->aggregate.keys, &new_keys));
    TRY(BIND_ARRAY(p->b, own.left_count - keys, &aggregates));
    for (uint32_t i = keys; i < wanted->count; i++)
        if (wanted->needed[i])
            TRY(rewrite_aggregate(&row, &node->aggregate.aggregates[i - keys],
                                  &aggregates[count++]));
    node->aggregate.keys = new_keys;
    node->aggregate.aggregates = aggregates;
    node->aggregate.aggregate_count = count;
    TRY(rewrite_one(&own, &node->aggregate.filter));
    return keep_columns(p, node, wanted);
}

static enum status prune_children(struct planner *p, struct plan_node *node) {
    TRY(prune_below(p, node->left));
    TRY(prune_below(p, node->right));
    if (node->kind == NODE_APPEND)
        for (uint32_t i = 0; i < node->append.child_count; i++)
            TRY(prune_below(p, node->append.children[i]));
    return STATUS_OK;
}

static enum status prune(struct planner *p, struct plan_node *node, struct wanted *wanted) {
    TRY(bind_stack_check(p->b));
    switch (node->kind) {
    case NODE_TABLE_SCAN:
    case NODE_VIRTUAL_SCAN:
        return prune_scan(p, node, wanted);
    case NODE_FILTER:
        return pass_through(p, node, wanted, 1, &node->filter.condition);
    case NODE_LIMIT:
        return pass_through(p, node, wanted, 0, NULL);
    case NODE_SORT:
        return prune_sort(p, node, wanted);
    case NODE_UNIQUE:
        return prune_unique(p, node, wanted);
    case NODE_PROJECT:
        return prune_project(p, node, wanted);
    case NODE_PROJECT_SET:
        return prune_project_set(p, node, wanted);
    case NODE_HASH_JOIN:
    case NODE_MERGE_JOIN:
        return prune_join(p, node, wanted);
    case NODE_NESTED_LOOP:
        return prune_nested_loop(p, node, wanted);
    case NODE_AGGREGATE:
        return prune_aggregate(p, node, wanted);
    default: /* all columns stay */
        return prune_children(p, node);
    }
}

enum status plan_prune(struct planner *p, struct plan_node *root) {
    TRY(prune_below(p, root));
    for (uint32_t i = 0; i < p->plan->subplan_count; i++)
        TRY(prune_below(p, p->subplans[i]));
    for (uint32_t i = 0; i < p->plan->cte_count; i++)
        TRY(prune_below(p, p->ctes[i]));
    return STATUS_OK;
}
