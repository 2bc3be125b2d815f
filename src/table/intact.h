/* Reading a damaged tree around what is lost of it. Private to the room. */
#ifndef INTACT_H
#define INTACT_H

#include "txn/txn.h"

enum { INTACT_KEY_SIZE = 16 }; /* bytes: keys of trees that begin with a row id */

struct intact_visit {
    struct tree_id tree;
    size_t key_stride; /* at most INTACT_KEY_SIZE */
    enum status (*visit)(struct fiber *f, struct partition *partition,
                         const struct txn_entry *entry, void *context);
    /* Keys that cannot be read; error_current() is that of the page. Must not suspend. */
    void (*lost)(void *context, const struct txn_lost *lost);
    void *context; /* of both */
};
/* Every entry that can be read, in order and at the transaction's snapshot; what is lost is told
   when the reading comes to the first damage. Damage in the end: some that is not the tree's pages,
   or what a visit returned. */
enum status intact_visit(struct fiber *f, struct transaction *transaction,
                         struct partition *partition, const struct intact_visit *what) MUST_USE;

#endif
