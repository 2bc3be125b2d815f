/* Files and directories. */
#include "runtime_fixture.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "runtime/runtime_file.h"

static char directory[64];

static const char *path_of(const char *name) {
    static char paths[4][100];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* ---- reading and writing ---------------------------------------------------------------- */

static enum status short_at_end(struct fiber *f, void *argument) {
    struct file *file;
    TRY(file_open(f, path_of("short"), FILE_CREATE | FILE_EXCLUSIVE, &file));
    uint8_t bytes[10000], back[10000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_next(fiber_random(f));
    TRY(file_write(f, file, bytes, sizeof bytes, 0, FILE_WRITE_PLAIN));
    size_t size = 99;
    TRY(file_read(f, file, back, sizeof back, 0, &size));
    CHECK(size == sizeof bytes && memcmp(back, bytes, size) == 0);
    TRY(file_read(f, file, back, sizeof back, 9000, &size));
    CHECK(size == 1000 && memcmp(back, bytes + 9000, 1000) == 0);
    TRY(file_read(f, file, back, sizeof back, 10000, &size));
    CHECK(size == 0);
    TRY(file_read(f, file, back, 10, 1u << 20, &size));
    CHECK(size == 0);
    TRY(file_read(f, file, back, 0, 0, &size));
    CHECK(size == 0);
    TRY(file_read_exact(f, file, back, 1000, 9000));
    CHECK_STATUS(file_read_exact(f, file, back, 1001, 9000), STATUS_DATA_CORRUPTED);
    CHECK(strstr(error_current()->message, "read 1000 of 1001") != NULL);
    CHECK(strcmp(file_path(file), path_of("short")) == 0);
    return file_close(f, file);
}

static void a_read_is_short_at_the_end_only(void **state) {
    run_on_cores(1, short_at_end, NULL);
}

static enum status sizes(struct fiber *f, void *argument) {
    struct file *file;
    uint64_t size;
    uint8_t bytes[4096];
    TRY(file_open(f, path_of("sizes"), FILE_CREATE, &file));
    TRY(file_allocate(f, file, 100000));
    TRY(file_size(f, file, &size));
    CHECK(size == 100000);
    TRY(file_write(f, file, "xyz", 3, 50000, FILE_WRITE_DURABLE));
    TRY(file_read_exact(f, file, bytes, 4096, 49999));
    CHECK(bytes[0] == 0 && memcmp(bytes + 1, "xyz", 3) == 0 && bytes[4] == 0);
    TRY(file_punch(f, file, 49152, 4096));
    TRY(file_read_exact(f, file, bytes, 4096, 49152));
    for (int i = 0; i < 4096; i++)
        CHECK(bytes[i] == 0);
    TRY(file_truncate(f, file, 10));
    TRY(file_size(f, file, &size));
    CHECK(size == 10);
    TRY(file_allocate(f, file, 5));
    TRY(file_size(f, file, &size));
    CHECK(size == 5);
    TRY(file_sync(f, file));
    TRY(file_close(f, file));
    TRY(file_open(f, path_of("sizes"), FILE_TRUNCATE, &file));
    TRY(file_size(f, file, &size));
    CHECK(size == 0);
    return file_close(f, file);
}

static void sizes_change_as_asked(void **state) {
    run_on_cores(1, sizes, NULL);
}

static enum status direct(struct fiber *f, void *argument) {
    struct file *file;
    TRY(file_open(f, path_of("direct"), FILE_CREATE | FILE_DIRECT, &file));
    enum { SIZE = 64 * 1024 };
    uint8_t *out = memory_alloc_aligned(FILE_DIRECT_ALIGNMENT, SIZE);
    uint8_t *in = memory_alloc_aligned(FILE_DIRECT_ALIGNMENT, SIZE);
    CHECK(out != NULL && in != NULL);
    for (int i = 0; i < SIZE; i++)
        out[i] = (uint8_t)random_next(fiber_random(f));
    TRY(file_write(f, file, out, SIZE, FILE_DIRECT_ALIGNMENT, FILE_WRITE_DURABLE));
    TRY(file_read_exact(f, file, in, SIZE, FILE_DIRECT_ALIGNMENT));
    CHECK(memcmp(in, out, SIZE) == 0);
    /* The file ends in the middle of a block. */
    TRY(file_truncate(f, file, 3 * FILE_DIRECT_ALIGNMENT + 100));
    size_t size;
    TRY(file_read(f, file, in, SIZE, FILE_DIRECT_ALIGNMENT, &size));
    CHECK(size == 2 * FILE_DIRECT_ALIGNMENT + 100 && memcmp(in, out, size) == 0);
    memory_free(out);
    memory_free(in);
    return file_close(f, file);
}

static void direct_files_read_what_was_written(void **state) {
    run_on_cores(1, direct, NULL);
}

struct area {
    struct file *file;
    uint64_t index;
};

enum { AREA_SIZE = 8192, AREAS = 64 };

static enum status write_and_check(struct fiber *f, void *argument) {
    const struct area *area = argument;
    uint8_t out[AREA_SIZE], in[AREA_SIZE];
    for (int round = 0; round < 5; round++) {
        memset(out, (int)(area->index * 5 + (unsigned)round), sizeof out);
        TRY(file_write(f, area->file, out, AREA_SIZE, area->index * AREA_SIZE, FILE_WRITE_PLAIN));
        if (round == 2)
            TRY(file_sync(f, area->file));
        TRY(file_read_exact(f, area->file, in, AREA_SIZE, area->index * AREA_SIZE));
        CHECK(memcmp(in, out, sizeof in) == 0);
    }
    return STATUS_OK;
}

static enum status many_at_once_here(struct fiber *f, void *argument) {
    struct area areas[AREAS];
    struct task_group group;
    task_group_init(&group, f);
    for (unsigned i = 0; i < AREAS; i++) {
        areas[i] = (struct area){argument, fiber_core(f) * AREAS + i};
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, write_and_check, &areas[i]));
    }
    return task_group_wait(f, &group);
}

static enum status many_at_once(struct fiber *f, void *argument) {
    struct file *file;
    TRY(file_open(f, path_of("many"), FILE_CREATE, &file));
    void *arguments[2] = {file, file};
    TRY(core_call_all(f, 3, many_at_once_here, arguments));
    return file_close(f, file);
}

static void many_fibers_of_two_cores_share_a_file(void **state) {
    run_on_cores(2, many_at_once, NULL);
}

/* ---- failures --------------------------------------------------------------------------- */

static enum status failures(struct fiber *f, void *argument) {
    struct file *file = (struct file *)1;
    CHECK_STATUS(file_open(f, path_of("absent"), 0, &file), STATUS_UNDEFINED_FILE);
    CHECK(file == NULL && strstr(error_current()->message, "absent") != NULL);
    CHECK_STATUS(file_open(f, "/proc/version/x", FILE_CREATE, &file), STATUS_IO_ERROR);
    TRY(file_open(f, path_of("present"), FILE_CREATE | FILE_EXCLUSIVE, &file));
    TRY(file_close(f, file));
    CHECK_STATUS(file_open(f, path_of("present"), FILE_CREATE | FILE_EXCLUSIVE, &file),
                 STATUS_DUPLICATE_FILE);
    TRY(file_open(f, path_of("present"), FILE_READ_ONLY, &file));
    CHECK_STATUS(file_write(f, file, "x", 1, 7, 0), STATUS_IO_ERROR);
    CHECK(strstr(error_current()->message, "at offset 7") != NULL);
    TRY(file_close(f, file));
    TRY(file_open(f, "/dev/full", 0, &file));
    CHECK_STATUS(file_write(f, file, "x", 1, 0, 0), STATUS_DISK_FULL);
    TRY(file_close(f, file));
    CHECK_STATUS(file_remove(f, path_of("absent")), STATUS_UNDEFINED_FILE);
    CHECK_STATUS(file_rename(f, path_of("absent"), path_of("b")), STATUS_UNDEFINED_FILE);
    CHECK_STATUS(directory_create(f, directory), STATUS_DUPLICATE_FILE);
    CHECK_STATUS(directory_remove(f, directory), STATUS_IO_ERROR); /* not empty */
    char **names;
    size_t count;
    CHECK_STATUS(directory_list(f, path_of("absent"), &names, &count), STATUS_UNDEFINED_FILE);
    bool exists = true;
    TRY(file_exists(f, path_of("absent"), &exists));
    CHECK(!exists);
    TRY(file_exists(f, directory, &exists));
    CHECK(exists);
    return STATUS_OK;
}

static void failures_have_their_status(void **state) {
    run_on_cores(1, failures, NULL);
}

static enum status cancelled_before(struct fiber *f, void *argument) {
    struct file *file, *other;
    uint8_t bytes[100] = {0};
    size_t size;
    TRY(file_open(f, path_of("cancel"), FILE_CREATE, &file));
    fiber_cancel(f, STATUS_CANCELED, "no more");
    CHECK_STATUS(file_open(f, path_of("cancel"), 0, &other), STATUS_CANCELED);
    CHECK_STATUS(file_read(f, file, bytes, 100, 0, &size), STATUS_CANCELED);
    CHECK_STATUS(file_write(f, file, bytes, 100, 0, 0), STATUS_CANCELED);
    CHECK_STATUS(file_sync(f, file), STATUS_CANCELED);
    TRY(file_close(f, file)); /* always */
    fiber_cancel_clear(f);
    TRY(file_open(f, path_of("cancel"), 0, &file));
    uint64_t length;
    TRY(file_size(f, file, &length));
    CHECK(length == 0);
    return file_close(f, file);
}

static void a_cancelled_fiber_does_no_more_to_files(void **state) {
    run_on_cores(1, cancelled_before, NULL);
}

struct hammer {
    struct file *file;
    struct fiber *fiber;
    bool ended;
};

/* Reads into its own frame until it is cancelled; then the frame is overwritten at once. */
static enum status read_on(struct fiber *f, void *argument) {
    struct hammer *hammer = argument;
    hammer->fiber = f;
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        uint8_t frame[4096];
        size_t size;
        status = file_read(f, hammer->file, frame, sizeof frame, 0, &size);
        memset(frame, 0xEE, sizeof frame);
    }
    hammer->ended = true;
    return status == STATUS_CANCELED ? STATUS_OK : status;
}

static enum status cancel_reads(struct fiber *f, void *argument) {
    struct file *file;
    TRY(file_open(f, path_of("short"), 0, &file));
    for (int i = 0; i < 50; i++) {
        struct hammer hammers[10] = {0};
        struct task_group group;
        task_group_init(&group, f);
        for (int k = 0; k < 10; k++) {
            hammers[k].file = file;
            TRY(task_group_spawn(f, &group, FIBER_NORMAL, read_on, &hammers[k]));
        }
        TRY(fiber_sleep(f, (int64_t)random_below(fiber_random(f), 300000)));
        task_group_cancel(&group, STATUS_CANCELED);
        TRY(task_group_wait(f, &group));
    }
    return file_close(f, file);
}

static void reads_in_flight_can_be_cancelled(void **state) {
    run_on_cores(1, cancel_reads, NULL);
}

/* ---- names and locks -------------------------------------------------------------------- */

static enum status list_sorted(struct fiber *f, void *argument) {
    TRY(directory_create(f, path_of("d")));
    static const char *const create[] = {"d/c", "d/a", "d/b10", "d/b"};
    static const char *const want[] = {"a", "b", "b10", "c"};
    for (int i = 0; i < 4; i++) {
        struct file *file;
        TRY(file_open(f, path_of(create[i]), FILE_CREATE, &file));
        TRY(file_close(f, file));
    }
    TRY(directory_sync(f, path_of("d")));
    char **names;
    size_t count;
    TRY(directory_list(f, path_of("d"), &names, &count));
    CHECK(count == 4);
    for (int i = 0; i < 4; i++) {
        CHECK(strcmp(names[i], want[i]) == 0);
        memory_free(names[i]);
        TRY(file_remove(f, path_of(create[i])));
    }
    memory_free(names);
    TRY(directory_list(f, path_of("d"), &names, &count));
    CHECK(count == 0);
    memory_free(names);
    return directory_remove(f, path_of("d"));
}

static void directories_are_listed_in_order(void **state) {
    run_on_cores(1, list_sorted, NULL);
}

static enum status lock_twice(struct fiber *f, void *argument) {
    struct file *first, *second;
    TRY(file_open(f, path_of("lock"), FILE_CREATE, &first));
    TRY(file_open(f, path_of("lock"), 0, &second));
    TRY(file_lock_exclusive(f, first));
    CHECK_STATUS(file_lock_exclusive(f, second), STATUS_OBJECT_IN_USE);
    char want[40];
    snprintf(want, sizeof want, "%d", (int)getpid());
    CHECK(strstr(error_current()->detail, want) != NULL);
    TRY(file_close(f, first));
    TRY(file_lock_exclusive(f, second));
    return file_close(f, second);
}

static void a_lock_excludes_and_names_its_holder(void **state) {
    run_on_cores(1, lock_twice, NULL);
}

/* ---- ---------------------------------------------------------------------------------- */

static int make_directory(void **state) {
    strcpy(directory, "/tmp/satori_file_XXXXXX");
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_directory(void **state) {
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_read_is_short_at_the_end_only),
    cmocka_unit_test(sizes_change_as_asked),
    cmocka_unit_test(direct_files_read_what_was_written),
    cmocka_unit_test(many_fibers_of_two_cores_share_a_file),
    cmocka_unit_test(failures_have_their_status),
    cmocka_unit_test(a_cancelled_fiber_does_no_more_to_files),
    cmocka_unit_test(reads_in_flight_can_be_cancelled),
    cmocka_unit_test(directories_are_listed_in_order),
    cmocka_unit_test(a_lock_excludes_and_names_its_holder),
};

RUN_ON_BOTH_WITH(tests, make_directory, remove_directory)
