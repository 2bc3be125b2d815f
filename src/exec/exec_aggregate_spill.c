/*
 * AGGREGATE with more groups than it may hold: once the table is full, rows of groups that are not
 * in it go to runs by bits of their hash. When the table has been handed out, each run is input
 * for a table of its own, which may be full again. Accumulators themselves are never written.
 */
#include <string.h>

#include "base/base_memory.h"
#include "exec/exec_aggregate.h"

/* All rows of a part have these bits in common, so they must be others than those that choose a
   slot in its table (exec_group.h: the lowest), or a sixteenth of the slots would hold all. */
enum { PART_SHIFT = 28 };

static uint32_t part_of(uint64_t hash, uint32_t level) {
    return (uint32_t)(hash >> (PART_SHIFT + AGGREGATE_PART_BITS * level)) & (AGGREGATE_PARTS - 1);
}

enum status exec__aggregate_put_aside(struct fiber *f, struct aggregate_operator *self,
                                      const struct batch *input, const uint16_t *rows,
                                      const uint64_t *hashes, uint32_t count) {
    uint16_t chosen[VECTOR_SIZE], begin[AGGREGATE_PARTS + 1] = {0}, at[AGGREGATE_PARTS];
    struct batch wanted = *input;
    if (count == 0)
        return STATUS_OK;
    /* Columns that nobody reads are not worth their bytes. */
    wanted.vectors =
        arena_alloc(&self->base.scratch, (input->column_count + 1) * sizeof *wanted.vectors);
    if (wanted.vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t c = 0; c < input->column_count; c++) {
        struct value null = value_null(self->input_types[c]);
        wanted.vectors[c] = input->vectors[c];
        if (!self->input_wanted[c])
            vector_init_constant(&wanted.vectors[c], &null, &self->base.scratch);
    }
    for (uint32_t i = 0; i < count; i++)
        begin[part_of(hashes[i], self->level) + 1]++;
    for (uint32_t p = 0; p < AGGREGATE_PARTS; p++) {
        begin[p + 1] = (uint16_t)(begin[p + 1] + begin[p]);
        at[p] = begin[p];
    }
    for (uint32_t i = 0; i < count; i++)
        chosen[at[part_of(hashes[i], self->level)]++] = rows[i];
    for (uint32_t p = 0; p < AGGREGATE_PARTS; p++)
        TRY(exec__spill_append(f, &self->spill, &self->runs[p], &wanted, chosen + begin[p],
                               (uint32_t)(begin[p + 1] - begin[p])));
    return STATUS_OK;
}

enum status exec__aggregate_end_runs(struct fiber *f, struct aggregate_operator *self) {
    if (!self->full)
        return STATUS_OK;
    for (uint32_t p = 0; p < AGGREGATE_PARTS; p++) {
        if (self->runs[p].rows == 0)
            continue;
        TRY(exec__spill_end(f, &self->spill, &self->runs[p]));
        struct aggregate_part *part = memory_alloc_zeroed(1, sizeof *part);
        if (part == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        *part = (struct aggregate_part){
            .run = self->runs[p], .level = self->level + 1, .next = self->parts};
        self->runs[p] = (struct spill_run){0};
        self->parts = part;
    }
    exec__count_spilled(&self->base, self->spill.bytes_written);
    self->spill.bytes_written = 0;
    return STATUS_OK;
}

static enum status take_run(struct fiber *f, struct aggregate_operator *self,
                            struct spill_run *run) {
    struct spill spill = self->spill; /* the table may begin runs of its own */
    struct spill_reader reader = {0};
    enum status status;
    TRY_OUT(exec__spill_read(&spill, run, &reader));
    for (;;) {
        struct batch *batch;
        TRY_OUT(exec__spill_next(f, &reader, &batch));
        if (batch == NULL)
            break;
        TRY_OUT(exec__aggregate_take(f, self, batch));
        arena_reset(&self->base.scratch);
    }
out:
    exec__spill_reader_release(&reader);
    return status;
}

enum status exec__aggregate_next_part(struct fiber *f, struct aggregate_operator *self,
                                      bool *found_out) {
    struct aggregate_part *part = self->parts;
    *found_out = part != NULL;
    if (part == NULL)
        return STATUS_OK;
    self->parts = part->next;
    self->level = part->level;
    enum status status = take_run(f, self, &part->run);
    if (status == STATUS_OK)
        status = exec__aggregate_end_runs(f, self);
    exec__spill_release(f, &self->spill, &part->run);
    memory_free(part);
    return status;
}

enum status exec__aggregate_refeed(struct fiber *f, struct aggregate_operator *self,
                                   struct aggregate_part *parts, enum status status) {
    while (parts != NULL) {
        struct aggregate_part *part = parts;
        parts = part->next;
        if (status == STATUS_OK)
            status = take_run(f, self, &part->run);
        exec__spill_release(f, &self->spill, &part->run);
        memory_free(part);
    }
    return status;
}

void exec__aggregate_release_parts(struct fiber *f, struct aggregate_operator *self) {
    for (uint32_t p = 0; p < AGGREGATE_PARTS; p++)
        exec__spill_release(f, &self->spill, &self->runs[p]);
    while (self->parts != NULL) {
        struct aggregate_part *part = self->parts;
        self->parts = part->next;
        exec__spill_release(f, &self->spill, &part->run);
        memory_free(part);
    }
}
