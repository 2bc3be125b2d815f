#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/base_buffer.h"
#include "cast_cases.h"
#include "value/value_cast.h"

static const struct value_context context;

static void describe(const struct cast_case *test, char said[2048]) {
    struct arena arena = {0};
    struct value from, to, text;
    struct type target = type_make(test->to, test->to_modifier);
    assert_ok(text_input(&context, slice_of_text(test->input),
                         type_make(test->from, test->from_modifier), &arena, &from));
    enum status status = STATUS_OK;
    if (!cast_allowed(test->from, test->to, test->is_explicit ? CAST_EXPLICIT : CAST_ASSIGNMENT)) {
        snprintf(said, 2048, "42846 ");
    } else {
        status = value_cast(&context, &from, target, test->is_explicit, &arena, &to);
        if (status == STATUS_OK)
            status = value_cast(&context, &to, TYPE_OF(TEXT), true, &arena, &text);
        if (status == STATUS_OK && text.is_null)
            snprintf(said, 2048, "NULL-VALUE");
        else if (status != STATUS_OK)
            snprintf(said, 2048, "%s %s", status_sqlstate(status), error_current()->message);
        else
            snprintf(said, 2048, "%.*s", (int)text.string.size, (const char *)text.string.data);
    }
    arena_release(&arena);
}

static void casts_answer_as_in_postgresql(void **state) {
    size_t failures = 0;
    for (size_t i = 0; i < sizeof cast_cases / sizeof cast_cases[0]; i++) {
        const struct cast_case *test = &cast_cases[i];
        char said[2048], wanted[2048], from[TYPE_NAME_SIZE], to[TYPE_NAME_SIZE];
        describe(test, said);
        if (test->output != NULL)
            snprintf(wanted, sizeof wanted, "%s", test->output);
        else
            snprintf(wanted, sizeof wanted, "%s %s", test->sqlstate, test->message);
        if (strcmp(said, wanted) == 0)
            continue;
        print_error("%s '%s' to %s%s: got <%s>, wanted <%s>\n",
                    type_name(type_make(test->from, test->from_modifier), from), test->input,
                    type_name(type_make(test->to, test->to_modifier), to),
                    test->is_explicit ? "" : " (assigned)", said, wanted);
        failures++;
    }
    assert_int_equal(failures, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(casts_answer_as_in_postgresql),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
