/* Keys of index entries. */
#include "table/rows.h"

enum { KEY_ROOM = 10 }; /* row id and partition behind the columns */

static enum status key_end(const struct index *index, struct buffer *buffer,
                           struct index_key *key) {
    key->size = buffer->size - key->offset;
    if (key->size + KEY_ROOM > INDEX_KEY_SIZE_MAX) {
        error_set(STATUS_LIMIT_EXCEEDED, "index row size %zu exceeds maximum %d for index \"%s\"",
                  key->size + KEY_ROOM, (int)INDEX_KEY_SIZE_MAX, index->name);
        error_hint("Values larger than this cannot be indexed. Consider an index of a hash of "
                   "the value.");
        return STATUS_LIMIT_EXCEEDED;
    }
    if (buffer_reserve(buffer, KEY_ROOM) != NULL)
        buffer->size += KEY_ROOM;
    return buffer_status(buffer);
}

enum status index__key(const struct index *index, const struct value *row, struct buffer *buffer,
                       struct index_key *key_out) {
    *key_out = (struct index_key){.offset = buffer->size};
    for (unsigned i = 0; i < index->column_count; i++) {
        const struct value *value = &row[index->columns[i].column_number - 1];
        key_out->has_null |= value->is_null;
        key_encode_value(&index->key_columns[i], value, buffer);
    }
    return key_end(index, buffer, key_out);
}

enum status index__key_of_batch(const struct index *index, const struct batch *batch, uint32_t row,
                                struct buffer *buffer, struct index_key *key_out) {
    const struct vector *vectors[INDEX_COLUMNS_MAX];
    *key_out = (struct index_key){.offset = buffer->size};
    for (unsigned i = 0; i < index->column_count; i++) {
        vectors[i] = &batch->vectors[index->columns[i].column_number - 1];
        key_out->has_null |= vector_is_null(vectors[i], row);
    }
    key_encode_row(index->key_columns, vectors, index->column_count, row, buffer);
    return key_end(index, buffer, key_out);
}

struct slice index__entry_key(const struct index *index, const struct index_key *key,
                              unsigned partition, struct row_id row, struct buffer *buffer) {
    uint8_t *at = buffer->data + key->offset;
    size_t size = key->size;
    if (!index->unique || key->has_null) {
        put_be64(at + size, row.value);
        size += 8;
        if (!index->local) {
            put_be16(at + size, (uint16_t)partition);
            size += 2;
        }
    }
    return slice_of(at, size);
}

enum status index__key_columns(const struct index *index, struct slice key,
                               struct slice *columns_out) {
    size_t tail = index->local ? 8 : 10;
    bool has_tail = !index->unique;
    if (index->unique && !index->primary)
        TRY(key_has_null(index->key_columns, index->column_count, key, &has_tail));
    if (has_tail && key.size < tail)
        return error_set(STATUS_INDEX_CORRUPTED, "index \"%s\" holds a key of %zu bytes",
                         index->name, key.size);
    *columns_out = slice_of(key.data, has_tail ? key.size - tail : key.size);
    return STATUS_OK;
}

bool index__same_key(const struct index *index, const struct value *a, const struct value *b) {
    for (unsigned i = 0; i < index->column_count; i++) {
        unsigned column = (unsigned)index->columns[i].column_number - 1;
        if (a[column].is_null != b[column].is_null)
            return false;
        if (!a[column].is_null && value_compare(&a[column], &b[column]) != 0)
            return false;
    }
    return true;
}

unsigned index__partition(const struct store *store, const struct index *index,
                          const struct value *row) {
    return table_partition_of(store, &row[index->columns[0].column_number - 1]);
}
