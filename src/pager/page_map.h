/*
 * The page map: page id -> where the page is, 8 bytes a page, in chunks of 1,024.
 *
 *     entry & 3 = 0   no such page; entry >> 2 is the next free index (0: none)
 *                 1   in memory: the rest is the address of its frame (which knows the extent)
 *                 2   in the file: an extent (pager_format.h)
 *
 * Durable and temporary pages have a map each; a temporary id has its highest bit set. Index 0 is
 * never a page. Free indexes are linked through their entries, so freeing needs no memory.
 */
#ifndef PAGE_MAP_H
#define PAGE_MAP_H

#include "base/base_ids.h"
#include "base/base_status.h"

struct frame;

enum { MAP_CHUNK_PAGES = 1024 };
enum { MAP_FREE = 0, MAP_FRAME = 1, MAP_EXTENT = 2, MAP_TAG_MASK = 3 };

struct map_chunk {
    uint64_t entries[MAP_CHUNK_PAGES];
    uint64_t changed[MAP_CHUNK_PAGES / 64]; /* extent or existence changed since the last cut */
    uint64_t of_cut[MAP_CHUNK_PAGES / 64];  /* the same before it, until that is published */
};

struct page_map {
    struct map_chunk **chunks;
    size_t chunk_count, chunk_capacity;
    uint64_t index_next; /* all indexes below have an entry; at least 1 */
    uint64_t free_first; /* index of the first free entry, 0: none */
    uint64_t free_count;
    uint64_t page_count;
};

void page_map_init(struct page_map *map);
void page_map_release(struct page_map *map);
/* Make room so that the next `count` page_map_take calls succeed. */
enum status page_map_reserve(struct page_map *map, uint64_t count) MUST_USE;
/* Is there room already? */
static inline bool page_map_ready(const struct page_map *map, uint64_t count) {
    return map->free_count + map->chunk_count * MAP_CHUNK_PAGES >= map->index_next + count;
}
/* An unused index; room was made before. Its entry is to be set at once. */
uint64_t page_map_take(struct page_map *map);
/* The index becomes free. */
void page_map_give(struct page_map *map, uint64_t index);

static inline uint64_t *page_map_entry(const struct page_map *map, uint64_t index) {
    return &map->chunks[index / MAP_CHUNK_PAGES]->entries[index % MAP_CHUNK_PAGES];
}
static inline bool page_map_has(const struct page_map *map, uint64_t index) {
    return index > 0 && index < map->index_next &&
           (*page_map_entry(map, index) & MAP_TAG_MASK) != MAP_FREE;
}
void page_map_set_changed(struct page_map *map, uint64_t index);
uint64_t page_map_changed_count(const struct page_map *map);
/* Is it marked, as changed since the last cut? */
bool page_map_changed(const struct page_map *map, uint64_t index);
/* A cut is drawn: marks go over to it. One of its pages got its image later. It is published: its
   marks go. It is not: they come back. */
void page_map_changed_cut(struct page_map *map);
void page_map_set_changed_in_cut(struct page_map *map, uint64_t index);
void page_map_changed_publish(struct page_map *map);
void page_map_changed_uncut(struct page_map *map);

/* At open: indexes below `index_next` exist with entry 0; page_map_put fills some in; then
   page_map_link_free links the rest. */
enum status page_map_extend(struct page_map *map, uint64_t index_next) MUST_USE;
void page_map_link_free(struct page_map *map);

#endif
