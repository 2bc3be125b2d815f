/*
 * Values of unknown length. The bytes go to the file first, where they will lie; the header, which
 * needs length and checksum, comes last. Until then there is no entry at the end of the store, only
 * a torn tail.
 */
#include <string.h>

#include "base/base_memory.h"
#include "drive/stage.h"

_Static_assert(STAGE_SIZE >= STAGE_SLACK, "a chunk has room for an entry's header");

struct pour {
    struct drive *drive;
    const struct drive_view *view;
    const struct drive_source *source;
    uint8_t *chunk;
    uint64_t at; /* where the next bytes go */
    uint64_t size;
    uint32_t checksum; /* of the value alone */
    uint8_t first;
    bool ended; /* the source is not asked again */
};

static enum status write_bytes(const struct pour *pour, const void *bytes, size_t size,
                               uint64_t at) {
    struct slice piece = slice_of(bytes, size);
    return plain_write(pour->view->generation->file, &piece, 1, at);
}

/* What comes, however small the pieces are, up to the next even offset. */
static enum status fill(struct pour *pour, size_t *filled_out) {
    size_t wanted = STAGE_SIZE - (size_t)(pour->at % STAGE_SIZE), filled = 0;
    while (filled < wanted && !pour->ended) {
        size_t size = 0;
        TRY(pour->source->next(pour->source->context, pour->chunk + filled, wanted - filled,
                               &size));
        ASSERT(size <= wanted - filled);
        filled += size;
        pour->ended = size == 0;
    }
    *filled_out = filled;
    return STATUS_OK;
}

static enum status pour_value(struct pour *pour) {
    bool chained = view_geometry(pour->view)->format == 1;
    for (;;) {
        size_t filled;
        TRY(fill(pour, &filled));
        if (filled == 0)
            return STATUS_OK;
        if (pour->size == 0)
            pour->first = pour->chunk[0];
        write__reserve(pour->view->generation, pour->at, pour->at + filled);
        TRY(write_bytes(pour, pour->chunk, filled, pour->at));
        pour->checksum = chained ? crc32_zlib(pour->checksum, pour->chunk, filled)
                                 : crc32c(pour->checksum, pour->chunk, filled);
        pour->at += filled;
        pour->size += filled;
        TRY(write__check_item(view_geometry(pour->view), SLICE_EMPTY, pour->size, false));
    }
}

static enum status finish_chained(struct pour *pour, struct entry *entry, uint64_t hash) {
    if (pour->size == 0)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "a store of format 1 cannot hold an empty value");
    if (pour->size == 1 && pour->first == 0)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "a store of format 1 cannot hold the value of a single zero byte");
    uint8_t trailer[FORMAT_CHAIN_TRAILER_SIZE];
    chain_encode(hash, entry->start, pour->checksum, trailer);
    TRY(write_bytes(pour, trailer, sizeof trailer, pour->at));
    entry->place = entry->end = pour->at + sizeof trailer;
    return STATUS_OK;
}

static enum status finish_plain(struct pour *pour, struct entry *entry) {
    const struct geometry *geometry = view_geometry(pour->view);
    uint64_t value_at = entry_value_offset(geometry, entry->start, entry->key.size, pour->size);
    entry->end = align_up(value_at + pour->size, FORMAT_ENTRY_ROUND);
    entry->place = entry->start;
    entry->value.size = pour->size;
    entry->time_us = clock_wall_us();
    static const uint8_t zeros[FORMAT_ENTRY_ROUND];
    size_t tail = (size_t)(entry->end - value_at - pour->size);
    if (tail > 0)
        TRY(write_bytes(pour, zeros, tail, value_at + pour->size));
    size_t head = FORMAT_ENTRY_HEADER_SIZE + entry->key.size;
    size_t gap = (size_t)(value_at - entry->start) - head;
    uint8_t *bytes = pour->chunk; /* large enough, and the value is written */
    entry_encode(geometry, entry, bytes);
    memset(bytes + head, 0, gap);
    uint32_t checksum = checksum_zeros(entry->header_checksum, gap);
    checksum = crc32c_combine(checksum, pour->checksum, pour->size);
    entry_finish(bytes, checksum_zeros(checksum, tail));
    return write_bytes(pour, bytes, head + gap, entry->start);
}

static enum status find_before(const struct drive_view *view, uint64_t end, uint64_t hash,
                               struct entry *entry) {
    struct located before;
    enum status status = read__find(view, end, hash, entry->key, &before);
    if (status != STATUS_DATA_CORRUPTED)
        TRY(status);
    entry->version = before.place;
    return STATUS_OK;
}

static enum status put_stream(struct drive *drive, struct slice key,
                              const struct drive_source *source, uint8_t *chunk) {
    TRY(write__check(drive));
    TRY(write__room(drive, drive->figures.end, 1));
    struct drive_view *view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    const struct geometry *geometry = view_geometry(view);
    TRY(write__check_item(geometry, key, 1, false));
    struct figures figures = drive->figures;
    uint64_t hash = hash_bytes(key.data, key.size);
    unsigned sealed = geometry->format == 1 ? 0 : write__sealed_flag(drive, &figures);
    struct entry entry = {
        .kind = ENTRY_PUT,
        .flags = ENTRY_ENDS_BATCH | sealed,
        .key = key,
        .start = figures.end,
        .before = figures.last,
    };
    TRY(find_before(view, figures.end, hash, &entry));
    struct pour pour = {.drive = drive, .view = view, .source = source, .chunk = chunk};
    pour.at = geometry->format == 1 ? entry.start
                                    : entry_value_offset(geometry, entry.start, key.size, 1);
    enum status status = pour_value(&pour);
    if (status == STATUS_OK)
        status = geometry->format == 1 ? finish_chained(&pour, &entry, hash)
                                       : finish_plain(&pour, &entry);
    if (status == STATUS_OK && pour.size == 0) /* nothing was written where a value would be */
        status = plain_truncate(view->generation->file, entry.end);
    if (status == STATUS_OK)
        status = write__room(drive, entry.end, 1);
    if (status != STATUS_OK) {
        write__undo(drive, view);
        return status;
    }
    view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    write__index(drive, view, &figures, &entry, hash);
    figures.last = entry.place;
    figures.end = entry.end;
    drive->batches_unsealed = (sealed ? 0 : drive->batches_unsealed) + 1;
    write__publish(drive, view, &figures);
    return STATUS_OK;
}

enum status drive_put_stream(struct drive *drive, struct slice key,
                             const struct drive_source *source, enum drive_durability durability) {
    uint8_t *chunk = memory_alloc(STAGE_SIZE);
    if (chunk == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    thread_mutex_lock(&drive->writer);
    enum status status = put_stream(drive, key, source, chunk);
    thread_mutex_unlock(&drive->writer);
    memory_free(chunk);
    return status == STATUS_OK && durability == DRIVE_SYNC ? drive_sync(drive) : status;
}
