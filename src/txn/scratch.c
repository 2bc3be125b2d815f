/* Temporary pages for statements that hold more than they may. */
#include "txn/txn_scratch.h"

#include <string.h>

#include "txn/store.h"

uint32_t scratch_capacity(uint32_t image_size) {
    ASSERT(image_size >= PAGE_SIZE_MIN && image_size <= PAGE_SIZE_MAX &&
           (image_size & (image_size - 1)) == 0);
    return image_size - PAGE_HEADER_SIZE;
}

struct scratch_step {
    uint32_t image_size;
    struct slice bytes;
    void *target;
    struct page_id page;
    const struct page_id *pages;
    size_t page_count;
};

static enum status write_here(struct fiber *f, struct partition *partition, void *argument) {
    struct scratch_step *step = argument;
    struct page *page;
    TRY(pager_allocate(f, partition->pager, PAGE_TEMPORARY, step->image_size, &page));
    ASSERT(step->bytes.size <= page->size);
    if (step->bytes.size > 0)
        memcpy(page->data, step->bytes.data, step->bytes.size);
    step->page = page->id;
    pager_unpin(partition->pager, page);
    return STATUS_OK;
}

enum status scratch_write(struct fiber *f, struct store *store, unsigned partition,
                          uint32_t image_size, struct slice bytes, struct page_id *page_out) {
    struct scratch_step step = {.image_size = image_size, .bytes = bytes};
    TRY(partition_call(f, store, partition, write_here, &step));
    atomic_fetch_add_explicit(&store->scratch_pages, 1, memory_order_relaxed);
    *page_out = step.page;
    return STATUS_OK;
}

static enum status read_here(struct fiber *f, struct partition *partition, void *argument) {
    struct scratch_step *step = argument;
    struct page *page;
    TRY(pager_fetch(f, partition->pager, step->page, &page));
    ASSERT(step->bytes.size <= page->size);
    memcpy(step->target, page->data, step->bytes.size);
    pager_unpin(partition->pager, page);
    return STATUS_OK;
}

enum status scratch_read(struct fiber *f, struct store *store, unsigned partition,
                         struct page_id page, void *bytes, uint32_t size) {
    struct scratch_step step = {.page = page, .target = bytes, .bytes = slice_of(bytes, size)};
    return partition_call(f, store, partition, read_here, &step);
}

static enum status free_here(struct fiber *f, struct partition *partition, void *argument) {
    const struct scratch_step *step = argument;
    (void)f;
    for (size_t i = 0; i < step->page_count; i++)
        pager_free(partition->pager, step->pages[i]);
    return STATUS_OK;
}

void scratch_free(struct fiber *f, struct store *store, unsigned partition,
                  const struct page_id *pages, size_t count) {
    struct scratch_step step = {.pages = pages, .page_count = count};
    fiber_shield(f);
    enum status status = partition_call(f, store, partition, free_here, &step);
    fiber_unshield(f);
    ASSERT(status == STATUS_OK);
    atomic_fetch_sub_explicit(&store->scratch_pages, count, memory_order_relaxed);
}
