/*
 * What a failing disk may leave behind. A process of its own runs statements; one of its operations
 * on files fails, or that one and all later ones, or the process is cut off there, in the middle of
 * a write. For each operation in turn:
 *
 *     - the process ends with exit status 0, after an error that it told, or with the journal's
 *       last words (EX_SOFTWARE), never by a signal
 *     - afterwards the database opens and its check finds nothing
 *     - what a statement wrote is there whole or not at all: there if it was acknowledged, absent
 *       if it was refused, either if the process ended before it answered
 *
 * The directory is kept from fault to fault; each run writes rows of numbers of its own.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_log.h"
#include "coverage.h"
#include "runtime/backend.h"
#include "runtime/runtime.h"
#include "session/session.h"
#include "sql_runner.h"
#include "table/table.h"
#include "txn/txn.h"

enum { ROWS = 40, STEPS_MAX = 16, CUT_OFF = 77, EX_FATAL = 70 };

enum fault_mode { FAULT_ONCE, FAULT_FOR_GOOD, FAULT_CUT_OFF };
enum outcome { UNANSWERED, ACKNOWLEDGED, REFUSED };

/* What a process tells the one that waits for it. */
struct record {
    _Atomic unsigned operations; /* on files, while faults were wanted */
    unsigned outcomes[STEPS_MAX];
    char message[256]; /* of the first failure */
};
static struct record *record;

/* ---- the fault ------------------------------------------------------------------------------ */

static unsigned fault_at;
static enum fault_mode fault_mode;
static struct environment faulty;
static _Atomic bool armed;

static int fault(const struct operation *operation) {
    if (!armed)
        return 0;
    unsigned at = record->operations++;
    if (at < fault_at || (at > fault_at && fault_mode == FAULT_ONCE))
        return 0;
    if (fault_mode == FAULT_CUT_OFF) {
        if (operation->kind == OPERATION_WRITE && at % 2 == 0)
            (void)!pwrite(operation->fd, operation->data, operation->size / 2,
                          (off_t)operation->offset);
        coverage_dump();
        _exit(CUT_OFF);
    }
    return fault_at % 2 == 0 ? EIO : ENOSPC;
}

/* Before the runtime's threads are there; faults begin when `armed` says so. */
static void set_environment(void) {
    faulty = *environment__current;
    faulty.file_fault = fault;
    environment__current = &faulty;
}

/* ---- processes ------------------------------------------------------------------------------ */

static char root[64], directory[80], said[80];

static void remove_root(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    assert_int_equal(system(command), 0);
}

/* In memory where that can be had: syncing to a disk is not what is tested. */
static void make_root(void) {
    snprintf(root, sizeof root, "%s/satori-test-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(root));
    snprintf(directory, sizeof directory, "%s/data", root);
    snprintf(said, sizeof said, "%s/said", root);
}

/* Returns the exit status. What the process writes to standard error goes to the file `said`. */
static int in_child(int (*body)(const void *argument), const void *argument, bool quiet) {
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (quiet)
            dup2(open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
        log_level_set(LOG_ERROR);
        int result = body(argument);
        coverage_dump();
        _exit(result);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    if (!WIFEXITED(result))
        fail_msg("the process ended by signal %d", WTERMSIG(result));
    return WEXITSTATUS(result);
}

static int told(const char *message) {
    if (record->message[0] == '\0')
        snprintf(record->message, sizeof record->message, "%.200s", message);
    return 1;
}

static bool refused(const char *answer) {
    const char *error = strstr(answer, "ERROR ");
    if (error == NULL)
        return false;
    (void)told(error);
    return true;
}

/* ---- what is run ---------------------------------------------------------------------------- */

/* %1$d is the number of the group that the step makes of ROWS rows: none of the texts makes another
   number of them. A step without it makes no group. */
#define ROWS_FROM(from, to, pad)                                                                   \
    "insert into t select %1$d * 100 + i, %1$d, 0, " pad " from generate_series(" from ", " to ")" \
    " "                                                                                            \
    "i"

static const char insert_rows[] = ROWS_FROM("0", "39", "repeat('x', i * 20)");
static const char insert_wide[] =
    ROWS_FROM("0", "39", "case when i < 3 then repeat('y', 70000 + i) else 'z' end");
static const char in_block[] =
    "begin; " ROWS_FROM("0", "19", "'first'") "; " ROWS_FROM("20", "39", "'second'") "; commit";
static const char copy_rows[] = "copy t from stdin";
static const char rewrite[] = "update t set v = v + 1, pad = pad || 'u' where g = %1$d - 1";

/* All rows of the group of the step before were changed, or none. */
static bool rewrites(const char *text) {
    return text == rewrite;
}

struct scenario {
    const char *steps[STEPS_MAX]; /* ends with NULL */
};

static unsigned step_count(const struct scenario *scenario) {
    unsigned count = 0;
    while (scenario->steps[count] != NULL)
        count++;
    return count;
}

static int group_base; /* of the run */

static size_t copy_text(int group, char *text, size_t size) {
    size_t used = 0;
    for (int i = 0; i < ROWS; i++)
        used += (size_t)snprintf(text + used, size - used, "%d\t%d\t0\tcopied %d\n",
                                 group * 100 + i, group, i);
    return used;
}

static void run_steps(struct sql_session *s, const struct scenario *scenario) {
    for (int i = 0; scenario->steps[i] != NULL; i++) {
        char text[512], rows[4096];
        snprintf(text, sizeof text, scenario->steps[i], group_base + i);
        if (scenario->steps[i] == copy_rows)
            sql_copy_data(s, rows, copy_text(group_base + i, rows, sizeof rows), 100);
        record->outcomes[i] = refused(sql_run(s, text)) ? REFUSED : ACKNOWLEDGED;
        if (record->outcomes[i] == REFUSED)
            sql_run(s, "rollback");
    }
}

/* Opens, then faults are wanted. */
static int run_with_faults(const void *argument) {
    set_environment();
    struct sql_runner *runner = sql_runner_visit(directory);
    if (runner == NULL)
        abort();
    struct sql_session *s = sql_session_open(runner);
    armed = true;
    run_steps(s, argument);
    return sql_runner_leave(runner) == STATUS_OK ? 0 : told(error_current()->message);
}

/* Leaves a journal to be replayed. */
static int run_and_crash(const void *argument) {
    struct sql_runner *runner = sql_runner_visit(directory);
    if (runner == NULL)
        abort();
    run_steps(sql_session_open(runner), argument);
    coverage_dump();
    _exit(CUT_OFF);
}

/* Faults are wanted from the first. */
static int open_with_faults(const void *argument) {
    set_environment();
    armed = true;
    struct sql_runner *runner = sql_runner_visit(directory);
    if (runner == NULL)
        return told(error_current()->message);
    return sql_runner_leave(runner) == STATUS_OK ? 0 : told(error_current()->message);
}

/* ---- what is found -------------------------------------------------------------------------- */

static void damage(void *context, const char *line) {
    print_error("damaged: %s\n", line);
}

static enum status check_all(struct fiber *f, void *argument) {
    struct engine *engine = argument;
    uint64_t found = 0, total = 0;
    TRY(store_check(f, engine_store(engine), NULL, damage, NULL, &total));
    struct schema *schema = catalog_schema(engine_catalog(engine));
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < schema_table_count(schema); i++) {
        const struct table *table = schema_table_at(schema, i);
        if (table->kind != RELATION_TABLE)
            continue;
        status = table_check(f, engine_catalog(engine), table, damage, NULL, &found);
        total += found;
    }
    schema_release(schema);
    return status != STATUS_OK ? status
           : total > 0         ? error_set(STATUS_DATA_CORRUPTED, "check found damage")
                               : STATUS_OK;
}

static bool matches(unsigned outcome, bool there) {
    return outcome == UNANSWERED || there == (outcome == ACKNOWLEDGED);
}

static bool step_is_whole(struct sql_session *s, const char *text, int group, unsigned outcome) {
    if (strstr(text, "%1$d") == NULL && text != copy_rows)
        return true;
    char query[200];
    int rows = -1, least = 0, most = 0;
    snprintf(query, sizeof query,
             "select count(*), coalesce(min(v), 0), coalesce(max(v), 0) from t where g = %d",
             rewrites(text) ? group - 1 : group);
    const char *answer = sql_run(s, query);
    sscanf(answer, "%d|%d|%d", &rows, &least, &most);
    bool whole = rewrites(text) ? rows == 0 || (least == most && matches(outcome, least == 1))
                                : (rows == 0 || rows == ROWS) && matches(outcome, rows == ROWS);
    if (!whole)
        print_error("outcome %u of \"%s\", then %s\n", outcome, text, answer);
    return whole;
}

static int verify(const void *argument) {
    const struct scenario *scenario = argument;
    struct sql_runner *runner = sql_runner_visit(directory);
    if (runner == NULL) {
        print_error("not to be opened: %s\n", error_current()->message);
        return 1;
    }
    struct sql_session *s = sql_session_open(runner);
    int bad = 0;
    for (int i = 0; scenario->steps[i] != NULL; i++)
        bad += !step_is_whole(s, scenario->steps[i], group_base + i, record->outcomes[i]);
    if (runtime_run(sql_runner_runtime(runner), 0, check_all, sql_runner_engine(runner)) !=
        STATUS_OK) {
        print_error("%s\n", error_current()->message);
        bad++;
    }
    bad += refused(sql_run(s, "delete from t"));
    return sql_runner_leave(runner) == STATUS_OK && bad == 0 ? 0 : 1;
}

static int create(const void *argument) {
    struct sql_runner *runner = sql_runner_visit(directory);
    struct sql_session *s = sql_session_open(runner);
    assert_sql(s,
               "create table t(id int primary key, g int, v int, pad text) with (freeze = off);"
               "create index on t(g); create index on t(v)",
               "CREATE TABLE\nCREATE INDEX\nCREATE INDEX\n");
    return sql_runner_leave(runner);
}

/* ---- for each operation --------------------------------------------------------------------- */

static bool something_was_said(void) {
    struct stat status;
    return stat(said, &status) == 0 && status.st_size > 0;
}

/* Returns whether the fault was met. */
static bool one_fault(const struct scenario *scenario, bool recovers, unsigned at) {
    fault_at = at;
    group_base += STEPS_MAX;
    *record = (struct record){0};
    if (recovers)
        assert_int_equal(in_child(run_and_crash, scenario, true), CUT_OFF);
    int code = in_child(recovers ? open_with_faults : run_with_faults, scenario, true);
    bool met = record->operations > at;
    if (!met && code != 0)
        fail_msg("exit status %d without a fault: %s", code, record->message);
    bool explained = code == 0          ? true
                     : code == 1        ? record->message[0] != '\0'
                     : code == EX_FATAL ? something_was_said()
                                        : code == CUT_OFF && fault_mode == FAULT_CUT_OFF;
    if (!explained)
        fail_msg("exit status %d after a fault at operation %u", code, at);
    if (in_child(verify, scenario, false) != 0)
        fail_msg("after a fault at operation %u (exit status %d: %s)", at, code, record->message);
    return met;
}

/* Each operation fails in one of the three modes (of recovery, which has most, each third one); in
   all of them when SATORI_STRESS is set. */
static void fault_everywhere(const struct scenario *scenario, bool recovers, unsigned least) {
    unsigned stride = getenv("SATORI_STRESS") != NULL ? 1 : recovers ? 9 : 3;
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    assert_true(step_count(scenario) < STEPS_MAX);
    record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(record, MAP_FAILED);
    make_root();
    assert_int_equal(in_child(create, NULL, false), 0);
    for (fault_mode = FAULT_ONCE; fault_mode <= FAULT_CUT_OFF; fault_mode++) {
        unsigned at = (unsigned)fault_mode * stride / 3;
        while (one_fault(scenario, recovers, at))
            at += stride;
        print_message("# mode %d: %u operations\n", (int)fault_mode, at);
        assert_true(at >= least);
    }
    remove_root();
    munmap(record, sizeof *record);
}

static const struct scenario load = {
    {insert_rows, copy_rows, in_block, insert_wide, rewrite, copy_rows, insert_rows}};

static void a_load_survives_a_fault_at_any_operation(void **state) {
    fault_everywhere(&load, false, 20);
}

static const struct scenario checkpoints = {{insert_rows, "checkpoint", copy_rows, rewrite,
                                             "vacuum (freeze) t", "checkpoint", insert_wide}};

static void a_checkpoint_survives_a_fault_at_any_operation(void **state) {
    fault_everywhere(&checkpoints, false, 40);
}

static const struct scenario replayed = {
    {insert_rows, "checkpoint", in_block, insert_wide, copy_rows, rewrite}};

static void recovery_survives_a_fault_at_any_operation(void **state) {
    fault_everywhere(&replayed, true, 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_load_survives_a_fault_at_any_operation),
        cmocka_unit_test(a_checkpoint_survives_a_fault_at_any_operation),
        cmocka_unit_test(recovery_survives_a_fault_at_any_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
