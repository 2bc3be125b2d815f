/*
 * The bytes of a row, version 1. Little-endian, unaligned.
 *
 *     offset          size     field
 *          0             2     n: number of columns stored, 0..1600
 *          2             1     version, 1
 *          3             1     flags: 1 some stored column is null, 2 ends are u32 (else u16),
 *                              4 some column is kept outside; other bits zero
 *          4       (n+7)/8     null bitmap, bit set = null; bits beyond n are zero
 *       then    fixed_size     fixed columns in order, packed (null: zeros)
 *       then  v * (2 or 4)     ends: for each of the v variable columns where its bytes end,
 *                              counted from the end of this array; top bit set = kept outside
 *       then           ...     bytes of the variable columns, in order (null: none)
 *
 * Variable columns are those of form STRING (their bytes) and NUMERIC (numeric_pack). All else is
 * fixed: bool 1, INT16 2, INT32 4, INT64 8, INT128 16, FLOAT32 4, FLOAT64 8, INTERVAL 16 (us,
 * days, months), UUID 16. A value kept outside leaves 12 bytes: id u64, size u32 (> 0).
 *
 *     n=3 (int4, text, int8)
 *     | 03 00 | 01 | 00 | 00 | 07 00 00 00 | 2a 00 .. 00 | 02 00 | 68 69 |
 *       n       ver  fl   nulls  int4 = 7      int8 = 42    end=2    "hi"
 *
 * The ends are 16 bits wide as long as all variable bytes together are below 32 KiB, so a row has
 * one encoding. Golden bytes are in the tests.
 */
#ifndef VALUE_ROW_FORMAT_H
#define VALUE_ROW_FORMAT_H

enum {
    ROW_VERSION = 1,
    ROW_HEADER_SIZE = 4,
    ROW_FLAG_NULLS = 1,
    ROW_FLAG_WIDE = 2,
    ROW_FLAG_EXTERNAL = 4,
    ROW_FLAGS_ALL = 7,
    ROW_EXTERNAL_SIZE = 12,
    ROW_NARROW_LIMIT = 1 << 15,
};

#endif
