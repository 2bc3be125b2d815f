/* Rows on scratch pages. */
#include "exec/exec_spill.h"

#include <string.h>

#include "base/base_memory.h"

enum { IMAGE_SIZE_MIN = 16 << 10, IMAGE_SIZE_MAX = 256 << 10, SPILL_COLUMNS_MAX = 8192 };

bool exec__spill_possible(const struct execution *execution) {
    return execution->environment.store != NULL;
}

/* Workers put aside at home, on the core that has their number, others anywhere. */
static unsigned partition_of(const struct execution *execution) {
    struct store *store = execution->environment.store;
    unsigned count = store_partition_count(store), number = execution->worker_number;
    if (!execution->is_worker)
        return (unsigned)(transaction_id(execution->environment.transaction).value % count);
    for (unsigned i = 0; i < count; i++)
        if (partition_core(store, (number + i) % count) == number)
            return (number + i) % count;
    return number % count;
}

void exec__spill_init(struct spill *spill, const struct execution *execution,
                      const struct type *types, uint32_t column_count, uint32_t runs) {
    uint64_t share = execution->environment.memory_max / 4 / runs;
    uint32_t image_size = IMAGE_SIZE_MIN;
    while (image_size < IMAGE_SIZE_MAX && image_size * 2ull <= share)
        image_size *= 2;
    *spill = (struct spill){.store = execution->environment.store,
                            .types = types,
                            .column_count = column_count,
                            .image_size = image_size,
                            .partition = partition_of(execution)};
}

/* ---- writing ----------------------------------------------------------------------------- */

static enum status flush(struct fiber *f, struct spill *spill, struct spill_run *run) {
    struct spill_page page = {.used = run->used, .partition = (uint16_t)spill->partition};
    if (!memory_grow(&run->pages, &run->page_capacity, run->page_count + 1, sizeof *run->pages))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(scratch_write(f, spill->store, spill->partition, spill->image_size,
                      slice_of(run->buffer, run->used), &page.id));
    run->pages[run->page_count++] = page;
    run->bytes += run->used;
    spill->bytes_written += spill->image_size;
    run->used = 0;
    return STATUS_OK;
}

static enum status put_slow(struct fiber *f, struct spill *spill, struct spill_run *run,
                            const uint8_t *bytes, size_t size) {
    uint32_t capacity = scratch_capacity(spill->image_size);
    while (size > 0) {
        if (run->used == capacity)
            TRY(flush(f, spill, run));
        size_t part = capacity - run->used;
        if (part > size)
            part = size;
        memcpy(run->buffer + run->used, bytes, part);
        run->used += (uint32_t)part;
        bytes += part;
        size -= part;
    }
    return STATUS_OK;
}

static inline enum status put(struct fiber *f, struct spill *spill, struct spill_run *run,
                              const void *bytes, size_t size) {
    if (run->used + size > scratch_capacity(spill->image_size))
        return put_slow(f, spill, run, bytes, size);
    memcpy(run->buffer + run->used, bytes, size);
    run->used += (uint32_t)size;
    return STATUS_OK;
}

static enum status put_row(struct fiber *f, struct spill *spill, struct spill_run *run,
                           const struct batch *batch, uint32_t row, uint8_t *nulls) {
    uint32_t null_bytes = (spill->column_count + 7) / 8;
    memset(nulls, 0, null_bytes);
    for (uint32_t c = 0; c < spill->column_count; c++)
        if (vector_is_null(&batch->vectors[c], row))
            nulls[c / 8] |= (uint8_t)(1u << (c % 8));
    TRY(put(f, spill, run, nulls, null_bytes));
    for (uint32_t c = 0; c < spill->column_count; c++) {
        const struct vector *vector = &batch->vectors[c];
        if (nulls[c / 8] >> (c % 8) & 1)
            continue;
        size_t size = physical_size((enum physical)vector->physical);
        const uint8_t *data = (const uint8_t *)vector->data + vector_position(vector, row) * size;
        if (vector->physical != PHYSICAL_STRING) {
            TRY(put(f, spill, run, data, size));
            continue;
        }
        const struct string *string = (const struct string *)(const void *)data;
        TRY(put(f, spill, run, &string->size, sizeof string->size));
        TRY(put(f, spill, run, string_data(string), string->size));
    }
    return STATUS_OK;
}

static enum status get_buffer(const struct spill *spill, struct spill_run *run) {
    if (run->buffer == NULL)
        run->buffer = memory_alloc(spill->image_size);
    return run->buffer != NULL ? STATUS_OK : error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

enum status exec__spill_put(struct fiber *f, struct spill *spill, struct spill_run *run,
                            const void *bytes, size_t size) {
    TRY(get_buffer(spill, run));
    return put(f, spill, run, bytes, size);
}

enum status exec__spill_append(struct fiber *f, struct spill *spill, struct spill_run *run,
                               const struct batch *batch, const uint16_t *rows, uint32_t count) {
    uint8_t nulls[SPILL_COLUMNS_MAX / 8];
    ASSERT(batch->column_count >= spill->column_count);
    if (count == 0)
        return STATUS_OK;
    if (spill->column_count > SPILL_COLUMNS_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "too many columns to put rows aside");
    TRY(get_buffer(spill, run));
    for (uint32_t i = 0; i < count; i++) {
        TRY(put_row(f, spill, run, batch, rows[i], nulls));
        if (i % 256 == 255)
            TRY(fiber_check(f));
    }
    run->rows += count;
    return fiber_check(f);
}

enum status exec__spill_end(struct fiber *f, struct spill *spill, struct spill_run *run) {
    if (run->used > 0)
        TRY(flush(f, spill, run));
    memory_free(run->buffer);
    run->buffer = NULL;
    return STATUS_OK;
}

enum status exec__spill_join(struct spill_run *into, struct spill_run *from) {
    ASSERT(into->buffer == NULL && from->buffer == NULL && from->page_at == 0);
    if (from->page_count == 0)
        return STATUS_OK;
    if (!memory_grow(&into->pages, &into->page_capacity, into->page_count + from->page_count,
                     sizeof *into->pages))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memcpy(into->pages + into->page_count, from->pages, from->page_count * sizeof *from->pages);
    into->page_count += from->page_count;
    into->rows += from->rows;
    into->bytes += from->bytes;
    memory_free(from->pages);
    *from = (struct spill_run){0};
    return STATUS_OK;
}

void exec__spill_release(struct fiber *f, struct spill *spill, struct spill_run *run) {
    for (size_t i = run->page_at; i < run->page_count; i++)
        scratch_free(f, spill->store, run->pages[i].partition, &run->pages[i].id, 1);
    memory_free(run->pages);
    memory_free(run->buffer);
    *run = (struct spill_run){0};
}

/* ---- reading ----------------------------------------------------------------------------- */

enum status exec__spill_read(struct spill *spill, struct spill_run *run,
                             struct spill_reader *reader) {
    ASSERT(run->buffer == NULL);
    *reader = (struct spill_reader){
        .spill = spill, .run = run, .rows_left = run->rows, .rows_max = VECTOR_SIZE};
    batch_init(&reader->batch, spill->types, spill->column_count, &reader->vectors);
    reader->buffer = memory_alloc(spill->image_size);
    if (reader->buffer == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    return arena_status(&reader->vectors);
}

static enum status refill(struct fiber *f, struct spill_reader *reader) {
    struct spill_run *run = reader->run;
    struct store *store = reader->spill->store;
    size_t *at = reader->keeps ? &reader->page_at : &run->page_at;
    ASSERT(*at < run->page_count);
    const struct spill_page page = run->pages[*at];
    TRY(scratch_read(f, store, page.partition, page.id, reader->buffer, page.used));
    ++*at;
    if (!reader->keeps)
        scratch_free(f, store, page.partition, &page.id, 1);
    reader->at = 0;
    reader->used = page.used;
    return STATUS_OK;
}

static enum status get_slow(struct fiber *f, struct spill_reader *reader, uint8_t *bytes,
                            size_t size) {
    while (size > 0) {
        if (reader->at == reader->used)
            TRY(refill(f, reader));
        size_t part = reader->used - reader->at;
        if (part > size)
            part = size;
        memcpy(bytes, reader->buffer + reader->at, part);
        reader->at += (uint32_t)part;
        bytes += part;
        size -= part;
    }
    return STATUS_OK;
}

static inline enum status get(struct fiber *f, struct spill_reader *reader, void *bytes,
                              size_t size) {
    if (reader->at + size > reader->used)
        return get_slow(f, reader, bytes, size);
    memcpy(bytes, reader->buffer + reader->at, size);
    reader->at += (uint32_t)size;
    return STATUS_OK;
}

enum status exec__spill_get(struct fiber *f, struct spill_reader *reader, void *bytes,
                            size_t size) {
    return get(f, reader, bytes, size);
}

static enum status get_string(struct fiber *f, struct spill_reader *reader, struct string *string) {
    uint32_t size;
    uint8_t short_bytes[STRING_INLINE_SIZE], *bytes = short_bytes;
    TRY(get(f, reader, &size, sizeof size));
    if (size > STRING_INLINE_SIZE) {
        bytes = arena_alloc_aligned(&reader->strings, size, 1);
        if (bytes == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    TRY(get(f, reader, bytes, size));
    *string = string_of(bytes, size);
    return STATUS_OK;
}

static enum status get_row(struct fiber *f, struct spill_reader *reader, uint32_t row,
                           uint8_t *nulls) {
    const struct spill *spill = reader->spill;
    TRY(get(f, reader, nulls, (spill->column_count + 7) / 8));
    for (uint32_t c = 0; c < spill->column_count; c++) {
        struct vector *vector = &reader->batch.vectors[c];
        size_t size = physical_size((enum physical)vector->physical);
        uint8_t *data = (uint8_t *)vector->data + row * size;
        if (nulls[c / 8] >> (c % 8) & 1) {
            memset(data, 0, size);
            vector_set_null(vector, row);
        } else if (vector->physical == PHYSICAL_STRING) {
            TRY(get_string(f, reader, (struct string *)(void *)data));
        } else {
            TRY(get(f, reader, data, size));
        }
    }
    return STATUS_OK;
}

enum status exec__spill_next(struct fiber *f, struct spill_reader *reader,
                             struct batch **batch_out) {
    uint8_t nulls[SPILL_COLUMNS_MAX / 8];
    uint32_t max = reader->rows_max;
    uint32_t count = reader->rows_left < max ? (uint32_t)reader->rows_left : max;
    *batch_out = NULL;
    if (count == 0)
        return STATUS_OK;
    TRY(fiber_check(f));
    batch_reset(&reader->batch);
    arena_reset(&reader->strings);
    for (uint32_t row = 0; row < count; row++)
        TRY(get_row(f, reader, row, nulls));
    reader->rows_left -= count;
    batch_set_count(&reader->batch, count);
    *batch_out = &reader->batch;
    return arena_status(&reader->strings);
}

void exec__spill_reader_release(struct spill_reader *reader) {
    memory_free(reader->buffer);
    arena_release(&reader->vectors);
    arena_release(&reader->strings);
    *reader = (struct spill_reader){0};
}
