/*
 * What ANALYZE knows of a table's columns.
 *
 * One pass over the rows: null counts, widths and a HyperLogLog sketch of every column from all
 * rows, and a reservoir of STATISTICS_ROWS rows, from which come the most common values, an
 * equi-depth histogram of the others, and a small sample of whole rows that the planner tries
 * conditions on. Kept in satori_statistic, one row a column, and in every schema.
 *
 * Lists are bodies of text arrays (value_array.h) in the output form of the column's type. Row k
 * of the sample is element k of each column's list.
 */
#ifndef TABLE_STATISTICS_H
#define TABLE_STATISTICS_H

#include "base/base_slice.h"
#include "txn/txn.h"

enum {
    STATISTICS_ROWS = 8192,  /* in the reservoir */
    STATISTICS_SAMPLE = 512, /* rows of the sample that is kept */
    STATISTICS_BOUNDS = 101, /* of the histogram */
    STATISTICS_COMMON = 50,  /* most common values at most */
    STATISTICS_WIDTH = 256,  /* longer texts are cut */
};

struct table_column_statistics {
    int16_t number; /* 0: not analyzed */
    float null_share;
    int32_t average_width;
    float distinct; /* > 0: so many; < 0: this share of the rows, negated; as pg_stats.n_distinct */
    struct slice common_values, common_shares; /* descending by share; shares of all rows */
    struct slice histogram;
    struct slice sample;
};

struct table;
struct table_context;

struct table_statistics {
    double rows;
    uint16_t column_count;
    struct table_column_statistics *columns; /* [number - 1] */
};

/* Read the whole table at the context's snapshot; results in context->arena. Suspends; yields to
   others between batches. */
enum status table_statistics_collect(struct fiber *f, const struct table_context *context,
                                     const struct table *table,
                                     struct table_statistics *statistics_out) MUST_USE;

#endif
