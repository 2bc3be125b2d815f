/* Reading strings that are not in a dictionary: sizes, places, bytes (column_format.h). */
#include "base/base_bytes.h"
#include "column/chunk.h"
#include "column/symbols.h"

enum { DECODE_SLACK = 8 };

/* Where the strings of one block begin, relative to its place. */
struct string_block {
    const uint8_t *bytes;
    uint32_t decoded; /* bytes of all its strings when decoded */
    uint32_t count;
    uint32_t starts[CHUNK_BLOCK_ROWS + 1];
};

enum status strings_open(const struct column_reader *reader) {
    if (reader->section[SECTION_EXTRA].size != (size_t)8 * block_count(reader->rows))
        return chunk_corrupted("places of strings have the wrong size");
    return STATUS_OK;
}

/* The first `count` strings of the block: proves that they lie within the section. */
static enum status load_block(const struct column_reader *reader, uint32_t block, uint32_t count,
                              struct string_block *out) {
    struct slice bytes = reader->section[SECTION_BYTES];
    const uint8_t *place = reader->section[SECTION_EXTRA].data + (size_t)8 * block;
    uint32_t start = get_le32(place);
    uint32_t sizes[CHUNK_BLOCK_ROWS];
    stream_read(&reader->stream, block * CHUNK_BLOCK_ROWS, count, 4, sizes);
    uint64_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        out->starts[i] = (uint32_t)at;
        at += sizes[i];
    }
    if (start > bytes.size || at > bytes.size - start)
        return chunk_corrupted("strings lie outside of their chunk");
    out->starts[count] = (uint32_t)at;
    out->bytes = bytes.data + start;
    out->decoded = get_le32(place + 4);
    out->count = count;
    return STATUS_OK;
}

static enum status open_symbols(struct column_reader *reader) {
    if (reader->symbols != NULL)
        return STATUS_OK;
    struct symbols *symbols = ARENA_NEW(reader->arena, struct symbols);
    TRY(symbols_read(reader->section[SECTION_ENTRIES], symbols));
    reader->symbols = symbols;
    return STATUS_OK;
}

/* Room to decode `encoded` bytes of a block: as much as the block says, if that can be. */
static enum status decode_room(const struct string_block *block, uint64_t encoded,
                               struct arena *arena, uint8_t **out, size_t *capacity_out) {
    uint64_t capacity = encoded * SYMBOL_SIZE_MAX;
    if (capacity > block->decoded)
        capacity = block->decoded;
    *capacity_out = (size_t)capacity;
    *out = arena_alloc_aligned(arena, (size_t)capacity + DECODE_SLACK, 1);
    if (*out == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    return STATUS_OK;
}

/* String `at` of the block through the symbols; moves *room on. */
static enum status decode_string(const struct column_reader *reader,
                                 const struct string_block *block, uint32_t at, uint8_t **room,
                                 size_t *capacity, struct slice *out) {
    struct slice text =
        slice_of(block->bytes + block->starts[at], block->starts[at + 1] - block->starts[at]);
    size_t size = symbols_decode(reader->symbols, text, *room, *capacity);
    if (size > *capacity)
        return chunk_corrupted("strings are longer than their block says");
    *out = slice_of(*room, size);
    *room += size;
    *capacity -= size;
    return STATUS_OK;
}

static enum status decode_block(struct column_reader *reader, const struct string_block *block,
                                uint32_t skip, struct arena *arena, struct string *out) {
    if (reader->encoding != COLUMN_SYMBOLS) {
        for (uint32_t i = skip; i < block->count; i++)
            out[i - skip] =
                string_of(block->bytes + block->starts[i], block->starts[i + 1] - block->starts[i]);
        return STATUS_OK;
    }
    uint8_t *room;
    size_t capacity;
    TRY(open_symbols(reader));
    TRY(decode_room(block, block->starts[block->count] - block->starts[skip], arena, &room,
                    &capacity));
    for (uint32_t i = skip; i < block->count; i++) {
        struct slice text;
        TRY(decode_string(reader, block, i, &room, &capacity, &text));
        out[i - skip] = string_of(text.data, text.size);
    }
    return STATUS_OK;
}

enum status read_strings(struct column_reader *reader, uint32_t first, uint32_t count,
                         struct arena *arena, struct string *out) {
    struct string_block block;
    while (count > 0) {
        uint32_t skip = first % CHUNK_BLOCK_ROWS, some = CHUNK_BLOCK_ROWS - skip;
        some = some < count ? some : count;
        TRY(load_block(reader, first / CHUNK_BLOCK_ROWS, skip + some, &block));
        TRY(decode_block(reader, &block, skip, arena, out));
        out += some;
        first += some;
        count -= some;
    }
    return STATUS_OK;
}

static enum status decode_selected(struct column_reader *reader, const struct string_block *block,
                                   uint32_t base, const uint16_t *selection, uint32_t selected,
                                   struct arena *arena, struct string *out) {
    uint8_t *room = NULL;
    size_t capacity = 0;
    if (reader->encoding == COLUMN_SYMBOLS) {
        uint64_t encoded = 0;
        for (uint32_t i = 0; i < selected; i++) {
            uint32_t at = selection[i] - base;
            encoded += block->starts[at + 1] - block->starts[at];
        }
        TRY(open_symbols(reader));
        TRY(decode_room(block, encoded, arena, &room, &capacity));
    }
    for (uint32_t i = 0; i < selected; i++) {
        uint32_t at = selection[i] - base;
        struct slice text =
            slice_of(block->bytes + block->starts[at], block->starts[at + 1] - block->starts[at]);
        if (reader->encoding == COLUMN_SYMBOLS)
            TRY(decode_string(reader, block, at, &room, &capacity, &text));
        out[selection[i]] = string_of(text.data, text.size);
    }
    return STATUS_OK;
}

enum status read_strings_at(struct column_reader *reader, uint32_t first, uint32_t count,
                            const uint16_t *selection, uint32_t selected, struct arena *arena,
                            struct string *out) {
    struct string_block block;
    for (uint32_t i = 0; i < selected;) {
        /* Those of one block; selection numbers count from `first`, starts from the block. */
        uint32_t number = (first + selection[i]) / CHUNK_BLOCK_ROWS, next = i;
        while (next < selected && (first + selection[next]) / CHUNK_BLOCK_ROWS == number)
            next++;
        uint32_t base = number * CHUNK_BLOCK_ROWS - first; /* modulo 2^32 */
        TRY(load_block(reader, number, selection[next - 1] - base + 1, &block));
        TRY(decode_selected(reader, &block, base, selection + i, next - i, arena, out));
        i = next;
    }
    return STATUS_OK;
}

enum status get_string(struct column_reader *reader, uint32_t row, struct arena *arena,
                       struct slice *out) {
    struct string_block block;
    uint32_t at = row % CHUNK_BLOCK_ROWS;
    TRY(load_block(reader, row / CHUNK_BLOCK_ROWS, at + 1, &block));
    if (reader->encoding != COLUMN_SYMBOLS) {
        *out = slice_of(block.bytes + block.starts[at], block.starts[at + 1] - block.starts[at]);
        return STATUS_OK;
    }
    uint8_t *room;
    size_t capacity;
    TRY(open_symbols(reader));
    TRY(decode_room(&block, block.starts[at + 1] - block.starts[at], arena, &room, &capacity));
    return decode_string(reader, &block, at, &room, &capacity, out);
}
