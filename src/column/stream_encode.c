/*
 * Writing streams. All sizes are known exactly after one pass over the values, so there is no
 * sample: the smallest kind wins, but one that is slower to read must save a quarter.
 */
#include <string.h>

#include "column/kernel.h"
#include "column/stream.h"

enum { SLOWER_WINS_PERCENT = 75 };

static uint32_t block_count(uint32_t count) {
    return (count + CHUNK_BLOCK_ROWS - 1) / CHUNK_BLOCK_ROWS;
}

static size_t align8(size_t size) {
    return (size + 7) & ~(size_t)7;
}

/* Least and greatest difference of neighbours; false when one does not fit 64 bits. */
static bool step_bounds(const int64_t *values, uint32_t count, int64_t *min, int64_t *max) {
    *min = INT64_MAX;
    *max = INT64_MIN;
    bool overflow = false;
    for (uint32_t i = 1; i < count; i++) {
        int64_t step;
        overflow |= __builtin_sub_overflow(values[i], values[i - 1], &step);
        *min = step < *min ? step : *min;
        *max = step > *max ? step : *max;
    }
    if (count < 2)
        *min = *max = 0;
    return !overflow;
}

static uint32_t count_runs(const int64_t *values, uint32_t count) {
    uint32_t runs = 1;
    for (uint32_t i = 1; i < count; i++)
        runs += values[i] != values[i - 1];
    return runs;
}

static size_t packed_size(const int64_t *values, uint32_t count) {
    size_t size = STREAM_HEADER_SIZE + block_count(count) * (size_t)STREAM_BLOCK_SIZE;
    for (uint32_t first = 0; first < count; first += CHUNK_BLOCK_ROWS) {
        uint32_t some = count - first < CHUNK_BLOCK_ROWS ? count - first : CHUNK_BLOCK_ROWS;
        int64_t min, max;
        kernels()->bounds64(values + first, some, &min, &max);
        size += block_payload(some, bits_needed((uint64_t)max - (uint64_t)min));
    }
    return align8(size);
}

static size_t delta_size(const int64_t *values, uint32_t count) {
    size_t size = STREAM_HEADER_SIZE + block_count(count) * (size_t)STREAM_DELTA_BLOCK_SIZE;
    for (uint32_t first = 0; first < count; first += CHUNK_BLOCK_ROWS) {
        uint32_t some = count - first < CHUNK_BLOCK_ROWS ? count - first : CHUNK_BLOCK_ROWS;
        int64_t min, max;
        if (!step_bounds(values + first, some, &min, &max))
            return SIZE_MAX / 128;
        size += block_payload(some, bits_needed((uint64_t)max - (uint64_t)min));
    }
    return align8(size);
}

static size_t run_header_size(uint32_t count, uint32_t runs) {
    uint32_t zones = (count + COLUMN_ZONE_ROWS - 1) / COLUMN_ZONE_ROWS;
    return align8(STREAM_HEADER_SIZE + 8 + 4 * (size_t)zones + 2 * (size_t)runs);
}

/* The values of the runs, `runs` of them, and where each ends. */
static void find_runs(const int64_t *values, uint32_t count, int64_t *run_values, uint8_t *ends) {
    uint32_t run = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 < count && values[i + 1] == values[i])
            continue;
        run_values[run] = values[i];
        if (ends != NULL)
            put_le16(ends + (size_t)2 * run, (uint16_t)i);
        run++;
    }
}

void stream_plan(const int64_t *values, uint32_t count, struct stream_plan *plan) {
    ASSERT(count > 0 && count <= COLUMN_ROWS_MAX);
    *plan = (struct stream_plan){.kind = STREAM_PACKED, .count = count};
    plan->run_count = count_runs(values, count);
    if (plan->run_count == 1) {
        plan->kind = STREAM_CONSTANT;
        plan->size = STREAM_CONSTANT_SIZE;
        return;
    }
    plan->size = packed_size(values, count);
    size_t delta = delta_size(values, count);
    if (delta * 100 < plan->size * SLOWER_WINS_PERCENT) {
        plan->kind = STREAM_DELTA;
        plan->size = delta;
    }
    /* At best: a run costs its end and a byte of its value. The exact size comes with writing. */
    if (plan->run_count < count / 4 &&
        (run_header_size(count, plan->run_count) + plan->run_count) * 100 <
            plan->size * SLOWER_WINS_PERCENT) {
        int64_t min, max;
        kernels()->bounds64(values, count, &min, &max);
        size_t size = run_header_size(count, plan->run_count) + STREAM_HEADER_SIZE +
                      block_count(plan->run_count) * (size_t)STREAM_BLOCK_SIZE +
                      (size_t)plan->run_count * bits_needed((uint64_t)max - (uint64_t)min) / 8;
        if (size * 100 < plan->size * SLOWER_WINS_PERCENT) {
            plan->kind = STREAM_RUNS;
            plan->size = size;
        }
    }
}

/* ---- blocks -------------------------------------------------------------------------------- */

static void write_payload(const uint64_t *numbers, uint32_t count, unsigned width, uint8_t *out) {
    if (width == 0)
        return;
    if (!block_interleaved(count, width)) {
        unsigned size = flat_size(width);
        for (uint32_t i = 0; i < count; i++)
            memcpy(out + (size_t)i * size, &numbers[i], size);
        return;
    }
    uint16_t narrow[CHUNK_BLOCK_ROWS] = {0};
    uint32_t wide[CHUNK_BLOCK_ROWS] = {0};
    unsigned shift = 0;
    if (width > 32) {
        for (uint32_t i = 0; i < count; i++)
            wide[i] = (uint32_t)numbers[i];
        memcpy(out, wide, sizeof wide);
        out += sizeof wide;
        shift = 32;
        width -= 32;
    }
    for (uint32_t i = 0; i < count; i++) {
        wide[i] = (uint32_t)(numbers[i] >> shift);
        narrow[i] = (uint16_t)wide[i];
    }
    if (width <= 16)
        kernels()->pack16(narrow, width, out);
    else
        kernels()->pack32(wide, width, out);
}

/* Returns the end of what was written. */
static uint8_t *write_block(const int64_t *values, uint32_t count, bool delta, uint8_t *entry,
                            uint8_t *out, uint32_t offset) {
    uint64_t numbers[CHUNK_BLOCK_ROWS];
    int64_t min, max;
    numbers[0] = 0;
    if (delta) {
        step_bounds(values, count, &min, &max);
        for (uint32_t i = 1; i < count; i++)
            numbers[i] = (uint64_t)values[i] - (uint64_t)values[i - 1] - (uint64_t)min;
        put_le64(entry, (uint64_t)values[0]);
        put_le64(entry + 8, (uint64_t)min);
        entry += 16;
    } else {
        kernels()->bounds64(values, count, &min, &max);
        for (uint32_t i = 0; i < count; i++)
            numbers[i] = (uint64_t)values[i] - (uint64_t)min;
        put_le64(entry, (uint64_t)min);
        entry += 8;
    }
    unsigned width = bits_needed((uint64_t)max - (uint64_t)min);
    put_le32(entry, offset);
    entry[4] = (uint8_t)width;
    write_payload(numbers, count, width, out);
    return out + block_payload(count, width);
}

static size_t write_blocks(const int64_t *values, uint32_t count, enum stream_kind kind,
                           uint8_t *bytes) {
    size_t entry_size = kind == STREAM_DELTA ? STREAM_DELTA_BLOCK_SIZE : STREAM_BLOCK_SIZE;
    uint8_t *entry = bytes + STREAM_HEADER_SIZE;
    uint8_t *out = entry + block_count(count) * entry_size;
    for (uint32_t first = 0; first < count; first += CHUNK_BLOCK_ROWS) {
        uint32_t some = count - first < CHUNK_BLOCK_ROWS ? count - first : CHUNK_BLOCK_ROWS;
        out = write_block(values + first, some, kind == STREAM_DELTA, entry, out,
                          (uint32_t)(out - bytes));
        entry += entry_size;
    }
    return align8((size_t)(out - bytes));
}

static void write_header(uint8_t *bytes, enum stream_kind kind, uint32_t count) {
    bytes[0] = (uint8_t)kind;
    put_le32(bytes + 4, count);
}

static void write_run_table(const int64_t *values, uint32_t count, uint32_t offset,
                            uint32_t run_count, uint8_t *bytes) {
    uint8_t *firsts = bytes + STREAM_HEADER_SIZE + 8;
    put_le32(bytes + 8, run_count);
    put_le32(bytes + 12, offset);
    uint32_t run = 0;
    for (uint32_t i = 0; i < count; i++) {
        run += i > 0 && values[i] != values[i - 1];
        if (i % COLUMN_ZONE_ROWS == 0)
            put_le32(firsts + (size_t)4 * (i / COLUMN_ZONE_ROWS), run);
    }
}

enum status stream_write(const int64_t *values, const struct stream_plan *plan, struct arena *arena,
                         struct slice *out) {
    size_t size = plan->size;
    int64_t *numbers = NULL;
    size_t header = run_header_size(plan->count, plan->run_count);
    uint32_t zones = (plan->count + COLUMN_ZONE_ROWS - 1) / COLUMN_ZONE_ROWS;
    if (plan->kind == STREAM_RUNS) {
        numbers = arena_alloc(arena, plan->run_count * sizeof *numbers);
        if (numbers == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        find_runs(values, plan->count, numbers, NULL);
        size = header + packed_size(numbers, plan->run_count);
    }
    uint8_t *bytes = arena_alloc(arena, size);
    if (bytes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memset(bytes, 0, size);
    write_header(bytes, plan->kind, plan->count);
    if (plan->kind == STREAM_CONSTANT) {
        put_le64(bytes + STREAM_HEADER_SIZE, (uint64_t)values[0]);
    } else if (plan->kind == STREAM_RUNS) {
        write_run_table(values, plan->count, (uint32_t)header, plan->run_count, bytes);
        find_runs(values, plan->count, numbers, bytes + STREAM_HEADER_SIZE + 8 + (size_t)4 * zones);
        write_header(bytes + header, STREAM_PACKED, plan->run_count);
        write_blocks(numbers, plan->run_count, STREAM_PACKED, bytes + header);
    } else {
        size_t written = write_blocks(values, plan->count, plan->kind, bytes);
        ASSERT(written == size);
    }
    *out = slice_of(bytes, size);
    return STATUS_OK;
}
