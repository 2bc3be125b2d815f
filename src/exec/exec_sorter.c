/* The sorter: taking rows, and what its parts have in common. */
#include <string.h>

#include "base/base_memory.h"
#include "exec/exec_sort.h"

/* ---- parts ----------------------------------------------------------------------------------- */

void sort__part_begin(struct sort_part *part, const struct sorter *sorter) {
    exec__store_init(&part->rows, sorter->types, sorter->column_count, &part->rows_arena);
    part->entries = (struct sort_entries){.arena = &part->keys_arena};
}

void sort__part_move(struct sort_part *to, struct sort_part *from) {
    *to = *from;
    to->rows.arena = &to->rows_arena;
    to->entries.arena = &to->keys_arena;
    *from = (struct sort_part){0};
}

uint64_t sorter_bytes(const struct sorter *sorter) {
    uint64_t bytes = sort_part_bytes(&sorter->part);
    for (uint32_t i = 0; i < sorter->other_count; i++)
        bytes += sort_part_bytes(&sorter->others[i]);
    return bytes;
}

/* ---- taking rows ----------------------------------------------------------------------------- */

enum status sorter_init(struct sorter *sorter, struct execution *execution,
                        const struct type *types, uint32_t column_count) {
    struct arena *arena = execution->local.arena;
    *sorter = (struct sorter){.execution = execution, .column_count = column_count};
    sorter->types = arena_alloc(arena, (column_count + 1) * sizeof *types);
    if (sorter->types == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memcpy(sorter->types, types, column_count * sizeof *types);
    sorter->types[column_count] = TYPE_OF(BYTEA);
    sort__part_begin(&sorter->part, sorter);
    return STATUS_OK;
}

enum status sorter_key(struct sorter *sorter, struct slice key) {
    struct sort_entries *entries = &sorter->part.entries;
    return sort_entries_add(entries, key, (uint32_t)entries->count);
}

enum status sorter_rows(struct fiber *f, struct sorter *sorter, const struct batch *batch) {
    const struct exec_environment *environment = &sorter->execution->environment;
    struct sort_part *part = &sorter->part;
    /* all parts together have at most UINT32_MAX rows, one part for each core and our own */
    uint64_t rows_max = UINT32_MAX / (runtime_core_count(fiber_runtime(f)) + 1) - 2 * VECTOR_SIZE;
    TRY(exec__store_append(&part->rows, batch));
    ASSERT(part->rows.row_count == part->entries.count);
    uint64_t bytes = sorter_bytes(sorter);
    if (bytes > sorter->bytes_max)
        sorter->bytes_max = bytes;
    if (part->rows.row_count <= rows_max &&
        exec__may_hold(sorter->execution, bytes, &sorter->borrowed))
        return STATUS_OK;
    if (exec__spill_possible(sorter->execution))
        return sort__runs_write(f, sorter);
    enum status status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    error_detail("An operator of this statement needs more than its limit of %llu bytes.",
                 (unsigned long long)environment->memory_max);
    return status;
}

/* ---- workers --------------------------------------------------------------------------------- */

static enum status take_runs(struct sorter *sorter, struct sorter *from) {
    size_t count = sorter->run_count + from->run_count;
    if (from->run_count == 0)
        return STATUS_OK;
    if (!memory_grow(&sorter->runs, &sorter->run_capacity, count, sizeof *sorter->runs))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memcpy(sorter->runs + sorter->run_count, from->runs, from->run_count * sizeof *from->runs);
    sorter->run_count = count;
    from->run_count = 0;
    ASSERT(!sorter->spilled || sorter->spill.image_size == from->spill.image_size);
    sorter->spill = from->spill;
    sorter->spill.types = sorter->types; /* the worker's go away */
    sorter->spilled = true;
    return STATUS_OK;
}

enum status sorter_adopt(struct sorter *sorter, struct sorter *const *from, uint32_t count) {
    ASSERT(sorter->other_count == 0 && sorter->part.entries.count == 0 && !sorter->spilled);
    sorter->others = ARENA_ARRAY(sorter->execution->environment.arena, struct sort_part, count + 1);
    sorter->bytes_max = 0;
    for (uint32_t i = 0; i < count; i++) {
        sorter->bytes_max += from[i]->bytes_max;
        sorter->spilled_bytes += from[i]->spilled_bytes;
        struct sort_part *part = &sorter->others[sorter->other_count++];
        sort__part_move(part, &from[i]->part);
        part->rows.types = sorter->types;
        sort__part_begin(&from[i]->part, from[i]);
        TRY(take_runs(sorter, from[i]));
    }
    return STATUS_OK;
}

enum status sorter_settle(struct fiber *f, struct sorter *sorter, uint32_t worker_count) {
    size_t runs = RUNS_MERGED_MAX / worker_count;
    if (!sorter->spilled)
        return STATUS_OK;
    TRY(sort__runs_write(f, sorter));
    return sort__runs_reduce(f, sorter, runs < 2 ? 2 : runs);
}

/* ---- handing out ----------------------------------------------------------------------------- */

enum status sorter_finish(struct fiber *f, struct sorter *sorter) {
    sorter->finished = true;
    if (!sorter->spilled)
        return sort__out_begin(f, sorter);
    TRY(sort__runs_write(f, sorter));
    TRY(sort__runs_reduce(f, sorter, RUNS_MERGED_MAX));
    return sort__runs_begin(f, sorter);
}

enum status sorter_next(struct fiber *f, struct sorter *sorter, struct batch **batch_out,
                        const uint8_t **repeats) {
    ASSERT(sorter->finished);
    *batch_out = NULL;
    if (repeats != NULL)
        *repeats = sorter->repeats;
    return sorter->spilled ? sort__runs_next(f, sorter, batch_out)
                           : sort__out_next(f, sorter, batch_out, repeats != NULL);
}

static void release_part(struct fiber *f, struct sort_part *part) {
    exec__arena_release(f, &part->rows_arena);
    exec__arena_release(f, &part->keys_arena);
}

void sorter_release(struct fiber *f, struct sorter *sorter) {
    sort__out_release(sorter);
    sort__runs_release(f, sorter);
    for (uint32_t i = 0; i <= sorter->other_count; i++)
        release_part(f, sort__part(sorter, i));
    arena_release(&sorter->out_arena);
    arena_release(&sorter->out_strings);
    buffer_release(&sorter->last_key);
    sorter->other_count = 0;
    sorter->spilled = sorter->finished = sorter->has_last = false;
    sorter->spilled_bytes = sorter->bytes_max = 0;
    sort__part_begin(&sorter->part, sorter);
}
