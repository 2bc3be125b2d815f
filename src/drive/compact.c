/*
 * Online compaction: a new file beside the old one, then a rename.
 *
 *     1  copy what was in force at a moment E0 to PATH.compact           writers go on
 *     2  bring over what was appended between E0 and E1, E1 and E2 ...   writers go on
 *     3  the last bit, sync, rename, new view                            writers wait
 *
 * Readers and iterators keep the old file by their views. The new file has an own salt and one more
 * compaction in its header, so that no snapshot of the old one fits it. A crash before the rename
 * leaves PATH.compact, which the next compaction overwrites.
 */
#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "drive/store.h"

enum { BATCH_ITEMS = 1024, BATCH_BYTES = 4 << 20, ROUNDS_MAX = 16, LAST_BIT = 1 << 20 };

struct copy {
    struct drive *source, *target;
    const struct drive_progress *progress;
    uint64_t done, total;
    struct write_item items[BATCH_ITEMS];
    size_t count;
    uint64_t bytes;
};

static enum status tick(const struct copy *copy) {
    const struct drive_progress *progress = copy->progress;
    if (progress != NULL && progress->tick != NULL &&
        !progress->tick(progress->context, copy->done < copy->total ? copy->done : copy->total,
                        copy->total))
        return error_set(STATUS_CANCELED, "compaction was stopped");
    return STATUS_OK;
}

static enum status flush(struct copy *copy) {
    if (copy->count == 0)
        return STATUS_OK;
    thread_mutex_lock(&copy->target->writer);
    enum status status = write__batch(copy->target, copy->items, copy->count);
    thread_mutex_unlock(&copy->target->writer);
    copy->count = 0;
    copy->bytes = 0;
    TRY(status);
    return tick(copy);
}

static enum status push(struct copy *copy, const struct write_item *item) {
    copy->items[copy->count] = *item;
    copy->items[copy->count++].passing = copy->source->options.memory != 0;
    copy->bytes += item->value.size;
    copy->done += item->value.size + item->key.size + FORMAT_ENTRY_HEADER_SIZE;
    return copy->count == BATCH_ITEMS || copy->bytes >= BATCH_BYTES ? flush(copy) : STATUS_OK;
}

/* ---- format 1: entries have hashes instead of keys --------------------------------------------
 */

static enum status copy_chained(struct copy *copy, struct slice value, uint64_t hash,
                                bool is_delete) {
    struct write_item item = {.value = value, .hash = hash, .hashed = true, .is_delete = is_delete};
    return push(copy, &item);
}

/* ---- the passes -------------------------------------------------------------------------------
 */

static enum status copy_base(struct copy *copy, uint64_t *end_out) {
    struct drive_iterator *it;
    struct drive_entry entry;
    TRY(drive_iterate(copy->source, DRIVE_OLDEST_FIRST, &it));
    *end_out = iterate__end(it);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && drive_next(it, &entry)) {
        struct write_item item = {.key = entry.key, .value = entry.value, .time_us = entry.time_us};
        status = entry.key.data == NULL ? copy_chained(copy, entry.value, entry.key_hash, false)
                                        : push(copy, &item);
    }
    if (status == STATUS_OK)
        status = flush(copy); /* while the iterator holds the bytes */
    drive_iterator_close(it);
    return status;
}

static enum status replay_entry(struct copy *copy, const struct entry *entry) {
    bool is_delete = entry->kind == ENTRY_DELETE;
    if (entry->kind == ENTRY_SEAL)
        return STATUS_OK;
    struct write_item item = {.key = entry->key,
                              .value = is_delete ? SLICE_EMPTY : entry->value,
                              .time_us = entry->time_us,
                              .is_delete = is_delete};
    return entry->key.data == NULL ? copy_chained(copy, item.value, entry->hash, is_delete)
                                   : push(copy, &item);
}

/* What was appended to the old file between two ends. */
static enum status replay(struct copy *copy, const struct drive_view *view, uint64_t from,
                          uint64_t to) {
    const struct geometry *geometry = view_geometry(view);
    uint64_t *places = NULL;
    size_t count = 0, capacity = 0;
    struct entry entry;
    enum status status = STATUS_OK;
    for (uint64_t at = geometry->format == 1 ? to : from;
         geometry->format == 1 ? at > from : at < to;) {
        if (!entry_decode(geometry, view->mapping->base, to, at, &entry))
            TRY_OUT(error_set(STATUS_DATA_CORRUPTED, "\"%s\": the entry at offset %llu is damaged",
                              copy->source->path, (unsigned long long)at));
        if (!memory_grow(&places, &capacity, count + 1, sizeof *places))
            TRY_OUT(error_set(STATUS_OUT_OF_MEMORY, "out of memory"));
        places[count++] = at;
        at = geometry->format == 1 ? entry.start : entry.end;
    }
    for (size_t i = 0; i < count; i++) {
        size_t next = geometry->format == 1 ? count - 1 - i : i;
        bool readable = entry_decode(geometry, view->mapping->base, to, places[next], &entry);
        ASSERT(readable);
        TRY_OUT(replay_entry(copy, &entry));
    }
    status = flush(copy);
out:
    memory_free(places);
    return status;
}

static enum status catch_up(struct copy *copy, uint64_t *from) {
    struct figures figures;
    struct drive_view *view = iterate__pin(copy->source, &figures);
    enum status status = replay(copy, view, *from, figures.end);
    view__release(view);
    *from = figures.end;
    return status;
}

/* ---- the new file -----------------------------------------------------------------------------
 */

static enum status create_target(struct drive *source, const char *path,
                                 struct drive **target_out) {
    const struct geometry *geometry = view_geometry(atomic_load(&source->current));
    struct drive_options options = {
        .create = true,
        .format = geometry->format,
        .alignment = geometry->format == 1 ? 0 : 1u << geometry->alignment_log,
        .no_snapshot = true,
        .memory = source->options.memory,
    };
    struct plain_file *file;
    TRY(plain_open(path, PLAIN_CREATE | PLAIN_TRUNCATE, &file));
    struct geometry fresh = *geometry;
    enum status status = STATUS_OK;
    if (geometry->format == 2) {
        fresh.compactions++;
        status = secret_random(&fresh.salt, sizeof fresh.salt);
        uint8_t bytes[FORMAT_HEADER_SIZE];
        header_encode(&fresh, bytes);
        struct slice piece = slice_of(bytes, sizeof bytes);
        if (status == STATUS_OK)
            status = plain_write(file, &piece, 1, 0);
    }
    plain_close(file);
    TRY(status);
    return drive_open(path, &options, target_out);
}

/* All of the file that is at the path now, and its name. */
static void set_synced(struct drive *drive, struct generation *generation, uint64_t end) {
    thread_mutex_lock(&drive->syncing);
    drive->synced_generation = generation;
    drive->synced_end = end;
    drive->name_synced = true;
    thread_condition_wake_all(&drive->synced);
    thread_mutex_unlock(&drive->syncing);
}

/* The target's parts become the source's. Under both `writer`s. */
static enum status take_over(struct drive *source, struct drive *target) {
    struct drive_view *fresh = atomic_load(&target->current);
    struct generation *generation = fresh->generation;
    if (!plain_path_set(generation->file, source->path))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(write__trim(generation, target->figures.end)); /* its purpose is to free room */
    TRY(plain_sync(generation->file));
    TRY(plain_rename(target->path, source->path));
    enum status status = view__publish(source, generation, fresh->mapping, fresh->table);
    if (status != STATUS_OK) { /* the file at the path is no longer the one that is open */
        source->broken = true;
        return status;
    }
    thread_mutex_lock(&source->facts);
    source->figures = target->figures;
    source->figures_generation = generation;
    thread_mutex_unlock(&source->facts);
    source->batches_unsealed = target->batches_unsealed;
    source->snapshot_entries = 0;
    status = plain_directory_sync(source->path);
    if (status != STATUS_OK) { /* the file that was there may come back */
        source->broken = true;
        return status;
    }
    set_synced(source, generation, source->figures.end);
    return STATUS_OK;
}

static enum status switch_over(struct copy *copy, uint64_t *from) {
    struct drive *source = copy->source, *target = copy->target;
    thread_mutex_lock(&source->writer);
    enum status status = write__check(source);
    if (status == STATUS_OK)
        status = catch_up(copy, from);
    if (status == STATUS_OK) {
        thread_mutex_lock(&target->writer);
        status = take_over(source, target);
        thread_mutex_unlock(&target->writer);
    }
    thread_mutex_unlock(&source->writer);
    return status;
}

static enum status compact(struct drive *source, const char *path, struct copy *copy) {
    uint64_t from;
    TRY(create_target(source, path, &copy->target));
    struct drive_statistics statistics;
    drive_statistics(source, &statistics);
    copy->total = statistics.file_size - statistics.saving;
    TRY(copy_base(copy, &from));
    for (int round = 0; round < ROUNDS_MAX; round++) {
        drive_statistics(source, &statistics);
        if (statistics.file_size - from < LAST_BIT)
            break;
        TRY(catch_up(copy, &from));
    }
    /* Most of the bytes reach the disk before anybody has to wait for them. */
    TRY(drive_sync(copy->target));
    return switch_over(copy, &from);
}

static enum status check_sound(const struct drive *drive) {
    if (drive->recovery.damage_count == 0)
        return STATUS_OK;
    enum status status =
        error_set(STATUS_DATA_CORRUPTED, "\"%s\" has damaged ranges, which compaction would drop",
                  drive->path);
    error_hint("Copy what is readable to a new store, then remove this one.");
    return status;
}

enum status drive_compact(struct drive *drive, const struct drive_progress *progress) {
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s.compact", drive->path) >= sizeof path)
        return error_set(STATUS_NAME_TOO_LONG, "path \"%s\" is too long", drive->path);
    struct copy *copy = memory_alloc_zeroed(1, sizeof *copy);
    if (copy == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    copy->source = drive;
    copy->progress = progress;
    thread_mutex_lock(&drive->writer);
    enum status status = write__check(drive);
    if (status == STATUS_OK)
        status = check_sound(drive);
    if (status == STATUS_OK && drive->compacting)
        status = error_set(STATUS_OBJECT_IN_USE, "\"%s\" is being compacted", drive->path);
    bool begun = status == STATUS_OK;
    if (begun)
        drive->compacting = true;
    thread_mutex_unlock(&drive->writer);
    if (begun)
        status = compact(drive, path, copy);
    struct error error = *error_current();
    if (copy->target != NULL) {
        open__discard(copy->target); /* what the source took over lives on */
    }
    if (begun && status != STATUS_OK)
        (void)plain_remove(path);
    if (begun) {
        thread_mutex_lock(&drive->writer);
        drive->compacting = false;
        thread_condition_wake_all(&drive->compacted);
        thread_mutex_unlock(&drive->writer);
    }
    memory_free(copy);
    *error_current() = error;
    return status;
}
