/*
 * Hot rows over a block from the columns beside their range.
 *
 * They may go with any suspension: then the cursor goes on where they ended. All of them hide rows
 * of the block at once, before the first is given out.
 */
#include "base/base_chance.h"
#include "table/scan.h"

enum { LEAVES_MIN = 2 }; /* runs of a range that are worth being kept as one */

void scan__range_begin(struct table_scan *scan) {
    scan->range_place = 0;
    scan->leaves_seen = scan->leaves_found = scan->over_rows = 0;
    scan->by_range = scan->leaf_wanted != NULL &&
                     range_columns(scan->table, scan->partition, scan->blocks.range) != NULL;
}

/* Have all wanted columns found; false: one is not there, or in no form that is of use. */
static bool find_all(struct table_scan *scan, const struct leaf_columns *columns) {
    if (!leaf_columns_find(columns, scan->leaf_wanted, scan->leaf_wanted_count))
        return false;
    for (uint32_t i = 0; i < scan->leaf_wanted_count; i++)
        if (scan->leaf_wanted[i].found->form == LEAF_UNFIT)
            return false;
    return true;
}

/* The first entry at `place` or behind. */
static uint32_t entry_from(const struct leaf_columns *columns, uint32_t place) {
    const uint16_t *places = leaf_columns_places(columns);
    uint32_t low = 0, high = columns->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (places[middle] < place)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void hide_all(struct table_scan *scan, const struct leaf_columns *columns) {
    if (!columns->whole || !block_scan_hide_whole(&scan->blocks, leaf_columns_word_bits(columns)))
        block_scan_hide(&scan->blocks, leaf_columns_places(columns), columns->count);
}

enum status scan__range_portion(struct table_scan *scan, size_t room, bool *done_out) {
    const struct leaf_columns *columns =
        range_columns(scan->table, scan->partition, scan->blocks.range);
    uint64_t generation = scan->blocks.header.generation, range = scan->blocks.range;
    *done_out = false;
    if (columns == NULL || scan->skip_long || !find_all(scan, columns) ||
        !txn_sees_tree(scan->context.transaction, scan->partition, scan->table->row_tree,
                       block_first_row(range) + scan->range_place, block_first_row(range + 1) - 1))
        return STATUS_OK;
    if (columns->generation_max >= generation && columns->generation_min < generation)
        return STATUS_OK; /* there are leftovers among them */
    uint32_t first = entry_from(columns, scan->range_place), count = columns->count - first;
    *done_out = true;
    if (columns->generation_max < generation)
        count = 0; /* leftovers */
    else if (scan->range_place == 0)
        hide_all(scan, columns);
    bool is_last = count <= room;
    if (!is_last)
        count = (uint32_t)room;
    scan->range_place =
        is_last ? BLOCK_ROWS_MAX : leaf_columns_places(columns)[first + count - 1] + 1u;
    scan->range_count += count;
    const struct leaf_run run = {.columns = columns, .first = first, .count = count};
    return count == 0 ? STATUS_OK : scan__leaf_run(scan, &run);
}

enum status scan__range_keep(struct fiber *f, struct table_scan *scan) {
    uint64_t range = scan->blocks.range;
    const struct leaf_columns *columns = range_columns(scan->table, scan->partition, range);
    uint32_t leaves_min = by_chance("table: a scan keeps few rows of a range") ? 1 : LEAVES_MIN;
    if (scan->by_range || scan->range_place > 0 || scan->leaves_found < leaves_min ||
        scan->leaves_found < scan->leaves_seen)
        return STATUS_OK;
    if (columns != NULL && leaf_columns_find(columns, scan->leaf_wanted, scan->leaf_wanted_count))
        return STATUS_OK; /* it did not help */
    uint64_t bytes_max =
        (uint64_t)scan->over_rows * (scan->leaf_wanted_count + 1) * sizeof(int64_t);
    if (!partition_note_fits(scan->partition, bytes_max))
        return STATUS_OK;
    TRY(scan__open_hot(f, scan, block_first_row(range), block_first_row(range + 1)));
    enum status status =
        range_columns_make(f, &scan->context, scan->table, scan->partition, range, scan->cursor,
                           scan->entries, SCAN_ROWS_MAX, scan->over_rows);
    if (status != STATUS_OUT_OF_MEMORY)
        return status;
    error_clear(); /* nobody waits for them */
    return STATUS_OK;
}
