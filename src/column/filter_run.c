/* Running a bound test over the rows of a vector: a bitmap of those that pass, then their numbers.
 */
#include "column/filter.h"
#include "column/kernel.h"

/* ---- masks --------------------------------------------------------------------------------- */

static void mask_and(uint64_t *mask, const uint64_t *other, uint32_t count) {
    for (uint32_t i = 0; i < (count + 63) / 64; i++)
        mask[i] &= other[i];
}

static void mask_invert(uint64_t *mask, uint32_t count) {
    for (uint32_t i = 0; i < (count + 63) / 64; i++) {
        mask[i] = ~mask[i];
        if (count - 64 * i < 64)
            mask[i] &= (1ull << (count - 64 * i)) - 1;
    }
}

static void values_mask(const struct column_filter *filter, const int64_t *images, uint32_t count,
                        uint64_t *mask) {
    if (filter->set == NULL) {
        range_mask(images, count, filter->low, filter->high, mask);
        return;
    }
    uint64_t one[VALIDITY_WORDS];
    memset(mask, 0, (count + 63) / 64 * sizeof *mask);
    for (uint32_t i = 0; i < filter->set_count; i++) {
        range_mask(images, count, filter->set[i], filter->set[i], one);
        for (uint32_t word = 0; word < (count + 63) / 64; word++)
            mask[word] |= one[word];
    }
}

static void floats_mask(const struct column_filter *filter, uint32_t first, uint32_t count,
                        uint64_t *mask) {
    struct column_reader *reader = filter->reader;
    int64_t images[VECTOR_SIZE];
    double numbers[VECTOR_SIZE];
    void *data = filter->scratch->own_data;
    size_t value_size = physical_size(reader->physical);
    if (reader->encoding == COLUMN_DECIMAL)
        read_decimals(reader, first, count, data);
    else
        memcpy(data, reader->section[SECTION_BYTES].data + first * value_size, count * value_size);
    if (reader->physical == PHYSICAL_FLOAT32) {
        for (uint32_t i = 0; i < count; i++)
            numbers[i] = (double)((const float *)data)[i];
        data = numbers;
    }
    kernels()->image_double(data, count, images);
    values_mask(filter, images, count, mask);
}

static enum status codes_mask(struct column_reader *reader, const uint64_t *matches, uint32_t first,
                              uint32_t count, uint64_t *mask) {
    uint16_t codes[VECTOR_SIZE];
    TRY(read_codes(reader, first, count, codes));
    memset(mask, 0, (count + 63) / 64 * sizeof *mask);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = codes[i];
        uint64_t hit = code < reader->entry_count && (matches[code / 64] >> code % 64 & 1) != 0;
        mask[i / 64] |= hit << i % 64;
    }
    return STATUS_OK;
}

/* Rows that pass, for all ways but WAY_VALUES. */
static enum status make_mask(const struct column_filter *filter, uint32_t first, uint32_t count,
                             uint64_t *mask) {
    struct column_reader *reader = filter->reader;
    int64_t numbers[VECTOR_SIZE];
    bool dictionary = reader->encoding == COLUMN_DICTIONARY;
    uint64_t validity[VALIDITY_WORDS];
    switch (filter->way) {
    case WAY_NULLS:
    case WAY_VALID:
        if (dictionary)
            stream_range(&reader->stream, first, count, 0, (int64_t)reader->entry_count - 1, mask);
        else
            read_validity(reader, first, count, mask);
        if (count % 64 != 0)
            mask[count / 64] &= (1ull << count % 64) - 1;
        if (filter->way == WAY_NULLS)
            mask_invert(mask, count);
        return STATUS_OK;
    case WAY_CODES:
        return codes_mask(reader, filter->codes, first, count, mask);
    case WAY_RANGE:
        stream_range(&reader->stream, first, count, filter->low, filter->high, mask);
        break;
    case WAY_SET:
        stream_read(&reader->stream, first, count, 8, numbers);
        values_mask(filter, numbers, count, mask);
        break;
    default:
        floats_mask(filter, first, count, mask);
    }
    if (filter->negated)
        mask_invert(mask, count);
    if (reader->nulls == 0)
        return STATUS_OK;
    if (!dictionary)
        read_validity(reader, first, count, validity);
    else if (filter->negated)
        stream_range(&reader->stream, first, count, 0, (int64_t)reader->entry_count - 1, validity);
    else
        return STATUS_OK; /* the null code is beyond every range */
    mask_and(mask, validity, count);
    return STATUS_OK;
}

/* ---- values one by one --------------------------------------------------------------------- */

static bool string_passes(const struct column_test *test, const struct string *constants,
                          const struct string *string) {
    switch (test->operator) {
    case COLUMN_EQUAL:
        return string_equal(string, &constants[0]);
    case COLUMN_NOT_EQUAL:
        return !string_equal(string, &constants[0]);
    case COLUMN_LESS:
        return string_compare(string, &constants[0]) < 0;
    case COLUMN_LESS_EQUAL:
        return string_compare(string, &constants[0]) <= 0;
    case COLUMN_GREATER:
        return string_compare(string, &constants[0]) > 0;
    case COLUMN_GREATER_EQUAL:
        return string_compare(string, &constants[0]) >= 0;
    case COLUMN_BETWEEN:
        return string_compare(string, &constants[0]) >= 0 &&
               string_compare(string, &constants[1]) <= 0;
    case COLUMN_IN:
        for (uint32_t i = 0; i < test->value_count; i++)
            if (!test->values[i].is_null && string_equal(string, &constants[i]))
                return true;
        return false;
    default:
        return slice_starts_with(string_slice(string), string_slice(&constants[0]));
    }
}

static enum status run_values(const struct column_filter *filter, uint32_t first, uint32_t count,
                              const uint16_t *selection, uint32_t selected, uint16_t *result,
                              uint32_t *result_count, struct arena *arena) {
    const struct column_test *test = filter->test;
    struct vector *vector = filter->scratch;
    struct string constants[COLUMN_IN_MAX];
    bool text =
        filter->reader->physical == PHYSICAL_STRING && filter->reader->type.id != TYPE_BPCHAR;
    for (uint32_t i = 0; text && i < test->value_count; i++)
        if (!test->values[i].is_null)
            constants[i] = string_of(test->values[i].string.data, test->values[i].string.size);
    if (selection == NULL) {
        TRY(column_decode(filter->reader, first, count, vector, arena));
        selection = vector_identity;
    } else {
        TRY(column_decode_rows(filter->reader, first, count, selection, selected, vector, arena));
    }
    uint32_t passed = 0;
    for (uint32_t i = 0; i < selected; i++) {
        uint16_t row = selection[i];
        if (!validity_get(vector->validity, row))
            continue;
        bool passes;
        if (text) {
            passes = string_passes(test, constants, (const struct string *)vector->data + row);
        } else {
            struct value value = vector_get(vector, row);
            passes = test_passes(test, &value);
        }
        result[passed] = row;
        passed += passes;
    }
    *result_count = passed;
    return STATUS_OK;
}

/* ---- running ------------------------------------------------------------------------------- */

static void pick(const uint64_t *mask, uint32_t count, const uint16_t *selection, uint32_t selected,
                 uint16_t *result, uint32_t *result_count) {
    if (selection == NULL) {
        *result_count = kernels()->select(mask, (count + 63) / 64, result);
        return;
    }
    uint32_t passed = 0;
    for (uint32_t i = 0; i < selected; i++) {
        uint16_t row = selection[i];
        result[passed] = row;
        passed += mask[row / 64] >> row % 64 & 1;
    }
    *result_count = passed;
}

/* Few rows of packed integers: each alone. */
static void run_sparse(const struct column_filter *filter, uint32_t first,
                       const uint16_t *selection, uint32_t selected, uint16_t *result,
                       uint32_t *result_count) {
    const struct column_reader *reader = filter->reader;
    bool dictionary = reader->encoding == COLUMN_DICTIONARY;
    uint32_t passed = 0;
    for (uint32_t i = 0; i < selected; i++) {
        uint16_t row = selection[i];
        int64_t number = stream_get(&reader->stream, first + row);
        bool passes = (filter->low <= number && number <= filter->high) != filter->negated;
        if (reader->nulls > 0)
            passes &= dictionary ? number < reader->entry_count : !reader_null(reader, first + row);
        result[passed] = row;
        passed += passes;
    }
    *result_count = passed;
}

bool column_filter_is_dense(const struct column_filter *filter) {
    return filter->way != WAY_VALUES;
}

void column_numbers_mask(const void *numbers, unsigned width, uint32_t count, uint64_t low,
                         uint64_t span, uint64_t *mask) {
    const struct kernels *kernel = kernels();
    uint64_t greatest = UINT64_MAX >> (64 - 8 * width);
    uint32_t words = (count + 63) / 64;
    if (low > greatest) {
        memset(mask, 0, words * sizeof *mask);
        return;
    }
    if (span > greatest - low)
        span = greatest - low;
    switch (width) {
    case 1:
        kernel->range8(numbers, words * 64, (uint8_t)low, (uint8_t)span, mask);
        break;
    case 2:
        kernel->range16(numbers, words * 64, (uint16_t)low, (uint16_t)span, mask);
        break;
    case 4:
        kernel->range32(numbers, words * 64, (uint32_t)low, (uint32_t)span, mask);
        break;
    default:
        ASSERT(width == 8);
        kernel->range64(numbers, words * 64, low, span, mask);
    }
    if (count % 64 != 0)
        mask[words - 1] &= (1ull << count % 64) - 1;
}

uint32_t column_mask_count(const uint64_t *mask, uint32_t count) {
    return kernels()->count(mask, (count + 63) / 64);
}

uint32_t column_mask_select(const uint64_t *mask, uint32_t count, uint16_t *result) {
    return kernels()->select(mask, (count + 63) / 64, result);
}

enum status column_filter_mask(const struct column_filter *filter, uint32_t first, uint32_t count,
                               uint64_t *mask) {
    const struct column_reader *reader = filter->reader;
    uint64_t passing[VALIDITY_WORDS];
    ASSERT(count <= VECTOR_SIZE && first <= reader->rows && count <= reader->rows - first);
    ASSERT(column_filter_is_dense(filter));
    if (filter->verdict == COLUMN_ALL)
        return STATUS_OK;
    if (filter->verdict == COLUMN_NONE)
        memset(passing, 0, (count + 63) / 64 * sizeof *passing);
    else
        TRY(make_mask(filter, first, count, passing));
    mask_and(mask, passing, count);
    return STATUS_OK;
}

static void take_all(const uint16_t *selection, uint32_t selected, uint16_t *result,
                     uint32_t *result_count) {
    if (result != selection)
        memcpy(result, selection == NULL ? vector_identity : selection, selected * sizeof *result);
    *result_count = selected;
}

enum status column_filter_run(const struct column_filter *filter, uint32_t first, uint32_t count,
                              const uint16_t *selection, uint32_t selected, uint16_t *result,
                              uint32_t *result_count, struct arena *arena) {
    const struct column_reader *reader = filter->reader;
    uint64_t mask[VALIDITY_WORDS];
    ASSERT(count <= VECTOR_SIZE && first <= reader->rows && count <= reader->rows - first);
    ASSERT(selected <= count && (selection != NULL || selected == count));
    *result_count = 0;
    if (filter->verdict == COLUMN_NONE || selected == 0)
        return STATUS_OK;
    if (filter->verdict == COLUMN_ALL) {
        take_all(selection, selected, result, result_count);
        return STATUS_OK;
    }
    if (filter->way == WAY_VALUES)
        return run_values(filter, first, count, selection, selected, result, result_count, arena);
    if (filter->way == WAY_RANGE && selection != NULL && selected < count / COLUMN_SPARSE &&
        reader->stream.kind != STREAM_DELTA) {
        run_sparse(filter, first, selection, selected, result, result_count);
        return STATUS_OK;
    }
    TRY(make_mask(filter, first, count, mask));
    pick(mask, count, selection, selected, result, result_count);
    return STATUS_OK;
}
