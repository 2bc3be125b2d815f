/*
 * drive_log: a store of format 2 that fibers write front to back and read whole when they open it.
 *
 * What drive.h does for threads (mappings, an index, any order) is not for fibers, whose file I/O
 * goes through runtime_file.h. A log needs none of it: entries are appended in batches and walked
 * once. The file is an ordinary store: `satori drive list` and `verify` read it.
 *
 *     TRY(drive_log_create(f, path, &log));
 *     TRY(drive_log_put(f, log, key, value, false));
 *     TRY(drive_log_put(f, log, key_2, value_2, true));   the batch is whole
 *     TRY(drive_log_sync(f, log));                        and durable
 *
 * Keys must be different: nobody looks up here, newest does not win. After a failed call nothing
 * more can be written (IO_ERROR); what was synced is there when the log is opened again.
 *
 * Proof. drive_log_sync appends a seal after the sync, itself not synced: an entry behind which a
 * seal lies was durable once. So a bad entry is damage if a seal follows and a torn tail if not;
 * batches never carry the flag of a seal themselves, since the seal before them may be lost.
 *
 * A log belongs to one fiber at a time.
 */
#ifndef DRIVE_LOG_H
#define DRIVE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base_slice.h"
#include "base/base_status.h"

struct fiber;
struct drive_log;

enum { DRIVE_LOG_KEY_SIZE_MAX = 64, DRIVE_LOG_VALUE_SIZE_MAX = 1 << 20 }; /* bytes */

/* A new, empty store in place of what is there, whose room in the file system it uses; durable with
   the first sync, which cuts off what it did not need. */
enum status drive_log_create(struct fiber *f, const char *path, struct drive_log **log_out)
    MUST_USE;

/* Called for each entry in order; bytes live until it returns. Of a torn last batch the first
   entries may be seen, but not the one with `ends_batch`. A failure ends the opening. */
struct drive_log_reader {
    enum status (*entry)(void *context, struct slice key, struct slice value, bool ends_batch);
    void *context;
};
/* Walk the store, cut off a torn tail, make durable what is left. DATA_CORRUPTED with path and
   offset. *cut_out: bytes of the tail. */
enum status drive_log_open(struct fiber *f, const char *path, const struct drive_log_reader *reader,
                           struct drive_log **log_out, uint64_t *cut_out) MUST_USE;

/* Walk a store that may be damaged, and change nothing. What is unreadable is passed over: `gap` is
   told its offset, then the entries behind it follow. DATA_CORRUPTED when the file's header is bad,
   without which no entry can be told. */
enum status drive_log_salvage(struct fiber *f, const char *path,
                              const struct drive_log_reader *reader,
                              void (*gap)(void *context, uint64_t offset)) MUST_USE;

enum status drive_log_put(struct fiber *f, struct drive_log *log, struct slice key,
                          struct slice value, bool ends_batch) MUST_USE;
/* Everything put is durable on return; between batches only. */
enum status drive_log_sync(struct fiber *f, struct drive_log *log) MUST_USE;
/* Bytes, of whole batches and those still to be written. */
uint64_t drive_log_size(const struct drive_log *log);
/* Suspends. Neither writes nor syncs; NULL is fine. */
enum status drive_log_close(struct fiber *f, struct drive_log *log);

#endif
