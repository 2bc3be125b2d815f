#include <stdio.h>

#include "value/value_type.h"

enum {
#define POSITION(suffix, ...) AT_##suffix,
    TYPE_TABLE(POSITION)
#undef POSITION
#define POSITION(suffix, ...) AT_ARRAY_##suffix,
        TYPE_TABLE(POSITION)
#undef POSITION
            TYPE_POSITIONS
};

#define COLLATION_OF(oid)                                                                          \
    ((oid) == TYPE_TEXT || (oid) == TYPE_VARCHAR || (oid) == TYPE_BPCHAR ||                        \
             (oid) == TYPE_PG_NODE_TREE                                                            \
         ? 100                                                                                     \
     : (oid) == TYPE_NAME ? 950                                                                    \
                          : 0)
#define ELEMENT_OF(oid)                                                                            \
    ((oid) == TYPE_NAME         ? TYPE_CHAR                                                        \
     : (oid) == TYPE_INT2VECTOR ? TYPE_INT2                                                        \
     : (oid) == TYPE_OIDVECTOR  ? TYPE_OID                                                         \
                                : 0)
#define STORAGE_OF(oid, length)                                                                    \
    ((oid) == TYPE_NUMERIC                                                   ? 'm'                 \
     : (length) != -1 || (oid) == TYPE_INT2VECTOR || (oid) == TYPE_OIDVECTOR ? 'p'                 \
                                                                             : 'x')

static const struct type_info table[TYPE_POSITIONS] = {
#define SCALAR(suffix, oid, array, typname_, name_, length_, align, category_, preferred_, form)   \
    [AT_##suffix] = {.id = oid,                                                                    \
                     .array_id = array,                                                            \
                     .element_id = ELEMENT_OF(oid),                                                \
                     .typname = typname_,                                                          \
                     .name = name_,                                                                \
                     .length = length_,                                                            \
                     .by_value =                                                                   \
                         (length_) == 1 || (length_) == 2 || (length_) == 4 || (length_) == 8,     \
                     .preferred = preferred_,                                                      \
                     .is_pseudo = (category_) == 'P' || (oid) == TYPE_UNKNOWN,                     \
                     .category = category_,                                                        \
                     .alignment = align,                                                           \
                     .delimiter = ',',                                                             \
                     .storage = STORAGE_OF(oid, length_),                                          \
                     .collation = COLLATION_OF(oid),                                               \
                     .physical = PHYSICAL_##form},
    TYPE_TABLE(SCALAR)
#undef SCALAR
#define ARRAY(suffix, oid, array, typname_, name_, length_, align, category_, preferred_, form)    \
    [AT_ARRAY_##suffix] = {.id = array,                                                            \
                           .element_id = (array) != 0 ? (oid) : 0,                                 \
                           .typname = "_" typname_,                                                \
                           .name = name_ "[]",                                                     \
                           .length = -1,                                                           \
                           .is_array = true,                                                       \
                           .is_pseudo = (oid) == TYPE_RECORD,                                      \
                           .category = (oid) == TYPE_RECORD ? 'P' : 'A',                           \
                           .alignment = (align) == 'd' ? 'd' : 'i',                                \
                           .delimiter = ',',                                                       \
                           .storage = 'x',                                                         \
                           .collation = COLLATION_OF(oid),                                         \
                           .physical = PHYSICAL_STRING},
        TYPE_TABLE(ARRAY)
#undef ARRAY
};

/* OID to position + 1; arrays that do not exist share OID 0, which is never looked up. */
static uint8_t position_of(uint32_t id) {
    switch (id) {
#define CASE(suffix, oid, ...)                                                                     \
    case oid:                                                                                      \
        return AT_##suffix + 1;
        TYPE_TABLE(CASE)
#undef CASE
    default:
        break;
    }
    for (int i = TYPE_POSITIONS / 2; i < TYPE_POSITIONS; i++)
        if (table[i].id == id)
            return (uint8_t)(i + 1);
    return 0;
}
_Static_assert(TYPE_POSITIONS < 255, "a position fits a byte");

const struct type_info *type_info(uint32_t id) {
    uint8_t position = id == 0 ? 0 : position_of(id);
    return position == 0 ? NULL : &table[position - 1];
}

const struct type_info *type_info_get(uint32_t id) {
    const struct type_info *info = type_info(id);
    ASSERT(info != NULL);
    return info;
}

/* The arrays of types that have none are holes with id 0 in the table: skip them. */
size_t type_info_count(void) {
    size_t count = 0;
    for (int i = 0; i < TYPE_POSITIONS; i++)
        count += table[i].id != 0;
    return count;
}

const struct type_info *type_info_at(size_t index) {
    for (int i = 0; i < TYPE_POSITIONS; i++)
        if (table[i].id != 0 && index-- == 0)
            return &table[i];
    ASSERT(!"type index out of range");
    return NULL;
}

const struct type_info *type_by_typname(struct slice typname) {
    for (int i = 0; i < TYPE_POSITIONS; i++)
        if (table[i].id != 0 && slice_equal(typname, slice_of_text(table[i].typname)))
            return &table[i];
    return NULL;
}

bool type_numeric_modifier(int32_t modifier, int *precision_out, int *scale_out) {
    if (modifier < 4)
        return false;
    int32_t bits = modifier - 4;
    *precision_out = (bits >> 16) & 0xFFFF;
    *scale_out = ((bits & 0x7FF) ^ 1024) - 1024; /* 11 bits with sign */
    return true;
}

struct type type_numeric_derived(int precision, int scale) {
    struct type type = TYPE_OF(NUMERIC);
    if (precision >= 1 && precision <= 38 && scale >= 0 && scale <= 38) {
        type.precision = (uint8_t)precision;
        type.scale = (uint8_t)scale;
    }
    return type;
}

struct type type_numeric(int precision, int scale) {
    /* A negative scale rounds to tens: such values have precision - scale whole digits. */
    struct type type = scale < 0 ? type_numeric_derived(precision - scale, 0)
                                 : type_numeric_derived(precision, scale);
    type.modifier = ((precision << 16) | (scale & 0x7FF)) + 4;
    return type;
}

struct type type_make(uint32_t id, int32_t modifier) {
    int precision, scale;
    if (id == TYPE_NUMERIC && type_numeric_modifier(modifier, &precision, &scale))
        return type_numeric(precision, scale);
    return (struct type){.id = id, .modifier = modifier};
}

const uint8_t type_physical_table[TYPE_ID_LIMIT] = {
#define FORM(suffix, oid, array, typname, name, length, align, category, preferred, form)          \
    [oid] = PHYSICAL_##form,
    TYPE_TABLE(FORM)
#undef FORM
};

const uint8_t physical_size_table[PHYSICAL_COUNT] = {
    [PHYSICAL_BOOL] = 1,    [PHYSICAL_INT16] = 2,    [PHYSICAL_INT32] = 4,
    [PHYSICAL_INT64] = 8,   [PHYSICAL_INT128] = 16,  [PHYSICAL_FLOAT32] = 4,
    [PHYSICAL_FLOAT64] = 8, [PHYSICAL_STRING] = 16,  [PHYSICAL_INTERVAL] = 16,
    [PHYSICAL_UUID] = 16,   [PHYSICAL_NUMERIC] = 32,
};

bool type_is_string(uint32_t id) {
    return id == TYPE_TEXT || id == TYPE_VARCHAR || id == TYPE_BPCHAR || id == TYPE_NAME ||
           id == TYPE_UNKNOWN || id == TYPE_CSTRING;
}

bool type_is_oid_like(uint32_t id) {
    switch (id) {
    case TYPE_OID:
    case TYPE_REGPROC:
    case TYPE_REGPROCEDURE:
    case TYPE_REGOPER:
    case TYPE_REGOPERATOR:
    case TYPE_REGCLASS:
    case TYPE_REGTYPE:
    case TYPE_REGNAMESPACE:
    case TYPE_REGROLE:
    case TYPE_REGCOLLATION:
        return true;
    default:
        return false;
    }
}

static void format_interval_modifier(int32_t modifier, char *text, size_t size) {
    static const struct {
        int fields;
        const char *name;
    } ranges[] = {
        {1 << 2, " year"},
        {1 << 1, " month"},
        {1 << 3, " day"},
        {1 << 10, " hour"},
        {1 << 11, " minute"},
        {1 << 12, " second"},
        {1 << 2 | 1 << 1, " year to month"},
        {1 << 3 | 1 << 10, " day to hour"},
        {1 << 3 | 1 << 10 | 1 << 11, " day to minute"},
        {1 << 3 | 1 << 10 | 1 << 11 | 1 << 12, " day to second"},
        {1 << 10 | 1 << 11, " hour to minute"},
        {1 << 10 | 1 << 11 | 1 << 12, " hour to second"},
        {1 << 11 | 1 << 12, " minute to second"},
    };
    int fields = modifier >> 16 & 0x7FFF, precision = modifier & 0xFFFF;
    const char *range = "";
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (ranges[i].fields == fields)
            range = ranges[i].name;
    if (precision != 0xFFFF)
        snprintf(text, size, "interval%s(%d)", range, precision);
    else
        snprintf(text, size, "interval%s", range);
}

static void format_scalar(struct type type, const char *name, char text[TYPE_NAME_SIZE]) {
    int precision, scale, modifier = type.modifier;
    const char *suffix = type.id == TYPE_TIMESTAMPTZ ? " with time zone" : " without time zone";
    if (modifier < 0) {
        snprintf(text, TYPE_NAME_SIZE, "%s", name);
    } else if (type.id == TYPE_NUMERIC && type_numeric_modifier(modifier, &precision, &scale)) {
        snprintf(text, TYPE_NAME_SIZE, "numeric(%d,%d)", precision, scale);
    } else if (type.id == TYPE_VARCHAR || type.id == TYPE_BPCHAR) {
        snprintf(text, TYPE_NAME_SIZE, "%s(%d)", name, modifier - 4);
    } else if (type.id == TYPE_TIME || type.id == TYPE_TIMESTAMP || type.id == TYPE_TIMESTAMPTZ) {
        snprintf(text, TYPE_NAME_SIZE, "%s(%d)%s", type.id == TYPE_TIME ? "time" : "timestamp",
                 modifier, suffix);
    } else if (type.id == TYPE_INTERVAL) {
        format_interval_modifier(modifier, text, TYPE_NAME_SIZE);
    } else {
        snprintf(text, TYPE_NAME_SIZE, "%s", name);
    }
}

const char *type_name(struct type type, char text[TYPE_NAME_SIZE]) {
    const struct type_info *info = type_info(type.id);
    if (info == NULL) {
        snprintf(text, TYPE_NAME_SIZE, "???");
        return text;
    }
    if (!info->is_array) {
        format_scalar(type, info->name, text);
        return text;
    }
    char element[TYPE_NAME_SIZE];
    const struct type_info *element_info = type_info_get(info->element_id);
    format_scalar((struct type){.id = info->element_id, .modifier = type.modifier},
                  element_info->name, element);
    snprintf(text, TYPE_NAME_SIZE, "%.*s[]", TYPE_NAME_SIZE - 3, element);
    return text;
}

void type_format(struct type type, struct buffer *buffer) {
    char text[TYPE_NAME_SIZE];
    /* "character" alone would mean character(1). */
    if (type.modifier < 0 && (type.id == TYPE_BPCHAR || type.id == 1014))
        buffer_append_text(buffer, type.id == TYPE_BPCHAR ? "bpchar" : "bpchar[]");
    else
        buffer_append_text(buffer, type_name(type, text));
}
