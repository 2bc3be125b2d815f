/* Collecting statistics: each partition on its core, then put together. */
#include "table/table_statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base_hash.h"
#include "base/base_random.h"
#include "table/rows.h"
#include "table/schema_parts.h"
#include "value/value_array.h"
#include "value/value_text.h"

/* ---- distinct values -------------------------------------------------------------------- */

/* HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) with 2^10 registers: about 3 % off; small
   numbers by linear counting. */
enum { REGISTER_BITS = 10, REGISTERS = 1 << REGISTER_BITS };

struct sketch {
    uint8_t registers[REGISTERS];
};

static void sketch_add(struct sketch *sketch, uint64_t hash) {
    uint32_t at = (uint32_t)(hash >> (64 - REGISTER_BITS));
    uint64_t rest = hash << REGISTER_BITS | UINT64_C(1) << (REGISTER_BITS - 1);
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    if (sketch->registers[at] < rank)
        sketch->registers[at] = rank;
}

static void sketch_merge(struct sketch *to, const struct sketch *from) {
    for (int i = 0; i < REGISTERS; i++)
        if (to->registers[i] < from->registers[i])
            to->registers[i] = from->registers[i];
}

static double sketch_estimate(const struct sketch *sketch) {
    double sum = 0;
    int empty = 0;
    for (int i = 0; i < REGISTERS; i++) {
        sum += ldexp(1, -sketch->registers[i]);
        empty += sketch->registers[i] == 0;
    }
    double estimate = 0.7213 / (1 + 1.079 / REGISTERS) * REGISTERS * REGISTERS / sum;
    if (estimate <= 2.5 * REGISTERS && empty > 0)
        return REGISTERS * log((double)REGISTERS / empty);
    return estimate;
}

/* ---- one partition ---------------------------------------------------------------------- */

enum { STATISTICS_WIDTH_KEPT = 1024, ROOM_STEP = 32, PART_ROWS_MIN = 64, MEMORY_SHARE = 64 };

struct column_state {
    struct sketch sketch;
    uint64_t nulls, width;
};

/* Memory for a value in the reservoir, used again by the next one there. */
struct room {
    uint8_t *bytes;
    uint32_t size;
};

struct part {
    const struct table_context *context;
    const struct table *table;
    struct arena arena;
    struct random random;
    uint64_t rows, next;     /* seen; the next row that goes into the reservoir */
    double weight;           /* algorithm L (Li 1994) */
    uint32_t kept, capacity; /* of the reservoir: fewer when it has taken bytes_max */
    uint64_t bytes, bytes_max;
    struct value *reservoir; /* [row * column_count + column] */
    struct room *rooms;      /* the same: for bytes of the value */
    struct column_state *columns;
};

static double random_share(struct random *random) {
    return ((double)(random_next(random) >> 11) + 1) / 9007199254740993.0;
}

static void draw_next(struct part *part) {
    part->weight *= exp(log(random_share(&part->random)) / part->capacity);
    double skip = floor(log(random_share(&part->random)) / log(1 - part->weight));
    part->next += skip < 1e15 ? (uint64_t)skip + 1 : (uint64_t)1 << 50;
}

/* How many bytes there are without a character that does not fit. */
static size_t whole_characters(struct slice text, size_t size_max) {
    size_t size = size_max;
    if (text.size <= size_max)
        return text.size;
    while (size > 0 && (text.data[size] & 0xC0) == 0x80)
        size--;
    return size;
}

/* Longer strings are cut; other values that are as wide (arrays, numbers) are not kept. */
static struct value shortened(const struct value *value) {
    struct value kept = *value;
    if (value->string.size <= STATISTICS_WIDTH_KEPT)
        return kept;
    if (!type_is_string(value->type.id))
        return value_null(value->type);
    kept.string.size = whole_characters(value->string, STATISTICS_WIDTH_KEPT);
    return kept;
}

static void keep_value(struct part *part, const struct value *value, uint64_t at) {
    struct room *room = &part->rooms[at];
    struct value *kept = &part->reservoir[at];
    *kept = *value;
    if (value->is_null || type_physical(value->type) != PHYSICAL_STRING)
        return;
    *kept = shortened(value);
    if (kept->is_null || kept->string.size == 0)
        return;
    if (room->size < kept->string.size) {
        uint32_t size = ((uint32_t)kept->string.size + ROOM_STEP - 1) / ROOM_STEP * ROOM_STEP;
        *room = (struct room){arena_alloc(&part->arena, size), size};
        part->bytes += size;
    }
    if (room->bytes == NULL) { /* arena_status says so at the end */
        *room = (struct room){0};
        *kept = value_null(value->type);
        return;
    }
    memcpy(room->bytes, kept->string.data, kept->string.size);
    kept->string.data = room->bytes;
}

static void keep_row(struct part *part, const struct batch *batch, uint32_t row) {
    uint16_t count = part->table->column_count;
    uint64_t at = part->kept;
    if (part->kept < part->capacity) {
        part->kept++;
        memset(&part->rooms[at * count], 0, count * sizeof *part->rooms);
        part->bytes += count * (sizeof *part->rooms + sizeof *part->reservoir);
    } else {
        at = random_next(&part->random) % part->capacity;
    }
    for (uint32_t c = 0; c < count; c++) {
        struct value value = vector_get(&batch->vectors[c], row);
        keep_value(part, &value, at * count + c);
    }
}

static void take_batch(struct part *part, const struct batch *batch, uint64_t *hashes) {
    for (uint32_t c = 0; c < batch->column_count; c++) {
        const struct vector *vector = &batch->vectors[c];
        struct column_state *column = &part->columns[c];
        struct vector_view view = vector_view(vector);
        bool is_string = vector->physical == PHYSICAL_STRING;
        vector_hash(vector, batch->selection, batch->selected_count, false, hashes);
        for (uint32_t i = 0; i < batch->selected_count; i++) {
            uint32_t row = batch_row(batch, i), at = view.indices[row];
            if (!view_valid(&view, at)) {
                column->nulls++;
                continue;
            }
            sketch_add(&column->sketch, hashes[i]);
            if (is_string)
                column->width += vector_get(vector, row).string.size;
        }
    }
    for (uint32_t i = 0; i < batch->selected_count; i++, part->rows++) {
        uint32_t row = batch_row(batch, i);
        if (part->kept < part->capacity) {
            keep_row(part, batch, row);
            if (part->bytes > part->bytes_max && part->kept >= PART_ROWS_MIN)
                part->capacity = part->kept;
            if (part->kept == part->capacity) {
                part->next = part->rows;
                draw_next(part);
            }
        } else if (part->rows == part->next) {
            keep_row(part, batch, row);
            draw_next(part);
        }
    }
}

static enum status read_part(struct fiber *f, struct partition *partition, void *argument) {
    struct part *part = argument;
    const struct table *table = part->table;
    int16_t numbers[COLUMNS_MAX];
    uint64_t *hashes;
    for (uint32_t i = 0; i < table->column_count; i++)
        numbers[i] = (int16_t)(i + 1);
    struct table_context context = *part->context;
    context.arena = &part->arena;
    TRY(arena__room(&part->arena, VECTOR_SIZE, sizeof *hashes, &hashes));
    TRY(arena__array(&part->arena, table->column_count, sizeof *part->columns, &part->columns));
    TRY(arena__room(&part->arena, (size_t)part->capacity * table->column_count,
                    sizeof *part->reservoir, &part->reservoir));
    TRY(arena__room(&part->arena, (size_t)part->capacity * table->column_count, sizeof *part->rooms,
                    &part->rooms));
    struct table_scan_options options = {.column_numbers = numbers,
                                         .column_count = table->column_count};
    struct table_scan *scan;
    TRY(table_scan_open(f, &context, table, partition, &options, &scan));
    struct batch *batch = NULL;
    enum status status;
    while ((status = table_scan_next(f, scan, &batch)) == STATUS_OK && batch != NULL) {
        take_batch(part, batch, hashes);
        status = fiber_check(f);
        if (status != STATUS_OK)
            break;
    }
    table_scan_close(f, scan);
    return status != STATUS_OK ? status : arena_status(&part->arena);
}

/* ---- one column ------------------------------------------------------------------------- */

struct common {
    uint32_t first, count; /* run in the sorted values */
};

struct gathering {
    struct fiber *f;
    struct arena *arena;
    const struct table *table;
    double rows;
    uint32_t kept;        /* rows of the whole reservoir */
    struct value *values; /* of one column, sorted, without nulls */
    struct value *texts;
    uint32_t comparisons;
    enum status interrupted; /* while sorting */
};

static int compare_values(const void *a, const void *b, void *argument) {
    struct gathering *g = argument;
    if (++g->comparisons % 1024 == 0 && g->interrupted == STATUS_OK)
        g->interrupted = fiber_check(g->f);
    return value_compare(a, b);
}
static int compare_runs(const void *a, const void *b) {
    const struct common *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : (x->first > y->first ? 1 : -1);
}

static enum status to_text(struct gathering *g, const struct value *value, struct value *out) {
    static const struct value_context plain_context;
    *out = value_null(TYPE_OF(TEXT));
    if (value->is_null)
        return STATUS_OK;
    struct buffer buffer = {0};
    enum status status = text_output(&plain_context, value, &buffer);
    if (status == STATUS_OK)
        status = buffer_status(&buffer);
    if (status == STATUS_OK) {
        struct slice text = buffer_slice(&buffer);
        text.size = whole_characters(text, STATISTICS_WIDTH);
        *out = value_string(TYPE_OF(TEXT), arena_copy_slice(g->arena, text));
    }
    buffer_release(&buffer);
    return status;
}

static enum status text_list(struct gathering *g, const struct value *values, uint32_t count,
                             struct slice *body_out) {
    struct value array;
    for (uint32_t i = 0; i < count; i++)
        TRY(to_text(g, &values[i], &g->texts[i]));
    TRY(array_make(TYPE_TEXT_ARRAY, g->texts, count, g->arena, &array));
    *body_out = array.string;
    return STATUS_OK;
}

static enum status common_lists(struct gathering *g, const struct common *runs, uint32_t count,
                                struct table_column_statistics *column) {
    struct value *values, *shares, array;
    TRY(arena__array(g->arena, count, sizeof *values, &values));
    TRY(arena__array(g->arena, count, sizeof *shares, &shares));
    for (uint32_t i = 0; i < count; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "%.6g", (double)runs[i].count / g->kept);
        values[i] = g->values[runs[i].first];
        shares[i] =
            value_string(TYPE_OF(TEXT), arena_copy_slice(g->arena, slice_of(text, (size_t)size)));
    }
    TRY(text_list(g, values, count, &column->common_values));
    TRY(array_make(TYPE_TEXT_ARRAY, shares, count, g->arena, &array));
    column->common_shares = array.string;
    return STATUS_OK;
}

/* Values that come more often than the average by a quarter, or all when they are few. */
static enum status find_common(struct gathering *g, uint32_t count, double distinct,
                               struct common **runs_out, uint32_t *common_out) {
    struct common *runs;
    uint32_t run_count = 0, chosen = 0;
    TRY(arena__array(g->arena, count, sizeof *runs, &runs));
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || value_compare(&g->values[i], &g->values[i - 1]) != 0)
            runs[run_count++] = (struct common){i, 0};
        runs[run_count - 1].count++;
    }
    qsort(runs, run_count, sizeof *runs, compare_runs);
    bool all = run_count <= STATISTICS_COMMON && run_count >= distinct * 0.9;
    double average = count / (distinct < 1 ? 1 : distinct);
    double least = 1.25 * average + 3 * sqrt(fmax(average, 1)); /* not by chance */
    while (chosen < run_count && chosen < STATISTICS_COMMON && runs[chosen].count >= 2 &&
           (all || runs[chosen].count > least))
        chosen++;
    *runs_out = runs;
    *common_out = chosen;
    return STATUS_OK;
}

/* Bounds of parts with equally many of the values that are not common. */
static enum status make_histogram(struct gathering *g, uint32_t count, const struct common *runs,
                                  uint32_t common, struct table_column_statistics *column) {
    uint8_t *skip;
    struct value bounds[STATISTICS_BOUNDS];
    TRY(arena__array(g->arena, count, 1, &skip));
    for (uint32_t i = 0; i < common; i++)
        memset(skip + runs[i].first, 1, runs[i].count);
    uint32_t rest = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!skip[i])
            g->values[rest++] = g->values[i];
    uint32_t bound_count = rest < STATISTICS_BOUNDS ? rest : STATISTICS_BOUNDS;
    if (bound_count < 2)
        return STATUS_OK;
    for (uint32_t i = 0; i < bound_count; i++)
        bounds[i] = g->values[(uint64_t)i * (rest - 1) / (bound_count - 1)];
    return text_list(g, bounds, bound_count, &column->histogram);
}

static bool is_unique(const struct table *table, int16_t number) {
    for (uint32_t i = 0; i < table->index_count; i++)
        if (table->indexes[i]->unique && table->indexes[i]->column_count == 1 &&
            table->indexes[i]->columns[0].column_number == number)
            return true;
    return false;
}

static uint32_t count_runs(const struct gathering *g, uint32_t count) {
    uint32_t runs = 0;
    for (uint32_t i = 0; i < count; i++)
        runs += i == 0 || value_compare(&g->values[i], &g->values[i - 1]) != 0;
    return runs;
}

/* The sketch's figure, or the exact one where the reservoir has it. */
static double distinct_values(const struct gathering *g, const struct sketch *sketch,
                              uint32_t count, double present, int16_t number) {
    double estimate = fmin(sketch_estimate(sketch), present);
    uint32_t runs = count_runs(g, count);
    if (count >= present || (runs < count / 10 && fabs(estimate - runs) < 0.1 * runs + 1))
        return runs;
    return is_unique(g->table, number) || estimate > present * 0.95 ? present : estimate;
}

static enum status finish_column(struct gathering *g, const struct column_state *state,
                                 uint32_t count, struct table_column_statistics *column) {
    double present = g->rows - (double)state->nulls;
    const struct type_info *info = type_info_get(g->table->columns[column->number - 1].type.id);
    column->null_share = g->rows > 0 ? (float)((double)state->nulls / g->rows) : 0;
    column->average_width = info->length > 0 ? info->length
                            : present > 0    ? (int32_t)((double)state->width / present)
                                             : 0;
    qsort_r(g->values, count, sizeof *g->values, compare_values, g);
    TRY(g->interrupted);
    double distinct = distinct_values(g, &state->sketch, count, present, column->number);
    column->distinct =
        (float)(distinct > g->rows * 0.1 && g->rows > 0 ? -distinct / g->rows : distinct);
    struct common *runs;
    uint32_t common;
    TRY(fiber_check(g->f));
    TRY(find_common(g, count, distinct, &runs, &common));
    TRY(fiber_check(g->f));
    if (common > 0)
        TRY(common_lists(g, runs, common, column));
    return make_histogram(g, count, runs, common, column);
}

/* ---- all -------------------------------------------------------------------------------- */

/* The share of the rows that every part has in its reservoir. */
static double common_share(double rows, const struct part *parts, unsigned count) {
    double share = rows > STATISTICS_ROWS ? STATISTICS_ROWS / rows : 1;
    for (unsigned i = 0; i < count; i++)
        if (parts[i].kept < parts[i].rows)
            share = fmin(share, (double)parts[i].kept / (double)parts[i].rows);
    return share;
}

/* Rows of the parts in proportion to what they stand for, shuffled, into one reservoir. */
static enum status merge_rows(struct gathering *g, struct part *parts, unsigned count,
                              struct value ***rows_out) {
    struct value **rows;
    uint16_t columns = g->table->column_count;
    struct random random;
    random_seed(&random, g->table->oid);
    double share = common_share(g->rows, parts, count);
    TRY(arena__array(g->arena, STATISTICS_ROWS + count, sizeof *rows, &rows));
    for (unsigned i = 0; i < count; i++) {
        struct part *part = &parts[i];
        uint32_t wanted = (uint32_t)((double)part->rows * share + 0.5);
        for (uint32_t k = 0; k < wanted && k < part->kept; k++) {
            uint32_t from = k + (uint32_t)(random_next(&random) % (part->kept - k));
            for (uint16_t c = 0; c < columns && from != k; c++) {
                struct value value = part->reservoir[(size_t)k * columns + c];
                part->reservoir[(size_t)k * columns + c] =
                    part->reservoir[(size_t)from * columns + c];
                part->reservoir[(size_t)from * columns + c] = value;
            }
            if (g->kept < STATISTICS_ROWS + count)
                rows[g->kept++] = &part->reservoir[(size_t)k * columns];
        }
    }
    for (uint32_t k = 0; k < g->kept; k++) {
        uint32_t from = k + (uint32_t)(random_next(&random) % (g->kept - k));
        struct value *row = rows[k];
        rows[k] = rows[from];
        rows[from] = row;
    }
    *rows_out = rows;
    return STATUS_OK;
}

static enum status gather(struct gathering *g, struct part *parts, unsigned part_count,
                          struct table_statistics *out) {
    struct value **rows;
    for (unsigned i = 0; i < part_count; i++)
        g->rows += (double)parts[i].rows;
    out->rows = g->rows;
    out->column_count = g->table->column_count;
    TRY(arena__array(g->arena, out->column_count, sizeof *out->columns, &out->columns));
    TRY(merge_rows(g, parts, part_count, &rows));
    TRY(arena__array(g->arena, g->kept, sizeof *g->values, &g->values));
    TRY(arena__array(g->arena, STATISTICS_SAMPLE, sizeof *g->texts, &g->texts));
    uint32_t sampled = g->kept < STATISTICS_SAMPLE ? g->kept : STATISTICS_SAMPLE;
    for (uint16_t c = 0; c < out->column_count; c++) {
        struct table_column_statistics *column = &out->columns[c];
        struct column_state state = {0};
        uint32_t count = 0;
        if (g->table->columns[c].dropped)
            continue;
        column->number = (int16_t)(c + 1);
        for (unsigned i = 0; i < part_count; i++) {
            if (parts[i].columns == NULL)
                continue;
            sketch_merge(&state.sketch, &parts[i].columns[c].sketch);
            state.nulls += parts[i].columns[c].nulls;
            state.width += parts[i].columns[c].width;
        }
        for (uint32_t k = 0; k < sampled; k++)
            g->values[k] = rows[k][c];
        TRY(text_list(g, g->values, sampled, &column->sample));
        TRY(fiber_check(g->f));
        for (uint32_t k = 0; k < g->kept; k++)
            if (!rows[k][c].is_null)
                g->values[count++] = rows[k][c];
        TRY(finish_column(g, &state, count, column));
    }
    return arena_status(g->arena);
}

/* In the background one after the other: memory and cores are for those who wait for answers. */
static enum status read_parts(struct fiber *f, struct store *store, uint64_t partitions,
                              void *arguments[]) {
    if (fiber_class(f) != FIBER_BACKGROUND)
        return partition_call_all(f, store, partitions, read_part, arguments);
    for (unsigned i = 0; i < store_partition_count(store); i++)
        if ((partitions >> i & 1) != 0)
            TRY(partition_call(f, store, i, read_part, arguments[i]));
    return STATUS_OK;
}

enum status table_statistics_collect(struct fiber *f, const struct table_context *context,
                                     const struct table *table,
                                     struct table_statistics *statistics_out) {
    struct part *parts;
    void *arguments[PARTITIONS_MAX];
    unsigned count = store_partition_count(context->store);
    uint64_t partitions = table_partitions(context->store, table);
    /* Mostly rows lie evenly; where they do not, fewer are kept. */
    unsigned parts_used = (unsigned)__builtin_popcountll(partitions);
    ASSERT(parts_used > 0);
    uint32_t capacity = parts_used > 1 ? STATISTICS_ROWS * 5 / 4 / parts_used : STATISTICS_ROWS;
    *statistics_out = (struct table_statistics){0};
    TRY(arena__array(context->arena, count, sizeof *parts, &parts));
    for (unsigned i = 0; i < count; i++) {
        parts[i] =
            (struct part){.context = context,
                          .table = table,
                          .weight = 1,
                          .capacity = capacity,
                          .bytes_max = store_memory(context->store) / MEMORY_SHARE / parts_used};
        random_seed(&parts[i].random, (uint64_t)table->oid << 8 | i);
        arguments[i] = &parts[i];
    }
    enum status status = read_parts(f, context->store, partitions, arguments);
    struct gathering g = {.f = f, .arena = context->arena, .table = table};
    if (status == STATUS_OK)
        status = gather(&g, parts, count, statistics_out);
    for (unsigned i = 0; i < count; i++)
        arena_release(&parts[i].arena);
    return status;
}
