/*
 * Freezing a range: an ordinary transaction that reads the range at its snapshot, puts a block, and
 * sees at the end, with the range locked, what was committed in between. Nobody waits for it but,
 * for the time of its commit, who writes to the range; it waits for nobody.
 *
 *     read       hot rows that count (block_format.h), merged with what is left of the older block
 *     encode     into the transaction's write set
 *     lock       the range, against writers, in a moment when nobody holds it
 *     compare    rows changed since the snapshot stay hot: they are put again as they are now,
 *                with the new generation
 *     commit     the block's generation is one more than that of the older one
 *
 * Rows with values outside stay hot in the same way. So a range that is written to can be frozen,
 * the end of a table that grows, too, as long as there are moments without an open transaction in
 * it and not too much changes meanwhile.
 *
 * The rows that went into the block stay in the hot tree as leftovers. Once every snapshot sees the
 * block they are purged: taken out of the tree without journal or history.
 */
#include "table/freeze.h"

#include <stdlib.h>

#include "base/base_chance.h"
#include "base/base_memory.h"

enum { FREEZE_CHANGED_MAX = 1024, LOCK_ATTEMPTS = 50, LOCK_PAUSE_NS = 1000000 };

/* Hot rows read before the older block's: copies, by rising row id. */
struct hot_batch {
    struct batch batch;
    uint32_t *places;
};

struct gather {
    const struct table *table;
    struct block_builder builder;
    struct arena arena;
    struct hot_batch *hot;
    size_t hot_count, hot_capacity;
    size_t at;       /* hot rows merged so far: batch */
    uint32_t at_row; /* and row in it */
    uint32_t places[VECTOR_SIZE];
    uint16_t rows[VECTOR_SIZE];
    size_t bytes_max;
    bool too_large;
};

/* ---- gathering ------------------------------------------------------------------------------ */

static void places_fill(const struct gather *gather, const struct batch *batch, uint32_t *places) {
    const struct vector *addresses = &batch->vectors[gather->table->column_count];
    const int64_t *packed = addresses->data;
    for (uint32_t i = 0; i < batch->row_count; i++)
        places[i] = block_place(row_address_unpack(packed[i]).row);
}

/* Another batch to keep rows in. */
static enum status hot_more(struct gather *gather, const struct batch *like) {
    if (!memory_grow(&gather->hot, &gather->hot_capacity, gather->hot_count + 1,
                     sizeof *gather->hot))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    struct hot_batch *kept = &gather->hot[gather->hot_count];
    struct type *types;
    TRY(arena__array(&gather->arena, like->column_count, sizeof *types, &types));
    for (unsigned i = 0; i < like->column_count; i++)
        types[i] = like->vectors[i].type;
    TRY(arena__array(&gather->arena, VECTOR_SIZE, sizeof *kept->places, &kept->places));
    batch_init(&kept->batch, types, like->column_count, &gather->arena);
    TRY(arena_status(&gather->arena));
    gather->hot_count++;
    return STATUS_OK;
}

static enum status hot_keep(struct gather *gather, const struct batch *batch) {
    ASSERT(gather->table->column_count + 1u == batch->column_count);
    ASSERT(batch->selected_count == batch->row_count);
    uint32_t last =
        gather->hot_count > 0 ? gather->hot[gather->hot_count - 1].batch.row_count : VECTOR_SIZE;
    if (batch->selected_count > VECTOR_SIZE - last)
        TRY(hot_more(gather, batch));
    struct hot_batch *kept = &gather->hot[gather->hot_count - 1];
    places_fill(gather, batch, kept->places + kept->batch.row_count);
    batch_append(&kept->batch, batch, 0, batch->selected_count, &gather->arena);
    return arena_status(&gather->arena);
}

/* Add kept hot rows whose places are below `place`. */
static enum status hot_add_below(struct gather *gather, uint32_t place) {
    while (gather->at < gather->hot_count) {
        const struct hot_batch *kept = &gather->hot[gather->at];
        uint32_t count = 0, first = gather->at_row;
        while (first + count < kept->batch.row_count && kept->places[first + count] < place) {
            gather->rows[count] = (uint16_t)(first + count);
            count++;
        }
        if (count > 0)
            TRY(block_builder_add(&gather->builder, kept->batch.vectors, gather->rows, count,
                                  kept->places + first));
        gather->at_row += count;
        if (gather->at_row < kept->batch.row_count)
            return STATUS_OK;
        gather->at++;
        gather->at_row = 0;
    }
    return STATUS_OK;
}

static uint32_t hot_next_place(const struct gather *gather) {
    return gather->at < gather->hot_count ? gather->hot[gather->at].places[gather->at_row]
                                          : UINT32_MAX;
}

/* Rows of the older block, hot ones in between. */
static enum status cold_add(struct gather *gather, const struct batch *batch) {
    uint32_t all[VECTOR_SIZE];
    places_fill(gather, batch, all);
    for (uint32_t i = 0; i < batch->selected_count;) {
        uint32_t place = all[batch_row(batch, i)], count = 0;
        TRY(hot_add_below(gather, place));
        uint32_t end = hot_next_place(gather);
        for (; i < batch->selected_count && all[batch_row(batch, i)] < end; i++) {
            gather->rows[count] = (uint16_t)batch_row(batch, i);
            gather->places[count++] = all[batch_row(batch, i)];
        }
        TRY(block_builder_add(&gather->builder, batch->vectors, gather->rows, count,
                              gather->places));
    }
    return STATUS_OK;
}

static enum status batch_gather(struct gather *gather, const struct table_scan *scan,
                                const struct batch *batch) {
    if (scan->phase == SCAN_OVER || (scan->phase == SCAN_BLOCK && !scan->cold)) {
        TRY(hot_keep(gather, batch));
    } else if (scan->cold) {
        TRY(cold_add(gather, batch));
    } else {
        places_fill(gather, batch, gather->places);
        TRY(block_builder_add(&gather->builder, batch->vectors, NULL, batch->row_count,
                              gather->places));
    }
    gather->too_large =
        block_builder_size(&gather->builder) + gather->arena.size_total > gather->bytes_max;
    return STATUS_OK;
}

static enum status scan_gather(struct fiber *f, struct gather *gather, struct table_scan *scan) {
    struct batch *batch;
    for (;;) {
        TRY(table_scan_next(f, scan, &batch));
        if (batch == NULL || gather->too_large)
            break;
        TRY(batch_gather(gather, scan, batch));
        TRY(fiber_check(f));
    }
    return hot_add_below(gather, UINT32_MAX);
}

/* ---- the transaction ------------------------------------------------------------------------- */

/* The row as it is now, or that there is none, is newer than the new block. With the range locked
   nobody changes it. */
static enum status row_put_again(struct fiber *f, struct freeze_call *call,
                                 struct partition *partition, struct row_id row,
                                 struct arena *arena) {
    uint8_t key_bytes[ROW_KEY_SIZE], bytes[ROW_PREFIX_SIZE_MAX + ROW_OUTSIDE_LIMIT];
    struct slice stored;
    struct tree_id tree = call->table->row_tree;
    struct row_stored parts = {.deleted = true};
    bool found;
    row_key_encode(row, key_bytes);
    struct slice key = slice_of(key_bytes, sizeof key_bytes);
    TRY(txn_get_newest(f, call->transaction, partition, tree, key, arena, &found, &stored));
    if (found)
        TRY(row__stored(call->table, stored, &parts));
    size_t size = row_prefix_encode(call->generation + 1, parts.deleted, bytes);
    ASSERT(parts.row.size <= ROW_OUTSIDE_LIMIT);
    if (!parts.deleted) {
        memcpy(bytes + size, parts.row.data, parts.row.size);
        size += parts.row.size;
    }
    return txn_put(f, call->transaction, partition, tree, key, slice_of(bytes, size),
                   TXN_PUT_VERSIONED);
}

/* Put the block over its older version. */
static enum status block_put(struct fiber *f, struct freeze_call *call, struct partition *partition,
                             struct gather *gather) {
    struct arena arena = {0};
    struct txn_large large;
    struct block_header old;
    bool found;
    enum status status =
        block__header(f, call->transaction, partition, call->table, call->work->range,
                      ROW_AT_SNAPSHOT, &arena, &found, &large, &old);
    if (status == STATUS_OK) {
        ASSERT(found == (call->generation > 0));
        status = block_builder_put(f, &gather->builder, call->transaction, partition,
                                   call->work->range, call->generation + 1, found ? &old : NULL);
        if (found)
            txn_release_large(partition, &large);
    }
    arena_release(&arena);
    return status;
}

static int compare_numbers(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The long rows and the `changed` ones behind them. */
static enum status rows_put_again(struct fiber *f, struct freeze_call *call,
                                  struct partition *partition, size_t changed) {
    size_t count = call->long_count + changed;
    struct arena arena = {0};
    enum status status = STATUS_OK;
    qsort(call->stay_hot, count, sizeof *call->stay_hot, compare_numbers);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (i > 0 && call->stay_hot[i] == call->stay_hot[i - 1])
            continue;
        struct row_id row = {call->stay_hot[i]};
        status = row_put_again(f, call, partition, row, &arena);
        arena_reset(&arena);
    }
    arena_release(&arena);
    return status;
}

/* Lock the range to the end of the transaction, and keep what was changed since it was read out of
   the block. */
static enum status settle_here(struct fiber *f, struct partition *partition, void *argument) {
    struct freeze_call *call = argument;
    uint64_t first = block_first_row(call->work->range), block;
    size_t changed = 0, blocks = 0;
    bool locked;
    TRY(block__range_lock(f, call->transaction, partition, call->table, call->work->range,
                          KEY_LOCK_EXCLUSIVE, LOCK_SKIP, &locked));
    call->taken = !locked;
    if (!locked)
        return STATUS_OK;
    call->work->outcome = FREEZE_BUSY;
    TRY(txn_range_changes(f, call->transaction, partition, block_tree(call->table),
                          first + BLOCK_ROWS_MAX - 1, first + BLOCK_ROWS_MAX - 1, &block, 1,
                          &blocks));
    TRY(txn_range_changes(f, call->transaction, partition, call->table->row_tree, first,
                          first + BLOCK_ROWS_MAX - 1, call->stay_hot + call->long_count,
                          FREEZE_CHANGED_MAX, &changed));
    if (blocks > 0 || changed > FREEZE_CHANGED_MAX)
        return STATUS_OK; /* somebody else made a block, or there was too much */
    TRY(rows_put_again(f, call, partition, changed));
    call->work->made.generation = call->generation + 1;
    call->work->outcome = FREEZE_DONE;
    return STATUS_OK;
}

static enum status freeze_gathered(struct fiber *f, struct freeze_call *call,
                                   struct partition *partition, struct gather *gather,
                                   struct table_scan *scan) {
    struct freeze_work *work = call->work;
    TRY(scan_gather(f, gather, scan));
    /* Spent, even if it comes to nothing. */
    partition_forget_reads(partition, call->table->row_tree, work->range);
    call->generation = scan->generation;
    if (gather->too_large) {
        work->outcome = FREEZE_TOO_LARGE;
        return STATUS_OK;
    }
    if (scan->fresh_count == scan->long_count) {
        work->outcome = FREEZE_NOTHING;
        return STATUS_OK;
    }
    TRY(block_put(f, call, partition, gather));
    call->long_count = scan->long_count;
    call->stay_hot = memory_alloc((scan->long_count + FREEZE_CHANGED_MAX) * sizeof *call->stay_hot);
    if (call->stay_hot == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < scan->long_count; i++)
        call->stay_hot[i] = scan->long_rows[i].value;
    work->outcome = FREEZE_DONE;
    work->rows = gather->builder.rows;
    return STATUS_OK;
}

enum status freeze__scan_open(struct fiber *f, const struct freeze_call *call,
                              struct partition *partition, struct arena *arena,
                              struct table_scan **scan_out) {
    const struct table *table = call->table;
    struct table_context context = {.catalog = call->work->catalog,
                                    .store = catalog_store(call->work->catalog),
                                    .transaction = call->transaction,
                                    .arena = arena};
    int16_t *numbers;
    TRY(arena__array(arena, table->column_count + 1u, sizeof *numbers, &numbers));
    for (unsigned i = 0; i < table->column_count; i++)
        numbers[i] = (int16_t)(table->columns[i].dropped ? 0 : i + 1);
    struct table_scan_options options = {.column_numbers = numbers,
                                         .column_count = table->column_count + 1u};
    return scan__open_range(f, &context, table, partition, &options, call->work->range, scan_out);
}

static enum status freeze_here(struct fiber *f, struct partition *partition, void *argument) {
    struct freeze_call *call = argument;
    struct gather *gather = memory_alloc_zeroed(1, sizeof *gather);
    if (gather == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    gather->table = call->table;
    gather->bytes_max = block__bytes_max(catalog_store(call->work->catalog));
    struct table_scan *scan = NULL;
    enum status status = block_builder_init(&gather->builder, call->table);
    if (status == STATUS_OK)
        status = freeze__scan_open(f, call, partition, &gather->arena, &scan);
    if (status == STATUS_OK)
        status = freeze_gathered(f, call, partition, gather, scan);
    table_scan_close(f, scan);
    block_builder_release(&gather->builder);
    memory_free(gather->hot);
    arena_release(&gather->arena);
    memory_free(gather);
    return status;
}

/* ---- purging ----------------------------------------------------------------------------------
 */

/* Numbers of leftovers, from the newest versions. */
static enum status leftovers_find(struct fiber *f, struct freeze_call *call,
                                  struct partition *partition, uint64_t *numbers, size_t count_max,
                                  size_t *count_out) {
    uint8_t lower[ROW_KEY_SIZE], upper[ROW_KEY_SIZE];
    uint64_t first = block_first_row(call->work->range);
    put_be64(lower, first);
    put_be64(upper, first + BLOCK_ROWS_MAX);
    struct txn_range range = {.lower = slice_of(lower, sizeof lower),
                              .upper = slice_of(upper, sizeof upper),
                              .newest = true,
                              .key_stride = ROW_KEY_SIZE};
    struct txn_cursor *cursor;
    size_t found = 0, count = 0;
    TRY(txn_cursor_open(f, call->transaction, partition, call->table->row_tree, &range, &cursor));
    enum status status;
    do {
        struct txn_entry entries[SCAN_ROWS_MAX];
        status = txn_cursor_next(f, cursor, entries, SCAN_ROWS_MAX, &count);
        for (size_t i = 0; i < count && status == STATUS_OK && found < count_max; i++) {
            struct row_stored stored;
            status = row__stored(call->table, entries[i].value, &stored);
            if (status == STATUS_OK && stored.generation < call->generation)
                numbers[found++] = get_be64(entries[i].key.data);
        }
        if (status == STATUS_OK)
            status = fiber_check(f);
    } while (status == STATUS_OK && count > 0 && found < count_max);
    txn_cursor_close(f, cursor);
    *count_out = found;
    return status;
}

static enum status purge_locked(struct fiber *f, struct freeze_call *call,
                                struct partition *partition) {
    uint64_t *numbers = memory_alloc(PURGE_COUNT_MAX * sizeof *numbers);
    if (numbers == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    size_t count = 0, count_max = by_chance("table: few rows are purged") ? 3 : PURGE_COUNT_MAX;
    enum status status = leftovers_find(f, call, partition, numbers, count_max, &count);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = partition_purge(f, partition, call->table->row_tree, numbers[i]);
        if (status == STATUS_OK)
            status = fiber_check(f);
    }
    memory_free(numbers);
    call->work->purged = count;
    call->work->more = count == count_max;
    call->work->outcome = FREEZE_DONE;
    return status;
}

static enum status purge_here(struct fiber *f, struct partition *partition, void *argument) {
    struct freeze_call *call = argument;
    struct arena arena = {0};
    struct txn_large large;
    struct block_header header;
    bool found, locked;
    call->work->outcome = FREEZE_NOTHING;
    call->work->block_rows = 0;
    call->taken = false;
    enum status status =
        block__header(f, call->transaction, partition, call->table, call->work->range,
                      ROW_AT_SNAPSHOT, &arena, &found, &large, &header);
    if (status == STATUS_OK && found) {
        call->generation = header.generation;
        call->work->block_rows = header.rows;
        txn_release_large(partition, &large);
    }
    arena_release(&arena);
    if (status != STATUS_OK || !found)
        return status;
    call->work->outcome = FREEZE_BUSY;
    /* All snapshots in use see this block or a later one: the oldest is not older than it, or is
       our own. */
    const struct freeze_block *made = &call->work->made;
    bool known = made->commit.value > 0 && made->generation == call->generation;
    if (store_horizon(catalog_store(call->work->catalog)).value <
        (known ? made->commit.value : transaction_snapshot(call->transaction).value))
        return STATUS_OK;
    TRY(block__range_lock(f, call->transaction, partition, call->table, call->work->range,
                          KEY_LOCK_EXCLUSIVE, LOCK_SKIP, &locked));
    call->taken = !locked;
    return locked ? purge_locked(f, call, partition) : STATUS_OK;
}

/* ---- both --------------------------------------------------------------------------------------
 */

/* Is the table what it was, with nobody about to change it? *table_out is of `schema`. */
static enum status table_hold(struct fiber *f, struct freeze_call *call,
                              enum relation_lock_mode mode, struct schema **schema_out,
                              bool *held_out) {
    struct freeze_work *work = call->work;
    bool locked;
    *held_out = false;
    TRY(txn_lock_relation(f, call->transaction, work->table->oid, mode, LOCK_SKIP, &locked));
    if (!locked)
        return STATUS_OK;
    TRY(catalog_settle(f, work->catalog));
    *schema_out = catalog_schema(work->catalog);
    call->table = schema_table_by_oid(*schema_out, work->table->oid);
    *held_out = call->table != NULL && call->table->row_tree.value == work->table->row_tree.value;
    return STATUS_OK;
}

static enum status call_there(struct fiber *f, struct freeze_call *call,
                              partition_function function) {
    return partition_call(f, catalog_store(call->work->catalog), call->work->partition, function,
                          call);
}

/* Call until nobody else has the range. */
static enum status call_until_locked(struct fiber *f, struct freeze_call *call,
                                     partition_function function) {
    TRY(call_there(f, call, function));
    for (int attempt = 1; attempt < LOCK_ATTEMPTS && call->taken; attempt++) {
        TRY(fiber_sleep(f, LOCK_PAUSE_NS));
        TRY(call_there(f, call, function));
    }
    return STATUS_OK;
}

/* Make the block, then settle it in such a moment. */
static enum status freeze_there(struct fiber *f, struct freeze_call *call) {
    TRY(call_there(f, call, freeze_here));
    if (call->work->outcome != FREEZE_DONE)
        return STATUS_OK;
    call->work->outcome = FREEZE_BUSY;
    return call_until_locked(f, call, settle_here);
}

static enum status purge_there(struct fiber *f, struct freeze_call *call) {
    return call_until_locked(f, call, purge_here);
}

static enum status call_body(struct fiber *f, struct freeze_call *call,
                             const struct freeze_run *run) {
    struct schema *schema = NULL;
    bool held;
    TRY(table_hold(f, call, run->mode, &schema, &held));
    enum status status = transaction_statement_begin(f, call->transaction, call->work->commit);
    if (status == STATUS_OK && held)
        status = run->body(f, call);
    memory_free(call->stay_hot);
    if (schema != NULL)
        schema_release(schema);
    return status;
}

enum status freeze__in_transaction(struct fiber *f, struct freeze_work *work,
                                   const struct freeze_run *run) {
    struct transaction_options options = {.isolation = run->isolation};
    struct freeze_call call = {.work = work};
    work->outcome = FREEZE_BUSY;
    work->more = false;
    work->purged = work->moved = 0;
    TRY(transaction_begin(f, catalog_store(work->catalog), &options, &call.transaction));
    enum status status = call_body(f, &call, run);
    if (status != STATUS_OK || !run->commits || work->outcome != FREEZE_DONE) {
        struct error kept = *error_current();
        transaction_rollback(f, call.transaction);
        *error_current() = kept;
        return status;
    }
    return transaction_commit(f, call.transaction, false, &work->commit);
}

enum status freeze__range(struct fiber *f, struct freeze_work *work) {
    static const struct freeze_run run = {.isolation = ISOLATION_REPEATABLE_READ,
                                          .mode = RELATION_LOCK_ACCESS_SHARE,
                                          .commits = true,
                                          .body = freeze_there};
    work->made.commit.value = 0;
    TRY(freeze__in_transaction(f, work, &run));
    if (work->outcome == FREEZE_DONE)
        work->made.commit = work->commit;
    return STATUS_OK;
}

enum status freeze__purge(struct fiber *f, struct freeze_work *work) {
    static const struct freeze_run run = {.isolation = ISOLATION_REPEATABLE_READ,
                                          .mode = RELATION_LOCK_ACCESS_SHARE,
                                          .body = purge_there};
    return freeze__in_transaction(f, work, &run);
}
