/*
 * Row ids of a table that are lost or cannot be read, and what the table's first index (that of the
 * primary key where it has one) still knows of them, so that users are told in keys of theirs.
 * Private to the room.
 *
 *     row_losses_add      a range of row ids, in any order, as often as it is met
 *     row_losses_settle   no more ranges: those that touch are joined
 *     row_losses_note     an entry of the index for a row that may be in one of them
 *     row_losses_word     "387 rows, id from 1592 to 4679"
 */
#ifndef ROW_LOSSES_H
#define ROW_LOSSES_H

#include "base/base_buffer.h"
#include "table/rows.h"

struct row_loss {
    unsigned partition;
    uint64_t first, last;      /* row ids; UINT64_MAX: and all above */
    uint64_t rows;             /* that the index knows */
    struct buffer least, most; /* the columns of their keys as the index has them */
};

struct row_losses {
    const struct table *table;
    bool index_damaged; /* it may not know all of them */
    bool failed;        /* no memory for one */
    struct row_loss *losses;
    size_t count, capacity;
    struct row_loss elsewhere; /* in none of the ranges */
};

/* Zeroed but for `table`. */
void row_losses_release(struct row_losses *losses);
void row_losses_add(struct row_losses *losses, unsigned partition, uint64_t first, uint64_t last);
/* Ranges by rising partition and row. OUT_OF_MEMORY. */
enum status row_losses_settle(struct row_losses *losses) MUST_USE;
bool row_losses_have(const struct row_losses *losses, struct row_address address);
/* `entry_key`: of the table's first index. */
enum status row_losses_note(struct row_losses *losses, struct row_address address,
                            struct slice entry_key) MUST_USE;
/* Appends which rows: "table public.t, partition 3, row ids 199 to 585". */
void row_losses_name(const struct row_losses *losses, const struct row_loss *loss,
                     struct buffer *text);
/* Appends how many and their keys. Only for tables with an index. */
void row_losses_word(const struct row_losses *losses, const struct row_loss *loss,
                     struct buffer *text);

/* The row ids that a range of keys of a table's tree stands for. */
enum row_tree { ROW_TREE_ROWS, ROW_TREE_LARGE, ROW_TREE_BLOCKS };
void row_losses_of_keys(enum row_tree tree, struct slice lower, const struct slice *upper,
                        uint64_t *first_out, uint64_t *last_out);

#endif
