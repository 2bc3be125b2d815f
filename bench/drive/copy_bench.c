/*
 * memcpy against a copy with non-temporal stores, for each size: what copying a value out of a
 * store (drive_handle_read) could gain. usage: copy_bench      prints GB/s of processor's time,
 * best of 5
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base_memory.h"

enum { SPAN = 256 << 20, ROUNDS = 5 };

#if defined(__x86_64__)
#include <immintrin.h>
#define STREAM_NAME "streaming stores"
__attribute__((target("avx2"))) static void stream_copy(void *to, const void *from, size_t size) {
    __m256i *target = to;
    const __m256i *source = from;
    for (size_t i = 0; i < size / sizeof *source; i += 2) {
        __m256i a = _mm256_loadu_si256(source + i), b = _mm256_loadu_si256(source + i + 1);
        _mm256_stream_si256(target + i, a);
        _mm256_stream_si256(target + i + 1, b);
    }
    _mm_sfence();
}
#else
#define STREAM_NAME "memcpy again (no streaming stores here)"
static void stream_copy(void *to, const void *from, size_t size) {
    memcpy(to, from, size);
}
#endif

static double measure(void (*copy)(void *, const void *, size_t), uint8_t *to, const uint8_t *from,
                      size_t size) {
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec a, b;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        for (size_t at = 0; at + size <= SPAN; at += size)
            copy(to + at, from + at, size);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
        if (SPAN / ns > best)
            best = SPAN / ns;
    }
    return best;
}

static void plain_copy(void *to, const void *from, size_t size) {
    memcpy(to, from, size);
}

int main(void) {
    uint8_t *from = memory_alloc_aligned(4096, SPAN), *to = memory_alloc_aligned(4096, SPAN);
    if (from == NULL || to == NULL)
        return 1;
    memset(from, 1, SPAN);
    memset(to, 2, SPAN);
    for (size_t size = 256; size <= 64 << 20; size *= 4)
        printf("%9zu bytes: memcpy %6.2f GB/s, %s %6.2f GB/s\n", size,
               measure(plain_copy, to, from, size), STREAM_NAME,
               measure(stream_copy, to, from, size));
    memory_free(from);
    memory_free(to);
    return 0;
}
