/* MERGE_JOIN: the rows of one key, kept while they meet the rows of the other side. */
#include <string.h>

#include "exec/exec_join_merge.h"

enum { GROUP_HELD_ALWAYS = 2 << 20 }; /* batches have room for VECTOR_SIZE rows: a few of them */

enum status exec__merge_group_open(struct merge_join *join) {
    struct arena *arena = join->base.execution->environment.arena;
    struct merge_group *group = &join->group;
    const struct merge_side *side = &join->kept;
    const struct plan_node *input = side->input->node;
    uint32_t keys = join->base.node->join.key_count;
    group->columns = ARENA_ARRAY(arena, uint32_t, side->column_count + 1);
    group->types = ARENA_ARRAY(arena, struct type, side->column_count + 1);
    group->vectors = ARENA_ARRAY(arena, struct vector, side->column_count + 1);
    group->keys.vectors = ARENA_ARRAY(arena, struct vector, keys + 1);
    group->keys.numbers = ARENA_ARRAY(arena, int64_t *, keys + 1);
    group->keys.rows = vector_identity;
    if (group->columns == NULL || group->types == NULL || group->vectors == NULL ||
        group->keys.vectors == NULL || group->keys.numbers == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < side->column_count; i++) {
        if (!join->wanted[side->offset + i])
            continue;
        group->types[group->column_count] = input->columns[i].type;
        group->columns[group->column_count++] = i;
    }
    for (uint32_t k = 0; k < keys; k++) {
        vector_init(&group->keys.vectors[k], side->keys.vectors[k].type, arena);
        if (side->keys.numbers[k] != NULL)
            group->keys.numbers[k] = ARENA_NEW(arena, int64_t);
    }
    return arena_status(arena);
}

/* ---- filling ------------------------------------------------------------------------------- */

static void keep_keys(struct merge_join *join, uint32_t at) {
    struct merge_group *group = &join->group;
    const struct merge_keys *keys = &join->kept.keys;
    arena_reset(&group->key_arena);
    for (uint32_t k = 0; k < join->base.node->join.key_count; k++) {
        if (keys->numbers[k] != NULL) {
            group->keys.numbers[k][0] = keys->numbers[k][at];
            continue;
        }
        vector_reset(&group->keys.vectors[k]);
        vector_copy(&group->keys.vectors[k], 0, &keys->vectors[k], &keys->rows[at], 1,
                    &group->key_arena);
    }
}

/* Positions from .. to of the kept side's batch with the columns that are copied. */
static struct batch rows_to_copy(struct merge_join *join, uint32_t from, uint32_t to) {
    struct merge_group *group = &join->group;
    const struct batch *batch = join->kept.batch;
    for (uint32_t i = 0; i < group->column_count; i++)
        group->vectors[i] = batch->vectors[group->columns[i]];
    return (struct batch){.vectors = group->vectors,
                          .column_count = group->column_count,
                          .row_count = batch->row_count,
                          .selection = batch_rows(batch) + from,
                          .selected_count = to - from};
}

static enum status put_aside(struct fiber *f, struct merge_join *join) {
    struct merge_group *group = &join->group;
    if (!exec__spill_possible(join->base.execution))
        return exec__account(&join->base, group->store.bytes);
    exec__spill_init(&group->spill, join->base.execution, group->types, group->column_count, 1);
    for (uint32_t b = 0; b < group->store.batch_count; b++)
        TRY(exec__spill_append(f, &group->spill, &group->run, group->store.batches[b],
                               vector_identity, group->store.batches[b]->row_count));
    group->store = (struct exec_store){0};
    exec__arena_release(f, &group->arena);
    exec__note_memory(&join->base, 0);
    exec__return_lent(&join->base);
    return STATUS_OK;
}

static bool is_put_aside(const struct merge_group *group) {
    return group->spill.store != NULL;
}

static enum status copy_rows(struct fiber *f, struct merge_join *join, uint32_t from, uint32_t to) {
    struct merge_group *group = &join->group;
    struct batch rows = rows_to_copy(join, from, to);
    group->row_count += to - from;
    for (uint32_t i = from; i < to; i++)
        join->kept.met[batch_row(join->kept.batch, i)] = 1; /* told of with the group */
    if (is_put_aside(group))
        return exec__spill_append(f, &group->spill, &group->run, &rows, rows.selection,
                                  rows.selected_count);
    TRY(exec__store_append(&group->store, &rows));
    bool too_large =
        exec__over_limit(&join->base, group->store.bytes) && group->store.bytes > GROUP_HELD_ALWAYS;
    return too_large ? put_aside(f, join) : STATUS_OK;
}

static enum status finish(struct fiber *f, struct merge_join *join) {
    struct merge_group *group = &join->group;
    group->form = MERGE_GROUP_STORED;
    if (is_put_aside(group)) {
        TRY(exec__spill_end(f, &group->spill, &group->run));
        exec__count_spilled(&join->base, group->spill.bytes_written);
        group->form = MERGE_GROUP_SPILLED;
    }
    if (join->kind != JOIN_FULL || join->residual == NULL)
        return STATUS_OK;
    group->met = arena_alloc_zeroed(&group->arena, group->row_count);
    return group->met != NULL ? STATUS_OK : error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

enum status exec__merge_group_begin(struct fiber *f, struct merge_join *join) {
    struct merge_group *group = &join->group;
    struct merge_side *side = &join->kept;
    group->from = side->at;
    group->to = exec__merge_run_end(join, side, side->at);
    side->at = group->to;
    if (group->to < side->count) {
        group->form = MERGE_GROUP_VIEW;
        return STATUS_OK;
    }
    exec__store_init(&group->store, group->types, group->column_count, &group->arena);
    keep_keys(join, group->from);
    group->form = MERGE_GROUP_GROWS;
    return copy_rows(f, join, group->from, group->to);
}

enum status exec__merge_group_grow(struct fiber *f, struct merge_join *join) {
    struct merge_group *group = &join->group;
    struct merge_side *side = &join->kept;
    if (side->ended)
        return finish(f, join);
    ASSERT(side->at == 0 && side->count > 0);
    if (side->keys.nulls[0] || exec__merge_compare(join, &side->keys, 0, &group->keys, 0) != 0)
        return finish(f, join);
    side->at = exec__merge_run_end(join, side, 0);
    TRY(copy_rows(f, join, 0, side->at));
    return side->at < side->count ? finish(f, join) : STATUS_OK;
}

/* ---- going through it ---------------------------------------------------------------------- */

void exec__merge_group_rewind(struct merge_group *group) {
    if (group->form == MERGE_GROUP_SPILLED)
        exec__spill_reader_release(&group->reader);
    group->batch_at = group->part_rows = 0;
    group->first_row = 0;
}

static enum status next_batch(struct fiber *f, struct merge_group *group,
                              struct batch **batch_out) {
    *batch_out = NULL;
    if (group->form == MERGE_GROUP_STORED) {
        if (group->batch_at < group->store.batch_count)
            *batch_out = group->store.batches[group->batch_at++];
        return STATUS_OK;
    }
    if (group->reader.spill == NULL) {
        TRY(exec__spill_read(&group->spill, &group->run, &group->reader));
        group->reader.keeps = true;
    }
    return exec__spill_next(f, &group->reader, batch_out);
}

enum status exec__merge_group_next(struct fiber *f, struct merge_join *join,
                                   struct merge_part *part, bool *more_out) {
    struct merge_group *group = &join->group;
    struct batch *batch;
    if (group->form == MERGE_GROUP_VIEW) {
        *part = (struct merge_part){join->kept.batch->vectors,
                                    batch_rows(join->kept.batch) + group->from,
                                    group->to - group->from, join->kept.batch->row_count};
        *more_out = group->batch_at++ == 0;
        return STATUS_OK;
    }
    TRY(next_batch(f, group, &batch));
    *more_out = batch != NULL;
    if (batch == NULL)
        return STATUS_OK;
    group->first_row += group->part_rows;
    group->part_rows = batch->row_count;
    for (uint32_t i = 0; i < group->column_count; i++)
        group->vectors[group->columns[i]] = batch->vectors[i];
    *part =
        (struct merge_part){group->vectors, vector_identity, batch->row_count, batch->row_count};
    return STATUS_OK;
}

void exec__merge_group_end(struct fiber *f, struct merge_join *join) {
    struct merge_group *group = &join->group;
    bool is_view = group->form == MERGE_GROUP_VIEW;
    exec__merge_group_rewind(group);
    group->form = MERGE_GROUP_NONE;
    if (is_view)
        return;
    if (is_put_aside(group))
        exec__spill_release(f, &group->spill, &group->run);
    group->spill = (struct spill){0};
    group->store = (struct exec_store){0};
    group->row_count = 0;
    group->met = NULL;
    if (group->arena.size_total > GROUP_HELD_ALWAYS)
        exec__arena_release(f, &group->arena);
    else
        arena_reset(&group->arena);
    exec__return_lent(&join->base);
}
