#include "server/server_verify.h"

#include "table/table.h"
#include "table/table_freeze.h"
#include "txn/txn.h"

/* What the store is given to name trees with and to report to. */
struct verify {
    struct schema *schema;
    char text[256];
    void (*report)(void *context, const char *line);
    void *context;
};

static const char *name_tree(void *context, struct tree_id tree) {
    struct verify *verify = context;
    return schema_tree_name(verify->schema, tree, verify->text, sizeof verify->text);
}

static void pass_on(void *context, const char *line) {
    const struct verify *verify = context;
    verify->report(verify->context, line);
}

enum status engine_verify(struct fiber *f, struct engine *engine,
                          void (*report)(void *context, const char *line), void *context,
                          struct verification *verification_out) {
    struct catalog *catalog = engine_catalog(engine);
    struct verify verify = {
        .schema = catalog_schema(catalog), .report = report, .context = context};
    *verification_out = (struct verification){0};
    freezer_stop(f, catalog); /* it would commit while the journal's end is looked at */
    enum status status = store_check(f, engine_store(engine), name_tree, pass_on, &verify,
                                     &verification_out->findings);
    for (size_t i = 0; status == STATUS_OK && i < schema_table_count(verify.schema); i++) {
        const struct table *table = schema_table_at(verify.schema, i);
        if (table->kind != RELATION_TABLE)
            continue;
        uint64_t damage = 0;
        status = table_check(f, catalog, table, report, context, &damage);
        verification_out->findings += damage;
        verification_out->tables++;
    }
    schema_release(verify.schema);
    struct error error = *error_current();
    enum status started = freezer_start(f, catalog);
    if (status == STATUS_OK)
        return started;
    *error_current() = error;
    return status;
}
