/* LMDB: appends with MDB_APPEND, reads by pointers into its mapping. */
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "engine.h"

struct store {
    MDB_env *environment;
    MDB_dbi database;
    MDB_txn *transaction; /* reading */
    char path[512];
};

static void must(int error, const char *what) {
    if (error != 0)
        bench_fail(what, mdb_strerror(error));
}

static const char *version(void) {
    return MDB_VERSION_STRING;
}

static void remove_files(const char *path) {
    char lock[600];
    unlink(path);
    snprintf(lock, sizeof lock, "%s-lock", path);
    unlink(lock);
}

static void *create(const char *directory) {
    struct store *store = memory_alloc_zeroed(1, sizeof *store);
    snprintf(store->path, sizeof store->path, "%s/bench.lmdb", directory);
    remove_files(store->path);
    must(mdb_env_create(&store->environment), "create");
    must(mdb_env_set_mapsize(store->environment, (size_t)16 << 30), "map size");
    must(mdb_env_open(store->environment, store->path, MDB_NOSUBDIR | MDB_NOSYNC, 0600), "open");
    MDB_txn *transaction;
    must(mdb_txn_begin(store->environment, NULL, 0, &transaction), "begin");
    must(mdb_dbi_open(transaction, NULL, 0, &store->database), "database");
    must(mdb_txn_commit(transaction), "commit");
    return store;
}

static void append(void *context, const struct slice *keys, const struct slice *values,
                   size_t count) {
    struct store *store = context;
    MDB_txn *transaction;
    must(mdb_txn_begin(store->environment, NULL, 0, &transaction), "begin");
    for (size_t i = 0; i < count; i++) {
        MDB_val key = {keys[i].size, (void *)(uintptr_t)keys[i].data};
        MDB_val value = {values[i].size, (void *)(uintptr_t)values[i].data};
        must(mdb_put(transaction, store->database, &key, &value, MDB_APPEND), "put");
    }
    must(mdb_txn_commit(transaction), "commit");
}

static void begin(void *context) {
    struct store *store = context;
    must(mdb_txn_begin(store->environment, NULL, MDB_RDONLY, &store->transaction), "begin");
}

static void end(void *context) {
    mdb_txn_abort(((struct store *)context)->transaction);
}

static void scan(void *context, void (*see)(void *context, struct slice value), void *see_context) {
    struct store *store = context;
    MDB_cursor *cursor;
    MDB_val key, value;
    begin(store);
    must(mdb_cursor_open(store->transaction, store->database, &cursor), "cursor");
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        see(see_context, slice_of(value.mv_data, value.mv_size));
    mdb_cursor_close(cursor);
    end(store);
}

static struct slice get(void *context, struct slice bytes) {
    struct store *store = context;
    MDB_val key = {bytes.size, (void *)(uintptr_t)bytes.data}, value;
    must(mdb_get(store->transaction, store->database, &key, &value), "get");
    return slice_of(value.mv_data, value.mv_size);
}

static void close_store(void *context) {
    struct store *store = context;
    mdb_env_close(store->environment);
    remove_files(store->path);
    memory_free(store);
}

const struct engine engine_lmdb = {
    "lmdb", version, create, append, scan, begin, get, end, NULL, close_store,
};
