/*
 * SORT: rows are copied as they come, with their keys; at the end of the input the keys are sorted
 * and rows are handed out in that order.
 *
 * Top-n (a small LIMIT above): whenever n rows and as many again as a batch or two have gathered,
 * they are sorted and all but the first n are dropped; from then on rows beyond the nth key are
 * not even copied.
 */
#include "exec/exec_sort.h"

#include <string.h>

#include "base/base_bytes.h"

/* ---- sorting ----------------------------------------------------------------------------- */

void sort_entry_make(struct sort_entry *entry, const uint8_t *key, uint32_t key_size,
                     uint32_t row) {
    uint8_t first[8] = {0};
    memcpy(first, key, key_size < 8 ? key_size : 8);
    *entry = (struct sort_entry){
        .prefix = get_be64(first), .key = key, .key_size = key_size, .row = row};
}

enum status sort_entries_add(struct sort_entries *sort, struct slice key, uint32_t row) {
    if (sort->count == sort->capacity) {
        uint64_t capacity = sort->capacity == 0 ? 256 : sort->capacity * 2;
        struct sort_entry *grown = arena_alloc(sort->arena, capacity * sizeof *grown);
        if (grown == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (sort->count > 0)
            memcpy(grown, sort->entries, sort->count * sizeof *grown);
        sort->entries = grown;
        sort->capacity = capacity;
    }
    uint8_t *copy = arena_alloc_aligned(sort->arena, key.size + 1, 1);
    if (copy == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (key.size > 0)
        memcpy(copy, key.data, key.size);
    sort_entry_make(&sort->entries[sort->count++], copy, (uint32_t)key.size, row);
    return STATUS_OK;
}

enum { RUN_SIZE = 24 };

static void insertion_sort(struct sort_entry *entries, uint64_t count) {
    for (uint64_t i = 1; i < count; i++) {
        struct sort_entry entry = entries[i];
        uint64_t at = i;
        while (at > 0 && sort_entry_compare(&entries[at - 1], &entry) > 0) {
            entries[at] = entries[at - 1];
            at--;
        }
        entries[at] = entry;
    }
}

static void merge(const struct sort_entry *from, struct sort_entry *to, uint64_t begin,
                  uint64_t middle, uint64_t end) {
    uint64_t a = begin, b = middle, at = begin;
    if (middle < end && sort_entry_compare(&from[middle - 1], &from[middle]) <= 0) {
        memcpy(to + begin, from + begin, (end - begin) * sizeof *to);
        return;
    }
    while (a < middle && b < end)
        to[at++] = sort_entry_compare(&from[a], &from[b]) <= 0 ? from[a++] : from[b++];
    while (a < middle)
        to[at++] = from[a++];
    while (b < end)
        to[at++] = from[b++];
}

enum status sort_entries_sort(struct fiber *f, struct sort_entries *sort) {
    uint64_t count = sort->count;
    if (count < 2)
        return STATUS_OK;
    for (uint64_t begin = 0; begin < count; begin += RUN_SIZE) {
        insertion_sort(sort->entries + begin, count - begin < RUN_SIZE ? count - begin : RUN_SIZE);
        TRY(fiber_check(f));
    }
    if (count <= RUN_SIZE)
        return STATUS_OK;
    struct sort_entry *from = sort->entries;
    struct sort_entry *to = arena_alloc(sort->arena, sort->capacity * sizeof *to);
    if (to == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint64_t width = RUN_SIZE; width < count; width *= 2) {
        for (uint64_t begin = 0; begin < count; begin += 2 * width) {
            uint64_t middle = begin + width < count ? begin + width : count;
            uint64_t end = begin + 2 * width < count ? begin + 2 * width : count;
            merge(from, to, begin, middle, end);
            TRY(fiber_check(f));
        }
        struct sort_entry *swap = from;
        from = to;
        to = swap;
    }
    sort->entries = from;
    return STATUS_OK;
}

enum status sort__key_column(struct type type, bool descending, bool nulls_first,
                             struct key_column *column_out) {
    if (!key_orderable(type)) {
        char name[TYPE_NAME_SIZE];
        return error_set(STATUS_UNDEFINED_FUNCTION,
                         "could not identify an ordering operator for type %s",
                         type_name(type, name));
    }
    *column_out = (struct key_column){
        .type = type, .descending = descending, .nulls_first = nulls_first, .canonical = true};
    return STATUS_OK;
}

/* ---- the operator ------------------------------------------------------------------------ */

enum { TOP_N_MAX = 10000 };

struct sort_operator {
    struct operator_state base;
    struct compiled **keys;
    struct key_column *columns;
    struct vector *vectors;
    const struct vector **vector_pointers;
    struct type *types;
    struct arena rows_arena, keys_arena;
    struct exec_store rows;
    struct sort_entries sort;
    struct buffer buffer;
    bool sorted;
    uint64_t at;
    uint64_t wanted; /* top-n: rows needed; UINT64_MAX: all */
    struct sort_entry threshold;
    bool has_threshold;
    struct batch batch;
};

/* Keep the first `wanted` rows only. */
static enum status shrink(struct fiber *f, struct sort_operator *self) {
    TRY(sort_entries_sort(f, &self->sort));
    uint64_t count = self->sort.count < self->wanted ? self->sort.count : self->wanted;
    struct arena rows_arena = {0}, keys_arena = {0};
    struct exec_store rows;
    struct sort_entries sort = {.arena = &keys_arena};
    enum status status = STATUS_OK;
    exec__store_init(&rows, self->types, self->base.node->column_count, &rows_arena);
    for (uint64_t i = 0; i < count; i++) {
        const struct sort_entry *entry = &self->sort.entries[i];
        struct batch one = *exec__store_batch(&self->rows, entry->row);
        uint16_t row = (uint16_t)(entry->row % VECTOR_SIZE);
        one.selection = &row;
        one.selected_count = 1;
        TRY_OUT(exec__store_append(&rows, &one));
        TRY_OUT(sort_entries_add(&sort, slice_of(entry->key, entry->key_size), (uint32_t)i));
    }
out:
    arena_release(&self->rows_arena);
    arena_release(&self->keys_arena);
    self->rows_arena = rows_arena;
    self->keys_arena = keys_arena;
    self->rows = rows;
    self->rows.arena = &self->rows_arena;
    self->sort = sort;
    self->sort.arena = &self->keys_arena;
    if (status == STATUS_OK && count > 0 && count == self->wanted) {
        self->threshold = self->sort.entries[count - 1];
        self->has_threshold = true;
    }
    return status;
}

static enum status take_batch(struct fiber *f, struct sort_operator *self, struct batch *input) {
    const struct plan_node *node = self->base.node;
    const uint16_t *rows = batch_rows(input);
    uint32_t key_count = node->sort.key_count, kept = 0;
    uint16_t selection[VECTOR_SIZE];
    for (uint32_t k = 0; k < key_count; k++)
        TRY(exec__evaluate(f, self->keys[k], input, rows, input->selected_count,
                           &self->base.scratch, &self->vectors[k]));
    for (uint32_t i = 0; i < input->selected_count; i++) {
        struct sort_entry entry;
        buffer_clear(&self->buffer);
        key_encode_row(self->columns, self->vector_pointers, key_count, rows[i], &self->buffer);
        TRY(buffer_status(&self->buffer));
        if (self->has_threshold) {
            sort_entry_make(&entry, self->buffer.data, (uint32_t)self->buffer.size, 0);
            if (sort_entry_compare(&entry, &self->threshold) >= 0)
                continue;
        }
        TRY(sort_entries_add(&self->sort, buffer_slice(&self->buffer),
                             (uint32_t)(self->rows.row_count + kept)));
        selection[kept++] = rows[i];
    }
    struct batch chosen = *input;
    chosen.selection = selection;
    chosen.selected_count = kept;
    TRY(exec__store_append(&self->rows, &chosen));
    TRY(exec__account(&self->base, self->rows.bytes + self->keys_arena.size_total));
    if (self->wanted != UINT64_MAX && self->rows.row_count >= 2 * self->wanted + 2 * VECTOR_SIZE)
        return shrink(f, self);
    if (self->rows.row_count > UINT32_MAX - VECTOR_SIZE)
        return error_set(STATUS_LIMIT_EXCEEDED, "too many rows to sort");
    return STATUS_OK;
}

static enum status take_all(struct fiber *f, struct sort_operator *self) {
    const struct plan_node *node = self->base.node;
    uint64_t limit, offset;
    TRY(exec__row_limit(f, &self->base, node->sort.limit, false, UINT64_MAX, &limit));
    TRY(exec__row_limit(f, &self->base, node->sort.offset, true, 0, &offset));
    self->wanted = limit <= TOP_N_MAX && offset <= TOP_N_MAX ? limit + offset : UINT64_MAX;
    exec__store_init(&self->rows, self->types, node->column_count, &self->rows_arena);
    self->sort = (struct sort_entries){.arena = &self->keys_arena};
    while (self->wanted > 0) {
        struct batch *input;
        TRY(exec__next(f, self->base.left, &input));
        if (input == NULL)
            break;
        TRY(take_batch(f, self, input));
        arena_reset(&self->base.scratch);
    }
    TRY(sort_entries_sort(f, &self->sort));
    self->sorted = true;
    return STATUS_OK;
}

static enum status sort_next(struct fiber *f, struct operator_state *base,
                             struct batch **batch_out) {
    struct sort_operator *self = (struct sort_operator *)base;
    if (!self->sorted)
        TRY(take_all(f, self));
    *batch_out = NULL;
    uint64_t left = self->sort.count - self->at;
    uint32_t count = left < VECTOR_SIZE ? (uint32_t)left : VECTOR_SIZE;
    if (count == 0)
        return STATUS_OK;
    batch_reset(&self->batch);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = self->sort.entries[self->at + i].row;
        const struct batch *source = exec__store_batch(&self->rows, number);
        uint16_t row = (uint16_t)(number % VECTOR_SIZE);
        for (uint32_t c = 0; c < base->node->column_count; c++)
            vector_copy(&self->batch.vectors[c], i, &source->vectors[c], &row, 1, NULL);
    }
    self->at += count;
    batch_set_count(&self->batch, count);
    *batch_out = &self->batch;
    return STATUS_OK;
}

static void sort_forget(struct sort_operator *self) {
    arena_release(&self->rows_arena);
    arena_release(&self->keys_arena);
    self->sort = (struct sort_entries){0};
    self->sorted = self->has_threshold = false;
    self->at = 0;
}

static enum status sort_reset(struct fiber *f, struct operator_state *base) {
    sort_forget((struct sort_operator *)base);
    return exec__reset(f, base->left);
}

static void sort_close(struct fiber *f, struct operator_state *base) {
    struct sort_operator *self = (struct sort_operator *)base;
    sort_forget(self);
    buffer_release(&self->buffer);
}

enum status exec__open_sort(struct fiber *f, struct execution *execution,
                            const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {sort_next, sort_reset, sort_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct sort_operator), &functions,
                           operator_out));
    struct sort_operator *self = (struct sort_operator *)*operator_out;
    struct arena *arena = execution->environment.arena;
    uint32_t count = node->sort.key_count;
    self->keys = arena_alloc(arena, (count + 1) * sizeof(struct compiled *));
    self->columns = arena_alloc(arena, (count + 1) * sizeof *self->columns);
    self->vectors = arena_alloc_zeroed(arena, (count + 1) * sizeof *self->vectors);
    self->vector_pointers = arena_alloc(arena, (count + 1) * sizeof(struct vector *));
    if (self->keys == NULL || self->columns == NULL || self->vectors == NULL ||
        self->vector_pointers == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t k = 0; k < count; k++) {
        const struct sort_key *key = &node->sort.keys[k];
        TRY(exec__compile(self->base.local, key->expression, &self->keys[k]));
        TRY(sort__key_column(key->expression->type, key->descending, key->nulls_first,
                             &self->columns[k]));
        self->vector_pointers[k] = &self->vectors[k];
    }
    TRY(exec__node_types(execution, node, &self->types));
    return exec__node_batch(execution, node, &self->batch);
}
