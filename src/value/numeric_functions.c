/*
 * Roots, exponentials and logarithms of decimals.
 *
 * The square root is exact integer arithmetic. The others work on fixed-point binary numbers with
 * FRACTION_BITS after the point in 128 bits: about 31 decimal digits, where results are shown with
 * 16 significant digits or a little more. How many digits are shown follows PostgreSQL 15.
 */
#include <math.h>

#include "value/value_numeric.h"
#include "value/wide.h"

enum { FRACTION_BITS = 104, SIGNIFICANT_DIGITS = 16, SHOWN_MAX = 1000 };

typedef int128_t fixed; /* number * 2^FRACTION_BITS, |number| < 2^23 */

#define ONE ((fixed)1 << FRACTION_BITS)
/* ln 2 and ln 10, rounded to FRACTION_BITS. */
#define LN_2 ((fixed)(((uint128_t)0xB17217F7D1ull << 64) | 0xCF79ABC9E3B39804ull))
#define LN_10 ((fixed)(((uint128_t)0x24D763776AAull << 64) | 0xA2B05BA95B58AE0Bull))

static enum status overflow(void) {
    enum status status =
        error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format");
    error_detail("Numbers have at most %d significant digits.", NUMERIC_DIGITS_MAX);
    return status;
}

static fixed fixed_multiply(fixed a, fixed b) {
    struct u256 product = wide_multiply(magnitude_of(a), magnitude_of(b));
    uint128_t size = product.high << (128 - FRACTION_BITS) | product.low >> FRACTION_BITS;
    return with_sign(size, (a < 0) != (b < 0));
}

static fixed fixed_divide(fixed a, fixed b) {
    uint128_t rest, x = magnitude_of(a);
    struct u256 dividend = {x >> (128 - FRACTION_BITS), x << FRACTION_BITS};
    return with_sign(wide_divide(dividend, magnitude_of(b), &rest).low, (a < 0) != (b < 0));
}

static int clamp_scale(int scale, int least) {
    scale = scale > least ? scale : least;
    return scale < 0 ? 0 : scale > SHOWN_MAX ? SHOWN_MAX : scale;
}

static int larger(int a, int b) {
    return a > b ? a : b;
}

/* ---- logarithm ------------------------------------------------------------------------- */

/* ln of a positive number: the coefficient is m * 2^k with 1 <= m < 2, and
   ln m = 2 atanh((m - 1) / (m + 1)). */
static fixed ln_of(struct numeric a) {
    uint128_t magnitude = (uint128_t)a.coefficient;
    int k = magnitude >> 64 != 0 ? 127 - __builtin_clzll((uint64_t)(magnitude >> 64))
                                 : 63 - __builtin_clzll((uint64_t)magnitude);
    fixed m = (fixed)(k <= FRACTION_BITS ? magnitude << (FRACTION_BITS - k)
                                         : magnitude >> (k - FRACTION_BITS));
    fixed t = fixed_divide(m - ONE, m + ONE), square = fixed_multiply(t, t), sum = t, power = t;
    for (int n = 3; power != 0; n += 2) {
        power = fixed_multiply(power, square);
        sum += power / n;
    }
    return 2 * sum + k * LN_2 - a.scale * LN_10;
}

/* ln near one, where the logarithm above loses what cancels: ln(1 + x) = 2 atanh(x / (2 + x))
   on a number shifted left by as many decimal digits as x is small. Returns the digits. */
static bool is_near_one(struct numeric a, struct numeric *excess) {
    struct numeric one = numeric_make(1, 0), tenth = numeric_make(1, 1);
    if (numeric_subtract(a, one, excess) != STATUS_OK)
        return false;
    return numeric_compare(numeric_absolute(*excess), tenth) <= 0;
}

/* First digits of a number as a double and their decimal exponent: number = *digits * 10^*exponent,
   taken from the base-10000 groups that PostgreSQL looks at. */
static void leading_digits(struct numeric a, int groups, double *digits, int *exponent) {
    uint128_t magnitude = magnitude_of(a.coefficient);
    int count = decimal_digits(magnitude), top = count - 1 - a.scale;
    int weight = top >= 0 ? top / 4 : -((3 - top) / 4);
    int keep_from = 4 * (weight - groups + 1); /* decimal place of the last digit looked at */
    int drop = keep_from + a.scale;
    *exponent = keep_from;
    if (drop <= 0) {
        *digits = (double)magnitude * pow(10, -drop);
        return;
    }
    uint128_t kept = drop > 38 ? 0 : magnitude / (uint128_t)power_of_10_128[drop];
    *digits = (double)kept;
}

/* Decimal weight of ln(a), as PostgreSQL guesses it. */
static int estimate_ln_weight(struct numeric a) {
    struct numeric excess, low = numeric_make(9, 1), high = numeric_make(11, 1);
    double digits;
    int exponent;
    if (numeric_sign(a) <= 0)
        return 0;
    if (numeric_compare(a, low) >= 0 && numeric_compare(a, high) <= 0) {
        if (!is_near_one(a, &excess) || excess.coefficient == 0)
            return 0;
        leading_digits(excess, 1, &digits, &exponent);
        return exponent + (int)log10(digits);
    }
    leading_digits(a, 2, &digits, &exponent);
    double ln = log(digits) + exponent * 2.302585092994046;
    return (int)log10(fabs(ln));
}

/* A fixed-point number to a decimal of `scale` digits, fewer when they do not fit or are not
   known (31 are). */
static enum status fixed_to_numeric(fixed number, int scale, struct numeric *result) {
    if (scale > 31)
        scale = 31;
    for (; scale >= 0; scale--) {
        uint128_t size = magnitude_of(number);
        struct u256 product = wide_multiply(size, (uint128_t)power_of_10_128[scale]);
        if (product.high >> (FRACTION_BITS - 2) != 0)
            continue;
        uint128_t whole = product.high << (128 - FRACTION_BITS) | product.low >> FRACTION_BITS;
        whole += product.low >> (FRACTION_BITS - 1) & 1;
        if (whole >= (uint128_t)power_of_10_128[38])
            continue;
        *result = numeric_make(with_sign(whole, number < 0), scale);
        return STATUS_OK;
    }
    return overflow();
}

static enum status check_logarithm(struct numeric a) {
    if (numeric_sign(a) < 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_LOG,
                         "cannot take logarithm of a negative number");
    if (a.kind == NUMERIC_FINITE && a.coefficient == 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of zero");
    return STATUS_OK;
}

enum status numeric_ln(struct numeric a, struct numeric *result) {
    *result = a;
    if (a.kind == NUMERIC_NAN)
        return STATUS_OK;
    TRY(check_logarithm(a));
    if (a.kind != NUMERIC_FINITE)
        return STATUS_OK;
    int scale = clamp_scale(SIGNIFICANT_DIGITS - estimate_ln_weight(a), a.scale);
    return fixed_to_numeric(ln_of(a), scale, result);
}

enum status numeric_log(struct numeric base, struct numeric a, struct numeric *result) {
    if (base.kind == NUMERIC_NAN || a.kind == NUMERIC_NAN) {
        *result = numeric_special(NUMERIC_NAN);
        return STATUS_OK;
    }
    TRY(check_logarithm(base));
    TRY(check_logarithm(a));
    if (base.kind != NUMERIC_FINITE) {
        *result = a.kind != NUMERIC_FINITE ? numeric_special(NUMERIC_NAN) : numeric_make(0, 0);
        return STATUS_OK;
    }
    fixed ln_base = ln_of(base);
    if (ln_base == 0)
        return error_set(STATUS_DIVISION_BY_ZERO, "division by zero");
    if (a.kind != NUMERIC_FINITE) {
        *result = a;
        return STATUS_OK;
    }
    int weight = estimate_ln_weight(a) - estimate_ln_weight(base);
    int scale = clamp_scale(SIGNIFICANT_DIGITS - weight, larger(base.scale, a.scale));
    return fixed_to_numeric(fixed_divide(ln_of(a), ln_base), scale, result);
}

/* ---- exponential ----------------------------------------------------------------------- */

/* mantissa * 2^exponent, mantissa kept near 127 bits. */
struct scaled {
    uint128_t mantissa;
    int exponent;
};

static void scale_by_10(struct scaled *number, int power) {
    struct u256 product = wide_multiply(number->mantissa, (uint128_t)power_of_10_128[power]);
    int shift = 0;
    while (product.high >> shift != 0)
        shift++;
    if (shift > 0) {
        number->mantissa =
            shift == 128 ? product.high : product.high << (128 - shift) | product.low >> shift;
        number->exponent += shift;
    } else {
        number->mantissa = product.low;
    }
}

/* 2^k * e^r with |r| <= ln 2, to a decimal of `scale` digits or fewer. */
static enum status exp_to_numeric(fixed exponent, int scale, struct numeric *result) {
    int k = (int)(exponent / LN_2);
    fixed r = exponent - k * LN_2, sum = ONE, term = ONE;
    for (int n = 1; term != 0; n++) {
        term = fixed_multiply(term, r) / n;
        sum += term;
    }
    for (; scale >= 0; scale--) {
        struct scaled number = {(uint128_t)sum << 22, k - FRACTION_BITS - 22};
        for (int left = scale; left > 0; left -= 38)
            scale_by_10(&number, left < 38 ? left : 38);
        int drop = -number.exponent;
        if (drop < 0)
            continue;
        uint128_t whole = drop > 127 ? 0 : number.mantissa >> drop;
        if (drop >= 1 && drop <= 128)
            whole += number.mantissa >> (drop - 1) & 1;
        if (whole < (uint128_t)power_of_10_128[38]) {
            *result = numeric_make((int128_t)whole, scale);
            return STATUS_OK;
        }
    }
    return overflow();
}

/* A decimal as fixed point; true when too large for it. */
static bool to_fixed(struct numeric a, fixed *result) {
    struct u256 wide = wide_multiply(magnitude_of(a.coefficient), (uint128_t)ONE);
    uint128_t rest;
    for (int left = a.scale; left > 0; left -= 38)
        wide = wide_divide(wide, (uint128_t)power_of_10_128[left < 38 ? left : 38], &rest);
    *result = with_sign(wide.low, a.coefficient < 0);
    return wide.high != 0 || wide.low >> 124 != 0;
}

static enum status exp_of(double approximate, fixed exponent, bool too_large, int least_scale,
                          struct numeric *result) {
    double weight = approximate * 0.434294481903252;
    if (weight > 2000)
        weight = 2000;
    if (weight < -2000)
        weight = -2000;
    int scale = clamp_scale(SIGNIFICANT_DIGITS - (int)weight, least_scale);
    if (too_large || fabs(approximate) > 40000) {
        if (approximate > 0)
            return overflow();
        *result = numeric_make(0, scale);
        return STATUS_OK;
    }
    return exp_to_numeric(exponent, scale, result);
}

enum status numeric_exp(struct numeric a, struct numeric *result) {
    *result = a;
    if (a.kind == NUMERIC_MINUS_INFINITY)
        *result = numeric_make(0, 0);
    if (a.kind != NUMERIC_FINITE)
        return STATUS_OK;
    fixed exponent;
    bool too_large = to_fixed(a, &exponent);
    return exp_of(numeric_to_float8(a), exponent, too_large, a.scale, result);
}

/* ---- powers ---------------------------------------------------------------------------- */

static enum status to_scale(struct numeric a, int scale, struct numeric *result) {
    for (; scale >= 0; scale--)
        if (numeric_round(a, scale, result) == STATUS_OK)
            return STATUS_OK;
    return overflow();
}

/* By squaring while exact; false when digits run out. */
static bool power_exactly(struct numeric base, int64_t exponent, struct numeric *result) {
    struct numeric product = numeric_make(1, 0), square = base;
    for (;;) {
        if ((exponent & 1) != 0 && numeric_multiply(product, square, &product) != STATUS_OK)
            return false;
        exponent >>= 1;
        if (exponent == 0)
            break;
        if (numeric_multiply(square, square, &square) != STATUS_OK)
            return false;
        square = numeric_normalize(square);
    }
    *result = product;
    return true;
}

static enum status power_whole(struct numeric base, int64_t exponent, struct numeric *result) {
    int scale = clamp_scale(SIGNIFICANT_DIGITS, base.scale);
    if (base.coefficient == 0 && exponent < 0)
        return error_set(STATUS_DIVISION_BY_ZERO, "division by zero");
    struct numeric power, one = numeric_make(1, 0), normal = numeric_normalize(base);
    if (exponent >= 0 && power_exactly(normal, exponent, &power))
        return to_scale(power, scale, result);
    if (exponent < 0 && power_exactly(normal, -exponent, &power)) {
        int128_t quotient;
        for (; scale >= 0; scale--) {
            if (!decimal_divide(one.coefficient, scale + power.scale, power.coefficient, false,
                                &quotient)) {
                *result = numeric_make(quotient, scale);
                return STATUS_OK;
            }
        }
    }
    fixed ln = ln_of(numeric_absolute(base)), product;
    double approximate = numeric_to_float8(numeric_absolute(base));
    approximate = log(approximate) * (double)exponent;
    bool too_large = fabs(approximate) > 100000;
    product = too_large ? 0 : ln * (int128_t)exponent;
    TRY(exp_of(approximate, product, too_large, scale, result));
    if (base.coefficient < 0 && (exponent & 1) != 0)
        *result = numeric_negate(*result);
    return to_scale(*result, scale < result->scale ? scale : result->scale, result);
}

static enum status power_special(struct numeric a, struct numeric exponent,
                                 struct numeric *result) {
    struct numeric one = numeric_make(1, 0);
    bool is_one = a.kind == NUMERIC_FINITE && numeric_compare(a, one) == 0;
    bool zero_exponent = exponent.kind == NUMERIC_FINITE && exponent.coefficient == 0;
    if (is_one || zero_exponent) {
        *result = one;
        return STATUS_OK;
    }
    if (a.kind == NUMERIC_NAN || exponent.kind == NUMERIC_NAN) {
        *result = numeric_special(NUMERIC_NAN);
        return STATUS_OK;
    }
    bool grows;
    if (exponent.kind != NUMERIC_FINITE) {
        int order = numeric_compare(numeric_absolute(a), one);
        if (order == 0) {
            *result = one;
            return STATUS_OK;
        }
        if (a.kind == NUMERIC_FINITE && a.coefficient == 0 && numeric_sign(exponent) < 0)
            return error_set(STATUS_INVALID_ARGUMENT_FOR_POWER,
                             "zero raised to a negative power is undefined");
        grows = (order > 0) == (numeric_sign(exponent) > 0);
        *result = grows ? numeric_special(NUMERIC_INFINITY) : numeric_make(0, 0);
        return STATUS_OK;
    }
    struct numeric normal = numeric_normalize(exponent);
    grows = numeric_sign(exponent) > 0;
    if (a.kind == NUMERIC_MINUS_INFINITY && normal.scale > 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_POWER, "a negative number raised to a "
                                                            "non-integer power yields a complex "
                                                            "result");
    bool odd = normal.coefficient % 2 != 0;
    *result = !grows                                    ? numeric_make(0, 0)
              : a.kind == NUMERIC_MINUS_INFINITY && odd ? numeric_special(NUMERIC_MINUS_INFINITY)
                                                        : numeric_special(NUMERIC_INFINITY);
    return STATUS_OK;
}

enum status numeric_power(struct numeric a, struct numeric exponent, struct numeric *result) {
    if (a.kind != NUMERIC_FINITE || exponent.kind != NUMERIC_FINITE)
        return power_special(a, exponent, result);
    if (a.coefficient == 0 && exponent.coefficient < 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_POWER,
                         "zero raised to a negative power is undefined");
    struct numeric normal = numeric_normalize(exponent);
    if (a.coefficient < 0 && normal.scale > 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_POWER, "a negative number raised to a "
                                                            "non-integer power yields a complex "
                                                            "result");
    if (normal.scale == 0 && normal.coefficient == (int32_t)normal.coefficient)
        return power_whole(a, (int64_t)normal.coefficient, result);
    if (a.coefficient == 0) {
        *result = numeric_make(0, SIGNIFICANT_DIGITS);
        return STATUS_OK;
    }
    fixed factor, ln = ln_of(a);
    double approximate = log(numeric_to_float8(a)) * numeric_to_float8(exponent);
    bool too_large = to_fixed(exponent, &factor) || fabs(approximate) > 100000;
    fixed product = too_large ? 0 : fixed_multiply(ln, factor);
    return exp_of(approximate, product, too_large, larger(a.scale, exponent.scale), result);
}

/* ---- square root ----------------------------------------------------------------------- */

static int compare_wide(struct u256 a, struct u256 b) {
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return (a.low > b.low) - (a.low < b.low);
}

/* Rounded root of `wide` < 10^76, bit by bit. */
static uint128_t root_of(struct u256 wide) {
    uint128_t root = 0;
    for (int bit = 126; bit >= 0; bit--) {
        uint128_t with_bit = root | (uint128_t)1 << bit;
        if (compare_wide(wide_multiply(with_bit, with_bit), wide) <= 0)
            root = with_bit;
    }
    struct u256 middle = wide_multiply(root, root + 1); /* (root + 1/2)^2 - 1/4 */
    return root + (compare_wide(wide, middle) > 0);
}

/* Digits after the point of the square root, so that SIGNIFICANT_DIGITS are shown. */
static int root_scale(struct numeric a) {
    int digits = decimal_digits((uint128_t)a.coefficient), top = digits - 1 - a.scale;
    int weight = digits == 0 ? 0 : top >= 0 ? top / 4 : -((3 - top) / 4);
    int root_weight = weight >= 0 ? weight * 4 / 2 + 1 : 1 - (1 - weight * 4) / 2;
    return clamp_scale(SIGNIFICANT_DIGITS - root_weight, a.scale);
}

enum status numeric_sqrt(struct numeric a, struct numeric *result) {
    bool ordinary = a.kind == NUMERIC_FINITE && numeric_sign(a) >= 0;
    return numeric_sqrt_to(a, ordinary ? root_scale(a) : 0, result);
}

enum status numeric_sqrt_to(struct numeric a, int scale, struct numeric *result) {
    *result = a;
    if (numeric_sign(a) < 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_POWER,
                         "cannot take square root of a negative number");
    if (a.kind != NUMERIC_FINITE)
        return STATUS_OK;
    uint128_t magnitude = (uint128_t)a.coefficient;
    int digits = decimal_digits(magnitude);
    for (; scale >= 0 && 2 * scale >= a.scale; scale--) {
        struct u256 wide = {.low = magnitude};
        int shift = 2 * scale - a.scale;
        if (digits > 0 && digits + shift > 75)
            continue;
        for (; shift > 0 && digits > 0; shift -= 38) {
            uint128_t power = (uint128_t)power_of_10_128[shift < 38 ? shift : 38];
            struct u256 low = wide_multiply(wide.low, power);
            wide = (struct u256){low.high + wide.high * power, low.low};
        }
        *result = numeric_make((int128_t)root_of(wide), scale);
        return STATUS_OK;
    }
    return overflow();
}
