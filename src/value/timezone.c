/*
 * Time zones. A zone file (RFC 8536) is parsed once into sorted transitions, local time types and
 * the POSIX rule of its footer, which goes on where the transitions end. Zones found by name stay
 * in a list that only grows; it is pushed to with compare-and-swap, so any thread may look.
 */
#include "value/value_timezone.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base_bytes.h"
#include "base/base_memory.h"
#include "value/parts.h"
#include "value/timezone_abbreviations.h"
#include "value/value_datetime.h"

/* Day and second when a rule of the footer switches. */
struct switch_rule {
    enum { RULE_NONE, RULE_MONTH_WEEK, RULE_JULIAN, RULE_DAY } kind;
    int month, week, day; /* day: of the week, or of the year */
    int32_t second;       /* local time of the day, may be negative or beyond a day */
};

struct local_type {
    int32_t offset;
    bool is_dst;
    uint8_t name; /* offset into names */
};

struct timezone {
    const struct timezone *next; /* in the list of loaded zones */
    char name[TIMEZONE_NAME_SIZE];
    uint32_t transition_count, type_count;
    const int64_t *times;    /* seconds since 1970 */
    const uint8_t *types_at; /* type from times[i] on */
    const struct local_type *types;
    const char *names;
    uint8_t first_type; /* before the first transition */
    /* Footer: standard time, and summer time when `start` has a kind. */
    bool has_rule;
    struct local_type standard, summer;
    char standard_name[16], summer_name[16];
    struct switch_rule start, end;
};

static const struct timezone utc = {
    .name = "UTC",
    .has_rule = true,
    .standard_name = "UTC",
};
const struct timezone *const timezone_utc = &utc;

static timezone_loader loader;
static _Atomic(const struct timezone *) zones;

void timezone_loader_set(timezone_loader new_loader) {
    loader = new_loader;
}

const char *timezone_name(const struct timezone *timezone) {
    return timezone->name;
}

/* ---- POSIX rules ----------------------------------------------------------------------- */

static bool take_number(const char **text, int *number_out) {
    if (**text < '0' || **text > '9')
        return false;
    int number = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++)
        if (number < 100000)
            number = number * 10 + (**text - '0');
    *number_out = number;
    return true;
}

/* [+-]h[:mm[:ss]] */
static bool take_offset(const char **text, int32_t *seconds_out) {
    int sign = **text == '-' ? -1 : 1, hours, minutes = 0, seconds = 0;
    if (**text == '-' || **text == '+')
        (*text)++;
    if (!take_number(text, &hours))
        return false;
    if (**text == ':') {
        (*text)++;
        if (!take_number(text, &minutes))
            return false;
        if (**text == ':') {
            (*text)++;
            if (!take_number(text, &seconds))
                return false;
        }
    }
    if (hours > 167 || minutes > 59 || seconds > 59)
        return false;
    *seconds_out = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool take_name(const char **text, char name[16]) {
    size_t size = 0;
    bool angle = **text == '<';
    if (angle)
        (*text)++;
    for (;; (*text)++) {
        char byte = **text;
        bool letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
        bool other = (byte >= '0' && byte <= '9') || byte == '+' || byte == '-';
        if (!letter && !(angle && other))
            break;
        if (size < 15)
            name[size++] = byte;
    }
    name[size] = '\0';
    if (angle && *(*text)++ != '>')
        return false;
    return true;
}

static bool take_switch(const char **text, struct switch_rule *rule) {
    if (**text == 'M') {
        (*text)++;
        rule->kind = RULE_MONTH_WEEK;
        if (!take_number(text, &rule->month) || *(*text)++ != '.' ||
            !take_number(text, &rule->week) || *(*text)++ != '.' || !take_number(text, &rule->day))
            return false;
        if (rule->month < 1 || rule->month > 12 || rule->week < 1 || rule->week > 5 ||
            rule->day > 6)
            return false;
    } else {
        rule->kind = **text == 'J' ? RULE_JULIAN : RULE_DAY;
        *text += **text == 'J';
        if (!take_number(text, &rule->day) || rule->day > 366)
            return false;
    }
    rule->second = 2 * 3600;
    if (**text == '/') {
        (*text)++;
        return take_offset(text, &rule->second);
    }
    return true;
}

/* "CET-1CEST,M3.5.0,M10.5.0/3": into the zone's rule; false when malformed. */
static bool parse_rule(struct timezone *timezone, const char *text) {
    int32_t west;
    if (!take_name(&text, timezone->standard_name) || !take_offset(&text, &west))
        return false;
    timezone->standard = (struct local_type){.offset = -west};
    timezone->has_rule = true;
    if (*text == '\0')
        return true;
    if (!take_name(&text, timezone->summer_name) || timezone->summer_name[0] == '\0')
        return false;
    timezone->summer = (struct local_type){.offset = -west + 3600, .is_dst = true};
    if (*text != ',' && *text != '\0') {
        if (!take_offset(&text, &west))
            return false;
        timezone->summer.offset = -west;
    }
    if (*text == '\0')
        text = ",M3.2.0,M11.1.0"; /* POSIX leaves the default to us: the rules of the USA */
    return *text++ == ',' && take_switch(&text, &timezone->start) && *text++ == ',' &&
           take_switch(&text, &timezone->end) && *text == '\0';
}

/* Seconds since 1970 of local time when the rule switches in `year`. */
static int64_t switch_time(const struct switch_rule *rule, int year) {
    int32_t day = date_from_civil(year, 1, 1);
    if (rule->kind == RULE_JULIAN) {
        day += rule->day - 1 + (year_is_leap(year) && rule->day >= 60);
    } else if (rule->kind == RULE_DAY) {
        day += rule->day;
    } else {
        int32_t first = date_from_civil(year, rule->month, 1);
        int ahead = (rule->day - date_weekday(first) + 7) % 7 + 7 * (rule->week - 1);
        if (ahead >= month_days(year, rule->month))
            ahead -= 7;
        day = first + ahead;
    }
    return (int64_t)(day - DATE_UNIX_EPOCH) * 86400 + rule->second;
}

static const struct local_type *rule_type(const struct timezone *timezone, int64_t seconds,
                                          const char **name_out) {
    bool summer = false;
    if (timezone->start.kind != RULE_NONE) {
        int year, month, day;
        int64_t local = seconds + timezone->standard.offset;
        int64_t days = local / 86400 - (local % 86400 < 0);
        date_to_civil((int32_t)(days + DATE_UNIX_EPOCH), &year, &month, &day);
        int64_t start = switch_time(&timezone->start, year) - timezone->standard.offset;
        int64_t end = switch_time(&timezone->end, year) - timezone->summer.offset;
        summer =
            start < end ? seconds >= start && seconds < end : seconds >= start || seconds < end;
    }
    *name_out = summer ? timezone->summer_name : timezone->standard_name;
    return summer ? &timezone->summer : &timezone->standard;
}

/* ---- offsets --------------------------------------------------------------------------- */

static const struct local_type *type_at(const struct timezone *timezone, int64_t seconds,
                                        const char **name_out) {
    uint32_t low = 0, high = timezone->transition_count; /* transitions at or before `seconds` */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (timezone->times[middle] <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == timezone->transition_count && timezone->has_rule)
        return rule_type(timezone, seconds, name_out);
    const struct local_type *type =
        &timezone->types[low == 0 ? timezone->first_type : timezone->types_at[low - 1]];
    *name_out = timezone->names + type->name;
    return type;
}

static int64_t floor_seconds(int64_t us) {
    return us / US_PER_SECOND - (us % US_PER_SECOND < 0) - (int64_t)DATE_UNIX_EPOCH * 86400;
}

int32_t timezone_offset_at(const struct timezone *timezone, int64_t timestamptz, bool *dst_out,
                           const char **abbreviation_out) {
    const char *name;
    const struct local_type *type = type_at(timezone, floor_seconds(timestamptz), &name);
    if (dst_out != NULL)
        *dst_out = type->is_dst;
    if (abbreviation_out != NULL)
        *abbreviation_out = name;
    return type->offset;
}

int32_t timezone_offset_local(const struct timezone *timezone, int64_t local) {
    const char *name;
    int64_t seconds = floor_seconds(local), early = seconds - 86400, late = seconds + 86400;
    int32_t before = type_at(timezone, early, &name)->offset;
    int32_t after = type_at(timezone, late, &name)->offset;
    if (before == after)
        return before;
    while (late - early > 1) { /* the instant of the change */
        int64_t middle = early + (late - early) / 2;
        if (type_at(timezone, middle, &name)->offset == before)
            early = middle;
        else
            late = middle;
    }
    bool is_before = seconds - before < late, is_after = seconds - after >= late;
    if (is_before != is_after)
        return is_before ? before : after;
    /* Skipped or doubled: a skipped time counts by the old offset, a doubled one by the new. */
    return after > before ? before : after;
}

bool timezone_abbreviation(struct slice word, int32_t *offset_out) {
    char upper[8] = {0};
    if (word.size == 0 || word.size >= sizeof upper)
        return false;
    for (size_t i = 0; i < word.size; i++) {
        char byte = (char)word.data[i];
        upper[i] = byte >= 'a' && byte <= 'z' ? (char)(byte - 32) : byte;
    }
    for (size_t i = 0; i < sizeof abbreviations / sizeof abbreviations[0]; i++) {
        if (strcmp(abbreviations[i].word, upper) == 0) {
            *offset_out = abbreviations[i].offset;
            return true;
        }
    }
    return false;
}

/* ---- zone files ------------------------------------------------------------------------ */

enum { TZIF_HEADER_SIZE = 44 };

struct tzif_counts {
    uint32_t utc_flags, standard_flags, leaps, times, types, characters;
};

static struct tzif_counts read_counts(const uint8_t *header) {
    return (struct tzif_counts){
        get_be32(header + 20), get_be32(header + 24), get_be32(header + 28),
        get_be32(header + 32), get_be32(header + 36), get_be32(header + 40),
    };
}

static uint64_t block_size(struct tzif_counts counts, unsigned time_size) {
    return (uint64_t)counts.times * (time_size + 1) + (uint64_t)counts.types * 6 +
           counts.characters + (uint64_t)counts.leaps * (time_size + 4) + counts.standard_flags +
           counts.utc_flags;
}

static bool is_tzif(struct slice bytes) {
    return bytes.size >= TZIF_HEADER_SIZE && memcmp(bytes.data, "TZif", 4) == 0;
}

/* The data block `at` (64-bit times) into freshly allocated memory behind the zone. */
static struct timezone *read_block(struct slice block, struct tzif_counts counts) {
    size_t size = sizeof(struct timezone) + counts.times * 9 + counts.characters + 1 +
                  sizeof(struct local_type) * (counts.types + 1) + 16;
    struct timezone *timezone = memory_alloc_zeroed(1, size);
    if (timezone == NULL)
        return NULL;
    int64_t *times = (int64_t *)(timezone + 1);
    struct local_type *types = (struct local_type *)(times + counts.times);
    uint8_t *types_at = (uint8_t *)(types + counts.types);
    char *names = (char *)types_at + counts.times;
    const uint8_t *at = block.data;
    bool good = counts.types > 0;
    for (uint32_t i = 0; i < counts.times; i++) {
        times[i] = (int64_t)get_be64(at + 8 * (size_t)i);
        types_at[i] = at[8 * (size_t)counts.times + i];
        good &= types_at[i] < counts.types && (i == 0 || times[i] > times[i - 1]);
    }
    at += 9 * (size_t)counts.times;
    for (uint32_t i = 0; i < counts.types; i++, at += 6) {
        types[i] = (struct local_type){(int32_t)get_be32(at), at[4] != 0, at[5]};
        good &= at[5] < counts.characters && abs(types[i].offset) <= 26 * 3600;
    }
    memcpy(names, at, counts.characters);
    if (!good) {
        memory_free(timezone);
        return NULL;
    }
    timezone->transition_count = counts.times;
    timezone->type_count = counts.types;
    timezone->times = times;
    timezone->types = types;
    timezone->types_at = types_at;
    timezone->names = names;
    while (timezone->first_type + 1u < counts.types && types[timezone->first_type].is_dst)
        timezone->first_type++;
    return timezone;
}

const struct timezone *timezone_parse(const char *name, struct slice bytes) {
    struct timezone *timezone = NULL;
    if (!is_tzif(bytes) || bytes.data[4] < '2')
        goto corrupted;
    uint64_t skip = TZIF_HEADER_SIZE + block_size(read_counts(bytes.data), 4);
    if (skip > bytes.size)
        goto corrupted;
    struct slice second = slice_of(bytes.data + skip, bytes.size - skip);
    if (!is_tzif(second))
        goto corrupted;
    struct tzif_counts counts = read_counts(second.data);
    uint64_t end = TZIF_HEADER_SIZE + block_size(counts, 8);
    if (end > second.size || counts.types > 256 || counts.characters > 256)
        goto corrupted;
    timezone = read_block(slice_of(second.data + TZIF_HEADER_SIZE, end - TZIF_HEADER_SIZE), counts);
    if (timezone == NULL)
        goto corrupted;
    char footer[128] = {0};
    size_t left = second.size - end;
    const uint8_t *text = second.data + end;
    if (left > 2 && text[0] == '\n') {
        for (size_t i = 1; i < left && text[i] != '\n' && i < sizeof footer; i++)
            footer[i - 1] = (char)text[i];
        if (footer[0] != '\0' && !parse_rule(timezone, footer))
            goto corrupted;
    }
    snprintf(timezone->name, sizeof timezone->name, "%s", name);
    return timezone;
corrupted:
    memory_free(timezone);
    error_set(STATUS_DATA_CORRUPTED, "time zone file \"%s\" is damaged", name);
    return NULL;
}

/* ---- finding --------------------------------------------------------------------------- */

static const struct timezone *find_loaded(const char *name) {
    for (const struct timezone *zone = atomic_load(&zones); zone != NULL; zone = zone->next)
        if (strcmp(zone->name, name) == 0)
            return zone;
    return NULL;
}

static const struct timezone *keep(struct timezone *zone) {
    const struct timezone *first = atomic_load(&zones);
    do
        zone->next = first;
    while (!atomic_compare_exchange_weak(&zones, &first, zone));
    return zone;
}

const struct timezone *timezone_fixed(int32_t offset) {
    if (offset < -167 * 3600 || offset > 167 * 3600)
        return NULL;
    int size = abs(offset), minutes = size / 60 % 60, seconds = size % 60;
    char digits[16], name[TIMEZONE_NAME_SIZE];
    if (seconds != 0)
        snprintf(digits, sizeof digits, "%02d:%02d:%02d", size / 3600, minutes, seconds);
    else if (minutes != 0)
        snprintf(digits, sizeof digits, "%02d:%02d", size / 3600, minutes);
    else
        snprintf(digits, sizeof digits, "%02d", size / 3600);
    char sign = offset < 0 ? '-' : '+', opposite = offset < 0 ? '+' : '-';
    snprintf(name, sizeof name, "<%c%s>%c%s", sign, digits, opposite, digits);
    const struct timezone *known = find_loaded(name);
    if (known != NULL)
        return known;
    struct timezone *zone = memory_alloc_zeroed(1, sizeof *zone);
    if (zone == NULL)
        return timezone_utc;
    memcpy(zone->name, name, sizeof name);
    zone->has_rule = true;
    zone->standard.offset = offset;
    snprintf(zone->standard_name, sizeof zone->standard_name, "%c%.14s", sign, digits);
    return keep(zone);
}

static bool is_plain_zone_name(struct slice name) {
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        bool letter = (byte | 32) >= 'a' && (byte | 32) <= 'z';
        if (!letter && !(byte >= '0' && byte <= '9') && byte != '_' && byte != '-' && byte != '+' &&
            !(byte == '/' && i > 0 && name.data[i - 1] != '/'))
            return false;
    }
    return name.size > 0 && name.size < TIMEZONE_NAME_SIZE && (name.data[0] | 32) >= 'a';
}

static const struct timezone *load(const char *name) {
    const struct timezone *zone = find_loaded(name);
    if (zone != NULL || loader == NULL)
        return zone;
    struct arena arena = {0};
    struct slice bytes;
    if (loader(name, &arena, &bytes)) {
        zone = timezone_parse(name, bytes);
        if (zone != NULL)
            keep((struct timezone *)zone); /* freshly made, ours */
    }
    arena_release(&arena);
    return zone;
}

/* As written, "europe/berlin" as Europe/Berlin, "est5edt" in capitals. */
static const struct timezone *load_any_case(struct slice name) {
    char text[TIMEZONE_NAME_SIZE];
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    const struct timezone *zone = load(text);
    if (zone != NULL)
        return zone;
    bool first = true;
    for (size_t i = 0; i < name.size; i++) {
        char lower = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
        bool letter = lower >= 'a' && lower <= 'z';
        text[i] = letter && first ? (char)(lower - 32) : lower;
        first = !letter;
    }
    zone = load(text);
    for (size_t i = 0; i < name.size && zone == NULL; i++)
        if (text[i] >= 'a' && text[i] <= 'z')
            text[i] = (char)(text[i] - 32);
    return zone != NULL ? zone : load(text);
}

/* "FOO3", "<+02>-02", "-3:30": offsets of POSIX count west. */
static const struct timezone *posix_zone(struct slice name) {
    char text[TIMEZONE_NAME_SIZE];
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    const struct timezone *known = find_loaded(text);
    if (known != NULL)
        return known;
    struct timezone *zone = memory_alloc_zeroed(1, sizeof *zone);
    if (zone == NULL)
        return NULL;
    if (!parse_rule(zone, text) || abs(zone->standard.offset) > 167 * 3600) {
        memory_free(zone);
        return NULL;
    }
    memcpy(zone->name, text, sizeof text);
    return keep(zone);
}

enum status timezone_find(struct slice name, const struct timezone **timezone_out) {
    struct slice body = text_trim(name);
    const struct timezone *zone = NULL;
    double hours;
    if (body.size > 0 && body.size < TIMEZONE_NAME_SIZE - 1) {
        if (text_equal_ignoring_case(body, "utc"))
            zone = timezone_utc;
        else if (text_parse_float(body, TYPE_FLOAT8, &hours) == STATUS_OK && hours > -168 &&
                 hours < 168)
            zone = timezone_fixed((int32_t)(hours * 3600));
        if (zone == NULL && is_plain_zone_name(body))
            zone = load_any_case(body);
        if (zone == NULL)
            zone = posix_zone(body);
        if (zone == NULL && text_equal_ignoring_case(body, "gmt"))
            zone = timezone_utc;
    }
    if (zone == NULL)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "time zone \"%.*s\" not recognized",
                         (int)(name.size > 800 ? 800 : name.size), (const char *)name.data);
    *timezone_out = zone;
    return STATUS_OK;
}
