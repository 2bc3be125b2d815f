/* A directory for stores, and shorthand. */
#ifndef DRIVE_FIXTURE_H
#define DRIVE_FIXTURE_H

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_bytes.h"
#include "base/base_memory.h"
#include "base/base_random.h"
#include "drive/drive.h"

static char fixture_directory[64];

static inline int fixture_begin(void **state) {
    snprintf(fixture_directory, sizeof fixture_directory, "/tmp/satori-drive-XXXXXX");
    return mkdtemp(fixture_directory) == NULL ? -1 : 0;
}

static inline int fixture_end(void **state) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", fixture_directory);
    return system(command) == 0 ? 0 : -1;
}

static inline const char *path_of(const char *name) {
    static _Thread_local char paths[8][160];
    static _Thread_local unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", fixture_directory, name);
    return path;
}

static inline struct slice text(const char *words) {
    return slice_of_text(words);
}

/* Whole file; the caller frees. */
static inline uint8_t *file_bytes(const char *path, size_t *size_out) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size_out = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size_out + 1);
    assert_int_equal(fread(bytes, 1, *size_out, file), *size_out);
    bytes[*size_out] = 0;
    fclose(file);
    return bytes;
}

static inline void file_put(const char *path, const void *bytes, size_t size) {
    unlink(path); /* writing over a file makes some file systems wait for the disk */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(size == 0 || fwrite(bytes, 1, size, file) == size);
    fclose(file);
}

/* Two keys of 16 bytes with one XXH3. Of such a key each half is xored with a constant, the halves
   are added (the first with its bytes turned round) and their product is added to that: with one
   half zero the product vanishes, and it does not matter which half holds x. */
static inline void colliding_keys(uint64_t x, uint8_t a[16], uint8_t b[16]) {
    const uint64_t first = 0x1f67b3b7a4a44072u ^ 0x78e5c0cc4ee679cbu;
    const uint64_t second = 0x2172ffcc7dd05a82u ^ 0x8e2443f7744608b8u;
    put_le64(a, first);
    put_le64(a + 8, x ^ second);
    put_le64(b, __builtin_bswap64(x) ^ first);
    put_le64(b + 8, second);
}

static inline void assert_value(struct drive *drive, struct slice key, struct slice value) {
    struct drive_handle handle;
    assert_ok(drive_get(drive, key, &handle));
    assert_non_null(handle.data);
    assert_int_equal(handle.size, value.size);
    assert_memory_equal(handle.data, value.data, value.size);
    assert_ok(drive_handle_verify(&handle));
    drive_handle_release(&handle);
}

static inline void assert_absent(struct drive *drive, struct slice key) {
    struct drive_handle handle;
    assert_ok(drive_get(drive, key, &handle));
    assert_null(handle.data);
}

#endif
