/* Dictionaries: distinct values in order, and rows as their numbers. */
#include <stdlib.h>

#include "base/base_bytes.h"
#include "column/chunk.h"
#include "column/kernel.h"
#include "value/value_numeric.h"

enum {
    ENTRIES_MAX = COLUMN_ROWS_MAX - 1, /* one code is for null */
    NUMBER_ENTRIES_MAX = 8192,
    TRIAL_ROWS = 8192,
};

/* ---- finding the distinct values ----------------------------------------------------------- */

struct distinct {
    uint32_t *table; /* number of an entry + 1, by hash */
    uint32_t mask;
    uint32_t *rows;  /* of each entry, one row that has it */
    uint32_t *codes; /* of each row, its entry in order of appearance */
    uint32_t count, limit;
};

static enum status distinct_init(const struct column_input *input, uint32_t limit,
                                 struct distinct *distinct) {
    uint32_t slots = 256;
    while (slots < 2 * limit)
        slots *= 2;
    *distinct = (struct distinct){
        .table = arena_alloc_zeroed(input->arena, slots * sizeof(uint32_t)),
        .mask = slots - 1,
        .rows = arena_alloc(input->arena, limit * sizeof(uint32_t)),
        .codes = arena_alloc(input->arena, input->rows * sizeof(uint32_t)),
        .limit = limit,
    };
    if (distinct->table == NULL || distinct->rows == NULL || distinct->codes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    return STATUS_OK;
}

/* *few_out is false when there are too many. */
static enum status distinct_find(const struct column_input *input, struct distinct *distinct,
                                 bool *few_out) {
    *few_out = false;
    for (uint32_t i = 0; i < input->rows; i++) {
        if (input_is_null(input, i))
            continue;
        struct slice value = input_bytes(input, i);
        uint32_t slot = (uint32_t)input->hashes[i] & distinct->mask;
        uint32_t entry;
        while ((entry = distinct->table[slot]) != 0 &&
               !slice_equal(input_bytes(input, distinct->rows[entry - 1]), value))
            slot = (slot + 1) & distinct->mask;
        if (entry == 0) {
            if (distinct->count == distinct->limit)
                return STATUS_OK;
            distinct->rows[distinct->count] = i;
            distinct->table[slot] = entry = ++distinct->count;
        }
        distinct->codes[i] = entry - 1;
        if (i == TRIAL_ROWS && distinct->count > TRIAL_ROWS / 8 * 7)
            return STATUS_OK;
        TRY(input_pause_at(input, i));
    }
    *few_out = true;
    return STATUS_OK;
}

/* ---- order --------------------------------------------------------------------------------- */

struct entry {
    int64_t image;
    uint32_t number; /* in order of appearance */
};
struct order {
    const struct column_input *input;
    const struct distinct *distinct;
    bool plain_text;
    uint32_t comparisons;
    enum status status; /* of a pause */
};

static int entry_order(const void *left, const void *right, void *argument) {
    const struct entry *a = left, *b = right;
    struct order *order = argument;
    if (++order->comparisons % PAUSE_ROWS == 0 && order->status == STATUS_OK)
        order->status = input_pause(order->input);
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    uint32_t row_a = order->distinct->rows[a->number], row_b = order->distinct->rows[b->number];
    if (order->plain_text)
        return slice_compare(input_bytes(order->input, row_a), input_bytes(order->input, row_b));
    struct value x = input_value(order->input, row_a), y = input_value(order->input, row_b);
    return column_order(&x, &y);
}

static enum status sort_entries(const struct column_input *input, struct distinct *distinct,
                                uint32_t *sorted_rows, int64_t *codes) {
    struct entry *entries = arena_alloc(input->arena, distinct->count * sizeof *entries);
    uint32_t *places = arena_alloc(input->arena, distinct->count * sizeof *places);
    if (entries == NULL || places == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    bool has_image = type_has_image(input->type, input->narrow);
    struct order order = {.input = input,
                          .distinct = distinct,
                          .plain_text = input->physical == PHYSICAL_STRING &&
                                        input->type.id != TYPE_BPCHAR &&
                                        type_is_ordered(input->type)};
    for (uint32_t i = 0; i < distinct->count; i++) {
        struct value value = input_value(input, distinct->rows[i]);
        entries[i] = (struct entry){0, i};
        if (has_image)
            entries[i].image = input->class == CLASS_NUMBERS ? input->numbers[distinct->rows[i]]
                                                             : image_of_value(&value);
        TRY(input_pause_at(input, i));
    }
    qsort_r(entries, distinct->count, sizeof *entries, entry_order, &order);
    TRY(order.status);
    for (uint32_t i = 0; i < distinct->count; i++) {
        places[entries[i].number] = i;
        sorted_rows[i] = distinct->rows[entries[i].number];
    }
    TRY(input_pause(input));
    for (uint32_t i = 0; i < input->rows; i++)
        codes[i] = input_is_null(input, i) ? distinct->count : places[distinct->codes[i]];
    return STATUS_OK;
}

/* ---- writing ------------------------------------------------------------------------------- */

static enum status write_number_entries(const struct column_input *input, const uint32_t *rows,
                                        uint32_t count, struct column_draft *draft) {
    int64_t *numbers = arena_alloc(input->arena, count * sizeof *numbers);
    if (numbers == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = input->numbers[rows[i]];
    struct stream_plan plan;
    stream_plan(numbers, count, &plan);
    return stream_write(numbers, &plan, input->arena, &draft->entries);
}

static enum status write_fixed_entries(const struct column_input *input, const uint32_t *rows,
                                       uint32_t count, struct column_draft *draft) {
    size_t value_size = physical_size(input->physical);
    uint8_t *bytes = arena_alloc(input->arena, count * value_size);
    if (bytes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        struct value value = input_value(input, rows[i]);
        value_to_physical(&value, bytes + i * value_size);
    }
    draft->entries = slice_of(bytes, count * value_size);
    return STATUS_OK;
}

static enum status write_string_entries(const struct column_input *input, const uint32_t *rows,
                                        uint32_t count, struct column_draft *draft) {
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += input->strings[rows[i]].size;
    if (size > COLUMN_CHUNK_SIZE_MAX)
        return STATUS_OK; /* no draft */
    uint8_t *ends = arena_alloc(input->arena, (size_t)count * 4);
    uint8_t *bytes = arena_alloc(input->arena, size + 1);
    if (ends == NULL || bytes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    size_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        TRY(input_pause_at(input, i));
        struct slice value = input_bytes(input, rows[i]);
        if (value.size > 0)
            memcpy(bytes + end, value.data, value.size);
        end += value.size;
        put_le32(ends + (size_t)4 * i, (uint32_t)end);
    }
    draft->entries = slice_of(ends, (size_t)count * 4);
    draft->bytes = slice_of(bytes, size);
    return STATUS_OK;
}

static uint32_t entry_limit(const struct column_input *input) {
    uint32_t limit = input->rows / 2;
    if (input->physical == PHYSICAL_BOOL)
        return 0;
    if (input->class == CLASS_NUMBERS || input->class == CLASS_FLOATS)
        limit = limit < NUMBER_ENTRIES_MAX ? limit : NUMBER_ENTRIES_MAX;
    return limit < ENTRIES_MAX ? limit : ENTRIES_MAX;
}

enum status draft_dictionary(const struct column_input *input, size_t size_max,
                             struct column_draft *draft) {
    *draft = (struct column_draft){.encoding = COLUMN_DICTIONARY};
    uint32_t limit = entry_limit(input);
    /* The sketch is 6.5 % off: hopeless only when three quarters would be too many. */
    uint32_t least = input->distinct - input->distinct / 4;
    if (limit == 0 || least > limit)
        return STATUS_OK;
    /* Codes in runs may be far smaller than this; then numbers are in runs as well. */
    bool numbers = input->class == CLASS_NUMBERS || input->class == CLASS_FLOATS;
    if (numbers && (size_t)input->rows * bits_needed(least) / 8 > size_max)
        return STATUS_OK;
    struct distinct distinct;
    TRY(distinct_init(input, limit, &distinct));
    bool few;
    TRY(distinct_find(input, &distinct, &few));
    if (!few)
        return STATUS_OK;
    uint32_t *rows = arena_alloc(input->arena, distinct.count * sizeof *rows);
    int64_t *codes = arena_alloc(input->arena, input->rows * sizeof *codes);
    if (rows == NULL || codes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(sort_entries(input, &distinct, rows, codes));
    TRY(input_pause(input));
    if (input->class == CLASS_NUMBERS)
        TRY(write_number_entries(input, rows, distinct.count, draft));
    else if (input->class == CLASS_STRINGS)
        TRY(write_string_entries(input, rows, distinct.count, draft));
    else
        TRY(write_fixed_entries(input, rows, distinct.count, draft));
    if (draft->entries.size == 0)
        return STATUS_OK;
    struct stream_plan plan;
    TRY(input_pause(input));
    stream_plan(codes, input->rows, &plan);
    TRY(stream_write(codes, &plan, input->arena, &draft->stream));
    draft->codes = codes;
    draft->entry_count = distinct.count;
    draft->size = draft->stream.size + draft->entries.size + draft->bytes.size;
    return STATUS_OK;
}

/* ---- reading ------------------------------------------------------------------------------- */

enum status read_codes(struct column_reader *reader, uint32_t first, uint32_t count,
                       uint16_t *codes) {
    stream_read(&reader->stream, first, count, 2, codes);
    uint32_t limit = reader->entry_count + (reader->nulls > 0);
    if (count > 0 && kernels()->max16(codes, count) >= limit)
        return chunk_corrupted("a code is beyond the dictionary");
    return STATUS_OK;
}

static enum status read_string_entries(struct column_reader *reader, uint8_t *values) {
    struct slice ends = reader->section[SECTION_ENTRIES], bytes = reader->section[SECTION_BYTES];
    uint32_t start = 0;
    for (uint32_t i = 0; i < reader->entry_count; i++) {
        uint32_t end = get_le32(ends.data + (size_t)4 * i);
        if (end < start || end > bytes.size)
            return chunk_corrupted("a dictionary's strings are out of order");
        struct slice string = slice_of(bytes.data + start, end - start);
        if (reader->physical == PHYSICAL_STRING) {
            ((struct string *)(void *)values)[i] = string_of(string.data, string.size);
        } else {
            struct value value;
            TRY(value_from_bytes(reader->type, string, &value));
            value_to_physical(&value, values + i * sizeof(struct numeric));
        }
        start = end;
    }
    return STATUS_OK;
}

static enum status read_number_entries(struct column_reader *reader, uint8_t *values) {
    int64_t numbers[CHUNK_BLOCK_ROWS];
    size_t value_size = physical_size(reader->physical);
    for (uint32_t i = 0; i < reader->entry_count; i += CHUNK_BLOCK_ROWS) {
        uint32_t some = reader->entry_count - i;
        some = some < CHUNK_BLOCK_ROWS ? some : CHUNK_BLOCK_ROWS;
        stream_read(&reader->numbers, i, some, 8, numbers);
        numbers_to_physical(numbers, some, reader->physical, reader_scale(reader),
                            values + i * value_size);
    }
    return STATUS_OK;
}

enum status reader_dictionary(struct column_reader *reader) {
    if (reader->dictionary != NULL)
        return STATUS_OK;
    size_t value_size = physical_size(reader->physical), count = (size_t)reader->entry_count + 1;
    struct vector *vector = ARENA_NEW(reader->arena, struct vector);
    uint8_t *values = arena_alloc_zeroed(reader->arena, count * value_size);
    uint64_t *validity = arena_alloc(reader->arena, (count + 63) / 64 * sizeof *validity);
    if (values == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memset(validity, 0xFF, (count + 63) / 64 * sizeof *validity);
    validity_clear(validity, reader->entry_count);
    switch (reader_class(reader)) {
    case CLASS_NUMBERS:
        TRY(read_number_entries(reader, values));
        break;
    case CLASS_STRINGS:
        TRY(read_string_entries(reader, values));
        break;
    default:
        memcpy(values, reader->section[SECTION_ENTRIES].data, reader->entry_count * value_size);
    }
    *vector = (struct vector){.type = reader->type,
                              .physical = reader->physical,
                              .kind = VECTOR_FLAT,
                              .data = values,
                              .validity = reader->nulls > 0 ? validity : NULL};
    reader->dictionary = vector;
    return STATUS_OK;
}
