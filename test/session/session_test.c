/* Sessions: transactions, settings, prepared statements, portals, cursors, utility statements. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "sql_runner.h"

static struct sql_runner *runner;

static int group_setup(void **state) {
    runner = sql_runner_open(2);
    return 0;
}

static int group_teardown(void **state) {
    sql_runner_close(runner);
    return 0;
}

static struct sql_session *s, *t;

static int setup(void **state) {
    s = sql_session_open(runner);
    t = sql_session_open(runner);
    return 0;
}

static int teardown(void **state) {
    sql_session_close(s);
    sql_session_close(t);
    return 0;
}

/* ---- transactions */

static void texts_are_one_transaction(void **state) {
    assert_sql(s, "create table one(a int primary key)", "CREATE TABLE\n");
    assert_sql(s, "insert into one values (1); insert into one values (1)",
               "INSERT 0 1\n"
               "ERROR 23505: duplicate key value violates unique constraint \"one_pkey\"\n");
    assert_sql(s, "select count(*) from one", "0\n");
    assert_sql(s, "insert into one values (1); insert into one values (2)",
               "INSERT 0 1\nINSERT 0 1\n");
    assert_sql(t, "select count(*) from one", "2\n");
    assert_sql(s, "drop table one", "DROP TABLE\n");
}

static void blocks_commit_and_roll_back(void **state) {
    assert_sql(s, "create table b(a int)", "CREATE TABLE\n");
    assert_sql(s, "begin; insert into b values (1)", "BEGIN\nINSERT 0 1\n");
    assert_sql(t, "select count(*) from b", "0\n");
    assert_sql(s, "select count(*) from b", "1\n");
    assert_sql(s, "rollback", "ROLLBACK\n");
    assert_sql(s, "begin", "BEGIN\n");
    assert_sql(s, "insert into b values (1)", "INSERT 0 1\n");
    assert_sql(s, "commit", "COMMIT\n");
    assert_sql(t, "select count(*) from b", "1\n");
    assert_sql(s, "drop table b", "DROP TABLE\n");
}

static void failed_blocks_ignore_commands(void **state) {
    assert_sql(s, "begin", "BEGIN\n");
    assert_sql(s, "select 1/0", "ERROR 22012: division by zero\n");
    assert_sql(s, "select 1",
               "ERROR 25P02: current transaction is aborted, commands ignored until end of "
               "transaction block\n");
    assert_sql(s, "select * from nowhere",
               "ERROR 25P02: current transaction is aborted, commands ignored until end of "
               "transaction block\n");
    assert_sql(s, "commit", "ROLLBACK\n");
    assert_sql(s, "select 1", "1\n");
}

static void begin_and_commit_warn(void **state) {
    assert_sql(s, "begin", "BEGIN\n");
    assert_sql(s, "begin", "WARNING: there is already a transaction in progress\nBEGIN\n");
    assert_sql(s, "commit", "COMMIT\n");
    assert_sql(s, "commit", "WARNING: there is no transaction in progress\nCOMMIT\n");
    assert_sql(s, "rollback", "WARNING: there is no transaction in progress\nROLLBACK\n");
}

static void properties_are_set_before_the_first_query(void **state) {
    assert_sql(s, "begin isolation level repeatable read read only", "BEGIN\n");
    assert_sql(s, "show transaction_isolation", "repeatable read\n");
    assert_sql(s, "show transaction_read_only", "on\n");
    assert_sql(s, "create table never(a int)",
               "ERROR 25006: cannot execute CREATE TABLE in a read-only transaction\n");
    assert_sql(s, "rollback", "ROLLBACK\n");
    assert_sql(s, "show transaction_isolation", "read committed\n");
    assert_sql(s, "begin; select 1", "BEGIN\n1\n");
    assert_sql(s, "set transaction isolation level repeatable read",
               "ERROR 25001: SET TRANSACTION ISOLATION LEVEL must be called before any query\n");
    assert_sql(s, "rollback", "ROLLBACK\n");
    assert_sql(s, "begin isolation level serializable",
               "ERROR 0A000: transaction isolation level SERIALIZABLE is not supported\n");
    assert_sql(s, "rollback", "ROLLBACK\n");
    assert_sql(s, "savepoint a", "ERROR 0A000: savepoints are not supported\n");
}

static void schema_changes_roll_back(void **state) {
    assert_sql(s, "begin; create table r(a int primary key); insert into r values (1)",
               "BEGIN\nCREATE TABLE\nINSERT 0 1\n");
    assert_sql(s, "select * from r", "1\n");
    assert_sql(t, "select * from r", "ERROR 42P01: relation \"r\" does not exist\n");
    assert_sql(s, "rollback", "ROLLBACK\n");
    assert_sql(s, "select * from r", "ERROR 42P01: relation \"r\" does not exist\n");
    assert_sql(s, "begin; create table r(a int); commit", "BEGIN\nCREATE TABLE\nCOMMIT\n");
    assert_sql(t, "select count(*) from r", "0\n");
    assert_sql(t, "drop table r", "DROP TABLE\n");
}

static void isolation_is_that_of_the_block(void **state) {
    assert_sql(s, "create table iso(a int primary key, b int); insert into iso values (1, 1)",
               "CREATE TABLE\nINSERT 0 1\n");
    assert_sql(s, "begin isolation level repeatable read", "BEGIN\n");
    assert_sql(s, "select b from iso", "1\n");
    assert_sql(t, "update iso set b = 2", "UPDATE 1\n");
    assert_sql(s, "select b from iso", "1\n");
    assert_sql(s, "update iso set b = 3",
               "ERROR 40001: could not serialize access due to concurrent update\n");
    assert_sql(s, "rollback; begin; set transaction isolation level repeatable read",
               "ROLLBACK\nBEGIN\nSET\n");
    assert_sql(s, "select b from iso", "2\n");
    assert_sql(t, "update iso set b = 4", "UPDATE 1\n");
    assert_sql(s, "select b from iso; commit; select b from iso; drop table iso",
               "2\nCOMMIT\n4\nDROP TABLE\n");
}

static void readers_and_writers_wait_for_schema_changes(void **state) {
    assert_sql(s, "create table rw(a int primary key, b int); insert into rw values (1, 1)",
               "CREATE TABLE\nINSERT 0 1\n");
    assert_sql(s, "begin; alter table rw add column c int default 7", "BEGIN\nALTER TABLE\n");
    sql_start(t, "select * from rw");
    assert_false(sql_done(t, 50));
    assert_sql(s, "commit", "COMMIT\n");
    assert_string_equal(sql_finish(t), "1|1|7\n");
    assert_sql(s, "begin; update rw set b = 2", "BEGIN\nUPDATE 1\n");
    sql_start(t, "create index on rw(b)");
    assert_false(sql_done(t, 50));
    assert_sql(s, "commit", "COMMIT\n");
    assert_string_equal(sql_finish(t), "CREATE INDEX\n");
    assert_sql(t, "select a from rw where b = 2; drop table rw", "1\nDROP TABLE\n");
}

/* ---- settings */

static void settings_follow_the_transaction(void **state) {
    assert_sql(s, "show statement_timeout", "0\n");
    assert_sql(s, "begin; set statement_timeout = '5s'; show statement_timeout",
               "BEGIN\nSET\n5s\n");
    assert_sql(s, "rollback; show statement_timeout", "ROLLBACK\n0\n");
    assert_sql(s, "begin; set local statement_timeout = 7000; show statement_timeout; commit",
               "BEGIN\nSET\n7s\nCOMMIT\n");
    assert_sql(s, "show statement_timeout", "0\n");
    assert_sql(s, "set datestyle to german; show datestyle", "SET\nGerman, DMY\n");
    assert_sql(s, "reset datestyle; show datestyle", "RESET\nISO, MDY\n");
    assert_sql(s, "set nonsense = 1",
               "ERROR 42704: unrecognized configuration parameter \"nonsense\"\n");
    assert_sql(s, "set my.own = 'x'; show my.own", "SET\nx\n");
    assert_sql(s, "select current_setting('work_mem')", "64MB\n");
    assert_sql(s, "select setting, unit from pg_settings where name = 'work_mem'", "65536|kB\n");
}

static void search_path_says_where_names_are(void **state) {
    assert_sql(s, "create schema other; set search_path = missing, other, public",
               "CREATE SCHEMA\nSET\n");
    assert_sql(s, "select current_schema(), current_schemas(false), current_schemas(true)",
               "other|{other,public}|{pg_catalog,other,public}\n");
    assert_sql(s,
               "create table here(a int); select relnamespace::regnamespace from pg_class where "
               "relname = 'here'",
               "CREATE TABLE\nother\n");
    assert_sql(s, "set search_path = public, pg_catalog", "SET\n");
    assert_sql(s, "select current_schemas(true)", "{public,pg_catalog}\n");
    assert_sql(s, "set search_path = missing", "SET\n");
    assert_sql(s, "select current_schema(), current_schemas(true)", "NULL|{pg_catalog}\n");
    assert_sql(s, "create table nowhere(a int)",
               "ERROR 3F000: no schema has been selected to create in\n");
    assert_sql(s, "reset search_path; drop schema other cascade",
               "RESET\nNOTICE: drop cascades to table other.here\nDROP SCHEMA\n");
}

static void timeouts_cancel_statements(void **state) {
    assert_sql(s, "create table w(a int primary key, b int); insert into w values (1, 1)",
               "CREATE TABLE\nINSERT 0 1\n");
    assert_sql(s, "begin; update w set b = 2 where a = 1", "BEGIN\nUPDATE 1\n");
    assert_sql(t, "set statement_timeout = '50ms'", "SET\n");
    assert_sql(t, "update w set b = 3 where a = 1",
               "ERROR 57014: canceling statement due to statement timeout\n");
    assert_sql(t, "set statement_timeout = 0; set lock_timeout = '50ms'", "SET\nSET\n");
    assert_sql(t, "update w set b = 3 where a = 1",
               "ERROR 55P03: canceling statement due to lock timeout\n");
    assert_sql(t, "reset lock_timeout", "RESET\n");
    sql_start(t, "update w set b = 3 where a = 1");
    assert_false(sql_done(t, 100));
    sql_cancel(t);
    assert_string_equal(sql_finish(t), "ERROR 57014: canceling statement due to user request\n");
    assert_sql(t, "select b from w", "1\n");
    assert_sql(s, "commit", "COMMIT\n");
    assert_sql(t, "update w set b = b + 1 where a = 1", "UPDATE 1\n");
    assert_sql(s, "select b from w; drop table w", "3\nDROP TABLE\n");
}

/* ---- prepared statements and plans */

static void prepared_statements_have_names(void **state) {
    assert_sql(s, "prepare p(int) as select $1 + 1", "PREPARE\n");
    assert_sql(s, "execute p(41)", "42\n");
    assert_sql(s, "execute p(1, 2)",
               "ERROR 42601: wrong number of parameters for prepared statement \"p\"\n");
    assert_sql(s, "prepare p as select 1",
               "ERROR 42P05: prepared statement \"p\" already exists\n");
    assert_sql(s, "select name, from_sql from pg_prepared_statements", "p|t\n");
    assert_sql(s, "deallocate p", "DEALLOCATE\n");
    assert_sql(s, "execute p(1)", "ERROR 26000: prepared statement \"p\" does not exist\n");
    assert_sql(s, "prepare q as select 1; deallocate all", "PREPARE\nDEALLOCATE ALL\n");
}

/* Scans keep columns beside leaves: not those that only one transaction knows, for another may put
   another column in their place. */
static void a_column_that_was_rolled_back_is_forgotten(void **state) {
    assert_sql(s, "create table rb(a int, b int)", "CREATE TABLE\n");
    assert_sql(s, "insert into rb select i, i from generate_series(1, 5) i", "INSERT 0 5\n");
    for (int round = 0; round < 2; round++) {
        assert_sql(s, "begin; alter table rb add column z int default 5", "BEGIN\nALTER TABLE\n");
        for (int i = 0; i < 3; i++)
            assert_sql(s, "select sum(z) from rb", "25\n");
        assert_sql(s, "rollback", "ROLLBACK\n");
        if (round == 0) /* what was kept has one column more than the table */
            assert_sql(s, "select sum(b) from rb; select sum(a) from rb", "15\n15\n");
    }
    assert_sql(s, "alter table rb add column w int default 7", "ALTER TABLE\n");
    for (int i = 0; i < 3; i++)
        assert_sql(s, "select sum(w) from rb", "35\n");
    assert_sql(s, "insert into rb values (6, 6, 6)", "INSERT 0 1\n");
    for (int i = 0; i < 3; i++)
        assert_sql(s, "select sum(w), sum(b) from rb", "41|21\n");
    assert_sql(s, "drop table rb", "DROP TABLE\n");
}

static void plans_follow_the_schema(void **state) {
    assert_sql(s, "create table v(a int); insert into v values (1)", "CREATE TABLE\nINSERT 0 1\n");
    assert_sql(s, "prepare all_of_v as select * from v; execute all_of_v", "PREPARE\n1\n");
    assert_sql(s, "select * from v", "1\n");
    assert_sql(t, "alter table v add column b int default 5", "ALTER TABLE\n");
    assert_sql(s, "select * from v", "1|5\n");
    assert_sql(s, "execute all_of_v", "ERROR 0A000: cached plan must not change result type\n");
    /* Only a sanitizer sees that the names of the older statement's columns are gone. */
    assert_sql(s, "prepare a_of_v as select a from v; execute a_of_v", "PREPARE\n1\n");
    assert_sql(t, "alter table v add column c int", "ALTER TABLE\n");
    assert_sql(s, "execute a_of_v; execute a_of_v", "1\n1\n");
    assert_sql(t, "drop table v", "DROP TABLE\n");
    assert_sql(s, "select * from v", "ERROR 42P01: relation \"v\" does not exist\n");
}

static void literals_share_a_plan_and_keep_their_errors(void **state) {
    assert_sql(s, "create table l(a int, b text)", "CREATE TABLE\n");
    for (int i = 0; i < 3; i++)
        assert_sql(s, "insert into l(a, b) values (7, 'seven')", "INSERT 0 1\n");
    assert_sql(s, "insert into l(a, b) values (8, 'eight')", "INSERT 0 1\n");
    assert_sql(s, "select b from l where a = 8", "eight\n");
    assert_sql(s, "select count(*) from l where a = 7", "3\n");
    assert_sql(s, "select a from l where a = 'x'",
               "ERROR 22P02: invalid input syntax for type integer: \"x\"\n");
    assert_sql(s, "select a from l where a = 99999999999", "");
    assert_sql(s, "drop table l", "DROP TABLE\n");
}

static void parameters_are_inferred(void **state) {
    const char *const parameters[] = {"2", NULL};
    assert_string_equal(sql_run_prepared(s, "select $1::int + 1, $2::text", parameters, 2),
                        "3|NULL\n");
    assert_string_equal(sql_run_prepared(s, "select 1", parameters, 1),
                        "ERROR 08P01: bind message supplies 1 parameters, but prepared statement "
                        "\"\" requires 0\n");
    assert_string_equal(sql_run_prepared(s, "", NULL, 0), "EMPTY\n");
}

/* ---- cursors */

static void cursors_read_forward(void **state) {
    assert_sql(s, "declare c cursor for select 1",
               "ERROR 25P01: DECLARE CURSOR can only be used in transaction blocks\n");
    assert_sql(s, "begin; declare c cursor for select g from generate_series(1, 5) g",
               "BEGIN\nDECLARE CURSOR\n");
    assert_sql(s, "fetch 2 from c", "1\n2\n");
    assert_sql(s, "select 'between'", "between\n");
    assert_sql(s, "fetch 1 from c; move 1 from c; fetch all from c", "3\nMOVE 1\n5\n");
    assert_sql(s, "fetch next from c", "");
    assert_sql(s, "close c; fetch 1 from c",
               "CLOSE CURSOR\nERROR 34000: cursor \"c\" does not exist\n");
    assert_sql(s, "rollback", "ROLLBACK\n");
}

static void scroll_cursors_go_back_and_held_ones_stay(void **state) {
    assert_sql(s,
               "begin; declare c scroll cursor with hold for select g from "
               "generate_series(1, 4) g; commit",
               "BEGIN\nDECLARE CURSOR\nCOMMIT\n");
    assert_sql(s, "fetch 2 from c", "1\n2\n");
    assert_sql(s, "fetch backward 1 from c", "1\n");
    assert_sql(s, "fetch last from c; fetch absolute 2 from c", "4\n2\n");
    assert_sql(s, "close all", "CLOSE CURSOR ALL\n");
}

/* ---- utility */

/* Rows of a cold block that newer ones hide come in a batch, but are not among its selected ones.
 */
static void analyze_counts_each_row_once(void **state) {
    assert_sql(s, "create table z(k int primary key, v text)", "CREATE TABLE\n");
    assert_sql(s, "insert into z select i, 'v' || i from generate_series(1, 1000) i",
               "INSERT 0 1000\n");
    assert_sql(s, "vacuum (freeze) z", "VACUUM\n");
    assert_sql(s, "update z set v = 'w' where k <= 500", "UPDATE 500\n");
    assert_sql(s, "analyze z", "ANALYZE\n");
    assert_sql(s, "select reltuples from pg_class where relname = 'z'", "1000\n");
    assert_sql(s, "drop table z", "DROP TABLE\n");
}

static void sequences_show_their_state(void **state) {
    assert_sql(s, "create sequence counter", "CREATE SEQUENCE\n");
    assert_sql(s, "select * from counter", "1|0|f\n");
    assert_sql(s, "select nextval('counter')", "1\n");
    assert_sql(t, "select c.last_value, c.log_cnt > 0, is_called from counter c", "1|t|t\n");
    assert_sql(s, "select setval('counter', 20, false)", "20\n");
    assert_sql(s, "table counter", "20|0|f\n");
    assert_sql(s,
               "select tableoid::regclass, pg_typeof(last_value) from counter where last_value > 9",
               "counter|bigint\n");
    assert_sql(s,
               "prepare p as select last_value, is_called from counter; execute p; "
               "select nextval('counter'); execute p",
               "PREPARE\n20|f\n20\n20|t\n");
    assert_sql(s,
               "create table owner(id serial); insert into owner default values; "
               "select last_value from owner_id_seq; drop table owner",
               "CREATE TABLE\nINSERT 0 1\n1\nDROP TABLE\n");
    assert_sql(s, "begin; create sequence mine; select * from mine; rollback; select * from mine",
               "BEGIN\nCREATE SEQUENCE\n1|0|f\nROLLBACK\n"
               "ERROR 42P01: relation \"mine\" does not exist\n");
    assert_sql(s, "create view shows as select last_value from counter; select * from shows",
               "CREATE VIEW\n20\n");
    assert_sql(s, "drop sequence counter",
               "ERROR 2BP01: cannot drop sequence counter because other objects depend on it\n");
    assert_sql(s, "drop sequence counter cascade",
               "NOTICE: drop cascades to view shows\nDROP SEQUENCE\n");
    assert_sql(s, "select * from counter", "ERROR 42P01: relation \"counter\" does not exist\n");
}

static void sequences_of_the_search_path_are_found(void **state) {
    assert_sql(s, "create schema far; create sequence far.numbers; set search_path = far",
               "CREATE SCHEMA\nCREATE SEQUENCE\nSET\n");
    assert_sql(s, "select setval('numbers', 5); select last_value from numbers", "5\n5\n");
    assert_sql(s, "alter sequence numbers restart; select is_called from numbers",
               "ALTER SEQUENCE\nf\n");
    assert_sql(s, "drop sequence numbers; set search_path = public; drop schema far",
               "DROP SEQUENCE\nSET\nDROP SCHEMA\n");
}

static void sequences_are_no_tables(void **state) {
    static const struct {
        const char *sql, *answer;
    } cases[] = {
        {"insert into n values (1, 2, true)", "42809: cannot change sequence \"n\""},
        {"update n set last_value = 3", "42809: cannot change sequence \"n\""},
        {"delete from n", "42809: cannot change sequence \"n\""},
        {"select * from n for update", "42809: cannot lock rows in sequence \"n\""},
        {"truncate n", "42809: \"n\" is not a table"},
        {"copy n to stdout", "42809: cannot copy from sequence \"n\""},
        {"copy n from stdin", "42809: cannot copy to sequence \"n\""},
        {"drop table n", "42809: \"n\" is not a table"},
        {"drop view n", "42809: \"n\" is not a view"},
        {"drop sequence pg_class", "42809: \"pg_class\" is not a sequence"},
        {"reindex table n", "42809: \"n\" is not a table or materialized view"},
        {"create index on n(last_value)", "42809: cannot create index on relation \"n\""},
        {"alter table n add column x int",
         "42809: ALTER action ADD COLUMN cannot be performed on relation \"n\""},
        {"create sequence o owned by n.last_value",
         "42809: sequence cannot be owned by relation \"n\""},
    };
    assert_sql(s, "create sequence n", "CREATE SEQUENCE\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char wanted[256];
        snprintf(wanted, sizeof wanted, "ERROR %s\n", cases[i].answer);
        assert_sql(s, cases[i].sql, wanted);
    }
    assert_sql(s, "begin; lock table n; rollback",
               "BEGIN\nERROR 42809: cannot lock relation \"n\"\n");
    assert_sql(s, "rollback; analyze n",
               "ROLLBACK\n"
               "WARNING: skipping \"n\" --- cannot analyze non-tables or special system tables\n"
               "ANALYZE\n");
    assert_sql(s, "vacuum (freeze) n",
               "WARNING: skipping \"n\" --- cannot vacuum non-tables or special system tables\n"
               "VACUUM\n");
    assert_sql(s, "drop sequence n", "DROP SEQUENCE\n");
}

static void drops_tell_what_goes_with_them(void **state) {
    assert_sql(s,
               "create schema s; create table s.t1(a int primary key, b int); "
               "create table s.t2(id serial, x int); create view s.v as select a from s.t1; "
               "create sequence s.q; create table other(a int default nextval('s.q')); "
               "create view v_other as select t1.a from s.t1, other; "
               "create view v2 as select * from v_other",
               "CREATE SCHEMA\nCREATE TABLE\nCREATE TABLE\nCREATE VIEW\nCREATE SEQUENCE\n"
               "CREATE TABLE\nCREATE VIEW\nCREATE VIEW\n");
    assert_sql(s, "drop schema s",
               "ERROR 2BP01: cannot drop schema s because other objects depend on it\n");
    assert_string_equal(sql_error_detail(s), "table s.t1 depends on schema s\n"
                                             "view v_other depends on table s.t1\n"
                                             "view v2 depends on view v_other\n"
                                             "table s.t2 depends on schema s\n"
                                             "view s.v depends on schema s\n"
                                             "sequence s.q depends on schema s\n"
                                             "default value for column a of table other depends on "
                                             "sequence s.q");
    assert_sql(s, "drop schema s cascade",
               "NOTICE: drop cascades to 7 other objects\n"
               "DETAIL: drop cascades to table s.t1\n"
               "drop cascades to view v_other\n"
               "drop cascades to view v2\n"
               "drop cascades to table s.t2\n"
               "drop cascades to view s.v\n"
               "drop cascades to sequence s.q\n"
               "drop cascades to default value for column a of table other\n"
               "DROP SCHEMA\n");
    assert_sql(s, "insert into other default values; select a from other; drop table other",
               "INSERT 0 1\nNULL\nDROP TABLE\n");
    assert_sql(
        s, "create schema s; create table s.\"T x\"(a int); drop schema s cascade",
        "CREATE SCHEMA\nCREATE TABLE\nNOTICE: drop cascades to table s.\"T x\"\nDROP SCHEMA\n");
    assert_sql(s, "create schema s; create schema r; drop schema s, r cascade",
               "CREATE SCHEMA\nCREATE SCHEMA\nDROP SCHEMA\n");
}

static void drops_cascade_to_views(void **state) {
    assert_sql(s,
               "create table t(a int, b int, c int); create view va as select a from t; "
               "create view vb as select b, a from t; create view vva as select a from va; "
               "create view vc as select c from t",
               "CREATE TABLE\nCREATE VIEW\nCREATE VIEW\nCREATE VIEW\nCREATE VIEW\n");
    assert_sql(s, "alter table t drop column a",
               "ERROR 2BP01: cannot drop column a of table t because other objects depend on it\n");
    assert_string_equal(sql_error_detail(s), "view va depends on column a of table t\n"
                                             "view vva depends on view va\n"
                                             "view vb depends on column a of table t");
    assert_sql(s, "alter table t drop column c cascade",
               "NOTICE: drop cascades to view vc\nALTER TABLE\n");
    assert_sql(s, "begin; drop view va, vva; rollback; drop view vva, va",
               "BEGIN\nDROP VIEW\nROLLBACK\nDROP VIEW\n");
    assert_sql(
        s, "create table u(a int); create view vu as select u.a from t, u; drop table u, t",
        "CREATE TABLE\nCREATE VIEW\nERROR 2BP01: cannot drop desired object(s) because other "
        "objects depend on them\n");
    assert_sql(
        s, "create table u(a int); create view vu as select u.a from t, u; drop table u, t cascade",
        "CREATE TABLE\nCREATE VIEW\n"
        "NOTICE: drop cascades to 2 other objects\n"
        "DETAIL: drop cascades to view vb\n"
        "drop cascades to view vu\n"
        "DROP TABLE\n");
}

static void drops_of_sequences_take_defaults(void **state) {
    assert_sql(
        s, "create table t(id serial, x int); drop sequence t_id_seq",
        "CREATE TABLE\nERROR 2BP01: cannot drop sequence t_id_seq because other objects depend "
        "on it\n");
    assert_string_equal(sql_error_detail(s),
                        "default value for column id of table t depends on sequence t_id_seq");
    assert_sql(s, "create table t(id serial, x int); drop sequence t_id_seq cascade",
               "CREATE TABLE\nNOTICE: drop cascades to default value for column id of table t\n"
               "DROP SEQUENCE\n");
    assert_sql(s, "drop table t; create table t(id int generated always as identity)",
               "DROP TABLE\nCREATE TABLE\n");
    assert_sql(
        s, "drop sequence t_id_seq cascade",
        "ERROR 2BP01: cannot drop sequence t_id_seq because column id of table t requires it\n");
    assert_sql(
        s, "create view shown as select last_value from t_id_seq; drop table t",
        "CREATE VIEW\nERROR 2BP01: cannot drop table t because other objects depend on it\n");
    assert_sql(s, "create view shown as select last_value from t_id_seq; drop table t cascade",
               "CREATE VIEW\nNOTICE: drop cascades to view shown\nDROP TABLE\n");
}

static void maintenance_statements_run(void **state) {
    assert_sql(s, "create table m(a int primary key); insert into m values (1), (2)",
               "CREATE TABLE\nINSERT 0 2\n");
    assert_sql(s, "vacuum analyze m", "VACUUM\n");
    assert_sql(s, "vacuum (index_cleanup auto, truncate off, parallel 2, verbose off) m",
               "VACUUM\n");
    assert_sql(s, "vacuum (verbose, analyze) m",
               "INFO: vacuuming \"satori.public.m\"\n"
               "INFO: finished vacuuming \"satori.public.m\": blocks made: 0\n"
               "INFO: analyzing \"public.m\"\n"
               "INFO: \"m\": scanned all pages, containing 2 live rows\nVACUUM\n");
    assert_sql(s, "analyze verbose m",
               "INFO: analyzing \"public.m\"\n"
               "INFO: \"m\": scanned all pages, containing 2 live rows\nANALYZE\n");
    assert_sql(s, "vacuum (parallel) m",
               "ERROR 42601: parallel option requires a value between 0 and 1024\n");
    assert_sql(s, "vacuum (nosuch) m", "ERROR 42601: unrecognized VACUUM option \"nosuch\"\n");
    assert_sql(s, "analyze (full) m", "ERROR 42601: unrecognized ANALYZE option \"full\"\n");
    assert_sql(s, "vacuum m(nosuch)",
               "ERROR 0A000: ANALYZE option must be specified when a column list is provided\n");
    assert_sql(s, "analyze m(nosuch)",
               "ERROR 42703: column \"nosuch\" of relation \"m\" does not exist\n");
    assert_sql(s, "analyze", "ANALYZE\n");
    assert_sql(s, "checkpoint", "CHECKPOINT\n");
    assert_sql(s, "prepare x(int) as select * from m where a = $1", "PREPARE\n");
    assert_sql(s, "explain (costs off) execute x(1)",
               "Index Scan using m_pkey on m\n  Index Cond: (a = $1)\n");
    assert_sql(s, "explain (costs off, analyze, timing off, summary off) execute x(3)",
               "Index Scan using m_pkey on m (actual rows=0 loops=1)\n  Index Cond: (a = $1)\n");
    assert_sql(s, "explain execute x",
               "ERROR 42601: wrong number of parameters for prepared statement \"x\"\n");
    assert_sql(s, "explain (wal) select 1", "ERROR 22023: EXPLAIN option WAL requires ANALYZE\n");
    assert_sql(s, "begin; vacuum m",
               "BEGIN\nERROR 25001: VACUUM cannot run inside a transaction block\n");
    assert_sql(s, "rollback", "ROLLBACK\n");
    assert_sql(s, "truncate m; select count(*) from m", "TRUNCATE TABLE\n0\n");
    assert_sql(s, "drop table if exists m, nowhere",
               "NOTICE: table \"nowhere\" does not exist, skipping\nDROP TABLE\n");
    assert_sql(s, "discard all", "DISCARD ALL\n");
    assert_sql(s, "", "EMPTY\n");
    assert_sql(s, "select 1; select 2", "1\n2\n");
    assert_sql(s, "selec", "ERROR 42601: syntax error at or near \"selec\"\n");
}

static void tables_are_made_of_queries(void **state) {
    assert_sql(s, "create table q as select g, g * 2 as twice from generate_series(1, 3) g",
               "SELECT 3\n");
    assert_sql(s, "select * from q order by g", "1|2\n2|4\n3|6\n");
    assert_sql(s, "drop table q", "DROP TABLE\n");
}

/* A column made of an expression is plain numeric, whatever form the expression was worked out in.
 */
static void tables_made_of_queries_hold_their_numbers(void **state) {
    assert_sql(s,
               "create table numbers as select 0.0 as a, 1.5 as b, -0.05 as c, "
               "12345678901234567890.5 as d, null::numeric as e",
               "SELECT 1\n");
    assert_sql(s, "select * from numbers", "0.0|1.5|-0.05|12345678901234567890.5|NULL\n");
    assert_sql(s,
               "create table products as select g, g::numeric(10,2) * 1.5 as p, case when g % 2 = "
               "0 then g * 0.25 end as q, g::numeric(7,1) as r from generate_series(1, 5000) g",
               "SELECT 5000\n");
    assert_sql(s, "create index on products(p)", "CREATE INDEX\n");
    assert_sql(s, "select p, q, r from products where p in (1.5, 3) order by 1",
               "1.500|NULL|1.0\n3.000|0.50|2.0\n");
    assert_sql(s, "select sum(p), sum(q), count(q), sum(r) from products",
               "18753750.000|1563125.00|2500|12502500.0\n");
    assert_sql(s,
               "create table unions as select 0.5 as a union all select 7 union all select 1.25 "
               "order by 1",
               "SELECT 3\n");
    assert_sql(s, "select * from unions order by a", "0.5\n1.25\n7\n");
    assert_sql(s, "drop table numbers, products, unions", "DROP TABLE\n");
}

static void alter_table_checks_rows(void **state) {
    assert_sql(s, "create table k(a int); insert into k values (1), (-1)",
               "CREATE TABLE\nINSERT 0 2\n");
    assert_sql(s, "alter table k add constraint positive check (a > 0)",
               "ERROR 23514: check constraint \"positive\" of relation \"k\" is violated by some "
               "row\n");
    assert_sql(s, "delete from k where a < 0; alter table k add constraint positive check (a > 0)",
               "DELETE 1\nALTER TABLE\n");
    assert_sql(s, "insert into k values (0)",
               "ERROR 23514: new row for relation \"k\" violates check constraint \"positive\"\n");
    assert_sql(s, "alter table k add primary key (a); insert into k values (1)",
               "ALTER TABLE\n"
               "ERROR 23505: duplicate key value violates unique constraint \"k_pkey\"\n");
    assert_sql(s, "drop table k", "DROP TABLE\n");
}

static void activity_is_visible(void **state) {
    assert_sql(s, "begin", "BEGIN\n");
    assert_sql(t, "select count(*) from pg_stat_activity where state = 'idle in transaction'",
               "1\n");
    assert_sql(s, "commit", "COMMIT\n");
    assert_sql(t, "select state from pg_stat_activity where pid = pg_backend_pid()", "active\n");
    assert_sql(t, "select count(*), sum(turns) > 0 from satori_turns", "6|t\n");
}

static void data_survive_a_restart(void **state) {
    assert_sql(s, "create table d(a serial primary key, b text); insert into d(b) values ('x')",
               "CREATE TABLE\nINSERT 0 1\n");
    sql_runner_reopen(runner);
    s = sql_session_open(runner);
    t = sql_session_open(runner);
    assert_sql(s, "select * from d", "1|x\n");
    assert_sql(s, "drop table d", "DROP TABLE\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* More versions of one row than a step of a scan looks at, and a snapshot in the middle of them. */
static void a_snapshot_holds_however_often_a_row_changes(void **state) {
    struct sql_session *holder = sql_session_open(runner), *reader = sql_session_open(runner);
    const char *forward = "select id, a from hot where id >= 0 order by id";
    const char *back = "select id, a from hot where id >= 0 order by id desc";
    sql_run(s, "create table hot (id int primary key, a int) with (freeze = off);"
               "insert into hot values (1, 0), (2, 0)");
    sql_run(holder, "begin isolation level repeatable read; select * from hot");
    for (int i = 0; i < 2000; i++)
        sql_run(s, "update hot set a = a + 1 where id = 2");
    assert_sql(reader, "begin isolation level repeatable read; select a from hot where id = 2",
               "BEGIN\n2000\n");
    for (int i = 0; i < 50; i++)
        sql_run(s, "update hot set a = a + 1 where id = 2");
    assert_sql(reader, "select sum(a) from hot", "2000\n");
    assert_sql(reader, forward, "1|0\n2|2000\n");
    assert_sql(reader, back, "2|2000\n1|0\n");
    assert_sql(holder, "select sum(a) from hot", "0\n");
    assert_sql(s, "select sum(a) from hot", "2050\n");
    sql_session_close(holder);
    sql_session_close(reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(texts_are_one_transaction),
        CASE(blocks_commit_and_roll_back),
        CASE(failed_blocks_ignore_commands),
        CASE(begin_and_commit_warn),
        CASE(properties_are_set_before_the_first_query),
        CASE(schema_changes_roll_back),
        CASE(isolation_is_that_of_the_block),
        CASE(readers_and_writers_wait_for_schema_changes),
        CASE(settings_follow_the_transaction),
        CASE(search_path_says_where_names_are),
        CASE(timeouts_cancel_statements),
        CASE(prepared_statements_have_names),
        CASE(plans_follow_the_schema),
        CASE(a_column_that_was_rolled_back_is_forgotten),
        CASE(literals_share_a_plan_and_keep_their_errors),
        CASE(parameters_are_inferred),
        CASE(cursors_read_forward),
        CASE(scroll_cursors_go_back_and_held_ones_stay),
        CASE(analyze_counts_each_row_once),
        CASE(sequences_show_their_state),
        CASE(sequences_of_the_search_path_are_found),
        CASE(sequences_are_no_tables),
        CASE(drops_tell_what_goes_with_them),
        CASE(drops_cascade_to_views),
        CASE(drops_of_sequences_take_defaults),
        CASE(maintenance_statements_run),
        CASE(tables_are_made_of_queries),
        CASE(tables_made_of_queries_hold_their_numbers),
        CASE(alter_table_checks_rows),
        CASE(activity_is_visible),
        CASE(a_snapshot_holds_however_often_a_row_changes),
        CASE(data_survive_a_restart),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
