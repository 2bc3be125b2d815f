/* The simulated machine keeps its promises: one seed, one run; what was synced stays. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/base_chance.h"
#include "runtime/runtime_file.h"
#include "runtime/runtime_simulator.h"
#include "runtime/runtime_socket.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return error_set(STATUS_INTERNAL_ERROR, "%s:%d: %s", __FILE__, __LINE__, #condition);  \
    } while (0)

enum { PAGE = 4096, MS = 1000000 };

static struct simulator *simulator;

static struct runtime *begin(uint64_t seed, unsigned cores) {
    struct simulator_options options = {.seed = seed, .turn_rate = 100000};
    options.rates[SIMULATOR_SHORT] = 100000;
    assert_ok(simulator_create(&options, &simulator));
    struct runtime_options runtime_options = {.core_count = cores, .random_seed = 1};
    struct runtime *runtime;
    assert_ok(runtime_create(&runtime_options, &runtime));
    return runtime;
}

/* ---- one seed, one run -------------------------------------------------------------------- */

static enum status count_there(struct fiber *f, void *argument) {
    ++*(int *)argument;
    return fiber_sleep(f, MS);
}

static enum status be_busy(struct fiber *f, void *argument) {
    struct file *file;
    uint8_t page[PAGE] = {1};
    int counts[3] = {0};
    TRY(file_open(f, "/sim/busy", FILE_CREATE, &file));
    for (int i = 0; i < 50; i++) {
        TRY(core_call(f, (unsigned)i % 3, count_there, &counts[i % 3]));
        TRY(file_write(f, file, page, sizeof page, (uint64_t)i * PAGE, FILE_WRITE_PLAIN));
        TRY(fiber_check(f));
    }
    CHECK(counts[0] == 17 && counts[1] == 17 && counts[2] == 16);
    return file_close(f, file);
}

static uint64_t hash_of_run(uint64_t seed) {
    struct runtime *runtime = begin(seed, 3);
    assert_ok(runtime_run(runtime, 0, be_busy, NULL));
    assert_true(simulator_now_ns(simulator) > 50 * MS);
    runtime_destroy(runtime);
    uint64_t hash = simulator_hash(simulator);
    simulator_destroy(simulator);
    return hash;
}

static void the_same_seed_is_the_same_run(void **state) {
    uint64_t first = hash_of_run(7);
    assert_true(hash_of_run(7) == first);
    assert_true(hash_of_run(8) != first);
}

/* An hour of sleep costs nothing. */
static enum status sleep_long(struct fiber *f, void *argument) {
    return fiber_sleep(f, INT64_C(3600) * 1000 * MS);
}

/* ---- places of chance --------------------------------------------------------------------- */

enum { CHANCE_ASKED = 4000 };

static enum status ask(struct fiber *f, void *argument) {
    uint64_t *taken = argument;
    for (int i = 0; i < CHANCE_ASKED; i++) {
        taken[0] += by_chance("test: one place");
        taken[1] += by_chance("test: another place");
    }
    return STATUS_OK;
}

/* Of 60 seeds each place is on in some and off in others, independently; the counts are kept. */
static void places_of_chance_are_on_by_seed(void **state) {
    unsigned on[2] = {0}, differ = 0;
    assert_false(by_chance("test: one place"));
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct simulator_options options = {.seed = seed, .chances = true};
        struct runtime_options runtime_options = {.core_count = 1, .random_seed = 1};
        struct runtime *runtime;
        assert_ok(simulator_create(&options, &simulator));
        assert_false(by_chance("test: one place")); /* nobody's fiber */
        assert_ok(runtime_create(&runtime_options, &runtime));
        uint64_t taken[2] = {0};
        assert_ok(runtime_run(runtime, 0, ask, taken));
        runtime_destroy(runtime);
        size_t count;
        const struct simulator_chance *chances = simulator_chances(simulator, &count);
        for (size_t i = 0; i < count; i++) {
            for (int place = 0; place < 2; place++) {
                if (strcmp(chances[i].place,
                           place == 0 ? "test: one place" : "test: another place") == 0)
                    assert_int_equal(chances[i].taken, taken[place]);
            }
        }
        for (int place = 0; place < 2; place++) {
            on[place] += taken[place] > 0;
            assert_true(taken[place] < CHANCE_ASKED / 2);
        }
        differ += (taken[0] > 0) != (taken[1] > 0);
        simulator_destroy(simulator);
    }
    assert_true(on[0] > 10 && on[0] < 50 && on[1] > 10 && on[1] < 50 && differ > 10);
    assert_false(by_chance("test: one place"));
}

/* A caller that has had its turns falls to the normal class, also while it waits for credit. */
static enum status take_turns(struct fiber *f, void *argument) {
    for (int i = 0; i < 100; i++)
        TRY(fiber_check(f));
    return STATUS_OK;
}

static enum status call_all(struct fiber *f, void *argument) {
    void *arguments[3] = {NULL};
    for (int i = 0; i < 20; i++) {
        fiber_request_begin(f);
        TRY(core_call_all(f, 7, take_turns, arguments));
    }
    ++*(int *)argument;
    return STATUS_OK;
}

static enum status start_call_all(struct fiber *f, void *argument) {
    TRY(fiber_spawn_detached(f, FIBER_LATENCY, "caller", call_all, argument));
    while (*(int *)argument == 0)
        TRY(fiber_sleep(f, MS));
    return STATUS_OK;
}

static bool credit_comes_late(const char *place) {
    return strcmp(place, "runtime: credit for a call comes late") == 0;
}

static void credit_is_given_back_to_the_class_it_came_from(void **state) {
    struct runtime *runtime = begin(1, 3);
    chance_set(credit_comes_late);
    int done = 0;
    assert_ok(runtime_run(runtime, 0, start_call_all, &done));
    runtime_destroy(runtime);
    simulator_destroy(simulator);
}

static void time_jumps(void **state) {
    struct runtime *runtime = begin(1, 1);
    assert_ok(runtime_run(runtime, 0, sleep_long, NULL));
    assert_true(simulator_now_ns(simulator) >= INT64_C(3600) * 1000 * MS);
    assert_true(simulator_now_ns(simulator) < INT64_C(3601) * 1000 * MS);
    assert_true(simulator_counts(simulator)->turns < 1000);
    runtime_destroy(runtime);
    simulator_destroy(simulator);
}

/* ---- crashes ------------------------------------------------------------------------------ */

/* Pages 0..7 are 'a' and durable; then 4..11 are 'b' and not. The file's name is durable, that of
   a second one is not, nor is the rename of a third. */
static enum status write_both(struct fiber *f, void *argument) {
    struct file *file, *other;
    static uint8_t page[PAGE];
    memset(page, 'a', sizeof page);
    TRY(file_open(f, "/sim/third", FILE_CREATE, &other));
    TRY(file_close(f, other));
    TRY(file_open(f, "/sim/first", FILE_CREATE | FILE_DIRECT, &file)); /* no part of a page */
    for (uint64_t i = 0; i < 8; i++)
        TRY(file_write(f, file, page, PAGE, i * PAGE, FILE_WRITE_PLAIN));
    TRY(file_sync(f, file));
    TRY(directory_sync(f, "/sim"));
    memset(page, 'b', sizeof page);
    for (uint64_t i = 4; i < 12; i++)
        TRY(file_write(f, file, page, PAGE, i * PAGE, FILE_WRITE_PLAIN));
    TRY(file_open(f, "/sim/second", FILE_CREATE, &other));
    TRY(file_close(f, other));
    TRY(file_rename(f, "/sim/third", "/sim/renamed"));
    return fiber_sleep(f, INT64_MAX);
}

struct findings {
    int kept, lost, torn, second, renamed;
};

/* The letters of a page: 1 'a', 2 'b', 4 zero; 8 when a sector is mixed. */
static unsigned letters_of(const uint8_t *page) {
    unsigned letters = 0;
    for (size_t i = 0; i < PAGE; i++) {
        letters |= page[i] == 'a' ? 1u : page[i] == 'b' ? 2u : page[i] == 0 ? 4u : 16u;
        if (i % 512 != 0 && page[i] != page[i - 1])
            letters |= 8;
    }
    return letters;
}

static enum status look(struct fiber *f, void *argument) {
    struct findings *found = argument;
    struct file *file;
    bool second, third, renamed;
    uint64_t size;
    TRY(file_open(f, "/sim/first", FILE_READ_ONLY, &file));
    TRY(file_size(f, file, &size));
    CHECK(size >= 8 * PAGE && size <= 12 * PAGE && size % PAGE == 0);
    for (uint64_t i = 0; i < size / PAGE; i++) {
        uint8_t page[PAGE];
        TRY(file_read_exact(f, file, page, PAGE, i * PAGE));
        unsigned letters = letters_of(page);
        CHECK((letters & (8 | 16)) == 0);
        CHECK(i >= 4 || letters == 1);                /* durable, not touched */
        CHECK(i < 4 || i >= 8 || (letters & 4) == 0); /* old or new */
        CHECK(i < 8 || (letters & 1) == 0);           /* new or never there */
        found->kept += letters == 2;
        found->lost += i >= 4 && (letters == 1 || letters == 4);
        found->torn += (letters & (letters - 1)) != 0;
    }
    TRY(file_exists(f, "/sim/second", &second));
    TRY(file_exists(f, "/sim/third", &third));
    TRY(file_exists(f, "/sim/renamed", &renamed));
    CHECK(third != renamed);
    found->second += second;
    found->renamed += renamed;
    return file_close(f, file);
}

static void crash_and_look(uint64_t seed, enum simulator_crash how, struct findings *found) {
    struct runtime *runtime = begin(seed, 1);
    struct future future;
    assert_ok(runtime_submit(runtime, 0, write_both, NULL, &future));
    simulator_run_for(simulator, 1000 * MS);
    simulator_crash(simulator, runtime, how);
    struct runtime_options options = {.core_count = 1, .random_seed = 1};
    assert_ok(runtime_create(&options, &runtime));
    assert_ok(runtime_run(runtime, 0, look, found));
    runtime_destroy(runtime);
    simulator_destroy(simulator);
}

static void a_power_failure_keeps_what_was_synced_and_little_else(void **state) {
    struct findings found = {0};
    for (uint64_t seed = 1; seed <= 100; seed++)
        crash_and_look(seed, SIMULATOR_POWER, &found);
    assert_true(found.kept > 50 && found.lost > 50 && found.torn > 20);
    assert_in_range(found.second, 10, 90);
    assert_in_range(found.renamed, 10, 90);
}

static void a_killed_process_loses_nothing_it_wrote(void **state) {
    struct findings found = {0};
    for (uint64_t seed = 1; seed <= 10; seed++)
        crash_and_look(seed, SIMULATOR_KILL, &found);
    assert_int_equal(found.kept, 10 * 8);
    assert_int_equal(found.second, 10);
    assert_int_equal(found.renamed, 10);
}

/* ---- failures ----------------------------------------------------------------------------- */

/* A sync that fails loses something for good, though the next one succeeds. */
static enum status sync_twice(struct fiber *f, void *argument) {
    static uint8_t page[PAGE];
    struct file *file;
    memset(page, 'b', sizeof page);
    TRY(file_open(f, "/sim/first", FILE_CREATE, &file));
    TRY(file_allocate(f, file, 64 * PAGE));
    TRY(file_sync(f, file));
    TRY(directory_sync(f, "/sim"));
    for (uint64_t i = 0; i < 64; i++)
        TRY(file_write(f, file, page, PAGE, i * PAGE, FILE_WRITE_PLAIN));
    (void)simulator_rate_set(simulator, SIMULATOR_SYNC_ERROR, 1000000);
    CHECK(file_sync(f, file) == STATUS_IO_ERROR);
    (void)simulator_rate_set(simulator, SIMULATOR_SYNC_ERROR, 0);
    TRY(file_sync(f, file));
    *(bool *)argument = true;
    return fiber_sleep(f, INT64_MAX);
}

static enum status count_lost(struct fiber *f, void *argument) {
    struct file *file;
    uint8_t page[PAGE];
    TRY(file_open(f, "/sim/first", FILE_READ_ONLY, &file));
    for (uint64_t i = 0; i < 64; i++) {
        TRY(file_read_exact(f, file, page, PAGE, i * PAGE));
        *(int *)argument += page[0] == 0;
    }
    return file_close(f, file);
}

static void a_failed_sync_is_not_made_good_by_the_next(void **state) {
    struct runtime *runtime = begin(3, 1);
    struct future future;
    bool done = false;
    assert_ok(runtime_submit(runtime, 0, sync_twice, &done, &future));
    simulator_run_for(simulator, 1000 * MS);
    assert_true(done);
    simulator_crash(simulator, runtime, SIMULATOR_POWER);
    struct runtime_options options = {.core_count = 1, .random_seed = 1};
    assert_ok(runtime_create(&options, &runtime));
    int lost = 0;
    assert_ok(runtime_run(runtime, 0, count_lost, &lost));
    assert_in_range(lost, 10, 54);
    runtime_destroy(runtime);
    simulator_destroy(simulator);
}

/* ---- network ------------------------------------------------------------------------------ */

enum { BYTES = 200000 };

static enum status send_all(struct fiber *f, void *argument) {
    static uint8_t bytes[BYTES];
    struct connection *connection;
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 7);
    TRY(connection_open(f, "127.0.0.1:77", &connection));
    struct slice slices[] = {slice_of(bytes, 1000), slice_of(bytes + 1000, BYTES - 1000)};
    enum status status = connection_send(f, connection, slices, 2);
    connection_close(f, connection);
    return status;
}

struct received {
    size_t count;
    enum status end;
};

static enum status receive_all(struct fiber *f, void *argument) {
    struct received *received = argument;
    struct listener *listener;
    struct connection *connection;
    TRY(listener_open(f, "127.0.0.1:77", &listener));
    TRY(core_cast(f, 1, send_all, NULL));
    TRY(listener_accept(f, listener, &connection));
    for (;;) {
        uint8_t bytes[5000];
        size_t size = 0;
        received->end = connection_receive(f, connection, bytes, sizeof bytes, &size);
        if (size == 0)
            break;
        for (size_t i = 0; i < size; i++)
            CHECK(bytes[i] == (uint8_t)((received->count + i) * 7));
        received->count += size;
        if (received->count % 3 == 0)
            TRY(fiber_sleep(f, MS)); /* let the window fill up */
    }
    connection_close(f, connection);
    listener_close(f, listener);
    return STATUS_OK;
}

static void bytes_arrive_in_order_and_whole(void **state) {
    struct runtime *runtime = begin(5, 2);
    struct received received = {0};
    assert_ok(runtime_run(runtime, 0, receive_all, &received));
    assert_int_equal(received.count, BYTES);
    assert_int_equal(received.end, STATUS_OK);
    runtime_destroy(runtime);
    simulator_destroy(simulator);
}

static void a_cut_connection_delivers_a_prefix_and_says_so(void **state) {
    int cut = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct runtime *runtime = begin(seed, 2);
        struct received received = {0};
        (void)simulator_rate_set(simulator, SIMULATOR_CUT, 20000);
        assert_ok(runtime_run(runtime, 0, receive_all, &received));
        assert_true(received.count == BYTES || received.end == STATUS_CONNECTION_FAILURE);
        cut += received.count < BYTES;
        runtime_destroy(runtime);
        simulator_destroy(simulator);
    }
    assert_in_range(cut, 3, 19);
}

static void silence_ends_after_a_while(void **state) {
    struct runtime *runtime = begin(1, 2);
    struct received received = {0};
    (void)simulator_rate_set(simulator, SIMULATOR_SILENT, 1000000);
    assert_ok(runtime_run(runtime, 0, receive_all, &received));
    assert_int_equal(received.end, STATUS_CONNECTION_FAILURE);
    assert_true(simulator_now_ns(simulator) > INT64_C(4000) * MS);
    runtime_destroy(runtime);
    simulator_destroy(simulator);
}

/* What a machine that lost its power had in memory is nobody's any more: that is no leak. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_is_the_same_run),
        cmocka_unit_test(places_of_chance_are_on_by_seed),
        cmocka_unit_test(credit_is_given_back_to_the_class_it_came_from),
        cmocka_unit_test(time_jumps),
        cmocka_unit_test(a_power_failure_keeps_what_was_synced_and_little_else),
        cmocka_unit_test(a_killed_process_loses_nothing_it_wrote),
        cmocka_unit_test(a_failed_sync_is_not_made_good_by_the_next),
        cmocka_unit_test(bytes_arrive_in_order_and_whole),
        cmocka_unit_test(a_cut_connection_delivers_a_prefix_and_says_so),
        cmocka_unit_test(silence_ends_after_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
