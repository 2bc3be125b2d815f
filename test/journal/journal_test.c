#include "journal_fixture.h"

#include <errno.h>

#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "base/base_memory.h"
#include "runtime/backend.h"

enum { SEGMENT = 256 << 10 };

/* ---- a naive model: record n is `size` bytes made from its number -------------------------- */

struct seen {
    uint64_t next;        /* number expected */
    uint64_t size, at;    /* of the record being replayed */
    uint64_t sizes[4096]; /* by number; what was appended */
    uint64_t count;
};
static struct seen seen;

static uint8_t byte_of(uint64_t number, uint64_t at) {
    return (uint8_t)(number * 31 + at * 7 + (at >> 8));
}

static enum status replay_begin(struct fiber *f, void *context, struct commit_number number,
                                uint64_t size) {
    assert_int_equal(number.value, seen.next);
    assert_int_equal(size, seen.sizes[number.value]);
    seen.size = size;
    seen.at = 0;
    return STATUS_OK;
}

static enum status replay_bytes(struct fiber *f, void *context, struct slice bytes) {
    for (size_t i = 0; i < bytes.size; i++, seen.at++)
        if (bytes.data[i] != byte_of(seen.next, seen.at))
            fail_msg("record %lu differs at %lu", seen.next, seen.at);
    return STATUS_OK;
}

static enum status replay_end(struct fiber *f, void *context) {
    assert_int_equal(seen.at, seen.size);
    seen.next++;
    seen.count++;
    return STATUS_OK;
}

static struct journal_options options_at(bool create) {
    static char path[128];
    snprintf(path, sizeof path, "%s/journal", fixture_root);
    return (struct journal_options){.directory = path,
                                    .segment_size = SEGMENT,
                                    .size_target = 64 * SEGMENT,
                                    .sync = JOURNAL_SYNC_OFF,
                                    .create = create,
                                    .database_id = 0x1234};
}

static enum status reopen(struct fiber *f, uint64_t from, struct journal **journal_out) {
    struct journal_options options = options_at(false);
    struct journal_replay replay = {{from}, replay_begin, replay_bytes, replay_end, NULL};
    seen.next = from + 1;
    seen.count = 0;
    return journal_open(f, &options, &replay, journal_out);
}

static struct journal *create(struct fiber *f) {
    struct journal *journal;
    struct journal_options options = options_at(true);
    memset(&seen, 0, sizeof seen);
    assert_ok(journal_open(f, &options, NULL, &journal));
    return journal;
}

static void append(struct fiber *f, struct journal *journal, size_t size) {
    uint64_t number = journal_newest(journal).value + 1;
    uint8_t *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_of(number, i);
    struct commit_number given;
    assert_ok(journal_append(f, journal, slice_of(bytes, size), &given));
    assert_int_equal(given.value, number);
    seen.sizes[number] = size;
    free(bytes);
}

struct pieces {
    uint64_t number, size, at, fail_at;
    size_t piece_size;
    uint8_t bytes[5000];
};

static enum status pieces_next(struct fiber *f, void *context, struct slice *piece_out) {
    struct pieces *pieces = context;
    if (pieces->fail_at != 0 && pieces->at >= pieces->fail_at)
        return error_set(STATUS_DISK_FULL, "no more");
    size_t size = pieces->piece_size;
    if (size > pieces->size - pieces->at)
        size = (size_t)(pieces->size - pieces->at);
    for (size_t i = 0; i < size; i++)
        pieces->bytes[i] = byte_of(pieces->number, pieces->at + i);
    pieces->at += size;
    *piece_out = slice_of(pieces->bytes, size);
    fiber_yield(f); /* as reading spilled pages would */
    return STATUS_OK;
}

static void append_large(struct fiber *f, struct journal *journal, uint64_t size) {
    struct pieces pieces = {journal_newest(journal).value + 1, size, 0, 0, 5000, {0}};
    struct commit_number given;
    assert_ok(journal_append_large(f, journal, pieces_next, &pieces, &given));
    assert_int_equal(given.value, pieces.number);
    seen.sizes[given.value] = size;
}

/* ---- cases --------------------------------------------------------------------------------- */

static enum status records_come_back_body(struct fiber *f, void *argument) {
    struct journal *journal = create(f);
    struct random random;
    random_seed(&random, 5);
    for (int i = 0; i < 1500; i++) {
        size_t size = random_below(&random, 20) == 0 ? random_below(&random, 60000)
                                                     : random_below(&random, 300);
        append(f, journal, size);
        if (random_below(&random, 10) == 0)
            journal_wait_durable(f, journal, journal_newest(journal));
    }
    append_large(f, journal, 1000000);
    append(f, journal, 10);
    journal_wait_durable(f, journal, journal_newest(journal));
    assert_int_equal(journal_durable(journal).value, 1502);
    journal_close(f, journal);
    assert_ok(reopen(f, 0, &journal));
    assert_int_equal(seen.count, 1502);
    append(f, journal, 77);
    journal_close(f, journal);
    assert_ok(reopen(f, 1000, &journal));
    assert_int_equal(seen.count, 503);
    journal_close(f, journal);
    uint64_t frames, records;
    char path[128];
    snprintf(path, sizeof path, "%s/journal", fixture_root);
    assert_ok(journal_check(f, path, &frames, &records));
    assert_int_equal(records, 1503);
    return STATUS_OK;
}

static void records_come_back_in_order(void **state) {
    fixture_run(records_come_back_body, 1, RUNTIME_BACKEND_AUTO);
}

static void records_come_back_in_order_posix(void **state) {
    fixture_run(records_come_back_body, 1, RUNTIME_BACKEND_POSIX);
}

static enum status given_up_body(struct fiber *f, void *argument) {
    struct journal *journal = create(f);
    append(f, journal, 100);
    struct pieces pieces = {2, 5000000, 0, 2000000, 5000, {0}};
    struct commit_number given;
    assert_status(journal_append_large(f, journal, pieces_next, &pieces, &given), STATUS_DISK_FULL);
    append(f, journal, 200);
    append_large(f, journal, 700000);
    pieces = (struct pieces){4, 5000000, 0, 1000000, 5000, {0}};
    assert_status(journal_append_large(f, journal, pieces_next, &pieces, &given), STATUS_DISK_FULL);
    journal_close(f, journal);
    assert_ok(reopen(f, 0, &journal));
    assert_int_equal(seen.count, 3);
    append(f, journal, 300);
    journal_close(f, journal);
    assert_ok(reopen(f, 0, &journal));
    assert_int_equal(seen.count, 4);
    journal_close(f, journal);
    return STATUS_OK;
}

static void large_record_given_up_never_existed(void **state) {
    fixture_run(given_up_body, 1, RUNTIME_BACKEND_AUTO);
}

/* What was given up fills the ring: nobody waits for a checkpoint, which could release nothing. */
static void give_up_a_ringful(struct fiber *f, struct journal *journal) {
    struct pieces pieces = {journal_newest(journal).value + 1, 5000000, 0, 2000000, 5000, {0}};
    struct commit_number given;
    assert_status(journal_append_large(f, journal, pieces_next, &pieces, &given), STATUS_DISK_FULL);
    journal_wait_durable(f, journal, journal_newest(journal));
    journal_release(f, journal, journal_newest(journal));
}

static void expect_room(struct fiber *f, struct journal *journal) {
    struct journal_statistics statistics;
    journal_statistics(journal, &statistics);
    assert_true(statistics.bytes_used >= 4 * SEGMENT);
    struct deadline before =
        fiber_deadline_set(f, (struct deadline){clock_monotonic_ns() + INT64_C(20000000000),
                                                STATUS_CANCELED, "nobody makes room"});
    append(f, journal, 100);
    fiber_deadline_set(f, before);
    journal_wait_durable(f, journal, journal_newest(journal));
    journal_release(f, journal, journal_newest(journal));
    journal_statistics(journal, &statistics);
    assert_true(statistics.bytes_used < 2 * SEGMENT);
}

static enum status given_up_ring_body(struct fiber *f, void *argument) {
    struct journal_options options = options_at(true);
    struct journal_replay replay = {{0}, replay_begin, replay_bytes, replay_end, NULL};
    struct journal *journal;
    memset(&seen, 0, sizeof seen);
    options.size_target = 4 * SEGMENT;
    assert_ok(journal_open(f, &options, NULL, &journal));
    append(f, journal, 100);
    give_up_a_ringful(f, journal);
    expect_room(f, journal);
    give_up_a_ringful(f, journal);
    options.create = false;
    for (int i = 0; i < 2; i++) { /* as after a crash amid the record, then after the next one */
        journal_close(f, journal);
        replay.from = (struct commit_number){2 + (uint64_t)i};
        seen.next = 3 + (uint64_t)i;
        assert_ok(journal_open(f, &options, &replay, &journal));
        if (i == 0)
            expect_room(f, journal);
    }
    append_large(f, journal, 500000);
    journal_close(f, journal);
    return STATUS_OK;
}

static void what_was_given_up_does_not_fill_the_ring(void **state) {
    fixture_run(given_up_ring_body, 1, RUNTIME_BACKEND_AUTO);
}

static enum status recycle_body(struct fiber *f, void *argument) {
    struct journal *journal = create(f);
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 40; i++)
            append(f, journal, 20000);
        if (round == 5)
            append_large(f, journal, 3000000);
        journal_wait_durable(f, journal, journal_newest(journal));
        journal_release(f, journal, (struct commit_number){journal_newest(journal).value - 10});
    }
    struct journal_statistics statistics;
    journal_statistics(journal, &statistics);
    assert_true(statistics.bytes_used <= 3 * SEGMENT);
    uint64_t newest = journal_newest(journal).value;
    assert_true(statistics.bytes_total > statistics.bytes_used + 2 * SEGMENT);
    journal_close(f, journal);
    assert_status(reopen(f, 3, &journal), STATUS_DATA_CORRUPTED); /* long recycled */
    assert_ok(reopen(f, newest - 10, &journal));
    assert_int_equal(seen.count, 10);
    journal_statistics(journal, &statistics); /* of the spares only one was left */
    assert_true(statistics.bytes_total <= statistics.bytes_used + 2 * SEGMENT);
    journal_close(f, journal);
    return STATUS_OK;
}

static void segments_are_recycled(void **state) {
    fixture_run(recycle_body, 1, RUNTIME_BACKEND_AUTO);
}

/* Every other allocation of the journal fails, none of the test's. */
static struct random memory_random;
static uint64_t memory_failures;

static bool memory_is_short(void) {
    bool fails = random_below(&memory_random, 2) == 0;
    memory_failures += fails;
    return fails;
}

static enum status scarce_body(struct fiber *f, void *argument) {
    struct journal *journal = create(f);
    random_seed(&memory_random, 11);
    memory_failures = 0;
    for (int i = 0; i < 200; i++) {
        append(f, journal, 30000);
        memory_fault_set(memory_is_short);
        journal_wait_durable(f, journal, journal_newest(journal));
        if (i % 40 == 39 && i < 160)
            journal_release(f, journal, journal_durable(journal));
        memory_fault_set(NULL);
    }
    assert_true(memory_failures > 20);
    journal_close(f, journal);
    assert_ok(reopen(f, 160, &journal));
    assert_int_equal(seen.count, 40);
    append(f, journal, 30000);
    journal_close(f, journal);
    return STATUS_OK;
}

static void segments_wait_for_memory(void **state) {
    fixture_run(scarce_body, 1, RUNTIME_BACKEND_POSIX);
}

/* ---- a full disk --------------------------------------------------------------------------- */

static _Atomic bool disk_is_full;

static int disk_fault(const struct operation *operation) {
    return disk_is_full && operation->kind == OPERATION_ALLOCATE ? ENOSPC : 0;
}

/* What was taken has its place: nobody waits for room, whoever finds none is told so. */
static enum status full_disk_body(struct fiber *f, void *argument) {
    struct journal *journal = create(f);
    uint8_t bytes[3000] = {0};
    struct commit_number given;
    disk_is_full = true;
    enum status status = STATUS_OK;
    for (int i = 0; i < 200 && status == STATUS_OK; i++) {
        uint64_t number = journal_newest(journal).value + 1;
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = byte_of(number, k);
        status = journal_append(f, journal, slice_of(bytes, sizeof bytes), &given);
        if (status == STATUS_OK)
            seen.sizes[number] = sizeof bytes;
    }
    assert_int_equal(status, STATUS_DISK_FULL);
    assert_status(journal_room_check(f, journal), STATUS_DISK_FULL);
    journal_wait_durable(f, journal, journal_newest(journal));
    disk_is_full = false;
    assert_ok(journal_room_check(f, journal));
    assert_true(journal_spare_give(f, journal));
    assert_false(journal_spare_give(f, journal));
    append(f, journal, 3000);
    journal_wait_durable(f, journal, journal_newest(journal));
    disk_is_full = true; /* the first part of a large record finds room */
    struct pieces pieces = {journal_newest(journal).value + 1, 5000000, 0, 0, 5000, {0}};
    assert_status(journal_append_large(f, journal, pieces_next, &pieces, &given), STATUS_DISK_FULL);
    journal_wait_durable(f, journal, journal_newest(journal));
    disk_is_full = false;
    append_large(f, journal, 1000000);
    append(f, journal, 100);
    uint64_t newest = journal_newest(journal).value;
    journal_close(f, journal);
    assert_ok(reopen(f, 0, &journal));
    assert_int_equal(seen.count, newest);
    journal_close(f, journal);
    return STATUS_OK;
}

static void full_disk_is_told_to_who_appends(void **state) {
    log_level_set(LOG_ERROR);
    fixture_run_faulty(full_disk_body, disk_fault);
}

struct appender {
    struct journal *journal;
    uint64_t appended;
};

static enum status appender_body(struct fiber *f, void *argument) {
    struct appender *appender = argument;
    for (int i = 0; i < 300; i++) {
        append(f, appender->journal, 30000);
        appender->appended++;
    }
    return STATUS_OK;
}

static enum status full_body(struct fiber *f, void *argument) {
    struct journal *journal = create(f);
    journal_close(f, journal);
    struct journal_options options = options_at(false);
    options.size_target = 4 * SEGMENT;
    struct journal_replay replay = {{0}, replay_begin, replay_bytes, replay_end, NULL};
    seen.next = 1;
    assert_ok(journal_open(f, &options, &replay, &journal));
    struct appender appender = {journal, 0};
    struct task_group group;
    task_group_init(&group, f);
    assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, appender_body, &appender));
    for (int i = 0; i < 100; i++)
        assert_ok(fiber_sleep(f, 1000000));
    uint64_t stopped = appender.appended; /* it waits for room now */
    assert_true(stopped < 60);
    while (appender.appended < 300) {
        journal_wait_durable(f, journal, journal_newest(journal));
        journal_release(f, journal, journal_durable(journal));
        struct journal_statistics statistics;
        journal_statistics(journal, &statistics);
        assert_true(statistics.bytes_used <= 6 * SEGMENT);
        assert_ok(fiber_sleep(f, 1000000));
    }
    assert_ok(task_group_wait(f, &group));
    /* Nobody will make room: an error instead of waiting for ever. */
    journal_refuse_when_full(journal, true);
    enum status status = STATUS_OK;
    uint8_t bytes[30000] = {0};
    for (int i = 0; i < 200 && status == STATUS_OK; i++) {
        struct commit_number number;
        status = journal_append(f, journal, slice_of(bytes, sizeof bytes), &number);
    }
    assert_int_equal(status, STATUS_DISK_FULL);
    journal_close(f, journal);
    return STATUS_OK;
}

static void full_ring_holds_appenders_back(void **state) {
    fixture_run(full_body, 1, RUNTIME_BACKEND_AUTO);
}

/* The last frame cut at every byte: what was before is kept, appending goes on. */
static enum status torn_body(struct fiber *f, void *argument) {
    struct journal *journal = create(f);
    for (int i = 0; i < 5; i++) {
        append(f, journal, 900);
        journal_wait_durable(f, journal, journal_newest(journal));
    }
    append(f, journal, 9000); /* three blocks */
    journal_close(f, journal);
    char path[128];
    snprintf(path, sizeof path, "%s/journal/0000000000000001.journal", fixture_root);
    size_t size;
    uint8_t *whole = file_load(path, &size), *torn = malloc(size);
    size_t frame = 6 * JOURNAL_BLOCK_SIZE, used = journal_frame_size(9000 + 2);
    log_level_set(LOG_ERROR);
    for (size_t cut = 0; cut < 9000; cut += cut < 100 || cut > 8900 ? 1 : 61) {
        memcpy(torn, whole, size);
        memset(torn + frame + cut, 0, used - cut);
        file_store(path, torn, size);
        assert_ok(reopen(f, 0, &journal));
        assert_int_equal(seen.count, 5);
        uint64_t kept = seen.sizes[6];
        append(f, journal, 50);
        journal_close(f, journal);
        assert_ok(reopen(f, 0, &journal));
        assert_int_equal(seen.count, 6);
        journal_close(f, journal);
        seen.sizes[6] = kept;
    }
    for (size_t block = 0; block < used; block += JOURNAL_BLOCK_SIZE) { /* any one block lost */
        memcpy(torn, whole, size);
        memset(torn + frame + block, 0, JOURNAL_BLOCK_SIZE);
        file_store(path, torn, size);
        assert_ok(reopen(f, 0, &journal));
        assert_int_equal(seen.count, 5);
        journal_close(f, journal);
    }
    free(whole);
    free(torn);
    return STATUS_OK;
}

static void torn_tail_is_cut_off(void **state) {
    fixture_run(torn_body, 1, RUNTIME_BACKEND_AUTO);
}

/* One flipped bit in any frame but the last, or in a header: refused, the file named. */
static enum status flipped_body(struct fiber *f, void *argument) {
    struct journal *journal = create(f);
    for (int i = 0; i < 6; i++) {
        append(f, journal, 5000);
        journal_wait_durable(f, journal, journal_newest(journal));
    }
    journal_close(f, journal);
    char path[128];
    snprintf(path, sizeof path, "%s/journal/0000000000000001.journal", fixture_root);
    size_t size;
    uint8_t *bytes = file_load(path, &size);
    size_t last = JOURNAL_BLOCK_SIZE * 11;
    struct random random;
    random_seed(&random, 11);
    for (int i = 0; i < 150; i++) {
        size_t at = random_below(&random, last);
        uint8_t bit = (uint8_t)(1u << random_below(&random, 8));
        bytes[at] ^= bit;
        file_store(path, bytes, size);
        enum status status = reopen(f, 0, &journal);
        if (status != STATUS_DATA_CORRUPTED && status != STATUS_FEATURE_NOT_SUPPORTED)
            fail_msg("flipped bit at %zu: %s", at, status_name(status));
        assert_non_null(strstr(error_current()->message, ".journal"));
        bytes[at] ^= bit;
    }
    file_store(path, bytes, size);
    assert_ok(reopen(f, 0, &journal));
    assert_int_equal(seen.count, 6);
    journal_close(f, journal);
    free(bytes);
    return STATUS_OK;
}

static void damage_in_the_middle_is_refused(void **state) {
    fixture_run(flipped_body, 1, RUNTIME_BACKEND_AUTO);
}

static enum status foreign_body(struct fiber *f, void *argument) {
    struct journal *journal = create(f);
    append(f, journal, 5);
    journal_close(f, journal);
    struct journal_options options = options_at(false);
    options.database_id = 99;
    struct journal_replay replay = {{0}, replay_begin, replay_bytes, replay_end, NULL};
    assert_status(journal_open(f, &options, &replay, &journal), STATUS_DATA_CORRUPTED);
    assert_non_null(strstr(error_current()->message, "another database"));
    return STATUS_OK;
}

static void foreign_segment_is_refused(void **state) {
    fixture_run(foreign_body, 1, RUNTIME_BACKEND_AUTO);
}

static enum status abandon_body(struct fiber *f, void *argument) {
    struct journal *journal = create(f);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 20; i++)
            append(f, journal, 500);
        journal_wait_durable(f, journal, journal_newest(journal));
        uint64_t acknowledged = journal_durable(journal).value;
        append(f, journal, 300);
        journal_abandon(f, journal);
        assert_ok(reopen(f, 0, &journal));
        assert_true(journal_newest(journal).value >= acknowledged);
    }
    journal_close(f, journal);
    return STATUS_OK;
}

static void durable_records_survive_abandoning(void **state) {
    fixture_run(abandon_body, 1, RUNTIME_BACKEND_AUTO);
}

/* Appenders on two cores: numbers have no gaps and every record comes back as it was sent. */
struct remote {
    struct journal *journal;
    _Atomic uint64_t *sum;
};

static enum status remote_body(struct fiber *f, void *argument) {
    struct remote *remote = argument;
    for (int i = 0; i < 200; i++) {
        uint8_t bytes[16] = {0};
        struct commit_number number;
        bytes[0] = (uint8_t)fiber_core(f);
        assert_ok(journal_append(f, remote->journal, slice_of(bytes, sizeof bytes), &number));
        journal_wait_durable(f, remote->journal, number);
        assert_true(journal_durable(remote->journal).value >= number.value);
        *remote->sum += number.value;
    }
    return STATUS_OK;
}

static enum status cores_body(struct fiber *f, void *argument) {
    struct journal *journal = create(f);
    _Atomic uint64_t sum = 0;
    struct remote remote = {journal, &sum};
    void *arguments[2] = {&remote, &remote};
    assert_ok(core_call_all(f, 3, remote_body, arguments));
    assert_int_equal(sum, 400 * 401 / 2);
    journal_close(f, journal);
    return STATUS_OK;
}

static void cores_share_one_journal(void **state) {
    fixture_run(cores_body, 2, RUNTIME_BACKEND_AUTO);
}

/* ---- format -------------------------------------------------------------------------------- */

static void frame_has_its_golden_bytes(void **state) {
    static const uint8_t golden[64 + 7] = {
#include "frame.golden"
    };
    uint8_t frame[JOURNAL_BLOCK_SIZE];
    memcpy(frame + JOURNAL_FRAME_HEADER_SIZE, "\x02hi\x03you", 7);
    struct journal_frame_header header = {.segment = 3,
                                          .frame = 17,
                                          .previous_hash = 0x1122334455667788,
                                          .first_number = 41,
                                          .record_count = 2,
                                          .payload_size = 7,
                                          .kind = JOURNAL_FRAME_RECORDS};
    uint64_t hash, hash_again;
    assert_int_equal(journal_frame_encode(&header, 0xABCD, frame, &hash), JOURNAL_BLOCK_SIZE);
    if (memcmp(frame, golden, sizeof golden) != 0)
        for (size_t i = 0; i < sizeof golden; i++)
            printf("0x%02x,%c", frame[i], i % 16 == 15 ? '\n' : ' ');
    assert_memory_equal(frame, golden, sizeof golden);
    struct journal_frame_header decoded;
    memset(frame, 0, sizeof frame);
    memcpy(frame, golden, sizeof golden);
    size_t size;
    assert_true(journal_frame_peek(frame, 3, &size));
    assert_int_equal(size, JOURNAL_BLOCK_SIZE);
    assert_false(journal_frame_peek(frame, 4, &size));
    assert_true(journal_frame_decode(frame, sizeof frame, 0xABCD, &decoded, &hash_again));
    assert_memory_equal(&decoded, &header, sizeof header);
    assert_int_equal(hash, hash_again);
    assert_false(journal_frame_decode(frame, sizeof frame, 0xABCE, &decoded, &hash_again));
    struct slice rest = slice_of(golden + 64, 7), record;
    assert_true(journal_record_next(&rest, &record));
    assert_memory_equal(record.data, "hi", 2);
    assert_true(journal_record_next(&rest, &record));
    assert_memory_equal(record.data, "you", 3);
    assert_false(journal_record_next(&rest, &record));
    assert_int_equal(rest.size, 0);
}

static void segment_header_has_its_golden_bytes(void **state) {
    static const uint8_t golden[72] = {
#include "segment.golden"
    };
    uint8_t block[JOURNAL_BLOCK_SIZE];
    struct journal_segment_header header = {.database_id = 0xABCD,
                                            .sequence = 3,
                                            .size = 64 << 20,
                                            .first_number = 41,
                                            .first_frame = 17,
                                            .previous_hash = 0x1122334455667788,
                                            .continues = true};
    journal_segment_header_encode(&header, block);
    if (memcmp(block, golden, sizeof golden) != 0)
        for (size_t i = 0; i < sizeof golden; i++)
            printf("0x%02x,%c", block[i], i % 16 == 15 ? '\n' : ' ');
    assert_memory_equal(block, golden, sizeof golden);
    struct journal_segment_header decoded = {0};
    uint32_t version;
    assert_int_equal(journal_segment_header_decode(block, &decoded, &version),
                     JOURNAL_HEADER_VALID);
    assert_int_equal(version, 1);
    assert_int_equal(decoded.database_id, header.database_id);
    assert_int_equal(decoded.first_frame, header.first_frame);
    assert_true(decoded.continues);
    block[100] = 1;
    assert_int_equal(journal_segment_header_decode(block, &decoded, &version),
                     JOURNAL_HEADER_DAMAGED);
}

/* ---- what decoders refuse though the checksum is right ---- */

static void header_seal(uint8_t *block) {
    put_le32(block + 12, 0);
    put_le32(block + 12, crc32c(0, block, JOURNAL_BLOCK_SIZE));
}

static void every_field_of_a_segment_header_is_looked_at(void **state) {
    static const struct {
        unsigned at, size;
        uint64_t value;
        enum journal_header_result result;
    } cases[] = {
        {0, 1, 'X', JOURNAL_HEADER_DAMAGED},   {8, 4, 99, JOURNAL_HEADER_VERSION_UNKNOWN},
        {24, 8, 0, JOURNAL_HEADER_DAMAGED},    {24, 8, 9, JOURNAL_HEADER_VALID},
        {32, 8, 4097, JOURNAL_HEADER_DAMAGED}, {40, 8, 0, JOURNAL_HEADER_DAMAGED},
        {48, 8, 0, JOURNAL_HEADER_DAMAGED},    {56, 8, 0, JOURNAL_HEADER_VALID},
        {64, 1, 2, JOURNAL_HEADER_DAMAGED},    {64, 1, 0, JOURNAL_HEADER_VALID},
        {65, 1, 1, JOURNAL_HEADER_DAMAGED},    {4095, 1, 1, JOURNAL_HEADER_DAMAGED},
    };
    struct journal_segment_header header = {.database_id = 7,
                                            .sequence = 3,
                                            .size = 64 << 20,
                                            .first_number = 41,
                                            .first_frame = 17,
                                            .previous_hash = 5,
                                            .continues = true};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t block[JOURNAL_BLOCK_SIZE];
        struct journal_segment_header decoded = {0};
        uint32_t version = 0;
        journal_segment_header_encode(&header, block);
        for (unsigned b = 0; b < cases[i].size; b++)
            block[cases[i].at + b] = (uint8_t)(cases[i].value >> 8 * b);
        enum journal_header_result unsealed =
            journal_segment_header_decode(block, &decoded, &version);
        header_seal(block);
        assert_int_equal(journal_segment_header_decode(block, &decoded, &version), cases[i].result);
        assert_int_equal(unsealed, JOURNAL_HEADER_DAMAGED);
    }
}

static void every_field_of_a_frame_is_looked_at(void **state) {
    static const struct {
        unsigned at, size;
        uint64_t value;
        bool valid;
    } cases[] = {
        {0, 1, 'X', false},     {40, 4, 0, false},      {40, 4, 2, true},      {44, 4, 0, false},
        {44, 4, 9000, false},   {44, 4, 6, false},      {48, 1, 0, false},     {48, 1, 3, false},
        {48, 2, 0x0102, false}, {48, 2, 0x0301, false}, {49, 1, 1, false},     {50, 1, 1, false},
        {63, 1, 1, false},      {8, 8, 77, true},       {64 + 7, 1, 1, false}, {64, 1, 0xFF, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t frame[JOURNAL_BLOCK_SIZE] = {0};
        uint64_t hash;
        struct journal_frame_header header = {.segment = 2,
                                              .frame = 3,
                                              .first_number = 4,
                                              .record_count = 1,
                                              .payload_size = 7,
                                              .kind = JOURNAL_FRAME_RECORDS};
        struct journal_frame_header decoded;
        memset(frame + 64, 1, 7);
        journal_frame_encode(&header, 0xABCD, frame, &hash);
        assert_true(journal_frame_decode(frame, sizeof frame, 0xABCD, &decoded, &hash));
        for (unsigned b = 0; b < cases[i].size; b++)
            frame[cases[i].at + b] = (uint8_t)(cases[i].value >> 8 * b);
        uint32_t payload = get_le32(frame + 44) < 4000 ? get_le32(frame + 44) : 7;
        put_le32(frame + 4, crc32c((uint32_t)hash_u64(0xABCD), frame + 8,
                                   JOURNAL_FRAME_HEADER_SIZE - 8 + payload));
        if (journal_frame_decode(frame, sizeof frame, 0xABCD, &decoded, &hash) != cases[i].valid)
            fail_msg("case %zu", i);
    }
}

static enum status options_body(struct fiber *f, void *argument) {
    char path[2048], long_path[5000];
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    snprintf(path, sizeof path, "%s/journal", fixture_root);
    struct {
        const char *directory;
        uint64_t segment_size;
        enum status status;
    } cases[] = {{long_path, 0, STATUS_NAME_TOO_LONG},
                 {path, 100, STATUS_INVALID_PARAMETER_VALUE},
                 {path, (256 << 10) + 1, STATUS_INVALID_PARAMETER_VALUE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct journal *journal = NULL;
        struct journal_options options = {.directory = cases[i].directory,
                                          .database_id = 1,
                                          .segment_size = cases[i].segment_size};
        assert_int_equal(journal_open(f, &options, NULL, &journal), cases[i].status);
        assert_null(journal);
        error_clear();
    }
    return STATUS_OK;
}

static void options_are_looked_at(void **state) {
    fixture_run(options_body, 1, RUNTIME_BACKEND_AUTO);
}

/* ---- the last frame is written anew -------------------------------------------------------------
 */

static _Atomic size_t written; /* bytes, by writes since this was zero */

static int count_written(const struct operation *operation) {
    if (operation->kind == OPERATION_WRITE)
        written += operation->size;
    return 0;
}

/* Only the system's copy may have it (after a failed sync), wherever in its segment it lies. */
static enum status written_anew_body(struct fiber *f, void *argument) {
    enum { FRAME = 2 * JOURNAL_BLOCK_SIZE };
    struct journal *journal = create(f);
    for (int i = 0; i < 3 * SEGMENT / FRAME; i++) {
        append(f, journal, JOURNAL_BLOCK_SIZE);
        journal_wait_durable(f, journal, journal_newest(journal));
        journal_close(f, journal);
        written = 0;
        assert_ok(reopen(f, 0, &journal));
        assert_true(written >= FRAME);
    }
    journal_close(f, journal);
    return STATUS_OK;
}

static void the_last_frame_is_written_anew(void **state) {
    fixture_run_faulty(written_anew_body, count_written);
}

int main(void) {
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failure on a fiber cannot jump out of it */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_has_its_golden_bytes),
        cmocka_unit_test(segment_header_has_its_golden_bytes),
        cmocka_unit_test(every_field_of_a_segment_header_is_looked_at),
        cmocka_unit_test(every_field_of_a_frame_is_looked_at),
        cmocka_unit_test(options_are_looked_at),
        cmocka_unit_test(records_come_back_in_order),
        cmocka_unit_test(records_come_back_in_order_posix),
        cmocka_unit_test(large_record_given_up_never_existed),
        cmocka_unit_test(what_was_given_up_does_not_fill_the_ring),
        cmocka_unit_test(segments_are_recycled),
        cmocka_unit_test(segments_wait_for_memory),
        cmocka_unit_test(full_disk_is_told_to_who_appends),
        cmocka_unit_test(full_ring_holds_appenders_back),
        cmocka_unit_test(torn_tail_is_cut_off),
        cmocka_unit_test(the_last_frame_is_written_anew),
        cmocka_unit_test(damage_in_the_middle_is_refused),
        cmocka_unit_test(foreign_segment_is_refused),
        cmocka_unit_test(durable_records_survive_abandoning),
        cmocka_unit_test(cores_share_one_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
