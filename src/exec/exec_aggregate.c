/*
 * AGGREGATE: groups in a hash table, accumulators beside them.
 *
 *     slots[hash & mask] -> group number + 1      (open addressing)
 *     keys:   a row store, row g holds group g's keys
 *     states: blocks of GROUP_BLOCK groups, all accumulators of a group side by side
 *
 * A batch is taken in three steps: the keys' hashes, the group number of each row, then each
 * aggregate over the whole batch. Aggregates with DISTINCT or ORDER BY keep their arguments, are
 * sorted by (group, order) at the end and then fed in that order.
 */
#include <string.h>

#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "exec/exec_aggregate.h"

/* ---- groups ------------------------------------------------------------------------------ */

static enum status add_block(struct aggregate_operator *self) {
    if (self->block_count == self->block_capacity) {
        uint32_t capacity = self->block_capacity == 0 ? 16 : self->block_capacity * 2;
        uint8_t **grown = arena_alloc(&self->arena, capacity * sizeof *grown);
        if (grown == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (self->block_count > 0)
            memcpy(grown, self->blocks, self->block_count * sizeof *grown);
        self->blocks = grown;
        self->block_capacity = capacity;
    }
    uint32_t groups = self->base.node->aggregate.key_count == 0 ? 1 : GROUP_BLOCK;
    uint8_t *block = arena_alloc_zeroed(&self->arena, (size_t)self->stride * groups + 16);
    if (block == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    self->blocks[self->block_count++] = block;
    return STATUS_OK;
}

static enum status grow_slots(struct aggregate_operator *self) {
    uint64_t size = self->slots == NULL ? 1024 : (self->mask + 1) * 2;
    uint32_t *slots = arena_alloc_zeroed(&self->arena, size * sizeof *slots);
    uint64_t *hashes = arena_alloc(&self->arena, size / 2 * sizeof *hashes);
    if (slots == NULL || hashes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (self->group_count > 0)
        memcpy(hashes, self->group_hashes, self->group_count * sizeof *hashes);
    self->group_hashes = hashes;
    self->group_capacity = (uint32_t)(size / 2);
    self->mask = size - 1;
    for (uint32_t g = 0; g < self->group_count; g++) {
        uint64_t at = hashes[g] & self->mask;
        while (slots[at] != 0)
            at = (at + 1) & self->mask;
        slots[at] = g + 1;
    }
    self->slots = slots;
    return STATUS_OK;
}

/* A hash made for grouping: equal keys hash alike, that is all; much cheaper than value_hash. */
static inline uint64_t mix(uint64_t a, uint64_t b) {
    uint128_t product = (uint128_t)(a ^ 0x9e3779b97f4a7c15ull) * (b ^ 0xbf58476d1ce4e5b9ull);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline struct string trimmed(struct string string) {
    const uint8_t *data = string_data(&string);
    uint32_t size = string.size;
    if (size == 0 || data[size - 1] != ' ')
        return string;
    while (size > 0 && data[size - 1] == ' ')
        size--;
    /* `data` may point into the copy on our stack: only the short form is remade from it. */
    if (string.size <= STRING_INLINE_SIZE) {
        struct string cut = {.size = size};
        memset(cut.bytes, 0, sizeof cut.bytes);
        memcpy(cut.bytes, data, size);
        return cut;
    }
    return string_of(data, size);
}

static inline uint64_t hash_string(const struct string *string) {
    if (string->size > STRING_INLINE_SIZE)
        return hash_bytes(string->pointer, string->size);
    uint64_t words[2];
    memcpy(words, string, sizeof words);
    return mix(words[0], words[1]);
}

#define HASH_LOOP(hash_of_at)                                                                      \
    do {                                                                                           \
        if (vector->validity == NULL && first)                                                     \
            for (uint32_t i = 0; i < count; i++) {                                                 \
                uint32_t at = view.indices[rows[i]];                                               \
                hashes[i] = (hash_of_at);                                                          \
            }                                                                                      \
        else                                                                                       \
            for (uint32_t i = 0; i < count; i++) {                                                 \
                uint32_t at = view.indices[rows[i]];                                               \
                uint64_t one = view_valid(&view, at) ? (hash_of_at) : 77;                          \
                hashes[i] = first ? one : mix(hashes[i], one);                                     \
            }                                                                                      \
    } while (0)

static void hash_keys(const struct vector *vector, const uint16_t *rows, uint32_t count, bool first,
                      uint64_t *hashes) {
    struct vector_view view = vector_view(vector);
    switch ((enum physical)vector->physical) {
    case PHYSICAL_INT16:
        HASH_LOOP(mix((uint64_t)((const int16_t *)view.data)[at], 1));
        break;
    case PHYSICAL_INT32:
        HASH_LOOP(mix((uint64_t)((const int32_t *)view.data)[at], 1));
        break;
    case PHYSICAL_INT64:
        HASH_LOOP(mix((uint64_t)((const int64_t *)view.data)[at], 1));
        break;
    case PHYSICAL_STRING: {
        const struct string *strings = view.data;
        const struct type_info *info = type_info(vector->type.id);
        if (vector->type.id == TYPE_BPCHAR) {
            for (uint32_t i = 0; i < count; i++) {
                uint32_t at = view.indices[rows[i]];
                struct string cut = {0};
                if (view_valid(&view, at))
                    cut = trimmed(strings[at]);
                uint64_t one = hash_string(&cut);
                hashes[i] = first ? one : mix(hashes[i], one);
            }
            break;
        }
        if (info != NULL && info->element_id == 0 && vector->type.id != TYPE_RECORD) {
            HASH_LOOP(hash_string(&strings[at]));
            break;
        }
    }
    /* fall through */
    default:
        vector_hash(vector, rows, count, !first, hashes);
    }
}

/* Are the keys of a row those of a group? */
static bool same_group(const struct aggregate_operator *self, uint32_t row, uint32_t group) {
    const struct batch *stored = exec__store_batch(&self->group_keys, group);
    uint32_t there = group % VECTOR_SIZE;
    for (uint32_t k = 0; k < self->base.node->aggregate.key_count; k++) {
        const struct vector *a = &self->key_vectors[k], *b = &stored->vectors[k];
        uint32_t at = vector_position(a, row);
        bool valid = validity_get(a->validity, at);
        if (valid != validity_get(b->validity, there))
            return false;
        if (!valid)
            continue;
        switch ((enum physical)a->physical) {
        case PHYSICAL_INT32:
            if (((const int32_t *)a->data)[at] != ((const int32_t *)b->data)[there])
                return false;
            break;
        case PHYSICAL_INT64:
            if (((const int64_t *)a->data)[at] != ((const int64_t *)b->data)[there])
                return false;
            break;
        case PHYSICAL_STRING:
            if (string_equal(&((const struct string *)a->data)[at],
                             &((const struct string *)b->data)[there]))
                break; /* same bytes: equal in every type */
            /* fall through */
        default:
            if (!vector_equal(a, row, b, there))
                return false;
        }
    }
    return true;
}

static enum status new_group(struct aggregate_operator *self, const uint16_t *row, uint64_t hash,
                             uint32_t *group_out) {
    uint32_t group = self->group_count;
    struct batch keys = {.vectors = self->key_vectors,
                         .column_count = self->base.node->aggregate.key_count,
                         .row_count = VECTOR_SIZE,
                         .selection = row,
                         .selected_count = 1};
    if (group == UINT32_MAX - 1)
        return error_set(STATUS_LIMIT_EXCEEDED, "too many groups");
    TRY(exec__store_append(&self->group_keys, &keys));
    if (group % GROUP_BLOCK == 0)
        TRY(add_block(self));
    self->group_hashes[group] = hash;
    self->group_count++;
    *group_out = group;
    return STATUS_OK;
}

enum status exec__aggregate_group(struct aggregate_operator *self, const uint16_t *row,
                                  uint64_t hash, uint32_t *group_out) {
    if (self->group_count + 1 >= self->group_capacity)
        TRY(grow_slots(self));
    for (uint64_t at = hash & self->mask;; at = (at + 1) & self->mask) {
        uint32_t slot = self->slots[at];
        if (slot == 0) {
            uint32_t group = 0;
            TRY(new_group(self, row, hash, &group));
            self->slots[at] = group + 1;
            *group_out = group;
            return STATUS_OK;
        }
        if (self->group_hashes[slot - 1] == hash && same_group(self, *row, slot - 1)) {
            *group_out = slot - 1;
            return STATUS_OK;
        }
    }
}

static enum status find_groups(struct fiber *f, struct aggregate_operator *self,
                               const struct batch *input) {
    const struct plan_node *node = self->base.node;
    const uint16_t *rows = batch_rows(input);
    uint32_t count = input->selected_count;
    for (uint32_t k = 0; k < node->aggregate.key_count; k++) {
        TRY(exec__evaluate(f, self->keys[k], input, rows, count, &self->base.scratch,
                           &self->key_vectors[k]));
        hash_keys(&self->key_vectors[k], rows, count, k == 0, self->hashes);
    }
    for (uint32_t i = 0; i < count; i++)
        TRY(exec__aggregate_group(self, &rows[i], self->hashes[i], &self->groups[i]));
    return STATUS_OK;
}

/* ---- DISTINCT and ORDER BY inside -------------------------------------------------------- */

static enum status keep_ordered(struct fiber *f, struct aggregate_operator *self,
                                struct running_aggregate *aggregate, const struct batch *input,
                                const uint16_t *rows, uint32_t count, const uint32_t *groups) {
    struct ordered_input *ordered = aggregate->ordered;
    for (uint32_t k = 0; k < ordered->key_count; k++)
        TRY(exec__evaluate(f, ordered->keys[k], input, rows, count, &self->base.scratch,
                           &ordered->vectors[k]));
    for (uint32_t i = 0; i < count; i++) {
        uint8_t group[4];
        put_be32(group, groups == NULL ? 0 : groups[i]);
        buffer_clear(&self->buffer);
        buffer_append(&self->buffer, group, sizeof group);
        key_encode_row(ordered->columns, ordered->pointers, ordered->key_count, rows[i],
                       &self->buffer);
        TRY(buffer_status(&self->buffer));
        TRY(sort_entries_add(&ordered->sort, buffer_slice(&self->buffer),
                             (uint32_t)(ordered->rows.row_count + i)));
    }
    struct batch arguments = {.vectors = aggregate->vectors,
                              .column_count = aggregate->plan->argument_count,
                              .row_count = input->row_count,
                              .selection = rows,
                              .selected_count = count};
    return exec__store_append(&ordered->rows, &arguments);
}

struct accumulate_call exec__accumulate_call(struct fiber *f, struct aggregate_operator *self,
                                             const struct running_aggregate *aggregate) {
    return (struct accumulate_call){
        .f = f,
        .local = self->base.local,
        .aggregate = aggregate->plan,
        .arena = &self->arena,
        .states = {.blocks = self->blocks, .stride = self->stride, .offset = aggregate->offset}};
}

static bool same_key(const struct sort_entry *a, const struct sort_entry *b) {
    return a->key_size == b->key_size && memcmp(a->key, b->key, a->key_size) == 0;
}

/* Feed the kept rows in order, leaving out repetitions for DISTINCT. */
static enum status feed_ordered(struct fiber *f, struct aggregate_operator *self,
                                struct running_aggregate *aggregate) {
    struct ordered_input *ordered = aggregate->ordered;
    TRY(sort_entries_sort(f, &ordered->sort));
    struct accumulate_call call = exec__accumulate_call(f, self, aggregate);
    for (uint64_t i = 0; i < ordered->sort.count; i++) {
        const struct sort_entry *entry = &ordered->sort.entries[i];
        if (aggregate->plan->distinct && i > 0 && same_key(entry, entry - 1))
            continue;
        uint32_t group = get_be32(entry->key);
        uint16_t row = (uint16_t)(entry->row % VECTOR_SIZE);
        const struct batch *batch = exec__store_batch(&ordered->rows, entry->row);
        call.groups = &group;
        call.rows = &row;
        call.count = 1;
        call.arguments = batch->vectors;
        TRY(aggregate->accumulator->add(&call));
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

/* ---- batches ----------------------------------------------------------------------------- */

static enum status feed(struct fiber *f, struct aggregate_operator *self,
                        struct running_aggregate *aggregate, const struct batch *input) {
    const uint16_t *rows = batch_rows(input);
    uint32_t count = input->selected_count;
    bool keyed = self->base.node->aggregate.key_count > 0;
    const uint32_t *groups = keyed ? self->groups : NULL;
    uint32_t chosen_groups[VECTOR_SIZE];
    if (aggregate->filter != NULL) {
        uint32_t kept;
        TRY(exec__select(f, aggregate->filter, input, rows, count, &self->base.scratch,
                         self->selection, &kept));
        for (uint32_t i = 0, k = 0; keyed && k < kept; i++)
            if (rows[i] == self->selection[k])
                chosen_groups[k++] = self->groups[i];
        rows = self->selection;
        count = kept;
        groups = keyed ? chosen_groups : NULL;
        if (count == 0)
            return STATUS_OK;
    }
    for (uint32_t a = 0; a < aggregate->plan->argument_count; a++)
        TRY(exec__evaluate(f, aggregate->arguments[a], input, rows, count, &self->base.scratch,
                           &aggregate->vectors[a]));
    if (aggregate->ordered != NULL)
        return keep_ordered(f, self, aggregate, input, rows, count, groups);
    struct accumulate_call call = exec__accumulate_call(f, self, aggregate);
    call.groups = groups;
    call.rows = rows;
    call.count = count;
    call.arguments = aggregate->vectors;
    return aggregate->accumulator->add(&call);
}

static void forget(struct aggregate_operator *self) {
    arena_release(&self->arena);
    self->slots = NULL;
    self->group_hashes = NULL;
    self->blocks = NULL;
    self->group_count = self->group_capacity = 0;
    self->block_count = self->block_capacity = 0;
    self->mask = 0;
    self->filled = false;
    self->at = 0;
}

enum status exec__aggregate_begin(struct aggregate_operator *self) {
    const struct plan_node *node = self->base.node;
    exec__store_init(&self->group_keys, self->key_types, node->aggregate.key_count, &self->arena);
    for (uint32_t i = 0; i < node->aggregate.aggregate_count; i++) {
        struct ordered_input *ordered = self->aggregates[i].ordered;
        if (ordered == NULL)
            continue;
        exec__store_init(&ordered->rows, ordered->types, self->aggregates[i].plan->argument_count,
                         &self->arena);
        ordered->sort = (struct sort_entries){.arena = &self->arena};
    }
    if (node->aggregate.key_count > 0)
        return grow_slots(self);
    if (!node->aggregate.is_distinct) {
        TRY(add_block(self));
        self->group_count = 1;
    }
    return STATUS_OK;
}

enum status exec__aggregate_fill(struct fiber *f, struct aggregate_operator *self) {
    const struct plan_node *node = self->base.node;
    bool done;
    TRY(exec__aggregate_begin(self));
    TRY(exec__aggregate_parallel(f, self, &done));
    if (done) {
        self->filled = true;
        return STATUS_OK;
    }
    for (;;) {
        struct batch *input;
        TRY(exec__next(f, self->base.left, &input));
        if (input == NULL)
            break;
        if (node->aggregate.key_count > 0)
            TRY(find_groups(f, self, input));
        else if (self->group_count == 0) {
            TRY(add_block(self)); /* DISTINCT of no columns */
            self->group_count = 1;
        }
        for (uint32_t i = 0; i < node->aggregate.aggregate_count; i++)
            TRY(feed(f, self, &self->aggregates[i], input));
        TRY(exec__account(&self->base, self->arena.size_total));
        arena_reset(&self->base.scratch);
    }
    for (uint32_t i = 0; i < node->aggregate.aggregate_count; i++)
        if (self->aggregates[i].ordered != NULL)
            TRY(feed_ordered(f, self, &self->aggregates[i]));
    self->filled = true;
    return STATUS_OK;
}

static enum status finish_groups(struct fiber *f, struct aggregate_operator *self, uint32_t first,
                                 uint32_t count) {
    const struct plan_node *node = self->base.node;
    uint32_t keys = node->aggregate.key_count;
    for (uint32_t k = 0; k < keys; k++)
        for (uint32_t i = 0; i < count;) { /* runs within one stored batch */
            uint32_t group = first + i, row = group % VECTOR_SIZE, run = VECTOR_SIZE - row;
            if (run > count - i)
                run = count - i;
            vector_copy(&self->batch.vectors[k], i,
                        &exec__store_batch(&self->group_keys, group)->vectors[k],
                        vector_identity + row, run, NULL);
            i += run;
        }
    for (uint32_t a = 0; a < node->aggregate.aggregate_count; a++) {
        const struct running_aggregate *aggregate = &self->aggregates[a];
        struct vector *target = &self->batch.vectors[keys + a];
        struct accumulate_call call = exec__accumulate_call(f, self, aggregate);
        call.arena = &self->base.scratch;
        for (uint32_t i = 0; i < count; i++) {
            struct value result = {.type = aggregate->plan->type};
            TRY(aggregate->accumulator->finish(&call, group_state(&call.states, first + i),
                                               &result));
            result.type = target->type;
            if (result.is_null)
                vector_set_null(target, i);
            else
                vector_set(target, i, &result, &self->base.scratch);
        }
    }
    return STATUS_OK;
}

static enum status aggregate_next(struct fiber *f, struct operator_state *base,
                                  struct batch **batch_out) {
    struct aggregate_operator *self = (struct aggregate_operator *)base;
    if (!self->filled)
        TRY(exec__aggregate_fill(f, self));
    *batch_out = NULL;
    while (self->at < self->group_count) {
        uint32_t left = self->group_count - self->at;
        uint32_t count = left < VECTOR_SIZE ? left : VECTOR_SIZE;
        batch_reset(&self->batch);
        TRY(finish_groups(f, self, self->at, count));
        self->at += count;
        batch_set_count(&self->batch, count);
        if (self->having != NULL) {
            uint32_t kept;
            TRY(exec__select(f, self->having, &self->batch, vector_identity, count, &base->scratch,
                             self->selection, &kept));
            exec__count_removed(base, count - kept);
            if (kept == 0)
                continue;
            self->batch.selection = self->selection;
            self->batch.selected_count = kept;
        }
        *batch_out = &self->batch;
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status aggregate_reset(struct fiber *f, struct operator_state *base) {
    forget((struct aggregate_operator *)base);
    return exec__reset(f, base->left);
}

static void aggregate_close(struct fiber *f, struct operator_state *base) {
    struct aggregate_operator *self = (struct aggregate_operator *)base;
    forget(self);
    buffer_release(&self->buffer);
}

/* ---- open -------------------------------------------------------------------------------- */

static enum status open_ordered(struct exec_local *local, struct running_aggregate *aggregate) {
    const struct plan_aggregate *plan = aggregate->plan;
    uint32_t count = plan->order_count + (plan->distinct ? plan->argument_count : 0);
    struct ordered_input *ordered = ARENA_NEW(local->arena, struct ordered_input);
    ordered->key_count = count;
    ordered->columns = ARENA_ARRAY(local->arena, struct key_column, count + 1);
    ordered->keys = ARENA_ARRAY(local->arena, struct compiled *, count + 1);
    ordered->vectors = ARENA_ARRAY(local->arena, struct vector, count + 1);
    ordered->pointers = ARENA_ARRAY(local->arena, const struct vector *, count + 1);
    ordered->types = ARENA_ARRAY(local->arena, struct type, plan->argument_count + 1);
    for (uint32_t i = 0; i < plan->argument_count; i++)
        ordered->types[i] = plan->arguments[i]->type;
    for (uint32_t i = 0; i < count; i++) {
        bool is_order = i < plan->order_count;
        const struct expression *expression =
            is_order ? plan->order[i].expression : plan->arguments[i - plan->order_count];
        TRY(sort__key_column(expression->type, is_order && plan->order[i].descending,
                             is_order && plan->order[i].nulls_first, &ordered->columns[i]));
        TRY(exec__compile(local, expression, &ordered->keys[i]));
        ordered->pointers[i] = &ordered->vectors[i];
    }
    aggregate->ordered = ordered;
    return STATUS_OK;
}

static enum status open_aggregate(struct exec_local *local, const struct plan_aggregate *plan,
                                  struct running_aggregate *aggregate, uint32_t *stride) {
    aggregate->plan = plan;
    aggregate->accumulator = exec__accumulator(plan);
    if (aggregate->accumulator == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "aggregate %s is not supported",
                         plan->aggregate->name);
    aggregate->offset = *stride;
    *stride += (aggregate->accumulator->size + 15) / 16 * 16;
    aggregate->arguments = ARENA_ARRAY(local->arena, struct compiled *, plan->argument_count + 1);
    aggregate->vectors = ARENA_ARRAY(local->arena, struct vector, plan->argument_count + 1);
    for (uint32_t i = 0; i < plan->argument_count; i++)
        TRY(exec__compile(local, plan->arguments[i], &aggregate->arguments[i]));
    if (plan->filter != NULL)
        TRY(exec__compile(local, plan->filter, &aggregate->filter));
    /* min and max do not care about order or repetition */
    bool extreme = aggregate->plan->aggregate->symbol[0] == 'm';
    return (plan->distinct || plan->order_count > 0) && !extreme ? open_ordered(local, aggregate)
                                                                 : STATUS_OK;
}

enum status exec__open_aggregate(struct fiber *f, struct execution *execution,
                                 const struct plan_node *node,
                                 struct operator_state **operator_out) {
    static const struct operator_functions functions = {aggregate_next, aggregate_reset,
                                                        aggregate_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct aggregate_operator), &functions,
                           operator_out));
    struct aggregate_operator *self = (struct aggregate_operator *)*operator_out;
    struct arena *arena = execution->environment.arena;
    uint32_t keys = node->aggregate.key_count, aggregates = node->aggregate.aggregate_count;
    self->keys = arena_alloc(arena, (keys + 1) * sizeof(struct compiled *));
    self->key_vectors = arena_alloc_zeroed(arena, (keys + 1) * sizeof(struct vector));
    self->key_types = arena_alloc(arena, (keys + 1) * sizeof(struct type));
    self->aggregates =
        arena_alloc_zeroed(arena, (aggregates + 1) * sizeof(struct running_aggregate));
    self->selection = arena_alloc(arena, VECTOR_SIZE * sizeof(uint16_t));
    if (self->keys == NULL || self->key_vectors == NULL || self->key_types == NULL ||
        self->aggregates == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t k = 0; k < keys; k++) {
        self->key_types[k] = node->aggregate.keys[k]->type;
        TRY(exec__compile(self->base.local, node->aggregate.keys[k], &self->keys[k]));
    }
    self->stride = 16;
    for (uint32_t i = 0; i < aggregates; i++)
        TRY(open_aggregate(self->base.local, &node->aggregate.aggregates[i], &self->aggregates[i],
                           &self->stride));
    if (node->aggregate.filter != NULL)
        TRY(exec__compile(self->base.local, node->aggregate.filter, &self->having));
    return exec__node_batch(execution, node, &self->batch);
}
