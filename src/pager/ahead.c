/* Reading ahead (pager.h). What it may cost, and what becomes of such chunks, says pool.c. */
#include "base/base_chance.h"
#include "pager/state.h"

enum page_ahead pager_read_ahead(struct pager *pager, struct page_id id, struct page **page_out) {
    const struct page_map *map = map_of(pager, page_is_temporary(id));
    uint64_t index = page_index(id);
    struct extent extent;
    *page_out = NULL;
    if (!page_map_has(map, index))
        return PAGE_DECLINED;
    uint64_t entry = *page_map_entry(map, index);
    if ((entry & MAP_TAG_MASK) == MAP_FRAME) {
        struct frame *frame = entry_frame(entry);
        if (frame->chunk == CHUNK_AHEAD || frame->reading)
            return PAGE_COMING;
        if (!by_chance("pager: a chunk has gone when it is asked for") ||
            !pool__evict_chunk(pager, frame))
            return PAGE_HERE;
        entry = *page_map_entry(map, index);
    }
    extent_decode(entry, &extent);
    if (page_is_temporary(id) || by_chance("pager: a page is not read ahead"))
        return PAGE_DECLINED;
    struct frame *frame = pool__try_ahead(pager, extent.size);
    if (frame == NULL)
        return PAGE_DECLINED;
    pager__read_begin(pager, id, entry, frame);
    if (frame->chunk != CHUNK_NOT)
        pool__set_ahead(pager, frame);
    pager->ahead_reading++;
    pager->reads_ahead++;
    *page_out = &frame->page;
    return PAGE_BEGUN;
}

static void ended(struct pager *pager) {
    ASSERT(pager->ahead_reading > 0);
    pager->ahead_reading--;
    pool__wake(pager);
}

void pager_read_ahead_finish(struct fiber *f, struct pager *pager, struct page *page) {
    ASSERT(((struct frame *)page)->reading);
    if (pager__read_end(f, pager, (struct frame *)page) == STATUS_OK)
        pager_unpin(pager, page);
    else
        error_clear();
    ended(pager);
}

void pager_read_ahead_cancel(struct pager *pager, struct page *page) {
    struct frame *frame = (struct frame *)page;
    ASSERT(frame->reading && !frame->orphan);
    pager__read_undo(pager, frame);
    ended(pager);
}

uint64_t pager_reads(const struct pager *pager) {
    return pager->reads;
}

bool pager_read_ahead_room(const struct pager *pager) {
    return pager->chunks[CHUNK_AHEAD].bytes < pool__ahead_max(pager);
}

void ahead__wait(struct fiber *f, struct pager *pager) {
    while (pager->ahead_reading > 0) {
        enum status status = condition_wait(f, &pager->progress);
        ASSERT(status == STATUS_OK);
    }
}
