/*
 * DDL that reads the rows of a table: filling an index, moving all rows to new trees. The caller
 * holds a lock that keeps writers out. New trees are known to this transaction alone, so keys need
 * no locks.
 */
#include "table/block_format.h"
#include "table/catalog_private.h"

/* ---- reading all rows ----------------------------------------------------------------- */

struct table_visit {
    struct ddl *ddl;
    const struct table *table;
    const int16_t *column_numbers;
    size_t column_count;
    /* *stop_out ends the scan of all partitions. */
    enum status (*visit)(struct fiber *f, struct partition *partition, struct table_visit *visit,
                         const struct batch *batch, bool *stop_out);
    void *context;
    bool stopped;
};

static enum status visit_here(struct fiber *f, struct partition *partition, void *argument) {
    struct table_visit *visit = argument;
    struct arena arena = {0};
    struct table_context context = visit->ddl->context;
    context.arena = &arena;
    struct table_scan_options options = {.column_numbers = visit->column_numbers,
                                         .column_count = visit->column_count};
    struct table_scan *scan;
    TRY(table_scan_open(f, &context, visit->table, partition, &options, &scan));
    struct batch *batch = NULL;
    enum status status;
    do {
        status = table_scan_next(f, scan, &batch);
        if (status == STATUS_OK && batch != NULL)
            status = visit->visit(f, partition, visit, batch, &visit->stopped);
    } while (status == STATUS_OK && batch != NULL && !visit->stopped);
    table_scan_close(f, scan);
    arena_release(&arena);
    return status;
}

/* One partition after the other; the newest rows, whatever snapshot the transaction is at. */
static enum status visit_all(struct fiber *f, struct table_visit *visit) {
    struct store *store = visit->ddl->context.store;
    struct transaction *transaction = visit->ddl->context.transaction;
    uint64_t partitions = table_partitions(store, visit->table);
    struct transaction_newest newest;
    TRY(transaction_newest_begin(f, transaction, &newest));
    enum status status = STATUS_OK;
    for (unsigned p = 0; p < store_partition_count(store); p++) {
        if ((partitions >> p & 1) != 0 && !visit->stopped && status == STATUS_OK)
            status = partition_call(f, store, p, visit_here, visit);
    }
    transaction_newest_end(f, transaction, &newest);
    return status;
}

static enum status visit_any(struct fiber *f, struct partition *partition,
                             struct table_visit *visit, const struct batch *batch, bool *stop_out) {
    *stop_out = true;
    return STATUS_OK;
}

enum status ddl_has_rows(struct fiber *f, struct ddl *ddl, const struct table *table,
                         bool *has_rows_out) {
    static const int16_t address_column = 0;
    struct table_visit visit = {.ddl = ddl,
                                .table = table,
                                .column_numbers = &address_column,
                                .column_count = 1,
                                .visit = visit_any};
    TRY(visit_all(f, &visit));
    *has_rows_out = visit.stopped;
    return STATUS_OK;
}

static enum status visit_null(struct fiber *f, struct partition *partition,
                              struct table_visit *visit, const struct batch *batch,
                              bool *stop_out) {
    if (batch->vectors[0].validity == NULL)
        return STATUS_OK;
    for (uint32_t i = 0; i < batch->selected_count; i++) {
        if (vector_is_null(&batch->vectors[0], batch_row(batch, i))) {
            *stop_out = true;
            break;
        }
    }
    return STATUS_OK;
}

enum status ddl_has_null(struct fiber *f, struct ddl *ddl, const struct table *table,
                         int16_t column_number, bool *has_null_out) {
    struct table_visit visit = {.ddl = ddl,
                                .table = table,
                                .column_numbers = &column_number,
                                .column_count = 1,
                                .visit = visit_null};
    TRY(visit_all(f, &visit));
    *has_null_out = visit.stopped;
    return STATUS_OK;
}

/* ---- filling an index ----------------------------------------------------------------- */

struct fill {
    const struct index *index;
    struct vector *vectors; /* by column number - 1; only those of the index are set */
    struct value *values;   /* the same, of one row */
};

static enum status fill_entry(struct fiber *f, struct partition *partition,
                              struct table_visit *visit, const struct batch *rows, uint32_t row,
                              struct row_address address, struct buffer *keys) {
    const struct index *index = ((struct fill *)visit->context)->index;
    struct transaction *transaction = visit->ddl->context.transaction;
    struct value *values = ((struct fill *)visit->context)->values;
    for (unsigned i = 0; i < index->column_count; i++) {
        unsigned column = (unsigned)index->columns[i].column_number - 1;
        values[column] = vector_get(&rows->vectors[column], row);
    }
    if (!index->local) {
        struct index_change change = {.transaction = transaction,
                                      .table = visit->table,
                                      .index = index,
                                      .row = values,
                                      .address = address,
                                      .alone = true,
                                      .building = true};
        return index__change(f, visit->ddl->context.store, &change);
    }
    struct index_key key;
    buffer_clear(keys);
    TRY(index__key(index, values, keys, &key));
    struct slice bytes = index__entry_key(index, &key, address.partition, address.row, keys);
    if (index->unique && !key.has_null) {
        bool taken;
        TRY(unique__claim(f, transaction, partition, index, bytes, true, &taken));
        if (taken)
            return unique__violation(visit->table, index, values, true);
    }
    uint8_t value[INDEX_VALUE_SIZE_MAX];
    size_t size = index_value_encode(index, address.partition, address.row, value);
    return txn_put(f, transaction, partition, index->tree, bytes, slice_of(value, size),
                   TXN_PUT_CHECKED_BY_READER);
}

static enum status visit_fill(struct fiber *f, struct partition *partition,
                              struct table_visit *visit, const struct batch *batch,
                              bool *stop_out) {
    struct fill *fill = visit->context;
    struct batch rows = {.vectors = fill->vectors, .column_count = visit->table->column_count};
    for (unsigned i = 0; i < fill->index->column_count; i++)
        fill->vectors[fill->index->columns[i].column_number - 1] = batch->vectors[i];
    const struct vector *addresses = &batch->vectors[fill->index->column_count];
    struct buffer keys = {0};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < batch->selected_count && status == STATUS_OK; i++) {
        uint32_t row = batch_row(batch, i);
        struct row_address address = row_address_unpack(((int64_t *)addresses->data)[row]);
        status = fill_entry(f, partition, visit, &rows, row, address, &keys);
        if (status == STATUS_OK)
            status = fiber_check(f);
    }
    buffer_release(&keys);
    return status;
}

enum status ddl_fill_index(struct fiber *f, struct ddl *ddl, const struct table *table,
                           const struct index *index) {
    int16_t numbers[INDEX_COLUMNS_MAX + 1];
    for (unsigned i = 0; i < index->column_count; i++)
        numbers[i] = index->columns[i].column_number;
    numbers[index->column_count] = 0;
    struct fill fill = {.index = index};
    TRY(arena__array(&ddl->arena, table->column_count, sizeof(struct vector), &fill.vectors));
    TRY(arena__array(&ddl->arena, table->column_count, sizeof(struct value), &fill.values));
    struct table_visit visit = {.ddl = ddl,
                                .table = table,
                                .column_numbers = numbers,
                                .column_count = index->column_count + 1u,
                                .visit = visit_fill,
                                .context = &fill};
    return visit_all(f, &visit);
}

/* ---- new trees for everything --------------------------------------------------------- */

struct move {
    const struct table *target;
    struct table_bulk *bulk; /* once it pays */
    uint64_t moved;          /* rows */
};

/* As any statement that inserts many rows: the first as rows, the others as blocks. */
static enum status move_rows(struct fiber *f, struct ddl *ddl, struct move *move,
                             const struct batch *rows) {
    struct insert_options options = {.alone = true, .building = true};
    if (move->bulk == NULL && table_bulk_pays(move->target, move->moved))
        TRY(table_bulk_open(f, &ddl->context, move->target, &move->bulk));
    move->moved += rows->selected_count;
    if (move->bulk != NULL)
        return table__bulk_insert(f, move->bulk, rows, options);
    return table__insert_batch(f, &ddl->context, move->target, rows, &options);
}

static enum status visit_move(struct fiber *f, struct partition *partition,
                              struct table_visit *visit, const struct batch *batch,
                              bool *stop_out) {
    struct move *move = visit->context;
    const struct table *target = move->target;
    struct arena arena = {0};
    struct batch rows = *batch;
    rows.column_count = target->column_count;
    enum status status =
        arena__array(&arena, target->column_count, sizeof(struct vector), &rows.vectors);
    unsigned at = 0;
    for (unsigned i = 0; i < target->column_count && status == STATUS_OK; i++) {
        if (target->columns[i].dropped) {
            struct value null = value_null(target->columns[i].type);
            vector_init_constant(&rows.vectors[i], &null, &arena);
        } else {
            rows.vectors[i] = batch->vectors[at++];
        }
    }
    if (status == STATUS_OK)
        status = move_rows(f, visit->ddl, move, &rows);
    arena_release(&arena);
    return status;
}

static enum status drop_trees(struct fiber *f, struct ddl *ddl, const struct table *table) {
    struct transaction *transaction = ddl->context.transaction;
    TRY(txn_tree_drop(f, transaction, table->row_tree));
    TRY(txn_tree_drop(f, transaction, block_tree(table)));
    TRY(txn_tree_drop(f, transaction, table->large_tree));
    for (unsigned i = 0; i < table->index_count; i++)
        TRY(txn_tree_drop(f, transaction, table->indexes[i]->tree));
    return STATUS_OK;
}

/* The table with new trees; rows of pg_class point at them from now on. */
static enum status clone_table(struct fiber *f, struct ddl *ddl, const struct table *table,
                               int16_t partition_column, struct index *added,
                               struct table **clone_out) {
    struct table *clone = ARENA_NEW(&ddl->arena, struct table);
    *clone = *table;
    uint32_t file;
    TRY(catalog__take_oids(f, ddl->catalog, 2, &file));
    clone->row_tree.value = file;
    clone->large_tree.value = file + 1;
    clone->partition_column = partition_column;
    TRY(catalog_class_set_file(f, ddl, table->oid, file));
    TRY(arena__array(&ddl->arena, table->index_count + 1u, sizeof(void *), &clone->indexes));
    for (unsigned i = 0; i < table->index_count; i++) {
        struct index *index = ARENA_NEW(&ddl->arena, struct index);
        *index = *table->indexes[i];
        TRY(catalog__take_oids(f, ddl->catalog, 1, &index->tree.value));
        TRY(catalog_class_set_file(f, ddl, index->oid, index->tree.value));
        index__finish(index, clone, &ddl->arena);
        clone->indexes[i] = index;
    }
    if (added != NULL) {
        index__finish(added, clone, &ddl->arena);
        clone->indexes[clone->index_count++] = added;
    }
    *clone_out = clone;
    return STATUS_OK;
}

enum status ddl_rewrite(struct fiber *f, struct ddl *ddl, const struct table *table,
                        int16_t partition_column, struct index *added) {
    struct table *clone;
    TRY(clone_table(f, ddl, table, partition_column, added, &clone));
    int16_t *numbers;
    size_t count = 0;
    TRY(arena__array(&ddl->arena, table->column_count, sizeof *numbers, &numbers));
    for (unsigned i = 0; i < table->column_count; i++) {
        if (!table->columns[i].dropped)
            numbers[count++] = (int16_t)(i + 1);
    }
    struct move move = {.target = clone};
    struct table_visit visit = {.ddl = ddl,
                                .table = table,
                                .column_numbers = numbers,
                                .column_count = count,
                                .visit = visit_move,
                                .context = &move};
    enum status status = visit_all(f, &visit);
    if (status == STATUS_OK && move.bulk != NULL)
        status = table_bulk_finish(f, move.bulk);
    table_bulk_close(move.bulk);
    TRY(status);
    return drop_trees(f, ddl, table);
}
