/* Whole statements, end to end, against the answers of PostgreSQL 15. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec_sql_cases.h"
#include "sql_runner.h"
#include "test.h"

static void answers_are_those_of_postgresql(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *session = sql_session_open(runner);
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof sql_cases / sizeof sql_cases[0]; i++) {
        const char *got = sql_run(session, sql_cases[i].text);
        bool fine = sql_cases[i].want != NULL ? strcmp(got, sql_cases[i].want) == 0
                                              : strncmp(got, "ERROR", 5) != 0;
        if (!fine) {
            print_error("%s\n  gives\n%s  not\n%s", sql_cases[i].text, got,
                        sql_cases[i].want != NULL ? sql_cases[i].want : "(success)\n");
            wrong++;
        }
    }
    sql_runner_close(runner);
    assert_int_equal(wrong, 0);
}

static void checks_say_which_row_failed(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table t(a int primary key, b int check (b > 0))", "CREATE TABLE\n");
    assert_sql(s, "insert into t values (1, 1), (2, 0)",
               "ERROR 23514: new row for relation \"t\" violates check constraint \"t_b_check\"\n");
    assert_sql(s, "insert into t values (1, 1), (2, null)", "INSERT 0 2\n");
    assert_sql(s, "update t set b = b - 1 where a = 1",
               "ERROR 23514: new row for relation \"t\" violates check constraint \"t_b_check\"\n");
    assert_sql(s, "select * from t order by a", "1|1\n2|NULL\n");
    sql_runner_close(runner);
}

/* A name that no scope knows ends the search through the scopes, there as anywhere. */
static void checks_know_their_table_only(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table t(a int check (b > 1))",
               "ERROR 42703: column \"b\" does not exist\n");
    assert_sql(s, "create table t(a int check (x.a > 1))",
               "ERROR 42P01: missing FROM-clause entry for table \"x\"\n");
    assert_sql(s, "create table t(a int)", "CREATE TABLE\n");
    assert_sql(s, "alter table t add check (b > 1)", "ERROR 42703: column \"b\" does not exist\n");
    sql_runner_close(runner);
}

/* A tree of operators that is too deep for a fiber's stack is refused, not run. */
static void plans_have_a_limit_of_depth(void **state) {
    static const char arm[] = " union all select 1";
    enum { ARMS = 1500 };
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    char *text = malloc(ARMS * sizeof arm + 64), *at = stpcpy(text, "select 1");
    for (int i = 0; i < ARMS; i++)
        at = stpcpy(at, arm);
    assert_sql(s, text, "ERROR 54001: stack depth limit exceeded\n");
    free(text);
    assert_sql(s, "select 1", "1\n");
    sql_runner_close(runner);
}

/* Rows are taken one after the other, NOT NULL before CHECK, unique keys last. */
static void the_first_row_at_fault_is_reported(void **state) {
    static const char *const null_a =
        "ERROR 23502: null value in column \"a\" of relation \"v\" violates not-null constraint\n";
    static const char *const null_b =
        "ERROR 23502: null value in column \"b\" of relation \"v\" violates not-null constraint\n";
    static const char *const check =
        "ERROR 23514: new row for relation \"v\" violates check constraint \"v_b_check\"\n";
    static const char *const unique =
        "ERROR 23505: duplicate key value violates unique constraint \"v_pkey\"\n";
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table v(a int primary key, b int not null check (b > 0))",
               "CREATE TABLE\n");
    assert_sql(s, "insert into v values (1, 1)", "INSERT 0 1\n");
    assert_sql(s, "insert into v values (1, 1), (2, null)", unique);
    assert_sql(s, "insert into v values (1, 1), (2, -1)", unique);
    assert_sql(s, "insert into v values (2, 1), (2, 1), (3, -1)", unique);
    assert_sql(s, "insert into v values (2, 1), (3, null), (4, -1)", null_b);
    assert_sql(s, "insert into v values (2, 1), (3, -1), (4, null)", check);
    assert_sql(s, "insert into v values (2, 1), (3, -1), (2, 1)", check);
    assert_sql(s, "insert into v values (2, 1), (3, null), (null, 1)", null_b);
    assert_sql(s, "insert into v values (null, -1)", null_a);
    assert_sql(s, "insert into v values (null, -1) on conflict do nothing", null_a);
    assert_sql(s, "update v set b = -1, a = null", null_a);
    assert_sql(s, "update v set b = -1, a = null where a = 1", null_a);
    assert_sql(s, "select * from v", "1|1\n");
    sql_runner_close(runner);
}

/* What of an IN list depends on no row is one list that is looked at first, wherever it stands; a
   list with NULL in it leaves nothing for NOT IN to find. */
static void lists_look_at_what_needs_no_row_first(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table l(a int primary key, z int)", "CREATE TABLE\n");
    assert_sql(s, "insert into l values (1, 0), (2, 1), (3, 2)", "INSERT 0 3\n");
    assert_sql(s, "select a from l where a not in (9, null, a % z)", "");
    assert_sql(s, "select a from l where a not in (a % z, 9, null)", "");
    assert_sql(s, "select a from l where a not in (9, a % z, 8)",
               "ERROR 22012: division by zero\n");
    assert_sql(s, "select a from l where a not in (9, z + 1, 8) order by a", "");
    assert_sql(s, "select a from l where a in (3, z, 2) order by a", "2\n3\n");
    assert_sql(s, "select a, a in (z, 3, null) from l order by a", "1|NULL\n2|NULL\n3|t\n");
    sql_runner_close(runner);
}

/* An immutable function of constants is run when the statement is planned, rows or not, unless it
   stands where PostgreSQL's folding does not come either. */
static void constants_at_fault_are_errors_without_rows(void **state) {
    static const char *const zero = "ERROR 22012: division by zero\n";
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table e(a int primary key, b int)", "CREATE TABLE\n");
    assert_sql(s, "select 3.14159 / round(0.00, 1) from e", zero);
    assert_sql(s, "update e set b = (1 % length('')) where a = 7", zero);
    assert_sql(s, "delete from e where b = 1 / 0", zero);
    assert_sql(s, "insert into e select 1, 1 / 0 from e", zero);
    assert_sql(s, "select 1.5 / nullif(0.00, 2), 2147483647 + b from e where false", zero);
    assert_sql(s, "select 2147483647 + 1 from e", "ERROR 22003: integer out of range\n");
    assert_sql(s, "explain select 1 / 0", zero);
    assert_sql(s, "select exists (select 1 / 0), exists (select 1 / 0 from e)", "t|f\n");
    assert_sql(s, "select exists (select 1 / 0 limit 1), nullif(1, 2.0)", "t|1\n");
    assert_sql(s, "select 1 where exists (select 1 / 0 limit 0)", zero);
    assert_sql(s, "select a from (select a, 1 / 0 as z from e) s", "");
    assert_sql(s, "select count(*) from (select a, 1 / 0 from e group by a limit 3) s", "0\n");
    assert_sql(s, "select a from (select distinct a, 1 / 0 from e) s", zero);
    assert_sql(s, "select pg_typeof(x) from (select distinct 'a' as x union select 'b'::varchar) s",
               "text\ntext\n");
    assert_sql(s, "select a from (select a, 1 / 0 from e union all select 1, 2) s", zero);
    assert_sql(s, "select z from (select a, 1 / 0 as z from e) s where a = 1", zero);
    assert_sql(s, "with c as (select 1 / 0 as x, 2 as y) select y from c", "2\n");
    assert_sql(s, "with c as materialized (select 1 / 0 as x, 2 as y) select y from c", zero);
    assert_sql(s, "prepare p as select 1 / 0", "PREPARE\n");
    assert_sql(s, "execute p", zero);
    assert_sql(s, "select case when b > 1 then 1 / 0 else 1 end from e", zero);
    assert_sql(s, "select 1 from e where 1 / 0 > 1 and false", zero);
    assert_sql(s, "select 1 from e where false and 1 / 0 > 1", "");
    assert_sql(s, "select 1 from e where b = 1 or true or 1 / 0 > 1", "");
    assert_sql(s, "select case when false then 1 / 0 when true then 2 else 1 / 0 end", "2\n");
    assert_sql(s, "select case 1 when 1 then 'a' when 2 then (1 / 0)::text end", "a\n");
    assert_sql(s, "select coalesce(1, 1 / 0), coalesce(null, 7)", "1|7\n");
    assert_sql(s, "select coalesce(b, 1 / 0) from e", zero);
    assert_sql(s, "select ('x' || 'y')::date from e", "");
    assert_sql(s, "create table d(a int default 1 / 0, b int)", "CREATE TABLE\n");
    assert_sql(s, "insert into d(b) values (1)", zero);
    assert_sql(s, "insert into d values (1, 1)", "INSERT 0 1\n");
    assert_sql(s, "select b / 0 + null, null = b, b in (null) from d", "NULL|NULL|NULL\n");
    assert_sql(s, "select b from d where b = null or a = 1", "1\n");
    assert_sql(s, "select case when true then 1.50::numeric(10,2) else 2.123 end from d", "1.50\n");
    sql_runner_close(runner);
}

/* Wide values beside a narrow column: the index is used, and the ends of its range are right. */
static void wide_values_use_narrow_indexes(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table w(a int primary key, b smallint) with (freeze = off)",
               "CREATE TABLE\n"); /* in blocks a scan would be cheaper */
    assert_sql(s, "insert into w select g, g % 100 from generate_series(1, 20000) g",
               "INSERT 0 20000\n");
    assert_sql(s, "insert into w values (2147483647, 32767), (-2147483648, -32768)",
               "INSERT 0 2\n");
    assert_sql(s, "create index on w(b)", "CREATE INDEX\n");
    assert_sql(s, "analyze w", "ANALYZE\n");
    assert_sql(s, "explain (costs off) select b from w where a in (5::bigint, 9000000000)",
               "Index Scan using w_pkey on w\n  Index Cond: ((a)::bigint = ANY (ARRAY['5'::bigint, "
               "'9000000000'::bigint]))\n");
    assert_sql(s, "explain (costs off) select b from w where a > 9000000000",
               "Index Scan using w_pkey on w\n"
               "  Index Cond: ((a)::bigint > '9000000000'::bigint)\n");
    assert_sql(s, "select a from w where a in (5::bigint, 9000000000, null)", "5\n");
    assert_sql(s, "select count(*) from w where b in (5, 70000, 7)", "400\n");
    assert_sql(s, "select a from w where a >= 2147483647::bigint", "2147483647\n");
    assert_sql(s, "select a from w where a > 2147483647::bigint", "");
    assert_sql(s, "select a from w where a <= -2147483648::bigint", "-2147483648\n");
    assert_sql(s, "select a from w where a < -2147483648::bigint", "");
    assert_sql(s, "select b from w where b > 32766 or b < -32767", "32767\n-32768\n");
    assert_sql(s, "select b from w where b > 32767", "");
    assert_sql(s, "prepare r(bigint) as select count(*) from w where a between $1 and 3",
               "PREPARE\n");
    assert_sql(s, "explain (costs off) execute r(1)",
               "Aggregate\n  ->  Index Scan using w_pkey on w\n"
               "        Index Cond: (((a)::bigint >= $1) AND (a <= 3))\n");
    assert_sql(s, "execute r(2)", "2\n");
    assert_sql(s, "execute r(-9000000000)", "4\n");
    assert_sql(s, "execute r(9000000000)", "0\n");
    assert_sql(s, "execute r(null)", "0\n");
    assert_sql(s, "prepare l(bigint) as select a from w where a < $1 and a < 3 and a > -5",
               "PREPARE\n");
    assert_sql(s, "execute l(2)", "1\n");
    assert_sql(s, "execute l(9223372036854775807)", "1\n2\n");
    assert_sql(s, "execute l(-9223372036854775808)", "");
    assert_sql(s, "prepare g(bigint) as select count(*) from w where a > $1 and a > 19998",
               "PREPARE\n");
    assert_sql(s, "execute g(-9223372036854775808)", "3\n");
    assert_sql(s, "execute g(9223372036854775807)", "0\n");
    assert_sql(s, "execute g(2147483646)", "1\n");
    assert_sql(s, "execute g(2147483647)", "0\n");
    sql_runner_close(runner);
}

/* pg_get_constraintdef and pg_get_expr show casts as PostgreSQL would have made them. */
static void stored_expressions_read_as_written(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s,
               "create table c(a numeric(10,2) default 5 check (a > 0), b bigint default -5 "
               "check (b > 0 and b < 100), c smallint default 1 check (c between 1 and 5), "
               "d real check (d > 1), e varchar(5) default 'x' check (length(e) < 5), "
               "f char(3) default 'a' check (f = 'abc'), g numeric(5,1) check (g in (1, 2)), "
               "h int default 1 + 2 check (case when h > 1 then true else false end))",
               "CREATE TABLE\n");
    assert_sql(s,
               "select pg_get_constraintdef(oid) from pg_constraint "
               "where conrelid = 'c'::regclass order by conname",
               "CHECK ((a > (0)::numeric))\n"
               "CHECK (((b > 0) AND (b < 100)))\n"
               "CHECK (((c >= 1) AND (c <= 5)))\n"
               "CHECK ((d > (1)::double precision))\n"
               "CHECK ((length((e)::text) < 5))\n"
               "CHECK ((f = 'abc'::bpchar))\n"
               "CHECK ((g = ANY (ARRAY[(1)::numeric, (2)::numeric])))\n"
               "CHECK (\nCASE\n    WHEN (h > 1) THEN true\n    ELSE false\nEND)\n");
    assert_sql(s,
               "select pg_get_expr(adbin, adrelid) from pg_attrdef "
               "where adrelid = 'c'::regclass order by adnum",
               "5\n'-5'::integer\n1\n'x'::character varying\n'a'::bpchar\n(1 + 2)\n");
    assert_sql(s, "insert into c(b, d, e, f, g) values (7, 2, 'abcd', 'abc', 2)", "INSERT 0 1\n");
    assert_sql(s, "select * from c", "5.00|7|1|2|abcd|abc|2.0|3\n");
    assert_sql(s, "insert into c(b) values (100)",
               "ERROR 23514: new row for relation \"c\" violates check constraint \"c_b_check\"\n");
    assert_sql(s, "insert into c(g) values (3)",
               "ERROR 23514: new row for relation \"c\" violates check constraint \"c_b_check\"\n");
    assert_sql(s, "insert into c(b, f, g) values (1, 'abc', 3)",
               "ERROR 23514: new row for relation \"c\" violates check constraint \"c_g_check\"\n");
    sql_runner_close(runner);
}

/* An int8 against an int4 key uses its index when it fits, and finds nothing when it does not. */
static void wider_parameters_use_the_index(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table k(a int primary key, b smallint)", "CREATE TABLE\n");
    assert_sql(s, "create index on k (b)", "CREATE INDEX\n");
    assert_sql(s, "insert into k select x, x % 100 from generate_series(1, 1000) x",
               "INSERT 0 1000\n");
    assert_sql(s, "prepare p(bigint) as select b from k where a = $1", "PREPARE\n");
    assert_sql(s, "execute p(105)", "5\n");
    assert_sql(s, "execute p(5000000000)", "");
    assert_sql(s, "execute p(-4294967191)", "");
    assert_sql(s, "execute p(null)", "");
    assert_sql(s, "prepare q(int) as select count(*) from k where b = $1", "PREPARE\n");
    assert_sql(s, "execute q(5)", "10\n");
    assert_sql(s, "execute q(65541)", "0\n");
    assert_sql(s, "prepare u(bigint) as update k set b = 7 where a = $1", "PREPARE\n");
    assert_sql(s, "execute u(9)", "UPDATE 1\n");
    assert_sql(s, "execute u(4294967305)", "UPDATE 0\n");
    sql_runner_close(runner);
}

/* Of varchar and text the first decides; NULLIF gives what it compared. */
static void common_types_are_those_of_postgresql(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table w(v varchar(5), t text)", "CREATE TABLE\n");
    assert_sql(s, "insert into w values ('a', 'bcdefgh')", "INSERT 0 1\n");
    assert_sql(s,
               "select pg_typeof(coalesce(v, t)), pg_typeof(coalesce(t, v)), "
               "pg_typeof(nullif(v, 'x')), pg_typeof(case when true then t else v end), "
               "coalesce(nullif(v, 'a'), t) from w",
               "character varying|text|text|character varying|bcdefgh\n");
    assert_sql(s, "select v from w union all select t from w order by 1", "a\nbcdefgh\n");
    sql_runner_close(runner);
}

/* READ COMMITTED: a row that changed while we waited is looked at again. */
static void changed_rows_are_rechecked(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *a = sql_session_open(runner), *b = sql_session_open(runner);
    assert_sql(a, "create table t(k int primary key, v int)", "CREATE TABLE\n");
    assert_sql(a, "insert into t select x, 10 from generate_series(1, 3) x", "INSERT 0 3\n");
    assert_sql(a, "begin", "BEGIN\n");
    assert_sql(a, "update t set v = v + 1 where k = 1", "UPDATE 1\n");
    assert_sql(a, "update t set v = 99 where k = 2", "UPDATE 1\n");
    sql_start(b, "update t set v = v * 2 where v < 50");
    assert_false(sql_done(b, 50));
    assert_sql(a, "commit", "COMMIT\n");
    assert_string_equal(sql_finish(b), "UPDATE 2\n");
    assert_sql(b, "select k, v from t order by k", "1|22\n2|99\n3|20\n");
    /* by key: the short path */
    assert_sql(a, "begin", "BEGIN\n");
    assert_sql(a, "update t set v = 1000 where k = 3", "UPDATE 1\n");
    sql_start(b, "update t set v = v + 1 where k = 3 and v > 500");
    sql_done(b, 50); /* need not wait */
    assert_sql(a, "commit", "COMMIT\n");
    assert_string_equal(sql_finish(b), "UPDATE 0\n"); /* its snapshot has v = 20 */
    assert_sql(b, "select v from t where k = 3", "1000\n");
    assert_sql(a, "begin", "BEGIN\n");
    assert_sql(a, "update t set v = 5 where k = 3", "UPDATE 1\n");
    sql_start(b, "update t set v = v + 1 where k = 3 and v > 500");
    assert_false(sql_done(b, 50));
    assert_sql(a, "commit", "COMMIT\n");
    assert_string_equal(sql_finish(b), "UPDATE 0\n"); /* the newest version has v = 5 */
    sql_runner_close(runner);
}

/* Workers side by side give what one pass gives, own changes included. */
static void parallel_groups_equal_serial_ones(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    static const char *const from[] = {"big", "(select * from big offset 0) x"};
    char *answers[2];
    assert_sql(s, "create table big(id int primary key, g text, v numeric(12,2), d float8)",
               "CREATE TABLE\n");
    assert_sql(s,
               "insert into big select x, case when x % 11 = 0 then null else 'g' || x % 7 end,"
               " x % 1000 / 4.0, x from generate_series(1, 120000) x",
               "INSERT 0 120000\n");
    assert_sql(s, "begin", "BEGIN\n");
    assert_sql(s, "update big set v = v + 1 where id % 100 = 0", "UPDATE 1200\n");
    for (int i = 0; i < 2; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "select g, count(*), sum(v), avg(v), min(id), max(g), stddev(v), avg(d),"
                 " count(*) filter (where id > 5000) from %s where id > 10 group by g order by g",
                 from[i]);
        answers[i] = strdup(sql_run(s, text));
    }
    assert_true(strncmp(answers[0], "g0|", 3) == 0);
    assert_string_equal(answers[0], answers[1]);
    free(answers[0]);
    free(answers[1]);
    assert_sql(s, "select count(*), sum(id) from big", "120000|7200060000\n");
    assert_sql(s, "select 1 / (min(id) - 1) from big", "ERROR 22012: division by zero\n");
    assert_sql(s, "rollback", "ROLLBACK\n");
    assert_sql(s, "select sum(10 / (id - 77)) from big", "ERROR 22012: division by zero\n");
    assert_sql(s, "select count(*) from big", "120000\n");
    sql_runner_close(runner);
}

/* Rows by key while partitions lie on two cores: what is evaluated there, and its errors. */
static void changes_by_key_reach_every_core(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *a = sql_session_open(runner), *b = sql_session_open(runner);
    assert_sql(a, "create table t(k int primary key, v int check (v < 1000), w text not null)",
               "CREATE TABLE\n");
    assert_sql(a, "insert into t select x, 0, 'w' from generate_series(1, 60000) x",
               "INSERT 0 60000\n");
    assert_sql(a, "select sum(v) from t", "0\n"); /* has the partitions spread */
    for (int k = 1; k <= 32; k++) {
        char text[200], want[100];
        snprintf(text, sizeof text,
                 "update t set v = v + %d, w = w || v where k = %d and v = 0 returning v, w, k", k,
                 k);
        snprintf(want, sizeof want, "%d|w0|%d\n", k, k);
        assert_string_equal(sql_run(a, text), want);
        snprintf(text, sizeof text, "update t set v = v * 1000 where k = %d", k);
        assert_true(strncmp(sql_run(a, text), "ERROR 23514", 11) == 0);
        snprintf(text, sizeof text, "update t set v = 1 / (v - %d) where k = %d", k, k);
        assert_sql(a, text, "ERROR 22012: division by zero\n");
        snprintf(text, sizeof text, "update t set w = null where k = %d", k);
        assert_true(strncmp(sql_run(a, text), "ERROR 23502", 11) == 0);
        snprintf(text, sizeof text, "update t set v = (select count(*) from t) where k = %d", k);
        assert_true(strncmp(sql_run(a, text), "ERROR 23514", 11) == 0);
    }
    assert_sql(a, "select sum(v), count(*) from t where v > 0", "528|32\n");
    /* waits for a row's lock there, and goes on with its newest version, or is cancelled */
    for (int k = 1; k <= 8; k++) {
        char text[200];
        snprintf(text, sizeof text, "begin; update t set v = 500 where k = %d", k);
        assert_sql(a, text, "BEGIN\nUPDATE 1\n");
        snprintf(text, sizeof text, "update t set v = v + 1 where k = %d", k);
        sql_start(b, text);
        assert_false(sql_done(b, 20));
        if (k % 2 == 0)
            sql_cancel(b);
        else
            assert_sql(a, "commit", "COMMIT\n");
        assert_string_equal(sql_finish(b),
                            k % 2 == 0 ? "ERROR 57014: canceling statement due to user request\n"
                                       : "UPDATE 1\n");
        if (k % 2 == 0)
            assert_sql(a, "rollback", "ROLLBACK\n");
        char want[40];
        snprintf(text, sizeof text, "delete from t where k = %d returning v", k);
        snprintf(want, sizeof want, "%d\n", k % 2 == 0 ? k : 501);
        assert_string_equal(sql_run(a, text), want);
    }
    assert_sql(a, "select sum(v), count(*) from t where v > 0", "492|24\n");
    sql_runner_close(runner);
}

/* All conjuncts are tested in the scan: nothing is left for the filter to remove, of hot rows or of
   blocks. */
static void every_conjunct_is_tested_in_the_scan(void **state) {
    static const char text[] = "explain analyze select sum(b) from t where a > 100 and a <= 9000 "
                               "and d >= date '2000-01-15' and n between 0.105 and 7.5 and b < 90";
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table t(a int, b int8, d date, n numeric(10,2)) with (freeze = off)",
               "CREATE TABLE\n");
    assert_sql(s,
               "insert into t select x, x % 100, date '2000-01-01' + x % 60, (x % 1000)::numeric / "
               "100 from generate_series(1, 10000) x",
               "INSERT 0 10000\n");
    for (int frozen = 0; frozen < 2; frozen++) {
        const char *plan = sql_run(s, text);
        assert_non_null(strstr(plan, "Filter: "));
        assert_null(strstr(plan, "Rows Removed"));
        assert_sql(s, "vacuum (freeze) t", "VACUUM\n");
    }
    sql_runner_close(runner);
}

/* Of a scan EXPLAIN ANALYZE tells blocks, how many of them needed no look at their values, and the
   rows beside them. The second and third time the hot rows come from the columns beside their
   leaves; a change in between is seen. */
static void a_plan_tells_blocks_and_hot_rows(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table t(a int primary key, b int, c text) with (freeze = off)",
               "CREATE TABLE\n");
    assert_sql(s, "insert into t select x, x % 100, 'x' from generate_series(1, 10000) x",
               "INSERT 0 10000\n");
    assert_null(strstr(sql_run(s, "explain analyze select sum(b) from t"), "Blocks"));
    assert_sql(s, "vacuum (freeze) t", "VACUUM\n");
    const char *plan = sql_run(s, "explain analyze select sum(b) from t");
    assert_non_null(strstr(plan, "Skipped: 0  Read: "));
    assert_non_null(strstr(plan, "kB  Hot Rows: 0\n"));
    assert_sql(s, "update t set b = b + 1000 where a % 10 = 0", "UPDATE 1000\n");
    assert_sql(s, "delete from t where a % 100 = 1", "DELETE 100\n");
    for (int round = 0; round < 3; round++) {
        plan = sql_run(s, "explain analyze select sum(b) from t where b >= 0");
        assert_non_null(strstr(plan, "kB  Hot Rows: 1100\n"));
        plan = sql_run(s, "explain analyze select sum(b) from t where b > 500 and c = 'x'");
        assert_null(strstr(plan, "Skipped: 0 "));
        assert_non_null(strstr(plan, "kB  Hot Rows: 1100\n"));
        assert_sql(s, "select count(*), sum(b), min(c), max(b) from t where b > 500",
                   round < 2 ? "1000|1045000|x|1090\n" : "1000|1045001|x|1091\n");
        if (round == 1)
            assert_sql(s, "update t set b = b + 1 where a = 90", "UPDATE 1\n");
    }
    sql_runner_close(runner);
}

/* Conditions that tests of blocks stand for are not evaluated again, and columns that only they
   read not decoded; others are, also where a block lacks a column. */
static void conditions_on_blocks_are_all_made(void **state) {
    static const char *const conditions[] = {
        "b = 5 or a between 7 and 9",
        "b < 10",
        "b < 10 and c like '%7'",
        "b < 10 and a % 7 = b % 7",
        "a % 7 = b % 7 and n > 12.5 and b <> 3",
        "b in (1, 2, null) and c is not null",
        "n is null and b < 50",
        "e = 7",
        "e > 7 and b < 90",
        "e is null or b = 11",
        "b < (select max(b) / 2 from %s)",
        "exists (select from %s x where x.a = y.b and x.b < 20)",
        "b = 3 and length(y::text) > 5",
    };
    static const char *const outputs[] = {"count(*), sum(a)", "min(c), max(b)", "count(y)",
                                          "sum(e)"};
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    for (int i = 0; i < 2; i++) {
        char text[400];
        const char *name = i == 0 ? "cold" : "hot";
        snprintf(text, sizeof text,
                 "create table %s(a int primary key, b int, c text, n numeric(10,2))", name);
        sql_run(s, text);
        snprintf(text, sizeof text,
                 "alter table %s set (freeze = off); insert into %s select x, x %% 100, "
                 "case when x %% 13 <> 0 then 'c' || x %% 17 end, "
                 "case when x %% 11 <> 0 then x %% 2500 / 100.0 end "
                 "from generate_series(1, 10000) x",
                 name, name);
        sql_run(s, text);
        if (i == 0)
            assert_sql(s, "vacuum (freeze) cold", "VACUUM\n");
        snprintf(
            text, sizeof text,
            "alter table %s add column e int default 7; update %s set e = b where a %% 10 = 0; "
            "delete from %s where a %% 101 = 1",
            name, name, name);
        sql_run(s, text);
    }
    for (int round = 0; round < 3; round++) {
        for (size_t c = 0; c < sizeof conditions / sizeof *conditions; c++) {
            for (size_t o = 0; o < sizeof outputs / sizeof *outputs; o++) {
                char got[2][400];
                for (int i = 0; i < 2; i++) {
                    const char *name = i == 0 ? "cold" : "hot";
                    char condition[200], text[400];
                    snprintf(condition, sizeof condition, conditions[c], name);
                    snprintf(text, sizeof text, "select %s from %s y where %s", outputs[o], name,
                             condition);
                    snprintf(got[i], sizeof got[i], "%s", sql_run(s, text));
                }
                if (strncmp(got[1], "ERROR", 5) == 0)
                    fail_msg("%s: %s", conditions[c], got[1]);
                if (strcmp(got[0], got[1]) != 0)
                    fail_msg("%s where %s: %s instead of %s", outputs[o], conditions[c], got[0],
                             got[1]);
            }
        }
        if (round == 1)
            assert_sql(s, "vacuum (freeze) cold", "VACUUM\n");
    }
    sql_runner_close(runner);
}

/* Rows that came since ANALYZE, or a parameter: when a range holds more than an index is good for,
   all rows are read. */
static void ranges_are_measured_before_an_index_is_used(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table t(k int primary key, v int); create index on t(v)",
               "CREATE TABLE\nCREATE INDEX\n");
    assert_sql(s, "insert into t select x, x % 100 from generate_series(1, 20000) x",
               "INSERT 0 20000\n");
    assert_sql(s, "analyze t", "ANALYZE\n");
    assert_sql(s, "insert into t select x, x % 100 from generate_series(20001, 30000) x",
               "INSERT 0 10000\n");
    const char *plan = sql_run(s, "explain analyze select count(*) from t where k > 20000");
    assert_non_null(strstr(plan, "Index Not Used: about "));
    assert_null(strstr(plan, "Rows Removed"));
    plan = sql_run(s, "explain analyze select count(*) from t where k > 29990");
    assert_non_null(strstr(plan, "Index Cond"));
    assert_null(strstr(plan, "Index Not Used"));
    assert_sql(s, "select count(*), min(k), max(k) from t where k > 20000 and v <> 7",
               "9900|20001|30000\n");
    assert_sql(s, "select count(*), sum(k) from t where k >= 20011 and k <= 29990 and k % 2 = 0",
               "4990|124754990\n");
    assert_sql(s, "select k from t where k > 20000 order by k limit 2", "20001\n20002\n");
    assert_sql(s, "select count(*) from t where v > 100", "0\n");
    assert_sql(s, "begin; delete from t where k > 20005; insert into t values (40000, 500)",
               "BEGIN\nDELETE 9995\nINSERT 0 1\n");
    assert_sql(s, "select k, v from t where k > 20003 order by v", "20004|4\n20005|5\n40000|500\n");
    assert_sql(s, "update t set v = 501 where v > 99 and v <= 500", "UPDATE 1\n");
    assert_sql(s, "rollback", "ROLLBACK\n");
    static const char *const parameters[] = {"20000"};
    assert_string_equal(sql_run_prepared(s, "select count(*) from t where k > $1", parameters, 1),
                        "10000\n");
    sql_runner_close(runner);
}

/* With a key among the groups the relation's other columns tell nothing apart; with a unique column
   that may be null they do. */
static void groups_follow_from_keys(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s,
               "create table t(a int, b int, c text, u int unique, primary key (a, b));"
               "insert into t values (1, 1, 'x', null), (1, 2, 'x', null), (2, 1, 'y', 5);"
               "create table r(k int, n int); insert into r values (1, 1), (1, 1), (2, 3), (9, 1)",
               "CREATE TABLE\nINSERT 0 3\nCREATE TABLE\nINSERT 0 4\n");
    assert_sql(s, "select a, b, c, count(*) from t group by c, a, b order by 1, 2",
               "1|1|x|1\n1|2|x|1\n2|1|y|1\n");
    assert_sql(s, "select a, c, count(*) from t group by c, a order by 1", "1|x|2\n2|y|1\n");
    assert_sql(s, "select u, b, count(*) from t group by u, b order by 1 nulls first, 2",
               "NULL|1|1\nNULL|2|1\n5|1|1\n");
    assert_sql(
        s,
        "select t.a, t.c, t.b, r.n, count(*), sum(t.u) from r left join t on a = k and b = n "
        "group by 1, 2, 3, 4 order by n, a",
        "1|x|1|1|2|NULL\nNULL|NULL|NULL|1|1|NULL\nNULL|NULL|NULL|3|1|NULL\n");
    assert_sql(s,
               "select x.a, x.b, x.c, y.c, count(*) from t x, t y group by x.c, y.c, x.a, x.b "
               "having x.c = 'x' order by 1, 2, 4",
               "1|1|x|x|2\n1|1|x|y|1\n1|2|x|x|2\n1|2|x|y|1\n");
    sql_runner_close(runner);
}

/* Such a range is read by all cores. */
static void a_refused_index_is_read_by_all_cores(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table t(k int primary key, v int)", "CREATE TABLE\n");
    assert_sql(s, "insert into t select x, x % 100 from generate_series(1, 20000) x",
               "INSERT 0 20000\n");
    assert_sql(s, "analyze t", "ANALYZE\n");
    assert_sql(s, "insert into t select x, x % 100 from generate_series(20001, 90000) x",
               "INSERT 0 70000\n");
    const char *plan = sql_run(s, "explain analyze select count(*) from t where k > 20000");
    assert_non_null(strstr(plan, "Index Not Used: about "));
    assert_non_null(strstr(plan, "rows=70000 loops=1"));
    assert_sql(s, "select count(*), min(k), max(k), sum(k) from t where k > 20000 and k < 80001",
               "60000|20001|80000|3000030000\n");
    assert_sql(s, "select v, count(*) from t where k > 20000 group by v having v < 2 order by v",
               "0|700\n1|700\n");
    assert_sql(s, "select count(*) from t where k > 20000 and k < null::int", "0\n");
    sql_runner_close(runner);
}

/* A condition that is tested on stored columns, and the same in a form that is not. */
static void conditions_on_stored_columns_are_exact(void **state) {
    static const struct {
        const char *tested, *plain;
    } pairs[] = {
        {"i < 700", "i + 0 < 700"},
        {"700 <= i and i <= 710", "i + 0 >= 700 and i + 0 <= 710"},
        {"i = 9000000000", "i::numeric + 0 = 9000000000"},
        {"i in (3, 5, 7000, null)", "i + 0 = 3 or i + 0 = 5 or i + 0 = 7000"},
        {"i <> 4", "i + 0 <> 4"},
        {"s = 12", "s + 0 = 12"},
        {"s is null", "(s + 0) is null"},
        {"s is not null and s > 40", "s + 0 > 40"},
        {"n > 99.995", "n + 0 > 99.995"},
        {"n = 12.5", "n + 0 = 12.5"},
        {"n < 7", "n + 0 < 7"},
        {"t = 'word 17'", "t || '' = 'word 17'"},
        {"t >= 'word 8'", "t || '' >= 'word 8'"},
        {"v in ('word 3', 'word 44', 'none')", "v || '' = 'word 3' or v || '' = 'word 44'"},
        {"c = 'b'", "rtrim(c) = 'b'"},
        {"c > 'a   '", "rtrim(c) > 'a'"},
        {"d < date '2000-02-01'", "d + 0 < date '2000-02-01'"},
        {"f = 2.5", "f + 0 = 2.5"},
        {"f > 7", "f + 0 > 7"},
        {"n between 3 and 4 and t is not null", "n + 0 >= 3 and n + 0 <= 4 and not t is null"},
    };
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s,
               "create table w(k int primary key, i int8, s int2, n numeric(15,2), t text, "
               "v varchar(20), c char(4), d date, f float8)",
               "CREATE TABLE\n");
    assert_sql(s,
               "insert into w select k, k, case when k % 9 = 0 then null else k % 50 end, "
               "(k % 20001)::numeric / 200, case when k % 13 = 0 then null else 'word ' || k % 100 "
               "end, 'word ' || k % 70, chr(97 + k % 3), date '2000-01-01' + k % 90, "
               "(k % 40)::float8 / 4 from generate_series(1, 30000) k",
               "INSERT 0 30000\n");
    assert_sql(s, "insert into w values (40001, 9000000000), (40002, 4)", "INSERT 0 2\n");
    assert_sql(s, "update w set n = 12.5, t = 'word 17' where k % 1000 = 1", "UPDATE 31\n");
    assert_sql(s,
               "insert into w select 50000 + g, 1000000, 90, 101, repeat('a', 500 * g) "
               "from generate_series(1, 40) g",
               "INSERT 0 40\n"); /* some have values outside of their leaf */
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "select count(*) > 0, count(*), sum(k) from w where %s",
                 pairs[i].plain);
        char *want = strdup(sql_run(s, text));
        snprintf(text, sizeof text, "select count(*) > 0, count(*), sum(k) from w where %s",
                 pairs[i].tested);
        assert_sql(s, text, want);
        assert_memory_equal(want, "t|", 2); /* the pair says something */
        free(want);
    }
    sql_runner_close(runner);
}

/* Rows that have too many values lie as a whole outside of their leaf: tested behind the scan. */
static void rows_outside_their_leaf_are_tested(void **state) {
    enum { COLUMNS = 100 };
    char text[COLUMNS * 100];
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    size_t size = (size_t)snprintf(text, sizeof text, "create table x(k int, n int");
    for (int i = 0; i < COLUMNS; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, ", c%d text", i);
    snprintf(text + size, sizeof text - size, ")");
    assert_sql(s, text, "CREATE TABLE\n");
    assert_sql(s, "insert into x select g, g % 10 from generate_series(1, 1000) g",
               "INSERT 0 1000\n");
    size = (size_t)snprintf(text, sizeof text, "insert into x select g, g %% 10");
    for (int i = 0; i < COLUMNS; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, ", repeat('x', 60)");
    snprintf(text + size, sizeof text - size, " from generate_series(1001, 1100) g");
    assert_sql(s, text, "INSERT 0 100\n");
    for (int round = 0; round < 3; round++)
        assert_sql(s, "select count(*), min(n), max(n), count(c7) from x where n between 3 and 5",
                   "330|3|5|30\n");
    sql_runner_close(runner);
}

/* Products are computed in 64 bits while they fit, and in as many as they need when not. */
static void decimals_are_exact_beyond_64_bits(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table p(id int primary key, a numeric(15,2), b numeric(15,2), c int)",
               "CREATE TABLE\n");
    assert_sql(s,
               "insert into p values (1, 9999999999999.99, 9999999999999.99, 1000), "
               "(2, 1.10, 2.20, 3), (3, null, 1, 1), (4, -9999999999999.99, 92233720368.54, -7)",
               "INSERT 0 4\n");
    assert_sql(s, "select id, a * b - c, (a + 1) * (b - 0.005) from p order by id",
               "1|99999999999999799999999000.0001|100000000000009749999999999.98515\n"
               "2|-0.5800|4.60950\n"
               "3|NULL|NULL\n"
               "4|-922337203685399077662789.3146|-922337203685256843942427.77965\n");
    assert_sql(s,
               "select id, a * b - c, (a + 1) * (b - 0.005) from p where id in (2, 3) order by 1",
               "2|-0.5800|4.60950\n3|NULL|NULL\n");
    assert_sql(s, "select sum(a * b), sum((a + 1) * (b - 0.005) * c) from p",
               "99077662796314400922337206.1055|100006456360435546797907596993.43605\n");
    assert_sql(s, "select c > 0, sum(a * b), count(a * b) from p group by 1 order by 1",
               "f|-922337203685399077662796.3146|1\nt|99999999999999800000000002.4201|2\n");
    assert_sql(s, "select sum(a * b * (1 + b)), avg(a * b * (1 + b)) from p where id in (2, 3)",
               "7.744000|7.7440000000000000\n");
    assert_sql(s, "select sum(a * b * (1 + b)) from p",
               "ERROR 22003: value overflows numeric format\n");
    assert_sql(s, "select sum(a * (1 - b)) filter (where c > 1), sum(a * 2) from p where id = 2",
               "-1.3200|2.20\n");
    sql_runner_close(runner);
}

/* Groups found by codes and fed as runs, but one aggregate takes only some rows of each run. */
static void filters_know_the_groups_of_constant_keys(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s, "create table f(a int)", "CREATE TABLE\n");
    assert_sql(s, "insert into f select x from generate_series(1, 5000) x", "INSERT 0 5000\n");
    assert_sql(s, "select true, count(*) filter (where a % 5 = 0), count(*) from f group by 1",
               "t|1000|5000\n");
    assert_sql(s, "select null::int, max(a) filter (where a < 77), min(a) from f group by 1",
               "NULL|76|1\n");
    sql_runner_close(runner);
}

static void a_long_statement_can_be_cancelled(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    sql_start(s, "select count(*) from generate_series(1, 1000000000) a");
    assert_false(sql_done(s, 100));
    sql_cancel(s);
    assert_string_equal(sql_finish(s), "ERROR 57014: canceling statement due to user request\n");
    assert_sql(s, "select 1", "1\n");
    sql_runner_close(runner);
}

static void target_lists_have_a_limit(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    char text[8192] = "select 1";
    for (int i = 1; i < 1664; i++)
        strcat(text, ",1");
    assert_true(sql_run(s, text)[0] == '1');
    assert_sql(s, strcat(text, ",1"), "ERROR 54011: target lists can have at most 1664 entries\n");
    sql_runner_close(runner);
}

static void repeated_text_is_exact(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s,
               "select repeat('abc', 5), repeat('', 5), repeat('x', 0), lpad('x', 9, 'abc'),"
               " rpad('\u00e9', 5, '\u00fc-'), lpad('x', 1, 'ab')",
               "abcabcabcabcabc|||abcabcabx|\u00e9\u00fc-\u00fc-|x\n");
    assert_sql(s,
               "select count(*) from generate_series(0, 300) n"
               " where repeat('abc', n) !~ ('^(abc){' || least(n, 255) || '}') or"
               " length(repeat('abc', n)) <> 3 * n or length(rpad('', n, 'xyz')) <> n",
               "0\n");
    sql_runner_close(runner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_postgresql),
        cmocka_unit_test(checks_say_which_row_failed),
        cmocka_unit_test(checks_know_their_table_only),
        cmocka_unit_test(plans_have_a_limit_of_depth),
        cmocka_unit_test(the_first_row_at_fault_is_reported),
        cmocka_unit_test(lists_look_at_what_needs_no_row_first),
        cmocka_unit_test(constants_at_fault_are_errors_without_rows),
        cmocka_unit_test(stored_expressions_read_as_written),
        cmocka_unit_test(wider_parameters_use_the_index),
        cmocka_unit_test(wide_values_use_narrow_indexes),
        cmocka_unit_test(common_types_are_those_of_postgresql),
        cmocka_unit_test(changed_rows_are_rechecked),
        cmocka_unit_test(parallel_groups_equal_serial_ones),
        cmocka_unit_test(changes_by_key_reach_every_core),
        cmocka_unit_test(ranges_are_measured_before_an_index_is_used),
        cmocka_unit_test(a_refused_index_is_read_by_all_cores),
        cmocka_unit_test(groups_follow_from_keys),
        cmocka_unit_test(every_conjunct_is_tested_in_the_scan),
        cmocka_unit_test(a_plan_tells_blocks_and_hot_rows),
        cmocka_unit_test(conditions_on_stored_columns_are_exact),
        cmocka_unit_test(rows_outside_their_leaf_are_tested),
        cmocka_unit_test(decimals_are_exact_beyond_64_bits),
        cmocka_unit_test(filters_know_the_groups_of_constant_keys),
        cmocka_unit_test(conditions_on_blocks_are_all_made),
        cmocka_unit_test(a_long_statement_can_be_cancelled),
        cmocka_unit_test(target_lists_have_a_limit),
        cmocka_unit_test(repeated_text_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
