/*
 * EXPLAIN: a plan as lines of text in PostgreSQL's shape.
 *
 *     Hash Join  (cost=1.09..2.19 rows=4 width=8) (actual time=0.020..0.030 rows=4 loops=1)
 *       Hash Cond: (a.x = b.x)
 */
#ifndef SQL_EXPLAIN_H
#define SQL_EXPLAIN_H

#include "base/base_buffer.h"
#include "base/base_status.h"
#include "sql/sql.h"

/* What happened at one node; the execution room fills one for each node id. Times are monotonic
   nanoseconds spent until the first and the last row, children included. */
struct explain_node_statistics {
    uint64_t rows, loops, batches;
    int64_t start_ns, total_ns;
    uint64_t removed_rows; /* by a filter */
    uint64_t memory_bytes; /* most held at a time; 0: not said */
    uint64_t spilled_bytes;
    /* of a scan of all rows: column blocks met, of which nothing but the least and greatest values
       mattered, bytes of their chunks, chunks read ahead from disk, and rows outside of them */
    uint64_t blocks, blocks_skipped, block_bytes, chunks_ahead, hot_rows;
    uint64_t
        refused_entries; /* so many in an index's range that all rows were read instead; or 0 */
};
struct explain_statistics {
    uint32_t node_count;
    const struct explain_node_statistics *nodes;
};

/* Append the lines, each ended by '\n'. statistics NULL: EXPLAIN without ANALYZE. Does not add
   Planning and Execution Time; the session knows them. */
enum status explain_plan(const struct statement_explain *options, const struct plan *plan,
                         const struct explain_statistics *statistics, struct buffer *buffer)
    MUST_USE;
/* An expression in canonical SQL (as pg_get_expr shows it). Columns and slots are written as these
   texts say; NULL, of all or of one, shows column<n> and outer<n>. */
enum status expression_deparse(const struct expression *expression, const char *const *columns,
                               const char *const *slots, struct buffer *buffer) MUST_USE;

#endif
