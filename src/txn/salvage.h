/* Private to the room: what the reading of a damaged directory keeps. */
#ifndef SALVAGE_H
#define SALVAGE_H

#include "pager/pager_salvage.h"
#include "txn/store.h"
#include "txn/txn_salvage.h"

struct store_salvage {
    struct store_salvage_options options;
    const char *directory;
    struct file *lock_file;
    uint64_t database_id; /* 0: not known */
    bool stopped;         /* cleanly: nothing of the journal is needed */
    unsigned partition_count;
    struct pager_salvage *pagers[PARTITIONS_MAX]; /* NULL: nothing can be read */
    uint64_t applied[PARTITIONS_MAX];             /* UINT64_MAX: the same */
    uint64_t bytes;                               /* of all pages */
};

void salvage__tell(struct store_salvage *salvage, enum store_loss_kind kind, unsigned partition,
                   const char *text);

#endif
