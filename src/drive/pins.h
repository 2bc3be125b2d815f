/*
 * Pins: how many handles, iterators and calls hold a view (store.h).
 *
 * A get takes a pin and its handle gives it back. With a locked instruction for each, which also
 * keeps the processor from looking ahead to the next get, that was a sixth of a small get's time.
 * So as long as the pins are open each thread counts in a place of its own, with plain stores. One
 * may give back what another took: only the sum of all places says something.
 *
 *     open      own[thread_slot()] += n     `shared` has OPEN in it and cannot become 0
 *     retired   shared += n                 0: the view dies
 *
 * Retiring: `retired` is set, thread_barrier(), wait until nobody is between looking at the mark
 * and counting (`visits`), add the sum of the places to `shared`, take OPEN away. The barrier sees
 * to it that whoever did not see the mark is seen inside, or has counted already
 * (runtime_thread.h). Threads without a slot always count in `shared`.
 */
#ifndef DRIVE_PINS_H
#define DRIVE_PINS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/base_status.h"
#include "runtime/runtime_thread.h"

struct pins {
    _Atomic uint64_t shared; /* 0: dead */
    _Atomic bool retired;
    struct {
        _Alignas(64) _Atomic int64_t count;
    } own[THREAD_SLOTS];
};

/* One for each slot, for all stores of the process. */
struct pins_visit {
    _Alignas(64) _Atomic bool inside;
};
extern struct pins_visit pins__visits[THREAD_SLOTS];

/* With one pin, which is the caller's. Nobody knows of them yet. */
void pins_open(struct pins *pins);
/* No visit can begin any more that does not see what the caller has changed before. Gives back the
   pin of pins_open; true: it was the last. */
bool pins_retire(struct pins *pins) MUST_USE;

/* A visit: what is read and counted in it counts as done at once for pins_retire. */
static inline void visit_begin(int slot) {
    atomic_store_explicit(&pins__visits[slot].inside, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* thread_barrier() has the other half */
}
static inline void visit_end(int slot) {
    atomic_store_explicit(&pins__visits[slot].inside, false, memory_order_release);
}

/* In a visit that found the pins open. */
static inline void pins_count(struct pins *pins, int slot, int64_t number) {
    _Atomic int64_t *count = &pins->own[slot].count;
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + number,
                          memory_order_relaxed);
}

static inline bool pins__count_open(struct pins *pins, int64_t number) {
    int slot = thread_slot_now();
    if (__builtin_expect(slot < 0, false))
        return false;
    visit_begin(slot);
    bool open = !atomic_load_explicit(&pins->retired, memory_order_relaxed);
    if (__builtin_expect(open, true))
        pins_count(pins, slot, number);
    visit_end(slot);
    return open;
}

/* More, by somebody who has one. */
static inline void pins_add(struct pins *pins, uint64_t number) {
    if (pins__count_open(pins, (int64_t)number))
        return;
    uint64_t before = atomic_fetch_add_explicit(&pins->shared, number, memory_order_relaxed);
    ASSERT(before > 0);
}

/* True: those were the last, and what the others did before giving back theirs has happened. */
static inline bool pins_drop(struct pins *pins, uint64_t number) {
    return !pins__count_open(pins, -(int64_t)number) &&
           atomic_fetch_sub_explicit(&pins->shared, number, memory_order_acq_rel) == number;
}

/* Without a slot, of pins that may be dead: false then. */
static inline bool pins_try(struct pins *pins) {
    uint64_t count = atomic_load_explicit(&pins->shared, memory_order_relaxed);
    while (count != 0) {
        if (atomic_compare_exchange_weak_explicit(&pins->shared, &count, count + 1,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    }
    return false;
}

#endif
