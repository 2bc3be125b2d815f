/* Private to the room: what checking a table's rows and checking its index entries share. */
#ifndef CHECK_H
#define CHECK_H

#include "table/catalog_private.h"
#include "table/row_losses.h"

enum { TOLD_MAX = 256 };

struct table_check {
    struct table_context context;
    const struct table *table;
    void (*report)(void *context, const char *line);
    void *report_context;
    uint64_t damage;
    struct arena arena;         /* of one row */
    struct buffer key;          /* of the entry looked for */
    uint64_t *proven;           /* entries, by position of the index in the table's list */
    uint64_t range, generation; /* of the block over the rows checked last */
    uint64_t told[TOLD_MAX];    /* hashes of messages: a damaged page is told of once */
    size_t told_count;
    struct row_losses losses; /* rows that cannot be read */
};

void check__finding(struct table_check *check, const char *format, ...) PRINTF_LIKE(2, 3);
/* Damage is reported and the check goes on; other failures end it. */
enum status check__absorb(struct table_check *check, enum status status, const char *what,
                          unsigned partition, struct row_id row) MUST_USE;
/* The same of a part of the table that could not be looked at to its end. */
enum status check__absorb_part(struct table_check *check, enum status status, const char *what,
                               unsigned partition) MUST_USE;
/* On each partition that has rows of the table. */
enum status check__partitions(struct fiber *f, struct table_check *check,
                              enum status (*visit)(struct fiber *f, struct partition *partition,
                                                   void *argument),
                              void *argument) MUST_USE;

/* ---- table_check_index.c */
/* The index at `at` of the table's list, after all rows. */
enum status check__index(struct fiber *f, struct table_check *check, unsigned at) MUST_USE;

#endif
