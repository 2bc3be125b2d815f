/*
 * Hot leaves: rows, columns within the page, or rows with packed columns beside the page. What a
 * scan of some columns, reading a row and replacing a row cost in each layout, in nanoseconds a
 * row: `ninja -C build bench/leaf_layout_bench`, then run it; argument: how many rows.
 *
 *     rows      16 columns of 127 bytes, one after the other in a page of 16 KiB, slots in front
 *     columns   the same page cut into 16 areas, a column in each; strings behind arrays of ends
 *     beside    rows, and for the columns that were scanned before packed copies of 1 to 4 bytes
 *
 * Rows are those of TPC-H's lineitem; strings keep their size when a row is replaced, which favours
 * columns. Replacing reads the old row (history keeps it) and writes the new one, whole, as a
 * commit does. Pages and rows are visited at random by reads and writes, in order by scans.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_random.h"
#include "runtime/runtime.h"

enum { PAGE = 16320, FIXED = 11, STRINGS = 5, PAGE_ROWS = 118, HEAD = 6, ROUNDS = 7 };

static const unsigned widths[FIXED] = {8, 4, 4, 4, 8, 8, 8, 8, 4, 4, 4};
static const unsigned lengths[STRINGS] = {1, 1, 13, 5, 27};

enum { FIXED_SIZE = 64, ROW = HEAD + FIXED_SIZE + 2 * STRINGS + 47, ROWS_AT = 8 * PAGE_ROWS };

static unsigned fixed_at[FIXED], column_at[FIXED], ends_at[STRINGS], bytes_at[STRINGS],
    string_at[STRINGS];
static uint32_t pages, rows;
static uint8_t *by_row, *by_column;
static uint32_t *packed[4]; /* beside: of four columns, as 2, 1, 4 and 2 bytes */
static uint32_t *order;
static volatile uint64_t sink;

static void plan(void) {
    unsigned fixed = HEAD, area = 0, string = HEAD + FIXED_SIZE + 2 * STRINGS;
    for (unsigned c = 0; c < FIXED; c++) {
        fixed_at[c] = fixed;
        column_at[c] = area;
        fixed += widths[c];
        area += widths[c] * PAGE_ROWS;
    }
    for (unsigned s = 0; s < STRINGS; s++) {
        string_at[s] = string;
        ends_at[s] = area;
        bytes_at[s] = area + 2 * PAGE_ROWS;
        string += lengths[s];
        area += (2 + lengths[s]) * PAGE_ROWS;
    }
}

static uint8_t *row_of(uint32_t row) {
    uint8_t *page = by_row + (size_t)(row / PAGE_ROWS) * PAGE;
    const uint8_t *slot = page + row % PAGE_ROWS * 8;
    return page + (slot[4] | slot[5] << 8);
}

/* ---- a row out of columns, and back ------------------------------------------------------ */

static void row_gather(uint32_t row, uint8_t *out) {
    const uint8_t *page = by_column + (size_t)(row / PAGE_ROWS) * PAGE;
    uint32_t at = row % PAGE_ROWS;
    for (unsigned c = 0; c < FIXED; c++)
        memcpy(out + fixed_at[c], page + column_at[c] + at * widths[c], widths[c] == 8 ? 8 : 4);
    for (unsigned s = 0; s < STRINGS; s++) {
        memcpy(out + HEAD + FIXED_SIZE + 2 * s, page + ends_at[s] + 2 * at, 2);
        memcpy(out + string_at[s], page + bytes_at[s] + at * lengths[s], lengths[s]);
    }
}

static void row_scatter(uint32_t row, const uint8_t *in) {
    uint8_t *page = by_column + (size_t)(row / PAGE_ROWS) * PAGE;
    uint32_t at = row % PAGE_ROWS;
    for (unsigned c = 0; c < FIXED; c++)
        memcpy(page + column_at[c] + at * widths[c], in + fixed_at[c], widths[c] == 8 ? 8 : 4);
    for (unsigned s = 0; s < STRINGS; s++) {
        memcpy(page + ends_at[s] + 2 * at, in + HEAD + FIXED_SIZE + 2 * s, 2);
        memcpy(page + bytes_at[s] + at * lengths[s], in + string_at[s], lengths[s]);
    }
}

/* ---- what is measured -------------------------------------------------------------------- */

static const unsigned scanned[4] = {8, 6, 5, 4}; /* date, discount, price, quantity */

static uint64_t load(const uint8_t *from, unsigned width) {
    uint64_t wide = 0;
    uint32_t narrow;
    if (width == 8) {
        memcpy(&wide, from, 8);
        return wide;
    }
    memcpy(&narrow, from, 4);
    return narrow;
}

static void scan_rows(unsigned columns) {
    uint64_t sum = 0;
    for (uint32_t page = 0; page < pages; page++)
        for (unsigned c = 0; c < columns; c++)
            for (uint32_t i = 0; i < PAGE_ROWS; i++)
                sum +=
                    load(row_of(page * PAGE_ROWS + i) + fixed_at[scanned[c]], widths[scanned[c]]);
    sink += sum;
}

static void scan_columns(unsigned columns) {
    uint64_t sum = 0;
    for (uint32_t page = 0; page < pages; page++)
        for (unsigned c = 0; c < columns; c++) {
            unsigned width = widths[scanned[c]];
            const uint8_t *at = by_column + (size_t)page * PAGE + column_at[scanned[c]];
            for (uint32_t i = 0; i < PAGE_ROWS; i++)
                sum += load(at + i * width, width);
        }
    sink += sum;
}

#define SUM(type)                                                                                  \
    do {                                                                                           \
        const type *numbers = (const type *)packed[c] + first;                                     \
        for (uint32_t i = 0; i < PAGE_ROWS; i++)                                                   \
            sum += numbers[i];                                                                     \
    } while (0)

static void scan_beside(unsigned columns) {
    uint64_t sum = 0;
    for (uint32_t page = 0; page < pages; page++)
        for (unsigned c = 0; c < columns; c++) {
            uint32_t first = page * PAGE_ROWS;
            if (c == 1)
                SUM(uint8_t);
            else if (c == 2)
                SUM(uint32_t);
            else
                SUM(uint16_t);
        }
    sink += sum;
}

static void read_rows(unsigned unused) {
    uint8_t row[ROW];
    for (uint32_t i = 0; i < rows; i++) {
        memcpy(row, row_of(order[i]), ROW);
        sink += row[order[i] % ROW];
    }
}

static void read_columns(unsigned unused) {
    uint8_t row[ROW] = {0};
    for (uint32_t i = 0; i < rows; i++) {
        row_gather(order[i], row);
        sink += row[order[i] % ROW];
    }
}

static void replace_rows(unsigned unused) {
    uint8_t old[ROW], row[ROW] = {0};
    for (uint32_t i = 0; i < rows; i++) {
        uint8_t *at = row_of(order[i]);
        memcpy(old, at, ROW);
        row[HEAD] = old[HEAD] + 1;
        memcpy(at, row, ROW);
    }
}

static void replace_columns(unsigned unused) {
    uint8_t old[ROW] = {0}, row[ROW] = {0};
    for (uint32_t i = 0; i < rows; i++) {
        row_gather(order[i], old);
        row[HEAD] = old[HEAD] + 1;
        row_scatter(order[i], row);
    }
}

static void measure(const char *what, unsigned columns, void (*function)(unsigned columns)) {
    int64_t best = INT64_MAX;
    for (unsigned round = 0; round < ROUNDS; round++) {
        int64_t begin = clock_monotonic_ns();
        function(columns);
        int64_t spent = clock_monotonic_ns() - begin;
        best = spent < best ? spent : best;
    }
    printf("%-34s %7.2f ns a row\n", what, (double)best / rows);
}

int main(int count, char **arguments) {
    struct random random;
    random_seed(&random, 1);
    pages = (count > 1 ? (uint32_t)atoi(arguments[1]) : 120000) / PAGE_ROWS;
    rows = pages * PAGE_ROWS;
    plan();
    by_row = calloc(pages, PAGE);
    by_column = calloc(pages, PAGE);
    order = calloc(rows, sizeof *order);
    for (unsigned c = 0; c < 4; c++)
        packed[c] = calloc(rows, sizeof **packed);
    for (uint32_t i = 0; i < rows; i++) {
        uint8_t *slot = by_row + (size_t)(i / PAGE_ROWS) * PAGE + i % PAGE_ROWS * 8;
        unsigned place = ROWS_AT + (i * 37 % PAGE_ROWS) * ROW; /* not in the order of keys */
        slot[4] = (uint8_t)place;
        slot[5] = (uint8_t)(place >> 8);
        order[i] = i;
    }
    for (uint32_t i = rows; i > 1; i--) {
        uint32_t other = (uint32_t)random_below(&random, i), kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
    printf("%u rows of %d bytes, %u pages of 16 KiB\n", rows, ROW, pages);
    static const unsigned columns[] = {1, 2, 4};
    for (unsigned i = 0; i < 3; i++) {
        char what[64];
        snprintf(what, sizeof what, "scan of %u columns: rows", columns[i]);
        measure(what, columns[i], scan_rows);
        snprintf(what, sizeof what, "scan of %u columns: columns", columns[i]);
        measure(what, columns[i], scan_columns);
        snprintf(what, sizeof what, "scan of %u columns: beside", columns[i]);
        measure(what, columns[i], scan_beside);
    }
    measure("read one: rows, beside", 0, read_rows);
    measure("read one: columns", 0, read_columns);
    measure("replace one: rows, beside", 0, replace_rows);
    measure("replace one: columns", 0, replace_columns);
    return 0;
}
