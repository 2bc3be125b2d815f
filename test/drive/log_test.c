/* drive_log: whole batches or none, damage told from torn tails, failing I/O, an ordinary store. */
#include "drive_fixture.h"

#include <errno.h>

#include "drive/drive_log.h"
#include "runtime/backend.h"
#include "runtime/runtime.h"
#include "runtime/runtime_file.h"

enum { ENTRIES_MAX = 64, SEAL_SIZE = 40 };

/* What a log should hold: value i is value_size(i) bytes of the letter 'a' + i % 26. */
struct seen {
    unsigned count, whole; /* entries; those of whole batches */
};

static size_t value_size(unsigned i) {
    return i % 7 == 3 ? 70000 : (i * 37) % 300;
}

static enum status put(struct fiber *f, struct drive_log *log, unsigned i, bool ends) {
    static uint8_t value[70000];
    char key[32];
    int size = snprintf(key, sizeof key, "%u/key", i);
    memset(value, 'a' + (int)(i % 26), value_size(i));
    return drive_log_put(f, log, slice_of(key, (size_t)size), slice_of(value, value_size(i)), ends);
}

static enum status see(void *context, struct slice key, struct slice value, bool ends_batch) {
    struct seen *seen = context;
    char wanted[32];
    unsigned i = seen->count++;
    snprintf(wanted, sizeof wanted, "%u/key", i);
    assert_true(slice_equal(key, slice_of_text(wanted)));
    assert_int_equal(value.size, value_size(i));
    for (size_t at = 0; at < value.size; at++)
        assert_int_equal(value.data[at], 'a' + i % 26);
    if (ends_batch)
        seen->whole = seen->count;
    return STATUS_OK;
}

static enum status open_log(struct fiber *f, const char *path, struct drive_log **log_out,
                            struct seen *seen, uint64_t *cut_out) {
    *seen = (struct seen){0};
    const struct drive_log_reader reader = {see, seen};
    return drive_log_open(f, path, &reader, log_out, cut_out);
}

static void run(fiber_function body) {
    struct runtime *runtime;
    assert_ok(runtime_create(&(struct runtime_options){.core_count = 1}, &runtime));
    assert_ok(runtime_run(runtime, 0, body, NULL));
    runtime_destroy(runtime);
}

/* Entries 0 .. 9 in batches of 1, 2, 3, 4, each synced; sizes after each in ends[0..4]. */
static void write_batches(struct fiber *f, const char *path, uint64_t ends[5]) {
    struct drive_log *log;
    assert_ok(drive_log_create(f, path, &log));
    ends[0] = drive_log_size(log);
    unsigned i = 0;
    for (unsigned batch = 1; batch <= 4; batch++) {
        for (unsigned n = 0; n < batch; n++, i++)
            assert_ok(put(f, log, i, n + 1 == batch));
        assert_ok(drive_log_sync(f, log));
        ends[batch] = drive_log_size(log);
    }
    assert_ok(drive_log_close(f, log));
}

static enum status batches(struct fiber *f, void *argument) {
    const char *path = path_of("batches");
    uint64_t ends[5], cut;
    struct seen seen;
    struct drive_log *log;
    write_batches(f, path, ends);
    for (unsigned round = 0; round < 3; round++) {
        assert_ok(open_log(f, path, &log, &seen, &cut));
        assert_true(seen.count == 10 + round && seen.whole == seen.count && cut == 0);
        assert_ok(put(f, log, seen.count, true));
        assert_ok(drive_log_sync(f, log));
        assert_ok(put(f, log, 99, false)); /* begun only: it is not seen again */
        assert_ok(drive_log_close(f, log));
    }
    return STATUS_OK;
}

static void entries_come_back_in_order(void **state) {
    run(batches);
}

/* An ordinary store: keys, values, checksums. */
static void the_drive_reads_it(void **state) {
    run(batches);
    struct drive *drive;
    uint64_t entries, damaged;
    assert_ok(drive_open(path_of("batches"), &(struct drive_options){.read_only = true}, &drive));
    assert_true(drive_recovery(drive)->tail_size == 0 && drive_recovery(drive)->damage_count == 0);
    struct drive_statistics statistics;
    drive_statistics(drive, &statistics);
    assert_int_equal(statistics.count, 13);
    assert_ok(drive_verify(drive, 1, NULL, NULL, NULL, &entries, &damaged));
    assert_int_equal(damaged, 0);
    uint8_t value[70000];
    memset(value, 'd', sizeof value);
    assert_value(drive, text("3/key"), slice_of(value, value_size(3)));
    assert_ok(drive_close(drive));
}

static enum status cuts(struct fiber *f, void *argument) {
    const char *path = path_of("cuts");
    uint64_t ends[5], cut;
    struct seen seen;
    struct drive_log *log;
    size_t size;
    write_batches(f, path, ends);
    uint8_t *bytes = file_bytes(path, &size);
    assert_int_equal(size, ends[4]);
    for (uint64_t at = 64; at <= size; at += at + 400 < ends[3] || at % 64 > 4 ? 61 : 1) {
        file_put(path, bytes, at);
        assert_ok(open_log(f, path, &log, &seen, &cut));
        unsigned whole = 0, wanted[] = {0, 1, 3, 6, 10};
        for (unsigned batch = 1; batch <= 4; batch++)
            if (at >= ends[batch] - SEAL_SIZE)
                whole = wanted[batch];
        assert_int_equal(seen.whole, whole);
        /* It goes on from there. */
        if (whole > 0) {
            assert_ok(put(f, log, whole, true));
            assert_ok(drive_log_sync(f, log));
        }
        assert_ok(drive_log_close(f, log));
        assert_ok(open_log(f, path, &log, &seen, &cut));
        assert_true(seen.whole == whole + (whole > 0) && cut == 0);
        assert_ok(drive_log_close(f, log));
    }
    for (uint64_t at = 0; at < 64; at++) {
        file_put(path, bytes, at);
        assert_status(open_log(f, path, &log, &seen, &cut), STATUS_DATA_CORRUPTED);
    }
    free(bytes);
    return STATUS_OK;
}

static void a_torn_tail_is_cut_off(void **state) {
    run(cuts);
}

static enum status flips(struct fiber *f, void *argument) {
    const char *path = path_of("flips");
    uint64_t ends[5], cut;
    struct seen seen;
    struct drive_log *log;
    size_t size;
    write_batches(f, path, ends);
    uint8_t *bytes = file_bytes(path, &size);
    for (uint64_t at = 0; at < size; at += at < 2000 || size - at < 600 ? 1 : 127) {
        bytes[at] ^= 16;
        file_put(path, bytes, size);
        bytes[at] ^= 16;
        if (at >= size - SEAL_SIZE) { /* only a witness, and nobody vouches for it */
            assert_ok(open_log(f, path, &log, &seen, &cut));
            assert_true(seen.whole == 10 && cut == SEAL_SIZE);
            assert_ok(drive_log_close(f, log));
        } else {
            assert_status(open_log(f, path, &log, &seen, &cut), STATUS_DATA_CORRUPTED);
            assert_non_null(strstr(error_current()->message, path));
        }
    }
    free(bytes);
    return STATUS_OK;
}

static void damage_before_a_seal_is_reported(void **state) {
    run(flips);
}

/* ---- failing writes ---------------------------------------------------------------------------
 */

static unsigned operations_left; /* before the fault; 0: none comes */

static int fault(const struct operation *operation) {
    bool counts = operation->kind == OPERATION_WRITE || operation->kind == OPERATION_SYNC;
    return counts && operations_left > 0 && --operations_left == 0 ? ENOSPC : 0;
}

static enum status failing(struct fiber *f, void *argument) {
    const char *path = path_of("failing");
    for (unsigned at = 1; at < 40; at++) {
        struct drive_log *log;
        struct seen seen;
        uint64_t ends[5], cut;
        write_batches(f, path, ends);
        assert_ok(open_log(f, path, &log, &seen, &cut));
        unsigned durable = 10, i = 10;
        enum status status = STATUS_OK;
        operations_left = at;
        while (status == STATUS_OK && i < ENTRIES_MAX) {
            status = put(f, log, i++, true);
            if (status == STATUS_OK)
                status = drive_log_sync(f, log);
            if (status == STATUS_OK)
                durable = i;
        }
        operations_left = 0;
        assert_int_equal(status, STATUS_DISK_FULL);
        assert_status(put(f, log, i, true), STATUS_IO_ERROR);
        assert_ok(drive_log_close(f, log));
        assert_ok(open_log(f, path, &log, &seen, &cut));
        assert_true(seen.whole == durable || seen.whole == durable + 1);
        assert_ok(drive_log_close(f, log));
    }
    return STATUS_OK;
}

static void a_failed_write_ends_it_and_loses_nothing(void **state) {
    const struct environment *normal = environment__current;
    struct environment faulty = *normal;
    faulty.file_fault = fault;
    environment__current = &faulty; /* before and after the cores run */
    run(failing);
    environment__current = normal;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_back_in_order),
        cmocka_unit_test(the_drive_reads_it),
        cmocka_unit_test(a_torn_tail_is_cut_off),
        cmocka_unit_test(damage_before_a_seal_is_reported),
        cmocka_unit_test(a_failed_write_ends_it_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
