/* Blocks read for one row: its range's lock and generation, and the row itself. */
#include "table/block.h"

enum status block__range_lock(struct fiber *f, struct transaction *transaction,
                              struct partition *partition, const struct table *table,
                              uint64_t range, enum key_lock_mode mode, enum lock_wait wait,
                              bool *locked_out) {
    uint8_t bytes[8];
    put_be64(bytes, range);
    /* Two bytes shorter than the keys of rows, so it is none of them. */
    struct slice key = slice_of(bytes + 2, sizeof bytes - 2);
    return txn_lock_key(f, transaction, partition, table->row_tree, key, mode, wait, locked_out,
                        NULL);
}

enum status block__header(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, const struct table *table, uint64_t range,
                          enum row_version version, struct arena *arena, bool *found_out,
                          struct txn_large *large_out, struct block_header *header_out) {
    uint8_t key[BLOCK_KEY_SIZE];
    block_key_encode(range, 0, 0, key);
    TRY(txn_get_large(f, transaction, partition, block_tree(table), slice_of(key, sizeof key),
                      version == ROW_NEWEST, arena, found_out, large_out));
    if (!*found_out)
        return STATUS_OK;
    enum status status = txn_large_proven(large_out)
                             ? block_header_decode_again(large_out->bytes, header_out)
                             : block_header_decode(large_out->bytes, header_out);
    if (status == STATUS_OK) {
        txn_large_set_proven(large_out);
    } else {
        txn_release_large(partition, large_out);
        *found_out = false;
    }
    return status;
}

enum status block__generation(struct fiber *f, struct transaction *transaction,
                              struct partition *partition, const struct table *table,
                              uint64_t range, uint64_t *generation_out) {
    struct arena arena = {0};
    struct txn_large large;
    struct block_header header;
    bool found;
    enum status status = block__header(f, transaction, partition, table, range, ROW_NEWEST, &arena,
                                       &found, &large, &header);
    *generation_out = 0;
    if (status == STATUS_OK && found) {
        *generation_out = header.generation;
        txn_release_large(partition, &large);
    }
    arena_release(&arena);
    return status;
}

/* ---- counting ---------------------------------------------------------------------------- */

enum { SAMPLED_BLOCKS = 8, ROWS_UNKNOWN = BLOCK_ROWS_MAX / 2 };

/* Of the first blocks, exactly; what follows is like them. Headers that do not lie in the tree (of
   rows with gaps, of very many columns) would have to be fetched and are guessed. */
enum status block__count_rows(struct fiber *f, struct partition *partition,
                              const struct table *table, uint64_t *rows_out) {
    uint64_t rows = 0, entries = 0, blocks = 0, from = 0, all;
    struct arena arena = {0};
    enum status status = STATUS_OK;
    while (blocks < SAMPLED_BLOCKS && from != UINT64_MAX && status == STATUS_OK) {
        struct slice bytes;
        struct block_header header;
        uint64_t number;
        status =
            partition_short_from(f, partition, block_tree(table), from, &arena, &number, &bytes);
        if (status != STATUS_OK || number == UINT64_MAX)
            break;
        from = number + 1;
        blocks++;
        entries += table->column_count + 1u;
        if (bytes.size == 0)
            rows += ROWS_UNKNOWN;
        else if ((status = block_header_decode(bytes, &header)) == STATUS_OK)
            rows += header.rows;
    }
    arena_release(&arena);
    if (status == STATUS_OK && blocks == SAMPLED_BLOCKS) {
        status = partition_tree_count(f, partition, block_tree(table), &all);
        if (status == STATUS_OK && all > entries)
            rows = rows * all / entries;
    }
    *rows_out = rows;
    return status;
}

/* ---- one row ---------------------------------------------------------------------------- */

static bool is_wanted(const struct row_columns *wanted, int16_t number) {
    if (wanted == NULL)
        return true;
    for (size_t i = 0; i < wanted->count; i++) {
        if (wanted->numbers[i] == number)
            return true;
    }
    for (unsigned i = 0; wanted->index != NULL && i < wanted->index->column_count; i++) {
        if (wanted->index->columns[i].column_number == number)
            return true;
    }
    return false;
}

/* One value of a column of the block, copied. */
static enum status fetch_value(struct fiber *f, struct transaction *transaction,
                               const struct row_place *place, const struct block_column *column,
                               uint32_t position, struct arena *arena, struct value *value_out) {
    uint8_t key[BLOCK_KEY_SIZE];
    struct txn_large large;
    bool found;
    block_key_encode(block_range(place->row), column->number, position / column->piece_rows, key);
    TRY(txn_get_large(f, transaction, place->partition, block_tree(place->table),
                      slice_of(key, sizeof key), place->version == ROW_NEWEST, arena, &found,
                      &large));
    if (!found)
        return error_set(STATUS_DATA_CORRUPTED, "a block of table \"%s\" lacks column %u",
                         place->table->name, column->number);
    struct column_reader reader;
    struct value value;
    enum status status = column_open(
        large.bytes, place->table->columns[column->number - 1].type,
        txn_large_proven(&large) ? COLUMN_OPEN_AGAIN : COLUMN_OPEN_TRUSTED, arena, &reader);
    if (status == STATUS_OK)
        txn_large_set_proven(&large);
    if (status == STATUS_OK && position % column->piece_rows >= reader.rows)
        status = error_set(STATUS_DATA_CORRUPTED, "a block of table \"%s\" lacks rows",
                           place->table->name);
    if (status == STATUS_OK)
        status = column_get(&reader, position % column->piece_rows, arena, &value);
    if (status == STATUS_OK)
        *value_out = value_copy(&value, arena);
    txn_release_large(place->partition, &large);
    return status;
}

static enum status fetch_columns(struct fiber *f, struct transaction *transaction,
                                 const struct row_place *place, const struct block_header *header,
                                 uint32_t position, const struct row_columns *wanted,
                                 struct arena *arena, struct slice *row_out) {
    const struct table *table = place->table;
    struct value *values;
    TRY(arena__array(arena, table->column_count, sizeof *values, &values));
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        struct block_column at;
        values[i] = value_null(column->type);
        if (column->dropped || !is_wanted(wanted, column->number))
            continue;
        if (block_column_find(header, column->number, &at))
            TRY(fetch_value(f, transaction, place, &at, position, arena, &values[i]));
        else if (column->has_missing)
            values[i] = column->missing;
    }
    struct buffer buffer = {0};
    enum status status = row_encode(&table->row_schema, values, NULL, &buffer);
    if (status == STATUS_OK)
        status = buffer_status(&buffer);
    if (status == STATUS_OK)
        *row_out = arena_copy_slice(arena, buffer_slice(&buffer));
    buffer_release(&buffer);
    return status == STATUS_OK ? arena_status(arena) : status;
}

/* A row of a block, found: its header stays in place until cold_row_release. */
struct cold_row {
    struct txn_large large;
    struct block_header header;
    uint32_t position;
};

static enum status cold_row_find(struct fiber *f, struct transaction *transaction,
                                 const struct row_place *place, struct arena *arena,
                                 bool *found_out, struct cold_row *cold) {
    *found_out = false;
    if (place->table->is_system)
        return STATUS_OK;
    /* The newest header and the newest chunks must be of one version. */
    if (place->version == ROW_NEWEST)
        TRY(block__range_lock(f, transaction, place->partition, place->table,
                              block_range(place->row), KEY_LOCK_SHARE, LOCK_WAIT, NULL));
    TRY(block__header(f, transaction, place->partition, place->table, block_range(place->row),
                      place->version, arena, found_out, &cold->large, &cold->header));
    if (!*found_out)
        return STATUS_OK;
    *found_out = block_position(&cold->header, block_place(place->row), &cold->position);
    if (!*found_out)
        txn_release_large(place->partition, &cold->large);
    return STATUS_OK;
}

enum status block__fetch_row(struct fiber *f, struct transaction *transaction,
                             const struct row_place *place, const struct row_columns *wanted,
                             struct arena *arena, bool *found_out, struct slice *row_out) {
    struct cold_row cold;
    TRY(cold_row_find(f, transaction, place, arena, found_out, &cold));
    if (!*found_out)
        return STATUS_OK;
    enum status status =
        fetch_columns(f, transaction, place, &cold.header, cold.position, wanted, arena, row_out);
    txn_release_large(place->partition, &cold.large);
    return status;
}

static enum status fetch_listed(struct fiber *f, struct transaction *transaction,
                                const struct row_place *place, const struct cold_row *cold,
                                const int16_t *numbers, size_t count, struct arena *arena,
                                struct value *values) {
    const struct table *table = place->table;
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] <= 0) {
            values[i] = row__address_column(place, numbers[i]);
            continue;
        }
        const struct column *column = &table->columns[numbers[i] - 1];
        struct block_column at;
        values[i] = value_null(column->type);
        if (column->dropped)
            continue;
        if (block_column_find(&cold->header, column->number, &at))
            TRY(fetch_value(f, transaction, place, &at, cold->position, arena, &values[i]));
        else if (column->has_missing)
            values[i] = column->missing;
    }
    return arena_status(arena);
}

enum status block__fetch_values(struct fiber *f, struct transaction *transaction,
                                const struct row_place *place, const int16_t *numbers, size_t count,
                                struct arena *arena, bool *found_out, struct value *values) {
    struct cold_row cold;
    TRY(cold_row_find(f, transaction, place, arena, found_out, &cold));
    if (!*found_out)
        return STATUS_OK;
    enum status status = fetch_listed(f, transaction, place, &cold, numbers, count, arena, values);
    txn_release_large(place->partition, &cold.large);
    return status;
}
