#include "scenario.h"

#include <stdio.h>
#include <string.h>

#include "base/base_hash.h"

/* Rows of COPY: enough for several blocks of columns and of journal. */
enum { COPY_ROWS = 3000, COPY_ROW_SIZE = 80 };

const struct scenario scenario_load = {
    .name = "load",
    .steps =
        {
            "create table loaded (id int primary key, name text not null, amount numeric(12,2), "
            "day date)",
            "create index on loaded (day)",
            "copy loaded from stdin",
            "insert into loaded select 100000 + i, 'row ' || i, i * 1.25, date '2026-01-01' + i % "
            "300 from generate_series(1, 4000) i",
            "copy loaded from stdin",
            "begin; copy loaded from stdin; delete from loaded where id % 3 = 0; commit",
            "copy loaded from stdin",
            "checkpoint",
            "vacuum (freeze) loaded",
            "copy loaded from stdin",
            "update loaded set amount = amount + 1 where id < 900",
            "insert into loaded select 200000 + i, repeat('wide ', 400), 0, null from "
            "generate_series(1, 60) i",
            "create table copied as select id, name from loaded where id < 2500",
            "checkpoint",
        },
    .looks =
        {
            "select * from loaded order by id",
            "select day, count(*), sum(amount) from loaded where day > date '2026-05-05' group by "
            "day order by day",
            "select * from copied order by id",
        },
};

const struct scenario scenario_mixed = {
    .name = "mixed",
    .steps =
        {
            "create table kept (id int primary key, v text, n int not null) with (freeze = eager)",
            "create unique index on kept (n)",
            "create table hot (id int primary key, kept_id int, note text)",
            "insert into kept select i, 'v' || i, 10 * i from generate_series(1, 400) i",
            "insert into hot select i, 1 + i % 400, repeat('n', i % 50) from "
            "generate_series(1, 300) i",
            "update kept set v = 'changed' where id between 50 and 120",
            "begin; delete from hot where id % 7 = 0; update kept set n = n + 1 where id > 300; "
            "insert into kept values (1000, repeat('large', 3000), 7); commit",
            "checkpoint",
            "delete from hot where kept_id > 350; delete from kept where id > 380 and id < 401",
            "insert into kept values (1001, 'x', 10) on conflict (n) do update set v = 'conflict'",
            "begin; update kept set v = 'lost'; rollback",
            "update kept set v = repeat('big', 2500) where id % 40 = 0",
            "vacuum (freeze) kept",
            "update kept set v = 'thawed ' || id where id % 5 = 0",
            "begin; insert into hot values (901, 1, 'a'), (902, 2, 'c'); update hot set note "
            "= note || 'b' where kept_id < 3; commit",
            "vacuum",
            "delete from hot where id < 100",
            "update kept set n = -n where id % 2 = 0",
            "vacuum full",
            "insert into kept select i, 'again', 100000 + i from generate_series(2000, 2200) i",
            "checkpoint",
        },
    .looks =
        {
            "select * from kept order by id",
            "select id, n from kept where n between 500 and 2500 order by n",
            "select id, kept_id, note from hot order by id",
            "select count(*) from hot h join kept k on k.id = h.kept_id",
        },
    .chores = {"checkpoint", "vacuum (freeze) kept", "analyze kept", "vacuum (freeze) hot"},
};

const struct scenario scenario_ddl = {
    .name = "ddl",
    .steps =
        {
            "create table a (id int primary key, t text)",
            "insert into a select i, 'a' || i from generate_series(1, 200) i",
            "create index a_t on a (t)",
            "alter table a add column extra int default 5",
            "update a set extra = id where id % 2 = 0",
            "create view seen as select id, extra from a where extra > 100",
            "begin; create table b (id int primary key, a_id int, check (id > 0)); "
            "insert into b select i, i from generate_series(1, 50) i; commit",
            "begin; create table never (x int); insert into never values (1); drop table b; "
            "rollback",
            "alter table b rename to b_b",
            "alter table b_b rename to b",
            "create sequence numbers start 10",
            "drop index a_t",
            "create unique index a_text on a (t, extra)",
            "drop view seen; alter table a rename to renamed",
            "create view seen as select id, extra from renamed where extra < 50",
            "checkpoint",
            "drop view seen; alter table renamed alter column extra set not null",
            "create table c as select * from renamed",
            "truncate c",
            "begin; alter table renamed drop column extra; insert into c (id) "
            "values (1); commit",
            "drop table b",
            "alter table c add constraint positive check (id > 0)",
            "drop sequence numbers",
            "drop table c",
            "vacuum full",
            "create table c (only_this text)",
        },
    .looks =
        {
            "select * from a order by id",
            "select * from renamed order by id",
            "select * from seen order by id",
            "select * from b order by id",
            "select * from c order by 1",
            "select * from never",
            "select c.relname, c.relkind, a.attname, a.attnum, a.attnotnull from pg_class c join "
            "pg_attribute a on a.attrelid = c.oid join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname = 'public' and a.attnum > 0 and not a.attisdropped order by 1, 4",
            "select conname, contype from pg_constraint order by 1, 2",
        },
};

unsigned scenario_step_count(const struct scenario *scenario) {
    unsigned count = 0;
    while (scenario->steps[count] != NULL)
        count++;
    return count;
}

/* Rows of their own for each step. */
static const char *copy_text(unsigned step) {
    static char text[COPY_ROWS * COPY_ROW_SIZE];
    size_t at = 0;
    for (unsigned i = 0; i < COPY_ROWS; i++) {
        uint64_t random = hash_combine(step, i);
        unsigned id = 5000 * (step + 1) + i;
        if (step == 2)
            id = i;
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "%u\tname %llu\t%u.%02u\t2026-%02u-%02u\n", id,
                               (unsigned long long)(random % 1000000), (unsigned)(random >> 50),
                               i % 100, 1 + i % 12, 1 + i % 28);
    }
    return text;
}

enum client_outcome scenario_step(struct fiber *f, const struct scenario *scenario, unsigned step,
                                  struct client *client) {
    const char *text = scenario->steps[step];
    client->copy = strstr(text, "from stdin") != NULL ? copy_text(step) : NULL;
    return client_query(f, client, text);
}

enum client_outcome scenario_look(struct fiber *f, const struct scenario *scenario,
                                  struct client *client, bool damage,
                                  char state[SCENARIO_STATE_SIZE]) {
    size_t at = 0;
    state[0] = '\0';
    for (unsigned i = 0; i < SCENARIO_LOOKS_MAX && scenario->looks[i] != NULL; i++) {
        enum client_outcome outcome = client_query(f, client, scenario->looks[i]);
        bool absent = strcmp(client->sqlstate, "42P01") == 0;
        bool damaged = damage && (strcmp(client->sqlstate, "XX001") == 0 ||
                                  strcmp(client->sqlstate, "XX002") == 0);
        if (outcome == CLIENT_REFUSED && (absent || damaged)) {
            at += (size_t)snprintf(state + at, SCENARIO_STATE_SIZE - at, absent ? "- " : "! ");
            continue;
        }
        if (outcome != CLIENT_DONE)
            return outcome;
        uint64_t hash = client->rows.column_count;
        for (size_t row = 0; row < client->rows.row_count; row++) {
            for (unsigned column = 0; column < client->rows.column_count; column++) {
                const char *cell = client->rows.cells[row][column];
                hash = hash_combine(hash, cell == NULL ? 1 : hash_bytes(cell, strlen(cell)));
            }
        }
        at += (size_t)snprintf(state + at, SCENARIO_STATE_SIZE - at, "%zu:%llx ",
                               client->rows.row_count, (unsigned long long)hash);
    }
    return CLIENT_DONE;
}
