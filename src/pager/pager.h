/*
 * The pager: one partition's page file, its page map and its share of the buffer pool.
 *
 * A page has a stable id; a map says where its newest image lies in the file. A write always goes
 * to a free place. A checkpoint publishes, in one atomic append to the manifest, the map's
 * changes, the tree roots and the number of the last commit applied; only then do the old places
 * become free. So a crash finds the last checkpoint whole, and whatever was written since is free
 * space. Eviction may write a dirty page at any time for the same reason: nobody finds the new
 * image before the next checkpoint.
 *
 * Pages are durable or temporary. Temporary pages (write sets, version history, spills) are in no
 * checkpoint, share the pool and the file, and are gone after a restart.
 *
 * All functions belong to the core that owns the partition. Functions that take a fiber may
 * suspend; a pinned page stays where it is across suspensions, an unpinned one may be evicted.
 *
 * Writers and the checkpoint. `pager_modify` must be called on a pinned page before each change
 * (or run of changes without a suspension). It never suspends and never fails: what it may need
 * (a copy of the page for a checkpoint in progress) was set aside by pager_reserve.
 */
#ifndef PAGER_H
#define PAGER_H

#include "base/base_ids.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "runtime/runtime.h"

enum {
    PAGE_SIZE = 16384,    /* bytes of a tree page's image in the file */
    PAGE_SIZE_MIN = 4096, /* extents are multiples of this */
    PAGE_SIZE_MAX = 1 << 20,
    PAGE_HEADER_SIZE = 64, /* of the image, the pager's own: page.size is so much smaller */
};

struct pager;

/* The one memory budget of all pagers of a database; thread-safe. A pager takes frames while
   the budget lasts and evicts its own coldest pages when it is spent; each is guaranteed a small
   minimum so that no partition starves. The address space of size_max is reserved at once;
   memory is touched as frames come into use. size_max is at least 16 frames for each pager. */
struct page_budget;
enum status page_budget_create(uint64_t size_max, unsigned pager_count,
                               struct page_budget **budget_out) MUST_USE;
void page_budget_destroy(struct page_budget *budget);
uint64_t page_budget_used(const struct page_budget *budget);

struct pager_options {
    const char *directory;      /* of the partition: holds "pages" and "manifest" */
    struct page_budget *budget; /* borrowed; outlives the pager */
    bool create;                /* the directory must not hold a pager yet */
    const char *name;           /* for messages: "partition 3"; borrowed */
    uint64_t file_size_max;     /* bytes of "pages", DISK_FULL beyond; 0: as the disk allows */
    bool untended;              /* space is given back by pager_shrink only */
};

/* DATA_CORRUPTED with file and offset when the manifest or its newest checkpoint is damaged,
   FEATURE_NOT_SUPPORTED for a newer format version. */
enum status pager_open(struct fiber *f, const struct pager_options *options,
                       struct pager **pager_out) MUST_USE;
/* Does not checkpoint; unpublished changes are lost. */
void pager_close(struct fiber *f, struct pager *pager);

/* A pinned page. `data` (size bytes, aligned to 64) is the user's; the image's header in front of
   it and its checksum are the pager's business. */
struct page {
    uint8_t *data;
    uint32_t size;
    bool temporary;
    bool proven;      /* the user's; false whenever the pager has filled or zeroed data */
    bool scanned;     /* the user's; false then and after each pager_modify */
    bool accompanied; /* the pager's: there is a companion */
    struct page_id id;
    /* pager-private fields follow in the frame */
};

enum page_lifetime { PAGE_DURABLE, PAGE_TEMPORARY };

/* New zeroed page, pinned and modified. `size` is a multiple of PAGE_SIZE_MIN up to
   PAGE_SIZE_MAX, the image with its header; trees use PAGE_SIZE and get page.size = PAGE_SIZE -
   PAGE_HEADER_SIZE bytes. Uses the reserve when there is one, else may suspend. */
enum status pager_allocate(struct fiber *f, struct pager *pager, enum page_lifetime lifetime,
                           uint32_t size, struct page **page_out) MUST_USE;
/* Pin a page, reading it if needed. DATA_CORRUPTED names file, offset and page; the damaged image
   is never overwritten. */
enum status pager_fetch(struct fiber *f, struct pager *pager, struct page_id id,
                        struct page **page_out) MUST_USE;
/* Pin if it is in memory, else NULL; never suspends. */
struct page *pager_fetch_cached(struct pager *pager, struct page_id id);
/* The page if it is in memory, else NULL; not pinned, so good until the next suspension only. */
struct page *pager_peek(struct pager *pager, struct page_id id);
/* Somebody will look at the page soon: bring what tells of it nearer to the processor, then (called
   once more, some time later) the beginning of its content and of its companion. Does nothing for a
   page that is not in memory. */
void pager_prefetch(const struct pager *pager, struct page_id id);
void pager_prefetch_data(const struct pager *pager, struct page_id id);
void pager_pin(struct page *page); /* once more */
void pager_unpin(struct pager *pager, struct page *page);
uint32_t pager_pins(const struct page *page);
/* Say that `page` is about to change. A page of another size than PAGE_SIZE should be filled
   before its filler suspends: the copy a checkpoint may need of it comes from the heap. */
void pager_modify(struct pager *pager, struct page *page);
/* The page's life ends: durable places are freed by the next checkpoint. Whoever has it pinned
   keeps the memory until the last unpin (and may read what was there). Never suspends. */
void pager_free(struct pager *pager, struct page_id id);

/* Set frames aside so that the next `count` pager_allocate / pager_modify calls (of PAGE_SIZE)
   neither suspend nor fail; may suspend to evict. Unused reserve is given back by
   pager_unreserve. DISK_FULL or OUT_OF_MEMORY surface here and nowhere later. */
enum status pager_reserve(struct fiber *f, struct pager *pager, unsigned count) MUST_USE;
void pager_unreserve(struct pager *pager);
/* Between begin and end pager_reserve waits for room on the disk instead of failing with DISK_FULL:
   for changes that have to be made since the journal has them. May nest. */
void pager_patience_begin(struct pager *pager);
void pager_patience_end(struct pager *pager);
/* Has the file room for so many bytes more than what is modified already? room_make extends it:
   DISK_FULL. Whoever is about to promise a change asks before. */
bool pager_room_ready(const struct pager *pager, uint64_t bytes);
enum status pager_room_make(struct fiber *f, struct pager *pager, uint64_t bytes) MUST_USE;
/* Does the reserve hold so many already? pager_reserve then would not suspend. */
bool pager_reserve_ready(const struct pager *pager, unsigned count);

/* ---- companions ------------------------------------------------------------------------- */

/* A companion is memory beside a page that is in memory, for what its user has found out from the
   page's content and can find out again. It goes when the page is modified, freed or evicted, and
   before anything else goes when the budget is wanted for pages: so a look at it is good until the
   next suspension or pager_modify. It counts against the budget, but takes only what is spare. */

/* NULL: there is none. */
void *pager_companion(const struct page *page);
/* Make one of `size` bytes (aligned to 64, not zeroed), instead of the one there was; NULL when
   there is no memory to spare. The page is pinned. Never suspends. */
void *pager_companion_make(struct pager *pager, struct page *page, uint32_t size);

/* The same for what was found out from many pages: *note points to it as long as it is there, and
   who changes what it tells of drops it. */
void *pager_note_make(struct pager *pager, void **note, uint32_t size);
void pager_note_drop(struct pager *pager, void **note);
/* Is so much to spare now? */
bool pager_has_spare(struct pager *pager, uint64_t bytes);

/* ---- reading ahead ---------------------------------------------------------------------- */

/*
 * Who knows which durable pages it will fetch soon has them read side by side, and works on
 * something else meanwhile. It costs memory that is spare; chunks (of another size than PAGE_SIZE)
 * may also cost chunks that were read once, and never more than some MiB and a small share of the
 * pager's memory are read and not yet fetched. It is a wish: failures are silent, and whoever
 * fetches the page meets them.
 */
enum page_ahead {
    PAGE_HERE,     /* in memory, and was fetched before */
    PAGE_COMING,   /* being read, or a chunk read ahead and not fetched yet */
    PAGE_BEGUN,    /* *page_out: to be given to pager_read_ahead_finish, on a fiber of its own */
    PAGE_DECLINED, /* not in memory, and not to be read ahead now */
};
/* Never suspends. */
enum page_ahead pager_read_ahead(struct pager *pager, struct page_id id, struct page **page_out);
/* Read it; the page is the pager's again. Suspends. pager_close waits for it. */
void pager_read_ahead_finish(struct fiber *f, struct pager *pager, struct page *page);
/* It is not to be read after all. Never suspends. */
void pager_read_ahead_cancel(struct pager *pager, struct page *page);
/* Pages read so far: who sees it change is in no memory's hands. Cheap. */
uint64_t pager_reads(const struct pager *pager);
/* May there be room for another? */
bool pager_read_ahead_room(const struct pager *pager);

/* Roots: the directory of trees, published with the checkpoint. {0} when the tree is empty. */
struct page_id pager_root(const struct pager *pager, struct tree_id tree);
/* {0} removes the entry. OUT_OF_MEMORY possible when a new tree is entered. */
enum status pager_root_set(struct pager *pager, struct tree_id tree, struct page_id root) MUST_USE;
/* Calls visit for each tree with a root, in rising order. */
void pager_roots_visit(const struct pager *pager,
                       void (*visit)(void *context, struct tree_id tree, struct page_id root),
                       void *context);

/* Calls visit for each durable page that is not of PAGE_SIZE, in rising order of ids. Whoever keeps
   such pages outside of trees finds after a crash the ones that nobody refers to. */
void pager_odd_pages_visit(const struct pager *pager,
                           void (*visit)(void *context, struct page_id id, uint32_t size),
                           void *context);

/* ---- checkpoint ------------------------------------------------------------------------ */

/* Before each cut. What a failed sync may have taken from the file is read and put among the pages
   to be written; else there is nothing to do. An image that it has taken for good stops the process
   (log_fatal): the newest checkpoint and the journal behind it have all it held. Suspends. */
enum status pager_checkpoint_prepare(struct fiber *f, struct pager *pager) MUST_USE;
/* The cut: everything modified so far belongs to the checkpoint, later changes do not. Never
   suspends. `applied`: replay will start behind this commit. One checkpoint at a time. */
void pager_checkpoint_begin(struct pager *pager, struct commit_number applied);
/* Write the cut's pages, sync, publish. Suspends long; writers go on meanwhile. The caller has
   made sure that every change in the cut is durable in the journal. After a failure the pages of
   the cut wait for the next checkpoint, and pager_checkpoint_applied is what it was; a crash may
   find this one all the same if it failed in the end. */
enum status pager_checkpoint_finish(struct fiber *f, struct pager *pager) MUST_USE;
/* The commit of the newest published checkpoint. */
struct commit_number pager_checkpoint_applied(const struct pager *pager);

/* ---- upkeep ------------------------------------------------------------------------------ */

/* Is there something worth doing in the background? Cheap. */
bool pager_maintenance_due(const struct pager *pager);
/* For a background fiber of the owner, every second or when due: writes cold dirty pages so that
   others find clean frames, gives frames back when another pager of the budget starves, and moves
   some MiB of images out of the end of a file that is much longer than it needs to be. Suspends. */
enum status pager_maintain(struct fiber *f, struct pager *pager) MUST_USE;
/* Move everything out of the file's end at once. */
enum status pager_shrink(struct fiber *f, struct pager *pager) MUST_USE;
/* Does the end of the file wait for a checkpoint, to be cut off after it? */
bool pager_checkpoint_wanted(const struct pager *pager);

struct pager_statistics {
    uint64_t pages_durable, pages_temporary, bytes_file, bytes_free, frames, frames_dirty;
    uint64_t reads, writes, hits, evictions, checkpoints;
    uint64_t reads_ahead;      /* of the reads, those begun before anybody asked for the page */
    uint64_t bytes_companions; /* of the budget; with notes */
};
void pager_statistics(const struct pager *pager, struct pager_statistics *statistics_out);

/* Read-only check of map, free space and (with `images`) every durable image's checksum.
   `report` gets each damaged page: id, file offset, text. */
enum status pager_check(struct fiber *f, struct pager *pager, bool images,
                        void (*report)(void *context, struct page_id id, uint64_t offset,
                                       const char *text),
                        void *context) MUST_USE;

#endif
