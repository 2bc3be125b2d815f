#include "../pager/pager_fixture.h"

#include "base/base_hash.h"
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

static struct model *model_copy(const struct model *model) {
    struct model *copy = model_new();
    for (size_t i = 0; i < model->count; i++) {
        const struct entry *e = &model->entries[i];
        copy->entries[i] =
            (struct entry){copy_bytes(e->key, e->key_size), copy_bytes(e->value, e->value_size),
                           e->key_size, e->value_size};
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
        CHECK(slice_equal(value, slice_of(model->entries[i].value, model->entries[i].value_size)));
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
        for (int i = 0; i < 12000; i++) {
            TRY(step_both(f, &tree, model, maker, (i / 3000) % 2 == 1));
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

/* ---- many fibers --------------------------------------------------------------------------- */

/* Writers keep a model in step: a put does not suspend between its edit and its return. */
struct crowd {
    struct stand *stand;
    struct btree tree, scratch;
    struct model *model, *at_cut;
    struct task_group group;
    bool stop;
    int steps;
    uint64_t seed;
};

static enum status write_on(struct fiber *f, void *argument) {
    struct crowd *crowd = argument;
    struct maker *maker = calloc(1, sizeof *maker);
    random_seed(&maker->random, ++crowd->seed);
    maker->shape = (unsigned)(crowd->seed % 4);
    while (!crowd->stop) {
        struct slice key = make_key(maker);
        bool equal;
        if (random_below(&maker->random, 3) == 0) {
            TRY(btree_delete(f, &crowd->tree, key, NULL));
            size_t at = model_find(crowd->model, key, &equal);
            if (equal)
                model_remove(crowd->model, at);
        } else if (crowd->model->count + 100 < MODEL_MAX) {
            struct slice value = make_value(maker, key.size);
            TRY(btree_put(f, &crowd->tree, key, value, NULL));
            model_put(crowd->model, key, value);
        }
        crowd->steps++;
        if (random_below(&maker->random, 4) == 0)
            fiber_yield(f);
    }
    free(maker);
    return STATUS_OK;
}

/* Keeps the pool busy with temporary pages. */
static enum status scribble(struct fiber *f, void *argument) {
    struct crowd *crowd = argument;
    uint64_t number = 0;
    uint8_t key[8], value[300] = {0};
    while (!crowd->stop) {
        put_be64(key, hash_u64(number++) % 5000);
        TRY(btree_put(f, &crowd->scratch, slice_of(key, 8), slice_of(value, sizeof value), NULL));
        if (number % 8 == 0)
            fiber_yield(f);
    }
    return STATUS_OK;
}

/* What a cursor sees is in order, and in keys both ways. */
static enum status wander(struct fiber *f, void *argument) {
    struct crowd *crowd = argument;
    uint8_t last[BTREE_KEY_SIZE_MAX];
    struct btree_cursor cursor;
    btree_cursor_init(&cursor, &crowd->tree);
    bool forward = true;
    while (!crowd->stop) {
        TRY(btree_cursor_seek(f, &cursor, forward ? BTREE_SEEK_FIRST : BTREE_SEEK_LAST,
                              SLICE_EMPTY));
        while (cursor.positioned && !crowd->stop) {
            struct slice key = btree_cursor_key(&cursor), value;
            size_t size = key.size;
            if (size > 0)
                memcpy(last, key.data, size);
            bool found, equal;
            TRY(btree_cursor_value(f, &cursor, &found, &value));
            size_t at = model_find(crowd->model, slice_of(last, size), &equal);
            CHECK(found == equal);
            if (found)
                CHECK(slice_equal(value, slice_of(crowd->model->entries[at].value,
                                                  crowd->model->entries[at].value_size)));
            if (size % 3 == 0)
                fiber_yield(f);
            if (forward)
                TRY(btree_cursor_next(f, &cursor));
            else
                TRY(btree_cursor_previous(f, &cursor));
            if (cursor.positioned) {
                int order = slice_compare(btree_cursor_key(&cursor), slice_of(last, size));
                CHECK(forward ? order > 0 : order < 0);
            }
        }
        forward = !forward;
        fiber_yield(f);
    }
    btree_cursor_release(&cursor);
    return STATUS_OK;
}

static enum status checkpoints_among_writers(struct fiber *f, struct crowd *crowd) {
    struct pager *pager = crowd->stand->pager;
    for (int round = 0; round < 8; round++) {
        int until = crowd->steps + 100 * (1 + round % 4);
        while (crowd->steps < until && crowd->group.first_failure == STATUS_OK)
            fiber_yield(f);
        if (crowd->group.first_failure != STATUS_OK)
            return STATUS_OK;
        if (round == 7) { /* a cut that is never published */
            pager_checkpoint_begin(pager, (struct commit_number){99});
            continue;
        }
        model_free(crowd->at_cut);
        crowd->at_cut = model_copy(crowd->model);
        pager_checkpoint_begin(pager, (struct commit_number){(uint64_t)round + 1});
        TRY(pager_checkpoint_finish(f, pager));
        CHECK(pager_checkpoint_applied(pager).value == (uint64_t)round + 1);
        TRY(stand_check(f, crowd->stand, round % 4 == 0));
    }
    return STATUS_OK;
}

static enum status crowd_life(struct fiber *f, struct crowd *crowd) {
    task_group_init(&crowd->group, f);
    btree_open(&crowd->tree, crowd->stand->pager, (struct tree_id){TREE});
    btree_init_temporary(&crowd->scratch, crowd->stand->pager);
    crowd->stop = false;
    for (int i = 0; i < 4; i++)
        TRY(task_group_spawn(f, &crowd->group, FIBER_NORMAL, write_on, crowd));
    TRY(task_group_spawn(f, &crowd->group, FIBER_NORMAL, scribble, crowd));
    TRY(task_group_spawn(f, &crowd->group, FIBER_NORMAL, wander, crowd));
    TRY(task_group_spawn(f, &crowd->group, FIBER_NORMAL, wander, crowd));
    enum status status = checkpoints_among_writers(f, crowd);
    crowd->stop = true;
    if (status != STATUS_OK)
        task_group_cancel(&crowd->group, status);
    TRY(task_group_wait(f, &crowd->group));
    TRY(status);
    return same_as_model(f, &crowd->tree, crowd->model);
}

static enum status crash_among_writers(struct fiber *f, struct stand *stand) {
    struct crowd crowd = {.stand = stand, .model = model_new(), .at_cut = model_new()};
    for (int life = 0; life < 2; life++) {
        TRY(crowd_life(f, &crowd));
        TRY(stand_crash(f, stand));
        CHECK(pager_checkpoint_applied(stand->pager).value == 7);
        TRY(stand_check(f, stand, true));
        btree_open(&crowd.tree, stand->pager, (struct tree_id){TREE});
        TRY(same_as_model(f, &crowd.tree, crowd.at_cut));
        model_free(crowd.model);
        crowd.model = model_copy(crowd.at_cut);
        pager_checkpoint_begin(stand->pager, (struct commit_number){7});
        TRY(pager_checkpoint_finish(f, stand->pager));
        TRY(btree_clear(f, &crowd.tree));
        model_clear(crowd.model);
        pager_close(f, stand->pager);
        char path[128];
        stand_path(stand, "pages", path);
        TRY(file_remove(f, path));
        stand_path(stand, "manifest", path);
        TRY(file_remove(f, path));
        TRY(stand_open(f, stand, true));
    }
    model_free(crowd.model);
    model_free(crowd.at_cut);
    return STATUS_OK;
}

static void a_crash_leaves_the_last_cut_whatever_writers_did_since(void **state) {
    run_on_stand(64 * PAGE_SIZE, 0, crash_among_writers);
}

/* ---- loading, estimates ------------------------------------------------------------------- */

static enum status load_and_estimate(struct fiber *f, struct stand *stand) {
    enum { COUNT = 100000 };
    struct btree tree;
    struct btree_loader *loader;
    btree_open(&tree, stand->pager, (struct tree_id){TREE});
    TRY(btree_load_begin(f, &tree, &loader));
    uint8_t key[8];
    for (uint64_t i = 0; i < COUNT; i++) {
        put_be64(key, i * 3);
        TRY(btree_load_add(f, loader, slice_of(key, 8), slice_of(key, 8)));
    }
    TRY(btree_load_end(f, loader));
    struct btree_check_result result;
    TRY(btree_check(f, &tree, &result));
    CHECK(result.entries == COUNT && tree.entry_count == COUNT);
    CHECK(result.leaves < COUNT / 500);
    uint64_t count;
    uint8_t other[8];
    put_be64(key, 30000);
    put_be64(other, 120000);
    TRY(btree_estimate(f, &tree, slice_of(key, 8), slice_of(other, 8), &count));
    CHECK(count > 25000 && count < 35000);
    TRY(btree_estimate(f, &tree, SLICE_EMPTY, SLICE_EMPTY, &count));
    CHECK(count > COUNT * 9 / 10 && count < COUNT * 11 / 10);
    put_be64(other, 30000 + 30);
    TRY(btree_estimate(f, &tree, slice_of(key, 8), slice_of(other, 8), &count));
    CHECK(count < 1000);
    TRY(stand_checkpoint(f, stand, 5));
    TRY(stand_crash(f, stand));
    btree_open(&tree, stand->pager, (struct tree_id){TREE});
    TRY(btree_estimate(f, &tree, SLICE_EMPTY, SLICE_EMPTY, &count));
    CHECK(count > COUNT - 1000 && count <= COUNT);
    /* Keys out of order: refused, and nothing stays. */
    struct btree second;
    btree_open(&second, stand->pager, (struct tree_id){TREE + 1});
    TRY(btree_load_begin(f, &second, &loader));
    TRY(btree_load_add(f, loader, slice_of_text("b"), SLICE_EMPTY));
    CHECK_STATUS(btree_load_add(f, loader, slice_of_text("a"), SLICE_EMPTY), STATUS_INTERNAL_ERROR);
    TRY(btree_load_end(f, loader));
    CHECK(second.root.value == 0);
    return STATUS_OK;
}

static void loading_packs_leaves_and_estimates_are_near(void **state) {
    run_on_stand(64 * PAGE_SIZE, 0, load_and_estimate);
}

/* Leaves that deleting leaves nearly empty become one, although nothing else asks for room: a scan
   of what remains does not go through them all. */
static enum status load_and_thin_out(struct fiber *f, struct stand *stand) {
    enum { COUNT = 100000, KEPT = 1000 };
    struct btree tree;
    struct btree_loader *loader;
    struct btree_check_result result;
    uint8_t key[8];
    btree_open(&tree, stand->pager, (struct tree_id){TREE});
    TRY(btree_load_begin(f, &tree, &loader));
    for (uint64_t i = 0; i < COUNT; i++) {
        put_be64(key, i);
        TRY(btree_load_add(f, loader, slice_of(key, 8), slice_of(key, 8)));
    }
    TRY(btree_load_end(f, loader));
    TRY(stand_checkpoint(f, stand, 5));
    for (uint64_t i = 0; i < COUNT; i++) {
        put_be64(key, i);
        if (i % (COUNT / KEPT) != 0)
            TRY(btree_delete(f, &tree, slice_of(key, 8), NULL));
    }
    TRY(btree_check(f, &tree, &result));
    CHECK(result.entries == KEPT);
    CHECK(result.leaves < 10);
    return STATUS_OK;
}

static void leaves_that_become_empty_are_merged(void **state) {
    run_on_stand(64 * PAGE_SIZE, 0, load_and_thin_out);
}

static enum status too_large(struct fiber *f, struct stand *stand) {
    static uint8_t bytes[BTREE_ENTRY_SIZE_MAX + 1];
    struct btree tree;
    btree_open(&tree, stand->pager, (struct tree_id){TREE});
    CHECK_STATUS(btree_put(f, &tree, slice_of(bytes, BTREE_KEY_SIZE_MAX + 1), SLICE_EMPTY, NULL),
                 STATUS_LIMIT_EXCEEDED);
    CHECK_STATUS(
        btree_put(f, &tree, slice_of(bytes, 1), slice_of(bytes, BTREE_ENTRY_SIZE_MAX), NULL),
        STATUS_LIMIT_EXCEEDED);
    TRY(btree_put(f, &tree, slice_of(bytes, BTREE_KEY_SIZE_MAX),
                  slice_of(bytes, BTREE_ENTRY_SIZE_MAX - BTREE_KEY_SIZE_MAX), NULL));
    TRY(btree_put(f, &tree, SLICE_EMPTY, SLICE_EMPTY, NULL));
    bool found;
    struct slice value;
    struct btree_pin pin;
    TRY(btree_get(f, &tree, SLICE_EMPTY, &found, &value, &pin));
    CHECK(found && value.size == 0);
    btree_unpin(&pin);
    return STATUS_OK;
}

static void entries_beyond_the_limits_are_refused(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, too_large);
}

/* ---- format ------------------------------------------------------------------------------- */

/* A leaf of 256 bytes with fences "app" and "apq" and two entries, as version 1 writes it. */
static void the_node_format_is_as_committed(void **state) {
    uint8_t bytes[256] = {0};
    struct node node = {bytes, sizeof bytes};
    struct slice upper = slice_of_text("apq");
    node_init(node, 0, slice_of_text("app"), &upper);
    assert_true(node_insert(node, 0, slice_of_text("apple"), slice_of_text("red")));
    assert_true(node_insert(node, 1, slice_of_text("apply"), slice_of_text("")));
    static const uint8_t head[] = {
        0xB7, 0,   2,   0,   237, 0, 0, 0, 2, 0, 3, 0, 3, 0, 2, 1, /* header */
        0,    0,   0,   0,   0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0,    'e', 'l', 'p', 242, 0, 3, 0, /* slots */
        0,    'y', 'l', 'p', 237, 0, 3, 0,
    };
    static const uint8_t heap[] = {
        0,   0,   'p', 'l', 'y', 3,   0, 'p', 'l', 'e', 'r', 'e', 'd', /* records */
        'a', 'p', 'q', 'a', 'p', 'p',                                  /* fences */
    };
    assert_memory_equal(bytes, head, sizeof head);
    assert_memory_equal(bytes + 256 - sizeof heap, heap, sizeof heap);
    unsigned slot;
    assert_null(node_check(node, &slot));
    bytes[33] = 'z';
    assert_string_equal(node_check(node, &slot), "wrong key head");
}

/* ---- what node_check finds ---- */

static struct node small_node(uint8_t *bytes, size_t size, unsigned level) {
    struct node node = {bytes, (uint32_t)size};
    struct slice upper = slice_of_text("applz");
    memset(bytes, 0, size);
    node_init(node, level, slice_of_text("appl"), &upper);
    for (unsigned i = 0; i < 12; i++) {
        char key[8];
        int key_size = snprintf(key, sizeof key, "appl%s%c", i == 0 ? "a" : "e", 'a' + i);
        struct slice value = slice_of(&i, sizeof i);
        struct slice child = slice_of("12345678", NODE_CHILD_SIZE);
        assert_true(
            node_insert(node, i, slice_of(key, (size_t)key_size), level > 0 ? child : value));
    }
    return node;
}

static void a_broken_node_is_told_by_what_is_broken(void **state) {
    static const struct {
        unsigned level, at;
        uint16_t value;
        const char *problem;
    } cases[] = {
        {0, 0, 0x00B8, "not a tree node"},
        {0, 26, 1, "reserved bytes are not zero"},
        {0, 10, 500, "fences larger than the page"},
        {0, 4, 40, "slots and records overlap"},
        {0, 4, 511, "slots and records overlap"},
        {0, 2, 60, "slots and records overlap"},
        {0, 8, 3, "wrong prefix"},
        {0, 32 + 4, 20, "record outside the heap"},
        {0, 32 + 4, 511, "record outside the heap"},
        {0, 32 + 6, 400, "record outside the heap"},
        {0, 32 + 8, 7, "wrong key head"},
        {0, 6, 9, "space does not add up"},
        {1, 32 + 24 + 6, 1, NULL}, /* any, but one */
    };
    uint8_t bytes[512];
    unsigned slot;
    for (unsigned level = 0; level < 2; level++)
        assert_null(node_check(small_node(bytes, sizeof bytes, level), &slot));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct node node = small_node(bytes, sizeof bytes, cases[i].level);
        put_le16(bytes + cases[i].at, cases[i].value);
        const char *problem = node_check(node, &slot);
        assert_non_null(problem);
        if (cases[i].problem != NULL)
            assert_string_equal(problem, cases[i].problem);
    }
    /* A child pointer that is shorter; fences and keys in a wrong order. */
    struct node node = small_node(bytes, sizeof bytes, 1);
    uint8_t *record = node_record(node, 5);
    put_le16(record, NODE_CHILD_SIZE - 1);
    assert_string_equal(node_check(node, &slot), "child pointer of a wrong size");
    node = small_node(bytes, sizeof bytes, 0);
    uint8_t kept[NODE_SLOT_SIZE];
    memcpy(kept, node_slot(node, 3), sizeof kept);
    memcpy(node_slot(node, 3), node_slot(node, 4), sizeof kept);
    memcpy(node_slot(node, 4), kept, sizeof kept);
    assert_string_equal(node_check(node, &slot), "keys out of order");
    node = small_node(bytes, sizeof bytes, 0);
    bytes[sizeof bytes - 4 - 1] = 'a'; /* upper: "appla" */
    assert_string_equal(node_check(node, &slot), "key at or above the upper fence");
    bytes[sizeof bytes - 1] = 'z'; /* lower: "appz" */
    assert_string_equal(node_check(node, &slot), "fences out of order");
}

/* A flipped bit of header or slots is found, or every entry reads as before. */
static void flipped_bits_of_a_node_are_found_or_harmless(void **state) {
    uint8_t sound[512], bytes[512];
    small_node(sound, sizeof sound, 0);
    struct node before = {sound, sizeof sound};
    unsigned found = 0, harmless = 0, slot;
    for (unsigned bit = 0; bit < (NODE_HEADER_SIZE + 12 * NODE_SLOT_SIZE) * 8; bit++) {
        struct node node = {bytes, sizeof bytes};
        memcpy(bytes, sound, sizeof bytes);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (node_check(node, &slot) != NULL) {
            found++;
            continue;
        }
        harmless++;
        assert_int_equal(node_count(node), node_count(before));
        for (unsigned i = 0; i < node_count(node); i++) {
            assert_true(slice_equal(node_key_rest(node, i), node_key_rest(before, i)));
            assert_true(node_level(node) > 0 ||
                        slice_equal(node_value(node, i), node_value(before, i)));
        }
    }
    /* Level and appends are hints, so is the count of the tree's entries. */
    assert_true(found > 0 && harmless <= 8 + 8 + 64);
}

int main(int argument_count, char **arguments) {
    if (argument_count > 1)
        cmocka_set_test_filter(arguments[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_durable_tree_does_what_a_sorted_array_does),
        cmocka_unit_test(a_temporary_tree_does_what_a_sorted_array_does),
        cmocka_unit_test(a_crash_leaves_the_last_cut_whatever_writers_did_since),
        cmocka_unit_test(loading_packs_leaves_and_estimates_are_near),
        cmocka_unit_test(leaves_that_become_empty_are_merged),
        cmocka_unit_test(entries_beyond_the_limits_are_refused),
        cmocka_unit_test(the_node_format_is_as_committed),
        cmocka_unit_test(a_broken_node_is_told_by_what_is_broken),
        cmocka_unit_test(flipped_bits_of_a_node_are_found_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
