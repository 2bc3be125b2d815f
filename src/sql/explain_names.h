/*
 * What EXPLAIN calls the columns that the nodes of a plan hand on, and the slots: the user's names.
 * A column of a scan is alias.column (column alone when the plan reads one relation only), one that
 * was computed is its expression, and a slot is the text of what it is bound to, as in PostgreSQL.
 * Private to sql.
 */
#ifndef EXPLAIN_NAMES_H
#define EXPLAIN_NAMES_H

#include "sql/sql_plan.h"

struct explain_names {
    struct arena arena;
    bool qualified;             /* more than one relation is read */
    const char *const **output; /* by node id; NULL: not made yet */
    const char **slots;         /* NULL: not known, "outer<n>" */
};

/* Goes through the whole plan. OUT_OF_MEMORY. Released in any case. */
enum status explain_names_init(struct explain_names *names, const struct plan *plan) MUST_USE;
void explain_names_release(struct explain_names *names);

/* Texts of the columns of a node's output, of its input (left ++ right), and of its output without
   aliases, for what a scan tests itself. Valid until the release. */
const char *const *explain_output(struct explain_names *names, const struct plan_node *node);
const char *const *explain_input(struct explain_names *names, const struct plan_node *node);
const char *const *explain_own(struct explain_names *names, const struct plan_node *node);

#endif
