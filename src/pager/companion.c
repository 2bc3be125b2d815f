/*
 * Companions and notes (pager.h): memory beside pages, as long as nobody needs it for pages.
 *
 * They come from the heap, since they are of any size, but count like frames. One that is not made
 * because the budget is spent is no loss to anybody but the one scan, so none is made by evicting
 * a page, and the first thing that goes when a frame is wanted is the oldest one.
 */
#include "base/base_memory.h"
#include "pager/state.h"

/* In front of the bytes. */
struct spare {
    _Alignas(64) struct list link; /* in companions */
    struct frame *frame;           /* NULL: a note */
    void **place;                  /* points to the bytes */
    uint32_t size;                 /* with this */
};

static struct spare *spare_of(void *bytes) {
    return (struct spare *)bytes - 1;
}

static void *spare_make(struct pager *pager, struct frame *frame, void **place, uint32_t size) {
    size += (uint32_t)sizeof(struct spare);
    if (!budget_take_spare(&pager->share, size))
        return NULL;
    struct spare *spare = budget_heap_alloc(pager->share.budget, size);
    if (spare == NULL) {
        budget_give(&pager->share, size);
        return NULL;
    }
    spare->frame = frame;
    spare->place = place;
    spare->size = size;
    list_push_back(&pager->companions, &spare->link);
    pager->companion_bytes += size - sizeof *spare;
    return *place = spare + 1;
}

static void spare_drop(struct pager *pager, struct spare *spare) {
    uint32_t size = spare->size;
    *spare->place = NULL;
    if (spare->frame != NULL)
        spare->frame->page.accompanied = false;
    list_remove(&spare->link);
    pager->companion_bytes -= size - sizeof *spare;
    budget_heap_free(pager->share.budget, spare, size);
    budget_give(&pager->share, size);
}

void *pager_companion(const struct page *page) {
    return page->accompanied ? ((const struct frame *)page)->companion : NULL;
}

void companion__drop(struct pager *pager, struct frame *frame) {
    ASSERT(frame->page.accompanied);
    spare_drop(pager, spare_of(frame->companion));
}

bool companion__drop_one(struct pager *pager) {
    if (list_empty(&pager->companions))
        return false;
    spare_drop(pager, CONTAINER_OF(pager->companions.next, struct spare, link));
    return true;
}

void *pager_companion_make(struct pager *pager, struct page *page, uint32_t size) {
    struct frame *frame = (struct frame *)page;
    ASSERT(frame->pins > 0 && !frame->reading && size > 0);
    if (page->accompanied)
        companion__drop(pager, frame);
    if (frame->orphan || spare_make(pager, frame, &frame->companion, size) == NULL)
        return NULL;
    page->accompanied = true;
    return frame->companion;
}

bool pager_has_spare(struct pager *pager, uint64_t bytes) {
    if (!budget_take_spare(&pager->share, bytes))
        return false;
    budget_give(&pager->share, bytes);
    return true;
}

void *pager_note_make(struct pager *pager, void **note, uint32_t size) {
    if (*note != NULL)
        pager_note_drop(pager, note);
    return spare_make(pager, NULL, note, size);
}

void pager_note_drop(struct pager *pager, void **note) {
    spare_drop(pager, spare_of(*note));
}
