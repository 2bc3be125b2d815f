/* The header, and opening a chunk: everything that must be true before rows are read. */
#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "column/chunk.h"

/* ---- header -------------------------------------------------------------------------------- */

void chunk_header_encode(const struct chunk_header *header, uint8_t *bytes) {
    put_le32(bytes, CHUNK_MAGIC);
    bytes[8] = CHUNK_VERSION;
    bytes[9] = header->encoding;
    bytes[10] = header->physical;
    bytes[11] = header->flags;
    put_le32(bytes + 12, header->type_id);
    put_le32(bytes + 16, header->size);
    put_le32(bytes + 20, header->rows);
    put_le32(bytes + 24, header->nulls);
    put_le32(bytes + 28, header->distinct);
    put_le16(bytes + 32, (uint16_t)header->scale);
    bytes[34] = header->min_size;
    bytes[35] = header->max_size;
    bytes[36] = header->zone_width;
    bytes[37] = header->exponent;
    bytes[38] = header->factor;
    bytes[39] = 0;
    put_le32(bytes + 40, header->entry_count);
    put_le32(bytes + 44, 0);
    put_le64(bytes + 48, (uint64_t)header->image_min);
    put_le64(bytes + 56, (uint64_t)header->image_max);
    for (int i = 0; i < SECTION_COUNT; i++) {
        put_le32(bytes + 64 + 8 * i, header->sections[i].offset);
        put_le32(bytes + 68 + 8 * i, header->sections[i].size);
    }
    put_le32(bytes + 4, crc32c(0, bytes + 8, header->size - 8));
}

/* Sections follow one another, with gaps of less than 8 bytes, to the end. */
static enum status decode_sections(struct slice chunk, struct chunk_header *header) {
    size_t at = CHUNK_HEADER_SIZE;
    for (int i = 0; i < SECTION_COUNT; i++) {
        header->sections[i].offset = get_le32(chunk.data + 64 + 8 * i);
        header->sections[i].size = get_le32(chunk.data + 68 + 8 * i);
        at = align8(at);
        if (header->sections[i].offset != at || at > chunk.size ||
            header->sections[i].size > chunk.size - at)
            return chunk_corrupted("a section is out of its place");
        at += header->sections[i].size;
    }
    if (at != chunk.size)
        return chunk_corrupted("bytes after the last section");
    return STATUS_OK;
}

static enum status check_fields(const struct chunk_header *header) {
    if (header->encoding < COLUMN_CONSTANT || header->encoding > COLUMN_SYMBOLS)
        return chunk_corrupted("no such encoding");
    if (header->physical == PHYSICAL_NONE || header->physical >= PHYSICAL_COUNT)
        return chunk_corrupted("no such physical form");
    if ((header->flags & ~CHUNK_FLAGS_ALL) != 0)
        return chunk_corrupted("no such flags");
    if (header->rows == 0 || header->rows > COLUMN_ROWS_MAX || header->nulls > header->rows)
        return chunk_corrupted("an impossible number of rows");
    uint8_t width = header->zone_width;
    if (width != 0 && width != 1 && width != 2 && width != 4 && width != 8)
        return chunk_corrupted("no such width of zones");
    if (header->entry_count >= COLUMN_ROWS_MAX)
        return chunk_corrupted("an impossible number of entries");
    return STATUS_OK;
}

enum status chunk_header_decode(struct slice chunk, bool verify, struct chunk_header *header) {
    const uint8_t *bytes = chunk.data;
    *header = (struct chunk_header){0};
    if (chunk.size < CHUNK_HEADER_SIZE || chunk.size > COLUMN_CHUNK_SIZE_MAX)
        return chunk_corrupted("it has no size of a chunk");
    if (get_le32(bytes) != CHUNK_MAGIC)
        return chunk_corrupted("it does not begin like one");
    if (bytes[8] != CHUNK_VERSION)
        return chunk_corrupted("a version that this program does not know");
    header->size = get_le32(bytes + 16);
    if (header->size != chunk.size)
        return chunk_corrupted("it is cut off, or too long");
    if (verify && get_le32(bytes + 4) != crc32c(0, bytes + 8, chunk.size - 8))
        return chunk_corrupted("the checksum does not match");
    if (bytes[39] != 0 || get_le32(bytes + 44) != 0)
        return chunk_corrupted("reserved bytes are not zero");
    header->encoding = bytes[9];
    header->physical = bytes[10];
    header->flags = bytes[11];
    header->type_id = get_le32(bytes + 12);
    header->rows = get_le32(bytes + 20);
    header->nulls = get_le32(bytes + 24);
    header->distinct = get_le32(bytes + 28);
    header->scale = (int16_t)get_le16(bytes + 32);
    header->min_size = bytes[34];
    header->max_size = bytes[35];
    header->zone_width = bytes[36];
    header->exponent = bytes[37];
    header->factor = bytes[38];
    header->entry_count = get_le32(bytes + 40);
    header->image_min = (int64_t)get_le64(bytes + 48);
    header->image_max = (int64_t)get_le64(bytes + 56);
    TRY(check_fields(header));
    return decode_sections(chunk, header);
}

/* ---- opening ------------------------------------------------------------------------------- */

/* The type that the rows were written as must order and look like the one they are read as. */
static enum status check_type(const struct chunk_header *header, struct type type) {
    struct type written = type_plain(header->type_id);
    bool same_form = header->physical == type_physical(type);
    bool same_scale = type.precision == 0 || header->scale == type.scale;
    bool same_kind =
        header->type_id == type.id ||
        ((type_is_string(written.id) || written.id == TYPE_BYTEA) && type_is_string(type.id) &&
         (written.id == TYPE_BPCHAR) == (type.id == TYPE_BPCHAR));
    if (!same_form || !same_scale || !same_kind)
        return chunk_corrupted("it was written as another type");
    if (header->scale < 0 || header->scale > NUMERIC_SCALE_MAX)
        return chunk_corrupted("no such scale");
    return STATUS_OK;
}

static enum status check_description(const struct chunk_header *header) {
    uint32_t zones = zone_count(header->rows);
    size_t nulls = zones > 1 && header->nulls > 0 ? 2 * (size_t)zones : 0;
    if (header->sections[SECTION_ZONES].size != 2 * (size_t)header->zone_width * zones + nulls)
        return chunk_corrupted("zones have the wrong size");
    if (header->sections[SECTION_BOUNDS].size != (size_t)header->min_size + header->max_size)
        return chunk_corrupted("bounds have the wrong size");
    if (header->sections[SECTION_SKETCH].size != 0 &&
        header->sections[SECTION_SKETCH].size != COLUMN_SKETCH_SIZE)
        return chunk_corrupted("a sketch has the wrong size");
    return STATUS_OK;
}

static enum status open_nulls(struct column_reader *reader) {
    struct slice bitmap = reader->section[SECTION_NULLS];
    bool wanted =
        reader->nulls > 0 && reader->nulls < reader->rows && reader->encoding != COLUMN_DICTIONARY;
    if (bitmap.size != (wanted ? (reader->rows + 63) / 64 * 8 : 0))
        return chunk_corrupted("the bitmap of nulls has the wrong size");
    reader->validity = wanted ? bitmap.data : NULL;
    if (reader->nulls == reader->rows && reader->encoding != COLUMN_CONSTANT)
        return chunk_corrupted("nothing but nulls, but not constant");
    return STATUS_OK;
}

static enum status open_stream(struct column_packed *stream, struct slice bytes, uint32_t count,
                               enum column_trust trust) {
    if (trust != COLUMN_OPEN_AGAIN)
        return stream_open(stream, bytes, count);
    stream_open_again(stream, bytes, count);
    return STATUS_OK;
}

static enum status open_dictionary(struct column_reader *reader, enum column_trust trust) {
    struct slice entries = reader->section[SECTION_ENTRIES];
    if (reader->entry_count == 0)
        return chunk_corrupted("a dictionary without entries");
    switch (reader_class(reader)) {
    case CLASS_NUMBERS:
        return open_stream(&reader->numbers, entries, reader->entry_count, trust);
    case CLASS_STRINGS:
        if (entries.size != (size_t)4 * reader->entry_count)
            return chunk_corrupted("a dictionary has the wrong size");
        return STATUS_OK;
    default:
        if (entries.size != physical_size(reader->physical) * reader->entry_count)
            return chunk_corrupted("a dictionary has the wrong size");
        return STATUS_OK;
    }
}

static enum status open_plain(struct column_reader *reader) {
    switch (reader_class(reader)) {
    case CLASS_NUMBERS:
        return chunk_corrupted("plain numbers");
    case CLASS_STRINGS:
        return strings_open(reader);
    default:
        if (reader->section[SECTION_BYTES].size != physical_size(reader->physical) * reader->rows)
            return chunk_corrupted("plain values have the wrong size");
        return STATUS_OK;
    }
}

static enum status open_encoding(struct column_reader *reader, enum column_trust trust) {
    enum value_class class = reader_class(reader);
    switch (reader->encoding) {
    case COLUMN_PACKED:
        return class == CLASS_NUMBERS ? STATUS_OK : chunk_corrupted("packed, but no numbers");
    case COLUMN_DECIMAL:
        if (class != CLASS_FLOATS)
            return chunk_corrupted("decimals of another type");
        return trust == COLUMN_OPEN_AGAIN ? STATUS_OK : decimals_open(reader);
    case COLUMN_DICTIONARY:
        return open_dictionary(reader, trust);
    case COLUMN_SYMBOLS:
        if (class != CLASS_STRINGS || reader->physical != PHYSICAL_STRING)
            return chunk_corrupted("symbols of another type");
        return strings_open(reader);
    case COLUMN_PLAIN:
        return open_plain(reader);
    default: { /* constant */
        struct value value;
        if (reader->nulls == reader->rows)
            return STATUS_OK;
        return value_from_bytes(reader->type, reader->section[SECTION_BYTES], &value);
    }
    }
}

enum status column_open(struct slice chunk, struct type type, enum column_trust trust,
                        struct arena *arena, struct column_reader *reader) {
    struct chunk_header header;
    TRY(chunk_header_decode(chunk, trust == COLUMN_OPEN_CHECKED, &header));
    TRY(check_type(&header, type));
    TRY(check_description(&header));
    *reader = (struct column_reader){.type = type,
                                     .physical = header.physical,
                                     .encoding = header.encoding,
                                     .rows = header.rows,
                                     .nulls = header.nulls,
                                     .bytes = chunk,
                                     .arena = arena,
                                     .entry_count = header.entry_count};
    for (int i = 0; i < SECTION_COUNT; i++)
        reader->section[i] =
            slice_of(chunk.data + header.sections[i].offset, header.sections[i].size);
    TRY(open_nulls(reader));
    bool has_stream = header.encoding != COLUMN_CONSTANT &&
                      (header.encoding != COLUMN_PLAIN || reader_class(reader) == CLASS_STRINGS);
    if (has_stream)
        TRY(open_stream(&reader->stream, reader->section[SECTION_STREAM], header.rows, trust));
    return open_encoding(reader, trust);
}

/* ---- what it says about itself ------------------------------------------------------------- */

static const char *encoding_name(const struct column_reader *reader) {
    uint8_t kind = reader->stream.kind;
    switch (reader->encoding) {
    case COLUMN_CONSTANT:
        return "constant";
    case COLUMN_PACKED:
        return stream_kind_name(kind);
    case COLUMN_DECIMAL:
        return kind == STREAM_RUNS    ? "decimal, run-length"
               : kind == STREAM_DELTA ? "decimal, delta"
                                      : "decimal";
    case COLUMN_DICTIONARY:
        return kind == STREAM_RUNS    ? "dictionary, run-length"
               : kind == STREAM_DELTA ? "dictionary, delta"
                                      : "dictionary";
    case COLUMN_SYMBOLS:
        return "symbols";
    default:
        return "plain";
    }
}

void column_statistics(const struct column_reader *reader, struct column_statistics *statistics) {
    const uint8_t *header = reader->bytes.data;
    *statistics = (struct column_statistics){
        .rows = reader->rows,
        .nulls = reader->nulls,
        .distinct = get_le32(header + 28),
        .bytes = (uint32_t)reader->bytes.size,
        .encoding = encoding_name(reader),
        .min_is_exact = (header[11] & CHUNK_MIN_CUT) == 0,
        .max_is_exact = (header[11] & CHUNK_MAX_CUT) == 0,
    };
    if (reader->nulls == reader->rows || !type_is_ordered(reader->type))
        return;
    struct slice bounds = reader->section[SECTION_BOUNDS];
    struct slice min = slice_of(bounds.data, header[34]);
    struct slice max = slice_of(bounds.data + header[34], header[35]);
    statistics->has_range = value_from_bytes(reader->type, min, &statistics->min) == STATUS_OK &&
                            value_from_bytes(reader->type, max, &statistics->max) == STATUS_OK;
}

bool column_sketch_read(const struct column_reader *reader, struct column_sketch *sketch_out) {
    struct slice section = reader->section[SECTION_SKETCH];
    if (section.size != sizeof sketch_out->registers)
        return false;
    memcpy(sketch_out->registers, section.data, section.size);
    return true;
}

static uint64_t zone_number(const uint8_t *numbers, unsigned width, uint32_t at) {
    switch (width) {
    case 1:
        return numbers[at];
    case 2:
        return get_le16(numbers + (size_t)2 * at);
    case 4:
        return get_le32(numbers + (size_t)4 * at);
    default:
        return get_le64(numbers + (size_t)8 * at);
    }
}

void reader_zone(const struct column_reader *reader, uint32_t zone, int64_t *min, int64_t *max,
                 uint32_t *nulls) {
    const uint8_t *zones = reader->section[SECTION_ZONES].data;
    unsigned width = reader->bytes.data[36];
    uint32_t count = zone_count(reader->rows);
    DEBUG_ASSERT(zone < count);
    *min = reader_image_min(reader);
    *max = reader_image_max(reader);
    *nulls = reader->nulls;
    uint64_t base = (uint64_t)*min;
    if (count > 1 && reader->nulls > 0)
        *nulls = get_le16(zones + (size_t)2 * width * count + (size_t)2 * zone);
    if (width == 0)
        return;
    uint64_t low = zone_number(zones, width, zone), high = zone_number(zones, width, count + zone);
    *min = (int64_t)(base + low);
    *max = (int64_t)(base + high);
    if (low > high) { /* nothing but nulls */
        *min = INT64_MAX;
        *max = INT64_MIN;
    }
}
