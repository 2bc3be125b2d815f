/*
 * Dates and times from text.
 *
 * The text is cut into fields one after the other; each says at once what it can (a time, an
 * offset, a month name, "tomorrow") or is kept as a number whose meaning the others decide:
 *
 *     1999-01-08 04:05:06.789+02    Jan 8 1999    8-Jan-99    1/8/1999    19990108T040506
 *     Fri Jan 08 04:05 PM 1999 BC   J2451187      1999.008    now  today  epoch  infinity
 *
 * Then the numbers are dealt out: one of three digits and more is the year; the rest go by the
 * session's date order. The answers and errors are meant to be those of PostgreSQL 15; rarer
 * forms it accepts (ISO times with units, zone names glued to offsets) are errors here.
 */
#include <math.h>
#include <stdlib.h>

#include "value/parts.h"
#include "value/value_datetime.h"

enum failure {
    FINE,
    BAD_FORMAT,
    FIELD_OVERFLOW,
    FIELD_OVERFLOW_DATE_ORDER, /* with the hint about datestyle */
    ZONE_OVERFLOW,
    FAILURE_SET, /* the error is already written */
};

enum special { SPECIAL_NONE, SPECIAL_NOW, SPECIAL_INFINITY, SPECIAL_MINUS_INFINITY, SPECIAL_EPOCH };

struct number {
    int value, digits;
};

struct scan {
    const struct value_context *context;
    const uint8_t *at, *end;
    struct number numbers[4];
    int number_count;
    int month_name;           /* 1..12, 0 none */
    int month_before;         /* how many numbers stood before the name */
    bool ymd;                 /* numbers came as year, month, day whatever the date order */
    bool has_date;            /* the date is final in year, month, day */
    bool has_time, time_next; /* time_next: after the T of ISO */
    bool has_zone;
    const struct timezone *zone; /* by name; else `offset` */
    enum special special;
    int meridian; /* 0 none, 1 AM, 2 PM */
    bool bc;
    int year, month, day, hour, minute, second;
    int microsecond;
    int32_t offset;
    int year_digits;
};

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}
static bool is_letter(uint8_t byte) {
    return (byte | 32) >= 'a' && (byte | 32) <= 'z';
}

static int peek(const struct scan *scan, size_t ahead) {
    return (size_t)(scan->end - scan->at) > ahead ? scan->at[ahead] : -1;
}

/* Digits at the front; at most 9 are significant (false beyond). */
static bool take_digits(struct scan *scan, struct number *number) {
    *number = (struct number){0};
    while (scan->at < scan->end && is_digit(*scan->at)) {
        if (++number->digits > 9)
            return false;
        number->value = number->value * 10 + (*scan->at++ - '0');
    }
    return number->digits > 0;
}

/* .ddd as microseconds, rounded. */
static int take_fraction(struct scan *scan) {
    if (peek(scan, 0) != '.')
        return 0;
    double fraction = 0, unit = 0.1;
    for (scan->at++; scan->at < scan->end && is_digit(*scan->at); scan->at++, unit /= 10)
        fraction += (*scan->at - '0') * unit;
    return (int)rint(fraction * 1e6);
}

/* ---- fields ---------------------------------------------------------------------------- */

/* h:mm[:ss[.f]]; the hour has been read. */
static enum failure take_time(struct scan *scan, struct number hour) {
    struct number minute, second = {0};
    if (scan->has_time)
        return BAD_FORMAT;
    scan->at++;
    if (!take_digits(scan, &minute))
        return BAD_FORMAT;
    scan->hour = hour.value;
    scan->minute = minute.value;
    if (peek(scan, 0) == ':') {
        scan->at++;
        if (!take_digits(scan, &second))
            return BAD_FORMAT;
        scan->second = second.value;
        scan->microsecond = take_fraction(scan);
    } else if (peek(scan, 0) == '.') { /* mm:ss.f */
        scan->hour = 0;
        scan->minute = hour.value;
        scan->second = minute.value;
        scan->microsecond = take_fraction(scan);
    }
    scan->has_time = true;
    return FINE;
}

/* hhmmss, hhmm or hh without separators. */
static enum failure take_packed_time(struct scan *scan, struct number number) {
    if (scan->has_time)
        return BAD_FORMAT;
    if (number.digits == 6) {
        scan->second = number.value % 100;
        number.value /= 100;
        scan->microsecond = take_fraction(scan);
    } else if (number.digits == 2) {
        number.value *= 100;
    } else if (number.digits != 4) {
        return BAD_FORMAT;
    }
    scan->hour = number.value / 100;
    scan->minute = number.value % 100;
    scan->has_time = true;
    scan->time_next = false;
    return FINE;
}

static bool has_date_parts(const struct scan *scan) {
    return scan->has_date || scan->number_count > 0 || scan->month_name > 0;
}

static int month_of(struct slice word) {
    static const char *const names[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
    for (int i = 0; i < 12; i++) {
        char short_name[4] = {names[i][0], names[i][1], names[i][2], 0};
        if (text_equal_ignoring_case(word, names[i]) || text_equal_ignoring_case(word, short_name))
            return i + 1;
    }
    return text_equal_ignoring_case(word, "sept") ? 9 : 0;
}

static enum failure add_month(struct scan *scan, int month) {
    if (scan->month_name > 0 || scan->has_date)
        return BAD_FORMAT;
    scan->month_name = month;
    scan->month_before = scan->number_count;
    return FINE;
}

static enum failure add_number(struct scan *scan, struct number number) {
    if (scan->has_date || scan->number_count + (scan->month_name > 0) >= 3)
        return BAD_FORMAT;
    scan->numbers[scan->number_count++] = number;
    return FINE;
}

/* a-b-c, a/b/c, a.b.c with a month name for one of them perhaps; `first` has been read. */
static enum failure take_date(struct scan *scan, struct number first) {
    uint8_t separator = *scan->at;
    int parts = 1;
    if (has_date_parts(scan))
        return BAD_FORMAT;
    scan->numbers[scan->number_count++] = first;
    scan->ymd = first.digits >= 3;
    while (peek(scan, 0) == separator) {
        scan->at++;
        struct number number;
        enum failure failure;
        if (scan->at < scan->end && is_letter(*scan->at)) {
            const uint8_t *start = scan->at;
            while (scan->at < scan->end && is_letter(*scan->at))
                scan->at++;
            int month = month_of(slice_of(start, (size_t)(scan->at - start)));
            failure = month == 0 ? BAD_FORMAT : add_month(scan, month);
        } else {
            failure = take_digits(scan, &number) ? add_number(scan, number) : BAD_FORMAT;
        }
        if (failure != FINE)
            return failure;
        if (++parts == 3)
            break;
    }
    if (parts == 2 && separator == '.' && scan->number_count == 2 && scan->ymd &&
        scan->numbers[1].digits == 3) { /* year.day-of-year */
        int day = scan->numbers[1].value;
        if (day < 1 || day > 365 + year_is_leap(first.value))
            return FIELD_OVERFLOW;
        date_to_civil(date_from_civil(first.value, 1, day), &scan->year, &scan->month, &scan->day);
        scan->year_digits = 4;
        scan->has_date = true;
        return FINE;
    }
    return parts == 3 ? FINE : BAD_FORMAT;
}

/* yyyymmdd or yymmdd */
static enum failure take_packed_date(struct scan *scan, struct number number) {
    scan->day = number.value % 100;
    scan->month = number.value / 100 % 100;
    scan->year = number.value / 10000;
    scan->year_digits = number.digits - 4;
    scan->has_date = true;
    return FINE;
}

static enum failure take_number(struct scan *scan) {
    struct number number;
    if (!take_digits(scan, &number))
        return BAD_FORMAT;
    int next = peek(scan, 0), after = peek(scan, 1);
    if (next == ':')
        return take_time(scan, number);
    if (scan->time_next)
        return take_packed_time(scan, number);
    if ((next == '-' || next == '/' || next == '.') && after >= 0 &&
        (is_digit((uint8_t)after) || is_letter((uint8_t)after)) && !has_date_parts(scan))
        return take_date(scan, number);
    if (!has_date_parts(scan) && (number.digits == 8 || number.digits == 6))
        return take_packed_date(scan, number);
    if (has_date_parts(scan) && (number.digits == 6 || (number.digits == 4 && scan->has_date)))
        return take_packed_time(scan, number);
    return add_number(scan, number);
}

/* [+-]hh[[:]mm[[:]ss]] */
static enum failure take_offset(struct scan *scan) {
    bool west = *scan->at++ == '-';
    struct number hour, minute = {0}, second = {0};
    if (scan->has_zone || !take_digits(scan, &hour))
        return BAD_FORMAT;
    if (peek(scan, 0) == ':') {
        scan->at++;
        if (!take_digits(scan, &minute))
            return BAD_FORMAT;
        if (peek(scan, 0) == ':') {
            scan->at++;
            if (!take_digits(scan, &second))
                return BAD_FORMAT;
        }
    } else if (hour.digits > 2) {
        minute.value = hour.value % 100;
        hour.value /= 100;
    }
    if (hour.value > 15 || minute.value > 59 || second.value > 59)
        return ZONE_OVERFLOW;
    scan->offset = hour.value * 3600 + minute.value * 60 + second.value;
    if (west)
        scan->offset = -scan->offset;
    scan->has_zone = true;
    return FINE;
}

/* ---- words ----------------------------------------------------------------------------- */

static void set_relative_day(struct scan *scan, int days) {
    int64_t local = timestamptz_to_timestamp(scan->context->now, scan->context->timezone);
    date_to_civil(timestamp_to_date(local) + days, &scan->year, &scan->month, &scan->day);
    scan->year_digits = 4;
    scan->has_date = true;
}

static bool is_weekday(struct slice word) {
    static const char *const names[] = {
        "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sun", "mon",
        "tue",    "tues",   "wed",     "weds",      "thu",      "thur",   "thurs",    "fri", "sat"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (text_equal_ignoring_case(word, names[i]))
            return true;
    return false;
}

static enum failure take_special(struct scan *scan, struct slice word, bool *found) {
    static const struct {
        const char *word;
        enum special special;
    } specials[] = {{"now", SPECIAL_NOW}, {"infinity", SPECIAL_INFINITY}, {"epoch", SPECIAL_EPOCH}};
    static const char *const days[] = {"yesterday", "today", "tomorrow"};
    *found = true;
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        if (text_equal_ignoring_case(word, specials[i].word)) {
            if (scan->special != SPECIAL_NONE || has_date_parts(scan))
                return BAD_FORMAT;
            scan->special = specials[i].special;
            return FINE;
        }
    }
    for (int i = 0; i < 3; i++) {
        if (text_equal_ignoring_case(word, days[i])) {
            if (has_date_parts(scan))
                return BAD_FORMAT;
            set_relative_day(scan, i - 1);
            return FINE;
        }
    }
    if (text_equal_ignoring_case(word, "allballs")) {
        scan->has_time = true;
        scan->has_zone = true;
        return FINE;
    }
    *found = false;
    return FINE;
}

/* A zone by its name in full ("America/New_York", "est5edt"). `word` ends where letters end. */
static enum failure take_zone_name(struct scan *scan, const uint8_t *start) {
    while (scan->at < scan->end &&
           (is_letter(*scan->at) || is_digit(*scan->at) || strchr("/_+-", *scan->at) != NULL))
        scan->at++;
    char lower[TIMEZONE_NAME_SIZE];
    size_t size = (size_t)(scan->at - start);
    if (scan->has_zone || size >= sizeof lower)
        return BAD_FORMAT;
    for (size_t i = 0; i < size; i++)
        lower[i] = (char)(start[i] >= 'A' && start[i] <= 'Z' ? start[i] + 32 : start[i]);
    struct slice name = slice_of(lower, size);
    bool is_path = memchr(name.data, '/', name.size) != NULL;
    if (timezone_find(name, &scan->zone) != STATUS_OK)
        return is_path ? FAILURE_SET : BAD_FORMAT;
    scan->has_zone = true;
    return FINE;
}

static enum failure take_word(struct scan *scan) {
    const uint8_t *start = scan->at;
    while (scan->at < scan->end && is_letter(*scan->at))
        scan->at++;
    struct slice word = slice_of(start, (size_t)(scan->at - start));
    bool found;
    int month = month_of(word), next = peek(scan, 0);
    if (month > 0) {
        if (next == '-' || next == '/' || next == '.') /* Jan-08-1999 */
            scan->at++;
        enum failure failure = add_month(scan, month);
        struct number day;
        if (failure == FINE && scan->at[-1] != start[word.size - 1] && take_digits(scan, &day)) {
            failure = add_number(scan, day);
            if (peek(scan, 0) == next)
                scan->at++;
        }
        return failure;
    }
    if (text_equal_ignoring_case(word, "am") || text_equal_ignoring_case(word, "pm")) {
        scan->meridian = (word.data[0] | 32) == 'a' ? 1 : 2;
        return FINE;
    }
    if (text_equal_ignoring_case(word, "bc") || text_equal_ignoring_case(word, "ad")) {
        scan->bc = (word.data[0] | 32) == 'b';
        return FINE;
    }
    if (is_weekday(word) || text_equal_ignoring_case(word, "at") ||
        text_equal_ignoring_case(word, "on"))
        return FINE;
    if (text_equal_ignoring_case(word, "t") && next >= 0 && is_digit((uint8_t)next)) {
        scan->time_next = true;
        return FINE;
    }
    struct number julian;
    if (text_equal_ignoring_case(word, "j") && take_digits(scan, &julian)) {
        if (has_date_parts(scan))
            return BAD_FORMAT;
        date_to_civil(julian.value + DATE_MIN, &scan->year, &scan->month, &scan->day);
        scan->year_digits = 4;
        scan->has_date = true;
        return FINE;
    }
    enum failure failure = take_special(scan, word, &found);
    if (found || failure != FINE)
        return failure;
    bool name_goes_on = next == '/' || next == '_' || (next >= 0 && is_digit((uint8_t)next));
    if (!name_goes_on && timezone_abbreviation(word, &scan->offset)) {
        if (scan->has_zone)
            return BAD_FORMAT;
        scan->has_zone = true;
        return FINE;
    }
    return take_zone_name(scan, start);
}

static enum failure take_all(struct scan *scan) {
    while (scan->at < scan->end) {
        uint8_t byte = *scan->at;
        enum failure failure = FINE;
        if (text_is_space(byte) || byte == ',') {
            scan->at++;
        } else if (is_digit(byte)) {
            failure = take_number(scan);
        } else if (is_letter(byte)) {
            failure = take_word(scan);
        } else if (byte == '+' || byte == '-') {
            int next = peek(scan, 1);
            if (next >= 0 && is_digit((uint8_t)next)) {
                failure = take_offset(scan);
            } else if (next >= 0 && is_letter((uint8_t)next)) { /* -infinity */
                scan->at++;
                failure = take_word(scan);
                if (failure == FINE && scan->special != SPECIAL_INFINITY)
                    failure = BAD_FORMAT;
                if (byte == '-')
                    scan->special = SPECIAL_MINUS_INFINITY;
            } else {
                failure = BAD_FORMAT;
            }
        } else {
            failure = BAD_FORMAT;
        }
        if (failure != FINE)
            return failure;
    }
    return FINE;
}

/* ---- meaning --------------------------------------------------------------------------- */

static void set_year(struct scan *scan, struct number number) {
    scan->year = number.value;
    scan->year_digits = number.digits;
}

/* Which number is what when a month has a name. */
static enum failure deal_with_month_name(struct scan *scan) {
    if (scan->number_count != 2)
        return BAD_FORMAT;
    struct number a = scan->numbers[0], b = scan->numbers[1];
    bool year_first = a.digits >= 3 || (b.digits < 3 && scan->month_before > 0 &&
                                        scan->context->date_order == DATE_ORDER_YMD);
    if (a.digits >= 3 && b.digits >= 3)
        return BAD_FORMAT;
    scan->month = scan->month_name;
    scan->day = year_first ? b.value : a.value;
    set_year(scan, year_first ? a : b);
    return FINE;
}

static enum failure deal_numbers(struct scan *scan) {
    if (scan->has_date)
        return FINE;
    if (scan->month_name > 0)
        return deal_with_month_name(scan);
    if (scan->number_count != 3)
        return BAD_FORMAT;
    const struct number *n = scan->numbers;
    enum date_order order = scan->ymd ? DATE_ORDER_YMD : scan->context->date_order;
    static const uint8_t places[][3] = {/* year, month, day */
                                        [DATE_ORDER_MDY] = {2, 0, 1},
                                        [DATE_ORDER_DMY] = {2, 1, 0},
                                        [DATE_ORDER_YMD] = {0, 1, 2}};
    set_year(scan, n[places[order][0]]);
    scan->month = n[places[order][1]].value;
    scan->day = n[places[order][2]].value;
    if (n[places[order][1]].digits > 2 || n[places[order][2]].digits > 2)
        return FIELD_OVERFLOW_DATE_ORDER;
    return FINE;
}

static enum failure check_date(struct scan *scan) {
    if (scan->bc) {
        if (scan->year <= 0)
            return FIELD_OVERFLOW;
        scan->year = 1 - scan->year;
    } else if (scan->year_digits <= 2) {
        scan->year += scan->year < 70 ? 2000 : 1900;
    } else if (scan->year <= 0 && !(scan->has_date && scan->year_digits == 4)) {
        return FIELD_OVERFLOW;
    }
    if (scan->month < 1 || scan->month > 12 || scan->day < 1 || scan->day > 31)
        return FIELD_OVERFLOW_DATE_ORDER;
    if (scan->day > month_days(scan->year, scan->month))
        return FIELD_OVERFLOW;
    return FINE;
}

static enum failure check_time(struct scan *scan) {
    if (scan->meridian != 0 && (scan->hour > 12 || !scan->has_time))
        return FIELD_OVERFLOW;
    if (scan->meridian == 1 && scan->hour == 12)
        scan->hour = 0;
    else if (scan->meridian == 2 && scan->hour != 12)
        scan->hour += 12;
    bool midnight =
        scan->hour == 24 && scan->minute == 0 && scan->second == 0 && scan->microsecond == 0;
    if (scan->hour > 24 || (scan->hour == 24 && !midnight) || scan->minute > 59 ||
        scan->second > 60)
        return FIELD_OVERFLOW;
    return FINE;
}

static enum failure scan_text(struct scan *scan, struct slice text, bool date_wanted) {
    struct slice body = text_trim(text);
    scan->at = body.data;
    scan->end = body.data + body.size;
    if (body.size == 0 || body.size > 150)
        return BAD_FORMAT;
    enum failure failure = take_all(scan);
    if (failure != FINE || scan->special != SPECIAL_NONE)
        return failure;
    if (date_wanted || has_date_parts(scan)) {
        failure = deal_numbers(scan);
        if (failure == FINE)
            failure = check_date(scan);
    }
    return failure != FINE ? failure : check_time(scan);
}

static enum status report(enum failure failure, const char *type, struct slice text) {
    int size = (int)(text.size > 800 ? 800 : text.size);
    const char *data = (const char *)text.data;
    enum status status;
    switch (failure) {
    case FIELD_OVERFLOW:
    case FIELD_OVERFLOW_DATE_ORDER:
        status = error_set(STATUS_DATETIME_FIELD_OVERFLOW,
                           "date/time field value out of range: \"%.*s\"", size, data);
        if (failure == FIELD_OVERFLOW_DATE_ORDER)
            error_hint("Perhaps you need a different \"datestyle\" setting.");
        return status;
    case ZONE_OVERFLOW:
        return error_set(STATUS_INVALID_TIME_ZONE, "time zone displacement out of range: \"%.*s\"",
                         size, data);
    case FAILURE_SET:
        return error_current()->status;
    default:
        return error_set(STATUS_INVALID_DATETIME_FORMAT,
                         "invalid input syntax for type %s: \"%.*s\"", type, size, data);
    }
}

static int64_t time_of(const struct scan *scan) {
    return scan->hour * US_PER_HOUR + scan->minute * US_PER_MINUTE + scan->second * US_PER_SECOND +
           scan->microsecond;
}

static enum status out_of_range(const char *what, struct slice text) {
    return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "%s out of range: \"%.*s\"", what,
                     (int)(text.size > 800 ? 800 : text.size), (const char *)text.data);
}

/* ---- the doors ------------------------------------------------------------------------- */

enum status date_parse(const struct value_context *context, struct slice text, int32_t *out) {
    struct scan scan = {.context = context};
    enum failure failure = scan_text(&scan, text, true);
    if (failure != FINE)
        return report(failure, "date", text);
    switch (scan.special) {
    case SPECIAL_NOW:
        *out = timestamp_to_date(timestamptz_to_timestamp(context->now, context->timezone));
        return STATUS_OK;
    case SPECIAL_EPOCH:
        *out = DATE_UNIX_EPOCH;
        return STATUS_OK;
    case SPECIAL_INFINITY:
    case SPECIAL_MINUS_INFINITY:
        *out = scan.special == SPECIAL_INFINITY ? DATE_INFINITY : DATE_MINUS_INFINITY;
        return STATUS_OK;
    case SPECIAL_NONE:
        break;
    }
    if (scan.year < -4713 || scan.year > 5874897)
        return out_of_range("date", text);
    *out = date_from_civil(scan.year, scan.month, scan.day);
    return *out < DATE_MIN || *out >= DATE_END ? out_of_range("date", text) : STATUS_OK;
}

enum status time_parse(const struct value_context *context, struct slice text, int32_t modifier,
                       int64_t *out) {
    struct scan scan = {.context = context};
    struct slice body = text_trim(text);
    bool digits = body.size == 6 || body.size == 4;
    for (size_t i = 0; i < body.size; i++)
        digits &= is_digit(body.data[i]);
    scan.time_next = digits; /* "040506" */
    enum failure failure = scan_text(&scan, text, false);
    if (failure == FINE && scan.special == SPECIAL_NOW) {
        int64_t local = timestamptz_to_timestamp(context->now, context->timezone);
        *out = time_round(timestamp_to_time(local), modifier);
        return STATUS_OK;
    }
    if (failure == FINE && (scan.special != SPECIAL_NONE || !scan.has_time))
        failure = BAD_FORMAT;
    if (failure != FINE)
        return report(failure, "time", text);
    *out = time_round(time_of(&scan), modifier);
    return *out > US_PER_DAY ? report(FIELD_OVERFLOW, "time", text) : STATUS_OK;
}

/* Either kind of timestamp; *local_out false: *out is already the instant. */
static enum status parse_moment(struct scan *scan, const char *type, struct slice text,
                                bool *special_out, int64_t *out) {
    enum failure failure = scan_text(scan, text, true);
    if (failure != FINE)
        return report(failure, type, text);
    *special_out = true;
    switch (scan->special) {
    case SPECIAL_NOW:
        *out = scan->context->now;
        return STATUS_OK;
    case SPECIAL_EPOCH:
        *out = TIMESTAMP_UNIX_EPOCH;
        return STATUS_OK;
    case SPECIAL_INFINITY:
    case SPECIAL_MINUS_INFINITY:
        *out = scan->special == SPECIAL_INFINITY ? TIMESTAMP_INFINITY : TIMESTAMP_MINUS_INFINITY;
        return STATUS_OK;
    case SPECIAL_NONE:
        break;
    }
    *special_out = false;
    struct datetime datetime = {
        .year = scan->year,
        .month = scan->month,
        .day = scan->day,
        .hour = scan->hour,
        .minute = scan->minute,
        .second = scan->second,
        .microsecond = scan->microsecond,
    };
    if (timestamp_join(&datetime, out) != STATUS_OK)
        return out_of_range("timestamp", text);
    return STATUS_OK;
}

enum status timestamp_parse(const struct value_context *context, struct slice text,
                            int32_t modifier, int64_t *out) {
    struct scan scan = {.context = context};
    bool special;
    TRY(parse_moment(&scan, "timestamp", text, &special, out));
    if (special && scan.special == SPECIAL_NOW)
        *out = timestamptz_to_timestamp(*out, context->timezone);
    if (timestamp_is_finite(*out))
        *out = time_round(*out, modifier);
    return STATUS_OK;
}

enum status timestamptz_parse(const struct value_context *context, struct slice text,
                              int32_t modifier, int64_t *out) {
    struct scan scan = {.context = context};
    bool special;
    TRY(parse_moment(&scan, "timestamp with time zone", text, &special, out));
    if (!special) {
        const struct timezone *zone = scan.zone != NULL ? scan.zone : context->timezone;
        int32_t offset = scan.has_zone && scan.zone == NULL ? scan.offset
                         : zone != NULL                     ? timezone_offset_local(zone, *out)
                                                            : 0;
        *out -= offset * US_PER_SECOND;
        if (*out < TIMESTAMP_MIN || *out >= TIMESTAMP_END)
            return out_of_range("timestamp", text);
    }
    if (timestamp_is_finite(*out))
        *out = time_round(*out, modifier);
    return STATUS_OK;
}
