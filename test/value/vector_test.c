#include "test.h"

#include "value/value_vector.h"
#include "value_random.h"

static struct value random_or_null(struct random *random, struct type type, struct arena *arena) {
    return random_below(random, 5) == 0 ? value_null(type) : random_value(random, type, arena);
}

static bool same(const struct value *a, const struct value *b) {
    if (a->is_null || b->is_null)
        return a->is_null == b->is_null;
    return value_compare(a, b) == 0;
}

/* The same values as a flat vector, a dictionary and (when asked) a constant. */
static void kinds_of_vectors_agree(void **state) {
    struct random random;
    random_seed(&random, 4);
    for (int round = 0; round < 300; round++) {
        struct arena arena = {0};
        struct type type = random_type(&random);
        uint32_t count = 1 + (uint32_t)random_below(&random, 300);
        struct vector flat, sliced, twice, copy;
        struct value *values = arena_alloc(&arena, sizeof *values * count);
        uint16_t selection[300], again[300];
        vector_init(&flat, type, &arena);
        vector_init(&copy, type, &arena);
        for (uint32_t i = 0; i < count; i++) {
            values[i] = random_or_null(&random, type, &arena);
            vector_set(&flat, i, &values[i], random_below(&random, 2) ? &arena : NULL);
            selection[i] = (uint16_t)random_below(&random, count);
            again[i] = (uint16_t)random_below(&random, count);
        }
        vector_slice(&sliced, &flat, selection, count, &arena);
        vector_slice(&twice, &sliced, again, count, &arena);
        vector_copy(&copy, 0, &twice, NULL, count, &arena);
        uint64_t hashes[300], combined[300];
        vector_hash(&twice, NULL, count, false, hashes);
        vector_hash(&copy, NULL, count, false, combined);
        vector_hash(&copy, NULL, count, true, combined);
        for (uint32_t i = 0; i < count; i++) {
            const struct value *wanted = &values[selection[again[i]]];
            struct value a = vector_get(&twice, i), b = vector_get(&copy, i);
            assert_true(same(&a, wanted) && same(&b, wanted));
            assert_true(hashes[i] == value_hash(wanted));
            assert_true(vector_equal(&twice, i, &flat, selection[again[i]]));
            assert_int_equal(vector_compare(&copy, i, &flat, selection[again[i]]), 0);
            assert_int_equal(vector_is_null(&copy, i), wanted->is_null);
        }
        uint64_t single[300];
        vector_hash(&copy, again, count, false, single);
        for (uint32_t i = 0; i < count; i++)
            assert_true(single[i] == hashes[again[i]]);
        vector_flatten(&twice, count, &arena);
        assert_int_equal(twice.kind, VECTOR_FLAT);
        for (uint32_t i = 0; i < count; i++)
            assert_true(vector_equal(&twice, i, &copy, i));
        struct vector constant;
        vector_init_constant(&constant, &values[0], &arena);
        vector_slice(&sliced, &constant, selection, count, &arena);
        vector_flatten(&sliced, count, &arena);
        for (uint32_t i = 0; i < count; i++)
            assert_true(vector_equal(&sliced, i, &flat, 0));
        arena_release(&arena);
    }
}

/* A vector that held nulls must not remember them. */
static void refilled_vectors_forget_their_nulls(void **state) {
    struct arena arena = {0};
    struct vector vector, source;
    struct value seven = value_int4(7);
    vector_init(&vector, TYPE_OF(INT4), &arena);
    vector_init_constant(&source, &seven, &arena);
    vector_set_null(&vector, 3);
    vector_copy(&vector, 0, &source, NULL, 10, NULL);
    for (uint32_t i = 0; i < 10; i++)
        assert_false(vector_is_null(&vector, i));
    vector_set_null(&vector, 3);
    vector_reset(&vector);
    assert_null(vector.validity);
    arena_release(&arena);
}

static void batches_append_selected_rows(void **state) {
    struct arena arena = {0};
    struct batch source, target;
    struct type types[] = {TYPE_OF(INT4), TYPE_OF(TEXT)};
    uint16_t selection[] = {1, 3, 5, 7};
    batch_init(&source, types, 2, &arena);
    batch_init(&target, types, 2, &arena);
    for (int i = 0; i < 8; i++) {
        struct value number = value_int4(i), text = value_text("a text of some length");
        vector_set(&source.vectors[0], (uint32_t)i, &number, NULL);
        vector_set(&source.vectors[1], (uint32_t)i, &text, NULL);
    }
    vector_set_null(&source.vectors[1], 5);
    batch_set_count(&source, 8);
    source.selection = selection;
    source.selected_count = 4;
    batch_append(&target, &source, 1, 3, &arena);
    batch_append(&target, &source, 0, 1, &arena);
    assert_int_equal(target.row_count, 4);
    const int wanted[] = {3, 5, 7, 1};
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(vector_get(&target.vectors[0], i).int32, wanted[i]);
    assert_true(vector_is_null(&target.vectors[1], 1));
    assert_false(vector_is_null(&target.vectors[1], 3));
    arena_release(&arena);
}

static void short_and_long_strings_compare_by_bytes(void **state) {
    static const char *const texts[] = {
        "",    "a",   "ab", "abcd", "abcde", "abcdefghijkl", "abcdefghijklm", "abcdefghijkln",
        "abd", "\xff"};
    for (int i = 0; i < 10; i++) {
        for (int j = 0; j < 10; j++) {
            struct string a = string_of(texts[i], strlen(texts[i]));
            struct string b = string_of(texts[j], strlen(texts[j]));
            int order = string_compare(&a, &b);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(string_equal(&a, &b), i == j);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_of_vectors_agree),
        cmocka_unit_test(refilled_vectors_forget_their_nulls),
        cmocka_unit_test(batches_append_selected_rows),
        cmocka_unit_test(short_and_long_strings_compare_by_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
