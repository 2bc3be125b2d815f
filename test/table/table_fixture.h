/* What the room's tests share: a store with a catalog in a fresh directory, and short words for
   single steps. Failures on a fiber cannot jump out of it, so they abort. */
#ifndef TABLE_FIXTURE_H
#define TABLE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#include "base/base_log.h"
#include "base/base_random.h"
#include "runtime/runtime.h"
#include "table/table.h"

static char fixture_root[64];
static unsigned fixture_cores;

static void fixture_run_cores(fiber_function body, unsigned cores) {
    struct runtime *runtime;
    struct runtime_options options = {.core_count = cores, .random_seed = 7};
    char command[128];
    fixture_cores = cores;
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    snprintf(fixture_root, sizeof fixture_root, "/tmp/satori-test-XXXXXX");
    assert_non_null(mkdtemp(fixture_root));
    assert_ok(runtime_create(&options, &runtime));
    enum status status = runtime_run(runtime, 0, body, NULL);
    if (status != STATUS_OK)
        printf("%s\n", error_current()->message);
    runtime_destroy(runtime);
    snprintf(command, sizeof command, "rm -rf %s", fixture_root);
    assert_int_equal(system(command), 0);
    assert_int_equal(status, STATUS_OK);
}

static inline void fixture_run(fiber_function body) {
    fixture_run_cores(body, 1);
}

/* A database: store and catalog. */
struct database {
    struct store *store;
    struct catalog *catalog;
};

static inline void database_open(struct fiber *f, struct database *database, bool create) {
    static char path[128];
    snprintf(path, sizeof path, "%s/data", fixture_root);
    struct store_options options = {.directory = path,
                                    .create = create,
                                    .partition_count = create ? 4 : 0,
                                    .memory_max = 64 << 20,
                                    .journal_segment_size = 4 << 20,
                                    .journal_sync = 2,
                                    .deadlock_timeout_ms = 20};
    assert_ok(store_open(f, &options, &database->store));
    assert_ok(catalog_open(f, database->store, &database->catalog));
}

static inline void database_close(struct fiber *f, struct database *database) {
    catalog_close(f, database->catalog);
    assert_ok(store_close(f, database->store));
}

/* One transaction with what calls need. */
struct work {
    struct database *database;
    struct table_context context;
    struct arena arena;
    struct schema *schema; /* as the transaction sees it */
};

static inline void work_begin_with(struct fiber *f, struct work *work, struct database *database,
                                   enum isolation isolation) {
    *work = (struct work){.database = database};
    struct transaction_options options = {.isolation = isolation};
    struct transaction *transaction;
    assert_ok(transaction_begin(f, database->store, &options, &transaction));
    assert_ok(transaction_statement_begin(f, transaction, (struct commit_number){0}));
    work->context = (struct table_context){.catalog = database->catalog,
                                           .store = database->store,
                                           .transaction = transaction,
                                           .arena = &work->arena};
    work->schema = catalog_schema(database->catalog);
}

static inline void work_begin(struct fiber *f, struct work *work, struct database *database) {
    work_begin_with(f, work, database, ISOLATION_READ_COMMITTED);
}

/* The statement ends well, the next one begins. */
static inline void work_next(struct fiber *f, struct work *work) {
    assert_ok(transaction_statement_end(f, work->context.transaction));
    assert_ok(transaction_statement_begin(f, work->context.transaction, (struct commit_number){0}));
}

/* The schema after this transaction's DDL. */
static inline void work_refresh(struct fiber *f, struct work *work) {
    schema_release(work->schema);
    assert_ok(catalog_schema_private(f, work->database->catalog, work->context.transaction,
                                     &work->schema));
}

static inline void work_release(struct work *work) {
    schema_release(work->schema);
    arena_release(&work->arena);
}

static inline void work_commit(struct fiber *f, struct work *work) {
    struct commit_number number;
    assert_ok(transaction_statement_end(f, work->context.transaction));
    assert_ok(catalog_commit(f, work->database->catalog, work->context.transaction, true, &number));
    work_release(work);
}

static inline void work_rollback(struct fiber *f, struct work *work) {
    transaction_rollback(f, work->context.transaction);
    work_release(work);
}

static inline const struct table *find_table(const struct work *work, const char *name) {
    const struct table *table = schema_table(work->schema, NULL, name);
    assert_non_null(table);
    return table;
}

/* Create a table and see it. */
static inline const struct table *make_table(struct fiber *f, struct work *work, const char *name,
                                             struct column_spec *columns, unsigned count) {
    struct table_spec spec = {.name = name, .column_count = (uint16_t)count, .columns = columns};
    uint32_t oid;
    assert_ok(catalog_create_table(f, work->database->catalog, work->context.transaction,
                                   work->schema, &spec, &oid));
    work_refresh(f, work);
    return find_table(work, name);
}

/* kind: 'p' primary key, 'u' unique constraint, 'x' unique index, 'i' index. columns: numbers,
   negative descending, ended by 0. */
static inline enum status try_index(struct fiber *f, struct work *work, const char *table_name,
                                    char kind, const int *columns) {
    struct index_spec spec = {
        .unique = kind != 'i', .primary = kind == 'p', .as_constraint = kind == 'p' || kind == 'u'};
    for (; columns[spec.column_count] != 0; spec.column_count++) {
        int number = columns[spec.column_count];
        spec.columns[spec.column_count] =
            (struct index_column){.column_number = (int16_t)abs(number),
                                  .descending = number < 0,
                                  .nulls_first = number < 0};
    }
    uint32_t oid;
    TRY(catalog_create_index(f, work->database->catalog, work->context.transaction, work->schema,
                             find_table(work, table_name), &spec, &oid));
    work_refresh(f, work);
    return STATUS_OK;
}

static inline const struct index *make_index(struct fiber *f, struct work *work,
                                             const char *table_name, char kind,
                                             const int *columns) {
    assert_ok(try_index(f, work, table_name, kind, columns));
    const struct table *table = find_table(work, table_name);
    const struct index *newest = NULL;
    for (unsigned i = 0; i < table->index_count; i++) {
        if (newest == NULL || table->indexes[i]->oid > newest->oid)
            newest = table->indexes[i];
    }
    return newest;
}

static inline void check_report(void *context, const char *line) {
    printf("# %s\n", line);
}

static inline void check_table(struct fiber *f, struct database *database,
                               const struct table *table) {
    uint64_t damage;
    assert_ok(table_check(f, database->catalog, table, check_report, NULL, &damage));
    assert_int_equal(damage, 0);
}

/* All system tables and all others. */
static inline void check_all(struct fiber *f, struct database *database) {
    struct schema *schema = catalog_schema(database->catalog);
    for (size_t i = 0; i < schema_table_count(schema); i++)
        check_table(f, database, schema_table_at(schema, i));
    schema_release(schema);
}

/* ---- scanning a whole table on this core ---------------------------------------------- */

struct scan_all {
    struct work *work;
    const struct table *table;
    struct table_scan_options options;
    void (*row)(void *context, const struct value *values);
    void *context;
    size_t count;
};

static inline enum status scan_all_here(struct fiber *f, struct partition *partition,
                                        void *argument) {
    struct scan_all *all = argument;
    struct table_scan *scan;
    TRY(table_scan_open(f, &all->work->context, all->table, partition, &all->options, &scan));
    struct batch *batch;
    enum status status;
    while ((status = table_scan_next(f, scan, &batch)) == STATUS_OK && batch != NULL) {
        for (uint32_t i = 0; i < batch->selected_count; i++) {
            struct value values[64];
            for (uint32_t c = 0; c < batch->column_count; c++)
                values[c] = vector_get(&batch->vectors[c], batch_row(batch, i));
            all->count++;
            if (all->row != NULL)
                all->row(all->context, values);
        }
    }
    table_scan_close(f, scan);
    return status;
}

static inline size_t scan_table(struct fiber *f, struct scan_all *all) {
    all->count = 0;
    struct store *store = all->work->context.store;
    uint64_t partitions = table_scan_partitions(store, all->table, &all->options);
    for (unsigned p = 0; p < store_partition_count(store); p++) {
        if ((partitions >> p & 1) != 0)
            assert_ok(partition_call(f, store, p, scan_all_here, all));
    }
    return all->count;
}

static inline size_t count_rows(struct fiber *f, struct work *work, const struct table *table) {
    static const int16_t address = 0;
    struct scan_all all = {
        .work = work, .table = table, .options = {.column_numbers = &address, .column_count = 1}};
    return scan_table(f, &all);
}

#endif
