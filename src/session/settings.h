/*
 * Settings of a session: values, their text forms, and how they follow transactions.
 * Private to the room.
 *
 * The engine holds the values that sessions start with (built-in, config file, options). A session
 * copies them, applies its start-up parameters, and what it has then is what RESET returns to.
 *
 * SET inside a transaction keeps a *trail* entry for each setting touched:
 *
 *     before     the value at the start of the transaction; ROLLBACK returns to it
 *     after      the value that COMMIT leaves: the last SET's; SET LOCAL does not change it
 *
 * Without savepoints one entry a setting is enough.
 */
#ifndef SESSION_SETTINGS_H
#define SESSION_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "base/base_status.h"

enum setting_id {
#define SETTING(identifier, ...) SETTING_##identifier,
#include "session/session_setting.def"
#undef SETTING
    SETTING_COUNT,
};

enum setting_type { SETTING_BOOL, SETTING_INTEGER, SETTING_REAL, SETTING_TEXT, SETTING_ENUM };
enum setting_context { CONTEXT_INTERNAL, CONTEXT_START, CONTEXT_SESSION };

struct setting_info {
    const char *name;
    enum setting_type type;
    enum setting_context context;
    bool reported;
    const char *default_text;
    int64_t minimum, maximum;
    const char *unit, *options, *meaning;
};
extern const struct setting_info setting_infos[SETTING_COUNT];

/* number: BOOL, INTEGER (in its unit), ENUM (place of the option). text: TEXT, owned. */
struct setting_value {
    int64_t number;
    char *text;
};

/* Settings with a name of the client's own, "a.b". */
struct custom_setting {
    char *name, *value;
};
enum { CUSTOM_SETTINGS_MAX = 256 };

struct trail_entry {
    enum setting_id id;
    struct setting_value before, after;
};

struct settings {
    struct setting_value values[SETTING_COUNT];
    struct setting_value reset[SETTING_COUNT];
    struct trail_entry *trail;
    size_t trail_count, trail_capacity;
    struct custom_setting *custom; /* not transactional */
    size_t custom_count, custom_capacity;
    uint64_t changes; /* rises with every change of a value */
};

/* ---- text and values (settings_text.c) */

/* Any case; SETTING_COUNT when unknown. */
enum setting_id setting_find(const char *name);
/* Read a value as SET gives it. INVALID_PARAMETER_VALUE with PostgreSQL's words and hint. The
   text of the result is new heap memory. */
enum status setting_parse(enum setting_id id, const char *text, struct setting_value *value_out)
    MUST_USE;
/* As SHOW shows it ("64MB", "on"). */
void setting_show(enum setting_id id, const struct setting_value *value, struct buffer *buffer);
/* The same without a unit, for pg_settings. */
void setting_show_plain(enum setting_id id, const struct setting_value *value,
                        struct buffer *buffer);
/* Text of an ENUM's option. */
struct slice setting_option(enum setting_id id, int64_t number);
void setting_value_release(struct setting_value *value);
enum status setting_value_copy(const struct setting_value *value, struct setting_value *copy_out)
    MUST_USE;

/* Split a list such as search_path or DateStyle: names in double quotes keep their case, others are
   folded. Items in the arena. */
enum status setting_split_list(const char *text, struct arena *arena, char ***items_out,
                               size_t *count_out) MUST_USE;

/* ---- a session's set (settings.c) */

/* Copies of the values; the same become the reset values. */
enum status settings_init(struct settings *settings, const struct setting_value *values) MUST_USE;
void settings_release(struct settings *settings);
/* Built-in defaults into `values`. */
enum status settings_defaults(struct setting_value values[SETTING_COUNT]) MUST_USE;

/* SET: `text` NULL is the reset value. `local`: until the transaction ends. */
enum status settings_set(struct settings *settings, enum setting_id id, const char *text,
                         bool local) MUST_USE;
/* At session start: sets the value and what RESET returns to. */
enum status settings_set_initial(struct settings *settings, enum setting_id id, const char *text)
    MUST_USE;
/* Set without a trail, whatever the context: facts of the session and transaction. */
void settings_set_number(struct settings *settings, enum setting_id id, int64_t number);
enum status settings_set_text(struct settings *settings, enum setting_id id, const char *text)
    MUST_USE;
/* The transaction ended. *changed_out (SETTING_COUNT flags, may be NULL): settings that now have
   another value than a moment ago. */
void settings_end(struct settings *settings, bool committed, bool *changed_out);

static inline int64_t setting_number(const struct settings *settings, enum setting_id id) {
    return settings->values[id].number;
}
static inline const char *setting_text(const struct settings *settings, enum setting_id id) {
    return settings->values[id].text;
}

/* Custom settings. NULL when unset. */
const char *settings_custom(const struct settings *settings, const char *name);
enum status settings_set_custom(struct settings *settings, const char *name, const char *value)
    MUST_USE;

/* `unrecognized configuration parameter "x"` */
enum status setting_unknown(const char *name);

#endif
