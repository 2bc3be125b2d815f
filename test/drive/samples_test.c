/* Stores written by simd-r-drive 0.2.0-alpha: read as listed, written byte for byte the same. */
#include "drive_fixture.h"

#include <libgen.h>

#include "base/base_bytes.h"
#include "base/base_hash.h"

static const char *sample(const char *name) {
    static char paths[4][256];
    static unsigned next;
    char source[200];
    snprintf(source, sizeof source, "%s", __FILE__);
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/samples/%s", dirname(source), name);
    return path;
}

/* A sample in the test's directory, where it may be changed. */
static const char *copy_of(const char *name) {
    size_t size;
    uint8_t *bytes = file_bytes(sample(name), &size);
    const char *path = path_of(name);
    file_put(path, bytes, size);
    free(bytes);
    return path;
}

/* ---- the lists ------------------------------------------------------------------------------ */

struct listed {
    uint8_t key[256], value[4096];
    size_t key_size, value_size;
    bool deleted;
};

static size_t from_hex(const char *hex, size_t length, uint8_t *bytes) {
    for (size_t i = 0; i < length / 2; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    return length / 2;
}

static struct listed *read_list(const char *name, size_t *count_out) {
    size_t size, count = 0;
    char *text = (char *)file_bytes(sample(name), &size);
    struct listed *list = calloc(4000, sizeof *list);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        struct listed *item = &list[count++];
        char *tab = strchr(line, '\t');
        item->key_size = from_hex(line, (size_t)(tab - line), item->key);
        item->deleted = strcmp(tab + 1, "-") == 0;
        if (!item->deleted)
            item->value_size = from_hex(tab + 1, strlen(tab + 1), item->value);
    }
    free(text);
    *count_out = count;
    return list;
}

static uint64_t listed_number(const char *name, const char *field) {
    size_t size;
    char *text = (char *)file_bytes(sample(name), &size);
    char *at = strstr(text, field);
    assert_non_null(at);
    uint64_t number = strtoull(at + strlen(field), NULL, 10);
    free(text);
    return number;
}

static void assert_reads_as(struct drive *drive, const char *list_name) {
    size_t count, live = 0;
    struct listed *list = read_list(list_name, &count);
    for (size_t i = 0; i < count; i++) {
        struct slice key = slice_of(list[i].key, list[i].key_size);
        if (list[i].deleted)
            assert_absent(drive, key);
        else
            assert_value(drive, key, slice_of(list[i].value, list[i].value_size));
        live += !list[i].deleted;
    }
    struct drive_statistics statistics;
    drive_statistics(drive, &statistics);
    assert_int_equal(statistics.count, live);
    assert_int_equal(statistics.format, 1);
    free(list);
}

static void the_samples_read_as_listed(void **state) {
    static const char *const names[] = {"basic", "random", "batch"};
    for (size_t i = 0; i < 3; i++) {
        char store[32], list[32];
        snprintf(store, sizeof store, "%s.drive", names[i]);
        snprintf(list, sizeof list, "%s.tsv", names[i]);
        struct drive *drive;
        assert_ok(drive_open(sample(store), &(struct drive_options){.read_only = true}, &drive));
        assert_reads_as(drive, list);
        uint64_t entries, damage;
        assert_ok(drive_verify(drive, 3, NULL, NULL, NULL, &entries, &damage));
        assert_int_equal(damage, 0);
        assert_ok(drive_close(drive));
    }
}

static void the_compacted_sample_has_the_listed_entries(void **state) {
    struct drive *drive;
    struct drive_statistics statistics;
    assert_ok(
        drive_open(sample("compacted.drive"), &(struct drive_options){.read_only = true}, &drive));
    drive_statistics(drive, &statistics);
    assert_int_equal(statistics.count, listed_number("compacted.txt", "live_entries"));
    assert_int_equal(statistics.saving, 0);
    assert_reads_as(drive, "random.tsv");
    assert_ok(drive_close(drive));
}

static void compaction_saves_what_that_engine_saves(void **state) {
    struct drive *drive;
    struct drive_statistics statistics;
    assert_ok(drive_open(copy_of("random.drive"), &(struct drive_options){0}, &drive));
    drive_statistics(drive, &statistics);
    assert_int_equal(statistics.file_size, listed_number("compacted.txt", "size_before"));
    assert_int_equal(statistics.saving, listed_number("compacted.txt", "estimated_savings"));
    assert_ok(drive_compact(drive, NULL));
    drive_statistics(drive, &statistics);
    assert_int_equal(statistics.file_size, listed_number("compacted.txt", "size_after"));
    assert_reads_as(drive, "random.tsv");
    assert_ok(drive_close(drive));
    assert_ok(drive_open(path_of("random.drive"), &(struct drive_options){0}, &drive));
    assert_reads_as(drive, "random.tsv");
    assert_ok(drive_close(drive));
}

static void torn_and_garbage_tails_are_cut_to_the_listed_lengths(void **state) {
    static const char *const names[] = {"torn", "garbage-tail"};
    for (size_t i = 0; i < 2; i++) {
        char store[32], list[32];
        snprintf(store, sizeof store, "%s.drive", names[i]);
        snprintf(list, sizeof list, "%s.txt", names[i]);
        const char *path = copy_of(store);
        size_t size;
        free(file_bytes(path, &size));
        uint64_t length = listed_number(list, "recovered_length");
        struct drive *drive;
        struct drive_statistics statistics;
        /* For reading only nothing is changed. */
        assert_ok(drive_open(path, &(struct drive_options){.read_only = true}, &drive));
        assert_int_equal(drive_recovery(drive)->tail_size, size - length);
        assert_ok(drive_close(drive));
        struct stat info;
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_size, size);
        assert_ok(drive_open(path, &(struct drive_options){.keep_tail = true}, &drive));
        const struct drive_recovery *recovery = drive_recovery(drive);
        assert_int_equal(recovery->tail_size, size - length);
        assert_int_equal(recovery->tail_offset, length);
        assert_int_equal(recovery->damage_count, 0);
        drive_statistics(drive, &statistics);
        assert_int_equal(statistics.count, listed_number(list, "live_entries"));
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_size, length);
        assert_int_equal(stat(recovery->tail_path, &info), 0);
        assert_int_equal(info.st_size, size - length);
        assert_ok(drive_close(drive));
    }
}

/* ---- the same operations, the same bytes ------------------------------------------------------
 */

/* The operations that made a sample, from its entries and the list of its keys. */
static size_t operations_of(const uint8_t *bytes, size_t size, const struct listed *list,
                            size_t list_count, struct drive_item *items) {
    size_t count = 0, end = size;
    while (end > 0) { /* from the end backwards; turned round below */
        uint64_t hash = get_le64(bytes + end - 20), start = get_le64(bytes + end - 12);
        struct drive_item *item = &items[count++];
        for (size_t i = 0; i < list_count && item->key.data == NULL; i++) {
            if (hash_bytes(list[i].key, list[i].key_size) == hash)
                item->key = slice_of(list[i].key, list[i].key_size);
        }
        assert_non_null(item->key.data);
        item->value = slice_of(bytes + start, end - 20 - start);
        item->is_delete = item->value.size == 1 && item->value.data[0] == 0;
        end = start;
    }
    for (size_t i = 0; i < count / 2; i++) {
        struct drive_item other = items[i];
        items[i] = items[count - 1 - i];
        items[count - 1 - i] = other;
    }
    return count;
}

static void write_again(const char *name, size_t batch) {
    char store[32], list_name[32], again[32];
    snprintf(store, sizeof store, "%s.drive", name);
    snprintf(list_name, sizeof list_name, "%s.tsv", name);
    snprintf(again, sizeof again, "%s-%zu.again", name, batch);
    size_t size, list_count;
    uint8_t *bytes = file_bytes(sample(store), &size);
    struct listed *list = read_list(list_name, &list_count);
    struct drive_item *items = calloc(4000, sizeof *items);
    size_t count = operations_of(bytes, size, list, list_count, items);
    struct drive *drive;
    assert_ok(
        drive_open(path_of(again), &(struct drive_options){.create = true, .format = 1}, &drive));
    for (size_t i = 0; i < count; i += batch)
        assert_ok(drive_batch(drive, items + i, count - i < batch ? count - i : batch, DRIVE_NONE));
    assert_ok(drive_close(drive));
    size_t again_size;
    uint8_t *written = file_bytes(path_of(again), &again_size);
    assert_int_equal(again_size, size);
    assert_memory_equal(written, bytes, size);
    free(written);
    free(items);
    free(list);
    free(bytes);
}

static void the_same_operations_make_the_same_bytes(void **state) {
    write_again("basic", 1);
    write_again("batch", 50);
    write_again("batch", 1);
    write_again("random", 1);
    write_again("random", 7);
}

static void damage_in_the_middle_of_the_chain_hides_only_itself(void **state) {
    size_t size, list_count;
    uint8_t *bytes = file_bytes(sample("batch.drive"), &size);
    size_t end = size;
    for (int i = 0; i < 200; i++)
        end = get_le64(bytes + end - 12);
    bytes[end - 12 + 6] ^= 0x40; /* its trailer leads nowhere */
    file_put(path_of("middle.drive"), bytes, size);
    struct drive *drive;
    assert_ok(drive_open(path_of("middle.drive"), &(struct drive_options){0}, &drive));
    const struct drive_recovery *recovery = drive_recovery(drive);
    assert_int_equal(recovery->tail_size, 0);
    assert_int_equal(recovery->damage_count, 1);
    assert_int_equal(recovery->damage[0].offset + recovery->damage[0].size, end);
    struct listed *list = read_list("batch.tsv", &list_count);
    uint64_t readable = 0;
    for (size_t i = 0; i < list_count; i++) {
        struct drive_handle handle;
        assert_ok(drive_get(drive, slice_of(list[i].key, list[i].key_size), &handle));
        readable += handle.data != NULL;
        drive_handle_release(&handle);
    }
    assert_true(readable >= list_count - 1);
    uint64_t entries, damage;
    assert_ok(drive_verify(drive, 2, NULL, NULL, NULL, &entries, &damage));
    assert_int_equal(damage, 1);
    assert_status(drive_compact(drive, NULL), STATUS_DATA_CORRUPTED);
    assert_ok(drive_close(drive));
    free(list);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_samples_read_as_listed),
        cmocka_unit_test(the_compacted_sample_has_the_listed_entries),
        cmocka_unit_test(compaction_saves_what_that_engine_saves),
        cmocka_unit_test(torn_and_garbage_tails_are_cut_to_the_listed_lengths),
        cmocka_unit_test(the_same_operations_make_the_same_bytes),
        cmocka_unit_test(damage_in_the_middle_of_the_chain_hides_only_itself),
    };
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
