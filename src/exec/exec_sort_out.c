/*
 * Rows in memory are sorted and handed out: pieces of the parts' entries, sorted by all cores, then
 * stretches of them, merged and made into batches by all cores, some at a time.
 *
 * A stretch ends at the least of the keys that lie `step` entries further in each piece, so it has
 * at least that many rows of the piece that this key is from, and at most that many of each.
 */
#include <stdatomic.h>
#include <string.h>

#include "exec/exec_parallel.h"
#include "exec/exec_sort.h"

enum {
    STRETCH_BATCHES = 2,
    STRETCH_ROWS = STRETCH_BATCHES * VECTOR_SIZE,
    STRETCHES_PER_CORE = 4,
    PIECES_MAX = 2 * RUNTIME_CORES_MAX + 1,
};

/* Entries sorted by one core. */
struct sort_piece {
    struct sort_entry *entries, *spare;
    uint64_t count, at; /* at: the first that is in no stretch yet */
    uint32_t base;      /* number of its part's first row */
};

/* Some of a piece's entries. */
struct sort_run {
    const struct sort_entry *entries;
    uint32_t count, base;
};

/* Rows that follow each other, made by one core. */
struct sort_stretch {
    struct sort_run *runs; /* in at most as many pieces */
    uint32_t run_count;
    const struct sort_entry *entries; /* merged */
    uint32_t count;
    struct sort_entry *buffers[2]; /* STRETCH_ROWS each */
    struct arena arena;
    struct batch batches[STRETCH_BATCHES];
};

struct sort_out {
    struct sorter *sorter;
    unsigned cores;         /* 1: we alone */
    struct batch **batches; /* of all parts */
    struct sort_piece *pieces;
    uint32_t piece_count;
    struct sort_stretch *stretches;
    uint32_t stretch_max, stretch_count; /* in one round */
    _Atomic uint32_t taken;              /* pieces or stretches that a core has */
    _Atomic uint32_t skipped;            /* bytes that begin all keys */
    _Atomic bool long_keys;              /* that a prefix does not hold */
    uint32_t stretch_at, row_at;         /* handed out up to here */
    struct sort_entry last;              /* the last row handed out */
    bool has_last;
};

/* ---- cores ----------------------------------------------------------------------------------- */

/* Run `work` on as many cores as there are things to take. */
static enum status run_by_many(struct fiber *f, struct sort_out *out, fiber_function work,
                               uint32_t count) {
    unsigned cores = count < out->cores ? count : out->cores;
    void *arguments[RUNTIME_CORES_MAX];
    atomic_store(&out->taken, 0);
    if (cores <= 1)
        return work(f, out);
    for (unsigned c = 0; c < RUNTIME_CORES_MAX; c++)
        arguments[c] = out;
    return core_call_all(f, UINT64_MAX >> (64 - cores), work, arguments);
}

static enum status sort_pieces(struct fiber *f, void *argument) {
    struct sort_out *out = argument;
    uint32_t i;
    while ((i = atomic_fetch_add(&out->taken, 1)) < out->piece_count) {
        struct sort_piece *piece = &out->pieces[i];
        TRY(sort__entries(f, piece->entries, piece->spare, piece->count, &piece->entries));
    }
    return STATUS_OK;
}

/* ---- what all keys begin with ------------------------------------------------------------------
 */

/* Bytes that begin all keys say nothing: without them the prefixes of entries say more, and fewer
   keys are looked at. One core's pieces tell ... */
static enum status compare_prefixes(struct fiber *f, void *argument) {
    struct sort_out *out = argument;
    const uint64_t first = out->pieces[0].entries[0].prefix;
    uint64_t differing = 0;
    uint32_t size_min = UINT32_MAX, size_max = 0, i;
    while ((i = atomic_fetch_add(&out->taken, 1)) < out->piece_count) {
        const struct sort_piece *piece = &out->pieces[i];
        for (uint64_t e = 0; e < piece->count; e++) {
            const struct sort_entry *entry = &piece->entries[e];
            differing |= entry->prefix ^ first;
            size_min = entry->key_size < size_min ? entry->key_size : size_min;
            size_max = entry->key_size > size_max ? entry->key_size : size_max;
            if (e % 4096 == 4095)
                TRY(fiber_check(f));
        }
    }
    uint32_t same = differing == 0 ? 8 : (uint32_t)__builtin_clzll(differing) / 8;
    same = size_min < same ? size_min : same;
    uint32_t before = atomic_load(&out->skipped);
    while (same < before && !atomic_compare_exchange_weak(&out->skipped, &before, same))
        ;
    if (size_max > sizeof first)
        atomic_store(&out->long_keys, true);
    return STATUS_OK;
}

/* ... and cut them off. */
static enum status cut_prefixes(struct fiber *f, void *argument) {
    struct sort_out *out = argument;
    uint32_t skipped = atomic_load(&out->skipped), i;
    while ((i = atomic_fetch_add(&out->taken, 1)) < out->piece_count) {
        const struct sort_piece *piece = &out->pieces[i];
        for (uint64_t e = 0; e < piece->count; e++) {
            struct sort_entry *entry = &piece->entries[e];
            sort_entry_make(entry, entry->key + skipped, entry->key_size - skipped, entry->row);
            if (e % 4096 == 4095)
                TRY(fiber_check(f));
        }
    }
    return STATUS_OK;
}

static enum status skip_what_is_common(struct fiber *f, struct sort_out *out) {
    for (bool again = out->piece_count > 0; again;) {
        atomic_store(&out->skipped, 8);
        atomic_store(&out->long_keys, false);
        TRY(run_by_many(f, out, compare_prefixes, out->piece_count));
        uint32_t skipped = atomic_load(&out->skipped);
        if (skipped == 0 || !atomic_load(&out->long_keys))
            break;
        TRY(run_by_many(f, out, cut_prefixes, out->piece_count));
        again = skipped == 8;
    }
    return STATUS_OK;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* As many pieces of a part as it has cores' shares of all rows. */
static enum status cut_part(struct sort_out *out, struct sort_part *part, uint64_t total,
                            uint32_t base) {
    uint64_t count = part->entries.count;
    if (count == 0)
        return STATUS_OK;
    struct sort_entry *spare = arena_alloc(&part->keys_arena, count * sizeof *spare);
    if (spare == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint64_t pieces = (count * out->cores + total / 2) / total;
    pieces = pieces == 0 ? 1 : pieces;
    for (uint64_t i = 0; i < pieces; i++) {
        uint64_t begin = count * i / pieces, end = count * (i + 1) / pieces;
        ASSERT(out->piece_count < PIECES_MAX);
        out->pieces[out->piece_count++] =
            (struct sort_piece){.entries = part->entries.entries + begin,
                                .spare = spare + begin,
                                .count = end - begin,
                                .base = base};
    }
    return STATUS_OK;
}

/* The rows of all parts are numbered, and their entries cut into pieces. */
static enum status cut_parts(struct sort_out *out, uint64_t total) {
    struct sorter *sorter = out->sorter;
    uint64_t batches = 0;
    for (uint32_t i = 0; i <= sorter->other_count; i++)
        batches += sort__part(sorter, i)->rows.batch_count;
    ASSERT(batches <= UINT32_MAX / VECTOR_SIZE);
    out->batches = arena_alloc(&sorter->out_arena, (batches + 1) * sizeof(struct batch *));
    if (out->batches == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    batches = 0;
    for (uint32_t i = 0; i <= sorter->other_count; i++) {
        struct sort_part *part = sort__part(sorter, i);
        if (part->rows.batch_count > 0)
            memcpy(out->batches + batches, part->rows.batches,
                   part->rows.batch_count * sizeof(struct batch *));
        TRY(cut_part(out, part, total, (uint32_t)batches * VECTOR_SIZE));
        batches += part->rows.batch_count;
    }
    return STATUS_OK;
}

/* ---- stretches ------------------------------------------------------------------------------- */

/* How many are made in a round: batches that wait take no more than a quarter of what a statement
   may hold. */
static uint32_t stretches_at_once(const struct sort_out *out, uint64_t total) {
    const struct sorter *sorter = out->sorter;
    uint64_t bytes = 2 * sizeof(struct sort_entry), wanted = total / (STRETCH_ROWS / 2) + 1;
    for (uint32_t c = 0; c < sorter->column_count; c++)
        bytes += physical_size(type_physical(sorter->types[c]));
    uint64_t fit = sorter->execution->environment.memory_max / 4 / (bytes * STRETCH_ROWS);
    uint64_t count = out->cores == 1 ? 1 : (uint64_t)out->cores * STRETCHES_PER_CORE;
    count = wanted < count ? wanted : count;
    count = fit < count ? fit : count;
    return count == 0 ? 1 : (uint32_t)count;
}

static enum status make_stretches(struct sort_out *out, uint64_t total) {
    struct arena *arena = &out->sorter->out_arena;
    out->stretch_max = stretches_at_once(out, total);
    out->stretches = arena_alloc_zeroed(arena, out->stretch_max * sizeof *out->stretches);
    if (out->stretches == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < out->stretch_max; i++)
        out->stretches[i].runs = ARENA_ARRAY(arena, struct sort_run, out->piece_count + 1);
    return arena_status(arena);
}

/* The first of entries[from..to) that does not come before `bound`. */
static uint64_t lower_bound(const struct sort_entry *entries, uint64_t from, uint64_t to,
                            const struct sort_entry *bound) {
    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        if (sort_entry_comes_first(&entries[middle], bound))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The end of a piece's next `step` entries. */
static uint64_t ahead(const struct sort_piece *piece, uint64_t step) {
    return piece->count - piece->at < step ? piece->count : piece->at + step;
}

/* The next rows of all pieces; no runs: there are none. */
static void plan_stretch(struct sort_out *out, struct sort_stretch *stretch) {
    const struct sort_piece *owner = NULL;
    const struct sort_entry *bound = NULL;
    uint32_t unfinished = 0;
    for (uint32_t i = 0; i < out->piece_count; i++)
        unfinished += out->pieces[i].at < out->pieces[i].count;
    uint64_t step = unfinished == 0 ? 0 : STRETCH_ROWS / unfinished;
    for (uint32_t i = 0; i < out->piece_count; i++) {
        const struct sort_piece *piece = &out->pieces[i];
        if (piece->at == piece->count)
            continue;
        const struct sort_entry *last = &piece->entries[ahead(piece, step) - 1];
        if (bound == NULL || sort_entry_comes_first(last, bound)) {
            bound = last;
            owner = piece;
        }
    }
    stretch->run_count = stretch->count = 0;
    for (uint32_t i = 0; i < out->piece_count; i++) {
        struct sort_piece *piece = &out->pieces[i];
        uint64_t end = ahead(piece, step);
        if (piece != owner)
            end = lower_bound(piece->entries, piece->at, end, bound);
        if (end == piece->at)
            continue;
        stretch->runs[stretch->run_count++] =
            (struct sort_run){piece->entries + piece->at, (uint32_t)(end - piece->at), piece->base};
        stretch->count += (uint32_t)(end - piece->at);
        piece->at = end;
    }
    ASSERT(stretch->count <= STRETCH_ROWS);
}

/* Both to to[]; rows are numbered from 0 then. */
static struct sort_run merge_two(const struct sort_run *a, const struct sort_run *b,
                                 struct sort_entry *to) {
    uint32_t i = 0, j = 0, count = a->count + b->count;
    for (uint32_t at = 0; at < count; at++) {
        bool second = i == a->count ||
                      (j < b->count && sort_entry_comes_first(&b->entries[j], &a->entries[i]));
        to[at] = second ? b->entries[j] : a->entries[i];
        to[at].row += second ? b->base : a->base;
        j += second;
        i += !second;
    }
    return (struct sort_run){to, count, 0};
}

/* Two and two, until one is left. */
static enum status merge_stretch(struct fiber *f, struct sort_stretch *stretch) {
    struct sort_run *runs = stretch->runs;
    uint32_t count = stretch->run_count;
    for (unsigned pass = 0; count > 1 || runs[0].base > 0; pass++) {
        struct sort_entry *to = stretch->buffers[pass % 2];
        uint32_t merged = 0;
        for (uint32_t i = 0; i < count; i += 2) {
            const struct sort_run none = {0};
            const struct sort_run *next = i + 1 < count ? &runs[i + 1] : &none;
            runs[merged] = merge_two(&runs[i], next, to);
            to += runs[merged++].count;
        }
        count = merged;
        TRY(fiber_check(f));
    }
    stretch->entries = runs[0].entries;
    return STATUS_OK;
}

static enum status init_stretch(const struct sort_out *out, struct sort_stretch *stretch) {
    const struct sorter *sorter = out->sorter;
    for (unsigned i = 0; i < 2 && out->piece_count > 1; i++) {
        stretch->buffers[i] =
            arena_alloc(&stretch->arena, STRETCH_ROWS * sizeof(struct sort_entry));
        if (stretch->buffers[i] == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    for (unsigned b = 0; b < STRETCH_BATCHES; b++)
        batch_init(&stretch->batches[b], sorter->types, sorter->column_count, &stretch->arena);
    return arena_status(&stretch->arena);
}

static enum status fill_stretch(struct fiber *f, const struct sort_out *out,
                                struct sort_stretch *stretch) {
    if (stretch->arena.size_total == 0)
        TRY(init_stretch(out, stretch));
    TRY(merge_stretch(f, stretch));
    for (uint32_t at = 0; at < stretch->count; at += VECTOR_SIZE) {
        uint32_t left = stretch->count - at;
        TRY(sort__gather(f, out->batches, stretch->entries + at,
                         left < VECTOR_SIZE ? left : VECTOR_SIZE, out->sorter->column_count,
                         &stretch->batches[at / VECTOR_SIZE]));
    }
    return STATUS_OK;
}

static enum status fill_stretches(struct fiber *f, void *argument) {
    struct sort_out *out = argument;
    uint32_t i;
    while ((i = atomic_fetch_add(&out->taken, 1)) < out->stretch_count)
        TRY(fill_stretch(f, out, &out->stretches[i]));
    return STATUS_OK;
}

static enum status next_round(struct fiber *f, struct sort_out *out) {
    out->stretch_at = out->stretch_count = out->row_at = 0;
    while (out->stretch_count < out->stretch_max) {
        plan_stretch(out, &out->stretches[out->stretch_count]);
        if (out->stretches[out->stretch_count].count == 0)
            break;
        out->stretch_count++;
    }
    return run_by_many(f, out, fill_stretches, out->stretch_count);
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define GATHER(type)                                                                               \
    do {                                                                                           \
        type *data = target->data;                                                                 \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t row = entries[i].row % VECTOR_SIZE;                                           \
            const struct vector *source = &batches[entries[i].row / VECTOR_SIZE]->vectors[column]; \
            data[i] = ((const type *)source->data)[row];                                           \
            nulls |= source->validity != NULL && !validity_get(source->validity, row);             \
        }                                                                                          \
    } while (0)

static void gather_column(struct batch *const *batches, const struct sort_entry *entries,
                          uint32_t count, uint32_t column, struct vector *target) {
    bool nulls = false;
    switch (physical_size((enum physical)target->physical)) {
    case sizeof(uint8_t):
        GATHER(uint8_t);
        break;
    case sizeof(uint16_t):
        GATHER(uint16_t);
        break;
    case sizeof(uint32_t):
        GATHER(uint32_t);
        break;
    case sizeof(uint64_t):
        GATHER(uint64_t);
        break;
    case sizeof(int128_t):
        GATHER(int128_t);
        break;
    default:
        ASSERT(target->physical == PHYSICAL_NUMERIC);
        GATHER(struct numeric);
    }
    for (uint32_t i = 0; i < count && nulls; i++) {
        const struct batch *source = batches[entries[i].row / VECTOR_SIZE];
        if (vector_is_null(&source->vectors[column], entries[i].row % VECTOR_SIZE))
            vector_set_null(target, i);
    }
}

enum status sort__gather(struct fiber *f, struct batch *const *batches,
                         const struct sort_entry *entries, uint32_t count, uint32_t column_count,
                         struct batch *target) {
    batch_reset(target);
    for (uint32_t c = 0; c < column_count; c++) {
        gather_column(batches, entries, count, c, &target->vectors[c]);
        if (c % 4 == 3)
            TRY(fiber_check(f));
    }
    batch_set_count(target, count);
    return fiber_check(f);
}

/* ---- handing out ----------------------------------------------------------------------------- */

/* Do cores take part? */
static unsigned cores_that_pay(struct fiber *f, const struct sorter *sorter, uint64_t rows) {
    return sorter->execution->is_worker || rows < exec__rows_that_pay / 4
               ? 1
               : runtime_core_count(fiber_runtime(f));
}

enum status sort__out_begin(struct fiber *f, struct sorter *sorter) {
    struct arena *arena = &sorter->out_arena;
    uint64_t total = 0;
    struct sort_out *out = sorter->in_memory = ARENA_NEW(arena, struct sort_out);
    if (out == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i <= sorter->other_count; i++)
        total += sort__part(sorter, i)->entries.count;
    out->sorter = sorter;
    out->cores = cores_that_pay(f, sorter, total);
    out->pieces = ARENA_ARRAY(arena, struct sort_piece, PIECES_MAX);
    TRY(arena_status(arena));
    TRY(cut_parts(out, total));
    TRY(make_stretches(out, total));
    TRY(skip_what_is_common(f, out));
    return run_by_many(f, out, sort_pieces, out->piece_count);
}

static bool same_key(const struct sort_entry *a, const struct sort_entry *b) {
    return a->key_size == b->key_size && memcmp(a->key, b->key, a->key_size) == 0;
}

static void mark_repeats(struct sort_out *out, const struct sort_entry *entries, uint32_t count,
                         uint8_t *repeats) {
    for (uint32_t i = 0; i < count; i++) {
        const struct sort_entry *before = i > 0 ? &entries[i - 1] : &out->last;
        repeats[i] = (i > 0 || out->has_last) && same_key(&entries[i], before);
    }
    out->last = entries[count - 1]; /* its key stays */
    out->has_last = true;
}

enum status sort__out_next(struct fiber *f, struct sorter *sorter, struct batch **batch_out,
                           bool with_repeats) {
    struct sort_out *out = sorter->in_memory;
    while (out->stretch_at < out->stretch_count &&
           out->row_at >= out->stretches[out->stretch_at].count) {
        out->stretch_at++;
        out->row_at = 0;
    }
    if (out->stretch_at == out->stretch_count)
        TRY(next_round(f, out));
    if (out->stretch_count == 0)
        return STATUS_OK;
    struct sort_stretch *stretch = &out->stretches[out->stretch_at];
    struct batch *batch = &stretch->batches[out->row_at / VECTOR_SIZE];
    if (with_repeats)
        mark_repeats(out, stretch->entries + out->row_at, batch->row_count, sorter->repeats);
    out->row_at += VECTOR_SIZE;
    *batch_out = batch;
    return STATUS_OK;
}

void sort__out_release(struct sorter *sorter) {
    struct sort_out *out = sorter->in_memory;
    for (uint32_t i = 0; out != NULL && out->stretches != NULL && i < out->stretch_max; i++)
        arena_release(&out->stretches[i].arena);
    sorter->in_memory = NULL;
}
