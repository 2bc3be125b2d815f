/*
 * drive: one file, keys to bytes, newest wins, nothing ever overwritten. Reads hand out the bytes
 * where they lie.
 *
 *     struct drive *drive;
 *     TRY(drive_open("store.drive", &(struct drive_options){.create = true}, &drive));
 *     TRY(drive_put(drive, slice_of_text("key"), slice_of_text("value"), DRIVE_SYNC));
 *     struct drive_handle handle;
 *     TRY(drive_get(drive, slice_of_text("key"), &handle));
 *     if (handle.data != NULL)
 *         ... handle.size bytes at handle.data ...
 *     drive_handle_release(&handle);
 *     TRY(drive_close(drive));
 *
 * Two file formats (format.h): 1 is that of simd-r-drive 0.2.0-alpha, 2 is satori's and the
 * default for new stores. A store is written by one process at a time (a second gets
 * OBJECT_IN_USE) and read by any number, which see new entries at drive_refresh().
 *
 * Threads. Every function may be called from any thread at any time, close excepted. Reads take
 * no lock: they pin a *view* (mapping, index and length that belong together) by a counter.
 * Writers of one process take turns; those that ask for durability share syncs. All calls block
 * as system calls do; on a fiber go through blocking_call().
 *
 * Atomicity. A batch is all or nothing, for readers of this process, for other processes and after
 * a crash. (Format 1 knows no batches: there each entry is by itself.)
 *
 * Failures. DISK_FULL, IO_ERROR ... of the file: the store is as it was before the call.
 * LIMIT_EXCEEDED: key or value over the limits below. READ_ONLY_TRANSACTION: opened read-only.
 * DATA_CORRUPTED: what was asked for is damaged, with its offset. WRONG_OBJECT_TYPE: the file is
 * something else. FEATURE_NOT_SUPPORTED: a newer format. A file that another program cuts off while
 * it is open is DATA_CORRUPTED at the next write or refresh; whoever touches bytes that are gone
 * before that gets SIGBUS from the system, as with any mapped file. After a failed sync, or a
 * failed write whose remains could not be cut off, the store takes no more writes until it is
 * opened anew.
 */
#ifndef DRIVE_H
#define DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_slice.h"
#include "base/base_status.h"

#define DRIVE_KEY_SIZE_MAX ((size_t)65535)
#define DRIVE_VALUE_SIZE_MAX ((uint64_t)1 << 40) /* 1 TiB */
#define DRIVE_FILE_SIZE_MAX ((uint64_t)1 << 47)  /* 128 TiB */

struct drive;
struct drive_view;

/* ---- open and close ------------------------------------------------------------------------ */

enum drive_durability { DRIVE_NONE = 0, DRIVE_SYNC = 1 };

/* A range of the file that is not a readable entry. */
struct drive_damage {
    uint64_t offset, size;
};
enum { DRIVE_DAMAGE_MAX = 64 };

/* What opening found. */
struct drive_recovery {
    uint64_t tail_size;                 /* bytes of a torn tail, cut off (read-only: passed over) */
    uint64_t tail_offset;               /* where it began */
    char tail_path[1024];               /* where they are kept; "" if not asked for */
    uint64_t damage_count, damage_size; /* ranges in the middle; nothing was done to them */
    struct drive_damage damage[DRIVE_DAMAGE_MAX]; /* the first ones */
    bool snapshot_used;                           /* the index came from its snapshot */
    uint64_t walked;                              /* entries read to complete the index */
};

/* Zeroed: open an existing store for writing. */
struct drive_options {
    bool create;    /* if there is none */
    bool exclusive; /* with create: DUPLICATE_FILE if there is one */
    bool read_only;
    unsigned format;    /* new store: 1 or 2, 0: 2. Existing: must agree, 0: whatever it is */
    unsigned alignment; /* new store, format 2: of values, a power of two 1 .. 4096; 0: 64 */
    bool keep_tail;     /* keep a torn tail in PATH.tail-OFFSET */
    bool no_snapshot;   /* neither read nor write PATH.index */
    uint64_t memory;    /* most bytes for the index; 0: no limit. LIMIT_EXCEEDED beyond it. Long
                           passes also keep no more of the file in memory */
};

/* On failure nothing is open and no file was changed. */
enum status drive_open(const char *path, const struct drive_options *options,
                       struct drive **drive_out) MUST_USE;
/* Makes durable what the next opening will rely on, and writes the index snapshot if there are
   10,000 entries or more, of which over a 64th is not in the one that is there. Handles and
   iterators stay valid. The store is closed even on failure. NULL is fine. */
enum status drive_close(struct drive *drive) MUST_USE;

const struct drive_recovery *drive_recovery(const struct drive *drive);
/* Reading processes: take in what the writer has appended or compacted since. DATA_CORRUPTED: the
   file has become shorter (see "Failures" above). */
enum status drive_refresh(struct drive *drive) MUST_USE;
/* Everything written is durable on return. */
enum status drive_sync(struct drive *drive) MUST_USE;
/* Write PATH.index, so that the next opening need not walk the entries. Syncs first. */
enum status drive_snapshot(struct drive *drive) MUST_USE;

/* ---- reading ------------------------------------------------------------------------------- */

/* A value where it lies. Valid until released, whatever happens to the store meanwhile: appends,
   remaps, compaction, close. data is NULL: there is none (an empty value is not NULL). */
struct drive_handle {
    const uint8_t *data;
    size_t size;
    struct drive_view *view; /* private */
    uint64_t place;          /* private */
};

/* *handle_out is the caller's to release. */
enum status drive_get(struct drive *drive, struct slice key, struct drive_handle *handle_out)
    MUST_USE;
/* All keys as of one moment; faster than one by one, since memory is asked for ahead. On failure
   there is no handle to release. */
enum status drive_get_many(struct drive *drive, const struct slice *keys, size_t count,
                           struct drive_handle *handles_out) MUST_USE;
enum status drive_exists(struct drive *drive, struct slice key, bool *exists_out) MUST_USE;
/* The newest entry that is not a deletion and still in force. */
enum status drive_newest(struct drive *drive, struct drive_handle *handle_out) MUST_USE;
/* An absent handle is fine. */
void drive_handle_release(struct drive_handle *handle);
/* Many at once, cheaper for those of one drive_get_many. */
void drive_handles_release(struct drive_handle *handles, size_t count);
/* A second handle of the same value. */
struct drive_handle drive_handle_copy(const struct drive_handle *handle);
/* Bytes from `offset` on; returns how many (0 at the end): reading as a stream. */
size_t drive_handle_read(const struct drive_handle *handle, uint64_t offset, void *buffer,
                         size_t size);

struct drive_facts {
    uint64_t entry_offset, entry_size; /* all of the entry in the file */
    uint64_t value_offset, value_size;
    uint64_t key_hash; /* XXH3, 64 bits */
    uint32_t checksum; /* as stored: format 2 CRC-32C of the entry, format 1 CRC-32 of the value */
    int64_t time_us;   /* of commit, since 1970; 0 in format 1 */
    struct slice key;  /* NULL data in format 1; lives as long as the handle */
};
void drive_handle_facts(const struct drive_handle *handle, struct drive_facts *facts_out);
/* Compute the entry's checksum: DATA_CORRUPTED if it is another. */
enum status drive_handle_verify(const struct drive_handle *handle) MUST_USE;

struct drive_statistics {
    unsigned format, alignment;
    uint64_t count;      /* keys with a value */
    uint64_t key_count;  /* and deleted ones the index still knows */
    uint64_t file_size;  /* bytes */
    uint64_t saving;     /* about so many bytes compaction would free */
    uint64_t index_size; /* bytes of memory */
    int64_t created_us;  /* format 2 */
    bool read_only, nested;
};
void drive_statistics(struct drive *drive, struct drive_statistics *statistics_out);

/* ---- writing ------------------------------------------------------------------------------- */

struct drive_item {
    struct slice key, value;
    bool is_delete; /* value unused */
    bool existed;   /* out: the key had a value before this item */
};

enum status drive_put(struct drive *drive, struct slice key, struct slice value,
                      enum drive_durability durability) MUST_USE;
/* All or nothing, in order. Deleting an absent key writes nothing (format 1: a deletion, as its
   engine does). */
enum status drive_batch(struct drive *drive, struct drive_item *items, size_t count,
                        enum drive_durability durability) MUST_USE;
enum status drive_delete(struct drive *drive, struct slice key, enum drive_durability durability,
                         bool *existed_out) MUST_USE;

/* Gives the next bytes of a value: their number, 0 at the end. A failure ends the put. */
struct drive_source {
    enum status (*next)(void *context, void *buffer, size_t size, size_t *size_out);
    void *context;
};
/* A value of unknown length; a megabyte of it is in memory at a time. Other writers wait. The
   source must not write to the same store. */
enum status drive_put_stream(struct drive *drive, struct slice key,
                             const struct drive_source *source, enum drive_durability durability)
    MUST_USE;

/* Value and key change place in one batch. UNDEFINED_OBJECT: no such key; DUPLICATE_OBJECT: the new
   key has a value. */
enum status drive_rename(struct drive *drive, struct slice from, struct slice to,
                         enum drive_durability durability) MUST_USE;
/* Between stores (or within one), under another key if wanted. A move is a copy made durable, then
   a deletion: after a crash in between the entry is in both, never in none. */
enum status drive_copy(struct drive *source, struct slice key, struct drive *target,
                       struct slice target_key, enum drive_durability durability) MUST_USE;
enum status drive_move(struct drive *source, struct slice key, struct drive *target,
                       struct slice target_key, enum drive_durability durability) MUST_USE;

/* ---- passes over the store ------------------------------------------------------------------ */

/* Called now and then from the working thread; false: stop, the call fails with CANCELED. */
struct drive_progress {
    bool (*tick)(void *context, uint64_t done, uint64_t total);
    void *context;
};

enum drive_order { DRIVE_OLDEST_FIRST, DRIVE_NEWEST_FIRST };

struct drive_entry {
    struct slice key; /* NULL data in format 1: keys are not stored */
    struct slice value;
    uint64_t place, key_hash;
    int64_t time_us;
    bool deleted; /* only in histories */
};

/*
 * The keys with a value as they were when the iterator was opened, in order of their last write.
 * Writers go on meanwhile. Part i of n covers its share of the file; the parts of one scan are
 * opened together by drive_scan so that they show one moment.
 */
struct drive_iterator;
enum status drive_iterate(struct drive *drive, enum drive_order order,
                          struct drive_iterator **iterator_out) MUST_USE;
/* The same in `count` parts of about the same number of bytes (oldest first), for as many
   threads. On failure none is open. */
enum status drive_scan(struct drive *drive, unsigned count, struct drive_iterator **iterators_out)
    MUST_USE;
/* False at the end. Bytes are valid until the iterator is closed. Damaged entries are passed over
   (verify names them). */
bool drive_next(struct drive_iterator *iterator, struct drive_entry *entry_out);
/* A handle of the entry last returned. */
struct drive_handle drive_iterator_handle(const struct drive_iterator *iterator);
void drive_iterator_close(struct drive_iterator *iterator);

/* All versions of a key still in the file, newest first, deletions included. */
enum status drive_history(struct drive *drive, struct slice key,
                          enum status (*visit)(void *context, const struct drive_entry *entry),
                          void *context) MUST_USE;

/* Compute every checksum on `threads` threads. `report` is called for each damaged range, in order
   of offset. */
enum status drive_verify(struct drive *drive, unsigned threads,
                         void (*report)(void *context, struct drive_damage damage, const char *why),
                         void *context, const struct drive_progress *progress,
                         uint64_t *entry_count_out, uint64_t *damage_count_out) MUST_USE;

/* Write what is in force to a new file and let it take the old one's place. Readers and writers go
   on; writers wait only for the last bit. A crash leaves the old file or the new one. History and
   deletions are gone; damaged ranges too, unless there are any: then DATA_CORRUPTED and nothing is
   done. OBJECT_IN_USE: somebody compacts already. */
enum status drive_compact(struct drive *drive, const struct drive_progress *progress) MUST_USE;

/* Write what is in force in `source` to a new store. To format 2 from 1 the keys are needed: a
   value whose key is not among them is OBJECT_NOT_IN_PREREQUISITE_STATE. To format 1: an empty
   value, the single byte 0 and two keys of one hash are FEATURE_NOT_SUPPORTED. On failure there is
   no new store. */
enum status drive_convert(struct drive *source, const char *path,
                          const struct drive_options *options, const struct slice *keys,
                          size_t key_count, const struct drive_progress *progress) MUST_USE;

/* A store that is a value: read-only, in place. Holds the handle's value as long as it lives. */
enum status drive_open_nested(const struct drive_handle *handle, struct drive **drive_out) MUST_USE;

#endif
