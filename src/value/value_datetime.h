/*
 * Dates and times: calendar, arithmetic, fields, formatting by pattern.
 *
 * date: days since 2000-01-01; timestamp, timestamptz: microseconds since 2000-01-01 00:00 (local
 * or UTC); time: microseconds since midnight, 0 .. 86,400,000,000. The extreme integers of date
 * and timestamps are -infinity and infinity. Range as in PostgreSQL: 4713 BC to 294276 AD
 * (date: 5874897 AD).
 */
#ifndef VALUE_DATETIME_H
#define VALUE_DATETIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "value/value.h"
#include "value/value_numeric.h"
#include "value/value_text.h"
#include "value/value_timezone.h"

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_MINUTE INT64_C(60000000)
#define US_PER_HOUR INT64_C(3600000000)
#define US_PER_DAY INT64_C(86400000000)
#define DATE_INFINITY INT32_MAX
#define DATE_MINUS_INFINITY INT32_MIN
#define TIMESTAMP_INFINITY INT64_MAX
#define TIMESTAMP_MINUS_INFINITY INT64_MIN
/* 1970-01-01 as a date, and as a timestamp. */
#define DATE_UNIX_EPOCH (-10957)
#define TIMESTAMP_UNIX_EPOCH (DATE_UNIX_EPOCH * US_PER_DAY)
#define TIMESTAMP_MIN INT64_C(-211813488000000000) /* 4713-11-24 BC, least finite */
#define TIMESTAMP_END INT64_C(9223371331200000000) /* first beyond 294276 AD */
#define DATE_MIN (-2451545)
#define DATE_END 2145031949

static inline bool timestamp_is_finite(int64_t timestamp) {
    return timestamp != TIMESTAMP_INFINITY && timestamp != TIMESTAMP_MINUS_INFINITY;
}
static inline bool date_is_finite(int32_t date) {
    return date != DATE_INFINITY && date != DATE_MINUS_INFINITY;
}

/* ---- calendar -------------------------------------------------------------------------- */

/* Proleptic Gregorian; year 0 is 1 BC. month 1..12, day may run over. */
int32_t date_from_civil(int year, int month, int day);
void date_to_civil(int32_t date, int *year_out, int *month_out, int *day_out);
int month_days(int year, int month);
bool year_is_leap(int year);
/* 0 is Sunday. */
int date_weekday(int32_t date);

/* A broken-down moment. */
struct datetime {
    int year, month, day;     /* year 0 is 1 BC */
    int hour, minute, second; /* second may be 60 in input only */
    int32_t microsecond;
    int32_t offset; /* seconds east; with time zones */
    bool is_dst;
    const char *zone; /* abbreviation or NULL */
};
void timestamp_split(int64_t timestamp, struct datetime *datetime_out);
/* DATETIME_FIELD_OVERFLOW "timestamp out of range". Uses the date and time fields only. */
enum status timestamp_join(const struct datetime *datetime, int64_t *timestamp_out) MUST_USE;
/* An instant in a zone (NULL is UTC). */
void timestamptz_split(int64_t timestamptz, const struct timezone *timezone,
                       struct datetime *datetime_out);

/* ---- conversions ----------------------------------------------------------------------- */

enum status date_to_timestamp(int32_t date, int64_t *timestamp_out) MUST_USE;
int32_t timestamp_to_date(int64_t timestamp);
int64_t timestamp_to_time(int64_t timestamp);
/* Local time in a zone to the instant, and back. */
enum status timestamp_to_timestamptz(int64_t timestamp, const struct timezone *timezone,
                                     int64_t *timestamptz_out) MUST_USE;
int64_t timestamptz_to_timestamp(int64_t timestamptz, const struct timezone *timezone);
/* Round to the digits of a modifier (0..6; others change nothing). */
int64_t time_round(int64_t us, int32_t modifier);

/* ---- arithmetic: DATETIME_FIELD_OVERFLOW or INTERVAL_FIELD_OVERFLOW out of range -------- */

enum status timestamp_add_interval(int64_t timestamp, struct interval interval, int64_t *out)
    MUST_USE;
enum status timestamp_subtract_interval(int64_t timestamp, struct interval interval, int64_t *out)
    MUST_USE;
/* Days and months go by local calendar of the zone. */
enum status timestamptz_add_interval(int64_t timestamptz, struct interval interval,
                                     const struct timezone *timezone, int64_t *out) MUST_USE;
enum status timestamptz_subtract_interval(int64_t timestamptz, struct interval interval,
                                          const struct timezone *timezone, int64_t *out) MUST_USE;
/* a - b as days and time. */
enum status timestamp_subtract(int64_t a, int64_t b, struct interval *interval_out) MUST_USE;
/* a - b in years, months, days (age()). */
enum status timestamp_age(int64_t a, int64_t b, struct interval *interval_out) MUST_USE;
enum status timestamptz_age(int64_t a, int64_t b, const struct timezone *timezone,
                            struct interval *interval_out) MUST_USE;
/* Modulo a day. */
int64_t time_add_interval(int64_t time, struct interval interval);
int64_t time_subtract_interval(int64_t time, struct interval interval);

enum status interval_add(struct interval a, struct interval b, struct interval *out) MUST_USE;
enum status interval_subtract(struct interval a, struct interval b, struct interval *out) MUST_USE;
enum status interval_negate(struct interval a, struct interval *out) MUST_USE;
enum status interval_multiply(struct interval a, double factor, struct interval *out) MUST_USE;
/* DIVISION_BY_ZERO. */
enum status interval_divide(struct interval a, double divisor, struct interval *out) MUST_USE;
/* As PostgreSQL: a month counts as 30 days, a day as 24 hours. */
int interval_compare(struct interval a, struct interval b);
uint64_t interval_hash(struct interval interval);
/* The sum that comparisons are made of: microseconds. */
int128_t interval_comparable(struct interval interval);
enum status interval_justify_hours(struct interval a, struct interval *out) MUST_USE;
enum status interval_justify_days(struct interval a, struct interval *out) MUST_USE;
enum status interval_justify(struct interval a, struct interval *out) MUST_USE;
/* Keep what an interval modifier allows (fields, precision). */
struct interval interval_restrict(struct interval interval, int32_t modifier);

/* ---- making ---------------------------------------------------------------------------- */

/* DATETIME_FIELD_OVERFLOW "date field value out of range: 2013-02-30" and so on. */
enum status make_date(int year, int month, int day, int32_t *date_out) MUST_USE;
enum status make_time(int hour, int minute, double second, int64_t *time_out) MUST_USE;
enum status make_timestamp(int year, int month, int day, int hour, int minute, double second,
                           int64_t *timestamp_out) MUST_USE;
enum status make_interval(int years, int months, int weeks, int days, int hours, int minutes,
                          double seconds, struct interval *out) MUST_USE;

/* ---- fields ---------------------------------------------------------------------------- */

/* extract(field from value) as numeric with PostgreSQL's scale; date_part is its float8. `value`
   is a date, time, timestamp, timestamptz or interval; `zone` counts for timestamptz. The result
   is null (is_null) for fields of infinite values that PostgreSQL makes null. Statuses:
   FEATURE_NOT_SUPPORTED `unit "x" not supported for type ...`, INVALID_PARAMETER_VALUE `unit "x"
   not recognized for type ...`. */
enum status datetime_extract(struct slice field, const struct value *value,
                             const struct timezone *timezone, struct value *numeric_out) MUST_USE;
/* The same for many values: what the word of a field means (any number if nothing), once. */
int datetime_field(struct slice word);
enum status datetime_extract_field(int field, struct slice word, const struct value *value,
                                   const struct timezone *timezone, struct value *numeric_out)
    MUST_USE;
enum status datetime_part(struct slice field, const struct value *value,
                          const struct timezone *timezone, struct value *float8_out) MUST_USE;
/* date_trunc of timestamp, timestamptz or interval; same type. */
enum status datetime_truncate(struct slice field, const struct value *value,
                              const struct timezone *timezone, struct value *out) MUST_USE;
/* date_bin(stride, source, origin) of timestamps. */
enum status timestamp_bin(struct interval stride, int64_t source, int64_t origin, int64_t *out)
    MUST_USE;

/* ---- patterns -------------------------------------------------------------------------- */

/* to_char(timestamp | timestamptz | interval | date | time, format). */
enum status datetime_to_char(const struct value *value, struct slice format,
                             const struct timezone *timezone, struct buffer *buffer) MUST_USE;
/* to_timestamp(text, format) as local broken-down time turned into a timestamptz of the zone, and
   to_date(text, format). */
enum status datetime_from_char(struct slice text, struct slice format,
                               const struct timezone *timezone, int64_t *timestamptz_out) MUST_USE;
enum status date_from_char(struct slice text, struct slice format, int32_t *date_out) MUST_USE;

/* ---- text (used by value_text; settings from the context) ------------------------------- */

enum status date_parse(const struct value_context *context, struct slice text, int32_t *out)
    MUST_USE;
enum status time_parse(const struct value_context *context, struct slice text, int32_t modifier,
                       int64_t *out) MUST_USE;
enum status timestamp_parse(const struct value_context *context, struct slice text,
                            int32_t modifier, int64_t *out) MUST_USE;
enum status timestamptz_parse(const struct value_context *context, struct slice text,
                              int32_t modifier, int64_t *out) MUST_USE;
enum status interval_parse(const struct value_context *context, struct slice text, int32_t modifier,
                           struct interval *out) MUST_USE;
void date_format(const struct value_context *context, int32_t date, struct buffer *buffer);
void time_format(int64_t time, struct buffer *buffer);
void timestamp_format(const struct value_context *context, int64_t timestamp,
                      struct buffer *buffer);
void timestamptz_format(const struct value_context *context, int64_t timestamptz,
                        struct buffer *buffer);
void interval_format(const struct value_context *context, struct interval interval,
                     struct buffer *buffer);

#endif
