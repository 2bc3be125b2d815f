/*
 * What the pager writes: page images in "pages", checkpoints in "manifest".
 *
 * All numbers are little-endian. Checksums are XXH3-64 (seed 0). Reserved bytes are zero.
 *
 * ---- pages ----
 *
 * Units of 4 KiB. An image takes a run of units that begins anywhere; nothing in the file says
 * where images begin, the map does. Space between images is rubbish of the past.
 *
 * Image header, 64 bytes:
 *
 *     offset size
 *       0     8   checksum of the bytes 8 .. stored size
 *       8     4   magic "sPAG"
 *      12     1   version, 1
 *      13     1   lifetime: 1 durable, 2 temporary
 *      14     1   encoding of what follows the header: 1 plain
 *      15     1   reserved
 *      16     8   page id
 *      24     4   size of the page, header included: a multiple of 4 KiB up to 1 MiB
 *      28     4   stored size, header included (plain: the same)
 *      32    32   reserved
 *      64     -   the user's bytes
 *
 * Extent (one 64-bit number, in the map and in the manifest):
 *
 *     bit 0-1    2 (see page_map.h)
 *         2-5    size class of the page: 4 KiB << class up to 8; 15: as many units as in the file
 *         6-15   units of 4 KiB in the file, 1 .. 1023
 *        16-55   first unit
 *        56-63   low byte of the image's checksum, so that an older image of the same page in the
 *                same place (a lost write) is noticed
 *
 * ---- manifest ----
 *
 * Append-only records, each: header of 40 bytes, then the payload.
 *
 *     offset size
 *       0     8   checksum of the bytes 8 .. 40
 *       8     4   magic "sMAN"
 *      12     2   type: 1 file, 2 map, 3 roots, 4 commit, 5 seal
 *      14     2   flags; bit 0: the checkpoint starts from an empty map (full)
 *      16     8   number of the checkpoint, 1, 2, 3 ... without gaps inside a file
 *      24     4   payload size, a multiple of 8, at most 1 MiB
 *      28     4   reserved
 *      32     8   checksum of the payload
 *
 *     file    {u32 format version, u32 unit size}: the first record of the file, and only there
 *     map     n * {u64 page id, u64 extent or 0 when the page is gone}
 *     roots   n * {u32 tree, u32 reserved, u64 root page id}: all of them
 *     commit  {u64 commit applied, u64 page id end, u64 map entries, u64 roots}
 *             page id end: larger than every durable page id. roots: all ones when this
 *             checkpoint has no roots record, the ones before stay
 *     seal    {u64 end of the commit record in the file}
 *
 * A checkpoint is: map*, roots*, commit. It counts once its commit record is whole and the counts
 * agree. The seal is written after the sync that made the checkpoint durable (and is itself not
 * synced): it, or any record of a later checkpoint, proves that what lies before was durable once.
 * So a bad record is damage when such a proof follows it, and a torn tail otherwise.
 *
 * The first checkpoint of a file is full. A file that outgrew twice its live size is written anew
 * beside the old one and renamed over it.
 */
#ifndef PAGER_FORMAT_H
#define PAGER_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base_bytes.h"
#include "base/base_ids.h"

enum {
    PAGE_UNIT_SIZE = 4096,
    IMAGE_HEADER_SIZE = 64,
    IMAGE_VERSION = 1,
    IMAGE_DURABLE = 1,
    IMAGE_TEMPORARY = 2,
    IMAGE_PLAIN = 1,

    MANIFEST_VERSION = 1,
    MANIFEST_HEADER_SIZE = 40,
    MANIFEST_PAYLOAD_MAX = 1 << 20,
    MANIFEST_FILE_SIZE = 8,
    MANIFEST_MAP_ENTRY_SIZE = 16,
    MANIFEST_ROOT_ENTRY_SIZE = 16,
    MANIFEST_COMMIT_SIZE = 32,
    MANIFEST_SEAL_SIZE = 8,
};

#define IMAGE_MAGIC 0x47415073u    /* "sPAG" */
#define MANIFEST_MAGIC 0x4E414D73u /* "sMAN" */

/* ---- extents ---- */

struct extent {
    uint64_t offset; /* first unit */
    uint32_t units;
    uint32_t size; /* of the page, header included */
    uint8_t check;
};

enum { EXTENT_CLASS_UNITS = 15 };
#define EXTENT_OFFSET_MAX ((1ull << 40) - 1)

static inline uint64_t extent_encode(const struct extent *extent) {
    bool power = (extent->size & (extent->size - 1)) == 0;
    uint64_t size_class = power ? (uint64_t)__builtin_ctz(extent->size) - 12 : EXTENT_CLASS_UNITS;
    return 2ull | size_class << 2 | (uint64_t)extent->units << 6 | extent->offset << 16 |
           (uint64_t)extent->check << 56;
}
/* False when no extent looks like that. */
bool extent_decode(uint64_t bits, struct extent *extent_out);

/* ---- images ---- */

struct image {
    struct page_id id;
    uint32_t size, stored_size;
    uint8_t lifetime, encoding;
};

/* Fills the header in front of the user's bytes at `bytes` and returns the checksum. */
uint64_t image_encode(const struct image *image, uint8_t *bytes);
/* NULL when the `size` bytes are a good image; otherwise what is wrong with them. */
const char *image_decode(const uint8_t *bytes, uint32_t size, struct image *image_out);

/* ---- manifest ---- */

enum manifest_type {
    MANIFEST_FILE = 1,
    MANIFEST_MAP,
    MANIFEST_ROOTS,
    MANIFEST_COMMIT,
    MANIFEST_SEAL,
};
enum { MANIFEST_FULL = 1 };

struct manifest_record {
    uint16_t type, flags;
    uint64_t checkpoint;
    uint32_t payload_size;
    uint64_t payload_checksum;
};
void manifest_record_encode(const struct manifest_record *record, const uint8_t *payload,
                            uint8_t header[MANIFEST_HEADER_SIZE]);
bool manifest_record_decode(const uint8_t header[MANIFEST_HEADER_SIZE],
                            struct manifest_record *record_out);
bool manifest_payload_good(const struct manifest_record *record, const uint8_t *payload);

struct manifest_commit {
    struct commit_number applied;
    uint64_t page_id_end, map_count, root_count;
};
#define MANIFEST_ROOTS_UNCHANGED UINT64_MAX
void manifest_commit_encode(const struct manifest_commit *commit,
                            uint8_t payload[MANIFEST_COMMIT_SIZE]);
void manifest_commit_decode(const uint8_t payload[MANIFEST_COMMIT_SIZE],
                            struct manifest_commit *commit_out);

#endif
