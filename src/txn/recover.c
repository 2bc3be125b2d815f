/*
 * Recovery: replay the journal behind the partitions' checkpoints. Redo is by key, so a partition
 * whose checkpoint already holds effects of a commit takes them again without harm.
 *
 * Items are decoded where the journal is and gathered in a batch for each partition. When the
 * batches are large enough, every partition sorts its own by key, forgets all but the last change
 * of each key, and applies the rest in key order, partitions of different cores side by side.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base_bytes.h"
#include "base/base_chance.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "txn/store.h"
#include "txn/txn_format.h"

enum { BATCH_BYTES_MAX = 16 << 20 }; /* of all partitions together, before they are applied */

struct redo {
    uint64_t prefix; /* the key's first 8 bytes as a number that sorts like them */
    uint32_t tree;
    uint32_t sequence; /* in the batch */
    bool is_delete;
    struct slice key, value;
};

struct batch {
    struct redo *items;
    size_t count, capacity;
    struct arena arena; /* the bytes */
};

struct recovery {
    struct store *store;
    uint64_t applied[PARTITIONS_MAX]; /* of each partition's checkpoint */
    struct batch batches[PARTITIONS_MAX];
    size_t batch_bytes;
    uint64_t number; /* of the record being decoded */
    uint64_t records, items;
    bool (*wanted)(void *context, struct tree_id tree); /* NULL: all */
    void *wanted_context;
    unsigned partition;
    struct tree_id tree;
    size_t carry_size;
    uint8_t carry[COMMIT_ITEM_SIZE_MAX + VARINT_SIZE_MAX]; /* last: not zeroed */
};

static enum status malformed(const struct recovery *recovery) {
    return error_set(STATUS_DATA_CORRUPTED, "journal record of commit %" PRIu64 " is malformed",
                     recovery->number);
}

/* ---- batches ------------------------------------------------------------------------------ */

static uint64_t key_prefix(struct slice key) {
    uint8_t bytes[8] = {0};
    if (key.size > 0)
        memcpy(bytes, key.data, key.size < sizeof bytes ? key.size : sizeof bytes);
    return get_be64(bytes);
}

static int redo_key_compare(const struct redo *a, const struct redo *b) {
    if (a->tree != b->tree)
        return a->tree < b->tree ? -1 : 1;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    return slice_compare(a->key, b->key);
}

static int redo_compare(const void *x, const void *y) {
    const struct redo *a = x, *b = y;
    int order = redo_key_compare(a, b);
    return order != 0 ? order : a->sequence < b->sequence ? -1 : 1;
}

/* Pages of large values that nobody refers to any more are swept up in the end. */
static enum status item_apply(struct fiber *f, struct partition *partition, struct tree *tree,
                              const struct redo *item) {
    uint8_t bytes[LARGE_STORED_SIZE_MAX];
    struct slice value = item->value;
    if (item->is_delete)
        return btree_delete(f, &tree->base, item->key, NULL);
    if (tree_is_large(tree->id))
        TRY(large__store(f, partition, true, item->value, bytes, &value));
    return btree_put(f, &tree->base, item->key, value, NULL);
}

static enum status batch_apply(struct fiber *f, struct partition *partition, void *argument) {
    struct batch *batch = argument;
    struct tree *tree = NULL;
    qsort(batch->items, batch->count, sizeof *batch->items, redo_compare);
    for (size_t i = 0; i < batch->count; i++) {
        const struct redo *item = &batch->items[i];
        if (i + 1 < batch->count && redo_key_compare(item, item + 1) == 0)
            continue; /* a later change of the same key follows */
        if (tree == NULL || tree->id.value != item->tree)
            TRY(partition__tree(partition, (struct tree_id){item->tree}, &tree));
        TRY(item_apply(f, partition, tree, item));
        if ((i & 63) == 0)
            TRY(fiber_check(f));
    }
    batch->count = 0;
    arena_reset(&batch->arena);
    return STATUS_OK;
}

static enum status batches_apply(struct fiber *f, struct recovery *recovery) {
    void *arguments[PARTITIONS_MAX];
    uint64_t mask = 0;
    for (unsigned i = 0; i < recovery->store->partition_count; i++) {
        arguments[i] = &recovery->batches[i];
        if (recovery->batches[i].count > 0)
            mask |= 1ull << i;
    }
    recovery->batch_bytes = 0;
    return partition_call_all(f, recovery->store, mask, batch_apply, arguments);
}

static enum status batch_add(struct fiber *f, struct recovery *recovery, unsigned partition,
                             uint32_t tree, bool is_delete, struct slice key, struct slice value) {
    struct batch *batch = &recovery->batches[partition];
    if (recovery->number <= recovery->applied[partition])
        return STATUS_OK;
    if (recovery->wanted != NULL &&
        !recovery->wanted(recovery->wanted_context, (struct tree_id){tree}))
        return STATUS_OK;
    if (!memory_grow(&batch->items, &batch->capacity, batch->count + 1, sizeof *batch->items))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    batch->items[batch->count] = (struct redo){.prefix = key_prefix(key),
                                               .tree = tree,
                                               .sequence = (uint32_t)batch->count,
                                               .is_delete = is_delete,
                                               .key = arena_copy_slice(&batch->arena, key),
                                               .value = arena_copy_slice(&batch->arena, value)};
    batch->count++;
    recovery->items++;
    recovery->batch_bytes += key.size + value.size + sizeof(struct redo) + 32;
    TRY(arena_status(&batch->arena));
    bool enough =
        recovery->batch_bytes > BATCH_BYTES_MAX || by_chance("txn: recovery applies a small batch");
    return enough ? batches_apply(f, recovery) : STATUS_OK;
}

/* ---- items --------------------------------------------------------------------------------- */

static enum status drop_redo(struct fiber *f, struct recovery *recovery, uint64_t tree) {
    uint8_t key[4], value[8];
    put_be32(key, (uint32_t)tree);
    put_le64(value, recovery->number);
    for (unsigned i = 0; i < recovery->store->partition_count; i++)
        TRY(batch_add(f, recovery, i, TREE_DROPPED, false, slice_of(key, sizeof key),
                      slice_of(value, sizeof value)));
    return STATUS_OK;
}

static enum status change_redo(struct fiber *f, struct recovery *recovery,
                               const struct commit_item *item) {
    bool is_large = item->tag == COMMIT_PUT_LARGE;
    if (recovery->partition >= recovery->store->partition_count || recovery->tree.value == 0 ||
        (item->tag != COMMIT_DELETE && is_large != tree_is_large(recovery->tree)))
        return malformed(recovery);
    return batch_add(f, recovery, recovery->partition, recovery->tree.value,
                     item->tag == COMMIT_DELETE, item->key, item->value);
}

static enum status item_redo(struct fiber *f, struct recovery *recovery,
                             const struct commit_item *item) {
    switch (item->tag) {
    case COMMIT_PARTITION:
        recovery->partition =
            item->number < PARTITIONS_MAX ? (unsigned)item->number : PARTITIONS_MAX;
        recovery->tree.value = 0;
        return STATUS_OK;
    case COMMIT_TREE:
        if (item->number == 0 || item->number > UINT32_MAX)
            return malformed(recovery);
        recovery->tree.value = (uint32_t)item->number;
        return STATUS_OK;
    case COMMIT_DROP:
        if (item->number == 0 || item->number > UINT32_MAX)
            return malformed(recovery);
        return drop_redo(f, recovery, item->number);
    case COMMIT_PUT:
    case COMMIT_PUT_LARGE:
    case COMMIT_DELETE:
        return change_redo(f, recovery, item);
    }
    return malformed(recovery);
}

static enum status record_begin(struct fiber *f, void *context, struct commit_number number,
                                uint64_t size) {
    struct recovery *recovery = context;
    recovery->number = number.value;
    recovery->partition = PARTITIONS_MAX;
    recovery->tree.value = 0;
    recovery->carry_size = 0;
    recovery->records++;
    return STATUS_OK;
}

/* Whole items of `bytes`; what is left is the beginning of the next one. */
static enum status items_redo(struct fiber *f, struct recovery *recovery, struct slice *bytes) {
    struct commit_item item;
    enum commit_decode result;
    while ((result = commit_item_decode(bytes, &item)) == COMMIT_DECODED)
        TRY(item_redo(f, recovery, &item));
    return result == COMMIT_MALFORMED ? malformed(recovery) : STATUS_OK;
}

/* Complete the item that begins in `carry` with the first of *bytes, as many as it needs (little is
   tried first: most items are short). carry_size is not 0 afterwards when all were taken and more
   are needed. */
static enum status carry_redo(struct fiber *f, struct recovery *recovery, struct slice *bytes) {
    size_t had = recovery->carry_size, take = 0, room = sizeof recovery->carry - had;
    enum commit_decode result = COMMIT_CUT_OFF;
    struct commit_item item;
    struct slice all = SLICE_EMPTY;
    for (size_t limit = COMMIT_SMALL_ITEM_SIZE_MAX; result == COMMIT_CUT_OFF; limit = room) {
        size_t goal = bytes->size < limit ? bytes->size : limit;
        goal = goal < room ? goal : room;
        if (goal <= take) {
            recovery->carry_size += take;
            return take < bytes->size ? malformed(recovery) : STATUS_OK;
        }
        memcpy(recovery->carry + had + take, bytes->data + take, goal - take);
        take = goal;
        all = slice_of(recovery->carry, had + take);
        result = commit_item_decode(&all, &item);
    }
    if (result == COMMIT_MALFORMED)
        return malformed(recovery);
    TRY(item_redo(f, recovery, &item));
    size_t used = (size_t)(all.data - recovery->carry) - had;
    *bytes = slice_of(bytes->data + used, bytes->size - used);
    recovery->carry_size = 0;
    return STATUS_OK;
}

/* An item that spans pieces is put together in `carry`. */
static enum status record_bytes(struct fiber *f, void *context, struct slice bytes) {
    struct recovery *recovery = context;
    if (recovery->carry_size > 0) {
        TRY(carry_redo(f, recovery, &bytes));
        if (recovery->carry_size > 0)
            return STATUS_OK;
    }
    TRY(items_redo(f, recovery, &bytes));
    if (bytes.size > COMMIT_ITEM_SIZE_MAX)
        return malformed(recovery);
    if (bytes.size > 0)
        memcpy(recovery->carry, bytes.data, bytes.size);
    recovery->carry_size = bytes.size;
    return STATUS_OK;
}

static enum status record_end(struct fiber *f, void *context) {
    struct recovery *recovery = context;
    return recovery->carry_size == 0 ? STATUS_OK : malformed(recovery);
}

static void journal_give_up(struct fiber *f, struct store *store) {
    struct error kept = *error_current();
    journal_close(f, store->journal);
    store->journal = NULL;
    *error_current() = kept;
}

/* NULL: no memory. */
static struct recovery *recovery_create(void) {
    struct recovery *recovery = memory_alloc(sizeof *recovery);
    if (recovery != NULL)
        memset(recovery, 0, offsetof(struct recovery, carry));
    return recovery;
}

static void recovery_free(struct recovery *recovery) {
    for (unsigned i = 0; i < recovery->store->partition_count; i++) {
        arena_release(&recovery->batches[i].arena);
        memory_free(recovery->batches[i].items);
    }
    memory_free(recovery);
}

static uint64_t least_applied(const struct recovery *recovery) {
    uint64_t from = UINT64_MAX;
    for (unsigned i = 0; i < recovery->store->partition_count; i++)
        if (recovery->applied[i] < from)
            from = recovery->applied[i];
    return from;
}

enum status recover__salvage(struct fiber *f, struct store *store,
                             const struct salvage_journal *source,
                             struct journal_salvage *salvage_out) {
    struct recovery *recovery = recovery_create();
    if (recovery == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    recovery->store = store;
    recovery->wanted = source->wanted;
    recovery->wanted_context = source->context;
    memcpy(recovery->applied, source->applied, sizeof recovery->applied);
    struct journal_replay replay = {.from = {least_applied(recovery)},
                                    .begin = record_begin,
                                    .bytes = record_bytes,
                                    .end = record_end,
                                    .context = recovery};
    enum status status = journal_salvage(f, source->directory, source->database_id, &replay,
                                         source->report, source->context, salvage_out);
    if (status == STATUS_OK)
        status = batches_apply(f, recovery);
    recovery_free(recovery);
    return status;
}

/*
 * After a clean stop nothing of the journal is needed. Where it is damaged, or its end lost, it is
 * begun anew behind the last commit. `status`: what opening it gave.
 */
static enum status journal_unneeded(struct fiber *f, struct store *store,
                                    struct journal_options *options, enum status status) {
    struct error kept = *error_current();
    struct stop_mark mark;
    bool found;
    if (status != STATUS_OK && status != STATUS_DATA_CORRUPTED && status != STATUS_UNDEFINED_FILE)
        return status;
    TRY(stop_mark__read(f, store->directory, &found, &mark));
    if (!found || mark.database_id != store->database_id ||
        (status == STATUS_OK && journal_newest(store->journal).value >= mark.last.value)) {
        *error_current() = kept;
        return status;
    }
    LOG(LOG_WARNING, "txn",
        "the journal is damaged and was begun anew; after a clean stop nothing "
        "of it was needed: %s",
        status == STATUS_OK ? "its end is missing" : kept.message);
    if (store->journal != NULL)
        journal_give_up(f, store);
    options->restart = true;
    options->last = mark.last;
    return journal_open(f, options, NULL, &store->journal);
}

enum status recover__journal(struct fiber *f, struct store *store,
                             const struct store_options *options) {
    struct recovery *recovery = recovery_create();
    if (recovery == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    recovery->store = store;
    for (unsigned i = 0; i < store->partition_count; i++)
        recovery->applied[i] = pager_checkpoint_applied(store->partitions[i].pager).value;
    uint64_t from = least_applied(recovery);
    char path[STORE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/journal", store->directory);
    struct journal_options journal_options = {
        .directory = path,
        .segment_size = options->journal_segment_size,
        .size_target = options->journal_size_target,
        .sync = (enum journal_sync)options->journal_sync,
        .create = options->create,
        .database_id = store->database_id,
    };
    struct journal_replay replay = {.from = {from},
                                    .begin = record_begin,
                                    .bytes = record_bytes,
                                    .end = record_end,
                                    .context = recovery};
    int64_t start = clock_monotonic_ns();
    for (unsigned i = 0; i < store->partition_count; i++) { /* nobody is inside yet */
        store->partitions[i].target = i % store->core_count;
        atomic_store(&store->partitions[i].core, i % store->core_count);
    }
    enum status status = journal_open(f, &journal_options, &replay, &store->journal);
    if (status == STATUS_OK && recovery->records > 0) {
        status = batches_apply(f, recovery);
        if (status != STATUS_OK)
            journal_give_up(f, store);
    }
    if (!options->create)
        status = journal_unneeded(f, store, &journal_options, status);
    fiber_shield(f);
    for (unsigned i = 0; i < store->partition_count; i++)
        partition__bring_home(f, store, i);
    fiber_unshield(f);
    if (status == STATUS_OK && journal_newest(store->journal).value < from) {
        status = error_set(STATUS_DATA_CORRUPTED,
                           "journal ends at commit %" PRIu64 ", before the checkpoint at %" PRIu64,
                           journal_newest(store->journal).value, from);
        journal_give_up(f, store);
    }
    if (status == STATUS_OK && recovery->records > 0)
        LOG(LOG_INFO, "txn",
            "journal replayed: commits=%" PRIu64 " changes=%" PRIu64 " ms=%" PRId64,
            recovery->records, recovery->items, (clock_monotonic_ns() - start) / 1000000);
    recovery_free(recovery);
    return status;
}
