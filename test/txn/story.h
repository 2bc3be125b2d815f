/*
 * A story of a store on a simulated machine, for failure_test.c: steps that leave the store as it
 * was or change it by one commit, and a digest of all it holds, by which two states are told apart.
 * A step may fail anywhere; what it has begun is ended by story_give_up.
 */
#ifndef STORY_H
#define STORY_H

#include <stdio.h>
#include <string.h>

#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "base/base_memory.h"
#include "journal/journal.h"
#include "pager/pager_format.h"
#include "runtime/runtime.h"
#include "runtime/runtime_file.h"
#include "txn/txn.h"
#include "txn/txn_salvage.h"
#include "txn/txn_scratch.h"

#define STORY_DIRECTORY "/sim/data"
enum {
    STORY_PARTITIONS = 2,
    STORY_OPEN_MAX = 4,
    ROW_TREE = 9,   /* keys of 8 bytes */
    TEXT_TREE = 5,  /* keys of many sizes */
    GONE_TREE = 7,  /* dropped on the way */
    INDEX_TREE = 6, /* older snapshots may see what is newer: not in the digest */
    LARGE_TREE = ROW_TREE | TREE_LARGE,
};

struct story {
    struct store *store;
    struct transaction *open[STORY_OPEN_MAX]; /* NULL: free */
    uint64_t before;                          /* digest when the step began */
    unsigned openings, copies;
    bool spared;       /* what happens now is not to fail */
    char failure[500]; /* "" while everything holds; the first one counts */
};
static struct story story;

static void story_fail(const char *format, ...) PRINTF_LIKE(1, 2);
static void story_fail(const char *format, ...) {
    if (story.failure[0] != '\0')
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(story.failure, sizeof story.failure, format, arguments);
    va_end(arguments);
}

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            story_fail("%s:%d: %s", __FILE__, __LINE__, #condition);                               \
    } while (0)

/* ---- transactions --------------------------------------------------------------------------- */

static enum status story_begin(struct fiber *f, enum isolation isolation,
                               struct transaction **transaction_out) {
    struct transaction_options options = {.isolation = isolation, .lock_timeout_ms = 60000};
    unsigned slot = 0;
    while (story.open[slot] != NULL)
        slot++;
    TRY(transaction_begin(f, story.store, &options, &story.open[slot]));
    *transaction_out = story.open[slot];
    return transaction_statement_begin(f, *transaction_out, (struct commit_number){0});
}

static void story_forget(const struct transaction *transaction) {
    for (unsigned i = 0; i < STORY_OPEN_MAX; i++)
        if (story.open[i] == transaction)
            story.open[i] = NULL;
}

static enum status story_commit(struct fiber *f, struct transaction *transaction) {
    struct commit_number number;
    story_forget(transaction);
    return transaction_commit(f, transaction, true, &number);
}

static void story_rollback(struct fiber *f, struct transaction *transaction) {
    story_forget(transaction);
    transaction_rollback(f, transaction);
}

static void story_give_up(struct fiber *f) {
    for (unsigned i = 0; i < STORY_OPEN_MAX; i++)
        if (story.open[i] != NULL)
            story_rollback(f, story.open[i]);
}

static enum status next_statement(struct fiber *f, struct transaction *transaction) {
    TRY(transaction_statement_end(f, transaction));
    return transaction_statement_begin(f, transaction, (struct commit_number){0});
}

/* ---- many entries at once ------------------------------------------------------------------- */

struct many {
    struct transaction *transaction;
    uint32_t tree;
    uint64_t first, count;
    size_t size; /* of a value; 0: delete */
    unsigned flags;
};

static size_t key_make(uint32_t tree, uint64_t number, uint8_t key[64]) {
    memset(key, 'k', 64);
    put_be64(key, number);
    return tree == TEXT_TREE ? 9 + number % 40 : 8;
}

static enum status many_there(struct fiber *f, struct partition *partition, void *argument) {
    const struct many *many = argument;
    static uint8_t value[100000];
    uint8_t key[64];
    for (uint64_t number = many->first; number < many->first + many->count; number++) {
        struct tree_id tree = {many->tree};
        struct slice at = slice_of(key, key_make(many->tree, number, key));
        memset(value, (int)(number * 7 + many->size), many->size);
        if (many->size == 0)
            TRY(txn_delete(f, many->transaction, partition, tree, at));
        else if ((many->tree & TREE_LARGE) != 0)
            TRY(txn_put_large(f, many->transaction, partition, tree, at,
                              slice_of(value, many->size)));
        else
            TRY(txn_put(f, many->transaction, partition, tree, at, slice_of(value, many->size),
                        many->flags));
    }
    return STATUS_OK;
}

static enum status do_many(struct fiber *f, unsigned partition, struct many many) {
    return partition_call(f, story.store, partition, many_there, &many);
}

/* ---- what there is -------------------------------------------------------------------------- */

struct digest {
    struct transaction *transaction;
    uint32_t tree;
    bool backward, newest;
    uint64_t sum; /* of the entries' hashes: the order does not matter */
};

static enum status value_hash(struct fiber *f, struct partition *partition, struct digest *digest,
                              const struct txn_entry *entry, uint64_t *hash_out) {
    if ((digest->tree & TREE_LARGE) == 0) {
        *hash_out = hash_bytes(entry->value.data, entry->value.size);
        return STATUS_OK;
    }
    uint8_t reference[2000];
    struct arena arena = {0};
    struct txn_large large;
    memcpy(reference, entry->value.data, entry->value.size);
    enum status status =
        txn_open_large(f, partition, slice_of(reference, entry->value.size), &arena, &large);
    if (status == STATUS_OK) {
        *hash_out = hash_bytes(large.bytes.data, large.bytes.size);
        txn_release_large(partition, &large);
    }
    arena_release(&arena);
    return status;
}

static enum status digest_entries(struct fiber *f, struct partition *partition,
                                  struct digest *digest, struct txn_cursor *cursor) {
    struct txn_entry entries[32];
    size_t count, most = (digest->tree & TREE_LARGE) != 0 ? 1 : 32;
    do {
        TRY(txn_cursor_next(f, cursor, entries, most, &count));
        for (size_t i = 0; i < count; i++) {
            uint64_t value, key = hash_bytes(entries[i].key.data, entries[i].key.size);
            TRY(value_hash(f, partition, digest, &entries[i], &value));
            digest->sum += hash_combine(hash_combine(key, value),
                                        digest->tree * 8 + partition_number(partition));
        }
    } while (count > 0);
    return STATUS_OK;
}

static enum status digest_there(struct fiber *f, struct partition *partition, void *argument) {
    struct digest *digest = argument;
    struct txn_range range = {.backward = digest->backward,
                              .newest = digest->newest,
                              .key_stride = digest->tree == TEXT_TREE ? 0 : 8};
    struct txn_cursor *cursor;
    TRY(txn_cursor_open(f, digest->transaction, partition, (struct tree_id){digest->tree}, &range,
                        &cursor));
    enum status status = digest_entries(f, partition, digest, cursor);
    txn_cursor_close(f, cursor);
    return status;
}

static enum status digest_read(struct fiber *f, struct transaction *transaction, bool backward,
                               bool newest, uint64_t *sum_out) {
    static const uint32_t trees[] = {ROW_TREE, TEXT_TREE, GONE_TREE, LARGE_TREE};
    struct digest digest = {.transaction = transaction, .backward = backward, .newest = newest};
    for (unsigned i = 0; i < sizeof trees / sizeof *trees; i++) {
        digest.tree = trees[i];
        for (unsigned p = 0; p < STORY_PARTITIONS; p++)
            TRY(partition_call(f, story.store, p, digest_there, &digest));
    }
    *sum_out = digest.sum;
    return STATUS_OK;
}

static enum status story_digest(struct fiber *f, uint64_t *sum_out) {
    struct transaction *transaction;
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &transaction));
    TRY(digest_read(f, transaction, false, false, sum_out));
    return story_commit(f, transaction);
}

static void take_finding(void *context, const char *line) {
    story_fail("check: %s", line);
}

static enum status story_check(struct fiber *f) {
    uint64_t damage;
    return store_check(f, story.store, NULL, take_finding, NULL, &damage);
}

/* ---- opening and closing -------------------------------------------------------------------- */

static enum status story_open(struct fiber *f) {
    bool exists;
    TRY(file_exists(f, STORY_DIRECTORY "/satori.id", &exists));
    struct store_options options = {
        .directory = STORY_DIRECTORY,
        .create = !exists,
        .partition_count = STORY_PARTITIONS,
        .memory_max = 1 << 20,
        .journal_segment_size = 128 << 10,
        .journal_size_target = 1 << 20,
        .journal_sync =
            story.openings++ % 2 == 0 ? JOURNAL_SYNC_FDATASYNC : JOURNAL_SYNC_WRITE_DURABLE,
        .checkpoint_interval_ms = 3600000,
        .deadlock_timeout_ms = 20,
    };
    return store_open(f, &options, &story.store);
}

static enum status story_close(struct fiber *f) {
    struct store *store = story.store;
    story.store = NULL;
    return store_close(f, store);
}

static enum status step_open(struct fiber *f) {
    return story.store == NULL ? story_open(f) : STATUS_OK;
}

static enum status step_reopen(struct fiber *f) {
    TRY(story_close(f));
    return story_open(f);
}

static enum status step_crash(struct fiber *f) {
    struct store *store = story.store;
    story.store = NULL;
    store_abandon(f, store);
    return story_open(f);
}

/* A clean stop needs nothing of the journal: it may vanish. */
static enum status step_lose_journal(struct fiber *f) {
    char **names;
    size_t count;
    story.spared = true; /* the mark of the clean stop may be lost otherwise */
    enum status status = story_close(f);
    if (status == STATUS_OK)
        status = directory_list(f, STORY_DIRECTORY "/journal", &names, &count);
    TRY(status);
    for (size_t i = 0; i < count; i++) {
        char path[200];
        snprintf(path, sizeof path, STORY_DIRECTORY "/journal/%s", names[i]);
        if (status == STATUS_OK)
            status = file_remove(f, path);
        memory_free(names[i]);
    }
    memory_free(names);
    story.spared = false;
    TRY(status);
    return story_open(f);
}

/* ---- writing -------------------------------------------------------------------------------- */

static enum status step_rows(struct fiber *f) {
    static const size_t sizes[] = {1, 500, 1024, 3000, 70000};
    struct transaction *t;
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &t));
    TRY(do_many(f, 0, (struct many){t, ROW_TREE, 1, 300, 40, 0}));
    TRY(do_many(f, 1, (struct many){t, TEXT_TREE, 1, 100, 60, 0}));
    TRY(do_many(f, 1, (struct many){t, GONE_TREE, 1, 400, 200, 0}));
    TRY(next_statement(f, t));
    for (unsigned i = 0; i < 5; i++)
        TRY(do_many(f, i % 2, (struct many){t, LARGE_TREE, 1 + i, 1, sizes[i], 0}));
    return story_commit(f, t);
}

/* Beside somebody who sees what was before. */
static enum status step_change(struct fiber *f) {
    struct transaction *old, *t;
    uint64_t sum;
    TRY(story_begin(f, ISOLATION_REPEATABLE_READ, &old));
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &t));
    TRY(do_many(f, 0, (struct many){t, ROW_TREE, 50, 100, 44, 0}));
    TRY(do_many(f, 0, (struct many){t, ROW_TREE, 10, 20, 0, 0}));
    TRY(do_many(f, 0, (struct many){t, INDEX_TREE, 1000, 20, 30, TXN_PUT_CHECKED_BY_READER}));
    TRY(do_many(f, 1, (struct many){t, TEXT_TREE, 90, 30, 61, 0}));
    TRY(do_many(f, 1, (struct many){t, LARGE_TREE, 2, 1, 80000, 0}));
    TRY(do_many(f, 0, (struct many){t, LARGE_TREE, 1, 1, 0, 0}));
    TRY(next_statement(f, t));
    TRY(digest_read(f, t, false, false, &sum)); /* with its own writes */
    TRY(digest_read(f, t, true, true, &sum));
    TRY(story_commit(f, t));
    for (int way = 0; way < 2; way++) {
        TRY(digest_read(f, old, way == 1, false, &sum));
        EXPECT(sum == story.before);
    }
    return story_commit(f, old);
}

/* Beyond what a write set keeps in memory; the record is written in fragments. */
static enum status step_bulk(struct fiber *f) {
    struct transaction *old, *t;
    uint64_t sum;
    TRY(story_begin(f, ISOLATION_REPEATABLE_READ, &old));
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &t));
    TRY(do_many(f, 0, (struct many){t, ROW_TREE, 2000, 700, 900, 0}));
    TRY(next_statement(f, t));
    TRY(do_many(f, 0, (struct many){t, ROW_TREE, 2000, 10, 0, 0}));
    TRY(do_many(f, 0, (struct many){t, LARGE_TREE, 20, 2, 60000, 0}));
    TRY(next_statement(f, t));
    TRY(digest_read(f, t, false, false, &sum));
    TRY(digest_read(f, t, true, false, &sum));
    TRY(story_commit(f, t));
    TRY(digest_read(f, old, false, false, &sum));
    EXPECT(sum == story.before);
    return story_commit(f, old);
}

/* History that does not stay in memory. */
static enum status step_history(struct fiber *f) {
    struct transaction *old, *t;
    uint64_t sum;
    TRY(story_begin(f, ISOLATION_REPEATABLE_READ, &old));
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &t));
    TRY(do_many(f, 0, (struct many){t, ROW_TREE, 2010, 300, 500, 0}));
    TRY(do_many(f, 0, (struct many){t, ROW_TREE, 1, 5, 0, 0}));
    TRY(do_many(f, 0, (struct many){t, LARGE_TREE, 20, 1, 60001, 0}));
    TRY(story_commit(f, t));
    for (int way = 0; way < 2; way++) {
        TRY(digest_read(f, old, way == 1, false, &sum));
        EXPECT(sum == story.before);
    }
    return story_commit(f, old);
}

static enum status step_rolled_back(struct fiber *f) {
    struct transaction *t;
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &t));
    TRY(do_many(f, 0, (struct many){t, ROW_TREE, 1, 100, 400, 0}));
    TRY(do_many(f, 1, (struct many){t, LARGE_TREE, 2, 2, 50000, 0}));
    TRY(txn_tree_drop(f, t, (struct tree_id){ROW_TREE}));
    story_rollback(f, t);
    return STATUS_OK;
}

static enum status step_drop(struct fiber *f) {
    struct transaction *t;
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &t));
    TRY(do_many(f, 1, (struct many){t, GONE_TREE, 1, 400, 0, 0}));
    TRY(txn_tree_drop(f, t, (struct tree_id){GONE_TREE}));
    TRY(story_commit(f, t));
    return fiber_sleep(f, 700000000); /* its pages are freed meanwhile */
}

static enum status step_checkpoint(struct fiber *f) {
    return store_checkpoint(f, story.store);
}

/* Spare segments beyond one are removed after half a minute without a new one. */
static enum status step_idle(struct fiber *f) {
    TRY(store_checkpoint(f, story.store));
    return fiber_sleep(f, INT64_C(31000000000));
}

static enum status step_shrink(struct fiber *f) {
    return store_shrink(f, story.store);
}

static enum status step_check(struct fiber *f) {
    return story_check(f);
}

/* ---- reading -------------------------------------------------------------------------------- */

static enum status look_there(struct fiber *f, struct partition *partition, void *argument) {
    struct transaction *t = argument;
    struct arena arena = {0};
    struct slice value;
    struct txn_key_state state;
    struct txn_large large;
    uint8_t key[64], moved_to[TXN_MOVED_SIZE_MAX];
    bool found;
    size_t size, changed;
    uint64_t numbers[8];
    struct slice at = slice_of(key, key_make(ROW_TREE, 60, key));
    struct tree_id tree = {ROW_TREE};
    enum status status = txn_get(f, t, partition, tree, at, &arena, &found, &value);
    if (status == STATUS_OK)
        status = txn_get_newest(f, t, partition, tree, at, &arena, &found, &value);
    if (status == STATUS_OK)
        status = txn_key_state(f, t, partition, tree, at, &state);
    if (status == STATUS_OK)
        status = txn_moved_to(f, t, partition, tree, at, moved_to, &size);
    if (status == STATUS_OK)
        status = txn_range_changes(f, t, partition, tree, 1, 5000, numbers, 8, &changed);
    at = slice_of(key, key_make(LARGE_TREE, 20, key));
    if (status == STATUS_OK)
        status = txn_get_large(f, t, partition, (struct tree_id){LARGE_TREE}, at, false, &arena,
                               &found, &large);
    if (status == STATUS_OK && found)
        txn_release_large(partition, &large);
    arena_release(&arena);
    return status;
}

static enum status number_there(struct fiber *f, struct partition *partition, void *argument) {
    struct tree_id tree = {ROW_TREE}, large = {LARGE_TREE};
    struct arena arena = {0};
    struct slice value;
    struct row_id first;
    uint8_t key[64];
    uint64_t number;
    struct slice at = slice_of(key, key_make(ROW_TREE, 60, key));
    TRY(partition_row_ids(f, partition, tree, 3, &first));
    TRY(partition_tree_count(f, partition, tree, &number));
    TRY(partition_version_count(f, partition, tree, at, &number));
    TRY(partition_tree_size(f, partition, tree, &number));
    TRY(partition_tree_size(f, partition, large, &number));
    TRY(partition_number_from(f, partition, tree, 5, &number));
    TRY(partition_key_count(f, partition, tree, at, SLICE_EMPTY, &number));
    TRY(partition_range_count(f, partition, tree, 1, 100, &number));
    TRY(partition_purge(f, partition, tree, 999999));
    partition_touch(partition, tree, 1);
    EXPECT(partition_idle_ns(partition, tree, 2) == INT64_MAX);
    enum status status = partition_short_from(f, partition, large, 1, &arena, &number, &value);
    arena_release(&arena);
    return status;
}

static enum status moved_there(struct fiber *f, struct partition *partition, void *argument) {
    uint8_t key[64];
    struct slice at = slice_of(key, key_make(ROW_TREE, 70, key));
    TRY(txn_delete(f, argument, partition, (struct tree_id){ROW_TREE}, at));
    return txn_note_moved(f, argument, partition, (struct tree_id){ROW_TREE}, at,
                          slice_of_text("elsewhere"));
}

/* Single values and numbers, beside changes that came later. */
static enum status step_looks(struct fiber *f) {
    struct transaction *old, *t;
    TRY(story_begin(f, ISOLATION_REPEATABLE_READ, &old));
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &t));
    TRY(do_many(f, 0, (struct many){t, ROW_TREE, 60, 3, 45, 0}));
    TRY(partition_call(f, story.store, 0, moved_there, t));
    TRY(partition_call(f, story.store, 0, look_there, t));
    TRY(next_statement(f, t));
    TRY(partition_call(f, story.store, 0, look_there, t));
    TRY(story_commit(f, t));
    for (unsigned p = 0; p < STORY_PARTITIONS; p++) {
        TRY(partition_call(f, story.store, p, look_there, old));
        TRY(partition_call(f, story.store, p, number_there, NULL));
    }
    struct transaction_newest newest;
    TRY(transaction_newest_begin(f, old, &newest));
    enum status status = partition_call(f, story.store, 0, look_there, old);
    transaction_newest_end(f, old, &newest);
    TRY(status);
    return story_commit(f, old);
}

static enum status step_scratch(struct fiber *f) {
    struct page_id pages[3];
    unsigned count = 0;
    static uint8_t bytes[20000];
    enum status status = STATUS_OK;
    for (; count < 3 && status == STATUS_OK; count += status == STATUS_OK) {
        memset(bytes, (int)count, sizeof bytes);
        status = scratch_write(f, story.store, count % 2, 32 << 10, slice_of(bytes, sizeof bytes),
                               &pages[count]);
    }
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        status = scratch_read(f, story.store, i % 2, pages[i], bytes, sizeof bytes);
        EXPECT(status != STATUS_OK || (bytes[0] == i && bytes[sizeof bytes - 1] == i));
    }
    fiber_shield(f);
    for (unsigned i = 0; i < count; i++)
        scratch_free(f, story.store, i % 2, &pages[i], 1);
    fiber_unshield(f);
    struct store_statistics statistics;
    store_statistics(story.store, &statistics);
    EXPECT(statistics.scratch_pages == 0);
    return status;
}

/* ---- locks ---------------------------------------------------------------------------------- */

struct locking {
    struct transaction *transaction;
    uint64_t number;
    enum key_lock_mode mode;
    enum lock_wait wait;
    bool locked;
};

static enum status lock_there(struct fiber *f, struct partition *partition, void *argument) {
    struct locking *l = argument;
    uint8_t key[64];
    return txn_lock_key(f, l->transaction, partition, (struct tree_id){ROW_TREE},
                        slice_of(key, key_make(ROW_TREE, l->number, key)), l->mode, l->wait,
                        &l->locked, NULL);
}

static enum status lock_many_there(struct fiber *f, struct partition *partition, void *argument) {
    struct locking *l = argument;
    enum { COUNT = 40 };
    uint8_t keys[COUNT][64];
    struct slice slices[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        slices[i] = slice_of(keys[i], key_make(ROW_TREE, l->number + i, keys[i]));
    return txn_lock_keys(f, l->transaction, partition, (struct tree_id){ROW_TREE}, slices, COUNT);
}

static enum status lock_key(struct fiber *f, struct transaction *t, uint64_t number,
                            enum key_lock_mode mode, enum lock_wait wait, bool *locked_out) {
    struct locking l = {t, number, mode, wait, false};
    enum status status = partition_call(f, story.store, 0, lock_there, &l);
    *locked_out = l.locked;
    return status;
}

/* Locks what the other holds, who will want what this one holds. */
static enum status lock_crosswise(struct fiber *f, void *argument) {
    struct transaction *t = argument;
    bool locked;
    enum status status = lock_key(f, t, 1, KEY_LOCK_EXCLUSIVE, LOCK_WAIT, &locked);
    story_rollback(f, t);
    return status == STATUS_DEADLOCK_DETECTED ? STATUS_OK : status;
}

static void count_lock(void *context, const struct lock_view *view) {
    *(unsigned *)context += 1;
}

static enum status deadlock(struct fiber *f, struct transaction *a, struct transaction *b) {
    struct task_group group;
    bool locked;
    TRY(lock_key(f, a, 1, KEY_LOCK_EXCLUSIVE, LOCK_WAIT, &locked));
    TRY(lock_key(f, b, 2, KEY_LOCK_EXCLUSIVE, LOCK_WAIT, &locked));
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, lock_crosswise, b));
    fiber_yield(f);
    unsigned views = 0;
    enum status status = store_locks_visit(f, story.store, count_lock, &views);
    EXPECT(status != STATUS_OK || views >= 2);
    if (status == STATUS_OK)
        status = lock_key(f, a, 2, KEY_LOCK_EXCLUSIVE, LOCK_WAIT, &locked);
    if (status == STATUS_DEADLOCK_DETECTED)
        status = STATUS_OK;
    story_rollback(f, a); /* before the wait: the other one may want what it holds */
    enum status waited = task_group_wait(f, &group);
    return status == STATUS_OK ? waited : status;
}

static enum status step_deadlock(struct fiber *f) {
    struct transaction *a, *b;
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &a));
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &b));
    return deadlock(f, a, b);
}

static enum status step_locks(struct fiber *f) {
    struct transaction *a, *b;
    bool locked;
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &a));
    TRY(story_begin(f, ISOLATION_READ_COMMITTED, &b));
    struct locking many = {.transaction = a, .number = 4000};
    TRY(partition_call(f, story.store, 0, lock_many_there, &many));
    for (uint64_t number = 1; number <= 300; number++)
        TRY(lock_key(f, a, number, KEY_LOCK_EXCLUSIVE, LOCK_WAIT, &locked));
    TRY(lock_key(f, b, 5, KEY_LOCK_SHARE, LOCK_SKIP, &locked));
    EXPECT(!locked);
    TRY(lock_key(f, b, 4010, KEY_LOCK_EXCLUSIVE, LOCK_SKIP, &locked));
    EXPECT(!locked);
    TRY(lock_key(f, b, 301, KEY_LOCK_SHARE, LOCK_WAIT, &locked));
    TRY(lock_key(f, a, 301, KEY_LOCK_SHARE, LOCK_WAIT, &locked));
    TRY(txn_lock_relation(f, a, 77, RELATION_LOCK_ROW_EXCLUSIVE, LOCK_WAIT, &locked));
    TRY(txn_lock_relation(f, b, 77, RELATION_LOCK_SHARE, LOCK_SKIP, &locked));
    EXPECT(!locked);
    unsigned views = 0;
    TRY(store_locks_visit(f, story.store, count_lock, &views));
    EXPECT(views > 3);
    story_rollback(f, a);
    TRY(lock_key(f, b, 5, KEY_LOCK_EXCLUSIVE, LOCK_NO_WAIT, &locked));
    EXPECT(locked);
    story_rollback(f, b);
    return STATUS_OK;
}

/* ---- salvage -------------------------------------------------------------------------------- */

static void take_loss(void *context, const struct store_loss *loss) {
    if (loss->kind != STORE_LOSS_NOTE) /* files that cannot be read count as damaged */
        story_fail("salvage: %s", loss->text);
}

static enum salvage_wish wish_all(void *context, struct tree_id tree) {
    return tree.value == ROW_TREE || tree.value == TEXT_TREE || tree.value == LARGE_TREE
               ? SALVAGE_COPY
               : SALVAGE_SKIP;
}

static bool fits_always(void *context, struct tree_id tree, struct slice key, struct slice value) {
    return true;
}

static enum status salvage_into(struct fiber *f, struct store *copy) {
    struct store_salvage_options options = {.directory = STORY_DIRECTORY, .loss = take_loss};
    struct salvage_trees trees = {.wish = wish_all, .fits = fits_always};
    struct store_salvage *salvage;
    TRY(store_salvage_open(f, &options, &salvage));
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < STORY_PARTITIONS && status == STATUS_OK; i++)
        status = store_salvage_copy(f, salvage, copy, i, &trees);
    if (status == STATUS_OK)
        status = store_salvage_replay(f, salvage, copy, &trees, false);
    uint64_t bytes, done;
    store_salvage_progress(salvage, &bytes, &done);
    EXPECT(done <= bytes || status != STATUS_OK);
    store_salvage_close(f, salvage);
    return status;
}

/* Of what a kill left; the copy holds all of it. */
static enum status step_salvage(struct fiber *f) {
    char directory[64];
    struct store *source = story.store;
    uint64_t sum;
    snprintf(directory, sizeof directory, "/sim/copy-%u", story.copies++);
    struct store_options options = {.directory = directory,
                                    .create = true,
                                    .partition_count = STORY_PARTITIONS,
                                    .memory_max = 1 << 20,
                                    .journal_segment_size = 128 << 10};
    story.store = NULL;
    store_abandon(f, source);
    TRY(store_open(f, &options, &story.store));
    enum status status = salvage_into(f, story.store);
    if (status == STATUS_OK)
        status = story_digest(f, &sum);
    EXPECT(status != STATUS_OK || sum == story.before);
    story_give_up(f);
    enum status closed = story_close(f);
    TRY(status);
    TRY(closed);
    return story_open(f);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static const struct step {
    const char *name;
    enum status (*run)(struct fiber *f);
} story_steps[] = {
    {"open", step_open},
    {"rows", step_rows},
    {"change", step_change},
    {"checkpoint", step_checkpoint},
    {"looks", step_looks},
    {"crash", step_crash},
    {"bulk", step_bulk},
    {"history", step_history},
    {"idle", step_idle},
    {"crash again", step_crash},
    {"rolled back", step_rolled_back},
    {"locks", step_locks},
    {"deadlock", step_deadlock},
    {"scratch", step_scratch},
    {"drop", step_drop},
    {"salvage", step_salvage},
    {"check", step_check},
    {"shrink", step_shrink},
    {"reopen", step_reopen},
    {"lose the journal", step_lose_journal},
};
enum { STORY_STEPS = sizeof story_steps / sizeof *story_steps };

#endif
