/*
 * Checkpoints. begin draws the cut: what is dirty now belongs to it (list `cut`), what changed
 * place since the last cut is written down at once; finish writes the cut's pages, syncs, and
 * publishes map changes, roots and the applied commit in one manifest append.
 *
 * An image of the cut is not fresh: from its publication on it must stay until the next one.
 *
 * A checkpoint may fail, and then be tried again:
 *
 *     before the manifest    nobody will find it. Pages of the cut are dirty as before, images that
 *                            were written for it are fresh
 *     at a sync of the       the same, and every image that is younger than the last checkpoint may
 *     page file              be lost although the system reads it and syncs without complaint:
 *                            the pages are written once more before the next cut (prepare)
 *     in the manifest        a crash may find it. Its images stay until another one is published,
 *                            which writes the manifest anew
 */
#include <string.h>

#include "base/base_chance.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "pager/state.h"

void checkpoint__record(struct pager *pager, struct page_id id, uint64_t extent) {
    struct manifest_checkpoint *content = &pager->cut_content;
    if (pager->cut_incomplete)
        return;
    ASSERT(content->map_count < content->map_capacity);
    content->map[content->map_count++] = (struct manifest_map_entry){id, extent};
}

/* Write down where one page of the map is, unless its image is still to be written. */
static void record_index(struct pager *pager, uint64_t index) {
    uint64_t entry = *page_map_entry(&pager->durable, index);
    struct page_id id = {index};
    switch (entry & MAP_TAG_MASK) {
    case MAP_FREE:
        if (!pager->cut_content.full)
            checkpoint__record(pager, id, 0);
        return;
    case MAP_EXTENT:
        checkpoint__record(pager, id, entry);
        return;
    default:
        break;
    }
    const struct frame *frame = entry_frame(entry);
    if (!frame->dirty && !frame->writing)
        checkpoint__record(pager, id, frame->extent);
}

static void record_changed(struct pager *pager) {
    const struct page_map *map = &pager->durable;
    for (size_t i = 0; i < map->chunk_count; i++) {
        for (size_t word = 0; word < MAP_CHUNK_PAGES / 64; word++) {
            for (uint64_t bits = map->chunks[i]->changed[word]; bits != 0; bits &= bits - 1)
                record_index(pager,
                             i * MAP_CHUNK_PAGES + word * 64 + (uint64_t)__builtin_ctzll(bits));
        }
    }
}

/* Memory for everything the cut can have to say. */
static bool prepare(struct pager *pager) {
    struct manifest_checkpoint *content = &pager->cut_content;
    content->full = manifest_outgrown(&pager->manifest, pager->durable.page_count) ||
                    by_chance("pager: a manifest is written anew");
    uint64_t entries =
        content->full ? pager->durable.page_count : page_map_changed_count(&pager->durable);
    if (!memory_grow(&content->map, &content->map_capacity,
                     entries + pager->dirty_count + BATCH_PAGES, sizeof *content->map))
        return false;
    content->roots_present = content->full || pager->roots_changed;
    if (!content->roots_present)
        return true;
    if (!memory_grow(&content->roots, &content->root_capacity, pager->root_count,
                     sizeof *content->roots))
        return false;
    for (size_t i = 0; i < pager->root_count; i++)
        content->roots[i] = (struct manifest_root){pager->roots[i].tree, pager->roots[i].root};
    content->root_count = pager->root_count;
    return true;
}

/* Images in flight hold the content at the cut unless the page changed since they were staged. */
static void adopt_in_flight(struct pager *pager) {
    for (unsigned i = 0; i < pager->batch_count; i++) {
        struct batch_item *item = &pager->batch[i];
        const struct frame *frame = item->frame;
        if (!frame->page.temporary && !frame->orphan && !frame->dirty)
            item->cut = true;
    }
}

void pager_checkpoint_begin(struct pager *pager, struct commit_number applied) {
    ASSERT(!pager->checkpoint_running && !pager->images_doubtful);
    ASSERT(applied.value >= pager->applied.value);
    pager->checkpoint_running = true;
    pager->cut_incomplete = !prepare(pager);
    pager->cut_content.applied = applied;
    pager->cut_content.page_id_end = pager->durable.index_next;
    if (pager->cut_content.full) {
        for (uint64_t index = 1; index < pager->durable.index_next; index++)
            record_index(pager, index);
    } else {
        record_changed(pager);
    }
    adopt_in_flight(pager);
    ASSERT(list_empty(&pager->cut));
    LIST_FOR_SAFE (&pager->dirty, node) {
        struct frame *frame = CONTAINER_OF(node, struct frame, dirty_link);
        if (frame->page.temporary)
            continue;
        ASSERT(!frame->orphan);
        frame->cut = true;
        list_remove(node);
        list_push_back(&pager->cut, node);
    }
    extents_cut(&pager->extents);
    shrink__note_cut(pager);
    page_map_changed_cut(&pager->durable);
    pager->roots_changed = false;
}

/* ---- the end, good or bad ---- */

static enum status write_and_publish(struct fiber *f, struct pager *pager) {
    unsigned count;
    do { /* the last round finds nothing, but waits for a batch in flight */
        TRY(flush__batch(f, pager, FLUSH_CUT, &count));
    } while (count > 0);
    if (pager->cut_incomplete)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory for a checkpoint of %s", pager->name);
    ASSERT(list_empty(&pager->cut));
    enum status status = file_sync(f, pager->file);
    pager->images_doubtful = status != STATUS_OK;
    TRY(status);
    return manifest_publish(f, &pager->manifest, &pager->cut_content);
}

/* Pages of the cut without an image are dirty like any other; what only the cut needed goes. */
static void disband_cut(struct pager *pager) {
    LIST_FOR_SAFE (&pager->cut, node) {
        struct frame *frame = CONTAINER_OF(node, struct frame, dirty_link);
        ASSERT(!frame->writing);
        pool__clear_dirty(pager, frame);
        if (!frame->orphan) {
            pool__set_dirty(pager, frame, false);
            continue;
        }
        if (frame->ghost != NULL)
            frame->ghost->ghost = NULL;
        frame->ghost = NULL;
        pool__orphan_settle(pager, frame);
    }
}

/* What is in no checkpoint that a crash could find is fresh again. */
static void refresh(struct pager *pager) {
    for (uint64_t index = 1; index < pager->durable.index_next; index++) {
        if (!page_map_changed(&pager->durable, index) || !page_map_has(&pager->durable, index))
            continue;
        uint64_t entry = *page_map_entry(&pager->durable, index);
        struct extent extent;
        if ((entry & MAP_TAG_MASK) == MAP_FRAME)
            entry = entry_frame(entry)->extent;
        if (entry != 0 && extent_decode(entry, &extent))
            extents_set_fresh(&pager->extents, extent.offset);
    }
}

static void abandon(struct fiber *f, struct pager *pager) {
    struct error failure = *error_current();
    enum status status = fiber_mutex_lock(f, &pager->flush_lock); /* no batch is in flight */
    ASSERT(status == STATUS_OK);
    *error_current() = failure;
    disband_cut(pager);
    extents_uncut(&pager->extents);
    page_map_changed_uncut(&pager->durable);
    if (!pager->manifest.doubtful)
        refresh(pager);
    pager->roots_changed = true;
    pager->checkpoint_running = pager->cut_incomplete = false;
    manifest_checkpoint_release(&pager->cut_content);
    shrink__note_failure(pager);
    fiber_mutex_unlock(f, &pager->flush_lock);
    pool__wake(pager);
}

enum status pager_checkpoint_finish(struct fiber *f, struct pager *pager) {
    ASSERT(pager->checkpoint_running);
    fiber_shield(f);
    enum status status = write_and_publish(f, pager);
    pager->checkpoint_failed = status != STATUS_OK;
    if (status == STATUS_OK)
        manifest_reserve(f, &pager->manifest, pager->durable.page_count, pager->root_count);
    else
        abandon(f, pager);
    fiber_unshield(f);
    TRY(status);
    extents_publish(&pager->extents);
    page_map_changed_publish(&pager->durable);
    pager->applied = pager->cut_content.applied;
    pager->checkpoints++;
    manifest_checkpoint_release(&pager->cut_content);
    pager->checkpoint_running = false;
    shrink__published(f, pager);
    return STATUS_OK;
}

struct commit_number pager_checkpoint_applied(const struct pager *pager) {
    return pager->applied;
}

/* ---- after a failed sync ---- */

/* Read the page's image, if that is what there is of it, and see to it that it is written again. */
static enum status write_again(struct fiber *f, struct pager *pager, struct page_id id) {
    struct page *page;
    enum status status = pager_fetch(f, pager, id, &page);
    if (status != STATUS_OK && !page_map_has(&pager->durable, id.value)) {
        error_clear(); /* it was freed meanwhile */
        return STATUS_OK;
    }
    if (status == STATUS_DATA_CORRUPTED)
        log_fatal("pager", "a failed sync has lost what was written: %s", error_current()->message);
    TRY(status);
    struct frame *frame = (struct frame *)page;
    if (!frame->dirty && !frame->writing)
        pool__set_dirty(pager, frame, false);
    pager_unpin(pager, page);
    return STATUS_OK;
}

enum status pager_checkpoint_prepare(struct fiber *f, struct pager *pager) {
    if (!pager->images_doubtful)
        return STATUS_OK;
    TRY(fiber_mutex_lock(f, &pager->flush_lock)); /* what was in flight then has arrived */
    fiber_mutex_unlock(f, &pager->flush_lock);
    for (uint64_t index = 1; index < pager->durable.index_next; index++) {
        if (!page_map_has(&pager->durable, index) || !page_map_changed(&pager->durable, index))
            continue;
        TRY(write_again(f, pager, (struct page_id){index}));
        TRY(fiber_check(f));
    }
    TRY(flush__ensure_space(f, pager, 0));
    pager->images_doubtful = false;
    return STATUS_OK;
}
