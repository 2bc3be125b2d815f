#include "session/plan_cache.h"

#include "base/base_hash.h"
#include "base/base_list.h"
#include "base/base_memory.h"

struct entry {
    struct list use;    /* most recently used first */
    struct entry *next; /* in the bucket */
    uint64_t hash;
    struct statement *statement;
    size_t size;
    size_t text_size, type_count, path_size;
    uint8_t key[]; /* types, text, search path */
};

struct plan_cache {
    struct list use;
    size_t size, count;
    struct entry *buckets[CACHE_BUCKETS];
};

void plan_key_hash(struct plan_key *key) {
    key->hash = hash_bytes(key->text, key->text_size);
    key->hash = hash_combine(key->hash, hash_bytes(key->types, 4 * key->type_count));
    key->hash = hash_combine(key->hash, hash_bytes(key->search_path, strlen(key->search_path)));
}

struct plan_cache *plan_cache_create(void) {
    struct plan_cache *cache = memory_alloc_zeroed(1, sizeof *cache);
    if (cache != NULL)
        list_init(&cache->use);
    return cache;
}

static void entry_drop(struct plan_cache *cache, struct entry *entry) {
    struct entry **at = &cache->buckets[entry->hash % CACHE_BUCKETS];
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    list_remove(&entry->use);
    ASSERT(cache->size >= entry->size && cache->count > 0);
    cache->size -= entry->size;
    cache->count--;
    statement_release(entry->statement);
    memory_free(entry);
}

void plan_cache_clear(struct plan_cache *cache) {
    while (!list_empty(&cache->use))
        entry_drop(cache, CONTAINER_OF(cache->use.next, struct entry, use));
}

void plan_cache_destroy(struct plan_cache *cache) {
    if (cache == NULL)
        return;
    plan_cache_clear(cache);
    memory_free(cache);
}

static bool entry_matches(const struct entry *entry, const struct plan_key *key) {
    size_t types_size = 4 * key->type_count;
    return entry->hash == key->hash && entry->text_size == key->text_size &&
           entry->type_count == key->type_count && entry->path_size == strlen(key->search_path) &&
           (types_size == 0 || memcmp(entry->key, key->types, types_size) == 0) &&
           memcmp(entry->key + types_size, key->text, key->text_size) == 0 &&
           memcmp(entry->key + types_size + key->text_size, key->search_path, entry->path_size) ==
               0;
}

static struct entry *entry_find(struct plan_cache *cache, const struct plan_key *key) {
    for (struct entry *entry = cache->buckets[key->hash % CACHE_BUCKETS]; entry != NULL;
         entry = entry->next)
        if (entry_matches(entry, key))
            return entry;
    return NULL;
}

struct statement *plan_cache_get(struct plan_cache *cache, const struct plan_key *key,
                                 uint64_t schema_version) {
    struct entry *entry = entry_find(cache, key);
    if (entry == NULL)
        return NULL;
    if (entry->statement->schema_version != schema_version) {
        entry_drop(cache, entry);
        return NULL;
    }
    list_remove(&entry->use);
    list_push_front(&cache->use, &entry->use);
    statement_retain(entry->statement);
    return entry->statement;
}

void plan_cache_put(struct plan_cache *cache, const struct plan_key *key,
                    struct statement *statement) {
    if (key->text_size > CACHE_TEXT_SIZE_MAX)
        return;
    struct entry *old = entry_find(cache, key);
    if (old != NULL)
        entry_drop(cache, old);
    size_t types_size = 4 * key->type_count, path_size = strlen(key->search_path);
    size_t entry_size = sizeof(struct entry) + types_size + key->text_size + path_size;
    struct entry *entry = memory_alloc(entry_size);
    if (entry == NULL)
        return;
    *entry = (struct entry){
        .hash = key->hash,
        .statement = statement,
        .size = entry_size + statement_size(statement),
        .text_size = key->text_size,
        .type_count = key->type_count,
        .path_size = path_size,
        .next = cache->buckets[key->hash % CACHE_BUCKETS],
    };
    if (types_size > 0)
        memcpy(entry->key, key->types, types_size);
    memcpy(entry->key + types_size, key->text, key->text_size);
    memcpy(entry->key + types_size + key->text_size, key->search_path, path_size);
    statement_retain(statement);
    cache->buckets[key->hash % CACHE_BUCKETS] = entry;
    list_push_front(&cache->use, &entry->use);
    cache->size += entry->size;
    cache->count++;
    while (cache->size > CACHE_SIZE_MAX)
        entry_drop(cache, CONTAINER_OF(cache->use.previous, struct entry, use));
}
