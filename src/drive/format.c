#include "drive/format.h"

#include <string.h>

static const uint8_t magic[8] = {0x89, 'D', 'R', 'V', '\r', '\n', 0x1A, '\n'};
static const uint8_t zeros[4096];

_Static_assert(sizeof zeros >= 1u << FORMAT_ALIGNMENT_LOG_MAX, "zeros for the widest alignment");

static uint64_t get_le48(const uint8_t *at) {
    return (uint64_t)get_le32(at) | (uint64_t)get_le16(at + 4) << 32;
}

static bool all_zero(const uint8_t *bytes, size_t size) {
    while (size > 0) {
        size_t piece = size < sizeof zeros ? size : sizeof zeros;
        if (memcmp(bytes, zeros, piece) != 0)
            return false;
        bytes += piece;
        size -= piece;
    }
    return true;
}

/* ---- file header ---------------------------------------------------------------------------- */

void header_encode(const struct geometry *geometry, uint8_t bytes[FORMAT_HEADER_SIZE]) {
    memset(bytes, 0, FORMAT_HEADER_SIZE);
    memcpy(bytes, magic, sizeof magic);
    put_le16(bytes + 8, FORMAT_VERSION);
    bytes[10] = (uint8_t)geometry->alignment_log;
    put_le32(bytes + 12, geometry->salt);
    memcpy(bytes + 16, geometry->id, sizeof geometry->id);
    put_le64(bytes + 32, (uint64_t)geometry->created_us);
    put_le64(bytes + 40, geometry->compactions);
    put_le32(bytes + 60, crc32c(0, bytes, 60));
}

enum header_outcome header_decode(const uint8_t *bytes, size_t size,
                                  struct geometry *geometry_out) {
    if (size < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        return HEADER_FOREIGN;
    if (size < FORMAT_HEADER_SIZE || get_le32(bytes + 60) != crc32c(0, bytes, 60))
        return HEADER_DAMAGED;
    if (get_le16(bytes + 8) > FORMAT_VERSION)
        return HEADER_NEWER;
    if (get_le16(bytes + 8) != FORMAT_VERSION || bytes[10] > FORMAT_ALIGNMENT_LOG_MAX ||
        bytes[11] != 0 || !all_zero(bytes + 48, 12))
        return HEADER_DAMAGED;
    *geometry_out = (struct geometry){
        .format = 2,
        .alignment_log = bytes[10],
        .salt = get_le32(bytes + 12),
        .created_us = (int64_t)get_le64(bytes + 32),
        .compactions = get_le64(bytes + 40),
    };
    memcpy(geometry_out->id, bytes + 16, sizeof geometry_out->id);
    return HEADER_GOOD;
}

/* ---- entries of format 2 -------------------------------------------------------------------- */

static uint32_t header_checksum(const struct geometry *geometry, uint64_t start,
                                const uint8_t *bytes, size_t key_size) {
    return crc32c(entry_seed(geometry, start), bytes + 8, FORMAT_ENTRY_HEADER_SIZE - 8 + key_size);
}

static bool decode_plain(const struct geometry *geometry, const uint8_t *base, uint64_t limit,
                         uint64_t place, struct entry *e) {
    if (place < FORMAT_HEADER_SIZE || place % FORMAT_ENTRY_ROUND != 0 || place > limit ||
        limit - place < FORMAT_ENTRY_HEADER_SIZE)
        return false;
    const uint8_t *bytes = base + place;
    size_t key_size = get_le16(bytes + 10);
    uint64_t value_size = get_le48(bytes + 12);
    uint64_t back = get_le48(bytes + 18);
    e->kind = bytes[8];
    e->flags = bytes[9];
    if (e->kind < ENTRY_PUT || e->kind > ENTRY_SEAL || e->flags > 3 || get_le16(bytes + 30) != 0 ||
        back > place || value_size > limit || (e->kind != ENTRY_PUT && value_size != 0))
        return false;
    uint64_t value_at = entry_value_offset(geometry, place, key_size, value_size);
    uint64_t end = align_up(value_at + value_size, FORMAT_ENTRY_ROUND);
    if (end > limit)
        return false;
    e->key = slice_of(bytes + FORMAT_ENTRY_HEADER_SIZE, key_size);
    e->value = slice_of(base + value_at, (size_t)value_size);
    e->place = e->start = place;
    e->end = end;
    e->before = back == 0 ? 0 : place - back;
    e->version = get_le48(bytes + 24);
    e->hash = 0;
    e->time_us = (int64_t)get_le64(bytes + 32);
    e->header_checksum = get_le32(bytes);
    e->checksum = get_le32(bytes + 4);
    return e->version < place;
}

bool entry_header_good(const struct geometry *geometry, const uint8_t *base,
                       const struct entry *entry) {
    return geometry->format == 1 || header_checksum(geometry, entry->start, base + entry->start,
                                                    entry->key.size) == entry->header_checksum;
}

uint32_t checksum_zeros(uint32_t checksum, uint64_t count) {
    DEBUG_ASSERT(count <= sizeof zeros);
    return count == 0 ? checksum : crc32c(checksum, zeros, (size_t)count);
}

void entry_encode(const struct geometry *geometry, struct entry *entry, uint8_t *bytes) {
    uint64_t words[FORMAT_HEADER_WORDS];
    entry_header_words(entry, words);
    for (size_t i = 0; i < FORMAT_HEADER_WORDS; i++)
        put_le64(bytes + 8 + 8 * i, words[i]);
    if (entry->key.size > 0)
        memcpy(bytes + FORMAT_ENTRY_HEADER_SIZE, entry->key.data, entry->key.size);
    entry->header_checksum = header_checksum(geometry, entry->start, bytes, entry->key.size);
    put_le32(bytes, entry->header_checksum);
}

void entry_finish(uint8_t *bytes, uint32_t checksum) {
    put_le32(bytes + 4, checksum);
}

/* ---- entries of format 1 -------------------------------------------------------------------- */

void chain_encode(uint64_t hash, uint64_t start, uint32_t checksum, uint8_t *bytes) {
    put_le64(bytes, hash);
    put_le64(bytes + 8, start);
    put_le32(bytes + 16, checksum);
}

static bool decode_chained(const uint8_t *base, uint64_t limit, uint64_t place, struct entry *e) {
    if (place > limit || place <= FORMAT_CHAIN_TRAILER_SIZE)
        return false;
    uint64_t value_end = place - FORMAT_CHAIN_TRAILER_SIZE;
    const uint8_t *bytes = base + value_end;
    uint64_t start = get_le64(bytes + 8);
    if (start >= value_end || (start > 0 && start <= FORMAT_CHAIN_TRAILER_SIZE))
        return false;
    e->key = SLICE_EMPTY;
    e->value = slice_of(base + start, (size_t)(value_end - start));
    e->kind = e->value.size == 1 && e->value.data[0] == 0 ? ENTRY_DELETE : ENTRY_PUT;
    e->flags = ENTRY_ENDS_BATCH;
    e->place = e->end = place;
    e->start = e->before = start;
    e->version = 0;
    e->hash = get_le64(bytes);
    e->time_us = 0;
    e->header_checksum = 0;
    e->checksum = get_le32(bytes + 16);
    return true;
}

/* ---- both ----------------------------------------------------------------------------------- */

bool entry_decode(const struct geometry *geometry, const uint8_t *base, uint64_t limit,
                  uint64_t place, struct entry *entry_out) {
    return geometry->format == 1 ? decode_chained(base, limit, place, entry_out)
                                 : decode_plain(geometry, base, limit, place, entry_out);
}

bool entry_good(const struct geometry *geometry, const uint8_t *base, const struct entry *entry) {
    return entry_good_in_pieces(geometry, base, entry, UINT64_MAX, NULL, NULL);
}

bool entry_good_in_pieces(const struct geometry *geometry, const uint8_t *base,
                          const struct entry *entry, uint64_t piece,
                          void (*seen)(void *context, uint64_t offset, uint64_t size),
                          void *context) {
    bool chained = geometry->format == 1;
    uint64_t at = entry->start, end = entry->end;
    uint32_t checksum = 0;
    if (chained) {
        end -= FORMAT_CHAIN_TRAILER_SIZE;
    } else {
        checksum = header_checksum(geometry, entry->start, base + entry->start, entry->key.size);
        if (checksum != entry->header_checksum)
            return false;
        at += FORMAT_ENTRY_HEADER_SIZE + entry->key.size;
    }
    while (at < end) {
        size_t size = (size_t)(end - at < piece ? end - at : piece);
        checksum =
            chained ? crc32_zlib(checksum, base + at, size) : crc32c(checksum, base + at, size);
        if (seen != NULL)
            seen(context, at, size);
        at += size;
    }
    return checksum == entry->checksum;
}
