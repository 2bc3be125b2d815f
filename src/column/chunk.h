/* What the files of this room share about chunks and nobody else sees. */
#ifndef COLUMN_CHUNK_H
#define COLUMN_CHUNK_H

#include "column/column.h"
#include "column/column_format.h"
#include "column/image.h"
#include "column/stream.h"

/* How the values of a column are handled: by their form and by what they are. */
enum value_class {
    CLASS_NUMBERS, /* as int64: bool, int2/4/8, dates ..; INT128 and NUMERIC that are narrow */
    CLASS_FLOATS,  /* real, double */
    CLASS_FIXED,   /* 16 bytes: wide INT128, interval, uuid */
    CLASS_STRINGS, /* strings; wide NUMERIC as packed bytes */
};
enum value_class value_class_of(enum physical physical, bool narrow);

enum status chunk_corrupted(const char *what);

static inline size_t align8(size_t size) {
    return (size + 7) & ~(size_t)7;
}
static inline uint32_t zone_count(uint32_t rows) {
    return (rows + COLUMN_ZONE_ROWS - 1) / COLUMN_ZONE_ROWS;
}
static inline uint32_t block_count(uint32_t rows) {
    return (rows + CHUNK_BLOCK_ROWS - 1) / CHUNK_BLOCK_ROWS;
}
static inline bool bit_get(const uint8_t *bitmap, uint32_t at) {
    return (bitmap[at / 8] >> at % 8 & 1) != 0;
}

/* ---- value bytes (column_format.h) ------------------------------------------------------- */

enum { VALUE_BYTES_FIXED_MAX = 20 };
/* A value as bytes: strings are views, else they are in `space`. */
struct slice value_bytes(const struct value *value, uint8_t space[VALUE_BYTES_FIXED_MAX]);
enum status value_from_bytes(struct type type, struct slice bytes, struct value *value_out)
    MUST_USE;
/* An integer of CLASS_NUMBERS as a value and back; scale of NUMERIC. */
struct value value_from_number(struct type type, int64_t number, int scale);
/* out[i] in physical form. */
void numbers_to_physical(const int64_t *numbers, uint32_t count, enum physical physical, int scale,
                         void *out);

/* ---- encoding ---------------------------------------------------------------------------- */

/* The rows to encode, prepared. Null rows hold a neighbour's value or an empty string. */
struct column_input {
    struct type type;
    enum physical physical;
    enum value_class class;
    bool narrow;
    int scale; /* of a narrow NUMERIC */
    uint32_t rows, nulls;
    const uint64_t *validity; /* bit 0 is row 0; NULL: no nulls */
    union {
        const int64_t *numbers;
        const double *floats; /* real ones widened */
        const uint8_t *fixed; /* 16 bytes each */
        const struct string *strings;
    };
    size_t string_bytes;
    uint64_t *hashes;  /* of rows that are not null; equal values have equal ones */
    uint32_t distinct; /* estimate */
    struct arena *arena;
    struct column_pause pause;
};

enum { PAUSE_ROWS = 4096 };
/* Between steps of about PAUSE_ROWS values. */
static inline enum status input_pause(const struct column_input *input) {
    return input->pause.function == NULL ? STATUS_OK : input->pause.function(input->pause.context);
}
/* In loops over rows. */
static inline enum status input_pause_at(const struct column_input *input, uint32_t row) {
    return row % PAUSE_ROWS == PAUSE_ROWS - 1 ? input_pause(input) : STATUS_OK;
}

static inline bool input_is_null(const struct column_input *input, uint32_t row) {
    return !validity_get(input->validity, row);
}
/* Row as bytes, by which dictionaries tell values apart: a view. */
struct slice input_bytes(const struct column_input *input, uint32_t row);
/* Boxed; strings are views of the input. */
struct value input_value(const struct column_input *input, uint32_t row);

/* One way to encode: sections stream, entries, bytes and extra. size 0: not possible. */
struct column_draft {
    uint8_t encoding, exponent, factor;
    uint32_t entry_count;
    size_t size;
    struct slice stream, entries, bytes, extra;
    const int64_t *codes; /* dictionary */
};

enum status draft_numbers(const struct column_input *input, struct column_draft *draft) MUST_USE;
enum status draft_decimal(const struct column_input *input, struct column_draft *draft) MUST_USE;
/* No draft when it cannot take less than about `size_max` bytes. */
enum status draft_dictionary(const struct column_input *input, size_t size_max,
                             struct column_draft *draft) MUST_USE;
enum status draft_plain(const struct column_input *input, struct column_draft *draft) MUST_USE;
enum status draft_strings(const struct column_input *input, struct column_draft *draft) MUST_USE;
enum status draft_symbols(const struct column_input *input, struct column_draft *draft) MUST_USE;
/* The smaller one, when it saves enough to be worth reading more slowly. */
static inline void draft_choose(struct column_draft *best, const struct column_draft *other,
                                unsigned percent) {
    if (other->size > 0 && (best->size == 0 || other->size * 100 < best->size * percent))
        *best = *other;
}

/* ---- reading ----------------------------------------------------------------------------- */

enum status chunk_header_decode(struct slice chunk, bool verify, struct chunk_header *header)
    MUST_USE;
void chunk_header_encode(const struct chunk_header *header, uint8_t *bytes);

/* Header fields that are read in place. */
static inline bool reader_narrow(const struct column_reader *reader) {
    return (reader->bytes.data[11] & CHUNK_NARROW) != 0;
}
static inline bool reader_has_images(const struct column_reader *reader) {
    return (reader->bytes.data[11] & CHUNK_IMAGES) != 0;
}
static inline int reader_scale(const struct column_reader *reader) {
    return (int16_t)get_le16(reader->bytes.data + 32);
}
static inline int64_t reader_image_min(const struct column_reader *reader) {
    return (int64_t)get_le64(reader->bytes.data + 48);
}
static inline int64_t reader_image_max(const struct column_reader *reader) {
    return (int64_t)get_le64(reader->bytes.data + 56);
}
static inline enum value_class reader_class(const struct column_reader *reader) {
    return value_class_of(reader->physical, reader_narrow(reader));
}
/* Image range and nulls of a zone; min > max when there is nothing but nulls. */
void reader_zone(const struct column_reader *reader, uint32_t zone, int64_t *min, int64_t *max,
                 uint32_t *nulls);

/* Codes of rows; DATA_CORRUPTED when one is beyond the entries (and the null behind them). */
enum status read_codes(struct column_reader *reader, uint32_t first, uint32_t count,
                       uint16_t *codes) MUST_USE;
/* Entries in physical form, and one more for null: makes reader->dictionary. */
enum status reader_dictionary(struct column_reader *reader) MUST_USE;
/* Bits of rows first .. first+count to `validity`; returns how many are null. */
uint32_t read_validity(const struct column_reader *reader, uint32_t first, uint32_t count,
                       uint64_t *validity);
/* Floating-point numbers as doubles or, when physical is FLOAT32, floats. */
void read_decimals(const struct column_reader *reader, uint32_t first, uint32_t count, void *out);
/* Strings (plain, symbols). */
enum status read_strings(struct column_reader *reader, uint32_t first, uint32_t count,
                         struct arena *arena, struct string *out) MUST_USE;
/* Only those of first + selection[i], each at out[selection[i]]. */
enum status read_strings_at(struct column_reader *reader, uint32_t first, uint32_t count,
                            const uint16_t *selection, uint32_t selected, struct arena *arena,
                            struct string *out) MUST_USE;
enum status get_string(struct column_reader *reader, uint32_t row, struct arena *arena,
                       struct slice *out) MUST_USE;
/* Checks that need no rows: sizes of sections by encoding. */
enum status strings_open(const struct column_reader *reader) MUST_USE;
enum status decimals_open(const struct column_reader *reader) MUST_USE;
/* Whether row is null, for any encoding but dictionaries. */
static inline bool reader_null(const struct column_reader *reader, uint32_t row) {
    return reader->validity != NULL ? !bit_get(reader->validity, row)
                                    : reader->nulls == reader->rows;
}

#endif
