/* Encoding and decoding of index values and sequence states. */
#include "table/table_format.h"

size_t index_value_encode(const struct index *index, unsigned partition, struct row_id row,
                          uint8_t value[INDEX_VALUE_SIZE_MAX]) {
    put_le64(value, row.value);
    if (index->local)
        return 8;
    put_le16(value + 8, (uint16_t)partition);
    return 10;
}

enum status index_value_decode(const struct index *index, struct slice value,
                               unsigned *partition_out, struct row_id *row_out) {
    if (value.size != (index->local ? 8u : 10u))
        return error_set(STATUS_INDEX_CORRUPTED, "index \"%s\" holds an entry of %zu bytes",
                         index->name, value.size);
    row_out->value = get_le64(value.data);
    if (!index->local)
        *partition_out = get_le16(value.data + 8);
    return STATUS_OK;
}

void sequence_state_encode(struct sequence_state state, uint8_t value[SEQUENCE_STATE_SIZE]) {
    memset(value, 0, SEQUENCE_STATE_SIZE);
    value[0] = 1;
    put_le64(value + 1, (uint64_t)state.last);
    value[9] = state.is_called;
}

enum status sequence_state_decode(struct slice value, struct sequence_state *state_out) {
    if (value.size != SEQUENCE_STATE_SIZE || value.data[0] != 1 || value.data[9] > 1)
        return error_set(STATUS_DATA_CORRUPTED, "the state of a sequence is damaged");
    for (int i = 10; i < SEQUENCE_STATE_SIZE; i++) {
        if (value.data[i] != 0)
            return error_set(STATUS_DATA_CORRUPTED, "the state of a sequence is damaged");
    }
    state_out->last = (int64_t)get_le64(value.data + 1);
    state_out->is_called = value.data[9] != 0;
    return STATUS_OK;
}
