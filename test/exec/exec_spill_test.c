/* Operators that hold more than they may put rows aside and answer the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"
#include "sql_runner.h"
#include "test.h"
#include "txn/txn.h"

static int compare_lines(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines in order, for results without one; the caller frees. */
static char *sorted_lines(const char *text) {
    size_t size = strlen(text), count = 0, capacity = 16;
    char *copy = strdup(text), *result = malloc(size + 2), *at = result;
    char **lines = malloc(capacity * sizeof *lines);
    for (char *line = strtok(copy, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (count == capacity)
            lines = realloc(lines, (capacity *= 2) * sizeof *lines);
        lines[count++] = line;
    }
    qsort(lines, count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, "%s\n", lines[i]);
    *at = 0;
    free(lines);
    free(copy);
    return result;
}

static uint64_t scratch_pages(struct sql_runner *runner) {
    struct store_statistics statistics;
    store_statistics(engine_store(sql_runner_engine(runner)), &statistics);
    return statistics.scratch_pages;
}

static void make_tables(struct sql_session *s) {
    assert_sql(s, "create table a(id int primary key, k int, t text, n numeric(15,2), b char(5))",
               "CREATE TABLE\n");
    assert_sql(s, "create table b(id int primary key, k int, t text, n numeric(15,2), b char(5))",
               "CREATE TABLE\n");
    assert_sql(s,
               "insert into a select i, nullif(i * 7919 % 5003, 17), "
               "case when i % 11 = 0 then null else 'text of some length ' || i * 31 % 4999 end, "
               "(i * 13 % 1000)::numeric / 4, (i % 300)::text from generate_series(1, 20000) i",
               "INSERT 0 20000\n");
    assert_sql(
        s,
        "insert into b select i, nullif(i * 104729 % 7001, 19), "
        "case when i % 7 = 0 then null else 'text of some length ' || i * 17 % 5999 end, "
        "(i * 29 % 1000)::numeric / 4, (i % 300)::text || ' ' from generate_series(1, 15000) "
        "i",
        "INSERT 0 15000\n");
}

static bool spills(struct sql_session *s, const char *query) {
    char text[1024];
    snprintf(text, sizeof text, "explain analyze %s", query);
    return strstr(sql_run(s, text), "Disk Usage") != NULL;
}

/* The same rows with little memory and with much; only with little is anything put aside. */
static void check_query(struct sql_runner *runner, struct sql_session *s, const char *query) {
    assert_sql(s, "set work_mem = '1GB'", "SET\n");
    char *want = sorted_lines(sql_run(s, query));
    if (spills(s, query))
        fail_msg("%s\n puts rows aside with 1 GB", query);
    assert_sql(s, "set work_mem = '64kB'", "SET\n");
    char *got = sorted_lines(sql_run(s, query));
    if (strcmp(got, want) != 0)
        fail_msg("%s\n gives %zu bytes, not %zu\n%.300s\n--- not\n%.300s", query, strlen(got),
                 strlen(want), got, want);
    if (!spills(s, query))
        fail_msg("%s\n puts nothing aside with 64 kB", query);
    assert_int_equal(scratch_pages(runner), 0);
    free(got);
    free(want);
}

static void joins_that_spill_give_the_same_rows(void **state) {
    static const char *const queries[] = {
        "select a.id, b.id, a.t, b.n from a join b on a.k = b.k",
        "select a.id, b.id, b.t from a join b on a.t = b.t and a.k = b.k % 5003",
        "select a.id, b.id, b.t, b.b from a join b on a.b = b.b and a.n = b.n",
        "select a.id, b.id, b.t from a left join b on a.k = b.k",
        "select a.id, b.id, b.t from a left join b on a.k = b.k and a.n < b.n",
        "select a.id, b.id, a.t, b.t from a full join b on a.k = b.k",
        "select a.id, a.t from a where exists (select 1 from b where b.k = a.k)",
        "select a.id, a.t from a where exists (select 1 from b where b.k = a.k and b.n < a.n)",
        "select a.id, a.t from a where not exists (select 1 from b where b.k = a.k)",
        "select a.id, a.t from a where not exists (select 1 from b where b.k = a.k and b.n < a.n)",
        "select b.id, b.t from b where exists (select 1 from a where a.k = b.k)",
        "select b.id, b.t from b where exists (select 1 from a where a.k = b.k and a.n < b.n)",
        "select b.id, b.t from b where not exists (select 1 from a where a.k = b.k)",
        "select b.id, b.t from b where not exists (select 1 from a where a.k = b.k and a.n < b.n)",
        "select count(*), sum(a.n), min(b.t) from a join b on a.k = b.k",
        /* one key: no bits tell its rows apart */
        "select count(*), sum(x.id), sum(y.id) from (select id, id * 0 as z from a where id < "
        "1500) x "
        "left join (select id, id * 0 as z from b where id < 1600) y on x.z = y.z",
    };
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    make_tables(s);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        check_query(runner, s, queries[i]);
    sql_runner_close(runner);
}

static void groups_that_spill_give_the_same_rows(void **state) {
    static const char *const queries[] = {
        "select k, count(*), sum(n), avg(n), min(t), max(id) from a group by k",
        "select t, count(k), sum(id) filter (where k > 100), stddev(n) from a group by t",
        "select t, b, n, count(*) from a group by t, b, n having count(*) < 2",
        "select distinct t, k from a",
        "select k, string_agg(t, ',' order by id), array_agg(b order by id desc) from a group by k",
        "select b, count(distinct t), count(distinct k), sum(distinct n) from a group by b",
        "select count(distinct t), string_agg(t, '' order by t desc) from a",
        "select a.k, count(*), sum(b.n) from a join b on a.k = b.k group by a.k",
    };
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    make_tables(s);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        check_query(runner, s, queries[i]);
    sql_runner_close(runner);
}

/* What one group makes is held whole, however little memory there is beside it. */
static void lists_may_be_longer_than_the_memory(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    make_tables(s);
    assert_sql(s, "set work_mem = '64kB'", "SET\n");
    assert_sql(s,
               "select length(string_agg(t, '')) = sum(length(t)), array_length(array_agg(id), 1), "
               "count(*) from a",
               "t|20000|20000\n");
    assert_sql(s,
               "select id % 3, length(string_agg(t, '')) = sum(length(t)), "
               "array_length(array_agg(id), 1) from a group by 1 order by 1",
               "0|t|6666\n1|t|6667\n2|t|6667\n");
    assert_sql(s,
               "select length(x), x like '1,2,3,%,20000' from (select string_agg(id::text, ',' "
               "order by id) as x from a) q",
               "108893|t\n");
    sql_runner_close(runner);
}

/* Workers put aside rows of groups that other workers hold. */
static void many_cores_spill_groups_joins_and_sorts(void **state) {
    static const char *const queries[] = {
        "select k, count(*), sum(n), min(t) from c group by k",
        "select count(*), sum(c.n), min(x.t) from c join c x on c.id = x.k",
        "select c.k, count(*) from c join a on c.k = a.id group by c.k",
        "select id, count(*) from c group by id having sum(k) % 1000 = 7",
        "select md5(string_agg(id::text, ',')) from (select id from c order by t desc, k, id) q",
        "select md5(string_agg(k::text, ',')) from (select c.k from c join a on c.k = a.id order "
        "by a.t nulls first, c.k limit 30000) q",
        "select md5(string_agg(id::text, ',')) from (select a.id from c full join a on c.k = a.id "
        "order by a.t, a.id) q",
        "select count(*), max(m) from (select k, sum(id) as m from c group by k order by 2 desc "
        "offset 10) q",
    };
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    make_tables(s);
    assert_sql(s, "create table c(id int primary key, k int, t text, n numeric(15,2))",
               "CREATE TABLE\n");
    assert_sql(s,
               "insert into c select i, i * 7919 % 60013, 'text of some length ' || i % 3, "
               "(i % 1000)::numeric / 4 from generate_series(1, 120000) i",
               "INSERT 0 120000\n");
    for (int repeat = 0; repeat < 2; repeat++) /* partitions spread after the first */
        for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
            check_query(runner, s, queries[i]);
    sql_runner_close(runner);
}

static void sorts_that_spill_are_in_order(void **state) {
    static const char *const queries[] = {
        "select string_agg(x::text, ',') from (select id as x from a order by t desc nulls last, "
        "n, id) q",
        "select string_agg(coalesce(t, '-'), ',') from (select t from a order by b, n desc, id "
        "limit 15000 offset 30) q",
        "select t, n, k, b from a order by n, t, id limit 9000",
    };
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    make_tables(s);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        check_query(runner, s, queries[i]);
    sql_runner_close(runner);
}

/* Read twice at a time, again for each outer row, and given up half-way. */
static void common_tables_that_spill_are_read_again(void **state) {
    static const char *const queries[] = {
        "with x as materialized (select id, t, n, k, b from a union all select id + 20000, t, n, "
        "k, b from a union all select id + 40000, t, n, k, b from a) "
        "select x.id, x.t, y.n, y.b from x join x y on x.id + 1 = y.id where y.k < 500",
        "with x as (select a.id, a.t, b.t as u from a, b where a.k = b.k and a.id < 12000) "
        "select count(*), sum(id), max(t), min(u), (select count(*) from x where u is null), "
        "(select count(*) from x y where y.t > (select min(t) from x)) from x",
        "with x as materialized (select i, i * 2 as k, md5(i::text) as t from generate_series(1, "
        "40000) i) select s.i, (select max(t) from x where x.i % 5 = s.i), (select t from x where "
        "k = s.i * 2) from generate_series(0, 4) s(i)",
    };
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    make_tables(s);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        check_query(runner, s, queries[i]);
    sql_runner_close(runner);
}

/* Rows of one key that a merge join keeps, more than fit: met by rows of several batches, and by
   some that only a residual lets in. */
#define FEW "(select * from few order by z limit 9) x "
#define MANY "(select * from many order by z limit 80000) y "
static void make_kept_tables(struct sql_session *s) {
    assert_sql(s,
               "create table few as select id, id * 0 as z, n from a where id <= 3;"
               "create table many as select b.id, b.id * 0 as z, b.t, b.n from b, "
               "generate_series(1, 5); analyze few; analyze many",
               "SELECT 3\nSELECT 75000\nANALYZE\nANALYZE\n");
}

static void kept_groups_that_spill_give_the_same_rows(void **state) {
    static const char *const queries[] = {
        "select x.z, x.id, y.t, y.n from " FEW "join " MANY
        "on x.z = y.z order by x.z limit 900000",
        "select x.z, x.id, y.id from " FEW "left join " MANY
        "on x.z = y.z and x.n > y.n + 1 order by x.z limit 900000",
        "select y.z, x.id, y.t from " FEW "right join " MANY
        "on x.z = y.z and x.n > y.n order by y.z limit 900000",
        "select x.z, x.id from " FEW "where exists (select 1 from " MANY
        "where y.z = x.z and x.n < y.n - 200) order by x.z limit 900000",
        "select x.z, x.id from " FEW "where not exists (select 1 from " MANY
        "where y.z = x.z and x.n < y.n - 200) order by x.z limit 900000",
    };
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    make_tables(s);
    make_kept_tables(s);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        char text[2048];
        snprintf(text, sizeof text, "explain %s", queries[i]);
        if (strstr(sql_run(s, text), "Merge") == NULL)
            fail_msg("%s\n merges nothing:\n%s", queries[i], sql_run(s, text));
        check_query(runner, s, queries[i]);
    }
    sql_runner_close(runner);
}

/* A statement that is stopped half-way leaves no page behind. */
static void nothing_stays_after_an_end_before_time(void **state) {
    static const char *const queries[] = {
        "select count(*) from a x, a y, b z where x.k = y.k and y.k = z.k and x.t || y.t < z.t",
        "select 1 / (a.id - 20000) from a join b on a.k = b.k",
        "select a.id from a join b on a.k = b.k limit 3",
        "select k, count(*) from a group by k limit 3",
        "select 1 / (min(id) - 20000) from a group by t",
        "select t from a order by t limit 1 offset 15000",
        ("with x as materialized (select a.t, b.id from a, b where a.id < 1000 and b.id < 1000) "
         "select 1 / (id - 999) from x union all select count(*) from x"),
        "select x.z, y.id, 1 / (y.id - 15000) from " FEW "join " MANY
        "on x.z = y.z order by x.z limit 900000",
        "select x.z, y.id from " FEW "join " MANY "on x.z = y.z order by x.z limit 3",
        "select count(*) from (select x.z, y.id from " MANY "join " FEW
        "on x.z = y.z and x.id > y.n order by x.z limit 900000) q",
    };
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    make_tables(s);
    make_kept_tables(s);
    assert_sql(s, "set work_mem = '64kB'", "SET\n");
    assert_sql(s, "set statement_timeout = 40", "SET\n");
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        for (int repeat = 0; repeat < 3; repeat++) {
            (void)sql_run(s, queries[i]);
            assert_int_equal(scratch_pages(runner), 0);
        }
    sql_runner_close(runner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_that_spill_give_the_same_rows),
        cmocka_unit_test(groups_that_spill_give_the_same_rows),
        cmocka_unit_test(lists_may_be_longer_than_the_memory),
        cmocka_unit_test(many_cores_spill_groups_joins_and_sorts),
        cmocka_unit_test(sorts_that_spill_are_in_order),
        cmocka_unit_test(common_tables_that_spill_are_read_again),
        cmocka_unit_test(kept_groups_that_spill_give_the_same_rows),
        cmocka_unit_test(nothing_stays_after_an_end_before_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
