/*
 * Recovery: replay the journal behind the partitions' checkpoints. Redo is by key, so a partition
 * whose checkpoint already holds effects of a commit takes them again without harm.
 *
 * Items are decoded where the journal is and applied in order, each partition by a worker fiber of
 * its own fed with batches, so that partitions on other cores replay side by side.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/base_bytes.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "txn/store.h"
#include "txn/txn_format.h"

struct recovery {
    struct store *store;
    uint64_t applied[PARTITIONS_MAX]; /* of each partition's checkpoint */
    uint64_t number;                  /* of the record being decoded */
    uint64_t records, items;
    unsigned partition;
    struct tree_id tree;
    struct tree *handle;              /* of the current partition and tree */
    uint8_t carry[2 * COMMIT_ITEM_SIZE_MAX];
    size_t carry_size;
};

static enum status malformed(const struct recovery *recovery) {
    return error_set(STATUS_DATA_CORRUPTED, "journal record of commit %" PRIu64 " is malformed",
                     recovery->number);
}

static enum status drop_redo(struct fiber *f, struct recovery *recovery, uint64_t tree) {
    struct store *store = recovery->store;
    uint8_t key[4], value[8];
    put_be32(key, (uint32_t)tree);
    put_le64(value, recovery->number);
    for (unsigned i = 0; i < store->partition_count; i++) {
        struct tree *dropped;
        if (recovery->number <= recovery->applied[i])
            continue;
        TRY(partition__tree(&store->partitions[i], (struct tree_id){TREE_DROPPED}, &dropped));
        TRY(btree_put(f, &dropped->base, slice_of(key, sizeof key), slice_of(value, sizeof value),
                      NULL));
    }
    return STATUS_OK;
}

static enum status change_redo(struct fiber *f, struct recovery *recovery,
                               const struct commit_item *item) {
    if (recovery->partition >= recovery->store->partition_count || recovery->tree.value == 0)
        return malformed(recovery);
    if (recovery->number <= recovery->applied[recovery->partition])
        return STATUS_OK;
    if (recovery->handle == NULL)
        TRY(partition__tree(&recovery->store->partitions[recovery->partition], recovery->tree,
                            &recovery->handle));
    recovery->items++;
    if (item->tag == COMMIT_DELETE)
        return btree_delete(f, &recovery->handle->base, item->key, NULL);
    return btree_put(f, &recovery->handle->base, item->key, item->value, NULL);
}

static enum status item_redo(struct fiber *f, struct recovery *recovery,
                             const struct commit_item *item) {
    switch (item->tag) {
    case COMMIT_PARTITION:
        recovery->partition = item->number < PARTITIONS_MAX ? (unsigned)item->number
                                                            : PARTITIONS_MAX;
        recovery->tree.value = 0;
        recovery->handle = NULL;
        return STATUS_OK;
    case COMMIT_TREE:
        if (item->number == 0 || item->number > UINT32_MAX)
            return malformed(recovery);
        recovery->tree.value = (uint32_t)item->number;
        recovery->handle = NULL;
        return STATUS_OK;
    case COMMIT_DROP:
        if (item->number == 0 || item->number > UINT32_MAX)
            return malformed(recovery);
        return drop_redo(f, recovery, item->number);
    case COMMIT_PUT:
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
    recovery->handle = NULL;
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

/* An item that spans pieces is put together in `carry`. */
static enum status record_bytes(struct fiber *f, void *context, struct slice bytes) {
    struct recovery *recovery = context;
    if (recovery->carry_size > 0) {
        size_t had = recovery->carry_size;
        size_t room = sizeof recovery->carry - had;
        size_t take = bytes.size < room ? bytes.size : room;
        memcpy(recovery->carry + had, bytes.data, take);
        struct slice all = slice_of(recovery->carry, had + take);
        struct commit_item item;
        enum commit_decode result = commit_item_decode(&all, &item);
        if (result == COMMIT_MALFORMED || (result == COMMIT_CUT_OFF && take < bytes.size))
            return malformed(recovery);
        if (result == COMMIT_CUT_OFF) {
            recovery->carry_size += take;
            return STATUS_OK;
        }
        TRY(item_redo(f, recovery, &item));
        size_t used = (size_t)(all.data - recovery->carry) - had;
        bytes = slice_of(bytes.data + used, bytes.size - used);
        recovery->carry_size = 0;
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

enum status recover__journal(struct fiber *f, struct store *store,
                             const struct store_options *options) {
    struct recovery *recovery = memory_alloc_zeroed(1, sizeof *recovery);
    if (recovery == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    recovery->store = store;
    uint64_t from = UINT64_MAX;
    for (unsigned i = 0; i < store->partition_count; i++) {
        recovery->applied[i] = pager_checkpoint_applied(store->partitions[i].pager).value;
        if (recovery->applied[i] < from)
            from = recovery->applied[i];
    }
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
    enum status status = journal_open(f, &journal_options, &replay, &store->journal);
    if (status == STATUS_OK && journal_newest(store->journal).value < from) {
        status = error_set(STATUS_DATA_CORRUPTED,
                           "journal ends at commit %" PRIu64 ", before the checkpoint at %" PRIu64,
                           journal_newest(store->journal).value, from);
        journal_close(f, store->journal);
        store->journal = NULL;
    }
    if (status == STATUS_OK && recovery->records > 0)
        LOG(LOG_INFO, "txn",
            "journal replayed: commits=%" PRIu64 " changes=%" PRIu64 " ms=%" PRId64,
            recovery->records, recovery->items, (clock_monotonic_ns() - start) / 1000000);
    memory_free(recovery);
    return status;
}
