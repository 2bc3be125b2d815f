#include "test.h"

#include "base/base_memory.h"
#include "value/value_row.h"
#include "value_random.h"

enum { COLUMNS_MAX = 12 };

static bool same(const struct value *a, const struct value *b) {
    if (a->is_null || b->is_null)
        return a->is_null == b->is_null;
    if (type_physical(a->type) == PHYSICAL_STRING)
        return slice_equal(a->string, b->string);
    if (type_physical(a->type) == PHYSICAL_NUMERIC)
        return a->numeric.kind == b->numeric.kind && a->numeric.scale == b->numeric.scale &&
               a->numeric.coefficient == b->numeric.coefficient;
    return memcmp(&a->boolean, &b->boolean, physical_size(type_physical(a->type))) == 0;
}

static struct value random_or_null(struct random *random, struct type type, struct arena *arena) {
    return random_below(random, 5) == 0 ? value_null(type) : random_value(random, type, arena);
}

static uint32_t random_schema(struct random *random, struct row_column *columns) {
    uint32_t count = 1 + (uint32_t)random_below(random, COLUMNS_MAX);
    for (uint32_t i = 0; i < count; i++)
        columns[i] = (struct row_column){.type = random_type(random)};
    return count;
}

/* The row in memory of exactly its size, so that the sanitizer sees a read beyond. */
static struct slice exact_copy(struct slice bytes) {
    uint8_t *copy = memory_alloc(bytes.size > 0 ? bytes.size : 1);
    memcpy(copy, bytes.data, bytes.size);
    return slice_of(copy, bytes.size);
}

static void rows_decode_to_what_was_encoded(void **state) {
    struct random random;
    random_seed(&random, 1);
    for (int round = 0; round < 3000; round++) {
        struct arena arena = {0};
        struct row_column columns[COLUMNS_MAX];
        struct row_schema schema;
        struct value values[COLUMNS_MAX], back[COLUMNS_MAX];
        struct row_external externals[COLUMNS_MAX] = {0}, externals_back[COLUMNS_MAX];
        struct buffer buffer = {0};
        uint32_t count = random_schema(&random, columns), external_count = 0, listed;
        row_schema_init(&schema, columns, count, &arena);
        for (uint32_t i = 0; i < count; i++) {
            values[i] = random_or_null(&random, columns[i].type, &arena);
            if (type_physical(columns[i].type) == PHYSICAL_STRING &&
                random_below(&random, 5) == 0) {
                externals[i] = (struct row_external){random_next(&random), 5000};
                external_count++;
            } else if (type_physical(columns[i].type) == PHYSICAL_STRING && !values[i].is_null &&
                       random_below(&random, 20) == 0) {
                uint8_t *large = arena_alloc(&arena, 40000);
                memset(large, 'x', 40000);
                values[i].string = slice_of(large, 40000);
            }
        }
        assert_ok(row_encode(&schema, values, externals, &buffer));
        struct slice row = exact_copy(buffer_slice(&buffer));
        assert_ok(row_check(&schema, row));
        assert_ok(row_decode_checked(&schema, row, back, externals_back));
        for (uint32_t i = 0; i < count; i++)
            assert_true(externals_back[i].id == externals[i].id &&
                        (externals[i].size > 0 ? back[i].is_null : same(&back[i], &values[i])));
        assert_ok(row_decode(&schema, row, back, externals_back));
        for (uint32_t i = 0; i < count; i++) {
            struct value one;
            enum row_presence presence;
            struct row_external external;
            assert_ok(row_decode_column(&schema, row, i, &one, &presence, &external));
            if (externals[i].size > 0) {
                assert_int_equal(presence, ROW_EXTERNAL);
                assert_true(external.id == externals[i].id && external.size == 5000);
                assert_true(externals_back[i].id == externals[i].id);
            } else {
                assert_int_equal(presence, values[i].is_null ? ROW_NULL : ROW_VALUE);
                assert_true(same(&one, &values[i]) && same(&back[i], &values[i]));
                assert_int_equal(externals_back[i].size, 0);
            }
        }
        assert_ok(row_externals(&schema, row, externals_back, COLUMNS_MAX, &listed));
        assert_int_equal(listed, external_count);
        memory_free((void *)row.data);
        buffer_release(&buffer);
        arena_release(&arena);
    }
}

/* Rows of an older, shorter schema among new ones; decoded one by one and as a batch. */
static void batches_decode_as_single_rows_do(void **state) {
    struct random random;
    random_seed(&random, 2);
    for (int round = 0; round < 200; round++) {
        struct arena arena = {0};
        struct row_column columns[COLUMNS_MAX];
        struct row_schema schema, older;
        struct value missing[COLUMNS_MAX];
        struct buffer buffer = {0};
        uint32_t count = random_schema(&random, columns);
        for (uint32_t i = 0; i < count; i++) {
            missing[i] = random_or_null(&random, columns[i].type, &arena);
            columns[i].missing = random_below(&random, 2) ? &missing[i] : NULL;
        }
        uint32_t older_count = (uint32_t)random_below(&random, count + 1);
        row_schema_init(&schema, columns, count, &arena);
        row_schema_init(&older, columns, older_count, &arena);
        uint32_t rows = 1 + (uint32_t)random_below(&random, 400);
        bool mixed = random_below(&random, 2), plain = random_below(&random, 2);
        struct slice *slices = arena_alloc(&arena, sizeof *slices * rows);
        size_t *ends = arena_alloc(&arena, sizeof *ends * rows);
        for (uint32_t r = 0; r < rows; r++) {
            struct value values[COLUMNS_MAX];
            for (uint32_t i = 0; i < count; i++)
                values[i] = plain ? random_value(&random, columns[i].type, &arena)
                                  : random_or_null(&random, columns[i].type, &arena);
            bool old = mixed && random_below(&random, 2);
            assert_ok(row_encode(old ? &older : &schema, values, NULL, &buffer));
            ends[r] = buffer.size;
        }
        for (uint32_t r = 0; r < rows; r++)
            slices[r] = slice_of(buffer.data + (r == 0 ? 0 : ends[r - 1]),
                                 ends[r] - (r == 0 ? 0 : ends[r - 1]));
        uint16_t wanted[COLUMNS_MAX];
        struct vector vectors[COLUMNS_MAX];
        uint32_t wanted_count = 0;
        for (uint32_t i = count; i-- > 0;)
            if (random_below(&random, 3) > 0) {
                vector_init(&vectors[wanted_count], columns[i].type, &arena);
                wanted[wanted_count++] = (uint16_t)i;
            }
        /* In two pieces, so that rows after the first are filled too. */
        uint32_t first = (uint32_t)random_below(&random, rows + 1);
        struct row_decode_options options = {.columns = wanted,
                                             .column_count = wanted_count,
                                             .arena = &arena,
                                             .copy_strings = random_below(&random, 2)};
        assert_ok(row_decode_batch(&schema, slices, first, &options, vectors));
        options.target_row = first;
        assert_ok(row_decode_batch(&schema, slices + first, rows - first, &options, vectors));
        struct buffer again = {0};
        for (uint32_t r = 0; r < rows; r++) {
            struct value values[COLUMNS_MAX];
            assert_ok(row_decode(&schema, slices[r], values, NULL));
            for (uint32_t w = 0; w < wanted_count; w++) {
                struct value got = vector_get(&vectors[w], r);
                if (!same(&got, &values[wanted[w]]))
                    fail_msg("round %d row %u column %u differs", round, r, wanted[w]);
            }
        }
        /* Encoding from vectors gives the same bytes as from values. */
        if (wanted_count == count) {
            struct vector ordered[COLUMNS_MAX];
            for (uint32_t i = 0; i < count; i++)
                ordered[i] = vectors[count - 1 - i];
            struct batch batch = {.vectors = ordered, .column_count = count};
            batch_set_count(&batch, rows);
            for (uint32_t r = 0; r < rows; r++) {
                uint32_t stored;
                buffer_clear(&again);
                assert_ok(row_stored_columns(&schema, slices[r], &stored));
                assert_ok(row_encode_batch(&schema, &batch, r, NULL, &again));
                if (stored == count)
                    assert_true(slice_equal(buffer_slice(&again), slices[r]));
            }
        }
        buffer_release(&again);
        buffer_release(&buffer);
        arena_release(&arena);
    }
}

static void externals_of_batches_are_listed(void **state) {
    struct arena arena = {0};
    struct row_column columns[] = {{.type = TYPE_OF(INT4)}, {.type = TYPE_OF(TEXT)}};
    struct row_schema schema;
    struct buffer buffer = {0};
    row_schema_init(&schema, columns, 2, &arena);
    struct value values[] = {value_int4(7), value_text("inside")};
    struct row_external externals[] = {{0}, {.id = 99, .size = 1234}};
    assert_ok(row_encode(&schema, values, NULL, &buffer));
    size_t first = buffer.size;
    assert_ok(row_encode(&schema, values, externals, &buffer));
    struct slice rows[] = {slice_of(buffer.data, first),
                           slice_of(buffer.data + first, buffer.size - first)};
    uint16_t wanted[] = {1};
    struct vector vector;
    vector_init(&vector, TYPE_OF(TEXT), &arena);
    struct row_external_list list = {0};
    struct row_decode_options options = {
        .columns = wanted, .column_count = 1, .arena = &arena, .externals = &list};
    assert_ok(row_decode_batch(&schema, rows, 2, &options, &vector));
    assert_int_equal(list.count, 1);
    assert_int_equal(list.places[0].row, 1);
    assert_int_equal(list.places[0].external.id, 99);
    assert_true(vector_is_null(&vector, 1) && !vector_is_null(&vector, 0));
    options.externals = NULL;
    vector_reset(&vector);
    assert_status(row_decode_batch(&schema, rows, 2, &options, &vector), STATUS_DATA_CORRUPTED);
    buffer_release(&buffer);
    arena_release(&arena);
}

/* Flip bits and cut rows: every decoder answers with values or DATA_CORRUPTED. */
static void damaged_rows_never_make_a_decoder_read_outside(void **state) {
    struct random random;
    random_seed(&random, 3);
    for (int round = 0; round < 6000; round++) {
        struct arena arena = {0};
        struct row_column columns[COLUMNS_MAX];
        struct row_schema schema;
        struct value values[COLUMNS_MAX];
        struct row_external externals[COLUMNS_MAX];
        struct buffer buffer = {0};
        uint32_t count = random_schema(&random, columns), listed;
        row_schema_init(&schema, columns, count, &arena);
        for (uint32_t i = 0; i < count; i++)
            values[i] = random_or_null(&random, columns[i].type, &arena);
        assert_ok(row_encode(&schema, values, NULL, &buffer));
        for (uint64_t flips = 1 + random_below(&random, 4); flips > 0; flips--)
            buffer.data[random_below(
                &random, random_below(&random, 2) && buffer.size > 12 ? 12 : buffer.size)] ^=
                (uint8_t)(1u << random_below(&random, 8));
        size_t size =
            random_below(&random, 3) == 0 ? random_below(&random, buffer.size + 1) : buffer.size;
        struct slice row = exact_copy(slice_of(buffer.data, size));
        enum status checked = row_check(&schema, row);
        assert_int_equal(row_decode_checked(&schema, row, values, externals), checked);
        (void)!row_externals(&schema, row, externals, COLUMNS_MAX, &listed);
        enum status status = row_decode(&schema, row, values, externals);
        assert_true(status == STATUS_OK || status == STATUS_DATA_CORRUPTED);
        uint16_t wanted[COLUMNS_MAX];
        struct vector vectors[COLUMNS_MAX];
        for (uint32_t i = 0; i < count; i++) {
            wanted[i] = (uint16_t)i;
            vector_init(&vectors[i], columns[i].type, &arena);
        }
        struct row_external_list list = {0};
        struct row_decode_options options = {.columns = wanted,
                                             .column_count = count,
                                             .arena = &arena,
                                             .copy_strings = true,
                                             .externals = &list};
        status = row_decode_batch(&schema, &row, 1, &options, vectors);
        assert_true(status == STATUS_OK || status == STATUS_DATA_CORRUPTED);
        memory_free((void *)row.data);
        buffer_release(&buffer);
        arena_release(&arena);
    }
}

/* Tables on disk hold these bytes. */
static void golden_bytes_stay(void **state) {
    static const uint8_t golden[] = {
        0x05, 0x00, 0x01, 0x05, 0x08,                   /* 5 columns, version 1, nulls + outside */
        0x07, 0x00, 0x00, 0x00,                         /* int4 7 */
        0x2a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* numeric(10,2) 0.42 */
        0x00, 0x00,                                     /* int2 null */
        0x02, 0x00, 0x0e, 0x80,                         /* ends: 2, 14 outside */
        'h',  'i',  0x63, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xd2, 0x04, 0x00, 0x00,
    };
    struct arena arena = {0};
    struct row_column columns[] = {{.type = TYPE_OF(INT4)},
                                   {.type = TYPE_OF(TEXT)},
                                   {.type = type_numeric(10, 2)},
                                   {.type = TYPE_OF(INT2)},
                                   {.type = TYPE_OF(BYTEA)}};
    struct row_schema schema;
    struct buffer buffer = {0};
    row_schema_init(&schema, columns, 5, &arena);
    struct value values[] = {value_int4(7),
                             value_text("hi"),
                             {.type = type_numeric(10, 2), .int64 = 42},
                             value_null(TYPE_OF(INT2)),
                             value_null(TYPE_OF(BYTEA))};
    struct row_external externals[5] = {[4] = {.id = 99, .size = 1234}};
    assert_ok(row_encode(&schema, values, externals, &buffer));
    assert_int_equal(buffer.size, sizeof golden);
    assert_memory_equal(buffer.data, golden, sizeof golden);
    struct value back[5];
    struct row_external externals_back[5];
    assert_ok(row_decode(&schema, slice_of(golden, sizeof golden), back, externals_back));
    for (int i = 0; i < 4; i++)
        assert_true(same(&back[i], &values[i]));
    assert_int_equal(externals_back[4].id, 99);
    buffer_release(&buffer);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_decode_to_what_was_encoded),
        cmocka_unit_test(batches_decode_as_single_rows_do),
        cmocka_unit_test(externals_of_batches_are_listed),
        cmocka_unit_test(damaged_rows_never_make_a_decoder_read_outside),
        cmocka_unit_test(golden_bytes_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
