/* Conditions of a scan as tests of stored columns (table_scan_options). Private to exec. */
#ifndef EXEC_SCAN_TEST_H
#define EXEC_SCAN_TEST_H

#include "exec/exec_state.h"

/* Sets the options' tests: the conjuncts of the scan node's filter, and of its index condition when
   options->index is not used, that compare a column with a value known now, and its tests and
   filters from joins that are built and the threshold of a sort. All in `arena`. The node's filter
   stays to be evaluated: tests only leave out rows early. */
enum status exec__scan_tests(struct fiber *f, struct exec_local *local,
                             const struct plan_node *node, struct arena *arena,
                             struct table_scan_options *options) MUST_USE;

#endif
