/* Drafts of strings: as they are, and through a table of symbols. */
#include "base/base_bytes.h"
#include "column/chunk.h"
#include "column/symbols.h"

enum { SAMPLE_STRINGS_MAX = 1024, SAMPLE_BYTES = 24 << 10, PAUSE_TEXTS = 256 };

static enum status out_of_memory(void) {
    return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

static enum status write_sizes(const struct column_input *input, const int64_t *sizes,
                               struct column_draft *draft) {
    struct stream_plan plan;
    stream_plan(sizes, input->rows, &plan);
    return stream_write(sizes, &plan, input->arena, &draft->stream);
}

/* sizes[]: of the encoded strings. */
static enum status write_places(const struct column_input *input, const int64_t *sizes,
                                struct column_draft *draft) {
    uint32_t blocks = block_count(input->rows);
    uint8_t *places = arena_alloc_zeroed(input->arena, (size_t)8 * blocks);
    size_t start = 0, decoded = 0;
    for (uint32_t i = 0; i < input->rows; i++) {
        uint8_t *place = places + (size_t)8 * (i / CHUNK_BLOCK_ROWS);
        if (i % CHUNK_BLOCK_ROWS == 0) {
            put_le32(place, (uint32_t)start);
            decoded = 0;
        }
        start += (size_t)sizes[i];
        decoded += input->strings[i].size;
        put_le32(place + 4, (uint32_t)decoded);
    }
    draft->extra = slice_of(places, (size_t)8 * blocks);
    return STATUS_OK;
}

static enum status finish(const struct column_input *input, const int64_t *sizes,
                          struct slice bytes, struct column_draft *draft) {
    draft->bytes = bytes;
    TRY(write_sizes(input, sizes, draft));
    TRY(write_places(input, sizes, draft));
    draft->size = draft->stream.size + draft->entries.size + draft->bytes.size + draft->extra.size;
    return STATUS_OK;
}

enum status draft_strings(const struct column_input *input, struct column_draft *draft) {
    *draft = (struct column_draft){.encoding = COLUMN_PLAIN};
    int64_t *sizes = arena_alloc(input->arena, input->rows * sizeof *sizes);
    if (sizes == NULL)
        return out_of_memory();
    draft->size = input->string_bytes;
    /* Too much for a chunk: only symbols can save it. */
    bool fits = input->string_bytes <= COLUMN_CHUNK_SIZE_MAX;
    uint8_t *bytes = arena_alloc(input->arena, fits ? input->string_bytes + 1 : 1);
    if (bytes == NULL)
        return out_of_memory();
    size_t at = 0;
    for (uint32_t i = 0; i < input->rows; i++) {
        struct slice value = string_slice(&input->strings[i]);
        sizes[i] = (int64_t)value.size;
        if (fits && value.size > 0)
            memcpy(bytes + at, value.data, value.size);
        at += fits ? value.size : 0;
        TRY(input_pause_at(input, i));
    }
    draft->bytes = slice_of(bytes, at);
    if (!fits) {
        draft->bytes.size = input->string_bytes; /* assemble refuses it */
        return STATUS_OK;
    }
    return finish(input, sizes, draft->bytes, draft);
}

static enum status train(const struct column_input *input, struct symbols *symbols) {
    struct slice sample[SAMPLE_STRINGS_MAX];
    uint32_t count = 0,
             wanted = input->rows < SAMPLE_STRINGS_MAX ? input->rows : SAMPLE_STRINGS_MAX;
    size_t bytes = 0;
    /* Spread over the rows, and stopped early by long strings in no particular order. */
    for (uint32_t i = 0; i < wanted && bytes < SAMPLE_BYTES; i++) {
        uint64_t spread = (uint64_t)i * 619 % wanted;
        uint32_t row = (uint32_t)(spread * input->rows / wanted);
        struct slice value = string_slice(&input->strings[row]);
        if (value.size > SAMPLE_BYTES / 8)
            value.size = SAMPLE_BYTES / 8;
        bytes += value.size;
        sample[count++] = value;
    }
    return symbols_train(sample, count, input->pause, input->arena, symbols);
}

enum status draft_symbols(const struct column_input *input, struct column_draft *draft) {
    *draft = (struct column_draft){.encoding = COLUMN_SYMBOLS};
    /* Packed numerics are no text; little strings do not pay for the table. */
    if (input->physical != PHYSICAL_STRING || input->string_bytes < 4096 ||
        input->string_bytes > (size_t)8 * COLUMN_CHUNK_SIZE_MAX)
        return STATUS_OK;
    struct symbols *symbols = ARENA_NEW(input->arena, struct symbols);
    struct symbol_matcher *matcher = arena_alloc(input->arena, sizeof *matcher);
    int64_t *sizes = arena_alloc(input->arena, input->rows * sizeof *sizes);
    uint8_t *bytes = arena_alloc(input->arena, 2 * input->string_bytes + 1);
    uint8_t *table = arena_alloc(input->arena, 1 + SYMBOLS_MAX * 9);
    if (matcher == NULL || sizes == NULL || bytes == NULL)
        return out_of_memory();
    TRY(train(input, symbols));
    matcher_empty(matcher);
    matcher_init(matcher, symbols);
    matcher_finish(matcher);
    size_t at = 0;
    for (uint32_t i = 0; i < input->rows; i++) {
        size_t size = symbols_encode(matcher, string_slice(&input->strings[i]), bytes + at);
        sizes[i] = (int64_t)size;
        at += size;
        if (i % PAUSE_TEXTS == PAUSE_TEXTS - 1)
            TRY(input_pause(input));
    }
    draft->entries = slice_of(table, symbols_write(symbols, table));
    return finish(input, sizes, slice_of(bytes, at), draft);
}
