/*
 * Whose turn it is. A *turn* is a stretch of one core's time that goes to the fibers of one class;
 * core_loop.c measures them, here is the rule by which they are given. Times are in ticks and come
 * from outside, so the rule can be tested without a clock.
 *
 * The highest class with ready fibers goes first. While it runs, each lower class that also has
 * ready fibers earns a part of that time, and once it has earned a whole turn it gets one:
 *
 *      normal       as much as latency used: half of the core, if both always want it
 *      background   a ninth of what the others used: a tenth of the core
 *
 * A turn that is broken off for a higher class keeps its rest, and its fiber its place, so that
 * fibers of a lower class still change places only once a whole turn is over.
 *
 * What a class gets beyond what it has earned, because nobody above was ready, it does not owe.
 */
#ifndef TURN_H
#define TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { TURN_CLASS_COUNT = 3, TURN_LENGTH_COUNT = 20 };

/* One core writes it, anyone reads. */
struct turn_figures {
    _Atomic uint64_t ticks, longest;
    _Atomic uint64_t
        lengths[TURN_LENGTH_COUNT]; /* [b]: turns of less than 2^b us, the last: more */
};

struct turns {
    uint64_t slice[TURN_CLASS_COUNT]; /* the length of a turn */
    uint64_t ticks_per_us;
    uint64_t earned[TURN_CLASS_COUNT];
    uint64_t rest[TURN_CLASS_COUNT]; /* of a turn that was broken off; 0: none */
    struct turn_figures figures[TURN_CLASS_COUNT];
};

/* The class whose turn it is, of those whose bit is set in `ready`; -1 when none is. */
int turn__choose(const struct turns *turns, unsigned ready);
/* How long it may take: a slice, or what is left of one. */
uint64_t turn__length(const struct turns *turns, int class);
/* A turn of `class` took so long; `ready` are those who waited when it was over. `broken_off`: the
   class goes on where it stopped. */
void turn__used(struct turns *turns, int class, uint64_t ticks, bool broken_off, unsigned ready);

#endif
