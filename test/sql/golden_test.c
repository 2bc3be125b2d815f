/* Plans, types and errors of statements against a committed picture (test/sql/golden/NAME.out);
   "golden_test write" makes the picture anew. */
#include "sql_fixture.h"

/* Beside this file; tests run in the build directory, which its name is relative to. */
static const char *golden_path(const char *name, const char *suffix) {
    static char path[512];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, sizeof path, "%.*s/golden/%s.%s", (int)(slash - __FILE__), __FILE__, name,
             suffix);
    return path;
}

static const char *input_name;
static bool write_picture;

static char *read_all(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return NULL;
    static char text[1 << 20];
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    return text;
}

/* Statements end with ";\n". The first "-- schema" part is DDL up to "-- statements". */
static enum status run_file(struct fiber *f, void *argument) {
    struct database database;
    struct work work;
    struct buffer out = {0};
    database_open(f, &database, true);
    work_begin(f, &work, &database);
    define(f, &work, read_all(golden_path("schema", "sql")));
    char *text = read_all(golden_path(input_name, "sql"));
    assert_non_null(text);
    text = strdup(text);
    for (char *at = text, *end; (end = strstr(at, ";\n")) != NULL; at = end + 2) {
        *end = '\0';
        while (*at == '\n')
            at++;
        buffer_append_format(&out, "%s;\n", at);
        describe(f, &work, at, &out);
        buffer_append_text(&out, "\n");
    }
    free(text);
    buffer_append_byte(&out, '\0');
    work_rollback(f, &work);
    database_close(f, &database);
    const char *path = golden_path(input_name, "out");
    if (write_picture) {
        FILE *file = fopen(path, "w");
        fputs((const char *)out.data, file);
        fclose(file);
    } else {
        const char *wanted = read_all(path);
        assert_non_null(wanted);
        assert_string_equal((const char *)out.data, wanted);
    }
    buffer_release(&out);
    return STATUS_OK;
}

static void run_golden(const char *name) {
    input_name = name;
    fixture_run(run_file);
}

static void plans_are_as_pictured(void **state) {
    run_golden("plans");
}
static void types_are_postgresqls(void **state) {
    run_golden("types");
}
static void errors_are_postgresqls(void **state) {
    run_golden("errors");
}
static void client_statements_bind(void **state) {
    run_golden("clients");
}

int main(int argc, char **argv) {
    write_picture = argc > 1 && strcmp(argv[1], "write") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_as_pictured),
        cmocka_unit_test(types_are_postgresqls),
        cmocka_unit_test(errors_are_postgresqls),
        cmocka_unit_test(client_statements_bind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
