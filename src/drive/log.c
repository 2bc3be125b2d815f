/* Stores that fibers write front to back (drive_log.h). */
#include <string.h>

#include "base/base_hash.h"
#include "base/base_memory.h"
#include "drive/drive_log.h"
#include "drive/format.h"
#include "runtime/runtime.h"
#include "runtime/runtime_file.h"

enum {
    ALIGNMENT_LOG = 3,
    ENTRY_SIZE_MAX = FORMAT_ENTRY_HEADER_SIZE + DRIVE_LOG_KEY_SIZE_MAX + DRIVE_LOG_VALUE_SIZE_MAX +
                     2 * FORMAT_ENTRY_ROUND,
    BUFFER_SIZE = ENTRY_SIZE_MAX + 4096,
};

struct drive_log {
    struct file *file;
    struct geometry geometry;
    uint64_t end;    /* of the last entry put */
    uint64_t last;   /* its place, 0: none */
    uint8_t *buffer; /* its first `used` bytes belong in front of `end`. NULL when idle */
    size_t used;
    bool failed, in_batch;
    bool untrimmed; /* the file may be longer: another one was there */
};

uint64_t drive_log_size(const struct drive_log *log) {
    return log->end;
}

enum status drive_log_close(struct fiber *f, struct drive_log *log) {
    if (log == NULL)
        return STATUS_OK;
    enum status status = log->file == NULL ? STATUS_OK : file_close(f, log->file);
    memory_free(log->buffer);
    memory_free(log);
    return status;
}

static enum status reserve(struct drive_log *log, const char *path) {
    if (log->buffer == NULL)
        log->buffer = memory_alloc(BUFFER_SIZE);
    return log->buffer != NULL ? STATUS_OK
                               : error_set(STATUS_OUT_OF_MEMORY, "out of memory for \"%s\"", path);
}

/* An idle log keeps no buffer. */
static void relax(struct drive_log *log) {
    ASSERT(log->used == 0);
    memory_free(log->buffer);
    log->buffer = NULL;
}

static enum status new_log(struct fiber *f, const char *path, unsigned flags,
                           struct drive_log **log_out) {
    struct drive_log *log = memory_alloc_zeroed(1, sizeof *log);
    if (log == NULL || reserve(log, path) != STATUS_OK) {
        memory_free(log);
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory for \"%s\"", path);
    }
    enum status status = file_open(f, path, flags, &log->file);
    if (status == STATUS_OK) {
        *log_out = log;
        return STATUS_OK;
    }
    log->file = NULL;
    (void)!drive_log_close(f, log);
    return status;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

enum status drive_log_create(struct fiber *f, const char *path, struct drive_log **log_out) {
    struct geometry geometry = {
        .format = 2, .alignment_log = ALIGNMENT_LOG, .created_us = clock_wall_us()};
    TRY(secret_random(geometry.id, sizeof geometry.id));
    TRY(secret_random(&geometry.salt, sizeof geometry.salt));
    TRY(new_log(f, path, FILE_CREATE, log_out));
    struct drive_log *log = *log_out;
    log->untrimmed = true;
    log->geometry = geometry;
    header_encode(&geometry, log->buffer);
    log->end = log->used = FORMAT_HEADER_SIZE;
    return STATUS_OK;
}

static enum status flush(struct fiber *f, struct drive_log *log) {
    size_t size = log->used;
    log->used = 0;
    if (size == 0)
        return STATUS_OK;
    enum status status =
        file_write(f, log->file, log->buffer, size, log->end - size, FILE_WRITE_PLAIN);
    log->failed |= status != STATUS_OK;
    return status;
}

static enum status append(struct fiber *f, struct drive_log *log, struct entry *entry) {
    if (log->failed)
        return error_set(STATUS_IO_ERROR, "\"%s\" takes no more writes after a failed one",
                         file_path(log->file));
    log->failed = true; /* unless this goes well: the batch would have a gap */
    TRY(reserve(log, file_path(log->file)));
    entry->start = log->end;
    entry->before = log->last;
    entry->time_us = clock_wall_us();
    size_t head = FORMAT_ENTRY_HEADER_SIZE + entry->key.size;
    uint64_t value_at =
        entry_value_offset(&log->geometry, entry->start, entry->key.size, entry->value.size);
    size_t gap = (size_t)(value_at - entry->start) - head;
    size_t size =
        (size_t)(align_up(value_at + entry->value.size, FORMAT_ENTRY_ROUND) - entry->start);
    if (BUFFER_SIZE - log->used < size)
        TRY(flush(f, log));
    uint8_t *bytes = log->buffer + log->used;
    ASSERT(size <= BUFFER_SIZE);
    entry_encode(&log->geometry, entry, bytes);
    memset(bytes + head, 0, size - head);
    if (entry->value.size > 0)
        memcpy(bytes + head + gap, entry->value.data, entry->value.size);
    entry_finish(bytes, crc32c(entry->header_checksum, bytes + head, size - head));
    log->used += size;
    log->last = log->end;
    log->end += size;
    log->failed = false;
    return STATUS_OK;
}

enum status drive_log_put(struct fiber *f, struct drive_log *log, struct slice key,
                          struct slice value, bool ends_batch) {
    ASSERT(key.size <= DRIVE_LOG_KEY_SIZE_MAX && value.size <= DRIVE_LOG_VALUE_SIZE_MAX);
    struct entry entry = {
        .kind = ENTRY_PUT,
        .flags = ends_batch ? ENTRY_ENDS_BATCH : 0,
        .key = key,
        .value = value,
    };
    log->in_batch = !ends_batch;
    return append(f, log, &entry);
}

/* What lies before is durable: say so. */
static enum status seal(struct fiber *f, struct drive_log *log) {
    struct entry entry = {.kind = ENTRY_SEAL, .flags = ENTRY_SEALED | ENTRY_ENDS_BATCH};
    TRY(append(f, log, &entry));
    TRY(flush(f, log));
    relax(log);
    return STATUS_OK;
}

/* What is behind the end is a torn tail to whoever opens the log; so it needs no sync. */
static enum status trim(struct fiber *f, struct drive_log *log) {
    enum status status = file_truncate(f, log->file, log->end);
    log->failed |= status != STATUS_OK;
    log->untrimmed = status != STATUS_OK;
    return status;
}

enum status drive_log_sync(struct fiber *f, struct drive_log *log) {
    ASSERT(!log->in_batch);
    TRY(flush(f, log));
    enum status status = file_sync(f, log->file);
    log->failed |= status != STATUS_OK;
    TRY(status);
    TRY(seal(f, log));
    return log->untrimmed ? trim(f, log) : STATUS_OK;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

struct walk {
    struct fiber *f;
    struct drive_log *log;
    uint64_t file_size;
    uint64_t start; /* the buffer holds `held` bytes of the file from here */
    size_t held;
    bool sealed; /* nothing is behind the last seal */
};

static enum status damaged(const struct walk *walk, uint64_t offset, const char *what) {
    return error_set(STATUS_DATA_CORRUPTED, "damaged file \"%s\" at offset %llu: %s",
                     file_path(walk->log->file), (unsigned long long)offset, what);
}

/* Get a range of the file, which must not end before, into the buffer. */
static enum status need(struct walk *walk, uint64_t offset, size_t size) {
    ASSERT(size <= BUFFER_SIZE && offset + size <= walk->file_size);
    if (offset >= walk->start && offset + size <= walk->start + walk->held)
        return STATUS_OK;
    uint64_t left = walk->file_size - offset;
    walk->start = offset;
    walk->held = 0;
    size_t wanted = left < BUFFER_SIZE ? (size_t)left : BUFFER_SIZE;
    TRY(file_read_exact(walk->f, walk->log->file, walk->log->buffer, wanted, offset));
    walk->held = wanted;
    return STATUS_OK;
}

/* Where byte 0 of the file would lie. */
static const uint8_t *base_of(const struct walk *walk) {
    return (const uint8_t *)((uintptr_t)walk->log->buffer - walk->start);
}

/* *good_out false: no whole entry of a log lies there. */
static enum status look(struct walk *walk, uint64_t at, struct entry *entry, bool *good_out) {
    *good_out = false;
    const struct geometry *geometry = &walk->log->geometry;
    if (walk->file_size - at < FORMAT_ENTRY_HEADER_SIZE)
        return STATUS_OK;
    TRY(need(walk, at, FORMAT_ENTRY_HEADER_SIZE));
    if (!entry_decode(geometry, base_of(walk), walk->file_size, at, entry) ||
        entry->key.size > DRIVE_LOG_KEY_SIZE_MAX || entry->value.size > DRIVE_LOG_VALUE_SIZE_MAX)
        return STATUS_OK;
    TRY(need(walk, at, (size_t)(entry->end - at)));
    bool decoded = entry_decode(geometry, base_of(walk), walk->file_size, at, entry);
    *good_out = decoded && entry_good(geometry, base_of(walk), entry);
    return STATUS_OK;
}

static enum status seal_follows(struct walk *walk, uint64_t at, bool *follows_out) {
    *follows_out = false;
    struct entry entry;
    for (at += FORMAT_ENTRY_ROUND; at + FORMAT_ENTRY_HEADER_SIZE <= walk->file_size;
         at += FORMAT_ENTRY_ROUND) {
        TRY(need(walk, at, FORMAT_ENTRY_HEADER_SIZE));
        if (entry_decode(&walk->log->geometry, base_of(walk), walk->file_size, at, &entry) &&
            entry.kind == ENTRY_SEAL && entry.key.size == 0 &&
            entry_good(&walk->log->geometry, base_of(walk), &entry)) {
            *follows_out = true;
            return STATUS_OK;
        }
    }
    return STATUS_OK;
}

static enum status read_header(struct walk *walk) {
    if (walk->file_size < FORMAT_HEADER_SIZE)
        return damaged(walk, 0, "it ends in the header");
    TRY(need(walk, 0, FORMAT_HEADER_SIZE));
    switch (header_decode(walk->log->buffer, FORMAT_HEADER_SIZE, &walk->log->geometry)) {
    case HEADER_GOOD:
        return STATUS_OK;
    case HEADER_NEWER:
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "\"%s\" is a drive store of a newer format than this program knows",
                         file_path(walk->log->file));
    default:
        return damaged(walk, 0, "no header of a drive store");
    }
}

static enum status read_entries(struct walk *walk, const struct drive_log_reader *reader) {
    struct drive_log *log = walk->log;
    uint64_t at = log->end = FORMAT_HEADER_SIZE, place = 0;
    bool in_batch = false;
    while (at < walk->file_size) {
        struct entry entry;
        bool good, proof;
        TRY(look(walk, at, &entry, &good));
        if (!good) {
            TRY(seal_follows(walk, at, &proof));
            return proof ? damaged(walk, at, "bad checksum") : STATUS_OK;
        }
        bool ends = (entry.flags & ENTRY_ENDS_BATCH) != 0;
        walk->sealed = entry.kind == ENTRY_SEAL;
        if (entry.kind == ENTRY_DELETE || entry.before != place || (walk->sealed && in_batch))
            return damaged(walk, at, "an entry that does not belong there");
        if (!walk->sealed)
            TRY(reader->entry(reader->context, entry.key, entry.value, ends));
        in_batch = !ends;
        place = at;
        at = entry.end;
        if (ends) {
            log->end = at;
            log->last = place;
        }
    }
    return STATUS_OK;
}

/* What was read may be in the page cache alone, and taken for written, if a sync failed before the
   program ended: the next one would say nothing of it. So it is written anew. */
static enum status write_anew(struct walk *walk) {
    struct drive_log *log = walk->log;
    for (uint64_t at = 0; at < log->end;) {
        uint64_t left = log->end - at;
        size_t size = left < BUFFER_SIZE ? (size_t)left : BUFFER_SIZE;
        TRY(need(walk, at, size));
        TRY(file_write(walk->f, log->file, log->buffer + (at - walk->start), size, at,
                       FILE_WRITE_PLAIN));
        at += size;
    }
    return STATUS_OK;
}

/* Cut off what is behind the last whole batch and make sure that one is on disk. */
static enum status settle(struct walk *walk, uint64_t *cut_out) {
    struct drive_log *log = walk->log;
    *cut_out = walk->file_size - log->end;
    if (*cut_out > 0)
        TRY(file_truncate(walk->f, log->file, log->end));
    TRY(write_anew(walk));
    TRY(file_sync(walk->f, log->file));
    if (!walk->sealed || *cut_out > 0)
        return seal(walk->f, log);
    relax(log);
    return STATUS_OK;
}

enum status drive_log_open(struct fiber *f, const char *path, const struct drive_log_reader *reader,
                           struct drive_log **log_out, uint64_t *cut_out) {
    struct drive_log *log;
    TRY(new_log(f, path, 0, &log));
    struct walk walk = {.f = f, .log = log};
    enum status status = file_size(f, log->file, &walk.file_size);
    if (status == STATUS_OK)
        status = read_header(&walk);
    if (status == STATUS_OK)
        status = read_entries(&walk, reader);
    if (status == STATUS_OK)
        status = settle(&walk, cut_out);
    if (status != STATUS_OK) {
        struct error failure = *error_current();
        (void)!drive_log_close(f, log);
        *error_current() = failure;
        return status;
    }
    *log_out = log;
    return STATUS_OK;
}

/* ---- reading around damage --------------------------------------------------------------------
 */

static enum status salvage_entries(struct walk *walk, const struct drive_log_reader *reader,
                                   void (*gap)(void *context, uint64_t offset)) {
    bool in_gap = false;
    for (uint64_t at = FORMAT_HEADER_SIZE; at < walk->file_size;) {
        struct entry entry;
        bool good, proof = true;
        TRY(look(walk, at, &entry, &good));
        if (!good && !in_gap)
            TRY(seal_follows(walk, at, &proof));
        if (!proof) /* a torn tail */
            return STATUS_OK;
        if (!good) {
            if (!in_gap)
                gap(reader->context, at);
            in_gap = true;
            at += FORMAT_ENTRY_ROUND;
            TRY(fiber_check(walk->f));
            continue;
        }
        in_gap = false;
        if (entry.kind == ENTRY_PUT)
            TRY(reader->entry(reader->context, entry.key, entry.value,
                              (entry.flags & ENTRY_ENDS_BATCH) != 0));
        at = entry.end;
    }
    return STATUS_OK;
}

enum status drive_log_salvage(struct fiber *f, const char *path,
                              const struct drive_log_reader *reader,
                              void (*gap)(void *context, uint64_t offset)) {
    struct drive_log *log;
    TRY(new_log(f, path, FILE_READ_ONLY, &log));
    struct walk walk = {.f = f, .log = log};
    enum status status = file_size(f, log->file, &walk.file_size);
    if (status == STATUS_OK)
        status = read_header(&walk);
    if (status == STATUS_OK)
        status = salvage_entries(&walk, reader, gap);
    struct error failure = *error_current();
    (void)!drive_log_close(f, log);
    *error_current() = failure;
    return status;
}
