/* Operators against naive models over random rows; evaluation row by row against whole batches. */
#include "exec_build.h"

#include "exec/exec_state.h"

#include "base/base_random.h"

static struct type int4, int8, text_type, bool_type, money;

static void types_init(void) {
    int4 = TYPE_OF(INT4);
    int8 = TYPE_OF(INT8);
    text_type = TYPE_OF(TEXT);
    bool_type = TYPE_OF(BOOL);
    money = type_numeric(15, 2);
}

/* count rows of (int4 0..range or NULL, text, numeric(15,2)). */
static struct value *random_rows(struct random *random, uint32_t count, uint32_t range) {
    struct value *values = arena_alloc(&build_arena, ((size_t)count * 3 + 1) * sizeof *values);
    for (uint32_t i = 0; i < count; i++) {
        struct value *row = &values[i * 3];
        row[0] = value_int4((int32_t)random_below(random, range));
        if (random_below(random, 10) == 0)
            row[0] = value_null(int4);
        row[1] = value_text(arena_format(&build_arena, "%s%llu",
                                         random_below(random, 2) ? "a longer prefix " : "t",
                                         (unsigned long long)random_below(random, range)));
        row[2] = (struct value){.type = money, .int64 = (int64_t)random_below(random, 100000)};
    }
    return values;
}
static struct plan_node *source(const struct value *values, uint32_t count) {
    struct type types[] = {int4, text_type, money};
    return make_values(count, 3, types, values);
}

FIBER_TEST(filter_keeps_true_rows) {
    types_init();
    struct random random;
    random_seed(&random, 1);
    uint32_t count = 5000, expected = 0;
    struct value *values = random_rows(&random, count, 100);
    struct expression *small =
        make_call2("int4lt", bool_type, make_column(0, int4), make_constant(value_int4(50)));
    struct expression *large =
        make_call2("int4gt", bool_type, make_constant(value_int4(10)), make_column(0, int4));
    struct expression *parts[] = {small, make_node(EXPRESSION_NOT, bool_type, 1, &large)};
    struct plan_node *node =
        make_plan_node(NODE_FILTER, 3, (struct type[]){int4, text_type, money});
    node->left = source(values, count);
    node->filter.condition = make_node(EXPRESSION_AND, bool_type, 2, parts);
    for (uint32_t i = 0; i < count; i++)
        expected += !values[i * 3].is_null && values[i * 3].int32 < 50 && values[i * 3].int32 >= 10;
    struct result_rows rows;
    assert_ok(run_node(f, node, &rows));
    assert_int_equal(rows.row_count, expected);
    for (size_t i = 0; i < rows.row_count; i++)
        assert_true(rows.values[i * 3].int32 < 50 && rows.values[i * 3].int32 >= 10);
    return STATUS_OK;
}

static struct plan_aggregate aggregate(const char *symbol, struct type type,
                                       struct expression *argument) {
    struct plan_aggregate result = {.type = type};
    for (size_t i = 0; i < aggregate_count(); i++)
        if (strcmp(aggregate_at(i)->symbol, symbol) == 0)
            result.aggregate = aggregate_at(i);
    assert_non_null(result.aggregate);
    if (argument != NULL) {
        struct expression **arguments = ARENA_ARRAY(&build_arena, struct expression *, 1);
        arguments[0] = argument;
        result.arguments = arguments;
        result.argument_count = 1;
    }
    return result;
}

FIBER_TEST(groups_agree_with_a_naive_model) {
    types_init();
    struct random random;
    random_seed(&random, 2);
    uint32_t count = 20000, range = 700;
    struct value *values = random_rows(&random, count, range);
    struct type sum_type = type_numeric_derived(38, 2);
    struct plan_aggregate aggregates[] = {
        aggregate("count_star", int8, NULL),
        aggregate("sum_numeric", sum_type, make_column(2, money)),
        aggregate("min", text_type, make_column(1, text_type)),
        aggregate("avg_int4", TYPE_OF(NUMERIC), make_column(0, int4)),
        aggregate("count", int8, make_column(1, text_type)),
    };
    aggregates[4].distinct = true;
    struct expression *keys[] = {make_column(0, int4)};
    struct type types[] = {int4, int8, sum_type, text_type, TYPE_OF(NUMERIC), int8};
    struct plan_node *node = make_plan_node(NODE_AGGREGATE, 6, types);
    node->left = source(values, count);
    node->aggregate.key_count = 1;
    node->aggregate.keys = keys;
    node->aggregate.aggregate_count = 5;
    node->aggregate.aggregates = aggregates;
    struct result_rows rows;
    assert_ok(run_node(f, node, &rows));
    uint64_t total = 0;
    for (size_t g = 0; g < rows.row_count; g++) {
        const struct value *group = &rows.values[g * 6];
        int64_t wanted = 0;
        int128_t sum = 0;
        const struct value *least = NULL;
        int64_t distinct = 0;
        for (uint32_t i = 0; i < count; i++) {
            const struct value *row = &values[i * 3];
            if (row[0].is_null != group[0].is_null ||
                (!row[0].is_null && row[0].int32 != group[0].int32))
                continue;
            wanted++;
            sum += row[2].int64;
            if (least == NULL || value_compare(&row[1], least) < 0)
                least = &row[1];
            bool seen = false;
            for (uint32_t k = 0; k < i && !seen; k++)
                seen = values[k * 3].is_null == row[0].is_null &&
                       (row[0].is_null || values[k * 3].int32 == row[0].int32) &&
                       value_compare(&values[k * 3 + 1], &row[1]) == 0;
            distinct += !seen;
        }
        assert_int_equal(group[1].int64, wanted);
        assert_true(group[2].int128 == sum);
        assert_int_equal(value_compare(&group[3], least), 0);
        assert_int_equal(group[5].int64, distinct);
        total += (uint64_t)wanted;
        if (g > 50 && g + 50 < rows.row_count)
            g += 20; /* the model is quadratic: a sample of the groups */
        else
            continue;
    }
    assert_true(total > 0);
    assert_true(rows.row_count > range / 2 && rows.row_count <= range + 1);
    return STATUS_OK;
}

FIBER_TEST(no_rows_give_one_row_of_totals) {
    types_init();
    struct plan_aggregate aggregates[] = {
        aggregate("count_star", int8, NULL),
        aggregate("sum_int4", int8, make_column(0, int4)),
    };
    struct type types[] = {int8, int8};
    struct plan_node *node = make_plan_node(NODE_AGGREGATE, 2, types);
    node->left = source(NULL, 0);
    node->aggregate.aggregate_count = 2;
    node->aggregate.aggregates = aggregates;
    struct result_rows rows;
    assert_ok(run_node(f, node, &rows));
    assert_int_equal(rows.row_count, 1);
    assert_int_equal(rows.values[0].int64, 0);
    assert_true(rows.values[1].is_null);
    return STATUS_OK;
}

static struct plan_node *sorted(struct plan_node *left, bool descending, bool nulls_first,
                                const struct expression *limit) {
    struct plan_node *node = make_plan_node(NODE_SORT, 3, (struct type[]){int4, text_type, money});
    struct sort_key *keys = ARENA_ARRAY(&build_arena, struct sort_key, 2);
    keys[0] = (struct sort_key){make_column(0, int4), descending, nulls_first};
    keys[1] = (struct sort_key){make_column(1, text_type), false, false};
    node->left = left;
    node->sort.key_count = 2;
    node->sort.keys = keys;
    node->sort.limit = limit;
    return node;
}
static int order_of(const struct value *a, const struct value *b, bool descending,
                    bool nulls_first) {
    if (a->is_null || b->is_null) {
        if (a->is_null && b->is_null)
            return value_compare(&a[1], &b[1]);
        return (a->is_null ? 1 : -1) * (nulls_first ? -1 : 1);
    }
    int order = value_compare(a, b) * (descending ? -1 : 1);
    return order != 0 ? order : value_compare(&a[1], &b[1]);
}

FIBER_TEST(sort_orders_rows_and_top_n_is_its_prefix) {
    types_init();
    struct random random;
    random_seed(&random, 3);
    uint32_t count = 12000;
    struct value *values = random_rows(&random, count, 3000);
    for (int turn = 0; turn < 4; turn++) {
        bool descending = turn & 1, nulls_first = turn & 2;
        struct result_rows all, top;
        assert_ok(run_node(f, sorted(source(values, count), descending, nulls_first, NULL), &all));
        assert_int_equal(all.row_count, count);
        for (uint32_t i = 1; i < count; i++)
            assert_true(order_of(&all.values[(i - 1) * 3], &all.values[i * 3], descending,
                                 nulls_first) <= 0);
        assert_ok(run_node(
            f,
            sorted(source(values, count), descending, nulls_first, make_constant(value_int8(37))),
            &top));
        assert_true(top.row_count >= 37 && top.row_count <= count);
        for (uint32_t i = 0; i < 37; i++)
            assert_int_equal(
                order_of(&all.values[i * 3], &top.values[i * 3], descending, nulls_first), 0);
    }
    return STATUS_OK;
}

static struct plan_node *joined(enum plan_node_kind how, enum join_kind kind,
                                struct plan_node *left, struct plan_node *right,
                                struct expression *residual) {
    static const uint32_t both[] = {0, 1, 2, 3, 4, 5};
    struct type types[] = {int4, text_type, money, int4, text_type, money};
    bool left_only = kind == JOIN_SEMI || kind == JOIN_ANTI;
    struct plan_node *node = make_plan_node(how, left_only ? 3 : 6, types);
    node->left = left;
    node->right = right;
    if (how == NODE_HASH_JOIN) {
        struct expression **keys = ARENA_ARRAY(&build_arena, struct expression *, 2);
        keys[0] = keys[1] = make_column(0, int4);
        node->join.kind = kind;
        node->join.key_count = 1;
        node->join.left_keys = keys;
        node->join.right_keys = keys;
        node->join.residual = residual;
        node->join.output = both;
        return node;
    }
    struct expression *equal =
        make_call2("int4eq", bool_type, make_column(0, int4), make_column(3, int4));
    struct expression *parts[] = {equal, residual};
    node->nested_loop.kind = kind;
    node->nested_loop.residual =
        residual == NULL ? equal : make_node(EXPRESSION_AND, bool_type, 2, parts);
    node->nested_loop.output = both;
    return node;
}

static void model_join(enum join_kind kind, const struct value *left, uint32_t left_count,
                       const struct value *right, uint32_t right_count, bool residual,
                       struct result_rows *out) {
    bool left_only = kind == JOIN_SEMI || kind == JOIN_ANTI;
    bool *met = calloc(right_count + 1, sizeof *met);
    *out = (struct result_rows){.column_count = left_only ? 3 : 6};
    size_t capacity = (size_t)left_count * 40 + right_count + 16;
    out->values = arena_alloc(&build_arena, capacity * out->column_count * sizeof(struct value));
    assert_non_null(out->values);
    for (uint32_t i = 0; i < left_count + right_count; i++) {
        bool any = false;
        const struct value *l = &left[i * 3];
        if (i >= left_count) { /* right rows that met nobody */
            if ((kind == JOIN_RIGHT || kind == JOIN_FULL) && !met[i - left_count]) {
                struct value *row = &out->values[out->row_count++ * 6];
                row[0] = value_null(int4);
                row[1] = value_null(text_type);
                row[2] = value_null(money);
                memcpy(row + 3, &right[(i - left_count) * 3], 3 * sizeof *row);
            }
            continue;
        }
        for (uint32_t k = 0; k < right_count; k++) {
            const struct value *r = &right[k * 3];
            if (l->is_null || r->is_null || l->int32 != r->int32 ||
                (residual && !(l[2].int64 < r[2].int64)))
                continue;
            any = met[k] = true;
            if (!left_only) {
                struct value *row = &out->values[out->row_count++ * 6];
                memcpy(row, l, 3 * sizeof *row);
                memcpy(row + 3, r, 3 * sizeof *row);
            }
        }
        if ((kind == JOIN_SEMI && any) || (kind == JOIN_ANTI && !any))
            memcpy(&out->values[out->row_count++ * 3], l, 3 * sizeof *l);
        if (!any && (kind == JOIN_LEFT || kind == JOIN_FULL)) {
            struct value *row = &out->values[out->row_count++ * 6];
            memcpy(row, l, 3 * sizeof *row);
            row[3] = value_null(int4);
            row[4] = value_null(text_type);
            row[5] = value_null(money);
        }
        assert_true(out->row_count < capacity);
    }
    free(met);
}

FIBER_TEST(joins_agree_with_a_naive_model) {
    types_init();
    struct random random;
    random_seed(&random, 4);
    static const uint32_t sizes[][2] = {{3000, 2500}, {10, 3000}, {3000, 10}, {100, 0}, {0, 100}};
    for (size_t s = 0; s < 5; s++) {
        uint32_t n = sizes[s][0], m = sizes[s][1];
        struct value *left = random_rows(&random, n, 800), *right = random_rows(&random, m, 800);
        for (int kind = JOIN_INNER; kind <= JOIN_ANTI; kind++)
            for (int with_residual = 0; with_residual < 2; with_residual++) {
                struct expression *residual =
                    with_residual ? make_call2("numeric_lt", bool_type, make_column(2, money),
                                               make_column(5, money))
                                  : NULL;
                struct result_rows expected, got;
                model_join((enum join_kind)kind, left, n, right, m, with_residual, &expected);
                assert_ok(run_node(f,
                                   joined(NODE_HASH_JOIN, (enum join_kind)kind, source(left, n),
                                          source(right, m), residual),
                                   &got));
                if (got.row_count != expected.row_count ||
                    fingerprint(&got) != fingerprint(&expected))
                    fail_msg("hash join kind %d residual %d sizes %u %u: %zu rows, not %zu", kind,
                             with_residual, n, m, got.row_count, expected.row_count);
                if (kind == JOIN_RIGHT || kind == JOIN_FULL || n * m > 100000)
                    continue;
                assert_ok(run_node(f,
                                   joined(NODE_NESTED_LOOP, (enum join_kind)kind, source(left, n),
                                          source(right, m), residual),
                                   &got));
                if (got.row_count != expected.row_count ||
                    fingerprint(&got) != fingerprint(&expected))
                    fail_msg("nested loop kind %d residual %d: %zu rows, not %zu", kind,
                             with_residual, got.row_count, expected.row_count);
            }
    }
    return STATUS_OK;
}

FIBER_TEST(set_operations_count_rows) {
    types_init();
    struct type types[] = {int4};
    static const int32_t left[] = {1, 1, 1, 2, 3, 3, 5}, right[] = {1, 1, 3, 4};
    struct value a[8], b[8];
    for (int i = 0; i < 7; i++)
        a[i] = value_int4(left[i]);
    a[7] = value_null(int4);
    for (int i = 0; i < 4; i++)
        b[i] = value_int4(right[i]);
    b[4] = value_null(int4);
    static const size_t expected[2][2] = {{3, 4}, {2, 4}}; /* [except][all] */
    for (int except = 0; except < 2; except++)
        for (int all = 0; all < 2; all++) {
            struct plan_node *node = make_plan_node(NODE_SET_OPERATION, 1, types);
            struct result_rows rows;
            node->left = make_values(8, 1, types, a);
            node->right = make_values(5, 1, types, b);
            node->set_operation.except = except;
            node->set_operation.all = all;
            assert_ok(run_node(f, node, &rows));
            assert_int_equal(rows.row_count, expected[except][all]);
        }
    return STATUS_OK;
}

FIBER_TEST(limit_and_offset_cut) {
    types_init();
    struct random random;
    random_seed(&random, 5);
    struct value *values = random_rows(&random, 5000, 100);
    struct plan_node *node = make_plan_node(NODE_LIMIT, 3, (struct type[]){int4, text_type, money});
    struct result_rows rows;
    node->left = source(values, 5000);
    node->limit.limit = make_constant(value_int8(2500));
    node->limit.offset = make_constant(value_int8(1000));
    assert_ok(run_node(f, node, &rows));
    assert_int_equal(rows.row_count, 2500);
    assert_int_equal(rows.values[2].int64, values[1000 * 3 + 2].int64);
    node->limit.limit = make_constant(value_int8(-1));
    assert_status(run_node(f, node, &rows), STATUS_INVALID_ROW_COUNT_IN_LIMIT);
    return STATUS_OK;
}

FIBER_TEST(case_branches_are_lazy) {
    types_init();
    struct type types[] = {int4};
    struct value values[300];
    for (int i = 0; i < 300; i++)
        values[i] = i % 7 == 6 ? value_null(int4) : value_int4(i % 3);
    struct expression *column = make_column(0, int4);
    struct expression *parts[] = {
        make_call2("int4eq", bool_type, column, make_constant(value_int4(0))),
        make_constant(value_int4(-1)),
        make_call2("int4div", int4, make_constant(value_int4(10)), column),
    };
    struct expression *whole = make_node(EXPRESSION_CASE, int4, 3, parts);
    struct result_rows rows;
    assert_ok(run_node(f, make_project(make_values(300, 1, types, values), 1, &whole), &rows));
    for (int i = 0; i < 300; i++) {
        if (values[i].is_null)
            assert_true(rows.values[i].is_null);
        else
            assert_int_equal(rows.values[i].int32,
                             values[i].int32 == 0 ? -1 : 10 / values[i].int32);
    }
    struct expression *divide = parts[2];
    assert_status(run_node(f, make_project(make_values(300, 1, types, values), 1, &divide), &rows),
                  STATUS_DIVISION_BY_ZERO);
    return STATUS_OK;
}

FIBER_TEST(memory_limit_is_kept) {
    types_init();
    struct random random;
    random_seed(&random, 6);
    struct value *values = random_rows(&random, 20000, 20000);
    struct arena arena = {0};
    struct exec_environment environment = {
        .value_context = &build_context, .arena = &arena, .memory_max = 200000};
    struct plan plan = {.root = sorted(source(values, 20000), false, false, NULL),
                        .node_count = 10};
    struct result_rows rows;
    assert_status(run_plan(f, &plan, &environment, &rows), STATUS_OUT_OF_MEMORY);
    arena_release(&arena);
    return STATUS_OK;
}

FIBER_TEST(series_is_generated) {
    types_init();
    struct expression *bounds[] = {make_constant(value_int4(1)), make_constant(value_int4(5000))};
    struct plan_function function = {.call = make_call("generate_series_int4", int4, 2, bounds),
                                     .column_count = 1};
    struct plan_node *node = make_plan_node(NODE_FUNCTION_SCAN, 2, (struct type[]){int4, int8});
    struct result_rows rows;
    node->function_scan.function_count = 1;
    node->function_scan.functions = &function;
    node->function_scan.ordinality = true;
    assert_ok(run_node(f, node, &rows));
    assert_int_equal(rows.row_count, 5000);
    assert_int_equal(rows.values[4999 * 2].int32, 5000);
    assert_int_equal(rows.values[4999 * 2 + 1].int64, 5000);
    return STATUS_OK;
}

/* Other kernels may look there: not at what a string of the batch before pointed to. */
FIBER_TEST(nothing_lies_under_a_null) {
    types_init();
    struct type text = TYPE_OF(TEXT);
    struct arena arena = {0};
    struct execution execution = {.environment = {.value_context = &build_context}};
    struct exec_local local = {.execution = &execution, .arena = &arena};
    struct expression *both[] = {make_column(0, text), make_column(0, text)};
    struct expression *part[] = {make_column(0, text), make_constant(value_int4(1)),
                                 make_constant(value_int4(40))};
    struct expression *expressions[] = {make_call("textcat", text, 2, both),
                                        make_call("text_substr", text, 3, part)};
    struct vector column, result;
    vector_init(&column, text, &arena);
    struct batch batch = {.vectors = &column, .column_count = 1};
    struct value word =
        value_string(text, slice_of_text("a text that does not fit into its place"));
    for (int i = 0; i < 2; i++) {
        struct compiled *compiled;
        assert_ok(exec__compile(&local, expressions[i], &compiled));
        vector_reset(&column);
        for (uint32_t row = 0; row < 3; row++)
            vector_set(&column, row, &word, NULL);
        batch_set_count(&batch, 3);
        assert_ok(exec__evaluate(f, compiled, &batch, vector_identity, 3, &arena, &result));
        assert_false(vector_is_null(&result, 1));
        vector_reset(&column);
        vector_set(&column, 0, &word, NULL);
        vector_set_null(&column, 1);
        vector_set(&column, 2, &word, NULL);
        assert_ok(exec__evaluate(f, compiled, &batch, vector_identity, 3, &arena, &result));
        assert_true(vector_is_null(&result, 1));
        assert_int_equal(((const struct string *)result.data)[1].size, 0);
    }
    arena_release(&arena);
    return STATUS_OK;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter_keeps_true_rows),
        cmocka_unit_test(groups_agree_with_a_naive_model),
        cmocka_unit_test(no_rows_give_one_row_of_totals),
        cmocka_unit_test(sort_orders_rows_and_top_n_is_its_prefix),
        cmocka_unit_test(joins_agree_with_a_naive_model),
        cmocka_unit_test(set_operations_count_rows),
        cmocka_unit_test(limit_and_offset_cut),
        cmocka_unit_test(case_branches_are_lazy),
        cmocka_unit_test(memory_limit_is_kept),
        cmocka_unit_test(series_is_generated),
        cmocka_unit_test(nothing_lies_under_a_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
