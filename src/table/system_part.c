/* The system part of every schema, made from the base case and the virtual relations. */
#include "table/system_tables.h"

#include <stdlib.h>
#include <string.h>

#include "table/virtual.h"

static void columns_fill(struct table *table, const struct system_table *source) {
    for (unsigned i = 0; i < table->column_count; i++) {
        table->columns[i] = (struct column){
            .name = source->columns[i].name,
            .number = (int16_t)(i + 1),
            .type = type_plain(source->columns[i].type_id),
            .not_null = source->columns[i].not_null,
        };
    }
}

/* The index and, if it has one, its constraint. */
static void index_add(struct schema_part *part, struct table *table,
                      const struct system_index *source) {
    struct index *index = ARENA_NEW(&part->arena, struct index);
    *index = (struct index){
        .oid = source->oid,
        .name = source->name,
        .tree = {source->oid},
        .unique = source->unique,
        .primary = source->primary,
        .column_count = source->column_count,
        .constraint_oid = source->constraint_oid,
    };
    for (unsigned i = 0; i < source->column_count; i++)
        index->columns[i].column_number = source->columns[i];
    index__finish(index, table, &part->arena);
    table->indexes[table->index_count++] = index;
    if (source->constraint_oid == 0)
        return;
    struct constraint *constraint = ARENA_NEW(&part->arena, struct constraint);
    *constraint = (struct constraint){
        .oid = source->constraint_oid,
        .name = source->name,
        .kind = source->primary ? 'p' : 'u',
        .index_oid = source->oid,
        .column_count = source->column_count,
    };
    memcpy(constraint->columns, source->columns, sizeof source->columns);
    table->constraints[table->constraint_count++] = constraint;
}

static enum status stored_table_add(struct schema_part *part, const struct system_table *source) {
    struct table *table = ARENA_NEW(&part->arena, struct table);
    *table = (struct table){
        .oid = source->oid,
        .type_oid = source->type_oid,
        .namespace_oid = OID_NAMESPACE_CATALOG,
        .namespace_name = "pg_catalog",
        .name = source->name,
        .kind = RELATION_TABLE,
        .is_system = true,
        .row_tree = {source->oid},
        .large_tree = {source->oid + SYSTEM_LARGE_TREE},
        .on_catalog_partition = true,
        .column_count = (uint16_t)source->column_count,
        .row_estimate = -1,
    };
    TRY(arena__array(&part->arena, table->column_count, sizeof(struct column), &table->columns));
    columns_fill(table, source);
    table__finish(table, &part->arena);
    TRY(arena__array(&part->arena, system_index_count, sizeof(void *), &table->indexes));
    TRY(arena__array(&part->arena, system_index_count, sizeof(void *), &table->constraints));
    for (size_t i = 0; i < system_index_count; i++) {
        if (system_indexes[i].table_oid == source->oid)
            index_add(part, table, &system_indexes[i]);
    }
    part->tables[part->table_count++] = table;
    return STATUS_OK;
}

static enum status virtual_table_add(struct schema_part *part, const struct virtual_table *source) {
    bool information = strcmp(source->namespace_name, "information_schema") == 0;
    struct table *table = ARENA_NEW(&part->arena, struct table);
    *table = (struct table){
        .oid = source->oid,
        .type_oid = source->type_oid,
        .namespace_oid = information ? OID_NAMESPACE_INFORMATION : OID_NAMESPACE_CATALOG,
        .namespace_name = source->namespace_name,
        .name = source->name,
        .kind = RELATION_VIRTUAL,
        .is_system = true,
        .on_catalog_partition = true,
        .column_count = (uint16_t)source->column_count,
        .virtual_table = source,
        .row_estimate = -1,
    };
    TRY(arena__array(&part->arena, table->column_count, sizeof(struct column), &table->columns));
    for (unsigned i = 0; i < table->column_count; i++) {
        table->columns[i] = (struct column){
            .name = source->columns[i].name,
            .number = (int16_t)(i + 1),
            .type = type_plain(source->columns[i].type_id),
        };
    }
    part->tables[part->table_count++] = table;
    return STATUS_OK;
}

static int compare_oids(const void *a, const void *b) {
    uint32_t x = (*(struct table *const *)a)->oid, y = (*(struct table *const *)b)->oid;
    return x < y ? -1 : x > y;
}

static enum status fill(struct schema_part *part) {
    size_t virtual_count = virtual__count();
    TRY(arena__array(&part->arena, system_table_count + virtual_count, sizeof(void *),
                     &part->tables));
    for (size_t i = 0; i < system_table_count; i++)
        TRY(stored_table_add(part, &system_tables[i]));
    struct virtual_cursor cursor = {0};
    const struct virtual_table *table;
    while ((table = virtual__next(&cursor)) != NULL)
        TRY(virtual_table_add(part, table));
    qsort(part->tables, part->table_count, sizeof(void *), compare_oids);
    for (size_t i = 1; i < part->table_count; i++)
        ASSERT(part->tables[i - 1]->oid < part->tables[i]->oid);
    return schema_part_seal(part);
}

enum status system_part_build(struct schema_part *part) {
    *part = (struct schema_part){0};
    enum status status = fill(part);
    if (status != STATUS_OK)
        schema_part_release(part);
    return status;
}

const struct table *system_table(const struct schema_part *part, uint32_t oid) {
    size_t low = 0, high = part->table_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (part->tables[middle]->oid < oid)
            low = middle + 1;
        else
            high = middle;
    }
    ASSERT(low < part->table_count && part->tables[low]->oid == oid);
    return part->tables[low];
}

const struct index *system_index(const struct table *table, uint32_t index_oid) {
    for (unsigned i = 0; i < table->index_count; i++) {
        if (table->indexes[i]->oid == index_oid)
            return table->indexes[i];
    }
    ASSERT(!"an index of the base case");
    return NULL;
}
