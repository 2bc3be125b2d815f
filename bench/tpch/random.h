/* Random values of a row's column that depend on nothing but the seed, the stream and the row, so
 * that any part of any table can be made by itself, in any order.
 *
 * The 64 bits are the finaliser of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom
 * Number Generators, 2014) over a mixture of the three. */
#ifndef BENCH_TPCH_RANDOM_H
#define BENCH_TPCH_RANDOM_H

#include <stdint.h>

/* One stream for each value of a row that is drawn. The numbers are part of the data: append only.
 */
enum stream {
    STREAM_TEXT_POOL = 1,
    STREAM_SUPPLIER_ADDRESS,
    STREAM_SUPPLIER_NATION,
    STREAM_SUPPLIER_PHONE,
    STREAM_SUPPLIER_BALANCE,
    STREAM_SUPPLIER_COMMENT,
    STREAM_SUPPLIER_REMARK,
    STREAM_PART_NAME,
    STREAM_PART_MAKER,
    STREAM_PART_BRAND,
    STREAM_PART_TYPE,
    STREAM_PART_SIZE,
    STREAM_PART_CONTAINER,
    STREAM_PART_COMMENT,
    STREAM_PARTSUPP_QUANTITY,
    STREAM_PARTSUPP_COST,
    STREAM_PARTSUPP_COMMENT,
    STREAM_CUSTOMER_ADDRESS,
    STREAM_CUSTOMER_NATION,
    STREAM_CUSTOMER_PHONE,
    STREAM_CUSTOMER_BALANCE,
    STREAM_CUSTOMER_SEGMENT,
    STREAM_CUSTOMER_COMMENT,
    STREAM_ORDER_CUSTOMER,
    STREAM_ORDER_DATE,
    STREAM_ORDER_LINES,
    STREAM_ORDER_PRIORITY,
    STREAM_ORDER_CLERK,
    STREAM_ORDER_COMMENT,
    STREAM_LINE_PART,
    STREAM_LINE_SUPPLIER,
    STREAM_LINE_QUANTITY,
    STREAM_LINE_DISCOUNT,
    STREAM_LINE_TAX,
    STREAM_LINE_SHIP,
    STREAM_LINE_COMMIT,
    STREAM_LINE_RECEIPT,
    STREAM_LINE_RETURN,
    STREAM_LINE_INSTRUCTION,
    STREAM_LINE_MODE,
    STREAM_LINE_COMMENT,
    STREAM_NATION_COMMENT,
    STREAM_REGION_COMMENT,
};

static inline uint64_t random_mix(uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* 64 random bits; row < 2^56. */
static inline uint64_t random_bits(uint64_t seed, enum stream stream, uint64_t row) {
    return random_mix((row << 8 | stream) * 0x9e3779b97f4a7c15u + random_mix(seed));
}

/* bits scaled to 0 .. count - 1. */
static inline uint64_t random_scale(uint64_t bits, uint64_t count) {
    return (uint64_t)((unsigned __int128)bits * count >> 64);
}

/* Uniform in low .. high, both included. */
static inline int64_t random_range(uint64_t seed, enum stream stream, uint64_t row, int64_t low,
                                   int64_t high) {
    return low + (int64_t)random_scale(random_bits(seed, stream, row), (uint64_t)(high - low + 1));
}

#endif
