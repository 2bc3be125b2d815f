/*
 * Kernels: the inner loops of packing, unpacking and testing, compiled once for every instruction
 * set worth it and chosen when first used.
 *
 * Bit-packing is that of FastLanes (Afroozeh and Boncz, "The FastLanes Compression Layout",
 * VLDB 2023) without its reordering of tuples: 1,024 values are dealt to 64 lanes of 16 bits (or
 * 32 lanes of 32 bits), value i to lane i % 64; a lane is a string of bits, its words are
 * interleaved with those of the other lanes. So one step shifts and masks 64 (32) neighbouring
 * words by the same count, which any compiler turns into vector instructions, and values come out
 * in order:
 *
 *     words       0         1       ...     63      |     64        65     ...
 *              lane 0    lane 1           lane 63      lane 0    lane 1
 *     values   0, 64, .. 1, 65, ..        63, 127, ..  (each lane's bits go on)
 *
 *     width 0..16    64 lanes of 16 bits: 128 * width bytes
 *     width 17..32   32 lanes of 32 bits: 128 * width bytes
 *     width 33..64   1,024 low halves of 32 bits, then the rest packed with width - 32
 */
#ifndef COLUMN_KERNEL_H
#define COLUMN_KERNEL_H

#include <stdint.h>

enum { PACK_ROWS = 1024 };

/* Masks are bitmaps: bit i of word i / 64 says whether value i passes. Counts of values need not
   be multiples of 64; bits beyond are zero. */
struct kernels {
    const char *name;
    void (*unpack16[17])(const uint8_t *in, uint16_t *out);
    void (*unpack32[33])(const uint8_t *in, uint32_t *out); /* 17 .. 32 */
    void (*pack16)(const uint16_t *in, unsigned width, uint8_t *out);
    void (*pack32)(const uint32_t *in, unsigned width, uint8_t *out);
    /* out[i] = base + in[i], cut to 1 << n bytes. */
    void (*add16[4])(const uint16_t *in, uint32_t count, uint64_t base, void *out);
    void (*add32[4])(const uint32_t *in, uint32_t count, uint64_t base, void *out);
    /* out[i] = base + (low[i] | high[i] << 32). */
    void (*join)(const uint32_t *low, const uint32_t *high, uint32_t count, uint64_t base,
                 uint64_t *out);
    /* low <= in[i] <= low + span */
    void (*range8)(const uint8_t *in, uint32_t count, uint8_t low, uint8_t span, uint64_t *mask);
    void (*range16)(const uint16_t *in, uint32_t count, uint16_t low, uint16_t span,
                    uint64_t *mask);
    void (*range32)(const uint32_t *in, uint32_t count, uint32_t low, uint32_t span,
                    uint64_t *mask);
    void (*range64)(const uint64_t *in, uint32_t count, uint64_t low, uint64_t span,
                    uint64_t *mask);
    uint16_t (*max16)(const uint16_t *in, uint32_t count);
    /* Least and greatest; count > 0. */
    void (*bounds64)(const int64_t *in, uint32_t count, int64_t *min, int64_t *max);
    /* Running sum: out[i] = start + in[0] + ... + in[i] + (i + 1) * step. */
    void (*sum32)(const uint32_t *in, uint32_t count, uint64_t start, uint64_t step, uint64_t *out);
    /* Images of floating-point numbers, image.h. */
    void (*image_double)(const double *in, uint32_t count, int64_t *out);
    /* ALP: out[i] = (double)in[i] * factor * fraction; */
    void (*decimal)(const int64_t *in, uint32_t count, double factor, double fraction, double *out);
    /* Bits set in `words` words. */
    uint32_t (*count)(const uint64_t *mask, uint32_t words);
    /* Ascending numbers of the bits set in `words` words. */
    uint32_t (*select)(const uint64_t *mask, uint32_t words, uint16_t *out);
    /* out[i] = entries[codes[i]], for entries of 1 << n bytes. */
    void (*gather[4])(const void *entries, const uint16_t *codes, uint32_t count, void *out);
};

extern const struct kernels kernels_plain;
/* What this processor runs best. */
const struct kernels *kernels(void);
/* All sets this processor can run, plain first: index 0 .. ; NULL at the end. For tests. */
const struct kernels *kernels_at(unsigned index);
/* Tests: use this set from now on; NULL: the best again. */
void kernels_use(const struct kernels *set);

#endif
