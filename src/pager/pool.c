/*
 * The buffer pool of one pager: frames, the clock (Corbato 1968, one reference bit), the reserve.
 */
#include <string.h>

#include "base/base_memory.h"
#include "pager/state.h"

enum { COLD_DIRTY_MAX = 64 /* met by the hand before it is better to write some */ };

struct frame *pool__try_new(struct pager *pager, uint32_t size) {
    if (!budget_take(&pager->share, size))
        return NULL;
    struct frame *frame = NULL;
    if (memory_grow(&pager->frames, &pager->frame_capacity, pager->frame_total + 1,
                    sizeof *pager->frames))
        frame = memory_alloc_aligned(64, sizeof *frame);
    if (frame != NULL) {
        memset(frame, 0, sizeof *frame);
        frame->block = budget_block_alloc(pager->share.budget, size);
        if (frame->block == NULL) {
            memory_free(frame);
            frame = NULL;
        }
    }
    if (frame == NULL) {
        budget_give(&pager->share, size);
        return NULL;
    }
    frame->size = size;
    frame->page.data = frame->block + PAGE_HEADER_SIZE;
    frame->page.size = size - PAGE_HEADER_SIZE;
    pager->frame_total++;
    return frame;
}

void pool__delete(struct pager *pager, struct frame *frame) {
    ASSERT(frame->pins == 0 && !frame->dirty && !frame->reading && !frame->writing);
    uint32_t size = frame->size;
    budget_block_free(pager->share.budget, frame->block, size);
    memory_free(frame);
    pager->frame_total--;
    budget_give(&pager->share, size);
}

void pool__release(struct pager *pager, struct frame *frame) {
    ASSERT(frame->pins == 0 && !frame->dirty && !frame->reading && !frame->writing);
    if (frame->size != PAGE_SIZE || pager->reserve_count >= pager->reserve_keep) {
        pool__delete(pager, frame);
        return;
    }
    frame->referenced = frame->orphan = false;
    frame->extent = 0;
    frame->ghost = NULL;
    pager->reserve[pager->reserve_count++] = frame;
}

struct frame *pool__from_reserve(struct pager *pager) {
    return pager->reserve_count > 0 ? pager->reserve[--pager->reserve_count] : NULL;
}

void pool__install(struct pager *pager, struct frame *frame, struct page_id id) {
    ASSERT(frame->pins == 0 && pager->frame_count < pager->frame_capacity);
    frame->page.id = id;
    frame->page.temporary = page_is_temporary(id);
    frame->page.proven = false;
    frame->pins = 1;
    frame->referenced = true;
    frame->clock_index = (uint32_t)pager->frame_count;
    pager->frames[pager->frame_count++] = frame;
    *page_map_entry(map_of(pager, frame->page.temporary), page_index(id)) = frame_entry(frame);
}

void pool__clock_remove(struct pager *pager, struct frame *frame) {
    ASSERT(pager->frames[frame->clock_index] == frame);
    struct frame *last = pager->frames[--pager->frame_count];
    pager->frames[frame->clock_index] = last;
    last->clock_index = frame->clock_index;
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

bool pool__evict_one(struct pager *pager) {
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
    if (budget_must_yield(&pager->share))
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

enum status pager_reserve(struct fiber *f, struct pager *pager, unsigned count) {
    ASSERT(count <= RESERVE_MAX);
    while (!pager_reserve_ready(pager, count)) {
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
    }
    return STATUS_OK;
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
