/* The rule by which classes share a core, with counted time. */
#include "test.h"

#include "runtime/turn.h"

enum { LATENCY, NORMAL, BACKGROUND };
enum { SLICE = 200, SLICE_BACKGROUND = 100 };

static struct turns fresh(void) {
    return (struct turns){.slice = {SLICE, SLICE, SLICE_BACKGROUND}, .ticks_per_us = 1};
}

/* Classes in `ready` always want to run; ticks that each gets of `all`. */
static void share_out(struct turns *turns, unsigned ready, uint64_t all, uint64_t got[3]) {
    got[0] = got[1] = got[2] = 0;
    for (uint64_t done = 0; done < all;) {
        int class = turn__choose(turns, ready);
        uint64_t length = turn__length(turns, class);
        turn__used(turns, class, length, false, ready);
        got[class] += length;
        done += length;
    }
}

static void nobody_is_ready(void **state) {
    struct turns turns = fresh();
    assert_int_equal(turn__choose(&turns, 0), -1);
}

static void a_higher_class_goes_first(void **state) {
    struct turns turns = fresh();
    assert_int_equal(turn__choose(&turns, 7), LATENCY);
    assert_int_equal(turn__choose(&turns, 6), NORMAL);
    assert_int_equal(turn__choose(&turns, 4), BACKGROUND);
}

static void normal_gets_a_half(void **state) {
    struct turns turns = fresh();
    uint64_t got[3];
    share_out(&turns, 3, 1000000, got);
    assert_in_range(got[LATENCY], 498000, 502000);
    assert_in_range(got[NORMAL], 498000, 502000);
}

static void background_gets_a_tenth(void **state) {
    struct turns turns = fresh();
    uint64_t got[3];
    share_out(&turns, 7, 1000000, got);
    assert_in_range(got[BACKGROUND], 98000, 102000);
    assert_in_range(got[LATENCY], 440000, 460000);
    share_out(&turns, 6, 1000000, got);
    assert_in_range(got[BACKGROUND], 98000, 102000);
    share_out(&turns, 5, 1000000, got);
    assert_in_range(got[BACKGROUND], 98000, 102000);
}

/* Latency that wants a quarter of the core in small pieces is never kept waiting for more than the
   turn that runs when it comes. */
static void little_latency_never_waits_for_a_second_turn(void **state) {
    struct turns turns = fresh();
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(turn__choose(&turns, 7), LATENCY);
        turn__used(&turns, LATENCY, 60, false, 6);
        uint64_t rest = 180;
        while (rest > 0) { /* the others, until it comes again */
            int class = turn__choose(&turns, 6);
            uint64_t length = turn__length(&turns, class);
            uint64_t used = length < rest ? length : rest;
            rest -= used;
            turn__used(&turns, class, used, used < length, rest == 0 ? 7 : 6);
        }
        /* ... unless a lower class has been kept out long enough to have earned a turn */
        if (turn__choose(&turns, 7) == BACKGROUND)
            turn__used(&turns, BACKGROUND, SLICE_BACKGROUND, false, 7);
        assert_true(turns.earned[NORMAL] < SLICE);
    }
}

static void a_turn_broken_off_keeps_its_rest(void **state) {
    struct turns turns = fresh();
    turn__used(&turns, NORMAL, 30, true, 3);
    assert_int_equal(turn__length(&turns, NORMAL), 170);
    turn__used(&turns, LATENCY, 10, false, 2);
    turn__used(&turns, NORMAL, 100, true, 3);
    assert_int_equal(turn__length(&turns, NORMAL), 70);
    turn__used(&turns, NORMAL, 90, true, 3); /* it looked late */
    assert_int_equal(turn__length(&turns, NORMAL), SLICE);
    turn__used(&turns, NORMAL, 30, true, 3);
    turn__used(&turns, NORMAL, 20, false, 2); /* nobody of it was ready any more */
    assert_int_equal(turn__length(&turns, NORMAL), SLICE);
}

/* Who comes after a pause has no claim on the time before it. */
static void an_absent_class_earns_nothing(void **state) {
    struct turns turns = fresh();
    for (int i = 0; i < 100; i++)
        turn__used(&turns, LATENCY, SLICE, false, 1);
    assert_int_equal(turn__choose(&turns, 3), LATENCY);
    assert_int_equal(turns.earned[NORMAL], 0);
}

static void lengths_are_counted_by_class(void **state) {
    struct turns turns = fresh();
    turn__used(&turns, LATENCY, 0, false, 1);
    turn__used(&turns, LATENCY, 1, false, 1);
    turn__used(&turns, LATENCY, 200, false, 1);
    turn__used(&turns, NORMAL, UINT32_MAX, false, 1);
    assert_int_equal(turns.figures[LATENCY].lengths[0], 1);
    assert_int_equal(turns.figures[LATENCY].lengths[1], 1);
    assert_int_equal(turns.figures[LATENCY].lengths[8], 1);
    assert_int_equal(turns.figures[LATENCY].ticks, 201);
    assert_int_equal(turns.figures[LATENCY].longest, 200);
    assert_int_equal(turns.figures[NORMAL].lengths[TURN_LENGTH_COUNT - 1], 1);
    assert_int_equal(turns.figures[BACKGROUND].ticks, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_ready),
        cmocka_unit_test(a_higher_class_goes_first),
        cmocka_unit_test(normal_gets_a_half),
        cmocka_unit_test(background_gets_a_tenth),
        cmocka_unit_test(little_latency_never_waits_for_a_second_turn),
        cmocka_unit_test(a_turn_broken_off_keeps_its_rest),
        cmocka_unit_test(an_absent_class_earns_nothing),
        cmocka_unit_test(lengths_are_counted_by_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
