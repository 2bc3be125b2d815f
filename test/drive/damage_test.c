/* Damaged files: every bit of a small store, random mutations of larger ones. */
#include "drive_fixture.h"

#include "base/base_hash.h"

enum { KEYS = 12 };

static void key_name(int i, char *key) {
    snprintf(key, 32, "key number %d", i);
}

static void value_of(int i, int round, char *value) {
    snprintf(value, 64, "the value %d in round %d", i, round);
}

/* Keys 0 .. KEYS-1 with round 1 as their newest value, in batches and alone, over several openings;
   the last opening leaves a seal behind it. */
static void build(const char *name, unsigned format) {
    struct drive *drive;
    for (int round = 0; round < 2; round++) {
        assert_ok(drive_open(path_of(name),
                             &(struct drive_options){.create = true, .format = format}, &drive));
        for (int i = 0; i < KEYS; i += 3) {
            char keys[3][32], values[3][64];
            struct drive_item items[3];
            for (int j = 0; j < 3; j++) {
                key_name(i + j, keys[j]);
                value_of(i + j, round, values[j]);
                items[j] = (struct drive_item){.key = text(keys[j]), .value = text(values[j])};
            }
            assert_ok(drive_batch(drive, items, 3, DRIVE_NONE));
        }
        assert_ok(drive_put(drive, text("gone"), text("x"), DRIVE_NONE));
        bool existed;
        assert_ok(drive_delete(drive, text("gone"), DRIVE_NONE, &existed));
        assert_ok(drive_close(drive));
    }
}

/* How many keys do not read as they should; each of those must have been announced. */
static int wrong_keys(struct drive *drive, bool *announced) {
    int wrong = 0;
    const struct drive_recovery *recovery = drive_recovery(drive);
    *announced = recovery->damage_count > 0 || recovery->tail_size > 0;
    for (int i = 0; i < KEYS; i++) {
        char key[32], value[64];
        struct drive_handle handle;
        key_name(i, key);
        value_of(i, 1, value);
        enum status status = drive_get(drive, text(key), &handle);
        bool right = status == STATUS_OK && handle.data != NULL &&
                     slice_equal(slice_of(handle.data, handle.size), text(value));
        if (!right) {
            bool told = *announced || status == STATUS_DATA_CORRUPTED ||
                        (handle.data != NULL && drive_handle_verify(&handle) != STATUS_OK);
            if (!told)
                fail_msg("key %d is silently wrong", i);
            wrong++;
        }
        drive_handle_release(&handle);
    }
    return wrong;
}

static void flip_every_bit(unsigned format) {
    char name[32], flipped[32];
    snprintf(name, sizeof name, "flip-%u", format);
    snprintf(flipped, sizeof flipped, "flipped-%u", format);
    build(name, format);
    size_t size;
    uint8_t *bytes = file_bytes(path_of(name), &size);
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        file_put(path_of(flipped), bytes, size);
        struct drive *drive;
        struct drive_options options = {.read_only = true};
        enum status status = drive_open(path_of(flipped), &options, &drive);
        if (status != STATUS_OK) {
            /* Only the file header, or what tells the formats apart, can close a store. */
            if (format != 2 || bit / 8 >= 64)
                fail_msg("byte %zu: %s", bit / 8, error_current()->message);
        } else {
            bool announced;
            uint64_t entries, damage;
            int wrong = wrong_keys(drive, &announced);
            if (wrong > 1)
                fail_msg("bit %zu of byte %zu spoils %d keys", bit % 8, bit / 8, wrong);
            assert_ok(drive_verify(drive, 2, NULL, NULL, NULL, &entries, &damage));
            /* Format 1 does not cover the hash of the key. */
            if (damage == 0 && drive_recovery(drive)->tail_size == 0 && format == 2)
                fail_msg("bit %zu of byte %zu is not noticed", bit % 8, bit / 8);
            assert_ok(drive_close(drive));
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(bytes);
}

static void every_bit_of_format_2_is_guarded(void **state) {
    flip_every_bit(2);
}

/* In format 1 a flip in a key's hash makes another key of it and no checksum tells. */
static void a_flip_in_format_1_spoils_one_key_at_most(void **state) {
    build("flip-1", 1);
    size_t size;
    uint8_t *bytes = file_bytes(path_of("flip-1"), &size);
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        file_put(path_of("flipped-1"), bytes, size);
        struct drive *drive;
        assert_ok(
            drive_open(path_of("flipped-1"), &(struct drive_options){.read_only = true}, &drive));
        int wrong = 0;
        for (int i = 0; i < KEYS; i++) {
            char key[32], value[64];
            struct drive_handle handle;
            key_name(i, key);
            value_of(i, 1, value);
            wrong += drive_get(drive, text(key), &handle) != STATUS_OK || handle.data == NULL ||
                     !slice_equal(slice_of(handle.data, handle.size), text(value));
            drive_handle_release(&handle);
        }
        if (wrong > 1)
            fail_msg("bit %zu of byte %zu of %zu spoils %d keys", bit % 8, bit / 8, size, wrong);
        assert_ok(drive_close(drive));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(bytes);
}

static void damage_in_the_middle_is_named_and_kept(void **state) {
    build("middle", 2);
    size_t size;
    uint8_t *bytes = file_bytes(path_of("middle"), &size);
    struct drive *drive;
    char key[32];
    key_name(4, key);
    assert_ok(drive_open(path_of("middle"), &(struct drive_options){0}, &drive));
    struct drive_handle handle;
    struct drive_facts facts;
    assert_ok(drive_get(drive, text(key), &handle));
    drive_handle_facts(&handle, &facts);
    drive_handle_release(&handle);
    assert_ok(drive_close(drive));
    memset(bytes + facts.entry_offset + 2, 0xEE, 20);
    file_put(path_of("middle"), bytes, size);
    assert_ok(drive_open(path_of("middle"), &(struct drive_options){0}, &drive));
    const struct drive_recovery *recovery = drive_recovery(drive);
    assert_int_equal(recovery->tail_size, 0);
    assert_int_equal(recovery->damage_count, 1);
    assert_int_equal(recovery->damage[0].offset, facts.entry_offset);
    assert_int_equal(recovery->damage[0].size, facts.entry_size);
    bool announced;
    assert_int_equal(wrong_keys(drive, &announced), 1);
    char value[64];
    value_of(4, 0, value); /* what is left is the version before */
    assert_value(drive, text(key), text(value));
    assert_ok(drive_put(drive, text(key), text("mended"), DRIVE_SYNC));
    assert_ok(drive_close(drive));
    struct stat info;
    assert_int_equal(stat(path_of("middle"), &info), 0);
    assert_true(info.st_size > (off_t)size);
    assert_ok(drive_open(path_of("middle"), &(struct drive_options){0}, &drive));
    assert_value(drive, text(key), text("mended"));
    assert_ok(drive_close(drive));
    free(bytes);
}

/* ---- mutations --------------------------------------------------------------------------------
 */

static enum status touch(void *context, const struct drive_entry *entry) {
    uint64_t *sum = context;
    for (size_t i = 0; i < entry->value.size; i++)
        *sum += entry->value.data[i];
    return STATUS_OK;
}

static void walk_everything(struct drive *drive) {
    uint64_t sum = 0, entries, damage;
    struct drive_iterator *iterator;
    struct drive_entry entry;
    for (int order = 0; order < 2; order++) {
        assert_ok(drive_iterate(drive, (enum drive_order)order, &iterator));
        while (drive_next(iterator, &entry))
            touch(&sum, &entry);
        drive_iterator_close(iterator);
    }
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        struct drive_handle handle;
        key_name(i, key);
        if (drive_get(drive, text(key), &handle) == STATUS_OK && handle.data != NULL &&
            handle.size > 0)
            sum += handle.data[handle.size - 1];
        drive_handle_release(&handle);
        enum status status = drive_history(drive, text(key), touch, &sum);
        assert_true(status == STATUS_OK || status == STATUS_DATA_CORRUPTED);
    }
    assert_ok(drive_verify(drive, 2, NULL, NULL, NULL, &entries, &damage));
}

static size_t mutate(struct random *random, uint8_t *bytes, size_t size) {
    for (uint64_t n = 1 + random_below(random, 6); n > 0 && size > 0; n--) {
        size_t at = random_below(random, size), other = random_below(random, size);
        size_t run = 1 + random_below(random, 64);
        run = run < size - at ? run : size - at;
        run = run < size - other ? run : size - other;
        switch (random_below(random, 7)) {
        case 0:
            bytes[at] = (uint8_t)random_next(random);
            break;
        case 1:
            bytes[at] ^= (uint8_t)(1u << random_below(random, 8));
            break;
        case 2:
            memset(bytes + at, random_below(random, 2) ? 0 : 0xFF, run);
            break;
        case 3:
            memmove(bytes + at, bytes + other, run);
            break;
        case 4:
            size = random_below(random, 4) == 0 ? at : size;
            break;
        case 5:
            if (size - at >= 8)
                put_le64(bytes + at, random_below(random, 2 * size));
            break;
        default:
            memmove(bytes + at, bytes + at + run, size - at - run);
            size -= run;
        }
    }
    return size;
}

static void mutated_files_are_read_or_refused(void **state) {
    struct random random;
    random_seed(&random, 5);
    for (unsigned format = 1; format <= 2; format++) {
        char name[32];
        snprintf(name, sizeof name, "mutate-%u", format);
        build(name, format);
        struct drive *drive;
        assert_ok(drive_open(path_of(name), &(struct drive_options){0}, &drive));
        assert_ok(drive_snapshot(drive));
        assert_ok(drive_close(drive));
        size_t size, index_size;
        uint8_t *bytes = file_bytes(path_of(name), &size);
        char index_name[64];
        snprintf(index_name, sizeof index_name, "%s.index", path_of(name));
        uint8_t *index = file_bytes(index_name, &index_size);
        uint8_t *copy = malloc(size + index_size);
        for (int i = 0; i < 1500; i++) {
            memcpy(copy, bytes, size);
            file_put(path_of("mutant"), copy, mutate(&random, copy, size));
            memcpy(copy, index, index_size);
            size_t mutant_index = i % 3 == 0 ? mutate(&random, copy, index_size) : index_size;
            file_put(path_of("mutant.index"), copy, mutant_index);
            struct drive_options options = {.read_only = i % 2 == 0};
            if (drive_open(path_of("mutant"), &options, &drive) != STATUS_OK)
                continue;
            walk_everything(drive);
            if (i % 2 != 0) {
                assert_ok(drive_put(drive, text("key number 3"), text("new"), DRIVE_NONE));
                assert_value(drive, text("key number 3"), text("new"));
                assert_ok(drive_close(drive));
                assert_ok(drive_open(path_of("mutant"), &options, &drive));
                assert_value(drive, text("key number 3"), text("new"));
            }
            assert_ok(drive_close(drive));
        }
        free(copy);
        free(index);
        free(bytes);
    }
}

/* ---- cut off while it is open ------------------------------------------------------------------
 */

static void a_file_cut_from_outside_is_told(void **state) {
    for (unsigned format = 1; format <= 2; format++) {
        struct drive *writer, *reader, *again;
        const char *name = format == 1 ? "cut-1" : "cut-2";
        assert_ok(drive_open(path_of(name),
                             &(struct drive_options){.create = true, .format = format}, &writer));
        assert_ok(drive_put(writer, text("kept"), text("value"), DRIVE_NONE));
        struct drive_statistics first;
        drive_statistics(writer, &first);
        assert_ok(drive_put(writer, text("lost"), text("value"), DRIVE_NONE));
        assert_ok(drive_open(path_of(name), &(struct drive_options){.read_only = true}, &reader));
        assert_int_equal(truncate(path_of(name), (off_t)first.file_size + 3), 0);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(drive_refresh(reader), STATUS_DATA_CORRUPTED);
            assert_non_null(strstr(error_current()->message, "cut off from outside"));
        }
        /* A hole would be written if this went on; and it does not begin to look right later. */
        assert_int_equal(drive_put(writer, text("new"), text("value"), DRIVE_SYNC),
                         STATUS_DATA_CORRUPTED);
        assert_int_equal(drive_put(writer, text("new"), text("value"), DRIVE_NONE),
                         STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE);
        struct stat info;
        assert_int_equal(stat(path_of(name), &info), 0);
        assert_int_equal(info.st_size, first.file_size + 3);
        (void)!drive_close(writer);
        assert_ok(drive_close(reader));
        assert_ok(drive_open(path_of(name), &(struct drive_options){0}, &again));
        assert_int_equal(drive_recovery(again)->tail_size, 3);
        struct drive_handle handle;
        assert_ok(drive_get(again, text("kept"), &handle));
        assert_non_null(handle.data);
        drive_handle_release(&handle);
        assert_ok(drive_get(again, text("lost"), &handle));
        assert_null(handle.data);
        assert_ok(drive_close(again));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_of_format_2_is_guarded),
        cmocka_unit_test(a_flip_in_format_1_spoils_one_key_at_most),
        cmocka_unit_test(damage_in_the_middle_is_named_and_kept),
        cmocka_unit_test(mutated_files_are_read_or_refused),
        cmocka_unit_test(a_file_cut_from_outside_is_told),
    };
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
