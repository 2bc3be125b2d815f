/*
 * Rows in the order that is wanted without sorting them: an index at the bottom gives the order,
 * and what is above it keeps it. An aggregation whose groups come one after the other hands each
 * out when the next begins.
 *
 * It pays when few rows are wanted (LIMIT): then the index is read only until they are found. Going
 * through an index costs far more for each row than reading all rows, so how many rows it will be
 * is estimated against the plan with a sort.
 */
#include <math.h>
#include <string.h>

#include "sql/plan.h"

enum {
    WISH_MAX = 16,       /* columns */
    LIMIT_UNKNOWN = 100, /* rows, for LIMIT and OFFSET that are parameters */
};
/* Rows that pass a filter may lie at the index's end. */
static const double FILTERED_RISK = 4;
static const double SORT_ROW_COST = 0.05;

struct wish {
    uint32_t count;
    struct wish_column {
        uint32_t column; /* of the node's rows */
        bool descending, nulls_first;
    } columns[WISH_MAX];
    uint32_t loose_count; /* these come after, in any order, up or down */
    uint32_t loose[WISH_MAX];
    double rows; /* of the node that are wanted; < 0: all */
    double cost; /* of what is had without the order */
};

/* ---- an index ----------------------------------------------------------------------------- */

static bool has_loose(const struct plan_node *node, const struct wish *wish, int16_t number) {
    for (uint32_t i = 0; i < wish->loose_count; i++)
        if (node->scan.column_numbers[wish->loose[i]] == number)
            return true;
    return false;
}

/* Do the index's columns behind the first `skip` begin as wished? */
static bool index_fits(const struct plan_node *node, const struct index *index, uint32_t skip,
                       const struct wish *wish, bool *backward_out) {
    bool forward = true, backward = true;
    uint32_t wanted = wish->count + wish->loose_count;
    if (skip + wanted > index->column_count)
        return false;
    for (uint32_t i = 0; i < wanted; i++) {
        const struct index_column *column = &index->columns[skip + i];
        if (i >= wish->count) {
            if (!has_loose(node, wish, column->column_number))
                return false;
            continue;
        }
        const struct wish_column *wished = &wish->columns[i];
        if (node->scan.column_numbers[wished->column] != column->column_number)
            return false;
        bool same = wished->descending == column->descending;
        forward &= same && wished->nulls_first == column->nulls_first;
        backward &= !same && wished->nulls_first != column->nulls_first;
    }
    *backward_out = !forward;
    return forward || backward;
}

/* All of the table through an index, until the rows wanted are found. */
static bool index_pays(const struct frame *frame, const struct plan_node *node,
                       const struct wish *wish) {
    const struct binder *b = frame->p->b;
    double rows = plan_table_rows(b, node->scan.table);
    double found = fmax(node->rows, 1);
    double visited = wish->rows * fmax(rows / found, 1);
    if (wish->rows < 0)
        return false;
    if (node->scan.filter != NULL)
        visited *= FILTERED_RISK;
    return fmin(visited, rows) * plan_lookup_cost(b, node->scan.table) < wish->cost;
}

static bool scan_gives(struct frame *frame, struct plan_node *node, const struct wish *wish) {
    const struct table *table = node->scan.table;
    bool backward;
    if (node->scan.any_count > 0)
        return false;
    for (uint32_t i = 0; i < table->index_count; i++) {
        const struct index *index = table->indexes[i];
        bool is_used = node->scan.index != NULL;
        if (!plan_index_usable(frame, index) || (is_used && node->scan.index != index) ||
            !index_fits(node, index, is_used ? node->scan.equal_count : 0, wish, &backward) ||
            (!is_used && !index_pays(frame, node, wish)))
            continue;
        node->scan.index = index;
        node->scan.backward = backward;
        node->scan.ordered = true;
        return true;
    }
    return false;
}

/* ---- what keeps the order ------------------------------------------------------------------- */

static bool give_order(struct frame *frame, struct plan_node *node, const struct wish *wish);

/* Which of its left child's columns a column of the node is; UINT32_MAX: none. */
static uint32_t place_below(const struct plan_node *node, uint32_t column) {
    const struct expression *expression;
    switch (node->kind) {
    case NODE_PROJECT:
        expression = node->project.expressions[column];
        break;
    case NODE_AGGREGATE:
        if (column >= node->aggregate.key_count)
            return UINT32_MAX;
        expression = node->aggregate.keys[column];
        break;
    case NODE_NESTED_LOOP:
        column = node->nested_loop.output[column];
        return column < node->left->column_count ? column : UINT32_MAX;
    default:
        return column;
    }
    return expression->kind == EXPRESSION_COLUMN ? expression->index : UINT32_MAX;
}

static bool child_gives(struct frame *frame, struct plan_node *node, const struct wish *wish) {
    struct wish inner = *wish;
    for (uint32_t i = 0; i < wish->count; i++) {
        inner.columns[i].column = place_below(node, wish->columns[i].column);
        if (inner.columns[i].column == UINT32_MAX)
            return false;
    }
    for (uint32_t i = 0; i < wish->loose_count; i++) {
        inner.loose[i] = place_below(node, wish->loose[i]);
        if (inner.loose[i] == UINT32_MAX)
            return false;
    }
    if (wish->rows >= 0)
        inner.rows = wish->rows * fmax(node->left->rows / fmax(node->rows, 1), 1);
    return give_order(frame, (struct plan_node *)node->left, &inner);
}

/* Groups come one after the other when all columns that tell them apart are in the order. */
static bool groups_give(struct frame *frame, struct plan_node *node, const struct wish *wish) {
    struct wish all = *wish;
    uint32_t keys = node->aggregate.key_count;
    if (keys == 0 || wish->loose_count > 0)
        return false;
    for (uint32_t k = 0; k < keys; k++) {
        bool is_wished = node->aggregate.follows != NULL && node->aggregate.follows[k];
        for (uint32_t i = 0; i < wish->count; i++)
            is_wished |= wish->columns[i].column == k;
        if (is_wished)
            continue;
        if (all.count + all.loose_count == WISH_MAX)
            return false;
        all.loose[all.loose_count++] = k;
    }
    node->aggregate.ordered = child_gives(frame, node, &all);
    return node->aggregate.ordered;
}

static bool give_order(struct frame *frame, struct plan_node *node, const struct wish *wish) {
    switch (node->kind) {
    case NODE_TABLE_SCAN:
        return scan_gives(frame, node, wish);
    case NODE_FILTER:
    case NODE_PROJECT:
    case NODE_NESTED_LOOP: /* rows of the left child come out in their order */
        return child_gives(frame, node, wish);
    case NODE_AGGREGATE:
        return groups_give(frame, node, wish);
    default:
        return false;
    }
}

/* ---- LIMIT -------------------------------------------------------------------------------- */

/* NULL: 0. < 0: all. */
static double bound_of(const struct expression *bound) {
    if (bound == NULL)
        return 0;
    if (bound->kind != EXPRESSION_CONSTANT)
        return LIMIT_UNKNOWN;
    return bound->value.is_null ? -1 : fmax((double)bound->value.int64, 0);
}

static double rows_wanted(const struct expression *limit, const struct expression *offset) {
    double rows = limit == NULL ? -1 : bound_of(limit);
    return rows < 0 ? -1 : rows + fmax(bound_of(offset), 0);
}

bool plan_order_given(struct frame *frame, const struct path *path, struct expression *const *keys,
                      const struct expression *limit, const struct expression *offset) {
    const struct query *query = frame->query;
    struct wish wish = {.rows = rows_wanted(limit, offset),
                        .cost = path->node->total_cost + path->rows * SORT_ROW_COST};
    if (query->sort_count > WISH_MAX)
        return false;
    for (uint32_t i = 0; i < query->sort_count; i++) {
        const struct sort_item *sort = &query->sorts[i];
        if (keys[i]->kind != EXPRESSION_COLUMN)
            return false;
        wish.columns[wish.count++] =
            (struct wish_column){keys[i]->index, sort->descending, sort->nulls_first};
    }
    return give_order(frame, path->node, &wish);
}
