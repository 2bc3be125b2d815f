/*
 * MERGE_JOIN: the state shared by its walk (exec_join_merge.c) and by the rows of one key that it
 * keeps (exec_join_merge_group.c). Private to exec.
 *
 * Both children come in the order of the keys. One is *walked*, row by row; of the other one the
 * rows of the key at hand, a *group*, are kept for as long as walked rows have that key:
 *
 *     walked   1 2 2 3 | 3 5 ...           a group that ends inside its batch is those rows of it
 *     kept     0 2 2 2 4 5 | 5 5 6 ...     one that may go on in the next batch (5) is copied,
 *              [2 2 2] [5 | 5 5]           and goes to a run when it is more than may be held
 *
 * The walked side is the left one; for RIGHT, RIGHT_SEMI and RIGHT_ANTI the right one, and where
 * the plan says so. What goes out is in the order of the walked rows' keys, except rows of a FULL
 * join; and in the order of walked rows when no group is in several batches.
 */
#ifndef EXEC_JOIN_MERGE_H
#define EXEC_JOIN_MERGE_H

#include "exec/exec_join.h"

/* Keys of rows, by position. */
struct merge_keys {
    struct vector *vectors; /* one for each key */
    int64_t **numbers;      /* by key: whole numbers in the order of the join; NULL: compare
                               values */
    uint8_t *nulls;         /* 1: a NULL is among them */
    const uint16_t *rows;   /* of the vectors, by position */
};

struct merge_side {
    struct operator_state *input;
    struct compiled **compiled;
    uint32_t offset, column_count; /* its columns of left ++ right */
    bool unique;                   /* no two rows have the same keys */
    struct batch *batch;           /* NULL: none at hand */
    bool ended;
    uint32_t at, count; /* positions in the batch's selection: next row, end */
    struct merge_keys keys;
    struct arena arena;         /* of the keys */
    uint8_t met[VECTOR_SIZE];   /* by row of the batch: found a partner */
    struct vector *own_vectors; /* kept side: columns with NULLs among them */
};

enum merge_group_form {
    MERGE_GROUP_NONE,
    MERGE_GROUP_VIEW,    /* positions from .. to of the kept side's batch */
    MERGE_GROUP_GROWS,   /* copied; more may follow */
    MERGE_GROUP_STORED,  /* copied */
    MERGE_GROUP_SPILLED, /* in a run */
};

struct merge_group {
    enum merge_group_form form;
    uint32_t from, to;
    struct merge_keys keys; /* one row, unless it is a VIEW */
    uint32_t *columns;      /* column i of what is copied is column columns[i] of the side */
    uint32_t column_count;
    struct type *types;
    struct exec_store store;
    struct arena arena, key_arena;
    struct spill spill;
    struct spill_run run;
    uint64_t row_count;
    uint8_t *met;           /* FULL with a residual: by row */
    struct vector *vectors; /* the side's columns of the batch in hand */
    /* going through it, a batch at a time */
    uint32_t batch_at, part_rows; /* next batch; rows of the one before */
    uint64_t first_row;           /* number of the part's first one */
    struct spill_reader reader;
};

/* A batch's worth of the group. */
struct merge_part {
    const struct vector *vectors; /* the side's columns */
    const uint16_t *rows;
    uint32_t count, row_count;
};

struct merge_join {
    struct operator_state base;
    enum join_kind kind; /* with the walked side as the left one */
    struct compiled *residual;
    struct merge_side walked, kept;
    bool one_number; /* one key, a whole number */
    uint8_t *wanted; /* columns of left ++ right that somebody reads */
    struct merge_group group;

    /* walked rows that have the group's key */
    bool in_run, has_part;
    uint32_t run_from, run_to; /* positions */
    struct merge_part part;
    uint32_t run_at, part_at; /* next pair */
    uint32_t mark_at;
    bool telling; /* FULL: handing out rows of the group that met nobody */

    /* pairs found: of rows of the walked side's batch and of pair_vectors. A mark stands for the
       end of a walked row: what becomes of it alone is decided there. */
    uint32_t pair_count;
    const struct vector *pair_vectors; /* NULL: only marks so far */
    uint64_t pair_first_row;           /* of the group */
    uint16_t pair_walked[VECTOR_SIZE], pair_kept[VECTOR_SIZE];
    uint8_t is_mark[VECTOR_SIZE];
    uint16_t selection[VECTOR_SIZE], passed[VECTOR_SIZE];
    struct batch both, output;
};

/* Order of two rows' keys. */
int exec__merge_compare(const struct merge_join *join, const struct merge_keys *a, uint32_t at,
                        const struct merge_keys *b, uint32_t bt);
/* The first position behind `at` of the side whose row has other keys. */
uint32_t exec__merge_run_end(const struct merge_join *join, const struct merge_side *side,
                             uint32_t at);
enum status exec__merge_group_open(struct merge_join *join) MUST_USE;
/* The rows from the kept side's next one with its keys become the group; the side moves behind
   those in its batch. May leave it growing. */
enum status exec__merge_group_begin(struct fiber *f, struct merge_join *join) MUST_USE;
/* The kept side has its next batch, or has ended: what belongs to the growing group is taken. */
enum status exec__merge_group_grow(struct fiber *f, struct merge_join *join) MUST_USE;
/* Go through it from its first row on. */
void exec__merge_group_rewind(struct merge_group *group);
/* The next part, valid until the next call; *more_out false: none is left. */
enum status exec__merge_group_next(struct fiber *f, struct merge_join *join,
                                   struct merge_part *part, bool *more_out) MUST_USE;
/* Is it one part? */
static inline bool merge_group_is_small(const struct merge_group *group) {
    return group->form == MERGE_GROUP_VIEW ||
           (group->form == MERGE_GROUP_STORED && group->store.batch_count <= 1);
}
/* Nothing is kept any more. */
void exec__merge_group_end(struct fiber *f, struct merge_join *join);

/* All pairs there are: a batch of those that pass the residual and of what the marks say. NULL:
   nothing is left of them. */
enum status exec__merge_put_pairs(struct fiber *f, struct merge_join *join,
                                  struct batch **batch_out) MUST_USE;
/* FULL: the rows of the kept side's batch that met nobody, once it is done; NULL: none, or they
   have been told of. */
struct batch *exec__merge_tell_of_batch(struct merge_join *join);
/* The same of the group's next part; behind its last one the group is left. */
enum status exec__merge_tell_of_group(struct fiber *f, struct merge_join *join,
                                      struct batch **batch_out) MUST_USE;

#endif
