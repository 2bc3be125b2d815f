/*
 * The kernels themselves, in plain C that compilers vectorise. Included by one file for each
 * instruction set, which defines KERNELS (the name of the table) and KERNELS_NAME.
 */
#include <string.h>
#if defined(__BMI2__) && defined(__AVX2__)
#include <immintrin.h>
#endif

#include "column/kernel.h"

/* The bytes of a chunk have no alignment. */
typedef uint16_t __attribute__((aligned(1), may_alias)) packed16;
typedef uint32_t __attribute__((aligned(1), may_alias)) packed32;

#define ALWAYS static inline __attribute__((always_inline))

/* ---- unpacking: every step's shift is a constant ------------------------------------------ */

#define STEP(form, bits, lanes, k)                                                                 \
    do {                                                                                           \
        const unsigned bit = (k)*width, shift = bit % (bits);                                      \
        const form *from = in + bit / (bits) * (lanes);                                            \
        if (shift + width <= (bits)) {                                                             \
            for (unsigned lane = 0; lane < (lanes); lane++)                                        \
                out[(k) * (lanes) + lane] = (from[lane] >> shift) & mask;                          \
        } else {                                                                                   \
            for (unsigned lane = 0; lane < (lanes); lane++)                                        \
                out[(k) * (lanes) + lane] =                                                        \
                    (from[lane] >> shift | from[lane + (lanes)] << ((bits)-shift) % (bits)) &      \
                    mask;                                                                          \
        }                                                                                          \
    } while (0)
#define STEPS_8(form, bits, lanes, k)                                                              \
    STEP(form, bits, lanes, k);                                                                    \
    STEP(form, bits, lanes, k + 1);                                                                \
    STEP(form, bits, lanes, k + 2);                                                                \
    STEP(form, bits, lanes, k + 3);                                                                \
    STEP(form, bits, lanes, k + 4);                                                                \
    STEP(form, bits, lanes, k + 5);                                                                \
    STEP(form, bits, lanes, k + 6);                                                                \
    STEP(form, bits, lanes, k + 7)

ALWAYS void unpack16(const packed16 *restrict in, uint16_t *restrict out, const unsigned width) {
    const uint16_t mask = (uint16_t)((1u << width) - 1);
    STEPS_8(packed16, 16, 64, 0);
    STEPS_8(packed16, 16, 64, 8);
}

ALWAYS void unpack32(const packed32 *restrict in, uint32_t *restrict out, const unsigned width) {
    const uint32_t mask = (uint32_t)((1ull << width) - 1);
    STEPS_8(packed32, 32, 32, 0);
    STEPS_8(packed32, 32, 32, 8);
    STEPS_8(packed32, 32, 32, 16);
    STEPS_8(packed32, 32, 32, 24);
}

static void unpack16_0(const uint8_t *in, uint16_t *out) {
    memset(out, 0, PACK_ROWS * sizeof *out);
}
static void unpack16_16(const uint8_t *in, uint16_t *out) {
    memcpy(out, in, PACK_ROWS * sizeof *out);
}
static void unpack32_32(const uint8_t *in, uint32_t *out) {
    memcpy(out, in, PACK_ROWS * sizeof *out);
}

#define WIDTHS_16(X)                                                                               \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define WIDTHS_32(X)                                                                               \
    X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
#define UNPACK_16(width)                                                                           \
    static void unpack16_##width(const uint8_t *in, uint16_t *out) {                               \
        unpack16((const packed16 *)(const void *)in, out, width);                                  \
    }
#define UNPACK_32(width)                                                                           \
    static void unpack32_##width(const uint8_t *in, uint32_t *out) {                               \
        unpack32((const packed32 *)(const void *)in, out, width);                                  \
    }
WIDTHS_16(UNPACK_16)
WIDTHS_32(UNPACK_32)

/* ---- packing ------------------------------------------------------------------------------- */

#define PACK(form, bits, lanes)                                                                    \
    static void pack##bits(const uint##bits##_t *restrict in, unsigned width,                      \
                           uint8_t *restrict bytes) {                                              \
        form *restrict out = (form *)(void *)bytes;                                                \
        memset(bytes, 0, 128 * (size_t)width);                                                     \
        if (width == 0)                                                                            \
            return;                                                                                \
        for (unsigned k = 0; k < (bits); k++) {                                                    \
            unsigned bit = k * width, shift = bit % (bits);                                        \
            form *to = out + bit / (bits) * (lanes);                                               \
            for (unsigned lane = 0; lane < (lanes); lane++)                                        \
                to[lane] |= (uint##bits##_t)(in[k * (lanes) + lane] << shift);                     \
            if (shift + width > (bits))                                                            \
                for (unsigned lane = 0; lane < (lanes); lane++)                                    \
                    to[lane + (lanes)] |= in[k * (lanes) + lane] >> ((bits)-shift);                \
        }                                                                                          \
    }
PACK(packed16, 16, 64)
PACK(packed32, 32, 32)

/* ---- adding the base ----------------------------------------------------------------------- */

#define ADD(from, to)                                                                              \
    static void add_##from##_##to(const from##_t *restrict in, uint32_t count, uint64_t base,      \
                                  void *restrict result) {                                         \
        to##_t *restrict out = result;                                                             \
        for (uint32_t i = 0; i < count; i++)                                                       \
            out[i] = (to##_t)(base + in[i]);                                                       \
    }
ADD(uint16, uint8)
ADD(uint16, uint16)
ADD(uint16, uint32)
ADD(uint16, uint64)
ADD(uint32, uint8)
ADD(uint32, uint16)
ADD(uint32, uint32)
ADD(uint32, uint64)

static void join(const uint32_t *restrict low, const uint32_t *restrict high, uint32_t count,
                 uint64_t base, uint64_t *restrict out) {
    for (uint32_t i = 0; i < count; i++)
        out[i] = base + (low[i] | (uint64_t)high[i] << 32);
}

static void sum32(const uint32_t *restrict in, uint32_t count, uint64_t start, uint64_t step,
                  uint64_t *restrict out) {
    uint64_t sum = start;
    for (uint32_t i = 0; i < count; i++)
        out[i] = sum += in[i] + step;
}

/* ---- tests --------------------------------------------------------------------------------- */

#ifdef __AVX512BW__
/* 64 numbers; compilers do not find the instructions that compare into a mask. */
#define RANGE_WORD(bits)                                                                           \
    ALWAYS uint64_t range_word##bits(const uint##bits##_t *in, uint##bits##_t low,                 \
                                     uint##bits##_t span) {                                        \
        uint64_t word = 0;                                                                         \
        for (unsigned i = 0; i < 64; i += 512 / (bits)) {                                          \
            __m512i numbers = _mm512_loadu_si512(in + i);                                          \
            numbers = _mm512_sub_epi##bits(numbers, SET_##bits(low));                              \
            word |= (uint64_t)_mm512_cmple_epu##bits##_mask(numbers, SET_##bits(span)) << i;       \
        }                                                                                          \
        return word;                                                                               \
    }
#define SET_8(number) _mm512_set1_epi8((int8_t)(number))
#define SET_16(number) _mm512_set1_epi16((int16_t)(number))
#define SET_32(number) _mm512_set1_epi32((int32_t)(number))
#define SET_64(number) _mm512_set1_epi64((int64_t)(number))
#else
/* Eight bytes of 0 or 1 to eight bits: the product moves byte i's lowest bit to bit 56 + i. */
ALWAYS uint64_t bits_of(const uint8_t flags[64]) {
    uint64_t bits = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t eight;
        memcpy(&eight, flags + 8 * i, 8);
        bits |= (eight * 0x0102040810204080ull >> 56) << 8 * i;
    }
    return bits;
}

#define RANGE_WORD(bits)                                                                           \
    ALWAYS uint64_t range_word##bits(const uint##bits##_t *in, uint##bits##_t low,                 \
                                     uint##bits##_t span) {                                        \
        uint8_t flags[64];                                                                         \
        for (unsigned i = 0; i < 64; i++)                                                          \
            flags[i] = (uint##bits##_t)(in[i] - low) <= span;                                      \
        return bits_of(flags);                                                                     \
    }
#endif
RANGE_WORD(8)
RANGE_WORD(16)
RANGE_WORD(32)
RANGE_WORD(64)

#define RANGE(bits)                                                                                \
    static void range##bits(const uint##bits##_t *restrict in, uint32_t count, uint##bits##_t low, \
                            uint##bits##_t span, uint64_t *restrict mask) {                        \
        for (; count >= 64; count -= 64, in += 64)                                                 \
            *mask++ = range_word##bits(in, low, span);                                             \
        uint64_t rest = 0;                                                                         \
        for (unsigned i = 0; i < count; i++)                                                       \
            rest |= (uint64_t)((uint##bits##_t)(in[i] - low) <= span) << i;                        \
        if (count > 0)                                                                             \
            *mask = rest;                                                                          \
    }
RANGE(8)
RANGE(16)
RANGE(32)
RANGE(64)

static uint16_t max16(const uint16_t *in, uint32_t count) {
    uint16_t max = 0;
    for (uint32_t i = 0; i < count; i++)
        max = in[i] > max ? in[i] : max;
    return max;
}

static void bounds64(const int64_t *in, uint32_t count, int64_t *min_out, int64_t *max_out) {
    int64_t min = in[0], max = in[0];
    for (uint32_t i = 1; i < count; i++) {
        min = in[i] < min ? in[i] : min;
        max = in[i] > max ? in[i] : max;
    }
    *min_out = min;
    *max_out = max;
}

/* The places of the bits of one word, from `first` on. Room for 64. */
ALWAYS uint32_t select_word(uint64_t bits, uint32_t first, uint16_t *out) {
    uint32_t count = 0;
#ifdef __AVX512F__
    if (__builtin_popcountll(bits) > 3) {
        const __m512i ascending =
            _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        for (unsigned i = 0; i < 64; i += 16) {
            __mmask16 sixteen = (__mmask16)(bits >> i);
            __m512i rows = _mm512_add_epi32(ascending, _mm512_set1_epi32((int32_t)(first + i)));
            rows = _mm512_maskz_compress_epi32(sixteen, rows);
            _mm256_storeu_si256((__m256i *)(void *)(out + count), _mm512_cvtepi32_epi16(rows));
            count += (uint32_t)__builtin_popcount(sixteen);
        }
        return count;
    }
#elif defined(__BMI2__) && defined(__AVX2__)
    /* Eight at a time: the bits spread to bytes pick their places out of 0 .. 7. */
    if (__builtin_popcountll(bits) > 6) {
        for (unsigned byte = 0; byte < 8; byte++) {
            uint64_t eight = bits >> 8 * byte & 0xFF;
            uint64_t spread = _pdep_u64(eight, 0x0101010101010101ull) * 0xFF;
            uint64_t places = _pext_u64(0x0706050403020100ull, spread);
            __m128i rows = _mm_cvtepu8_epi16(_mm_cvtsi64_si128((int64_t)places));
            rows = _mm_add_epi16(rows, _mm_set1_epi16((int16_t)(first + 8 * byte)));
            _mm_storeu_si128((__m128i *)(void *)(out + count), rows);
            count += (uint32_t)__builtin_popcountll(eight);
        }
        return count;
    }
#endif
    for (; bits != 0; bits &= bits - 1)
        out[count++] = (uint16_t)(first + (unsigned)__builtin_ctzll(bits));
    return count;
}

static uint32_t count_bits(const uint64_t *mask, uint32_t words) {
    uint32_t count = 0;
    for (uint32_t word = 0; word < words; word++)
        count += (uint32_t)__builtin_popcountll(mask[word]);
    return count;
}

static uint32_t select_bits(const uint64_t *mask, uint32_t words, uint16_t *out) {
    uint32_t count = 0;
    for (uint32_t word = 0; word + 1 < words; word++) {
        if (mask[word] != UINT64_MAX) {
            count += select_word(mask[word], word * 64, out + count);
            continue;
        }
        for (unsigned i = 0; i < 64; i++)
            out[count + i] = (uint16_t)(word * 64 + i);
        count += 64;
    }
    /* In the last one there may be room for no more than what is selected. */
    for (uint64_t bits = words > 0 ? mask[words - 1] : 0; bits != 0; bits &= bits - 1)
        out[count++] = (uint16_t)((words - 1) * 64 + (unsigned)__builtin_ctzll(bits));
    return count;
}

/* ---- floating point ------------------------------------------------------------------------ */

static void image_double(const double *restrict in, uint32_t count, int64_t *restrict out) {
    for (uint32_t i = 0; i < count; i++) {
        double number = in[i] + 0.0; /* -0 becomes 0 */
        int64_t bits, is_nan = number != number ? -1 : 0;
        memcpy(&bits, &number, sizeof bits);
        bits ^= (int64_t)((uint64_t)(bits >> 63) >> 1);
        out[i] = (bits & ~is_nan) | (is_nan & INT64_MAX);
    }
}

static void decimal(const int64_t *restrict in, uint32_t count, double factor, double fraction,
                    double *restrict out) {
    for (uint32_t i = 0; i < count; i++)
        out[i] = (double)in[i] * factor * fraction;
}

/* ---- dictionaries -------------------------------------------------------------------------- */

#define GATHER(bits)                                                                               \
    static void gather##bits(const void *restrict entries, const uint16_t *restrict codes,         \
                             uint32_t count, void *restrict result) {                              \
        const uint##bits##_t *restrict from = entries;                                             \
        uint##bits##_t *restrict out = result;                                                     \
        for (uint32_t i = 0; i < count; i++)                                                       \
            out[i] = from[codes[i]];                                                               \
    }
GATHER(8)
GATHER(16)
GATHER(32)
GATHER(64)

#define ENTRY_16(width) [width] = unpack16_##width,
#define ENTRY_32(width) [width] = unpack32_##width,

extern const struct kernels KERNELS;
const struct kernels KERNELS = {
    .name = KERNELS_NAME,
    .unpack16 = {[0] = unpack16_0, WIDTHS_16(ENTRY_16)[16] = unpack16_16},
    .unpack32 = {WIDTHS_32(ENTRY_32)[32] = unpack32_32},
    .pack16 = pack16,
    .pack32 = pack32,
    .add16 = {add_uint16_uint8, add_uint16_uint16, add_uint16_uint32, add_uint16_uint64},
    .add32 = {add_uint32_uint8, add_uint32_uint16, add_uint32_uint32, add_uint32_uint64},
    .join = join,
    .range8 = range8,
    .range16 = range16,
    .range32 = range32,
    .range64 = range64,
    .max16 = max16,
    .bounds64 = bounds64,
    .sum32 = sum32,
    .image_double = image_double,
    .decimal = decimal,
    .count = count_bits,
    .select = select_bits,
    .gather = {gather8, gather16, gather32, gather64},
};
