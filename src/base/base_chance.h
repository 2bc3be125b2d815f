/*
 * Places where what is rare in a server is made common in the simulator: a wait where there mostly
 * is none, the smallest batch, a spill, a checkpoint at once. A place says what would happen and
 * asks whether it shall:
 *
 *      if (layer->bytes > bytes_max || by_chance("txn: a history spills early"))
 *
 * Both answers must be right at every place: tests choose between things that a server may do, they
 * make nothing fail. Without a simulator the answer is false and costs a predictable branch.
 */
#ifndef BASE_CHANCE_H
#define BASE_CHANCE_H

#include <stdbool.h>
#include <stddef.h>

/* Tests: who answers; NULL: nobody does. For programs of one thread. `place` is a literal, the same
   pointer each time that a place asks. */
void chance_set(bool (*answer)(const char *place));

extern bool (*base__chance)(const char *place);
static inline bool by_chance(const char *place) {
    return __builtin_expect(base__chance != NULL, 0) && base__chance(place);
}

#endif
