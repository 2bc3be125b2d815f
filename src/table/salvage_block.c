/*
 * Salvaged blocks. Where the header or a chunk is missing, the rows that are whole are put into the
 * hot tree, the block's entries go. A hot row that the block had replaced, and one that is masked,
 * are told apart by generations (block_format.h) as long as the header is there.
 */
#include "table/salvage.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/base_memory.h"
#include "table/block.h"

struct block_salvage {
    struct catalog *catalog;
    const struct table *table;
    struct transaction *transaction;
    struct partition *partition;
    const struct salvage_report *report;
    uint64_t *ranges;
    size_t range_count, range_capacity;
    struct arena arena; /* of one block or row */
    char why[ERROR_MESSAGE_SIZE];
};

static enum status visit_range(struct fiber *f, struct partition *partition,
                               const struct txn_entry *entry, void *context) {
    struct block_salvage *salvage = context;
    struct block_key key;
    if (!block_key_decode(entry->key, &key) ||
        (salvage->range_count > 0 && salvage->ranges[salvage->range_count - 1] == key.range))
        return STATUS_OK;
    if (!memory_grow(&salvage->ranges, &salvage->range_capacity, salvage->range_count + 1,
                     sizeof *salvage->ranges))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    salvage->ranges[salvage->range_count++] = key.range;
    return STATUS_OK;
}

static enum status ranges_collect(struct fiber *f, struct block_salvage *salvage) {
    struct txn_range all = {.key_stride = BLOCK_KEY_SIZE};
    return txn_visit(f, salvage->transaction, salvage->partition, block_tree(salvage->table), &all,
                     visit_range, salvage);
}

/* ---- is a block whole? ---------------------------------------------------------------------- */

static enum status chunk_try(struct fiber *f, struct block_salvage *salvage, uint64_t range,
                             const struct block_column *column, unsigned piece) {
    const struct table *table = salvage->table;
    uint8_t key[BLOCK_KEY_SIZE];
    struct txn_large large;
    struct column_reader reader;
    bool found;
    block_key_encode(range, column->number, piece, key);
    TRY(txn_get_large(f, salvage->transaction, salvage->partition, block_tree(table),
                      slice_of(key, sizeof key), false, &salvage->arena, &found, &large));
    if (!found)
        return error_set(STATUS_DATA_CORRUPTED, "column %s is missing",
                         table->columns[column->number - 1].name);
    enum status status = column_open(large.bytes, table->columns[column->number - 1].type,
                                     COLUMN_OPEN_CHECKED, &salvage->arena, &reader);
    if (status == STATUS_OK)
        status = column_check(&reader);
    txn_release_large(salvage->partition, &large);
    return status;
}

/* DATA_CORRUPTED: no. The header is the caller's to release if it was found. */
static enum status block_try(struct fiber *f, struct block_salvage *salvage, uint64_t range,
                             bool *header_out, struct txn_large *large_out,
                             struct block_header *header) {
    TRY(block__header(f, salvage->transaction, salvage->partition, salvage->table, range,
                      ROW_AT_SNAPSHOT, &salvage->arena, header_out, large_out, header));
    if (!*header_out)
        return error_set(STATUS_DATA_CORRUPTED, "the block's header is missing");
    for (unsigned i = 0; i < header->column_count; i++) {
        struct block_column column;
        block_column_decode(header, i, &column);
        if (column.number == 0 || column.number > salvage->table->column_count)
            return error_set(STATUS_DATA_CORRUPTED, "the block has an unknown column");
        if (salvage->table->columns[column.number - 1].dropped)
            continue;
        for (unsigned piece = 0; piece < column.pieces; piece++)
            TRY(chunk_try(f, salvage, range, &column, piece));
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

/* ---- making rows of it ---------------------------------------------------------------------- */

static enum status row_put(struct fiber *f, struct block_salvage *salvage, struct row_id row,
                           const struct slice *bytes) {
    uint8_t key[ROW_KEY_SIZE], prefix[ROW_PREFIX_SIZE_MAX];
    struct tree_id tree = salvage->table->row_tree;
    row_key_encode(row, key);
    if (bytes == NULL)
        return txn_delete(f, salvage->transaction, salvage->partition, tree,
                          slice_of(key, sizeof key));
    size_t size = row_prefix_encode(0, false, prefix);
    uint8_t *stored = arena_alloc(&salvage->arena, size + bytes->size);
    TRY(arena_status(&salvage->arena));
    memcpy(stored, prefix, size);
    memcpy(stored + size, bytes->data, bytes->size);
    return txn_put(f, salvage->transaction, salvage->partition, tree, slice_of(key, sizeof key),
                   slice_of(stored, size + bytes->size), TXN_PUT_VERSIONED);
}

/* The row as the hot tree has it: `*hot_out` when that is newer than the block of `generation`. It
   is written anew for a range without a block. */
static enum status hot_settle(struct fiber *f, struct block_salvage *salvage, struct row_id row,
                              uint64_t generation, bool *hot_out) {
    uint8_t key[ROW_KEY_SIZE];
    struct slice stored;
    struct row_stored parts;
    bool found;
    *hot_out = false;
    row_key_encode(row, key);
    TRY(txn_get(f, salvage->transaction, salvage->partition, salvage->table->row_tree,
                slice_of(key, sizeof key), &salvage->arena, &found, &stored));
    if (!found)
        return STATUS_OK;
    TRY(row__stored(salvage->table, stored, &parts));
    *hot_out = parts.generation >= generation;
    return row_put(f, salvage, row, *hot_out && !parts.deleted ? &parts.row : NULL);
}

static enum status cold_settle(struct fiber *f, struct block_salvage *salvage,
                               struct row_writer *writer, struct row_id row) {
    const struct table *table = salvage->table;
    struct row_place place = {table, salvage->partition, row, ROW_AT_SNAPSHOT};
    struct value *values;
    int16_t *numbers;
    bool found;
    TRY(arena__array(&salvage->arena, table->column_count, sizeof *values, &values));
    TRY(arena__array(&salvage->arena, table->column_count, sizeof *numbers, &numbers));
    for (unsigned i = 0; i < table->column_count; i++)
        numbers[i] = (int16_t)(i + 1);
    TRY(block__fetch_values(f, salvage->transaction, &place, numbers, table->column_count,
                            &salvage->arena, &found, values));
    ASSERT(found);
    writer->range_entered = true; /* without a block, once this is committed */
    writer->range = block_range(row);
    writer->generation = 0;
    return row_writer_put(f, writer, row, values, NULL, SLICE_EMPTY);
}

static void lost_tell(struct block_salvage *salvage, uint64_t first, uint64_t *count) {
    unsigned partition = partition_number(salvage->partition);
    if (*count > 0) {
        salvage__say(salvage->report,
                     "table %s.%s, partition %u, row ids %" PRIu64 " to %" PRIu64 ": lost (%s)",
                     salvage->table->namespace_name, salvage->table->name, partition, first,
                     first + *count - 1, salvage->why);
        salvage__lost(salvage->report, salvage->table, partition, first, first + *count - 1);
    }
    *count = 0;
}

static enum status block_to_rows(struct fiber *f, struct block_salvage *salvage, uint64_t range,
                                 const struct block_header *header) {
    struct row_writer writer = {0};
    TRY(row_writer_init(&writer, salvage->transaction, salvage->table, salvage->partition));
    writer.alone = true;
    uint64_t first_lost = 0, lost = 0;
    enum status status = STATUS_OK;
    for (uint32_t place = 0; place < BLOCK_ROWS_MAX && status == STATUS_OK; place++) {
        struct row_id row = {block_first_row(range) + place};
        uint32_t position;
        bool hot;
        arena_reset(&salvage->arena);
        status = hot_settle(f, salvage, row, header != NULL ? header->generation : 0, &hot);
        if (status != STATUS_OK || hot || header == NULL ||
            !block_position(header, place, &position))
            continue;
        status = cold_settle(f, salvage, &writer, row);
        if (status == STATUS_DATA_CORRUPTED) {
            error_clear();
            status = STATUS_OK;
            if (row.value != first_lost + lost)
                lost_tell(salvage, first_lost, &lost);
            if (lost++ == 0)
                first_lost = row.value;
        }
        if (status == STATUS_OK)
            status = fiber_check(f);
    }
    lost_tell(salvage, first_lost, &lost);
    row_writer_release(&writer);
    return status;
}

static enum status visit_doomed(struct fiber *f, struct partition *partition,
                                const struct txn_entry *entry, void *context) {
    struct block_salvage *salvage = context;
    uint8_t key[BLOCK_KEY_SIZE];
    memcpy(key, entry->key.data, sizeof key);
    return txn_delete(f, salvage->transaction, partition, block_tree(salvage->table),
                      slice_of(key, sizeof key));
}

static enum status entries_delete(struct fiber *f, struct block_salvage *salvage, uint64_t range) {
    uint8_t lower[BLOCK_KEY_SIZE], upper[BLOCK_KEY_SIZE];
    block_key_encode(range, 0, 0, lower);
    block_key_encode(range + 1, 0, 0, upper);
    struct txn_range part = {.lower = slice_of(lower, sizeof lower),
                             .upper = slice_of(upper, sizeof upper),
                             .key_stride = BLOCK_KEY_SIZE};
    return txn_visit(f, salvage->transaction, salvage->partition, block_tree(salvage->table), &part,
                     visit_doomed, salvage);
}

static void headerless_tell(struct block_salvage *salvage, uint64_t range) {
    unsigned partition = partition_number(salvage->partition);
    uint64_t first = block_first_row(range), last = first + BLOCK_ROWS_MAX - 1;
    salvage__say(salvage->report,
                 "table %s.%s, partition %u, row ids %" PRIu64 " to %" PRIu64
                 ": lost, as far as they were in the block; of those that are still in "
                 "OUT this may be an older version (%s)",
                 salvage->table->namespace_name, salvage->table->name, partition, first, last,
                 salvage->why);
    salvage__lost(salvage->report, salvage->table, partition, first, last);
}

static enum status block_settle(struct fiber *f, struct block_salvage *salvage, uint64_t range) {
    struct txn_large large = {0};
    /* The header's bytes outlive the arena's resets. */
    struct arena kept = salvage->arena;
    salvage->arena = (struct arena){0};
    struct block_header header;
    bool has_header = false;
    enum status status = block_try(f, salvage, range, &has_header, &large, &header);
    struct arena of_header = salvage->arena;
    salvage->arena = kept;
    if (status == STATUS_DATA_CORRUPTED) {
        snprintf(salvage->why, sizeof salvage->why, "%s", error_current()->message);
        error_clear();
        if (!has_header)
            headerless_tell(salvage, range);
        status = block_to_rows(f, salvage, range, has_header ? &header : NULL);
        if (status == STATUS_OK)
            status = entries_delete(f, salvage, range);
    }
    if (has_header)
        txn_release_large(salvage->partition, &large);
    arena_release(&of_header);
    return status;
}

static enum status blocks_here(struct fiber *f, struct partition *partition, void *argument) {
    struct block_salvage *salvage = argument;
    salvage->partition = partition;
    salvage->range_count = 0;
    TRY(ranges_collect(f, salvage));
    for (size_t i = 0; i < salvage->range_count; i++)
        TRY(block_settle(f, salvage, salvage->ranges[i]));
    return STATUS_OK;
}

enum status salvage__blocks(struct fiber *f, struct catalog *catalog, const struct table *table,
                            const struct salvage_report *report) {
    struct block_salvage salvage = {.catalog = catalog, .table = table, .report = report};
    uint64_t partitions = table_partitions(catalog->store, table);
    enum status status = STATUS_OK;
    for (unsigned p = 0; p < store_partition_count(catalog->store) && status == STATUS_OK; p++) {
        if ((partitions >> p & 1) == 0)
            continue;
        status = salvage__begin(f, catalog, &salvage.transaction);
        if (status != STATUS_OK)
            break;
        status = partition_call(f, catalog->store, p, blocks_here, &salvage);
        status = salvage__end(f, salvage.transaction, status);
    }
    arena_release(&salvage.arena);
    memory_free(salvage.ranges);
    return status;
}
