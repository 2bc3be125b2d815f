/*
 * Reading blocks in a scan: one after the other, only the columns that are asked for, only the
 * rows that are not hidden by newer ones and pass the tests.
 *
 * The entries of a block follow each other in the tree, the header first. A cursor goes over them;
 * the references of the wanted columns' pieces are noted, and pages are fetched when rows of them
 * are due. Tests see a piece first as a whole, then zone by zone, then value by value, before any
 * other column is looked at; filters see the values of their column that the tests have left, and
 * the columns that remain are decoded for the rows that remain.
 *
 * Pages that are not in memory are asked for before they are due (block_ahead.c).
 */
#include <stdatomic.h>

#include "base/base_chance.h"
#include "table/block.h"

enum { AHEAD_AFTER_ROWS = 4 * VECTOR_SIZE }; /* of the first block: who wants a few has them */

enum status block__cursor_open(struct fiber *f, struct block_scan *scan, uint64_t first,
                               uint64_t end, struct txn_cursor **cursor_out) {
    uint8_t lower[BLOCK_KEY_SIZE], upper[BLOCK_KEY_SIZE];
    block_key_encode(first, 0, 0, lower);
    struct txn_range range = {.lower = slice_of(lower, sizeof lower), .key_stride = BLOCK_KEY_SIZE};
    if (end != UINT64_MAX) {
        block_key_encode(end, 0, 0, upper);
        range.upper = slice_of(upper, sizeof upper);
    }
    return txn_cursor_open(f, scan->transaction, scan->partition, block_tree(scan->table), &range,
                           cursor_out);
}

enum status block_scan_open(struct fiber *f, struct block_scan *scan, uint64_t first,
                            uint64_t end) {
    if (scan->habit == NULL)
        scan->habit = &scan->own_habit;
    return block__cursor_open(f, scan, first, end, &scan->cursor);
}

static void column_close(struct block_scan *scan, struct block_scan_column *column) {
    txn_release_large(scan->partition, &column->large);
    column->open = false;
    for (uint32_t i = 0; i < scan->test_count; i++) {
        if (&scan->columns[scan->tests[i].column] == column)
            scan->tests[i].bound = false;
    }
}

static void block_leave(struct block_scan *scan) {
    for (uint32_t i = 0; i < scan->column_count; i++)
        column_close(scan, &scan->columns[i]);
    if (scan->open) {
        txn_release_large(scan->partition, &scan->header_large);
        *scan->habit = (struct table_scan_habit){scan->opened, scan->cold};
    }
    scan->open = false;
    scan->mask = NULL;
    scan->masked = scan->looked = false;
    scan->cold = scan->looked_ahead = false;
    scan->opened = 0;
    arena_reset(&scan->arena);
}

void block_scan_close(struct fiber *f, struct block_scan *scan) {
    block_leave(scan);
    if (scan->cursor != NULL)
        txn_cursor_close(f, scan->cursor);
    scan->cursor = NULL;
    block__ahead_close(f, scan);
    for (uint32_t i = 0; i < scan->column_count; i++)
        arena_release(&scan->columns[i].arena);
    arena_release(&scan->arena);
}

/* ---- from block to block ---------------------------------------------------------------- */

/* The next entry of the tree; *found_out false at the end. */
static enum status entry_next(struct fiber *f, struct block_scan *scan, struct txn_entry *entry,
                              struct block_key *key, bool *found_out) {
    size_t count = 0;
    if (scan->cursor != NULL)
        TRY(txn_cursor_next(f, scan->cursor, entry, 1, &count));
    *found_out = count > 0;
    if (count == 0) {
        if (scan->cursor != NULL)
            txn_cursor_close(f, scan->cursor);
        scan->cursor = NULL;
    } else if (!block_key_decode(entry->key, key)) {
        return error_set(STATUS_DATA_CORRUPTED, "a block of table \"%s\" has a damaged key",
                         scan->table->name);
    }
    return STATUS_OK;
}

static enum status header_note(struct block_scan *scan, const struct block_key *key,
                               struct slice reference) {
    if (key->column_number != 0 || reference.size > sizeof scan->next_bytes)
        return error_set(STATUS_DATA_CORRUPTED, "a block of table \"%s\" lacks its header",
                         scan->table->name);
    scan->pending = true;
    scan->next_range = key->range;
    scan->next_size = reference.size;
    memcpy(scan->next_bytes, reference.data, reference.size);
    return STATUS_OK;
}

/* Note the pieces of the block, up to the next header. */
static enum status pieces_note(struct fiber *f, struct block_scan *scan) {
    for (;;) {
        struct txn_entry entry;
        struct block_key key;
        bool found;
        TRY(entry_next(f, scan, &entry, &key, &found));
        if (!found)
            return STATUS_OK;
        if (key.range != scan->range)
            return header_note(scan, &key, entry.value);
        for (uint32_t i = 0; i < scan->column_count; i++) {
            struct block_scan_column *column = &scan->columns[i];
            if (column->number == (int)key.column_number && !column->missing &&
                key.piece < column->at.pieces)
                column->pieces[key.piece] = arena_copy_slice(&scan->arena, entry.value);
        }
    }
}

static enum status columns_prepare(struct block_scan *scan) {
    scan->batch_rows = VECTOR_SIZE;
    for (uint32_t i = 0; i < scan->column_count; i++) {
        struct block_scan_column *column = &scan->columns[i];
        column->missing = !block_column_find(&scan->header, column->number, &column->at);
        column->asked = 0;
        if (column->missing)
            continue;
        TRY(arena__array(&scan->arena, column->at.pieces + 1u, sizeof *column->pieces,
                         &column->pieces));
        if (column->at.piece_rows < scan->batch_rows)
            scan->batch_rows = column->at.piece_rows;
    }
    return STATUS_OK;
}

/* Pin the pieces that are in memory and are likely to be wanted: those of the columns that the
   block before was opened for, and that have tests; of all in the first one. Nobody has to call
   this core for them then. */
static void take_like_before(struct block_scan *scan) {
    uint64_t wanted = scan->habit->columns;
    for (uint32_t i = 0; i < scan->test_count; i++)
        wanted |= block_column_bit(scan->tests[i].column);
    if (scan->habit->columns == 0)
        wanted = UINT64_MAX;
    for (uint32_t i = 0; i < scan->column_count; i++) {
        struct block_scan_column *column = &scan->columns[i];
        if ((wanted & block_column_bit(i)) == 0 || column->missing || column->pieces[0].size == 0)
            continue;
        arena_reset(&column->arena);
        txn_open_large_cached(scan->partition, column->pieces[0], &column->arena, &column->large);
        column->piece = 0;
    }
}

/* As the block before had to be read, this one and those behind it may have to be. */
static void ask_like_before(struct fiber *f, struct block_scan *scan) {
    if (!scan->habit->cold && !by_chance("table: a scan reads ahead at once"))
        return;
    block__ask(f, scan, scan->habit->columns, 0);
    block__ask_behind(f, scan, scan->habit->columns);
    scan->looked_ahead = true;
}

enum status block_scan_next(struct fiber *f, struct block_scan *scan) {
    block_leave(scan);
    if (!scan->pending) {
        struct txn_entry entry;
        struct block_key key;
        bool found;
        TRY(entry_next(f, scan, &entry, &key, &found));
        if (!found)
            return STATUS_OK;
        TRY(header_note(scan, &key, entry.value));
    }
    scan->pending = false;
    scan->range = scan->next_range;
    scan->position = 0;
    TRY(txn_open_large(f, scan->partition, slice_of(scan->next_bytes, scan->next_size),
                       &scan->arena, &scan->header_large));
    scan->open = true;
    TRY(block_header_decode(scan->header_large.bytes, &scan->header));
    TRY(columns_prepare(scan));
    scan->blocks_read++;
    TRY(pieces_note(f, scan));
    ask_like_before(f, scan); /* first: what is pinned counts as if it had been there all along */
    take_like_before(scan);
    return arena_status(&scan->arena);
}

/* ---- hidden rows ------------------------------------------------------------------------- */

/* Have the mask, and what it takes to get from places to positions. False: no memory, which
   arena_status says before rows are given out. */
static bool mask_begin(struct block_scan *scan) {
    const uint8_t *bitmap = scan->header.bitmap;
    if (scan->mask != NULL)
        return true;
    uint64_t *mask = arena_alloc_zeroed(&scan->arena, BLOCK_BITMAP_SIZE);
    scan->ranks = NULL;
    if (mask != NULL && bitmap != NULL) {
        scan->ranks = arena_alloc(&scan->arena, BLOCK_WORDS * sizeof *scan->ranks);
        uint32_t rank = 0;
        for (uint32_t word = 0; word < BLOCK_WORDS && scan->ranks != NULL; word++) {
            scan->ranks[word] = rank;
            rank += block_word_rows(get_le64(bitmap + word * 8));
        }
    }
    if (mask == NULL || (bitmap != NULL && scan->ranks == NULL))
        return false;
    scan->mask = mask;
    return true;
}

/* As block_position, which counts from the bitmap's beginning each time. */
static bool position_of(const struct block_scan *scan, uint32_t place, uint32_t *position_out) {
    if (scan->header.bitmap == NULL) {
        *position_out = place - scan->header.first; /* wraps below the first */
        return *position_out < scan->header.rows;
    }
    ASSERT(scan->ranks != NULL);
    uint64_t word = get_le64(scan->header.bitmap + place / 64 * 8);
    *position_out =
        scan->ranks[place / 64] + (uint32_t)__builtin_popcountll(word & ((1ull << place % 64) - 1));
    return (word >> place % 64 & 1) != 0;
}

void block_scan_hide(struct block_scan *scan, const uint16_t *places, uint32_t count) {
    ASSERT(scan->open);
    if (!mask_begin(scan))
        return;
    uint64_t *mask = scan->mask;
    if (scan->header.bitmap == NULL && count > 1) { /* no branch and no call */
        uint32_t begin = scan->header.first, size = scan->header.rows;
        uint64_t any = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint16_t position = (uint16_t)(places[i] - begin); /* wraps below the first */
            uint64_t bit = (uint64_t)(position < size) << position % 64;
            mask[position / 64] |= bit;
            any |= bit;
        }
        scan->masked |= any != 0;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t position;
        if (!position_of(scan, places[i], &position))
            continue;
        mask[position / 64] |= 1ull << (position % 64);
        scan->masked = true;
    }
}

bool block_scan_hide_words(struct block_scan *scan, const uint16_t *words, const uint64_t *bits,
                           uint32_t count) {
    ASSERT(scan->open);
    if (scan->header.bitmap != NULL || !mask_begin(scan))
        return false;
    /* Positions begin with the first row: a word of places may lie over two of them. Bits behind
       the last row mean nothing. */
    uint32_t first_word = scan->header.first / 64, shift = scan->header.first % 64;
    uint64_t *mask = scan->mask;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t word = words[i];
        ASSERT(word < BLOCK_WORDS);
        if (word >= first_word)
            mask[word - first_word] |= bits[i] >> shift;
        if (word > first_word && shift > 0)
            mask[word - first_word - 1] |= bits[i] << (64 - shift);
    }
    scan->masked = true;
    return true;
}

bool block_scan_hide_whole(struct block_scan *scan, const uint64_t *bits) {
    ASSERT(scan->open);
    if (scan->header.bitmap != NULL || !mask_begin(scan))
        return false;
    uint32_t first_word = scan->header.first / 64, shift = scan->header.first % 64;
    uint32_t count = BLOCK_WORDS - first_word;
    bits += first_word;
    if (shift == 0) {
        for (uint32_t i = 0; i < count; i++)
            scan->mask[i] |= bits[i];
    } else {
        for (uint32_t i = 0; i + 1 < count; i++)
            scan->mask[i] |= bits[i] >> shift | bits[i + 1] << (64 - shift);
        scan->mask[count - 1] |= bits[count - 1] >> shift;
    }
    scan->masked = true;
    return true;
}

/* ---- rows --------------------------------------------------------------------------------- */

static enum status damaged(const struct block_scan *scan, const struct block_scan_column *column,
                           const char *what) {
    return error_set(STATUS_DATA_CORRUPTED,
                     "the block of rows from %llu of partition %u of table \"%s\": column %d %s",
                     (unsigned long long)block_first_row(scan->range),
                     partition_number(scan->partition), scan->table->name, column->number, what);
}

struct column_place {
    struct block_scan *scan;
    struct block_scan_column *column;
    uint32_t position;
    uint64_t beside;
};

static enum status piece_fetch(struct fiber *f, struct partition *partition, void *argument) {
    struct column_place *place = argument;
    struct block_scan_column *column = place->column;
    column_close(place->scan, column);
    arena_reset(&column->arena);
    block__ask(f, place->scan, place->beside, place->position);
    return txn_open_large(f, partition, column->pieces[place->position / column->at.piece_rows],
                          &column->arena, &column->large);
}

/* Have the piece with this row open. Those of the columns `beside` are likely to be opened, too. */
static enum status column_open_at(struct fiber *f, struct block_scan *scan,
                                  struct block_scan_column *column, uint32_t position,
                                  uint64_t beside) {
    uint64_t bit = block_column_bit((uint32_t)(column - scan->columns));
    struct column_place place = {scan, column, position, beside | bit};
    uint32_t piece = position / column->at.piece_rows;
    bool here = column->large.bytes.size > 0 && column->piece == piece;
    if (here && column->open)
        return STATUS_OK;
    if (column->pieces[piece].size == 0)
        return damaged(scan, column, "lacks a piece");
    if (!here)
        TRY(partition_call(f, transaction_store(scan->transaction),
                           partition_number(scan->partition), piece_fetch, &place));
    column->piece = piece;
    column->open = true;
    scan->opened |= bit;
    scan->bytes_read += column->large.bytes.size;
    uint32_t first = piece * column->at.piece_rows, rows = scan->header.rows - first;
    TRY(column_open(column->large.bytes, scan->table->columns[column->number - 1].type,
                    COLUMN_OPEN_TRUSTED, &column->arena, &column->reader));
    if (column->reader.rows != (rows < column->at.piece_rows ? rows : column->at.piece_rows))
        return damaged(scan, column, "has another number of rows");
    return STATUS_OK;
}

/* What the test says about the whole piece and the zone in it. */
static enum column_verdict test_verdict(const struct block_scan_test *test, uint32_t first) {
    if (test->filter.verdict != COLUMN_SOME || first % COLUMN_ZONE_ROWS != 0)
        return test->filter.verdict;
    return column_filter_zone(&test->filter, first / COLUMN_ZONE_ROWS);
}

/* Take over the threshold's test if it has become another; false: there is none yet. */
static bool threshold_look(struct block_scan_test *test) {
    if (test->threshold == NULL)
        return true;
    const struct column_test *now =
        atomic_load_explicit(&test->threshold->test, memory_order_acquire);
    if (now != test->seen) {
        test->seen = now;
        test->test = *now;
        test->bound = false;
    }
    return now != NULL;
}

/* Have the test's piece open and the test bound to it. A column that the block lacks: tests on it
   are left to the caller. */
static enum status test_begin(struct fiber *f, struct block_scan *scan,
                              struct block_scan_test *test, const struct block_rows *rows,
                              enum column_verdict *verdict_out) {
    struct block_scan_column *column = &scan->columns[test->column];
    *verdict_out = COLUMN_ALL;
    if (column->missing)
        scan->tested = false;
    if (column->missing || !threshold_look(test))
        return STATUS_OK;
    TRY(column_open_at(f, scan, column, rows->first, scan->habit->columns));
    if (test->threshold != NULL && test->threshold->keeps_nulls && column->reader.nulls > 0)
        return STATUS_OK;
    if (!test->bound)
        TRY(column_filter_bind(&column->reader, &test->test, &column->arena, &test->filter));
    test->bound = true;
    *verdict_out = test_verdict(test, rows->first % column->at.piece_rows);
    return STATUS_OK;
}

/* Tests that look at values, and those that are left when few rows are, go by the selection. */
static enum status run_selected(struct block_scan *scan, struct block_scan_test *test,
                                struct block_rows *rows, struct arena *arena) {
    uint32_t before = rows->selected;
    uint32_t first = rows->first % scan->columns[test->column].at.piece_rows;
    TRY(column_filter_run(&test->filter, first, rows->count, rows->all ? NULL : rows->selection,
                          before, rows->selection, &rows->selected, arena));
    rows->all = rows->all && rows->selected == before;
    return STATUS_OK;
}

/* The rows that are left become a selection. */
static void select_left(struct block_rows *rows, const uint64_t *mask, uint32_t left) {
    rows->all = left == rows->count;
    rows->selected = rows->all ? left : column_mask_select(mask, rows->count, rows->selection);
}

/* Values of this block matter. */
static void look(struct block_scan *scan) {
    scan->blocks_looked += !scan->looked;
    scan->looked = true;
}

/* Of rows->count rows from rows->first on, those that pass the tests and are not hidden. As long as
   many are left, tests are made on all of them and give bits. */
static enum status run_tests(struct fiber *f, struct block_scan *scan, struct block_rows *rows,
                             struct arena *arena) {
    uint64_t mask[VALIDITY_WORDS];
    uint32_t words = (rows->count + 63) / 64, left = rows->count;
    memset(mask, 0xFF, words * sizeof *mask);
    if (rows->count % 64 != 0)
        mask[words - 1] = (1ull << rows->count % 64) - 1;
    if (scan->masked) {
        ASSERT(rows->first % 64 == 0); /* batches are of 256 rows at least, but the last */
        for (uint32_t word = 0; word < words; word++)
            mask[word] &= ~scan->mask[rows->first / 64 + word];
    }
    scan->tested = !scan->leaves_tests;
    bool by_bits = true, counted = !scan->masked; /* hidden rows are few: the first test counts */
    for (uint32_t i = 0; i < scan->test_count && left > 0; i++) {
        struct block_scan_test *test = &scan->tests[i];
        enum column_verdict verdict;
        TRY(test_begin(f, scan, test, rows, &verdict));
        if (verdict == COLUMN_ALL)
            continue;
        if (verdict == COLUMN_NONE) {
            rows->selected = 0;
            rows->all = false;
            return STATUS_OK;
        }
        look(scan);
        if (by_bits && column_filter_is_dense(&test->filter) &&
            left >= rows->count / COLUMN_SPARSE) {
            uint32_t first = rows->first % scan->columns[test->column].at.piece_rows;
            TRY(column_filter_mask(&test->filter, first, rows->count, mask));
            left = column_mask_count(mask, rows->count);
            counted = true;
            continue;
        }
        if (by_bits)
            select_left(rows, mask, counted ? left : column_mask_count(mask, rows->count));
        by_bits = false;
        TRY(run_selected(scan, test, rows, arena));
        left = rows->selected;
    }
    if (by_bits)
        select_left(rows, mask, counted ? left : column_mask_count(mask, rows->count));
    return STATUS_OK;
}

static void set_missing(const struct block_scan *scan, const struct block_scan_column *column,
                        struct vector *vector) {
    const struct column *source = &scan->table->columns[column->number - 1];
    if (source->has_missing && !source->missing.is_null)
        vector_set(vector, 0, &source->missing, NULL);
    else
        vector_set_null(vector, 0);
    vector->kind = VECTOR_CONSTANT;
}

/* One of how many rows must be wanted at most, so that they are decoded one by one: strings that
   have to be copied or decompressed cost ten times a number, which come by the vector in less than
   a ns each; codes of a dictionary are as cheap and let expressions be computed once per entry. */
static uint32_t share_worth_picking(const struct column_reader *reader) {
    bool is_string = reader->physical == PHYSICAL_STRING;
    if (reader->encoding == COLUMN_DICTIONARY || reader->encoding == COLUMN_CONSTANT)
        return UINT32_MAX;
    return is_string ? 8 : 64;
}

static enum status decode(struct fiber *f, struct block_scan *scan,
                          struct block_scan_column *column, const struct block_rows *rows,
                          uint64_t beside, struct vector *vector, struct arena *arena) {
    vector_reset(vector);
    if (column->missing) {
        set_missing(scan, column, vector);
        return STATUS_OK;
    }
    TRY(column_open_at(f, scan, column, rows->first, beside));
    uint32_t first = rows->first % column->at.piece_rows;
    if (!rows->all && rows->selected < rows->count / share_worth_picking(&column->reader))
        return column_decode_rows(&column->reader, first, rows->count, rows->selection,
                                  rows->selected, vector, arena);
    return column_decode_vector(&column->reader, first, rows->count, vector, arena);
}

static void leave_out(struct vector *vector) {
    vector_reset(vector);
    vector_set_null(vector, 0);
    vector->kind = VECTOR_CONSTANT;
}

/* Decode the filter's column, unless another one did, and leave out what it drops. */
static enum status run_filter(struct fiber *f, struct block_scan *scan,
                              const struct block_scan_filter *filter, struct block_rows *rows,
                              struct arena *arena) {
    struct block_scan_column *column = &scan->columns[filter->column];
    struct vector *vector = &rows->vectors[filter->column];
    look(scan);
    if (!column->decoded)
        TRY(decode(f, scan, column, rows, scan->habit->columns, vector, arena));
    column->decoded = true;
    uint32_t before = rows->selected;
    rows->selected =
        filter->filter->run(filter->filter->context, vector,
                            rows->all ? vector_identity : rows->selection, before, rows->selection);
    rows->all = rows->all && rows->selected == before;
    return STATUS_OK;
}

static enum status ask_behind(struct fiber *f, struct partition *partition, void *argument) {
    struct block_scan *scan = argument;
    block__ask_behind(f, scan, scan->opened);
    return STATUS_OK;
}

/* In the first block that had to be read, once some of its rows were given out. */
static enum status look_ahead(struct fiber *f, struct block_scan *scan) {
    if (!scan->cold || scan->looked_ahead || scan->position < AHEAD_AFTER_ROWS)
        return STATUS_OK;
    scan->looked_ahead = true;
    return partition_call(f, transaction_store(scan->transaction),
                          partition_number(scan->partition), ask_behind, scan);
}

enum status block_scan_rows(struct fiber *f, struct block_scan *scan, struct arena *arena,
                            struct block_rows *rows) {
    ASSERT(scan->open);
    TRY(arena_status(&scan->arena));
    TRY(look_ahead(f, scan));
    for (;;) {
        uint32_t left = scan->header.rows - scan->position;
        rows->first = scan->position;
        rows->count = left < scan->batch_rows ? left : scan->batch_rows;
        scan->position += rows->count;
        if (rows->count == 0)
            return STATUS_OK;
        TRY(run_tests(f, scan, rows, arena));
        for (uint32_t i = 0; i < rows->vector_count; i++)
            scan->columns[i].decoded = false;
        for (uint32_t i = 0; i < scan->filter_count && rows->selected > 0; i++)
            TRY(run_filter(f, scan, &scan->filters[i], rows, arena));
        if (rows->selected > 0)
            break;
        TRY(fiber_check(f));
    }
    look(scan); /* they are given out */
    for (uint32_t i = 0; i < rows->vector_count; i++) {
        if (scan->columns[i].decoded)
            continue;
        if (scan->tested && scan->for_tests != NULL && scan->for_tests[i])
            leave_out(&rows->vectors[i]);
        else
            TRY(decode(f, scan, &scan->columns[i], rows, block_column_bits(rows->vector_count),
                       &rows->vectors[i], arena));
    }
    return STATUS_OK;
}

void block_scan_row_ids(const struct block_scan *scan, uint32_t first, uint32_t count,
                        struct row_id *row_ids) {
    const struct block_header *header = &scan->header;
    uint64_t base = block_first_row(scan->range);
    if (header->bitmap == NULL) {
        for (uint32_t i = 0; i < count; i++)
            row_ids[i].value = base + header->first + first + i;
        return;
    }
    uint32_t seen = 0, filled = 0;
    for (uint32_t word = 0; word < BLOCK_ROWS_MAX / 64 && filled < count; word++) {
        uint64_t bits = get_le64(header->bitmap + word * 8);
        uint32_t here = block_word_rows(bits);
        if (seen + here <= first) {
            seen += here;
            continue;
        }
        for (; bits != 0 && filled < count; bits &= bits - 1) {
            if (seen++ >= first)
                row_ids[filled++].value = base + word * 64u + (uint32_t)__builtin_ctzll(bits);
        }
    }
}
