/* Opening, creating, refreshing and closing. */
#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "drive/store.h"

/* Fewer entries than this are walked faster than a second file is looked after. */
enum { SNAPSHOT_ENTRIES_MIN = 10000, SNAPSHOT_LAG = 64 };

/* ---- what is in the file --------------------------------------------------------------------- */

static enum status foreign(const struct drive *drive) {
    return error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is not a drive store", drive->path);
}

static enum status geometry_of(struct drive *drive, const uint8_t *base, uint64_t size,
                               struct geometry *geometry_out) {
    switch (header_decode(base, (size_t)size, geometry_out)) {
    case HEADER_GOOD:
        break;
    case HEADER_NEWER:
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "\"%s\" has format %u, newer than this program's %u", drive->path,
                         get_le16(base + 8), FORMAT_VERSION);
    case HEADER_DAMAGED:
        return error_set(STATUS_DATA_CORRUPTED, "\"%s\": the file header is damaged", drive->path);
    case HEADER_FOREIGN:
        *geometry_out = (struct geometry){.format = 1};
        break;
    }
    if (drive->options.format != 0 && drive->options.format != geometry_out->format)
        return error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" has format %u, not %u", drive->path,
                         geometry_out->format, drive->options.format);
    return STATUS_OK;
}

static enum status read_entries(struct recovery *recovery, uint64_t size) {
    return recovery->geometry->format == 1 ? recover__chain(recovery, size)
                                           : recover__entries(recovery, size);
}

/* Index and figures of bytes 0 .. size, from the snapshot or from nothing. */
static enum status begin_recovery(struct drive *drive, struct recovery *recovery, uint64_t size) {
    bool found = false;
    table_release(recovery->table);
    *recovery = (struct recovery){
        .drive = drive,
        .geometry = recovery->geometry,
        .base = recovery->base,
        .from = recovery->geometry->format == 1 ? 0 : FORMAT_HEADER_SIZE,
        .clean_end = UINT64_MAX,
    };
    drive->recovery = (struct drive_recovery){0};
    if (!drive->options.no_snapshot)
        TRY(snapshot__load(drive, recovery->geometry, recovery->base, size, recovery, &found));
    drive->recovery.snapshot_used = found;
    if (found) {
        recovery->sealed = recovery->from; /* written after the store was closed or synced */
        return STATUS_OK;
    }
    return table_create(0, drive->options.memory, &recovery->table);
}

/* Where the part begins that must be verified because nobody vouches for it. */
static uint64_t unsure_from(const struct recovery *recovery) {
    uint64_t from = recovery->sealed > recovery->from ? recovery->sealed : recovery->from;
    return recovery->tail_from > from ? recovery->tail_from : from;
}

static enum status recover(struct drive *drive, struct recovery *recovery, uint64_t size) {
    for (uint64_t limit = size;;) {
        TRY(begin_recovery(drive, recovery, limit));
        TRY(read_entries(recovery, limit));
        uint64_t end = recovery->figures.end;
        if (recovery->geometry->format == 1)
            break;
        uint64_t sound = end < limit ? end /* again, now that the end is known: tail_from */
                                     : recover__first_bad_batch(recovery, unsure_from(recovery));
        if (sound == limit)
            break;
        limit = sound;
    }
    drive->recovery.walked = recovery->walked;
    drive->recovery.tail_offset = recovery->figures.end;
    drive->recovery.tail_size = size - recovery->figures.end;
    if (recovery->geometry->format == 1 && size > 0 && recovery->figures.end == 0)
        return foreign(drive);
    return STATUS_OK;
}

/* ---- the torn tail --------------------------------------------------------------------------- */

static enum status keep_tail(struct drive *drive, const uint8_t *base, uint64_t from,
                             uint64_t size) {
    char *path = drive->recovery.tail_path;
    snprintf(path, sizeof drive->recovery.tail_path, "%s.tail-%llu", drive->path,
             (unsigned long long)from);
    struct plain_file *file;
    TRY(plain_open(path, PLAIN_CREATE | PLAIN_EXCLUSIVE, &file));
    struct slice piece = slice_of(base + from, (size_t)size);
    enum status status = plain_write(file, &piece, 1, 0);
    if (status == STATUS_OK)
        status = plain_sync(file);
    plain_close(file);
    return status;
}

static enum status cut_tail(struct drive *drive, struct plain_file *file, const uint8_t *base) {
    const struct drive_recovery *found = &drive->recovery;
    if (found->tail_size == 0 || drive->options.read_only)
        return STATUS_OK;
    if (drive->options.keep_tail)
        TRY(keep_tail(drive, base, found->tail_offset, found->tail_size));
    return plain_truncate(file, found->tail_offset);
}

enum { ANEW_PIECE = 8 << 20 };

/* Batches behind the last seal may be in the page cache alone, and taken for written, if a sync
   failed before the store was closed: the next sync would say nothing of them, and what comes
   behind them is lost with them. So they are written anew. Format 1 has no seals; there nobody
   knows which these are. */
static enum status write_anew(struct drive *drive, struct plain_file *file, const uint8_t *base,
                              uint64_t from, uint64_t end) {
    while (from < end) {
        uint64_t size = end - from < ANEW_PIECE ? end - from : ANEW_PIECE;
        struct slice piece = slice_of(base + from, (size_t)size);
        TRY(plain_write(file, &piece, 1, from));
        if (drive->options.memory != 0)
            plain_advise(base, from, size, PLAIN_DROP);
        from += size;
    }
    return STATUS_OK;
}

/* ---- a generation from a file -----------------------------------------------------------------
 */

static enum status adopt(struct drive *drive, struct plain_file *file, struct mapping *mapping,
                         const struct geometry *geometry, const struct recovery *recovery) {
    struct generation *generation;
    enum status status = generation__create(file, geometry, &generation);
    if (status != STATUS_OK) {
        plain_close(file);
        return status;
    }
    atomic_store(&generation->end, recovery->figures.end);
    atomic_store(&generation->clean_end, recovery->clean_end);
    generation->checked_from = recovery->from;
    status = view__publish(drive, generation, mapping, recovery->table);
    if (status == STATUS_OK) {
        thread_mutex_lock(&drive->facts);
        drive->figures = recovery->figures;
        drive->figures_generation = generation;
        thread_mutex_unlock(&drive->facts);
        thread_mutex_lock(&drive->syncing);
        drive->synced_end = 0; /* what is there may still be on its way to the disk */
        drive->synced_generation = generation;
        thread_mutex_unlock(&drive->syncing);
        drive->batches_unsealed = recovery->batches_unsealed;
    }
    generation__release(generation);
    return status;
}

/* Takes the file over, also on failure. */
enum status open__generation(struct drive *drive, struct plain_file *file, uint64_t size) {
    struct geometry geometry;
    struct mapping *mapping = NULL;
    struct recovery recovery = {.geometry = &geometry};
    enum status status;
    TRY_OUT(mapping__create(file, size, &mapping));
    recovery.base = mapping->base;
    TRY_OUT(geometry_of(drive, mapping->base, size, &geometry));
    TRY_OUT(recover(drive, &recovery, size));
    TRY_OUT(cut_tail(drive, file, mapping->base));
    if (geometry.format != 1 && !drive->options.read_only)
        TRY_OUT(write_anew(drive, file, mapping->base, recovery.sealed, recovery.figures.end));
    drive->snapshot_entries =
        drive->recovery.snapshot_used ? recovery.figures.entries - drive->recovery.walked : 0;
    status = adopt(drive, file, mapping, &geometry, &recovery);
    file = NULL;
out:
    plain_close(file);
    mapping__release(mapping);
    table_release(recovery.table);
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

static enum status write_header(const struct drive_options *options, struct plain_file *file) {
    unsigned alignment = options->alignment == 0 ? 64 : options->alignment;
    struct geometry geometry = {.format = 2, .created_us = clock_wall_us()};
    while (1u << geometry.alignment_log < alignment)
        geometry.alignment_log++;
    TRY(secret_random(geometry.id, sizeof geometry.id));
    TRY(secret_random(&geometry.salt, sizeof geometry.salt));
    uint8_t bytes[FORMAT_HEADER_SIZE];
    header_encode(&geometry, bytes);
    struct slice piece = slice_of(bytes, sizeof bytes);
    TRY(plain_truncate(file, 0));
    TRY(plain_write(file, &piece, 1, 0));
    return plain_sync(file);
}

/* Whole under another name first, so that a crash leaves a store or none. */
static enum status create_at(struct drive *drive, const char *fresh, struct plain_file **file_out) {
    for (;;) {
        TRY(plain_open(fresh, PLAIN_CREATE, file_out));
        TRY(plain_lock(*file_out));
        if (plain_is_at_path(*file_out))
            break;
        plain_close(*file_out); /* another process made its store of it */
        *file_out = NULL;
    }
    TRY(write_header(&drive->options, *file_out));
    TRY(plain_rename(fresh, drive->path));
    if (!plain_path_set(*file_out, drive->path))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(plain_directory_sync(drive->path));
    drive->name_synced = true;
    return STATUS_OK;
}

static enum status create_file(struct drive *drive, struct plain_file **file_out) {
    char fresh[4096];
    *file_out = NULL;
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", drive->path) >= sizeof fresh)
        return error_set(STATUS_NAME_TOO_LONG, "path \"%s\" is too long", drive->path);
    enum status status = create_at(drive, fresh, file_out);
    if (status != STATUS_OK && *file_out != NULL) {
        struct error error = *error_current();
        if (error.status != STATUS_OBJECT_IN_USE)
            plain_remove(fresh);
        plain_close(*file_out);
        *file_out = NULL;
        *error_current() = error;
    }
    return status;
}

/* An open, locked file that is still the one at the path (a compaction may just have replaced it).
 */
static enum status open_file(const struct drive *drive, struct plain_file **file_out) {
    const struct drive_options *options = &drive->options;
    unsigned flags = options->read_only ? PLAIN_READ_ONLY : 0;
    if (options->create && !options->read_only)
        flags |= PLAIN_CREATE | (options->exclusive ? PLAIN_EXCLUSIVE : 0);
    for (;;) {
        TRY(plain_open(drive->path, flags, file_out));
        enum status status = options->read_only ? STATUS_OK : plain_lock(*file_out);
        if (status != STATUS_OK) {
            plain_close(*file_out);
            return status;
        }
        if (options->read_only || plain_is_at_path(*file_out))
            return STATUS_OK;
        plain_close(*file_out);
    }
}

static enum status check_options(const struct drive_options *options) {
    unsigned alignment = options->alignment;
    if (options->format > 2)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "there is no format %u", options->format);
    if (alignment > 4096 || (alignment & (alignment - 1)) != 0)
        return error_set(STATUS_INVALID_PARAMETER_VALUE,
                         "alignment %u is not a power of two from 1 to 4096", alignment);
    return STATUS_OK;
}

static enum status open_path(struct drive *drive) {
    const struct drive_options *options = &drive->options;
    bool creates = options->create && !options->read_only && options->format != 1;
    struct plain_file *file;
    uint64_t size = 0;
    if (creates && plain_kind(drive->path) == PLAIN_ABSENT) {
        TRY(create_file(drive, &file));
        return open__generation(drive, file, FORMAT_HEADER_SIZE);
    }
    TRY(open_file(drive, &file));
    enum status status = plain_size(file, &size);
    if (status == STATUS_OK && size == 0 && creates) {
        plain_close(file);
        TRY(create_file(drive, &file));
        return open__generation(drive, file, FORMAT_HEADER_SIZE);
    }
    if (status == STATUS_OK && size == 0 && !options->read_only && options->format != 1) {
        status = error_set(STATUS_WRONG_OBJECT_TYPE,
                           "\"%s\" is empty: it could be a store of format 1", drive->path);
        error_hint("Say format 1, or create a store.");
    }
    if (status != STATUS_OK) {
        plain_close(file);
        return status;
    }
    return open__generation(drive, file, size);
}

enum status drive_open(const char *path, const struct drive_options *options,
                       struct drive **drive_out) {
    *drive_out = NULL;
    TRY(check_options(options));
    struct drive *drive;
    TRY(drive__create(path, options, &drive));
    enum status status = open_path(drive);
    if (status != STATUS_OK) {
        struct error error = *error_current();
        drive__release(drive);
        *error_current() = error;
        return status;
    }
    *drive_out = drive;
    return STATUS_OK;
}

enum status drive_open_nested(const struct drive_handle *handle, struct drive **drive_out) {
    static const struct drive_options options = {.read_only = true, .no_snapshot = true};
    *drive_out = NULL;
    struct drive *drive;
    TRY(drive__create("(nested store)", &options, &drive));
    struct geometry geometry;
    struct recovery recovery = {.geometry = &geometry, .base = handle->data};
    struct mapping *mapping = memory_alloc_zeroed(1, sizeof *mapping);
    enum status status = STATUS_OK;
    if (mapping == NULL)
        TRY_OUT(error_set(STATUS_OUT_OF_MEMORY, "out of memory"));
    atomic_init(&mapping->reference_count, 1);
    mapping->base = handle->data;
    mapping->size = handle->size;
    TRY_OUT(geometry_of(drive, handle->data, handle->size, &geometry));
    TRY_OUT(recover(drive, &recovery, handle->size));
    TRY_OUT(adopt(drive, NULL, mapping, &geometry, &recovery));
    atomic_load(&drive->current)->generation->parent = drive_handle_copy(handle);
out:
    mapping__release(mapping);
    table_release(recovery.table);
    if (status != STATUS_OK)
        drive__release(drive);
    else
        *drive_out = drive;
    return status;
}

/* ---- refresh --------------------------------------------------------------------------------- */

static enum status reopen(struct drive *drive) {
    struct plain_file *file;
    uint64_t size;
    TRY(plain_open(drive->path, PLAIN_READ_ONLY, &file));
    enum status status = plain_size(file, &size);
    if (status != STATUS_OK) {
        plain_close(file);
        return status;
    }
    return open__generation(drive, file, size);
}

/* Format 2: whole batches of what was appended; format 1: what the chain from the end leads to. */
static enum status take_appended(struct drive *drive, uint64_t size) {
    TRY(write__room(drive, size, 0));
    struct drive_view *view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    const struct geometry *geometry = view_geometry(view);
    struct figures figures = drive->figures;
    uint64_t end = figures.end, whole = end;
    struct entry entry;
    while (end < size && geometry->format == 2 &&
           entry_decode(geometry, view->mapping->base, size, end, &entry) &&
           entry_header_good(geometry, view->mapping->base, &entry)) {
        end = entry.end;
        if (entry.flags & ENTRY_ENDS_BATCH)
            whole = end;
    }
    struct recovery recovery = {
        .drive = drive,
        .geometry = geometry,
        .base = view->mapping->base,
        .from = figures.end,
        .figures = figures,
        .clean_end = atomic_load(&view->generation->clean_end),
        .table = view->table,
    };
    table_retain(recovery.table);
    enum status status = read_entries(&recovery, geometry->format == 2 ? whole : size);
    if (recovery.clean_end < atomic_load(&view->generation->clean_end))
        atomic_store(&view->generation->clean_end, recovery.clean_end);
    if (status == STATUS_OK && recovery.table != view->table)
        status = view__publish(drive, view->generation, view->mapping, recovery.table);
    view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    if (status == STATUS_OK)
        write__publish(drive, view, &recovery.figures);
    table_release(recovery.table);
    return status;
}

enum status drive_refresh(struct drive *drive) {
    thread_mutex_lock(&drive->writer);
    struct generation *generation =
        atomic_load_explicit(&drive->current, memory_order_relaxed)->generation;
    enum status status = STATUS_OK;
    uint64_t size;
    bool reads = drive->options.read_only;
    if (reads && generation->file != NULL && !plain_is_at_path(generation->file)) {
        status = reopen(drive);
    } else if (generation->file != NULL) {
        status = plain_size(generation->file, &size);
        if (status == STATUS_OK)
            status = write__check_size(drive, size);
        if (status == STATUS_OK && reads && size > drive->figures.end)
            status = take_appended(drive, size);
    }
    thread_mutex_unlock(&drive->writer);
    return status;
}

/* ---- close ----------------------------------------------------------------------------------- */

void open__discard(struct drive *drive) {
    view__retire(atomic_exchange(&drive->current, NULL));
    drive__release(drive);
}

/* Would what the snapshot does not know take long to walk? A put to a store of millions need not
   write their index anew. */
static bool snapshot_outdated(const struct drive *drive) {
    uint64_t entries = drive->figures.entries, known = drive->snapshot_entries;
    return entries >= SNAPSHOT_ENTRIES_MIN &&
           (known == 0 || entries - known > entries / SNAPSHOT_LAG);
}

static enum status finish(struct drive *drive) {
    if (drive->options.read_only || drive->broken)
        return STATUS_OK;
    struct drive_view *view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    bool snapshot = !drive->options.no_snapshot && snapshot_outdated(drive);
    /* Seal and snapshot vouch for what is before them. */
    if (drive->batches_unsealed > 1 || snapshot)
        TRY(write__sync(drive, view->generation, drive->figures.end));
    TRY(write__seal(drive));
    TRY(write__trim(view->generation, drive->figures.end));
    return snapshot ? snapshot__store(drive) : STATUS_OK;
}

enum status drive_close(struct drive *drive) {
    if (drive == NULL)
        return STATUS_OK;
    thread_mutex_lock(&drive->writer);
    while (drive->compacting)
        thread_condition_wait(&drive->compacted, &drive->writer);
    enum status status = finish(drive);
    struct error error = *error_current();
    /* The lock on the file goes with the last handle; a writer must not be kept out by a reader. */
    thread_mutex_unlock(&drive->writer);
    struct drive_view *view = atomic_exchange(&drive->current, NULL);
    plain_unlock(view->generation->file);
    view__retire(view);
    drive__release(drive);
    *error_current() = error;
    return status;
}

enum status drive_snapshot(struct drive *drive) {
    thread_mutex_lock(&drive->writer);
    struct drive_view *view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    enum status status = write__check(drive);
    if (status == STATUS_OK)
        status = write__sync(drive, view->generation, drive->figures.end);
    if (status == STATUS_OK)
        status = write__seal(drive);
    if (status == STATUS_OK)
        status = snapshot__store(drive);
    thread_mutex_unlock(&drive->writer);
    return status;
}

const struct drive_recovery *drive_recovery(const struct drive *drive) {
    return &drive->recovery;
}

void drive_statistics(struct drive *drive, struct drive_statistics *statistics_out) {
    uint64_t end;
    struct drive_view *view = view__acquire(drive, &end);
    const struct geometry *geometry = view_geometry(view);
    thread_mutex_lock(&drive->facts);
    struct figures figures = drive->figures;
    thread_mutex_unlock(&drive->facts);
    uint64_t kept = figures.live_size + (geometry->format == 1 ? 0 : FORMAT_HEADER_SIZE);
    *statistics_out = (struct drive_statistics){
        .format = geometry->format,
        .alignment = geometry->format == 1 ? 1u : 1u << geometry->alignment_log,
        .count = figures.count,
        .key_count = view->table->used,
        .file_size = figures.end,
        .saving = figures.end > kept ? figures.end - kept : 0,
        .index_size = view->table->capacity * sizeof(struct slot),
        .created_us = geometry->created_us,
        .read_only = drive->options.read_only,
        .nested = view->generation->file == NULL,
    };
    view__release(view);
}
