/*
 * The kernels themselves, in plain C that compilers vectorise. Included by one file for each
 * instruction set, which defines KERNELS (the name of the table) and KERNELS_NAME.
 */
#include <string.h>

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

#define RANGE(bits)                                                                                \
    static void range##bits(const uint##bits##_t *restrict in, uint32_t count, uint##bits##_t low, \
                            uint##bits##_t span, uint64_t *restrict mask) {                        \
        uint8_t flags[64];                                                                         \
        while (count >= 64) {                                                                      \
            for (unsigned i = 0; i < 64; i++)                                                      \
                flags[i] = (uint##bits##_t)(in[i] - low) <= span;                                  \
            *mask++ = bits_of(flags);                                                              \
            in += 64;                                                                              \
            count -= 64;                                                                           \
        }                                                                                          \
        if (count > 0) {                                                                           \
            memset(flags, 0, sizeof flags);                                                        \
            for (unsigned i = 0; i < count; i++)                                                   \
                flags[i] = (uint##bits##_t)(in[i] - low) <= span;                                  \
            *mask = bits_of(flags);                                                                \
        }                                                                                          \
    }
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

static uint32_t select_bits(const uint64_t *mask, uint32_t words, uint16_t *out) {
    uint32_t count = 0;
    for (uint32_t word = 0; word < words; word++) {
        uint64_t bits = mask[word];
        if (bits == UINT64_MAX) {
            for (unsigned i = 0; i < 64; i++)
                out[count + i] = (uint16_t)(word * 64 + i);
            count += 64;
            continue;
        }
        for (; bits != 0; bits &= bits - 1)
            out[count++] = (uint16_t)(word * 64 + (unsigned)__builtin_ctzll(bits));
    }
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
    .range16 = range16,
    .range32 = range32,
    .range64 = range64,
    .max16 = max16,
    .bounds64 = bounds64,
    .sum32 = sum32,
    .image_double = image_double,
    .decimal = decimal,
    .select = select_bits,
    .gather = {gather8, gather16, gather32, gather64},
};
