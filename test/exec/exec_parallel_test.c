/*
 * Pipelines by two cores against the same on one: random queries and sorts over one table, in
 * blocks with newer rows above them, whose partitions have several ranges of row ids.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec_parallel.h"
#include "sql_runner.h"
#include "test.h"

#include "base/base_hash.h"
#include "base/base_random.h"
#include "txn/store.h"

enum { ROWS = 400000, QUERIES = 30, SORTS = 40 };

static void make_tables(struct sql_session *s) {
    char text[600];
    snprintf(
        text, sizeof text,
        "create table t (id int primary key, a int, b int, n numeric(12,2), s text);"
        "insert into t select i, i::bigint * 7919 %% 30011, i %% 7, i %% 1000 / 8.0, "
        "case when i %% 11 > 0 then 'word ' || i * 31 %% 5003 end "
        "from generate_series(1, %d) g (i);"
        "create table u (k int primary key, a int, v int);"
        "insert into u select i, i %% 40000, i * 37 %% 1009 from generate_series(1, 60000) g (i)",
        ROWS);
    assert_string_equal(sql_run(s, text),
                        "CREATE TABLE\nINSERT 0 400000\nCREATE TABLE\nINSERT 0 60000\n");
    assert_sql(s, "analyze", "ANALYZE\n");
    assert_sql(s, "update t set b = 100, a = id % 5000 where id % 9001 < 30", "UPDATE 1349\n");
    assert_sql(s, "delete from t where id % 4001 < 10", "DELETE 999\n");
}

static const char *one_of(struct random *random, const char *const *words) {
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    return words[random_below(random, count)];
}

/* Groups: few, many, one for each row; of rows, of joined rows, of groups. */
static void make_query(struct random *random, char *text, size_t size) {
    static const char *const keys[] = {"a",     "s",    "id",        "b, a", "a % 9000, s", "n",
                                       "b, id", "id/3", "s, id/100", "b",    NULL};
    static const char *const values[] = {"count(*), sum(b), min(s)",
                                         "max(s), avg(n)",
                                         "sum(n), count(s)",
                                         "count(distinct b), max(n)",
                                         "md5(string_agg(id::text, ',' order by n desc, id)), 1",
                                         "bool_and(b > 2), max(id)",
                                         "min(n), variance(b)",
                                         NULL};
    static const char *const sources[] = {
        "t",
        "t where b <> 3",
        "(select t.*, u.v from t join u on t.a = u.a) t",
        "(select t.id, t.s, t.b, t.n, u.k as a from u left join t on u.k = t.id) t",
        "(select t.*, u.v from u right join t on u.k = t.a) t",
        NULL};
    static const char *const havings[] = {"", "", " having count(*) > 2", " having sum(b) % 3 = 0",
                                          NULL};
    char groups[500];
    snprintf(groups, sizeof groups, "select %s as g1, %s from %s group by 1%s",
             random_below(random, 2) == 0 ? "a" : "id / 2", one_of(random, values),
             one_of(random, sources), one_of(random, havings));
    const char *key = one_of(random, keys);
    switch (random_below(random, 5)) {
    case 0:
        snprintf(text, size, "select %s, %s from %s group by %s%s", key, one_of(random, values),
                 one_of(random, sources), key, one_of(random, havings));
        break;
    case 1:
        snprintf(text, size,
                 "select c2, count(*), min(g1), max(c3) from (%s) x (g1, c2, c3) group by c2",
                 groups);
        break;
    case 2:
        snprintf(text, size,
                 "select x.g1, x.c2, u.v from u join (%s) x (g1, c2) on u.k = x.g1 where u.v < 500",
                 groups);
        break;
    case 3:
        snprintf(text, size, "select * from (%s) x order by 2 desc, 1 limit %u", groups,
                 (unsigned)random_below(random, 3000) + 1);
        break;
    default:
        snprintf(text, size, "select count(*), min(c2::text), sum(g1) from (%s) x (g1, c2)",
                 groups);
    }
}

/* Rows of whatever the cores can share or not, in order: the keys, '#', then the rest, whose order
   is free where keys are the same. */
static void make_sort(struct random *random, char *text, size_t size) {
    static const char *const keys[] = {"a",
                                       "s",
                                       "n",
                                       "t.id",
                                       "b",
                                       "s collate \"C\"",
                                       "s collate \"default\"",
                                       "n * 1.5",
                                       "a::float8 / 7",
                                       "a::real",
                                       "date '2020-01-01' + b",
                                       "timestamp '2020-01-01' + a * interval '1 hour'",
                                       "b > 3",
                                       "md5(s)",
                                       "'words that begin all keys, and then ' || s",
                                       "'words that begin all keys but null ' || b",
                                       "s::char(12)",
                                       "decode(md5(s), 'hex')",
                                       "a::int8 * 4000000000",
                                       "(a % 100)::int2",
                                       "interval '1 day' * b",
                                       "md5(s)::uuid",
                                       "n::numeric",
                                       NULL};
    static const char *const ways[] = {"",  " desc", "", " nulls first", " asc", " desc nulls last",
                                       NULL};
    static const char *const sources[] = {
        "t",
        "(select t.id, t.s, t.b, t.n, u.v as a from t join u on t.a = u.a) t",
        "(select t.id, t.s, t.b, t.n, u.k as a from u left join t on u.k = t.id) t",
        "(select u.k as id, t.s, t.b, t.n, t.a from t right join u on u.k = t.a) t",
        "(select u.k as id, t.s, u.v as b, t.n, t.a from t full join u on u.k = t.a) t",
        "(select max(id) as id, s, b, avg(n) as n, a from t group by s, b, a) t",
        "(select a as id, max(s) as s, max(b) as b, sum(n) as n, count(*) as a from t group by 1) "
        "t",
        "(select * from t union all select id, b, a, n, null from t where b = 2) t",
        NULL};
    static const char *const tails[] = {"", "", " limit 20000 offset 5", " offset 30000", NULL};
    const char *key = one_of(random, keys);
    if (random_below(random, 6) == 0) {
        snprintf(text, size,
                 "select distinct on (%s) %s, id, '#' from %s where id %% 4 = 1 order by %s, id",
                 key, key, one_of(random, sources), key);
        return;
    }
    snprintf(
        text, size,
        "select %s%s, %s, '#', t.* from %s where t.id is null or t.id %% 4 <> %u order by 1%s, "
        "2%s%s",
        random_below(random, 6) == 0 ? "distinct " : "", key, one_of(random, keys),
        one_of(random, sources), (unsigned)random_below(random, 4), one_of(random, ways),
        one_of(random, ways), one_of(random, tails));
}

/* Of all lines, in whatever order. */
static uint64_t sum_of(const char *answer) {
    uint64_t sum = 0;
    while (*answer != '\0') {
        size_t size = strcspn(answer, "\n") + 1;
        sum += hash_bytes(answer, size);
        answer += size;
    }
    return sum;
}

/* Of the keys of all lines, in order. */
static uint64_t chain_of(const char *answer) {
    uint64_t chain = 0;
    while (*answer != '\0') {
        chain = chain * 31 + hash_bytes(answer, strcspn(answer, "#\n"));
        answer += strcspn(answer, "\n") + 1;
    }
    return chain;
}

/* The answer on two cores is that on one. */
static void check_query(struct sql_session *s, struct random *random, const char *text) {
    bool is_sort = strchr(text, '#') != NULL, is_cut = strstr(text, " offset ") != NULL;
    exec__rows_that_pay = UINT64_MAX;
    const char *answer = sql_run(s, text);
    if (strncmp(answer, "ERROR", 5) == 0)
        fail_msg("%s\n%s", text, answer);
    uint64_t wanted = sum_of(answer), order = chain_of(answer);
    exec__rows_that_pay = random_below(random, 4) == 0 ? 50000 : 1;
    answer = sql_run(s, text);
    if (!is_cut && sum_of(answer) != wanted)
        fail_msg("two cores give another answer: %s", text);
    if (is_sort && chain_of(answer) != order)
        fail_msg("two cores give another order: %s", text);
}

static void compare(struct sql_session *s, struct random *random) {
    char text[1200];
    make_query(random, text, sizeof text);
    check_query(s, random, text);
}

static void answers_are_those_of_one_core(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    struct random random;
    random_seed(&random, 20);
    make_tables(s);
    for (unsigned i = 0; i < QUERIES; i++) {
        if (i == QUERIES / 2)
            assert_sql(s, "set work_mem = '4MB'", "SET\n");
        compare(s, &random);
    }
    exec__rows_that_pay = 50000;
    sql_runner_close(runner);
}

static void check_error(struct sql_session *s, const char *text, const char *wanted) {
    const char *answer = sql_run(s, text);
    if (strncmp(answer, wanted, strlen(wanted)) != 0)
        fail_msg("%s\n%.300s", text, answer);
}

/* Long ones are run by another core, short ones and the query itself are not. */
static void check_subqueries(struct sql_session *s) {
    assert_sql(s,
               "select (select count(*) from t), (select v from u where k = 9), "
               "(select min(s) || max(s) from t), exists (select 1 from t where b = 100), "
               "(select cardinality(array(select id from t where b = 3))) > 50000",
               "399001|333|word 0word 999|t|t\n");
    assert_sql(s,
               "begin; update u set v = (select count(*) from t where b = 100) where k = 9; "
               "select v, (select sum(v) from u where k < 10) from u where k = 9; rollback",
               "BEGIN\nUPDATE 1\n1295|2627\nROLLBACK\n");
    assert_sql(s,
               "select i, (select count(*) from t where a < -i) from generate_series(1, 2) g (i)",
               "1|0\n2|0\n");
    check_error(s, "select (select 1 / (count(*) - 399001) from t)", "ERROR 22012");
    check_error(s, "select (select id from t where id > 10)", "ERROR 21000");
    assert_sql(s, "set statement_timeout = 5", "SET\n");
    check_error(s, "select (select count(*) from (select s from t order by s || n offset 1) x)",
                "ERROR 57014");
    assert_sql(s, "set statement_timeout = 0", "SET\n");
}

/* All rows are at home with core 0, which has no worker. */
static void answers_beside_a_busy_core_are_the_same(void **state) {
    const double rate = spread__busy_rate, share = spread__busy_share;
    struct random random;
    random_seed(&random, 22);
    spread__busy_rate = spread__busy_share = -1;
    for (unsigned cores = 2; cores <= 3; cores++) {
        struct sql_runner *runner = sql_runner_open(cores);
        struct sql_session *s = sql_session_open(runner);
        make_tables(s);
        assert_sql(s, "select pg_sleep(0.6)", "\n");
        for (unsigned i = 0; i < QUERIES / 4; i++)
            compare(s, &random);
        assert_sql(s, "select count(*), sum(id) from t where id in (5, 77, 9001, 399000, 31)",
                   "4|408109\n");
        check_subqueries(s);
        sql_runner_close(runner);
    }
    spread__busy_rate = rate;
    spread__busy_share = share;
    exec__rows_that_pay = 50000;
}

static void orders_are_those_of_one_core(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    struct random random;
    random_seed(&random, 21);
    make_tables(s);
    for (unsigned i = 0; i < SORTS; i++) {
        char text[1200];
        if (i == SORTS / 2)
            assert_sql(s, "set work_mem = '1MB'", "SET\n");
        make_sort(&random, text, sizeof text);
        check_query(s, &random, text);
    }
    exec__rows_that_pay = 50000;
    sql_runner_close(runner);
}

/* What goes wrong on one core ends the sort of all. */
static void failures_of_workers_are_told(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    exec__rows_that_pay = 1;
    make_tables(s);
    for (int spilled = 0; spilled < 2; spilled++) {
        check_error(s, "select id from t order by 1 / (id - 390001), id", "ERROR 22012");
        check_error(s, "select id from t where 9 / (id - 390001) > -5 order by s", "ERROR 22012");
        assert_sql(s, "set statement_timeout = 30", "SET\n");
        check_error(s, "select count(*) from (select * from t order by s || n offset 1) q",
                    "ERROR 57014");
        assert_sql(s, "set statement_timeout = 0; set work_mem = '1MB'", "SET\nSET\n");
        assert_sql(s, "select id from (select * from t order by n, id offset 300000 limit 2) q",
                   "199752\n200752\n");
    }
    exec__rows_that_pay = 50000;
    sql_runner_close(runner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_one_core),
        cmocka_unit_test(answers_beside_a_busy_core_are_the_same),
        cmocka_unit_test(orders_are_those_of_one_core),
        cmocka_unit_test(failures_of_workers_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
