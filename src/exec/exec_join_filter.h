/*
 * Filters that a finished build side lends to the scans below the probe side. Private to exec.
 *
 *     Hash Join a.x = b.y          build b -> the set of y -> scan of a drops rows whose x is not
 *       ...                                                   in it, before it decodes the rest
 *         Scan a
 *       Hash b
 *
 * A key that is a whole number or a date is followed down the left child, through filters,
 * projections, other joins and group keys, to the column of a table scan. If there is one, the
 * builders note the least and the greatest key and, when all are there, the set of keys: a bitmap
 * where the range is dense, else a Bloom filter of 64-bit words (Putze, Sanders, Singler 2007:
 * "Cache-, hash- and space-efficient Bloom filters"). The scan tests range and set; a filter that
 * drops little is given up. Only for joins that drop left rows without a partner.
 */
#ifndef EXEC_JOIN_FILTER_H
#define EXEC_JOIN_FILTER_H

#include "exec/exec_tuple.h"

enum { JOIN_FILTERS_MAX = 4 }; /* of one join */

struct join_filter {
    uint32_t key;                 /* of the join's keys; its column in the tuple */
    const struct plan_node *scan; /* who may use it */
    uint32_t column;              /* of the scan's row */
    int64_t min, max;             /* none: min > max */
    uint64_t *words;              /* NULL: range only */
    uint64_t hash_mask;           /* Bloom: words - 1; 0: bit i stands for min + i */
    bool published;
    struct join_filter *next; /* of the execution's */
};

/* The filters that the join can have: *count_out of them, with an empty range. */
enum status exec__join_filters_open(const struct plan_node *join, struct arena *arena,
                                    struct join_filter **filters_out, uint32_t *count_out) MUST_USE;
/* Widen [*min, *max] by the keys of the rows (nulls left out). */
void exec__join_filter_range(const struct vector *vector, const uint16_t *rows, uint32_t count,
                             int64_t *min, int64_t *max);
/* Room for the set of `count` keys, once the range is known; in `arena`. No memory: none. */
void exec__join_filter_room(struct join_filter *filter, uint64_t count, struct arena *arena);
/* The key of a tuple that is not null. `shared`: other cores add, too. */
void exec__join_filter_add(struct join_filter *filter, const struct tuple_column *column,
                           const uint8_t *tuple, bool shared);
/* Let scans see it, or see it no more. */
void exec__join_filter_publish(struct execution *execution, struct join_filter *filter);
void exec__join_filter_withdraw(struct execution *execution, struct join_filter *filter);

/* What a scan node finds when it begins: added to tests[*test_count ..] and
   filters[*filter_count ..], which have room for exec__scan_filter_count of each. */
uint32_t exec__scan_filter_count(const struct execution *execution, const struct plan_node *scan);
enum status exec__scan_filters(const struct execution *execution, const struct plan_node *scan,
                               struct arena *arena, struct table_scan_test *tests,
                               size_t *test_count, struct table_scan_filter *filters,
                               size_t *filter_count) MUST_USE;

#endif
