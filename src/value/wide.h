/* 128- and 256-bit integer arithmetic for decimals. Private to the room. */
#ifndef VALUE_WIDE_H
#define VALUE_WIDE_H

#include "value/value.h"

struct u256 {
    uint128_t high, low;
};

static inline uint128_t magnitude_of(int128_t number) {
    return number < 0 ? -(uint128_t)number : (uint128_t)number;
}
static inline int128_t with_sign(uint128_t magnitude, bool negative) {
    return (int128_t)(negative ? -magnitude : magnitude);
}

struct u256 wide_multiply(uint128_t a, uint128_t b);
/* Quotient and remainder; divisor > 0. */
struct u256 wide_divide(struct u256 dividend, uint128_t divisor, uint128_t *remainder_out);

/* a * b of decimals; true when |result| >= 10^38. */
bool decimal_multiply(int128_t a, int128_t b, int128_t *result);
/* a + b; true when |result| >= 10^38. Operands are in range. */
bool decimal_add(int128_t a, int128_t b, int128_t *result);
/* Decimal digits: 0 has 0. */
int decimal_digits(uint128_t magnitude);
/* round(a * 10^shift / b) half away from zero, shift may be negative; true when out of range. */
bool decimal_divide(int128_t a, int shift, int128_t b, bool truncate, int128_t *result);

#endif
