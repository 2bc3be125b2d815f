/*
 * HASH_JOIN: the state shared by its build (exec_join_build.c) and its probe (exec_join.c).
 * Private to exec.
 *
 * The right child's rows become tuples: keys, then the columns that the output or the residual
 * needs. A directory of at least as many slots as tuples holds chains:
 *
 *     directory[hash >> shift] = | 16 tag bits | 48-bit pointer to the newest tuple |
 *     tuple                    = | next | hash | met | null bytes | columns |
 *
 * Each tuple sets two bits of its slot's tag, so that most probes without a partner end in the
 * directory. (As in "Simple, Efficient, and Robust Hash Tables for Join Processing", but with
 * chains in place of sorted tuples: building needs no second copy.)
 *
 * When the tuples are more than the operator may hold, both sides are written to runs by bits of
 * the hash (Grace join), and the pairs of runs are joined one after the other; a pair whose build
 * side is still too large is split again by other bits.
 */
#ifndef EXEC_JOIN_H
#define EXEC_JOIN_H

#include "exec/exec_join_filter.h"
#include "exec/exec_spill.h"
#include "exec/exec_tuple.h"

/* Header of a tuple. */
struct join_tuple {
    uint8_t *next;
    uint64_t hash;
    uint8_t met; /* where right rows without partner matter, or those with one: found one */
};
enum { JOIN_TUPLE_HEADER = 17 };

enum { JOIN_PARTS = 16, JOIN_PART_BITS = 4, JOIN_LEVELS_MAX = 8 };

/* Rows of both sides whose hashes agree in some bits. */
struct join_part {
    struct spill_run build, probe;
    uint32_t level; /* of the bits that chose it */
    struct join_part *next;
};

/* A finished table is read by any core. */
struct join_table {
    struct tuple_store *stores; /* one for each builder */
    uint32_t store_count;
    uint64_t count; /* tuples */
    uint64_t *directory;
    uint32_t shift;
};

struct hash_join {
    struct operator_state base;
    struct compiled **left_keys, **right_keys, *residual;
    struct vector *left_vectors, *right_vectors; /* keys of the batch at hand */
    struct tuple_layout layout;
    struct type *layout_types;
    uint32_t stored_count; /* columns of a tuple: keys, then payload */
    uint32_t *payload;     /* payload column i holds right column payload[i] */
    int32_t *place;        /* right column -> column of the tuple; -1: nobody needs it */

    struct join_filter *filters; /* for scans below the left child */
    uint32_t filter_count;

    bool built, spilled;
    struct arena arena;          /* tuples and directory */
    struct arena *worker_arenas; /* tuples that workers made */
    unsigned worker_arena_count;
    struct tuple_store tuples;
    struct join_table table;
    const struct hash_join *shared; /* a worker's: who owns the table; else itself */

    /* spilled */
    struct spill build_spill, probe_spill;
    struct join_part *parts; /* still to be joined */
    struct join_part *part;  /* in hand */
    bool probe_divided;
    struct spill_reader reader; /* of the part's probe side */

    /* the left batch at hand */
    struct arena left_arena; /* keys of it: they outlive a call */
    struct batch *left;
    bool first_round;
    uint64_t hashes[VECTOR_SIZE];     /* by position in the selection */
    uint8_t *candidates[VECTOR_SIZE]; /* by position: next tuple to look at */
    uint16_t active[VECTOR_SIZE];     /* positions that have a candidate */
    uint32_t active_count;
    uint8_t *left_met; /* by row: found a partner */

    /* pairs found: rows of the left batch and their partners */
    uint16_t pair_rows[VECTOR_SIZE];
    uint8_t *pair_tuples[VECTOR_SIZE];
    uint32_t pair_count;
    uint16_t selection[VECTOR_SIZE];
    struct batch both, output; /* left ++ right; what goes out */

    bool probed;   /* it was tried to let all cores do it */
    bool draining; /* handing out right rows without partner */
    uint32_t drain_store;
    const struct tuple_chunk *drain_chunk;
    uint32_t drain_at;
};

static inline struct join_tuple *join_tuple(uint8_t *tuple) {
    return (struct join_tuple *)(void *)tuple;
}
static inline bool join_is_left_only(enum join_kind kind) {
    return kind == JOIN_SEMI || kind == JOIN_ANTI;
}
/* The output is right rows, once it is known which met somebody. */
static inline bool join_is_right_only(enum join_kind kind) {
    return kind == JOIN_RIGHT_SEMI || kind == JOIN_RIGHT_ANTI;
}
/* What right rows met, or that they met nothing, matters in the end. */
static inline bool join_keeps_right(enum join_kind kind) {
    return kind == JOIN_RIGHT || kind == JOIN_FULL || join_is_right_only(kind);
}

enum { JOIN_POINTER_BITS = 48 };
#define JOIN_POINTER_MASK ((1ull << JOIN_POINTER_BITS) - 1)
static inline uint64_t join_tag(uint64_t hash) {
    return (1ull << (hash & 15) | 1ull << (hash >> 4 & 15)) << JOIN_POINTER_BITS;
}

/* Evaluate and hash the keys of the selected rows. */
enum status exec__join_hash_keys(struct fiber *f, struct hash_join *join, struct compiled **keys,
                                 struct vector *vectors, const struct batch *batch,
                                 struct arena *arena, uint64_t *hashes) MUST_USE;
/* Read the right child into the table, or into parts when it is too large. */
enum status exec__join_build(struct fiber *f, struct hash_join *join) MUST_USE;
/* Spilled: the next pair of runs; its build side becomes the table. *found_out false: no more. */
enum status exec__join_next_part(struct fiber *f, struct hash_join *join, bool *found_out) MUST_USE;
void exec__join_forget(struct fiber *f, struct hash_join *join);
/* Right rows are the output: let all cores probe with the whole left side, if that pays. */
enum status exec__join_probe_together(struct fiber *f, struct hash_join *join, bool *done_out)
    MUST_USE;

#endif
