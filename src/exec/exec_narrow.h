/*
 * Decimal arithmetic in 64 bits while the values are small. Private to exec.
 *
 * The type of a product or sum of decimals promises digits for every value its arguments could
 * have: price * (1 - discount) * (1 + tax) would need 47. The values at hand rarely come near. So a
 * tree of + - * over columns and constants of known scale is computed in 64 bits, watching for
 * overflow; only a batch that overflows is computed in the form the types ask for. Sums take the
 * 64-bit values as they are, everybody else gets them widened.
 */
#ifndef EXEC_NARROW_H
#define EXEC_NARROW_H

#include "exec/exec_state.h"

struct narrow;

/* The tree below a call, NULL when it is none. `arguments` are the call's, compiled. Lives in
   local->arena. */
struct narrow *exec__narrow_make(struct exec_local *local, struct compiled *compiled);
/* *vector is FLAT, INT64, numeric with its scale, by row; *fits_out false: the values are too
   large, and *vector says nothing. Valid until the next evaluation. */
enum status exec__narrow_evaluate(struct fiber *f, struct narrow *narrow, const struct batch *input,
                                  const uint16_t *rows, uint32_t count, struct arena *arena,
                                  struct vector *vector, bool *fits_out) MUST_USE;

/* exec_vector.c: the parts of a compiled expression; arguments as many as the expression has. */
const struct expression *exec__compiled_expression(const struct compiled *compiled);
struct compiled *exec__compiled_argument(const struct compiled *compiled, uint32_t i);
/* Evaluate in 64 bits if the expression is such a tree and the values are small. */
enum status exec__evaluate_narrow(struct fiber *f, struct compiled *compiled,
                                  const struct batch *input, const uint16_t *rows, uint32_t count,
                                  struct arena *arena, struct vector *result, bool *done_out)
    MUST_USE;

#endif
