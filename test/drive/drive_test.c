/* What a store of each format does, call by call. */
#include "drive_fixture.h"

#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "runtime/runtime_plain.h"

static struct drive *create(const char *name, unsigned format) {
    struct drive *drive;
    assert_ok(drive_open(
        path_of(name), &(struct drive_options){.create = true, .exclusive = true, .format = format},
        &drive));
    return drive;
}

static struct drive *reopen(struct drive *drive, const char *name) {
    assert_ok(drive_close(drive));
    assert_ok(drive_open(path_of(name), &(struct drive_options){0}, &drive));
    assert_int_equal(drive_recovery(drive)->tail_size, 0);
    assert_int_equal(drive_recovery(drive)->damage_count, 0);
    return drive;
}

static void put(struct drive *drive, const char *key, const char *value) {
    assert_ok(drive_put(drive, text(key), text(value), DRIVE_NONE));
}

/* ---- single calls ---------------------------------------------------------------------------- */

static void newest_wins_and_survives_reopening(void **state) {
    for (unsigned format = 1; format <= 2; format++) {
        const char *name = format == 1 ? "basic-1" : "basic-2";
        struct drive *drive = create(name, format);
        bool existed, exists;
        put(drive, "a", "one");
        put(drive, "b", "two");
        put(drive, "a", "three");
        assert_ok(drive_delete(drive, text("b"), DRIVE_SYNC, &existed));
        assert_true(existed);
        assert_ok(drive_delete(drive, text("c"), DRIVE_NONE, &existed));
        assert_false(existed);
        for (int round = 0; round < 2; round++) {
            assert_value(drive, text("a"), text("three"));
            assert_absent(drive, text("b"));
            assert_ok(drive_exists(drive, text("a"), &exists));
            assert_true(exists);
            assert_ok(drive_exists(drive, text("b"), &exists));
            assert_false(exists);
            struct drive_statistics statistics;
            drive_statistics(drive, &statistics);
            assert_int_equal(statistics.count, 1);
            assert_int_equal(statistics.format, format);
            drive = reopen(drive, name);
        }
        put(drive, "b", "back");
        assert_value(drive, text("b"), text("back"));
        assert_ok(drive_close(drive));
    }
}

static void empty_values_and_a_zero_byte_are_values_of_format_2(void **state) {
    struct drive *drive = create("zero", 2);
    assert_ok(drive_put(drive, text("empty"), SLICE_EMPTY, DRIVE_NONE));
    assert_ok(drive_put(drive, text("zero"), slice_of("\0", 1), DRIVE_NONE));
    assert_ok(drive_put(drive, SLICE_EMPTY, text("the empty key"), DRIVE_NONE));
    for (int round = 0; round < 2; round++) {
        assert_value(drive, text("empty"), SLICE_EMPTY);
        assert_value(drive, text("zero"), slice_of("\0", 1));
        assert_value(drive, SLICE_EMPTY, text("the empty key"));
        drive = reopen(drive, "zero");
    }
    assert_ok(drive_close(drive));
    drive = create("zero-1", 1);
    assert_status(drive_put(drive, text("empty"), SLICE_EMPTY, DRIVE_NONE),
                  STATUS_FEATURE_NOT_SUPPORTED);
    assert_status(drive_put(drive, text("zero"), slice_of("\0", 1), DRIVE_NONE),
                  STATUS_FEATURE_NOT_SUPPORTED);
    assert_ok(drive_close(drive));
}

static void values_start_at_the_alignment(void **state) {
    for (unsigned alignment = 1; alignment <= 4096; alignment *= 8) {
        char name[32];
        snprintf(name, sizeof name, "align-%u", alignment);
        struct drive *drive;
        assert_ok(drive_open(path_of(name),
                             &(struct drive_options){.create = true, .alignment = alignment},
                             &drive));
        for (int i = 1; i < 50; i++) {
            char key[64];
            uint8_t value[100];
            memset(value, i, sizeof value);
            snprintf(key, sizeof key, "%0*d", i, i);
            assert_ok(drive_put(drive, text(key), slice_of(value, (size_t)i), DRIVE_NONE));
            struct drive_handle handle;
            assert_ok(drive_get(drive, text(key), &handle));
            assert_int_equal((uintptr_t)handle.data % alignment, 0);
            struct drive_facts facts;
            drive_handle_facts(&handle, &facts);
            assert_int_equal(facts.value_offset % alignment, 0);
            assert_int_equal(facts.value_size, i);
            assert_true(slice_equal(facts.key, text(key)));
            assert_int_equal(facts.key_hash, hash_bytes(key, strlen(key)));
            assert_true(facts.time_us > 0);
            drive_handle_release(&handle);
        }
        assert_ok(drive_close(drive));
    }
    struct drive *drive;
    assert_status(drive_open(path_of("odd"),
                             &(struct drive_options){.create = true, .alignment = 48}, &drive),
                  STATUS_INVALID_PARAMETER_VALUE);
}

static void colliding_keys_are_told_apart(void **state) {
    struct drive *drive = create("collide", 2);
    uint8_t a[16], b[16];
    bool existed;
    for (uint64_t x = 1; x < 100; x++) {
        colliding_keys(x * 0x9e3779b97f4a7c15u, a, b);
        assert_int_equal(hash_bytes(a, 16), hash_bytes(b, 16));
        assert_memory_not_equal(a, b, 16);
        struct drive_item items[3] = {
            {.key = slice_of(a, 16), .value = text("first")},
            {.key = slice_of(b, 16), .value = text("second")},
            {.key = slice_of(a, 16), .value = text("third")},
        };
        assert_ok(drive_batch(drive, items, 3, DRIVE_NONE));
        assert_false(items[1].existed);
        assert_true(items[2].existed);
        if (x % 2 == 0)
            assert_ok(drive_delete(drive, slice_of(b, 16), DRIVE_NONE, &existed));
    }
    for (int round = 0; round < 3; round++) {
        for (uint64_t x = 1; x < 100; x++) {
            colliding_keys(x * 0x9e3779b97f4a7c15u, a, b);
            assert_value(drive, slice_of(a, 16), text("third"));
            if (x % 2 == 0)
                assert_absent(drive, slice_of(b, 16));
            else
                assert_value(drive, slice_of(b, 16), text("second"));
        }
        drive = reopen(drive, "collide");
        if (round == 1)
            assert_ok(drive_compact(drive, NULL));
    }
    assert_ok(drive_close(drive));
}

static void a_batch_is_in_order_and_knows_its_own_keys(void **state) {
    struct drive *drive = create("batch", 2);
    put(drive, "old", "1");
    struct drive_item items[] = {
        {.key = text("x"), .value = text("1")},   {.key = text("x"), .is_delete = true},
        {.key = text("x"), .is_delete = true},    {.key = text("y"), .is_delete = true},
        {.key = text("y"), .value = text("2")},   {.key = text("old"), .is_delete = true},
        {.key = text("old"), .value = text("3")}, {.key = text("none"), .is_delete = true},
    };
    static const bool existed[] = {false, true, false, false, false, true, false, false};
    assert_ok(drive_batch(drive, items, 8, DRIVE_SYNC));
    for (int i = 0; i < 8; i++)
        assert_int_equal(items[i].existed, existed[i]);
    for (int round = 0; round < 2; round++) {
        assert_absent(drive, text("x"));
        assert_value(drive, text("y"), text("2"));
        assert_value(drive, text("old"), text("3"));
        struct drive_statistics statistics;
        drive_statistics(drive, &statistics);
        assert_int_equal(statistics.count, 2);
        drive = reopen(drive, "batch");
    }
    assert_ok(drive_batch(drive, NULL, 0, DRIVE_SYNC));
    assert_ok(drive_close(drive));
}

static void handles_outlive_everything(void **state) {
    struct drive *drive = create("handles", 2);
    struct drive_handle handles[4], copy;
    for (int i = 0; i < 4; i++) {
        char value[16];
        snprintf(value, sizeof value, "value %d", i);
        put(drive, "key", value);
        assert_ok(drive_get(drive, text("key"), &handles[i]));
        if (i == 1)
            assert_ok(drive_compact(drive, NULL));
    }
    copy = drive_handle_copy(&handles[0]);
    drive_handle_release(&handles[0]);
    struct drive_iterator *iterator;
    assert_ok(drive_iterate(drive, DRIVE_OLDEST_FIRST, &iterator));
    assert_ok(drive_close(drive));
    struct drive_entry entry;
    assert_true(drive_next(iterator, &entry));
    assert_true(slice_equal(entry.value, text("value 3")));
    assert_false(drive_next(iterator, &entry));
    drive_iterator_close(iterator);
    for (int i = 1; i < 4; i++) {
        char value[16], part[4];
        snprintf(value, sizeof value, "value %d", i);
        assert_int_equal(handles[i].size, strlen(value));
        assert_memory_equal(handles[i].data, value, handles[i].size);
        assert_int_equal(drive_handle_read(&handles[i], 4, part, 4), 3);
        assert_memory_equal(part, value + 4, 3);
        assert_int_equal(drive_handle_read(&handles[i], 7, part, 4), 0);
        drive_handle_release(&handles[i]);
    }
    assert_memory_equal(copy.data, "value 0", 7);
    drive_handle_release(&copy);
}

/* ---- streams --------------------------------------------------------------------------------- */

struct pour {
    size_t left, piece;
    uint8_t next;
    bool fails;
};

static enum status pour_next(void *context, void *buffer, size_t size, size_t *size_out) {
    struct pour *pour = context;
    if (pour->left == 0 && pour->fails)
        return error_set(STATUS_IO_ERROR, "the well is dry");
    size_t count = pour->left < pour->piece ? pour->left : pour->piece;
    count = count < size ? count : size;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)buffer)[i] = pour->next++;
    pour->left -= count;
    *size_out = count;
    return STATUS_OK;
}

static void streams_become_values_or_nothing(void **state) {
    static const size_t sizes[] = {0, 1, 2, 7, 8, 63, 64, 65, 4096, 1 << 20, (3 << 20) + 5};
    for (unsigned format = 1; format <= 2; format++) {
        const char *name = format == 1 ? "stream-1" : "stream-2";
        struct drive *drive = create(name, format);
        put(drive, "before", "x");
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            char key[32];
            snprintf(key, sizeof key, "size %zu", sizes[i]);
            struct pour pour = {.left = sizes[i], .piece = 1000, .next = 1};
            struct drive_source source = {pour_next, &pour};
            if (format == 1 && sizes[i] == 0) {
                assert_status(drive_put_stream(drive, text(key), &source, DRIVE_NONE),
                              STATUS_FEATURE_NOT_SUPPORTED);
                continue;
            }
            assert_ok(drive_put_stream(drive, text(key), &source, i % 2 ? DRIVE_SYNC : DRIVE_NONE));
            struct drive_statistics before, after;
            drive_statistics(drive, &before);
            pour = (struct pour){.left = sizes[i], .piece = 1000, .fails = true};
            assert_status(drive_put_stream(drive, text("bad"), &source, DRIVE_NONE),
                          STATUS_IO_ERROR);
            assert_absent(drive, text("bad"));
            drive_statistics(drive, &after);
            assert_int_equal(after.file_size, before.file_size);
            put(drive, "after", key);
        }
        drive = reopen(drive, name);
        for (size_t i = format == 1; i < sizeof sizes / sizeof *sizes; i++) {
            char key[32];
            snprintf(key, sizeof key, "size %zu", sizes[i]);
            struct drive_handle handle;
            assert_ok(drive_get(drive, text(key), &handle));
            assert_int_equal(handle.size, sizes[i]);
            for (size_t at = 0; at < sizes[i]; at++) {
                if (handle.data[at] != (uint8_t)(at + 1))
                    fail_msg("byte %zu of %zu", at, sizes[i]);
            }
            assert_ok(drive_handle_verify(&handle));
            drive_handle_release(&handle);
        }
        assert_ok(drive_close(drive));
    }
}

/* ---- several stores ----------------------------------------------------------------------------
 */

static void rename_copy_and_move(void **state) {
    struct drive *a = create("rename-a", 2), *b = create("rename-b", 1);
    put(a, "one", "1");
    put(a, "two", "2");
    assert_status(drive_rename(a, text("none"), text("three"), DRIVE_NONE),
                  STATUS_UNDEFINED_OBJECT);
    assert_status(drive_rename(a, text("one"), text("two"), DRIVE_NONE), STATUS_DUPLICATE_OBJECT);
    assert_ok(drive_rename(a, text("one"), text("three"), DRIVE_SYNC));
    assert_absent(a, text("one"));
    assert_value(a, text("three"), text("1"));
    assert_ok(drive_copy(a, text("three"), b, text("copy"), DRIVE_NONE));
    assert_value(a, text("three"), text("1"));
    assert_value(b, text("copy"), text("1"));
    assert_ok(drive_move(a, text("three"), b, text("three"), DRIVE_NONE));
    assert_absent(a, text("three"));
    assert_value(b, text("three"), text("1"));
    assert_ok(drive_put(a, text("empty"), SLICE_EMPTY, DRIVE_NONE));
    assert_status(drive_move(a, text("empty"), b, text("empty"), DRIVE_NONE),
                  STATUS_FEATURE_NOT_SUPPORTED);
    assert_value(a, text("empty"), SLICE_EMPTY);
    assert_ok(drive_close(a));
    assert_ok(drive_close(b));
}

static void a_store_in_a_store_opens_in_place(void **state) {
    for (unsigned format = 1; format <= 2; format++) {
        char inner_name[32], outer_name[32];
        snprintf(inner_name, sizeof inner_name, "inner-%u", format);
        snprintf(outer_name, sizeof outer_name, "outer-%u", format);
        struct drive *inner = create(inner_name, format), *outer = create(outer_name, 2);
        for (int i = 0; i < 100; i++) {
            char key[16];
            snprintf(key, sizeof key, "key %d", i % 40);
            put(inner, key, key);
        }
        assert_ok(drive_close(inner));
        size_t size;
        uint8_t *bytes = file_bytes(path_of(inner_name), &size);
        assert_ok(drive_put(outer, text("store"), slice_of(bytes, size), DRIVE_NONE));
        free(bytes);
        struct drive_handle handle, value;
        assert_ok(drive_get(outer, text("store"), &handle));
        assert_ok(drive_open_nested(&handle, &inner));
        drive_handle_release(&handle);
        assert_ok(drive_close(outer));
        assert_value(inner, text("key 7"), text("key 7"));
        struct drive_statistics statistics;
        drive_statistics(inner, &statistics);
        assert_int_equal(statistics.count, 40);
        assert_true(statistics.nested);
        assert_status(drive_put(inner, text("x"), text("y"), DRIVE_NONE),
                      STATUS_READ_ONLY_TRANSACTION);
        assert_ok(drive_get(inner, text("key 9"), &value));
        assert_ok(drive_close(inner));
        assert_memory_equal(value.data, "key 9", 5); /* holds store, value and mapping */
        drive_handle_release(&value);
    }
}

static void conversion_refuses_what_the_other_cannot_hold(void **state) {
    struct drive *two = create("convert-2", 2), *one;
    put(two, "a", "1");
    put(two, "b", "2");
    put(two, "a", "3");
    struct drive_options to_one = {.format = 1}, to_two = {.format = 2};
    assert_ok(drive_convert(two, path_of("convert-1"), &to_one, NULL, 0, NULL));
    assert_ok(drive_open(path_of("convert-1"), &(struct drive_options){.format = 1}, &one));
    assert_value(one, text("a"), text("3"));
    assert_value(one, text("b"), text("2"));
    struct slice keys[] = {text("b"), text("zzz"), text("a")};
    assert_status(drive_convert(one, path_of("back"), &to_two, keys, 2, NULL),
                  STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE);
    assert_int_equal(access(path_of("back"), F_OK), -1);
    assert_ok(drive_convert(one, path_of("back"), &to_two, keys, 3, NULL));
    struct drive *back;
    assert_ok(drive_open(path_of("back"), &(struct drive_options){0}, &back));
    assert_value(back, text("a"), text("3"));
    assert_status(drive_convert(one, path_of("back"), &to_two, keys, 3, NULL),
                  STATUS_DUPLICATE_FILE);
    assert_ok(drive_put(two, text("e"), SLICE_EMPTY, DRIVE_NONE));
    assert_status(drive_convert(two, path_of("no"), &to_one, NULL, 0, NULL),
                  STATUS_FEATURE_NOT_SUPPORTED);
    assert_ok(drive_put(two, text("e"), text("not empty"), DRIVE_NONE));
    uint8_t a[16], b[16];
    colliding_keys(12345, a, b);
    assert_ok(drive_put(two, slice_of(a, 16), text("a"), DRIVE_NONE));
    assert_ok(drive_put(two, slice_of(b, 16), text("b"), DRIVE_NONE));
    assert_status(drive_convert(two, path_of("no"), &to_one, NULL, 0, NULL),
                  STATUS_FEATURE_NOT_SUPPORTED);
    assert_int_equal(access(path_of("no"), F_OK), -1);
    assert_ok(drive_close(one));
    assert_ok(drive_close(two));
    assert_ok(drive_close(back));
}

/* ---- readers of other processes ----------------------------------------------------------------
 */

static void a_reader_sees_appends_and_compactions_on_refresh(void **state) {
    for (unsigned format = 1; format <= 2; format++) {
        const char *name = format == 1 ? "refresh-1" : "refresh-2";
        struct drive *writer = create(name, format), *reader, *second;
        put(writer, "a", "1");
        assert_ok(drive_open(path_of(name), &(struct drive_options){.read_only = true}, &reader));
        assert_status(drive_open(path_of(name), &(struct drive_options){0}, &second),
                      STATUS_OBJECT_IN_USE);
        for (int i = 0; i < 3000; i++) {
            char value[16];
            snprintf(value, sizeof value, "%d", i);
            put(writer, "a", value);
            put(writer, value, "x");
            if (i % 500 == 499) {
                assert_ok(drive_refresh(reader));
                assert_value(reader, text("a"), text(value));
                assert_value(reader, text(value), text("x"));
            }
            if (i % 1000 == 700) {
                assert_ok(drive_compact(writer, NULL));
                assert_ok(drive_refresh(reader));
                assert_value(reader, text("a"), text(value));
            }
        }
        assert_status(drive_put(reader, text("a"), text("b"), DRIVE_NONE),
                      STATUS_READ_ONLY_TRANSACTION);
        assert_ok(drive_close(writer));
        assert_ok(drive_close(reader));
    }
}

/* ---- snapshots --------------------------------------------------------------------------------
 */

static void fill(struct drive *drive, unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) {
        char key[32], value[32];
        snprintf(key, sizeof key, "key %u", i % 9000);
        snprintf(value, sizeof value, "value %u", i);
        put(drive, key, value);
    }
}

static void check_filled(struct drive *drive, unsigned to) {
    for (unsigned i = 0; i < 9000; i += 7) {
        char key[32], value[32];
        unsigned newest = (to - 1 - i) / 9000 * 9000 + i;
        snprintf(key, sizeof key, "key %u", i);
        snprintf(value, sizeof value, "value %u", newest);
        assert_value(drive, text(key), text(value));
    }
    struct drive_statistics statistics;
    drive_statistics(drive, &statistics);
    assert_int_equal(statistics.count, 9000);
}

/* A few more entries are not worth writing the whole index again. */
static void a_snapshot_may_lag_a_little(void **state) {
    struct drive *drive = create("lag", 2);
    fill(drive, 0, 20000);
    assert_ok(drive_close(drive));
    size_t size, size_after;
    uint8_t *before = file_bytes(path_of("lag.index"), &size);
    for (unsigned round = 1; round <= 3; round++) {
        assert_ok(drive_open(path_of("lag"), &(struct drive_options){0}, &drive));
        assert_true(drive_recovery(drive)->snapshot_used);
        assert_true(drive_recovery(drive)->walked == (round - 1) * 100);
        fill(drive, 20000 + round * 100, 20000 + round * 100 + 100);
        assert_ok(drive_close(drive));
    }
    uint8_t *after = file_bytes(path_of("lag.index"), &size_after);
    assert_true(size == size_after && memcmp(before, after, size) == 0);
    free(before);
    free(after);
    assert_ok(drive_open(path_of("lag"), &(struct drive_options){0}, &drive));
    fill(drive, 30000, 30100); /* with the 300 before: over a 64th */
    assert_ok(drive_close(drive));
    assert_ok(drive_open(path_of("lag"), &(struct drive_options){0}, &drive));
    assert_true(drive_recovery(drive)->snapshot_used);
    assert_int_equal(drive_recovery(drive)->walked, 0);
    assert_ok(drive_close(drive));
}

static void a_snapshot_saves_the_walk_and_is_never_trusted_blindly(void **state) {
    for (unsigned format = 1; format <= 2; format++) {
        char name[32], index[64];
        snprintf(name, sizeof name, "snapshot-%u", format);
        snprintf(index, sizeof index, "snapshot-%u.index", format);
        struct drive *drive = create(name, format);
        fill(drive, 0, 20000);
        assert_ok(drive_close(drive));
        assert_ok(drive_open(path_of(name), &(struct drive_options){0}, &drive));
        assert_true(drive_recovery(drive)->snapshot_used);
        assert_int_equal(drive_recovery(drive)->walked, 0);
        check_filled(drive, 20000);
        fill(drive, 20000, 25000);
        assert_ok(drive_sync(drive));
        struct drive *reader; /* the snapshot is behind: the rest is walked */
        assert_ok(drive_open(path_of(name), &(struct drive_options){.read_only = true}, &reader));
        assert_true(drive_recovery(reader)->snapshot_used);
        assert_int_equal(drive_recovery(reader)->walked, 5000);
        check_filled(reader, 25000);
        assert_ok(drive_close(reader));
        assert_ok(drive_close(drive));
        size_t size;
        uint8_t *bytes = file_bytes(path_of(index), &size);
        struct random random;
        random_seed(&random, format);
        for (int i = 0; i < 60; i++) { /* damaged anywhere: ignored */
            size_t at = i < 40 ? (size_t)i * 3 : (size_t)random_below(&random, size);
            if (at >= 128 + 4 * 8 && at < 4096)
                continue; /* padding */
            bytes[at] ^= 0x10;
            file_put(path_of(index), bytes, size);
            bytes[at] ^= 0x10;
            assert_ok(
                drive_open(path_of(name), &(struct drive_options){.read_only = true}, &drive));
            assert_false(drive_recovery(drive)->snapshot_used);
            check_filled(drive, 25000);
            assert_ok(drive_close(drive));
        }
        file_put(path_of(index), bytes, size);
        assert_ok(drive_open(path_of(name), &(struct drive_options){0}, &drive));
        assert_true(drive_recovery(drive)->snapshot_used);
        assert_ok(drive_compact(drive, NULL)); /* the snapshot is of another file now */
        assert_ok(drive_open(path_of(name), &(struct drive_options){.read_only = true}, &reader));
        assert_false(drive_recovery(reader)->snapshot_used);
        check_filled(reader, 25000);
        assert_ok(drive_close(reader));
        assert_ok(drive_close(drive));
        free(bytes);
    }
}

/* ---- limits and refusals ----------------------------------------------------------------------
 */

struct refusal {
    enum plain_change change;
    int error, after;
    uint64_t size; /* of a write, let through */
};

static int refuse(void *context, struct plain_event *event) {
    struct refusal *refusal = context;
    if (event->change != refusal->change || refusal->after-- > 0)
        return 0;
    if (event->change == PLAIN_CHANGE_WRITE && refusal->size < event->size)
        event->size = refusal->size;
    return refusal->error;
}

static void failures_leave_the_store_as_it_was(void **state) {
    struct drive *drive = create("fails", 2);
    put(drive, "a", "1");
    struct drive_statistics before, after;
    drive_statistics(drive, &before);
    static uint8_t large[3 << 20];
    for (uint64_t size = 0; size < 3 << 20; size += 300000) {
        for (int later = 0; later < 2; later++) {
            struct refusal full = {PLAIN_CHANGE_WRITE, 28 /* ENOSPC */, later, size};
            struct drive_item items[3] = {
                {.key = text("b"), .value = slice_of(large, sizeof large)},
                {.key = text("a"), .is_delete = true},
                {.key = text("c"), .value = slice_of(large, sizeof large)},
            };
            plain_hook_set(refuse, &full);
            enum status status = drive_batch(drive, items, 3, DRIVE_NONE);
            plain_hook_set(NULL, NULL);
            assert_int_equal(status, STATUS_DISK_FULL);
            assert_value(drive, text("a"), text("1"));
            assert_absent(drive, text("b"));
            drive_statistics(drive, &after);
            assert_int_equal(after.file_size, before.file_size);
            struct stat info;
            assert_int_equal(stat(path_of("fails"), &info), 0);
            assert_int_equal(info.st_size, before.file_size);
        }
    }
    put(drive, "b", "2"); /* there is room again */
    assert_value(drive, text("b"), text("2"));
    struct refusal broken = {.change = PLAIN_CHANGE_SYNC, .error = 5 /* EIO */};
    plain_hook_set(refuse, &broken);
    assert_status(drive_put(drive, text("c"), text("3"), DRIVE_SYNC), STATUS_IO_ERROR);
    plain_hook_set(NULL, NULL);
    assert_status(drive_put(drive, text("d"), text("4"), DRIVE_NONE),
                  STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE);
    assert_value(drive, text("b"), text("2"));
    drive = reopen(drive, "fails");
    assert_value(drive, text("c"), text("3")); /* written, only not known to be durable */
    assert_ok(drive_close(drive));
}

static void a_failed_compaction_changes_nothing(void **state) {
    struct drive *drive = create("uncompacted", 2);
    for (int i = 0; i < 5000; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i % 100);
        put(drive, key, "some value or other");
    }
    static const enum plain_change changes[] = {PLAIN_CHANGE_CREATE, PLAIN_CHANGE_WRITE,
                                                PLAIN_CHANGE_SYNC, PLAIN_CHANGE_RENAME};
    for (size_t i = 0; i < 4; i++) {
        for (int after = 0; after < 2; after++) {
            struct refusal refusal = {changes[i], 28, after, 10};
            plain_hook_set(refuse, &refusal);
            enum status status = drive_compact(drive, NULL);
            plain_hook_set(NULL, NULL);
            if (refusal.after < 0)
                assert_int_equal(status, STATUS_DISK_FULL);
            put(drive, "still", "writable");
            assert_value(drive, text("77"), text("some value or other"));
            assert_int_equal(access(path_of("uncompacted.compact"), F_OK), -1);
        }
    }
    drive = reopen(drive, "uncompacted");
    assert_value(drive, text("77"), text("some value or other"));
    assert_ok(drive_close(drive));
}

/* Whoever renamed the file may have been killed before the directory was synced. */
static void a_sync_makes_the_name_of_the_file_durable(void **state) {
    struct drive *drive = create("renamed", 2);
    put(drive, "a", "1");
    drive = reopen(drive, "renamed");
    struct refusal refusal = {.change = PLAIN_CHANGE_DIRECTORY_SYNC, .error = 5 /* EIO */};
    plain_hook_set(refuse, &refusal);
    enum status status = drive_put(drive, text("b"), text("2"), DRIVE_SYNC);
    plain_hook_set(NULL, NULL);
    assert_status(status, STATUS_IO_ERROR);
    assert_status(drive_put(drive, text("c"), text("3"), DRIVE_NONE),
                  STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE);
    drive = reopen(drive, "renamed");
    assert_ok(drive_put(drive, text("c"), text("3"), DRIVE_SYNC));
    refusal = (struct refusal){.change = PLAIN_CHANGE_DIRECTORY_SYNC, .error = 5};
    plain_hook_set(refuse, &refusal); /* once is enough */
    status = drive_put(drive, text("d"), text("4"), DRIVE_SYNC);
    assert_ok(status);
    refusal.after = 1; /* behind that of the new file under its first name */
    status = drive_compact(drive, NULL);
    plain_hook_set(NULL, NULL);
    assert_status(status, STATUS_IO_ERROR);
    assert_status(drive_put(drive, text("e"), text("5"), DRIVE_SYNC),
                  STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE);
    drive = reopen(drive, "renamed");
    assert_value(drive, text("d"), text("4"));
    assert_ok(drive_close(drive));
}

static void what_is_no_store_is_refused_and_left_alone(void **state) {
    struct drive *drive;
    struct drive_options options = {.create = true};
    const char *path = path_of("letter");
    char letter[4000];
    for (size_t i = 0; i < sizeof letter; i++)
        letter[i] = "Dear reader, "[i % 13];
    file_put(path, letter, sizeof letter);
    assert_status(drive_open(path, &options, &drive), STATUS_WRONG_OBJECT_TYPE);
    memset(letter, 0, sizeof letter);
    file_put(path, letter, sizeof letter);
    assert_status(drive_open(path, &options, &drive), STATUS_WRONG_OBJECT_TYPE);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, sizeof letter);
    assert_status(drive_open(path_of("absent"), &(struct drive_options){0}, &drive),
                  STATUS_UNDEFINED_FILE);
    assert_status(drive_open(fixture_directory, &(struct drive_options){.read_only = true}, &drive),
                  STATUS_WRONG_OBJECT_TYPE);
    file_put(path, "", 0);
    assert_status(drive_open(path, &(struct drive_options){0}, &drive), STATUS_WRONG_OBJECT_TYPE);
    assert_ok(drive_open(path, &(struct drive_options){.read_only = true}, &drive));
    assert_absent(drive, text("x"));
    assert_ok(drive_close(drive));
    drive = create("newer", 2);
    assert_ok(drive_close(drive));
    size_t size;
    uint8_t *bytes = file_bytes(path_of("newer"), &size);
    bytes[8] = 3;
    file_put(path, bytes, size);
    assert_status(drive_open(path, &options, &drive), STATUS_DATA_CORRUPTED);
    put_le32(bytes + 60, crc32c(0, bytes, 60));
    file_put(path, bytes, size);
    assert_status(drive_open(path, &options, &drive), STATUS_FEATURE_NOT_SUPPORTED);
    free(bytes);
    assert_status(drive_open(path_of("newer"), &(struct drive_options){.format = 1}, &drive),
                  STATUS_WRONG_OBJECT_TYPE);
}

static void limits_are_stated(void **state) {
    struct drive *drive = create("limits", 2);
    static uint8_t key[DRIVE_KEY_SIZE_MAX + 1];
    assert_ok(drive_put(drive, slice_of(key, DRIVE_KEY_SIZE_MAX), text("long key"), DRIVE_NONE));
    assert_status(drive_put(drive, slice_of(key, sizeof key), text("x"), DRIVE_NONE),
                  STATUS_LIMIT_EXCEEDED);
    assert_status(
        drive_put(drive, text("x"), slice_of(key, (size_t)DRIVE_VALUE_SIZE_MAX + 1), DRIVE_NONE),
        STATUS_LIMIT_EXCEEDED);
    drive = reopen(drive, "limits");
    assert_value(drive, slice_of(key, DRIVE_KEY_SIZE_MAX), text("long key"));
    assert_ok(drive_close(drive));
    assert_ok(drive_open(path_of("small"),
                         &(struct drive_options){.create = true, .memory = 16 * 1024}, &drive));
    enum status status = STATUS_OK;
    unsigned stored = 0;
    for (; status == STATUS_OK; stored += status == STATUS_OK) {
        char name[16];
        snprintf(name, sizeof name, "%u", stored);
        status = drive_put(drive, text(name), text(name), DRIVE_NONE);
    }
    assert_int_equal(status, STATUS_LIMIT_EXCEEDED);
    assert_int_equal(stored, 1024 * 4 / 5);
    assert_value(drive, text("500"), text("500"));
    assert_ok(drive_close(drive));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_wins_and_survives_reopening),
        cmocka_unit_test(empty_values_and_a_zero_byte_are_values_of_format_2),
        cmocka_unit_test(values_start_at_the_alignment),
        cmocka_unit_test(colliding_keys_are_told_apart),
        cmocka_unit_test(a_batch_is_in_order_and_knows_its_own_keys),
        cmocka_unit_test(handles_outlive_everything),
        cmocka_unit_test(streams_become_values_or_nothing),
        cmocka_unit_test(rename_copy_and_move),
        cmocka_unit_test(a_store_in_a_store_opens_in_place),
        cmocka_unit_test(conversion_refuses_what_the_other_cannot_hold),
        cmocka_unit_test(a_reader_sees_appends_and_compactions_on_refresh),
        cmocka_unit_test(a_snapshot_may_lag_a_little),
        cmocka_unit_test(a_snapshot_saves_the_walk_and_is_never_trusted_blindly),
        cmocka_unit_test(failures_leave_the_store_as_it_was),
        cmocka_unit_test(a_failed_compaction_changes_nothing),
        cmocka_unit_test(a_sync_makes_the_name_of_the_file_durable),
        cmocka_unit_test(what_is_no_store_is_refused_and_left_alone),
        cmocka_unit_test(limits_are_stated),
    };
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
