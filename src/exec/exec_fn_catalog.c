/* What clients ask about the catalog: definitions as SQL, names, visibility, privileges, sizes. */
#include <string.h>

#include "exec/exec_kernel.h"
#include "sql/sql_pretty.h"

static enum status schema_of(const struct kernel_call *call, const struct schema **schema_out) {
    *schema_out = call->environment->schema;
    return *schema_out != NULL
               ? STATUS_OK
               : error_set(STATUS_FEATURE_NOT_SUPPORTED, "catalog functions need a schema");
}
static uint32_t oid_of(const struct value *value) {
    return (uint32_t)value->int64;
}
static void append_name(struct buffer *buffer, const char *name) {
    identifier_append(buffer, slice_of_text(name));
}
static bool in_path(const char *namespace_name) {
    return strcmp(namespace_name, "public") == 0 || strcmp(namespace_name, "pg_catalog") == 0;
}
static bool is_visible(const struct schema *schema, const struct table *table) {
    const struct table *found = schema_table(schema, NULL, table->name);
    return in_path(table->namespace_name) && found == table;
}
static void append_table(struct buffer *buffer, const struct schema *schema,
                         const struct table *table, bool short_name) {
    if (!short_name || !is_visible(schema, table)) {
        append_name(buffer, table->namespace_name);
        buffer_append_byte(buffer, '.');
    }
    append_name(buffer, table->name);
}

/* ---- types ------------------------------------------------------------------------------- */

BOXED_FUNCTION(format_type) {
    struct buffer buffer = {0};
    if (arguments[0].is_null)
        return return_null(result);
    uint32_t oid = oid_of(&arguments[0]);
    if (oid == 0)
        return return_c_text(result, "-");
    if (type_info(oid) == NULL)
        return return_c_text(result, "???");
    type_format(type_make(oid, arguments[1].is_null ? -1 : arguments[1].int32), &buffer);
    return exec__return_buffer(call, &buffer, result);
}

/* Names to oids; NULL where the input function would fail for want of the object. */
static enum status resolve(struct kernel_call *call, const struct value *arguments,
                           struct value *result) {
    struct value found;
    enum status status = text_input(call->environment->value_context, arguments[0].string,
                                    result->type, call->arena, &found);
    switch (status) {
    case STATUS_OK:
        result->int64 = found.int64;
        return STATUS_OK;
    case STATUS_UNDEFINED_TABLE:
    case STATUS_UNDEFINED_OBJECT:
    case STATUS_UNDEFINED_FUNCTION:
    case STATUS_INVALID_SCHEMA_NAME:
        error_clear();
        return return_null(result);
    default:
        return status;
    }
}
#define RESOLVE(symbol)                                                                            \
    BOXED_FUNCTION(symbol) {                                                                       \
        return resolve(call, arguments, result);                                                   \
    }
RESOLVE(to_regtype)
RESOLVE(to_regproc)
RESOLVE(to_regclass)
RESOLVE(to_regnamespace)

/* ---- definitions ------------------------------------------------------------------------- */

/* Expressions are kept as canonical SQL: their "node tree" is the text itself. */
BOXED_FUNCTION(pg_get_expr) {
    return return_text(result, arguments[0].string);
}
BOXED_FUNCTION(pg_get_expr_ext) {
    struct buffer buffer = {0};
    if (!arguments[2].boolean)
        return return_text(result, arguments[0].string);
    TRY(sql_pretty(call->f, exec__c_text(call, arguments[0].string), &buffer));
    return exec__return_buffer(call, &buffer, result);
}

static void append_columns(struct buffer *buffer, const struct table *table, const int16_t *numbers,
                           uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_text(buffer, ", ");
        append_name(buffer, table->columns[numbers[i] - 1].name);
    }
}
static enum status constraint_definition(struct kernel_call *call, uint32_t oid, bool pretty,
                                         struct value *result) {
    const struct schema *schema;
    const struct table *table;
    struct buffer buffer = {0};
    TRY(schema_of(call, &schema));
    const struct constraint *constraint = schema_constraint_by_oid(schema, oid, &table);
    if (constraint == NULL)
        return return_null(result);
    if (constraint->kind == 'c') {
        buffer_append_text(&buffer, "CHECK (");
        if (pretty)
            TRY(sql_pretty(call->f, constraint->check_text, &buffer));
        else
            buffer_append_text(&buffer, constraint->check_text);
        buffer_append_byte(&buffer, ')');
    } else {
        buffer_append_text(&buffer, constraint->kind == 'p' ? "PRIMARY KEY (" : "UNIQUE (");
        append_columns(&buffer, table, constraint->columns, constraint->column_count);
        buffer_append_byte(&buffer, ')');
    }
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(pg_get_constraintdef) {
    return constraint_definition(call, oid_of(&arguments[0]), false, result);
}
BOXED_FUNCTION(pg_get_constraintdef_ext) {
    return constraint_definition(call, oid_of(&arguments[0]), arguments[1].boolean, result);
}

/* By oid, whatever else is asked for. */
BOXED_FUNCTION(pg_get_viewdef) {
    const struct schema *schema;
    TRY(schema_of(call, &schema));
    const struct table *view = schema_table_by_oid(schema, oid_of(&arguments[0]));
    if (view == NULL || view->view_text == NULL)
        return return_null(result);
    struct buffer buffer = {0};
    buffer_append_format(&buffer, " %s;", view->view_text);
    return exec__return_buffer(call, &buffer, result);
}

static enum status index_definition(struct kernel_call *call, uint32_t oid, int32_t column,
                                    bool pretty, struct value *result) {
    const struct schema *schema;
    const struct table *table;
    struct buffer buffer = {0};
    TRY(schema_of(call, &schema));
    const struct index *index = schema_index_by_oid(schema, oid, &table);
    if (index == NULL)
        return return_null(result);
    if (column > 0) {
        if (column > index->column_count)
            return return_c_text(result, "");
        append_name(&buffer, table->columns[index->columns[column - 1].column_number - 1].name);
        return exec__return_buffer(call, &buffer, result);
    }
    buffer_append_text(&buffer, index->unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ");
    append_name(&buffer, index->name);
    buffer_append_text(&buffer, " ON ");
    append_table(&buffer, schema, table, pretty);
    buffer_append_text(&buffer, " USING btree (");
    for (uint32_t i = 0; i < index->column_count; i++) {
        const struct index_column *key = &index->columns[i];
        if (i > 0)
            buffer_append_text(&buffer, ", ");
        append_name(&buffer, table->columns[key->column_number - 1].name);
        if (key->descending)
            buffer_append_text(&buffer, " DESC");
        if (key->nulls_first != key->descending)
            buffer_append_text(&buffer, key->nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
    buffer_append_byte(&buffer, ')');
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(pg_get_indexdef) {
    return index_definition(call, oid_of(&arguments[0]), 0, false, result);
}
BOXED_FUNCTION(pg_get_indexdef_ext) {
    return index_definition(call, oid_of(&arguments[0]), arguments[1].int32,
                            arguments[2].boolean != 0, result);
}
BOXED_FUNCTION(pg_get_serial_sequence) {
    const struct schema *schema;
    struct buffer buffer = {0};
    struct value table_name = {.type = TYPE_OF(REGCLASS)};
    TRY(schema_of(call, &schema));
    TRY(text_input(call->environment->value_context, arguments[0].string, TYPE_OF(REGCLASS),
                   call->arena, &table_name));
    const struct table *table = schema_table_by_oid(schema, oid_of(&table_name));
    const struct column *column =
        table == NULL ? NULL : table_column(table, exec__c_text(call, arguments[1].string));
    if (column == NULL)
        return error_set(STATUS_UNDEFINED_COLUMN,
                         "column \"%.*s\" of relation \"%s\" does not exist",
                         (int)arguments[1].string.size, (const char *)arguments[1].string.data,
                         table == NULL ? "?" : table->name);
    for (size_t i = 0; i < schema_sequence_count(schema); i++) {
        const struct sequence *sequence = schema_sequence_at(schema, i);
        if (sequence->owner_table_oid != table->oid || sequence->owner_column != column->number)
            continue;
        append_name(&buffer, sequence->namespace_name);
        buffer_append_byte(&buffer, '.');
        append_name(&buffer, sequence->name);
        return exec__return_buffer(call, &buffer, result);
    }
    return return_null(result);
}
BOXED_FUNCTION(pg_get_userbyid) {
    struct buffer buffer = {0};
    uint32_t oid = oid_of(&arguments[0]);
    if (oid == 10) /* the role made with the database */
        return return_c_text(result, "satori");
    buffer_append_format(&buffer, "unknown (OID=%u)", oid);
    return exec__return_buffer(call, &buffer, result);
}

/* Kinds of object that do not exist here: nothing has such a definition or comment. */
BOXED_FUNCTION(no_such_object) {
    return return_null(result);
}

/* ---- visibility and privileges ----------------------------------------------------------- */

BOXED_FUNCTION(pg_table_is_visible) {
    const struct schema *schema;
    const struct table *table;
    uint32_t oid = oid_of(&arguments[0]);
    TRY(schema_of(call, &schema));
    table = schema_table_by_oid(schema, oid);
    if (table != NULL) {
        result->boolean = is_visible(schema, table);
        return STATUS_OK;
    }
    if (schema_index_by_oid(schema, oid, &table) != NULL) {
        result->boolean = in_path(table->namespace_name);
        return STATUS_OK;
    }
    const struct sequence *sequence = schema_sequence_by_oid(schema, oid);
    if (sequence == NULL)
        return return_null(result);
    result->boolean = in_path(sequence->namespace_name);
    return STATUS_OK;
}
BOXED_FUNCTION(pg_type_is_visible) {
    result->boolean = type_info(oid_of(&arguments[0])) != NULL;
    return STATUS_OK;
}
BOXED_FUNCTION(pg_function_is_visible) {
    result->boolean = function_by_oid(oid_of(&arguments[0])) != NULL ||
                      aggregate_by_oid(oid_of(&arguments[0])) != NULL;
    return STATUS_OK;
}
BOXED_FUNCTION(always_true) {
    result->boolean = true; /* everything else lives in pg_catalog; the one role may do all */
    return STATUS_OK;
}
BOXED_FUNCTION(always_false) {
    result->boolean = false;
    return STATUS_OK;
}

/* ---- sizes ------------------------------------------------------------------------------- */

static enum status database_size(struct kernel_call *call, struct value *result) {
    struct store_statistics statistics;
    if (call->environment->store == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "sizes need an open database");
    store_statistics(call->environment->store, &statistics);
    result->int64 = (int64_t)(statistics.page_bytes_used + statistics.journal_bytes);
    return STATUS_OK;
}
BOXED_FUNCTION(pg_database_size_name) {
    return database_size(call, result);
}
BOXED_FUNCTION(pg_database_size_oid) {
    return database_size(call, result);
}
enum { SIZE_MAIN = 1, SIZE_LARGE = 2, SIZE_INDEXES = 4 };

/* Bytes of the parts of a table, or of an index; null when there is no such relation. */
static enum status relation_size(struct kernel_call *call, uint32_t oid, unsigned parts,
                                 struct value *result) {
    struct store *store = call->environment->store;
    if (store == NULL || call->f == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "sizes need an open database");
    const struct table *table = schema_table_by_oid(call->environment->schema, oid), *of;
    const struct index *index = schema_index_by_oid(call->environment->schema, oid, &of);
    uint64_t total = 0, bytes = 0;
    if (table == NULL && index == NULL) {
        result->is_null = schema_sequence_by_oid(call->environment->schema, oid) == NULL;
        result->int64 = 0;
        return STATUS_OK;
    }
    if (index != NULL && (parts & SIZE_MAIN) != 0)
        TRY(table_tree_size(call->f, store, index->tree, &total));
    if (table != NULL && table->kind == RELATION_TABLE) {
        if ((parts & SIZE_MAIN) != 0) {
            TRY(table_tree_size(call->f, store, table->row_tree, &bytes));
            total += bytes;
        }
        if ((parts & SIZE_LARGE) != 0) {
            TRY(table_tree_size(call->f, store, table->large_tree, &bytes));
            total += bytes;
        }
        for (unsigned i = 0; (parts & SIZE_INDEXES) != 0 && i < table->index_count; i++) {
            TRY(table_tree_size(call->f, store, table->indexes[i]->tree, &bytes));
            total += bytes;
        }
    }
    result->int64 = (int64_t)total;
    return STATUS_OK;
}
BOXED_FUNCTION(pg_relation_size) {
    return relation_size(call, oid_of(&arguments[0]), SIZE_MAIN, result);
}
BOXED_FUNCTION(pg_table_size) {
    return relation_size(call, oid_of(&arguments[0]), SIZE_MAIN | SIZE_LARGE, result);
}
BOXED_FUNCTION(pg_indexes_size) {
    return relation_size(call, oid_of(&arguments[0]), SIZE_INDEXES, result);
}
BOXED_FUNCTION(pg_total_relation_size) {
    return relation_size(call, oid_of(&arguments[0]), SIZE_MAIN | SIZE_LARGE | SIZE_INDEXES,
                         result);
}
BOXED_FUNCTION(pg_relation_filenode) {
    result->int64 = arguments[0].int64;
    return STATUS_OK;
}

static enum status pretty(struct kernel_call *call, struct numeric size, struct value *result) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    struct numeric whole;
    struct buffer buffer = {0};
    TRY(numeric_round(size, 0, &whole));
    int128_t number = whole.coefficient;
    /* One bit more than shown is kept, for rounding half away from zero. */
    for (int unit = 0;; unit++) {
        int128_t magnitude = number < 0 ? -number : number;
        if (unit == 5 || magnitude < (unit == 0 ? 10 * 1024 : 20 * 1024 - 1)) {
            char text[40];
            if (unit > 0)
                number = (number + (number < 0 ? 0 : 1)) / 2;
            buffer_append(&buffer, text, int128_format(number, text));
            buffer_append_format(&buffer, " %s", units[unit]);
            return exec__return_buffer(call, &buffer, result);
        }
        number /= unit == 0 ? 512 : 1024;
    }
}
BOXED_FUNCTION(pg_size_pretty) {
    return pretty(call, numeric_make(arguments[0].int64, 0), result);
}
BOXED_FUNCTION(pg_size_pretty_numeric) {
    return pretty(call, numeric_from_value(&arguments[0]), result);
}

#define AS(symbol, kernel)                                                                         \
    { #symbol, NULL, exec_fn_##kernel, NULL }
static const struct kernel_entry entries[] = {
    BOXED(format_type),
    BOXED(to_regtype),
    BOXED(to_regproc),
    BOXED(to_regclass),
    BOXED(to_regnamespace),
    BOXED(pg_get_expr),
    BOXED(pg_get_expr_ext),
    BOXED(pg_get_constraintdef),
    BOXED(pg_get_constraintdef_ext),
    BOXED(pg_get_indexdef),
    BOXED(pg_get_indexdef_ext),
    BOXED(pg_get_serial_sequence),
    BOXED(pg_get_userbyid),
    AS(obj_description_oid_name, no_such_object),
    AS(obj_description_oid, no_such_object),
    AS(col_description, no_such_object),
    AS(shobj_description, no_such_object),
    BOXED(pg_get_viewdef),
    AS(pg_get_viewdef_ext, pg_get_viewdef),
    AS(pg_get_viewdef_name, no_such_object),
    AS(pg_get_viewdef_name_ext, no_such_object),
    AS(pg_get_triggerdef, no_such_object),
    AS(pg_get_ruledef, no_such_object),
    AS(pg_get_ruledef_ext, no_such_object),
    AS(pg_get_triggerdef_ext, no_such_object),
    AS(pg_get_functiondef, no_such_object),
    AS(pg_get_function_arguments, no_such_object),
    AS(pg_get_function_identity_arguments, no_such_object),
    AS(pg_get_function_result, no_such_object),
    AS(pg_get_function_sqlbody, no_such_object),
    AS(pg_get_partkeydef, no_such_object),
    AS(pg_get_statisticsobjdef_columns, no_such_object),
    AS(pg_tablespace_location, no_such_object),
    BOXED(pg_table_is_visible),
    BOXED(pg_type_is_visible),
    BOXED(pg_function_is_visible),
    AS(pg_operator_is_visible, always_true),
    AS(pg_opclass_is_visible, always_true),
    AS(pg_opfamily_is_visible, always_true),
    AS(pg_collation_is_visible, always_true),
    AS(pg_conversion_is_visible, always_true),
    AS(pg_statistics_obj_is_visible, always_true),
    AS(pg_ts_config_is_visible, always_true),
    AS(has_database_privilege_name_name, always_true),
    AS(has_database_privilege_name, always_true),
    AS(has_database_privilege_id, always_true),
    AS(has_schema_privilege_name_name, always_true),
    AS(has_schema_privilege_name, always_true),
    AS(has_schema_privilege_id, always_true),
    AS(has_table_privilege_name_name, always_true),
    AS(has_table_privilege_name, always_true),
    AS(has_table_privilege_id, always_true),
    AS(pg_has_role_name, always_true),
    AS(pg_has_role_id, always_true),
    AS(pg_relation_is_publishable, always_false),
    BOXED(pg_database_size_name),
    BOXED(pg_database_size_oid),
    BOXED(pg_relation_size),
    AS(pg_relation_size_regclass, pg_relation_size),
    BOXED(pg_total_relation_size),
    BOXED(pg_table_size),
    BOXED(pg_indexes_size),
    BOXED(pg_relation_filenode),
    BOXED(pg_size_pretty),
    BOXED(pg_size_pretty_numeric),
};
KERNEL_TABLE(exec__kernels_catalog, entries)
