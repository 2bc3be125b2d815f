/*
 * Intervals from text.
 *
 *     1 year 2 mons -3 days 04:05:06.7    1-2 (years-months)    3 4:05:06 (days, time)
 *     @ 1 day 2 hours ago                 P1Y2M3DT4H5M6S        1.5 weeks
 *
 * Fractions of a unit flow down to smaller ones as in PostgreSQL: of years to whole months, of
 * months and weeks to days and time, of days and less to time. A bare number takes its unit from
 * what follows: days before a time, else the least field the type allows, seconds by default.
 */
#include <math.h>
#include <stdlib.h>

#include "value/parts.h"
#include "value/value_datetime.h"

enum {
    FIELD_MONTH = 1 << 1,
    FIELD_YEAR = 1 << 2,
    FIELD_DAY = 1 << 3,
    FIELD_HOUR = 1 << 10,
    FIELD_MINUTE = 1 << 11,
    FIELD_SECOND = 1 << 12,
    FIELDS_ALL = 0x7FFF,
    PRECISION_NONE = 0xFFFF,
};

enum unit {
    UNIT_NONE,
    UNIT_MICROSECOND,
    UNIT_MILLISECOND,
    UNIT_SECOND,
    UNIT_MINUTE,
    UNIT_HOUR,
    UNIT_DAY,
    UNIT_WEEK,
    UNIT_MONTH,
    UNIT_YEAR,
    UNIT_DECADE,
    UNIT_CENTURY,
    UNIT_MILLENNIUM,
};

/* Sums while reading; wider than the result so that overflow shows at the end. */
struct sums {
    int64_t us, days, months;
    bool overflow;
    uint32_t seen; /* bit per unit: each may come once */
};

enum outcome { GOOD, BAD_FORMAT, OVERFLOW };

static enum unit unit_of(struct slice word) {
    static const struct {
        const char *word;
        uint8_t unit;
    } words[] = {
        {"us", UNIT_MICROSECOND},
        {"usec", UNIT_MICROSECOND},
        {"usecs", UNIT_MICROSECOND},
        {"usecond", UNIT_MICROSECOND},
        {"useconds", UNIT_MICROSECOND},
        {"microsecond", UNIT_MICROSECOND},
        {"microseconds", UNIT_MICROSECOND},
        {"microsecon", UNIT_MICROSECOND},
        {"ms", UNIT_MILLISECOND},
        {"msec", UNIT_MILLISECOND},
        {"msecs", UNIT_MILLISECOND},
        {"msecond", UNIT_MILLISECOND},
        {"mseconds", UNIT_MILLISECOND},
        {"millisecond", UNIT_MILLISECOND},
        {"milliseconds", UNIT_MILLISECOND},
        {"millisecon", UNIT_MILLISECOND},
        {"s", UNIT_SECOND},
        {"sec", UNIT_SECOND},
        {"secs", UNIT_SECOND},
        {"second", UNIT_SECOND},
        {"seconds", UNIT_SECOND},
        {"m", UNIT_MINUTE},
        {"min", UNIT_MINUTE},
        {"mins", UNIT_MINUTE},
        {"minute", UNIT_MINUTE},
        {"minutes", UNIT_MINUTE},
        {"h", UNIT_HOUR},
        {"hr", UNIT_HOUR},
        {"hrs", UNIT_HOUR},
        {"hour", UNIT_HOUR},
        {"hours", UNIT_HOUR},
        {"d", UNIT_DAY},
        {"day", UNIT_DAY},
        {"days", UNIT_DAY},
        {"w", UNIT_WEEK},
        {"week", UNIT_WEEK},
        {"weeks", UNIT_WEEK},
        {"mon", UNIT_MONTH},
        {"mons", UNIT_MONTH},
        {"month", UNIT_MONTH},
        {"months", UNIT_MONTH},
        {"y", UNIT_YEAR},
        {"yr", UNIT_YEAR},
        {"yrs", UNIT_YEAR},
        {"year", UNIT_YEAR},
        {"years", UNIT_YEAR},
        {"dec", UNIT_DECADE},
        {"decs", UNIT_DECADE},
        {"decade", UNIT_DECADE},
        {"decades", UNIT_DECADE},
        {"c", UNIT_CENTURY},
        {"cent", UNIT_CENTURY},
        {"century", UNIT_CENTURY},
        {"centuries", UNIT_CENTURY},
        {"mil", UNIT_MILLENNIUM},
        {"mils", UNIT_MILLENNIUM},
        {"millennium", UNIT_MILLENNIUM},
        {"millennia", UNIT_MILLENNIUM},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (text_equal_ignoring_case(word, words[i].word))
            return words[i].unit;
    return UNIT_NONE;
}

static void add_to(struct sums *sums, int64_t *sum, int64_t count, int64_t scale) {
    int64_t product;
    if (__builtin_mul_overflow(count, scale, &product) ||
        __builtin_add_overflow(*sum, product, sum))
        sums->overflow = true;
}

static void add_fraction_us(struct sums *sums, double fraction, int64_t scale) {
    double exact = fraction * (double)scale;
    int64_t whole = (int64_t)exact;
    double rest = exact - (double)whole;
    whole += rest > 0.5 ? 1 : rest < -0.5 ? -1 : 0;
    add_to(sums, &sums->us, whole, 1);
}

static void add_fraction_days(struct sums *sums, double fraction, int scale) {
    double exact = fraction * scale;
    int days = (int)exact;
    add_to(sums, &sums->days, days, 1);
    add_fraction_us(sums, exact - days, US_PER_DAY);
}

/* count + fraction of a unit; both with the sign. */
static void add_units(struct sums *sums, enum unit unit, int64_t count, double fraction) {
    static const int64_t us[] = {[UNIT_MICROSECOND] = 1,
                                 [UNIT_MILLISECOND] = 1000,
                                 [UNIT_SECOND] = US_PER_SECOND,
                                 [UNIT_MINUTE] = US_PER_MINUTE,
                                 [UNIT_HOUR] = US_PER_HOUR};
    static const int months[] = {
        [UNIT_YEAR] = 12, [UNIT_DECADE] = 120, [UNIT_CENTURY] = 1200, [UNIT_MILLENNIUM] = 12000};
    switch (unit) {
    case UNIT_NONE:
    case UNIT_MICROSECOND:
    case UNIT_MILLISECOND:
    case UNIT_SECOND:
    case UNIT_MINUTE:
    case UNIT_HOUR:
        add_to(sums, &sums->us, count, us[unit]);
        add_fraction_us(sums, fraction, us[unit]);
        break;
    case UNIT_DAY:
        add_to(sums, &sums->days, count, 1);
        add_fraction_us(sums, fraction, US_PER_DAY);
        break;
    case UNIT_WEEK:
        add_to(sums, &sums->days, count, 7);
        add_fraction_days(sums, fraction, 7);
        break;
    case UNIT_MONTH:
        add_to(sums, &sums->months, count, 1);
        add_fraction_days(sums, fraction, 30);
        break;
    case UNIT_YEAR:
    case UNIT_DECADE:
    case UNIT_CENTURY:
    case UNIT_MILLENNIUM:
        add_to(sums, &sums->months, count, months[unit]);
        add_to(sums, &sums->months, (int64_t)rint(fraction * months[unit]), 1);
        break;
    }
}

/* False when the unit was there before. Seconds with a fraction are milli- and microseconds too. */
static bool first_of(struct sums *sums, enum unit unit, double fraction) {
    uint32_t bits = 1u << unit;
    if (unit == UNIT_SECOND && fraction != 0)
        bits |= 1u << UNIT_MILLISECOND | 1u << UNIT_MICROSECOND;
    if ((sums->seen & bits) != 0)
        return false;
    sums->seen |= bits;
    return true;
}

/* ---- reading --------------------------------------------------------------------------- */

struct scan {
    const uint8_t *at, *end;
    int fields;    /* of the type: FIELD_..., FIELDS_ALL */
    bool one_sign; /* a minus at the beginning is for all that follows */
    struct sums sums;
};

static bool is_digit(const struct scan *scan) {
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static bool next_is(const struct scan *scan, char byte) {
    return scan->at < scan->end && *scan->at == (uint8_t)byte;
}

static void skip_spaces(struct scan *scan) {
    while (scan->at < scan->end && text_is_space(*scan->at))
        scan->at++;
}

/* Digits and fraction; false without any, or too large for 64 bits. */
static bool take_number(struct scan *scan, int64_t *count, double *fraction, bool *overflow) {
    const uint8_t *start = scan->at;
    int64_t number = 0;
    for (; is_digit(scan); scan->at++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *scan->at - '0', &number))
            *overflow = true;
    *count = number;
    *fraction = 0;
    if (next_is(scan, '.')) {
        char text[40];
        size_t size = 0;
        do {
            if (size < sizeof text - 1)
                text[size++] = (char)*scan->at;
            scan->at++;
        } while (is_digit(scan));
        text[size] = '\0';
        *fraction = strtod(text, NULL);
    }
    return scan->at > start && !(scan->at == start + 1 && *start == '.');
}

static enum unit default_unit(int fields) {
    switch (fields) {
    case FIELD_YEAR:
        return UNIT_YEAR;
    case FIELD_MONTH:
    case FIELD_YEAR | FIELD_MONTH:
        return UNIT_MONTH;
    case FIELD_DAY:
        return UNIT_DAY;
    case FIELD_HOUR:
    case FIELD_DAY | FIELD_HOUR:
        return UNIT_HOUR;
    case FIELD_MINUTE:
    case FIELD_HOUR | FIELD_MINUTE:
    case FIELD_DAY | FIELD_HOUR | FIELD_MINUTE:
        return UNIT_MINUTE;
    default:
        return UNIT_SECOND;
    }
}

/* h:mm[:ss[.f]] after the hours. */
static enum outcome take_time(struct scan *scan, int sign, int64_t hours) {
    int64_t minutes = 0, seconds = 0;
    double none, fraction = 0;
    bool overflow = false, third = false;
    scan->at++;
    if (!take_number(scan, &minutes, &fraction, &overflow))
        return BAD_FORMAT;
    if (next_is(scan, ':') && fraction == 0) {
        scan->at++;
        third = true;
        if (!take_number(scan, &seconds, &fraction, &overflow))
            return BAD_FORMAT;
    }
    none = fraction;
    if (!third && (none != 0 || scan->fields == (FIELD_MINUTE | FIELD_SECOND))) {
        seconds = minutes; /* mm:ss.f */
        minutes = hours;
        hours = 0;
    }
    if (overflow || minutes > 59 || seconds > 60)
        return OVERFLOW;
    if (!first_of(&scan->sums, UNIT_HOUR, 0) || !first_of(&scan->sums, UNIT_MINUTE, 0) ||
        !first_of(&scan->sums, UNIT_SECOND, fraction))
        return BAD_FORMAT;
    add_units(&scan->sums, UNIT_HOUR, sign * hours, 0);
    add_units(&scan->sums, UNIT_MINUTE, sign * minutes, 0);
    add_units(&scan->sums, UNIT_SECOND, sign * seconds, sign * fraction);
    return GOOD;
}

/* y-m after the years. */
static enum outcome take_year_month(struct scan *scan, int sign, int64_t years) {
    int64_t months;
    double fraction;
    bool overflow = false;
    scan->at++;
    if (!take_number(scan, &months, &fraction, &overflow) || fraction != 0 || next_is(scan, '-'))
        return BAD_FORMAT;
    if (overflow || months >= 12)
        return OVERFLOW;
    if (!first_of(&scan->sums, UNIT_MONTH, 0))
        return BAD_FORMAT;
    add_units(&scan->sums, UNIT_YEAR, sign * years, 0);
    add_units(&scan->sums, UNIT_MONTH, sign * months, 0);
    return GOOD;
}

/* True when the rest starts with a time: digits and a colon. */
static bool time_follows(const struct scan *scan) {
    struct scan ahead = *scan;
    if (next_is(&ahead, '+') || next_is(&ahead, '-'))
        ahead.at++;
    if (!is_digit(&ahead))
        return false;
    while (is_digit(&ahead))
        ahead.at++;
    return next_is(&ahead, ':');
}

static enum outcome take_quantity(struct scan *scan) {
    int sign = next_is(scan, '-') ? -1 : 1;
    int64_t count;
    double fraction;
    bool overflow = false;
    if (next_is(scan, '-') || next_is(scan, '+')) {
        scan->at++;
        skip_spaces(scan);
    }
    if (!take_number(scan, &count, &fraction, &overflow))
        return BAD_FORMAT;
    if (overflow)
        return OVERFLOW;
    if (next_is(scan, ':') && fraction == 0)
        return take_time(scan, sign, count);
    if (next_is(scan, '-') && fraction == 0 && scan->end - scan->at > 1 && scan->at[1] >= '0' &&
        scan->at[1] <= '9')
        return take_year_month(scan, sign, count);
    skip_spaces(scan);
    const uint8_t *start = scan->at;
    while (scan->at < scan->end && (*scan->at | 32) >= 'a' && (*scan->at | 32) <= 'z')
        scan->at++;
    struct slice word = slice_of(start, (size_t)(scan->at - start));
    enum unit unit;
    if (word.size > 0 && !text_equal_ignoring_case(word, "ago")) {
        unit = unit_of(word);
    } else {
        scan->at = start;
        if (time_follows(scan))
            unit = UNIT_DAY;
        else if (scan->at == scan->end || word.size > 0)
            unit = default_unit(scan->fields);
        else
            return BAD_FORMAT;
    }
    if (unit == UNIT_NONE)
        return BAD_FORMAT;
    if (!first_of(&scan->sums, unit, fraction))
        return BAD_FORMAT;
    add_units(&scan->sums, unit, sign * count, sign * fraction);
    return GOOD;
}

/* The SQL standard writes one sign, for all fields: "-1 2:00" is minus one day and two hours. Any
   other sign says that every field has its own. */
static bool sign_is_for_all(struct slice text) {
    if (text.size == 0 || text.data[0] != '-')
        return false;
    for (size_t i = 1; i < text.size; i++)
        if ((text.data[i] == '-' || text.data[i] == '+') && text_is_space(text.data[i - 1]))
            return false;
    return true;
}

static void negate_all(struct sums *sums) {
    sums->months = sums->months > 0 ? -sums->months : sums->months;
    sums->days = sums->days > 0 ? -sums->days : sums->days;
    sums->us = sums->us > 0 ? -sums->us : sums->us;
}

static enum outcome take_words(struct scan *scan) {
    bool any = false, ago = false;
    for (;;) {
        skip_spaces(scan);
        if (scan->at == scan->end)
            break;
        if (next_is(scan, '@')) {
            scan->at++;
            continue;
        }
        if (scan->end - scan->at == 3 && text_equal_ignoring_case(slice_of(scan->at, 3), "ago")) {
            ago = true;
            break;
        }
        enum outcome outcome = take_quantity(scan);
        if (outcome != GOOD)
            return outcome;
        any = true;
    }
    if (scan->one_sign)
        negate_all(&scan->sums);
    if (ago) {
        scan->sums.us = -scan->sums.us;
        scan->sums.days = -scan->sums.days;
        scan->sums.months = -scan->sums.months;
    }
    return any ? GOOD : BAD_FORMAT;
}

/* P[n]Y[n]M[n]W[n]DT[n]H[n]M[n]S and Py-m-dTh:m:s; the P has been read. */
static enum outcome take_iso(struct scan *scan) {
    bool time = false, any = false, letters = false;
    int position = 0; /* in y-m-d */
    while (scan->at < scan->end) {
        if (next_is(scan, 'T') && !time) {
            time = true;
            scan->at++;
            continue;
        }
        int sign = next_is(scan, '-') ? -1 : 1;
        if ((next_is(scan, '-') || next_is(scan, '+')))
            scan->at++;
        int64_t count;
        double fraction;
        bool overflow = false;
        if (!take_number(scan, &count, &fraction, &overflow))
            return BAD_FORMAT;
        if (overflow)
            return OVERFLOW;
        any = true;
        uint8_t letter = scan->at < scan->end ? *scan->at : 0;
        enum unit unit = UNIT_NONE;
        if (time && letter == ':')
            return take_time(scan, sign, count);
        if (!time && (letter == '-' || position > 0 || letter == 0 || letter == 'T')) {
            static const uint8_t units[] = {UNIT_YEAR, UNIT_MONTH, UNIT_DAY};
            if (position > 2 || letters)
                return BAD_FORMAT;
            unit = units[position++];
            scan->at += letter == '-';
        } else {
            unit = letter == 'Y'           ? UNIT_YEAR
                   : letter == 'W'         ? UNIT_WEEK
                   : letter == 'D'         ? UNIT_DAY
                   : letter == 'H'         ? UNIT_HOUR
                   : letter == 'S'         ? UNIT_SECOND
                   : letter == 'M' && time ? UNIT_MINUTE
                   : letter == 'M'         ? UNIT_MONTH
                                           : UNIT_NONE;
            bool is_time = letter == 'H' || letter == 'S' || (letter == 'M' && time);
            if (unit == UNIT_NONE || is_time != time)
                return BAD_FORMAT;
            letters = true;
            scan->at++;
        }
        add_units(&scan->sums, unit, sign * count, sign * fraction);
    }
    return any ? GOOD : BAD_FORMAT;
}

struct interval interval_restrict(struct interval interval, int32_t modifier) {
    if (modifier < 0)
        return interval;
    int fields = modifier >> 16 & FIELDS_ALL, precision = modifier & 0xFFFF;
    if (fields == FIELD_YEAR)
        interval.months = interval.months / 12 * 12;
    if (fields == FIELD_YEAR || fields == FIELD_MONTH || fields == (FIELD_YEAR | FIELD_MONTH)) {
        interval.days = 0;
        interval.us = 0;
    }
    if (fields == FIELD_DAY)
        interval.us = 0;
    bool day_time = (fields & (FIELD_YEAR | FIELD_MONTH)) == 0;
    if (day_time && (fields & FIELD_SECOND) == 0 && (fields & FIELD_MINUTE) != 0)
        interval.us = interval.us / US_PER_MINUTE * US_PER_MINUTE;
    else if (day_time && (fields & FIELD_SECOND) == 0 && (fields & FIELD_HOUR) != 0)
        interval.us = interval.us / US_PER_HOUR * US_PER_HOUR;
    if (precision != PRECISION_NONE)
        interval.us = time_round(interval.us, precision);
    return interval;
}

enum status interval_parse(const struct value_context *context, struct slice text, int32_t modifier,
                           struct interval *out) {
    struct slice body = text_trim(text);
    struct scan scan = {
        .at = body.data,
        .end = body.data + body.size,
        .fields = modifier < 0 ? FIELDS_ALL : modifier >> 16 & FIELDS_ALL,
        .one_sign = context->interval_style == INTERVAL_STYLE_SQL_STANDARD && sign_is_for_all(body),
    };
    enum outcome outcome;
    if (next_is(&scan, 'P')) {
        scan.at++;
        outcome = take_iso(&scan);
        if (outcome == GOOD && scan.at != scan.end)
            outcome = BAD_FORMAT;
    } else {
        outcome = take_words(&scan);
    }
    struct sums sums = scan.sums;
    if (outcome == GOOD && (sums.overflow || sums.days != (int32_t)sums.days))
        outcome = OVERFLOW;
    if (outcome == GOOD && sums.months != (int32_t)sums.months)
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "interval out of range");
    int shown = (int)(text.size > 800 ? 800 : text.size);
    if (outcome == BAD_FORMAT)
        return error_set(STATUS_INVALID_DATETIME_FORMAT,
                         "invalid input syntax for type interval: \"%.*s\"", shown,
                         (const char *)text.data);
    if (outcome == OVERFLOW)
        return error_set(STATUS_INTERVAL_FIELD_OVERFLOW,
                         "interval field value out of range: \"%.*s\"", shown,
                         (const char *)text.data);
    struct interval interval = {sums.us, (int32_t)sums.days, (int32_t)sums.months};
    *out = interval_restrict(interval, modifier);
    return STATUS_OK;
}
