/*
 * Making blocks: rows of a range gathered column by column, encoded, put as large entries.
 *
 * A column goes into one chunk if that is not too large; else into pieces of half as many rows,
 * until they fit: wide strings give small pieces, others one.
 */
#include "table/block.h"

#include "base/base_memory.h"

size_t block__bytes_max(const struct store *store) {
    uint64_t share = store_memory(store) / BLOCK_MEMORY_SHARE;
    return share < BLOCK_BYTES_MAX ? (size_t)share : BLOCK_BYTES_MAX;
}

enum status block_builder_init(struct block_builder *builder, const struct table *table) {
    *builder = (struct block_builder){.table = table};
    TRY(arena__array(&builder->arena, table->column_count, sizeof *builder->columns,
                     &builder->columns));
    TRY(arena__array(&builder->arena, BLOCK_BITMAP_SIZE, 1, &builder->bitmap));
    for (unsigned i = 0; i < table->column_count; i++)
        column_builder_init(&builder->columns[i], table->columns[i].type);
    return STATUS_OK;
}

void block_builder_release(struct block_builder *builder) {
    for (unsigned i = 0; builder->columns != NULL && i < builder->table->column_count; i++)
        column_builder_release(&builder->columns[i]);
    arena_release(&builder->arena);
    *builder = (struct block_builder){0};
}

size_t block_builder_size(const struct block_builder *builder) {
    size_t size = 0;
    for (unsigned i = 0; i < builder->table->column_count; i++) {
        const struct column_builder *column = &builder->columns[i];
        size += (size_t)column->count * column->value_size + column->string_bytes;
    }
    return size;
}

enum status block_builder_add(struct block_builder *builder, const struct vector *vectors,
                              const uint16_t *rows, uint32_t count, const uint32_t *places) {
    const struct table *table = builder->table;
    for (unsigned i = 0; i < table->column_count; i++) {
        if (!table->columns[i].dropped)
            TRY(column_builder_append(&builder->columns[i], &vectors[i], rows, count));
    }
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(builder->rows + i == 0 || places[i] > builder->last_place);
        builder->bitmap[places[i] / 8] |= (uint8_t)(1u << (places[i] % 8));
        if (builder->rows + i == 0)
            builder->first_place = places[i];
        builder->last_place = places[i];
    }
    builder->rows += count;
    return STATUS_OK;
}

/* ---- putting ------------------------------------------------------------------------------ */

struct block_put {
    struct block_builder *builder;
    struct transaction *transaction;
    struct partition *partition;
    uint64_t range;
    struct arena arena; /* of one chunk */
};

static enum status let_others_run(void *fiber) {
    return fiber_check(fiber);
}

/* *fits_out false: the chunk of so many rows would be too large. */
static enum status put_piece(struct fiber *f, struct block_put *put, unsigned column,
                             unsigned piece, struct block_column *at, bool *fits_out) {
    struct column_builder *values = &put->builder->columns[column];
    uint32_t first = piece * at->piece_rows, rows = put->builder->rows - first;
    struct slice chunk;
    arena_reset(&put->arena);
    values->pause = (struct column_pause){let_others_run, f};
    enum status status = column_builder_encode(
        values, first, rows < at->piece_rows ? rows : at->piece_rows, &put->arena, &chunk);
    *fits_out = status == STATUS_OK && chunk.size <= TXN_LARGE_SIZE_MAX;
    if (!*fits_out && at->piece_rows > BLOCK_PIECE_ROWS_MIN &&
        (status == STATUS_OK || status == STATUS_LIMIT_EXCEEDED)) {
        error_clear();
        return STATUS_OK;
    }
    TRY(status);
    TRY(fiber_check(f));
    struct column_reader reader;
    TRY(column_open(chunk, values->type, COLUMN_OPEN_TRUSTED, &put->arena, &reader));
    at->bytes += (uint32_t)chunk.size;
    at->nulls += reader.nulls;
    uint8_t key[BLOCK_KEY_SIZE];
    block_key_encode(put->range, at->number, piece, key);
    return txn_put_large(f, put->transaction, put->partition, block_tree(put->builder->table),
                         slice_of(key, sizeof key), chunk);
}

static enum status put_column(struct fiber *f, struct block_put *put, unsigned column,
                              struct block_column *at) {
    uint32_t rows = put->builder->rows, piece_rows = BLOCK_ROWS_MAX;
    bool fits = false;
    while (!fits) {
        *at = (struct block_column){.number = (uint16_t)(column + 1), .piece_rows = piece_rows};
        at->pieces = (uint16_t)((rows + piece_rows - 1) / piece_rows);
        fits = true;
        for (unsigned piece = 0; piece < at->pieces && fits; piece++) {
            TRY(put_piece(f, put, column, piece, at, &fits));
            TRY(fiber_check(f));
        }
        piece_rows /= 2;
    }
    return STATUS_OK;
}

/* Entries of the older version that the new one has not put anew. */
static enum status delete_rest(struct fiber *f, struct block_put *put,
                               const struct block_header *old, const struct block_header *header) {
    for (unsigned i = 0; i < old->column_count; i++) {
        struct block_column before, after;
        block_column_decode(old, i, &before);
        if (!block_column_find(header, before.number, &after))
            after.pieces = 0;
        for (unsigned piece = after.pieces; piece < before.pieces; piece++) {
            uint8_t key[BLOCK_KEY_SIZE];
            block_key_encode(put->range, before.number, piece, key);
            TRY(txn_delete(f, put->transaction, put->partition, block_tree(put->builder->table),
                           slice_of(key, sizeof key)));
        }
    }
    return STATUS_OK;
}

static enum status put_all(struct fiber *f, struct block_put *put, uint64_t generation,
                           const struct block_header *old, struct buffer *buffer) {
    struct block_builder *builder = put->builder;
    const struct table *table = builder->table;
    struct arena columns_arena = {0};
    struct block_column *columns;
    enum status status =
        arena__array(&columns_arena, table->column_count, sizeof *columns, &columns);
    struct block_header header = {
        .generation = generation, .rows = builder->rows, .first = builder->first_place};
    for (unsigned i = 0; i < table->column_count && status == STATUS_OK; i++) {
        if (!table->columns[i].dropped)
            status = put_column(f, put, i, &columns[header.column_count++]);
    }
    if (builder->rows == 0)
        header.first = 0;
    else if (builder->last_place - builder->first_place + 1 != builder->rows)
        header.bitmap = builder->bitmap;
    if (status == STATUS_OK) {
        block_header_encode(&header, columns, buffer);
        status = buffer_status(buffer);
    }
    if (status == STATUS_OK)
        status = block_header_decode(buffer_slice(buffer), &header);
    if (status == STATUS_OK && old != NULL)
        status = delete_rest(f, put, old, &header);
    arena_release(&columns_arena);
    TRY(status);
    uint8_t key[BLOCK_KEY_SIZE];
    block_key_encode(put->range, 0, 0, key);
    return txn_put_large(f, put->transaction, put->partition, block_tree(table),
                         slice_of(key, sizeof key), buffer_slice(buffer));
}

enum status block_builder_put(struct fiber *f, struct block_builder *builder,
                              struct transaction *transaction, struct partition *partition,
                              uint64_t range, uint64_t generation, const struct block_header *old) {
    struct block_put put = {
        .builder = builder, .transaction = transaction, .partition = partition, .range = range};
    struct buffer buffer = {0};
    enum status status = put_all(f, &put, generation, old, &buffer);
    buffer_release(&buffer);
    arena_release(&put.arena);
    return status;
}
