/* The rows of the eight tables, made from the rules of the TPC-H specification (clause 4.2) and a
 * seed. Every row is a function of (seed, scale, number): no state is carried from row to row.
 *
 * Rows are lines of fields separated by '|', as COPY ... WITH (DELIMITER '|') reads them in text
 * and in csv format: no field holds a '|', a quote, a backslash or a line end. */
#ifndef BENCH_TPCH_ROWS_H
#define BENCH_TPCH_ROWS_H

#include <stdbool.h>
#include <stdint.h>

enum table {
    TABLE_REGION,
    TABLE_NATION,
    TABLE_SUPPLIER,
    TABLE_CUSTOMER,
    TABLE_PART,
    TABLE_PARTSUPP,
    TABLE_ORDERS,
    TABLE_LINEITEM,
    TABLE_COUNT,
};

extern const char *const TABLE_NAMES[TABLE_COUNT];

enum { ROWS_BYTES_MAX = 4096 }; /* of what one rows_write() makes */

struct rows {
    uint64_t seed;
    const char *text_pool; /* text_pool_create(seed), borrowed */
    int64_t suppliers, customers, parts, orders, clerks;
};

/* scale: 1 is the specification's scale factor 1; 0.001 is the smallest that makes sense. */
void rows_init(struct rows *rows, uint64_t seed, double scale, const char *text_pool);

/* How many items a table is made of: rows, but for partsupp parts (4 rows each) and for lineitem
 * orders (1 to 7 rows each). */
int64_t rows_items(const struct rows *rows, enum table table);

/* Writes the lines of item (from 0) of the table at to, which has room for ROWS_BYTES_MAX bytes;
 * returns the end of what it wrote. */
char *rows_write(const struct rows *rows, enum table table, int64_t item, char *to);

#endif
