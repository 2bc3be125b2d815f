/* Freezing as a user steers and sees it. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "sql_runner.h"

static struct sql_runner *runner;
static struct sql_session *s, *other;

static int group_setup(void **state) {
    runner = sql_runner_open(1);
    s = sql_session_open(runner);
    other = sql_session_open(runner);
    return 0;
}

static int group_teardown(void **state) {
    sql_runner_close(runner);
    return 0;
}

static int setup(void **state) {
    sql_run(other, "rollback");
    sql_run(s, "rollback; drop table if exists t");
    return 0;
}

static void the_option_is_changed_and_kept(void **state) {
    const char *options = "select reloptions from pg_class where relname = 't'";
    sql_run(s, "create table t(a int primary key, b int) with (freeze = off)");
    assert_sql(s, options, "{freeze=off}\n");
    assert_sql(s, "alter table t set (freeze = eager)", "ALTER TABLE\n");
    assert_sql(s, options, "{freeze=eager}\n");
    assert_sql(s, "alter table t set (freeze = on)", "ALTER TABLE\n");
    assert_sql(s, options, "NULL\n");
    assert_sql(s, "alter table t set (fillfactor = 70, freeze = off)", "ALTER TABLE\n");
    assert_sql(s, options, "{freeze=off}\n");
    assert_sql(s, "alter table t reset (freeze)", "ALTER TABLE\n");
    assert_sql(s, options, "NULL\n");
    sql_run(s, "begin; alter table t set (freeze = off); rollback");
    assert_sql(s, options, "NULL\n");
    sql_run(s, "drop table t; create table t(a int primary key, b int) with (partition_by = a)");
    assert_sql(s, "alter table t set (freeze = off)", "ALTER TABLE\n");
    assert_sql(s, options, "{partition_by=a,freeze=off}\n");
}

static void wrong_options_are_refused(void **state) {
    sql_run(s, "create table t(a int)");
    const char *got = sql_run(s, "alter table t set (freeze = sometimes)");
    assert_memory_equal(got, "ERROR 22023", 11);
    got = sql_run(s, "create table u(a int) with (freeze = 3)");
    assert_memory_equal(got, "ERROR 22023", 11);
    got = sql_run(s, "alter table t set (partition_by = a)");
    assert_memory_equal(got, "ERROR 0A000", 11);
    got = sql_run(s, "alter table pg_class set (freeze = off)");
    assert_memory_equal(got, "ERROR 42501", 11);
}

static void wait_until(const char *sql, const char *want) {
    const char *got = "";
    for (int attempt = 0; attempt < 600 && strcmp(got, want) != 0; attempt++) {
        sql_run(s, "select pg_sleep(0.1)");
        got = sql_run(s, sql);
    }
    assert_string_equal(got, want);
}

static void eager_freezing_begins_when_it_is_asked_for(void **state) {
    sql_run(s, "create table t(a int, b int) with (freeze = off)");
    sql_run(s, "insert into t select i, i from generate_series(1, 1000) i");
    assert_sql(s, "select count(*) from satori_blocks where relname = 't'", "0\n");
    sql_run(s, "alter table t set (freeze = eager)");
    wait_until("select sum(rows) from satori_blocks where relname = 't'", "1000\n");
    assert_sql(s, "select blocks_made > 0, rows_frozen >= 1000 from satori_progress", "t|t\n");
}

/* A snapshot keeps the version it reads; the last one to leave lets it go. */
static void blocks_show_their_versions(void **state) {
    const char *blocks = "select sum(rows), sum(masked), max(versions), max(generation), "
                         "max(readers) from satori_blocks where relname = 't'";
    sql_run(s, "create table t(a int primary key, b int) with (freeze = off)");
    sql_run(s, "insert into t select i, i from generate_series(1, 1000) i");
    assert_sql(s, "vacuum (freeze) t", "VACUUM\n");
    assert_sql(s, blocks, "1000|0|1|1|0\n");
    sql_run(other, "begin isolation level repeatable read");
    assert_sql(other, "select sum(b) from t", "500500\n");
    assert_sql(s, "update t set b = 0 where a <= 100", "UPDATE 100\n");
    assert_sql(s, blocks, "1000|100|1|1|0\n");
    assert_sql(s, "vacuum (freeze) t", "VACUUM\n");
    assert_sql(s, blocks, "1000|0|2|2|0\n");
    assert_sql(other, "select sum(b) from t", "500500\n");
    sql_run(other, "commit");
    assert_sql(s, "select sum(b) from t", "495450\n");
    assert_sql(s, blocks, "1000|0|1|2|0\n");
}

/* A table that is written to all the time is frozen once scans have paid for it, and again. */
static void what_is_scanned_often_is_frozen_while_it_changes(void **state) {
    char sql[100];
    const char *got = "";
    sql_run(s, "create table t(a int primary key, b int)");
    sql_run(s, "insert into t select i, 0 from generate_series(1, 12000) i");
    int rounds = 0;
    for (; rounds < 20000 && strcmp(got, "t\n") != 0; rounds++) {
        sql_run(other, "begin");
        snprintf(sql, sizeof sql, "update t set b = b + 1 where a %% 4 = %d", rounds % 4);
        sql_run(other, sql);
        for (int i = 0; i < 10; i++)
            sql_run(s, "select sum(b) from t");
        sql_run(other, "commit");
        got = sql_run(s, "select min(generation) >= 2 from satori_blocks where relname = 't'");
    }
    assert_string_equal(got, "t\n");
    snprintf(sql, sizeof sql, "%d|12000\n", rounds * 3000);
    assert_sql(s, "select sum(b), count(*) from t", sql);
}

/* Six loads, each of which leaves a small block behind; a column was dropped and one added. */
static void load_six_times(const char *options) {
    char sql[200];
    snprintf(sql, sizeof sql, "create table t(a int primary key, gone text, b int) %s", options);
    sql_run(s, sql);
    for (int i = 0; i < 6; i++) {
        snprintf(sql, sizeof sql,
                 "insert into t select %d + i, 'x' || i, i %% 10 from generate_series(1, 18000) i",
                 i * 18000);
        assert_sql(s, sql, "INSERT 0 18000\n");
    }
    sql_run(s, "create index on t(b); alter table t drop column gone; "
               "alter table t add column late int default 7");
}

/* Blocks with rows, by partition: the fullest first. */
static const char *const blocks_with_rows =
    "select count(*) <= count(distinct partition), sum(rows) from satori_blocks "
    "where relname = 't' and rows > 0";

static void small_blocks_are_joined(void **state) {
    const char *sums = "select count(*), sum(a), sum(b), sum(late) from t";
    const char *by_index = "select count(*), sum(a) from t where b = 3";
    load_six_times("");
    assert_sql(s, "select count(*) >= 6, max(rows) < 3000 from satori_blocks where relname = 't'",
               "t|t\n");
    sql_run(other, "begin isolation level repeatable read");
    assert_sql(other, sums, "108000|5832054000|486000|756000\n");
    assert_sql(s, "vacuum (freeze) t", "VACUUM\n");
    assert_sql(s, blocks_with_rows, "t|108000\n");
    for (int look = 0; look < 2; look++) {
        struct sql_session *session = look == 0 ? other : s;
        assert_sql(session, sums, "108000|5832054000|486000|756000\n");
        assert_sql(session, by_index, "10800|583178400\n");
        assert_sql(session, "select * from t where a = 89999", "89999|9|7\n");
    }
    sql_run(other, "commit");
    assert_sql(s, "vacuum (freeze) t", "VACUUM\n");
    assert_sql(s, blocks_with_rows, "t|108000\n");
    assert_sql(s, sums, "108000|5832054000|486000|756000\n");
}

/* A table that does not say where its rows lie: they stay on their partition, which is frozen after
   they have come. */
static void joined_rows_are_frozen_at_once(void **state) {
    sql_run(s, "create table t(a int, b int)");
    for (int i = 0; i < 6; i++)
        sql_run(s, "insert into t select i, i from generate_series(1, 18000) i");
    assert_sql(s, "vacuum (freeze) t", "VACUUM\n");
    assert_sql(s, blocks_with_rows, "t|108000\n");
}

/* A range with all the rows that it has numbers for would be too large to be frozen. */
static void wide_rows_are_frozen(void **state) {
    sql_run(s, "create table t(a int primary key, b text) with (freeze = eager)");
    for (int i = 0; i < 12; i++) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "insert into t select %d + i, repeat(md5(i::text), 94) from "
                 "generate_series(1, 1000) i",
                 i * 1000);
        assert_sql(s, sql, "INSERT 0 1000\n");
    }
    wait_until("select sum(rows) from satori_blocks where relname = 't'", "12000\n");
    assert_sql(s, "select count(*), sum(a), sum(length(b)) from t", "12000|72006000|36096000\n");
}

/* What deleting leaves of many blocks comes together, too; here in the background. */
static void the_background_joins_small_blocks(void **state) {
    load_six_times("with (freeze = eager)");
    wait_until(blocks_with_rows, "t|108000\n");
    assert_sql(s, "select rows_moved > 0 from satori_progress", "t\n");
    assert_sql(s, "select count(*), sum(a), sum(b), sum(late) from t",
               "108000|5832054000|486000|756000\n");
}

/* A dump brings the rows first and the key then: the table is written anew, as blocks again. */
static void a_key_that_comes_later_leaves_blocks(void **state) {
    const char *digest =
        "select count(*), count(b), sum(length(b)), sum(a * c), min(b), max(a) from t";
    const char *in_blocks = "select sum(rows) > 30000 from satori_blocks where relname = 't'";
    char before[200];
    sql_run(s,
            "create table t(gone int, a int, b text); "
            "insert into t select 1, i, nullif(i % 10, 3)::text from generate_series(1, 60000) i; "
            "alter table t drop column gone; alter table t add column c int default 7; "
            "update t set b = repeat('long ', 3000) where a = 50000");
    assert_sql(s, in_blocks, "t\n");
    snprintf(before, sizeof before, "%s", sql_run(s, digest));
    assert_memory_equal(before, "60000|54000|68999|", 18);
    sql_run(s, "insert into t values (59999, 'x', 1)");
    assert_memory_equal(sql_run(s, "alter table t add primary key (a)"), "ERROR 23505", 11);
    sql_run(s, "delete from t where b = 'x'");
    sql_run(s, "begin; alter table t add primary key (a)");
    assert_sql(s, digest, before);
    sql_run(s, "rollback");
    assert_sql(s, digest, before);
    assert_sql(s, "alter table t add primary key (a)", "ALTER TABLE\n");
    assert_sql(s, digest, before);
    assert_sql(s, in_blocks, "t\n");
    assert_sql(s, "select length(b), c from t where a = 50000", "15000|7\n");
    assert_memory_equal(sql_run(s, "insert into t values (40000, 'y', 1)"), "ERROR 23505", 11);
    sql_run(s, "drop table t; create table t(a int) with (freeze = off); "
               "insert into t select generate_series(1, 60000); alter table t add primary key (a)");
    assert_sql(s, "select count(*) from satori_blocks where relname = 't'", "0\n");
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_option_is_changed_and_kept),
        CASE(wrong_options_are_refused),
        CASE(eager_freezing_begins_when_it_is_asked_for),
        CASE(blocks_show_their_versions),
        CASE(what_is_scanned_often_is_frozen_while_it_changes),
        CASE(small_blocks_are_joined),
        CASE(joined_rows_are_frozen_at_once),
        CASE(wide_rows_are_frozen),
        CASE(the_background_joins_small_blocks),
        CASE(a_key_that_comes_later_leaves_blocks),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
