/*
 * The ways to a CRC-32C beside each other, for each size; each also while copying.
 * usage: crc_bench      prints GB/s of processor's time, best of 7
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base_hash.h"
#include "base/base_memory.h"
#include "base/crc_way.h"

enum { SPAN = 64 << 20, WORK = 32 << 20, ROUNDS = 7 };

static double measure(enum crc_way way, uint8_t *to, const uint8_t *from, size_t size) {
    double best = 0;
    size_t count = size > WORK ? 1 : WORK / size;
    volatile uint32_t crc = 0; /* each waits for the one before */
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec a, b;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        for (size_t i = 0; i < count; i++)
            crc = to == NULL ? crc__sum(way, crc, from, size) : crc__copy(way, crc, to, from, size);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
        if ((double)(count * size) / ns > best)
            best = (double)(count * size) / ns;
    }
    return best;
}

int main(void) {
    static const char *const names[] = {"library", "fused", "ternary"};
    uint8_t *from = memory_alloc_aligned(4096, SPAN), *to = memory_alloc_aligned(4096, SPAN);
    if (from == NULL || to == NULL)
        return 1;
    memset(from, 1, SPAN);
    memset(to, 2, SPAN);
    for (size_t size = 256; size <= SPAN; size *= 4) {
        printf("%9zu bytes:", size);
        for (enum crc_way way = CRC_LIBRARY; way <= crc__best(); way++)
            printf("  %s %5.1f, copying %5.1f GB/s", names[way], measure(way, NULL, from, size),
                   measure(way, to, from, size));
        printf("\n");
    }
    memory_free(from);
    memory_free(to);
    return 0;
}
