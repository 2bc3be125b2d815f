/* The calendar, and moments taken apart and put together. */
#include "value/parts.h"
#include "value/value_datetime.h"

enum { DAYS_PER_ERA = 146097 }; /* 400 years */

/* Counting from March makes the leap day the last of its year, so that days before a month are a
   linear formula. 730425 days lie between 0000-03-01 and 2000-01-01. */
int32_t date_from_civil(int year, int month, int day) {
    int shifted_year = year - (month <= 2), shifted_month = month + (month <= 2 ? 9 : -3);
    int era = shifted_year / 400 - (shifted_year % 400 < 0);
    int year_of_era = shifted_year - era * 400;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
                     (153 * shifted_month + 2) / 5 + day - 1;
    return (int32_t)((int64_t)era * DAYS_PER_ERA + day_of_era - 730425);
}

void date_to_civil(int32_t date, int *year_out, int *month_out, int *day_out) {
    int64_t days = (int64_t)date + 730425;
    int64_t era = days / DAYS_PER_ERA - (days % DAYS_PER_ERA < 0);
    int day_of_era = (int)(days - era * DAYS_PER_ERA);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int shifted_month = (5 * day_of_year + 2) / 153;
    *day_out = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    *month_out = shifted_month + (shifted_month < 10 ? 3 : -9);
    *year_out = (int)(year_of_era + era * 400) + (*month_out <= 2);
}

bool year_is_leap(int year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int month_days(int year, int month) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && year_is_leap(year));
}

int date_weekday(int32_t date) {
    int64_t day = ((int64_t)date + 6) % 7; /* 2000-01-01 was a Saturday */
    return (int)(day < 0 ? day + 7 : day);
}

static int64_t floor_divide(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

void timestamp_split(int64_t timestamp, struct datetime *datetime) {
    int64_t days = timestamp / US_PER_DAY, time = timestamp % US_PER_DAY;
    if (time < 0) { /* days * US_PER_DAY may not fit */
        days--;
        time += US_PER_DAY;
    }
    *datetime = (struct datetime){
        .hour = (int)(time / US_PER_HOUR),
        .minute = (int)(time / US_PER_MINUTE % 60),
        .second = (int)(time / US_PER_SECOND % 60),
        .microsecond = (int32_t)(time % US_PER_SECOND),
    };
    date_to_civil((int32_t)days, &datetime->year, &datetime->month, &datetime->day);
}

enum status timestamp_range_error(void) {
    return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "timestamp out of range");
}

static bool year_in_range(int year) {
    return year >= -4713 && year <= 294277;
}

enum status timestamp_join(const struct datetime *datetime, int64_t *timestamp_out) {
    if (!year_in_range(datetime->year))
        return timestamp_range_error();
    int64_t days = date_from_civil(datetime->year, datetime->month, datetime->day);
    int64_t time = datetime->hour * US_PER_HOUR + datetime->minute * US_PER_MINUTE +
                   datetime->second * US_PER_SECOND + datetime->microsecond;
    int64_t timestamp;
    if (__builtin_mul_overflow(days, US_PER_DAY, &timestamp) ||
        __builtin_add_overflow(timestamp, time, &timestamp) || timestamp < TIMESTAMP_MIN ||
        timestamp >= TIMESTAMP_END)
        return timestamp_range_error();
    *timestamp_out = timestamp;
    return STATUS_OK;
}

void timestamptz_split(int64_t timestamptz, const struct timezone *timezone,
                       struct datetime *datetime) {
    bool is_dst;
    const char *zone;
    if (timezone == NULL)
        timezone = timezone_utc;
    int32_t offset = timezone_offset_at(timezone, timestamptz, &is_dst, &zone);
    timestamp_split(timestamptz + offset * US_PER_SECOND, datetime);
    datetime->offset = offset;
    datetime->is_dst = is_dst;
    datetime->zone = zone;
}

/* ---- conversions ----------------------------------------------------------------------- */

enum status date_to_timestamp(int32_t date, int64_t *timestamp_out) {
    if (!date_is_finite(date)) {
        *timestamp_out = date == DATE_INFINITY ? TIMESTAMP_INFINITY : TIMESTAMP_MINUS_INFINITY;
        return STATUS_OK;
    }
    if (date < DATE_MIN || date >= TIMESTAMP_END / US_PER_DAY)
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "date out of range for timestamp");
    *timestamp_out = date * US_PER_DAY;
    return STATUS_OK;
}

int32_t timestamp_to_date(int64_t timestamp) {
    if (!timestamp_is_finite(timestamp))
        return timestamp == TIMESTAMP_INFINITY ? DATE_INFINITY : DATE_MINUS_INFINITY;
    return (int32_t)floor_divide(timestamp, US_PER_DAY);
}

int64_t timestamp_to_time(int64_t timestamp) {
    int64_t time = timestamp % US_PER_DAY;
    return time < 0 ? time + US_PER_DAY : time;
}

enum status timestamp_to_timestamptz(int64_t timestamp, const struct timezone *timezone,
                                     int64_t *timestamptz_out) {
    *timestamptz_out = timestamp;
    if (!timestamp_is_finite(timestamp) || timezone == NULL)
        return STATUS_OK;
    int64_t result = timestamp - timezone_offset_local(timezone, timestamp) * US_PER_SECOND;
    if (result < TIMESTAMP_MIN || result >= TIMESTAMP_END)
        return timestamp_range_error();
    *timestamptz_out = result;
    return STATUS_OK;
}

int64_t timestamptz_to_timestamp(int64_t timestamptz, const struct timezone *timezone) {
    if (!timestamp_is_finite(timestamptz) || timezone == NULL)
        return timestamptz;
    return timestamptz + timezone_offset_at(timezone, timestamptz, NULL, NULL) * US_PER_SECOND;
}

int64_t time_round(int64_t us, int32_t modifier) {
    static const int64_t units[] = {1000000, 100000, 10000, 1000, 100, 10};
    if (modifier < 0 || modifier > 5)
        return us;
    int64_t unit = units[modifier], rest = us % unit;
    us -= rest;
    if (rest >= unit / 2)
        us += unit;
    else if (rest <= -unit / 2)
        us -= unit;
    return us;
}
