/*
 * CRC-32C by size.
 *
 *     to 128 bytes    one word after the other through the processor's instruction
 *     to 951 bytes    isa-l, which folds 16 bytes at a time
 *     beyond          blocks of 136 * n bytes, folded and through the instruction at once
 *     while copying   the same, each byte stored as it is read
 *
 * A block has four parts, which lie one behind the other and are read side by side:
 *
 *     | 64 n bytes: folded | 24 n: stream 0 | 24 n: stream 1 | 24 n: stream 2 |
 *
 * Folding: of a register `a` in front of d bits, a * x^d modulo the generator can be added to what
 * comes after these; it takes two carry-less products for 16 bytes (Gopal and others, "Fast CRC
 * Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009). They keep one
 * port of an Intel core busy, the instruction for words another. Folding four registers and three
 * words for each of three streams take nine cycles both. That the two can run beside each other is
 * Peter Cawley's observation ("fast-crc32", 2022). Where the processor folds four times as wide
 * (VPCLMULQDQ) isa-l does it all.
 *
 * Joining: of a state in front of n bytes, what is left after them is state * x^8n modulo the
 * generator. The instruction computes m * x^32 of a product m whose bits lie one place too low, so
 * a factor is x^(8n - 33). (Gopal and others, "Fast CRC Computation for iSCSI Polynomial Using
 * CRC32 Instruction", Intel, 2011.)
 *
 * GB/s on a Cascade Lake Xeon at 3.1 GHz, bench/crc_bench; in parentheses while copying:
 *
 *     bytes        1 KiB        4 KiB        16 KiB       256 KiB      16 MiB
 *     isa-l        20.6 (18)    22.9 (19)    23.4 (20)    10.3 (16)     8.7 (3.9)
 *     fused        22.2 (19)    35.0 (23)    38.9 (18)    39.5 (17)    23.1 (6.0)
 *     ternary      22.6 (20)    39.4 (25)    44.2 (18)    44.1 (17)    23.5 (6.0)
 */
#include <isa-l/crc.h>
#include <stdbool.h>
#include <string.h>

#include "base/base_crc_inline.h"
#include "base/base_unroll.h"
#include "base/crc_way.h"

/* A few words: Xeon, 2.5 GHz: 16 bytes 3 ns instead of isa-l's 10, 64 bytes 6 instead of 10, 128
   bytes 9 and 10, 256 bytes 17 and 15. */
enum { SHORT_MAX = 128 };

/* isa-l's crc32_iscsi neither inverts at the start nor at the end, and takes an int. */
static uint32_t state_after(uint32_t state, const uint8_t *at, size_t size) {
    while (size > 0) {
        int piece = size > (1 << 30) ? 1 << 30 : (int)size;
        state = crc32_iscsi((unsigned char *)(uintptr_t)at, piece, state);
        at += piece;
        size -= (size_t)piece;
    }
    return state;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define FUSED __attribute__((target("sse4.2,pclmul,avx")))
/* The same; the compiler makes one instruction of two xor: 44 instead of 39 GB/s. */
#define FUSED_TERNARY __attribute__((target("sse4.2,pclmul,avx,avx512f,avx512vl")))
#define FUSED_PART __attribute__((target("sse4.2,pclmul,avx"), always_inline)) static inline

/* Rounds of a block. 30 and 120 of them are a little less than 4 and 16 KiB, sizes of pages. */
enum { FOLDED = 64, STREAM = 24, ROUND = FOLDED + 3 * STREAM, LARGE = 120, MEDIUM = 30, SMALL = 7 };
enum { SMALL_BLOCK = SMALL * ROUND };
/* How far ahead memory is asked for. */
enum { LEAD = 8192 };

/* x^(8 * STREAM * rounds * k - 33) for k = 1, 2, 3; bits reflected, as of all constants here. */
struct factors {
    uint32_t over_one, over_two, over_three;
};
static const struct factors factors_large = {0x465a4eee, 0x6bce9345, 0xdd4b4a66};
static const struct factors factors_medium = {0x8227bb8a, 0x2342001e, 0x8e1450f7};
static const struct factors factors_small = {0x1b3d8f29, 0xa60ce07b, 0x4e36f0b0};

/* Bytes that are read, and stored at `to` if they are copied. */
struct run {
    const uint8_t *at;
    uint8_t *to;
    size_t size;
};

FUSED_PART void skip(struct run *run, size_t size, bool copies) {
    run->at += size;
    run->size -= size;
    if (copies)
        run->to += size;
}

FUSED_PART __m128i vector_at(const struct run *run, size_t offset, bool copies) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(run->at + offset));
    if (copies)
        _mm_storeu_si128((__m128i *)(run->to + offset), bytes);
    return bytes;
}

/* Three words of each stream. Copied are two and one: only one store can begin in a cycle. */
FUSED_PART void take_words(uint64_t states[3], const struct run *streams, size_t distance,
                           bool copies) {
    UNROLL(3)
    for (size_t i = 0; i < 3 && copies; i++) {
        vector_at(streams, i * distance, true);
        put_le64(streams->to + i * distance + 16, get_le64(streams->at + i * distance + 16));
    }
    UNROLL(3)
    for (size_t word = 0; word < STREAM; word += 8) {
        UNROLL(3)
        for (size_t i = 0; i < 3; i++)
            states[i] = crc_word(states[i], get_le64(streams->at + i * distance + word));
    }
}

/* What was folded, moved over the distance of the constants, and `next` added. */
FUSED_PART __m128i fold(__m128i folded, __m128i constants, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(folded, constants, 0x00);
    __m128i high = _mm_clmulepi64_si128(folded, constants, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* x^(d - 33) for the half that lies behind and x^(d + 31) for the one in front, d in bits. */
FUSED_PART __m128i over_16_bytes(void) {
    return _mm_set_epi64x(0x493c7d27, 0xf20c0dfe);
}
FUSED_PART __m128i over_32_bytes(void) {
    return _mm_set_epi64x(0xba4fc28e, 0x3da6d0cb);
}
FUSED_PART __m128i over_64_bytes(void) {
    return _mm_set_epi64x(0x9e4addf8, 0x740eef02);
}

FUSED_PART uint64_t product(uint64_t state, uint32_t factor) {
    __m128i wide =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)state), _mm_cvtsi64_si128(factor), 0);
    return (uint64_t)_mm_cvtsi128_si64(wide);
}

FUSED_PART uint32_t joined(const __m128i folded[4], const uint64_t states[3],
                           struct factors factors) {
    __m128i left = fold(folded[0], over_16_bytes(), folded[1]);
    __m128i right = fold(folded[2], over_16_bytes(), folded[3]);
    right = fold(left, over_32_bytes(), right);
    uint64_t first = crc_word(0, (uint64_t)_mm_cvtsi128_si64(right));
    first = crc_word(first, (uint64_t)_mm_extract_epi64(right, 1));
    return (uint32_t)(states[2] ^ crc_word(0, product(first, factors.over_three) ^
                                                  product(states[0], factors.over_two) ^
                                                  product(states[1], factors.over_one)));
}

FUSED_PART uint32_t block_state(uint32_t state, struct run run, size_t rounds,
                                struct factors factors, bool copies) {
    struct run streams = run;
    skip(&streams, FOLDED * rounds, copies);
    const uint8_t *ahead = run.at + LEAD;
    __m128i folded[4];
    uint64_t states[3] = {0, 0, 0};
    for (size_t i = 0; i < 4; i++)
        folded[i] = vector_at(&run, 16 * i, copies);
    folded[0] = _mm_xor_si128(folded[0], _mm_cvtsi32_si128((int)state));
    take_words(states, &streams, STREAM * rounds, copies);
    for (size_t round = 1; round < rounds; round++) {
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + 64);
        ahead += 128;
        skip(&run, FOLDED, copies);
        skip(&streams, STREAM, copies);
        UNROLL(4)
        for (size_t i = 0; i < 4; i++)
            folded[i] = fold(folded[i], over_64_bytes(), vector_at(&run, 16 * i, copies));
        take_words(states, &streams, STREAM * rounds, copies);
    }
    return joined(folded, states, factors);
}

FUSED_PART uint32_t blocks(uint32_t state, struct run *run, size_t rounds, struct factors factors,
                           bool copies) {
    for (; run->size >= rounds * ROUND; skip(run, rounds * ROUND, copies))
        state = block_state(state, *run, rounds, factors, copies);
    return state;
}

/* As many blocks as there are; the run becomes what is left. */
FUSED_PART uint32_t all_blocks(uint32_t state, struct run *run, bool copies) {
    state = blocks(state, run, LARGE, factors_large, copies);
    state = blocks(state, run, MEDIUM, factors_medium, copies);
    return blocks(state, run, SMALL, factors_small, copies);
}

FUSED static uint32_t summed(uint32_t state, struct run *run) {
    return all_blocks(state, run, false);
}
FUSED_TERNARY static uint32_t summed_ternary(uint32_t state, struct run *run) {
    return all_blocks(state, run, false);
}
FUSED static uint32_t copied(uint32_t state, struct run *run) {
    return all_blocks(state, run, true);
}
FUSED_TERNARY static uint32_t copied_ternary(uint32_t state, struct run *run) {
    return all_blocks(state, run, true);
}

enum crc_way crc__best(void) {
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul") ||
        !__builtin_cpu_supports("avx") || __builtin_cpu_supports("vpclmulqdq"))
        return CRC_LIBRARY;
    return __builtin_cpu_supports("avx512vl") ? CRC_FUSED_TERNARY : CRC_FUSED;
}

CRC_WORDS static uint32_t short_state(uint32_t state, const uint8_t *at, size_t size) {
    uint64_t wide = state;
    for (; size >= 8; size -= 8, at += 8)
        wide = crc_word(wide, get_le64(at));
    for (; size > 0; size--, at++)
        wide = crc_byte(wide, *at);
    return (uint32_t)wide;
}

uint32_t crc__sum(enum crc_way way, uint32_t crc, const void *data, size_t size) {
    struct run run = {.at = data, .size = size};
    uint32_t state = ~crc;
    if (way == CRC_FUSED_TERNARY)
        state = summed_ternary(state, &run);
    else if (way == CRC_FUSED)
        state = summed(state, &run);
    if (run.size <= SHORT_MAX && crc32c_has_words())
        return ~short_state(state, run.at, run.size);
    return ~state_after(state, run.at, run.size);
}

uint32_t crc__copy(enum crc_way way, uint32_t crc, void *to, const void *from, size_t size) {
    struct run run = {.at = from, .to = to, .size = size};
    uint32_t state = ~crc;
    if (way == CRC_FUSED_TERNARY)
        state = copied_ternary(state, &run);
    else if (way == CRC_FUSED)
        state = copied(state, &run);
    if (run.size <= SHORT_MAX && crc32c_has_words())
        return ~(uint32_t)crc_copy(state, run.to, run.at, run.size);
    memcpy(run.to, run.at, run.size);
    return ~state_after(state, run.to, run.size);
}
#else
enum { SMALL_BLOCK = 1 };

enum crc_way crc__best(void) {
    return CRC_LIBRARY;
}

uint32_t crc__sum(enum crc_way way, uint32_t crc, const void *data, size_t size) {
    (void)way;
    return ~state_after(~crc, data, size);
}

uint32_t crc__copy(enum crc_way way, uint32_t crc, void *to, const void *from, size_t size) {
    memcpy(to, from, size);
    return crc__sum(way, crc, to, size);
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size) {
    return crc__sum(size < SMALL_BLOCK ? CRC_LIBRARY : crc__best(), crc, data, size);
}

uint32_t crc32c_copy(uint32_t crc, void *to, const void *from, size_t size) {
    return crc__copy(size < SMALL_BLOCK ? CRC_LIBRARY : crc__best(), crc, to, from, size);
}
