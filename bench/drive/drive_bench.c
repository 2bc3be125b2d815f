/*
 * The drive beside LMDB, SQLite and plain files: the same work, one thread, no durability on any
 * side (what is measured is the path to the page cache and back). Work is that of simd-r-drive's
 * benchmark: entries of 8 bytes under "bench-key-N", batches of 1,024, key formatting included; and
 * values of 4 KiB and 1 MiB.
 *
 * usage: drive_bench DIRECTORY [COUNT]      prints "NAME VALUE UNIT" lines
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef BENCH_LMDB
#include <lmdb.h>
#endif
#ifdef BENCH_SQLITE
#include <sqlite3.h>
#endif

#include "base/base_random.h"
#include "drive/drive.h"
#include "runtime/runtime.h"

enum { BATCH = 1024 };

static const char *directory;
static uint64_t count = 1000000;
static volatile uint64_t sink;
static const char *only = ""; /* measure what has this in its name */

static const char *path_of(const char *name) {
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void must(enum status status, const char *what) {
    if (status != STATUS_OK) {
        fprintf(stderr, "%s: %s\n", what, error_current()->message);
        exit(1);
    }
}

static void report(const char *name, double units, int64_t began, const char *unit) {
    double seconds = (double)(clock_monotonic_ns() - began) / 1e9;
    printf("%-44s %10.3f %s\n", name, units / seconds / 1e6, unit);
    fflush(stdout);
}

/* "bench-key-N"; printf would be most of the time measured. */
static size_t make_key(char *key, uint64_t n) {
    char digits[20];
    size_t used = 0, size = 10;
    memcpy(key, "bench-key-", 10);
    do
        digits[used++] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    while (used > 0)
        key[size++] = digits[--used];
    return size;
}

static void remove_store(const char *name) {
    char index[600];
    unlink(path_of(name));
    snprintf(index, sizeof index, "%s.index", path_of(name));
    unlink(index);
}

/* ---- the drive, small entries ---------------------------------------------------------------- */

static struct drive *open_new(const char *name, unsigned format) {
    struct drive *drive;
    remove_store(name);
    must(drive_open(path_of(name), &(struct drive_options){.create = true, .format = format},
                    &drive),
         name);
    return drive;
}

static void append_small(struct drive *drive) {
    static char keys[BATCH][32];
    static uint64_t values[BATCH];
    static struct drive_item items[BATCH];
    for (uint64_t n = 0; n < count; n += BATCH) {
        size_t batch = count - n < BATCH ? (size_t)(count - n) : BATCH;
        for (size_t i = 0; i < batch; i++) {
            values[i] = n + i;
            items[i] = (struct drive_item){
                .key = slice_of(keys[i], make_key(keys[i], n + i)),
                .value = slice_of(&values[i], sizeof values[i]),
            };
        }
        must(drive_batch(drive, items, batch, DRIVE_NONE), "batch");
    }
}

static void read_sequential(struct drive *drive) {
    struct drive_iterator *iterator;
    struct drive_entry entry;
    uint64_t sum = 0, seen = 0;
    must(drive_iterate(drive, DRIVE_NEWEST_FIRST, &iterator), "iterate");
    while (drive_next(iterator, &entry)) {
        sum += *(const uint8_t *)entry.value.data;
        seen++;
    }
    drive_iterator_close(iterator);
    if (seen != count)
        must(error_set(STATUS_INTERNAL_ERROR, "read %llu entries", (unsigned long long)seen), "");
    sink = sum;
}

static void read_random(struct drive *drive) {
    struct random random;
    random_seed(&random, 1);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        char key[32];
        size_t size = make_key(key, random_below(&random, count));
        struct drive_handle handle;
        must(drive_get(drive, slice_of(key, size), &handle), "get");
        sum += handle.data[0];
        drive_handle_release(&handle);
    }
    sink = sum;
}

static void read_many(struct drive *drive) {
    static char keys[BATCH][32];
    static struct slice slices[BATCH];
    static struct drive_handle handles[BATCH];
    struct random random;
    random_seed(&random, 1);
    uint64_t sum = 0;
    for (uint64_t n = 0; n < count; n += BATCH) {
        size_t batch = count - n < BATCH ? (size_t)(count - n) : BATCH;
        for (size_t i = 0; i < batch; i++)
            slices[i] = slice_of(keys[i], make_key(keys[i], random_below(&random, count)));
        must(drive_get_many(drive, slices, batch, handles), "get many");
        for (size_t i = 0; i < batch; i++)
            sum += handles[i].data[0];
        drive_handles_release(handles, batch);
    }
    sink = sum;
}

static void measure_small(unsigned format) {
    char name[64];
    struct drive *drive = open_new("small.drive", format);
#define MEASURE(what, call)                                                                        \
    do {                                                                                           \
        snprintf(name, sizeof name, "drive-%u %s", format, what);                                  \
        int64_t began = clock_monotonic_ns();                                                      \
        call;                                                                                      \
        report(name, (double)count, began, "M/s");                                                 \
    } while (0)
    MEASURE("append 8 bytes", append_small(drive));
    MEASURE("sequential read 8 bytes", read_sequential(drive));
    MEASURE("random read 8 bytes", read_random(drive));
    MEASURE("get-many 8 bytes", read_many(drive));
    struct drive_statistics statistics;
    drive_statistics(drive, &statistics);
    printf("drive-%u index %38.1f bytes/entry\n", format,
           (double)statistics.index_size / (double)statistics.count);
    MEASURE("close (index snapshot)", must(drive_close(drive), "close"));
    MEASURE("open with snapshot",
            must(drive_open(path_of("small.drive"), &(struct drive_options){0}, &drive), "open"));
    must(drive_close(drive), "close");
    struct drive_options walk = {.no_snapshot = true};
    MEASURE("open by walking", must(drive_open(path_of("small.drive"), &walk, &drive), "open"));
    must(drive_close(drive), "close");
    remove_store("small.drive");
}

int main(int argc, char **argv) {
    directory = argc > 1 ? argv[1] : "/tmp";
    only = argc > 3 ? argv[3] : "";
    if (argc > 2)
        count = strtoull(argv[2], NULL, 10);
    measure_small(2);
    measure_small(1);
    return 0;
}
