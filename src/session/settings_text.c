#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "base/base_memory.h"
#include "session/session.h"
#include "session/settings.h"
#include "value/value_timezone.h"

const struct setting_info setting_infos[SETTING_COUNT] = {
#define SETTING(identifier, name, type, context, reported, default_text, minimum, maximum, unit,   \
                options, meaning)                                                                  \
    [SETTING_##identifier] = {name,         SETTING_##type, CONTEXT_##context, reported,           \
                              default_text, minimum,        maximum,           unit,               \
                              options,      meaning},
#include "session/session_setting.def"
#undef SETTING
};

enum setting_id setting_find(const char *name) {
    for (int id = 0; id < SETTING_COUNT; id++)
        if (strcasecmp(setting_infos[id].name, name) == 0)
            return id;
    return SETTING_COUNT;
}

enum status setting_unknown(const char *name) {
    return error_set(STATUS_UNDEFINED_OBJECT, "unrecognized configuration parameter \"%s\"", name);
}

static char *heap_text(const char *text, size_t size) {
    char *copy = memory_alloc(size + 1);
    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

void setting_value_release(struct setting_value *value) {
    memory_free(value->text);
    *value = (struct setting_value){0};
}

enum status setting_value_copy(const struct setting_value *value, struct setting_value *copy_out) {
    *copy_out = (struct setting_value){.number = value->number};
    if (value->text == NULL)
        return STATUS_OK;
    copy_out->text = heap_text(value->text, strlen(value->text));
    return copy_out->text == NULL ? error_set(STATUS_OUT_OF_MEMORY, "out of memory") : STATUS_OK;
}

static enum status invalid_value(enum setting_id id, const char *text) {
    return error_set(STATUS_INVALID_PARAMETER_VALUE, "invalid value for parameter \"%s\": \"%s\"",
                     setting_infos[id].name, text);
}

/* ---- boolean ---------------------------------------------------------------------------- */

/* As PostgreSQL: unique prefixes of the words, "on", "of(f)", 1, 0. */
static bool parse_bool(const char *text, int64_t *number_out) {
    static const struct {
        const char *word;
        size_t least;
        bool value;
    } words[] = {{"true", 1, true}, {"false", 1, false}, {"yes", 1, true}, {"no", 1, false},
                 {"on", 2, true},   {"off", 2, false},   {"1", 1, true},   {"0", 1, false}};
    size_t size = strlen(text);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (size >= words[i].least && size <= strlen(words[i].word) &&
            strncasecmp(text, words[i].word, size) == 0) {
            *number_out = words[i].value;
            return true;
        }
    return false;
}

/* ---- numbers with units ----------------------------------------------------------------- */

/* Each family in rising order; factor: of the family's smallest unit. */
struct unit {
    const char *name;
    double factor;
};
static const struct unit memory_units[] = {{"B", 1},           {"kB", 1024},
                                           {"8kB", 8192},      {"MB", 1048576},
                                           {"GB", 1073741824}, {"TB", 1099511627776.0},
                                           {NULL, 0}};
static const struct unit time_units[] = {
    {"us", 1},           {"ms", 1000},         {"s", 1000000}, {"min", 60000000},
    {"h", 3600000000.0}, {"d", 86400000000.0}, {NULL, 0}};

static const struct unit *unit_find(const struct unit *family, const char *name) {
    for (const struct unit *unit = family; unit->name != NULL; unit++)
        if (strcmp(unit->name, name) == 0)
            return unit;
    return NULL;
}

static const struct unit *unit_family(const char *unit) {
    return unit_find(memory_units, unit) != NULL ? memory_units : time_units;
}

static enum status unit_error(enum setting_id id, const char *text) {
    enum status status = invalid_value(id, text);
    if (unit_family(setting_infos[id].unit) == memory_units)
        error_hint("Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and "
                   "\"TB\".");
    else
        error_hint("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and "
                   "\"d\".");
    return status;
}

static enum status parse_integer(enum setting_id id, const char *text, int64_t *number_out) {
    const struct setting_info *info = &setting_infos[id];
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    if (end == text || errno == ERANGE || number != number)
        return invalid_value(id, text);
    while (isspace((unsigned char)*end))
        end++;
    if (*end != '\0') {
        char unit_name[8] = "";
        size_t size = strcspn(end, " \t\n");
        const char *rest = end + size;
        if (info->unit[0] == '\0' || size >= sizeof unit_name ||
            rest[strspn(rest, " \t\n")] != '\0')
            return info->unit[0] == '\0' ? invalid_value(id, text) : unit_error(id, text);
        memcpy(unit_name, end, size);
        const struct unit *family = unit_family(info->unit);
        const struct unit *from = unit_find(family, unit_name), *to = unit_find(family, info->unit);
        if (from == NULL)
            return unit_error(id, text);
        number = number * from->factor / to->factor;
    }
    number = __builtin_rint(number);
    if (number < (double)info->minimum || number > (double)info->maximum)
        return error_set(STATUS_INVALID_PARAMETER_VALUE,
                         "%.0f%s%s is outside the valid range for parameter \"%s\" (%lld .. %lld)",
                         number, info->unit[0] != '\0' ? " " : "", info->unit, info->name,
                         (long long)info->minimum, (long long)info->maximum);
    *number_out = (int64_t)number;
    return STATUS_OK;
}

/* ---- enumerations ----------------------------------------------------------------------- */

/* Next option of "a|b|c=b": its name and what it stands for. */
static bool next_option(const char **at, struct slice *name_out, struct slice *meaning_out) {
    if (**at == '\0')
        return false;
    size_t size = strcspn(*at, "|");
    struct slice option = slice_of(*at, size);
    const uint8_t *equal = memchr(option.data, '=', size);
    *name_out = equal == NULL ? option : slice_of(option.data, (size_t)(equal - option.data));
    *meaning_out = equal == NULL ? option : slice_of(equal + 1, size - name_out->size - 1);
    *at += size + ((*at)[size] == '|');
    return true;
}

struct slice setting_option(enum setting_id id, int64_t number) {
    const char *at = setting_infos[id].options;
    struct slice name, meaning;
    for (int64_t i = 0; next_option(&at, &name, &meaning); i++)
        if (i == number)
            return meaning;
    return slice_of_text("");
}

static bool same_word(struct slice a, const char *b) {
    return a.size == strlen(b) && strncasecmp((const char *)a.data, b, a.size) == 0;
}

static enum status enum_error(enum setting_id id, const char *text) {
    enum status status = invalid_value(id, text);
    const char *at = setting_infos[id].options;
    struct slice name, meaning;
    char list[256] = "";
    size_t used = 0;
    while (next_option(&at, &name, &meaning))
        if (name.data == meaning.data && used + name.size + 3 < sizeof list) {
            memcpy(list + used, used == 0 ? "" : ", ", used == 0 ? 0 : 2);
            used += used == 0 ? 0 : 2;
            memcpy(list + used, name.data, name.size);
            used += name.size;
        }
    list[used] = '\0';
    error_hint("Available values: %s.", list);
    return status;
}

static enum status parse_enum(enum setting_id id, const char *text, int64_t *number_out) {
    const char *at = setting_infos[id].options;
    struct slice name, meaning;
    while (next_option(&at, &name, &meaning)) {
        if (!same_word(name, text))
            continue;
        const char *again = setting_infos[id].options;
        struct slice option, ignored;
        for (int64_t i = 0; next_option(&again, &option, &ignored); i++)
            if (slice_equal(option, meaning)) {
                *number_out = i;
                return STATUS_OK;
            }
    }
    return enum_error(id, text);
}

/* ---- texts with rules of their own ------------------------------------------------------ */

static enum status set_heap_text(struct setting_value *value, const char *text) {
    value->text = heap_text(text, strlen(text));
    return value->text == NULL ? error_set(STATUS_OUT_OF_MEMORY, "out of memory") : STATUS_OK;
}

static enum status parse_client_encoding(const char *text, struct setting_value *value_out) {
    char word[64];
    size_t size = 0;
    for (const char *at = text; *at != '\0' && size + 1 < sizeof word; at++)
        if (isalnum((unsigned char)*at)) /* asyncpg sends it in quotes */
            word[size++] = (char)tolower((unsigned char)*at);
    word[size] = '\0';
    if (strcmp(word, "utf8") == 0 || strcmp(word, "unicode") == 0)
        return set_heap_text(value_out, "UTF8");
    if (strcmp(word, "sqlascii") == 0)
        return set_heap_text(value_out, "SQL_ASCII");
    static const char *const known[] = {"latin", "iso8859", "win", "euc",  "sjis", "big5", "gb",
                                        "koi8",  "johab",   "uhc", "mule", "abc",  "tcvn"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(word, known[i], strlen(known[i])) == 0) {
            enum status status = error_set(STATUS_FEATURE_NOT_SUPPORTED,
                                           "invalid value for parameter \"client_encoding\": "
                                           "\"%s\"",
                                           text);
            error_detail("Conversion between %s and UTF8 is not supported.", text);
            return status;
        }
    return invalid_value(SETTING_CLIENT_ENCODING, text);
}

/* "ISO, MDY" out of words in any order; what is not said stays as PostgreSQL's default has it. */
static enum status parse_date_style(const char *text, struct setting_value *value_out) {
    static const char *const styles[] = {"ISO", "SQL", "Postgres", "German"};
    static const char *const orders[] = {"MDY", "DMY", "YMD"};
    int style = -1, order = -1;
    for (const char *at = text; *at != '\0';) {
        size_t size = strcspn(at, ", \t");
        char word[32] = "";
        if (size < sizeof word)
            memcpy(word, at, size);
        at += size;
        at += strspn(at, ", \t");
        if (size == 0)
            continue;
        if (strcasecmp(word, "default") == 0 || strcasecmp(word, "ISO") == 0)
            style = 0;
        else if (strcasecmp(word, "SQL") == 0)
            style = 1;
        else if (strncasecmp(word, "postgres", 8) == 0)
            style = 2;
        else if (strcasecmp(word, "german") == 0) {
            style = 3;
            order = order == -1 ? 1 : order;
        } else if (strcasecmp(word, "MDY") == 0 || strcasecmp(word, "US") == 0 ||
                   strncasecmp(word, "noneuro", 7) == 0)
            order = 0;
        else if (strcasecmp(word, "DMY") == 0 || strncasecmp(word, "euro", 4) == 0)
            order = 1;
        else if (strcasecmp(word, "YMD") == 0)
            order = 2;
        else
            return invalid_value(SETTING_DATESTYLE, text);
    }
    char canonical[32];
    const char *style_name = styles[style == -1 ? 0 : style];
    size_t style_size = strlen(style_name);
    memcpy(canonical, style_name, style_size);
    memcpy(canonical + style_size, ", ", 2);
    memcpy(canonical + style_size + 2, orders[order == -1 ? 0 : order], 4);
    return set_heap_text(value_out, canonical);
}

static enum status parse_text(enum setting_id id, const char *text,
                              struct setting_value *value_out) {
    switch (id) {
    case SETTING_CLIENT_ENCODING:
        return parse_client_encoding(text, value_out);
    case SETTING_DATESTYLE:
        return parse_date_style(text, value_out);
    case SETTING_TIMEZONE: {
        const struct timezone *timezone;
        if (timezone_find(slice_of_text(text), &timezone) != STATUS_OK)
            return invalid_value(id, text);
        return set_heap_text(value_out, timezone_name(timezone));
    }
    case SETTING_APPLICATION_NAME: {
        TRY(set_heap_text(value_out, text));
        size_t size = strlen(value_out->text);
        value_out->text[size > 63 ? 63 : size] = '\0';
        for (char *at = value_out->text; *at != '\0'; at++)
            if (*at < 32 || *at > 126)
                *at = '?';
        return STATUS_OK;
    }
    default:
        return set_heap_text(value_out, text);
    }
}

enum status setting_parse(enum setting_id id, const char *text, struct setting_value *value_out) {
    *value_out = (struct setting_value){0};
    switch (setting_infos[id].type) {
    case SETTING_BOOL:
        if (!parse_bool(text, &value_out->number))
            return error_set(STATUS_INVALID_PARAMETER_VALUE,
                             "parameter \"%s\" requires a Boolean value", setting_infos[id].name);
        return STATUS_OK;
    case SETTING_INTEGER:
    case SETTING_REAL:
        return parse_integer(id, text, &value_out->number);
    case SETTING_ENUM:
        return parse_enum(id, text, &value_out->number);
    case SETTING_TEXT:
        return parse_text(id, text, value_out);
    }
    return STATUS_OK;
}

/* ---- showing ---------------------------------------------------------------------------- */

void setting_show_plain(enum setting_id id, const struct setting_value *value,
                        struct buffer *buffer) {
    switch (setting_infos[id].type) {
    case SETTING_BOOL:
        buffer_append_text(buffer, value->number ? "on" : "off");
        break;
    case SETTING_INTEGER:
    case SETTING_REAL:
        buffer_append_format(buffer, "%lld", (long long)value->number);
        break;
    case SETTING_ENUM:
        buffer_append_slice(buffer, setting_option(id, value->number));
        break;
    case SETTING_TEXT:
        buffer_append_text(buffer, value->text == NULL ? "" : value->text);
        break;
    }
}

/* The largest unit that divides the number. */
void setting_show(enum setting_id id, const struct setting_value *value, struct buffer *buffer) {
    const struct setting_info *info = &setting_infos[id];
    if (info->type != SETTING_INTEGER || info->unit[0] == '\0' || value->number <= 0) {
        setting_show_plain(id, value, buffer);
        return;
    }
    const struct unit *family = unit_family(info->unit), *base = unit_find(family, info->unit);
    const struct unit *best = base;
    int64_t best_number = value->number;
    for (const struct unit *unit = base; unit->name != NULL; unit++) {
        int64_t factor = (int64_t)(unit->factor / base->factor);
        if (factor > 0 && value->number % factor == 0 && strcmp(unit->name, "8kB") != 0) {
            best = unit;
            best_number = value->number / factor;
        }
    }
    buffer_append_format(buffer, "%lld%s", (long long)best_number, best->name);
}

/* ---- lists ------------------------------------------------------------------------------ */

enum status setting_split_list(const char *text, struct arena *arena, char ***items_out,
                               size_t *count_out) {
    size_t capacity = 1;
    for (const char *at = text; *at != '\0'; at++)
        capacity += *at == ',';
    char **items = arena_alloc(arena, capacity * sizeof *items);
    char *copy = arena_copy_text(arena, text);
    if (items == NULL || copy == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    size_t count = 0;
    char *in = copy;
    for (;;) {
        in += strspn(in, " \t\n");
        char *start = in, *out = in;
        if (*in == '"') {
            start = out = ++in;
            while (*in != '\0' && (*in != '"' || in[1] == '"')) {
                in += *in == '"';
                *out++ = *in++;
            }
            if (*in == '\0')
                return error_set(STATUS_INVALID_PARAMETER_VALUE, "invalid list syntax");
            in++;
        } else {
            while (*in != '\0' && *in != ',' && *in != ' ' && *in != '\t') {
                *out++ = (char)tolower((unsigned char)*in);
                in++;
            }
        }
        in += strspn(in, " \t\n");
        bool more = *in == ',';
        if (*in != '\0' && !more)
            return error_set(STATUS_INVALID_PARAMETER_VALUE, "invalid list syntax");
        in += more;
        *out = '\0';
        items[count++] = start;
        if (!more)
            break;
    }
    *items_out = items;
    *count_out = count == 1 && items[0][0] == '\0' ? 0 : count;
    return STATUS_OK;
}

/* ---- the public view -------------------------------------------------------------------- */

size_t settings_count(void) {
    return SETTING_COUNT;
}

void setting_describe(size_t at, struct setting_view *view_out) {
    static const char *const types[] = {"bool", "integer", "real", "string", "enum"};
    static const char *const contexts[] = {"internal", "start", "session"};
    ASSERT(at < SETTING_COUNT);
    const struct setting_info *info = &setting_infos[at];
    *view_out = (struct setting_view){
        .name = info->name,
        .value = info->default_text,
        .unit = info->unit,
        .context = contexts[info->context],
        .type = types[info->type],
        .minimum = "",
        .maximum = "",
        .default_value = info->default_text,
        .meaning = info->meaning,
    };
}
