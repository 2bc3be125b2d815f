/*
 * Joining small blocks: the rows of a block that has few move to where new rows go, the range that
 * grows, and become part of its block when that is frozen. What bulk loads leave at their end comes
 * together so, and what deleting has left of many blocks.
 *
 * A row moves in the way an UPDATE moves one to another partition (row_change.c): out of its old
 * place, into the new one, its index entries with it, and word is left for who waits for it. So
 * snapshots of any age find it, and who changes it at READ COMMITTED follows it; a transaction at
 * REPEATABLE READ that is older than the move is told to try again, as after any update. Nobody is
 * waited for: a row that somebody has stays where it is.
 */
#include "table/freeze.h"

enum { KEY_WAIT_MS = 20, REWRITTEN_SHARE = 8 };

/* ---- finding --------------------------------------------------------------------------- */

struct small_look {
    const struct freeze_small *small;
    uint64_t from;   /* row id */
    uint64_t range;  /* out; UINT64_MAX: no more */
    bool outside;    /* out: the block's header does not lie in the tree, its rows are not known */
    uint64_t rows;   /* out: of the block */
    uint64_t bytes;  /* out: of its chunks */
    uint64_t hot;    /* out: rows that are newer, estimated */
    int64_t idle_ns; /* out */
};

static void header_look(struct small_look *look, const struct block_header *header) {
    look->rows = header->rows;
    look->bytes = 0;
    for (unsigned i = 0; i < header->column_count; i++) {
        struct block_column column;
        block_column_decode(header, i, &column);
        look->bytes += column.bytes;
    }
}

static enum status look_with(struct fiber *f, struct partition *partition, struct small_look *look,
                             struct arena *arena) {
    const struct table *table = look->small->table;
    struct tree_id rows = table->row_tree;
    struct block_header header;
    struct slice bytes;
    uint64_t number;
    TRY(partition_short_from(f, partition, block_tree(table), look->from, arena, &number, &bytes));
    look->range = UINT64_MAX;
    if (number == UINT64_MAX)
        return STATUS_OK;
    look->range = number >> BLOCK_RANGE_BITS;
    look->idle_ns = partition_idle_ns(partition, rows, look->range);
    TRY(partition_range_count(f, partition, rows, block_first_row(look->range),
                              block_first_row(look->range) + BLOCK_ROWS_MAX - 1, &look->hot));
    look->outside = bytes.size == 0;
    if (look->outside)
        return STATUS_OK;
    TRY(block_header_decode(bytes, &header));
    header_look(look, &header);
    return STATUS_OK;
}

static enum status look_here(struct fiber *f, struct partition *partition, void *argument) {
    struct arena arena = {0};
    enum status status = look_with(f, partition, argument, &arena);
    arena_release(&arena);
    return status;
}

static enum status grows_here(struct fiber *f, struct partition *partition, void *argument) {
    struct freeze_small *small = argument;
    struct row_id next;
    TRY(partition_row_ids(f, partition, small->table->row_tree, 0, &next));
    small->grows = block_range(next);
    small->begun = block_place(next) > 1; /* ids begin with 1 */
    return STATUS_OK;
}

enum status freeze__find_growing(struct fiber *f, struct freeze_small *small) {
    return partition_call(f, catalog_store(small->catalog), small->partition, grows_here, small);
}

/* The rows of a block whose header has to be fetched. */
static enum status rows_fetch(struct fiber *f, struct small_look *look) {
    const struct freeze_small *small = look->small;
    struct freeze_work work = {.catalog = small->catalog,
                               .table = small->table,
                               .partition = small->partition,
                               .range = look->range};
    TRY(freeze__purge(f, &work));
    look->rows = work.block_rows;
    look->bytes = 0; /* the rows will show */
    return STATUS_OK;
}

static bool is_small(const struct small_look *look) {
    const struct freeze_small *small = look->small;
    return look->rows > 0 && look->rows <= JOIN_ROWS_MAX && look->hot <= look->rows &&
           look->idle_ns >= small->quiet_ns && look->bytes <= JOIN_BYTES_MAX;
}

/* Are the small ones worth it? What the growing range's block has is written again with them. */
static bool is_worth_it(const struct freeze_small *small, uint64_t rows, uint64_t grown) {
    return (small->count > 1 || small->begun) &&
           (small->at_once || rows >= grown / REWRITTEN_SHARE);
}

enum status freeze__small_find(struct fiber *f, struct freeze_small *small) {
    struct small_look look = {.small = small};
    uint64_t rows = 0, grown = 0;
    small->count = 0;
    TRY(freeze__find_growing(f, small));
    for (;;) {
        TRY(partition_call(f, catalog_store(small->catalog), small->partition, look_here, &look));
        if (look.range == UINT64_MAX)
            break;
        look.from = block_first_row(look.range + 1);
        if (look.outside && small->all)
            TRY(rows_fetch(f, &look));
        else if (look.outside)
            look.rows = BLOCK_ROWS_MAX; /* most have gaps and are large */
        if (look.range == small->grows) {
            grown = look.rows;
        } else if (small->count < FREEZE_SMALL_MAX && is_small(&look)) {
            small->rows[small->count] = look.rows;
            small->ranges[small->count++] = look.range;
            rows += look.rows;
        }
    }
    if (!is_worth_it(small, rows, grown))
        small->count = 0;
    return STATUS_OK;
}

/* ---- moving ---------------------------------------------------------------------------- */

struct move_call {
    struct freeze_call *freeze;
    struct table_context context; /* its arena is emptied after each row */
    struct arena arena;           /* of what follows */
    struct row_address *addresses;
    struct value **rows;
    size_t count, bytes;
};

static enum status row_keep(struct move_call *call, const struct batch *batch, uint32_t row) {
    const struct table *table = call->freeze->table;
    struct value *values;
    TRY(arena__array(&call->arena, table->column_count, sizeof *values, &values));
    for (unsigned i = 0; i < table->column_count; i++) {
        struct value value = table->columns[i].dropped ? value_null(table->columns[i].type)
                                                       : vector_get(&batch->vectors[i], row);
        values[i] = value_copy(&value, &call->arena);
        call->bytes += physical_size(table->row_schema.physical[i]);
        if (table->row_schema.physical[i] == PHYSICAL_STRING && !value.is_null)
            call->bytes += value.string.size;
    }
    const int64_t *packed = batch->vectors[table->column_count].data;
    call->addresses[call->count] = row_address_unpack(packed[row]);
    call->rows[call->count++] = values;
    return arena_status(&call->arena);
}

static enum status scan_keep(struct fiber *f, struct move_call *call, struct table_scan *scan) {
    while (call->count < JOIN_COUNT_MAX) {
        struct batch *batch;
        TRY(table_scan_next(f, scan, &batch));
        if (batch == NULL)
            break;
        for (uint32_t i = 0; i < batch->selected_count && call->count < JOIN_COUNT_MAX; i++)
            TRY(row_keep(call, batch, batch_row(batch, i)));
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

static enum status read_here(struct fiber *f, struct partition *partition, void *argument) {
    struct move_call *call = argument;
    struct table_scan *scan;
    TRY(arena__array(&call->arena, JOIN_COUNT_MAX, sizeof *call->addresses, &call->addresses));
    TRY(arena__array(&call->arena, JOIN_COUNT_MAX, sizeof *call->rows, &call->rows));
    TRY(freeze__scan_open(f, call->freeze, partition, &call->arena, &scan));
    enum status status = scan_keep(f, call, scan);
    table_scan_close(f, scan);
    return status;
}

static enum status row_move(struct fiber *f, struct move_call *call, size_t at) {
    const struct table *table = call->freeze->table;
    struct row_address address = call->addresses[at];
    enum row_lock_outcome outcome;
    TRY(table_lock_row(f, &call->context, table, &address, KEY_LOCK_EXCLUSIVE, LOCK_SKIP, &outcome,
                       NULL));
    if (outcome != ROW_LOCKED)
        return STATUS_OK;
    call->freeze->work->moved++;
    return row__move(f, &call->context, table, address, call->rows[at], call->rows[at], NULL);
}

static enum status rows_move(struct fiber *f, struct move_call *call) {
    struct freeze_work *work = call->freeze->work;
    TRY(partition_call(f, catalog_store(work->catalog), work->partition, read_here, call));
    if (call->count > 0 && work->block_rows * call->bytes / call->count > JOIN_BYTES_MAX) {
        work->outcome = FREEZE_TOO_LARGE;
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; i < call->count && status == STATUS_OK; i++) {
        status = row_move(f, call, i);
        arena_reset(call->context.arena);
    }
    if (status == STATUS_LOCK_NOT_AVAILABLE) { /* somebody has a key, or the range */
        work->moved = 0;
        error_clear();
        return STATUS_OK;
    }
    TRY(status);
    work->outcome = work->moved > 0 ? FREEZE_DONE : call->count == 0 ? FREEZE_NOTHING : FREEZE_BUSY;
    work->more = work->moved > 0 && call->count == JOIN_COUNT_MAX;
    return STATUS_OK;
}

static enum status move_there(struct fiber *f, struct freeze_call *freeze) {
    struct arena of_row = {0};
    struct move_call call = {.freeze = freeze,
                             .context = {.catalog = freeze->work->catalog,
                                         .store = catalog_store(freeze->work->catalog),
                                         .transaction = freeze->transaction,
                                         .arena = &of_row}};
    transaction_lock_timeout_set(freeze->transaction, KEY_WAIT_MS);
    enum status status = rows_move(f, &call);
    arena_release(&call.arena);
    arena_release(&of_row);
    return status;
}

enum status freeze__move_rows(struct fiber *f, struct freeze_work *work) {
    static const struct freeze_run run = {.isolation = ISOLATION_READ_COMMITTED,
                                          .mode = RELATION_LOCK_ROW_EXCLUSIVE,
                                          .commits = true,
                                          .body = move_there};
    return freeze__in_transaction(f, work, &run);
}
