/* Checking a whole store, its numbers, and the view of its locks. */
#include <inttypes.h>
#include <stdio.h>

#include "txn/store.h"

struct check {
    struct store *store;
    const char *(*name_tree)(void *context, struct tree_id tree);
    void (*report)(void *context, const char *line);
    void *context;
    uint64_t damage;
    struct partition *partition;
    struct tree_id trees[4096];
    size_t tree_count;
};

static void finding(struct check *check, const char *line) {
    check->damage++;
    check->report(check->context, line);
}

static void page_damaged(void *context, struct page_id id, uint64_t offset, const char *text) {
    struct check *check = context;
    char line[ERROR_MESSAGE_SIZE];
    snprintf(line, sizeof line, "%s: page %" PRIu64 " at offset %" PRIu64 ": %s",
             check->partition->name, id.value, offset, text);
    finding(check, line);
}

static void tree_note(void *context, struct tree_id tree, struct page_id root) {
    struct check *check = context;
    if (check->tree_count < sizeof check->trees / sizeof *check->trees)
        check->trees[check->tree_count++] = tree;
}

struct tree_check {
    struct check *check;
    struct tree_id tree;
};

static void tree_damaged(void *context, const struct btree_lost *lost) {
    const struct tree_check *call = context;
    struct check *check = call->check;
    char line[2 * ERROR_MESSAGE_SIZE + 128];
    const char *name =
        check->name_tree != NULL ? check->name_tree(check->context, call->tree) : NULL;
    snprintf(line, sizeof line, "%s: tree %" PRIu32 "%s%s: %s %s", check->partition->name,
             call->tree.value, name != NULL ? " " : "", name != NULL ? name : "", lost->what,
             error_current()->detail);
    finding(check, line);
}

static void large_damaged(void *context, struct tree_id tree, const char *what) {
    struct check *check = context;
    char line[ERROR_MESSAGE_SIZE + 128];
    const char *name = check->name_tree != NULL ? check->name_tree(check->context, tree) : NULL;
    snprintf(line, sizeof line, "%s: tree %" PRIu32 "%s%s: %s", check->partition->name, tree.value,
             name != NULL ? " " : "", name != NULL ? name : "", what);
    finding(check, line);
}

static enum status partition_check(struct fiber *f, struct partition *partition, void *argument) {
    struct check *check = argument;
    char line[ERROR_MESSAGE_SIZE + 64];
    check->partition = partition;
    enum status status = pager_check(f, partition->pager, true, page_damaged, check);
    if (status == STATUS_DATA_CORRUPTED) {
        snprintf(line, sizeof line, "%s: %s", partition->name, error_current()->message);
        finding(check, line);
    } else if (status != STATUS_OK) {
        return status;
    }
    check->tree_count = 0;
    pager_roots_visit(partition->pager, tree_note, check);
    for (size_t i = 0; i < check->tree_count; i++) {
        struct tree *tree;
        struct btree_check_result result;
        TRY(partition__tree(partition, check->trees[i], &tree));
        struct tree_check call = {check, check->trees[i]};
        TRY(btree_check_all(f, &tree->base, tree_damaged, &call, &result));
    }
    TRY(large__check(f, partition, large_damaged, check));
    const char *locks = lock_table_check(&partition->locks);
    if (locks != NULL)
        finding(check, locks);
    return STATUS_OK;
}

struct lost_keys {
    unsigned partition;
    void (*lost)(void *context, const struct txn_lost *lost);
    void *context;
};

static void keys_lost(void *context, const struct btree_lost *found) {
    const struct lost_keys *call = context;
    struct txn_lost lost = {call->partition, found->lower, found->upper, found->has_upper,
                            found->what};
    call->lost(call->context, &lost);
}

enum status txn_lost_keys(struct fiber *f, struct partition *partition, struct tree_id tree_id,
                          void (*lost)(void *context, const struct txn_lost *lost), void *context) {
    struct lost_keys call = {partition->number, lost, context};
    struct btree_check_result result;
    struct tree *tree;
    TRY(partition__tree(partition, tree_id, &tree));
    return btree_check_all(f, &tree->base, keys_lost, &call, &result);
}

enum status store_check(struct fiber *f, struct store *store,
                        const char *(*name_tree)(void *context, struct tree_id tree),
                        void (*report)(void *context, const char *line), void *context,
                        uint64_t *damage_out) {
    struct check check = {
        .store = store, .name_tree = name_tree, .report = report, .context = context};
    char path[STORE_PATH_SIZE], line[ERROR_MESSAGE_SIZE * 2 + 8];
    snprintf(path, sizeof path, "%s/journal", store->directory);
    journal_wait_durable(f, store->journal, journal_newest(store->journal));
    uint64_t frames, records;
    ASSERT(fiber_core(f) == COMMIT_CORE);
    TRY(fiber_mutex_lock(f, &store->checkpoint_mutex)); /* segments stay where they are */
    enum status status = journal_check(f, path, &frames, &records);
    fiber_mutex_unlock(f, &store->checkpoint_mutex);
    if (status == STATUS_DATA_CORRUPTED) {
        snprintf(line, sizeof line, "%s %s", error_current()->message, error_current()->detail);
        finding(&check, line);
        status = STATUS_OK;
    }
    for (unsigned i = 0; i < store->partition_count && status == STATUS_OK; i++)
        status = partition_call(f, store, i, partition_check, &check);
    *damage_out = check.damage;
    return status;
}

void store_statistics(struct store *store, struct store_statistics *statistics_out) {
    struct journal_statistics journal;
    journal_statistics(store->journal, &journal);
    *statistics_out = (struct store_statistics){
        .commits = atomic_load_explicit(&store->commits, memory_order_relaxed),
        .rollbacks = atomic_load_explicit(&store->rollbacks, memory_order_relaxed),
        .checkpoints = atomic_load_explicit(&store->checkpoints, memory_order_relaxed),
        .deadlocks = atomic_load_explicit(&store->deadlocks, memory_order_relaxed),
        .journal_bytes = journal.bytes_used,
        .scratch_pages = atomic_load_explicit(&store->scratch_pages, memory_order_relaxed),
    };
    for (unsigned i = 0; i < store->partition_count; i++) {
        struct partition *partition = &store->partitions[i];
        statistics_out->history_entries +=
            atomic_load_explicit(&partition->history_entries, memory_order_relaxed);
        statistics_out->page_bytes_used +=
            atomic_load_explicit(&partition->bytes_used, memory_order_relaxed);
    }
}

struct views {
    struct store *store;
    void (*visit)(void *context, const struct lock_view *view);
    void *context;
};

static enum status partition_views(struct fiber *f, struct partition *partition, void *argument) {
    struct views *views = argument;
    struct lock_view base = {.partition = partition->number};
    lock_views_visit(&partition->locks, views->visit, views->context, &base);
    return STATUS_OK;
}

static enum status relation_views(struct fiber *f, void *argument) {
    struct views *views = argument;
    struct lock_view base = {.is_relation = true};
    lock_views_visit(&views->store->relation_locks, views->visit, views->context, &base);
    return STATUS_OK;
}

enum status store_locks_visit(struct fiber *f, struct store *store,
                              void (*visit)(void *context, const struct lock_view *view),
                              void *context) {
    struct views views = {store, visit, context};
    TRY(core_call(f, COMMIT_CORE, relation_views, &views));
    for (unsigned i = 0; i < store->partition_count; i++)
        TRY(partition_call(f, store, i, partition_views, &views));
    return STATUS_OK;
}
