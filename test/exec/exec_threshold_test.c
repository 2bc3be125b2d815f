/* Top-n sorts that tell their scan what is still wanted, against the same without. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_random.h"
#include "sql_runner.h"
#include "test.h"

enum { ROWS = 80000, QUERIES = 40 };

/* Values in rising order (id), scattered ones, few different ones; nulls in some; and one column
   without nulls in blocks where all others have them. */
static void make_table(struct sql_session *s) {
    char text[512];
    snprintf(text, sizeof text,
             "insert into t select x, nullif(x %% 9, 4), (x * 7919) %% 100003, nullif((x * 31) %% "
             "5003, 77)::numeric / 100, case when x > 70000 then null else md5(x::text) end, "
             "nullif((x * 17) %% 257, 3)::float8 / 8, date '2000-01-01' + (x / 100)::int, "
             "nullif(substr(md5(x::text), 1, 2), 'aa')::char(4) from generate_series(1, %d) x",
             ROWS);
    assert_sql(s,
               "create table t(id int, few int2, v int8 not null, n numeric(10,2), s text, "
               "f float8, d date, c char(4)) with (freeze = off)",
               "CREATE TABLE\n");
    assert_true(strncmp(sql_run(s, text), "INSERT", 6) == 0);
    assert_sql(s, "create table few(few int2, name text)", "CREATE TABLE\n");
    assert_sql(s, "insert into few select x, 'f' || x from generate_series(0, 6) x",
               "INSERT 0 7\n");
}

static void change_table(struct sql_session *s) {
    assert_true(strncmp(sql_run(s, "update t set v = -v, n = n - 40, s = 'a' || s, d = null "
                                   "where id % 1000 < 3"),
                        "UPDATE", 6) == 0);
    assert_true(strncmp(sql_run(s, "delete from t where id % 500 = 7"), "DELETE", 6) == 0);
    assert_true(strncmp(sql_run(s, "insert into t select id + 200000, few, v * 2, n, s, f, d, c "
                                   "from t where id % 100 = 11"),
                        "INSERT", 6) == 0);
}

static const char *const columns[] = {"id", "few", "v", "n", "s", "f", "d", "c"};

/* FROM and WHERE of a random query; %s: the table. */
static const char *source(struct random *random) {
    static const char *const sources[] = {
        "%s t",
        "%s t",
        "%s t where few < 6",
        "%s t where n is not null and d > date '2000-05-05'",
        "(select id + 0 as i, few, v, n, s, f, d, c, id from %s u where v > 5000) t",
        "%s t join few using (few)",
        "%s t left join few on few.few = t.few and name <> 'f1'",
        "%s t where exists (select 1 from few where few.few = t.few)",
        "%s t where s like '%%a%%'",
        "%s t where v % 3 = 1",
    };
    return sources[random_below(random, sizeof sources / sizeof *sources)];
}

static void order_by(struct random *random, bool whole, char *text, size_t size) {
    static const char *const ways[] = {"", " desc", " nulls first", " desc nulls last",
                                       " desc nulls first"};
    size_t used = 0;
    uint32_t keys = whole ? (uint32_t)random_below(random, 3) : 1;
    for (uint32_t i = 0; i < keys; i++)
        used += (size_t)snprintf(text + used, size - used, "%st.%s%s", i > 0 ? ", " : "",
                                 columns[random_below(random, 8)], ways[random_below(random, 5)]);
    if (whole)
        snprintf(text + used, size - used, "%st.id%s, t.v", keys > 0 ? ", " : "",
                 ways[random_below(random, 5)]);
}

/* The same rows; a subquery with OFFSET is not looked into by the sort above it. */
static void compare(struct sql_session *s, struct random *random, unsigned number) {
    static const char *const tables[] = {"t", "(select * from t offset 0)"};
    char from[256], order[256], shown[256] = "t.id, t.v, t.n, t.s", text[1024];
    char *wanted = NULL;
    bool whole = random_below(random, 2) == 0;
    const char *format = source(random);
    uint64_t limit = random_below(random, 3) == 0 ? random_below(random, 3000) + 1
                                                  : random_below(random, 20) + 1;
    uint64_t offset = random_below(random, 4) == 0 ? random_below(random, 50) : 0;
    order_by(random, whole, order, sizeof order);
    if (!whole) /* which of several equal rows come is not said */
        snprintf(shown, sizeof shown, "%.*s", (int)strcspn(order, " "), order);
    for (int i = 0; i < 2; i++) {
        snprintf(from, sizeof from, format, tables[i]);
        snprintf(text, sizeof text, "select %s from %s order by %s limit %llu offset %llu", shown,
                 from, order, (unsigned long long)limit, (unsigned long long)offset);
        const char *got = sql_run(s, text);
        if (i == 0)
            wanted = strdup(got);
        else if (strcmp(wanted, got) != 0)
            fail_msg("query %u: %s", number, text);
        assert_null(strstr(got, "ERROR"));
    }
    free(wanted);
}

static void compare_many(struct sql_session *s, uint64_t seed) {
    struct random random;
    random_seed(&random, seed);
    for (unsigned i = 0; i < QUERIES; i++)
        compare(s, &random, i);
}

/* In rows, in blocks, and in blocks with newer rows above them; on one core and on two. */
static void the_first_rows_are_the_same(void **state) {
    for (unsigned cores = 1; cores <= 2; cores++) {
        struct sql_runner *runner = sql_runner_open(cores);
        struct sql_session *s = sql_session_open(runner);
        make_table(s);
        compare_many(s, cores * 10);
        assert_sql(s, "vacuum (freeze) t", "VACUUM\n");
        compare_many(s, cores * 10 + 1);
        assert_sql(s, "begin", "BEGIN\n");
        change_table(s);
        compare_many(s, cores * 10 + 2);
        assert_sql(s, "commit", "COMMIT\n");
        compare_many(s, cores * 10 + 3);
        sql_runner_close(runner);
    }
}

static unsigned blocks_skipped(const char *plan) {
    const char *at = strstr(plan, "Skipped: ");
    return at != NULL ? (unsigned)strtoul(at + strlen("Skipped: "), NULL, 10) : 0;
}

static void blocks_beyond_the_threshold_are_skipped(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    make_table(s);
    assert_sql(s, "vacuum (freeze) t", "VACUUM\n");
    const char *plan = sql_run(s, "explain analyze select * from t order by id limit 5");
    assert_true(blocks_skipped(plan) > 0);
    plan = sql_run(s, "explain analyze select * from t order by d, v limit 5");
    assert_true(blocks_skipped(plan) > 0);
    plan = sql_run(s, "explain analyze select * from (select * from t offset 0) x "
                      "order by id limit 5");
    assert_int_equal(blocks_skipped(plan), 0);
    sql_runner_close(runner);
}

/* What is on the way to the sort sees all rows if it may fail or count. */
static void errors_and_effects_stay(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    make_table(s);
    assert_sql(s, "vacuum (freeze) t", "VACUUM\n");
    assert_sql(s, "select id from t where 10 / (id - 79990) < 5 order by id limit 3",
               "ERROR 22012: division by zero\n");
    assert_sql(s, "select id from t where (select 1 / (t.id - 79990)) < 5 order by id limit 3",
               "ERROR 22012: division by zero\n");
    sql_runner_close(runner);
}

/* The sort runs again for each row outside, and what it had lent counts no more. */
static void a_threshold_ends_with_its_sort(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    make_table(s);
    assert_sql(s, "vacuum (freeze) t", "VACUUM\n");
    assert_sql(s,
               "select x, (select id from t where id > x order by id limit 1), (select id from t "
               "where id < x order by id desc nulls last limit 1) from (values (60000), (5), "
               "(79000)) u(x)",
               "60000|60001|59999\n5|6|4\n79000|79001|78999\n");
    assert_sql(s,
               "select x, v.id from (values (70000), (50)) u(x), lateral (select id from t "
               "where id >= x order by id limit 2) v",
               "70000|70000\n70000|70001\n50|50\n50|51\n");
    sql_runner_close(runner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rows_are_the_same),
        cmocka_unit_test(blocks_beyond_the_threshold_are_skipped),
        cmocka_unit_test(errors_and_effects_stay),
        cmocka_unit_test(a_threshold_ends_with_its_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
