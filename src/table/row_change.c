/* Locking, updating and deleting rows. */
#include "base/base_bytes.h"
#include "table/rows.h"

struct change_call {
    const struct table_context *context;
    const struct table *table;
    struct row_address address;
    const struct value *old, *row; /* row NULL: delete */
};

/* Could the stored row have values outside? Decided without reading it. */
static bool may_be_long(const struct table *table, const struct value *old) {
    for (unsigned i = 0; i < table->column_count; i++) {
        if (table->columns[i].dropped && table->row_schema.physical[i] == PHYSICAL_STRING)
            return true; /* `old` does not show what is stored there */
    }
    return row__size_estimate(table, old) > ROW_INLINE_SIZE_MAX / 2;
}

/* Entry of the row in a local index: out with the old, in with the new. */
static enum status change_local_entry(struct fiber *f, struct change_call *call,
                                      struct row_writer *writer, const struct index *index) {
    struct transaction *transaction = writer->transaction;
    struct row_id row = call->address.row;
    struct index_key old_key, new_key;
    buffer_clear(&writer->keys);
    TRY(index__key(index, call->old, &writer->keys, &old_key));
    if (call->row != NULL) {
        TRY(index__key(index, call->row, &writer->keys, &new_key));
        if (index->unique && !new_key.has_null) {
            struct slice wanted = slice_of(writer->keys.data + new_key.offset, new_key.size);
            bool taken;
            TRY(unique__claim(f, transaction, writer->partition, index, wanted, false, &taken));
            if (taken)
                return unique__violation(call->table, index, call->row, false);
        }
    }
    struct slice old_bytes = index__entry_key(index, &old_key, 0, row, &writer->keys);
    if (index->unique && !old_key.has_null) {
        bool locked;
        TRY(txn_lock_key(f, transaction, writer->partition, index->tree, old_bytes,
                         KEY_LOCK_EXCLUSIVE, LOCK_WAIT, &locked, NULL));
    }
    TRY(txn_delete(f, transaction, writer->partition, index->tree, old_bytes));
    if (call->row == NULL)
        return STATUS_OK;
    uint8_t value[INDEX_VALUE_SIZE_MAX];
    size_t size = index_value_encode(index, 0, row, value);
    return txn_put(f, transaction, writer->partition, index->tree,
                   index__entry_key(index, &new_key, 0, row, &writer->keys), slice_of(value, size),
                   TXN_PUT_CHECKED_BY_READER);
}

static enum status change_with(struct fiber *f, struct change_call *call, struct row_writer *writer,
                               struct arena *arena) {
    const struct table *table = call->table;
    for (unsigned i = 0; i < table->index_count; i++) {
        const struct index *index = table->indexes[i];
        if (index->local && (call->row == NULL || !index__same_key(index, call->old, call->row)))
            TRY(change_local_entry(f, call, writer, index));
    }
    uint8_t key[ROW_KEY_SIZE];
    row_key_encode(call->address.row, key);
    struct slice stored = SLICE_EMPTY;
    if (may_be_long(table, call->old)) {
        bool found;
        TRY(txn_get_newest(f, writer->transaction, writer->partition, table->row_tree,
                           slice_of(key, sizeof key), arena, &found, &stored));
        if (found) { /* else it lies in a block, and has nothing outside */
            struct row_stored parts;
            TRY(row__stored(table, stored, &parts));
            stored = parts.row;
        }
    }
    if (call->row != NULL)
        return row_writer_put(f, writer, call->address.row, call->row, call->old, stored);
    if (stored.size > 0)
        TRY(row_writer_drop_large(f, writer, call->address.row, stored));
    return row_writer_delete(f, writer, call->address.row);
}

static enum status change_here(struct fiber *f, struct partition *partition, void *argument) {
    struct change_call *call = argument;
    struct row_writer writer;
    struct arena arena = {0};
    enum status status =
        row_writer_init(&writer, call->context->transaction, call->table, partition);
    if (status == STATUS_OK)
        status = change_with(f, call, &writer, &arena);
    row_writer_release(&writer);
    arena_release(&arena);
    return status;
}

static enum status change(struct fiber *f, struct change_call *call) {
    const struct table *table = call->table;
    TRY(partition_call(f, call->context->store, call->address.partition, change_here, call));
    for (unsigned i = 0; i < table->index_count; i++) {
        const struct index *index = table->indexes[i];
        if (index->local || (call->row != NULL && index__same_key(index, call->old, call->row)))
            continue;
        struct index_change entry = {
            .transaction = call->context->transaction,
            .table = table,
            .index = index,
            .old = call->old,
            .row = call->row,
            .address = call->address,
        };
        TRY(index__change(f, call->context->store, &entry));
    }
    return STATUS_OK;
}

/* Does the new version belong on another partition? */
static bool moves(const struct table_context *context, const struct table *table,
                  struct row_address address, const struct value *row) {
    if (table->partition_column == 0 || table->on_catalog_partition)
        return false;
    return table_partition_of(context->store, &row[table->partition_column - 1]) !=
           address.partition;
}

/*
 * A row that moves to another address is deleted here and inserted there; yet for who waits for
 * its lock it was updated. So the transaction leaves word of the new address (txn_note_moved),
 * which the waiter finds when it gets the lock, and follows. The new row is locked as well:
 * partitions apply a commit one after the other, and the waiter may be there before the row is.
 */
struct move_call {
    const struct table_context *context;
    const struct table *table;
    struct row_address from, to;
};

static enum status leave_word(struct fiber *f, struct partition *partition, void *argument) {
    const struct move_call *call = argument;
    uint8_t key[ROW_KEY_SIZE], word[8];
    row_key_encode(call->from.row, key);
    put_le64(word, (uint64_t)row_address_pack(call->to));
    return txn_note_moved(f, call->context->transaction, partition, call->table->row_tree,
                          slice_of(key, sizeof key), slice_of(word, sizeof word));
}

static enum status lock_moved(struct fiber *f, struct partition *partition, void *argument) {
    const struct move_call *call = argument;
    uint8_t key[ROW_KEY_SIZE];
    row_key_encode(call->to.row, key);
    return txn_lock_key(f, call->context->transaction, partition, call->table->row_tree,
                        slice_of(key, sizeof key), KEY_LOCK_EXCLUSIVE, LOCK_WAIT, NULL, NULL);
}

enum status row__move(struct fiber *f, const struct table_context *context,
                      const struct table *table, struct row_address address,
                      const struct value *old, const struct value *row,
                      struct row_address *address_out) {
    struct move_call call = {context, table, .from = address};
    TRY(table_delete(f, context, table, address, old));
    TRY(row__insert_near(f, context, table, row, address.partition, &call.to));
    TRY(partition_call(f, context->store, call.to.partition, lock_moved, &call));
    if (address_out != NULL)
        *address_out = call.to;
    return partition_call(f, context->store, address.partition, leave_word, &call);
}

enum status table_update(struct fiber *f, const struct table_context *context,
                         const struct table *table, struct row_address address,
                         const struct value *old, const struct value *row,
                         struct row_address *address_out) {
    TRY(row__check_not_null(table, row));
    if (moves(context, table, address, row))
        return row__move(f, context, table, address, old, row, address_out);
    struct change_call call = {
        .context = context, .table = table, .address = address, .old = old, .row = row};
    TRY(change(f, &call));
    if (address_out != NULL)
        *address_out = address;
    return STATUS_OK;
}

enum status table_delete(struct fiber *f, const struct table_context *context,
                         const struct table *table, struct row_address address,
                         const struct value *old) {
    struct change_call call = {.context = context, .table = table, .address = address, .old = old};
    return change(f, &call);
}

/* ---- locking -------------------------------------------------------------------------- */

struct lock_call {
    const struct table_context *context;
    const struct table *table;
    struct row_address address;
    enum key_lock_mode mode;
    enum lock_wait wait;
    bool followed; /* it is not where our snapshot sees it */
    bool moved;    /* out: look at `address` again, it is another */
    enum row_lock_outcome outcome;
    struct value *newest;
};

/* The row is gone from its address; is it elsewhere? */
static enum status follow(struct fiber *f, struct partition *partition, struct lock_call *call,
                          struct slice key) {
    uint8_t word[TXN_MOVED_SIZE_MAX];
    size_t size;
    TRY(txn_moved_to(f, call->context->transaction, partition, call->table->row_tree, key, word,
                     &size));
    call->moved = size > 0;
    if (call->moved)
        call->address = row_address_unpack((int64_t)get_le64(word));
    return STATUS_OK;
}

/* A version of the row; *plain_out false: there is none, or some of it lies outside. */
static enum status version(struct fiber *f, struct partition *partition, struct lock_call *call,
                           struct slice key, bool newest, struct row_stored *parts_out,
                           bool *plain_out) {
    struct transaction *transaction = call->context->transaction;
    struct slice stored;
    TRY((newest ? txn_get_newest : txn_get)(f, transaction, partition, call->table->row_tree, key,
                                            call->context->arena, plain_out, &stored));
    if (!*plain_out)
        return STATUS_OK;
    TRY(row__stored(call->table, stored, parts_out));
    *plain_out = !parts_out->deleted && row_outside_size(parts_out->row) == 0 &&
                 !row_has_external(parts_out->row);
    return STATUS_OK;
}

/* Is the newest version the one that the snapshot sees, put again by freezing (freeze.c)? Of one
   that has more outside, that cannot be told. */
static enum status is_put_again(struct fiber *f, struct partition *partition,
                                struct lock_call *call, struct slice key, bool *answer_out) {
    struct row_stored seen, newest = {0};
    bool plain;
    *answer_out = false;
    TRY(version(f, partition, call, key, false, &seen, &plain));
    if (plain)
        TRY(version(f, partition, call, key, true, &newest, &plain));
    *answer_out = plain && newest.generation > seen.generation && slice_equal(newest.row, seen.row);
    return STATUS_OK;
}

static enum status lock_here(struct fiber *f, struct partition *partition, void *argument) {
    struct lock_call *call = argument;
    struct transaction *transaction = call->context->transaction;
    struct tree_id tree = call->table->row_tree;
    uint8_t key_bytes[ROW_KEY_SIZE];
    row_key_encode(call->address.row, key_bytes);
    struct slice key = slice_of(key_bytes, sizeof key_bytes);

    bool locked;
    TRY(txn_lock_key(f, transaction, partition, tree, key, call->mode, call->wait, &locked, NULL));
    if (!locked) {
        call->outcome = ROW_SKIPPED;
        return STATUS_OK;
    }
    struct txn_key_state state;
    TRY(txn_key_state(f, transaction, partition, tree, key, &state));
    if (state.staged_by_this_statement) {
        call->outcome = ROW_ALREADY_STAGED;
        return STATUS_OK;
    }
    struct row_place place = {call->table, partition, call->address.row, ROW_NEWEST};
    struct slice row;
    bool found;
    static const struct row_columns none;
    TRY(row__get(f, transaction, &place, call->newest == NULL ? &none : NULL, call->context->arena,
                 &found, &row));
    bool changed = call->followed || (state.changed_since_snapshot && !state.own_write);
    if (changed && !call->followed && found &&
        transaction_isolation(transaction) == ISOLATION_REPEATABLE_READ) {
        bool put_again;
        TRY(is_put_again(f, partition, call, key, &put_again));
        changed = !put_again;
    }
    if (!found && changed)
        TRY(follow(f, partition, call, key));
    if (changed && transaction_isolation(transaction) == ISOLATION_REPEATABLE_READ)
        return error_set(STATUS_SERIALIZATION_FAILURE,
                         "could not serialize access due to concurrent %s",
                         found || call->moved ? "update" : "delete");
    if (!found) {
        call->outcome = ROW_DELETED;
        return STATUS_OK;
    }
    call->outcome = changed ? ROW_LOCKED_CHANGED : ROW_LOCKED;
    if (call->newest == NULL)
        return STATUS_OK;
    return row__all_columns(f, transaction, &place, row, call->context->arena, call->newest);
}

enum status table_lock_row(struct fiber *f, const struct table_context *context,
                           const struct table *table, struct row_address *address,
                           enum key_lock_mode mode, enum lock_wait wait,
                           enum row_lock_outcome *outcome_out, struct value *newest) {
    struct lock_call call = {
        .context = context,
        .table = table,
        .address = *address,
        .mode = mode,
        .wait = wait,
        .newest = newest,
    };
    do {
        call.followed = call.moved;
        call.moved = false;
        TRY(partition_call(f, context->store, call.address.partition, lock_here, &call));
    } while (call.moved);
    *address = call.address;
    *outcome_out = call.outcome;
    return STATUS_OK;
}
