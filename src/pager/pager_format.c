#include "pager/pager_format.h"

#include <stdio.h>
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

static const char *const part_names[] = {
    [MANIFEST_FILE] = "manifest",
    [MANIFEST_MAP] = "map",
    [MANIFEST_ROOTS] = "roots",
    [MANIFEST_COMMIT] = "commit",
};

size_t manifest_key_encode(const struct manifest_key *key, char text[MANIFEST_KEY_MAX]) {
    const char *name = part_names[key->part];
    unsigned long long checkpoint = key->checkpoint, index = key->index;
    int size = key->part == MANIFEST_FILE ? snprintf(text, MANIFEST_KEY_MAX, "%s", name)
               : key->part == MANIFEST_COMMIT
                   ? snprintf(text, MANIFEST_KEY_MAX, "%llu/%s", checkpoint, name)
                   : snprintf(text, MANIFEST_KEY_MAX, "%llu/%s/%llu", checkpoint, name, index);
    ASSERT(size > 0 && size < MANIFEST_KEY_MAX);
    return (size_t)size;
}

/* Digits from *at on; they may be none (0). */
static uint64_t take_number(struct slice text, size_t *at) {
    uint64_t number = 0;
    for (; *at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9'; ++*at)
        number = number * 10 + (uint64_t)(text.data[*at] - '0');
    return number;
}

bool manifest_key_decode(struct slice text, struct manifest_key *key_out) {
    char again[MANIFEST_KEY_MAX];
    for (unsigned part = MANIFEST_FILE; part <= MANIFEST_COMMIT; part++) {
        struct manifest_key key = {.part = part};
        size_t name_size = strlen(part_names[part]), at = 0;
        if (part != MANIFEST_FILE) {
            key.checkpoint = take_number(text, &at);
            at++; /* the slash */
        }
        at += name_size + 1;
        if (part != MANIFEST_FILE && part != MANIFEST_COMMIT && at < text.size)
            key.index = take_number(text, &at);
        /* Whatever else is wrong shows when it is written again. */
        if (slice_equal(text, slice_of(again, manifest_key_encode(&key, again)))) {
            *key_out = key;
            return true;
        }
    }
    return false;
}

void manifest_commit_encode(const struct manifest_commit *commit,
                            uint8_t value[MANIFEST_COMMIT_SIZE]) {
    put_le64(value, commit->applied.value);
    put_le64(value + 8, commit->page_id_end);
    put_le64(value + 16, commit->map_count);
    put_le64(value + 24, commit->root_count);
    put_le64(value + 32, commit->full);
}

bool manifest_commit_decode(const uint8_t value[MANIFEST_COMMIT_SIZE],
                            struct manifest_commit *commit_out) {
    *commit_out = (struct manifest_commit){
        .applied = {get_le64(value)},
        .page_id_end = get_le64(value + 8),
        .map_count = get_le64(value + 16),
        .root_count = get_le64(value + 24),
        .full = get_le64(value + 32) == 1,
    };
    return get_le64(value + 32) <= 1;
}
