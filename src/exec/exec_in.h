/* x IN (constants): the constants are looked up in a table made at first use. */
#ifndef EXEC_IN_H
#define EXEC_IN_H

#include "exec/exec_state.h"

struct in_set;

/* Of what stands behind the first argument of an IN; in the local's arena. */
enum status exec__in_set_make(struct fiber *f, struct exec_local *local,
                              const struct expression *expression, struct in_set **set_out)
    MUST_USE;
/* A boolean for each row into `result`, which has the NULLs of `left`. */
void exec__in_set_find(const struct in_set *set, const struct vector *left, const uint16_t *rows,
                       uint32_t count, bool negated, struct vector *result);

#endif
