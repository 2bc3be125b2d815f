/* Making and finding the columns beside a range: range_columns.h. */
#include "table/range_columns.h"

#include "base/base_chance.h"
#include "table/block_format.h"

_Static_assert((int)TXN_PART_BITS == (int)BLOCK_RANGE_BITS, "a note tells of a range");

enum {
    WIDE_MAX = 8 << 20, /* bytes of what is gathered: rows by columns */
    WHOLE_ROWS_MIN =
        BLOCK_ROWS_MAX / 32, /* rows whose places take a good part of the words' bytes */
};

/* What the leaves have, as wide as it gets: int64_t, struct string, or as in a vector. */
struct gathering {
    const struct table *table;
    struct arena arena;
    struct leaf_columns plan; /* `form`s so far; LEAF_RAW of strings: also short ones */
    uint32_t capacity;
    bool stop;  /* it cannot be done */
    bool begun; /* the plan has its columns */
    uint16_t *places;
    uint64_t *deleted;
    void *wide[LEAF_COLUMNS_MAX];
};

const struct leaf_columns *range_columns(const struct table *table, struct partition *partition,
                                         uint64_t range) {
    return partition_note(partition, table->row_tree, range);
}

/* ---- gathering ----------------------------------------------------------------------------- */

static enum physical physical_of(const struct gathering *gathering, uint32_t at) {
    return type_physical(gathering->table->columns[gathering->plan.columns[at].column].type);
}

static size_t wide_size(enum physical physical) {
    size_t size = physical_size(physical);
    return size > sizeof(uint64_t) ? size : sizeof(uint64_t);
}

/* The columns that the first leaf has, but for those that are of no use. */
static enum status begin(struct gathering *gathering, const struct leaf_columns *first) {
    struct leaf_columns *plan = &gathering->plan;
    size_t capacity = gathering->capacity, size = 0;
    gathering->begun = true;
    for (uint32_t i = 0; i < first->column_count; i++) {
        uint16_t column = first->columns[i].column;
        if (column >= gathering->table->column_count || gathering->table->columns[column].dropped)
            continue;
        uint32_t at = plan->column_count++;
        plan->columns[at] = (struct leaf_column){.column = column, .form = first->columns[i].form};
        size += wide_size(physical_of(gathering, at));
    }
    if (size * capacity > WIDE_MAX) {
        gathering->stop = true;
        return STATUS_OK;
    }
    TRY(arena__array(&gathering->arena, capacity, sizeof(uint16_t), &gathering->places));
    TRY(arena__array(&gathering->arena, (capacity + 63) / 64, sizeof(uint64_t),
                     &gathering->deleted));
    for (uint32_t i = 0; i < plan->column_count; i++)
        TRY(arena__room(&gathering->arena, capacity, wide_size(physical_of(gathering, i)),
                        &gathering->wide[i]));
    return STATUS_OK;
}

/* The form that has room for both. */
static uint8_t form_of_both(uint8_t a, uint8_t b) {
    bool strings = (a == LEAF_STRING || a == LEAF_RAW) && (b == LEAF_STRING || b == LEAF_RAW);
    return a == b ? a : strings ? LEAF_RAW : LEAF_UNFIT;
}

/* Entries first .. first + count of one column to the places from `to` on. */
static void column_gather(struct gathering *gathering, uint32_t at,
                          const struct leaf_columns *columns, const struct leaf_column *column,
                          uint32_t first, uint32_t count) {
    uint32_t to = gathering->plan.count;
    const void *from = leaf_column_values(columns, column);
    if (column->form == LEAF_RAW) {
        memcpy((uint8_t *)gathering->wide[at] + (size_t)to * column->width,
               (const uint8_t *)from + (size_t)first * column->width,
               (size_t)count * column->width);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t number = column->base + leaf_number_get(from, first + i, column->width);
        if (column->form == LEAF_STRING)
            ((struct string *)gathering->wide[at])[to + i] = leaf_number_string(number);
        else
            ((uint64_t *)gathering->wide[at])[to + i] = number;
    }
}

/* A run of a leaf behind what there is. */
static void run_gather(struct gathering *gathering, const struct leaf_columns *columns,
                       uint32_t first, uint32_t count) {
    struct leaf_columns *plan = &gathering->plan;
    uint32_t left = 0;
    for (uint32_t i = 0; i < plan->column_count; i++) {
        struct leaf_want want = {.column = plan->columns[i].column, .guess = i};
        if (!leaf_columns_find(columns, &want, 1))
            continue; /* another scan's */
        plan->columns[left] = plan->columns[i];
        gathering->wide[left] = gathering->wide[i];
        plan->columns[left].form = form_of_both(plan->columns[i].form, want.found->form);
        if (plan->columns[left].form != LEAF_UNFIT)
            column_gather(gathering, left, columns, want.found, first, count);
        left++;
    }
    plan->column_count = (uint16_t)left;
    memcpy(gathering->places + plan->count, leaf_columns_places(columns) + first,
           count * sizeof *gathering->places);
    for (uint32_t i = 0; columns->has_deleted && i < count; i++) {
        uint64_t bit = leaf_columns_deleted(columns)[(first + i) / 64] >> (first + i) % 64 & 1;
        gathering->deleted[(plan->count + i) / 64] |= bit << (plan->count + i) % 64;
        plan->has_deleted |= bit != 0;
    }
    if (columns->generation_min < plan->generation_min)
        plan->generation_min = columns->generation_min;
    if (columns->generation_max > plan->generation_max)
        plan->generation_max = columns->generation_max;
    plan->count += count;
}

static enum status gather_all(struct fiber *f, struct gathering *gathering,
                              struct txn_cursor *cursor, struct txn_entry *entries,
                              size_t entry_max) {
    for (;;) {
        struct txn_leaf leaf;
        size_t count;
        size_t count_max = by_chance("table: rows are gathered one by one") ? 1 : entry_max;
        TRY(txn_cursor_next_run(f, cursor, entries, count_max, &leaf, &count));
        if (count == 0)
            break;
        const struct leaf_columns *columns = leaf.page != NULL ? txn_leaf_companion(&leaf) : NULL;
        gathering->stop |=
            columns == NULL || !columns->fit || gathering->plan.count + count > gathering->capacity;
        if (!gathering->stop && !gathering->begun)
            TRY(begin(gathering, columns));
        if (gathering->stop)
            return STATUS_OK;
        run_gather(gathering, columns, leaf.first, leaf.count);
    }
    gathering->stop = gathering->plan.count == 0;
    return STATUS_OK;
}

/* ---- keeping ------------------------------------------------------------------------------- */

static bool is_deleted(const struct gathering *gathering, uint32_t i) {
    return (gathering->deleted[i / 64] >> i % 64 & 1) != 0;
}

/* Numbers of rows that are not deleted; others become 0 less base, cut to the width. */
static void numbers_keep(const struct gathering *gathering, struct leaf_column *column,
                         const uint64_t *numbers, uint8_t *to) {
    int64_t least = INT64_MAX, greatest = INT64_MIN;
    uint32_t count = gathering->plan.count;
    for (uint32_t i = 0; i < count; i++) {
        int64_t number = (int64_t)numbers[i];
        if (gathering->plan.has_deleted && is_deleted(gathering, i))
            continue;
        least = number < least ? number : least;
        greatest = number > greatest ? number : greatest;
    }
    column->base = (uint64_t)least;
    column->width = leaf_number_width((uint64_t)greatest - (uint64_t)least);
    for (uint32_t i = 0; i < count; i++)
        leaf_number_put(to, i, column->width, numbers[i] - column->base);
}

static void column_put(const struct gathering *gathering, uint32_t at, struct leaf_column *column,
                       uint8_t *to) {
    uint32_t count = gathering->plan.count;
    if (column->form == LEAF_RAW) {
        column->width = (uint8_t)physical_size(physical_of(gathering, at));
        memcpy(to, gathering->wide[at], (size_t)count * column->width);
        return;
    }
    uint64_t *numbers = gathering->wide[at];
    const struct string *strings = gathering->wide[at];
    for (uint32_t i = 0; column->form == LEAF_STRING && i < count; i++)
        numbers[i] = leaf_string_number(&strings[i]); /* they come to lie before what is read */
    numbers_keep(gathering, column, numbers, to);
}

/* Lay it all out in the arena: as leaf_columns.h says. */
static enum status lay_out(struct gathering *gathering, uint64_t range,
                           struct leaf_columns **made_out, size_t *size_out) {
    struct leaf_columns *plan = &gathering->plan;
    plan->fit = true;
    plan->whole = plan->count >= WHOLE_ROWS_MIN || by_chance("table: a few rows become words");
    plan->word_count = plan->whole ? BLOCK_WORDS : 0;
    plan->first_row = block_first_row(range);
    size_t header_size = leaf_columns_header_size(plan);
    size_t deleted_size = (plan->count + 63) / 64 * sizeof(uint64_t);
    size_t bits_size = plan->word_count * sizeof(uint64_t),
           places_size = plan->count * sizeof(uint16_t);
    size_t size = leaf_aligned(header_size + deleted_size + bits_size + places_size);
    size_t size_max = size;
    for (uint32_t i = 0; i < plan->column_count; i++)
        size_max +=
            leaf_aligned((plan->count + LEAF_READ_BEYOND) * wide_size(physical_of(gathering, i)));
    struct leaf_columns *columns = arena_alloc_zeroed(&gathering->arena, size_max);
    if (columns == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memcpy(columns, plan, header_size);
    memcpy((uint64_t *)leaf_columns_deleted(columns), gathering->deleted, deleted_size);
    memcpy((uint16_t *)leaf_columns_places(columns), gathering->places, places_size);
    uint64_t *bits = (uint64_t *)leaf_columns_word_bits(columns);
    for (uint32_t i = 0; plan->whole && i < plan->count; i++)
        bits[gathering->places[i] / 64] |= 1ull << gathering->places[i] % 64;
    size_t end = size;
    for (uint32_t i = 0; i < columns->column_count; i++) {
        struct leaf_column *column = &columns->columns[i];
        if (column->form == LEAF_UNFIT)
            continue;
        column->offset = (uint32_t)size;
        column_put(gathering, i, column, (uint8_t *)columns + size);
        end = leaf_read_end(columns, column) > end ? leaf_read_end(columns, column) : end;
        size += leaf_aligned((size_t)columns->count * column->width);
    }
    *made_out = columns;
    *size_out = end > size ? end : size;
    ASSERT(*size_out <= size_max);
    return STATUS_OK;
}

static enum status make(struct fiber *f, struct gathering *gathering,
                        const struct table_context *context, struct partition *partition,
                        uint64_t range, struct txn_cursor *cursor, struct txn_entry *entries,
                        size_t entry_max) {
    struct tree_id tree = gathering->table->row_tree;
    struct leaf_columns *made = NULL;
    size_t size = 0;
    uint64_t version = partition_tree_version(partition, tree);
    TRY(gather_all(f, gathering, cursor, entries, entry_max));
    if (gathering->stop)
        return STATUS_OK;
    TRY(lay_out(gathering, range, &made, &size));
    /* Steps of the cursor that have nothing for an older snapshot are not handed out. */
    if (partition_tree_version(partition, tree) != version ||
        !txn_sees_tree(context->transaction, partition, tree, block_first_row(range),
                       block_first_row(range + 1) - 1))
        return STATUS_OK;
    void *note = partition_note_make(partition, tree, range, (uint32_t)size);
    if (note != NULL)
        memcpy(note, made, size);
    return STATUS_OK;
}

enum status range_columns_make(struct fiber *f, const struct table_context *context,
                               const struct table *table, struct partition *partition,
                               uint64_t range, struct txn_cursor *cursor, struct txn_entry *entries,
                               size_t entry_max, uint32_t count) {
    struct gathering gathering = {
        .table = table, .capacity = count, .plan.generation_min = UINT64_MAX};
    enum status status = make(f, &gathering, context, partition, range, cursor, entries, entry_max);
    arena_release(&gathering.arena);
    return status;
}
