/*
 * Ordered keys: values as bytes that memcmp puts in the values' order.
 *
 * A key is its columns one after the other; no column's bytes are a prefix of another value's
 * bytes, so a prefix of the columns is a prefix of the key, and range scans by leading columns
 * are byte ranges. Per column:
 *
 *   marker   1 byte, absent when the column is not_null:
 *            value 0x40; NULL 0x20 (nulls first) or 0x60 (nulls last)
 *   body     only for values; every bit inverted when descending
 *
 *   bool            1 byte 0 or 1
 *   int2/4/8, date, time, timestamp(tz), oid
 *                   big-endian, sign bit flipped: 2, 4, 8 bytes
 *   real, double    big-endian bits; sign bit flipped when positive, all bits when negative;
 *                   -0 as 0, one NaN above infinity
 *   numeric         class byte 0x10 -inf, 0x20 negative, 0x30 zero, 0x40 positive, 0x50 inf,
 *                   0x60 NaN; for negative and positive: exponent e (value = 0.d1d2.. * 10^e,
 *                   d1 > 0) big-endian u16 biased by 0x8000, pairs of digits as bytes 1..100,
 *                   then 0; exponent and pairs inverted when negative. All forms and scales of
 *                   one value give the same bytes
 *   text, varchar, bpchar, name, "char", bytea, arrays ...
 *                   the bytes with 00 -> 01 01 and 01 -> 01 02, then 00 (bpchar without its
 *                   trailing spaces). Text order is bytewise (collation C)
 *   uuid            its 16 bytes
 *   interval        comparable microseconds, big-endian 16 bytes, sign flipped; then months and
 *                   days so that it can be decoded (they never decide between unequal intervals;
 *                   equal ones that are written differently, '1 mon' and '30 days', therefore are
 *                   different keys unless `canonical`)
 *
 * For unique indexes and grouping, equal values must give equal bytes: with `canonical` in the
 * column, intervals drop the trailing part and cannot be decoded. Arrays have bytes too (equal for
 * equal bodies) but not in value order; see key_orderable.
 */
#ifndef VALUE_KEY_H
#define VALUE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "value/value.h"
#include "value/value_vector.h"

struct key_column {
    struct type type;
    bool descending;
    bool nulls_first;
    bool not_null;  /* no marker byte; encoding NULL is a programmer's error */
    bool canonical; /* equal values give equal bytes (intervals; else always so) */
};

/* True when values of the type can be key columns whose byte order is value order (scalars;
   not arrays and records). */
bool key_orderable(struct type type);
/* True when decoding gives back the value as it was. Not for numeric of unknown scale (1.00 comes
   back as 1), bpchar (spaces trimmed; padded again when the type has a length), canonical
   intervals, -0.0. */
bool key_decodable(const struct key_column *column);

/* Append one value / a whole key. values[i].type.id must be that of the column, in any physical
   form. Failure sticks in the buffer. */
void key_encode_value(const struct key_column *column, const struct value *value,
                      struct buffer *buffer);
void key_encode(const struct key_column *columns, const struct value *values, uint32_t count,
                struct buffer *buffer);
/* Append the key of one row of vectors: columns[i] is row `row` of vectors[i]. */
void key_encode_row(const struct key_column *columns, const struct vector *const *vectors,
                    uint32_t count, uint32_t row, struct buffer *buffer);

/* Decode one column from the front of *key and move past it. DATA_CORRUPTED on bytes that no
   encoder writes. Strings live in `arena`. */
enum status key_decode_value(const struct key_column *column, struct slice *key,
                             struct arena *arena, struct value *value_out) MUST_USE;
/* Exactly `count` columns; `rest_out` may be NULL (then there must be no rest). */
enum status key_decode(const struct key_column *columns, uint32_t count, struct slice key,
                       struct arena *arena, struct value *values_out, struct slice *rest_out)
    MUST_USE;
/* Move past one column without decoding. */
enum status key_skip(const struct key_column *column, struct slice *key) MUST_USE;
/* True when some of the first `count` columns is NULL (unique indexes let those repeat). */
enum status key_has_null(const struct key_column *columns, uint32_t count, struct slice key,
                         bool *has_null_out) MUST_USE;

/* Turn a prefix into the first key beyond all keys that start with it: add one at the end. False
   when there is none (all bytes 0xFF or empty). */
bool key_successor(struct buffer *key);

#endif
