#include "fuzz_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_bytes.h"
#include "pgwire/pgwire.h"
#include "pgwire/pgwire_message.h"
#include "runtime/runtime.h"
#include "sql_runner.h"
#include "txn/txn.h"

static struct sql_runner *runner;
static struct sql_session *keeper; /* brings the tables back */

/* ---- the tables ----------------------------------------------------------------------------- */

static const char *const TABLES[] = {
    "create table t(a int primary key, b text, c numeric(12, 2), d date, e bool)",
    "insert into t select g, 'row ' || g, g * 1.5, date '2024-01-01' + g, g % 2 = 0 "
    "from generate_series(1, 40) g",
    "insert into t(a) values (41), (42)",
    "create table u(x bigint, y double precision, z varchar(12), w timestamp, v interval, "
    "s smallint, r real, i uuid, o bytea, n numeric, p char(3))",
    "create index u_x on u(x, z)",
    "insert into u select g % 7, g / 3.0, 'u' || g % 5, timestamp '2024-01-01 10:00' + "
    "g * interval '1 hour', g * interval '1 day', g, g, null, '\\x00ff', g / 7.0, 'p' "
    "from generate_series(1, 60) g",
    "create view w as select a, b, count(*) over_all from t join u on a = x group by a, b",
    "create sequence q",
};

/* Whether the tables may not be as they were made. */
static bool changed = true;

static void make_tables(void) {
    if (!changed)
        return;
    changed = false;
    const char *found =
        sql_run(keeper, "select string_agg('drop ' || case relkind when 'v' then 'view' when 'S' "
                        "then 'sequence' else 'table' end || ' if exists ' || oid::regclass || "
                        "' cascade', ';' order by relkind <> 'v', relkind) from pg_class "
                        "where relkind in ('r', 'v', 'S') and oid >= 16384");
    if (strncmp(found, "NULL", 4) != 0) {
        char *drops = strdup(found);
        for (char *rest = drops, *drop; (drop = strsep(&rest, ";\n")) != NULL;)
            if (*drop != '\0')
                sql_run(keeper, drop); /* some go with others */
        free(drops);
    }
    for (size_t i = 0; i < sizeof TABLES / sizeof *TABLES; i++) {
        const char *answer = sql_run(keeper, TABLES[i]);
        if (strstr(answer, "ERROR") != NULL) {
            fprintf(stderr, "%s\n%s", TABLES[i], answer);
            abort();
        }
    }
}

static uint64_t commits(void) {
    struct store_statistics statistics;
    store_statistics(engine_store(sql_runner_engine(runner)), &statistics);
    return statistics.commits;
}

static void close_server(void) {
    sql_runner_close(runner);
}

static void open_server(void) {
    if (runner != NULL)
        return;
    runner = sql_runner_open(2);
    keeper = sql_session_open(runner);
    sql_run(keeper, "set synchronous_commit = off");
    atexit(close_server);
}

/* ---- a client ------------------------------------------------------------------------------- */

void fuzz_append_message(struct buffer *out, char type, struct slice body) {
    size_t start = message_begin(out, type);
    buffer_append_slice(out, body);
    message_end(out, start);
}

void fuzz_append_query(struct buffer *out, const char *text) {
    fuzz_append_message(out, 'Q', slice_of(text, strlen(text) + 1));
}

void fuzz_append_startup(struct buffer *out) {
    static const char PARAMETERS[] = "user\0satori\0database\0satori\0"
                                     "options\0-c statement_timeout=3000 -c synchronous_commit=off"
                                     "\0";
    uint8_t head[8];
    put_be32(head, 8 + sizeof PARAMETERS);
    put_be32(head + 4, 196608);
    buffer_append(out, head, sizeof head);
    buffer_append(out, PARAMETERS, sizeof PARAMETERS);
}

struct talk {
    struct transport transport; /* first */
    struct slice rest;
    size_t piece;
    struct buffer answer; /* what is not a whole message yet */
};

static enum status talk_receive(struct fiber *f, struct transport *transport, void *buffer,
                                size_t size, size_t *size_out) {
    struct talk *talk = (struct talk *)transport;
    if (size > talk->rest.size)
        size = talk->rest.size;
    if (size > talk->piece)
        size = talk->piece;
    if (size > 0)
        memcpy(buffer, talk->rest.data, size);
    talk->rest.data += size;
    talk->rest.size -= size;
    *size_out = size;
    return STATUS_OK;
}

/* An error that says satori itself is wrong. */
static void require_honest_error(struct slice body) {
    static const char INTERNAL[] = "CXX000";
    if (memmem(body.data, body.size, INTERNAL, sizeof INTERNAL) == NULL)
        return;
    fprintf(stderr, "internal error:");
    for (size_t i = 0; i < body.size; i++)
        fputc(body.data[i] == 0 ? ' ' : body.data[i], stderr);
    fputc('\n', stderr);
    abort();
}

static enum status talk_send(struct fiber *f, struct transport *transport, struct slice bytes) {
    struct talk *talk = (struct talk *)transport;
    buffer_append_slice(&talk->answer, bytes);
    struct slice rest = slice_of(talk->answer.data, talk->answer.size);
    if (rest.size > 0 && rest.data[0] == 'N' && (rest.size == 1 || rest.data[1] != 0))
        rest = slice_of(rest.data + 1, rest.size - 1); /* no TLS */
    while (rest.size >= 5) {
        size_t size = 1 + (size_t)get_be32(rest.data + 1);
        if (size > rest.size)
            break;
        if (rest.data[0] == 'E')
            require_honest_error(slice_of(rest.data + 5, size - 5));
        rest = slice_of(rest.data + size, rest.size - size);
    }
    struct buffer kept = {0};
    buffer_append_slice(&kept, rest);
    buffer_release(&talk->answer);
    talk->answer = kept;
    return STATUS_OK;
}

static enum status converse(struct fiber *f, void *argument) {
    struct talk *talk = argument;
    pgwire_converse(f, sql_runner_engine(runner), &talk->transport);
    return STATUS_OK;
}

void fuzz_converse(struct slice bytes, size_t piece) {
    open_server();
    make_tables();
    uint64_t before = commits();
    struct talk talk = {
        .transport = {.receive = talk_receive, .send = talk_send},
        .rest = bytes,
        .piece = piece > 0 ? piece : 1,
    };
    assert_ok(runtime_run(sql_runner_runtime(runner), 0, converse, &talk));
    changed = commits() != before;
    buffer_release(&talk.answer);
}
