/* What the room's tests share: a store in a fresh directory on a runtime, and short words for
   single operations. */
#ifndef TXN_FIXTURE_H
#define TXN_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#include "base/base_bytes.h"
#include "base/base_log.h"
#include "runtime/runtime.h"
#include "txn/txn.h"

static char fixture_root[64];

static inline void fixture_run(fiber_function body, unsigned cores) {
    struct runtime *runtime;
    struct runtime_options options = {.core_count = cores, .random_seed = 7};
    char command[128];
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failure on a fiber cannot jump out of it */
    snprintf(fixture_root, sizeof fixture_root, "/tmp/satori-test-XXXXXX");
    assert_non_null(mkdtemp(fixture_root));
    assert_ok(runtime_create(&options, &runtime));
    enum status status = runtime_run(runtime, 0, body, NULL);
    if (status != STATUS_OK)
        printf("%s\n", error_current()->message);
    runtime_destroy(runtime);
    snprintf(command, sizeof command, "rm -rf %s", fixture_root);
    assert_int_equal(system(command), 0);
    assert_int_equal(status, STATUS_OK);
}

static struct store_options store_options_at(const char *name, bool create) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", fixture_root, name);
    return (struct store_options){.directory = path,
                                  .create = create,
                                  .partition_count = create ? 4 : 0,
                                  .memory_max = 32 << 20,
                                  .journal_segment_size = 1 << 20,
                                  .journal_sync = 2,
                                  .deadlock_timeout_ms = 20};
}

static inline struct store *store_create(struct fiber *f) {
    struct store *store;
    struct store_options options = store_options_at("data", true);
    assert_ok(store_open(f, &options, &store));
    return store;
}

static inline struct store *store_reopen(struct fiber *f) {
    struct store *store;
    struct store_options options = store_options_at("data", false);
    assert_ok(store_open(f, &options, &store));
    return store;
}

struct bringing {
    struct store *store;
    unsigned partition;
};

static inline enum status bring_there(struct fiber *f, void *argument) {
    struct bringing *bringing = argument;
    store_bring(f, bringing->store, bringing->partition);
    return STATUS_OK;
}

/* The partition comes to live on the last core, or on the first. */
static inline void bring(struct fiber *f, struct store *store, unsigned partition, bool last) {
    struct bringing bringing = {store, partition};
    unsigned core = last ? runtime_core_count(fiber_runtime(f)) - 1 : 0;
    assert_ok(core_call(f, core, bring_there, &bringing));
}

static inline struct transaction *begin(struct fiber *f, struct store *store,
                                        enum isolation isolation) {
    struct transaction *transaction;
    struct transaction_options options = {.isolation = isolation};
    assert_ok(transaction_begin(f, store, &options, &transaction));
    assert_ok(transaction_statement_begin(f, transaction, (struct commit_number){0}));
    return transaction;
}

static inline void next_statement(struct fiber *f, struct transaction *transaction) {
    assert_ok(transaction_statement_end(f, transaction));
    assert_ok(transaction_statement_begin(f, transaction, (struct commit_number){0}));
}

static inline uint64_t commit(struct fiber *f, struct transaction *transaction) {
    struct commit_number number;
    assert_ok(transaction_commit(f, transaction, true, &number));
    return number.value;
}

/* One operation on one partition. */
struct key_operation {
    struct transaction *transaction;
    struct tree_id tree;
    struct slice key, value;
    unsigned flags;
    struct arena *arena;
    bool found, newest;
    enum key_lock_mode mode;
    enum lock_wait wait;
    bool locked, waited;
    struct txn_key_state state;
};

static inline enum status put_there(struct fiber *f, struct partition *partition, void *argument) {
    struct key_operation *o = argument;
    return txn_put(f, o->transaction, partition, o->tree, o->key, o->value, o->flags);
}

/* Large entries through the same struct; the value is copied to the arena. */
static inline enum status put_large_there(struct fiber *f, struct partition *partition,
                                          void *argument) {
    struct key_operation *o = argument;
    return txn_put_large(f, o->transaction, partition, o->tree, o->key, o->value);
}

static inline enum status get_large_there(struct fiber *f, struct partition *partition,
                                          void *argument) {
    struct key_operation *o = argument;
    struct txn_large large;
    TRY(txn_get_large(f, o->transaction, partition, o->tree, o->key, o->newest, o->arena, &o->found,
                      &large));
    if (!o->found)
        return STATUS_OK;
    o->value = arena_copy_slice(o->arena, large.bytes);
    txn_release_large(partition, &large);
    return STATUS_OK;
}

static inline enum status delete_there(struct fiber *f, struct partition *partition,
                                       void *argument) {
    struct key_operation *o = argument;
    return txn_delete(f, o->transaction, partition, o->tree, o->key);
}

static inline enum status get_there(struct fiber *f, struct partition *partition, void *argument) {
    struct key_operation *o = argument;
    return (o->newest ? txn_get_newest : txn_get)(f, o->transaction, partition, o->tree, o->key,
                                                  o->arena, &o->found, &o->value);
}

static inline enum status lock_there(struct fiber *f, struct partition *partition, void *argument) {
    struct key_operation *o = argument;
    return txn_lock_key(f, o->transaction, partition, o->tree, o->key, o->mode, o->wait, &o->locked,
                        &o->waited);
}

static inline enum status state_there(struct fiber *f, struct partition *partition,
                                      void *argument) {
    struct key_operation *o = argument;
    return txn_key_state(f, o->transaction, partition, o->tree, o->key, &o->state);
}

static inline void put(struct fiber *f, struct transaction *transaction, unsigned partition,
                       uint32_t tree, const char *key, const char *value) {
    struct key_operation o = {.transaction = transaction,
                              .tree = {tree},
                              .key = slice_of_text(key),
                              .value = slice_of_text(value)};
    assert_ok(partition_call(f, transaction_store(transaction), partition, put_there, &o));
}

static inline void delete (struct fiber *f, struct transaction *transaction, unsigned partition,
                           uint32_t tree, const char *key) {
    struct key_operation o = {
        .transaction = transaction, .tree = {tree}, .key = slice_of_text(key)};
    assert_ok(partition_call(f, transaction_store(transaction), partition, delete_there, &o));
}

/* The value as text, "-" when absent; static. */
static inline const char *get_any(struct fiber *f, struct transaction *transaction,
                                  unsigned partition, uint32_t tree, const char *key, bool newest) {
    static char text[5000];
    struct arena arena = {0};
    struct key_operation o = {.transaction = transaction,
                              .tree = {tree},
                              .key = slice_of_text(key),
                              .arena = &arena,
                              .newest = newest};
    assert_ok(partition_call(f, transaction_store(transaction), partition, get_there, &o));
    snprintf(text, sizeof text, "%.*s", o.found ? (int)o.value.size : 1,
             o.found ? (const char *)o.value.data : "-");
    arena_release(&arena);
    return text;
}

static inline const char *get(struct fiber *f, struct transaction *transaction, unsigned partition,
                              uint32_t tree, const char *key) {
    return get_any(f, transaction, partition, tree, key, false);
}

static inline enum status lock(struct fiber *f, struct transaction *transaction, unsigned partition,
                               const char *key, enum key_lock_mode mode, enum lock_wait wait,
                               bool *waited_out) {
    struct key_operation o = {.transaction = transaction,
                              .tree = {1},
                              .key = slice_of_text(key),
                              .mode = mode,
                              .wait = wait};
    enum status status =
        partition_call(f, transaction_store(transaction), partition, lock_there, &o);
    if (waited_out != NULL)
        *waited_out = o.waited;
    return status;
}

static inline void report_line(void *context, const char *line) {
    printf("# %s\n", line);
}

static inline void check(struct fiber *f, struct store *store) {
    uint64_t damage;
    assert_ok(store_check(f, store, NULL, report_line, NULL, &damage));
    assert_int_equal(damage, 0);
}

#endif
