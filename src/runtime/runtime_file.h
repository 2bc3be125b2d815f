/*
 * Files and directories. All calls suspend, whatever the back end. Reads and writes are whole:
 * a short transfer is retried inside, so fewer bytes than asked means end of file (reads) and
 * never happens for writes. Failures are IO_ERROR, DISK_FULL, UNDEFINED_FILE, DUPLICATE_FILE or
 * INSUFFICIENT_PRIVILEGE with path, offset and the system's words in the detail.
 *
 * Once write, sync, truncate or rename failed the caller must assume the worst about the file's
 * unsynced contents; nothing here retries a failed sync.
 */
#ifndef RUNTIME_FILE_H
#define RUNTIME_FILE_H

#include "base/base_arena.h"
#include "base/base_slice.h"
#include "runtime/runtime.h"

struct file;

enum file_flags {
    FILE_READ_ONLY = 1,
    FILE_CREATE = 2,    /* create if absent */
    FILE_EXCLUSIVE = 4, /* with CREATE: DUPLICATE_FILE if present */
    FILE_DIRECT = 8,    /* bypass the page cache: buffer, size and offset are multiples of
                           FILE_DIRECT_ALIGNMENT. Falls back silently where unsupported */
    FILE_TRUNCATE = 16,
};
enum { FILE_DIRECT_ALIGNMENT = 4096 };

/* A file handle may be used by fibers of any core. */
enum status file_open(struct fiber *f, const char *path, unsigned flags, struct file **file_out)
    MUST_USE;
/* Suspends; the handle is gone even on failure. */
enum status file_close(struct fiber *f, struct file *file);
const char *file_path(const struct file *file);

/* *size_out < size only at end of file. */
enum status file_read(struct fiber *f, struct file *file, void *buffer, size_t size,
                      uint64_t offset, size_t *size_out) MUST_USE;
/* Read exactly `size` bytes; DATA_CORRUPTED when the file ends before. */
enum status file_read_exact(struct fiber *f, struct file *file, void *buffer, size_t size,
                            uint64_t offset) MUST_USE;
enum file_write_flags { FILE_WRITE_PLAIN = 0, FILE_WRITE_DURABLE = 1 /* RWF_DSYNC */ };
enum status file_write(struct fiber *f, struct file *file, const void *buffer, size_t size,
                       uint64_t offset, unsigned flags) MUST_USE;
/* fdatasync: data and what is needed to read it back. */
enum status file_sync(struct fiber *f, struct file *file) MUST_USE;
enum status file_truncate(struct fiber *f, struct file *file, uint64_t size) MUST_USE;
/* Make the file `size` bytes long with blocks allocated; new bytes read as zero. */
enum status file_allocate(struct fiber *f, struct file *file, uint64_t size) MUST_USE;
enum status file_size(struct fiber *f, struct file *file, uint64_t *size_out) MUST_USE;
/* Give the blocks of a range back to the file system; it reads as zero. Best effort. */
enum status file_punch(struct fiber *f, struct file *file, uint64_t offset, uint64_t size) MUST_USE;
/* Lock against other processes; OBJECT_IN_USE (detail: holder's process id, if known). */
enum status file_lock_exclusive(struct fiber *f, struct file *file) MUST_USE;

enum status file_exists(struct fiber *f, const char *path, bool *exists_out) MUST_USE;
enum status file_remove(struct fiber *f, const char *path) MUST_USE;
/* Atomic replace; durable only after directory_sync of the directory. */
enum status file_rename(struct fiber *f, const char *from, const char *to) MUST_USE;

/* A small file of the system (time zones), where no fiber is at hand: reads at once, blocking the
   caller's thread. UNDEFINED_FILE, or LIMIT_EXCEEDED beyond size_max bytes. Bytes in the arena. */
enum status file_read_blocking(const char *path, size_t size_max, struct arena *arena,
                               struct slice *bytes_out) MUST_USE;

/* Creates one level, mode 0700. DUPLICATE_FILE if present. */
enum status directory_create(struct fiber *f, const char *path) MUST_USE;
enum status directory_remove(struct fiber *f, const char *path) MUST_USE;
enum status directory_sync(struct fiber *f, const char *path) MUST_USE;
/* Names without "." and "..", sorted; the caller frees names[i] and names with memory_free. */
enum status directory_list(struct fiber *f, const char *path, char ***names_out, size_t *count_out)
    MUST_USE;

#endif
