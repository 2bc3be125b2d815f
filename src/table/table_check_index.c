/*
 * Checking the entries of an index against rows.
 *
 * Entries are proven by rows: each row names its entries, by key, and they name it, so no two rows
 * prove the same one. An index whose entries are as many as the proven ones has no other; only if
 * they are more (or fewer: some row could not be read) each entry's row is looked up.
 */
#include "table/check.h"

#include <stdio.h>

/* ---- owners of entries ------------------------------------------------------------------- */

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
        check__finding(check,
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

/* ---- the index --------------------------------------------------------------------------- */

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
        TRY(check__absorb(check, note_entry(f, check, partition, key, value), call->index->name,
                          partition_number(partition), (struct row_id){0}));
    return check__absorb(check, check_owner(f, check, partition, call->index, key, value),
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
    return check__absorb_part(call->check, status, what, partition_number(partition));
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

enum status check__index(struct fiber *f, struct table_check *check, unsigned at) {
    struct index_check call = {.check = check, .index = check->table->indexes[at]};
    TRY(check__partitions(f, check, count_entries, &call));
    if (!call.damaged && call.count == check->proven[at])
        return STATUS_OK;
    return check__partitions(f, check, visit_index, &call);
}
