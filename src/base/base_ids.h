/* Numbers that must not be swapped are structs of one field. */
#ifndef BASE_IDS_H
#define BASE_IDS_H

#include <stdbool.h>
#include <stdint.h>

/* Place of a commit in the one journal: 1, 2, 3 ... without gaps. 0 is "before everything". It is
   also the MVCC timestamp: a snapshot S sees exactly the commits with number <= S. */
struct commit_number {
    uint64_t value;
};
/* A page of one partition; stable for the page's life. 0 is "no page". */
struct page_id {
    uint64_t value;
};
/* An ordered tree of a database (rows of a table, entries of an index ...). A tree exists in every
   partition, empty until its first key is put there. Never reused. 0 is "no tree". */
struct tree_id {
    uint32_t value;
};
/* A row inside one partition of one table; given out in rising order, never reused while anybody
   can still name it. 0 is "no row". */
struct row_id {
    uint64_t value;
};
struct transaction_id {
    uint64_t value;
};

#endif
