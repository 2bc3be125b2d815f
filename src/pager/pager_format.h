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
 * A drive store (drive/format.h, docs/drive.md), written as a drive_log: `satori drive list` reads
 * it. Each checkpoint is one batch, so it counts whole or not at all. Keys are text, all different,
 * and the store's "newest wins" never comes to bear; values are:
 *
 *     manifest    {u32 format version, u32 unit size}: the first key, and only there
 *     N/map/I     n * {u64 page id, u64 extent or 0 when the page is gone}, at most 1 MiB
 *     N/roots/I   n * {u32 tree, u32 reserved, u64 root page id}, at most 1 MiB: all of them
 *     N/commit    {u64 commit applied, u64 page id end, u64 map entries, u64 roots, u64 flags}
 *                 page id end: larger than every durable page id. roots: all ones when this
 *                 checkpoint has no N/roots, the ones before stay. flags, bit 0: the checkpoint
 *                 starts from an empty map (full)
 *
 * N is the number of the checkpoint, 1, 2, 3 ... without gaps inside a file; I counts from 0. The
 * batch is: map*, roots*, commit. The log's seals tell a torn tail from damage.
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
#include "base/base_slice.h"

enum {
    PAGE_UNIT_SIZE = 4096,
    IMAGE_HEADER_SIZE = 64,
    IMAGE_VERSION = 1,
    IMAGE_DURABLE = 1,
    IMAGE_TEMPORARY = 2,
    IMAGE_PLAIN = 1,

    MANIFEST_VERSION = 2,
    MANIFEST_VALUE_MAX = 1 << 20,
    MANIFEST_KEY_MAX = 48, /* two numbers of 20 digits and a name between them */
    MANIFEST_FILE_SIZE = 8,
    MANIFEST_MAP_ENTRY_SIZE = 16,
    MANIFEST_ROOT_ENTRY_SIZE = 16,
    MANIFEST_COMMIT_SIZE = 40,
};

#define IMAGE_MAGIC 0x47415073u /* "sPAG" */

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

enum manifest_part { MANIFEST_FILE = 1, MANIFEST_MAP, MANIFEST_ROOTS, MANIFEST_COMMIT };

struct manifest_key {
    enum manifest_part part;
    uint64_t checkpoint, index; /* as far as the part has them, else 0 */
};
/* Returns the size of the key. */
size_t manifest_key_encode(const struct manifest_key *key, char text[MANIFEST_KEY_MAX]);
/* False: it is none, or not written as encode does. */
bool manifest_key_decode(struct slice text, struct manifest_key *key_out);

struct manifest_commit {
    struct commit_number applied;
    uint64_t page_id_end, map_count, root_count;
    bool full;
};
#define MANIFEST_ROOTS_UNCHANGED UINT64_MAX
void manifest_commit_encode(const struct manifest_commit *commit,
                            uint8_t value[MANIFEST_COMMIT_SIZE]);
/* False: bits that nobody sets. */
bool manifest_commit_decode(const uint8_t value[MANIFEST_COMMIT_SIZE],
                            struct manifest_commit *commit_out);

#endif
