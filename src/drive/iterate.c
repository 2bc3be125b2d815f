/* Passes over the entries in the order of the file, as of one moment. */
#include <stdlib.h>
#include <string.h>

#include "base/base_memory.h"
#include "drive/store.h"

/*
 * Whether an entry is its key's newest is asked of the index, a random access each. So the walk
 * runs some entries ahead and asks for their slots early. A store in which nothing was superseded
 * before the end of the pass (generation.clean_end) needs no index at all.
 *
 * Format 2: a key written since the pass began has its newest place behind the end; the versions
 * before lead back (read__is_newest). Format 1 has no such links, but its chain runs newest first:
 * of a key that changed since, the first entry met is the one; they are remembered in `changed`.
 * Oldest first and in parts, format 1 makes that pass at once and goes through its places again.
 */
enum { AHEAD = 16 };

struct hash_set {
    uint64_t *items; /* 0: free */
    size_t capacity, count;
};

struct drive_iterator {
    struct drive_view *view;
    enum drive_order order;
    uint64_t end;      /* of the pass, for liveness */
    uint64_t from, to; /* the walk: places from .. to */
    uint64_t at;
    bool all_live;
    struct hash_set changed;
    struct mapping *wide; /* of newer versions beyond the view's mapping; NULL: not needed yet */
    uint64_t *places;     /* format 1, oldest first: borrowed or owned */
    bool owns_places;
    size_t place_next, place_count;
    struct entry ahead[AHEAD];
    uint64_t ahead_hash[AHEAD];
    unsigned first, count;
    struct entry entry; /* last returned */
    uint64_t memory, dropped_to;
};

/* ---- a set of hashes ------------------------------------------------------------------------- */

/* True if it was not there. Without memory it is taken as new: an older entry may show. */
static bool set_add(struct hash_set *set, uint64_t hash) {
    hash |= hash == 0;
    if (set->count * 2 >= set->capacity) {
        size_t capacity = set->capacity == 0 ? 64 : set->capacity * 2;
        uint64_t *items = memory_alloc_zeroed(capacity, sizeof *items);
        if (items == NULL)
            return true;
        struct hash_set larger = {items, capacity, 0};
        for (size_t i = 0; i < set->capacity; i++) {
            if (set->items[i] != 0)
                (void)set_add(&larger, set->items[i]);
        }
        memory_free(set->items);
        *set = larger;
    }
    size_t at = (size_t)hash & (set->capacity - 1);
    while (set->items[at] != 0) {
        if (set->items[at] == hash)
            return false;
        at = (at + 1) & (set->capacity - 1);
    }
    set->items[at] = hash;
    set->count++;
    return true;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static bool good_at(const struct drive_iterator *it, uint64_t place, struct entry *entry) {
    const uint8_t *base = it->view->mapping->base;
    __builtin_prefetch(base + place + (it->order == DRIVE_OLDEST_FIRST ? 1024 : -1024));
    return entry_decode(view_geometry(it->view), base, it->end, place, entry) &&
           header_good(it->view, base, entry);
}

static bool walk_up(struct drive_iterator *it, struct entry *entry) {
    while (it->at < it->to) {
        if (good_at(it, it->at, entry)) {
            it->at = entry->end;
            return true;
        }
        it->at = recover__next_entry(view_geometry(it->view), it->view->mapping->base, it->at + 1,
                                     it->to);
    }
    return false;
}

static bool walk_down(struct drive_iterator *it, struct entry *entry) {
    while (it->at >= it->from && it->at != 0) {
        if (good_at(it, it->at, entry)) {
            it->at = entry->before;
            return true;
        }
        it->at -= FORMAT_ENTRY_ROUND;
    }
    return false;
}

static bool walk_chain(struct drive_iterator *it, struct entry *entry) {
    struct recovery pass = {
        .geometry = view_geometry(it->view), .base = it->view->mapping->base, .from = it->from};
    while (it->at > it->from) {
        if (recover__likely(&pass, it->at, entry)) {
            it->at = entry->start;
            return true;
        }
        it->at = recover__find_end(&pass, it->at - 1);
    }
    return false;
}

static bool walk_places(struct drive_iterator *it, struct entry *entry) {
    while (it->place_next < it->place_count) {
        if (good_at(it, it->places[it->place_next++], entry))
            return true;
    }
    return false;
}

static bool walk(struct drive_iterator *it, struct entry *entry) {
    if (it->places != NULL)
        return walk_places(it, entry);
    if (view_geometry(it->view)->format == 1)
        return walk_chain(it, entry);
    return it->order == DRIVE_OLDEST_FIRST ? walk_up(it, entry) : walk_down(it, entry);
}

/* ---- liveness -------------------------------------------------------------------------------- */

static bool chained_is_newest(struct drive_iterator *it, const struct entry *entry) {
    uint64_t at = table_home(it->view->table, entry->hash), place;
    table_probe(it->view->table, entry->hash, &at, &place);
    place = SLOT_PLACE(place);
    if (place > it->end)
        return set_add(&it->changed, entry->hash);
    return place == entry->place;
}

static bool is_live(struct drive_iterator *it, const struct entry *entry, uint64_t hash) {
    if (view_geometry(it->view)->format == 1)
        return chained_is_newest(it, entry) && entry->kind == ENTRY_PUT;
    if (entry->kind != ENTRY_PUT)
        return false;
    const struct mapping *mapping = it->wide != NULL ? it->wide : it->view->mapping;
    uint64_t beyond;
    bool newest = read__is_newest(it->view, mapping, it->end, entry, hash, &beyond);
    while (beyond != 0) {
        /* The file grew out of the mapping after the view was pinned. */
        struct mapping *wider;
        uint64_t size;
        if (plain_size(it->view->generation->file, &size) != STATUS_OK ||
            (it->wide != NULL && it->wide->size >= size) ||
            mapping__create(it->view->generation->file, size, &wider) != STATUS_OK) {
            error_clear();
            return true; /* no addresses left: better a version too old than none */
        }
        mapping__release(it->wide);
        it->wide = wider;
        newest = read__is_newest(it->view, wider, it->end, entry, hash, &beyond);
    }
    return newest;
}

static bool next_live(struct drive_iterator *it) {
    for (;;) {
        while (it->count < AHEAD) {
            unsigned slot = (it->first + it->count) % AHEAD;
            struct entry *entry = &it->ahead[slot];
            if (!walk(it, entry))
                break;
            if (entry->kind == ENTRY_SEAL)
                continue;
            it->ahead_hash[slot] = entry_hash(view_geometry(it->view), entry);
            table_prefetch(it->view->table, it->ahead_hash[slot]);
            it->count++;
        }
        if (it->count == 0)
            return false;
        unsigned slot = it->first;
        it->first = (it->first + 1) % AHEAD;
        it->count--;
        if (is_live(it, &it->ahead[slot], it->ahead_hash[slot])) {
            it->entry = it->ahead[slot];
            return true;
        }
    }
}

/* Let go of what lies behind, when the caller has little memory. */
static void drop_behind(struct drive_iterator *it) {
    uint64_t at = it->entry.start;
    uint64_t passed = at > it->dropped_to ? at - it->dropped_to : it->dropped_to - at;
    if (it->memory == 0 || passed < it->memory / 2)
        return;
    uint64_t from = at > it->dropped_to ? it->dropped_to : it->entry.end;
    plain_advise(it->view->mapping->base, from, passed, PLAIN_DROP);
    it->dropped_to = at;
}

bool drive_next(struct drive_iterator *it, struct drive_entry *entry_out) {
    if (it->all_live) {
        do {
            if (!walk(it, &it->entry))
                return false;
        } while (it->entry.kind != ENTRY_PUT);
    } else if (!next_live(it)) {
        return false;
    }
    drop_behind(it);
    const struct entry *entry = &it->entry;
    *entry_out = (struct drive_entry){
        .key = entry->key,
        .value = entry->value,
        .place = entry->place,
        .key_hash = entry_hash(view_geometry(it->view), entry),
        .time_us = entry->time_us,
    };
    return true;
}

uint64_t iterate__end(const struct drive_iterator *it) {
    return it->end;
}

struct drive_handle drive_iterator_handle(const struct drive_iterator *it) {
    static const uint8_t nothing[1];
    view__retain(it->view);
    return (struct drive_handle){
        .data = it->entry.value.size == 0 ? nothing : it->entry.value.data,
        .size = it->entry.value.size,
        .view = it->view,
        .place = it->entry.place,
    };
}

void drive_iterator_close(struct drive_iterator *it) {
    if (it == NULL)
        return;
    if (it->owns_places)
        memory_free(it->places);
    memory_free(it->changed.items);
    mapping__release(it->wide);
    view__release(it->view);
    memory_free(it);
}

/* ---- opening --------------------------------------------------------------------------------- */

struct drive_view *iterate__pin(struct drive *drive, struct figures *figures_out) {
    for (;;) {
        thread_mutex_lock(&drive->facts);
        *figures_out = drive->figures;
        struct generation *generation = drive->figures_generation;
        thread_mutex_unlock(&drive->facts);
        uint64_t end;
        struct drive_view *view = view__acquire(drive, &end);
        if (view->generation == generation)
            return view;
        view__release(view);
        thread_pause(); /* compaction is between publishing the one and the other */
    }
}

static struct drive_iterator *iterator_create(struct drive *drive, struct drive_view *view,
                                              const struct figures *figures,
                                              enum drive_order order) {
    struct drive_iterator *it = memory_alloc_zeroed(1, sizeof *it);
    if (it == NULL)
        return NULL;
    view__retain(view);
    it->view = view;
    it->order = order;
    it->end = it->to = figures->end;
    it->from = first_place(view_geometry(view));
    it->memory = drive->options.memory;
    it->all_live = figures->end <= atomic_load(&view->generation->clean_end);
    if (view_geometry(view)->format == 1)
        it->at = it->to;
    else
        it->at = order == DRIVE_OLDEST_FIRST ? it->from : figures->last;
    it->dropped_to = order == DRIVE_OLDEST_FIRST ? it->from : it->to;
    return it;
}

/* Format 1: the live places, oldest first. */
static enum status gather_places(struct drive_iterator *it) {
    uint64_t *places = NULL;
    size_t count = 0, capacity = 0;
    struct drive_entry entry;
    while (drive_next(it, &entry)) {
        if (!memory_grow(&places, &capacity, count + 1, sizeof *places)) {
            memory_free(places);
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        }
        places[count++] = entry.place;
    }
    for (size_t i = 0; i < count / 2; i++) {
        uint64_t other = places[i];
        places[i] = places[count - 1 - i];
        places[count - 1 - i] = other;
    }
    static uint64_t no_places[1];
    it->places = places == NULL ? no_places : places;
    it->owns_places = places != NULL;
    it->place_count = count;
    it->place_next = 0;
    it->all_live = true;
    it->order = DRIVE_OLDEST_FIRST;
    it->dropped_to = it->from;
    return STATUS_OK;
}

enum status drive_iterate(struct drive *drive, enum drive_order order,
                          struct drive_iterator **iterator_out) {
    struct figures figures;
    struct drive_view *view = iterate__pin(drive, &figures);
    bool chained = view_geometry(view)->format == 1;
    struct drive_iterator *it =
        iterator_create(drive, view, &figures, chained ? DRIVE_NEWEST_FIRST : order);
    view__release(view);
    *iterator_out = it;
    if (it == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    enum status status = STATUS_OK;
    if (chained && order == DRIVE_OLDEST_FIRST)
        status = gather_places(it);
    if (status != STATUS_OK) {
        drive_iterator_close(it);
        *iterator_out = NULL;
    }
    return status;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

enum { SAMPLES_MAX = 4096 };

/* Places are known only to the index: some of them, in order, show where to divide. */
void iterate__bounds(const struct drive_view *view, uint64_t end, unsigned *count,
                     uint64_t *bounds) {
    const struct geometry *geometry = view_geometry(view);
    uint64_t first = first_place(geometry), capacity = view->table->capacity;
    uint64_t *samples = memory_alloc(SAMPLES_MAX * sizeof *samples);
    unsigned sample_count = 0;
    for (uint64_t i = 0; samples != NULL && i < SAMPLES_MAX && i < capacity; i++) {
        uint64_t at = capacity < SAMPLES_MAX ? i : capacity / SAMPLES_MAX * i;
        uint64_t place =
            SLOT_PLACE(atomic_load_explicit(&view->table->slots[at].place, memory_order_acquire));
        if (place > first && place < end)
            samples[sample_count++] = place;
    }
    if (sample_count > 1)
        qsort(samples, sample_count, sizeof *samples, compare_places);
    unsigned used = 0;
    bounds[0] = first;
    for (unsigned i = 0; i < sample_count && used + 1 < *count; i++) {
        if (samples[i] - first >= (end - first) / *count * (used + 1) && samples[i] > bounds[used])
            bounds[++used] = samples[i];
    }
    bounds[used + 1] = end;
    *count = used + 1;
    memory_free(samples);
}

static enum status scan_chained(struct drive *drive, unsigned count,
                                struct drive_iterator **iterators) {
    TRY(drive_iterate(drive, DRIVE_OLDEST_FIRST, &iterators[0]));
    struct drive_iterator *whole = iterators[0];
    size_t total = whole->place_count;
    struct figures figures = {.end = whole->end};
    for (unsigned i = 1; i < count; i++) {
        struct drive_iterator *it =
            iterator_create(drive, whole->view, &figures, DRIVE_OLDEST_FIRST);
        size_t from = total / count * i;
        size_t size = (i + 1 == count ? total : total / count * (i + 1)) - from;
        uint64_t *places = memory_alloc((size + 1) * sizeof *places);
        iterators[i] = it;
        if (it == NULL || places == NULL) {
            memory_free(places);
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        }
        memcpy(places, whole->places + from, size * sizeof *places);
        it->places = places;
        it->owns_places = it->all_live = true;
        it->place_count = size;
    }
    if (count > 1)
        whole->place_count = total / count;
    return STATUS_OK;
}

static enum status scan_plain(struct drive *drive, struct drive_view *view,
                              const struct figures *figures, unsigned count,
                              struct drive_iterator **iterators) {
    uint64_t bounds[THREAD_COUNT_MAX + 1];
    unsigned parts = count;
    iterate__bounds(view, figures->end, &parts, bounds);
    for (unsigned i = 0; i < count; i++) {
        struct drive_iterator *it = iterator_create(drive, view, figures, DRIVE_OLDEST_FIRST);
        iterators[i] = it;
        if (it == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        it->from = it->at = it->dropped_to = i < parts ? bounds[i] : figures->end;
        it->to = i < parts ? bounds[i + 1] : figures->end;
    }
    return STATUS_OK;
}

enum status drive_scan(struct drive *drive, unsigned count, struct drive_iterator **iterators_out) {
    if (count < 1 || count > THREAD_COUNT_MAX)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "a scan has 1 to %d parts, not %u",
                         THREAD_COUNT_MAX, count);
    memset(iterators_out, 0, count * sizeof *iterators_out);
    struct figures figures;
    struct drive_view *view = iterate__pin(drive, &figures);
    enum status status = view_geometry(view)->format == 1
                             ? scan_chained(drive, count, iterators_out)
                             : scan_plain(drive, view, &figures, count, iterators_out);
    view__release(view);
    for (unsigned i = 0; i < count && status != STATUS_OK; i++) {
        drive_iterator_close(iterators_out[i]);
        iterators_out[i] = NULL;
    }
    return status;
}

/* ---- history --------------------------------------------------------------------------------- */

static struct drive_entry public_entry(const struct entry *entry, uint64_t hash) {
    return (struct drive_entry){
        .key = entry->key,
        .value = entry->kind == ENTRY_DELETE ? SLICE_EMPTY : entry->value,
        .place = entry->place,
        .key_hash = hash,
        .time_us = entry->time_us,
        .deleted = entry->kind == ENTRY_DELETE,
    };
}

static enum status chained_history(struct drive *drive, struct slice key,
                                   enum status (*visit)(void *context,
                                                        const struct drive_entry *entry),
                                   void *context) {
    struct drive_iterator *it;
    struct entry entry;
    uint64_t hash = hash_bytes(key.data, key.size);
    TRY(drive_iterate(drive, DRIVE_NEWEST_FIRST, &it));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && walk(it, &entry)) {
        if (entry.hash == hash) {
            struct drive_entry found = public_entry(&entry, hash);
            found.key = key;
            status = visit(context, &found);
        }
    }
    drive_iterator_close(it);
    return status;
}

enum status drive_history(struct drive *drive, struct slice key,
                          enum status (*visit)(void *context, const struct drive_entry *entry),
                          void *context) {
    uint64_t hash = hash_bytes(key.data, key.size);
    struct figures figures;
    struct located located;
    struct drive_view *view = iterate__pin(drive, &figures);
    enum status status = STATUS_OK;
    if (view_geometry(view)->format == 1) {
        view__release(view);
        return chained_history(drive, key, visit, context);
    }
    for (;;) {
        status = read__find(view, figures.end, hash, key, &located);
        if (status != STATUS_OK || !located.stale)
            break;
        view__release(view);
        view = iterate__pin(drive, &figures);
    }
    uint64_t place = located.place, limit = figures.end;
    while (status == STATUS_OK && place != 0) {
        struct entry entry;
        if (!entry_decode(view_geometry(view), view->mapping->base, limit, place, &entry) ||
            !header_good(view, view->mapping->base, &entry)) {
            status = error_set(STATUS_DATA_CORRUPTED, "\"%s\": the entry at offset %llu is damaged",
                               drive->path, (unsigned long long)place);
            break;
        }
        struct drive_entry version = public_entry(&entry, hash);
        status = visit(context, &version);
        limit = place;
        place = entry.version;
    }
    view__release(view);
    return status;
}
