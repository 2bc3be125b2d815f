/* CREATE and ALTER SEQUENCE; the sequences of serial and identity columns. */
#include <stdlib.h>
#include <string.h>

#include "sql/bind_ddl.h"

static void sequence_limits(struct sequence *sequence) {
    sequence->start = sequence->increment = sequence->minimum = sequence->cache = 1;
    sequence->maximum = sequence->type.id == TYPE_INT2   ? INT16_MAX
                        : sequence->type.id == TYPE_INT4 ? INT32_MAX
                                                         : INT64_MAX;
}

static enum status number_option(struct binder *b, const PgQuery__DefElem *option,
                                 int64_t *number) {
    const parse_node *node = option->arg;
    if (NODE_IS(node, INTEGER))
        *number = node->integer->ival;
    else if (NODE_IS(node, FLOAT))
        *number = strtoll(node->float_->fval, NULL, 10);
    else
        return bind_error(b, option->location, STATUS_SYNTAX_ERROR, "%s requires a numeric value",
                          option->defname);
    return STATUS_OK;
}

/* `changed`: ALTER keeps what is not said. */
static enum status sequence_options(struct binder *b, size_t count, parse_node **options,
                                    struct sequence *sequence, bool *restart, int64_t *restart_at) {
    bool start_set = false, minimum_set = false, maximum_set = false;
    for (size_t i = 0; i < count; i++) {
        const PgQuery__DefElem *option = options[i]->def_elem;
        const char *name = option->defname;
        if (strcmp(name, "as") == 0) {
            TRY(bind_type_name(b, option->arg->type_name, &sequence->type));
            uint32_t id = sequence->type.id;
            if (id != TYPE_INT2 && id != TYPE_INT4 && id != TYPE_INT8)
                return bind_error(b, option->location, STATUS_INVALID_PARAMETER_VALUE,
                                  "sequence type must be smallint, integer, or bigint");
            sequence->maximum = id == TYPE_INT2   ? INT16_MAX
                                : id == TYPE_INT4 ? INT32_MAX
                                                  : INT64_MAX;
        } else if (strcmp(name, "increment") == 0) {
            TRY(number_option(b, option, &sequence->increment));
        } else if (strcmp(name, "start") == 0) {
            start_set = true;
            TRY(number_option(b, option, &sequence->start));
        } else if (strcmp(name, "minvalue") == 0) {
            minimum_set = option->arg != NULL;
            if (option->arg != NULL)
                TRY(number_option(b, option, &sequence->minimum));
        } else if (strcmp(name, "maxvalue") == 0) {
            maximum_set = option->arg != NULL;
            if (option->arg != NULL)
                TRY(number_option(b, option, &sequence->maximum));
        } else if (strcmp(name, "cache") == 0) {
            TRY(number_option(b, option, &sequence->cache));
        } else if (strcmp(name, "cycle") == 0) {
            sequence->cycle = option->arg == NULL ||
                              (NODE_IS(option->arg, BOOLEAN) && option->arg->boolean->boolval) ||
                              (NODE_IS(option->arg, INTEGER) && option->arg->integer->ival != 0);
        } else if (strcmp(name, "restart") == 0 && restart != NULL) {
            *restart = true;
            *restart_at = sequence->start;
            if (option->arg != NULL)
                TRY(number_option(b, option, restart_at));
        } else if (strcmp(name, "owned_by") == 0) {
            const PgQuery__List *list = option->arg->list;
            if (list->n_items == 1)
                continue; /* NONE */
            const char *column = node_text(list->items[list->n_items - 1]);
            const char *table_name = node_text(list->items[list->n_items - 2]);
            const struct table *table = bind_search_table(
                b, list->n_items > 2 ? node_text(list->items[0]) : NULL, table_name);
            if (table == NULL)
                return error_set(STATUS_UNDEFINED_TABLE, "relation \"%s\" does not exist",
                                 table_name);
            if (table->kind == RELATION_SEQUENCE)
                return bind_not_for_sequences("sequence cannot be owned by", table);
            const struct column *found = table_column(table, column);
            if (found == NULL)
                return error_set(STATUS_UNDEFINED_COLUMN,
                                 "column \"%s\" of relation \"%s\" does not exist", column,
                                 table_name);
            sequence->owner_table_oid = table->oid;
            sequence->owner_column = found->number;
        } else if (strcmp(name, "sequence_name") != 0) {
            return bind_unsupported(b, option->location, "sequence option %s", name);
        }
    }
    if (sequence->increment == 0)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "INCREMENT must not be zero");
    if (sequence->increment < 0 && restart == NULL) {
        if (!maximum_set)
            sequence->maximum = -1;
        if (!minimum_set)
            sequence->minimum = sequence->type.id == TYPE_INT2   ? INT16_MIN
                                : sequence->type.id == TYPE_INT4 ? INT32_MIN
                                                                 : INT64_MIN;
    }
    if (!start_set && restart == NULL)
        sequence->start = sequence->increment > 0 ? sequence->minimum : sequence->maximum;
    if (sequence->minimum >= sequence->maximum)
        return error_set(STATUS_INVALID_PARAMETER_VALUE,
                         "MINVALUE (%lld) must be less than MAXVALUE (%lld)",
                         (long long)sequence->minimum, (long long)sequence->maximum);
    if (sequence->cache <= 0)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "CACHE (%lld) must be greater than zero",
                         (long long)sequence->cache);
    if (sequence->start > sequence->maximum)
        return error_set(STATUS_INVALID_PARAMETER_VALUE,
                         "START value (%lld) cannot be greater than MAXVALUE (%lld)",
                         (long long)sequence->start, (long long)sequence->maximum);
    if (sequence->start < sequence->minimum)
        return error_set(STATUS_INVALID_PARAMETER_VALUE,
                         "START value (%lld) cannot be less than MINVALUE (%lld)",
                         (long long)sequence->start, (long long)sequence->minimum);
    return STATUS_OK;
}

/* table_column_seq, cut to fit, with a number when it is taken. */
static const char *sequence_name(struct binder *b, const struct definition *d,
                                 const char *schema_name, const char *column) {
    size_t table_size = strlen(d->table_name), column_size = strlen(column);
    while (table_size + column_size > NAME_SIZE_MAX - 5 - 3) {
        if (table_size >= column_size)
            table_size--;
        else
            column_size--;
    }
    for (int i = 0;; i++) {
        const char *name =
            arena_format(b->arena, i == 0 ? "%.*s_%.*s_seq" : "%.*s_%.*s_seq%d", (int)table_size,
                         d->table_name, (int)column_size, column, i);
        bool taken = schema_sequence(b->schema, schema_name, name) != NULL ||
                     schema_table(b->schema, schema_name, name) != NULL;
        for (uint32_t k = 0; k < d->sequence_count; k++)
            taken |= strcmp(d->sequences[k].name, name) == 0;
        if (!taken)
            return name;
    }
}

enum status add_sequence(struct binder *b, struct definition *d, const char *schema_name,
                         struct column_spec *column, size_t option_count, parse_node **options) {
    struct sequence *sequence = &d->sequences[d->sequence_count];
    sequence->type = column->type;
    sequence_limits(sequence);
    TRY(sequence_options(b, option_count, options, sequence, NULL, NULL));
    sequence->namespace_name = schema_name;
    sequence->name = sequence_name(b, d, schema_name, column->name);
    sequence->owner_column = (int16_t)column_number(d, column->name);
    d->sequence_count++;
    column->not_null = true;
    column->serial_sequence_name = sequence->name;
    return STATUS_OK;
}

uint32_t serial_type(const PgQuery__TypeName *name) {
    static const struct {
        const char *name;
        uint32_t type;
    } serials[] = {{"serial", TYPE_INT4},  {"serial4", TYPE_INT4},     {"bigserial", TYPE_INT8},
                   {"serial8", TYPE_INT8}, {"smallserial", TYPE_INT2}, {"serial2", TYPE_INT2}};
    if (name->n_names == 1 && name->n_array_bounds == 0)
        for (size_t i = 0; i < sizeof serials / sizeof serials[0]; i++)
            if (strcmp(node_text(name->names[0]), serials[i].name) == 0)
                return serials[i].type;
    return 0;
}

enum status bind_create_sequence(struct binder *b, const PgQuery__CreateSeqStmt *node,
                                 struct statement *statement) {
    struct statement_sequence *create = &statement->sequence;
    create->if_not_exists = node->if_not_exists;
    create->spec.type = TYPE_OF(INT8);
    create->spec.namespace_name = creation_schema(b, node->sequence);
    create->spec.name = copy_name(b, node->sequence->relname);
    sequence_limits(&create->spec);
    TRY(check_schema(b, create->spec.namespace_name, node->sequence->location));
    TRY(sequence_options(b, node->n_options, node->options, &create->spec, NULL, NULL));
    create->exists =
        schema_sequence(b->schema, create->spec.namespace_name, create->spec.name) != NULL ||
        schema_table(b->schema, create->spec.namespace_name, create->spec.name) != NULL;
    if (create->exists && !create->if_not_exists)
        return error_set(STATUS_DUPLICATE_TABLE, "relation \"%s\" already exists",
                         create->spec.name);
    return STATUS_OK;
}

enum status bind_alter_sequence(struct binder *b, const PgQuery__AlterSeqStmt *node,
                                struct statement *statement) {
    struct statement_sequence *alter = &statement->sequence;
    const PgQuery__RangeVar *name = node->sequence;
    alter->old = bind_search_sequence(b, name->schemaname[0] != '\0' ? name->schemaname : NULL,
                                      name->relname);
    if (alter->old == NULL)
        return bind_error(b, name->location, STATUS_UNDEFINED_TABLE,
                          "relation \"%s\" does not exist", name->relname);
    alter->spec = *alter->old;
    return sequence_options(b, node->n_options, node->options, &alter->spec, &alter->restart,
                            &alter->restart_value);
}
