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

/* ---- the operator ------------------------------------------------------------------------ */

enum { TOP_N_MAX = 10000 };

struct sort_operator {
    struct operator_state base;
    struct compiled **keys;
    struct key_column *columns;
    struct vector *vectors;
    const struct vector **vector_pointers;
    struct type *types;
    struct sorter sorter;
    struct buffer buffer;
    bool sorted;
    uint64_t wanted; /* top-n: rows needed; UINT64_MAX: all */
    struct sort_entry threshold;
    bool has_threshold;
};

/* Keep the first `wanted` rows only. */
static enum status shrink(struct fiber *f, struct sort_operator *self) {
    struct sorter *sorter = &self->sorter;
    TRY(sort_entries_sort(f, &sorter->entries));
    uint64_t count = sorter->entries.count < self->wanted ? sorter->entries.count : self->wanted;
    struct arena rows_arena = {0}, keys_arena = {0};
    struct exec_store rows;
    struct sort_entries entries = {.arena = &keys_arena};
    enum status status = STATUS_OK;
    exec__store_init(&rows, self->types, self->base.node->column_count, &rows_arena);
    for (uint64_t i = 0; i < count; i++) {
        const struct sort_entry *entry = &sorter->entries.entries[i];
        struct batch one = *exec__store_batch(&sorter->rows, entry->row);
        uint16_t row = (uint16_t)(entry->row % VECTOR_SIZE);
        one.selection = &row;
        one.selected_count = 1;
        TRY_OUT(exec__store_append(&rows, &one));
        TRY_OUT(sort_entries_add(&entries, slice_of(entry->key, entry->key_size), (uint32_t)i));
    }
out:
    arena_release(&sorter->rows_arena);
    arena_release(&sorter->keys_arena);
    sorter->rows_arena = rows_arena;
    sorter->keys_arena = keys_arena;
    sorter->rows = rows;
    sorter->rows.arena = &sorter->rows_arena;
    sorter->entries = entries;
    sorter->entries.arena = &sorter->keys_arena;
    if (status == STATUS_OK && count > 0 && count == self->wanted) {
        self->threshold = sorter->entries.entries[count - 1];
        self->has_threshold = true;
    }
    return status;
}

/* Top-n holds up to twice as many rows as are wanted; when memory is short, they go early. */
static bool should_shrink(const struct sort_operator *self) {
    const struct sorter *sorter = &self->sorter;
    uint64_t rows = sorter->rows.row_count, limit = self->base.execution->environment.memory_max;
    return self->wanted != UINT64_MAX && !sorter->spilled && rows > self->wanted &&
           (rows >= 2 * self->wanted + 2 * VECTOR_SIZE || sorter_bytes(sorter) > limit / 2);
}

static NOINLINE enum status take_batch(struct fiber *f, struct sort_operator *self,
                                       struct batch *input) {
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
        if (self->has_threshold && !self->sorter.spilled) {
            sort_entry_make(&entry, self->buffer.data, (uint32_t)self->buffer.size, 0);
            if (sort_entry_compare(&entry, &self->threshold) >= 0)
                continue;
        }
        TRY(sorter_key(&self->sorter, buffer_slice(&self->buffer)));
        selection[kept++] = rows[i];
    }
    struct batch chosen = *input;
    chosen.selection = selection;
    chosen.selected_count = kept;
    TRY(sorter_rows(f, &self->sorter, &chosen));
    return should_shrink(self) ? shrink(f, self) : STATUS_OK;
}

static enum status take_all(struct fiber *f, struct sort_operator *self) {
    const struct plan_node *node = self->base.node;
    uint64_t limit, offset;
    TRY(exec__row_limit(f, &self->base, node->sort.limit, false, UINT64_MAX, &limit));
    TRY(exec__row_limit(f, &self->base, node->sort.offset, true, 0, &offset));
    self->wanted = limit <= TOP_N_MAX && offset <= TOP_N_MAX ? limit + offset : UINT64_MAX;
    while (self->wanted > 0) {
        struct batch *input;
        TRY(exec__next(f, self->base.left, &input));
        if (input == NULL)
            break;
        TRY(take_batch(f, self, input));
        arena_reset(&self->base.scratch);
    }
    TRY(sorter_finish(f, &self->sorter));
    exec__note_memory(&self->base, self->sorter.bytes_max);
    exec__count_spilled(&self->base, self->sorter.spilled_bytes);
    self->sorted = true;
    return STATUS_OK;
}

static enum status sort_next(struct fiber *f, struct operator_state *base,
                             struct batch **batch_out) {
    struct sort_operator *self = (struct sort_operator *)base;
    if (!self->sorted)
        TRY(take_all(f, self));
    return sorter_next(f, &self->sorter, batch_out, NULL);
}

static void sort_forget(struct fiber *f, struct sort_operator *self) {
    sorter_release(f, &self->sorter);
    self->sorted = self->has_threshold = false;
}

static enum status sort_reset(struct fiber *f, struct operator_state *base) {
    sort_forget(f, (struct sort_operator *)base);
    return exec__reset(f, base->left);
}

static void sort_close(struct fiber *f, struct operator_state *base) {
    struct sort_operator *self = (struct sort_operator *)base;
    if (self->types != NULL) /* opened */
        sort_forget(f, self);
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
    return sorter_init(&self->sorter, execution, self->types, node->column_count);
}
