#include <stdio.h>

#include "session/state.h"
#include "table/table_virtual.h"

/* Relations about sessions and settings: pg_settings, pg_stat_activity, pg_prepared_statements,
   pg_cursors. `session` is the one that reads. */

static struct value text_or_null(const char *text) {
    return text == NULL ? value_null(TYPE_OF(TEXT)) : value_text(text);
}

static struct value name_value(const char *text) {
    return value_string(TYPE_OF(NAME), slice_of_text(text));
}

static struct value instant(int64_t microseconds) {
    if (microseconds == 0)
        return value_null(TYPE_OF(TIMESTAMPTZ));
    return (struct value){.type = TYPE_OF(TIMESTAMPTZ), .int64 = microseconds};
}

/* ---- pg_settings ------------------------------------------------------------------------ */

static const struct virtual_column settings_columns[] = {
    {"name", TYPE_TEXT},       {"setting", TYPE_TEXT},         {"unit", TYPE_TEXT},
    {"category", TYPE_TEXT},   {"short_desc", TYPE_TEXT},      {"extra_desc", TYPE_TEXT},
    {"context", TYPE_TEXT},    {"vartype", TYPE_TEXT},         {"source", TYPE_TEXT},
    {"min_val", TYPE_TEXT},    {"max_val", TYPE_TEXT},         {"enumvals", TYPE_TEXT_ARRAY},
    {"boot_val", TYPE_TEXT},   {"reset_val", TYPE_TEXT},       {"sourcefile", TYPE_TEXT},
    {"sourceline", TYPE_INT4}, {"pending_restart", TYPE_BOOL},
};

/* Terminated text in the buffer behind what is there; its place, not its address. */
static size_t add_text(struct buffer *texts, enum setting_id id,
                       const struct setting_value *value) {
    size_t start = texts->size;
    setting_show_plain(id, value, texts);
    buffer_append_byte(texts, 0);
    return start;
}

static enum status settings_row(struct session *session, enum setting_id id, struct buffer *texts,
                                struct virtual_sink *sink) {
    static const char *const contexts[] = {"internal", "postmaster", "user"};
    static const char *const types[] = {"bool", "integer", "real", "string", "enum"};
    const struct setting_info *info = &setting_infos[id];
    buffer_clear(texts);
    size_t now = add_text(texts, id, &session->settings.values[id]);
    size_t reset = add_text(texts, id, &session->settings.reset[id]);
    size_t minimum = texts->size;
    buffer_append_format(texts, "%lld", (long long)info->minimum);
    buffer_append_byte(texts, 0);
    size_t maximum = texts->size;
    buffer_append_format(texts, "%lld", (long long)info->maximum);
    buffer_append_byte(texts, 0);
    TRY(buffer_status(texts));
    const char *base = (const char *)texts->data;
    bool is_default = strcmp(base + now, base + reset) == 0;
    bool ranged = info->type == SETTING_INTEGER || info->type == SETTING_REAL;
    struct value values[] = {
        value_text(info->name),
        value_text(base + now),
        text_or_null(info->unit[0] == '\0' ? NULL : info->unit),
        value_text("satori"),
        value_text(info->meaning),
        value_null(TYPE_OF(TEXT)),
        value_text(contexts[info->context]),
        value_text(types[info->type]),
        value_text(is_default ? "default" : "session"),
        text_or_null(ranged ? base + minimum : NULL),
        text_or_null(ranged ? base + maximum : NULL),
        value_null(type_plain(TYPE_TEXT_ARRAY)),
        value_text(info->default_text),
        value_text(base + reset),
        value_null(TYPE_OF(TEXT)),
        value_null(TYPE_OF(INT4)),
        value_bool(false),
    };
    _Static_assert(sizeof values / sizeof values[0] ==
                       sizeof settings_columns / sizeof settings_columns[0],
                   "one each");
    return sink->row(sink, values);
}

static enum status settings_rows(struct fiber *f, struct catalog *catalog,
                                 const struct schema *schema, struct transaction *transaction,
                                 void *session, struct virtual_sink *sink) {
    struct buffer texts = {0};
    enum status status = STATUS_OK;
    for (int id = 0; id < SETTING_COUNT && session != NULL && status == STATUS_OK; id++)
        status = settings_row(session, id, &texts, sink);
    buffer_release(&texts);
    return status;
}

/* ---- pg_stat_activity ------------------------------------------------------------------- */

static const struct virtual_column activity_columns[] = {
    {"datid", TYPE_OID},
    {"datname", TYPE_NAME},
    {"pid", TYPE_INT4},
    {"leader_pid", TYPE_INT4},
    {"usesysid", TYPE_OID},
    {"usename", TYPE_NAME},
    {"application_name", TYPE_TEXT},
    {"client_addr", TYPE_TEXT},
    {"client_hostname", TYPE_TEXT},
    {"client_port", TYPE_INT4},
    {"backend_start", TYPE_TIMESTAMPTZ},
    {"xact_start", TYPE_TIMESTAMPTZ},
    {"query_start", TYPE_TIMESTAMPTZ},
    {"state_change", TYPE_TIMESTAMPTZ},
    {"wait_event_type", TYPE_TEXT},
    {"wait_event", TYPE_TEXT},
    {"state", TYPE_TEXT},
    {"backend_xid", TYPE_XID},
    {"backend_xmin", TYPE_XID},
    {"query_id", TYPE_INT8},
    {"query", TYPE_TEXT},
    {"backend_type", TYPE_TEXT},
};

/* What others may see of a session, taken under the engine's lock. */
struct activity {
    int32_t pid;
    char user[64], database[64], application[64];
    int64_t start_time_us, transaction_time_us, query_time_us, state_time_us;
    const char *state, *kind;
    char query[QUERY_TEXT_SIZE];
};

static void copy_text(char *to, size_t size, const char *from) {
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

static void take_activity(const struct session *session, struct activity *activity) {
    activity->pid = session->pid;
    copy_text(activity->user, sizeof activity->user, session->user);
    copy_text(activity->database, sizeof activity->database, session->database);
    const char *application = session->settings.changes == 0
                                  ? NULL
                                  : setting_text(&session->settings, SETTING_APPLICATION_NAME);
    copy_text(activity->application, sizeof activity->application,
              application == NULL ? "" : application);
    activity->start_time_us = session->start_time_us;
    activity->transaction_time_us = session->transaction_time_us;
    activity->query_time_us = session->query_time_us;
    activity->state_time_us = session->state_time_us;
    activity->state = atomic_load(&session->running) ? "active"
                      : session->failed              ? "idle in transaction (aborted)"
                      : session->in_block            ? "idle in transaction"
                                                     : "idle";
    activity->kind = session->in_background ? "autovacuum worker" : "client backend";
    copy_text(activity->query, sizeof activity->query, session->query);
}

static enum status activity_row(const struct activity *activity, struct virtual_sink *sink) {
    struct value values[] = {
        value_oid(1),
        name_value(activity->database),
        value_int4(activity->pid),
        value_null(TYPE_OF(INT4)),
        value_oid(10),
        name_value(activity->user),
        value_text(activity->application),
        value_null(TYPE_OF(TEXT)),
        value_null(TYPE_OF(TEXT)),
        value_null(TYPE_OF(INT4)),
        instant(activity->start_time_us),
        instant(activity->transaction_time_us),
        instant(activity->query_time_us),
        instant(activity->state_time_us),
        value_null(TYPE_OF(TEXT)),
        value_null(TYPE_OF(TEXT)),
        value_text(activity->state),
        value_null(TYPE_OF(XID)),
        value_null(TYPE_OF(XID)),
        value_null(TYPE_OF(INT8)),
        value_text(activity->query),
        value_text(activity->kind),
    };
    _Static_assert(sizeof values / sizeof values[0] ==
                       sizeof activity_columns / sizeof activity_columns[0],
                   "one each");
    return sink->row(sink, values);
}

/* The next session with a larger pid; false at the end. Asking by pid keeps the lock short. */
static bool next_activity(struct engine *engine, int32_t after, struct activity *activity) {
    const struct session *best = NULL;
    engine__lock(engine);
    LIST_FOR (&engine->sessions, node) {
        const struct session *session = CONTAINER_OF(node, struct session, link);
        if (session->pid > after && (best == NULL || session->pid < best->pid))
            best = session;
    }
    if (best != NULL)
        take_activity(best, activity);
    engine__unlock(engine);
    return best != NULL;
}

static enum status activity_rows(struct fiber *f, struct catalog *catalog,
                                 const struct schema *schema, struct transaction *transaction,
                                 void *session, struct virtual_sink *sink) {
    struct activity activity = {0};
    if (session == NULL)
        return STATUS_OK;
    struct engine *engine = ((struct session *)session)->engine;
    while (next_activity(engine, activity.pid, &activity))
        TRY(activity_row(&activity, sink));
    return STATUS_OK;
}

/* ---- pg_prepared_statements, pg_cursors ------------------------------------------------- */

static const struct virtual_column prepared_columns[] = {
    {"name", TYPE_TEXT},
    {"statement", TYPE_TEXT},
    {"prepare_time", TYPE_TIMESTAMPTZ},
    {"parameter_types", TYPE_TEXT},
    {"from_sql", TYPE_BOOL},
    {"generic_plans", TYPE_INT8},
    {"custom_plans", TYPE_INT8},
};

static enum status prepared_row(const struct prepared *prepared, struct virtual_sink *sink) {
    struct buffer types = {0};
    size_t count = prepared->statement == NULL ? 0 : prepared->statement->parameter_count;
    buffer_append_byte(&types, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_byte(&types, ',');
        type_format(type_plain(prepared->statement->parameter_types[i]), &types);
    }
    buffer_append_byte(&types, '}');
    enum status status = buffer_status(&types);
    struct value values[] = {
        value_text(prepared->named.name),
        value_text(prepared->text),
        instant(prepared->made_at_us),
        value_string(TYPE_OF(TEXT), buffer_slice(&types)),
        value_bool(prepared->from_sql),
        value_int8(0),
        value_int8(0),
    };
    if (status == STATUS_OK)
        status = sink->row(sink, values);
    buffer_release(&types);
    return status;
}

static enum status prepared_rows(struct fiber *f, struct catalog *catalog,
                                 const struct schema *schema, struct transaction *transaction,
                                 void *data, struct virtual_sink *sink) {
    struct session *session = data;
    for (int i = 0; i < NAME_BUCKETS && session != NULL; i++)
        for (struct named *at = session->statements.buckets[i]; at != NULL; at = at->next)
            TRY(prepared_row((struct prepared *)at, sink));
    return STATUS_OK;
}

static const struct virtual_column cursors_columns[] = {
    {"name", TYPE_TEXT},      {"statement", TYPE_TEXT},     {"is_holdable", TYPE_BOOL},
    {"is_binary", TYPE_BOOL}, {"is_scrollable", TYPE_BOOL}, {"creation_time", TYPE_TIMESTAMPTZ},
};

static enum status cursors_rows(struct fiber *f, struct catalog *catalog,
                                const struct schema *schema, struct transaction *transaction,
                                void *data, struct virtual_sink *sink) {
    struct session *session = data;
    for (int i = 0; i < NAME_BUCKETS && session != NULL; i++)
        for (struct named *at = session->portals.buckets[i]; at != NULL; at = at->next) {
            const struct portal *portal = (struct portal *)at;
            if (portal->text == NULL)
                continue;
            struct value values[] = {
                value_text(portal->named.name),
                value_text(portal->text),
                value_bool(portal->with_hold),
                value_bool(portal->column_count > 0 && portal->columns[0].format == 1),
                value_bool(portal->scroll),
                instant(portal->made_at_us),
            };
            TRY(sink->row(sink, values));
        }
    return STATUS_OK;
}

/* ---- registration ----------------------------------------------------------------------- */

#define RELATION(oid_value, type_oid_value, relation, columns_, rows_)                             \
    {                                                                                              \
        .oid = (oid_value), .type_oid = (type_oid_value), .namespace_name = "pg_catalog",          \
        .name = (relation), .column_count = sizeof(columns_) / sizeof((columns_)[0]),              \
        .columns = (columns_), .rows = (rows_), .kind = 'v',                                       \
    }

static const struct virtual_table session_tables[] = {
    RELATION(12077, 12079, "pg_cursors", cursors_columns, cursors_rows),
    RELATION(12095, 12097, "pg_prepared_statements", prepared_columns, prepared_rows),
    RELATION(12104, 12106, "pg_settings", settings_columns, settings_rows),
    RELATION(12219, 12221, "pg_stat_activity", activity_columns, activity_rows),
};

void session__virtual_tables_register(void) {
    virtual_tables_register(session_tables, sizeof session_tables / sizeof session_tables[0]);
}
