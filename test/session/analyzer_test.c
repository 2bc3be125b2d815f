/* Statistics that come by themselves. */
#include "test.h"

#include <string.h>
#include <unistd.h>

#include "base/base_chance.h"
#include "sql_runner.h"

static struct sql_runner *runner;
static struct sql_session *s, *other;

/* No table waits for its minute. */
static bool at_once(const char *place) {
    return strcmp(place, "session: tables are analyzed early") == 0;
}

static int setup(void **state) {
    runner = sql_runner_open(1);
    s = sql_session_open(runner);
    other = sql_session_open(runner);
    return 0;
}

static int teardown(void **state) {
    sql_runner_close(runner);
    chance_set(NULL);
    return 0;
}

/* Ask until the answer is this one: half a minute at most. */
static void await(const char *query, const char *want) {
    for (int i = 0; i < 600 && strcmp(sql_run(s, query), want) != 0; i++)
        usleep(50000);
    assert_sql(s, query, want);
}

static const char *const rows = "select reltuples from pg_class where relname = 't'";

static void a_table_is_analyzed_when_it_has_rows(void **state) {
    sql_run(s, "create table t (a int, b text); create table small (a int);"
               "insert into small values (1)");
    assert_sql(s, "insert into t select g, 'x' from generate_series(1, 1000) g", "INSERT 0 1000\n");
    await(rows, "1000\n");
    assert_sql(s, "select n_distinct from pg_stats where tablename = 't' and attname = 'b'", "1\n");
    assert_sql(s, "select reltuples from pg_class where relname = 'small'", "-1\n");
    /* Twice as many. */
    sql_run(s, "insert into t select g, 'y' from generate_series(1, 1500) g");
    await(rows, "2500\n");
    assert_sql(s, "select n_distinct from pg_stats where tablename = 't' and attname = 'b'", "2\n");
}

/* ANALYZE by hand counts like one of ours: nothing has changed since. */
static void changes_are_counted_from_the_last_time(void **state) {
    sql_run(s, "create table t (a int); insert into t select generate_series(1, 1000); analyze t");
    assert_sql(s, rows, "1000\n");
    sql_run(s, "insert into t select generate_series(1, 100)"); /* not a tenth and 50 */
    usleep(2500000);
    assert_sql(s, rows, "1000\n");
    chance_set(at_once);
    sql_run(s, "insert into t values (1)");
    await(rows, "1101\n");
}

static void it_waits_for_no_lock(void **state) {
    chance_set(at_once);
    sql_run(s, "create table t (a int)");
    sql_run(other, "begin; lock table t in share update exclusive mode");
    sql_run(s, "insert into t select generate_series(1, 1000)");
    usleep(2500000);
    assert_sql(s, rows, "-1\n");
    sql_run(other, "commit");
    await(rows, "1000\n");
}

static void who_waits_for_it_is_let_in(void **state) {
    sql_run(s, "create table t (a int, b text)");
    sql_run(s, "insert into t select g, repeat(g::text, 9) from generate_series(1, 200000) g");
    const char *at_work =
        "select query from pg_stat_activity where backend_type = 'autovacuum worker' "
        "union all select 'done' from pg_class where relname = 't' "
        "and reltuples >= 0";
    for (int i = 0; i < 6000 && strcmp(sql_run(s, at_work), "") == 0; i++)
        usleep(5000);
    assert_sql(s, "alter table t add column c int", "ALTER TABLE\n");
    assert_sql(s, "select count(*) from t where c is null", "200000\n");
    chance_set(at_once);
    await(rows, "200000\n");
}

/* Long texts are cut, other long values are left out of the sample; empty ones are values. */
static void wide_values_take_little_room(void **state) {
    sql_run(s, "create table w (a text, b int[], c text)");
    sql_run(s, "insert into w select repeat(chr(97 + g % 3), 3000), array[g % 2], '' "
               "from generate_series(1, 600) g");
    sql_run(s, "insert into w select repeat('é', 2000), "
               "(select array_agg(x) from generate_series(1, 900) x), "
               "case when g % 2 = 0 then '' end from generate_series(1, 200) g");
    assert_sql(s, "analyze w", "ANALYZE\n");
    assert_sql(s,
               "select attname, null_frac, n_distinct, length(most_common_vals::text) "
               "from pg_stats where tablename = 'w' order by attname",
               "a|0|4|901\nb|0|2|13\nc|0.125|1|4\n");
}

/* Both write what they found, under names that are unique. */
static void two_that_analyze_wait_for_each_other(void **state) {
    sql_run(s, "create table t (a int); insert into t select generate_series(1, 1000)");
    sql_run(s, "begin; analyze t");
    sql_start(other, "analyze");
    assert_false(sql_done(other, 200));
    sql_run(s, "commit");
    assert_string_equal(sql_finish(other), "ANALYZE\n");
    sql_run(s, "begin; analyze");
    sql_start(other, "analyze t");
    assert_false(sql_done(other, 200));
    sql_run(s, "commit");
    assert_string_equal(sql_finish(other), "ANALYZE\n");
}

static void the_database_closes_meanwhile(void **state) {
    chance_set(at_once);
    sql_run(s, "create table t (a int, b text)");
    sql_run(s, "insert into t select g, repeat(g::text, 9) from generate_series(1, 100000) g");
    for (int i = 0; i < 8; i++) {
        sql_runner_reopen(runner);
        usleep(1000000 + i * 20000);
    }
    s = sql_session_open(runner);
    assert_sql(s, "select count(*) from t", "100000\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_table_is_analyzed_when_it_has_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_are_counted_from_the_last_time, setup, teardown),
        cmocka_unit_test_setup_teardown(it_waits_for_no_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_for_it_is_let_in, setup, teardown),
        cmocka_unit_test_setup_teardown(wide_values_take_little_room, setup, teardown),
        cmocka_unit_test_setup_teardown(two_that_analyze_wait_for_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(the_database_closes_meanwhile, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
