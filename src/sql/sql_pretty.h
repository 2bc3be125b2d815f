/*
 * Stored expressions as a person reads them.
 *
 * What the catalog keeps of a CHECK or a DEFAULT has every pair of parentheses: pg_get_expr(x, y)
 * gives it as it is. With its last argument true, as psql asks, the needless ones are left out by
 * PostgreSQL's rules: ((price > (0)::numeric)) becomes price > 0::numeric.
 */
#ifndef SQL_PRETTY_H
#define SQL_PRETTY_H

#include "base/base_buffer.h"
#include "base/base_status.h"
#include "runtime/runtime.h"

/* Append `text`, a stored expression, to the buffer. A text that is not one is appended as it is.
   Suspends only for the large stack. */
enum status sql_pretty(struct fiber *f, const char *text, struct buffer *buffer) MUST_USE;

#endif
