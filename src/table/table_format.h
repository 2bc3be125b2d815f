/*
 * What the trees of tables, indexes and sequences hold.
 *
 * Row tree (struct table.row_tree), one entry a row:
 *
 *     key    row id, 8 bytes big-endian
 *     value  varint: generation << 1 | deleted; then, unless deleted, the row (value_row.h), or,
 *            when even without its long values it is too long, an outside row: FF FF FF FF (no row
 *            begins so), then its size u32 little-endian; its bytes are a large value of column 0
 *
 *   The generation is that of the block that covered the row id when the row was written, 0
 *   without a block: see block_format.h. Only rows that a block may hold are kept as deleted.
 *
 * Large tree (struct table.large_tree), the long values of rows in pieces:
 *
 *     key    large id u64 big-endian = row id << 11 | column number; piece number u32 big-endian
 *     value  up to LARGE_PIECE_SIZE bytes; all pieces but the last are full
 *
 *   A value belongs to its row: an update overwrites it in place, as versions of rows do, and
 *   old snapshots find the old pieces in the trees' history as they find the old row.
 *
 * Index tree (struct index.tree), one entry a row, on the row's partition if the index is local,
 * else on the partition of the hash of the first column (partition 0 for null):
 *
 *     key    the columns (value_key.h); when the index is not unique or some column is null also
 *            row id, 8 bytes big-endian, and, if not local, partition, 2 bytes big-endian
 *     value  row id u64 little-endian; if not local, then partition u16 little-endian
 *
 * Sequence tree, on partition 0, one entry a sequence once it was used:
 *
 *     key    state id u32 big-endian; 0 is the counter of oids and tree ids
 *     value  17 bytes: version 1 u8; last value i64 little-endian: the largest (smallest when
 *            descending) number that may have been given out; is called u8, 0 or 1: else the next
 *            number is the last value itself; 7 zero bytes
 */
#ifndef TABLE_FORMAT_H
#define TABLE_FORMAT_H

#include "base/base_bytes.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "table/table_schema.h"

enum {
    ROW_KEY_SIZE = 8,
    ROW_PREFIX_SIZE_MAX = VARINT_SIZE_MAX,
    ROW_OUTSIDE_SIZE = 8,
    LARGE_KEY_SIZE = 12,
    LARGE_COLUMN_BITS = 11,
    LARGE_PIECE_SIZE = 3500,
    INDEX_VALUE_SIZE_MAX = 10,
    SEQUENCE_KEY_SIZE = 4,
    SEQUENCE_STATE_SIZE = 17,
};
_Static_assert(COLUMNS_MAX < 1 << LARGE_COLUMN_BITS, "a column number fits a large id");

static inline void row_key_encode(struct row_id row, uint8_t key[ROW_KEY_SIZE]) {
    put_be64(key, row.value);
}
static inline struct row_id row_key_decode(struct slice key) {
    return (struct row_id){key.size == ROW_KEY_SIZE ? get_be64(key.data) : 0};
}

/* A stored row taken apart. */
struct row_stored {
    uint64_t generation;
    bool deleted;
    struct slice row; /* what follows the prefix */
};
/* False for bytes that begin with no prefix. */
static inline bool row_stored_decode(struct slice stored, struct row_stored *out) {
    uint64_t prefix = 0;
    size_t size = varint_get(stored.data, stored.size, &prefix);
    *out = (struct row_stored){.generation = prefix >> 1, .deleted = (prefix & 1) != 0};
    if (size > 0)
        out->row = slice_of(stored.data + size, stored.size - size);
    return size > 0;
}
/* Returns the size. */
static inline size_t row_prefix_encode(uint64_t generation, bool deleted,
                                       uint8_t prefix[ROW_PREFIX_SIZE_MAX]) {
    return varint_put(prefix, generation << 1 | deleted);
}

/* Size of an outside row; 0: the value is an ordinary row. */
static inline uint32_t row_outside_size(struct slice value) {
    if (value.size != ROW_OUTSIDE_SIZE || get_le32(value.data) != UINT32_MAX)
        return 0;
    return get_le32(value.data + 4);
}
static inline void row_outside_encode(uint32_t size, uint8_t value[ROW_OUTSIDE_SIZE]) {
    put_le32(value, UINT32_MAX);
    put_le32(value + 4, size);
}

static inline uint64_t large_id(struct row_id row, unsigned column_number) {
    return row.value << LARGE_COLUMN_BITS | column_number;
}
static inline void large_key_encode(uint64_t id, uint32_t piece, uint8_t key[LARGE_KEY_SIZE]) {
    put_be64(key, id);
    put_be32(key + 8, piece);
}

/* Returns the size. */
size_t index_value_encode(const struct index *index, unsigned partition, struct row_id row,
                          uint8_t value[INDEX_VALUE_SIZE_MAX]);
/* `partition_out` is left alone for a local index. INDEX_CORRUPTED for other bytes. */
enum status index_value_decode(const struct index *index, struct slice value,
                               unsigned *partition_out, struct row_id *row_out) MUST_USE;

struct sequence_state {
    int64_t last;
    bool is_called;
};
void sequence_state_encode(struct sequence_state state, uint8_t value[SEQUENCE_STATE_SIZE]);
enum status sequence_state_decode(struct slice value, struct sequence_state *state_out) MUST_USE;

#endif
