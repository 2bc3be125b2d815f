/*
 * Aggregations that put groups or rows aside, by one core and by many, against the same with enough
 * memory on one core; and their ends before time: by timeout, for want of memory, by a full disk.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec_parallel.h"
#include "runtime/backend.h"
#include "session/session.h"
#include "sql_runner.h"
#include "test.h"
#include "txn/txn.h"

#include "base/base_hash.h"
#include "base/base_memory.h"
#include "base/base_random.h"

enum { ROWS = 150000, QUERIES = 50, ENDS = 40, FAULTS = 40 };

static void make_tables(struct sql_session *s) {
    char text[700];
    snprintf(text, sizeof text,
             "create table t (id int primary key, a int, b int, n numeric(12,2), s text, x float8);"
             "insert into t select i, i::bigint * 7919 %% 50021, i %% 7, i %% 1000 / 8.0, "
             "case when i %% 11 > 0 then 'words of some length ' || i * 31 %% 30011 end, i %% 97 / "
             "4.0 from generate_series(1, %d) g (i);"
             "create table u (k int primary key, v int);"
             "insert into u select i, i * 37 %% 1009 from generate_series(1, 30000) g (i)",
             ROWS);
    assert_string_equal(sql_run(s, text),
                        "CREATE TABLE\nINSERT 0 150000\nCREATE TABLE\nINSERT 0 30000\n");
    assert_sql(s, "analyze", "ANALYZE\n");
}

static void assert_nothing_aside(struct sql_runner *runner, const char *text) {
    struct store_statistics statistics;
    store_statistics(engine_store(sql_runner_engine(runner)), &statistics);
    if (statistics.scratch_pages != 0)
        fail_msg("%s\n leaves %llu pages", text, (unsigned long long)statistics.scratch_pages);
}

static const char *one_of(struct random *random, const char *const *words) {
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    return words[random_below(random, count)];
}

/* All kinds of keys and aggregates, below all that may take groups. */
static void make_query(struct random *random, char *text, size_t size) {
    static const char *const keys[] = {"t.id",        "a",
                                       "s",           "n, a",
                                       "a, s",        "b, id",
                                       "id / 3",      "id % 40000",
                                       "md5(s)",      "repeat(md5(id::text), 9)",
                                       "a, n, s",     "x, id / 2",
                                       "(a % 3000)",  "s::char(30)",
                                       "array[a, b]", "n, t.id, b, s, x",
                                       "b",           NULL};
    static const char *const values[] = {
        "count(*), sum(b), min(s)",
        "max(s), avg(n), min(md5(id::text))",
        "sum(n), count(s), sum(x), avg(x)",
        "max(s::char(20)), min(n), max(id), min(x)",
        "bool_and(b > 2), bool_or(b > 5), bit_xor(a), bit_and(b), bit_or(b)",
        "variance(b), stddev_pop(n), max(id % 1000)",
        "sum(a::bigint * 100000000000), sum(-n), min(-a), avg(b)",
        "max(n) filter (where b > 3), count(*) filter (where s is null)",
        "count(distinct b), max(n)",
        "count(distinct s), sum(distinct n), count(distinct b)",
        "md5(string_agg(id::text, ',' order by n desc, id)), 1",
        "array_length(array_agg(id), 1), max(s), count(distinct b)",
        NULL};
    static const char *const sources[] = {
        "t",
        "t",
        "t where b <> 3",
        "(select t.*, u.v from t join u on t.a = u.k) t",
        "(select t.id, t.s, t.b, t.n, t.x, u.k as a from u left join t on u.k = t.id) t",
        "(select t.*, u.v from u right join t on u.k = t.a) t",
        "(select * from t union all select * from t where id % 5 = 0) t",
        NULL};
    static const char *const havings[] = {"", "", " having count(*) > 2", " having sum(b) % 3 = 0",
                                          NULL};
    char groups[600];
    snprintf(groups, sizeof groups, "select (%s)::text as g, %s from %s group by 1%s",
             one_of(random, (const char *const[]){"a", "id / 2", "s", "id % 60000", NULL}),
             one_of(random, values), one_of(random, sources), one_of(random, havings));
    const char *key = one_of(random, keys);
    switch (random_below(random, 7)) {
    case 0:
        snprintf(text, size,
                 "select c2, count(*), min(g), max(c3) from (%s) x (g, c2, c3) "
                 "group by c2",
                 groups);
        break;
    case 1:
        snprintf(text, size, "select x.g, x.c2, u.v from u join (%s) x (g, c2) on u.k::text = x.g",
                 groups);
        break;
    case 2:
        snprintf(text, size, "select * from (%s) x order by 1, 2 desc limit 7000", groups);
        break;
    case 3:
        snprintf(text, size, "select distinct %s from %s", key, one_of(random, sources));
        break;
    default:
        snprintf(text, size, "select %s, %s from %s group by %s%s", key, one_of(random, values),
                 one_of(random, sources), key, one_of(random, havings));
    }
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

static uint64_t wanted_sum(struct sql_session *s, const char *text) {
    exec__rows_that_pay = UINT64_MAX;
    assert_sql(s, "set work_mem = '1GB'", "SET\n");
    const char *answer = sql_run(s, text);
    if (strncmp(answer, "ERROR", 5) == 0)
        fail_msg("%s\n%s", text, answer);
    return sum_of(answer);
}

static void set_memory(struct sql_session *s, unsigned kb) {
    char text[60];
    snprintf(text, sizeof text, "set work_mem = '%ukB'", kb);
    assert_sql(s, text, "SET\n");
}

static void compare(struct sql_runner *runner, struct sql_session *s, struct random *random) {
    static const unsigned memories[] = {64, 64, 200, 1000, 4000};
    char text[1500];
    make_query(random, text, sizeof text);
    uint64_t wanted = wanted_sum(s, text);
    unsigned kb = memories[random_below(random, 5)];
    set_memory(s, kb);
    exec__rows_that_pay = random_below(random, 4) == 0 ? UINT64_MAX : 1;
    if (sum_of(sql_run(s, text)) != wanted)
        fail_msg("with %u kB %s gives another answer: %s\n%.300s", kb,
                 exec__rows_that_pay == 1 ? "many cores" : "one core", text, sql_run(s, text));
    assert_nothing_aside(runner, text);
}

static void compare_all(unsigned cores, uint64_t seed, unsigned queries) {
    struct sql_runner *runner = sql_runner_open(cores);
    struct sql_session *s = sql_session_open(runner);
    struct random random;
    random_seed(&random, seed);
    make_tables(s);
    for (unsigned i = 0; i < queries / 2; i++)
        compare(runner, s, &random);
    exec__rows_that_pay = 50000;
    sql_runner_close(runner);
}

static void two_cores_answer_as_one_with_memory(void **state) {
    compare_all(2, 31, QUERIES);
}

static void three_cores_answer_as_one_with_memory(void **state) {
    compare_all(3, 32, QUERIES / 5); /* more cores than processors wait for each other */
}

/* Groups in order of coming or not, again and again or once: tables small and large in turns. */
static void tables_grow_and_shrink(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    make_tables(s);
    static const char *const queries[] = {
        "select k, count(*), sum(id) from (select id, case when id < 50000 then id / 10 when id < "
        "100000 then id * 7919 % 20011 else id end as k from t) q group by k",
        "select k, count(*), min(s) from (select s, case when id % 2 = 0 then id / 50 else id * "
        "7919 % 40009 end as k from t) q group by k",
    };
    for (size_t i = 0; i < 2; i++) {
        uint64_t wanted = wanted_sum(s, queries[i]);
        exec__rows_that_pay = 1;
        set_memory(s, 2000);
        assert_int_equal(sum_of(sql_run(s, queries[i])), wanted);
        char text[400];
        snprintf(text, sizeof text, "explain analyze %s", queries[i]);
        assert_non_null(strstr(sql_run(s, text), "Disk Usage"));
    }
    exec__rows_that_pay = 50000;
    sql_runner_close(runner);
}

/* ---- ends before time ------------------------------------------------------------------------ */

static const char *const ended[] = {
    "select count(*), sum(c), max(m) from (select a, s, count(*) as c, max(s) as m from t group by "
    "a, s) q",
    "select id, count(*), min(s) from t group by id having count(*) > 1",
    "select a, n, count(distinct b), string_agg(s, ',' order by id) from t group by a, n having "
    "count(*) > 3",
    "select u.k, q.c from u join (select id, count(*) as c from t group by id) q on q.id = u.k "
    "where u.v = 5",
    "select sum(length(k)) from (select repeat(md5(id::text), 20) as k from t group by 1) q",
};
enum { ENDED = sizeof ended / sizeof ended[0] };

static unsigned errors; /* met */

/* The right answer or the error. */
static void check_end(struct sql_runner *runner, const char *text, const char *answer,
                      uint64_t wanted, const char *error) {
    if (sum_of(answer) != wanted && strncmp(answer, error, strlen(error)) != 0)
        fail_msg("%s\n%.300s", text, answer);
    errors += strncmp(answer, error, strlen(error)) == 0;
    assert_nothing_aside(runner, text);
}

static void a_timeout_leaves_nothing(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    struct random random;
    uint64_t wanted[ENDED];
    random_seed(&random, 33);
    make_tables(s);
    errors = 0;
    for (unsigned i = 0; i < ENDED; i++)
        wanted[i] = wanted_sum(s, ended[i]);
    exec__rows_that_pay = 1;
    for (unsigned i = 0; i < ENDS; i++) {
        char text[60];
        snprintf(text, sizeof text, "set statement_timeout = %u",
                 (unsigned)random_below(&random, 150) + 1);
        assert_sql(s, "set statement_timeout = 0", "SET\n");
        set_memory(s, i % 2 == 0 ? 64 : 500);
        assert_sql(s, text, "SET\n");
        check_end(runner, ended[i % ENDED], sql_run(s, ended[i % ENDED]), wanted[i % ENDED],
                  "ERROR 57014");
    }
    assert_in_range(errors, ENDS / 4, ENDS);
    exec__rows_that_pay = 50000;
    sql_runner_close(runner);
}

static _Atomic int64_t faults_begin = INT64_MAX; /* so many more succeed */

static bool fails(void) {
    return atomic_load(&faults_begin) != INT64_MAX && atomic_fetch_sub(&faults_begin, 1) == 1;
}

static int fail_write(const struct operation *operation) {
    return operation->kind == OPERATION_WRITE && operation->size >= 16 << 10 && fails() ? ENOSPC
                                                                                        : 0;
}

/* One of the next `range` things fails, once for all. */
static void run_faulty(struct sql_runner *runner, struct sql_session *s, struct random *random,
                       unsigned i, uint64_t range, uint64_t wanted, const char *error) {
    const char *text = ended[i % ENDED];
    atomic_store(&faults_begin, (int64_t)random_below(random, range) + 1);
    const char *answer = sql_run(s, text);
    atomic_store(&faults_begin, INT64_MAX);
    check_end(runner, text, answer, wanted, error);
}

static void want_of_memory_leaves_nothing(void **state) {
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    struct random random;
    uint64_t wanted[ENDED];
    random_seed(&random, 34);
    make_tables(s);
    errors = 0;
    for (unsigned i = 0; i < ENDED; i++)
        wanted[i] = wanted_sum(s, ended[i]);
    exec__rows_that_pay = 1;
    set_memory(s, 500);
    memory_fault_set(fails);
    for (unsigned i = 0; i < FAULTS; i++)
        run_faulty(runner, s, &random, i, 3000, wanted[i % ENDED], "ERROR 53200");
    memory_fault_set(NULL);
    assert_in_range(errors, FAULTS / 4, FAULTS);
    for (unsigned i = 0; i < ENDED; i++)
        assert_int_equal(sum_of(sql_run(s, ended[i])), wanted[i]);
    exec__rows_that_pay = 50000;
    sql_runner_close(runner);
}

/* What is put aside is more than the pool holds, so pages are written. */
static void a_full_disk_leaves_nothing(void **state) {
    const struct environment *before = environment__current;
    struct environment faulty = *before;
    faulty.file_fault = fail_write;
    environment__current = &faulty;
    struct sql_runner *runner = sql_runner_open(2);
    struct sql_session *s = sql_session_open(runner);
    struct random random;
    random_seed(&random, 35);
    make_tables(s);
    uint64_t wanted = wanted_sum(s, ended[4]);
    errors = 0;
    exec__rows_that_pay = 1;
    set_memory(s, 500);
    for (unsigned i = 0; i < 20; i++)
        run_faulty(runner, s, &random, 4, 300, wanted, "ERROR 53100");
    assert_in_range(errors, 1, 20);
    assert_int_equal(sum_of(sql_run(s, ended[4])), wanted);
    exec__rows_that_pay = 50000;
    sql_runner_close(runner);
    environment__current = before;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_cores_answer_as_one_with_memory),
        cmocka_unit_test(three_cores_answer_as_one_with_memory),
        cmocka_unit_test(tables_grow_and_shrink),
        cmocka_unit_test(a_timeout_leaves_nothing),
        cmocka_unit_test(want_of_memory_leaves_nothing),
        cmocka_unit_test(a_full_disk_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
