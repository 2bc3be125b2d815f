/* Settings: text forms, units, limits, transactions. */
#include "test.h"

#include "session/settings.h"

static struct setting_value defaults[SETTING_COUNT];

static int group_setup(void **state) {
    return settings_defaults(defaults) == STATUS_OK ? 0 : -1;
}

static int group_teardown(void **state) {
    for (int id = 0; id < SETTING_COUNT; id++)
        setting_value_release(&defaults[id]);
    return 0;
}

static void assert_shown(struct settings *settings, enum setting_id id, const char *want) {
    struct buffer text = {0};
    setting_show(id, &settings->values[id], &text);
    buffer_append_byte(&text, 0);
    assert_string_equal((const char *)text.data, want);
    buffer_release(&text);
}

static void assert_set(enum setting_id id, const char *text, const char *want) {
    struct settings settings;
    assert_ok(settings_init(&settings, defaults));
    assert_ok(settings_set(&settings, id, text, false));
    assert_shown(&settings, id, want);
    settings_release(&settings);
}

static void assert_refused(enum setting_id id, const char *text, enum status status,
                           const char *message) {
    struct settings settings;
    assert_ok(settings_init(&settings, defaults));
    assert_status(settings_set(&settings, id, text, false), status);
    assert_string_equal(error_current()->message, message);
    settings_release(&settings);
}

static void numbers_take_units(void **state) {
    assert_set(SETTING_STATEMENT_TIMEOUT, "1500", "1500ms");
    assert_set(SETTING_STATEMENT_TIMEOUT, "5s", "5s");
    assert_set(SETTING_STATEMENT_TIMEOUT, "1 min", "1min");
    assert_set(SETTING_STATEMENT_TIMEOUT, "0", "0");
    assert_set(SETTING_STATEMENT_TIMEOUT, "0.5s", "500ms");
    assert_set(SETTING_WORK_MEM, "64MB", "64MB");
    assert_set(SETTING_WORK_MEM, "1024", "1MB");
    assert_set(SETTING_WORK_MEM, "1000", "1000kB");
    assert_set(SETTING_EXTRA_FLOAT_DIGITS, "-3", "-3");
}

static void bad_numbers_have_postgres_words(void **state) {
    assert_refused(SETTING_STATEMENT_TIMEOUT, "x", STATUS_INVALID_PARAMETER_VALUE,
                   "invalid value for parameter \"statement_timeout\": \"x\"");
    assert_refused(SETTING_STATEMENT_TIMEOUT, "5 parsecs", STATUS_INVALID_PARAMETER_VALUE,
                   "invalid value for parameter \"statement_timeout\": \"5 parsecs\"");
    assert_refused(SETTING_STATEMENT_TIMEOUT, "-1", STATUS_INVALID_PARAMETER_VALUE,
                   "-1 ms is outside the valid range for parameter \"statement_timeout\" "
                   "(0 .. 2147483647)");
    assert_refused(SETTING_EXTRA_FLOAT_DIGITS, "4", STATUS_INVALID_PARAMETER_VALUE,
                   "4 is outside the valid range for parameter \"extra_float_digits\" "
                   "(-15 .. 3)");
}

static void booleans_are_read_as_postgres_does(void **state) {
    static const char *const yes[] = {"on", "true", "t", "yes", "1", "TRUE", "tr"};
    static const char *const no[] = {"off", "false", "f", "no", "0", "of"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_set(SETTING_ROW_SECURITY, yes[i], "on");
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_set(SETTING_ROW_SECURITY, no[i], "off");
    assert_refused(SETTING_ROW_SECURITY, "o", STATUS_INVALID_PARAMETER_VALUE,
                   "parameter \"row_security\" requires a Boolean value");
}

static void options_and_synonyms(void **state) {
    assert_set(SETTING_INTERVALSTYLE, "ISO_8601", "iso_8601");
    assert_set(SETTING_SYNCHRONOUS_COMMIT, "false", "off");
    assert_refused(SETTING_INTERVALSTYLE, "german", STATUS_INVALID_PARAMETER_VALUE,
                   "invalid value for parameter \"IntervalStyle\": \"german\"");
    assert_string_equal(error_current()->hint,
                        "Available values: postgres, postgres_verbose, sql_standard, iso_8601.");
}

static void texts_become_canonical(void **state) {
    assert_set(SETTING_DATESTYLE, "german", "German, DMY");
    assert_set(SETTING_DATESTYLE, "dmy, sql", "SQL, DMY");
    assert_set(SETTING_DATESTYLE, "iso", "ISO, MDY");
    assert_set(SETTING_CLIENT_ENCODING, "'utf-8'", "UTF8");
    assert_set(SETTING_TIMEZONE, "utc", "UTC");
    assert_set(SETTING_APPLICATION_NAME, "caf\xc3\xa9", "caf??");
    assert_refused(SETTING_CLIENT_ENCODING, "LATIN1", STATUS_FEATURE_NOT_SUPPORTED,
                   "invalid value for parameter \"client_encoding\": \"LATIN1\"");
    assert_refused(SETTING_DATESTYLE, "klingon", STATUS_INVALID_PARAMETER_VALUE,
                   "invalid value for parameter \"DateStyle\": \"klingon\"");
}

static void facts_cannot_be_set(void **state) {
    assert_refused(SETTING_SERVER_VERSION, "16", STATUS_CANNOT_CHANGE_PARAMETER,
                   "parameter \"server_version\" cannot be changed");
    assert_refused(SETTING_MAX_CONNECTIONS, "1", STATUS_CANNOT_CHANGE_PARAMETER,
                   "parameter \"max_connections\" cannot be changed without restarting the "
                   "server");
    assert_refused(SETTING_DEFAULT_TRANSACTION_ISOLATION, "serializable",
                   STATUS_FEATURE_NOT_SUPPORTED,
                   "transaction isolation level SERIALIZABLE is not supported");
    assert_int_equal(setting_find("datestyle"), SETTING_DATESTYLE);
    assert_int_equal(setting_find("nonsense"), SETTING_COUNT);
}

static void rollback_takes_a_set_back(void **state) {
    struct settings settings;
    bool changed[SETTING_COUNT] = {false};
    assert_ok(settings_init(&settings, defaults));
    assert_ok(settings_set(&settings, SETTING_APPLICATION_NAME, "a", false));
    settings_end(&settings, true, NULL);
    assert_ok(settings_set(&settings, SETTING_APPLICATION_NAME, "b", false));
    assert_ok(settings_set(&settings, SETTING_APPLICATION_NAME, "c", true));
    settings_end(&settings, false, changed);
    assert_shown(&settings, SETTING_APPLICATION_NAME, "a");
    assert_true(changed[SETTING_APPLICATION_NAME]);
    assert_false(changed[SETTING_TIMEZONE]);
    settings_release(&settings);
}

static void commit_ends_set_local_only(void **state) {
    struct settings settings;
    assert_ok(settings_init(&settings, defaults));
    assert_ok(settings_set(&settings, SETTING_WORK_MEM, "1MB", true));
    assert_ok(settings_set(&settings, SETTING_LOCK_TIMEOUT, "1s", false));
    assert_ok(settings_set(&settings, SETTING_LOCK_TIMEOUT, "2s", true));
    assert_shown(&settings, SETTING_LOCK_TIMEOUT, "2s");
    settings_end(&settings, true, NULL);
    assert_shown(&settings, SETTING_WORK_MEM, "64MB");
    assert_shown(&settings, SETTING_LOCK_TIMEOUT, "1s");
    assert_ok(settings_set(&settings, SETTING_LOCK_TIMEOUT, NULL, false));
    assert_shown(&settings, SETTING_LOCK_TIMEOUT, "0");
    settings_release(&settings);
}

static void lists_fold_what_is_not_quoted(void **state) {
    struct arena arena = {0};
    char **items;
    size_t count;
    assert_ok(setting_split_list("\"$user\", Public , \"A \"\"b\"", &arena, &items, &count));
    assert_int_equal(count, 3);
    assert_string_equal(items[0], "$user");
    assert_string_equal(items[1], "public");
    assert_string_equal(items[2], "A \"b");
    assert_ok(setting_split_list("", &arena, &items, &count));
    assert_int_equal(count, 0);
    assert_status(setting_split_list("\"open", &arena, &items, &count),
                  STATUS_INVALID_PARAMETER_VALUE);
    arena_release(&arena);
}

static void every_setting_shows_its_default(void **state) {
    struct settings settings;
    assert_ok(settings_init(&settings, defaults));
    for (int id = 0; id < SETTING_COUNT; id++) {
        struct buffer text = {0};
        struct setting_value again;
        setting_show(id, &settings.values[id], &text);
        buffer_append_byte(&text, 0);
        assert_ok(setting_parse(id, (const char *)text.data, &again));
        assert_int_equal(again.number, settings.values[id].number);
        setting_value_release(&again);
        buffer_release(&text);
    }
    settings_release(&settings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_take_units),
        cmocka_unit_test(bad_numbers_have_postgres_words),
        cmocka_unit_test(booleans_are_read_as_postgres_does),
        cmocka_unit_test(options_and_synonyms),
        cmocka_unit_test(texts_become_canonical),
        cmocka_unit_test(facts_cannot_be_set),
        cmocka_unit_test(rollback_takes_a_set_back),
        cmocka_unit_test(commit_ends_set_local_only),
        cmocka_unit_test(lists_fold_what_is_not_quoted),
        cmocka_unit_test(every_setting_shows_its_default),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
