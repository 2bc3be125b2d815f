/*
 * Writing one row of a partition: encode it, move long values outside, put it.
 *
 * Most rows are short: one estimate, one encode, one put. A longer row first loses its longest
 * values to the large tree until it is short enough; when even that does not help (a thousand
 * bigints), the whole row becomes a large value of column 0.
 */
#include "table/block.h"

enum status row_writer_init(struct row_writer *writer, struct transaction *transaction,
                            const struct table *table, struct partition *partition) {
    *writer =
        (struct row_writer){.transaction = transaction, .table = table, .partition = partition};
    if (table->index_count == 0)
        return STATUS_OK;
    return arena__array(&writer->arena, table->index_count, sizeof *writer->index_keys,
                        &writer->index_keys);
}

void row_writer_release(struct row_writer *writer) {
    buffer_release(&writer->row);
    buffer_release(&writer->keys);
    arena_release(&writer->arena);
    arena_release(&writer->scratch);
}

size_t row__size_estimate(const struct table *table, const struct value *values) {
    const struct row_schema *schema = &table->row_schema;
    size_t size = schema->fixed_size[table->column_count] + table->column_count / 8 + 8;
    if (schema->variable_count[table->column_count] == 0)
        return size;
    for (unsigned i = 0; i < table->column_count; i++) {
        if (values[i].is_null)
            continue;
        if (schema->physical[i] == PHYSICAL_STRING)
            size += values[i].string.size + 2;
        else if (schema->physical[i] == PHYSICAL_NUMERIC)
            size += 24;
    }
    return size;
}

enum status row_writer_enter(struct fiber *f, struct row_writer *writer, struct row_id row,
                             uint64_t *generation_out) {
    *generation_out = 0;
    if (writer->table->is_system)
        return STATUS_OK;
    uint64_t range = block_range(row);
    if (!writer->range_entered || writer->range != range) {
        if (!writer->alone)
            TRY(block__range_lock(f, writer->transaction, writer->partition, writer->table, range,
                                  KEY_LOCK_SHARE, LOCK_WAIT, NULL));
        TRY(block__generation(f, writer->transaction, writer->partition, writer->table, range,
                              &writer->generation));
        partition_touch(writer->partition, writer->table->row_tree, range);
        writer->range = range;
        writer->range_entered = true;
    }
    *generation_out = writer->generation;
    return STATUS_OK;
}

static enum status put_stored(struct fiber *f, struct row_writer *writer, struct row_id row,
                              struct slice stored) {
    uint8_t key[ROW_KEY_SIZE];
    row_key_encode(row, key);
    return txn_put(f, writer->transaction, writer->partition, writer->table->row_tree,
                   slice_of(key, sizeof key), stored, TXN_PUT_VERSIONED);
}

enum status row_writer_put_bytes(struct fiber *f, struct row_writer *writer, struct row_id row,
                                 const struct slice *bytes) {
    uint8_t stored[ROW_PREFIX_SIZE_MAX + ROW_OUTSIDE_LIMIT];
    uint64_t generation;
    TRY(row_writer_enter(f, writer, row, &generation));
    size_t size = row_prefix_encode(generation, bytes == NULL, stored);
    if (bytes != NULL) {
        ASSERT(bytes->size <= ROW_OUTSIDE_LIMIT);
        memcpy(stored + size, bytes->data, bytes->size);
        size += bytes->size;
    }
    writer->bytes += size;
    return put_stored(f, writer, row, slice_of(stored, size));
}

/* Freezing a range whose block is written again has the newer rows twice for a while. */
enum status row_writer_count_new(struct fiber *f, struct row_writer *writer, struct row_id row) {
    size_t bytes = writer->bytes;
    writer->bytes = 0;
    if (writer->table->is_system)
        return STATUS_OK;
    return partition_row_bytes(f, writer->partition, writer->table->row_tree, BLOCK_ROWS_MAX, row,
                               bytes,
                               block__bytes_max(transaction_store(writer->transaction)) / 8 * 3);
}

enum status row_writer_delete(struct fiber *f, struct row_writer *writer, struct row_id row) {
    uint64_t generation;
    TRY(row_writer_enter(f, writer, row, &generation));
    if (generation > 0)
        return row_writer_put_bytes(f, writer, row, NULL);
    uint8_t key[ROW_KEY_SIZE];
    row_key_encode(row, key);
    return txn_delete(f, writer->transaction, writer->partition, writer->table->row_tree,
                      slice_of(key, sizeof key));
}

/* What of a stored row lies outside, by column (size 0: nothing); [0] is the whole row. */
static enum status stored_externals(struct fiber *f, struct row_writer *writer, struct row_id row,
                                    struct slice stored, struct row_external **externals_out) {
    const struct table *table = writer->table;
    struct row_external *by_column, *found;
    TRY(arena__array(&writer->scratch, table->column_count + 1u, sizeof *by_column, &by_column));
    TRY(arena__array(&writer->scratch, table->column_count + 1u, sizeof *found, &found));
    *externals_out = by_column;
    if (stored.size == 0)
        return STATUS_OK;
    if (row_outside_size(stored) != 0) {
        by_column[0] = (struct row_external){large_id(row, 0), row_outside_size(stored)};
        struct row_place place = {table, writer->partition, row, ROW_NEWEST};
        TRY(row__bring_in(f, writer->transaction, &place, stored, &writer->scratch, &stored));
    }
    uint32_t count;
    TRY(row_externals(&table->row_schema, stored, found, table->column_count, &count));
    for (uint32_t i = 0; i < count; i++) {
        unsigned column = (unsigned)(found[i].id & ((1u << LARGE_COLUMN_BITS) - 1));
        if (column == 0 || column > table->column_count || found[i].id != large_id(row, column))
            return error_set(STATUS_DATA_CORRUPTED,
                             "a row of table \"%s\" refers to a long value that is not its own",
                             table->name);
        by_column[column] = found[i];
    }
    return STATUS_OK;
}

/* Mark the longest values until the rest is short: externals[i].size is set. */
static void choose_externals(const struct table *table, const struct value *values, size_t size,
                             struct row_id row, struct row_external *externals) {
    while (size > ROW_INLINE_SIZE_MAX) {
        unsigned longest = table->column_count;
        size_t longest_size = LARGE_VALUE_SIZE_MIN;
        for (unsigned i = 0; i < table->column_count; i++) {
            if (values[i].is_null || externals[i].size != 0 ||
                table->row_schema.physical[i] != PHYSICAL_STRING)
                continue;
            if (values[i].string.size > longest_size) {
                longest = i;
                longest_size = values[i].string.size;
            }
        }
        if (longest == table->column_count)
            return;
        externals[longest] =
            (struct row_external){large_id(row, longest + 1), (uint32_t)longest_size};
        size -= longest_size - 12;
    }
}

static bool same_bytes(const struct value *a, const struct value *b) {
    return !a->is_null && !b->is_null && slice_equal(a->string, b->string);
}

/* Bring the large tree from the stored row's long values to the new row's. */
static enum status externals_write(struct fiber *f, struct row_writer *writer, struct row_id row,
                                   const struct value *values, const struct value *old,
                                   const struct row_external *before,
                                   const struct row_external *after) {
    const struct table *table = writer->table;
    for (unsigned i = 0; i < table->column_count; i++) {
        uint64_t id = large_id(row, i + 1);
        uint32_t old_size = before[i + 1].size;
        if (after[i].size == 0) {
            TRY(large__delete(f, writer->transaction, writer->partition, table, id, old_size));
        } else if (old == NULL || old_size == 0 || !same_bytes(&old[i], &values[i])) {
            TRY(large__put(f, writer->transaction, writer->partition, table, id, values[i].string,
                           old_size));
        }
    }
    return STATUS_OK;
}

static enum status put_long(struct fiber *f, struct row_writer *writer, struct row_id row,
                            const struct value *values, const struct value *old,
                            struct slice stored, size_t estimate) {
    const struct table *table = writer->table;
    struct row_external *before, *after;
    TRY(stored_externals(f, writer, row, stored, &before));
    TRY(arena__array(&writer->scratch, table->column_count, sizeof *after, &after));
    choose_externals(table, values, estimate, row, after);
    TRY(externals_write(f, writer, row, values, old, before, after));
    buffer_clear(&writer->row);
    TRY(row_encode(&table->row_schema, values, after, &writer->row));
    TRY(buffer_status(&writer->row));
    struct slice bytes = buffer_slice(&writer->row);
    uint64_t id = large_id(row, 0);
    if (bytes.size <= ROW_OUTSIDE_LIMIT) {
        TRY(large__delete(f, writer->transaction, writer->partition, table, id, before[0].size));
        return row_writer_put_bytes(f, writer, row, &bytes);
    }
    TRY(large__put(f, writer->transaction, writer->partition, table, id, bytes, before[0].size));
    uint8_t pointer[ROW_OUTSIDE_SIZE];
    row_outside_encode((uint32_t)bytes.size, pointer);
    bytes = slice_of(pointer, sizeof pointer);
    return row_writer_put_bytes(f, writer, row, &bytes);
}

enum status row_writer_put(struct fiber *f, struct row_writer *writer, struct row_id row,
                           const struct value *values, const struct value *old,
                           struct slice stored) {
    size_t estimate = row__size_estimate(writer->table, values);
    if (estimate <= ROW_INLINE_SIZE_MAX && stored.size == 0) {
        buffer_clear(&writer->row);
        TRY(row_encode(&writer->table->row_schema, values, NULL, &writer->row));
        TRY(buffer_status(&writer->row));
        struct slice bytes = buffer_slice(&writer->row);
        return row_writer_put_bytes(f, writer, row, &bytes);
    }
    enum status status = put_long(f, writer, row, values, old, stored, estimate);
    arena_reset(&writer->scratch);
    return status;
}

enum status row_writer_drop_large(struct fiber *f, struct row_writer *writer, struct row_id row,
                                  struct slice stored) {
    struct row_external *before;
    TRY(stored_externals(f, writer, row, stored, &before));
    for (unsigned i = 0; i <= writer->table->column_count; i++)
        TRY(large__delete(f, writer->transaction, writer->partition, writer->table,
                          large_id(row, i), before[i].size));
    return STATUS_OK;
}
