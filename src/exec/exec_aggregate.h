/* The running AGGREGATE node, shared by its serial and its parallel half. Private to exec. */
#ifndef EXEC_AGGREGATE_H
#define EXEC_AGGREGATE_H

#include "exec/exec_accumulate.h"
#include "exec/exec_sort.h"

/* Arguments of an aggregate with DISTINCT or ORDER BY. */
struct ordered_input {
    struct exec_store rows;
    struct sort_entries sort;
    struct key_column *columns; /* ORDER BY keys, then (DISTINCT) the arguments */
    struct compiled **keys;
    struct vector *vectors;
    const struct vector **pointers;
    uint32_t key_count;
    struct type *types;
};

struct running_aggregate {
    const struct plan_aggregate *plan;
    const struct accumulator *accumulator;
    struct compiled **arguments, *filter;
    struct vector *vectors;
    uint32_t offset;
    struct ordered_input *ordered; /* NULL: fed as rows come */
};

struct aggregate_operator {
    struct operator_state base;
    struct compiled **keys;
    struct vector *key_vectors;
    struct type *key_types;
    struct running_aggregate *aggregates;
    uint32_t stride;
    struct arena arena;
    struct exec_store group_keys;
    uint64_t *group_hashes;
    uint32_t group_count, group_capacity;
    uint32_t *slots;
    uint64_t mask;
    uint8_t **blocks;
    uint32_t block_count, block_capacity;
    bool filled;
    uint32_t at;
    struct batch batch;
    struct compiled *having;
    uint16_t *selection;
    struct buffer buffer;
    uint32_t groups[VECTOR_SIZE];
    uint64_t hashes[VECTOR_SIZE];
};

/* Take the whole input into groups, here and now. */
enum status exec__aggregate_fill(struct fiber *f, struct aggregate_operator *self) MUST_USE;
/* The group with the keys in self->key_vectors at `row`, made if it is new. */
enum status exec__aggregate_group(struct aggregate_operator *self, const uint16_t *row,
                                  uint64_t hash, uint32_t *group_out) MUST_USE;
enum status exec__aggregate_begin(struct aggregate_operator *self) MUST_USE;
struct accumulate_call exec__accumulate_call(struct fiber *f, struct aggregate_operator *self,
                                             const struct running_aggregate *aggregate);

/* exec_aggregate_parallel.c: fill by one worker for each core, if that pays; *done_out says
   whether. */
enum status exec__aggregate_parallel(struct fiber *f, struct aggregate_operator *self,
                                     bool *done_out) MUST_USE;

#endif
