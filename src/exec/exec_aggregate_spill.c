/*
 * AGGREGATE with more groups than it may hold.
 *
 * Where accumulators can be combined, a full table is written, group by group, to runs by bits of
 * the hash, and begins again empty; at the end the rest is written, too. Each run then holds all of
 * its groups, some of them several times: a part, which is input for a table of its own
 * (exec_aggregate_parts.c). A group is written as its tuple, whose words are mostly small, and then
 * the bytes of its strings:
 *
 *     u16 size of what follows | for two words of the tuple each: u4 size, u4 size, bytes, bytes
 *
 * Otherwise, once the table is full, rows of groups that are not in it go to runs. When the table
 * has been handed out, the parts are aggregated. A part's table may be full again, too.
 */
#include <string.h>

#include "base/base_bytes.h"
#include "exec/exec_aggregate.h"

/* All rows of a part have these bits in common, so they must be others than those that choose a
   slot in its table (exec_group.h: the lowest), or a few of the slots would hold all. */
enum { PART_SHIFT = 28 };

static uint32_t part_of(uint64_t hash, uint32_t level) {
    return (uint32_t)(hash >> (PART_SHIFT + AGGREGATE_PART_BITS * level)) & (AGGREGATE_PARTS - 1);
}

void exec__aggregate_begin_runs(struct aggregate_operator *self) {
    const struct plan_node *node = self->base.node;
    uint32_t image_size = self->shared->spill.image_size;
    if (self->spill.store != NULL)
        return;
    exec__spill_init(&self->spill, self->base.execution, self->combines ? NULL : self->input_types,
                     self->combines ? 0 : node->left->column_count, AGGREGATE_PARTS);
    if (self->shared != self) /* its runs and ours are read alike */
        self->spill.image_size = image_size;
}

/* ---- rows -------------------------------------------------------------------------------- */

enum status exec__aggregate_put_aside(struct fiber *f, struct aggregate_operator *self,
                                      const struct batch *input, const uint16_t *rows,
                                      const uint64_t *hashes, uint32_t count) {
    uint16_t chosen[VECTOR_SIZE], begin[AGGREGATE_PARTS + 1] = {0}, at[AGGREGATE_PARTS];
    struct batch wanted = *input;
    if (count == 0)
        return STATUS_OK;
    /* Columns that nobody reads are not worth their bytes. */
    wanted.vectors =
        arena_alloc(&self->base.scratch, (input->column_count + 1) * sizeof *wanted.vectors);
    if (wanted.vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t c = 0; c < input->column_count; c++) {
        struct value null = value_null(self->input_types[c]);
        wanted.vectors[c] = input->vectors[c];
        if (!self->input_wanted[c])
            vector_init_constant(&wanted.vectors[c], &null, &self->base.scratch);
    }
    for (uint32_t i = 0; i < count; i++)
        begin[part_of(hashes[i], self->level) + 1]++;
    for (uint32_t p = 0; p < AGGREGATE_PARTS; p++) {
        begin[p + 1] = (uint16_t)(begin[p + 1] + begin[p]);
        at[p] = begin[p];
    }
    for (uint32_t i = 0; i < count; i++)
        chosen[at[part_of(hashes[i], self->level)]++] = rows[i];
    for (uint32_t p = 0; p < AGGREGATE_PARTS; p++)
        TRY(exec__spill_append(f, &self->spill, &self->runs[p], &wanted, chosen + begin[p],
                               (uint32_t)(begin[p + 1] - begin[p])));
    return STATUS_OK;
}

/* ---- groups ------------------------------------------------------------------------------ */

static struct string *string_at(uint8_t *tuple, uint32_t place) {
    return (struct string *)(void *)(tuple + place);
}

/* Words of a tuple at a time; more begin anew with a size of their own. */
enum { WORDS_MAX = 128, PACKED_MAX = WORDS_MAX * 8 + WORDS_MAX / 2 };

static inline uint32_t bytes_of(uint64_t word) {
    return word == 0 ? 0 : 8 - (uint32_t)__builtin_clzll(word) / 8;
}

/* An even number of words. Returns the end; up to 8 bytes behind it are written, too. */
static uint8_t *pack(const uint8_t *words, uint32_t count, uint8_t *to) {
    for (uint32_t i = 0; i < count; i += 2) {
        uint64_t a = get_le64(words + (size_t)i * 8), b = get_le64(words + (size_t)i * 8 + 8);
        uint32_t a_size = bytes_of(a), b_size = bytes_of(b);
        *to++ = (uint8_t)(a_size | b_size << 4);
        put_le64(to, a);
        to += a_size;
        put_le64(to, b);
        to += b_size;
    }
    return to;
}

/* Reads up to 8 bytes behind the end. */
static void unpack(const uint8_t *from, uint32_t count, uint8_t *words) {
    static const uint64_t masks[] = {0,          0xFF,         0xFFFF,         0xFFFFFF,
                                     0xFFFFFFFF, 0xFFFFFFFFFF, 0xFFFFFFFFFFFF, 0xFFFFFFFFFFFFFF,
                                     UINT64_MAX};
    for (uint32_t i = 0; i < count; i += 2) {
        uint32_t a_size = *from & 15, b_size = *from >> 4;
        put_le64(words + (size_t)i * 8, get_le64(from + 1) & masks[a_size]);
        put_le64(words + (size_t)i * 8 + 8, get_le64(from + 1 + a_size) & masks[b_size]);
        from += 1 + a_size + b_size;
    }
}

static enum status put_tuple(struct fiber *f, struct aggregate_operator *self,
                             struct spill_run *run, uint8_t *tuple) {
    uint8_t packed[2 + PACKED_MAX + 8];
    group_tuple(tuple)->number = 0; /* nobody wants to know any more */
    group_tuple(tuple)->mark = group_tuple(tuple)->local = 0;
    for (uint32_t at = 0; at < self->layout.size; at += WORDS_MAX * 8) {
        uint32_t left = (self->layout.size - at) / 8;
        uint8_t *end = pack(tuple + at, left < WORDS_MAX ? left : WORDS_MAX, packed + 2);
        put_le16(packed, (uint16_t)(end - packed - 2));
        TRY(exec__spill_put(f, &self->spill, run, packed, (size_t)(end - packed)));
    }
    return STATUS_OK;
}

static enum status get_tuple(struct fiber *f, struct aggregate_operator *self,
                             struct spill_reader *reader, uint8_t *tuple) {
    uint8_t packed[PACKED_MAX + 8];
    for (uint32_t at = 0; at < self->layout.size; at += WORDS_MAX * 8) {
        uint32_t left = (self->layout.size - at) / 8;
        uint8_t size[2];
        TRY(exec__spill_get(f, reader, size, sizeof size));
        ASSERT(get_le16(size) <= PACKED_MAX);
        TRY(exec__spill_get(f, reader, packed, get_le16(size)));
        unpack(packed, left < WORDS_MAX ? left : WORDS_MAX, tuple + at);
    }
    return STATUS_OK;
}

static enum status put_group(struct fiber *f, struct aggregate_operator *self, uint8_t *tuple) {
    struct spill_run *run = &self->runs[part_of(group_tuple(tuple)->hash, self->level)];
    ASSERT(!group_tuple(tuple)->merged);
    TRY(put_tuple(f, self, run, tuple));
    for (uint32_t i = 0; i < self->string_count; i++) {
        const struct string *string = string_at(tuple, self->strings[i]);
        if (string->size > STRING_INLINE_SIZE)
            TRY(exec__spill_put(f, &self->spill, run, string->pointer, string->size));
    }
    run->rows++;
    return STATUS_OK;
}

static enum status put_table(struct fiber *f, struct aggregate_operator *self,
                             const struct tuple_store *store) {
    for (struct tuple_chunk *chunk = store->first; chunk != NULL; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->count; i++) {
            TRY(put_group(f, self, tuple_at(store, chunk, i)));
            if (i % 256 == 255)
                TRY(fiber_check(f));
        }
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

static enum status put_groups(struct fiber *f, struct aggregate_operator *self) {
    self->spilled = true;
    TRY(put_table(f, self, &self->table.tuples));
    for (uint32_t i = 0; i < self->other_count; i++)
        TRY(put_table(f, self, &self->others[i].tuples));
    return STATUS_OK;
}

/* A table that fits into a core's own cache. */
enum { SMALL_TABLE_BYTES = 512 << 10, SMALL_TABLE_GROUPS_MIN = 2 * VECTOR_SIZE };

static uint64_t small_table(const struct aggregate_operator *self) {
    uint64_t groups = SMALL_TABLE_BYTES / (self->layout.size + 2 * sizeof *self->table.slots);
    return groups > SMALL_TABLE_GROUPS_MIN ? groups : SMALL_TABLE_GROUPS_MIN;
}

/* Rows of one group often come close to each other, or so far apart that no table has both: then a
   small table, which is much faster, brings together as many as a large one. It is tried after each
   large one, and left when it brings together fewer than two thirds. */
enum status exec__aggregate_put_aside_groups(struct fiber *f, struct aggregate_operator *self,
                                             bool over) {
    bool was_small = self->groups_max > 0;
    uint64_t count = self->table.count;
    double reduction = (double)self->rows_taken / (double)(count + 1);
    TRY(put_groups(f, self));
    if (!was_small)
        self->reduction = reduction;
    self->groups_max = was_small && reduction * 3 < self->reduction * 2 ? 0 : small_table(self);
    if (over || self->string_count > 0 || self->groups_max == 0) {
        exec__aggregate_drop(f, self);
        return exec__groups_reserve(
            f, &self->table,
            self->groups_max > 0 && self->groups_max < count ? self->groups_max : count);
    }
    self->rows_taken = 0;
    return exec__groups_clear(f, &self->table);
}

enum { GROUPS_AT_ONCE = 256 };

/* Long strings of a tuple, from the run. */
static enum status get_strings(struct fiber *f, struct aggregate_operator *self,
                               struct spill_reader *reader, uint8_t *tuple) {
    for (uint32_t i = 0; i < self->string_count; i++) {
        struct string *string = string_at(tuple, self->strings[i]);
        if (string->size <= STRING_INLINE_SIZE)
            continue;
        uint8_t *bytes = arena_alloc_aligned(&self->base.scratch, string->size, 1);
        if (bytes == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        TRY(exec__spill_get(f, reader, bytes, string->size));
        string->pointer = bytes;
    }
    return STATUS_OK;
}

static enum status take_group(struct fiber *f, struct aggregate_operator *self,
                              const uint8_t *tuple) {
    struct arena *arena = &self->table.arena;
    uint8_t *group;
    bool made;
    TRY(exec__groups_copy(f, &self->table, tuple, &group, &made));
    if (!made)
        return exec__aggregate_combine(f, self, group, tuple, arena);
    for (uint32_t i = 0; i < self->string_count; i++) {
        struct string *string = string_at(group, self->strings[i]);
        if (string->size > STRING_INLINE_SIZE)
            *string = string_copy(*string, arena);
    }
    return STATUS_OK;
}

enum status exec__aggregate_take_groups(struct fiber *f, struct aggregate_operator *self,
                                        struct spill_reader *reader) {
    uint32_t size = self->layout.size;
    while (reader->rows_left > 0) {
        uint32_t count = reader->rows_left < GROUPS_AT_ONCE ? (uint32_t)reader->rows_left
                                                            : (uint32_t)GROUPS_AT_ONCE;
        arena_reset(&self->base.scratch);
        uint8_t *tuples = arena_alloc(&self->base.scratch, (size_t)count * size);
        if (tuples == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        for (uint32_t i = 0; i < count; i++) {
            uint8_t *tuple = tuples + (size_t)i * size;
            TRY(get_tuple(f, self, reader, tuple));
            TRY(get_strings(f, self, reader, tuple));
            exec__groups_prefetch(&self->table, tuple);
        }
        reader->rows_left -= count;
        self->rows_taken += count;
        for (uint32_t i = 0; i < count; i++)
            exec__groups_prefetch_group(&self->table, tuples + (size_t)i * size);
        for (uint32_t i = 0; i < count; i++)
            TRY(take_group(f, self, tuples + (size_t)i * size));
        TRY(arena_status(&self->table.arena));
        TRY(exec__aggregate_look_at_memory(f, self));
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

/* ---- both -------------------------------------------------------------------------------- */

enum status exec__aggregate_end_runs(struct fiber *f, struct aggregate_operator *self) {
    if (self->spilled) {
        TRY(put_groups(f, self));
        exec__aggregate_drop(f, self);
        exec__return_lent(&self->base);
    }
    for (uint32_t p = 0; p < AGGREGATE_PARTS && (self->full || self->spilled); p++)
        TRY(exec__spill_end(f, &self->spill, &self->runs[p]));
    exec__count_spilled(&self->base, self->spill.bytes_written);
    self->spill.bytes_written = 0;
    return STATUS_OK;
}

void exec__aggregate_release_runs(struct fiber *f, struct aggregate_operator *self) {
    for (uint32_t p = 0; p < AGGREGATE_PARTS; p++)
        exec__spill_release(f, &self->spill, &self->runs[p]);
}
