/* What table_check must find: entries of an index that are missing, that nobody asked for, or that
   took the place of another one. */
#include "table_fixture.h"

enum { ROWS = 40 };

static void make_rows(struct fiber *f, struct database *database) {
    struct work work;
    struct column_spec columns[] = {
        {.name = "id", .type = {TYPE_INT4, -1, 0, 0, 0}, .not_null = true},
        {.name = "a", .type = {TYPE_INT4, -1, 0, 0, 0}},
        {.name = "b", .type = {TYPE_TEXT, -1, 0, 0, 0}},
    };
    work_begin(f, &work, database);
    make_table(f, &work, "m", columns, 3);
    make_index(f, &work, "m", 'p', (int[]){1, 0});
    make_index(f, &work, "m", 'u', (int[]){2, 0});
    make_index(f, &work, "m", 'i', (int[]){3, -1, 0});
    for (int i = 0; i < ROWS; i++) {
        struct value row[] = {value_int4(i), i % 7 == 0 ? value_null(TYPE_OF(INT4)) : value_int4(i),
                              value_text(i % 3 == 0 ? "x" : "y")};
        assert_ok(table_insert(f, &work.context, find_table(&work, "m"), row, NULL));
    }
    work_commit(f, &work);
}

/* ---- one entry changes ------------------------------------------------------------------------
 */

struct entry {
    struct work *work;
    const struct index *index;
    bool found;
    uint8_t key[256], value[16];
    size_t key_size, value_size;
    struct partition *partition;
};

static enum status take_first(struct fiber *f, struct partition *partition,
                              const struct txn_entry *entry, void *context) {
    struct entry *first = context;
    if (first->found)
        return STATUS_OK;
    assert_true(entry->key.size <= sizeof first->key && entry->value.size <= sizeof first->value);
    memcpy(first->key, entry->key.data, first->key_size = entry->key.size);
    memcpy(first->value, entry->value.data, first->value_size = entry->value.size);
    first->partition = partition;
    first->found = true;
    return STATUS_OK;
}

static enum status find_here(struct fiber *f, struct partition *partition, void *argument) {
    struct entry *first = argument;
    struct txn_range range = {0};
    return txn_visit(f, first->work->context.transaction, partition, first->index->tree, &range,
                     take_first, first);
}

static enum status remove_here(struct fiber *f, struct partition *partition, void *argument) {
    struct entry *entry = argument;
    return txn_delete(f, entry->work->context.transaction, partition, entry->index->tree,
                      slice_of(entry->key, entry->key_size));
}

static enum status put_here(struct fiber *f, struct partition *partition, void *argument) {
    struct entry *entry = argument;
    return txn_put(f, entry->work->context.transaction, partition, entry->index->tree,
                   slice_of(entry->key, entry->key_size), slice_of(entry->value, entry->value_size),
                   0);
}

enum harm { REMOVE = 1, ADD_OTHER_KEY = 2, ADD_OTHER_END = 4, NAME_OTHER_ROW = 8 };

/* The harm done to the first entry of the index; it is committed. */
static void do_harm(struct fiber *f, struct database *database, unsigned index, unsigned harm) {
    struct work work;
    work_begin(f, &work, database);
    struct store *store = database->store;
    struct entry entry = {.work = &work, .index = find_table(&work, "m")->indexes[index]};
    for (unsigned p = 0; p < store_partition_count(store) && !entry.found; p++)
        assert_ok(partition_call(f, store, p, find_here, &entry));
    assert_true(entry.found);
    unsigned at = partition_number(entry.partition);
    if ((harm & REMOVE) != 0)
        assert_ok(partition_call(f, store, at, remove_here, &entry));
    if ((harm & ADD_OTHER_KEY) != 0)
        entry.key[1] ^= 0x40;
    if ((harm & ADD_OTHER_END) != 0)
        entry.key[entry.key_size - 1] ^= 0x40;
    if ((harm & NAME_OTHER_ROW) != 0)
        entry.value[0] ^= 1;
    if (harm != REMOVE)
        assert_ok(partition_call(f, store, at, put_here, &entry));
    work_commit(f, &work);
}

/* ---- findings -----------------------------------------------------------------------------------
 */

struct findings {
    unsigned count, no_entry, no_such_key, other_row;
};

static void take_finding(void *context, const char *line) {
    struct findings *findings = context;
    findings->count++;
    findings->no_entry += strstr(line, "no entry") != NULL;
    findings->no_such_key += strstr(line, "no such key") != NULL;
    findings->other_row += strstr(line, "names another row") != NULL;
}

static struct findings check(struct fiber *f, struct database *database) {
    struct work work;
    struct findings findings = {0};
    uint64_t damage;
    work_begin(f, &work, database);
    assert_ok(table_check(f, database->catalog, find_table(&work, "m"), take_finding, &findings,
                          &damage));
    assert_int_equal(damage, findings.count);
    work_rollback(f, &work);
    return findings;
}

static enum status damage_body(struct fiber *f, void *argument) {
    static const struct {
        unsigned index, harm;
        struct findings wanted;
    } cases[] = {
        {0, REMOVE, {1, 1, 0, 0}},
        {2, REMOVE, {1, 1, 0, 0}},
        {0, ADD_OTHER_KEY, {1, 0, 1, 0}},
        {1, ADD_OTHER_KEY, {1, 0, 1, 0}},
        {2, ADD_OTHER_KEY, {1, 0, 1, 0}},
        {2, ADD_OTHER_END, {1, 0, 1, 0}},
        {0, REMOVE | ADD_OTHER_KEY, {2, 1, 1, 0}}, /* as many entries as before */
        {2, REMOVE | ADD_OTHER_KEY, {2, 1, 1, 0}},
        {2, REMOVE | ADD_OTHER_END, {2, 1, 1, 0}},
        {0, NAME_OTHER_ROW, {2, 0, 1, 1}},
        {2, NAME_OTHER_ROW, {2, 0, 1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct database database;
        database_open(f, &database, true);
        make_rows(f, &database);
        struct findings found = check(f, &database);
        assert_int_equal(found.count, 0);
        do_harm(f, &database, cases[i].index, cases[i].harm);
        found = check(f, &database);
        assert_memory_equal(&found, &cases[i].wanted, sizeof found);
        database_close(f, &database);
        char command[128];
        snprintf(command, sizeof command, "rm -rf %s/data", fixture_root);
        assert_int_equal(system(command), 0);
    }
    return STATUS_OK;
}

static void wrong_entries_of_an_index_are_found(void **state) {
    fixture_run(damage_body);
}

static void wrong_entries_are_found_across_cores(void **state) {
    fixture_run_cores(damage_body, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_entries_of_an_index_are_found),
        cmocka_unit_test(wrong_entries_are_found_across_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
