/* Decimals and integers as text. */
#include <string.h>

#include "value/parts.h"
#include "value/value_numeric.h"
#include "value/value_text.h"
#include "value/wide.h"

/* ---- out ------------------------------------------------------------------------------- */

static const char digit_pairs[201] = "00010203040506070809101112131415161718192021222324"
                                     "25262728293031323334353637383940414243444546474849"
                                     "50515253545556575859606162636465666768697071727374"
                                     "75767778798081828384858687888990919293949596979899";

/* Digits of `number` ending before `end`; returns where they start. */
static char *digits_before(char *end, uint64_t number) {
    while (number >= 100) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * (number % 100), 2);
        number /= 100;
    }
    if (number >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * number, 2);
    } else {
        *--end = (char)('0' + number);
    }
    return end;
}

size_t int64_format(int64_t number, char text[20]) {
    char reversed[20];
    char *start = digits_before(reversed + 20, number < 0 ? -(uint64_t)number : (uint64_t)number);
    size_t size = (size_t)(reversed + 20 - start), at = 0;
    if (number < 0)
        text[at++] = '-';
    memcpy(text + at, start, size);
    return at + size;
}

/* Digits of a magnitude; at most 39; returns how many. */
static size_t magnitude_format(uint128_t magnitude, char text[40]) {
    char reversed[60];
    char *end = reversed + sizeof reversed, *start = end;
    while (magnitude >> 64 != 0) {
        char *stop = start - 18;
        start = digits_before(start, (uint64_t)(magnitude % (uint128_t)power_of_10_128[18]));
        while (start > stop)
            *--start = '0';
        magnitude /= (uint128_t)power_of_10_128[18];
    }
    if (magnitude > 0 || start == end)
        start = digits_before(start, (uint64_t)magnitude);
    memcpy(text, start, (size_t)(end - start));
    return (size_t)(end - start);
}

size_t int128_format(int128_t number, char text[40]) {
    size_t sign = number < 0;
    if (sign)
        text[0] = '-';
    char digits[40];
    size_t size = magnitude_format(magnitude_of(number), digits);
    memcpy(text + sign, digits, size);
    return sign + size;
}

void numeric_format_scaled(int128_t coefficient, int scale, struct buffer *buffer) {
    char digits[40];
    int size = (int)magnitude_format(magnitude_of(coefficient), digits);
    uint8_t *text = buffer_reserve(buffer, 44 + (size_t)scale);
    if (text == NULL)
        return;
    uint8_t *at = text;
    if (coefficient < 0)
        *at++ = '-';
    int whole = size - scale; /* digits before the point */
    if (whole <= 0) {
        *at++ = '0';
    } else {
        memcpy(at, digits, (size_t)whole);
        at += whole;
    }
    if (scale > 0) {
        *at++ = '.';
        for (int zeros = whole; zeros < 0; zeros++)
            *at++ = '0';
        int from = whole > 0 ? whole : 0;
        memcpy(at, digits + from, (size_t)(size - from));
        at += size - from;
    }
    buffer->size += (size_t)(at - text);
}

void numeric_format(struct numeric number, struct buffer *buffer) {
    static const char *const names[] = {[NUMERIC_NAN] = "NaN",
                                        [NUMERIC_INFINITY] = "Infinity",
                                        [NUMERIC_MINUS_INFINITY] = "-Infinity"};
    if (number.kind != NUMERIC_FINITE)
        buffer_append_text(buffer, names[number.kind]);
    else
        numeric_format_scaled(number.coefficient, number.scale, buffer);
}

/* ---- in -------------------------------------------------------------------------------- */

bool text_is_space(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

struct slice text_trim(struct slice text) {
    while (text.size > 0 && text_is_space(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && text_is_space(text.data[text.size - 1]))
        text.size--;
    return text;
}

bool text_equal_ignoring_case(struct slice text, const char *lower) {
    size_t size = strlen(lower);
    if (text.size != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = text.data[i];
        if (byte >= 'A' && byte <= 'Z')
            byte += 'a' - 'A';
        if (byte != (uint8_t)lower[i])
            return false;
    }
    return true;
}

enum status text_syntax_error(const char *type_name, struct slice text) {
    return error_set(STATUS_INVALID_TEXT_REPRESENTATION,
                     "invalid input syntax for type %s: \"%.*s\"", type_name,
                     (int)(text.size > 800 ? 800 : text.size), (const char *)text.data);
}

static bool parse_special(struct slice body, bool negative, bool signed_text,
                          struct numeric *number_out) {
    if (text_equal_ignoring_case(body, "nan") && !signed_text)
        *number_out = numeric_special(NUMERIC_NAN);
    else if (text_equal_ignoring_case(body, "inf") || text_equal_ignoring_case(body, "infinity"))
        *number_out = numeric_special(negative ? NUMERIC_MINUS_INFINITY : NUMERIC_INFINITY);
    else
        return false;
    return true;
}

/* The digits of a number as they are read. */
struct digits {
    uint128_t coefficient;
    int scale;     /* digits after the point that are in the coefficient */
    int scale_max; /* digits after the point that are wanted */
    int round;     /* first digit beyond scale_max, -1 none seen */
    bool overflow;
};

static void take_digit(struct digits *digits, int digit, bool fraction) {
    if (fraction && digits->scale >= digits->scale_max) {
        if (digits->round < 0)
            digits->round = digit;
        return;
    }
    if (digits->coefficient >= (uint128_t)power_of_10_128[37]) {
        digits->overflow = true;
        return;
    }
    digits->coefficient = digits->coefficient * 10 + (unsigned)digit;
    digits->scale += fraction;
}

/* -?d+ after an 'e'; false on syntax. Clamped so that callers see an overflow. */
static bool parse_exponent(const uint8_t *at, const uint8_t *end, int *exponent_out) {
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return false;
    int exponent = 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        if (exponent < 100000)
            exponent = exponent * 10 + (*at - '0');
    }
    *exponent_out = negative ? -exponent : exponent;
    return true;
}

static enum status too_long(void) {
    enum status status =
        error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format");
    error_detail("Numbers have at most %d significant digits.", NUMERIC_DIGITS_MAX);
    return status;
}

enum status numeric_parse_rounded(struct slice text, int scale_max, struct numeric *number_out) {
    struct slice body = text_trim(text);
    bool negative = body.size > 0 && body.data[0] == '-';
    bool has_sign = negative || (body.size > 0 && body.data[0] == '+');
    if (has_sign)
        body = slice_of(body.data + 1, body.size - 1);
    const uint8_t *at = body.data, *end = body.data + body.size;
    if (at < end && (*at | 32) >= 'a' && (*at | 32) <= 'z') {
        if (parse_special(body, negative, has_sign, number_out))
            return STATUS_OK;
        return text_syntax_error("numeric", text);
    }
    /* An exponent moves the point: then nothing is rounded while reading. */
    bool has_exponent = body.size > 0 && (memchr(at, 'e', body.size) || memchr(at, 'E', body.size));
    struct digits digits = {.scale_max = has_exponent ? NUMERIC_SCALE_MAX : scale_max, .round = -1};
    bool any = false, fraction = false;
    int exponent = 0;
    for (; at < end; at++) {
        if (*at >= '0' && *at <= '9') {
            take_digit(&digits, *at - '0', fraction);
            any = true;
        } else if (*at == '.' && !fraction) {
            fraction = true;
        } else if ((*at | 32) == 'e' && any && parse_exponent(at + 1, end, &exponent)) {
            break;
        } else {
            return text_syntax_error("numeric", text);
        }
    }
    if (!any)
        return text_syntax_error("numeric", text);
    if (digits.overflow)
        return too_long();
    int128_t coefficient = (int128_t)digits.coefficient + (digits.round >= 5);
    int scale = digits.scale - exponent;
    if (scale < 0) {
        if (coefficient != 0 &&
            (scale < -38 || decimal_multiply(coefficient, power_of_10_128[-scale], &coefficient)))
            return too_long();
        scale = 0;
    }
    if (scale > NUMERIC_SCALE_MAX)
        return too_long();
    *number_out = numeric_make(negative ? -coefficient : coefficient, scale);
    return STATUS_OK;
}

enum status numeric_parse(struct slice text, struct numeric *number_out) {
    return numeric_parse_rounded(text, NUMERIC_SCALE_MAX, number_out);
}
