/*
 * Bodies of arrays and records: what the STRING of an array, int2vector, oidvector or record holds.
 *
 * Array body (little-endian, unaligned):
 *
 *     offset  size  field
 *          0     1  version, 1
 *          1     1  number of dimensions, 0..6 (0: empty, the header is all)
 *          2     2  flags: bit 0 = some element is null; others zero
 *          4     4  element type id
 *          8   8*d  per dimension: length u32, lower bound i32
 *       then        null bitmap, (n + 7) / 8 bytes, bit set = null; only with flag bit 0
 *       then        elements, last dimension fastest. Fixed-size physical forms: n * physical_size
 *                   bytes (nulls are zero). STRING and NUMERIC forms: n ends u32 (offsets from the
 *                   end of this table), then the bytes; a numeric is numeric_pack()ed.
 *
 * Record body: version 2 u8, zero u8, field count u16, then per field: type id u32, modifier i32,
 * size i32 (-1 null), bytes (fixed forms as in memory; numerics packed).
 *
 * Equal arrays can have different bodies only in numerics with other scales.
 */
#ifndef VALUE_ARRAY_H
#define VALUE_ARRAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "value/value.h"

enum { ARRAY_DIMENSIONS_MAX = 6, ARRAY_ELEMENTS_MAX = (1 << 27) - 1 };

/* An opened body: cheap to make, points into it. */
struct array {
    struct type element_type; /* without modifier: numerics are NUMERIC */
    uint32_t dimension_count;
    uint32_t lengths[ARRAY_DIMENSIONS_MAX];
    int32_t lower_bounds[ARRAY_DIMENSIONS_MAX];
    uint32_t count; /* elements in all */
    const uint8_t *nulls, *ends, *data;
    struct slice body;
};

/* DATA_CORRUPTED for bytes that are no body. Never reads outside. */
enum status array_open(struct slice body, struct array *array_out) MUST_USE;
/* Element 0 <= i < count in storage order; strings are views of the body. DATA_CORRUPTED only for
   a damaged body. */
enum status array_get(const struct array *array, uint32_t i, struct value *value_out) MUST_USE;

/* Build a body in `arena`. Elements must have the element type's id. dimension_count 0 with count
   0 is the empty array; one dimension with lower bound 1 is array_make. */
enum status array_encode(uint32_t element_type, const struct value *elements, uint32_t count,
                         uint32_t dimension_count, const uint32_t *lengths,
                         const int32_t *lower_bounds, struct arena *arena, struct slice *body_out)
    MUST_USE;
/* A one-dimensional array value (lower bound 1; int2vector and oidvector 0) of type
   `array_type` holding the elements. */
enum status array_make(uint32_t array_type, const struct value *elements, uint32_t count,
                       struct arena *arena, struct value *value_out) MUST_USE;

/* As PostgreSQL compares arrays: elements in order (null is larger), then counts, dimensions. */
int array_compare(struct slice a, struct slice b);
uint64_t array_hash(struct slice body);

/* Records. */
struct record {
    uint32_t field_count;
    struct slice body;
};
enum status record_make(const struct value *fields, uint32_t count, struct arena *arena,
                        struct value *value_out) MUST_USE;
enum status record_open(struct slice body, struct record *record_out) MUST_USE;
/* All fields into fields_out[0..field_count). */
enum status record_get_all(const struct record *record, struct value *fields_out) MUST_USE;
int record_compare(struct slice a, struct slice b);

#endif
