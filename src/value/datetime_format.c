/* Dates, times and intervals as text in the four date styles and four interval styles. */
#include <stdio.h>
#include <stdlib.h>

#include "value/parts.h"
#include "value/value_datetime.h"

static const char *const weekday_short[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const month_short[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* At least `width` digits. */
static char *put_number(char *at, unsigned number, int width) {
    char digits[12];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    for (; width > count; width--)
        *at++ = '0';
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

static char *put_fraction(char *at, unsigned microsecond) {
    if (microsecond == 0)
        return at;
    *at++ = '.';
    at = put_number(at, microsecond, 6);
    while (at[-1] == '0')
        at--;
    return at;
}

static char *put_time(char *at, const struct datetime *datetime) {
    at = put_number(at, (unsigned)datetime->hour, 2);
    *at++ = ':';
    at = put_number(at, (unsigned)datetime->minute, 2);
    *at++ = ':';
    at = put_number(at, (unsigned)datetime->second, 2);
    return put_fraction(at, (unsigned)datetime->microsecond);
}

static char *put_offset(char *at, int32_t offset) {
    unsigned size = (unsigned)abs(offset);
    *at++ = offset < 0 ? '-' : '+';
    at = put_number(at, size / 3600, 2);
    if (size % 3600 != 0) {
        *at++ = ':';
        at = put_number(at, size / 60 % 60, 2);
    }
    if (size % 60 != 0) {
        *at++ = ':';
        at = put_number(at, size % 60, 2);
    }
    return at;
}

static char *put_text(char *at, const char *text) {
    size_t size = strlen(text);
    memcpy(at, text, size);
    return at + size;
}

static unsigned shown_year(int year) {
    return (unsigned)(year > 0 ? year : 1 - year);
}

static char *put_two_then_year(char *at, int first, char separator, int second, int year) {
    at = put_number(at, (unsigned)first, 2);
    *at++ = separator;
    at = put_number(at, (unsigned)second, 2);
    *at++ = separator;
    return put_number(at, shown_year(year), 4);
}

/* The date alone; `postgres_dashes`: how style Postgres writes a date without time. */
static char *put_date(char *at, const struct value_context *context, int year, int month, int day) {
    bool day_first = context->date_order == DATE_ORDER_DMY;
    switch ((enum date_style)context->date_style) {
    case DATE_STYLE_SQL:
        return put_two_then_year(at, day_first ? day : month, '/', day_first ? month : day, year);
    case DATE_STYLE_POSTGRES:
        return put_two_then_year(at, day_first ? day : month, '-', day_first ? month : day, year);
    case DATE_STYLE_GERMAN:
        return put_two_then_year(at, day, '.', month, year);
    case DATE_STYLE_ISO:
        break;
    }
    at = put_number(at, shown_year(year), 4);
    *at++ = '-';
    at = put_number(at, (unsigned)month, 2);
    *at++ = '-';
    return put_number(at, (unsigned)day, 2);
}

enum { TEXT_SIZE = 96 };

static void append_special(bool positive, struct buffer *buffer) {
    buffer_append_text(buffer, positive ? "infinity" : "-infinity");
}

void date_format(const struct value_context *context, int32_t date, struct buffer *buffer) {
    if (!date_is_finite(date)) {
        append_special(date == DATE_INFINITY, buffer);
        return;
    }
    int year, month, day;
    date_to_civil(date, &year, &month, &day);
    char *text = (char *)buffer_reserve(buffer, TEXT_SIZE);
    if (text == NULL)
        return;
    char *at = put_date(text, context, year, month, day);
    if (year <= 0)
        at = put_text(at, " BC");
    buffer->size += (size_t)(at - text);
}

void time_format(int64_t time, struct buffer *buffer) {
    char *text = (char *)buffer_reserve(buffer, TEXT_SIZE);
    if (text == NULL)
        return;
    struct datetime datetime = {
        .hour = (int)(time / US_PER_HOUR),
        .minute = (int)(time / US_PER_MINUTE % 60),
        .second = (int)(time / US_PER_SECOND % 60),
        .microsecond = (int32_t)(time % US_PER_SECOND),
    };
    buffer->size += (size_t)(put_time(text, &datetime) - text);
}

static char *put_zone(char *at, const struct value_context *context,
                      const struct datetime *datetime) {
    bool abbreviation = datetime->zone != NULL && datetime->zone[0] != '\0' &&
                        datetime->zone[0] != '+' && datetime->zone[0] != '-';
    if (context->date_style == DATE_STYLE_ISO || !abbreviation) {
        if (context->date_style != DATE_STYLE_ISO)
            *at++ = ' ';
        return put_offset(at, datetime->offset);
    }
    *at++ = ' ';
    return put_text(at, datetime->zone);
}

/* "Fri Dec 31 23:59:59 1999 PST" */
static char *put_postgres_style(char *at, const struct value_context *context,
                                const struct datetime *datetime) {
    int32_t date = date_from_civil(datetime->year, datetime->month, datetime->day);
    bool day_first = context->date_order == DATE_ORDER_DMY;
    at = put_text(at, weekday_short[date_weekday(date)]);
    *at++ = ' ';
    if (!day_first) {
        at = put_text(at, month_short[datetime->month - 1]);
        *at++ = ' ';
    }
    at = put_number(at, (unsigned)datetime->day, 2);
    *at++ = ' ';
    if (day_first) {
        at = put_text(at, month_short[datetime->month - 1]);
        *at++ = ' ';
    }
    at = put_time(at, datetime);
    *at++ = ' ';
    return put_number(at, shown_year(datetime->year), 4);
}

static void format_moment(const struct value_context *context, const struct datetime *datetime,
                          bool with_zone, struct buffer *buffer) {
    char *text = (char *)buffer_reserve(buffer, TEXT_SIZE), *at = text;
    if (text == NULL)
        return;
    if (context->date_style == DATE_STYLE_POSTGRES) {
        at = put_postgres_style(at, context, datetime);
    } else {
        at = put_date(at, context, datetime->year, datetime->month, datetime->day);
        *at++ = ' ';
        at = put_time(at, datetime);
    }
    if (with_zone)
        at = put_zone(at, context, datetime);
    if (datetime->year <= 0)
        at = put_text(at, " BC");
    buffer->size += (size_t)(at - text);
}

void timestamp_format(const struct value_context *context, int64_t timestamp,
                      struct buffer *buffer) {
    struct datetime datetime;
    if (!timestamp_is_finite(timestamp)) {
        append_special(timestamp == TIMESTAMP_INFINITY, buffer);
        return;
    }
    timestamp_split(timestamp, &datetime);
    format_moment(context, &datetime, false, buffer);
}

void timestamptz_format(const struct value_context *context, int64_t timestamptz,
                        struct buffer *buffer) {
    struct datetime datetime;
    if (!timestamp_is_finite(timestamptz)) {
        append_special(timestamptz == TIMESTAMP_INFINITY, buffer);
        return;
    }
    timestamptz_split(timestamptz, context->timezone, &datetime);
    format_moment(context, &datetime, true, buffer);
}

/* ---- intervals ------------------------------------------------------------------------- */

/* All fields carry the sign of their part. */
struct interval_fields {
    int years, months, days;
    int64_t hours;
    int minutes, seconds, microseconds;
};

static struct interval_fields split_interval(struct interval interval) {
    return (struct interval_fields){
        .years = interval.months / 12,
        .months = interval.months % 12,
        .days = interval.days,
        .hours = interval.us / US_PER_HOUR,
        .minutes = (int)(interval.us / US_PER_MINUTE % 60),
        .seconds = (int)(interval.us / US_PER_SECOND % 60),
        .microseconds = (int)(interval.us % US_PER_SECOND),
    };
}

static void append_seconds(const struct interval_fields *fields, bool pad, struct buffer *buffer) {
    char text[16];
    char *at = put_number(text, (unsigned)abs(fields->seconds), pad ? 2 : 1);
    at = put_fraction(at, (unsigned)abs(fields->microseconds));
    buffer_append(buffer, text, (size_t)(at - text));
}

static bool time_is_negative(const struct interval_fields *fields) {
    return fields->hours < 0 || fields->minutes < 0 || fields->seconds < 0 ||
           fields->microseconds < 0;
}

static unsigned long long unsigned_hours(const struct interval_fields *fields) {
    return (unsigned long long)(fields->hours < 0 ? -fields->hours : fields->hours);
}

/* "1 year", with a plus sign after a negative field. */
static void append_unit(int count, const char *unit, bool *first, bool *negative_before,
                        struct buffer *buffer) {
    if (count == 0)
        return;
    buffer_append_format(buffer, "%s%s%d %s%s", *first ? "" : " ",
                         *negative_before && count > 0 ? "+" : "", count, unit,
                         count != 1 ? "s" : "");
    *first = false;
    *negative_before = count < 0;
}

static void format_postgres(struct interval interval, struct buffer *buffer) {
    struct interval_fields fields = split_interval(interval);
    bool first = true, negative_before = false;
    append_unit(fields.years, "year", &first, &negative_before, buffer);
    append_unit(fields.months, "mon", &first, &negative_before, buffer);
    append_unit(fields.days, "day", &first, &negative_before, buffer);
    if (!first && interval.us == 0)
        return;
    const char *sign = time_is_negative(&fields) ? "-" : negative_before ? "+" : "";
    buffer_append_format(buffer, "%s%s%02llu:%02d:", first ? "" : " ", sign,
                         unsigned_hours(&fields), abs(fields.minutes));
    append_seconds(&fields, true, buffer);
}

/* One part of "@ 1 year ... ago": the first non-zero part decides about "ago". */
static void append_verbose(int64_t count, const char *unit, bool *first, bool *ago,
                           struct buffer *buffer) {
    if (count == 0)
        return;
    if (*first)
        *ago = count < 0;
    long long shown = (long long)(*ago ? -count : count);
    buffer_append_format(buffer, " %lld %s%s", shown, unit, shown == 1 ? "" : "s");
    *first = false;
}

static void format_verbose(struct interval interval, struct buffer *buffer) {
    struct interval_fields fields = split_interval(interval);
    bool first = true, ago = false;
    buffer_append_byte(buffer, '@');
    append_verbose(fields.years, "year", &first, &ago, buffer);
    append_verbose(fields.months, "mon", &first, &ago, buffer);
    append_verbose(fields.days, "day", &first, &ago, buffer);
    append_verbose(fields.hours, "hour", &first, &ago, buffer);
    append_verbose(fields.minutes, "min", &first, &ago, buffer);
    if (fields.seconds != 0 || fields.microseconds != 0) {
        bool negative = fields.seconds < 0 || fields.microseconds < 0;
        if (first)
            ago = negative;
        buffer_append_text(buffer, negative != ago ? " -" : " ");
        append_seconds(&fields, false, buffer);
        bool one = abs(fields.seconds) == 1 && fields.microseconds == 0;
        buffer_append_text(buffer, one ? " sec" : " secs");
        first = false;
    }
    if (first)
        buffer_append_text(buffer, " 0");
    if (ago)
        buffer_append_text(buffer, " ago");
}

static void append_iso(int64_t count, char unit, struct buffer *buffer) {
    if (count != 0)
        buffer_append_format(buffer, "%lld%c", (long long)count, unit);
}

static void format_iso(struct interval interval, struct buffer *buffer) {
    struct interval_fields fields = split_interval(interval);
    if (interval.months == 0 && interval.days == 0 && interval.us == 0) {
        buffer_append_text(buffer, "PT0S");
        return;
    }
    buffer_append_byte(buffer, 'P');
    append_iso(fields.years, 'Y', buffer);
    append_iso(fields.months, 'M', buffer);
    append_iso(fields.days, 'D', buffer);
    if (interval.us == 0)
        return;
    buffer_append_byte(buffer, 'T');
    append_iso(fields.hours, 'H', buffer);
    append_iso(fields.minutes, 'M', buffer);
    if (fields.seconds != 0 || fields.microseconds != 0) {
        if (fields.seconds < 0 || fields.microseconds < 0)
            buffer_append_byte(buffer, '-');
        append_seconds(&fields, false, buffer);
        buffer_append_byte(buffer, 'S');
    }
}

static void format_sql(struct interval interval, struct buffer *buffer) {
    bool negative = interval.months < 0 || interval.days < 0 || interval.us < 0;
    bool positive = interval.months > 0 || interval.days > 0 || interval.us > 0;
    bool year_month = interval.months != 0, day_time = interval.days != 0 || interval.us != 0;
    struct interval_fields fields = split_interval(interval);
    long days = labs((long)fields.days); /* of the least day count, too */
    if (!negative && !positive) {
        buffer_append_byte(buffer, '0');
        return;
    }
    if ((negative && positive) || (year_month && day_time)) {
        buffer_append_format(buffer, "%c%d-%d %c%ld %c%llu:%02d:", interval.months < 0 ? '-' : '+',
                             abs(fields.years), abs(fields.months), interval.days < 0 ? '-' : '+',
                             days, interval.us < 0 ? '-' : '+', unsigned_hours(&fields),
                             abs(fields.minutes));
        append_seconds(&fields, true, buffer);
        return;
    }
    if (negative)
        buffer_append_byte(buffer, '-');
    if (year_month) {
        buffer_append_format(buffer, "%d-%d", abs(fields.years), abs(fields.months));
        return;
    }
    if (fields.days != 0)
        buffer_append_format(buffer, "%ld ", days);
    buffer_append_format(buffer, "%llu:%02d:", unsigned_hours(&fields), abs(fields.minutes));
    append_seconds(&fields, true, buffer);
}

void interval_format(const struct value_context *context, struct interval interval,
                     struct buffer *buffer) {
    switch ((enum interval_style)context->interval_style) {
    case INTERVAL_STYLE_POSTGRES:
        format_postgres(interval, buffer);
        break;
    case INTERVAL_STYLE_POSTGRES_VERBOSE:
        format_verbose(interval, buffer);
        break;
    case INTERVAL_STYLE_SQL_STANDARD:
        format_sql(interval, buffer);
        break;
    case INTERVAL_STYLE_ISO_8601:
        format_iso(interval, buffer);
        break;
    }
}
