/* Functions about the session: names, settings, sequences, waiting. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "exec/exec_kernel.h"

static enum status no_session(const char *function) {
    return error_set(STATUS_FEATURE_NOT_SUPPORTED, "%s needs a session", function);
}
/* The room above, if it has that door. */
#define DOOR(name)                                                                                 \
    (call->environment->session_functions != NULL ? call->environment->session_functions->name     \
                                                  : NULL)

BOXED_FUNCTION(pgsql_version) {
    return return_c_text(result, "PostgreSQL 15.0 (satori " SATORI_VERSION ")");
}
static enum status user(struct kernel_call *call, struct value *result) {
    if (DOOR(user_name) == NULL)
        return no_session("current_user");
    return return_c_text(result, DOOR(user_name)(call->environment->session));
}
BOXED_FUNCTION(current_user) {
    return user(call, result);
}
BOXED_FUNCTION(session_user) {
    return user(call, result);
}
BOXED_FUNCTION(current_database) {
    if (DOOR(database_name) == NULL)
        return no_session("current_database");
    return return_c_text(result, DOOR(database_name)(call->environment->session));
}
BOXED_FUNCTION(pg_backend_pid) {
    if (DOOR(backend_pid) == NULL)
        return no_session("pg_backend_pid");
    result->int32 = DOOR(backend_pid)(call->environment->session);
    return STATUS_OK;
}

/* Schemas of search_path that exist; the first `count` of them into `names`, how many there are as
   the result. */
static size_t schemas_found(struct kernel_call *call, struct value *names, size_t count) {
    size_t found = 0;
    const char *name;
    for (size_t i = 0; (name = DOOR(search_path)(call->environment->session, i)) != NULL; i++) {
        if (schema_namespace(call->environment->schema, name) == NULL)
            continue;
        if (found < count)
            names[found] = value_string(TYPE_OF(NAME), slice_of_text(name));
        found++;
    }
    return found;
}
BOXED_FUNCTION(current_schema) {
    if (DOOR(search_path) == NULL)
        return no_session("current_schema");
    return schemas_found(call, result, 1) > 0 ? STATUS_OK : return_null(result);
}
BOXED_FUNCTION(current_schemas) {
    if (DOOR(search_path) == NULL)
        return no_session("current_schemas");
    static const char implied[] = "pg_catalog";
    size_t count = schemas_found(call, NULL, 0), start = 0;
    struct value *names = arena_alloc(call->arena, (count + 1) * sizeof *names);
    if (names == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    bool named = false;
    schemas_found(call, names + 1, count);
    for (size_t i = 1; i <= count; i++)
        named |= slice_equal(names[i].string, slice_of_text(implied));
    names[0] = value_string(TYPE_OF(NAME), slice_of_text(implied));
    start = named || !arguments[0].boolean;
    return array_make(TYPE_NAME_ARRAY, names + start, count + 1 - start, call->arena, result);
}

/* ---- settings ---------------------------------------------------------------------------- */

static enum status setting(struct kernel_call *call, struct slice name, bool missing_ok,
                           struct value *result) {
    if (DOOR(setting_get) == NULL)
        return no_session("current_setting");
    const char *text = exec__c_text(call, name);
    const char *value = DOOR(setting_get)(call->environment->session, text, call->arena);
    if (value != NULL)
        return return_c_text(result, value);
    return missing_ok ? return_null(result)
                      : error_set(STATUS_UNDEFINED_OBJECT,
                                  "unrecognized configuration parameter \"%s\"", text);
}
BOXED_FUNCTION(show_config_by_name) {
    return setting(call, arguments[0].string, false, result);
}
BOXED_FUNCTION(show_config_by_name_missing_ok) {
    return setting(call, arguments[0].string, arguments[1].boolean != 0, result);
}
BOXED_FUNCTION(set_config) {
    if (DOOR(setting_set) == NULL)
        return no_session("set_config");
    if (arguments[0].is_null)
        return error_set(STATUS_NULL_VALUE_NOT_ALLOWED, "SET requires parameter name");
    const char *name = exec__c_text(call, arguments[0].string);
    const char *value = arguments[1].is_null ? NULL : exec__c_text(call, arguments[1].string);
    bool local = !arguments[2].is_null && arguments[2].boolean;
    TRY(DOOR(setting_set)(call->environment->session, name, value, local));
    return setting(call, arguments[0].string, false, result);
}

/* ---- sequences --------------------------------------------------------------------------- */

static enum status find_sequence(struct kernel_call *call, const struct value *argument,
                                 const struct sequence **sequence_out) {
    uint32_t oid = (uint32_t)argument->int64;
    if (call->environment->schema == NULL || call->f == NULL)
        return no_session("nextval");
    *sequence_out = schema_sequence_by_oid(call->environment->schema, oid);
    if (*sequence_out != NULL)
        return STATUS_OK;
    const struct table *table = schema_table_by_oid(call->environment->schema, oid);
    if (table != NULL)
        return error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is not a sequence", table->name);
    return error_set(STATUS_UNDEFINED_TABLE, "could not open relation with OID %u", oid);
}
static void remember(struct kernel_call *call, const struct sequence *sequence, int64_t value) {
    if (DOOR(sequence_remember) != NULL)
        DOOR(sequence_remember)(call->environment->session, sequence->oid, value);
}
BOXED_FUNCTION(nextval) {
    const struct sequence *sequence;
    TRY(find_sequence(call, &arguments[0], &sequence));
    TRY(sequence_next(call->f, call->environment->catalog, sequence, &result->int64));
    remember(call, sequence, result->int64);
    return STATUS_OK;
}
BOXED_FUNCTION(currval) {
    const struct sequence *sequence;
    TRY(find_sequence(call, &arguments[0], &sequence));
    if (DOOR(sequence_recall) != NULL &&
        DOOR(sequence_recall)(call->environment->session, sequence->oid, &result->int64))
        return STATUS_OK;
    return error_set(STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE,
                     "currval of sequence \"%s\" is not yet defined in this session",
                     sequence->name);
}
BOXED_FUNCTION(lastval) {
    uint32_t oid;
    if (DOOR(sequence_last) != NULL &&
        DOOR(sequence_last)(call->environment->session, &oid, &result->int64))
        return STATUS_OK;
    return error_set(STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE,
                     "lastval is not yet defined in this session");
}
static enum status set_sequence(struct kernel_call *call, const struct value *arguments,
                                bool is_called, struct value *result) {
    const struct sequence *sequence;
    int64_t value = arguments[1].int64;
    TRY(find_sequence(call, &arguments[0], &sequence));
    if (value < sequence->minimum || value > sequence->maximum)
        return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE,
                         "setval: value %lld is out of bounds for sequence \"%s\" (%lld..%lld)",
                         (long long)value, sequence->name, (long long)sequence->minimum,
                         (long long)sequence->maximum);
    TRY(sequence_set(call->f, call->environment->catalog, sequence, value, is_called));
    if (is_called)
        remember(call, sequence, value);
    result->int64 = value;
    return STATUS_OK;
}
BOXED_FUNCTION(setval_oid) {
    return set_sequence(call, arguments, true, result);
}
BOXED_FUNCTION(setval3_oid) {
    return set_sequence(call, arguments, arguments[2].boolean != 0, result);
}

/* ---- the rest ---------------------------------------------------------------------------- */

BOXED_FUNCTION(pg_sleep) {
    double seconds = arguments[0].float64;
    if (call->f == NULL)
        return no_session("pg_sleep");
    if (!(seconds > 0))
        return STATUS_OK;
    int64_t left_ns = seconds > 1e9 ? INT64_C(1000000000000000000) : (int64_t)(seconds * 1e9);
    int64_t until_ns = clock_monotonic_ns() + left_ns;
    while (left_ns > 0) {
        TRY(fiber_sleep(call->f, left_ns));
        left_ns = until_ns - clock_monotonic_ns();
    }
    return STATUS_OK;
}

/* ---- other sessions ---------------------------------------------------------------------- */

static void warn(struct kernel_call *call, const char *format, int64_t first, int64_t second) {
    char message[128];
    snprintf(message, sizeof message, format, (long long)first, (long long)second);
    DOOR(notice)(call->environment->session, "WARNING", "01000", message);
}

/* To itself a session need not send anything. */
static enum status signal_backend(struct kernel_call *call, int32_t pid, bool terminate,
                                  bool *found_out) {
    void *session = call->environment->session;
    if (DOOR(signal_backend) == NULL || call->f == NULL)
        return no_session(terminate ? "pg_terminate_backend" : "pg_cancel_backend");
    if (pid == DOOR(backend_pid)(session))
        return terminate ? error_set(STATUS_SHUTDOWN,
                                     "terminating connection due to administrator command")
                         : error_set(STATUS_CANCELED, "canceling statement due to user request");
    *found_out = DOOR(signal_backend)(session, pid, terminate);
    if (!*found_out)
        warn(call, "PID %lld is not a PostgreSQL backend process", pid, 0);
    return STATUS_OK;
}
BOXED_FUNCTION(pg_cancel_backend) {
    bool found;
    TRY(signal_backend(call, arguments[0].int32, false, &found));
    result->boolean = found;
    return STATUS_OK;
}

/* With a time limit in milliseconds: also wait until the session is gone. */
static enum status terminate(struct kernel_call *call, int32_t pid, int64_t timeout_ms,
                             struct value *result) {
    bool found;
    if (timeout_ms < 0)
        return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "\"timeout\" must not be negative");
    TRY(signal_backend(call, pid, true, &found));
    result->boolean = found;
    if (!found || timeout_ms == 0)
        return STATUS_OK;
    int64_t until_ns = clock_monotonic_ns() + timeout_ms * 1000000;
    while (DOOR(backend_exists)(call->environment->session, pid)) {
        if (clock_monotonic_ns() >= until_ns) {
            warn(call, "backend with PID %lld did not terminate within %lld milliseconds", pid,
                 timeout_ms);
            result->boolean = false;
            break;
        }
        TRY(fiber_sleep(call->f, 1000000));
    }
    return STATUS_OK;
}
BOXED_FUNCTION(pg_terminate_backend) {
    return terminate(call, arguments[0].int32, 0, result);
}
BOXED_FUNCTION(pg_terminate_backend_wait) {
    return terminate(call, arguments[0].int32, arguments[1].int64, result);
}

/* ---- odds and ends ----------------------------------------------------------------------- */

BOXED_FUNCTION(pg_postmaster_start_time) {
    if (DOOR(server_start_us) == NULL)
        return no_session("pg_postmaster_start_time");
    result->int64 = DOOR(server_start_us)(call->environment->session);
    return STATUS_OK;
}
BOXED_FUNCTION(pg_is_in_recovery) {
    result->boolean = false;
    return STATUS_OK;
}
BOXED_FUNCTION(pg_client_encoding) {
    return return_c_text(result, "UTF8");
}
BOXED_FUNCTION(getdatabaseencoding) {
    return return_c_text(result, "UTF8");
}
BOXED_FUNCTION(pg_encoding_to_char) {
    return return_c_text(result, arguments[0].int32 == 6   ? "UTF8"
                                 : arguments[0].int32 == 0 ? "SQL_ASCII"
                                                           : "");
}
BOXED_FUNCTION(pg_char_to_encoding) {
    struct slice name = arguments[0].string;
    result->int32 = slice_equal(name, slice_of_text("UTF8"))        ? 6
                    : slice_equal(name, slice_of_text("SQL_ASCII")) ? 0
                                                                    : -1;
    return STATUS_OK;
}
BOXED_FUNCTION(pg_my_temp_schema) {
    result->int64 = 0;
    return STATUS_OK;
}
BOXED_FUNCTION(pg_current_xact_id) {
    if (call->environment->transaction == NULL)
        return no_session("txid_current");
    result->int64 = (int64_t)transaction_id(call->environment->transaction).value;
    return STATUS_OK;
}
BOXED_FUNCTION(gen_random_uuid) {
    TRY(secret_random(result->uuid.bytes, sizeof result->uuid.bytes));
    result->uuid.bytes[6] = (uint8_t)((result->uuid.bytes[6] & 0x0F) | 0x40); /* version 4 */
    result->uuid.bytes[8] = (uint8_t)((result->uuid.bytes[8] & 0x3F) | 0x80); /* RFC 4122 */
    return STATUS_OK;
}
BOXED_FUNCTION(pg_typeof) {
    result->int64 = call->expression->arguments[0]->type.id;
    return STATUS_OK;
}
static int32_t count_nulls(const struct kernel_call *call, const struct value *arguments) {
    int32_t nulls = 0;
    for (uint32_t i = 0; i < call->expression->argument_count; i++)
        nulls += arguments[i].is_null;
    return nulls;
}
BOXED_FUNCTION(pg_num_nulls) {
    result->int32 = count_nulls(call, arguments);
    return STATUS_OK;
}
BOXED_FUNCTION(pg_num_nonnulls) {
    result->int32 = (int32_t)call->expression->argument_count - count_nulls(call, arguments);
    return STATUS_OK;
}

static const struct kernel_entry entries[] = {
    BOXED(pgsql_version),
    BOXED(current_user),
    BOXED(session_user),
    BOXED(current_database),
    BOXED(pg_backend_pid),
    BOXED(current_schema),
    BOXED(current_schemas),
    BOXED(show_config_by_name),
    BOXED(show_config_by_name_missing_ok),
    BOXED(set_config),
    BOXED(nextval),
    BOXED(currval),
    BOXED(lastval),
    BOXED(setval_oid),
    BOXED(setval3_oid),
    BOXED(pg_sleep),
    BOXED(pg_cancel_backend),
    BOXED(pg_terminate_backend),
    BOXED(pg_terminate_backend_wait),
    BOXED(pg_postmaster_start_time),
    BOXED(pg_is_in_recovery),
    BOXED(pg_client_encoding),
    BOXED(getdatabaseencoding),
    BOXED(pg_encoding_to_char),
    BOXED(pg_char_to_encoding),
    BOXED(pg_my_temp_schema),
    BOXED(pg_current_xact_id),
    BOXED(gen_random_uuid),
    BOXED(pg_typeof),
    BOXED(pg_num_nulls),
    BOXED(pg_num_nonnulls),
};
KERNEL_TABLE(exec__kernels_session, entries)
