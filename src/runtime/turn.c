#include "runtime/turn.h"

/* A class earns 1 / SHARE of the time of the classes above it. */
static const uint64_t share[TURN_CLASS_COUNT] = {1, 1, 9};

int turn__choose(const struct turns *turns, unsigned ready) {
    for (int class = TURN_CLASS_COUNT - 1; class > 0; class --)
        if ((ready >> class & 1) && turns->earned[class] >= turns->slice[class])
            return class;
    return ready == 0 ? -1 : __builtin_ctz(ready);
}

static void count(struct turns *turns, int class, uint64_t ticks) {
    struct turn_figures *figures = &turns->figures[class];
    uint64_t us = ticks / turns->ticks_per_us;
    unsigned bucket = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);
    if (bucket >= TURN_LENGTH_COUNT)
        bucket = TURN_LENGTH_COUNT - 1;
    /* Only this core writes: no read-modify-write is needed. */
    _Atomic uint64_t *length = &figures->lengths[bucket];
    atomic_store_explicit(length, atomic_load_explicit(length, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&figures->ticks,
                          atomic_load_explicit(&figures->ticks, memory_order_relaxed) + ticks,
                          memory_order_relaxed);
    if (ticks > atomic_load_explicit(&figures->longest, memory_order_relaxed))
        atomic_store_explicit(&figures->longest, ticks, memory_order_relaxed);
}

uint64_t turn__length(const struct turns *turns, int class) {
    return turns->rest[class] != 0 ? turns->rest[class] : turns->slice[class];
}

void turn__used(struct turns *turns, int class, uint64_t ticks, bool broken_off, unsigned ready) {
    count(turns, class, ticks);
    uint64_t length = turn__length(turns, class);
    turns->rest[class] = broken_off && ticks < length ? length - ticks : 0;
    uint64_t earned = turns->earned[class];
    turns->earned[class] = ticks < earned ? earned - ticks : 0;
    for (int lower = class + 1; lower < TURN_CLASS_COUNT; lower++)
        turns->earned[lower] = ready >> lower & 1 ? turns->earned[lower] + ticks / share[lower] : 0;
}
