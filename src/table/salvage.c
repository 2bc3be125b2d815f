/* Salvaged tables: rows, long values, indexes (table_salvage.h). */
#include "table/salvage.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "table/block_format.h"

void salvage__say(const struct salvage_report *report, const char *format, ...) {
    char line[2 * ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    report->line(report->context, line);
}

enum status salvage__begin(struct fiber *f, struct catalog *catalog,
                           struct transaction **transaction_out) {
    struct transaction_options options = {.isolation = ISOLATION_READ_COMMITTED};
    TRY(transaction_begin(f, catalog->store, &options, transaction_out));
    enum status status =
        transaction_statement_begin(f, *transaction_out, (struct commit_number){0});
    if (status != STATUS_OK)
        transaction_rollback(f, *transaction_out);
    return status;
}

enum status salvage__end(struct fiber *f, struct transaction *transaction, enum status status) {
    if (status == STATUS_OK)
        status = transaction_statement_end(f, transaction);
    if (status != STATUS_OK) {
        struct error kept = *error_current();
        transaction_rollback(f, transaction);
        *error_current() = kept;
        return status;
    }
    struct commit_number number;
    return transaction_commit(f, transaction, false, &number);
}

/* ---- trees ---------------------------------------------------------------------------------- */

/* Index trees of the system have the index's oid. */
enum salvage_wish catalog_salvage_wish(struct tree_id tree) {
    if (tree.value == TREE_SEQUENCE_STATE)
        return SALVAGE_COPY;
    for (size_t i = 0; i < system_table_count; i++)
        if (tree.value == system_tables[i].oid ||
            tree.value == system_tables[i].oid + SYSTEM_LARGE_TREE)
            return SALVAGE_COPY;
    for (size_t i = 0; i < system_index_count; i++)
        if (tree.value == system_indexes[i].oid)
            return SALVAGE_LOOK;
    return SALVAGE_SKIP;
}

enum part salvage__part_of(const struct schema *schema, struct tree_id tree,
                           const struct table **table_out, const struct index **index_out) {
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        const struct table *table = schema_table_at(schema, i);
        if (table->kind != RELATION_TABLE || table->is_system)
            continue;
        *table_out = table;
        if (tree.value == table->row_tree.value)
            return PART_ROWS;
        if (tree.value == table->large_tree.value)
            return PART_LARGE;
        if (tree.value == block_tree(table).value)
            return PART_BLOCKS;
        for (unsigned k = 0; k < table->index_count; k++) {
            *index_out = table->indexes[k];
            if (tree.value == table->indexes[k]->tree.value)
                return PART_INDEX;
        }
    }
    return PART_NONE;
}

enum salvage_wish table_salvage_wish(const struct schema *schema, struct tree_id tree) {
    const struct table *table;
    const struct index *index;
    switch (salvage__part_of(schema, tree, &table, &index)) {
    case PART_NONE:
        return SALVAGE_SKIP;
    case PART_INDEX:
        return SALVAGE_LOOK;
    default:
        return SALVAGE_COPY;
    }
}

static bool row_fits(const struct table *table, struct slice key, struct slice value) {
    struct row_stored stored;
    if (key.size != ROW_KEY_SIZE || !row_stored_decode(value, &stored))
        return false;
    bool fits = stored.deleted ? stored.row.size == 0
                               : row_outside_size(stored.row) != 0 ||
                                     row_check(&table->row_schema, stored.row) == STATUS_OK;
    error_clear();
    return fits;
}

/* System trees have no inner pages to speak of: the shape of their keys is enough. */
static bool system_fits(struct tree_id tree, struct slice key, struct slice value) {
    if (tree.value == TREE_SEQUENCE_STATE)
        return key.size == SEQUENCE_KEY_SIZE && value.size == SEQUENCE_STATE_SIZE;
    bool large =
        catalog_salvage_wish((struct tree_id){tree.value - SYSTEM_LARGE_TREE}) == SALVAGE_COPY &&
        tree.value > SYSTEM_LARGE_TREE;
    struct row_stored stored;
    return large ? key.size == LARGE_KEY_SIZE
                 : key.size == ROW_KEY_SIZE && row_stored_decode(value, &stored);
}

bool table_salvage_fits(const struct schema *schema, struct tree_id tree, struct slice key,
                        struct slice value) {
    if (schema == NULL)
        return system_fits(tree, key, value);
    const struct table *table;
    const struct index *index;
    struct block_key block;
    switch (salvage__part_of(schema, tree, &table, &index)) {
    case PART_ROWS:
        return row_fits(table, key, value);
    case PART_LARGE:
        return key.size == LARGE_KEY_SIZE && value.size <= LARGE_PIECE_SIZE;
    case PART_BLOCKS:
        return key.size == BLOCK_KEY_SIZE && block_key_decode(key, &block) &&
               block.column_number <= table->column_count && value.size > 0 && value.data[0] <= 1;
    case PART_INDEX:
        return value.size == (index->local ? INDEX_VALUE_SIZE_MAX - 2 : INDEX_VALUE_SIZE_MAX);
    case PART_NONE:
        break;
    }
    return false;
}

/* ---- losses in words ------------------------------------------------------------------------ */

static void word_rows(const struct store_loss *loss, enum part part, char *text, size_t size) {
    uint64_t first, last;
    salvage__row_ids(loss, part, &first, &last);
    if (last == UINT64_MAX)
        snprintf(text, size, "%" PRIu64 " and above", first);
    else
        snprintf(text, size, "%" PRIu64 " to %" PRIu64, first, last);
}

bool table_salvage_word(const struct schema *schema, const struct store_loss *loss, char *text,
                        size_t size) {
    const struct table *table;
    const struct index *index;
    char rows[80], name[160];
    enum part part =
        schema != NULL ? salvage__part_of(schema, loss->tree, &table, &index) : PART_NONE;
    if (part != PART_NONE)
        word_rows(loss, part, rows, sizeof rows);
    switch (part) {
    case PART_ROWS:
        snprintf(text, size,
                 "table %s.%s, partition %u, row ids %s: lost; of those that are still in OUT, "
                 "read from blocks, this may be an older version (%s)",
                 table->namespace_name, table->name, loss->partition, rows, loss->text);
        return true;
    case PART_LARGE:
        snprintf(text, size, "table %s.%s, partition %u, row ids %s: long values are lost (%s)",
                 table->namespace_name, table->name, loss->partition, rows, loss->text);
        return true;
    case PART_BLOCKS:
        snprintf(text, size,
                 "table %s.%s, partition %u, row ids %s: parts of blocks are lost; of rows that "
                 "are still in OUT this may be an older version (%s)",
                 table->namespace_name, table->name, loss->partition, rows, loss->text);
        return true;
    case PART_INDEX:
        snprintf(text, size, "index %s of %s.%s, partition %u: made anew (%s)", index->name,
                 table->namespace_name, table->name, loss->partition, loss->text);
        return false;
    case PART_NONE:
        break;
    }
    snprintf(name, sizeof name, "tree %" PRIu32, loss->tree.value);
    for (size_t i = 0; i < system_table_count; i++)
        if (loss->tree.value == system_tables[i].oid ||
            loss->tree.value == system_tables[i].oid + SYSTEM_LARGE_TREE)
            snprintf(name, sizeof name, "rows of %s", system_tables[i].name);
    for (size_t i = 0; i < system_index_count; i++)
        if (loss->tree.value == system_indexes[i].oid) {
            snprintf(text, size, "index %s: made anew (%s)", system_indexes[i].name, loss->text);
            return false;
        }
    if (loss->tree.value == TREE_SEQUENCE_STATE)
        snprintf(name, sizeof name,
                 "the last values of sequences (they begin at their start again: use setval)");
    snprintf(text, size, "catalog: %s are lost (%s)", name, loss->text);
    return true;
}

/* ---- rows ----------------------------------------------------------------------------------- */

struct rows_call {
    struct catalog *catalog;
    const struct table *table;
    struct transaction *transaction;
    const struct salvage_report *report;
    struct arena arena;        /* of one row */
    uint64_t first_bad, count; /* a run of rows that are given up */
    uint64_t last;             /* the row of the piece before */
    bool owned;                /* it is there */
    char why[ERROR_MESSAGE_SIZE];
};

static void run_tell(struct rows_call *call, unsigned partition) {
    uint64_t last = call->first_bad + call->count - 1;
    if (call->count > 0) {
        salvage__say(call->report,
                     "table %s.%s, partition %u, row ids %" PRIu64 " to %" PRIu64 ": lost (%s)",
                     call->table->namespace_name, call->table->name, partition, call->first_bad,
                     last, call->why);
        salvage__lost(call->report, call->table, partition, call->first_bad, last);
    }
    call->count = 0;
}

static enum status row_try(struct fiber *f, struct rows_call *call, struct partition *partition,
                           struct row_id row, struct slice bytes) {
    const struct table *table = call->table;
    struct row_place place = {table, partition, row, ROW_AT_SNAPSHOT};
    struct row_stored parts;
    TRY(row__stored(table, bytes, &parts));
    if (parts.deleted)
        return parts.row.size == 0 ? STATUS_OK
                                   : error_set(STATUS_DATA_CORRUPTED, "a deleted row has columns");
    struct slice stored = parts.row;
    if (row_outside_size(stored) != 0)
        TRY(row__bring_in(f, call->transaction, &place, stored, &call->arena, &stored));
    struct value *values;
    return row__check_columns(f, call->transaction, &place, stored, &call->arena, &values);
}

static enum status visit_row(struct fiber *f, struct partition *partition,
                             const struct txn_entry *entry, void *context) {
    struct rows_call *call = context;
    arena_reset(&call->arena);
    uint8_t key[ROW_KEY_SIZE];
    struct row_id row = row_key_decode(entry->key);
    row_key_encode(row, key);
    struct slice stored = arena_copy_slice(&call->arena, entry->value);
    enum status status = row_try(f, call, partition, row, stored);
    if (status != STATUS_DATA_CORRUPTED)
        return status;
    if (row.value != call->first_bad + call->count)
        run_tell(call, partition_number(partition));
    if (call->count++ == 0)
        call->first_bad = row.value;
    snprintf(call->why, sizeof call->why, "%s", error_current()->message);
    error_clear();
    return txn_delete(f, call->transaction, partition, call->table->row_tree,
                      slice_of(key, sizeof key));
}

static enum status rows_here(struct fiber *f, struct partition *partition, void *argument) {
    struct rows_call *call = argument;
    struct txn_range range = {.key_stride = ROW_KEY_SIZE};
    enum status status =
        txn_visit(f, call->transaction, partition, call->table->row_tree, &range, visit_row, call);
    run_tell(call, partition_number(partition));
    return status;
}

static enum status visit_piece(struct fiber *f, struct partition *partition,
                               const struct txn_entry *entry, void *context) {
    struct rows_call *call = context;
    uint8_t piece[LARGE_KEY_SIZE], key[ROW_KEY_SIZE];
    memcpy(piece, entry->key.data, sizeof piece);
    struct row_id row = {get_be64(piece) >> LARGE_COLUMN_BITS};
    row_key_encode(row, key);
    arena_reset(&call->arena);
    struct slice value;
    if (row.value != call->last)
        TRY(txn_get(f, call->transaction, partition, call->table->row_tree,
                    slice_of(key, sizeof key), &call->arena, &call->owned, &value));
    call->last = row.value;
    return call->owned ? STATUS_OK
                       : txn_delete(f, call->transaction, partition, call->table->large_tree,
                                    slice_of(piece, sizeof piece));
}

/* Pieces of long values whose row is gone. */
static enum status pieces_here(struct fiber *f, struct partition *partition, void *argument) {
    struct rows_call *call = argument;
    struct txn_range range = {.key_stride = LARGE_KEY_SIZE};
    call->last = 0;
    call->owned = false;
    return txn_visit(f, call->transaction, partition, call->table->large_tree, &range, visit_piece,
                     call);
}

static enum status each_partition(struct fiber *f, struct rows_call *call,
                                  partition_function function) {
    uint64_t partitions = table_partitions(call->catalog->store, call->table);
    TRY(salvage__begin(f, call->catalog, &call->transaction));
    enum status status = STATUS_OK;
    for (unsigned p = 0; p < store_partition_count(call->catalog->store); p++)
        if ((partitions >> p & 1) != 0 && status == STATUS_OK)
            status = partition_call(f, call->catalog->store, p, function, call);
    return salvage__end(f, call->transaction, status);
}

enum status salvage__rows(struct fiber *f, struct catalog *catalog, const struct table *table,
                          const struct salvage_report *report) {
    struct rows_call call = {.catalog = catalog, .table = table, .report = report};
    enum status status = each_partition(f, &call, rows_here);
    arena_release(&call.arena);
    return status;
}

enum status salvage__pieces(struct fiber *f, struct catalog *catalog, const struct table *table) {
    struct rows_call call = {.catalog = catalog, .table = table};
    enum status status = each_partition(f, &call, pieces_here);
    arena_release(&call.arena);
    return status;
}

/* ---- indexes -------------------------------------------------------------------------------- */

/* Two rows with one key: an older version has come back. The rows stay, the index goes. */
static enum status index_give_up(struct fiber *f, struct catalog *catalog,
                                 const struct table *table, const struct index *index,
                                 const struct salvage_report *report) {
    salvage__say(report,
                 "index %s of %s.%s: dropped, since rows are there in two versions: %s %s; delete "
                 "the wrong ones and create it again",
                 index->name, table->namespace_name, table->name, error_current()->message,
                 error_current()->detail);
    struct transaction *transaction;
    TRY(salvage__begin(f, catalog, &transaction));
    struct schema *schema = catalog_schema(catalog);
    const struct constraint *constraint =
        index->constraint_oid != 0 ? schema_constraint_by_oid(schema, index->constraint_oid, NULL)
                                   : NULL;
    enum status status =
        constraint != NULL
            ? catalog_drop_constraint(f, catalog, transaction, schema, table, constraint)
            : catalog_drop_index(f, catalog, transaction, schema, index);
    schema_release(schema);
    if (status == STATUS_OK)
        status = transaction_statement_end(f, transaction);
    struct commit_number number;
    if (status == STATUS_OK)
        return catalog_commit(f, catalog, transaction, false, &number);
    transaction_rollback(f, transaction);
    return status;
}

enum status salvage__fill(struct fiber *f, struct catalog *catalog, const struct table *table,
                          const struct index *index) {
    struct transaction *transaction;
    TRY(salvage__begin(f, catalog, &transaction));
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, NULL);
    enum status status = ddl_fill_index(f, &ddl, table, index);
    arena_release(&ddl.arena);
    return salvage__end(f, transaction, status);
}

enum status table_salvage_rows(struct fiber *f, struct catalog *catalog, const struct table *table,
                               const struct salvage_report *report) {
    TRY(salvage__rows(f, catalog, table, report));
    TRY(salvage__blocks(f, catalog, table, report));
    return salvage__pieces(f, catalog, table);
}

enum status table_salvage_indexes(struct fiber *f, struct catalog *catalog,
                                  const struct table *table, const struct salvage_report *report) {
    for (unsigned i = 0; i < table->index_count; i++) {
        enum status status = salvage__fill(f, catalog, table, table->indexes[i]);
        if (status == STATUS_UNIQUE_VIOLATION)
            status = index_give_up(f, catalog, table, table->indexes[i], report);
        TRY(status);
    }
    return STATUS_OK;
}
