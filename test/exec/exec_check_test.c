/*
 * Long statements ask often enough whether to go on. Nothing here depends on time: the checks of a
 * statement are counted, at every count some way through it is cancelled, and then hardly any
 * further check may come before it has ended.
 */
#include "test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "runtime/backend.h"
#include "runtime/runtime.h"
#include "sql_runner.h"

enum {
    ROWS = 120000,
    CANCEL_POINTS = 12,
    SORT_CHECKS = 2 * (ROWS / 24) + 5 * (ROWS / 1024),
    GROW_CHECKS = 2 * ((1 << 18) / 4096) + (1 << 18) / 4096,
    JOIN_CHECKS = ROWS / 1024 + (1 << 18) / 8192,
};

static _Atomic uint64_t checks, cancel_at;
static _Atomic int canceled_core; /* -1: none yet */

/* After the cancel only that core's are counted: when the system lets the thread of another one
   hear of it is a matter of time. */
static void count_check(struct fiber *f) {
    int core = (int)fiber_core(f), canceled = atomic_load(&canceled_core);
    if (fiber_class(f) == FIBER_BACKGROUND || (canceled >= 0 && canceled != core))
        return; /* not the statement's */
    uint64_t number = atomic_fetch_add(&checks, 1) + 1;
    if (number != atomic_load(&cancel_at))
        return;
    atomic_store(&canceled_core, core);
    fiber_cancel(f, STATUS_CANCELED, "canceled by the test");
}

/* Runs the text; how many checks it made. */
static uint64_t counted(struct sql_session *s, const char *text, uint64_t cancel,
                        const char **answer_out) {
    atomic_store(&checks, 0);
    atomic_store(&cancel_at, cancel);
    atomic_store(&canceled_core, -1);
    *answer_out = sql_run(s, text);
    return atomic_load(&checks);
}

/* A statement over ROWS rows that makes at least `least` checks. */
static void assert_checks(struct sql_session *s, const char *text, uint64_t least) {
    const char *answer;
    uint64_t all = counted(s, text, 0, &answer);
    if (strncmp(answer, "ERROR", 5) == 0 || all < least)
        fail_msg("%s\n%llu checks, not %llu; %.60s", text, (unsigned long long)all,
                 (unsigned long long)least, answer);
    for (uint64_t point = 1; point <= CANCEL_POINTS; point++) {
        uint64_t at = all * point / (CANCEL_POINTS + 1) + 1;
        uint64_t made = counted(s, text, at, &answer);
        if (made < at)
            continue; /* fewer this time: cores share the work as it comes */
        if (strcmp(answer, "ERROR 57014: canceled by the test\n") != 0)
            fail_msg("%s\ncanceled at check %llu of %llu: %.60s", text, (unsigned long long)at,
                     (unsigned long long)all, answer);
        if (made - at > all / 4 + 64)
            fail_msg("%s\ncanceled at check %llu of %llu, ended at %llu", text,
                     (unsigned long long)at, (unsigned long long)all, (unsigned long long)made);
    }
}

static void run_all(unsigned cores, const char *setting) {
    struct sql_runner *runner = sql_runner_open(cores);
    struct sql_session *s = sql_session_open(runner);
    char text[300];
    snprintf(text, sizeof text,
             "create table t (a int primary key, b int, c text) with (freeze = off);"
             "insert into t select i, i * 7919 %% 1000003, 'text ' || i * 31 %% 65537 from "
             "generate_series(1, %d) g (i)",
             ROWS);
    assert_true(strncmp(sql_run(s, text), "CREATE TABLE\nINSERT", 19) == 0);
    (void)sql_run(s, setting);

    const char *answer;
    uint64_t scan = counted(s, "select sum(b), min(c) from t", 0, &answer);
    assert_checks(s, "select sum(b), min(c) from t", ROWS / 2048);
    assert_checks(s, "select count(*) from t where c like '%9%9%'", ROWS / 2048);
    /* runs of 24, merges of so many and more; within merges at every 1,024 entries */
    assert_checks(s, "select c from t order by c, a offset 119990", scan + SORT_CHECKS);
    assert_checks(s, "select count(distinct c) from t", scan + ROWS / 2048);
    /* the table grows: 2^18 slots and all sizes before are cleared and moved by 4,096 */
    assert_checks(s, "select count(*) from (select b, count(*) from t group by b) x",
                  scan + ROWS / 2048 + GROW_CHECKS);
    /* rows are taken from one side, then the directory is cleared and filled */
    assert_checks(s, "select count(*) from t x join t y on x.b = y.b", 2 * scan + JOIN_CHECKS);
    assert_checks(s, "select count(*) from (select b from t union select a from t) x",
                  2 * scan + 2 * ROWS / 2048 + GROW_CHECKS);
    sql_runner_close(runner);
}

static void statements_in_memory_check_often(void **state) {
    run_all(1, "set work_mem = '256MB'");
}

static void statements_that_spill_check_often(void **state) {
    run_all(1, "set work_mem = '1MB'");
}

static void statements_of_two_cores_check_often(void **state) {
    run_all(2, "set work_mem = '256MB'");
}

static void statements_of_two_cores_that_spill_check_often(void **state) {
    run_all(2, "set work_mem = '1MB'");
}

/* Freezing: encoding pauses at every 4,096 values. Afterwards nothing is half done. */
static void freezing_checks_often(void **state) {
    struct sql_runner *runner = sql_runner_open(1);
    struct sql_session *s = sql_session_open(runner);
    (void)sql_run(s, "create table t (a int, c text) with (freeze = off)");
    (void)sql_run(s, "insert into t select i, 'text ' || i * 31 % 65537 from "
                     "generate_series(1, 16000) g (i)");
    const char *answer;
    uint64_t made = counted(s, "vacuum (freeze) t", 0, &answer);
    assert_string_equal(answer, "VACUUM\n");
    assert_true(made > 16000 / 1024);
    assert_sql(s, "select count(*), count(distinct c) from t", "16000|16000\n");
    sql_runner_close(runner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_in_memory_check_often),
        cmocka_unit_test(statements_that_spill_check_often),
        cmocka_unit_test(statements_of_two_cores_check_often),
        cmocka_unit_test(statements_of_two_cores_that_spill_check_often),
        cmocka_unit_test(freezing_checks_often),
    };
    static struct environment counting;
    counting = *environment__current;
    counting.checked = count_check;
    environment__current = &counting;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
