/*
 * Joins.
 *
 * HASH_JOIN. The right child's rows are copied into a row store with a hash for each; a directory
 * of chain heads, at least as many as rows, points to the newest row of each chain:
 *
 *     directory[hash & mask] -> row 7 -> row 3 -> end          next[row], hashes[row]
 *
 * A left batch is probed in steps: hashes of all its rows, first candidates of all, then all pairs
 * whose hashes agree are compared; pairs that survive (and pass the residual) fill the output,
 * which is a slice of the left batch beside copied rows of the right. A left row with many matches
 * is resumed where the output was full. RIGHT and FULL mark the right rows that met somebody and
 * hand out the others at the end.
 *
 * NESTED_LOOP. For each left row the slots are bound and the right child begins again; without
 * bindings the right rows are kept once and walked through.
 */
#include <string.h>

#include "exec/exec_state.h"

/* ---- what both joins share --------------------------------------------------------------- */

/* Pairs gathered for output: positions in the left batch, and the right rows as a batch. */
struct pair_batch {
    struct batch both;   /* vectors of left ++ right, pair by pair */
    struct batch output; /* chosen columns */
    uint16_t left_rows[VECTOR_SIZE];
    uint32_t count;
    uint32_t left_columns, right_columns;
};

static enum status pairs_init(struct pair_batch *pairs, struct execution *execution,
                              const struct plan_node *node) {
    struct arena *arena = execution->environment.arena;
    pairs->left_columns = node->left->column_count;
    pairs->right_columns = node->right->column_count;
    uint32_t total = pairs->left_columns + pairs->right_columns;
    pairs->both.vectors = arena_alloc_zeroed(arena, (total + 1) * sizeof(struct vector));
    pairs->output.vectors =
        arena_alloc_zeroed(arena, (node->column_count + 1) * sizeof(struct vector));
    if (pairs->both.vectors == NULL || pairs->output.vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    pairs->both.column_count = total;
    pairs->output.column_count = node->column_count;
    for (uint32_t i = 0; i < pairs->right_columns; i++)
        vector_init(&pairs->both.vectors[pairs->left_columns + i], node->right->columns[i].type,
                    arena);
    return arena_status(arena);
}

static struct vector *right_vector(struct pair_batch *pairs, uint32_t column) {
    return &pairs->both.vectors[pairs->left_columns + column];
}

static void pairs_clear(struct pair_batch *pairs) {
    pairs->count = 0;
    for (uint32_t i = 0; i < pairs->right_columns; i++)
        vector_reset(right_vector(pairs, i));
}

/* left_rows[pair] with right row `row` of `right`; NULL: a row of NULLs. */
static void pairs_add(struct pair_batch *pairs, uint32_t left_row, const struct batch *right,
                      uint16_t row) {
    pairs->left_rows[pairs->count] = (uint16_t)left_row;
    for (uint32_t i = 0; i < pairs->right_columns; i++) {
        if (right == NULL)
            vector_set_null(right_vector(pairs, i), pairs->count);
        else
            vector_copy(right_vector(pairs, i), pairs->count, &right->vectors[i], &row, 1, NULL);
    }
    pairs->count++;
}

/* The left columns as slices of the batch at hand; NULL: as rows of NULLs. */
static void pairs_attach_left(struct pair_batch *pairs, const struct plan_node *node,
                              const struct batch *left, struct arena *arena) {
    for (uint32_t i = 0; i < pairs->left_columns; i++) {
        if (left != NULL) {
            vector_slice(&pairs->both.vectors[i], &left->vectors[i], pairs->left_rows, pairs->count,
                         arena);
            continue;
        }
        struct value null = value_null(node->left->columns[i].type);
        vector_init_constant(&pairs->both.vectors[i], &null, arena);
    }
    batch_set_count(&pairs->both, pairs->count);
}

static struct batch *choose_output(struct pair_batch *pairs, const uint32_t *columns,
                                   const uint16_t *selection, uint32_t count) {
    for (uint32_t i = 0; i < pairs->output.column_count; i++)
        pairs->output.vectors[i] = pairs->both.vectors[columns[i]];
    pairs->output.row_count = pairs->both.row_count;
    pairs->output.selection = selection;
    pairs->output.selected_count = count;
    return &pairs->output;
}

/* ---- HASH_JOIN --------------------------------------------------------------------------- */

struct hash_join {
    struct operator_state base;
    struct compiled **left_keys, **right_keys, *residual;
    struct vector *left_vectors, *right_vectors;
    struct arena left_arena; /* keys of the left batch: they outlive a call */
    bool built;
    struct exec_store rows; /* right columns ++ right keys */
    struct type *row_types;
    struct arena arena;
    uint64_t *hashes;
    uint32_t *next; /* row + 1; 0 ends */
    uint32_t *directory;
    uint64_t mask;
    uint8_t *met;       /* RIGHT, FULL: right rows that found a partner */
    struct batch *left; /* probing */
    struct batch left_copy;
    uint64_t left_hashes[VECTOR_SIZE];
    uint32_t at;        /* next left row of the selection */
    uint32_t candidate; /* where its chain goes on; row + 1 */
    bool resuming;
    uint8_t *left_met; /* rows of the left batch that found a partner */
    bool draining;     /* handing out right rows without partner */
    uint64_t drain_at;
    struct pair_batch pairs;
    uint32_t pair_right[VECTOR_SIZE];
    uint16_t selection[VECTOR_SIZE];
};

static enum status hash_keys(struct fiber *f, struct hash_join *join, struct compiled **keys,
                             struct vector *vectors, const struct batch *batch, struct arena *arena,
                             uint64_t *hashes) {
    for (uint32_t k = 0; k < join->base.node->hash_join.key_count; k++) {
        TRY(exec__evaluate(f, keys[k], batch, batch_rows(batch), batch->selected_count, arena,
                           &vectors[k]));
        vector_hash(&vectors[k], batch_rows(batch), batch->selected_count, k > 0, hashes);
    }
    return STATUS_OK;
}

static bool has_null_key(const struct hash_join *join, const struct vector *vectors, uint32_t row) {
    for (uint32_t k = 0; k < join->base.node->hash_join.key_count; k++)
        if (vector_is_null(&vectors[k], row))
            return true;
    return false;
}

static enum status grow_hashes(struct hash_join *join, uint64_t *capacity, uint64_t count) {
    if (count <= *capacity)
        return STATUS_OK;
    uint64_t grown_capacity = *capacity == 0 ? 4 * VECTOR_SIZE : *capacity * 2;
    uint64_t *grown = arena_alloc(&join->arena, grown_capacity * sizeof *grown);
    if (grown == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (*capacity > 0)
        memcpy(grown, join->hashes, *capacity * sizeof *grown);
    join->hashes = grown;
    *capacity = grown_capacity;
    return STATUS_OK;
}

static enum status build_batch(struct fiber *f, struct hash_join *join, const struct batch *input,
                               uint64_t *capacity) {
    const struct plan_node *node = join->base.node;
    uint32_t columns = node->right->column_count, keys = node->hash_join.key_count, kept = 0;
    bool keep_nulls = node->hash_join.kind == JOIN_RIGHT || node->hash_join.kind == JOIN_FULL;
    uint64_t hashes[VECTOR_SIZE];
    uint16_t selection[VECTOR_SIZE];
    TRY(hash_keys(f, join, join->right_keys, join->right_vectors, input, &join->base.scratch,
                  hashes));
    TRY(grow_hashes(join, capacity, join->rows.row_count + input->selected_count));
    for (uint32_t i = 0; i < input->selected_count; i++) {
        uint32_t row = batch_row(input, i);
        if (has_null_key(join, join->right_vectors, row) && !keep_nulls)
            continue;
        join->hashes[join->rows.row_count + kept] = hashes[i];
        selection[kept++] = (uint16_t)row;
    }
    struct vector *all = arena_alloc(&join->base.scratch, (columns + keys) * sizeof *all);
    if (all == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memcpy(all, input->vectors, columns * sizeof *all);
    memcpy(all + columns, join->right_vectors, keys * sizeof *all);
    struct batch with_keys = {.vectors = all,
                              .column_count = columns + keys,
                              .row_count = input->row_count,
                              .selection = selection,
                              .selected_count = kept};
    TRY(exec__store_append(&join->rows, &with_keys));
    return exec__account(&join->base, join->arena.size_total);
}

static enum status build(struct fiber *f, struct hash_join *join) {
    const struct plan_node *node = join->base.node;
    uint64_t capacity = 0;
    exec__store_init(&join->rows, join->row_types,
                     node->right->column_count + node->hash_join.key_count, &join->arena);
    for (;;) {
        struct batch *input;
        TRY(exec__next(f, join->base.right, &input));
        if (input == NULL)
            break;
        TRY(build_batch(f, join, input, &capacity));
        arena_reset(&join->base.scratch);
    }
    uint64_t count = join->rows.row_count, size = 64;
    if (count >= UINT32_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "too many rows on one side of a hash join");
    while (size < count * 2)
        size *= 2;
    join->mask = size - 1;
    join->directory = arena_alloc_zeroed(&join->arena, size * sizeof *join->directory);
    join->next = arena_alloc(&join->arena, (count + 1) * sizeof *join->next);
    join->met = arena_alloc_zeroed(&join->arena, count + 1);
    if (join->directory == NULL || join->next == NULL || join->met == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(exec__account(&join->base, join->arena.size_total));
    for (uint64_t row = count; row-- > 0;) { /* backwards: chains come out in input order */
        uint32_t *head = &join->directory[join->hashes[row] & join->mask];
        join->next[row] = *head;
        *head = (uint32_t)row + 1;
        if ((row & 4095) == 0)
            TRY(fiber_check(f));
    }
    join->built = true;
    return STATUS_OK;
}

static bool keys_equal(const struct hash_join *join, uint32_t left_row, uint32_t right) {
    const struct plan_node *node = join->base.node;
    const struct batch *stored = exec__store_batch(&join->rows, right);
    for (uint32_t k = 0; k < node->hash_join.key_count; k++) {
        const struct vector *a = &join->left_vectors[k];
        const struct vector *b = &stored->vectors[node->right->column_count + k];
        uint32_t row = right % VECTOR_SIZE;
        switch ((enum physical)a->physical) {
        case PHYSICAL_INT32:
            if (vector_is_null(b, row) ||
                ((const int32_t *)a->data)[vector_position(a, left_row)] !=
                    ((const int32_t *)b->data)[row])
                return false;
            break;
        case PHYSICAL_INT64:
            if (vector_is_null(b, row) ||
                ((const int64_t *)a->data)[vector_position(a, left_row)] !=
                    ((const int64_t *)b->data)[row])
                return false;
            break;
        default:
            if (vector_is_null(b, row) || !vector_equal(a, left_row, b, row))
                return false;
        }
    }
    return true;
}

static bool is_left_only(enum join_kind kind) {
    return kind == JOIN_SEMI || kind == JOIN_ANTI;
}

/* Gather pairs from the left batch until the output is full or the batch is done. */
static void gather_pairs(struct hash_join *join) {
    pairs_clear(&join->pairs);
    while (join->at < join->left->selected_count && join->pairs.count < VECTOR_SIZE) {
        uint32_t row = batch_row(join->left, join->at);
        if (!join->resuming) {
            join->candidate = has_null_key(join, join->left_vectors, row)
                                  ? 0
                                  : join->directory[join->left_hashes[join->at] & join->mask];
            join->resuming = true;
        }
        while (join->candidate != 0 && join->pairs.count < VECTOR_SIZE) {
            uint32_t right = join->candidate - 1;
            join->candidate = join->next[right];
            if (join->hashes[right] != join->left_hashes[join->at] || !keys_equal(join, row, right))
                continue;
            join->pair_right[join->pairs.count] = right;
            join->pairs.left_rows[join->pairs.count++] = (uint16_t)row;
            /* Without residual the first match decides a SEMI or ANTI row, and a unique right side
               has no second one. */
            if (join->residual == NULL && (is_left_only(join->base.node->hash_join.kind) ||
                                           join->base.node->hash_join.right_unique))
                join->candidate = 0;
        }
        if (join->candidate == 0) {
            join->at++;
            join->resuming = false;
        }
    }
}

/* Copy the right columns of the gathered pairs, runs of one column at a time. */
static void fetch_right(struct hash_join *join) {
    struct pair_batch *pairs = &join->pairs;
    for (uint32_t c = 0; c < pairs->right_columns; c++) {
        struct vector *target = right_vector(pairs, c);
        size_t size = physical_size((enum physical)target->physical);
        uint8_t *data = target->data;
        for (uint32_t i = 0; i < pairs->count; i++) {
            const struct vector *source =
                &exec__store_batch(&join->rows, join->pair_right[i])->vectors[c];
            uint32_t row = join->pair_right[i] % VECTOR_SIZE;
            if (!validity_get(source->validity, row)) {
                vector_set_null(target, i);
                continue;
            }
            const uint8_t *from = (const uint8_t *)source->data + row * size;
            if (size == 8)
                memcpy(data + i * 8, from, 8);
            else if (size == 4)
                memcpy(data + i * 4, from, 4);
            else if (size == 16)
                memcpy(data + i * 16, from, 16);
            else
                memcpy(data + i * size, from, size);
        }
    }
}

/* Pairs that pass the residual into join->selection. */
static enum status filter_pairs(struct fiber *f, struct hash_join *join, uint32_t *count_out) {
    struct pair_batch *pairs = &join->pairs;
    fetch_right(join);
    pairs_attach_left(pairs, join->base.node, join->left, &join->base.scratch);
    *count_out = pairs->count;
    memcpy(join->selection, vector_identity, pairs->count * sizeof *join->selection);
    if (join->residual != NULL && pairs->count > 0)
        TRY(exec__select(f, join->residual, &pairs->both, vector_identity, pairs->count,
                         &join->base.scratch, join->selection, count_out));
    return STATUS_OK;
}

/* The left batch is done: rows of it that met nobody (or, for SEMI, somebody). */
static struct batch *left_remainder(struct hash_join *join, bool met_wanted) {
    const struct plan_node *node = join->base.node;
    struct pair_batch *pairs = &join->pairs;
    uint32_t count = 0;
    if (is_left_only(node->hash_join.kind)) {
        for (uint32_t i = 0; i < join->left->selected_count; i++) {
            uint32_t row = batch_row(join->left, i);
            join->selection[count] = (uint16_t)row;
            count += (join->left_met[row] != 0) == met_wanted;
        }
        if (count == 0)
            return NULL;
        for (uint32_t i = 0; i < node->column_count; i++)
            pairs->output.vectors[i] = join->left->vectors[node->hash_join.output[i]];
        pairs->output.row_count = join->left->row_count;
        pairs->output.selection = join->selection;
        pairs->output.selected_count = count;
        return &pairs->output;
    }
    pairs_clear(pairs);
    for (uint32_t i = 0; i < join->left->selected_count; i++) {
        uint32_t row = batch_row(join->left, i);
        if (!join->left_met[row])
            pairs_add(pairs, row, NULL, 0);
    }
    if (pairs->count == 0)
        return NULL;
    pairs_attach_left(pairs, node, join->left, &join->base.scratch);
    return choose_output(pairs, node->hash_join.output, NULL, pairs->count);
}

/* RIGHT and FULL: right rows that met nobody. */
static struct batch *drain(struct hash_join *join) {
    const struct plan_node *node = join->base.node;
    struct pair_batch *pairs = &join->pairs;
    pairs_clear(pairs);
    while (join->drain_at < join->rows.row_count && pairs->count < VECTOR_SIZE) {
        uint64_t row = join->drain_at++;
        if (!join->met[row])
            pairs_add(pairs, 0, exec__store_batch(&join->rows, row), (uint16_t)(row % VECTOR_SIZE));
    }
    if (pairs->count == 0)
        return NULL;
    pairs_attach_left(pairs, node, NULL, &join->base.scratch);
    return choose_output(pairs, node->hash_join.output, NULL, pairs->count);
}

static enum status next_left(struct fiber *f, struct hash_join *join) {
    TRY(exec__next(f, join->base.left, &join->left));
    join->at = 0;
    join->resuming = false;
    if (join->left == NULL) {
        join->draining = true;
        return STATUS_OK;
    }
    memset(join->left_met, 0, join->left->row_count);
    arena_reset(&join->left_arena);
    return hash_keys(f, join, join->left_keys, join->left_vectors, join->left, &join->left_arena,
                     join->left_hashes);
}

static enum status hash_join_next(struct fiber *f, struct operator_state *base,
                                  struct batch **batch_out) {
    struct hash_join *join = (struct hash_join *)base;
    enum join_kind kind = base->node->hash_join.kind;
    bool outer_left = kind == JOIN_LEFT || kind == JOIN_FULL;
    *batch_out = NULL;
    if (!join->built)
        TRY(build(f, join));
    /* Nothing on the right: an inner or semi join is over before it began. */
    if (join->rows.row_count == 0 &&
        (kind == JOIN_INNER || kind == JOIN_SEMI || kind == JOIN_RIGHT))
        return STATUS_OK;
    for (;;) {
        if (join->draining) {
            if (kind == JOIN_RIGHT || kind == JOIN_FULL)
                *batch_out = drain(join);
            return STATUS_OK;
        }
        if (join->left == NULL) {
            TRY(next_left(f, join));
            continue;
        }
        if (join->at < join->left->selected_count) {
            uint32_t count;
            gather_pairs(join);
            if (is_left_only(kind) && join->residual == NULL) {
                for (uint32_t i = 0; i < join->pairs.count; i++)
                    join->left_met[join->pairs.left_rows[i]] = 1;
                continue;
            }
            TRY(filter_pairs(f, join, &count));
            for (uint32_t i = 0; i < count; i++) {
                join->left_met[join->pairs.left_rows[join->selection[i]]] = 1;
                join->met[join->pair_right[join->selection[i]]] = 1;
            }
            TRY(fiber_check(f));
            if (count == 0 || is_left_only(kind))
                continue;
            *batch_out =
                choose_output(&join->pairs, base->node->hash_join.output, join->selection, count);
            return STATUS_OK;
        }
        struct batch *rest =
            outer_left || is_left_only(kind) ? left_remainder(join, kind == JOIN_SEMI) : NULL;
        if (rest != NULL) {
            /* The output points into the left batch: it stays until the next call. */
            join->at = UINT32_MAX;
            join->left_copy = *join->left;
            join->left_copy.selected_count = 0;
            join->left = &join->left_copy;
            *batch_out = rest;
            return STATUS_OK;
        }
        join->left = NULL;
    }
}

static enum status hash_join_reset(struct fiber *f, struct operator_state *base) {
    struct hash_join *join = (struct hash_join *)base;
    arena_release(&join->arena);
    join->built = join->draining = join->resuming = false;
    join->left = NULL;
    join->drain_at = 0;
    TRY(exec__reset(f, base->left));
    return exec__reset(f, base->right);
}

static void hash_join_close(struct fiber *f, struct operator_state *base) {
    arena_release(&((struct hash_join *)base)->arena);
    arena_release(&((struct hash_join *)base)->left_arena);
}

enum status exec__open_hash_join(struct fiber *f, struct execution *execution,
                                 const struct plan_node *node,
                                 struct operator_state **operator_out) {
    static const struct operator_functions functions = {hash_join_next, hash_join_reset,
                                                        hash_join_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct hash_join), &functions, operator_out));
    struct hash_join *join = (struct hash_join *)*operator_out;
    struct arena *arena = execution->environment.arena;
    uint32_t keys = node->hash_join.key_count, columns = node->right->column_count;
    join->left_keys = arena_alloc(arena, (keys + 1) * sizeof(struct compiled *));
    join->right_keys = arena_alloc(arena, (keys + 1) * sizeof(struct compiled *));
    join->left_vectors = arena_alloc_zeroed(arena, (keys + 1) * sizeof(struct vector));
    join->right_vectors = arena_alloc_zeroed(arena, (keys + 1) * sizeof(struct vector));
    join->row_types = arena_alloc(arena, (columns + keys + 1) * sizeof(struct type));
    join->left_met = arena_alloc_zeroed(arena, VECTOR_SIZE);
    if (join->left_keys == NULL || join->right_keys == NULL || join->left_vectors == NULL ||
        join->right_vectors == NULL || join->row_types == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < columns; i++)
        join->row_types[i] = node->right->columns[i].type;
    for (uint32_t k = 0; k < keys; k++) {
        TRY(exec__compile(join->base.local, node->hash_join.left_keys[k], &join->left_keys[k]));
        TRY(exec__compile(join->base.local, node->hash_join.right_keys[k], &join->right_keys[k]));
        join->row_types[columns + k] = node->hash_join.right_keys[k]->type;
    }
    if (node->hash_join.residual != NULL)
        TRY(exec__compile(join->base.local, node->hash_join.residual, &join->residual));
    return pairs_init(&join->pairs, execution, node);
}

/* ---- NESTED_LOOP ------------------------------------------------------------------------- */

struct nested_loop {
    struct operator_state base;
    struct compiled *residual;
    struct batch *left;
    uint32_t at; /* left row in hand: at - 1 */
    bool in_row, met;
    struct batch *right; /* at hand for this left row */
    bool keeps;          /* right rows are kept */
    bool kept;
    struct exec_store rows;
    struct type *row_types;
    struct arena arena;
    uint32_t kept_at;
    struct arena slots_arena; /* of the left row at hand */
    struct batch both, output;
    struct vector *left_vectors; /* the left row as constants */
    uint16_t selection[VECTOR_SIZE];
};

static enum status keep_right(struct fiber *f, struct nested_loop *loop) {
    exec__store_init(&loop->rows, loop->row_types, loop->base.node->right->column_count,
                     &loop->arena);
    for (;;) {
        struct batch *batch;
        TRY(exec__next(f, loop->base.right, &batch));
        if (batch == NULL)
            break;
        TRY(exec__store_append(&loop->rows, batch));
        TRY(exec__account(&loop->base, loop->rows.bytes));
    }
    loop->kept = true;
    return STATUS_OK;
}

static enum status next_right(struct fiber *f, struct nested_loop *loop) {
    if (!loop->keeps)
        return exec__next(f, loop->base.right, &loop->right);
    loop->right =
        loop->kept_at < loop->rows.batch_count ? loop->rows.batches[loop->kept_at++] : NULL;
    return STATUS_OK;
}

/* A column of the left row as a constant: the same data, pointed at its row. */
static void one_row(struct vector *single, const struct vector *source, uint32_t row,
                    struct arena *arena) {
    uint32_t at = vector_position(source, row);
    size_t size = physical_size((enum physical)source->physical);
    *single = *source;
    single->kind = VECTOR_CONSTANT;
    single->indices = NULL;
    single->data = (uint8_t *)source->data + at * size;
    single->validity = NULL;
    if (!validity_get(source->validity, at))
        single->validity = arena_alloc_zeroed(arena, sizeof(uint64_t));
}

static enum status begin_row(struct fiber *f, struct nested_loop *loop) {
    const struct plan_node *node = loop->base.node;
    uint32_t row = batch_row(loop->left, loop->at++);
    struct row_input input = {.batch = loop->left, .row = row};
    loop->in_row = true;
    loop->met = false;
    loop->kept_at = 0;
    arena_reset(&loop->slots_arena);
    for (uint32_t i = 0; i < node->left->column_count; i++)
        one_row(&loop->both.vectors[i], &loop->left->vectors[i], row, &loop->slots_arena);
    if (loop->keeps)
        return STATUS_OK;
    TRY(exec__bind(f, loop->base.local, node->nested_loop.bindings, node->nested_loop.binding_count,
                   &input, &loop->slots_arena));
    return exec__reset(f, loop->base.right);
}

static struct batch *emit(struct nested_loop *loop, const uint16_t *selection, uint32_t row_count,
                          uint32_t count) {
    const struct plan_node *node = loop->base.node;
    for (uint32_t i = 0; i < node->column_count; i++)
        loop->output.vectors[i] = loop->both.vectors[node->nested_loop.output[i]];
    loop->output.row_count = row_count;
    loop->output.selection = selection;
    loop->output.selected_count = count;
    return &loop->output;
}

/* The left row alone, right side NULL. */
static struct batch *emit_left(struct nested_loop *loop) {
    const struct plan_node *node = loop->base.node;
    for (uint32_t i = 0; i < node->right->column_count; i++) {
        struct value null = value_null(node->right->columns[i].type);
        vector_init_constant(&loop->both.vectors[node->left->column_count + i], &null,
                             &loop->base.scratch);
    }
    return emit(loop, NULL, 1, 1);
}

/* One batch of the right child joined with the left row; NULL output: go on. */
static enum status join_right(struct fiber *f, struct nested_loop *loop, struct batch **batch_out) {
    const struct plan_node *node = loop->base.node;
    uint32_t left_columns = node->left->column_count, count = loop->right->selected_count;
    const uint16_t *selection = loop->right->selection;
    memcpy(loop->both.vectors + left_columns, loop->right->vectors,
           node->right->column_count * sizeof(struct vector));
    loop->both.row_count = loop->right->row_count;
    if (loop->residual != NULL) {
        TRY(exec__select(f, loop->residual, &loop->both, batch_rows(loop->right), count,
                         &loop->base.scratch, loop->selection, &count));
        selection = loop->selection;
    }
    if (count == 0)
        return STATUS_OK;
    loop->met = true;
    if (node->nested_loop.kind == JOIN_ANTI)
        loop->in_row = false;
    else if (node->nested_loop.kind == JOIN_SEMI) {
        loop->in_row = false;
        *batch_out = emit_left(loop);
    } else {
        *batch_out = emit(loop, selection, loop->right->row_count, count);
    }
    return STATUS_OK;
}

static enum status nested_loop_next(struct fiber *f, struct operator_state *base,
                                    struct batch **batch_out) {
    struct nested_loop *loop = (struct nested_loop *)base;
    enum join_kind kind = base->node->nested_loop.kind;
    *batch_out = NULL;
    if (loop->keeps && !loop->kept)
        TRY(keep_right(f, loop));
    for (;;) {
        if (!loop->in_row) {
            if (loop->left == NULL || loop->at == loop->left->selected_count) {
                TRY(exec__next(f, base->left, &loop->left));
                loop->at = 0;
                if (loop->left == NULL)
                    return STATUS_OK;
            }
            TRY(begin_row(f, loop));
        }
        TRY(fiber_check(f));
        TRY(next_right(f, loop));
        if (loop->right != NULL) {
            TRY(join_right(f, loop, batch_out));
        } else {
            loop->in_row = false;
            if (!loop->met && (kind == JOIN_LEFT || kind == JOIN_ANTI))
                *batch_out = emit_left(loop);
        }
        if (*batch_out != NULL)
            return STATUS_OK;
    }
}

static enum status nested_loop_reset(struct fiber *f, struct operator_state *base) {
    struct nested_loop *loop = (struct nested_loop *)base;
    loop->left = NULL;
    loop->in_row = false;
    if (loop->keeps) {
        arena_release(&loop->arena);
        loop->kept = false;
        TRY(exec__reset(f, base->right));
    }
    return exec__reset(f, base->left);
}

static void nested_loop_close(struct fiber *f, struct operator_state *base) {
    arena_release(&((struct nested_loop *)base)->arena);
    arena_release(&((struct nested_loop *)base)->slots_arena);
}

enum status exec__open_nested_loop(struct fiber *f, struct execution *execution,
                                   const struct plan_node *node,
                                   struct operator_state **operator_out) {
    static const struct operator_functions functions = {nested_loop_next, nested_loop_reset,
                                                        nested_loop_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct nested_loop), &functions,
                           operator_out));
    struct nested_loop *loop = (struct nested_loop *)*operator_out;
    struct arena *arena = execution->environment.arena;
    uint32_t total = node->left->column_count + node->right->column_count;
    loop->keeps = node->nested_loop.binding_count == 0;
    loop->both.vectors = arena_alloc_zeroed(arena, (total + 1) * sizeof(struct vector));
    loop->output.vectors =
        arena_alloc_zeroed(arena, (node->column_count + 1) * sizeof(struct vector));
    if (loop->both.vectors == NULL || loop->output.vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    loop->both.column_count = total;
    loop->output.column_count = node->column_count;
    TRY(exec__node_types(execution, node->right, &loop->row_types));
    return node->nested_loop.residual == NULL
               ? STATUS_OK
               : exec__compile(loop->base.local, node->nested_loop.residual, &loop->residual);
}
