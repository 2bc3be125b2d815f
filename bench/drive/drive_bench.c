/*
 * The drive beside LMDB, SQLite and a plain file: the same work, one thread, nothing synced (what
 * is measured is the way to the page cache and back). Small entries are those of simd-r-drive's
 * benchmark: 8 bytes under "bench-key-N", batches of 1,024, key formatting included.
 *
 * usage: drive_bench DIRECTORY [COUNT [ENGINE[,ENGINE...] [MEASURE]]]
 *        MEASURE: part of a measure's name, as in "8 B" or "get 8 B"; others are not taken
 *        ENGINE "beside": large values into a drive and into plain files by turns
 *
 * Prints one line a measure: engine, measure, time that passed and processor's time in ns for each
 * entry, and a hash of what was read, which is the same for all engines. Beside: peer, measure, ns
 * that passed for a value of the peer and of the drive, and by how much the drive is faster, time
 * that passed and processor's time. See bench/drive/run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base_bytes.h"
#include "base/base_memory.h"
#include "engine.h"
#include "runtime/runtime.h"

static const struct engine *const engines[] = {
    &engine_drive_2, &engine_drive_1,
#ifdef BENCH_LMDB
    &engine_lmdb,
#endif
#ifdef BENCH_SQLITE
    &engine_sqlite,
#endif
    &engine_plain,
};

struct work {
    const char *label; /* of the values */
    size_t value_size;
    uint64_t count, batch, reads;
    bool touches; /* reads look at every byte, else at the first and last */
};

static const char *only = ""; /* measures with this in their name */

_Noreturn void bench_fail(const char *what, const char *why) {
    fprintf(stderr, "drive_bench: %s: %s\n", what, why);
    exit(1);
}

const char *path_in(const char *directory, const char *name) {
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* ---- time -------------------------------------------------------------------------------------
 */

struct clock {
    int64_t wall_ns, processor_ns;
};

static struct clock now(void) {
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (struct clock){clock_monotonic_ns(), spent.tv_sec * 1000000000ll + spent.tv_nsec};
}

/* Appending comes before everything else and is always measured. */
static bool wanted(const char *measure, const char *label) {
    char name[64];
    snprintf(name, sizeof name, "%s %s", measure, label);
    return strstr(name, only) != NULL;
}

static void report(const struct engine *engine, const char *measure, const char *label,
                   struct clock began, uint64_t count, uint64_t hash) {
    struct clock ended = now();
    printf("%s\t%s %s\t%.1f\t%.1f\t%016llx\n", engine->name, measure, label,
           (double)(ended.wall_ns - began.wall_ns) / (double)count,
           (double)(ended.processor_ns - began.processor_ns) / (double)count,
           (unsigned long long)hash);
    fflush(stdout);
}

/* ---- keys and values --------------------------------------------------------------------------
 */

static int digits = 6;
static uint64_t tail_mask, tail_text;
static uint32_t three_digits[1000];

/* Once `digits` is known: what comes before the number in the last eight bytes of a key. */
static void prepare_keys(void) {
    char text[8] = {0};
    if (digits > 6)
        bench_fail("main", "at most 1000000 entries");
    memcpy(text, &"bench-key-"[2 + digits], (size_t)(8 - digits));
    memcpy(&tail_text, text, sizeof tail_text);
    tail_mask = ~(UINT64_MAX >> 8 * digits);
    for (uint32_t i = 0; i < 1000; i++)
        three_digits[i] = ('0' + i / 100) | ('0' + i / 10 % 10) << 8 | ('0' + i % 10) << 16;
}

/* "bench-key-N", all N of as many digits as the largest has, so that the order of keys is that of
   numbers (MDB_APPEND). printf would be most of the time measured. Two words are stored and not
   single digits, because a hash reads words: one that was stored in parts can be read only when the
   parts have left the processor, together with all that went before them, so that each read of the
   store would wait for the end of the one before it. */
static inline __attribute__((always_inline)) size_t make_key(char *key, uint64_t n) {
    uint64_t number = three_digits[n / 1000] | (uint64_t)three_digits[n % 1000] << 24;
    uint64_t tail = (number << 16 & tail_mask) | tail_text;
    memcpy(key, "bench-ke", 8);
    memcpy(key + 2 + digits, &tail, sizeof tail);
    return 10 + (size_t)digits;
}

static inline uint64_t value_hash(struct slice value, bool touches) {
    if (touches) { /* sizes are multiples of eight */
        uint64_t sum = 0;
        for (size_t at = 0; at < value.size; at += 8)
            sum = (sum << 1 | sum >> 63) + get_le64(value.data + at);
        return sum;
    }
    return value.data[0] * 31u + value.data[value.size - 1] + value.size;
}

struct sum {
    uint64_t total, count;
    bool touches;
};

static void see(void *context, struct slice value) {
    struct sum *sum = context;
    sum->total += value_hash(value, sum->touches);
    sum->count++;
}

/* ---- measures ---------------------------------------------------------------------------------
 */

/* A batch from entry `n` on. */
struct texts {
    char bytes[BATCH][32];
    struct slice keys[BATCH], values[BATCH];
};

static size_t make_batch(struct texts *texts, const struct work *work, uint8_t *values,
                         uint64_t n) {
    uint64_t left = work->count - n;
    size_t count = left < work->batch ? (size_t)left : (size_t)work->batch;
    for (size_t i = 0; i < count; i++) {
        uint64_t number = n + i;
        texts->keys[i] = slice_of(texts->bytes[i], make_key(texts->bytes[i], number));
        texts->values[i] = slice_of(values + i * work->value_size, work->value_size);
        memcpy(values + i * work->value_size, &number, sizeof number);
    }
    return count;
}

static void append_all(const struct engine *engine, void *store, const struct work *work,
                       uint8_t *values) {
    static struct texts texts;
    for (uint64_t n = 0; n < work->count; n += work->batch) {
        size_t count = make_batch(&texts, work, values, n);
        engine->append(store, texts.keys, texts.values, count);
    }
}

/* Each number comes to be asked for. A plain generator: what it costs is measured, too. */
struct numbers {
    uint64_t state, count;
};

static inline uint64_t next_number(struct numbers *numbers) {
    numbers->state = numbers->state * 6364136223846793005u + 1442695040888963407u;
    return (numbers->state >> 33) * numbers->count >> 31;
}

static uint64_t read_random(const struct engine *engine, void *store, const struct work *work) {
    struct numbers numbers = {1, work->count};
    struct sum sum = {.touches = work->touches};
    if (engine->begin != NULL)
        engine->begin(store);
    for (uint64_t i = 0; i < work->reads; i++) {
        char key[32];
        size_t size = make_key(key, next_number(&numbers));
        see(&sum, engine->get(store, slice_of(key, size)));
    }
    engine->end(store);
    return sum.total;
}

static uint64_t read_many(const struct engine *engine, void *store, const struct work *work) {
    static char texts[BATCH][32];
    static struct slice keys[BATCH];
    struct numbers numbers = {1, work->count};
    struct sum sum = {.touches = work->touches};
    for (uint64_t n = 0; n < work->reads; n += BATCH) {
        size_t count = work->reads - n < BATCH ? (size_t)(work->reads - n) : BATCH;
        for (size_t i = 0; i < count; i++)
            keys[i] = slice_of(texts[i], make_key(texts[i], next_number(&numbers)));
        engine->get_many(store, keys, count, see, &sum);
    }
    return sum.total;
}

static uint64_t scan_all(const struct engine *engine, void *store, const struct work *work) {
    struct sum sum = {.touches = work->touches};
    engine->scan(store, see, &sum);
    if (sum.count != work->count)
        bench_fail(engine->name, "a scan did not see all entries");
    return sum.total;
}

static void measure(const struct engine *engine, const char *directory, const struct work *work,
                    uint8_t *values) {
    if (!wanted("append", work->label) && !wanted("scan", work->label) &&
        !wanted("get", work->label) && !wanted("get-many", work->label))
        return;
    void *store = engine->create(directory);
    sync(); /* what others wrote is not to be paid for here */
    struct clock began = now();
    append_all(engine, store, work, values);
    report(engine, "append", work->label, began, work->count, 0);
#define MEASURE(name, condition, call, number)                                                     \
    if ((condition) && wanted(name, work->label)) {                                                \
        began = now();                                                                             \
        uint64_t hash = call;                                                                      \
        report(engine, name, work->label, began, number, hash);                                    \
    }
    MEASURE("scan", engine->scan != NULL, scan_all(engine, store, work), work->count)
    MEASURE("get", engine->get != NULL, read_random(engine, store, work), work->reads)
    MEASURE("get-many", engine->get_many != NULL, read_many(engine, store, work), work->reads)
    engine->close(store);
}

/* ---- beside a plain file ------------------------------------------------------------------------
 */

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* New files, and every batch into both, now the one first and now the other: whatever the machine
   does meanwhile, it does to both. Only the appends are timed. */
static void append_in_turn(const struct engine *const both[2], const char *directory,
                           const struct work *work, uint8_t *values, struct clock spent[2]) {
    static struct texts texts;
    void *stores[2] = {both[0]->create(directory), both[1]->create(directory)};
    sync();
    for (uint64_t n = 0; n < work->count; n += work->batch) {
        size_t count = make_batch(&texts, work, values, n);
        for (unsigned turn = 0; turn < 2; turn++) {
            unsigned which = (turn + (unsigned)(n / work->batch)) % 2;
            struct clock began = now();
            both[which]->append(stores[which], texts.keys, texts.values, count);
            struct clock ended = now();
            spent[which].wall_ns += ended.wall_ns - began.wall_ns;
            spent[which].processor_ns += ended.processor_ns - began.processor_ns;
        }
    }
    both[0]->close(stores[0]);
    both[1]->close(stores[1]);
}

static void beside(const struct engine *peer, const char *directory, const struct work *work,
                   uint8_t *values) {
    enum { ROUNDS = 9 };
    double passed[2][ROUNDS], faster[ROUNDS], cheaper[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        const struct engine *both[2] = {peer, &engine_drive_2};
        struct clock spent[2] = {{0, 0}, {0, 0}};
        append_in_turn(both, directory, work, values, spent);
        faster[round] = (double)spent[0].wall_ns / (double)spent[1].wall_ns;
        cheaper[round] = (double)spent[0].processor_ns / (double)spent[1].processor_ns;
        for (int i = 0; i < 2; i++)
            passed[i][round] = (double)spent[i].wall_ns / (double)work->count;
    }
    double *all[] = {passed[0], passed[1], faster, cheaper};
    for (int i = 0; i < 4; i++)
        qsort(all[i], ROUNDS, sizeof **all, by_size);
    printf("%s\tbeside %s\t%.1f\t%.1f\t%.3f\t%.3f\t%.3f\t%.3f\n", peer->name, work->label,
           passed[0][ROUNDS / 2], passed[1][ROUNDS / 2], faster[ROUNDS / 2], cheaper[ROUNDS / 2],
           faster[0], faster[ROUNDS - 1]);
    fflush(stdout);
}

static bool named(const char *list, const char *name) {
    size_t size = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += size)
        if ((at == list || at[-1] == ',') && (at[size] == 0 || at[size] == ','))
            return true;
    return list[0] == 0;
}

int main(int argc, char **argv) {
    const char *directory = argc > 1 ? argv[1] : "/tmp";
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    const char *list = argc > 3 ? argv[3] : "";
    only = argc > 4 ? argv[4] : "";
    digits = snprintf(NULL, 0, "%llu", (unsigned long long)count - 1);
    prepare_keys();
    uint64_t pages = count / 16 + 1, large = count / 4000 + 1;
    const struct work works[] = {
        {"8 B", 8, count, BATCH, count, true},
        {"4 KiB", 4096, pages, BATCH, pages, true},
        {"1 MiB", 1 << 20, large, 16, large * 10, false},
    };
    uint8_t *values = memory_alloc((size_t)BATCH * 32768);
    if (values == NULL)
        bench_fail("main", "out of memory");
    memset(values, 7, (size_t)BATCH * 32768);
    for (size_t w = 1; w < sizeof works / sizeof works[0] && strcmp(list, "beside") == 0; w++) {
        if (wanted("beside", works[w].label)) {
            beside(&engine_plain, directory, &works[w], values);
            beside(&engine_blocks, directory, &works[w], values);
        }
    }
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++) {
        if (!named(list, engines[i]->name))
            continue;
        printf("%s\tversion\t%s\n", engines[i]->name, engines[i]->version());
        for (size_t w = 0; w < sizeof works / sizeof works[0]; w++)
            measure(engines[i], directory, &works[w], values);
    }
    memory_free(values);
    return 0;
}
