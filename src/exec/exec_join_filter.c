/* Filters from build sides to scans. */
#include "exec/exec_join_filter.h"

#include <string.h>

#include "column/column_filter.h"

/* ---- from a key to a scan ------------------------------------------------------------------ */

static bool is_whole(uint32_t id) {
    return id == TYPE_INT2 || id == TYPE_INT4 || id == TYPE_INT8 || id == TYPE_DATE;
}

/* The column that a key is, between integers of any width; -1: another thing. */
static int64_t column_of(const struct expression *expression) {
    if (!is_whole(expression->type.id))
        return -1;
    while (expression->kind == EXPRESSION_CAST && is_whole(expression->arguments[0]->type.id) &&
           (expression->type.id == TYPE_DATE) == (expression->arguments[0]->type.id == TYPE_DATE))
        expression = expression->arguments[0];
    return expression->kind == EXPRESSION_COLUMN ? (int64_t)expression->index : -1;
}

/* Where a row of `node` leaves out a value of this column it may be left out of the child, too:
   the child and its column; NULL: not so, or nobody knows. */
static const struct plan_node *step_down(const struct plan_node *node, uint32_t *column) {
    int64_t below = *column;
    uint32_t left = node->left != NULL ? node->left->column_count : 0;
    const struct plan_node *child = node->left;
    enum join_kind kind;
    switch (node->kind) {
    case NODE_FILTER:
        break;
    case NODE_PROJECT:
        below = column_of(node->project.expressions[*column]);
        break;
    case NODE_AGGREGATE:
        below = *column < node->aggregate.key_count ? column_of(node->aggregate.keys[*column]) : -1;
        break;
    case NODE_NESTED_LOOP:
        below = node->nested_loop.output[*column];
        below = below < left ? below : -1;
        break;
    case NODE_HASH_JOIN:
        kind = node->join.kind;
        below = node->join.output[*column];
        if (below < left) {
            if (kind != JOIN_INNER && kind != JOIN_LEFT && kind != JOIN_SEMI && kind != JOIN_ANTI)
                return NULL;
            break;
        }
        if (kind == JOIN_LEFT || kind == JOIN_FULL)
            return NULL;
        below -= left;
        child = node->right;
        break;
    default:
        return NULL;
    }
    *column = (uint32_t)below;
    return below < 0 ? NULL : child;
}

/* The scan that the column of `node` comes from; NULL: none. */
static const struct plan_node *find_scan(const struct plan_node *node, uint32_t *column) {
    while (node != NULL && node->kind != NODE_TABLE_SCAN)
        node = step_down(node, column);
    return node != NULL && node->scan.index == NULL && node->scan.column_numbers[*column] > 0 &&
                   is_whole(node->columns[*column].type.id)
               ? node
               : NULL;
}

static bool drops_left(enum join_kind kind) {
    return kind == JOIN_INNER || kind == JOIN_SEMI || kind == JOIN_RIGHT ||
           kind == JOIN_RIGHT_SEMI || kind == JOIN_RIGHT_ANTI;
}

enum status exec__join_filters_open(const struct plan_node *join, struct arena *arena,
                                    struct join_filter **filters_out, uint32_t *count_out) {
    uint32_t keys = join->join.key_count;
    struct join_filter *filters = arena_alloc_zeroed(arena, (keys + 1) * sizeof *filters);
    *count_out = 0;
    *filters_out = filters;
    if (filters == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t k = 0; k < keys && *count_out < JOIN_FILTERS_MAX && drops_left(join->join.kind);
         k++) {
        int64_t column = column_of(join->join.left_keys[k]);
        if (column < 0 || !is_whole(join->join.right_keys[k]->type.id))
            continue;
        struct join_filter *filter = &filters[*count_out];
        filter->column = (uint32_t)column;
        filter->key = k;
        filter->scan = find_scan(join->left, &filter->column);
        filter->min = INT64_MAX;
        filter->max = INT64_MIN;
        *count_out += filter->scan != NULL;
    }
    return STATUS_OK;
}

/* ---- the set ------------------------------------------------------------------------------- */

#define RANGE(type)                                                                                \
    do {                                                                                           \
        const type *data = view.data;                                                              \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t at = view.indices[rows[i]];                                                   \
            if (!view_valid(&view, at))                                                            \
                continue;                                                                          \
            low = data[at] < low ? data[at] : low;                                                 \
            high = data[at] > high ? data[at] : high;                                              \
        }                                                                                          \
    } while (0)

void exec__join_filter_range(const struct vector *vector, const uint16_t *rows, uint32_t count,
                             int64_t *min, int64_t *max) {
    struct vector_view view = vector_view(vector);
    int64_t low = *min, high = *max;
    switch ((enum physical)vector->physical) {
    case PHYSICAL_INT16:
        RANGE(int16_t);
        break;
    case PHYSICAL_INT32:
        RANGE(int32_t);
        break;
    default:
        RANGE(int64_t);
    }
    *min = low;
    *max = high;
}

enum {
    BITMAP_BYTES_FREE = 64 << 10, /* however few the keys are */
    BITMAP_BYTES_PER_KEY = 8,
    BLOOM_BITS_PER_KEY = 16,
};

void exec__join_filter_room(struct join_filter *filter, uint64_t count, struct arena *arena) {
    filter->words = NULL;
    filter->hash_mask = 0;
    if (filter->min > filter->max)
        return;
    uint64_t words = ((uint64_t)filter->max - (uint64_t)filter->min) / 64 + 1;
    if (words * 8 > BITMAP_BYTES_FREE && words > count * BITMAP_BYTES_PER_KEY / 8) {
        words = 64;
        while (words * 64 < count * BLOOM_BITS_PER_KEY)
            words *= 2;
        filter->hash_mask = words - 1;
    }
    filter->words = arena_alloc_aligned(arena, words * sizeof *filter->words, 64);
    if (filter->words != NULL)
        memset(filter->words, 0, words * sizeof *filter->words);
}

/* Four bits of one word. */
static inline uint64_t bloom_bits(uint64_t hash) {
    return 1ull << (hash & 63) | 1ull << (hash >> 6 & 63) | 1ull << (hash >> 12 & 63) |
           1ull << (hash >> 18 & 63);
}

static inline void set_bits(uint64_t *word, uint64_t bits, bool shared) {
    if (!shared)
        *word |= bits;
    else if ((__atomic_load_n(word, __ATOMIC_RELAXED) & bits) != bits)
        __atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
}

void exec__join_filter_add(struct join_filter *filter, const struct tuple_column *column,
                           const uint8_t *tuple, bool shared) {
    int64_t value;
    if (filter->words == NULL || tuple[column->null_offset])
        return;
    const void *place = tuple + column->offset;
    value = column->physical == PHYSICAL_INT16   ? *(const int16_t *)place
            : column->physical == PHYSICAL_INT32 ? *(const int32_t *)place
                                                 : *(const int64_t *)place;
    if (filter->hash_mask == 0) {
        uint64_t bit = (uint64_t)value - (uint64_t)filter->min;
        set_bits(&filter->words[bit / 64], 1ull << (bit % 64), shared);
    } else {
        uint64_t hash = exec__mix((uint64_t)value, 1);
        set_bits(&filter->words[hash >> 32 & filter->hash_mask], bloom_bits(hash), shared);
    }
}

/* ---- in the scan ---------------------------------------------------------------------------- */

/* A filter at work in one scan. */
struct scan_filter {
    const struct join_filter *filter;
    uint64_t seen, passed;
    bool given_up;
};

/* A filter that leaves more than 7 of 8 of so many rows costs more than it saves. */
enum { ROWS_TRIED = 16384 };

#define RUN(type, condition)                                                                       \
    do {                                                                                           \
        const type *data = view.data;                                                              \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint16_t row = rows[i];                                                                \
            uint64_t value = (uint64_t)(int64_t)data[view.indices[row]];                           \
            out[kept] = row;                                                                       \
            kept += (condition);                                                                   \
        }                                                                                          \
    } while (0)
#define RUN_BITMAP(type)                                                                           \
    RUN(type, value - min <= range && (words[(value - min) / 64] >> ((value - min) % 64) & 1))

static inline bool bloom_has(const uint64_t *words, uint64_t mask, uint64_t value) {
    uint64_t hash = exec__mix(value, 1), bits = bloom_bits(hash);
    return (words[hash >> 32 & mask] & bits) == bits;
}

static uint32_t run_valid(const struct join_filter *filter, const struct vector *vector,
                          const uint16_t *rows, uint32_t count, uint16_t *out) {
    struct vector_view view = vector_view(vector);
    const uint64_t *words = filter->words;
    uint64_t min = (uint64_t)filter->min, range = (uint64_t)filter->max - min;
    uint64_t mask = filter->hash_mask;
    uint32_t kept = 0;
    switch ((enum physical)vector->physical) {
    case PHYSICAL_INT16:
        if (mask != 0)
            RUN(int16_t, bloom_has(words, mask, value));
        else
            RUN_BITMAP(int16_t);
        break;
    case PHYSICAL_INT32:
        if (mask != 0)
            RUN(int32_t, bloom_has(words, mask, value));
        else
            RUN_BITMAP(int32_t);
        break;
    default:
        if (mask != 0)
            RUN(int64_t, bloom_has(words, mask, value));
        else
            RUN_BITMAP(int64_t);
    }
    return kept;
}

static uint32_t run(void *context, const struct vector *vector, const uint16_t *rows,
                    uint32_t count, uint16_t *out) {
    struct scan_filter *self = context;
    if (self->given_up) {
        if (out != rows)
            memcpy(out, rows, count * sizeof *out);
        return count;
    }
    uint32_t valid = count;
    if (vector->validity != NULL) {
        struct vector_view view = vector_view(vector);
        valid = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint16_t row = rows[i];
            out[valid] = row;
            valid += view_valid(&view, view.indices[row]);
        }
        rows = out;
    }
    uint32_t kept = run_valid(self->filter, vector, rows, valid, out);
    self->seen += count;
    self->passed += kept;
    if (self->seen >= ROWS_TRIED) {
        self->given_up = self->passed > self->seen - self->seen / 8;
        self->seen = self->passed = 0;
    }
    return kept;
}

/* ---- publishing ------------------------------------------------------------------------------ */

void exec__join_filter_publish(struct execution *execution, struct join_filter *filter) {
    ASSERT(!execution->is_worker && !filter->published);
    if (filter->min > filter->max)
        return; /* only nulls */
    filter->published = true;
    filter->next = execution->join_filters;
    execution->join_filters = filter;
}

void exec__join_filter_withdraw(struct execution *execution, struct join_filter *filter) {
    if (filter->published)
        for (struct join_filter **at = &execution->join_filters; *at != NULL; at = &(*at)->next)
            if (*at == filter) {
                *at = filter->next;
                break;
            }
    filter->published = false;
    filter->words = NULL;
    filter->min = INT64_MAX;
    filter->max = INT64_MIN;
}

uint32_t exec__scan_filter_count(const struct execution *execution, const struct plan_node *scan) {
    uint32_t count = 0;
    for (const struct join_filter *at = execution->join_filters; at != NULL; at = at->next)
        count += at->scan == scan;
    return count;
}

/* A bound in the column's type; outside of it, its end. */
static struct value bound_of(struct type type, int64_t bound) {
    struct value value = {.type = type};
    switch (type_physical(type)) {
    case PHYSICAL_INT16:
        value.int16 = (int16_t)(bound < INT16_MIN   ? INT16_MIN
                                : bound > INT16_MAX ? INT16_MAX
                                                    : bound);
        break;
    case PHYSICAL_INT32:
        value.int32 = (int32_t)(bound < INT32_MIN   ? INT32_MIN
                                : bound > INT32_MAX ? INT32_MAX
                                                    : bound);
        break;
    default:
        value.int64 = bound;
    }
    return value;
}

enum status exec__scan_filters(const struct execution *execution, const struct plan_node *scan,
                               struct arena *arena, struct table_scan_test *tests,
                               size_t *test_count, struct table_scan_filter *filters,
                               size_t *filter_count) {
    for (const struct join_filter *at = execution->join_filters; at != NULL; at = at->next) {
        if (at->scan != scan)
            continue;
        int16_t number = scan->scan.column_numbers[at->column];
        struct type type = scan->scan.table->columns[number - 1].type;
        struct value *range = arena_alloc(arena, 2 * sizeof *range);
        struct scan_filter *self = ARENA_NEW(arena, struct scan_filter);
        if (range == NULL || self == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (column_filter_supports(type, COLUMN_BETWEEN)) {
            range[0] = bound_of(type, at->min);
            range[1] = bound_of(type, at->max);
            tests[(*test_count)++] = (struct table_scan_test){
                .column_number = number,
                .test = {.operator= COLUMN_BETWEEN, .value_count = 2, .values = range}};
        }
        self->filter = at;
        if (at->words != NULL)
            filters[(*filter_count)++] =
                (struct table_scan_filter){.column = at->column, .context = self, .run = run};
    }
    return STATUS_OK;
}
