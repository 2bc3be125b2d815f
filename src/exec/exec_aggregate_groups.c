/*
 * The groups of a batch's rows.
 *
 * When every key is a dictionary, or one value, only combinations of entries are looked up: a row
 * costs two table reads. When the rows belong to few groups, they are sorted by group (counting
 * sort), so that accumulators add whole runs in registers.
 */
#include <string.h>

#include "exec/exec_aggregate.h"

enum { CODES_MAX = 4096, NO_LOCAL = 0xFFFF };

static enum status evaluate_keys(struct fiber *f, struct aggregate_operator *self,
                                 const struct batch *input) {
    const uint16_t *rows = batch_rows(input);
    for (uint32_t k = 0; k < self->base.node->aggregate.key_count; k++)
        TRY(exec__evaluate(f, self->keys[k], input, rows, input->selected_count,
                           &self->base.scratch, &self->key_vectors[k]));
    return STATUS_OK;
}

static void hash_keys(struct aggregate_operator *self, const uint16_t *rows, uint32_t count) {
    for (uint32_t i = 0; i < self->identity.count; i++)
        exec__hash_column(&self->key_vectors[self->identity.keys[i]], rows, count, i == 0,
                          self->hashes);
}

/* Combinations of dictionary entries; 0: too many, or no dictionaries. */
static uint32_t code_count(const struct aggregate_operator *self) {
    uint32_t codes = 1;
    for (uint32_t i = 0; i < self->identity.count; i++) {
        const struct vector *vector = &self->key_vectors[self->identity.keys[i]];
        if (vector->kind == VECTOR_CONSTANT)
            continue;
        if (vector->kind != VECTOR_DICTIONARY || vector->dictionary_count == 0 ||
            vector->dictionary_count > CODES_MAX / codes)
            return 0;
        codes *= vector->dictionary_count;
    }
    return codes;
}

/* locals[i]: which of the combinations met in this batch row i has; first[]: a row of each. */
static uint32_t number_codes(const struct aggregate_operator *self, const uint16_t *rows,
                             uint32_t count, uint32_t codes, uint16_t *locals, uint16_t *first) {
    uint16_t local_of_code[CODES_MAX];
    uint32_t met = 0, stride = 1;
    bool begun = false;
    memset(local_of_code, 0xFF, codes * sizeof *local_of_code);
    for (uint32_t k = 0; k < self->identity.count; k++) {
        const struct vector *vector = &self->key_vectors[self->identity.keys[k]];
        if (vector->kind == VECTOR_CONSTANT)
            continue;
        for (uint32_t i = 0; i < count; i++)
            locals[i] = (uint16_t)((begun ? locals[i] : 0) + vector->indices[rows[i]] * stride);
        stride *= vector->dictionary_count;
        begun = true;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint16_t code = begun ? locals[i] : 0;
        if (local_of_code[code] == NO_LOCAL) {
            first[met] = rows[i];
            local_of_code[code] = (uint16_t)met++;
        }
        locals[i] = local_of_code[code];
    }
    return met;
}

/* Rows by group: run r is run_rows[run_begin[r] .. run_begin[r + 1]). */
static void sort_into_runs(struct aggregate_operator *self, const uint16_t *locals,
                           uint32_t local_count) {
    uint16_t at[AGGREGATE_RUNS_MAX];
    memset(self->run_begin, 0, (local_count + 1) * sizeof *self->run_begin);
    for (uint32_t i = 0; i < self->row_count; i++)
        self->run_begin[locals[i] + 1]++;
    for (uint32_t r = 0; r < local_count; r++) {
        self->run_begin[r + 1] = (uint16_t)(self->run_begin[r + 1] + self->run_begin[r]);
        at[r] = self->run_begin[r];
    }
    for (uint32_t i = 0; i < self->row_count; i++)
        self->run_rows[at[locals[i]]++] = self->rows[i];
    self->run_count = local_count;
}

/* Number the groups met in this batch, unless they are many. */
static void find_runs(struct aggregate_operator *self) {
    uint16_t locals[VECTOR_SIZE];
    uint32_t met = 0;
    self->mark++;
    if (self->row_count < 64)
        return;
    for (uint32_t i = 0; i < self->row_count; i++) {
        struct group_tuple *group = group_tuple(self->groups[i]);
        if (group->mark != self->mark || group->local >= met ||
            self->run_groups[group->local] != self->groups[i]) {
            if (met == AGGREGATE_RUNS_MAX)
                return;
            group->mark = self->mark;
            group->local = (uint8_t)met;
            self->run_groups[met++] = self->groups[i];
        }
        locals[i] = group->local;
    }
    sort_into_runs(self, locals, met);
}

/* Rows without a group are put aside; the others move up. */
static enum status drop_homeless(struct fiber *f, struct aggregate_operator *self,
                                 const struct batch *input) {
    uint16_t homeless[VECTOR_SIZE];
    uint64_t hashes[VECTOR_SIZE];
    uint32_t kept = 0, dropped = 0;
    for (uint32_t i = 0; i < self->row_count; i++) {
        if (self->groups[i] == NULL) {
            homeless[dropped] = self->rows[i];
            hashes[dropped++] = self->hashes[i];
            continue;
        }
        self->rows[kept] = self->rows[i];
        self->groups[kept++] = self->groups[i];
    }
    self->row_count = kept;
    return exec__aggregate_put_aside(f, self, input, homeless, hashes, dropped);
}

/* An aggregate with FILTER takes chosen rows, so it needs the group of each, runs or not. */
static bool any_filter(const struct aggregate_operator *self) {
    for (uint32_t i = 0; i < self->base.node->aggregate.aggregate_count; i++)
        if (self->aggregates[i].filter != NULL)
            return true;
    return false;
}

/* One lookup for each combination of dictionary entries. */
static enum status find_by_codes(struct fiber *f, struct aggregate_operator *self, uint32_t codes) {
    uint16_t locals[VECTOR_SIZE], first[VECTOR_SIZE] = {0};
    uint8_t *groups[VECTOR_SIZE];
    uint32_t met = number_codes(self, self->rows, self->row_count, codes, locals, first);
    hash_keys(self, first, met);
    TRY(exec__groups_find(f, &self->table, self->key_vectors, first, self->hashes, met, false,
                          groups));
    if (met <= AGGREGATE_RUNS_MAX) {
        memcpy(self->run_groups, groups, met * sizeof *groups);
        sort_into_runs(self, locals, met);
    }
    if (met > AGGREGATE_RUNS_MAX || any_filter(self))
        for (uint32_t i = 0; i < self->row_count; i++)
            self->groups[i] = groups[locals[i]];
    return STATUS_OK;
}

enum status exec__aggregate_find(struct fiber *f, struct aggregate_operator *self,
                                 const struct batch *input) {
    TRY(evaluate_keys(f, self, input));
    self->run_count = 0;
    self->row_count = input->selected_count;
    memcpy(self->rows, batch_rows(input), self->row_count * sizeof *self->rows);
    uint32_t codes = self->full ? 0 : code_count(self);
    if (codes > 0)
        return find_by_codes(f, self, codes);
    hash_keys(self, self->rows, self->row_count);
    TRY(exec__groups_find(f, &self->table, self->key_vectors, self->rows, self->hashes,
                          self->row_count, self->full, self->groups));
    if (self->full)
        TRY(drop_homeless(f, self, input));
    find_runs(self);
    return STATUS_OK;
}
