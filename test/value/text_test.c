#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_memory.h"
#include "base/base_random.h"
#include "text_cases.h"
#include "value/value_binary.h"
#include "value/value_text.h"
#include "zone_files.h"

static const struct value_context context;

/* Input and output, or the error, into `said`. */
static void describe(const struct text_case *test, char said[2048]) {
    struct arena arena = {0};
    struct buffer buffer = {0};
    struct value value;
    struct type type = type_make(test->type, test->modifier);
    enum status status = text_input(&context, slice_of_text(test->input), type, &arena, &value);
    if (status == STATUS_OK)
        status = text_output(&context, &value, &buffer);
    if (status != STATUS_OK)
        snprintf(said, 2048, "%s %s", status_sqlstate(status), error_current()->message);
    else
        snprintf(said, 2048, "%.*s", (int)buffer.size, (const char *)buffer.data);
    buffer_release(&buffer);
    arena_release(&arena);
}

static void texts_read_and_write_as_in_postgresql(void **state) {
    size_t failures = 0;
    for (size_t i = 0; i < sizeof text_cases / sizeof text_cases[0]; i++) {
        const struct text_case *test = &text_cases[i];
        char said[2048], wanted[2048];
        describe(test, said);
        if (test->output != NULL)
            snprintf(wanted, sizeof wanted, "%s", test->output);
        else
            snprintf(wanted, sizeof wanted, "%s %s", test->sqlstate, test->message);
        if (strcmp(said, wanted) == 0)
            continue;
        char name[TYPE_NAME_SIZE];
        print_error("%s '%s': got <%s>, wanted <%s>\n",
                    type_name(type_make(test->type, test->modifier), name), test->input, said,
                    wanted);
        failures++;
    }
    assert_int_equal(failures, 0);
}

/* Send gives PostgreSQL's bytes; receiving them gives the same text again. */
static void check_binary(const struct text_case *test, const struct value *value,
                         struct arena *arena, size_t *failures) {
    struct buffer sent = {0}, hex = {0}, text = {0};
    struct value back;
    char name[TYPE_NAME_SIZE];
    enum status status = binary_send(value, &sent);
    if (test->binary == NULL) {
        if (status == STATUS_OK)
            (*failures)++;
        goto out;
    }
    assert_ok(status);
    for (size_t i = 0; i < sent.size; i++)
        buffer_append_format(&hex, "%02x", sent.data[i]);
    buffer_append_byte(&hex, 0);
    if (strcmp((const char *)hex.data, test->binary) != 0) {
        print_error("%s '%s': sent %s, wanted %s\n", type_name(value->type, name), test->input,
                    (const char *)hex.data, test->binary);
        (*failures)++;
    }
    assert_ok(binary_receive(buffer_slice(&sent), value->type, arena, &back));
    assert_ok(text_output(&context, &back, &text));
    if (!slice_equal(buffer_slice(&text), slice_of_text(test->output))) {
        print_error("%s '%s': received as %.*s\n", type_name(value->type, name), test->input,
                    (int)text.size, (const char *)text.data);
        (*failures)++;
    }
out:
    buffer_release(&sent);
    buffer_release(&hex);
    buffer_release(&text);
}

static void binary_forms_are_those_of_postgresql(void **state) {
    size_t failures = 0;
    for (size_t i = 0; i < sizeof text_cases / sizeof text_cases[0]; i++) {
        const struct text_case *test = &text_cases[i];
        struct arena arena = {0};
        struct value value;
        struct type type = type_make(test->type, test->modifier);
        if (test->output == NULL)
            continue;
        assert_ok(text_input(&context, slice_of_text(test->input), type, &arena, &value));
        check_binary(test, &value, &arena, &failures);
        arena_release(&arena);
    }
    assert_int_equal(failures, 0);
}

/* Any bytes for any type: a value or an error, never a read outside. */
static void garbage_is_refused_by_receive(void **state) {
    struct random random;
    random_seed(&random, 11);
    for (int round = 0; round < 30000; round++) {
        const struct text_case *test =
            &text_cases[random_below(&random, sizeof text_cases / sizeof text_cases[0])];
        struct arena arena = {0};
        size_t size = random_below(&random, 40);
        uint8_t *bytes = memory_alloc(size + 1);
        for (size_t i = 0; i < size; i++)
            bytes[i] = random_below(&random, 2) ? (uint8_t)random_below(&random, 4)
                                                : (uint8_t)random_below(&random, 256);
        uint8_t *exact = memory_alloc(size > 0 ? size : 1);
        memcpy(exact, bytes, size);
        if (size >= 12 && random_below(&random, 2)) /* a plausible array header */
            memcpy(exact, "\0\0\0\1\0\0\0\1\0\0\0\27", 12);
        struct value value;
        struct buffer text = {0};
        struct type type = type_make(test->type, test->modifier);
        if (binary_receive(slice_of(exact, size), type, &arena, &value) == STATUS_OK)
            assert_ok(text_output(&context, &value, &text));
        /* The same bytes as text. */
        (void)!text_input(&context, slice_of(exact, size), type, &arena, &value);
        buffer_release(&text);
        memory_free(bytes);
        memory_free(exact);
        arena_release(&arena);
    }
}

int main(void) {
    timezone_loader_set(load_zone);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_read_and_write_as_in_postgresql),
        cmocka_unit_test(binary_forms_are_those_of_postgresql),
        cmocka_unit_test(garbage_is_refused_by_receive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
