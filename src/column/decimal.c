/*
 * Floating-point numbers that are short decimals, as integers: ALP (Afroozeh, Kuffo and Boncz,
 * "ALP: Adaptive Lossless floating-Point Compression", SIGMOD 2024).
 *
 *     integer = round(number * 10^exponent * 10^-factor)
 *     number  = integer * 10^factor * 10^-exponent        bit for bit, else an exception
 *
 * Differences from the paper: one pair (exponent, factor) a chunk, found on a sample, instead of
 * one a vector; exceptions are kept apart for 1,024 rows; numbers that are no decimals are plain
 * (no ALP-RD).
 */
#include <math.h>

#include "base/base_bytes.h"
#include "column/chunk.h"
#include "column/kernel.h"

enum { EXPONENT_MAX = 18, SAMPLE_ROWS = 128 };

static const double powers[EXPONENT_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                1e14, 1e15, 1e16, 1e17, 1e18};
static const double fractions[EXPONENT_MAX + 1] = {1e-0,  1e-1,  1e-2,  1e-3,  1e-4,  1e-5,  1e-6,
                                                   1e-7,  1e-8,  1e-9,  1e-10, 1e-11, 1e-12, 1e-13,
                                                   1e-14, 1e-15, 1e-16, 1e-17, 1e-18};

static bool same_bits(double a, double b) {
    uint64_t a_bits, b_bits;
    memcpy(&a_bits, &a, sizeof a);
    memcpy(&b_bits, &b, sizeof b);
    return a_bits == b_bits;
}

/* False: an exception. */
static bool to_integer(double number, unsigned exponent, unsigned factor, bool single,
                       int64_t *integer_out) {
    double scaled = number * powers[exponent] * fractions[factor];
    if (!(scaled > -0x1p51 && scaled < 0x1p51))
        return false;
    int64_t integer = (int64_t)nearbyint(scaled);
    double back = (double)integer * powers[factor] * fractions[exponent];
    if (single)
        back = (double)(float)back;
    *integer_out = integer;
    return same_bits(back, number);
}

/* Bits that the sample takes. */
static size_t cost_of(const double *sample, uint32_t count, unsigned exponent, unsigned factor,
                      bool single) {
    int64_t min = INT64_MAX, max = INT64_MIN;
    size_t exceptions = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t integer;
        if (!to_integer(sample[i], exponent, factor, single, &integer)) {
            exceptions++;
            continue;
        }
        min = integer < min ? integer : min;
        max = integer > max ? integer : max;
    }
    size_t width = min > max ? 0 : bits_needed((uint64_t)max - (uint64_t)min);
    return width * count + exceptions * (single ? 48 : 80);
}

static void find_scale(const struct column_input *input, struct column_draft *draft) {
    double sample[SAMPLE_ROWS];
    uint32_t count = input->rows < SAMPLE_ROWS ? input->rows : SAMPLE_ROWS;
    bool single = input->physical == PHYSICAL_FLOAT32;
    for (uint32_t i = 0; i < count; i++)
        sample[i] = input->floats[(uint64_t)i * input->rows / count];
    size_t best = SIZE_MAX;
    unsigned exponent_max = single ? 10 : EXPONENT_MAX;
    for (unsigned exponent = 0; exponent <= exponent_max; exponent++) {
        for (unsigned factor = 0; factor <= exponent; factor++) {
            size_t cost = cost_of(sample, count, exponent, factor, single);
            if (cost < best) {
                best = cost;
                draft->exponent = (uint8_t)exponent;
                draft->factor = (uint8_t)factor;
            }
        }
    }
}

/* Integers of all rows; exceptions take their neighbour's. Returns how many there are. */
static uint32_t to_integers(const struct column_input *input, const struct column_draft *draft,
                            int64_t *integers, uint8_t *is_exception) {
    bool single = input->physical == PHYSICAL_FLOAT32;
    uint32_t exceptions = 0;
    int64_t last = 0;
    for (uint32_t i = 0; i < input->rows; i++) {
        int64_t integer = 0;
        is_exception[i] =
            !to_integer(input->floats[i], draft->exponent, draft->factor, single, &integer);
        exceptions += is_exception[i];
        integers[i] = last = is_exception[i] ? last : integer;
    }
    /* Those before the first that is none. */
    uint32_t first = 0;
    while (first < input->rows && is_exception[first])
        first++;
    for (uint32_t i = 0; i < first && first < input->rows; i++)
        integers[i] = integers[first];
    return exceptions;
}

static enum status write_exceptions(const struct column_input *input, const uint8_t *is_exception,
                                    uint32_t exceptions, struct column_draft *draft) {
    size_t value_size = physical_size(input->physical);
    uint32_t blocks = block_count(input->rows), at = 0;
    size_t rows_at = 4 * ((size_t)blocks + 1),
           numbers_at = align8(rows_at + 2 * (size_t)exceptions);
    uint8_t *bytes = arena_alloc_zeroed(input->arena, numbers_at + value_size * exceptions);
    if (bytes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < input->rows; i++) {
        if (i % CHUNK_BLOCK_ROWS == 0)
            put_le32(bytes + (size_t)4 * (i / CHUNK_BLOCK_ROWS), at);
        if (!is_exception[i])
            continue;
        float narrow = (float)input->floats[i];
        put_le16(bytes + rows_at + (size_t)2 * at, (uint16_t)(i % CHUNK_BLOCK_ROWS));
        memcpy(bytes + numbers_at + value_size * at,
               value_size == sizeof narrow ? (const void *)&narrow : &input->floats[i], value_size);
        at++;
    }
    put_le32(bytes + (size_t)4 * blocks, at);
    draft->extra = slice_of(bytes, numbers_at + value_size * exceptions);
    return STATUS_OK;
}

enum status draft_decimal(const struct column_input *input, struct column_draft *draft) {
    *draft = (struct column_draft){.encoding = COLUMN_DECIMAL};
    find_scale(input, draft);
    int64_t *integers = arena_alloc(input->arena, input->rows * sizeof *integers);
    uint8_t *is_exception = arena_alloc(input->arena, input->rows);
    if (integers == NULL || is_exception == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint32_t exceptions = to_integers(input, draft, integers, is_exception);
    if (exceptions > input->rows / 4)
        return STATUS_OK;
    struct stream_plan plan;
    stream_plan(integers, input->rows, &plan);
    TRY(stream_write(integers, &plan, input->arena, &draft->stream));
    TRY(write_exceptions(input, is_exception, exceptions, draft));
    draft->size = draft->stream.size + draft->extra.size;
    return STATUS_OK;
}

/* ---- reading ------------------------------------------------------------------------------- */

struct exceptions {
    const uint8_t *starts, *rows, *numbers;
};

static struct exceptions exceptions_of(const struct column_reader *reader) {
    const uint8_t *bytes = reader->section[SECTION_EXTRA].data;
    uint32_t blocks = block_count(reader->rows);
    size_t rows_at = 4 * ((size_t)blocks + 1);
    uint32_t total = get_le32(bytes + (size_t)4 * blocks);
    return (struct exceptions){bytes, bytes + rows_at, bytes + align8(rows_at + 2 * (size_t)total)};
}

enum status decimals_open(const struct column_reader *reader) {
    struct slice extra = reader->section[SECTION_EXTRA];
    uint32_t blocks = block_count(reader->rows), last = 0;
    size_t rows_at = 4 * ((size_t)blocks + 1);
    if (reader->bytes.data[37] > EXPONENT_MAX || reader->bytes.data[38] > EXPONENT_MAX)
        return chunk_corrupted("no such scale of decimals");
    if (extra.size < rows_at)
        return chunk_corrupted("exceptions are cut off");
    for (uint32_t i = 0; i <= blocks; i++) {
        uint32_t start = get_le32(extra.data + (size_t)4 * i);
        if (start < last || start > reader->rows)
            return chunk_corrupted("exceptions are out of order");
        last = start;
    }
    if (extra.size != align8(rows_at + 2 * (size_t)last) + last * physical_size(reader->physical))
        return chunk_corrupted("exceptions have the wrong size");
    return STATUS_OK;
}

/* Put the exceptions among rows first .. first+count of one block in their places. */
static void patch(const struct column_reader *reader, uint32_t first, uint32_t count,
                  unsigned value_size, uint8_t *out) {
    struct exceptions exceptions = exceptions_of(reader);
    uint32_t block = first / CHUNK_BLOCK_ROWS, skip = first % CHUNK_BLOCK_ROWS;
    uint32_t limit = get_le32(exceptions.starts + (size_t)4 * (block + 1));
    for (uint32_t i = get_le32(exceptions.starts + (size_t)4 * block); i < limit; i++) {
        uint32_t row = get_le16(exceptions.rows + (size_t)2 * i);
        if (row >= skip && row - skip < count)
            memcpy(out + (size_t)value_size * (row - skip),
                   exceptions.numbers + (size_t)value_size * i, value_size);
    }
}

void read_decimals(const struct column_reader *reader, uint32_t first, uint32_t count, void *out) {
    double factor = powers[reader->bytes.data[38]], fraction = fractions[reader->bytes.data[37]];
    unsigned value_size = (unsigned)physical_size(reader->physical);
    int64_t integers[CHUNK_BLOCK_ROWS];
    double wide[CHUNK_BLOCK_ROWS];
    uint8_t *to = out;
    while (count > 0) {
        uint32_t some = CHUNK_BLOCK_ROWS - first % CHUNK_BLOCK_ROWS;
        some = some < count ? some : count;
        stream_read(&reader->stream, first, some, 8, integers);
        if (value_size == sizeof(double)) {
            kernels()->decimal(integers, some, factor, fraction, (double *)(void *)to);
        } else {
            kernels()->decimal(integers, some, factor, fraction, wide);
            for (uint32_t i = 0; i < some; i++)
                ((float *)(void *)to)[i] = (float)wide[i];
        }
        patch(reader, first, some, value_size, to);
        to += (size_t)value_size * some;
        first += some;
        count -= some;
    }
}
