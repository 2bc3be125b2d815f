/* Opening, creating and closing a data directory. */
#include <inttypes.h>
#include <stdio.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "txn/store.h"
#include "txn/txn_format.h"

enum {
    MEMORY_TINY = 48 << 20,
    MEMORY_TO_LEND = 512 << 20,
    MEMORY_REST_MIN = 16 << 20,  /* what an idle server takes, and ANALYZE in the background */
    MEMORY_REST_MAX = 160 << 20, /* and what statements and bulk loads gather */
};

enum { PARTITIONS_DEFAULT = 8 };

const char *store_directory(const struct store *store) {
    return store->directory;
}

static void path_of(const struct store *store, const char *name, char *path_out) {
    int length = snprintf(path_out, STORE_PATH_SIZE, "%s/%s", store->directory, name);
    ASSERT(length > 0 && length < STORE_PATH_SIZE);
}

/* ---- identity ------------------------------------------------------------------------------ */

static enum status identity_write(struct fiber *f, const struct store *store) {
    char new_path[STORE_PATH_SIZE], path[STORE_PATH_SIZE];
    uint8_t bytes[STORE_IDENTITY_SIZE];
    struct store_identity identity = {STORE_FORMAT_VERSION, store->database_id,
                                      store->partition_count};
    store_identity_encode(&identity, bytes);
    path_of(store, "satori.id.new", new_path);
    path_of(store, "satori.id", path);
    struct file *file;
    TRY(file_open(f, new_path, FILE_CREATE | FILE_TRUNCATE, &file));
    enum status status = file_write(f, file, bytes, sizeof bytes, 0, FILE_WRITE_PLAIN);
    if (status == STATUS_OK)
        status = file_sync(f, file);
    enum status closed = file_close(f, file);
    TRY(status);
    TRY(closed);
    TRY(directory_sync(f, store->directory)); /* no identity without the folders it stands for */
    TRY(file_rename(f, new_path, path));
    return directory_sync(f, store->directory);
}

/* The failure just set, with what to do about it. */
static enum status told(enum status status, const char *advice) {
    error_hint("%s", advice);
    return status;
}

static enum status identity_read(struct fiber *f, struct store *store) {
    char path[STORE_PATH_SIZE];
    uint8_t bytes[STORE_IDENTITY_SIZE];
    bool exists;
    path_of(store, "satori.id", path);
    TRY(file_exists(f, path, &exists));
    if (!exists)
        return told(error_set(STATUS_UNDEFINED_FILE,
                              "directory \"%s\" does not hold a satori database", store->directory),
                    "Name another one, or let the option --create of satori server or satori sql "
                    "make a new database.");
    struct file *file;
    TRY(file_open(f, path, FILE_READ_ONLY, &file));
    enum status status = file_read_exact(f, file, bytes, sizeof bytes, 0);
    enum status closed = file_close(f, file);
    TRY(status);
    TRY(closed);
    struct store_identity identity;
    if (!store_identity_decode(bytes, &identity))
        return error_set(STATUS_DATA_CORRUPTED, "file \"%s\" is damaged", path);
    if (identity.version != STORE_FORMAT_VERSION)
        return told(error_set(STATUS_FEATURE_NOT_SUPPORTED,
                              "data directory \"%s\" has format version %" PRIu32
                              ", this program reads version %d",
                              store->directory, identity.version, STORE_FORMAT_VERSION),
                    "Open it with the satori that made it.");
    if (identity.partition_count > PARTITIONS_MAX)
        return error_set(STATUS_DATA_CORRUPTED, "file \"%s\" is damaged", path);
    if (store->partition_count != 0 && store->partition_count != identity.partition_count)
        return error_set(STATUS_INVALID_PARAMETER_VALUE,
                         "database in \"%s\" was created with %" PRIu32 " partitions, not %u",
                         store->directory, identity.partition_count, store->partition_count);
    store->database_id = identity.database_id;
    store->partition_count = identity.partition_count;
    return STATUS_OK;
}

/* ---- directory ----------------------------------------------------------------------------- */

static enum status directory_take(struct fiber *f, struct store *store) {
    char path[STORE_PATH_SIZE];
    path_of(store, "lock", path);
    TRY(file_open(f, path, FILE_CREATE, &store->lock_file));
    enum status status = file_lock_exclusive(f, store->lock_file);
    if (status == STATUS_OBJECT_IN_USE) {
        char detail[ERROR_MESSAGE_SIZE];
        snprintf(detail, sizeof detail, "%s", error_current()->detail);
        error_set(STATUS_OBJECT_IN_USE, "data directory \"%s\" is in use by another process",
                  store->directory);
        if (detail[0] != '\0')
            error_detail("%s", detail);
        error_hint("Stop the satori that uses it, or name another directory.");
    }
    return status;
}

/*
 * Creation. DIR/satori.creating is the first thing in the directory (but for the lock) and goes
 * when the identity is there. So whoever finds it without an identity knows that a creation was cut
 * off, that all in there is its remains and nobody's data, and begins anew.
 */
static enum status directory_may_hold(struct fiber *f, const struct store *store) {
    char path[STORE_PATH_SIZE];
    bool exists;
    path_of(store, "satori.id", path);
    TRY(file_exists(f, path, &exists));
    if (exists)
        return error_set(STATUS_DUPLICATE_FILE, "directory \"%s\" holds a satori database already",
                         store->directory);
    path_of(store, "satori.creating", path);
    TRY(file_exists(f, path, &exists));
    if (exists)
        return STATUS_OK;
    char **names;
    size_t count;
    TRY(directory_list(f, store->directory, &names, &count));
    bool empty = true;
    for (size_t i = 0; i < count; i++) {
        empty = empty && strcmp(names[i], "lock") == 0;
        memory_free(names[i]);
    }
    memory_free(names);
    if (!empty)
        return told(
            error_set(STATUS_DUPLICATE_FILE, "directory \"%s\" is not empty", store->directory),
            "A new database wants a directory that is empty or does not exist.");
    return STATUS_OK;
}

/* A folder that holds files only, and the folder. */
static enum status folder_remove(struct fiber *f, const char *folder) {
    char **names;
    size_t count;
    TRY(directory_list(f, folder, &names, &count));
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        char path[STORE_PATH_SIZE + 256];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (status == STATUS_OK)
            status = file_remove(f, path);
        memory_free(names[i]);
    }
    memory_free(names);
    return status == STATUS_OK ? directory_remove(f, folder) : status;
}

static enum status remains_remove(struct fiber *f, const struct store *store) {
    char path[STORE_PATH_SIZE];
    bool exists;
    path_of(store, "satori.id.new", path);
    TRY(file_exists(f, path, &exists));
    if (exists)
        TRY(file_remove(f, path));
    for (int i = -1; i < PARTITIONS_MAX; i++) {
        char name[16] = "journal";
        if (i >= 0)
            snprintf(name, sizeof name, "part-%03d", i);
        path_of(store, name, path);
        TRY(file_exists(f, path, &exists));
        if (exists)
            TRY(folder_remove(f, path));
    }
    return STATUS_OK;
}

/* The lock is held. */
static enum status creation_begin(struct fiber *f, const struct store *store) {
    TRY(directory_may_hold(f, store)); /* somebody may have been faster */
    char path[STORE_PATH_SIZE];
    path_of(store, "satori.creating", path);
    struct file *file;
    TRY(file_open(f, path, FILE_CREATE, &file));
    TRY(file_close(f, file));
    TRY(directory_sync(f, store->directory));
    return remains_remove(f, store);
}

/* The directory's own name must outlast a power failure, too. */
static enum status parent_sync(struct fiber *f, const struct store *store) {
    char parent[STORE_PATH_SIZE];
    size_t size = strlen(store->directory);
    memcpy(parent, store->directory, size + 1);
    while (size > 1 && parent[size - 1] == '/')
        size--;
    while (size > 0 && parent[size - 1] != '/')
        size--;
    while (size > 1 && parent[size - 1] == '/')
        size--;
    if (size == 0)
        parent[size++] = '.';
    parent[size] = '\0';
    enum status status = directory_sync(f, parent);
    if (status != STATUS_INSUFFICIENT_PRIVILEGE)
        return status;
    LOG(LOG_WARNING, "txn", "%s", error_current()->message); /* not ours to read */
    return STATUS_OK;
}

/* Also when opening: the creation may have been cut off right before, with all names there to be
   seen but not durable yet. */
static enum status creation_end(struct fiber *f, const struct store *store) {
    char path[STORE_PATH_SIZE];
    bool exists;
    path_of(store, "satori.creating", path);
    TRY(file_exists(f, path, &exists));
    if (!exists)
        return STATUS_OK;
    TRY(directory_sync(f, store->directory));
    TRY(parent_sync(f, store));
    return file_remove(f, path);
}

/* ---- open and close ------------------------------------------------------------------------ */

static void store_free(struct fiber *f, struct store *store) {
    if (store->partitions != NULL)
        for (unsigned i = 0; i < store->partition_count; i++)
            partition__close(f, &store->partitions[i]);
    transaction__pool_release(store);
    if (store->relation_locks.buckets != NULL)
        lock_table_release(&store->relation_locks);
    if (store->budget != NULL)
        page_budget_destroy(store->budget);
    if (store->lock_file != NULL && file_close(f, store->lock_file) != STATUS_OK)
        LOG(LOG_WARNING, "txn", "%s", error_current()->message);
    memory_free(store->tracker);
    memory_free(store->partitions);
    memory_free(store);
}

static enum status options_apply(struct fiber *f, const struct store_options *options,
                                 struct store *store) {
    if (strlen(options->directory) >= sizeof store->directory)
        return error_set(STATUS_NAME_TOO_LONG, "path \"%s\" is too long", options->directory);
    snprintf(store->directory, sizeof store->directory, "%s", options->directory);
    if (options->partition_count > PARTITIONS_MAX)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "number of partitions is 1 to %d",
                         PARTITIONS_MAX);
    store->runtime = fiber_runtime(f);
    store->core_count = runtime_core_count(store->runtime);
    store->partition_count = options->partition_count;
    store->untended = options->untended;
    store->checkpoint_interval_ms =
        options->checkpoint_interval_ms != 0 ? options->checkpoint_interval_ms : 60000;
    store->deadlock_timeout_ms =
        options->deadlock_timeout_ms != 0 ? options->deadlock_timeout_ms : 1000;
    store->journal_size_target =
        options->journal_size_target != 0 ? options->journal_size_target : (uint64_t)1 << 30;
    atomic_store(&store->transaction_next, 1);
    return STATUS_OK;
}

/* What can be lent to statements: small servers need theirs for pages. */
static uint64_t statement_memory(uint64_t memory_max) {
    return memory_max < MEMORY_TO_LEND ? 0 : memory_max / 4;
}

/* What pages may take: the rest is for write sets, history, statements and the program itself. Tiny
   amounts, as in tests, are for pages alone. */
static uint64_t page_memory(uint64_t memory_max) {
    if (memory_max < MEMORY_TINY)
        return memory_max;
    uint64_t rest = MEMORY_REST_MIN + memory_max / 8;
    rest = rest < MEMORY_REST_MAX ? rest : MEMORY_REST_MAX;
    return memory_max - rest - statement_memory(memory_max);
}

/* For one generation of one partition. */
static uint64_t history_memory(uint64_t memory_max, unsigned partition_count) {
    uint64_t bytes = memory_max / HISTORY_MEMORY_SHARE / partition_count;
    if (bytes < HISTORY_MEMORY_MIN)
        return HISTORY_MEMORY_MIN;
    return bytes < HISTORY_MEMORY_MAX ? bytes : HISTORY_MEMORY_MAX;
}

static enum status parts_open(struct fiber *f, const struct store_options *options,
                              struct store *store) {
    store->partitions = memory_alloc_zeroed(store->partition_count, sizeof *store->partitions);
    store->tracker = memory_alloc_zeroed(TRACKER_SIZE, 1);
    if (store->partitions == NULL || store->tracker == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    store->memory_max = options->memory_max;
    store->statement_memory_max = statement_memory(options->memory_max);
    store->history_memory_max = history_memory(options->memory_max, store->partition_count);
    TRY(page_budget_create(page_memory(options->memory_max), store->partition_count,
                           &store->budget));
    TRY(lock_table_init(&store->relation_locks, &lock_modes_relation));
    for (unsigned i = 0; i < store->partition_count; i++)
        TRY(partition__open(f, store, i, options->create));
    TRY(recover__journal(f, store, options));
    for (unsigned i = 0; i < store->partition_count; i++)
        TRY(partition_call(f, store, i, large__sweep, NULL));
    snapshot__init(store, journal_newest(store->journal).value);
    journal_on_durable(store->journal, snapshot__on_durable, store);
    return STATUS_OK;
}

static enum status store_open_inside(struct fiber *f, const struct store_options *options,
                                     struct store *store) {
    TRY(options_apply(f, options, store));
    if (options->create) {
        bool exists;
        TRY(file_exists(f, store->directory, &exists));
        TRY(exists ? directory_may_hold(f, store) : directory_create(f, store->directory));
        TRY(directory_take(f, store));
        TRY(creation_begin(f, store));
        if (store->partition_count == 0)
            store->partition_count = PARTITIONS_DEFAULT;
        while (store->database_id == 0)
            TRY(secret_random(&store->database_id, sizeof store->database_id));
    } else {
        TRY(identity_read(f, store)); /* before the lock file, which would be made */
        TRY(directory_take(f, store));
    }
    TRY(parts_open(f, options, store));
    if (options->create) {
        TRY(checkpoint__run(f, store));
        TRY(identity_write(f, store));
    }
    TRY(creation_end(f, store));
    TRY(stop_mark__remove(f, store->directory));
    return background__start(f, store);
}

enum status store_open(struct fiber *f, const struct store_options *options,
                       struct store **store_out) {
    ASSERT(fiber_core(f) == COMMIT_CORE);
    struct store *store = memory_alloc_aligned(64, sizeof *store);
    if (store == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memset(store, 0, sizeof *store);
    snapshot__init(store, 0);
    enum status status = store_open_inside(f, options, store);
    if (status_is_damage(status) && error_current()->hint[0] == '\0')
        error_hint("Restore a copy, or save what can be read with: satori salvage %s OUT",
                   store->directory);
    if (status != STATUS_OK) {
        struct error kept = *error_current();
        if (store->journal != NULL)
            journal_close(f, store->journal);
        store_free(f, store);
        *error_current() = kept;
        return status;
    }
    *store_out = store;
    return STATUS_OK;
}

uint64_t store_memory(const struct store *store) {
    return store->memory_max;
}

bool store_memory_lend(struct store *store, uint64_t bytes) {
    uint64_t lent = atomic_load(&store->statement_memory_lent);
    do {
        if (bytes > store->statement_memory_max - lent)
            return false;
    } while (!atomic_compare_exchange_weak(&store->statement_memory_lent, &lent, lent + bytes));
    return true;
}

void store_memory_return(struct store *store, uint64_t bytes) {
    uint64_t before = atomic_fetch_sub(&store->statement_memory_lent, bytes);
    ASSERT(before >= bytes);
}

unsigned store_partition_count(const struct store *store) {
    return store->partition_count;
}

/* Bring every partition here, so that closing is this core's business. */
static void partitions_gather(struct fiber *f, struct store *store) {
    for (unsigned i = 0; i < store->partition_count; i++)
        partition__bring_home(f, store, i);
}

enum status store_close(struct fiber *f, struct store *store) {
    ASSERT(fiber_core(f) == COMMIT_CORE);
    fiber_shield(f);
    background__stop(f, store);
    partitions_gather(f, store);
    for (unsigned i = 0; i < store->core_count; i++)
        ASSERT(list_empty(&store->snapshots[i].active));
    for (unsigned i = 0; i < store->partition_count; i++)
        large__free_retired(&store->partitions[i], store_horizon(store).value);
    enum status status = checkpoint__run(f, store);
    struct error kept = *error_current();
    struct stop_mark mark = {store->database_id, journal_newest(store->journal)};
    journal_close(f, store->journal);
    if (status == STATUS_OK && stop_mark__write(f, store->directory, &mark) != STATUS_OK)
        LOG(LOG_WARNING, "txn", "cannot write the mark of a clean stop: %s",
            error_current()->message);
    store_free(f, store);
    *error_current() = kept;
    fiber_unshield(f);
    return status;
}

void store_abandon(struct fiber *f, struct store *store) {
    ASSERT(fiber_core(f) == COMMIT_CORE);
    fiber_shield(f);
    background__stop(f, store);
    partitions_gather(f, store);
    journal_abandon(f, store->journal);
    store_free(f, store);
    fiber_unshield(f);
}
