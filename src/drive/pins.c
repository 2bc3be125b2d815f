#include "drive/pins.h"

#define OPEN ((uint64_t)1 << 62)

struct pins_visit pins__visits[THREAD_SLOTS];

void pins_open(struct pins *pins) {
    for (int i = 0; i < THREAD_SLOTS; i++)
        atomic_store_explicit(&pins->own[i].count, 0, memory_order_relaxed);
    atomic_store_explicit(&pins->retired, false, memory_order_relaxed);
    atomic_store_explicit(&pins->shared, OPEN + 1, memory_order_release);
}

/* A visit is some instructions long, unless its thread is put to sleep in it. */
static void wait_for_visits(void) {
    for (int i = 0; i < THREAD_SLOTS; i++) {
        const struct pins_visit *visit = &pins__visits[i];
        uint32_t number = atomic_load_explicit(&visit->number, memory_order_acquire);
        while (number % 2 == 1 &&
               atomic_load_explicit(&visit->number, memory_order_acquire) == number)
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
