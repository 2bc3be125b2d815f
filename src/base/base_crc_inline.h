/*
 * The words of a CRC-32C one by one, without a call: for bytes that are in registers anyway, being
 * copied. Only in functions marked CRC_WORDS, which may be called when crc32c_has_words().
 */
#ifndef BASE_CRC_INLINE_H
#define BASE_CRC_INLINE_H

#include <stdbool.h>

#include "base/base_bytes.h"
#include "base/base_hash.h"

/* Between the two the state is the checksum's complement. */
static inline uint64_t crc_begin(uint32_t crc) {
    return (uint32_t)~crc;
}
static inline uint32_t crc_end(uint64_t state) {
    return ~(uint32_t)state;
}

#if defined(__x86_64__)
#define CRC_WORDS __attribute__((target("sse4.2")))
static inline bool crc32c_has_words(void) {
    return __builtin_cpu_supports("sse4.2");
}
CRC_WORDS static inline uint64_t crc_word(uint64_t state, uint64_t word) {
    return __builtin_ia32_crc32di(state, word);
}
CRC_WORDS static inline uint64_t crc_byte(uint64_t state, uint8_t byte) {
    return __builtin_ia32_crc32qi((uint32_t)state, byte);
}
#else
#define CRC_WORDS
static inline bool crc32c_has_words(void) {
    return false;
}
static inline uint64_t crc_word(uint64_t state, uint64_t word) {
    return crc_begin(crc32c(crc_end(state), &word, sizeof word));
}
static inline uint64_t crc_byte(uint64_t state, uint8_t byte) {
    return crc_begin(crc32c(crc_end(state), &byte, 1));
}
#endif

/* Over zeros. */
CRC_WORDS static inline uint64_t crc_zeros(uint64_t state, size_t size) {
    for (; size >= 8; size -= 8)
        state = crc_word(state, 0);
    for (; size > 0; size--)
        state = crc_byte(state, 0);
    return state;
}

/* Over bytes that are copied. */
CRC_WORDS static inline uint64_t crc_copy(uint64_t state, uint8_t *to, const uint8_t *from,
                                          size_t size) {
    for (; size >= 8; size -= 8, from += 8, to += 8) {
        uint64_t word = get_le64(from);
        put_le64(to, word);
        state = crc_word(state, word);
    }
    for (; size > 0; size--, from++, to++) {
        *to = *from;
        state = crc_byte(state, *from);
    }
    return state;
}

#endif
