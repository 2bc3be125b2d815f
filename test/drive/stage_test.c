/* How batches become bytes: small entries in runs, larger ones copied, large ones written in pieces
   and then summed. */
#include "drive_fixture.h"

#include "base/base_random.h"

enum { ITEMS = 40, ROUNDS = 6, LARGEST = 1 << 20 };

static uint8_t source[2 * LARGEST];

static void fill_source(void) {
    struct random random;
    random_seed(&random, 7);
    for (size_t i = 0; i < sizeof source; i += 8)
        put_le64(source + i, random_next(&random));
}

static size_t some_size(struct random *random) {
    static const size_t limits[] = {1, 100, 2048, 2049, 4096, 70000, LARGEST};
    size_t limit = limits[random_below(random, sizeof limits / sizeof limits[0])];
    return random_below(random, 2) == 0 ? limit : 1 + (size_t)random_below(random, limit);
}

struct model {
    struct slice values[ITEMS]; /* NULL: the key is not there */
};

static size_t make_batch(struct random *random, struct model *model, struct drive_item *items,
                         char (*keys)[32]) {
    size_t count = 0;
    while (count < ITEMS) {
        int key = (int)random_below(random, ITEMS);
        snprintf(keys[count], 32, "key %d", key);
        struct slice value = slice_of(source + random_below(random, LARGEST), some_size(random));
        bool is_delete = random_below(random, 8) == 0;
        if (value.size == 1 && value.data[0] == 0)
            continue; /* format 1 has no such value */
        items[count] =
            (struct drive_item){.key = text(keys[count]), .value = value, .is_delete = is_delete};
        model->values[key] = is_delete ? SLICE_EMPTY : value;
        count++;
    }
    return count;
}

static void check_model(struct drive *drive, const struct model *model) {
    for (int key = 0; key < ITEMS; key++) {
        char name[32];
        snprintf(name, sizeof name, "key %d", key);
        if (model->values[key].data == NULL)
            assert_absent(drive, text(name));
        else
            assert_value(drive, text(name), model->values[key]);
    }
    uint64_t entries, damaged;
    assert_ok(drive_verify(drive, 1, NULL, NULL, NULL, &entries, &damaged));
    assert_int_equal(damaged, 0);
}

static void batches_of_large_values_read_back(void **state) {
    for (unsigned format = 1; format <= 2; format++) {
        struct drive *drive;
        const char *name = format == 1 ? "large-1" : "large-2";
        struct drive_options options = {.create = true, .format = format};
        struct model model = {0};
        struct random random;
        random_seed(&random, format);
        assert_ok(drive_open(path_of(name), &options, &drive));
        for (int round = 0; round < ROUNDS; round++) {
            static char keys[ITEMS][32];
            struct drive_item items[ITEMS];
            size_t count = make_batch(&random, &model, items, keys);
            assert_ok(drive_batch(drive, items, count, DRIVE_NONE));
            check_model(drive, &model);
            if (round % 2 == 1) {
                assert_ok(drive_close(drive));
                assert_ok(drive_open(path_of(name), &options, &drive));
                assert_int_equal(drive_recovery(drive)->tail_size, 0);
                check_model(drive, &model);
            }
        }
        assert_ok(drive_close(drive));
    }
}

/* Format 1 has nothing in it that would tell a batch from single puts. */
static void a_batch_has_the_bytes_of_single_puts(void **state) {
    struct drive *together, *alone;
    struct drive_options options = {.create = true, .format = 1};
    struct model model = {0};
    struct random random;
    random_seed(&random, 3);
    assert_ok(drive_open(path_of("together"), &options, &together));
    assert_ok(drive_open(path_of("alone"), &options, &alone));
    static char keys[ITEMS][32];
    struct drive_item items[ITEMS];
    size_t count = make_batch(&random, &model, items, keys);
    assert_ok(drive_batch(together, items, count, DRIVE_NONE));
    for (size_t i = 0; i < count; i++) {
        bool existed;
        if (items[i].is_delete)
            assert_ok(drive_delete(alone, items[i].key, DRIVE_NONE, &existed));
        else
            assert_ok(drive_put(alone, items[i].key, items[i].value, DRIVE_NONE));
    }
    assert_ok(drive_close(together));
    assert_ok(drive_close(alone));
    size_t size, wanted;
    uint8_t *bytes = file_bytes(path_of("together"), &size);
    uint8_t *others = file_bytes(path_of("alone"), &wanted);
    assert_int_equal(size, wanted);
    assert_memory_equal(bytes, others, size);
    free(bytes);
    free(others);
}

/* One value alone is written before its header. */
static void a_large_value_alone(void **state) {
    struct drive *drive;
    assert_ok(drive_open(path_of("single"), &(struct drive_options){.create = true}, &drive));
    static uint8_t value[(3 << 20) + 5];
    memcpy(value, source, sizeof source);
    assert_ok(drive_put(drive, text("a"), slice_of(value, sizeof value), DRIVE_NONE));
    assert_ok(drive_put(drive, text("b"), text("after it"), DRIVE_NONE));
    assert_value(drive, text("a"), slice_of(value, sizeof value));
    assert_ok(drive_close(drive));
    assert_ok(drive_open(path_of("single"), &(struct drive_options){.read_only = true}, &drive));
    assert_value(drive, text("a"), slice_of(value, sizeof value));
    assert_value(drive, text("b"), text("after it"));
    assert_ok(drive_close(drive));
}

enum { KEY_SIZES = 72, VALUE_SIZES = 150 };

static struct slice small_key(size_t key_size, size_t value_size, uint8_t bytes[KEY_SIZES + 8]) {
    size_t size = key_size < 2 ? 2 : key_size; /* what tells it apart comes first */
    memcpy(bytes, source + key_size, KEY_SIZES);
    bytes[0] = (uint8_t)value_size;
    bytes[1] = (uint8_t)key_size;
    return slice_of(bytes, size);
}

/* Sizes below and above what a run of small entries takes, in a batch of several buffers. */
static void small_entries_of_all_sizes(void **state) {
    static struct drive_item items[KEY_SIZES * VALUE_SIZES];
    static uint8_t keys[KEY_SIZES * VALUE_SIZES][KEY_SIZES + 8];
    for (unsigned alignment = 1; alignment <= 128; alignment *= 2) {
        struct drive *drive;
        struct drive_options options = {.create = true, .alignment = alignment};
        char name[32];
        snprintf(name, sizeof name, "small-%u", alignment);
        assert_ok(drive_open(path_of(name), &options, &drive));
        size_t count = 0;
        for (size_t k = 2; k < KEY_SIZES; k++) {
            for (size_t v = 0; v < VALUE_SIZES; v++, count++)
                items[count] = (struct drive_item){
                    .key = small_key(k, v, keys[count]),
                    .value = slice_of(source + k * v, v),
                };
        }
        assert_ok(drive_batch(drive, items, count, DRIVE_NONE));
        for (int turn = 0; turn < 2; turn++) {
            for (size_t i = 0; i < count; i++)
                assert_value(drive, items[i].key, items[i].value);
            uint64_t entries, damaged;
            assert_ok(drive_verify(drive, 1, NULL, NULL, NULL, &entries, &damaged));
            assert_int_equal(entries, count);
            assert_int_equal(damaged, 0);
            assert_ok(drive_close(drive));
            assert_ok(drive_open(path_of(name), &options, &drive));
        }
        assert_ok(drive_close(drive));
    }
}

/* Deletions are entries of a run, too; those of absent keys are none. */
static void a_run_with_deletions(void **state) {
    struct drive *drive;
    struct drive_item items[64];
    char keys[64][16];
    assert_ok(drive_open(path_of("run"), &(struct drive_options){.create = true}, &drive));
    for (int i = 0; i < 64; i++) {
        snprintf(keys[i], sizeof keys[i], "key %d", i / 2);
        items[i] = (struct drive_item){
            .key = text(keys[i]), .value = text("value"), .is_delete = i % 4 == 3};
    }
    items[63].key = items[61].key = text("absent"); /* put and deleted again */
    items[60].is_delete = true;                     /* of a key that is not there */
    assert_ok(drive_batch(drive, items, 64, DRIVE_NONE));
    assert_true(items[3].existed && items[63].existed);
    assert_false(items[0].existed || items[60].existed);
    struct drive_statistics statistics;
    drive_statistics(drive, &statistics);
    assert_int_equal(statistics.count, 16);
    for (int i = 0; i < 60; i += 2)
        if (i % 4 == 2)
            assert_absent(drive, text(keys[i]));
        else
            assert_value(drive, text(keys[i]), text("value"));
    assert_ok(drive_close(drive));
}

static uint64_t blocks_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (uint64_t)info.st_blocks * 512;
}

/* Room on the disk that was taken ahead is given back, and the file is never longer than the
   store. */
static void room_taken_ahead_is_given_back(void **state) {
    struct drive *drive;
    struct drive_statistics statistics;
    assert_ok(drive_open(path_of("ahead"), &(struct drive_options){.create = true}, &drive));
    for (int i = 0; i < 24; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %d", i);
        assert_ok(drive_put(drive, text(key), slice_of(source, LARGEST), DRIVE_NONE));
        struct stat info;
        assert_int_equal(stat(path_of("ahead"), &info), 0);
        drive_statistics(drive, &statistics);
        assert_int_equal(info.st_size, statistics.file_size);
    }
    assert_ok(drive_close(drive));
    assert_ok(drive_open(path_of("ahead"), &(struct drive_options){0}, &drive));
    drive_statistics(drive, &statistics);
    assert_ok(drive_close(drive));
    assert_true(blocks_of(path_of("ahead")) <= statistics.file_size + (64 << 10));
}

int main(void) {
    fill_source();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_of_large_values_read_back),
        cmocka_unit_test(a_batch_has_the_bytes_of_single_puts),
        cmocka_unit_test(a_large_value_alone),
        cmocka_unit_test(small_entries_of_all_sizes),
        cmocka_unit_test(a_run_with_deletions),
        cmocka_unit_test(room_taken_ahead_is_given_back),
    };
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
