/* Making and finding the columns beside a leaf: leaf_columns.h. */
#include "table/leaf_columns.h"

#include <string.h>

#include "table/block_format.h"

enum { VALUE_SIZE_MAX = 16 };

/* column_count: it is not there (an unfit one is). */
static uint32_t find(const struct leaf_columns *columns, uint16_t column) {
    uint32_t i = 0;
    while (i < columns->column_count && columns->columns[i].column != column)
        i++;
    return i;
}

bool leaf_columns_find(const struct leaf_columns *columns, struct leaf_want *wanted,
                       uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct leaf_want *want = &wanted[i];
        want->found = leaf_want_guess(want, columns);
        if (want->found != NULL)
            continue;
        want->guess = find(columns, want->column);
        if (want->guess == columns->column_count)
            return false;
        want->found = &columns->columns[want->guess];
    }
    return true;
}

/* ---- the rows of a leaf ------------------------------------------------------------------ */

static bool is_ordinary(const struct row_stored *stored) {
    return stored->deleted ||
           (row_outside_size(stored->row) == 0 && !row_has_external(stored->row));
}

/* Row ids, generations and which rows are deleted; the bytes of the others into builder->rows.
   columns->fit false: there is a row that is stored otherwise. */
static enum status sift(struct leaf_builder *builder, struct leaf_columns *columns) {
    columns->first_row = get_be64(builder->keys);
    columns->generation_min = UINT64_MAX;
    columns->generation_max = 0;
    memset(builder->deleted, 0, sizeof builder->deleted);
    builder->live_count = builder->columns_stored = 0;
    columns->fit = true;
    for (uint32_t i = 0; i < columns->count; i++) {
        struct row_id row = {get_be64(builder->keys + (size_t)i * ROW_KEY_SIZE)};
        struct row_stored stored;
        TRY(row__stored(builder->table, builder->values[i], &stored));
        builder->places[i] = (uint16_t)block_place(row);
        columns->far = row.value - columns->first_row >= BLOCK_ROWS_MAX;
        if (!is_ordinary(&stored)) {
            columns->fit = false;
            return STATUS_OK;
        }
        if (stored.generation < columns->generation_min)
            columns->generation_min = stored.generation;
        if (stored.generation > columns->generation_max)
            columns->generation_max = stored.generation;
        if (stored.deleted) {
            columns->has_deleted = true;
            builder->deleted[i / 64] |= 1ull << i % 64;
            continue;
        }
        uint32_t columns_stored;
        TRY(row_stored_columns(&builder->table->row_schema, stored.row, &columns_stored));
        if (columns_stored > builder->columns_stored)
            builder->columns_stored = columns_stored;
        builder->live[builder->live_count] = (uint16_t)i;
        builder->rows[builder->live_count++] = stored.row;
    }
    return STATUS_OK;
}

/* The places as words, if they are of one range and close enough. */
static uint32_t words_make(struct leaf_builder *builder, const struct leaf_columns *columns) {
    uint16_t *words = builder->words;
    const uint32_t count_max = columns->count / LEAF_WORD_ROWS;
    uint32_t count = 0;
    if (columns->far || builder->places[columns->count - 1] < builder->places[0])
        return 0;
    for (uint32_t i = 0; i < columns->count; i++) {
        uint16_t place = builder->places[i];
        if (count == 0 || words[count - 1] != place / 64) {
            if (count == count_max)
                return 0;
            builder->word_bits[count] = 0;
            words[count++] = place / 64;
        }
        builder->word_bits[count - 1] |= 1ull << place % 64;
    }
    return count;
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

/* The vector's integers, or strings as such. */
static uint64_t number_at(const struct vector *vector, uint32_t i) {
    switch (vector->physical) {
    case PHYSICAL_INT16:
        return (uint64_t)((const int16_t *)vector->data)[i];
    case PHYSICAL_INT32:
        return (uint64_t)((const int32_t *)vector->data)[i];
    case PHYSICAL_INT64:
        return (uint64_t)((const int64_t *)vector->data)[i];
    default:
        return leaf_string_number((const struct string *)vector->data + i);
    }
}

static bool has_null(const struct vector *vector, uint32_t count) {
    bool found = false;
    for (uint32_t i = 0; vector->validity != NULL && i < count; i++)
        found |= !validity_get(vector->validity, i);
    return found;
}

static uint32_t longest_string(const struct vector *vector, uint32_t count) {
    const struct string *strings = vector->data;
    uint32_t longest = 0;
    for (uint32_t i = 0; i < count; i++)
        longest = strings[i].size > longest ? strings[i].size : longest;
    return longest;
}

static enum leaf_form form_of(const struct vector *vector, uint32_t count) {
    if (vector->physical == PHYSICAL_NUMERIC || has_null(vector, count))
        return LEAF_UNFIT;
    if (vector->physical == PHYSICAL_STRING) {
        uint32_t longest = longest_string(vector, count);
        return longest > STRING_INLINE_SIZE ? LEAF_UNFIT : longest > 7 ? LEAF_RAW : LEAF_STRING;
    }
    return vector->physical == PHYSICAL_INT16 || vector->physical == PHYSICAL_INT32 ||
                   vector->physical == PHYSICAL_INT64
               ? LEAF_NUMBER
               : LEAF_RAW;
}

/* Numbers of live rows to their entries' places; deleted ones have 0. */
static void numbers_keep(struct leaf_builder *builder, const struct vector *vector,
                         struct leaf_column *column, uint8_t *to) {
    uint64_t *numbers = builder->numbers;
    int64_t least = INT64_MAX, greatest = INT64_MIN;
    for (uint32_t i = 0; i < builder->live_count; i++) {
        int64_t number = (int64_t)number_at(vector, i);
        numbers[i] = (uint64_t)number;
        least = number < least ? number : least;
        greatest = number > greatest ? number : greatest;
    }
    column->base = (uint64_t)least;
    column->width = leaf_number_width((uint64_t)greatest - (uint64_t)least);
    for (uint32_t i = 0; i < builder->live_count; i++) {
        leaf_number_put(to, builder->live[i], column->width, numbers[i] - column->base);
    }
}

static void raw_keep(const struct leaf_builder *builder, const struct vector *vector,
                     struct leaf_column *column, uint8_t *to) {
    const uint8_t *from = vector->data;
    column->width = (uint8_t)physical_size(vector->physical);
    for (uint32_t i = 0; i < builder->live_count; i++)
        memcpy(to + (size_t)builder->live[i] * column->width, from + (size_t)i * column->width,
               column->width);
}

/* Decode the column and keep it at `*size` bytes from the beginning; up to `*size_read` bytes there
   are that may be read. */
static enum status column_keep(struct leaf_builder *builder, struct leaf_columns *columns,
                               struct leaf_column *column, size_t *size, size_t *size_read) {
    column->form = LEAF_UNFIT;
    if (column->column >= builder->columns_stored)
        return STATUS_OK;
    struct vector *vector = vector_of(builder, column->column);
    struct row_decode_options options = {
        .columns = &column->column, .column_count = 1, .arena = &builder->scratch};
    uint8_t *to = (uint8_t *)columns + *size;
    TRY(arena_status(builder->arena));
    TRY(row_decode_batch(&builder->table->row_schema, builder->rows, builder->live_count, &options,
                         vector));
    column->form = (uint8_t)form_of(vector, builder->live_count);
    column->offset = (uint32_t)*size;
    if (column->form == LEAF_UNFIT)
        return STATUS_OK;
    memset(to, 0, ((size_t)columns->count + LEAF_READ_BEYOND) * VALUE_SIZE_MAX);
    if (column->form == LEAF_RAW)
        raw_keep(builder, vector, column, to);
    else
        numbers_keep(builder, vector, column, to);
    if (leaf_read_end(columns, column) > *size_read)
        *size_read = leaf_read_end(columns, column);
    *size += leaf_aligned((size_t)columns->count * column->width);
    return STATUS_OK;
}

/* ---- making ------------------------------------------------------------------------------ */

static void column_add(struct leaf_columns *plan, uint16_t column) {
    if (find(plan, column) < plan->column_count)
        return;
    ASSERT(plan->column_count < LEAF_COLUMNS_MAX);
    plan->columns[plan->column_count++] = (struct leaf_column){.column = column};
}

/* The columns there are to be: the wanted ones and, if all fit, those that were kept for others. */
static void plan_make(const struct table *table, const struct leaf_columns *before,
                      const struct leaf_want *wanted, uint32_t wanted_count,
                      struct leaf_columns *plan) {
    for (uint32_t i = 0; i < wanted_count; i++)
        column_add(plan, wanted[i].column);
    if (before == NULL || plan->column_count + before->column_count > LEAF_COLUMNS_MAX)
        return;
    for (uint32_t i = 0; i < before->column_count; i++) {
        uint16_t column = before->columns[i].column; /* or of a table that never came to be */
        if (column < table->column_count && !table->columns[column].dropped)
            column_add(plan, column);
    }
}

static void append(uint8_t **end, const void *bytes, size_t size) {
    memcpy(*end, bytes, size);
    *end += size;
}

/* All of it in the scratch arena. */
static enum status columns_make(struct leaf_builder *builder, const struct txn_leaf *leaf,
                                struct leaf_columns *plan, struct leaf_columns **made_out,
                                size_t *size_out) {
    size_t deleted_size = ((size_t)plan->count + 63) / 64 * sizeof(uint64_t);
    size_t places_size = plan->count * sizeof(uint16_t);
    arena_reset(&builder->scratch);
    TRY(txn_leaf_range(leaf, 0, leaf->leaf_count, builder->values, builder->keys));
    TRY(sift(builder, plan));
    plan->word_count = plan->fit ? (uint16_t)words_make(builder, plan) : 0;
    size_t bits_size = plan->word_count * sizeof(uint64_t);
    size_t words_size = plan->word_count * sizeof(uint16_t);
    size_t header_size = leaf_columns_header_size(plan);
    size_t size = leaf_aligned(header_size + deleted_size + bits_size + words_size + places_size);
    size_t column_size = leaf_aligned(((size_t)plan->count + LEAF_READ_BEYOND) * VALUE_SIZE_MAX);
    struct leaf_columns *columns =
        arena_alloc(&builder->scratch, size + plan->column_count * column_size);
    if (columns == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint8_t *end = (uint8_t *)columns;
    append(&end, plan, header_size);
    append(&end, builder->deleted, deleted_size);
    append(&end, builder->word_bits, bits_size);
    append(&end, builder->words, words_size);
    append(&end, builder->places, places_size);
    size_t size_read = size;
    for (uint32_t i = 0; i < columns->column_count && columns->fit; i++)
        TRY(column_keep(builder, columns, &columns->columns[i], &size, &size_read));
    for (uint32_t i = 0; i < columns->column_count && columns->fit; i++)
        ASSERT(columns->columns[i].form == LEAF_UNFIT ||
               leaf_read_end(columns, &columns->columns[i]) <= size_read);
    *made_out = columns;
    *size_out = !columns->fit ? header_size : size_read > size ? size_read : size;
    return STATUS_OK;
}

enum status leaf_columns_get(const struct table *table, const struct txn_leaf *leaf,
                             struct leaf_want *wanted, uint32_t wanted_count, struct arena *arena,
                             struct leaf_builder **builder,
                             const struct leaf_columns **columns_out) {
    const struct leaf_columns *columns = txn_leaf_companion(leaf);
    *columns_out = columns;
    if (columns != NULL && (!columns->fit || leaf_columns_find(columns, wanted, wanted_count)))
        return STATUS_OK;
    *columns_out = NULL;
    if (leaf->leaf_count > VECTOR_SIZE || !txn_leaf_scanned(leaf))
        return STATUS_OK;
    if (*builder == NULL) {
        *builder = arena_alloc(arena, sizeof **builder);
        if (*builder == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        memset(*builder, 0, offsetof(struct leaf_builder, live));
        (*builder)->table = table;
        (*builder)->arena = arena;
    }
    struct leaf_columns plan = {.count = leaf->leaf_count}, *made = NULL;
    size_t size = 0;
    plan_make(table, columns, wanted, wanted_count, &plan);
    TRY(columns_make(*builder, leaf, &plan, &made, &size));
    void *companion = txn_leaf_companion_make(leaf, (uint32_t)size);
    if (companion == NULL)
        return STATUS_OK;
    memcpy(companion, made, size);
    *columns_out = companion;
    bool has_all = !made->fit || leaf_columns_find(*columns_out, wanted, wanted_count);
    ASSERT(has_all);
    return STATUS_OK;
}
