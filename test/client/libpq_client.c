/*
 * A libpq program as people write them, run by libpq_run against a server: parameters in text and
 * binary, binary results, prepared statements, pipelining, single-row mode, COPY, errors, cancel.
 * Prints "ok name" or "not ok name: why".
 */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *case_name;
static int case_failed, failed;

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("not ok %s: line %d: %s: ", case_name, __LINE__, #condition);                   \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            case_failed = 1;                                                                       \
            return;                                                                                \
        }                                                                                          \
    } while (0)

static PGresult *run(PGconn *conn, const char *sql) {
    return PQexec(conn, sql);
}

static void text_parameters(PGconn *conn) {
    PQclear(run(conn, "create table lp (a int primary key, b text, c bigint, d bytea)"));
    const char *values[] = {"1", "hello", "9000000000", NULL};
    PGresult *result = PQexecParams(conn, "insert into lp values ($1, $2, $3, $4)", 4, NULL, values,
                                    NULL, NULL, 0);
    CHECK(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
    CHECK(strcmp(PQcmdTuples(result), "1") == 0, "%s", PQcmdTuples(result));
    PQclear(result);
    result = PQexecParams(conn, "select b, d is null, c from lp where a = $1", 1, NULL, values,
                          NULL, NULL, 0);
    CHECK(PQntuples(result) == 1, "%s", PQerrorMessage(conn));
    CHECK(strcmp(PQgetvalue(result, 0, 0), "hello") == 0, "%s", PQgetvalue(result, 0, 0));
    CHECK(strcmp(PQgetvalue(result, 0, 1), "t") == 0, "%s", PQgetvalue(result, 0, 1));
    CHECK(strcmp(PQgetvalue(result, 0, 2), "9000000000") == 0, "%s", PQgetvalue(result, 0, 2));
    CHECK(PQftype(result, 0) == 25 && PQftable(result, 0) > 16383 && PQftablecol(result, 0) == 2,
          "type %u", PQftype(result, 0));
    PQclear(result);
}

static void binary_parameters_and_results(PGconn *conn) {
    uint32_t a = htonl(2);
    const char *values[] = {(const char *)&a, "\x00\xff\x01"};
    int lengths[] = {4, 3}, formats[] = {1, 1};
    Oid types[] = {23, 17};
    PGresult *result = PQexecParams(conn, "insert into lp (a, d) values ($1, $2) returning a, d", 2,
                                    types, values, lengths, formats, 1);
    CHECK(PQntuples(result) == 1, "%s", PQerrorMessage(conn));
    uint32_t back;
    memcpy(&back, PQgetvalue(result, 0, 0), 4);
    CHECK(ntohl(back) == 2 && PQfformat(result, 0) == 1, "%u", ntohl(back));
    CHECK(PQgetlength(result, 0, 1) == 3 &&
              memcmp(PQgetvalue(result, 0, 1), "\x00\xff\x01", 3) == 0,
          "bytes differ");
    PQclear(result);
}

static void prepared_statements_infer_types(PGconn *conn) {
    PGresult *result = PQprepare(conn, "p1", "select $1 + 1, $2 || 'x'", 0, NULL);
    CHECK(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
    PQclear(result);
    result = PQdescribePrepared(conn, "p1");
    CHECK(PQnparams(result) == 2 && PQparamtype(result, 0) == 23 && PQparamtype(result, 1) == 25,
          "%d parameters of types %u and %u", PQnparams(result), PQparamtype(result, 0),
          PQparamtype(result, 1));
    PQclear(result);
    const char *values[] = {"41", "y"};
    for (int i = 0; i < 3; i++) {
        result = PQexecPrepared(conn, "p1", 2, values, NULL, NULL, 0);
        CHECK(strcmp(PQgetvalue(result, 0, 0), "42") == 0, "%s", PQerrorMessage(conn));
        PQclear(result);
    }
    result = PQprepare(conn, "p1", "select 1", 0, NULL);
    CHECK(strcmp(PQresultErrorField(result, PG_DIAG_SQLSTATE), "42P05") == 0, "%s",
          PQerrorMessage(conn));
    PQclear(result);
}

static void pipelines_keep_order_and_survive_errors(PGconn *conn) {
    CHECK(PQenterPipelineMode(conn) == 1, "%s", PQerrorMessage(conn));
    for (int i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        const char *values[] = {text};
        CHECK(PQsendQueryParams(conn, "select $1::int * 2", 1, NULL, values, NULL, NULL, 0) == 1,
              "%s", PQerrorMessage(conn));
    }
    CHECK(PQpipelineSync(conn) == 1, "%s", PQerrorMessage(conn));
    CHECK(PQsendQueryParams(conn, "select 1/0", 0, NULL, NULL, NULL, NULL, 0) == 1, "send");
    CHECK(PQsendQueryParams(conn, "select 5", 0, NULL, NULL, NULL, NULL, 0) == 1, "send");
    CHECK(PQpipelineSync(conn) == 1, "%s", PQerrorMessage(conn));
    for (int i = 0; i < 100; i++) {
        PGresult *result = PQgetResult(conn);
        CHECK(PQresultStatus(result) == PGRES_TUPLES_OK && atoi(PQgetvalue(result, 0, 0)) == i * 2,
              "%d: %s", i, PQerrorMessage(conn));
        PQclear(result);
        CHECK(PQgetResult(conn) == NULL, "more than one result");
    }
    PGresult *result = PQgetResult(conn);
    CHECK(PQresultStatus(result) == PGRES_PIPELINE_SYNC, "%s", PQresStatus(PQresultStatus(result)));
    PQclear(result);
    result = PQgetResult(conn);
    CHECK(PQresultStatus(result) == PGRES_FATAL_ERROR, "%s", PQresStatus(PQresultStatus(result)));
    PQclear(result);
    CHECK(PQgetResult(conn) == NULL, "more than one result");
    result = PQgetResult(conn);
    CHECK(PQresultStatus(result) == PGRES_PIPELINE_ABORTED, "%s",
          PQresStatus(PQresultStatus(result)));
    PQclear(result);
    CHECK(PQgetResult(conn) == NULL, "more than one result");
    result = PQgetResult(conn);
    CHECK(PQresultStatus(result) == PGRES_PIPELINE_SYNC, "%s", PQresStatus(PQresultStatus(result)));
    PQclear(result);
    CHECK(PQexitPipelineMode(conn) == 1, "%s", PQerrorMessage(conn));
}

static void rows_stream_one_by_one(PGconn *conn) {
    CHECK(PQsendQuery(conn, "select g, repeat('x', 100) from generate_series(1, 20000) g") == 1,
          "%s", PQerrorMessage(conn));
    CHECK(PQsetSingleRowMode(conn) == 1, "single row mode");
    long sum = 0;
    PGresult *result;
    while ((result = PQgetResult(conn)) != NULL) {
        if (PQresultStatus(result) == PGRES_SINGLE_TUPLE)
            sum += atol(PQgetvalue(result, 0, 0));
        else
            CHECK(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
        PQclear(result);
    }
    CHECK(sum == 200010000, "%ld", sum);
}

static void copy_in_and_failure(PGconn *conn) {
    PGresult *result = run(conn, "copy lp (a, b) from stdin");
    CHECK(PQresultStatus(result) == PGRES_COPY_IN, "%s", PQerrorMessage(conn));
    PQclear(result);
    for (int i = 100; i < 1100; i++) {
        char line[64];
        int size = snprintf(line, sizeof line, "%d\tline %d\n", i, i);
        CHECK(PQputCopyData(conn, line, size) == 1, "%s", PQerrorMessage(conn));
    }
    CHECK(PQputCopyEnd(conn, NULL) == 1, "%s", PQerrorMessage(conn));
    result = PQgetResult(conn);
    CHECK(strcmp(PQcmdStatus(result), "COPY 1000") == 0, "%s", PQerrorMessage(conn));
    PQclear(result);
    CHECK(PQgetResult(conn) == NULL, "more than one result");
    PQclear(run(conn, "copy lp (a, b) from stdin"));
    CHECK(PQputCopyData(conn, "5000\tx\n", 7) == 1, "%s", PQerrorMessage(conn));
    CHECK(PQputCopyEnd(conn, "changed my mind") == 1, "%s", PQerrorMessage(conn));
    result = PQgetResult(conn);
    CHECK(PQresultStatus(result) == PGRES_FATAL_ERROR, "the copy was not given up");
    CHECK(strcmp(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014") == 0, "%s",
          PQerrorMessage(conn));
    PQclear(result);
    CHECK(PQgetResult(conn) == NULL, "more than one result");
    result = run(conn, "select count(*) from lp where a = 5000");
    CHECK(strcmp(PQgetvalue(result, 0, 0), "0") == 0, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
}

static void copy_out(PGconn *conn) {
    PGresult *result = run(conn, "copy (select a from lp where a >= 100 order by a) to stdout");
    CHECK(PQresultStatus(result) == PGRES_COPY_OUT, "%s", PQerrorMessage(conn));
    PQclear(result);
    char *line;
    int count = 0;
    while (PQgetCopyData(conn, &line, 0) > 0) {
        CHECK(atoi(line) == 100 + count, "%s", line);
        PQfreemem(line);
        count++;
    }
    CHECK(count == 1000, "%d", count);
    while ((result = PQgetResult(conn)) != NULL)
        PQclear(result);
}

static void errors_point_at_their_place(PGconn *conn) {
    PGresult *result = run(conn, "select 1 + nosuch");
    CHECK(strcmp(PQresultErrorField(result, PG_DIAG_SQLSTATE), "42703") == 0, "%s",
          PQerrorMessage(conn));
    CHECK(strcmp(PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION), "12") == 0, "%s",
          PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION));
    CHECK(strcmp(PQresultErrorField(result, PG_DIAG_SEVERITY), "ERROR") == 0, "severity");
    PQclear(result);
}

static void cancel_from_another_connection(PGconn *conn) {
    CHECK(PQsendQuery(conn, "select count(*) from generate_series(1, 100000000000) g") == 1, "%s",
          PQerrorMessage(conn));
    usleep(200000);
    char text[256];
    PGcancel *cancel = PQgetCancel(conn);
    CHECK(PQcancel(cancel, text, sizeof text) == 1, "%s", text);
    PQfreeCancel(cancel);
    PGresult *result = PQgetResult(conn);
    CHECK(strcmp(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014") == 0, "%s",
          PQerrorMessage(conn));
    PQclear(result);
    CHECK(PQgetResult(conn) == NULL, "more than one result");
    CHECK(PQtransactionStatus(conn) == PQTRANS_IDLE, "not idle");
}

static const struct {
    const char *name;
    void (*function)(PGconn *conn);
} cases[] = {
#define CASE(function)                                                                             \
    { #function, function }
    CASE(text_parameters),
    CASE(binary_parameters_and_results),
    CASE(prepared_statements_infer_types),
    CASE(pipelines_keep_order_and_survive_errors),
    CASE(rows_stream_one_by_one),
    CASE(copy_in_and_failure),
    CASE(copy_out),
    CASE(errors_point_at_their_place),
    CASE(cancel_from_another_connection),
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        PGconn *conn = PQconnectdb(argc > 1 ? argv[1] : "");
        case_name = cases[i].name;
        case_failed = 0;
        if (PQstatus(conn) != CONNECTION_OK) {
            printf("not ok libpq_%s: %s\n", case_name, PQerrorMessage(conn));
            return 1;
        }
        cases[i].function(conn);
        if (!case_failed)
            printf("ok libpq_%s\n", case_name);
        failed |= case_failed;
        PQfinish(conn);
    }
    return failed;
}
