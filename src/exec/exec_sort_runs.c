/*
 * Runs: what a sorter's parts hold, sorted and put aside, and merged row by row at the end.
 *
 * Parts of several cores are written by those cores, side by side.
 */
#include <string.h>

#include "base/base_memory.h"
#include "exec/exec_sort.h"

/* ---- writing --------------------------------------------------------------------------------- */

/* A part to be written as a run, by one core. */
struct run_writing {
    const struct sorter *sorter;
    struct sort_part *part;
    struct spill spill; /* the sorter's, with bytes of our own */
    struct spill_run run;
};

static enum status write_sorted(struct fiber *f, struct run_writing *writing, struct arena *arena) {
    const struct sorter *sorter = writing->sorter;
    const struct sort_part *part = writing->part;
    const struct sort_entry *entries = part->entries.entries;
    struct batch batch;
    batch_init(&batch, sorter->types, sorter->column_count + 1, arena);
    TRY(arena_status(arena));
    for (uint64_t at = 0; at < part->entries.count; at += VECTOR_SIZE) {
        uint64_t left = part->entries.count - at;
        uint32_t count = left < VECTOR_SIZE ? (uint32_t)left : VECTOR_SIZE;
        TRY(sort__gather(f, part->rows.batches, entries + at, count, sorter->column_count, &batch));
        struct string *keys = batch.vectors[sorter->column_count].data;
        for (uint32_t i = 0; i < count; i++)
            keys[i] = string_of(entries[at + i].key, entries[at + i].key_size);
        TRY(exec__spill_append(f, &writing->spill, &writing->run, &batch, vector_identity, count));
    }
    return exec__spill_end(f, &writing->spill, &writing->run);
}

static enum status write_run(struct fiber *f, struct run_writing *writing) {
    struct arena arena = {0};
    enum status status = sort_entries_sort(f, &writing->part->entries);
    if (status == STATUS_OK)
        status = write_sorted(f, writing, &arena);
    arena_release(&arena);
    exec__arena_release(f, &writing->part->rows_arena);
    exec__arena_release(f, &writing->part->keys_arena);
    sort__part_begin(writing->part, writing->sorter);
    return status;
}

/* The run is ours now, or given back. */
static enum status keep_run(struct fiber *f, struct sorter *sorter, struct run_writing *writing,
                            enum status status) {
    sorter->spilled_bytes += writing->spill.bytes_written;
    if (status == STATUS_OK && !memory_grow(&sorter->runs, &sorter->run_capacity,
                                            sorter->run_count + 1, sizeof *sorter->runs))
        status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (status == STATUS_OK)
        sorter->runs[sorter->run_count++] = writing->run;
    else
        exec__spill_release(f, &sorter->spill, &writing->run);
    return status;
}

/* What one core writes: every `step`th of writings[0..count). */
struct writings_share {
    struct run_writing *writings;
    unsigned first, step, count;
};

static enum status write_share(struct fiber *f, void *argument) {
    const struct writings_share *share = argument;
    for (unsigned i = share->first; i < share->count; i += share->step)
        TRY(write_run(f, &share->writings[i]));
    return STATUS_OK;
}

static enum status write_all(struct fiber *f, struct run_writing *writings, unsigned count) {
    unsigned cores = runtime_core_count(fiber_runtime(f));
    struct writings_share shares[RUNTIME_CORES_MAX];
    void *arguments[RUNTIME_CORES_MAX] = {NULL};
    if (count == 1)
        return write_run(f, &writings[0]);
    for (unsigned c = 0; c < cores; c++) {
        shares[c] = (struct writings_share){writings, c, cores, count};
        arguments[c] = &shares[c];
    }
    return core_call_all(f, UINT64_MAX >> (64 - cores), write_share, arguments);
}

enum status sort__runs_write(struct fiber *f, struct sorter *sorter) {
    struct run_writing writings[RUNTIME_CORES_MAX + 1];
    unsigned count = 0;
    if (!sorter->spilled)
        exec__spill_init(&sorter->spill, sorter->execution, sorter->types, sorter->column_count + 1,
                         RUNS_MERGED_MAX);
    sorter->spilled = true;
    for (uint32_t i = 0; i <= sorter->other_count; i++)
        if (sort__part(sorter, i)->entries.count > 0)
            writings[count++] = (struct run_writing){
                .sorter = sorter, .part = sort__part(sorter, i), .spill = sorter->spill};
    enum status status = count > 0 ? write_all(f, writings, count) : STATUS_OK;
    for (unsigned i = 0; i < count; i++)
        status = keep_run(f, sorter, &writings[i], status);
    return status;
}

/* ---- merging ----------------------------------------------------------------------------- */

struct sort_stream {
    struct spill_reader reader;
    struct batch *batch; /* NULL: at its end */
    uint32_t at;
};

static enum status stream_fill(struct fiber *f, struct sort_stream *stream) {
    stream->at = 0;
    return exec__spill_next(f, &stream->reader, &stream->batch);
}

static const struct string *stream_key(const struct sorter *sorter,
                                       const struct sort_stream *stream) {
    const struct string *keys = stream->batch->vectors[sorter->column_count].data;
    return &keys[stream->at];
}

/* heap[] is a heap of the streams not at their end, the least key first. */
static bool stream_before(const struct sorter *sorter, const struct sort_stream *a,
                          const struct sort_stream *b) {
    int order = string_compare(stream_key(sorter, a), stream_key(sorter, b));
    return order != 0 ? order < 0 : a < b;
}

static void sift_down(struct sorter *sorter, uint32_t at) {
    struct sort_stream **heap = sorter->heap;
    for (;;) {
        uint32_t least = at, child = 2 * at + 1;
        if (child < sorter->heap_count && stream_before(sorter, heap[child], heap[least]))
            least = child;
        if (child + 1 < sorter->heap_count && stream_before(sorter, heap[child + 1], heap[least]))
            least = child + 1;
        if (least == at)
            return;
        struct sort_stream *swap = heap[at];
        heap[at] = heap[least];
        heap[least] = swap;
        at = least;
    }
}

static enum status open_streams(struct fiber *f, struct sorter *sorter, uint32_t count) {
    ASSERT(count <= RUNS_MERGED_MAX);
    sorter->streams = memory_alloc_zeroed(count, sizeof *sorter->streams);
    if (sorter->streams == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    sorter->stream_count = sorter->heap_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct sort_stream *stream = sorter->heap[i] = &sorter->streams[i];
        TRY(exec__spill_read(&sorter->spill, &sorter->runs[i], &stream->reader));
        stream->reader.rows_max = 64;
        TRY(stream_fill(f, stream));
        ASSERT(stream->batch != NULL);
    }
    for (uint32_t i = count / 2 + 1; i-- > 0;)
        if (i < count)
            sift_down(sorter, i);
    return STATUS_OK;
}

static void close_streams(struct sorter *sorter) {
    for (uint32_t i = 0; i < sorter->stream_count; i++)
        exec__spill_reader_release(&sorter->streams[i].reader);
    memory_free(sorter->streams);
    sorter->streams = NULL;
    sorter->stream_count = sorter->heap_count = 0;
}

/* Copy the least row to row `to` of the batch (with its key if there is a column for it), and step
   on. */
static enum status take_least(struct fiber *f, struct sorter *sorter, struct batch *batch,
                              uint32_t to, struct arena *strings) {
    struct sort_stream *stream = sorter->heap[0];
    uint16_t row = (uint16_t)stream->at;
    for (uint32_t c = 0; c < batch->column_count; c++)
        vector_copy(&batch->vectors[c], to, &stream->batch->vectors[c], &row, 1, strings);
    if (++stream->at == stream->batch->row_count)
        TRY(stream_fill(f, stream));
    if (stream->batch == NULL)
        sorter->heap[0] = sorter->heap[--sorter->heap_count];
    sift_down(sorter, 0);
    return STATUS_OK;
}

/* The first `count` runs into one behind the others. */
static enum status merge_runs(struct fiber *f, struct sorter *sorter, uint32_t count) {
    struct arena arena = {0}, strings = {0};
    struct batch batch;
    struct spill_run merged = {0};
    enum status status;
    batch_init(&batch, sorter->types, sorter->column_count + 1, &arena);
    TRY_OUT(open_streams(f, sorter, count));
    while (sorter->heap_count > 0) {
        uint32_t filled = 0;
        batch_reset(&batch);
        arena_reset(&strings);
        while (filled < 256 && sorter->heap_count > 0)
            TRY_OUT(take_least(f, sorter, &batch, filled++, &strings));
        batch_set_count(&batch, filled);
        TRY_OUT(exec__spill_append(f, &sorter->spill, &merged, &batch, vector_identity, filled));
    }
    TRY_OUT(exec__spill_end(f, &sorter->spill, &merged));
    for (uint32_t i = 0; i < count; i++)
        exec__spill_release(f, &sorter->spill, &sorter->runs[i]);
    memmove(sorter->runs, sorter->runs + count, (sorter->run_count - count) * sizeof *sorter->runs);
    sorter->run_count -= count;
    sorter->runs[sorter->run_count++] = merged;
    merged = (struct spill_run){0};
out:
    close_streams(sorter);
    exec__spill_release(f, &sorter->spill, &merged);
    sorter->spilled_bytes += sorter->spill.bytes_written;
    sorter->spill.bytes_written = 0;
    arena_release(&arena);
    arena_release(&strings);
    return status;
}

enum status sort__runs_reduce(struct fiber *f, struct sorter *sorter, size_t runs_max) {
    while (sorter->run_count > runs_max) {
        size_t over = sorter->run_count - runs_max + 1;
        TRY(merge_runs(f, sorter, over < RUNS_MERGED_MAX ? (uint32_t)over : RUNS_MERGED_MAX));
    }
    return STATUS_OK;
}

/* ---- handing out --------------------------------------------------------------------------- */

enum status sort__runs_begin(struct fiber *f, struct sorter *sorter) {
    TRY(open_streams(f, sorter, (uint32_t)sorter->run_count));
    batch_init(&sorter->out, sorter->types, sorter->column_count, &sorter->out_arena);
    return arena_status(&sorter->out_arena);
}

enum status sort__runs_next(struct fiber *f, struct sorter *sorter, struct batch **batch_out) {
    uint32_t count = 0;
    batch_reset(&sorter->out);
    arena_reset(&sorter->out_strings);
    while (count < VECTOR_SIZE && sorter->heap_count > 0) {
        struct slice key = string_slice(stream_key(sorter, sorter->heap[0]));
        struct slice last = buffer_slice(&sorter->last_key);
        sorter->repeats[count] = sorter->has_last && slice_compare(key, last) == 0;
        buffer_clear(&sorter->last_key);
        buffer_append(&sorter->last_key, key.data, key.size);
        TRY(buffer_status(&sorter->last_key));
        sorter->has_last = true;
        TRY(take_least(f, sorter, &sorter->out, count++, &sorter->out_strings));
    }
    if (count == 0)
        return STATUS_OK;
    batch_set_count(&sorter->out, count);
    *batch_out = &sorter->out;
    return arena_status(&sorter->out_strings);
}

void sort__runs_release(struct fiber *f, struct sorter *sorter) {
    close_streams(sorter);
    for (size_t i = 0; i < sorter->run_count; i++)
        exec__spill_release(f, &sorter->spill, &sorter->runs[i]);
    memory_free(sorter->runs);
    sorter->runs = NULL;
    sorter->run_count = sorter->run_capacity = 0;
}
