#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "operation_cases.h"
#include "value/value_cast.h"
#include "value/value_datetime.h"
#include "value/value_numeric.h"
#include "zone_files.h"

static struct value_context context;
static struct arena arena;

static struct value parse(const char *text, struct type type) {
    struct value value = {.type = type};
    assert_ok(text_input(&context, slice_of_text(text), type, &arena, &value));
    return value;
}
static struct numeric number_of(const char *text) {
    return parse(text, TYPE_OF(NUMERIC)).numeric;
}
static int64_t timestamp_of(const char *text) {
    return parse(text, TYPE_OF(TIMESTAMP)).int64;
}
static struct interval interval_of(const char *text) {
    return parse(text, TYPE_OF(INTERVAL)).interval;
}

/* ---- operations by name; each leaves its result in *out -------------------------------- */

static bool numeric_operation(const struct operation_case *test, enum status *status,
                              struct value *out) {
    static const struct {
        const char *name;
        enum status (*function)(struct numeric, struct numeric, struct numeric *);
    } two[] = {{"add", numeric_add},           {"subtract", numeric_subtract},
               {"multiply", numeric_multiply}, {"divide", numeric_divide},
               {"modulo", numeric_modulo},     {"div", numeric_divide_truncated},
               {"power", numeric_power},       {"log", numeric_log}};
    static const struct {
        const char *name;
        enum status (*function)(struct numeric, struct numeric *);
    } one[] = {{"sqrt", numeric_sqrt},
               {"ln", numeric_ln},
               {"exp", numeric_exp},
               {"ceil", numeric_ceil},
               {"floor", numeric_floor}};
    static const struct {
        const char *name;
        enum status (*function)(struct numeric, int, struct numeric *);
    } digits[] = {{"round", numeric_round}, {"trunc", numeric_truncate}};
    static const struct {
        const char *name;
        uint32_t type;
    } casts[] = {
        {"float8", TYPE_FLOAT8}, {"int2", TYPE_INT2}, {"int4", TYPE_INT4}, {"int8", TYPE_INT8}};
    *out = (struct value){.type = TYPE_OF(NUMERIC)};
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++)
        if (strcmp(two[i].name, test->operation) == 0)
            return *status = two[i].function(number_of(test->a), number_of(test->b), &out->numeric),
                   true;
    for (size_t i = 0; i < sizeof one / sizeof one[0]; i++)
        if (strcmp(one[i].name, test->operation) == 0)
            return *status = one[i].function(number_of(test->a), &out->numeric), true;
    for (size_t i = 0; i < sizeof digits / sizeof digits[0]; i++)
        if (strcmp(digits[i].name, test->operation) == 0)
            return *status = digits[i].function(number_of(test->a), atoi(test->b), &out->numeric),
                   true;
    for (size_t i = 0; i < sizeof casts / sizeof casts[0]; i++) {
        if (strcmp(casts[i].name, test->operation) == 0) {
            struct value from = parse(test->a, TYPE_OF(NUMERIC));
            return *status =
                       value_cast(&context, &from, type_plain(casts[i].type), true, &arena, out),
                   true;
        }
    }
    if (strcmp(test->operation, "log10") == 0)
        return *status = numeric_log(numeric_make(10, 0), number_of(test->a), &out->numeric), true;
    if (strcmp(test->operation, "negate") == 0)
        return out->numeric = numeric_negate(number_of(test->a)), true;
    if (strcmp(test->operation, "abs") == 0)
        return out->numeric = numeric_absolute(number_of(test->a)), true;
    if (strcmp(test->operation, "from_float8") == 0) {
        struct value from = parse(test->a, TYPE_OF(FLOAT8));
        return *status = numeric_from_float8(from.float64, &out->numeric), true;
    }
    return false;
}

static bool interval_operation(const struct operation_case *test, enum status *status,
                               struct value *out) {
    static const struct {
        const char *name;
        enum status (*function)(struct interval, struct interval *);
    } one[] = {{"justify_hours", interval_justify_hours},
               {"justify_days", interval_justify_days},
               {"justify_interval", interval_justify},
               {"negate_interval", interval_negate}};
    *out = (struct value){.type = TYPE_OF(INTERVAL)};
    for (size_t i = 0; i < sizeof one / sizeof one[0]; i++)
        if (strcmp(one[i].name, test->operation) == 0)
            return *status = one[i].function(interval_of(test->a), &out->interval), true;
    if (strcmp(test->operation, "interval_add") == 0)
        *status = interval_add(interval_of(test->a), interval_of(test->b), &out->interval);
    else if (strcmp(test->operation, "interval_mul") == 0)
        *status = interval_multiply(interval_of(test->a), atof(test->b), &out->interval);
    else if (strcmp(test->operation, "interval_div") == 0)
        *status = interval_divide(interval_of(test->a), atof(test->b), &out->interval);
    else if (strcmp(test->operation, "age") == 0)
        *status = timestamp_age(timestamp_of(test->a), timestamp_of(test->b), &out->interval);
    else if (strcmp(test->operation, "timestamp_diff") == 0)
        *status = timestamp_subtract(timestamp_of(test->a), timestamp_of(test->b), &out->interval);
    else
        return false;
    return true;
}

static bool field_operation(const struct operation_case *test, enum status *status,
                            struct value *out) {
    static const struct {
        const char *suffix;
        uint32_t type;
    } types[] = {
        {"_timestamp", TYPE_TIMESTAMP}, {"_interval", TYPE_INTERVAL}, {"_date", TYPE_DATE}};
    const char *suffix = strchr(test->operation, '_');
    for (size_t i = 0; suffix != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(suffix, types[i].suffix) != 0)
            continue;
        struct slice field = slice_of_text(test->a);
        if (strncmp(test->operation, "extract", 7) == 0) {
            struct value from = parse(test->b, type_plain(types[i].type));
            return *status = datetime_extract(field, &from, NULL, out), true;
        }
        if (strncmp(test->operation, "trunc", 5) == 0) {
            struct value from = parse(test->b, type_plain(types[i].type));
            return *status = datetime_truncate(field, &from, NULL, out), true;
        }
        if (strncmp(test->operation, "part", 4) == 0) {
            struct value from = parse(test->b, type_plain(types[i].type));
            return *status = datetime_part(field, &from, NULL, out), true;
        }
    }
    return false;
}

static bool moment_operation(const struct operation_case *test, enum status *status,
                             struct value *out) {
    *out = (struct value){.type = TYPE_OF(TIMESTAMP)};
    if (strcmp(test->operation, "timestamp_add") == 0) {
        *status = timestamp_add_interval(timestamp_of(test->a), interval_of(test->b), &out->int64);
    } else if (strcmp(test->operation, "timestamp_sub") == 0) {
        *status =
            timestamp_subtract_interval(timestamp_of(test->a), interval_of(test->b), &out->int64);
    } else if (strcmp(test->operation, "bin") == 0) {
        *status = timestamp_bin(interval_of(test->a), timestamp_of(test->b),
                                timestamp_of("2001-01-01"), &out->int64);
    } else if (strcmp(test->operation, "new_york") == 0) {
        const struct timezone *zone;
        assert_ok(timezone_find(slice_of_text("America/New_York"), &zone));
        out->type = TYPE_OF(TIMESTAMPTZ);
        *status = timestamp_to_timestamptz(timestamp_of(test->a), zone, &out->int64);
    } else if (strcmp(test->operation, "to_timestamp") == 0) {
        out->type = TYPE_OF(TIMESTAMPTZ);
        *status =
            datetime_from_char(slice_of_text(test->a), slice_of_text(test->b), NULL, &out->int64);
    } else if (strcmp(test->operation, "to_date") == 0) {
        out->type = TYPE_OF(DATE);
        *status = date_from_char(slice_of_text(test->a), slice_of_text(test->b), &out->int32);
    } else if (strcmp(test->operation, "to_number") == 0) {
        out->type = TYPE_OF(NUMERIC);
        *status = numeric_from_char(slice_of_text(test->a), slice_of_text(test->b), &out->numeric);
    } else if (strcmp(test->operation, "to_char_number") == 0) {
        struct buffer buffer = {0};
        *status = numeric_to_char(number_of(test->a), slice_of_text(test->b), &buffer);
        *out = value_string(TYPE_OF(TEXT), arena_copy_slice(&arena, buffer_slice(&buffer)));
        buffer_release(&buffer);
    } else if (strncmp(test->operation, "to_char_", 8) == 0) {
        bool interval = strcmp(test->operation, "to_char_interval") == 0;
        struct value from = parse(test->a, interval ? TYPE_OF(INTERVAL) : TYPE_OF(TIMESTAMP));
        struct buffer buffer = {0};
        *status = datetime_to_char(&from, slice_of_text(test->b), NULL, &buffer);
        *out = value_string(TYPE_OF(TEXT), arena_copy_slice(&arena, buffer_slice(&buffer)));
        out->is_null = from.type.id == TYPE_TIMESTAMP && !timestamp_is_finite(from.int64);
        buffer_release(&buffer);
    } else if (strcmp(test->operation, "make_date") == 0) {
        out->type = TYPE_OF(DATE);
        *status = make_date(atoi(test->a), atoi(test->b), atoi(test->c), &out->int32);
    } else {
        return false;
    }
    return true;
}

static void describe(const struct operation_case *test, char said[2048]) {
    struct buffer buffer = {0};
    struct value value = {0};
    enum status status = STATUS_OK;
    if (!numeric_operation(test, &status, &value) && !interval_operation(test, &status, &value) &&
        !moment_operation(test, &status, &value) && !field_operation(test, &status, &value))
        fail_msg("no operation %s", test->operation);
    if (status != STATUS_OK) {
        snprintf(said, 2048, "%s %s", status_sqlstate(status), error_current()->message);
    } else if (value.is_null) {
        snprintf(said, 2048, "NULL-VALUE");
    } else {
        assert_ok(text_output(&context, &value, &buffer));
        snprintf(said, 2048, "%.*s", (int)buffer.size, (const char *)buffer.data);
    }
    buffer_release(&buffer);
    arena_reset(&arena);
}

static void operations_answer_as_in_postgresql(void **state) {
    size_t failures = 0;
    for (size_t i = 0; i < sizeof operation_cases / sizeof operation_cases[0]; i++) {
        const struct operation_case *test = &operation_cases[i];
        char said[2048], wanted[2048];
        describe(test, said);
        if (test->output != NULL)
            snprintf(wanted, sizeof wanted, "%s", test->output);
        else
            snprintf(wanted, sizeof wanted, "%s %s", test->sqlstate, test->message);
        if (strcmp(said, wanted) == 0)
            continue;
        print_error("%s(%s, %s): got <%s>, wanted <%s>\n", test->operation, test->a,
                    test->b != NULL ? test->b : "", said, wanted);
        failures++;
    }
    arena_release(&arena);
    assert_int_equal(failures, 0);
}

int main(void) {
    timezone_loader_set(load_zone);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_answer_as_in_postgresql),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
