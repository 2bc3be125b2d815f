/*
 * Which rows a salvaged database lacks, in the users' keys (table_salvage.h).
 *
 * Losses come as ranges of row ids. An index knows keys and row ids of the rows there were: those
 * of its entries that have no row in the new database are what is missing, and their keys say so
 * in words that users can look for in a backup.
 */
#include <inttypes.h>

#include "base/base_memory.h"
#include "table/salvage.h"

struct salvage_losses {
    const struct schema *schema;
    size_t count;
    struct row_losses tables[]; /* by place in the schema */
};

enum status salvage_losses_create(const struct schema *schema, struct salvage_losses **losses_out) {
    size_t count = schema_table_count(schema);
    struct salvage_losses *losses =
        memory_alloc_zeroed(1, sizeof *losses + count * sizeof losses->tables[0]);
    if (losses == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    losses->schema = schema;
    losses->count = count;
    for (size_t i = 0; i < count; i++)
        losses->tables[i].table = schema_table_at(schema, i);
    *losses_out = losses;
    return STATUS_OK;
}

void salvage_losses_destroy(struct salvage_losses *losses) {
    for (size_t i = 0; losses != NULL && i < losses->count; i++)
        row_losses_release(&losses->tables[i]);
    memory_free(losses);
}

static bool is_saved(const struct table *table) {
    return table->kind == RELATION_TABLE && !table->is_system;
}

static struct row_losses *losses_of(struct salvage_losses *losses, const struct table *table) {
    for (size_t i = 0; i < losses->count; i++)
        if (losses->tables[i].table->oid == table->oid)
            return &losses->tables[i];
    return NULL;
}

void salvage__lost(const struct salvage_report *report, const struct table *table,
                   unsigned partition, uint64_t first, uint64_t last) {
    struct row_losses *losses = report->losses != NULL ? losses_of(report->losses, table) : NULL;
    if (losses != NULL)
        row_losses_add(losses, partition, first, last);
}

void salvage__row_ids(const struct store_loss *loss, enum part part, uint64_t *first_out,
                      uint64_t *last_out) {
    enum row_tree tree = part == PART_ROWS    ? ROW_TREE_ROWS
                         : part == PART_LARGE ? ROW_TREE_LARGE
                                              : ROW_TREE_BLOCKS;
    bool one = loss->kind == STORE_LOSS_KEY; /* `lower` is the key itself, of a block */
    const struct slice *upper = one ? &loss->lower : loss->has_upper ? &loss->upper : NULL;
    row_losses_of_keys(tree, loss->lower, upper, first_out, last_out);
}

/* Any table may have had rows in the partition, and entries of any index. */
static void partition_lost(struct salvage_losses *losses, unsigned partition) {
    for (size_t i = 0; i < losses->count; i++) {
        if (!is_saved(losses->tables[i].table))
            continue;
        row_losses_add(&losses->tables[i], partition, 0, UINT64_MAX);
        losses->tables[i].index_damaged = true;
    }
}

void salvage_losses_add(struct salvage_losses *losses, const struct store_loss *loss) {
    const struct table *table;
    const struct index *index;
    uint64_t first, last;
    if (loss->kind == STORE_LOSS_PARTITION || loss->kind == STORE_LOSS_AGE)
        partition_lost(losses, loss->partition);
    if (loss->kind != STORE_LOSS_KEYS && loss->kind != STORE_LOSS_KEY)
        return;
    enum part part = salvage__part_of(losses->schema, loss->tree, &table, &index);
    struct row_losses *of_table = part != PART_NONE ? losses_of(losses, table) : NULL;
    if (part == PART_INDEX) {
        of_table->index_damaged |= index == table->indexes[0];
    } else if (part != PART_NONE) {
        salvage__row_ids(loss, part, &first, &last);
        row_losses_add(of_table, loss->partition, first, last);
    }
}

static bool is_asked(const struct row_losses *losses) {
    return losses->count > 0 && losses->table->index_count > 0;
}

enum status salvage_losses_settle(struct salvage_losses *losses, bool *any_out) {
    *any_out = false;
    for (size_t i = 0; i < losses->count; i++) {
        TRY(row_losses_settle(&losses->tables[i]));
        *any_out |= is_asked(&losses->tables[i]);
    }
    return STATUS_OK;
}

enum salvage_wish table_salvage_index_wish(const struct salvage_losses *losses,
                                           struct tree_id tree) {
    for (size_t i = 0; i < losses->count; i++)
        if (is_asked(&losses->tables[i]) &&
            losses->tables[i].table->indexes[0]->tree.value == tree.value)
            return SALVAGE_COPY;
    return SALVAGE_SKIP;
}

/* ---- asking the index ----------------------------------------------------------------------- */

struct missing_call {
    struct catalog *catalog;
    struct transaction *transaction;
    struct row_losses *losses;
    struct arena arena; /* of one entry */
    struct row_id row;
    bool found;
};

static enum status row_here(struct fiber *f, struct partition *partition, void *argument) {
    struct missing_call *call = argument;
    struct row_place place = {call->losses->table, partition, call->row, ROW_AT_SNAPSHOT};
    struct row_columns nothing = {0};
    struct slice stored;
    return row__get(f, call->transaction, &place, &nothing, &call->arena, &call->found, &stored);
}

/* An entry that names nothing is none; its place was told as damaged. */
static enum status visit_entry(struct fiber *f, struct partition *partition,
                               const struct txn_entry *entry, void *context) {
    struct missing_call *call = context;
    struct store *store = call->catalog->store;
    const struct index *index = call->losses->table->indexes[0];
    unsigned at = partition_number(partition);
    arena_reset(&call->arena);
    struct slice key = arena_copy_slice(&call->arena, entry->key);
    enum status status = index_value_decode(index, entry->value, &at, &call->row);
    TRY(arena_status(&call->arena));
    call->found = false;
    if (status == STATUS_OK && at < store_partition_count(store))
        status = partition_call(f, store, at, row_here, call);
    if (status == STATUS_OK && !call->found)
        status = row_losses_note(call->losses, (struct row_address){(uint16_t)at, call->row}, key);
    if (status_is_damage(status)) {
        error_clear();
        status = STATUS_OK;
    }
    TRY(status);
    return txn_delete(f, call->transaction, partition, index->tree, key);
}

static enum status entries_here(struct fiber *f, struct partition *partition, void *argument) {
    struct missing_call *call = argument;
    struct txn_range all = {0};
    return txn_visit(f, call->transaction, partition, call->losses->table->indexes[0]->tree, &all,
                     visit_entry, call);
}

static enum status say_missing(const struct row_losses *losses,
                               const struct salvage_report *report) {
    struct buffer text = {0};
    for (size_t i = 0; i <= losses->count; i++) {
        const struct row_loss *loss = i < losses->count ? &losses->losses[i] : &losses->elsewhere;
        if (loss == &losses->elsewhere && loss->rows == 0)
            break;
        buffer_clear(&text);
        row_losses_name(losses, loss, &text);
        buffer_append_text(&text, ": ");
        row_losses_word(losses, loss, &text);
        buffer_append_byte(&text, 0);
        if (buffer_status(&text) == STATUS_OK)
            report->missing(report->context, (const char *)text.data);
    }
    enum status status = buffer_status(&text);
    buffer_release(&text);
    return status;
}

enum status table_salvage_missing(struct fiber *f, struct catalog *catalog,
                                  const struct table *table, const struct salvage_report *report) {
    struct missing_call call = {.catalog = catalog, .losses = losses_of(report->losses, table)};
    if (call.losses == NULL || !is_asked(call.losses))
        return STATUS_OK;
    TRY(salvage__begin(f, catalog, &call.transaction));
    enum status status = STATUS_OK;
    for (unsigned p = 0; p < store_partition_count(catalog->store) && status == STATUS_OK; p++)
        status = partition_call(f, catalog->store, p, entries_here, &call);
    arena_release(&call.arena);
    TRY(salvage__end(f, call.transaction, status));
    return say_missing(call.losses, report);
}
