/*
 * Tuples: rows side by side in memory, for hash tables. Private to exec.
 *
 *     | header (the owner's) | null bytes, one a column | columns, wide ones first ... |
 *
 * A tuple never moves, so tables and chains point at it. Columns are in their physical form,
 * strings over 12 bytes in the store's arena. Vector and tuples meet column by column: scatter,
 * gather, and comparing a column with many tuples.
 */
#ifndef EXEC_TUPLE_H
#define EXEC_TUPLE_H

#include "exec/exec_state.h"

struct tuple_column {
    struct type type;
    uint32_t offset, null_offset;
    uint8_t physical;
};

struct tuple_layout {
    struct tuple_column *columns;
    uint32_t column_count;
    uint32_t size; /* bytes of a tuple; a multiple of 16 */
};

/* `header` bytes in front are the owner's; `trailer` bytes (16-aligned, at *trailer_out) behind. */
enum status exec__tuple_layout(struct tuple_layout *layout, const struct type *types,
                               uint32_t column_count, uint32_t header, uint32_t trailer,
                               uint32_t *trailer_out, struct arena *arena) MUST_USE;

struct tuple_chunk {
    struct tuple_chunk *next;
    uint32_t count, capacity;
    _Alignas(64) uint8_t bytes[];
};

/* Tuples of one layout in the order they were made. Zeroed with layout and arena set is empty. */
struct tuple_store {
    const struct tuple_layout *layout;
    struct arena *arena;
    struct tuple_chunk *first, *last;
    uint64_t count;
};
void exec__tuples_init(struct tuple_store *store, const struct tuple_layout *layout,
                       struct arena *arena);
/* Room for `count` tuples, one after the other where a chunk ends; zeroed headers and trailers.
   Pointers into tuples[0..count). */
enum status exec__tuples_add(struct tuple_store *store, uint32_t count, uint8_t **tuples) MUST_USE;
/* No tuples any more; the chunks are kept for the next. */
void exec__tuples_clear(struct tuple_store *store);
static inline uint8_t *tuple_at(const struct tuple_store *store, const struct tuple_chunk *chunk,
                                uint32_t i) {
    return (uint8_t *)(uintptr_t)chunk->bytes + (size_t)i * store->layout->size;
}

/* Finished stores in pieces of at most a batch, which any number of cores take one by one. */
struct tuple_piece {
    const struct tuple_store *store;
    const struct tuple_chunk *chunk;
    uint32_t from, to; /* tuples of the chunk */
};
struct tuple_feed {
    struct tuple_piece *pieces;
    uint64_t count;
    _Atomic uint64_t taken;
};
enum status exec__tuple_feed_make(struct tuple_feed *feed, const struct tuple_store *const *stores,
                                  uint32_t count, struct arena *arena) MUST_USE;
/* NULL: all are taken. */
const struct tuple_piece *exec__tuple_feed_take(struct tuple_feed *feed);

/* Row rows[i] of the vector into tuples[i]. Long strings are copied into `arena`. */
void exec__tuple_scatter(const struct tuple_column *column, const struct vector *vector,
                         const uint16_t *rows, uint32_t count, uint8_t *const *tuples,
                         struct arena *arena);
/* tuples[i] into row rows[i] of a FLAT vector of vector_init; NULL tuples give NULL. Long strings
   are shared. */
void exec__tuple_gather(const struct tuple_column *column, uint8_t *const *tuples,
                        const uint16_t *rows, uint32_t count, struct vector *target);
/* Positions at[0..count): keep those where row rows[at] of the vector equals the column of
   tuples[at]; the others go to differs[]. NULLs equal each other when nulls_equal, else nothing.
   Returns how many stay, in order; *differ_count is advanced. */
uint32_t exec__tuple_match(const struct tuple_column *column, const struct vector *vector,
                           bool nulls_equal, const uint16_t *rows, uint8_t *const *tuples,
                           uint16_t *at, uint32_t count, uint16_t *differs, uint32_t *differ_count);

/* The column of two tuples, NULLs equal. */
bool exec__tuple_equal(const struct tuple_column *column, const uint8_t *a, const uint8_t *b);

/* ---- hashes ------------------------------------------------------------------------------ */

/* Equal keys hash alike, that is all; much cheaper than value_hash. */
static inline uint64_t exec__mix(uint64_t a, uint64_t b) {
    uint128_t product = (uint128_t)(a ^ 0x9e3779b97f4a7c15ull) * (b ^ 0xbf58476d1ce4e5b9ull);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
/* hashes[i] for row rows[i]; not `first`: mixed with what is there. */
void exec__hash_column(const struct vector *vector, const uint16_t *rows, uint32_t count,
                       bool first, uint64_t *hashes);

#endif
