/* Conditions of a scan as tests of stored columns (table_scan_options). Private to exec. */
#ifndef EXEC_SCAN_TEST_H
#define EXEC_SCAN_TEST_H

#include "exec/exec_state.h"

/* The conjuncts of the scan node's filter that compare a column with a value known now, in `arena`
   with their values; *count_out 0: none. The filter itself stays to be evaluated: tests only leave
   out rows early. */
enum status exec__scan_tests(struct fiber *f, struct exec_local *local,
                             const struct plan_node *node, struct arena *arena,
                             const struct table_scan_test **tests_out, size_t *count_out) MUST_USE;

#endif
