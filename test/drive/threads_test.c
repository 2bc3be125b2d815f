/* Sixteen readers, a writer and a compaction at once; best under ThreadSanitizer. */
#include "drive_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "runtime/runtime_plain.h"

extern uint64_t
    mapping__room; /* drive/store.h: small, so that the file outgrows its mapping often */

enum { KEYS = 50, READERS = 16, ROUNDS = 300, COMPACTIONS = 6 };

static struct drive *drive;
static _Atomic bool done;

static void key_name(int i, char *key) {
    snprintf(key, 32, "key %d", i);
}

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Every batch writes one number to all keys; so whoever looks sees one number. */
static void *write_batches(void *argument) {
    char keys[KEYS][32];
    struct drive_item items[KEYS + 1];
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint8_t value[100];
        memset(value, 0, sizeof value);
        put_le64(value, round);
        for (int i = 0; i < KEYS; i++) {
            key_name(i, keys[i]);
            items[i] = (struct drive_item){
                .key = text(keys[i]), .value = slice_of(value, 8 + (round + (uint64_t)i) % 90)};
        }
        char fresh[32]; /* the index must grow, too */
        snprintf(fresh, sizeof fresh, "fresh %llu", (unsigned long long)round);
        items[KEYS] = (struct drive_item){.key = text(fresh), .value = text("x")};
        MUST(drive_batch(drive, items, KEYS + 1, round % 100 == 0 ? DRIVE_SYNC : DRIVE_NONE) ==
             STATUS_OK);
    }
    atomic_store(&done, true);
    return NULL;
}

static void *compact(void *argument) {
    for (int i = 0; i < COMPACTIONS && !atomic_load(&done); i++)
        MUST(drive_compact(drive, NULL) == STATUS_OK);
    return NULL;
}

static uint64_t read_together(const struct slice *keys) {
    struct drive_handle handles[KEYS];
    MUST(drive_get_many(drive, keys, KEYS, handles) == STATUS_OK);
    uint64_t number = get_le64(handles[0].data);
    for (int i = 0; i < KEYS; i++) {
        MUST(handles[i].data != NULL);
        MUST(get_le64(handles[i].data) == number);
        MUST(handles[i].size == 8 + (number + (uint64_t)i) % 90);
    }
    drive_handles_release(handles, KEYS);
    return number;
}

static uint64_t read_iterator(enum drive_order order) {
    struct drive_iterator *iterator;
    struct drive_entry entry;
    uint64_t number = 0;
    int count = 0;
    MUST(drive_iterate(drive, order, &iterator) == STATUS_OK);
    while (drive_next(iterator, &entry)) {
        if (entry.key.data[0] != 'k')
            continue;
        number = count == 0 ? get_le64(entry.value.data) : number;
        MUST(get_le64(entry.value.data) == number);
        count++;
    }
    MUST(count == KEYS);
    drive_iterator_close(iterator);
    return number;
}

static void *read_all(void *argument) {
    char names[KEYS][32];
    struct slice keys[KEYS];
    uint64_t last = 0, reader = (uint64_t)(uintptr_t)argument;
    struct drive_handle held = {0};
    uint64_t held_number = 0;
    for (int i = 0; i < KEYS; i++) {
        key_name(i, names[i]);
        keys[i] = text(names[i]);
    }
    for (uint64_t n = 0; !atomic_load(&done); n++) {
        uint64_t number = (n + reader) % 8 == 0   ? read_iterator((enum drive_order)(n % 2))
                          : (n + reader) % 2 == 0 ? read_together(keys)
                                                  : 0;
        if (number == 0) {
            struct drive_handle handle;
            MUST(drive_get(drive, keys[n % KEYS], &handle) == STATUS_OK && handle.data != NULL);
            number = get_le64(handle.data);
            if (n % 64 == 1) { /* keep one for a long time */
                if (held.data != NULL)
                    MUST(get_le64(held.data) == held_number);
                drive_handle_release(&held);
                held = drive_handle_copy(&handle);
                held_number = number;
            }
            drive_handle_release(&handle);
        }
        MUST(number >= last); /* what one has seen does not go away */
        last = number;
        struct drive_statistics statistics;
        drive_statistics(drive, &statistics);
        MUST(statistics.count >= KEYS);
    }
    if (held.data != NULL)
        MUST(get_le64(held.data) == held_number);
    drive_handle_release(&held);
    return NULL;
}

static void readers_a_writer_and_compactions(void **state) {
    mapping__room = 1 << 16;
    assert_ok(drive_open(path_of("threads"), &(struct drive_options){.create = true}, &drive));
    char key[32];
    uint8_t value[100] = {0};
    struct drive_item items[KEYS];
    char keys[KEYS][32];
    for (int i = 0; i < KEYS; i++) {
        key_name(i, keys[i]);
        items[i] =
            (struct drive_item){.key = text(keys[i]), .value = slice_of(value, 8 + (size_t)i % 90)};
    }
    assert_ok(drive_batch(drive, items, KEYS, DRIVE_NONE));
    pthread_t threads[READERS + 2];
    pthread_create(&threads[0], NULL, write_batches, NULL);
    pthread_create(&threads[1], NULL, compact, NULL);
    for (int i = 0; i < READERS; i++)
        pthread_create(&threads[i + 2], NULL, read_all, (void *)(uintptr_t)i);
    for (int i = 0; i < READERS + 2; i++)
        pthread_join(threads[i], NULL);
    mapping__room = 0;
    assert_ok(drive_close(drive));
    assert_ok(drive_open(path_of("threads"), &(struct drive_options){0}, &drive));
    for (int i = 0; i < KEYS; i++) {
        struct drive_handle handle;
        key_name(i, key);
        assert_ok(drive_get(drive, text(key), &handle));
        assert_int_equal(get_le64(handle.data), ROUNDS);
        drive_handle_release(&handle);
    }
    assert_ok(drive_close(drive));
}

/* ---- group commit ------------------------------------------------------------------------------
 */

static _Atomic unsigned syncs;

static int count_syncs(void *context, struct plain_event *event) {
    if (event->change == PLAIN_CHANGE_SYNC) {
        atomic_fetch_add(&syncs, 1);
        usleep(2000); /* a disk: others arrive meanwhile */
    }
    return 0;
}

enum { WRITERS = 8, PUTS = 25 };

static void *put_durably(void *argument) {
    for (int i = 0; i < PUTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d of %d", i, (int)(uintptr_t)argument);
        MUST(drive_put(drive, text(name), text(name), DRIVE_SYNC) == STATUS_OK);
    }
    return NULL;
}

static void writers_share_syncs(void **state) {
    assert_ok(drive_open(path_of("group"), &(struct drive_options){.create = true}, &drive));
    pthread_t threads[WRITERS];
    plain_hook_set(count_syncs, NULL);
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, put_durably, (void *)(uintptr_t)i);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    plain_hook_set(NULL, NULL);
    assert_true(atomic_load(&syncs) >= PUTS);
    assert_true(atomic_load(&syncs) < WRITERS * PUTS);
    struct drive_statistics statistics;
    drive_statistics(drive, &statistics);
    assert_int_equal(statistics.count, WRITERS * PUTS);
    assert_ok(drive_close(drive));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_a_writer_and_compactions),
        cmocka_unit_test(writers_share_syncs),
    };
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
