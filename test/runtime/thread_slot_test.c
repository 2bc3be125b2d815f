/* Numbers of threads, and the barrier that makes marks without fences safe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/runtime_thread.h"

enum { SETTLE = 100 };

struct meeting {
    pthread_barrier_t all_have_one;
    int slots[THREAD_SLOTS + SETTLE];
};

static struct meeting meeting;

static void *take_one(void *argument) {
    int *slot = argument;
    *slot = thread_slot();
    pthread_barrier_wait(&meeting.all_have_one);
    if (*slot != thread_slot())
        *slot = -3; /* it is the thread's for good */
    return NULL;
}

/* Without membarrier in the system nobody has a slot; with it this thread, an early one, has. */
static void skip_without_membarrier(void) {
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    bool has_barrier = commands > 0 && (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0;
    assert_int_equal(has_barrier, thread_slot() != -1);
    if (!has_barrier)
        skip();
}

static void take_with_threads(int count) {
    pthread_t threads[THREAD_SLOTS + SETTLE];
    pthread_barrier_init(&meeting.all_have_one, NULL, (unsigned)count);
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_one, &meeting.slots[i]), 0);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&meeting.all_have_one);
}

static void living_threads_have_different_slots(void **state) {
    skip_without_membarrier();
    int own = thread_slot();
    for (int round = 0; round < 3; round++) { /* those that ended give theirs back */
        take_with_threads(THREAD_SLOTS - 1);
        bool seen[THREAD_SLOTS] = {false};
        seen[own] = true;
        for (int i = 0; i < THREAD_SLOTS - 1; i++) {
            assert_in_range(meeting.slots[i], 0, THREAD_SLOTS - 1);
            assert_false(seen[meeting.slots[i]]);
            seen[meeting.slots[i]] = true;
        }
    }
}

static void threads_beyond_the_slots_get_none(void **state) {
    skip_without_membarrier();
    take_with_threads(THREAD_SLOTS + SETTLE);
    int without = 0;
    for (int i = 0; i < THREAD_SLOTS + SETTLE; i++) {
        assert_int_not_equal(meeting.slots[i], -3);
        without += meeting.slots[i] == -1;
    }
    assert_int_equal(without, SETTLE + 1);
}

/* ---- the barrier ----------------------------------------------------------------------------- */

enum { ROUNDS = 20000 };

static _Atomic int mark, change, reader_saw;
static _Atomic int round_begun, round_done;

static void *marker(void *argument) {
    for (int round = 1; round <= ROUNDS; round++) {
        while (atomic_load(&round_begun) != round)
            thread_pause();
        atomic_store_explicit(&mark, round, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        int saw = atomic_load_explicit(&change, memory_order_relaxed);
        atomic_store(&reader_saw, saw);
        atomic_store(&round_done, round);
    }
    return NULL;
}

static void a_mark_is_seen_or_sees(void **state) {
    skip_without_membarrier();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, marker, NULL), 0);
    for (int round = 1; round <= ROUNDS; round++) {
        atomic_store(&round_begun, round);
        atomic_store_explicit(&change, round, memory_order_relaxed);
        thread_barrier();
        int saw = atomic_load_explicit(&mark, memory_order_relaxed);
        while (atomic_load(&round_done) != round)
            thread_pause();
        assert_true(saw == round || atomic_load(&reader_saw) == round);
    }
    pthread_join(thread, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(living_threads_have_different_slots),
        cmocka_unit_test(threads_beyond_the_slots_get_none),
        cmocka_unit_test(a_mark_is_seen_or_sees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
