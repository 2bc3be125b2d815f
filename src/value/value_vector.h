/*
 * Vectors and batches: up to VECTOR_SIZE values of one type, and columns of them side by side.
 *
 *   FLAT        data[row], validity bit `row`
 *   CONSTANT    data[0], validity bit 0, for every row
 *   DICTIONARY  data[indices[row]], validity bit indices[row]; `dictionary_count` entries.
 *               Entries may repeat and may be unused; a kernel may compute once per entry only
 *               when that cannot fail, or for the entries that are used.
 *
 * validity NULL means no nulls; else bit i (word i / 64, bit i % 64) is 1 when entry i is not
 * null. The data of a null entry is defined memory of any content: kernels may read it, and must
 * not fail because of it. Bits at and beyond the count are undefined.
 *
 * Ownership: everything is arena memory or belongs to whoever the producer names. A vector is a
 * small struct copied freely (vector_reference is plain assignment): data of a vector that has
 * been referenced must not be written again by others than its owner, and lives as long as the
 * owner says (usually until the next batch of the producer).
 *
 * struct vector_view makes the three kinds one loop:
 *
 *     struct vector_view view = vector_view(vector);
 *     const int32_t *data = view.data;
 *     for (i ...) {
 *         uint32_t at = view.indices[rows[i]];
 *         if (view_valid(&view, at))
 *             ... data[at] ...
 *     }
 */
#ifndef VALUE_VECTOR_H
#define VALUE_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "value/value.h"
#include "value/value_type.h"

enum { VECTOR_SIZE = 2048, VALIDITY_WORDS = VECTOR_SIZE / 64 };

enum vector_kind { VECTOR_NONE, VECTOR_FLAT, VECTOR_CONSTANT, VECTOR_DICTIONARY };

struct vector {
    struct type type;
    uint8_t physical;          /* enum physical = type_physical(type) */
    uint8_t kind;              /* enum vector_kind */
    uint32_t dictionary_count; /* DICTIONARY only */
    void *data;
    uint64_t *validity;      /* NULL: no nulls */
    const uint16_t *indices; /* DICTIONARY only */
    /* What vector_init allocated, so that a vector can be filled again and again; NULL in a
       vector that is only a reference. */
    void *own_data;
    uint64_t *own_validity;
};

struct batch {
    struct vector *vectors;
    uint32_t column_count;
    uint32_t row_count;        /* rows that the vectors hold, <= VECTOR_SIZE */
    const uint16_t *selection; /* ascending row numbers that count; NULL: all of them */
    uint32_t selected_count;   /* = row_count when selection is NULL */
};

/* 0, 1, 2, ... and 0, 0, 0, ...; VECTOR_SIZE each. */
extern const uint16_t vector_identity[VECTOR_SIZE];
extern const uint16_t vector_zeros[VECTOR_SIZE];

/* ---- validity -------------------------------------------------------------------------- */

static inline bool validity_get(const uint64_t *validity, uint32_t at) {
    return validity == NULL || (validity[at / 64] >> (at % 64) & 1) != 0;
}
static inline void validity_clear(uint64_t *validity, uint32_t at) {
    validity[at / 64] &= ~(1ull << (at % 64));
}
static inline void validity_set(uint64_t *validity, uint32_t at) {
    validity[at / 64] |= 1ull << (at % 64);
}

/* ---- views ----------------------------------------------------------------------------- */

struct vector_view {
    const void *data;
    const uint64_t *validity;
    const uint16_t *indices; /* never NULL */
};

static inline struct vector_view vector_view(const struct vector *vector) {
    return (struct vector_view){
        .data = vector->data,
        .validity = vector->validity,
        .indices = vector->kind == VECTOR_FLAT       ? vector_identity
                   : vector->kind == VECTOR_CONSTANT ? vector_zeros
                                                     : vector->indices,
    };
}
static inline bool view_valid(const struct vector_view *view, uint32_t at) {
    return validity_get(view->validity, at);
}
static inline uint32_t vector_position(const struct vector *vector, uint32_t row) {
    return vector->kind == VECTOR_FLAT       ? row
           : vector->kind == VECTOR_CONSTANT ? 0
                                             : vector->indices[row];
}
static inline bool vector_is_null(const struct vector *vector, uint32_t row) {
    return !validity_get(vector->validity, vector_position(vector, row));
}

/* ---- making and filling ---------------------------------------------------------------- */

/* A flat vector with room for VECTOR_SIZE values (and validity) in the arena; all valid, data
   undefined. OUT_OF_MEMORY only through arena_status. */
void vector_init(struct vector *vector, struct type type, struct arena *arena);
/* Back to FLAT over its own memory, all valid. For vectors of vector_init. */
void vector_reset(struct vector *vector);
/* A constant in the arena; the value is copied deeply. */
void vector_init_constant(struct vector *vector, const struct value *value, struct arena *arena);
/* FLAT or CONSTANT of vector_init: mark an entry null (validity starts to exist if need be). */
void vector_set_null(struct vector *vector, uint32_t row);
/* All bits of own_validity set and in use: before writing bits one by one. */
uint64_t *vector_validity_begin(struct vector *vector);

/* Boxed access, for one value at a time. get: strings are views into the vector. set: FLAT of
   vector_init only, value->type must have the vector's physical form; bytes over 12 are copied
   into `arena`, or referenced when arena is NULL. */
struct value vector_get(const struct vector *vector, uint32_t row);
void vector_set(struct vector *vector, uint32_t row, const struct value *value,
                struct arena *arena);

/* Rows selection[0..count) of `source` as rows 0..count) of *sliced: a dictionary over the same
   data (a constant stays one). The composed indices live in `arena` or, when the source is flat,
   are `selection` itself, which must then outlive the slice. */
void vector_slice(struct vector *sliced, const struct vector *source, const uint16_t *selection,
                  uint32_t count, struct arena *arena);

/* Copy rows (selection[i], or i when selection is NULL) of `source` to rows
   target_row + 0 .. + count of a FLAT vector of vector_init with the same physical form. Long
   strings are copied into `arena`, or shared when it is NULL. */
void vector_copy(struct vector *target, uint32_t target_row, const struct vector *source,
                 const uint16_t *selection, uint32_t count, struct arena *arena);

/* Make it FLAT over `count` rows (no-op when it is). New memory from `arena`. */
void vector_flatten(struct vector *vector, uint32_t count, struct arena *arena);

/* ---- hash and compare ------------------------------------------------------------------ */

/* hashes[i] for row selection[i] (or i); `combine`: mix into what hashes[i] holds, else set it.
   Same hash as value_hash; combining starts from the first column's plain hash. */
void vector_hash(const struct vector *vector, const uint16_t *selection, uint32_t count,
                 bool combine, uint64_t *hashes);

/* Order of two rows of vectors with one type id; nulls are equal to each other and last. */
int vector_compare(const struct vector *a, uint32_t row_a, const struct vector *b, uint32_t row_b);
/* Equal, nulls equal to each other (as GROUP BY and DISTINCT want it). */
bool vector_equal(const struct vector *a, uint32_t row_a, const struct vector *b, uint32_t row_b);

/* ---- batches --------------------------------------------------------------------------- */

/* column_count flat vectors in the arena, no rows. */
void batch_init(struct batch *batch, const struct type *types, uint32_t column_count,
                struct arena *arena);
/* No rows, no selection, vectors back to their own memory. */
void batch_reset(struct batch *batch);

static inline void batch_set_count(struct batch *batch, uint32_t row_count) {
    batch->row_count = batch->selected_count = row_count;
    batch->selection = NULL;
}
static inline uint32_t batch_row(const struct batch *batch, uint32_t i) {
    return batch->selection == NULL ? i : batch->selection[i];
}

/* Append selected rows first .. first+count of `source` to `target` (batch_init, no selection,
   same physical columns, room for them). Strings as in vector_copy. */
void batch_append(struct batch *target, const struct batch *source, uint32_t first, uint32_t count,
                  struct arena *arena);

#endif
