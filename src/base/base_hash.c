#include "base/base_hash.h"

#include <isa-l/crc.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t size) {
    /* isa-l's crc32_iscsi neither inverts at the start nor at the end, and takes an int. */
    uint32_t state = ~crc;
    const uint8_t *at = data;
    while (size > 0) {
        int piece = size > (1 << 30) ? 1 << 30 : (int)size;
        state = crc32_iscsi((unsigned char *)(uintptr_t)at, piece, state);
        at += piece;
        size -= (size_t)piece;
    }
    return ~state;
}

uint64_t hash_bytes(const void *data, size_t size) {
    return XXH3_64bits(data, size);
}

uint64_t hash_bytes_seeded(const void *data, size_t size, uint64_t seed) {
    return XXH3_64bits_withSeed(data, size, seed);
}
