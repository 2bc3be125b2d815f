/*
 * TABLE_SCAN: rows of a table, partition by partition, whole or through an index.
 *
 * Opening, stepping and closing a storage scan happen inside partition_call, which is a plain call
 * when the partition lives on this core; only rows of cold blocks are read here wherever it lives.
 * One storage scan is open at a time; a few where another core has to be called, which steps all of
 * them at once; and all when the parent relies on the index order, to be merged row by row.
 *
 *   streams: (partition, IN value) pairs, one after the other; merged scans have no IN values. One
 * of several workers (exec_parallel.h) has one stream at a time, the share that it took last; one
 * worker alone has all.
 */
#include <string.h>

#include "exec/exec_parallel.h"
#include "exec/exec_scan_test.h"
#include "exec/exec_state.h"
#include "table/table_virtual.h"

enum { MERGED_FIRST = 16, STREAM_FIRST = 4 };   /* rows */
enum { STREAMS_AHEAD = 8, COLUMNS_AHEAD = 64 }; /* open at once where a call is necessary; of all */

struct stream {
    unsigned partition;
    uint32_t any;                    /* which of the IN values */
    uint32_t first_range, end_range; /* as in table_scan_options */
    struct table_scan *scan;
    struct batch *next;  /* read, to be given out */
    struct batch *batch; /* merged: the one at hand */
    uint32_t at;         /* merged: next row of it */
    struct arena arena;
    bool done; /* all read */
};

struct scan_operator {
    struct operator_state base;
    struct table_context context;
    struct table_scan_options options;
    struct table_scan_habit habit;
    int16_t *column_numbers; /* the node's, then index columns needed for merging */
    struct compiled *filter;
    struct compiled *index_filter; /* the index condition, where all rows are read after all */
    struct compiled *rest; /* what both leave to be evaluated on tested rows; NULL: nothing */
    bool has_rest, tested; /* some of both are tests; all were made on the rows at hand */
    uint16_t *selection;
    struct batch batch;
    bool prepared, empty, merge, unique_done;
    struct value *bounds; /* equal, then lower, upper */
    struct value *any;
    uint32_t any_count;
    struct stream *streams;
    uint32_t stream_count, stream_at;
    struct batch merged;     /* rows copied from the streams */
    uint32_t merged_max;     /* in the next batch: few at first, for a LIMIT may need no more */
    uint32_t *merge_columns; /* output positions of the index columns */
    struct arena bound_arena;
};

/* ---- streams ----------------------------------------------------------------------------- */

/* What is done inside partition_call. */
struct scan_step {
    struct scan_operator *self;
    struct stream *stream;
};

static enum status stream_open(struct fiber *f, struct scan_operator *self, struct stream *stream,
                               struct partition *partition) {
    struct table_context context = self->context;
    struct table_scan_options options = self->options;
    context.arena = &stream->arena;
    options.first_range = stream->first_range;
    options.end_range = stream->end_range;
    if (self->any_count > 0) {
        /* The IN value is one more equality. */
        struct value *equal =
            arena_alloc(&stream->arena, (options.equal_count + 1) * sizeof *equal);
        if (equal == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        memcpy(equal, options.equal, options.equal_count * sizeof *equal);
        equal[options.equal_count++] = self->any[stream->any];
        options.equal = equal;
    }
    return table_scan_open(f, &context, self->base.node->scan.table, partition, &options,
                           &stream->scan);
}

static enum status step_close(struct fiber *f, struct partition *partition, void *argument) {
    struct scan_step *step = argument;
    struct table_scan_figures figures;
    table_scan_figures(step->stream->scan, &figures);
    table_scan_close(f, step->stream->scan);
    step->stream->scan = NULL;
    if (step->self->options.index == NULL)
        exec__count_scanned(&step->self->base, &figures);
    return STATUS_OK;
}

/* Rows, or a block's rows are next, or it is done and closed. */
static enum status step_one(struct fiber *f, struct partition *partition, void *argument) {
    struct scan_step *step = argument;
    struct stream *stream = step->stream;
    if (stream->scan == NULL)
        TRY(stream_open(f, step->self, stream, partition));
    TRY(table_scan_next(f, stream->scan, &stream->next));
    if (stream->next != NULL || table_scan_is_in_block(stream->scan))
        return STATUS_OK;
    stream->done = true;
    fiber_shield(f);
    enum status status = step_close(f, partition, argument);
    fiber_unshield(f);
    return status;
}

/* Of one stream, as its partition's core has it. */
static enum status stream_step(struct fiber *f, struct scan_operator *self, struct stream *stream) {
    struct scan_step step = {self, stream};
    return partition_call(f, self->context.store, stream->partition, step_one, &step);
}

/* What can be had without the partition's core; NULL: nothing before the next step. */
static enum status stream_at_hand(struct fiber *f, struct scan_operator *self,
                                  struct stream *stream, struct batch **batch_out) {
    *batch_out = stream->next;
    stream->next = NULL;
    if (*batch_out == NULL && stream->scan != NULL && table_scan_is_in_block(stream->scan))
        TRY(table_scan_next_in_block(f, stream->scan, batch_out));
    self->tested = *batch_out != NULL && self->has_rest && table_scan_has_tested(stream->scan);
    return STATUS_OK;
}

static enum status stream_next(struct fiber *f, struct scan_operator *self, struct stream *stream,
                               struct batch **batch_out) {
    TRY(stream_at_hand(f, self, stream, batch_out));
    while (*batch_out == NULL && !stream->done) {
        TRY(stream_step(f, self, stream));
        TRY(stream_at_hand(f, self, stream, batch_out));
    }
    return STATUS_OK;
}

static void stream_close(struct fiber *f, struct scan_operator *self, struct stream *stream) {
    if (stream->scan != NULL) {
        struct scan_step step = {self, stream};
        fiber_shield(f);
        enum status status =
            partition_call(f, self->context.store, stream->partition, step_close, &step);
        fiber_unshield(f);
        ASSERT(status == STATUS_OK);
    }
    arena_release(&stream->arena);
}

/* ---- bounds ------------------------------------------------------------------------------ */

static enum status bound(struct fiber *f, struct scan_operator *self,
                         const struct expression *expression, struct value *out) {
    struct value value;
    TRY(exec__scalar(f, self->base.local, expression, NULL, &self->base.scratch, &value));
    *out = value_copy(&value, &self->bound_arena);
    out->type = expression->type;
    if (value.is_null)
        self->empty = true;
    return STATUS_OK;
}

static enum status find_bounds(struct fiber *f, struct scan_operator *self) {
    const struct plan_node *node = self->base.node;
    arena_reset(&self->bound_arena);
    self->empty = false;
    for (uint32_t i = 0; i < node->scan.equal_count; i++)
        TRY(bound(f, self, node->scan.equal[i], &self->bounds[i]));
    struct value *range = self->bounds + node->scan.equal_count;
    self->options.equal = self->bounds;
    self->options.equal_count = node->scan.equal_count;
    self->options.lower = self->options.upper = NULL;
    if (node->scan.lower != NULL) {
        TRY(bound(f, self, node->scan.lower, &range[0]));
        self->options.lower = &range[0];
    }
    if (node->scan.upper != NULL) {
        TRY(bound(f, self, node->scan.upper, &range[1]));
        self->options.upper = &range[1];
    }
    bool empty = self->empty;
    self->any_count = 0;
    for (uint32_t i = 0; i < node->scan.any_count; i++) {
        struct value *value = &self->any[self->any_count];
        TRY(bound(f, self, node->scan.any[i], value));
        bool known = !value->is_null;
        for (uint32_t k = 0; known && k < self->any_count; k++)
            known = exec__value_order(&self->any[k], value) != 0;
        self->any_count += known;
    }
    self->empty = empty || (node->scan.any_count > 0 && self->any_count == 0);
    return arena_status(&self->bound_arena);
}

static uint64_t partitions_of(struct scan_operator *self, uint32_t any) {
    const struct table *table = self->base.node->scan.table;
    struct table_scan_options options = self->options;
    struct value equal[INDEX_COLUMNS_MAX];
    if (options.index == NULL)
        return table_partitions(self->context.store, table);
    if (self->any_count > 0) {
        memcpy(equal, options.equal, options.equal_count * sizeof *equal);
        equal[options.equal_count++] = self->any[any];
        options.equal = equal;
    }
    return table_scan_partitions(self->context.store, table, &options);
}

bool exec__scan_may_refuse_index(const struct plan_node *node) {
    return node->scan.index != NULL && !node->scan.ordered && node->scan.any_count == 0 &&
           node->scan.index_condition != NULL && !node->scan.table->on_catalog_partition &&
           (node->scan.lower != NULL || node->scan.upper != NULL);
}

/* The bounds are known now, and what lies between them: many more rows than the planner thought may
   have come since ANALYZE, or with a parameter. Then all rows are read, as it would have chosen. */
static enum status reconsider_index(struct fiber *f, struct scan_operator *self) {
    const struct plan_node *node = self->base.node;
    struct table_context context = self->context;
    uint64_t entries;
    self->options.index = node->scan.index;
    if (self->empty || !exec__scan_may_refuse_index(node))
        return STATUS_OK;
    context.arena = &self->bound_arena;
    TRY(table_scan_estimate(f, &context, node->scan.table, &self->options, &entries));
    if ((double)entries <= node->scan.entries_max)
        return STATUS_OK;
    self->options.index = NULL;
    exec__note_refused_index(&self->base, entries);
    if (self->selection == NULL)
        self->selection =
            arena_alloc(self->base.execution->environment.arena, VECTOR_SIZE * sizeof(uint16_t));
    if (self->selection == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    return self->index_filter != NULL
               ? STATUS_OK
               : exec__compile(self->base.local, node->scan.index_condition, &self->index_filter);
}

enum status exec__scan_refuses_index(struct fiber *f, struct operator_state *base,
                                     bool *refuses_out) {
    struct scan_operator *self = (struct scan_operator *)base;
    ASSERT(base->node->kind == NODE_TABLE_SCAN && !self->prepared);
    TRY(find_bounds(f, self));
    TRY(reconsider_index(f, self));
    *refuses_out = !self->empty && self->options.index == NULL;
    return STATUS_OK;
}

static bool note_column(const struct expression *expression, void *context) {
    bool *for_tests = context;
    if (expression->kind == EXPRESSION_COLUMN)
        for_tests[expression->index] = false;
    return false;
}

/* What rows that have gone through all tests still have to pass, and which columns that does not
   read. The same each time that no index is used. */
static enum status compile_rest(struct scan_operator *self, const struct exec_scan_rest *rest) {
    const struct plan_node *node = self->base.node;
    struct arena *arena = self->base.execution->environment.arena;
    if (self->has_rest || rest->tested_count == 0)
        return STATUS_OK;
    self->has_rest = true;
    bool *for_tests = arena_alloc_zeroed(arena, self->options.column_count);
    if (for_tests == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < node->scan.test_column_count; i++)
        for_tests[node->column_count - 1 - i] = true;
    self->options.for_tests = for_tests;
    if (rest->count == 0)
        return STATUS_OK;
    struct expression *all = arena_alloc(arena, sizeof *all);
    struct expression **conjuncts = arena_alloc(arena, rest->count * sizeof *conjuncts);
    if (all == NULL || conjuncts == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memcpy(conjuncts, rest->conjuncts, rest->count * sizeof *conjuncts);
    *all = (struct expression){.kind = EXPRESSION_AND,
                               .type = conjuncts[0]->type,
                               .location = -1,
                               .argument_count = rest->count,
                               .arguments = conjuncts};
    for (uint32_t i = 0; i < rest->count; i++)
        expression_walk(conjuncts[i], note_column, for_tests);
    return exec__compile(self->base.local, rest->count == 1 ? conjuncts[0] : all, &self->rest);
}

static enum status prepare(struct fiber *f, struct scan_operator *self) {
    TRY(find_bounds(f, self));
    TRY(reconsider_index(f, self));
    struct exec_scan_rest rest;
    TRY(exec__scan_tests(f, self->base.local, self->base.node, &self->bound_arena, &self->options,
                         &rest));
    if (self->options.index == NULL)
        TRY(compile_rest(self, &rest));
    self->prepared = true;
    self->stream_count = self->stream_at = 0;
    if (self->empty)
        return STATUS_OK;
    unsigned partitions = store_partition_count(self->context.store);
    uint32_t values = self->any_count > 0 ? self->any_count : 1;
    self->streams =
        arena_alloc(&self->bound_arena, (size_t)values * partitions * sizeof *self->streams);
    if (self->streams == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (self->base.execution->is_worker)
        return STATUS_OK; /* see take_shares */
    for (uint32_t v = 0; v < values; v++) {
        uint64_t set = partitions_of(self, v);
        for (unsigned p = 0; p < partitions; p++)
            if (p < 64 ? set >> p & 1 : set == UINT64_MAX)
                self->streams[self->stream_count++] = (struct stream){.partition = p, .any = v};
    }
    self->merge = self->base.node->scan.ordered && self->stream_count > 1;
    self->merged_max = MERGED_FIRST;
    self->options.first_rows = self->merge ? STREAM_FIRST : 0;
    return STATUS_OK;
}

/* ---- merging ----------------------------------------------------------------------------- */

/* Should stream a's row come before stream b's? */
static bool comes_before(const struct scan_operator *self, const struct stream *a,
                         const struct stream *b) {
    const struct index *index = self->options.index;
    for (uint32_t i = 0; i < index->column_count; i++) {
        uint32_t column = self->merge_columns[i];
        const struct vector *x = &a->batch->vectors[column], *y = &b->batch->vectors[column];
        uint32_t row_x = batch_row(a->batch, a->at), row_y = batch_row(b->batch, b->at);
        bool null_x = vector_is_null(x, row_x), null_y = vector_is_null(y, row_y);
        int order;
        if (null_x || null_y) {
            if (null_x && null_y)
                continue;
            order = null_x ? 1 : -1;
            if (index->columns[i].nulls_first)
                order = -order;
        } else {
            order = vector_compare(x, row_x, y, row_y);
            if (index->columns[i].descending)
                order = -order;
        }
        if (order != 0)
            return self->options.backward ? order > 0 : order < 0;
    }
    return a->partition < b->partition;
}

/* Make sure the stream stands on a row, or is done. */
static enum status stream_fill(struct fiber *f, struct scan_operator *self, struct stream *stream) {
    while (!stream->done &&
           (stream->batch == NULL || stream->at == stream->batch->selected_count)) {
        TRY(stream_next(f, self, stream, &stream->batch));
        stream->at = 0;
    }
    return STATUS_OK;
}

static enum status next_merged(struct fiber *f, struct scan_operator *self,
                               struct batch **batch_out) {
    uint32_t count = 0;
    batch_reset(&self->merged);
    while (count < self->merged_max) {
        struct stream *best = NULL;
        for (uint32_t i = 0; i < self->stream_count; i++) {
            struct stream *stream = &self->streams[i];
            TRY(stream_fill(f, self, stream));
            if (!stream->done && (best == NULL || comes_before(self, stream, best)))
                best = stream;
        }
        if (best == NULL)
            break;
        uint16_t row = (uint16_t)batch_row(best->batch, best->at++);
        for (uint32_t c = 0; c < self->merged.column_count; c++)
            vector_copy(&self->merged.vectors[c], count, &best->batch->vectors[c], &row, 1,
                        &self->base.scratch);
        count++;
    }
    self->merged_max = self->merged_max < VECTOR_SIZE ? self->merged_max * 2 : VECTOR_SIZE;
    batch_set_count(&self->merged, count);
    *batch_out = count > 0 ? &self->merged : NULL;
    return STATUS_OK;
}

/* A worker's next stream, or all of them where it is alone. What it begins it has at home. */
static bool take_shares(struct fiber *f, struct scan_operator *self) {
    struct store *store = self->context.store;
    struct scan_shares *shares = self->base.execution->shares;
    struct scan_share share;
    unsigned current = self->stream_count > 0 ? self->streams[0].partition : PARTITIONS_MAX;
    self->stream_at = self->stream_count = 0;
    if (!self->base.execution->is_worker)
        return false;
    do {
        if (!exec__scan_share_take(f, store, shares, current, &share))
            break;
        if (share.is_first)
            store_bring(f, store, share.partition);
        self->streams[self->stream_count++] = (struct stream){
            .partition = share.partition, .first_range = share.first, .end_range = share.end};
    } while (shares->alone);
    return self->stream_count > 0;
}

/* Behind the last stream that may be open. Each scan has room for a vector of every column. */
static uint32_t window_end(const struct scan_operator *self) {
    size_t most = COLUMNS_AHEAD / (self->options.column_count + 1);
    uint32_t open = most == 0 ? 1 : most < STREAMS_AHEAD ? (uint32_t)most : STREAMS_AHEAD;
    uint32_t left = self->stream_count - self->stream_at;
    return self->stream_at + (left < open ? left : open);
}

/* A step of every stream that is open, and of some that follow: whoever has to call another core
   for one has all that live there stepped by the same call. */
static enum status step_there(struct fiber *f, void *argument) {
    struct scan_operator *self = argument;
    const struct store *store = self->context.store;
    uint32_t end = window_end(self);
    for (uint32_t i = self->stream_at; i < end; i++) {
        struct stream *stream = &self->streams[i];
        if (stream->done || partition_core(store, stream->partition) != fiber_core(f))
            continue;
        TRY(stream_step(f, self, stream));
    }
    return STATUS_OK;
}

/* Nothing is at hand. */
static enum status step(struct fiber *f, struct scan_operator *self) {
    struct stream *stream = &self->streams[self->stream_at];
    unsigned core = partition_core(self->context.store, stream->partition);
    return core == fiber_core(f) ? stream_step(f, self, stream)
                                 : core_call(f, core, step_there, self);
}

static enum status next_in_turn(struct fiber *f, struct scan_operator *self,
                                struct batch **batch_out) {
    *batch_out = NULL;
    while (self->stream_at < self->stream_count || take_shares(f, self)) {
        struct stream *stream = &self->streams[self->stream_at];
        uint32_t end = window_end(self);
        for (uint32_t i = self->stream_at; i < end && *batch_out == NULL; i++)
            TRY(stream_at_hand(f, self, &self->streams[i], batch_out));
        if (*batch_out != NULL)
            return STATUS_OK;
        if (!stream->done) {
            TRY(step(f, self));
            continue;
        }
        stream_close(f, self, stream);
        self->stream_at++;
    }
    return STATUS_OK;
}

/* All columns of a unique index are given: one lookup instead of a scan. */
static enum status next_unique(struct fiber *f, struct scan_operator *self,
                               struct batch **batch_out) {
    const struct plan_node *node = self->base.node;
    struct arena *arena = &self->base.scratch;
    struct table_context context = self->context;
    struct row_address address;
    uint32_t count = node->column_count, stored = 0;
    bool found;
    *batch_out = NULL;
    if (self->unique_done)
        return STATUS_OK;
    self->unique_done = true;
    TRY(find_bounds(f, self));
    if (self->empty)
        return STATUS_OK;
    struct value *values = arena_alloc(arena, (count + 1) * sizeof *values);
    int16_t *numbers = arena_alloc(arena, (count + 1) * sizeof *numbers);
    struct vector *vectors = arena_alloc_zeroed(arena, (count + 1) * sizeof *vectors);
    if (values == NULL || numbers == NULL || vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        if (node->scan.column_numbers[i] > 0)
            numbers[stored++] = node->scan.column_numbers[i];
    context.arena = arena;
    TRY(table_get_unique(f, &context, node->scan.table, node->scan.index, self->bounds, numbers,
                         stored, &found, &address, values));
    if (!found)
        return STATUS_OK;
    for (uint32_t i = count; i-- > 0;) {
        int16_t number = node->scan.column_numbers[i];
        values[i] = number > 0    ? values[--stored]
                    : number == 0 ? value_int8(row_address_pack(address))
                                  : value_oid(node->scan.table->oid);
        values[i].type = node->columns[i].type;
        vector_init_constant(&vectors[i], &values[i], arena);
    }
    self->batch = (struct batch){.vectors = vectors, .column_count = count};
    batch_set_count(&self->batch, 1);
    if (self->filter != NULL) {
        uint32_t kept;
        TRY(exec__select(f, self->filter, &self->batch, vector_identity, 1, arena, self->selection,
                         &kept));
        exec__count_removed(&self->base, 1 - kept);
        if (kept == 0)
            return STATUS_OK;
    }
    *batch_out = &self->batch;
    return STATUS_OK;
}

/* Of the batch at hand, the rows for which the condition is true. */
static enum status keep_selected(struct fiber *f, struct scan_operator *self,
                                 struct compiled *condition, uint32_t *count) {
    TRY(exec__select(f, condition, &self->batch, batch_rows(&self->batch), *count,
                     &self->base.scratch, self->selection, count));
    self->batch.selection = self->selection;
    self->batch.selected_count = *count;
    return STATUS_OK;
}

static enum status scan_next(struct fiber *f, struct operator_state *base,
                             struct batch **batch_out) {
    struct scan_operator *self = (struct scan_operator *)base;
    if (base->node->scan.is_unique && base->node->scan.any_count == 0)
        return next_unique(f, self, batch_out);
    if (!self->prepared)
        TRY(prepare(f, self));
    for (;;) {
        struct batch *batch;
        TRY(fiber_check(f));
        TRY(self->merge ? next_merged(f, self, &batch) : next_in_turn(f, self, &batch));
        *batch_out = NULL;
        if (batch == NULL)
            return STATUS_OK;
        uint32_t count = batch->selected_count;
        self->batch = *batch;
        self->batch.column_count = base->node->column_count;
        if (self->tested && self->rest != NULL)
            TRY(keep_selected(f, self, self->rest, &count));
        if (!self->tested && self->index_filter != NULL && self->options.index == NULL)
            TRY(keep_selected(f, self, self->index_filter, &count));
        if (!self->tested && self->filter != NULL)
            TRY(keep_selected(f, self, self->filter, &count));
        exec__count_removed(base, batch->selected_count - count);
        if (count > 0) {
            *batch_out = &self->batch;
            return STATUS_OK;
        }
        arena_reset(&base->scratch);
    }
}

static void close_streams(struct fiber *f, struct scan_operator *self) {
    for (uint32_t i = self->stream_at; i < self->stream_count; i++)
        stream_close(f, self, &self->streams[i]);
    self->stream_count = self->stream_at = 0;
}

void exec__scan_exhaust(struct operator_state *base) {
    struct scan_operator *self = (struct scan_operator *)base;
    ASSERT(base->node->kind == NODE_TABLE_SCAN && !self->prepared);
    self->prepared = true;
    self->merge = false;
    self->stream_count = self->stream_at = 0;
}

static enum status scan_reset(struct fiber *f, struct operator_state *base) {
    struct scan_operator *self = (struct scan_operator *)base;
    close_streams(f, self);
    self->prepared = self->unique_done = false;
    return STATUS_OK;
}

static void scan_close(struct fiber *f, struct operator_state *base) {
    struct scan_operator *self = (struct scan_operator *)base;
    close_streams(f, self);
    arena_release(&self->bound_arena);
}

/* ---- open -------------------------------------------------------------------------------- */

/* The columns to read: the node's, and for merging the index's. */
static enum status choose_columns(struct execution *execution, struct scan_operator *self) {
    const struct plan_node *node = self->base.node;
    struct arena *arena = execution->environment.arena;
    uint32_t count = node->column_count, extra = 0;
    const struct index *index = node->scan.index;
    if (index != NULL && node->scan.ordered)
        extra = index->column_count;
    self->column_numbers = arena_alloc(arena, (count + extra + 1) * sizeof(int16_t));
    self->merge_columns = arena_alloc(arena, (extra + 1) * sizeof(uint32_t));
    struct type *types = arena_alloc(arena, (count + extra + 1) * sizeof *types);
    if (self->column_numbers == NULL || self->merge_columns == NULL || types == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        self->column_numbers[i] = node->scan.column_numbers[i];
        types[i] = node->columns[i].type;
    }
    for (uint32_t i = 0; i < extra; i++) {
        int16_t number = index->columns[i].column_number;
        uint32_t at = 0;
        while (at < count && self->column_numbers[at] != number)
            at++;
        if (at == count) {
            self->column_numbers[count] = number;
            types[count++] = node->scan.table->columns[number - 1].type;
        }
        self->merge_columns[i] = at;
    }
    self->options.column_numbers = self->column_numbers;
    self->options.column_count = count;
    if (extra > 0 && store_partition_count(execution->environment.store) > 1)
        batch_init(&self->merged, types, count, arena);
    return STATUS_OK;
}

enum status exec__open_table_scan(struct fiber *f, struct execution *execution,
                                  const struct plan_node *node,
                                  struct operator_state **operator_out) {
    static const struct operator_functions functions = {scan_next, scan_reset, scan_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct scan_operator), &functions,
                           operator_out));
    struct scan_operator *self = (struct scan_operator *)*operator_out;
    const struct exec_environment *environment = &execution->environment;
    self->context = (struct table_context){.catalog = environment->catalog,
                                           .store = environment->store,
                                           .transaction = environment->transaction};
    self->options = (struct table_scan_options){
        .index = node->scan.index,
        .lower_exclusive = node->scan.lower_exclusive,
        .upper_exclusive = node->scan.upper_exclusive,
        .backward = node->scan.backward,
        .blocks_apart = true,
        .goes_on = execution->is_worker,
        .habit = &self->habit,
    };
    self->bounds =
        arena_alloc(environment->arena, (node->scan.equal_count + 2) * sizeof *self->bounds);
    self->any =
        arena_alloc(environment->arena, ((size_t)node->scan.any_count + 1) * sizeof *self->any);
    if (self->bounds == NULL || self->any == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(choose_columns(execution, self));
    if (node->scan.filter == NULL)
        return STATUS_OK;
    self->selection = arena_alloc(environment->arena, VECTOR_SIZE * sizeof(uint16_t));
    return exec__compile(self->base.local, node->scan.filter, &self->filter);
}

/* ---- VIRTUAL_SCAN ------------------------------------------------------------------------ */

struct virtual_operator {
    struct operator_state base;
    struct exec_store rows;
    struct arena arena;
    bool filled;
    uint32_t at;
    struct compiled *filter;
    uint16_t *selection;
    struct batch batch;
    struct vector *vectors;
};

static enum status keep_batch(void *context, struct batch *batch) {
    struct virtual_operator *self = context;
    const struct plan_node *node = self->base.node;
    struct batch chosen = *batch;
    chosen.vectors = self->vectors;
    chosen.column_count = node->column_count;
    for (uint32_t i = 0; i < node->column_count; i++) {
        int16_t number = node->scan.column_numbers[i];
        if (number > 0) {
            self->vectors[i] = batch->vectors[number - 1];
            continue;
        }
        struct value value = value_int8(number == -1 ? node->scan.table->oid : 0);
        value.type = node->columns[i].type;
        vector_init_constant(&self->vectors[i], &value, &self->base.scratch);
    }
    TRY(exec__store_append(&self->rows, &chosen));
    return exec__account(&self->base, self->rows.bytes);
}

static enum status virtual_next(struct fiber *f, struct operator_state *base,
                                struct batch **batch_out) {
    struct virtual_operator *self = (struct virtual_operator *)base;
    const struct exec_environment *environment = &base->execution->environment;
    if (!self->filled) {
        struct type *types;
        TRY(exec__node_types(base->execution, base->node, &types));
        exec__store_init(&self->rows, types, base->node->column_count, &self->arena);
        TRY(virtual_table_scan(f, environment->catalog, environment->schema,
                               environment->transaction, environment->session,
                               base->node->scan.table, &self->arena, keep_batch, self));
        self->filled = true;
    }
    *batch_out = NULL;
    while (self->at < self->rows.batch_count) {
        struct batch *batch = self->rows.batches[self->at++];
        uint32_t count = batch->selected_count;
        self->batch = *batch;
        if (self->filter != NULL) {
            TRY(exec__select(f, self->filter, batch, batch_rows(batch), count, &base->scratch,
                             self->selection, &count));
            exec__count_removed(base, batch->selected_count - count);
            self->batch.selection = self->selection;
            self->batch.selected_count = count;
        }
        if (count == 0)
            continue;
        *batch_out = &self->batch;
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status virtual_reset(struct fiber *f, struct operator_state *base) {
    ((struct virtual_operator *)base)->at = 0; /* the rows stay as they were for the statement */
    return STATUS_OK;
}

static void virtual_close(struct fiber *f, struct operator_state *base) {
    arena_release(&((struct virtual_operator *)base)->arena);
}

enum status exec__open_virtual_scan(struct fiber *f, struct execution *execution,
                                    const struct plan_node *node,
                                    struct operator_state **operator_out) {
    static const struct operator_functions functions = {virtual_next, virtual_reset, virtual_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct virtual_operator), &functions,
                           operator_out));
    struct virtual_operator *self = (struct virtual_operator *)*operator_out;
    struct arena *arena = execution->environment.arena;
    self->vectors = arena_alloc(arena, (node->column_count + 1) * sizeof(struct vector));
    self->selection = arena_alloc(arena, VECTOR_SIZE * sizeof(uint16_t));
    if (self->vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    return node->scan.filter == NULL
               ? STATUS_OK
               : exec__compile(self->base.local, node->scan.filter, &self->filter);
}
