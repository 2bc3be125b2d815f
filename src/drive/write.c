/* Appending: batches, their layout, group commit. */
#include <string.h>

#include "base/base_hash_inline.h"
#include "base/base_memory.h"
#include "drive/stage.h"

/* Keys are hashed, and their slots asked for, so many at a time before the first is looked at. */
enum { PLAN_GROUP = 512, INDEX_AHEAD = 16 };

void write__stage_release(struct drive *drive) {
    struct stage *stage = drive->stage;
    if (stage == NULL)
        return;
    memory_free(stage->plan);
    memory_free(stage->buckets);
    memory_free(stage->bytes);
    memory_free(stage);
}

static enum status no_memory(void) {
    return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

static enum status stage_of(struct drive *drive, size_t count, struct stage **stage_out) {
    struct stage *stage = drive->stage;
    if (stage == NULL) {
        stage = drive->stage = memory_alloc_zeroed(1, sizeof *stage);
        if (stage == NULL)
            return no_memory();
    }
    if (stage->bytes == NULL && (stage->bytes = memory_alloc(STAGE_SIZE + STAGE_SLACK)) == NULL)
        return no_memory();
    if (!memory_grow(&stage->plan, &stage->plan_capacity, count, sizeof *stage->plan))
        return no_memory();
    size_t wanted = 2;
    while (wanted < 2 * count)
        wanted *= 2;
    if (stage->bucket_count < wanted) {
        memory_free(stage->buckets);
        stage->bucket_count = 0;
        stage->buckets = memory_alloc(wanted * sizeof *stage->buckets);
        if (stage->buckets == NULL)
            return no_memory();
        stage->bucket_count = wanted;
    }
    *stage_out = stage;
    return STATUS_OK;
}

/* ---- what is allowed ------------------------------------------------------------------------ */

enum status write__check_size(struct drive *drive, uint64_t size) {
    if (size >= drive->figures.end)
        return STATUS_OK;
    drive->broken = true;
    enum status status = error_set(
        STATUS_DATA_CORRUPTED, "\"%s\" was cut off from outside: %llu bytes are left of %llu",
        drive->path, (unsigned long long)size, (unsigned long long)drive->figures.end);
    error_hint("Open it again to use what is left.");
    return status;
}

enum status write__check(struct drive *drive) {
    if (drive->options.read_only)
        return error_set(STATUS_READ_ONLY_TRANSACTION, "\"%s\" is open for reading only",
                         drive->path);
    if (drive->broken)
        return error_set(STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE,
                         "\"%s\" takes no more writes after a failed one; open it again",
                         drive->path);
    /* Writing behind the end of a file that was cut would leave a hole and say nothing. */
    uint64_t size;
    const struct drive_view *view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    TRY(plain_size(view->generation->file, &size));
    return write__check_size(drive, size);
}

enum status write__check_item(const struct geometry *geometry, struct slice key,
                              uint64_t value_size, bool is_delete) {
    if (key.size > DRIVE_KEY_SIZE_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "key of %zu bytes: at most %zu are allowed",
                         key.size, DRIVE_KEY_SIZE_MAX);
    if (value_size > DRIVE_VALUE_SIZE_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "value of %llu bytes: at most %llu are allowed",
                         (unsigned long long)value_size, (unsigned long long)DRIVE_VALUE_SIZE_MAX);
    if (geometry->format == 1 && value_size == 0 && !is_delete)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "a store of format 1 cannot hold an empty value");
    return STATUS_OK;
}

static enum status check_items(const struct geometry *geometry, const struct write_item *items,
                               size_t count, uint64_t end) {
    uint64_t total = end;
    for (size_t i = 0; i < count; i++) {
        const struct write_item *item = &items[i];
        TRY(write__check_item(geometry, item->key, item->value.size, item->is_delete));
        if (geometry->format == 1 && !item->is_delete && item->value.size == 1 &&
            item->value.data[0] == 0)
            return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                             "a store of format 1 cannot hold the value of a single zero byte");
        total += item->value.size + item->key.size + 2 * 4096;
        if (total > DRIVE_FILE_SIZE_MAX)
            return error_set(STATUS_LIMIT_EXCEEDED, "the store would be larger than %llu bytes",
                             (unsigned long long)DRIVE_FILE_SIZE_MAX);
    }
    if (count > UINT32_MAX / 4)
        return error_set(STATUS_LIMIT_EXCEEDED, "a batch of %zu entries is too large", count);
    return STATUS_OK;
}

/* ---- layout --------------------------------------------------------------------------------- */

/* The newest item before `i` of the batch with its key; the bucket then names `i`. SIZE_MAX: none.
 */
static size_t earlier_in_batch(struct stage *stage, size_t bucket_mask,
                               const struct write_item *items, size_t i, bool by_hash) {
    size_t bucket = (size_t)items[i].hash & bucket_mask;
    for (;; bucket = (bucket + 1) & bucket_mask) {
        uint32_t held = stage->buckets[bucket];
        if (held == 0) {
            stage->buckets[bucket] = (uint32_t)i + 1;
            return SIZE_MAX;
        }
        const struct write_item *other = &items[held - 1];
        if (other->hash == items[i].hash && (by_hash || slice_equal(other->key, items[i].key))) {
            stage->buckets[bucket] = (uint32_t)i + 1;
            return held - 1;
        }
    }
}

static uint64_t place_of(const struct geometry *geometry, const struct planned *planned) {
    return geometry->format == 1 ? planned->end : planned->start;
}

static enum status plan_item(const struct drive_view *view, struct stage *stage,
                             struct write_item *items, size_t i, size_t earlier, uint64_t *at,
                             uint64_t limit) {
    const struct geometry *geometry = view_geometry(view);
    struct planned *planned = &stage->plan[i];
    struct write_item *item = &items[i];
    *planned = (struct planned){.start = *at};
    if (earlier != SIZE_MAX) {
        const struct planned *before = &stage->plan[earlier];
        planned->version = before->dropped ? before->version : place_of(geometry, before);
        planned->live_before = before->dropped ? before->live_before : !items[earlier].is_delete;
    } else if (!table_lacks(view->table, item->hash)) {
        struct located located;
        enum status status = read__find(view, limit, item->hash, item->key, &located);
        bool unreadable = status == STATUS_DATA_CORRUPTED; /* it can still be superseded */
        if (!unreadable)
            TRY(status);
        ASSERT(!located.stale);
        planned->version = located.place;
        planned->live_before = unreadable || (located.place != 0 && located.kind == ENTRY_PUT);
    }
    item->existed = planned->live_before;
    /* The engine of format 1 writes a deletion whether there is something to delete or not. */
    planned->dropped = geometry->format == 2 && item->is_delete && !planned->live_before;
    if (planned->dropped)
        return STATUS_OK;
    size_t value_size = item->is_delete ? 0 : item->value.size;
    if (geometry->format == 1) {
        planned->value_at = *at;
        planned->end = *at + (item->is_delete ? 1 : value_size) + FORMAT_CHAIN_TRAILER_SIZE;
    } else {
        planned->value_at = entry_value_offset(geometry, *at, item->key.size, value_size);
        planned->end = align_up(planned->value_at + value_size, FORMAT_ENTRY_ROUND);
    }
    *at = planned->end;
    return STATUS_OK;
}

static void hash_items(const struct table *table, struct write_item *items, size_t from,
                       size_t to) {
    for (size_t i = from; i < to; i++) {
        if (!items[i].hashed)
            items[i].hash = hash_bytes_inline(items[i].key.data, items[i].key.size);
        table_prefetch(table, items[i].hash);
    }
}

static enum status plan_batch(const struct drive_view *view, struct stage *stage,
                              struct write_item *items, size_t count, uint64_t end,
                              uint64_t *end_out) {
    size_t mask = 1;
    while (mask < 2 * count)
        mask *= 2;
    mask--;
    if (count > 1)
        memset(stage->buckets, 0, (mask + 1) * sizeof *stage->buckets);
    uint64_t at = end;
    for (size_t from = 0; from < count; from += PLAN_GROUP) {
        size_t to = count - from < PLAN_GROUP ? count : from + PLAN_GROUP;
        hash_items(view->table, items, from, to);
        for (size_t i = from; i < to; i++) {
            size_t earlier = count == 1 ? SIZE_MAX
                                        : earlier_in_batch(stage, mask, items, i,
                                                           view_geometry(view)->format == 1);
            TRY(plan_item(view, stage, items, i, earlier, &at, end));
        }
    }
    *end_out = at;
    return STATUS_OK;
}

unsigned write__sealed_flag(struct drive *drive, const struct figures *figures) {
    thread_mutex_lock(&drive->syncing);
    bool sealed = drive->synced_end == figures->end;
    thread_mutex_unlock(&drive->syncing);
    return sealed ? ENTRY_SEALED : 0;
}

/* ---- index, publication ---------------------------------------------------------------- */

/* The slot of the key's version before. */
static struct slot *slot_of(const struct table *table, bool by_hash, uint64_t hash,
                            uint64_t version, uint64_t *place_out) {
    uint64_t at = table_home(table, hash);
    for (;;) {
        struct slot *slot = table_probe(table, hash, &at, place_out);
        ASSERT(*place_out != 0);
        if (by_hash || SLOT_PLACE(*place_out) == version)
            return slot;
    }
}

void write__index(struct drive *drive, const struct drive_view *view, struct figures *figures,
                  const struct entry *entry, uint64_t hash) {
    const struct geometry *geometry = view_geometry(view);
    uint64_t value = entry->place | (entry->kind == ENTRY_DELETE ? SLOT_DELETED : 0);
    if (entry->kind == ENTRY_PUT) {
        figures->count++;
        figures->live_size += entry->end - entry->start;
    }
    if (entry->version != 0 || entry->kind == ENTRY_DELETE) {
        /* No longer are all entries live; whoever took an earlier end is not concerned. */
        uint64_t end = figures->end;
        if (end < atomic_load_explicit(&view->generation->clean_end, memory_order_relaxed))
            atomic_store_explicit(&view->generation->clean_end, end, memory_order_release);
    }
    if (entry->version == 0) {
        table_fill(view->table, table_free(view->table, hash), hash, value);
    } else {
        uint64_t place;
        struct slot *slot =
            slot_of(view->table, geometry->format == 1, hash, entry->version, &place);
        if ((place & SLOT_DELETED) == 0) {
            struct entry old;
            if (entry_decode(geometry, view->mapping->base, view->mapping->size, place, &old))
                figures->live_size -= old.end - old.start;
            figures->count--;
        }
        table_update(slot, value);
    }
    figures->entries++;
}

void write__publish(struct drive *drive, const struct drive_view *view,
                    const struct figures *figures) {
    thread_mutex_lock(&drive->facts);
    drive->figures = *figures;
    drive->figures_generation = view->generation;
    atomic_store_explicit(&view->generation->end, figures->end, memory_order_release);
    thread_mutex_unlock(&drive->facts);
}

void write__undo(struct drive *drive, const struct drive_view *view) {
    struct error error = *error_current();
    view->generation->reserved_end = 0;
    if (plain_truncate(view->generation->file, drive->figures.end) != STATUS_OK)
        drive->broken = true;
    *error_current() = error;
}

static void index_batch(struct drive *drive, const struct drive_view *view, struct stage *stage,
                        const struct write_item *items, size_t count, struct figures *figures) {
    const struct geometry *geometry = view_geometry(view);
    uint64_t fresh = 0, fresh_size = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + INDEX_AHEAD < count)
            table_prefetch(view->table, items[i + INDEX_AHEAD].hash);
        const struct planned *planned = &stage->plan[i];
        if (planned->dropped)
            continue;
        if (planned->version == 0 &&
            !items[i].is_delete) { /* what write__index does of a new key */
            figures->last = place_of(geometry, planned);
            table_fill(view->table, table_free(view->table, items[i].hash), items[i].hash,
                       figures->last);
            fresh_size += planned->end - planned->start;
            fresh++;
            continue;
        }
        struct entry entry = {
            .kind = items[i].is_delete ? ENTRY_DELETE : ENTRY_PUT,
            .place = place_of(geometry, planned),
            .start = planned->start,
            .end = planned->end,
            .version = planned->version,
        };
        write__index(drive, view, figures, &entry, items[i].hash);
        figures->last = entry.place;
    }
    figures->count += fresh;
    figures->live_size += fresh_size;
    figures->entries += fresh;
}

enum status write__batch(struct drive *drive, struct write_item *items, size_t count) {
    TRY(write__check(drive));
    struct drive_view *view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    const struct geometry *geometry = view_geometry(view);
    TRY(check_items(geometry, items, count, drive->figures.end));
    struct stage *stage = NULL;
    TRY(stage_of(drive, count, &stage));
    struct figures figures = drive->figures;
    uint64_t end;
    TRY(write__room(drive, figures.end, count)); /* a larger index before it is looked at */
    view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    TRY(plan_batch(view, stage, items, count, figures.end, &end));
    if (end == figures.end)
        return STATUS_OK;
    TRY(write__room(drive, end, count));
    view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    stage->file = view->generation->file;
    write__reserve(view->generation, figures.end, end);
    int64_t now_us = geometry->format == 1 ? 0 : clock_wall_us();
    bool sealed = geometry->format != 1 && write__sealed_flag(drive, &figures) != 0;
    enum status status = stage__batch(drive, geometry, stage, items, count, &figures, now_us);
    if (status != STATUS_OK) {
        write__undo(drive, view);
        return status;
    }
    index_batch(drive, view, stage, items, count, &figures);
    figures.end = end;
    drive->batches_unsealed = (sealed ? 0 : drive->batches_unsealed) + 1;
    write__publish(drive, view, &figures);
    return STATUS_OK;
}

/* ---- durability ------------------------------------------------------------------------------ */

enum status write__sync(struct drive *drive, struct generation *generation, uint64_t end) {
    enum status status = STATUS_OK;
    thread_mutex_lock(&drive->syncing);
    for (;;) {
        if (drive->synced_generation != generation || drive->synced_end >= end)
            break; /* compaction makes all of its file durable */
        if (drive->broken) {
            status = error_set(STATUS_IO_ERROR, "\"%s\" could not be synced", drive->path);
            break;
        }
        if (drive->sync_running) {
            thread_condition_wait(&drive->synced, &drive->syncing);
            continue;
        }
        drive->sync_running = true;
        bool name_synced = drive->name_synced;
        thread_mutex_unlock(&drive->syncing);
        uint64_t reached = generation_end(generation); /* others' batches too */
        status = plain_sync(generation->file);
        if (status == STATUS_OK && !name_synced)
            status = plain_directory_sync(drive->path);
        thread_mutex_lock(&drive->syncing);
        drive->sync_running = false;
        drive->name_synced = status == STATUS_OK;
        if (status != STATUS_OK)
            drive->broken = true;
        else if (drive->synced_generation == generation && drive->synced_end < reached)
            drive->synced_end = reached;
        thread_condition_wake_all(&drive->synced);
        if (status != STATUS_OK)
            break;
    }
    thread_mutex_unlock(&drive->syncing);
    return status;
}

/* Write the batch as one of several callers and make it durable if that is wanted. */
static enum status commit(struct drive *drive, struct write_item *items, size_t count,
                          enum drive_durability durability) {
    thread_mutex_lock(&drive->writer);
    enum status status = write__batch(drive, items, count);
    uint64_t end = drive->figures.end;
    struct drive_view *view = NULL;
    if (status == STATUS_OK && durability == DRIVE_SYNC) {
        view = atomic_load_explicit(&drive->current, memory_order_relaxed);
        view__retain(view);
    }
    thread_mutex_unlock(&drive->writer);
    if (view != NULL) {
        status = write__sync(drive, view->generation, end);
        view__release(view);
    }
    return status;
}

enum status drive_sync(struct drive *drive) {
    return drive->options.read_only ? STATUS_OK : commit(drive, NULL, 0, DRIVE_SYNC);
}

/* An entry that only says that everything before it is sound. Under `writer`. */
enum status write__seal(struct drive *drive) {
    struct drive_view *view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    struct figures figures = drive->figures;
    if (view_geometry(view)->format == 1 || drive->batches_unsealed < 2 || drive->broken)
        return STATUS_OK;
    struct entry entry = {
        .kind = ENTRY_SEAL,
        .flags = ENTRY_SEALED | ENTRY_ENDS_BATCH,
        .start = figures.end,
        .before = figures.last,
        .time_us = clock_wall_us(),
    };
    uint8_t bytes[FORMAT_ENTRY_HEADER_SIZE];
    entry_encode(view_geometry(view), &entry, bytes);
    entry_finish(bytes, entry.header_checksum);
    struct slice piece = slice_of(bytes, sizeof bytes);
    enum status status = plain_write(view->generation->file, &piece, 1, figures.end);
    if (status != STATUS_OK) {
        write__undo(drive, view);
        return status;
    }
    figures.last = figures.end;
    figures.end += sizeof bytes;
    drive->batches_unsealed = 0;
    write__publish(drive, view, &figures);
    return STATUS_OK;
}

/* ---- the public calls ------------------------------------------------------------------------ */

enum status drive_put(struct drive *drive, struct slice key, struct slice value,
                      enum drive_durability durability) {
    struct write_item item = {.key = key, .value = value};
    return commit(drive, &item, 1, durability);
}

enum status drive_delete(struct drive *drive, struct slice key, enum drive_durability durability,
                         bool *existed_out) {
    struct write_item item = {.key = key, .is_delete = true};
    enum status status = commit(drive, &item, 1, durability);
    *existed_out = item.existed;
    return status;
}

enum status drive_batch(struct drive *drive, struct drive_item *items, size_t count,
                        enum drive_durability durability) {
    struct write_item *copy = memory_alloc((count == 0 ? 1 : count) * sizeof *copy);
    if (copy == NULL)
        return no_memory();
    for (size_t i = 0; i < count; i++)
        copy[i] = (struct write_item){
            .key = items[i].key,
            .value = items[i].is_delete ? SLICE_EMPTY : items[i].value,
            .is_delete = items[i].is_delete,
        };
    enum status status = commit(drive, copy, count, durability);
    for (size_t i = 0; i < count; i++)
        items[i].existed = copy[i].existed;
    memory_free(copy);
    return status;
}
