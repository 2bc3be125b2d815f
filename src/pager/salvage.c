/* Reading around damage (pager_salvage.h). */
#include "pager/pager_salvage.h"

#include <stdio.h>

#include "base/base_memory.h"
#include "pager/state.h"

struct pager_salvage {
    struct pager pager; /* as far as the map and pager__verify go */
    uint64_t damage, bytes_read;
    bool applied_known;
};

/* A map entry that cannot be is passed over: its page is missing then. */
static enum status apply(void *context, bool whole, const struct manifest_checkpoint *checkpoint) {
    struct pager_salvage *salvage = context;
    struct pager *pager = &salvage->pager;
    struct page_map *map = &pager->durable;
    if (checkpoint->full) {
        page_map_release(map);
        page_map_init(map);
    }
    if (checkpoint->page_id_end > map->index_next)
        TRY(page_map_extend(map, checkpoint->page_id_end));
    for (size_t i = 0; i < checkpoint->map_count; i++) {
        const struct manifest_map_entry *entry = &checkpoint->map[i];
        struct extent extent;
        bool possible = entry->extent == 0 || extent_decode(entry->extent, &extent);
        if (entry->id.value > 0 && entry->id.value < map->index_next)
            *page_map_entry(map, entry->id.value) = possible ? entry->extent : 0;
    }
    if (checkpoint->roots_present) {
        pager->root_count = 0;
        for (size_t i = 0; i < checkpoint->root_count; i++)
            TRY(pager_root_set(pager, checkpoint->roots[i].tree, checkpoint->roots[i].root));
    }
    if (whole || !salvage->applied_known)
        pager->applied = whole ? checkpoint->applied : (struct commit_number){0};
    salvage->applied_known = true;
    return STATUS_OK;
}

enum status pager_salvage_open(struct fiber *f, const char *directory,
                               struct pager_salvage **salvage_out) {
    struct pager_salvage *salvage = memory_alloc_zeroed(1, sizeof *salvage);
    size_t size = strlen(directory) + sizeof "/pages";
    char *path = memory_alloc(size);
    if (salvage == NULL || path == NULL) {
        memory_free(salvage);
        memory_free(path);
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    snprintf(path, size, "%s/pages", directory);
    salvage->pager.path_pages = path;
    page_map_init(&salvage->pager.durable);
    enum status status = manifest_salvage(f, directory, apply, salvage, &salvage->damage);
    if (status == STATUS_OK)
        status = file_open(f, path, FILE_READ_ONLY, &salvage->pager.file);
    if (status != STATUS_OK) {
        struct error failure = *error_current();
        pager_salvage_close(f, salvage);
        *error_current() = failure;
        return status;
    }
    *salvage_out = salvage;
    return STATUS_OK;
}

void pager_salvage_close(struct fiber *f, struct pager_salvage *salvage) {
    if (salvage == NULL)
        return;
    (void)!file_close(f, salvage->pager.file);
    page_map_release(&salvage->pager.durable);
    memory_free(salvage->pager.roots);
    memory_free(salvage->pager.path_pages);
    memory_free(salvage);
}

uint64_t pager_salvage_damage(const struct pager_salvage *salvage) {
    return salvage->damage;
}

struct commit_number pager_salvage_applied(const struct pager_salvage *salvage) {
    return salvage->pager.applied;
}

uint64_t pager_salvage_page_end(const struct pager_salvage *salvage) {
    return salvage->pager.durable.index_next;
}

const char *pager_salvage_path(const struct pager_salvage *salvage) {
    return salvage->pager.path_pages;
}

bool pager_salvage_has(const struct pager_salvage *salvage, struct page_id id, uint32_t *size_out,
                       uint64_t *offset_out) {
    struct extent extent;
    *offset_out = 0;
    *size_out = 0;
    if (!page_map_has(&salvage->pager.durable, id.value) ||
        !extent_decode(*page_map_entry(&salvage->pager.durable, id.value), &extent))
        return false;
    *size_out = extent.size;
    *offset_out = extent.offset * PAGE_UNIT_SIZE;
    return true;
}

enum status pager_salvage_read(struct fiber *f, struct pager_salvage *salvage, struct page_id id,
                               uint8_t *block, struct slice *bytes_out) {
    uint32_t size;
    uint64_t offset;
    if (!pager_salvage_has(salvage, id, &size, &offset))
        return error_set(STATUS_DATA_CORRUPTED, "page %llu of \"%s\" does not exist",
                         (unsigned long long)id.value, salvage->pager.path_pages);
    salvage->bytes_read += size;
    TRY(file_read_exact(f, salvage->pager.file, block, size, offset));
    TRY(pager__verify(&salvage->pager, id, *page_map_entry(&salvage->pager.durable, id.value),
                      block));
    *bytes_out = slice_of(block + PAGE_HEADER_SIZE, size - PAGE_HEADER_SIZE);
    return STATUS_OK;
}

uint64_t pager_salvage_bytes_read(const struct pager_salvage *salvage) {
    return salvage->bytes_read;
}

size_t pager_salvage_root_count(const struct pager_salvage *salvage) {
    return salvage->pager.root_count;
}

struct tree_id pager_salvage_root(const struct pager_salvage *salvage, size_t at,
                                  struct page_id *root_out) {
    ASSERT(at < salvage->pager.root_count);
    *root_out = salvage->pager.roots[at].root;
    return salvage->pager.roots[at].tree;
}
