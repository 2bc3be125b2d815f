/*
 * Reading blocks ahead in a scan. A disk that has one request at a time waits most of the time, and
 * so does the scan; so what is needed of a block is asked for together, and then that of the blocks
 * behind it, as long as the pager takes requests (pager.h says how much that is).
 *
 * Which columns of a block will be needed only tests tell: of the columns that come after them,
 * those are asked for that the last block needed, and all when rows have passed the tests. Which
 * chunks are in memory is seen by asking; but as long as all of a block's were, nothing is asked
 * for behind it, for to go there costs more than to look.
 */
#include "table/block.h"

enum { BLOCKS_AHEAD_MAX = 64 };

/* False: there is no use in asking for more. */
static bool ask(struct fiber *f, struct block_scan *scan, struct slice reference) {
    enum txn_ahead answer = txn_read_ahead(f, scan->partition, reference);
    scan->chunks_ahead += answer == TXN_AHEAD_BEGUN;
    scan->cold |= answer != TXN_AHEAD_HERE;
    return answer != TXN_AHEAD_DECLINED;
}

void block__ask(struct fiber *f, struct block_scan *scan, uint64_t columns, uint32_t position) {
    for (uint32_t i = 0; i < scan->column_count; i++) {
        struct block_scan_column *column = &scan->columns[i];
        if ((columns & block_column_bit(i)) == 0 || column->missing)
            continue;
        uint32_t piece = position / column->at.piece_rows;
        if (column->asked < piece)
            column->asked = piece;
        while (column->asked < column->at.pieces && column->asked <= piece + 1 &&
               ask(f, scan, column->pieces[column->asked]))
            column->asked++;
    }
}

void block__ahead_close(struct fiber *f, struct block_scan *scan) {
    if (scan->ahead.cursor != NULL)
        txn_cursor_close(f, scan->ahead.cursor);
    scan->ahead.cursor = NULL;
}

static bool is_among(const struct block_scan *scan, uint64_t columns, unsigned number) {
    if (number == 0)
        return true; /* the header */
    for (uint32_t i = 0; i < scan->column_count; i++)
        if (scan->columns[i].number == (int)number)
            return (columns & block_column_bit(i)) != 0;
    return false;
}

static enum status walk(struct fiber *f, struct block_scan *scan, uint64_t columns) {
    struct block_ahead *ahead = &scan->ahead;
    if (ahead->cursor != NULL && ahead->range <= scan->range)
        block__ahead_close(f, scan); /* the scan has overtaken it */
    if (ahead->cursor == NULL) {
        ahead->range = scan->range;
        TRY(block__cursor_open(f, scan, scan->range + 1, scan->ahead_end, &ahead->cursor));
    }
    while (ahead->range < scan->range + BLOCKS_AHEAD_MAX && txn_read_ahead_room(scan->partition)) {
        struct txn_entry entry;
        struct block_key key;
        size_t count;
        TRY(txn_cursor_next(f, ahead->cursor, &entry, 1, &count));
        ahead->ended = count == 0 || !block_key_decode(entry.key, &key);
        if (ahead->ended)
            return STATUS_OK;
        ahead->range = key.range;
        if (is_among(scan, columns, key.column_number) && !ask(f, scan, entry.value))
            return STATUS_OK;
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

void block__ask_behind(struct fiber *f, struct block_scan *scan, uint64_t columns) {
    bool cold = scan->cold;
    if (scan->ahead.ended || scan->range + 1 >= scan->ahead_end)
        return;
    if (walk(f, scan, columns) != STATUS_OK) {
        error_clear(); /* the scan will meet it */
        scan->ahead.ended = true;
    }
    if (scan->ahead.ended)
        block__ahead_close(f, scan);
    scan->cold = cold; /* that is of the current block */
}
