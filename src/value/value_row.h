/*
 * Rows as bytes: what tables store, the journal carries and write sets hold. Format in
 * row_format.h.
 *
 * A row stores the first n columns of its table, as many as there were when it was written; the
 * columns added since take their `missing` value. Fixed-size columns lie at offsets that depend
 * only on (schema, n); the others are found through an array of end offsets. A long value can be
 * kept outside: the row then holds a struct row_external in its place.
 */
#ifndef VALUE_ROW_H
#define VALUE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "value/value.h"
#include "value/value_vector.h"

enum { ROW_COLUMNS_MAX = 1600, ROW_SIZE_MAX = (1u << 30) - 1 };

/* A value kept outside of its row. size is that of the value in bytes, at least 1. */
struct row_external {
    uint64_t id;
    uint32_t size;
};

struct row_column {
    struct type type;
    /* For rows written before the column existed; NULL means null. Lives as long as the schema. */
    const struct value *missing;
};

/* Made once per table version; read-only afterwards, shared by any thread. */
struct row_schema {
    uint32_t column_count;
    const struct row_column *columns;
    const uint8_t *physical;      /* enum physical per column */
    const uint32_t *fixed_offset; /* fixed column: offset within the fixed part */
    const uint32_t *fixed_size;   /* [n]: bytes of the fixed part of a row that stores n columns */
    const uint32_t *variable_index; /* variable column: which of the ends is its own */
    const uint32_t *variable_count; /* [n]: variable columns among the first n */
};

/* All in `arena`; `columns` is copied (missing values deeply). */
void row_schema_init(struct row_schema *schema, const struct row_column *columns,
                     uint32_t column_count, struct arena *arena);
static inline bool row_column_is_fixed(const struct row_schema *schema, uint32_t column) {
    return schema->physical[column] != PHYSICAL_STRING &&
           schema->physical[column] != PHYSICAL_NUMERIC;
}

/* ---- encode ---------------------------------------------------------------------------- */

/* Append a row of all the schema's columns. values[i] must be null or have the physical form of
   column i. externals: NULL, or per column; where externals[i].size > 0 the reference is stored
   and values[i] is not looked at (STRING columns only). Fails with PROGRAM_LIMIT_EXCEEDED over
   ROW_SIZE_MAX, OUT_OF_MEMORY. */
enum status row_encode(const struct row_schema *schema, const struct value *values,
                       const struct row_external *externals, struct buffer *buffer) MUST_USE;
/* The same from row `row` (a row of the vectors, not of the selection) of a batch whose first
   column_count vectors are the columns. */
enum status row_encode_batch(const struct row_schema *schema, const struct batch *batch,
                             uint32_t row, const struct row_external *externals,
                             struct buffer *buffer) MUST_USE;

/* ---- decode ---------------------------------------------------------------------------- */

/* How a column is stored in a row. */
enum row_presence { ROW_VALUE, ROW_NULL, ROW_EXTERNAL };

/* One column. *value_out is the value (ROW_VALUE; strings are views of the row's bytes), null
   (ROW_NULL) or undefined (ROW_EXTERNAL: *external_out is set). DATA_CORRUPTED for bytes that are
   no row of this schema. */
enum status row_decode_column(const struct row_schema *schema, struct slice row, uint32_t column,
                              struct value *value_out, enum row_presence *presence_out,
                              struct row_external *external_out) MUST_USE;
/* All columns into values_out; externals_out NULL or per column (size 0: not external). With NULL
   an external value is DATA_CORRUPTED. */
enum status row_decode(const struct row_schema *schema, struct slice row, struct value *values_out,
                       struct row_external *externals_out) MUST_USE;

/* External values met by row_decode_batch: the caller fetches them and puts them into the vectors
   (vector_set). The entry is NULL in the vector until then. */
struct row_external_place {
    struct row_external external;
    uint32_t row;    /* of the vectors */
    uint32_t vector; /* position among the vectors asked for */
};
struct row_external_list {
    struct row_external_place *places;
    uint32_t count, capacity; /* grows in the arena of the options */
};

struct row_decode_options {
    const uint16_t *columns; /* which columns, any order */
    uint32_t column_count;
    uint32_t target_row;                 /* first row of the vectors to fill */
    struct arena *arena;                 /* for copies of strings and for the list of externals */
    bool copy_strings;                   /* false: long strings point into the rows' bytes */
    struct row_external_list *externals; /* NULL: an external value is DATA_CORRUPTED */
};

/* rows[0..count) into rows target_row.. of FLAT vectors (vector_init; one per wanted column, types
   as in the schema), column by column. target_row + count <= VECTOR_SIZE. The hot path of scans. */
enum status row_decode_batch(const struct row_schema *schema, const struct slice *rows,
                             uint32_t count, const struct row_decode_options *options,
                             struct vector *vectors) MUST_USE;

/* Every external reference of a row (to free them). Returns the count, at most `capacity`. */
enum status row_externals(const struct row_schema *schema, struct slice row,
                          struct row_external *externals_out, uint32_t capacity,
                          uint32_t *count_out) MUST_USE;

/* Is some value of the row kept outside? */
bool row_has_external(struct slice row);
/* Columns that the row stores. */
enum status row_stored_columns(const struct row_schema *schema, struct slice row,
                               uint32_t *count_out) MUST_USE;
/* Every rule of the format; names the first broken one. */
enum status row_check(const struct row_schema *schema, struct slice row) MUST_USE;
/* The same, and what row_decode gives on the way. */
enum status row_decode_checked(const struct row_schema *schema, struct slice row,
                               struct value *values_out, struct row_external *externals_out)
    MUST_USE;

#endif
