#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "text_cases.h"
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

int main(void) {
    timezone_loader_set(load_zone);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_read_and_write_as_in_postgresql),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
