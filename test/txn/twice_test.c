/* A process is killed behind each of its changes to files, another one goes on with what it finds,
   and then the power fails: nothing that either acknowledged is lost. What the first wrote and did
   not sync the second has read from the page cache. */
#include "txn_fixture.h"

#include <sys/wait.h>

#include "base/base_chance.h"
#include "coverage.h"
#include "journal/journal.h"
#include "runtime/runtime_simulator.h"

enum { PUT_TREE = 5, ROUNDS = 3, CUT_OFF = 77 };

static unsigned acknowledged; /* values of keys 0 .. acknowledged-1 */

static bool manifests_are_written_anew(const char *place) {
    return strcmp(place, "pager: a manifest is written anew") == 0;
}

static void put_next(struct fiber *f, struct store *store) {
    char key[16];
    snprintf(key, sizeof key, "%u", acknowledged);
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    put(f, t, acknowledged % 2, PUT_TREE, key, "value");
    assert_ok(transaction_statement_end(f, t));
    commit(f, t);
    acknowledged++;
}

static enum status open_or_create(struct fiber *f, struct store **store_out) {
    struct store_options options = store_options_at("data", false);
    options.journal_sync = JOURNAL_SYNC_FDATASYNC;
    options.partition_count = 2;
    enum status status = store_open(f, &options, store_out);
    if (status != STATUS_UNDEFINED_FILE)
        return status;
    assert_int_equal(acknowledged, 0);
    options.create = true;
    return store_open(f, &options, store_out);
}

static enum status live(struct fiber *f, struct store **store_out) {
    TRY(open_or_create(f, store_out));
    for (int i = 0; i < ROUNDS; i++) {
        put_next(f, *store_out);
        TRY(store_checkpoint(f, *store_out));
        put_next(f, *store_out);
    }
    return STATUS_OK;
}

/* The store stays open: a crash comes. */
static enum status life(struct fiber *f, void *argument) {
    struct store *store;
    return live(f, &store);
}

static enum status life_with_an_end(struct fiber *f, void *argument) {
    struct store *store;
    TRY(live(f, &store));
    return store_close(f, store);
}

static enum status look(struct fiber *f, void *argument) {
    struct store *store;
    TRY(open_or_create(f, &store));
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    for (unsigned i = 0; i < acknowledged; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        assert_string_equal(get(f, t, i % 2, PUT_TREE, key), "value");
    }
    transaction_rollback(f, t);
    check(f, store);
    return store_close(f, store);
}

static struct runtime *simulated_runtime(void) {
    struct runtime_options options = {.core_count = 1, .random_seed = 7};
    struct runtime *runtime;
    assert_ok(runtime_create(&options, &runtime));
    return runtime;
}

/* Returns whether the kill came before the process that is killed had done all. */
static bool try_kill(bool after_a_stop, uint64_t change) {
    struct simulator_options options = {.seed = 1};
    struct simulator *simulator;
    struct future done;
    enum status status;
    assert_ok(simulator_create(&options, &simulator));
    chance_set(manifests_are_written_anew);
    struct runtime *runtime = simulated_runtime();
    if (after_a_stop) {
        assert_ok(runtime_run(runtime, 0, life_with_an_end, NULL));
        runtime_destroy(runtime);
        runtime = simulated_runtime();
    }
    assert_ok(runtime_submit(runtime, 0, life, NULL, &done));
    simulator_run_until_change(simulator, change, INT64_C(10000000000));
    bool cut = !future_wait(&done, 0, &status);
    simulator_crash(simulator, runtime, SIMULATOR_KILL);

    chance_set(NULL);
    runtime = simulated_runtime();
    status = runtime_run(runtime, 0, life, NULL);
    if (status != STATUS_OK)
        fail_msg("killed behind change %d: %s", (int)change, error_current()->message);
    simulator_crash(simulator, runtime, SIMULATOR_BARE);

    runtime = simulated_runtime();
    status = runtime_run(runtime, 0, look, NULL);
    if (status != STATUS_OK)
        fail_msg("killed behind change %d, then the power failed: %s", (int)change,
                 error_current()->message);
    runtime_destroy(runtime);
    simulator_destroy(simulator);
    return cut;
}

/* In a process of its own: what crashed never gives its memory back. */
static bool try_kill_in_child(bool after_a_stop, uint64_t change) {
    int result;
    pid_t child = fork();
    if (child == 0) {
        bool cut = try_kill(after_a_stop, change);
        coverage_dump();
        _exit(cut ? CUT_OFF : 0);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    if (!WIFEXITED(result) || (WEXITSTATUS(result) != 0 && WEXITSTATUS(result) != CUT_OFF))
        fail_msg("killed behind change %d: the second or third process failed", (int)change);
    return WEXITSTATUS(result) == CUT_OFF;
}

static void kill_everywhere(bool after_a_stop) {
    snprintf(fixture_root, sizeof fixture_root, "/sim");
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    uint64_t change = 1;
    while (try_kill_in_child(after_a_stop, change))
        change++;
    assert_true(change > 60);
}

static void what_a_killed_process_left_is_made_durable(void **state) {
    kill_everywhere(false);
}

static void so_is_what_one_left_that_found_a_stopped_store(void **state) {
    kill_everywhere(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_killed_process_left_is_made_durable),
        cmocka_unit_test(so_is_what_one_left_that_found_a_stopped_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
