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

#include "base/base_memory.h"

enum { KEY_WAIT_MS = 20, ROWS_UNKNOWN = -1 };

/* ---- finding ----------------------------------------------------------------------------------
 */

struct small_look {
    const struct freeze_small *small;
    uint64_t from;   /* row id */
    uint64_t range;  /* out; UINT64_MAX: no more */
    int64_t rows;    /* out: of the block, ROWS_UNKNOWN if its header does not lie in the tree */
    uint64_t grows;  /* out: the range that new rows go to */
    bool begun;      /* out: that one has had rows */
    int64_t idle_ns; /* out */
};

static enum status look_with(struct fiber *f, struct partition *partition, struct small_look *look,
                             struct arena *arena) {
    const struct table *table = look->small->table;
    struct block_header header;
    struct slice bytes;
    struct row_id next;
    uint64_t number;
    TRY(partition_short_from(f, partition, block_tree(table), look->from, arena, &number, &bytes));
    TRY(partition_row_ids(f, partition, table->row_tree, 0, &next));
    look->grows = block_range(next);
    look->begun = block_place(next) > 1; /* ids begin with 1 */
    look->range = UINT64_MAX;
    if (number == UINT64_MAX)
        return STATUS_OK;
    look->range = number >> BLOCK_RANGE_BITS;
    look->idle_ns = partition_idle_ns(partition, table->row_tree, look->range);
    look->rows = ROWS_UNKNOWN;
    if (bytes.size > 0) {
        TRY(block_header_decode(bytes, &header));
        look->rows = header.rows;
    }
    return STATUS_OK;
}

static enum status look_here(struct fiber *f, struct partition *partition, void *argument) {
    struct arena arena = {0};
    enum status status = look_with(f, partition, argument, &arena);
    arena_release(&arena);
    return status;
}

/* The rows of a block whose header has to be fetched. */
static enum status rows_fetch(struct fiber *f, struct small_look *look) {
    const struct freeze_small *small = look->small;
    struct freeze_work work = {.catalog = small->catalog,
                               .table = small->table,
                               .partition = small->partition,
                               .range = look->range};
    TRY(freeze__purge(f, &work));
    look->rows = (int64_t)work.block_rows;
    return STATUS_OK;
}

enum status freeze__small_find(struct fiber *f, struct freeze_small *small) {
    struct small_look look = {.small = small};
    small->count = 0;
    while (small->count < FREEZE_SMALL_MAX) {
        TRY(partition_call(f, catalog_store(small->catalog), small->partition, look_here, &look));
        if (look.range == UINT64_MAX)
            break;
        look.from = block_first_row(look.range + 1);
        if (look.range == look.grows || look.idle_ns < small->quiet_ns)
            continue;
        if (look.rows == ROWS_UNKNOWN && small->all)
            TRY(rows_fetch(f, &look));
        if (look.rows > 0 && look.rows <= JOIN_ROWS_MAX)
            small->ranges[small->count++] = look.range;
    }
    if (small->count == 1 && !look.begun)
        small->count = 0; /* nothing to be joined with */
    return STATUS_OK;
}

/* ---- moving -----------------------------------------------------------------------------------
 */

struct move_call {
    struct freeze_call *freeze;
    struct table_context context; /* its arena is emptied after each row */
    struct arena arena;           /* of what follows */
    struct row_address *addresses;
    struct value **rows;
    size_t count;
};

static enum status row_keep(struct move_call *call, const struct batch *batch, uint32_t row) {
    const struct table *table = call->freeze->table;
    struct value *values;
    TRY(arena__array(&call->arena, table->column_count, sizeof *values, &values));
    for (unsigned i = 0; i < table->column_count; i++) {
        struct value value = table->columns[i].dropped ? value_null(table->columns[i].type)
                                                       : vector_get(&batch->vectors[i], row);
        values[i] = value_copy(&value, &call->arena);
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
