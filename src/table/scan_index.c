/*
 * Scans through an index: the byte range of the wanted keys, and from entries to rows.
 *
 * An entry may be stale: it belongs to a version of its row that this snapshot does not see (an
 * update changed the key; txn.h, TXN_PUT_CHECKED_BY_READER). So each row is fetched and its key
 * compared with the entry's; entries that differ are skipped, and a row that has entries under
 * several keys is found under exactly one.
 */
#include "table/scan.h"

/* ---- the range ------------------------------------------------------------------------ */

/* Value markers of value_key.h: all values of a column are in [0x40, 0x41). */
static enum status bound_copy(const struct buffer *buffer, struct arena *arena,
                              struct slice *bound_out) {
    TRY(buffer_status(buffer));
    *bound_out = arena_copy_slice(arena, buffer_slice(buffer));
    return bound_out->data == NULL ? arena_status(arena) : STATUS_OK;
}

/* One end of the range: prefix, then `value` if there is one; else, with a condition on the other
   end, the edge of the non-null values; else the edge of the prefix. after: the first key behind
   all that begin so. */
static enum status bound_make(const struct index *index, const struct table_scan_options *options,
                              const struct buffer *prefix, const struct value *value,
                              bool has_condition, bool after, bool is_lower, struct arena *arena,
                              struct slice *bound_out) {
    struct buffer buffer = {0};
    buffer_append_slice(&buffer, buffer_slice(prefix));
    if (has_condition) {
        const struct key_column *column = &index->key_columns[options->equal_count];
        if (value != NULL)
            key_encode_value(column, value, &buffer);
        else if (!column->not_null)
            buffer_append_byte(&buffer, 0x40);
    }
    enum status status = buffer_status(&buffer);
    if (status == STATUS_OK) {
        size_t size = buffer.size;
        if (after && !key_successor(&buffer)) {
            /* Nothing lies behind: an upper end is open, a lower one beyond all keys. */
            buffer_clear(&buffer);
            for (size_t i = 0; is_lower && i < size + 16; i++)
                buffer_append_byte(&buffer, 0xFF);
        }
        status = bound_copy(&buffer, arena, bound_out);
    }
    buffer_release(&buffer);
    return status;
}

enum status scan__index_range(const struct index *index, const struct table_scan_options *options,
                              struct arena *arena, struct txn_range *range_out) {
    bool has_condition = options->lower != NULL || options->upper != NULL;
    ASSERT(options->equal_count + has_condition <= index->column_count);
    struct buffer prefix = {0};
    key_encode(index->key_columns, options->equal, (uint32_t)options->equal_count, &prefix);

    /* The smaller key is the upper value when the column is descending. */
    const struct value *low = options->lower, *high = options->upper;
    bool low_exclusive = options->lower_exclusive, high_exclusive = options->upper_exclusive;
    if (has_condition && index->columns[options->equal_count].descending) {
        low = options->upper;
        high = options->lower;
        low_exclusive = options->upper_exclusive;
        high_exclusive = options->lower_exclusive;
    }
    *range_out = (struct txn_range){.backward = options->backward};
    enum status status = buffer_status(&prefix);
    if (status == STATUS_OK)
        status = bound_make(index, options, &prefix, low, has_condition,
                            low != NULL && low_exclusive, true, arena, &range_out->lower);
    if (status == STATUS_OK)
        status = bound_make(index, options, &prefix, high, has_condition,
                            high == NULL || !high_exclusive, false, arena, &range_out->upper);
    buffer_release(&prefix);
    return status;
}

uint64_t table_scan_partitions(const struct store *store, const struct table *table,
                               const struct table_scan_options *options) {
    const struct index *index = options->index;
    if (index == NULL || table->on_catalog_partition)
        return table_partitions(store, table);
    for (size_t i = 0; i < options->equal_count; i++) {
        bool decides =
            index->local ? index->columns[i].column_number == table->partition_column : i == 0;
        if (decides)
            return 1ull << table_partition_of(store, &options->equal[i]);
    }
    return table_partitions(store, table);
}

struct estimate_call {
    const struct index *index;
    const struct txn_range *range;
    uint64_t count;
};

static enum status estimate_here(struct fiber *f, struct partition *partition, void *argument) {
    struct estimate_call *call = argument;
    return partition_key_count(f, partition, call->index->tree, call->range->lower,
                               call->range->upper, &call->count);
}

enum status table_scan_estimate(struct fiber *f, const struct table_context *context,
                                const struct table *table, const struct table_scan_options *options,
                                uint64_t *entries_out) {
    struct estimate_call calls[PARTITIONS_MAX];
    void *arguments[PARTITIONS_MAX];
    struct txn_range range;
    unsigned count = store_partition_count(context->store);
    *entries_out = 0;
    TRY(scan__index_range(options->index, options, context->arena, &range));
    for (unsigned i = 0; i < count; i++) {
        calls[i] = (struct estimate_call){options->index, &range, 0};
        arguments[i] = &calls[i];
    }
    TRY(partition_call_all(f, context->store, table_scan_partitions(context->store, table, options),
                           estimate_here, arguments));
    for (unsigned i = 0; i < count; i++)
        *entries_out += calls[i].count;
    return STATUS_OK;
}

/* ---- from entries to rows ------------------------------------------------------------- */

struct entry_row {
    struct slice key; /* columns of the entry's key, in scan->keys */
    struct row_address address;
    struct slice row; /* in the scan's arena; data NULL: not there or stale */
};

/* Does the row that was found still have the key of the entry? */
static enum status recheck(struct fiber *f, struct table_scan *scan, const struct row_place *place,
                           struct entry_row *entry, struct buffer *buffer) {
    const struct index *index = scan->index;
    buffer_clear(buffer);
    for (unsigned i = 0; i < index->column_count; i++) {
        struct value value;
        TRY(row__columns(f, scan->context.transaction, place, entry->row,
                         &index->columns[i].column_number, 1, &scan->rows, &value));
        key_encode_value(&index->key_columns[i], &value, buffer);
    }
    TRY(buffer_status(buffer));
    if (!slice_equal(buffer_slice(buffer), entry->key))
        entry->row = SLICE_EMPTY;
    return STATUS_OK;
}

struct fetch_call {
    struct table_scan *scan;
    struct entry_row *entries;
    size_t count;
    unsigned partition;
};

/* Fetch the rows of the entries that lie on this partition. */
static enum status fetch_here(struct fiber *f, struct partition *partition, void *argument) {
    struct fetch_call *call = argument;
    struct table_scan *scan = call->scan;
    struct buffer buffer = {0};
    struct row_columns wanted = {scan->column_numbers, scan->column_count, scan->index};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < call->count && status == STATUS_OK; i++) {
        struct entry_row *entry = &call->entries[i];
        if (entry->address.partition != call->partition)
            continue;
        struct row_place place = {scan->table, partition, entry->address.row, ROW_AT_SNAPSHOT};
        bool found;
        status = row__get(f, scan->context.transaction, &place, &wanted, &scan->rows, &found,
                          &entry->row);
        if (status == STATUS_OK && !found)
            entry->row = SLICE_EMPTY;
        else if (status == STATUS_OK)
            status = recheck(f, scan, &place, entry, &buffer);
        if (status == STATUS_OK)
            status = fiber_check(f);
    }
    buffer_release(&buffer);
    return status;
}

/* Long values of a row on another partition cannot be read by scan__decode: its columns are decoded
   there and put into the batch one by one. */
struct remote_call {
    struct table_scan *scan;
    struct entry_row *entry;
};

static enum status decode_there(struct fiber *f, struct partition *partition, void *argument) {
    struct remote_call *call = argument;
    struct table_scan *scan = call->scan;
    struct row_place place = {scan->table, partition, call->entry->address.row, ROW_AT_SNAPSHOT};
    uint32_t at = scan->batch.row_count;
    for (uint32_t i = 0; i < scan->decoded_count; i++) {
        int16_t number = (int16_t)(scan->decoded_columns[i] + 1);
        struct value value;
        TRY(row__columns(f, scan->context.transaction, &place, call->entry->row, &number, 1,
                         &scan->rows, &value));
        if (value.is_null)
            vector_set_null(&scan->decoded[i], at);
        else
            vector_set(&scan->decoded[i], at, &value, NULL);
    }
    if (scan->address.data != NULL)
        ((int64_t *)scan->address.data)[at] = row_address_pack(call->entry->address);
    scan->batch.row_count++;
    return STATUS_OK;
}

static enum status emit(struct fiber *f, struct table_scan *scan, struct entry_row *entries,
                        size_t count) {
    unsigned here = partition_number(scan->partition);
    uint32_t ready = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].row.data == NULL)
            continue;
        if (entries[i].address.partition == here) {
            scan->row_bytes[ready] = entries[i].row;
            scan->addresses[ready++] = entries[i].address;
            continue;
        }
        if (ready > 0)
            TRY(scan__decode(f, scan, ready, false));
        ready = 0;
        struct remote_call call = {scan, &entries[i]};
        TRY(partition_call(f, scan->context.store, entries[i].address.partition, decode_there,
                           &call));
    }
    return ready > 0 ? scan__decode(f, scan, ready, false) : STATUS_OK;
}

/* Copy what the cursor shows before anything suspends. */
static enum status entries_copy(struct table_scan *scan, size_t count, struct entry_row *entries) {
    unsigned here = partition_number(scan->partition);
    for (size_t i = 0; i < count; i++) {
        const struct txn_entry *entry = &scan->entries[i];
        struct slice columns;
        unsigned partition = here;
        TRY(index__key_columns(scan->index, entry->key, &columns));
        TRY(index_value_decode(scan->index, entry->value, &partition, &entries[i].address.row));
        if (partition >= store_partition_count(scan->context.store))
            return error_set(STATUS_INDEX_CORRUPTED, "index \"%s\" names partition %u",
                             scan->index->name, partition);
        entries[i].address.partition = (uint16_t)partition;
        entries[i].key = arena_copy_slice(&scan->rows, columns);
    }
    return STATUS_OK;
}

enum status scan__index_next(struct fiber *f, struct table_scan *scan) {
    size_t count;
    TRY(txn_cursor_next(f, scan->cursor, scan->entries, scan->portion, &count));
    if (count == 0) {
        scan->ended = true;
        return STATUS_OK;
    }
    if (scan->portion < SCAN_ROWS_MAX)
        scan->portion *= 2;
    struct entry_row *entries;
    TRY(arena__array(&scan->rows, count, sizeof *entries, &entries));
    TRY(entries_copy(scan, count, entries));
    uint64_t partitions[PARTITIONS_MAX / 64] = {0};
    for (size_t i = 0; i < count; i++)
        partitions[entries[i].address.partition / 64] |= 1ull
                                                         << (entries[i].address.partition % 64);
    for (unsigned partition = 0; partition < store_partition_count(scan->context.store);
         partition++) {
        if ((partitions[partition / 64] >> (partition % 64) & 1) == 0)
            continue;
        struct fetch_call call = {scan, entries, count, partition};
        if (partition == partition_number(scan->partition))
            TRY(fetch_here(f, scan->partition, &call));
        else
            TRY(partition_call(f, scan->context.store, partition, fetch_here, &call));
    }
    return emit(f, scan, entries, count);
}
