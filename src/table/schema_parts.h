/*
 * What a schema is made of (private to the room).
 *
 *   schema ---- system part   relations of the base case; built once at catalog_open, shared
 *          \--- user part     what the catalog's rows say; built anew for every schema
 *
 * A part is filled by its builder (tables with their columns, indexes and constraints, sequences,
 * namespaces, all in the part's arena) and then sealed, which makes the hash tables.
 */
#ifndef SCHEMA_PARTS_H
#define SCHEMA_PARTS_H

#include <stdatomic.h>

#include "base/base_arena.h"
#include "table/table_schema.h"

/* Something with a name or an oid, and the table it belongs to (itself for tables). */
struct schema_entry {
    uint32_t oid;
    char kind;                  /* enum relation_kind, or 'c' for a constraint */
    const char *namespace_name; /* NULL for constraints */
    const char *name;
    const void *object;
    const struct table *table;
};

struct schema_part {
    struct arena arena;
    size_t table_count;
    struct table **tables; /* in order of oid */
    size_t sequence_count;
    struct sequence **sequences; /* in order of oid */
    size_t namespace_count;
    struct schema_namespace *namespaces;

    /* Made by schema_part_seal. */
    size_t entry_count;
    struct schema_entry *entries;
    uint32_t slot_mask;
    uint32_t *name_slots, *oid_slots; /* entry number + 1, 0 empty; open addressing */
};

struct schema {
    _Atomic uint64_t references;
    uint64_t version;
    uint64_t indexes_usable_from;     /* the largest of any index */
    const struct schema_part *system; /* the catalog's; outlives every schema */
    struct schema_part user;
};

/* Versions at and beyond this belong to private schemas. */
#define SCHEMA_PRIVATE_VERSION (1ull << 63)

/* Fill what follows from the rest of a table or an index: row schema, key columns, local. */
void table__finish(struct table *table, struct arena *arena);
void index__finish(struct index *index, const struct table *table, struct arena *arena);
enum status schema_part_seal(struct schema_part *part) MUST_USE;
void schema_part_release(struct schema_part *part);

/* A schema with one reference and an empty user part. */
enum status schema__create(const struct schema_part *system, struct schema **schema_out) MUST_USE;

/* Arrays of any size in an arena: OUT_OF_MEMORY with a detail instead of NULL. */
enum status arena__array(struct arena *arena, size_t count, size_t size, void *array_out) MUST_USE;
/* The same, not zeroed. */
enum status arena__room(struct arena *arena, size_t count, size_t size, void *array_out) MUST_USE;

#endif
