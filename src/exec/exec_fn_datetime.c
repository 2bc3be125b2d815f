/* Dates, times and intervals: thin doors to value_datetime.h. */
#include <math.h>
#include <string.h>

#include "exec/exec_kernel.h"

/* ---- now --------------------------------------------------------------------------------- */

BOXED_FUNCTION(now) {
    result->int64 = call->environment->transaction_time_us;
    return STATUS_OK;
}
BOXED_FUNCTION(statement_timestamp) {
    result->int64 = call->environment->statement_time_us;
    return STATUS_OK;
}
BOXED_FUNCTION(clock_timestamp) {
    result->int64 = clock_wall_us() + TIMESTAMP_UNIX_EPOCH;
    return STATUS_OK;
}

/* ---- plus and minus ---------------------------------------------------------------------- */

#define TIMESTAMP_INTERVAL(symbol, function, t, i)                                                 \
    BOXED_FUNCTION(symbol) {                                                                       \
        return function(arguments[t].int64, arguments[i].interval, &result->int64);                \
    }
TIMESTAMP_INTERVAL(timestamp_pl_interval, timestamp_add_interval, 0, 1)
TIMESTAMP_INTERVAL(timestamp_mi_interval, timestamp_subtract_interval, 0, 1)
TIMESTAMP_INTERVAL(interval_pl_timestamp, timestamp_add_interval, 1, 0)

#define ZONED_INTERVAL(symbol, function, t, i)                                                     \
    BOXED_FUNCTION(symbol) {                                                                       \
        return function(arguments[t].int64, arguments[i].interval, exec__timezone(call),           \
                        &result->int64);                                                           \
    }
ZONED_INTERVAL(timestamptz_pl_interval, timestamptz_add_interval, 0, 1)
ZONED_INTERVAL(timestamptz_mi_interval, timestamptz_subtract_interval, 0, 1)
ZONED_INTERVAL(interval_pl_timestamptz, timestamptz_add_interval, 1, 0)

#define DATE_INTERVAL(symbol, function, d, i)                                                      \
    BOXED_FUNCTION(symbol) {                                                                       \
        int64_t timestamp;                                                                         \
        TRY(date_to_timestamp(arguments[d].int32, &timestamp));                                    \
        return function(timestamp, arguments[i].interval, &result->int64);                         \
    }
DATE_INTERVAL(date_pl_interval, timestamp_add_interval, 0, 1)
DATE_INTERVAL(date_mi_interval, timestamp_subtract_interval, 0, 1)
DATE_INTERVAL(interval_pl_date, timestamp_add_interval, 1, 0)

BOXED_FUNCTION(time_pl_interval) {
    result->int64 = time_add_interval(arguments[0].int64, arguments[1].interval);
    return STATUS_OK;
}
BOXED_FUNCTION(time_mi_interval) {
    result->int64 = time_subtract_interval(arguments[0].int64, arguments[1].interval);
    return STATUS_OK;
}
BOXED_FUNCTION(interval_pl_time) {
    result->int64 = time_add_interval(arguments[1].int64, arguments[0].interval);
    return STATUS_OK;
}
BOXED_FUNCTION(time_mi_time) {
    result->interval = (struct interval){.us = arguments[0].int64 - arguments[1].int64};
    return STATUS_OK;
}
static enum status date_and_time(int32_t date, int64_t time, int64_t *out) {
    TRY(date_to_timestamp(date, out));
    if (timestamp_is_finite(*out))
        *out += time;
    return STATUS_OK;
}
BOXED_FUNCTION(datetime_timestamp) {
    return date_and_time(arguments[0].int32, arguments[1].int64, &result->int64);
}
BOXED_FUNCTION(timedate_pl) {
    return date_and_time(arguments[1].int32, arguments[0].int64, &result->int64);
}
BOXED_FUNCTION(timestamp_mi) {
    return timestamp_subtract(arguments[0].int64, arguments[1].int64, &result->interval);
}

/* ---- OVERLAPS ---------------------------------------------------------------------------- */

/* A period as it is written, its ends in any order or the second one as a length; then with the
   lesser end first, and the one that is known when the other is not. */
struct period {
    struct value start, end;
};

static enum status add_length(struct kernel_call *call, const struct value *start,
                              const struct value *length, struct value *end) {
    switch (start->type.id) {
    case TYPE_TIME:
        end->int64 = time_add_interval(start->int64, length->interval);
        return STATUS_OK;
    case TYPE_TIMESTAMP:
        return timestamp_add_interval(start->int64, length->interval, &end->int64);
    default:
        return timestamptz_add_interval(start->int64, length->interval, exec__timezone(call),
                                        &end->int64);
    }
}

static enum status period_open(struct kernel_call *call, const struct value *ends, struct type type,
                               struct period *period) {
    *period = (struct period){ends[0], ends[1]};
    period->start.type = type;
    if (ends[1].type.id == TYPE_INTERVAL) {
        period->end = value_null(type);
        period->end.is_null = ends[0].is_null || ends[1].is_null;
        if (!period->end.is_null)
            TRY(add_length(call, &period->start, &ends[1], &period->end));
    }
    if (period->start.is_null ||
        (!period->end.is_null && period->start.int64 > period->end.int64)) {
        struct value end = period->end;
        period->end = period->start;
        period->start = end;
    }
    return STATUS_OK;
}

/* Do they have a moment in common? As overlaps_timestamp of PostgreSQL: the end of a period is no
   part of it, unless it is its start. */
static enum status overlaps(struct kernel_call *call, const struct value *arguments,
                            struct type type, struct value *result) {
    struct period a, b;
    TRY(period_open(call, &arguments[0], type, &a));
    TRY(period_open(call, &arguments[2], type, &b));
    result->is_null = a.start.is_null || b.start.is_null;
    if (result->is_null)
        return STATUS_OK;
    if (a.start.int64 == b.start.int64) {
        result->is_null = a.end.is_null || b.end.is_null;
        result->boolean = true;
        return STATUS_OK;
    }
    const struct period *first = a.start.int64 < b.start.int64 ? &a : &b;
    const struct period *second = first == &a ? &b : &a;
    result->boolean = !first->end.is_null && second->start.int64 < first->end.int64;
    result->is_null = first->end.is_null || (!result->boolean && second->end.is_null);
    return STATUS_OK;
}

BOXED_FUNCTION(overlaps_timestamp) {
    return overlaps(call, arguments, TYPE_OF(TIMESTAMP), result);
}
BOXED_FUNCTION(overlaps_timestamptz) {
    return overlaps(call, arguments, TYPE_OF(TIMESTAMPTZ), result);
}
BOXED_FUNCTION(overlaps_time) {
    return overlaps(call, arguments, TYPE_OF(TIME), result);
}

/* ---- intervals --------------------------------------------------------------------------- */

BOXED_FUNCTION(interval_um) {
    return interval_negate(arguments[0].interval, &result->interval);
}
BOXED_FUNCTION(interval_pl) {
    return interval_add(arguments[0].interval, arguments[1].interval, &result->interval);
}
BOXED_FUNCTION(interval_mi) {
    return interval_subtract(arguments[0].interval, arguments[1].interval, &result->interval);
}
BOXED_FUNCTION(interval_mul) {
    return interval_multiply(arguments[0].interval, arguments[1].float64, &result->interval);
}
BOXED_FUNCTION(mul_d_interval) {
    return interval_multiply(arguments[1].interval, arguments[0].float64, &result->interval);
}
BOXED_FUNCTION(interval_div) {
    return interval_divide(arguments[0].interval, arguments[1].float64, &result->interval);
}
#define JUSTIFY(symbol, function)                                                                  \
    BOXED_FUNCTION(symbol) {                                                                       \
        return function(arguments[0].interval, &result->interval);                                 \
    }
JUSTIFY(interval_justify_hours, interval_justify_hours)
JUSTIFY(interval_justify_days, interval_justify_days)
JUSTIFY(interval_justify_interval, interval_justify)

BOXED_FUNCTION(timestamp_age) {
    return timestamp_age(arguments[0].int64, arguments[1].int64, &result->interval);
}
BOXED_FUNCTION(timestamptz_age) {
    return timestamptz_age(arguments[0].int64, arguments[1].int64, exec__timezone(call),
                           &result->interval);
}
/* Today's midnight, in the session's zone. */
static int64_t midnight(const struct kernel_call *call) {
    int64_t local =
        timestamptz_to_timestamp(call->environment->transaction_time_us, exec__timezone(call));
    return timestamp_to_date(local) * US_PER_DAY;
}
BOXED_FUNCTION(age_timestamp) {
    return timestamp_age(midnight(call), arguments[0].int64, &result->interval);
}
BOXED_FUNCTION(age_timestamptz) {
    int64_t today;
    TRY(timestamp_to_timestamptz(midnight(call), exec__timezone(call), &today));
    return timestamptz_age(today, arguments[0].int64, exec__timezone(call), &result->interval);
}

/* ---- fields ------------------------------------------------------------------------------ */

#define FIELD(symbol, function)                                                                    \
    BOXED_FUNCTION(symbol) {                                                                       \
        struct value field;                                                                        \
        TRY(function(arguments[0].string, &arguments[1], exec__timezone(call), &field));           \
        *result = field;                                                                           \
        return STATUS_OK;                                                                          \
    }
FIELD(date_part_text_date, datetime_part)
FIELD(time_part, datetime_part)
FIELD(timestamp_part, datetime_part)
FIELD(timestamptz_part, datetime_part)
FIELD(interval_part, datetime_part)
FIELD(timestamp_trunc, datetime_truncate)
FIELD(timestamptz_trunc, datetime_truncate)
FIELD(interval_trunc, datetime_truncate)

/* extract gives a numeric of its own scale; the expression's form is NUMERIC. */
static enum status extract(struct kernel_call *call, const struct value *arguments,
                           struct value *result) {
    struct value field;
    TRY(datetime_extract(arguments[0].string, &arguments[1], exec__timezone(call), &field));
    if (field.is_null)
        return return_null(result);
    return numeric_to_value(numeric_from_value(&field), result->type, result);
}
#define EXTRACT(symbol)                                                                            \
    BOXED_FUNCTION(symbol) {                                                                       \
        return extract(call, arguments, result);                                                   \
    }
EXTRACT(extract_time)
EXTRACT(extract_timestamp)
EXTRACT(extract_timestamptz)
EXTRACT(extract_interval)

/* What reports read millions of times. */
VECTOR_FUNCTION(extract_date) {
    struct vector_view words = vector_view(&arguments[0]), dates = vector_view(&arguments[1]);
    struct slice word = SLICE_EMPTY;
    int field = datetime_field(word);
    for (uint32_t i = 0; i < count; i++) {
        if (vector_is_null(result, rows[i]))
            continue;
        struct slice other =
            string_slice(&((const struct string *)words.data)[words.indices[rows[i]]]);
        if (!slice_equal(word, other)) {
            word = other;
            field = datetime_field(word);
        }
        struct value found, date = {.type = TYPE_OF(DATE)};
        date.int32 = ((const int32_t *)dates.data)[dates.indices[rows[i]]];
        TRY(datetime_extract_field(field, word, &date, NULL, &found));
        if (found.is_null)
            vector_set_null(result, rows[i]);
        else
            ((struct numeric *)result->data)[rows[i]] = found.numeric;
    }
    return STATUS_OK;
}

BOXED_FUNCTION(timestamptz_trunc_zone) {
    const struct timezone *zone;
    struct value truncated;
    TRY(timezone_find(arguments[2].string, &zone));
    TRY(datetime_truncate(arguments[0].string, &arguments[1], zone, &truncated));
    *result = truncated;
    return STATUS_OK;
}
BOXED_FUNCTION(timestamp_bin) {
    return timestamp_bin(arguments[0].interval, arguments[1].int64, arguments[2].int64,
                         &result->int64);
}
BOXED_FUNCTION(date_finite) {
    result->boolean = date_is_finite(arguments[0].int32);
    return STATUS_OK;
}
BOXED_FUNCTION(timestamp_finite) {
    result->boolean = timestamp_is_finite(arguments[0].int64);
    return STATUS_OK;
}
BOXED_FUNCTION(interval_finite) {
    result->boolean = true;
    return STATUS_OK;
}

/* ---- zones ------------------------------------------------------------------------------- */

/* AT TIME ZONE takes abbreviations, too. */
static enum status zone_named(struct slice name, const struct timezone **zone_out) {
    int32_t offset;
    if (timezone_abbreviation(name, &offset)) {
        *zone_out = timezone_fixed(offset);
        if (*zone_out != NULL)
            return STATUS_OK;
    }
    return timezone_find(name, zone_out);
}
static enum status zone_interval(struct interval interval, const struct timezone **zone_out) {
    if (interval.months != 0 || interval.days != 0)
        return error_set(STATUS_INVALID_PARAMETER_VALUE,
                         "interval time zone must not include months or days");
    *zone_out = timezone_fixed((int32_t)(interval.us / US_PER_SECOND));
    return *zone_out != NULL
               ? STATUS_OK
               : error_set(STATUS_INVALID_PARAMETER_VALUE, "time zone displacement out of range");
}
static enum status to_local(int64_t timestamptz, const struct timezone *zone, int64_t *out) {
    *out = timestamp_is_finite(timestamptz) ? timestamptz_to_timestamp(timestamptz, zone)
                                            : timestamptz;
    return STATUS_OK;
}
static enum status from_local(int64_t timestamp, const struct timezone *zone, int64_t *out) {
    if (!timestamp_is_finite(timestamp)) {
        *out = timestamp;
        return STATUS_OK;
    }
    return timestamp_to_timestamptz(timestamp, zone, out);
}
#define ZONE(symbol, find, member, convert)                                                        \
    BOXED_FUNCTION(symbol) {                                                                       \
        const struct timezone *zone;                                                               \
        TRY(find(arguments[0].member, &zone));                                                     \
        return convert(arguments[1].int64, zone, &result->int64);                                  \
    }
ZONE(timestamptz_zone, zone_named, string, to_local)
ZONE(timestamptz_izone, zone_interval, interval, to_local)
ZONE(timestamp_zone, zone_named, string, from_local)
ZONE(timestamp_izone, zone_interval, interval, from_local)

/* ---- making ------------------------------------------------------------------------------ */

BOXED_FUNCTION(make_date) {
    return make_date(arguments[0].int32, arguments[1].int32, arguments[2].int32, &result->int32);
}
BOXED_FUNCTION(make_time) {
    return make_time(arguments[0].int32, arguments[1].int32, arguments[2].float64, &result->int64);
}
BOXED_FUNCTION(make_timestamp) {
    return make_timestamp(arguments[0].int32, arguments[1].int32, arguments[2].int32,
                          arguments[3].int32, arguments[4].int32, arguments[5].float64,
                          &result->int64);
}
BOXED_FUNCTION(make_interval) {
    return make_interval(arguments[0].int32, arguments[1].int32, arguments[2].int32,
                         arguments[3].int32, arguments[4].int32, arguments[5].int32,
                         arguments[6].float64, &result->interval);
}
BOXED_FUNCTION(float8_timestamptz) {
    double seconds = arguments[0].float64;
    if (isnan(seconds))
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "timestamp cannot be NaN");
    if (isinf(seconds)) {
        result->int64 = seconds > 0 ? TIMESTAMP_INFINITY : TIMESTAMP_MINUS_INFINITY;
        return STATUS_OK;
    }
    double us = rint(seconds * 1e6);
    if (us + (double)TIMESTAMP_UNIX_EPOCH < (double)TIMESTAMP_MIN ||
        us + (double)TIMESTAMP_UNIX_EPOCH >= (double)TIMESTAMP_END)
        return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "timestamp out of range: \"%g\"", seconds);
    result->int64 = (int64_t)us + TIMESTAMP_UNIX_EPOCH;
    return STATUS_OK;
}

/* ---- patterns ---------------------------------------------------------------------------- */

static enum status format_datetime(struct kernel_call *call, const struct value *arguments,
                                   struct value *result) {
    struct buffer buffer = {0};
    enum status status =
        datetime_to_char(&arguments[0], arguments[1].string, exec__timezone(call), &buffer);
    if (status != STATUS_OK) {
        buffer_release(&buffer);
        return status;
    }
    return exec__return_buffer(call, &buffer, result);
}
#define TO_CHAR(symbol)                                                                            \
    BOXED_FUNCTION(symbol) {                                                                       \
        return format_datetime(call, arguments, result);                                           \
    }
TO_CHAR(timestamp_to_char)
TO_CHAR(timestamptz_to_char)
TO_CHAR(interval_to_char)
BOXED_FUNCTION(to_timestamp) {
    return datetime_from_char(arguments[0].string, arguments[1].string, exec__timezone(call),
                              &result->int64);
}
BOXED_FUNCTION(to_date) {
    return date_from_char(arguments[0].string, arguments[1].string, &result->int32);
}

static const struct kernel_entry entries[] = {
    BOXED(now),
    BOXED(statement_timestamp),
    BOXED(clock_timestamp),
    BOXED(timestamp_pl_interval),
    BOXED(timestamp_mi_interval),
    BOXED(interval_pl_timestamp),
    BOXED(timestamptz_pl_interval),
    BOXED(timestamptz_mi_interval),
    BOXED(interval_pl_timestamptz),
    BOXED(date_pl_interval),
    BOXED(date_mi_interval),
    BOXED(interval_pl_date),
    BOXED(time_pl_interval),
    BOXED(time_mi_interval),
    BOXED(interval_pl_time),
    BOXED(time_mi_time),
    BOXED(datetime_timestamp),
    BOXED(timedate_pl),
    BOXED(timestamp_mi),
    BOXED(overlaps_timestamp),
    BOXED(overlaps_timestamptz),
    BOXED(overlaps_time),
    BOXED(interval_um),
    BOXED(interval_pl),
    BOXED(interval_mi),
    BOXED(interval_mul),
    BOXED(mul_d_interval),
    BOXED(interval_div),
    BOXED(interval_justify_hours),
    BOXED(interval_justify_days),
    BOXED(interval_justify_interval),
    BOXED(timestamp_age),
    BOXED(timestamptz_age),
    BOXED(age_timestamp),
    BOXED(age_timestamptz),
    BOXED(date_part_text_date),
    BOXED(time_part),
    BOXED(timestamp_part),
    BOXED(timestamptz_part),
    BOXED(interval_part),
    BOXED(timestamp_trunc),
    BOXED(timestamptz_trunc),
    BOXED(interval_trunc),
    VECTOR(extract_date),
    BOXED(extract_time),
    BOXED(extract_timestamp),
    BOXED(extract_timestamptz),
    BOXED(extract_interval),
    BOXED(timestamptz_trunc_zone),
    BOXED(timestamp_bin),
    BOXED(date_finite),
    BOXED(timestamp_finite),
    BOXED(interval_finite),
    BOXED(timestamptz_zone),
    BOXED(timestamptz_izone),
    BOXED(timestamp_zone),
    BOXED(timestamp_izone),
    BOXED(make_date),
    BOXED(make_time),
    BOXED(make_timestamp),
    BOXED(make_interval),
    BOXED(float8_timestamptz),
    BOXED(timestamp_to_char),
    BOXED(timestamptz_to_char),
    BOXED(interval_to_char),
    BOXED(to_timestamp),
    BOXED(to_date),
};
KERNEL_TABLE(exec__kernels_datetime, entries)
