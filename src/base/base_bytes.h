/*
 * Fixed-width integers to and from bytes: little-endian on disk, big-endian on the wire and in
 * ordered keys. Unaligned addresses are fine; compilers turn each into one move.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian machines only");

#define BYTES_CODEC(bits, swap)                                                                    \
    static inline uint##bits##_t get_le##bits(const void *at) {                                    \
        uint##bits##_t value;                                                                      \
        memcpy(&value, at, sizeof value);                                                          \
        return value;                                                                              \
    }                                                                                              \
    static inline void put_le##bits(void *at, uint##bits##_t value) {                              \
        memcpy(at, &value, sizeof value);                                                          \
    }                                                                                              \
    static inline uint##bits##_t get_be##bits(const void *at) {                                    \
        return swap(get_le##bits(at));                                                             \
    }                                                                                              \
    static inline void put_be##bits(void *at, uint##bits##_t value) {                              \
        put_le##bits(at, swap(value));                                                             \
    }

BYTES_CODEC(16, __builtin_bswap16)
BYTES_CODEC(32, __builtin_bswap32)
BYTES_CODEC(64, __builtin_bswap64)
#undef BYTES_CODEC

/* Variable-length unsigned integer, 7 bits a byte, low bits first (LEB128). */
enum { VARINT_SIZE_MAX = 10 };

static inline size_t varint_size(uint64_t value) {
    size_t size = 1;
    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

/* Returns the number of bytes written, at most VARINT_SIZE_MAX. */
static inline size_t varint_put(void *at, uint64_t value) {
    uint8_t *byte = at;
    size_t size = 0;
    while (value >= 0x80) {
        byte[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    byte[size++] = (uint8_t)value;
    return size;
}

/* Returns the number of bytes read; 0 when cut off, too long or not in its shortest form. */
static inline size_t varint_get(const void *at, size_t size, uint64_t *value_out) {
    const uint8_t *byte = at;
    uint64_t value = 0;
    for (size_t i = 0; i < size && i < VARINT_SIZE_MAX; i++) {
        uint64_t bits = byte[i] & 0x7F;
        if (i == VARINT_SIZE_MAX - 1 && bits > 1)
            return 0;
        value |= bits << (7 * i);
        if ((byte[i] & 0x80) == 0) {
            if (i > 0 && bits == 0)
                return 0;
            *value_out = value;
            return i + 1;
        }
    }
    return 0;
}

#endif
