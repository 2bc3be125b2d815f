/* Opening and closing, pages, roots. */
#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "pager/state.h"

/* ---- open and close ---- */

static void free_frames(struct pager *pager) {
    while (pager->frame_count > 0) {
        struct frame *frame = pager->frames[pager->frame_count - 1];
        ASSERT(frame->pins == 0 && !frame->reading && !frame->writing);
        if (frame->dirty)
            pool__clear_dirty(pager, frame);
        pool__clock_remove(pager, frame);
        pool__delete(pager, frame);
    }
    while (!list_empty(&pager->cut)) { /* orphans of an unfinished checkpoint */
        struct frame *frame = CONTAINER_OF(pager->cut.next, struct frame, dirty_link);
        pool__clear_dirty(pager, frame);
        pool__delete(pager, frame);
    }
    while (pager->reserve_count > 0)
        pool__delete(pager, pool__from_reserve(pager));
    ASSERT(pager->frame_total == 0 && pager->share.bytes == 0);
}

void pager_close(struct fiber *f, struct pager *pager) {
    if (pager == NULL)
        return;
    ASSERT(pager->batch_count == 0);
    fiber_shield(f);
    ahead__wait(f, pager);
    free_frames(pager);
    if (pager->file != NULL)
        (void)!file_close(f, pager->file);
    manifest_close(f, &pager->manifest);
    fiber_unshield(f);
    manifest_checkpoint_release(&pager->cut_content);
    page_map_release(&pager->durable);
    page_map_release(&pager->temporary);
    extents_release(&pager->extents);
    memory_free(pager->frames);
    memory_free(pager->write_buffer);
    memory_free(pager->roots);
    memory_free(pager->path_pages);
    memory_free(pager);
}

static struct pager *pager_new(const struct pager_options *options) {
    struct pager *pager = memory_alloc_zeroed(1, sizeof *pager);
    if (pager == NULL)
        return NULL;
    pager->name = options->name;
    pager->untended = options->untended;
    pager->file_units_max = options->file_size_max / PAGE_UNIT_SIZE;
    budget_share_init(&pager->share, options->budget);
    uint64_t least = pager->share.guaranteed / PAGE_SIZE;
    pager->reserve_keep = least / 4 < RESERVE_KEEP ? (unsigned)(least / 4) : RESERVE_KEEP;
    page_map_init(&pager->durable);
    page_map_init(&pager->temporary);
    list_init(&pager->dirty);
    for (int queue = 0; queue < CHUNK_QUEUE_COUNT; queue++)
        list_init(&pager->chunks[queue].frames);
    list_init(&pager->cut);
    list_init(&pager->companions);
    size_t size = strlen(options->directory) + sizeof "/pages";
    pager->path_pages = memory_alloc(size);
    if (pager->path_pages == NULL) {
        memory_free(pager);
        return NULL;
    }
    snprintf(pager->path_pages, size, "%s/pages", options->directory);
    return pager;
}

static enum status damaged_manifest(const struct pager *pager, struct page_id id,
                                    const char *what) {
    return error_set(STATUS_DATA_CORRUPTED, "damaged page manifest \"%s\": page %llu %s",
                     pager->manifest.path, (unsigned long long)id.value, what);
}

/* One checkpoint of the manifest, while opening. */
static enum status apply_checkpoint(void *context, const struct manifest_checkpoint *checkpoint) {
    struct pager *pager = context;
    struct page_map *map = &pager->durable;
    if (checkpoint->full) {
        page_map_release(map);
        page_map_init(map);
    }
    if (checkpoint->page_id_end < map->index_next)
        return damaged_manifest(pager, (struct page_id){checkpoint->page_id_end}, "went back");
    TRY(page_map_extend(map, checkpoint->page_id_end));
    for (size_t i = 0; i < checkpoint->map_count; i++) {
        const struct manifest_map_entry *entry = &checkpoint->map[i];
        struct extent extent;
        if (entry->id.value == 0 || entry->id.value >= checkpoint->page_id_end)
            return damaged_manifest(pager, entry->id, "is out of range");
        if (entry->extent != 0 && !extent_decode(entry->extent, &extent))
            return damaged_manifest(pager, entry->id, "has an impossible place");
        *page_map_entry(map, entry->id.value) = entry->extent;
    }
    if (checkpoint->roots_present || checkpoint->full) {
        pager->root_count = 0;
        for (size_t i = 0; i < checkpoint->root_count; i++)
            TRY(pager_root_set(pager, checkpoint->roots[i].tree, checkpoint->roots[i].root));
    }
    pager->applied = checkpoint->applied;
    return STATUS_OK;
}

/* Everything the map names is used, the rest of the file is free. */
static enum status build_free_space(struct fiber *f, struct pager *pager) {
    uint64_t size;
    TRY(file_size(f, pager->file, &size));
    TRY(extents_grow(&pager->extents, size / PAGE_UNIT_SIZE));
    for (uint64_t index = 1; index < pager->durable.index_next; index++) {
        uint64_t entry = *page_map_entry(&pager->durable, index);
        struct extent extent;
        if ((entry & MAP_TAG_MASK) != MAP_EXTENT)
            continue;
        extent_decode(entry, &extent);
        if (!extents_mark_used(&pager->extents, extent.offset, extent.units))
            return error_set(STATUS_DATA_CORRUPTED,
                             "page %llu of \"%s\" at offset %llu lies beyond the end of the file "
                             "or over another page",
                             (unsigned long long)index, pager->path_pages,
                             (unsigned long long)extent.offset * PAGE_UNIT_SIZE);
    }
    return STATUS_OK;
}

static enum status create_files(struct fiber *f, struct pager *pager, const char *directory) {
    TRY(file_open(f, pager->path_pages, FILE_CREATE | FILE_EXCLUSIVE | FILE_DIRECT, &pager->file));
    struct manifest_checkpoint empty = {.full = true, .roots_present = true, .page_id_end = 1};
    return manifest_create(f, directory, &empty, &pager->manifest);
}

enum status pager_open(struct fiber *f, const struct pager_options *options,
                       struct pager **pager_out) {
    struct pager *pager = pager_new(options);
    if (pager == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    enum status status;
    if (options->create) {
        TRY_OUT(create_files(f, pager, options->directory));
    } else {
        pager->manifest.path = NULL;
        TRY_OUT(manifest_open(f, options->directory, apply_checkpoint, pager, &pager->manifest));
        TRY_OUT(file_open(f, pager->path_pages, FILE_DIRECT, &pager->file));
        TRY_OUT(build_free_space(f, pager));
        page_map_link_free(&pager->durable);
        pager->roots_changed = false;
    }
    *pager_out = pager;
    return STATUS_OK;
out:;
    struct error failure = *error_current();
    pager_close(f, pager);
    *error_current() = failure;
    return status;
}

/* ---- pages ---- */

enum status pager_allocate(struct fiber *f, struct pager *pager, enum page_lifetime lifetime,
                           uint32_t size, struct page **page_out) {
    ASSERT(size >= PAGE_SIZE_MIN && size <= PAGE_SIZE_MAX && size % PAGE_UNIT_SIZE == 0);
    bool temporary = lifetime == PAGE_TEMPORARY;
    struct page_map *map = map_of(pager, temporary);
    struct frame *frame = NULL;
    if (size == PAGE_SIZE && page_map_ready(map, 1))
        frame = pool__from_reserve(pager);
    if (frame == NULL) {
        TRY(flush__ensure_space(f, pager, size / PAGE_UNIT_SIZE));
        TRY(pool__acquire(f, pager, size, &frame));
        enum status status = page_map_reserve(map, 1);
        if (status != STATUS_OK) {
            pool__release(pager, frame);
            return status;
        }
    }
    uint64_t index = page_map_take(map);
    memset(frame->block, 0, size);
    pool__install(pager, frame, (struct page_id){temporary ? index | TEMPORARY_BIT : index});
    pool__set_dirty(pager, frame, false);
    *page_out = &frame->page;
    return STATUS_OK;
}

static enum status no_such_page(const struct pager *pager, struct page_id id) {
    return error_set(STATUS_DATA_CORRUPTED, "page %llu of \"%s\" does not exist",
                     (unsigned long long)id.value, pager->path_pages);
}

enum status pager__verify(const struct pager *pager, struct page_id id, uint64_t bits,
                          const uint8_t *block) {
    struct extent extent;
    struct image image;
    extent_decode(bits, &extent);
    const char *problem = image_decode(block, extent.size, &image);
    if (problem == NULL && image.id.value != id.value)
        problem = "it is another page";
    if (problem == NULL && image.size != extent.size)
        problem = "it has another size";
    if (problem == NULL && (uint8_t)get_le64(block) != extent.check)
        problem = "it is an older image";
    if (problem == NULL && (image.lifetime == IMAGE_TEMPORARY) != page_is_temporary(id))
        problem = "it has another lifetime";
    if (problem == NULL)
        return STATUS_OK;
    return error_set(STATUS_DATA_CORRUPTED, "invalid page %llu in file \"%s\" at offset %llu: %s",
                     (unsigned long long)id.value, pager->path_pages,
                     (unsigned long long)extent.offset * PAGE_UNIT_SIZE, problem);
}

void pager__read_begin(struct pager *pager, struct page_id id, uint64_t bits, struct frame *frame) {
    pool__install(pager, frame, id);
    frame->extent = bits;
    frame->reading = true;
}

void pager__read_undo(struct pager *pager, struct frame *frame) {
    struct page_id id = frame->page.id;
    *page_map_entry(map_of(pager, page_is_temporary(id)), page_index(id)) = frame->extent;
    frame->reading = false;
    pool__clock_remove(pager, frame);
    frame->pins--;
    ASSERT(frame->pins == 0);
    pool__release(pager, frame);
}

enum status pager__read_end(struct fiber *f, struct pager *pager, struct frame *frame) {
    struct page_id id = frame->page.id;
    uint64_t bits = frame->extent; /* 0: freed in between */
    struct extent extent;
    enum status status = STATUS_OK;
    if (extent_decode(bits, &extent)) {
        pager->reads++;
        status = file_read_exact(f, pager->file, frame->block, extent.size,
                                 extent.offset * PAGE_UNIT_SIZE);
    }
    frame->reading = false;
    if (status == STATUS_OK && !frame->orphan)
        status = pager__verify(pager, id, bits, frame->block);
    pool__wake(pager);
    if (frame->orphan) { /* freed while it was read */
        frame->pins--;
        pool__orphan_settle(pager, frame);
        return status != STATUS_OK ? status : no_such_page(pager, id);
    }
    if (status != STATUS_OK)
        pager__read_undo(pager, frame);
    return status;
}

enum status pager_fetch(struct fiber *f, struct pager *pager, struct page_id id,
                        struct page **page_out) {
    const struct page_map *map = map_of(pager, page_is_temporary(id));
    uint64_t index = page_index(id);
    for (;;) {
        if (!page_map_has(map, index))
            return no_such_page(pager, id);
        uint64_t entry = *page_map_entry(map, index);
        if ((entry & MAP_TAG_MASK) == MAP_FRAME) {
            struct frame *frame = entry_frame(entry);
            if (!frame->reading) {
                frame->pins++;
                pool__touch(pager, frame);
                pager->hits++;
                *page_out = &frame->page;
                return STATUS_OK;
            }
            TRY(condition_wait(f, &pager->progress));
            continue;
        }
        struct extent extent;
        struct frame *frame;
        extent_decode(entry, &extent);
        TRY(pool__acquire(f, pager, extent.size, &frame));
        if (!page_map_has(map, index) || *page_map_entry(map, index) != entry) {
            pool__release(pager, frame); /* somebody else read, moved or freed it */
            continue;
        }
        pager__read_begin(pager, id, entry, frame);
        TRY(pager__read_end(f, pager, frame));
        *page_out = &frame->page;
        return STATUS_OK;
    }
}

static struct frame *resident(struct pager *pager, struct page_id id) {
    const struct page_map *map = map_of(pager, page_is_temporary(id));
    uint64_t index = page_index(id);
    if (index >= map->index_next || index == 0)
        return NULL;
    uint64_t entry = *page_map_entry(map, index);
    if ((entry & MAP_TAG_MASK) != MAP_FRAME)
        return NULL;
    struct frame *frame = entry_frame(entry);
    if (frame->reading)
        return NULL;
    if (!frame->referenced)
        frame->referenced = true;
    return frame;
}

struct page *pager_peek(struct pager *pager, struct page_id id) {
    struct frame *frame = resident(pager, id);
    return frame != NULL ? &frame->page : NULL;
}

struct page *pager_fetch_cached(struct pager *pager, struct page_id id) {
    struct frame *frame = resident(pager, id);
    if (frame == NULL)
        return NULL;
    frame->pins++;
    pool__touch(pager, frame);
    pager->hits++;
    return &frame->page;
}

static const struct frame *frame_of(const struct pager *pager, struct page_id id) {
    const struct page_map *map = page_is_temporary(id) ? &pager->temporary : &pager->durable;
    uint64_t index = page_index(id);
    if (index >= map->index_next || index == 0)
        return NULL;
    uint64_t entry = *page_map_entry(map, index);
    return (entry & MAP_TAG_MASK) == MAP_FRAME ? entry_frame(entry) : NULL;
}

void pager_prefetch(const struct pager *pager, struct page_id id) {
    const struct frame *frame = frame_of(pager, id);
    if (frame == NULL)
        return;
    __builtin_prefetch(frame);
    __builtin_prefetch(&frame->companion);
}

void pager_prefetch_data(const struct pager *pager, struct page_id id) {
    const struct frame *frame = frame_of(pager, id);
    if (frame == NULL)
        return;
    __builtin_prefetch(frame->page.data);
    __builtin_prefetch(frame->page.data + frame->page.size - 1);
    if (frame->page.accompanied) {
        const uint8_t *bytes = frame->companion;
        __builtin_prefetch(bytes);
        __builtin_prefetch(bytes + 64);
    }
}

void pager_pin(struct page *page) {
    ((struct frame *)page)->pins++;
}

uint32_t pager_pins(const struct page *page) {
    return ((const struct frame *)page)->pins;
}

void pager_unpin(struct pager *pager, struct page *page) {
    struct frame *frame = (struct frame *)page;
    ASSERT(frame->pins > 0);
    if (--frame->pins > 0)
        return;
    if (__builtin_expect(frame->orphan, 0))
        pool__orphan_settle(pager, frame);
    else
        pool__wake(pager);
}

/* The frame belongs to the cut and is about to change: a ghost keeps the content at the cut. */
static void leave_ghost(struct pager *pager, struct frame *frame) {
    struct frame *ghost = frame->size == PAGE_SIZE ? pool__from_reserve(pager) : NULL;
    if (ghost == NULL)
        ghost = pool__try_new(pager, frame->size);
    pool__clear_dirty(pager, frame);
    if (ghost == NULL) {
        pager->cut_incomplete = true; /* the checkpoint will fail, the change goes on */
        pool__set_dirty(pager, frame, false);
        return;
    }
    memcpy(ghost->block, frame->block, frame->size);
    ghost->page.id = frame->page.id;
    ghost->page.temporary = false;
    ghost->orphan = true;
    ghost->extent = 0;
    ghost->ghost = frame;
    frame->ghost = ghost;
    flush__drop_extent_of_cut(pager, frame->extent);
    frame->extent = 0;
    pool__set_dirty(pager, ghost, true);
    pool__set_dirty(pager, frame, false);
}

void pager_modify(struct pager *pager, struct page *page) {
    struct frame *frame = (struct frame *)page;
    ASSERT(frame->pins > 0 && !frame->orphan && !frame->reading);
    page->scanned = false;
    if (__builtin_expect(page->accompanied, 0))
        companion__drop(pager, frame);
    if (!frame->dirty)
        pool__set_dirty(pager, frame, false);
    else if (__builtin_expect(frame->cut, 0))
        leave_ghost(pager, frame);
}

static void free_resident(struct pager *pager, struct frame *frame) {
    if (frame->ghost != NULL) {
        frame->ghost->ghost = NULL;
        frame->ghost = NULL;
    }
    pool__clock_remove(pager, frame);
    frame->orphan = true;
    if (frame->cut) { /* stays to be written for the checkpoint */
        flush__drop_extent_of_cut(pager, frame->extent);
    } else {
        if (frame->dirty)
            pool__clear_dirty(pager, frame);
        flush__drop_extent(pager, frame->extent, frame->page.temporary);
    }
    frame->extent = 0;
    pool__orphan_settle(pager, frame);
}

void pager_free(struct pager *pager, struct page_id id) {
    bool temporary = page_is_temporary(id);
    struct page_map *map = map_of(pager, temporary);
    uint64_t index = page_index(id);
    ASSERT(page_map_has(map, index));
    uint64_t entry = *page_map_entry(map, index);
    page_map_give(map, index);
    if (!temporary)
        page_map_set_changed(map, index);
    if ((entry & MAP_TAG_MASK) == MAP_FRAME)
        free_resident(pager, entry_frame(entry));
    else
        flush__drop_extent(pager, entry, temporary);
}

/* ---- roots ---- */

/* Position of the tree, or where it would be. */
static size_t root_position(const struct pager *pager, struct tree_id tree) {
    size_t low = 0, high = pager->root_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (pager->roots[middle].tree.value < tree.value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct page_id pager_root(const struct pager *pager, struct tree_id tree) {
    size_t at = root_position(pager, tree);
    if (at < pager->root_count && pager->roots[at].tree.value == tree.value)
        return pager->roots[at].root;
    return (struct page_id){0};
}

enum status pager_root_set(struct pager *pager, struct tree_id tree, struct page_id root) {
    ASSERT(tree.value != 0 && !page_is_temporary(root));
    size_t at = root_position(pager, tree);
    struct root_entry *entry = &pager->roots[at];
    bool present = at < pager->root_count && entry->tree.value == tree.value;
    pager->roots_changed = true;
    if (root.value == 0) {
        if (present) {
            pager->root_count--;
            memmove(entry, entry + 1, (pager->root_count - at) * sizeof *entry);
        }
        return STATUS_OK;
    }
    if (!present) {
        if (!memory_grow(&pager->roots, &pager->root_capacity, pager->root_count + 1,
                         sizeof *pager->roots))
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory for the directory of trees");
        entry = &pager->roots[at];
        memmove(entry + 1, entry, (pager->root_count - at) * sizeof *entry);
        pager->root_count++;
    }
    *entry = (struct root_entry){tree, root};
    return STATUS_OK;
}

void pager_roots_visit(const struct pager *pager,
                       void (*visit)(void *context, struct tree_id tree, struct page_id root),
                       void *context) {
    for (size_t i = 0; i < pager->root_count; i++)
        visit(context, pager->roots[i].tree, pager->roots[i].root);
}

void pager_odd_pages_visit(const struct pager *pager,
                           void (*visit)(void *context, struct page_id id, uint32_t size),
                           void *context) {
    for (uint64_t index = 1; index < pager->durable.index_next; index++) {
        uint64_t entry = *page_map_entry(&pager->durable, index);
        uint32_t size = PAGE_SIZE;
        struct extent extent;
        if ((entry & MAP_TAG_MASK) == MAP_FRAME)
            size = entry_frame(entry)->size;
        else if (extent_decode(entry, &extent))
            size = extent.size;
        if (size != PAGE_SIZE)
            visit(context, (struct page_id){index}, size);
    }
}

void pager_statistics(const struct pager *pager, struct pager_statistics *statistics_out) {
    *statistics_out = (struct pager_statistics){
        .pages_durable = pager->durable.page_count,
        .pages_temporary = pager->temporary.page_count,
        .bytes_file = pager->extents.unit_count * PAGE_UNIT_SIZE,
        .bytes_free = pager->extents.free_count * PAGE_UNIT_SIZE,
        .frames = pager->frame_total,
        .frames_dirty = pager->dirty_count,
        .reads = pager->reads,
        .writes = pager->writes,
        .hits = pager->hits,
        .evictions = pager->evictions,
        .checkpoints = pager->checkpoints,
        .reads_ahead = pager->reads_ahead,
        .bytes_companions = pager->companion_bytes,
    };
}
