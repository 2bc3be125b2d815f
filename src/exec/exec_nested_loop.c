/*
 * NESTED_LOOP: for each left row the slots are bound and the right child begins again; without
 * bindings the right rows are kept once and walked through.
 */
#include <string.h>

#include "exec/exec_state.h"

struct nested_loop {
    struct operator_state base;
    struct compiled *residual;
    struct batch *left;
    uint32_t at; /* left row in hand: at - 1 */
    bool in_row, met;
    struct batch *right; /* at hand for this left row */
    bool keeps;          /* right rows are kept */
    bool kept;
    struct exec_store rows;
    struct type *row_types;
    struct arena arena;
    uint32_t kept_at;
    struct arena slots_arena; /* of the left row at hand */
    struct batch both, output;
    struct vector *left_vectors; /* the left row as constants */
    uint16_t selection[VECTOR_SIZE];
};

static enum status keep_right(struct fiber *f, struct nested_loop *loop) {
    exec__store_init(&loop->rows, loop->row_types, loop->base.node->right->column_count,
                     &loop->arena);
    for (;;) {
        struct batch *batch;
        TRY(exec__next(f, loop->base.right, &batch));
        if (batch == NULL)
            break;
        TRY(exec__store_append(&loop->rows, batch));
        TRY(exec__account(&loop->base, loop->rows.bytes));
    }
    loop->kept = true;
    return STATUS_OK;
}

static enum status next_right(struct fiber *f, struct nested_loop *loop) {
    if (!loop->keeps)
        return exec__next(f, loop->base.right, &loop->right);
    loop->right =
        loop->kept_at < loop->rows.batch_count ? loop->rows.batches[loop->kept_at++] : NULL;
    return STATUS_OK;
}

/* A column of the left row as a constant: the same data, pointed at its row. */
static void one_row(struct vector *single, const struct vector *source, uint32_t row,
                    struct arena *arena) {
    uint32_t at = vector_position(source, row);
    size_t size = physical_size((enum physical)source->physical);
    *single = *source;
    single->kind = VECTOR_CONSTANT;
    single->indices = NULL;
    single->data = (uint8_t *)source->data + at * size;
    single->validity = NULL;
    if (!validity_get(source->validity, at))
        single->validity = arena_alloc_zeroed(arena, sizeof(uint64_t));
}

static enum status begin_row(struct fiber *f, struct nested_loop *loop) {
    const struct plan_node *node = loop->base.node;
    uint32_t row = batch_row(loop->left, loop->at++);
    struct row_input input = {.batch = loop->left, .row = row};
    loop->in_row = true;
    loop->met = false;
    loop->kept_at = 0;
    arena_reset(&loop->slots_arena);
    for (uint32_t i = 0; i < node->left->column_count; i++)
        one_row(&loop->both.vectors[i], &loop->left->vectors[i], row, &loop->slots_arena);
    if (loop->keeps)
        return STATUS_OK;
    TRY(exec__bind(f, loop->base.local, node->nested_loop.bindings, node->nested_loop.binding_count,
                   &input, &loop->slots_arena));
    return exec__reset(f, loop->base.right);
}

static struct batch *emit(struct nested_loop *loop, const uint16_t *selection, uint32_t row_count,
                          uint32_t count) {
    return exec__put_joined(&loop->output, &loop->both, loop->base.node->nested_loop.output,
                            row_count, selection, count);
}

/* The left row alone, right side NULL. */
static struct batch *emit_left(struct nested_loop *loop) {
    const struct plan_node *node = loop->base.node;
    for (uint32_t i = 0; i < node->right->column_count; i++) {
        struct value null = value_null(node->right->columns[i].type);
        vector_init_constant(&loop->both.vectors[node->left->column_count + i], &null,
                             &loop->base.scratch);
    }
    return emit(loop, NULL, 1, 1);
}

/* One batch of the right child joined with the left row; NULL output: go on. */
static enum status join_right(struct fiber *f, struct nested_loop *loop, struct batch **batch_out) {
    const struct plan_node *node = loop->base.node;
    uint32_t left_columns = node->left->column_count, count = loop->right->selected_count;
    const uint16_t *selection = loop->right->selection;
    memcpy(loop->both.vectors + left_columns, loop->right->vectors,
           node->right->column_count * sizeof(struct vector));
    loop->both.row_count = loop->right->row_count;
    if (loop->residual != NULL) {
        TRY(exec__select(f, loop->residual, &loop->both, batch_rows(loop->right), count,
                         &loop->base.scratch, loop->selection, &count));
        selection = loop->selection;
    }
    if (count == 0)
        return STATUS_OK;
    loop->met = true;
    if (node->nested_loop.kind == JOIN_ANTI)
        loop->in_row = false;
    else if (node->nested_loop.kind == JOIN_SEMI) {
        loop->in_row = false;
        *batch_out = emit_left(loop);
    } else {
        *batch_out = emit(loop, selection, loop->right->row_count, count);
    }
    return STATUS_OK;
}

static enum status nested_loop_next(struct fiber *f, struct operator_state *base,
                                    struct batch **batch_out) {
    struct nested_loop *loop = (struct nested_loop *)base;
    enum join_kind kind = base->node->nested_loop.kind;
    *batch_out = NULL;
    if (loop->keeps && !loop->kept)
        TRY(keep_right(f, loop));
    for (;;) {
        if (!loop->in_row) {
            if (loop->left == NULL || loop->at == loop->left->selected_count) {
                TRY(exec__next(f, base->left, &loop->left));
                loop->at = 0;
                if (loop->left == NULL)
                    return STATUS_OK;
            }
            TRY(begin_row(f, loop));
        }
        TRY(fiber_check(f));
        TRY(next_right(f, loop));
        if (loop->right != NULL) {
            TRY(join_right(f, loop, batch_out));
        } else {
            loop->in_row = false;
            if (!loop->met && (kind == JOIN_LEFT || kind == JOIN_ANTI))
                *batch_out = emit_left(loop);
        }
        if (*batch_out != NULL)
            return STATUS_OK;
    }
}

static enum status nested_loop_reset(struct fiber *f, struct operator_state *base) {
    struct nested_loop *loop = (struct nested_loop *)base;
    loop->left = NULL;
    loop->in_row = false;
    if (loop->keeps) {
        arena_release(&loop->arena);
        loop->kept = false;
        TRY(exec__reset(f, base->right));
    }
    return exec__reset(f, base->left);
}

static void nested_loop_close(struct fiber *f, struct operator_state *base) {
    arena_release(&((struct nested_loop *)base)->arena);
    arena_release(&((struct nested_loop *)base)->slots_arena);
}

enum status exec__open_nested_loop(struct fiber *f, struct execution *execution,
                                   const struct plan_node *node,
                                   struct operator_state **operator_out) {
    static const struct operator_functions functions = {nested_loop_next, nested_loop_reset,
                                                        nested_loop_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct nested_loop), &functions,
                           operator_out));
    struct nested_loop *loop = (struct nested_loop *)*operator_out;
    struct arena *arena = execution->environment.arena;
    uint32_t total = node->left->column_count + node->right->column_count;
    loop->keeps = node->nested_loop.binding_count == 0;
    loop->both.vectors = arena_alloc_zeroed(arena, (total + 1) * sizeof(struct vector));
    loop->output.vectors =
        arena_alloc_zeroed(arena, (node->column_count + 1) * sizeof(struct vector));
    if (loop->both.vectors == NULL || loop->output.vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    loop->both.column_count = total;
    loop->output.column_count = node->column_count;
    TRY(exec__node_types(execution, node->right, &loop->row_types));
    return node->nested_loop.residual == NULL
               ? STATUS_OK
               : exec__compile(loop->base.local, node->nested_loop.residual, &loop->residual);
}
