/* Damaged trees: a check that goes on around what is lost, a cursor that does not come to it. */
#include "../pager/pager_fixture.h"

#include "btree/btree.h"
#include "btree/node.h"

enum { TREE = 7 };
enum { LONG_KEYS = 600, LONG_KEY_SIZE = 1000 };

/* Long enough that the tree has nodes above those above the leaves. */
static struct slice long_key(unsigned i, uint8_t bytes[LONG_KEY_SIZE]) {
    memset(bytes, 'k', LONG_KEY_SIZE);
    put_be32(bytes + LONG_KEY_SIZE - 4, i);
    return slice_of(bytes, LONG_KEY_SIZE);
}

struct found_losses {
    bool lost[LONG_KEYS];
    unsigned count, above_leaves;
    uint8_t end[LONG_KEY_SIZE]; /* of the one before */
    size_t end_size;
    bool in_order;
};

static void note_lost(void *context, const struct btree_lost *lost) {
    struct found_losses *found = context;
    uint8_t bytes[LONG_KEY_SIZE];
    found->in_order &= slice_compare(slice_of(found->end, found->end_size), lost->lower) <= 0;
    found->count++;
    found->above_leaves += lost->above_leaves;
    for (unsigned i = 0; i < LONG_KEYS; i++) {
        struct slice key = long_key(i, bytes);
        if (slice_compare(key, lost->lower) >= 0 &&
            (!lost->has_upper || slice_compare(key, lost->upper) < 0))
            found->lost[i] = true;
    }
    if (lost->has_upper && lost->upper.size <= sizeof found->end) {
        memcpy(found->end, lost->upper.data, lost->upper.size);
        found->end_size = lost->upper.size;
    }
}

static enum status wreck(struct fiber *f, struct pager *pager, struct page_id id) {
    struct page *page;
    TRY(pager_fetch(f, pager, id, &page));
    TRY(pager_reserve(f, pager, 1));
    pager_modify(pager, page);
    page->data[0] ^= 0xFF;
    pager_unpin(pager, page);
    return STATUS_OK;
}

/* Which leaf has each key. */
static enum status leaves_of(struct fiber *f, struct btree *tree, struct page_id *leaves) {
    uint8_t bytes[LONG_KEY_SIZE];
    for (unsigned i = 0; i < LONG_KEYS; i++) {
        struct btree_pin pin;
        struct slice value;
        bool found;
        TRY(btree_get(f, tree, long_key(i, bytes), &found, &value, &pin));
        CHECK(found);
        leaves[i] = pin.page->id;
        btree_unpin(&pin);
    }
    return STATUS_OK;
}

/* Some leaves, then a node above leaves. */
static enum status check_around_damage(struct fiber *f, struct stand *stand) {
    static uint8_t value[3000];
    uint8_t bytes[LONG_KEY_SIZE];
    struct btree tree;
    btree_open(&tree, stand->pager, (struct tree_id){TREE});
    for (unsigned i = 0; i < LONG_KEYS; i++)
        TRY(btree_put(f, &tree, long_key(i, bytes), slice_of(value, sizeof value), NULL));
    struct btree_check_result sound, result;
    struct found_losses found = {.in_order = true};
    TRY(btree_check(f, &tree, &sound));
    TRY(btree_check_all(f, &tree, note_lost, &found, &result));
    CHECK(found.count == 0 && memcmp(&sound, &result, sizeof sound) == 0 && sound.depth > 2);

    struct page_id leaves[LONG_KEYS];
    bool wrecked[LONG_KEYS] = {false};
    unsigned lost_leaves = 0, lost_keys = 0;
    TRY(leaves_of(f, &tree, leaves));
    for (unsigned i = 0; i < LONG_KEYS; i++) {
        bool begins = i == 0 || leaves[i].value != leaves[i - 1].value;
        wrecked[i] = begins ? (i * 2654435761u >> 20) % 5 == 0 : wrecked[i - 1];
        if (begins && wrecked[i])
            TRY(wreck(f, stand->pager, leaves[i]));
        lost_leaves += begins && wrecked[i];
        lost_keys += wrecked[i];
    }
    CHECK(lost_leaves > 1 && lost_keys < LONG_KEYS);
    CHECK_STATUS(btree_check(f, &tree, &result), STATUS_INDEX_CORRUPTED);
    TRY(btree_check_all(f, &tree, note_lost, &found, &result));
    CHECK(found.count == lost_leaves && found.above_leaves == 0 && found.in_order);
    CHECK(memcmp(found.lost, wrecked, sizeof wrecked) == 0);
    CHECK(result.entries == LONG_KEYS - lost_keys);

    struct page *root;
    TRY(pager_fetch(f, stand->pager, tree.root, &root));
    struct node node = {root->data, root->size};
    CHECK(node_level(node) > 1 && node_count(node) > 1);
    struct page_id inner = node_child(node, 1);
    pager_unpin(stand->pager, root);
    TRY(wreck(f, stand->pager, inner));
    struct found_losses with_inner = {.in_order = true};
    TRY(btree_check_all(f, &tree, note_lost, &with_inner, &result));
    CHECK(with_inner.above_leaves == 1 && with_inner.in_order);
    for (unsigned i = 0; i < LONG_KEYS; i++)
        CHECK(with_inner.lost[i] || !wrecked[i]);
    TRY(wreck(f, stand->pager, tree.root)); /* and all of it */
    struct found_losses all = {.in_order = true};
    TRY(btree_check_all(f, &tree, note_lost, &all, &result));
    CHECK(all.count == 1 && all.above_leaves == 1 && all.lost[0] && all.lost[LONG_KEYS - 1]);
    CHECK(result.entries == 0);
    return STATUS_OK;
}

static void a_check_goes_on_around_damaged_pages(void **state) {
    run_on_stand(64 * PAGE_SIZE, 0, check_around_damage);
}

/* A run that ends where its leaf does asks for no page behind it. */
static enum status stop_before_damage(struct fiber *f, struct stand *stand) {
    static uint8_t value[3000];
    uint8_t bytes[LONG_KEY_SIZE], fence[LONG_KEY_SIZE];
    struct btree tree;
    btree_open(&tree, stand->pager, (struct tree_id){TREE});
    for (unsigned i = 0; i < LONG_KEYS; i++)
        TRY(btree_put(f, &tree, long_key(i, bytes), slice_of(value, sizeof value), NULL));
    struct page_id leaves[LONG_KEYS];
    TRY(leaves_of(f, &tree, leaves));
    struct btree_pin pin;
    struct slice found_value;
    bool found;
    TRY(btree_get(f, &tree, long_key(0, bytes), &found, &found_value, &pin));
    struct node first = {pin.page->data, pin.page->size};
    unsigned in_first = node_count(first);
    struct slice upper = node_upper(first);
    memcpy(fence, upper.data, upper.size);
    upper.data = fence;
    btree_unpin(&pin);
    TRY(wreck(f, stand->pager, leaves[in_first]));
    TRY(stand_checkpoint(f, stand, 5));
    TRY(stand_crash(f, stand)); /* what is not in memory is looked at */
    btree_open(&tree, stand->pager, (struct tree_id){TREE});
    for (int stops = 0; stops < 2; stops++) {
        struct btree_cursor cursor;
        struct btree_run run;
        btree_cursor_init(&cursor, &tree);
        if (stops)
            cursor.stop = upper;
        TRY(btree_cursor_seek(f, &cursor, BTREE_SEEK_FIRST, SLICE_EMPTY));
        enum status status = btree_cursor_take_run(f, &cursor, LONG_KEYS, &run, &pin);
        CHECK(stops ? status == STATUS_OK : status == STATUS_INDEX_CORRUPTED);
        if (stops) {
            CHECK(run.count == in_first && !cursor.positioned);
            btree_unpin(&pin);
        }
        btree_cursor_release(&cursor);
    }
    error_clear();
    return STATUS_OK;
}

static void a_cursor_that_stops_reads_nothing_behind(void **state) {
    run_on_stand(64 * PAGE_SIZE, 0, stop_before_damage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_goes_on_around_damaged_pages),
        cmocka_unit_test(a_cursor_that_stops_reads_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
