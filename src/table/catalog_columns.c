/* Values of catalog rows. */
#include "table/catalog_columns.h"

void catalog_row_init(const struct table *table, struct value *values) {
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        values[i] = value_null(column->type);
        values[i].is_null = !column->not_null;
        if (type_physical(column->type) == PHYSICAL_STRING)
            values[i].string = slice_of("", 0);
    }
}

void set_letter(struct value *values, int column, char letter) {
    static const char letters[] = "1ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    struct value *value = &values[column - 1];
    value->is_null = false;
    value->string = slice_of("", 0);
    if (letter == '\0')
        return;
    const char *at = strchr(letters, letter);
    ASSERT(at != NULL);
    value->string = slice_of(at, 1);
}

enum status set_int2s(struct value *values, int column, const int16_t *numbers, size_t count,
                      struct arena *arena) {
    struct value *elements;
    TRY(arena__array(arena, count, sizeof *elements, &elements));
    for (size_t i = 0; i < count; i++)
        elements[i] = value_int2(numbers[i]);
    return array_make(values[column - 1].type.id, elements, (uint32_t)count, arena,
                      &values[column - 1]);
}

enum status set_oids(struct value *values, int column, const uint32_t *oids, size_t count,
                     struct arena *arena) {
    struct value *elements;
    TRY(arena__array(arena, count, sizeof *elements, &elements));
    for (size_t i = 0; i < count; i++)
        elements[i] = value_oid(oids[i]);
    return array_make(values[column - 1].type.id, elements, (uint32_t)count, arena,
                      &values[column - 1]);
}

static int64_t number_of(const struct value *value) {
    switch (type_physical(value->type)) {
    case PHYSICAL_INT16:
        return value->int16;
    case PHYSICAL_INT32:
        return value->int32;
    case PHYSICAL_FLOAT32:
        return (int64_t)value->float32;
    default:
        return value->int64;
    }
}

int64_t get_int(const struct value *values, int column) {
    return values[column - 1].is_null ? 0 : number_of(&values[column - 1]);
}

char *get_text(const struct value *values, int column, struct arena *arena) {
    const struct value *value = &values[column - 1];
    if (value->is_null)
        return NULL;
    char *text = arena_alloc(arena, value->string.size + 1);
    if (text == NULL)
        return NULL;
    if (value->string.size > 0)
        memcpy(text, value->string.data, value->string.size);
    text[value->string.size] = '\0';
    return text;
}

enum status get_numbers(const struct value *values, int column, int64_t *numbers, size_t capacity,
                        size_t *count_out) {
    *count_out = 0;
    if (values[column - 1].is_null)
        return STATUS_OK;
    struct array array;
    TRY(array_open(values[column - 1].string, &array));
    *count_out = array.count;
    for (uint32_t i = 0; i < array.count && i < capacity; i++) {
        struct value element;
        TRY(array_get(&array, i, &element));
        numbers[i] = number_of(&element);
    }
    return STATUS_OK;
}
