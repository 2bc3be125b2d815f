#include "value/wide.h"

#include "value/value_numeric.h"

/* 10^0 to 10^18, which fit 64 bits. */
#define POWERS_OF_10                                                                               \
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,        \
        100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,            \
        10000000000000000, 100000000000000000, 1000000000000000000

const int64_t power_of_10[19] = {POWERS_OF_10};

#define E18 ((int128_t)1000000000000000000)
const int128_t power_of_10_128[39] = {
    POWERS_OF_10,
    E18 * 10,
    E18 * 100,
    E18 * 1000,
    E18 * 10000,
    E18 * 100000,
    E18 * 1000000,
    E18 * 10000000,
    E18 * 100000000,
    E18 * 1000000000,
    E18 * 10000000000,
    E18 * 100000000000,
    E18 * 1000000000000,
    E18 * 10000000000000,
    E18 * 100000000000000,
    E18 * 1000000000000000,
    E18 * 10000000000000000,
    E18 * 100000000000000000,
    E18 *E18,
    E18 *E18 * 10,
    E18 *E18 * 100,
};

#define LIMIT ((uint128_t)power_of_10_128[38])

struct u256 wide_multiply(uint128_t a, uint128_t b) {
    uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64);
    uint64_t b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
    uint128_t low = (uint128_t)a0 * b0, high = (uint128_t)a1 * b1;
    uint128_t mid1 = (uint128_t)a0 * b1, mid2 = (uint128_t)a1 * b0;
    uint128_t mid = (low >> 64) + (uint64_t)mid1 + (uint64_t)mid2;
    return (struct u256){
        .high = high + (mid1 >> 64) + (mid2 >> 64) + (mid >> 64),
        .low = (mid << 64) | (uint64_t)low,
    };
}

/* Schoolbook by 64-bit limbs. */
static struct u256 divide_by_limb(struct u256 dividend, uint64_t divisor,
                                  uint128_t *remainder_out) {
    uint64_t limbs[4] = {(uint64_t)(dividend.high >> 64), (uint64_t)dividend.high,
                         (uint64_t)(dividend.low >> 64), (uint64_t)dividend.low};
    uint128_t rest = 0;
    for (int i = 0; i < 4; i++) {
        rest = rest << 64 | limbs[i];
        limbs[i] = (uint64_t)(rest / divisor);
        rest %= divisor;
    }
    *remainder_out = rest;
    return (struct u256){.high = (uint128_t)limbs[0] << 64 | limbs[1],
                         .low = (uint128_t)limbs[2] << 64 | limbs[3]};
}

struct u256 wide_divide(struct u256 dividend, uint128_t divisor, uint128_t *remainder_out) {
    ASSERT(divisor > 0);
    if (dividend.high == 0) {
        *remainder_out = dividend.low % divisor;
        return (struct u256){.low = dividend.low / divisor};
    }
    if (divisor >> 64 == 0)
        return divide_by_limb(dividend, (uint64_t)divisor, remainder_out);
    /* Bit by bit below the first 128 bits, whose quotient one division gives. */
    struct u256 quotient = {.high = dividend.high / divisor};
    uint128_t rest = dividend.high % divisor;
    for (int bit = 127; bit >= 0; bit--) {
        bool carry = rest >> 127 != 0;
        rest = rest << 1 | (dividend.low >> bit & 1);
        if (carry || rest >= divisor) {
            rest -= divisor;
            quotient.low |= (uint128_t)1 << bit;
        }
    }
    *remainder_out = rest;
    return quotient;
}

bool decimal_multiply(int128_t a, int128_t b, int128_t *result) {
    uint128_t x = magnitude_of(a), y = magnitude_of(b), product;
    if (x >> 64 == 0 && y >> 64 == 0) {
        product = x * y;
    } else {
        struct u256 wide = wide_multiply(x, y);
        if (wide.high != 0)
            return true;
        product = wide.low;
    }
    *result = with_sign(product, (a < 0) != (b < 0));
    return product >= LIMIT;
}

bool decimal_add(int128_t a, int128_t b, int128_t *result) {
    *result = (int128_t)((uint128_t)a + (uint128_t)b);
    if ((a < 0) != (b < 0))
        return false;
    uint128_t sum = magnitude_of(a) + magnitude_of(b);
    return sum >= LIMIT;
}

int decimal_digits(uint128_t magnitude) {
    if (magnitude == 0)
        return 0;
    int bits = magnitude >> 64 != 0 ? 128 - __builtin_clzll((uint64_t)(magnitude >> 64))
                                    : 64 - __builtin_clzll((uint64_t)magnitude);
    int digits = bits * 1233 >> 12; /* floor(bits * log10(2)) or so: never above the answer */
    return digits > 38 || magnitude >= (uint128_t)power_of_10_128[digits] ? digits + 1 : digits;
}

bool decimal_divide(int128_t a, int shift, int128_t b, bool truncate, int128_t *result) {
    ASSERT(b != 0);
    uint128_t x = magnitude_of(a), y = magnitude_of(b), rest;
    struct u256 wide = {.low = x};
    if (x == 0) {
        *result = 0;
        return false;
    }
    if (shift > 76)
        return true;
    if (shift > 38) { /* two steps; the first must leave room */
        wide = wide_multiply(x, LIMIT);
        shift -= 38;
        struct u256 high = wide_multiply(wide.high, (uint128_t)power_of_10_128[shift]);
        struct u256 low = wide_multiply(wide.low, (uint128_t)power_of_10_128[shift]);
        if (high.high != 0 || high.low + low.high < high.low)
            return true;
        wide = (struct u256){.high = high.low + low.high, .low = low.low};
    } else if (shift > 0) {
        wide = wide_multiply(x, (uint128_t)power_of_10_128[shift]);
    } else if (shift < 0) {
        /* a / (b * 10^-shift): a divisor of more than 128 bits leaves nothing of 38 digits. */
        struct u256 divisor = -shift > 38 ? (struct u256){.high = 1}
                                          : wide_multiply(y, (uint128_t)power_of_10_128[-shift]);
        if (divisor.high != 0) {
            *result = 0;
            return false;
        }
        y = divisor.low;
    }
    struct u256 quotient = wide_divide(wide, y, &rest);
    if (!truncate && rest >= y - rest)
        quotient.low++;
    if (quotient.high != 0 || quotient.low >= LIMIT)
        return true;
    *result = with_sign(quotient.low, (a < 0) != (b < 0));
    return false;
}
