/*
 * Group tables: one tuple for each group, found by hash. Private to exec.
 *
 *     tuple   = | hash | number | batch mark | null bytes | keys | accumulators |
 *     slots[hash & mask] = | 16 hash bits | 48-bit pointer |      (open addressing)
 *
 * A batch is looked up column by column: all slots, then one comparison loop for each key column;
 * rows that met another key go on to their next slot. Tuples never move, so a finished table can
 * be taken over by another one (exec__groups_adopt) without copying. Growing suspends now and then.
 */
#ifndef EXEC_GROUP_H
#define EXEC_GROUP_H

#include "exec/exec_tuple.h"

struct group_tuple {
    uint64_t hash;
    uint32_t number; /* in order of making, within its table */
    uint16_t mark;   /* the batch that gave it `local` */
    uint8_t local;   /* its number within that batch */
    uint8_t merged;  /* folded into another table's tuple: does not count */
};
enum { GROUP_TUPLE_HEADER = 16 };
static inline struct group_tuple *group_tuple(uint8_t *tuple) {
    return (struct group_tuple *)(void *)tuple;
}

/* The keys that tell groups apart (exec_aggregate.h): the others follow from them. */
struct group_identity {
    uint32_t *keys; /* columns of the layout */
    uint32_t count;
};

struct group_table {
    const struct tuple_layout *layout; /* keys, then room for accumulators */
    const struct group_identity *identity;
    uint32_t states;    /* offset of the accumulators */
    struct arena arena; /* tuples, slots, and what accumulators keep */
    struct tuple_store tuples;
    uint64_t *slots;
    uint64_t mask;
    uint64_t count; /* groups, with those of merged tables */
};

/* Empty, with the layout set; nothing is allocated. */
void exec__groups_init(struct group_table *table, const struct tuple_layout *layout,
                       const struct group_identity *identity, uint32_t states);
/* Give everything back; empty afterwards. */
void exec__groups_release(struct fiber *f, struct group_table *table);
/* No groups any more; the memory is kept for as many. Only where they keep nothing outside of their
   tuples. */
enum status exec__groups_clear(struct fiber *f, struct group_table *table) MUST_USE;
/* The one group of an aggregate without keys. */
enum status exec__groups_only(struct group_table *table, uint8_t **tuple_out) MUST_USE;
/* The groups of rows rows[0..count) with these keys into groups[0..count). With `full`, none is
   made: a row of no group gets NULL. */
enum status exec__groups_find(struct fiber *f, struct group_table *table, const struct vector *keys,
                              const uint16_t *rows, const uint64_t *hashes, uint32_t count,
                              bool full, uint8_t **groups) MUST_USE;
/* The group with the keys of `tuple`, which belongs to a table of the same layout: an own one, or
   else `tuple` itself, which is own from now on. */
enum status exec__groups_adopt(struct fiber *f, struct group_table *table, uint8_t *tuple,
                               uint8_t **group_out) MUST_USE;

/* The group with the keys of `tuple`, which is in nobody's table; *made_out: there was none, and it
   is a copy of it now. Strings over 12 bytes are still the tuple's. */
enum status exec__groups_copy(struct fiber *f, struct group_table *table, const uint8_t *tuple,
                              uint8_t **group_out, bool *made_out) MUST_USE;
/* Room for `more` groups, before they come: nothing is moved meanwhile. */
enum status exec__groups_reserve(struct fiber *f, struct group_table *table, uint64_t more)
    MUST_USE;

/* The group with the keys of `tuple`, which may belong to another table; NULL: there is none. */
uint8_t *exec__groups_peek(const struct group_table *table, const uint8_t *tuple);

/* The same a little later: the group it will find, if there is one. */
void exec__groups_prefetch_group(const struct group_table *table, const uint8_t *tuple);
/* Soon exec__groups_adopt or exec__groups_peek will be called with this tuple. */
static inline void exec__groups_prefetch(const struct group_table *table, uint8_t *tuple) {
    if (table->slots != NULL)
        __builtin_prefetch(&table->slots[group_tuple(tuple)->hash & table->mask]);
}
#endif
