/* Transactions: begin, statements, writes, locks, rollback. */
#include "base/base_chance.h"
#include "base/base_memory.h"
#include "txn/store.h"

/* ---- begin and free ------------------------------------------------------------------------- */

static struct transaction *transaction_new(struct store *store) {
    size_t size =
        sizeof(struct transaction) + store->partition_count * sizeof(struct transaction_part *);
    return memory_alloc_zeroed(1, size);
}

enum status transaction_begin(struct fiber *f, struct store *store,
                              const struct transaction_options *options,
                              struct transaction **transaction_out) {
    struct snapshot_core *core = &store->snapshots[fiber_core(f)];
    struct transaction *transaction = core->pool;
    if (transaction != NULL) {
        core->pool = transaction->pool_next;
        core->pool_count--;
    } else {
        transaction = transaction_new(store);
        if (transaction == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    transaction->store = store;
    transaction->pool_next = NULL;
    transaction->id.value = atomic_fetch_add(&store->transaction_next, 1);
    transaction->core = fiber_core(f);
    transaction->isolation = options->isolation;
    transaction->read_only = options->read_only;
    transaction->lock_timeout_ms = options->lock_timeout_ms;
    transaction->snapshot = 0;
    ASSERT(!transaction->snapshot_active && transaction->relation_locks == NULL);
    ASSERT(atomic_load(&transaction->parts_mask) == 0 && transaction->drop_count == 0);
    *transaction_out = transaction;
    return STATUS_OK;
}

static void transaction_destroy(struct transaction *transaction) {
    for (unsigned i = 0; i < transaction->store->partition_count; i++) {
        struct transaction_part *part = transaction->parts[i];
        if (part == NULL)
            continue;
        arena_release(&part->own.arena);
        arena_release(&part->staged.arena);
        ASSERT(part->page_count == 0);
        memory_free(part->pages);
        memory_free(part);
    }
    memory_free(transaction->drops);
    memory_free(transaction);
}

void transaction__pool_release(struct store *store) {
    for (unsigned i = 0; i < store->core_count; i++)
        while (store->snapshots[i].pool != NULL) {
            struct transaction *transaction = store->snapshots[i].pool;
            store->snapshots[i].pool = transaction->pool_next;
            transaction_destroy(transaction);
        }
}

/* What is left of it are empty layers. */
void transaction__free(struct fiber *f, struct transaction *transaction) {
    ASSERT(fiber_core(f) == transaction->core);
    snapshot__drop(transaction);
    atomic_store_explicit(&transaction->parts_mask, 0, memory_order_relaxed);
    atomic_store_explicit(&transaction->depends_on, 0, memory_order_relaxed);
    transaction->relation_modes = 0;
    transaction->drop_count = 0;
    struct snapshot_core *core = &transaction->store->snapshots[transaction->core];
    if (core->pool_count >= TRANSACTIONS_POOLED) {
        transaction_destroy(transaction);
        return;
    }
    transaction->pool_next = core->pool;
    core->pool = transaction;
    core->pool_count++;
}

enum status transaction__part(struct transaction *transaction, struct partition *partition,
                              struct transaction_part **part_out) {
    struct transaction_part **slot = &transaction->parts[partition->number];
    if (*slot == NULL) {
        *slot = memory_alloc_zeroed(1, sizeof **slot);
        if (*slot == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    atomic_fetch_or_explicit(&transaction->parts_mask, 1ull << partition->number,
                             memory_order_relaxed);
    *part_out = *slot;
    return STATUS_OK;
}

void transaction__depend(struct transaction *transaction, uint64_t number) {
    uint64_t seen = atomic_load_explicit(&transaction->depends_on, memory_order_relaxed);
    while (seen < number &&
           !atomic_compare_exchange_weak_explicit(&transaction->depends_on, &seen, number,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

/* ---- questions ----------------------------------------------------------------------------- */

struct transaction_id transaction_id(const struct transaction *transaction) {
    return transaction->id;
}

struct commit_number transaction_snapshot(const struct transaction *transaction) {
    return (struct commit_number){transaction->snapshot};
}

enum isolation transaction_isolation(const struct transaction *transaction) {
    return transaction->isolation;
}

bool transaction_has_writes(const struct transaction *transaction) {
    if (transaction->drop_count > 0)
        return true;
    uint64_t mask = atomic_load_explicit(&((struct transaction *)transaction)->parts_mask,
                                         memory_order_relaxed);
    for (; mask != 0; mask &= mask - 1) {
        const struct transaction_part *part = transaction->parts[__builtin_ctzll(mask)];
        if (part->own.count > 0 || part->staged.count > 0)
            return true;
    }
    return false;
}

struct store *transaction_store(const struct transaction *transaction) {
    return transaction->store;
}

void transaction_lock_timeout_set(struct transaction *transaction, int64_t timeout_ms) {
    transaction->lock_timeout_ms = timeout_ms;
}

/* ---- statements ---------------------------------------------------------------------------- */

/*
 * Has it built on a commit that new snapshots do not see yet (it waited for that commit's row
 * lock, which is given back before the commit is durable)? Then a snapshot without that commit
 * would contradict the transaction's own writes. What is applied everywhere is just as consistent;
 * that it is durable is made sure before this transaction's end is answered.
 */
static bool depends_on_invisible(struct fiber *f, struct transaction *transaction) {
    struct store *store = transaction->store;
    uint64_t depends_on = atomic_load_explicit(&transaction->depends_on, memory_order_relaxed);
    if (depends_on <= atomic_load(&store->visible))
        return false;
    if (depends_on <= atomic_load(&store->applied))
        return true;
    snapshot__wait_visible(f, store, depends_on);
    return false;
}

enum status transaction_statement_begin(struct fiber *f, struct transaction *transaction,
                                        struct commit_number after) {
    ASSERT(fiber_core(f) == transaction->core);
    snapshot__wait_visible(f, transaction->store, after.value);
    if (transaction->isolation == ISOLATION_REPEATABLE_READ && transaction->snapshot_active)
        return STATUS_OK;
    snapshot__drop(transaction);
    snapshot__take(transaction, depends_on_invisible(f, transaction));
    if (transaction->snapshot > store_visible(transaction->store).value)
        transaction__depend(transaction, transaction->snapshot);
    return STATUS_OK;
}

static void snapshot_hand_over(struct transaction *from, struct transaction *to) {
    ASSERT(from->snapshot_active && !to->snapshot_active && from->core == to->core);
    list_insert_before(&from->active_node, &to->active_node);
    list_remove(&from->active_node);
    to->snapshot = from->snapshot;
    to->snapshot_active = true;
    from->snapshot_active = false;
}

enum status transaction_newest_begin(struct fiber *f, struct transaction *transaction,
                                     struct transaction_newest *newest_out) {
    ASSERT(fiber_core(f) == transaction->core);
    newest_out->keeper = NULL;
    if (transaction->isolation != ISOLATION_REPEATABLE_READ || !transaction->snapshot_active)
        return STATUS_OK;
    struct transaction_options options = {.isolation = ISOLATION_REPEATABLE_READ,
                                          .read_only = true};
    TRY(transaction_begin(f, transaction->store, &options, &newest_out->keeper));
    bool applied = depends_on_invisible(f, transaction);
    snapshot_hand_over(transaction, newest_out->keeper);
    snapshot__take(transaction, applied);
    return STATUS_OK;
}

void transaction_newest_end(struct fiber *f, struct transaction *transaction,
                            struct transaction_newest *newest) {
    if (newest->keeper == NULL)
        return;
    snapshot__drop(transaction);
    snapshot_hand_over(newest->keeper, transaction);
    transaction__free(f, newest->keeper);
    newest->keeper = NULL;
}

/* Put what is staged over what is the transaction's own. */
static enum status layers_merge(struct fiber *f, struct transaction_part *part,
                                struct partition *partition) {
    if (part->own.count == 0) {
        struct layer empty = part->own;
        part->own = part->staged;
        part->staged = empty;
        return STATUS_OK;
    }
    struct layer_cursor cursor;
    enum status status = layer_seek(f, &part->staged, &cursor, (struct tree_id){0}, SLICE_EMPTY, 0);
    while (status == STATUS_OK && cursor.valid) {
        status = layer_put(f, &part->own, &cursor.entry);
        if (status == STATUS_OK && !part->own.spilled && partition != NULL &&
            (part->own.bytes > LAYER_MEMORY_MAX ||
             by_chance("txn: a transaction's writes spill early")))
            status = layer_spill(f, &part->own, partition->pager);
        if (status == STATUS_OK)
            status = layer_next(f, &cursor);
        if (status == STATUS_OK && part->own.spilled)
            status = fiber_check(f);
    }
    layer_cursor_release(&cursor);
    if (status == STATUS_OK)
        layer_clear(f, &part->staged);
    return status;
}

static bool is_read_by_others(const struct transaction_part *part) {
    return part->batch_claims.written != NULL;
}

static enum status part_merge(struct fiber *f, struct transaction_part *part,
                              struct partition *partition) {
    if (!is_read_by_others(part))
        return layers_merge(f, part, partition);
    TRY(fiber_mutex_lock(f, &part->layers_mutex));
    enum status status = layers_merge(f, part, partition);
    fiber_mutex_unlock(f, &part->layers_mutex);
    return status;
}

static enum status part_merge_there(struct fiber *f, struct partition *partition, void *argument) {
    struct transaction *transaction = argument;
    return part_merge(f, transaction->parts[partition->number], partition);
}

static bool merges_anywhere(const struct transaction_part *part) {
    if (is_read_by_others(part))
        return false;
    if (part->own.count == 0)
        return true;
    return !part->own.spilled && !part->staged.spilled &&
           part->own.bytes + part->staged.bytes <= LAYER_MEMORY_MAX;
}

enum status transaction_command_end(struct fiber *f, struct transaction *transaction) {
    uint64_t mask = atomic_load_explicit(&transaction->parts_mask, memory_order_relaxed);
    for (; mask != 0; mask &= mask - 1) {
        unsigned number = (unsigned)__builtin_ctzll(mask);
        struct transaction_part *part = transaction->parts[number];
        if (part->staged.count == 0)
            continue;
        /* Memory needs no owner: no call of this transaction runs on the partition now. */
        if (merges_anywhere(part))
            TRY(part_merge(f, part, NULL));
        else
            TRY(partition_call(f, transaction->store, number, part_merge_there, transaction));
        if (layer_starved(&part->own))
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    return STATUS_OK;
}

enum status transaction_statement_end(struct fiber *f, struct transaction *transaction) {
    TRY(transaction_command_end(f, transaction));
    if (transaction->isolation == ISOLATION_READ_COMMITTED)
        snapshot__drop(transaction); /* so that an idle session holds no history */
    return STATUS_OK;
}

/* ---- writing ------------------------------------------------------------------------------- */

enum status transaction__stage(struct fiber *f, struct transaction *transaction,
                               struct partition *partition, const struct layer_entry *entry) {
    if (transaction->read_only)
        return error_set(STATUS_READ_ONLY_TRANSACTION, "cannot write in a read-only transaction");
    ASSERT(entry->tree.value != 0);
    if (entry->key.size > TXN_KEY_SIZE_MAX ||
        entry->key.size + entry->value.size > TXN_ENTRY_SIZE_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "entry of %zu bytes exceeds maximum %d",
                         entry->key.size + entry->value.size,
                         entry->key.size > TXN_KEY_SIZE_MAX ? TXN_KEY_SIZE_MAX
                                                            : TXN_ENTRY_SIZE_MAX);
    struct transaction_part *part;
    TRY(transaction__part(transaction, partition, &part));
    TRY(layer_put(f, &part->staged, entry));
    if (layer_starved(&part->staged))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (!part->staged.spilled && (part->staged.bytes > LAYER_MEMORY_MAX ||
                                  by_chance("txn: what a statement wrote spills early")))
        TRY(layer_spill(f, &part->staged, partition->pager));
    return STATUS_OK;
}

enum status txn_put(struct fiber *f, struct transaction *transaction, struct partition *partition,
                    struct tree_id tree, struct slice key, struct slice value, unsigned flags) {
    struct layer_entry entry = {.tree = tree, .key = key, .value = value};
    ASSERT(!tree_is_large(tree));
    entry.flags = (flags & TXN_PUT_CHECKED_BY_READER) != 0 ? CHANGE_PUT_CHECKED : CHANGE_PUT;
    return transaction__stage(f, transaction, partition, &entry);
}

enum status txn_delete(struct fiber *f, struct transaction *transaction,
                       struct partition *partition, struct tree_id tree, struct slice key) {
    struct layer_entry entry = {.tree = tree, .key = key, .flags = CHANGE_DELETE};
    return transaction__stage(f, transaction, partition, &entry);
}

enum status txn_note_moved(struct fiber *f, struct transaction *transaction,
                           struct partition *partition, struct tree_id tree, struct slice key,
                           struct slice moved_to) {
    ASSERT(moved_to.size > 0 && moved_to.size <= TXN_MOVED_SIZE_MAX);
    struct layer_entry entry = {
        .tree = {tree.value | TREE_MOVED}, .key = key, .value = moved_to, .flags = CHANGE_MOVED};
    return transaction__stage(f, transaction, partition, &entry);
}

enum status txn_tree_drop(struct fiber *f, struct transaction *transaction, struct tree_id tree) {
    if (!memory_grow(&transaction->drops, &transaction->drop_capacity, transaction->drop_count + 1,
                     sizeof *transaction->drops))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    transaction->drops[transaction->drop_count++] = tree;
    return STATUS_OK;
}

/* ---- locks --------------------------------------------------------------------------------- */

static struct lock_request key_request(struct transaction *transaction,
                                       struct transaction_part *part, struct tree_id tree) {
    return (struct lock_request){
        .transaction = transaction,
        .holds = &part->locks,
        .name = tree.value,
        .timeout_ms = transaction->lock_timeout_ms,
        .deadlock_timeout_ms = transaction->store->deadlock_timeout_ms,
        .deadlock_check = deadlock__check,
    };
}

enum status txn_lock_key(struct fiber *f, struct transaction *transaction,
                         struct partition *partition, struct tree_id tree, struct slice key,
                         enum key_lock_mode mode, enum lock_wait wait, bool *locked_out,
                         bool *waited_out) {
    struct transaction_part *part;
    TRY(transaction__part(transaction, partition, &part));
    struct lock_request request = key_request(transaction, part, tree);
    request.key = key;
    request.mode = mode == KEY_LOCK_SHARE ? 1 : 2;
    request.wait = wait;
    bool locked, waited;
    if (mode == KEY_LOCK_EXCLUSIVE &&
        (++part->claims.asked > KEY_LOCKS_MAX || by_chance("txn: a key is claimed, not locked")))
        TRY(lock_claim_keys(f, &partition->locks, &part->claims, &request, &key, 1, &locked,
                            &waited));
    else
        TRY(lock_acquire(f, &partition->locks, &request, &locked, &waited));
    if (waited)
        transaction__depend(transaction, partition->applied_newest);
    if (locked_out != NULL)
        *locked_out = locked;
    if (waited_out != NULL)
        *waited_out = waited;
    return STATUS_OK;
}

enum status txn_lock_keys(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, struct tree_id tree,
                          const struct slice *keys, size_t count) {
    struct transaction_part *part;
    TRY(transaction__part(transaction, partition, &part));
    struct lock_request request = key_request(transaction, part, tree);
    bool locked, waited;
    enum status status = lock_claim_keys(f, &partition->locks, &part->batch_claims, &request, keys,
                                         count, &locked, &waited);
    if (waited)
        transaction__depend(transaction, partition->applied_newest);
    return status;
}

static enum status layer_has(struct fiber *f, struct layer *layer, struct tree_id tree,
                             struct slice key, bool *has_out) {
    struct layer_cursor cursor;
    enum status status = layer_seek(f, layer, &cursor, tree, key, 0);
    *has_out = status == STATUS_OK && cursor.valid && cursor.entry.tree.value == tree.value &&
               slice_equal(cursor.entry.key, key);
    layer_cursor_release(&cursor);
    return status;
}

static enum status part_has_written(struct fiber *f, struct lock_claims *claims, uint32_t name,
                                    struct slice key, bool *written_out, bool *busy_out) {
    struct transaction_part *part = CONTAINER_OF(claims, struct transaction_part, batch_claims);
    struct tree_id tree = {name};
    *written_out = false;
    *busy_out = !fiber_mutex_try_lock(f, &part->layers_mutex);
    if (*busy_out)
        return STATUS_OK;
    enum status status = layer_has(f, &part->staged, tree, key, written_out);
    if (status == STATUS_OK && !*written_out)
        status = layer_has(f, &part->own, tree, key, written_out);
    fiber_mutex_unlock(f, &part->layers_mutex);
    return status;
}

void txn_lock_keys_written(struct transaction *transaction, struct partition *partition) {
    struct transaction_part *part = transaction__part_if(transaction, partition->number);
    if (part != NULL &&
        (part->batch_claims.count >= BATCH_CLAIMS_MAX ||
         (part->batch_claims.count > 0 && by_chance("txn: few claims are settled"))))
        lock_claims_settle(&partition->locks, &part->batch_claims, part_has_written);
}

struct relation_call {
    struct lock_request request;
    struct store *store;
    bool locked;
};

static enum status relation_lock_here(struct fiber *f, void *argument) {
    struct relation_call *call = argument;
    bool waited;
    return lock_acquire(f, &call->store->relation_locks, &call->request, &call->locked, &waited);
}

enum status txn_lock_relation(struct fiber *f, struct transaction *transaction, uint32_t oid,
                              enum relation_lock_mode mode, enum lock_wait wait, bool *locked_out) {
    struct relation_call call = {
        .store = transaction->store,
        .request = {.transaction = transaction,
                    .holds = &transaction->relation_locks,
                    .name = oid,
                    .mode = (unsigned)mode,
                    .wait = wait,
                    .timeout_ms = transaction->lock_timeout_ms,
                    .deadlock_timeout_ms = transaction->store->deadlock_timeout_ms,
                    .deadlock_check = deadlock__check},
    };
    TRY(core_call(f, COMMIT_CORE, relation_lock_here, &call));
    transaction->relation_modes |= (uint16_t)(1u << mode);
    /* Writers give their locks back before new snapshots see them; who keeps writers out (to build
       an index, say) must see all of them. */
    if (mode >= RELATION_LOCK_SHARE_UPDATE_EXCLUSIVE)
        transaction__depend(transaction, journal_newest(transaction->store->journal).value);
    if (locked_out != NULL)
        *locked_out = call.locked;
    return STATUS_OK;
}

/* ---- rollback ------------------------------------------------------------------------------ */

void transaction__part_end(struct fiber *f, struct partition *partition,
                           struct transaction_part *part) {
    bool was_read = is_read_by_others(part);
    lock_claims_release(&partition->locks, &part->claims);
    lock_claims_release(&partition->locks, &part->batch_claims);
    lock_release_all(&partition->locks, &part->locks);
    fiber_shield(f);
    if (was_read) { /* nobody begins to read any more; who is reading goes first */
        enum status status = fiber_mutex_lock(f, &part->layers_mutex);
        ASSERT(status == STATUS_OK);
    }
    layer_clear(f, &part->own);
    layer_clear(f, &part->staged);
    large__part_release(partition, part);
    if (was_read)
        fiber_mutex_unlock(f, &part->layers_mutex);
    fiber_unshield(f);
}

static enum status part_forget(struct fiber *f, struct partition *partition, void *argument) {
    struct transaction *transaction = argument;
    transaction__part_end(f, partition, transaction->parts[partition->number]);
    return STATUS_OK;
}

static enum status relations_unlock(struct fiber *f, void *argument) {
    struct transaction *transaction = argument;
    lock_release_all(&transaction->store->relation_locks, &transaction->relation_locks);
    return STATUS_OK;
}

void transaction_rollback(struct fiber *f, struct transaction *transaction) {
    ASSERT(fiber_core(f) == transaction->core);
    struct store *store = transaction->store;
    fiber_shield(f);
    uint64_t parts = atomic_load_explicit(&transaction->parts_mask, memory_order_relaxed);
    void *arguments[PARTITIONS_MAX];
    for (uint64_t mask = parts; mask != 0; mask &= mask - 1)
        arguments[__builtin_ctzll(mask)] = transaction;
    enum status status = partition_call_all(f, store, parts, part_forget, arguments);
    ASSERT(status == STATUS_OK);
    if (transaction->relation_locks != NULL) {
        status = core_call(f, COMMIT_CORE, relations_unlock, transaction);
        ASSERT(status == STATUS_OK);
    }
    atomic_fetch_add_explicit(&store->rollbacks, 1, memory_order_relaxed);
    transaction__free(f, transaction);
    fiber_unshield(f);
}
