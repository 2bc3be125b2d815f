/*
 * Tests of encoded values: column <operator> constant, evaluated on a chunk's header, on its zone
 * maps and on its packed integers or dictionary codes, mostly without making the values.
 *
 * A test is bound to a chunk once (constants become packed integers or ranges of codes) and then
 * asked for the whole chunk, for zones of COLUMN_ZONE_ROWS rows, and run for vectors:
 *
 *     TRY(column_filter_bind(&reader, &test, arena, &filter));
 *     if (filter.verdict == COLUMN_NONE) skip the chunk
 *     for each zone:
 *         verdict = column_filter_zone(&filter, zone)       none: skip; all: no need to run
 *         TRY(column_filter_run(&filter, first, count, NULL, count, selection, &selected, arena));
 *
 * Results are those of PostgreSQL's operators: a null row passes no test but IS NULL; NaN equals
 * itself and is above all else; bpchar ignores trailing spaces; text is compared bytewise.
 */
#ifndef COLUMN_FILTER_H
#define COLUMN_FILTER_H

#include "column/column.h"

enum column_operator {
    COLUMN_EQUAL = 1,     /* values[0] */
    COLUMN_NOT_EQUAL,     /* values[0] */
    COLUMN_LESS,          /* values[0] */
    COLUMN_LESS_EQUAL,    /* values[0] */
    COLUMN_GREATER,       /* values[0] */
    COLUMN_GREATER_EQUAL, /* values[0] */
    COLUMN_BETWEEN,       /* values[0] <= x <= values[1] */
    COLUMN_IN,            /* values[0 .. value_count), at most COLUMN_IN_MAX; nulls match nothing */
    COLUMN_PREFIX,        /* text, varchar, name, bytea: starts with values[0] */
    COLUMN_IS_NULL,
    COLUMN_IS_NOT_NULL,
};

enum { COLUMN_IN_MAX = 64 };

/* Constants: of the column's type; for int2, int4 and int8 columns any of those three types; for
   numeric columns any numeric or integer, whatever the scale; for text, varchar, name any of those
   three. A null constant makes a test that no row passes. */
struct column_test {
    enum column_operator operator;
    uint32_t value_count;
    const struct value *values;
};

/* Whether a column of this type can be tested so: scalars with an order always, arrays and records
   only for (not) null, PREFIX for strings other than bpchar. */
bool column_filter_supports(struct type type, enum column_operator operator);

/* A test as a range of numbers: of a column whose values are integers in rows too (int2, int4,
   int8, date, timestamp, timestamptz, numeric of known scale and at most 18 digits: value times
   10^scale) those pass that are not null and lie in *low_out .. *high_out; none does when low >
   high. False: the test or the type has no such form. */
bool column_test_range(struct type type, const struct column_test *test, int64_t *low_out,
                       int64_t *high_out);

enum column_verdict { COLUMN_NONE = 1, COLUMN_SOME, COLUMN_ALL };

/* Private but `verdict`. */
struct column_filter {
    struct column_reader *reader;
    const struct column_test *test;
    enum column_verdict verdict; /* for the whole chunk; COLUMN_ALL: every row, so no nulls */
    uint8_t way;                 /* how it is run */
    bool negated;                /* <>: what is not in the ranges below */
    int64_t low, high;           /* images that may pass; empty: low > high */
    int64_t sure_low, sure_high; /* images that pass for certain */
    int64_t *set;                /* IN: images, ascending */
    uint32_t set_count;
    uint64_t *codes;        /* IN over a dictionary: bitmap of codes that pass */
    struct vector *scratch; /* where values are decoded that must be looked at */
};

/* `test`, its values and `arena` must outlive the filter. OUT_OF_MEMORY, DATA_CORRUPTED. The test
   must be supported for the reader's type (ASSERT). */
enum status column_filter_bind(struct column_reader *reader, const struct column_test *test,
                               struct arena *arena, struct column_filter *filter) MUST_USE;

/* What the zone map says about rows zone * COLUMN_ZONE_ROWS .. + COLUMN_ZONE_ROWS. */
enum column_verdict column_filter_zone(const struct column_filter *filter, uint32_t zone);

/* Of rows first + selection[0..selected) (selection NULL: first .. first+selected, and selected =
   count) write those that pass to result[] (room for `selected`; may be `selection` itself), as
   ascending numbers relative to first. count <= VECTOR_SIZE. Strings that must be decompressed
   for it go to `arena`. */
enum status column_filter_run(const struct column_filter *filter, uint32_t first, uint32_t count,
                              const uint16_t *selection, uint32_t selected, uint16_t *result,
                              uint32_t *result_count, struct arena *arena) MUST_USE;

/* The same as bits, for several tests in a row: clears in `mask` (bit i: row first + i; bits from
   `count` on are 0) the rows that fail. Cheaper while more than one row in COLUMN_SPARSE is left.
   Only if column_filter_is_dense: values are not looked at one by one. */
enum { COLUMN_SPARSE = 48 };
bool column_filter_is_dense(const struct column_filter *filter);
enum status column_filter_mask(const struct column_filter *filter, uint32_t first, uint32_t count,
                               uint64_t *mask) MUST_USE;
/* Which of `count` unsigned numbers of `width` bytes (1, 2, 4, 8) are low .. low + span, as bits.
   What lies behind the numbers, up to 64 of them in all, is read too. */
void column_numbers_mask(const void *numbers, unsigned width, uint32_t count, uint64_t low,
                         uint64_t span, uint64_t *mask);
/* How many of its first `count` bits are set; and which, ascending. */
uint32_t column_mask_count(const uint64_t *mask, uint32_t count);
uint32_t column_mask_select(const uint64_t *mask, uint32_t count, uint16_t *result);

#endif
