/* Pins under many threads: a view dies when the last pin is given back, and not before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base_random.h"
#include "drive/pins.h"

static struct pins *pins_create(void) {
    struct pins *pins = aligned_alloc(64, sizeof *pins);
    assert_non_null(pins);
    pins_open(pins);
    return pins;
}

static void the_last_pin_given_back_is_told(void **state) {
    struct pins *pins = pins_create();
    pins_add(pins, 3);
    assert_false(pins_drop(pins, 2));
    assert_false(pins_retire(pins)); /* one is left */
    pins_add(pins, 1);
    assert_false(pins_drop(pins, 1));
    assert_true(pins_drop(pins, 1));
    assert_false(pins_try(pins));
    pins_open(pins); /* used again */
    assert_true(pins_try(pins));
    assert_false(pins_drop(pins, 1));
    assert_true(pins_retire(pins));
    free(pins);
}

static void *take_pins(void *argument) {
    pins_add(argument, 5);
    return NULL;
}

static void *drop_pins(void *argument) {
    return pins_drop(argument, 5) ? argument : NULL;
}

static void a_thread_may_give_back_what_another_took(void **state) {
    for (int retired_between = 0; retired_between <= 1; retired_between++) {
        struct pins *pins = pins_create();
        pthread_t thread;
        void *last;
        pthread_create(&thread, NULL, take_pins, pins);
        pthread_join(thread, NULL);
        if (retired_between)
            assert_false(pins_retire(pins));
        pthread_create(&thread, NULL, drop_pins, pins);
        pthread_join(thread, &last);
        assert_true((last != NULL) == retired_between);
        if (!retired_between)
            assert_true(pins_retire(pins));
        free(pins);
    }
}

/* ---- many threads ---------------------------------------------------------------------------- */

/* More threads than slots, so that some count the slow way. `current` changes under their feet;
   every one that was replaced must die exactly once, when its count is zero. */
enum { THREADS = THREAD_SLOTS + 16, VIEWS = 300, STEPS = 400, HELD = 8 };

struct thing {
    struct pins pins;
    _Atomic int64_t held; /* the model */
    _Atomic int deaths;
};

static struct thing *things;
static _Atomic(struct thing *) current;
static _Atomic unsigned deaths;
static _Atomic bool done;

static void drop(struct thing *thing) {
    atomic_fetch_sub(&thing->held, 1);
    if (pins_drop(&thing->pins, 1)) {
        if (atomic_load(&thing->held) != 0)
            abort(); /* somebody has it still */
        atomic_fetch_add(&thing->deaths, 1);
        atomic_fetch_add(&deaths, 1);
    }
}

static struct thing *take(void) {
    int slot = thread_slot();
    for (;;) {
        struct thing *thing;
        if (slot >= 0) {
            visit_begin(slot);
            thing = atomic_load_explicit(&current, memory_order_acquire);
            pins_count(&thing->pins, slot, 1);
            visit_end(slot);
        } else {
            thing = atomic_load_explicit(&current, memory_order_acquire);
            if (!pins_try(&thing->pins))
                continue;
        }
        atomic_fetch_add(&thing->held, 1);
        if (atomic_load(&thing->deaths) != 0)
            abort(); /* pinned, yet dead */
        return thing;
    }
}

static void *use(void *argument) {
    struct random random;
    struct thing *held[HELD] = {0};
    random_seed(&random, (uint64_t)(uintptr_t)argument);
    for (int step = 0; step < STEPS || !atomic_load(&done); step++) {
        uint64_t which = random_below(&random, HELD);
        if (held[which] != NULL)
            drop(held[which]);
        held[which] = take();
        if (random_below(&random, 4) == 0)
            thread_pause();
    }
    for (int i = 0; i < HELD; i++) {
        if (held[i] != NULL)
            drop(held[i]);
    }
    return NULL;
}

static void retire(struct thing *thing) {
    atomic_fetch_sub(&thing->held, 1);
    if (pins_retire(&thing->pins)) {
        if (atomic_load(&thing->held) != 0)
            abort();
        atomic_fetch_add(&thing->deaths, 1);
        atomic_fetch_add(&deaths, 1);
    }
}

static void what_is_replaced_dies_once_and_unheld(void **state) {
    things = aligned_alloc(64, VIEWS * sizeof *things);
    assert_non_null(things);
    for (int i = 0; i < VIEWS; i++) {
        pins_open(&things[i].pins);
        atomic_init(&things[i].held, 1);
        atomic_init(&things[i].deaths, 0);
    }
    atomic_store(&current, &things[0]);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, (void *)(uintptr_t)(i + 1)), 0);
    for (int i = 1; i < VIEWS; i++) {
        for (int pauses = i % 7; pauses > 0; pauses--)
            thread_pause();
        retire(atomic_exchange(&current, &things[i]));
    }
    atomic_store(&done, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&deaths), VIEWS - 1);
    retire(atomic_load(&current));
    for (int i = 0; i < VIEWS; i++)
        assert_int_equal(atomic_load(&things[i].deaths), 1);
    free(things);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_pin_given_back_is_told),
        cmocka_unit_test(a_thread_may_give_back_what_another_took),
        cmocka_unit_test(what_is_replaced_dies_once_and_unheld),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
