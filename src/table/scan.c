/*
 * Scans: rows of one partition in batches, by row id or through an index.
 *
 * By row id, hot rows are decoded column by column straight out of the tree's pages, a few hundred
 * at a time, until the batch is full; blocks give whole vectors (scan.h says in which order). The
 * first batch is handed out after the first portion, so that a scan that is wanted for one row does
 * not read thousands.
 */
#include "table/scan.h"

#include "base/base_chance.h"
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

enum status scan__open_hot(struct fiber *f, struct table_scan *scan, uint64_t first, uint64_t end) {
    uint8_t lower[ROW_KEY_SIZE], upper[ROW_KEY_SIZE];
    struct txn_range range = {.key_stride = ROW_KEY_SIZE};
    if (first > 0) {
        put_be64(lower, first);
        range.lower = slice_of(lower, sizeof lower);
    }
    if (end != UINT64_MAX) {
        put_be64(upper, end);
        range.upper = slice_of(upper, sizeof upper);
    }
    if (scan->cursor != NULL)
        return txn_cursor_restart(f, scan->cursor, &range);
    return txn_cursor_open(f, scan->context.transaction, scan->partition, scan->table->row_tree,
                           &range, &scan->cursor);
}

/* The block's range, whose hot rows come first. */
static enum status enter_over(struct fiber *f, struct table_scan *scan) {
    uint64_t range = scan->blocks.range;
    scan->phase = SCAN_OVER;
    scan->generation = scan->blocks.header.generation;
    scan__range_begin(scan);
    if (scan->by_range)
        return STATUS_OK;
    return scan__open_hot(f, scan, block_first_row(range), block_first_row(range + 1));
}

/* After next_range was set and the block to come opened: hot rows before it, or over it. */
static enum status enter_between(struct fiber *f, struct table_scan *scan) {
    const struct block_scan *blocks = &scan->blocks;
    uint64_t end = blocks->open ? blocks->range : scan->end_range;
    if (blocks->open && end == scan->next_range)
        return enter_over(f, scan);
    scan->phase = SCAN_BETWEEN;
    return scan__open_hot(f, scan, block_first_row(scan->next_range),
                          end == UINT64_MAX ? end : block_first_row(end));
}

static enum status open_cursor(struct fiber *f, struct table_scan *scan,
                               const struct table_scan_options *options) {
    if (scan->index == NULL) {
        scan->has_blocks = !scan->table->is_system;
        if (scan->has_blocks) {
            TRY(block_scan_open(f, &scan->blocks, scan->next_range, scan->end_range));
            TRY(block_scan_next(f, &scan->blocks));
        }
        return enter_between(f, scan);
    }
    struct txn_range range = {.backward = options->backward};
    TRY(scan__index_range(scan->index, options, &scan->arena, &range));
    return txn_cursor_open(f, scan->context.transaction, scan->partition, scan->index->tree, &range,
                           &scan->cursor);
}

/* Position of a column among those that are read from blocks; the tests' come behind the others. */
static uint32_t block_column_of(struct block_scan *blocks, int16_t number) {
    uint32_t at = 0;
    while (at < blocks->column_count && blocks->columns[at].number != number)
        at++;
    if (at == blocks->column_count)
        blocks->columns[blocks->column_count++].number = number;
    return at;
}

/* Position of an output column among the decoded ones. */
static uint32_t decoded_place(const struct table_scan *scan, uint32_t column) {
    uint32_t place = 0;
    ASSERT(column < scan->column_count && scan->column_numbers[column] > 0);
    for (uint32_t i = 0; i < column; i++)
        place += scan->column_numbers[i] > 0;
    return place;
}

static enum status for_tests_prepare(struct table_scan *scan,
                                     const struct table_scan_options *options) {
    bool *for_tests;
    if (options->for_tests == NULL)
        return STATUS_OK;
    TRY(arena__array(&scan->arena, scan->decoded_count, sizeof *for_tests, &for_tests));
    for (uint32_t i = 0; i < scan->column_count; i++)
        if (scan->column_numbers[i] > 0)
            for_tests[decoded_place(scan, i)] = options->for_tests[i];
    scan->blocks.for_tests = for_tests;
    return STATUS_OK;
}

static enum status filters_prepare(struct table_scan *scan,
                                   const struct table_scan_options *options) {
    struct block_scan *blocks = &scan->blocks;
    TRY(arena__array(&scan->arena, options->filter_count, sizeof *blocks->filters,
                     &blocks->filters));
    for (size_t i = 0; i < options->filter_count; i++)
        blocks->filters[blocks->filter_count++] =
            (struct block_scan_filter){.column = decoded_place(scan, options->filters[i].column),
                                       .filter = &options->filters[i]};
    return STATUS_OK;
}

static enum status blocks_prepare(struct table_scan *scan,
                                  const struct table_scan_options *options) {
    struct block_scan *blocks = &scan->blocks;
    blocks->transaction = scan->context.transaction;
    blocks->partition = scan->partition;
    blocks->table = scan->table;
    blocks->habit = options->habit;
    blocks->ahead_end = options->goes_on ? UINT64_MAX : scan->end_range;
    size_t test_count = options->test_count + 1, count = scan->decoded_count + test_count;
    TRY(arena__array(&scan->arena, count, sizeof *blocks->columns, &blocks->columns));
    TRY(arena__array(&scan->arena, test_count, sizeof *blocks->tests, &blocks->tests));
    TRY(arena__room(&scan->arena, VECTOR_SIZE, sizeof *scan->selection, &scan->selection));
    if (scan->address.data != NULL)
        TRY(arena__room(&scan->arena, VECTOR_SIZE, sizeof *scan->row_ids, &scan->row_ids));
    for (uint32_t i = 0; i < scan->decoded_count; i++)
        blocks->columns[blocks->column_count++].number = (int16_t)(scan->decoded_columns[i] + 1);
    if (options->threshold != NULL) /* first: little passes it when it is known */
        blocks->tests[blocks->test_count++] = (struct block_scan_test){
            .column = block_column_of(blocks, options->threshold->column_number),
            .threshold = options->threshold};
    for (size_t i = 0; i < options->test_count; i++) {
        const struct table_scan_test *test = &options->tests[i];
        struct type type = scan->table->columns[test->column_number - 1].type;
        if (!column_filter_supports(type, test->test.operator)) {
            blocks->leaves_tests = true;
            continue;
        }
        blocks->tests[blocks->test_count++] = (struct block_scan_test){
            .column = block_column_of(blocks, test->column_number), .test = test->test};
    }
    TRY(for_tests_prepare(scan, options));
    return filters_prepare(scan, options);
}

static enum status prepare(struct fiber *f, struct table_scan *scan,
                           const struct table_scan_options *options) {
    struct arena *arena = &scan->arena;
    TRY(columns_prepare(scan, options));
    TRY(arena__room(arena, SCAN_ROWS_MAX, sizeof(struct txn_entry), &scan->entries));
    TRY(arena__room(arena, SCAN_ROWS_MAX, sizeof(struct slice), &scan->row_bytes));
    TRY(arena__room(arena, SCAN_ROWS_MAX, sizeof(struct row_address), &scan->addresses));
    scan->portion = options->first_rows > 0 ? options->first_rows : SCAN_INDEX_FIRST;
    if (scan->index == NULL) {
        TRY(blocks_prepare(scan, options));
        TRY(scan__hot_tests_prepare(scan, options));
        TRY(scan__leaf_prepare(scan));
    }
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
    scan->blocks_apart = options->blocks_apart;
    scan->next_range = options->first_range;
    scan->end_range = options->end_range != 0 ? options->end_range : UINT64_MAX;
    enum status status = prepare(f, scan, options);
    if (status != STATUS_OK) {
        table_scan_close(f, scan);
        return status;
    }
    *scan_out = scan;
    return STATUS_OK;
}

enum status scan__open_range(struct fiber *f, const struct table_context *context,
                             const struct table *table, struct partition *partition,
                             const struct table_scan_options *options, uint64_t range,
                             struct table_scan **scan_out) {
    struct table_scan_options of_range = *options;
    of_range.first_range = range;
    of_range.end_range = range + 1;
    TRY(table_scan_open(f, context, table, partition, &of_range, scan_out));
    (*scan_out)->skip_long = true;
    return STATUS_OK;
}

struct ranges_call {
    const struct table *table;
    uint32_t *ranges;
};

static enum status ranges_here(struct fiber *f, struct partition *partition, void *argument) {
    const struct ranges_call *call = argument;
    struct row_id limit;
    TRY(partition_row_limit(f, partition, call->table->row_tree, &limit));
    call->ranges[partition_number(partition)] = (uint32_t)block_range(limit) + 1;
    return STATUS_OK;
}

enum status table_scan_ranges(struct fiber *f, const struct table_context *context,
                              const struct table *table, uint32_t ranges[PARTITIONS_MAX]) {
    struct ranges_call call = {table, ranges};
    void *arguments[PARTITIONS_MAX];
    for (unsigned i = 0; i < PARTITIONS_MAX; i++) {
        arguments[i] = &call;
        ranges[i] = 0;
    }
    return partition_call_all(f, context->store, table_partitions(context->store, table),
                              ranges_here, arguments);
}

void table_scan_close(struct fiber *f, struct table_scan *scan) {
    if (scan == NULL)
        return;
    if (scan->cursor != NULL)
        txn_cursor_close(f, scan->cursor);
    if (scan->has_blocks)
        block_scan_close(f, &scan->blocks);
    memory_free(scan->long_rows);
    buffer_release(&scan->keys);
    if (scan->builder != NULL)
        arena_release(&scan->builder->scratch);
    arena_release(&scan->rows);
    arena_release(&scan->arena);
    memory_free(scan);
}

void table_scan_figures(const struct table_scan *scan, struct table_scan_figures *figures_out) {
    *figures_out = (struct table_scan_figures){
        .blocks = scan->blocks.blocks_read,
        .blocks_skipped = block_scan_skipped(&scan->blocks),
        .block_bytes = scan->blocks.bytes_read,
        .chunks_ahead = scan->blocks.chunks_ahead,
        .hot_rows = scan->fresh_count,
    };
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
                                  struct row_address address, struct slice pointer) {
    struct row_place place = {scan->table, scan->partition, address.row, ROW_AT_SNAPSHOT};
    TRY(row__bring_in(f, scan->context.transaction, &place, pointer, &scan->rows,
                      &scan->row_bytes[0]));
    scan->addresses[0] = address;
    return scan__decode(f, scan, 1, false);
}

/* Are values of the row outside? */
static enum status is_long(const struct table_scan *scan, struct slice row, bool *long_out) {
    struct row_external external;
    uint32_t count = 0;
    *long_out = row_outside_size(row) != 0;
    if (!*long_out)
        TRY(row_externals(&scan->table->row_schema, row, &external, 1, &count));
    *long_out |= count > 0;
    return STATUS_OK;
}

static enum status long_row_note(struct table_scan *scan, struct row_id row) {
    if (!memory_grow(&scan->long_rows, &scan->long_capacity, scan->long_count + 1,
                     sizeof *scan->long_rows))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    scan->long_rows[scan->long_count++] = row;
    return STATUS_OK;
}

/* From the entries to the rows that count, into row_bytes and addresses. */
static enum status entries_sift(struct table_scan *scan, size_t *count, bool *has_outside_out) {
    uint16_t partition = (uint16_t)partition_number(scan->partition);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        struct row_id row = row_key_decode(scan->entries[i].key);
        struct row_stored stored;
        TRY(row__stored(scan->table, scan->entries[i].value, &stored));
        if (scan->phase == SCAN_OVER) {
            if (stored.generation < scan->blocks.header.generation)
                continue; /* a leftover: the block has it, or has it no more */
            uint16_t place = (uint16_t)block_place(row);
            block_scan_hide(&scan->blocks, &place, 1);
        }
        scan->fresh_count++;
        bool skip = stored.deleted;
        if (scan->skip_long && !skip) {
            TRY(is_long(scan, stored.row, &skip));
            if (skip)
                TRY(long_row_note(scan, row));
        }
        if (skip)
            continue;
        *has_outside_out |= row_outside_size(stored.row) != 0;
        scan->row_bytes[kept] = stored.row;
        scan->addresses[kept++] = (struct row_address){partition, row};
    }
    *count = kept;
    return STATUS_OK;
}

void scan__note_reads(struct table_scan *scan) {
    if (scan->read_count > 0 && !scan->skip_long)
        partition_note_reads(scan->partition, scan->table->row_tree, scan->read_range,
                             scan->read_count);
    scan->read_count = 0;
}

static enum status hot_rows_end(struct fiber *f, struct table_scan *scan) {
    scan__note_reads(scan);
    if (scan->phase == SCAN_OVER) {
        TRY(scan__range_keep(f, scan));
        scan->phase = SCAN_BLOCK;
        return STATUS_OK;
    }
    if (scan->blocks.open)
        return enter_over(f, scan);
    scan->ended = true;
    return STATUS_OK;
}

/* One portion from the columns beside the range, or on with the cursor. */
static enum status range_portion(struct fiber *f, struct table_scan *scan, size_t count_max) {
    bool done;
    TRY(scan__range_portion(scan, count_max, &done));
    if (done)
        return scan->range_place == BLOCK_ROWS_MAX ? hot_rows_end(f, scan) : STATUS_OK;
    scan->by_range = false;
    uint64_t range = scan->blocks.range;
    return scan__open_hot(f, scan, block_first_row(range) + scan->range_place,
                          block_first_row(range + 1));
}

/* One portion from the cursor. Runs of ordinary rows are decoded at once; an outside row ends a
   run. Its pointer and all that follows must be copied first, for reading it suspends. */
static enum status row_portion(struct fiber *f, struct table_scan *scan, size_t count_max) {
    size_t count;
    struct txn_leaf leaf;
    scan__hot_threshold_look(scan);
    if (scan->phase == SCAN_OVER && scan->by_range)
        return range_portion(f, scan, count_max);
    if (count_max > SCAN_ROWS_MAX)
        count_max = SCAN_ROWS_MAX;
    TRY(txn_cursor_next_run(f, scan->cursor, scan->entries, count_max, &leaf, &count));
    if (count == 0)
        return hot_rows_end(f, scan);
    scan->leaves_seen++;
    scan->over_rows += (uint32_t)count;
    if (leaf.page != NULL) {
        bool done;
        TRY(scan__leaf_portion(scan, &leaf, &done));
        if (done)
            return STATUS_OK;
        TRY(txn_leaf_entries(&leaf, scan->entries));
    }
    bool has_outside = false;
    uint64_t first_row = row_key_decode(scan->entries[0].key).value, fresh = scan->fresh_count;
    TRY(entries_sift(scan, &count, &has_outside));
    scan__reads(scan, first_row, scan->fresh_count - fresh);
    if (count > 0 && !has_outside)
        TRY(scan__hot_tests_run(scan, &count));
    if (count == 0)
        return STATUS_OK;
    if (!has_outside)
        return scan__decode(f, scan, (uint32_t)count, true);

    scan->hot_tested = false;
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

/* The next rows of the block as a batch, none at its end. */
static enum status block_rows(struct fiber *f, struct table_scan *scan) {
    struct block_rows rows = {.vectors = scan->decoded,
                              .vector_count = scan->decoded_count,
                              .selection = scan->selection};
    TRY(block_scan_rows(f, &scan->blocks, &scan->rows, &rows));
    if (rows.count == 0)
        return STATUS_OK;
    scan->batch.row_count = rows.count;
    scan->cold = true;
    scan->selects = !rows.all;
    scan->selected_count = rows.selected;
    if (scan->address.data == NULL)
        return STATUS_OK;
    uint16_t partition = (uint16_t)partition_number(scan->partition);
    int64_t *packed = scan->address.data;
    block_scan_row_ids(&scan->blocks, rows.first, rows.count, scan->row_ids);
    for (uint32_t i = 0; i < rows.count; i++)
        packed[i] = row_address_pack((struct row_address){partition, scan->row_ids[i]});
    return STATUS_OK;
}

/* At the end of the block, on to what follows. */
static enum status next_of_block(struct fiber *f, struct table_scan *scan) {
    if (!scan->blocks_apart)
        TRY(block_rows(f, scan));
    if (scan->batch.row_count > 0 || table_scan_is_in_block(scan))
        return STATUS_OK;
    scan->next_range = scan->blocks.range + 1;
    TRY(block_scan_next(f, &scan->blocks));
    return enter_between(f, scan);
}

static enum status next_by_row(struct fiber *f, struct table_scan *scan) {
    if (scan->phase == SCAN_BLOCK)
        return next_of_block(f, scan);
    do {
        size_t room = VECTOR_SIZE - scan->batch.row_count;
        if (scan->portion < SCAN_ROWS_MAX && room > SCAN_ROWS_MAX)
            room = SCAN_ROWS_MAX;
        if (by_chance("table: a scan takes one row"))
            room = 1;
        TRY(row_portion(f, scan, room));
        TRY(fiber_check(f));
        if (scan->portion < SCAN_ROWS_MAX) { /* the very first batch */
            scan->portion = SCAN_ROWS_MAX;
            break;
        }
    } while (!scan->ended && scan->phase != SCAN_BLOCK && scan->batch.row_count < VECTOR_SIZE &&
             scan->rows.size_total < (1u << 20));
    return STATUS_OK;
}

/* ---- the door ------------------------------------------------------------------------- */

static void batch_begin(struct table_scan *scan) {
    arena_reset(&scan->rows);
    scan->batch.row_count = 0;
    scan->selects = scan->cold = false;
    scan->hot_tested = scan->hot_tests_all;
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
    if (scan->selects) {
        scan->batch.selection = scan->selection;
        scan->batch.selected_count = scan->selected_count;
    }
}

/* Hot rows go through the filters as a whole batch. */
static void filter_hot(struct table_scan *scan) {
    const struct block_scan *blocks = &scan->blocks;
    uint32_t count = scan->batch.row_count;
    if (scan->index != NULL || scan->cold || blocks->filter_count == 0)
        return;
    for (uint32_t i = 0; i < blocks->filter_count && count > 0; i++)
        count = blocks->filters[i].filter->run(
            blocks->filters[i].filter->context, &scan->decoded[blocks->filters[i].column],
            i == 0 ? vector_identity : scan->selection, count, scan->selection);
    scan->selects = true;
    scan->selected_count = count;
}

bool table_scan_is_in_block(const struct table_scan *scan) {
    return scan->blocks_apart && scan->phase == SCAN_BLOCK && !scan->ended &&
           scan->blocks.position < scan->blocks.header.rows;
}

enum status table_scan_next_in_block(struct fiber *f, struct table_scan *scan,
                                     struct batch **batch_out) {
    *batch_out = NULL;
    batch_begin(scan);
    TRY(block_rows(f, scan));
    TRY(arena_status(&scan->rows));
    if (scan->batch.row_count == 0)
        return STATUS_OK;
    batch_end(scan);
    *batch_out = &scan->batch;
    return STATUS_OK;
}

bool table_scan_has_tested(const struct table_scan *scan) {
    return scan->cold ? scan->blocks.tested : scan->hot_tested;
}

enum status table_scan_next(struct fiber *f, struct table_scan *scan, struct batch **batch_out) {
    *batch_out = NULL;
    do {
        batch_begin(scan);
        while (!scan->ended && scan->batch.row_count == 0 && !table_scan_is_in_block(scan)) {
            if (scan->index != NULL)
                TRY(scan__index_next(f, scan));
            else
                TRY(next_by_row(f, scan));
        }
        TRY(arena_status(&scan->rows));
        if (scan->batch.row_count == 0)
            return STATUS_OK;
        filter_hot(scan);
    } while (scan->selects && scan->selected_count == 0);
    batch_end(scan);
    *batch_out = &scan->batch;
    return STATUS_OK;
}
