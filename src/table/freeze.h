/*
 * Freezing inside the room: one range at a time. The background and VACUUM (FREEZE) decide which.
 */
#ifndef FREEZE_H
#define FREEZE_H

#include "table/block.h"
#include "table/scan.h"

enum {
    PURGE_COUNT_MAX = 512,              /* rows purged under one lock, which writers wait for */
    JOIN_COUNT_MAX = 512,               /* rows moved by one transaction */
    JOIN_ROWS_MAX = BLOCK_ROWS_MAX / 4, /* blocks with no more rows than this ... */
    JOIN_BYTES_MAX = 1 << 20,           /* ... and decoded bytes are small */
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
    uint64_t moved;              /* out */
    uint64_t block_rows;         /* out of a purge, into moving: of the block */
    bool more;                   /* out of a purge or of moving: there are more */
};

/* One transaction with the table held as it is. */
struct freeze_call {
    struct freeze_work *work;
    const struct table *table; /* as it is now */
    struct transaction *transaction;
    uint64_t generation; /* of the older block, 0 without one */
    uint64_t *stay_hot;  /* row ids: long rows, then those that were changed meanwhile */
    size_t long_count;
    bool taken; /* somebody has the range: nothing happened */
};
/* How to run it. */
struct freeze_run {
    enum isolation isolation;
    enum relation_lock_mode mode; /* of the table */
    bool commits;                 /* when the outcome is FREEZE_DONE */
    enum status (*body)(struct fiber *f, struct freeze_call *call);
};
/* The outcome is FREEZE_BUSY, without a call of the body, when somebody is about to change the
   table. */
enum status freeze__in_transaction(struct fiber *f, struct freeze_work *work,
                                   const struct freeze_run *run) MUST_USE;

/* Make a (new) block of all that is in the range: a transaction of its own. */
enum status freeze__range(struct fiber *f, struct freeze_work *work) MUST_USE;
/* Take rows out of the hot tree that the range's block has and no snapshot needs, PURGE_COUNT_MAX
   at most. */
enum status freeze__purge(struct fiber *f, struct freeze_work *work) MUST_USE;
/* A scan of all that is in the range at the transaction's snapshot: each column of the table (0 for
   those that were dropped), then the row's address. On the partition; `arena` must live as long. */
enum status freeze__scan_open(struct fiber *f, const struct freeze_call *call,
                              struct partition *partition, struct arena *arena,
                              struct table_scan **scan_out) MUST_USE;

/* ---- joining small blocks (freeze_join.c) ------------------------------------------------- */

enum { FREEZE_SMALL_MAX = 64 };

/* Which ranges have a small block that could be joined with others, so many at most. */
struct freeze_small {
    struct catalog *catalog;
    const struct table *table;
    unsigned partition;
    int64_t quiet_ns; /* nobody has written to them for so long */
    bool at_once;     /* however few rows they have */
    bool all;         /* look also at blocks whose headers do not lie in the tree */
    /* out */
    size_t count;
    uint64_t ranges[FREEZE_SMALL_MAX], rows[FREEZE_SMALL_MAX]; /* rows of their blocks */
    uint64_t grows;                                            /* the range that new rows go to */
    bool begun;                                                /* it has had rows */
};
enum status freeze__small_find(struct fiber *f, struct freeze_small *small) MUST_USE;
/* Just `grows` and `begun`. */
enum status freeze__find_growing(struct fiber *f, struct freeze_small *small) MUST_USE;
/* Move rows of the range, JOIN_COUNT_MAX at most, to where new rows go. FREEZE_BUSY: somebody has
   one of them or of their keys, and none was moved; FREEZE_TOO_LARGE: they are few but long, and
   none was. */
enum status freeze__move_rows(struct fiber *f, struct freeze_work *work) MUST_USE;

#endif
