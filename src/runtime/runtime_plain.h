/*
 * Plain files: blocking calls for ordinary threads, and files as memory.
 *
 * runtime_file.h serves fibers, which must not block. What is called from any thread of the
 * embedding program (drive/) uses these. On a fiber they block its core: go through
 * blocking_call() (below). Failures are those of runtime_file.h, with path and the system's words.
 */
#ifndef RUNTIME_PLAIN_H
#define RUNTIME_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_slice.h"
#include "base/base_status.h"

struct fiber;
struct plain_file;

enum plain_flags {
    PLAIN_READ_ONLY = 1,
    PLAIN_CREATE = 2,
    PLAIN_EXCLUSIVE = 4, /* with CREATE: DUPLICATE_FILE if present */
    PLAIN_TRUNCATE = 8,
};

enum status plain_open(const char *path, unsigned flags, struct plain_file **file_out) MUST_USE;
/* NULL is fine. Mappings and nothing else outlive it. */
void plain_close(struct plain_file *file);
/* After plain_rename of the file. False when out of memory. */
bool plain_path_set(struct plain_file *file, const char *path) MUST_USE;
enum status plain_size(struct plain_file *file, uint64_t *size_out) MUST_USE;
/* Reads until `size` bytes or the end of the file. */
enum status plain_read(struct plain_file *file, void *buffer, size_t size, uint64_t offset,
                       size_t *size_out) MUST_USE;
/* All pieces one after the other from `offset`; any number of them. On failure some bytes may be
   written: the caller cuts them off. */
enum status plain_write(struct plain_file *file, const struct slice *pieces, size_t count,
                        uint64_t offset) MUST_USE;
/* fdatasync. Never retried. */
enum status plain_sync(struct plain_file *file) MUST_USE;
enum status plain_truncate(struct plain_file *file, uint64_t size) MUST_USE;
/* A wish: room on the disk for bytes offset .. offset + size, so that writing there need not look
   for it. The file does not become longer; plain_truncate gives back what lies behind its end. */
void plain_reserve(struct plain_file *file, uint64_t offset, uint64_t size);
/* Against other processes and other handles of this one; released by plain_close. OBJECT_IN_USE
   when somebody has it. */
enum status plain_lock(struct plain_file *file) MUST_USE;
void plain_unlock(struct plain_file *file); /* NULL is fine */
/* Is this file still what its path names (or was it replaced, renamed, removed)? */
bool plain_is_at_path(const struct plain_file *file);

/* Often the clean-up after a failure, where nobody asks. */
enum status plain_remove(const char *path);
/* Atomic replace, made durable by plain_directory_sync of either path. */
enum status plain_rename(const char *from, const char *to) MUST_USE;
/* The directory that holds `path`. */
enum status plain_directory_sync(const char *path) MUST_USE;
/* One level; an existing directory is fine. */
enum status plain_directory_create(const char *path) MUST_USE;

enum plain_kind { PLAIN_ABSENT, PLAIN_FILE, PLAIN_DIRECTORY, PLAIN_LINK, PLAIN_OTHER };
/* What the path names, a symbolic link itself. */
enum plain_kind plain_kind(const char *path);
/* Names without "." and "..", sorted; names[i] and names are the caller's (memory_free). */
enum status plain_directory_list(const char *path, char ***names_out, size_t *count_out) MUST_USE;

/* ---- files as memory --------------------------------------------------------------------- */

/* The first `size` bytes of the file, read-only and shared: what is written to the file later
   shows. `size` may lie beyond the file's end; a byte may be touched once the file has grown over
   it. */
enum status plain_map(struct plain_file *file, uint64_t size, const uint8_t **base_out) MUST_USE;
/* The same, but writable; what is written stays in this process's memory. */
enum status plain_map_private(struct plain_file *file, uint64_t size, uint8_t **base_out) MUST_USE;
/* Zeroed memory with the file nowhere, huge pages where the system gives them. NULL: none left. */
void *plain_map_memory(uint64_t size);
void plain_unmap(const void *base, uint64_t size);

enum plain_advice { PLAIN_WILL_NEED, PLAIN_SEQUENTIAL, PLAIN_RANDOM, PLAIN_DROP };
/* A wish about a range of a shared mapping. DROP: this process's memory lets go of the range; it
   comes back from the file when touched. */
void plain_advise(const void *base, uint64_t offset, uint64_t size, enum plain_advice advice);

/* ---- standard input and output ------------------------------------------------------------ */

/* First in a program: whichever of standard input, output and error was closed by who started it
   becomes one that fails when used, so that no file that is opened later takes its number. */
void plain_hold_standard(void);
/* Bytes of standard input; 0 at its end. */
enum status plain_input(void *buffer, size_t size, size_t *size_out) MUST_USE;
enum status plain_output(const void *bytes, size_t size) MUST_USE;

/* ---- fibers -------------------------------------------------------------------------------- */

/* Suspends: run `function` on a thread that may block and wait for it, uninterrupted. Its error
   detail is in the caller's slot. */
enum status blocking_call(struct fiber *f, enum status (*function)(void *argument), void *argument)
    MUST_USE;

/* ---- tests --------------------------------------------------------------------------------- */

enum plain_change {
    PLAIN_CHANGE_CREATE,
    PLAIN_CHANGE_WRITE,
    PLAIN_CHANGE_SYNC,
    PLAIN_CHANGE_TRUNCATE,
    PLAIN_CHANGE_RENAME,
    PLAIN_CHANGE_REMOVE,
    PLAIN_CHANGE_DIRECTORY_SYNC, /* of the one that `path` is in */
};
struct plain_event {
    enum plain_change change;
    const char *path, *path_to;
    uint64_t offset, size; /* size: of a write (may be lowered: a short write), of a truncate */
    const struct slice *pieces;
    size_t count;
    bool truncates; /* create: what there is goes */
};
/* Sees every change before it happens and may refuse it with an errno (0: go on). For a write it
   may lower event->size and refuse: so much is written first. NULL: none. Not while other threads
   are inside. */
void plain_hook_set(int (*hook)(void *context, struct plain_event *event), void *context);

#endif
