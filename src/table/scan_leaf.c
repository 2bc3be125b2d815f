/*
 * A run of hot rows from the columns beside their leaf: hide what they replace in the block, test,
 * and gather the values of those that are left. Columns that the leaf's do not have are decoded
 * from the bytes of just those rows.
 */
#include <string.h>

#include "column/column_filter.h"
#include "table/scan.h"

enum { LEAF_PASSES = 8 }; /* more than one of so many rows */

static const struct leaf_want *want(struct table_scan *scan, uint16_t column) {
    uint32_t i = 0;
    while (i < scan->leaf_wanted_count && scan->leaf_wanted[i].column != column)
        i++;
    if (i == scan->leaf_wanted_count)
        scan->leaf_wanted[scan->leaf_wanted_count++] = (struct leaf_want){column, i, NULL};
    return &scan->leaf_wanted[i];
}

enum status scan__leaf_prepare(struct table_scan *scan) {
    size_t count = scan->hot_test_count + scan->decoded_count;
    TRY(arena__array(&scan->arena, count, sizeof *scan->leaf_wanted, &scan->leaf_wanted));
    TRY(arena__array(&scan->arena, count, sizeof *scan->leaf_wants, &scan->leaf_wants));
    TRY(arena__room(&scan->arena, VECTOR_SIZE, sizeof *scan->leaf_rows, &scan->leaf_rows));
    for (uint32_t i = 0; i < scan->hot_test_count; i++)
        scan->leaf_wants[i] = want(scan, scan->hot_tests[i].column);
    scan->leaf_tested_count = scan->leaf_wanted_count;
    for (uint32_t i = 0; i < scan->decoded_count; i++)
        scan->leaf_wants[scan->hot_test_count + i] = want(scan, scan->decoded_columns[i]);
    if (scan->leaf_wanted_count > LEAF_COLUMNS_MAX)
        scan->leaf_wanted = NULL;
    return STATUS_OK;
}

/* ---- which rows -------------------------------------------------------------------------- */

/* Hide all rows of the run in the block. */
static void hide_run(struct table_scan *scan, const struct leaf_columns *columns,
                     const struct txn_leaf *leaf) {
    if (columns->word_count > 0 && leaf->count == columns->count &&
        block_scan_hide_words(&scan->blocks, leaf_columns_words(columns),
                              leaf_columns_word_bits(columns), columns->word_count))
        return;
    block_scan_hide(&scan->blocks, leaf_columns_places(columns) + leaf->first, leaf->count);
}

/* The run's rows that are not deleted, as bits. */
static void live_mask(const struct leaf_run *run, uint64_t *mask) {
    memset(mask, 0xFF, (run->count + 63) / 64 * sizeof *mask);
    if (run->count % 64 != 0)
        mask[run->count / 64] = (1ull << run->count % 64) - 1;
    const uint64_t *deleted = leaf_columns_deleted(run->columns);
    for (uint32_t i = 0; run->columns->has_deleted && i < run->count; i++) {
        uint32_t entry = run->first + i;
        mask[i / 64] &= ~((deleted[entry / 64] >> entry % 64 & 1) << i % 64);
    }
}

/* Of the run's first row. */
static const void *values_of(const struct leaf_run *run, const struct leaf_column *column) {
    return (const uint8_t *)leaf_column_values(run->columns, column) +
           (size_t)run->first * column->width;
}

/* Stored numbers are compared with the limits less the base. */
static void mask_passing(const struct leaf_run *run, const struct leaf_column *column,
                         const struct hot_test *test, uint64_t *mask) {
    uint64_t passing[VECTOR_SIZE / 64];
    int64_t base = (int64_t)column->base;
    uint64_t low = test->low <= base ? 0 : (uint64_t)test->low - column->base;
    uint32_t words = (run->count + 63) / 64;
    memset(passing, 0, words * sizeof *passing);
    if (test->low <= test->high && test->high >= base)
        column_numbers_mask(values_of(run, column), column->width, run->count, low,
                            (uint64_t)test->high - column->base - low, passing);
    for (uint32_t word = 0; word < words; word++)
        mask[word] &= passing[word];
}

/* Rows of the run, counted from its first, that are there and pass the tests that can be made here,
   in order. The result is leaf_rows or, with all of them left, vector_identity. */
static const uint16_t *choose_rows(struct table_scan *scan, const struct leaf_run *run,
                                   uint32_t *count) {
    uint64_t mask[VECTOR_SIZE / 64];
    ASSERT(run->count <= VECTOR_SIZE);
    live_mask(run, mask);
    for (uint32_t i = 0; i < scan->hot_test_count; i++) {
        const struct hot_test *test = &scan->hot_tests[i];
        const struct leaf_column *column = scan->leaf_wants[i]->found;
        if (column->form != LEAF_NUMBER)
            scan->hot_tested = false;
        else if (!test->is_off)
            mask_passing(run, column, test, mask);
    }
    *count = column_mask_count(mask, run->count);
    if (*count == run->count)
        return vector_identity;
    (void)!column_mask_select(mask, run->count, scan->leaf_rows);
    return scan->leaf_rows;
}

/* ---- their values ------------------------------------------------------------------------ */

/* From stored numbers to a vector's values, `make` of each. */
#define GATHER_FROM(stored, type, make)                                                            \
    do {                                                                                           \
        const stored *from = values_of(run, column);                                               \
        type *to = (type *)vector->data + first;                                                   \
        if (dense) {                                                                               \
            from += rows[0];                                                                       \
            for (uint32_t i = 0; i < count; i++)                                                   \
                to[i] = make(base + from[i]);                                                      \
        } else {                                                                                   \
            for (uint32_t i = 0; i < count; i++)                                                   \
                to[i] = make(base + from[rows[i]]);                                                \
        }                                                                                          \
    } while (0)

#define GATHER(type, make)                                                                         \
    switch (column->width) {                                                                       \
    case 1:                                                                                        \
        GATHER_FROM(uint8_t, type, make);                                                          \
        break;                                                                                     \
    case 2:                                                                                        \
        GATHER_FROM(uint16_t, type, make);                                                         \
        break;                                                                                     \
    case 4:                                                                                        \
        GATHER_FROM(uint32_t, type, make);                                                         \
        break;                                                                                     \
    default:                                                                                       \
        GATHER_FROM(uint64_t, type, make);                                                         \
    }

static void gather_raw(const struct leaf_run *run, const struct leaf_column *column,
                       const uint16_t *rows, uint32_t count, struct vector *vector,
                       uint32_t first) {
    const uint8_t *from = values_of(run, column);
    uint32_t width = column->width;
    uint8_t *to = (uint8_t *)vector->data + (size_t)first * width;
    ASSERT(width == physical_size(vector->physical));
    for (uint32_t i = 0; i < count; i++)
        memcpy(to + (size_t)i * width, from + (size_t)rows[i] * width, width);
}

static void gather(const struct leaf_run *run, const struct leaf_column *column,
                   const uint16_t *rows, uint32_t count, struct vector *vector, uint32_t first) {
    const uint64_t base = column->base;
    const bool dense = rows[count - 1] - rows[0] == (int)count - 1; /* one after the other */
    if (vector->validity != NULL)
        for (uint32_t i = 0; i < count; i++)
            validity_set(vector->validity, first + i);
    if (column->form == LEAF_RAW) {
        gather_raw(run, column, rows, count, vector, first);
        return;
    }
    switch (vector->physical) {
    case PHYSICAL_INT16:
        GATHER(int16_t, (int16_t));
        break;
    case PHYSICAL_INT32:
        GATHER(int32_t, (int32_t));
        break;
    case PHYSICAL_INT64:
        GATHER(int64_t, (int64_t));
        break;
    default:
        ASSERT(vector->physical == PHYSICAL_STRING);
        GATHER(struct string, leaf_number_string);
    }
}

/* The bytes of the rows into row_bytes. */
static enum status fetch_rows(struct table_scan *scan, const struct txn_leaf *leaf,
                              const uint16_t *rows, uint32_t count) {
    TRY(txn_leaf_entries(leaf, scan->entries));
    for (uint32_t i = 0; i < count; i++) {
        struct row_stored stored;
        TRY(row__stored(scan->table, scan->entries[rows[i]].value, &stored));
        scan->row_bytes[i] = stored.row;
    }
    return STATUS_OK;
}

/* A column that the leaf's do not have, from row_bytes. */
static enum status decode_unfit(struct table_scan *scan, uint32_t count, uint32_t at) {
    struct row_decode_options options = {
        .columns = &scan->decoded_columns[at],
        .column_count = 1,
        .target_row = scan->batch.row_count,
        .arena = &scan->rows,
        .copy_strings = true,
    };
    return row_decode_batch(&scan->table->row_schema, scan->row_bytes, count, &options,
                            &scan->decoded[at]);
}

static enum status give_out(struct table_scan *scan, const struct leaf_run *run,
                            const uint16_t *rows, uint32_t count) {
    const struct leaf_columns *columns = run->columns;
    uint32_t first = scan->batch.row_count;
    bool fetched = false;
    ASSERT(first + count <= VECTOR_SIZE);
    for (uint32_t i = 0; i < scan->decoded_count; i++) {
        const struct leaf_column *column = scan->leaf_wants[scan->hot_test_count + i]->found;
        if (column->form != LEAF_UNFIT) {
            gather(run, column, rows, count, &scan->decoded[i], first);
            continue;
        }
        if (!fetched)
            TRY(fetch_rows(scan, run->leaf, rows, count));
        fetched = true;
        TRY(decode_unfit(scan, count, i));
    }
    if (scan->address.data != NULL) {
        int64_t *packed = scan->address.data;
        uint16_t partition = (uint16_t)partition_number(scan->partition);
        const uint16_t *places = leaf_columns_places(columns) + run->first;
        uint64_t begin = columns->far ? block_first_row(scan->blocks.range) : columns->first_row;
        for (uint32_t i = 0; i < count; i++) {
            struct row_id row = {begin + (uint16_t)(places[rows[i]] - begin)};
            packed[first + i] = row_address_pack((struct row_address){partition, row});
        }
    }
    scan->batch.row_count = first + count;
    return STATUS_OK;
}

/* ---- the leaf behind ---------------------------------------------------------------------- */

static void prefetch(const void *bytes, size_t size) {
    const uint8_t *from = bytes;
    for (size_t at = 0; at < size; at += 64)
        __builtin_prefetch(from + at);
}

/* Bring what will be looked at of the next leaf's columns nearer to the processor, and no more: it
   can wait for a dozen lines at once only. */
static void prefetch_behind(const struct table_scan *scan, const struct txn_leaf *leaf) {
    const struct leaf_columns *columns = txn_leaf_companion_behind(leaf);
    if (columns == NULL || !columns->fit)
        return;
    if (scan->phase == SCAN_OVER && columns->word_count > 0)
        prefetch(leaf_columns_word_bits(columns),
                 columns->word_count * (sizeof(uint64_t) + sizeof(uint16_t)));
    else if (scan->phase == SCAN_OVER)
        prefetch(leaf_columns_places(columns), columns->count * sizeof(uint16_t));
    uint32_t count = scan->leaf_passes ? scan->leaf_wanted_count : scan->leaf_tested_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct leaf_column *column = leaf_want_guess(&scan->leaf_wanted[i], columns);
        if (column != NULL && column->form != LEAF_UNFIT)
            prefetch(leaf_column_values(columns, column), (size_t)columns->count * column->width);
    }
}

enum status scan__leaf_run(struct table_scan *scan, const struct leaf_run *run) {
    uint32_t count;
    scan__reads(scan, run->columns->first_row, run->count);
    scan->fresh_count += run->count;
    scan->beside_count += run->count;
    const uint16_t *rows = choose_rows(scan, run, &count);
    scan->leaf_passes = count > run->count / LEAF_PASSES;
    return count == 0 ? STATUS_OK : give_out(scan, run, rows, count);
}

enum status scan__leaf_portion(struct table_scan *scan, const struct txn_leaf *leaf,
                               bool *done_out) {
    const struct leaf_columns *columns;
    const void *before = txn_leaf_companion(leaf);
    *done_out = false;
    if (scan->leaf_wanted == NULL || scan->skip_long || leaf->leaf_count > VECTOR_SIZE)
        return STATUS_OK;
    TRY(leaf_columns_get(scan->table, leaf, scan->leaf_wanted, scan->leaf_wanted_count,
                         &scan->arena, &scan->builder, &columns));
    if (columns == NULL || !columns->fit)
        return STATUS_OK;
    bool found = columns == before; /* not made just now */
    prefetch_behind(scan, leaf);
    if (scan->phase == SCAN_OVER) {
        uint64_t generation = scan->blocks.header.generation;
        if (columns->generation_max < generation) {
            *done_out = true; /* leftovers */
            return STATUS_OK;
        }
        if (columns->generation_min < generation)
            return STATUS_OK; /* there are leftovers among them */
        hide_run(scan, columns, leaf);
    } else if (columns->far && scan->address.data != NULL) {
        return STATUS_OK; /* their ranges are not kept */
    }
    scan->leaves_found += found;
    *done_out = true;
    const struct leaf_run run = {columns, leaf->first, leaf->count, leaf};
    return scan__leaf_run(scan, &run);
}
