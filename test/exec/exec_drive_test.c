/* Who may touch the server's files through drive functions. */
#include "exec_build.h"

static const char *superuser, *read_only;

static const char *setting_get(void *session, const char *name, struct arena *arena) {
    if (strcmp(name, "is_superuser") == 0)
        return superuser;
    return strcmp(name, "transaction_read_only") == 0 ? read_only : NULL;
}

static void assert_refused(struct fiber *f, const char *symbol, enum status status) {
    static const struct exec_session_functions doors = {.setting_get = setting_get};
    struct exec_environment environment = {
        .arena = &build_arena,
        .value_context = &build_context,
        .session_functions = &doors,
    };
    struct expression *arguments[3];
    for (unsigned i = 0; i < 3; i++)
        arguments[i] = make_constant(value_text("/nonexistent/x"));
    struct expression *call =
        make_call(symbol, TYPE_OF(BYTEA), find_function(symbol)->argument_count, arguments);
    struct value value;
    assert_int_equal(exec_evaluate(f, &environment, call, &value), status);
}

FIBER_TEST(only_superusers_touch_files) {
    superuser = "off";
    read_only = "off";
    assert_refused(f, "drive_get", STATUS_INSUFFICIENT_PRIVILEGE);
    assert_refused(f, "drive_put", STATUS_INSUFFICIENT_PRIVILEGE);
    assert_refused(f, "drive_delete", STATUS_INSUFFICIENT_PRIVILEGE);
    superuser = NULL;
    assert_refused(f, "drive_get", STATUS_INSUFFICIENT_PRIVILEGE);
    superuser = "on";
    read_only = "on";
    assert_refused(f, "drive_put", STATUS_READ_ONLY_TRANSACTION);
    assert_refused(f, "drive_delete", STATUS_READ_ONLY_TRANSACTION);
    return STATUS_OK;
}

FIBER_TEST(without_a_data_directory_there_are_no_files) {
    superuser = "on";
    read_only = "off";
    assert_refused(f, "drive_get", STATUS_FEATURE_NOT_SUPPORTED);
    return STATUS_OK;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_superusers_touch_files),
        cmocka_unit_test(without_a_data_directory_there_are_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
