/*
 * HASH_JOIN whose output is right rows (RIGHT_SEMI, RIGHT_ANTI): probing only marks them, so every
 * core can probe with its share of the left side, and the rows go out when all are done. Marks are
 * single bytes that only ever become 1.
 */
#include "exec/exec_join.h"
#include "exec/exec_parallel.h"

static enum status probe_share(struct fiber *f, struct parallel_worker *worker) {
    struct batch *nothing;
    return exec__next(f, worker->root, &nothing);
}

static bool is_independent(const struct plan_node *node) {
    for (uint32_t k = 0; k < node->join.key_count; k++)
        if (!exec__is_independent(node->join.left_keys[k]))
            return false;
    return exec__is_independent(node->join.residual);
}

enum status exec__join_probe_together(struct fiber *f, struct hash_join *join, bool *done_out) {
    struct parallel parallel;
    *done_out = false;
    if (!join_is_right_only(join->base.node->join.kind) || join->spilled ||
        !is_independent(join->base.node))
        return STATUS_OK;
    TRY(exec__parallel_pays(f, &join->base, join->base.left, false, &parallel, done_out));
    if (!*done_out)
        return STATUS_OK;
    enum status status = exec__parallel_run(f, &parallel, join->base.node, probe_share, NULL);
    exec__parallel_end(f, &parallel, join->base.node->id);
    return status;
}
