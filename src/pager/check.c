/* Read-only check of a pager: map against free space, then every image. */
#include "base/base_memory.h"
#include "pager/state.h"

struct checker {
    struct fiber *f;
    struct pager *pager;
    void (*report)(void *context, struct page_id id, uint64_t offset, const char *text);
    void *context;
    uint8_t *block;
};

/* The extent of an existing page's newest image; 0: none yet. */
static uint64_t extent_of(const struct pager *pager, uint64_t index) {
    uint64_t entry = *page_map_entry(&pager->durable, index);
    return (entry & MAP_TAG_MASK) == MAP_FRAME ? entry_frame(entry)->extent : entry;
}

/* Without suspension, so that the map stands still. */
static enum status check_space(struct checker *checker) {
    struct pager *pager = checker->pager;
    struct extents seen = {0};
    enum status status = extents_grow(&seen, pager->extents.unit_count);
    for (uint64_t index = 1; index < pager->durable.index_next && status == STATUS_OK; index++) {
        struct page_id id = {index};
        struct extent extent;
        if (!page_map_has(&pager->durable, index) || extent_of(pager, index) == 0)
            continue;
        if (!extent_decode(extent_of(pager, index), &extent))
            checker->report(checker->context, id, 0, "impossible place in the map");
        else if (!extents_all_used(&pager->extents, extent.offset, extent.units))
            checker->report(checker->context, id, extent.offset * PAGE_UNIT_SIZE,
                            "lies in free space");
        else if (!extents_mark_used(&seen, extent.offset, extent.units))
            checker->report(checker->context, id, extent.offset * PAGE_UNIT_SIZE,
                            "overlaps another page");
    }
    extents_release(&seen);
    return status;
}

static enum status check_image(struct checker *checker, uint64_t index) {
    struct pager *pager = checker->pager;
    struct page_id id = {index};
    struct extent extent;
    uint64_t bits = page_map_has(&pager->durable, index) ? extent_of(pager, index) : 0;
    if (bits == 0 || !extent_decode(bits, &extent))
        return STATUS_OK;
    uint64_t offset = extent.offset * PAGE_UNIT_SIZE;
    size_t size;
    TRY(file_read(checker->f, pager->file, checker->block, extent.size, offset, &size));
    if (!page_map_has(&pager->durable, index) || extent_of(pager, index) != bits)
        return STATUS_OK; /* written anew or freed meanwhile; that image is another matter */
    struct image image;
    const char *problem = size < extent.size ? "the file ends before it"
                                             : image_decode(checker->block, extent.size, &image);
    if (problem == NULL && image.id.value != index)
        problem = "it is another page";
    if (problem == NULL && (uint8_t)get_le64(checker->block) != extent.check)
        problem = "it is an older image";
    if (problem != NULL)
        checker->report(checker->context, id, offset, problem);
    return STATUS_OK;
}

enum status pager_check(struct fiber *f, struct pager *pager, bool images,
                        void (*report)(void *context, struct page_id id, uint64_t offset,
                                       const char *text),
                        void *context) {
    struct checker checker = {.f = f, .pager = pager, .report = report, .context = context};
    TRY(check_space(&checker));
    if (!images)
        return STATUS_OK;
    checker.block = memory_alloc_aligned(FILE_DIRECT_ALIGNMENT, PAGE_SIZE_MAX);
    if (checker.block == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory to check pages");
    enum status status = STATUS_OK;
    for (uint64_t index = 1; index < pager->durable.index_next && status == STATUS_OK; index++) {
        status = check_image(&checker, index);
        if (status == STATUS_OK)
            status = fiber_check(f);
    }
    memory_free(checker.block);
    return status;
}
