/*
 * Wishes for rows in some order, and what having it costs (private to plan_ordered.c and
 * plan_merge.c).
 */
#ifndef SQL_PLAN_ORDERED_H
#define SQL_PLAN_ORDERED_H

#include "sql/plan.h"

enum {
    WISH_MAX = 16,      /* columns */
    WISH_VISITS = 1000, /* of nodes, for one question: several orders of a join's keys are tried */
};
/* Rows that pass a filter, or have a partner, may lie at the index's end. */
static const double FILTERED_RISK = 4;

struct wish {
    uint32_t count;
    struct wish_column {
        uint32_t column; /* of the node's rows */
        bool descending, nulls_first;
        bool any_nulls; /* NULLs may be on either end */
    } columns[WISH_MAX];
    uint32_t loose_count; /* these come after, in any order, up or down */
    uint32_t loose[WISH_MAX];
    double rows;      /* of the node that are wanted; < 0: all */
    bool merges;      /* for a merge join: an index range that may turn out to be large, so that
                         reading all rows is better, is not to be relied on */
    bool fixed;       /* the node stays as it is: others rely on its order */
    bool applies;     /* change the nodes so that they give it; they have been asked before */
    uint32_t *visits; /* left */
};

static const double NOT_GIVEN = -1;

/* The cost of the wanted rows of the node in this order; NOT_GIVEN: it cannot have it. */
double plan_give_order(struct frame *frame, struct plan_node *node, const struct wish *wish);
/* The same of a join by keys, which becomes a merge join (plan_merge.c). */
double plan_merge_gives(struct frame *frame, struct plan_node *node, const struct wish *wish);

#endif
