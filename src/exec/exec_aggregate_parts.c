/*
 * Parts of an aggregation that was put aside: each is aggregated in a table of its own, by whoever
 * takes it.
 *
 * The owner of the parts lets every core take one, then hands out the groups of all these tables,
 * and so on. Where the workers of a pipeline above take its groups (exec_parallel.h), they take the
 * parts as well, and nobody waits for another. What does not fit into a part's table becomes parts
 * of whoever took it, by other bits of the hash.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/base_memory.h"
#include "exec/exec_aggregate.h"
#include "exec/exec_parallel.h"

/* ---- the list ---------------------------------------------------------------------------- */

/* Nobody takes meanwhile. */
static enum status add_part(struct aggregate_parts *parts, struct spill_run *run, uint32_t level) {
    if (atomic_load(&parts->taken) >= parts->count)
        atomic_store(&parts->taken, parts->count);
    if (!memory_grow(&parts->parts, &parts->capacity, parts->count + 1, sizeof *parts->parts))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    parts->parts[parts->count++] = (struct aggregate_part){.run = *run, .level = level};
    *run = (struct spill_run){0};
    return STATUS_OK;
}

static bool take_part(struct aggregate_parts *parts, struct aggregate_part *part_out) {
    if (atomic_load(&parts->taken) >= parts->count)
        return false;
    size_t at = atomic_fetch_add(&parts->taken, 1);
    if (at >= parts->count)
        return false;
    *part_out = parts->parts[at];
    parts->parts[at].run = (struct spill_run){0};
    return true;
}

enum status exec__aggregate_make_parts(struct aggregate_operator *self) {
    for (uint32_t p = 0; p < AGGREGATE_PARTS; p++)
        if (self->runs[p].rows > 0)
            TRY(add_part(&self->parts, &self->runs[p], self->level + 1));
    return STATUS_OK;
}

uint64_t exec__aggregate_rows_aside(const struct aggregate_operator *self) {
    uint64_t rows = 0;
    for (size_t i = atomic_load(&self->parts.taken); i < self->parts.count; i++)
        rows += self->parts.parts[i].run.rows;
    return rows;
}

void exec__aggregate_release_parts(struct fiber *f, struct aggregate_operator *self) {
    for (size_t i = 0; i < self->parts.count; i++)
        exec__spill_release(f, &self->spill, &self->parts.parts[i].run);
    memory_free(self->parts.parts);
    self->parts = (struct aggregate_parts){0};
}

/* ---- one part ---------------------------------------------------------------------------- */

static enum status take_rows(struct fiber *f, struct aggregate_operator *self,
                             struct spill_reader *reader) {
    for (;;) {
        struct batch *batch;
        TRY(exec__spill_next(f, reader, &batch));
        if (batch == NULL)
            return STATUS_OK;
        TRY(exec__aggregate_take(f, self, batch));
        arena_reset(&self->base.scratch);
    }
}

static enum status take_run(struct fiber *f, struct aggregate_operator *self,
                            struct spill_run *run) {
    struct spill spill = self->shared->spill; /* the table may begin runs of its own */
    struct spill_reader reader = {0};
    enum status status;
    TRY_OUT(exec__spill_read(&spill, run, &reader));
    if (self->combines) {
        TRY_OUT(exec__aggregate_take_groups(f, self, &reader));
    } else {
        TRY_OUT(take_rows(f, self, &reader));
    }
out:
    exec__spill_reader_release(&reader);
    return status;
}

/* The next part here and now. */
static enum status fill(struct fiber *f, struct aggregate_operator *self, bool *found_out) {
    struct aggregate_part part;
    *found_out = take_part(&self->parts, &part) ||
                 (self->shared != self && take_part(&self->shared->parts, &part));
    if (!*found_out)
        return STATUS_OK;
    self->level = part.level;
    self->giving = self;
    enum status status = take_run(f, self, &part.run);
    exec__spill_release(f, &self->shared->spill, &part.run);
    TRY(status);
    TRY(exec__aggregate_end_runs(f, self));
    return exec__aggregate_make_parts(self);
}

/* ---- one part on each core ----------------------------------------------------------------- */

static enum status fill_share(struct fiber *f, struct parallel_worker *worker) {
    struct aggregate_operator *self = (struct aggregate_operator *)worker->root;
    bool found;
    TRY(fill(f, self, &found));
    return exec__aggregate_feed_ordered(f, self);
}

/* Their tables become ours, and what they put aside in turn. */
static enum status take_over(struct fiber *f, struct aggregate_operator *self,
                             const struct parallel *parallel) {
    TRY(exec__aggregate_take_tables(f, self, parallel));
    for (unsigned w = 0; w < parallel->worker_count; w++) {
        struct aggregate_operator *from = (struct aggregate_operator *)parallel->workers[w].root;
        for (size_t i = 0; i < from->parts.count; i++)
            TRY(add_part(&self->parts, &from->parts.parts[i].run, from->parts.parts[i].level));
    }
    self->disjoint = true;
    return STATUS_OK;
}

static bool round_pays(struct fiber *f, const struct aggregate_operator *self) {
    return !self->base.execution->is_worker && runtime_core_count(fiber_runtime(f)) > 1 &&
           self->parts.count > atomic_load(&self->parts.taken) + 1 &&
           exec__aggregate_rows_aside(self) >= exec__rows_that_pay / 4 &&
           (self->combines || exec__aggregate_is_independent(self));
}

static enum status fill_round(struct fiber *f, struct aggregate_operator *self) {
    unsigned cores = runtime_core_count(fiber_runtime(f));
    size_t parts = self->parts.count - atomic_load(&self->parts.taken);
    struct parallel parallel = {.owner = &self->base,
                                .source = &self->base,
                                .worker_count = cores < parts ? cores : (unsigned)parts};
    if (self->workers == NULL)
        self->workers =
            arena_alloc(self->base.execution->environment.arena, cores * sizeof *self->workers);
    if (self->workers == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memset(self->workers, 0, cores * sizeof *self->workers);
    parallel.workers = self->workers;
    enum status status = exec__parallel_run(f, &parallel, self->base.node, fill_share, NULL);
    if (status == STATUS_OK)
        status = take_over(f, self, &parallel);
    exec__parallel_end(f, &parallel, self->base.node->id);
    return status;
}

enum status exec__aggregate_next_part(struct fiber *f, struct aggregate_operator *self,
                                      bool *found_out) {
    exec__aggregate_empty(f, self);
    *found_out = true;
    return round_pays(f, self) ? fill_round(f, self) : fill(f, self, found_out);
}
