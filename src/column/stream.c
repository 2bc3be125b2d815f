#include "column/stream.h"

#include <string.h>

#include "column/kernel.h"

_Static_assert((int)PACK_ROWS == (int)CHUNK_BLOCK_ROWS, "a block is what the kernels pack");

struct block {
    uint64_t base, step; /* step: delta only */
    const uint8_t *payload;
    unsigned width;
    uint32_t count;
};

static enum status corrupted(const char *what) {
    return error_set(STATUS_DATA_CORRUPTED, "column chunk: %s", what);
}

/* ---- opening ------------------------------------------------------------------------------- */

static uint32_t block_count(uint32_t count) {
    return (count + CHUNK_BLOCK_ROWS - 1) / CHUNK_BLOCK_ROWS;
}

static inline struct block block_at(const struct column_packed *stream, uint32_t index) {
    uint32_t left = stream->count - index * CHUNK_BLOCK_ROWS;
    struct block block = {.count = left < CHUNK_BLOCK_ROWS ? left : CHUNK_BLOCK_ROWS};
    const uint8_t *entry = stream->blocks;
    if (stream->kind == STREAM_PACKED) {
        entry += (size_t)index * STREAM_BLOCK_SIZE;
        block.payload = stream->bytes + get_le32(entry + 8);
        block.width = entry[12];
    } else {
        entry += (size_t)index * STREAM_DELTA_BLOCK_SIZE;
        block.step = get_le64(entry + 8);
        block.payload = stream->bytes + get_le32(entry + 16);
        block.width = entry[20];
    }
    block.base = get_le64(entry);
    return block;
}

static enum status check_blocks(const struct column_packed *stream) {
    size_t entry_size = stream->kind == STREAM_PACKED ? STREAM_BLOCK_SIZE : STREAM_DELTA_BLOCK_SIZE;
    uint32_t blocks = block_count(stream->count);
    if (stream->size < STREAM_HEADER_SIZE + blocks * entry_size)
        return corrupted("a stream is cut off");
    for (uint32_t i = 0; i < blocks; i++) {
        const uint8_t *tail = stream->blocks + (i + 1) * entry_size - 8;
        uint32_t offset = get_le32(tail), count = stream->count - i * CHUNK_BLOCK_ROWS;
        if (count > CHUNK_BLOCK_ROWS)
            count = CHUNK_BLOCK_ROWS;
        if (tail[4] > 64 || tail[5] != 0 || tail[6] != 0 || tail[7] != 0)
            return corrupted("a block has no such width");
        if (offset > stream->size || block_payload(count, tail[4]) > stream->size - offset)
            return corrupted("a block lies outside of its stream");
    }
    return STATUS_OK;
}

static enum status check_runs(const struct column_packed *stream) {
    uint32_t zones = (stream->count + COLUMN_ZONE_ROWS - 1) / COLUMN_ZONE_ROWS;
    uint64_t offset = (uint64_t)(stream->blocks - stream->bytes);
    if (stream->run_count == 0 || stream->run_count > COLUMN_ROWS_MAX || offset > stream->size ||
        offset < STREAM_HEADER_SIZE + 8 + 4 * zones + 2 * stream->run_count)
        return corrupted("runs lie outside of their stream");
    if (stream->blocks_size > 0 && stream->blocks[0] == STREAM_RUNS)
        return corrupted("runs of runs");
    struct column_packed values;
    return stream_open(&values, slice_of(stream->blocks, stream->blocks_size), stream->run_count);
}

/* What stream_open found, again, without the proofs. */
static struct column_packed run_values(const struct column_packed *stream) {
    struct column_packed values = {.bytes = stream->blocks,
                                   .size = stream->blocks_size,
                                   .count = stream->run_count,
                                   .kind = stream->blocks[0],
                                   .blocks = stream->blocks + STREAM_HEADER_SIZE};
    if (values.kind == STREAM_CONSTANT)
        values.constant = (int64_t)get_le64(values.blocks);
    return values;
}

/* The parts of a stream whose head is whole; nothing is proved. */
static void find_parts(struct column_packed *stream) {
    const uint8_t *bytes = stream->bytes;
    stream->blocks = bytes + STREAM_HEADER_SIZE;
    if (stream->kind == STREAM_CONSTANT)
        stream->constant = (int64_t)get_le64(bytes + STREAM_HEADER_SIZE);
    if (stream->kind != STREAM_RUNS)
        return;
    uint32_t zones = (stream->count + COLUMN_ZONE_ROWS - 1) / COLUMN_ZONE_ROWS;
    uint32_t offset = get_le32(bytes + 12);
    if (offset > stream->size)
        offset = 0; /* check_runs refuses that */
    stream->run_count = get_le32(bytes + 8);
    stream->run_firsts = bytes + STREAM_HEADER_SIZE + 8;
    stream->run_ends = stream->run_firsts + (size_t)4 * zones;
    stream->blocks = bytes + offset;
    stream->blocks_size = stream->size - offset;
}

enum status stream_open(struct column_packed *stream, struct slice bytes, uint32_t count) {
    *stream =
        (struct column_packed){.bytes = bytes.data, .size = (uint32_t)bytes.size, .count = count};
    if (bytes.size < STREAM_HEADER_SIZE)
        return corrupted("a stream is cut off");
    stream->kind = bytes.data[0];
    if (get_le32(bytes.data + 4) != count || count == 0)
        return corrupted("a stream has another number of values than its chunk");
    if (bytes.data[1] != 0 || bytes.data[2] != 0 || bytes.data[3] != 0)
        return corrupted("reserved bytes of a stream are not zero");
    if (stream->kind < STREAM_CONSTANT || stream->kind > STREAM_RUNS)
        return corrupted("no such kind of stream");
    bool has_16 = stream->kind == STREAM_CONSTANT || stream->kind == STREAM_RUNS;
    if (has_16 && bytes.size < STREAM_HEADER_SIZE + 8)
        return corrupted("a stream is cut off");
    find_parts(stream);
    return stream->kind == STREAM_RUNS       ? check_runs(stream)
           : stream->kind == STREAM_CONSTANT ? STATUS_OK
                                             : check_blocks(stream);
}

void stream_open_again(struct column_packed *stream, struct slice bytes, uint32_t count) {
    *stream = (struct column_packed){
        .bytes = bytes.data, .size = (uint32_t)bytes.size, .count = count, .kind = bytes.data[0]};
    find_parts(stream);
}

const char *stream_kind_name(uint8_t kind) {
    switch (kind) {
    case STREAM_CONSTANT:
        return "constant";
    case STREAM_PACKED:
        return "bit-packed";
    case STREAM_DELTA:
        return "delta";
    case STREAM_RUNS:
        return "run-length";
    default:
        return "unknown";
    }
}

/* ---- one block ----------------------------------------------------------------------------- */

union scratch {
    uint16_t words16[CHUNK_BLOCK_ROWS];
    struct {
        uint32_t low[CHUNK_BLOCK_ROWS], high[CHUNK_BLOCK_ROWS];
        uint16_t narrow[CHUNK_BLOCK_ROWS];
    };
};

static unsigned log2_of(unsigned size) {
    return (unsigned)__builtin_ctz(size);
}

static void cut(const uint64_t *from, uint32_t count, unsigned size, void *out) {
    switch (size) {
    case 1:
        for (uint32_t i = 0; i < count; i++)
            ((uint8_t *)out)[i] = (uint8_t)from[i];
        break;
    case 2:
        for (uint32_t i = 0; i < count; i++)
            ((uint16_t *)out)[i] = (uint16_t)from[i];
        break;
    case 4:
        for (uint32_t i = 0; i < count; i++)
            ((uint32_t *)out)[i] = (uint32_t)from[i];
        break;
    case 8:
        memcpy(out, from, count * sizeof *from);
        break;
    default:
        for (uint32_t i = 0; i < count; i++)
            ((int128_t *)out)[i] = (int64_t)from[i];
    }
}

static uint64_t flat_number(const struct block *block, uint32_t at) {
    const uint8_t *payload = block->payload;
    switch (flat_size(block->width)) {
    case 1:
        return payload[at];
    case 2:
        return get_le16(payload + (size_t)2 * at);
    case 4:
        return get_le32(payload + (size_t)4 * at);
    default:
        return get_le64(payload + (size_t)8 * at);
    }
}

/* Packed numbers of over 32 bits, plus base. */
static void read_wide(const struct block *block, union scratch *scratch, uint64_t *out) {
    const struct kernels *kernel = kernels();
    unsigned rest = block->width - 32;
    memcpy(scratch->low, block->payload, sizeof scratch->low);
    if (rest <= 16) {
        kernel->unpack16[rest](block->payload + sizeof scratch->low, scratch->narrow);
        kernel->add16[2](scratch->narrow, CHUNK_BLOCK_ROWS, 0, scratch->high);
    } else {
        kernel->unpack32[rest](block->payload + sizeof scratch->low, scratch->high);
    }
    kernel->join(scratch->low, scratch->high, block->count, block->base, out);
}

/* base + packed number, of the whole block, `size` <= 8 bytes each. */
static void read_packed(const struct block *block, unsigned size, void *out) {
    const struct kernels *kernel = kernels();
    union scratch scratch;
    uint64_t wide[CHUNK_BLOCK_ROWS];
    if (block->width > 0 && !block_interleaved(block->count, block->width)) {
        for (uint32_t i = 0; i < block->count; i++)
            wide[i] = block->base + flat_number(block, i);
        cut(wide, block->count, size, out);
    } else if (block->width <= 16) {
        kernel->unpack16[block->width](block->payload, scratch.words16);
        kernel->add16[log2_of(size)](scratch.words16, block->count, block->base, out);
    } else if (block->width <= 32) {
        kernel->unpack32[block->width](block->payload, scratch.low);
        kernel->add32[log2_of(size)](scratch.low, block->count, block->base, out);
    } else if (size == 8) {
        read_wide(block, &scratch, out);
    } else {
        read_wide(block, &scratch, wide);
        cut(wide, block->count, size, out);
    }
}

static void read_delta(const struct block *block, unsigned size, void *out) {
    struct block steps = *block;
    uint64_t wide[CHUNK_BLOCK_ROWS];
    uint64_t *sums = size == 8 ? out : wide;
    steps.base = 0;
    if (block->width <= 32) {
        uint32_t numbers[CHUNK_BLOCK_ROWS];
        read_packed(&steps, 4, numbers);
        kernels()->sum32(numbers, block->count, block->base - block->step, block->step, sums);
    } else {
        read_packed(&steps, 8, sums);
        uint64_t sum = block->base - block->step;
        for (uint32_t i = 0; i < block->count; i++)
            sums[i] = sum += sums[i] + block->step;
    }
    if (size != 8)
        cut(wide, block->count, size, out);
}

static void read_blocks(const struct column_packed *stream, uint32_t first, uint32_t count,
                        unsigned size, uint8_t *out) {
    uint64_t whole[CHUNK_BLOCK_ROWS];
    while (count > 0) {
        struct block block = block_at(stream, first / CHUNK_BLOCK_ROWS);
        uint32_t skip = first % CHUNK_BLOCK_ROWS, take = block.count - skip;
        if (take > count)
            take = count;
        void *to = take == block.count ? (void *)out : whole;
        if (stream->kind == STREAM_PACKED)
            read_packed(&block, size, to);
        else
            read_delta(&block, size, to);
        if (to == whole)
            memcpy(out, (const uint8_t *)whole + (size_t)skip * size, (size_t)take * size);
        out += (size_t)take * size;
        first += take;
        count -= take;
    }
}

/* ---- runs ---------------------------------------------------------------------------------- */

static uint32_t run_end(const struct column_packed *stream, uint32_t run) {
    return get_le16(stream->run_ends + (size_t)2 * run);
}

/* The run that holds a row; some run when the bytes lie. */
static uint32_t run_of(const struct column_packed *stream, uint32_t row) {
    uint32_t low = get_le32(stream->run_firsts + (size_t)4 * (row / COLUMN_ZONE_ROWS));
    uint32_t high = stream->run_count - 1;
    if (high - low > COLUMN_ZONE_ROWS)
        high = low + COLUMN_ZONE_ROWS;
    if (low >= stream->run_count)
        return 0;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (run_end(stream, middle) < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum { RUNS_AT_ONCE = 64 };

/* Values of the runs from `run` on; how many. */
static uint32_t next_runs(const struct column_packed *stream, const struct column_packed *values,
                          uint32_t run, uint32_t rows, uint64_t numbers[RUNS_AT_ONCE]) {
    uint32_t some = stream->run_count - run < RUNS_AT_ONCE ? stream->run_count - run : RUNS_AT_ONCE;
    if (some > rows)
        some = rows;
    stream_read(values, run, some, 8, numbers);
    return some;
}

#define FILL_RUN(form)                                                                             \
    do {                                                                                           \
        for (uint32_t at = row - first; at < end - first; at++)                                    \
            ((form *)out)[at] = (form)number;                                                      \
    } while (0)

/* `size` <= 8 bytes each; 0 where the runs (of bytes that lie) end too soon. */
static void read_runs(const struct column_packed *stream, uint32_t first, uint32_t count,
                      unsigned size, void *out) {
    struct column_packed values = run_values(stream);
    uint64_t numbers[RUNS_AT_ONCE];
    uint32_t run = run_of(stream, first), row = first, limit = first + count;
    while (row < limit && run < stream->run_count) {
        uint32_t some = next_runs(stream, &values, run, limit - row, numbers);
        for (uint32_t i = 0; i < some && row < limit; i++) {
            uint32_t end = run_end(stream, run + i) + 1;
            uint64_t number = numbers[i];
            end = end < limit ? end : limit;
            if (end <= row)
                continue;
            if (size == 2)
                FILL_RUN(uint16_t);
            else if (size == 4)
                FILL_RUN(uint32_t);
            else if (size == 8)
                FILL_RUN(uint64_t);
            else
                FILL_RUN(uint8_t);
            row = end;
        }
        run += some;
    }
    memset((uint8_t *)out + (size_t)(row - first) * size, 0, (size_t)(limit - row) * size);
}

static void set_bits(uint64_t *mask, uint32_t from, uint32_t to) {
    while (from < to) {
        uint32_t word = from / 64, some = 64 - from % 64;
        some = some < to - from ? some : to - from;
        mask[word] |= (some == 64 ? UINT64_MAX : (1ull << some) - 1) << from % 64;
        from += some;
    }
}

/* One comparison a run. */
static void range_of_runs(const struct column_packed *stream, uint32_t first, uint32_t count,
                          int64_t low, int64_t high, uint64_t *mask) {
    struct column_packed values = run_values(stream);
    uint64_t numbers[RUNS_AT_ONCE];
    uint32_t run = run_of(stream, first), row = first, limit = first + count;
    memset(mask, 0, (count + 63) / 64 * sizeof *mask);
    while (row < limit && run < stream->run_count) {
        uint32_t some = next_runs(stream, &values, run, limit - row, numbers);
        for (uint32_t i = 0; i < some && row < limit; i++) {
            uint32_t end = run_end(stream, run + i) + 1;
            int64_t number = (int64_t)numbers[i];
            end = end < limit ? end : limit;
            if (end <= row)
                continue;
            if (low <= number && number <= high)
                set_bits(mask, row - first, end - first);
            row = end;
        }
        run += some;
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

static void read_narrow(const struct column_packed *stream, uint32_t first, uint32_t count,
                        unsigned size, void *out) {
    switch (stream->kind) {
    case STREAM_CONSTANT: {
        uint64_t wide[256];
        for (uint32_t i = 0; i < 256 && i < count; i++)
            wide[i] = (uint64_t)stream->constant;
        for (uint32_t i = 0; i < count; i += 256)
            cut(wide, count - i < 256 ? count - i : 256, size, (uint8_t *)out + (size_t)i * size);
        break;
    }
    case STREAM_RUNS:
        read_runs(stream, first, count, size, out);
        break;
    default:
        read_blocks(stream, first, count, size, out);
    }
}

void stream_read(const struct column_packed *stream, uint32_t first, uint32_t count, unsigned size,
                 void *out) {
    DEBUG_ASSERT(first <= stream->count && count <= stream->count - first);
    if (size <= 8) {
        read_narrow(stream, first, count, size, out);
        return;
    }
    uint64_t wide[CHUNK_BLOCK_ROWS];
    for (uint32_t done = 0; done < count;) {
        uint32_t some = CHUNK_BLOCK_ROWS - (first + done) % CHUNK_BLOCK_ROWS;
        if (some > count - done)
            some = count - done;
        read_narrow(stream, first + done, some, 8, wide);
        cut(wide, some, size, (uint8_t *)out + (size_t)done * size);
        done += some;
    }
}

/* Number `at` of those in 64 lanes of 16 bits. Whether it goes on in the lane's next word cannot be
   foretold, so that word is looked at in any case; where it does not, the same one is. */
static inline uint32_t number_of_64_lanes(const uint8_t *payload, unsigned width, uint32_t at) {
    unsigned bit = at / 64 * width, shift = bit % 16;
    const uint8_t *word = payload + (size_t)2 * (bit / 16 * 64 + at % 64);
    const uint8_t *rest = word + ((size_t)(shift + width > 16) << 7);
    return (get_le16(word) | (uint32_t)get_le16(rest) << 16) >> shift & ((1u << width) - 1);
}

/* The same of 32 lanes of 32 bits. */
static inline uint32_t number_of_32_lanes(const uint8_t *payload, unsigned width, uint32_t at) {
    unsigned bit = at / 32 * width, shift = bit % 32;
    const uint8_t *word = payload + (size_t)4 * (bit / 32 * 32 + at % 32);
    const uint8_t *rest = word + ((size_t)(shift + width > 32) << 7);
    uint64_t number = (get_le32(word) | (uint64_t)get_le32(rest) << 32) >> shift;
    return (uint32_t)(number & ((1ull << width) - 1));
}

/* Number `at` of a block, without its base. */
static uint64_t packed_number(const struct block *block, uint32_t at) {
    const uint8_t *payload = block->payload;
    unsigned width = block->width;
    if (width == 0)
        return 0;
    if (!block_interleaved(block->count, width))
        return flat_number(block, at);
    if (width <= 16)
        return number_of_64_lanes(payload, width, at);
    if (width <= 32)
        return number_of_32_lanes(payload, width, at);
    const uint8_t *high = payload + (size_t)4 * CHUNK_BLOCK_ROWS;
    width -= 32;
    uint32_t top =
        width <= 16 ? number_of_64_lanes(high, width, at) : number_of_32_lanes(high, width, at);
    return get_le32(payload + (size_t)4 * at) | (uint64_t)top << 32;
}

int64_t stream_get(const struct column_packed *stream, uint32_t row) {
    DEBUG_ASSERT(row < stream->count);
    if (stream->kind == STREAM_CONSTANT)
        return stream->constant;
    if (stream->kind == STREAM_RUNS) {
        struct column_packed values = run_values(stream);
        return stream_get(&values, run_of(stream, row));
    }
    struct block block = block_at(stream, row / CHUNK_BLOCK_ROWS);
    uint32_t at = row % CHUNK_BLOCK_ROWS;
    if (stream->kind == STREAM_PACKED)
        return (int64_t)(block.base + packed_number(&block, at));
    uint64_t value = block.base + at * block.step;
    if (block.width > 0) {
        uint64_t values[CHUNK_BLOCK_ROWS];
        read_delta(&block, 8, values);
        value = values[at];
    }
    return (int64_t)value;
}

/* Numbers of a block at `rows` + `offset`, without its base. */
static void pick_numbers(const struct block *block, const uint16_t *rows, uint32_t offset,
                         uint32_t count, uint64_t *out) {
    const uint8_t *payload = block->payload;
    const unsigned width = block->width;
    bool lanes = width > 0 && block_interleaved(block->count, width);
    if (lanes && width <= 16) {
        for (uint32_t i = 0; i < count; i++)
            out[i] = number_of_64_lanes(payload, width, rows[i] + offset);
    } else if (lanes && width <= 32) {
        for (uint32_t i = 0; i < count; i++)
            out[i] = number_of_32_lanes(payload, width, rows[i] + offset);
    } else {
        for (uint32_t i = 0; i < count; i++)
            out[i] = packed_number(block, rows[i] + offset);
    }
}

#define SCATTER(form)                                                                              \
    for (uint32_t i = 0; i < count; i++)                                                           \
    ((form *)out)[rows[i]] = (form)numbers[i]

static void scatter(const uint64_t *numbers, const uint16_t *rows, uint32_t count, unsigned size,
                    void *out) {
    switch (size) {
    case 1:
        SCATTER(uint8_t);
        break;
    case 2:
        SCATTER(uint16_t);
        break;
    case 4:
        SCATTER(uint32_t);
        break;
    default:
        ASSERT(size == 8);
        SCATTER(uint64_t);
    }
}

void stream_read_rows(const struct column_packed *stream, uint32_t first, const uint16_t *rows,
                      uint32_t count, unsigned size, void *out) {
    uint64_t numbers[CHUNK_BLOCK_ROWS];
    for (uint32_t done = 0, some; done < count; done += some) {
        const uint16_t *here = rows + done;
        uint32_t number = (first + here[0]) / CHUNK_BLOCK_ROWS, begin = number * CHUNK_BLOCK_ROWS;
        uint32_t most = count - done < CHUNK_BLOCK_ROWS ? count - done : CHUNK_BLOCK_ROWS;
        for (some = 1; some < most && first + here[some] - begin < CHUNK_BLOCK_ROWS;)
            some++;
        if (stream->kind == STREAM_PACKED) {
            struct block block = block_at(stream, number);
            pick_numbers(&block, here, first - begin, some, numbers);
            for (uint32_t i = 0; i < some; i++)
                numbers[i] += block.base;
        } else {
            for (uint32_t i = 0; i < some; i++)
                numbers[i] = (uint64_t)stream_get(stream, first + here[i]);
        }
        scatter(numbers, here, some, size, out);
    }
}

/* ---- ranges -------------------------------------------------------------------------------- */

static void fill_mask(bool set, uint32_t count, uint64_t *mask) {
    for (uint32_t done = 0; done < count; done += 64)
        *mask++ = !set ? 0 : count - done >= 64 ? UINT64_MAX : (1ull << (count - done)) - 1;
}

void range_mask(const int64_t *values, uint32_t count, int64_t low, int64_t high, uint64_t *mask) {
    if (low > high)
        fill_mask(false, count, mask);
    else
        kernels()->range64((const uint64_t *)values, count, (uint64_t)low,
                           (uint64_t)high - (uint64_t)low, mask);
}

/* Compare packed numbers with the limits minus base; the first `count` of the block. */
static void block_range(const struct block *block, uint32_t count, int64_t low, int64_t high,
                        uint64_t *mask) {
    const struct kernels *kernel = kernels();
    int64_t base = (int64_t)block->base;
    uint64_t greatest = block->width == 64 ? UINT64_MAX : (1ull << block->width) - 1;
    uint64_t from = low <= base ? 0 : (uint64_t)low - block->base;
    uint64_t to = (uint64_t)high - block->base;
    if (high < base || low > high || from > greatest) {
        fill_mask(false, count, mask);
        return;
    }
    if (to > greatest)
        to = greatest;
    if (from == 0 && to == greatest) {
        fill_mask(true, count, mask);
        return;
    }
    union scratch scratch;
    if (!block_interleaved(block->count, block->width) || block->width > 32) {
        uint64_t wide[CHUNK_BLOCK_ROWS];
        read_packed(block, 8, wide);
        kernel->range64(wide, count, block->base + from, to - from, mask);
    } else if (block->width <= 16) {
        kernel->unpack16[block->width](block->payload, scratch.words16);
        kernel->range16(scratch.words16, count, (uint16_t)from, (uint16_t)(to - from), mask);
    } else {
        kernel->unpack32[block->width](block->payload, scratch.low);
        kernel->range32(scratch.low, count, (uint32_t)from, (uint32_t)(to - from), mask);
    }
}

void stream_range(const struct column_packed *stream, uint32_t first, uint32_t count, int64_t low,
                  int64_t high, uint64_t *mask) {
    if (stream->kind == STREAM_CONSTANT) {
        fill_mask(low <= stream->constant && stream->constant <= high, count, mask);
        return;
    }
    if (stream->kind == STREAM_RUNS) {
        range_of_runs(stream, first, count, low, high, mask);
        return;
    }
    bool direct = stream->kind == STREAM_PACKED && first % CHUNK_BLOCK_ROWS == 0;
    for (uint32_t done = 0; done < count; done += CHUNK_BLOCK_ROWS) {
        uint32_t some = count - done < CHUNK_BLOCK_ROWS ? count - done : CHUNK_BLOCK_ROWS;
        uint64_t *words = mask + done / 64;
        if (direct) {
            struct block block = block_at(stream, (first + done) / CHUNK_BLOCK_ROWS);
            block_range(&block, some, low, high, words);
        } else {
            int64_t values[CHUNK_BLOCK_ROWS];
            stream_read(stream, first + done, some, 8, values);
            range_mask(values, some, low, high, words);
        }
    }
}
