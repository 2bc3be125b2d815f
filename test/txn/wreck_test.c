/*
 * Damage that no checksum tells: pages, references and commit records with right checksums that say
 * what cannot be, as a bug would leave them. The check names each; scans fail or answer, and never
 * crash; salvage reads around it, tells what is lost and leaves a copy that is sound. A commit
 * record that cannot be read is refused at the start.
 */
#include "txn_fixture.h"

#include "btree/node.h"
#include "journal/journal.h"
#include "txn/store.h"
#include "txn/txn_salvage.h"

enum { ROW_TREE = 9, LARGE_TREE = ROW_TREE | TREE_LARGE, OTHER_TREE = 11, ROWS = 2500, LARGES = 6 };

static struct store *store_at(struct fiber *f, const char *name, bool create) {
    struct store *store;
    struct store_options options = store_options_at(name, create);
    options.partition_count = create ? 1 : 0;
    options.checkpoint_interval_ms = 3600000;
    assert_ok(store_open(f, &options, &store));
    return store;
}

static void store_remove(const char *name) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s/%s", fixture_root, name);
    assert_int_equal(system(command), 0);
}

/* ---- a store -------------------------------------------------------------------------------- */

static enum status fill_there(struct fiber *f, struct partition *partition, void *argument) {
    static uint8_t value[40000];
    uint8_t key[8];
    for (uint64_t i = 0; i < 2 * ROWS; i++) {
        put_be64(key, i / 2);
        memset(value, (int)i, 100);
        TRY(txn_put(f, argument, partition, (struct tree_id){i % 2 == 0 ? ROW_TREE : OTHER_TREE},
                    slice_of(key, 8), slice_of(value, 100), 0));
    }
    for (uint64_t i = 0; i < LARGES; i++) {
        put_be64(key, i);
        memset(value, (int)i, sizeof value);
        TRY(txn_put_large(f, argument, partition, (struct tree_id){LARGE_TREE}, slice_of(key, 8),
                          slice_of(value, i == 0 ? 10 : 30000 + 1000 * i)));
    }
    return STATUS_OK;
}

static struct store *filled(struct fiber *f) {
    struct store *store = store_at(f, "data", true);
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(partition_call(f, store, 0, fill_there, t));
    commit(f, t);
    assert_ok(store_checkpoint(f, store));
    return store;
}

/* ---- damage --------------------------------------------------------------------------------- */

struct wreck {
    void (*hurt)(struct fiber *f, struct partition *partition, const struct wreck *wreck);
    unsigned at, size; /* bytes of a page */
    uint64_t value;
    const char *finding; /* part of what the check says; NULL: nothing */
    bool whole;          /* salvage loses nothing */
};

static struct tree *tree_of(struct partition *partition, uint32_t id) {
    struct tree *tree;
    assert_ok(partition__tree(partition, (struct tree_id){id}, &tree));
    return tree;
}

static struct page *page_to_change(struct fiber *f, struct partition *partition,
                                   struct page_id id) {
    struct page *page;
    assert_ok(pager_reserve(f, partition->pager, 1));
    assert_ok(pager_fetch(f, partition->pager, id, &page));
    pager_modify(partition->pager, page);
    return page;
}

static void bytes_change(uint8_t *at, const struct wreck *wreck) {
    for (unsigned i = 0; i < wreck->size; i++)
        at[i] = (uint8_t)(wreck->value >> 8 * i);
}

static struct node page_node(const struct page *page) {
    return (struct node){page->data, page->size};
}

/* The root, which is above the leaves. */
static void root(struct fiber *f, struct partition *partition, const struct wreck *wreck) {
    struct page *page = page_to_change(f, partition, tree_of(partition, ROW_TREE)->base.root);
    assert_int_equal(node_level(page_node(page)), 1);
    bytes_change(page->data + wreck->at, wreck);
    pager_unpin(partition->pager, page);
}

static struct page_id child(struct fiber *f, struct partition *partition, unsigned slot) {
    struct page *page;
    assert_ok(pager_fetch(f, partition->pager, tree_of(partition, ROW_TREE)->base.root, &page));
    struct page_id id = node_child(page_node(page), slot);
    pager_unpin(partition->pager, page);
    return id;
}

static void leaf(struct fiber *f, struct partition *partition, const struct wreck *wreck) {
    struct page *page = page_to_change(f, partition, child(f, partition, 3));
    bytes_change(page->data + wreck->at, wreck);
    pager_unpin(partition->pager, page);
}

/* The last leaf, which has no upper fence. */
static void last_leaf(struct fiber *f, struct partition *partition, const struct wreck *wreck) {
    struct page *page;
    assert_ok(pager_fetch(f, partition->pager, tree_of(partition, ROW_TREE)->base.root, &page));
    unsigned last = node_count(page_node(page)) - 1;
    pager_unpin(partition->pager, page);
    page = page_to_change(f, partition, child(f, partition, last));
    bytes_change(page->data + wreck->at, wreck);
    pager_unpin(partition->pager, page);
}

/* The root's entry `at` leads to the page `value`. */
static void way(struct fiber *f, struct partition *partition, const struct wreck *wreck) {
    struct page *page = page_to_change(f, partition, tree_of(partition, ROW_TREE)->base.root);
    struct slice pointer = node_value(page_node(page), wreck->at);
    put_le64((uint8_t *)pointer.data, wreck->value);
    pager_unpin(partition->pager, page);
}

static void way_to_sibling(struct fiber *f, struct partition *partition,
                           const struct wreck *wreck) {
    struct wreck to = *wreck;
    to.value = child(f, partition, wreck->at + 1).value;
    way(f, partition, &to);
}

static void way_to_root(struct fiber *f, struct partition *partition, const struct wreck *wreck) {
    struct wreck to = *wreck;
    to.value = tree_of(partition, ROW_TREE)->base.root.value;
    way(f, partition, &to);
}

static struct slice stored_of(struct fiber *f, struct partition *partition, uint64_t number,
                              uint8_t stored[LARGE_STORED_SIZE_MAX]) {
    uint8_t key[8];
    bool found;
    struct slice value;
    struct btree_pin pin;
    put_be64(key, number);
    assert_ok(btree_get(f, &tree_of(partition, LARGE_TREE)->base, slice_of(key, 8), &found, &value,
                        &pin));
    assert_true(found);
    memcpy(stored, value.data, value.size);
    size_t size = value.size;
    btree_unpin(&pin);
    return slice_of(stored, size);
}

static void stored_put(struct fiber *f, struct partition *partition, uint64_t number,
                       struct slice stored) {
    uint8_t key[8];
    put_be64(key, number);
    assert_ok(btree_put(f, &tree_of(partition, LARGE_TREE)->base, slice_of(key, 8), stored, NULL));
}

/* The reference to a large value. */
static void reference(struct fiber *f, struct partition *partition, const struct wreck *wreck) {
    uint8_t stored[LARGE_STORED_SIZE_MAX];
    struct slice whole = stored_of(f, partition, 3, stored);
    bytes_change(stored + wreck->at, wreck);
    stored_put(f, partition, 3, whole);
}

static void way_to_value(struct fiber *f, struct partition *partition, const struct wreck *wreck) {
    uint8_t stored[LARGE_STORED_SIZE_MAX];
    struct wreck to = *wreck;
    struct page_id page;
    uint32_t size;
    assert_true(large__reference(stored_of(f, partition, 3, stored), &page, &size));
    to.value = page.value;
    way(f, partition, &to);
}

static void reference_cut(struct fiber *f, struct partition *partition, const struct wreck *wreck) {
    uint8_t stored[LARGE_STORED_SIZE_MAX];
    struct slice whole = stored_of(f, partition, 3, stored);
    stored_put(f, partition, 3, slice_of(whole.data, wreck->size));
}

static void reference_doubled(struct fiber *f, struct partition *partition,
                              const struct wreck *wreck) {
    uint8_t stored[LARGE_STORED_SIZE_MAX];
    stored_put(f, partition, 4, stored_of(f, partition, 3, stored));
}

/* A tree whose root is no page. */
static void no_root(struct fiber *f, struct partition *partition, const struct wreck *wreck) {
    assert_ok(pager_root_set(partition->pager, (struct tree_id){70}, (struct page_id){987654}));
}

static const struct wreck wrecks[] = {
    {leaf, 0, 1, 0x11, "", false},        /* magic */
    {leaf, 1, 1, 1, "", false},           /* level */
    {leaf, 2, 2, 0, "", false},           /* count */
    {leaf, 2, 2, 0xFFFF, "", false},      /* count */
    {leaf, 4, 2, 0, "", false},           /* heap */
    {leaf, 4, 2, 0xFFFF, "", false},      /* heap */
    {leaf, 6, 2, 0x7777, "", false},      /* rubbish */
    {leaf, 8, 2, 9000, "", false},        /* prefix */
    {leaf, 10, 2, 0, "", false},          /* lower fence */
    {leaf, 10, 2, 9000, "", false},       /* lower fence */
    {leaf, 12, 2, 0xFFFF, "", false},     /* upper fence */
    {leaf, 12, 2, 9000, "", false},       /* upper fence */
    {leaf, 15, 1, 2, "", false},          /* version */
    {leaf, 24, 8, 1, "", false},          /* reserved */
    {leaf, 32, 4, 0xFFFFFFFF, "", false}, /* a head */
    {leaf, 36, 2, 3, "", false},          /* a record's place */
    {leaf, 36, 2, 0xFFF0, "", false},     /* a record's place */
    {leaf, 38, 2, 0xFFFF, "", false},     /* a key's size */
    {last_leaf, 12, 2, 8, "", false},     /* an upper fence where none should be */
    {root, 0, 1, 0x11, "", true},
    {root, 1, 1, 2, "", false},
    {root, 2, 2, 1, "", true},
    {root, 2, 2, 0, "", true},
    {root, 15, 1, 9, "", true},
    {root, 38, 2, 0xFFFF, "", true},
    {way, 4, 0, 0, "", false},
    {way, 4, 0, 987654, "", false},
    {way_to_sibling, 4, 0, 0, "", false},
    {way_to_root, 4, 0, 0, "", false},
    {way_to_value, 4, 0, 0, "", false},
    {reference, 0, 1, 7, "malformed reference", false},
    {reference, 1, 8, 987654, "whose page does not exist", false},
    {reference, 9, 4, 60000, NULL, false},
    {reference_cut, 0, 5, 0, "malformed reference", false},
    {reference_cut, 0, 0, 0, "malformed reference", false},
    {reference_doubled, 0, 0, 0, "two large values on one page", true},
    {no_root, 0, 0, 0, "", false},
};

/* ---- what is made of it --------------------------------------------------------------------- */

static char said[500];

static void take_finding(void *context, const char *line) {
    snprintf(said, sizeof said, "%s", line);
}

static const char *name_of(void *context, struct tree_id tree) {
    return tree.value == ROW_TREE ? "rows" : NULL;
}

struct reading {
    struct transaction *transaction;
    uint32_t tree;
    uint64_t seen;
};

static enum status value_read(struct fiber *f, struct partition *partition, struct slice stored) {
    uint8_t bytes[LARGE_STORED_SIZE_MAX];
    struct arena arena = {0};
    struct txn_large large;
    memcpy(bytes, stored.data, stored.size);
    enum status status = txn_open_large(f, partition, slice_of(bytes, stored.size), &arena, &large);
    if (status == STATUS_OK)
        txn_release_large(partition, &large);
    arena_release(&arena);
    return status;
}

static enum status entries_read(struct fiber *f, struct partition *partition,
                                struct reading *reading, struct txn_cursor *cursor) {
    struct txn_entry entry;
    size_t count;
    for (;;) {
        TRY(txn_cursor_next(f, cursor, &entry, 1, &count));
        if (count == 0)
            return STATUS_OK;
        if (reading->tree == LARGE_TREE)
            TRY(value_read(f, partition, entry.value));
        reading->seen++;
    }
}

static enum status read_there(struct fiber *f, struct partition *partition, void *argument) {
    struct reading *reading = argument;
    struct txn_range range = {.key_stride = 8};
    struct txn_cursor *cursor;
    reading->seen = 0;
    TRY(txn_cursor_open(f, reading->transaction, partition, (struct tree_id){reading->tree}, &range,
                        &cursor));
    enum status status = entries_read(f, partition, reading, cursor);
    txn_cursor_close(f, cursor);
    return status;
}

/* How many entries; UINT64_MAX: an error of damage. */
static uint64_t count_rows(struct fiber *f, struct store *store, uint32_t tree) {
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    struct reading reading = {t, tree, 0};
    enum status status = partition_call(f, store, 0, read_there, &reading);
    transaction_rollback(f, t);
    if (status != STATUS_OK)
        assert_true(status_is_damage(status));
    return status == STATUS_OK ? reading.seen : UINT64_MAX;
}

static unsigned losses;

static void take_loss(void *context, const struct store_loss *loss) {
    assert_non_null(loss->text);
    losses++;
}

static enum salvage_wish wish(void *context, struct tree_id tree) {
    return tree.value == OTHER_TREE ? SALVAGE_SKIP : context != NULL ? SALVAGE_LOOK : SALVAGE_COPY;
}

static bool fits(void *context, struct tree_id tree, struct slice key, struct slice value) {
    return key.size == 8;
}

/* First only looked at, then copied: the same losses. */
static void salvage(struct fiber *f, struct store *copy) {
    char path[128];
    snprintf(path, sizeof path, "%s/data", fixture_root);
    struct store_salvage_options options = {.directory = path, .loss = take_loss};
    struct store_salvage *salvage;
    struct salvage_trees look = {wish, fits, &options}, take = {wish, fits, NULL};
    assert_ok(store_salvage_open(f, &options, &salvage));
    losses = 0;
    assert_ok(store_salvage_copy(f, salvage, copy, 0, &look));
    unsigned looked = losses;
    losses = 0;
    assert_ok(store_salvage_copy(f, salvage, copy, 0, &take));
    assert_int_equal(losses, looked);
    assert_ok(store_salvage_replay(f, salvage, copy, &take, false));
    store_salvage_close(f, salvage);
}

static enum status hurt_there(struct fiber *f, struct partition *partition, void *argument) {
    const struct wreck *wreck = argument;
    wreck->hurt(f, partition, wreck);
    return STATUS_OK;
}

static void wreck_play(struct fiber *f, size_t number) {
    const struct wreck *wreck = &wrecks[number];
    struct store *store = filled(f);
    uint64_t damage;
    assert_ok(partition_call(f, store, 0, hurt_there, (void *)wreck));
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    put(f, t, 0, OTHER_TREE, "another", "one"); /* so that there is something to checkpoint */
    commit(f, t);
    assert_ok(store_checkpoint(f, store));
    said[0] = '\0';
    assert_ok(store_check(f, store, name_of, take_finding, NULL, &damage));
    if ((damage > 0) != (wreck->finding != NULL) ||
        (damage > 0 && strstr(said, wreck->finding) == NULL))
        fail_msg("wreck %zu: the check found %lu, \"%s\"", number, damage, said);
    uint64_t rows = count_rows(f, store, ROW_TREE), values = count_rows(f, store, LARGE_TREE);
    store_abandon(f, store);
    struct store *copy = store_at(f, "copy", true);
    salvage(f, copy);
    uint64_t kept = count_rows(f, copy, ROW_TREE), values_kept = count_rows(f, copy, LARGE_TREE);
    if ((losses == 0) != wreck->whole || kept > ROWS || values_kept > LARGES ||
        (wreck->whole && kept + values_kept != ROWS + LARGES))
        fail_msg("wreck %zu (%s): %u losses, %lu rows and %lu values of %lu and %lu", number, said,
                 losses, kept, values_kept, rows, values);
    check(f, copy);
    assert_ok(store_close(f, copy));
    store_remove("data");
    store_remove("copy");
}

static enum status wrecks_body(struct fiber *f, void *argument) {
    log_level_set(LOG_FATAL);
    for (size_t i = 0; i < sizeof wrecks / sizeof *wrecks; i++)
        wreck_play(f, i);
    return STATUS_OK;
}

static void what_no_checksum_tells_is_found_and_read_around(void **state) {
    fixture_run(wrecks_body, 1);
}

/* ---- files ---------------------------------------------------------------------------------- */

enum file_hurt { REMOVED, FLIPPED, EMPTIED, NEWER };

static const struct {
    const char *name;
    enum file_hurt hurt;
    long at;            /* FLIPPED: this byte */
    enum status status; /* of opening for salvage */
    int kind;           /* of the losses; -1: none */
    bool whole;         /* all rows that were checkpointed are in the copy */
} file_wrecks[] = {
    {"satori.id", REMOVED, 0, STATUS_OK, STORE_LOSS_NOTE, true},
    {"satori.id", FLIPPED, 20, STATUS_OK, STORE_LOSS_NOTE, true},
    {"satori.id", EMPTIED, 0, STATUS_OK, STORE_LOSS_NOTE, true},
    {"satori.id", NEWER, 0, STATUS_FEATURE_NOT_SUPPORTED, -1, false},
    {"part-000/manifest", REMOVED, 0, STATUS_OK, STORE_LOSS_PARTITION, false},
    {"part-000/manifest", FLIPPED, 3, STATUS_OK, STORE_LOSS_PARTITION, false},
    {"part-000/manifest", EMPTIED, 0, STATUS_OK, STORE_LOSS_PARTITION, false},
    {"part-000/manifest", FLIPPED, 200, STATUS_OK, STORE_LOSS_AGE, true},
    {"part-000/pages", REMOVED, 0, STATUS_OK, STORE_LOSS_PARTITION, false},
    {"journal/0000000000000001.journal", REMOVED, 0, STATUS_OK, STORE_LOSS_JOURNAL, true},
    {"journal/0000000000000001.journal", FLIPPED, 20, STATUS_OK, STORE_LOSS_NOTE, true},
    {"journal/0000000000000001.journal", EMPTIED, 0, STATUS_OK, STORE_LOSS_JOURNAL, true},
    {"lock", REMOVED, 0, STATUS_OK, -1, true},
    {"satori.stopped", REMOVED, 0, STATUS_OK, -1, true},
};

static unsigned kinds_seen; /* bits */

static void take_kind(void *context, const struct store_loss *loss) {
    kinds_seen |= 1u << loss->kind;
}

static void file_hurt(size_t i) {
    char path[200];
    snprintf(path, sizeof path, "%s/data/%s", fixture_root, file_wrecks[i].name);
    if (file_wrecks[i].hurt == REMOVED) {
        (void)!unlink(path);
        return;
    }
    FILE *file = fopen(path, file_wrecks[i].hurt == EMPTIED ? "wb" : "r+b");
    assert_non_null(file);
    if (file_wrecks[i].hurt == FLIPPED) {
        fseek(file, file_wrecks[i].at, SEEK_SET);
        int byte = fgetc(file);
        fseek(file, file_wrecks[i].at, SEEK_SET);
        fputc(byte ^ 1, file);
    } else if (file_wrecks[i].hurt == NEWER) {
        struct store_identity identity = {STORE_FORMAT_VERSION + 1, 77, 1};
        uint8_t bytes[STORE_IDENTITY_SIZE];
        store_identity_encode(&identity, bytes);
        assert_int_equal(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
    }
    fclose(file);
}

static void file_wreck_play(struct fiber *f, size_t i) {
    struct store *store = filled(f);
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    put(f, t, 0, OTHER_TREE, "another", "one"); /* only the journal has it */
    commit(f, t);
    store_abandon(f, store);
    file_hurt(i);
    char path[128];
    snprintf(path, sizeof path, "%s/data", fixture_root);
    struct store_salvage_options options = {.directory = path, .loss = take_kind};
    struct salvage_trees take = {wish, fits, NULL};
    struct store_salvage *salvage;
    kinds_seen = 0;
    enum status status = store_salvage_open(f, &options, &salvage);
    if (status != file_wrecks[i].status)
        fail_msg("file %zu: %s", i, status_name(status));
    if (status == STATUS_OK) {
        struct store *copy = store_at(f, "copy", true);
        assert_ok(store_salvage_copy(f, salvage, copy, 0, &take));
        assert_ok(store_salvage_replay(f, salvage, copy, &take, false));
        store_salvage_close(f, salvage);
        uint64_t rows = count_rows(f, copy, ROW_TREE);
        unsigned wanted = file_wrecks[i].kind < 0 ? 0 : 1u << file_wrecks[i].kind;
        if (rows != (file_wrecks[i].whole ? ROWS : 0) || (kinds_seen & wanted) != wanted ||
            (wanted == 0 && kinds_seen != 0))
            fail_msg("file %zu: %lu rows, losses %x", i, rows, kinds_seen);
        check(f, copy);
        assert_ok(store_close(f, copy));
    }
    store_remove("data");
    store_remove("copy");
}

/* The check goes on where nobody names trees, and behind a tree that is damaged. */
static enum status nameless_body(struct fiber *f, void *argument) {
    static const struct wreck both[] = {{leaf, 0, 1, 0x11, "", false},
                                        {reference_doubled, 0, 0, 0, "two large values", true}};
    struct store *store = filled(f);
    uint64_t damage;
    for (unsigned i = 0; i < 2; i++)
        assert_ok(partition_call(f, store, 0, hurt_there, (void *)&both[i]));
    assert_ok(store_check(f, store, NULL, take_finding, NULL, &damage));
    assert_int_equal(damage, 2);
    assert_non_null(strstr(said, "two large values"));
    store_abandon(f, store);
    return STATUS_OK;
}

/* A commit that needs a damaged page fails, and takes nothing and nobody with it. */
static enum status change_there(struct fiber *f, struct partition *partition, void *argument) {
    void **arguments = argument;
    uint8_t key[8];
    put_be64(key, *(uint64_t *)arguments[1]);
    return txn_put(f, arguments[0], partition, (struct tree_id){ROW_TREE}, slice_of(key, 8),
                   slice_of("changed", 7), 0);
}

static enum status change(struct fiber *f, struct store *store, uint64_t number) {
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(partition_call(f, store, 0, change_there, (void *[]){t, &number}));
    return transaction_commit(f, t, true, NULL);
}

static enum status refused_body(struct fiber *f, void *argument) {
    static const struct wreck wreck = {leaf, 0, 1, 0x11, "", false};
    struct store *store = filled(f);
    assert_ok(partition_call(f, store, 0, hurt_there, (void *)&wreck));
    unsigned refused = 0, done = 0;
    for (uint64_t number = 0; number < ROWS; number += 10) {
        enum status status = change(f, store, number);
        if (status != STATUS_OK)
            assert_true(status_is_damage(status));
        refused += status != STATUS_OK;
        done += status == STATUS_OK;
    }
    assert_true(refused > 0 && done > refused);
    assert_ok(store_checkpoint(f, store));
    assert_ok(store_close(f, store));
    store = store_at(f, "data", false);
    assert_ok(change(f, store, 0));
    assert_ok(change(f, store, ROWS));
    assert_ok(store_close(f, store));
    store_remove("data");
    return STATUS_OK;
}

static void a_commit_that_meets_damage_fails_alone(void **state) {
    fixture_run(refused_body, 1);
}

static void every_damaged_tree_is_told(void **state) {
    fixture_run(nameless_body, 1);
}

/* Two trees whose roots are gone: their leaves are told apart by what is in them, or are lost. */
static bool tells_apart;

static bool fits_by_value(void *context, struct tree_id tree, struct slice key,
                          struct slice value) {
    return !tells_apart || value.data[0] % 2 == (tree.value == OTHER_TREE);
}

static enum salvage_wish wish_both(void *context, struct tree_id tree) {
    return tree.value == OTHER_TREE || tree.value == ROW_TREE ? SALVAGE_COPY : SALVAGE_SKIP;
}

static enum status roots_there(struct fiber *f, struct partition *partition, void *argument) {
    static const uint32_t trees[] = {ROW_TREE, OTHER_TREE};
    for (unsigned i = 0; i < 2; i++) {
        struct page *page = page_to_change(f, partition, tree_of(partition, trees[i])->base.root);
        page->data[0] = 0x11;
        pager_unpin(partition->pager, page);
    }
    struct tree *tree = tree_of(partition, 77); /* so that there is something to checkpoint */
    return btree_put(f, &tree->base, slice_of_text("k"), slice_of_text("v"), NULL);
}

static enum status rootless_body(struct fiber *f, void *argument) {
    log_level_set(LOG_FATAL);
    for (int way = 0; way < 2; way++) {
        struct store *store = filled(f);
        assert_ok(partition_call(f, store, 0, roots_there, NULL));
        struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
        put(f, t, 0, 78, "another", "one");
        commit(f, t);
        assert_ok(store_checkpoint(f, store));
        store_abandon(f, store);
        char path[128];
        snprintf(path, sizeof path, "%s/data", fixture_root);
        struct store_salvage_options options = {.directory = path, .loss = take_loss};
        struct salvage_trees take = {wish_both, fits_by_value, NULL};
        struct store_salvage *salvage;
        struct store *copy = store_at(f, "copy", true);
        tells_apart = way == 0;
        losses = 0;
        assert_ok(store_salvage_open(f, &options, &salvage));
        assert_ok(store_salvage_copy(f, salvage, copy, 0, &take));
        assert_ok(store_salvage_replay(f, salvage, copy, &take, false));
        store_salvage_close(f, salvage);
        assert_int_equal(count_rows(f, copy, ROW_TREE), way == 0 ? ROWS : 0);
        assert_int_equal(count_rows(f, copy, OTHER_TREE), way == 0 ? ROWS : 0);
        assert_int_equal(losses, way == 0 ? 0 : 2);
        check(f, copy);
        assert_ok(store_close(f, copy));
        store_remove("data");
        store_remove("copy");
    }
    return STATUS_OK;
}

static void leaves_without_roots_are_told_apart_or_lost(void **state) {
    fixture_run(rootless_body, 1);
}

static enum status files_body(struct fiber *f, void *argument) {
    log_level_set(LOG_FATAL);
    for (size_t i = 0; i < sizeof file_wrecks / sizeof *file_wrecks; i++)
        file_wreck_play(f, i);
    char path[1200];
    struct store_salvage *salvage;
    struct store_salvage_options options = {.directory = path, .loss = take_kind};
    snprintf(path, sizeof path, "%s/nowhere", fixture_root);
    assert_status(store_salvage_open(f, &options, &salvage), STATUS_UNDEFINED_FILE);
    struct store *store = filled(f);
    snprintf(path, sizeof path, "%s/data", fixture_root);
    assert_status(store_salvage_open(f, &options, &salvage), STATUS_OBJECT_IN_USE);
    assert_ok(store_close(f, store));
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_status(store_salvage_open(f, &options, &salvage), STATUS_NAME_TOO_LONG);
    return STATUS_OK;
}

static void a_file_that_is_gone_or_damaged_is_read_around(void **state) {
    fixture_run(files_body, 1);
}

/* ---- commit records ------------------------------------------------------------------------- */

static enum status replay_begin(struct fiber *f, void *context, struct commit_number number,
                                uint64_t size) {
    return STATUS_OK;
}

static enum status replay_bytes(struct fiber *f, void *context, struct slice bytes) {
    return STATUS_OK;
}

static enum status replay_end(struct fiber *f, void *context) {
    return STATUS_OK;
}

#define RECORD(text, whole)                                                                        \
    { (const uint8_t *)(text), sizeof(text) - 1, whole }

static const struct {
    const uint8_t *bytes;
    size_t size;
    bool whole;
} records[] = {
    RECORD("\1\0\2\11\4\1k\1v", true),
    RECORD("\1\0\2\11\5\1k", true),
    RECORD("\1\0\2\211\200\200\200\4\6\10kkkkkkkk\1v", true),
    RECORD("\1\0\2\11\4\0\1v", true),                       /* an empty key */
    RECORD("\1\0\2\11\4\1k\1v\4\1k\1w\5\1j\4\1j\1v", true), /* the same key again */
    RECORD("\3\11", true),
    RECORD("\1\0", true),
    RECORD("", true),
    RECORD("\0", false), /* tags */
    RECORD("\7", false),
    RECORD("\1\0\2\0", false),                     /* tree 0 */
    RECORD("\1\0\2\377\377\377\377\377\1", false), /* too large a tree */
    RECORD("\3\0", false),
    RECORD("\3\377\377\377\377\377\1", false),
    RECORD("\1\77\2\11\4\1k\1v", false), /* no such partition */
    RECORD("\1\377\377\377\377\377\1\2\11\4\1k\1v", false),
    RECORD("\2\11\4\1k\1v", false),                    /* no partition */
    RECORD("\1\0\4\1k\1v", false),                     /* no tree */
    RECORD("\1\0\2\11\6\1k\1v", false),                /* a large entry where there are none */
    RECORD("\1\0\2\211\200\200\200\4\4\1k\1v", false), /* the other way round */
    RECORD("\1\0\2\11\4\1k\5v", false),                /* cut off */
    RECORD("\1\0\2\11\4\377\377\377\1k", false),       /* too large a key */
    RECORD("\1\0\2\11\4\377\377\377\377\377\377\377\377\377\377\377\377\377",
           false), /* no number */
    RECORD("\2\377\377\377\377\377\377\377\377\377\377\377\377\377", false),
    RECORD("\1", false),
};

/* What a commit would have been, appended behind the store's back: small, and in pieces. */
static enum status record_next(struct fiber *f, void *context, struct slice *piece_out) {
    struct slice *rest = context;
    *piece_out = *rest;
    *rest = SLICE_EMPTY;
    return STATUS_OK;
}

static void record_append(struct fiber *f, struct slice record) {
    char path[128];
    struct journal *journal;
    struct commit_number number;
    uint8_t bytes[STORE_IDENTITY_SIZE];
    struct store_identity identity;
    snprintf(path, sizeof path, "%s/data/satori.id", fixture_root);
    FILE *file = fopen(path, "rb");
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), sizeof bytes);
    fclose(file);
    assert_true(store_identity_decode(bytes, &identity));
    struct journal_replay replay = {{0}, replay_begin, replay_bytes, replay_end, NULL};
    snprintf(path, sizeof path, "%s/data/journal", fixture_root);
    struct journal_options options = {.directory = path,
                                      .segment_size = 1 << 20,
                                      .sync = JOURNAL_SYNC_OFF,
                                      .database_id = identity.database_id};
    assert_ok(journal_open(f, &options, &replay, &journal));
    if (record.size <= 100)
        assert_ok(journal_append(f, journal, record, &number));
    else
        assert_ok(journal_append_large(f, journal, record_next, &record, &number));
    journal_close(f, journal);
}

static void record_try(struct fiber *f, size_t i, struct slice record, bool whole) {
    struct store *store = store_at(f, "data", true);
    store_abandon(f, store);
    record_append(f, record);
    struct store_options options = store_options_at("data", false);
    enum status status = store_open(f, &options, &store);
    if (status != (whole ? STATUS_OK : STATUS_DATA_CORRUPTED))
        fail_msg("record %zu: %s %s", i, status_name(status), error_current()->message);
    if (whole) {
        check(f, store);
        assert_ok(store_close(f, store));
    } else {
        assert_non_null(strstr(error_current()->message, "is malformed"));
        assert_non_null(strstr(error_current()->hint, "satori salvage"));
    }
    store_remove("data");
}

enum { PAD_ENTRY = 3 + 1 + 2 + 1000, PAD_COUNT = 1100 };

/* More than a frame of good entries, then the record: what is wrong lies across two pieces. */
static struct slice padded(const uint8_t *bytes, size_t size, size_t shift, uint8_t *room) {
    size_t at = 0;
    at += (size_t)(stpcpy((char *)room, "\1") - (char *)room);
    room[at++] = 0;
    room[at++] = COMMIT_TREE;
    room[at++] = ROW_TREE;
    struct commit_item item = {.tag = COMMIT_PUT};
    static const uint8_t value[1000] = {1};
    uint8_t key[8];
    item.key = slice_of(key, 8);
    for (uint64_t i = 0; i < PAD_COUNT; i++) {
        put_be64(key, i);
        item.value = slice_of(value, i == 0 ? shift : sizeof value);
        at += commit_item_encode(&item, room + at);
    }
    memcpy(room + at, bytes, size);
    return slice_of(room, at + size);
}

static enum status records_body(struct fiber *f, void *argument) {
    log_level_set(LOG_FATAL);
    static uint8_t room[(PAD_COUNT + 2) * 1100];
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        record_try(f, i, slice_of(records[i].bytes, records[i].size), records[i].whole);
        if (i % 3 == 0 && records[i].size > 0)
            record_try(f, i, padded(records[i].bytes, records[i].size, 100 + i, room),
                       records[i].whole);
    }
    return STATUS_OK;
}

static void a_malformed_commit_record_is_refused(void **state) {
    fixture_run(records_body, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_checksum_tells_is_found_and_read_around),
        cmocka_unit_test(every_damaged_tree_is_told),
        cmocka_unit_test(a_commit_that_meets_damage_fails_alone),
        cmocka_unit_test(leaves_without_roots_are_told_apart_or_lost),
        cmocka_unit_test(a_file_that_is_gone_or_damaged_is_read_around),
        cmocka_unit_test(a_malformed_commit_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
