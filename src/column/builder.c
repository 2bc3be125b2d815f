/* Gathering values until there are enough for a chunk. */
#include "base/base_memory.h"
#include "column/column.h"

void column_builder_init(struct column_builder *builder, struct type type) {
    enum physical physical = type_physical(type);
    *builder = (struct column_builder){
        .type = type, .physical = (uint8_t)physical, .value_size = physical_size(physical)};
}

void column_builder_reset(struct column_builder *builder) {
    builder->count = 0;
    builder->string_bytes = 0;
    builder->has_nulls = false;
    arena_reset(&builder->strings);
}

void column_builder_release(struct column_builder *builder) {
    memory_free(builder->values);
    memory_free(builder->validity);
    arena_release(&builder->strings);
    *builder = (struct column_builder){0};
}

static enum status out_of_memory(void) {
    return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

/* Room for `count` more rows. */
static enum status reserve(struct column_builder *builder, uint32_t count) {
    ASSERT(builder->value_size > 0);
    if (count > COLUMN_ROWS_MAX - builder->count)
        return error_set(STATUS_LIMIT_EXCEEDED, "a column chunk holds at most %d rows",
                         COLUMN_ROWS_MAX);
    size_t rows = builder->count + count;
    if (!memory_grow(&builder->values, &builder->values_capacity, rows, builder->value_size) ||
        !memory_grow(&builder->validity, &builder->validity_capacity, (rows + 63) / 64,
                     sizeof(uint64_t)))
        return out_of_memory();
    return STATUS_OK;
}

/* Copy what the strings of rows first .. first+count point to. */
static enum status own_strings(struct column_builder *builder, uint32_t first, uint32_t count) {
    struct string *strings = (struct string *)(void *)builder->values + first;
    size_t bytes = 0, size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size += strings[i].size;
        bytes += strings[i].size > STRING_INLINE_SIZE ? strings[i].size : 0;
    }
    if (bytes > 0) {
        uint8_t *at = arena_alloc_aligned(&builder->strings, bytes, 1);
        if (at == NULL || builder->strings.starved)
            return out_of_memory();
        for (uint32_t i = 0; i < count; i++) {
            if (strings[i].size <= STRING_INLINE_SIZE)
                continue;
            memcpy(at, strings[i].pointer, strings[i].size);
            strings[i].pointer = at;
            at += strings[i].size;
        }
    }
    builder->string_bytes += size;
    return STATUS_OK;
}

#define COPY(form)                                                                                 \
    do {                                                                                           \
        form *to = (form *)(void *)builder->values + first;                                        \
        const form *from = view.data;                                                              \
        for (uint32_t i = 0; i < count; i++)                                                       \
            to[i] = from[view.indices[rows[i]]];                                                   \
    } while (0)

static void copy_values(struct column_builder *builder, const struct vector *vector,
                        struct vector_view view, const uint16_t *rows, uint32_t count) {
    uint32_t first = builder->count;
    if (vector->kind == VECTOR_FLAT && rows == vector_identity) {
        memcpy(builder->values + first * builder->value_size, view.data,
               count * builder->value_size);
        return;
    }
    switch (builder->value_size) {
    case 1:
        COPY(uint8_t);
        break;
    case 2:
        COPY(uint16_t);
        break;
    case 4:
        COPY(uint32_t);
        break;
    case 8:
        COPY(uint64_t);
        break;
    case 16:
        COPY(uint128_t);
        break;
    default:
        COPY(struct numeric);
    }
}

enum status column_builder_append(struct column_builder *builder, const struct vector *vector,
                                  const uint16_t *selection, uint32_t count) {
    ASSERT(vector->physical == builder->physical && count <= VECTOR_SIZE);
    TRY(reserve(builder, count));
    struct vector_view view = vector_view(vector);
    const uint16_t *rows = selection == NULL ? vector_identity : selection;
    uint32_t first = builder->count;
    copy_values(builder, vector, view, rows, count);
    for (uint32_t i = 0; i < count; i++) {
        bool valid = view_valid(&view, view.indices[rows[i]]);
        if (valid) {
            validity_set(builder->validity, first + i);
            continue;
        }
        validity_clear(builder->validity, first + i);
        builder->has_nulls = true;
        memset(builder->values + (first + i) * builder->value_size, 0, builder->value_size);
    }
    if (builder->physical == PHYSICAL_STRING)
        TRY(own_strings(builder, first, count));
    builder->count += count;
    return STATUS_OK;
}

enum status column_builder_append_value(struct column_builder *builder, const struct value *value) {
    TRY(reserve(builder, 1));
    uint32_t row = builder->count;
    uint8_t *at = builder->values + row * builder->value_size;
    if (value->is_null) {
        memset(at, 0, builder->value_size);
        validity_clear(builder->validity, row);
        builder->has_nulls = true;
    } else {
        ASSERT(type_physical(value->type) == builder->physical);
        value_to_physical(value, at);
        validity_set(builder->validity, row);
    }
    if (builder->physical == PHYSICAL_STRING)
        TRY(own_strings(builder, row, 1));
    builder->count++;
    return STATUS_OK;
}
