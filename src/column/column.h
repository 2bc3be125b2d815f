/*
 * Column chunks: up to 65,536 values of one column as a few compressed bytes, and back.
 *
 * Pure: bytes in, bytes out; nothing here suspends, takes locks or knows pages. What the bytes are
 * is told in column_format.h, tests of encoded values in column_filter.h.
 *
 * Writing. A builder gathers values from vectors; encoding picks, per chunk, the cheapest of
 *
 *   constant      one value for all rows
 *   bit-packed    integers as offsets from a base per 1,024 rows (frame of reference)
 *   delta         differences of neighbours, bit-packed (ascending keys)
 *   run-length    runs of equal values
 *   decimal       floating-point numbers that are short decimals, as integers (ALP)
 *   dictionary    every distinct value once, in order; rows are bit-packed codes
 *   symbols       strings whose frequent substrings are one byte each (FSST)
 *   plain         the values as they are
 *
 *     column_builder_init(&builder, type);
 *     for each batch: TRY(column_builder_append(&builder, vector, selection, count));
 *     status = column_builder_encode(&builder, 0, builder.count, arena, &chunk);
 *     LIMIT_EXCEEDED: the chunk would pass COLUMN_CHUNK_SIZE_MAX: encode halves of the rows.
 *     column_builder_release(&builder);
 *
 * Reading. column_open checks the bytes once (that they are whole, and that no offset in them
 * leads out of them: from then on hostile bytes can give wrong values or DATA_CORRUPTED, never an
 * access out of bounds) and fills a reader. A reader is a small struct of the caller's; it refers
 * to the chunk's bytes, which must stay where they are (pinned) as long as the reader and any
 * string got from it. A reader belongs to one thread at a time; any number may read one chunk.
 *
 *     TRY(column_open(bytes, type, COLUMN_OPEN_TRUSTED, arena, &reader));
 *     for (first = 0; first < reader.rows; first += VECTOR_SIZE)
 *         TRY(column_decode(&reader, first, count, &vector, arena));
 *
 * Lifetimes of strings. Over 12 bytes they point into the chunk (plain, dictionary: no copy) or
 * into the arena given to the call (symbols).
 */
#ifndef COLUMN_H
#define COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "value/value.h"
#include "value/value_type.h"
#include "value/value_vector.h"

enum {
    COLUMN_ROWS_MAX = 65536,
    COLUMN_CHUNK_SIZE_MAX = 1 << 20,
    COLUMN_ZONE_ROWS = VECTOR_SIZE, /* rows that one zone map entry covers */
    COLUMN_ZONES_MAX = COLUMN_ROWS_MAX / COLUMN_ZONE_ROWS,
};

/* Zero is not an encoding. Kept in the chunk: numbers never change their meaning. */
enum column_encoding {
    COLUMN_CONSTANT = 1,
    COLUMN_PACKED = 2, /* a stream of integers, see enum column_stream */
    COLUMN_DECIMAL = 3,
    COLUMN_DICTIONARY = 4,
    COLUMN_PLAIN = 5,
    COLUMN_SYMBOLS = 6,
};

/* ---- distinct values ------------------------------------------------------------------- */

/* HyperLogLog (Flajolet 2007, linear counting while it is sparse): about 6.5 % off. Zeroed: no
   values. Sketches of parts merge to that of the whole, whatever overlaps. */
enum { COLUMN_SKETCH_SIZE = 256 };
struct column_sketch {
    uint8_t registers[COLUMN_SKETCH_SIZE];
};
static inline void column_sketch_add(struct column_sketch *sketch, uint64_t hash) {
    uint8_t rank = (uint8_t)(__builtin_clzll(hash << 8 | 1u << 7) + 1);
    uint8_t *at = &sketch->registers[hash >> 56];
    *at = *at < rank ? rank : *at;
}
/* What sketches of chunks hash: value_hash, but numerics of a known scale by their integers. So
   sketches merge and compare within one column's type. */
uint64_t column_sketch_hash(const struct value *value);
void column_sketch_merge(struct column_sketch *sketch, const struct column_sketch *other);
double column_sketch_estimate(const struct column_sketch *sketch);

/* ---- writing --------------------------------------------------------------------------- */

/* Encoding a full chunk takes up to tens of milliseconds. After every few thousand values at most
   the encoder calls `function`, which may let others run; the builder must not change meanwhile.
   What it fails with ends the encoding. Without a function there are no pauses. */
struct column_pause {
    enum status (*function)(void *context);
    void *context;
};

/* Zeroed is valid to release. Fields are private but `count` and `pause`. */
struct column_builder {
    struct type type;
    uint8_t physical;
    bool has_nulls;
    uint32_t count;    /* rows so far */
    size_t value_size; /* bytes of one value in `values` */
    uint8_t *values;   /* in the vector's physical form; strings point into `strings` */
    uint64_t *validity;
    size_t values_capacity, validity_capacity;
    size_t string_bytes; /* of all strings, inline ones too */
    struct arena strings;
    struct column_pause pause; /* of column_builder_encode; the caller sets it */
};

void column_builder_init(struct column_builder *builder, struct type type);
/* Forget the rows, keep the memory. */
void column_builder_reset(struct column_builder *builder);
void column_builder_release(struct column_builder *builder);

/* Add rows selection[0..count) (or 0..count) of a vector with the builder's physical form. Strings
   are copied. OUT_OF_MEMORY, LIMIT_EXCEEDED over COLUMN_ROWS_MAX rows: then nothing was added. */
enum status column_builder_append(struct column_builder *builder, const struct vector *vector,
                                  const uint16_t *selection, uint32_t count) MUST_USE;
enum status column_builder_append_value(struct column_builder *builder, const struct value *value)
    MUST_USE;

/* Rows first .. first+count (count >= 1) as a chunk in `arena`. The builder is not changed, so
   parts may be encoded one after the other, and again. LIMIT_EXCEEDED when the chunk would be
   larger than COLUMN_CHUNK_SIZE_MAX; with one row that means the value itself is too long. */
enum status column_builder_encode(const struct column_builder *builder, uint32_t first,
                                  uint32_t count, struct arena *arena, struct slice *chunk_out)
    MUST_USE;

/* ---- reading --------------------------------------------------------------------------- */

enum column_trust {
    COLUMN_OPEN_CHECKED, /* verify the checksum (about 0.1 ms per MiB) */
    COLUMN_OPEN_TRUSTED, /* somebody did, since the bytes came from disk or network */
    COLUMN_OPEN_AGAIN,   /* these very bytes were opened with success and are still the same: no
                            offset is looked at again. For reading one value */
};

/* Private but `type`, `rows`, `nulls` and `encoding`. */
struct column_packed { /* a stream of integers within the chunk; stream.h */
    const uint8_t *bytes;
    uint32_t size, count;
    uint8_t kind;
    uint32_t run_count;
    const uint8_t *run_firsts, *run_ends, *blocks;
    uint32_t blocks_size;
    int64_t constant;
};

struct column_reader {
    struct type type; /* as the vectors it fills have it */
    uint8_t physical, encoding;
    uint32_t rows, nulls;
    struct slice bytes; /* the chunk */
    struct arena *arena;
    const uint8_t *validity;      /* bitmap of non-null rows; NULL: none or kept otherwise */
    struct column_packed stream;  /* values, codes or string sizes */
    struct column_packed numbers; /* entries of a dictionary of numbers */
    uint32_t entry_count;         /* of the dictionary */
    struct slice section[8];
    struct vector *dictionary; /* entries in physical form, made when first asked for */
    struct symbols *symbols;   /* table of the decoder, likewise */
};

/* Check a chunk and prepare to read it as `type`, which must have the physical form (and scale)
   it was written with. `arena` holds what the reader makes (dictionary entries) and lives as long
   as the reader. DATA_CORRUPTED, OUT_OF_MEMORY. */
enum status column_open(struct slice chunk, struct type type, enum column_trust trust,
                        struct arena *arena, struct column_reader *reader) MUST_USE;

/* Rows first .. first+count (count <= VECTOR_SIZE, any first) into a vector of vector_init, which
   becomes FLAT; validity NULL when none of them is null. Nothing is allocated but the bytes of
   decompressed strings, in `arena`. Fastest when first is a multiple of VECTOR_SIZE.
   DATA_CORRUPTED, OUT_OF_MEMORY. */
enum status column_decode(struct column_reader *reader, uint32_t first, uint32_t count,
                          struct vector *vector, struct arena *arena) MUST_USE;

/* The same in whatever kind is cheapest: CONSTANT, or DICTIONARY over the chunk's entries (of at
   most VECTOR_SIZE, a null one last when there are nulls), which all vectors of this reader share
   (vector->data is then the same pointer): a kernel may compute once per entry. The vector must
   have own memory as for column_decode; codes use it. The entries live as long as the reader. */
enum status column_decode_vector(struct column_reader *reader, uint32_t first, uint32_t count,
                                 struct vector *vector, struct arena *arena) MUST_USE;

/* Only rows first + selection[0..selected) of first .. first+count, each at its place: entry
   selection[i] of the FLAT vector; the content of other entries is anything. For columns that are
   read after a filter has left few rows. */
enum status column_decode_rows(struct column_reader *reader, uint32_t first, uint32_t count,
                               const uint16_t *selection, uint32_t selected, struct vector *vector,
                               struct arena *arena) MUST_USE;

/* One value. Strings as in vectors, but those of up to 12 bytes are not inline either: they are
   views of the chunk or of `arena`. */
enum status column_get(struct column_reader *reader, uint32_t row, struct arena *arena,
                       struct value *value_out) MUST_USE;

/* ---- what a chunk says about itself ---------------------------------------------------- */

struct column_statistics {
    uint32_t rows, nulls;
    uint32_t distinct;     /* estimate among non-null values */
    uint32_t bytes;        /* of the whole chunk */
    const char *encoding;  /* "bit-packed", "dictionary, run-length" ...: static */
    bool has_range;        /* min and max are there: false when all rows are null, or for types
                              without an order (arrays, records) */
    bool min_is_exact;     /* else min is a prefix of the least value, so not above it */
    bool max_is_exact;     /* else max is a prefix of the greatest: some value may be above it */
    struct value min, max; /* strings are views of the chunk */
};

/* Cheap: reads the header only. */
void column_statistics(const struct column_reader *reader, struct column_statistics *statistics);
/* The sketch of all non-null values; false when the chunk does not keep one (constant chunks: one
   value). Hashes are value_hash. */
bool column_sketch_read(const struct column_reader *reader, struct column_sketch *sketch_out);

/* Read everything and compare it with what the header and the zone maps claim: for `check`.
   DATA_CORRUPTED names the first lie. */
enum status column_check(struct column_reader *reader) MUST_USE;

#endif
