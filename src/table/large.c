/* Long values in pieces, in a table's large tree. */
#include "table/rows.h"

static uint32_t piece_count(uint32_t size) {
    return (uint32_t)(((uint64_t)size + LARGE_PIECE_SIZE - 1) / LARGE_PIECE_SIZE);
}

static enum status pieces_delete(struct fiber *f, struct transaction *transaction,
                                 struct partition *partition, const struct table *table,
                                 uint64_t id, uint32_t first, uint32_t end) {
    uint8_t key[LARGE_KEY_SIZE];
    for (uint32_t piece = first; piece < end; piece++) {
        large_key_encode(id, piece, key);
        TRY(txn_delete(f, transaction, partition, table->large_tree, slice_of(key, sizeof key)));
    }
    return STATUS_OK;
}

enum status large__put(struct fiber *f, struct transaction *transaction,
                       struct partition *partition, const struct table *table, uint64_t id,
                       struct slice bytes, uint32_t old_size) {
    ASSERT(bytes.size > 0 && bytes.size <= ROW_SIZE_MAX);
    uint32_t count = piece_count((uint32_t)bytes.size);
    uint8_t key[LARGE_KEY_SIZE];
    for (uint32_t piece = 0; piece < count; piece++) {
        size_t at = (size_t)piece * LARGE_PIECE_SIZE;
        size_t size = bytes.size - at < LARGE_PIECE_SIZE ? bytes.size - at : LARGE_PIECE_SIZE;
        large_key_encode(id, piece, key);
        /* Only the row leads here, and it says how many pieces there are: that a piece was absent
           before needs no history. */
        TRY(txn_put(f, transaction, partition, table->large_tree, slice_of(key, sizeof key),
                    slice_of(bytes.data + at, size), TXN_PUT_CHECKED_BY_READER));
        TRY(fiber_check(f));
    }
    return pieces_delete(f, transaction, partition, table, id, count, piece_count(old_size));
}

enum status large__delete(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, const struct table *table, uint64_t id,
                          uint32_t size) {
    return pieces_delete(f, transaction, partition, table, id, 0, piece_count(size));
}

static enum status damaged(const struct table *table, uint64_t id) {
    return error_set(STATUS_DATA_CORRUPTED,
                     "a long value of table \"%s\" is damaged (row %llu, column %u)", table->name,
                     (unsigned long long)(id >> LARGE_COLUMN_BITS),
                     (unsigned)(id & ((1u << LARGE_COLUMN_BITS) - 1)));
}

/* Copy what the cursor yields; *filled_out ends at `size` when nothing is missing. */
static enum status pieces_read(struct fiber *f, struct txn_cursor *cursor, uint64_t id,
                               uint8_t *bytes, uint32_t size, uint32_t *filled_out) {
    struct txn_entry entries[32];
    uint32_t filled = 0, piece = 0;
    for (;;) {
        size_t count;
        TRY(txn_cursor_next(f, cursor, entries, 32, &count));
        if (count == 0)
            break;
        for (size_t i = 0; i < count && filled < size; i++) {
            struct slice key = entries[i].key, value = entries[i].value;
            uint32_t left = size - filled;
            uint32_t wanted = left < LARGE_PIECE_SIZE ? left : LARGE_PIECE_SIZE;
            if (key.size != LARGE_KEY_SIZE || get_be64(key.data) != id ||
                get_be32(key.data + 8) != piece || value.size != wanted)
                return STATUS_OK; /* the caller sees that bytes are missing */
            memcpy(bytes + filled, value.data, wanted);
            filled += wanted;
            piece++;
            *filled_out = filled;
        }
        if (filled == size)
            break;
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

enum status large__get(struct fiber *f, struct transaction *transaction,
                       struct partition *partition, const struct table *table, uint64_t id,
                       uint32_t size, bool newest, struct arena *arena, struct slice *bytes_out) {
    uint8_t *bytes = size == 0 ? NULL : arena_alloc(arena, size);
    if (bytes == NULL)
        return size == 0
                   ? damaged(table, id)
                   : error_set(STATUS_OUT_OF_MEMORY, "out of memory for a value of %u bytes", size);
    uint8_t lower[LARGE_KEY_SIZE], upper[LARGE_KEY_SIZE];
    large_key_encode(id, 0, lower);
    large_key_encode(id, piece_count(size), upper);
    struct txn_range range = {
        .lower = slice_of(lower, sizeof lower),
        .upper = slice_of(upper, sizeof upper),
        .newest = newest,
        .key_stride = LARGE_KEY_SIZE,
    };
    struct txn_cursor *cursor;
    TRY(txn_cursor_open(f, transaction, partition, table->large_tree, &range, &cursor));
    uint32_t filled = 0;
    enum status status = pieces_read(f, cursor, id, bytes, size, &filled);
    txn_cursor_close(f, cursor);
    TRY(status);
    if (filled != size)
        return damaged(table, id);
    *bytes_out = slice_of(bytes, size);
    return STATUS_OK;
}
