/*
 * INSERT, UPDATE, DELETE, LOCK ROWS, and the batch door of COPY.
 *
 * The first `next` does all the work; RETURNING rows are kept and handed out after it. A
 * statement's own writes are staged (txn.h), so the scan below never meets them.
 *
 * READ COMMITTED: when the row found by the scan has a newer committed version, the conditions and
 * assignments are evaluated again on that version (the `recheck` of the plan), as PostgreSQL does.
 */
#include <stdio.h>
#include <string.h>

#include "exec/exec_state.h"

struct modify_operator {
    struct operator_state base;
    struct table_context context;
    bool worked;
    struct exec_store returned;
    struct arena returned_arena;
    uint32_t returned_at;
    struct arena row_arena; /* emptied after each row */
    struct value *old_row, *new_row, *both, *output;
    struct compiled **checks;    /* INSERT */
    struct compiled **returning; /* INSERT, over batches */
    struct vector *vectors;
    struct batch output_batch;
    uint64_t inserted;       /* rows, by batches */
    struct table_bulk *bulk; /* once it pays */
};

static const struct table *target_of(const struct plan_node *node) {
    return node->kind == NODE_INSERT ? node->insert.table : node->modify.table;
}

/* ---- CHECK ------------------------------------------------------------------------------- */

enum { FAILING_VALUE_SIZE_MAX = 64 };

/* "(1, abc, null)", long values cut as PostgreSQL cuts them. */
static void describe_row(const struct execution *execution, const struct table *table,
                         const struct value *row, struct buffer *buffer) {
    bool first = true;
    buffer_append_byte(buffer, '(');
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].dropped)
            continue;
        if (!first)
            buffer_append_text(buffer, ", ");
        first = false;
        if (row[i].is_null) {
            buffer_append_text(buffer, "null");
            continue;
        }
        struct buffer text = {0};
        if (text_output(execution->environment.value_context, &row[i], &text) == STATUS_OK) {
            struct slice slice = buffer_slice(&text);
            size_t size = slice.size;
            if (size > FAILING_VALUE_SIZE_MAX) {
                size = FAILING_VALUE_SIZE_MAX;
                while (size > 0 && (slice.data[size] & 0xC0) == 0x80)
                    size--;
            }
            buffer_append(buffer, slice.data, size);
            if (size < slice.size)
                buffer_append_text(buffer, "...");
        }
        buffer_release(&text);
    }
    buffer_append_byte(buffer, ')');
    buffer_append_byte(buffer, 0);
}

static enum status check_failed(const struct execution *execution, const struct table *table,
                                const struct plan_check *check, const struct value *row) {
    struct buffer buffer = {0};
    describe_row(execution, table, row, &buffer);
    enum status status = error_set(STATUS_CHECK_VIOLATION,
                                   "new row for relation \"%s\" violates check constraint \"%s\"",
                                   table->name, check->name);
    if (!buffer.failed)
        error_detail("Failing row contains %s.", (const char *)buffer.data);
    buffer_release(&buffer);
    error_relation(table->namespace_name, table->name, NULL, check->name);
    return status;
}

enum status exec__check_row(struct fiber *f, struct exec_local *local, const struct table *table,
                            const struct plan_check *checks, uint32_t check_count,
                            const struct value *row, struct arena *arena) {
    struct row_input input = {.values = row, .value_count = table->column_count};
    if (check_count > 0) /* without any, whoever writes the row looks */
        TRY(table_check_not_null(table, row));
    for (uint32_t i = 0; i < check_count; i++) {
        struct value value;
        TRY(exec__scalar(f, local, checks[i].condition, &input, arena, &value));
        if (!value.is_null && !value.boolean)
            return check_failed(local->execution, table, &checks[i], row);
    }
    return STATUS_OK;
}

static enum status check_batch(struct fiber *f, struct modify_operator *self,
                               const struct batch *batch) {
    const struct plan_node *node = self->base.node;
    const struct table *table = node->insert.table;
    for (uint32_t c = 0; c < node->insert.check_count; c++) {
        struct vector truth;
        const uint16_t *rows = batch_rows(batch);
        TRY(exec__evaluate(f, self->checks[c], batch, rows, batch->selected_count,
                           &self->base.scratch, &truth));
        for (uint32_t i = 0; i < batch->selected_count; i++) {
            uint32_t at = vector_position(&truth, rows[i]);
            if (!validity_get(truth.validity, at) || ((const uint8_t *)truth.data)[at])
                continue;
            for (uint32_t k = 0; k < table->column_count; k++)
                self->new_row[k] = vector_get(&batch->vectors[k], rows[i]);
            return check_failed(self->base.execution, table, &node->insert.checks[c],
                                self->new_row);
        }
    }
    return STATUS_OK;
}

/* ---- RETURNING --------------------------------------------------------------------------- */

static enum status return_row(struct fiber *f, struct modify_operator *self,
                              struct expression *const *expressions,
                              const struct row_input *input) {
    const struct plan_node *node = self->base.node;
    for (uint32_t i = 0; i < node->column_count; i++)
        TRY(exec__scalar(f, self->base.local, expressions[i], input, &self->row_arena,
                         &self->output[i]));
    TRY(exec__store_append_values(&self->returned, self->output));
    return exec__account(&self->base, self->returned.bytes);
}

static enum status next_returned(struct modify_operator *self, struct batch **batch_out) {
    *batch_out = self->returned_at < self->returned.batch_count
                     ? self->returned.batches[self->returned_at++]
                     : NULL;
    return STATUS_OK;
}

/* ---- INSERT ------------------------------------------------------------------------------ */

/* Some row of the batch breaks NOT NULL or a CHECK. PostgreSQL takes rows one after the other: the
   first row at fault is the error, unless one before it breaks a unique key. */
static enum status insert_until_failure(struct fiber *f, struct modify_operator *self,
                                        const struct batch *batch) {
    const struct plan_node *node = self->base.node;
    const struct table *table = node->insert.table;
    for (uint32_t i = 0; i < batch->selected_count; i++) {
        uint32_t at = batch_row(batch, i);
        for (uint32_t c = 0; c < table->column_count; c++)
            self->new_row[c] = vector_get(&batch->vectors[c], at);
        enum status status = table_check_not_null(table, self->new_row);
        if (status == STATUS_OK)
            status = exec__check_row(f, self->base.local, table, node->insert.checks,
                                     node->insert.check_count, self->new_row, &self->row_arena);
        if (status == STATUS_OK)
            continue;
        error_batch_row(at);
        /* COPY looks for keys that are taken when a whole batch is there. */
        if (i == 0 || self->base.execution->input != NULL)
            return status;
        struct error found = *error_current();
        struct batch before = *batch;
        before.selection = batch_rows(batch);
        before.selected_count = i;
        error_clear();
        TRY(table_insert_batch(f, &self->context, table, &before, NULL));
        *error_current() = found;
        return status;
    }
    return error_set(STATUS_INTERNAL_ERROR, "no row of the batch breaks a constraint");
}

static enum status put_batch(struct fiber *f, struct modify_operator *self,
                             const struct batch *batch) {
    const struct table *table = self->base.node->insert.table;
    if (self->bulk == NULL && table_bulk_pays(table, self->inserted))
        TRY(table_bulk_open(f, &self->context, table, &self->bulk));
    self->inserted += batch->selected_count;
    if (self->bulk != NULL)
        return table_bulk_insert(f, self->bulk, batch);
    return table_insert_batch(f, &self->context, table, batch, NULL);
}

/* The last batch was put. */
static enum status insert_finish(struct fiber *f, struct modify_operator *self) {
    return self->bulk == NULL ? STATUS_OK : table_bulk_finish(f, self->bulk);
}

static enum status insert_batch(struct fiber *f, struct modify_operator *self,
                                struct batch *batch) {
    const struct plan_node *node = self->base.node;
    enum status status = check_batch(f, self, batch);
    if (status == STATUS_OK)
        status = put_batch(f, self, batch);
    if (status == STATUS_CHECK_VIOLATION || status == STATUS_NOT_NULL_VIOLATION) {
        error_clear();
        return insert_until_failure(f, self, batch);
    }
    TRY(status);
    self->base.execution->row_count += batch->selected_count;
    if (node->insert.returning == NULL)
        return STATUS_OK;
    for (uint32_t i = 0; i < node->column_count; i++)
        TRY(exec__evaluate(f, self->returning[i], batch, batch_rows(batch), batch->selected_count,
                           &self->base.scratch, &self->vectors[i]));
    struct batch output = *batch;
    output.vectors = self->vectors;
    output.column_count = node->column_count;
    TRY(exec__store_append(&self->returned, &output));
    return exec__account(&self->base, self->returned.bytes);
}

static enum status update_row(struct fiber *f, struct modify_operator *self,
                              struct row_address address, const struct value *old,
                              const struct assignment *assignments, uint32_t assignment_count,
                              const struct plan_check *checks, uint32_t check_count,
                              const struct row_input *input) {
    const struct table *table = target_of(self->base.node);
    memcpy(self->new_row, old, table->column_count * sizeof *old);
    for (uint32_t i = 0; i < assignment_count; i++) {
        uint32_t column = (uint32_t)assignments[i].column_number - 1;
        struct value *value = &self->new_row[column];
        TRY(exec__scalar(f, self->base.local, assignments[i].value, input, &self->row_arena,
                         value));
        value->type = table->columns[column].type;
    }
    TRY(exec__check_row(f, self->base.local, table, checks, check_count, self->new_row,
                        &self->row_arena));
    TRY(table_update(f, &self->context, table, address, old, self->new_row, NULL));
    self->base.execution->row_count++;
    return STATUS_OK;
}

/* The row that a proposed one conflicts with in the arbiter index, which may have been committed
   after our snapshot. */
static enum status find_conflicting(struct fiber *f, struct modify_operator *self,
                                    const struct value *row, bool *found_out,
                                    struct row_address *address_out) {
    const struct plan_node *node = self->base.node;
    const struct index *arbiter = node->insert.arbiter;
    struct value key[INDEX_COLUMNS_MAX];
    *found_out = false;
    for (uint32_t i = 0; i < arbiter->column_count; i++) {
        key[i] = row[arbiter->columns[i].column_number - 1];
        if (key[i].is_null)
            return STATUS_OK;
    }
    return table_find_unique_newest(f, &self->context, node->insert.table, arbiter, key, found_out,
                                    address_out);
}

static enum status count_inserted(struct fiber *f, struct modify_operator *self,
                                  const struct value *row) {
    const struct plan_node *node = self->base.node;
    struct row_input input = {.values = row, .value_count = target_of(node)->column_count};
    self->base.execution->row_count++;
    return node->insert.returning == NULL ? STATUS_OK
                                          : return_row(f, self, node->insert.returning, &input);
}

/* *gone_out: the row was deleted or got another key while we waited for its lock; the insertion is
   to be tried again. */
static enum status update_conflicting(struct fiber *f, struct modify_operator *self,
                                      const struct value *row, bool *gone_out) {
    const struct plan_node *node = self->base.node;
    const struct table *table = node->insert.table;
    uint32_t columns = table->column_count;
    bool found, wanted = true;
    struct row_address conflicting, address;
    enum row_lock_outcome outcome;
    *gone_out = false;
    TRY(find_conflicting(f, self, row, &found, &conflicting));
    if (!found) { /* another unique key is there, which is a violation; or it just went away */
        TRY(table_insert(f, &self->context, table, row, NULL));
        return count_inserted(f, self, row);
    }
    address = conflicting;
    TRY(table_lock_row(f, &self->context, table, &address, KEY_LOCK_EXCLUSIVE, LOCK_WAIT, &outcome,
                       self->old_row));
    if (outcome == ROW_ALREADY_STAGED) {
        enum status status =
            error_set(STATUS_CARDINALITY_VIOLATION,
                      "ON CONFLICT DO UPDATE command cannot affect row a second time");
        error_hint("Ensure that no rows proposed for insertion within the same command have "
                   "duplicate constrained values.");
        return status;
    }
    /* One that has moved to another partition has another key now. */
    *gone_out =
        outcome == ROW_DELETED || row_address_pack(address) != row_address_pack(conflicting);
    if (*gone_out)
        return STATUS_OK;
    memcpy(self->both, self->old_row, columns * sizeof *row);
    memcpy(self->both + columns, row, columns * sizeof *row);
    struct row_input input = {.values = self->both, .value_count = columns * 2};
    if (node->insert.conflict_where != NULL)
        TRY(exec__scalar_true(f, self->base.local, node->insert.conflict_where, &input,
                              &self->row_arena, &wanted));
    if (!wanted)
        return STATUS_OK;
    TRY(update_row(f, self, address, self->old_row, node->insert.assignments,
                   node->insert.assignment_count, node->insert.checks, node->insert.check_count,
                   &input));
    if (node->insert.returning == NULL)
        return STATUS_OK;
    struct row_input new_row = {.values = self->new_row, .value_count = columns};
    return return_row(f, self, node->insert.returning, &new_row);
}

/* ON CONFLICT: one row at a time. */
static enum status insert_row(struct fiber *f, struct modify_operator *self,
                              const struct value *row) {
    const struct plan_node *node = self->base.node;
    const struct table *table = node->insert.table;
    for (;;) {
        bool inserted, gone;
        TRY(table_insert_if_absent(f, &self->context, table, row, &inserted, NULL));
        if (inserted)
            return count_inserted(f, self, row);
        if (node->insert.conflict != CONFLICT_UPDATE)
            return STATUS_OK;
        TRY(update_conflicting(f, self, row, &gone));
        if (!gone)
            return STATUS_OK;
        TRY(fiber_check(f));
    }
}

static enum status insert_rows(struct fiber *f, struct modify_operator *self, struct batch *batch) {
    const struct plan_node *node = self->base.node;
    const struct table *table = node->insert.table;
    struct value *row = arena_alloc(&self->base.scratch, table->column_count * sizeof *row);
    if (row == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < batch->selected_count; i++) {
        arena_reset(&self->row_arena);
        for (uint32_t c = 0; c < table->column_count; c++) {
            row[c] = vector_get(&batch->vectors[c], batch_row(batch, i));
            row[c].type = table->columns[c].type;
        }
        TRY(exec__check_row(f, self->base.local, table, node->insert.checks,
                            node->insert.check_count, row, &self->row_arena));
        TRY(insert_row(f, self, row));
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

static enum status insert_next(struct fiber *f, struct operator_state *base,
                               struct batch **batch_out) {
    struct modify_operator *self = (struct modify_operator *)base;
    while (!self->worked) {
        struct batch *input;
        TRY(exec__next(f, base->left, &input));
        if (input == NULL)
            break;
        arena_reset(&self->row_arena);
        TRY(base->node->insert.conflict == CONFLICT_ERROR ? insert_batch(f, self, input)
                                                          : insert_rows(f, self, input));
        arena_reset(&base->scratch);
    }
    if (!self->worked && self->base.execution->input == NULL) /* COPY says itself when it ends */
        TRY(insert_finish(f, self));
    self->worked = true;
    return next_returned(self, batch_out);
}

/* ---- UPDATE, DELETE ---------------------------------------------------------------------- */

static enum status modify_one(struct fiber *f, struct modify_operator *self,
                              const struct batch *batch, uint32_t row) {
    const struct plan_node *node = self->base.node;
    const struct table *table = node->modify.table;
    struct value packed = vector_get(&batch->vectors[node->modify.address_column], row);
    if (packed.is_null)
        return STATUS_OK;
    struct row_address address = row_address_unpack(packed.int64);
    enum row_lock_outcome outcome;
    bool wanted = true;
    TRY(table_lock_row(f, &self->context, table, &address, KEY_LOCK_EXCLUSIVE, LOCK_WAIT, &outcome,
                       self->old_row));
    if (outcome != ROW_LOCKED && outcome != ROW_LOCKED_CHANGED)
        return STATUS_OK;
    struct row_input input = {
        .values = self->old_row, .value_count = table->column_count, .batch = batch, .row = row};
    if (outcome == ROW_LOCKED_CHANGED && node->modify.recheck != NULL)
        TRY(exec__scalar_true(f, self->base.local, node->modify.recheck, &input, &self->row_arena,
                              &wanted));
    if (!wanted)
        return STATUS_OK;
    if (node->kind == NODE_DELETE) {
        TRY(table_delete(f, &self->context, table, address, self->old_row));
        self->base.execution->row_count++;
    } else {
        TRY(update_row(f, self, address, self->old_row, node->modify.assignments,
                       node->modify.assignment_count, node->modify.checks, node->modify.check_count,
                       &input));
        input.values = self->new_row;
    }
    return node->modify.returning == NULL ? STATUS_OK
                                          : return_row(f, self, node->modify.returning, &input);
}

static enum status modify_next(struct fiber *f, struct operator_state *base,
                               struct batch **batch_out) {
    struct modify_operator *self = (struct modify_operator *)base;
    while (!self->worked) {
        struct batch *input;
        TRY(exec__next(f, base->left, &input));
        if (input == NULL)
            break;
        for (uint32_t i = 0; i < input->selected_count; i++) {
            arena_reset(&self->row_arena);
            TRY(modify_one(f, self, input, batch_row(input, i)));
            TRY(fiber_check(f));
        }
    }
    self->worked = true;
    return next_returned(self, batch_out);
}

static enum status modify_reset(struct fiber *f, struct operator_state *base) {
    return error_set(STATUS_INTERNAL_ERROR, "a data-modifying node cannot begin again");
}

static void modify_close(struct fiber *f, struct operator_state *base) {
    struct modify_operator *self = (struct modify_operator *)base;
    table_bulk_close(self->bulk);
    arena_release(&self->returned_arena);
    arena_release(&self->row_arena);
}

static enum status modify_open(struct fiber *f, struct execution *execution,
                               const struct plan_node *node,
                               const struct operator_functions *functions,
                               struct operator_state **operator_out) {
    TRY(exec__operator_new(f, execution, node, sizeof(struct modify_operator), functions,
                           operator_out));
    struct modify_operator *self = (struct modify_operator *)*operator_out;
    const struct exec_environment *environment = &execution->environment;
    self->context = (struct table_context){.catalog = environment->catalog,
                                           .store = environment->store,
                                           .transaction = environment->transaction,
                                           .arena = &self->row_arena};
    uint32_t columns = target_of(node)->column_count;
    struct arena *arena = environment->arena;
    self->old_row = arena_alloc_zeroed(arena, (columns + 1) * sizeof(struct value));
    self->new_row = arena_alloc_zeroed(arena, (columns + 1) * sizeof(struct value));
    self->both = arena_alloc_zeroed(arena, (columns * 2 + 1) * sizeof(struct value));
    self->output = arena_alloc_zeroed(arena, (node->column_count + 1) * sizeof(struct value));
    self->vectors = arena_alloc_zeroed(arena, (node->column_count + 1) * sizeof(struct vector));
    if (self->old_row == NULL || self->new_row == NULL || self->both == NULL ||
        self->output == NULL || self->vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    struct type *types;
    TRY(exec__node_types(execution, node, &types));
    exec__store_init(&self->returned, types, node->column_count, &self->returned_arena);
    return STATUS_OK;
}

enum status exec__open_insert(struct fiber *f, struct execution *execution,
                              const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {insert_next, modify_reset, modify_close};
    TRY(modify_open(f, execution, node, &functions, operator_out));
    struct modify_operator *self = (struct modify_operator *)*operator_out;
    struct arena *arena = execution->environment.arena;
    uint32_t checks = node->insert.check_count;
    self->checks = arena_alloc(arena, (checks + 1) * sizeof(struct compiled *));
    self->returning = arena_alloc(arena, (node->column_count + 1) * sizeof(struct compiled *));
    if (self->checks == NULL || self->returning == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < checks; i++)
        TRY(exec__compile(self->base.local, node->insert.checks[i].condition, &self->checks[i]));
    for (uint32_t i = 0; node->insert.returning != NULL && i < node->column_count; i++)
        TRY(exec__compile(self->base.local, node->insert.returning[i], &self->returning[i]));
    return STATUS_OK;
}

enum status exec__open_modify(struct fiber *f, struct execution *execution,
                              const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {modify_next, modify_reset, modify_close};
    return modify_open(f, execution, node, &functions, operator_out);
}

/* ---- LOCK ROWS --------------------------------------------------------------------------- */

struct lock_operator {
    struct operator_state base;
    struct table_context context;
    struct batch batch; /* rows that were locked, copied: they may be refreshed */
    struct value *values;
    struct value **newest; /* per target */
    struct arena row_arena;
};

/* *keep_out false: the row is not for us. */
static enum status lock_one(struct fiber *f, struct lock_operator *self, const struct batch *input,
                            uint32_t row, bool *keep_out) {
    const struct plan_node *node = self->base.node;
    bool changed = false;
    *keep_out = false;
    for (uint32_t c = 0; c < input->column_count; c++)
        self->values[c] = vector_get(&input->vectors[c], row);
    for (uint32_t t = 0; t < node->lock_rows.target_count; t++) {
        const struct lock_target *target = &node->lock_rows.targets[t];
        enum row_lock_outcome outcome;
        struct value packed = self->values[target->address_column];
        if (packed.is_null)
            continue;
        struct row_address address = row_address_unpack(packed.int64);
        TRY(table_lock_row(f, &self->context, target->table, &address, target->mode, target->wait,
                           &outcome, self->newest[t]));
        if (outcome == ROW_DELETED || outcome == ROW_SKIPPED)
            return STATUS_OK;
        if (outcome != ROW_LOCKED_CHANGED)
            continue;
        changed = true;
        for (uint32_t c = 0; c < target->column_count; c++)
            self->values[target->columns[c].column] =
                self->newest[t][target->columns[c].number - 1];
    }
    struct row_input refreshed = {.values = self->values, .value_count = input->column_count};
    *keep_out = true;
    if (changed && node->lock_rows.recheck != NULL)
        TRY(exec__scalar_true(f, self->base.local, node->lock_rows.recheck, &refreshed,
                              &self->row_arena, keep_out));
    return STATUS_OK;
}

static enum status lock_next(struct fiber *f, struct operator_state *base,
                             struct batch **batch_out) {
    struct lock_operator *self = (struct lock_operator *)base;
    *batch_out = NULL;
    for (;;) {
        struct batch *input;
        uint32_t kept = 0;
        TRY(exec__next(f, base->left, &input));
        if (input == NULL)
            return STATUS_OK;
        batch_reset(&self->batch);
        for (uint32_t i = 0; i < input->selected_count; i++) {
            bool keep;
            arena_reset(&self->row_arena);
            TRY(lock_one(f, self, input, batch_row(input, i), &keep));
            if (!keep)
                continue;
            for (uint32_t c = 0; c < base->node->column_count; c++) {
                struct value *value = &self->values[c];
                value->type = self->batch.vectors[c].type;
                if (value->is_null)
                    vector_set_null(&self->batch.vectors[c], kept);
                else
                    vector_set(&self->batch.vectors[c], kept, value, &base->scratch);
            }
            kept++;
        }
        if (kept == 0)
            continue;
        base->execution->row_count += kept;
        batch_set_count(&self->batch, kept);
        *batch_out = &self->batch;
        return STATUS_OK;
    }
}

static enum status lock_reset(struct fiber *f, struct operator_state *base) {
    return exec__reset(f, base->left);
}

static void lock_close(struct fiber *f, struct operator_state *base) {
    arena_release(&((struct lock_operator *)base)->row_arena);
}

enum status exec__open_lock_rows(struct fiber *f, struct execution *execution,
                                 const struct plan_node *node,
                                 struct operator_state **operator_out) {
    static const struct operator_functions functions = {lock_next, lock_reset, lock_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct lock_operator), &functions,
                           operator_out));
    struct lock_operator *self = (struct lock_operator *)*operator_out;
    const struct exec_environment *environment = &execution->environment;
    struct arena *arena = environment->arena;
    self->context = (struct table_context){.catalog = environment->catalog,
                                           .store = environment->store,
                                           .transaction = environment->transaction,
                                           .arena = &self->row_arena};
    uint32_t targets = node->lock_rows.target_count;
    self->values = arena_alloc(arena, (node->left->column_count + 1) * sizeof(struct value));
    self->newest = arena_alloc(arena, (targets + 1) * sizeof(struct value *));
    if (self->values == NULL || self->newest == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t t = 0; t < targets; t++) {
        uint32_t columns = node->lock_rows.targets[t].table->column_count;
        self->newest[t] = arena_alloc(arena, (columns + 1) * sizeof(struct value));
        if (self->newest[t] == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    return exec__node_batch(execution, node, &self->batch);
}

/* ---- COPY -------------------------------------------------------------------------------- */

struct exec_insert {
    struct execution *execution;
};

enum status exec_insert_open(struct fiber *f, const struct exec_environment *environment,
                             const struct plan *plan, struct exec_insert **insert_out) {
    struct exec_insert *insert = ARENA_NEW(environment->arena, struct exec_insert);
    TRY(exec_open(f, environment, plan, &insert->execution));
    if (insert->execution->root == NULL || insert->execution->input == NULL) {
        exec_close(f, insert->execution);
        return error_set(STATUS_INTERNAL_ERROR, "the plan takes no rows from outside");
    }
    *insert_out = insert;
    return STATUS_OK;
}

enum status exec_insert_batch(struct fiber *f, struct exec_insert *insert, struct batch *batch) {
    struct execution *execution = insert->execution;
    struct modify_operator *self = (struct modify_operator *)execution->root;
    struct batch *none;
    if (batch->selected_count == 0)
        return STATUS_OK;
    exec__input_set(execution->input, batch);
    self->worked = false;
    return exec__next(f, execution->root, &none);
}

enum status exec_insert_finish(struct fiber *f, struct exec_insert *insert) {
    return insert_finish(f, (struct modify_operator *)insert->execution->root);
}

uint64_t exec_insert_count(const struct exec_insert *insert) {
    return insert->execution->row_count;
}

void exec_insert_close(struct fiber *f, struct exec_insert *insert) {
    if (insert != NULL)
        exec_close(f, insert->execution);
}
