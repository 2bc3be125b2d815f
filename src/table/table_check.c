/*
 * Checking a table: rows against their format, NOT NULL, their long values and their index entries;
 * index entries and long values against their rows. What another transaction changes meanwhile is
 * no damage: a finding at the snapshot must still be one in the newest version.
 * Entries are proven by rows: table_check_index.c.
 */
#include "table/check.h"
#include "table/intact.h"
#include "table/scan.h"

#include "base/base_hash.h"

#include <stdarg.h>
#include <stdio.h>

void check__finding(struct table_check *check, const char *format, ...) {
    char line[ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    check->damage++;
    check->report(check->report_context, line);
}

/* Has this been said? All rows of a damaged page would say the same. */
static bool told_before(struct table_check *check) {
    uint64_t hash = hash_bytes(error_current()->message, strlen(error_current()->message));
    for (size_t i = 0; i < check->told_count; i++)
        if (check->told[i] == hash)
            return true;
    if (check->told_count < TOLD_MAX)
        check->told[check->told_count++] = hash;
    return false;
}

enum status check__absorb(struct table_check *check, enum status status, const char *what,
                          unsigned partition, struct row_id row) {
    if (!status_is_damage(status))
        return status;
    if (told_before(check)) {
        error_clear();
        return STATUS_OK;
    }
    check__finding(check, "table %s, partition %u, row %llu: %s: %s", check->table->name, partition,
                   (unsigned long long)row.value, what, error_current()->message);
    error_clear();
    return STATUS_OK;
}

enum status check__absorb_part(struct table_check *check, enum status status, const char *what,
                               unsigned partition) {
    if (!status_is_damage(status))
        return status;
    check__finding(check, "table %s, partition %u: %s cannot be checked to the end: %s",
                   check->table->name, partition, what, error_current()->message);
    error_clear();
    return STATUS_OK;
}

enum status check__partitions(struct fiber *f, struct table_check *check,
                              enum status (*visit)(struct fiber *f, struct partition *partition,
                                                   void *argument),
                              void *argument) {
    struct store *store = check->context.store;
    uint64_t partitions = table_partitions(store, check->table);
    for (unsigned p = 0; p < store_partition_count(store); p++) {
        if ((partitions >> p & 1) != 0)
            TRY(partition_call(f, store, p, visit, argument));
    }
    return STATUS_OK;
}

/* All of a tree that can be read. `what` it is of the table, should that fail nevertheless. */
static enum status check_tree(struct fiber *f, struct table_check *check,
                              struct partition *partition, const struct intact_visit *visit,
                              const char *what) {
    enum status status = intact_visit(f, check->context.transaction, partition, visit);
    return check__absorb_part(check, status, what, partition_number(partition));
}

/* ---- rows ------------------------------------------------------------------------------- */

struct entry_check {
    struct table_check *check;
    const struct index *index;
    const struct value *row;
    struct row_address address;
    uint64_t *proven;
};

/* The row's entry is where it must be and names the row. */
static enum status entry_here(struct fiber *f, struct partition *partition, void *argument) {
    struct entry_check *entry = argument;
    struct table_check *check = entry->check;
    struct transaction *transaction = check->context.transaction;
    const struct index *index = entry->index;
    struct index_key key;
    struct slice value;
    bool found = false;
    buffer_clear(&check->key);
    TRY(index__key(index, entry->row, &check->key, &key));
    struct slice bytes =
        index__entry_key(index, &key, entry->address.partition, entry->address.row, &check->key);
    TRY(txn_get(f, transaction, partition, index->tree, bytes, &check->arena, &found, &value));
    unsigned named_partition = entry->address.partition;
    struct row_id named = {0};
    if (found)
        TRY(index_value_decode(index, value, &named_partition, &named));
    if (found && named.value == entry->address.row.value &&
        named_partition == entry->address.partition)
        ++*entry->proven;
    else
        check__finding(check, "index %s of %s: %s for row %llu of partition %u", index->name,
                       check->table->name, found ? "the entry names another row" : "no entry",
                       (unsigned long long)entry->address.row.value,
                       (unsigned)entry->address.partition);
    return STATUS_OK;
}

static enum status check_entries(struct fiber *f, struct table_check *check,
                                 struct partition *partition, const struct value *values,
                                 struct row_id row) {
    const struct table *table = check->table;
    struct row_address address = {(uint16_t)partition_number(partition), row};
    for (unsigned i = 0; i < table->index_count; i++) {
        struct entry_check entry = {check, table->indexes[i], values, address, &check->proven[i]};
        enum status status;
        if (entry.index->local)
            status = entry_here(f, partition, &entry);
        else
            status = partition_call(f, check->context.store,
                                    index__partition(check->context.store, entry.index, values),
                                    entry_here, &entry);
        TRY(check__absorb(check, status, "index entry", address.partition, row));
    }
    return STATUS_OK;
}

static void check_values(struct table_check *check, const struct value *values, unsigned partition,
                         struct row_id row) {
    const struct table *table = check->table;
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        if (column->not_null && !column->dropped && values[i].is_null)
            check__finding(check, "table %s, partition %u, row %llu: null in column %s",
                           table->name, partition, (unsigned long long)row.value, column->name);
    }
    if (table->partition_column == 0 || table->on_catalog_partition)
        return;
    unsigned wanted =
        table_partition_of(check->context.store, &values[table->partition_column - 1]);
    if (wanted != partition)
        check__finding(check, "table %s, partition %u, row %llu: belongs on partition %u",
                       table->name, partition, (unsigned long long)row.value, wanted);
}

/* Get to know the generation of the block over a range. */
static enum status enter_range(struct fiber *f, struct table_check *check,
                               struct partition *partition, uint64_t range) {
    if (check->table->is_system || check->range == range)
        return STATUS_OK;
    struct txn_large large;
    struct block_header header;
    bool found;
    TRY(block__header(f, check->context.transaction, partition, check->table, range,
                      ROW_AT_SNAPSHOT, &check->arena, &found, &large, &header));
    check->generation = found ? header.generation : 0;
    check->range = range;
    if (found)
        txn_release_large(partition, &large);
    return STATUS_OK;
}

static enum status check_row(struct fiber *f, struct table_check *check,
                             struct partition *partition, struct row_id row, struct slice stored) {
    const struct table *table = check->table;
    struct row_place place = {table, partition, row, ROW_AT_SNAPSHOT};
    struct row_stored parts;
    TRY(row__stored(table, stored, &parts));
    if (parts.deleted && parts.row.size > 0)
        return error_set(STATUS_DATA_CORRUPTED, "a deleted row has columns");
    TRY(enter_range(f, check, partition, block_range(row)));
    if (parts.generation < check->generation)
        return STATUS_OK; /* a leftover */
    if (parts.deleted)
        return STATUS_OK;
    stored = parts.row;
    if (row_outside_size(stored) != 0)
        TRY(row__bring_in(f, check->context.transaction, &place, stored, &check->arena, &stored));
    struct value *values;
    TRY(row__check_columns(f, check->context.transaction, &place, stored, &check->arena, &values));
    check_values(check, values, partition_number(partition), row);
    return check_entries(f, check, partition, values, row);
}

static enum status visit_row(struct fiber *f, struct partition *partition,
                             const struct txn_entry *entry, void *context) {
    struct table_check *check = context;
    arena_reset(&check->arena);
    struct row_id row = row_key_decode(entry->key);
    struct slice stored = arena_copy_slice(&check->arena, entry->value);
    enum status status = check_row(f, check, partition, row, stored);
    if (status_is_damage(status))
        row_losses_add(&check->losses, partition_number(partition), row.value, row.value);
    return check__absorb(check, status, "row", partition_number(partition), row);
}

static void lose_keys(struct table_check *check, enum row_tree tree, const struct txn_lost *lost) {
    uint64_t first, last;
    (void)told_before(check); /* store_check told; what else meets the page need not */
    row_losses_of_keys(tree, lost->lower, lost->has_upper ? &lost->upper : NULL, &first, &last);
    row_losses_add(&check->losses, lost->partition, first, last);
}

static void lose_rows(void *context, const struct txn_lost *lost) {
    lose_keys(context, ROW_TREE_ROWS, lost);
}

static enum status check_rows(struct fiber *f, struct table_check *check,
                              struct partition *partition) {
    struct intact_visit rows = {check->table->row_tree, ROW_KEY_SIZE, visit_row, lose_rows, check};
    check->range = UINT64_MAX;
    check->generation = 0;
    return check_tree(f, check, partition, &rows, "rows");
}

/* ---- blocks --------------------------------------------------------------------------------- */

/* A whole chunk against its checksum and claims; column NULL: the block's header. */
static enum status check_chunk(struct fiber *f, struct table_check *check,
                               struct partition *partition, struct slice stored,
                               const struct column *column) {
    struct txn_large large;
    struct column_reader reader;
    enum status status = txn_open_large(f, partition, stored, &check->arena, &large);
    if (status == STATUS_OK && column != NULL)
        status =
            column_open(large.bytes, column->type, COLUMN_OPEN_CHECKED, &check->arena, &reader);
    if (status == STATUS_OK && column != NULL)
        status = column_check(&reader);
    txn_release_large(partition, &large);
    return status;
}

static enum status visit_chunk(struct fiber *f, struct partition *partition,
                               const struct txn_entry *entry, void *context) {
    struct table_check *check = context;
    struct block_key key = {0};
    arena_reset(&check->arena);
    if (!block_key_decode(entry->key, &key) || key.column_number > check->table->column_count) {
        check__finding(check, "table %s, partition %u: a block has a damaged key",
                       check->table->name, partition_number(partition));
        return STATUS_OK;
    }
    const struct column *column =
        key.column_number > 0 ? &check->table->columns[key.column_number - 1] : NULL;
    enum status status = check_chunk(f, check, partition, entry->value, column);
    uint64_t first = block_first_row(key.range);
    if (status_is_damage(status) && (column == NULL || !column->dropped))
        row_losses_add(&check->losses, partition_number(partition), first,
                       first + BLOCK_ROWS_MAX - 1);
    return check__absorb(check, status, column != NULL ? column->name : "block",
                         partition_number(partition), (struct row_id){first});
}

static void lose_blocks(void *context, const struct txn_lost *lost) {
    lose_keys(context, ROW_TREE_BLOCKS, lost);
}

/* At the snapshot. */
static enum status check_chunks(struct fiber *f, struct table_check *check,
                                struct partition *partition) {
    struct intact_visit chunks = {block_tree(check->table), BLOCK_KEY_SIZE, visit_chunk,
                                  lose_blocks, check};
    return check_tree(f, check, partition, &chunks, "blocks");
}

/* Each row of a block that counts, as a row of the hot tree. */
static enum status check_cold_batch(struct fiber *f, struct table_check *check,
                                    struct partition *partition, const struct batch *batch) {
    const struct table *table = check->table;
    for (uint32_t i = 0; i < batch->selected_count; i++) {
        uint32_t at = batch_row(batch, i);
        int64_t packed = vector_get(&batch->vectors[table->column_count], at).int64;
        struct row_id row = row_address_unpack(packed).row;
        struct value *values;
        arena_reset(&check->arena);
        TRY(arena__array(&check->arena, table->column_count, sizeof *values, &values));
        for (unsigned c = 0; c < table->column_count; c++)
            values[c] = table->columns[c].dropped ? value_null(table->columns[c].type)
                                                  : vector_get(&batch->vectors[c], at);
        check_values(check, values, partition_number(partition), row);
        TRY(check_entries(f, check, partition, values, row));
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

static enum status check_cold_rows(struct fiber *f, struct table_check *check,
                                   struct partition *partition) {
    const struct table *table = check->table;
    struct arena arena = {0};
    struct table_context context = check->context;
    context.arena = &arena;
    int16_t *numbers;
    struct table_scan *scan = NULL;
    enum status status = arena__array(&arena, table->column_count + 1u, sizeof *numbers, &numbers);
    for (unsigned i = 0; i < table->column_count && status == STATUS_OK; i++)
        numbers[i] = (int16_t)(table->columns[i].dropped ? 0 : i + 1);
    struct table_scan_options options = {.column_numbers = numbers,
                                         .column_count = table->column_count + 1u};
    if (status == STATUS_OK)
        status = table_scan_open(f, &context, table, partition, &options, &scan);
    struct batch *batch = NULL;
    while (status == STATUS_OK) {
        status = table_scan_next(f, scan, &batch);
        if (status != STATUS_OK || batch == NULL)
            break;
        if (scan->cold)
            status = check_cold_batch(f, check, partition, batch);
    }
    table_scan_close(f, scan);
    arena_release(&arena);
    if (status_is_damage(status) && told_before(check)) {
        error_clear();
        return STATUS_OK;
    }
    return check__absorb_part(check, status, "blocks", partition_number(partition));
}

/* ---- long values ------------------------------------------------------------------------- */

struct piece_check {
    struct table_check *check;
    struct row_id last;
};

static enum status visit_piece(struct fiber *f, struct partition *partition,
                               const struct txn_entry *entry, void *context) {
    struct piece_check *call = context;
    struct table_check *check = call->check;
    struct row_id row = {get_be64(entry->key.data) >> LARGE_COLUMN_BITS};
    if (row.value == call->last.value)
        return STATUS_OK;
    call->last = row;
    uint8_t key[ROW_KEY_SIZE];
    row_key_encode(row, key);
    struct slice key_slice = slice_of(key, sizeof key), value;
    struct transaction *transaction = check->context.transaction;
    struct tree_id tree = check->table->row_tree;
    bool found;
    arena_reset(&check->arena);
    enum status status = txn_get(f, transaction, partition, tree, key_slice, NULL, &found, &value);
    if (status == STATUS_OK && !found)
        status = txn_get_newest(f, transaction, partition, tree, key_slice, NULL, &found, &value);
    if (status != STATUS_OK)
        return check__absorb(check, status, "long value", partition_number(partition), row);
    if (!found)
        check__finding(
            check, "table %s, partition %u: a long value of row %llu, which is not there",
            check->table->name, partition_number(partition), (unsigned long long)row.value);
    return STATUS_OK;
}

/* The rows were found to lack their values. */
static void lose_pieces(void *context, const struct txn_lost *lost) {
    const struct piece_check *call = context;
    (void)told_before(call->check);
}

/* Every piece belongs to a row that is there. That rows find their pieces was checked with them. */
static enum status check_pieces(struct fiber *f, struct table_check *check,
                                struct partition *partition) {
    struct piece_check call = {.check = check};
    struct intact_visit pieces = {check->table->large_tree, LARGE_KEY_SIZE, visit_piece,
                                  lose_pieces, &call};
    return check_tree(f, check, partition, &pieces, "long values");
}

/* ---- the table ------------------------------------------------------------------------- */

static enum status check_here(struct fiber *f, struct partition *partition, void *argument) {
    struct table_check *check = argument;
    TRY(check_rows(f, check, partition));
    if (!check->table->is_system) {
        TRY(check_chunks(f, check, partition));
        TRY(check_cold_rows(f, check, partition));
    }
    return check_pieces(f, check, partition);
}

static enum status tell_losses(struct table_check *check) {
    const struct row_losses *losses = &check->losses;
    struct buffer text = {0};
    for (size_t i = 0; i < losses->count; i++) {
        buffer_clear(&text);
        row_losses_name(losses, &losses->losses[i], &text);
        buffer_append_text(&text, ": cannot be read");
        if (check->table->index_count > 0) {
            buffer_append_text(&text, ": ");
            row_losses_word(losses, &losses->losses[i], &text);
        }
        if (buffer_status(&text) == STATUS_OK)
            check__finding(check, "%.*s", (int)text.size, (const char *)text.data);
    }
    enum status status = buffer_status(&text);
    buffer_release(&text);
    return status;
}

static enum status check_all(struct fiber *f, struct table_check *check) {
    struct arena arena = {0};
    enum status status =
        arena__array(&arena, check->table->index_count, sizeof *check->proven, &check->proven);
    if (status == STATUS_OK)
        status = check__partitions(f, check, check_here, check);
    if (status == STATUS_OK)
        status = row_losses_settle(&check->losses);
    for (unsigned i = 0; i < check->table->index_count && status == STATUS_OK; i++)
        status = check__index(f, check, i);
    if (status == STATUS_OK)
        status = tell_losses(check);
    arena_release(&arena);
    return status;
}

enum status table_check(struct fiber *f, struct catalog *catalog, const struct table *table,
                        void (*report)(void *context, const char *line), void *context,
                        uint64_t *damage_out) {
    *damage_out = 0;
    if (table->kind != RELATION_TABLE)
        return STATUS_OK;
    struct transaction_options options = {.isolation = ISOLATION_REPEATABLE_READ,
                                          .read_only = true};
    struct transaction *transaction;
    TRY(transaction_begin(f, catalog->store, &options, &transaction));
    struct table_check check = {
        .context = {.catalog = catalog, .store = catalog->store, .transaction = transaction},
        .table = table,
        .report = report,
        .report_context = context,
        .losses = {.table = table},
    };
    check.context.arena = &check.arena;
    enum status status = transaction_statement_begin(f, transaction, (struct commit_number){0});
    if (status == STATUS_OK)
        status = check_all(f, &check);
    row_losses_release(&check.losses);
    arena_release(&check.arena);
    buffer_release(&check.key);
    transaction_rollback(f, transaction);
    *damage_out = check.damage;
    return status;
}
