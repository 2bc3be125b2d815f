#include "pager/page_map.h"

#include <string.h>

#include "base/base_memory.h"

void page_map_init(struct page_map *map) {
    *map = (struct page_map){.index_next = 1};
}

void page_map_release(struct page_map *map) {
    for (size_t i = 0; i < map->chunk_count; i++)
        memory_free(map->chunks[i]);
    memory_free(map->chunks);
    *map = (struct page_map){0};
}

static enum status add_chunk(struct page_map *map) {
    struct map_chunk *chunk = NULL;
    if (memory_grow(&map->chunks, &map->chunk_capacity, map->chunk_count + 1, sizeof *map->chunks))
        chunk = memory_alloc_zeroed(1, sizeof *chunk);
    if (chunk == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory for the page map");
    map->chunks[map->chunk_count++] = chunk;
    return STATUS_OK;
}

enum status page_map_reserve(struct page_map *map, uint64_t count) {
    while (!page_map_ready(map, count))
        TRY(add_chunk(map));
    return STATUS_OK;
}

uint64_t page_map_take(struct page_map *map) {
    ASSERT(page_map_ready(map, 1));
    map->page_count++;
    uint64_t index = map->free_first;
    if (index == 0)
        return map->index_next++;
    uint64_t entry = *page_map_entry(map, index);
    ASSERT((entry & MAP_TAG_MASK) == MAP_FREE && map->free_count > 0);
    map->free_first = entry >> 2;
    map->free_count--;
    return index;
}

static void link_free(struct page_map *map, uint64_t index) {
    *page_map_entry(map, index) = map->free_first << 2 | MAP_FREE;
    map->free_first = index;
    map->free_count++;
}

void page_map_give(struct page_map *map, uint64_t index) {
    ASSERT(page_map_has(map, index) && map->page_count > 0);
    map->page_count--;
    link_free(map, index);
}

void page_map_set_changed(struct page_map *map, uint64_t index) {
    struct map_chunk *chunk = map->chunks[index / MAP_CHUNK_PAGES];
    uint64_t bit = index % MAP_CHUNK_PAGES;
    chunk->changed[bit / 64] |= 1ull << (bit % 64);
}

uint64_t page_map_changed_count(const struct page_map *map) {
    uint64_t count = 0;
    for (size_t i = 0; i < map->chunk_count; i++) {
        for (size_t word = 0; word < MAP_CHUNK_PAGES / 64; word++)
            count += (uint64_t)__builtin_popcountll(map->chunks[i]->changed[word]);
    }
    return count;
}

bool page_map_changed(const struct page_map *map, uint64_t index) {
    const struct map_chunk *chunk = map->chunks[index / MAP_CHUNK_PAGES];
    uint64_t bit = index % MAP_CHUNK_PAGES;
    return (chunk->changed[bit / 64] >> (bit % 64)) & 1;
}

void page_map_changed_cut(struct page_map *map) {
    for (size_t i = 0; i < map->chunk_count; i++) {
        struct map_chunk *chunk = map->chunks[i];
        memcpy(chunk->of_cut, chunk->changed, sizeof chunk->of_cut);
        memset(chunk->changed, 0, sizeof chunk->changed);
    }
}

void page_map_set_changed_in_cut(struct page_map *map, uint64_t index) {
    struct map_chunk *chunk = map->chunks[index / MAP_CHUNK_PAGES];
    uint64_t bit = index % MAP_CHUNK_PAGES;
    chunk->of_cut[bit / 64] |= 1ull << (bit % 64);
}

void page_map_changed_publish(struct page_map *map) {
    for (size_t i = 0; i < map->chunk_count; i++)
        memset(map->chunks[i]->of_cut, 0, sizeof map->chunks[i]->of_cut);
}

void page_map_changed_uncut(struct page_map *map) {
    for (size_t i = 0; i < map->chunk_count; i++) {
        struct map_chunk *chunk = map->chunks[i];
        for (size_t word = 0; word < MAP_CHUNK_PAGES / 64; word++)
            chunk->changed[word] |= chunk->of_cut[word];
        memset(chunk->of_cut, 0, sizeof chunk->of_cut);
    }
}

enum status page_map_extend(struct page_map *map, uint64_t index_next) {
    ASSERT(index_next >= map->index_next);
    while (map->chunk_count * MAP_CHUNK_PAGES < index_next)
        TRY(add_chunk(map));
    map->index_next = index_next;
    return STATUS_OK;
}

void page_map_link_free(struct page_map *map) {
    map->free_first = 0;
    map->free_count = map->page_count = 0;
    for (uint64_t index = map->index_next; index-- > 1;) {
        if ((*page_map_entry(map, index) & MAP_TAG_MASK) == MAP_FREE)
            link_free(map, index);
        else
            map->page_count++;
    }
}
