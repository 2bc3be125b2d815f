/*
 * From rows to a chunk: prepare the values, let each way that may be worth it make its draft, keep
 * the best, add what describes the rows (range, zones, sketch, nulls) and put it together.
 */
#include <math.h>

#include "base/base_hash.h"
#include "column/chunk.h"
#include "column/kernel.h"
#include "value/value_numeric.h"

static enum status out_of_memory(void) {
    return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

static enum status too_large(size_t size) {
    return error_set(STATUS_LIMIT_EXCEEDED, "column chunk of %zu bytes, at most %d are possible",
                     size, COLUMN_CHUNK_SIZE_MAX);
}

/* ---- preparing ----------------------------------------------------------------------------- */

static const uint8_t *input_row(const struct column_builder *builder, uint32_t first,
                                uint32_t row) {
    return builder->values + (size_t)(first + row) * builder->value_size;
}

static enum status prepare_validity(const struct column_builder *builder, uint32_t first,
                                    struct column_input *input) {
    if (!builder->has_nulls)
        return STATUS_OK;
    size_t words = (input->rows + 63) / 64;
    uint64_t *validity = arena_alloc_zeroed(input->arena, words * sizeof *validity);
    for (uint32_t i = 0; i < input->rows; i++) {
        if (validity_get(builder->validity, first + i))
            validity_set(validity, i);
        else
            input->nulls++;
    }
    if (input->nulls > 0)
        input->validity = validity;
    return STATUS_OK;
}

/* Whether all 128-bit numbers, or numerics of one scale, fit 64 bits. */
static bool fits_numbers(const struct column_builder *builder, uint32_t first,
                         struct column_input *input) {
    bool any = false;
    for (uint32_t i = 0; i < input->rows; i++) {
        if (input_is_null(input, i))
            continue;
        int128_t number;
        if (input->physical == PHYSICAL_INT128) {
            memcpy(&number, input_row(builder, first, i), sizeof number);
        } else {
            struct numeric numeric;
            memcpy(&numeric, input_row(builder, first, i), sizeof numeric);
            if (numeric.kind != NUMERIC_FINITE || (any && numeric.scale != input->scale))
                return false;
            input->scale = numeric.scale;
            number = numeric.coefficient;
        }
        if (number != (int64_t)number)
            return false;
        any = true;
    }
    return true;
}

static int64_t number_of(const uint8_t *at, enum physical physical) {
    switch (physical) {
    case PHYSICAL_BOOL:
        return *at;
    case PHYSICAL_INT16:
        return (int16_t)get_le16(at);
    case PHYSICAL_INT32:
        return (int32_t)get_le32(at);
    default: /* the low half of an int128, and of a numeric's coefficient */
        return (int64_t)get_le64(at);
    }
}

static void prepare_numbers(const struct column_builder *builder, uint32_t first,
                            struct column_input *input, int64_t *numbers) {
    int64_t last = 0;
    uint32_t row = 0;
    while (row < input->rows && input_is_null(input, row))
        row++;
    if (row < input->rows)
        last = number_of(input_row(builder, first, row), input->physical);
    for (uint32_t i = 0; i < input->rows; i++) {
        if (!input_is_null(input, i))
            last = number_of(input_row(builder, first, i), input->physical);
        numbers[i] = last;
    }
    input->numbers = numbers;
}

static void prepare_floats(const struct column_builder *builder, uint32_t first,
                           struct column_input *input, double *floats) {
    double last = 0;
    for (uint32_t i = 0; i < input->rows; i++) {
        const uint8_t *at = input_row(builder, first, i);
        float narrow;
        if (!input_is_null(input, i) && input->physical == PHYSICAL_FLOAT32) {
            memcpy(&narrow, at, sizeof narrow);
            last = (double)narrow;
        } else if (!input_is_null(input, i)) {
            memcpy(&last, at, sizeof last);
        }
        floats[i] = last;
    }
    input->floats = floats;
}

static void prepare_numerics(const struct column_builder *builder, uint32_t first,
                             struct column_input *input, struct string *strings, uint8_t *bytes) {
    for (uint32_t i = 0; i < input->rows; i++) {
        size_t size = 0;
        if (!input_is_null(input, i)) {
            struct numeric numeric;
            memcpy(&numeric, input_row(builder, first, i), sizeof numeric);
            size = numeric_pack(numeric, bytes);
        }
        strings[i] = string_of(bytes, size);
        input->string_bytes += size;
        bytes += size;
    }
    input->strings = strings;
}

static enum status prepare_values(const struct column_builder *builder, uint32_t first,
                                  struct column_input *input) {
    size_t count = input->rows;
    void *values = arena_alloc(input->arena, count * 16);
    if (values == NULL)
        return out_of_memory();
    switch (input->class) {
    case CLASS_NUMBERS:
        prepare_numbers(builder, first, input, values);
        break;
    case CLASS_FLOATS:
        prepare_floats(builder, first, input, values);
        break;
    case CLASS_FIXED:
        input->fixed = input_row(builder, first, 0);
        break;
    case CLASS_STRINGS:
        if (input->physical == PHYSICAL_STRING) {
            input->strings = (const struct string *)(const void *)input_row(builder, first, 0);
            for (uint32_t i = 0; i < input->rows; i++)
                input->string_bytes += input->strings[i].size;
            break;
        }
        uint8_t *bytes = arena_alloc_aligned(input->arena, count * NUMERIC_PACKED_SIZE_MAX, 1);
        if (bytes == NULL)
            return out_of_memory();
        prepare_numerics(builder, first, input, values, bytes);
        break;
    }
    return STATUS_OK;
}

static enum status prepare(const struct column_builder *builder, uint32_t first,
                           struct column_input *input) {
    TRY(prepare_validity(builder, first, input));
    bool wide = input->physical == PHYSICAL_INT128 || input->physical == PHYSICAL_NUMERIC;
    input->narrow = wide && fits_numbers(builder, first, input);
    if (!input->narrow)
        input->scale = 0;
    input->class = value_class_of(input->physical, input->narrow);
    return prepare_values(builder, first, input);
}

struct slice input_bytes(const struct column_input *input, uint32_t row) {
    switch (input->class) {
    case CLASS_NUMBERS:
        return slice_of(&input->numbers[row], 8);
    case CLASS_FLOATS:
        return slice_of(&input->floats[row], 8);
    case CLASS_FIXED:
        return slice_of(input->fixed + (size_t)16 * row, 16);
    default:
        return string_slice(&input->strings[row]);
    }
}

struct value input_value(const struct column_input *input, uint32_t row) {
    struct value value = {.type = input->type};
    switch (input->class) {
    case CLASS_NUMBERS:
        return value_from_number(input->type, input->numbers[row], input->scale);
    case CLASS_FLOATS:
        if (input->physical == PHYSICAL_FLOAT32)
            value.float32 = (float)input->floats[row];
        else
            value.float64 = input->floats[row];
        return value;
    case CLASS_FIXED:
        return value_from_physical(input->type, input->fixed + (size_t)16 * row);
    default:
        value.string = string_slice(&input->strings[row]);
        if (input->physical == PHYSICAL_NUMERIC) {
            struct slice packed = value.string;
            enum status status = value_from_bytes(input->type, packed, &value);
            ASSERT(status == STATUS_OK); /* numeric_pack made it */
        }
        return value;
    }
}

/* ---- describing ---------------------------------------------------------------------------- */

static enum status make_hashes(struct column_input *input, struct column_sketch *sketch) {
    bool exact = input->type.id != TYPE_NUMERIC || input->type.precision > 0;
    bool numbers = input->class == CLASS_NUMBERS && exact;
    bool plain_text = input->physical == PHYSICAL_STRING && input->type.id != TYPE_BPCHAR &&
                      type_is_ordered(input->type);
    uint64_t *hashes = arena_alloc(input->arena, input->rows * sizeof *hashes);
    if (hashes == NULL)
        return out_of_memory();
    if (numbers) {
        for (uint32_t i = 0; i < input->rows; i++)
            hashes[i] = hash_u64((uint64_t)input->numbers[i]);
    } else if (plain_text) {
        for (uint32_t i = 0; i < input->rows; i++) {
            hashes[i] = hash_bytes(string_data(&input->strings[i]), input->strings[i].size);
            TRY(input_pause_at(input, i));
        }
    } else {
        for (uint32_t i = 0; i < input->rows; i++) {
            if (input_is_null(input, i))
                continue;
            struct value value = input_value(input, i);
            hashes[i] = column_sketch_hash(&value);
            TRY(input_pause_at(input, i));
        }
    }
    for (uint32_t i = 0; i < input->rows; i++)
        if (!input_is_null(input, i))
            column_sketch_add(sketch, hashes[i]);
    input->hashes = hashes;
    input->distinct = (uint32_t)lround(column_sketch_estimate(sketch));
    return STATUS_OK;
}

struct images {
    bool meant;
    int64_t min, max;
    int64_t zone_min[COLUMN_ZONES_MAX], zone_max[COLUMN_ZONES_MAX];
    uint32_t zone_nulls[COLUMN_ZONES_MAX];
    uint32_t min_row, max_row; /* rows of the least and greatest value */
};

static bool is_less(const struct column_input *input, uint32_t a, uint32_t b) {
    if (input->physical == PHYSICAL_STRING && input->type.id != TYPE_BPCHAR)
        return slice_compare(input_bytes(input, a), input_bytes(input, b)) < 0;
    struct value x = input_value(input, a), y = input_value(input, b);
    return value_compare(&x, &y) < 0;
}

/* Image of every row; NULL when out of memory. */
static const int64_t *make_images(const struct column_input *input,
                                  const struct column_draft *draft, bool meant) {
    if (meant && draft->encoding == COLUMN_DICTIONARY)
        return draft->codes;
    if (meant && input->class == CLASS_NUMBERS)
        return input->numbers;
    int64_t *all = arena_alloc(input->arena, input->rows * sizeof *all);
    if (all == NULL)
        return NULL;
    if (!meant) {
        memset(all, 0, input->rows * sizeof *all);
    } else if (input->class == CLASS_FLOATS) {
        kernels()->image_double(input->floats, input->rows, all);
    } else if (input->physical == PHYSICAL_STRING) {
        for (uint32_t i = 0; i < input->rows; i++) {
            struct slice text = image_trim(input->type, string_slice(&input->strings[i]));
            all[i] = image_of_bytes(text.data, text.size);
        }
    } else {
        for (uint32_t i = 0; i < input->rows; i++) {
            struct value value = input_value(input, i);
            all[i] = image_of_value(&value);
        }
    }
    return all;
}

/* Least and greatest image of the rows of a zone that are not null, and the nulls. */
static void find_zone(const struct column_input *input, const int64_t *all, uint32_t zone,
                      struct images *images) {
    uint32_t first = zone * COLUMN_ZONE_ROWS, limit = first + COLUMN_ZONE_ROWS;
    int64_t min = INT64_MAX, max = INT64_MIN;
    limit = limit < input->rows ? limit : input->rows;
    if (input->validity == NULL) {
        kernels()->bounds64(all + first, limit - first, &min, &max);
    } else {
        for (uint32_t i = first; i < limit; i++) {
            if (input_is_null(input, i)) {
                images->zone_nulls[zone]++;
                continue;
            }
            min = all[i] < min ? all[i] : min;
            max = all[i] > max ? all[i] : max;
        }
    }
    images->zone_min[zone] = min;
    images->zone_max[zone] = max;
    images->min = min < images->min ? min : images->min;
    images->max = max > images->max ? max : images->max;
}

enum { PAUSE_COMPARED = 512 };

/* Among the rows that have the least and greatest image, those of the least and greatest value. */
static enum status find_bounds(const struct column_input *input, const int64_t *all, bool exact,
                               struct images *images) {
    images->min_row = images->max_row = input->rows;
    for (uint32_t i = 0; i < input->rows; i++) {
        if (i % PAUSE_COMPARED == 0)
            TRY(input_pause(input));
        if (all[i] != images->min && all[i] != images->max)
            continue;
        if (input_is_null(input, i))
            continue;
        if (all[i] == images->min &&
            (images->min_row == input->rows || (!exact && is_less(input, i, images->min_row))))
            images->min_row = i;
        if (all[i] == images->max &&
            (images->max_row == input->rows || (!exact && is_less(input, images->max_row, i))))
            images->max_row = i;
    }
    return STATUS_OK;
}

static enum status find_images(const struct column_input *input, const struct column_draft *draft,
                               struct images *images) {
    bool ordered = type_is_ordered(input->type);
    bool from_codes = draft->encoding == COLUMN_DICTIONARY && ordered;
    bool exact = from_codes || image_is_exact(input->type, input->narrow);
    images->meant = from_codes || type_has_image(input->type, input->narrow);
    const int64_t *all = make_images(input, draft, images->meant);
    if (all == NULL)
        return out_of_memory();
    images->min = INT64_MAX;
    images->max = INT64_MIN;
    for (uint32_t zone = 0; zone < zone_count(input->rows); zone++) {
        find_zone(input, all, zone, images);
        TRY(input_pause(input));
    }
    return ordered ? find_bounds(input, all, exact, images) : STATUS_OK;
}

/* The `zones` section. */
static struct slice make_zones(const struct column_input *input, const struct images *images,
                               struct chunk_header *header) {
    uint32_t zones = zone_count(input->rows);
    if (!images->meant || zones < 2 || images->min == images->max) {
        if (zones < 2 || input->nulls == 0)
            return SLICE_EMPTY;
        uint8_t *nulls = arena_alloc_zeroed(input->arena, 2 * (size_t)zones);
        for (uint32_t i = 0; i < zones; i++)
            put_le16(nulls + (size_t)2 * i, (uint16_t)images->zone_nulls[i]);
        return slice_of(nulls, 2 * (size_t)zones);
    }
    unsigned width = flat_size(bits_needed((uint64_t)images->max - (uint64_t)images->min));
    size_t size = 2 * (size_t)width * zones;
    uint8_t *bytes = arena_alloc_zeroed(input->arena, size + 2 * (size_t)zones + 8);
    for (uint32_t i = 0; i < zones; i++) {
        bool empty = images->zone_min[i] > images->zone_max[i];
        uint64_t min = empty ? 1 : (uint64_t)images->zone_min[i] - (uint64_t)images->min;
        uint64_t max = empty ? 0 : (uint64_t)images->zone_max[i] - (uint64_t)images->min;
        memcpy(bytes + (size_t)width * i, &min, width);
        memcpy(bytes + (size_t)width * (zones + i), &max, width);
        if (input->nulls > 0)
            put_le16(bytes + size + (size_t)2 * i, (uint16_t)images->zone_nulls[i]);
    }
    header->zone_width = (uint8_t)width;
    return slice_of(bytes, size + (input->nulls > 0 ? 2 * (size_t)zones : 0));
}

static struct slice make_bounds(const struct column_input *input, const struct images *images,
                                struct chunk_header *header) {
    uint8_t min_space[VALUE_BYTES_FIXED_MAX], max_space[VALUE_BYTES_FIXED_MAX];
    struct value min = input_value(input, images->min_row);
    struct value max = input_value(input, images->max_row);
    struct slice low = value_bytes(&min, min_space), high = value_bytes(&max, max_space);
    if (low.size > CHUNK_BOUND_SIZE_MAX) {
        low.size = CHUNK_BOUND_SIZE_MAX;
        header->flags |= CHUNK_MIN_CUT;
    }
    if (high.size > CHUNK_BOUND_SIZE_MAX) {
        high.size = CHUNK_BOUND_SIZE_MAX;
        header->flags |= CHUNK_MAX_CUT;
    }
    header->min_size = (uint8_t)low.size;
    header->max_size = (uint8_t)high.size;
    uint8_t *bytes = arena_alloc(input->arena, low.size + high.size + 1);
    if (low.size > 0)
        memcpy(bytes, low.data, low.size);
    if (high.size > 0)
        memcpy(bytes + low.size, high.data, high.size);
    return slice_of(bytes, low.size + high.size);
}

/* ---- choosing ------------------------------------------------------------------------------ */

static bool is_constant(const struct column_input *input, uint32_t *row_out) {
    uint32_t first = 0;
    while (first < input->rows && input_is_null(input, first))
        first++;
    *row_out = first;
    if (first == input->rows)
        return true;
    struct slice value = input_bytes(input, first);
    for (uint32_t i = first + 1; i < input->rows; i++)
        if (!input_is_null(input, i) && !slice_equal(input_bytes(input, i), value))
            return false;
    return true;
}

static enum status draft_constant(const struct column_input *input, uint32_t row,
                                  struct column_draft *draft) {
    *draft = (struct column_draft){.encoding = COLUMN_CONSTANT, .size = 1};
    if (row == input->rows)
        return STATUS_OK;
    uint8_t space[VALUE_BYTES_FIXED_MAX];
    struct value value = input_value(input, row);
    struct slice bytes = value_bytes(&value, space);
    if (bytes.size > COLUMN_CHUNK_SIZE_MAX)
        return too_large(bytes.size);
    draft->bytes = arena_copy_slice(input->arena, bytes);
    if (draft->bytes.data == NULL)
        return out_of_memory();
    draft->size += bytes.size;
    return STATUS_OK;
}

static enum status draft_best(const struct column_input *input, struct column_draft *best) {
    struct column_draft other = {0};
    uint32_t row;
    if (is_constant(input, &row))
        return draft_constant(input, row, best);
    switch (input->class) {
    case CLASS_NUMBERS:
        TRY(draft_numbers(input, best));
        TRY(input_pause(input));
        TRY(draft_dictionary(input, best->size * 80 / 100, &other));
        draft_choose(best, &other, 80);
        return STATUS_OK;
    case CLASS_FLOATS:
        TRY(draft_plain(input, best));
        TRY(input_pause(input));
        TRY(draft_decimal(input, &other));
        TRY(input_pause(input));
        draft_choose(best, &other, 95);
        TRY(draft_dictionary(input, best->size, &other));
        draft_choose(best, &other, 95);
        return STATUS_OK;
    case CLASS_FIXED:
        TRY(draft_plain(input, best));
        TRY(draft_dictionary(input, best->size, &other));
        draft_choose(best, &other, 95);
        return STATUS_OK;
    case CLASS_STRINGS:
        TRY(draft_dictionary(input, SIZE_MAX, best));
        /* A dictionary much smaller than the strings, or than a byte for each, is both smaller and
           faster than any. */
        if (best->size > 0 &&
            (best->size < input->string_bytes / 4 || best->size < input->rows / 2))
            return STATUS_OK;
        TRY(draft_strings(input, &other));
        TRY(input_pause(input));
        draft_choose(best, &other, 100);
        TRY(draft_symbols(input, &other));
        draft_choose(best, &other, 80);
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* ---- putting together ---------------------------------------------------------------------- */

static enum status assemble(const struct column_input *input, const struct column_draft *draft,
                            struct chunk_header *header, struct slice sections[SECTION_COUNT],
                            struct arena *arena, struct slice *chunk_out) {
    sections[SECTION_STREAM] = draft->stream;
    sections[SECTION_ENTRIES] = draft->entries;
    sections[SECTION_BYTES] = draft->bytes;
    sections[SECTION_EXTRA] = draft->extra;
    size_t size = CHUNK_HEADER_SIZE;
    for (int i = 0; i < SECTION_COUNT; i++)
        size = align8(size) + sections[i].size;
    if (size > COLUMN_CHUNK_SIZE_MAX)
        return too_large(size);
    uint8_t *bytes = arena_alloc(arena, size);
    if (bytes == NULL)
        return out_of_memory();
    memset(bytes, 0, size);
    size_t at = CHUNK_HEADER_SIZE;
    for (int i = 0; i < SECTION_COUNT; i++) {
        at = align8(at);
        header->sections[i].offset = (uint32_t)at;
        header->sections[i].size = (uint32_t)sections[i].size;
        if (sections[i].size > 0)
            memcpy(bytes + at, sections[i].data, sections[i].size);
        at += sections[i].size;
    }
    header->size = (uint32_t)size;
    chunk_header_encode(header, bytes);
    *chunk_out = slice_of(bytes, size);
    return arena_status(input->arena);
}

static enum status encode(const struct column_builder *builder, uint32_t first,
                          struct column_input *input, struct arena *arena,
                          struct slice *chunk_out) {
    struct chunk_header header = {0};
    struct slice sections[SECTION_COUNT] = {{0}};
    struct column_draft draft = {0};
    TRY(prepare(builder, first, input));
    TRY(input_pause(input));
    struct column_sketch sketch = {{0}};
    TRY(make_hashes(input, &sketch));
    TRY(input_pause(input));
    TRY(draft_best(input, &draft));
    TRY(input_pause(input));
    struct images *images = ARENA_NEW(input->arena, struct images);
    TRY(find_images(input, &draft, images));
    bool values = input->nulls < input->rows;
    if (values && type_is_ordered(input->type))
        sections[SECTION_BOUNDS] = make_bounds(input, images, &header);
    if (values && images->meant)
        header.flags |= CHUNK_IMAGES;
    sections[SECTION_ZONES] = make_zones(input, images, &header);
    if (draft.encoding != COLUMN_CONSTANT)
        sections[SECTION_SKETCH] = slice_of(sketch.registers, sizeof sketch.registers);
    if (input->nulls > 0 && values && draft.encoding != COLUMN_DICTIONARY)
        sections[SECTION_NULLS] = slice_of(input->validity, (input->rows + 63) / 64 * 8);
    header.encoding = draft.encoding;
    header.physical = (uint8_t)input->physical;
    header.flags |= input->narrow ? CHUNK_NARROW : 0;
    header.type_id = input->type.id;
    header.rows = input->rows;
    header.nulls = input->nulls;
    header.scale = (int16_t)(input->type.precision > 0 ? input->type.scale : input->scale);
    header.exponent = draft.exponent;
    header.factor = draft.factor;
    header.entry_count = draft.entry_count;
    header.distinct = draft.encoding == COLUMN_CONSTANT     ? values
                      : draft.encoding == COLUMN_DICTIONARY ? draft.entry_count
                      : input->distinct < input->rows       ? input->distinct
                                                            : input->rows - input->nulls;
    if (values && images->meant) {
        header.image_min = images->min;
        header.image_max = images->max;
    }
    return assemble(input, &draft, &header, sections, arena, chunk_out);
}

enum status column_builder_encode(const struct column_builder *builder, uint32_t first,
                                  uint32_t count, struct arena *arena, struct slice *chunk_out) {
    ASSERT(count > 0 && count <= builder->count && first <= builder->count - count);
    struct arena scratch = {0};
    struct column_input input = {.type = builder->type,
                                 .physical = builder->physical,
                                 .rows = count,
                                 .arena = &scratch,
                                 .pause = builder->pause};
    enum status status = encode(builder, first, &input, arena, chunk_out);
    arena_release(&scratch);
    return status;
}
