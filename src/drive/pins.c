#include "drive/pins.h"

#define OPEN ((uint64_t)1 << 62)

struct pins_visit pins__visits[THREAD_SLOTS];

void pins_open(struct pins *pins) {
    for (int i = 0; i < THREAD_SLOTS; i++)
        atomic_store_explicit(&pins->own[i].count, 0, memory_order_relaxed);
    atomic_store_explicit(&pins->retired, false, memory_order_relaxed);
    atomic_store_explicit(&pins->shared, OPEN + 1, memory_order_release);
}

/* A visit is some instructions long, unless its thread is put to sleep in it; and there is more
   between two visits than in one. */
static void wait_for_visits(void) {
    for (int i = 0; i < THREAD_SLOTS; i++) {
        while (atomic_load_explicit(&pins__visits[i].inside, memory_order_acquire))
            thread_pause();
    }
}

bool pins_retire(struct pins *pins) {
    atomic_store_explicit(&pins->retired, true, memory_order_seq_cst);
    thread_barrier();
    wait_for_visits();
    int64_t sum = 0;
    for (int i = 0; i < THREAD_SLOTS; i++)
        sum += atomic_load_explicit(&pins->own[i].count, memory_order_relaxed);
    uint64_t before = atomic_fetch_add(&pins->shared, (uint64_t)sum - OPEN);
    ASSERT(before >= OPEN / 2 && before + (uint64_t)sum > OPEN);
    return atomic_fetch_sub_explicit(&pins->shared, 1, memory_order_acq_rel) == 1;
}
