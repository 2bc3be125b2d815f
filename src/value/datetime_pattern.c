/* to_char of dates, times and intervals. Reading by pattern is in datetime_from_pattern.c. */
#include <stdlib.h>

#include "value/parts.h"
#include "value/pattern.h"
#include "value/value_datetime.h"

const char *const month_names[12] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
const char *const weekday_names[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
const char *const roman_months[12] = {"I",   "II",   "III", "IV", "V",  "VI",
                                      "VII", "VIII", "IX",  "X",  "XI", "XII"};

/* ---- cutting --------------------------------------------------------------------------- */

/* Longer words before their beginnings. `cased`: written Like, LIKE or like; else LIKE or like. */
static const struct word {
    const char *word; /* upper case */
    uint8_t key;
    bool cased;
} words[] = {
    {"A.M.", KEY_AM_DOTS, false}, {"P.M.", KEY_AM_DOTS, false}, {"AM", KEY_AM, false},
    {"PM", KEY_AM, false},        {"A.D.", KEY_BC_DOTS, false}, {"B.C.", KEY_BC_DOTS, false},
    {"AD", KEY_BC, false},        {"BC", KEY_BC, false},        {"CC", KEY_CC, false},
    {"DAY", KEY_DAY, true},       {"DDD", KEY_DDD, false},      {"DD", KEY_DD, false},
    {"DY", KEY_DY, true},         {"D", KEY_D, false},          {"FF", KEY_FF, false},
    {"HH24", KEY_HH24, false},    {"HH12", KEY_HH12, false},    {"HH", KEY_HH12, false},
    {"IDDD", KEY_IDDD, false},    {"ID", KEY_ID, false},        {"IW", KEY_IW, false},
    {"IYYY", KEY_IYYYY, false},   {"IYY", KEY_IYYY, false},     {"IY", KEY_IYY, false},
    {"I", KEY_IY, false},         {"J", KEY_J, false},          {"MI", KEY_MI, false},
    {"MM", KEY_MM, false},        {"MONTH", KEY_MONTH, true},   {"MON", KEY_MON, true},
    {"MS", KEY_MS, false},        {"OF", KEY_OF, false},        {"Q", KEY_Q, false},
    {"RM", KEY_RM, false},        {"SSSSS", KEY_SSSS, false},   {"SSSS", KEY_SSSS, false},
    {"SS", KEY_SS, false},        {"TZH", KEY_TZH, false},      {"TZM", KEY_TZM, false},
    {"TZ", KEY_TZ, false},        {"US", KEY_US, false},        {"WW", KEY_WW, false},
    {"W", KEY_W, false},          {"Y,YYY", KEY_Y_YYY, false},  {"YYYY", KEY_YYYY, false},
    {"YYY", KEY_YYY, false},      {"YY", KEY_YY, false},        {"Y", KEY_Y, false},
};

static char lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte;
}

/* 0 no match, else 1 + the case in which it is written. */
static int match_word(struct slice format, const struct word *word) {
    size_t size = strlen(word->word);
    if (format.size < size)
        return 0;
    bool upper = true, small = true, first = true;
    for (size_t i = 0; i < size; i++) {
        char byte = (char)format.data[i];
        upper &= byte == word->word[i];
        small &= byte == lower(word->word[i]);
        first &= byte == (i == 0 ? word->word[i] : lower(word->word[i]));
    }
    if (upper || small)
        return 1 + (upper ? CASE_UPPER : CASE_LOWER);
    return first && word->cased ? 1 + CASE_FIRST : 0;
}

static void advance(struct slice *format, size_t size) {
    *format = slice_of(format->data + size, format->size - size);
}

static bool starts_with_either(struct slice format, const char *upper, const char *small) {
    return slice_starts_with(format, slice_of_text(upper)) ||
           slice_starts_with(format, slice_of_text(small));
}

static bool take_keyword(struct slice *format, struct pattern_item *item) {
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        int match = match_word(*format, &words[i]);
        size_t size = strlen(words[i].word);
        if (match == 0)
            continue;
        if (words[i].key == KEY_FF) {
            if (format->size < 3 || format->data[2] < '1' || format->data[2] > '6')
                continue;
            item->digits = (uint8_t)(format->data[2] - '0');
            size = 3;
        }
        item->key = (enum pattern_key)words[i].key;
        item->letters = (enum pattern_case)(match - 1);
        item->text = slice_of(format->data, size);
        advance(format, size);
        return true;
    }
    return false;
}

bool pattern_next(struct slice *format, bool *inside_quotes, struct pattern_item *item) {
    *item = (struct pattern_item){.fill = true};
    while (format->size > 0) {
        if (*inside_quotes) {
            if (format->data[0] == '"') {
                *inside_quotes = false;
                advance(format, 1);
                continue;
            }
            if (format->data[0] == '\\' && format->size > 1)
                advance(format, 1);
            item->quoted = true;
            break;
        }
        if (starts_with_either(*format, "FM", "fm")) {
            item->fill = false;
            advance(format, 2);
            continue;
        }
        if (starts_with_either(*format, "FX", "fx") || starts_with_either(*format, "TM", "tm")) {
            advance(format, 2);
            continue;
        }
        if (format->data[0] == '"') {
            *inside_quotes = true;
            advance(format, 1);
            continue;
        }
        if (take_keyword(format, item)) {
            item->ordinal = starts_with_either(*format, "TH", "th");
            if (item->ordinal) {
                item->ordinal_lower = format->data[0] == 't';
                advance(format, 2);
            }
            return true;
        }
        if (format->data[0] == '\\' && format->size > 1 && format->data[1] == '"')
            advance(format, 1);
        break;
    }
    if (format->size == 0)
        return false;
    item->text = slice_of(format->data, utf8_prefix(*format, 1));
    advance(format, item->text.size);
    return true;
}

bool pattern_is_number(enum pattern_key key) {
    switch (key) {
    case KEY_LITERAL:
    case KEY_AM:
    case KEY_AM_DOTS:
    case KEY_BC:
    case KEY_BC_DOTS:
    case KEY_DAY:
    case KEY_DY:
    case KEY_MON:
    case KEY_MONTH:
    case KEY_OF:
    case KEY_RM:
    case KEY_TZ:
        return false;
    default:
        return true;
    }
}

/* ---- showing --------------------------------------------------------------------------- */

struct moment {
    struct datetime datetime;
    int64_t hours; /* intervals: beyond a day */
    bool is_interval, has_zone;
    int year_day, weekday;
    int32_t date;
};

static void append_ordinal(int64_t number, const struct pattern_item *item, struct buffer *buffer) {
    static const char *const suffixes[] = {"th", "st", "nd", "rd"};
    int64_t last = (number < 0 ? -number : number) % 100;
    const char *suffix = suffixes[last % 10 <= 3 && (last < 11 || last > 13) ? last % 10 : 0];
    for (int i = 0; i < 2; i++)
        buffer_append_byte(buffer, (uint8_t)(item->ordinal_lower ? suffix[i] : suffix[i] - 32));
}

static void append_number(int64_t number, int width, const struct pattern_item *item,
                          struct buffer *buffer) {
    if (!item->fill)
        width = 0;
    else if (number < 0 && item->key != KEY_DD && item->key != KEY_DDD)
        width++; /* the sign does not count, except where PostgreSQL lets it */
    buffer_append_format(buffer, "%0*lld", width, (long long)number);
    if (item->ordinal)
        append_ordinal(number, item, buffer);
}

/* A name in the pattern's case, cut to `size` letters (0: all), padded to `width` unless FM. */
static void append_name(const char *name, size_t size, size_t width,
                        const struct pattern_item *item, struct buffer *buffer) {
    size_t at = 0;
    for (; name[at] != '\0' && (size == 0 || at < size); at++) {
        char byte = lower(name[at]);
        bool capital = item->letters == CASE_UPPER || (item->letters == CASE_FIRST && at == 0);
        buffer_append_byte(buffer,
                           (uint8_t)(capital && byte >= 'a' && byte <= 'z' ? byte - 32 : byte));
    }
    for (; item->fill && at < width; at++)
        buffer_append_byte(buffer, ' ');
}

static int64_t shown_year(const struct moment *moment, int year) {
    return moment->is_interval || year > 0 ? year : 1 - year;
}

static void append_year(const struct moment *moment, const struct pattern_item *item,
                        struct buffer *buffer) {
    int year = moment->datetime.year, week;
    bool iso = item->key >= KEY_IYYYY && item->key <= KEY_IY;
    if (iso)
        date_iso_week(moment->date, &year, &week);
    int64_t shown = shown_year(moment, year);
    switch (item->key) {
    case KEY_Y_YYY:
        buffer_append_format(buffer, "%lld,%03lld", (long long)(shown / 1000),
                             (long long)llabs(shown % 1000));
        if (item->ordinal)
            append_ordinal(shown, item, buffer);
        break;
    case KEY_YYYY:
    case KEY_IYYYY:
        append_number(shown, 4, item, buffer);
        break;
    case KEY_YYY:
    case KEY_IYYY:
        append_number(shown % 1000, 3, item, buffer);
        break;
    case KEY_YY:
    case KEY_IYY:
        append_number(shown % 100, 2, item, buffer);
        break;
    default:
        append_number(shown % 10, 1, item, buffer);
        break;
    }
}

static int century_of(const struct moment *moment) {
    int year = moment->datetime.year;
    if (moment->is_interval)
        return year / 100;
    return year > 0 ? (year - 1) / 100 + 1 : year / 100 - 1;
}

static void append_zone(const struct moment *moment, const struct pattern_item *item,
                        struct buffer *buffer) {
    int32_t offset = moment->datetime.offset;
    if (item->key == KEY_TZ) {
        if (moment->datetime.zone != NULL)
            append_name(moment->datetime.zone, 0, 0, item, buffer);
        return;
    }
    if (item->key == KEY_TZM) {
        buffer_append_format(buffer, "%02d", abs(offset) / 60 % 60);
        return;
    }
    buffer_append_format(buffer, "%c%02d", offset < 0 ? '-' : '+', abs(offset) / 3600);
    if (item->key == KEY_OF && offset % 3600 != 0)
        buffer_append_format(buffer, ":%02d", abs(offset) / 60 % 60);
}

static void append_time(const struct moment *moment, const struct pattern_item *item,
                        struct buffer *buffer) {
    static const int powers[] = {0, 100000, 10000, 1000, 100, 10, 1};
    const struct datetime *datetime = &moment->datetime;
    int64_t hours = moment->hours;
    switch (item->key) {
    case KEY_HH12:
        append_number(hours % 12 == 0 ? 12 : hours % 12, 2, item, buffer);
        break;
    case KEY_HH24:
        append_number(hours, 2, item, buffer);
        break;
    case KEY_MI:
        append_number(datetime->minute, 2, item, buffer);
        break;
    case KEY_SS:
        append_number(datetime->second, 2, item, buffer);
        break;
    case KEY_SSSS:
        buffer_append_format(buffer, "%lld",
                             (long long)hours * 3600 + datetime->minute * 60 + datetime->second);
        if (item->ordinal)
            append_ordinal(datetime->second, item, buffer);
        break;
    case KEY_MS:
    case KEY_US:
    case KEY_FF: {
        int digits = item->key == KEY_MS ? 3 : item->key == KEY_US ? 6 : item->digits;
        buffer_append_format(buffer, "%0*d", digits, datetime->microsecond / powers[digits]);
        if (item->ordinal)
            append_ordinal(datetime->microsecond / powers[digits], item, buffer);
        break;
    }
    default: {
        bool afternoon = hours % 24 >= 12, dots = item->key == KEY_AM_DOTS;
        append_name(afternoon ? (dots ? "p.m." : "pm") : (dots ? "a.m." : "am"), 0, 0, item,
                    buffer);
        break;
    }
    }
}

static void append_day(const struct moment *moment, const struct pattern_item *item,
                       struct buffer *buffer) {
    const struct datetime *datetime = &moment->datetime;
    int iso_year, week;
    date_iso_week(moment->date, &iso_year, &week);
    switch (item->key) {
    case KEY_DAY:
        append_name(weekday_names[moment->weekday], 0, 9, item, buffer);
        break;
    case KEY_DY:
        append_name(weekday_names[moment->weekday], 3, 0, item, buffer);
        break;
    case KEY_D:
        append_number(moment->weekday + 1, 1, item, buffer);
        break;
    case KEY_ID:
        append_number((moment->weekday + 6) % 7 + 1, 1, item, buffer);
        break;
    case KEY_DD:
        append_number(datetime->day, 2, item, buffer);
        break;
    case KEY_DDD:
        append_number(moment->year_day, 3, item, buffer);
        break;
    case KEY_IDDD:
        append_number((week - 1) * 7 + (moment->weekday + 6) % 7 + 1, 3, item, buffer);
        break;
    case KEY_IW:
        append_number(week, 2, item, buffer);
        break;
    case KEY_WW:
        append_number((moment->year_day - 1) / 7 + 1, 2, item, buffer);
        break;
    case KEY_W:
        append_number((datetime->day - 1) / 7 + 1, 1, item, buffer);
        break;
    default:
        append_number((int64_t)moment->date - DATE_MIN, 1, item, buffer);
        break;
    }
}

static void append_month(const struct moment *moment, const struct pattern_item *item,
                         struct buffer *buffer) {
    int month = moment->datetime.month;
    switch (item->key) {
    case KEY_MM:
        append_number(month, 2, item, buffer);
        break;
    case KEY_Q:
        if (month != 0)
            append_number((month - 1) / 3 + 1, 1, item, buffer);
        break;
    case KEY_RM:
        if (month > 0)
            append_name(roman_months[month - 1], 0, 4, item, buffer);
        break;
    case KEY_MON:
        append_name(month_names[month - 1], 3, 0, item, buffer);
        break;
    default:
        append_name(month_names[month - 1], 0, 9, item, buffer);
        break;
    }
}

/* Names of days and months, eras and zones mean nothing for an interval. */
static bool needs_calendar(enum pattern_key key) {
    switch (key) {
    case KEY_BC:
    case KEY_BC_DOTS:
    case KEY_DAY:
    case KEY_DY:
    case KEY_D:
    case KEY_ID:
    case KEY_J:
    case KEY_MON:
    case KEY_MONTH:
    case KEY_OF:
    case KEY_TZ:
    case KEY_TZH:
    case KEY_TZM:
        return true;
    default:
        return false;
    }
}

static enum status append_item(const struct moment *moment, const struct pattern_item *item,
                               struct buffer *buffer) {
    if (moment->is_interval && needs_calendar(item->key)) {
        enum status status = error_set(STATUS_INVALID_DATETIME_FORMAT,
                                       "invalid format specification for an interval value");
        error_hint("Intervals are not tied to specific calendar dates.");
        return status;
    }
    switch (item->key) {
    case KEY_LITERAL:
        buffer_append_slice(buffer, item->text);
        break;
    case KEY_BC:
    case KEY_BC_DOTS: {
        bool bc = moment->datetime.year <= 0, dots = item->key == KEY_BC_DOTS;
        append_name(bc ? (dots ? "b.c." : "bc") : (dots ? "a.d." : "ad"), 0, 0, item, buffer);
        break;
    }
    case KEY_CC: {
        append_number(century_of(moment), 2, item, buffer);
        break;
    }
    case KEY_AM:
    case KEY_AM_DOTS:
    case KEY_FF:
    case KEY_HH12:
    case KEY_HH24:
    case KEY_MI:
    case KEY_MS:
    case KEY_SS:
    case KEY_SSSS:
    case KEY_US:
        append_time(moment, item, buffer);
        break;
    case KEY_OF:
    case KEY_TZ:
    case KEY_TZH:
    case KEY_TZM:
        append_zone(moment, item, buffer);
        break;
    case KEY_MM:
    case KEY_MON:
    case KEY_MONTH:
    case KEY_Q:
    case KEY_RM:
        append_month(moment, item, buffer);
        break;
    case KEY_IYYYY:
    case KEY_IYYY:
    case KEY_IYY:
    case KEY_IY:
    case KEY_Y_YYY:
    case KEY_YYYY:
    case KEY_YYY:
    case KEY_YY:
    case KEY_Y:
        append_year(moment, item, buffer);
        break;
    default:
        append_day(moment, item, buffer);
        break;
    }
    return STATUS_OK;
}

/* False for infinite moments, which show as nothing (NULL, says the caller's SQL). */
static bool moment_of(const struct value *value, const struct timezone *timezone,
                      struct moment *moment) {
    struct datetime *datetime = &moment->datetime;
    *moment = (struct moment){.has_zone = value->type.id == TYPE_TIMESTAMPTZ};
    if (value->type.id == TYPE_INTERVAL) {
        int64_t us = value->interval.us;
        moment->is_interval = true;
        moment->hours = us / US_PER_HOUR;
        datetime->year = value->interval.months / 12;
        datetime->month = value->interval.months % 12;
        datetime->day = value->interval.days;
        datetime->minute = (int)(us / US_PER_MINUTE % 60);
        datetime->second = (int)(us / US_PER_SECOND % 60);
        datetime->microsecond = (int32_t)(us % US_PER_SECOND);
        moment->year_day = value->interval.months * 30 + value->interval.days;
        return true;
    }
    int64_t timestamp = value->type.id == TYPE_DATE ? value->int32 * US_PER_DAY : value->int64;
    if (value->type.id == TYPE_DATE ? !date_is_finite(value->int32)
                                    : !timestamp_is_finite(timestamp))
        return false;
    if (moment->has_zone)
        timestamptz_split(timestamp, timezone, datetime);
    else
        timestamp_split(timestamp, datetime);
    moment->hours = datetime->hour;
    moment->date = date_from_civil(datetime->year, datetime->month, datetime->day);
    moment->weekday = date_weekday(moment->date);
    moment->year_day = moment->date - date_from_civil(datetime->year, 1, 1) + 1;
    return true;
}

enum status datetime_to_char(const struct value *value, struct slice format,
                             const struct timezone *timezone, struct buffer *buffer) {
    struct moment moment;
    struct pattern_item item;
    bool inside_quotes = false;
    if (!moment_of(value, timezone, &moment))
        return STATUS_OK;
    while (pattern_next(&format, &inside_quotes, &item))
        TRY(append_item(&moment, &item, buffer));
    return STATUS_OK;
}
