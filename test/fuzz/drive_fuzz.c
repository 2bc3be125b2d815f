/*
 * Opening a store of any bytes, and reading all of it. First byte: how the rest is used.
 *
 *   0  the file as it is (either format)
 *   1  entries of format 2 whose checksums are put right first, so that what lies behind them is
 *      reached: chains, versions, batches, seals
 *   2  entries of format 1, likewise
 *   3  changes to the index snapshot of a good store: it must be told from a good one
 *   4  changes to a good store: a value that is read is one that was written
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "drive/drive.h"
#include "drive/format.h"
#include "fuzz.h"

enum { KEYS = 40, FILE_MAX = 1 << 16 };

/* ---- reading everything -----------------------------------------------------------------------
 */

static enum status look(void *context, const struct drive_entry *entry) {
    *(uint64_t *)context += entry->value.size + entry->key.size;
    return STATUS_OK;
}

static void read_handle(const struct drive_handle *handle) {
    volatile uint8_t byte = 0;
    for (size_t i = 0; i < handle->size; i++)
        byte ^= handle->data[i];
    (void)byte;
    if (drive_handle_verify(handle) != STATUS_OK)
        fuzz_require(error_current()->status == STATUS_DATA_CORRUPTED);
}

static void read_entry(struct drive *drive, struct drive_iterator *iterator,
                       const struct drive_entry *entry) {
    struct drive_handle handle = drive_iterator_handle(iterator), found = {0};
    struct drive_facts facts;
    read_handle(&handle);
    drive_handle_facts(&handle, &facts);
    fuzz_require(facts.value_size == entry->value.size);
    drive_handle_release(&handle);
    if (entry->key.data == NULL)
        return;
    uint64_t bytes = 0;
    enum status status = drive_get(drive, entry->key, &found);
    fuzz_require(status == STATUS_OK || status == STATUS_DATA_CORRUPTED);
    drive_handle_release(&found);
    status = drive_history(drive, entry->key, look, &bytes);
    fuzz_require(status == STATUS_OK || status == STATUS_DATA_CORRUPTED);
}

static void report(void *context, struct drive_damage damage, const char *why) {
    fuzz_require(damage.size > 0 && why != NULL);
}

static void read_all(struct drive *drive) {
    for (int order = DRIVE_OLDEST_FIRST; order <= DRIVE_NEWEST_FIRST; order++) {
        struct drive_iterator *iterator;
        struct drive_entry entry;
        fuzz_require(drive_iterate(drive, order, &iterator) == STATUS_OK);
        for (unsigned n = 0; drive_next(iterator, &entry); n++) {
            fuzz_require(n < FILE_MAX);
            read_entry(drive, iterator, &entry);
        }
        drive_iterator_close(iterator);
    }
    uint64_t entries, damaged;
    fuzz_require(drive_verify(drive, 1, report, NULL, NULL, &entries, &damaged) == STATUS_OK);
    struct drive_statistics statistics;
    drive_statistics(drive, &statistics);
    fuzz_require(statistics.count <= statistics.key_count);
}

/* As a value of another store: no file is needed. */
static void read_memory(const uint8_t *bytes, size_t size) {
    struct drive_handle handle = {.data = bytes, .size = size};
    struct drive *drive;
    enum status status = drive_open_nested(&handle, &drive);
    if (status == STATUS_OK) {
        read_all(drive);
        fuzz_require(drive_close(drive) == STATUS_OK);
        return;
    }
    fuzz_require(status == STATUS_WRONG_OBJECT_TYPE || status == STATUS_DATA_CORRUPTED ||
                 status == STATUS_FEATURE_NOT_SUPPORTED);
}

/* ---- checksums put right ----------------------------------------------------------------------
 */

static void plain_entries(struct slice input) {
    static uint8_t file[FILE_MAX];
    struct geometry geometry = {.format = 2, .alignment_log = fuzz_byte(&input) % 7, .salt = 5};
    size_t size = FORMAT_HEADER_SIZE + (input.size < FILE_MAX / 2 ? input.size : FILE_MAX / 2);
    memset(file, 0, sizeof file);
    header_encode(&geometry, file);
    if (input.size > 0)
        memcpy(file + FORMAT_HEADER_SIZE, input.data, size - FORMAT_HEADER_SIZE);
    for (uint64_t at = FORMAT_HEADER_SIZE; at + FORMAT_ENTRY_HEADER_SIZE <= size;) {
        struct entry entry;
        file[at + 8] = (uint8_t)(1 + file[at + 8] % 3);
        file[at + 9] &= 3;
        file[at + 11] = file[at + 30] = file[at + 31] = 0; /* keys below 256 bytes */
        memset(file + at + 14, 0, 4);
        if (file[at + 8] != ENTRY_PUT)
            memset(file + at + 12, 0, 2);
        if (!entry_decode(&geometry, file, size, at, &entry)) {
            at += FORMAT_ENTRY_ROUND;
            continue;
        }
        uint8_t key[256];
        memcpy(key, entry.key.data, entry.key.size);
        entry.key = slice_of(key, entry.key.size);
        entry_encode(&geometry, &entry, file + at);
        uint64_t from = at + FORMAT_ENTRY_HEADER_SIZE + entry.key.size;
        entry_finish(file + at,
                     crc32c(entry.header_checksum, file + from, (size_t)(entry.end - from)));
        at = entry.end;
    }
    read_memory(file, size);
}

static void chained_entries(struct slice input) {
    static uint8_t file[FILE_MAX];
    size_t size = 0;
    while (input.size > 0 && size < FILE_MAX / 2) {
        size_t value = 1 + fuzz_byte(&input) % 60;
        uint64_t hash = fuzz_byte(&input) % 8, start = size;
        if (fuzz_byte(&input) == 1) /* a chain that leads elsewhere */
            start = fuzz_byte(&input);
        for (size_t i = 0; i < value; i++)
            file[size + i] = fuzz_byte(&input);
        chain_encode(hash, start, crc32_zlib(0, file + size, value), file + size + value);
        size += value + FORMAT_CHAIN_TRAILER_SIZE;
    }
    read_memory(file, size);
}

/* ---- a good store, changed --------------------------------------------------------------------
 */

static struct {
    char path[64], index_path[80];
    uint8_t file[FILE_MAX], index[FILE_MAX];
    size_t file_size, index_size;
} good;

static size_t load(const char *path, uint8_t *bytes) {
    FILE *file = fopen(path, "rb");
    fuzz_require(file != NULL);
    size_t size = fread(bytes, 1, FILE_MAX, file);
    fclose(file);
    fuzz_require(size < FILE_MAX);
    return size;
}

static void save(const char *path, const uint8_t *bytes, size_t size) {
    unlink(path);
    FILE *file = fopen(path, "wb");
    fuzz_require(file != NULL && fwrite(bytes, 1, size, file) == size);
    fclose(file);
}

static void remove_good(void) {
    unlink(good.path);
    unlink(good.index_path);
}

/* Key "n" has n * 7 bytes 'n'; half of them were something else before. */
static struct slice value_of(unsigned n) {
    static uint8_t value[KEYS * 7];
    memset(value, (int)n, sizeof value);
    return slice_of(value, (size_t)n * 7);
}

static void make_good(void) {
    if (good.file_size > 0)
        return;
    snprintf(good.path, sizeof good.path, "/tmp/satori-drive-fuzz-%ld", (long)getpid());
    snprintf(good.index_path, sizeof good.index_path, "%s.index", good.path);
    remove_good();
    struct drive *drive;
    fuzz_require(drive_open(good.path, &(struct drive_options){.create = true}, &drive) ==
                 STATUS_OK);
    for (unsigned n = 0; n < 2 * KEYS; n++) {
        uint8_t key = (uint8_t)(n % KEYS);
        struct slice value = n < KEYS && n % 2 == 0 ? SLICE_EMPTY : value_of(key);
        fuzz_require(drive_put(drive, slice_of(&key, 1), value,
                               n % 16 == 0 ? DRIVE_SYNC : DRIVE_NONE) == STATUS_OK);
    }
    fuzz_require(drive_snapshot(drive) == STATUS_OK);
    fuzz_require(drive_close(drive) == STATUS_OK);
    good.file_size = load(good.path, good.file);
    good.index_size = load(good.index_path, good.index);
    atexit(remove_good);
}

/* Three bytes each: where, and what is added. */
static void change(struct slice input, uint8_t *bytes, size_t size) {
    while (input.size >= 3) {
        size_t at = get_le16(input.data) % size;
        bytes[at] = (uint8_t)(bytes[at] + input.data[2]);
        input = slice_of(input.data + 3, input.size - 3);
    }
}

static void changed_index(struct slice input) {
    static uint8_t index[FILE_MAX];
    make_good();
    memcpy(index, good.index, good.index_size);
    change(input, index, good.index_size);
    save(good.path, good.file, good.file_size);
    save(good.index_path, index, good.index_size);
    struct drive *drive;
    fuzz_require(drive_open(good.path, &(struct drive_options){.read_only = true}, &drive) ==
                 STATUS_OK);
    for (unsigned n = 0; n < KEYS; n++) {
        uint8_t key = (uint8_t)n;
        struct drive_handle handle;
        fuzz_require(drive_get(drive, slice_of(&key, 1), &handle) == STATUS_OK);
        fuzz_require(handle.data != NULL &&
                     slice_equal(slice_of(handle.data, handle.size), value_of(n)));
        drive_handle_release(&handle);
    }
    fuzz_require(drive_close(drive) == STATUS_OK);
}

static void changed_store(struct slice input) {
    static uint8_t file[FILE_MAX];
    make_good();
    memcpy(file, good.file, good.file_size);
    size_t size = good.file_size - fuzz_byte(&input) * 8u;
    change(input, file, size);
    read_memory(file, size);
    struct drive_handle handle = {.data = file, .size = size}, found;
    struct drive *drive;
    if (drive_open_nested(&handle, &drive) != STATUS_OK)
        return;
    for (unsigned n = 0; n < KEYS; n++) {
        uint8_t key = (uint8_t)n;
        enum status status = drive_get(drive, slice_of(&key, 1), &found);
        if (status != STATUS_OK || found.data == NULL)
            continue;
        if (drive_handle_verify(&found) == STATUS_OK)
            fuzz_require(found.size == 0 ||
                         slice_equal(slice_of(found.data, found.size), value_of(n)));
        drive_handle_release(&found);
    }
    fuzz_require(drive_close(drive) == STATUS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct slice input = slice_of(bytes, size);
    switch (fuzz_byte(&input) % 5) {
    case 0:
        read_memory(input.data, input.size);
        break;
    case 1:
        plain_entries(input);
        break;
    case 2:
        chained_entries(input);
        break;
    case 3:
        changed_index(input);
        break;
    default:
        changed_store(input);
        break;
    }
    return 0;
}
