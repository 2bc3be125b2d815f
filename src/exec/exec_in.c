/* The values of x IN (constants), as a hash table (exec_in.h). */
#include "exec/exec_in.h"

#include <string.h>

enum { FEW_STRINGS = 8 };
struct in_set {
    struct value *values;
    uint64_t *hashes;
    uint32_t count, mask;
    uint32_t *table; /* index + 1 */
    bool has_null;
    struct string strings[FEW_STRINGS];
    bool is_short; /* no NULL, few strings without trailing spaces to ignore, all inline */
};

static bool room(struct in_set *set, uint32_t count, struct arena *arena) {
    uint32_t size = 4;
    while (size < count * 2)
        size *= 2;
    set->mask = size - 1;
    set->values = arena_alloc(arena, (count + 1) * sizeof *set->values);
    set->hashes = arena_alloc(arena, (count + 1) * sizeof *set->hashes);
    set->table = arena_alloc_zeroed(arena, size * sizeof *set->table);
    return set->values != NULL && set->hashes != NULL && set->table != NULL;
}

static void add(struct in_set *set, const struct value *value, struct arena *arena) {
    set->values[set->count] = value_copy(value, arena);
    set->hashes[set->count] = value_hash(value);
    uint32_t at = (uint32_t)set->hashes[set->count] & set->mask;
    while (set->table[at] != 0)
        at = (at + 1) & set->mask;
    set->table[at] = ++set->count;
}

static void note_short_strings(struct in_set *set, struct type left) {
    set->is_short = !set->has_null && set->count <= FEW_STRINGS &&
                    (left.id == TYPE_TEXT || left.id == TYPE_VARCHAR);
    for (uint32_t i = 0; i < set->count; i++)
        set->is_short = set->is_short && set->values[i].string.size <= STRING_INLINE_SIZE;
    for (uint32_t i = 0; i < set->count && set->is_short; i++)
        set->strings[i] = string_of(set->values[i].string.data, set->values[i].string.size);
}

enum status exec__in_set_make(struct fiber *f, struct exec_local *local,
                              const struct expression *expression, struct in_set **set_out) {
    struct arena *arena = local->arena;
    struct in_set *set = ARENA_NEW(arena, struct in_set);
    if (set == NULL || !room(set, expression->argument_count - 1, arena))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 1; i < expression->argument_count; i++) {
        struct value value;
        TRY(exec__scalar(f, local, expression->arguments[i], NULL, arena, &value));
        set->has_null |= value.is_null;
        if (!value.is_null)
            add(set, &value, arena);
    }
    note_short_strings(set, expression->arguments[0]->type);
    *set_out = set;
    return STATUS_OK;
}

static bool has(const struct in_set *set, uint64_t hash, const struct value *value) {
    for (uint32_t at = (uint32_t)hash & set->mask; set->table[at] != 0; at = (at + 1) & set->mask) {
        uint32_t i = set->table[at] - 1;
        if (set->hashes[i] == hash && exec__value_order(value, &set->values[i]) == 0)
            return true;
    }
    return false;
}

static void find_short(const struct in_set *set, const struct vector *left, const uint16_t *rows,
                       uint32_t count, bool negated, uint8_t *data) {
    struct vector_view view = vector_view(left);
    const struct string *strings = view.data;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = view.indices[rows[i]];
        bool found = false;
        for (uint32_t s = 0; s < set->count && view_valid(&view, at); s++)
            found |= memcmp(&strings[at], &set->strings[s], sizeof *strings) == 0;
        data[rows[i]] = found != negated;
    }
}

void exec__in_set_find(const struct in_set *set, const struct vector *left, const uint16_t *rows,
                       uint32_t count, bool negated, struct vector *result) {
    uint8_t *data = result->data;
    uint64_t hashes[VECTOR_SIZE];
    if (set->is_short) {
        find_short(set, left, rows, count, negated, data);
        return;
    }
    vector_hash(left, rows, count, false, hashes);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        if (vector_is_null(left, row))
            continue;
        struct value value = vector_get(left, row);
        bool found = has(set, hashes[i], &value);
        if (!found && set->has_null)
            vector_set_null(result, row);
        data[row] = found != negated;
    }
}
