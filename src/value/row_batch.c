/*
 * Rows to vectors, column by column: the inner loop of every scan of hot rows.
 *
 * Rows are taken in chunks small enough that their bytes stay in the first cache levels while
 * each wanted column is read from them. Headers are checked once a row; when all rows of a chunk
 * store every column and none is null, a fixed column is one load and one store a row.
 */
#include "base/base_bytes.h"
#include "value/row.h"
#include "value/row_format.h"
#include "value/value_numeric.h"

enum { CHUNK_ROWS = 128 };

struct chunk {
    const struct row_schema *schema;
    uint32_t count;
    bool uniform;  /* every row stores all columns */
    uint8_t flags; /* of all rows together */
    const uint8_t *rows[CHUNK_ROWS];
    uint32_t variable_size[CHUNK_ROWS];
    uint16_t columns[CHUNK_ROWS];
    uint8_t row_flags[CHUNK_ROWS];
};

static enum status open_chunk(struct chunk *chunk, const struct slice *rows, uint32_t count) {
    const struct row_schema *schema = chunk->schema;
    chunk->count = count;
    chunk->flags = 0;
    chunk->uniform = true;
    struct row_parts parts = {0};
    uint32_t header = 0; /* of the row before; never that of a good row */
    for (uint32_t i = 0; i < count; i++) {
        /* Rows mostly look like the one before: then only the size is new. */
        if (rows[i].size >= ROW_HEADER_SIZE && get_le32(rows[i].data) == header &&
            rows[i].size >= parts.bytes) {
            parts.variable_size = rows[i].size - parts.bytes;
        } else {
            TRY(row__open(schema, rows[i], &parts));
            header = get_le32(rows[i].data);
        }
        chunk->rows[i] = rows[i].data;
        chunk->variable_size[i] = (uint32_t)parts.variable_size;
        chunk->columns[i] = (uint16_t)parts.columns;
        chunk->row_flags[i] = parts.flags;
        chunk->flags |= parts.flags;
        chunk->uniform &= parts.columns == schema->column_count;
    }
    return STATUS_OK;
}

static size_t fixed_start(uint32_t columns) {
    return ROW_HEADER_SIZE + (columns + 7) / 8;
}

static bool is_stored(const struct chunk *chunk, uint32_t i, uint32_t column) {
    return column < chunk->columns[i];
}

static bool is_null(const struct chunk *chunk, uint32_t i, uint32_t column) {
    return (chunk->rows[i][ROW_HEADER_SIZE + column / 8] >> column % 8 & 1) != 0;
}

/* Mark the rows valid if the vector has a bitmap by now. */
static void set_valid(struct vector *vector, uint32_t first, uint32_t count) {
    if (vector->validity == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        validity_set(vector->validity, first + i);
}

/* Nulls, and columns that the row was written without. */
static void fill_absent(const struct chunk *chunk, uint32_t column, struct vector *vector,
                        uint32_t first) {
    if (chunk->uniform && (chunk->flags & ROW_FLAG_NULLS) == 0)
        return;
    const struct value *missing = chunk->schema->columns[column].missing;
    for (uint32_t i = 0; i < chunk->count; i++) {
        if (!is_stored(chunk, i, column)) {
            if (missing != NULL && !missing->is_null)
                vector_set(vector, first + i, missing, NULL);
            else
                vector_set_null(vector, first + i);
        } else if (is_null(chunk, i, column)) {
            vector_set_null(vector, first + i);
        }
    }
}

#define LOAD_LOOP(bytes)                                                                           \
    do {                                                                                           \
        uint8_t *to = (uint8_t *)vector->data + (size_t)first * (bytes);                           \
        if (chunk->uniform) {                                                                      \
            size_t at = fixed_start(chunk->schema->column_count) + offset;                         \
            for (uint32_t i = 0; i < chunk->count; i++)                                            \
                memcpy(to + (size_t)i * (bytes), chunk->rows[i] + at, (bytes));                    \
        } else {                                                                                   \
            for (uint32_t i = 0; i < chunk->count; i++)                                            \
                if (is_stored(chunk, i, column))                                                   \
                    memcpy(to + (size_t)i * (bytes),                                               \
                           chunk->rows[i] + fixed_start(chunk->columns[i]) + offset, (bytes));     \
        }                                                                                          \
    } while (0)

static enum status decode_fixed(const struct chunk *chunk, uint32_t column, struct vector *vector,
                                uint32_t first) {
    size_t offset = chunk->schema->fixed_offset[column];
    switch (physical_size(vector->physical)) {
    case 1:
        LOAD_LOOP(1);
        break;
    case 2:
        LOAD_LOOP(2);
        break;
    case 4:
        LOAD_LOOP(4);
        break;
    case 8:
        LOAD_LOOP(8);
        break;
    default:
        LOAD_LOOP(16);
        break;
    }
    fill_absent(chunk, column, vector, first);
    if (vector->physical == PHYSICAL_BOOL) {
        const uint8_t *bools = (uint8_t *)vector->data + first;
        uint8_t all = 0;
        for (uint32_t i = 0; i < chunk->count; i++)
            all |= bools[i];
        if (all > 1)
            return error_set(STATUS_DATA_CORRUPTED,
                             "stored row is damaged: a boolean that is neither true nor false");
    }
    return STATUS_OK;
}

static enum status add_external(struct row_external_list *list, struct arena *arena,
                                struct row_external_place place) {
    if (list == NULL)
        return error_set(STATUS_DATA_CORRUPTED,
                         "stored row is damaged: a reference where none is expected");
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct row_external_place *places =
            arena_alloc(arena, sizeof(struct row_external_place) * capacity);
        if (places == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (list->count > 0)
            memcpy(places, list->places, sizeof *places * list->count);
        list->places = places;
        list->capacity = capacity;
    }
    list->places[list->count++] = place;
    return STATUS_OK;
}

/* One value of a variable column that is stored and not null. */
static enum status decode_variable_one(const struct chunk *chunk, uint32_t i, uint32_t column,
                                       const struct row_decode_options *options,
                                       uint32_t vector_position, struct vector *vector,
                                       uint32_t row) {
    const struct row_schema *schema = chunk->schema;
    uint32_t n = chunk->columns[i];
    bool wide = (chunk->row_flags[i] & ROW_FLAG_WIDE) != 0;
    struct row_parts parts = {.row = chunk->rows[i], .columns = n, .flags = chunk->row_flags[i]};
    parts.ends = fixed_start(n) + schema->fixed_size[n];
    parts.bytes = parts.ends + schema->variable_count[n] * (wide ? 4u : 2u);
    parts.variable_size = chunk->variable_size[i];
    struct slice bytes;
    bool external;
    TRY(row__variable(&parts, schema->variable_index[column], &bytes, &external));
    if (vector->physical == PHYSICAL_NUMERIC) {
        if (external)
            return error_set(STATUS_DATA_CORRUPTED, "stored row is damaged: a number kept outside");
        return numeric_unpack(bytes, (struct numeric *)vector->data + row);
    }
    if (external) {
        struct row_external_place place = {.row = row, .vector = vector_position};
        TRY(row__external(bytes, &place.external));
        vector_set_null(vector, row);
        return add_external(options->externals, options->arena, place);
    }
    struct string string = string_of(bytes.data, bytes.size);
    if (options->copy_strings)
        string = string_copy(string, options->arena);
    ((struct string *)vector->data)[row] = string;
    return STATUS_OK;
}

/* Strings of narrow rows that store all columns, without nulls and references: the usual case. */
static enum status decode_strings_plain(const struct chunk *chunk, uint32_t column,
                                        const struct row_decode_options *options,
                                        struct vector *vector, uint32_t first) {
    const struct row_schema *schema = chunk->schema;
    uint32_t n = schema->column_count, index = schema->variable_index[column];
    size_t ends = fixed_start(n) + schema->fixed_size[n];
    size_t bytes = ends + schema->variable_count[n] * 2u;
    struct string *to = (struct string *)vector->data + first;
    for (uint32_t i = 0; i < chunk->count; i++) {
        const uint8_t *row = chunk->rows[i];
        uint32_t start = index == 0 ? 0 : get_le16(row + ends + 2 * (size_t)(index - 1));
        uint32_t end = get_le16(row + ends + 2 * (size_t)index);
        if (__builtin_expect(start > end || end > chunk->variable_size[i], 0))
            return error_set(STATUS_DATA_CORRUPTED,
                             "stored row is damaged: a variable column ends outside");
        to[i] = string_of(row + bytes + start, end - start);
        if (end - start > STRING_INLINE_SIZE && options->copy_strings)
            to[i] = string_copy(to[i], options->arena);
    }
    return STATUS_OK;
}

static enum status decode_variable(const struct chunk *chunk, uint32_t column,
                                   const struct row_decode_options *options,
                                   uint32_t vector_position, struct vector *vector,
                                   uint32_t first) {
    if (chunk->uniform && chunk->flags == 0 && vector->physical == PHYSICAL_STRING)
        return decode_strings_plain(chunk, column, options, vector, first);
    for (uint32_t i = 0; i < chunk->count; i++)
        if (is_stored(chunk, i, column) && !is_null(chunk, i, column))
            TRY(decode_variable_one(chunk, i, column, options, vector_position, vector, first + i));
    fill_absent(chunk, column, vector, first);
    return STATUS_OK;
}

enum status row_decode_batch(const struct row_schema *schema, const struct slice *rows,
                             uint32_t count, const struct row_decode_options *options,
                             struct vector *vectors) {
    ASSERT(options->target_row + count <= VECTOR_SIZE);
    struct chunk chunk; /* some KB: only what open_chunk needs is set */
    chunk.schema = schema;
    for (uint32_t done = 0; done < count; done += chunk.count) {
        uint32_t rest = count - done, first = options->target_row + done;
        TRY(open_chunk(&chunk, rows + done, rest < CHUNK_ROWS ? rest : CHUNK_ROWS));
        for (uint32_t c = 0; c < options->column_count; c++) {
            uint32_t column = options->columns[c];
            struct vector *vector = &vectors[c];
            ASSERT(column < schema->column_count && vector->physical == schema->physical[column]);
            ASSERT(vector->kind == VECTOR_FLAT && vector->data == vector->own_data);
            set_valid(vector, first, chunk.count);
            if (row_column_is_fixed(schema, column))
                TRY(decode_fixed(&chunk, column, vector, first));
            else
                TRY(decode_variable(&chunk, column, options, c, vector, first));
        }
    }
    return STATUS_OK;
}
