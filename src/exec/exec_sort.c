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
static enum status shrink(struct fiber *f, struct sort_operator *operator) {
    TRY(sort_entries_sort(f, &operator->sort));
    uint64_t count = operator->sort.count<operator->wanted ? operator->sort.count :
                                                             operator->wanted;
    struct arena rows_arena = {0}, keys_arena = {0};
    struct exec_store rows;
    struct sort_entries sort = {.arena = &keys_arena};
    enum status status = STATUS_OK;
    exec__store_init(&rows, operator->types, operator->base.node->column_count, &rows_arena);
    for (uint64_t i = 0; i < count; i++) {
        const struct sort_entry *entry = &operator->sort.entries[i];
        struct batch one = *exec__store_batch(&operator->rows, entry->row);
        uint16_t row = (uint16_t)(entry->row % VECTOR_SIZE);
        one.selection = &row;
        one.selected_count = 1;
        TRY_OUT(exec__store_append(&rows, &one));
        TRY_OUT(sort_entries_add(&sort, slice_of(entry->key, entry->key_size), (uint32_t)i));
    }
out:
    arena_release(&operator->rows_arena);
    arena_release(&operator->keys_arena);
    operator->rows_arena = rows_arena;
    operator->keys_arena = keys_arena;
    operator->rows = rows;
    operator->rows.arena = & operator->rows_arena;
    operator->sort = sort;
    operator->sort.arena = & operator->keys_arena;
    if (status == STATUS_OK && count > 0 && count == operator->wanted) {
        operator->threshold = operator->sort.entries[count - 1];
        operator->has_threshold = true;
    }
    return status;
}

static enum status take_batch(struct fiber *f, struct sort_operator *operator,
                              struct batch * input) {
    const struct plan_node *node = operator->base.node;
    const uint16_t *rows = batch_rows(input);
    uint32_t key_count = node->sort.key_count, kept = 0;
    uint16_t selection[VECTOR_SIZE];
    for (uint32_t k = 0; k < key_count; k++)
        TRY(exec__evaluate(f, operator->keys[k], input, rows, input->selected_count,
                           &operator->base.scratch, &operator->vectors[k]));
    for (uint32_t i = 0; i < input->selected_count; i++) {
        struct sort_entry entry;
        buffer_clear(&operator->buffer);
        key_encode_row(operator->columns, operator->vector_pointers, key_count, rows[i],
                       &operator->buffer);
        TRY(buffer_status(&operator->buffer));
        if (operator->has_threshold) {
            sort_entry_make(&entry, operator->buffer.data, (uint32_t) operator->buffer.size, 0);
            if (sort_entry_compare(&entry, &operator->threshold) >= 0)
                continue;
        }
        TRY(sort_entries_add(&operator->sort, buffer_slice(&operator->buffer),
                             (uint32_t)(operator->rows.row_count + kept)));
        selection[kept++] = rows[i];
    }
    struct batch chosen = *input;
    chosen.selection = selection;
    chosen.selected_count = kept;
    TRY(exec__store_append(&operator->rows, &chosen));
    TRY(exec__account(&operator->base, operator->rows.bytes + operator->keys_arena.size_total));
    if (operator->wanted != UINT64_MAX && operator->rows.row_count >= 2 * operator->wanted +
        2 * VECTOR_SIZE)
        return shrink(f, operator);
    if (operator->rows.row_count> UINT32_MAX - VECTOR_SIZE)
        return error_set(STATUS_LIMIT_EXCEEDED, "too many rows to sort");
    return STATUS_OK;
}

static enum status take_all(struct fiber *f, struct sort_operator *operator) {
    const struct plan_node *node = operator->base.node;
    uint64_t limit, offset;
    TRY(exec__row_limit(f, &operator->base, node->sort.limit, false, UINT64_MAX, &limit));
    TRY(exec__row_limit(f, &operator->base, node->sort.offset, true, 0, &offset));
    operator->wanted = limit <= TOP_N_MAX && offset <= TOP_N_MAX ? limit + offset : UINT64_MAX;
    exec__store_init(&operator->rows, operator->types, node->column_count, &operator->rows_arena);
    operator->sort =(struct sort_entries){.arena = &operator->keys_arena };
    while (operator->wanted> 0) {
        struct batch *input;
        TRY(exec__next(f, operator->base.left, &input));
        if (input == NULL)
            break;
        TRY(take_batch(f, operator, input));
        arena_reset(&operator->base.scratch);
    }
    TRY(sort_entries_sort(f, &operator->sort));
    operator->sorted = true;
    return STATUS_OK;
}

static enum status sort_next(struct fiber *f, struct operator_state *base,
                             struct batch **batch_out) {
    struct sort_operator *operator=(struct sort_operator *) base;
    if (!operator->sorted)
        TRY(take_all(f, operator));
    *batch_out = NULL;
    uint64_t left = operator->sort.count - operator->at;
    uint32_t count = left < VECTOR_SIZE ? (uint32_t)left : VECTOR_SIZE;
    if (count == 0)
        return STATUS_OK;
    batch_reset(&operator->batch);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = operator->sort.entries[operator->at + i].row;
        const struct batch *source = exec__store_batch(&operator->rows, number);
        uint16_t row = (uint16_t)(number % VECTOR_SIZE);
        for (uint32_t c = 0; c < base->node->column_count; c++)
            vector_copy(&operator->batch.vectors[c], i, &source->vectors[c], &row, 1, NULL);
    }
    operator->at += count;
    batch_set_count(&operator->batch, count);
    *batch_out = &operator->batch;
    return STATUS_OK;
}

static void sort_forget(struct sort_operator *operator) {
    arena_release(&operator->rows_arena);
    arena_release(&operator->keys_arena);
    operator->sort =(struct sort_entries){0};
    operator->sorted = operator->has_threshold = false;
    operator->at = 0;
}

static enum status sort_reset(struct fiber *f, struct operator_state *base) {
    sort_forget((struct sort_operator *)base);
    return exec__reset(f, base->left);
}

static void sort_close(struct fiber *f, struct operator_state *base) {
    struct sort_operator *operator=(struct sort_operator *) base;
    sort_forget(operator);
    buffer_release(&operator->buffer);
}

enum status exec__open_sort(struct fiber *f, struct execution *execution,
                            const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {sort_next, sort_reset, sort_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct sort_operator), &functions,
                           operator_out));
    struct sort_operator *operator=(struct sort_operator *) * operator_out;
    struct arena *arena = execution->environment.arena;
    uint32_t count = node->sort.key_count;
    operator->keys = arena_alloc(arena, (count + 1) * sizeof(struct compiled *));
    operator->columns = arena_alloc(arena, (count + 1) * sizeof *operator->columns);
    operator->vectors = arena_alloc_zeroed(arena, (count + 1) * sizeof *operator->vectors);
    operator->vector_pointers = arena_alloc(arena, (count + 1) * sizeof(struct vector *));
    if (operator->keys == NULL || operator->columns == NULL || operator->vectors == NULL ||
        operator->vector_pointers == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t k = 0; k < count; k++) {
        const struct sort_key *key = &node->sort.keys[k];
        TRY(exec__compile(operator->base.local, key->expression, &operator->keys[k]));
        TRY(sort__key_column(key->expression->type, key->descending, key->nulls_first,
                             &operator->columns[k]));
        operator->vector_pointers[k] = & operator->vectors[k];
    }
    TRY(exec__node_types(execution, node, &operator->types));
    return exec__node_batch(execution, node, &operator->batch);
}
