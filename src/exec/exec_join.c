/*
 * HASH_JOIN, the probe side.
 *
 * A left batch is looked at in rounds. A round gives every row that has candidates its next
 * partner, so the first round, which is often the last, needs no copy of the left side: its output
 * is the left batch with a selection, the right columns written beside it at the same row numbers.
 * Later rounds gather pairs, several partners of one row among them, and slice the left batch.
 * RIGHT and FULL mark the tuples that met somebody and hand out the others at the end; RIGHT_SEMI
 * and RIGHT_ANTI do nothing but mark, and then hand out those that did or did not.
 */
#include "exec/exec_join.h"

#include <string.h>

/* ---- candidates ---------------------------------------------------------------------------- */

/* Directory larger than this many slots: fetch ahead. */
enum { SLOTS_IN_CACHE = 4096 };

/* First candidates of all rows of the left batch. */
static void find_candidates(struct hash_join *join) {
    const struct join_table *table = &join->shared->table;
    uint32_t count = join->left->selected_count, kept = 0, shift = table->shift;
    const uint64_t *directory = table->directory;
    if (64 - shift > 12)
        for (uint32_t i = 0; i < count; i++)
            __builtin_prefetch(&directory[join->hashes[i] >> shift]);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = join->hashes[i], slot = directory[hash >> shift], tag = join_tag(hash);
        uint8_t *tuple = (uint8_t *)(uintptr_t)(slot & JOIN_POINTER_MASK);
        join->candidates[i] = tuple;
        join->active[kept] = (uint16_t)i;
        kept += (slot & tag) == tag;
    }
    if (table->count > SLOTS_IN_CACHE)
        for (uint32_t i = 0; i < kept; i++)
            __builtin_prefetch(join->candidates[join->active[i]]);
    join->active_count = kept;
}

/* A row with a NULL among its keys has none. */
static void drop_null_keys(struct hash_join *join) {
    const struct plan_node *node = join->base.node;
    const uint16_t *rows = batch_rows(join->left);
    for (uint32_t k = 0; k < node->join.key_count; k++) {
        const struct vector *vector = &join->left_vectors[k];
        uint32_t kept = 0;
        if (vector->validity == NULL)
            continue;
        for (uint32_t i = 0; i < join->active_count; i++) {
            uint16_t at = join->active[i];
            join->active[kept] = at;
            kept += !vector_is_null(vector, rows[at]);
        }
        join->active_count = kept;
    }
}

static inline bool one_whole_number(const struct hash_join *join) {
    return join->base.node->join.key_count == 1 &&
           join->layout.columns[0].physical <= PHYSICAL_INT64;
}

/* Of open[0..count): those whose candidate is a partner stay, in order; the others move on to their
   next candidate, and into missed[] if they have one. */
static uint32_t match(struct hash_join *join, uint16_t *open, uint32_t count, uint16_t *missed,
                      uint32_t *missed_count) {
    const uint16_t *rows = batch_rows(join->left);
    uint32_t differs = 0, moved = 0;
    if (!one_whole_number(join)) { /* the hash says most of it, for less */
        uint32_t kept = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint16_t at = open[i];
            bool same = join_tuple(join->candidates[at])->hash == join->hashes[at];
            open[kept] = at;
            kept += same;
            missed[differs] = at;
            differs += !same;
        }
        count = kept;
    }
    for (uint32_t k = 0; k < join->base.node->join.key_count; k++)
        count = exec__tuple_match(&join->layout.columns[k], &join->left_vectors[k], false, rows,
                                  join->candidates, open, count, missed, &differs);
    for (uint32_t i = 0; i < differs; i++) {
        uint16_t at = missed[i];
        uint8_t *next = join_tuple(join->candidates[at])->next;
        join->candidates[at] = next;
        missed[moved] = at;
        moved += next != NULL;
    }
    *missed_count = moved;
    return count;
}

/* Keep of active[] the positions that found a partner, in order. */
static uint32_t collect_hits(struct hash_join *join, const uint8_t *hit) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < join->active_count; i++) {
        uint16_t at = join->active[i];
        join->active[count] = at;
        count += hit[at];
    }
    return count;
}

/* Every active row's next partner: appended to the pairs, in row order. Afterwards active[] holds
   the rows that may have more. */
static NOINLINE void round_of_partners(struct hash_join *join) {
    uint16_t open[VECTOR_SIZE], missed[VECTOR_SIZE];
    uint8_t hit[VECTOR_SIZE];
    uint32_t missed_count, hits;
    const uint16_t *rows = batch_rows(join->left);
    memcpy(open, join->active, join->active_count * sizeof *open);
    hits = match(join, open, join->active_count, missed, &missed_count);
    if (missed_count == 0) {
        memcpy(join->active, open, hits * sizeof *open);
    } else {
        for (uint32_t i = 0; i < join->active_count; i++)
            hit[join->active[i]] = 0;
        for (;;) {
            for (uint32_t i = 0; i < hits; i++)
                hit[open[i]] = 1;
            if (missed_count == 0)
                break;
            memcpy(open, missed, missed_count * sizeof *open);
            hits = match(join, open, missed_count, missed, &missed_count);
        }
        hits = collect_hits(join, hit);
    }
    uint32_t more = 0;
    for (uint32_t i = 0; i < hits; i++) {
        uint16_t at = join->active[i];
        uint8_t *tuple = join->candidates[at];
        join->pair_rows[join->pair_count] = rows[at];
        join->pair_tuples[join->pair_count++] = tuple;
        join->candidates[at] = join_tuple(tuple)->next;
        join->active[more] = at;
        more += join->candidates[at] != NULL;
    }
    join->active_count = more;
}

/* ---- the left side ------------------------------------------------------------------------- */

/* Makes room for the next left batch: *more_out false when all is read. */
static enum status next_left(struct fiber *f, struct hash_join *join, bool *more_out) {
    join->left = NULL;
    *more_out = false;
    if (join->shared->spilled) {
        if (join->part != NULL)
            TRY(exec__spill_next(f, &join->reader, &join->left));
    } else {
        TRY(exec__next(f, join->base.left, &join->left));
    }
    if (join->left == NULL)
        return STATUS_OK;
    *more_out = true;
    join->first_round = true;
    join->pair_count = 0;
    memset(join->left_met, 0, join->left->row_count);
    arena_reset(&join->left_arena);
    TRY(exec__join_hash_keys(f, join, join->left_keys, join->left_vectors, join->left,
                             &join->left_arena, join->hashes));
    find_candidates(join);
    drop_null_keys(join);
    return STATUS_OK;
}

/* ---- output -------------------------------------------------------------------------------- */

static struct vector *right_vector(struct hash_join *join, uint32_t column) {
    return &join->both.vectors[join->base.node->left->column_count + column];
}

static void left_as_it_is(struct hash_join *join) {
    memcpy(join->both.vectors, join->left->vectors,
           join->base.node->left->column_count * sizeof(struct vector));
    join->both.row_count = join->left->row_count;
}

static void left_as_slices(struct hash_join *join) {
    for (uint32_t i = 0; i < join->base.node->left->column_count; i++)
        vector_slice(&join->both.vectors[i], &join->left->vectors[i], join->pair_rows,
                     join->pair_count, &join->base.scratch);
    join->both.row_count = join->pair_count;
}

static void left_as_nulls(struct hash_join *join, uint32_t count) {
    const struct plan_node *left = join->base.node->left;
    for (uint32_t i = 0; i < left->column_count; i++) {
        struct value null = value_null(left->columns[i].type);
        vector_init_constant(&join->both.vectors[i], &null, &join->base.scratch);
    }
    join->both.row_count = count;
}

/* Right columns of the pairs, at rows[i]. */
static void fetch_right(struct hash_join *join, const uint16_t *rows) {
    for (uint32_t i = 0; i < join->base.node->right->column_count; i++) {
        struct vector *target = right_vector(join, i);
        if (join->place[i] < 0)
            continue;
        vector_reset(target);
        exec__tuple_gather(&join->layout.columns[join->place[i]], join->pair_tuples, rows,
                           join->pair_count, target);
    }
}

static void right_as_nulls(struct hash_join *join) {
    const struct plan_node *right = join->base.node->right;
    for (uint32_t i = 0; i < right->column_count; i++) {
        struct vector *vector = right_vector(join, i);
        if (join->place[i] < 0)
            continue;
        vector_reset(vector);
        memset(vector_validity_begin(vector), 0, VALIDITY_WORDS * sizeof(uint64_t));
        memset(vector->data, 0,
               physical_size((enum physical)vector->physical) * join->left->row_count);
    }
}

static struct batch *put_out(struct hash_join *join, const uint16_t *selection, uint32_t count) {
    return exec__put_joined(&join->output, &join->both, join->base.node->join.output,
                            join->both.row_count, selection, count);
}

/* ---- pairs --------------------------------------------------------------------------------- */

/* Other cores may mark it, too. */
static inline void mark_met(uint8_t *tuple) {
    uint8_t *met = &join_tuple(tuple)->met;
    if (__atomic_load_n(met, __ATOMIC_RELAXED) == 0)
        __atomic_store_n(met, 1, __ATOMIC_RELAXED);
}

/* The pairs that pass the residual, as rows of `both`, into selection[]; they are marked as met.
   Pair i is row rows[i]. */
static enum status pass_pairs(struct fiber *f, struct hash_join *join, const uint16_t *rows,
                              uint32_t *count_out) {
    uint32_t count = join->pair_count;
    if (join->residual == NULL)
        memcpy(join->selection, rows, count * sizeof *rows);
    else
        TRY(exec__select(f, join->residual, &join->both, rows, count, &join->base.scratch,
                         join->selection, &count));
    *count_out = count;
    if (join->base.node->join.kind == JOIN_INNER)
        return STATUS_OK;
    bool keeps_right = join_keeps_right(join->base.node->join.kind);
    for (uint32_t i = 0, at = 0; i < count; i++, at++) {
        while (rows[at] != join->selection[i])
            at++;
        join->left_met[join->pair_rows[at]] = 1;
        if (keeps_right)
            mark_met(join->pair_tuples[at]);
    }
    return STATUS_OK;
}

/* SEMI and ANTI: rows that have met somebody need no more partners. */
static void drop_met(struct hash_join *join) {
    const uint16_t *rows = batch_rows(join->left);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < join->active_count; i++) {
        uint16_t at = join->active[i];
        join->active[kept] = at;
        kept += !join->left_met[rows[at]];
    }
    join->active_count = kept;
}

/* LEFT and FULL after the only round: rows without partner go out in the same batch. */
static struct batch *complete_left(struct hash_join *join) {
    const uint16_t *rows = batch_rows(join->left);
    uint32_t count = join->left->selected_count;
    for (uint32_t i = 0; i < count; i++) {
        if (join->left_met[rows[i]])
            continue;
        for (uint32_t c = 0; c < join->base.node->right->column_count; c++)
            if (join->place[c] >= 0)
                vector_set_null(right_vector(join, c), rows[i]);
        join->left_met[rows[i]] = 1;
    }
    return put_out(join, join->left->selection, count);
}

/* Somebody reads the columns of pairs. */
static bool needs_pairs(const struct hash_join *join) {
    enum join_kind kind = join->base.node->join.kind;
    return join->residual != NULL || (!join_is_left_only(kind) && !join_is_right_only(kind));
}

static enum status first_round(struct fiber *f, struct hash_join *join, struct batch **batch_out) {
    const struct plan_node *node = join->base.node;
    enum join_kind kind = node->join.kind;
    bool single = join->residual == NULL && (join_is_left_only(kind) || node->join.right_unique);
    uint32_t count;
    round_of_partners(join);
    join->first_round = false;
    if (single || node->join.right_unique)
        join->active_count = 0;
    if (needs_pairs(join)) {
        left_as_it_is(join);
        fetch_right(join, join->pair_rows);
    }
    TRY(pass_pairs(f, join, join->pair_rows, &count));
    join->pair_count = 0;
    if (join_is_left_only(kind))
        drop_met(join);
    else if (join_is_right_only(kind))
        return STATUS_OK;
    else if (join->active_count == 0 && (kind == JOIN_LEFT || kind == JOIN_FULL))
        *batch_out = complete_left(join);
    else if (count > 0)
        *batch_out = put_out(join, join->selection, count);
    return STATUS_OK;
}

static enum status later_rounds(struct fiber *f, struct hash_join *join, struct batch **batch_out) {
    uint32_t count;
    while (join->active_count > 0 && join->pair_count + join->active_count <= VECTOR_SIZE) {
        round_of_partners(join);
        TRY(fiber_check(f));
    }
    if (needs_pairs(join)) {
        left_as_slices(join);
        fetch_right(join, vector_identity);
    }
    TRY(pass_pairs(f, join, vector_identity, &count));
    join->pair_count = 0;
    if (join_is_left_only(join->base.node->join.kind))
        drop_met(join);
    else if (count > 0 && !join_is_right_only(join->base.node->join.kind))
        *batch_out = put_out(join, join->selection, count);
    return STATUS_OK;
}

/* After all partners: what the kind says about rows with and without one. The batch is done. */
static struct batch *left_over(struct hash_join *join) {
    enum join_kind kind = join->base.node->join.kind;
    const uint16_t *rows = batch_rows(join->left);
    uint32_t count = 0;
    if (kind == JOIN_INNER || kind == JOIN_RIGHT || join_is_right_only(kind))
        return NULL;
    for (uint32_t i = 0; i < join->left->selected_count; i++) {
        uint16_t row = rows[i];
        join->selection[count] = row;
        count += join->left_met[row] == (kind == JOIN_SEMI);
    }
    if (count == 0)
        return NULL;
    left_as_it_is(join);
    if (!join_is_left_only(kind))
        right_as_nulls(join);
    return put_out(join, join->selection, count);
}

/* RIGHT, FULL, RIGHT_ANTI: right rows that met nobody. RIGHT_SEMI: those that met somebody. */
static enum status drain(struct fiber *f, struct hash_join *join, struct batch **batch_out) {
    const struct join_table *table = &join->shared->table;
    uint8_t wanted = join->base.node->join.kind == JOIN_RIGHT_SEMI;
    join->pair_count = 0;
    while (join->drain_store < table->store_count && join->pair_count < VECTOR_SIZE) {
        const struct tuple_store *store = &table->stores[join->drain_store];
        const struct tuple_chunk *chunk = join->drain_chunk;
        if (chunk == NULL && join->drain_at == 0)
            chunk = join->drain_chunk = store->first;
        if (chunk == NULL) {
            join->drain_store++;
            join->drain_at = 0;
            continue;
        }
        while (join->drain_at < chunk->count && join->pair_count < VECTOR_SIZE) {
            uint8_t *tuple = tuple_at(store, chunk, join->drain_at++);
            join->pair_tuples[join->pair_count] = tuple;
            join->pair_count += join_tuple(tuple)->met == wanted;
        }
        if (join->drain_at == chunk->count) {
            join->drain_chunk = chunk->next;
            join->drain_at = chunk->next == NULL ? UINT32_MAX : 0;
        }
        TRY(fiber_check(f));
    }
    if (join->pair_count == 0)
        return STATUS_OK;
    left_as_nulls(join, join->pair_count);
    fetch_right(join, vector_identity);
    *batch_out = put_out(join, NULL, join->pair_count);
    return STATUS_OK;
}

/* ---- the operator -------------------------------------------------------------------------- */

/* The left side is read: drain, then the next part if there are parts. */
static enum status after_left(struct fiber *f, struct hash_join *join, bool *done_out,
                              struct batch **batch_out) {
    if (join_keeps_right(join->base.node->join.kind) && join->draining && join->shared == join) {
        TRY(drain(f, join, batch_out));
        if (*batch_out != NULL)
            return STATUS_OK;
    }
    *done_out = true;
    if (!join->shared->spilled)
        return STATUS_OK;
    bool found;
    TRY(exec__join_next_part(f, join, &found));
    *done_out = !found;
    join->draining = false;
    join->drain_store = join->drain_at = 0;
    join->drain_chunk = NULL;
    return STATUS_OK;
}

static enum status work_on_left(struct fiber *f, struct hash_join *join, struct batch **batch_out) {
    if (join->first_round)
        return first_round(f, join, batch_out);
    if (join->active_count > 0)
        return later_rounds(f, join, batch_out);
    *batch_out = left_over(join);
    /* The output points into the left batch, which stays until the next call. */
    join->left = NULL;
    return STATUS_OK;
}

static enum status hash_join_next(struct fiber *f, struct operator_state *base,
                                  struct batch **batch_out) {
    struct hash_join *join = (struct hash_join *)base;
    enum join_kind kind = base->node->join.kind;
    *batch_out = NULL;
    if (join->shared == join && !join->built)
        TRY(exec__join_build(f, join));
    if (join->shared == join && !join->probed)
        TRY(exec__join_probe_together(f, join, &join->draining));
    join->probed = true;
    /* Nothing on the right: an inner or semi join is over before it began. */
    if (!join->shared->spilled && join->shared->table.count == 0 &&
        (kind == JOIN_INNER || kind == JOIN_SEMI || kind == JOIN_RIGHT || join_is_right_only(kind)))
        return STATUS_OK;
    while (*batch_out == NULL) {
        bool more = true, done = false;
        if (join->left != NULL) {
            TRY(work_on_left(f, join, batch_out));
            continue;
        }
        if (!join->draining)
            TRY(next_left(f, join, &more));
        if (more && !join->draining)
            continue;
        join->draining = join->part != NULL || !join->shared->spilled;
        TRY(after_left(f, join, &done, batch_out));
        if (done)
            return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status hash_join_reset(struct fiber *f, struct operator_state *base) {
    struct hash_join *join = (struct hash_join *)base;
    exec__join_forget(f, join);
    join->left = NULL;
    join->draining = join->probed = false;
    join->drain_store = join->drain_at = 0;
    join->drain_chunk = NULL;
    TRY(exec__reset(f, base->left));
    return exec__reset(f, base->right);
}

static void hash_join_close(struct fiber *f, struct operator_state *base) {
    struct hash_join *join = (struct hash_join *)base;
    exec__join_forget(f, join);
    arena_release(&join->left_arena);
}

/* ---- open ---------------------------------------------------------------------------------- */

/* What tuples hold: the keys, and wanted columns that are not a key anyway. */
static enum status choose_layout(struct hash_join *join, struct arena *arena) {
    const struct plan_node *node = join->base.node;
    uint32_t keys = node->join.key_count, left = node->left->column_count;
    uint32_t right = node->right->column_count, stored = keys;
    uint8_t *wanted = arena_alloc_zeroed(arena, left + right + 1);
    join->place = arena_alloc(arena, (right + 1) * sizeof *join->place);
    join->payload = arena_alloc(arena, (right + 1) * sizeof *join->payload);
    join->layout_types = arena_alloc(arena, (keys + right + 1) * sizeof *join->layout_types);
    if (wanted == NULL || join->place == NULL || join->payload == NULL ||
        join->layout_types == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (!join_is_left_only(node->join.kind))
        for (uint32_t i = 0; i < node->column_count; i++)
            wanted[node->join.output[i]] = 1;
    exec__mark_columns(node->join.residual, wanted, left + right);
    for (uint32_t k = 0; k < keys; k++)
        join->layout_types[k] = node->join.right_keys[k]->type;
    for (uint32_t i = 0; i < right; i++) {
        join->place[i] = -1;
        if (!wanted[left + i])
            continue;
        for (uint32_t k = 0; k < keys; k++) {
            const struct expression *key = node->join.right_keys[k];
            if (key->kind == EXPRESSION_COLUMN && key->index == i &&
                type_equal(key->type, node->right->columns[i].type))
                join->place[i] = (int32_t)k;
        }
        if (join->place[i] >= 0)
            continue;
        join->payload[stored - keys] = i;
        join->layout_types[stored] = node->right->columns[i].type;
        join->place[i] = (int32_t)stored++;
    }
    join->stored_count = stored;
    return exec__tuple_layout(&join->layout, join->layout_types, stored, JOIN_TUPLE_HEADER, 0, NULL,
                              arena);
}

static enum status make_vectors(struct hash_join *join, struct arena *arena) {
    const struct plan_node *node = join->base.node;
    uint32_t left = node->left->column_count, right = node->right->column_count;
    join->both.vectors = arena_alloc_zeroed(arena, (left + right + 1) * sizeof(struct vector));
    join->output.vectors =
        arena_alloc_zeroed(arena, (node->column_count + 1) * sizeof(struct vector));
    if (join->both.vectors == NULL || join->output.vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    join->both.column_count = left + right;
    join->output.column_count = node->column_count;
    for (uint32_t i = 0; i < right; i++)
        if (join->place[i] >= 0)
            vector_init(right_vector(join, i), node->right->columns[i].type, arena);
    return arena_status(arena);
}

/* A worker probes its parent's table. */
static const struct hash_join *owner_of_table(struct hash_join *join) {
    const struct execution *execution = join->base.execution;
    if (!execution->is_worker)
        return join;
    for (struct operator_state *other = execution->parent->operators; other != NULL;
         other = other->all_next)
        if (other->node == join->base.node && ((struct hash_join *)other)->built)
            return (struct hash_join *)other;
    return join;
}

enum status exec__open_hash_join(struct fiber *f, struct execution *execution,
                                 const struct plan_node *node,
                                 struct operator_state **operator_out) {
    static const struct operator_functions functions = {hash_join_next, hash_join_reset,
                                                        hash_join_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct hash_join), &functions, operator_out));
    struct hash_join *join = (struct hash_join *)*operator_out;
    struct arena *arena = execution->environment.arena;
    uint32_t keys = node->join.key_count;
    join->shared = owner_of_table(join);
    join->left_keys = arena_alloc(arena, (keys + 1) * sizeof(struct compiled *));
    join->right_keys = arena_alloc(arena, (keys + 1) * sizeof(struct compiled *));
    join->left_vectors = arena_alloc_zeroed(arena, (keys + 1) * sizeof(struct vector));
    join->right_vectors = arena_alloc_zeroed(arena, (keys + 1) * sizeof(struct vector));
    join->left_met = arena_alloc_zeroed(arena, VECTOR_SIZE);
    if (join->left_keys == NULL || join->right_keys == NULL || join->left_vectors == NULL ||
        join->right_vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t k = 0; k < keys; k++) {
        TRY(exec__compile(join->base.local, node->join.left_keys[k], &join->left_keys[k]));
        TRY(exec__compile(join->base.local, node->join.right_keys[k], &join->right_keys[k]));
    }
    if (node->join.residual != NULL)
        TRY(exec__compile(join->base.local, node->join.residual, &join->residual));
    TRY(choose_layout(join, arena));
    TRY(exec__join_filters_open(node, arena, &join->filters, &join->filter_count));
    return make_vectors(join, arena);
}
