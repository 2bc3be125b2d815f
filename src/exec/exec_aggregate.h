/* The running AGGREGATE node, shared by its files. Private to exec. */
#ifndef EXEC_AGGREGATE_H
#define EXEC_AGGREGATE_H

#include "exec/exec_accumulate.h"
#include "exec/exec_group.h"
#include "exec/exec_sort.h"
#include "exec/exec_spill.h"

/* Arguments of an aggregate with DISTINCT or ORDER BY: kept, and fed at the end sorted by group
   and order. A row is the arguments, then the group's tuple as a bigint. */
struct ordered_input {
    struct sorter sorter;
    struct key_column *columns; /* ORDER BY keys, then (DISTINCT) the arguments */
    struct compiled **keys;
    struct vector *vectors, *row; /* the keys; the row's columns */
    const struct vector **pointers;
    uint32_t key_count;
    struct type *types;
};

struct parallel;
struct parallel_worker;

struct running_aggregate {
    const struct plan_aggregate *plan;
    const struct accumulator *accumulator;
    struct compiled **arguments, *filter;
    struct vector *vectors;
    uint32_t offset;               /* of its state in a group's tuple */
    struct ordered_input *ordered; /* NULL: fed as rows come */
};

/* What was put aside, by bits of the hash: groups, or rows whose groups found no room. */
enum { AGGREGATE_PARTS = 32, AGGREGATE_PART_BITS = 5, AGGREGATE_LEVELS_MAX = 7 };
struct aggregate_part {
    struct spill_run run;
    uint32_t level; /* bits that chose it are below */
};
/* Still to be aggregated: parts[taken ..], which many cores take. Whoever takes one leaves an empty
   run there. */
struct aggregate_parts {
    struct aggregate_part *parts;
    size_t count, capacity;
    _Atomic size_t taken;
};

/* Rows of one batch that belong to few groups are fed group by group. */
enum { AGGREGATE_RUNS_MAX = 32 };

struct aggregate_operator {
    struct operator_state base;
    struct compiled **keys;
    struct vector *key_vectors;
    struct type *key_types, *input_types;
    struct running_aggregate *aggregates;
    struct tuple_layout layout;
    struct group_identity identity;
    struct group_table table;
    struct group_table *others; /* of workers, taken over; exec_aggregate_parallel.c */
    uint32_t other_count;
    bool disjoint; /* no two tables have the same group */
    bool filled;

    /* spilling */
    bool combines;         /* all accumulators can be: groups are put aside, else rows */
    bool full;             /* no more groups: rows of others are put aside */
    bool spilled;          /* groups were put aside, and at the end all are */
    uint32_t *strings;     /* of a tuple: where a string's bytes may lie elsewhere */
    uint32_t string_count; /* known with `combines` */
    uint8_t *input_wanted; /* input columns that keys and arguments read */
    uint64_t rows_taken;   /* into the table since it was empty */
    uint64_t groups_max;   /* of a table kept small; 0: as many as memory allows */
    double reduction; /* rows of a group, in the last table that was as large as memory allows */
    struct spill spill;
    struct spill_run runs[AGGREGATE_PARTS];
    uint32_t level; /* of the bits that choose a run */
    struct aggregate_parts parts;
    struct parallel_worker *workers; /* of parts */

    struct aggregate_stream *stream; /* rows come group by group; NULL: in any order */

    /* handing out */
    struct aggregate_operator *shared; /* whose groups and parts: a worker's parent's, or our own */
    struct aggregate_operator *giving; /* whose groups at the moment: theirs, or of a part ours */
    struct tuple_feed feed;
    bool out_begun;
    struct batch batch;
    struct compiled *having;
    uint16_t *selection;
    struct buffer buffer;

    /* the batch at hand: rows that have a group, and the groups */
    uint16_t mark;
    uint32_t row_count;
    uint16_t rows[VECTOR_SIZE];
    uint8_t *groups[VECTOR_SIZE];
    uint64_t hashes[VECTOR_SIZE];
    uint32_t run_count; /* 0: feed row by row */
    uint16_t run_begin[AGGREGATE_RUNS_MAX + 1];
    uint8_t *run_groups[AGGREGATE_RUNS_MAX];
    uint16_t run_rows[VECTOR_SIZE];
};

/* exec_aggregate_groups.c: the groups of a batch's rows, and rows by group where they are few. */
enum status exec__aggregate_find(struct fiber *f, struct aggregate_operator *self,
                                 const struct batch *input) MUST_USE;

/* exec_aggregate_spill.c */
enum status exec__aggregate_put_aside(struct fiber *f, struct aggregate_operator *self,
                                      const struct batch *input, const uint16_t *rows,
                                      const uint64_t *hashes, uint32_t count) MUST_USE;
/* All groups into runs; the tables are empty and will hold as many, or fewer if that does as well.
   `over`: their memory is given back. */
enum status exec__aggregate_put_aside_groups(struct fiber *f, struct aggregate_operator *self,
                                             bool over) MUST_USE;
/* Groups of a run into the table. */
enum status exec__aggregate_take_groups(struct fiber *f, struct aggregate_operator *self,
                                        struct spill_reader *reader) MUST_USE;
/* Runs can be written from now on. */
void exec__aggregate_begin_runs(struct aggregate_operator *self);
/* No more input: the runs are complete. */
enum status exec__aggregate_end_runs(struct fiber *f, struct aggregate_operator *self) MUST_USE;
void exec__aggregate_release_runs(struct fiber *f, struct aggregate_operator *self);

/* exec_aggregate_parts.c: what was put aside, part by part. */
/* The runs, which are complete, become parts. */
enum status exec__aggregate_make_parts(struct aggregate_operator *self) MUST_USE;
/* Rows or groups that nobody has taken yet. */
uint64_t exec__aggregate_rows_aside(const struct aggregate_operator *self);
/* Fill the tables, which are emptied, from the next parts: one of our own or of those we share, or
   by all cores one each. *found_out false: there are none. */
enum status exec__aggregate_next_part(struct fiber *f, struct aggregate_operator *self,
                                      bool *found_out) MUST_USE;
void exec__aggregate_release_parts(struct fiber *f, struct aggregate_operator *self);

/* exec_aggregate_ordered.c */
enum status exec__ordered_open(struct exec_local *local, struct running_aggregate *aggregate)
    MUST_USE;
enum status exec__ordered_keep(struct fiber *f, struct aggregate_operator *self,
                               struct running_aggregate *aggregate, const struct batch *input,
                               const uint16_t *rows, uint32_t count, uint8_t *const *groups)
    MUST_USE;
enum status exec__ordered_feed(struct fiber *f, struct aggregate_operator *self,
                               struct running_aggregate *aggregate) MUST_USE;

/* exec_aggregate.c: take the whole input into groups and parts; all of it here and now; one batch;
   put aside what is too much; a call for the accumulators of one aggregate without its rows. */
enum status exec__aggregate_fill(struct fiber *f, struct aggregate_operator *self) MUST_USE;
enum status exec__aggregate_take_input(struct fiber *f, struct aggregate_operator *self) MUST_USE;
enum status exec__aggregate_take(struct fiber *f, struct aggregate_operator *self,
                                 const struct batch *input) MUST_USE;
enum status exec__aggregate_look_at_memory(struct fiber *f, struct aggregate_operator *self)
    MUST_USE;
struct accumulate_call exec__accumulate_call(struct fiber *f, struct aggregate_operator *self,
                                             const struct running_aggregate *aggregate);
void exec__aggregate_forget(struct fiber *f, struct aggregate_operator *self);

/* exec_aggregate_stream.c: instead of all that, when rows come group by group. */
enum status exec__aggregate_stream_open(struct aggregate_operator *self, struct arena *arena)
    MUST_USE;
void exec__aggregate_stream_reset(struct aggregate_operator *self);
enum status exec__aggregate_stream_next(struct fiber *f, struct aggregate_operator *self,
                                        struct batch **batch_out) MUST_USE;

/* exec_aggregate_out.c: the next groups that `giving` has, at most a batch of them, and how many;
   0: no more. A batch of self->groups; NULL: HAVING leaves none. The next batch of groups. */
uint32_t exec__aggregate_next_groups(struct aggregate_operator *giving, uint8_t **groups);
enum status exec__aggregate_give(struct fiber *f, struct aggregate_operator *self, uint32_t count,
                                 struct batch **batch_out) MUST_USE;
enum status exec__aggregate_next(struct fiber *f, struct operator_state *base,
                                 struct batch **batch_out) MUST_USE;
/* Aggregates with DISTINCT or ORDER BY get what was kept for them. */
enum status exec__aggregate_feed_ordered(struct fiber *f, struct aggregate_operator *self) MUST_USE;
/* Everything is in the tables: make it ready to be taken. */
enum status exec__aggregate_begin_out(struct fiber *f, struct aggregate_operator *self) MUST_USE;
/* No groups any more, and no memory for them. */
void exec__aggregate_drop(struct fiber *f, struct aggregate_operator *self);
/* Ready to be filled again, but for the parts. */
void exec__aggregate_empty(struct fiber *f, struct aggregate_operator *self);

/* exec_aggregate_parallel.c: fill by one worker for each core, if that pays; *done_out says
   whether. */
enum status exec__aggregate_parallel(struct fiber *f, struct aggregate_operator *self,
                                     bool *done_out) MUST_USE;
/* Each group is in one table only, from now on. */
enum status exec__aggregate_fold(struct fiber *f, struct aggregate_operator *self) MUST_USE;
/* Fold the accumulators of one group into those of another; `arena` is for what they keep. */
enum status exec__aggregate_combine(struct fiber *f, struct aggregate_operator *self, uint8_t *into,
                                    const uint8_t *from, struct arena *arena) MUST_USE;
/* The workers' tables become ours. */
enum status exec__aggregate_take_tables(struct fiber *f, struct aggregate_operator *self,
                                        const struct parallel *parallel) MUST_USE;
/* May other cores evaluate keys, arguments and filters? */
bool exec__aggregate_is_independent(const struct aggregate_operator *self);
/* For workers of a pipeline above: take all input now. *pieces_out 0: that does not pay. */
enum status exec__aggregate_lend(struct fiber *f, struct operator_state *base, uint64_t *pieces_out)
    MUST_USE;
uint64_t exec__aggregate_bytes(const struct aggregate_operator *self);

#endif
