/*
 * AGGREGATE over rows that come group by group: whenever a group begins in a batch, those before it
 * are whole and are handed out, in the order of the rows. The table holds the groups of a batch.
 *
 *     input      a a a b | b b c c d | d e
 *     taken      a a a   | b b b c c | d d e    the rest of a batch waits until the groups in the
 *     rest             b |         d |          table have been handed out
 */
#include <string.h>

#include "exec/exec_aggregate.h"

struct aggregate_stream {
    struct batch rest; /* of the input's batch at hand */
    bool has_rest, has_last, ended;
    uint16_t rows[VECTOR_SIZE];
    struct value *last; /* what tells the last group in the table from others */
    struct arena arena; /* of `last` */
};

enum status exec__aggregate_stream_open(struct aggregate_operator *self, struct arena *arena) {
    self->stream = arena_alloc_zeroed(arena, sizeof *self->stream);
    if (self->stream == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    self->stream->last = arena_alloc_zeroed(arena, self->identity.count * sizeof(struct value));
    self->level = AGGREGATE_LEVELS_MAX; /* nothing is put aside */
    return self->stream->last != NULL ? STATUS_OK
                                      : error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

void exec__aggregate_stream_reset(struct aggregate_operator *self) {
    struct aggregate_stream *stream = self->stream;
    stream->has_rest = stream->has_last = stream->ended = false;
    arena_release(&stream->arena);
    self->level = AGGREGATE_LEVELS_MAX;
}

/* ---- where groups begin ----------------------------------------------------------------------
 */

static const struct vector *key_of(const struct aggregate_operator *self, const struct batch *batch,
                                   uint32_t i) {
    const struct expression *key = self->base.node->aggregate.keys[self->identity.keys[i]];
    ASSERT(key->kind == EXPRESSION_COLUMN);
    return &batch->vectors[key->index];
}

static bool same_group(const struct aggregate_operator *self, const struct batch *batch,
                       uint32_t row, uint32_t other) {
    for (uint32_t i = 0; i < self->identity.count; i++) {
        const struct vector *key = key_of(self, batch, i);
        bool null = vector_is_null(key, row), other_null = vector_is_null(key, other);
        if (null != other_null || (!null && vector_compare(key, row, key, other) != 0))
            return false;
    }
    return true;
}

static bool same_as_last(const struct aggregate_operator *self, const struct batch *batch,
                         uint32_t row) {
    for (uint32_t i = 0; i < self->identity.count; i++) {
        struct value value = vector_get(key_of(self, batch, i), row);
        const struct value *last = &self->stream->last[i];
        if (value.is_null != last->is_null || (!value.is_null && value_compare(&value, last) != 0))
            return false;
    }
    return true;
}

static enum status remember_last(struct aggregate_operator *self, const struct batch *batch) {
    struct aggregate_stream *stream = self->stream;
    uint32_t row = batch_row(batch, batch->selected_count - 1);
    arena_reset(&stream->arena);
    for (uint32_t i = 0; i < self->identity.count; i++) {
        struct value value = vector_get(key_of(self, batch, i), row);
        stream->last[i] = value_copy(&value, &stream->arena);
    }
    stream->has_last = true;
    return arena_status(&stream->arena);
}

/* The first row, by number in the selection, of the batch's last group; 0 if all are of one. */
static uint32_t last_begin(const struct aggregate_operator *self, const struct batch *batch) {
    uint32_t at = batch->selected_count - 1;
    while (at > 0 && same_group(self, batch, batch_row(batch, at), batch_row(batch, at - 1)))
        at--;
    return at;
}

/* ---- taking and giving -----------------------------------------------------------------------
 */

static enum status take_rows(struct fiber *f, struct aggregate_operator *self,
                             const struct batch *batch, uint32_t count) {
    struct batch part = *batch;
    part.selection = batch_rows(batch);
    part.selected_count = count;
    return count > 0 ? exec__aggregate_take(f, self, &part) : STATUS_OK;
}

static void keep_rest(struct aggregate_stream *stream, const struct batch *batch, uint32_t from) {
    uint32_t count = batch->selected_count - from;
    memcpy(stream->rows, batch_rows(batch) + from, count * sizeof *stream->rows);
    stream->rest = *batch;
    stream->rest.selection = stream->rows;
    stream->rest.selected_count = count;
    stream->has_rest = true;
}

/* Fill the empty table until another group begins, or the input ends. */
static enum status fill(struct fiber *f, struct aggregate_operator *self) {
    struct aggregate_stream *stream = self->stream;
    if (stream->has_rest) {
        stream->has_rest = false;
        TRY(take_rows(f, self, &stream->rest, stream->rest.selected_count));
        TRY(remember_last(self, &stream->rest));
    }
    for (;;) {
        struct batch *input;
        arena_reset(&self->base.scratch);
        TRY(exec__next(f, self->base.left, &input));
        stream->ended = input == NULL;
        if (stream->ended)
            return STATUS_OK;
        if (input->selected_count == 0)
            continue;
        uint32_t begin = last_begin(self, input);
        if (begin > 0 || (stream->has_last && !same_as_last(self, input, batch_row(input, 0)))) {
            TRY(take_rows(f, self, input, begin));
            keep_rest(stream, input, begin);
            return STATUS_OK;
        }
        TRY(take_rows(f, self, input, input->selected_count));
        if (!stream->has_last)
            TRY(remember_last(self, input));
    }
}

enum status exec__aggregate_stream_next(struct fiber *f, struct aggregate_operator *self,
                                        struct batch **batch_out) {
    struct aggregate_stream *stream = self->stream;
    *batch_out = NULL;
    while (*batch_out == NULL) {
        uint32_t count = 0;
        if (self->out_begun)
            count = exec__aggregate_next_groups(self, self->groups);
        if (count > 0) {
            TRY(exec__aggregate_give(f, self, count, batch_out));
            continue;
        }
        exec__aggregate_empty(f, self);
        if (stream->ended)
            return STATUS_OK;
        TRY(fill(f, self));
        TRY(exec__aggregate_begin_out(f, self));
    }
    return STATUS_OK;
}
