/* Binding a test to a chunk: constants become ranges of images. */
#include "column/filter.h"

#include "value/value_numeric.h"

static bool is_integer(uint32_t id) {
    return id == TYPE_INT2 || id == TYPE_INT4 || id == TYPE_INT8;
}

static int64_t integer_of(const struct value *value) {
    switch (type_physical(value->type)) {
    case PHYSICAL_INT16:
        return value->int16;
    case PHYSICAL_INT32:
        return value->int32;
    default:
        return value->int64;
    }
}

bool column_filter_supports(struct type type, enum column_operator operator) {
    switch (operator) {
    case COLUMN_IS_NULL:
    case COLUMN_IS_NOT_NULL:
        return true;
    case COLUMN_PREFIX:
        return (type_is_string(type.id) && type.id != TYPE_BPCHAR) || type.id == TYPE_BYTEA;
    default:
        return type_is_ordered(type);
    }
}

int constant_compare(const struct value *value, const struct value *constant) {
    if (is_integer(value->type.id) && is_integer(constant->type.id)) {
        int64_t a = integer_of(value), b = integer_of(constant);
        return (a > b) - (a < b);
    }
    if (value->type.id == TYPE_NUMERIC)
        return numeric_compare(numeric_from_value(value), numeric_from_value(constant));
    return value_compare(value, constant);
}

bool test_passes(const struct column_test *test, const struct value *value) {
    const struct value *constants = test->values;
    switch (test->operator) {
    case COLUMN_EQUAL:
        return constant_compare(value, &constants[0]) == 0;
    case COLUMN_NOT_EQUAL:
        return constant_compare(value, &constants[0]) != 0;
    case COLUMN_LESS:
        return constant_compare(value, &constants[0]) < 0;
    case COLUMN_LESS_EQUAL:
        return constant_compare(value, &constants[0]) <= 0;
    case COLUMN_GREATER:
        return constant_compare(value, &constants[0]) > 0;
    case COLUMN_GREATER_EQUAL:
        return constant_compare(value, &constants[0]) >= 0;
    case COLUMN_BETWEEN:
        return constant_compare(value, &constants[0]) >= 0 &&
               constant_compare(value, &constants[1]) <= 0;
    case COLUMN_IN:
        for (uint32_t i = 0; i < test->value_count; i++)
            if (!constants[i].is_null && constant_compare(value, &constants[i]) == 0)
                return true;
        return false;
    case COLUMN_PREFIX:
        return slice_starts_with(value->string, constants[0].string);
    case COLUMN_IS_NULL:
        return false;
    case COLUMN_IS_NOT_NULL:
        return true;
    }
    return false;
}

/* ---- constants to ranges ------------------------------------------------------------------- */

/* Where a constant lies among the images. Exact images: `at` is the greatest one not above it
   (perhaps out of 64 bits), `equal` whether that is the constant itself. */
struct place {
    int128_t at;
    bool equal;
};

static const int128_t beyond = (int128_t)INT64_MAX + 2; /* further than any image */

/* The greatest number of `scale` that is not above a numeric. */
static struct place place_of_numeric(struct numeric number, int scale) {
    int128_t at;
    if (number.kind != NUMERIC_FINITE)
        return (struct place){number.kind == NUMERIC_MINUS_INFINITY ? -beyond : beyond, false};
    bool too_large = numeric_rescale(number.coefficient, number.scale, scale, &at);
    if (too_large || at > INT64_MAX || at < INT64_MIN)
        return (struct place){number.coefficient < 0 ? -beyond : beyond, false};
    int order = numeric_compare(numeric_make(at, scale), number);
    return (struct place){order > 0 ? at - 1 : at, order == 0};
}

static struct place place_in(struct type type, int scale, const struct value *constant) {
    if (type.id == TYPE_NUMERIC)
        return place_of_numeric(numeric_from_value(constant), scale);
    if (is_integer(type.id))
        return (struct place){integer_of(constant), true};
    return (struct place){image_of_value(constant), true};
}

static struct place place_of(const struct column_reader *reader, const struct value *constant) {
    return place_in(reader->type, reader_scale(reader), constant);
}

/* First code whose entry is above the constant, or (`or_equal`) not below it. */
static enum status find_code(struct column_reader *reader, const struct value *constant,
                             bool or_equal, uint32_t *code_out) {
    TRY(reader_dictionary(reader));
    uint32_t low = 0, high = reader->entry_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        struct value entry = vector_get(reader->dictionary, middle);
        int order = constant_compare(&entry, constant);
        if (order < 0 || (order == 0 && !or_equal))
            low = middle + 1;
        else
            high = middle;
    }
    *code_out = low;
    return STATUS_OK;
}

/* The images of values that equal a constant. */
struct range {
    int128_t low, high;
};

static enum status range_of(struct column_reader *reader, const struct value *constant,
                            struct range *range) {
    if (reader->encoding == COLUMN_DICTIONARY) {
        uint32_t low, above;
        TRY(find_code(reader, constant, true, &low));
        TRY(find_code(reader, constant, false, &above));
        *range = (struct range){low, (int128_t)above - 1};
        return STATUS_OK;
    }
    struct place place = place_of(reader, constant);
    *range = (struct range){place.equal ? place.at : place.at + 1, place.at};
    return STATUS_OK;
}

static int64_t clamp(int128_t image) {
    return image > INT64_MAX ? INT64_MAX : image < INT64_MIN ? INT64_MIN : (int64_t)image;
}

/* Types whose values, in rows, are the numbers that images are. */
static bool is_number(struct type type) {
    switch (type.id) {
    case TYPE_NUMERIC:
        return type_physical(type) == PHYSICAL_INT64;
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return true;
    default:
        return is_integer(type.id);
    }
}

bool column_test_range(struct type type, const struct column_test *test, int64_t *low_out,
                       int64_t *high_out) {
    if (!is_number(type) || test->operator== COLUMN_NOT_EQUAL || test->operator>= COLUMN_IN)
        return false;
    int128_t low = -beyond, high = beyond;
    bool is_null = test->values[0].is_null;
    if (!is_null) {
        struct place place = place_in(type, type.scale, &test->values[0]);
        int128_t not_below = place.equal ? place.at : place.at + 1;
        if (test->operator== COLUMN_LESS)
            high = not_below - 1;
        else if (test->operator!= COLUMN_GREATER && test->operator!= COLUMN_GREATER_EQUAL)
            high = place.at;
        if (test->operator== COLUMN_GREATER)
            low = place.at + 1;
        else if (test->operator!= COLUMN_LESS && test->operator!= COLUMN_LESS_EQUAL)
            low = not_below;
    }
    if (test->operator== COLUMN_BETWEEN) {
        is_null = is_null || test->values[1].is_null;
        if (!is_null)
            high = place_in(type, type.scale, &test->values[1]).at;
    }
    bool empty = is_null || low > high || low > INT64_MAX || high < INT64_MIN;
    *low_out = empty ? 1 : clamp(low);
    *high_out = empty ? 0 : clamp(high);
    return true;
}

static void set_range(struct column_filter *filter, int128_t low, int128_t high) {
    /* The code of null lies just beyond the entries. */
    if (filter->reader->encoding == COLUMN_DICTIONARY && high >= filter->reader->entry_count)
        high = (int128_t)filter->reader->entry_count - 1;
    bool empty = low > high || low > INT64_MAX || high < INT64_MIN;
    filter->low = empty ? 1 : clamp(low);
    filter->high = empty ? 0 : clamp(high);
    filter->sure_low = filter->low;
    filter->sure_high = filter->high;
}

/* For images that are not exact: what lies at the edges may pass or not. */
static void doubt_edges(struct column_filter *filter, bool low_is_edge, bool high_is_edge) {
    int128_t low = (int128_t)filter->low + low_is_edge,
             high = (int128_t)filter->high - high_is_edge;
    bool empty = low > high;
    filter->sure_low = empty ? 1 : (int64_t)low;
    filter->sure_high = empty ? 0 : (int64_t)high;
}

static enum status bind_range(struct column_filter *filter, bool exact) {
    const struct column_test *test = filter->test;
    struct column_reader *reader = filter->reader;
    struct range first, last;
    TRY(range_of(reader, &test->values[0], &first));
    last = first;
    if (test->operator== COLUMN_BETWEEN)
        TRY(range_of(reader, &test->values[1], &last));
    /* Inexact: the constant's own image belongs to both sides. */
    int128_t inward = exact ? 1 : 0;
    switch (test->operator) {
    case COLUMN_EQUAL:
    case COLUMN_NOT_EQUAL:
        set_range(filter, first.low, first.high);
        break;
    case COLUMN_LESS:
        set_range(filter, -beyond, first.low - inward);
        break;
    case COLUMN_LESS_EQUAL:
        set_range(filter, -beyond, first.high);
        break;
    case COLUMN_GREATER:
        set_range(filter, first.high + inward, beyond);
        break;
    case COLUMN_GREATER_EQUAL:
        set_range(filter, first.low, beyond);
        break;
    default:
        set_range(filter, first.low, last.high);
    }
    if (!exact) {
        bool no_low = test->operator== COLUMN_LESS || test->operator== COLUMN_LESS_EQUAL;
        bool no_high = test->operator== COLUMN_GREATER || test->operator== COLUMN_GREATER_EQUAL;
        doubt_edges(filter, !no_low, !no_high);
    }
    filter->negated = test->operator== COLUMN_NOT_EQUAL;
    return STATUS_OK;
}

static enum status bind_prefix(struct column_filter *filter) {
    struct slice prefix = filter->test->values[0].string;
    struct column_reader *reader = filter->reader;
    if (reader->encoding == COLUMN_DICTIONARY) {
        uint32_t first, low, high = reader->entry_count;
        TRY(find_code(reader, &filter->test->values[0], true, &first));
        low = first;
        while (low < high) { /* those with the prefix come first from here */
            uint32_t middle = (low + high) / 2;
            struct value entry = vector_get(reader->dictionary, middle);
            if (slice_starts_with(entry.string, prefix))
                low = middle + 1;
            else
                high = middle;
        }
        set_range(filter, first, (int128_t)low - 1);
        return STATUS_OK;
    }
    int64_t low = image_of_bytes(prefix.data, prefix.size);
    uint64_t rest = prefix.size >= 8 ? 0 : UINT64_MAX >> 8 * prefix.size;
    set_range(filter, low, (int64_t)((uint64_t)low | rest));
    /* A shorter string looks like one that goes on with zero bytes. */
    bool sure = prefix.size <= 8 && memchr(prefix.data, 0, prefix.size) == NULL;
    if (!sure) {
        filter->sure_low = 1;
        filter->sure_high = 0;
    }
    return STATUS_OK;
}

/* ---- IN ------------------------------------------------------------------------------------ */

static enum status bind_codes(struct column_filter *filter, struct arena *arena) {
    struct column_reader *reader = filter->reader;
    size_t words = (size_t)reader->entry_count / 64 + 1;
    filter->codes = arena_alloc_zeroed(arena, words * sizeof *filter->codes);
    int128_t low = beyond, high = -beyond;
    for (uint32_t i = 0; i < filter->test->value_count; i++) {
        struct range range;
        if (filter->test->values[i].is_null)
            continue;
        TRY(range_of(reader, &filter->test->values[i], &range));
        for (int128_t code = range.low; code <= range.high; code++)
            validity_set(filter->codes, (uint32_t)code);
        if (range.low <= range.high) {
            low = range.low < low ? range.low : low;
            high = range.high > high ? range.high : high;
        }
    }
    set_range(filter, low, high);
    filter->way = low > high ? WAY_NOTHING : WAY_CODES;
    return STATUS_OK;
}

static enum status bind_set(struct column_filter *filter, bool exact, struct arena *arena) {
    const struct column_test *test = filter->test;
    filter->set = ARENA_ARRAY(arena, int64_t, test->value_count + 1);
    int64_t low = 1, high = 0;
    for (uint32_t i = 0; i < test->value_count; i++) {
        struct range range;
        if (test->values[i].is_null)
            continue;
        TRY(range_of(filter->reader, &test->values[i], &range));
        if (range.low > range.high || range.low > INT64_MAX || range.high < INT64_MIN)
            continue;
        int64_t image = (int64_t)range.low;
        uint32_t at = filter->set_count++;
        for (; at > 0 && filter->set[at - 1] > image; at--)
            filter->set[at] = filter->set[at - 1];
        filter->set[at] = image;
    }
    if (filter->set_count > 0) {
        low = filter->set[0];
        high = filter->set[filter->set_count - 1];
    }
    set_range(filter, low, high);
    if (filter->set_count == 0)
        filter->way = WAY_NOTHING;
    if (!exact || low != high) {
        filter->sure_low = 1;
        filter->sure_high = 0;
    }
    return STATUS_OK;
}

/* ---- verdicts ------------------------------------------------------------------------------ */

static bool any_in_set(const struct column_filter *filter, int64_t min, int64_t max) {
    if (filter->way == WAY_CODES) {
        for (int64_t code = min < 0 ? 0 : min; code <= max && code < filter->reader->entry_count;
             code++)
            if (validity_get(filter->codes, (uint32_t)code))
                return true;
        return false;
    }
    if (filter->set == NULL)
        return true;
    for (uint32_t i = 0; i < filter->set_count; i++)
        if (min <= filter->set[i] && filter->set[i] <= max)
            return true;
    return false;
}

static enum column_verdict verdict_of(const struct column_filter *filter, int64_t min, int64_t max,
                                      uint32_t nulls, uint32_t rows) {
    if (filter->way == WAY_NOTHING)
        return COLUMN_NONE;
    if (filter->way == WAY_NULLS)
        return nulls == 0 ? COLUMN_NONE : nulls == rows ? COLUMN_ALL : COLUMN_SOME;
    if (filter->way == WAY_VALID)
        return nulls == 0 ? COLUMN_ALL : nulls == rows ? COLUMN_NONE : COLUMN_SOME;
    if (nulls == rows)
        return COLUMN_NONE;
    if (!reader_has_images(filter->reader))
        return COLUMN_SOME;
    bool possible = min <= filter->high && max >= filter->low && any_in_set(filter, min, max);
    bool sure = filter->sure_low <= min && max <= filter->sure_high &&
                (filter->way != WAY_CODES || min == max);
    if (filter->negated) {
        bool disjoint = !possible;
        possible = !sure;
        sure = disjoint;
    }
    return !possible ? COLUMN_NONE : sure && nulls == 0 ? COLUMN_ALL : COLUMN_SOME;
}

enum column_verdict column_filter_zone(const struct column_filter *filter, uint32_t zone) {
    const struct column_reader *reader = filter->reader;
    int64_t min, max;
    uint32_t nulls, first = zone * COLUMN_ZONE_ROWS;
    if (filter->verdict != COLUMN_SOME)
        return filter->verdict;
    reader_zone(reader, zone, &min, &max, &nulls);
    uint32_t rows =
        reader->rows - first < COLUMN_ZONE_ROWS ? reader->rows - first : COLUMN_ZONE_ROWS;
    return verdict_of(filter, min, max, nulls, rows);
}

/* ---- binding ------------------------------------------------------------------------------- */

static uint8_t way_of(const struct column_reader *reader) {
    switch (reader->encoding) {
    case COLUMN_PACKED:
    case COLUMN_DICTIONARY:
        return WAY_RANGE;
    default:
        return reader_class(reader) == CLASS_FLOATS ? WAY_FLOATS : WAY_VALUES;
    }
}

/* Whether constants can be put among the images of this chunk at all. */
static bool images_usable(const struct column_reader *reader) {
    return reader->encoding == COLUMN_DICTIONARY || reader_class(reader) == CLASS_NUMBERS ||
           (type_has_image(reader->type, false) && reader->physical != PHYSICAL_INT128);
}

static enum status bind_constants(struct column_filter *filter, struct arena *arena) {
    const struct column_reader *reader = filter->reader;
    bool exact = reader->encoding == COLUMN_DICTIONARY ||
                 image_is_exact(reader->type, reader_narrow(reader));
    filter->way = way_of(reader);
    if (!images_usable(reader)) {
        set_range(filter, INT64_MIN, INT64_MAX);
        filter->sure_low = 1;
        filter->sure_high = 0;
        filter->negated = false;
        return STATUS_OK;
    }
    if (filter->test->operator== COLUMN_IN && reader->encoding == COLUMN_DICTIONARY)
        return bind_codes(filter, arena);
    if (filter->test->operator== COLUMN_IN) {
        filter->way = filter->way == WAY_RANGE ? WAY_SET : filter->way;
        return bind_set(filter, exact, arena);
    }
    if (filter->test->operator== COLUMN_PREFIX)
        return bind_prefix(filter);
    return bind_range(filter, exact);
}

static bool has_null_constant(const struct column_test *test) {
    bool all = true;
    for (uint32_t i = 0; i < test->value_count; i++) {
        if (test->values[i].is_null && test->operator!= COLUMN_IN)
            return true;
        all &= test->values[i].is_null;
    }
    return all;
}

enum status column_filter_bind(struct column_reader *reader, const struct column_test *test,
                               struct arena *arena, struct column_filter *filter) {
    ASSERT(column_filter_supports(reader->type, test->operator));
    ASSERT(test->value_count <= COLUMN_IN_MAX);
    *filter = (struct column_filter){.reader = reader, .test = test};
    if (test->operator== COLUMN_IS_NULL) {
        filter->way = WAY_NULLS;
    } else if (test->operator== COLUMN_IS_NOT_NULL) {
        filter->way = WAY_VALID;
    } else if (has_null_constant(test) || reader->nulls == reader->rows) {
        filter->way = WAY_NOTHING;
    } else if (reader->encoding == COLUMN_CONSTANT) {
        struct value value;
        TRY(value_from_bytes(reader->type, reader->section[SECTION_BYTES], &value));
        filter->way = test_passes(test, &value) ? WAY_VALID : WAY_NOTHING;
    } else {
        TRY(bind_constants(filter, arena));
    }
    if (filter->way == WAY_VALUES || filter->way == WAY_FLOATS) {
        filter->scratch = ARENA_NEW(arena, struct vector);
        vector_init(filter->scratch, reader->type, arena);
    }
    filter->verdict = verdict_of(filter, reader_image_min(reader), reader_image_max(reader),
                                 reader->nulls, reader->rows);
    return STATUS_OK;
}
