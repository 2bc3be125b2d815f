/* Looking up keys, and handles. */
#include <string.h>

#include "drive/store.h"

static enum status damaged(const struct drive_view *view, uint64_t place) {
    return error_set(STATUS_DATA_CORRUPTED, "\"%s\": the entry at offset %llu is damaged",
                     view->drive->path, (unsigned long long)place);
}

/* Format 2: from the newest version of the key at `place` back to the newest within `end`. */
static enum status version_within(const struct drive_view *view, uint64_t end, uint64_t place,
                                  struct slice key, struct entry *entry_out, bool *same_key_out,
                                  bool *found_out, bool *stale_out) {
    const struct geometry *geometry = view_geometry(view);
    const uint8_t *base = view->mapping->base;
    *same_key_out = true;
    *found_out = false;
    for (;;) {
        /* What is not published yet was written by this process just now: it may be read to the
           end of the mapping. What is published must not reach over the end. */
        uint64_t limit = place < end ? end : view->mapping->size;
        if (!entry_decode(geometry, base, limit, place, entry_out) ||
            !header_good(view, base, entry_out)) {
            entry_out->place = place;
            if (place >= end) { /* it reaches over the end of this mapping */
                *stale_out = true;
                return STATUS_OK;
            }
            return damaged(view, place);
        }
        if (!slice_equal(entry_out->key, key)) {
            *same_key_out = false;
            return STATUS_OK;
        }
        if (place < end) {
            *found_out = true;
            return STATUS_OK;
        }
        if (entry_out->version == 0)
            return STATUS_OK;
        place = entry_out->version;
    }
}

enum status read__find(const struct drive_view *view, uint64_t end, uint64_t hash, struct slice key,
                       struct entry *entry_out, bool *found_out, bool *stale_out) {
    const struct geometry *geometry = view_geometry(view);
    *found_out = *stale_out = false;
    uint64_t at = table_home(view->table, hash);
    for (;;) {
        uint64_t place;
        table_probe(view->table, hash, &at, &place);
        if (place == 0)
            return STATUS_OK;
        place = SLOT_PLACE(place);
        if (place >= view->mapping->size) {
            *stale_out = true; /* the file outgrew this view a moment ago */
            return STATUS_OK;
        }
        /* Header and, in the next line of the cache, most likely the value: ask for both. */
        __builtin_prefetch(view->mapping->base + place + (geometry->format == 1 ? -64 : 64));
        if (geometry->format == 1) {
            uint64_t limit = view->mapping->size;
            if (!entry_decode(geometry, view->mapping->base, limit, place, entry_out) ||
                entry_out->hash != hash) {
                entry_out->place = place;
                return damaged(view, place);
            }
            *found_out = true;
            return STATUS_OK;
        }
        bool same_key;
        TRY(version_within(view, end, place, key, entry_out, &same_key, found_out, stale_out));
        if (same_key || *stale_out)
            return STATUS_OK;
    }
}

bool read__is_newest(const struct drive_view *view, const struct mapping *mapping, uint64_t end,
                     const struct entry *entry, uint64_t hash, uint64_t *beyond_out) {
    *beyond_out = 0;
    uint64_t at = table_home(view->table, hash);
    for (;;) {
        uint64_t place;
        table_probe(view->table, hash, &at, &place);
        if (place == 0)
            return false;
        place = SLOT_PLACE(place);
        while (place >= end) {
            struct entry newer;
            if (!entry_decode(view_geometry(view), mapping->base, mapping->size, place, &newer)) {
                *beyond_out = place; /* it lies, in part at least, behind the mapping's end */
                return false;
            }
            if (!slice_equal(newer.key, entry->key))
                break;
            place = newer.version;
        }
        if (place == entry->place)
            return true;
    }
}

/* A view in which every place up to now can be read. */
static enum status find_fresh(struct drive *drive, struct slice key, struct drive_view **view_out,
                              struct entry *entry_out, bool *found_out) {
    uint64_t hash = hash_bytes(key.data, key.size);
    for (;;) {
        uint64_t end;
        struct drive_view *view = view__acquire(drive, &end);
        bool stale;
        enum status status = read__find(view, end, hash, key, entry_out, found_out, &stale);
        if (status != STATUS_OK || !stale) {
            *view_out = view;
            return status;
        }
        view__release(view);
    }
}

/* ---- handles -------------------------------------------------------------------------------- */

static const uint8_t empty_value[1];

static struct drive_handle handle_of(struct drive_view *view, const struct entry *entry) {
    return (struct drive_handle){
        .data = entry->value.size == 0 ? empty_value : entry->value.data,
        .size = entry->value.size,
        .view = view,
        .place = entry->place,
    };
}

enum status drive_get(struct drive *drive, struct slice key, struct drive_handle *handle_out) {
    struct drive_view *view;
    struct entry entry;
    bool found;
    *handle_out = (struct drive_handle){0};
    enum status status = find_fresh(drive, key, &view, &entry, &found);
    if (status == STATUS_OK && found && entry.kind == ENTRY_PUT)
        *handle_out = handle_of(view, &entry); /* takes the pin over */
    else
        view__release(view);
    return status;
}

enum status drive_exists(struct drive *drive, struct slice key, bool *exists_out) {
    struct drive_view *view;
    struct entry entry;
    enum status status = find_fresh(drive, key, &view, &entry, exists_out);
    if (status == STATUS_OK)
        *exists_out = *exists_out && entry.kind == ENTRY_PUT;
    view__release(view);
    return status;
}

enum status drive_newest(struct drive *drive, struct drive_handle *handle_out) {
    struct drive_iterator *iterator;
    struct drive_entry entry;
    *handle_out = (struct drive_handle){0};
    TRY(drive_iterate(drive, DRIVE_NEWEST_FIRST, &iterator));
    if (drive_next(iterator, &entry))
        *handle_out = drive_iterator_handle(iterator);
    drive_iterator_close(iterator);
    return STATUS_OK;
}

void drive_handle_release(struct drive_handle *handle) {
    if (handle->view != NULL)
        view__release(handle->view);
    *handle = (struct drive_handle){0};
}

void drive_handles_release(struct drive_handle *handles, size_t count) {
    for (size_t i = 0; i < count;) {
        struct drive_view *view = handles[i].view;
        uint64_t run = 0;
        for (; i < count && (handles[i].view == view || handles[i].view == NULL); i++) {
            run += handles[i].view != NULL;
            handles[i] = (struct drive_handle){0};
        }
        if (run > 1) /* never the last of them: that one goes the long way */
            atomic_fetch_sub_explicit(&view->reference_count, run - 1, memory_order_release);
        if (run > 0)
            view__release(view);
    }
}

struct drive_handle drive_handle_copy(const struct drive_handle *handle) {
    if (handle->view != NULL)
        view__retain(handle->view);
    return *handle;
}

/* memcpy: copies of 256 MiB with streaming stores (bench/copy_bench; Xeon, 2.5 GHz, GB/s: 256 bytes
   1.3 instead of 4.6, 1 KiB 2.9 instead of 4.4, 4 KiB 4.3 and 4.4, 16 KiB to 4 MiB 4.5 instead of
   4.2, 16 MiB and more 4.5 instead of 5.0) win 8 % at best, and leave the bytes outside of the
   cache, where the caller looks next. Writing needs no such copy: values over 2 KiB go to the
   kernel from where the caller has them. */
size_t drive_handle_read(const struct drive_handle *handle, uint64_t offset, void *buffer,
                         size_t size) {
    if (offset >= handle->size)
        return 0;
    size_t left = handle->size - (size_t)offset;
    size_t count = size < left ? size : left;
    memcpy(buffer, handle->data + offset, count);
    return count;
}

static bool entry_of_handle(const struct drive_handle *handle, struct entry *entry_out) {
    return handle->view != NULL &&
           entry_decode(view_geometry(handle->view), handle->view->mapping->base,
                        handle->view->mapping->size, handle->place, entry_out);
}

void drive_handle_facts(const struct drive_handle *handle, struct drive_facts *facts_out) {
    struct entry entry;
    *facts_out = (struct drive_facts){0};
    if (!entry_of_handle(handle, &entry))
        return;
    const uint8_t *base = handle->view->mapping->base;
    *facts_out = (struct drive_facts){
        .entry_offset = entry.start,
        .entry_size = entry.end - entry.start,
        .value_offset = (uint64_t)(entry.value.data - base),
        .value_size = entry.value.size,
        .key_hash = entry_hash(view_geometry(handle->view), &entry),
        .checksum = entry.checksum,
        .time_us = entry.time_us,
        .key = entry.key,
    };
}

enum status drive_handle_verify(const struct drive_handle *handle) {
    struct entry entry;
    ASSERT(handle->view != NULL);
    if (!entry_of_handle(handle, &entry) ||
        !entry_good(view_geometry(handle->view), handle->view->mapping->base, &entry))
        return damaged(handle->view, handle->place);
    return STATUS_OK;
}

/* ---- many at once --------------------------------------------------------------------------- */

/*
 * A lookup waits for memory twice: for the slot and for the entry. Here the keys of a group go
 * through each stage together, so that the waits overlap. Addresses of entries come from a first
 * glance at the home slot; the real lookup then finds everything in the cache, and where the glance
 * was wrong it is merely slower.
 */
enum { GROUP = 32 };

static void prefetch_entries(const struct drive_view *view, const uint64_t *hashes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t at = table_home(view->table, hashes[i]);
        for (unsigned step = 0; step < 4; step++) {
            const struct slot *slot = &view->table->slots[at];
            uint64_t place = SLOT_PLACE(atomic_load_explicit(&slot->place, memory_order_relaxed));
            if (place == 0 ||
                atomic_load_explicit(&slot->hash, memory_order_relaxed) == hashes[i]) {
                if (place != 0 && place < view->mapping->size)
                    __builtin_prefetch(view->mapping->base + place -
                                       (view_geometry(view)->format == 1 ? 24 : 0));
                break;
            }
            at = at + 1 == view->table->capacity ? 0 : at + 1;
        }
    }
}

static enum status get_group(struct drive_view *view, uint64_t end, const struct slice *keys,
                             size_t count, struct drive_handle *handles, bool *stale_out) {
    uint64_t hashes[GROUP];
    for (size_t i = 0; i < count; i++) {
        hashes[i] = hash_bytes(keys[i].data, keys[i].size);
        table_prefetch(view->table, hashes[i]);
    }
    prefetch_entries(view, hashes, count);
    for (size_t i = 0; i < count; i++) {
        struct entry entry;
        bool found;
        TRY(read__find(view, end, hashes[i], keys[i], &entry, &found, stale_out));
        if (*stale_out)
            return STATUS_OK;
        if (found && entry.kind == ENTRY_PUT)
            handles[i] = handle_of(view, &entry);
    }
    return STATUS_OK;
}

enum status drive_get_many(struct drive *drive, const struct slice *keys, size_t count,
                           struct drive_handle *handles_out) {
    for (;;) {
        memset(handles_out, 0, count * sizeof *handles_out);
        uint64_t end;
        bool stale = false;
        enum status status = STATUS_OK;
        struct drive_view *view = view__acquire(drive, &end);
        for (size_t i = 0; i < count && status == STATUS_OK && !stale; i += GROUP)
            status = get_group(view, end, keys + i, count - i < GROUP ? count - i : GROUP,
                               handles_out + i, &stale);
        if (status != STATUS_OK || stale) {
            memset(handles_out, 0, count * sizeof *handles_out);
        } else {
            uint64_t found = 0; /* one pin for each handle, all at once */
            for (size_t i = 0; i < count; i++)
                found += handles_out[i].view != NULL;
            if (found > 0)
                atomic_fetch_add_explicit(&view->reference_count, found, memory_order_relaxed);
        }
        view__release(view);
        if (status != STATUS_OK || !stale)
            return status;
    }
}
