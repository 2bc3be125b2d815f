/* Looking things up in a schema, and its reference count. */
#include "table/block_format.h"
#include "table/schema_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/base_hash.h"
#include "base/base_memory.h"
#include "table/table_virtual.h"

enum status arena__room(struct arena *arena, size_t count, size_t size, void *array_out) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    void *array = arena_alloc(arena, bytes == 0 ? 1 : bytes);
    if (array == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    *(void **)array_out = array;
    return STATUS_OK;
}

enum status arena__array(struct arena *arena, size_t count, size_t size, void *array_out) {
    TRY(arena__room(arena, count, size, array_out));
    memset(*(void **)array_out, 0, count * size);
    return STATUS_OK;
}

/* ---- life ----------------------------------------------------------------------------- */

enum status schema__create(const struct schema_part *system, struct schema **schema_out) {
    struct schema *schema = memory_alloc_zeroed(1, sizeof *schema);
    if (schema == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    atomic_init(&schema->references, 1);
    schema->system = system;
    *schema_out = schema;
    return STATUS_OK;
}

void schema_retain(struct schema *schema) {
    uint64_t before = atomic_fetch_add_explicit(&schema->references, 1, memory_order_relaxed);
    ASSERT(before > 0);
}

void schema_release(struct schema *schema) {
    if (schema == NULL)
        return;
    uint64_t before = atomic_fetch_sub_explicit(&schema->references, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        schema_part_release(&schema->user);
        memory_free(schema);
    }
}

uint64_t schema_version(const struct schema *schema) {
    return schema->version;
}

struct commit_number schema_indexes_usable_from(const struct schema *schema) {
    return (struct commit_number){schema->indexes_usable_from};
}

void schema_part_release(struct schema_part *part) {
    arena_release(&part->arena);
    *part = (struct schema_part){0};
}

/* ---- sealing -------------------------------------------------------------------------- */

static uint32_t name_hash(const char *name) {
    return (uint32_t)hash_bytes(name, strlen(name));
}

static uint32_t oid_hash(uint32_t oid) {
    return (uint32_t)hash_u64(oid);
}

static void slot_insert(uint32_t *slots, uint32_t mask, uint32_t hash, size_t entry) {
    uint32_t at = hash & mask;
    while (slots[at] != 0)
        at = (at + 1) & mask;
    slots[at] = (uint32_t)entry + 1;
}

static void entry_add(struct schema_part *part, struct schema_entry entry) {
    part->entries[part->entry_count++] = entry;
}

static void entries_fill(struct schema_part *part) {
    for (size_t t = 0; t < part->table_count; t++) {
        struct table *table = part->tables[t];
        entry_add(part, (struct schema_entry){table->oid, (char)table->kind, table->namespace_name,
                                              table->name, table, table});
        for (unsigned i = 0; i < table->index_count; i++) {
            const struct index *index = table->indexes[i];
            entry_add(part, (struct schema_entry){index->oid, RELATION_INDEX, table->namespace_name,
                                                  index->name, index, table});
        }
        for (unsigned i = 0; i < table->constraint_count; i++) {
            const struct constraint *constraint = table->constraints[i];
            entry_add(part, (struct schema_entry){constraint->oid, 'c', NULL, constraint->name,
                                                  constraint, table});
        }
    }
    for (size_t s = 0; s < part->sequence_count; s++) {
        const struct sequence *sequence = part->sequences[s];
        entry_add(part,
                  (struct schema_entry){sequence->oid, RELATION_SEQUENCE, sequence->namespace_name,
                                        sequence->name, sequence, NULL});
    }
}

enum status schema_part_seal(struct schema_part *part) {
    size_t count = part->sequence_count;
    for (size_t t = 0; t < part->table_count; t++)
        count += 1u + part->tables[t]->index_count + part->tables[t]->constraint_count;
    uint32_t slots = 16;
    while (slots < count * 2)
        slots *= 2;
    TRY(arena__array(&part->arena, count, sizeof *part->entries, &part->entries));
    TRY(arena__array(&part->arena, slots, sizeof(uint32_t), &part->name_slots));
    TRY(arena__array(&part->arena, slots, sizeof(uint32_t), &part->oid_slots));
    part->slot_mask = slots - 1;
    part->entry_count = 0;
    entries_fill(part);
    ASSERT(part->entry_count == count);
    for (size_t i = 0; i < count; i++) {
        slot_insert(part->name_slots, part->slot_mask, name_hash(part->entries[i].name), i);
        slot_insert(part->oid_slots, part->slot_mask, oid_hash(part->entries[i].oid), i);
    }
    return arena_status(&part->arena);
}

/* ---- entries -------------------------------------------------------------------------- */

static bool kind_is_table(char kind) {
    return kind == RELATION_TABLE || kind == RELATION_VIRTUAL || kind == RELATION_VIEW;
}

/* `kind` RELATION_TABLE finds views and virtual ones too. */
static bool kind_matches(char kind, char wanted) {
    return kind == wanted || (wanted == RELATION_TABLE && kind_is_table(kind));
}

static const struct schema_entry *part_find(const struct schema_part *part, const char *space,
                                            const char *name, char kind) {
    if (part->entry_count == 0)
        return NULL;
    uint32_t at = name_hash(name) & part->slot_mask;
    for (; part->name_slots[at] != 0; at = (at + 1) & part->slot_mask) {
        const struct schema_entry *entry = &part->entries[part->name_slots[at] - 1];
        if (kind_matches(entry->kind, kind) && entry->namespace_name != NULL &&
            strcmp(entry->name, name) == 0 && strcmp(entry->namespace_name, space) == 0)
            return entry;
    }
    return NULL;
}

static const struct schema_entry *find(const struct schema *schema, const char *space,
                                       const char *name, char kind) {
    if (space == NULL) {
        const struct schema_entry *entry = find(schema, "pg_catalog", name, kind);
        return entry != NULL ? entry : find(schema, "public", name, kind);
    }
    const struct schema_entry *entry = part_find(schema->system, space, name, kind);
    return entry != NULL ? entry : part_find(&schema->user, space, name, kind);
}

static const struct schema_entry *find_oid(const struct schema *schema, uint32_t oid, char kind) {
    const struct schema_part *part = oid < OID_FIRST_USER ? schema->system : &schema->user;
    if (part->entry_count == 0)
        return NULL;
    uint32_t at = oid_hash(oid) & part->slot_mask;
    for (; part->oid_slots[at] != 0; at = (at + 1) & part->slot_mask) {
        const struct schema_entry *entry = &part->entries[part->oid_slots[at] - 1];
        if (entry->oid == oid && kind_matches(entry->kind, kind))
            return entry;
    }
    return NULL;
}

static const void *object_of(const struct schema_entry *entry, const struct table **table_out) {
    if (table_out != NULL)
        *table_out = entry == NULL ? NULL : entry->table;
    return entry == NULL ? NULL : entry->object;
}

const struct table *schema_table(const struct schema *schema, const char *namespace_name,
                                 const char *name) {
    return object_of(find(schema, namespace_name, name, RELATION_TABLE), NULL);
}

const struct table *schema_table_by_oid(const struct schema *schema, uint32_t oid) {
    return object_of(find_oid(schema, oid, RELATION_TABLE), NULL);
}

const struct index *schema_index(const struct schema *schema, const char *namespace_name,
                                 const char *name, const struct table **table_out) {
    return object_of(find(schema, namespace_name, name, RELATION_INDEX), table_out);
}

const struct index *schema_index_by_oid(const struct schema *schema, uint32_t oid,
                                        const struct table **table_out) {
    return object_of(find_oid(schema, oid, RELATION_INDEX), table_out);
}

const struct sequence *schema_sequence(const struct schema *schema, const char *namespace_name,
                                       const char *name) {
    return object_of(find(schema, namespace_name, name, RELATION_SEQUENCE), NULL);
}

const struct sequence *schema_sequence_by_oid(const struct schema *schema, uint32_t oid) {
    return object_of(find_oid(schema, oid, RELATION_SEQUENCE), NULL);
}

const struct constraint *schema_constraint_by_oid(const struct schema *schema, uint32_t oid,
                                                  const struct table **table_out) {
    return object_of(find_oid(schema, oid, 'c'), table_out);
}

const struct schema_namespace *schema_namespace(const struct schema *schema, const char *name) {
    for (size_t i = 0; i < schema->user.namespace_count; i++) {
        if (strcmp(schema->user.namespaces[i].name, name) == 0)
            return &schema->user.namespaces[i];
    }
    return NULL;
}

const struct schema_namespace *schema_namespace_by_oid(const struct schema *schema, uint32_t oid) {
    for (size_t i = 0; i < schema->user.namespace_count; i++) {
        if (schema->user.namespaces[i].oid == oid)
            return &schema->user.namespaces[i];
    }
    return NULL;
}

/* ---- all of them ---------------------------------------------------------------------- */

size_t schema_table_count(const struct schema *schema) {
    return schema->system->table_count + schema->user.table_count;
}

const struct table *schema_table_at(const struct schema *schema, size_t at) {
    size_t system_count = schema->system->table_count;
    return at < system_count ? schema->system->tables[at] : schema->user.tables[at - system_count];
}

size_t schema_sequence_count(const struct schema *schema) {
    return schema->user.sequence_count;
}

const struct sequence *schema_sequence_at(const struct schema *schema, size_t at) {
    return schema->user.sequences[at];
}

size_t schema_namespace_count(const struct schema *schema) {
    return schema->user.namespace_count;
}

const struct schema_namespace *schema_namespace_at(const struct schema *schema, size_t at) {
    return &schema->user.namespaces[at];
}

static const char *table_tree_name(const struct table *table, struct tree_id tree, char *text,
                                   size_t size) {
    if (table->kind != RELATION_TABLE)
        return NULL;
    if (table->row_tree.value == tree.value) {
        snprintf(text, size, "table %s", table->name);
        return text;
    }
    if (block_tree(table).value == tree.value) {
        snprintf(text, size, "blocks of table %s", table->name);
        return text;
    }
    if (table->large_tree.value == tree.value) {
        snprintf(text, size, "large values of table %s", table->name);
        return text;
    }
    for (unsigned i = 0; i < table->index_count; i++) {
        if (table->indexes[i]->tree.value == tree.value) {
            snprintf(text, size, "index %s of %s", table->indexes[i]->name, table->name);
            return text;
        }
    }
    return NULL;
}

const char *schema_tree_name(const struct schema *schema, struct tree_id tree, char *text,
                             size_t size) {
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        const char *name = table_tree_name(schema_table_at(schema, i), tree, text, size);
        if (name != NULL)
            return name;
    }
    return NULL;
}

const struct table *schema_view_using(const struct schema *schema, uint32_t oid,
                                      int16_t column_number, uint32_t after) {
    for (size_t i = 0; i < schema->user.table_count; i++) {
        const struct table *view = schema->user.tables[i];
        if (view->oid <= after)
            continue;
        for (unsigned k = 0; k < view->view_reference_count; k++) {
            const struct view_reference *reference = &view->view_references[k];
            if (reference->oid == oid &&
                (column_number == 0 || reference->column_number == column_number))
                return view;
        }
    }
    return NULL;
}

const struct column *table_column(const struct table *table, const char *name) {
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        if (!column->dropped && strcmp(column->name, name) == 0)
            return column;
    }
    return NULL;
}

/* ---- what follows from the rest ------------------------------------------------------- */

void index__finish(struct index *index, const struct table *table, struct arena *arena) {
    struct key_column *columns = ARENA_ARRAY(arena, struct key_column, index->column_count);
    bool has_partition_column = table->on_catalog_partition;
    for (unsigned i = 0; i < index->column_count; i++) {
        const struct column *column = &table->columns[index->columns[i].column_number - 1];
        if (column->number == table->partition_column)
            has_partition_column = true;
        columns[i] = (struct key_column){
            .type = column->type,
            .descending = index->columns[i].descending,
            .nulls_first = index->columns[i].nulls_first,
            /* Fixed for the index's life: NOT NULL of other columns may come and go. */
            .not_null = index->primary || (table->is_system && column->not_null),
            .canonical = true,
        };
    }
    index->key_columns = columns;
    index->local = !index->unique || has_partition_column;
}

void table__finish(struct table *table, struct arena *arena) {
    if (table->kind != RELATION_TABLE)
        return;
    struct row_column *columns = arena_alloc(arena, sizeof *columns * table->column_count + 1);
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        columns[i] = (struct row_column){
            .type = column->type,
            .missing = column->has_missing ? &column->missing : NULL,
        };
    }
    row_schema_init(&table->row_schema, columns, table->column_count, arena);
}
