/*
 * What reading encoded columns costs, in nanoseconds a value: `ninja -C build bench/column_bench`,
 * then run it. One line for each kind of column and instruction set: decoding into a vector,
 * decoding and summing (numbers), testing `between` that a tenth of the rows passes, one value at
 * a random place, encoding; and the size. Arguments: the name of a column to measure alone, and
 * `encode` to do nothing but that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_random.h"
#include "column/column_filter.h"
#include "column/kernel.h"
#include "runtime/runtime.h"

enum { ROWS = COLUMN_ROWS_MAX, ROUNDS = 60 };

struct subject {
    const char *name;
    struct type type;
    void (*make)(struct random *random, uint32_t row, struct value *value, char *text);
};

#define NUMBER(name, expression)                                                                   \
    static void make_##name(struct random *random, uint32_t row, struct value *value,              \
                            char *text) {                                                          \
        value->int64 = (int64_t)(expression);                                                      \
    }
NUMBER(bits_4, random_below(random, 11))
NUMBER(bits_6, 100 * (1 + random_below(random, 50)))
NUMBER(bits_12, 8000 + random_below(random, 2526))
NUMBER(bits_24, random_below(random, 10000000))
NUMBER(bits_40, random_below(random, 1ull << 40))
NUMBER(ascending, (uint64_t)row * 25 + random_below(random, 20))
NUMBER(runs, row / 40 * 1234567)
NUMBER(constant, 7)

static void make_date(struct random *random, uint32_t row, struct value *value, char *text) {
    value->int32 = 8000 + (int32_t)random_below(random, 2526);
}
static void make_decimal(struct random *random, uint32_t row, struct value *value, char *text) {
    value->float64 = (double)random_below(random, 10000000) / 100;
}
static void make_double(struct random *random, uint32_t row, struct value *value, char *text) {
    value->float64 = random_unit(random);
}
static void make_mode(struct random *random, uint32_t row, struct value *value, char *text) {
    static const char *modes[] = {"AIR", "TRUCK", "MAIL", "SHIP", "RAIL", "REG AIR", "FOB"};
    value->string = slice_of_text(modes[random_below(random, 7)]);
}
static void make_type(struct random *random, uint32_t row, struct value *value, char *text) {
    static const char *a[] = {"STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"};
    static const char *b[] = {"ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"};
    static const char *c[] = {"TIN", "NICKEL", "BRASS", "STEEL", "COPPER"};
    value->string =
        slice_of(text, (size_t)sprintf(text, "%s %s %s", a[random_below(random, 6)],
                                       b[random_below(random, 5)], c[random_below(random, 5)]));
}
static void make_comment(struct random *random, uint32_t row, struct value *value, char *text) {
    static const char *words[] = {"foxes",   "deposits",  "requests",  "carefully", "quickly",
                                  "above",   "furiously", "packages",  "accounts",  "ironic",
                                  "pending", "special",   "regular",   "the",       "blithely",
                                  "sleep",   "haggle",    "according", "to",        "final"};
    size_t size = 0, wanted = 10 + random_below(random, 34);
    while (size < wanted)
        size += (size_t)sprintf(text + size, "%s ", words[random_below(random, 20)]);
    value->string = slice_of(text, wanted);
}
static void make_key(struct random *random, uint32_t row, struct value *value, char *text) {
    value->string = slice_of(
        text, (size_t)sprintf(text, "%04x%04x", (unsigned)random_below(random, 65536), row));
}

static volatile int64_t sink;

static int by_value(const void *a, const void *b) {
    return value_compare(a, b);
}

/* The best round: others use the machine too. */
static void end_round(int64_t begin_ns, double *best) {
    double each = (double)(clock_monotonic_ns() - begin_ns) / ROWS;
    if (*best == 0 || each < *best)
        *best = each;
}

static int64_t sum_of(const struct vector *vector, uint32_t count) {
    int64_t sum = 0;
    double real = 0;
    if (vector->kind == VECTOR_CONSTANT)
        return *(int64_t *)vector->data * count;
    if (vector->physical == PHYSICAL_INT64 && vector->kind == VECTOR_FLAT)
        for (uint32_t i = 0; i < count; i++)
            sum += ((const int64_t *)vector->data)[i];
    if (vector->physical == PHYSICAL_INT64 && vector->kind == VECTOR_DICTIONARY)
        for (uint32_t i = 0; i < count; i++)
            sum += ((const int64_t *)vector->data)[vector->indices[i]];
    if (vector->physical == PHYSICAL_INT32)
        for (uint32_t i = 0; i < count; i++)
            sum += ((const int32_t *)vector->data)[i];
    if (vector->physical == PHYSICAL_FLOAT64)
        for (uint32_t i = 0; i < count; i++)
            real += ((const double *)vector->data)[i];
    return sum + (int64_t)real;
}

static double time_decode(struct column_reader *reader, struct vector *vector, bool any_kind,
                          bool sum) {
    struct arena arena = {0};
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t begin = clock_monotonic_ns();
        for (uint32_t first = 0; first < ROWS; first += VECTOR_SIZE) {
            enum status status =
                any_kind ? column_decode_vector(reader, first, VECTOR_SIZE, vector, &arena)
                         : column_decode(reader, first, VECTOR_SIZE, vector, &arena);
            ASSERT(status == STATUS_OK);
            if (sum)
                sink += sum_of(vector, VECTOR_SIZE);
            arena_reset(&arena);
        }
        end_round(begin, &best);
    }
    arena_release(&arena);
    return best;
}

static double time_filter(struct column_reader *reader, const struct column_test *test) {
    struct arena arena = {0}, bound = {0};
    struct column_filter filter;
    uint16_t result[VECTOR_SIZE];
    uint32_t count;
    ASSERT(column_filter_bind(reader, test, &bound, &filter) == STATUS_OK);
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t begin = clock_monotonic_ns();
        for (uint32_t first = 0; first < ROWS; first += VECTOR_SIZE) {
            ASSERT(column_filter_run(&filter, first, VECTOR_SIZE, NULL, VECTOR_SIZE, result, &count,
                                     &arena) == STATUS_OK);
            sink += count;
            arena_reset(&arena);
        }
        end_round(begin, &best);
    }
    arena_release(&arena);
    arena_release(&bound);
    return best;
}

static double time_get(struct column_reader *reader) {
    struct arena arena = {0};
    double best = 0;
    int64_t begin = clock_monotonic_ns();
    for (uint32_t i = 0; i < ROWS; i++) {
        if (i % 8192 == 0 && i > 0) {
            end_round(begin, &best);
            begin = clock_monotonic_ns();
        }
        struct value value;
        ASSERT(column_get(reader, i * 40503u % ROWS, &arena, &value) == STATUS_OK);
        sink += value.int64;
        if (i % 64 == 0)
            arena_reset(&arena);
    }
    arena_release(&arena);
    return best * ROWS / 8192;
}

static void measure(const struct subject *subject, bool encode_only) {
    struct arena arena = {0};
    struct random random;
    struct column_builder builder;
    struct slice chunk;
    struct value *values = calloc(ROWS, sizeof *values);
    char text[256];
    random_seed(&random, 1);
    column_builder_init(&builder, subject->type);
    for (uint32_t i = 0; i < ROWS; i++) {
        values[i].type = subject->type;
        subject->make(&random, i, &values[i], text);
        if (type_physical(subject->type) == PHYSICAL_STRING)
            values[i].string = arena_copy_slice(&arena, values[i].string);
        ASSERT(column_builder_append_value(&builder, &values[i]) == STATUS_OK);
    }
    uint32_t rows = ROWS;
    double encode = 0;
    enum status status = STATUS_OK;
    for (int round = 0; round < (encode_only ? 40 : 3) && status == STATUS_OK; round++) {
        int64_t begin = clock_monotonic_ns();
        status = column_builder_encode(&builder, 0, rows, &arena, &chunk);
        end_round(begin, &encode);
    }
    if (status != STATUS_OK) {
        printf("%-12s %s\n", subject->name, error_current()->message);
        exit(1);
    }
    qsort(values, ROWS, sizeof *values, by_value);
    struct value constants[2] = {values[ROWS / 2], values[ROWS / 2 + ROWS / 10]};
    struct column_test between = {COLUMN_BETWEEN, 2, constants};
    for (unsigned set = 0; kernels_at(set) != NULL && !encode_only; set++) {
        struct arena own = {0};
        struct column_reader reader;
        struct column_statistics statistics;
        struct vector vector;
        kernels_use(kernels_at(set));
        ASSERT(column_open(chunk, subject->type, COLUMN_OPEN_CHECKED, &own, &reader) == STATUS_OK);
        column_statistics(&reader, &statistics);
        vector_init(&vector, subject->type, &own);
        double flat = time_decode(&reader, &vector, false, false);
        double kind = time_decode(&reader, &vector, true, false);
        double sum = time_decode(&reader, &vector, true, true);
        printf("%-10s %-22s %-7s %7.3f %7.3f %7.3f %7.3f %8.1f %8.1f %8.2f\n", subject->name,
               statistics.encoding, kernels_at(set)->name, flat, kind, sum,
               time_filter(&reader, &between), time_get(&reader), encode,
               (double)chunk.size * 8 / ROWS);
        arena_release(&own);
    }
    if (encode_only)
        printf("%-10s %8.1f ns to encode\n", subject->name, encode);
    column_builder_release(&builder);
    arena_release(&arena);
    free(values);
}

int main(int count, char **arguments) {
    const struct subject subjects[] = {
        {"constant", TYPE_OF(INT8), make_constant},   {"4 bits", TYPE_OF(INT8), make_bits_4},
        {"6 bits", type_numeric(15, 2), make_bits_6}, {"12 bits", TYPE_OF(INT8), make_bits_12},
        {"date", TYPE_OF(DATE), make_date},           {"24 bits", TYPE_OF(INT8), make_bits_24},
        {"40 bits", TYPE_OF(INT8), make_bits_40},     {"ascending", TYPE_OF(INT8), make_ascending},
        {"runs", TYPE_OF(INT8), make_runs},           {"decimal", TYPE_OF(FLOAT8), make_decimal},
        {"double", TYPE_OF(FLOAT8), make_double},     {"ship mode", TYPE_OF(TEXT), make_mode},
        {"part type", TYPE_OF(TEXT), make_type},      {"key", TYPE_OF(TEXT), make_key},
        {"comment", TYPE_OF(TEXT), make_comment},
    };
    printf("%-10s %-22s %-7s %7s %7s %7s %7s %8s %8s %8s\n", "column", "encoding", "kernels",
           "flat", "vector", "sum", "filter", "get", "encode", "bits/row");
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        if (count < 2 || strcmp(arguments[1], subjects[i].name) == 0)
            measure(&subjects[i], count > 2);
    return 0;
}
