/* Writing pages: batches of images, one in flight at a time; room in the file. */
#include <string.h>

#include "base/base_chance.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "pager/state.h"

/* ---- room in the file ---- */

bool flush__space_ready(const struct pager *pager, uint64_t units) {
    return pager->extents.free_count >= pager->units_owed + units;
}

static enum status grow_to(struct fiber *f, struct pager *pager, uint64_t units) {
    if (pager->file_units_max > 0 && units > pager->file_units_max) {
        error_set(STATUS_DISK_FULL, "could not extend file \"%s\": limit of %llu bytes reached",
                  pager->path_pages, (unsigned long long)(pager->file_units_max * PAGE_UNIT_SIZE));
        error_hint("Check free disk space.");
        return STATUS_DISK_FULL;
    }
    TRY(fiber_mutex_lock(f, &pager->size_lock));
    enum status status = STATUS_OK;
    if (units > pager->extents.unit_count)
        status = file_allocate(f, pager->file, units * PAGE_UNIT_SIZE);
    if (status == STATUS_DISK_FULL) { /* what was got of it is better used by others */
        struct error failure = *error_current();
        if (file_truncate(f, pager->file, pager->extents.unit_count * PAGE_UNIT_SIZE) != STATUS_OK)
            LOG(LOG_WARNING, "pager", "%s", error_current()->message);
        *error_current() = failure;
    }
    if (status == STATUS_OK && units > pager->extents.unit_count)
        status = extents_grow(&pager->extents, units);
    fiber_mutex_unlock(f, &pager->size_lock);
    return status;
}

/* Grow by at least `units`, generously if the disk allows. */
static enum status grow(struct fiber *f, struct pager *pager, uint64_t units) {
    uint64_t size = pager->extents.unit_count;
    uint64_t step = size / 8;
    if (step < FILE_GROWTH_MIN / PAGE_UNIT_SIZE)
        step = FILE_GROWTH_MIN / PAGE_UNIT_SIZE;
    if (step > FILE_GROWTH_MAX / PAGE_UNIT_SIZE)
        step = FILE_GROWTH_MAX / PAGE_UNIT_SIZE;
    uint64_t least = (size + units + 63) & ~63ull; /* keeps aligned runs possible */
    uint64_t most = (size + units + step) & ~63ull;
    if (most > least && grow_to(f, pager, most) == STATUS_OK)
        return STATUS_OK;
    return grow_to(f, pager, least);
}

enum status flush__ensure_space(struct fiber *f, struct pager *pager, uint64_t units) {
    while (!flush__space_ready(pager, units))
        TRY(grow(f, pager, pager->units_owed + units - pager->extents.free_count));
    return STATUS_OK;
}

/* ---- extents that end their lives ---- */

void flush__drop_extent(struct pager *pager, uint64_t bits, bool temporary) {
    if (bits == 0)
        return;
    struct extent extent;
    bool good = extent_decode(bits, &extent);
    ASSERT(good);
    if (temporary || extents_fresh(&pager->extents, extent.offset))
        extents_free(&pager->extents, extent.offset, extent.units);
    else
        extents_defer(&pager->extents, extent.offset, extent.units);
}

void flush__drop_extent_of_cut(struct pager *pager, uint64_t bits) {
    if (bits == 0)
        return;
    struct extent extent;
    bool good = extent_decode(bits, &extent);
    ASSERT(good);
    if (extents_fresh(&pager->extents, extent.offset))
        extents_free(&pager->extents, extent.offset, extent.units);
    else
        extents_defer_to_publication(&pager->extents, extent.offset, extent.units);
}

/* ---- a batch ---- */

static unsigned select_frames(struct pager *pager, enum flush_source source,
                              struct frame **frames) {
    if (source == FLUSH_COLD)
        return pool__cold_dirty(pager, frames);
    unsigned count = 0;
    LIST_FOR (&pager->cut, node) {
        if (count == BATCH_PAGES || (count > 0 && by_chance("pager: a batch of few pages")))
            break;
        struct frame *frame = CONTAINER_OF(node, struct frame, dirty_link);
        if (!frame->writing)
            frames[count++] = frame;
    }
    return count;
}

static bool buffer_ensure(struct pager *pager, size_t size) {
    if (size <= pager->write_buffer_size)
        return true;
    uint8_t *buffer = memory_alloc_aligned(FILE_DIRECT_ALIGNMENT, size);
    if (buffer == NULL)
        return false;
    memory_free(pager->write_buffer);
    pager->write_buffer = buffer;
    pager->write_buffer_size = size;
    return true;
}

/* Give frames places in the file; a run for all of them if there is one. Returns how many got
   one. */
static unsigned place(struct pager *pager, struct frame **frames, unsigned count,
                      uint64_t *offsets) {
    uint64_t run;
    bool all_pages = count == BATCH_PAGES;
    for (unsigned i = 0; i < count; i++)
        all_pages &= frames[i]->size == PAGE_SIZE;
    if (all_pages && extents_take(&pager->extents, BATCH_SIZE / PAGE_UNIT_SIZE, &run)) {
        for (unsigned i = 0; i < count; i++)
            offsets[i] = run + i * (PAGE_SIZE / PAGE_UNIT_SIZE);
        return count;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!extents_take(&pager->extents, frames[i]->size / PAGE_UNIT_SIZE, &offsets[i]))
            return i;
    }
    return count;
}

/* Copy the frame into the write buffer as a finished image; from here on it may change again. */
static void stage(struct pager *pager, struct frame *frame, uint64_t offset, uint8_t *image) {
    memcpy(image, frame->block, frame->size);
    struct image header = {
        .id = frame->page.id,
        .size = frame->size,
        .stored_size = frame->size,
        .lifetime = frame->page.temporary ? IMAGE_TEMPORARY : IMAGE_DURABLE,
        .encoding = IMAGE_PLAIN,
    };
    uint64_t checksum = image_encode(&header, image);
    struct extent extent = {
        .offset = offset,
        .units = frame->size / PAGE_UNIT_SIZE,
        .size = frame->size,
        .check = (uint8_t)checksum,
    };
    ASSERT(offset <= EXTENT_OFFSET_MAX);
    pager->batch[pager->batch_count++] = (struct batch_item){
        .frame = frame,
        .extent = extent_encode(&extent),
        .image = image,
        .size = frame->size,
        .cut = frame->cut,
    };
    pool__clear_dirty(pager, frame);
    frame->writing = true;
}

static enum status write_runs(struct fiber *f, struct pager *pager) {
    for (unsigned i = 0; i < pager->batch_count;) {
        struct extent first, next;
        extent_decode(pager->batch[i].extent, &first);
        uint32_t size = pager->batch[i].size;
        unsigned end = i + 1;
        while (end < pager->batch_count && extent_decode(pager->batch[end].extent, &next) &&
               next.offset == first.offset + size / PAGE_UNIT_SIZE)
            size += pager->batch[end++].size;
        TRY(file_write(f, pager->file, pager->batch[i].image, size, first.offset * PAGE_UNIT_SIZE,
                       FILE_WRITE_PLAIN));
        pager->writes += end - i;
        i = end;
    }
    return STATUS_OK;
}

/* The image of a page of the cut is in the file. */
static void finish_cut_image(struct pager *pager, struct batch_item *item) {
    struct frame *frame = item->frame;
    checkpoint__record(pager, frame->page.id, item->extent);
    page_map_set_changed_in_cut(&pager->durable, page_index(frame->page.id));
    if (!frame->orphan) {
        flush__drop_extent_of_cut(pager, frame->extent);
        frame->extent = item->extent;
    } else if (frame->ghost != NULL) {
        /* The page changed after the cut but has no newer image: this one is its newest. */
        ASSERT(frame->ghost->extent == 0 && frame->ghost->dirty);
        frame->ghost->extent = item->extent;
        frame->ghost->ghost = NULL;
        frame->ghost = NULL;
    } else {
        struct extent extent;
        extent_decode(item->extent, &extent);
        extents_defer(&pager->extents, extent.offset, extent.units);
    }
}

static void finish_image(struct pager *pager, struct batch_item *item) {
    struct frame *frame = item->frame;
    struct extent extent;
    extent_decode(item->extent, &extent);
    if (frame->orphan) {
        extents_free(&pager->extents, extent.offset, extent.units);
        return;
    }
    flush__drop_extent(pager, frame->extent, frame->page.temporary);
    frame->extent = item->extent;
    if (frame->page.temporary)
        return;
    extents_set_fresh(&pager->extents, extent.offset);
    page_map_set_changed(&pager->durable, page_index(frame->page.id));
    if (frame->ghost != NULL) {
        frame->ghost->ghost = NULL;
        frame->ghost = NULL;
    }
}

static void undo_image(struct pager *pager, struct batch_item *item) {
    struct frame *frame = item->frame;
    struct extent extent;
    extent_decode(item->extent, &extent);
    extents_free(&pager->extents, extent.offset, extent.units);
    if (frame->orphan && !item->cut)
        return;
    if (!frame->dirty)
        pool__set_dirty(pager, frame, item->cut);
    else if (item->cut)
        pager->cut_incomplete = true; /* the content at the cut is gone */
}

static void finish_batch(struct pager *pager, bool written) {
    for (unsigned i = 0; i < pager->batch_count; i++) {
        struct batch_item *item = &pager->batch[i];
        item->frame->writing = false;
        if (!written)
            undo_image(pager, item);
        else if (item->cut)
            finish_cut_image(pager, item);
        else
            finish_image(pager, item);
        if (item->frame->orphan)
            pool__orphan_settle(pager, item->frame);
    }
    pager->batch_count = 0;
}

static enum status write_batch(struct fiber *f, struct pager *pager, enum flush_source source,
                               unsigned *count_out) {
    struct frame *frames[BATCH_PAGES];
    uint64_t offsets[BATCH_PAGES];
    unsigned count, placed;
    size_t size;
    for (;;) {
        count = select_frames(pager, source, frames);
        *count_out = count;
        if (count == 0)
            return STATUS_OK;
        size = 0;
        for (unsigned i = 0; i < count; i++) {
            if (i > 0 && size + frames[i]->size > BATCH_SIZE)
                count = i;
            else
                size += frames[i]->size;
        }
        if (!buffer_ensure(pager, size > BATCH_SIZE ? size : BATCH_SIZE))
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory to write pages");
        placed = place(pager, frames, count, offsets);
        if (placed > 0)
            break;
        TRY(grow(f, pager, frames[0]->size / PAGE_UNIT_SIZE));
    }
    shrink__note_take(pager);
    *count_out = placed;
    ASSERT(pager->batch_count == 0);
    uint8_t *image = pager->write_buffer;
    for (unsigned i = 0; i < placed; i++) {
        stage(pager, frames[i], offsets[i], image);
        image += frames[i]->size;
    }
    enum status status = write_runs(f, pager);
    finish_batch(pager, status == STATUS_OK);
    return status;
}

enum status flush__batch(struct fiber *f, struct pager *pager, enum flush_source source,
                         unsigned *count_out) {
    if (!fiber_mutex_try_lock(f, &pager->flush_lock)) {
        uint64_t writes = pager->writes;
        TRY(fiber_mutex_lock(f, &pager->flush_lock));
        /* Somebody wrote a batch meanwhile: that may do. (It may have been nobody: those who wait
           here hand the lock on from one to the next.) */
        if (source == FLUSH_COLD && pager->writes != writes) {
            fiber_mutex_unlock(f, &pager->flush_lock);
            *count_out = 1;
            return STATUS_OK;
        }
    }
    fiber_shield(f);
    enum status status = write_batch(f, pager, source, count_out);
    fiber_unshield(f);
    fiber_mutex_unlock(f, &pager->flush_lock);
    pool__wake(pager);
    return status;
}
