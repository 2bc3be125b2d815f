/*
 * Floating point as text.
 *
 * Out: the shortest decimal that reads back as the same number. Any decimal of up to 15 digits
 * (6 for real) survives the trip through binary, so if one of that length reads back, it is the
 * rounding to 15 digits without its trailing zeros; else 16 and 17 digits are tried. Denormals
 * have fewer good digits and start from one. Small decimals such as prices are found by exact
 * integer tests before any of that.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "value/parts.h"
#include "value/value_numeric.h"
#include "value/value_text.h"

/* PostgreSQL's look: d.ddde+XX from 10^fixed_limit on and below 10^-4. `digits` without trailing
   zeros; the value is 0.d1d2... * 10^point. */
static size_t layout(char *text, bool negative, const char *digits, int count, int point,
                     int fixed_limit) {
    char *at = text;
    if (negative)
        *at++ = '-';
    int exponent = point - 1;
    if (exponent < -4 || exponent >= fixed_limit) {
        *at++ = digits[0];
        if (count > 1) {
            *at++ = '.';
            memcpy(at, digits + 1, (size_t)count - 1);
            at += count - 1;
        }
        at += sprintf(at, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return (size_t)(at - text);
    }
    if (point <= 0) {
        *at++ = '0';
        *at++ = '.';
        for (int i = point; i < 0; i++)
            *at++ = '0';
        memcpy(at, digits, (size_t)count);
        return (size_t)(at + count - text);
    }
    for (int i = 0; i < point || i < count; i++) {
        if (i == point)
            *at++ = '.';
        *at++ = i < count ? digits[i] : '0';
    }
    return (size_t)(at - text);
}

static size_t special(double number, char *text) {
    const char *name = number != number ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
    memcpy(text, name, strlen(name));
    return strlen(name);
}

/* number = integer / 10^scale exactly as read back, with few digits: most numbers people write. */
static size_t try_decimal(double number, int fixed_limit, bool single, char *text) {
    double size = fabs(number);
    int64_t limit = single ? 1000000 : 1000000000000000;
    if (size >= (double)limit || size < 1e-4)
        return 0;
    for (int scale = 0; scale <= 6; scale++) {
        double scaled = nearbyint(size * (double)power_of_10[scale]);
        if (scaled >= (double)limit)
            return 0;
        double back = scaled / (double)power_of_10[scale];
        if (single ? (float)back != (float)size : back != size)
            continue;
        char digits[20];
        int count = (int)int64_format((int64_t)scaled, digits);
        int point = count - scale;
        while (count > 1 && digits[count - 1] == '0')
            count--;
        return layout(text, number < 0, digits, count, point, fixed_limit);
    }
    return 0;
}

static size_t shortest(double number, bool single, char text[FLOAT_TEXT_SIZE]) {
    if (number != number || isinf(number))
        return special(number, text);
    if (number == 0) {
        bool negative = signbit(number);
        memcpy(text, "-0", 2);
        text[negative ? 1 : 0] = '0';
        return negative ? 2 : 1;
    }
    int fixed_limit = single ? 6 : 15;
    size_t size = try_decimal(number, fixed_limit, single, text);
    if (size > 0)
        return size;
    bool denormal = fabs(number) < (single ? 1.17549435e-38 : 2.2250738585072014e-308);
    char scientific[40], digits[24];
    int most = single ? 9 : 17;
    for (int precision = denormal ? 1 : single ? 6 : 15; precision <= most; precision++) {
        snprintf(scientific, sizeof scientific, "%.*e", precision - 1, number);
        if (single ? strtof(scientific, NULL) == (float)number : strtod(scientific, NULL) == number)
            break;
    }
    const char *at = scientific + (scientific[0] == '-');
    int count = 0;
    for (; *at != 'e'; at++)
        if (*at != '.')
            digits[count++] = *at;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return layout(text, number < 0, digits, count, atoi(at + 1) + 1, fixed_limit);
}

size_t float8_format(double number, char text[FLOAT_TEXT_SIZE]) {
    return shortest(number, false, text);
}

void float_output(const struct value_context *context, double number, bool single,
                  struct buffer *buffer) {
    char text[FLOAT_TEXT_SIZE + 8];
    if (!context->float_rounded || number != number || isinf(number)) {
        buffer_append(buffer, text, shortest(number, single, text));
        return;
    }
    int digits = (single ? 6 : 15) + context->extra_float_digits;
    int size = snprintf(text, sizeof text, "%.*g", digits < 1 ? 1 : digits, number);
    buffer_append(buffer, text, (size_t)size);
}

/* ---- in -------------------------------------------------------------------------------- */

static bool parse_name(struct slice body, double *result) {
    bool negative = body.size > 0 && body.data[0] == '-';
    if (text_equal_ignoring_case(body, "nan")) {
        *result = NAN;
        return true;
    }
    if (body.size > 0 && (body.data[0] == '-' || body.data[0] == '+'))
        body = slice_of(body.data + 1, body.size - 1);
    if (!text_equal_ignoring_case(body, "infinity") && !text_equal_ignoring_case(body, "inf"))
        return false;
    *result = negative ? -INFINITY : INFINITY;
    return true;
}

enum status text_parse_float(struct slice text, uint32_t type_id, double *result) {
    const char *name = type_info_get(type_id)->name;
    struct slice body = text_trim(text);
    char copy[512];
    if (parse_name(body, result))
        return STATUS_OK;
    uint8_t last = body.size > 0 ? body.data[body.size - 1] : 0;
    if (body.size == 0 || body.size >= sizeof copy || memchr(body.data, 0, body.size) != NULL ||
        (last | 32) == 'n' || (last | 32) == 'y' || last == ')')
        return text_syntax_error(name, text);
    memcpy(copy, body.data, body.size);
    copy[body.size] = '\0';
    char *end;
    errno = 0;
    double number = type_id == TYPE_FLOAT4 ? (double)strtof(copy, &end) : strtod(copy, &end);
    if (end != copy + body.size)
        return text_syntax_error(name, text);
    if (errno == ERANGE && (number == 0 || isinf(number)))
        return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "\"%.*s\" is out of range for type %s",
                         (int)body.size, (const char *)body.data, name);
    *result = number;
    return STATUS_OK;
}
