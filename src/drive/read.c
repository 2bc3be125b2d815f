/* Looking up keys, and handles. */
#include <string.h>

#include "base/base_hash_inline.h"
#include "drive/store.h"

static enum status damaged(const struct drive_view *view, uint64_t place) {
    return error_set(STATUS_DATA_CORRUPTED, "\"%s\": the entry at offset %llu is damaged",
                     view->drive->path, (unsigned long long)place);
}

/* Sizes from 8 to 64 without a call; most keys have one. */
static inline bool same_bytes(const uint8_t *a, const uint8_t *b, size_t size) {
    if (__builtin_expect(size < 8 || size > 64, false))
        return size == 0 || memcmp(a, b, size) == 0;
    uint64_t differs = get_le64(a + size - 8) ^ get_le64(b + size - 8);
    for (size_t i = 0; i + 8 < size; i += 8)
        differs |= get_le64(a + i) ^ get_le64(b + i);
    return differs == 0;
}

/* Format 2: from the newest version of the key at `place` back to the newest within `end`.
 *same_key_out false: it is of another key. */
static enum status version_within(const struct drive_view *view, uint64_t end, uint64_t place,
                                  struct slice key, struct located *located, bool *same_key_out) {
    const struct geometry *geometry = view_geometry(view);
    const uint8_t *base = view->mapping->base;
    struct entry entry;
    *same_key_out = true;
    for (;;) {
        /* What is not published yet was written by this process just now: it may be read to the
           end of the mapping. What is published must not reach over the end. */
        uint64_t limit = place < end ? end : view->mapping->size;
        if (!entry_decode(geometry, base, limit, place, &entry) ||
            !header_good(view, base, &entry)) {
            located->place = place;
            located->stale = place >= end; /* it reaches over the end of this mapping */
            return located->stale ? STATUS_OK : damaged(view, place);
        }
        if (!slice_equal(entry.key, key)) {
            *same_key_out = false;
            return STATUS_OK;
        }
        if (place < end) {
            located->place = place;
            located->kind = entry.kind;
            located->value = entry.value;
            return STATUS_OK;
        }
        if (entry.version == 0)
            return STATUS_OK;
        place = entry.version;
    }
}

static enum status chained_at(const struct drive_view *view, uint64_t hash, uint64_t place,
                              struct located *located) {
    struct entry entry;
    located->place = place;
    if (!entry_decode(view_geometry(view), view->mapping->base, view->mapping->size, place,
                      &entry) ||
        entry.hash != hash)
        return damaged(view, place);
    located->kind = entry.kind;
    located->value = entry.value;
    return STATUS_OK;
}

static __attribute__((noinline)) enum status find_anywhere(const struct drive_view *view,
                                                           uint64_t end, uint64_t hash,
                                                           struct slice key,
                                                           struct located *located) {
    uint64_t at = table_home(view->table, hash);
    *located = (struct located){0};
    if (table_lacks(view->table, hash))
        return STATUS_OK;
    for (;;) {
        uint64_t place;
        *located = (struct located){0};
        table_probe(view->table, hash, &at, &place);
        if (place == 0)
            return STATUS_OK;
        place = SLOT_PLACE(place);
        if (place >= view->mapping->size) {
            located->stale = true; /* the file outgrew this view a moment ago */
            return STATUS_OK;
        }
        if (view_geometry(view)->format == 1)
            return chained_at(view, hash, place, located);
        bool same_key;
        TRY(version_within(view, end, place, key, located, &same_key));
        if (same_key || located->stale)
            return STATUS_OK;
    }
}

/*
 * Nearly always the home line has the slot, and the newest version is a published value, sound and
 * of this key: then this is the way from the hash to the value, with no branch that is often
 * guessed wrong. False: go the long way. The index names entries only whose headers lie within the
 * end; of the bounds that the headers name all are looked at.
 */
static inline __attribute__((always_inline)) bool find_at_home(const struct drive_view *view,
                                                               uint64_t end, uint64_t hash,
                                                               struct slice key,
                                                               struct located *located) {
    uint64_t line = (uint64_t)(((unsigned __int128)hash * view->lines) >> 64);
    uint64_t place = line_find(&view->slots[line * LINE_SLOTS], hash);
    if (__builtin_expect(place < view->plain_from || place >= end, false)) /* deleted: the flag */
        return false;
    const uint8_t *bytes = view->base + place;
    __builtin_prefetch(bytes + 64); /* where most likely the value is */
    size_t key_size = get_le16(bytes + 10);
    uint64_t size = get_le64(bytes + 12) & (((uint64_t)1 << 48) - 1);
    uint64_t at =
        (place + FORMAT_ENTRY_HEADER_SIZE + key_size + view->value_mask) & ~view->value_mask;
    located->place = place;
    located->kind = ENTRY_PUT;
    located->value = slice_of(view->base + at, (size_t)size);
    located->stale = false;
    return __builtin_expect(key_size == key.size && bytes[8] == ENTRY_PUT && size != 0 &&
                                at + size <= end &&
                                same_bytes(bytes + FORMAT_ENTRY_HEADER_SIZE, key.data, key_size),
                            true);
}

static inline enum status find(const struct drive_view *view, uint64_t end, uint64_t hash,
                               struct slice key, struct located *located) {
    return find_at_home(view, end, hash, key, located)
               ? STATUS_OK
               : find_anywhere(view, end, hash, key, located);
}

enum status read__find(const struct drive_view *view, uint64_t end, uint64_t hash, struct slice key,
                       struct located *located_out) {
    return find(view, end, hash, key, located_out);
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
                              struct located *located) {
    uint64_t hash = hash_bytes(key.data, key.size);
    for (;;) {
        uint64_t end;
        struct drive_view *view = view__acquire(drive, &end);
        enum status status = find(view, end, hash, key, located);
        if (status != STATUS_OK || !located->stale) {
            *view_out = view;
            return status;
        }
        view__release(view);
    }
}

/* ---- handles -------------------------------------------------------------------------------- */

static const uint8_t empty_value[1];

static inline struct drive_handle handle_of(struct drive_view *view,
                                            const struct located *located) {
    return (struct drive_handle){
        .data = located->value.size == 0 ? empty_value : located->value.data,
        .size = located->value.size,
        .view = view,
        .place = located->place,
    };
}

static inline bool has_value(const struct located *located) {
    return located->place != 0 && located->kind == ENTRY_PUT;
}

static __attribute__((noinline)) enum status get_by_long_way(struct drive *drive, struct slice key,
                                                             struct drive_handle *handle_out) {
    struct drive_view *view;
    struct located located;
    enum status status = find_fresh(drive, key, &view, &located);
    if (status == STATUS_OK && has_value(&located)) {
        *handle_out = handle_of(view, &located); /* takes the pin over */
    } else {
        *handle_out = (struct drive_handle){0};
        view__release(view);
    }
    return status;
}

static __attribute__((noinline)) enum status get_again(struct drive *drive, struct slice key,
                                                       struct drive_handle *handle_out,
                                                       struct drive_view *view) {
    view__release(view);
    return get_by_long_way(drive, key, handle_out);
}

/*
 * A get waits for memory twice, for the slot and for the entry. The processor begins with the next
 * get meanwhile if it can see that far, which is 224 instructions on the Xeon measured (release,
 * the making of the key and what is done with the value included): 300 ns a get became 190. So the
 * common case, a short key that is where it is expected, is written without a call and saves no
 * registers.
 */
__attribute__((flatten)) enum status drive_get(struct drive *drive, struct slice key,
                                               struct drive_handle *handle_out) {
    int slot = thread_slot_now();
    if (__builtin_expect(slot < 0 || key.size - 9 > 16 - 9, false))
        return get_by_long_way(drive, key, handle_out);
    uint64_t hash = hash_bytes_inline(key.data, key.size);
    uint64_t end;
    bool current;
    struct drive_view *view = view__acquire_once(drive, slot, &end, &current);
    struct located located;
    if (__builtin_expect(!current || !find_at_home(view, end, hash, key, &located), false))
        return get_again(drive, key, handle_out, view);
    handle_out->data = located.value.data;
    handle_out->size = located.value.size;
    handle_out->view = view;
    handle_out->place = located.place;
    return STATUS_OK;
}

enum status drive_exists(struct drive *drive, struct slice key, bool *exists_out) {
    struct drive_view *view;
    struct located located;
    enum status status = find_fresh(drive, key, &view, &located);
    *exists_out = status == STATUS_OK && has_value(&located);
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
    struct drive_view *view = handle->view;
    *handle = (struct drive_handle){0};
    if (view != NULL)
        view__release(view);
}

void drive_handles_release(struct drive_handle *handles, size_t count) {
    for (size_t i = 0; i < count;) {
        struct drive_view *view = handles[i].view;
        uint64_t run = 0;
        for (; i < count && (handles[i].view == view || handles[i].view == NULL); i++) {
            run += handles[i].view != NULL;
            handles[i] = (struct drive_handle){0};
        }
        if (run > 0)
            view__release_many(view, run);
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
 * through each stage together, so that the waits overlap. Addresses of entries come from a glance
 * at the home line; the real lookup then finds everything in the cache, and where the glance was
 * wrong it is merely slower.
 */
enum { GROUP = 32 };

static void prefetch_entries(const struct drive_view *view, const uint64_t *hashes, size_t count) {
    bool chained = view_geometry(view)->format == 1;
    for (size_t i = 0; i < count; i++) {
        uint64_t at = table_home(view->table, hashes[i]);
        uint64_t place = SLOT_PLACE(line_find(&view->slots[at], hashes[i]));
        if (place == 0 || place >= view->mapping->size)
            continue;
        const uint8_t *bytes = view->base + place;
        __builtin_prefetch(bytes + (chained ? -24 : 0));
        __builtin_prefetch(bytes + (chained ? -64 : 64));
    }
}

static enum status get_group(struct drive_view *view, uint64_t end, const struct slice *keys,
                             size_t count, struct drive_handle *handles, size_t *found,
                             bool *stale_out) {
    uint64_t hashes[GROUP];
    for (size_t i = 0; i < count; i++) {
        hashes[i] = hash_bytes_inline(keys[i].data, keys[i].size);
        table_prefetch(view->table, hashes[i]);
    }
    prefetch_entries(view, hashes, count);
    for (size_t i = 0; i < count; i++) {
        struct located located;
        TRY(find(view, end, hashes[i], keys[i], &located));
        *stale_out = located.stale;
        if (located.stale)
            return STATUS_OK;
        bool there = has_value(&located);
        handles[i] = there ? handle_of(view, &located) : (struct drive_handle){0};
        *found += there;
    }
    return STATUS_OK;
}

enum status drive_get_many(struct drive *drive, const struct slice *keys, size_t count,
                           struct drive_handle *handles_out) {
    for (;;) {
        uint64_t end;
        size_t found = 0;
        bool stale = false;
        enum status status = STATUS_OK;
        struct drive_view *view = view__acquire(drive, &end);
        for (size_t i = 0; i < count && status == STATUS_OK && !stale; i += GROUP)
            status = get_group(view, end, keys + i, count - i < GROUP ? count - i : GROUP,
                               handles_out + i, &found, &stale);
        if (status != STATUS_OK || stale)
            memset(handles_out, 0, count * sizeof *handles_out);
        else if (found > 0)
            pins_add(&view->pins, found); /* one for each handle, all at once */
        view__release(view);
        if (status != STATUS_OK || !stale)
            return status;
    }
}
