/* Finding and making groups. */
#include "exec/exec_group.h"

#include <string.h>

enum { SLOTS_MIN = 256, GROW_STEP = 4096, MOVE_STEP = 1024, POINTER_BITS = 48 };
#define POINTER_MASK ((1ull << POINTER_BITS) - 1)

void exec__groups_init(struct group_table *table, const struct tuple_layout *layout,
                       const struct group_identity *identity, uint32_t states) {
    *table = (struct group_table){.layout = layout, .identity = identity, .states = states};
    exec__tuples_init(&table->tuples, layout, &table->arena);
}

static enum status clear_slots(struct fiber *f, uint64_t *slots, uint64_t count) {
    for (uint64_t i = 0; i < count; i += GROW_STEP) {
        memset(slots + i, 0, (count - i < GROW_STEP ? count - i : GROW_STEP) * sizeof *slots);
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

void exec__groups_release(struct fiber *f, struct group_table *table) {
    exec__arena_release(f, &table->arena);
    exec__groups_init(table, table->layout, table->identity, table->states);
}

enum status exec__groups_clear(struct fiber *f, struct group_table *table) {
    exec__tuples_clear(&table->tuples);
    table->count = 0;
    return table->slots == NULL ? STATUS_OK : clear_slots(f, table->slots, table->mask + 1);
}

static inline uint64_t slot_of(const uint8_t *tuple, uint64_t hash) {
    return (uint64_t)(uintptr_t)tuple | (hash & ~POINTER_MASK);
}
static inline uint8_t *tuple_of(uint64_t slot) {
    return (uint8_t *)(uintptr_t)(slot & POINTER_MASK);
}

static inline void enter(uint64_t *slots, uint64_t mask, uint8_t *tuple) {
    uint64_t hash = group_tuple(tuple)->hash, at = hash & mask;
    while (slots[at] != 0)
        at = (at + 1) & mask;
    slots[at] = slot_of(tuple, hash);
}

enum { ENTER_AHEAD = 16 };

/* All own tuples, in the order they lie in memory: by slots, each would be a cache miss. */
static enum status enter_tuples(struct fiber *f, const struct group_table *table, uint64_t *slots,
                                uint64_t mask) {
    const struct tuple_store *store = &table->tuples;
    for (const struct tuple_chunk *chunk = store->first; chunk != NULL; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->count; i++) {
            if (i + ENTER_AHEAD < chunk->count) {
                uint8_t *ahead = tuple_at(store, chunk, i + ENTER_AHEAD);
                __builtin_prefetch(&slots[group_tuple(ahead)->hash & mask], 1);
            }
            enter(slots, mask, tuple_at(store, chunk, i));
            if (i % MOVE_STEP == MOVE_STEP - 1)
                TRY(fiber_check(f));
        }
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

static enum status enter_slots(struct fiber *f, const struct group_table *table, uint64_t *slots,
                               uint64_t mask) {
    for (uint64_t i = 0; table->slots != NULL && i <= table->mask; i++) {
        if (table->slots[i] != 0)
            enter(slots, mask, tuple_of(table->slots[i]));
        if (i % MOVE_STEP == MOVE_STEP - 1)
            TRY(fiber_check(f));
    }
    return STATUS_OK;
}

/* Room for `more` groups at a load of at most two thirds. */
enum status exec__groups_reserve(struct fiber *f, struct group_table *table, uint64_t more) {
    uint64_t size = table->slots == NULL ? 0 : table->mask + 1, grown = size;
    if (grown == 0)
        grown = SLOTS_MIN;
    while ((table->count + more) * 3 > grown * 2)
        grown *= 2;
    if (grown == size)
        return STATUS_OK;
    uint64_t *slots = arena_alloc_aligned(&table->arena, grown * sizeof *slots, 64);
    if (slots == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(clear_slots(f, slots, grown));
    if (table->count == table->tuples.count)
        TRY(enter_tuples(f, table, slots, grown - 1));
    else
        TRY(enter_slots(f, table, slots, grown - 1));
    table->slots = slots;
    table->mask = grown - 1;
    return STATUS_OK;
}

static enum status new_tuple(struct group_table *table, uint64_t hash, uint8_t **tuple_out) {
    if (table->tuples.count >= UINT32_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "too many groups");
    TRY(exec__tuples_add(&table->tuples, 1, tuple_out));
    group_tuple(*tuple_out)->hash = hash;
    group_tuple(*tuple_out)->number = (uint32_t)(table->tuples.count - 1);
    table->count++;
    return STATUS_OK;
}

enum status exec__groups_only(struct group_table *table, uint8_t **tuple_out) {
    if (table->tuples.first != NULL) {
        *tuple_out = tuple_at(&table->tuples, table->tuples.first, 0);
        return STATUS_OK;
    }
    return new_tuple(table, 0, tuple_out);
}

/* A batch on its way through the table. */
struct lookup {
    uint64_t at[VECTOR_SIZE];        /* by position: the slot it is at */
    uint16_t open[VECTOR_SIZE];      /* positions without a group yet */
    uint16_t candidate[VECTOR_SIZE]; /* positions whose group is to be compared */
    uint16_t fresh_rows[VECTOR_SIZE];
    uint8_t *fresh[VECTOR_SIZE]; /* tuples made in this turn */
};

/* Each open position to the next slot that may be its group, or to a new group. Returns how many
   candidates there are. */
static enum status visit_slots(struct group_table *table, struct lookup *lookup,
                               const uint16_t *rows, const uint64_t *hashes, uint32_t open_count,
                               bool full, uint8_t **groups, uint32_t *candidate_count,
                               uint32_t *fresh_count) {
    uint32_t candidates = 0, fresh = 0;
    for (uint32_t i = 0; i < open_count; i++) {
        uint16_t position = lookup->open[i];
        uint64_t hash = hashes[position], at = lookup->at[position], slot;
        while ((slot = table->slots[at]) != 0 && ((slot ^ hash) & ~POINTER_MASK) != 0)
            at = (at + 1) & table->mask;
        lookup->at[position] = at;
        if (slot != 0) {
            groups[position] = tuple_of(slot);
            __builtin_prefetch(groups[position]);
            lookup->candidate[candidates++] = position;
            continue;
        }
        groups[position] = NULL;
        if (full)
            continue;
        uint8_t *tuple;
        TRY(new_tuple(table, hash, &tuple));
        table->slots[at] = slot_of(tuple, hash);
        groups[position] = tuple;
        lookup->fresh_rows[fresh] = rows[position];
        lookup->fresh[fresh++] = tuple;
    }
    *candidate_count = candidates;
    *fresh_count = fresh;
    return STATUS_OK;
}

enum status exec__groups_find(struct fiber *f, struct group_table *table, const struct vector *keys,
                              const uint16_t *rows, const uint64_t *hashes, uint32_t count,
                              bool full, uint8_t **groups) {
    struct lookup lookup;
    uint32_t open_count = count;
    TRY(exec__groups_reserve(f, table, full ? 0 : count));
    for (uint32_t i = 0; i < count; i++) {
        lookup.at[i] = hashes[i] & table->mask;
        lookup.open[i] = (uint16_t)i;
    }
    if (table->mask >= 4096)
        for (uint32_t i = 0; i < count; i++)
            __builtin_prefetch(&table->slots[lookup.at[i]]);
    while (open_count > 0) {
        uint32_t candidates, fresh;
        TRY(visit_slots(table, &lookup, rows, hashes, open_count, full, groups, &candidates,
                        &fresh));
        for (uint32_t k = 0; k < table->layout->column_count; k++)
            exec__tuple_scatter(&table->layout->columns[k], &keys[k], lookup.fresh_rows, fresh,
                                lookup.fresh, &table->arena);
        open_count = 0;
        for (uint32_t i = 0; i < table->identity->count; i++) {
            uint32_t k = table->identity->keys[i];
            candidates = exec__tuple_match(&table->layout->columns[k], &keys[k], true, rows, groups,
                                           lookup.candidate, candidates, lookup.open, &open_count);
        }
        for (uint32_t i = 0; i < open_count; i++) {
            uint64_t *at = &lookup.at[lookup.open[i]];
            *at = (*at + 1) & table->mask;
        }
    }
    return arena_status(&table->arena);
}

static bool same_keys(const struct group_table *table, const uint8_t *a, const uint8_t *b) {
    for (uint32_t i = 0; i < table->identity->count; i++)
        if (!exec__tuple_equal(&table->layout->columns[table->identity->keys[i]], a, b))
            return false;
    return true;
}

/* The slot of the group with the keys of `tuple`, or the free one where it would be. */
static uint64_t find_slot(const struct group_table *table, const uint8_t *tuple) {
    uint64_t hash = ((const struct group_tuple *)(const void *)tuple)->hash, slot;
    uint64_t at = hash & table->mask;
    for (; (slot = table->slots[at]) != 0; at = (at + 1) & table->mask)
        if (((slot ^ hash) & ~POINTER_MASK) == 0 && same_keys(table, tuple, tuple_of(slot)))
            break;
    return at;
}

void exec__groups_prefetch_group(const struct group_table *table, const uint8_t *tuple) {
    uint64_t hash = ((const struct group_tuple *)(const void *)tuple)->hash, slot;
    if (table->slots == NULL)
        return;
    for (uint64_t at = hash & table->mask; (slot = table->slots[at]) != 0;
         at = (at + 1) & table->mask)
        if (((slot ^ hash) & ~POINTER_MASK) == 0)
            break;
    __builtin_prefetch(tuple_of(slot));
    __builtin_prefetch(tuple_of(slot) + table->states);
}

enum status exec__groups_adopt(struct fiber *f, struct group_table *table, uint8_t *tuple,
                               uint8_t **group_out) {
    TRY(exec__groups_reserve(f, table, 1));
    uint64_t at = find_slot(table, tuple);
    *group_out = table->slots[at] == 0 ? tuple : tuple_of(table->slots[at]);
    if (table->slots[at] == 0) {
        table->slots[at] = slot_of(tuple, group_tuple(tuple)->hash);
        table->count++;
    }
    return STATUS_OK;
}

uint8_t *exec__groups_peek(const struct group_table *table, const uint8_t *tuple) {
    return table->slots == NULL ? NULL : tuple_of(table->slots[find_slot(table, tuple)]);
}

enum status exec__groups_copy(struct fiber *f, struct group_table *table, const uint8_t *tuple,
                              uint8_t **group_out, bool *made_out) {
    const struct group_tuple *group = (const struct group_tuple *)(const void *)tuple;
    TRY(exec__groups_reserve(f, table, 1));
    uint64_t at = find_slot(table, tuple);
    *made_out = table->slots[at] == 0;
    if (!*made_out) {
        *group_out = tuple_of(table->slots[at]);
        return STATUS_OK;
    }
    TRY(new_tuple(table, group->hash, group_out));
    memcpy(*group_out + GROUP_TUPLE_HEADER, tuple + GROUP_TUPLE_HEADER,
           table->layout->size - GROUP_TUPLE_HEADER);
    table->slots[at] = slot_of(*group_out, group->hash);
    return STATUS_OK;
}
