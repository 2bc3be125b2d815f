/*
 * Inserting a batch: rows are sorted by partition, each partition is called once and takes row ids
 * for its rows at once; keys and rows are encoded straight from the vectors into buffers that are
 * used again. Each index takes all its entries together, so that rising keys cost one look for
 * duplicates. Entries of indexes that are not local follow row by row.
 */
#include "table/bulk.h"
#include "table/rows.h"

#include <stdatomic.h>

/* Rows for one partition from which on their unique keys are claimed (txn_lock_keys). */
enum { CLAIM_ROWS_MIN = 32 };

struct batch_call {
    const struct table_context *context;
    const struct table *table;
    const struct batch *batch;
    const uint16_t *rows; /* of the vectors */
    uint32_t row_count;
    bool alone, building;
    struct table_bulk *bulk;
    struct row_id first_id;
};

/* ---- one row on its partition --------------------------------------------------------- */

/* The row's values boxed, when something is unusual. */
static struct value *boxed_row(const struct batch_call *call, uint32_t row, struct arena *arena) {
    struct value *values;
    if (arena__array(arena, call->table->column_count, sizeof *values, &values) != STATUS_OK)
        return NULL;
    for (unsigned i = 0; i < call->table->column_count; i++)
        values[i] = vector_get(&call->batch->vectors[i], row);
    return values;
}

static enum status claim_failed(const struct batch_call *call, const struct index *index,
                                uint32_t row, struct arena *arena) {
    const struct value *values = boxed_row(call, row, arena);
    if (values == NULL)
        return STATUS_OUT_OF_MEMORY;
    enum status status = unique__violation(call->table, index, values, call->building);
    error_batch_row(row);
    return status;
}

/* Keys of one local index, for all rows of the call. */
struct key_list {
    struct index_key *keys; /* row_count; in writer->keys */
    bool rising;            /* none null, each larger than the one before */
};

static struct slice key_bytes(const struct row_writer *writer, const struct index_key *key) {
    return slice_of(writer->keys.data + key->offset, key->size);
}

static enum status encode_keys(struct batch_call *call, struct row_writer *writer,
                               const struct index *index, struct key_list *list) {
    buffer_clear(&writer->keys);
    list->rising = true;
    for (uint32_t i = 0; i < call->row_count; i++) {
        struct index_key *key = &list->keys[i];
        TRY(index__key_of_batch(index, call->batch, call->rows[i], &writer->keys, key));
        if (key->has_null || (i > 0 && slice_compare(key_bytes(writer, &list->keys[i - 1]),
                                                     key_bytes(writer, key)) >= 0))
            list->rising = false;
    }
    return STATUS_OK;
}

static enum status lock_keys(struct fiber *f, struct batch_call *call, struct row_writer *writer,
                             const struct index *index, const struct key_list *list) {
    if (call->alone)
        return STATUS_OK;
    if (call->row_count >= CLAIM_ROWS_MIN) {
        struct slice *keys;
        uint32_t count = 0;
        TRY(arena__array(&writer->arena, call->row_count, sizeof *keys, &keys));
        for (uint32_t i = 0; i < call->row_count; i++)
            if (!list->keys[i].has_null)
                keys[count++] = key_bytes(writer, &list->keys[i]);
        return txn_lock_keys(f, writer->transaction, writer->partition, index->tree, keys, count);
    }
    for (uint32_t i = 0; i < call->row_count; i++) {
        bool locked;
        if (!list->keys[i].has_null)
            TRY(txn_lock_key(f, writer->transaction, writer->partition, index->tree,
                             key_bytes(writer, &list->keys[i]), KEY_LOCK_EXCLUSIVE, LOCK_WAIT,
                             &locked, NULL));
    }
    return STATUS_OK;
}

/* Is there any entry between the first and the last key? Rows that arrive in the order of their
   key, behind all others, need only this one look. */
static enum status range_is_free(struct fiber *f, struct batch_call *call,
                                 struct row_writer *writer, const struct index *index,
                                 const struct key_list *list, bool *free_out) {
    struct txn_range range = {
        .lower = key_bytes(writer, &list->keys[0]),
        .upper = key_bytes(writer, &list->keys[call->row_count - 1]),
        .upper_inclusive = true,
        .newest = true,
    };
    struct txn_cursor *cursor;
    TRY(txn_cursor_open(f, writer->transaction, writer->partition, index->tree, &range, &cursor));
    struct txn_entry entry;
    size_t count;
    enum status status = txn_cursor_next(f, cursor, &entry, 1, &count);
    txn_cursor_close(f, cursor);
    *free_out = status == STATUS_OK && count == 0;
    return status;
}

static enum status put_entry(struct fiber *f, struct row_writer *writer, const struct index *index,
                             const struct index_key *key, struct row_id row_id) {
    uint8_t value[INDEX_VALUE_SIZE_MAX];
    size_t size = index_value_encode(index, 0, row_id, value);
    return txn_put(f, writer->transaction, writer->partition, index->tree,
                   index__entry_key(index, key, 0, row_id, &writer->keys), slice_of(value, size),
                   TXN_PUT_CHECKED_BY_READER);
}

/* All entries of one index: first every key is locked, then looked for, then put. */
static enum status put_entries(struct fiber *f, struct batch_call *call, struct row_writer *writer,
                               const struct index *index, struct key_list *list) {
    TRY(encode_keys(call, writer, index, list));
    bool all_free = !index->unique;
    if (index->unique) {
        TRY(lock_keys(f, call, writer, index, list));
        if (list->rising)
            TRY(range_is_free(f, call, writer, index, list, &all_free));
    }
    for (uint32_t i = 0; i < call->row_count; i++) {
        const struct index_key *key = &list->keys[i];
        bool taken = false;
        struct slice value;
        if (!all_free && !key->has_null)
            TRY(txn_get_newest(f, writer->transaction, writer->partition, index->tree,
                               key_bytes(writer, key), NULL, &taken, &value));
        if (taken)
            return claim_failed(call, index, call->rows[i], &writer->scratch);
        TRY(put_entry(f, writer, index, key, (struct row_id){call->first_id.value + i}));
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

static enum status put_row(struct fiber *f, struct batch_call *call, struct row_writer *writer,
                           uint32_t row, struct row_id row_id) {
    const struct table *table = call->table;
    buffer_clear(&writer->row);
    TRY(row_encode_batch(&table->row_schema, call->batch, row, NULL, &writer->row));
    TRY(buffer_status(&writer->row));
    if (__builtin_expect(writer->row.size > ROW_INLINE_SIZE_MAX, 0)) {
        struct arena arena = {0};
        const struct value *values = boxed_row(call, row, &arena);
        enum status status = values == NULL
                                 ? STATUS_OUT_OF_MEMORY
                                 : row_writer_put(f, writer, row_id, values, NULL, SLICE_EMPTY);
        arena_release(&arena);
        return status;
    }
    struct slice bytes = buffer_slice(&writer->row);
    return row_writer_put_bytes(f, writer, row_id, &bytes);
}

static enum status insert_with(struct fiber *f, struct batch_call *call,
                               struct row_writer *writer) {
    const struct table *table = call->table;
    struct key_list list;
    TRY(arena__array(&writer->arena, call->row_count, sizeof *list.keys, &list.keys));
    bool to_block =
        call->bulk != NULL && bulk__takes(table, call->batch, call->rows, call->row_count);
    if (to_block)
        TRY(bulk__take_ids(f, call->bulk, writer->partition, call->row_count, &call->first_id));
    else
        TRY(partition_row_ids(f, writer->partition, table->row_tree, call->row_count,
                              &call->first_id));
    for (unsigned i = 0; i < table->index_count; i++) {
        if (table->indexes[i]->local)
            TRY(put_entries(f, call, writer, table->indexes[i], &list));
    }
    txn_lock_keys_written(writer->transaction, writer->partition);
    if (to_block)
        return bulk__add(call->bulk, writer->partition, call->batch, call->rows, call->row_count,
                         call->first_id);
    for (uint32_t i = 0; i < call->row_count; i++) {
        TRY(put_row(f, call, writer, call->rows[i], (struct row_id){call->first_id.value + i}));
        TRY(fiber_check(f));
    }
    return row_writer_count_new(f, writer, call->first_id);
}

static enum status insert_here(struct fiber *f, struct partition *partition, void *argument) {
    struct batch_call *call = argument;
    struct row_writer writer;
    enum status status =
        row_writer_init(&writer, call->context->transaction, call->table, partition);
    writer.alone = call->alone;
    if (status == STATUS_OK)
        status = insert_with(f, call, &writer);
    row_writer_release(&writer);
    return status;
}

/* ---- the batch ------------------------------------------------------------------------ */

static enum status check_not_null(const struct table *table, const struct batch *batch,
                                  struct arena *arena) {
    for (unsigned c = 0; c < table->column_count; c++) {
        const struct vector *vector = &batch->vectors[c];
        if (!table->columns[c].not_null || table->columns[c].dropped || vector->validity == NULL)
            continue;
        for (uint32_t i = 0; i < batch->selected_count; i++) {
            uint32_t row = batch_row(batch, i);
            if (!vector_is_null(vector, row))
                continue;
            struct batch_call call = {.table = table, .batch = batch};
            const struct value *values = boxed_row(&call, row, arena);
            return values == NULL ? STATUS_OUT_OF_MEMORY
                                  : row__not_null_violation(table, c, values);
        }
    }
    return STATUS_OK;
}

/* Where batches of tables without a partition column go: to one partition after the other. */
static _Atomic uint32_t round_robin;

/* partitions[i]: of selected row i. */
static void place_rows(const struct table_context *context, const struct table *table,
                       const struct batch *batch, uint16_t *partitions) {
    unsigned count = store_partition_count(context->store);
    uint32_t rows = batch->selected_count;
    if (table->on_catalog_partition || table->partition_column == 0) {
        uint16_t partition = PARTITION_CATALOG;
        if (!table->on_catalog_partition)
            partition =
                (uint16_t)(atomic_fetch_add_explicit(&round_robin, 1, memory_order_relaxed) %
                           count);
        for (uint32_t i = 0; i < rows; i++)
            partitions[i] = partition;
        return;
    }
    uint64_t hashes[VECTOR_SIZE];
    const struct vector *vector = &batch->vectors[table->partition_column - 1];
    vector_hash(vector, batch->selection, rows, false, hashes);
    for (uint32_t i = 0; i < rows; i++)
        partitions[i] = (uint16_t)(hashes[i] % count);
    if (vector->validity == NULL)
        return;
    for (uint32_t i = 0; i < rows; i++) {
        if (vector_is_null(vector, batch_row(batch, i)))
            partitions[i] = 0;
    }
}

struct batch_plan {
    uint16_t partitions[VECTOR_SIZE]; /* of selected row i */
    uint16_t rows[VECTOR_SIZE];       /* rows of the vectors, by partition */
    uint16_t order[VECTOR_SIZE];      /* rows[k] is selected row order[k] */
    struct batch_call calls[PARTITIONS_MAX];
    void *arguments[PARTITIONS_MAX];
};

/* Counting sort by partition. Returns the set of partitions that get rows. */
static uint64_t plan_calls(struct batch_plan *plan, const struct batch_call *call,
                           unsigned partition_count) {
    uint32_t start[PARTITIONS_MAX + 1] = {0}, rows = call->batch->selected_count;
    for (uint32_t i = 0; i < rows; i++)
        start[plan->partitions[i] + 1]++;
    uint64_t set = 0;
    for (unsigned p = 0; p < partition_count; p++) {
        start[p + 1] += start[p];
        plan->calls[p] = *call;
        plan->calls[p].rows = plan->rows + start[p];
        plan->calls[p].row_count = start[p + 1] - start[p];
        plan->arguments[p] = &plan->calls[p];
        if (plan->calls[p].row_count > 0)
            set |= 1ull << (p % 64);
    }
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t at = start[plan->partitions[i]]++;
        plan->rows[at] = (uint16_t)batch_row(call->batch, i);
        plan->order[at] = (uint16_t)i;
    }
    return set;
}

/* Indexes that are not local, row by row; fills `addresses` by selected row on the way. */
static enum status finish_rows(struct fiber *f, const struct batch_call *call,
                               struct batch_plan *plan, unsigned partition_count,
                               struct arena *arena, int64_t *addresses) {
    const struct table *table = call->table;
    bool has_global = false;
    for (unsigned i = 0; i < table->index_count; i++)
        has_global |= !table->indexes[i]->local;
    if (!has_global && addresses == NULL)
        return STATUS_OK;
    uint32_t k = 0;
    for (unsigned p = 0; p < partition_count; p++) {
        for (uint32_t i = 0; i < plan->calls[p].row_count; i++, k++) {
            struct row_address address = {(uint16_t)p, {plan->calls[p].first_id.value + i}};
            if (addresses != NULL)
                addresses[plan->order[k]] = row_address_pack(address);
            if (!has_global)
                continue;
            arena_reset(arena);
            const struct value *row = boxed_row(call, plan->rows[k], arena);
            if (row == NULL)
                return STATUS_OUT_OF_MEMORY;
            for (unsigned x = 0; x < table->index_count; x++) {
                if (table->indexes[x]->local)
                    continue;
                struct index_change change = {
                    .transaction = call->context->transaction,
                    .table = table,
                    .index = table->indexes[x],
                    .row = row,
                    .address = address,
                    .alone = call->alone,
                    .building = call->building,
                };
                enum status status = index__change(f, call->context->store, &change);
                if (status == STATUS_UNIQUE_VIOLATION)
                    error_batch_row(plan->rows[k]);
                TRY(status);
            }
        }
    }
    return STATUS_OK;
}

/* Trees that the published schema does not know are of a table that this transaction has made or
   emptied: nobody else can be there. */
static bool is_own(const struct table_context *context, const struct table *table) {
    struct schema *published = catalog_schema(context->catalog);
    const struct table *known = schema_table_by_oid(published, table->oid);
    bool own =
        !table->is_system && (known == NULL || known->row_tree.value != table->row_tree.value);
    schema_release(published);
    return own;
}

enum status table__insert_batch(struct fiber *f, const struct table_context *context,
                                const struct table *table, const struct batch *batch,
                                const struct insert_options *options) {
    ASSERT(batch->column_count >= table->column_count);
    struct arena arena = {0};
    struct batch_plan *plan = arena_alloc(&arena, sizeof *plan);
    struct batch_call call = {
        .context = context,
        .table = table,
        .batch = batch,
        .alone = options->alone || (options->bulk != NULL && is_own(context, table)),
        .building = options->building,
        .bulk = options->bulk,
    };
    unsigned count = store_partition_count(context->store);
    enum status status = plan == NULL ? error_set(STATUS_OUT_OF_MEMORY, "out of memory")
                                      : check_not_null(table, batch, &arena);
    if (status == STATUS_OK && batch->selected_count > 0) {
        place_rows(context, table, batch, plan->partitions);
        uint64_t set = plan_calls(plan, &call, count);
        status = partition_call_all(f, context->store, set, insert_here, plan->arguments);
    }
    struct arena rows = {0};
    if (status == STATUS_OK && batch->selected_count > 0)
        status = finish_rows(f, &call, plan, count, &rows, options->addresses);
    arena_release(&rows);
    arena_release(&arena);
    return status;
}

enum status table_insert_batch(struct fiber *f, const struct table_context *context,
                               const struct table *table, const struct batch *batch,
                               int64_t *addresses_out) {
    struct insert_options options = {.addresses = addresses_out, .alone = is_own(context, table)};
    return table__insert_batch(f, context, table, batch, &options);
}
