/*
 * Pipelines by many cores: one worker on each, but for the sessions' core where that is busy with
 * short requests. They take shares of the scanned table until none is left: half of a partition
 * that lives on their core, then half of what is left of it; at last of what others have begun (one
 * worker alone takes all):
 *
 *     core 0:  scan of shares -> filter -> probe -> project -> local state  \
 *     core 1:  scan of shares -> filter -> probe -> project -> local state   > combined
 *
 * A worker is an execution of its own over the same plan nodes, with its own arena, whose table
 * scan reads the shares it takes. Hash tables probed on the way are the parent's: it builds
 * them before the workers begin, and nobody changes them after. Slots and parameters are shared
 * for the same reason. A pipeline may also begin with the groups of an aggregation, which the
 * parent fills first; workers take them in pieces. It pays for big tables and many groups; else
 * nothing here costs anything. Private to exec.
 */
#ifndef EXEC_PARALLEL_H
#define EXEC_PARALLEL_H

#include "exec/exec_state.h"

struct parallel;

/* What nobody has taken of a scanned table: in each partition the ranges of row ids (table.h) from
   `next` up to `end`, in one word. */
struct scan_shares {
    bool whole; /* nobody divides a partition */
    bool alone; /* one worker takes them all, side by side: a call to another core is for many */
    _Atomic uint64_t left[PARTITIONS_MAX];
};
struct scan_share {
    unsigned partition;
    bool is_first;       /* of its partition */
    uint32_t first, end; /* ranges; end 0: to the last, and all after it */
};
/* At best a part of partition `current`, else one that lives on this core. False: none is left. */
bool exec__scan_share_take(struct fiber *f, struct store *store, struct scan_shares *shares,
                           unsigned current, struct scan_share *share_out);

struct parallel_worker {
    struct parallel *parallel;
    unsigned number;
    struct arena arena; /* the worker's; released by exec__parallel_end */
    struct execution *execution;
    struct operator_state *root;
    void *result; /* of the work; whatever the owner says */
};

typedef enum status (*parallel_function)(struct fiber *f, struct parallel_worker *worker);

struct parallel {
    struct operator_state *owner;
    const struct plan_node *node;  /* what each worker opens */
    struct operator_state *source; /* the owner's: what is shared out */
    parallel_function work;
    void *argument;
    struct scan_shares shares;
    bool has_rest; /* the owner still has to pull from its own input: see exec__parallel_pays */
    unsigned core_first; /* of worker 0; the others are on those behind it */
    unsigned worker_count;
    struct parallel_worker *workers; /* in the owner's statement arena */
};

/* So many rows of a table pay, and a quarter as many groups. Tests change it. */
extern uint64_t exec__rows_that_pay;

/* No subplan and nothing volatile: any core may evaluate it. NULL is. (On the way of a pipeline,
   subplans that depend on no row are fine: they are run before the workers begin.) */
bool exec__is_independent(const struct expression *expression);

/* Should the pipeline that ends in self->left or self->right (`input`) be run by many? Builds the
   hash tables on its way if so. takes_rest: right and full joins may be on its way; right rows
   without a partner are known when all workers are done, and come out of the owner's own input
   after exec__parallel_exhaust (has_rest). */
enum status exec__parallel_pays(struct fiber *f, struct operator_state *self,
                                struct operator_state *input, bool takes_rest,
                                struct parallel *parallel, bool *pays_out) MUST_USE;
/* The owner's own source has nothing to give any more. */
void exec__parallel_exhaust(struct parallel *parallel);
/* Every worker opens `node` and runs `work`. After a failure, too, exec__parallel_end is called. */
enum status exec__parallel_run(struct fiber *f, struct parallel *parallel,
                               const struct plan_node *node, parallel_function work, void *argument)
    MUST_USE;
/* Close the workers' operators and give their memory back; adds their figures to the parent's,
   except those of the node with this id. */
void exec__parallel_end(struct fiber *f, struct parallel *parallel, uint32_t except_id);

#endif
