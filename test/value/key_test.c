#include "test.h"

#include "value/value_key.h"
#include "value_random.h"

static int sign(int order) {
    return (order > 0) - (order < 0);
}

static struct value random_or_null(struct random *random, const struct key_column *column,
                                   struct arena *arena) {
    if (!column->not_null && random_below(random, 6) == 0)
        return value_null(column->type);
    return random_value(random, column->type, arena);
}

/* What ORDER BY would say of one column. */
static int column_order(const struct key_column *column, const struct value *a,
                        const struct value *b) {
    if (a->is_null || b->is_null) {
        int nulls = a->is_null - b->is_null;
        return column->nulls_first ? -nulls : nulls;
    }
    int order = sign(value_compare(a, b));
    return column->descending ? -order : order;
}

static void key_order_is_value_order(void **state) {
    struct random random;
    random_seed(&random, 7);
    for (int round = 0; round < 30000; round++) {
        struct arena arena = {0};
        struct key_column columns[3] = {0};
        struct value a[3], b[3];
        struct buffer key_a = {0}, key_b = {0};
        uint32_t count = 1 + (uint32_t)random_below(&random, 3);
        int wanted = 0;
        for (uint32_t i = 0; i < count; i++) {
            columns[i] = (struct key_column){
                .type = random_type(&random),
                .descending = random_below(&random, 2),
                .nulls_first = random_below(&random, 2),
                .not_null = random_below(&random, 2),
                .canonical = true,
            };
            a[i] = random_or_null(&random, &columns[i], &arena);
            b[i] = random_below(&random, 2) ? a[i] : random_or_null(&random, &columns[i], &arena);
            if (wanted == 0)
                wanted = column_order(&columns[i], &a[i], &b[i]);
        }
        key_encode(columns, a, count, &key_a);
        key_encode(columns, b, count, &key_b);
        int got = sign(slice_compare(buffer_slice(&key_a), buffer_slice(&key_b)));
        if (got != wanted)
            fail_msg("round %d: keys order %d, values order %d (first column type %u)", round, got,
                     wanted, columns[0].type.id);
        bool has_null, null_wanted = false;
        assert_ok(key_has_null(columns, count, buffer_slice(&key_a), &has_null));
        for (uint32_t i = 0; i < count; i++)
            null_wanted |= a[i].is_null;
        assert_int_equal(has_null, null_wanted);
        if (wanted == 0)
            for (uint32_t i = 0; i < count; i++)
                assert_true(value_hash(&a[i]) == value_hash(&b[i]));
        buffer_release(&key_a);
        buffer_release(&key_b);
        arena_release(&arena);
    }
}

static void keys_decode_to_equal_values(void **state) {
    struct random random;
    random_seed(&random, 8);
    for (int round = 0; round < 30000; round++) {
        struct arena arena = {0};
        struct buffer key = {0};
        struct key_column column = {
            .type = random_type(&random),
            .descending = random_below(&random, 2),
            .nulls_first = random_below(&random, 2),
        };
        struct value value = random_or_null(&random, &column, &arena), back;
        key_encode_value(&column, &value, &key);
        assert_ok(key_decode(&column, 1, buffer_slice(&key), &arena, &back, NULL));
        assert_int_equal(back.is_null, value.is_null);
        if (!value.is_null) {
            if (value_compare(&value, &back) != 0)
                fail_msg("round %d: type %u changed", round, value.type.id);
            if (key_decodable(&column) && type_physical(column.type) == PHYSICAL_INTERVAL)
                assert_memory_equal(&value.interval, &back.interval, sizeof value.interval);
            if (key_decodable(&column) && type_physical(column.type) == PHYSICAL_STRING)
                assert_true(slice_equal(value.string, back.string));
        }
        struct slice rest = buffer_slice(&key);
        assert_ok(key_skip(&column, &rest));
        assert_int_equal(rest.size, 0);
        buffer_release(&key);
        arena_release(&arena);
    }
}

static void garbage_keys_are_refused_or_decoded_but_never_overrun(void **state) {
    struct random random;
    random_seed(&random, 9);
    for (int round = 0; round < 50000; round++) {
        struct arena arena = {0};
        uint8_t bytes[40];
        size_t size = random_below(&random, sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = random_below(&random, 2) ? (uint8_t)(random_below(&random, 7) << 4)
                                                : (uint8_t)random_below(&random, 256);
        uint8_t *exact = arena_alloc(&arena, size + 1); /* the sanitizer watches its end */
        memcpy(exact, bytes, size);
        struct key_column column = {.type = random_type(&random),
                                    .descending = random_below(&random, 2)};
        struct value value;
        struct slice key = slice_of(exact, size);
        enum status status = key_decode_value(&column, &key, &arena, &value);
        assert_true(status == STATUS_OK || status == STATUS_DATA_CORRUPTED ||
                    status == STATUS_FEATURE_NOT_SUPPORTED ||
                    status == STATUS_NUMERIC_VALUE_OUT_OF_RANGE);
        arena_release(&arena);
    }
}

static void assert_key(struct key_column column, struct value value, const char *wanted) {
    struct buffer key = {0}, hex = {0};
    key_encode_value(&column, &value, &key);
    for (size_t i = 0; i < key.size; i++)
        buffer_append_format(&hex, "%02x", key.data[i]);
    buffer_append_byte(&hex, 0);
    assert_string_equal((char *)hex.data, wanted);
    buffer_release(&key);
    buffer_release(&hex);
}

/* Indexes on disk hold these bytes. */
static void golden_bytes_stay(void **state) {
    struct key_column plain = {.not_null = true};
#define KEY(type_, value_, wanted) (plain.type = (type_), assert_key(plain, (value_), wanted))
    KEY(TYPE_OF(INT4), value_int4(1), "80000001");
    KEY(TYPE_OF(INT4), value_int4(-1), "7fffffff");
    KEY(TYPE_OF(INT8), value_int8(256), "8000000000000100");
    KEY(TYPE_OF(INT2), value_int2(-32768), "0000");
    KEY(TYPE_OF(BOOL), value_bool(true), "01");
    KEY(TYPE_OF(FLOAT8), value_float8(-0.0), "8000000000000000");
    KEY(TYPE_OF(FLOAT8), value_float8(1.0), "bff0000000000000");
    KEY(TYPE_OF(TEXT), value_text("ab\x01"), "6162010200");
    KEY(TYPE_OF(TEXT), value_text(""), "00");
    struct value number = {.type = TYPE_OF(NUMERIC), .numeric = numeric_make(12345, 2)};
    KEY(TYPE_OF(NUMERIC), number, "4080030d233300"); /* 0.12 34 50 * 10^3 */
    number.numeric = numeric_make(-12345, 2);
    KEY(TYPE_OF(NUMERIC), number, "207ffcf2dcccff");
    number.numeric = numeric_make(0, 5);
    KEY(TYPE_OF(NUMERIC), number, "30");
    struct value declared = {.type = type_numeric(10, 2), .int64 = 12345};
    KEY(type_numeric(10, 2), declared, "4080030d233300");
    struct value interval = {.type = TYPE_OF(INTERVAL), .interval = {1, 2, 3}};
    KEY(TYPE_OF(INTERVAL), interval,
        "80000000000000000000073ab9668001"
        "8000000380000002");
    struct key_column nullable = {.type = TYPE_OF(INT2), .descending = true};
    assert_key(nullable, value_int2(1), "407ffe");
    assert_key(nullable, value_null(TYPE_OF(INT2)), "60");
    nullable.nulls_first = true;
    assert_key(nullable, value_null(TYPE_OF(INT2)), "20");
#undef KEY
}

static void successor_is_first_key_after_prefix(void **state) {
    struct buffer key = {0};
    buffer_append(&key, "\x01\xff\xff", 3);
    assert_true(key_successor(&key));
    assert_int_equal(key.size, 1);
    assert_int_equal(key.data[0], 2);
    buffer_clear(&key);
    buffer_append(&key, "\xff\xff", 2);
    assert_false(key_successor(&key));
    buffer_release(&key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_order_is_value_order),
        cmocka_unit_test(keys_decode_to_equal_values),
        cmocka_unit_test(garbage_keys_are_refused_or_decoded_but_never_overrun),
        cmocka_unit_test(golden_bytes_stay),
        cmocka_unit_test(successor_is_first_key_after_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
