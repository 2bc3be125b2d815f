/*
 * Micro benchmark of the tree: nanoseconds of CPU time an operation, 1,000,000 entries of 8-byte
 * keys and 40-byte values, everything in memory. Not a test: run build/test/btree_bench.
 */
#include "../pager/pager_fixture.h"

#include <time.h>

#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "btree/btree.h"

enum { COUNT = 1000000, VALUE_SIZE = 40 };

static double cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void report(const char *what, double started, double count) {
    printf("%-34s %8.1f ns\n", what, (cpu_ns() - started) / count);
}

static uint8_t value_bytes[VALUE_SIZE];

static struct slice key_of(uint8_t bytes[8], uint64_t number) {
    put_be64(bytes, number);
    return slice_of(bytes, 8);
}

static enum status put_all(struct fiber *f, struct btree *tree, bool rising) {
    uint8_t key[8];
    for (uint64_t i = 0; i < COUNT; i++)
        TRY(btree_put(f, tree, key_of(key, rising ? i : hash_u64(i)),
                      slice_of(value_bytes, VALUE_SIZE), NULL));
    return STATUS_OK;
}

static enum status read_all(struct fiber *f, struct btree *tree, bool rising) {
    uint8_t key[8];
    double started = cpu_ns();
    for (uint64_t i = 0; i < COUNT; i++) {
        uint64_t number = hash_u64(i + 77) % COUNT;
        bool found;
        struct slice value;
        struct btree_pin pin;
        TRY(btree_get(f, tree, key_of(key, rising ? number : hash_u64(number)), &found, &value,
                      &pin));
        CHECK(found);
        btree_unpin(&pin);
    }
    report(rising ? "get, random, rising keys" : "get, random, random keys", started, COUNT);
    return STATUS_OK;
}

static enum status scan_all(struct fiber *f, struct btree *tree) {
    struct btree_cursor cursor;
    btree_cursor_init(&cursor, tree);
    double started = cpu_ns();
    TRY(btree_cursor_seek(f, &cursor, BTREE_SEEK_FIRST, SLICE_EMPTY));
    size_t seen = 0;
    while (cursor.positioned) {
        seen++;
        TRY(btree_cursor_next(f, &cursor));
    }
    CHECK(seen == COUNT);
    report("cursor next", started, COUNT);
    static struct slice values[2048];
    static uint8_t keys[2048 * 8];
    started = cpu_ns();
    TRY(btree_cursor_seek(f, &cursor, BTREE_SEEK_FIRST, SLICE_EMPTY));
    size_t count;
    for (seen = 0;; seen += count) {
        struct btree_pin pin;
        TRY(btree_cursor_take(f, &cursor, 2048, values, keys, 8, &count, &pin));
        btree_unpin(&pin);
        if (count == 0)
            break;
    }
    CHECK(seen == COUNT);
    report("cursor take, with keys", started, COUNT);
    btree_cursor_release(&cursor);
    return STATUS_OK;
}

static enum status bench_tree(struct fiber *f, struct stand *stand, bool durable, bool rising) {
    struct btree tree;
    if (durable)
        btree_open(&tree, stand->pager, (struct tree_id){1 + rising});
    else
        btree_init_temporary(&tree, stand->pager);
    printf("--- %s, %s keys\n", durable ? "durable" : "temporary", rising ? "rising" : "random");
    double started = cpu_ns();
    TRY(put_all(f, &tree, rising));
    report("put, new", started, COUNT);
    started = cpu_ns();
    TRY(put_all(f, &tree, false ^ rising));
    report("put again, same size", started, COUNT);
    TRY(read_all(f, &tree, rising));
    TRY(scan_all(f, &tree));
    struct btree_check_result result;
    TRY(btree_check(f, &tree, &result));
    printf("%-34s %8.1f bytes an entry, depth %u\n", "size",
           (double)result.pages * PAGE_SIZE / COUNT, result.depth);
    if (durable) {
        started = cpu_ns();
        TRY(stand_checkpoint(f, stand, 1));
        report("checkpoint, by entry", started, COUNT);
    }
    started = cpu_ns();
    uint8_t key[8];
    for (uint64_t i = 0; i < COUNT; i++)
        TRY(btree_delete(f, &tree, key_of(key, rising ? i : hash_u64(i)), NULL));
    report("delete", started, COUNT);
    return btree_clear(f, &tree);
}

static enum status bench(struct fiber *f, struct stand *stand) {
    TRY(bench_tree(f, stand, true, true));
    TRY(bench_tree(f, stand, true, false));
    return bench_tree(f, stand, false, true);
}

static void bench_all(void **state) {
    run_on_stand(512 << 20, 0, bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bench_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
