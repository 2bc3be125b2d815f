/*
 * A store is created, read by a second handle that follows it, opened inside another one, and
 * opened again behind a torn tail, while one thing fails: each allocation in turn, and each change
 * of files (EIO, ENOSPC). Calls answer with the status that belongs to it. What was acknowledged is
 * there afterwards, and the store is of use.
 */
#include "drive_fixture.h"

#include "runtime/runtime_plain.h"

enum { ITEMS = 300, POINTS_MAX = 2000 };

enum way { NO_MEMORY, FAILING, FULL };

static struct {
    enum way way;
    unsigned at, met; /* which one fails; how many there were */
    bool struck;
    unsigned acknowledged; /* batches */
} life;

static bool strikes(void) {
    bool now = life.met++ == life.at;
    life.struck |= now;
    return now;
}

static bool allocation(void) {
    return strikes();
}

static int change(void *context, struct plain_event *event) {
    return !strikes() ? 0 : life.way == FULL ? 28 /* ENOSPC */ : 5 /* EIO */;
}

static void watch(bool on) {
    if (life.way == NO_MEMORY)
        memory_fault_set(on ? allocation : NULL);
    else
        plain_hook_set(on ? change : NULL, NULL);
}

/* ---- the life of a store -------------------------------------------------------------------- */

static enum status write_batch(struct drive *drive, unsigned number, size_t size) {
    static char keys[ITEMS][24];
    static const uint8_t value[4000];
    struct drive_item items[ITEMS];
    for (unsigned i = 0; i < ITEMS; i++) {
        snprintf(keys[i], sizeof keys[i], "batch %u key %u", number, i);
        items[i] = (struct drive_item){.key = text(keys[i]), .value = slice_of(value, size)};
    }
    TRY(drive_batch(drive, items, ITEMS, DRIVE_SYNC));
    life.acknowledged = number;
    return STATUS_OK;
}

static enum status look_inside(struct drive *outer) {
    struct drive_handle handle;
    struct drive *inner;
    TRY(drive_get(outer, text("store"), &handle));
    enum status status = drive_open_nested(&handle, &inner);
    drive_handle_release(&handle);
    TRY(status);
    bool exists;
    status = drive_exists(inner, text("batch 1 key 7"), &exists);
    assert_true(status != STATUS_OK || exists);
    enum status closed = drive_close(inner);
    return status == STATUS_OK ? closed : status;
}

static enum status follow(struct drive *drive, struct drive *reader) {
    bool exists;
    for (unsigned number = 2; number <= 3; number++) {
        TRY(write_batch(drive, number, 10));
        if (number == 3)
            TRY(drive_compact(drive, NULL));
        TRY(drive_refresh(reader));
        char key[24];
        snprintf(key, sizeof key, "batch %u key 5", number);
        TRY(drive_exists(reader, text(key), &exists));
        assert_true(exists);
    }
    return drive_snapshot(drive);
}

static enum status grow_up(void) {
    struct drive *drive, *reader;
    TRY(drive_open(path_of("store"), &(struct drive_options){.create = true}, &drive));
    enum status status = write_batch(drive, 1, 100);
    if (status == STATUS_OK)
        status = drive_open(path_of("store"), &(struct drive_options){.read_only = true}, &reader);
    if (status == STATUS_OK) {
        status = follow(drive, reader);
        enum status closed = drive_close(reader);
        status = status == STATUS_OK ? closed : status;
    }
    enum status closed = drive_close(drive);
    return status == STATUS_OK ? closed : status;
}

/* Behind a tail that is kept beside the store; then the store lies in another one. */
static enum status grow_old(void) {
    size_t size;
    struct drive *drive;
    FILE *file = fopen(path_of("store"), "ab");
    assert_int_equal(fwrite("half an entry", 1, 13, file), 13);
    fclose(file);
    TRY(drive_open(path_of("store"), &(struct drive_options){.keep_tail = true}, &drive));
    assert_int_equal(drive_recovery(drive)->tail_size, 13);
    TRY(drive_close(drive));
    uint8_t *bytes = file_bytes(path_of("store"), &size);
    enum status status = drive_open(
        path_of("outer"), &(struct drive_options){.create = true, .alignment = 4096}, &drive);
    if (status == STATUS_OK) {
        status = drive_put(drive, text("store"), slice_of(bytes, size), DRIVE_NONE);
        if (status == STATUS_OK)
            status = look_inside(drive);
        enum status closed = drive_close(drive);
        status = status == STATUS_OK ? closed : status;
    }
    free(bytes);
    return status;
}

/* ---- afterwards ----------------------------------------------------------------------------- */

static void look(void) {
    struct drive *drive;
    bool exists;
    assert_ok(drive_open(path_of("store"), &(struct drive_options){.create = true}, &drive));
    for (unsigned number = 1; number <= life.acknowledged; number++) {
        char key[24];
        snprintf(key, sizeof key, "batch %u key %u", number, ITEMS - 1);
        assert_ok(drive_exists(drive, text(key), &exists));
        assert_true(exists);
    }
    assert_ok(write_batch(drive, 9, 50));
    assert_ok(drive_close(drive));
    assert_ok(drive_open(path_of("store"), &(struct drive_options){0}, &drive));
    assert_ok(drive_exists(drive, text("batch 9 key 0"), &exists));
    assert_true(exists);
    assert_ok(drive_close(drive));
}

static void clear_away(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -f %s/*", fixture_directory);
    assert_int_equal(system(command), 0);
}

static bool is_fitting(enum status status) {
    return status == (life.way == NO_MEMORY ? STATUS_OUT_OF_MEMORY
                      : life.way == FULL    ? STATUS_DISK_FULL
                                            : STATUS_IO_ERROR);
}

static void play(enum way way) {
    unsigned refused = 0;
    life.way = way;
    life.struck = true;
    for (life.at = 0; life.struck && life.at < POINTS_MAX; life.at++) {
        life.met = life.acknowledged = 0;
        life.struck = false;
        watch(true);
        enum status status = grow_up();
        if (status == STATUS_OK)
            status = grow_old();
        watch(false);
        if (status != STATUS_OK && (!life.struck || !is_fitting(status)))
            fail_msg("point %u: %s %s", life.at, status_name(status), error_current()->message);
        refused += status != STATUS_OK;
        look();
        clear_away();
    }
    printf("# %u points, %u of them refused\n", life.at, refused);
    assert_true(!life.struck && refused > 10);
}

static void every_allocation_fails(void **state) {
    play(NO_MEMORY);
}

static void every_change_of_files_fails(void **state) {
    play(FAILING);
}

static void the_disk_is_full_at_every_change(void **state) {
    play(FULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(every_change_of_files_fails),
        cmocka_unit_test(the_disk_is_full_at_every_change),
    };
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
