/*
 * satori's drive: one file, keys to bytes, newest wins, nothing ever overwritten. Reads hand out
 * the bytes where they lie in the file's memory.
 *
 *     struct satori_drive *drive;
 *     struct satori_drive_value value;
 *     if (satori_drive_open("store.drive", &(struct satori_drive_options){.create = 1}, &drive) !=
 * 0) fail(satori_drive_error()); satori_drive_put(drive, "key", 3, "value", 5, SATORI_DRIVE_SYNC);
 *     if (satori_drive_get(drive, "key", 3, &value) == 0 && value.data != NULL)
 *         printf("%.*s\n", (int)value.size, (const char *)value.data);
 *     satori_drive_release(&value);
 *     satori_drive_close(drive);
 *
 * Every function may be called from any thread at any time, close excepted; reads take no lock. A
 * store is written by one process at a time and read by any number. A batch is all or nothing, for
 * every reader and after a crash. Keys have at most 65,535 bytes, values at most 2^40.
 *
 * Functions return SATORI_OK (0) or SATORI_ERROR; then satori_drive_error() and
 * satori_drive_sqlstate() say why (this thread's, until its next failure), and the store is as it
 * was before the call. docs/drive.md is the guide.
 */
#ifndef SATORI_DRIVE_H
#define SATORI_DRIVE_H

#include <stddef.h>
#include <stdint.h>

#include "satori.h"

#ifdef __cplusplus
extern "C" {
#endif

struct satori_drive;
struct satori_drive_iterator;

const char *satori_drive_error(void);
const char *satori_drive_sqlstate(
    void); /* "53100" disk full, "55006" in use, "XX001" damaged ... */

/* ---- open and close ----------------------------------------------------------------------- */

/* Zeroed: an existing store, for writing. */
struct satori_drive_options {
    int create;
    int exclusive; /* with create: an error if there is one */
    int read_only;
    unsigned format;    /* new store: 2 (default) or 1, the files of simd-r-drive 0.2.0-alpha */
    unsigned alignment; /* new store: values start at multiples, a power of two to 4096; 0: 64 */
    int keep_tail;      /* keep a torn tail in PATH.tail-OFFSET */
    int no_index;       /* neither read nor write PATH.index */
    uint64_t memory;    /* most bytes for the index; 0: no limit */
};
int satori_drive_open(const char *path, const struct satori_drive_options *options,
                      struct satori_drive **drive_out);
/* Values and iterators stay valid. NULL is fine. */
int satori_drive_close(struct satori_drive *drive);
/* Reading processes: take in what the writer has done since. */
int satori_drive_refresh(struct satori_drive *drive);
int satori_drive_sync(struct satori_drive *drive);
/* Write PATH.index, which makes opening fast; closing does so for 10,000 entries and more. */
int satori_drive_snapshot(struct satori_drive *drive);

struct satori_drive_info {
    unsigned format, alignment;
    uint64_t count;      /* keys with a value */
    uint64_t file_size;  /* bytes */
    uint64_t saving;     /* about so many bytes compaction would free */
    uint64_t index_size; /* bytes of memory */
    /* What opening found: bytes of a torn tail (cut off unless read-only), damaged ranges. */
    uint64_t tail_size, damage_count, damage_size;
};
void satori_drive_info(struct satori_drive *drive, struct satori_drive_info *info_out);

/* ---- reading ------------------------------------------------------------------------------ */

/* A value where it lies. Valid until released, whatever happens to the store: appends, compaction,
   close. data is NULL if there is none (never for an empty value). */
struct satori_drive_value {
    const void *data;
    size_t size;
    void *private_view;
    uint64_t private_place;
};
int satori_drive_get(struct satori_drive *drive, const void *key, size_t key_size,
                     struct satori_drive_value *value_out);
/* All as of one moment, and faster than one by one. */
int satori_drive_get_many(struct satori_drive *drive, const void *const *keys,
                          const size_t *key_sizes, size_t count,
                          struct satori_drive_value *values_out);
int satori_drive_exists(struct satori_drive *drive, const void *key, size_t key_size,
                        int *exists_out);
int satori_drive_newest(struct satori_drive *drive, struct satori_drive_value *value_out);
void satori_drive_release(struct satori_drive_value *value);
struct satori_drive_value satori_drive_retain(const struct satori_drive_value *value);
/* Bytes from `offset` on; returns how many, 0 at the end. */
size_t satori_drive_read(const struct satori_drive_value *value, uint64_t offset, void *buffer,
                         size_t size);
/* SATORI_ERROR if the entry is not what was written. */
int satori_drive_check(const struct satori_drive_value *value);

struct satori_drive_facts {
    uint64_t entry_offset, entry_size, value_offset, value_size;
    uint64_t key_hash; /* XXH3, 64 bits */
    uint32_t checksum; /* as stored */
    int64_t time_us;   /* since 1970; 0 in format 1 */
};
void satori_drive_facts(const struct satori_drive_value *value,
                        struct satori_drive_facts *facts_out);

/* ---- writing ------------------------------------------------------------------------------ */

enum { SATORI_DRIVE_NONE = 0, SATORI_DRIVE_SYNC = 1 }; /* durable on return? */

int satori_drive_put(struct satori_drive *drive, const void *key, size_t key_size,
                     const void *value, size_t value_size, int durability);
struct satori_drive_item {
    const void *key;
    size_t key_size;
    const void *value; /* NULL with value_size 0 is an empty value */
    size_t value_size;
    int is_delete;
    int existed; /* out */
};
int satori_drive_batch(struct satori_drive *drive, struct satori_drive_item *items, size_t count,
                       int durability);
int satori_drive_delete(struct satori_drive *drive, const void *key, size_t key_size,
                        int durability, int *existed_out); /* existed_out may be NULL */
/* `next` returns how many bytes it put into the buffer, 0 at the end, -1 to give up. */
int satori_drive_put_stream(struct satori_drive *drive, const void *key, size_t key_size,
                            long (*next)(void *context, void *buffer, size_t size), void *context,
                            int durability);
int satori_drive_rename(struct satori_drive *drive, const void *from, size_t from_size,
                        const void *to, size_t to_size, int durability);
int satori_drive_copy(struct satori_drive *source, const void *key, size_t key_size,
                      struct satori_drive *target, int durability);
int satori_drive_move(struct satori_drive *source, const void *key, size_t key_size,
                      struct satori_drive *target, int durability);

/* ---- passes over the store ---------------------------------------------------------------- */

struct satori_drive_entry {
    const void *key; /* NULL in format 1, which stores no keys */
    size_t key_size;
    const void *value;
    size_t value_size;
    uint64_t key_hash;
    int64_t time_us;
    int deleted; /* in histories */
};
/* The keys with a value as they are now, in order of their last write. */
int satori_drive_iterate(struct satori_drive *drive, int newest_first,
                         struct satori_drive_iterator **iterator_out);
/* The same in `count` parts for as many threads. */
int satori_drive_scan(struct satori_drive *drive, unsigned count,
                      struct satori_drive_iterator **iterators_out);
/* 1, or 0 at the end. Bytes are valid until the iterator is closed. */
int satori_drive_next(struct satori_drive_iterator *iterator, struct satori_drive_entry *entry_out);
void satori_drive_iterator_close(struct satori_drive_iterator *iterator);
/* Versions still in the file, newest first; `visit` returns non-zero to stop. */
int satori_drive_history(struct satori_drive *drive, const void *key, size_t key_size,
                         int (*visit)(void *context, const struct satori_drive_entry *entry),
                         void *context);

/* `tick` returns non-zero to stop (the call then fails with 57014); NULL none. */
int satori_drive_verify(struct satori_drive *drive, unsigned threads,
                        void (*report)(void *context, uint64_t offset, uint64_t size),
                        int (*tick)(void *context, uint64_t done, uint64_t total), void *context,
                        uint64_t *damage_count_out);
int satori_drive_compact(struct satori_drive *drive,
                         int (*tick)(void *context, uint64_t done, uint64_t total), void *context);
/* Into a new store at `path`. From format 1 to 2 all keys must be given. */
int satori_drive_convert(struct satori_drive *source, const char *path,
                         const struct satori_drive_options *options, const void *const *keys,
                         const size_t *key_sizes, size_t key_count);
/* A store that is a value, read-only and in place. */
int satori_drive_open_nested(const struct satori_drive_value *value,
                             struct satori_drive **drive_out);

#ifdef __cplusplus
}
#endif

#endif
