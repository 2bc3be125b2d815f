#include "../pager/pager_fixture.h"

#include "btree/btree.h"
#include "btree/node.h"

enum { MODEL_MAX = 6000, TREE = 7 };

/* ---- a naive model: a sorted array ------------------------------------------------------- */

struct entry {
    uint8_t *key, *value;
    size_t key_size, value_size;
};
struct model {
    struct entry entries[MODEL_MAX];
    size_t count;
};

static struct slice entry_key(const struct entry *entry) {
    return slice_of(entry->key, entry->key_size);
}

/* First entry >= key. */
static size_t model_find(const struct model *model, struct slice key, bool *equal_out) {
    size_t low = 0, high = model->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (slice_compare(entry_key(&model->entries[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *equal_out = low < model->count && slice_equal(entry_key(&model->entries[low]), key);
    return low;
}

static void model_remove(struct model *model, size_t at) {
    free(model->entries[at].key);
    free(model->entries[at].value);
    memmove(&model->entries[at], &model->entries[at + 1],
            (--model->count - at) * sizeof model->entries[0]);
}

static uint8_t *copy_bytes(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size + 1);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

static void model_put(struct model *model, struct slice key, struct slice value) {
    bool equal;
    size_t at = model_find(model, key, &equal);
    if (equal)
        model_remove(model, at);
    memmove(&model->entries[at + 1], &model->entries[at],
            (model->count++ - at) * sizeof model->entries[0]);
    model->entries[at] = (struct entry){copy_bytes(key.data, key.size),
                                        copy_bytes(value.data, value.size), key.size, value.size};
}

static void model_clear(struct model *model) {
    while (model->count > 0)
        model_remove(model, model->count - 1);
}

static struct model *model_new(void) {
    return calloc(1, sizeof(struct model));
}

__attribute__((unused)) static struct model *model_copy(const struct model *model) {
    struct model *copy = model_new();
    for (size_t i = 0; i < model->count; i++) {
        const struct entry *e = &model->entries[i];
        copy->entries[i] = (struct entry){copy_bytes(e->key, e->key_size),
                                          copy_bytes(e->value, e->value_size), e->key_size,
                                          e->value_size};
    }
    copy->count = model->count;
    return copy;
}

static void model_free(struct model *model) {
    model_clear(model);
    free(model);
}

/* The tree holds exactly the model, seen forward, backward and leaf by leaf. */
static enum status same_as_model(struct fiber *f, struct btree *tree, const struct model *model) {
    struct btree_check_result result;
    TRY(btree_check(f, tree, &result));
    CHECK(result.entries == model->count);
    struct btree_cursor cursor;
    btree_cursor_init(&cursor, tree);
    TRY(btree_cursor_seek(f, &cursor, BTREE_SEEK_FIRST, SLICE_EMPTY));
    for (size_t i = 0; i < model->count; i++) {
        CHECK(cursor.positioned);
        CHECK(slice_equal(btree_cursor_key(&cursor), entry_key(&model->entries[i])));
        bool found;
        struct slice value;
        TRY(btree_cursor_value(f, &cursor, &found, &value));
        CHECK(found);
        CHECK(slice_equal(value,
                          slice_of(model->entries[i].value, model->entries[i].value_size)));
        TRY(btree_cursor_next(f, &cursor));
    }
    CHECK(!cursor.positioned);
    TRY(btree_cursor_seek(f, &cursor, BTREE_SEEK_LAST, SLICE_EMPTY));
    for (size_t i = model->count; i-- > 0;) {
        CHECK(cursor.positioned);
        CHECK(slice_equal(btree_cursor_key(&cursor), entry_key(&model->entries[i])));
        TRY(btree_cursor_previous(f, &cursor));
    }
    CHECK(!cursor.positioned);
    TRY(btree_cursor_seek(f, &cursor, BTREE_SEEK_FIRST, SLICE_EMPTY));
    size_t taken = 0;
    for (;;) {
        struct slice values[100];
        size_t count;
        struct btree_pin pin;
        TRY(btree_cursor_take(f, &cursor, 100, values, NULL, 0, &count, &pin));
        for (size_t i = 0; i < count; i++) {
            const struct entry *e = &model->entries[taken + i];
            CHECK(slice_equal(values[i], slice_of(e->value, e->value_size)));
        }
        btree_unpin(&pin);
        taken += count;
        if (count == 0)
            break;
    }
    CHECK(taken == model->count);
    btree_cursor_release(&cursor);
    return STATUS_OK;
}

/* ---- random operations -------------------------------------------------------------------- */

struct maker {
    struct random random;
    uint8_t key[BTREE_KEY_SIZE_MAX], value[BTREE_ENTRY_SIZE_MAX];
    unsigned shape; /* of keys */
};

static struct slice make_key(struct maker *maker) {
    struct random *r = &maker->random;
    size_t size = 0;
    switch (maker->shape) {
    case 0: /* numbers */
        put_be64(maker->key, random_below(r, 9000));
        size = 8;
        break;
    case 1: /* short, few letters, many prefixes of one another */
        size = random_below(r, 9);
        for (size_t i = 0; i < size; i++)
            maker->key[i] = (uint8_t)(random_below(r, 3) * 127);
        break;
    case 2: /* long with a common beginning */
        size = 40 + random_below(r, 100);
        memset(maker->key, 'x', size);
        put_be32(maker->key + 30, (uint32_t)random_below(r, 3000));
        size = 34 + (get_be32(maker->key + 30) % 7) * 13;
        break;
    default: /* anything up to the limit */
        put_be64(maker->key, random_below(r, 3000));
        size = 8 + (get_be64(maker->key) * 7919) % (BTREE_KEY_SIZE_MAX - 7);
        memset(maker->key + 8, 'k', size - 8);
        break;
    }
    return slice_of(maker->key, size);
}

static struct slice make_value(struct maker *maker, size_t key_size) {
    struct random *r = &maker->random;
    size_t most = BTREE_ENTRY_SIZE_MAX - key_size;
    size_t size = random_below(r, 20) == 0 ? random_below(r, most + 1) : random_below(r, 100);
    memset(maker->value, (int)random_below(r, 256), size);
    return slice_of(maker->value, size);
}

static enum status check_seek(struct fiber *f, struct btree *tree, const struct model *model,
                              struct slice key, unsigned kind) {
    static const enum btree_seek seeks[] = {BTREE_SEEK_GE, BTREE_SEEK_GT, BTREE_SEEK_LE,
                                            BTREE_SEEK_LT};
    bool equal;
    size_t at = model_find(model, key, &equal);
    int64_t wanted = (int64_t)at;
    if (seeks[kind] == BTREE_SEEK_GT)
        wanted += equal;
    else if (seeks[kind] == BTREE_SEEK_LE)
        wanted -= !equal;
    else if (seeks[kind] == BTREE_SEEK_LT)
        wanted -= 1;
    struct btree_cursor cursor;
    btree_cursor_init(&cursor, tree);
    TRY(btree_cursor_seek(f, &cursor, seeks[kind], key));
    bool there = wanted >= 0 && wanted < (int64_t)model->count;
    CHECK(cursor.positioned == there);
    if (there)
        CHECK(slice_equal(btree_cursor_key(&cursor), entry_key(&model->entries[wanted])));
    btree_cursor_release(&cursor);
    return STATUS_OK;
}

/* One random operation on both. `removing`: rather delete. */
static enum status step_both(struct fiber *f, struct btree *tree, struct model *model,
                             struct maker *maker, bool removing) {
    static uint8_t old_bytes[BTREE_ENTRY_SIZE_MAX];
    struct btree_old old = {.bytes = old_bytes};
    struct slice key = make_key(maker);
    bool equal;
    size_t at = model_find(model, key, &equal);
    unsigned dice = (unsigned)random_below(&maker->random, 10);
    if (dice < 5) {
        if (removing || model->count == MODEL_MAX) {
            TRY(btree_delete(f, tree, key, &old));
        } else {
            struct slice value = make_value(maker, key.size);
            TRY(btree_put(f, tree, key, value, &old));
        }
        CHECK(old.found == equal);
        if (equal)
            CHECK(slice_equal(slice_of(old.bytes, old.size),
                              slice_of(model->entries[at].value, model->entries[at].value_size)));
        if (removing || model->count == MODEL_MAX) {
            if (equal)
                model_remove(model, at);
        } else {
            bool found;
            struct slice value;
            struct btree_pin pin;
            TRY(btree_get(f, tree, key, &found, &value, &pin));
            CHECK(found);
            model_put(model, key, value);
            btree_unpin(&pin);
        }
    } else if (dice < 8) {
        bool found;
        struct slice value;
        struct btree_pin pin;
        TRY(btree_get(f, tree, key, &found, &value, &pin));
        CHECK(found == equal);
        if (found)
            CHECK(slice_equal(value,
                              slice_of(model->entries[at].value, model->entries[at].value_size)));
        btree_unpin(&pin);
    } else {
        TRY(check_seek(f, tree, model, key, (unsigned)random_below(&maker->random, 4)));
    }
    return STATUS_OK;
}

static enum status random_operations(struct fiber *f, struct stand *stand, bool temporary) {
    for (unsigned shape = 0; shape < 4; shape++) {
        struct maker *maker = calloc(1, sizeof *maker);
        struct model *model = model_new();
        struct btree tree;
        random_seed(&maker->random, 100 + shape);
        maker->shape = shape;
        if (temporary)
            btree_init_temporary(&tree, stand->pager);
        else
            btree_open(&tree, stand->pager, (struct tree_id){TREE + shape});
        for (int i = 0; i < 20000; i++) {
            TRY(step_both(f, &tree, model, maker, (i / 4000) % 2 == 1));
            if (i % 2000 == 1999) {
                TRY(same_as_model(f, &tree, model));
                if (temporary)
                    CHECK(tree.entry_count == model->count);
                if (!temporary)
                    TRY(stand_checkpoint(f, stand, 0));
                TRY(stand_check(f, stand, false));
            }
        }
        if (!temporary) {
            btree_close(&tree);
            TRY(stand_crash(f, stand));
            btree_open(&tree, stand->pager, (struct tree_id){TREE + shape});
            TRY(same_as_model(f, &tree, model));
        }
        TRY(btree_clear(f, &tree));
        model_clear(model);
        TRY(same_as_model(f, &tree, model));
        TRY(stand_checkpoint(f, stand, 0));
        struct pager_statistics statistics;
        pager_statistics(stand->pager, &statistics);
        CHECK(statistics.pages_durable == 0 && statistics.pages_temporary == 0);
        model_free(model);
        free(maker);
    }
    struct pager_statistics statistics;
    pager_statistics(stand->pager, &statistics);
    CHECK(statistics.evictions > 100 || !temporary);
    return STATUS_OK;
}

static enum status durable_operations(struct fiber *f, struct stand *stand) {
    return random_operations(f, stand, false);
}

static enum status temporary_operations(struct fiber *f, struct stand *stand) {
    return random_operations(f, stand, true);
}

static void a_durable_tree_does_what_a_sorted_array_does(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, durable_operations);
}

static void a_temporary_tree_does_what_a_sorted_array_does(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, temporary_operations);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_durable_tree_does_what_a_sorted_array_does),
        cmocka_unit_test(a_temporary_tree_does_what_a_sorted_array_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
