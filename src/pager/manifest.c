#include "pager/manifest.h"

#include <stdio.h>
#include <string.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "drive/drive_log.h"

enum {
    REWRITE_SIZE_MIN = 64 << 10,
    RESERVE_SLACK = 16 << 10, /* headers, ends of blocks, and pages that are yet to come */
};

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
    if (manifest->log != NULL && drive_log_close(f, manifest->log) != STATUS_OK)
        LOG(LOG_WARNING, "pager", "closing %s: %s", manifest->path, error_current()->message);
    memory_free(manifest->directory);
    memory_free(manifest->path);
    memory_free(manifest->path_new);
    *manifest = (struct manifest){0};
}

bool manifest_outgrown(const struct manifest *manifest, uint64_t page_count) {
    if (manifest->doubtful)
        return true;
    uint64_t live = page_count * MANIFEST_MAP_ENTRY_SIZE;
    if (live < manifest->live_size / 2)
        live = manifest->live_size / 2;
    uint64_t size = drive_log_size(manifest->log);
    return size > REWRITE_SIZE_MIN && size > 2 * live;
}

/* ---- writing ---- */

struct writer {
    struct fiber *f;
    struct drive_log *log;
    uint64_t checkpoint;
    uint8_t *value; /* room for the largest */
};

static enum status put(struct writer *writer, enum manifest_part part, uint64_t index,
                       size_t size) {
    char text[MANIFEST_KEY_MAX];
    struct manifest_key key = {part, part == MANIFEST_FILE ? 0 : writer->checkpoint, index};
    size_t key_size = manifest_key_encode(&key, text);
    return drive_log_put(writer->f, writer->log, slice_of(text, key_size),
                         slice_of(writer->value, size), part == MANIFEST_COMMIT);
}

static enum status write_map(struct writer *writer, const struct manifest_checkpoint *checkpoint) {
    enum { COUNT_MAX = MANIFEST_VALUE_MAX / MANIFEST_MAP_ENTRY_SIZE };
    uint64_t index = 0;
    for (size_t at = 0; at < checkpoint->map_count; index++) {
        size_t count = checkpoint->map_count - at;
        if (count > COUNT_MAX)
            count = COUNT_MAX;
        for (size_t i = 0; i < count; i++) {
            uint8_t *entry = writer->value + i * MANIFEST_MAP_ENTRY_SIZE;
            put_le64(entry, checkpoint->map[at + i].id.value);
            put_le64(entry + 8, checkpoint->map[at + i].extent);
        }
        TRY(put(writer, MANIFEST_MAP, index, count * MANIFEST_MAP_ENTRY_SIZE));
        at += count;
    }
    return STATUS_OK;
}

static enum status write_roots(struct writer *writer,
                               const struct manifest_checkpoint *checkpoint) {
    enum { COUNT_MAX = MANIFEST_VALUE_MAX / MANIFEST_ROOT_ENTRY_SIZE };
    uint64_t index = 0;
    for (size_t at = 0; at < checkpoint->root_count; index++) {
        size_t count = checkpoint->root_count - at;
        if (count > COUNT_MAX)
            count = COUNT_MAX;
        for (size_t i = 0; i < count; i++) {
            uint8_t *entry = writer->value + i * MANIFEST_ROOT_ENTRY_SIZE;
            put_le32(entry, checkpoint->roots[at + i].tree.value);
            put_le32(entry + 4, 0);
            put_le64(entry + 8, checkpoint->roots[at + i].root.value);
        }
        TRY(put(writer, MANIFEST_ROOTS, index, count * MANIFEST_ROOT_ENTRY_SIZE));
        at += count;
    }
    return STATUS_OK;
}

/* One batch, durable on return. */
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
        .full = checkpoint->full,
    };
    manifest_commit_encode(&commit, writer->value);
    TRY(put(writer, MANIFEST_COMMIT, 0, MANIFEST_COMMIT_SIZE));
    return drive_log_sync(writer->f, writer->log);
}

/* A whole new file under the other name, renamed into place. */
static enum status write_anew(struct writer *writer, struct manifest *manifest,
                              const struct manifest_checkpoint *checkpoint) {
    ASSERT(checkpoint->full && checkpoint->roots_present);
    manifest->reserved = 0;
    TRY(drive_log_create(writer->f, manifest->path_new, &writer->log));
    put_le32(writer->value, MANIFEST_VERSION);
    put_le32(writer->value + 4, PAGE_UNIT_SIZE);
    enum status status = put(writer, MANIFEST_FILE, 0, MANIFEST_FILE_SIZE);
    if (status == STATUS_OK)
        status = write_checkpoint(writer, checkpoint);
    if (status == STATUS_OK)
        status = file_rename(writer->f, manifest->path_new, manifest->path);
    if (status == STATUS_OK)
        status = directory_sync(writer->f, manifest->directory);
    if (status != STATUS_OK) {
        struct error failure = *error_current();
        if (drive_log_close(writer->f, writer->log) != STATUS_OK)
            *error_current() = failure;
        return status;
    }
    if (manifest->log != NULL)
        status = drive_log_close(writer->f, manifest->log);
    manifest->log = writer->log;
    manifest->live_size = drive_log_size(writer->log);
    return status;
}

enum status manifest_publish(struct fiber *f, struct manifest *manifest,
                             const struct manifest_checkpoint *checkpoint) {
    struct writer writer = {
        .f = f,
        .log = manifest->log,
        .checkpoint = manifest->checkpoint + 1,
        .value = memory_alloc(MANIFEST_VALUE_MAX),
    };
    if (writer.value == NULL)
        return out_of_memory();
    enum status status = checkpoint->full ? write_anew(&writer, manifest, checkpoint)
                                          : write_checkpoint(&writer, checkpoint);
    memory_free(writer.value);
    manifest->doubtful = status != STATUS_OK;
    if (status == STATUS_OK)
        manifest->checkpoint++;
    return status;
}

static enum status reserve(struct fiber *f, const char *path, uint64_t size) {
    struct file *file;
    TRY(file_open(f, path, FILE_CREATE, &file));
    enum status status = file_allocate(f, file, size);
    enum status closed = file_close(f, file);
    return status != STATUS_OK ? status : closed;
}

void manifest_reserve(struct fiber *f, struct manifest *manifest, uint64_t page_count,
                      uint64_t root_count) {
    uint64_t need = page_count * MANIFEST_MAP_ENTRY_SIZE + root_count * MANIFEST_ROOT_ENTRY_SIZE;
    if (need + RESERVE_SLACK / 2 <= manifest->reserved)
        return;
    uint64_t size = need + need / 4 + RESERVE_SLACK;
    if (reserve(f, manifest->path_new, size) == STATUS_OK)
        manifest->reserved = size;
    else
        error_clear(); /* asked again after the next checkpoint */
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
    struct manifest *manifest;
    struct manifest_checkpoint pending;
    uint64_t index; /* values of the present part */
    enum manifest_part part;
    bool file_seen, any;
    enum status (*apply)(void *context, const struct manifest_checkpoint *checkpoint);
    void *context;
};

static enum status damaged(const struct reader *reader, const char *what) {
    return error_set(
        STATUS_DATA_CORRUPTED, "damaged page manifest \"%s\" after checkpoint %llu: %s",
        reader->manifest->path, (unsigned long long)reader->manifest->checkpoint, what);
}

static enum status add_map(struct reader *reader, struct slice value) {
    struct manifest_checkpoint *pending = &reader->pending;
    size_t count = value.size / MANIFEST_MAP_ENTRY_SIZE;
    if (value.size % MANIFEST_MAP_ENTRY_SIZE != 0)
        return damaged(reader, "impossible map");
    if (!memory_grow(&pending->map, &pending->map_capacity, pending->map_count + count,
                     sizeof *pending->map))
        return out_of_memory();
    for (size_t i = 0; i < count; i++) {
        const uint8_t *entry = value.data + i * MANIFEST_MAP_ENTRY_SIZE;
        pending->map[pending->map_count++] =
            (struct manifest_map_entry){{get_le64(entry)}, get_le64(entry + 8)};
    }
    return STATUS_OK;
}

static enum status add_roots(struct reader *reader, struct slice value) {
    struct manifest_checkpoint *pending = &reader->pending;
    size_t count = value.size / MANIFEST_ROOT_ENTRY_SIZE;
    if (value.size % MANIFEST_ROOT_ENTRY_SIZE != 0)
        return damaged(reader, "impossible roots");
    if (!memory_grow(&pending->roots, &pending->root_capacity, pending->root_count + count,
                     sizeof *pending->roots))
        return out_of_memory();
    for (size_t i = 0; i < count; i++) {
        const uint8_t *entry = value.data + i * MANIFEST_ROOT_ENTRY_SIZE;
        pending->roots[pending->root_count++] =
            (struct manifest_root){{get_le32(entry)}, {get_le64(entry + 8)}};
    }
    return STATUS_OK;
}

static enum status add_commit(struct reader *reader, struct slice value) {
    struct manifest_checkpoint *pending = &reader->pending;
    struct manifest_commit commit;
    if (value.size != MANIFEST_COMMIT_SIZE || !manifest_commit_decode(value.data, &commit))
        return damaged(reader, "impossible commit");
    pending->roots_present = commit.root_count != MANIFEST_ROOTS_UNCHANGED;
    if (commit.map_count != pending->map_count ||
        (pending->roots_present ? commit.root_count : 0) != pending->root_count)
        return damaged(reader, "a checkpoint lacks entries");
    pending->applied = commit.applied;
    pending->page_id_end = commit.page_id_end;
    pending->full = commit.full;
    TRY(reader->apply(reader->context, pending));
    reader->manifest->checkpoint++;
    reader->any = true;
    reader->index = 0;
    pending->map_count = pending->root_count = 0;
    return STATUS_OK;
}

static enum status add_file(struct reader *reader, struct slice value) {
    if (reader->file_seen || value.size != MANIFEST_FILE_SIZE)
        return damaged(reader, "impossible beginning");
    uint32_t version = get_le32(value.data);
    if (version != MANIFEST_VERSION)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "page manifest \"%s\" has version %u, this program knows %d",
                         reader->manifest->path, version, MANIFEST_VERSION);
    if (get_le32(value.data + 4) != PAGE_UNIT_SIZE)
        return damaged(reader, "impossible unit size");
    reader->file_seen = true;
    return STATUS_OK;
}

/* Is this the entry's turn? The first checkpoint of a file has any number. */
static bool follows(struct reader *reader, const struct manifest_key *key) {
    struct manifest *manifest = reader->manifest;
    if (key->part == MANIFEST_FILE)
        return true;
    if (reader->part == MANIFEST_FILE && key->checkpoint > 0)
        manifest->checkpoint = key->checkpoint - 1;
    if (key->part != reader->part) {
        reader->index = 0;
        bool first = reader->part == MANIFEST_FILE || reader->part == MANIFEST_COMMIT;
        if (key->part < reader->part && !first)
            return false;
    }
    return reader->file_seen && key->checkpoint == manifest->checkpoint + 1 &&
           key->index == reader->index++;
}

static enum status read_entry(void *context, struct slice text, struct slice value,
                              bool ends_batch) {
    struct reader *reader = context;
    struct manifest_key key;
    if (!manifest_key_decode(text, &key) || ends_batch != (key.part == MANIFEST_COMMIT) ||
        !follows(reader, &key))
        return damaged(reader, "an entry that does not belong there");
    reader->part = key.part;
    switch (key.part) {
    case MANIFEST_FILE:
        return add_file(reader, value);
    case MANIFEST_MAP:
        return add_map(reader, value);
    case MANIFEST_ROOTS:
        return add_roots(reader, value);
    case MANIFEST_COMMIT:
        return add_commit(reader, value);
    }
    return STATUS_OK;
}

enum status manifest_open(struct fiber *f, const char *directory,
                          enum status (*apply)(void *context,
                                               const struct manifest_checkpoint *checkpoint),
                          void *context, struct manifest *manifest_out) {
    TRY(init(manifest_out, directory));
    struct reader reader = {.manifest = manifest_out, .apply = apply, .context = context};
    const struct drive_log_reader entries = {read_entry, &reader};
    uint64_t cut;
    enum status status = drive_log_open(f, manifest_out->path, &entries, &manifest_out->log, &cut);
    manifest_checkpoint_release(&reader.pending);
    if (status == STATUS_OK && !reader.any)
        status = damaged(&reader, "no whole checkpoint");
    /* Nor need its name be: whoever renamed it may have been killed before the sync. */
    if (status == STATUS_OK)
        status = directory_sync(f, manifest_out->directory);
    if (status == STATUS_OK && cut > 0)
        LOG(LOG_INFO, "pager", "%s: cut off %llu bytes of an unfinished checkpoint",
            manifest_out->path, (unsigned long long)cut);
    if (status != STATUS_OK) {
        struct error failure = *error_current();
        manifest_close(f, manifest_out);
        *error_current() = failure;
    }
    return status;
}

/* ---- reading around damage ---- */

struct salvage {
    struct reader reader;
    enum status (*apply)(void *context, bool whole, const struct manifest_checkpoint *checkpoint);
    void *context;
    uint64_t checkpoint; /* of what is pending */
    uint64_t damage;
};

static void salvage_gap(void *context, uint64_t offset) {
    struct salvage *salvage = context;
    if (salvage->damage == 0)
        salvage->damage = offset;
}

static enum status salvage_commit(struct salvage *salvage, struct slice value) {
    struct manifest_checkpoint *pending = &salvage->reader.pending;
    struct manifest_commit commit;
    if (value.size != MANIFEST_COMMIT_SIZE || !manifest_commit_decode(value.data, &commit))
        return damaged(&salvage->reader, "impossible commit");
    pending->roots_present =
        commit.root_count != MANIFEST_ROOTS_UNCHANGED && commit.root_count == pending->root_count;
    pending->applied = commit.applied;
    pending->page_id_end = commit.page_id_end;
    pending->full = commit.full;
    TRY(salvage->apply(salvage->context, salvage->damage == 0, pending));
    salvage->reader.any = true;
    pending->map_count = pending->root_count = 0;
    return STATUS_OK;
}

static enum status salvage_entry(void *context, struct slice text, struct slice value,
                                 bool ends_batch) {
    struct salvage *salvage = context;
    struct manifest_key key;
    if (!manifest_key_decode(text, &key))
        return damaged(&salvage->reader, "an entry that does not belong there");
    if (key.part == MANIFEST_FILE)
        return add_file(&salvage->reader, value);
    if (key.checkpoint != salvage->checkpoint) /* the commit of the one before was lost */
        salvage->reader.pending.root_count = 0;
    salvage->checkpoint = key.checkpoint;
    if (key.part == MANIFEST_MAP)
        return add_map(&salvage->reader, value);
    return key.part == MANIFEST_ROOTS ? add_roots(&salvage->reader, value)
                                      : salvage_commit(salvage, value);
}

enum status manifest_salvage(struct fiber *f, const char *directory,
                             enum status (*apply)(void *context, bool whole,
                                                  const struct manifest_checkpoint *checkpoint),
                             void *context, uint64_t *damage_out) {
    struct manifest manifest;
    TRY(init(&manifest, directory));
    struct salvage salvage = {
        .reader = {.manifest = &manifest}, .apply = apply, .context = context};
    const struct drive_log_reader entries = {salvage_entry, &salvage};
    enum status status = drive_log_salvage(f, manifest.path, &entries, salvage_gap);
    manifest_checkpoint_release(&salvage.reader.pending);
    if (status == STATUS_OK && !salvage.reader.any)
        status = damaged(&salvage.reader, "no whole checkpoint");
    struct error failure = *error_current();
    manifest_close(f, &manifest);
    *error_current() = failure;
    *damage_out = salvage.damage;
    return status;
}
