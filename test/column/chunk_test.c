#include "test.h"

#include <stdio.h>

#include "base/base_memory.h"
#include "column/column_random.h"

/* ---- whatever the shape, what comes out is what went in ------------------------------------ */

static void expect_row(const struct random_column *column, uint32_t row, const struct value *got) {
    if (!identical(&column->values[row], got))
        fail_msg("row %u of a column of type %u (physical %d)", row, column->type.id,
                 type_physical(column->type));
}

static void expect_range(const struct random_column *column, struct column_reader *reader,
                         uint32_t first, uint32_t count, struct vector *vector,
                         struct arena *arena) {
    assert_ok(column_decode(reader, first, count, vector, arena));
    assert_int_equal(vector->kind, VECTOR_FLAT);
    for (uint32_t i = 0; i < count; i++) {
        struct value got = vector_get(vector, i);
        expect_row(column, first + i, &got);
    }
    assert_ok(column_decode_vector(reader, first, count, vector, arena));
    for (uint32_t i = 0; i < count; i++) {
        struct value got = vector_get(vector, i);
        expect_row(column, first + i, &got);
    }
}

static uint32_t random_selection(struct random *random, uint32_t count, uint16_t *selection) {
    uint32_t selected = 0;
    uint64_t share = 1 + random_below(random, 40);
    for (uint32_t i = 0; i < count; i++)
        if (random_below(random, share) == 0)
            selection[selected++] = (uint16_t)i;
    return selected;
}

static void expect_reads(struct random *random, const struct random_column *column,
                         struct column_reader *reader) {
    struct arena arena = {0};
    struct vector vector;
    vector_init(&vector, column->type, &arena);
    for (uint32_t first = 0; first < column->rows; first += VECTOR_SIZE) {
        uint32_t count = column->rows - first < VECTOR_SIZE ? column->rows - first : VECTOR_SIZE;
        expect_range(column, reader, first, count, &vector, &arena);
    }
    for (int i = 0; i < 10; i++) {
        uint32_t first = (uint32_t)random_below(random, column->rows);
        uint32_t rest = column->rows - first < VECTOR_SIZE ? column->rows - first : VECTOR_SIZE;
        uint32_t count = (uint32_t)random_below(random, rest + 1);
        expect_range(column, reader, first, count, &vector, &arena);
        uint16_t selection[VECTOR_SIZE];
        uint32_t selected = random_selection(random, count, selection);
        assert_ok(column_decode_rows(reader, first, count, selection, selected, &vector, &arena));
        for (uint32_t k = 0; k < selected; k++) {
            struct value got = vector_get(&vector, selection[k]);
            expect_row(column, first + selection[k], &got);
        }
    }
    for (int i = 0; i < 100; i++) {
        uint32_t row = (uint32_t)random_below(random, column->rows);
        struct value got;
        assert_ok(column_get(reader, row, &arena, &got));
        expect_row(column, row, &got);
    }
    arena_release(&arena);
}

/* ---- tests of encoded values --------------------------------------------------------------- */

static bool model_passes(const struct column_test *test, const struct value *value) {
    const struct value *constants = test->values;
    bool found = false;
    if (test->operator== COLUMN_IS_NULL || test->operator== COLUMN_IS_NOT_NULL)
        return value->is_null == (test->operator== COLUMN_IS_NULL);
    if (value->is_null)
        return false;
    if (test->operator== COLUMN_IN) {
        for (uint32_t i = 0; i < test->value_count; i++)
            found |= !constants[i].is_null && value_compare(value, &constants[i]) == 0;
        return found;
    }
    for (uint32_t i = 0; i < test->value_count; i++)
        if (constants[i].is_null)
            return false;
    if (test->operator== COLUMN_PREFIX)
        return slice_starts_with(value->string, constants[0].string);
    int order = value_compare(value, &constants[0]);
    switch (test->operator) {
    case COLUMN_EQUAL:
        return order == 0;
    case COLUMN_NOT_EQUAL:
        return order != 0;
    case COLUMN_LESS:
        return order < 0;
    case COLUMN_LESS_EQUAL:
        return order <= 0;
    case COLUMN_GREATER:
        return order > 0;
    case COLUMN_GREATER_EQUAL:
        return order >= 0;
    default:
        return order >= 0 && value_compare(value, &constants[1]) <= 0;
    }
}

static struct value random_constant(struct random *random, struct random_column *column) {
    const struct value *some = &column->values[random_below(random, column->rows)];
    if (random_below(random, 3) == 0 || (some->is_null && random_below(random, 20) != 0))
        return random_value(random, column->type, &column->arena);
    return *some;
}

static void expect_vector(struct random *random, const struct random_column *column,
                          const struct column_filter *filter, uint32_t first, uint32_t count,
                          struct arena *arena) {
    uint16_t selection[VECTOR_SIZE], result[VECTOR_SIZE];
    bool all = random_below(random, 2) == 0;
    uint32_t selected = all ? count : random_selection(random, count, selection);
    uint32_t passed, expected = 0;
    memcpy(result, selection, sizeof result); /* in place */
    assert_ok(column_filter_run(filter, first, count, all ? NULL : result, selected, result,
                                &passed, arena));
    for (uint32_t i = 0; i < selected; i++) {
        uint32_t row = all ? i : selection[i];
        if (!model_passes(filter->test, &column->values[first + row]))
            continue;
        if (expected >= passed || result[expected] != row)
            fail_msg("operator %d, type %u, encoding %d, way %d: row %u", filter->test->operator,
                     column->type.id, filter->reader->encoding, filter->way, row);
        expected++;
    }
    assert_int_equal(passed, expected);
}

/* The same as bits, over those that were set before. */
static void expect_mask(struct random *random, const struct random_column *column,
                        const struct column_filter *filter, uint32_t first, uint32_t count) {
    uint64_t mask[VALIDITY_WORDS] = {0}, before[VALIDITY_WORDS];
    uint16_t result[VECTOR_SIZE];
    uint32_t expected = 0;
    if (!column_filter_is_dense(filter))
        return;
    for (uint32_t i = 0; i < count; i++)
        if (random_below(random, 4) != 0)
            validity_set(mask, i);
    memcpy(before, mask, sizeof mask);
    assert_ok(column_filter_mask(filter, first, count, mask));
    uint32_t passed = column_mask_count(mask, count);
    assert_int_equal(column_mask_select(mask, count, result), passed);
    for (uint32_t i = 0; i < count; i++) {
        if (!validity_get(before, i) || !model_passes(filter->test, &column->values[first + i]))
            continue;
        assert_true(expected < passed && result[expected] == i);
        expected++;
    }
    assert_int_equal(passed, expected);
}

static int64_t number_of(const struct value *value) {
    enum physical physical = type_physical(value->type);
    return physical == PHYSICAL_INT16   ? value->int16
           : physical == PHYSICAL_INT32 ? value->int32
                                        : value->int64;
}

static void expect_numbers(const struct random_column *column, const struct column_test *test) {
    int64_t low, high;
    if (!column_test_range(column->type, test, &low, &high))
        return;
    for (uint32_t i = 0; i < column->rows; i++) {
        const struct value *value = &column->values[i];
        bool passes = !value->is_null && low <= number_of(value) && number_of(value) <= high;
        assert_int_equal(passes, model_passes(test, value));
    }
}

static void expect_verdict(const struct random_column *column, const struct column_test *test,
                           enum column_verdict verdict, uint32_t first, uint32_t count) {
    for (uint32_t i = 0; i < count && verdict != COLUMN_SOME; i++)
        assert_int_equal(model_passes(test, &column->values[first + i]), verdict == COLUMN_ALL);
}

static void expect_filters(struct random *random, struct random_column *column,
                           struct column_reader *reader) {
    for (int round = 0; round < 12; round++) {
        struct arena arena = {0};
        struct value constants[8];
        struct column_test test = {.operator=(enum column_operator)(1 + random_below(random, 11)),
                                   .value_count = 1,
                                   .values = constants};
        if (!column_filter_supports(column->type, test.operator))
            continue;
        if (test.operator== COLUMN_IN)
            test.value_count = (uint32_t)random_below(random, 9);
        else if (test.operator== COLUMN_BETWEEN)
            test.value_count = 2;
        else if (test.operator>= COLUMN_IS_NULL)
            test.value_count = 0;
        for (uint32_t i = 0; i < test.value_count; i++)
            constants[i] = random_constant(random, column);
        if (test.operator== COLUMN_PREFIX && constants[0].string.size> 0)
            constants[0].string.size = random_below(random, constants[0].string.size + 1);
        struct column_filter filter;
        assert_ok(column_filter_bind(reader, &test, &arena, &filter));
        expect_verdict(column, &test, filter.verdict, 0, column->rows);
        for (uint32_t first = 0; first < column->rows; first += VECTOR_SIZE) {
            uint32_t count =
                column->rows - first < VECTOR_SIZE ? column->rows - first : VECTOR_SIZE;
            expect_verdict(column, &test, column_filter_zone(&filter, first / VECTOR_SIZE), first,
                           count);
            expect_vector(random, column, &filter, first, count, &arena);
            expect_mask(random, column, &filter, first, count);
        }
        expect_numbers(column, &test);
        uint32_t first = (uint32_t)random_below(random, column->rows);
        uint32_t rest = column->rows - first < VECTOR_SIZE ? column->rows - first : VECTOR_SIZE;
        expect_vector(random, column, &filter, first, (uint32_t)random_below(random, rest + 1),
                      &arena);
        arena_release(&arena);
    }
}

/* Constants of another scale or type than the column: the nearest numbers inside. */
static void ranges_are_rounded_inward(void **state) {
    static const struct {
        enum column_operator operator;
        int64_t coefficient;
        int scale;
        int64_t low, high;
    } cases[] = {
        {COLUMN_EQUAL, 55, 3, 1, 0},
        {COLUMN_EQUAL, 50, 3, 5, 5},
        {COLUMN_LESS, 55, 3, INT64_MIN, 5},
        {COLUMN_LESS, 50, 3, INT64_MIN, 4},
        {COLUMN_LESS_EQUAL, 55, 3, INT64_MIN, 5},
        {COLUMN_GREATER, 55, 3, 6, INT64_MAX},
        {COLUMN_GREATER_EQUAL, 55, 3, 6, INT64_MAX},
        {COLUMN_GREATER_EQUAL, -55, 3, -5, INT64_MAX},
        {COLUMN_LESS_EQUAL, -55, 3, INT64_MIN, -6},
        {COLUMN_GREATER, 7, 0, 701, INT64_MAX},
        {COLUMN_GREATER, INT64_MAX, 0, 1, 0},
        {COLUMN_LESS, INT64_MAX, 0, INT64_MIN, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct value constant = {.type = type_plain(TYPE_NUMERIC),
                                 .numeric = numeric_make(cases[i].coefficient, cases[i].scale)};
        struct column_test test = {
            .operator= cases[i].operator, .value_count = 1, .values = &constant};
        int64_t low, high;
        assert_true(column_test_range(type_numeric(15, 2), &test, &low, &high));
        assert_int_equal(low, cases[i].low);
        assert_int_equal(high, cases[i].high);
    }
    struct value wide = value_int8(INT64_MAX);
    struct column_test test = {.operator= COLUMN_LESS, .value_count = 1, .values = &wide};
    int64_t low, high;
    assert_true(column_test_range(TYPE_OF(INT2), &test, &low, &high));
    assert_true(low == INT64_MIN && high == INT64_MAX - 1);
    assert_false(column_test_range(TYPE_OF(TEXT), &test, &low, &high));
    assert_false(column_test_range(TYPE_OF(FLOAT8), &test, &low, &high));
    test.operator= COLUMN_NOT_EQUAL;
    assert_false(column_test_range(TYPE_OF(INT2), &test, &low, &high));
}

/* ---- what a chunk says about itself -------------------------------------------------------- */

static void expect_statistics(const struct random_column *column,
                              const struct column_reader *reader, uint32_t chunk_size) {
    struct column_statistics statistics;
    uint32_t nulls = 0;
    const struct value *min = NULL, *max = NULL;
    column_statistics(reader, &statistics);
    for (uint32_t i = 0; i < column->rows; i++) {
        const struct value *value = &column->values[i];
        nulls += value->is_null;
        if (value->is_null)
            continue;
        min = min == NULL || value_compare(value, min) < 0 ? value : min;
        max = max == NULL || value_compare(value, max) > 0 ? value : max;
    }
    assert_int_equal(statistics.rows, column->rows);
    assert_int_equal(statistics.nulls, nulls);
    assert_int_equal(statistics.bytes, chunk_size);
    assert_int_equal(statistics.has_range, min != NULL);
    if (min == NULL)
        return;
    assert_true(value_compare(&statistics.min, min) <= 0);
    assert_true(!statistics.min_is_exact || value_compare(&statistics.min, min) == 0);
    assert_true(!statistics.max_is_exact || value_compare(&statistics.max, max) == 0);
    assert_true(statistics.max_is_exact || slice_starts_with(max->string, statistics.max.string));
}

static void check_column(struct random *random, struct random_column *column) {
    struct arena arena = {0};
    struct column_builder builder;
    struct slice chunk;
    struct column_reader reader;
    build(column, &builder);
    assert_int_equal(builder.count, column->rows);
    assert_ok(column_builder_encode(&builder, 0, column->rows, &arena, &chunk));
    column_builder_release(&builder);
    assert_ok(column_open(chunk, column->type, COLUMN_OPEN_CHECKED, &arena, &reader));
    expect_reads(random, column, &reader);
    assert_ok(column_open(chunk, column->type, COLUMN_OPEN_AGAIN, &arena, &reader));
    expect_reads(random, column, &reader);
    expect_statistics(column, &reader, (uint32_t)chunk.size);
    expect_filters(random, column, &reader);
    assert_ok(column_check(&reader));
    arena_release(&arena);
}

static void columns_of_every_type_and_shape_come_back(void **state) {
    struct random random;
    random_seed(&random, 1);
    static const uint32_t sizes[] = {1, 2, 63, 64, 1000, 1024, 1025, 2048, 2049, 5000};
    static const uint32_t shares[] = {0, 0, 1, 30, 100};
    for (int round = 0; round < 700; round++) {
        struct random_column column;
        random_column(&random, &column, random_type(&random), sizes[random_below(&random, 10)],
                      (enum column_shape)random_below(&random, SHAPE_COUNT),
                      shares[random_below(&random, 5)]);
        check_column(&random, &column);
        random_column_release(&column);
    }
}

static void full_chunks_come_back(void **state) {
    struct random random;
    random_seed(&random, 2);
    struct type types[] = {TYPE_OF(BOOL),   TYPE_OF(INT2),       TYPE_OF(INT4), TYPE_OF(INT8),
                           TYPE_OF(FLOAT8), type_numeric(15, 2), TYPE_OF(TEXT)};
    for (int i = 0; i < 7; i++) {
        for (int shape = 0; shape < SHAPE_COUNT; shape++) {
            struct random_column column;
            if (shape == SHAPE_SORTED)
                continue;
            random_column(&random, &column, types[i], COLUMN_ROWS_MAX, (enum column_shape)shape,
                          shape == SHAPE_FEW ? 10 : 0);
            if (types[i].id == TYPE_TEXT && shape == SHAPE_WORDS)
                column.rows = 20000; /* else over 1 MiB */
            check_column(&random, &column);
            random_column_release(&column);
        }
    }
}

/* ---- encodings are chosen ------------------------------------------------------------------ */

static const char *encoding_of(struct random_column *column, uint32_t *size_out) {
    struct arena arena = {0};
    struct column_builder builder;
    struct slice chunk;
    struct column_reader reader;
    struct column_statistics statistics;
    build(column, &builder);
    assert_ok(column_builder_encode(&builder, 0, column->rows, &arena, &chunk));
    assert_ok(column_open(chunk, column->type, COLUMN_OPEN_CHECKED, &arena, &reader));
    column_statistics(&reader, &statistics);
    *size_out = statistics.bytes;
    column_builder_release(&builder);
    arena_release(&arena);
    return statistics.encoding;
}

static void the_fitting_encoding_is_chosen(void **state) {
    static const struct {
        uint32_t type;
        enum column_shape shape;
        const char *encoding;
        uint32_t bits_max; /* a row */
    } cases[] = {
        {TYPE_INT4, SHAPE_CONSTANT, "constant", 1},
        {TYPE_INT8, SHAPE_STEPS, "delta", 6},
        {TYPE_INT8, SHAPE_RUNS, "run-length", 4},
        {TYPE_TEXT, SHAPE_FEW, "dictionary", 6},
        {TYPE_INT8, SHAPE_FEW, "dictionary", 6},
        {TYPE_TEXT, SHAPE_WORDS, "symbols", 80},
        {TYPE_FLOAT8, SHAPE_DECIMAL, "decimal", 25},
        {TYPE_BOOL, SHAPE_RANDOM, "bit-packed", 1},
        {TYPE_UUID, SHAPE_RANDOM, "plain", 130},
        {TYPE_FLOAT4, SHAPE_DECIMAL, "decimal", 25},
        {TYPE_TEXT, SHAPE_RUNS, "dictionary, run-length", 10},
    };
    struct random random;
    random_seed(&random, 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct random_column column;
        uint32_t size;
        random_column(&random, &column, type_plain(cases[i].type), 16384, cases[i].shape, 0);
        assert_string_equal(encoding_of(&column, &size), cases[i].encoding);
        if ((uint64_t)size * 8 > (uint64_t)cases[i].bits_max * 16384 + 8192)
            fail_msg("%s takes %u bytes", cases[i].encoding, size);
        random_column_release(&column);
    }
}

/* ---- limits -------------------------------------------------------------------------------- */

static void a_chunk_that_is_too_large_is_refused_and_halves_fit(void **state) {
    struct arena arena = {0};
    struct column_builder builder;
    struct slice chunk;
    struct random random;
    random_seed(&random, 4);
    column_builder_init(&builder, TYPE_OF(BYTEA));
    uint8_t bytes[1000];
    for (int i = 0; i < 2000; i++) {
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)random_next(&random);
        struct value value = value_string(TYPE_OF(BYTEA), slice_of(bytes, sizeof bytes));
        assert_ok(column_builder_append_value(&builder, &value));
    }
    assert_status(column_builder_encode(&builder, 0, 2000, &arena, &chunk), STATUS_LIMIT_EXCEEDED);
    for (uint32_t first = 0; first < 2000; first += 1000) {
        struct column_reader reader;
        struct value value;
        assert_ok(column_builder_encode(&builder, first, 1000, &arena, &chunk));
        assert_ok(column_open(chunk, TYPE_OF(BYTEA), COLUMN_OPEN_CHECKED, &arena, &reader));
        assert_ok(column_get(&reader, 999, &arena, &value));
        struct value wanted = value_from_physical(
            TYPE_OF(BYTEA), (struct string *)(void *)builder.values + first + 999);
        assert_true(identical(&value, &wanted));
    }
    column_builder_release(&builder);
    arena_release(&arena);
}

static void a_builder_takes_65536_rows_and_no_more(void **state) {
    struct column_builder builder;
    struct value value = value_int4(1);
    column_builder_init(&builder, TYPE_OF(INT4));
    for (int i = 0; i < COLUMN_ROWS_MAX; i++)
        assert_ok(column_builder_append_value(&builder, &value));
    assert_status(column_builder_append_value(&builder, &value), STATUS_LIMIT_EXCEEDED);
    assert_int_equal(builder.count, COLUMN_ROWS_MAX);
    column_builder_reset(&builder);
    assert_ok(column_builder_append_value(&builder, &value));
    column_builder_release(&builder);
}

static void a_chunk_is_read_only_as_what_it_was_written(void **state) {
    struct random random;
    struct random_column column;
    struct arena arena = {0};
    struct column_builder builder;
    struct slice chunk;
    struct column_reader reader;
    random_seed(&random, 5);
    random_column(&random, &column, type_numeric(12, 2), 100, SHAPE_RANDOM, 0);
    build(&column, &builder);
    assert_ok(column_builder_encode(&builder, 0, 100, &arena, &chunk));
    assert_ok(column_open(chunk, type_numeric(15, 2), COLUMN_OPEN_CHECKED, &arena, &reader));
    assert_status(column_open(chunk, type_numeric(12, 3), COLUMN_OPEN_CHECKED, &arena, &reader),
                  STATUS_DATA_CORRUPTED);
    assert_status(column_open(chunk, TYPE_OF(INT8), COLUMN_OPEN_CHECKED, &arena, &reader),
                  STATUS_DATA_CORRUPTED);
    column_builder_release(&builder);
    random_column_release(&column);
    arena_release(&arena);
}

struct counted_pause {
    uint32_t calls, allowed;
};

static enum status count_pause(void *context) {
    struct counted_pause *pause = context;
    return ++pause->calls > pause->allowed ? STATUS_CANCELED : STATUS_OK;
}

/* Texts of which half are distinct: hashes, a dictionary that is sorted, symbols that are trained.
 */
static void encoding_pauses_and_ends_when_told(void **state) {
    struct arena arena = {0};
    struct column_builder builder;
    struct slice alone, paused;
    column_builder_init(&builder, TYPE_OF(TEXT));
    for (uint32_t i = 0; i < COLUMN_ROWS_MAX; i++) {
        char text[64];
        int size = snprintf(text, sizeof text, "carefully final deposits %u", i * 7919 % 30000);
        struct value value = value_string(TYPE_OF(TEXT), slice_of(text, (size_t)size));
        assert_ok(column_builder_append_value(&builder, &value));
    }
    assert_ok(column_builder_encode(&builder, 0, COLUMN_ROWS_MAX, &arena, &alone));
    struct counted_pause pause = {.allowed = UINT32_MAX};
    builder.pause = (struct column_pause){count_pause, &pause};
    assert_ok(column_builder_encode(&builder, 0, COLUMN_ROWS_MAX, &arena, &paused));
    assert_true(slice_equal(alone, paused));
    uint32_t calls = pause.calls;
    assert_true(calls > COLUMN_ROWS_MAX / 256);
    for (uint32_t at = 0; at < calls; at += 1 + at / 8) {
        pause = (struct counted_pause){.allowed = at};
        assert_status(column_builder_encode(&builder, 0, COLUMN_ROWS_MAX, &arena, &paused),
                      STATUS_CANCELED);
    }
    column_builder_release(&builder);
    arena_release(&arena);
}

static void memory_that_runs_out_is_reported(void **state) {
    struct random random;
    struct random_column column;
    struct column_builder builder;
    random_seed(&random, 6);
    random_column(&random, &column, TYPE_OF(TEXT), 20000, SHAPE_WORDS, 5);
    build(&column, &builder);
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        struct arena arena = {0};
        struct slice chunk;
        memory_fail_nth(nth);
        enum status status = column_builder_encode(&builder, 0, 20000, &arena, &chunk);
        memory_fail_nth(0);
        failed = status != STATUS_OK;
        if (failed)
            assert_int_equal(status, STATUS_OUT_OF_MEMORY);
        arena_release(&arena);
    }
    column_builder_release(&builder);
    random_column_release(&column);
}

/* ---- sketches ------------------------------------------------------------------------------ */

static void sketches_of_parts_merge(void **state) {
    struct column_sketch parts[4] = {0}, whole = {0}, merged = {0};
    for (uint64_t i = 0; i < 100000; i++) {
        struct value value = value_int8((int64_t)(i % 40000));
        column_sketch_add(&parts[i / 25000], value_hash(&value));
        column_sketch_add(&whole, value_hash(&value));
    }
    for (int i = 0; i < 4; i++)
        column_sketch_merge(&merged, &parts[i]);
    assert_memory_equal(&merged, &whole, sizeof whole);
    double estimate = column_sketch_estimate(&merged);
    assert_true(estimate > 30000 && estimate < 50000);
    struct column_sketch none = {0};
    assert_true(column_sketch_estimate(&none) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_of_every_type_and_shape_come_back),
        cmocka_unit_test(full_chunks_come_back),
        cmocka_unit_test(the_fitting_encoding_is_chosen),
        cmocka_unit_test(a_chunk_that_is_too_large_is_refused_and_halves_fit),
        cmocka_unit_test(a_builder_takes_65536_rows_and_no_more),
        cmocka_unit_test(a_chunk_is_read_only_as_what_it_was_written),
        cmocka_unit_test(encoding_pauses_and_ends_when_told),
        cmocka_unit_test(memory_that_runs_out_is_reported),
        cmocka_unit_test(ranges_are_rounded_inward),
        cmocka_unit_test(sketches_of_parts_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
