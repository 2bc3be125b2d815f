/* CREATE, ALTER, DROP, TRUNCATE: into the catalog's specs. */
#include <stdlib.h>
#include <string.h>

#include "sql/bind_ddl.h"

const char *copy_name(const struct binder *b, const char *name) {
    return name == NULL || name[0] == '\0' ? NULL : arena_copy_text(b->arena, name);
}

const char *creation_schema(const struct binder *b, const PgQuery__RangeVar *name) {
    if (name->schemaname[0] != '\0')
        return arena_copy_text(b->arena, name->schemaname);
    if (b->options->search_path == NULL)
        return "public";
    return b->options->search_path_count > 0 ? arena_copy_text(b->arena, b->options->search_path[0])
                                             : NULL;
}

enum status check_schema(struct binder *b, const char *name, int location) {
    if (name == NULL)
        return bind_error(b, location, STATUS_INVALID_SCHEMA_NAME,
                          "no schema has been selected to create in");
    const struct schema_namespace *found = schema_namespace(b->schema, name);
    if (found == NULL)
        return bind_error(b, location, STATUS_INVALID_SCHEMA_NAME, "schema \"%s\" does not exist",
                          name);
    if (found->is_system)
        return error_set(STATUS_INSUFFICIENT_PRIVILEGE, "permission denied for schema %s", name);
    return STATUS_OK;
}

/* ---- columns and constraints ------------------------------------------------------------ */

int column_number(const struct definition *d, const char *name) {
    if (d->existing != NULL) {
        const struct column *column = table_column(d->existing, name);
        if (column != NULL)
            return column->number;
    }
    for (uint32_t i = 0; i < d->column_count; i++)
        if (strcmp(d->columns[i].name, name) == 0)
            return (int)i + 1 + (d->existing != NULL ? d->existing->column_count : 0);
    return 0;
}

const char bind_clause_check[] = "check constraints";
const char bind_clause_default[] = "DEFAULT expressions";

/* A scratch table with the columns as defined, for binding checks. */
static enum status scratch_table(struct binder *b, const struct definition *d,
                                 struct table *table) {
    uint32_t old = d->existing != NULL ? d->existing->column_count : 0;
    *table = (struct table){.name = d->table_name,
                            .kind = RELATION_TABLE,
                            .column_count = (uint16_t)(old + d->column_count)};
    TRY(BIND_ARRAY(b, table->column_count, &table->columns));
    for (uint32_t i = 0; i < old; i++)
        table->columns[i] = d->existing->columns[i];
    for (uint32_t i = 0; i < d->column_count; i++)
        table->columns[old + i] = (struct column){.name = d->columns[i].name,
                                                  .number = (int16_t)(old + i + 1),
                                                  .type = d->columns[i].type};
    return STATUS_OK;
}

static bool visit_mentioned(const struct expression *expression, void *context) {
    struct constraint_spec *check = context;
    if (expression->kind != EXPRESSION_VARIABLE)
        return false;
    for (uint32_t i = 0; i < check->column_count; i++)
        if (check->columns[i] == expression->variable.column)
            return false;
    if (check->column_count < INDEX_COLUMNS_MAX)
        check->columns[check->column_count++] = expression->variable.column;
    return false;
}

static enum status add_check(struct binder *b, const PgQuery__Constraint *node,
                             struct definition *d, const struct table *table,
                             struct expression **condition_out) {
    struct query *outer = b->query;
    uint32_t relation;
    struct scope_item *scope;
    TRY(bind_query_new(b, &b->query));
    TRY(bind_add_table(b, table, NULL, NULL, &relation, &scope));
    struct expression *condition;
    b->clause = bind_clause_check;
    TRY(bind_expression(b, node->raw_expr, &condition));
    TRY(bind_boolean(b, condition, "CHECK", &condition));
    b->clause = NULL;
    b->query = outer;
    const char **names;
    TRY(BIND_ARRAY(b, table->column_count, &names));
    for (uint32_t i = 0; i < table->column_count; i++)
        names[i] = table->columns[i].name;
    struct constraint_spec *check = &d->checks[d->check_count++];
    *check = (struct constraint_spec){.name = copy_name(b, node->conname), .kind = 'c'};
    TRY(bind_canonical(b, condition, names, &check->check_text));
    expression_walk(condition, visit_mentioned, check);
    *condition_out = condition;
    return STATUS_OK;
}

static enum status add_key(struct binder *b, const PgQuery__Constraint *node, struct definition *d,
                           const char *column) {
    struct index_spec *index = &d->indexes[d->index_count++];
    bool primary = node->contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY;
    *index = (struct index_spec){.name = copy_name(b, node->conname),
                                 .table_name = d->table_name,
                                 .unique = true,
                                 .primary = primary,
                                 .as_constraint = true};
    if (node->deferrable || node->initdeferred)
        return bind_unsupported(b, node->location, "a deferrable constraint");
    if (node->indexname != NULL && node->indexname[0] != '\0')
        return bind_unsupported(b, node->location, "a constraint using an existing index");
    if (node->nulls_not_distinct)
        return bind_unsupported(b, node->location, "NULLS NOT DISTINCT");
    if (node->n_including > 0)
        return bind_unsupported(b, node->location, "INCLUDE");
    for (uint32_t i = 0; primary && i + 1 < d->index_count; i++)
        if (d->indexes[i].primary)
            return bind_error(b, node->location, STATUS_INVALID_TABLE_DEFINITION,
                              "multiple primary keys for table \"%s\" are not allowed",
                              d->table_name);
    size_t count = column != NULL ? 1 : node->n_keys;
    if (count > INDEX_COLUMNS_MAX)
        return bind_error(b, node->location, STATUS_TOO_MANY_COLUMNS,
                          "cannot use more than %d columns in an index", INDEX_COLUMNS_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *name = column != NULL ? column : node_text(node->keys[i]);
        int number = column_number(d, name);
        if (number == 0)
            return bind_error(b, node->location, STATUS_UNDEFINED_COLUMN,
                              "column \"%s\" named in key does not exist", name);
        for (uint32_t k = 0; k < index->column_count; k++)
            if (index->columns[k].column_number == number)
                return bind_error(b, node->location, STATUS_DUPLICATE_COLUMN,
                                  "column \"%s\" appears twice in %s constraint", name,
                                  primary ? "primary key" : "unique");
        index->columns[index->column_count++].column_number = (int16_t)number;
        uint32_t old = d->existing != NULL ? d->existing->column_count : 0;
        if (primary && (uint32_t)number > old)
            d->columns[(uint32_t)number - old - 1].not_null = true;
    }
    return STATUS_OK;
}

static enum status refuse_constraint(struct binder *b, const PgQuery__Constraint *node) {
    switch (node->contype) {
    case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN:
        return bind_unsupported(b, node->location, "FOREIGN KEY");
    case PG_QUERY__CONSTR_TYPE__CONSTR_EXCLUSION:
        return bind_unsupported(b, node->location, "EXCLUDE");
    case PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED:
        return bind_unsupported(b, node->location, "a generated column");
    default:
        return bind_unsupported(b, node->location, "this kind of constraint");
    }
}

enum status add_constraint(struct binder *b, const PgQuery__Constraint *node, struct definition *d,
                           const char *column, struct expression **condition_out) {
    *condition_out = NULL;
    switch (node->contype) {
    case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK: {
        struct table *table;
        TRY(BIND_ARRAY(b, 1, &table));
        TRY(scratch_table(b, d, table));
        return add_check(b, node, d, table, condition_out);
    }
    case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
    case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE:
        return add_key(b, node, d, column);
    default:
        return refuse_constraint(b, node);
    }
}

enum status bind_default_text(struct binder *b, const parse_node *node, const char *column_name,
                              struct type type, const char **text_out,
                              struct expression **expression_out) {
    struct query *outer = b->query;
    b->query = NULL;
    b->clause = bind_clause_default;
    struct expression *value;
    if (NODE_IS(node, COLUMN_REF))
        return bind_error(b, node->column_ref->location, STATUS_FEATURE_NOT_SUPPORTED,
                          "cannot use column reference in DEFAULT expression");
    TRY(bind_expression(b, node, &value));
    b->clause = NULL;
    b->query = outer;
    TRY(bind_assign(b, column_name, type, value, value->location, &value));
    *expression_out = value;
    *text_out = NULL;
    if (value->kind == EXPRESSION_CONSTANT && value->value.is_null)
        return STATUS_OK; /* as if nothing had been said */
    /* What is stored is read again with the column's type: casts to it need not be kept. */
    const struct expression *shown = value->written != NULL ? value->written : value;
    while (shown->kind == EXPRESSION_CAST && !shown->is_explicit) {
        shown = shown->arguments[0];
        shown = shown->written != NULL ? shown->written : shown;
    }
    return bind_canonical(b, shown, NULL, text_out);
}

/* nextval('name'::regclass), the name as pg_get_expr would show it. */
static enum status bind_sequence_default(struct binder *b, const char *schema_name,
                                         const char *sequence, const char **text_out) {
    struct buffer name = {0}, literal = {0};
    if (strcmp(schema_name, "public") != 0) {
        identifier_append(&name, slice_of_text(schema_name));
        buffer_append_byte(&name, '.');
    }
    identifier_append(&name, slice_of_text(sequence));
    buffer_append_text(&literal, "nextval(");
    literal_append(&literal, buffer_slice(&name));
    buffer_append_text(&literal, "::regclass)");
    enum status status = buffer_status(&literal);
    if (status == STATUS_OK)
        *text_out = arena_format(b->arena, "%.*s", (int)literal.size, (const char *)literal.data);
    buffer_release(&name);
    buffer_release(&literal);
    return status;
}

enum status define_column(struct binder *b, const PgQuery__ColumnDef *node, struct definition *d,
                          const char *schema_name, struct expression **default_out) {
    for (uint32_t i = 0; i < d->column_count; i++)
        if (strcmp(d->columns[i].name, node->colname) == 0)
            return bind_error(b, -1, STATUS_DUPLICATE_COLUMN,
                              "column \"%s\" specified more than once", node->colname);
    if (strlen(node->colname) > NAME_SIZE_MAX)
        return bind_error(b, node->location, STATUS_NAME_TOO_LONG, "column name is too long");
    struct column_spec *column = &d->columns[d->column_count];
    *column = (struct column_spec){.name = copy_name(b, node->colname)};
    uint32_t serial = serial_type(node->type_name);
    *default_out = NULL;
    if (serial != 0)
        column->type = type_plain(serial);
    else
        TRY(bind_type_name(b, node->type_name, &column->type));
    if (type_info_get(column->type.id)->is_pseudo || column->type.id == TYPE_UNKNOWN)
        return bind_error(b, node->location, STATUS_INVALID_TABLE_DEFINITION,
                          "column \"%s\" has pseudo-type %s", column->name,
                          bind_type_text(b, column->type));
    d->column_count++;
    if (serial != 0) {
        TRY(add_sequence(b, d, schema_name, column, 0, NULL));
        const char *sequence = column->serial_sequence_name;
        TRY(bind_sequence_default(b, schema_name, sequence, &column->default_text));
    }
    bool null_said = false;
    for (size_t i = 0; i < node->n_constraints; i++) {
        const PgQuery__Constraint *constraint = node->constraints[i]->constraint;
        struct expression *ignored;
        switch (constraint->contype) {
        case PG_QUERY__CONSTR_TYPE__CONSTR_NULL:
            null_said = true;
            break;
        case PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL:
            column->not_null = true;
            break;
        case PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT:
            if (column->default_text != NULL)
                return bind_error(b, constraint->location, STATUS_SYNTAX_ERROR,
                                  "multiple default values specified for column \"%s\" of table "
                                  "\"%s\"",
                                  column->name, d->table_name);
            TRY(bind_default_text(b, constraint->raw_expr, column->name, column->type,
                                  &column->default_text, default_out));
            break;
        case PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY:
            if (column->identity != 0)
                return bind_error(b, constraint->location, STATUS_SYNTAX_ERROR,
                                  "multiple identity specifications for column \"%s\" of table "
                                  "\"%s\"",
                                  column->name, d->table_name);
            column->identity = constraint->generated_when[0];
            if (column->type.id != TYPE_INT2 && column->type.id != TYPE_INT4 &&
                column->type.id != TYPE_INT8)
                return error_set(STATUS_INVALID_PARAMETER_VALUE,
                                 "identity column type must be smallint, integer, or bigint");
            TRY(add_sequence(b, d, schema_name, column, constraint->n_options,
                             constraint->options));
            break;
        case PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_NOT_DEFERRABLE:
        case PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_IMMEDIATE:
            break;
        case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK:
            break; /* when all columns are known */
        default:
            TRY(add_constraint(b, constraint, d, column->name, &ignored));
            break;
        }
        if (column->identity != 0 && column->default_text != NULL)
            return bind_error(b, constraint->location, STATUS_SYNTAX_ERROR,
                              "both default and identity specified for column \"%s\" of table "
                              "\"%s\"",
                              column->name, d->table_name);
        if (null_said && column->not_null)
            return bind_error(b, constraint->location, STATUS_SYNTAX_ERROR,
                              "conflicting NULL/NOT NULL declarations for column \"%s\" of table "
                              "\"%s\"",
                              column->name, d->table_name);
    }
    return STATUS_OK;
}

enum status column_checks(struct binder *b, const PgQuery__ColumnDef *node, struct definition *d) {
    struct expression *ignored;
    for (size_t i = 0; i < node->n_constraints; i++)
        if (node->constraints[i]->constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_CHECK)
            TRY(add_constraint(b, node->constraints[i]->constraint, d, NULL, &ignored));
    return STATUS_OK;
}

enum status definition_open(struct binder *b, struct definition *d, size_t columns,
                            size_t constraints) {
    TRY(BIND_ARRAY(b, columns, &d->columns));
    TRY(BIND_ARRAY(b, columns, &d->sequences));
    TRY(BIND_ARRAY(b, columns + constraints, &d->indexes));
    return BIND_ARRAY(b, columns + constraints, &d->checks);
}

static size_t count_constraints(const PgQuery__CreateStmt *node) {
    size_t count = node->n_table_elts + node->n_constraints;
    for (size_t i = 0; i < node->n_table_elts; i++)
        if (NODE_IS(node->table_elts[i], COLUMN_DEF))
            count += node->table_elts[i]->column_def->n_constraints;
    return count;
}

enum status bind_freeze_option(struct binder *b, const PgQuery__DefElem *option,
                               enum freeze_option *out) {
    static const struct {
        const char *word;
        enum freeze_option meaning;
    } words[] = {{"on", FREEZE_ON},
                 {"true", FREEZE_ON},
                 {"off", FREEZE_OFF},
                 {"false", FREEZE_OFF},
                 {"eager", FREEZE_EAGER}};
    const parse_node *value = option->arg;
    const char *text = value == NULL               ? "on"
                       : NODE_IS(value, STRING)    ? value->string->sval
                       : NODE_IS(value, TYPE_NAME) ? node_text(value->type_name->names[0])
                                                   : "";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i].word) == 0) {
            *out = words[i].meaning;
            return STATUS_OK;
        }
    }
    return bind_error(b, option->location, STATUS_INVALID_PARAMETER_VALUE,
                      "invalid value for option \"freeze\": it is on, off or eager");
}

static enum status table_options(struct binder *b, size_t count, parse_node **options,
                                 struct statement_create_table *create) {
    const char **ignored;
    TRY(BIND_ARRAY(b, count, &ignored));
    for (size_t i = 0; i < count; i++) {
        const PgQuery__DefElem *option = options[i]->def_elem;
        if (strcmp(option->defname, "partition_by") == 0) {
            const parse_node *value = option->arg;
            const char *name = NODE_IS(value, STRING)      ? value->string->sval
                               : NODE_IS(value, TYPE_NAME) ? node_text(value->type_name->names[0])
                                                           : NULL;
            if (name == NULL)
                return bind_error(b, option->location, STATUS_INVALID_PARAMETER_VALUE,
                                  "partition_by must name a column");
            create->spec.partition_by = copy_name(b, name);
            continue;
        }
        if (strcmp(option->defname, "freeze") == 0) {
            TRY(bind_freeze_option(b, option, &create->spec.freeze));
            continue;
        }
        ignored[create->ignored_count++] = copy_name(b, option->defname);
    }
    create->ignored = ignored;
    return STATUS_OK;
}

static enum status begin_create(struct binder *b, const PgQuery__RangeVar *name,
                                struct statement_create_table *create) {
    create->spec.namespace_name = creation_schema(b, name);
    create->spec.name = copy_name(b, name->relname);
    create->temporary = name->relpersistence[0] == 't';
    if (create->temporary)
        return bind_unsupported(b, name->location, "a temporary table");
    TRY(check_schema(b, create->spec.namespace_name, name->location));
    create->exists =
        schema_table(b->schema, create->spec.namespace_name, create->spec.name) != NULL;
    if (create->exists && !create->if_not_exists)
        return error_set(STATUS_DUPLICATE_TABLE, "relation \"%s\" already exists",
                         create->spec.name);
    return STATUS_OK;
}

static enum status bind_create_table(struct binder *b, const PgQuery__CreateStmt *node,
                                     struct statement *statement) {
    struct statement_create_table *create = &statement->create_table;
    if (node->partspec != NULL || node->partbound != NULL)
        return bind_unsupported(b, node->relation->location, "PARTITION BY");
    if (node->n_inh_relations > 0)
        return bind_unsupported(b, node->relation->location, "INHERITS");
    if (node->of_typename != NULL)
        return bind_unsupported(b, node->relation->location, "CREATE TABLE OF");
    create->if_not_exists = node->if_not_exists;
    TRY(begin_create(b, node->relation, create));
    struct definition d = {.table_name = create->spec.name};
    TRY(definition_open(b, &d, node->n_table_elts, count_constraints(node)));
    struct expression *ignored;
    for (size_t i = 0; i < node->n_table_elts; i++)
        if (NODE_IS(node->table_elts[i], COLUMN_DEF))
            TRY(define_column(b, node->table_elts[i]->column_def, &d, create->spec.namespace_name,
                              &ignored));
        else if (NODE_IS(node->table_elts[i], TABLE_LIKE_CLAUSE))
            return bind_unsupported(b, node->relation->location, "CREATE TABLE LIKE");
    for (size_t i = 0; i < node->n_table_elts; i++)
        if (NODE_IS(node->table_elts[i], COLUMN_DEF))
            TRY(column_checks(b, node->table_elts[i]->column_def, &d));
        else if (NODE_IS(node->table_elts[i], CONSTRAINT))
            TRY(add_constraint(b, node->table_elts[i]->constraint, &d, NULL, &ignored));
    if (d.column_count > COLUMNS_MAX)
        return error_set(STATUS_TOO_MANY_COLUMNS, "tables can have at most %d columns",
                         COLUMNS_MAX);
    TRY(table_options(b, node->n_options, node->options, create));
    create->spec.columns = d.columns;
    create->spec.column_count = (uint16_t)d.column_count;
    create->sequence_count = d.sequence_count;
    create->sequences = d.sequences;
    create->index_count = d.index_count;
    create->indexes = d.indexes;
    create->check_count = d.check_count;
    create->checks = d.checks;
    return STATUS_OK;
}

static enum status bind_create_as(struct binder *b, const PgQuery__CreateTableAsStmt *node,
                                  struct statement *statement) {
    struct statement_create_table *create = &statement->create_table;
    if (node->objtype != PG_QUERY__OBJECT_TYPE__OBJECT_TABLE)
        return bind_unsupported(b, -1, "CREATE MATERIALIZED VIEW");
    if (!NODE_IS(node->query, SELECT_STMT))
        return bind_unsupported(b, -1, "CREATE TABLE AS EXECUTE");
    create->if_not_exists = node->if_not_exists;
    create->with_no_data = node->into->skip_data;
    TRY(begin_create(b, node->into->rel, create));
    struct query *query;
    TRY(bind_select(b, node->query->select_stmt, &query));
    struct plan *plan;
    TRY(plan_query(b, query, &plan));
    statement->plan = plan;
    create->spec.column_count = (uint16_t)plan->root->column_count;
    TRY(BIND_ARRAY(b, plan->root->column_count, &create->spec.columns));
    if (node->into->n_col_names > plan->root->column_count)
        return error_set(STATUS_SYNTAX_ERROR, "too many column names were specified");
    for (uint32_t i = 0; i < plan->root->column_count; i++) {
        const struct plan_column *column = &plan->root->columns[i];
        struct column_spec *spec = &create->spec.columns[i];
        spec->name = i < node->into->n_col_names ? copy_name(b, node_text(node->into->col_names[i]))
                                                 : column->name;
        spec->type = type_make(column->type.id, column->type.modifier);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(create->spec.columns[k].name, spec->name) == 0)
                return error_set(STATUS_DUPLICATE_COLUMN, "column \"%s\" specified more than once",
                                 spec->name);
    }
    return table_options(b, node->into->n_options, node->into->options, create);
}

/* ---- indexes ---------------------------------------------------------------------------- */

static enum status bind_create_index(struct binder *b, const PgQuery__IndexStmt *node,
                                     struct statement *statement) {
    struct statement_create_index *create = &statement->create_index;
    TRY(bind_find_table(b, node->relation, false, &create->table));
    const struct table *table = create->table;
    if (table->kind == RELATION_SEQUENCE)
        return bind_not_for_sequences("cannot create index on", table);
    if (table->kind == RELATION_VIEW) {
        enum status status = error_set(STATUS_WRONG_OBJECT_TYPE,
                                       "cannot create index on relation \"%s\"", table->name);
        error_detail("This operation is not supported for views.");
        return status;
    }
    if (table->is_system || table->kind != RELATION_TABLE)
        return error_set(STATUS_INSUFFICIENT_PRIVILEGE,
                         "permission denied: \"%s\" is a system catalog", table->name);
    if (node->access_method[0] != '\0' && strcmp(node->access_method, "btree") != 0)
        return bind_unsupported(b, node->relation->location, "index method %s",
                                node->access_method);
    if (node->where_clause != NULL)
        return bind_unsupported(b, node_location(node->where_clause), "a partial index");
    if (node->n_index_including_params > 0)
        return bind_unsupported(b, node->relation->location, "INCLUDE");
    if (node->nulls_not_distinct)
        return bind_unsupported(b, node->relation->location, "NULLS NOT DISTINCT");
    struct index_spec *spec = &create->spec;
    spec->name = copy_name(b, node->idxname);
    spec->table_name = table->name;
    spec->unique = node->unique;
    create->if_not_exists = node->if_not_exists;
    create->concurrently = node->concurrent;
    if (node->n_index_params > INDEX_COLUMNS_MAX)
        return error_set(STATUS_TOO_MANY_COLUMNS, "cannot use more than %d columns in an index",
                         INDEX_COLUMNS_MAX);
    for (size_t i = 0; i < node->n_index_params; i++) {
        const PgQuery__IndexElem *element = node->index_params[i]->index_elem;
        if (element->expr != NULL)
            return bind_unsupported(b, node_location(element->expr), "an index on an expression");
        const struct column *column = table_column(table, element->name);
        if (column == NULL)
            return bind_error(b, -1, STATUS_UNDEFINED_COLUMN, "column \"%s\" does not exist",
                              element->name);
        bool descending = element->ordering == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
        spec->columns[spec->column_count++] = (struct index_column){
            column->number, descending,
            element->nulls_ordering == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
                (element->nulls_ordering != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST &&
                 descending)};
    }
    if (spec->name != NULL) {
        const struct table *owner;
        create->exists =
            schema_index(b->schema, table->namespace_name, spec->name, &owner) != NULL ||
            schema_table(b->schema, table->namespace_name, spec->name) != NULL;
        if (create->exists && !node->if_not_exists)
            return error_set(STATUS_DUPLICATE_TABLE, "relation \"%s\" already exists", spec->name);
    }
    return bind_add_lock(b, table->oid, RELATION_LOCK_SHARE);
}

static enum status bind_create_schema(struct binder *b, const PgQuery__CreateSchemaStmt *node,
                                      struct statement *statement) {
    struct statement_objects *objects = &statement->objects;
    if (node->n_schema_elts > 0)
        return bind_unsupported(b, -1, "CREATE SCHEMA with elements");
    const char **names;
    TRY(BIND_ARRAY(b, 1, &names));
    names[0] = copy_name(b, node->schemaname);
    if (names[0] == NULL)
        return bind_unsupported(b, -1, "CREATE SCHEMA AUTHORIZATION");
    if (strncmp(names[0], "pg_", 3) == 0) {
        enum status status =
            error_set(STATUS_RESERVED_NAME, "unacceptable schema name \"%s\"", names[0]);
        error_detail("The prefix \"pg_\" is reserved for system schemas.");
        return status;
    }
    objects->names = names;
    objects->count = 1;
    objects->if_not_exists = node->if_not_exists;
    if (schema_namespace(b->schema, names[0]) == NULL)
        return STATUS_OK;
    if (!node->if_not_exists)
        return error_set(STATUS_DUPLICATE_SCHEMA, "schema \"%s\" already exists", names[0]);
    objects->count = 0;
    objects->notice_count = 1;
    const char **notices;
    TRY(BIND_ARRAY(b, 1, &notices));
    notices[0] = arena_format(b->arena, "schema \"%s\" already exists, skipping", names[0]);
    objects->notices = notices;
    return STATUS_OK;
}
enum status bind_ddl(struct binder *b, const parse_node *node, struct statement *statement) {
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        return bind_create_table(b, node->create_stmt, statement);
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        return bind_create_as(b, node->create_table_as_stmt, statement);
    case PG_QUERY__NODE__NODE_VIEW_STMT:
        return bind_create_view(b, node->view_stmt, statement);
    case PG_QUERY__NODE__NODE_INDEX_STMT:
        return bind_create_index(b, node->index_stmt, statement);
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
        return bind_create_sequence(b, node->create_seq_stmt, statement);
    case PG_QUERY__NODE__NODE_ALTER_SEQ_STMT:
        return bind_alter_sequence(b, node->alter_seq_stmt, statement);
    case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT:
        return bind_create_schema(b, node->create_schema_stmt, statement);
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
        return bind_alter_table(b, node->alter_table_stmt, statement);
    case PG_QUERY__NODE__NODE_RENAME_STMT:
        return bind_rename(b, node->rename_stmt, statement);
    case PG_QUERY__NODE__NODE_DROP_STMT:
        return bind_drop(b, node->drop_stmt, statement);
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
        return bind_truncate(b, node->truncate_stmt, statement);
    case PG_QUERY__NODE__NODE_REINDEX_STMT:
        return bind_reindex(b, node->reindex_stmt, statement);
    default:
        return bind_unsupported(b, -1, "this statement");
    }
}
