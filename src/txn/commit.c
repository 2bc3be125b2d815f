/*
 * Commit, on core 0:
 *
 *   reach      the pages that are to be changed are read
 *   encode     the write sets as one record (small: into one buffer; large: piece by piece)
 *   append     the record gets its number N; from here on the commit has happened
 *   apply      each partition changes its trees and files history, then frees its row locks
 *   tracked    N counts as applied; it is visible once all before it are, and durable
 *   wait       (synchronous) until N is visible
 *
 * Between append and apply on partitions of this core nothing suspends but page faults.
 */
#include <inttypes.h>

#include "base/base_buffer.h"
#include "base/base_bytes.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "txn/store.h"
#include "txn/txn_format.h"

enum { RECORD_SMALL_MAX = 512 << 10, PIECE_SIZE = 256 << 10, MEMORY_RETRIES_MAX = 1000 };
static const int64_t MEMORY_RETRY_NS = INT64_C(10000000);

struct commit {
    struct transaction *transaction;
    struct store *store;
    uint64_t mask; /* partitions with changes, or locks to free */
    bool synchronous;
    uint64_t number;
    /* the encoder's place */
    struct buffer buffer;
    unsigned partition; /* next to encode */
    bool drops_done, inside;
    struct tree_id tree; /* of the last item */
    struct layer_cursor cursor;
};

/* On each of these partitions: those of this core first, where it hardly suspends. Then one call to
   each other core, for all it has: row locks may wait for it. */
static enum status partitions_call(struct fiber *f, struct commit *commit, uint64_t mask,
                                   partition_function function) {
    uint64_t away = 0;
    void *arguments[PARTITIONS_MAX];
    for (; mask != 0; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctzll(mask);
        arguments[i] = commit;
        if (partition_core(commit->store, i) == COMMIT_CORE)
            TRY(partition_call(f, commit->store, i, function, commit));
        else
            away |= 1ull << i;
    }
    return partition_call_all(f, commit->store, away, function, arguments);
}

/* ---- encoding ------------------------------------------------------------------------------ */

static void item_add(struct buffer *buffer, const struct commit_item *item) {
    uint8_t *at = buffer_reserve(buffer, commit_item_encode(item, NULL));
    if (at != NULL)
        buffer->size += commit_item_encode(item, at);
}

static void drops_encode(struct commit *commit) {
    for (size_t i = 0; i < commit->transaction->drop_count; i++) {
        struct commit_item item = {COMMIT_DROP, commit->transaction->drops[i].value, {0}, {0}};
        item_add(&commit->buffer, &item);
    }
}

static enum status large_encode(struct fiber *f, struct commit *commit,
                                const struct layer_entry *entry) {
    struct partition *partition = &commit->store->partitions[commit->partition];
    struct arena arena = {0};
    struct txn_large large;
    enum status status = txn_open_large(f, partition, entry->value, &arena, &large);
    if (status == STATUS_OK) {
        struct commit_item item = {
            .tag = COMMIT_PUT_LARGE, .key = entry->key, .value = large.bytes};
        item_add(&commit->buffer, &item);
        txn_release_large(partition, &large);
    }
    arena_release(&arena);
    return status;
}

static enum status change_encode(struct fiber *f, struct commit *commit,
                                 const struct layer_entry *entry) {
    if (entry->flags == CHANGE_MOVED)
        return STATUS_OK;
    if (entry->tree.value != commit->tree.value) {
        struct commit_item item = {COMMIT_TREE, entry->tree.value, {0}, {0}};
        item_add(&commit->buffer, &item);
        commit->tree = entry->tree;
    }
    if (tree_is_large(entry->tree) && entry->flags != CHANGE_DELETE)
        return large_encode(f, commit, entry);
    struct commit_item item = {.tag = entry->flags == CHANGE_DELETE ? COMMIT_DELETE : COMMIT_PUT,
                               .key = entry->key,
                               .value = entry->value};
    item_add(&commit->buffer, &item);
    return STATUS_OK;
}

/* Changes of one partition from where the cursor stands, until `size_max`. */
static enum status partition_encode(struct fiber *f, struct commit *commit, size_t size_max) {
    struct layer *own = &commit->transaction->parts[commit->partition]->own;
    enum status status = STATUS_OK;
    uint64_t count = 0;
    if (!commit->inside) {
        struct commit_item item = {COMMIT_PARTITION, commit->partition, {0}, {0}};
        item_add(&commit->buffer, &item);
        commit->tree.value = 0;
        commit->inside = true;
        status = layer_seek(f, own, &commit->cursor, (struct tree_id){0}, SLICE_EMPTY, 0);
    }
    while (status == STATUS_OK && commit->cursor.valid && commit->buffer.size < size_max) {
        status = change_encode(f, commit, &commit->cursor.entry);
        if (status == STATUS_OK && (++count & 63) == 0)
            status = fiber_check(f);
        if (status == STATUS_OK)
            status = layer_next(f, &commit->cursor);
    }
    if (status != STATUS_OK || !commit->cursor.valid) {
        layer_cursor_release(&commit->cursor);
        commit->inside = false;
        commit->partition++;
    }
    return status == STATUS_OK ? buffer_status(&commit->buffer) : status;
}

static enum status encode_there(struct fiber *f, struct partition *partition, void *argument) {
    return partition_encode(f, argument, PIECE_SIZE);
}

static enum status piece_next(struct fiber *f, void *context, struct slice *piece_out) {
    struct commit *commit = context;
    buffer_clear(&commit->buffer);
    if (!commit->drops_done) {
        drops_encode(commit);
        commit->drops_done = true;
    }
    while (commit->partition < commit->store->partition_count && commit->buffer.size < PIECE_SIZE) {
        unsigned i = commit->partition;
        if ((commit->mask & 1ull << i) == 0 || commit->transaction->parts[i]->own.count == 0) {
            commit->partition++;
            continue;
        }
        TRY(partition_call(f, commit->store, i, encode_there, commit));
    }
    *piece_out = buffer_slice(&commit->buffer);
    return buffer_status(&commit->buffer);
}

static bool record_is_small(const struct commit *commit) {
    uint64_t bytes = commit->transaction->drop_count * 8;
    for (uint64_t mask = commit->mask; mask != 0; mask &= mask - 1) {
        const struct layer *own = &commit->transaction->parts[__builtin_ctzll(mask)]->own;
        if (own->spilled || commit->transaction->parts[__builtin_ctzll(mask)]->has_large)
            return false;
        bytes += own->bytes;
    }
    return bytes <= RECORD_SMALL_MAX;
}

static enum status cursor_release_there(struct fiber *f, struct partition *partition,
                                        void *argument) {
    layer_cursor_release(&((struct commit *)argument)->cursor);
    return STATUS_OK;
}

/* The journal gave the record up between two pieces. */
static void encoding_give_up(struct fiber *f, struct commit *commit) {
    struct error kept = *error_current();
    fiber_shield(f);
    enum status status =
        partition_call(f, commit->store, commit->partition, cursor_release_there, commit);
    ASSERT(status == STATUS_OK);
    fiber_unshield(f);
    *error_current() = kept;
}

static enum status record_append(struct fiber *f, struct commit *commit) {
    struct commit_number number = {0};
    enum status status;
    if (!record_is_small(commit)) {
        status = journal_append_large(f, commit->store->journal, piece_next, commit, &number);
        if (commit->inside)
            encoding_give_up(f, commit);
    } else {
        drops_encode(commit);
        status = buffer_status(&commit->buffer);
        for (uint64_t mask = commit->mask; mask != 0 && status == STATUS_OK; mask &= mask - 1) {
            commit->partition = (unsigned)__builtin_ctzll(mask);
            if (commit->transaction->parts[commit->partition]->own.count > 0)
                status = partition_encode(f, commit, SIZE_MAX);
        }
        if (status == STATUS_OK)
            status =
                journal_append(f, commit->store->journal, buffer_slice(&commit->buffer), &number);
    }
    commit->number = number.value;
    return status;
}

/* ---- room on the disk ----------------------------------------------------------------------- */

/* What is in the journal has to be applied. So that it can be, each partition's file keeps this
   much room beyond what is modified; a commit that finds less, or that is large, has to make room
   first. */
enum { ROOM_SPARE = 1 << 20, ROOM_SMALL_MAX = ROOM_SPARE / 16, ROOM_FACTOR = 2 };

static enum status room_there(struct fiber *f, struct partition *partition, void *argument) {
    struct commit *commit = argument;
    uint64_t bytes = commit->transaction->parts[partition->number]->own.bytes;
    enum status status = pager_room_make(f, partition->pager, ROOM_SPARE + bytes * ROOM_FACTOR);
    atomic_store_explicit(&partition->tight, status != STATUS_OK, memory_order_relaxed);
    return status;
}

/* DISK_FULL: refused while that is still possible. Not what drops trees: it makes room. */
static enum status room_check(struct fiber *f, struct commit *commit) {
    if (commit->transaction->drop_count > 0)
        return STATUS_OK;
    TRY(journal_room_check(f, commit->store->journal));
    for (uint64_t mask = commit->mask; mask != 0; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctzll(mask);
        const struct layer *own = &commit->transaction->parts[i]->own;
        bool tight =
            atomic_load_explicit(&commit->store->partitions[i].tight, memory_order_relaxed);
        if (own->count > 0 && (tight || own->bytes > ROOM_SMALL_MAX))
            TRY(partition_call(f, commit->store, i, room_there, commit));
    }
    return STATUS_OK;
}

/* After a commit was applied: room for the next ones. */
static void room_keep(struct fiber *f, struct partition *partition) {
    if (pager_room_ready(partition->pager, ROOM_SPARE) ||
        atomic_load_explicit(&partition->tight, memory_order_relaxed))
        return;
    if (pager_room_make(f, partition->pager, ROOM_SPARE) == STATUS_OK)
        return;
    LOG(LOG_WARNING, "txn", "%s has no room on the disk, commits are refused: %s", partition->name,
        error_current()->message);
    error_clear();
    atomic_store_explicit(&partition->tight, true, memory_order_relaxed);
}

/* ---- pages --------------------------------------------------------------------------------- */

/* The pages that the changes go to are read while a page that cannot be is this commit's failure
   and nobody else's, and while no other commit waits for this one. */
static enum status pages_there(struct fiber *f, struct partition *partition, void *argument) {
    struct commit *commit = argument;
    struct layer_cursor cursor;
    struct tree *tree = NULL;
    uint64_t count = 0;
    enum status status = layer_seek(f, &commit->transaction->parts[partition->number]->own, &cursor,
                                    (struct tree_id){0}, SLICE_EMPTY, 0);
    while (status == STATUS_OK && cursor.valid) {
        const struct layer_entry *entry = &cursor.entry;
        bool moved = entry->flags == CHANGE_MOVED;
        if (!moved && (tree == NULL || tree->id.value != entry->tree.value))
            status = partition__tree(partition, entry->tree, &tree);
        if (status == STATUS_OK && !moved)
            status = btree_reach(f, &tree->base, entry->key);
        if (status == STATUS_OK && (++count & 63) == 0)
            status = fiber_check(f);
        if (status == STATUS_OK)
            status = layer_next(f, &cursor);
    }
    layer_cursor_release(&cursor);
    return status;
}

static enum status pages_reach(struct fiber *f, struct commit *commit) {
    uint64_t changed = 0;
    for (uint64_t mask = commit->mask; mask != 0; mask &= mask - 1)
        if (commit->transaction->parts[__builtin_ctzll(mask)]->own.count > 0)
            changed |= mask & -mask;
    return partitions_call(f, commit, changed, pages_there);
}

/* ---- applying ------------------------------------------------------------------------------ */

/* The journal has it and memory or disk refuse: nothing can take it back, recovery will redo it. */
static _Noreturn void apply_fatal(const struct partition *partition, uint64_t number) {
    log_fatal("txn",
              "cannot apply commit %" PRIu64 " on %s, stopping; it is in the journal and "
              "will be applied at the next start: %s",
              number, partition->name, error_current()->message);
}

/* One change. `copy`: the entry's value lies where it may not stay while the change suspends;
   `value` is room for it. */
static enum status change_apply(struct fiber *f, struct partition *partition, struct tree *tree,
                                uint64_t number, struct layer_entry change, bool copy,
                                uint8_t *value) {
    uint8_t durable[LARGE_STORED_SIZE_MAX];
    if (copy && change.value.size > 0) {
        memcpy(value, change.value.data, change.value.size);
        change.value.data = value;
    }
    if (change.flags == CHANGE_MOVED)
        return history__file_moved(f, partition, number, &change);
    if (tree_is_large(change.tree) && change.flags != CHANGE_DELETE)
        TRY(large__make_durable(f, partition, &change.value, durable));
    return history__change(f, partition, tree, number, &change);
}

/* What is in the journal has to be applied: wait for the little memory that a tree's handle or a
   cursor takes rather than stop. */
static enum status tree_for_apply(struct fiber *f, struct partition *partition, struct tree_id id,
                                  struct tree **tree_out) {
    enum status status;
    for (int i = 0; (status = partition__tree(partition, id, tree_out)) == STATUS_OUT_OF_MEMORY &&
                    i < MEMORY_RETRIES_MAX;
         i++)
        if (fiber_sleep(f, MEMORY_RETRY_NS) != STATUS_OK)
            fiber_yield(f);
    return status;
}

static enum status seek_for_apply(struct fiber *f, struct layer *own, struct layer_cursor *cursor) {
    enum status status;
    for (int i = 0; (status = layer_seek(f, own, cursor, (struct tree_id){0}, SLICE_EMPTY, 0)) ==
                        STATUS_OUT_OF_MEMORY &&
                    i < MEMORY_RETRIES_MAX;
         i++) {
        layer_cursor_release(cursor);
        if (fiber_sleep(f, MEMORY_RETRY_NS) != STATUS_OK)
            fiber_yield(f);
    }
    return status;
}

static enum status changes_apply(struct fiber *f, struct partition *partition, struct layer *own,
                                 uint64_t number) {
    struct layer_cursor cursor;
    struct tree *tree = NULL;
    uint64_t count = 0;
    enum status status = seek_for_apply(f, own, &cursor);
    while (status == STATUS_OK && cursor.valid) {
        uint8_t value[BTREE_ENTRY_SIZE_MAX];
        if (cursor.entry.flags != CHANGE_MOVED &&
            (tree == NULL || tree->id.value != cursor.entry.tree.value))
            status = tree_for_apply(f, partition, cursor.entry.tree, &tree);
        if (status == STATUS_OK)
            status = change_apply(f, partition, tree, number, cursor.entry, own->spilled, value);
        if (status == STATUS_OK)
            status = layer_next(f, &cursor);
        if (((++count & 63) == 0 || (tree != NULL && tree_is_large(tree->id))) &&
            fiber_check_due(f))
            fiber_yield(f);
    }
    layer_cursor_release(&cursor);
    return status;
}

static enum status apply_there(struct fiber *f, struct partition *partition, void *argument) {
    struct commit *commit = argument;
    struct transaction_part *part = commit->transaction->parts[partition->number];
    if (part->own.count > 0) {
        pager_patience_begin(partition->pager);
        if (changes_apply(f, partition, &part->own, commit->number) != STATUS_OK)
            apply_fatal(partition, commit->number);
        pager_patience_end(partition->pager);
        if (partition->applied_newest < commit->number)
            partition->applied_newest = commit->number;
        history__rotate(f, partition, false);
    }
    transaction__part_end(f, partition, part);
    room_keep(f, partition);
    return STATUS_OK;
}

static enum status drop_there(struct fiber *f, struct partition *partition, void *argument) {
    struct commit *commit = argument;
    struct tree *dropped;
    struct tree_id id = {TREE_DROPPED};
    enum status status = tree_for_apply(f, partition, id, &dropped);
    for (size_t i = 0; i < commit->transaction->drop_count && status == STATUS_OK; i++) {
        uint8_t key[4], value[8];
        put_be32(key, commit->transaction->drops[i].value);
        put_le64(value, commit->number);
        status = btree_put(f, &dropped->base, slice_of(key, sizeof key),
                           slice_of(value, sizeof value), NULL);
    }
    if (status != STATUS_OK)
        apply_fatal(partition, commit->number);
    return STATUS_OK;
}

static void apply_everywhere(struct fiber *f, struct commit *commit) {
    enum status status = STATUS_OK;
    if (commit->transaction->drop_count > 0)
        for (unsigned i = 0; i < commit->store->partition_count && status == STATUS_OK; i++)
            status = partition_call(f, commit->store, i, drop_there, commit);
    if (status == STATUS_OK)
        status = partitions_call(f, commit, commit->mask, apply_there);
    if (status != STATUS_OK)
        log_fatal("txn", "cannot apply commit %" PRIu64 ": %s", commit->number,
                  error_current()->message);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static bool holds_strong_relation_lock(const struct transaction *transaction) {
    return (transaction->relation_modes >> RELATION_LOCK_SHARE_UPDATE_EXCLUSIVE) != 0;
}

static void relations_unlock(struct transaction *transaction) {
    lock_release_all(&transaction->store->relation_locks, &transaction->relation_locks);
}

/* Too many commits not yet visible: wait for some to become so. */
static void tracker_room_wait(struct fiber *f, struct store *store) {
    uint64_t newest = journal_newest(store->journal).value;
    uint64_t room = TRACKER_SIZE / 2;
    if (newest > atomic_load(&store->visible) + room)
        snapshot__wait_visible(f, store, newest - room);
}

static enum status commit_here(struct fiber *f, void *argument) {
    struct commit *commit = argument;
    struct transaction *transaction = commit->transaction;
    struct store *store = commit->store;
    tracker_room_wait(f, store);
    enum status status = room_check(f, commit);
    if (status == STATUS_OK)
        status = pages_reach(f, commit);
    if (status == STATUS_OK)
        status = record_append(f, commit);
    buffer_release(&commit->buffer);
    if (status != STATUS_OK)
        return status;
    fiber_shield(f); /* from here on it has happened */
    apply_everywhere(f, commit);
    snapshot__applied(store, commit->number, !commit->synchronous);
    atomic_fetch_add_explicit(&store->commits, 1, memory_order_relaxed);
    /* Who changed definitions keeps others out until new snapshots see the change. */
    bool strong = holds_strong_relation_lock(transaction);
    if (!strong)
        relations_unlock(transaction);
    if (commit->synchronous || strong)
        snapshot__wait_visible(f, store, commit->number);
    if (strong)
        relations_unlock(transaction);
    fiber_unshield(f);
    return STATUS_OK;
}

enum status commit__run(struct fiber *f, struct transaction *transaction, bool synchronous,
                        struct commit_number *number_out) {
    struct commit commit = {
        .transaction = transaction,
        .store = transaction->store,
        .mask = atomic_load_explicit(&transaction->parts_mask, memory_order_relaxed),
        .synchronous = synchronous,
    };
    /* Nothing later is visible before this is: it must not wait behind long statements. */
    struct fiber_urgency before = fiber_urgent_begin(f);
    enum status status = core_call(f, COMMIT_CORE, commit_here, &commit);
    fiber_urgent_end(f, before);
    number_out->value = commit.number;
    return status;
}

/* Nothing written: free the locks; wait for what it read under a lock before that was durable. */
static void end_without_writes(struct fiber *f, struct transaction *transaction) {
    uint64_t depends_on = atomic_load_explicit(&transaction->depends_on, memory_order_relaxed);
    struct store *store = transaction->store;
    fiber_shield(f);
    uint64_t mask = atomic_load_explicit(&transaction->parts_mask, memory_order_relaxed);
    if (mask != 0 || transaction->relation_locks != NULL) {
        transaction_rollback(f, transaction); /* the same work */
        atomic_fetch_sub_explicit(&store->rollbacks, 1, memory_order_relaxed);
    } else {
        transaction__free(f, transaction);
    }
    snapshot__wait_visible(f, store, depends_on);
    fiber_unshield(f);
}

enum status transaction_commit(struct fiber *f, struct transaction *transaction, bool synchronous,
                               struct commit_number *number_out) {
    ASSERT(fiber_core(f) == transaction->core);
    struct commit_number number = {0};
    enum status status = transaction_command_end(f, transaction);
    if (status == STATUS_OK && transaction_has_writes(transaction)) {
        snapshot__drop(transaction);
        status = commit__run(f, transaction, synchronous, &number);
        if (status == STATUS_OK)
            transaction__free(f, transaction);
    } else if (status == STATUS_OK) {
        end_without_writes(f, transaction);
    }
    if (status != STATUS_OK) {
        struct error kept = *error_current();
        transaction_rollback(f, transaction);
        *error_current() = kept;
        return status;
    }
    if (number_out != NULL)
        *number_out = number;
    return STATUS_OK;
}
