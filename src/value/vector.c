#include "base/base_hash.h"
#include "value/parts.h"
#include "value/value_datetime.h"
#include "value/value_numeric.h"
#include "value/value_vector.h"

#define TEN(n) n + 0, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
#define EIGHTY(n)                                                                                  \
    TEN(n), TEN(n + 8), TEN(n + 16), TEN(n + 24), TEN(n + 32), TEN(n + 40), TEN(n + 48), TEN(n + 56)
#define BLOCK(n)                                                                                   \
    EIGHTY(n), EIGHTY(n + 64), EIGHTY(n + 128), EIGHTY(n + 192), EIGHTY(n + 256), EIGHTY(n + 320), \
        EIGHTY(n + 384), EIGHTY(n + 448)
const uint16_t vector_identity[VECTOR_SIZE] = {BLOCK(0), BLOCK(512), BLOCK(1024), BLOCK(1536)};
#undef TEN
#undef EIGHTY
#undef BLOCK
const uint16_t vector_zeros[VECTOR_SIZE];

void vector_init(struct vector *vector, struct type type, struct arena *arena) {
    enum physical physical = type_physical(type);
    size_t size = physical_size(physical) * VECTOR_SIZE;
    *vector = (struct vector){
        .type = type,
        .physical = (uint8_t)physical,
        .kind = VECTOR_FLAT,
        .own_data = arena_alloc_aligned(arena, size, 64),
        .own_validity = arena_alloc_aligned(arena, VALIDITY_WORDS * sizeof(uint64_t), 64),
    };
    vector->data = vector->own_data;
}
_Static_assert(sizeof(struct numeric) * VECTOR_SIZE <= ARENA_SMALL_SIZE_MAX,
               "a vector is a small request");

void vector_reset(struct vector *vector) {
    ASSERT(vector->own_data != NULL);
    vector->kind = VECTOR_FLAT;
    vector->data = vector->own_data;
    vector->validity = NULL;
    vector->indices = NULL;
}

void vector_init_constant(struct vector *vector, const struct value *value, struct arena *arena) {
    enum physical physical = type_physical(value->type);
    struct value copy = value_copy(value, arena);
    *vector = (struct vector){
        .type = value->type,
        .physical = (uint8_t)physical,
        .kind = VECTOR_CONSTANT,
        .own_data = arena_alloc_zeroed(arena, physical_size(physical)),
        .own_validity = arena_alloc_zeroed(arena, sizeof(uint64_t)),
    };
    vector->data = vector->own_data;
    if (copy.is_null)
        vector->validity = vector->own_validity; /* bit 0 clear */
    else
        value_to_physical(&copy, vector->data);
}

uint64_t *vector_validity_begin(struct vector *vector) {
    ASSERT(vector->own_validity != NULL);
    size_t words = vector->kind == VECTOR_CONSTANT ? 1 : VALIDITY_WORDS;
    memset(vector->own_validity, 0xFF, words * sizeof(uint64_t));
    vector->validity = vector->own_validity;
    return vector->own_validity;
}

void vector_set_null(struct vector *vector, uint32_t row) {
    if (vector->validity == NULL)
        vector_validity_begin(vector);
    DEBUG_ASSERT(vector->validity == vector->own_validity);
    validity_clear(vector->validity, vector->kind == VECTOR_CONSTANT ? 0 : row);
    /* Kernels may read what lies under a null; strings must not point anywhere. */
    size_t size = physical_size(vector->physical);
    memset((uint8_t *)vector->data + size * (vector->kind == VECTOR_CONSTANT ? 0 : row), 0, size);
}

struct value vector_get(const struct vector *vector, uint32_t row) {
    uint32_t at = vector_position(vector, row);
    if (!validity_get(vector->validity, at))
        return value_null(vector->type);
    return value_from_physical(vector->type,
                               (uint8_t *)vector->data + physical_size(vector->physical) * at);
}

void vector_set(struct vector *vector, uint32_t row, const struct value *value,
                struct arena *arena) {
    ASSERT(vector->kind == VECTOR_FLAT && vector->data == vector->own_data && row < VECTOR_SIZE);
    if (value->is_null) {
        vector_set_null(vector, row);
        return;
    }
    if (vector->validity != NULL)
        validity_set(vector->validity, row);
    if (vector->physical == PHYSICAL_STRING) {
        struct string string = string_of(value->string.data, value->string.size);
        if (arena != NULL)
            string = string_copy(string, arena);
        ((struct string *)vector->data)[row] = string;
        return;
    }
    DEBUG_ASSERT(type_physical(value->type) == vector->physical);
    size_t size = physical_size(vector->physical);
    memcpy((uint8_t *)vector->data + size * row, &value->boolean, size);
}

void vector_slice(struct vector *sliced, const struct vector *source, const uint16_t *selection,
                  uint32_t count, struct arena *arena) {
    *sliced = *source;
    sliced->own_data = NULL;
    sliced->own_validity = NULL;
    if (source->kind == VECTOR_CONSTANT)
        return;
    sliced->kind = VECTOR_DICTIONARY;
    if (source->kind == VECTOR_FLAT) {
        sliced->indices = selection;
        sliced->dictionary_count = VECTOR_SIZE;
        return;
    }
    uint16_t *indices = arena_alloc_aligned(arena, sizeof(uint16_t) * (count + 1), 16);
    for (uint32_t i = 0; i < count; i++)
        indices[i] = source->indices[selection[i]];
    sliced->indices = indices;
}

#define GATHER(form)                                                                               \
    do {                                                                                           \
        form *to = (form *)target->data + target_row;                                              \
        const form *from = view.data;                                                              \
        if (source->kind == VECTOR_FLAT && selection == NULL) {                                    \
            memcpy(to, from, count * sizeof(form));                                                \
        } else {                                                                                   \
            for (uint32_t i = 0; i < count; i++)                                                   \
                to[i] = from[view.indices[rows[i]]];                                               \
        }                                                                                          \
    } while (0)

void vector_copy(struct vector *target, uint32_t target_row, const struct vector *source,
                 const uint16_t *selection, uint32_t count, struct arena *arena) {
    ASSERT(target->kind == VECTOR_FLAT && target->physical == source->physical);
    ASSERT(target_row + count <= VECTOR_SIZE);
    struct vector_view view = vector_view(source);
    const uint16_t *rows = selection == NULL ? vector_identity : selection;
    switch (physical_size(source->physical)) {
    case 1:
        GATHER(uint8_t);
        break;
    case 2:
        GATHER(uint16_t);
        break;
    case 4:
        GATHER(uint32_t);
        break;
    case 8:
        GATHER(uint64_t);
        break;
    case 16:
        GATHER(uint128_t);
        break;
    default:
        GATHER(struct numeric);
        break;
    }
    if (view.validity != NULL) {
        for (uint32_t i = 0; i < count; i++) {
            if (!view_valid(&view, view.indices[rows[i]]))
                vector_set_null(target, target_row + i);
            else if (target->validity != NULL)
                validity_set(target->validity, target_row + i);
        }
    } else if (target->validity != NULL) {
        for (uint32_t i = 0; i < count; i++)
            validity_set(target->validity, target_row + i);
    }
    if (source->physical == PHYSICAL_STRING && arena != NULL) {
        struct string *strings = (struct string *)target->data + target_row;
        for (uint32_t i = 0; i < count; i++)
            if (strings[i].size > STRING_INLINE_SIZE)
                strings[i] = string_copy(strings[i], arena);
    }
}

void vector_flatten(struct vector *vector, uint32_t count, struct arena *arena) {
    if (vector->kind == VECTOR_FLAT)
        return;
    struct vector flat;
    vector_init(&flat, vector->type, arena);
    vector_copy(&flat, 0, vector, NULL, count, NULL);
    *vector = flat;
}

#define HASH_LOOP(form, expression)                                                                \
    do {                                                                                           \
        const form *data = view.data;                                                              \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t at = view.indices[rows[i]];                                                   \
            const form datum = data[at];                                                           \
            uint64_t hash = view_valid(&view, at) ? (expression) : HASH_OF_NULL;                   \
            hashes[i] = combine ? hash_combine(hashes[i], hash) : hash;                            \
        }                                                                                          \
    } while (0)

static void hash_int64(const struct vector *vector, struct vector_view view, const uint16_t *rows,
                       uint32_t count, bool combine, uint64_t *hashes) {
    if (vector->type.id == TYPE_NUMERIC)
        HASH_LOOP(int64_t, numeric_hash_scaled(datum, vector->type.scale));
    else
        HASH_LOOP(int64_t, hash_u64((uint64_t)datum));
}

static void hash_strings(const struct vector *vector, struct vector_view view, const uint16_t *rows,
                         uint32_t count, bool combine, uint64_t *hashes) {
    uint32_t id = vector->type.id;
    if (id == TYPE_BPCHAR || type_has_array_body(id))
        HASH_LOOP(struct string, string_hash(id, string_slice(&datum)));
    else
        HASH_LOOP(struct string, hash_bytes(string_data(&datum), datum.size));
}

void vector_hash(const struct vector *vector, const uint16_t *selection, uint32_t count,
                 bool combine, uint64_t *hashes) {
    struct vector_view view = vector_view(vector);
    const uint16_t *rows = selection == NULL ? vector_identity : selection;
    switch ((enum physical)vector->physical) {
    case PHYSICAL_BOOL:
        HASH_LOOP(uint8_t, hash_u64(datum));
        break;
    case PHYSICAL_INT16:
        HASH_LOOP(int16_t, hash_u64((uint64_t)(int64_t)datum));
        break;
    case PHYSICAL_INT32:
        HASH_LOOP(int32_t, hash_u64((uint64_t)(int64_t)datum));
        break;
    case PHYSICAL_INT64:
        hash_int64(vector, view, rows, count, combine, hashes);
        break;
    case PHYSICAL_INT128:
        HASH_LOOP(int128_t, numeric_hash_scaled(datum, vector->type.scale));
        break;
    case PHYSICAL_FLOAT32:
        HASH_LOOP(float, float8_hash(datum));
        break;
    case PHYSICAL_FLOAT64:
        HASH_LOOP(double, float8_hash(datum));
        break;
    case PHYSICAL_STRING:
        hash_strings(vector, view, rows, count, combine, hashes);
        break;
    case PHYSICAL_INTERVAL:
        HASH_LOOP(struct interval, interval_hash(datum));
        break;
    case PHYSICAL_UUID:
        HASH_LOOP(struct uuid, hash_bytes(datum.bytes, 16));
        break;
    case PHYSICAL_NUMERIC:
        HASH_LOOP(struct numeric, numeric_hash(datum));
        break;
    case PHYSICAL_NONE:
    case PHYSICAL_COUNT:
        ASSERT(!"no such physical form");
    }
}

int vector_compare(const struct vector *a, uint32_t row_a, const struct vector *b, uint32_t row_b) {
    struct value x = vector_get(a, row_a), y = vector_get(b, row_b);
    if (x.is_null || y.is_null)
        return x.is_null - y.is_null;
    return value_compare(&x, &y);
}

bool vector_equal(const struct vector *a, uint32_t row_a, const struct vector *b, uint32_t row_b) {
    uint32_t at_a = vector_position(a, row_a), at_b = vector_position(b, row_b);
    bool valid_a = validity_get(a->validity, at_a), valid_b = validity_get(b->validity, at_b);
    if (!valid_a || !valid_b)
        return valid_a == valid_b;
    if (a->physical == PHYSICAL_STRING && a->type.id != TYPE_BPCHAR &&
        !type_has_array_body(a->type.id) && a->type.id != TYPE_RECORD)
        return string_equal((const struct string *)a->data + at_a,
                            (const struct string *)b->data + at_b);
    return vector_compare(a, row_a, b, row_b) == 0;
}

void batch_init(struct batch *batch, const struct type *types, uint32_t column_count,
                struct arena *arena) {
    *batch = (struct batch){.column_count = column_count};
    batch->vectors = ARENA_ARRAY(arena, struct vector, column_count);
    ASSERT(batch->vectors != NULL);
    for (uint32_t i = 0; i < column_count; i++)
        vector_init(&batch->vectors[i], types[i], arena);
}

void batch_reset(struct batch *batch) {
    for (uint32_t i = 0; i < batch->column_count; i++)
        vector_reset(&batch->vectors[i]);
    batch_set_count(batch, 0);
}

void batch_append(struct batch *target, const struct batch *source, uint32_t first, uint32_t count,
                  struct arena *arena) {
    ASSERT(target->selection == NULL && target->column_count == source->column_count);
    ASSERT(target->row_count + count <= VECTOR_SIZE && first + count <= source->selected_count);
    const uint16_t *rows =
        source->selection == NULL ? vector_identity + first : source->selection + first;
    for (uint32_t i = 0; i < source->column_count; i++)
        vector_copy(&target->vectors[i], target->row_count, &source->vectors[i], rows, count,
                    arena);
    batch_set_count(target, target->row_count + count);
}
