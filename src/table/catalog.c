/* The catalog's life: opening, and which schema everybody sees. */
#include "table/catalog_private.h"
#include "table/virtual.h"

#include "base/base_log.h"
#include "base/base_memory.h"

enum { PUBLISH_ATTEMPTS_MAX = 10 };

/* ---- the published schema ------------------------------------------------------------- */

static void lock(struct catalog *catalog) {
    while (atomic_flag_test_and_set_explicit(&catalog->lock, memory_order_acquire)) {
    }
}

static void unlock(struct catalog *catalog) {
    atomic_flag_clear_explicit(&catalog->lock, memory_order_release);
}

struct schema *catalog_schema(struct catalog *catalog) {
    lock(catalog);
    struct schema *schema = catalog->published;
    schema_retain(schema);
    unlock(catalog);
    return schema;
}

/* Indexes that the older schema does not know are for new snapshots only. */
static void indexes_set_usable(struct schema *schema, const struct schema *older,
                               uint64_t version) {
    for (size_t t = 0; t < schema->user.table_count; t++) {
        struct table *table = schema->user.tables[t];
        for (unsigned i = 0; i < table->index_count; i++) {
            struct index *index = table->indexes[i];
            const struct index *known =
                older == NULL ? NULL : schema_index_by_oid(older, index->oid, NULL);
            if (known != NULL && known->tree.value == index->tree.value)
                index->usable_from = known->usable_from;
            else
                index->usable_from.value = older == NULL ? 0 : version;
            if (index->usable_from.value > schema->indexes_usable_from)
                schema->indexes_usable_from = index->usable_from.value;
        }
    }
}

/* Take the schema over: it becomes the published one unless a newer one is there. */
static void publish(struct catalog *catalog, struct schema *schema) {
    struct schema *loser = schema;
    struct schema *older = catalog->published == NULL ? NULL : catalog_schema(catalog);
    indexes_set_usable(schema, older, schema->version);
    lock(catalog);
    if (catalog->published == NULL || catalog->published->version < schema->version) {
        loser = catalog->published;
        catalog->published = schema;
    }
    unlock(catalog);
    schema_release(older);
    schema_release(loser);
}

/* Build a schema at a snapshot that includes `after`. */
static enum status build_committed(struct fiber *f, struct catalog *catalog,
                                   struct commit_number after, struct schema **schema_out) {
    struct transaction_options options = {.isolation = ISOLATION_REPEATABLE_READ,
                                          .read_only = true};
    struct transaction *transaction;
    TRY(transaction_begin(f, catalog->store, &options, &transaction));
    enum status status = transaction_statement_begin(f, transaction, after);
    if (status == STATUS_OK)
        status = schema__build(f, catalog, transaction, schema_out);
    if (status == STATUS_OK)
        (*schema_out)->version = transaction_snapshot(transaction).value;
    transaction_rollback(f, transaction);
    return status;
}

enum status catalog_publish(struct fiber *f, struct catalog *catalog, struct commit_number commit) {
    struct schema *schema;
    TRY(build_committed(f, catalog, commit, &schema));
    ASSERT(schema->version < SCHEMA_PRIVATE_VERSION);
    publish(catalog, schema);
    return STATUS_OK;
}

enum status catalog_schema_private(struct fiber *f, struct catalog *catalog,
                                   struct transaction *transaction, struct schema **schema_out) {
    TRY(schema__build(f, catalog, transaction, schema_out));
    (*schema_out)->version = SCHEMA_PRIVATE_VERSION + atomic_fetch_add(&catalog->private_count, 1);
    struct schema *published = catalog_schema(catalog);
    /* An index of our own holds the newest rows: what READ COMMITTED sees next, and perhaps not
       what the snapshot of REPEATABLE READ sees. */
    bool repeatable = transaction_isolation(transaction) == ISOLATION_REPEATABLE_READ;
    indexes_set_usable(*schema_out, published, repeatable ? UINT64_MAX : 0);
    schema_release(published);
    return STATUS_OK;
}

/* The commit is done; going on with the old schema would spoil data (a new index would not be
   filled). Better to start again. */
static void publish_surely(struct fiber *f, struct catalog *catalog, struct commit_number commit) {
    for (int attempt = 0; attempt < PUBLISH_ATTEMPTS_MAX; attempt++) {
        if (catalog_publish(f, catalog, commit) == STATUS_OK)
            return;
        LOG(LOG_WARNING, "table", "cannot publish the schema: %s", error_current()->message);
        if (fiber_sleep(f, 10 * 1000 * 1000) != STATUS_OK)
            continue;
    }
    log_fatal("table", "cannot publish the schema of commit %llu: %s",
              (unsigned long long)commit.value, error_current()->message);
}

enum status catalog_commit(struct fiber *f, struct catalog *catalog,
                           struct transaction *transaction, bool synchronous,
                           struct commit_number *number_out) {
    atomic_fetch_add(&catalog->committing_count, 1);
    /* Once committed, the new schema must come out whatever happens to this fiber. */
    fiber_shield(f);
    enum status status = transaction_commit(f, transaction, synchronous, number_out);
    if (status == STATUS_OK && number_out->value != 0)
        publish_surely(f, catalog, *number_out);
    fiber_unshield(f);
    atomic_fetch_sub(&catalog->committing_count, 1);
    return status;
}

enum status catalog_settle(struct fiber *f, struct catalog *catalog) {
    while (__builtin_expect(atomic_load(&catalog->committing_count) != 0, 0))
        TRY(fiber_sleep(f, 50 * 1000));
    return STATUS_OK;
}

/* ---- life ----------------------------------------------------------------------------- */

static enum status prepare(struct fiber *f, struct catalog *catalog) {
    TRY(system_part_build(&catalog->system));
    TRY(catalog__bootstrap(f, catalog));
    return catalog_publish(f, catalog, store_visible(catalog->store));
}

enum status catalog_open(struct fiber *f, struct store *store, struct catalog **catalog_out) {
    struct catalog *catalog = memory_alloc_zeroed(1, sizeof *catalog);
    if (catalog == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    catalog->store = store;
    virtual__blocks_register();
    virtual__turns_register();
    atomic_flag_clear(&catalog->lock);
    enum status status = prepare(f, catalog);
    if (status == STATUS_DATA_CORRUPTED && error_current()->hint[0] == '\0')
        error_hint("The catalog is damaged. Restore a copy, or save what can be read with: satori "
                   "salvage %s OUT",
                   store_directory(store));
    if (status != STATUS_OK) {
        catalog_close(f, catalog);
        return status;
    }
    *catalog_out = catalog;
    return STATUS_OK;
}

void catalog_close(struct fiber *f, struct catalog *catalog) {
    if (catalog == NULL)
        return;
    catalog__sequences_write(f, catalog);
    catalog_abandon(catalog);
}

void catalog_abandon(struct catalog *catalog) {
    catalog__sequences_free(catalog);
    schema_release(catalog->published);
    schema_part_release(&catalog->system);
    memory_free(catalog);
}

struct store *catalog_store(const struct catalog *catalog) {
    return catalog->store;
}

/* ---- roles and databases -------------------------------------------------------------- */

static enum status name_exists(struct fiber *f, struct catalog *catalog, uint32_t table_oid,
                               uint32_t index_oid, const char *name, bool *exists_out) {
    struct transaction *transaction;
    struct transaction_options options = {.read_only = true};
    TRY(transaction_begin(f, catalog->store, &options, &transaction));
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, NULL);
    const struct table *table = system_table(&catalog->system, table_oid);
    struct value key = value_string(TYPE_OF(NAME), slice_of_text(name));
    enum status status = transaction_statement_begin(f, transaction, (struct commit_number){0});
    if (status == STATUS_OK)
        status = table_get_unique(f, &ddl.context, table, system_index(table, index_oid), &key,
                                  NULL, 0, exists_out, NULL, NULL);
    arena_release(&ddl.arena);
    transaction_rollback(f, transaction);
    return status;
}

enum status catalog_role_exists(struct fiber *f, struct catalog *catalog, const char *name,
                                bool *exists_out) {
    return name_exists(f, catalog, OID_PG_AUTHID, OID_AUTHID_NAME_INDEX, name, exists_out);
}

enum status catalog_database_exists(struct fiber *f, struct catalog *catalog, const char *name,
                                    bool *exists_out) {
    return name_exists(f, catalog, OID_PG_DATABASE, OID_DATABASE_NAME_INDEX, name, exists_out);
}
