/* Making and finding the columns beside a leaf: leaf_columns.h. */
#include "table/leaf_columns.h"

#include <string.h>

const struct leaf_column *leaf_columns_find(const struct leaf_columns *columns, uint16_t column,
                                            uint32_t *guess) {
    if (*guess < columns->column_count && columns->columns[*guess].column == column)
        return &columns->columns[*guess];
    for (uint32_t i = 0; i < columns->column_count; i++) {
        if (columns->columns[i].column == column) {
            *guess = i;
            return &columns->columns[i];
        }
    }
    return NULL;
}

static bool has_all(const struct leaf_columns *columns, const uint16_t *wanted, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t guess = i;
        if (leaf_columns_find(columns, wanted[i], &guess) == NULL)
            return false;
    }
    return true;
}

/* ---- the rows of a leaf ------------------------------------------------------------------ */

static bool is_ordinary(const struct row_stored *stored) {
    return stored->deleted ||
           (row_outside_size(stored->row) == 0 && !row_has_external(stored->row));
}

/* Row ids, generations and which rows are deleted; the bytes of the others into builder->rows.
 *fit_out false: there is a row that is stored otherwise, or far from the first one. */
static enum status sift(struct leaf_builder *builder, struct leaf_columns *columns,
                        uint32_t *rows_out, uint64_t *deleted_out, bool *fit_out) {
    columns->first_row = get_be64(builder->keys);
    columns->generation_min = UINT64_MAX;
    memset(deleted_out, 0, ((size_t)columns->count + 63) / 64 * sizeof *deleted_out);
    builder->live_count = 0;
    *fit_out = true;
    for (uint32_t i = 0; i < columns->count; i++) {
        uint64_t distance = get_be64(builder->keys + (size_t)i * ROW_KEY_SIZE) - columns->first_row;
        struct row_stored stored;
        TRY(row__stored(builder->table, builder->values[i], &stored));
        rows_out[i] = (uint32_t)distance;
        *fit_out &= is_ordinary(&stored) && distance <= UINT32_MAX;
        if (stored.generation < columns->generation_min)
            columns->generation_min = stored.generation;
        if (stored.deleted) {
            columns->has_deleted = true;
            deleted_out[i / 64] |= 1ull << i % 64;
            continue;
        }
        builder->live[builder->live_count] = (uint16_t)i;
        builder->rows[builder->live_count++] = stored.row;
    }
    return STATUS_OK;
}

/* ---- their columns ----------------------------------------------------------------------- */

static struct vector *vector_of(struct leaf_builder *builder, uint16_t column) {
    struct type type = builder->table->columns[column].type;
    struct vector *vector = &builder->vectors[type_physical(type)];
    if (vector->data == NULL)
        vector_init(vector, type, builder->arena);
    vector->type = type;
    vector_reset(vector);
    return vector;
}

/* Can the column's type be kept at all? */
static bool is_keepable(const struct table *table, uint16_t column) {
    return type_physical(table->columns[column].type) != PHYSICAL_NUMERIC;
}

static bool has_long_string(const struct vector *vector, uint32_t count) {
    const struct string *strings = vector->data;
    bool found = false;
    for (uint32_t i = 0; i < count; i++)
        found |= strings[i].size > STRING_INLINE_SIZE;
    return found;
}

/* Values of the live rows to their entries' places; those of deleted rows are zero. */
static void spread(const struct leaf_builder *builder, const struct vector *vector, uint32_t count,
                   uint32_t width, uint8_t *to) {
    const uint8_t *from = vector->data;
    if (builder->live_count == count) {
        memcpy(to, from, (size_t)count * width);
        return;
    }
    memset(to, 0, (size_t)count * width);
    for (uint32_t i = 0; i < builder->live_count; i++)
        memcpy(to + (size_t)builder->live[i] * width, from + (size_t)i * width, width);
}

static enum status column_make(struct leaf_builder *builder, const struct leaf_columns *columns,
                               struct leaf_column *column, uint8_t *to) {
    struct vector *vector = vector_of(builder, column->column);
    struct row_decode_options options = {
        .columns = &column->column, .column_count = 1, .arena = &builder->scratch};
    TRY(arena_status(builder->arena));
    TRY(row_decode_batch(&builder->table->row_schema, builder->rows, builder->live_count, &options,
                         vector));
    column->fit = true;
    for (uint32_t i = 0; vector->validity != NULL && i < builder->live_count; i++)
        column->fit &= validity_get(vector->validity, i);
    if (vector->physical == PHYSICAL_STRING)
        column->fit &= !has_long_string(vector, builder->live_count);
    if (column->fit)
        spread(builder, vector, columns->count, column->width, to);
    return STATUS_OK;
}

/* ---- making ------------------------------------------------------------------------------ */

static size_t aligned(size_t size) {
    return (size + 15) & ~(size_t)15;
}

static void column_add(const struct table *table, struct leaf_columns *plan, uint16_t column,
                       size_t *size) {
    uint32_t guess = 0;
    if (leaf_columns_find(plan, column, &guess) != NULL)
        return;
    ASSERT(plan->column_count < LEAF_COLUMNS_MAX);
    uint32_t width = (uint32_t)physical_size(type_physical(table->columns[column].type));
    plan->columns[plan->column_count++] =
        (struct leaf_column){.column = column, .width = (uint8_t)width, .offset = (uint32_t)*size};
    if (is_keepable(table, column))
        *size += aligned((size_t)width * plan->count);
}

/* The header with the columns there are to be: the wanted ones and, if all fit, those that were
   kept for others. Returns the size of it all. */
static size_t plan_make(const struct table *table, const struct leaf_columns *before,
                        const uint16_t *wanted, uint32_t wanted_count, struct leaf_columns *plan) {
    size_t size = aligned(sizeof *plan + ((size_t)plan->count + 1) / 2 * 8 +
                          ((size_t)plan->count + 63) / 64 * 8);
    for (uint32_t i = 0; i < wanted_count; i++)
        column_add(table, plan, wanted[i], &size);
    if (before == NULL || plan->column_count + before->column_count > LEAF_COLUMNS_MAX)
        return size;
    for (uint32_t i = 0; i < before->column_count; i++)
        column_add(table, plan, before->columns[i].column, &size);
    return size;
}

static enum status columns_fill(struct leaf_builder *builder, struct leaf_columns *columns) {
    uint8_t *start = (uint8_t *)columns;
    uint32_t *rows = (uint32_t *)(columns + 1);
    uint64_t *deleted = (uint64_t *)(columns + 1) + (columns->count + 1) / 2;
    bool fit;
    TRY(sift(builder, columns, rows, deleted, &fit));
    for (uint32_t i = 0; i < columns->column_count && fit; i++) {
        struct leaf_column *column = &columns->columns[i];
        if (is_keepable(builder->table, column->column))
            TRY(column_make(builder, columns, column, start + column->offset));
    }
    columns->fit = fit;
    return STATUS_OK;
}

static enum status columns_make(struct leaf_builder *builder, const struct txn_leaf *leaf,
                                const uint16_t *wanted, uint32_t wanted_count,
                                const struct leaf_columns **columns_out) {
    struct leaf_columns plan = {.count = leaf->leaf_count};
    size_t size = plan_make(builder->table, txn_leaf_companion(leaf), wanted, wanted_count, &plan);
    struct leaf_columns *columns = txn_leaf_companion_make(leaf, (uint32_t)size);
    if (columns == NULL)
        return STATUS_OK;
    *columns = plan; /* not fit until it is filled */
    arena_reset(&builder->scratch);
    TRY(txn_leaf_range(leaf, 0, leaf->leaf_count, builder->values, builder->keys));
    TRY(columns_fill(builder, columns));
    *columns_out = columns;
    return STATUS_OK;
}

enum status leaf_columns_get(const struct table *table, const struct txn_leaf *leaf,
                             const uint16_t *wanted, uint32_t wanted_count, struct arena *arena,
                             struct leaf_builder **builder,
                             const struct leaf_columns **columns_out) {
    const struct leaf_columns *columns = txn_leaf_companion(leaf);
    *columns_out = columns;
    if (columns != NULL && (!columns->fit || has_all(columns, wanted, wanted_count)))
        return STATUS_OK;
    *columns_out = NULL;
    if (leaf->leaf_count > VECTOR_SIZE || !txn_leaf_scanned(leaf))
        return STATUS_OK;
    if (*builder == NULL) {
        *builder = arena_alloc_zeroed(arena, sizeof **builder);
        if (*builder == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        (*builder)->table = table;
        (*builder)->arena = arena;
    }
    return columns_make(*builder, leaf, wanted, wanted_count, columns_out);
}
