/* Random operations against a naive map. */
#include "drive_fixture.h"

#include "base/base_hash.h"
#include "drive/drive.h"

enum { KEYS = 64, VERSIONS_MAX = 8192, OPERATIONS = 4000 };

struct version {
    uint8_t *bytes; /* NULL: a deletion */
    size_t size;
};

struct model_key {
    uint8_t key[40];
    size_t key_size;
    struct version *versions; /* oldest first, as far as the file has them */
    size_t count;
    uint64_t written; /* when, for the order */
};

struct model {
    struct model_key keys[KEYS];
    uint64_t clock;
    unsigned format;
    struct random random;
    struct drive *drive;
    const char *name;
};

static struct slice key_of(const struct model *m, size_t i) {
    return slice_of(m->keys[i].key, m->keys[i].key_size);
}

static const struct version *newest(const struct model *m, size_t i) {
    const struct model_key *key = &m->keys[i];
    const struct version *version = key->count == 0 ? NULL : &key->versions[key->count - 1];
    return version == NULL || version->bytes == NULL ? NULL : version;
}

static void model_add(struct model *m, size_t i, const uint8_t *bytes, size_t size) {
    struct model_key *key = &m->keys[i];
    assert_true(key->count < VERSIONS_MAX);
    struct version *version = &key->versions[key->count++];
    version->size = size;
    version->bytes = bytes == NULL ? NULL : malloc(size + 1);
    if (bytes != NULL)
        memcpy(version->bytes, bytes, size);
    key->written = ++m->clock;
}

static void model_delete(struct model *m, size_t i) {
    if (m->format == 1 || newest(m, i) != NULL)
        model_add(m, i, NULL, 0);
}

static void model_compact(struct model *m) {
    for (size_t i = 0; i < KEYS; i++) {
        struct model_key *key = &m->keys[i];
        bool live = newest(m, i) != NULL;
        size_t keep = live ? key->count - 1 : key->count;
        for (size_t v = 0; v < keep; v++)
            free(key->versions[v].bytes);
        if (live)
            key->versions[0] = key->versions[keep];
        key->count = live;
    }
}

static uint8_t scratch[200000];

static struct slice random_value(struct model *m) {
    uint64_t kind = random_below(&m->random, 40);
    size_t size = kind == 0 ? random_below(&m->random, sizeof scratch)
                            : random_below(&m->random, kind < 10 ? 5000 : 60);
    size += m->format == 1 ? 2 : 0;
    if (size > sizeof scratch)
        size = sizeof scratch;
    uint8_t first = (uint8_t)random_next(&m->random);
    for (size_t i = 0; i < size; i++)
        scratch[i] = (uint8_t)(first + i * 7);
    return slice_of(scratch, size);
}

/* ---- operations -------------------------------------------------------------------------------
 */

static void do_put(struct model *m) {
    size_t i = random_below(&m->random, KEYS);
    struct slice value = random_value(m);
    assert_ok(drive_put(m->drive, key_of(m, i), value,
                        random_below(&m->random, 50) == 0 ? DRIVE_SYNC : DRIVE_NONE));
    model_add(m, i, value.data == NULL ? scratch : value.data, value.size);
}

static void do_delete(struct model *m) {
    size_t i = random_below(&m->random, KEYS);
    bool existed;
    assert_ok(drive_delete(m->drive, key_of(m, i), DRIVE_NONE, &existed));
    assert_int_equal(existed, newest(m, i) != NULL);
    model_delete(m, i);
}

static void do_batch(struct model *m) {
    struct drive_item items[20];
    size_t which[20], count = 1 + random_below(&m->random, 20);
    for (size_t n = 0; n < count; n++) {
        which[n] = random_below(&m->random, KEYS);
        bool is_delete = random_below(&m->random, 3) == 0;
        struct slice value = is_delete ? SLICE_EMPTY : random_value(m);
        uint8_t *copy = malloc(value.size + 1);
        if (value.size > 0)
            memcpy(copy, value.data, value.size);
        items[n] = (struct drive_item){.key = key_of(m, which[n]),
                                       .value = slice_of(copy, value.size),
                                       .is_delete = is_delete};
    }
    assert_ok(drive_batch(m->drive, items, count, DRIVE_NONE));
    for (size_t n = 0; n < count; n++) {
        assert_int_equal(items[n].existed, newest(m, which[n]) != NULL);
        if (items[n].is_delete)
            model_delete(m, which[n]);
        else
            model_add(m, which[n], items[n].value.data, items[n].value.size);
        free((void *)(uintptr_t)items[n].value.data);
    }
}

struct pour {
    struct slice left;
};

static enum status pour_next(void *context, void *buffer, size_t size, size_t *size_out) {
    struct pour *pour = context;
    size_t count = pour->left.size < size ? pour->left.size : size;
    count = count < 777 ? count : 777;
    memcpy(buffer, pour->left.data, count);
    pour->left = slice_of(pour->left.data + count, pour->left.size - count);
    *size_out = count;
    return STATUS_OK;
}

static void do_stream(struct model *m) {
    size_t i = random_below(&m->random, KEYS);
    struct pour pour = {random_value(m)};
    struct slice value = pour.left;
    struct drive_source source = {pour_next, &pour};
    assert_ok(drive_put_stream(m->drive, key_of(m, i), &source, DRIVE_NONE));
    model_add(m, i, value.data, value.size);
}

static void do_rename(struct model *m) {
    size_t from = random_below(&m->random, KEYS), to = random_below(&m->random, KEYS);
    enum status status = drive_rename(m->drive, key_of(m, from), key_of(m, to), DRIVE_NONE);
    const struct version *value = newest(m, from);
    if (value == NULL) {
        assert_status(status, STATUS_UNDEFINED_OBJECT);
    } else if (newest(m, to) != NULL) {
        assert_status(status, STATUS_DUPLICATE_OBJECT);
    } else {
        assert_ok(status);
        model_add(m, to, value->bytes, value->size);
        model_delete(m, from);
    }
}

static void do_reopen(struct model *m) {
    if (random_below(&m->random, 2) == 0)
        assert_ok(drive_snapshot(m->drive));
    if (random_below(&m->random, 2) == 0)
        do_put(m);
    assert_ok(drive_close(m->drive));
    assert_ok(drive_open(path_of(m->name), &(struct drive_options){0}, &m->drive));
    assert_int_equal(drive_recovery(m->drive)->tail_size, 0);
    assert_int_equal(drive_recovery(m->drive)->damage_count, 0);
}

static void do_compact(struct model *m) {
    struct drive_statistics before, after;
    drive_statistics(m->drive, &before);
    assert_ok(drive_compact(m->drive, NULL));
    drive_statistics(m->drive, &after);
    assert_true(after.file_size <= before.file_size);
    if (m->format == 1)
        assert_int_equal(after.file_size, before.file_size - before.saving);
    assert_int_equal(after.key_count, after.count);
    model_compact(m);
}

/* ---- comparison -------------------------------------------------------------------------------
 */

static void assert_version(const struct version *version, const uint8_t *data, size_t size) {
    assert_int_equal(size, version->size);
    if (size > 0)
        assert_memory_equal(data, version->bytes, size);
}

static void compare_gets(struct model *m) {
    struct slice keys[KEYS];
    struct drive_handle handles[KEYS];
    uint64_t live = 0;
    for (size_t i = 0; i < KEYS; i++)
        keys[i] = key_of(m, i);
    assert_ok(drive_get_many(m->drive, keys, KEYS, handles));
    for (size_t i = 0; i < KEYS; i++) {
        const struct version *version = newest(m, i);
        struct drive_handle handle;
        bool exists;
        assert_ok(drive_get(m->drive, keys[i], &handle));
        assert_ok(drive_exists(m->drive, keys[i], &exists));
        assert_int_equal(exists, version != NULL);
        if (version == NULL) {
            assert_null(handle.data);
            assert_null(handles[i].data);
            continue;
        }
        live++;
        assert_version(version, handle.data, handle.size);
        assert_version(version, handles[i].data, handles[i].size);
        drive_handle_release(&handle);
    }
    drive_handles_release(handles, KEYS);
    struct drive_statistics statistics;
    drive_statistics(m->drive, &statistics);
    assert_int_equal(statistics.count, live);
}

static size_t index_of(const struct model *m, const struct drive_entry *entry) {
    for (size_t i = 0; i < KEYS; i++) {
        if (entry->key.data != NULL
                ? slice_equal(entry->key, key_of(m, i))
                : hash_bytes(m->keys[i].key, m->keys[i].key_size) == entry->key_hash)
            return i;
    }
    fail_msg("unknown key");
    return 0;
}

/* Every live key once, its writes in order. */
static void compare_iterators(struct model *m, struct drive_iterator **iterators, unsigned count,
                              bool rising) {
    bool seen[KEYS] = {0};
    uint64_t last = rising ? 0 : UINT64_MAX;
    for (unsigned n = 0; n < count; n++) {
        struct drive_entry entry;
        while (drive_next(iterators[n], &entry)) {
            size_t i = index_of(m, &entry);
            assert_false(seen[i]);
            seen[i] = true;
            assert_non_null(newest(m, i));
            assert_version(newest(m, i), entry.value.data, entry.value.size);
            assert_true(rising ? m->keys[i].written > last : m->keys[i].written < last);
            last = m->keys[i].written;
        }
        drive_iterator_close(iterators[n]);
    }
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(seen[i], newest(m, i) != NULL);
}

struct history {
    const struct model_key *key;
    size_t left;
};

static enum status compare_version(void *context, const struct drive_entry *entry) {
    struct history *history = context;
    assert_true(history->left > 0);
    const struct version *version = &history->key->versions[--history->left];
    assert_int_equal(entry->deleted, version->bytes == NULL);
    if (!entry->deleted)
        assert_version(version, entry->value.data, entry->value.size);
    return STATUS_OK;
}

static void compare_all(struct model *m) {
    struct drive_iterator *iterators[4];
    compare_gets(m);
    assert_ok(drive_iterate(m->drive, DRIVE_OLDEST_FIRST, iterators));
    compare_iterators(m, iterators, 1, true);
    assert_ok(drive_iterate(m->drive, DRIVE_NEWEST_FIRST, iterators));
    compare_iterators(m, iterators, 1, false);
    assert_ok(drive_scan(m->drive, 4, iterators));
    compare_iterators(m, iterators, 4, true);
    uint64_t latest = 0;
    for (size_t i = 0; i < KEYS; i++) {
        struct history history = {&m->keys[i], m->keys[i].count};
        assert_ok(drive_history(m->drive, key_of(m, i), compare_version, &history));
        assert_int_equal(history.left, 0);
        if (newest(m, i) != NULL && m->keys[i].written > latest)
            latest = m->keys[i].written;
    }
    struct drive_handle handle;
    assert_ok(drive_newest(m->drive, &handle));
    for (size_t i = 0; i < KEYS; i++) {
        if (newest(m, i) != NULL && m->keys[i].written == latest)
            assert_version(newest(m, i), handle.data, handle.size);
    }
    drive_handle_release(&handle);
    uint64_t entries, damage;
    assert_ok(drive_verify(m->drive, 3, NULL, NULL, NULL, &entries, &damage));
    assert_int_equal(damage, 0);
}

/* An iterator opened now shows this moment whatever comes after it. */
static void compare_old_moment(struct model *m) {
    struct drive_iterator *iterators[4];
    uint64_t kind = random_below(&m->random, 3);
    unsigned count = kind == 2 ? 4 : 1;
    if (kind == 2)
        assert_ok(drive_scan(m->drive, 4, iterators));
    else
        assert_ok(drive_iterate(m->drive, (enum drive_order)kind, iterators));
    struct drive *drive = m->drive;
    struct drive_item items[KEYS];
    for (size_t i = 0; i < KEYS; i++) /* everything is written anew, or deleted, and put back */
        items[i] = (struct drive_item){
            .key = key_of(m, i), .value = text("later"), .is_delete = i % 2 == 0};
    assert_ok(drive_batch(drive, items, KEYS, DRIVE_NONE));
    if (random_below(&m->random, 2) == 0)
        assert_ok(drive_compact(drive, NULL));
    compare_iterators(m, iterators, count, kind != DRIVE_NEWEST_FIRST);
    for (size_t i = 0; i < KEYS; i++) { /* the model catches up */
        if (i % 2 == 0)
            model_delete(m, i);
        else
            model_add(m, i, (const uint8_t *)"later", 5);
    }
    assert_ok(drive_compact(drive, NULL));
    model_compact(m);
}

static void run(unsigned format, uint64_t seed) {
    struct model *m = calloc(1, sizeof *m);
    m->format = format;
    m->name = "model.drive";
    random_seed(&m->random, seed);
    for (size_t i = 0; i < KEYS; i++) {
        struct model_key *key = &m->keys[i];
        key->versions = calloc(VERSIONS_MAX, sizeof *key->versions);
        key->key_size =
            (size_t)snprintf((char *)key->key, sizeof key->key, "%*zu", (int)(i % 30), i);
    }
    m->keys[0].key_size = 0;
    for (size_t i = 2; format == 2 && i < 22; i += 2) {
        colliding_keys(i, m->keys[i].key, m->keys[i + 1].key);
        m->keys[i].key_size = m->keys[i + 1].key_size = 16;
    }
    assert_ok(drive_open(path_of(m->name),
                         &(struct drive_options){.create = true, .format = format}, &m->drive));
    for (int n = 0; n < OPERATIONS; n++) {
        uint64_t what = random_below(&m->random, 1000);
        if (what < 500)
            do_put(m);
        else if (what < 650)
            do_delete(m);
        else if (what < 850)
            do_batch(m);
        else if (what < 900)
            do_stream(m);
        else if (what < 970)
            do_rename(m);
        else if (what < 985)
            do_reopen(m);
        else if (what < 990)
            do_compact(m);
        else if (what < 992)
            compare_old_moment(m);
        else
            compare_all(m);
    }
    compare_all(m);
    assert_ok(drive_close(m->drive));
    char command[200];
    snprintf(command, sizeof command, "rm -f %s*", path_of(m->name));
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < KEYS; i++) {
        for (size_t v = 0; v < m->keys[i].count; v++)
            free(m->keys[i].versions[v].bytes);
        free(m->keys[i].versions);
    }
    free(m);
}

static void format_1_is_a_map(void **state) {
    for (uint64_t seed = 1; seed <= 4; seed++)
        run(1, seed);
}

static void format_2_is_a_map(void **state) {
    for (uint64_t seed = 1; seed <= 4; seed++)
        run(2, seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_1_is_a_map),
        cmocka_unit_test(format_2_is_a_map),
    };
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
