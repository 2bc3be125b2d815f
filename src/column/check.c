/* Comparing the rows of a chunk with what its header and zones say about them. */
#include "column/chunk.h"

struct checking {
    struct column_reader *reader;
    struct column_statistics said;
    bool ordered, images;
    uint32_t nulls; /* so far */
};

/* A code for dictionaries, else the image of the value. */
static enum status image_at(const struct checking *checking, uint32_t row,
                            const struct value *value, int64_t *image_out) {
    struct column_reader *reader = checking->reader;
    if (reader->encoding == COLUMN_DICTIONARY ||
        (reader->encoding == COLUMN_PACKED && reader_class(reader) == CLASS_NUMBERS)) {
        *image_out = stream_get(&reader->stream, row);
        return STATUS_OK;
    }
    if (reader_narrow(reader)) { /* constant */
        *image_out = reader_image_min(reader);
        return STATUS_OK;
    }
    *image_out = image_of_value(value);
    return STATUS_OK;
}

static enum status check_range(const struct checking *checking, const struct value *value) {
    const struct column_statistics *said = &checking->said;
    if (!said->has_range)
        return chunk_corrupted("the range of values is missing");
    if (value_compare(value, &said->min) < 0)
        return chunk_corrupted("a value is below the least");
    if (said->max_is_exact && value_compare(value, &said->max) > 0)
        return chunk_corrupted("a value is above the greatest");
    return STATUS_OK;
}

static enum status check_zone(struct checking *checking, uint32_t zone, struct vector *vector,
                              struct arena *arena) {
    struct column_reader *reader = checking->reader;
    uint32_t first = zone * COLUMN_ZONE_ROWS, zone_nulls, nulls = 0;
    uint32_t count =
        reader->rows - first < COLUMN_ZONE_ROWS ? reader->rows - first : COLUMN_ZONE_ROWS;
    int64_t min, max, image;
    reader_zone(reader, zone, &min, &max, &zone_nulls);
    TRY(column_decode(reader, first, count, vector, arena));
    for (uint32_t i = 0; i < count; i++) {
        struct value value = vector_get(vector, i);
        if (value.is_null) {
            nulls++;
            continue;
        }
        if (!checking->ordered)
            continue;
        TRY(check_range(checking, &value));
        if (!checking->images)
            continue;
        TRY(image_at(checking, first + i, &value, &image));
        if (image < min || image > max)
            return chunk_corrupted("a value is out of its zone");
        if (image < reader_image_min(reader) || image > reader_image_max(reader))
            return chunk_corrupted("a value is out of the chunk's range of images");
    }
    checking->nulls += nulls;
    if (zone_count(reader->rows) > 1 && nulls != zone_nulls)
        return chunk_corrupted("a zone has another number of nulls");
    return STATUS_OK;
}

static enum status check_entries(struct column_reader *reader) {
    TRY(reader_dictionary(reader));
    for (uint32_t i = 1; i < reader->entry_count; i++) {
        struct value a = vector_get(reader->dictionary, i - 1);
        struct value b = vector_get(reader->dictionary, i);
        if (column_order(&a, &b) >= 0)
            return chunk_corrupted("dictionary entries are out of order");
    }
    return STATUS_OK;
}

enum status column_check(struct column_reader *reader) {
    struct arena arena = {0};
    struct vector vector;
    struct checking checking = {.reader = reader,
                                .ordered = type_is_ordered(reader->type),
                                .images = reader_has_images(reader)};
    enum status status = STATUS_OK;
    column_statistics(reader, &checking.said);
    if (reader->encoding == COLUMN_DICTIONARY)
        TRY(check_entries(reader));
    for (uint32_t zone = 0; zone < zone_count(reader->rows); zone++) {
        vector_init(&vector, reader->type, &arena);
        TRY_OUT(check_zone(&checking, zone, &vector, &arena));
        arena_reset(&arena);
    }
    if (checking.nulls != reader->nulls)
        status = chunk_corrupted("another number of nulls");
out:
    arena_release(&arena);
    return status;
}
