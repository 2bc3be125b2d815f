/* HASH_JOIN, the build side: tuples, directory, and parts when they are too many. */
#include <stdatomic.h>
#include <string.h>

#include "base/base_memory.h"
#include "exec/exec_join.h"
#include "exec/exec_parallel.h"

/* One who takes rows of the right child: the operator itself, or each of its workers. */
struct join_builder {
    struct hash_join *join; /* layout; nothing of it is changed by workers */
    struct execution *execution;
    struct operator_state *source;
    struct compiled **keys;
    struct vector *vectors;
    struct arena *arena; /* of the tuples */
    struct arena *scratch;
    struct tuple_store tuples;
    bool spilled;
    struct spill spill;
    struct spill_run runs[JOIN_PARTS];
    uint64_t bytes; /* most held */
    uint64_t borrowed;
    struct key_range {
        int64_t min, max;
    } ranges[JOIN_FILTERS_MAX]; /* of the keys that filters are made of */
};

static uint32_t part_of(uint64_t hash, uint32_t level) {
    return (uint32_t)(hash >> (8 + JOIN_PART_BITS * level)) & (JOIN_PARTS - 1);
}

enum status exec__join_hash_keys(struct fiber *f, struct hash_join *join, struct compiled **keys,
                                 struct vector *vectors, const struct batch *batch,
                                 struct arena *arena, uint64_t *hashes) {
    const uint16_t *rows = batch_rows(batch);
    for (uint32_t k = 0; k < join->base.node->join.key_count; k++) {
        TRY(exec__evaluate(f, keys[k], batch, rows, batch->selected_count, arena, &vectors[k]));
        exec__hash_column(&vectors[k], rows, batch->selected_count, k == 0, hashes);
    }
    return STATUS_OK;
}

/* ---- taking rows --------------------------------------------------------------------------- */

/* Bytes that the tuples and their directory will take. */
static uint64_t table_bytes(const struct arena *arena, uint64_t count) {
    return arena->size_total + count * 2 * sizeof(uint64_t);
}

/* Rows whose keys are all there, into selection[]; hashes are moved along. */
static uint32_t drop_null_keys(const struct join_builder *builder, const uint16_t *rows,
                               uint32_t count, uint16_t *selection, uint64_t *hashes) {
    const struct plan_node *node = builder->join->base.node;
    bool nulls = false;
    for (uint32_t k = 0; k < node->join.key_count; k++)
        nulls = nulls || builder->vectors[k].validity != NULL;
    if (!nulls || join_keeps_right(node->join.kind)) {
        memcpy(selection, rows, count * sizeof *rows);
        return count;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool null = false;
        for (uint32_t k = 0; k < node->join.key_count; k++)
            null = null || vector_is_null(&builder->vectors[k], rows[i]);
        selection[kept] = rows[i];
        hashes[kept] = hashes[i];
        kept += !null;
    }
    return kept;
}

/* The columns of a tuple as vectors. */
static void tuple_vectors(const struct join_builder *builder, const struct batch *input,
                          struct vector *vectors) {
    const struct hash_join *join = builder->join;
    uint32_t keys = join->base.node->join.key_count;
    memcpy(vectors, builder->vectors, keys * sizeof *vectors);
    for (uint32_t i = keys; i < join->stored_count; i++)
        vectors[i] = input->vectors[join->payload[i - keys]];
}

static enum status keep(struct join_builder *builder, const struct vector *vectors,
                        const uint16_t *rows, uint32_t count, const uint64_t *hashes) {
    const struct tuple_layout *layout = &builder->join->layout;
    uint8_t *tuples[VECTOR_SIZE];
    TRY(exec__tuples_add(&builder->tuples, count, tuples));
    for (uint32_t i = 0; i < count; i++)
        join_tuple(tuples[i])->hash = hashes[i];
    for (uint32_t c = 0; c < layout->column_count; c++)
        exec__tuple_scatter(&layout->columns[c], &vectors[c], rows, count, tuples, builder->arena);
    return arena_status(builder->arena);
}

/* Rows into the runs of their parts. */
static enum status divide(struct fiber *f, struct spill *spill, struct spill_run *runs,
                          uint32_t level, const struct batch *batch, const uint16_t *rows,
                          uint32_t count, const uint64_t *hashes) {
    uint16_t chosen[VECTOR_SIZE], begin[JOIN_PARTS + 1] = {0}, at[JOIN_PARTS];
    for (uint32_t i = 0; i < count; i++)
        begin[part_of(hashes[i], level) + 1]++;
    for (uint32_t p = 0; p < JOIN_PARTS; p++) {
        begin[p + 1] = (uint16_t)(begin[p + 1] + begin[p]);
        at[p] = begin[p];
    }
    for (uint32_t i = 0; i < count; i++)
        chosen[at[part_of(hashes[i], level)]++] = rows[i];
    for (uint32_t p = 0; p < JOIN_PARTS; p++)
        TRY(exec__spill_append(f, spill, &runs[p], batch, chosen + begin[p],
                               (uint32_t)(begin[p + 1] - begin[p])));
    return STATUS_OK;
}

/* The tuples taken so far go into runs, and their memory back. */
static enum status spill_tuples(struct fiber *f, struct join_builder *builder) {
    const struct tuple_layout *layout = &builder->join->layout;
    struct arena vectors = {0};
    struct batch batch;
    uint64_t hashes[VECTOR_SIZE];
    uint8_t *tuples[VECTOR_SIZE];
    enum status status = STATUS_OK;
    exec__spill_init(&builder->spill, builder->execution, builder->join->layout_types,
                     layout->column_count, JOIN_PARTS);
    builder->spilled = true;
    batch_init(&batch, builder->join->layout_types, layout->column_count, &vectors);
    for (struct tuple_chunk *chunk = builder->tuples.first; chunk != NULL; chunk = chunk->next)
        for (uint32_t first = 0; first < chunk->count; first += VECTOR_SIZE) {
            uint32_t left = chunk->count - first, count = left < VECTOR_SIZE ? left : VECTOR_SIZE;
            batch_reset(&batch);
            for (uint32_t i = 0; i < count; i++) {
                tuples[i] = tuple_at(&builder->tuples, chunk, first + i);
                hashes[i] = join_tuple(tuples[i])->hash;
            }
            for (uint32_t c = 0; c < layout->column_count; c++)
                exec__tuple_gather(&layout->columns[c], tuples, vector_identity, count,
                                   &batch.vectors[c]);
            batch_set_count(&batch, count);
            TRY_OUT(divide(f, &builder->spill, builder->runs, 0, &batch, vector_identity, count,
                           hashes));
        }
out:
    arena_release(&vectors);
    arena_release(builder->arena);
    exec__tuples_init(&builder->tuples, layout, builder->arena);
    return status;
}

static enum status over_limit(const struct execution *execution) {
    enum status status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    error_detail("An operator of this statement needs more than its limit of %llu bytes.",
                 (unsigned long long)execution->environment.memory_max);
    return status;
}

static NOINLINE enum status take_batch(struct fiber *f, struct join_builder *builder,
                                       const struct batch *input) {
    struct hash_join *join = builder->join;
    uint64_t hashes[VECTOR_SIZE];
    uint16_t rows[VECTOR_SIZE];
    TRY(exec__join_hash_keys(f, join, builder->keys, builder->vectors, input, builder->scratch,
                             hashes));
    uint32_t count =
        drop_null_keys(builder, batch_rows(input), input->selected_count, rows, hashes);
    struct vector *vectors =
        arena_alloc(builder->scratch, (join->stored_count + 1) * sizeof *vectors);
    if (vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    tuple_vectors(builder, input, vectors);
    for (uint32_t i = 0; i < join->filter_count; i++)
        exec__join_filter_range(&builder->vectors[join->filters[i].key], rows, count,
                                &builder->ranges[i].min, &builder->ranges[i].max);
    struct batch stored = {
        .vectors = vectors, .column_count = join->stored_count, .row_count = input->row_count};
    if (builder->spilled)
        return divide(f, &builder->spill, builder->runs, 0, &stored, rows, count, hashes);
    TRY(keep(builder, vectors, rows, count, hashes));
    uint64_t bytes = table_bytes(builder->arena, builder->tuples.count);
    if (bytes > builder->bytes)
        builder->bytes = bytes;
    if (exec__may_hold(builder->execution, bytes, &builder->borrowed))
        return STATUS_OK;
    return exec__spill_possible(builder->execution) ? spill_tuples(f, builder)
                                                    : over_limit(builder->execution);
}

static enum status take_all(struct fiber *f, struct join_builder *builder) {
    uint32_t filters = builder->join->filter_count;
    for (uint32_t i = 0; i < filters; i++)
        builder->ranges[i] = (struct key_range){INT64_MAX, INT64_MIN};
    exec__tuples_init(&builder->tuples, &builder->join->layout, builder->arena);
    for (;;) {
        struct batch *input;
        TRY(exec__next(f, builder->source, &input));
        if (input == NULL)
            return STATUS_OK;
        TRY(take_batch(f, builder, input));
        arena_reset(builder->scratch);
    }
}

/* ---- the directory ------------------------------------------------------------------------- */

static bool has_null_key(const struct hash_join *join, const uint8_t *tuple) {
    for (uint32_t k = 0; k < join->base.node->join.key_count; k++)
        if (tuple[join->layout.columns[k].null_offset])
            return true;
    return false;
}

/* Into the front of its chain. `shared`: other cores insert, too. */
static inline void insert(struct join_table *table, uint8_t *tuple, bool shared) {
    uint64_t hash = join_tuple(tuple)->hash, fresh;
    uint64_t *slot = &table->directory[hash >> table->shift];
    uint64_t old = __atomic_load_n(slot, __ATOMIC_RELAXED);
    do {
        join_tuple(tuple)->next = (uint8_t *)(uintptr_t)(old & JOIN_POINTER_MASK);
        fresh = (uint64_t)(uintptr_t)tuple | (old & ~JOIN_POINTER_MASK) | join_tag(hash);
    } while (shared && !__atomic_compare_exchange_n(slot, &old, fresh, true, __ATOMIC_RELAXED,
                                                    __ATOMIC_RELAXED));
    if (!shared)
        *slot = fresh;
}

enum { INSERT_AHEAD = 16, CLEAR_STEP = 8192 };

/* Tuples on their way into the directory and the filters. */
struct fill {
    struct hash_join *join;
    struct tuple_feed feed;
    bool shared;
};

static void fill_piece(const struct fill *fill, const struct tuple_piece *piece) {
    struct hash_join *join = fill->join;
    struct join_table *table = &join->table;
    bool keeps_right = join_keeps_right(join->base.node->join.kind);
    uint32_t filters = join->spilled ? 0 : join->filter_count;
    for (uint32_t i = piece->from; i < piece->to; i++) {
        uint8_t *tuple = tuple_at(piece->store, piece->chunk, i);
        if (i + INSERT_AHEAD < piece->to) {
            uint8_t *ahead = tuple_at(piece->store, piece->chunk, i + INSERT_AHEAD);
            __builtin_prefetch(&table->directory[join_tuple(ahead)->hash >> table->shift], 1);
        }
        if (!keeps_right || !has_null_key(join, tuple))
            insert(table, tuple, fill->shared);
        for (uint32_t k = 0; k < filters; k++)
            exec__join_filter_add(&join->filters[k], &join->layout.columns[join->filters[k].key],
                                  tuple, fill->shared);
    }
}

static enum status fill_pieces(struct fiber *f, void *argument) {
    struct fill *fill = argument;
    const struct tuple_piece *piece;
    while ((piece = exec__tuple_feed_take(&fill->feed)) != NULL) {
        fill_piece(fill, piece);
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

static enum status fill_directory(struct fiber *f, struct hash_join *join) {
    struct join_table *table = &join->table;
    struct fill fill = {.join = join};
    const struct tuple_store **stores =
        arena_alloc(&join->arena, table->store_count * sizeof *stores + 1);
    void *arguments[RUNTIME_CORES_MAX];
    unsigned cores = runtime_core_count(fiber_runtime(f));
    if (stores == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t s = 0; s < table->store_count; s++)
        stores[s] = &table->stores[s];
    TRY(exec__tuple_feed_make(&fill.feed, stores, table->store_count, &join->arena));
    fill.shared =
        cores > 1 && !join->base.execution->is_worker && table->count >= exec__rows_that_pay / 4;
    if (!fill.shared)
        return fill_pieces(f, &fill);
    for (unsigned w = 0; w < cores; w++)
        arguments[w] = &fill;
    return core_call_all(f, UINT64_MAX >> (64 - cores), fill_pieces, arguments);
}

static enum status make_directory(struct fiber *f, struct hash_join *join) {
    struct join_table *table = &join->table;
    uint64_t size = 64;
    uint32_t bits = 6;
    table->count = 0;
    for (uint32_t s = 0; s < table->store_count; s++)
        table->count += table->stores[s].count;
    while (size < table->count + table->count / 4) {
        size *= 2;
        bits++;
    }
    table->shift = 64 - bits;
    table->directory = arena_alloc_aligned(&join->arena, size * sizeof *table->directory, 64);
    if (table->directory == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint64_t i = 0; i < size; i += CLEAR_STEP) {
        uint64_t step = size - i < CLEAR_STEP ? size - i : CLEAR_STEP;
        memset(table->directory + i, 0, step * sizeof *table->directory);
        TRY(fiber_check(f));
    }
    return fill_directory(f, join);
}

/* ---- building ------------------------------------------------------------------------------ */

static void widen_filters(struct hash_join *join, const struct join_builder *builder) {
    for (uint32_t i = 0; i < join->filter_count; i++) {
        struct join_filter *filter = &join->filters[i];
        const struct key_range *range = &builder->ranges[i];
        filter->min = range->min < filter->min ? range->min : filter->min;
        filter->max = range->max > filter->max ? range->max : filter->max;
    }
}

/* All tuples are there: the directory, and the filters for scans that begin from now on. */
static enum status finish_table(struct fiber *f, struct hash_join *join) {
    uint64_t count = 0;
    for (uint32_t s = 0; s < join->table.store_count; s++)
        count += join->table.stores[s].count;
    for (uint32_t i = 0; i < join->filter_count; i++)
        exec__join_filter_room(&join->filters[i], count, &join->arena);
    TRY(make_directory(f, join));
    for (uint32_t i = 0; i < join->filter_count; i++)
        exec__join_filter_publish(join->base.execution, &join->filters[i]);
    return STATUS_OK;
}

static enum status end_runs(struct fiber *f, struct join_builder *builder) {
    for (uint32_t p = 0; p < JOIN_PARTS; p++)
        TRY(exec__spill_end(f, &builder->spill, &builder->runs[p]));
    return STATUS_OK;
}

/* The builder's runs become parts of the join, or are added to those there are. */
static enum status hand_over(struct hash_join *join, struct join_builder *builder) {
    exec__count_spilled(&join->base, builder->spill.bytes_written);
    if (join->parts == NULL) {
        join->build_spill = builder->spill;
        for (uint32_t p = JOIN_PARTS; p-- > 0;) {
            struct join_part *part = memory_alloc_zeroed(1, sizeof *part);
            if (part == NULL)
                return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
            part->next = join->parts;
            join->parts = part;
        }
    }
    uint32_t p = 0;
    for (struct join_part *part = join->parts; part != NULL; part = part->next)
        TRY(exec__spill_join(&part->build, &builder->runs[p++]));
    return STATUS_OK;
}

static void release_runs(struct fiber *f, struct join_builder *builder) {
    if (builder->spilled)
        for (uint32_t p = 0; p < JOIN_PARTS; p++)
            exec__spill_release(f, &builder->spill, &builder->runs[p]);
}

static enum status build_alone(struct fiber *f, struct hash_join *join) {
    struct join_builder *builder = ARENA_NEW(&join->base.scratch, struct join_builder);
    struct arena scratch = {0};
    enum status status;
    *builder = (struct join_builder){.join = join,
                                     .execution = join->base.execution,
                                     .source = join->base.right,
                                     .keys = join->right_keys,
                                     .vectors = join->right_vectors,
                                     .arena = &join->arena,
                                     .scratch = &scratch};
    TRY_OUT(take_all(f, builder));
    exec__note_memory(&join->base, builder->bytes);
    if (builder->spilled) {
        join->spilled = true;
        TRY_OUT(end_runs(f, builder));
        TRY_OUT(hand_over(join, builder));
    } else {
        join->tuples = builder->tuples;
        join->table = (struct join_table){.stores = &join->tuples, .store_count = 1};
        widen_filters(join, builder);
        TRY_OUT(finish_table(f, join));
    }
out:
    release_runs(f, builder);
    arena_release(&scratch);
    return status;
}

/* One core's share of the right child. */
static enum status build_share(struct fiber *f, struct parallel_worker *worker) {
    struct hash_join *join = worker->parallel->argument;
    const struct plan_node *node = join->base.node;
    struct exec_local *local = &worker->execution->local;
    struct join_builder *builder = ARENA_NEW(&worker->arena, struct join_builder);
    uint32_t keys = node->join.key_count;
    *builder = (struct join_builder){.join = join,
                                     .execution = worker->execution,
                                     .source = worker->root,
                                     .keys = ARENA_ARRAY(local->arena, struct compiled *, keys + 1),
                                     .vectors = ARENA_ARRAY(local->arena, struct vector, keys + 1),
                                     .arena = ARENA_NEW(&worker->arena, struct arena),
                                     .scratch = ARENA_NEW(&worker->arena, struct arena)};
    worker->result = builder;
    for (uint32_t k = 0; k < keys; k++)
        TRY(exec__compile(local, node->join.right_keys[k], &builder->keys[k]));
    enum status status = take_all(f, builder);
    arena_release(builder->scratch);
    return status;
}

/* Workers' tuples stay where they are, in arenas that the join takes over. */
static enum status adopt(struct fiber *f, struct hash_join *join, struct parallel *parallel) {
    uint64_t bytes = 0;
    join->spilled = false;
    for (unsigned w = 0; w < parallel->worker_count; w++) {
        const struct join_builder *builder = parallel->workers[w].result;
        bytes += builder->bytes;
        join->spilled = join->spilled || builder->spilled;
    }
    exec__note_memory(&join->base, bytes);
    join->worker_arenas =
        arena_alloc_zeroed(&join->arena, parallel->worker_count * sizeof *join->worker_arenas);
    join->table.stores =
        arena_alloc(&join->arena, parallel->worker_count * sizeof *join->table.stores);
    for (unsigned w = 0; w < parallel->worker_count; w++) {
        struct join_builder *builder = parallel->workers[w].result;
        if (join->spilled) {
            if (!builder->spilled)
                TRY(spill_tuples(f, builder));
            TRY(end_runs(f, builder));
            TRY(hand_over(join, builder));
            continue;
        }
        join->worker_arenas[w] = *builder->arena;
        *builder->arena = (struct arena){0};
        join->table.stores[w] = builder->tuples;
        widen_filters(join, builder);
        join->worker_arena_count = join->table.store_count = w + 1;
    }
    return join->spilled ? STATUS_OK : finish_table(f, join);
}

static enum status build_together(struct fiber *f, struct hash_join *join,
                                  struct parallel *parallel) {
    enum status status = exec__parallel_run(f, parallel, join->base.node->right, build_share, join);
    if (status == STATUS_OK)
        status = adopt(f, join, parallel);
    for (unsigned w = 0; w < parallel->worker_count; w++) {
        struct join_builder *builder = parallel->workers[w].result;
        if (builder == NULL)
            continue;
        fiber_shield(f);
        release_runs(f, builder);
        fiber_unshield(f);
        arena_release(builder->arena);
        arena_release(builder->scratch);
    }
    exec__parallel_end(f, parallel, UINT32_MAX);
    return status;
}

enum status exec__join_build(struct fiber *f, struct hash_join *join) {
    const struct plan_node *node = join->base.node;
    bool pays = false;
    struct parallel parallel = {0};
    if (join->built)
        return STATUS_OK;
    bool independent = true;
    for (uint32_t k = 0; k < node->join.key_count; k++)
        independent = independent && exec__is_independent(node->join.right_keys[k]);
    if (independent)
        TRY(exec__parallel_pays(f, &join->base, join->base.right, false, &parallel, &pays));
    TRY(pays ? build_together(f, join, &parallel) : build_alone(f, join));
    join->built = true;
    return STATUS_OK;
}

/* ---- parts --------------------------------------------------------------------------------- */

static void release_part(struct fiber *f, struct hash_join *join, struct join_part *part) {
    if (part == NULL)
        return;
    exec__spill_release(f, &join->build_spill, &part->build);
    exec__spill_release(f, &join->probe_spill, &part->probe);
    memory_free(part);
}

static void drop_table(struct fiber *f, struct hash_join *join) {
    exec__arena_release(f, &join->arena);
    for (unsigned w = 0; w < join->worker_arena_count; w++)
        exec__arena_release(f, &join->worker_arenas[w]);
    join->worker_arena_count = 0;
    join->table = (struct join_table){0};
}

void exec__join_forget(struct fiber *f, struct hash_join *join) {
    for (uint32_t i = 0; i < join->filter_count; i++)
        exec__join_filter_withdraw(join->base.execution, &join->filters[i]);
    exec__spill_reader_release(&join->reader);
    release_part(f, join, join->part);
    join->part = NULL;
    while (join->parts != NULL) {
        struct join_part *part = join->parts;
        join->parts = part->next;
        release_part(f, join, part);
    }
    struct arena arena = join->arena; /* the list of worker arenas lies in it */
    join->arena = (struct arena){0};
    drop_table(f, join);
    arena_release(&arena);
    join->built = join->spilled = join->probe_divided = false;
}

/* All left rows into the parts of the build side. */
static enum status divide_probe(struct fiber *f, struct hash_join *join) {
    const struct plan_node *node = join->base.node;
    struct spill_run runs[JOIN_PARTS] = {{0}};
    struct type *types;
    enum status status = STATUS_OK;
    TRY(exec__node_types(join->base.execution, node->left, &types));
    exec__spill_init(&join->probe_spill, join->base.execution, types, node->left->column_count,
                     JOIN_PARTS);
    for (;;) {
        struct batch *batch;
        TRY_OUT(exec__next(f, join->base.left, &batch));
        if (batch == NULL)
            break;
        arena_reset(&join->left_arena);
        TRY_OUT(exec__join_hash_keys(f, join, join->left_keys, join->left_vectors, batch,
                                     &join->left_arena, join->hashes));
        TRY_OUT(divide(f, &join->probe_spill, runs, 0, batch, batch_rows(batch),
                       batch->selected_count, join->hashes));
    }
    uint32_t p = 0;
    for (struct join_part *part = join->parts; part != NULL; part = part->next, p++) {
        TRY_OUT(exec__spill_end(f, &join->probe_spill, &runs[p]));
        part->probe = runs[p];
        runs[p] = (struct spill_run){0};
    }
    join->probe_divided = true;
out:
    for (uint32_t i = 0; i < JOIN_PARTS; i++)
        exec__spill_release(f, &join->probe_spill, &runs[i]);
    return status;
}

/* Keys of a batch read back from a build run. */
static void hash_stored(const struct hash_join *join, const struct batch *batch, uint64_t *hashes) {
    for (uint32_t k = 0; k < join->base.node->join.key_count; k++)
        exec__hash_column(&batch->vectors[k], vector_identity, batch->row_count, k == 0, hashes);
}

/* Read one side of a part into finer runs. */
static enum status divide_run(struct fiber *f, struct hash_join *join, struct spill *spill,
                              struct spill_run *run, bool is_build, uint32_t level,
                              struct spill_run *runs) {
    struct spill_reader reader = {0};
    enum status status;
    TRY_OUT(exec__spill_read(spill, run, &reader));
    for (;;) {
        struct batch *batch;
        TRY_OUT(exec__spill_next(f, &reader, &batch));
        if (batch == NULL)
            break;
        if (is_build) {
            hash_stored(join, batch, join->hashes);
        } else {
            arena_reset(&join->left_arena);
            TRY_OUT(exec__join_hash_keys(f, join, join->left_keys, join->left_vectors, batch,
                                         &join->left_arena, join->hashes));
        }
        TRY_OUT(
            divide(f, spill, runs, level, batch, vector_identity, batch->row_count, join->hashes));
    }
    for (uint32_t p = 0; p < JOIN_PARTS; p++)
        TRY_OUT(exec__spill_end(f, spill, &runs[p]));
out:
    exec__spill_reader_release(&reader);
    return status;
}

/* A part whose build side is too large becomes sixteen. */
static enum status divide_part(struct fiber *f, struct hash_join *join, struct join_part *part) {
    struct spill_run build[JOIN_PARTS] = {{0}}, probe[JOIN_PARTS] = {{0}};
    uint64_t before = join->build_spill.bytes_written + join->probe_spill.bytes_written;
    enum status status;
    TRY_OUT(divide_run(f, join, &join->build_spill, &part->build, true, part->level + 1, build));
    TRY_OUT(divide_run(f, join, &join->probe_spill, &part->probe, false, part->level + 1, probe));
    for (uint32_t p = 0; p < JOIN_PARTS; p++) {
        struct join_part *finer = memory_alloc_zeroed(1, sizeof *finer);
        if (finer == NULL) {
            status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
            goto out;
        }
        *finer = (struct join_part){
            .build = build[p], .probe = probe[p], .level = part->level + 1, .next = join->parts};
        build[p] = probe[p] = (struct spill_run){0};
        join->parts = finer;
    }
    exec__count_spilled(&join->base,
                        join->build_spill.bytes_written + join->probe_spill.bytes_written - before);
out:
    for (uint32_t p = 0; p < JOIN_PARTS; p++) {
        exec__spill_release(f, &join->build_spill, &build[p]);
        exec__spill_release(f, &join->probe_spill, &probe[p]);
    }
    return status;
}

/* The build side of the part in hand into a table. */
static enum status load_part(struct fiber *f, struct hash_join *join) {
    struct spill_reader reader = {0};
    struct join_builder builder = {.join = join, .arena = &join->arena};
    enum status status;
    drop_table(f, join);
    exec__tuples_init(&builder.tuples, &join->layout, &join->arena);
    TRY_OUT(exec__spill_read(&join->build_spill, &join->part->build, &reader));
    for (;;) {
        struct batch *batch;
        TRY_OUT(exec__spill_next(f, &reader, &batch));
        if (batch == NULL)
            break;
        hash_stored(join, batch, join->hashes);
        TRY_OUT(keep(&builder, batch->vectors, vector_identity, batch->row_count, join->hashes));
    }
    join->tuples = builder.tuples;
    join->table = (struct join_table){.stores = &join->tuples, .store_count = 1};
    TRY_OUT(make_directory(f, join));
    exec__note_memory(&join->base, table_bytes(&join->arena, 0));
out:
    exec__spill_reader_release(&reader);
    return status;
}

/* What a build run takes as tuples, roughly. */
static uint64_t loaded_bytes(const struct hash_join *join, const struct spill_run *run) {
    return run->bytes + run->rows * (join->layout.size + 2 * sizeof(uint64_t));
}

enum status exec__join_next_part(struct fiber *f, struct hash_join *join, bool *found_out) {
    uint64_t limit = join->base.execution->environment.memory_max;
    *found_out = false;
    if (!join->probe_divided) {
        TRY(divide_probe(f, join));
        exec__count_spilled(&join->base, join->probe_spill.bytes_written);
    }
    exec__spill_reader_release(&join->reader);
    release_part(f, join, join->part);
    join->part = NULL;
    while (join->parts != NULL) {
        struct join_part *part = join->part = join->parts;
        join->parts = part->next;
        /* One key alone cannot be divided: the last level takes what there is. */
        if (loaded_bytes(join, &part->build) > limit && part->level + 1 < JOIN_LEVELS_MAX) {
            TRY(divide_part(f, join, part));
            release_part(f, join, part);
            join->part = NULL;
            continue;
        }
        TRY(load_part(f, join));
        TRY(exec__spill_read(&join->probe_spill, &part->probe, &join->reader));
        *found_out = true;
        return STATUS_OK;
    }
    return STATUS_OK;
}
