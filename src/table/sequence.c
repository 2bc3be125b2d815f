/*
 * Sequences: numbers that are given out once, whatever happens to who took them.
 *
 * The tree holds, for each sequence, a number that was not passed yet (table_format.h); memory
 * holds the numbers in between. When they run out, a transaction of its own moves the tree's number
 * ahead and is durable before the first of them is given out. A sequence that is used up quickly
 * moves ahead in larger steps.
 *
 * Everything here runs inside partition 0, so between suspensions it is alone.
 */
#include "table/catalog_private.h"

#include "base/base_chance.h"
#include "base/base_memory.h"

enum {
    STEP_MIN = 32,
    STEP_MAX = 8192,
    FAST_NS = 50 * 1000 * 1000, /* used up within this: the next step is larger */
};

struct sequence_entry {
    struct sequence_entry *next;
    uint32_t state_id;
    bool loaded;
    struct sequence_state state; /* what was given out last */
    uint64_t left;               /* numbers behind it that the tree allows */
    uint32_t step;
    int64_t reserved_at_ns;
    struct fiber_mutex mutex; /* held while the tree is changed or read */
};

/* ---- the tree ------------------------------------------------------------------------- */

struct own_transaction {
    struct transaction *transaction;
    uint8_t key[SEQUENCE_KEY_SIZE];
};

static enum status begin(struct fiber *f, struct catalog *catalog, uint32_t state_id,
                         struct own_transaction *own) {
    put_be32(own->key, state_id);
    struct transaction_options options = {.isolation = ISOLATION_READ_COMMITTED};
    TRY(transaction_begin(f, catalog->store, &options, &own->transaction));
    enum status status =
        transaction_statement_begin(f, own->transaction, (struct commit_number){0});
    if (status != STATUS_OK)
        transaction_rollback(f, own->transaction);
    return status;
}

static enum status state_load(struct fiber *f, struct catalog *catalog, struct partition *partition,
                              const struct sequence *sequence, struct sequence_entry *entry) {
    struct own_transaction own;
    TRY(begin(f, catalog, entry->state_id, &own));
    struct arena arena = {0};
    struct slice value;
    bool found;
    enum status status =
        txn_get_newest(f, own.transaction, partition, (struct tree_id){TREE_SEQUENCE_STATE},
                       slice_of(own.key, sizeof own.key), &arena, &found, &value);
    if (status == STATUS_OK && found)
        status = sequence_state_decode(value, &entry->state);
    else if (status == STATUS_OK)
        entry->state = (struct sequence_state){.last = sequence->start, .is_called = false};
    entry->loaded = status == STATUS_OK;
    arena_release(&arena);
    transaction_rollback(f, own.transaction);
    return status;
}

static enum status state_store(struct fiber *f, struct catalog *catalog,
                               struct partition *partition, uint32_t state_id,
                               struct sequence_state state) {
    struct own_transaction own;
    TRY(begin(f, catalog, state_id, &own));
    uint8_t value[SEQUENCE_STATE_SIZE];
    sequence_state_encode(state, value);
    enum status status = txn_put(
        f, own.transaction, partition, (struct tree_id){TREE_SEQUENCE_STATE},
        slice_of(own.key, sizeof own.key), slice_of(value, sizeof value), TXN_PUT_VERSIONED);
    if (status == STATUS_OK)
        status = transaction_statement_end(f, own.transaction);
    if (status != STATUS_OK) {
        transaction_rollback(f, own.transaction);
        return status;
    }
    struct commit_number number;
    return transaction_commit(f, own.transaction, true, &number);
}

/* ---- numbers -------------------------------------------------------------------------- */

static struct sequence_entry *entry_find(struct catalog *catalog, uint32_t state_id) {
    struct sequence_entry **bucket = &catalog->sequences[state_id % SEQUENCE_BUCKETS];
    for (struct sequence_entry *entry = *bucket; entry != NULL; entry = entry->next) {
        if (entry->state_id == state_id)
            return entry;
    }
    struct sequence_entry *entry = memory_alloc_zeroed(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->state_id = state_id;
    entry->step = STEP_MIN;
    entry->next = *bucket;
    *bucket = entry;
    return entry;
}

/* The number after the last one; false at the end of a sequence that does not cycle. */
static bool number_after(const struct sequence *sequence, const struct sequence_state *state,
                         int64_t *number_out) {
    if (!state->is_called) {
        *number_out = state->last;
        return true;
    }
    int64_t number;
    bool overflow = __builtin_add_overflow(state->last, sequence->increment, &number);
    if (!overflow && number <= sequence->maximum && number >= sequence->minimum) {
        *number_out = number;
        return true;
    }
    *number_out = sequence->increment > 0 ? sequence->minimum : sequence->maximum;
    return sequence->cycle;
}

static enum status at_end(const struct sequence *sequence) {
    bool up = sequence->increment > 0;
    return error_set(STATUS_SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
                     "nextval: reached %s value of sequence \"%s\" (%lld)",
                     up ? "maximum" : "minimum", sequence->name,
                     (long long)(up ? sequence->maximum : sequence->minimum));
}

/* How many more numbers follow `number` before the end, at most `wanted`. */
static uint64_t numbers_behind(const struct sequence *sequence, int64_t number, uint64_t wanted) {
    bool up = sequence->increment > 0;
    uint64_t distance = up ? (uint64_t)sequence->maximum - (uint64_t)number
                           : (uint64_t)number - (uint64_t)sequence->minimum;
    uint64_t stride = up ? (uint64_t)sequence->increment : 0 - (uint64_t)sequence->increment;
    ASSERT(stride != 0);
    uint64_t count = distance / stride;
    return count < wanted ? count : wanted;
}

/* Move the tree's number ahead; then *number is given out and entry->left more may follow. */
static enum status reserve(struct fiber *f, struct catalog *catalog, struct partition *partition,
                           const struct sequence *sequence, struct sequence_entry *entry,
                           int64_t *number_out) {
    int64_t number;
    if (!number_after(sequence, &entry->state, &number))
        return at_end(sequence);
    int64_t now = clock_monotonic_ns();
    if (entry->reserved_at_ns != 0 && now - entry->reserved_at_ns < FAST_NS)
        entry->step = entry->step < STEP_MAX ? entry->step * 2 : STEP_MAX;
    else
        entry->step = STEP_MIN;
    if (by_chance("table: a sequence reserves one number"))
        entry->step = 1;
    uint64_t behind = numbers_behind(sequence, number, entry->step - 1);
    struct sequence_state ahead = {
        .last = (int64_t)((uint64_t)number + behind * (uint64_t)sequence->increment),
        .is_called = true,
    };
    TRY(state_store(f, catalog, partition, entry->state_id, ahead));
    entry->reserved_at_ns = now;
    entry->state = (struct sequence_state){.last = number, .is_called = true};
    entry->left = behind;
    *number_out = number;
    return STATUS_OK;
}

static enum status next(struct fiber *f, struct catalog *catalog, struct partition *partition,
                        const struct sequence *sequence, struct sequence_entry *entry,
                        int64_t *number_out) {
    if (entry->left > 0) { /* nobody can come between: no suspension */
        entry->left--;
        entry->state.last = (int64_t)((uint64_t)entry->state.last + (uint64_t)sequence->increment);
        *number_out = entry->state.last;
        return STATUS_OK;
    }
    TRY(fiber_mutex_lock(f, &entry->mutex));
    enum status status = STATUS_OK;
    if (!entry->loaded)
        status = state_load(f, catalog, partition, sequence, entry);
    if (status == STATUS_OK && entry->left > 0) { /* somebody reserved while we waited */
        fiber_mutex_unlock(f, &entry->mutex);
        return next(f, catalog, partition, sequence, entry, number_out);
    }
    if (status == STATUS_OK)
        status = reserve(f, catalog, partition, sequence, entry, number_out);
    fiber_mutex_unlock(f, &entry->mutex);
    return status;
}

/* ---- calls ---------------------------------------------------------------------------- */

struct sequence_call {
    struct catalog *catalog;
    const struct sequence *sequence;
    uint32_t count; /* consecutive numbers to take */
    int64_t value, left;
    bool is_called;
};

static enum status next_here(struct fiber *f, struct partition *partition, void *argument) {
    struct sequence_call *call = argument;
    struct sequence_entry *entry = entry_find(call->catalog, call->sequence->state_id);
    if (entry == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint32_t taken = 0;
    while (taken < call->count) {
        int64_t number = 0;
        TRY(next(f, call->catalog, partition, call->sequence, entry, &number));
        /* A run that another fiber cut into begins anew. */
        taken = taken > 0 && number == call->value + taken ? taken + 1 : 1;
        if (taken == 1)
            call->value = number;
    }
    return STATUS_OK;
}

static enum status set_here(struct fiber *f, struct partition *partition, void *argument) {
    struct sequence_call *call = argument;
    struct sequence_entry *entry = entry_find(call->catalog, call->sequence->state_id);
    if (entry == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    struct sequence_state state = {.last = call->value, .is_called = call->is_called};
    TRY(fiber_mutex_lock(f, &entry->mutex));
    enum status status = state_store(f, call->catalog, partition, entry->state_id, state);
    if (status == STATUS_OK) {
        entry->state = state;
        entry->left = 0;
        entry->loaded = true;
    }
    fiber_mutex_unlock(f, &entry->mutex);
    return status;
}

static enum status get_here(struct fiber *f, struct partition *partition, void *argument) {
    struct sequence_call *call = argument;
    struct sequence_entry *entry = entry_find(call->catalog, call->sequence->state_id);
    if (entry == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    enum status status = STATUS_OK;
    if (!entry->loaded) {
        TRY(fiber_mutex_lock(f, &entry->mutex));
        if (!entry->loaded)
            status = state_load(f, call->catalog, partition, call->sequence, entry);
        fiber_mutex_unlock(f, &entry->mutex);
    }
    call->value = entry->state.last;
    call->left = (int64_t)entry->left;
    call->is_called = entry->state.is_called;
    return status;
}

enum status sequence_next(struct fiber *f, struct catalog *catalog, const struct sequence *sequence,
                          int64_t *value_out) {
    struct sequence_call call = {.catalog = catalog, .sequence = sequence, .count = 1};
    TRY(partition_call(f, catalog->store, PARTITION_CATALOG, next_here, &call));
    *value_out = call.value;
    return STATUS_OK;
}

enum status sequence_set(struct fiber *f, struct catalog *catalog, const struct sequence *sequence,
                         int64_t value, bool is_called) {
    if (value < sequence->minimum || value > sequence->maximum)
        return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE,
                         "setval: value %lld is out of bounds for sequence \"%s\" (%lld..%lld)",
                         (long long)value, sequence->name, (long long)sequence->minimum,
                         (long long)sequence->maximum);
    struct sequence_call call = {
        .catalog = catalog, .sequence = sequence, .value = value, .is_called = is_called};
    return partition_call(f, catalog->store, PARTITION_CATALOG, set_here, &call);
}

enum status sequence_state(struct fiber *f, struct catalog *catalog,
                           const struct sequence *sequence, int64_t *last_value_out,
                           int64_t *left_out, bool *is_called_out) {
    struct sequence_call call = {.catalog = catalog, .sequence = sequence};
    TRY(partition_call(f, catalog->store, PARTITION_CATALOG, get_here, &call));
    *last_value_out = call.value;
    *left_out = call.left;
    *is_called_out = call.is_called;
    return STATUS_OK;
}

/* ---- oids ----------------------------------------------------------------------------- */

static const struct sequence oid_counter = {
    .name = "oid counter",
    .start = OID_FIRST_USER,
    .increment = 1,
    .minimum = OID_FIRST_USER,
    .maximum = UINT32_MAX - 1,
};

/* Large values of system tables are in trees whose numbers lie among those that are given out. */
static bool system_has_one_of(uint32_t first, uint32_t count) {
    for (size_t i = 0; i < system_table_count; i++)
        if (system_tables[i].oid + SYSTEM_LARGE_TREE - first < count) /* wraps below the first */
            return true;
    return false;
}

enum status catalog__take_oids(struct fiber *f, struct catalog *catalog, uint32_t count,
                               uint32_t *first_out) {
    do {
        struct sequence_call call = {.catalog = catalog, .sequence = &oid_counter, .count = count};
        TRY(partition_call(f, catalog->store, PARTITION_CATALOG, next_here, &call));
        *first_out = (uint32_t)call.value;
    } while (system_has_one_of(*first_out, count));
    return STATUS_OK;
}

enum status catalog__pass_oid(struct fiber *f, struct catalog *catalog, uint32_t oid) {
    uint32_t next;
    TRY(catalog__take_oids(f, catalog, 1, &next));
    return next > oid ? STATUS_OK : sequence_set(f, catalog, &oid_counter, oid, true);
}

/* ---- the end -------------------------------------------------------------------------- */

static enum status write_here(struct fiber *f, struct partition *partition, void *argument) {
    struct catalog *catalog = argument;
    for (unsigned i = 0; i < SEQUENCE_BUCKETS; i++) {
        struct sequence_entry *entry = catalog->sequences[i];
        for (; entry != NULL; entry = entry->next) {
            if (entry->left > 0)
                TRY(state_store(f, catalog, partition, entry->state_id, entry->state));
            entry->left = 0;
        }
    }
    return STATUS_OK;
}

void catalog__sequences_write(struct fiber *f, struct catalog *catalog) {
    /* Failure only means that numbers are skipped. */
    if (partition_call(f, catalog->store, PARTITION_CATALOG, write_here, catalog) != STATUS_OK)
        error_clear();
}

void catalog__sequences_free(struct catalog *catalog) {
    for (unsigned i = 0; i < SEQUENCE_BUCKETS; i++) {
        while (catalog->sequences[i] != NULL) {
            struct sequence_entry *entry = catalog->sequences[i];
            catalog->sequences[i] = entry->next;
            memory_free(entry);
        }
    }
}
