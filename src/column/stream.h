/*
 * Streams: sequences of 64-bit integers within a chunk (format: column_format.h). Everything that
 * is numbers in the end is one: values, dictionary codes, sizes of strings, decimals.
 *
 * struct column_packed (column.h) is an open stream. stream_open proves that no block leads out
 * of the bytes; reading cannot fail after that.
 */
#ifndef COLUMN_STREAM_H
#define COLUMN_STREAM_H

#include "column/column.h"
#include "column/column_format.h"

/* DATA_CORRUPTED unless the bytes are a stream of exactly `count` integers. */
enum status stream_open(struct column_packed *stream, struct slice bytes, uint32_t count) MUST_USE;
/* The same for bytes that stream_open has found good. */
void stream_open_again(struct column_packed *stream, struct slice bytes, uint32_t count);

/* Integers first .. first+count, cut to `size` bytes each (1, 2, 4, 8 or 16, sign-extended). */
void stream_read(const struct column_packed *stream, uint32_t first, uint32_t count, unsigned size,
                 void *out);
int64_t stream_get(const struct column_packed *stream, uint32_t row);
/* The same of integers first + rows[i], each to place rows[i] of `out`; 1 to 8 bytes each. */
void stream_read_rows(const struct column_packed *stream, uint32_t first, const uint16_t *rows,
                      uint32_t count, unsigned size, void *out);
/* Bit i of mask says whether integer first + i is in low .. high. (count + 63) / 64 words. */
void stream_range(const struct column_packed *stream, uint32_t first, uint32_t count, int64_t low,
                  int64_t high, uint64_t *mask);
/* The same for integers that are somewhere already. */
void range_mask(const int64_t *values, uint32_t count, int64_t low, int64_t high, uint64_t *mask);

/* ---- writing --------------------------------------------------------------------------- */

struct stream_plan {
    enum stream_kind kind;
    uint32_t count, run_count;
    size_t size; /* of runs: an estimate */
};
/* Find the best kind for `count` >= 1 values. */
void stream_plan(const int64_t *values, uint32_t count, struct stream_plan *plan);
/* The bytes, in `arena`; a multiple of 8 of them. OUT_OF_MEMORY. */
enum status stream_write(const int64_t *values, const struct stream_plan *plan, struct arena *arena,
                         struct slice *out) MUST_USE;
/* What encoding_name says: "bit-packed", "delta" ... */
const char *stream_kind_name(uint8_t kind);

/* Bits that `value` needs. */
static inline unsigned bits_needed(uint64_t value) {
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}
/* Bytes of one number of a flat block. */
static inline unsigned flat_size(unsigned width) {
    return width <= 8 ? 1 : width <= 16 ? 2 : width <= 32 ? 4 : 8;
}
/* Whether a block of `count` numbers is interleaved (else flat), and its payload's size. */
static inline bool block_interleaved(uint32_t count, unsigned width) {
    return 128u * width <= count * flat_size(width);
}
static inline uint32_t block_payload(uint32_t count, unsigned width) {
    return width == 0                        ? 0
           : block_interleaved(count, width) ? 128u * width
                                             : count * flat_size(width);
}

#endif
