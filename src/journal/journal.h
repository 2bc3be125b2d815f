/*
 * The journal: the one ordered log of a database.
 *
 * A *record* is one committed transaction, opaque here. Its place in the journal is its commit
 * number. Records that wait together are written as one *frame* (group commit without added
 * delay): header, CRC-32C, hash of the frame before. Frames lie in a ring of preallocated, zeroed
 * segment files that are recycled once nobody needs them. A large record spans frames.
 *
 * The journal lives on the core that opened it; append, wait and durable may be called from any
 * core. A failed write or sync stops the process at once (log_fatal): it is never retried. Without
 * memory for a new segment commits wait until there is some.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "base/base_ids.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "runtime/runtime.h"

struct journal;

enum journal_sync {
    JOURNAL_SYNC_WRITE_DURABLE, /* one aligned direct write with RWF_DSYNC a frame */
    JOURNAL_SYNC_FDATASYNC,     /* write, then fdatasync */
    JOURNAL_SYNC_OFF,           /* for measuring and throw-away data: never sync */
};

struct journal_options {
    const char *directory;
    uint64_t segment_size; /* bytes of one segment file; 0: 64 MiB */
    uint64_t size_target;  /* bytes of all segments kept; 0: 1 GiB. A single record may exceed
                              it: segments are then added and removed again */
    enum journal_sync sync;
    bool create;
    bool restart; /* nothing of what is there is needed: begin anew behind record `last` */
    struct commit_number last;
    uint64_t database_id; /* random number in every segment; a foreign segment is refused */
};

/* Recovery hands out every record with a number > `from`, in order, in pieces: `begin` with number
   and size, then `bytes` one or more times, then `end`. A record is only begun once it is known
   to be whole and valid. A failure stops recovery and is passed on. */
struct journal_replay {
    struct commit_number from;
    enum status (*begin)(struct fiber *f, void *context, struct commit_number number,
                         uint64_t size);
    enum status (*bytes)(struct fiber *f, void *context, struct slice bytes);
    enum status (*end)(struct fiber *f, void *context);
    void *context;
};

/* Open, tell a torn tail (cut off, one log line with the number of bytes) from damage in the
   middle (DATA_CORRUPTED naming file and offset, nothing changed), replay, get ready to append.
   Logs progress every second. */
enum status journal_open(struct fiber *f, const struct journal_options *options,
                         const struct journal_replay *replay, struct journal **journal_out)
    MUST_USE;
/* Waits for what was appended to be durable. */
void journal_close(struct fiber *f, struct journal *journal);
/* As if the process were killed now, for tests of recovery: what was not written yet never is. The
   caller has no fiber waiting in the journal. */
void journal_abandon(struct fiber *f, struct journal *journal);

/* Append one record of at most JOURNAL_SMALL_SIZE_MAX bytes and get its number. The bytes are
   copied. Suspends only while the ring is full, a segment is to be made or a large record is being
   written (and on another core, for the call). Refused when no segment can be made for it:
   DISK_FULL, or what else its making failed with. On the journal's core, when it does not suspend,
   number order is call order. */
enum { JOURNAL_SMALL_SIZE_MAX = 1 << 20 };
enum status journal_append(struct fiber *f, struct journal *journal, struct slice record,
                           struct commit_number *number_out) MUST_USE;

/* Append a record of any size, its bytes fetched piece by piece: `next` gives the next piece
   (valid until the next call), empty at the end. Frames flow out while it runs; other appends
   wait behind it. If `next` fails or the fiber is cancelled, the record never existed. */
enum status journal_append_large(struct fiber *f, struct journal *journal,
                                 enum status (*next)(struct fiber *f, void *context,
                                                     struct slice *piece_out),
                                 void *context, struct commit_number *number_out) MUST_USE;

/* DISK_FULL while there is no next segment and none could be made (it is tried again now). What is
   left of the last one then is for records that make room: whoever has another asks first. Suspends
   while it is tried. On the journal's core. */
enum status journal_room_check(struct fiber *f, struct journal *journal) MUST_USE;

/* Wait until the record is durable. Not interruptible by cancellation: the commit has happened. */
void journal_wait_durable(struct fiber *f, struct journal *journal, struct commit_number number);
/* Largest number that is durable (any thread), and largest given out. */
struct commit_number journal_durable(const struct journal *journal);
struct commit_number journal_newest(const struct journal *journal);
/* Called on the journal's core, outside any fiber's wait, each time `durable` has risen. */
void journal_on_durable(struct journal *journal,
                        void (*function)(void *context, struct commit_number durable),
                        void *context);

/* Records up to and including `number` are no longer needed: their segments may be recycled. */
void journal_release(struct fiber *f, struct journal *journal, struct commit_number number);

/* Once half a minute without a new segment has passed, remove the spare ones but one. For a
   background fiber, now and then. */
void journal_trim(struct fiber *f, struct journal *journal);

/* Remove a spare segment that nothing already appended needs: false when there is none. On the
   journal's core. */
bool journal_spare_give(struct fiber *f, struct journal *journal);

/* While `refuse` is set, appends to a full ring fail with DISK_FULL instead of waiting for a
   release that will not come (checkpoints fail). On the journal's core. */
void journal_refuse_when_full(struct journal *journal, bool refuse);

struct journal_statistics {
    uint64_t bytes_written, frames, records, syncs;
    uint64_t bytes_used;  /* between the oldest needed record and the end */
    uint64_t bytes_total; /* of all segments */
};
void journal_statistics(const struct journal *journal, struct journal_statistics *statistics_out);

/* Replay a journal that may be damaged, and change nothing. Damage in records up to replay->from
   is passed over; damage behind them ends the replay, since what follows builds on what is missing.
   `report` gets a line for each. database_id 0: as the segments say. */
struct journal_salvage {
    struct commit_number last;      /* the newest record that was read, {0}: none */
    struct commit_number lost_from; /* the first record that was not, though wanted; {0}: none */
    struct commit_number newest;    /* the largest number seen anywhere */
    bool tail_unreadable;           /* half written at a crash, or damaged */
};
enum status journal_salvage(struct fiber *f, const char *directory, uint64_t database_id,
                            const struct journal_replay *replay,
                            void (*report)(void *context, const char *line), void *context,
                            struct journal_salvage *salvage_out) MUST_USE;

/* Read-only check of every frame of a journal directory; as journal_open would say it. */
enum status journal_check(struct fiber *f, const char *directory, uint64_t *frames_out,
                          uint64_t *records_out) MUST_USE;

#endif
