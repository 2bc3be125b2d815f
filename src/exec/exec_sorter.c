/* Sorting in memory and, when that is not enough, by runs that are merged. */
#include <string.h>

#include "base/base_bytes.h"
#include "base/base_memory.h"
#include "exec/exec_sort.h"

/* ---- sorting ----------------------------------------------------------------------------- */

void sort_entry_make(struct sort_entry *entry, const uint8_t *key, uint32_t key_size,
                     uint32_t row) {
    uint8_t first[8] = {0};
    memcpy(first, key, key_size < 8 ? key_size : 8);
    *entry = (struct sort_entry){
        .prefix = get_be64(first), .key = key, .key_size = key_size, .row = row};
}

enum status sort_entries_add(struct sort_entries *sort, struct slice key, uint32_t row) {
    if (sort->count == sort->capacity) {
        uint64_t capacity = sort->capacity == 0 ? 256 : sort->capacity * 2;
        struct sort_entry *grown = arena_alloc(sort->arena, capacity * sizeof *grown);
        if (grown == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (sort->count > 0)
            memcpy(grown, sort->entries, sort->count * sizeof *grown);
        sort->entries = grown;
        sort->capacity = capacity;
    }
    uint8_t *copy = arena_alloc_aligned(sort->arena, key.size + 1, 1);
    if (copy == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (key.size > 0)
        memcpy(copy, key.data, key.size);
    sort_entry_make(&sort->entries[sort->count++], copy, (uint32_t)key.size, row);
    return STATUS_OK;
}

enum { RUN_SIZE = 24 };

static void insertion_sort(struct sort_entry *entries, uint64_t count) {
    for (uint64_t i = 1; i < count; i++) {
        struct sort_entry entry = entries[i];
        uint64_t at = i;
        while (at > 0 && sort_entry_compare(&entries[at - 1], &entry) > 0) {
            entries[at] = entries[at - 1];
            at--;
        }
        entries[at] = entry;
    }
}

enum { MERGE_STEP = 1024 }; /* entries between two checks */

static enum status copy(struct fiber *f, const struct sort_entry *from, struct sort_entry *to,
                        uint64_t count) {
    for (uint64_t at = 0; at < count; at += MERGE_STEP) {
        uint64_t step = count - at < MERGE_STEP ? count - at : MERGE_STEP;
        memcpy(to + at, from + at, step * sizeof *to);
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

static enum status merge(struct fiber *f, const struct sort_entry *from, struct sort_entry *to,
                         uint64_t begin, uint64_t middle, uint64_t end) {
    uint64_t a = begin, b = middle, at = begin;
    if (middle < end && sort_entry_compare(&from[middle - 1], &from[middle]) <= 0)
        return copy(f, from + begin, to + begin, end - begin);
    while (a < middle && b < end) {
        to[at++] = sort_entry_compare(&from[a], &from[b]) <= 0 ? from[a++] : from[b++];
        if (at % MERGE_STEP == 0)
            TRY(fiber_check(f));
    }
    TRY(copy(f, from + a, to + at, middle - a));
    return copy(f, from + b, to + at + (middle - a), end - b);
}

enum status sort_entries_sort(struct fiber *f, struct sort_entries *sort) {
    uint64_t count = sort->count;
    if (count < 2)
        return STATUS_OK;
    for (uint64_t begin = 0; begin < count; begin += RUN_SIZE) {
        insertion_sort(sort->entries + begin, count - begin < RUN_SIZE ? count - begin : RUN_SIZE);
        TRY(fiber_check(f));
    }
    if (count <= RUN_SIZE)
        return STATUS_OK;
    struct sort_entry *from = sort->entries;
    struct sort_entry *to = arena_alloc(sort->arena, sort->capacity * sizeof *to);
    if (to == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint64_t width = RUN_SIZE; width < count; width *= 2) {
        for (uint64_t begin = 0; begin < count; begin += 2 * width) {
            uint64_t middle = begin + width < count ? begin + width : count;
            uint64_t end = begin + 2 * width < count ? begin + 2 * width : count;
            TRY(merge(f, from, to, begin, middle, end));
        }
        struct sort_entry *swap = from;
        from = to;
        to = swap;
    }
    sort->entries = from;
    return STATUS_OK;
}

enum status sort__key_column(struct type type, bool descending, bool nulls_first,
                             struct key_column *column_out) {
    if (!key_orderable(type)) {
        char name[TYPE_NAME_SIZE];
        return error_set(STATUS_UNDEFINED_FUNCTION,
                         "could not identify an ordering operator for type %s",
                         type_name(type, name));
    }
    *column_out = (struct key_column){
        .type = type, .descending = descending, .nulls_first = nulls_first, .canonical = true};
    return STATUS_OK;
}

/* ---- the sorter: taking rows --------------------------------------------------------------- */

static void begin(struct sorter *sorter) {
    exec__store_init(&sorter->rows, sorter->types, sorter->column_count, &sorter->rows_arena);
    sorter->entries = (struct sort_entries){.arena = &sorter->keys_arena};
}

enum status sorter_init(struct sorter *sorter, struct execution *execution,
                        const struct type *types, uint32_t column_count) {
    struct arena *arena = execution->local.arena;
    *sorter = (struct sorter){.execution = execution, .column_count = column_count};
    sorter->types = arena_alloc(arena, (column_count + 1) * sizeof *types);
    if (sorter->types == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memcpy(sorter->types, types, column_count * sizeof *types);
    sorter->types[column_count] = TYPE_OF(BYTEA);
    begin(sorter);
    return STATUS_OK;
}

enum status sorter_key(struct sorter *sorter, struct slice key) {
    return sort_entries_add(&sorter->entries, key, (uint32_t)sorter->entries.count);
}

/* One batch of the run: rows copied in order, the key behind them. */
static enum status fill_sorted(struct fiber *f, struct sorter *sorter, uint64_t first,
                               uint32_t count, struct batch *batch, bool with_key) {
    batch_reset(batch);
    for (uint32_t i = 0; i < count; i++) {
        const struct sort_entry *entry = &sorter->entries.entries[first + i];
        const struct batch *source = exec__store_batch(&sorter->rows, entry->row);
        uint16_t row = (uint16_t)(entry->row % VECTOR_SIZE);
        for (uint32_t c = 0; c < sorter->column_count; c++)
            vector_copy(&batch->vectors[c], i, &source->vectors[c], &row, 1, NULL);
        if (with_key)
            ((struct string *)batch->vectors[sorter->column_count].data)[i] =
                string_of(entry->key, entry->key_size);
        if (i % 512 == 511)
            TRY(fiber_check(f));
    }
    batch_set_count(batch, count);
    return STATUS_OK;
}

/* What is held becomes a run. */
static enum status write_run(struct fiber *f, struct sorter *sorter) {
    struct arena arena = {0};
    struct batch batch;
    struct spill_run run = {0};
    enum status status;
    if (!sorter->spilled)
        exec__spill_init(&sorter->spill, sorter->execution, sorter->types, sorter->column_count + 1,
                         RUNS_MERGED_MAX);
    sorter->spilled = true;
    batch_init(&batch, sorter->types, sorter->column_count + 1, &arena);
    TRY_OUT(sort_entries_sort(f, &sorter->entries));
    for (uint64_t at = 0; at < sorter->entries.count; at += VECTOR_SIZE) {
        uint64_t left = sorter->entries.count - at;
        uint32_t count = left < VECTOR_SIZE ? (uint32_t)left : VECTOR_SIZE;
        TRY_OUT(fill_sorted(f, sorter, at, count, &batch, true));
        TRY_OUT(exec__spill_append(f, &sorter->spill, &run, &batch, vector_identity, count));
    }
    TRY_OUT(exec__spill_end(f, &sorter->spill, &run));
    if (!memory_grow(&sorter->runs, &sorter->run_capacity, sorter->run_count + 1,
                     sizeof *sorter->runs)) {
        status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        goto out;
    }
    sorter->runs[sorter->run_count++] = run;
    run = (struct spill_run){0};
out:
    exec__spill_release(f, &sorter->spill, &run);
    sorter->spilled_bytes += sorter->spill.bytes_written;
    sorter->spill.bytes_written = 0;
    arena_release(&arena);
    exec__arena_release(f, &sorter->rows_arena);
    exec__arena_release(f, &sorter->keys_arena);
    begin(sorter);
    return status;
}

enum status sorter_rows(struct fiber *f, struct sorter *sorter, const struct batch *batch) {
    const struct exec_environment *environment = &sorter->execution->environment;
    TRY(exec__store_append(&sorter->rows, batch));
    ASSERT(sorter->rows.row_count == sorter->entries.count);
    uint64_t bytes = sorter_bytes(sorter);
    if (bytes > sorter->bytes_max)
        sorter->bytes_max = bytes;
    bool too_many = sorter->rows.row_count > UINT32_MAX - VECTOR_SIZE;
    if (!too_many && exec__may_hold(sorter->execution, bytes, &sorter->borrowed))
        return STATUS_OK;
    if (exec__spill_possible(sorter->execution))
        return write_run(f, sorter);
    enum status status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    error_detail("An operator of this statement needs more than its limit of %llu bytes.",
                 (unsigned long long)environment->memory_max);
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

/* ---- handing out --------------------------------------------------------------------------- */

enum status sorter_finish(struct fiber *f, struct sorter *sorter) {
    if (sorter->spilled) {
        if (sorter->entries.count > 0)
            TRY(write_run(f, sorter));
        while (sorter->run_count > RUNS_MERGED_MAX)
            TRY(merge_runs(f, sorter, RUNS_MERGED_MAX));
        TRY(open_streams(f, sorter, (uint32_t)sorter->run_count));
    } else {
        TRY(sort_entries_sort(f, &sorter->entries));
    }
    batch_init(&sorter->out, sorter->types, sorter->column_count, &sorter->out_arena);
    sorter->finished = true;
    return arena_status(&sorter->out_arena);
}

static bool same_key(const struct sort_entry *a, const struct sort_entry *b) {
    return a->key_size == b->key_size && memcmp(a->key, b->key, a->key_size) == 0;
}

static enum status next_in_memory(struct fiber *f, struct sorter *sorter,
                                  struct batch **batch_out) {
    uint64_t left = sorter->entries.count - sorter->at;
    uint32_t count = left < VECTOR_SIZE ? (uint32_t)left : VECTOR_SIZE;
    if (count == 0)
        return STATUS_OK;
    TRY(fill_sorted(f, sorter, sorter->at, count, &sorter->out, false));
    for (uint32_t i = 0; i < count; i++) {
        const struct sort_entry *entry = &sorter->entries.entries[sorter->at + i];
        sorter->repeats[i] = sorter->at + i > 0 && same_key(entry, entry - 1);
    }
    sorter->at += count;
    *batch_out = &sorter->out;
    return STATUS_OK;
}

static enum status next_merged(struct fiber *f, struct sorter *sorter, struct batch **batch_out) {
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

enum status sorter_next(struct fiber *f, struct sorter *sorter, struct batch **batch_out,
                        const uint8_t **repeats) {
    ASSERT(sorter->finished);
    *batch_out = NULL;
    if (repeats != NULL)
        *repeats = sorter->repeats;
    return sorter->spilled ? next_merged(f, sorter, batch_out)
                           : next_in_memory(f, sorter, batch_out);
}

void sorter_release(struct fiber *f, struct sorter *sorter) {
    close_streams(sorter);
    for (size_t i = 0; i < sorter->run_count; i++)
        exec__spill_release(f, &sorter->spill, &sorter->runs[i]);
    memory_free(sorter->runs);
    sorter->runs = NULL;
    sorter->run_count = sorter->run_capacity = 0;
    buffer_release(&sorter->last_key);
    exec__arena_release(f, &sorter->rows_arena);
    exec__arena_release(f, &sorter->keys_arena);
    arena_release(&sorter->out_arena);
    arena_release(&sorter->out_strings);
    sorter->spilled = sorter->finished = sorter->has_last = false;
    sorter->at = sorter->spilled_bytes = 0;
    begin(sorter);
}
