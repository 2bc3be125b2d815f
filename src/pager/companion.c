/*
 * Companions (pager.h): memory beside pages, as long as nobody needs it for pages.
 *
 * They come from the heap, since they are of any size, but count like frames. One that is not made
 * because the budget is spent is no loss to anybody but the one scan, so none is made by evicting
 * a page, and the first thing that goes when a frame is wanted is the oldest companion.
 */
#include "base/base_memory.h"
#include "pager/state.h"

void *pager_companion(const struct page *page) {
    return page->accompanied ? ((const struct frame *)page)->companion : NULL;
}

void companion__drop(struct pager *pager, struct frame *frame) {
    ASSERT(frame->page.accompanied);
    budget_heap_free(pager->share.budget, frame->companion, frame->companion_size);
    budget_give(&pager->share, frame->companion_size);
    pager->companion_bytes -= frame->companion_size;
    list_remove(&frame->companion_link);
    frame->companion = NULL;
    frame->page.accompanied = false;
}

bool companion__drop_one(struct pager *pager) {
    if (list_empty(&pager->companions))
        return false;
    struct frame *frame = CONTAINER_OF(pager->companions.next, struct frame, companion_link);
    companion__drop(pager, frame);
    return true;
}

void *pager_companion_make(struct pager *pager, struct page *page, uint32_t size) {
    struct frame *frame = (struct frame *)page;
    ASSERT(frame->pins > 0 && !frame->reading && size > 0);
    if (page->accompanied)
        companion__drop(pager, frame);
    if (frame->orphan || !budget_take_spare(&pager->share, size))
        return NULL;
    frame->companion = budget_heap_alloc(pager->share.budget, size);
    if (frame->companion == NULL) {
        budget_give(&pager->share, size);
        return NULL;
    }
    frame->companion_size = size;
    page->accompanied = true;
    pager->companion_bytes += size;
    list_push_back(&pager->companions, &frame->companion_link);
    return frame->companion;
}
