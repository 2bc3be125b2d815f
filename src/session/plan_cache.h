/*
 * Plans by statement text, one cache for each core. Private to the room.
 *
 * Key: the text, the declared parameter types and the search path. An entry is good for one schema
 * version; a newer one replaces it. Bounded by CACHE_SIZE_MAX bytes of plans; the least recently
 * used goes first.
 */
#ifndef SESSION_PLAN_CACHE_H
#define SESSION_PLAN_CACHE_H

#include "sql/sql.h"

enum { CACHE_SIZE_MAX = 32 << 20, CACHE_TEXT_SIZE_MAX = 16 << 10, CACHE_BUCKETS = 4096 };

struct plan_cache;

struct plan_key {
    const char *text;
    size_t text_size;
    const uint32_t *types;
    size_t type_count;
    const char *search_path; /* the setting's text */
    uint64_t hash;           /* by plan_key_hash */
};
void plan_key_hash(struct plan_key *key);

struct plan_cache *plan_cache_create(void);
void plan_cache_destroy(struct plan_cache *cache);
/* Retained for the caller; NULL when there is none of this version (an older one is dropped). */
struct statement *plan_cache_get(struct plan_cache *cache, const struct plan_key *key,
                                 uint64_t schema_version);
/* Best effort: nothing is kept when memory is short. */
void plan_cache_put(struct plan_cache *cache, const struct plan_key *key,
                    struct statement *statement);
void plan_cache_clear(struct plan_cache *cache);

#endif
