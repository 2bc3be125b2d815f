/*
 * Joining two planned inputs.
 *
 * A join is a hash join when a condition equates the two sides; an index nested loop when the left
 * side is small and the right one has an index for it; else a nested loop. Which input is on which
 * side has been decided (plan_order.c); only left, semi- and anti-joins may be turned into their
 * right forms, so that the smaller side is built.
 */
#include <math.h>
#include <string.h>

#include "sql/plan_graph.h"

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

/* The column of `relation` that the condition says is equal to something of other relations. */
static const struct expression *equated_column(const struct expression *condition,
                                               uint32_t relation) {
    if (condition->kind != EXPRESSION_CALL || condition->function->comparison != COMPARISON_EQ)
        return NULL;
    for (int side = 0; side < 2; side++) {
        const struct expression *column = condition->arguments[side];
        if (column->kind == EXPRESSION_VARIABLE && column->variable.level == 0 &&
            column->variable.relation == relation &&
            (plan_relations_of(condition->arguments[1 - side]) & relation_bit(relation)) == 0)
            return column;
    }
    return NULL;
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
                               const struct path *right, enum join_kind kind, struct layout *layout,
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
    bool left_only = kind == JOIN_SEMI || kind == JOIN_ANTI;
    bool right_only = kind == JOIN_RIGHT_SEMI || kind == JOIN_RIGHT_ANTI;
    *layout = left_only ? left->layout : right_only ? right->layout : *both;
    layout->outer = NULL;
    TRY(BIND_ARRAY(b, layout->count, output_out));
    for (uint32_t i = 0; i < layout->count; i++)
        (*output_out)[i] = right_only ? left->layout.count + i : i;
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
        bool all = index->unique && plan_index_usable(frame, index);
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

/* ---- figures ---------------------------------------------------------------------------- */

/* The conditions equate all columns of a unique index of this relation with others'. */
static bool relation_unique(struct frame *frame, uint32_t number, uint32_t count,
                            struct expression **conditions, uint64_t *used_out) {
    const struct relation *relation = frame->query->relations[number];
    if (relation->source != RELATION_OF_TABLE)
        return false;
    for (uint32_t i = 0; i < relation->table->index_count; i++) {
        const struct index *index = relation->table->indexes[i];
        uint64_t used = 0;
        uint32_t found = 0;
        if (!plan_index_usable(frame, index))
            continue;
        for (uint32_t c = 0; index->unique && c < index->column_count; c++)
            for (uint32_t k = 0; k < count && k < 64; k++) {
                const struct expression *column = equated_column(conditions[k], number);
                if (column == NULL || column->variable.column != index->columns[c].column_number)
                    continue;
                used |= UINT64_C(1) << k;
                found++;
                break;
            }
        if (index->unique && found == index->column_count) {
            *used_out = used;
            return true;
        }
    }
    return false;
}

/* Share of the pairs that satisfy all conditions. A key that is equated as a whole counts once. */
static double join_selectivity(struct frame *frame, uint32_t count,
                               struct expression **conditions) {
    double selectivity = 1;
    uint64_t done = 0, relations = 0;
    for (uint32_t i = 0; i < count; i++)
        relations |= plan_relations_of(conditions[i]);
    for (uint64_t left = relations; left != 0 && count > 1; left &= left - 1) {
        uint32_t number = (uint32_t)__builtin_ctzll(left);
        uint64_t used;
        if (!relation_unique(frame, number, count, conditions, &used) || (used & done) != 0 ||
            (used & (used - 1)) == 0)
            continue;
        selectivity /= plan_table_rows(frame->p->b, frame->query->relations[number]->table);
        done |= used;
    }
    for (uint32_t i = 0; i < count; i++)
        if (i >= 64 || !(done & UINT64_C(1) << i))
            selectivity *= plan_selectivity(frame, conditions[i]);
    return selectivity;
}

/* Different values of the right side's keys: more rows than these give no more partners. */
static double right_distinct(struct frame *frame, uint64_t right_relations, uint32_t count,
                             struct expression **conditions) {
    double distinct = 1;
    for (uint32_t i = 0; i < count; i++) {
        if (conditions[i]->kind != EXPRESSION_CALL ||
            conditions[i]->function->comparison != COMPARISON_EQ)
            continue;
        for (int side = 0; side < 2; side++) {
            uint64_t relations = plan_relations_of(conditions[i]->arguments[side]);
            if (relations != 0 && set_within(relations, right_relations))
                distinct *= plan_distinct_values(frame, conditions[i]->arguments[side]);
        }
    }
    return distinct;
}

double plan_join_rows(struct frame *frame, enum join_kind kind, double left_rows, double right_rows,
                      uint64_t right_relations, uint32_t count, struct expression **conditions) {
    double selectivity = join_selectivity(frame, count, conditions);
    if (kind == JOIN_SEMI || kind == JOIN_ANTI)
        right_rows = fmin(right_rows, right_distinct(frame, right_relations, count, conditions));
    double rows = left_rows * right_rows * selectivity;
    switch (kind) {
    case JOIN_LEFT:
        rows = fmax(rows, left_rows);
        break;
    case JOIN_FULL:
        rows = fmax(rows, fmax(left_rows, right_rows));
        break;
    case JOIN_SEMI: /* each left row meets right_rows * selectivity others, on average */
        rows = left_rows * fmin(1, right_rows * selectivity);
        break;
    case JOIN_ANTI:
        rows = left_rows * fmax(0.1, 1 - right_rows * selectivity);
        break;
    default:
        break;
    }
    return rows < 1 ? 1 : rows;
}

#define COST_BUILD 0.03
#define COST_PROBE 0.012
#define COST_OUTPUT 0.01
#define COST_PAIR 0.004 /* of a nested loop over kept rows */

/* Rows that an index lookup with these conditions finds in the leaf; negative: none serves. */
static double lookup_rows(struct frame *frame, const struct path *leaf, uint32_t count,
                          struct expression **conditions) {
    struct expression *quals[64];
    uint32_t used = 0;
    if (leaf == NULL || leaf->relation < 0 || leaf->qual_count + count > 64 ||
        leaf->node->kind != NODE_TABLE_SCAN)
        return -1;
    for (uint32_t i = 0; i < count; i++)
        quals[used++] = conditions[i];
    for (uint32_t i = 0; i < leaf->qual_count; i++)
        quals[used++] = leaf->quals[i];
    double matches = plan_index_rows(frame, (uint32_t)leaf->relation, used, quals);
    double alone = plan_index_rows(frame, (uint32_t)leaf->relation, leaf->qual_count, leaf->quals);
    return alone >= 0 && alone <= matches ? -1 : matches;
}

/* Of one lookup in the leaf. */
static double lookup_cost(struct frame *frame, const struct path *leaf) {
    const struct relation *relation =
        leaf == NULL || leaf->relation < 0 ? NULL : frame->query->relations[leaf->relation];
    return relation == NULL || relation->source != RELATION_OF_TABLE
               ? COST_LOOKUP
               : plan_lookup_cost(frame->p->b, relation->table);
}

static bool has_key(uint64_t left, uint64_t right, uint32_t count, struct expression **conditions) {
    struct expression *a, *b;
    for (uint32_t i = 0; i < count; i++)
        if (is_key(conditions[i], left, right, &a, &b))
            return true;
    return false;
}

/* Of the join itself, with the right input when it is read as a whole. */
static double whole_cost(enum join_kind kind, double left_rows, double right_rows,
                         double right_cost, double rows, bool keyed) {
    if (!keyed)
        return right_cost + left_rows * right_rows * COST_PAIR + rows * COST_OUTPUT;
    double build = right_rows, probe = left_rows;
    if (build > probe && (kind == JOIN_LEFT || kind == JOIN_SEMI || kind == JOIN_ANTI))
        build = left_rows, probe = right_rows;
    return right_cost + build * COST_BUILD + probe * COST_PROBE + rows * COST_OUTPUT;
}

double plan_join_cost(struct frame *frame, enum join_kind kind, double left_rows,
                      const struct path *right, double right_rows, double right_cost, double rows,
                      uint32_t count, struct expression **conditions, uint64_t left_relations,
                      uint64_t right_relations) {
    if (right != NULL && right->needs != 0)
        return left_rows * (right_cost + 0.1);
    bool keyed = has_key(left_relations, right_relations, count, conditions);
    double whole = whole_cost(kind, left_rows, right_rows, right_cost, rows, keyed);
    double each = lookup_cost(frame, right);
    if (kind == JOIN_FULL || left_rows * each > whole)
        return whole;
    double matches = lookup_rows(frame, right, count, conditions);
    double loop = left_rows * each * (1 + matches) + rows * COST_OUTPUT;
    return matches >= 0 && loop < whole ? loop : whole;
}

/* ---- making the nodes ------------------------------------------------------------------- */

static enum status hash_join(struct frame *frame, enum join_kind kind, struct path *left,
                             struct path *right, const struct join_keys *keys, double rows,
                             struct path *path) {
    struct layout both = {0};
    uint32_t *output;
    TRY(join_layout(frame, left, right, kind, &path->layout, &both, &output));
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
    node->join.kind = kind;
    node->join.key_count = keys->count;
    node->join.left_keys = left_keys;
    node->join.right_keys = right_keys;
    node->join.residual = residual;
    node->join.output = output;
    node->join.left_unique = keys_unique(frame, left, keys->count, keys->left);
    node->join.right_unique = keys_unique(frame, right, keys->count, keys->right);
    node->start_cost = right->node->total_cost + right->rows * COST_BUILD;
    node->total_cost =
        node->start_cost + left->node->total_cost + left->rows * COST_PROBE + rows * COST_OUTPUT;
    plan_merge_given(frame, node);
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
    TRY(join_layout(frame, left, right, kind, &path->layout, &both, &output));
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
    node->total_cost = left->node->total_cost + rows * COST_OUTPUT;
    if (bindings != NULL)
        node->total_cost += left->rows * right->node->total_cost;
    else
        node->total_cost += right->node->total_cost + left->rows * right->rows * COST_PAIR;
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
    if (kind == JOIN_FULL)
        return STATUS_OK;
    bool keyed = has_key(left->relations, right->relations, count, conditions);
    double whole = whole_cost(kind, left->rows, right->rows, right->node->total_cost, rows, keyed);
    double each = lookup_cost(frame, right);
    double matches = left->rows * each > whole ? -1 : lookup_rows(frame, right, count, conditions);
    if (matches < 0 || left->rows * each * (1 + matches) + rows * COST_OUTPUT >= whole)
        return STATUS_OK;
    struct expression **quals;
    uint32_t used = 0;
    TRY(BIND_ARRAY(frame->p->b, right->qual_count + count, &quals));
    for (uint32_t i = 0; i < count; i++)
        quals[used++] = conditions[i];
    for (uint32_t i = 0; i < right->qual_count; i++)
        quals[used++] = right->quals[i];
    struct path inner;
    struct outer_list outer = {0};
    TRY(plan_relation(frame, (uint32_t)right->relation, used, quals, &outer, &inner));
    *done = true;
    return nested_loop(frame, kind, left, &inner, &outer, 0, NULL, rows, path);
}

enum status plan_join_paths(struct frame *frame, enum join_kind kind, struct path *left,
                            struct path *right, uint32_t count, struct expression **conditions,
                            double rows, struct path *path) {
    *path = (struct path){.relation = -1};
    if (right->needs != 0)
        return nested_loop(frame, kind, left, right, right->bindings, count, conditions, rows,
                           path);
    bool done;
    TRY(try_index_loop(frame, kind, left, right, count, conditions, rows, &done, path));
    if (done)
        return STATUS_OK;
    struct join_keys keys;
    TRY(split_keys(frame, left->relations, right->relations, count, conditions, &keys));
    enum join_kind turned_kind = kind == JOIN_LEFT   ? JOIN_RIGHT
                                 : kind == JOIN_SEMI ? JOIN_RIGHT_SEMI
                                 : kind == JOIN_ANTI ? JOIN_RIGHT_ANTI
                                                     : kind;
    if (keys.count > 0 && turned_kind != kind && left->rows < right->rows) {
        struct join_keys turned = keys;
        turned.left = keys.right;
        turned.right = keys.left;
        return hash_join(frame, turned_kind, right, left, &turned, rows, path);
    }
    if (keys.count > 0)
        return hash_join(frame, kind, left, right, &keys, rows, path);
    if (kind == JOIN_FULL)
        return bind_error(frame->p->b, -1, STATUS_FEATURE_NOT_SUPPORTED,
                          "FULL JOIN is only supported with merge-joinable or hash-joinable join "
                          "conditions");
    return nested_loop(frame, kind, left, right, NULL, count, conditions, rows, path);
}
