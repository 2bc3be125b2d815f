/*
 * Pipelines by many cores: one worker on each. They take the scanned table's partitions one by one,
 * those that live on their core first, until none is left:
 *
 *     core 0:  scan of partitions 0 1 2 -> filter -> probe -> project -> local state     \
 *     core 1:  scan of partitions 7 6 5 4 3 -> filter -> probe -> project -> local state  >
 * combined
 *
 * A worker is an execution of its own over the same plan nodes, with its own arena, whose table
 * scan reads the partitions it takes. Hash tables probed on the way are the parent's: it builds
 * them before the workers begin, and nobody changes them after. Slots and parameters are shared
 * for the same reason. It pays for big tables; else nothing here costs anything. Private to exec.
 */
#ifndef EXEC_PARALLEL_H
#define EXEC_PARALLEL_H

#include "exec/exec_state.h"

struct parallel;

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
    const struct plan_node *node; /* what each worker opens */
    parallel_function work;
    void *argument;
    _Atomic uint64_t partitions_left; /* that no worker has begun */
    bool has_rest; /* the owner still has to pull from its own input: see exec__parallel_pays */
    unsigned worker_count;
    struct parallel_worker *workers; /* in the owner's statement arena */
};

/* No subplan and nothing volatile: any core may evaluate it. NULL is. */
bool exec__is_independent(const struct expression *expression);

/* Should the pipeline that ends in self->left or self->right (`input`) be run by many? Builds the
   hash tables on its way if so. takes_rest: right and full joins may be on its way; right rows
   without a partner are known when all workers are done, and come out of the owner's own input
   after exec__parallel_exhaust (has_rest). */
enum status exec__parallel_pays(struct fiber *f, struct operator_state *self,
                                struct operator_state *input, bool takes_rest,
                                struct parallel *parallel, bool *pays_out) MUST_USE;
/* The owner's own scan has nothing to give any more. */
void exec__parallel_exhaust(struct operator_state *input);
/* Every worker opens `node` and runs `work`. After a failure, too, exec__parallel_end is called. */
enum status exec__parallel_run(struct fiber *f, struct parallel *parallel,
                               const struct plan_node *node, parallel_function work, void *argument)
    MUST_USE;
/* Close the workers' operators and give their memory back; adds their figures to the parent's,
   except those of the node with this id. */
void exec__parallel_end(struct fiber *f, struct parallel *parallel, uint32_t except_id);

#endif
