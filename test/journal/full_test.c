/* A ring that is full: whoever appends waits, may be cancelled, is refused when no release will
   come, and goes on when one does. What was given a number is there, and nothing else. */
#include "journal_fixture.h"

#include <sys/stat.h>

enum { SEGMENT = 64 << 10, RECORD = 30000, LARGE = 300000, SEGMENTS = 4 };

static struct {
    struct journal *journal;
    bool large, ended;
    enum status status;
    struct fiber *fiber;
    uint64_t left; /* of the large record */
} appending;

static uint64_t replayed;

static enum status count_begin(struct fiber *f, void *context, struct commit_number number,
                               uint64_t size) {
    replayed++;
    assert_true(number.value == replayed && (size == RECORD || size == LARGE));
    return STATUS_OK;
}

static enum status take_bytes(struct fiber *f, void *context, struct slice bytes) {
    return STATUS_OK;
}

static enum status take_end(struct fiber *f, void *context) {
    return STATUS_OK;
}

static struct journal *open_ring(struct fiber *f, bool create, unsigned segments) {
    char path[128];
    struct journal *journal;
    struct journal_replay replay = {{0}, count_begin, take_bytes, take_end, NULL};
    snprintf(path, sizeof path, "%s/journal", fixture_root);
    struct journal_options options = {.directory = path,
                                      .segment_size = SEGMENT,
                                      .size_target = segments * SEGMENT,
                                      .sync = JOURNAL_SYNC_FDATASYNC,
                                      .create = create,
                                      .database_id = 5};
    replayed = 0;
    assert_ok(journal_open(f, &options, &replay, &journal));
    return journal;
}

static const uint8_t zeros[RECORD];

static enum status next_piece(struct fiber *f, void *context, struct slice *piece_out) {
    size_t size = appending.left < 5000 ? (size_t)appending.left : 5000;
    appending.left -= size;
    *piece_out = slice_of(zeros, size);
    return STATUS_OK;
}

static enum status append_one(struct fiber *f) {
    struct commit_number number;
    appending.left = LARGE;
    return appending.large ? journal_append_large(f, appending.journal, next_piece, NULL, &number)
                           : journal_append(f, appending.journal, slice_of(zeros, RECORD), &number);
}

static enum status append_body(struct fiber *f, void *argument) {
    appending.fiber = f;
    appending.status = append_one(f);
    appending.ended = true;
    return STATUS_OK;
}

/* Until the next one would wait. */
static uint64_t fill(struct fiber *f, struct journal *journal) {
    struct journal_statistics statistics;
    do {
        struct commit_number number;
        assert_ok(journal_append(f, journal, slice_of(zeros, RECORD), &number));
        journal_wait_durable(f, journal, number);
        journal_statistics(journal, &statistics);
    } while (statistics.bytes_used < SEGMENTS * SEGMENT);
    return journal_newest(journal).value;
}

static void begin_waiting(struct fiber *f, struct task_group *group, bool large) {
    appending.large = large;
    appending.ended = false;
    task_group_init(group, f);
    assert_ok(task_group_spawn(f, group, FIBER_NORMAL, append_body, NULL));
    for (int i = 0; i < 20; i++)
        fiber_yield(f);
    assert_false(appending.ended);
}

static enum status full_body(struct fiber *f, void *argument) {
    for (int large = 0; large < 2; large++) {
        char command[128];
        struct task_group group;
        struct journal *journal = appending.journal = open_ring(f, true, SEGMENTS);
        uint64_t count = fill(f, journal);
        begin_waiting(f, &group, large != 0); /* and is cancelled */
        fiber_cancel(appending.fiber, STATUS_CANCELED, NULL);
        assert_ok(task_group_wait(f, &group));
        assert_int_equal(appending.status, STATUS_CANCELED);
        begin_waiting(f, &group, large != 0); /* and is refused */
        journal_refuse_when_full(journal, true);
        assert_ok(task_group_wait(f, &group));
        assert_int_equal(appending.status, STATUS_DISK_FULL);
        assert_status(append_one(f), STATUS_DISK_FULL);
        assert_int_equal(journal_newest(journal).value, count);
        journal_refuse_when_full(journal, false);
        begin_waiting(f, &group, large != 0); /* and goes on */
        journal_release(f, journal, (struct commit_number){count / 2});
        assert_ok(task_group_wait(f, &group));
        assert_ok(appending.status);
        assert_int_equal(journal_newest(journal).value, count + 1);
        journal_close(f, journal);
        snprintf(command, sizeof command, "rm -r %s/journal", fixture_root);
        assert_int_equal(system(command), 0);
    }
    return STATUS_OK;
}

static void who_waits_for_room_may_be_cancelled_refused_or_let_go(void **state) {
    fixture_run(full_body, 1, RUNTIME_BACKEND_AUTO);
}

/* Two append at once, one of them much: neither is in the other's record. */
static enum status beside_body(struct fiber *f, void *argument) {
    struct journal *journal = appending.journal = open_ring(f, true, 64);
    struct task_group group;
    struct commit_number number;
    appending.large = true;
    task_group_init(&group, f);
    assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, append_body, NULL));
    fiber_yield(f);
    for (int i = 0; i < 3; i++)
        assert_ok(journal_append(f, journal, slice_of(zeros, RECORD), &number));
    assert_ok(task_group_wait(f, &group));
    assert_ok(appending.status);
    journal_close(f, journal);
    journal = open_ring(f, false, 64);
    assert_int_equal(replayed, 4);
    journal_close(f, journal);
    return STATUS_OK;
}

static void a_small_record_waits_behind_a_large_one(void **state) {
    fixture_run(beside_body, 1, RUNTIME_BACKEND_AUTO);
}

int main(void) {
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failure on a fiber cannot jump out of it */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_for_room_may_be_cancelled_refused_or_let_go),
        cmocka_unit_test(a_small_record_waits_behind_a_large_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
