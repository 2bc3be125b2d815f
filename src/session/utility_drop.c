/*
 * DROP: what is named, and what goes with it.
 *
 * As in PostgreSQL (dependency.c), everything that depends on the named objects is gathered first,
 * in an order in which it can be dropped: what depends before what it depends on, the youngest
 * first. What belongs to a dropped object (a table's own sequence) goes silently; for the rest
 * CASCADE has to be said, and the client is told of it, the other way round.
 */
#include <stdio.h>
#include <stdlib.h>

#include "session/utility_ddl.h"

enum object_kind {
    OBJECT_TABLE, /* views and sequences have kinds of their own */
    OBJECT_VIEW,
    OBJECT_SEQUENCE,
    OBJECT_INDEX,
    OBJECT_SCHEMA,
    OBJECT_COLUMN,
    OBJECT_DEFAULT, /* of a column */
};

struct object {
    enum object_kind kind;
    uint32_t oid;   /* of the table for COLUMN and DEFAULT */
    int16_t column; /* COLUMN, DEFAULT */
};

struct target {
    struct object object, needed; /* what it depends on */
    bool named;
    bool silent; /* belongs to another target */
};

struct drops {
    struct change *change;
    struct arena arena;
    struct target *targets; /* in the order of dropping */
    uint32_t count, capacity;
};

/* An object that depends on another one. */
struct dependent {
    struct object object;
    bool owned; /* belongs to it */
};

struct dependents {
    uint32_t count, capacity;
    struct dependent *items;
};

/* ---- gathering -------------------------------------------------------------------------- */

static struct target *find_target(const struct drops *drops, const struct object *object) {
    for (uint32_t i = 0; i < drops->count; i++) {
        struct target *target = &drops->targets[i];
        if (target->object.oid == object->oid && target->object.column == object->column &&
            (target->object.kind == OBJECT_DEFAULT) == (object->kind == OBJECT_DEFAULT))
            return target;
    }
    return NULL;
}

static enum status grow(struct arena *arena, size_t size, uint32_t count, uint32_t *capacity_io,
                        void *items_io) {
    void **items = items_io;
    if (count < *capacity_io)
        return STATUS_OK;
    uint32_t capacity = count == 0 ? 16 : count * 2;
    void *grown = arena_alloc(arena, capacity * size);
    if (grown == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (count > 0)
        memcpy(grown, *items, count * size);
    *items = grown;
    *capacity_io = capacity;
    return STATUS_OK;
}

static enum status add_dependent(struct drops *drops, struct dependents *list, bool owned,
                                 struct object object) {
    TRY(grow(&drops->arena, sizeof *list->items, list->count, &list->capacity, &list->items));
    list->items[list->count++] = (struct dependent){object, owned};
    return STATUS_OK;
}

static struct object object_of(const struct table *table) {
    return (struct object){table->kind == RELATION_VIEW ? OBJECT_VIEW : OBJECT_TABLE, table->oid,
                           0};
}

static enum status add_members(struct drops *drops, uint32_t namespace_oid,
                               struct dependents *list) {
    const struct schema *schema = drops->change->schema;
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        const struct table *table = schema_table_at(schema, i);
        if (table->namespace_oid == namespace_oid && !table->is_system)
            TRY(add_dependent(drops, list, false, object_of(table)));
    }
    for (size_t i = 0; i < schema_sequence_count(schema); i++) {
        const struct sequence *sequence = schema_sequence_at(schema, i);
        if (sequence->namespace_oid == namespace_oid)
            TRY(add_dependent(drops, list, false,
                              (struct object){OBJECT_SEQUENCE, sequence->oid, 0}));
    }
    return STATUS_OK;
}

static enum status add_owned_sequences(struct drops *drops, const struct object *object,
                                       struct dependents *list) {
    const struct schema *schema = drops->change->schema;
    for (size_t i = 0; i < schema_sequence_count(schema); i++) {
        const struct sequence *sequence = schema_sequence_at(schema, i);
        if (sequence->owner_table_oid == object->oid &&
            (object->column == 0 || sequence->owner_column == object->column))
            TRY(add_dependent(drops, list, true,
                              (struct object){OBJECT_SEQUENCE, sequence->oid, 0}));
    }
    return STATUS_OK;
}

/* Defaults that take their values from the sequence: that of a serial column, and those whose text
   has its oid, as what was written is stored. */
static enum status add_defaults(struct drops *drops, const struct object *object,
                                struct dependents *list) {
    const struct schema *schema = drops->change->schema;
    const struct sequence *sequence = schema_sequence_by_oid(schema, object->oid);
    ASSERT(sequence != NULL);
    char constant[32];
    snprintf(constant, sizeof constant, "'%u'::regclass", object->oid);
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        const struct table *table = schema_table_at(schema, i);
        for (unsigned c = 0; c < table->column_count; c++) {
            const struct column *column = &table->columns[c];
            bool owner =
                table->oid == sequence->owner_table_oid && column->number == sequence->owner_column;
            if (column->default_text != NULL && !column->dropped &&
                (owner || strstr(column->default_text, constant) != NULL))
                TRY(add_dependent(drops, list, false,
                                  (struct object){OBJECT_DEFAULT, table->oid, column->number}));
        }
    }
    return STATUS_OK;
}

static enum status add_views(struct drops *drops, const struct object *object,
                             struct dependents *list) {
    const struct table *view = NULL;
    while ((view = schema_view_using(drops->change->schema, object->oid, object->column,
                                     view == NULL ? 0 : view->oid)) != NULL)
        TRY(add_dependent(drops, list, false, object_of(view)));
    return STATUS_OK;
}

static enum status dependents_of(struct drops *drops, const struct object *object,
                                 struct dependents *list) {
    switch (object->kind) {
    case OBJECT_SCHEMA:
        return add_members(drops, object->oid, list);
    case OBJECT_TABLE:
    case OBJECT_COLUMN:
        TRY(add_owned_sequences(drops, object, list));
        return add_views(drops, object, list);
    case OBJECT_SEQUENCE:
        TRY(add_defaults(drops, object, list));
        return add_views(drops, object, list);
    case OBJECT_VIEW:
        return add_views(drops, object, list);
    case OBJECT_INDEX:
    case OBJECT_DEFAULT:
        break;
    }
    return STATUS_OK;
}

static int youngest_first(const void *a, const void *b) {
    const struct dependent *x = a, *y = b;
    return x->object.oid < y->object.oid ? 1 : x->object.oid > y->object.oid ? -1 : 0;
}

/* `needed`: what the object was found by; NULL: it is named. */
static enum status gather(struct drops *drops, const struct object *object,
                          const struct object *needed, bool owned) {
    struct target *known = find_target(drops, object);
    if (known != NULL) {
        known->named |= needed == NULL;
        known->silent |= owned;
        return STATUS_OK;
    }
    struct dependents list = {0};
    TRY(dependents_of(drops, object, &list));
    if (list.count > 1)
        qsort(list.items, list.count, sizeof *list.items, youngest_first);
    for (uint32_t i = 0; i < list.count; i++)
        TRY(gather(drops, &list.items[i].object, object, list.items[i].owned));
    TRY(grow(&drops->arena, sizeof *drops->targets, drops->count, &drops->capacity,
             &drops->targets));
    drops->targets[drops->count++] = (struct target){
        .object = *object,
        .needed = needed != NULL ? *needed : *object,
        .named = needed == NULL,
        .silent = owned,
    };
    return STATUS_OK;
}

static bool is_dropped(const struct drops *drops, enum object_kind kind, uint32_t oid,
                       int16_t column) {
    return find_target(drops, &(struct object){kind, oid, column}) != NULL;
}

/* Defaults of columns that go, too, are no news. */
static void silence_defaults(struct drops *drops) {
    for (uint32_t i = 0; i < drops->count; i++) {
        struct target *target = &drops->targets[i];
        const struct object *object = &target->object;
        if (object->kind == OBJECT_DEFAULT)
            target->silent = is_dropped(drops, OBJECT_TABLE, object->oid, 0) ||
                             is_dropped(drops, OBJECT_COLUMN, object->oid, object->column);
    }
}

/* ---- telling ---------------------------------------------------------------------------- */

static void describe(const struct change *change, const struct object *object, struct buffer *out) {
    static const char *const kinds[] = {[OBJECT_TABLE] = "table ",
                                        [OBJECT_VIEW] = "view ",
                                        [OBJECT_SEQUENCE] = "sequence ",
                                        [OBJECT_INDEX] = "index ",
                                        [OBJECT_COLUMN] = "column "};
    if (object->kind == OBJECT_SCHEMA) {
        const struct schema_namespace *space = schema_namespace_by_oid(change->schema, object->oid);
        buffer_append_format(out, "schema %s", space->name);
        return;
    }
    if (object->kind == OBJECT_COLUMN || object->kind == OBJECT_DEFAULT) {
        const struct table *table = schema_table_by_oid(change->schema, object->oid);
        buffer_append_format(out, "%scolumn %s of table ",
                             object->kind == OBJECT_DEFAULT ? "default value for " : "",
                             table->columns[object->column - 1].name);
    } else {
        buffer_append_text(out, kinds[object->kind]);
    }
    session__append_relation(change->session, change->schema, object->oid, out);
}

static bool is_told(const struct target *target) {
    return !target->named && !target->silent;
}

enum { TOLD_MAX = 100, MORE_SIZE = 32 };

/* A line for each target that nobody named, from what is named outwards; at most `size_max` bytes.
   Returns their number. */
static uint32_t tell(const struct drops *drops, bool cascade, size_t size_max,
                     struct buffer *lines) {
    uint32_t count = 0, told = 0;
    bool full = false;
    for (uint32_t i = drops->count; i-- > 0;) {
        const struct target *target = &drops->targets[i];
        if (!is_told(target))
            continue;
        size_t before = lines->size;
        count++;
        if (full || told == TOLD_MAX)
            continue;
        if (told > 0)
            buffer_append_byte(lines, '\n');
        if (cascade)
            buffer_append_text(lines, "drop cascades to ");
        describe(drops->change, &target->object, lines);
        if (!cascade) {
            buffer_append_text(lines, " depends on ");
            describe(drops->change, &target->needed, lines);
        }
        full = lines->size > size_max - MORE_SIZE;
        if (full)
            lines->size = before;
        else
            told++;
    }
    if (told < count)
        buffer_append_format(lines, "\nand %u other object%s", count - told,
                             count - told == 1 ? "" : "s");
    buffer_append_byte(lines, '\0');
    return count;
}

static enum status refuse(const struct change *change, uint32_t named_count,
                          const struct object *named, const struct buffer *lines) {
    struct buffer name = {0};
    describe(change, named, &name);
    buffer_append_byte(&name, '\0');
    enum status status = buffer_status(&name);
    if (status == STATUS_OK) {
        status = named_count == 1
                     ? error_set(STATUS_DEPENDENT_OBJECTS,
                                 "cannot drop %s because other objects depend on it",
                                 (const char *)name.data)
                     : error_set(STATUS_DEPENDENT_OBJECTS, "cannot drop desired object(s) because "
                                                           "other objects depend on them");
        error_detail("%s", (const char *)lines->data);
        error_hint("Use DROP ... CASCADE to drop the dependent objects too.");
    }
    buffer_release(&name);
    return status;
}

/* Refuse, or tell what goes, too. */
static enum status settle(const struct drops *drops, bool cascade, uint32_t named_count,
                          const struct object *named) {
    struct buffer lines = {0};
    const struct change *change = drops->change;
    uint32_t count = tell(drops, cascade, cascade ? SIZE_MAX : ERROR_MESSAGE_SIZE, &lines);
    enum status status = buffer_status(&lines);
    if (status == STATUS_OK && count > 0 && !cascade) {
        status = refuse(change, named_count, named, &lines);
    } else if (status == STATUS_OK && count == 1) {
        session__notice(change->f, change->session, "NOTICE", "00000", (const char *)lines.data);
    } else if (status == STATUS_OK && count > 1) {
        char message[64];
        snprintf(message, sizeof message, "drop cascades to %u other objects", count);
        session__notice_detail(change->f, change->session, "NOTICE", "00000", message,
                               (const char *)lines.data);
    }
    buffer_release(&lines);
    return status;
}

/* ---- dropping --------------------------------------------------------------------------- */

static enum status lock(const struct drops *drops) {
    for (uint32_t i = 0; i < drops->count; i++) {
        const struct object *object = &drops->targets[i].object;
        if (object->kind == OBJECT_TABLE || object->kind == OBJECT_VIEW ||
            object->kind == OBJECT_SEQUENCE || object->kind == OBJECT_DEFAULT)
            TRY(txn_lock_relation(drops->change->f, drops->change->transaction, object->oid,
                                  RELATION_LOCK_ACCESS_EXCLUSIVE, LOCK_WAIT, NULL));
    }
    return STATUS_OK;
}

static enum status drop_relation(struct change *change, const struct object *object) {
    const struct table *table;
    TRY(session__change_find(change, object->oid, &table));
    switch (object->kind) {
    case OBJECT_VIEW:
        return catalog_drop_view(change->f, change->catalog, change->transaction, change->schema,
                                 table);
    case OBJECT_COLUMN:
        return catalog_drop_column(change->f, change->catalog, change->transaction, change->schema,
                                   table, &table->columns[object->column - 1]);
    case OBJECT_DEFAULT:
        return catalog_set_default(change->f, change->catalog, change->transaction, change->schema,
                                   table, object->column, NULL);
    default:
        return catalog_drop_table(change->f, change->catalog, change->transaction, change->schema,
                                  table);
    }
}

static enum status drop_index(struct change *change, uint32_t oid) {
    const struct table *table;
    const struct index *index = schema_index_by_oid(change->schema, oid, &table);
    return index == NULL ? STATUS_OK
                         : catalog_drop_index(change->f, change->catalog, change->transaction,
                                              change->schema, index);
}

static enum status drop_sequence(struct change *change, uint32_t oid) {
    const struct sequence *sequence = schema_sequence_by_oid(change->schema, oid);
    return sequence == NULL ? STATUS_OK
                            : catalog_drop_sequence(change->f, change->catalog, change->transaction,
                                                    change->schema, sequence);
}

static enum status drop_schema(struct change *change, uint32_t oid) {
    const struct schema_namespace *space = schema_namespace_by_oid(change->schema, oid);
    return space == NULL ? STATUS_OK
                         : catalog_drop_namespace(change->f, change->catalog, change->transaction,
                                                  change->schema, space->name);
}

static enum status drop_all(struct drops *drops) {
    struct change *change = drops->change;
    for (uint32_t i = 0; i < drops->count; i++) {
        const struct target *target = &drops->targets[i];
        const struct object *object = &target->object;
        if (target->silent && !target->named)
            continue; /* with what it belongs to */
        if (object->kind == OBJECT_INDEX)
            TRY(drop_index(change, object->oid));
        else if (object->kind == OBJECT_SEQUENCE)
            TRY(drop_sequence(change, object->oid));
        else if (object->kind == OBJECT_SCHEMA)
            TRY(drop_schema(change, object->oid));
        else
            TRY(drop_relation(change, object));
        TRY(session__change_renew(change));
    }
    return STATUS_OK;
}

static enum status run(struct change *change, uint32_t count, const struct object *named,
                       bool cascade) {
    struct drops drops = {.change = change};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
        status = gather(&drops, &named[i], NULL, false);
    silence_defaults(&drops);
    if (status == STATUS_OK)
        status = settle(&drops, cascade, count, named);
    if (status == STATUS_OK)
        status = lock(&drops);
    if (status == STATUS_OK)
        status = drop_all(&drops);
    arena_release(&drops.arena);
    return status;
}

/* ---- statements ------------------------------------------------------------------------- */

/* The sequence of an identity column goes only with it. */
static enum status check_identity(const struct change *change, const struct sequence *sequence) {
    if (!sequence->is_identity)
        return STATUS_OK;
    struct buffer name = {0}, owner = {0};
    describe(change, &(struct object){OBJECT_SEQUENCE, sequence->oid, 0}, &name);
    describe(change,
             &(struct object){OBJECT_COLUMN, sequence->owner_table_oid, sequence->owner_column},
             &owner);
    buffer_append_byte(&name, '\0');
    buffer_append_byte(&owner, '\0');
    enum status status = buffer_status(&name);
    if (status == STATUS_OK)
        status = buffer_status(&owner);
    if (status == STATUS_OK) {
        status = error_set(STATUS_DEPENDENT_OBJECTS, "cannot drop %s because %s requires it",
                           (const char *)name.data, (const char *)owner.data);
        error_hint("You can drop %s instead.", (const char *)owner.data);
    }
    buffer_release(&name);
    buffer_release(&owner);
    return status;
}

static enum status named_object(const struct change *change, const struct statement *statement,
                                uint32_t i, struct object *object_out) {
    const struct statement_objects *said = &statement->objects;
    switch (statement->kind) {
    case STATEMENT_DROP_INDEX:
        *object_out = (struct object){OBJECT_INDEX, said->indexes[i]->oid, 0};
        return STATUS_OK;
    case STATEMENT_DROP_SEQUENCE:
        *object_out = (struct object){OBJECT_SEQUENCE, said->sequences[i]->oid, 0};
        return check_identity(change, said->sequences[i]);
    case STATEMENT_DROP_SCHEMA: {
        const struct schema_namespace *space = schema_namespace(change->schema, said->names[i]);
        if (space == NULL)
            return error_set(STATUS_INVALID_SCHEMA_NAME, "schema \"%s\" does not exist",
                             said->names[i]);
        *object_out = (struct object){OBJECT_SCHEMA, space->oid, 0};
        return STATUS_OK;
    }
    default:
        *object_out = object_of(said->tables[i]);
        return STATUS_OK;
    }
}

enum status session__drop(struct change *change, const struct statement *statement) {
    const struct statement_objects *said = &statement->objects;
    for (uint32_t i = 0; i < said->notice_count; i++)
        session__notice(change->f, change->session, "NOTICE", "00000", said->notices[i]);
    struct object *named = arena_alloc(&change->session->arena, (said->count + 1) * sizeof *named);
    if (named == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < said->count; i++)
        TRY(named_object(change, statement, i, &named[i]));
    return run(change, said->count, named, said->cascade);
}

enum status session__drop_column(struct change *change, uint32_t table_oid, int16_t column_number,
                                 bool cascade) {
    return run(change, 1, &(struct object){OBJECT_COLUMN, table_oid, column_number}, cascade);
}
