/*
 * The bytes of a column chunk. All numbers little-endian. Version 1.
 *
 *     +--------+--------+-------+--------+-------+--------+---------+-------+-------+
 *     | header | bounds | zones | sketch | nulls | stream | entries | bytes | extra |
 *     +--------+--------+-------+--------+-------+--------+---------+-------+-------+
 *
 * The header is followed by eight sections in this order, each beginning at a multiple of 8 (the
 * gap is zero) and possibly empty. The chunk ends where the last one does.
 *
 * header, 128 bytes
 *     0   4  magic "sCOL"
 *     4   4  CRC-32C of bytes 8 .. size
 *     8   1  version, 1
 *     9   1  encoding, enum column_encoding
 *    10   1  physical form of the values, enum physical
 *    11   1  flags: 1 narrow (values of INT128 or NUMERIC form are kept as 64-bit integers)
 *                   2 image range below is meant
 *                   4 min is cut off, 8 max is cut off
 *    12   4  type id
 *    16   4  size of the chunk
 *    20   4  rows, 1 .. 65536
 *    24   4  nulls
 *    28   4  estimate of the number of distinct values
 *    32   2  scale of numerics that are kept as integers, else 0
 *    34   1  size of min   35  1  size of max (both in `bounds`)
 *    36   1  bytes of one number in `zones`: 1, 2, 4, 8; 0 when there are none
 *    37   1  decimal: exponent   38  1  decimal: factor
 *    39   1  zero
 *    40   4  number of dictionary entries
 *    44   4  zero
 *    48  16  least and greatest image of all values (signed)
 *    64  64  eight times: offset u32, size u32 of a section
 *
 * Images put values of all types in the order of 64-bit integers: a < b implies image(a) <=
 * image(b). Of integers it is the value, of floating-point numbers the bits put in order, of
 * strings and uuids the first 8 bytes, of values in a dictionary the code. (image.h)
 *
 * bounds   min, then max, as "value bytes": numbers in their physical size, numeric as
 *          numeric_pack makes it, strings as they are, of those at most 64 bytes (then cut off).
 * zones    absent when there is one zone (2,048 rows) or one image. For each zone the least
 *          image, then for each the greatest, minus the chunk's least, in numbers of the width
 *          that the header says (a zone of nulls only has least 1 and greatest 0); then, when
 *          there are nulls, for each zone the number of nulls, u16.
 * sketch   256 registers of a HyperLogLog over column_sketch_hash; absent for constant chunks
 * nulls    bitmap, bit i of 64-bit word i / 64 is 1 when row i is not null; absent when no or
 *          every row is null, and for dictionaries
 *
 * encoding    stream        entries            bytes                 extra
 * constant    -             -                  the value bytes       -         (all null: nothing)
 * packed      the integers  -                  -                     -
 * decimal     the integers  -                  -                     exceptions
 * dictionary  the codes     numbers: a stream; strings: their bytes  -
 *                           strings: end of each in `bytes`, u32
 * plain       -             -                  values, fixed size    -
 *             sizes         -                  string bytes          places
 * symbols     packed sizes  symbol table       encoded bytes         places
 *
 * Dictionary entries are distinct and in ascending order (equal ones, like 1.0 and 1.00, by their
 * bytes); a code is an entry's number, null rows have the code just beyond. Numbers of 64 bits are
 * a stream, other fixed forms an array, strings and numerics (packed) are strings.
 * What lies under a null is the value of a neighbour, an empty string, or 0.
 *
 * places      for each block of 1,024 rows: where its first string begins in `bytes`, u32, and how
 *             many bytes the strings of the block have when decoded, u32
 * exceptions  of decimal: for each block of 1,024 rows the number of the first, u32, and one more
 *             for their total; then the rows within the block, u16, padded to 8; then the
 *             numbers, in physical size
 * symbol table  count u8, then the size of each symbol u8, then the bytes of each
 *
 * stream, a sequence of n 64-bit integers (modulo 2^64)
 *     0   1  kind: 1 constant, 2 packed, 3 delta, 4 runs
 *     1   3  zero
 *     4   4  n
 *     8      constant: the value, 8 bytes
 *            packed: for each block of 1,024: base 8, offset of the payload from the beginning of
 *                the stream u32, width 0..64 u8, zero 3; value = base + packed number
 *            delta: the same with 24 bytes: first value 8, step 8, offset, width, zero; value i+1
 *                = value i + step + packed number i+1 (number 0 is 0)
 *            runs: number of runs u32, offset of the values u32; for each zone of 2,048 the number
 *                of the run it begins in, u32; for each run the number of its last row, u16;
 *                padded to 8; a stream of the values of the runs
 * payload of a block: kernel.h tells how 1,024 numbers are packed. The last block, of m < 1,024
 * numbers, may be flat instead: m numbers of the least of 1, 2, 4, 8 bytes that holds the width;
 * it is whenever that is smaller.
 */
#ifndef COLUMN_FORMAT_H
#define COLUMN_FORMAT_H

#include <stdint.h>

#include "base/base_bytes.h"

enum {
    CHUNK_MAGIC = 0x4c4f4373, /* "sCOL" */
    CHUNK_VERSION = 1,
    CHUNK_HEADER_SIZE = 128,
    CHUNK_BOUND_SIZE_MAX = 64,
    CHUNK_BLOCK_ROWS = 1024,
};

enum chunk_flag {
    CHUNK_NARROW = 1,
    CHUNK_IMAGES = 2,
    CHUNK_MIN_CUT = 4,
    CHUNK_MAX_CUT = 8,
    CHUNK_FLAGS_ALL = 15,
};

enum chunk_section {
    SECTION_BOUNDS,
    SECTION_ZONES,
    SECTION_SKETCH,
    SECTION_NULLS,
    SECTION_STREAM,
    SECTION_ENTRIES,
    SECTION_BYTES,
    SECTION_EXTRA,
    SECTION_COUNT,
};

struct chunk_header {
    uint8_t encoding, physical, flags;
    uint32_t type_id, size, rows, nulls, distinct;
    int16_t scale;
    uint8_t min_size, max_size, zone_width, exponent, factor;
    uint32_t entry_count;
    int64_t image_min, image_max;
    struct {
        uint32_t offset, size;
    } sections[SECTION_COUNT];
};

enum stream_kind { STREAM_CONSTANT = 1, STREAM_PACKED, STREAM_DELTA, STREAM_RUNS };
enum {
    STREAM_HEADER_SIZE = 8,
    STREAM_CONSTANT_SIZE = 16,
    STREAM_BLOCK_SIZE = 16,
    STREAM_DELTA_BLOCK_SIZE = 24,
};

#endif
