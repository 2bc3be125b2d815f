#include <strings.h>

#include "session/state.h"

/* SET, RESET, SHOW. */

static enum status changed(struct fiber *f, struct session *session, enum setting_id id) {
    bool flags[SETTING_COUNT] = {false};
    TRY(session__apply_settings(session));
    flags[id] = true;
    session__report(f, session, flags);
    return STATUS_OK;
}

/* Properties of the running transaction can be set as settings, too. */
static enum status check_transaction_setting(struct session *session, enum setting_id id,
                                             bool *local) {
    if (id != SETTING_TRANSACTION_ISOLATION && id != SETTING_TRANSACTION_READ_ONLY &&
        id != SETTING_TRANSACTION_DEFERRABLE)
        return STATUS_OK;
    *local = true;
    if (id == SETTING_TRANSACTION_ISOLATION && session->statement_ran)
        return error_set(STATUS_ACTIVE_TRANSACTION,
                         "SET TRANSACTION ISOLATION LEVEL must be called before any query");
    if (id == SETTING_TRANSACTION_READ_ONLY && session->statement_ran &&
        setting_number(&session->settings, id))
        return error_set(STATUS_ACTIVE_TRANSACTION,
                         "transaction read-write mode must be set before any query");
    return STATUS_OK;
}

static enum status check_role(struct session *session, enum setting_id id, const char *value) {
    if (value == NULL || (id != SETTING_ROLE && id != SETTING_SESSION_AUTHORIZATION) ||
        strcmp(value, "none") == 0 || strcmp(value, session->user) == 0)
        return STATUS_OK;
    return error_set(STATUS_INVALID_PARAMETER_VALUE, "role \"%s\" does not exist", value);
}

/* The store's transaction takes its properties when it is made: again, if nothing ran in it. */
static void make_anew(struct fiber *f, struct session *session, enum setting_id id) {
    if ((id == SETTING_TRANSACTION_ISOLATION || id == SETTING_TRANSACTION_READ_ONLY) &&
        session->transaction != NULL && !session->statement_ran) {
        transaction_rollback(f, session->transaction);
        session->transaction = NULL;
    }
}

static enum status run_set(struct fiber *f, struct session *session,
                           const struct statement_setting *said) {
    enum setting_id id = setting_find(said->name);
    bool local = said->local;
    if (local && !session->in_block)
        session__warning(f, session, STATUS_NO_ACTIVE_TRANSACTION,
                         "SET LOCAL can only be used in transaction blocks");
    if (id == SETTING_COUNT) {
        if (strchr(said->name, '.') == NULL)
            return setting_unknown(said->name);
        return settings_set_custom(&session->settings, said->name,
                                   said->value == NULL ? "" : said->value);
    }
    TRY(check_transaction_setting(session, id, &local));
    TRY(check_role(session, id, said->value));
    TRY(settings_set(&session->settings, id, said->value, local));
    make_anew(f, session, id);
    return changed(f, session, id);
}

static enum status run_reset(struct fiber *f, struct session *session, const char *name) {
    if (name != NULL) {
        const struct statement_setting said = {.name = name};
        return run_set(f, session, &said);
    }
    for (int id = 0; id < SETTING_COUNT; id++) {
        bool is_transaction = id == SETTING_TRANSACTION_ISOLATION ||
                              id == SETTING_TRANSACTION_READ_ONLY ||
                              id == SETTING_TRANSACTION_DEFERRABLE ||
                              id == SETTING_SESSION_AUTHORIZATION || id == SETTING_ROLE;
        if (setting_infos[id].context != CONTEXT_SESSION || is_transaction)
            continue;
        uint64_t before = session->settings.changes;
        TRY(settings_set(&session->settings, id, NULL, false));
        if (setting_infos[id].reported && session->settings.changes != before)
            TRY(changed(f, session, id));
    }
    return session__apply_settings(session);
}

static enum status append_shown(struct portal *portal, const struct buffer *text, const char *name,
                                const char *meaning) {
    TRY(buffer_status(text));
    struct value row[3] = {
        value_text(name),
        value_string(TYPE_OF(TEXT), buffer_slice(text)),
        value_text(meaning),
    };
    return name[0] == '\0' ? kept_rows_append_values(&portal->stored, &row[1], 1)
                           : kept_rows_append_values(&portal->stored, row, 3);
}

static enum status show_one(struct session *session, struct portal *portal, const char *name) {
    struct buffer text = {0};
    enum setting_id id = setting_find(name);
    const char *custom = id == SETTING_COUNT ? settings_custom(&session->settings, name) : NULL;
    if (id == SETTING_COUNT && custom == NULL)
        return setting_unknown(name);
    if (custom != NULL)
        buffer_append_text(&text, custom);
    else
        setting_show(id, &session->settings.values[id], &text);
    enum status status = append_shown(portal, &text, "", "");
    buffer_release(&text);
    return status;
}

/* In the order of names, as PostgreSQL. */
static enum status show_all(struct session *session, struct portal *portal) {
    struct buffer text = {0};
    enum status status = STATUS_OK;
    const char *last = "";
    for (int i = 0; i < SETTING_COUNT && status == STATUS_OK; i++) {
        int next = -1;
        for (int id = 0; id < SETTING_COUNT; id++)
            if (strcasecmp(setting_infos[id].name, last) > 0 &&
                (next < 0 || strcasecmp(setting_infos[id].name, setting_infos[next].name) < 0))
                next = id;
        ASSERT(next >= 0); /* names differ: one is the next */
        buffer_clear(&text);
        setting_show(next, &session->settings.values[next], &text);
        last = setting_infos[next].name;
        status = append_shown(portal, &text, last, setting_infos[next].meaning);
    }
    buffer_release(&text);
    return status;
}

enum status session__run_setting(struct fiber *f, struct session *session, struct portal *portal,
                                 char tag[TAG_SIZE]) {
    const struct statement *statement = portal->statement;
    const struct statement_setting *said = &statement->setting;
    switch (statement->kind) {
    case STATEMENT_SET:
        return run_set(f, session, said);
    case STATEMENT_RESET:
        return run_reset(f, session, said->name);
    default:
        return said->name == NULL ? show_all(session, portal)
                                  : show_one(session, portal, said->name);
    }
}
