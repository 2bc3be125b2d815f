/*
 * Tests of hot rows: before a portion of rows is decoded, the columns that have tests are, one
 * after the other, and rows that fail are left out. Only tests that are a range of numbers are made
 * here; the others are the caller's.
 */
#include <stdatomic.h>

#include "table/scan.h"

/* The test that the column has already. */
static struct hot_test *test_of(struct table_scan *scan, uint16_t column) {
    for (size_t i = 0; i < scan->hot_test_count; i++)
        if (scan->hot_tests[i].column == column)
            return &scan->hot_tests[i];
    return NULL;
}

enum status scan__hot_tests_prepare(struct table_scan *scan,
                                    const struct table_scan_options *options) {
    const struct table_scan_threshold *threshold = options->threshold;
    TRY(arena__array(&scan->arena, options->test_count + 1, sizeof *scan->hot_tests,
                     &scan->hot_tests));
    scan->hot_tests_all = true;
    for (size_t i = 0; i < options->test_count; i++) {
        uint16_t column = (uint16_t)(options->tests[i].column_number - 1);
        struct type type = scan->table->columns[column].type;
        struct hot_test test = {.column = column};
        if (!column_test_range(type, &options->tests[i].test, &test.low, &test.high)) {
            scan->hot_tests_all = false;
            continue;
        }
        struct hot_test *same = test_of(scan, column);
        if (same != NULL) { /* both ranges: what they have in common */
            same->low = test.low > same->low ? test.low : same->low;
            same->high = test.high < same->high ? test.high : same->high;
            continue;
        }
        vector_init(&test.values, type, &scan->arena);
        scan->hot_tests[scan->hot_test_count++] = test;
    }
    if (threshold != NULL) {
        const struct column *column = &scan->table->columns[threshold->column_number - 1];
        if (!threshold->keeps_nulls || column->not_null) {
            struct hot_test test = {.column = (uint16_t)(threshold->column_number - 1),
                                    .is_off = true};
            vector_init(&test.values, column->type, &scan->arena);
            scan->hot_tests[scan->hot_test_count++] = test;
            scan->threshold = threshold;
        }
    }
    return arena_status(&scan->arena);
}

void scan__hot_threshold_look(struct table_scan *scan) {
    if (scan->threshold == NULL)
        return;
    const struct column_test *now =
        atomic_load_explicit(&scan->threshold->test, memory_order_acquire);
    if (now == scan->threshold_seen)
        return;
    struct hot_test *test = &scan->hot_tests[scan->hot_test_count - 1];
    scan->threshold_seen = now;
    test->is_off =
        !column_test_range(scan->table->columns[test->column].type, now, &test->low, &test->high);
}

/* Keep the rows whose number is in the range: no branch, for it could not be foretold. */
#define KEEP(type)                                                                                 \
    do {                                                                                           \
        const type *numbers = test->values.data;                                                   \
        const int64_t low = test->low, high = test->high;                                          \
        for (size_t i = 0; i < count; i++) {                                                       \
            scan->row_bytes[kept] = scan->row_bytes[i];                                            \
            scan->addresses[kept] = scan->addresses[i];                                            \
            kept += (numbers[i] >= low) & (numbers[i] <= high) &                                   \
                    (valid == NULL || validity_get(valid, (uint32_t)i));                           \
        }                                                                                          \
    } while (0)

static size_t keep_passing(struct table_scan *scan, const struct hot_test *test, size_t count) {
    const uint64_t *valid = test->values.validity;
    size_t kept = 0;
    switch (physical_size(test->values.physical)) {
    case 2:
        KEEP(int16_t);
        break;
    case 4:
        KEEP(int32_t);
        break;
    default:
        KEEP(int64_t);
    }
    return kept;
}

enum status scan__hot_tests_run(struct table_scan *scan, size_t *count) {
    for (size_t i = 0; i<scan->hot_test_count && * count> 0; i++) {
        struct hot_test *test = &scan->hot_tests[i];
        if (test->is_off)
            continue;
        struct row_decode_options options = {
            .columns = &test->column, .column_count = 1, .arena = &scan->rows};
        vector_reset(&test->values);
        TRY(row_decode_batch(&scan->table->row_schema, scan->row_bytes, (uint32_t)*count, &options,
                             &test->values));
        *count = keep_passing(scan, test, *count);
    }
    return STATUS_OK;
}
