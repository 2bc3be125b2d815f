/*
 * Which function or operator a call means: PostgreSQL's rules (documentation, chapter "Type
 * Conversion"; parse_func.c and parse_oper.c are the model of behaviour).
 *
 *   1. an exact match of argument types wins; for a binary operator an unknown side is first
 *      taken to have the other side's type
 *   2. candidates that implicit casts cannot reach are dropped
 *   3. most exact matches; then most exact or preferred; then categories of unknown arguments;
 *      then all unknown arguments taken as the one known type
 */
#include <string.h>

#include "sql/bind.h"

enum { CANDIDATES_MAX = 128, CALL_ARGUMENTS_MAX = 100 };

struct candidate {
    const void *item; /* struct function, aggregate or operator */
    uint32_t count;
    uint32_t *types;
    bool loose; /* variadic array given element by element */
};

static bool is_polymorphic(uint32_t id) {
    return id == TYPE_ANYELEMENT || id == TYPE_ANYARRAY || id == TYPE_ANYNONARRAY ||
           id == TYPE_ANYCOMPATIBLE || id == TYPE_ANYCOMPATIBLEARRAY ||
           id == TYPE_ANYCOMPATIBLENONARRAY || id == TYPE_ANYENUM;
}

static uint32_t element_of(uint32_t id) {
    return type_is_array(id) ? type_info_get(id)->element_id : 0;
}

static bool reaches(struct type from, uint32_t to) {
    if (from.id == to || from.id == TYPE_UNKNOWN || to == TYPE_ANY)
        return true;
    switch (to) {
    case TYPE_ANYELEMENT:
    case TYPE_ANYCOMPATIBLE:
        return true;
    case TYPE_ANYNONARRAY:
    case TYPE_ANYCOMPATIBLENONARRAY:
        return !type_is_array(from.id);
    case TYPE_ANYARRAY:
    case TYPE_ANYCOMPATIBLEARRAY:
        return type_is_array(from.id) || from.id == TYPE_ANYARRAY;
    case TYPE_RECORD:
        return from.id == TYPE_RECORD;
    default:
        return cast_allowed(from.id, to, CAST_IMPLICIT);
    }
}

/* anyelement and anyarray must agree about one element type (unknowns aside). */
static bool polymorphic_agree(const struct candidate *candidate, const struct type *actual) {
    uint32_t element = 0;
    for (uint32_t i = 0; i < candidate->count; i++) {
        uint32_t type = candidate->types[i], id = actual[i].id, found = 0;
        if (id == TYPE_UNKNOWN)
            continue;
        if (type == TYPE_ANYELEMENT || type == TYPE_ANYNONARRAY)
            found = id;
        else if (type == TYPE_ANYARRAY)
            found = element_of(id);
        if (found == 0)
            continue;
        if (element != 0 && element != found)
            return false;
        element = found;
    }
    /* anycompatible: the elements need a common type. */
    uint32_t common = 0;
    for (uint32_t i = 0; i < candidate->count; i++) {
        uint32_t type = candidate->types[i], id = actual[i].id;
        if (id == TYPE_UNKNOWN || (type != TYPE_ANYCOMPATIBLE && type != TYPE_ANYCOMPATIBLEARRAY &&
                                   type != TYPE_ANYCOMPATIBLENONARRAY))
            continue;
        uint32_t mine = type == TYPE_ANYCOMPATIBLEARRAY ? element_of(id) : id;
        if (common != 0 && common != mine && !cast_allowed(mine, common, CAST_IMPLICIT) &&
            !cast_allowed(common, mine, CAST_IMPLICIT))
            return false;
        if (common == 0 || (common != mine && cast_allowed(common, mine, CAST_IMPLICIT)))
            common = mine;
    }
    return true;
}

/* ---- choosing --------------------------------------------------------------------------- */

static int exact_matches(const struct candidate *candidate, const struct type *actual,
                         bool count_preferred, const char *categories) {
    int matches = 0;
    for (uint32_t i = 0; i < candidate->count; i++) {
        if (actual[i].id == TYPE_UNKNOWN)
            continue;
        const struct type_info *info = type_info(candidate->types[i]);
        if (candidate->types[i] == actual[i].id)
            matches++;
        else if (count_preferred && info != NULL && info->preferred &&
                 info->category == categories[i])
            matches++;
    }
    return matches;
}

static size_t keep_best(struct candidate **list, size_t count, const struct type *actual,
                        bool count_preferred, const char *categories) {
    int best = -1;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        int matches = exact_matches(list[i], actual, count_preferred, categories);
        if (matches > best) {
            best = matches;
            kept = 0;
        }
        if (matches == best)
            list[kept++] = list[i];
    }
    return kept;
}

/* Decide the category of an unknown argument; false when the candidates conflict. */
static bool slot_category(struct candidate **list, size_t count, uint32_t slot, char *category_out,
                          bool *preferred_out) {
    bool conflict = false, resolved = false, preferred = false;
    char category = 0;
    for (size_t i = 0; i < count; i++) {
        const struct type_info *info = type_info(list[i]->types[slot]);
        char mine = info != NULL ? info->category : 'P';
        bool is_preferred = info != NULL && info->preferred;
        if (!resolved) {
            category = mine;
            preferred = is_preferred;
            resolved = true;
        } else if (mine == category) {
            preferred |= is_preferred;
        } else if (mine == 'S') {
            category = mine;
            preferred = is_preferred;
            conflict = false;
            continue;
        } else {
            conflict = category != 'S';
        }
        if (conflict && category != 'S') {
            for (size_t k = i + 1; k < count; k++) {
                const struct type_info *later = type_info(list[k]->types[slot]);
                if (later != NULL && later->category == 'S') {
                    *category_out = 'S';
                    *preferred_out = true;
                    return true;
                }
            }
            return false;
        }
    }
    *category_out = category;
    *preferred_out = preferred;
    return true;
}

static size_t by_categories(struct candidate **list, size_t count, uint32_t argument_count,
                            const struct type *actual) {
    char categories[CALL_ARGUMENTS_MAX];
    bool preferred[CALL_ARGUMENTS_MAX];
    for (uint32_t i = 0; i < argument_count; i++)
        if (actual[i].id == TYPE_UNKNOWN &&
            !slot_category(list, count, i, &categories[i], &preferred[i]))
            return count;
    struct candidate *kept[CANDIDATES_MAX];
    size_t kept_count = 0;
    for (size_t c = 0; c < count; c++) {
        bool keep = true;
        for (uint32_t i = 0; i < argument_count && keep; i++) {
            if (actual[i].id != TYPE_UNKNOWN)
                continue;
            const struct type_info *info = type_info(list[c]->types[i]);
            char mine = info != NULL ? info->category : 'P';
            keep = mine == categories[i] && (!preferred[i] || (info != NULL && info->preferred));
        }
        if (keep)
            kept[kept_count++] = list[c];
    }
    if (kept_count == 0)
        return count;
    memcpy(list, kept, kept_count * sizeof *kept);
    return kept_count;
}

/* All unknowns as the one known type. */
static size_t by_single_type(struct candidate **list, size_t count, uint32_t argument_count,
                             const struct type *actual) {
    struct type known = {0};
    for (uint32_t i = 0; i < argument_count; i++) {
        if (actual[i].id == TYPE_UNKNOWN)
            continue;
        if (known.id != 0 && known.id != actual[i].id)
            return count;
        known = actual[i];
    }
    if (known.id == 0)
        return count;
    size_t kept = 0;
    struct candidate *only = NULL;
    struct type assumed[CALL_ARGUMENTS_MAX];
    for (uint32_t i = 0; i < argument_count; i++)
        assumed[i] = known;
    for (size_t c = 0; c < count; c++) {
        bool fits = polymorphic_agree(list[c], assumed);
        for (uint32_t i = 0; i < argument_count && fits; i++)
            fits = reaches(known, list[c]->types[i]);
        if (fits) {
            only = list[c];
            kept++;
        }
    }
    if (kept != 1)
        return count;
    list[0] = only;
    return 1;
}

/* The best of the candidates that can be reached; *count_out 0: none, > 1: ambiguous. */
static struct candidate *choose(struct candidate *all, size_t all_count, uint32_t argument_count,
                                const struct type *actual, size_t *count_out) {
    struct candidate *list[CANDIDATES_MAX];
    size_t count = 0;
    for (size_t c = 0; c < all_count && count < CANDIDATES_MAX; c++) {
        bool fits = true;
        for (uint32_t i = 0; i < argument_count && fits; i++)
            fits = reaches(actual[i], all[c].types[i]);
        if (fits && polymorphic_agree(&all[c], actual))
            list[count++] = &all[c];
    }
    bool unknowns = false;
    char categories[CALL_ARGUMENTS_MAX] = {0};
    for (uint32_t i = 0; i < argument_count; i++) {
        unknowns |= actual[i].id == TYPE_UNKNOWN;
        const struct type_info *info = type_info(actual[i].id);
        categories[i] = info != NULL ? info->category : 'X';
    }
    if (count > 1)
        count = keep_best(list, count, actual, false, categories);
    if (count > 1)
        count = keep_best(list, count, actual, true, categories);
    if (count > 1 && unknowns)
        count = by_categories(list, count, argument_count, actual);
    if (count > 1 && unknowns)
        count = by_single_type(list, count, argument_count, actual);
    *count_out = count;
    return count > 0 ? list[0] : NULL;
}

/* ---- applying --------------------------------------------------------------------------- */

static uint32_t array_of(uint32_t element) {
    const struct type_info *info = type_info(element);
    return info != NULL ? info->array_id : 0;
}

/* Decide what polymorphic arguments and result are; coerce all arguments. */
static enum status coerce_arguments(struct binder *b, int location, uint32_t count,
                                    struct expression **arguments, uint32_t *types,
                                    uint32_t *result) {
    uint32_t element = 0, array = 0, common = 0;
    bool polymorphic = is_polymorphic(*result);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = arguments[i]->type.id, type = types[i];
        polymorphic |= is_polymorphic(type);
        if (id == TYPE_UNKNOWN)
            continue;
        if (type == TYPE_ANYELEMENT || type == TYPE_ANYNONARRAY) {
            element = id;
        } else if (type == TYPE_ANYARRAY) {
            array = id;
            element = element_of(id);
        } else if (type == TYPE_ANYCOMPATIBLE || type == TYPE_ANYCOMPATIBLEARRAY ||
                   type == TYPE_ANYCOMPATIBLENONARRAY) {
            uint32_t mine = type == TYPE_ANYCOMPATIBLEARRAY ? element_of(id) : id;
            if (common == 0 || (common != mine && cast_allowed(common, mine, CAST_IMPLICIT) &&
                                !(type_info_get(common)->preferred)))
                common = mine;
        }
    }
    if (polymorphic && element == 0 && common == 0) {
        bool needs = false;
        for (uint32_t i = 0; i < count; i++)
            needs |= is_polymorphic(types[i]) && types[i] != TYPE_ANYCOMPATIBLE &&
                     types[i] != TYPE_ANYCOMPATIBLEARRAY;
        if (needs)
            return bind_error(b, location, STATUS_DATATYPE_MISMATCH,
                              "could not determine polymorphic type because input has type "
                              "unknown");
        common = TYPE_TEXT;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *type = &types[i];
        if (*type == TYPE_ANYELEMENT || *type == TYPE_ANYNONARRAY)
            *type = element;
        else if (*type == TYPE_ANYARRAY)
            *type = arguments[i]->type.id != TYPE_UNKNOWN ? arguments[i]->type.id
                    : array != 0                          ? array
                                                          : array_of(element);
        else if (*type == TYPE_ANYCOMPATIBLE || *type == TYPE_ANYCOMPATIBLENONARRAY)
            *type = common;
        else if (*type == TYPE_ANYCOMPATIBLEARRAY)
            *type = element_of(arguments[i]->type.id) == common ? arguments[i]->type.id
                                                                : array_of(common);
    }
    if (*result == TYPE_ANYELEMENT || *result == TYPE_ANYNONARRAY)
        *result = element;
    else if (*result == TYPE_ANYARRAY)
        *result = array != 0 ? array : array_of(element);
    else if (*result == TYPE_ANYCOMPATIBLE)
        *result = common;
    else if (*result == TYPE_ANYCOMPATIBLEARRAY)
        *result = array_of(common);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t from = arguments[i]->type.id;
        if (types[i] == TYPE_TEXT && (from == TYPE_VARCHAR || from == TYPE_NAME))
            continue; /* the same bytes */
        if (types[i] == TYPE_ANY) {
            TRY(bind_settle_unknown(b, &arguments[i]));
            continue;
        }
        TRY(bind_coerce(b, arguments[i], type_plain(types[i]), CAST_IMPLICIT, location,
                        &arguments[i]));
    }
    return STATUS_OK;
}

/* ---- operators -------------------------------------------------------------------------- */

static enum status operator_missing(struct binder *b, const char *name, int location,
                                    struct expression *left, struct expression *right,
                                    bool ambiguous) {
    const char *shown = left != NULL
                            ? arena_format(b->arena, "%s %s %s", bind_type_text(b, left->type),
                                           name, bind_type_text(b, right->type))
                            : arena_format(b->arena, "%s %s", name, bind_type_text(b, right->type));
    enum status status;
    if (ambiguous) {
        status =
            bind_error(b, location, STATUS_AMBIGUOUS_FUNCTION, "operator is not unique: %s", shown);
        error_hint("Could not choose a best candidate operator. You might need to add explicit "
                   "type casts.");
    } else {
        status = bind_error(b, location, STATUS_UNDEFINED_FUNCTION, "operator does not exist: %s",
                            shown);
        error_hint(left != NULL ? "No operator matches the given name and argument types. You "
                                  "might need to add explicit type casts."
                                : "No operator matches the given name and argument type. You "
                                  "might need to add an explicit type cast.");
    }
    return status;
}

static const struct operator* find_exact(const char *name, uint32_t left, uint32_t right) {
    for (size_t i = 0; i < operator_count(); i++) {
        const struct operator* item = operator_at(i);
        if (item->left == left && item->right == right && strcmp(item->name, name) == 0)
            return item;
    }
    return NULL;
}

static enum status find_operator(struct binder *b, const char *name, int location,
                                 struct expression *left, struct expression *right,
                                 const struct operator** operator_out) {
    uint32_t l = left != NULL ? left->type.id : 0, r = right->type.id;
    const struct operator* exact = NULL;
    if (left != NULL && l == TYPE_UNKNOWN && r != TYPE_UNKNOWN)
        exact = find_exact(name, r, r);
    else if (left != NULL && r == TYPE_UNKNOWN && l != TYPE_UNKNOWN)
        exact = find_exact(name, l, l);
    else
        exact = find_exact(name, l, r);
    if (exact == NULL && left != NULL && (l == TYPE_VARCHAR || r == TYPE_VARCHAR)) {
        uint32_t x = l == TYPE_VARCHAR || l == TYPE_UNKNOWN ? TYPE_TEXT : l;
        uint32_t y = r == TYPE_VARCHAR || r == TYPE_UNKNOWN ? TYPE_TEXT : r;
        exact = find_exact(name, x, y);
    }
    if (exact != NULL) {
        *operator_out = exact;
        return STATUS_OK;
    }
    struct type actual[2] = {left != NULL ? left->type : right->type, right->type};
    uint32_t count = left != NULL ? 2 : 1;
    struct candidate *candidates;
    TRY(BIND_ARRAY(b, CANDIDATES_MAX, &candidates));
    size_t found = 0, chosen = 0;
    for (size_t i = 0; i < operator_count() && found < CANDIDATES_MAX; i++) {
        const struct operator* item = operator_at(i);
        if ((item->left != 0) != (left != NULL) || strcmp(item->name, name) != 0)
            continue;
        candidates[found].item = item;
        candidates[found].count = count;
        candidates[found].types = ARENA_ARRAY(b->arena, uint32_t, 2);
        candidates[found].types[0] = left != NULL ? item->left : item->right;
        candidates[found].types[1] = item->right;
        found++;
    }
    struct candidate *best = choose(candidates, found, count, actual, &chosen);
    if (chosen != 1)
        return operator_missing(b, name, location, left, right, chosen > 1);
    *operator_out = best->item;
    return STATUS_OK;
}

/* Comparisons and arithmetic between two types become casts and the one-type function. */
static void unify_sides(struct binder *b, const struct function **function,
                        struct expression **left, struct expression **right) {
    const struct function *f = *function;
    if (f->same != NULL) {
        *function = function_by_symbol(f->same);
        struct type type = type_plain((*function)->arguments[0]);
        if (bind_coerce(b, *left, type, CAST_IMPLICIT, -1, left) != STATUS_OK ||
            bind_coerce(b, *right, type, CAST_IMPLICIT, -1, right) != STATUS_OK)
            error_clear();
        return;
    }
    if (f->comparison == COMPARISON_NONE || f->arguments[0] == f->arguments[1])
        return;
    uint32_t x = f->arguments[0], y = f->arguments[1], wide = x;
    static const uint32_t rank[] = {TYPE_INT2,      TYPE_INT4,       TYPE_INT8, TYPE_FLOAT4,
                                    TYPE_FLOAT8,    TYPE_NAME,       TYPE_TEXT, TYPE_DATE,
                                    TYPE_TIMESTAMP, TYPE_TIMESTAMPTZ};
    for (size_t i = 0; i < sizeof rank / sizeof rank[0]; i++)
        if (rank[i] == x || rank[i] == y)
            wide = rank[i];
    *function = comparison_function(f->comparison, wide == TYPE_NAME ? TYPE_TEXT : wide);
    if (wide == TYPE_TEXT || wide == TYPE_NAME)
        return;
    b->depends_on_settings |= wide == TYPE_TIMESTAMPTZ;
    if (bind_coerce(b, *left, type_plain(wide), CAST_IMPLICIT, -1, left) != STATUS_OK ||
        bind_coerce(b, *right, type_plain(wide), CAST_IMPLICIT, -1, right) != STATUS_OK)
        error_clear();
}

enum status bind_operator_function(struct binder *b, const char *schema_name, const char *name,
                                   int location, struct expression **left,
                                   struct expression **right,
                                   const struct function **function_out) {
    const struct operator* operator= NULL;
    if (schema_name != NULL && strcmp(schema_name, "pg_catalog") != 0)
        return operator_missing(b, arena_format(b->arena, "%s.%s", schema_name, name), location,
                                left != NULL ? *left : NULL, *right, false);
    if (strcmp(name, "!=") == 0)
        name = "<>";
    TRY(find_operator(b, name, location, left != NULL ? *left : NULL, *right, &operator));
    const struct function *function = function_by_oid(operator->function_oid);
    ASSERT(function != NULL);
    struct expression *pair[2];
    uint32_t types[2], count = 0, result = operator->result;
    if (left != NULL) {
        pair[count] = *left;
        types[count++] = operator->left;
    }
    pair[count] = *right;
    types[count++] = operator->right;
    TRY(coerce_arguments(b, location, count, pair, types, &result));
    if (left != NULL)
        *left = pair[0];
    *right = pair[count - 1];
    if (left != NULL)
        unify_sides(b, &function, left, right);
    *function_out = function;
    return STATUS_OK;
}

enum status bind_operator(struct binder *b, const char *schema_name, const char *name, int location,
                          struct expression *left, struct expression *right,
                          struct expression **out) {
    const struct function *function;
    /* The result of a polymorphic operator follows its arguments. */
    struct expression *sides[2] = {left, right};
    TRY(bind_operator_function(b, schema_name, name, location, left != NULL ? &sides[0] : NULL,
                               &sides[1], &function));
    uint32_t result = function->result;
    if (is_polymorphic(result)) {
        uint32_t a = left != NULL ? sides[0]->type.id : sides[1]->type.id;
        result = type_is_array(a) ? a : array_of(a);
    }
    *out = expression_call(b, function, type_plain(result), location,
                           left != NULL ? sides[0] : sides[1], left != NULL ? sides[1] : NULL);
    bind_numeric_call(b, *out);
    return STATUS_OK;
}

enum status bind_operator_name(struct binder *b, size_t count, parse_node **names, int location,
                               const char **schema_out, const char **name_out) {
    *schema_out = count > 1 ? node_text(names[0]) : NULL;
    *name_out = node_text(names[count - 1]);
    if (*name_out == NULL || count > 2)
        return bind_unsupported(b, location, "this operator name");
    return STATUS_OK;
}

/* ---- functions -------------------------------------------------------------------------- */

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
                                                               : element_of(types[declared - 1]);
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
        unify_sides(b, &function, &arguments[0], &arguments[1]);
    *out =
        expression_list(b, EXPRESSION_CALL, type_plain(result), site->location, count, arguments);
    (*out)->function = function;
    bind_numeric_call(b, *out);
    if (function->shape == FUNCTION_SET) {
        if (!b->set_functions_allowed || b->query == NULL)
            return bind_error(b, site->location, STATUS_FEATURE_NOT_SUPPORTED,
                              "set-returning functions are not allowed in %s",
                              b->clause != NULL ? b->clause : "this context");
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
        best = choose(candidates, all, site->count, actual, &chosen);
        if (chosen != 1)
            return call_missing(b, site, chosen > 1);
    }
    bool is_aggregate = (size_t)(best - candidates) >= functions;
    uint32_t types[CALL_ARGUMENTS_MAX], count = site->count;
    memcpy(types, best->types, count * sizeof *types);
    uint32_t result = is_aggregate ? ((const struct aggregate *)best->item)->result
                                   : ((const struct function *)best->item)->result;
    TRY(coerce_arguments(b, site->location, count, site->arguments, types, &result));
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
    bool sets = b->set_functions_allowed;
    for (size_t i = 0; i < call->n_args; i++) {
        if (NODE_IS(call->args[i], NAMED_ARG_EXPR))
            return bind_unsupported(b, call->location, "named argument notation");
        TRY(bind_expression(b, call->args[i], &site.arguments[i]));
    }
    b->set_functions_allowed = sets;
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
