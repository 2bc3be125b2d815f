/*
 * What a top-n sort tells the scan below. Private to exec.
 *
 *     Limit n
 *       Sort x, ...        has n rows: nothing behind the nth will be wanted
 *         Filter, joins
 *           Scan           leaves out rows whose x comes behind that of the nth, by zone maps
 * first, before it decodes their other columns
 *
 * The first sort key must be a column that comes unchanged from the scan, which drives all that is
 * between; and nothing on the way may fail or have effects, for it sees fewer rows. Rows whose x is
 * that of the nth stay when there are further keys. Several workers that sort shares of the rows
 * have one threshold: what one of them has is enough for all.
 */
#ifndef EXEC_THRESHOLD_H
#define EXEC_THRESHOLD_H

#include "exec/exec_state.h"

struct threshold {
    const struct plan_node *sort, *scan;
    bool descending, nulls_first, has_more_keys;
    struct table_scan_threshold stored;
    struct threshold *next; /* of the execution's */
};

/* The threshold of a sort node: that of the execution, which for a worker is its parent's, or a new
   one there; NULL: it can have none. */
enum status exec__threshold_open(struct execution *execution, const struct plan_node *sort,
                                 struct threshold **threshold_out) MUST_USE;
/* Before the same rows are sorted anew, and before memory that the tests lie in goes. */
void exec__threshold_clear(struct threshold *threshold);
/* There are n rows not behind one with this value. The test is made in `arena`, unless a stricter
   one is known. */
enum status exec__threshold_set(struct threshold *threshold, const struct value *value,
                                struct arena *arena) MUST_USE;
/* For a scan that begins; NULL: nobody has one for it. */
const struct table_scan_threshold *exec__threshold_of_scan(const struct execution *execution,
                                                           const struct plan_node *scan);

#endif
