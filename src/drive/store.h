/*
 * An open store, as the files of this room share it.
 *
 *     struct drive ----current----> struct drive_view (counted by handles, iterators, calls)
 *                                     |         |          |
 *                                     v         v          v
 *                                  mapping    table    generation
 *                                  (bytes)   (index)   (file, geometry, length)
 *
 * A view never changes. The writer publishes a new one when the file outgrew its mapping, the index
 * its table, or compaction made a new file. The parts are counted by the views that have them. The
 * struct of a view is never freed before the store is, only used again: a reader may count up a
 * view that has just died, and finds out (view__acquire). How they are counted: pins.h.
 *
 * Lengths. `generation.end` is where the entries that everybody may see end; the writer moves it
 * last. An entry at or behind the end a reader has taken is not there for it: in format 2 it goes
 * on to the key's version before (entry.version). So a batch becomes visible at once.
 *
 * Locks, in this order: `writer` (one writer at a time), `syncing`, `facts` (end with the figures
 * that belong to it), `views` (the free list). Readers take none, scans and statistics `facts`.
 */
#ifndef DRIVE_STORE_H
#define DRIVE_STORE_H

#include <stdatomic.h>

#include "base/base_hash.h"
#include "drive/drive.h"
#include "drive/format.h"
#include "drive/index.h"
#include "drive/pins.h"
#include "runtime/runtime.h"
#include "runtime/runtime_plain.h"
#include "runtime/runtime_thread.h"

/* What changes with every write. */
struct figures {
    uint64_t end;
    uint64_t last;      /* place of the last entry, 0: none */
    uint64_t count;     /* keys with a value */
    uint64_t live_size; /* bytes of their entries */
    uint64_t entries;   /* in the file, seals excepted */
};

struct generation {
    atomic_uint reference_count;
    struct plain_file *file; /* NULL: nested */
    struct geometry geometry;
    struct drive_handle parent; /* nested: what keeps the bytes */
    _Atomic uint64_t end;
    /* As of an end up to this one every put is its key's newest: no need to look at the index. */
    _Atomic uint64_t clean_end;
    /* Headers from here on were verified when the store was opened, or written since. */
    uint64_t checked_from;
    uint64_t reserved_end; /* writer: there is room on the disk up to here; 0: who knows */
};

struct mapping {
    atomic_uint reference_count;
    const uint8_t *base;
    uint64_t size; /* may be larger than the file */
    bool owned;    /* to be unmapped */
};

struct drive_view {
    struct pins pins; /* open while it is the current one; dead: it is on the free list */
    /* What a lookup needs of the parts, together in a line of the cache. */
    struct slot *slots;
    uint64_t lines;
    const uint8_t *base;
    uint64_t plain_from; /* headers from here on are good; UINT64_MAX in format 1 */
    uint64_t value_mask; /* alignment of values - 1 */

    struct drive *drive;
    struct generation *generation;
    struct mapping *mapping;
    struct table *table;
    struct drive_view *next_free, *next_all;
};

struct drive {
    _Atomic(struct drive_view *) current;
    atomic_uint reference_count; /* open, and one for each view that lives */
    char *path;
    struct drive_options options;
    struct drive_recovery recovery;

    struct thread_mutex writer;
    struct thread_condition compacted;
    bool compacting;
    _Atomic bool broken;       /* a sync failed, or a failed write could not be cut off */
    uint64_t snapshot_entries; /* the snapshot on disk knows so many of the file's; 0: none is */
    bool snapshot_known;       /* opened from one that was complete */
    uint64_t batches_unsealed; /* behind the last flag ENTRY_SEALED */
    void *stage;               /* write.c: the writer's scratch */

    struct thread_mutex syncing;
    struct thread_condition synced;
    bool sync_running;
    bool name_synced;    /* the file's; one that was found may have been renamed by a process that
                            was killed before it could sync the directory */
    uint64_t synced_end; /* durable up to here, of the present generation */
    struct generation *synced_generation;

    struct thread_mutex facts;
    struct figures figures;
    struct generation *figures_generation;

    struct thread_mutex views;
    struct drive_view *free_views, *all_views;
};

static inline const struct geometry *view_geometry(const struct drive_view *view) {
    return &view->generation->geometry;
}
static inline bool header_good(const struct drive_view *view, const uint8_t *base,
                               const struct entry *entry) {
    return entry->place >= view->generation->checked_from ||
           entry_header_good(&view->generation->geometry, base, entry);
}
static inline uint64_t generation_end(const struct generation *generation) {
    return atomic_load_explicit(&generation->end, memory_order_acquire);
}

/* view.c */

void view__bury(struct drive_view *view);
static inline void view__retain(struct drive_view *view) {
    pins_add(&view->pins, 1);
}
/* `count` pins at once. */
static inline void view__release_many(struct drive_view *view, uint64_t count) {
    if (__builtin_expect(pins_drop(&view->pins, count), false))
        view__bury(view);
}
static inline void view__release(struct drive_view *view) {
    view__release_many(view, 1);
}
/* By a thread with a slot. *current_out false: it was replaced meanwhile, release it and ask again.
   The end must be read while the view is the current one: a table that was replaced is not kept up
   to date. */
static inline struct drive_view *view__acquire_once(struct drive *drive, int slot,
                                                    uint64_t *end_out, bool *current_out) {
    visit_begin(slot);
    struct drive_view *view = atomic_load_explicit(&drive->current, memory_order_acquire);
    pins_count(&view->pins, slot, 1);
    visit_end(slot);
    *end_out = generation_end(view->generation);
    *current_out = atomic_load_explicit(&drive->current, memory_order_acquire) == view;
    return view;
}
/* Pin the current view; *end_out: how far its index is complete. */
struct drive_view *view__acquire(struct drive *drive, uint64_t *end_out);
/* It is no longer current: let go of it as that. */
void view__retire(struct drive_view *view);
/* Make a view of the parts current; each part gets a reference of its own. Under `writer`. */
enum status view__publish(struct drive *drive, struct generation *generation,
                          struct mapping *mapping, struct table *table) MUST_USE;
enum status drive__create(const char *path, const struct drive_options *options,
                          struct drive **drive_out) MUST_USE;
void drive__release(struct drive *drive);
enum status generation__create(struct plain_file *file, const struct geometry *geometry,
                               struct generation **generation_out) MUST_USE;
void generation__release(struct generation *generation);
/* Map a file of `size` bytes with room to grow. */
enum status mapping__create(struct plain_file *file, uint64_t size, struct mapping **mapping_out)
    MUST_USE;
void mapping__release(struct mapping *mapping);
/* Tests: bytes a mapping is larger than its file at least; 0: the usual. */
extern uint64_t mapping__room;

/* recover.c, recover_chain.c: reading the entries of a file in one pass */

struct recovery {
    struct drive *drive;
    const struct geometry *geometry;
    const uint8_t *base;
    uint64_t from;       /* complete up to here (a snapshot) */
    struct table *table; /* grows */
    struct figures figures;
    uint64_t sealed;    /* place of the last sealed entry seen */
    uint64_t tail_from; /* the first batch in the last TAIL_CHECK_MAX bytes, or the last one */
    uint64_t batches_unsealed;
    uint64_t clean_end;
    uint64_t walked;
    uint64_t summed; /* format 1: bytes summed in search of an entry */
};
/* Bring table and figures up to the end of bytes from .. size. figures.end says how far the
   entries go; damage in the middle goes to drive->recovery. */
enum status recover__entries(struct recovery *recovery, uint64_t size) MUST_USE;
enum status recover__chain(struct recovery *recovery, uint64_t size) MUST_USE;
/* Format 2: the first batch in from .. figures.end that fails its checksums, or figures.end. */
uint64_t recover__first_bad_batch(struct recovery *recovery, uint64_t from);
/* Take one entry into the index, newest so far. */
enum status recover__take(struct recovery *recovery, const struct entry *entry) MUST_USE;
void recover__damage(struct drive *drive, uint64_t from, uint64_t to);
/* Format 2: the first entry with a good header at or behind `at`, else `limit`. */
/* Format 1: does what ends at `place` look like an entry? */
bool recover__likely(const struct recovery *recovery, uint64_t place, struct entry *entry_out);
/* Format 1: the end of the last entry that is good at or before `place`, `from` if there is none.
 */
uint64_t recover__find_end(struct recovery *recovery, uint64_t place);
uint64_t recover__next_entry(const struct geometry *geometry, const uint8_t *base, uint64_t at,
                             uint64_t limit);

/* snapshot.c */

/* *found_out false: there is none that fits the file. */
enum status snapshot__load(struct drive *drive, const struct geometry *geometry,
                           const uint8_t *base, uint64_t size, struct recovery *recovery,
                           bool *found_out) MUST_USE;
enum status snapshot__store(struct drive *drive) MUST_USE;
void snapshot__path(const struct drive *drive, char *path, size_t size);

/* write.c */

struct write_item {
    struct slice key, value; /* a deletion has an empty value */
    uint64_t hash;
    int64_t time_us; /* 0: now */
    bool hashed;     /* format 1: `hash` is given, the key is not known */
    bool is_delete, existed;
    bool passing; /* the value is in a mapping, which may let go of it when it is written */
};
/* Append as one batch. Under `writer`. */
enum status write__batch(struct drive *drive, struct write_item *items, size_t count) MUST_USE;
/* May this store be written? */
enum status write__check(struct drive *drive) MUST_USE;
/* Has the file been cut below the end? Then nothing is written or refreshed any more. */
enum status write__check_size(struct drive *drive, uint64_t size) MUST_USE;
enum status write__check_item(const struct geometry *geometry, struct slice key,
                              uint64_t value_size, bool is_delete) MUST_USE;
/* Cut the file back to the published end after a failed write; keeps the error. */
void write__undo(struct drive *drive, const struct drive_view *view);
/* Make the mapping of the current view reach `end`, the table hold `count` more keys. */
enum status write__room(struct drive *drive, uint64_t end, uint64_t count) MUST_USE;
/* The file will grow to `end`: see to room on the disk. */
void write__reserve(struct generation *generation, uint64_t from, uint64_t end);
/* Give back what was not used of it. */
enum status write__trim(struct generation *generation, uint64_t end) MUST_USE;
/* Take an appended entry into index and figures. */
void write__index(struct drive *drive, const struct drive_view *view, struct figures *figures,
                  const struct entry *entry, uint64_t hash);
void write__publish(struct drive *drive, const struct drive_view *view,
                    const struct figures *figures);
/* Wait until what is written up to now is durable. Not under `writer`. */
enum status write__sync(struct drive *drive, struct generation *generation, uint64_t end) MUST_USE;
enum status write__seal(struct drive *drive) MUST_USE;
void write__stage_release(struct drive *drive);
/* Flags of a batch's first entry. */
unsigned write__sealed_flag(struct drive *drive, const struct figures *figures);

/* read.c */

/* What a lookup found. */
struct located {
    uint64_t place;       /* 0: nothing. After DATA_CORRUPTED: of what is damaged */
    enum entry_kind kind; /* put or delete */
    struct slice value;
    bool stale; /* the view is too old, ask again with a newer one; nothing else is set */
};
/* The newest entry of the key that is within `end`, deletions too. The view must be current
   enough. */
enum status read__find(const struct drive_view *view, uint64_t end, uint64_t hash, struct slice key,
                       struct located *located_out) MUST_USE;
/* Is the entry what its key has as of `end`? (format 2) The way back from a newer version leads
   through `mapping`; *beyond_out is a place that lies outside of it, then ask again with a larger
   one, else 0. */
bool read__is_newest(const struct drive_view *view, const struct mapping *mapping, uint64_t end,
                     const struct entry *entry, uint64_t hash, uint64_t *beyond_out);

/* iterate.c */

uint64_t iterate__end(const struct drive_iterator *iterator);

/* Where the store can be divided: bounds[0] = first entry, bounds[*count_out] = end; *count_out is
   lowered when there are too few entries. `bounds` has room for count + 1. */
void iterate__bounds(const struct drive_view *view, uint64_t end, unsigned *count,
                     uint64_t *bounds);
/* A pinned view and the figures that belong to it. */
struct drive_view *iterate__pin(struct drive *drive, struct figures *figures_out);
static inline uint64_t first_place(const struct geometry *geometry) {
    return geometry->format == 1 ? 0 : FORMAT_HEADER_SIZE;
}

/* open.c */

/* Forget an open store: neither sealed nor unlocked. */
void open__discard(struct drive *drive);
enum status open__generation(struct drive *drive, struct plain_file *file, uint64_t size) MUST_USE;

static inline uint64_t entry_hash(const struct geometry *geometry, const struct entry *entry) {
    return geometry->format == 1 ? entry->hash : hash_bytes(entry->key.data, entry->key.size);
}

#endif
