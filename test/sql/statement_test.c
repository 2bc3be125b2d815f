/* The normaliser, limits of depth, parameters, lifetimes. */
#include "sql_fixture.h"

#include "sql/sql_normalize.h"

static const char *normalized_text(struct arena *arena, const char *text,
                                   struct normalized *normalized) {
    return sql_normalize(text, arena, normalized) ? normalized->text : NULL;
}

static void literals_beside_operators_become_parameters(void **state) {
    struct arena arena = {0};
    struct normalized n;
    assert_string_equal(normalized_text(&arena, "UPDATE t SET x = x + -12 WHERE id = 345;", &n),
                        "UPDATE t SET x = x + $1 WHERE id = $2;");
    assert_int_equal(n.count, 2);
    assert_int_equal(n.values[0].int32, -12);
    assert_int_equal(n.values[1].int32, 345);
    assert_string_equal(normalized_text(&arena, "INSERT INTO t(a, b) VALUES (1, 'x', now())", &n),
                        "INSERT INTO t(a, b) VALUES ($1, $2, now())");
    assert_int_equal(n.types[1], 0);
    assert_int_equal(n.values[1].string.size, 1);
    arena_release(&arena);
}

static void literals_elsewhere_stay(void **state) {
    static const char *const texts[] = {
        "SELECT 1",
        "SELECT a FROM t ORDER BY 1",
        "SELECT a FROM t WHERE a = 1 LIMIT 5",
        "SELECT a FROM t WHERE a = 1.5",
        "SELECT a FROM t WHERE a = 1::text",
        "SELECT a FROM t WHERE b = E'x'",
        "SELECT a FROM t WHERE b = 'it''s'",
        "SELECT a FROM t WHERE a = 1; SELECT 2",
        "SELECT a FROM t WHERE a = 1 -- note",
        "SELECT a FROM t WHERE a = $1",
        "SELECT a FROM t WHERE a = 1 + 2 * 3 GROUP BY a",
        "SELECT a FROM t WHERE e = date '2020-01-01'",
        "SELECT a FROM t WHERE a = 12345678901",
        "BEGIN",
        "CREATE TABLE x(a int DEFAULT 5)",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct arena arena = {0};
        struct normalized n;
        const char *text = normalized_text(&arena, texts[i], &n);
        if (text != NULL)
            fail_msg("%s became %s", texts[i], text);
        arena_release(&arena);
    }
}

static enum status prepare(struct fiber *f, struct work *work, const char *text) {
    static const struct sql_options options;
    struct statement *statement;
    TRY(sql_prepare_text(f, text, work->schema, &options, &statement));
    statement_release(statement);
    return STATUS_OK;
}

static char *repeated(const char *start, const char *piece, size_t count, const char *end) {
    char *text = malloc(strlen(start) + strlen(piece) * count + strlen(end) + 1), *at = text;
    at = stpcpy(at, start);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, piece);
    strcpy(at, end);
    return text;
}

static enum status depth_body(struct fiber *f, void *argument) {
    struct database database;
    struct work work;
    database_open(f, &database, true);
    work_begin(f, &work, &database);
    static const char *const pieces[] = {
        "(", "not ", "- ", "1 + ", "1 = 1 or ", "case when ", "select 1 union all "};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        char *text = repeated("select ", pieces[i], 200000, "1");
        enum status status = prepare(f, &work, text);
        assert_int_not_equal(status, STATUS_OK);
        free(text);
        /* Just below the limits nothing overflows, whatever the answer is. */
        text = repeated("select ", pieces[i], 1990, "1");
        if (prepare(f, &work, text) != STATUS_OK)
            error_clear();
        free(text);
    }
    char *text = repeated("select ", "1 + ", 500, "1");
    assert_ok(prepare(f, &work, text));
    free(text);
    work_rollback(f, &work);
    database_close(f, &database);
    return STATUS_OK;
}

static void deep_nesting_is_refused(void **state) {
    fixture_run(depth_body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_beside_operators_become_parameters),
        cmocka_unit_test(literals_elsewhere_stay),
        cmocka_unit_test(deep_nesting_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
