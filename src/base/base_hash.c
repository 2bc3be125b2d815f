#include "base/base_hash.h"

#include <isa-l/crc.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Product of two polynomials modulo the generator; bits reflected: bit 31 is the constant term. */
static uint32_t polynomial_multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
        if ((a & bit) != 0)
            product ^= b;
        b = (b & 1) != 0 ? b >> 1 ^ 0x82F63B78u : b >> 1;
    }
    return product;
}

/* x^(8 * size) modulo the generator. */
static uint32_t power_of(uint64_t size) {
    uint32_t square = 1u << 23, power = 1u << 31; /* x^8: one byte; squared for each bit */
    for (; size != 0; size >>= 1) {
        if ((size & 1) != 0)
            power = polynomial_multiply(square, power);
        square = polynomial_multiply(square, square);
    }
    return power;
}

uint32_t crc32c_combine(uint32_t crc, uint32_t crc_next, uint64_t size_next) {
    return polynomial_multiply(power_of(size_next), crc) ^ crc_next;
}

uint32_t crc32_zlib(uint32_t crc, const void *data, size_t size) {
    return crc32_gzip_refl(crc, data, size);
}

static __attribute__((noinline)) uint64_t hash_long(const void *data, size_t size) {
    return XXH3_64bits(data, size);
}

/* Apart, so that short keys do not pay for the registers that long ones need. */
uint64_t hash_bytes(const void *data, size_t size) {
    return size <= 16 ? XXH3_64bits(data, size) : hash_long(data, size);
}
