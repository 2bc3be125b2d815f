/* From a chunk to vectors and values. */
#include "base/base_bytes.h"
#include "column/chunk.h"
#include "column/kernel.h"
#include "value/value_numeric.h"

/* ---- nulls --------------------------------------------------------------------------------- */

uint32_t read_validity(const struct column_reader *reader, uint32_t first, uint32_t count,
                       uint64_t *validity) {
    uint32_t words = (count + 63) / 64, valid = 0;
    if (reader->validity == NULL) {
        memset(validity, reader->nulls == reader->rows ? 0 : 0xFF, words * sizeof *validity);
        return reader->nulls == reader->rows ? count : 0;
    }
    uint32_t last = (reader->rows + 63) / 64 - 1;
    for (uint32_t i = 0; i < words; i++) {
        uint32_t word = first / 64 + i, shift = first % 64;
        uint64_t bits = get_le64(reader->validity + (size_t)8 * word) >> shift;
        if (shift > 0 && word < last)
            bits |= get_le64(reader->validity + (size_t)8 * (word + 1)) << (64 - shift);
        if (count - 64 * i < 64)
            bits &= (1ull << (count - 64 * i)) - 1;
        validity[i] = bits;
        valid += (uint32_t)__builtin_popcountll(bits);
    }
    return count - valid;
}

static void set_validity(const struct column_reader *reader, uint32_t first, uint32_t count,
                         struct vector *vector) {
    vector->validity = NULL;
    if (reader->nulls > 0 && read_validity(reader, first, count, vector->own_validity) > 0)
        vector->validity = vector->own_validity;
}

/* ---- ways ---------------------------------------------------------------------------------- */

static enum status constant_value(const struct column_reader *reader, struct value *value) {
    if (reader->nulls == reader->rows) {
        *value = value_null(reader->type);
        return STATUS_OK;
    }
    return value_from_bytes(reader->type, reader->section[SECTION_BYTES], value);
}

static enum status decode_constant(const struct column_reader *reader, uint32_t count,
                                   uint8_t *out) {
    struct value value;
    size_t value_size = physical_size(reader->physical);
    TRY(constant_value(reader, &value));
    memset(out, 0, value_size);
    if (!value.is_null)
        value_to_physical(&value, out);
    for (size_t done = 1; done < count;) { /* doubling */
        size_t some = done < count - done ? done : count - done;
        memcpy(out + done * value_size, out, some * value_size);
        done += some;
    }
    return STATUS_OK;
}

static void decode_numbers(const struct column_reader *reader, uint32_t first, uint32_t count,
                           void *out) {
    if (reader->physical == PHYSICAL_NUMERIC) {
        int64_t numbers[VECTOR_SIZE];
        stream_read(&reader->stream, first, count, 8, numbers);
        numbers_to_physical(numbers, count, PHYSICAL_NUMERIC, reader_scale(reader), out);
        return;
    }
    stream_read(&reader->stream, first, count, (unsigned)physical_size(reader->physical), out);
    if (reader->physical == PHYSICAL_BOOL)
        for (uint32_t i = 0; i < count; i++)
            ((uint8_t *)out)[i] &= 1; /* whatever the bytes say */
}

static void gather(const struct column_reader *reader, const uint16_t *codes, uint32_t count,
                   void *out) {
    const void *entries = reader->dictionary->data;
    size_t value_size = physical_size(reader->physical);
    if (value_size <= 8) {
        kernels()->gather[__builtin_ctz((unsigned)value_size)](entries, codes, count, out);
    } else if (value_size == 16) {
        for (uint32_t i = 0; i < count; i++)
            ((uint128_t *)out)[i] = ((const uint128_t *)entries)[codes[i]];
    } else {
        for (uint32_t i = 0; i < count; i++)
            ((struct numeric *)out)[i] = ((const struct numeric *)entries)[codes[i]];
    }
}

static enum status decode_dictionary(struct column_reader *reader, uint32_t first, uint32_t count,
                                     struct vector *vector) {
    uint16_t codes[VECTOR_SIZE];
    TRY(reader_dictionary(reader));
    TRY(read_codes(reader, first, count, codes));
    gather(reader, codes, count, vector->data);
    if (reader->nulls == 0)
        return STATUS_OK;
    bool any = false;
    kernels()->range16(codes, count, 0, (uint16_t)(reader->entry_count - 1), vector->own_validity);
    for (uint32_t i = 0; i < count; i += 64)
        any |= vector->own_validity[i / 64] !=
               (count - i < 64 ? (1ull << (count - i)) - 1 : UINT64_MAX);
    vector->validity = any ? vector->own_validity : NULL;
    return STATUS_OK;
}

static enum status unpack_numerics(const struct string *packed, uint32_t count,
                                   struct numeric *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = (struct numeric){0};
        if (packed[i].size > 0) /* null */
            TRY(numeric_unpack(string_slice(&packed[i]), &out[i]));
    }
    return STATUS_OK;
}

static enum status decode_plain(struct column_reader *reader, uint32_t first, uint32_t count,
                                struct arena *arena, void *out) {
    size_t value_size = physical_size(reader->physical);
    if (reader->physical == PHYSICAL_NUMERIC) {
        struct string packed[VECTOR_SIZE];
        TRY(read_strings(reader, first, count, arena, packed));
        return unpack_numerics(packed, count, out);
    }
    if (reader->physical == PHYSICAL_STRING)
        return read_strings(reader, first, count, arena, out);
    memcpy(out, reader->section[SECTION_BYTES].data + first * value_size, count * value_size);
    return STATUS_OK;
}

/* ---- vectors ------------------------------------------------------------------------------- */

static void begin(const struct column_reader *reader, uint32_t first, uint32_t count,
                  struct vector *vector) {
    ASSERT(vector->physical == reader->physical && count <= VECTOR_SIZE);
    ASSERT(first <= reader->rows && count <= reader->rows - first);
    vector_reset(vector);
    vector->type = reader->type;
}

enum status column_decode(struct column_reader *reader, uint32_t first, uint32_t count,
                          struct vector *vector, struct arena *arena) {
    begin(reader, first, count, vector);
    if (count == 0)
        return STATUS_OK;
    switch (reader->encoding) {
    case COLUMN_DICTIONARY:
        return decode_dictionary(reader, first, count, vector);
    case COLUMN_CONSTANT:
        TRY(decode_constant(reader, count, vector->data));
        break;
    case COLUMN_PACKED:
        decode_numbers(reader, first, count, vector->data);
        break;
    case COLUMN_DECIMAL:
        read_decimals(reader, first, count, vector->data);
        break;
    default:
        TRY(decode_plain(reader, first, count, arena, vector->data));
    }
    set_validity(reader, first, count, vector);
    return STATUS_OK;
}

enum status column_decode_vector(struct column_reader *reader, uint32_t first, uint32_t count,
                                 struct vector *vector, struct arena *arena) {
    begin(reader, first, count, vector);
    if (reader->encoding == COLUMN_CONSTANT && count > 0 &&
        (reader->nulls == 0 || reader->nulls == reader->rows)) {
        TRY(decode_constant(reader, 1, vector->data));
        vector->kind = VECTOR_CONSTANT;
        if (reader->nulls > 0) {
            vector->validity = vector->own_validity;
            vector->own_validity[0] = 0;
        }
        return STATUS_OK;
    }
    if (reader->encoding != COLUMN_DICTIONARY || reader->entry_count >= VECTOR_SIZE ||
        reader->physical == PHYSICAL_BOOL)
        return column_decode(reader, first, count, vector, arena);
    TRY(reader_dictionary(reader));
    TRY(read_codes(reader, first, count, vector->own_data));
    vector->kind = VECTOR_DICTIONARY;
    vector->data = reader->dictionary->data;
    vector->validity = reader->dictionary->validity;
    vector->indices = vector->own_data;
    vector->dictionary_count = reader->entry_count + (reader->nulls > 0);
    return STATUS_OK;
}

/* Whether single rows of this chunk cost as much as all around them. */
static bool rows_are_dear(const struct column_reader *reader) {
    return reader->encoding == COLUMN_CONSTANT || reader->stream.kind == STREAM_DELTA ||
           reader->encoding == COLUMN_DECIMAL;
}

enum status column_decode_rows(struct column_reader *reader, uint32_t first, uint32_t count,
                               const uint16_t *selection, uint32_t selected, struct vector *vector,
                               struct arena *arena) {
    bool strings = reader->physical == PHYSICAL_STRING &&
                   (reader->encoding == COLUMN_PLAIN || reader->encoding == COLUMN_SYMBOLS);
    bool packed_numerics = reader->physical == PHYSICAL_NUMERIC && reader->encoding == COLUMN_PLAIN;
    if (selected == count || packed_numerics ||
        (!strings && (selected > count / 8 || rows_are_dear(reader))))
        return column_decode(reader, first, count, vector, arena);
    begin(reader, first, count, vector);
    if (strings) {
        TRY(read_strings_at(reader, first, count, selection, selected, arena, vector->data));
        set_validity(reader, first, count, vector);
        return STATUS_OK;
    }
    uint8_t *data = vector->data;
    size_t value_size = physical_size(reader->physical);
    if (reader->encoding == COLUMN_PACKED && reader->nulls == 0 && value_size <= 8 &&
        reader->physical != PHYSICAL_NUMERIC && reader->physical != PHYSICAL_BOOL) {
        stream_read_rows(&reader->stream, first, selection, selected, (unsigned)value_size, data);
        vector->validity = NULL;
        return STATUS_OK;
    }
    bool any_null = false;
    memset(vector->own_validity, 0xFF, VALIDITY_WORDS * sizeof(uint64_t));
    for (uint32_t i = 0; i < selected; i++) {
        struct value value;
        uint32_t row = selection[i];
        TRY(column_get(reader, first + row, arena, &value));
        if (value.is_null) {
            validity_clear(vector->own_validity, row);
            memset(data + row * value_size, 0, value_size);
            any_null = true;
        } else {
            value_to_physical(&value, data + row * value_size);
        }
    }
    vector->validity = any_null ? vector->own_validity : NULL;
    return STATUS_OK;
}

/* ---- one value ----------------------------------------------------------------------------- */

static enum status get_entry(struct column_reader *reader, uint32_t row, struct value *value_out) {
    uint64_t code = (uint64_t)stream_get(&reader->stream, row);
    if (code == reader->entry_count && reader->nulls > 0) {
        *value_out = value_null(reader->type);
        return STATUS_OK;
    }
    if (code >= reader->entry_count)
        return chunk_corrupted("a code is beyond the dictionary");
    size_t value_size = physical_size(reader->physical);
    struct slice entries = reader->section[SECTION_ENTRIES], bytes = reader->section[SECTION_BYTES];
    switch (reader_class(reader)) {
    case CLASS_NUMBERS:
        *value_out = value_from_number(reader->type, stream_get(&reader->numbers, (uint32_t)code),
                                       reader_scale(reader));
        return STATUS_OK;
    case CLASS_STRINGS: {
        uint32_t start = code == 0 ? 0 : get_le32(entries.data + 4 * (code - 1));
        uint32_t end = get_le32(entries.data + 4 * code);
        if (start > end || end > bytes.size)
            return chunk_corrupted("a dictionary's strings are out of order");
        return value_from_bytes(reader->type, slice_of(bytes.data + start, end - start), value_out);
    }
    default:
        *value_out = value_from_physical(reader->type, entries.data + code * value_size);
        return STATUS_OK;
    }
}

enum status column_get(struct column_reader *reader, uint32_t row, struct arena *arena,
                       struct value *value_out) {
    ASSERT(row < reader->rows);
    if (reader->encoding == COLUMN_DICTIONARY)
        return get_entry(reader, row, value_out);
    *value_out = value_null(reader->type);
    if (reader_null(reader, row))
        return STATUS_OK;
    struct slice text;
    switch (reader->encoding) {
    case COLUMN_CONSTANT:
        return constant_value(reader, value_out);
    case COLUMN_PACKED:
        *value_out =
            value_from_number(reader->type, stream_get(&reader->stream, row), reader_scale(reader));
        return STATUS_OK;
    case COLUMN_DECIMAL: {
        double number = 0;
        read_decimals(reader, row, 1, &number);
        *value_out = value_from_physical(reader->type, &number);
        return STATUS_OK;
    }
    default:
        if (reader_class(reader) != CLASS_STRINGS) {
            *value_out = value_from_physical(reader->type,
                                             reader->section[SECTION_BYTES].data +
                                                 (size_t)row * physical_size(reader->physical));
            return STATUS_OK;
        }
        TRY(get_string(reader, row, arena, &text));
        return value_from_bytes(reader->type, text, value_out);
    }
}
