#include "drive/stage.h"

#include <string.h>

#include "base/base_crc_inline.h"
#include "base/base_memory.h"

enum {
    FLUSH_SIZE = 1 << 20,
    AHEAD_VALUE_MIN = 64 << 10, /* values summed by another thread */
    AHEAD_BATCH_MIN = 2 << 20,  /* less than this in them is not worth the thread's start */
    SPIN = 2000,
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

static bool is_for_another(const struct write_item *item) {
    return item->value.size >= AHEAD_VALUE_MIN;
}

/* ---- summing ahead --------------------------------------------------------------------------- */

/*
 * Reading a large value for its checksum takes from a third to a half of the time that writing it
 * takes, on one thread. So a second thread goes ahead and sums, while this one writes; where the
 * two meet, whoever claims an item first (`next`) sums it. A value that is not summed when its turn
 * has come is written first, its header after it.
 */
struct batch {
    const struct geometry *geometry;
    struct stage *stage;
    const struct write_item *items;
    size_t count;
    size_t end; /* behind the last item that is written */
    int64_t now_us;
    uint64_t before;     /* place of the entry before the next one */
    unsigned flags;      /* of the next one */
    bool ahead;          /* there is another thread, stage->sums is in use */
    _Atomic size_t next; /* the first item that nobody has claimed */
};

static uint32_t sum_value(const struct batch *batch, struct slice value) {
    return batch->geometry->format == 1 ? crc32_zlib(0, value.data, value.size)
                                        : crc32c(0, value.data, value.size);
}

static void sum_ahead(struct batch *batch) {
    for (;;) {
        size_t i = atomic_fetch_add(&batch->next, 1);
        if (i >= batch->count)
            return;
        if (!is_for_another(&batch->items[i]))
            continue;
        struct value_sum *sum = &batch->stage->sums[i];
        sum->sum = sum_value(batch, batch->items[i].value);
        atomic_store_explicit(&sum->done, true, memory_order_release);
    }
}

static bool is_summed(const struct batch *batch, size_t i) {
    return atomic_load_explicit(&batch->stage->sums[i].done, memory_order_acquire);
}

static uint32_t sum_of(struct batch *batch, size_t i) {
    if (!batch->ahead || !is_for_another(&batch->items[i]))
        return sum_value(batch, batch->items[i].value);
    size_t next = atomic_load(&batch->next);
    while (next <= i) {
        if (atomic_compare_exchange_weak(&batch->next, &next, i + 1))
            return sum_value(batch, batch->items[i].value);
    }
    for (unsigned turn = 0; !is_summed(batch, i); turn++) {
        if (turn > SPIN)
            thread_pause();
    }
    return batch->stage->sums[i].sum;
}

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
    if (stage->used >= stage->limit && stage->piece_count == 0)
        TRY(flush_aligned(stage));
    else if (stage->used >= stage->limit || stage->piece_count + 3 > PIECES_MAX ||
             stage->pending >= FLUSH_SIZE)
        TRY(flush(stage));
    ASSERT(STAGE_SIZE + STAGE_SLACK - stage->used >= size);
    *bytes_out = stage->bytes + stage->used;
    stage->used += size;
    stage->pending += size;
    return STATUS_OK;
}

/* Of the last `after` reserved bytes the value comes before. */
static void put_outside(struct stage *stage, struct slice value, size_t after) {
    stage->used -= after;
    close_piece(stage);
    stage->pieces[stage->piece_count++] = value;
    stage->pending += value.size;
    stage->used += after;
}

static enum status stage_chained(struct batch *batch, size_t i) {
    static const uint8_t deletion[1] = {0};
    struct stage *stage = batch->stage;
    const struct write_item *item = &batch->items[i];
    struct slice value = item->is_delete ? slice_of(deletion, 1) : item->value;
    bool outside = is_outside(item);
    uint32_t checksum = outside ? sum_of(batch, i) : crc32_zlib(0, value.data, value.size);
    uint8_t *bytes;
    size_t inside = outside ? 0 : value.size;
    /* The trailer follows the value: reserved together, so that no flush comes in between. */
    TRY(reserve(stage, inside + FORMAT_CHAIN_TRAILER_SIZE, &bytes));
    if (outside)
        put_outside(stage, value, FORMAT_CHAIN_TRAILER_SIZE);
    else
        memcpy(bytes, value.data, inside);
    chain_encode(item->hash, stage->plan[i].start, checksum, bytes + inside);
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

static uint32_t entry_sum(struct batch *batch, size_t i, const struct entry *entry, size_t gap,
                          size_t tail) {
    struct stage *stage = batch->stage;
    struct slice value = entry->value;
    uint32_t checksum = checksum_zeros(entry->header_checksum, gap);
    if (!batch->ahead || !is_for_another(&batch->items[i])) {
        checksum = crc32c(checksum, value.data, value.size);
    } else {
        if (stage->power_size != value.size) {
            stage->power_size = value.size;
            stage->power = crc32c_power(value.size);
        }
        checksum = crc32c_append(checksum, sum_of(batch, i), stage->power);
    }
    return checksum_zeros(checksum, tail);
}

static enum status stage_large(struct batch *batch, size_t i, struct entry *entry, size_t head,
                               size_t gap, size_t tail) {
    struct stage *stage = batch->stage;
    struct slice value = entry->value;
    uint8_t *bytes;
    bool first = batch->ahead && is_for_another(&batch->items[i]) && !is_summed(batch, i);
    if (first) {
        TRY(flush(stage));
        TRY(plain_write(stage->file, &value, 1, stage->plan[i].value_at));
        TRY(reserve(stage, head + gap, &bytes));
        put_head(batch, entry, bytes, head, gap);
        entry_finish(bytes, entry_sum(batch, i, entry, gap, tail));
        TRY(flush(stage));
        begin_buffer(stage, stage->write_at + value.size, 0);
        TRY(reserve(stage, tail, &bytes));
        memset(bytes, 0, tail);
        return STATUS_OK;
    }
    TRY(reserve(stage, head + gap + tail, &bytes));
    put_head(batch, entry, bytes, head, gap);
    put_outside(stage, value, tail);
    memset(bytes + head + gap, 0, tail);
    entry_finish(bytes, entry_sum(batch, i, entry, gap, tail));
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
#pragma GCC unroll 4
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
    size_t used = stage->used;
    for (; i < batch->end && used < stage->limit && is_small(&batch->items[i]); i++) {
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

static enum status stage_or_sum(void *context, unsigned index) {
    struct batch *batch = context;
    if (index != 0) {
        sum_ahead(batch);
        return STATUS_OK;
    }
    enum status status = stage_items(batch);
    atomic_store(&batch->next, batch->count); /* the other one may go home */
    return status;
}

static bool worth_a_thread(const struct write_item *items, size_t count) {
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += is_for_another(&items[i]) ? items[i].value.size : 0;
    return size >= AHEAD_BATCH_MIN && thread_processor_count() > 1;
}

enum status stage__batch(struct drive *drive, const struct geometry *geometry, struct stage *stage,
                         const struct write_item *items, size_t count,
                         const struct figures *figures, int64_t now_us) {
    struct batch batch = {
        .geometry = geometry,
        .stage = stage,
        .items = items,
        .count = count,
        .end = count,
        .now_us = now_us,
        .before = figures->last,
    };
    while (batch.end > 0 && stage->plan[batch.end - 1].dropped)
        batch.end--;
    if (geometry->format != 1)
        batch.flags = write__sealed_flag(drive, figures);
    begin_buffer(stage, figures->end, 0);
    if (!worth_a_thread(items, count) ||
        !memory_grow(&stage->sums, &stage->sum_capacity, count, sizeof *stage->sums))
        return stage_items(&batch);
    for (size_t i = 0; i < count; i++)
        atomic_store_explicit(&stage->sums[i].done, false, memory_order_relaxed);
    batch.ahead = true;
    return thread_run_all(2, stage_or_sum, &batch);
}
