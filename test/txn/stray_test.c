/*
 * Leaves whose inner pages are lost. Trees with nodes above those above the leaves, two of them
 * with the same keys, lose some of these nodes and a leaf; salvage puts the leaves back that it can
 * tell to be a tree's, and tells the keys of all others.
 */
#include "txn_fixture.h"

#include "btree/node.h"
#include "txn/store.h"
#include "txn/txn_salvage.h"

enum { TREE_A = 9, TREE_B = 11, TREE_OTHER = 78, KEY_SIZE = 900, KEYS = 1000, TREES = 2 };

static const uint32_t tree_ids[TREES] = {TREE_A, TREE_B};

static unsigned index_of(struct tree_id tree) {
    assert_true(tree.value == TREE_A || tree.value == TREE_B);
    return tree.value == TREE_B;
}

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

/* Long, so that few children fit a node. */
static struct slice key_of(unsigned i, uint8_t bytes[KEY_SIZE]) {
    memset(bytes, 'k', KEY_SIZE);
    put_be32(bytes + KEY_SIZE - 4, i);
    return slice_of(bytes, KEY_SIZE);
}

/* Values begin with the tree's number; leaves of the two trees end at different keys. */
static enum status fill_there(struct fiber *f, struct partition *partition, void *argument) {
    uint8_t bytes[KEY_SIZE], value[1200];
    for (unsigned t = 0; t < TREES; t++)
        for (unsigned i = 0; i < KEYS; i++) {
            memset(value, (int)t, sizeof value);
            TRY(txn_put(f, argument, partition, (struct tree_id){tree_ids[t]}, key_of(i, bytes),
                        slice_of(value, t == 0 ? 1200 : 1100), 0));
        }
    return STATUS_OK;
}

/* ---- damage --------------------------------------------------------------------------------- */

struct plan {
    const char *name;
    uint32_t nodes[TREES]; /* children of the root that are lost, a bit each; bit 31: the root */
    int leaf;              /* child of the root of which a leaf is lost, too; -1: none */
    enum salvage_wish wishes[TREES];
    bool b_fits_nothing, all_fits;             /* instead of telling trees apart by values */
    unsigned kept_min[TREES], kept_max[TREES]; /* keys that are saved */
};

#define COPY_BOTH                                                                                  \
    { SALVAGE_COPY, SALVAGE_COPY }
#define ALL                                                                                        \
    { KEYS, KEYS }
static const struct plan plans[] = {
    {"nodes here and there", {0x0A, 0x14}, -1, COPY_BOTH, .kept_min = ALL, .kept_max = ALL},
    {"the roots", {1u << 31, 1u << 31}, -1, COPY_BOTH, .kept_min = ALL, .kept_max = ALL},
    {"a leaf below a lost node",
     {0x0E, 0},
     2,
     COPY_BOTH,
     .kept_min = {KEYS - 30, KEYS},
     .kept_max = {KEYS - 1, KEYS}},
    {"a leaf below a sound node",
     {0x02, 0},
     2,
     COPY_BOTH,
     .kept_min = {KEYS - 30, KEYS},
     .kept_max = {KEYS - 1, KEYS}},
    {"first and last nodes",
     {1u << 30 | 1, 1u << 30 | 1},
     -1,
     COPY_BOTH,
     .kept_min = ALL,
     .kept_max = ALL},
    {"leaves that fit both trees", {1u << 31, 1u << 31}, -1, COPY_BOTH, .all_fits = true},
    {"nodes whose leaves fit both trees",
     {0x04, 0x04},
     -1,
     COPY_BOTH,
     .all_fits = true,
     .kept_min = {KEYS / 2, KEYS / 2},
     .kept_max = {KEYS - 1, KEYS - 1}},
    {"leaves of both that fit one", {1u << 31, 1u << 31}, -1, COPY_BOTH, .b_fits_nothing = true},
    {"one is somebody else's",
     {0x06, 0x06},
     -1,
     {SALVAGE_COPY, SALVAGE_SKIP},
     .kept_min = {KEYS},
     .kept_max = {KEYS}},
    {"one is only looked at",
     {0x06, 0x06},
     -1,
     {SALVAGE_LOOK, SALVAGE_COPY},
     .kept_min = {0, KEYS},
     .kept_max = {0, KEYS}},
    {"nobody wants either", {0x06, 0x06}, -1, {SALVAGE_SKIP, SALVAGE_SKIP}},
};
#undef ALL
#undef COPY_BOTH

static void hurt(struct fiber *f, struct partition *partition, struct page_id id) {
    struct page *page;
    assert_ok(pager_reserve(f, partition->pager, 1));
    assert_ok(pager_fetch(f, partition->pager, id, &page));
    pager_modify(partition->pager, page);
    page->data[0] ^= 0xFF;
    pager_unpin(partition->pager, page);
}

static struct page_id child_of(struct fiber *f, struct partition *partition, struct page_id id,
                               unsigned slot, unsigned *count_out) {
    struct page *page;
    assert_ok(pager_fetch(f, partition->pager, id, &page));
    struct node node = {page->data, page->size};
    *count_out = node_count(node);
    struct page_id child = {0};
    if (node_level(node) > 0 && slot < node_count(node))
        child = node_child(node, slot);
    pager_unpin(partition->pager, page);
    return child;
}

static enum status hurt_there(struct fiber *f, struct partition *partition, void *argument) {
    const struct plan *plan = argument;
    for (unsigned t = 0; t < TREES; t++) {
        struct tree *tree;
        unsigned count, leaves;
        TRY(partition__tree(partition, (struct tree_id){tree_ids[t]}, &tree));
        struct page_id root = tree->base.root;
        (void)child_of(f, partition, root, 0, &count);
        assert_true(count >= 5 && count < 30);
        if (t == 0 && plan->leaf >= 0) {
            struct page_id node = child_of(f, partition, root, (unsigned)plan->leaf, &leaves);
            struct page_id leaf = child_of(f, partition, node, 1, &leaves);
            assert_true(leaves > 3 && leaf.value != 0);
            hurt(f, partition, leaf);
        }
        for (unsigned slot = 0; slot < count; slot++) {
            unsigned bit = slot + 1 == count ? 30 : slot;
            if ((plan->nodes[t] >> bit & 1) != 0)
                hurt(f, partition, child_of(f, partition, root, slot, &leaves));
        }
        if ((plan->nodes[t] >> 31) != 0)
            hurt(f, partition, root);
    }
    return STATUS_OK;
}

/* ---- salvage -------------------------------------------------------------------------------- */

static bool told[TREES][KEYS];

static void take_loss(void *context, const struct store_loss *loss) {
    uint8_t bytes[KEY_SIZE];
    assert_int_equal(loss->kind, STORE_LOSS_KEYS);
    assert_true(loss->text[0] != '\0');
    for (unsigned i = 0; i < KEYS; i++) {
        struct slice key = key_of(i, bytes);
        if (slice_compare(key, loss->lower) >= 0 &&
            (!loss->has_upper || slice_compare(key, loss->upper) < 0))
            told[index_of(loss->tree)][i] = true;
    }
}

static enum salvage_wish wish(void *context, struct tree_id tree) {
    const struct plan *plan = context;
    bool other = tree.value == TREE_DROPPED || tree.value == TREE_OTHER;
    return other ? SALVAGE_SKIP : plan->wishes[index_of(tree)];
}

static bool fits(void *context, struct tree_id tree, struct slice key, struct slice value) {
    const struct plan *plan = context;
    if (plan->b_fits_nothing)
        return index_of(tree) == 0;
    return plan->all_fits || value.data[0] == index_of(tree);
}

struct reading {
    struct transaction *transaction;
    unsigned tree;
    bool found[KEYS];
};

static enum status visit(struct fiber *f, struct partition *partition,
                         const struct txn_entry *entry, void *context) {
    struct reading *reading = context;
    uint8_t bytes[KEY_SIZE];
    unsigned i = get_be32(entry->key.data + KEY_SIZE - 4);
    assert_true(i < KEYS && slice_equal(entry->key, key_of(i, bytes)));
    assert_int_equal(entry->value.data[0], reading->tree);
    reading->found[i] = true;
    return STATUS_OK;
}

static enum status read_there(struct fiber *f, struct partition *partition, void *argument) {
    struct reading *reading = argument;
    struct txn_range all = {0};
    return txn_visit(f, reading->transaction, partition, (struct tree_id){tree_ids[reading->tree]},
                     &all, visit, reading);
}

/* What is there is the tree's own; what is missing was told, and what was told is missing. */
static void compare(struct fiber *f, struct store *copy, const struct plan *plan) {
    for (unsigned t = 0; t < TREES; t++) {
        struct reading reading = {.tree = t};
        reading.transaction = begin(f, copy, ISOLATION_READ_COMMITTED);
        assert_ok(partition_call(f, copy, 0, read_there, &reading));
        transaction_rollback(f, reading.transaction);
        unsigned kept = 0;
        for (unsigned i = 0; i < KEYS; i++) {
            kept += reading.found[i];
            assert_true(!told[t][i] || !reading.found[i]);
            if (plan->wishes[t] == SALVAGE_COPY && !reading.found[i] && !told[t][i])
                fail_msg("%s: key %u of tree %u is missing and was not told", plan->name, i, t);
        }
        if (kept < plan->kept_min[t] || kept > plan->kept_max[t])
            fail_msg("%s: %u keys of tree %u were saved", plan->name, kept, t);
    }
}

static void play(struct fiber *f, const struct plan *plan) {
    struct store *store = store_at(f, "data", true);
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(partition_call(f, store, 0, fill_there, t));
    commit(f, t);
    assert_ok(store_checkpoint(f, store));
    assert_ok(partition_call(f, store, 0, hurt_there, (void *)plan));
    t = begin(f, store, ISOLATION_READ_COMMITTED);
    put(f, t, 0, TREE_OTHER, "another", "one"); /* or there would be nothing to write */
    commit(f, t);
    assert_ok(store_checkpoint(f, store));
    store_abandon(f, store);
    char path[128];
    snprintf(path, sizeof path, "%s/data", fixture_root);
    struct store_salvage_options options = {.directory = path, .loss = take_loss};
    struct salvage_trees trees = {wish, fits, (void *)plan};
    struct store_salvage *salvage;
    struct store *copy = store_at(f, "copy", true);
    memset(told, 0, sizeof told);
    assert_ok(store_salvage_open(f, &options, &salvage));
    assert_ok(store_salvage_copy(f, salvage, copy, 0, &trees));
    assert_ok(store_salvage_replay(f, salvage, copy, &trees, false));
    store_salvage_close(f, salvage);
    compare(f, copy, plan);
    check(f, copy);
    assert_ok(store_close(f, copy));
    store_remove("data");
    store_remove("copy");
}

static enum status stray_body(struct fiber *f, void *argument) {
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        play(f, &plans[i]);
    return STATUS_OK;
}

static void leaves_below_lost_nodes_are_put_back_or_told(void **state) {
    fixture_run(stray_body, 1);
}

int main(void) {
    log_level_set(LOG_FATAL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_below_lost_nodes_are_put_back_or_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
