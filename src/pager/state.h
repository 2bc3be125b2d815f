/*
 * The pager's insides.
 *
 * Life of a frame (one page's memory):
 *
 *     reading --> clean <--- write ends --- writing
 *                   | ^                        ^
 *            modify | |                        | copied into the write buffer
 *                   v |                        |
 *                  dirty ----------------------'
 *                   |
 *             begin v                        modify
 *              dirty + cut  ---------------------------------> dirty, with a *ghost*: a second
 *                                                              frame outside the map that holds
 *                                                              the content at the cut
 *
 * Images are copied into the write buffer (and get header and checksum there), so a page may
 * change while its image is written; one batch of images is in flight at a time (flush_lock).
 *
 * A freed page's frame is an *orphan*: out of the map, alive until it is unpinned and, if it
 * belongs to the cut, written. A ghost is an orphan whose page lives on in another frame.
 *
 * Invariants:
 *   - a frame is in the map if and only if it is no orphan;
 *   - dirty frames are in exactly one of the lists `dirty` (later than the cut) and `cut`;
 *   - dirty orphans belong to the cut;
 *   - frame.extent is the newest finished image of the content's line: 0 when there is none;
 *   - a frame is given away only when it is unpinned, clean, and neither read nor written.
 */
#ifndef STATE_H
#define STATE_H

#include "base/base_list.h"
#include "pager/budget.h"
#include "pager/extents.h"
#include "pager/manifest.h"
#include "pager/page_map.h"
#include "pager/pager.h"
#include "pager/pager_format.h"
#include "runtime/runtime_file.h"
#include "runtime/runtime_sync.h"

enum {
    RESERVE_MAX = 64,  /* frames set aside at most */
    RESERVE_KEEP = 16, /* frames that stay set aside */
    BATCH_PAGES = 16,
    BATCH_SIZE = BATCH_PAGES * PAGE_SIZE,
    FILE_GROWTH_MIN = 1 << 20,
    FILE_GROWTH_MAX = 64 << 20,
};

#define TEMPORARY_BIT (1ull << 63)

/* Where a chunk waits (pool.c). */
enum chunk_queue { CHUNK_NOT, CHUNK_ONCE, CHUNK_AGAIN, CHUNK_AHEAD, CHUNK_QUEUE_COUNT };

struct chunk_list {
    struct list frames;
    uint64_t bytes;
};

/* The first 64 bytes are what a descent touches; frames are aligned to that. */
struct frame {
    struct page page; /* first: the user's pointer is the frame's */
    uint32_t pins;
    bool referenced, dirty, cut, reading, writing, orphan;
    uint8_t chunk; /* enum chunk_queue */
    uint64_t extent;
    uint8_t *block;
    uint32_t size; /* of the block: page.size + PAGE_HEADER_SIZE */
    uint32_t clock_index;
    struct frame *ghost; /* of a frame: its ghost; of a ghost: its frame, NULL when that moved on */
    struct list dirty_link;
    struct list chunk_link; /* of a chunk: in the queue's list */
    uint64_t chunk_used;    /* chunk_read when it was last asked for */
    void *companion;        /* companion.c */
};

struct batch_item {
    struct frame *frame;
    uint64_t extent;
    uint8_t *image;
    uint32_t size;
    bool cut; /* belongs to the checkpoint in progress */
};

struct root_entry {
    struct tree_id tree;
    struct page_id root;
};

/* The file getting shorter: shrink.c. */
struct shrink {
    uint64_t free_low[2]; /* least free units since the last checkpoint, and before it */
    int64_t taken_ns;     /* when units were last taken */
    int64_t retry_ns;     /* no pass before */
    uint64_t target;      /* of the pass under way: units that are to stay; 0: none */
    uint64_t next;        /* page to look at */
    uint64_t cut_off;     /* units to stay after the next checkpoint; 0: no pass ended */
    uint64_t cut_off_due; /* the same, for the checkpoint in progress */
    bool publish;         /* a checkpoint is wanted */
};

struct pager {
    const char *name;
    bool untended;
    char *path_pages;
    struct file *file;
    struct manifest manifest;
    struct page_map durable, temporary;
    struct extents extents;
    struct fiber_mutex size_lock; /* held while the file grows or shrinks */
    struct shrink shrink;
    uint64_t units_owed; /* of dirty frames: each has a place in the file if it is written */
    uint64_t file_units_max;

    struct budget_share share;
    struct frame **frames; /* the clock's face: all frames but orphans and the reserve */
    size_t frame_count, frame_capacity, clock_hand;
    size_t frame_total; /* with orphans and the reserve; the clock has room for all */
    struct chunk_list chunks[CHUNK_QUEUE_COUNT]; /* clean ones are evicted by the rule in pool.c */
    uint64_t chunk_bytes, chunk_read;            /* held now; bytes read or made, ever */
    unsigned ahead_reading;                      /* pages whose reading ahead has not ended */
    struct list companions;                      /* and notes: struct spare, the oldest first */
    uint64_t companion_bytes;
    struct frame *reserve[RESERVE_MAX];
    unsigned reserve_count, reserve_keep;
    unsigned patience; /* pager_patience_begin */
    struct list dirty, cut;
    uint64_t dirty_count;
    struct condition progress; /* a read or a write ended, or a page was unpinned */

    struct fiber_mutex flush_lock;
    uint8_t *write_buffer;
    size_t write_buffer_size;
    struct batch_item batch[BATCH_PAGES];
    unsigned batch_count;

    struct root_entry *roots; /* by tree */
    size_t root_count, root_capacity;
    bool roots_changed;

    struct commit_number applied;
    bool checkpoint_running, cut_incomplete;
    bool checkpoint_failed; /* the last one did */
    bool images_doubtful;   /* a sync failed; pages were not written again since */
    struct manifest_checkpoint cut_content;

    uint64_t reads, writes, hits, evictions, checkpoints, reads_ahead;
};

static inline struct page_map *map_of(struct pager *pager, bool temporary) {
    return temporary ? &pager->temporary : &pager->durable;
}
static inline uint64_t page_index(struct page_id id) {
    return id.value & ~TEMPORARY_BIT;
}
static inline bool page_is_temporary(struct page_id id) {
    return (id.value & TEMPORARY_BIT) != 0;
}
static inline struct frame *entry_frame(uint64_t entry) {
    return (struct frame *)(uintptr_t)(entry & ~(uint64_t)MAP_TAG_MASK);
}
static inline uint64_t frame_entry(const struct frame *frame) {
    return (uint64_t)(uintptr_t)frame | MAP_FRAME;
}

/* ---- pool.c: frames ---- */

/* A frame with a block of `size`, in nobody's hands: evicts (and writes) when the budget is
   spent. Suspends. */
enum status pool__acquire(struct fiber *f, struct pager *pager, uint32_t size,
                          struct frame **frame_out) MUST_USE;
/* The same from the budget alone; NULL when it is spent. */
struct frame *pool__try_new(struct pager *pager, uint32_t size);
void pool__delete(struct pager *pager, struct frame *frame);
/* Put the frame on the clock and into the map as page `id`, pinned once. */
void pool__install(struct pager *pager, struct frame *frame, struct page_id id);
/* The newest frame, a chunk just installed, was read before anybody has asked for it. */
void pool__set_ahead(struct pager *pager, struct frame *frame);
/* Bytes of chunks that are to be read ahead at most, with those that nobody has asked for yet. */
uint64_t pool__ahead_max(const struct pager *pager);
/* Somebody pins a frame that is in memory. */
void pool__touch(struct pager *pager, struct frame *frame);
/* The same for what can be done without. A chunk's frame may cost chunks that were read once, and
   as many of the others as keep a small part of them all for such. */
struct frame *pool__try_ahead(struct pager *pager, uint32_t size);
/* A frame from the reserve; NULL when it is empty. */
struct frame *pool__from_reserve(struct pager *pager);
/* Release an orphan that nobody needs any more. */
void pool__orphan_settle(struct pager *pager, struct frame *frame);
void pool__clock_remove(struct pager *pager, struct frame *frame);
/* Give an unused frame back: to the reserve if that is low, else to the budget. */
void pool__release(struct pager *pager, struct frame *frame);
void pool__set_dirty(struct pager *pager, struct frame *frame, bool cut);
void pool__clear_dirty(struct pager *pager, struct frame *frame);
void pool__wake(struct pager *pager);
/* Collect up to BATCH_PAGES cold dirty frames by going round the clock. */
unsigned pool__cold_dirty(struct pager *pager, struct frame **frames_out);
/* Evict this one if it is a chunk that nobody uses. */
bool pool__evict_chunk(struct pager *pager, struct frame *frame);
/* Evict one clean cold frame of any size and give its memory back; false if there is none. */
bool pool__evict_one(struct pager *pager);

/* ---- companion.c ---- */

void companion__drop(struct pager *pager, struct frame *frame);
/* The oldest one; false if there is none. */
bool companion__drop_one(struct pager *pager);

/* ---- ahead.c ---- */

/* Until nothing is being read ahead any more. Shielded. */
void ahead__wait(struct fiber *f, struct pager *pager);

/* ---- flush.c: writing ---- */

enum flush_source { FLUSH_COLD, FLUSH_CUT };
/* Write one batch. *count_out 0: there was nothing to write. */
enum status flush__batch(struct fiber *f, struct pager *pager, enum flush_source source,
                         unsigned *count_out) MUST_USE;
/* Make sure the file has free units for everything dirty and `units` more. */
enum status flush__ensure_space(struct fiber *f, struct pager *pager, uint64_t units) MUST_USE;
bool flush__space_ready(const struct pager *pager, uint64_t units);
/* An image is no longer the newest one of a page: free at once if no checkpoint has it. */
void flush__drop_extent(struct pager *pager, uint64_t extent, bool temporary);
/* The same when a page of the cut gets its image: the one before goes with the publication. */
void flush__drop_extent_of_cut(struct pager *pager, uint64_t extent);

/* ---- pager.c ---- */

/* Is the block the image that the map says is there? DATA_CORRUPTED. */
enum status pager__verify(const struct pager *pager, struct page_id id, uint64_t bits,
                          const uint8_t *block) MUST_USE;
/* Fill an unused frame with the page's image: from begin on it is in the map, pinned once, and
   others wait for it. After a failure, and when the page was freed meanwhile, it is gone. */
void pager__read_begin(struct pager *pager, struct page_id id, uint64_t bits, struct frame *frame);
enum status pager__read_end(struct fiber *f, struct pager *pager, struct frame *frame) MUST_USE;
/* Instead of the end: the frame is gone, the page where it was. */
void pager__read_undo(struct pager *pager, struct frame *frame);

/* ---- shrink.c: giving space back ---- */

/* Units were taken; a checkpoint was published. */
void shrink__note_take(struct pager *pager);
bool shrink__due(const struct pager *pager);
/* Move some images towards the file's beginning. */
enum status shrink__step(struct fiber *f, struct pager *pager) MUST_USE;
/* A checkpoint begins: it will publish what was moved so far. It has: cut the end off. */
void shrink__note_cut(struct pager *pager);
void shrink__published(struct fiber *f, struct pager *pager);
/* It failed: the next one shall do that. */
void shrink__note_failure(struct pager *pager);

/* ---- checkpoint.c ---- */

/* The image of a page of the cut was written (or is known). */
void checkpoint__record(struct pager *pager, struct page_id id, uint64_t extent);

#endif
