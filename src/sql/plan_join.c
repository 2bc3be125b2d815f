/*
 * FROM and WHERE: which relation is joined when and how.
 *
 * Inner joins are flattened into a set of items and ordered greedily by estimated rows, connected
 * ones first. An outer join is an item of its own, its sides planned in the same way. Subqueries
 * of WHERE that are EXISTS or IN become semi- and anti-joins when their correlation is only in
 * their WHERE. A join is a hash join when a condition equates the two sides; an index nested loop
 * when the outer side is small and the inner one has an index for it; else a nested loop.
 */
#include <math.h>
#include <string.h>

#include "sql/plan.h"

enum status plan_filter(struct frame *frame, struct path *path, struct expression *condition) {
    struct expression *resolved;
    TRY(plan_resolve(frame, &path->layout, condition, &resolved));
    if (resolved == NULL)
        return STATUS_OK;
    struct plan_node *node;
    double rows = path->rows * plan_selectivity(frame, condition);
    TRY(plan_node_new(frame->p, NODE_FILTER, NULL, rows, &node));
    node->columns = path->node->columns;
    node->column_count = path->node->column_count;
    node->left = path->node;
    node->filter.condition = resolved;
    node->start_cost = path->node->start_cost;
    node->total_cost = path->node->total_cost + path->rows * 0.01;
    path->node = node;
    path->rows = node->rows;
    return STATUS_OK;
}

/* ---- joining two paths ------------------------------------------------------------------ */

struct join_keys {
    uint32_t count, residual_count;
    struct expression **left, **right, **residual;
};

/* left = right with each side about one input only. */
static bool is_key(const struct expression *condition, uint64_t left, uint64_t right,
                   struct expression **left_out, struct expression **right_out) {
    if (condition->kind != EXPRESSION_CALL || condition->function->comparison != COMPARISON_EQ)
        return false;
    for (int side = 0; side < 2; side++) {
        struct expression *a = condition->arguments[side], *b = condition->arguments[1 - side];
        uint64_t x = plan_relations_of(a), y = plan_relations_of(b);
        if (x != 0 && y != 0 && (x & ~left) == 0 && (y & ~right) == 0) {
            *left_out = a;
            *right_out = b;
            return !expression_is_volatile(condition);
        }
    }
    return false;
}

static enum status split_keys(struct frame *frame, uint64_t left, uint64_t right, uint32_t count,
                              struct expression **conditions, struct join_keys *keys) {
    struct binder *b = frame->p->b;
    *keys = (struct join_keys){0};
    TRY(BIND_ARRAY(b, count, &keys->left));
    TRY(BIND_ARRAY(b, count, &keys->right));
    TRY(BIND_ARRAY(b, count, &keys->residual));
    for (uint32_t i = 0; i < count; i++) {
        if (is_key(conditions[i], left, right, &keys->left[keys->count], &keys->right[keys->count]))
            keys->count++;
        else
            keys->residual[keys->residual_count++] = conditions[i];
    }
    return STATUS_OK;
}

static enum status join_layout(struct frame *frame, const struct path *left,
                               const struct path *right, bool left_only, struct layout *layout,
                               struct layout *both, uint32_t **output_out) {
    struct binder *b = frame->p->b;
    uint32_t total = left->layout.count + right->layout.count;
    TRY(BIND_ARRAY(b, total, &both->items));
    if (left->layout.count > 0)
        memcpy(both->items, left->layout.items, left->layout.count * sizeof *both->items);
    if (right->layout.count > 0)
        memcpy(both->items + left->layout.count, right->layout.items,
               right->layout.count * sizeof *both->items);
    both->count = total;
    *layout = left_only ? left->layout : *both;
    layout->outer = NULL;
    TRY(BIND_ARRAY(b, layout->count, output_out));
    for (uint32_t i = 0; i < layout->count; i++)
        (*output_out)[i] = i;
    return STATUS_OK;
}

/* Names and origins go along. */
static void name_columns(struct plan_node *node, const struct path *left, const struct path *right,
                         const uint32_t *output) {
    struct plan_column *columns = (struct plan_column *)node->columns;
    for (uint32_t i = 0; i < node->column_count; i++)
        columns[i] = output[i] < left->layout.count
                         ? left->node->columns[output[i]]
                         : right->node->columns[output[i] - left->layout.count];
}

static enum status resolve_list(struct frame *frame, const struct layout *layout, uint32_t count,
                                struct expression **items, struct expression ***out) {
    TRY(BIND_ARRAY(frame->p->b, count, out));
    for (uint32_t i = 0; i < count; i++)
        TRY(plan_resolve(frame, layout, items[i], &(*out)[i]));
    return STATUS_OK;
}

static bool keys_unique(struct frame *frame, const struct path *path, uint32_t count,
                        struct expression **keys) {
    if (path->relation < 0 || (uint32_t)path->relation >= frame->query->relation_count)
        return false;
    const struct relation *relation = frame->query->relations[path->relation];
    if (relation->source != RELATION_OF_TABLE)
        return false;
    for (uint32_t i = 0; i < relation->table->index_count; i++) {
        const struct index *index = relation->table->indexes[i];
        bool all = index->unique;
        for (uint32_t c = 0; c < index->column_count && all; c++) {
            bool found = false;
            for (uint32_t k = 0; k < count; k++)
                found |= keys[k]->kind == EXPRESSION_VARIABLE && keys[k]->variable.level == 0 &&
                         keys[k]->variable.column == index->columns[c].column_number;
            all = found;
        }
        if (all)
            return true;
    }
    return false;
}

static double join_rows(struct frame *frame, enum join_kind kind, const struct path *left,
                        const struct path *right, uint32_t count, struct expression **conditions) {
    double rows = left->rows * right->rows;
    for (uint32_t i = 0; i < count; i++)
        rows *= plan_selectivity(frame, conditions[i]);
    if (kind == JOIN_LEFT || kind == JOIN_FULL)
        rows = fmax(rows, left->rows);
    if (kind == JOIN_FULL)
        rows = fmax(rows, right->rows);
    if (kind == JOIN_SEMI)
        rows = fmin(rows, left->rows * 0.5);
    if (kind == JOIN_ANTI)
        rows = left->rows * 0.5;
    return rows < 1 ? 1 : rows;
}

static enum status hash_join(struct frame *frame, enum join_kind kind, struct path *left,
                             struct path *right, const struct join_keys *keys, double rows,
                             struct path *path) {
    if (kind == JOIN_INNER && right->rows > left->rows) {
        struct join_keys swapped = *keys;
        swapped.left = keys->right;
        swapped.right = keys->left;
        if (left->rows < right->rows)
            return hash_join(frame, JOIN_INNER, right, left, &swapped, rows, path);
    }
    struct layout both = {0};
    uint32_t *output;
    TRY(join_layout(frame, left, right, kind == JOIN_SEMI || kind == JOIN_ANTI, &path->layout,
                    &both, &output));
    TRY(plan_node_new(frame->p, NODE_HASH_JOIN, &path->layout, rows, &path->node));
    struct plan_node *node = path->node;
    struct expression **left_keys, **right_keys, *residual;
    TRY(resolve_list(frame, &left->layout, keys->count, keys->left, &left_keys));
    TRY(resolve_list(frame, &right->layout, keys->count, keys->right, &right_keys));
    TRY(plan_resolve(frame, &both, plan_and_all(frame->p, keys->residual_count, keys->residual),
                     &residual));
    node->left = left->node;
    node->right = right->node;
    name_columns(node, left, right, output);
    node->hash_join.kind = kind;
    node->hash_join.key_count = keys->count;
    node->hash_join.left_keys = left_keys;
    node->hash_join.right_keys = right_keys;
    node->hash_join.residual = residual;
    node->hash_join.output = output;
    node->hash_join.right_unique = keys_unique(frame, right, keys->count, keys->right);
    node->start_cost = right->node->total_cost + right->rows * 0.02;
    node->total_cost = node->start_cost + left->node->total_cost + left->rows * 0.01 + rows * 0.01;
    path->relations = left->relations | right->relations;
    path->relation = -1;
    path->rows = rows;
    return STATUS_OK;
}

static enum status nested_loop(struct frame *frame, enum join_kind kind, struct path *left,
                               struct path *right, const struct outer_list *bindings,
                               uint32_t count, struct expression **conditions, double rows,
                               struct path *path) {
    struct layout both = {0};
    uint32_t *output;
    TRY(join_layout(frame, left, right, kind == JOIN_SEMI || kind == JOIN_ANTI, &path->layout,
                    &both, &output));
    TRY(plan_node_new(frame->p, NODE_NESTED_LOOP, &path->layout, rows, &path->node));
    struct plan_node *node = path->node;
    struct expression *residual;
    TRY(plan_resolve(frame, &both, plan_and_all(frame->p, count, conditions), &residual));
    node->left = left->node;
    node->right = right->node;
    name_columns(node, left, right, output);
    node->nested_loop.kind = kind;
    node->nested_loop.residual = residual;
    node->nested_loop.output = output;
    if (bindings != NULL)
        TRY(plan_bindings(frame, &left->layout, bindings, &node->nested_loop.binding_count,
                          &node->nested_loop.bindings));
    node->start_cost = left->node->start_cost;
    node->total_cost = left->node->total_cost + left->rows * right->node->total_cost;
    path->relations = left->relations | right->relations;
    path->relation = -1;
    path->rows = rows;
    return STATUS_OK;
}

/* Join with an index lookup of the right side for each left row, when that is cheaper. */
static enum status try_index_loop(struct frame *frame, enum join_kind kind, struct path *left,
                                  struct path *right, uint32_t count,
                                  struct expression **conditions, double rows, bool *done,
                                  struct path *path) {
    *done = false;
    if (right->relation < 0 || right->qual_count + count > 64 || kind == JOIN_FULL ||
        (uint32_t)right->relation >= frame->query->relation_count ||
        frame->query->relations[right->relation]->source != RELATION_OF_TABLE)
        return STATUS_OK;
    struct binder *b = frame->p->b;
    struct expression **quals;
    TRY(BIND_ARRAY(b, right->qual_count + count, &quals));
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++)
        quals[used++] = conditions[i];
    for (uint32_t i = 0; i < right->qual_count; i++)
        quals[used++] = right->quals[i];
    double matches = plan_index_rows(frame, (uint32_t)right->relation, used, quals);
    struct expression **own = right->quals;
    double alone = plan_index_rows(frame, (uint32_t)right->relation, right->qual_count, own);
    if (matches < 0 || (alone >= 0 && alone <= matches))
        return STATUS_OK;
    double loop_cost = left->rows * (1.5 + matches * 1.5);
    double hash_cost = right->node->total_cost + right->rows * 0.02 + left->rows * 0.01;
    if (loop_cost > hash_cost)
        return STATUS_OK;
    struct path inner;
    struct outer_list outer = {0};
    TRY(plan_relation(frame, (uint32_t)right->relation, used, quals, &outer, &inner));
    *done = true;
    return nested_loop(frame, kind, left, &inner, &outer, 0, NULL, rows, path);
}

static enum status join_paths(struct frame *frame, enum join_kind kind, struct path *left,
                              struct path *right, uint32_t count, struct expression **conditions,
                              struct path *path) {
    *path = (struct path){.relation = -1};
    double rows = join_rows(frame, kind, left, right, count, conditions);
    if (right->needs != 0)
        return nested_loop(frame, kind, left, right, right->bindings, count, conditions, rows,
                           path);
    bool done;
    TRY(try_index_loop(frame, kind, left, right, count, conditions, rows, &done, path));
    if (done)
        return STATUS_OK;
    if (kind == JOIN_INNER) {
        TRY(try_index_loop(frame, kind, right, left, count, conditions, rows, &done, path));
        if (done)
            return STATUS_OK;
    }
    struct join_keys keys;
    TRY(split_keys(frame, left->relations, right->relations, count, conditions, &keys));
    if (keys.count > 0)
        return hash_join(frame, kind, left, right, &keys, rows, path);
    if (kind == JOIN_FULL)
        return bind_error(frame->p->b, -1, STATUS_FEATURE_NOT_SUPPORTED,
                          "FULL JOIN is only supported with merge-joinable or hash-joinable join "
                          "conditions");
    return nested_loop(frame, kind, left, right, NULL, count, conditions, rows, path);
}

/* ---- items ------------------------------------------------------------------------------ */

struct join_set {
    uint32_t item_count, item_capacity, qual_count, qual_capacity;
    struct join_item **items;
    struct qual *quals;
    uint32_t extra_count; /* semi-joins, after all inner joins they depend on */
    struct semi_join *extras;
};

struct semi_join {
    enum join_kind kind;
    struct path path;
    uint32_t count;
    struct expression **conditions;
};

static uint64_t item_relations(const struct join_item *item) {
    return item->is_join ? item_relations(item->left) | item_relations(item->right)
                         : UINT64_C(1) << item->relation;
}

static enum status add_quals(struct frame *frame, struct join_set *set,
                             struct expression *condition) {
    uint32_t count;
    struct expression **conjuncts;
    TRY(plan_conjuncts(frame->p, condition, &count, &conjuncts));
    if (set->qual_count + count > set->qual_capacity) {
        struct qual *quals;
        uint32_t capacity = set->qual_count + count + 16;
        TRY(BIND_ARRAY(frame->p->b, capacity, &quals));
        if (set->qual_count > 0)
            memcpy(quals, set->quals, set->qual_count * sizeof *quals);
        set->quals = quals;
        set->qual_capacity = capacity;
    }
    for (uint32_t i = 0; i < count; i++)
        set->quals[set->qual_count++] =
            (struct qual){conjuncts[i], plan_relations_of(conjuncts[i]), false};
    return STATUS_OK;
}

static enum status add_item(struct frame *frame, struct join_set *set, struct join_item *item) {
    if (item->is_join && item->kind == JOIN_INNER) {
        TRY(add_item(frame, set, item->left));
        TRY(add_item(frame, set, item->right));
        return item->condition != NULL ? add_quals(frame, set, item->condition) : STATUS_OK;
    }
    if (set->item_count == set->item_capacity) {
        struct join_item **items;
        TRY(BIND_ARRAY(frame->p->b, set->item_capacity + 16, &items));
        if (set->item_count > 0)
            memcpy(items, set->items, set->item_count * sizeof *items);
        set->items = items;
        set->item_capacity += 16;
    }
    set->items[set->item_count++] = item;
    return STATUS_OK;
}

/* The condition is not true when all columns of `relations` are NULL. */
static bool rejects_nulls(const struct expression *expression, uint64_t relations) {
    switch (expression->kind) {
    case EXPRESSION_VARIABLE:
        return expression->variable.level == 0 &&
               (relations & UINT64_C(1) << expression->variable.relation);
    case EXPRESSION_CALL:
        if (expression->function->nulls != FUNCTION_STRICT)
            return false;
        break;
    case EXPRESSION_IN:
        return rejects_nulls(expression->arguments[0], relations);
    case EXPRESSION_TEST:
        if (expression->test != TEST_NOT_NULL && expression->test != TEST_TRUE)
            return false;
        break;
    case EXPRESSION_CAST:
        break;
    default:
        return false;
    }
    for (uint32_t i = 0; i < expression->argument_count; i++)
        if (rejects_nulls(expression->arguments[i], relations))
            return true;
    return false;
}

/* A WHERE condition that NULLs of the optional side cannot satisfy makes an outer join inner. */
static void simplify_outer(struct join_item *item, const struct join_set *set) {
    if (!item->is_join)
        return;
    for (uint32_t i = 0; i < set->qual_count; i++) {
        const struct expression *qual = set->quals[i].expression;
        bool left = rejects_nulls(qual, item_relations(item->left));
        bool right = rejects_nulls(qual, item_relations(item->right));
        if (item->kind == JOIN_FULL && left && right)
            item->kind = JOIN_INNER;
        else if (item->kind == JOIN_FULL && left)
            item->kind = JOIN_LEFT;
        else if (item->kind == JOIN_FULL && right)
            item->kind = JOIN_RIGHT;
        if ((item->kind == JOIN_LEFT && right) || (item->kind == JOIN_RIGHT && left))
            item->kind = JOIN_INNER;
    }
    if (item->kind == JOIN_INNER || item->kind == JOIN_LEFT)
        simplify_outer(item->left, set);
    if (item->kind == JOIN_INNER || item->kind == JOIN_RIGHT)
        simplify_outer(item->right, set);
}

static enum status plan_set(struct frame *frame, struct join_set *set, struct path *path);

static bool has_sublink(const struct expression *expression, void *context) {
    return expression->kind == EXPRESSION_SUBLINK;
}

static enum status plan_outer_join(struct frame *frame, struct join_item *item,
                                   struct join_set *above, struct path *path) {
    if (item->kind == JOIN_RIGHT) {
        struct join_item *left = item->left;
        item->left = item->right;
        item->right = left;
        item->kind = JOIN_LEFT;
    }
    struct binder *b = frame->p->b;
    struct join_set left = {0}, right = {0};
    uint64_t left_mask = item_relations(item->left), right_mask = item_relations(item->right);
    TRY(add_item(frame, &left, item->left));
    TRY(add_item(frame, &right, item->right));
    /* WHERE conditions about the preserved side are applied below. */
    if (item->kind == JOIN_LEFT)
        for (uint32_t i = 0; i < above->qual_count; i++) {
            struct qual *qual = &above->quals[i];
            if (qual->done || qual->relations == 0 || (qual->relations & ~left_mask) != 0 ||
                expression_is_volatile(qual->expression))
                continue;
            TRY(add_quals(frame, &left, qual->expression));
            qual->done = true;
        }
    uint32_t count, kept = 0;
    struct expression **conditions, **join_conditions;
    TRY(plan_conjuncts(frame->p, item->condition, &count, &conditions));
    TRY(BIND_ARRAY(b, count, &join_conditions));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t relations = plan_relations_of(conditions[i]);
        bool right_only = relations != 0 && (relations & ~right_mask) == 0;
        if (item->kind == JOIN_LEFT && right_only && !expression_is_volatile(conditions[i]))
            TRY(add_quals(frame, &right, conditions[i]));
        else
            join_conditions[kept++] = conditions[i];
    }
    struct path left_path, right_path;
    TRY(plan_set(frame, &left, &left_path));
    TRY(plan_set(frame, &right, &right_path));
    return join_paths(frame, item->kind, &left_path, &right_path, kept, join_conditions, path);
}

static enum status plan_item(struct frame *frame, struct join_item *item, struct join_set *set,
                             struct path *path) {
    if (item->is_join)
        return plan_outer_join(frame, item, set, path);
    struct expression **quals;
    uint32_t count = 0;
    TRY(BIND_ARRAY(frame->p->b, set->qual_count, &quals));
    uint64_t mask = UINT64_C(1) << item->relation;
    for (uint32_t i = 0; i < set->qual_count; i++) {
        struct qual *qual = &set->quals[i];
        if (qual->done || qual->relations != mask)
            continue;
        quals[count++] = qual->expression;
        qual->done = true;
    }
    return plan_relation(frame, item->relation, count, quals, NULL, path);
}

/* Conditions that can be tested once both sides are there. */
static enum status ready_quals(struct frame *frame, struct join_set *set, uint64_t relations,
                               bool take, uint32_t *count_out, struct expression ***out) {
    TRY(BIND_ARRAY(frame->p->b, set->qual_count, out));
    *count_out = 0;
    for (uint32_t i = 0; i < set->qual_count; i++) {
        struct qual *qual = &set->quals[i];
        if (qual->done || qual->relations == 0 || (qual->relations & ~relations) != 0)
            continue;
        (*out)[(*count_out)++] = qual->expression;
        qual->done |= take;
    }
    return STATUS_OK;
}

static enum status greedy_join(struct frame *frame, struct join_set *set, struct path *paths,
                               struct path *path) {
    uint32_t count = set->item_count, first = 0;
    bool chosen = false;
    for (uint32_t i = 0; i < count; i++)
        if (paths[i].needs == 0 && (!chosen || paths[i].rows < paths[first].rows)) {
            first = i;
            chosen = true;
        }
    if (!chosen)
        return error_set(STATUS_INTERNAL_ERROR, "no relation can be first");
    *path = paths[first];
    uint64_t joined = UINT64_C(1) << first;
    for (uint32_t step = 1; step < count; step++) {
        int best = -1;
        double best_rows = 0;
        bool best_connected = false;
        for (uint32_t i = 0; i < count; i++) {
            if (joined & UINT64_C(1) << i || (paths[i].needs & ~path->relations) != 0)
                continue;
            uint32_t quals;
            struct expression **conditions;
            TRY(ready_quals(frame, set, path->relations | paths[i].relations, false, &quals,
                            &conditions));
            bool connected = quals > 0;
            double rows = join_rows(frame, JOIN_INNER, path, &paths[i], quals, conditions);
            if (best < 0 || (connected && !best_connected) ||
                (connected == best_connected && rows < best_rows)) {
                best = (int)i;
                best_rows = rows;
                best_connected = connected;
            }
        }
        if (best < 0)
            return error_set(STATUS_INTERNAL_ERROR, "relations need each other");
        uint32_t quals;
        struct expression **conditions;
        TRY(ready_quals(frame, set, path->relations | paths[best].relations, true, &quals,
                        &conditions));
        struct path next;
        TRY(join_paths(frame, JOIN_INNER, path, &paths[best], quals, conditions, &next));
        *path = next;
        joined |= UINT64_C(1) << best;
    }
    return STATUS_OK;
}

static enum status plan_set(struct frame *frame, struct join_set *set, struct path *path) {
    struct planner *p = frame->p;
    for (uint32_t i = 0; i < set->item_count; i++)
        simplify_outer(set->items[i], set);
    /* An outer join that became inner is flattened. */
    struct join_set flat = {
        .qual_count = set->qual_count, .qual_capacity = set->qual_capacity, .quals = set->quals};
    for (uint32_t i = 0; i < set->item_count; i++)
        TRY(add_item(frame, &flat, set->items[i]));
    if (flat.item_count == 0) {
        *path = (struct path){.relation = -1, .rows = 1};
        TRY(plan_node_new(p, NODE_RESULT, &path->layout, 1, &path->node));
    } else {
        struct path *paths;
        TRY(BIND_ARRAY(p->b, flat.item_count, &paths));
        for (uint32_t i = 0; i < flat.item_count; i++)
            TRY(plan_item(frame, flat.items[i], &flat, &paths[i]));
        if (flat.item_count > 63)
            return error_set(STATUS_STATEMENT_TOO_COMPLEX, "too many relations in one join");
        TRY(greedy_join(frame, &flat, paths, path));
    }
    struct expression *rest = NULL;
    for (uint32_t i = 0; i < flat.qual_count; i++)
        if (!flat.quals[i].done)
            rest = expression_and(p->b, rest, flat.quals[i].expression);
    *set = flat;
    return rest != NULL ? plan_filter(frame, path, rest) : STATUS_OK;
}

/* ---- EXISTS and IN as joins ------------------------------------------------------------- */

static bool visit_any(const struct expression *expression, void *context) {
    return true;
}

static bool correlated(const struct expression *expression) {
    return expression_walk_variables(expression, 1, visit_any, NULL);
}

static bool visit_deep(const struct expression *expression, void *context) {
    return expression->kind == EXPRESSION_SUBLINK ||
           (expression->kind == EXPRESSION_VARIABLE && expression->variable.level > 1);
}

static bool is_simple(const struct query *query) {
    return query->set_operation == SET_NONE && query->values_count == 0 && !query->grouped &&
           query->limit == NULL && query->offset == NULL && query->lock_count == 0 &&
           !query->has_set_functions && query->from_count > 0 && query->distinct_on_count == 0;
}

/* Move correlated conjuncts out of the subquery's WHERE; its targets become what they use. */
struct pull {
    struct frame *frame;
    struct query *query;
    uint32_t pseudo; /* relation number of the subquery in the frame */
    struct target *targets;
    uint32_t target_count, capacity;
    enum status status;
};

static struct expression *pull_variable(struct pull *pull, const struct expression *variable) {
    struct binder *b = pull->frame->p->b;
    for (uint32_t i = 0; i < pull->target_count; i++)
        if (expression_equal(pull->targets[i].expression, variable))
            return expression_variable(b, 0, pull->pseudo, (int16_t)(i + 1), variable->type);
    pull->targets[pull->target_count] =
        (struct target){.name = "", .expression = expression_copy(b, variable)};
    pull->target_count++;
    return expression_variable(b, 0, pull->pseudo, (int16_t)pull->target_count, variable->type);
}

static struct expression *pull_expression(struct pull *pull, const struct expression *expression) {
    struct binder *b = pull->frame->p->b;
    if (expression->kind == EXPRESSION_VARIABLE) {
        if (expression->variable.level == 0)
            return pull_variable(pull, expression);
        struct expression *outside = expression_copy(b, expression);
        outside->variable.level--;
        return outside;
    }
    struct expression *copy = ARENA_NEW(b->arena, struct expression);
    *copy = *expression;
    if (expression->argument_count > 0)
        copy->arguments = ARENA_ARRAY(b->arena, struct expression *, expression->argument_count);
    for (uint32_t i = 0; i < expression->argument_count; i++)
        copy->arguments[i] = pull_expression(pull, expression->arguments[i]);
    return copy;
}

static bool count_variables(const struct expression *expression, void *context) {
    *(uint32_t *)context += expression->kind == EXPRESSION_VARIABLE;
    return false;
}

static enum status plan_pulled(struct frame *frame, struct query *copy, uint32_t pseudo,
                               struct path *path) {
    struct frame inner;
    *path = (struct path){.relation = (int)pseudo, .relations = UINT64_C(1) << pseudo};
    TRY(plan_subquery(frame->p, copy, frame, true, &inner, &path->node));
    ASSERT(inner.outer.count == 0);
    path->rows = path->node->rows;
    path->layout.count = path->node->column_count;
    TRY(BIND_ARRAY(frame->p->b, path->layout.count, &path->layout.items));
    for (uint32_t i = 0; i < path->layout.count; i++)
        path->layout.items[i] = expression_variable(frame->p->b, 0, pseudo, (int16_t)(i + 1),
                                                    path->node->columns[i].type);
    return STATUS_OK;
}

static enum status pull_exists(struct frame *frame, const struct bound_sublink *link,
                               enum join_kind kind, bool *done, struct semi_join *semi) {
    struct binder *b = frame->p->b;
    struct query *query = link->query;
    *done = false;
    if (!is_simple(query) || query->ctes != NULL || query->where == NULL)
        return STATUS_OK;
    /* Correlation in WHERE only. */
    struct query rest = *query;
    rest.where = NULL;
    rest.target_count = 0;
    rest.sort_count = 0;
    if (query_walk_variables(&rest, 1, visit_any, NULL))
        return STATUS_OK;
    uint32_t count, variables = 0;
    struct expression **conjuncts;
    TRY(plan_conjuncts(frame->p, query->where, &count, &conjuncts));
    TRY(BIND_ARRAY(b, count, &semi->conditions));
    struct expression *own = NULL;
    uint32_t keys = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!correlated(conjuncts[i])) {
            if (expression_walk_variables(conjuncts[i], 2, visit_any, NULL))
                return STATUS_OK;
            own = expression_and(b, own, conjuncts[i]);
            continue;
        }
        if (expression_walk(conjuncts[i], visit_deep, NULL) || expression_is_volatile(conjuncts[i]))
            return STATUS_OK;
        bool key = conjuncts[i]->kind == EXPRESSION_CALL &&
                   conjuncts[i]->function->comparison == COMPARISON_EQ &&
                   correlated(conjuncts[i]->arguments[0]) != correlated(conjuncts[i]->arguments[1]);
        keys += key;
        expression_walk(conjuncts[i], count_variables, &variables);
        semi->conditions[semi->count++] = conjuncts[i];
    }
    if (keys == 0 || query->relation_count + 1 >= RELATIONS_MAX) {
        semi->count = 0;
        return STATUS_OK;
    }
    struct pull pull = {.frame = frame,
                        .query = query,
                        .pseudo = frame->query->relation_count + frame->pseudo_count};
    if (pull.pseudo >= RELATIONS_MAX)
        return STATUS_OK;
    TRY(BIND_ARRAY(b, variables + 1, &pull.targets));
    for (uint32_t i = 0; i < semi->count; i++)
        semi->conditions[i] = pull_expression(&pull, semi->conditions[i]);
    struct query *copy;
    TRY(BIND_ARRAY(b, 1, &copy));
    *copy = *query;
    copy->where = own;
    copy->targets = pull.targets;
    copy->target_count = pull.target_count;
    copy->sort_count = 0;
    copy->distinct = false;
    frame->pseudo_count++;
    TRY(plan_pulled(frame, copy, pull.pseudo, &semi->path));
    semi->kind = kind;
    *done = true;
    return STATUS_OK;
}

/* x IN (uncorrelated subquery) */
static enum status pull_in(struct frame *frame, const struct bound_sublink *link, bool *done,
                           struct semi_join *semi) {
    struct binder *b = frame->p->b;
    *done = false;
    uint32_t pseudo = frame->query->relation_count + frame->pseudo_count;
    if (pseudo >= RELATIONS_MAX || query_walk_variables(link->query, 1, visit_any, NULL) ||
        query_walk_variables(link->query, 2, visit_any, NULL) ||
        query_walk_variables(link->query, 3, visit_any, NULL))
        return STATUS_OK;
    TRY(BIND_ARRAY(b, link->left_count, &semi->conditions));
    for (uint32_t i = 0; i < link->left_count; i++) {
        if (link->functions[i]->comparison != COMPARISON_EQ ||
            plan_relations_of(link->left[i]) == 0 ||
            expression_walk(link->left[i], has_sublink, NULL))
            return STATUS_OK;
        struct expression *column = expression_variable(b, 0, pseudo, (int16_t)(i + 1),
                                                        link->query->targets[i].expression->type);
        if (link->casts[i] != NULL) {
            struct expression *cast = expression_copy(b, link->casts[i]);
            struct expression *leaf = cast;
            while (leaf->kind == EXPRESSION_CAST)
                leaf = leaf->arguments[0];
            if (leaf->kind != EXPRESSION_VARIABLE)
                return STATUS_OK;
            *leaf = *column;
            column = cast;
        }
        semi->conditions[i] =
            expression_call(b, link->functions[i], TYPE_OF(BOOL), -1, link->left[i], column);
    }
    semi->count = link->left_count;
    semi->kind = JOIN_SEMI;
    frame->pseudo_count++;
    TRY(plan_pulled(frame, link->query, pseudo, &semi->path));
    *done = true;
    return STATUS_OK;
}

static enum status pull_sublinks(struct frame *frame, struct join_set *set) {
    TRY(BIND_ARRAY(frame->p->b, set->qual_count, &set->extras));
    for (uint32_t i = 0; i < set->qual_count; i++) {
        struct expression *qual = set->quals[i].expression;
        bool negated = qual->kind == EXPRESSION_NOT;
        struct expression *inner = negated ? qual->arguments[0] : qual;
        if (inner->kind != EXPRESSION_SUBLINK)
            continue;
        struct semi_join semi = {0};
        bool done = false;
        if (inner->sublink->kind == SUBPLAN_EXISTS)
            TRY(pull_exists(frame, inner->sublink, negated ? JOIN_ANTI : JOIN_SEMI, &done, &semi));
        else if (inner->sublink->kind == SUBPLAN_ANY && !negated)
            TRY(pull_in(frame, inner->sublink, &done, &semi));
        if (!done)
            continue;
        set->quals[i].done = true;
        set->extras[set->extra_count++] = semi;
    }
    return STATUS_OK;
}

enum status plan_from(struct frame *frame, struct path *path) {
    struct join_set set = {0};
    for (uint32_t i = 0; i < frame->query->from_count; i++)
        TRY(add_item(frame, &set, frame->query->from[i]));
    if (frame->query->where != NULL)
        TRY(add_quals(frame, &set, frame->query->where));
    struct semi_join *extras = NULL;
    uint32_t extra_count = 0;
    if (set.item_count > 0) {
        TRY(pull_sublinks(frame, &set));
        extras = set.extras;
        extra_count = set.extra_count;
    }
    TRY(plan_set(frame, &set, path));
    for (uint32_t i = 0; i < extra_count; i++) {
        struct path next;
        TRY(join_paths(frame, extras[i].kind, path, &extras[i].path, extras[i].count,
                       extras[i].conditions, &next));
        *path = next;
    }
    return STATUS_OK;
}
