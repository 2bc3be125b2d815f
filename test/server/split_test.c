#include "test.h"

#include <string.h>

#include "server/server_options.h"
#include "server/split.h"

static enum split_state split(const char *text, size_t *size) {
    *size = 0;
    return split_statement(text, strlen(text), size);
}

static void statements_end_at_their_semicolon(void **state) {
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {"select 1; select 2;", 9},
        {"select ';' ; x", 12},
        {"select 'it''s;' ;", 17},
        {"select e'\\';' ;", 15},
        {"select \";\" ;", 12},
        {"select $$;$$ ;", 14},
        {"select $a$ $b$;$a$ ;", 20},
        {"select 1 -- ;\n;", 15},
        {"select 1 /* ; /* ; */ ; */ ;", 28},
        {"create rule (a; b) ;", 20},
        {"select a$1;", 11},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size;
        assert_int_equal(split(cases[i].text, &size), SPLIT_DONE);
        assert_int_equal(size, cases[i].size);
    }
}

static void unfinished_text_says_what_it_is_in(void **state) {
    size_t size;
    assert_int_equal(split("", &size), SPLIT_EMPTY);
    assert_int_equal(split(" -- x\n /* y */ ", &size), SPLIT_EMPTY);
    assert_int_equal(split("select 1", &size), SPLIT_STATEMENT);
    assert_int_equal(split("select '1", &size), SPLIT_QUOTE);
    assert_int_equal(split("select \"1", &size), SPLIT_IDENTIFIER);
    assert_int_equal(split("select $x$ ; $y$", &size), SPLIT_DOLLAR);
    assert_int_equal(split("select /* 1; ", &size), SPLIT_COMMENT);
    assert_int_equal(split("select (1;", &size), SPLIT_PARENTHESIS);
}

static void copy_from_stdin_is_seen(void **state) {
    const char *yes = "copy t (a, b) from stdin with (format csv);";
    const char *no = "copy t to stdout;";
    assert_true(split_is_copy_from_stdin(yes, strlen(yes)));
    assert_false(split_is_copy_from_stdin(no, strlen(no)));
    assert_false(split_is_copy_from_stdin("select 1", 8));
}

static void sizes_are_parsed_with_units(void **state) {
    uint64_t bytes;
    assert_true(size_parse("512MB", &bytes));
    assert_true(bytes == 512ull << 20);
    assert_true(size_parse("2GiB", &bytes));
    assert_true(bytes == 2ull << 30);
    assert_true(size_parse("65536", &bytes));
    assert_true(bytes == 65536);
    assert_false(size_parse("12XB", &bytes));
    assert_false(size_parse("MB", &bytes));
    assert_false(size_parse("-1", &bytes));
    assert_false(size_parse("18446744073709551615GB", &bytes));
    uint64_t number;
    assert_true(number_parse("64", 1, 64, &number));
    assert_false(number_parse("65", 1, 64, &number));
    assert_false(number_parse("", 0, 64, &number));
}

static void command_lines_refuse_what_they_do_not_know(void **state) {
    const char *data = NULL, *flag = NULL, *operands[1];
    const struct option_spec options[] = {{"--data", "DIR", "", &data},
                                          {"--flag", NULL, "", &flag}};
    struct command_line line = {.usage = "x",
                                .about = "",
                                .options = options,
                                .option_count = 2,
                                .operands = operands,
                                .operand_max = 1};
    assert_int_equal(command_line_parse(&line, 4, (char *[]){"--data", "a", "--flag", "b"}),
                     COMMAND_RUN);
    assert_string_equal(data, "a");
    assert_non_null(flag);
    assert_string_equal(operands[0], "b");
    assert_int_equal(command_line_parse(&line, 1, (char *[]){"--data=c"}), COMMAND_RUN);
    assert_string_equal(data, "c");
    assert_int_equal(command_line_parse(&line, 1, (char *[]){"--dat"}), COMMAND_WRONG);
    assert_int_equal(command_line_parse(&line, 1, (char *[]){"--data"}), COMMAND_WRONG);
    assert_int_equal(command_line_parse(&line, 1, (char *[]){"--flag=1"}), COMMAND_WRONG);
    assert_int_equal(command_line_parse(&line, 1, (char *[]){"second"}), COMMAND_WRONG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_end_at_their_semicolon),
        cmocka_unit_test(unfinished_text_says_what_it_is_in),
        cmocka_unit_test(copy_from_stdin_is_seen),
        cmocka_unit_test(sizes_are_parsed_with_units),
        cmocka_unit_test(command_lines_refuse_what_they_do_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
