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
#include "sql/bind_overload.h"
#include <string.h>

#include <string.h>

bool type_is_polymorphic(uint32_t id) {
    return id == TYPE_ANYELEMENT || id == TYPE_ANYARRAY || id == TYPE_ANYNONARRAY ||
           id == TYPE_ANYCOMPATIBLE || id == TYPE_ANYCOMPATIBLEARRAY ||
           id == TYPE_ANYCOMPATIBLENONARRAY || id == TYPE_ANYENUM;
}

uint32_t type_element(uint32_t id) {
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
            found = type_element(id);
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
        uint32_t mine = type == TYPE_ANYCOMPATIBLEARRAY ? type_element(id) : id;
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

struct candidate *candidate_choose(struct candidate *all, size_t all_count, uint32_t argument_count,
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

uint32_t type_array(uint32_t element) {
    const struct type_info *info = type_info(element);
    return info != NULL ? info->array_id : 0;
}

enum status bind_coerce_arguments(struct binder *b, int location, uint32_t count,
                                  struct expression **arguments, uint32_t *types,
                                  uint32_t *result) {
    uint32_t element = 0, array = 0, common = 0;
    bool polymorphic = type_is_polymorphic(*result);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = arguments[i]->type.id, type = types[i];
        polymorphic |= type_is_polymorphic(type);
        if (id == TYPE_UNKNOWN)
            continue;
        if (type == TYPE_ANYELEMENT || type == TYPE_ANYNONARRAY) {
            element = id;
        } else if (type == TYPE_ANYARRAY) {
            array = id;
            element = type_element(id);
        } else if (type == TYPE_ANYCOMPATIBLE || type == TYPE_ANYCOMPATIBLEARRAY ||
                   type == TYPE_ANYCOMPATIBLENONARRAY) {
            uint32_t mine = type == TYPE_ANYCOMPATIBLEARRAY ? type_element(id) : id;
            if (common == 0 || (common != mine && cast_allowed(common, mine, CAST_IMPLICIT) &&
                                !(type_info_get(common)->preferred)))
                common = mine;
        }
    }
    if (polymorphic && element == 0 && common == 0) {
        bool needs = false;
        for (uint32_t i = 0; i < count; i++)
            needs |= type_is_polymorphic(types[i]) && types[i] != TYPE_ANYCOMPATIBLE &&
                     types[i] != TYPE_ANYCOMPATIBLEARRAY;
        if (needs)
            return bind_error(b, location, STATUS_DATATYPE_MISMATCH,
                              "could not determine polymorphic type because input has type "
                              "unknown");
        common = TYPE_TEXT;
    }
    bool homeless = false; /* an array over a type that has none */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *type = &types[i];
        if (*type == TYPE_ANYELEMENT || *type == TYPE_ANYNONARRAY)
            *type = element;
        else if (*type == TYPE_ANYARRAY)
            *type = arguments[i]->type.id != TYPE_UNKNOWN ? arguments[i]->type.id
                    : array != 0                          ? array
                                                          : type_array(element);
        else if (*type == TYPE_ANYCOMPATIBLE || *type == TYPE_ANYCOMPATIBLENONARRAY)
            *type = common;
        else if (*type == TYPE_ANYCOMPATIBLEARRAY)
            *type = type_element(arguments[i]->type.id) == common ? arguments[i]->type.id
                                                                  : type_array(common);
        homeless |= *type == 0;
    }
    if (*result == TYPE_ANYELEMENT || *result == TYPE_ANYNONARRAY)
        *result = element;
    else if (*result == TYPE_ANYARRAY)
        *result = array != 0 ? array : type_array(element);
    else if (*result == TYPE_ANYCOMPATIBLE)
        *result = common;
    else if (*result == TYPE_ANYCOMPATIBLEARRAY)
        *result = type_array(common);
    if (homeless || *result == 0)
        return bind_error(b, location, STATUS_UNDEFINED_OBJECT,
                          "could not find array type for data type %s",
                          bind_type_text(b, type_plain(element != 0 ? element : common)));
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
