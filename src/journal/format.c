/* Encoding and decoding of journal segments and frames; the layout is in journal_format.h. */
#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "base/base_status.h"
#include "journal/journal_format.h"

static const uint8_t SEGMENT_MAGIC[8] = "SATORIJN";
static const uint8_t FRAME_MAGIC[4] = "SJFR";

static uint32_t header_checksum(const uint8_t *block) {
    static const uint8_t zero[4];
    uint32_t crc = crc32c(0, block, 12);
    crc = crc32c(crc, zero, 4);
    return crc32c(crc, block + 16, JOURNAL_BLOCK_SIZE - 16);
}

static bool all_zero(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

void journal_segment_header_encode(const struct journal_segment_header *header, uint8_t *block) {
    ASSERT(header->sequence > 0 && header->first_number > 0 && header->first_frame > 0);
    memset(block, 0, JOURNAL_BLOCK_SIZE);
    memcpy(block, SEGMENT_MAGIC, sizeof SEGMENT_MAGIC);
    put_le32(block + 8, JOURNAL_FORMAT_VERSION);
    put_le64(block + 16, header->database_id);
    put_le64(block + 24, header->sequence);
    put_le64(block + 32, header->size);
    put_le64(block + 40, header->first_number);
    put_le64(block + 48, header->first_frame);
    put_le64(block + 56, header->previous_hash);
    block[64] = header->continues ? 1 : 0;
    put_le32(block + 12, header_checksum(block));
}

enum journal_header_result journal_segment_header_decode(const uint8_t *block,
                                                         struct journal_segment_header *header_out,
                                                         uint32_t *version_out) {
    if (memcmp(block, SEGMENT_MAGIC, sizeof SEGMENT_MAGIC) != 0)
        return JOURNAL_HEADER_DAMAGED;
    *version_out = get_le32(block + 8);
    /* Every version keeps magic, version and checksum where they are. */
    if (get_le32(block + 12) != header_checksum(block))
        return JOURNAL_HEADER_DAMAGED;
    if (*version_out != JOURNAL_FORMAT_VERSION)
        return JOURNAL_HEADER_VERSION_UNKNOWN;
    *header_out = (struct journal_segment_header){
        .database_id = get_le64(block + 16),
        .sequence = get_le64(block + 24),
        .size = get_le64(block + 32),
        .first_number = get_le64(block + 40),
        .first_frame = get_le64(block + 48),
        .previous_hash = get_le64(block + 56),
        .continues = block[64] == 1,
    };
    if (header_out->sequence == 0 || header_out->first_number == 0 ||
        header_out->first_frame == 0 || block[64] > 1 ||
        header_out->size % JOURNAL_BLOCK_SIZE != 0 ||
        !all_zero(block + 65, JOURNAL_BLOCK_SIZE - 65))
        return JOURNAL_HEADER_DAMAGED;
    return JOURNAL_HEADER_VALID;
}

static uint32_t frame_checksum(const uint8_t *frame, size_t payload_size, uint64_t database_id) {
    uint32_t seed = (uint32_t)hash_u64(database_id);
    return crc32c(seed, frame + 8, JOURNAL_FRAME_HEADER_SIZE - 8 + payload_size);
}

size_t journal_frame_encode(const struct journal_frame_header *header, uint64_t database_id,
                            uint8_t *frame, uint64_t *hash_out) {
    size_t used = JOURNAL_FRAME_HEADER_SIZE + (size_t)header->payload_size;
    size_t size = journal_frame_size(header->payload_size);
    ASSERT(size <= JOURNAL_FRAME_SIZE_MAX);
    ASSERT(header->payload_size > 0);
    memset(frame, 0, JOURNAL_FRAME_HEADER_SIZE);
    memcpy(frame, FRAME_MAGIC, sizeof FRAME_MAGIC);
    put_le64(frame + 8, header->segment);
    put_le64(frame + 16, header->frame);
    put_le64(frame + 24, header->previous_hash);
    put_le64(frame + 32, header->first_number);
    put_le32(frame + 40, header->record_count);
    put_le32(frame + 44, header->payload_size);
    frame[48] = (uint8_t)header->kind;
    frame[49] = (uint8_t)header->fragment_flags;
    memset(frame + used, 0, size - used);
    put_le32(frame + 4, frame_checksum(frame, header->payload_size, database_id));
    *hash_out = hash_bytes(frame, used);
    return size;
}

bool journal_frame_peek(const uint8_t *block, uint64_t segment, size_t *size_out) {
    if (memcmp(block, FRAME_MAGIC, sizeof FRAME_MAGIC) != 0 || get_le64(block + 8) != segment)
        return false;
    uint64_t payload_size = get_le32(block + 44);
    if (payload_size == 0 || payload_size > JOURNAL_FRAME_SIZE_MAX - JOURNAL_FRAME_HEADER_SIZE)
        return false;
    *size_out = journal_frame_size((size_t)payload_size);
    return true;
}

bool journal_frame_decode(const uint8_t *frame, size_t size, uint64_t database_id,
                          struct journal_frame_header *header_out, uint64_t *hash_out) {
    ASSERT(size >= JOURNAL_BLOCK_SIZE);
    uint32_t payload_size = get_le32(frame + 44);
    if (payload_size == 0 || journal_frame_size(payload_size) != size)
        return false;
    if (memcmp(frame, FRAME_MAGIC, sizeof FRAME_MAGIC) != 0 ||
        get_le32(frame + 4) != frame_checksum(frame, payload_size, database_id))
        return false;
    *header_out = (struct journal_frame_header){
        .segment = get_le64(frame + 8),
        .frame = get_le64(frame + 16),
        .previous_hash = get_le64(frame + 24),
        .first_number = get_le64(frame + 32),
        .record_count = get_le32(frame + 40),
        .payload_size = payload_size,
        .kind = (enum journal_frame_kind)frame[48],
        .fragment_flags = frame[49],
    };
    size_t used = JOURNAL_FRAME_HEADER_SIZE + (size_t)payload_size;
    if (!all_zero(frame + 50, JOURNAL_FRAME_HEADER_SIZE - 50) ||
        !all_zero(frame + used, size - used))
        return false;
    bool records =
        frame[48] == JOURNAL_FRAME_RECORDS && frame[49] == 0 && header_out->record_count > 0;
    bool last = (frame[49] & JOURNAL_FRAGMENT_LAST) != 0;
    bool fragment = frame[48] == JOURNAL_FRAME_FRAGMENT && frame[49] <= 3 &&
                    header_out->record_count == (last ? 1u : 0u);
    *hash_out = hash_bytes(frame, used);
    return records || fragment;
}

bool journal_record_next(struct slice *rest, struct slice *record_out) {
    uint64_t size;
    size_t prefix = varint_get(rest->data, rest->size, &size);
    if (prefix == 0 || size > rest->size - prefix)
        return false;
    *record_out = slice_of(rest->data + prefix, (size_t)size);
    rest->data += prefix + size;
    rest->size -= prefix + (size_t)size;
    return true;
}
