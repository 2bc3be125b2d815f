/* Private to the room: the journal's state, shared by its files. */
#ifndef JOURNAL_STATE_H
#define JOURNAL_STATE_H

#include <stdatomic.h>

#include "base/base_list.h"
#include "journal/journal.h"
#include "journal/journal_format.h"
#include "runtime/runtime_file.h"
#include "runtime/runtime_sync.h"

enum {
    JOURNAL_PATH_SIZE = 1024,
    JOURNAL_DIRECTORY_SIZE = 900, /* leaves room for a file's name */
    JOURNAL_SEGMENT_SIZE_MIN = 64 << 10,
    JOURNAL_SPARE_NAME_SIZE = 32,
};
#define JOURNAL_SEGMENT_SIZE_DEFAULT ((uint64_t)64 << 20)
#define JOURNAL_SIZE_TARGET_DEFAULT ((uint64_t)1 << 30)

struct segment {
    struct journal_segment_header header;
};

/* How far the making of the next segment is: whether a spare was taken for it, whether its file has
   the segment's name, and whether that is durable. */
enum segment_adding { SEGMENT_ABSENT, SEGMENT_TAKEN, SEGMENT_NAMED, SEGMENT_DURABLE };

/* One of the two buffers: a frame being filled or being written. */
struct frame_buffer {
    uint8_t *bytes; /* buffer_size bytes, aligned for direct writes */
    size_t payload_size;
    uint32_t record_count;
    uint64_t first_number;
    enum journal_frame_kind kind;
    unsigned fragment_flags;
    bool ready; /* the writer may take it */
};

struct durable_waiter {
    struct list node; /* in journal.durable_waiters, any order */
    uint64_t number;
    struct condition condition;
};

/*
 * Appenders fill buffers[filling]; the writer fiber swaps the buffers when the filled one is ready,
 * and writes the other one. Invariants:
 *   next_number is the number the next completed record gets; durable < next_number.
 *   A record's number is given out in the moment its last byte is in the filled buffer.
 *   What is in the buffers has its place in the last segment and in spares: the disk's being full
 *   is told to who appends, not found out by the writer.
 *   append_mutex is held by a large record from its first to its last byte, and by appenders that
 *   wait for room, so that they are served in order.
 */
struct journal {
    unsigned core;
    char directory[JOURNAL_DIRECTORY_SIZE];
    uint64_t database_id;
    uint64_t segment_size, size_target;
    enum journal_sync sync;

    struct segment *segments; /* oldest first; the last one is being written */
    size_t segment_count, segment_capacity;
    struct file *file; /* of the last segment */
    uint64_t offset;   /* where the next frame goes in it */
    uint64_t next_frame, previous_hash;
    bool record_open; /* the last frame written left a large record unfinished */

    char (*spares)[JOURNAL_SPARE_NAME_SIZE];
    size_t spare_count, spare_capacity;
    uint64_t spare_next;
    enum segment_adding adding;
    char taken[JOURNAL_SPARE_NAME_SIZE]; /* the spare, from SEGMENT_TAKEN on */
    uint64_t sequence_first;             /* of the first segment */
    int64_t segment_begun_ns;
    bool preparing;
    struct event prepared;
    struct error prepare_error; /* why no spare could be made the last time; status OK: it was */

    struct frame_buffer buffers[2];
    unsigned filling;
    size_t buffer_size;
    struct fiber_mutex append_mutex;
    struct condition room; /* the filled buffer was taken, or segments were released */
    struct condition work; /* the writer waits for a ready buffer */
    bool refusing_when_full;
    bool writer_idle, writing, stopping, abandoned;
    struct event writer_ended;
    struct fiber_mutex segments_mutex; /* recycling against adding */

    _Atomic uint64_t next_number, durable;
    _Atomic uint64_t bytes_used, bytes_total, bytes_written, frames, records, syncs;
    struct list durable_waiters;
    void (*on_durable)(void *context, struct commit_number durable);
    void *on_durable_context;
};

/* ---- segment.c */
void journal__segment_path(const char *directory, uint64_t sequence, char *path_out);
/* Begin a new segment behind the last one, taking a spare or making one. After OUT_OF_MEMORY,
   unless `adding` is SEGMENT_NAMED then (a sync has failed), it may be called again and goes on
   where it was. */
enum status journal__segment_add(struct fiber *f, struct journal *journal) MUST_USE;
/* Remove all spares but one and those that frames not yet written need. */
enum status journal__spares_trim(struct fiber *f, struct journal *journal) MUST_USE;
/* From the middle of a segment on have a spare ready for the next (a background fiber). */
void journal__prepare_ahead(struct fiber *f, struct journal *journal);
/* Wait until there is one spare more, or none could be made, and why. */
enum status journal__spare_wait(struct fiber *f, struct journal *journal) MUST_USE;
void journal__account(struct journal *journal);
/* The last record with bytes in segment i, which is not the last segment. */
uint64_t journal__last_number(const struct journal *journal, size_t i);
/* What is in a directory. `segments_out` by rising sequence, headers read and verified. */
enum status journal__segments_read(struct fiber *f, const char *directory, uint64_t database_id,
                                   struct segment **segments_out, size_t *count_out) MUST_USE;
/* The same of a damaged directory: segments whose header is damaged are told by their first frame,
   or reported and left out. */
enum status journal__segments_salvage(struct fiber *f, const char *directory, uint64_t database_id,
                                      void (*report)(void *context, const char *line),
                                      void *context, struct segment **segments_out,
                                      size_t *count_out) MUST_USE;
/* Remove every segment. *sequence_out: one that none of them had. */
enum status journal__segments_remove(struct fiber *f, const char *directory, uint64_t *sequence_out)
    MUST_USE;
/* Remove half-made files, collect spares of the right size. */
enum status journal__spares_read(struct fiber *f, struct journal *journal) MUST_USE;

/* ---- writer.c */
/* Is there a place for both frames, the filled one with `size` bytes more, in the last segment and
   so many spares? */
bool journal__placed(const struct journal *journal, size_t size, size_t spares);
enum status journal__writer_start(struct fiber *f, struct journal *journal) MUST_USE;

/* ---- replay.c */
struct replay_end {
    uint64_t offset, next_frame, previous_hash, next_number;
    uint64_t last_offset; /* of the last frame or large record in the last segment, at least */
    bool record_open;
    uint64_t frames, records;
};
enum status journal__replay(struct fiber *f, const char *directory, const struct segment *segments,
                            size_t count, const struct journal_replay *replay,
                            struct replay_end *end_out) MUST_USE;

#endif
