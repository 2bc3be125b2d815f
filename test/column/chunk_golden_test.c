/*
 * Chunks as version 1 writes them, committed: they must decode to these rows for ever, and the
 * encoder must still write them so. In chunk_golden.h a chunk is hexadecimal, `*n ` are n zero
 * bytes. A failure prints what is written now.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "column/chunk_golden.h"
#include "column/column_random.h"

static void make_row(const char *name, uint32_t row, struct value *value, char *text) {
    static const char *modes[] = {"AIR", "REG AIR", "", "TRUCK TRUCK TRUCK"};
    value->is_null = row % 7 == 3;
    if (strcmp(name, "numeric_packed") == 0) {
        value->int64 = 100000 + row * 131 % 1000;
    } else if (strcmp(name, "int4_flat") == 0) {
        value->int32 = row == 4 ? INT32_MIN : (int32_t)row;
    } else if (strcmp(name, "int8_delta") == 0) {
        value->is_null = false;
        value->int64 = INT64_MIN + (int64_t)row * 1000 + row % 3;
    } else if (strcmp(name, "date_runs") == 0) {
        value->is_null = false;
        value->int32 = (int32_t)(row / 700) * 1000003;
    } else if (strcmp(name, "text_dictionary") == 0) {
        value->string = slice_of_text(modes[row * 5 % 4]);
    } else if (strcmp(name, "text_plain") == 0) {
        value->string = slice_of(text, (size_t)sprintf(text, "%u and %u", row * row, row));
    } else if (strcmp(name, "text_symbols") == 0) {
        value->string =
            slice_of(text, (size_t)sprintf(text, "http://example.com/%u/index.html", row * row));
    } else if (strcmp(name, "float8_decimal") == 0) {
        value->float64 = row % 40 == 1 ? 1.0 / 3 : (double)(row * 7) / 4;
    } else if (strcmp(name, "uuid_plain") == 0) {
        for (int i = 0; i < 16; i++)
            value->uuid.bytes[i] = (uint8_t)((row + 1) * (uint32_t)(i + 3));
    } else if (strcmp(name, "bool_constant") == 0) {
        value->boolean = 1;
    } else {
        value->is_null = true; /* text_nulls */
    }
}

static uint8_t *from_text(const char *text, size_t *size_out) {
    uint8_t *bytes = calloc(1, COLUMN_CHUNK_SIZE_MAX);
    size_t size = 0;
    while (*text != 0) {
        char *end;
        if (*text == '*') {
            size += strtoul(text + 1, &end, 10);
            text = end + 1;
            continue;
        }
        char pair[3] = {text[0], text[1], 0};
        bytes[size++] = (uint8_t)strtoul(pair, NULL, 16);
        text += 2;
    }
    *size_out = size;
    return bytes;
}

static void print_as_text(struct slice chunk) {
    printf("    \"");
    int column = 0;
    for (size_t i = 0; i < chunk.size;) {
        size_t zeros = 0;
        while (i + zeros < chunk.size && chunk.data[i + zeros] == 0)
            zeros++;
        if (zeros > 1)
            column += printf("*%zu ", zeros);
        else
            column += printf("%02x", chunk.data[i]);
        i += zeros > 1 ? zeros : 1;
        if (column > 88) {
            printf("\"\n    \"");
            column = 0;
        }
    }
    printf("\"\n");
}

static void expect_rows(const char *name, struct type type, uint32_t rows, const char *encoding,
                        struct slice chunk) {
    struct arena arena = {0};
    struct column_reader reader;
    assert_ok(column_open(chunk, type, COLUMN_OPEN_CHECKED, &arena, &reader));
    struct column_statistics statistics;
    column_statistics(&reader, &statistics);
    assert_int_equal(reader.rows, rows);
    assert_string_equal(statistics.encoding, encoding);
    for (uint32_t i = 0; i < rows; i++) {
        char text[100];
        struct value wanted = {.type = type}, got;
        make_row(name, i, &wanted, text);
        assert_ok(column_get(&reader, i, &arena, &got));
        assert_true(identical(&got, &wanted));
    }
    assert_ok(column_check(&reader));
    arena_release(&arena);
}

static void golden(const char *name, struct type type, uint32_t rows, const char *encoding,
                   const char *committed) {
    struct arena arena = {0};
    struct column_builder builder;
    struct slice chunk;
    size_t size;
    uint8_t *bytes = from_text(committed, &size);
    column_builder_init(&builder, type);
    for (uint32_t i = 0; i < rows; i++) {
        char text[100];
        struct value value = {.type = type};
        make_row(name, i, &value, text);
        assert_ok(column_builder_append_value(&builder, &value));
    }
    assert_ok(column_builder_encode(&builder, 0, rows, &arena, &chunk));
    if (!slice_equal(chunk, slice_of(bytes, size))) {
        printf("#define GOLDEN_%s \\\n", name);
        print_as_text(chunk);
        fail_msg("%s is written differently", name);
    }
    expect_rows(name, type, rows, encoding, slice_of(bytes, size));
    column_builder_release(&builder);
    arena_release(&arena);
    free(bytes);
}

#define GOLDEN(name, type, rows, encoding)                                                         \
    static void name##_is_as_committed(void **state) {                                             \
        golden(#name, type, rows, encoding, golden_##name);                                        \
    }
GOLDEN(numeric_packed, type_numeric(12, 2), 1100, "bit-packed")
GOLDEN(int4_flat, TYPE_OF(INT4), 6, "bit-packed")
GOLDEN(int8_delta, TYPE_OF(INT8), 1500, "delta")
GOLDEN(date_runs, TYPE_OF(DATE), 4000, "run-length")
GOLDEN(text_dictionary, TYPE_OF(TEXT), 60, "dictionary")
GOLDEN(text_plain, TYPE_OF(TEXT), 12, "plain")
GOLDEN(text_symbols, TYPE_OF(VARCHAR), 200, "symbols")
GOLDEN(float8_decimal, TYPE_OF(FLOAT8), 100, "decimal")
GOLDEN(uuid_plain, TYPE_OF(UUID), 3, "plain")
GOLDEN(bool_constant, TYPE_OF(BOOL), 70, "constant")
GOLDEN(text_nulls, TYPE_OF(TEXT), 2, "constant")

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric_packed_is_as_committed),
        cmocka_unit_test(int4_flat_is_as_committed),
        cmocka_unit_test(int8_delta_is_as_committed),
        cmocka_unit_test(date_runs_is_as_committed),
        cmocka_unit_test(text_dictionary_is_as_committed),
        cmocka_unit_test(text_plain_is_as_committed),
        cmocka_unit_test(text_symbols_is_as_committed),
        cmocka_unit_test(float8_decimal_is_as_committed),
        cmocka_unit_test(uuid_plain_is_as_committed),
        cmocka_unit_test(bool_constant_is_as_committed),
        cmocka_unit_test(text_nulls_is_as_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
