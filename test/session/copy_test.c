/* COPY: text, csv and binary, both ways, cut into pieces anywhere, and what is wrong with data. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "sql_runner.h"

static struct sql_runner *runner;
static struct sql_session *s;

static int group_setup(void **state) {
    runner = sql_runner_open(1);
    s = sql_session_open(runner);
    sql_run(s, "create table c(a int, b text, d numeric(6,2))");
    return 0;
}

static int group_teardown(void **state) {
    sql_runner_close(runner);
    return 0;
}

static int setup(void **state) {
    sql_run(s, "rollback; truncate c");
    return 0;
}

#define DATA(text) text, sizeof(text) - 1

/* The same data in one piece, byte by byte, and in odd pieces. */
static void assert_copied(const char *statement, const char *data, size_t size, const char *want,
                          const char *rows) {
    static const size_t pieces[] = {0, 1, 3, 7};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        sql_run(s, "truncate c");
        sql_copy_data(s, data, size, pieces[i]);
        assert_sql(s, statement, want);
        assert_sql(s, "select * from c order by a, b", rows);
    }
}

static void text_is_read(void **state) {
    assert_copied("copy c from stdin", DATA("1\tone\t1.5\n2\t\\N\t\\N\n3\ta\\tb\\\\\\x41\t-2\n"),
                  "COPY 3\n", "1|one|1.50\n2|NULL|NULL\n3|a\tb\\A|-2.00\n");
    assert_copied("copy c(b, a) from stdin", DATA("x\t1"), "COPY 1\n", "1|x|NULL\n");
    assert_copied("copy c from stdin", DATA("1\ta\t1\n\\.\nrubbish"), "COPY 1\n", "1|a|1.00\n");
    assert_copied("copy c from stdin", DATA("1\ta\t1\r\n2\tb\t2\r\n"), "COPY 2\n",
                  "1|a|1.00\n2|b|2.00\n");
    assert_copied("copy c(a, b) from stdin (delimiter '|', null 'nil')", DATA("1|nil\n2|x\\|y\n"),
                  "COPY 2\n", "1|NULL|NULL\n2|x|y|NULL\n");
    assert_copied("copy c(a, b) from stdin", DATA("1\ttwo\\\nlines\n"), "COPY 1\n",
                  "1|two\nlines|NULL\n");
    assert_copied("copy c from stdin", DATA(""), "COPY 0\n", "");
}

/* Values that have a way of their own, and their neighbours that go the general way. */
static void typed_fields_are_read(void **state) {
    sql_run(s, "drop table if exists t; create table t(n numeric(6,2), d date, p char(3))");
    static const char data[] = "1\t2024-02-28\ta\n-0.5\t2024-02-29\tabc\n1.\t28 Feb 2024\t\n"
                               "9999.99\t0001-01-01\t\u00e4\n.125\t1999-12-31\tab  \n"
                               "1e2\t2000-10-09\tx\n";
    sql_copy_data(s, data, sizeof data - 1, 0);
    assert_sql(s, "copy t from stdin", "COPY 6\n");
    assert_sql(s, "select n, d, p || '|', octet_length(p) from t",
               "1.00|2024-02-28|a||3\n-0.50|2024-02-29|abc||3\n1.00|2024-02-28|||3\n"
               "9999.99|0001-01-01|\u00e4||4\n0.13|1999-12-31|ab||3\n100.00|2000-10-09|x||3\n");
    sql_run(s, "drop table t");
}

static void lines_may_end_with_carriage_returns(void **state) {
    assert_copied("copy c from stdin", DATA("1\tx\t1.5\r2\t\\\ry\t2\r"), "COPY 2\n",
                  "1|x|1.50\n2|\ry|2.00\n");
    assert_copied("copy c from stdin", DATA("1\tx\t1.5\r\n2\ty\t2\r\n\\.\r\n"), "COPY 2\n",
                  "1|x|1.50\n2|y|2.00\n");
    assert_copied("copy c from stdin csv", DATA("1,\"x\r\ny\",1.5\r2,y,2"), "COPY 2\n",
                  "1|x\r\ny|1.50\n2|y|2.00\n");
    assert_copied("copy c from stdin", DATA("1\tx\t1.5\n2\ty\t2\\.\n"), "COPY 2\n",
                  "1|x|1.50\n2|y|2.00\n");
}

static void csv_is_read(void **state) {
    assert_copied("copy c from stdin csv", DATA("1,one,1.5\n2,,\n3,\"\",\"3\"\n"), "COPY 3\n",
                  "1|one|1.50\n2|NULL|NULL\n3||3.00\n");
    assert_copied("copy c from stdin (format csv, header)", DATA("x,y,z\n1,\"a \"\"b\"\", c\",\n"),
                  "COPY 1\n", "1|a \"b\", c|NULL\n");
    assert_copied("copy c(a, b) from stdin csv", DATA("1,\"two\nlines\"\n2,x\n"), "COPY 2\n",
                  "1|two\nlines|NULL\n2|x|NULL\n");
    assert_copied("copy c(a, b) from stdin (format csv, quote '''', escape '\\', delimiter ';')",
                  DATA("1;'it\\'s'\n"), "COPY 1\n", "1|it's|NULL\n");
    assert_copied("copy c(a, b) from stdin (format csv, force_not_null (b))", DATA("1,\n"),
                  "COPY 1\n", "1||NULL\n");
    assert_copied("copy c(a, b) from stdin (format csv, force_null (b))", DATA("1,\"\"\n"),
                  "COPY 1\n", "1|NULL|NULL\n");
}

static void assert_failure(const char *statement, const char *data, size_t size, const char *want) {
    sql_copy_data(s, data, size, 0);
    assert_sql(s, statement, want);
    sql_copy_data(s, data, size, 1);
    assert_sql(s, statement, want);
    assert_sql(s, "select count(*) from c", "0\n");
}

static void wrong_data_are_refused(void **state) {
    assert_failure("copy c from stdin", DATA("1\ta\n"),
                   "ERROR 22P04: missing data for column \"d\"\n");
    assert_failure("copy c from stdin", DATA("1\ta\t1\t2\n"),
                   "ERROR 22P04: extra data after last expected column\n");
    assert_failure("copy c from stdin", DATA("1\ta\t1\nx\ta\t1\n"),
                   "ERROR 22P02: invalid input syntax for type integer: \"x\"\n");
    assert_failure("copy c from stdin csv", DATA("1,\"open\n"),
                   "ERROR 22P04: unterminated CSV quoted field\n");
    assert_failure("copy c from stdin", DATA("1\tx\xff\t1\n"),
                   "ERROR 22021: invalid byte sequence for encoding \"UTF8\": 0xff\n");
    assert_failure("copy c from stdin", DATA("1\tx\t1\n1\tx\ry\t1\n"),
                   "ERROR 22P04: literal carriage return found in data\n");
    assert_failure("copy c from stdin", DATA("1\tx\t1\r\n1\tx\t1\n"),
                   "ERROR 22P04: literal newline found in data\n");
    assert_failure("copy c from stdin csv", DATA("1,x,1\r2,\"x\r\n\ny\",1\n"),
                   "ERROR 22P04: unquoted newline found in data\n");
    assert_failure("copy c from stdin", DATA("1\tx\\.\t1\n"),
                   "ERROR 22P04: end-of-copy marker corrupt\n");
    assert_failure("copy c from stdin with (format)", DATA("1\tx\t1\n"),
                   "ERROR 42601: format requires a parameter\n");
    assert_failure("copy c from stdin (format csv, header match)", DATA("a,b,x\n1,2,3\n"),
                   "ERROR 22P04: column name mismatch in header line field 3: got \"x\", expected "
                   "\"d\"\n");
    assert_failure("copy c from stdin binary", DATA("not a copy file, surely"),
                   "ERROR 22P04: COPY file signature not recognized\n");
    assert_failure("copy c from stdin binary", DATA("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0\0\x01"),
                   "ERROR 22P04: row field count is 1, expected 3\n");
    assert_failure("copy c from stdin binary", DATA("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0\0\x03\0"),
                   "ERROR 22P04: unexpected EOF in COPY data\n");
}

static void binary_is_read(void **state) {
    assert_copied("copy c(a, b) from stdin binary",
                  DATA("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
                       "\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x05seven"
                       "\0\x02\0\0\0\x04\0\0\0\x08\xff\xff\xff\xff"
                       "\xff\xff"),
                  "COPY 2\n", "7|seven|NULL\n8|NULL|NULL\n");
}

static void rows_are_written(void **state) {
    assert_sql(s, "insert into c values (1, E'a\\tb\\\\c', 1.5), (2, null, null)", "INSERT 0 2\n");
    assert_sql(s, "copy c to stdout", "1\ta\\tb\\\\c\t1.50\n2\t\\N\t\\N\nCOPY 2\n");
    assert_sql(s, "copy c to stdout (format csv, header)", "a,b,d\n1,a\tb\\c,1.50\n2,,\nCOPY 2\n");
    assert_sql(s, "copy (select 'x,y', '', 'q\"r', null) to stdout csv",
               "\"x,y\",\"\",\"q\"\"r\",\nCOPY 1\n");
    assert_sql(s, "copy (select 'a', 'b') to stdout (format csv, force_quote *)",
               "\"a\",\"b\"\nCOPY 1\n");
    assert_sql(s, "copy (select 1, 'x|y') to stdout (delimiter '|')", "1|x\\|y\nCOPY 1\n");
}

static void many_rows_go_in_batches(void **state) {
    static char data[2 << 20];
    size_t size = 0;
    for (int i = 0; i < 50000; i++)
        size += (size_t)sprintf(data + size, "%d\ta longer text %d\n", i, i);
    sql_copy_data(s, data, size, 8192);
    assert_sql(s, "copy c(a, b) from stdin with (freeze on)", "COPY 50000\n");
    assert_sql(s, "select count(*), sum(a), min(b), count(distinct b) from c",
               "50000|1249975000|a longer text 0|50000\n");
    sql_copy_data(s, data, size - 3, 8192);
    assert_sql(s, "copy c(a, b) from stdin", "COPY 50000\n");
}

static void files_of_the_server_are_out_of_reach(void **state) {
    const char *got = sql_run(s, "copy c from '/etc/passwd'");
    assert_memory_equal(got, "ERROR 0A000", 11);
    got = sql_run(s, "copy c to program 'cat'");
    assert_memory_equal(got, "ERROR 0A000", 11);
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(text_is_read),
        CASE(typed_fields_are_read),
        CASE(csv_is_read),
        CASE(lines_may_end_with_carriage_returns),
        CASE(wrong_data_are_refused),
        CASE(binary_is_read),
        CASE(rows_are_written),
        CASE(many_rows_go_in_batches),
        CASE(files_of_the_server_are_out_of_reach),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
