/*
 * MERGE_JOIN, the walk.
 *
 * Pairs are gathered as row numbers of two batches, one of each side, and go out when there are
 * VECTOR_SIZE of them or one of the batches is to be left: the columns then are the batches' own
 * with other indices. Each turn of the walk ends with what it needs before it can go on.
 */
#include "exec/exec_join_merge.h"

#include <string.h>

enum merge_need {
    NEED_ROOM,   /* pairs are to go out first */
    NEED_WALKED, /* the next batch of the walked side */
    NEED_KEPT,
    NEED_TELLING, /* the group's rows that met nobody are to go out */
    NEED_NOTHING, /* all is done */
};

/* ---- keys ---------------------------------------------------------------------------------- */

int exec__merge_compare(const struct merge_join *join, const struct merge_keys *a, uint32_t at,
                        const struct merge_keys *b, uint32_t bt) {
    const struct plan_node *node = join->base.node;
    for (uint32_t k = 0; k < node->join.key_count; k++) {
        int order;
        if (a->numbers[k] != NULL) {
            int64_t x = a->numbers[k][at], y = b->numbers[k][bt];
            order = (x > y) - (x < y);
        } else {
            order = vector_compare(&a->vectors[k], a->rows[at], &b->vectors[k], b->rows[bt]);
            order = node->join.descending[k] ? -order : order;
        }
        if (order != 0)
            return order;
    }
    return 0;
}

uint32_t exec__merge_run_end(const struct merge_join *join, const struct merge_side *side,
                             uint32_t at) {
    const struct merge_keys *keys = &side->keys;
    uint32_t end = at + 1;
    if (side->unique)
        return end;
    if (join->one_number)
        while (end < side->count && !keys->nulls[end] &&
               keys->numbers[0][end] == keys->numbers[0][at])
            end++;
    else
        while (end < side->count && !keys->nulls[end] &&
               exec__merge_compare(join, keys, end, keys, at) == 0)
            end++;
    return end;
}

#define LOAD(form)                                                                                 \
    do {                                                                                           \
        const form *data = view.data;                                                              \
        for (uint32_t i = 0; i < count; i++)                                                       \
            numbers[i] = data[view.indices[rows[i]]];                                              \
    } while (0)

static void load_numbers(const struct vector *vector, const uint16_t *rows, uint32_t count,
                         bool descending, int64_t *numbers) {
    struct vector_view view = vector_view(vector);
    switch ((enum physical)vector->physical) {
    case PHYSICAL_BOOL:
        LOAD(uint8_t);
        break;
    case PHYSICAL_INT16:
        LOAD(int16_t);
        break;
    case PHYSICAL_INT32:
        LOAD(int32_t);
        break;
    default:
        ASSERT(vector->physical == PHYSICAL_INT64);
        LOAD(int64_t);
        break;
    }
    for (uint32_t i = 0; descending && i < count; i++)
        numbers[i] = ~numbers[i];
}

static enum status load_keys(struct fiber *f, struct merge_join *join, struct merge_side *side) {
    const struct plan_node *node = join->base.node;
    const uint16_t *rows = batch_rows(side->batch);
    struct merge_keys *keys = &side->keys;
    arena_reset(&side->arena);
    keys->rows = rows;
    memset(keys->nulls, 0, side->count);
    for (uint32_t k = 0; k < node->join.key_count; k++) {
        struct vector *vector = &keys->vectors[k];
        TRY(exec__evaluate(f, side->compiled[k], side->batch, rows, side->count, &side->arena,
                           vector));
        if (keys->numbers[k] != NULL)
            load_numbers(vector, rows, side->count, node->join.descending[k], keys->numbers[k]);
        for (uint32_t i = 0; vector->validity != NULL && i < side->count; i++)
            keys->nulls[i] |= vector_is_null(vector, rows[i]);
    }
    return arena_status(&side->arena);
}

static enum status next_batch(struct fiber *f, struct merge_join *join, struct merge_side *side) {
    side->at = side->count = 0;
    TRY(exec__next(f, side->input, &side->batch));
    side->ended = side->batch == NULL;
    if (side->ended)
        return STATUS_OK;
    side->count = side->batch->selected_count;
    memset(side->met, 0, side->batch->row_count);
    return load_keys(f, join, side);
}

/* ---- pairs --------------------------------------------------------------------------------- */

/* The end of the walked row at this position; false: no room. */
static bool put_mark(struct merge_join *join, uint32_t at) {
    if (join->pair_count == VECTOR_SIZE)
        return false;
    join->pair_walked[join->pair_count] = join->walked.keys.rows[at];
    join->pair_kept[join->pair_count] = 0;
    join->is_mark[join->pair_count++] = 1;
    return true;
}

static bool marks_matter(const struct merge_join *join) {
    return join->kind != JOIN_INNER;
}

/* Only the residual tells whether a row has a partner. */
static bool tells_late(const struct merge_join *join) {
    return join->residual != NULL && marks_matter(join);
}

static inline void put_pair(struct merge_join *join, uint16_t row, uint16_t partner) {
    join->pair_walked[join->pair_count] = row;
    join->pair_kept[join->pair_count] = partner;
    join->is_mark[join->pair_count++] = 0;
}

/* Row after row, each with all of the part. False: no room for more. */
static bool pair_rows(struct merge_join *join) {
    const struct merge_part *part = &join->part;
    bool marks = tells_late(join) && merge_group_is_small(&join->group);
    for (; join->run_at < join->run_to; join->run_at++, join->part_at = 0) {
        uint16_t row = join->walked.keys.rows[join->run_at];
        for (; join->part_at < part->count && join->pair_count < VECTOR_SIZE; join->part_at++)
            put_pair(join, row, part->rows[join->part_at]);
        if (join->part_at < part->count || (marks && !put_mark(join, join->run_at)))
            return false;
    }
    return true;
}

/* Partner after partner, each with all rows that have not met any: one is enough. */
static bool pair_partners(struct merge_join *join) {
    const struct merge_part *part = &join->part;
    for (; join->part_at < part->count; join->part_at++, join->run_at = join->run_from)
        for (; join->run_at < join->run_to; join->run_at++) {
            uint16_t row = join->walked.keys.rows[join->run_at];
            if (join->walked.met[row])
                continue;
            if (join->pair_count == VECTOR_SIZE)
                return false;
            put_pair(join, row, part->rows[join->part_at]);
        }
    return true;
}

/* The part's columns become those of the pairs. False: others are there still. */
static bool take_part(struct merge_join *join) {
    if (join->pair_vectors != NULL && join->pair_vectors != join->part.vectors)
        return false;
    join->pair_vectors = join->part.vectors;
    join->pair_first_row = join->group.first_row;
    return true;
}

/* Rows of the run with the group. */
static enum status join_run(struct fiber *f, struct merge_join *join, bool *done_out) {
    bool is_view = join->group.form == MERGE_GROUP_VIEW, late = !merge_group_is_small(&join->group);
    bool left_only = join_is_left_only(join->kind);
    *done_out = false;
    for (;;) {
        if (!join->has_part) {
            if (!is_view && join->pair_count > 0)
                return STATUS_OK;
            TRY(exec__merge_group_next(f, join, &join->part, &join->has_part));
            if (!join->has_part)
                break;
            join->run_at = join->run_from;
            join->part_at = 0;
        }
        if (!take_part(join) || !(left_only ? pair_partners(join) : pair_rows(join)))
            return STATUS_OK;
        join->has_part = false;
    }
    for (; tells_late(join) && (late || left_only) && join->mark_at < join->run_to; join->mark_at++)
        if (!put_mark(join, join->mark_at))
            return STATUS_OK;
    join->walked.at = join->run_to;
    join->in_run = false;
    *done_out = true;
    return STATUS_OK;
}

/* ---- the walk ------------------------------------------------------------------------------ */

/* Walked rows that have the group's key, from the next one on. */
static void begin_run(struct merge_join *join) {
    join->run_from = join->mark_at = join->walked.at;
    join->run_to = exec__merge_run_end(join, &join->walked, join->run_from);
    join->in_run = true;
    join->has_part = false;
    exec__merge_group_rewind(&join->group);
}

/* The rows up to position `to` have no partner. False: no room for all of them. */
static bool leave_alone(struct merge_join *join, uint32_t to) {
    struct merge_side *walked = &join->walked;
    if (join->kind == JOIN_INNER || join->kind == JOIN_SEMI)
        walked->at = to;
    while (walked->at < to) {
        if (!put_mark(join, walked->at))
            return false;
        walked->at++;
    }
    return true;
}

/* No residual: that the kept side has the key decides about the walked row. False: no room. */
static bool decide_by_key(struct merge_join *join) {
    struct merge_side *walked = &join->walked;
    uint32_t to = exec__merge_run_end(join, walked, walked->at);
    if (join->kind == JOIN_ANTI)
        walked->at = to;
    for (; walked->at < to; walked->at++) {
        walked->met[walked->keys.rows[walked->at]] = 1;
        if (!put_mark(join, walked->at))
            return false;
    }
    return true;
}

/* The kept side's next row is the only one with its keys: no group is needed. False: no room. */
static bool pair_with_next(struct merge_join *join) {
    struct merge_side *walked = &join->walked;
    const struct merge_side *kept = &join->kept;
    bool marks = tells_late(join);
    if ((join->pair_vectors != NULL && join->pair_vectors != kept->batch->vectors) ||
        join->pair_count + 2 > VECTOR_SIZE)
        return false;
    join->pair_vectors = kept->batch->vectors;
    put_pair(join, walked->keys.rows[walked->at], kept->keys.rows[kept->at]);
    walked->at++;
    return !marks || put_mark(join, walked->at - 1);
}

/* All pairs of one key whose rows lie within both batches: what is mostly so. False: not so, or
   there is no room for all of them; nothing is done. */
static bool pair_at_once(struct merge_join *join) {
    struct merge_side *walked = &join->walked, *kept = &join->kept;
    uint32_t walked_end = exec__merge_run_end(join, walked, walked->at);
    uint32_t kept_end = exec__merge_run_end(join, kept, kept->at);
    uint32_t rows = walked_end - walked->at, partners = kept_end - kept->at;
    bool marks = tells_late(join);
    if (walked_end == walked->count || kept_end == kept->count ||
        join->pair_count + rows * (partners + marks) > VECTOR_SIZE ||
        (join->pair_vectors != NULL && join->pair_vectors != kept->batch->vectors))
        return false;
    join->pair_vectors = kept->batch->vectors;
    for (; walked->at < walked_end; walked->at++) {
        for (uint32_t k = kept->at; k < kept_end; k++)
            put_pair(join, walked->keys.rows[walked->at], kept->keys.rows[k]);
        if (marks)
            put_mark(join, walked->at);
    }
    kept->at = kept_end;
    return true;
}

static inline int order_of_next(const struct merge_join *join) {
    const struct merge_side *walked = &join->walked, *kept = &join->kept;
    if (!join->one_number)
        return exec__merge_compare(join, &walked->keys, walked->at, &kept->keys, kept->at);
    int64_t a = walked->keys.numbers[0][walked->at], b = kept->keys.numbers[0][kept->at];
    return (a > b) - (a < b);
}

/* To the next rows with equal keys, in the batches at hand. *found_out false: not there; then
   either side is at its batch's end, unless there was no room. */
static bool seek(struct merge_join *join, bool *found_out) {
    struct merge_side *walked = &join->walked, *kept = &join->kept;
    *found_out = false;
    while (walked->at < walked->count && kept->at < kept->count) {
        if (kept->keys.nulls[kept->at]) {
            kept->at++;
            continue;
        }
        int order = walked->keys.nulls[walked->at] ? -1 : order_of_next(join);
        if (order > 0) {
            kept->at++;
        } else if (order < 0) {
            if (!leave_alone(join, walked->at + 1))
                return false;
        } else if (join_is_left_only(join->kind) && join->residual == NULL) {
            if (!decide_by_key(join))
                return false;
        } else if (kept->unique) {
            if (!pair_with_next(join))
                return false;
        } else if (!pair_at_once(join)) {
            *found_out = true;
            return true;
        }
    }
    return true;
}

/* Does the next walked row have the group's key? */
static bool meets_group(const struct merge_join *join) {
    const struct merge_group *group = &join->group;
    const struct merge_side *walked = &join->walked;
    bool is_view = group->form == MERGE_GROUP_VIEW;
    return !walked->keys.nulls[walked->at] &&
           exec__merge_compare(join, &walked->keys, walked->at,
                               is_view ? &join->kept.keys : &group->keys,
                               is_view ? group->from : 0) == 0;
}

/* The group's key has been passed. */
static enum merge_need leave_group(struct fiber *f, struct merge_join *join) {
    struct merge_group *group = &join->group;
    bool tells = group->met != NULL;
    if (join->pair_count > 0 && group->form != MERGE_GROUP_VIEW)
        return NEED_ROOM;
    if (tells && !join->telling)
        exec__merge_group_rewind(group);
    join->telling = tells;
    if (tells)
        return NEED_TELLING;
    exec__merge_group_end(f, join);
    return NEED_NOTHING;
}

/* One of the sides has no more rows. */
static bool at_end(struct merge_join *join, enum merge_need *need_out) {
    struct merge_side *walked = &join->walked, *kept = &join->kept;
    *need_out = NEED_NOTHING;
    if (walked->ended && join->group.form == MERGE_GROUP_NONE) {
        if (join->kind != JOIN_FULL || kept->ended)
            return true;
        kept->at = kept->count;
        *need_out = NEED_KEPT;
        return true;
    }
    if (kept->ended && join->group.form == MERGE_GROUP_NONE) {
        if (join->kind == JOIN_INNER || join->kind == JOIN_SEMI)
            return true;
        *need_out = leave_alone(join, walked->count) ? NEED_WALKED : NEED_ROOM;
        return true;
    }
    return false;
}

static enum status walk(struct fiber *f, struct merge_join *join, enum merge_need *need_out) {
    struct merge_side *walked = &join->walked, *kept = &join->kept;
    struct merge_group *group = &join->group;
    for (;;) {
        bool done;
        *need_out = NEED_ROOM;
        if (group->form == MERGE_GROUP_GROWS) {
            if (!kept->ended && kept->at == kept->count) {
                *need_out = NEED_KEPT;
                return STATUS_OK;
            }
            TRY(exec__merge_group_grow(f, join));
            continue;
        }
        if (join->in_run) {
            TRY(join_run(f, join, &done));
            if (!done)
                return STATUS_OK;
            continue;
        }
        if (!walked->ended && walked->at == walked->count) {
            *need_out = NEED_WALKED;
            return STATUS_OK;
        }
        if (group->form != MERGE_GROUP_NONE) {
            if (!walked->ended && !join->telling && meets_group(join)) {
                begin_run(join);
                continue;
            }
            *need_out = leave_group(f, join);
            if (*need_out != NEED_NOTHING)
                return STATUS_OK;
            continue;
        }
        if (at_end(join, need_out))
            return STATUS_OK;
        if (kept->at == kept->count) {
            *need_out = NEED_KEPT;
            return STATUS_OK;
        }
        bool found;
        if (!seek(join, &found))
            return STATUS_OK;
        if (found)
            TRY(exec__merge_group_begin(f, join));
    }
}

/* ---- the operator -------------------------------------------------------------------------- */

static enum status merge_join_next(struct fiber *f, struct operator_state *base,
                                   struct batch **batch_out) {
    struct merge_join *join = (struct merge_join *)base;
    *batch_out = NULL;
    while (*batch_out == NULL) {
        enum merge_need need;
        TRY(fiber_check(f));
        TRY(walk(f, join, &need));
        if (join->pair_count > 0) {
            TRY(exec__merge_put_pairs(f, join, batch_out));
            continue;
        }
        if (need == NEED_KEPT && join->kind == JOIN_FULL)
            *batch_out = exec__merge_tell_of_batch(join);
        if (*batch_out != NULL)
            return STATUS_OK;
        if (need == NEED_NOTHING)
            return STATUS_OK;
        if (need == NEED_TELLING)
            TRY(exec__merge_tell_of_group(f, join, batch_out));
        else if (need != NEED_ROOM)
            TRY(next_batch(f, join, need == NEED_WALKED ? &join->walked : &join->kept));
    }
    return STATUS_OK;
}

static void forget_side(struct merge_side *side) {
    side->batch = NULL;
    side->ended = false;
    side->at = side->count = 0;
    arena_release(&side->arena);
}

static void forget(struct fiber *f, struct merge_join *join) {
    exec__merge_group_end(f, join);
    arena_release(&join->group.arena);
    arena_release(&join->group.key_arena);
    forget_side(&join->walked);
    forget_side(&join->kept);
    join->in_run = join->has_part = join->telling = false;
    join->pair_count = 0;
    join->pair_vectors = NULL;
}

static enum status merge_join_reset(struct fiber *f, struct operator_state *base) {
    forget(f, (struct merge_join *)base);
    TRY(exec__reset(f, base->left));
    return exec__reset(f, base->right);
}

static void merge_join_close(struct fiber *f, struct operator_state *base) {
    forget(f, (struct merge_join *)base);
}

/* ---- open ---------------------------------------------------------------------------------- */

static bool walks_right(const struct plan_node *node) {
    enum join_kind kind = node->join.kind;
    return join_from_right(kind) != kind ||
           (node->join.keeps_left && (kind == JOIN_INNER || kind == JOIN_FULL));
}

static enum status open_side(struct merge_join *join, struct merge_side *side, bool is_right) {
    const struct plan_node *node = join->base.node;
    struct exec_local *local = join->base.local;
    struct arena *arena = join->base.execution->environment.arena;
    struct expression *const *keys = is_right ? node->join.right_keys : node->join.left_keys;
    uint32_t count = node->join.key_count;
    side->input = is_right ? join->base.right : join->base.left;
    side->offset = is_right ? node->left->column_count : 0;
    side->column_count = side->input->node->column_count;
    side->unique = is_right ? node->join.right_unique : node->join.left_unique;
    side->compiled = ARENA_ARRAY(arena, struct compiled *, count + 1);
    side->keys.vectors = ARENA_ARRAY(arena, struct vector, count + 1);
    side->keys.numbers = ARENA_ARRAY(arena, int64_t *, count + 1);
    side->keys.nulls = ARENA_ARRAY(arena, uint8_t, VECTOR_SIZE);
    side->own_vectors = ARENA_ARRAY(arena, struct vector, side->column_count + 1);
    if (side->own_vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t k = 0; k < count; k++) {
        side->keys.vectors[k].type = keys[k]->type;
        if (type_physical(keys[k]->type) <= PHYSICAL_INT64)
            side->keys.numbers[k] = ARENA_ARRAY(arena, int64_t, VECTOR_SIZE);
        TRY(exec__compile(local, keys[k], &side->compiled[k]));
    }
    return arena_status(arena);
}

static enum status make_vectors(struct merge_join *join, struct arena *arena) {
    const struct plan_node *node = join->base.node;
    const struct merge_side *kept = &join->kept;
    uint32_t total = node->left->column_count + node->right->column_count;
    join->wanted = ARENA_ARRAY(arena, uint8_t, total + 1);
    join->both.vectors = ARENA_ARRAY(arena, struct vector, total + 1);
    join->output.vectors = ARENA_ARRAY(arena, struct vector, node->column_count + 1);
    if (join->wanted == NULL || join->both.vectors == NULL || join->output.vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    join->both.column_count = total;
    join->output.column_count = node->column_count;
    for (uint32_t i = 0; i < node->column_count; i++)
        join->wanted[node->join.output[i]] = 1;
    exec__mark_columns(node->join.residual, join->wanted, total);
    for (uint32_t i = 0; i < kept->column_count && !join_is_left_only(join->kind); i++)
        if (join->wanted[kept->offset + i] && marks_matter(join))
            vector_init(&kept->own_vectors[i], kept->input->node->columns[i].type, arena);
    return arena_status(arena);
}

enum status exec__open_merge_join(struct fiber *f, struct execution *execution,
                                  const struct plan_node *node,
                                  struct operator_state **operator_out) {
    static const struct operator_functions functions = {merge_join_next, merge_join_reset,
                                                        merge_join_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct merge_join), &functions,
                           operator_out));
    struct merge_join *join = (struct merge_join *)*operator_out;
    bool right = walks_right(node);
    join->kind = join_from_right(node->join.kind);
    join->one_number =
        node->join.key_count == 1 && type_physical(node->join.left_keys[0]->type) <= PHYSICAL_INT64;
    TRY(open_side(join, &join->walked, right));
    TRY(open_side(join, &join->kept, !right));
    TRY(make_vectors(join, execution->environment.arena));
    if (node->join.residual != NULL)
        TRY(exec__compile(join->base.local, node->join.residual, &join->residual));
    return exec__merge_group_open(join);
}
