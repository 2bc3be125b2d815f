/*
 * Columns beside a hot leaf (private to the room).
 *
 * Hot rows lie in their leaf as rows: a point read, an update and the journal want one whole. A
 * scan wants a few columns of all of them, and pays for bytes it does not look at and for finding
 * the ones it does. So the second scan that meets a leaf unchanged keeps what it decodes, column by
 * column, in the leaf's companion (txn.h), which goes with the first change of the leaf:
 *
 *     +--------+---------+------------+--------------+---------------+-------------+---
 *     | header | deleted | words of   | row ids, the | column a,     | column b,
 *     |        | (bits)  | the range  | low 16 bits  | by entry      | ...
 *     +--------+---------+------------+--------------+---------------+-------------+---
 *
 * Where the rows lie close to each other the words say the same as the row ids, as bits of the
 * range: a scan that hides all of them in a block has fewer to set.
 *
 * A column of integers is kept as unsigned numbers of 1, 2, 4 or 8 bytes, less the least of the
 * leaf; short strings are made integers; other values of fixed size lie there as in a vector. A
 * column with a null or with a string that is no part of struct string is noted as unfit, and read
 * from those rows that are left after the tests. A leaf with rows that are stored otherwise
 * (outside, with long values) is unfit as a whole. So is a column that no row of the leaf stores:
 * it may have been added by a transaction that is not committed, and its place be another column's
 * later. A stored one has been committed, and its place is its own for ever.
 * The columns say nothing that the leaf does not
 * say: which version of a row a snapshot sees is decided above, for each run of entries, as it is
 * for the leaf itself.
 */
#ifndef LEAF_COLUMNS_H
#define LEAF_COLUMNS_H

#include <string.h>

#include "table/rows.h"

enum {
    LEAF_COLUMNS_MAX = 24,
    LEAF_WORD_ROWS = 2, /* so many rows a word, or more, make words worth keeping */
    LEAF_READ_BEYOND = 63,
};

enum leaf_form {
    LEAF_UNFIT,
    LEAF_RAW,    /* as in a vector */
    LEAF_NUMBER, /* base + stored number */
    LEAF_STRING, /* the same; the number is size + 256 * bytes (little-endian), of up to 7 bytes */
};

struct leaf_column {
    uint16_t column; /* counted from 0 */
    uint8_t form;
    uint8_t width;   /* bytes of a stored value */
    uint32_t offset; /* from the beginning of the companion */
    uint64_t base;
};

struct leaf_columns {
    bool fit;
    bool has_deleted;
    bool far; /* the last row is 65,536 or more behind the first */
    uint16_t column_count;
    bool whole; /* of a range (range_columns.h): word_bits of all of its words, without `words` */
    uint16_t word_count;                     /* 0: the words are not kept */
    uint32_t count;                          /* entries of the leaf */
    uint64_t generation_min, generation_max; /* of all of them */
    uint64_t first_row;
    struct leaf_column columns[LEAF_COLUMNS_MAX]; /* of a companion only column_count */
    /* uint64_t deleted[(count + 63) / 64]; uint64_t word_bits[word_count]; uint16_t
       words[word_count]; uint16_t places[count]; then the columns, each aligned to 16; 63 values
       more can be read behind each */
};

/* What making one needs: big, so made when first wanted. Lives in an arena. */
struct leaf_builder {
    const struct table *table;
    struct vector vectors[PHYSICAL_COUNT]; /* one of each form, in `arena` when first needed */
    struct arena *arena;
    struct arena scratch;
    uint32_t live_count;
    uint32_t columns_stored; /* the most of any row */
    /* From here on nothing is known before a leaf is read. */
    uint16_t live[VECTOR_SIZE]; /* entries that are no deleted rows */
    uint64_t numbers[VECTOR_SIZE];
    uint16_t places[VECTOR_SIZE];
    uint16_t words[VECTOR_SIZE / LEAF_WORD_ROWS];
    uint64_t word_bits[VECTOR_SIZE / LEAF_WORD_ROWS];
    uint64_t deleted[VECTOR_SIZE / 64];
    struct slice values[VECTOR_SIZE], rows[VECTOR_SIZE];
    uint8_t keys[VECTOR_SIZE * ROW_KEY_SIZE];
};

static inline size_t leaf_columns_header_size(const struct leaf_columns *columns) {
    return offsetof(struct leaf_columns, columns) +
           columns->column_count * sizeof(struct leaf_column);
}
static inline const uint64_t *leaf_columns_deleted(const struct leaf_columns *columns) {
    return (const uint64_t *)((const uint8_t *)columns + leaf_columns_header_size(columns));
}
/* Of 64 places of a range of rows (block_format.h) those that have rows in the leaf. */
static inline const uint64_t *leaf_columns_word_bits(const struct leaf_columns *columns) {
    return leaf_columns_deleted(columns) + (columns->count + 63) / 64;
}
/* Which 64: place / 64. */
static inline const uint16_t *leaf_columns_words(const struct leaf_columns *columns) {
    return (const uint16_t *)(leaf_columns_word_bits(columns) + columns->word_count);
}
/* Where the rows are in their ranges (block_format.h). */
static inline const uint16_t *leaf_columns_places(const struct leaf_columns *columns) {
    return leaf_columns_words(columns) + (columns->whole ? 0 : columns->word_count);
}
static inline const void *leaf_column_values(const struct leaf_columns *columns,
                                             const struct leaf_column *column) {
    return (const uint8_t *)columns + column->offset;
}
/* The end of what may be read of a column. */
static inline size_t leaf_read_end(const struct leaf_columns *columns,
                                   const struct leaf_column *column) {
    return column->offset + ((size_t)columns->count + LEAF_READ_BEYOND) * column->width;
}
static inline size_t leaf_aligned(size_t size) {
    return (size + 15) & ~(size_t)15;
}

/* ---- numbers as they are kept -------------------------------------------------------------- */

static inline uint8_t leaf_number_width(uint64_t span) {
    return span <= UINT8_MAX ? 1 : span <= UINT16_MAX ? 2 : span <= UINT32_MAX ? 4 : 8;
}
static inline void leaf_number_put(void *to, uint32_t at, uint32_t width, uint64_t number) {
    switch (width) {
    case 1:
        ((uint8_t *)to)[at] = (uint8_t)number;
        break;
    case 2:
        ((uint16_t *)to)[at] = (uint16_t)number;
        break;
    case 4:
        ((uint32_t *)to)[at] = (uint32_t)number;
        break;
    default:
        ((uint64_t *)to)[at] = number;
    }
}
static inline uint64_t leaf_number_get(const void *from, uint32_t at, uint32_t width) {
    switch (width) {
    case 1:
        return ((const uint8_t *)from)[at];
    case 2:
        return ((const uint16_t *)from)[at];
    case 4:
        return ((const uint32_t *)from)[at];
    default:
        return ((const uint64_t *)from)[at];
    }
}
/* A string of up to 7 bytes as a number, and back. */
static inline uint64_t leaf_string_number(const struct string *string) {
    uint64_t bytes;
    memcpy(&bytes, string->bytes, sizeof bytes);
    return bytes << 8 | string->size;
}
static inline struct string leaf_number_string(uint64_t number) {
    uint64_t words[2] = {(number & 0xFF) | (number >> 8) << 32, number >> 40};
    struct string string;
    memcpy(&string, words, sizeof string);
    return string;
}

/* ---- finding and making -------------------------------------------------------------------- */

/* Columns that a scan wants, and where the last leaf had them. */
struct leaf_want {
    uint16_t column;
    uint32_t guess;
    const struct leaf_column *found; /* in the last leaf that was fit */
};

/* In these columns, where it was in the last; NULL: it is not there, but may be elsewhere. */
static inline const struct leaf_column *leaf_want_guess(const struct leaf_want *want,
                                                        const struct leaf_columns *columns) {
    const struct leaf_column *column = &columns->columns[want->guess];
    return want->guess < columns->column_count && column->column == want->column ? column : NULL;
}

/* Have all wanted ones found; false: one is not there. */
bool leaf_columns_find(const struct leaf_columns *columns, struct leaf_want *wanted,
                       uint32_t count);

/* The columns of the leaf, with the wanted ones among them: those that are there, or else made.
   NULL: they are not, since there is no memory to spare or the leaf is new to scans. *builder NULL
   at first; the caller releases its scratch. */
enum status leaf_columns_get(const struct table *table, const struct txn_leaf *leaf,
                             struct leaf_want *wanted, uint32_t wanted_count, struct arena *arena,
                             struct leaf_builder **builder, const struct leaf_columns **columns_out)
    MUST_USE;

#endif
