/*
 * Scans: rows of one partition in batches, by row id or through an index.
 *
 * By row id, rows are decoded column by column straight out of the tree's pages, a few hundred at
 * a time, until the batch is full. The first batch is handed out after the first portion, so that
 * a scan that is wanted for one row does not read thousands.
 */
#include "table/scan.h"

#include "base/base_memory.h"

static enum status columns_prepare(struct table_scan *scan,
                                   const struct table_scan_options *options) {
    uint32_t count = (uint32_t)options->column_count;
    struct arena *arena = &scan->arena;
    int16_t *numbers;
    TRY(arena__array(arena, count, sizeof *numbers, &numbers));
    TRY(arena__array(arena, count, sizeof(uint16_t), &scan->decoded_columns));
    TRY(arena__array(arena, count, sizeof(struct vector), &scan->decoded));
    TRY(arena__array(arena, count, sizeof(struct vector), &scan->batch.vectors));
    scan->column_count = scan->batch.column_count = count;
    scan->column_numbers = numbers;
    bool has_address = false, has_oid = false;
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = options->column_numbers[i];
        has_address |= numbers[i] == 0;
        has_oid |= numbers[i] == -1;
        if (numbers[i] <= 0)
            continue;
        ASSERT(numbers[i] <= scan->table->column_count);
        unsigned column = (unsigned)numbers[i] - 1;
        vector_init(&scan->decoded[scan->decoded_count], scan->table->columns[column].type, arena);
        scan->decoded_columns[scan->decoded_count++] = (uint16_t)column;
    }
    if (has_address)
        vector_init(&scan->address, TYPE_OF(INT8), arena);
    if (has_oid) {
        struct value oid = value_oid(scan->table->oid);
        vector_init_constant(&scan->table_oid, &oid, arena);
    }
    return STATUS_OK;
}

static enum status open_cursor(struct fiber *f, struct table_scan *scan,
                               const struct table_scan_options *options) {
    struct txn_range range = {.backward = options->backward, .key_stride = ROW_KEY_SIZE};
    struct tree_id tree = scan->table->row_tree;
    if (scan->index != NULL) {
        TRY(scan__index_range(scan->index, options, &scan->arena, &range));
        tree = scan->index->tree;
    }
    return txn_cursor_open(f, scan->context.transaction, scan->partition, tree, &range,
                           &scan->cursor);
}

static enum status prepare(struct fiber *f, struct table_scan *scan,
                           const struct table_scan_options *options) {
    struct arena *arena = &scan->arena;
    TRY(columns_prepare(scan, options));
    TRY(arena__array(arena, SCAN_ROWS_MAX, sizeof(struct txn_entry), &scan->entries));
    TRY(arena__array(arena, SCAN_ROWS_MAX, sizeof(struct slice), &scan->row_bytes));
    TRY(arena__array(arena, SCAN_ROWS_MAX, sizeof(struct row_address), &scan->addresses));
    scan->portion = SCAN_INDEX_FIRST;
    TRY(arena_status(arena));
    return open_cursor(f, scan, options);
}

enum status table_scan_open(struct fiber *f, const struct table_context *context,
                            const struct table *table, struct partition *partition,
                            const struct table_scan_options *options,
                            struct table_scan **scan_out) {
    ASSERT(table->kind == RELATION_TABLE);
    struct table_scan *scan = memory_alloc_zeroed(1, sizeof *scan);
    if (scan == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    scan->context = *context;
    scan->table = table;
    scan->partition = partition;
    scan->index = options->index;
    scan->backward = options->backward;
    enum status status = prepare(f, scan, options);
    if (status != STATUS_OK) {
        table_scan_close(f, scan);
        return status;
    }
    *scan_out = scan;
    return STATUS_OK;
}

void table_scan_close(struct fiber *f, struct table_scan *scan) {
    if (scan == NULL)
        return;
    if (scan->cursor != NULL)
        txn_cursor_close(f, scan->cursor);
    buffer_release(&scan->keys);
    arena_release(&scan->rows);
    arena_release(&scan->arena);
    memory_free(scan);
}

/* ---- decoding ------------------------------------------------------------------------- */

/* Fetch the long values that the decoder met; they are null in the vectors until then. */
static enum status fill_externals(struct fiber *f, struct table_scan *scan, uint32_t first,
                                  const struct row_external_list *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        const struct row_external_place *at = &list->places[i];
        struct row_address address = scan->addresses[at->row - first];
        ASSERT(address.partition == partition_number(scan->partition));
        struct slice bytes;
        TRY(large__get(f, scan->context.transaction, scan->partition, scan->table, at->external.id,
                       at->external.size, false, &scan->rows, &bytes));
        struct vector *vector = &scan->decoded[at->vector];
        struct value value = value_string(vector->type, bytes);
        vector_set(vector, at->row, &value, NULL);
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

enum status scan__decode(struct fiber *f, struct table_scan *scan, uint32_t count, bool copy) {
    uint32_t first = scan->batch.row_count;
    ASSERT(first + count <= VECTOR_SIZE);
    struct row_external_list externals = {0};
    struct row_decode_options options = {
        .columns = scan->decoded_columns,
        .column_count = scan->decoded_count,
        .target_row = first,
        .arena = &scan->rows,
        .copy_strings = copy,
        .externals = &externals,
    };
    if (scan->decoded_count > 0)
        TRY(row_decode_batch(&scan->table->row_schema, scan->row_bytes, count, &options,
                             scan->decoded));
    if (scan->address.data != NULL) {
        int64_t *packed = scan->address.data;
        for (uint32_t i = 0; i < count; i++)
            packed[first + i] = row_address_pack(scan->addresses[i]);
    }
    scan->batch.row_count = first + count;
    return externals.count == 0 ? STATUS_OK : fill_externals(f, scan, first, &externals);
}

/* ---- by row id ------------------------------------------------------------------------ */

/* Rows whose bytes lie outside: `outside` has their positions; bring them in after the others were
   decoded, one by one, because that suspends. */
static enum status decode_outside(struct fiber *f, struct table_scan *scan,
                                  struct row_address address, struct slice stub) {
    struct row_place place = {scan->table, scan->partition, address.row, ROW_AT_SNAPSHOT};
    TRY(row__bring_in(f, scan->context.transaction, &place, stub, &scan->rows,
                      &scan->row_bytes[0]));
    scan->addresses[0] = address;
    return scan__decode(f, scan, 1, false);
}

/* One portion from the cursor. Runs of ordinary rows are decoded at once; an outside row ends a
   run. Its stub and all that follows must be copied first, for reading it suspends. */
static enum status row_portion(struct fiber *f, struct table_scan *scan, size_t count_max) {
    size_t count;
    TRY(txn_cursor_next(f, scan->cursor, scan->entries, count_max, &count));
    if (count == 0) {
        scan->ended = true;
        return STATUS_OK;
    }
    uint16_t partition = (uint16_t)partition_number(scan->partition);
    bool has_outside = false;
    for (size_t i = 0; i < count; i++) {
        scan->row_bytes[i] = scan->entries[i].value;
        scan->addresses[i] = (struct row_address){partition, row_key_decode(scan->entries[i].key)};
        has_outside |= row_outside_size(scan->entries[i].value) != 0;
    }
    if (!has_outside)
        return scan__decode(f, scan, (uint32_t)count, true);

    struct slice *values;
    struct row_address *addresses;
    TRY(arena__array(&scan->rows, count, sizeof *values, &values));
    TRY(arena__array(&scan->rows, count, sizeof *addresses, &addresses));
    for (size_t i = 0; i < count; i++) {
        values[i] = arena_copy_slice(&scan->rows, scan->row_bytes[i]);
        addresses[i] = scan->addresses[i];
    }
    for (size_t i = 0; i < count; i++) {
        if (row_outside_size(values[i]) != 0) {
            TRY(decode_outside(f, scan, addresses[i], values[i]));
            continue;
        }
        scan->row_bytes[0] = values[i];
        scan->addresses[0] = addresses[i];
        TRY(scan__decode(f, scan, 1, false));
    }
    return STATUS_OK;
}

static enum status next_by_row(struct fiber *f, struct table_scan *scan) {
    do {
        size_t room = VECTOR_SIZE - scan->batch.row_count;
        TRY(row_portion(f, scan, room < SCAN_ROWS_MAX ? room : SCAN_ROWS_MAX));
        TRY(fiber_check(f));
        if (scan->portion < SCAN_ROWS_MAX) { /* the very first batch */
            scan->portion = SCAN_ROWS_MAX;
            break;
        }
    } while (!scan->ended && scan->batch.row_count < VECTOR_SIZE &&
             scan->rows.size_total < (1u << 20));
    return STATUS_OK;
}

/* ---- the door ------------------------------------------------------------------------- */

static void batch_begin(struct table_scan *scan) {
    arena_reset(&scan->rows);
    scan->batch.row_count = 0;
    for (uint32_t i = 0; i < scan->decoded_count; i++)
        vector_reset(&scan->decoded[i]);
}

static void batch_end(struct table_scan *scan) {
    uint32_t decoded = 0;
    for (uint32_t i = 0; i < scan->column_count; i++) {
        int16_t number = scan->column_numbers[i];
        scan->batch.vectors[i] = number > 0    ? scan->decoded[decoded++]
                                 : number == 0 ? scan->address
                                               : scan->table_oid;
    }
    batch_set_count(&scan->batch, scan->batch.row_count);
}

enum status table_scan_next(struct fiber *f, struct table_scan *scan, struct batch **batch_out) {
    *batch_out = NULL;
    batch_begin(scan);
    while (!scan->ended && scan->batch.row_count == 0) {
        if (scan->index != NULL)
            TRY(scan__index_next(f, scan));
        else
            TRY(next_by_row(f, scan));
    }
    TRY(arena_status(&scan->rows));
    if (scan->batch.row_count == 0)
        return STATUS_OK;
    batch_end(scan);
    *batch_out = &scan->batch;
    return STATUS_OK;
}
