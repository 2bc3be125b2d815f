#include "server/server_verify.h"

#include "table/table.h"
#include "table/table_freeze.h"
#include "txn/txn.h"

struct tree_names {
    struct schema *schema;
    char text[256];
};

static const char *name_tree(void *context, struct tree_id tree) {
    struct tree_names *names = context;
    return schema_tree_name(names->schema, tree, names->text, sizeof names->text);
}

enum status engine_verify(struct fiber *f, struct engine *engine,
                          void (*report)(void *context, const char *line), void *context,
                          struct verification *verification_out) {
    struct catalog *catalog = engine_catalog(engine);
    struct tree_names names = {.schema = catalog_schema(catalog)};
    *verification_out = (struct verification){0};
    freezer_stop(f, catalog); /* it would commit while the journal's end is looked at */
    enum status status = store_check(f, engine_store(engine), name_tree, report, context,
                                     &verification_out->findings);
    for (size_t i = 0; status == STATUS_OK && i < schema_table_count(names.schema); i++) {
        const struct table *table = schema_table_at(names.schema, i);
        if (table->kind != RELATION_TABLE)
            continue;
        uint64_t damage = 0;
        status = table_check(f, catalog, table, report, context, &damage);
        verification_out->findings += damage;
        verification_out->tables++;
    }
    schema_release(names.schema);
    struct error error = *error_current();
    enum status started = freezer_start(f, catalog);
    if (status == STATUS_OK)
        return started;
    *error_current() = error;
    return status;
}
