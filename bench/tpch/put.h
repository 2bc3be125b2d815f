/* Fields as text, written at a place that has room; each returns the end of what it wrote. */
#ifndef BENCH_TPCH_PUT_H
#define BENCH_TPCH_PUT_H

#include <stdint.h>
#include <string.h>

static inline char *put_separator(char *to) {
    *to = '|';
    return to + 1;
}

static inline char *put_line_end(char *to) {
    *to = '\n';
    return to + 1;
}

static inline char *put_string(char *to, const char *text) {
    size_t count = strlen(text);
    memcpy(to, text, count);
    return to + count;
}

static inline char *put_field(char *to, const char *text) {
    return put_separator(put_string(to, text));
}

/* At least width digits; number >= 0. */
static inline char *put_padded(char *to, int64_t number, int width) {
    char digits[20];
    int count = 0;
    for (; number > 0 || count < width; number /= 10)
        digits[count++] = (char)('0' + number % 10);
    while (count > 0)
        *to++ = digits[--count];
    return to;
}

static inline char *put_field_number(char *to, int64_t number) {
    return put_separator(put_padded(to, number, 1));
}

static inline char *put_field_cents(char *to, int64_t cents) {
    if (cents < 0)
        *to++ = '-';
    cents = cents < 0 ? -cents : cents;
    to = put_padded(to, cents / 100, 1);
    *to++ = '.';
    return put_separator(put_padded(to, cents % 100, 2));
}

/* prefix and nine digits. */
static inline char *put_name(char *to, const char *prefix, int64_t number) {
    return put_separator(put_padded(put_string(to, prefix), number, 9));
}

/* Days since 1970-01-01 as YYYY-MM-DD (days_from_civil reversed, Howard Hinnant's algorithm; only
 * years after 1970). */
static inline char *put_field_date(char *to, int32_t day) {
    uint32_t shifted = (uint32_t)day + 719468, era = shifted / 146097, of_era = shifted % 146097;
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153, of_month = of_year - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    to = put_padded(to, year + era * 400 + (month <= 2), 4);
    *to++ = '-';
    to = put_padded(to, month, 2);
    *to++ = '-';
    return put_separator(put_padded(to, of_month, 2));
}

#endif
