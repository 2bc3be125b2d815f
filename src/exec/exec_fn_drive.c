/* Functions over drives: drive, drive_get, drive_put, drive_delete (../docs/drive.md). */
#include <stdio.h>
#include <string.h>

#include "exec/exec_drive.h"
#include "runtime/runtime_plain.h"

/* ---- drive('file'): its keys -------------------------------------------------------------- */

enum { CHUNK = 512, CHUNK_KEYS_SIZE = 1 << 20, DRIVE_COLUMNS = 7 };

struct drive_row {
    struct slice key; /* in use->keys; NULL data: the store does not keep keys */
    uint64_t hash, size, offset;
    int64_t time_us;
    uint32_t checksum;
};

struct drive_scan {
    struct drive_use *use; /* NULL: at the end */
    uint32_t count, next;
    bool ended; /* the rows here are the last */
    char hash[17];
    struct drive_row rows[CHUNK];
};

static void fetch_row(struct drive_scan *scan, struct drive_row *row) {
    struct drive_handle handle = drive_iterator_handle(scan->use->iterator);
    struct drive_facts facts;
    drive_handle_facts(&handle, &facts);
    *row = (struct drive_row){
        .key = facts.key,
        .hash = facts.key_hash,
        .size = facts.value_size,
        .offset = facts.value_offset,
        .time_us = facts.time_us,
        .checksum = facts.checksum,
    };
    if (facts.key.size > 0)
        buffer_append(&scan->use->keys, facts.key.data, facts.key.size);
    drive_handle_release(&handle);
}

/* On a thread that may block: the next rows. */
static enum status fetch(void *argument) {
    struct drive_scan *scan = argument;
    struct buffer *keys = &scan->use->keys;
    struct drive_entry entry;
    scan->next = scan->count = 0;
    buffer_clear(keys);
    while (scan->count < CHUNK && keys->size < CHUNK_KEYS_SIZE && !scan->ended) {
        scan->ended = !drive_next(scan->use->iterator, &entry);
        if (!scan->ended)
            fetch_row(scan, &scan->rows[scan->count++]);
    }
    TRY(buffer_status(keys));
    size_t at = 0; /* only now do the keys stay where they are */
    for (uint32_t i = 0; i < scan->count; i++) {
        struct slice *key = &scan->rows[i].key;
        if (key->data != NULL && key->size > 0)
            *key = slice_of(keys->data + at, key->size);
        at += key->size;
    }
    return STATUS_OK;
}

static bool is_text(struct slice key) {
    return key.size == 0 || (memchr(key.data, 0, key.size) == NULL && utf8_check(key) == STATUS_OK);
}

/* In the order of drive_columns (sql_function.c). What they point to lives until the next row. */
static void row_values(struct drive_scan *scan, const struct drive_row *row, struct value *values) {
    bool has_key = row->key.data != NULL;
    snprintf(scan->hash, sizeof scan->hash, "%016llx", (unsigned long long)row->hash);
    values[0].string = values[1].string = row->key;
    values[0].is_null = !has_key || !is_text(row->key);
    values[1].is_null = !has_key;
    values[2].string = slice_of_text(scan->hash);
    values[3].int64 = (int64_t)row->size;
    values[4].int64 = (int64_t)row->offset;
    values[5].int64 = row->checksum;
    values[6].int64 = row->time_us + TIMESTAMP_UNIX_EPOCH;
    values[6].is_null = row->time_us == 0; /* format 1 does not say */
}

SET_FUNCTION(drive) {
    struct drive_scan *scan = *memory;
    ASSERT(call->expression->function->column_count == DRIVE_COLUMNS);
    if (scan == NULL) {
        struct drive_use *use;
        TRY(exec__drive_scan(call, arguments[0].string, &use));
        scan = ARENA_NEW(call->arena, struct drive_scan);
        scan->use = use;
        *memory = scan;
    }
    if (scan->next == scan->count && !scan->ended)
        TRY(blocking_call(call->f, fetch, scan));
    *done = scan->next == scan->count;
    if (!*done) {
        row_values(scan, &scan->rows[scan->next++], result);
    } else if (scan->use != NULL) {
        exec__drive_done(call, scan->use);
        scan->use = NULL;
    }
    return STATUS_OK;
}

/* ---- one key ------------------------------------------------------------------------------ */

enum { COPY_ON_CORE_MAX = 64 << 10 };

struct key_work {
    struct drive *drive;
    struct slice key, value;
    struct drive_handle handle;
    uint8_t *bytes;
    bool existed;
};

/* Looks at every byte of the value: it is what it was, and in memory afterwards. */
static enum status get_value(void *argument) {
    struct key_work *work = argument;
    TRY(drive_get(work->drive, work->key, &work->handle));
    return work->handle.data == NULL ? STATUS_OK : drive_handle_verify(&work->handle);
}

static enum status copy_value(void *argument) {
    struct key_work *work = argument;
    memcpy(work->bytes, work->handle.data, work->handle.size);
    return STATUS_OK;
}

static enum status put_value(void *argument) {
    struct key_work *work = argument;
    struct drive_item item = {.key = work->key, .value = work->value};
    TRY(drive_batch(work->drive, &item, 1, DRIVE_SYNC));
    work->existed = item.existed;
    return STATUS_OK;
}

static enum status delete_value(void *argument) {
    struct key_work *work = argument;
    return drive_delete(work->drive, work->key, DRIVE_SYNC, &work->existed);
}

static enum status copy_out(struct kernel_call *call, struct key_work *work, struct value *result) {
    size_t size = work->handle.size;
    TRY(exec__result_bytes(call, size, &work->bytes));
    if (size <= COPY_ON_CORE_MAX)
        memcpy(work->bytes, work->handle.data, size);
    else
        TRY(blocking_call(call->f, copy_value, work));
    result->string = slice_of(work->bytes, size);
    return STATUS_OK;
}

BOXED_FUNCTION(drive_get) {
    struct drive_use *use;
    TRY(exec__drive_hold(call, arguments[0].string, DRIVE_FOR_READING, &use));
    struct key_work work = {.drive = exec__drive_of(use), .key = arguments[1].string};
    enum status status = blocking_call(call->f, get_value, &work);
    if (status == STATUS_OK && work.handle.data != NULL)
        status = copy_out(call, &work, result);
    result->is_null = work.handle.data == NULL;
    drive_handle_release(&work.handle);
    return status;
}

BOXED_FUNCTION(drive_put) {
    struct drive_use *use;
    TRY(exec__drive_hold(call, arguments[0].string, DRIVE_FOR_CREATING, &use));
    struct key_work work = {
        .drive = exec__drive_of(use), .key = arguments[1].string, .value = arguments[2].string};
    TRY(blocking_call(call->f, put_value, &work));
    result->boolean = work.existed;
    return STATUS_OK;
}

BOXED_FUNCTION(drive_delete) {
    struct drive_use *use;
    TRY(exec__drive_hold(call, arguments[0].string, DRIVE_FOR_WRITING, &use));
    struct key_work work = {.drive = exec__drive_of(use), .key = arguments[1].string};
    TRY(blocking_call(call->f, delete_value, &work));
    result->boolean = work.existed;
    return STATUS_OK;
}

static const struct kernel_entry entries[] = {
    SET_RETURNING(drive),
    BOXED(drive_get),
    BOXED(drive_put),
    BOXED(drive_delete),
};
KERNEL_TABLE(exec__kernels_drive, entries)
