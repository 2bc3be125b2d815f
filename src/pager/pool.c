/*
 * The buffer pool of one pager: frames, the clock (Corbato 1968, one reference bit), chunks, the
 * reserve.
 *
 * Chunks are durable pages of another size than PAGE_SIZE: columns of blocks. A scan reads many of
 * them once, and again when it is repeated. So it must not push out the pages of trees, nor chunks
 * that are read often; and the oldest chunk is no good victim, for of a table larger than memory it
 * is the next to be read. In the manner of 2Q (Johnson and Shasha 1994), with another choice among
 * those seen once:
 *
 *     once    read, and not asked for again since, by the time of reading
 *     again   asked for again while in memory, by the time of that
 *     ahead   read ahead (ahead.c), and not asked for yet, by the time of reading
 *
 * The oldest one of either goes if chunks of twice the bytes that are held were read since it was
 * last asked for: keeping it would not save a round much. Else the newest one of `once` goes, so
 * that what is there stays for the next round. Chunks read ahead are to be asked for soon, and
 * become `once` then; or when so much was read meanwhile that nobody seems to want them any more.
 *
 * With each chunk that goes the clock's hand moves on by one page: a page of a tree must have been
 * unused for a whole round to be taken instead. Chunks give way to pages as long as they hold more
 * than a quarter of the pager's memory.
 */
#include <string.h>

#include "base/base_chance.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "pager/state.h"

enum {
    COLD_DIRTY_MAX = 64,       /* met by the hand before it is better to write some */
    CHUNK_LOOKS_MAX = 256,     /* chunks in use passed over in search of a victim */
    AHEAD_BYTES_MAX = 4 << 20, /* enough for a disk that has several requests in hand */
    AHEAD_SHARE = 16,          /* and no more than this part of a pager's fair share */
    PATIENCE = 100,            /* looks for a page that others have unpinned, when all are in use */
    PATIENCE_NS = 2000000,     /* between two of them */
    ROOM_RETRY_NS = 20000000,
};

_Static_assert(sizeof(struct frame) <= BUDGET_HEAD_SIZE && BUDGET_HEAD_SIZE % 64 == 0,
               "frames are aligned to 64");

/* A frame with `size` bytes of the budget that were taken. */
static struct frame *frame_make(struct pager *pager, uint32_t size) {
    struct page_budget *budget = pager->share.budget;
    struct frame *frame = NULL;
    uint8_t *block = NULL;
    if (memory_grow(&pager->frames, &pager->frame_capacity, pager->frame_total + 1,
                    sizeof *pager->frames))
        block = budget_block_alloc(budget, size);
    if (block != NULL)
        frame = size == PAGE_SIZE ? budget_head(budget, block)
                                  : memory_alloc_aligned(64, sizeof *frame);
    if (frame == NULL) {
        if (block != NULL)
            budget_block_free(budget, block, size);
        budget_give(&pager->share, size);
        return NULL;
    }
    memset(frame, 0, sizeof *frame);
    frame->block = block;
    frame->size = size;
    frame->page.data = frame->block + PAGE_HEADER_SIZE;
    frame->page.size = size - PAGE_HEADER_SIZE;
    pager->frame_total++;
    return frame;
}

struct frame *pool__try_new(struct pager *pager, uint32_t size) {
    return budget_take(&pager->share, size) ? frame_make(pager, size) : NULL;
}

void pool__delete(struct pager *pager, struct frame *frame) {
    ASSERT(frame->pins == 0 && !frame->dirty && !frame->reading && !frame->writing);
    if (frame->page.accompanied)
        companion__drop(pager, frame);
    uint32_t size = frame->size;
    uint8_t *block = frame->block;
    if (size != PAGE_SIZE)
        memory_free(frame);
    budget_block_free(pager->share.budget, block, size); /* a page's frame goes with it */
    pager->frame_total--;
    budget_give(&pager->share, size);
}

void pool__release(struct pager *pager, struct frame *frame) {
    ASSERT(frame->pins == 0 && !frame->dirty && !frame->reading && !frame->writing);
    if (frame->size != PAGE_SIZE || pager->reserve_count >= pager->reserve_keep) {
        pool__delete(pager, frame);
        return;
    }
    if (frame->page.accompanied)
        companion__drop(pager, frame);
    frame->referenced = frame->orphan = false;
    frame->extent = 0;
    frame->ghost = NULL;
    pager->reserve[pager->reserve_count++] = frame;
}

struct frame *pool__from_reserve(struct pager *pager) {
    return pager->reserve_count > 0 ? pager->reserve[--pager->reserve_count] : NULL;
}

/* ---- chunks ---- */

static void chunk_enter(struct pager *pager, struct frame *frame, enum chunk_queue queue) {
    ASSERT(frame->chunk == CHUNK_NOT);
    frame->chunk = (uint8_t)queue;
    list_push_back(&pager->chunks[queue].frames, &frame->chunk_link);
    pager->chunks[queue].bytes += frame->size;
    pager->chunk_bytes += frame->size;
}

static void chunk_leave(struct pager *pager, struct frame *frame) {
    struct chunk_list *chunks = &pager->chunks[frame->chunk];
    ASSERT(frame->chunk != CHUNK_NOT && chunks->bytes >= frame->size);
    list_remove(&frame->chunk_link);
    chunks->bytes -= frame->size;
    pager->chunk_bytes -= frame->size;
    frame->chunk = CHUNK_NOT;
}

uint64_t pool__ahead_max(const struct pager *pager) {
    uint64_t share = budget_fair_share(pager->share.budget) / AHEAD_SHARE;
    return share < AHEAD_BYTES_MAX ? share : AHEAD_BYTES_MAX;
}

void pool__set_ahead(struct pager *pager, struct frame *frame) {
    ASSERT(frame->chunk == CHUNK_ONCE);
    chunk_leave(pager, frame);
    chunk_enter(pager, frame, CHUNK_AHEAD);
}

/* Whoever wanted them would have come by now. */
static void ahead_give_up(struct pager *pager) {
    const struct list *frames = &pager->chunks[CHUNK_AHEAD].frames;
    while (!list_empty(frames)) {
        struct frame *frame = CONTAINER_OF(frames->next, struct frame, chunk_link);
        if (pager->chunk_read - frame->chunk_used <= 2 * pool__ahead_max(pager))
            break;
        chunk_leave(pager, frame);
        chunk_enter(pager, frame, CHUNK_ONCE);
    }
}

/* ---- in the map, on the clock ---- */

void pool__install(struct pager *pager, struct frame *frame, struct page_id id) {
    ASSERT(frame->pins == 0 && pager->frame_count < pager->frame_capacity);
    frame->page.id = id;
    frame->page.temporary = page_is_temporary(id);
    frame->page.proven = frame->page.scanned = false;
    ASSERT(!frame->page.accompanied);
    frame->pins = 1;
    frame->referenced = true;
    frame->clock_index = (uint32_t)pager->frame_count;
    pager->frames[pager->frame_count++] = frame;
    frame->chunk = CHUNK_NOT;
    if (!frame->page.temporary && frame->size != PAGE_SIZE) {
        chunk_enter(pager, frame, CHUNK_ONCE);
        pager->chunk_read += frame->size;
        frame->chunk_used = pager->chunk_read;
    }
    *page_map_entry(map_of(pager, frame->page.temporary), page_index(id)) = frame_entry(frame);
}

void pool__clock_remove(struct pager *pager, struct frame *frame) {
    ASSERT(pager->frames[frame->clock_index] == frame);
    struct frame *last = pager->frames[--pager->frame_count];
    pager->frames[frame->clock_index] = last;
    last->clock_index = frame->clock_index;
    if (frame->chunk != CHUNK_NOT)
        chunk_leave(pager, frame);
}

void pool__touch(struct pager *pager, struct frame *frame) {
    frame->referenced = true;
    if (frame->chunk == CHUNK_NOT)
        return;
    enum chunk_queue queue = frame->chunk == CHUNK_AHEAD ? CHUNK_ONCE : CHUNK_AGAIN;
    frame->chunk_used = pager->chunk_read;
    chunk_leave(pager, frame);
    chunk_enter(pager, frame, queue);
}

void pool__set_dirty(struct pager *pager, struct frame *frame, bool cut) {
    ASSERT(!frame->dirty);
    frame->dirty = true;
    frame->cut = cut;
    list_push_back(cut ? &pager->cut : &pager->dirty, &frame->dirty_link);
    pager->dirty_count++;
    pager->units_owed += frame->size / PAGE_UNIT_SIZE;
}

void pool__clear_dirty(struct pager *pager, struct frame *frame) {
    ASSERT(frame->dirty && pager->dirty_count > 0);
    frame->dirty = frame->cut = false;
    list_remove(&frame->dirty_link);
    pager->dirty_count--;
    pager->units_owed -= frame->size / PAGE_UNIT_SIZE;
}

void pool__wake(struct pager *pager) {
    if (pager->progress.waiters.first != NULL)
        condition_wake_all(&pager->progress);
}

void pool__orphan_settle(struct pager *pager, struct frame *frame) {
    ASSERT(frame->orphan);
    if (frame->pins > 0 || frame->dirty || frame->writing || frame->reading)
        return;
    pool__release(pager, frame);
    pool__wake(pager);
}

/* Under the hand: may the frame go? Takes its second chance away. */
static bool is_cold(struct frame *frame) {
    if (frame->pins > 0 || frame->reading || frame->writing)
        return false;
    if (frame->chunk != CHUNK_NOT)
        return frame->dirty; /* a clean one is not the clock's */
    if (frame->referenced) {
        frame->referenced = false;
        return false;
    }
    return true;
}

static struct frame *hand_next(struct pager *pager) {
    if (pager->clock_hand >= pager->frame_count)
        pager->clock_hand = 0;
    return pager->frames[pager->clock_hand++];
}

static void evict(struct pager *pager, struct frame *frame) {
    ASSERT(!frame->orphan && frame->extent != 0 && frame->ghost == NULL);
    struct page_map *map = map_of(pager, frame->page.temporary);
    *page_map_entry(map, page_index(frame->page.id)) = frame->extent;
    pool__clock_remove(pager, frame);
    pool__delete(pager, frame);
    pager->evictions++;
}

static bool is_idle(const struct frame *frame) {
    return frame->pins == 0 && !frame->dirty && !frame->reading && !frame->writing;
}

bool pool__evict_chunk(struct pager *pager, struct frame *frame) {
    if (frame->chunk == CHUNK_NOT || !is_idle(frame))
        return false;
    evict(pager, frame);
    return true;
}

/* From the newest (or the oldest) on, the first that may go. */
static struct frame *chunk_victim(const struct pager *pager, enum chunk_queue queue, bool newest) {
    const struct list *chunks = &pager->chunks[queue].frames;
    unsigned looks = 0;
    for (struct list *node = newest ? chunks->previous : chunks->next;
         node != chunks && looks < CHUNK_LOOKS_MAX;
         node = newest ? node->previous : node->next, looks++) {
        struct frame *frame = CONTAINER_OF(node, struct frame, chunk_link);
        if (is_idle(frame))
            return frame;
    }
    return NULL;
}

/* The oldest one, if it was not asked for for so long that it hardly will be. */
static struct frame *stale_chunk(const struct pager *pager, enum chunk_queue queue) {
    struct frame *frame = chunk_victim(pager, queue, false);
    bool stale = frame != NULL && pager->chunk_read - frame->chunk_used > 2 * pager->chunk_bytes;
    return stale ? frame : NULL;
}

/* The chunk that is missed least. */
static struct frame *spare_chunk(struct pager *pager) {
    ahead_give_up(pager);
    struct frame *frame = stale_chunk(pager, CHUNK_ONCE);
    if (frame == NULL)
        frame = stale_chunk(pager, CHUNK_AGAIN);
    if (frame == NULL)
        frame = chunk_victim(pager, CHUNK_ONCE, true);
    return frame;
}

static bool evict_chunk(struct pager *pager) {
    struct frame *frame = spare_chunk(pager);
    if (frame == NULL)
        frame = chunk_victim(pager, CHUNK_AHEAD, true);
    if (frame == NULL)
        frame = chunk_victim(pager, CHUNK_AGAIN, false);
    if (frame == NULL)
        return false;
    evict(pager, frame);
    return true;
}

struct frame *pool__try_ahead(struct pager *pager, uint32_t size) {
    ahead_give_up(pager);
    if (budget_must_yield(&pager->share) ||
        pager->chunks[CHUNK_AHEAD].bytes + size > pool__ahead_max(pager))
        return NULL;
    while (!budget_take_spare(&pager->share, size)) {
        if (size == PAGE_SIZE)
            return NULL;
        struct frame *frame = spare_chunk(pager);
        if (frame == NULL &&
            pager->chunk_bytes - pager->chunks[CHUNK_AGAIN].bytes + size <= pool__ahead_max(pager))
            frame = chunk_victim(pager, CHUNK_AGAIN, false);
        if (frame == NULL)
            return NULL;
        evict(pager, frame);
    }
    return frame_make(pager, size);
}

static bool evict_by_clock(struct pager *pager) {
    size_t cold_dirty = 0;
    size_t start = pager->clock_hand;
    for (size_t step = 0; step < 2 * pager->frame_count; step++) {
        struct frame *frame = hand_next(pager);
        if (!is_cold(frame))
            continue;
        if (!frame->dirty) {
            evict(pager, frame);
            return true;
        }
        if (++cold_dirty >= COLD_DIRTY_MAX)
            break;
    }
    pager->clock_hand = start;
    return false;
}

bool pool__evict_one(struct pager *pager) {
    if (companion__drop_one(pager))
        return true;
    if (pager->chunk_bytes > pager->share.bytes / 4) {
        struct frame *frame = hand_next(pager);
        if (frame->chunk == CHUNK_NOT && is_cold(frame) && !frame->dirty) {
            evict(pager, frame);
            return true;
        }
        if (evict_chunk(pager))
            return true;
    }
    return evict_by_clock(pager) || evict_chunk(pager);
}

unsigned pool__cold_dirty(struct pager *pager, struct frame **frames_out) {
    unsigned count = 0;
    size_t hand = pager->clock_hand;
    for (size_t step = 0; step < 2 * pager->frame_count && count < BATCH_PAGES; step++) {
        struct frame *frame = hand_next(pager);
        if (!is_cold(frame) || !frame->dirty)
            continue;
        bool again = false;
        for (unsigned i = 0; i < count; i++)
            again |= frames_out[i] == frame;
        if (again)
            break;
        frames_out[count++] = frame;
    }
    pager->clock_hand = hand;
    return count;
}

/* Somebody reads or writes: waiting for that may bring a frame. */
static bool something_in_flight(const struct pager *pager) {
    for (size_t i = 0; i < pager->frame_count; i++) {
        if (pager->frames[i]->reading || pager->frames[i]->writing)
            return true;
    }
    return pager->batch_count > 0;
}

enum status pool__acquire(struct fiber *f, struct pager *pager, uint32_t size,
                          struct frame **frame_out) {
    unsigned patience = PATIENCE;
    if (budget_must_yield(&pager->share) || by_chance("pager: a page makes room early"))
        pool__evict_one(pager);
    for (;;) {
        *frame_out = pool__try_new(pager, size);
        if (*frame_out != NULL)
            return STATUS_OK;
        if (pool__evict_one(pager))
            continue;
        unsigned count;
        TRY(flush__batch(f, pager, FLUSH_COLD, &count));
        if (count > 0)
            continue;
        if (!something_in_flight(pager) && patience-- > 0) {
            TRY(fiber_sleep(f, PATIENCE_NS)); /* others unpin theirs, unless they all wait here */
            continue;
        }
        if (!something_in_flight(pager))
            return error_set(STATUS_OUT_OF_MEMORY,
                             "out of memory for pages: all %zu pages of %s are in use",
                             pager->frame_count, pager->name);
        TRY(condition_wait(f, &pager->progress));
    }
}

/* ---- the reserve ---- */

bool pager_reserve_ready(const struct pager *pager, unsigned count) {
    return pager->reserve_count >= count && page_map_ready(&pager->durable, count) &&
           page_map_ready(&pager->temporary, count) &&
           flush__space_ready(pager, (uint64_t)count * (PAGE_SIZE / PAGE_UNIT_SIZE));
}

static enum status reserve_once(struct fiber *f, struct pager *pager, unsigned count) {
    TRY(page_map_reserve(&pager->durable, count));
    TRY(page_map_reserve(&pager->temporary, count));
    TRY(flush__ensure_space(f, pager, (uint64_t)count * (PAGE_SIZE / PAGE_UNIT_SIZE)));
    while (pager->reserve_count < count) {
        struct frame *frame;
        TRY(pool__acquire(f, pager, PAGE_SIZE, &frame));
        if (pager->reserve_count >= RESERVE_MAX)
            pool__delete(pager, frame);
        else
            pager->reserve[pager->reserve_count++] = frame;
    }
    return STATUS_OK;
}

enum status pager_reserve(struct fiber *f, struct pager *pager, unsigned count) {
    ASSERT(count <= RESERVE_MAX);
    bool told = false;
    while (!pager_reserve_ready(pager, count)) {
        enum status status = reserve_once(f, pager, count);
        if (status == STATUS_DISK_FULL && pager->patience > 0) {
            if (!told)
                LOG(LOG_WARNING, "pager", "commits wait for room on the disk: %s",
                    error_current()->message);
            told = true;
            error_clear();
            status = fiber_sleep(f, ROOM_RETRY_NS);
        }
        TRY(status);
    }
    return STATUS_OK;
}

void pager_patience_begin(struct pager *pager) {
    pager->patience++;
}

void pager_patience_end(struct pager *pager) {
    ASSERT(pager->patience > 0);
    pager->patience--;
}

static uint64_t units_of(uint64_t bytes) {
    return (bytes + PAGE_UNIT_SIZE - 1) / PAGE_UNIT_SIZE;
}

bool pager_room_ready(const struct pager *pager, uint64_t bytes) {
    return flush__space_ready(pager, units_of(bytes));
}

enum status pager_room_make(struct fiber *f, struct pager *pager, uint64_t bytes) {
    return flush__ensure_space(f, pager, units_of(bytes));
}

void pager_unreserve(struct pager *pager) {
    while (pager->reserve_count > pager->reserve_keep)
        pool__delete(pager, pool__from_reserve(pager));
}

/* ---- upkeep ---- */

/* Cold frames should mostly be clean before somebody needs one. */
static bool cleaning_due(const struct pager *pager) {
    const size_t few = 4 * BATCH_PAGES;
    return pager->frame_count > few && pager->dirty_count > pager->frame_count / 4 &&
           page_budget_used(pager->share.budget) + (uint64_t)few * PAGE_SIZE >
               budget_size_max(pager->share.budget);
}

bool pager_maintenance_due(const struct pager *pager) {
    return budget_must_yield(&pager->share) || cleaning_due(pager) || shrink__due(pager);
}

enum status pager_maintain(struct fiber *f, struct pager *pager) {
    if (shrink__due(pager))
        TRY(shrink__step(f, pager));
    while (budget_must_yield(&pager->share) || cleaning_due(pager)) {
        if (budget_must_yield(&pager->share) && pool__evict_one(pager)) {
            TRY(fiber_check(f));
            continue;
        }
        unsigned count;
        TRY(flush__batch(f, pager, FLUSH_COLD, &count));
        if (count == 0)
            break;
    }
    return STATUS_OK;
}
