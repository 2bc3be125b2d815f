/* Reading one row of a partition: its bytes, its columns, its long values. */
#include "table/block.h"

enum status row__bring_in(struct fiber *f, struct transaction *transaction,
                          const struct row_place *place, struct slice pointer, struct arena *arena,
                          struct slice *row_out) {
    return large__get(f, transaction, place->partition, place->table, large_id(place->row, 0),
                      row_outside_size(pointer), place->version == ROW_NEWEST, arena, row_out);
}

enum status row__stored(const struct table *table, struct slice bytes,
                        struct row_stored *stored_out) {
    if (row_stored_decode(bytes, stored_out))
        return STATUS_OK;
    return error_set(STATUS_DATA_CORRUPTED, "a row of table \"%s\" is damaged", table->name);
}

/* The row in the hot tree. *known_out false: the block decides. */
static enum status get_hot(struct fiber *f, struct transaction *transaction,
                           const struct row_place *place, struct arena *arena, bool *known_out,
                           bool *found_out, struct slice *row_out) {
    uint8_t key[ROW_KEY_SIZE];
    row_key_encode(place->row, key);
    struct slice key_slice = slice_of(key, sizeof key);
    if (place->version == ROW_NEWEST)
        TRY(txn_get_newest(f, transaction, place->partition, place->table->row_tree, key_slice,
                           arena, known_out, row_out));
    else
        TRY(txn_get(f, transaction, place->partition, place->table->row_tree, key_slice, arena,
                    known_out, row_out));
    *found_out = *known_out;
    if (!*known_out)
        return STATUS_OK;
    struct row_stored stored;
    TRY(row__stored(place->table, *row_out, &stored));
    *found_out = !stored.deleted;
    *row_out = stored.row;
    if (*found_out && row_outside_size(*row_out) != 0)
        return row__bring_in(f, transaction, place, *row_out, arena, row_out);
    return STATUS_OK;
}

enum status row__get(struct fiber *f, struct transaction *transaction,
                     const struct row_place *place, const struct row_columns *wanted,
                     struct arena *arena, bool *found_out, struct slice *row_out) {
    bool known;
    TRY(get_hot(f, transaction, place, arena, &known, found_out, row_out));
    if (known)
        return STATUS_OK;
    return block__fetch_row(f, transaction, place, wanted, arena, found_out, row_out);
}

enum status row__get_values(struct fiber *f, struct transaction *transaction,
                            const struct row_place *place, const int16_t *numbers, size_t count,
                            struct arena *arena, bool *found_out, struct value *values) {
    bool known;
    struct slice row;
    TRY(get_hot(f, transaction, place, arena, &known, found_out, &row));
    if (!known)
        return block__fetch_values(f, transaction, place, numbers, count, arena, found_out, values);
    if (!*found_out)
        return STATUS_OK;
    return row__columns(f, transaction, place, row, numbers, count, arena, values);
}

static enum status fetch_external(struct fiber *f, struct transaction *transaction,
                                  const struct row_place *place, unsigned column,
                                  const struct row_external *external, struct arena *arena,
                                  struct value *value_out) {
    struct slice bytes;
    TRY(large__get(f, transaction, place->partition, place->table, external->id, external->size,
                   place->version == ROW_NEWEST, arena, &bytes));
    *value_out = value_string(place->table->columns[column].type, bytes);
    return STATUS_OK;
}

static enum status decode_column(struct fiber *f, struct transaction *transaction,
                                 const struct row_place *place, struct slice row, unsigned column,
                                 struct arena *arena, struct value *value_out) {
    enum row_presence presence;
    struct row_external external;
    TRY(row_decode_column(&place->table->row_schema, row, column, value_out, &presence, &external));
    if (__builtin_expect(presence != ROW_EXTERNAL, 1))
        return STATUS_OK;
    return fetch_external(f, transaction, place, column, &external, arena, value_out);
}

struct value row__address_column(const struct row_place *place, int16_t number) {
    struct row_address address = {(uint16_t)partition_number(place->partition), place->row};
    return number == 0 ? value_int8(row_address_pack(address)) : value_oid(place->table->oid);
}

enum status row__columns(struct fiber *f, struct transaction *transaction,
                         const struct row_place *place, struct slice row,
                         const int16_t *column_numbers, size_t count, struct arena *arena,
                         struct value *values) {
    for (size_t i = 0; i < count; i++) {
        int16_t number = column_numbers[i];
        if (number > 0) {
            TRY(decode_column(f, transaction, place, row, (unsigned)number - 1, arena, &values[i]));
        } else {
            values[i] = row__address_column(place, number);
        }
    }
    return STATUS_OK;
}

enum status row__all_columns(struct fiber *f, struct transaction *transaction,
                             const struct row_place *place, struct slice row, struct arena *arena,
                             struct value *values) {
    const struct table *table = place->table;
    for (unsigned i = 0; i < table->column_count; i++) {
        if (table->columns[i].dropped)
            values[i] = value_null(table->columns[i].type);
        else
            TRY(decode_column(f, transaction, place, row, i, arena, &values[i]));
    }
    return STATUS_OK;
}

enum status row__check_columns(struct fiber *f, struct transaction *transaction,
                               const struct row_place *place, struct slice row, struct arena *arena,
                               struct value **values_out) {
    const struct table *table = place->table;
    struct value *values;
    struct row_external *externals;
    TRY(arena__array(arena, table->column_count, sizeof *values, &values));
    TRY(arena__array(arena, table->column_count, sizeof *externals, &externals));
    TRY(row_decode_checked(&table->row_schema, row, values, externals));
    for (unsigned i = 0; i < table->column_count; i++) {
        if (table->columns[i].dropped)
            values[i] = value_null(table->columns[i].type);
        else if (externals[i].size > 0)
            TRY(fetch_external(f, transaction, place, i, &externals[i], arena, &values[i]));
    }
    *values_out = values;
    return STATUS_OK;
}
