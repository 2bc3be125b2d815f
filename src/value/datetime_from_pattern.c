/*
 * to_timestamp(text, pattern) and to_date: reading moments by pattern.
 *
 * Spaces before a field are skipped; a separator in the pattern passes over any separators and
 * spaces in the text; any other character passes over one character. A number takes all digits
 * there are when the pattern goes on with something that is not a digit, else as many as its
 * pattern is wide.
 */
#include <stdlib.h>

#include "value/parts.h"
#include "value/pattern.h"
#include "value/value_datetime.h"

struct reading {
    struct slice text;
    int year, month, day, hour, minute, second, microsecond;
    int year_day, julian, seconds_of_day, meridian; /* 1 AM, 2 PM */
    int iso_year, iso_week, iso_day;
    int century, week, week_of_month, zone_hour, zone_minute;
    bool has_year, bc, clock_12, has_zone, has_julian, has_seconds_of_day, has_iso;
    int year_digits;
};

static bool is_separator(uint8_t byte) {
    return byte > 0x20 && byte < 0x7f && !((byte | 32) >= 'a' && (byte | 32) <= 'z') &&
           !(byte >= '0' && byte <= '9');
}

static void skip(struct slice *text, size_t size) {
    *text = slice_of(text->data + size, text->size - size);
}

static void skip_spaces(struct slice *text) {
    while (text->size > 0 && text_is_space(text->data[0]))
        skip(text, 1);
}

static enum status bad_value(struct slice text, const struct pattern_item *item,
                             const char *detail) {
    int shown = (int)(text.size > 40 ? 40 : text.size);
    for (int i = 0; i < shown; i++)
        if (text_is_space(text.data[i]))
            shown = i;
    enum status status =
        error_set(STATUS_INVALID_DATETIME_FORMAT, "invalid value \"%.*s\" for \"%.*s\"", shown,
                  (const char *)text.data, (int)item->text.size, (const char *)item->text.data);
    error_detail("%s", detail);
    return status;
}

/* True when what follows in the pattern cannot start with a digit of the text. */
static bool number_may_run_on(struct slice format, bool inside_quotes) {
    struct pattern_item next;
    if (!pattern_next(&format, &inside_quotes, &next))
        return true;
    if (next.key == KEY_LITERAL)
        return next.text.data[0] < '0' || next.text.data[0] > '9';
    return !pattern_is_number(next.key);
}

static int width_of(const struct pattern_item *item) {
    switch (item->key) {
    case KEY_YYYY:
    case KEY_IYYYY:
        return 4;
    case KEY_YYY:
    case KEY_IYYY:
    case KEY_DDD:
    case KEY_IDDD:
    case KEY_MS:
        return 3;
    case KEY_US:
        return 6;
    case KEY_FF:
        return item->digits;
    case KEY_SSSS:
        return 5;
    case KEY_J:
        return 9;
    case KEY_Y:
    case KEY_IY:
    case KEY_D:
    case KEY_ID:
    case KEY_Q:
    case KEY_W:
        return 1;
    default:
        return 2;
    }
}

static enum status take_number(struct reading *reading, const struct pattern_item *item,
                               bool run_on, int *number_out, int *digits_out) {
    skip_spaces(&reading->text);
    struct slice start = reading->text;
    int64_t number = 0;
    bool negative = false;
    int digits = 0, width = run_on ? 10 : width_of(item);
    if (start.size > 1 && (start.data[0] == '-' || start.data[0] == '+')) {
        negative = start.data[0] == '-';
        skip(&reading->text, 1);
    }
    while (reading->text.size > 0 && digits < width && reading->text.data[0] >= '0' &&
           reading->text.data[0] <= '9') {
        number = number * 10 + (reading->text.data[0] - '0');
        skip(&reading->text, 1);
        digits++;
    }
    if (digits == 0)
        return bad_value(start, item, "Value must be an integer.");
    if (number > INT32_MAX)
        return bad_value(start, item, "Value must be in the range -2147483648 to 2147483647.");
    *number_out = (int)(negative ? -number : number);
    *digits_out = digits;
    return STATUS_OK;
}

/* A name in any case; returns its index, or -1. `letters` 0: the whole name. */
static int take_name(struct slice *text, const char *const *names, int count, size_t letters) {
    skip_spaces(text);
    for (int i = 0; i < count; i++) {
        size_t size = letters > 0 ? letters : strlen(names[i]), at = 0;
        while (at < size && at < text->size &&
               (text->data[at] | 32) == ((uint8_t)names[i][at] | 32))
            at++;
        if (at == size) {
            skip(text, size);
            return i;
        }
    }
    return -1;
}

/* Years of fewer digits are those nearest to 2020. */
static int complete_year(int year) {
    return year < 70     ? year + 2000
           : year < 100  ? year + 1900
           : year < 520  ? year + 2000
           : year < 1000 ? year + 1000
                         : year;
}

static int fraction_as_us(int number, int digits) {
    for (; digits < 6; digits++)
        number *= 10;
    for (; digits > 6; digits--)
        number /= 10;
    return number;
}

static enum status store_number(struct reading *reading, const struct pattern_item *item,
                                int number, int digits) {
    switch (item->key) {
    case KEY_YYYY:
        reading->year = number;
        reading->has_year = true;
        break;
    case KEY_YYY:
    case KEY_YY:
    case KEY_Y:
        reading->year = digits < 4 ? complete_year(number) : number;
        reading->has_year = true;
        break;
    case KEY_IYYYY:
    case KEY_IYYY:
    case KEY_IYY:
    case KEY_IY:
        reading->iso_year = digits < 4 && item->key != KEY_IYYYY ? complete_year(number) : number;
        reading->has_iso = true;
        break;
    case KEY_IW:
        reading->iso_week = number;
        reading->has_iso = true;
        break;
    case KEY_ID:
        reading->iso_day = number;
        break;
    case KEY_MM:
        reading->month = number;
        break;
    case KEY_DD:
        reading->day = number;
        break;
    case KEY_DDD:
        reading->year_day = number;
        break;
    case KEY_HH12:
        reading->clock_12 = true;
        reading->hour = number;
        break;
    case KEY_HH24:
        reading->hour = number;
        break;
    case KEY_MI:
        reading->minute = number;
        break;
    case KEY_SS:
        reading->second = number;
        break;
    case KEY_SSSS:
        reading->seconds_of_day = number;
        reading->has_seconds_of_day = true;
        break;
    case KEY_MS:
    case KEY_US:
    case KEY_FF:
        reading->microsecond = fraction_as_us(number, digits);
        break;
    case KEY_J:
        reading->julian = number;
        reading->has_julian = true;
        break;
    case KEY_CC:
        reading->century = number;
        break;
    case KEY_WW:
        reading->week = number;
        break;
    case KEY_W:
        reading->week_of_month = number;
        break;
    case KEY_TZH:
        reading->zone_hour = number;
        reading->has_zone = true;
        break;
    case KEY_TZM:
        reading->zone_minute = number;
        reading->has_zone = true;
        break;
    default: /* D and Q are read and forgotten */
        break;
    }
    return STATUS_OK;
}

static enum status take_word_item(struct reading *reading, const struct pattern_item *item) {
    static const char *const meridians[] = {"am", "pm", "a.m.", "p.m."};
    static const char *const eras[] = {"ad", "bc", "a.d.", "b.c."};
    static const char *const no_match = "The given value did not match any of the allowed values "
                                        "for this field.";
    struct slice start = reading->text;
    int found;
    switch (item->key) {
    case KEY_MONTH:
    case KEY_MON:
        found = take_name(&reading->text, month_names, 12, item->key == KEY_MON ? 3 : 0);
        reading->month = found + 1;
        break;
    case KEY_DAY:
    case KEY_DY:
        found = take_name(&reading->text, weekday_names, 7, item->key == KEY_DY ? 3 : 0);
        break;
    case KEY_AM:
    case KEY_AM_DOTS:
        found = take_name(&reading->text, meridians, 4, 0);
        reading->meridian = found % 2 + 1;
        reading->clock_12 = true;
        break;
    case KEY_BC:
    case KEY_BC_DOTS:
        found = take_name(&reading->text, eras, 4, 0);
        reading->bc = found % 2 == 1;
        break;
    case KEY_RM:
        found = -1;
        skip_spaces(&reading->text);
        for (int i = 11; i >= 0 && found < 0; i--) /* XII before XI before X */
            found = take_name(&reading->text, &roman_months[i], 1, 0) == 0 ? i : -1;
        reading->month = found + 1;
        break;
    default:
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "formatting field \"%.*s\" is only supported in to_char",
                         (int)item->text.size, (const char *)item->text.data);
    }
    return found >= 0 ? STATUS_OK : bad_value(start, item, no_match);
}

static void pass_literal(struct reading *reading, const struct pattern_item *item) {
    struct slice *text = &reading->text;
    uint8_t byte = item->text.data[0];
    if (!item->quoted && (text_is_space(byte) || is_separator(byte))) {
        skip_spaces(text);
        if (text->size > 0 && is_separator(text->data[0]) && !text_is_space(byte))
            skip(text, 1);
        else if (text_is_space(byte) && text->size > 1 && is_separator(text->data[0]) &&
                 text->data[0] != '-' && text->data[0] != '+')
            skip(text, 1);
        return;
    }
    if (text->size > 0)
        skip(text, utf8_prefix(*text, 1));
}

static enum status read_all(struct reading *reading, struct slice format) {
    struct pattern_item item;
    bool inside_quotes = false;
    while (pattern_next(&format, &inside_quotes, &item)) {
        if (reading->text.size == 0)
            break;
        if (item.key == KEY_LITERAL) {
            pass_literal(reading, &item);
        } else if (pattern_is_number(item.key) && item.key != KEY_Y_YYY) {
            int number = 0, digits = 0;
            bool run_on = number_may_run_on(format, inside_quotes);
            TRY(take_number(reading, &item, run_on, &number, &digits));
            TRY(store_number(reading, &item, number, digits));
        } else {
            TRY(take_word_item(reading, &item));
        }
        if (item.ordinal && reading->text.size >= 2)
            skip(&reading->text, 2);
    }
    return STATUS_OK;
}

static enum status out_of_range(struct slice text) {
    return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "date/time field value out of range: \"%.*s\"",
                     (int)(text.size > 800 ? 800 : text.size), (const char *)text.data);
}

static enum status resolve_date(const struct reading *reading, struct slice text,
                                struct datetime *datetime) {
    int year = reading->has_year ? reading->year : 0, month = reading->month, day = reading->day;
    if (reading->has_year && reading->bc)
        year = 1 - year;
    else if (!reading->has_year && reading->century > 0)
        year = (reading->century - 1) * 100 + 1;
    int32_t date;
    if (reading->has_julian) {
        date = reading->julian + DATE_MIN;
    } else if (reading->has_iso && reading->iso_week > 0) {
        int32_t fourth = date_from_civil(reading->iso_year, 1, 4);
        int iso_day = reading->iso_day > 0 ? reading->iso_day : 1;
        date = fourth - (date_weekday(fourth) + 6) % 7 + (reading->iso_week - 1) * 7 + iso_day - 1;
    } else if (reading->year_day > 0 || reading->week > 0) {
        int year_day = reading->year_day > 0 ? reading->year_day : (reading->week - 1) * 7 + 1;
        if (year_day > 365 + year_is_leap(year))
            return out_of_range(text);
        date = date_from_civil(year, 1, 1) + year_day - 1;
    } else {
        if (reading->week_of_month > 0)
            day = (reading->week_of_month - 1) * 7 + 1;
        month = month == 0 ? 1 : month;
        day = day == 0 ? 1 : day;
        if (month < 1 || month > 12 || day < 1 || day > month_days(year, month))
            return out_of_range(text);
        date = date_from_civil(year, month, day);
    }
    date_to_civil(date, &datetime->year, &datetime->month, &datetime->day);
    return STATUS_OK;
}

static enum status resolve_time(struct reading *reading, struct slice text,
                                struct datetime *datetime) {
    if (reading->has_seconds_of_day) {
        reading->hour = reading->seconds_of_day / 3600;
        reading->minute = reading->seconds_of_day / 60 % 60;
        reading->second = reading->seconds_of_day % 60;
    } else if (reading->clock_12) {
        if (reading->hour < 1 || reading->hour > 12) {
            enum status status =
                error_set(STATUS_INVALID_DATETIME_FORMAT,
                          "hour \"%d\" is invalid for the 12-hour clock", reading->hour);
            error_hint("Use the 24-hour clock, or give an hour between 1 and 12.");
            return status;
        }
        if (reading->meridian == 2 && reading->hour < 12)
            reading->hour += 12;
        else if (reading->meridian != 2 && reading->hour == 12)
            reading->hour = 0;
    }
    if (reading->hour < 0 || reading->hour > 23 || reading->minute < 0 || reading->minute > 59 ||
        reading->second < 0 || reading->second > 59)
        return out_of_range(text);
    datetime->hour = reading->hour;
    datetime->minute = reading->minute;
    datetime->second = reading->second;
    datetime->microsecond = reading->microsecond;
    return STATUS_OK;
}

enum status datetime_from_char(struct slice text, struct slice format,
                               const struct timezone *timezone, int64_t *timestamptz_out) {
    struct reading reading = {.text = text};
    struct datetime datetime = {0};
    int64_t local;
    TRY(read_all(&reading, format));
    TRY(resolve_date(&reading, text, &datetime));
    TRY(resolve_time(&reading, text, &datetime));
    TRY(timestamp_join(&datetime, &local));
    if (!reading.has_zone)
        return timestamp_to_timestamptz(local, timezone, timestamptz_out);
    int minutes = reading.zone_hour * 60;
    minutes += reading.zone_hour < 0 ? -reading.zone_minute : reading.zone_minute;
    *timestamptz_out = local - minutes * US_PER_MINUTE;
    return STATUS_OK;
}

enum status date_from_char(struct slice text, struct slice format, int32_t *date_out) {
    struct reading reading = {.text = text};
    struct datetime datetime = {0};
    TRY(read_all(&reading, format));
    TRY(resolve_date(&reading, text, &datetime));
    TRY(resolve_time(&reading, text, &datetime));
    *date_out = date_from_civil(datetime.year, datetime.month, datetime.day);
    return STATUS_OK;
}
