/* MERGE_JOIN: the pairs that the walk has found become a batch, and rows without a partner. */
#include <string.h>

#include "exec/exec_join_merge.h"

static struct batch *put_out(struct merge_join *join, uint32_t row_count, const uint16_t *selection,
                             uint32_t count) {
    return exec__put_joined(&join->output, &join->both, join->base.node->join.output, row_count,
                            selection, count);
}

static void put_nulls(struct merge_join *join, const struct merge_side *side) {
    for (uint32_t i = 0; i < side->column_count; i++) {
        struct value null = value_null(side->input->node->columns[i].type);
        if (join->wanted[side->offset + i])
            vector_init_constant(&join->both.vectors[side->offset + i], &null, &join->base.scratch);
    }
}

/* Rows rows[0..count) of a batch's columns become those of `both`. */
static void put_slices(struct merge_join *join, const struct merge_side *side,
                       const struct vector *vectors, const uint16_t *rows, uint32_t count) {
    for (uint32_t i = 0; i < side->column_count; i++)
        if (join->wanted[side->offset + i])
            vector_slice(&join->both.vectors[side->offset + i], &vectors[i], rows, count,
                         &join->base.scratch);
}

/* The kept side's columns where marks stand between the pairs: NULL there. */
static void put_copies(struct merge_join *join) {
    const struct merge_side *side = &join->kept;
    for (uint32_t i = 0; i < side->column_count; i++) {
        struct vector *own = &side->own_vectors[i];
        if (!join->wanted[side->offset + i])
            continue;
        vector_reset(own);
        vector_copy(own, 0, &join->pair_vectors[i], join->pair_kept, join->pair_count, NULL);
        for (uint32_t p = 0; p < join->pair_count; p++)
            if (join->is_mark[p])
                vector_set_null(own, p);
        join->both.vectors[side->offset + i] = *own;
    }
}

/* Remember who met whom, and what becomes of rows at their marks: positions of what goes out into
   selection[]. passed[0..passed_count): the pairs for which the residual is true. */
static uint32_t decide(struct merge_join *join, uint32_t passed_count) {
    bool left_only = join_is_left_only(join->kind);
    bool is_kept_batch =
        join->kept.batch != NULL && join->pair_vectors == join->kept.batch->vectors;
    uint32_t count = 0;
    for (uint32_t p = 0, at = 0; p < join->pair_count; p++) {
        uint16_t row = join->pair_walked[p];
        bool goes;
        if (join->is_mark[p]) {
            goes = join->walked.met[row] == (join->kind == JOIN_SEMI);
        } else {
            bool passes = at < passed_count && join->passed[at] == p;
            at += passes;
            goes = passes && !left_only;
            join->walked.met[row] |= passes;
            if (passes && is_kept_batch)
                join->kept.met[join->pair_kept[p]] = 1;
            else if (passes && join->group.met != NULL)
                join->group.met[join->pair_first_row + join->pair_kept[p]] = 1;
        }
        join->selection[count] = (uint16_t)p;
        count += goes;
    }
    return count;
}

/* The pairs for which the residual is true, into passed[]. */
static enum status pass_pairs(struct fiber *f, struct merge_join *join, uint32_t *count_out) {
    uint32_t count = 0;
    for (uint32_t p = 0; p < join->pair_count; p++) {
        join->passed[count] = (uint16_t)p;
        count += !join->is_mark[p];
    }
    if (join->residual != NULL && count > 0)
        TRY(exec__select(f, join->residual, &join->both, join->passed, count, &join->base.scratch,
                         join->passed, &count));
    *count_out = count;
    return STATUS_OK;
}

/* Marks alone: rows of the walked side's batch. */
static struct batch *put_walked(struct merge_join *join, uint32_t count) {
    const struct merge_side *walked = &join->walked;
    for (uint32_t i = 0; i < count; i++)
        join->selection[i] = join->pair_walked[join->selection[i]];
    for (uint32_t i = 0; i < walked->column_count; i++)
        join->both.vectors[walked->offset + i] = walked->batch->vectors[i];
    return put_out(join, walked->batch->row_count, join->selection, count);
}

enum status exec__merge_put_pairs(struct fiber *f, struct merge_join *join,
                                  struct batch **batch_out) {
    uint32_t count, passed, pairs = join->pair_count;
    bool has_marks = memchr(join->is_mark, 1, pairs) != NULL;
    bool left_only = join_is_left_only(join->kind);
    join->both.row_count = pairs;
    if (join->pair_vectors == NULL) {
        put_nulls(join, &join->kept);
    } else if (has_marks && !left_only) {
        put_copies(join);
    } else {
        put_slices(join, &join->kept, join->pair_vectors, join->pair_kept, pairs);
    }
    put_slices(join, &join->walked, join->walked.batch->vectors, join->pair_walked, pairs);
    TRY(pass_pairs(f, join, &passed));
    count = decide(join, passed);
    join->pair_count = 0;
    join->pair_vectors = NULL;
    if (count > 0)
        *batch_out = left_only
                         ? put_walked(join, count)
                         : put_out(join, pairs, count < pairs ? join->selection : NULL, count);
    return STATUS_OK;
}

/* FULL: rows of the kept side that met nobody. */
static struct batch *put_alone(struct merge_join *join, const struct vector *vectors,
                               uint32_t row_count, uint32_t count) {
    put_nulls(join, &join->walked);
    for (uint32_t i = 0; i < join->kept.column_count; i++)
        join->both.vectors[join->kept.offset + i] = vectors[i];
    return put_out(join, row_count, join->selection, count);
}

struct batch *exec__merge_tell_of_batch(struct merge_join *join) {
    struct merge_side *kept = &join->kept;
    uint32_t count = 0;
    for (uint32_t i = 0; i < kept->count; i++) {
        uint16_t row = kept->keys.rows[i];
        join->selection[count] = row;
        count += !kept->met[row];
        kept->met[row] = 1;
    }
    return count == 0 ? NULL : put_alone(join, kept->batch->vectors, kept->batch->row_count, count);
}

enum status exec__merge_tell_of_group(struct fiber *f, struct merge_join *join,
                                      struct batch **batch_out) {
    struct merge_group *group = &join->group;
    struct merge_part part;
    bool more;
    uint32_t count = 0;
    TRY(exec__merge_group_next(f, join, &part, &more));
    if (!more) {
        join->telling = false;
        exec__merge_group_end(f, join);
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < part.count; i++) {
        join->selection[count] = part.rows[i];
        count += !group->met[group->first_row + i];
    }
    if (count > 0)
        *batch_out = put_alone(join, part.vectors, part.row_count, count);
    return STATUS_OK;
}
