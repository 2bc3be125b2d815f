/*
 * hash_bytes() without a call, for the few places where a call is much: looking up a key is some
 * hundred instructions, and the processor sees little further than that (drive/read.c).
 */
#ifndef BASE_HASH_INLINE_H
#define BASE_HASH_INLINE_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdbool.h>

#include "base/base_hash.h"

/* The same as hash_bytes(). */
static inline uint64_t hash_bytes_inline(const void *data, size_t size) {
    return __builtin_expect(size > 8 && size <= 16, true) ? XXH3_64bits(data, size)
                                                          : hash_bytes(data, size);
}

#endif
