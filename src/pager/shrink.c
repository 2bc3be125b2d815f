/*
 * Giving space back: the file's end is emptied and cut off.
 *
 *     due        more is free than what the last two checkpoints needed, and a reserve
 *     move       images behind the target are copied to free places in front of it, a few MiB at a
 *                time, past the pool; the map learns of it as if the page had been written
 *     publish    the next checkpoint has the new places; the old ones are free
 *     cut off    what is behind the last used unit, down to the target
 *
 * A page that is dirty goes to a low place by itself when it is written; temporary pages end by
 * themselves. A pass that could not make the file much shorter (they lie in the way, or no free run
 * is long enough) is not repeated for a while.
 */
#include "base/base_log.h"
#include "base/base_memory.h"
#include "pager/state.h"

enum {
    STEP_UNITS = (4 << 20) / PAGE_UNIT_SIZE, /* moved in one step */
    SLACK_UNITS = (1 << 20) / PAGE_UNIT_SIZE,
    SLACK_SHARE = 16, /* of what is used: that much more stays free */
};
static const int64_t IDLE_NS = INT64_C(5000000000);
static const int64_t RETRY_NS = INT64_C(300000000000);

/* ---- when ------------------------------------------------------------------------------------ */

void shrink__note_take(struct pager *pager) {
    struct shrink *shrink = &pager->shrink;
    if (pager->extents.free_count < shrink->free_low[0])
        shrink->free_low[0] = pager->extents.free_count;
    shrink->taken_ns = clock_monotonic_ns();
}

void shrink__note_cut(struct pager *pager) {
    struct shrink *shrink = &pager->shrink;
    shrink->cut_off_due = shrink->cut_off;
    shrink->cut_off = 0;
    shrink->publish = false;
}

void shrink__note_failure(struct pager *pager) {
    struct shrink *shrink = &pager->shrink;
    if (shrink->cut_off == 0)
        shrink->cut_off = shrink->cut_off_due;
    shrink->cut_off_due = 0;
    shrink->publish = shrink->cut_off > 0;
}

/* Units that nobody needs; `low`: least units that were free lately. */
static uint64_t surplus(const struct pager *pager, uint64_t low) {
    const struct extents *extents = &pager->extents;
    uint64_t used = extents->unit_count - extents->free_count;
    uint64_t keep = pager->units_owed + used / SLACK_SHARE + SLACK_UNITS;
    low = low < extents->free_count ? low : extents->free_count;
    return low > keep ? low - keep : 0;
}

static uint64_t free_low(const struct pager *pager) {
    const struct shrink *shrink = &pager->shrink;
    if (clock_monotonic_ns() - shrink->taken_ns > IDLE_NS)
        return pager->extents.free_count;
    return shrink->free_low[0] < shrink->free_low[1] ? shrink->free_low[0] : shrink->free_low[1];
}

bool shrink__due(const struct pager *pager) {
    const struct shrink *shrink = &pager->shrink;
    if (shrink->target > 0)
        return true;
    if (pager->untended || shrink->publish || pager->checkpoint_failed ||
        clock_monotonic_ns() < shrink->retry_ns)
        return false;
    uint64_t used = pager->extents.unit_count - pager->extents.free_count;
    return surplus(pager, free_low(pager)) > used / SLACK_SHARE + SLACK_UNITS;
}

bool pager_checkpoint_wanted(const struct pager *pager) {
    return pager->shrink.publish;
}

/* ---- moving ---------------------------------------------------------------------------------- */

/* Where page `index` lies, if its image may be moved: it is not about to be written anyway. */
static uint64_t movable(const struct pager *pager, uint64_t index) {
    uint64_t entry = *page_map_entry(&pager->durable, index);
    if ((entry & MAP_TAG_MASK) == MAP_EXTENT)
        return entry;
    if ((entry & MAP_TAG_MASK) != MAP_FRAME)
        return 0;
    const struct frame *frame = entry_frame(entry);
    bool moves = frame->dirty || frame->writing || frame->reading || frame->ghost != NULL;
    return moves ? 0 : frame->extent;
}

/* The copy is in the file: if the page still lies where it was, it lies there now. */
static void settle(struct pager *pager, uint64_t index, uint64_t old, const struct extent *to) {
    if (!page_map_has(&pager->durable, index) || movable(pager, index) != old) {
        extents_free(&pager->extents, to->offset, to->units);
        return;
    }
    uint64_t *entry = page_map_entry(&pager->durable, index);
    if ((*entry & MAP_TAG_MASK) == MAP_FRAME)
        entry_frame(*entry)->extent = extent_encode(to);
    else
        *entry = extent_encode(to);
    extents_set_fresh(&pager->extents, to->offset);
    page_map_set_changed(&pager->durable, index);
    flush__drop_extent(pager, old, false);
}

/* *moved_out 0: there is no place for it in front of the target. */
static enum status move(struct fiber *f, struct pager *pager, uint64_t index, uint64_t old,
                        uint8_t *block, uint32_t *moved_out) {
    struct extent from, to;
    extent_decode(old, &from);
    to = from;
    *moved_out = 0;
    if (!flush__space_ready(pager, from.units) ||
        !extents_take(&pager->extents, from.units, &to.offset))
        return STATUS_OK;
    if (to.offset + to.units > pager->shrink.target) {
        extents_free(&pager->extents, to.offset, to.units);
        return STATUS_OK;
    }
    *moved_out = from.units;
    enum status status = file_read_exact(f, pager->file, block, (size_t)from.units * PAGE_UNIT_SIZE,
                                         from.offset * PAGE_UNIT_SIZE);
    bool same = page_map_has(&pager->durable, index) && movable(pager, index) == old;
    if (status == STATUS_OK && same)
        status = pager__verify(pager, (struct page_id){index}, old, block);
    if (status == STATUS_OK && same)
        status = file_write(f, pager->file, block, (size_t)from.units * PAGE_UNIT_SIZE,
                            to.offset * PAGE_UNIT_SIZE, FILE_WRITE_PLAIN);
    if (status == STATUS_OK)
        settle(pager, index, old, &to);
    else
        extents_free(&pager->extents, to.offset, to.units);
    return status;
}

/* Go on through the map until enough is moved; the pass ends at the map's end. */
static enum status move_some(struct fiber *f, struct pager *pager, uint8_t *block, uint64_t units) {
    struct shrink *shrink = &pager->shrink;
    while (units > 0 && shrink->next < pager->durable.index_next) {
        uint64_t index = shrink->next++;
        struct extent extent;
        uint64_t bits = movable(pager, index);
        if (bits == 0 || !extent_decode(bits, &extent) ||
            extent.offset + extent.units <= shrink->target)
            continue;
        uint32_t moved;
        TRY(move(f, pager, index, bits, block, &moved));
        units -= moved < units ? moved : units;
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

/* ---- the file's end -------------------------------------------------------------------------- */

static enum status cut_off(struct fiber *f, struct pager *pager, uint64_t least) {
    TRY(fiber_mutex_lock(f, &pager->size_lock));
    uint64_t end = extents_end(&pager->extents);
    end = (end < least ? least : end + 63) & ~63ull; /* keeps aligned runs possible */
    enum status status = STATUS_OK;
    if (end + SLACK_UNITS <= pager->extents.unit_count) {
        extents_shrink(&pager->extents, end);
        status = file_truncate(f, pager->file, end * PAGE_UNIT_SIZE);
    }
    fiber_mutex_unlock(f, &pager->size_lock);
    return status;
}

/* ---- passes ---------------------------------------------------------------------------------- */

static void pass_begin(struct pager *pager, uint64_t low) {
    struct shrink *shrink = &pager->shrink;
    shrink->target = (pager->extents.unit_count - surplus(pager, low) + 63) & ~63ull;
    shrink->next = 1;
}

static enum status pass_step(struct fiber *f, struct pager *pager, uint64_t units) {
    uint8_t *block = memory_alloc_aligned(FILE_DIRECT_ALIGNMENT, PAGE_SIZE_MAX);
    if (block == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory to move pages");
    struct shrink *shrink = &pager->shrink;
    enum status status = move_some(f, pager, block, units);
    memory_free(block);
    if (shrink->target > 0 && (status != STATUS_OK || shrink->next >= pager->durable.index_next)) {
        /* Over. The checkpoint publishes the new places and frees the old ones. */
        shrink->cut_off = shrink->target;
        shrink->target = 0;
        shrink->publish = true;
        shrink->retry_ns = clock_monotonic_ns() + RETRY_NS;
    }
    return status;
}

enum status shrink__step(struct fiber *f, struct pager *pager) {
    if (pager->shrink.target == 0)
        pass_begin(pager, free_low(pager));
    return pass_step(f, pager, STEP_UNITS);
}

enum status pager_shrink(struct fiber *f, struct pager *pager) {
    pass_begin(pager, pager->extents.free_count);
    while (pager->shrink.target > 0)
        TRY(pass_step(f, pager, STEP_UNITS));
    return STATUS_OK;
}

void shrink__published(struct fiber *f, struct pager *pager) {
    struct shrink *shrink = &pager->shrink;
    uint64_t least = shrink->cut_off_due, before = pager->extents.unit_count;
    shrink->free_low[1] = shrink->free_low[0];
    shrink->free_low[0] = pager->extents.free_count;
    if (least == 0)
        return;
    shrink->cut_off_due = 0;
    if (cut_off(f, pager, least) != STATUS_OK) {
        LOG(LOG_WARNING, "pager", "cannot shorten \"%s\": %s", pager->path_pages,
            error_current()->message);
        error_clear();
    } else if (pager->extents.unit_count < before - (before - least) / 2) {
        shrink->retry_ns = 0; /* it went well: again, as soon as there is more to gain */
    }
}
