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
    assert_string_equal(normalized_text(&arena,
                                        "insert into t values (1, 'x') on conflict (k) do update "
                                        "set v = t.v + 2 where t.k in (3) returning (v + 4)",
                                        &n),
                        "insert into t values ($1, $2) on conflict (k) do update "
                        "set v = t.v + 2 where t.k in (3) returning (v + 4)");
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
        "INSERT INTO t VALUES (1) RETURNING (a + 2)",
        "INSERT INTO t SELECT a FROM u JOIN v ON conflict = 1",
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING; SELECT 2",
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

static void words_that_look_at_literals_keep_them(void **state) {
    static const char *const words[] = {
        "group",    "order",    "having", "limit",     "offset", "on",       "returning", "case",
        "interval", "distinct", "union",  "intersect", "except", "fetch",    "in",        "between",
        "is",       "with",     "window", "date",      "time",   "TimeStamp"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        for (int longer = 0; longer < 2; longer++) {
            struct arena arena = {0};
            struct normalized n;
            char text[64];
            snprintf(text, sizeof text, "select a from t where %s%s and a = 1", words[i],
                     longer ? "x" : "");
            assert_true((normalized_text(&arena, text, &n) != NULL) == longer);
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

/* A text that nests: start, count times open, middle, count times close, end. */
struct nest {
    const char *start, *open, *middle, *close, *end;
};

static char *nest_text(const struct nest *nest, size_t count) {
    size_t size = strlen(nest->start) + strlen(nest->middle) + strlen(nest->end) + 1 +
                  (strlen(nest->open) + strlen(nest->close)) * count;
    char *text = malloc(size), *at = stpcpy(text, nest->start);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, nest->open);
    at = stpcpy(at, nest->middle);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, nest->close);
    strcpy(at, nest->end);
    return text;
}

static enum status prepare_nested(struct fiber *f, struct work *work, const struct nest *nest,
                                  size_t count) {
    char *text = nest_text(nest, count);
    enum status status = prepare(f, work, text);
    if (status != STATUS_OK)
        error_clear();
    free(text);
    return status;
}

static const struct nest nests[] = {
    {"select ", "(", "1", ")", ""},
    {"select ", "not ", "true", "", ""},
    {"select ", "- ", "x", "", ""},
    {"select 1", "", "", " + 1", ""},
    {"select 1", "", "", "::int", ""},
    {"select true", "", "", " is true", ""},
    {"select ", "case when true then ", "1", " end", ""},
    {"select ", "case when true or true then ", "1", " end", ""},
    {"select ", "abs(", "1", ")", ""},
    {"select ", "1 in (2, ", "1", ")", ""},
    {"select ", "(select ", "1", ")", ""},
    {"select * from ", "(values((select * from ", "t", ")))q", ""},
    {"select * from (select 1) a", "", "", " join (select 1) b on true or true", ""},
    {"select 1, 1", "", "", " union all select 1, 1", ""},
    {"with a as (", "with a as (", "select 1", ") select 1", ") select 1"},
    /* texts that end elsewhere than a careless reader thinks: the nesting follows them */
    {"select E'\\'', 1", "", "", " + 1", ""},
    {"select E'a'\n--'\n'\\'', 1", "", "", " + 1", ""},
    {"select $$'$$, 1", "", "", " + 1", ""},
    {"select $a$'$$\"$a$, 1", "", "", " + 1", ""},
    {"select 1 as a$$, 1", "", "", " + 1", " -- $$"},
    {"select --'\n 1", "", "", " + 1", ""},
    {"select /* ' /* \" */ ' */ 1", "", "", " + 1", ""},
    {"select 1 as \"'\", 1", "", "", " + 1", ""},
};

static enum status depth_body(struct fiber *f, void *argument) {
    struct database database;
    struct work work;
    database_open(f, &database, true);
    work_begin(f, &work, &database);
    for (size_t i = 0; i < sizeof nests / sizeof nests[0]; i++) {
        /* Nothing overflows, whatever the answer is, and it is no if there is much too much. */
        static const size_t counts[] = {1900, 3900, 11000, 25000};
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
            (void)prepare_nested(f, &work, &nests[i], counts[k]);
        assert_int_equal(prepare_nested(f, &work, &nests[i], 200000), STATUS_STATEMENT_TOO_COMPLEX);
    }
    /* Ten texts of 4,000 levels stacked up, each ended by a comma of the one around it. */
    char *sum = nest_text(&(struct nest){"", "", "", " + 1", ", 1)"}, 4000);
    struct nest stacked = {"select ", "coalesce(", "1, 1)", sum, ""};
    assert_int_equal(prepare_nested(f, &work, &stacked, 10), STATUS_STATEMENT_TOO_COMPLEX);
    free(sum);
    assert_ok(prepare_nested(f, &work, &(struct nest){"select 1", "", "", " + 1", ""}, 500));
    assert_ok(prepare_nested(f, &work, &(struct nest){"select '", "not ", "", "", "'"}, 100000));
    assert_ok(
        prepare_nested(f, &work, &(struct nest){"select 1 = 0", "", "", " or 1 = 2", ""}, 20000));
    work_rollback(f, &work);
    database_close(f, &database);
    return STATUS_OK;
}

static void deep_nesting_is_refused(void **state) {
    fixture_run(depth_body);
}

static bool travels(struct fiber *f, struct work *work, const char *text) {
    static const struct sql_options options;
    struct statement *statement;
    assert_ok(sql_prepare_text(f, text, work->schema, &options, &statement));
    bool answer = statement->plan->travels;
    statement_release(statement);
    return answer;
}

static enum status travel_body(struct fiber *f, void *argument) {
    struct database database;
    struct work work;
    database_open(f, &database, true);
    work_begin(f, &work, &database);
    define(f, &work, "create table t (a int primary key, b int)");
#define LIST "(values (1),(2),(3),(4),(5),(6),(7),(8),(9),(10),(11),(12),(13),(14),(15),(16))"
#define LONG LIST " x (i), " LIST " y (j), " LIST " z (k), " LIST " w (l), " LIST " v (m)"
    assert_true(travels(f, &work, "select count(*) from " LONG " where i + j = k"));
    assert_true(travels(f, &work, "select now(), i from " LONG));
    assert_false(travels(f, &work, "select 1"));
    assert_false(travels(f, &work, "select (select count(*) from " LONG ")")); /* that may */
    assert_false(travels(f, &work, "select b from t where a = 1"));
    assert_false(travels(f, &work, "select random(), i from " LONG));
    assert_false(travels(f, &work, "select i from " LONG ", generate_series(1, 2)"));
    assert_false(travels(f, &work, "insert into t select i, j from " LONG));
    assert_false(travels(f, &work, "update t set b = i from " LONG));
    assert_false(travels(f, &work, "delete from t using " LONG " where a = i"));
    work_rollback(f, &work);
    database_close(f, &database);
    return STATUS_OK;
}

/* On another core than the session's: what changes nothing and asks nothing of the session. */
static void long_queries_travel(void **state) {
    fixture_run(travel_body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_beside_operators_become_parameters),
        cmocka_unit_test(literals_elsewhere_stay),
        cmocka_unit_test(words_that_look_at_literals_keep_them),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(long_queries_travel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
