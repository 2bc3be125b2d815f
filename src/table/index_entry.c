/*
 * Entries of unique indexes that are not local: they lie on the partition of the hash of their
 * first column, so a change of one row may touch one or two other partitions.
 */
#include "table/rows.h"

struct entry_call {
    struct index_change *change;
    const struct value *remove, *add; /* whole rows, or NULL */
    bool claim;                       /* look for another holder of the key to add */
};

static enum status claim(struct fiber *f, struct partition *partition, struct entry_call *call,
                         struct slice key) {
    struct index_change *change = call->change;
    bool taken;
    TRY(unique__claim(f, change->transaction, partition, change->index, key, change->alone,
                      &taken));
    if (taken && change->claim_only)
        change->taken = true;
    else if (taken)
        return unique__violation(change->table, change->index, call->add, change->building);
    return STATUS_OK;
}

static enum status remove_entry(struct fiber *f, struct partition *partition,
                                struct entry_call *call, struct buffer *buffer) {
    struct index_change *change = call->change;
    struct index_key key;
    buffer_clear(buffer);
    TRY(index__key(change->index, call->remove, buffer, &key));
    struct slice bytes = index__entry_key(change->index, &key, change->address.partition,
                                          change->address.row, buffer);
    if (!key.has_null && !change->alone) {
        bool locked;
        TRY(txn_lock_key(f, change->transaction, partition, change->index->tree, bytes,
                         KEY_LOCK_EXCLUSIVE, LOCK_WAIT, &locked, NULL));
    }
    return txn_delete(f, change->transaction, partition, change->index->tree, bytes);
}

static enum status add_entry(struct fiber *f, struct partition *partition, struct entry_call *call,
                             struct buffer *buffer) {
    struct index_change *change = call->change;
    struct index_key key;
    buffer_clear(buffer);
    TRY(index__key(change->index, call->add, buffer, &key));
    struct slice bytes = index__entry_key(change->index, &key, change->address.partition,
                                          change->address.row, buffer);
    if (call->claim && !key.has_null)
        TRY(claim(f, partition, call, bytes));
    if (change->claim_only)
        return STATUS_OK;
    uint8_t value[INDEX_VALUE_SIZE_MAX];
    size_t size =
        index_value_encode(change->index, change->address.partition, change->address.row, value);
    return txn_put(f, change->transaction, partition, change->index->tree, bytes,
                   slice_of(value, size), TXN_PUT_CHECKED_BY_READER);
}

static enum status run(struct fiber *f, struct partition *partition, void *argument) {
    struct entry_call *call = argument;
    struct buffer buffer = {0};
    enum status status = STATUS_OK;
    if (call->remove != NULL)
        status = remove_entry(f, partition, call, &buffer);
    if (status == STATUS_OK && call->add != NULL)
        status = add_entry(f, partition, call, &buffer);
    buffer_release(&buffer);
    return status;
}

enum status index__change(struct fiber *f, struct store *store, struct index_change *change) {
    const struct index *index = change->index;
    ASSERT(!index->local && index->unique);
    change->taken = false;
    struct entry_call call = {
        .change = change, .remove = change->old, .add = change->row, .claim = !change->no_claim};
    if (call.remove != NULL && call.add != NULL) {
        unsigned from = index__partition(store, index, call.remove);
        if (from != index__partition(store, index, call.add)) {
            struct entry_call removal = {.change = change, .remove = call.remove};
            TRY(partition_call(f, store, from, run, &removal));
            call.remove = NULL;
        }
    }
    const struct value *row = call.add != NULL ? call.add : call.remove;
    return partition_call(f, store, index__partition(store, index, row), run, &call);
}
