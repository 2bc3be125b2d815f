/*
 * Rows in the order that is wanted without sorting them: an index at the bottom gives the order,
 * and what is above it keeps it. An aggregation whose groups come one after the other hands each
 * out when the next begins.
 *
 * It pays when few rows are wanted (LIMIT): then the index is read only until they are found. Going
 * through an index costs far more for each row than reading all rows, so how many rows it will be
 * is estimated against the plan with a sort. Joins are ordered anew for it: with so few rows of the
 * relation that has the order, they become lookups for each of them.
 */
#include <math.h>
#include <string.h>

#include "sql/plan_graph.h"
#include "sql/plan_ordered.h"

enum { LIMIT_UNKNOWN = 100 }; /* rows, for LIMIT and OFFSET that are parameters */
static const double SORT_ROW_COST = 0.05;

/* The part of the node's rows that is wanted. */
static double share_of(const struct plan_node *node, const struct wish *wish) {
    return wish->rows < 0 ? 1 : fmin(wish->rows / fmax(node->rows, 1), 1);
}

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
        bool nulls_same = wished->nulls_first == column->nulls_first;
        forward &= same && (nulls_same || wished->any_nulls);
        backward &= !same && (!nulls_same || wished->any_nulls);
    }
    *backward_out = !forward;
    return forward || backward;
}

/* Of going through all of the table by an index, until the rows wanted are found. */
static double index_cost(const struct frame *frame, const struct plan_node *node,
                         double rows_wanted) {
    const struct binder *b = frame->p->b;
    double rows = plan_table_rows(b, node->scan.table);
    double visited = rows_wanted * fmax(rows / fmax(node->rows, 1), 1);
    if (node->scan.filter != NULL)
        visited *= FILTERED_RISK;
    return fmin(visited, rows) * plan_lookup_cost(b, node->scan.table);
}

static double scan_gives(struct frame *frame, struct plan_node *node, const struct wish *wish) {
    const struct table *table = node->scan.table;
    bool backward, is_used = node->scan.index != NULL;
    bool may_refuse = node->scan.lower != NULL || node->scan.upper != NULL;
    if (node->scan.any_count > 0 || (wish->rows < 0 && (!is_used || (wish->merges && may_refuse))))
        return NOT_GIVEN;
    for (uint32_t i = 0; i < table->index_count; i++) {
        const struct index *index = table->indexes[i];
        if (!plan_index_usable(frame, index) || (is_used && node->scan.index != index) ||
            !index_fits(node, index, is_used ? node->scan.equal_count : 0, wish, &backward) ||
            (wish->fixed && (!node->scan.ordered || node->scan.backward != backward)))
            continue;
        if (wish->applies) {
            node->scan.index = index;
            node->scan.backward = backward;
            node->scan.ordered = true;
        }
        return is_used ? node->total_cost * share_of(node, wish)
                       : index_cost(frame, node, wish->rows);
    }
    return NOT_GIVEN;
}

/* ---- what keeps the order ------------------------------------------------------------------- */

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

static double child_gives(struct frame *frame, struct plan_node *node, const struct wish *wish) {
    struct wish inner = *wish;
    for (uint32_t i = 0; i < wish->count; i++) {
        inner.columns[i].column = place_below(node, wish->columns[i].column);
        if (inner.columns[i].column == UINT32_MAX)
            return NOT_GIVEN;
    }
    for (uint32_t i = 0; i < wish->loose_count; i++) {
        inner.loose[i] = place_below(node, wish->loose[i]);
        if (inner.loose[i] == UINT32_MAX)
            return NOT_GIVEN;
    }
    if (wish->rows >= 0)
        inner.rows = wish->rows * fmax(node->left->rows / fmax(node->rows, 1), 1);
    double cost = plan_give_order(frame, (struct plan_node *)node->left, &inner);
    double own = fmax(node->total_cost - node->left->total_cost, 0);
    return cost < 0 ? NOT_GIVEN : cost + own * share_of(node, wish);
}

/* Groups come one after the other when all columns that tell them apart are in the order. */
static double groups_give(struct frame *frame, struct plan_node *node, const struct wish *wish) {
    struct wish all = *wish;
    uint32_t keys = node->aggregate.key_count;
    if (keys == 0 || wish->loose_count > 0)
        return NOT_GIVEN;
    for (uint32_t k = 0; k < keys; k++) {
        bool is_wished = node->aggregate.follows != NULL && node->aggregate.follows[k];
        for (uint32_t i = 0; i < wish->count; i++)
            is_wished |= wish->columns[i].column == k;
        if (is_wished)
            continue;
        if (all.count + all.loose_count == WISH_MAX)
            return NOT_GIVEN;
        all.loose[all.loose_count++] = k;
    }
    double cost = child_gives(frame, node, &all);
    if (wish->applies)
        node->aggregate.ordered = true;
    return cost;
}

static bool sorts_by(const struct sort_key *key, const struct wish_column *wished) {
    return key->expression->kind == EXPRESSION_COLUMN && key->expression->index == wished->column &&
           key->descending == wished->descending &&
           (wished->any_nulls || key->nulls_first == wished->nulls_first);
}

static double sort_gives(const struct plan_node *node, const struct wish *wish) {
    if (wish->count + wish->loose_count > node->sort.key_count)
        return NOT_GIVEN;
    for (uint32_t i = 0; i < wish->count; i++)
        if (!sorts_by(&node->sort.keys[i], &wish->columns[i]))
            return NOT_GIVEN;
    for (uint32_t i = 0; i < wish->loose_count; i++) {
        const struct expression *key = node->sort.keys[wish->count + i].expression;
        bool found = false;
        for (uint32_t k = 0; k < wish->loose_count; k++)
            found |= key->kind == EXPRESSION_COLUMN && key->index == wish->loose[k];
        if (!found)
            return NOT_GIVEN;
    }
    return node->total_cost;
}

/* Which rows there are depends on the order below, or others read them, too. */
static double fixed_gives(struct frame *frame, const struct plan_node *node,
                          const struct plan_node *below, const struct wish *wish) {
    struct wish fixed = *wish;
    fixed.rows = -1;
    fixed.fixed = true;
    fixed.applies = false;
    double cost = plan_give_order(frame, (struct plan_node *)below, &fixed);
    return cost < 0 ? NOT_GIVEN : node->total_cost;
}

double plan_give_order(struct frame *frame, struct plan_node *node, const struct wish *wish) {
    if (*wish->visits == 0)
        return NOT_GIVEN;
    --*wish->visits;
    switch (node->kind) {
    case NODE_TABLE_SCAN:
        return scan_gives(frame, node, wish);
    case NODE_FILTER:
    case NODE_PROJECT:
    case NODE_NESTED_LOOP: /* rows of the left child come out in their order */
        return child_gives(frame, node, wish);
    case NODE_AGGREGATE:
        return wish->fixed && !node->aggregate.ordered ? NOT_GIVEN : groups_give(frame, node, wish);
    case NODE_HASH_JOIN:
    case NODE_MERGE_JOIN:
        return plan_merge_gives(frame, node, wish);
    case NODE_SORT:
        return sort_gives(node, wish);
    case NODE_LIMIT:
    case NODE_UNIQUE:
        return fixed_gives(frame, node, node->left, wish);
    case NODE_CTE_SCAN:
        return fixed_gives(frame, node, frame->p->ctes[node->cte_scan.cte], wish);
    default:
        return NOT_GIVEN;
    }
}

/* Have the node give it, if that is cheaper than `cost`. */
static bool order_pays(struct frame *frame, struct plan_node *node, const struct wish *wished,
                       double cost) {
    uint32_t visits = WISH_VISITS;
    struct wish wish = *wished;
    wish.visits = &visits;
    double ordered = plan_give_order(frame, node, &wish);
    if (ordered < 0 || ordered >= cost)
        return false;
    visits = UINT32_MAX;
    wish.applies = true;
    plan_give_order(frame, node, &wish);
    return true;
}

void plan_groups_given(struct frame *frame, struct plan_node *node) {
    uint32_t visits = WISH_VISITS;
    struct wish wish = {.rows = -1, .fixed = true, .visits = &visits};
    if (groups_give(frame, node, &wish) >= 0)
        node->aggregate.ordered = true;
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

static double limit_rows(const struct expression *limit, const struct expression *offset) {
    double rows = limit == NULL ? -1 : bound_of(limit);
    return rows < 0 ? -1 : rows + fmax(bound_of(offset), 0);
}

bool plan_order_given(struct frame *frame, const struct path *path, struct expression *const *keys,
                      const struct expression *limit, const struct expression *offset) {
    const struct query *query = frame->query;
    struct wish wish = {.rows = limit_rows(limit, offset)};
    if (query->sort_count > WISH_MAX)
        return false;
    for (uint32_t i = 0; i < query->sort_count; i++) {
        const struct sort_item *sort = &query->sorts[i];
        if (keys[i]->kind != EXPRESSION_COLUMN)
            return false;
        wish.columns[wish.count++] =
            (struct wish_column){keys[i]->index, sort->descending, sort->nulls_first, false};
    }
    return order_pays(frame, path->node, &wish,
                      path->node->total_cost + path->rows * SORT_ROW_COST);
}

/* ---- joins -------------------------------------------------------------------------------- */

/* The one relation whose columns the query sorts by, and which they are; -1: none. */
static int sorted_relation(const struct query *query, const struct join_graph *graph,
                           struct wish *wish) {
    int relation = -1;
    if (query->sort_count > WISH_MAX)
        return -1;
    for (uint32_t i = 0; i < query->sort_count; i++) {
        const struct sort_item *sort = &query->sorts[i];
        const struct expression *key = query->targets[sort->target].expression;
        if (key->kind != EXPRESSION_VARIABLE || key->variable.level != 0 ||
            (relation >= 0 && key->variable.relation != (uint32_t)relation))
            return -1;
        relation = (int)key->variable.relation;
        const struct plan_node *node = graph->leaves[relation].node;
        uint32_t column = 0;
        if (node == NULL || node->kind != NODE_TABLE_SCAN || node->scan.index != NULL)
            return -1;
        while (column < node->column_count &&
               node->scan.column_numbers[column] != key->variable.column)
            column++;
        if (column == node->column_count)
            return -1;
        wish->columns[wish->count++] =
            (struct wish_column){column, sort->descending, sort->nulls_first, false};
    }
    return relation;
}

/* Is the scan the first of nested loops, so that its order is theirs? */
static bool leads(const struct plan_node *scan, const struct plan_node *node) {
    while (node->kind == NODE_NESTED_LOOP || node->kind == NODE_FILTER ||
           node->kind == NODE_PROJECT)
        node = node->left;
    return node == scan;
}

static bool wants_few(const struct query *query) {
    return query->sort_count > 0 && query->limit != NULL && !query->grouped && !query->distinct &&
           query->distinct_on_count == 0 && query->lock_count == 0 && !query->has_set_functions;
}

/* Join anew, with the sorted relation first and only as many rows of it as are wanted; taken if
   that is cheaper and keeps the order. `leaves`: as they were before joining. */
static enum status order_for_few(struct join_graph *graph, const struct path *leaves,
                                 struct path *path) {
    struct frame *frame = graph->frame;
    const struct query *query = frame->query;
    struct wish wish = {0};
    struct layout empty = {0};
    struct expression *limit, *offset;
    TRY(plan_resolve(frame, &empty, query->limit, &limit));
    TRY(plan_resolve(frame, &empty, query->offset, &offset));
    int relation = sorted_relation(query, graph, &wish);
    wish.rows = limit_rows(limit, offset);
    if (relation < 0 || wish.rows < 0)
        return STATUS_OK;
    const struct path *leaf = &leaves[relation];
    wish.rows *= fmax(leaf->rows / fmax(path->rows, 1), 1);
    if (path->rows < leaf->rows)
        wish.rows *= FILTERED_RISK;
    wish.rows = fmin(wish.rows, leaf->rows);
    double cost = path->node->total_cost + path->rows * SORT_ROW_COST;
    struct plan_node *scan;
    TRY(BIND_ARRAY(frame->p->b, 1, &scan));
    *scan = *leaf->node;
    if (!order_pays(frame, scan, &wish, cost))
        return STATUS_OK;
    scan->rows = wish.rows;
    scan->total_cost = index_cost(frame, leaf->node, wish.rows);
    memcpy(graph->leaves, leaves, sizeof graph->leaves);
    graph->leaves[relation].node = scan;
    graph->leaves[relation].rows = wish.rows;
    struct path few;
    TRY(plan_order(graph, &few));
    if (leads(scan, few.node) && few.node->total_cost < cost)
        *path = few;
    return STATUS_OK;
}

enum status plan_order_or_few(struct join_graph *graph, struct path *path) {
    struct path *leaves = NULL;
    bool few = wants_few(graph->frame->query) && graph->operator_count > 0;
    if (few) {
        TRY(BIND_ARRAY(graph->frame->p->b, RELATIONS_MAX, &leaves));
        memcpy(leaves, graph->leaves, sizeof graph->leaves); /* plan_order changes them */
    }
    TRY(plan_order(graph, path));
    return few ? order_for_few(graph, leaves, path) : STATUS_OK;
}
