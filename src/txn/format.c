/* Identity and commit record; the layout is in txn_format.h. */
#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "txn/txn_format.h"

static const uint8_t IDENTITY_MAGIC[8] = "SATORIDB";

static uint32_t identity_checksum(const uint8_t *bytes) {
    static const uint8_t zero[4];
    uint32_t crc = crc32c(0, bytes, 12);
    crc = crc32c(crc, zero, 4);
    return crc32c(crc, bytes + 16, STORE_IDENTITY_SIZE - 16);
}

void store_identity_encode(const struct store_identity *identity, uint8_t *bytes) {
    ASSERT(identity->database_id != 0 && identity->partition_count > 0);
    memset(bytes, 0, STORE_IDENTITY_SIZE);
    memcpy(bytes, IDENTITY_MAGIC, sizeof IDENTITY_MAGIC);
    put_le32(bytes + 8, identity->version);
    put_le64(bytes + 16, identity->database_id);
    put_le32(bytes + 24, identity->partition_count);
    put_le32(bytes + 12, identity_checksum(bytes));
}

bool store_identity_decode(const uint8_t *bytes, struct store_identity *identity_out) {
    *identity_out = (struct store_identity){.version = get_le32(bytes + 8)};
    if (memcmp(bytes, IDENTITY_MAGIC, sizeof IDENTITY_MAGIC) != 0 ||
        get_le32(bytes + 12) != identity_checksum(bytes))
        return false;
    if (identity_out->version != STORE_FORMAT_VERSION)
        return identity_out->version != 0; /* the caller says that it cannot read that one */
    identity_out->database_id = get_le64(bytes + 16);
    identity_out->partition_count = get_le32(bytes + 24);
    for (size_t i = 28; i < STORE_IDENTITY_SIZE; i++)
        if (bytes[i] != 0)
            return false;
    return identity_out->database_id != 0 && identity_out->partition_count > 0;
}

static const char STOP_MAGIC[8] = {'S', 'A', 'T', 'O', 'R', 'I', 'S', 'T'};

static uint32_t stop_mark_checksum(const uint8_t *bytes) {
    uint8_t copy[STOP_MARK_SIZE];
    memcpy(copy, bytes, sizeof copy);
    put_le32(copy + 12, 0);
    return crc32c(0, copy, sizeof copy);
}

void stop_mark_encode(const struct stop_mark *mark, uint8_t *bytes) {
    memset(bytes, 0, STOP_MARK_SIZE);
    memcpy(bytes, STOP_MAGIC, sizeof STOP_MAGIC);
    put_le32(bytes + 8, STOP_MARK_VERSION);
    put_le64(bytes + 16, mark->database_id);
    put_le64(bytes + 24, mark->last.value);
    put_le32(bytes + 12, stop_mark_checksum(bytes));
}

bool stop_mark_decode(const uint8_t *bytes, struct stop_mark *mark_out) {
    if (memcmp(bytes, STOP_MAGIC, sizeof STOP_MAGIC) != 0 ||
        get_le32(bytes + 12) != stop_mark_checksum(bytes) ||
        get_le32(bytes + 8) != STOP_MARK_VERSION)
        return false;
    *mark_out = (struct stop_mark){get_le64(bytes + 16), {get_le64(bytes + 24)}};
    return true;
}

static size_t bytes_encode(struct slice bytes, uint8_t *at) {
    size_t prefix = varint_size(bytes.size);
    if (at != NULL) {
        varint_put(at, bytes.size);
        if (bytes.size > 0)
            memcpy(at + prefix, bytes.data, bytes.size);
    }
    return prefix + bytes.size;
}

size_t commit_item_encode(const struct commit_item *item, uint8_t *at) {
    size_t size = 1;
    if (at != NULL)
        at[0] = (uint8_t)item->tag;
    switch (item->tag) {
    case COMMIT_PARTITION:
    case COMMIT_TREE:
    case COMMIT_DROP:
        if (at != NULL)
            varint_put(at + 1, item->number);
        return size + varint_size(item->number);
    case COMMIT_PUT:
    case COMMIT_PUT_LARGE:
        size += bytes_encode(item->key, at != NULL ? at + size : NULL);
        size += bytes_encode(item->value, at != NULL ? at + size : NULL);
        break;
    case COMMIT_DELETE:
        size += bytes_encode(item->key, at != NULL ? at + size : NULL);
        break;
    }
    ASSERT(size <=
           (item->tag == COMMIT_PUT_LARGE ? COMMIT_ITEM_SIZE_MAX : COMMIT_SMALL_ITEM_SIZE_MAX));
    return size;
}

/* A varint and so many bytes. */
static enum commit_decode bytes_decode(struct slice *bytes, size_t size_max, struct slice *out) {
    uint64_t size;
    size_t prefix = varint_get(bytes->data, bytes->size, &size);
    if (prefix == 0)
        return bytes->size < VARINT_SIZE_MAX ? COMMIT_CUT_OFF : COMMIT_MALFORMED;
    if (size > size_max)
        return COMMIT_MALFORMED;
    if (size > bytes->size - prefix)
        return COMMIT_CUT_OFF;
    *out = slice_of(bytes->data + prefix, (size_t)size);
    *bytes = slice_of(bytes->data + prefix + size, bytes->size - prefix - (size_t)size);
    return COMMIT_DECODED;
}

enum commit_decode commit_item_decode(struct slice *bytes, struct commit_item *item_out) {
    if (bytes->size == 0)
        return COMMIT_CUT_OFF;
    struct slice rest = slice_of(bytes->data + 1, bytes->size - 1);
    *item_out = (struct commit_item){.tag = (enum commit_tag)bytes->data[0]};
    enum commit_decode result = COMMIT_DECODED;
    size_t size_max =
        item_out->tag == COMMIT_PUT_LARGE ? COMMIT_ITEM_SIZE_MAX : COMMIT_SMALL_ITEM_SIZE_MAX;
    switch (item_out->tag) {
    case COMMIT_PARTITION:
    case COMMIT_TREE:
    case COMMIT_DROP: {
        size_t size = varint_get(rest.data, rest.size, &item_out->number);
        if (size == 0)
            return rest.size < VARINT_SIZE_MAX ? COMMIT_CUT_OFF : COMMIT_MALFORMED;
        rest = slice_of(rest.data + size, rest.size - size);
        break;
    }
    case COMMIT_PUT:
    case COMMIT_PUT_LARGE:
        result = bytes_decode(&rest, COMMIT_SMALL_ITEM_SIZE_MAX, &item_out->key);
        if (result == COMMIT_DECODED)
            result = bytes_decode(&rest, size_max, &item_out->value);
        break;
    case COMMIT_DELETE:
        result = bytes_decode(&rest, COMMIT_SMALL_ITEM_SIZE_MAX, &item_out->key);
        break;
    default:
        return COMMIT_MALFORMED;
    }
    if (result == COMMIT_DECODED)
        *bytes = rest;
    return result;
}
