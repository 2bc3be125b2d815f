/*
 * Freezing inside the room: one range at a time. The background and VACUUM (FREEZE) decide which.
 */
#ifndef FREEZE_H
#define FREEZE_H

#include "table/block.h"
#include "table/scan.h"

enum {
    FREEZE_BYTES_MAX = 48 << 20, /* of a range's rows, decoded; wider ranges stay as they are */
    FREEZE_MEMORY_SHARE = 8,     /* of all memory: no more than this part of it */
    PURGE_COUNT_MAX = 512,       /* rows purged under one lock, which writers wait for */
};

enum freeze_outcome {
    FREEZE_DONE,
    FREEZE_NOTHING, /* no row is newer than the block */
    FREEZE_BUSY,    /* somebody writes to the range, or changes the table */
    FREEZE_TOO_LARGE,
};

/* A version of a block; commit 0: none. */
struct freeze_block {
    struct commit_number commit;
    uint64_t generation;
};

struct freeze_work {
    struct catalog *catalog;
    const struct table *table;
    unsigned partition;
    uint64_t range;
    struct commit_number commit; /* in: what must be visible; out: of the new block */
    /* Out of freezing: the new block. In, of a purge: who sees all up to its commit is known not to
       need what it was made of, if it is still the range's. */
    struct freeze_block made;
    enum freeze_outcome outcome; /* out */
    uint64_t rows;               /* out: of the new block */
    uint64_t purged;             /* out */
    uint64_t block_rows;         /* out of a purge: of the block */
    bool more;                   /* out of a purge: there are more */
};

/* Make a (new) block of all that is in the range: a transaction of its own. */
enum status freeze__range(struct fiber *f, struct freeze_work *work) MUST_USE;
/* Take rows out of the hot tree that the range's block has and no snapshot needs, PURGE_COUNT_MAX
   at most. */
enum status freeze__purge(struct fiber *f, struct freeze_work *work) MUST_USE;

#endif
