/*
 * The index: key hash -> place of the key's newest entry, in memory.
 *
 * Open addressing over slots of 16 bytes, four to a line of the cache:
 *
 *     | hash place | hash place | hash place |            |   line hash * lines / 2^64: home
 *     +------------+------------+------------+------------+
 *     |            |            |            |            |   the next one takes what does not fit
 *
 * A key takes the first free slot from the start of its home line on. So the table is nearly in
 * order of the hash, and growing it is one pass over both tables in step. Nearly all keys are in
 * their home line; all of that is compared at once, without a branch that depends on which slot it
 * is, since a wrong guess would wait for memory before anything else can begin. Keys with equal
 * hashes take a slot each; who looks follows the run and compares keys in the file.
 *
 * One writer, any readers, no locks: a slot gets its hash first and its place after that (release);
 * a slot never changes its hash and is never freed, deletion is a flag on the place. When the table
 * is full the writer makes a larger one and publishes that; readers of the old one see it as it
 * was.
 *
 * Memory. Full means 4/5. Small tables grow fourfold, to 2^21 slots; from there on they grow by a
 * fifth, so that a key takes 20 to 24 bytes.
 */
#ifndef DRIVE_INDEX_H
#define DRIVE_INDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/base_status.h"
#include "base/base_unroll.h"

enum { LINE_SLOTS = 4 };
struct slot {
    _Atomic uint64_t hash;
    _Atomic uint64_t place; /* 0: free */
};
#define SLOT_DELETED ((uint64_t)1 << 63)
#define SLOT_PLACE(value) ((value) & ~SLOT_DELETED)

struct table {
    atomic_uint reference_count;
    struct slot *slots;    /* at a multiple of 64 bytes */
    uint64_t capacity;     /* a multiple of LINE_SLOTS */
    uint64_t lines;        /* capacity / LINE_SLOTS */
    _Atomic uint64_t used; /* written by the writer */
    void *block;           /* where the slots lie, and what to unmap */
    uint64_t block_size;
};

/* With room for `count` keys. LIMIT_EXCEEDED if it would take more than memory_max bytes (0: no
   limit). One reference. */
enum status table_create(uint64_t count, uint64_t memory_max, struct table **table_out) MUST_USE;
/* Over slots that lie in a private mapping, which becomes the table's. */
enum status table_adopt(void *block, uint64_t block_size, uint64_t slots_offset, uint64_t capacity,
                        uint64_t used, struct table **table_out) MUST_USE;
void table_retain(struct table *table);
void table_release(struct table *table);
/* A larger copy with room for `count` more keys. */
enum status table_enlarge(const struct table *table, uint64_t count, uint64_t memory_max,
                          struct table **table_out) MUST_USE;

/* The first slot of the home line. */
static inline uint64_t table_home(const struct table *table, uint64_t hash) {
    return (uint64_t)(((unsigned __int128)hash * table->lines) >> 64) * LINE_SLOTS;
}

static inline void table_prefetch(const struct table *table, uint64_t hash) {
    __builtin_prefetch(&table->slots[table_home(table, hash)]);
}

/* The place (with the flag) of the first slot of the line that has the hash, 0 if none has. */
static inline uint64_t line_find(const struct slot *line, uint64_t hash) {
    uint64_t found = 0;
    UNROLL(4)
    for (int i = LINE_SLOTS - 1; i >= 0; i--) {
        uint64_t place = atomic_load_explicit(&line[i].place, memory_order_acquire);
        bool equal = atomic_load_explicit(&line[i].hash, memory_order_relaxed) == hash;
        /* Nobody can guess this: a conditional move. */
        found = __builtin_expect_with_probability(equal, 1, 0.5) ? place : found;
    }
    return found;
}

/* No slot has the hash. */
static inline bool table_lacks(const struct table *table, uint64_t hash) {
    uint64_t at = table_home(table, hash);
    for (;;) {
        const struct slot *line = &table->slots[at];
        if (line_find(line, hash) != 0)
            return false;
        if (atomic_load_explicit(&line[LINE_SLOTS - 1].place, memory_order_acquire) == 0)
            return true; /* there is room in this line: the key did not go to the next one */
        at = at + LINE_SLOTS == table->capacity ? 0 : at + LINE_SLOTS;
    }
}

/* The slot that a hash takes which is not there, or has other slots only. There must be room. */
static inline struct slot *table_free(const struct table *table, uint64_t hash) {
    uint64_t at = table_home(table, hash);
    for (;;) {
        struct slot *line = &table->slots[at];
        unsigned used = 0;
        UNROLL(4)
        for (int i = 0; i < LINE_SLOTS; i++) /* without branches, as above */
            used += atomic_load_explicit(&line[i].place, memory_order_relaxed) != 0;
        if (used < LINE_SLOTS)
            return &line[used];
        at = at + LINE_SLOTS == table->capacity ? 0 : at + LINE_SLOTS;
    }
}

/* The first slot from *at on that is free or has the hash; *at moves behind it. Its place (with the
   flag) is in *place_out, 0 when free. Begin with *at = table_home(). */
static inline struct slot *table_probe(const struct table *table, uint64_t hash, uint64_t *at,
                                       uint64_t *place_out) {
    uint64_t i = *at;
    for (;;) {
        struct slot *slot = &table->slots[i];
        i = i + 1 == table->capacity ? 0 : i + 1;
        uint64_t place = atomic_load_explicit(&slot->place, memory_order_acquire);
        if (place == 0 || atomic_load_explicit(&slot->hash, memory_order_relaxed) == hash) {
            *at = i;
            *place_out = place;
            return slot;
        }
    }
}

static inline bool table_has_room(const struct table *table, uint64_t count) {
    return (atomic_load_explicit(&table->used, memory_order_relaxed) + count) * 5 <=
           table->capacity * 4;
}

/* Writer: fill a free slot found by table_probe or table_free. */
static inline void table_fill(struct table *table, struct slot *slot, uint64_t hash,
                              uint64_t place) {
    atomic_store_explicit(&slot->hash, hash, memory_order_relaxed);
    atomic_store_explicit(&slot->place, place, memory_order_release);
    uint64_t used = atomic_load_explicit(&table->used, memory_order_relaxed);
    atomic_store_explicit(&table->used, used + 1, memory_order_relaxed);
}

/* Writer: a newer entry of the same key. */
static inline void table_update(struct slot *slot, uint64_t place) {
    atomic_store_explicit(&slot->place, place, memory_order_release);
}

#endif
