/*
 * SORT: rows are copied as they come, with their keys; at the end of the input the keys are sorted
 * and rows are handed out in that order (exec_sort.h). Where the pipeline below can be shared each
 * core takes rows into a sorter of its own, which become parts of ours; rows that come later
 * (has_rest) are one more part.
 *
 * Top-n (a small LIMIT above): whenever n rows and somewhat more than as many again have gathered,
 * they are sorted and all but the first n are dropped; from then on rows beyond the nth key are
 * not even copied, and the scan below is told what is still wanted (exec_threshold.h). Cores sort
 * their shares side by side; the first n of each are sorted once more.
 */
#include "exec/exec_sort.h"

#include <string.h>

#include "exec/exec_parallel.h"
#include "exec/exec_threshold.h"

/* ---- the operator ------------------------------------------------------------------------ */

enum { TOP_N_MAX = 10000, SPARE_ROWS = 256 };

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
    struct threshold *lent; /* to the scan below; NULL: it can use none */
    struct arena lent_arena;
};

/* The nth row is known: tell the scan. It is the last of the rows kept. */
static enum status lend_threshold(struct sort_operator *self, uint64_t row) {
    if (self->lent == NULL)
        return STATUS_OK;
    const struct batch *batch = exec__store_batch(&self->sorter.part.rows, row);
    uint32_t column = self->base.node->sort.keys[0].expression->index;
    struct value value = vector_get(&batch->vectors[column], (uint32_t)(row % VECTOR_SIZE));
    return exec__threshold_set(self->lent, &value, &self->lent_arena);
}

/* Keep the first `wanted` rows only. */
static enum status shrink(struct fiber *f, struct sort_operator *self) {
    struct sorter *sorter = &self->sorter;
    struct sort_part *part = &sorter->part, kept = {0};
    TRY(sort_entries_sort(f, &part->entries));
    uint64_t count = part->entries.count < self->wanted ? part->entries.count : self->wanted;
    enum status status = STATUS_OK;
    sort__part_begin(&kept, sorter);
    for (uint64_t i = 0; i < count; i++) {
        const struct sort_entry *entry = &part->entries.entries[i];
        struct batch one = *exec__store_batch(&part->rows, entry->row);
        uint16_t row = (uint16_t)(entry->row % VECTOR_SIZE);
        one.selection = &row;
        one.selected_count = 1;
        TRY_OUT(exec__store_append(&kept.rows, &one));
        TRY_OUT(
            sort_entries_add(&kept.entries, slice_of(entry->key, entry->key_size), (uint32_t)i));
    }
out:
    arena_release(&part->rows_arena);
    arena_release(&part->keys_arena);
    sort__part_move(part, &kept);
    if (status == STATUS_OK && count > 0 && count == self->wanted) {
        self->threshold = part->entries.entries[count - 1];
        self->has_threshold = true;
        status = lend_threshold(self, count - 1);
    }
    return status;
}

/* Top-n holds up to twice as many rows as are wanted; when memory is short, they go early. */
static bool should_shrink(const struct sort_operator *self) {
    const struct sorter *sorter = &self->sorter;
    uint64_t rows = sorter->part.rows.row_count,
             limit = self->base.execution->environment.memory_max;
    return self->wanted != UINT64_MAX && !sorter->spilled && rows > self->wanted &&
           (rows >= 2 * self->wanted + SPARE_ROWS || sorter_bytes(sorter) > limit / 2);
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

static enum status take_input(struct fiber *f, struct sort_operator *self) {
    while (self->wanted > 0) {
        struct batch *input;
        TRY(exec__next(f, self->base.left, &input));
        if (input == NULL)
            break;
        TRY(take_batch(f, self, input));
        arena_reset(&self->base.scratch);
    }
    return STATUS_OK;
}

/* ---- by many cores ----------------------------------------------------------------------- */

static bool wants_all(const struct sort_operator *self) {
    return self->wanted == UINT64_MAX;
}

static enum status take_share(struct fiber *f, struct parallel_worker *worker) {
    struct sort_operator *self = (struct sort_operator *)worker->root;
    const struct sort_operator *owner = worker->parallel->argument;
    self->wanted = owner->wanted;
    TRY(take_input(f, self));
    return wants_all(self) ? sorter_settle(f, &self->sorter, worker->parallel->worker_count)
                           : sorter_finish(f, &self->sorter);
}

/* The first rows of a worker's share are sorted with the others'. */
static enum status take_first(struct fiber *f, struct sort_operator *self,
                              struct sort_operator *from) {
    for (uint64_t left = self->wanted; left > 0;) {
        struct batch *batch;
        TRY(sorter_next(f, &from->sorter, &batch, NULL));
        if (batch == NULL)
            break;
        struct batch first = *batch;
        if (first.selected_count > left)
            first.selected_count = (uint32_t)left;
        left -= first.selected_count;
        TRY(take_batch(f, self, &first));
        arena_reset(&self->base.scratch);
    }
    return STATUS_OK;
}

static enum status take_over(struct fiber *f, struct sort_operator *self,
                             const struct parallel *parallel) {
    struct sorter *sorters[RUNTIME_CORES_MAX];
    for (unsigned w = 0; w < parallel->worker_count; w++) {
        struct sort_operator *from = (struct sort_operator *)parallel->workers[w].root;
        sorters[w] = &from->sorter;
        if (!wants_all(self))
            TRY(take_first(f, self, from));
    }
    return wants_all(self) ? sorter_adopt(&self->sorter, sorters, parallel->worker_count)
                           : STATUS_OK;
}

static enum status take_by_many(struct fiber *f, struct sort_operator *self, bool *done_out) {
    struct parallel parallel;
    *done_out = false;
    if (self->wanted == 0)
        return STATUS_OK;
    for (uint32_t k = 0; k < self->base.node->sort.key_count; k++)
        if (!exec__is_independent(self->base.node->sort.keys[k].expression))
            return STATUS_OK;
    TRY(exec__parallel_pays(f, &self->base, self->base.left, wants_all(self), &parallel, done_out));
    if (!*done_out)
        return STATUS_OK;
    enum status status = exec__parallel_run(f, &parallel, self->base.node, take_share, self);
    if (self->lent != NULL)
        exec__threshold_clear(self->lent); /* its tests are the workers' */
    if (status == STATUS_OK)
        status = take_over(f, self, &parallel);
    exec__parallel_end(f, &parallel, self->base.node->id);
    if (parallel.has_rest) {
        exec__parallel_exhaust(&parallel);
        *done_out = false;
    }
    return status;
}

/* ---- all --------------------------------------------------------------------------------- */

static enum status take_all(struct fiber *f, struct sort_operator *self) {
    const struct plan_node *node = self->base.node;
    uint64_t limit, offset;
    bool done;
    TRY(exec__row_limit(f, &self->base, node->sort.limit, false, UINT64_MAX, &limit));
    TRY(exec__row_limit(f, &self->base, node->sort.offset, true, 0, &offset));
    self->wanted = limit <= TOP_N_MAX && offset <= TOP_N_MAX ? limit + offset : UINT64_MAX;
    TRY(take_by_many(f, self, &done));
    if (!done)
        TRY(take_input(f, self));
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
    struct sort_operator *self = (struct sort_operator *)base;
    sort_forget(f, self);
    TRY(exec__reset(f, base->left)); /* the scan looks at the threshold no more */
    if (self->lent != NULL)
        exec__threshold_clear(self->lent);
    arena_release(&self->lent_arena);
    return STATUS_OK;
}

static void sort_close(struct fiber *f, struct operator_state *base) {
    struct sort_operator *self = (struct sort_operator *)base;
    if (self->types != NULL) /* opened */
        sort_forget(f, self);
    buffer_release(&self->buffer);
    arena_release(&self->lent_arena);
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
    TRY(exec__threshold_open(execution, node, &self->lent));
    TRY(exec__node_types(execution, node, &self->types));
    return sorter_init(&self->sorter, execution, self->types, node->column_count);
}
