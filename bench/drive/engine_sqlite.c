/* SQLite: a table of keys and blobs without rowid, journal in WAL mode, never synced. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "engine.h"

struct store {
    sqlite3 *database;
    sqlite3_stmt *insert, *select, *all;
    char path[512];
};

static void must(struct store *store, int code, const char *what) {
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
        bench_fail(what, sqlite3_errmsg(store->database));
}

static void run(struct store *store, const char *text) {
    must(store, sqlite3_exec(store->database, text, NULL, NULL, NULL), text);
}

static const char *version(void) {
    return sqlite3_libversion();
}

static void remove_files(const char *path) {
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char name[600];
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static sqlite3_stmt *prepare(struct store *store, const char *text) {
    sqlite3_stmt *statement;
    must(store, sqlite3_prepare_v2(store->database, text, -1, &statement, NULL), text);
    return statement;
}

static void *create(const char *directory) {
    struct store *store = memory_alloc_zeroed(1, sizeof *store);
    snprintf(store->path, sizeof store->path, "%s/bench.sqlite", directory);
    remove_files(store->path);
    must(store, sqlite3_open(store->path, &store->database), "open");
    run(store, "pragma journal_mode = wal; pragma synchronous = off; pragma cache_size = -262144; "
               "pragma mmap_size = 8589934592; "
               "create table t(k blob primary key, v blob not null) without rowid");
    store->insert = prepare(store, "insert into t values (?1, ?2)");
    store->select = prepare(store, "select v from t where k = ?1");
    store->all = prepare(store, "select v from t");
    return store;
}

static void append(void *context, const struct slice *keys, const struct slice *values,
                   size_t count) {
    struct store *store = context;
    run(store, "begin");
    for (size_t i = 0; i < count; i++) {
        must(store, sqlite3_bind_blob(store->insert, 1, keys[i].data, (int)keys[i].size, NULL),
             "bind");
        must(store, sqlite3_bind_blob(store->insert, 2, values[i].data, (int)values[i].size, NULL),
             "bind");
        must(store, sqlite3_step(store->insert), "insert");
        sqlite3_reset(store->insert);
    }
    run(store, "commit");
}

static struct slice blob(sqlite3_stmt *statement) {
    return slice_of(sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0));
}

static void scan(void *context, void (*see)(void *context, struct slice value), void *see_context) {
    struct store *store = context;
    while (sqlite3_step(store->all) == SQLITE_ROW)
        see(see_context, blob(store->all));
    sqlite3_reset(store->all);
}

static void begin(void *context) {
    run(context, "begin");
}

static struct slice get(void *context, struct slice key) {
    struct store *store = context;
    sqlite3_reset(store->select);
    must(store, sqlite3_bind_blob(store->select, 1, key.data, (int)key.size, NULL), "bind");
    if (sqlite3_step(store->select) != SQLITE_ROW)
        bench_fail("select", sqlite3_errmsg(store->database));
    return blob(store->select);
}

static void end(void *context) {
    struct store *store = context;
    sqlite3_reset(store->select);
    run(store, "commit");
}

static void close_store(void *context) {
    struct store *store = context;
    sqlite3_finalize(store->insert);
    sqlite3_finalize(store->select);
    sqlite3_finalize(store->all);
    sqlite3_close(store->database);
    remove_files(store->path);
    memory_free(store);
}

const struct engine engine_sqlite = {
    "sqlite", version, create, append, scan, begin, get, end, NULL, close_store,
};
