/*
 * Inserting many rows straight into blocks: they get their index entries as ever, but are gathered
 * column by column, by partition, and put as blocks, never as rows; so the journal carries a
 * fraction of the bytes. Each block has a range of row ids of its own, taken when its first row
 * comes. Rows too long for a block go the ordinary way.
 *
 * All is in the transaction's write set: invisible to others until commit, to the statement itself
 * until its end, gone with a rollback.
 */
#include "table/bulk.h"

#include "base/base_memory.h"

struct bulk_part {
    struct block_builder builder;
    bool open; /* has a range */
    uint64_t range;
    uint32_t next_place;
};

struct table_bulk {
    struct table_context context;
    const struct table *table;
    size_t bytes_max;
    struct bulk_part parts[PARTITIONS_MAX];
};

enum { BULK_BYTES_MIN = 4 << 20, BULK_BYTES_MAX = 96 << 20, BULK_MEMORY_SHARE = 16 };
/* Rows that a statement puts the ordinary way before it begins to make blocks. */
enum { BULK_ROWS_MIN = 16384 };

bool table_bulk_pays(const struct table *table, uint64_t rows) {
    return rows >= BULK_ROWS_MIN && !table->is_system && table->freeze != FREEZE_OFF;
}

enum status table_bulk_open(struct fiber *f, const struct table_context *context,
                            const struct table *table, struct table_bulk **bulk_out) {
    struct table_bulk *bulk = memory_alloc_zeroed(1, sizeof *bulk);
    if (bulk == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    bulk->context = *context;
    bulk->table = table;
    uint64_t bytes = store_memory(context->store) / BULK_MEMORY_SHARE;
    bulk->bytes_max = bytes < BULK_BYTES_MIN   ? BULK_BYTES_MIN
                      : bytes > BULK_BYTES_MAX ? BULK_BYTES_MAX
                                               : (size_t)bytes;
    *bulk_out = bulk;
    return STATUS_OK;
}

void table_bulk_close(struct table_bulk *bulk) {
    if (bulk == NULL)
        return;
    for (unsigned p = 0; p < PARTITIONS_MAX; p++) {
        if (bulk->parts[p].builder.table != NULL)
            block_builder_release(&bulk->parts[p].builder);
    }
    memory_free(bulk);
}

/* ---- on a partition ------------------------------------------------------------------------ */

/* Put what is gathered. */
static enum status part_put(struct fiber *f, struct partition *partition, void *argument) {
    struct table_bulk *bulk = argument;
    struct bulk_part *part = &bulk->parts[partition_number(partition)];
    if (!part->open)
        return STATUS_OK;
    part->open = false;
    enum status status = STATUS_OK;
    if (part->builder.rows > 0)
        status = block_builder_put(f, &part->builder, bulk->context.transaction, partition,
                                   part->range, 1, NULL);
    block_builder_release(&part->builder); /* its memory is for the other parts now */
    return status;
}

/* Take a whole range of row ids. */
static enum status part_open(struct fiber *f, struct table_bulk *bulk, struct bulk_part *part,
                             struct partition *partition) {
    struct row_id first;
    if (part->builder.table == NULL)
        TRY(block_builder_init(&part->builder, bulk->table));
    TRY(partition_row_range(f, partition, bulk->table->row_tree, BLOCK_ROWS_MAX, &first));
    part->range = block_range(first);
    part->next_place = 0;
    part->open = true;
    return STATUS_OK;
}

enum status bulk__take_ids(struct fiber *f, struct table_bulk *bulk, struct partition *partition,
                           uint32_t count, struct row_id *first_out) {
    struct bulk_part *part = &bulk->parts[partition_number(partition)];
    if (part->open && part->next_place + count > BLOCK_ROWS_MAX)
        TRY(part_put(f, partition, bulk));
    if (!part->open)
        TRY(part_open(f, bulk, part, partition));
    first_out->value = block_first_row(part->range) + part->next_place;
    part->next_place += count;
    return STATUS_OK;
}

enum status bulk__add(struct table_bulk *bulk, struct partition *partition,
                      const struct batch *batch, const uint16_t *rows, uint32_t count,
                      struct row_id first) {
    struct bulk_part *part = &bulk->parts[partition_number(partition)];
    uint32_t places[VECTOR_SIZE];
    for (uint32_t i = 0; i < count; i++)
        places[i] = block_place(first) + i;
    return block_builder_add(&part->builder, batch->vectors, rows, count, places);
}

/* Would a row lose values to the large tree? Estimated as for single rows. */
bool bulk__takes(const struct table *table, const struct batch *batch, const uint16_t *rows,
                 uint32_t count) {
    const struct row_schema *schema = &table->row_schema;
    size_t fixed = schema->fixed_size[table->column_count] + table->column_count / 8 + 8;
    uint32_t sizes[VECTOR_SIZE] = {0}, longest = 0;
    for (unsigned c = 0; c < table->column_count; c++) {
        if (schema->physical[c] != PHYSICAL_STRING && schema->physical[c] != PHYSICAL_NUMERIC)
            continue;
        fixed += schema->physical[c] == PHYSICAL_NUMERIC ? 24 : 2;
        for (uint32_t i = 0; schema->physical[c] == PHYSICAL_STRING && i < count; i++) {
            struct value value = vector_get(&batch->vectors[c], rows[i]);
            size_t size = value.is_null ? 0 : value.string.size;
            if (size > ROW_INLINE_SIZE_MAX)
                return false;
            sizes[i] += (uint32_t)size;
        }
    }
    for (uint32_t i = 0; i < count; i++)
        longest = sizes[i] > longest ? sizes[i] : longest;
    return fixed + longest <= ROW_INLINE_SIZE_MAX;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static enum status put_on(struct fiber *f, struct table_bulk *bulk, uint64_t partitions) {
    void *arguments[PARTITIONS_MAX];
    for (unsigned p = 0; p < PARTITIONS_MAX; p++)
        arguments[p] = bulk;
    return partition_call_all(f, bulk->context.store, partitions, part_put, arguments);
}

/* More gathered than may be: put the largest half of the parts. */
static enum status limit(struct fiber *f, struct table_bulk *bulk) {
    size_t total = 0, sizes[PARTITIONS_MAX] = {0};
    unsigned open = 0;
    for (unsigned p = 0; p < PARTITIONS_MAX; p++) {
        if (!bulk->parts[p].open)
            continue;
        sizes[p] = block_builder_size(&bulk->parts[p].builder);
        total += sizes[p];
        open++;
    }
    if (total <= bulk->bytes_max)
        return STATUS_OK;
    uint64_t chosen = 0;
    for (unsigned p = 0; p < PARTITIONS_MAX; p++) {
        if (bulk->parts[p].open && sizes[p] >= total / open)
            chosen |= 1ull << p;
    }
    return put_on(f, bulk, chosen);
}

enum status table__bulk_insert(struct fiber *f, struct table_bulk *bulk, const struct batch *batch,
                               struct insert_options options) {
    options.bulk = bulk;
    TRY(table__insert_batch(f, &bulk->context, bulk->table, batch, &options));
    return limit(f, bulk);
}

enum status table_bulk_insert(struct fiber *f, struct table_bulk *bulk, const struct batch *batch) {
    return table__bulk_insert(f, bulk, batch, (struct insert_options){0});
}

enum status table_bulk_finish(struct fiber *f, struct table_bulk *bulk) {
    uint64_t open = 0;
    for (unsigned p = 0; p < PARTITIONS_MAX; p++) {
        if (bulk->parts[p].open)
            open |= 1ull << p;
    }
    return open == 0 ? STATUS_OK : put_on(f, bulk, open);
}
