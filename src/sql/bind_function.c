/* Calls of functions and aggregates (which one is meant: bind_overload.c). */
#include <string.h>

#include "sql/bind_overload.h"

struct call_site {
    const char *schema_name, *name;
    int location;
    uint32_t count;
    struct expression **arguments;
    bool star, variadic;
};

static void add_candidate(struct binder *b, struct candidate *candidates, size_t *found,
                          const void *item, uint32_t declared, const uint16_t *types,
                          const struct call_site *site, enum function_shape shape) {
    if (*found == CANDIDATES_MAX)
        return;
    struct candidate *candidate = &candidates[*found];
    bool loose = false;
    if (site->count != declared || shape == FUNCTION_VARIADIC_ANY) {
        if (shape != FUNCTION_VARIADIC_ANY && shape != FUNCTION_VARIADIC_ARRAY)
            return;
        if (site->count < declared || site->variadic)
            return;
        loose = true;
    }
    candidate->item = item;
    candidate->types = ARENA_ARRAY(b->arena, uint32_t, site->count);
    candidate->count = site->count;
    candidate->loose = loose;
    for (uint32_t i = 0; i < site->count; i++)
        candidate->types[i] = i < declared - loose             ? types[i]
                              : shape == FUNCTION_VARIADIC_ANY ? TYPE_ANY
                                                               : type_element(types[declared - 1]);
    (*found)++;
}

static const struct candidate *exact_candidate(const struct candidate *candidates, size_t count,
                                               const struct type *actual) {
    for (size_t c = 0; c < count; c++) {
        bool exact = true;
        for (uint32_t i = 0; i < candidates[c].count && exact; i++)
            exact = candidates[c].types[i] == actual[i].id;
        if (exact)
            return &candidates[c];
    }
    return NULL;
}

static const char *signature(struct binder *b, const struct call_site *site) {
    const char *text = site->schema_name != NULL
                           ? arena_format(b->arena, "%s.%s(", site->schema_name, site->name)
                           : arena_format(b->arena, "%s(", site->name);
    for (uint32_t i = 0; i < site->count; i++)
        text = arena_format(b->arena, "%s%s%s", text, i > 0 ? ", " : "",
                            bind_type_text(b, site->arguments[i]->type));
    return arena_format(b->arena, "%s%s)", text, site->star ? "*" : "");
}

/* name(x) where name is a type: a cast. */
static enum status try_type_call(struct binder *b, const struct call_site *site, bool *done,
                                 struct expression **out) {
    *done = false;
    const struct type_info *info = type_by_typname(slice_of_text(site->name));
    if (info == NULL || site->count != 1 || info->is_pseudo)
        return STATUS_OK;
    if (!bind_can_coerce(site->arguments[0]->type, info->id, CAST_EXPLICIT))
        return STATUS_OK;
    *done = true;
    return bind_coerce(b, site->arguments[0], type_plain(info->id), CAST_EXPLICIT, site->location,
                       out);
}

static enum status find_candidates(struct binder *b, const struct call_site *site,
                                   struct candidate **candidates_out, size_t *function_count_out,
                                   size_t *all_count_out) {
    struct candidate *candidates;
    TRY(BIND_ARRAY(b, CANDIDATES_MAX, &candidates));
    size_t found = 0;
    bool here = site->schema_name == NULL || strcmp(site->schema_name, "pg_catalog") == 0;
    for (size_t i = 0; here && i < function_count(); i++) {
        const struct function *item = function_at(i);
        if (item->name[0] == site->name[0] && strcmp(item->name, site->name) == 0)
            add_candidate(b, candidates, &found, item, item->argument_count, item->arguments, site,
                          item->shape);
    }
    *function_count_out = found;
    for (size_t i = 0; here && i < aggregate_count(); i++) {
        const struct aggregate *item = aggregate_at(i);
        if (strcmp(item->name, site->name) == 0 && (!site->star || item->argument_count == 0))
            add_candidate(b, candidates, &found, item, item->argument_count, item->arguments, site,
                          FUNCTION_SCALAR);
    }
    *all_count_out = found;
    *candidates_out = candidates;
    return STATUS_OK;
}

static enum status call_missing(struct binder *b, const struct call_site *site, bool ambiguous) {
    enum status status;
    if (ambiguous) {
        status = bind_error(b, site->location, STATUS_AMBIGUOUS_FUNCTION,
                            "function %s is not unique", signature(b, site));
        error_hint("Could not choose a best candidate function. You might need to add explicit "
                   "type casts.");
    } else {
        status = bind_error(b, site->location, STATUS_UNDEFINED_FUNCTION,
                            "function %s does not exist", signature(b, site));
        error_hint("No function matches the given name and argument types. You might need to add "
                   "explicit type casts.");
    }
    return status;
}

/* Loose arguments of VARIADIC_ARRAY into one array. */
static enum status gather_variadic(struct binder *b, const struct function *function,
                                   uint32_t *count, struct expression **arguments) {
    uint32_t first = function->argument_count - 1u, loose = *count - first;
    struct expression **items;
    TRY(BIND_ARRAY(b, loose, &items));
    memcpy(items, &arguments[first], loose * sizeof *items);
    arguments[first] = expression_list(b, EXPRESSION_ARRAY, type_plain(function->arguments[first]),
                                       items[0]->location, loose, items);
    *count = function->argument_count;
    return STATUS_OK;
}

/* What is known of an aggregate's numeric result. */
static struct type aggregate_type(const struct aggregate *aggregate, uint32_t result,
                                  struct expression *const *arguments) {
    struct type type = type_plain(result);
    if (result != TYPE_NUMERIC || aggregate->argument_count == 0)
        return type;
    struct type from = arguments[0]->type;
    if (strcmp(aggregate->name, "min") == 0 || strcmp(aggregate->name, "max") == 0)
        return from.precision > 0 ? type_numeric_derived(from.precision, from.scale) : type;
    if (strcmp(aggregate->name, "sum") == 0) {
        if (from.id == TYPE_INT8)
            return type_numeric_derived(NUMERIC_DIGITS_MAX, 0);
        if (from.id == TYPE_NUMERIC && from.precision > 0)
            return type_numeric_derived(NUMERIC_DIGITS_MAX, from.scale);
    }
    return type;
}

static bool visit_aggregate(const struct expression *expression, void *context) {
    if (expression->kind != EXPRESSION_AGGREGATE || expression->aggregate->level != 0)
        return false;
    *(int *)context = expression->location;
    return true;
}

static bool visit_any(const struct expression *expression, void *context) {
    return true;
}

/* The query an aggregate belongs to: the innermost one whose columns its arguments use. */
static uint32_t aggregate_level(struct binder *b, struct bound_aggregate *aggregate) {
    struct expression probe = {.kind = EXPRESSION_AGGREGATE, .aggregate = aggregate};
    uint32_t level = 0;
    for (struct query *query = b->query; query != NULL; query = query->parent, level++)
        if (expression_walk_variables(&probe, level, visit_any, NULL))
            return level;
    return 0;
}

static enum status make_aggregate(struct binder *b, const PgQuery__FuncCall *call,
                                  const struct call_site *site, const struct aggregate *aggregate,
                                  uint32_t result, struct expression **out) {
    if (call == NULL)
        return bind_unsupported(b, site->location, "an aggregate here");
    if (call->agg_within_group)
        return bind_unsupported(b, site->location, "WITHIN GROUP");
    if (b->query == NULL || b->clause != NULL)
        return bind_error(b, site->location, STATUS_GROUPING_ERROR,
                          "aggregate functions are not allowed in %s",
                          b->clause != NULL ? b->clause : "this context");
    if (b->in_aggregate)
        return bind_error(b, site->location, STATUS_GROUPING_ERROR,
                          "aggregate function calls cannot be nested");
    struct bound_aggregate *bound;
    TRY(BIND_ARRAY(b, 1, &bound));
    bound->aggregate = aggregate;
    bound->argument_count = site->count;
    bound->arguments = site->arguments;
    bound->distinct = call->agg_distinct;
    if (call->agg_distinct && site->count == 0)
        return bind_error(b, site->location, STATUS_WRONG_OBJECT_TYPE,
                          "DISTINCT specified, but %s is not an aggregate function", site->name);
    b->in_aggregate = true;
    if (call->agg_filter != NULL) {
        const char *clause = b->clause;
        b->clause = "FILTER";
        TRY(bind_expression(b, call->agg_filter, &bound->filter));
        b->clause = clause;
        TRY(bind_boolean(b, bound->filter, "FILTER", &bound->filter));
    }
    if (call->n_agg_order > 0) {
        TRY(BIND_ARRAY(b, call->n_agg_order, &bound->order));
        bound->order_count = (uint32_t)call->n_agg_order;
        for (size_t i = 0; i < call->n_agg_order; i++) {
            const PgQuery__SortBy *sort = call->agg_order[i]->sort_by;
            struct expression *key;
            TRY(bind_expression(b, sort->node, &key));
            TRY(bind_settle_unknown(b, &key));
            bound->order[i].expression = key;
            bound->order[i].descending = sort->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
            bound->order[i].nulls_first =
                sort->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
                (sort->sortby_nulls != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST &&
                 bound->order[i].descending);
        }
    }
    b->in_aggregate = false;
    bound->level = aggregate_level(b, bound);
    if (bound->level != 0)
        return bind_unsupported(b, site->location, "an aggregate of an outer query's columns");
    int nested = -1;
    for (uint32_t i = 0; i < site->count; i++)
        if (expression_walk(site->arguments[i], visit_aggregate, &nested))
            return bind_error(b, nested, STATUS_GROUPING_ERROR,
                              "aggregate function calls cannot be nested");
    b->query->has_aggregates = true;
    b->query->grouped = true;
    *out = expression_make(b, EXPRESSION_AGGREGATE,
                           aggregate_type(aggregate, result, site->arguments), site->location);
    (*out)->aggregate = bound;
    return STATUS_OK;
}

static enum status make_call(struct binder *b, const struct call_site *site,
                             const struct function *function, uint32_t count, uint32_t result,
                             struct expression **out) {
    struct expression **arguments = site->arguments;
    if (function->same != NULL || (function->comparison != COMPARISON_NONE && count == 2))
        bind_unify_sides(b, &function, &arguments[0], &arguments[1]);
    *out =
        expression_list(b, EXPRESSION_CALL, type_plain(result), site->location, count, arguments);
    (*out)->function = function;
    b->calls_volatile |= function->volatility == FUNCTION_VOLATILE;
    bind_numeric_call(b, *out);
    if (function->shape == FUNCTION_SET) {
        if (!b->set_functions_allowed || b->query == NULL)
            return bind_error(b, site->location, STATUS_FEATURE_NOT_SUPPORTED,
                              "set-returning functions are not allowed in %s",
                              b->clause != NULL ? b->clause : "this context");
        if (function->column_count > 0 && !b->row_functions_allowed)
            return bind_unsupported(b, site->location,
                                    "a function with several columns outside of FROM");
        b->query->has_set_functions = true;
    }
    return STATUS_OK;
}

static enum status resolve_call(struct binder *b, const PgQuery__FuncCall *call,
                                struct call_site *site, struct expression **out) {
    struct candidate *candidates;
    size_t functions, all, chosen = 0;
    TRY(find_candidates(b, site, &candidates, &functions, &all));
    struct type actual[CALL_ARGUMENTS_MAX];
    for (uint32_t i = 0; i < site->count; i++)
        actual[i] = site->arguments[i]->type;
    const struct candidate *best = exact_candidate(candidates, all, actual);
    if (best == NULL) {
        bool done;
        if (call != NULL) {
            TRY(try_type_call(b, site, &done, out));
            if (done)
                return STATUS_OK;
        }
        best = candidate_choose(candidates, all, site->count, actual, &chosen);
        if (chosen != 1)
            return call_missing(b, site, chosen > 1);
    }
    bool is_aggregate = (size_t)(best - candidates) >= functions;
    uint32_t types[CALL_ARGUMENTS_MAX], count = site->count;
    memcpy(types, best->types, count * sizeof *types);
    uint32_t result = is_aggregate ? ((const struct aggregate *)best->item)->result
                                   : ((const struct function *)best->item)->result;
    TRY(bind_coerce_arguments(b, site->location, count, site->arguments, types, &result));
    if (is_aggregate)
        return make_aggregate(b, call, site, best->item, result, out);
    const struct function *function = best->item;
    if (best->loose && function->shape == FUNCTION_VARIADIC_ARRAY)
        TRY(gather_variadic(b, function, &count, site->arguments));
    if (call != NULL &&
        (call->agg_distinct || call->agg_star || call->n_agg_order > 0 || call->agg_filter != NULL))
        return bind_error(b, site->location, STATUS_WRONG_OBJECT_TYPE,
                          "%s specified, but %s is not an aggregate function",
                          call->agg_star             ? "(*)"
                          : call->agg_distinct       ? "DISTINCT"
                          : call->agg_filter != NULL ? "FILTER"
                                                     : "ORDER BY",
                          site->name);
    return make_call(b, site, function, count, result, out);
}

enum status bind_function_call(struct binder *b, const PgQuery__FuncCall *call,
                               struct expression **out) {
    struct call_site site = {.location = call->location,
                             .count = (uint32_t)call->n_args,
                             .star = call->agg_star,
                             .variadic = call->func_variadic};
    if (call->n_funcname > 2)
        return bind_unsupported(b, call->location, "this function name");
    site.schema_name = call->n_funcname == 2 ? node_text(call->funcname[0]) : NULL;
    site.name = node_text(call->funcname[call->n_funcname - 1]);
    if (call->over != NULL)
        return bind_unsupported(b, call->location, "window function call");
    if (call->n_args > CALL_ARGUMENTS_MAX)
        return bind_error(b, call->location, STATUS_LIMIT_EXCEEDED,
                          "cannot pass more than 100 arguments to a function");
    TRY(BIND_ARRAY(b, call->n_args + 1, &site.arguments));
    bool sets = b->set_functions_allowed, rows = b->row_functions_allowed;
    b->row_functions_allowed = false;
    for (size_t i = 0; i < call->n_args; i++) {
        if (NODE_IS(call->args[i], NAMED_ARG_EXPR))
            return bind_unsupported(b, call->location, "named argument notation");
        TRY(bind_expression(b, call->args[i], &site.arguments[i]));
    }
    b->set_functions_allowed = sets;
    b->row_functions_allowed = rows;
    TRY(resolve_call(b, call, &site, out));
    (*out)->sql_syntax = call->funcformat == PG_QUERY__COERCION_FORM__COERCE_SQL_SYNTAX;
    return STATUS_OK;
}

enum status bind_function_named(struct binder *b, const char *name, int location, uint32_t count,
                                struct expression **arguments, struct expression **out) {
    struct call_site site = {
        .name = name, .location = location, .count = count, .arguments = arguments};
    return resolve_call(b, NULL, &site, out);
}
