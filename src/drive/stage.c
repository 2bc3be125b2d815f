#include "drive/stage.h"

#include <string.h>

#include "base/base_crc_inline.h"
#include "base/base_memory.h"
#include "base/base_unroll.h"

enum {
    /* Entries whose bytes are summed while they are copied. */
    SMALL_KEY_MAX = 64,
    SMALL_VALUE_MAX = 128,
    SMALL_ALIGNMENT_LOG_MAX = 6,
};

static bool is_outside(const struct write_item *item) {
    return item->value.size > STAGED_VALUE_MAX;
}

static bool is_small(const struct write_item *item) {
    return item->key.size <= SMALL_KEY_MAX && item->value.size <= SMALL_VALUE_MAX;
}

struct batch {
    const struct geometry *geometry;
    struct stage *stage;
    const struct write_item *items;
    size_t end; /* behind the last item that is written */
    int64_t now_us;
    uint64_t before; /* place of the entry before the next one */
    unsigned flags;  /* of the next one */
};

/* ---- bytes ----------------------------------------------------------------------------------- */

static void close_piece(struct stage *stage) {
    if (stage->used > stage->staged_from)
        stage->pieces[stage->piece_count++] =
            slice_of(stage->bytes + stage->staged_from, stage->used - stage->staged_from);
    stage->staged_from = stage->used;
}

static void begin_buffer(struct stage *stage, uint64_t write_at, size_t used) {
    stage->write_at = write_at;
    stage->used = stage->pending = used;
    stage->staged_from = stage->piece_count = 0;
    stage->limit = STAGE_SIZE - (size_t)(write_at % STAGE_SIZE);
}

static enum status flush(struct stage *stage) {
    close_piece(stage);
    uint64_t size = stage->pending;
    if (size > 0)
        TRY(plain_write(stage->file, stage->pieces, stage->piece_count, stage->write_at));
    begin_buffer(stage, stage->write_at + size, 0);
    return STATUS_OK;
}

/* Write what is in the buffer up to the limit. */
static enum status flush_aligned(struct stage *stage) {
    size_t rest = stage->used - stage->limit;
    struct slice piece = slice_of(stage->bytes, stage->limit);
    TRY(plain_write(stage->file, &piece, 1, stage->write_at));
    memmove(stage->bytes, stage->bytes + stage->limit, rest);
    begin_buffer(stage, stage->write_at + stage->limit, rest);
    return STATUS_OK;
}

/* Room for `size` bytes in the buffer and two more pieces. */
static enum status reserve(struct stage *stage, size_t size, uint8_t **bytes_out) {
    if (stage->pending >= stage->limit && stage->piece_count == 0)
        TRY(flush_aligned(stage));
    else if (stage->pending >= stage->limit || stage->piece_count + 3 > PIECES_MAX)
        TRY(flush(stage));
    ASSERT(STAGE_SIZE + STAGE_SLACK - stage->used >= size);
    *bytes_out = stage->bytes + stage->used;
    stage->used += size;
    stage->pending += size;
    return STATUS_OK;
}

static uint32_t sum_on(const struct batch *batch, uint32_t checksum, struct slice bytes) {
    return batch->geometry->format == 1 ? crc32_zlib(checksum, bytes.data, bytes.size)
                                        : crc32c(checksum, bytes.data, bytes.size);
}

/*
 * A value from where the caller has it; *checksum is carried on. Each time the limit is reached,
 * what is pending is written and the part of the value in it then summed, while the second level
 * cache still has it: reading a large value from memory twice, once to sum and once to write it,
 * takes a sixth longer than writing does (1 MiB: plain file 326 us, summed first 375, so 335). What
 * was reserved before is then in the file as it was, and must be written again with the checksum;
 * its bytes stay where they are in the buffer.
 */
static enum status put_outside(struct batch *batch, const struct write_item *item,
                               uint32_t *checksum, bool *flushed_out) {
    struct stage *stage = batch->stage;
    struct slice value = item->value;
    *flushed_out = false;
    while (value.size > 0) {
        if (stage->pending >= stage->limit) {
            TRY(flush(stage));
            *flushed_out = true;
        }
        size_t room = (size_t)(stage->limit - stage->pending);
        struct slice part = slice_of(value.data, value.size < room ? value.size : room);
        close_piece(stage);
        stage->pieces[stage->piece_count++] = part;
        stage->pending += part.size;
        if (part.size == room) {
            TRY(flush(stage));
            *flushed_out = true;
        }
        *checksum = sum_on(batch, *checksum, part);
        if (item->passing && stage->pending == 0)
            plain_advise(NULL, (uintptr_t)part.data, part.size, PLAIN_DROP);
        value = slice_of(value.data + part.size, value.size - part.size);
    }
    return STATUS_OK;
}

static enum status stage_chained(struct batch *batch, size_t i) {
    static const uint8_t deletion[1] = {0};
    const struct write_item *item = &batch->items[i];
    struct slice value = item->is_delete ? slice_of(deletion, 1) : item->value;
    uint32_t checksum = 0;
    uint8_t *bytes;
    if (is_outside(item)) {
        bool flushed;
        TRY(put_outside(batch, item, &checksum, &flushed));
    } else {
        TRY(reserve(batch->stage, value.size, &bytes));
        memcpy(bytes, value.data, value.size);
        checksum = sum_on(batch, 0, value);
    }
    TRY(reserve(batch->stage, FORMAT_CHAIN_TRAILER_SIZE, &bytes));
    chain_encode(item->hash, batch->stage->plan[i].start, checksum, bytes);
    return STATUS_OK;
}

/* Header, key and zeros up to the value. */
static void put_head(const struct batch *batch, struct entry *entry, uint8_t *bytes, size_t head,
                     size_t gap) {
    entry_encode(batch->geometry, entry, bytes);
    for (size_t at = head; at < head + gap; at += 8)
        put_le64(bytes + at, 0);
}

static enum status stage_small(struct batch *batch, struct entry *entry, size_t head, size_t gap,
                               size_t tail) {
    struct slice value = entry->value;
    size_t size = head + gap + value.size + tail;
    uint8_t *bytes;
    TRY(reserve(batch->stage, size, &bytes));
    put_le64(bytes + size - 8, 0); /* the tail; what is not one is written over */
    put_head(batch, entry, bytes, head, gap);
    uint32_t checksum = checksum_zeros(entry->header_checksum, gap);
    if (value.size > 0)
        checksum = crc32c_copy(checksum, bytes + head + gap, value.data, value.size);
    entry_finish(bytes, checksum_zeros(checksum, tail));
    return STATUS_OK;
}

/* Until its value is summed the header is zeros. */
static enum status stage_large(struct batch *batch, size_t i, struct entry *entry, size_t head,
                               size_t gap, size_t tail) {
    struct stage *stage = batch->stage;
    uint8_t *bytes, *end;
    bool flushed;
    TRY(reserve(stage, head + gap, &bytes));
    put_head(batch, entry, bytes, head, gap);
    uint32_t checksum = checksum_zeros(entry->header_checksum, gap);
    memset(bytes, 0, head);
    TRY(put_outside(batch, &batch->items[i], &checksum, &flushed));
    put_head(batch, entry, bytes, head, gap);
    entry_finish(bytes, checksum_zeros(checksum, tail));
    if (flushed) {
        struct slice piece = slice_of(bytes, head);
        TRY(plain_write(stage->file, &piece, 1, entry->start));
    }
    TRY(reserve(stage, tail, &end));
    memset(end, 0, tail);
    return STATUS_OK;
}

/* The header of the next entry, which is of item `i`; its checksums are not known yet. */
static inline void next_entry(struct batch *batch, size_t i, struct entry *entry) {
    const struct write_item *item = &batch->items[i];
    const struct planned *planned = &batch->stage->plan[i];
    entry->kind = item->is_delete ? ENTRY_DELETE : ENTRY_PUT;
    entry->flags = batch->flags | (i + 1 == batch->end ? ENTRY_ENDS_BATCH : 0u);
    entry->key = item->key;
    entry->value = item->value;
    entry->start = planned->start;
    entry->before = batch->before;
    entry->version = planned->version;
    entry->time_us = item->time_us != 0 ? item->time_us : batch->now_us;
    batch->before = planned->start;
    batch->flags = 0;
}

static enum status stage_plain(struct batch *batch, size_t i) {
    const struct planned *planned = &batch->stage->plan[i];
    struct entry entry = {0};
    next_entry(batch, i, &entry);
    size_t head = FORMAT_ENTRY_HEADER_SIZE + entry.key.size;
    size_t gap = (size_t)(planned->value_at - planned->start) - head;
    size_t tail = (size_t)(planned->end - planned->value_at) - entry.value.size;
    return is_outside(&batch->items[i]) ? stage_large(batch, i, &entry, head, gap, tail)
                                        : stage_small(batch, &entry, head, gap, tail);
}

/* ---- runs of small entries ------------------------------------------------------------------- */

/* All of an entry in one go. Zeros are stored in words and first, where they reach too far. */
CRC_WORDS static inline void put_small(const struct geometry *geometry, const struct entry *entry,
                                       const struct planned *planned, uint8_t *bytes) {
    size_t head = FORMAT_ENTRY_HEADER_SIZE + entry->key.size;
    size_t value_at = (size_t)(planned->value_at - planned->start);
    size_t size = (size_t)(planned->end - planned->start);
    uint64_t words[FORMAT_HEADER_WORDS];
    put_le64(bytes + size - 8, 0);
    entry_header_words(entry, words);
    uint64_t state = crc_begin(entry_seed(geometry, entry->start));
    UNROLL(4)
    for (size_t i = 0; i < FORMAT_HEADER_WORDS; i++) {
        put_le64(bytes + 8 + 8 * i, words[i]);
        state = crc_word(state, words[i]);
    }
    state = crc_copy(state, bytes + FORMAT_ENTRY_HEADER_SIZE, entry->key.data, entry->key.size);
    uint32_t header_checksum = crc_end(state);
    for (size_t at = head; at < value_at; at += 8)
        put_le64(bytes + at, 0);
    state = crc_zeros(state, value_at - head);
    state = crc_copy(state, bytes + value_at, entry->value.data, entry->value.size);
    state = crc_zeros(state, size - value_at - entry->value.size);
    put_le64(bytes, header_checksum | (uint64_t)crc_end(state) << 32);
}

/* From item `i` on as long as entries are small and there is room; where it stopped. */
CRC_WORDS static size_t stage_run(struct batch *batch, size_t i) {
    struct stage *stage = batch->stage;
    struct entry entry = {0};
    size_t used = stage->used, end = used + stage->limit - (size_t)stage->pending;
    for (; i < batch->end && used < end && is_small(&batch->items[i]); i++) {
        const struct planned *planned = &stage->plan[i];
        if (planned->dropped)
            continue;
        next_entry(batch, i, &entry);
        put_small(batch->geometry, &entry, planned, stage->bytes + used);
        used += (size_t)(planned->end - planned->start);
    }
    stage->pending += used - stage->used;
    stage->used = used;
    return i;
}

static enum status stage_items(struct batch *batch) {
    bool chained = batch->geometry->format == 1;
    bool runs =
        !chained && crc32c_has_words() && batch->geometry->alignment_log <= SMALL_ALIGNMENT_LOG_MAX;
    for (size_t i = 0; i < batch->end; i++) {
        if (runs && (i = stage_run(batch, i)) == batch->end)
            break;
        if (!batch->stage->plan[i].dropped)
            TRY(chained ? stage_chained(batch, i) : stage_plain(batch, i));
    }
    return flush(batch->stage);
}

/* ---- the batch ------------------------------------------------------------------------------- */

enum status stage__batch(struct drive *drive, const struct geometry *geometry, struct stage *stage,
                         const struct write_item *items, size_t count,
                         const struct figures *figures, int64_t now_us) {
    struct batch batch = {
        .geometry = geometry,
        .stage = stage,
        .items = items,
        .end = count,
        .now_us = now_us,
        .before = figures->last,
    };
    while (batch.end > 0 && stage->plan[batch.end - 1].dropped)
        batch.end--;
    if (geometry->format != 1)
        batch.flags = write__sealed_flag(drive, figures);
    begin_buffer(stage, figures->end, 0);
    return stage_items(&batch);
}
