/* satori_blocks and satori_progress: what freezing has made, and is at. */
#include "table/virtual.h"

#include "base/base_memory.h"
#include "table/catalog_private.h"
#include "table/freeze.h"
#include "table/table_freeze.h"
#include "value/value_array.h"

/* ---- satori_blocks -----------------------------------------------------------------------------
 */

static const struct virtual_column blocks_columns[] = {
    {"relid", TYPE_OID},      {"relname", TYPE_NAME},    {"partition", TYPE_INT4},
    {"first_row", TYPE_INT8}, {"generation", TYPE_INT8}, {"rows", TYPE_INT8},
    {"masked", TYPE_INT8},    {"bytes", TYPE_INT8},      {"encodings", TYPE_TEXT_ARRAY},
    {"versions", TYPE_INT4},  {"readers", TYPE_INT4},
};

struct blocks_call {
    const struct table *table;
    struct transaction *transaction;
    struct virtual_sink *sink;
    struct arena arena;
};

/* Rows of the block that newer ones hide. */
static enum status count_masked(struct fiber *f, struct blocks_call *call,
                                struct partition *partition, const struct block_scan *blocks,
                                int64_t *masked_out) {
    uint8_t lower[ROW_KEY_SIZE], upper[ROW_KEY_SIZE];
    put_be64(lower, block_first_row(blocks->range));
    put_be64(upper, block_first_row(blocks->range + 1));
    struct txn_range range = {.lower = slice_of(lower, sizeof lower),
                              .upper = slice_of(upper, sizeof upper),
                              .key_stride = ROW_KEY_SIZE};
    struct txn_cursor *cursor;
    TRY(txn_cursor_open(f, call->transaction, partition, call->table->row_tree, &range, &cursor));
    enum status status;
    size_t count = 0;
    *masked_out = 0;
    do {
        struct txn_entry entries[SCAN_ROWS_MAX];
        status = txn_cursor_next(f, cursor, entries, SCAN_ROWS_MAX, &count);
        for (size_t i = 0; i < count && status == STATUS_OK; i++) {
            struct row_stored stored;
            uint32_t position;
            status = row__stored(call->table, entries[i].value, &stored);
            if (status == STATUS_OK && stored.generation >= blocks->header.generation)
                *masked_out += block_position(
                    &blocks->header, block_place(row_key_decode(entries[i].key)), &position);
        }
        if (status == STATUS_OK)
            status = fiber_check(f);
    } while (status == STATUS_OK && count > 0);
    txn_cursor_close(f, cursor);
    return status;
}

/* "name: encoding" of each column's first piece; *readers_out: most scans that are at one. */
static enum status encodings(struct fiber *f, struct blocks_call *call, struct partition *partition,
                             const struct block_header *header, uint64_t range, int64_t *bytes_out,
                             int32_t *readers_out, struct value *array_out) {
    struct value *texts;
    TRY(arena__array(&call->arena, header->column_count + 1u, sizeof *texts, &texts));
    uint32_t count = 0;
    *bytes_out = 0;
    *readers_out = 0;
    for (unsigned i = 0; i < header->column_count; i++) {
        struct block_column column;
        block_column_decode(header, i, &column);
        *bytes_out += column.bytes;
        if (column.number > call->table->column_count || column.pieces == 0)
            continue;
        const struct column *named = &call->table->columns[column.number - 1];
        uint8_t key[BLOCK_KEY_SIZE];
        struct txn_large large;
        struct column_reader reader;
        bool found;
        block_key_encode(range, column.number, 0, key);
        TRY(txn_get_large(f, call->transaction, partition, block_tree(call->table),
                          slice_of(key, sizeof key), false, &call->arena, &found, &large));
        if (!found)
            continue;
        enum status status =
            column_open(large.bytes, named->type, COLUMN_OPEN_TRUSTED, &call->arena, &reader);
        if (status == STATUS_OK) {
            struct column_statistics statistics;
            column_statistics(&reader, &statistics);
            texts[count++] =
                value_text(arena_format(&call->arena, "%s: %s", named->name, statistics.encoding));
        }
        int32_t readers = (int32_t)txn_large_readers(&large);
        *readers_out = readers > *readers_out ? readers : *readers_out;
        txn_release_large(partition, &large);
        TRY(status);
    }
    return array_make(TYPE_TEXT_ARRAY, texts, count, &call->arena, array_out);
}

static enum status block_row(struct fiber *f, struct blocks_call *call, struct partition *partition,
                             const struct block_scan *blocks) {
    const struct table *table = call->table;
    struct value array;
    int64_t masked, bytes;
    int32_t readers;
    uint64_t versions;
    uint8_t key[BLOCK_KEY_SIZE];
    block_key_encode(blocks->range, 0, 0, key);
    TRY(count_masked(f, call, partition, blocks, &masked));
    TRY(encodings(f, call, partition, &blocks->header, blocks->range, &bytes, &readers, &array));
    TRY(partition_version_count(f, partition, block_tree(table), slice_of(key, sizeof key),
                                &versions));
    struct value values[] = {
        value_oid(table->oid),
        value_string(TYPE_OF(NAME), slice_of_text(table->name)),
        value_int4((int32_t)partition_number(partition)),
        value_int8((int64_t)block_first_row(blocks->range)),
        value_int8((int64_t)blocks->header.generation),
        value_int8(blocks->header.rows),
        value_int8(masked),
        value_int8(bytes),
        array,
        value_int4((int32_t)versions),
        value_int4(readers),
    };
    return call->sink->row(call->sink, values);
}

static enum status blocks_here(struct fiber *f, struct partition *partition, void *argument) {
    struct blocks_call *call = argument;
    struct block_scan *blocks = memory_alloc_zeroed(1, sizeof *blocks);
    if (blocks == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    blocks->transaction = call->transaction;
    blocks->partition = partition;
    blocks->table = call->table;
    enum status status = block_scan_open(f, blocks, 0, UINT64_MAX);
    while (status == STATUS_OK) {
        status = block_scan_next(f, blocks);
        if (status != STATUS_OK || !blocks->open)
            break;
        arena_reset(&call->arena);
        status = block_row(f, call, partition, blocks);
    }
    block_scan_close(f, blocks);
    memory_free(blocks);
    return status;
}

static enum status blocks_rows(struct fiber *f, struct catalog *catalog,
                               const struct schema *schema, struct transaction *transaction,
                               void *session, struct virtual_sink *sink) {
    struct blocks_call call = {.transaction = transaction, .sink = sink};
    struct store *store = catalog_store(catalog);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < schema_table_count(schema) && status == STATUS_OK; i++) {
        call.table = schema_table_at(schema, i);
        if (call.table->kind != RELATION_TABLE || call.table->is_system)
            continue;
        for (unsigned p = 0; p < store_partition_count(store) && status == STATUS_OK; p++)
            status = partition_call(f, store, p, blocks_here, &call);
    }
    arena_release(&call.arena);
    return status;
}

/* ---- satori_progress
 * ------------------------------------------------------------------------------ */

static const struct virtual_column progress_columns[] = {
    {"task", TYPE_TEXT},        {"relid", TYPE_OID},        {"partition", TYPE_INT4},
    {"first_row", TYPE_INT8},   {"blocks_made", TYPE_INT8}, {"rows_frozen", TYPE_INT8},
    {"rows_purged", TYPE_INT8}, {"rows_moved", TYPE_INT8},
};

enum { PROGRESS_MAX = 64 };

static enum status progress_rows(struct fiber *f, struct catalog *catalog,
                                 const struct schema *schema, struct transaction *transaction,
                                 void *session, struct virtual_sink *sink) {
    struct freezer_progress progress[PROGRESS_MAX];
    size_t count = freezer_progress(catalog, progress, PROGRESS_MAX);
    for (size_t i = 0; i < count; i++) {
        bool idle = progress[i].table_oid == 0;
        struct value values[] = {
            value_text(i == 0 ? "freezing" : "vacuum (freeze)"),
            idle ? value_null(TYPE_OF(OID)) : value_oid(progress[i].table_oid),
            idle ? value_null(TYPE_OF(INT4)) : value_int4((int32_t)progress[i].partition),
            idle ? value_null(TYPE_OF(INT8)) : value_int8((int64_t)progress[i].first_row),
            value_int8((int64_t)progress[i].blocks_made),
            value_int8((int64_t)progress[i].rows_frozen),
            value_int8((int64_t)progress[i].rows_purged),
            value_int8((int64_t)progress[i].rows_moved),
        };
        TRY(sink->row(sink, values));
    }
    return STATUS_OK;
}

static const struct virtual_table block_tables[] = {
    {.oid = 9950,
     .namespace_name = "pg_catalog",
     .name = "satori_blocks",
     .column_count = sizeof blocks_columns / sizeof blocks_columns[0],
     .columns = blocks_columns,
     .rows = blocks_rows,
     .kind = 'v'},
    {.oid = 9951,
     .namespace_name = "pg_catalog",
     .name = "satori_progress",
     .column_count = sizeof progress_columns / sizeof progress_columns[0],
     .columns = progress_columns,
     .rows = progress_rows,
     .kind = 'v'},
};

void virtual__blocks_register(void) {
    virtual_tables_register(block_tables, sizeof block_tables / sizeof block_tables[0]);
}
