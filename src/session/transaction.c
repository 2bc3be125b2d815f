#include "base/base_log.h"
#include "session/state.h"

/* See state.h for the states. */

/* ---- beginning -------------------------------------------------------------------------- */

static enum isolation isolation_of(const struct settings *settings) {
    return setting_number(settings, SETTING_TRANSACTION_ISOLATION) <= 1 ? ISOLATION_REPEATABLE_READ
                                                                        : ISOLATION_READ_COMMITTED;
}

/* The first thing of a transaction: its time and its properties. */
static void start(struct session *session) {
    if (session->transaction_time_us != 0)
        return;
    session->transaction_time_us = session->statement_time_us;
    session->value_context.now = session->transaction_time_us;
    session->statement_ran = false;
    struct settings *settings = &session->settings;
    settings_set_number(settings, SETTING_TRANSACTION_ISOLATION,
                        setting_number(settings, SETTING_DEFAULT_TRANSACTION_ISOLATION));
    settings_set_number(settings, SETTING_TRANSACTION_READ_ONLY,
                        setting_number(settings, SETTING_DEFAULT_TRANSACTION_READ_ONLY));
    settings_set_number(settings, SETTING_TRANSACTION_DEFERRABLE,
                        setting_number(settings, SETTING_DEFAULT_TRANSACTION_DEFERRABLE));
}

enum status session__transaction(struct fiber *f, struct session *session) {
    int64_t lock_timeout_ms = setting_number(&session->settings, SETTING_LOCK_TIMEOUT);
    if (session->transaction != NULL) {
        transaction_lock_timeout_set(session->transaction, lock_timeout_ms);
        return STATUS_OK;
    }
    start(session);
    struct transaction_options options = {
        .isolation = isolation_of(&session->settings),
        .read_only = setting_number(&session->settings, SETTING_TRANSACTION_READ_ONLY) != 0,
        .lock_timeout_ms = lock_timeout_ms,
    };
    return transaction_begin(f, session->engine->store, &options, &session->transaction);
}

struct schema *session__schema(struct session *session) {
    if (session->private_schema != NULL) {
        schema_retain(session->private_schema);
        return session->private_schema;
    }
    return catalog_schema(session->engine->catalog);
}

enum status session__schema_changed(struct fiber *f, struct session *session) {
    TRY(transaction_command_end(f, session->transaction));
    struct schema *schema;
    TRY(catalog_schema_private(f, session->engine->catalog, session->transaction, &schema));
    if (session->private_schema != NULL)
        schema_release(session->private_schema);
    session->private_schema = schema;
    session->has_ddl = true;
    return STATUS_OK;
}

/* ---- ending ----------------------------------------------------------------------------- */

static void forget(struct fiber *f, struct session *session, bool committed) {
    bool changed[SETTING_COUNT] = {false};
    session->transaction = NULL;
    session->in_block = session->failed = session->has_ddl = session->statement_ran = false;
    session->transaction_time_us = 0;
    session->open_portal = NULL;
    session->statement_open = false;
    if (session->private_schema != NULL)
        schema_release(session->private_schema);
    session->private_schema = NULL;
    if (session->settings.trail_count == 0)
        return;
    settings_end(&session->settings, committed, changed);
    struct error error = *error_current();
    enum status status = session__apply_settings(session);
    ASSERT(status == STATUS_OK); /* these values were good before */
    *error_current() = error;
    session__report(f, session, changed);
}

void session__rollback(struct fiber *f, struct session *session) {
    fiber_shield(f);
    session__close_portals(f, session, false);
    if (session->transaction != NULL)
        transaction_rollback(f, session->transaction);
    forget(f, session, false);
    fiber_unshield(f);
}

/* Cursors WITH HOLD outlive the transaction: their rows are read now. */
static enum status store_held_cursors(struct fiber *f, struct session *session) {
    for (int i = 0; i < NAME_BUCKETS; i++)
        for (struct named *at = session->portals.buckets[i]; at != NULL; at = at->next) {
            struct portal *portal = (struct portal *)at;
            if (portal->with_hold && !portal->use_stored)
                TRY(portal_store_rest(f, session, portal));
        }
    return STATUS_OK;
}

static enum status commit_store(struct fiber *f, struct session *session) {
    static const bool synchronous_by_option[] = {true, false, true, true, true};
    struct transaction *transaction = session->transaction;
    int64_t option = setting_number(&session->settings, SETTING_SYNCHRONOUS_COMMIT);
    bool synchronous = synchronous_by_option[option];
    struct commit_number number = {0};
    session->transaction = NULL; /* gone after this call, whatever it returns */
    if (session->has_ddl)
        TRY(catalog_commit(f, session->engine->catalog, transaction, synchronous, &number));
    else
        TRY(transaction_commit(f, transaction, synchronous, &number));
    if (number.value != 0)
        session->last_commit = number;
    return STATUS_OK;
}

enum status session__commit(struct fiber *f, struct session *session) {
    if (session->transaction != NULL) {
        enum status status =
            session->portals.count == 0 ? STATUS_OK : store_held_cursors(f, session);
        if (status == STATUS_OK)
            status = session__settle_open_portal(f, session, false);
        if (status == STATUS_OK)
            status = session__statement_end(f, session);
        if (status != STATUS_OK)
            return status; /* the caller aborts */
        session__close_portals(f, session, false);
        TRY(commit_store(f, session));
    } else {
        session__close_portals(f, session, false);
    }
    forget(f, session, true);
    return STATUS_OK;
}

enum status session__finish_implicit(struct fiber *f, struct session *session) {
    if (session->in_block)
        return STATUS_OK;
    return session__commit(f, session);
}

void session__abort(struct fiber *f, struct session *session) {
    struct error error = *error_current();
    bool in_block = session->in_block;
    session__rollback(f, session);
    if (in_block)
        session->in_block = session->failed = true;
    *error_current() = error;
}

/* ---- read-only -------------------------------------------------------------------------- */

static enum status refuse_read_only(const char *what) {
    return error_set(STATUS_READ_ONLY_TRANSACTION, "cannot execute %s in a read-only transaction",
                     what);
}

enum status session__check_read_only(struct session *session, const struct statement *statement) {
    start(session);
    if (!setting_number(&session->settings, SETTING_TRANSACTION_READ_ONLY))
        return STATUS_OK;
    if (statement->kind == STATEMENT_COPY)
        return statement->copy.from ? refuse_read_only("COPY FROM") : STATUS_OK;
    if (statement->kind == STATEMENT_SELECT && statement->plan != NULL &&
        !statement->plan->is_read_only)
        return refuse_read_only("SELECT FOR UPDATE");
    if (statement->kind == STATEMENT_EXPLAIN) {
        const struct statement *inner = statement->explain.inner;
        return statement->explain.analyze && inner != NULL
                   ? session__check_read_only(session, inner)
                   : STATUS_OK;
    }
    if (statement_changes_database(statement->kind))
        return refuse_read_only(statement_kind_tag(statement->kind));
    return STATUS_OK;
}

/* ---- statements ------------------------------------------------------------------------- */

/* Isolation and read-only as the statement says. */
static enum status set_properties(struct fiber *f, struct session *session,
                                  const struct statement_transaction *said) {
    struct settings *settings = &session->settings;
    bool session_wide = said->session;
    enum setting_id isolation =
        session_wide ? SETTING_DEFAULT_TRANSACTION_ISOLATION : SETTING_TRANSACTION_ISOLATION;
    enum setting_id read_only =
        session_wide ? SETTING_DEFAULT_TRANSACTION_READ_ONLY : SETTING_TRANSACTION_READ_ONLY;
    enum setting_id deferrable =
        session_wide ? SETTING_DEFAULT_TRANSACTION_DEFERRABLE : SETTING_TRANSACTION_DEFERRABLE;
    if (said->isolation != NULL) {
        if (!session_wide && session->statement_ran)
            return error_set(STATUS_ACTIVE_TRANSACTION,
                             "SET TRANSACTION ISOLATION LEVEL must be called before any query");
        TRY(settings_set(settings, isolation, said->isolation, !session_wide));
    }
    if (said->read_only >= 0) {
        if (!session_wide && session->statement_ran && !said->read_only &&
            setting_number(settings, SETTING_TRANSACTION_READ_ONLY))
            return error_set(STATUS_ACTIVE_TRANSACTION,
                             "transaction read-write mode must be set before any query");
        TRY(settings_set(settings, read_only, said->read_only ? "on" : "off", !session_wide));
    }
    if (said->deferrable >= 0)
        TRY(settings_set(settings, deferrable, said->deferrable ? "on" : "off", !session_wide));
    /* Binding this very statement may have made the store's transaction, with other properties. */
    if (!session_wide && session->transaction != NULL && !session->statement_ran) {
        transaction_rollback(f, session->transaction);
        session->transaction = NULL;
    }
    return STATUS_OK;
}

static enum status begin_block(struct fiber *f, struct session *session,
                               const struct statement_transaction *said) {
    if (session->in_block)
        session__warning(f, session, STATUS_ACTIVE_TRANSACTION,
                         "there is already a transaction in progress");
    start(session);
    session->in_block = true;
    return set_properties(f, session, said);
}

static enum status chain(struct fiber *f, struct session *session, bool was_block,
                         const struct statement_transaction *said) {
    if (!said->chain)
        return STATUS_OK;
    if (!was_block)
        return error_set(STATUS_NO_ACTIVE_TRANSACTION,
                         "%s AND CHAIN can only be used in "
                         "transaction blocks",
                         "COMMIT");
    start(session);
    session->in_block = true;
    return STATUS_OK;
}

static enum status end_block(struct fiber *f, struct session *session, bool commit,
                             const struct statement_transaction *said, char tag[TAG_SIZE]) {
    bool was_block = session->in_block;
    if (!was_block)
        session__warning(f, session, STATUS_NO_ACTIVE_TRANSACTION,
                         "there is no transaction in progress");
    if (!commit || session->failed) {
        session__rollback(f, session);
        memcpy(tag, "ROLLBACK", sizeof "ROLLBACK");
    } else {
        session->in_block = false; /* a failed commit leaves no block behind */
        TRY(session__commit(f, session));
    }
    return chain(f, session, was_block, said);
}

static enum status set_transaction(struct fiber *f, struct session *session,
                                   const struct statement_transaction *said) {
    if (!said->session && !session->in_block) {
        session__warning(f, session, STATUS_NO_ACTIVE_TRANSACTION,
                         "SET TRANSACTION can only be used in transaction blocks");
        return STATUS_OK;
    }
    return set_properties(f, session, said);
}

enum status session__run_transaction(struct fiber *f, struct session *session,
                                     const struct statement *statement, char tag[TAG_SIZE]) {
    const struct statement_transaction *said = &statement->transaction;
    switch (statement->kind) {
    case STATEMENT_BEGIN:
    case STATEMENT_START_TRANSACTION:
        return begin_block(f, session, said);
    case STATEMENT_COMMIT:
        return end_block(f, session, true, said, tag);
    case STATEMENT_ROLLBACK:
        return end_block(f, session, false, said, tag);
    case STATEMENT_SET_TRANSACTION:
        return set_transaction(f, session, said);
    case STATEMENT_SET_CONSTRAINTS:
        if (!session->in_block)
            session__warning(f, session, STATUS_NO_ACTIVE_TRANSACTION,
                             "SET CONSTRAINTS can only be used in transaction blocks");
        return STATUS_OK;
    case STATEMENT_SAVEPOINT:
    case STATEMENT_RELEASE:
    case STATEMENT_ROLLBACK_TO:
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "savepoints are not supported");
    default:
        return error_set(STATUS_INTERNAL_ERROR, "not a transaction statement");
    }
}
