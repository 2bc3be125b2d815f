/*
 * Accumulators: what an aggregate remembers of one group. Private to exec.
 *
 * A group's accumulators lie side by side in its tuple (exec_group.h); each kind knows its size.
 * All zero bytes are the state before the first row.
 */
#ifndef EXEC_ACCUMULATE_H
#define EXEC_ACCUMULATE_H

#include "exec/exec_state.h"

struct accumulator;

struct accumulate_call {
    struct fiber *f;
    struct exec_local *local;
    const struct plan_aggregate *aggregate;
    struct arena *arena;    /* of the group table: for strings that are kept */
    uint32_t offset;        /* of this accumulator in a group's tuple */
    uint8_t *only;          /* the tuple all rows belong to; NULL: see groups */
    uint8_t *const *groups; /* by position i */
    const uint16_t *rows;   /* rows[0..count) of the vectors */
    uint32_t count;
    const struct vector *arguments;
};

struct accumulator {
    const char *symbol;
    uint32_t size;
    enum status (*add)(const struct accumulate_call *call);
    /* *result comes as a value of the aggregate's type, not null. */
    enum status (*finish)(const struct accumulate_call *call, void *state, struct value *result);
    /* Fold `from` into `into` (of another worker); NULL: cannot be run in parallel. */
    enum status (*combine)(const struct accumulate_call *call, void *into, const void *from);
    /* `add` also takes decimals in 64 bits (exec_narrow.h), with the scale their vector says. */
    bool takes_narrow;
};

/* Where its state holds a string, whose bytes may lie elsewhere; UINT32_MAX: nowhere, the state is
   all there is. Only for accumulators that can be combined. */
uint32_t exec__accumulator_string(const struct plan_aggregate *aggregate);
/* The accumulator for an aggregate whose argument has this physical form; NULL: none. */
const struct accumulator *exec__accumulator(const struct plan_aggregate *aggregate);

#endif
