/* Rows side by side: layout, columns in and out, comparison, hashes. */
#include "exec/exec_tuple.h"

#include <stdatomic.h>
#include <string.h>

#include "base/base_hash.h"

enum { CHUNK_SIZE_MIN = 4 << 10, CHUNK_SIZE_MAX = 1 << 20, ALIGNMENT = 16 };

/* ---- layout ------------------------------------------------------------------------------ */

enum status exec__tuple_layout(struct tuple_layout *layout, const struct type *types,
                               uint32_t column_count, uint32_t header, uint32_t trailer,
                               uint32_t *trailer_out, struct arena *arena) {
    *layout = (struct tuple_layout){.column_count = column_count};
    layout->columns = arena_alloc_zeroed(arena, (column_count + 1) * sizeof *layout->columns);
    if (layout->columns == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint32_t at = header;
    for (uint32_t c = 0; c < column_count; c++) {
        layout->columns[c].type = types[c];
        layout->columns[c].physical = (uint8_t)type_physical(types[c]);
        layout->columns[c].null_offset = at++;
    }
    for (uint32_t wanted = 32; wanted > 0; wanted /= 2) {
        if (wanted <= ALIGNMENT)
            at = (at + wanted - 1) / wanted * wanted;
        else
            at = (at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        for (uint32_t c = 0; c < column_count; c++)
            if (physical_size((enum physical)layout->columns[c].physical) == wanted) {
                layout->columns[c].offset = at;
                at += wanted;
            }
    }
    at = (at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (trailer_out != NULL)
        *trailer_out = at;
    layout->size = (at + trailer + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return STATUS_OK;
}

void exec__tuples_init(struct tuple_store *store, const struct tuple_layout *layout,
                       struct arena *arena) {
    *store = (struct tuple_store){.layout = layout, .arena = arena};
}

void exec__tuples_clear(struct tuple_store *store) {
    for (struct tuple_chunk *chunk = store->first; chunk != NULL; chunk = chunk->next)
        chunk->count = 0;
    store->last = store->first;
    store->count = 0;
}

static enum status add_chunk(struct tuple_store *store) {
    if (store->last != NULL && store->last->next != NULL) { /* of before it was cleared */
        store->last = store->last->next;
        return STATUS_OK;
    }
    size_t bytes = store->last == NULL ? CHUNK_SIZE_MIN
                                       : (size_t)store->last->capacity * store->layout->size * 2;
    if (bytes > CHUNK_SIZE_MAX)
        bytes = CHUNK_SIZE_MAX;
    if (bytes < store->layout->size)
        bytes = store->layout->size;
    uint32_t capacity = (uint32_t)(bytes / store->layout->size);
    struct tuple_chunk *chunk = arena_alloc_aligned(
        store->arena, sizeof *chunk + (size_t)capacity * store->layout->size, 64);
    if (chunk == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    chunk->next = NULL;
    chunk->count = 0;
    chunk->capacity = capacity;
    if (store->last == NULL)
        store->first = chunk;
    else
        store->last->next = chunk;
    store->last = chunk;
    return STATUS_OK;
}

enum status exec__tuples_add(struct tuple_store *store, uint32_t count, uint8_t **tuples) {
    uint32_t size = store->layout->size;
    for (uint32_t done = 0; done < count;) {
        if (store->last == NULL || store->last->count == store->last->capacity)
            TRY(add_chunk(store));
        struct tuple_chunk *chunk = store->last;
        uint32_t room = chunk->capacity - chunk->count, part = count - done;
        if (part > room)
            part = room;
        uint8_t *at = tuple_at(store, chunk, chunk->count);
        memset(at, 0, (size_t)part * size);
        for (uint32_t i = 0; i < part; i++, at += size)
            tuples[done + i] = at;
        chunk->count += part;
        done += part;
    }
    store->count += count;
    return arena_status(store->arena);
}

enum status exec__tuple_feed_make(struct tuple_feed *feed, const struct tuple_store *const *stores,
                                  uint32_t count, struct arena *arena) {
    uint64_t pieces = 0;
    for (uint32_t s = 0; s < count; s++)
        for (const struct tuple_chunk *chunk = stores[s]->first; chunk != NULL; chunk = chunk->next)
            pieces += (chunk->count + VECTOR_SIZE - 1) / VECTOR_SIZE;
    *feed = (struct tuple_feed){.pieces = arena_alloc(arena, pieces * sizeof *feed->pieces + 1)};
    if (feed->pieces == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t s = 0; s < count; s++)
        for (const struct tuple_chunk *chunk = stores[s]->first; chunk != NULL; chunk = chunk->next)
            for (uint32_t from = 0; from < chunk->count; from += VECTOR_SIZE) {
                uint32_t left = chunk->count - from;
                feed->pieces[feed->count++] = (struct tuple_piece){
                    stores[s], chunk, from, from + (left < VECTOR_SIZE ? left : VECTOR_SIZE)};
            }
    return STATUS_OK;
}

const struct tuple_piece *exec__tuple_feed_take(struct tuple_feed *feed) {
    uint64_t at = atomic_fetch_add_explicit(&feed->taken, 1, memory_order_relaxed);
    return at < feed->count ? &feed->pieces[at] : NULL;
}

/* ---- columns in and out ------------------------------------------------------------------ */

/* Where a column's value lies. Offsets are multiples of the size: chunks are aligned to 64 and
   tuples to 16. */
#define PLACE(type, tuple) (*(type *)(void *)((tuple) + column->offset))

#define SCATTER(type)                                                                              \
    do {                                                                                           \
        const type *data = view.data;                                                              \
        for (uint32_t i = 0; i < count; i++)                                                       \
            PLACE(type, tuples[i]) = data[view.indices[rows[i]]];                                  \
    } while (0)

void exec__tuple_scatter(const struct tuple_column *column, const struct vector *vector,
                         const uint16_t *rows, uint32_t count, uint8_t *const *tuples,
                         struct arena *arena) {
    struct vector_view view = vector_view(vector);
    ASSERT(vector->physical == column->physical);
    if (view.validity != NULL)
        for (uint32_t i = 0; i < count; i++)
            tuples[i][column->null_offset] = !view_valid(&view, view.indices[rows[i]]);
    switch ((enum physical)column->physical) {
    case PHYSICAL_BOOL:
        SCATTER(uint8_t);
        break;
    case PHYSICAL_INT16:
        SCATTER(int16_t);
        break;
    case PHYSICAL_INT32:
    case PHYSICAL_FLOAT32:
        SCATTER(int32_t);
        break;
    case PHYSICAL_INT64:
    case PHYSICAL_FLOAT64:
        SCATTER(int64_t);
        break;
    case PHYSICAL_STRING: {
        const struct string *data = view.data;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t at = view.indices[rows[i]];
            struct string string = {0};
            if (view_valid(&view, at))
                string =
                    data[at].size <= STRING_INLINE_SIZE ? data[at] : string_copy(data[at], arena);
            PLACE(struct string, tuples[i]) = string;
        }
        break;
    }
    case PHYSICAL_NUMERIC:
        SCATTER(struct numeric);
        break;
    default: /* int128, interval, uuid */
        SCATTER(int128_t);
    }
}

#define GATHER(type)                                                                               \
    do {                                                                                           \
        type *data = target->data;                                                                 \
        for (uint32_t i = 0; i < count; i++)                                                       \
            data[rows[i]] = PLACE(const type, tuples[i]);                                          \
    } while (0)

static void gather_all(const struct tuple_column *column, uint8_t *const *tuples,
                       const uint16_t *rows, uint32_t count, struct vector *target) {
    switch ((enum physical)column->physical) {
    case PHYSICAL_BOOL:
        GATHER(uint8_t);
        break;
    case PHYSICAL_INT16:
        GATHER(int16_t);
        break;
    case PHYSICAL_INT32:
    case PHYSICAL_FLOAT32:
        GATHER(int32_t);
        break;
    case PHYSICAL_INT64:
    case PHYSICAL_FLOAT64:
        GATHER(int64_t);
        break;
    case PHYSICAL_STRING:
        GATHER(struct string);
        break;
    case PHYSICAL_NUMERIC:
        GATHER(struct numeric);
        break;
    default:
        GATHER(int128_t);
    }
}

static bool any_null(const struct tuple_column *column, uint8_t *const *tuples, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (tuples[i] == NULL || tuples[i][column->null_offset])
            return true;
    }
    return false;
}

void exec__tuple_gather(const struct tuple_column *column, uint8_t *const *tuples,
                        const uint16_t *rows, uint32_t count, struct vector *target) {
    size_t size = physical_size((enum physical)column->physical);
    if (!any_null(column, tuples, count)) {
        gather_all(column, tuples, rows, count, target);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *to = (uint8_t *)target->data + rows[i] * size;
        if (tuples[i] == NULL)
            memset(to, 0, size);
        else
            memcpy(to, tuples[i] + column->offset, size);
        if (tuples[i] == NULL || tuples[i][column->null_offset])
            vector_set_null(target, rows[i]);
    }
}

/* ---- comparison -------------------------------------------------------------------------- */

#define MATCH(equal)                                                                               \
    do {                                                                                           \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint16_t position = at[i];                                                             \
            const uint8_t *tuple = tuples[position];                                               \
            uint32_t place = view.indices[rows[position]];                                         \
            bool same;                                                                             \
            if (__builtin_expect(tuple[column->null_offset] || !view_valid(&view, place), 0))      \
                same = nulls_equal && tuple[column->null_offset] && !view_valid(&view, place);     \
            else                                                                                   \
                same = (equal);                                                                    \
            at[kept] = position;                                                                   \
            kept += same;                                                                          \
            differs[differing] = position;                                                         \
            differing += !same;                                                                    \
        }                                                                                          \
    } while (0)
#define SAME(type) (((const type *)view.data)[place] == PLACE(const type, tuple))

static bool same_value(const struct tuple_column *column, const struct vector_view *view,
                       uint32_t place, const uint8_t *tuple) {
    size_t size = physical_size((enum physical)column->physical);
    struct value a = value_from_physical(column->type, (const uint8_t *)view->data + place * size);
    struct value b = value_from_physical(column->type, tuple + column->offset);
    return value_compare(&a, &b) == 0;
}

uint32_t exec__tuple_match(const struct tuple_column *column, const struct vector *vector,
                           bool nulls_equal, const uint16_t *rows, uint8_t *const *tuples,
                           uint16_t *at, uint32_t count, uint16_t *differs,
                           uint32_t *differ_count) {
    struct vector_view view = vector_view(vector);
    uint32_t kept = 0, differing = *differ_count;
    switch ((enum physical)column->physical) {
    case PHYSICAL_BOOL:
        MATCH(SAME(uint8_t));
        break;
    case PHYSICAL_INT16:
        MATCH(SAME(int16_t));
        break;
    case PHYSICAL_INT32:
        MATCH(SAME(int32_t));
        break;
    case PHYSICAL_INT64:
        MATCH(SAME(int64_t));
        break;
    case PHYSICAL_STRING: /* the same bytes are equal in every type */
        MATCH(string_equal(&((const struct string *)view.data)[place],
                           &PLACE(const struct string, tuple)) ||
              (column->type.id == TYPE_BPCHAR && same_value(column, &view, place, tuple)));
        break;
    default:
        MATCH(same_value(column, &view, place, tuple));
    }
    *differ_count = differing;
    return kept;
}

bool exec__tuple_equal(const struct tuple_column *column, const uint8_t *a, const uint8_t *b) {
    if (a[column->null_offset] || b[column->null_offset])
        return a[column->null_offset] && b[column->null_offset];
    if (column->physical == PHYSICAL_INT32)
        return PLACE(const int32_t, a) == PLACE(const int32_t, b);
    if (column->physical == PHYSICAL_INT64)
        return PLACE(const int64_t, a) == PLACE(const int64_t, b);
    if (column->physical == PHYSICAL_STRING &&
        string_equal(&PLACE(const struct string, a), &PLACE(const struct string, b)))
        return true;
    size_t size = physical_size((enum physical)column->physical);
    if (memcmp(a + column->offset, b + column->offset, size) == 0)
        return true;
    if (column->physical <= PHYSICAL_INT128)
        return false;
    struct value x = value_from_physical(column->type, a + column->offset);
    struct value y = value_from_physical(column->type, b + column->offset);
    return value_compare(&x, &y) == 0;
}

/* ---- hashes ------------------------------------------------------------------------------ */

static inline struct string trimmed(const struct string *string) {
    const uint8_t *data = string_data(string);
    uint32_t size = string->size;
    while (size > 0 && data[size - 1] == ' ')
        size--;
    return string_of(data, size);
}

static inline uint64_t hash_string(const struct string *string) {
    if (string->size > STRING_INLINE_SIZE)
        return hash_bytes(string->pointer, string->size);
    uint64_t words[2];
    memcpy(words, string, sizeof words);
    return exec__mix(words[0], words[1]);
}

static inline uint64_t hash_padded(const struct string *string) {
    const uint8_t *data = string_data(string);
    if (string->size == 0 || data[string->size - 1] != ' ')
        return hash_string(string);
    struct string cut = trimmed(string);
    return hash_string(&cut);
}

enum { HASH_OF_NULL = 77 };

#define HASH_LOOP(hash_of_at)                                                                      \
    do {                                                                                           \
        if (vector->validity == NULL && first)                                                     \
            for (uint32_t i = 0; i < count; i++) {                                                 \
                uint32_t at = view.indices[rows[i]];                                               \
                hashes[i] = (hash_of_at);                                                          \
            }                                                                                      \
        else                                                                                       \
            for (uint32_t i = 0; i < count; i++) {                                                 \
                uint32_t at = view.indices[rows[i]];                                               \
                uint64_t one = view_valid(&view, at) ? (hash_of_at) : HASH_OF_NULL;                \
                hashes[i] = first ? one : exec__mix(hashes[i], one);                               \
            }                                                                                      \
    } while (0)

void exec__hash_column(const struct vector *vector, const uint16_t *rows, uint32_t count,
                       bool first, uint64_t *hashes) {
    struct vector_view view = vector_view(vector);
    const struct string *strings = view.data;
    const struct type_info *info;
    switch ((enum physical)vector->physical) {
    case PHYSICAL_INT16:
        HASH_LOOP(exec__mix((uint64_t)((const int16_t *)view.data)[at], 1));
        return;
    case PHYSICAL_INT32:
        HASH_LOOP(exec__mix((uint64_t)((const int32_t *)view.data)[at], 1));
        return;
    case PHYSICAL_INT64:
        HASH_LOOP(exec__mix((uint64_t)((const int64_t *)view.data)[at], 1));
        return;
    case PHYSICAL_STRING:
        if (vector->type.id == TYPE_BPCHAR) {
            HASH_LOOP(hash_padded(&strings[at]));
            return;
        }
        info = type_info(vector->type.id);
        if (info == NULL || vector->type.id == TYPE_RECORD ||
            (info->element_id != 0 && vector->type.id != TYPE_NAME))
            break; /* arrays, records: bytes that differ may be equal values */
        HASH_LOOP(hash_string(&strings[at]));
        return;
    default:
        break;
    }
    vector_hash(vector, rows, count, !first, hashes);
    if (first) /* its low bits alone are not spread over the whole word */
        for (uint32_t i = 0; i < count; i++)
            hashes[i] = exec__mix(hashes[i], 1);
}
