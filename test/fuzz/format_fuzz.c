/* Bytes of files that are decoded one structure at a time. First byte: which. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_arena.h"
#include "base/base_bytes.h"
#include "fuzz.h"
#include "journal/journal_format.h"
#include "pager/pager_format.h"
#include "table/block_format.h"
#include "table/table_format.h"
#include "txn/txn_format.h"
#include "value/value_array.h"
#include "value/value_key.h"
#include "value/value_random.h"
#include "value/value_row.h"
#include "value/value_text.h"

static void journal_header(struct slice input) {
    uint8_t block[JOURNAL_BLOCK_SIZE] = {0};
    struct journal_segment_header header;
    uint32_t version;
    memcpy(block, input.data, input.size < sizeof block ? input.size : sizeof block);
    if (journal_segment_header_decode(block, &header, &version) == JOURNAL_HEADER_VALID) {
        uint8_t again[JOURNAL_BLOCK_SIZE];
        journal_segment_header_encode(&header, again);
        fuzz_require(memcmp(block, again, sizeof block) == 0);
    }
}

static void journal_frame(struct slice input) {
    size_t size;
    struct journal_frame_header header;
    uint64_t hash;
    if (input.size < JOURNAL_BLOCK_SIZE || !journal_frame_peek(input.data, 1, &size) ||
        size > input.size)
        return;
    if (journal_frame_decode(input.data, size, 7, &header, &hash))
        fuzz_require(header.payload_size + JOURNAL_FRAME_HEADER_SIZE <= size);
}

static void journal_records(struct slice input) {
    struct slice record;
    while (journal_record_next(&input, &record))
        fuzz_require(record.size <= BUFFER_SIZE_MAX);
}

static void commit_items(struct slice input) {
    struct commit_item item;
    while (input.size > 0 && commit_item_decode(&input, &item) == COMMIT_DECODED) {
        size_t size = commit_item_encode(&item, NULL);
        uint8_t *bytes = malloc(size);
        struct commit_item again;
        struct slice rest = slice_of(bytes, size);
        fuzz_require(commit_item_encode(&item, bytes) == size);
        fuzz_require(commit_item_decode(&rest, &again) == COMMIT_DECODED && rest.size == 0);
        fuzz_require(again.tag == item.tag && slice_equal(again.key, item.key));
        free(bytes);
    }
}

static void identity(struct slice input) {
    uint8_t bytes[STORE_IDENTITY_SIZE] = {0};
    struct store_identity identity;
    memcpy(bytes, input.data, input.size < sizeof bytes ? input.size : sizeof bytes);
    store_identity_decode(bytes, &identity);
}

static void page_image(struct slice input) {
    struct image image;
    struct extent extent;
    if (input.size >= IMAGE_HEADER_SIZE)
        image_decode(input.data, (uint32_t)input.size, &image);
    for (; input.size >= 8; input = slice_of(input.data + 8, input.size - 8))
        if (extent_decode(get_le64(input.data), &extent))
            fuzz_require(extent.units > 0 && extent.size % PAGE_UNIT_SIZE == 0);
}

static void manifest_entry(struct slice input) {
    struct manifest_key key;
    struct manifest_commit commit;
    if (manifest_key_decode(input, &key)) {
        char text[MANIFEST_KEY_MAX];
        size_t size = manifest_key_encode(&key, text);
        fuzz_require(slice_equal(input, slice_of(text, size)));
    }
    if (input.size >= MANIFEST_COMMIT_SIZE)
        manifest_commit_decode(input.data, &commit);
}

static void block_header(struct slice input) {
    struct block_header header;
    struct block_column column;
    struct block_key key;
    uint32_t position;
    block_key_decode(input, &key);
    if (block_header_decode(input, &header) != STATUS_OK)
        return;
    for (unsigned i = 0; i < header.column_count; i++)
        block_column_decode(&header, i, &column);
    block_column_find(&header, 3, &column);
    for (uint32_t place = 0; place < BLOCK_ROWS_MAX; place += 977)
        if (block_position(&header, place, &position))
            fuzz_require(position < header.rows);
}

static void require_text(const struct value *value) {
    struct value_context context = {0};
    struct buffer text = {0};
    if (!value->is_null)
        (void)!text_output(&context, value, &text);
    buffer_release(&text);
}

static void row(struct slice input) {
    struct arena arena = {0};
    struct row_column columns[5] = {{.missing = NULL}};
    struct value values[5];
    struct row_external externals[5];
    struct row_schema schema;
    struct row_stored stored;
    for (int i = 0; i < 5; i++)
        columns[i].type = random_type_at(fuzz_byte(&input) % RANDOM_TYPE_COUNT);
    row_schema_init(&schema, columns, 5, &arena);
    if (row_stored_decode(input, &stored) && row_outside_size(stored.row) == 0) {
        if (row_decode(&schema, stored.row, values, externals) == STATUS_OK)
            for (int i = 0; i < 5; i++)
                if (externals[i].size == 0)
                    require_text(&values[i]);
        struct vector vectors[5];
        const uint16_t wanted[5] = {0, 1, 2, 3, 4};
        struct row_external_list list = {0};
        struct row_decode_options options = {
            .columns = wanted, .column_count = 5, .arena = &arena, .externals = &list};
        for (int i = 0; i < 5; i++)
            vector_init(&vectors[i], columns[i].type, &arena);
        (void)!row_decode_batch(&schema, &stored.row, 1, &options, vectors);
    }
    arena_release(&arena);
}

static void key(struct slice input) {
    struct arena arena = {0};
    struct key_column columns[3] = {{.not_null = false}};
    struct value values[3];
    struct slice rest;
    for (int i = 0; i < 3; i++) {
        uint8_t flags = fuzz_byte(&input);
        columns[i] = (struct key_column){.type = random_type_at((flags & 0x1f) % RANDOM_TYPE_COUNT),
                                         .descending = (flags & 0x20) != 0,
                                         .nulls_first = (flags & 0x40) != 0,
                                         .not_null = (flags & 0x80) != 0};
    }
    if (key_decode(columns, 3, input, &arena, values, &rest) == STATUS_OK)
        for (int i = 0; i < 3; i++)
            require_text(&values[i]);
    arena_release(&arena);
}

static void sequence(struct slice input) {
    struct sequence_state state;
    (void)!sequence_state_decode(input, &state);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static void (*const DECODERS[])(struct slice input) = {
        journal_header, journal_frame,  journal_records, commit_items, identity,
        page_image,     manifest_entry, block_header,    row,          key,
        sequence,
    };
    struct slice input = slice_of(bytes, size);
    uint8_t which = fuzz_byte(&input);
    DECODERS[which % (sizeof DECODERS / sizeof *DECODERS)](input);
    return 0;
}
