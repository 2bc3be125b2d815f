/* The mark of a clean stop: with it a damaged journal takes nothing away, without it it does. */
#include <dirent.h>

#include "txn_fixture.h"

#include "txn/txn_format.h"

static void mark_has_its_golden_bytes(void **state) {
    static const uint8_t golden[STOP_MARK_SIZE] = {
        'S', 'A', 'T', 'O', 'R', 'I', 'S', 'T', 1, 0, 0, 0, 0x87, 0x29, 0xfe, 0x11,
        8,   7,   6,   5,   4,   3,   2,   1,   9, 1, 0, 0, 0,    0,    0,    0};
    struct stop_mark mark = {0x0102030405060708, {265}}, decoded;
    uint8_t bytes[STOP_MARK_SIZE];
    stop_mark_encode(&mark, bytes);
    if (memcmp(bytes, golden, sizeof golden) != 0)
        for (size_t i = 0; i < sizeof golden; i++)
            printf("0x%02x,%c", bytes[i], i % 16 == 15 ? '\n' : ' ');
    assert_memory_equal(bytes, golden, sizeof golden);
    assert_true(stop_mark_decode(golden, &decoded));
    assert_int_equal(decoded.database_id, mark.database_id);
    assert_int_equal(decoded.last.value, 265);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 4;
        assert_false(stop_mark_decode(bytes, &decoded));
        bytes[i] ^= 4;
    }
}

/* Flip a bit of the first frame of the newest segment, or remove all segments. */
static void journal_hurt(bool remove_all) {
    char folder[100], newest[400] = "";
    snprintf(folder, sizeof folder, "%s/data/journal", fixture_root);
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (strstr(entry->d_name, ".journal") == NULL)
            continue;
        if (remove_all)
            assert_int_equal(unlink(path), 0);
        else if (strcmp(path, newest) > 0)
            strcpy(newest, path);
    }
    closedir(directory);
    if (remove_all)
        return;
    FILE *file = fopen(newest, "r+b");
    assert_non_null(file);
    fseek(file, 4096 + 80, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, 4096 + 80, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
}

static void write_rows(struct fiber *f, struct store *store, const char *value) {
    for (int i = 0; i < 3; i++) {
        struct transaction *transaction = begin(f, store, ISOLATION_READ_COMMITTED);
        put(f, transaction, (unsigned)i, 5, "key", value);
        assert_ok(transaction_statement_end(f, transaction));
        commit(f, transaction);
    }
}

static void expect_rows(struct fiber *f, struct store *store, const char *value) {
    for (unsigned i = 0; i < 3; i++) {
        struct transaction *transaction = begin(f, store, ISOLATION_READ_COMMITTED);
        struct arena arena = {0};
        struct key_operation o = {
            .transaction = transaction, .tree = {5}, .key = slice_of_text("key"), .arena = &arena};
        assert_ok(partition_call(f, store, i, get_there, &o));
        assert_true(o.found && slice_equal(o.value, slice_of_text(value)));
        arena_release(&arena);
        transaction_rollback(f, transaction);
    }
}

static enum status stopped_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    write_rows(f, store, "first");
    assert_ok(store_close(f, store));
    journal_hurt(false);
    store = store_reopen(f);
    expect_rows(f, store, "first");
    uint64_t before = store_visible(store).value;
    write_rows(f, store, "second");
    assert_int_equal(store_visible(store).value, before + 3); /* numbers go on */
    assert_ok(store_close(f, store));
    journal_hurt(true);
    store = store_reopen(f);
    expect_rows(f, store, "second");
    write_rows(f, store, "third");
    store_abandon(f, store); /* the journal begun anew is replayed as any */
    store = store_reopen(f);
    expect_rows(f, store, "third");
    assert_ok(store_close(f, store));
    return STATUS_OK;
}

static void journal_is_not_needed_after_a_stop(void **state) {
    fixture_run(stopped_body, 1);
}

static enum status killed_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    assert_ok(store_close(f, store));
    store = store_reopen(f); /* takes the mark away */
    write_rows(f, store, "first");
    store_abandon(f, store);
    journal_hurt(false);
    struct store_options options = store_options_at("data", false);
    assert_status(store_open(f, &options, &store), STATUS_DATA_CORRUPTED);
    assert_non_null(strstr(error_current()->hint, "satori salvage"));
    return STATUS_OK;
}

static void journal_is_needed_after_a_kill(void **state) {
    fixture_run(killed_body, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mark_has_its_golden_bytes),
        cmocka_unit_test(journal_is_not_needed_after_a_stop),
        cmocka_unit_test(journal_is_needed_after_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
