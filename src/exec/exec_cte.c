/*
 * Common table expressions: run when the first scan wants a row, kept, and read by every scan.
 *
 * Rows are kept in memory as batches, which scans hand out as they are. When they are more than
 * may be held, those there go to a run on scratch pages (exec_spill.h) and the others after them;
 * each scan then reads the run by itself, as often as it is reset.
 */
#include "exec/exec_spill.h"
#include "exec/exec_state.h"

enum { CTE_HELD_ALWAYS = 2 << 20 }; /* batches have room for VECTOR_SIZE rows: a few of them */

struct cte_run {
    bool complete, spilled;
    struct operator_state *root;
    struct exec_store rows;
    struct arena arena;
    struct spill spill;
    struct spill_run run;
};

enum status exec__ctes_init(struct execution *execution) {
    uint32_t count = execution->plan->cte_count;
    if (count == 0)
        return STATUS_OK;
    execution->ctes =
        arena_alloc_zeroed(execution->environment.arena, count * sizeof *execution->ctes);
    return execution->ctes != NULL ? STATUS_OK : error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

void exec__ctes_release(struct fiber *f, struct execution *execution) {
    for (uint32_t i = 0; execution->ctes != NULL && i < execution->plan->cte_count; i++) {
        struct cte_run *cte = &execution->ctes[i];
        if (cte->spilled)
            exec__spill_release(f, &cte->spill, &cte->run);
        arena_release(&cte->arena);
    }
}

/* ---- keeping rows ------------------------------------------------------------------------ */

/* The scan that wants the first row answers for the memory. */
static enum status put_aside(struct fiber *f, struct operator_state *scan, struct cte_run *cte) {
    if (!exec__spill_possible(scan->execution))
        return exec__account(scan, cte->rows.bytes);
    exec__spill_init(&cte->spill, scan->execution, cte->rows.types, cte->rows.column_count, 1);
    cte->spilled = true;
    for (uint32_t b = 0; b < cte->rows.batch_count; b++)
        TRY(exec__spill_append(f, &cte->spill, &cte->run, cte->rows.batches[b], vector_identity,
                               cte->rows.batches[b]->row_count));
    exec__arena_release(f, &cte->arena);
    return STATUS_OK;
}

static enum status keep(struct fiber *f, struct operator_state *scan, struct cte_run *cte,
                        const struct batch *batch) {
    if (cte->spilled)
        return exec__spill_append(f, &cte->spill, &cte->run, batch, batch_rows(batch),
                                  batch->selected_count);
    TRY(exec__store_append(&cte->rows, batch));
    return exec__over_limit(scan, cte->rows.bytes) && cte->rows.bytes > CTE_HELD_ALWAYS
               ? put_aside(f, scan, cte)
               : STATUS_OK;
}

static enum status cte_fill(struct fiber *f, struct operator_state *scan) {
    struct execution *execution = scan->execution;
    uint32_t number = scan->node->cte_scan.cte;
    struct cte_run *cte = &execution->ctes[number];
    const struct plan_node *root = execution->plan->ctes[number];
    struct type *types;
    struct batch *batch;
    if (cte->complete)
        return STATUS_OK;
    TRY(exec__operator_open(f, execution, root, &cte->root));
    TRY(exec__node_types(execution, root, &types));
    exec__store_init(&cte->rows, types, root->column_count, &cte->arena);
    for (;;) {
        TRY(exec__next(f, cte->root, &batch));
        if (batch == NULL)
            break;
        TRY(keep(f, scan, cte, batch));
    }
    if (cte->spilled) {
        TRY(exec__spill_end(f, &cte->spill, &cte->run));
        exec__count_spilled(scan, cte->spill.bytes_written);
    }
    cte->complete = true;
    return STATUS_OK;
}

/* ---- CTE_SCAN ---------------------------------------------------------------------------- */

struct cte_operator {
    struct operator_state base;
    uint32_t at;
    bool reads;
    struct spill_reader reader;
};

static enum status cte_next(struct fiber *f, struct operator_state *base,
                            struct batch **batch_out) {
    struct cte_operator *self = (struct cte_operator *)base;
    TRY(cte_fill(f, base));
    struct cte_run *cte = &base->execution->ctes[base->node->cte_scan.cte];
    if (!cte->spilled) {
        *batch_out = self->at < cte->rows.batch_count ? cte->rows.batches[self->at++] : NULL;
        return STATUS_OK;
    }
    if (!self->reads) {
        self->reads = true;
        TRY(exec__spill_read(&cte->spill, &cte->run, &self->reader));
        self->reader.keeps = true;
    }
    return exec__spill_next(f, &self->reader, batch_out);
}

static void stop_reading(struct cte_operator *self) {
    exec__spill_reader_release(&self->reader);
    self->reads = false;
    self->at = 0;
}

static enum status cte_reset(struct fiber *f, struct operator_state *base) {
    stop_reading((struct cte_operator *)base);
    return STATUS_OK;
}

static void cte_close(struct fiber *f, struct operator_state *base) {
    stop_reading((struct cte_operator *)base);
}

enum status exec__open_cte_scan(struct fiber *f, struct execution *execution,
                                const struct plan_node *node,
                                struct operator_state **operator_out) {
    static const struct operator_functions functions = {cte_next, cte_reset, cte_close};
    return exec__operator_new(f, execution, node, sizeof(struct cte_operator), &functions,
                              operator_out);
}
