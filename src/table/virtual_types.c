/* pg_type: the types of the value room, and the row types of tables. */
#include "table/virtual.h"

#include "table/system_tables.h"

/* PostgreSQL's functions of each type, by oid: input, output, receive, send, modifier in and out,
   subscript handler. */
struct type_functions {
    uint16_t type_id, input, output, receive, send, modifier_in, modifier_out, subscript;
};
/* clang-format off */
static const struct type_functions type_functions[] = {
    {16, 1242, 1243, 2436, 2437, 0, 0, 0}, {17, 1244, 31, 2412, 2413, 0, 0, 0},
    {18, 1245, 33, 2434, 2435, 0, 0, 0}, {19, 34, 35, 2422, 2423, 0, 0, 6180},
    {20, 460, 461, 2408, 2409, 0, 0, 0}, {21, 38, 39, 2404, 2405, 0, 0, 0},
    {22, 40, 41, 2410, 2411, 0, 0, 6179}, {23, 42, 43, 2406, 2407, 0, 0, 0},
    {24, 44, 45, 2444, 2445, 0, 0, 0}, {25, 46, 47, 2414, 2415, 0, 0, 0},
    {26, 1798, 1799, 2418, 2419, 0, 0, 0}, {27, 48, 49, 2438, 2439, 0, 0, 0},
    {28, 50, 51, 2440, 2441, 0, 0, 0}, {29, 52, 53, 2442, 2443, 0, 0, 0},
    {30, 54, 55, 2420, 2421, 0, 0, 6179}, {194, 195, 196, 197, 198, 0, 0, 0},
    {700, 200, 201, 2424, 2425, 0, 0, 0}, {701, 214, 215, 2426, 2427, 0, 0, 0},
    {705, 109, 110, 2416, 2417, 0, 0, 0}, {1033, 1031, 1032, 0, 0, 0, 0, 0},
    {1042, 1044, 1045, 2430, 2431, 2913, 2914, 0}, {1043, 1046, 1047, 2432, 2433, 2915, 2916, 0},
    {1082, 1084, 1085, 2468, 2469, 0, 0, 0}, {1083, 1143, 1144, 2470, 2471, 2909, 2910, 0},
    {1114, 1312, 1313, 2474, 2475, 2905, 2906, 0}, {1184, 1150, 1151, 2476, 2477, 2907, 2908, 0},
    {1186, 1160, 1161, 2478, 2479, 2903, 2904, 0}, {1700, 1701, 1702, 2460, 2461, 2917, 2918, 0},
    {2202, 2212, 2213, 2446, 2447, 0, 0, 0}, {2203, 2214, 2215, 2448, 2449, 0, 0, 0},
    {2204, 2216, 2217, 2450, 2451, 0, 0, 0}, {2205, 2218, 2219, 2452, 2453, 0, 0, 0},
    {2206, 2220, 2221, 2454, 2455, 0, 0, 0}, {2249, 2290, 2291, 2402, 2403, 0, 0, 0},
    {2275, 2292, 2293, 2500, 2501, 0, 0, 0}, {2276, 2294, 2295, 0, 0, 0, 0, 0},
    {2277, 2296, 2297, 2502, 2503, 0, 0, 0}, {2278, 2298, 2299, 3120, 3121, 0, 0, 0},
    {2279, 2300, 2301, 0, 0, 0, 0, 0}, {2281, 2304, 2305, 0, 0, 0, 0, 0},
    {2283, 2312, 2313, 0, 0, 0, 0, 0}, {2776, 2777, 2778, 0, 0, 0, 0, 0},
    {2950, 2952, 2953, 2961, 2962, 0, 0, 0}, {3500, 3504, 3505, 0, 0, 0, 0, 0},
    {4089, 4084, 4085, 4087, 4088, 0, 0, 0}, {4096, 4098, 4092, 4094, 4095, 0, 0, 0},
    {4191, 4193, 4194, 4196, 4197, 0, 0, 0}, {5077, 5086, 5087, 0, 0, 0, 0, 0},
    {5078, 5088, 5089, 5090, 5091, 0, 0, 0}, {5079, 5092, 5093, 0, 0, 0, 0, 0},
};
/* clang-format on */

static const struct type_functions array_functions = {
    .input = 750, .output = 751, .receive = 2400, .send = 2401, .subscript = 6179};
static const struct type_functions record_functions = {
    .input = 2290, .output = 2291, .receive = 2402, .send = 2403};
enum { PROC_ARRAY_ANALYZE = 3816 };

static const struct type_functions *functions_of(uint32_t type_id) {
    static const struct type_functions none;
    for (size_t i = 0; i < sizeof type_functions / sizeof type_functions[0]; i++) {
        if (type_functions[i].type_id == type_id)
            return &type_functions[i];
    }
    return &none;
}

/* What differs between types; the rest of a row is the same for all. */
struct type_row {
    uint32_t oid, namespace_oid, relation_oid, element_oid, array_oid, collation;
    const char *name;
    int length;
    bool by_value, preferred, is_array;
    char kind, category, delimiter, alignment, storage;
    const struct type_functions *functions;
};

static enum status type_row_add(struct virtual_row *row, const struct type_row *type,
                                struct virtual_sink *sink) {
    add_oid(row, type->oid);
    add_text(row, type->name);
    add_oid(row, type->namespace_oid);
    add_oid(row, OID_SUPERUSER);
    add_int(row, type->length);
    add_bool(row, type->by_value);
    add_letter(row, type->kind);
    add_letter(row, type->category);
    add_bool(row, type->preferred);
    add_bool(row, true); /* typisdefined */
    add_text(row, type->delimiter == ';' ? ";" : ",");
    add_oid(row, type->relation_oid);
    add_oid(row, type->functions->subscript);
    add_oid(row, type->element_oid);
    add_oid(row, type->array_oid);
    add_oid(row, type->functions->input);
    add_oid(row, type->functions->output);
    add_oid(row, type->functions->receive);
    add_oid(row, type->functions->send);
    add_oid(row, type->functions->modifier_in);
    add_oid(row, type->functions->modifier_out);
    add_oid(row, type->is_array ? PROC_ARRAY_ANALYZE : 0);
    add_letter(row, type->alignment);
    add_letter(row, type->storage);
    add_bool(row, false); /* typnotnull */
    add_oid(row, 0);      /* typbasetype */
    add_int(row, -1);     /* typtypmod */
    add_int(row, 0);      /* typndims */
    add_oid(row, type->collation);
    add_nulls(row, 3); /* typdefaultbin, typdefault, typacl */
    return virtual_row_end(row, sink);
}

static enum status built_in_add(struct virtual_row *row, const struct type_info *info,
                                struct virtual_sink *sink) {
    bool is_true_array = info->is_array && info->category == 'A' && info->array_id == 0;
    struct type_row type = {
        .oid = info->id,
        .namespace_oid = OID_NAMESPACE_CATALOG,
        .element_oid = info->element_id,
        .array_oid = info->array_id,
        .collation = info->collation,
        .name = info->typname,
        .length = info->length,
        .by_value = info->by_value,
        .preferred = info->preferred,
        .is_array = is_true_array,
        .kind = info->is_pseudo ? 'p' : 'b',
        .category = info->category,
        .delimiter = info->delimiter,
        .alignment = info->alignment,
        .storage = info->storage,
        .functions = is_true_array ? &array_functions : functions_of(info->id),
    };
    return type_row_add(row, &type, sink);
}

/* The row type of a table and the array over it. */
static enum status row_type_add(struct virtual_row *row, const struct table *table,
                                struct virtual_sink *sink) {
    bool has_array = table->type_oid >= OID_FIRST_USER;
    struct type_row type = {
        .oid = table->type_oid,
        .namespace_oid = table->namespace_oid,
        .relation_oid = table->oid,
        .array_oid = has_array ? table->type_oid - 1 : 0,
        .name = table->name,
        .length = -1,
        .kind = 'c',
        .category = 'C',
        .alignment = 'd',
        .storage = 'x',
        .functions = &record_functions,
    };
    TRY(type_row_add(row, &type, sink));
    if (!has_array)
        return STATUS_OK;
    struct arena arena = {0};
    struct type_row array = {
        .oid = table->type_oid - 1,
        .namespace_oid = table->namespace_oid,
        .element_oid = table->type_oid,
        .name = arena_format(&arena, "_%.62s", table->name),
        .length = -1,
        .is_array = true,
        .kind = 'b',
        .category = 'A',
        .alignment = 'd',
        .storage = 'x',
        .functions = &array_functions,
    };
    enum status status = type_row_add(row, &array, sink);
    arena_release(&arena);
    return status;
}

VIRTUAL_ROWS(pg_type) {
    struct virtual_row row;
    virtual_row_begin(&row, virtual__find("pg_catalog", "pg_type"));
    for (size_t i = 0; i < type_info_count(); i++)
        TRY(built_in_add(&row, type_info_at(i), sink));
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        const struct table *table = schema_table_at(schema, i);
        if (table->type_oid != 0)
            TRY(row_type_add(&row, table, sink));
    }
    return STATUS_OK;
}
