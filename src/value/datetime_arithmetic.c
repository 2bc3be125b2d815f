/* Sums and differences of dates, times and intervals; making them from parts. */
#include <math.h>

#include "base/base_hash.h"
#include "value/parts.h"
#include "value/value_datetime.h"

static enum status interval_range_error(void) {
    return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "interval out of range");
}

static bool timestamp_in_range(int64_t timestamp) {
    return timestamp >= TIMESTAMP_MIN && timestamp < TIMESTAMP_END;
}

/* Months and days of the interval on local time; a day beyond the month's end is its last. */
static enum status add_calendar(int64_t local, struct interval interval, int64_t *out) {
    if (interval.months != 0) {
        struct datetime datetime;
        timestamp_split(local, &datetime);
        int64_t months = (int64_t)datetime.year * 12 + (datetime.month - 1) + interval.months;
        int64_t year = months / 12 - (months % 12 < 0);
        if (year < -5000 || year > 295000)
            return timestamp_range_error();
        datetime.year = (int)year;
        datetime.month = (int)(months - year * 12) + 1;
        int last = month_days(datetime.year, datetime.month);
        if (datetime.day > last)
            datetime.day = last;
        TRY(timestamp_join(&datetime, &local));
    }
    if (__builtin_add_overflow(local, interval.days * US_PER_DAY, &local) ||
        !timestamp_in_range(local))
        return timestamp_range_error();
    *out = local;
    return STATUS_OK;
}

enum status timestamp_add_interval(int64_t timestamp, struct interval interval, int64_t *out) {
    *out = timestamp;
    if (!timestamp_is_finite(timestamp))
        return STATUS_OK;
    if (interval.months != 0 || interval.days != 0)
        TRY(add_calendar(timestamp, interval, &timestamp));
    if (__builtin_add_overflow(timestamp, interval.us, out) || !timestamp_in_range(*out))
        return timestamp_range_error();
    return STATUS_OK;
}

/* True: overflow. */
static bool negate(struct interval *interval) {
    struct interval a = *interval;
    return __builtin_sub_overflow(INT64_C(0), a.us, &interval->us) ||
           __builtin_sub_overflow(0, a.days, &interval->days) ||
           __builtin_sub_overflow(0, a.months, &interval->months);
}

enum status timestamp_subtract_interval(int64_t timestamp, struct interval interval, int64_t *out) {
    if (negate(&interval))
        return timestamp_range_error();
    return timestamp_add_interval(timestamp, interval, out);
}

enum status timestamptz_add_interval(int64_t timestamptz, struct interval interval,
                                     const struct timezone *timezone, int64_t *out) {
    *out = timestamptz;
    if (!timestamp_is_finite(timestamptz))
        return STATUS_OK;
    if (interval.months != 0 || interval.days != 0) {
        int64_t local = timestamptz_to_timestamp(timestamptz, timezone);
        TRY(add_calendar(local, interval, &local));
        TRY(timestamp_to_timestamptz(local, timezone, &timestamptz));
    }
    if (__builtin_add_overflow(timestamptz, interval.us, out) || !timestamp_in_range(*out))
        return timestamp_range_error();
    return STATUS_OK;
}

enum status timestamptz_subtract_interval(int64_t timestamptz, struct interval interval,
                                          const struct timezone *timezone, int64_t *out) {
    if (negate(&interval))
        return timestamp_range_error();
    return timestamptz_add_interval(timestamptz, interval, timezone, out);
}

enum status interval_justify_hours(struct interval a, struct interval *out) {
    int64_t days = a.us / US_PER_DAY;
    a.us -= days * US_PER_DAY;
    if (__builtin_add_overflow(a.days, (int32_t)days, &a.days))
        return interval_range_error();
    if (a.days > 0 && a.us < 0) {
        a.us += US_PER_DAY;
        a.days--;
    } else if (a.days < 0 && a.us > 0) {
        a.us -= US_PER_DAY;
        a.days++;
    }
    *out = a;
    return STATUS_OK;
}

enum status interval_justify_days(struct interval a, struct interval *out) {
    int32_t months = a.days / 30;
    a.days -= months * 30;
    if (__builtin_add_overflow(a.months, months, &a.months))
        return interval_range_error();
    if (a.months > 0 && a.days < 0) {
        a.days += 30;
        a.months--;
    } else if (a.months < 0 && a.days > 0) {
        a.days -= 30;
        a.months++;
    }
    *out = a;
    return STATUS_OK;
}

enum status interval_justify(struct interval a, struct interval *out) {
    TRY(interval_justify_hours(a, &a));
    TRY(interval_justify_days(a, &a));
    if (a.months > 0 && (a.days < 0 || (a.days == 0 && a.us < 0))) {
        a.days += 30;
        a.months--;
    } else if (a.months < 0 && (a.days > 0 || (a.days == 0 && a.us > 0))) {
        a.days -= 30;
        a.months++;
    }
    return interval_justify_hours(a, out);
}

enum status timestamp_subtract(int64_t a, int64_t b, struct interval *interval_out) {
    if (!timestamp_is_finite(a) || !timestamp_is_finite(b))
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "cannot subtract infinite timestamps");
    struct interval difference = {0};
    if (__builtin_sub_overflow(a, b, &difference.us))
        return timestamp_range_error();
    return interval_justify_hours(difference, interval_out);
}

/* Field by field, then borrowing upwards; days of the month that the earlier moment is in. */
enum status timestamp_age(int64_t a, int64_t b, struct interval *interval_out) {
    if (!timestamp_is_finite(a) || !timestamp_is_finite(b))
        return timestamp_range_error();
    struct datetime x, y;
    timestamp_split(a, &x);
    timestamp_split(b, &y);
    int sign = a < b ? -1 : 1;
    int64_t us = sign * (timestamp_to_time(a) - timestamp_to_time(b));
    int days = sign * (x.day - y.day), months = sign * (x.month - y.month);
    int years = sign * (x.year - y.year);
    const struct datetime *early = a < b ? &x : &y;
    if (us < 0) {
        us += US_PER_DAY;
        days--;
    }
    while (days < 0) {
        days += month_days(early->year, early->month);
        months--;
    }
    while (months < 0) {
        months += 12;
        years--;
    }
    *interval_out = (struct interval){sign * us, sign * days, sign * (years * 12 + months)};
    return STATUS_OK;
}

enum status timestamptz_age(int64_t a, int64_t b, const struct timezone *timezone,
                            struct interval *interval_out) {
    return timestamp_age(timestamptz_to_timestamp(a, timezone),
                         timestamptz_to_timestamp(b, timezone), interval_out);
}

static int64_t into_day(int64_t time) {
    time %= US_PER_DAY;
    return time < 0 ? time + US_PER_DAY : time;
}

int64_t time_add_interval(int64_t time, struct interval interval) {
    return into_day(time + interval.us % US_PER_DAY);
}

int64_t time_subtract_interval(int64_t time, struct interval interval) {
    return into_day(time - interval.us % US_PER_DAY);
}

/* ---- intervals ------------------------------------------------------------------------- */

enum status interval_add(struct interval a, struct interval b, struct interval *out) {
    struct interval sum;
    if (__builtin_add_overflow(a.us, b.us, &sum.us) ||
        __builtin_add_overflow(a.days, b.days, &sum.days) ||
        __builtin_add_overflow(a.months, b.months, &sum.months))
        return interval_range_error();
    *out = sum;
    return STATUS_OK;
}

enum status interval_subtract(struct interval a, struct interval b, struct interval *out) {
    struct interval rest;
    if (__builtin_sub_overflow(a.us, b.us, &rest.us) ||
        __builtin_sub_overflow(a.days, b.days, &rest.days) ||
        __builtin_sub_overflow(a.months, b.months, &rest.months))
        return interval_range_error();
    *out = rest;
    return STATUS_OK;
}

enum status interval_negate(struct interval a, struct interval *out) {
    if (negate(&a))
        return interval_range_error();
    *out = a;
    return STATUS_OK;
}

static double round_to_us(double seconds) {
    return rint(seconds * 1e6) / 1e6;
}

static bool fits_int32(double number) {
    return number == number && number >= -2147483648.0 && number < 2147483648.0;
}

/* Fractions of months become days of 30, fractions of days become time, as PostgreSQL cascades
   them, with rounding to microseconds against the noise of binary fractions. */
static enum status scale_interval(struct interval a, double factor, bool divide,
                                  struct interval *out) {
    double months = divide ? a.months / factor : a.months * factor;
    double days = divide ? a.days / factor : a.days * factor;
    if (!fits_int32(months) || !fits_int32(days))
        return interval_range_error();
    struct interval result = {.months = (int32_t)months, .days = (int32_t)days};
    double month_days = round_to_us((months - result.months) * 30);
    double seconds = (days - result.days + month_days - (int)month_days) * 86400;
    seconds = round_to_us(seconds);
    if (fabs(seconds) >= 86400) {
        if (__builtin_add_overflow(result.days, (int)(seconds / 86400), &result.days))
            return interval_range_error();
        seconds -= (int)(seconds / 86400) * 86400;
    }
    if (__builtin_add_overflow(result.days, (int32_t)month_days, &result.days))
        return interval_range_error();
    double us = rint((divide ? (double)a.us / factor : (double)a.us * factor) + seconds * 1e6);
    if (!(us == us && us >= -9223372036854775808.0 && us < 9223372036854775808.0))
        return interval_range_error();
    result.us = (int64_t)us;
    *out = result;
    return STATUS_OK;
}

enum status interval_multiply(struct interval a, double factor, struct interval *out) {
    return scale_interval(a, factor, false, out);
}

enum status interval_divide(struct interval a, double divisor, struct interval *out) {
    if (divisor == 0)
        return error_set(STATUS_DIVISION_BY_ZERO, "division by zero");
    return scale_interval(a, divisor, true, out);
}

int128_t interval_comparable(struct interval interval) {
    return ((int128_t)interval.months * 30 + interval.days) * US_PER_DAY + interval.us;
}

int interval_compare(struct interval a, struct interval b) {
    int128_t x = interval_comparable(a), y = interval_comparable(b);
    return (x > y) - (x < y);
}

uint64_t interval_hash(struct interval interval) {
    int128_t sum = interval_comparable(interval);
    return hash_combine(hash_u64((uint64_t)sum), (uint64_t)(sum >> 64));
}

/* ---- making ---------------------------------------------------------------------------- */

enum status make_date(int year, int month, int day, int32_t *date_out) {
    int civil_year = year < 0 ? year + 1 : year; /* -1 is 1 BC */
    if (year == 0 || month < 1 || month > 12 || day < 1 || year < -4714 || year > 5874898 ||
        day > month_days(civil_year, month))
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW,
                         "date field value out of range: %d-%02d-%02d", year, month, day);
    *date_out = date_from_civil(civil_year, month, day);
    if (*date_out < DATE_MIN || *date_out >= DATE_END)
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "date out of range: %d-%02d-%02d", year,
                         month, day);
    return STATUS_OK;
}

enum status make_time(int hour, int minute, double second, int64_t *time_out) {
    bool good =
        hour >= 0 && minute >= 0 && minute < 60 && second >= 0 && second <= 60 && hour <= 24;
    if (good) {
        *time_out = hour * US_PER_HOUR + minute * US_PER_MINUTE + (int64_t)rint(second * 1e6);
        good = *time_out <= US_PER_DAY;
    }
    if (!good)
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW,
                         "time field value out of range: %d:%02d:%02g", hour, minute, second);
    return STATUS_OK;
}

enum status make_timestamp(int year, int month, int day, int hour, int minute, double second,
                           int64_t *timestamp_out) {
    int32_t date;
    int64_t time;
    TRY(make_date(year, month, day, &date));
    TRY(make_time(hour, minute, second, &time));
    TRY(date_to_timestamp(date, timestamp_out));
    *timestamp_out += time;
    return timestamp_in_range(*timestamp_out) ? STATUS_OK : timestamp_range_error();
}

enum status make_interval(int years, int months, int weeks, int days, int hours, int minutes,
                          double seconds, struct interval *out) {
    int64_t all_months = (int64_t)years * 12 + months, all_days = (int64_t)weeks * 7 + days;
    double us = rint(seconds * 1e6);
    struct interval result = {0, (int32_t)all_days, (int32_t)all_months};
    if (all_months != result.months || all_days != result.days || !(fabs(us) < 9.2e18) ||
        __builtin_add_overflow(hours * US_PER_HOUR + minutes * US_PER_MINUTE, (int64_t)us,
                               &result.us))
        return interval_range_error();
    *out = result;
    return STATUS_OK;
}
