#include "pager/manifest.h"

#include <stdio.h>
#include <string.h>

#include "base/base_log.h"
#include "base/base_memory.h"

enum { REWRITE_SIZE_MIN = 64 << 10 };

void manifest_checkpoint_release(struct manifest_checkpoint *checkpoint) {
    memory_free(checkpoint->map);
    memory_free(checkpoint->roots);
    *checkpoint = (struct manifest_checkpoint){0};
}

static enum status out_of_memory(void) {
    return error_set(STATUS_OUT_OF_MEMORY, "out of memory for the page manifest");
}

static char *join(const char *directory, const char *name) {
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = memory_alloc(size);
    if (path != NULL)
        snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static enum status init(struct manifest *manifest, const char *directory) {
    *manifest = (struct manifest){.directory = join(directory, ".")};
    manifest->path = join(directory, "manifest");
    manifest->path_new = join(directory, "manifest.new");
    if (manifest->directory == NULL || manifest->path == NULL || manifest->path_new == NULL) {
        memory_free(manifest->directory);
        memory_free(manifest->path);
        memory_free(manifest->path_new);
        *manifest = (struct manifest){0};
        return out_of_memory();
    }
    return STATUS_OK;
}

void manifest_close(struct fiber *f, struct manifest *manifest) {
    if (manifest->file != NULL && file_close(f, manifest->file) != STATUS_OK)
        LOG(LOG_WARNING, "pager", "closing %s: %s", manifest->path, error_current()->message);
    memory_free(manifest->directory);
    memory_free(manifest->path);
    memory_free(manifest->path_new);
    *manifest = (struct manifest){0};
}

bool manifest_outgrown(const struct manifest *manifest, uint64_t page_count) {
    uint64_t live = page_count * MANIFEST_MAP_ENTRY_SIZE;
    if (live < manifest->live_size / 2)
        live = manifest->live_size / 2;
    return manifest->size > REWRITE_SIZE_MIN && manifest->size > 2 * live;
}

/* ---- writing ---- */

/* Gathers records in a buffer and writes it when full. */
struct writer {
    struct fiber *f;
    struct file *file;
    uint8_t *buffer; /* room for one record of the largest size */
    size_t used;
    uint64_t offset;
    uint64_t checkpoint;
    uint16_t flags;
};

enum { WRITER_SIZE = MANIFEST_HEADER_SIZE + MANIFEST_PAYLOAD_MAX };

static enum status writer_flush(struct writer *writer) {
    if (writer->used > 0)
        TRY(file_write(writer->f, writer->file, writer->buffer, writer->used, writer->offset,
                       FILE_WRITE_PLAIN));
    writer->offset += writer->used;
    writer->used = 0;
    return STATUS_OK;
}

/* The payload was put behind the header's place at buffer + used. */
static void record_end(struct writer *writer, enum manifest_type type, size_t payload_size) {
    struct manifest_record record = {
        .type = (uint16_t)type,
        .flags = writer->flags,
        .checkpoint = writer->checkpoint,
        .payload_size = (uint32_t)payload_size,
    };
    uint8_t *header = writer->buffer + writer->used;
    manifest_record_encode(&record, header + MANIFEST_HEADER_SIZE, header);
    writer->used += MANIFEST_HEADER_SIZE + payload_size;
    ASSERT(writer->used <= WRITER_SIZE);
}

static enum status record_begin(struct writer *writer, size_t payload_size, uint8_t **payload_out) {
    if (writer->used + MANIFEST_HEADER_SIZE + payload_size > WRITER_SIZE)
        TRY(writer_flush(writer));
    *payload_out = writer->buffer + writer->used + MANIFEST_HEADER_SIZE;
    return STATUS_OK;
}

static enum status write_map(struct writer *writer, const struct manifest_checkpoint *checkpoint) {
    size_t at = 0;
    while (at < checkpoint->map_count) {
        size_t count = checkpoint->map_count - at;
        if (count > MANIFEST_PAYLOAD_MAX / MANIFEST_MAP_ENTRY_SIZE)
            count = MANIFEST_PAYLOAD_MAX / MANIFEST_MAP_ENTRY_SIZE;
        uint8_t *payload;
        TRY(record_begin(writer, count * MANIFEST_MAP_ENTRY_SIZE, &payload));
        for (size_t i = 0; i < count; i++) {
            put_le64(payload + i * MANIFEST_MAP_ENTRY_SIZE, checkpoint->map[at + i].id.value);
            put_le64(payload + i * MANIFEST_MAP_ENTRY_SIZE + 8, checkpoint->map[at + i].extent);
        }
        record_end(writer, MANIFEST_MAP, count * MANIFEST_MAP_ENTRY_SIZE);
        at += count;
    }
    return STATUS_OK;
}

static enum status write_roots(struct writer *writer,
                               const struct manifest_checkpoint *checkpoint) {
    size_t at = 0;
    while (at < checkpoint->root_count) {
        size_t count = checkpoint->root_count - at;
        if (count > MANIFEST_PAYLOAD_MAX / MANIFEST_ROOT_ENTRY_SIZE)
            count = MANIFEST_PAYLOAD_MAX / MANIFEST_ROOT_ENTRY_SIZE;
        uint8_t *payload;
        TRY(record_begin(writer, count * MANIFEST_ROOT_ENTRY_SIZE, &payload));
        for (size_t i = 0; i < count; i++) {
            uint8_t *entry = payload + i * MANIFEST_ROOT_ENTRY_SIZE;
            put_le32(entry, checkpoint->roots[at + i].tree.value);
            put_le32(entry + 4, 0);
            put_le64(entry + 8, checkpoint->roots[at + i].root.value);
        }
        record_end(writer, MANIFEST_ROOTS, count * MANIFEST_ROOT_ENTRY_SIZE);
        at += count;
    }
    return STATUS_OK;
}

static enum status write_checkpoint(struct writer *writer,
                                    const struct manifest_checkpoint *checkpoint) {
    TRY(write_map(writer, checkpoint));
    if (checkpoint->roots_present)
        TRY(write_roots(writer, checkpoint));
    struct manifest_commit commit = {
        .applied = checkpoint->applied,
        .page_id_end = checkpoint->page_id_end,
        .map_count = checkpoint->map_count,
        .root_count = checkpoint->roots_present ? checkpoint->root_count : MANIFEST_ROOTS_UNCHANGED,
    };
    uint8_t *payload;
    TRY(record_begin(writer, MANIFEST_COMMIT_SIZE, &payload));
    manifest_commit_encode(&commit, payload);
    record_end(writer, MANIFEST_COMMIT, MANIFEST_COMMIT_SIZE);
    return writer_flush(writer);
}

static enum status write_seal(struct writer *writer) {
    uint8_t *payload;
    uint64_t end = writer->offset;
    TRY(record_begin(writer, MANIFEST_SEAL_SIZE, &payload));
    put_le64(payload, end);
    record_end(writer, MANIFEST_SEAL, MANIFEST_SEAL_SIZE);
    return writer_flush(writer);
}

/* A whole new file under the other name, renamed into place. */
static enum status write_anew(struct writer *writer, struct manifest *manifest,
                              const struct manifest_checkpoint *checkpoint) {
    ASSERT(checkpoint->full && checkpoint->roots_present);
    TRY(file_open(writer->f, manifest->path_new, FILE_CREATE | FILE_TRUNCATE, &writer->file));
    uint8_t *payload;
    enum status status = record_begin(writer, MANIFEST_FILE_SIZE, &payload);
    if (status == STATUS_OK) {
        put_le32(payload, MANIFEST_VERSION);
        put_le32(payload + 4, PAGE_UNIT_SIZE);
        record_end(writer, MANIFEST_FILE, MANIFEST_FILE_SIZE);
        status = write_checkpoint(writer, checkpoint);
    }
    if (status == STATUS_OK)
        status = file_sync(writer->f, writer->file);
    if (status == STATUS_OK)
        status = file_rename(writer->f, manifest->path_new, manifest->path);
    if (status == STATUS_OK)
        status = directory_sync(writer->f, manifest->directory);
    if (status != STATUS_OK) {
        struct error failure = *error_current();
        if (file_close(writer->f, writer->file) != STATUS_OK)
            *error_current() = failure;
        return status;
    }
    if (manifest->file != NULL)
        status = file_close(writer->f, manifest->file);
    manifest->file = writer->file;
    manifest->live_size = writer->offset;
    return status;
}

enum status manifest_publish(struct fiber *f, struct manifest *manifest,
                             const struct manifest_checkpoint *checkpoint) {
    struct writer writer = {
        .f = f,
        .file = manifest->file,
        .buffer = memory_alloc(WRITER_SIZE),
        .offset = checkpoint->full ? 0 : manifest->size,
        .checkpoint = manifest->checkpoint + 1,
        .flags = checkpoint->full ? MANIFEST_FULL : 0,
    };
    if (writer.buffer == NULL)
        return out_of_memory();
    enum status status;
    if (checkpoint->full) {
        status = write_anew(&writer, manifest, checkpoint);
    } else {
        status = write_checkpoint(&writer, checkpoint);
        if (status == STATUS_OK)
            status = file_sync(f, manifest->file);
    }
    if (status == STATUS_OK)
        status = write_seal(&writer);
    memory_free(writer.buffer);
    if (status == STATUS_OK) {
        manifest->size = writer.offset;
        manifest->checkpoint++;
    }
    return status;
}

enum status manifest_create(struct fiber *f, const char *directory,
                            const struct manifest_checkpoint *checkpoint,
                            struct manifest *manifest_out) {
    TRY(init(manifest_out, directory));
    enum status status = manifest_publish(f, manifest_out, checkpoint);
    if (status != STATUS_OK)
        manifest_close(f, manifest_out);
    return status;
}

/* ---- reading ---- */

struct reader {
    struct fiber *f;
    struct manifest *manifest;
    uint64_t file_size;
    uint8_t *payload; /* MANIFEST_PAYLOAD_MAX bytes */
    uint64_t offset;
    struct manifest_checkpoint pending;
    bool pending_any, sealed;
    enum status (*apply)(void *context, const struct manifest_checkpoint *checkpoint);
    void *context;
};

static enum status damaged(const struct reader *reader, const char *what) {
    return error_set(STATUS_DATA_CORRUPTED, "damaged page manifest \"%s\" at offset %llu: %s",
                     reader->manifest->path, (unsigned long long)reader->offset, what);
}

/* *good_out false: no whole record at the offset. */
static enum status read_record(struct reader *reader, struct manifest_record *record_out,
                               bool *good_out) {
    *good_out = false;
    uint64_t left = reader->file_size - reader->offset;
    if (left < MANIFEST_HEADER_SIZE)
        return STATUS_OK;
    uint8_t header[MANIFEST_HEADER_SIZE];
    struct file *file = reader->manifest->file;
    TRY(file_read_exact(reader->f, file, header, sizeof header, reader->offset));
    if (!manifest_record_decode(header, record_out) ||
        record_out->payload_size > left - MANIFEST_HEADER_SIZE)
        return STATUS_OK;
    TRY(file_read_exact(reader->f, file, reader->payload, record_out->payload_size,
                        reader->offset + MANIFEST_HEADER_SIZE));
    *good_out = manifest_payload_good(record_out, reader->payload);
    return STATUS_OK;
}

/* Is there, behind the bad record, proof that checkpoint `number` was durable once? */
static enum status proof_follows(struct reader *reader, uint64_t number, bool *proof_out) {
    enum { STEP = 1 << 16 };
    *proof_out = false;
    for (uint64_t at = reader->offset; at < reader->file_size; at += STEP) {
        uint64_t left = reader->file_size - at;
        size_t size = left < STEP + MANIFEST_HEADER_SIZE ? left : STEP + MANIFEST_HEADER_SIZE;
        TRY(file_read_exact(reader->f, reader->manifest->file, reader->payload, size, at));
        for (size_t i = 0; i + MANIFEST_HEADER_SIZE <= size && i < STEP; i += 8) {
            struct manifest_record record;
            if (get_le32(reader->payload + i + 8) != MANIFEST_MAGIC ||
                !manifest_record_decode(reader->payload + i, &record))
                continue;
            if (record.checkpoint > number ||
                (record.checkpoint == number && record.type == MANIFEST_SEAL)) {
                *proof_out = true;
                return STATUS_OK;
            }
        }
    }
    return STATUS_OK;
}

static enum status add_map(struct reader *reader, const struct manifest_record *record) {
    struct manifest_checkpoint *pending = &reader->pending;
    size_t count = record->payload_size / MANIFEST_MAP_ENTRY_SIZE;
    if (record->payload_size % MANIFEST_MAP_ENTRY_SIZE != 0)
        return damaged(reader, "impossible map record");
    if (!memory_grow(&pending->map, &pending->map_capacity, pending->map_count + count,
                     sizeof *pending->map))
        return out_of_memory();
    for (size_t i = 0; i < count; i++) {
        const uint8_t *entry = reader->payload + i * MANIFEST_MAP_ENTRY_SIZE;
        pending->map[pending->map_count++] =
            (struct manifest_map_entry){{get_le64(entry)}, get_le64(entry + 8)};
    }
    return STATUS_OK;
}

static enum status add_roots(struct reader *reader, const struct manifest_record *record) {
    struct manifest_checkpoint *pending = &reader->pending;
    size_t count = record->payload_size / MANIFEST_ROOT_ENTRY_SIZE;
    if (record->payload_size % MANIFEST_ROOT_ENTRY_SIZE != 0)
        return damaged(reader, "impossible roots record");
    if (!memory_grow(&pending->roots, &pending->root_capacity, pending->root_count + count,
                     sizeof *pending->roots))
        return out_of_memory();
    for (size_t i = 0; i < count; i++) {
        const uint8_t *entry = reader->payload + i * MANIFEST_ROOT_ENTRY_SIZE;
        pending->roots[pending->root_count++] =
            (struct manifest_root){{get_le32(entry)}, {get_le64(entry + 8)}};
    }
    return STATUS_OK;
}

static enum status add_commit(struct reader *reader, const struct manifest_record *record) {
    struct manifest_checkpoint *pending = &reader->pending;
    struct manifest_commit commit;
    if (record->payload_size != MANIFEST_COMMIT_SIZE)
        return damaged(reader, "impossible commit record");
    manifest_commit_decode(reader->payload, &commit);
    pending->roots_present = commit.root_count != MANIFEST_ROOTS_UNCHANGED;
    if (commit.map_count != pending->map_count ||
        (pending->roots_present ? commit.root_count : 0) != pending->root_count)
        return damaged(reader, "a checkpoint lacks records");
    pending->applied = commit.applied;
    pending->page_id_end = commit.page_id_end;
    pending->full = (record->flags & MANIFEST_FULL) != 0;
    TRY(reader->apply(reader->context, pending));
    reader->manifest->checkpoint = record->checkpoint;
    reader->manifest->size = reader->offset + MANIFEST_HEADER_SIZE + record->payload_size;
    pending->map_count = pending->root_count = 0;
    reader->pending_any = reader->sealed = false;
    return STATUS_OK;
}

static enum status check_file_record(struct reader *reader, const struct manifest_record *record) {
    if (record->payload_size != MANIFEST_FILE_SIZE)
        return damaged(reader, "impossible file record");
    uint32_t version = get_le32(reader->payload);
    if (version != MANIFEST_VERSION)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "page manifest \"%s\" has version %u, this program knows %d",
                         reader->manifest->path, version, MANIFEST_VERSION);
    if (get_le32(reader->payload + 4) != PAGE_UNIT_SIZE)
        return damaged(reader, "impossible unit size");
    return STATUS_OK;
}

static enum status add_record(struct reader *reader, const struct manifest_record *record) {
    struct manifest *manifest = reader->manifest;
    if (reader->offset == 0) {
        if (record->type != MANIFEST_FILE)
            return damaged(reader, "does not begin with a file record");
        manifest->checkpoint = record->checkpoint - 1;
        return check_file_record(reader, record);
    }
    if (record->type == MANIFEST_SEAL) {
        if (record->checkpoint != manifest->checkpoint || reader->pending_any ||
            record->payload_size != MANIFEST_SEAL_SIZE ||
            get_le64(reader->payload) != reader->offset)
            return damaged(reader, "misplaced seal");
        manifest->size = reader->offset + MANIFEST_HEADER_SIZE + MANIFEST_SEAL_SIZE;
        reader->sealed = true;
        return STATUS_OK;
    }
    if (record->checkpoint != manifest->checkpoint + 1)
        return damaged(reader, "checkpoint out of order");
    reader->pending_any = true;
    switch (record->type) {
    case MANIFEST_MAP:
        return add_map(reader, record);
    case MANIFEST_ROOTS:
        return add_roots(reader, record);
    case MANIFEST_COMMIT:
        return add_commit(reader, record);
    default:
        return damaged(reader, "misplaced record");
    }
}

static enum status read_all(struct reader *reader) {
    while (reader->offset < reader->file_size) {
        struct manifest_record record;
        bool good;
        TRY(read_record(reader, &record, &good));
        if (!good) {
            bool proof;
            uint64_t number = reader->manifest->checkpoint + 1;
            TRY(proof_follows(reader, number, &proof));
            if (proof || reader->manifest->size == 0)
                return damaged(reader, "bad checksum");
            break;
        }
        TRY(add_record(reader, &record));
        reader->offset += MANIFEST_HEADER_SIZE + record.payload_size;
    }
    if (reader->manifest->size == 0)
        return damaged(reader, "no whole checkpoint");
    return STATUS_OK;
}

/* Cut off what is behind the last whole checkpoint and make sure that one is on disk. */
static enum status settle(struct reader *reader) {
    struct manifest *manifest = reader->manifest;
    if (manifest->size < reader->file_size) {
        LOG(LOG_INFO, "pager", "%s: cut off %llu bytes of an unfinished checkpoint", manifest->path,
            (unsigned long long)(reader->file_size - manifest->size));
        TRY(file_truncate(reader->f, manifest->file, manifest->size));
    }
    TRY(file_sync(reader->f, manifest->file));
    if (reader->sealed)
        return STATUS_OK;
    struct writer writer = {
        .f = reader->f,
        .file = manifest->file,
        .buffer = reader->payload,
        .offset = manifest->size,
        .checkpoint = manifest->checkpoint,
    };
    TRY(write_seal(&writer));
    manifest->size = writer.offset;
    return STATUS_OK;
}

enum status manifest_open(struct fiber *f, const char *directory,
                          enum status (*apply)(void *context,
                                               const struct manifest_checkpoint *checkpoint),
                          void *context, struct manifest *manifest_out) {
    TRY(init(manifest_out, directory));
    struct reader reader = {.f = f, .manifest = manifest_out, .apply = apply, .context = context};
    enum status status;
    TRY_OUT(file_open(f, manifest_out->path, 0, &manifest_out->file));
    TRY_OUT(file_size(f, manifest_out->file, &reader.file_size));
    reader.payload = memory_alloc(MANIFEST_PAYLOAD_MAX);
    if (reader.payload == NULL) {
        status = out_of_memory();
        goto out;
    }
    TRY_OUT(read_all(&reader));
    TRY_OUT(settle(&reader));
    manifest_out->live_size = 0;
out:
    memory_free(reader.payload);
    manifest_checkpoint_release(&reader.pending);
    if (status != STATUS_OK) {
        struct error failure = *error_current();
        manifest_close(f, manifest_out);
        *error_current() = failure;
    }
    return status;
}
