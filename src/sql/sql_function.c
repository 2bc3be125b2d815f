/* The static tables of builtin functions, operators, aggregates and casts, and look-ups by oid. */
#include "sql/sql_function.h"

#include <string.h>

#include "base/base_status.h"

enum { IMMUTABLE = FUNCTION_IMMUTABLE, STABLE = FUNCTION_STABLE, VOLATILE = FUNCTION_VOLATILE };
enum { CALLED_ON_NULL = FUNCTION_CALLED_ON_NULL, STRICT = FUNCTION_STRICT };
enum {
    SCALAR = FUNCTION_SCALAR,
    SET = FUNCTION_SET,
    VARIADIC_ANY = FUNCTION_VARIADIC_ANY,
    VARIADIC_ARRAY = FUNCTION_VARIADIC_ARRAY,
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct function_column drive_columns[] = {
    {"key", T_text},          {"key_bytes", T_bytea}, {"key_hash", T_text},    {"size", T_int8},
    {"value_offset", T_int8}, {"checksum", T_int8},   {"time", T_timestamptz},
};

#define SQL_FUNCTION(oid_, name_, symbol_, result_, nulls_, volatility_, shape_, count_, ...)      \
    {.oid = oid_,                                                                                  \
     .name = name_,                                                                                \
     .symbol = #symbol_,                                                                           \
     .result = result_,                                                                            \
     .nulls = nulls_,                                                                              \
     .volatility = volatility_,                                                                    \
     .shape = shape_,                                                                              \
     .argument_count = count_,                                                                     \
     .arguments = {__VA_ARGS__}},
#define SQL_MIXED(oid_, name_, same_, result_, count_, ...)                                        \
    {.oid = oid_,                                                                                  \
     .name = name_,                                                                                \
     .symbol = name_,                                                                              \
     .result = result_,                                                                            \
     .nulls = STRICT,                                                                              \
     .argument_count = count_,                                                                     \
     .arguments = {__VA_ARGS__},                                                                   \
     .same = #same_},
#define SQL_ROWS(oid_, name_, symbol_, columns_, nulls_, volatility_, count_, ...)                 \
    {.oid = oid_,                                                                                  \
     .name = name_,                                                                                \
     .symbol = #symbol_,                                                                           \
     .result = T_record,                                                                           \
     .nulls = nulls_,                                                                              \
     .volatility = volatility_,                                                                    \
     .shape = FUNCTION_SET,                                                                        \
     .argument_count = count_,                                                                     \
     .arguments = {__VA_ARGS__},                                                                   \
     .column_count = COUNT_OF(columns_),                                                           \
     .columns = columns_},
#define SQL_COMPARISON(oid_, name_, how_, volatility_, left_, right_)                              \
    {.oid = oid_,                                                                                  \
     .name = name_,                                                                                \
     .symbol = name_,                                                                              \
     .result = TYPE_BOOL,                                                                          \
     .nulls = STRICT,                                                                              \
     .volatility = volatility_,                                                                    \
     .comparison = COMPARISON_##how_,                                                              \
     .argument_count = 2,                                                                          \
     .arguments = {left_, right_}},
static struct function functions[] = {
#include "sql/comparisons.def"
#include "sql/functions.def"
};

enum { ZERO = 1, NULL_RESULT = 0 };
#define SQL_AGGREGATE(oid_, name_, symbol_, result_, empty_, count_, ...)                          \
    {.oid = oid_,                                                                                  \
     .name = name_,                                                                                \
     .symbol = #symbol_,                                                                           \
     .result = result_,                                                                            \
     .empty_is_zero = empty_,                                                                      \
     .argument_count = count_,                                                                     \
     .arguments = {__VA_ARGS__}},
static struct aggregate aggregates[] = {
#include "sql/aggregates.def"
};

#define SQL_OPERATOR(oid_, name_, left_, right_, result_, function_, commutator_, negator_)        \
    {oid_, name_, left_, right_, result_, function_, commutator_, negator_},
static const struct operator operators[] = {
#include "sql/operators.def"
};

/* oid -> place + 1; built before main, then read-only. Oids of functions are below 8192. */
enum { OID_LIMIT = 8192 };
static uint16_t function_places[OID_LIMIT], aggregate_places[OID_LIMIT], operator_places[OID_LIMIT];

__attribute__((constructor)) static void index_tables(void) {
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        ASSERT(functions[i].oid < OID_LIMIT);
        functions[i].index = (uint16_t)i;
        function_places[functions[i].oid] = (uint16_t)(i + 1);
    }
    for (size_t i = 0; i < COUNT_OF(aggregates); i++) {
        aggregates[i].index = (uint16_t)i;
        aggregate_places[aggregates[i].oid] = (uint16_t)(i + 1);
    }
    for (size_t i = 0; i < COUNT_OF(operators); i++)
        operator_places[operators[i].oid] = (uint16_t)(i + 1);
}

size_t function_count(void) {
    return COUNT_OF(functions);
}
const struct function *function_at(size_t index) {
    ASSERT(index < COUNT_OF(functions));
    return &functions[index];
}
const struct function *function_by_oid(uint32_t oid) {
    return oid >= OID_LIMIT || function_places[oid] == 0 ? NULL
                                                         : &functions[function_places[oid] - 1];
}
const struct function *function_by_symbol(const char *symbol) {
    for (size_t i = 0; i < COUNT_OF(functions); i++)
        if (strcmp(functions[i].symbol, symbol) == 0)
            return &functions[i];
    return NULL;
}

size_t aggregate_count(void) {
    return COUNT_OF(aggregates);
}
const struct aggregate *aggregate_at(size_t index) {
    ASSERT(index < COUNT_OF(aggregates));
    return &aggregates[index];
}
const struct aggregate *aggregate_by_oid(uint32_t oid) {
    return oid >= OID_LIMIT || aggregate_places[oid] == 0 ? NULL
                                                          : &aggregates[aggregate_places[oid] - 1];
}

size_t operator_count(void) {
    return COUNT_OF(operators);
}
const struct operator* operator_at(size_t index) {
    ASSERT(index < COUNT_OF(operators));
    return &operators[index];
}

/* The type whose comparison functions serve values of `type_id`. */
static uint32_t comparison_type(uint32_t type_id) {
    const struct type_info *info = type_info(type_id);
    if (info == NULL)
        return 0;
    if (type_id == TYPE_OIDVECTOR)
        return type_id;
    if (info->is_array)
        return TYPE_ANYARRAY;
    if (type_id == TYPE_VARCHAR || type_id == TYPE_UNKNOWN)
        return TYPE_TEXT;
    if (type_is_oid_like(type_id))
        return TYPE_OID;
    return type_id;
}

const struct function *comparison_function(enum comparison comparison, uint32_t type_id) {
    uint32_t type = comparison_type(type_id);
    for (size_t i = 0; i < COUNT_OF(functions); i++)
        if (functions[i].comparison == comparison && functions[i].arguments[0] == type &&
            functions[i].arguments[1] == type)
            return &functions[i];
    return NULL;
}
