/* Partitions: their trees, calls to them, row ids, dropped trees. */
#include <inttypes.h>
#include <stdio.h>

#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "txn/store.h"

enum { TREE_BUCKETS = 256 };

unsigned partition_number(const struct partition *partition) {
    return partition->number;
}

/* ---- open and close ------------------------------------------------------------------------ */

enum status partition__open(struct fiber *f, struct store *store, unsigned number, bool create) {
    struct partition *partition = &store->partitions[number];
    partition->store = store;
    partition->number = number;
    atomic_store(&partition->core, fiber_core(f));
    partition->target = fiber_core(f);
    snprintf(partition->name, sizeof partition->name, "partition %u", number);
    char path[STORE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/part-%03u", store->directory, number);
    if (create)
        TRY(directory_create(f, path));
    partition->buckets = memory_alloc_zeroed(TREE_BUCKETS, sizeof *partition->buckets);
    if (partition->buckets == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    partition->bucket_count = TREE_BUCKETS;
    TRY(lock_table_init(&partition->locks, &lock_modes_key));
    struct pager_options options = {
        .directory = path,
        .budget = store->budget,
        .create = create,
        .name = partition->name,
        .untended = store->untended,
    };
    return pager_open(f, &options, &partition->pager);
}

void partition__close(struct fiber *f, struct partition *partition) {
    if (partition->store == NULL)
        return;
    if (partition->pager != NULL)
        history__release(f, partition);
    for (size_t i = 0; i < partition->bucket_count; i++)
        while (partition->buckets[i] != NULL) {
            struct tree *tree = partition->buckets[i];
            partition->buckets[i] = tree->next;
            note__release(tree);
            btree_close(&tree->base);
            memory_free(tree->runs[0].runs);
            memory_free(tree->runs[1].runs);
            memory_free(tree->activity);
            memory_free(tree->reads);
            memory_free(tree);
        }
    memory_free(partition->buckets);
    memory_free(partition->retired);
    if (partition->locks.buckets != NULL)
        lock_table_release(&partition->locks);
    if (partition->pager != NULL)
        pager_close(f, partition->pager);
    partition->pager = NULL;
}

enum status partition__tree(struct partition *partition, struct tree_id id,
                            struct tree **tree_out) {
    ASSERT(id.value != 0);
    struct tree **bucket = &partition->buckets[hash_u64(id.value) & (partition->bucket_count - 1)];
    for (struct tree *tree = *bucket; tree != NULL; tree = tree->next)
        if (tree->id.value == id.value) {
            *tree_out = tree;
            return STATUS_OK;
        }
    struct tree *tree = memory_alloc_zeroed(1, sizeof *tree);
    if (tree == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    tree->id = id;
    btree_open(&tree->base, partition->pager, id);
    tree->next = *bucket;
    *bucket = tree;
    partition->tree_count++;
    *tree_out = tree;
    return STATUS_OK;
}

/* ---- calls --------------------------------------------------------------------------------- */

struct partition_callee {
    struct partition *partition;
    partition_function function;
    void *argument;
    bool moved;
};

void partition__leave(struct fiber *f, struct partition *partition) {
    ASSERT(partition->inside > 0);
    partition->inside--;
    if (__builtin_expect(partition->inside == 0 && partition->target != fiber_core(f), 0))
        atomic_store_explicit(&partition->core, partition->target, memory_order_release);
}

static enum status partition_enter(struct fiber *f, void *argument) {
    struct partition_callee *call = argument;
    struct partition *partition = call->partition;
    /* Only this core could move it away, and nothing suspends between the look and the entry. */
    call->moved = atomic_load_explicit(&partition->core, memory_order_acquire) != fiber_core(f);
    if (call->moved)
        return STATUS_OK;
    partition->inside++;
    enum status status = call->function(f, partition, call->argument);
    partition__leave(f, partition);
    return status;
}

enum status partition_call(struct fiber *f, struct store *store, unsigned partition,
                           partition_function function, void *argument) {
    ASSERT(partition < store->partition_count);
    struct partition_callee call = {&store->partitions[partition], function, argument, false};
    do {
        unsigned core = atomic_load_explicit(&call.partition->core, memory_order_acquire);
        TRY(core_call(f, core, partition_enter, &call));
    } while (call.moved);
    return STATUS_OK;
}

unsigned partition_core(const struct store *store, unsigned partition) {
    return atomic_load_explicit(&store->partitions[partition].core, memory_order_relaxed);
}

bool partition__is_here(struct fiber *f, const struct partition *partition) {
    return atomic_load_explicit(&partition->core, memory_order_relaxed) == fiber_core(f);
}

/* The wish; the last one to leave carries it out (see partition__leave). */
enum status partition__move(struct fiber *f, struct partition *partition, void *argument) {
    partition->target = *(unsigned *)argument;
    return STATUS_OK;
}

void partition__bring_home(struct fiber *f, struct store *store, unsigned number) {
    unsigned target = COMMIT_CORE;
    while (partition_core(store, number) != COMMIT_CORE) {
        enum status status = partition_call(f, store, number, partition__move, &target);
        ASSERT(status == STATUS_OK);
        if (partition_core(store, number) != COMMIT_CORE)
            fiber_yield(f);
    }
}

struct core_share {
    struct store *store;
    uint64_t partitions;
    partition_function function;
    void **arguments;
};

static enum status share_run(struct fiber *f, void *argument) {
    struct core_share *share = argument;
    for (unsigned i = 0; i < share->store->partition_count; i++)
        if ((share->partitions & 1ull << i) != 0)
            TRY(partition_call(f, share->store, i, share->function, share->arguments[i]));
    return STATUS_OK;
}

enum status partition_call_all(struct fiber *f, struct store *store, uint64_t partitions,
                               partition_function function, void *arguments[]) {
    struct core_share shares[RUNTIME_CORES_MAX];
    void *pointers[RUNTIME_CORES_MAX];
    uint64_t cores = 0;
    for (unsigned i = 0; i < store->partition_count; i++) {
        if ((partitions & 1ull << i) == 0)
            continue;
        unsigned core = partition_core(store, i);
        if ((cores & 1ull << core) == 0) {
            cores |= 1ull << core;
            shares[core] = (struct core_share){store, 0, function, arguments};
            pointers[core] = &shares[core];
        }
        shares[core].partitions |= 1ull << i;
    }
    if (cores == 1ull << fiber_core(f))
        return share_run(f, &shares[fiber_core(f)]);
    return cores == 0 ? STATUS_OK : core_call_all(f, cores, share_run, pointers);
}

/* ---- numbers for tables -------------------------------------------------------------------- */

/* The number that the largest key begins with, 0 without one. */
static enum status largest_number(struct fiber *f, struct tree *tree, uint64_t *number_out) {
    struct btree_cursor cursor;
    btree_cursor_init(&cursor, &tree->base);
    enum status status = btree_cursor_seek(f, &cursor, BTREE_SEEK_LAST, SLICE_EMPTY);
    *number_out = 0;
    if (status == STATUS_OK && cursor.positioned && btree_cursor_key(&cursor).size >= 8)
        *number_out = get_be64(btree_cursor_key(&cursor).data);
    btree_cursor_release(&cursor);
    return status;
}

static enum status row_next_find(struct fiber *f, struct partition *partition, struct tree *tree) {
    struct tree *beside;
    uint64_t last, last_beside;
    TRY(partition__tree(partition, (struct tree_id){tree->id.value | TREE_LARGE}, &beside));
    TRY(largest_number(f, beside, &last_beside));
    TRY(largest_number(f, tree, &last));
    if (tree->row_next == 0)
        tree->row_next = (last > last_beside ? last : last_beside) + 1;
    return STATUS_OK;
}

static enum status row_tree(struct fiber *f, struct partition *partition, struct tree_id id,
                            struct tree **tree_out) {
    TRY(partition__tree(partition, id, tree_out));
    return (*tree_out)->row_next != 0 ? STATUS_OK : row_next_find(f, partition, *tree_out);
}

/* Go on behind all ids that were given out, at a multiple of `size`. */
static void row_range_leave(struct tree *tree, uint64_t size) {
    uint64_t beyond = tree->row_end != 0 ? tree->row_beyond : tree->row_next;
    tree->row_next = (beyond + size - 1) / size * size;
    tree->row_end = 0;
}

enum status partition_row_ids(struct fiber *f, struct partition *partition, struct tree_id id,
                              uint64_t count, struct row_id *first_out) {
    struct tree *tree;
    TRY(row_tree(f, partition, id, &tree));
    if (tree->row_end != 0 && tree->row_next + (count > 0 ? count : 1) > tree->row_end)
        row_range_leave(tree, 1);
    first_out->value = tree->row_next;
    tree->row_next += count;
    return STATUS_OK;
}

enum status partition_row_range(struct fiber *f, struct partition *partition, struct tree_id id,
                                uint64_t size, struct row_id *first_out) {
    struct tree *tree;
    TRY(row_tree(f, partition, id, &tree));
    uint64_t beyond = tree->row_end != 0 ? tree->row_beyond : tree->row_next;
    uint64_t first = (beyond + size - 1) / size * size;
    if (tree->row_end == 0 && first == tree->row_next) {
        tree->row_next += size; /* nothing is begun that could go on below */
    } else {
        if (tree->row_end == 0)
            tree->row_end = first;
        tree->row_beyond = first + size;
    }
    first_out->value = first;
    return STATUS_OK;
}

enum status partition_row_bytes(struct fiber *f, struct partition *partition, struct tree_id id,
                                uint64_t size, struct row_id row, uint64_t bytes,
                                uint64_t bytes_max) {
    struct tree *tree;
    TRY(row_tree(f, partition, id, &tree));
    uint64_t range = row.value / size;
    if (tree->bytes_range != range)
        tree->bytes = 0;
    tree->bytes_range = range;
    tree->bytes += bytes;
    if (tree->bytes > bytes_max && tree->row_next / size == range)
        row_range_leave(tree, size);
    return STATUS_OK;
}

enum status partition_row_limit(struct fiber *f, struct partition *partition, struct tree_id id,
                                struct row_id *limit_out) {
    struct tree *tree;
    TRY(row_tree(f, partition, id, &tree));
    limit_out->value = tree->row_end != 0 ? tree->row_beyond : tree->row_next;
    return STATUS_OK;
}

enum status partition_tree_count(struct fiber *f, struct partition *partition, struct tree_id id,
                                 uint64_t *count_out) {
    struct tree *tree;
    TRY(partition__tree(partition, id, &tree));
    *count_out = tree->base.entry_count;
    if (*count_out == 0)
        TRY(btree_estimate(f, &tree->base, SLICE_EMPTY, SLICE_EMPTY, count_out));
    return STATUS_OK;
}

enum status partition_tree_changes(struct fiber *f, struct partition *partition, struct tree_id id,
                                   uint64_t *changes_out) {
    struct tree *tree;
    TRY(partition__tree(partition, id, &tree));
    *changes_out = tree->change_count;
    return STATUS_OK;
}

enum status partition_version_count(struct fiber *f, struct partition *partition, struct tree_id id,
                                    struct slice key, uint64_t *count_out) {
    struct tree *tree;
    struct slice value;
    struct btree_pin pin;
    bool found;
    TRY(partition__tree(partition, id, &tree));
    TRY(btree_get(f, &tree->base, key, &found, &value, &pin));
    if (found)
        btree_unpin(&pin);
    TRY(history__count(f, partition, tree, key, store_horizon(partition->store).value, count_out));
    *count_out += found;
    return STATUS_OK;
}

enum status partition_tree_size(struct fiber *f, struct partition *partition, struct tree_id id,
                                uint64_t *bytes_out) {
    struct tree *tree;
    uint64_t pages;
    TRY(partition__tree(partition, id, &tree));
    TRY(btree_page_count(f, &tree->base, &pages));
    *bytes_out = pages * PAGE_SIZE;
    return tree_is_large(id) ? large__bytes(f, tree, bytes_out) : STATUS_OK;
}

/* ---- dropped trees ------------------------------------------------------------------------- */

/*
 * A drop enters the tree's id and commit into the tree TREE_DROPPED, which is part of the
 * checkpoint. So whatever was not freed before a crash is found again after it. Freeing the pages
 * and taking the entry out lie between the same two cuts, or the second comes later.
 */
static enum status dropped_first(struct fiber *f, struct tree *dropped, uint64_t horizon,
                                 struct tree_id *id_out) {
    struct btree_cursor cursor;
    btree_cursor_init(&cursor, &dropped->base);
    id_out->value = 0;
    enum status status = btree_cursor_seek(f, &cursor, BTREE_SEEK_FIRST, SLICE_EMPTY);
    while (status == STATUS_OK && cursor.positioned && id_out->value == 0) {
        struct slice value;
        bool found;
        status = btree_cursor_value(f, &cursor, &found, &value);
        if (status == STATUS_OK && found && value.size == 8 && get_le64(value.data) <= horizon)
            id_out->value = get_be32(btree_cursor_key(&cursor).data);
        if (status == STATUS_OK && id_out->value == 0)
            status = btree_cursor_next(f, &cursor);
    }
    btree_cursor_release(&cursor);
    return status;
}

enum status partition__clear_dropped(struct fiber *f, struct partition *partition) {
    struct tree *dropped, *tree;
    TRY(partition__tree(partition, (struct tree_id){TREE_DROPPED}, &dropped));
    if (pager_root(partition->pager, dropped->id).value == 0)
        return STATUS_OK;
    for (;;) {
        struct tree_id id;
        TRY(dropped_first(f, dropped, store_horizon(partition->store).value, &id));
        if (id.value == 0)
            return STATUS_OK;
        TRY(partition__tree(partition, id, &tree));
        TRY(fiber_mutex_lock(f, &partition->clear_mutex));
        enum status status = STATUS_OK;
        if (tree_is_large(id))
            status = large__clear(f, partition, tree);
        if (status == STATUS_OK)
            status = btree_clear(f, &tree->base);
        if (status_is_damage(status)) {
            LOG(LOG_WARNING, "txn", "dropped tree %u of %s is damaged, some space is lost: %s",
                id.value, partition->name, error_current()->message);
            error_clear();
            btree_abandon(&tree->base);
            status = STATUS_OK;
        }
        uint8_t key[4];
        put_be32(key, id.value);
        if (status == STATUS_OK)
            status = btree_delete(f, &dropped->base, slice_of(key, sizeof key), NULL);
        fiber_mutex_unlock(f, &partition->clear_mutex);
        TRY(status);
    }
}
