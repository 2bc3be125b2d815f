/* VACUUM and ANALYZE: PostgreSQL's options, of which those without a meaning here are taken, too.
 */
#include <string.h>
#include <strings.h>

#include "sql/bind.h"

enum { PARALLEL_WORKERS_MAX = 1024 };

/* on, off or auto; what it asks of dead index entries there are none of. */
static enum status index_cleanup(struct binder *b, const PgQuery__DefElem *option) {
    const char *text = bind_option_text(b, option->arg);
    bool ignored;
    return text != NULL && strcasecmp(text, "auto") == 0 ? STATUS_OK
                                                         : bind_option_bool(b, option, &ignored);
}

static enum status parallel(struct binder *b, const PgQuery__DefElem *option) {
    const parse_node *value = option->arg;
    if (!NODE_IS(value, INTEGER))
        return bind_error(b, option->location, STATUS_SYNTAX_ERROR,
                          "parallel option requires a value between 0 and %d",
                          PARALLEL_WORKERS_MAX);
    if (value->integer->ival < 0 || value->integer->ival > PARALLEL_WORKERS_MAX)
        return bind_error(b, option->location, STATUS_SYNTAX_ERROR,
                          "parallel workers for vacuum must be between 0 and %d",
                          PARALLEL_WORKERS_MAX);
    return STATUS_OK;
}

static enum status take_option(struct binder *b, const PgQuery__DefElem *option, bool is_vacuum,
                               struct statement_objects *objects) {
    bool ignored;
    const struct {
        const char *name;
        bool of_analyze;
        bool *value;
    } flags[] = {
        {"verbose", true, &objects->verbose},  {"skip_locked", true, &ignored},
        {"analyze", false, &objects->analyze}, {"freeze", false, &objects->freeze},
        {"full", false, &objects->full},       {"disable_page_skipping", false, &ignored},
        {"process_toast", false, &ignored},    {"truncate", false, &ignored},
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(option->defname, flags[i].name) == 0 && (is_vacuum || flags[i].of_analyze))
            return bind_option_bool(b, option, flags[i].value);
    if (is_vacuum && strcmp(option->defname, "index_cleanup") == 0)
        return index_cleanup(b, option);
    if (is_vacuum && strcmp(option->defname, "parallel") == 0)
        return parallel(b, option);
    return bind_error(b, option->location, STATUS_SYNTAX_ERROR, "unrecognized %s option \"%s\"",
                      is_vacuum ? "VACUUM" : "ANALYZE", option->defname);
}

/* Statistics are made of all columns; those that are named must be there. */
static enum status check_columns(struct binder *b, const struct table *table,
                                 const PgQuery__VacuumRelation *relation) {
    for (size_t i = 0; i < relation->n_va_cols; i++) {
        const char *name = node_text(relation->va_cols[i]);
        if (table_column(table, name) == NULL)
            return bind_error(b, -1, STATUS_UNDEFINED_COLUMN,
                              "column \"%s\" of relation \"%s\" does not exist", name, table->name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(node_text(relation->va_cols[k]), name) == 0)
                return bind_error(b, -1, STATUS_DUPLICATE_COLUMN,
                                  "column \"%s\" of relation \"%s\" appears more than once", name,
                                  table->name);
    }
    return STATUS_OK;
}

enum status bind_vacuum(struct binder *b, const PgQuery__VacuumStmt *node,
                        struct statement *statement) {
    struct statement_objects *objects = &statement->objects;
    for (size_t i = 0; i < node->n_options; i++)
        TRY(take_option(b, node->options[i]->def_elem, node->is_vacuumcmd, objects));
    objects->analyze |= !node->is_vacuumcmd;
    const struct table **tables;
    TRY(BIND_ARRAY(b, node->n_rels, &tables));
    objects->tables = tables;
    for (size_t i = 0; i < node->n_rels; i++) {
        const PgQuery__VacuumRelation *relation = node->rels[i]->vacuum_relation;
        const struct table *table;
        if (relation->n_va_cols > 0 && !objects->analyze)
            return bind_error(b, -1, STATUS_FEATURE_NOT_SUPPORTED,
                              "ANALYZE option must be specified when a column list is provided");
        TRY(bind_find_table(b, relation->relation, false, &table));
        TRY(check_columns(b, table, relation));
        TRY(bind_push_table(b, objects, table, RELATION_LOCK_SHARE_UPDATE_EXCLUSIVE));
    }
    return STATUS_OK;
}
