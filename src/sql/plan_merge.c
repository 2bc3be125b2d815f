/*
 * Merge joins: a join by keys whose inputs both come in the order of the keys.
 *
 * It is made of a hash join when both inputs come in the order of its keys anyway, or when somebody
 * above wishes for rows in that order and both inputs can give them so: then rows come one by one,
 * no table is built, and with LIMIT little is read. Nothing is sorted for it. NULLs among the keys
 * may be on either end, for they meet nobody, unless the rows with them go out.
 */
#include <math.h>

#include "sql/plan_graph.h"
#include "sql/plan_ordered.h"

enum { MERGE_KEYS_MAX = 8, FREE_KEYS_MAX = 2 };
static const double COST_MERGE_ROW = 0.01;
static const double COST_MERGE_OUTPUT = 0.01;

/* How the join could be merged. */
struct merge {
    struct frame *frame;
    struct plan_node *node;
    const struct wish *wish;
    enum join_kind kind;
    bool walks_right;
    uint32_t key_count;
    uint32_t keys[MERGE_KEYS_MAX]; /* in the order of the rows */
    uint32_t placed;               /* of them have their place by the wish */
    struct wish_column columns[MERGE_KEYS_MAX];
    uint32_t rest_count, rest_loose; /* columns of the walked side that come after the keys */
    struct wish_column rest[WISH_MAX];
};

/* ---- columns and keys --------------------------------------------------------------------- */

/* The column of its side that a key is, perhaps in a type with the same order; UINT32_MAX: none. */
static uint32_t key_column(const struct plan_node *node, bool right, uint32_t key) {
    const struct expression *expression =
        right ? node->join.right_keys[key] : node->join.left_keys[key];
    const struct expression *narrow = plan_widened(expression);
    bool is_same_text = expression->kind == EXPRESSION_CAST && expression->type.id == TYPE_TEXT &&
                        expression->arguments[0]->type.id == TYPE_VARCHAR;
    if (narrow != NULL)
        expression = narrow;
    else if (is_same_text)
        expression = expression->arguments[0];
    return expression->kind == EXPRESSION_COLUMN ? expression->index : UINT32_MAX;
}

/* Which column of which side a column of the join is. */
static uint32_t side_column(const struct plan_node *node, uint32_t column, bool *right_out) {
    column = node->join.output[column];
    *right_out = column >= node->left->column_count;
    return *right_out ? column - node->left->column_count : column;
}

/* Has an inner join made the two columns equal in every row of the node? */
static bool are_equal(const struct plan_node *node, uint32_t a, uint32_t b) {
    while (node->kind == NODE_FILTER || node->kind == NODE_PROJECT || node->kind == NODE_SORT) {
        if (node->kind == NODE_PROJECT) {
            const struct expression *x = node->project.expressions[a];
            const struct expression *y = node->project.expressions[b];
            if (x->kind != EXPRESSION_COLUMN || y->kind != EXPRESSION_COLUMN)
                return false;
            a = x->index;
            b = y->index;
        }
        node = node->left;
    }
    bool joins = node->kind == NODE_HASH_JOIN || node->kind == NODE_MERGE_JOIN;
    if (a == b || !joins || node->join.kind != JOIN_INNER)
        return a == b;
    bool a_right, b_right;
    a = side_column(node, a, &a_right);
    b = side_column(node, b, &b_right);
    if (a_right == b_right)
        return are_equal(a_right ? node->right : node->left, a, b);
    for (uint32_t k = 0; k < node->join.key_count; k++) {
        uint32_t left = key_column(node, false, k), right = key_column(node, true, k);
        if (left != UINT32_MAX && right != UINT32_MAX &&
            are_equal(node->left, left, a_right ? b : a) &&
            are_equal(node->right, right, a_right ? a : b))
            return true;
    }
    return false;
}

/* The place of a key among keys[]; key_count: it is no key. */
static uint32_t find_key(const struct merge *merge, uint32_t column, bool right) {
    const struct plan_node *side = right ? merge->node->right : merge->node->left;
    for (uint32_t at = 0; at < merge->key_count; at++) {
        uint32_t key = key_column(merge->node, right, merge->keys[at]);
        if (are_equal(side, key, column))
            return at;
    }
    return merge->key_count;
}

/* No two rows of the input have the same values in all of these columns. */
static bool is_unique_by(const struct plan_node *node, uint32_t count, const uint32_t *columns) {
    uint32_t below[MERGE_KEYS_MAX];
    switch (node->kind) {
    case NODE_FILTER:
    case NODE_SORT:
    case NODE_LIMIT:
        return is_unique_by(node->left, count, columns);
    case NODE_PROJECT:
        for (uint32_t i = 0; i < count; i++) {
            const struct expression *expression = node->project.expressions[columns[i]];
            below[i] = expression->kind == EXPRESSION_COLUMN ? expression->index : UINT32_MAX;
            if (below[i] == UINT32_MAX)
                return false;
        }
        return is_unique_by(node->left, count, below);
    case NODE_AGGREGATE:
        for (uint32_t k = 0; k < node->aggregate.key_count; k++) {
            bool found = node->aggregate.follows != NULL && node->aggregate.follows[k];
            for (uint32_t i = 0; i < count; i++)
                found |= columns[i] == k;
            if (!found)
                return false;
        }
        return true;
    default:
        return false;
    }
}

static bool are_columns(const struct plan_node *node) {
    for (uint32_t k = 0; k < node->join.key_count; k++)
        if (key_column(node, false, k) == UINT32_MAX || key_column(node, true, k) == UINT32_MAX)
            return false;
    return true;
}

/* Its keys are columns. */
static bool side_unique(const struct plan_node *node, bool right) {
    uint32_t columns[MERGE_KEYS_MAX];
    if (right ? node->join.right_unique : node->join.left_unique)
        return true;
    for (uint32_t k = 0; k < node->join.key_count; k++)
        columns[k] = key_column(node, right, k);
    return is_unique_by(right ? node->right : node->left, node->join.key_count, columns);
}

/* ---- what is wished of the sides ------------------------------------------------------------ */

/* The walked side's rows keep their order beyond the keys. */
static bool keeps_rest(const struct merge *merge) {
    return merge->kind == JOIN_SEMI || merge->kind == JOIN_ANTI ||
           side_unique(merge->node, !merge->walks_right);
}

static bool add_rest(struct merge *merge, const struct wish_column *wished, uint32_t column) {
    if (merge->placed < merge->key_count || merge->rest_count == WISH_MAX || !keeps_rest(merge))
        return false;
    merge->rest[merge->rest_count] = *wished;
    merge->rest[merge->rest_count++].column = column;
    return true;
}

/* The wish's next column: a key takes the next place, others come behind all keys. */
static bool place(struct merge *merge, const struct wish_column *wished) {
    bool right;
    uint32_t column = side_column(merge->node, wished->column, &right);
    if (right != merge->walks_right && merge->kind != JOIN_INNER)
        return false;
    uint32_t at = find_key(merge, column, right);
    if (at < merge->placed)
        return true; /* the same as one before it */
    if (at == merge->key_count)
        return right == merge->walks_right && add_rest(merge, wished, column);
    uint32_t key = merge->keys[at];
    merge->keys[at] = merge->keys[merge->placed];
    merge->keys[merge->placed] = key;
    merge->columns[merge->placed++] = *wished;
    return true;
}

/* The wish's loose columns: keys, or behind all keys. *loose_out: so many keys come next. */
static bool place_loose(struct merge *merge, uint32_t *loose_out) {
    static const struct wish_column any = {0};
    uint32_t free = merge->placed, rest[WISH_MAX], rest_count = 0;
    for (uint32_t i = 0; i < merge->wish->loose_count; i++) {
        bool right;
        uint32_t column = side_column(merge->node, merge->wish->loose[i], &right);
        if (right != merge->walks_right && merge->kind != JOIN_INNER)
            return false;
        uint32_t at = find_key(merge, column, right);
        if (at < free)
            continue;
        if (at < merge->key_count) {
            uint32_t key = merge->keys[at];
            merge->keys[at] = merge->keys[free];
            merge->keys[free++] = key;
        } else if (right == merge->walks_right) {
            rest[rest_count++] = column;
        } else {
            return false;
        }
    }
    *loose_out = free - merge->placed;
    if (rest_count > 0 && free < merge->key_count)
        return false;
    merge->placed = rest_count > 0 ? merge->key_count : merge->placed;
    for (uint32_t i = 0; i < rest_count; i++)
        if (!add_rest(merge, &any, rest[i]))
            return false;
    merge->rest_loose = rest_count;
    return true;
}

/* Rows of one side that are read until the wanted ones are found. */
static double side_rows(const struct merge *merge, const struct plan_node *side) {
    const struct plan_node *node = merge->node;
    double rows = fmax(node->rows, 1);
    if (merge->wish->rows < 0)
        return -1;
    double missing = fmax(node->left->rows, node->right->rows) / rows;
    double share = merge->wish->rows / rows * fmin(fmax(missing, 1), FILTERED_RISK);
    return fmax(fmin(share, 1) * side->rows, 1);
}

static double side_gives(const struct merge *merge, bool right, bool applies) {
    const struct plan_node *node = merge->node;
    struct plan_node *side = (struct plan_node *)(right ? node->right : node->left);
    bool walked = right == merge->walks_right;
    struct wish wish = {.rows = side_rows(merge, side),
                        .merges = true,
                        .fixed = merge->wish->fixed,
                        .applies = applies,
                        .visits = merge->wish->visits};
    for (uint32_t i = 0; i < merge->key_count; i++) {
        struct wish_column *column = &wish.columns[wish.count++];
        *column = merge->columns[i];
        column->column = key_column(node, right, merge->keys[i]);
        column->any_nulls |= !walked || merge->kind == JOIN_INNER || merge->kind == JOIN_SEMI;
    }
    if (walked && wish.count + merge->rest_count > WISH_MAX)
        return NOT_GIVEN;
    for (uint32_t i = 0; walked && i < merge->rest_count; i++) {
        if (i < merge->rest_count - merge->rest_loose)
            wish.columns[wish.count++] = merge->rest[i];
        else
            wish.loose[wish.loose_count++] = merge->rest[i].column;
    }
    return plan_give_order(merge->frame, side, &wish);
}

static double sides_give(const struct merge *merge, bool applies) {
    double left = side_gives(merge, false, applies);
    double right = left < 0 ? NOT_GIVEN : side_gives(merge, true, applies);
    if (right < 0)
        return NOT_GIVEN;
    const struct plan_node *node = merge->node;
    double share = merge->wish->rows < 0 ? 1 : fmin(merge->wish->rows / fmax(node->rows, 1), 1);
    return left + right +
           share * ((node->left->rows + node->right->rows) * COST_MERGE_ROW +
                    node->rows * COST_MERGE_OUTPUT);
}

/* Keys without a place yet come in any order, all up or all down: the cheapest that the sides give.
   The first `loose` of them come first. */
static double order_free_keys(struct merge *merge, uint32_t loose) {
    struct merge best = *merge;
    double cost = NOT_GIVEN;
    uint32_t first = merge->placed, count = merge->key_count - first;
    if (count > FREE_KEYS_MAX)
        return NOT_GIVEN;
    bool swaps = count == 2 && loose != 1;
    for (uint32_t turn = 0; turn < (count == 0 ? 1u : swaps ? 4u : 2u); turn++) {
        struct merge tried = *merge;
        for (uint32_t i = first; i < merge->key_count; i++)
            tried.columns[i] = (struct wish_column){.descending = turn & 1, .any_nulls = true};
        if (turn & 2) {
            tried.keys[first] = merge->keys[first + 1];
            tried.keys[first + 1] = merge->keys[first];
        }
        double one = sides_give(&tried, false);
        if (one < 0 || (cost >= 0 && cost <= one))
            continue;
        cost = one;
        best = tried;
    }
    *merge = best;
    return cost;
}

/* ---- the node ------------------------------------------------------------------------------- */

static double try_merge(struct merge *merge) {
    uint32_t loose;
    for (uint32_t k = 0; k < merge->key_count; k++)
        merge->keys[k] = k;
    for (uint32_t i = 0; i < merge->wish->count; i++)
        if (!place(merge, &merge->wish->columns[i]))
            return NOT_GIVEN;
    return place_loose(merge, &loose) ? order_free_keys(merge, loose) : NOT_GIVEN;
}

static enum status reorder(const struct merge *merge) {
    struct plan_node *node = merge->node;
    struct binder *b = merge->frame->p->b;
    struct expression **left, **right;
    bool *descending;
    TRY(BIND_ARRAY(b, merge->key_count, &left));
    TRY(BIND_ARRAY(b, merge->key_count, &right));
    TRY(BIND_ARRAY(b, merge->key_count, &descending));
    for (uint32_t i = 0; i < merge->key_count; i++) {
        left[i] = node->join.left_keys[merge->keys[i]];
        right[i] = node->join.right_keys[merge->keys[i]];
        descending[i] = merge->columns[i].descending;
    }
    node->join.left_keys = left;
    node->join.right_keys = right;
    node->join.descending = descending;
    return STATUS_OK;
}

static void make_merge_join(const struct merge *merge) {
    struct plan_node *node = merge->node;
    sides_give(merge, true);
    node->join.left_unique = side_unique(node, false);
    node->join.right_unique = side_unique(node, true);
    if (reorder(merge) != STATUS_OK)
        return; /* no memory: the statement fails */
    node->kind = NODE_MERGE_JOIN;
    node->join.keeps_left = merge->walks_right;
    node->start_cost = node->left->start_cost + node->right->start_cost;
    node->total_cost = node->left->total_cost + node->right->total_cost +
                       (node->left->rows + node->right->rows) * COST_MERGE_ROW +
                       node->rows * COST_MERGE_OUTPUT;
}

/* The cheapest way; NOT_GIVEN: there is none. */
static double find_merge(struct frame *frame, struct plan_node *node, const struct wish *wish,
                         struct merge *best) {
    enum join_kind kind = join_from_right(node->join.kind);
    bool either = kind == JOIN_INNER || kind == JOIN_FULL;
    double cost = NOT_GIVEN;
    if (node->join.key_count > MERGE_KEYS_MAX || !are_columns(node))
        return NOT_GIVEN;
    for (int right = 0; right < 2; right++) {
        bool walks_right = right;
        struct merge merge = {.frame = frame,
                              .node = node,
                              .wish = wish,
                              .kind = kind,
                              .walks_right = walks_right,
                              .key_count = node->join.key_count};
        if (!either && walks_right != (kind != node->join.kind))
            continue;
        double one = try_merge(&merge);
        bool keeps_one = side_unique(node, !walks_right) && !side_unique(node, walks_right);
        if (one < 0 || (cost >= 0 && one >= cost && !(one == cost && keeps_one)))
            continue;
        cost = one;
        *best = merge;
    }
    return cost;
}

double plan_merge_gives(struct frame *frame, struct plan_node *node, const struct wish *wish) {
    struct merge merge;
    if (node->join.kind == JOIN_FULL || (wish->fixed && node->kind != NODE_MERGE_JOIN))
        return NOT_GIVEN;
    double cost = find_merge(frame, node, wish, &merge);
    if (cost >= 0 && wish->applies)
        make_merge_join(&merge);
    return cost;
}

void plan_merge_given(struct frame *frame, struct plan_node *node) {
    uint32_t visits = WISH_VISITS;
    struct wish wish = {.rows = -1, .fixed = true, .visits = &visits};
    struct merge merge;
    double cost = find_merge(frame, node, &wish, &merge);
    visits = UINT32_MAX;
    if (cost >= 0 && cost < node->total_cost)
        make_merge_join(&merge);
}
