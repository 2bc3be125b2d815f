/* The drive in both formats, and a plain file. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "drive/drive.h"
#include "engine.h"

struct drive_store {
    struct drive *drive;
    struct drive_handle handle;
    char path[512];
};

static void must(enum status status, const char *what) {
    if (status != STATUS_OK)
        bench_fail(what, error_current()->message);
}

static const char *drive_version(void) {
    return SATORI_VERSION;
}

static void *create(const char *directory, unsigned format) {
    struct drive_store *store = memory_alloc_zeroed(1, sizeof *store);
    snprintf(store->path, sizeof store->path, "%s/bench-%u.drive", directory, format);
    unlink(store->path);
    must(drive_open(store->path,
                    &(struct drive_options){.create = true, .format = format, .no_snapshot = true},
                    &store->drive),
         "create");
    return store;
}

static void *create_2(const char *directory) {
    return create(directory, 2);
}

static void *create_1(const char *directory) {
    return create(directory, 1);
}

static void append(void *context, const struct slice *keys, const struct slice *values,
                   size_t count) {
    static struct drive_item items[BATCH];
    struct drive_store *store = context;
    for (size_t i = 0; i < count; i++)
        items[i] = (struct drive_item){.key = keys[i], .value = values[i]};
    must(drive_batch(store->drive, items, count, DRIVE_NONE), "batch");
}

static void scan(void *context, void (*see)(void *context, struct slice value), void *see_context) {
    struct drive_store *store = context;
    struct drive_iterator *iterator;
    struct drive_entry entry;
    must(drive_iterate(store->drive, DRIVE_NEWEST_FIRST, &iterator), "iterate");
    while (drive_next(iterator, &entry))
        see(see_context, entry.value);
    drive_iterator_close(iterator);
}

static struct slice get(void *context, struct slice key) {
    struct drive_store *store = context;
    drive_handle_release(&store->handle);
    must(drive_get(store->drive, key, &store->handle), "get");
    return slice_of(store->handle.data, store->handle.size);
}

static void end(void *context) {
    drive_handle_release(&((struct drive_store *)context)->handle);
}

static void get_many(void *context, const struct slice *keys, size_t count,
                     void (*see)(void *context, struct slice value), void *see_context) {
    static struct drive_handle handles[BATCH];
    struct drive_store *store = context;
    must(drive_get_many(store->drive, keys, count, handles), "get many");
    for (size_t i = 0; i < count; i++)
        see(see_context, slice_of(handles[i].data, handles[i].size));
    drive_handles_release(handles, count);
}

static void close_store(void *context) {
    struct drive_store *store = context;
    must(drive_close(store->drive), "close");
    unlink(store->path);
    memory_free(store);
}

const struct engine engine_drive_2 = {
    "drive", drive_version, create_2, append, scan, NULL, get, end, get_many, close_store,
};
const struct engine engine_drive_1 = {
    "drive-1", drive_version, create_1, append, scan, NULL, get, end, get_many, close_store,
};

/* ---- a plain file: the values one after the other ----------------------------------------------
 */

enum { BLOCK_SIZE = 1 << 20 };

struct plain_store {
    int fd;
    char path[512];
    uint8_t *block;
    size_t used;
};

static const char *plain_version(void) {
    return "write(2)";
}

static void *plain_create(const char *directory) {
    struct plain_store *store = memory_alloc_zeroed(1, sizeof *store);
    snprintf(store->path, sizeof store->path, "%s/bench.plain", directory);
    unlink(store->path);
    store->fd = open(store->path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    store->block = memory_alloc(BLOCK_SIZE);
    if (store->fd < 0 || store->block == NULL)
        bench_fail("create", store->path);
    return store;
}

static void plain_put(struct plain_store *store, const void *bytes, size_t size) {
    if (write(store->fd, bytes, size) != (ssize_t)size)
        bench_fail("write", store->path);
}

/* Large blocks: small values are gathered, large ones written as they are. */
static void plain_append(void *context, const struct slice *keys, const struct slice *values,
                         size_t count) {
    struct plain_store *store = context;
    for (size_t i = 0; i < count; i++) {
        if (values[i].size >= BLOCK_SIZE) {
            plain_put(store, values[i].data, values[i].size);
            continue;
        }
        memcpy(store->block + store->used, values[i].data, values[i].size);
        store->used += values[i].size;
        if (store->used + values[i].size > BLOCK_SIZE || i + 1 == count) {
            plain_put(store, store->block, store->used);
            store->used = 0;
        }
    }
}

static void plain_close_store(void *context) {
    struct plain_store *store = context;
    close(store->fd);
    unlink(store->path);
    memory_free(store->block);
    memory_free(store);
}

const struct engine engine_plain = {
    "plain", plain_version, plain_create, plain_append, NULL,
    NULL,    NULL,          NULL,         NULL,         plain_close_store,
};

/* ---- the same without gathering: the values lie one behind the other in memory
 * -------------------
 */

static void blocks_append(void *context, const struct slice *keys, const struct slice *values,
                          size_t count) {
    struct plain_store *store = context;
    const uint8_t *at = values[0].data, *end = values[count - 1].data + values[count - 1].size;
    for (; at < end; at += BLOCK_SIZE)
        plain_put(store, at, (size_t)(end - at) < BLOCK_SIZE ? (size_t)(end - at) : BLOCK_SIZE);
}

const struct engine engine_blocks = {
    "blocks", plain_version, plain_create, blocks_append, NULL,
    NULL,     NULL,          NULL,         NULL,          plain_close_store,
};
