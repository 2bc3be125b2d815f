/* Regular expressions: expected results are PostgreSQL 15's. */
#include "exec/exec_regex.h"

#include <string.h>

#include "base/base_arena.h"
#include "test.h"

static const struct {
    const char *pattern, *text, *found; /* found NULL: no match; else substring() without groups */
} cases[] = {
    {"^(abc)$", "abc", "abc"},
    {"^(abc)$", "xabc", NULL},
    {"b", "abc", "b"},
    {"a.c", "xxabcxx", "abc"},
    {"^a|b$", "xb", "b"},
    {"[0-9]+", "abc123def", "123"},
    {"[^0-9]+", "123abc456", "abc"},
    {"a*", "baaa", ""},
    {"a+", "baaa", "aaa"},
    {"a+?", "baaa", "a"},
    {"a{2}", "aaaa", "aa"},
    {"a{2,3}", "aaaa", "aaa"},
    {"a{2,}", "aaaa", "aaaa"},
    {"(foo|foobar)", "foobar", "foobar"},
    {"x(a|ab)(c|bcd)", "xabcd", "xabcd"},
    {"\\d\\d", "ab12", "12"},
    {"\\w+", "  hello_1 ", "hello_1"},
    {"\\s", "a b", " "},
    {"\\S+", " ab ", "ab"},
    {"[[:alpha:]]+", "12ab34", "ab"},
    {"[[:digit:][:space:]]+", "ab1 2cd", "1 2"},
    {"\\mfoo\\M", "a foo b", "foo"},
    {"\\mfoo\\M", "afoo b", NULL},
    {"\\yfoo", "a foob", "foo"},
    {"[[:<:]]foo[[:>:]]", "x foo", "foo"},
    {"a\\.b", "a.b", "a.b"},
    {"a\\.b", "axb", NULL},
    {"", "abc", ""},
    {"^$", "", ""},
    {"^$", "a", NULL},
    {"a|b|c", "c", "c"},
    {"(ab)+", "ababx", "abab"},
    {"(?:ab)+c", "xababc", "ababc"},
    {"[a-c-]+", "x-a-c", "-a-c"},
    {"[]a]+", "x]a", "]a"},
    {"[^]a]+", "]axy", "xy"},
    {"^.*$", "a\nb", "a\nb"},
    {"(?n)^b$", "a\nb", "b"},
    {"(?i)ABC", "xabc", "abc"},
    {"\\u00e9", "caf\303\251", "\303\251"},
    {"^.{4}$", "caf\303\251", "caf\303\251"},
    {"[\303\251x]", "caf\303\251", "\303\251"},
    {"***=a.c", "xa.c", "a.c"},
    {"a.*?c", "abcabc", "abc"},
    {"a.*c", "abcabc", "abcabc"},
    {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaac", NULL},
    {"\\Aab", "abab", "ab"},
    {"b\\Z", "ab", "b"},
    {"x*y+$", "xxyyz", NULL},
    {"{a", "x{a", "{a"},
};

static void finds_what_postgresql_finds(void **state) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena = {0};
        struct regex *regex;
        struct regex_span spans[16];
        struct slice text = slice_of_text(cases[i].text);
        assert_ok(regex_compile(slice_of_text(cases[i].pattern), 0, &arena, &regex));
        for (int again = 0; again < 2; again++) { /* the second time from the cache */
            if (regex_matches(regex, text) != (cases[i].found != NULL))
                fail_msg("%s ~ %s", cases[i].text, cases[i].pattern);
            bool found = regex_search(regex, text, 0, true, spans);
            if (found != (cases[i].found != NULL) ||
                (found &&
                 !slice_equal(slice_of_text(cases[i].found),
                              slice_of(text.data + spans[0].start, spans[0].end - spans[0].start))))
                fail_msg("%s in %s", cases[i].pattern, cases[i].text);
        }
        arena_release(&arena);
    }
}

static void groups_are_found(void **state) {
    struct arena arena = {0};
    struct regex *regex;
    struct regex_span spans[8];
    assert_ok(regex_compile(slice_of_text("(\\d+)-(\\d+)(x)?"), 0, &arena, &regex));
    assert_int_equal(regex_group_count(regex), 3);
    assert_true(regex_search(regex, slice_of_text("ab 12-345 c"), 0, true, spans));
    assert_int_equal(spans[0].start, 3);
    assert_int_equal(spans[0].end, 9);
    assert_int_equal(spans[1].start, 3);
    assert_int_equal(spans[1].end, 5);
    assert_int_equal(spans[2].start, 6);
    assert_int_equal(spans[2].end, 9);
    assert_true(spans[3].start == SIZE_MAX);
    arena_release(&arena);
}

static void bad_patterns_are_refused(void **state) {
    static const char *const bad[] = {"(",  ")",     "[a", "a**", "*a",        "a{2,1}",
                                      "a{", "[b-a]", "\\", "a{1", "[[:foo:]]", "a{999}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct arena arena = {0};
        struct regex *regex;
        enum status status = regex_compile(slice_of_text(bad[i]), 0, &arena, &regex);
        if (status != STATUS_INVALID_REGULAR_EXPRESSION && strcmp(bad[i], "a{") != 0)
            fail_msg("%s: %s", bad[i], status_name(status));
        arena_release(&arena);
    }
    struct arena arena = {0};
    struct regex *regex;
    assert_status(regex_compile(slice_of_text("(a)\\1"), 0, &arena, &regex),
                  STATUS_FEATURE_NOT_SUPPORTED);
    arena_release(&arena);
}

/* Time is linear: a pattern that ruins backtracking matchers. */
static void nested_stars_are_linear(void **state) {
    struct arena arena = {0};
    struct regex *regex;
    char *text = arena_alloc(&arena, 20001);
    memset(text, 'a', 20000);
    text[20000] = 0;
    assert_ok(regex_compile(slice_of_text("^(a|aa|aaa)*(a*)*b$"), 0, &arena, &regex));
    assert_false(regex_matches(regex, slice_of_text(text)));
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_postgresql_finds),
        cmocka_unit_test(groups_are_found),
        cmocka_unit_test(bad_patterns_are_refused),
        cmocka_unit_test(nested_stars_are_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
