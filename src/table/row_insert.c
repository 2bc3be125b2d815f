/* Inserting one row, and where rows belong. */
#include "base/base_chance.h"
#include "table/block_format.h"
#include "table/rows.h"

unsigned table_partition_of(const struct store *store, const struct value *value) {
    if (value->is_null)
        return 0;
    return (unsigned)(value_hash(value) % store_partition_count(store));
}

uint64_t table_partitions(const struct store *store, const struct table *table) {
    if (table->on_catalog_partition)
        return 1ull << PARTITION_CATALOG;
    unsigned count = store_partition_count(store);
    return count >= 64 ? UINT64_MAX : (1ull << count) - 1;
}

/* A table without a partition column takes rows anywhere: near this core, and all rows of a
   transaction on one partition. */
static unsigned choose_partition(struct fiber *f, const struct table_context *context,
                                 const struct table *table, const struct value *row) {
    struct store *store = context->store;
    if (table->on_catalog_partition)
        return PARTITION_CATALOG;
    if (table->partition_column > 0)
        return table_partition_of(store, &row[table->partition_column - 1]);
    unsigned count = store_partition_count(store);
    unsigned first = (unsigned)(transaction_id(context->transaction).value % count);
    for (unsigned i = 0; i < count; i++) {
        if (partition_core(store, (first + i) % count) == fiber_core(f))
            return (first + i) % count;
    }
    return first;
}

struct insert_call {
    const struct table_context *context;
    const struct table *table;
    const struct value *row;
    bool if_absent, taken;
    bool stays; /* on `partition`, unless the row's values say otherwise */
    unsigned partition;
    struct row_id row_id;
};

/* Encode the keys of the local indexes and claim the unique ones. */
static enum status claim_local(struct fiber *f, struct insert_call *call,
                               struct row_writer *writer) {
    const struct table *table = call->table;
    for (unsigned i = 0; i < table->index_count; i++) {
        const struct index *index = table->indexes[i];
        if (!index->local)
            continue;
        struct index_key *key = &writer->index_keys[i];
        TRY(index__key(index, call->row, &writer->keys, key));
        if (!index->unique || key->has_null)
            continue;
        bool taken;
        struct slice bytes = slice_of(writer->keys.data + key->offset, key->size);
        TRY(unique__claim(f, writer->transaction, writer->partition, index, bytes, false, &taken));
        if (taken && call->if_absent) {
            call->taken = true;
            return STATUS_OK;
        }
        if (taken)
            return unique__violation(table, index, call->row, false);
    }
    return STATUS_OK;
}

static enum status put_local_entries(struct fiber *f, const struct table *table,
                                     struct row_writer *writer, struct row_id row) {
    for (unsigned i = 0; i < table->index_count; i++) {
        const struct index *index = table->indexes[i];
        if (!index->local)
            continue;
        uint8_t value[INDEX_VALUE_SIZE_MAX];
        size_t size = index_value_encode(index, 0, row, value);
        struct slice key = index__entry_key(index, &writer->index_keys[i], 0, row, &writer->keys);
        TRY(txn_put(f, writer->transaction, writer->partition, index->tree, key,
                    slice_of(value, size), TXN_PUT_CHECKED_BY_READER));
    }
    return STATUS_OK;
}

static enum status insert_with(struct fiber *f, struct insert_call *call,
                               struct row_writer *writer) {
    TRY(claim_local(f, call, writer));
    if (call->taken)
        return STATUS_OK;
    struct tree_id tree = call->table->row_tree;
    if (by_chance("table: a range ends early"))
        TRY(partition_row_ids(f, writer->partition, tree, BLOCK_ROWS_MAX - 1, &call->row_id));
    TRY(partition_row_ids(f, writer->partition, tree, 1, &call->row_id));
    TRY(row_writer_put(f, writer, call->row_id, call->row, NULL, SLICE_EMPTY));
    TRY(row_writer_count_new(f, writer, call->row_id));
    return put_local_entries(f, call->table, writer, call->row_id);
}

static enum status insert_here(struct fiber *f, struct partition *partition, void *argument) {
    struct insert_call *call = argument;
    struct row_writer writer;
    enum status status =
        row_writer_init(&writer, call->context->transaction, call->table, partition);
    if (status == STATUS_OK)
        status = insert_with(f, call, &writer);
    row_writer_release(&writer);
    return status;
}

/* For the indexes that are not local: claim the keys, or put the entries (and claim as well unless
   that was done). *taken_out: a key was there. */
static enum status change_global(struct fiber *f, struct insert_call *call,
                                 struct row_address address, bool claim_only, bool no_claim,
                                 bool *taken_out) {
    for (unsigned i = 0; i < call->table->index_count; i++) {
        const struct index *index = call->table->indexes[i];
        if (index->local)
            continue;
        struct index_change change = {
            .transaction = call->context->transaction,
            .table = call->table,
            .index = index,
            .row = call->row,
            .address = address,
            .claim_only = claim_only,
            .no_claim = no_claim,
        };
        TRY(index__change(f, call->context->store, &change));
        if (change.taken) {
            *taken_out = true;
            return STATUS_OK;
        }
    }
    return STATUS_OK;
}

static enum status insert(struct fiber *f, const struct table_context *context,
                          struct insert_call *call, struct row_address *address_out) {
    const struct table *table = call->table;
    TRY(row__check_not_null(table, call->row));
    if (call->if_absent) {
        TRY(change_global(f, call, (struct row_address){0}, true, false, &call->taken));
        if (call->taken)
            return STATUS_OK;
    }
    unsigned partition = call->stays && table->partition_column == 0
                             ? call->partition
                             : choose_partition(f, context, table, call->row);
    TRY(partition_call(f, context->store, partition, insert_here, call));
    if (call->taken)
        return STATUS_OK;
    struct row_address address = {(uint16_t)partition, call->row_id};
    bool taken = false;
    TRY(change_global(f, call, address, false, call->if_absent, &taken));
    ASSERT(!taken);
    if (address_out != NULL)
        *address_out = address;
    return STATUS_OK;
}

enum status table_insert(struct fiber *f, const struct table_context *context,
                         const struct table *table, const struct value *row,
                         struct row_address *address_out) {
    struct insert_call call = {.context = context, .table = table, .row = row};
    return insert(f, context, &call, address_out);
}

enum status row__insert_near(struct fiber *f, const struct table_context *context,
                             const struct table *table, const struct value *row, unsigned partition,
                             struct row_address *address_out) {
    struct insert_call call = {
        .context = context, .table = table, .row = row, .stays = true, .partition = partition};
    return insert(f, context, &call, address_out);
}

enum status table_insert_if_absent(struct fiber *f, const struct table_context *context,
                                   const struct table *table, const struct value *row,
                                   bool *inserted_out, struct row_address *address_out) {
    struct insert_call call = {.context = context, .table = table, .row = row, .if_absent = true};
    enum status status = insert(f, context, &call, address_out);
    *inserted_out = status == STATUS_OK && !call.taken;
    return status;
}
