/* Reading single rows: by address, and by a unique key without any detour. */
#include "table/block.h"

#include "value/value_text.h"

/* ---- by address ----------------------------------------------------------------------- */

struct fetch_call {
    const struct table_context *context;
    const struct table *table;
    struct row_id row;
    const int16_t *column_numbers;
    size_t count;
    bool found;
    struct value *values;
};

static enum status fetch_here(struct fiber *f, struct partition *partition, void *argument) {
    struct fetch_call *call = argument;
    struct row_place place = {call->table, partition, call->row, ROW_AT_SNAPSHOT};
    return row__get_values(f, call->context->transaction, &place, call->column_numbers, call->count,
                           call->context->arena, &call->found, call->values);
}

enum status table_fetch(struct fiber *f, const struct table_context *context,
                        const struct table *table, struct row_address address,
                        const int16_t *column_numbers, size_t count, bool *found_out,
                        struct value *values) {
    struct fetch_call call = {
        .context = context,
        .table = table,
        .row = address.row,
        .column_numbers = column_numbers,
        .count = count,
        .values = values,
    };
    TRY(partition_call(f, context->store, address.partition, fetch_here, &call));
    *found_out = call.found;
    return STATUS_OK;
}

/* ---- by a unique key ------------------------------------------------------------------ */

struct unique_call {
    const struct table_context *context;
    const struct table *table;
    const struct index *index;
    const struct value *key;
    struct slice key_bytes;
    const int16_t *column_numbers;
    size_t count;
    bool newest; /* whatever the snapshot */
    bool found;
    struct row_address address;
    struct value *values;
};

/* The row an entry named, if it is there and has this key. */
static enum status row_here(struct fiber *f, struct partition *partition, void *argument) {
    struct unique_call *call = argument;
    const struct index *index = call->index;
    struct transaction *transaction = call->context->transaction;
    struct arena *arena = call->context->arena;
    struct row_place place = {call->table, partition, call->address.row,
                              call->newest ? ROW_NEWEST : ROW_AT_SNAPSHOT};
    /* The columns of the key, then those asked for. */
    size_t count = index->column_count + call->count;
    int16_t few_numbers[16], *numbers = few_numbers;
    struct value few_values[16], *values = few_values;
    if (count > sizeof few_numbers / sizeof few_numbers[0]) {
        TRY(arena__array(arena, count, sizeof *numbers, &numbers));
        TRY(arena__array(arena, count, sizeof *values, &values));
    }
    for (unsigned i = 0; i < index->column_count; i++)
        numbers[i] = index->columns[i].column_number;
    if (call->count > 0)
        memcpy(numbers + index->column_count, call->column_numbers, call->count * sizeof *numbers);
    TRY(row__get_values(f, transaction, &place, numbers, count, arena, &call->found, values));
    for (unsigned i = 0; i < index->column_count && call->found; i++)
        call->found = !values[i].is_null && value_compare(&values[i], &call->key[i]) == 0;
    if (call->found && call->count > 0)
        memcpy(call->values, values + index->column_count, call->count * sizeof *values);
    return STATUS_OK;
}

static enum status entry_here(struct fiber *f, struct partition *partition, void *argument) {
    struct unique_call *call = argument;
    struct transaction *transaction = call->context->transaction;
    struct arena *arena = call->context->arena;
    struct tree_id tree = call->index->tree;
    struct slice value;
    if (call->newest)
        TRY(txn_get_newest(f, transaction, partition, tree, call->key_bytes, arena, &call->found,
                           &value));
    else
        TRY(txn_get(f, transaction, partition, tree, call->key_bytes, arena, &call->found, &value));
    if (!call->found)
        return STATUS_OK;
    unsigned at = partition_number(partition);
    TRY(index_value_decode(call->index, value, &at, &call->address.row));
    call->address.partition = (uint16_t)at;
    return call->index->local ? row_here(f, partition, call) : STATUS_OK;
}

/* Look on one partition. */
static enum status look(struct fiber *f, struct unique_call *call, unsigned partition) {
    struct store *store = call->context->store;
    TRY(partition_call(f, store, partition, entry_here, call));
    if (!call->found || call->index->local)
        return STATUS_OK;
    if (call->address.partition >= store_partition_count(store))
        return error_set(STATUS_INDEX_CORRUPTED, "index \"%s\" names partition %u",
                         call->index->name, call->address.partition);
    return partition_call(f, store, call->address.partition, row_here, call);
}

/* A local unique index has the partition column among its own. */
unsigned table_unique_partition(const struct store *store, const struct table *table,
                                const struct index *index, const struct value *key) {
    if (table->on_catalog_partition)
        return PARTITION_CATALOG;
    unsigned at = 0;
    while (index->local && index->columns[at].column_number != table->partition_column) {
        at++;
        ASSERT(at < index->column_count);
    }
    return table_partition_of(store, &key[at]);
}

/* Room for the key such that the encoder never has to grow it. */
static size_t key_size_bound(const struct value *key, unsigned count) {
    size_t size = 0;
    for (unsigned i = 0; i < count; i++) {
        enum physical physical = type_physical(key[i].type);
        size += physical == PHYSICAL_STRING ? key[i].string.size * 2 + 64 : 96;
    }
    return size;
}

/* The key's bytes go into the call, which is otherwise complete. */
static enum status get_unique(struct fiber *f, struct unique_call *call) {
    const struct index *index = call->index;
    const struct value *key = call->key;
    ASSERT(index->unique);
    uint8_t small[512];
    size_t bound = key_size_bound(key, index->column_count);
    uint8_t *bytes = bound <= sizeof small ? small : arena_alloc(call->context->arena, bound);
    if (bytes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    struct buffer buffer = {.data = bytes, .capacity = bound};
    if (bytes == small)
        buffer.capacity = sizeof small;
    key_encode(index->key_columns, key, index->column_count, &buffer);
    ASSERT(buffer.data == bytes && !buffer.failed);
    if (buffer.size > INDEX_KEY_SIZE_MAX)
        return STATUS_OK; /* no row can have such a key */
    call->key_bytes = buffer_slice(&buffer);
    return look(f, call,
                table_unique_partition(call->context->store, call->table, index, call->key));
}

enum status table_find_unique_newest(struct fiber *f, const struct table_context *context,
                                     const struct table *table, const struct index *index,
                                     const struct value *key, bool *found_out,
                                     struct row_address *address_out) {
    struct unique_call call = {
        .context = context, .table = table, .index = index, .key = key, .newest = true};
    TRY(get_unique(f, &call));
    *found_out = call.found;
    *address_out = call.address;
    return STATUS_OK;
}

enum status table_get_unique(struct fiber *f, const struct table_context *context,
                             const struct table *table, const struct index *index,
                             const struct value *key, const int16_t *column_numbers, size_t count,
                             bool *found_out, struct row_address *address_out,
                             struct value *values) {
    struct unique_call call = {
        .context = context,
        .table = table,
        .index = index,
        .key = key,
        .column_numbers = column_numbers,
        .count = count,
        .values = values,
    };
    *found_out = false;
    TRY(get_unique(f, &call));
    *found_out = call.found;
    if (call.found && address_out != NULL)
        *address_out = call.address;
    return STATUS_OK;
}

/* ---- counting ------------------------------------------------------------------------- */

struct count_call {
    const struct table *table;
    struct tree_id tree;
    uint64_t count, cold, changes;
};

static enum status count_here(struct fiber *f, struct partition *partition, void *argument) {
    struct count_call *call = argument;
    TRY(partition_tree_count(f, partition, call->tree, &call->count));
    TRY(partition_tree_changes(f, partition, call->tree, &call->changes));
    if (!call->table->is_system)
        TRY(block__count_rows(f, partition, call->table, &call->cold));
    call->count += call->cold;
    return STATUS_OK;
}

enum status table_count_estimate(struct fiber *f, const struct table_context *context,
                                 const struct table *table, struct table_counts *counts_out) {
    *counts_out = (struct table_counts){0};
    if (table->kind != RELATION_TABLE)
        return STATUS_OK;
    struct count_call calls[PARTITIONS_MAX];
    void *arguments[PARTITIONS_MAX];
    uint64_t partitions = table_partitions(context->store, table);
    unsigned count = store_partition_count(context->store);
    for (unsigned i = 0; i < count; i++) {
        calls[i] = (struct count_call){.table = table, .tree = table->row_tree};
        arguments[i] = &calls[i];
    }
    TRY(partition_call_all(f, context->store, partitions, count_here, arguments));
    for (unsigned i = 0; i < count; i++) {
        counts_out->rows += calls[i].count;
        counts_out->cold += calls[i].cold;
        counts_out->changes += calls[i].changes;
    }
    return STATUS_OK;
}

static enum status size_here(struct fiber *f, struct partition *partition, void *argument) {
    struct count_call *call = argument;
    uint64_t blocks;
    struct tree_id beside = {call->tree.value | TREE_LARGE}; /* of a row tree: its blocks */
    TRY(partition_tree_size(f, partition, call->tree, &call->count));
    TRY(partition_tree_size(f, partition, beside, &blocks));
    call->count += blocks;
    return STATUS_OK;
}

enum status table_tree_size(struct fiber *f, struct store *store, struct tree_id tree,
                            uint64_t *bytes_out) {
    *bytes_out = 0;
    for (unsigned i = 0; i < store_partition_count(store); i++) {
        struct count_call call = {.tree = tree};
        TRY(partition_call(f, store, i, size_here, &call));
        *bytes_out += call.count;
    }
    return STATUS_OK;
}
