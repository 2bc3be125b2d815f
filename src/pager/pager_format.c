#include "pager/pager_format.h"

#include <string.h>

#include "base/base_hash.h"
#include "base/base_status.h"

bool extent_decode(uint64_t bits, struct extent *extent_out) {
    unsigned size_class = (bits >> 2) & 15;
    *extent_out = (struct extent){
        .offset = (bits >> 16) & EXTENT_OFFSET_MAX,
        .units = (bits >> 6) & 1023,
        .check = (uint8_t)(bits >> 56),
    };
    bool by_units = size_class == EXTENT_CLASS_UNITS && extent_out->units <= 256;
    extent_out->size = by_units ? extent_out->units * PAGE_UNIT_SIZE : 4096u << size_class;
    return (bits & 3) == 2 && (size_class <= 8 || by_units) && extent_out->units > 0;
}

uint64_t image_encode(const struct image *image, uint8_t *bytes) {
    memset(bytes, 0, IMAGE_HEADER_SIZE);
    put_le32(bytes + 8, IMAGE_MAGIC);
    bytes[12] = IMAGE_VERSION;
    bytes[13] = image->lifetime;
    bytes[14] = image->encoding;
    put_le64(bytes + 16, image->id.value);
    put_le32(bytes + 24, image->size);
    put_le32(bytes + 28, image->stored_size);
    uint64_t checksum = hash_bytes(bytes + 8, image->stored_size - 8);
    put_le64(bytes, checksum);
    return checksum;
}

static bool all_zero(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

const char *image_decode(const uint8_t *bytes, uint32_t size, struct image *image_out) {
    ASSERT(size >= IMAGE_HEADER_SIZE);
    if (get_le32(bytes + 8) != IMAGE_MAGIC)
        return "no page image there";
    *image_out = (struct image){
        .id = {get_le64(bytes + 16)},
        .size = get_le32(bytes + 24),
        .stored_size = get_le32(bytes + 28),
        .lifetime = bytes[13],
        .encoding = bytes[14],
    };
    if (image_out->stored_size < IMAGE_HEADER_SIZE || image_out->stored_size > size)
        return "impossible size";
    if (get_le64(bytes) != hash_bytes(bytes + 8, image_out->stored_size - 8))
        return "checksum mismatch";
    if (bytes[12] != IMAGE_VERSION)
        return "unknown version of the page image";
    bool lifetime_known =
        image_out->lifetime == IMAGE_DURABLE || image_out->lifetime == IMAGE_TEMPORARY;
    if (!lifetime_known || image_out->encoding != IMAGE_PLAIN ||
        image_out->size != image_out->stored_size || bytes[15] != 0 || !all_zero(bytes + 32, 32))
        return "impossible header";
    return NULL;
}

void manifest_record_encode(const struct manifest_record *record, const uint8_t *payload,
                            uint8_t header[MANIFEST_HEADER_SIZE]) {
    ASSERT(record->payload_size % 8 == 0 && record->payload_size <= MANIFEST_PAYLOAD_MAX);
    memset(header, 0, MANIFEST_HEADER_SIZE);
    put_le32(header + 8, MANIFEST_MAGIC);
    put_le16(header + 12, record->type);
    put_le16(header + 14, record->flags);
    put_le64(header + 16, record->checkpoint);
    put_le32(header + 24, record->payload_size);
    put_le64(header + 32, hash_bytes(payload, record->payload_size));
    put_le64(header, hash_bytes(header + 8, MANIFEST_HEADER_SIZE - 8));
}

bool manifest_record_decode(const uint8_t header[MANIFEST_HEADER_SIZE],
                            struct manifest_record *record_out) {
    *record_out = (struct manifest_record){
        .type = get_le16(header + 12),
        .flags = get_le16(header + 14),
        .checkpoint = get_le64(header + 16),
        .payload_size = get_le32(header + 24),
        .payload_checksum = get_le64(header + 32),
    };
    return get_le32(header + 8) == MANIFEST_MAGIC &&
           get_le64(header) == hash_bytes(header + 8, MANIFEST_HEADER_SIZE - 8) &&
           record_out->payload_size % 8 == 0 && record_out->payload_size <= MANIFEST_PAYLOAD_MAX &&
           record_out->type >= MANIFEST_FILE && record_out->type <= MANIFEST_SEAL &&
           (record_out->flags & ~MANIFEST_FULL) == 0 && get_le32(header + 28) == 0;
}

bool manifest_payload_good(const struct manifest_record *record, const uint8_t *payload) {
    return hash_bytes(payload, record->payload_size) == record->payload_checksum;
}

void manifest_commit_encode(const struct manifest_commit *commit,
                            uint8_t payload[MANIFEST_COMMIT_SIZE]) {
    put_le64(payload, commit->applied.value);
    put_le64(payload + 8, commit->page_id_end);
    put_le64(payload + 16, commit->map_count);
    put_le64(payload + 24, commit->root_count);
}

void manifest_commit_decode(const uint8_t payload[MANIFEST_COMMIT_SIZE],
                            struct manifest_commit *commit_out) {
    *commit_out = (struct manifest_commit){
        .applied = {get_le64(payload)},
        .page_id_end = get_le64(payload + 8),
        .map_count = get_le64(payload + 16),
        .root_count = get_le64(payload + 24),
    };
}
