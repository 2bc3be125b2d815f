/*
 * The bytes of a batch on their way to the file.
 *
 * A batch is laid out first (where each entry starts, which version it follows), then its bytes are
 * gathered: headers, keys and small values in a staging buffer, large values where the caller has
 * them. The buffer goes to the file when a megabyte is together: more at a time makes the kernel
 * look for larger runs of pages, which takes longer than it saves.
 */
#ifndef DRIVE_STAGE_H
#define DRIVE_STAGE_H

#include "drive/store.h"

enum {
    STAGE_SIZE = 256 << 10,
    STAGE_SLACK = 8, /* zeros are stored in words */
    PIECES_MAX = 512,
};

struct planned {
    uint64_t start, value_at, end;
    uint64_t version; /* place of the key's version before, of this batch too */
    bool dropped;     /* deletion of a key that is not there */
    bool live_before; /* the version before is a value */
};

/* The checksum of a value by itself, made ahead by another thread. */
struct value_sum {
    _Atomic bool done;
    uint32_t sum;
};

struct stage {
    struct planned *plan;
    size_t plan_capacity;
    uint32_t *buckets; /* keys of this batch: item number + 1 */
    size_t bucket_count;
    struct value_sum *sums; /* one for each item, when large values are summed ahead */
    size_t sum_capacity;
    uint8_t *bytes;
    size_t used, staged_from;
    struct slice pieces[PIECES_MAX];
    size_t piece_count;
    uint64_t write_at, pending;
    struct plain_file *file;
    uint64_t power_size; /* crc32c_power() of values of that size */
    uint32_t power;
};

/* Write the planned batch behind figures->end. `file` is set; on failure some of it may be
   written. */
enum status stage__batch(struct drive *drive, const struct geometry *geometry, struct stage *stage,
                         const struct write_item *items, size_t count,
                         const struct figures *figures, int64_t now_us) MUST_USE;

#endif
