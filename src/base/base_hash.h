/* Hashes and checksums, each a thin door to the library that does it best. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli) as in RFC 3720, initial value 0: crc32c(0, "123456789", 9) = 0xE3069283.
   Chain by passing the result of the bytes before. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
/* The same of bytes that are copied to `to`. Faster than one after the other. */
uint32_t crc32c_copy(uint32_t crc, void *to, const void *from, size_t size);

/* The CRC-32C of two runs of bytes from those of each; `size_next` bytes are in the second, whose
   crc_next began with 0. */
uint32_t crc32c_combine(uint32_t crc, uint32_t crc_next, uint64_t size_next);

/* CRC-32 of IEEE 802.3 as zlib's crc32: crc32_zlib(0, "123456789", 9) = 0xCBF43926. */
uint32_t crc32_zlib(uint32_t crc, const void *data, size_t size);

/* XXH3, 64 bits. The same on every machine. */
uint64_t hash_bytes(const void *data, size_t size);

/* A good mix of one 64-bit number (the finisher of MurmurHash3). */
static inline uint64_t hash_u64(uint64_t value) {
    value ^= value >> 33;
    value *= 0xff51afd7ed558ccdull;
    value ^= value >> 33;
    value *= 0xc4ceb9fe1a85ec53ull;
    value ^= value >> 33;
    return value;
}

static inline uint64_t hash_combine(uint64_t seed, uint64_t hash) {
    return hash_u64(seed * 0x9e3779b97f4a7c15ull + hash);
}

#endif
