/*
 * The bytes of a batch on their way to the file.
 *
 * A batch is laid out first (where each entry starts, which version it follows), then its bytes are
 * gathered: headers, keys and small values in a staging buffer, large values where the caller has
 * them. What is gathered goes to the file up to an even offset, since from there on the page cache
 * makes large runs of pages (ext4, 1 MiB in pieces of 256 KiB: 320 us, from offset 64 on 360), and
 * so much at a time that the second level cache holds it: a large value is summed after it was
 * written, its header comes last.
 */
#ifndef DRIVE_STAGE_H
#define DRIVE_STAGE_H

#include "drive/store.h"

enum {
    STAGE_SIZE = 256 << 10,      /* the buffer is written at multiples of this in the file */
    STAGED_VALUE_MAX = 16 << 10, /* larger ones are written from where the caller has them */
    /* An entry may reach over the end: header, key, gap, value; zeros are stored in words. */
    STAGE_SLACK = 64 + (64 << 10) + 4096 + STAGED_VALUE_MAX + 8,
    PIECES_MAX = 64,
};

struct planned {
    uint64_t start, value_at, end;
    uint64_t version; /* place of the key's version before, of this batch too */
    bool dropped;     /* deletion of a key that is not there */
    bool live_before; /* the version before is a value */
};

struct stage {
    struct planned *plan;
    size_t plan_capacity;
    uint32_t *buckets; /* keys of this batch: item number + 1 */
    size_t bucket_count;
    uint8_t *bytes;
    size_t used, staged_from;
    size_t limit; /* write when so much is pending: then an even offset is reached */
    struct slice pieces[PIECES_MAX];
    size_t piece_count;
    uint64_t write_at, pending;
    struct plain_file *file;
};

/* Write the planned batch behind figures->end. `file` is set; on failure some of it may be
   written. */
enum status stage__batch(struct drive *drive, const struct geometry *geometry, struct stage *stage,
                         const struct write_item *items, size_t count,
                         const struct figures *figures, int64_t now_us) MUST_USE;

#endif
