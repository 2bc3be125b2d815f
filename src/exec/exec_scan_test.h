/* Conditions of a scan as tests of stored columns (table_scan_options). Private to exec. */
#ifndef EXEC_SCAN_TEST_H
#define EXEC_SCAN_TEST_H

#include "exec/exec_state.h"

/* Sets the options' tests: the conjuncts of the scan node's filter, and of its index condition when
   options->index is not used, that compare a column with a value known now, and its tests and
   filters from joins that are built and the threshold of a sort. All in `arena`. The node's filter
   stays to be evaluated on rows that have not gone through all tests, and rest[0 .. rest_count) on
   those that have (table_scan_has_tested): the conjuncts that no test stands for. Which these are
   depends on the node and on options->index alone. */
struct exec_scan_rest {
    struct expression **conjuncts;
    uint32_t count, tested_count; /* tested: of the others */
};
enum status exec__scan_tests(struct fiber *f, struct exec_local *local,
                             const struct plan_node *node, struct arena *arena,
                             struct table_scan_options *options, struct exec_scan_rest *rest_out)
    MUST_USE;

#endif
