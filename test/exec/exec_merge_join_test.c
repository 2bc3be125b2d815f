/* MERGE_JOIN against a naive join, all kinds, over random rows. */
#include "exec_build.h"

#include "base/base_random.h"

/* Rows are (key int4, key text, numeric(15,2), id int4). */
enum { COLUMNS = 4, ID = 3 };
static struct type types[2 * COLUMNS], bool_type;

struct side {
    struct value *values;
    uint32_t count;
    bool unique;
};

/* One join: what is joined how. */
struct join_case {
    enum join_kind kind;
    struct side left, right;
    uint32_t key_count;
    bool descending[2], left_nulls_first, right_nulls_first;
    bool residual, keeps_left, says_unique;
};

static void types_init(void) {
    for (int i = 0; i < 2; i++) {
        types[i * COLUMNS] = types[i * COLUMNS + ID] = TYPE_OF(INT4);
        types[i * COLUMNS + 1] = TYPE_OF(TEXT);
        types[i * COLUMNS + 2] = type_numeric(15, 2);
    }
    bool_type = TYPE_OF(BOOL);
}

static const char *random_text(struct random *random) {
    static const char *const texts[] = {"", "a", "B", "a longer text than fits", "zz"};
    return texts[random_below(random, 5)];
}

static struct side random_side(struct random *random, uint32_t count, uint32_t range,
                               uint32_t nulls) {
    struct side side = {.count = count, .unique = range == 0};
    side.values = arena_alloc(&build_arena, ((size_t)count * COLUMNS + 1) * sizeof(struct value));
    for (uint32_t i = 0; i < count; i++) {
        struct value *row = &side.values[i * COLUMNS];
        row[0] = value_int4((int32_t)(range == 0 ? i * 2 : random_below(random, range)) - 50);
        row[1] = value_text(random_text(random));
        row[2] = (struct value){.type = types[2], .int64 = (int64_t)random_below(random, 100000)};
        row[ID] = value_int4((int32_t)i);
        for (int k = 0; k < 2; k++)
            if (random_below(random, 100) < nulls)
                row[k] = value_null(types[k]);
    }
    return side;
}

/* ---- the plan --------------------------------------------------------------------------- */

static struct plan_node *sorted(const struct side *side, const struct join_case *c,
                                bool nulls_first) {
    struct plan_node *node = make_plan_node(NODE_SORT, COLUMNS, types);
    struct sort_key *keys = ARENA_ARRAY(&build_arena, struct sort_key, 3);
    for (uint32_t k = 0; k < c->key_count; k++)
        keys[k] = (struct sort_key){make_column(k, types[k]), c->descending[k], nulls_first};
    keys[c->key_count] = (struct sort_key){make_column(ID, types[ID]), false, false};
    node->left = make_values(side->count, COLUMNS, types, side->values);
    node->sort.key_count = c->key_count + 1;
    node->sort.keys = keys;
    return node;
}

/* Leaves batches with selections. */
static struct plan_node *filtered(struct plan_node *input) {
    struct plan_node *node = make_plan_node(NODE_FILTER, COLUMNS, types);
    node->left = input;
    node->filter.condition =
        make_call2("int4ge", bool_type, make_column(ID, types[ID]), make_constant(value_int4(3)));
    return node;
}

static bool shows_left(enum join_kind kind) {
    return kind != JOIN_RIGHT_SEMI && kind != JOIN_RIGHT_ANTI;
}
static bool shows_right(enum join_kind kind) {
    return kind != JOIN_SEMI && kind != JOIN_ANTI;
}
static uint32_t width_of(enum join_kind kind) {
    return (shows_left(kind) + shows_right(kind)) * COLUMNS;
}

static struct plan_node *joined(const struct join_case *c) {
    struct plan_node *node = make_plan_node(NODE_MERGE_JOIN, width_of(c->kind), types);
    struct expression **keys = ARENA_ARRAY(&build_arena, struct expression *, 2);
    uint32_t *output = ARENA_ARRAY(&build_arena, uint32_t, 2 * COLUMNS);
    bool *descending = ARENA_ARRAY(&build_arena, bool, 2);
    for (uint32_t i = 0; i < 2 * COLUMNS; i++)
        output[i] = i + (shows_left(c->kind) ? 0 : COLUMNS);
    for (uint32_t k = 0; k < 2; k++) {
        keys[k] = make_column(k, types[k]);
        descending[k] = c->descending[k];
    }
    node->left = filtered(sorted(&c->left, c, c->left_nulls_first));
    node->right = filtered(sorted(&c->right, c, c->right_nulls_first));
    node->join.kind = c->kind;
    node->join.key_count = c->key_count;
    node->join.left_keys = node->join.right_keys = keys;
    node->join.output = output;
    node->join.descending = descending;
    node->join.keeps_left = c->keeps_left;
    node->join.left_unique = c->says_unique && c->left.unique;
    node->join.right_unique = c->says_unique && c->right.unique;
    if (c->residual)
        node->join.residual = make_call2("numeric_lt", bool_type, make_column(2, types[2]),
                                         make_column(COLUMNS + 2, types[2]));
    return node;
}

/* ---- the model -------------------------------------------------------------------------- */

static bool matches(const struct join_case *c, const struct value *l, const struct value *r) {
    for (uint32_t k = 0; k < c->key_count; k++)
        if (l[k].is_null || r[k].is_null || value_compare(&l[k], &r[k]) != 0)
            return false;
    return !c->residual || l[2].int64 < r[2].int64;
}

static void give(const struct join_case *c, const struct value *l, const struct value *r,
                 struct result_rows *out) {
    struct value *row;
    if (out->row_count == out->capacity) {
        out->capacity = out->capacity * 2 + 1000;
        struct value *grown =
            arena_alloc(&build_arena, out->capacity * out->column_count * sizeof *grown);
        if (out->row_count > 0)
            memcpy(grown, out->values, out->row_count * out->column_count * sizeof *grown);
        out->values = grown;
    }
    row = &out->values[out->row_count++ * out->column_count];
    for (uint32_t i = 0; shows_left(c->kind) && i < COLUMNS; i++)
        *row++ = l != NULL ? l[i] : value_null(types[i]);
    for (uint32_t i = 0; shows_right(c->kind) && i < COLUMNS; i++)
        *row++ = r != NULL ? r[i] : value_null(types[i]);
}

static void model(const struct join_case *c, struct result_rows *out) {
    bool pairs = shows_left(c->kind) && shows_right(c->kind);
    bool *met = calloc(c->right.count + 1, sizeof *met);
    *out = (struct result_rows){.column_count = width_of(c->kind)};
    for (uint32_t i = 3; i < c->left.count; i++) {
        const struct value *l = &c->left.values[i * COLUMNS];
        bool any = false;
        for (uint32_t k = 3; k < c->right.count; k++) {
            const struct value *r = &c->right.values[k * COLUMNS];
            if (!matches(c, l, r))
                continue;
            any = met[k] = true;
            if (pairs)
                give(c, l, r, out);
        }
        if (any ? c->kind == JOIN_SEMI
                : c->kind == JOIN_ANTI || c->kind == JOIN_LEFT || c->kind == JOIN_FULL)
            give(c, l, NULL, out);
    }
    for (uint32_t k = 3; k < c->right.count; k++)
        if (met[k] ? c->kind == JOIN_RIGHT_SEMI
                   : c->kind == JOIN_RIGHT_ANTI || c->kind == JOIN_RIGHT || c->kind == JOIN_FULL)
            give(c, NULL, &c->right.values[k * COLUMNS], out);
    free(met);
}

/* ---- checks ------------------------------------------------------------------------------ */

static int key_order(const struct join_case *c, const struct value *a, const struct value *b,
                     bool nulls_first) {
    for (uint32_t k = 0; k < c->key_count; k++) {
        int order = a[k].is_null || b[k].is_null
                        ? (a[k].is_null - b[k].is_null) * (nulls_first ? -1 : 1)
                        : value_compare(&a[k], &b[k]) * (c->descending[k] ? -1 : 1);
        if (order != 0)
            return order;
    }
    return 0;
}

/* Rows come in the order of the walked side's keys; in that of its rows where the other side has
   each key once, and where they come alone. */
static void check_order(const struct join_case *c, const struct result_rows *rows) {
    bool inner = c->kind == JOIN_INNER;
    bool walks_right = c->kind == JOIN_RIGHT || c->kind == JOIN_RIGHT_SEMI ||
                       c->kind == JOIN_RIGHT_ANTI || (inner && c->keeps_left);
    bool alone = width_of(c->kind) == COLUMNS;
    bool whole = alone || (c->says_unique && (walks_right ? c->left : c->right).unique);
    bool nulls_first = walks_right ? c->right_nulls_first : c->left_nulls_first;
    const struct value *walked = rows->values + (walks_right && !alone ? COLUMNS : 0);
    if (c->kind == JOIN_FULL)
        return;
    for (size_t i = 1; i < rows->row_count; i++) {
        const struct value *before = walked + (i - 1) * rows->column_count;
        const struct value *row = walked + i * rows->column_count;
        int order = key_order(c, before, row, nulls_first);
        assert_true(order <= 0);
        if (whole && order == 0)
            assert_true(before[ID].int32 <= row[ID].int32);
    }
}

static void check(struct fiber *f, const struct join_case *c) {
    struct result_rows expected, got;
    model(c, &expected);
    assert_ok(run_node(f, joined(c), &got));
    if (got.row_count != expected.row_count || fingerprint(&got) != fingerprint(&expected))
        fail_msg("kind %d, %u keys, residual %d, keeps left %d, unique %d: %zu rows of %u and %u, "
                 "not %zu",
                 c->kind, c->key_count, c->residual, c->keeps_left, c->says_unique, got.row_count,
                 c->left.count, c->right.count, expected.row_count);
    check_order(c, &got);
}

static void check_all_kinds(struct fiber *f, struct random *random, struct join_case c) {
    for (int kind = JOIN_INNER; kind <= JOIN_RIGHT_ANTI; kind++)
        for (int with_residual = 0; with_residual < 2; with_residual++) {
            c.kind = (enum join_kind)kind;
            c.residual = with_residual;
            c.key_count = 1 + (uint32_t)random_below(random, 2);
            c.descending[0] = random_below(random, 2);
            c.descending[1] = random_below(random, 2);
            c.left_nulls_first = random_below(random, 2);
            c.right_nulls_first = random_below(random, 2);
            c.keeps_left = random_below(random, 2);
            c.says_unique = random_below(random, 2);
            check(f, &c);
        }
}

FIBER_TEST(all_kinds_agree_with_a_naive_join) {
    static const uint32_t counts[] = {0, 1, 4, 40, 500, 2047, 2052, 3000};
    struct random random;
    random_seed(&random, 1);
    for (int turn = 0; turn < 40; turn++) {
        types_init();
        uint32_t n = counts[random_below(&random, 8)], m = counts[random_below(&random, 8)];
        uint32_t range = 1 + (uint32_t)random_below(&random, 3000), nulls = turn % 3 * 7;
        range = range < n * m / 20000 ? n * m / 20000 : range;
        struct join_case c = {
            .left = random_side(&random, n, turn % 5 == 1 ? 0 : range, nulls),
            .right = random_side(&random, m, turn % 4 == 1 ? 0 : range, nulls),
        };
        check_all_kinds(f, &random, c);
        arena_release(&build_arena);
    }
    return STATUS_OK;
}

/* Few keys: groups that cover several batches, met by several rows, of several batches. */
FIBER_TEST(groups_cross_batches) {
    static const uint32_t counts[][3] = {
        {20, 9000, 2}, {9000, 20, 2}, {30, 6000, 1}, {6000, 3, 1}, {2500, 60, 3},  {60, 2500, 3},
        {2051, 4, 1},  {4, 2051, 1},  {4099, 8, 2},  {8, 4099, 2}, {300, 2100, 7}, {2100, 300, 7}};
    struct random random;
    random_seed(&random, 2);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        types_init();
        struct join_case c = {
            .left = random_side(&random, counts[i][0], counts[i][2], 2),
            .right = random_side(&random, counts[i][1], counts[i][2], 2),
        };
        check_all_kinds(f, &random, c);
        arena_release(&build_arena);
    }
    return STATUS_OK;
}

/* Batches may end anywhere within groups. */
FIBER_TEST(groups_begin_and_end_with_batches) {
    struct random random;
    random_seed(&random, 3);
    for (uint32_t group = 2; group <= 2048; group *= 2) {
        types_init();
        struct join_case c = {.left = random_side(&random, 4100, 1, 0),
                              .right = random_side(&random, 4103 * 2 / group + 4, 1, 0)};
        for (uint32_t i = 0; i < c.left.count; i++)
            c.left.values[i * COLUMNS] = value_int4((int32_t)((i - 3) / group));
        for (uint32_t i = 0; i < c.right.count; i++)
            c.right.values[i * COLUMNS] = value_int4((int32_t)(i / 2));
        check_all_kinds(f, &random, c);
        arena_release(&build_arena);
    }
    return STATUS_OK;
}

/* What value_compare says is equal meets, however it is written. */
FIBER_TEST(equal_values_of_other_forms_meet) {
    static const struct {
        uint32_t type;
        const char *left[5], *right[5];
        size_t pairs;
    } cases[] = {
        {TYPE_FLOAT8, {"-1", "-0", "1", "NaN", "NaN"}, {"-0", "0", "1", "Infinity", "NaN"}, 5},
        {TYPE_FLOAT4, {"-1", "0", "1", "Infinity", "NaN"}, {"-0", "0", "1", "2", "NaN"}, 4},
        {TYPE_NUMERIC, {"1.0", "1.00", "2", "10", "NaN"}, {"1", "1.000", "2.0", "3", "NaN"}, 6},
        {TYPE_BPCHAR, {"a", "a ", "b", "c", "d"}, {"a  ", "b", "b  ", "c", "e"}, 5},
        {TYPE_TEXT, {"A", "B", "a", "a ", "b"}, {"A", "a", "a", "b", "c"}, 4},
        {TYPE_INTERVAL,
         {"1 day", "24:00", "1 mon", "30 days", "1 year"},
         {"24:00", "1 mon", "31 days", "360 days", "2 years"},
         5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        types_init();
        struct type type = type_plain(cases[i].type);
        struct value left[5], right[5];
        struct expression *key = make_column(0, type);
        bool descending = false;
        static const uint32_t output[] = {0, 1};
        struct plan_node *node = make_plan_node(NODE_MERGE_JOIN, 2, (struct type[]){type, type});
        struct result_rows rows;
        for (int v = 0; v < 5; v++) {
            left[v] = make_value(type, cases[i].left[v]);
            right[v] = make_value(type, cases[i].right[v]);
        }
        node->left = make_values(5, 1, &type, left);
        node->right = make_values(5, 1, &type, right);
        node->join.key_count = 1;
        node->join.left_keys = node->join.right_keys = &key;
        node->join.output = output;
        node->join.descending = &descending;
        assert_ok(run_node(f, node, &rows));
        if (rows.row_count != cases[i].pairs)
            fail_msg("type %u: %zu pairs, not %zu", cases[i].type, rows.row_count, cases[i].pairs);
        arena_release(&build_arena);
    }
    return STATUS_OK;
}

FIBER_TEST(a_group_larger_than_memory_needs_a_store) {
    types_init();
    struct random random;
    random_seed(&random, 4);
    struct join_case c = {.key_count = 1,
                          .left = random_side(&random, 10, 1, 0),
                          .right = random_side(&random, 60000, 1, 0)};
    struct arena arena = {0};
    struct exec_environment environment = {
        .value_context = &build_context, .arena = &arena, .memory_max = 200000};
    struct plan_node *node = joined(&c);
    node->right = filtered(make_values(c.right.count, COLUMNS, types, c.right.values));
    struct plan plan = {.root = node, .node_count = 10};
    struct result_rows rows;
    assert_status(run_plan(f, &plan, &environment, &rows), STATUS_OUT_OF_MEMORY);
    arena_release(&arena);
    return STATUS_OK;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_agree_with_a_naive_join),
        cmocka_unit_test(groups_cross_batches),
        cmocka_unit_test(groups_begin_and_end_with_batches),
        cmocka_unit_test(equal_values_of_other_forms_meet),
        cmocka_unit_test(a_group_larger_than_memory_needs_a_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
