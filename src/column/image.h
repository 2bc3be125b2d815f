/*
 * Images: values of every type as 64-bit integers in the order of the values.
 *
 *     a < b  implies  image(a) <= image(b);      equal values have equal images
 *
 * An image is exact when also a < b implies image(a) < image(b). Then a test of values is a test of
 * images; otherwise images prove only what lies strictly beside them.
 *
 *     integers, dates, times, numerics of known scale   the number                      exact
 *     real, double        bits, negative ones inverted; -0 is 0, NaN is INT64_MAX       exact
 *     strings, uuid       first 8 bytes, zero-filled, as a number (bpchar: trimmed)
 *     int128 (wide)       the upper 64 bits
 *     interval, numeric of unknown scale (wide), arrays, records: none
 *     in a dictionary     the code                                                      exact
 */
#ifndef COLUMN_IMAGE_H
#define COLUMN_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/base_slice.h"
#include "value/value.h"

static inline int64_t image_of_double(double number) {
    int64_t bits;
    if (number != number)
        return INT64_MAX;
    number += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &number, sizeof bits);
    return bits ^ (int64_t)((uint64_t)(bits >> 63) >> 1);
}

static inline int64_t image_of_bytes(const uint8_t *bytes, size_t size) {
    uint64_t word = 0;
    if (size >= 8)
        memcpy(&word, bytes, 8);
    else if (size > 0)
        memcpy(&word, bytes, size);
    return (int64_t)(__builtin_bswap64(word) ^ 1ull << 63);
}

/* Scalars with an order: everything but arrays and records. */
bool type_is_ordered(struct type type);
/* Whether values of the type have images outside of dictionaries; `narrow`: kept as integers. */
bool type_has_image(struct type type, bool narrow);
bool image_is_exact(struct type type, bool narrow);
/* Of a value in the physical form of its type that is not narrow INT128 or NUMERIC. */
int64_t image_of_value(const struct value *value);
struct slice image_trim(struct type type, struct slice text);

/* Order for dictionaries: value_compare where there is an order, then the bytes. */
int column_order(const struct value *a, const struct value *b);

#endif
