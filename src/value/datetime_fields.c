/* Fields of dates, times and intervals: extract, date_part, date_trunc, date_bin. */
#include <math.h>

#include "value/parts.h"
#include "value/value_datetime.h"

enum unit {
    UNIT_UNKNOWN,
    UNIT_MICROSECOND,
    UNIT_MILLISECOND,
    UNIT_SECOND,
    UNIT_MINUTE,
    UNIT_HOUR,
    UNIT_DAY,
    UNIT_WEEK,
    UNIT_MONTH,
    UNIT_QUARTER,
    UNIT_YEAR,
    UNIT_DECADE,
    UNIT_CENTURY,
    UNIT_MILLENNIUM,
    UNIT_DOW,
    UNIT_ISODOW,
    UNIT_DOY,
    UNIT_ISOYEAR,
    UNIT_JULIAN,
    UNIT_EPOCH,
    UNIT_ZONE,
    UNIT_ZONE_HOUR,
    UNIT_ZONE_MINUTE,
};

static enum unit unit_of(struct slice word) {
    static const struct {
        const char *word;
        uint8_t unit;
    } words[] = {
        {"microseconds", UNIT_MICROSECOND},
        {"microsecond", UNIT_MICROSECOND},
        {"us", UNIT_MICROSECOND},
        {"usec", UNIT_MICROSECOND},
        {"usecs", UNIT_MICROSECOND},
        {"milliseconds", UNIT_MILLISECOND},
        {"millisecond", UNIT_MILLISECOND},
        {"ms", UNIT_MILLISECOND},
        {"msec", UNIT_MILLISECOND},
        {"msecs", UNIT_MILLISECOND},
        {"second", UNIT_SECOND},
        {"seconds", UNIT_SECOND},
        {"sec", UNIT_SECOND},
        {"secs", UNIT_SECOND},
        {"s", UNIT_SECOND},
        {"minute", UNIT_MINUTE},
        {"minutes", UNIT_MINUTE},
        {"min", UNIT_MINUTE},
        {"mins", UNIT_MINUTE},
        {"m", UNIT_MINUTE},
        {"hour", UNIT_HOUR},
        {"hours", UNIT_HOUR},
        {"hr", UNIT_HOUR},
        {"hrs", UNIT_HOUR},
        {"h", UNIT_HOUR},
        {"day", UNIT_DAY},
        {"days", UNIT_DAY},
        {"d", UNIT_DAY},
        {"week", UNIT_WEEK},
        {"weeks", UNIT_WEEK},
        {"w", UNIT_WEEK},
        {"month", UNIT_MONTH},
        {"months", UNIT_MONTH},
        {"mon", UNIT_MONTH},
        {"mons", UNIT_MONTH},
        {"quarter", UNIT_QUARTER},
        {"qtr", UNIT_QUARTER},
        {"year", UNIT_YEAR},
        {"years", UNIT_YEAR},
        {"yr", UNIT_YEAR},
        {"yrs", UNIT_YEAR},
        {"y", UNIT_YEAR},
        {"decade", UNIT_DECADE},
        {"decades", UNIT_DECADE},
        {"dec", UNIT_DECADE},
        {"decs", UNIT_DECADE},
        {"century", UNIT_CENTURY},
        {"centuries", UNIT_CENTURY},
        {"cent", UNIT_CENTURY},
        {"c", UNIT_CENTURY},
        {"millennium", UNIT_MILLENNIUM},
        {"millennia", UNIT_MILLENNIUM},
        {"mil", UNIT_MILLENNIUM},
        {"mils", UNIT_MILLENNIUM},
        {"dow", UNIT_DOW},
        {"isodow", UNIT_ISODOW},
        {"doy", UNIT_DOY},
        {"isoyear", UNIT_ISOYEAR},
        {"julian", UNIT_JULIAN},
        {"epoch", UNIT_EPOCH},
        {"timezone", UNIT_ZONE},
        {"timezone_hour", UNIT_ZONE_HOUR},
        {"timezone_minute", UNIT_ZONE_MINUTE},
        {"timezone_h", UNIT_ZONE_HOUR},
        {"timezone_m", UNIT_ZONE_MINUTE},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (text_equal_ignoring_case(word, words[i].word))
            return words[i].unit;
    return UNIT_UNKNOWN;
}

static enum status unit_error(struct slice field, enum unit unit, uint32_t type_id) {
    char lower[64];
    size_t size = field.size < sizeof lower ? field.size : sizeof lower - 1;
    for (size_t i = 0; i < size; i++)
        lower[i] = (char)(field.data[i] >= 'A' && field.data[i] <= 'Z' ? field.data[i] + 32
                                                                       : field.data[i]);
    const char *type = type_info_get(type_id)->name;
    if (unit == UNIT_UNKNOWN)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "unit \"%.*s\" not recognized for type %s",
                         (int)size, lower, type);
    return error_set(STATUS_FEATURE_NOT_SUPPORTED, "unit \"%.*s\" not supported for type %s",
                     (int)size, lower, type);
}

/* Monday of ISO week 1 of a year: the week with 4 January in it. */
static int32_t iso_year_start(int year) {
    int32_t fourth = date_from_civil(year, 1, 4);
    return fourth - (date_weekday(fourth) + 6) % 7;
}

void date_iso_week(int32_t date, int *year_out, int *week_out) {
    int year, month, day;
    date_to_civil(date, &year, &month, &day);
    if (date >= iso_year_start(year + 1))
        year++;
    else if (date < iso_year_start(year))
        year--;
    *year_out = year;
    *week_out = (date - iso_year_start(year)) / 7 + 1;
}

static int without_year_zero(int year) {
    return year > 0 ? year : year - 1;
}

static struct numeric fields_of_day(enum unit unit, const struct datetime *datetime, bool *known) {
    int year = datetime->year, iso_year, week;
    *known = true;
    if (unit == UNIT_YEAR)
        return numeric_make(without_year_zero(year), 0);
    int32_t date = date_from_civil(year, datetime->month, datetime->day);
    switch (unit) {
    case UNIT_DAY:
        return numeric_make(datetime->day, 0);
    case UNIT_MONTH:
        return numeric_make(datetime->month, 0);
    case UNIT_QUARTER:
        return numeric_make((datetime->month - 1) / 3 + 1, 0);
    case UNIT_WEEK:
        date_iso_week(date, &iso_year, &week);
        return numeric_make(week, 0);
    case UNIT_ISOYEAR:
        date_iso_week(date, &iso_year, &week);
        return numeric_make(without_year_zero(iso_year), 0);
    case UNIT_DECADE:
        return numeric_make(year >= 0 ? year / 10 : -((8 - (year - 1)) / 10), 0);
    case UNIT_CENTURY:
        return numeric_make(year > 0 ? (year + 99) / 100 : -((99 - (year - 1)) / 100), 0);
    case UNIT_MILLENNIUM:
        return numeric_make(year > 0 ? (year + 999) / 1000 : -((999 - (year - 1)) / 1000), 0);
    case UNIT_DOW:
        return numeric_make(date_weekday(date), 0);
    case UNIT_ISODOW:
        return numeric_make((date_weekday(date) + 6) % 7 + 1, 0);
    case UNIT_DOY:
        return numeric_make(date - date_from_civil(year, 1, 1) + 1, 0);
    default:
        *known = false;
        return numeric_make(0, 0);
    }
}

/* Fields of a time of day or of the time part of an interval, in microseconds. */
static struct numeric fields_of_time(enum unit unit, int64_t us, bool *known) {
    *known = true;
    switch (unit) {
    case UNIT_MICROSECOND:
        return numeric_make(us % US_PER_MINUTE, 0);
    case UNIT_MILLISECOND:
        return numeric_make(us % US_PER_MINUTE, 3);
    case UNIT_SECOND:
        return numeric_make(us % US_PER_MINUTE, 6);
    case UNIT_MINUTE:
        return numeric_make(us / US_PER_MINUTE % 60, 0);
    case UNIT_HOUR:
        return numeric_make(us / US_PER_HOUR, 0);
    default:
        *known = false;
        return numeric_make(0, 0);
    }
}

/* Day number since 4714 BC with the time of day as fraction. */
static enum status julian_of(int32_t date, int64_t time, struct numeric *out) {
    struct numeric fraction, day = numeric_make((int128_t)date - DATE_MIN, 0);
    TRY(numeric_divide(numeric_make(time, 0), numeric_make(US_PER_DAY, 0), &fraction));
    return numeric_add(day, fraction, out);
}

static enum status extract_timestamp(struct slice field, enum unit unit, const struct value *value,
                                     const struct timezone *timezone, struct numeric *out) {
    bool with_zone = value->type.id == TYPE_TIMESTAMPTZ, known;
    struct datetime datetime;
    if (with_zone)
        timestamptz_split(value->int64, timezone, &datetime);
    else
        timestamp_split(value->int64, &datetime);
    int64_t local = value->int64 + (with_zone ? datetime.offset * US_PER_SECOND : 0);
    *out = fields_of_day(unit, &datetime, &known);
    if (!known)
        *out = fields_of_time(unit, timestamp_to_time(local), &known);
    if (known)
        return STATUS_OK;
    switch (unit) {
    case UNIT_EPOCH:
        *out = numeric_make((int128_t)value->int64 - TIMESTAMP_UNIX_EPOCH, 6);
        return STATUS_OK;
    case UNIT_JULIAN:
        return julian_of(timestamp_to_date(local), timestamp_to_time(local), out);
    case UNIT_ZONE:
        *out = numeric_make(datetime.offset, 0);
        break;
    case UNIT_ZONE_HOUR:
        *out = numeric_make(datetime.offset / 3600, 0);
        break;
    case UNIT_ZONE_MINUTE:
        *out = numeric_make(datetime.offset / 60 % 60, 0);
        break;
    default:
        return unit_error(field, unit, value->type.id);
    }
    return with_zone ? STATUS_OK : unit_error(field, unit, value->type.id);
}

static enum status extract_date(struct slice field, enum unit unit, const struct value *value,
                                struct numeric *out) {
    struct datetime datetime = {0};
    bool known;
    date_to_civil(value->int32, &datetime.year, &datetime.month, &datetime.day);
    *out = fields_of_day(unit, &datetime, &known);
    if (known)
        return STATUS_OK;
    if (unit == UNIT_EPOCH)
        *out = numeric_make(((int64_t)value->int32 - DATE_UNIX_EPOCH) * 86400, 0);
    else if (unit == UNIT_JULIAN)
        *out = numeric_make((int64_t)value->int32 - DATE_MIN, 0);
    else
        return unit_error(field, unit, TYPE_DATE);
    return STATUS_OK;
}

static enum status extract_interval(struct slice field, enum unit unit, struct interval interval,
                                    struct numeric *out) {
    bool known;
    int years = interval.months / 12, months = interval.months % 12;
    *out = fields_of_time(unit, interval.us, &known);
    if (known)
        return STATUS_OK;
    int64_t quarter_days;
    switch (unit) {
    case UNIT_DAY:
        *out = numeric_make(interval.days, 0);
        break;
    case UNIT_MONTH:
        *out = numeric_make(months, 0);
        break;
    case UNIT_QUARTER:
        *out = numeric_make(months / 3 + 1, 0);
        break;
    case UNIT_YEAR:
        *out = numeric_make(years, 0);
        break;
    case UNIT_DECADE:
        *out = numeric_make(years / 10, 0);
        break;
    case UNIT_CENTURY:
        *out = numeric_make(years / 100, 0);
        break;
    case UNIT_MILLENNIUM:
        *out = numeric_make(years / 1000, 0);
        break;
    case UNIT_EPOCH: /* a year counts 365.25 days, a month beyond years 30 */
        quarter_days = INT64_C(1461) * years + INT64_C(120) * months + INT64_C(4) * interval.days;
        *out = numeric_make((int128_t)quarter_days * (86400 / 4) * US_PER_SECOND + interval.us, 6);
        break;
    default:
        return unit_error(field, unit, TYPE_INTERVAL);
    }
    return STATUS_OK;
}

static enum status extract_time(struct slice field, enum unit unit, int64_t time,
                                struct numeric *out) {
    bool known;
    *out = fields_of_time(unit, time, &known);
    if (!known && unit == UNIT_EPOCH) {
        *out = numeric_make(time, 6);
        return STATUS_OK;
    }
    return known ? STATUS_OK : unit_error(field, unit, TYPE_TIME);
}

/* Of infinite moments, what grows without end is infinite and what goes round is null. */
static enum status extract_infinite(struct slice field, enum unit unit, const struct value *value,
                                    bool positive, struct value *out) {
    if (unit == UNIT_UNKNOWN ||
        (value->type.id == TYPE_DATE && (unit < UNIT_DAY || unit >= UNIT_ZONE)))
        return unit_error(field, unit, value->type.id);
    bool grows = unit == UNIT_YEAR || unit == UNIT_DECADE || unit == UNIT_CENTURY ||
                 unit == UNIT_MILLENNIUM || unit == UNIT_JULIAN || unit == UNIT_ISOYEAR ||
                 unit == UNIT_EPOCH;
    out->is_null = !grows;
    out->numeric = numeric_special(positive ? NUMERIC_INFINITY : NUMERIC_MINUS_INFINITY);
    return STATUS_OK;
}

int datetime_field(struct slice word) {
    return unit_of(word);
}

enum status datetime_extract(struct slice field, const struct value *value,
                             const struct timezone *timezone, struct value *numeric_out) {
    return datetime_extract_field(unit_of(field), field, value, timezone, numeric_out);
}

enum status datetime_extract_field(int field, struct slice word, const struct value *value,
                                   const struct timezone *timezone, struct value *numeric_out) {
    enum unit unit = (enum unit)field;
    *numeric_out = (struct value){.type = TYPE_OF(NUMERIC)};
    switch (value->type.id) {
    case TYPE_DATE:
        if (!date_is_finite(value->int32))
            return extract_infinite(word, unit, value, value->int32 > 0, numeric_out);
        return extract_date(word, unit, value, &numeric_out->numeric);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        if (!timestamp_is_finite(value->int64))
            return extract_infinite(word, unit, value, value->int64 > 0, numeric_out);
        return extract_timestamp(word, unit, value, timezone, &numeric_out->numeric);
    case TYPE_TIME:
        return extract_time(word, unit, value->int64, &numeric_out->numeric);
    default:
        ASSERT(value->type.id == TYPE_INTERVAL);
        return extract_interval(word, unit, value->interval, &numeric_out->numeric);
    }
}

enum status datetime_part(struct slice field, const struct value *value,
                          const struct timezone *timezone, struct value *float8_out) {
    struct value numeric, moment = *value;
    if (value->type.id == TYPE_DATE) { /* date_part has no form for dates: they are timestamps */
        moment.type = TYPE_OF(TIMESTAMP);
        TRY(date_to_timestamp(value->int32, &moment.int64));
    }
    TRY(datetime_extract(field, &moment, timezone, &numeric));
    *float8_out = value_float8(numeric.is_null ? 0 : numeric_to_float8(numeric.numeric));
    float8_out->is_null = numeric.is_null;
    return STATUS_OK;
}

/* ---- date_trunc ------------------------------------------------------------------------ */

static void truncate_year(struct datetime *datetime, enum unit unit) {
    int year = datetime->year;
    if (unit == UNIT_MILLENNIUM)
        year =
            year > 0 ? (year + 999) / 1000 * 1000 - 999 : -((999 - (year - 1)) / 1000) * 1000 + 1;
    else if (unit == UNIT_CENTURY)
        year = year > 0 ? (year + 99) / 100 * 100 - 99 : -((99 - (year - 1)) / 100) * 100 + 1;
    else if (unit == UNIT_DECADE)
        year = year > 0 ? year / 10 * 10 : -((8 - (year - 1)) / 10) * 10;
    datetime->year = year;
    datetime->month = 1;
}

static enum status truncate_local(int64_t local, enum unit unit, bool *known, int64_t *out) {
    static const int64_t spans[] = {
        [UNIT_MICROSECOND] = 1,        [UNIT_MILLISECOND] = 1000, [UNIT_SECOND] = US_PER_SECOND,
        [UNIT_MINUTE] = US_PER_MINUTE, [UNIT_HOUR] = US_PER_HOUR, [UNIT_DAY] = US_PER_DAY};
    *known = true;
    if (unit >= UNIT_MICROSECOND && unit <= UNIT_DAY) {
        int64_t rest = local % spans[unit];
        *out = local - (rest < 0 ? rest + spans[unit] : rest);
        return STATUS_OK;
    }
    struct datetime datetime;
    timestamp_split(local, &datetime);
    datetime.hour = datetime.minute = datetime.second = datetime.microsecond = 0;
    int32_t date = date_from_civil(datetime.year, datetime.month, datetime.day);
    switch (unit) {
    case UNIT_WEEK:
        *out = (int64_t)(date - (date_weekday(date) + 6) % 7) * US_PER_DAY;
        return *out < TIMESTAMP_MIN ? timestamp_range_error() : STATUS_OK;
    case UNIT_MONTH:
        break;
    case UNIT_QUARTER:
        datetime.month = (datetime.month - 1) / 3 * 3 + 1;
        break;
    case UNIT_YEAR:
    case UNIT_DECADE:
    case UNIT_CENTURY:
    case UNIT_MILLENNIUM:
        truncate_year(&datetime, unit);
        break;
    default:
        *known = false;
        return STATUS_OK;
    }
    datetime.day = 1;
    return timestamp_join(&datetime, out);
}

static enum status truncate_interval(struct slice field, enum unit unit,
                                     struct interval *interval) {
    int months = 0;
    switch (unit) {
    case UNIT_MILLENNIUM:
        months = 12000;
        break;
    case UNIT_CENTURY:
        months = 1200;
        break;
    case UNIT_DECADE:
        months = 120;
        break;
    case UNIT_YEAR:
        months = 12;
        break;
    case UNIT_QUARTER:
        months = 3;
        break;
    case UNIT_MONTH:
        months = 1;
        break;
    case UNIT_DAY:
        interval->us = 0;
        return STATUS_OK;
    case UNIT_HOUR:
        interval->us -= interval->us % US_PER_HOUR;
        return STATUS_OK;
    case UNIT_MINUTE:
        interval->us -= interval->us % US_PER_MINUTE;
        return STATUS_OK;
    case UNIT_SECOND:
        interval->us -= interval->us % US_PER_SECOND;
        return STATUS_OK;
    case UNIT_MILLISECOND:
        interval->us -= interval->us % 1000;
        return STATUS_OK;
    case UNIT_MICROSECOND:
        return STATUS_OK;
    default: {
        enum status status = unit_error(field, unit, TYPE_INTERVAL);
        if (unit == UNIT_WEEK)
            error_detail("Months usually have fractional weeks.");
        return status;
    }
    }
    interval->months -= interval->months % months;
    interval->days = 0;
    interval->us = 0;
    return STATUS_OK;
}

enum status datetime_truncate(struct slice field, const struct value *value,
                              const struct timezone *timezone, struct value *out) {
    enum unit unit = unit_of(field);
    *out = *value;
    if (unit >= UNIT_DOW && unit <= UNIT_EPOCH)
        unit = UNIT_UNKNOWN; /* nothing to cut to */
    if (value->type.id == TYPE_INTERVAL)
        return truncate_interval(field, unit, &out->interval);
    ASSERT(value->type.id == TYPE_TIMESTAMP || value->type.id == TYPE_TIMESTAMPTZ);
    bool with_zone = value->type.id == TYPE_TIMESTAMPTZ, known;
    if (!timestamp_is_finite(value->int64))
        return STATUS_OK;
    if (unit == UNIT_UNKNOWN)
        return unit_error(field, unit, value->type.id);
    int64_t local = with_zone ? timestamptz_to_timestamp(value->int64, timezone) : value->int64;
    int64_t offset = local - value->int64, truncated;
    TRY(truncate_local(local, unit, &known, &truncated));
    if (!known)
        return unit_error(field, unit, value->type.id);
    out->int64 = truncated;
    if (with_zone && unit >= UNIT_DAY) /* midnight may have another offset */
        return timestamp_to_timestamptz(truncated, timezone, &out->int64);
    out->int64 = truncated - offset;
    return STATUS_OK;
}

enum status timestamp_bin(struct interval stride, int64_t source, int64_t origin, int64_t *out) {
    *out = source;
    if (!timestamp_is_finite(source))
        return STATUS_OK;
    if (!timestamp_is_finite(origin))
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "origin out of range");
    if (stride.months != 0)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "timestamps cannot be binned into intervals containing months or years");
    int64_t span, distance;
    if (__builtin_add_overflow(stride.days * US_PER_DAY, stride.us, &span))
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "interval out of range");
    if (span <= 0)
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "stride must be greater than zero");
    if (__builtin_sub_overflow(source, origin, &distance))
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "interval out of range");
    int64_t rest = distance % span;
    *out = source - (rest < 0 ? rest + span : rest);
    return STATUS_OK;
}
