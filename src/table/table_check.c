/*
 * Checking a table: rows against their format, NOT NULL, their long values and their index entries;
 * index entries and long values against their rows. What another transaction changes meanwhile is
 * no damage: a finding at the snapshot must still be one in the newest version.
 *
 * Entries are proven by rows: each row names its entries, by key, and they name it, so no two rows
 * prove the same one. An index whose entries are as many as the proven ones has no other; only if
 * they are more (or fewer: some row could not be read) each entry's row is looked up.
 */
#include "table/catalog_private.h"
#include "table/intact.h"
#include "table/row_losses.h"
#include "table/scan.h"

#include "base/base_hash.h"

#include <stdarg.h>
#include <stdio.h>

enum { TOLD_MAX = 256 };

struct table_check {
    struct table_context context;
    const struct table *table;
    void (*report)(void *context, const char *line);
    void *report_context;
    uint64_t damage;
    struct arena arena;         /* of one row */
    struct buffer key;          /* of the entry looked for */
    uint64_t *proven;           /* entries, by position of the index in the table's list */
    uint64_t range, generation; /* of the block over the rows checked last */
    uint64_t told[TOLD_MAX];    /* hashes of messages: a damaged page is told of once */
    size_t told_count;
    struct row_losses losses; /* rows that cannot be read */
};

static void finding(struct table_check *check, const char *format, ...) PRINTF_LIKE(2, 3);
static void finding(struct table_check *check, const char *format, ...) {
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

/* Damage is reported and the check goes on; other failures end it. */
static enum status absorb(struct table_check *check, enum status status, const char *what,
                          unsigned partition, struct row_id row) {
    if (!status_is_damage(status))
        return status;
    if (told_before(check)) {
        error_clear();
        return STATUS_OK;
    }
    finding(check, "table %s, partition %u, row %llu: %s: %s", check->table->name, partition,
            (unsigned long long)row.value, what, error_current()->message);
    error_clear();
    return STATUS_OK;
}

/* The same of a part of the table that could not be looked at to its end. */
static enum status absorb_part(struct table_check *check, enum status status, const char *what,
                               unsigned partition) {
    if (!status_is_damage(status))
        return status;
    finding(check, "table %s, partition %u: %s cannot be checked to the end: %s",
            check->table->name, partition, what, error_current()->message);
    error_clear();
    return STATUS_OK;
}

static enum status visit_partitions(struct fiber *f, struct table_check *check,
                                    enum status (*visit)(struct fiber *f,
                                                         struct partition *partition,
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
    return absorb_part(check, status, what, partition_number(partition));
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
        finding(check, "index %s of %s: %s for row %llu of partition %u", index->name,
                check->table->name, found ? "the entry names another row" : "no entry",
                (unsigned long long)entry->address.row.value, (unsigned)entry->address.partition);
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
        TRY(absorb(check, status, "index entry", address.partition, row));
    }
    return STATUS_OK;
}

static void check_values(struct table_check *check, const struct value *values, unsigned partition,
                         struct row_id row) {
    const struct table *table = check->table;
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        if (column->not_null && !column->dropped && values[i].is_null)
            finding(check, "table %s, partition %u, row %llu: null in column %s", table->name,
                    partition, (unsigned long long)row.value, column->name);
    }
    if (table->partition_column == 0 || table->on_catalog_partition)
        return;
    unsigned wanted =
        table_partition_of(check->context.store, &values[table->partition_column - 1]);
    if (wanted != partition)
        finding(check, "table %s, partition %u, row %llu: belongs on partition %u", table->name,
                partition, (unsigned long long)row.value, wanted);
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
    return absorb(check, status, "row", partition_number(partition), row);
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
        finding(check, "table %s, partition %u: a block has a damaged key", check->table->name,
                partition_number(partition));
        return STATUS_OK;
    }
    const struct column *column =
        key.column_number > 0 ? &check->table->columns[key.column_number - 1] : NULL;
    enum status status = check_chunk(f, check, partition, entry->value, column);
    uint64_t first = block_first_row(key.range);
    if (status_is_damage(status) && (column == NULL || !column->dropped))
        row_losses_add(&check->losses, partition_number(partition), first,
                       first + BLOCK_ROWS_MAX - 1);
    return absorb(check, status, column != NULL ? column->name : "block",
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
    return absorb_part(check, status, "blocks", partition_number(partition));
}

/* ---- index entries ------------------------------------------------------------------------ */

struct owner_check {
    struct table_check *check;
    const struct index *index;
    struct slice key; /* the whole of it */
    unsigned partition;
    struct row_id row;
    bool matches;
};

static enum status key_matches(struct fiber *f, struct owner_check *owner,
                               struct partition *partition, enum row_version version) {
    struct table_check *check = owner->check;
    struct row_place place = {check->table, partition, owner->row, version};
    struct slice stored;
    bool found;
    struct row_columns wanted = {.index = owner->index};
    TRY(row__get(f, check->context.transaction, &place, &wanted, &check->arena, &found, &stored));
    if (!found)
        return STATUS_OK;
    struct value *values; /* of which the key's are all that counts here */
    TRY(arena__array(&check->arena, check->table->column_count, sizeof *values, &values));
    for (unsigned i = 0; i < owner->index->column_count; i++) {
        int16_t number = owner->index->columns[i].column_number;
        TRY(row__columns(f, check->context.transaction, &place, stored, &number, 1, &check->arena,
                         &values[number - 1]));
    }
    struct index_key key;
    buffer_clear(&check->key);
    TRY(index__key(owner->index, values, &check->key, &key));
    struct slice whole =
        index__entry_key(owner->index, &key, owner->partition, owner->row, &check->key);
    owner->matches = slice_equal(whole, owner->key);
    return STATUS_OK;
}

static enum status owner_here(struct fiber *f, struct partition *partition, void *argument) {
    struct owner_check *owner = argument;
    TRY(key_matches(f, owner, partition, ROW_AT_SNAPSHOT));
    return owner->matches ? STATUS_OK : key_matches(f, owner, partition, ROW_NEWEST);
}

static enum status check_owner(struct fiber *f, struct table_check *check,
                               struct partition *partition, const struct index *index,
                               struct slice key, struct slice value) {
    struct owner_check owner = {
        .check = check, .index = index, .key = key, .partition = partition_number(partition)};
    TRY(index_value_decode(index, value, &owner.partition, &owner.row));
    if (owner.partition >= store_partition_count(check->context.store))
        return error_set(STATUS_INDEX_CORRUPTED, "an entry names partition %u", owner.partition);
    TRY(partition_call(f, check->context.store, owner.partition, owner_here, &owner));
    if (!owner.matches)
        finding(check,
                "index %s of %s: an entry for row %llu of partition %u, which has no such "
                "key",
                index->name, check->table->name, (unsigned long long)owner.row.value,
                owner.partition);
    return STATUS_OK;
}

/* Can all of the row be read? For those that are in doubt. */
struct row_look {
    struct table_check *check;
    struct row_id row;
    bool damaged;
};

static enum status row_look_here(struct fiber *f, struct partition *partition, void *argument) {
    struct row_look *look = argument;
    struct table_check *check = look->check;
    const struct table *table = check->table;
    struct transaction *transaction = check->context.transaction;
    struct row_place place = {table, partition, look->row, ROW_AT_SNAPSHOT};
    int16_t *numbers;
    struct value *values;
    size_t count = 0;
    bool found;
    TRY(arena__array(&check->arena, table->column_count, sizeof *numbers, &numbers));
    TRY(arena__array(&check->arena, table->column_count, sizeof *values, &values));
    for (unsigned i = 0; i < table->column_count; i++)
        if (!table->columns[i].dropped)
            numbers[count++] = (int16_t)(i + 1);
    struct row_columns wanted = {.numbers = numbers, .count = count};
    struct slice stored;
    enum status status = row__get(f, transaction, &place, &wanted, &check->arena, &found, &stored);
    if (status == STATUS_OK && found)
        status =
            row__columns(f, transaction, &place, stored, numbers, count, &check->arena, values);
    look->damaged = status_is_damage(status);
    if (look->damaged)
        error_clear();
    return look->damaged ? STATUS_OK : status;
}

/* Which rows are in the ranges that cannot be read? */
static enum status note_entry(struct fiber *f, struct table_check *check,
                              struct partition *partition, struct slice key, struct slice value) {
    const struct index *index = check->table->indexes[0];
    struct row_look look = {.check = check};
    unsigned at = partition_number(partition);
    TRY(index_value_decode(index, value, &at, &look.row));
    struct row_address address = {(uint16_t)at, look.row};
    if (at >= store_partition_count(check->context.store) ||
        !row_losses_have(&check->losses, address))
        return STATUS_OK;
    TRY(partition_call(f, check->context.store, at, row_look_here, &look));
    return look.damaged ? row_losses_note(&check->losses, address, key) : STATUS_OK;
}

struct index_check {
    struct table_check *check;
    const struct index *index;
    uint64_t count; /* of entries */
    bool damaged;   /* not all could be counted */
};

static enum status visit_index_entry(struct fiber *f, struct partition *partition,
                                     const struct txn_entry *entry, void *context) {
    struct index_check *call = context;
    struct table_check *check = call->check;
    arena_reset(&check->arena);
    struct slice key = arena_copy_slice(&check->arena, entry->key);
    struct slice value = arena_copy_slice(&check->arena, entry->value);
    if (check->losses.count > 0 && call->index == check->table->indexes[0])
        TRY(absorb(check, note_entry(f, check, partition, key, value), call->index->name,
                   partition_number(partition), (struct row_id){0}));
    return absorb(check, check_owner(f, check, partition, call->index, key, value),
                  call->index->name, partition_number(partition), (struct row_id){0});
}

static enum status visit_index(struct fiber *f, struct partition *partition, void *argument) {
    struct index_check *call = argument;
    struct txn_range range = {0};
    char what[NAME_SIZE_MAX + 8];
    snprintf(what, sizeof what, "index %s", call->index->name);
    enum status status = txn_visit(f, call->check->context.transaction, partition,
                                   call->index->tree, &range, visit_index_entry, call);
    if (status_is_damage(status) && call->index == call->check->table->indexes[0])
        call->check->losses.index_damaged = true;
    return absorb_part(call->check, status, what, partition_number(partition));
}

static enum status count_entry(struct fiber *f, struct partition *partition,
                               const struct txn_entry *entry, void *context) {
    struct index_check *call = context;
    call->count++;
    return STATUS_OK;
}

/* Damage is told of by who looks at each entry. */
static enum status count_entries(struct fiber *f, struct partition *partition, void *argument) {
    struct index_check *call = argument;
    struct txn_range range = {0};
    enum status status = txn_visit(f, call->check->context.transaction, partition,
                                   call->index->tree, &range, count_entry, call);
    if (!status_is_damage(status))
        return status;
    call->damaged = true;
    error_clear();
    return STATUS_OK;
}

/* After all rows. */
static enum status check_index(struct fiber *f, struct table_check *check, unsigned at) {
    struct index_check call = {.check = check, .index = check->table->indexes[at]};
    TRY(visit_partitions(f, check, count_entries, &call));
    if (!call.damaged && call.count == check->proven[at])
        return STATUS_OK;
    return visit_partitions(f, check, visit_index, &call);
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
        return absorb(check, status, "long value", partition_number(partition), row);
    if (!found)
        finding(check, "table %s, partition %u: a long value of row %llu, which is not there",
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
            finding(check, "%.*s", (int)text.size, (const char *)text.data);
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
        status = visit_partitions(f, check, check_here, check);
    if (status == STATUS_OK)
        status = row_losses_settle(&check->losses);
    for (unsigned i = 0; i < check->table->index_count && status == STATUS_OK; i++)
        status = check_index(f, check, i);
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
