/* A store of keys and values as the benchmark sees it. Every function ends the program on failure.
 */
#ifndef BENCH_DRIVE_ENGINE_H
#define BENCH_DRIVE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_slice.h"

enum { BATCH = 1024 };

struct engine {
    const char *name;
    const char *(*version)(void);
    /* A new store in the directory; NULL if it is a plain file of the values, not a store. */
    void *(*create)(const char *directory);
    /* One transaction, nothing synced; keys come in the order of make_key's numbers. */
    void (*append)(void *store, const struct slice *keys, const struct slice *values, size_t count);
    /* All pairs in the store's order; `see` gets each value where it lies. */
    void (*scan)(void *store, void (*see)(void *context, struct slice value), void *context);
    /* The value where it lies; valid until the next call. Called between begin and end, which may
       be NULL: a read transaction. */
    void (*begin)(void *store);
    struct slice (*get)(void *store, struct slice key);
    void (*end)(void *store);
    /* NULL: there is no such thing. */
    void (*get_many)(void *store, const struct slice *keys, size_t count,
                     void (*see)(void *context, struct slice value), void *context);
    void (*close)(void *store); /* and remove */
};

extern const struct engine engine_drive_2, engine_drive_1, engine_lmdb, engine_sqlite, engine_plain,
    engine_blocks;

/* "directory/name" in one of four buffers. */
const char *path_in(const char *directory, const char *name);
_Noreturn void bench_fail(const char *what, const char *why);

#endif
