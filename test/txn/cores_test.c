/* Sessions on several cores move money between accounts on several partitions while partitions
   move between cores: every snapshot sees the same sum, no transfer is half seen or lost. */
#include "txn_fixture.h"

#include "base/base_random.h"
#include "txn/store.h"

enum { ACCOUNTS = 32, SESSIONS = 3, TRANSFERS = 120, START = 1000 };

struct session {
    struct store *store;
    unsigned seed, transfers, conflicts;
    struct commit_number last;
};

static void account_key(unsigned account, char *text) {
    snprintf(text, 16, "account-%03u", account);
}

static int64_t balance_of(struct fiber *f, struct transaction *transaction, unsigned account,
                          bool newest) {
    char key[16];
    struct arena arena = {0};
    account_key(account, key);
    struct key_operation o = {.transaction = transaction,
                              .tree = {3},
                              .key = slice_of_text(key),
                              .arena = &arena,
                              .newest = newest};
    assert_ok(partition_call(f, transaction_store(transaction), account % 4, get_there, &o));
    assert_true(o.found);
    int64_t balance = (int64_t)get_le64(o.value.data);
    arena_release(&arena);
    return balance;
}

static void balance_set(struct fiber *f, struct transaction *transaction, unsigned account,
                        int64_t balance) {
    char key[16];
    uint8_t value[8];
    account_key(account, key);
    put_le64(value, (uint64_t)balance);
    struct key_operation o = {.transaction = transaction,
                              .tree = {3},
                              .key = slice_of_text(key),
                              .value = slice_of(value, 8)};
    assert_ok(partition_call(f, transaction_store(transaction), account % 4, put_there, &o));
}

static enum status account_lock(struct fiber *f, struct transaction *transaction,
                                unsigned account) {
    char key[16];
    account_key(account, key);
    struct key_operation o = {.transaction = transaction,
                              .tree = {3},
                              .key = slice_of_text(key),
                              .mode = KEY_LOCK_EXCLUSIVE};
    return partition_call(f, transaction_store(transaction), account % 4, lock_there, &o);
}

static void sum_verify(struct fiber *f, struct transaction *transaction) {
    int64_t sum = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++)
        sum += balance_of(f, transaction, i, false);
    assert_int_equal(sum, ACCOUNTS * START);
}

static enum status transfers_body(struct fiber *f, void *argument) {
    struct session *session = argument;
    struct random random;
    random_seed(&random, session->seed);
    for (int i = 0; i < TRANSFERS; i++) {
        struct transaction *transaction;
        struct transaction_options options = {.isolation = ISOLATION_READ_COMMITTED};
        assert_ok(transaction_begin(f, session->store, &options, &transaction));
        assert_ok(transaction_statement_begin(f, transaction, session->last));
        unsigned a = (unsigned)random_below(&random, ACCOUNTS);
        unsigned b = (a + 1 + (unsigned)random_below(&random, ACCOUNTS - 1)) % ACCOUNTS;
        int64_t amount = (int64_t)random_below(&random, 50);
        enum status status = account_lock(f, transaction, a);
        if (status == STATUS_OK)
            status = account_lock(f, transaction, b);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_DEADLOCK_DETECTED);
            error_clear();
            transaction_rollback(f, transaction);
            session->conflicts++;
            continue;
        }
        balance_set(f, transaction, a, balance_of(f, transaction, a, true) - amount);
        balance_set(f, transaction, b, balance_of(f, transaction, b, true) + amount);
        next_statement(f, transaction);
        sum_verify(f, transaction); /* its own writes over one snapshot */
        if (random_below(&random, 10) == 0) {
            transaction_rollback(f, transaction);
            continue;
        }
        assert_ok(
            transaction_commit(f, transaction, random_below(&random, 2) == 0, &session->last));
        session->transfers++;
        if (random_below(&random, 20) == 0)
            store_bring(f, session->store, (unsigned)random_below(&random, 4));
    }
    return STATUS_OK;
}

static enum status auditor_body(struct fiber *f, void *argument) {
    struct session *session = argument;
    for (int i = 0; i < 40; i++) {
        struct transaction *transaction = begin(f, session->store, ISOLATION_REPEATABLE_READ);
        sum_verify(f, transaction);
        assert_ok(fiber_sleep(f, 500000));
        next_statement(f, transaction);
        sum_verify(f, transaction);
        commit(f, transaction);
        if (i % 10 == 9)
            assert_ok(store_checkpoint(f, session->store));
    }
    return STATUS_OK;
}

static enum status core_body(struct fiber *f, void *argument) {
    struct session *sessions = argument;
    struct task_group group;
    task_group_init(&group, f);
    for (unsigned i = 0; i < SESSIONS; i++)
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, transfers_body, &sessions[i]));
    assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, auditor_body, &sessions[0]));
    return task_group_wait(f, &group);
}

static enum status bank_body(struct fiber *f, void *argument) {
    unsigned cores = runtime_core_count(fiber_runtime(f));
    struct store *store = store_create(f);
    struct transaction *fill = begin(f, store, ISOLATION_READ_COMMITTED);
    for (unsigned i = 0; i < ACCOUNTS; i++)
        balance_set(f, fill, i, START);
    commit(f, fill);
    struct session sessions[4][SESSIONS];
    void *arguments[4];
    for (unsigned core = 0; core < cores; core++) {
        for (unsigned i = 0; i < SESSIONS; i++)
            sessions[core][i] = (struct session){store, 10 * core + i + 1, 0, 0, {0}};
        arguments[core] = sessions[core];
    }
    assert_ok(core_call_all(f, (1ull << cores) - 1, core_body, arguments));
    unsigned transfers = 0;
    for (unsigned core = 0; core < cores; core++)
        for (unsigned i = 0; i < SESSIONS; i++)
            transfers += sessions[core][i].transfers;
    assert_true(transfers > cores * SESSIONS * TRANSFERS / 2);
    check(f, store);
    store_abandon(f, store);
    store = store_reopen(f);
    struct transaction *look = begin(f, store, ISOLATION_READ_COMMITTED);
    sum_verify(f, look);
    commit(f, look);
    return store_close(f, store);
}

static void transfers_keep_the_sum_on_one_core(void **state) {
    fixture_run(bank_body, 1);
}

static void transfers_keep_the_sum_on_three_cores(void **state) {
    fixture_run(bank_body, 3);
}

int main(void) {
    spread__busy_rate = 1e9; /* partitions move between transactions */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_keep_the_sum_on_one_core),
        cmocka_unit_test(transfers_keep_the_sum_on_three_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
