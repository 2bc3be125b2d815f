/* Conversations over a real loopback socket, written by hand: what a client sends and what must
   come back, message by message. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/base_buffer.h"
#include "base/base_bytes.h"
#include "base/base_memory.h"
#include "base/base_random.h"
#include "pgwire/pgwire.h"
#include "pgwire/pgwire_message.h"
#include "sql_runner.h"

/* ---- a server ------------------------------------------------------------------------------- */

static struct sql_runner *runner;
static struct listener *listener;
static struct future serving;
static struct fiber_handle serving_fiber;
static volatile bool serving_known;

static enum status serve(struct fiber *f, void *argument) {
    serving_fiber = fiber_handle(f);
    __atomic_store_n(&serving_known, true, __ATOMIC_RELEASE);
    enum status status = pgwire_serve(f, listener, sql_runner_engine(runner));
    fiber_shield(f);
    listener_close(f, listener);
    fiber_unshield(f);
    return status;
}

static enum status listen_now(struct fiber *f, void *argument) {
    return listener_open(f, "127.0.0.1:0", &listener);
}

static int group_setup(void **state) {
    runner = sql_runner_open(2);
    assert_ok(runtime_run(sql_runner_runtime(runner), 0, listen_now, NULL));
    assert_ok(runtime_submit(sql_runner_runtime(runner), 0, serve, NULL, &serving));
    while (!__atomic_load_n(&serving_known, __ATOMIC_ACQUIRE))
        usleep(1000);
    struct sql_session *s = sql_session_open(runner);
    sql_run(s, "create table n(a int primary key, b text)");
    sql_run(s, "insert into n select g, 'row ' || g from generate_series(1, 10) g");
    sql_session_close(s);
    return 0;
}

static int group_teardown(void **state) {
    runtime_cancel(sql_runner_runtime(runner), serving_fiber, STATUS_SHUTDOWN, "test is over");
    enum status status = STATUS_INTERNAL_ERROR;
    while (!future_wait(&serving, 1000000000, &status)) {
    }
    assert_int_equal(status, STATUS_OK);
    sql_runner_close(runner);
    return 0;
}

/* ---- a client ------------------------------------------------------------------------------- */

struct wire {
    int socket;
    struct buffer out;
    uint8_t in[1 << 16];
    size_t in_start, in_end;
    char got[1 << 14]; /* what came, one line a message */
    int32_t pid, secret;
};

static struct wire *wire_open(void) {
    struct wire *wire = calloc(1, sizeof *wire);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)listener_port(listener)),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    wire->socket = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(wire->socket, (struct sockaddr *)&address, sizeof address), 0);
    struct timeval patience = {.tv_sec = 20};
    setsockopt(wire->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return wire;
}

static void wire_close(struct wire *wire) {
    close(wire->socket);
    buffer_release(&wire->out);
    free(wire);
}

static void wire_send(struct wire *wire) {
    size_t sent = 0;
    while (sent < wire->out.size) {
        ssize_t count =
            send(wire->socket, wire->out.data + sent, wire->out.size - sent, MSG_NOSIGNAL);
        if (count <= 0)
            break;
        sent += (size_t)count;
    }
    buffer_clear(&wire->out);
}

/* Messages to be sent: q(text), p(name, text), b(portal, statement, parameters ...) */
static void put(struct wire *wire, char type, const void *body, size_t size) {
    size_t start = message_begin(&wire->out, type);
    buffer_append(&wire->out, body, size);
    message_end(&wire->out, start);
}

static void put_text(struct wire *wire, char type, const char *text) {
    put(wire, type, text, strlen(text) + 1);
}

static void put_parse(struct wire *wire, const char *name, const char *text) {
    size_t start = message_begin(&wire->out, 'P');
    buffer_append(&wire->out, name, strlen(name) + 1);
    buffer_append(&wire->out, text, strlen(text) + 1);
    buffer_append(&wire->out, "\0\0", 2);
    message_end(&wire->out, start);
}

/* One text parameter at most; results in `format`. */
static void put_bind(struct wire *wire, const char *portal, const char *statement,
                     const char *parameter, int format) {
    size_t start = message_begin(&wire->out, 'B');
    buffer_append(&wire->out, portal, strlen(portal) + 1);
    buffer_append(&wire->out, statement, strlen(statement) + 1);
    buffer_append(&wire->out, "\0\0", 2);
    uint8_t number[4];
    put_be16(number, parameter != NULL);
    buffer_append(&wire->out, number, 2);
    if (parameter != NULL) {
        put_be32(number, (uint32_t)strlen(parameter));
        buffer_append(&wire->out, number, 4);
        buffer_append_text(&wire->out, parameter);
    }
    put_be16(number, 1);
    buffer_append(&wire->out, number, 2);
    put_be16(number, (uint16_t)format);
    buffer_append(&wire->out, number, 2);
    message_end(&wire->out, start);
}

static void put_execute(struct wire *wire, const char *portal, uint32_t limit) {
    size_t start = message_begin(&wire->out, 'E');
    buffer_append(&wire->out, portal, strlen(portal) + 1);
    uint8_t number[4];
    put_be32(number, limit);
    buffer_append(&wire->out, number, 4);
    message_end(&wire->out, start);
}

static void put_target(struct wire *wire, char type, char kind, const char *name) {
    size_t start = message_begin(&wire->out, type);
    buffer_append_byte(&wire->out, (uint8_t)kind);
    buffer_append(&wire->out, name, strlen(name) + 1);
    message_end(&wire->out, start);
}

static void put_startup(struct wire *wire, uint32_t code, const char *parameters, size_t size) {
    uint8_t head[8];
    put_be32(head, (uint32_t)(size + 8));
    put_be32(head + 4, code);
    buffer_append(&wire->out, head, 8);
    buffer_append(&wire->out, parameters, size);
}

/* Fill the input; false at the end of the stream. */
static bool wire_fill(struct wire *wire) {
    memmove(wire->in, wire->in + wire->in_start, wire->in_end - wire->in_start);
    wire->in_end -= wire->in_start;
    wire->in_start = 0;
    ssize_t count = recv(wire->socket, wire->in + wire->in_end, sizeof wire->in - wire->in_end, 0);
    if (count < 0 && errno == EAGAIN)
        fail_msg("the server does not answer");
    if (count <= 0)
        return false;
    wire->in_end += (size_t)count;
    return true;
}

static void describe_error(char *to, size_t size, const uint8_t *body) {
    const char *sqlstate = "", *text = "";
    for (const char *at = (const char *)body; *at != '\0'; at += strlen(at) + 1) {
        if (*at == 'C')
            sqlstate = at + 1;
        if (*at == 'M')
            text = at + 1;
    }
    snprintf(to, size, "%s %s", sqlstate, text);
}

/* One message as a line: its letter and what matters. */
static void describe_message(struct wire *wire, char type, const uint8_t *body, size_t size,
                             char *to, size_t to_size) {
    switch (type) {
    case 'Z':
        snprintf(to, to_size, "Z %c", body[0]);
        break;
    case 'C':
        snprintf(to, to_size, "C %s", (const char *)body);
        break;
    case 'D': {
        size_t used = (size_t)snprintf(to, to_size, "D");
        const uint8_t *at = body + 2;
        for (int i = 0; i < get_be16(body); i++) {
            int32_t length = (int32_t)get_be32(at);
            at += 4;
            used += (size_t)snprintf(to + used, to_size - used, " ");
            if (length < 0)
                used += (size_t)snprintf(to + used, to_size - used, "NULL");
            for (int32_t b = 0; b < length; b++)
                used += (size_t)snprintf(to + used, to_size - used,
                                         at[b] < 32 || at[b] > 126 ? "\\%02x" : "%c", at[b]);
            at += length < 0 ? 0 : length;
        }
        break;
    }
    case 'E':
    case 'N':
        to[0] = type;
        to[1] = ' ';
        describe_error(to + 2, to_size - 2, body);
        break;
    case 'T':
    case 't':
        snprintf(to, to_size, "%c %d", type, get_be16(body));
        break;
    case 'd':
        snprintf(to, to_size, "d %.*s", (int)size - 1, (const char *)body);
        break;
    case 'K':
        wire->pid = (int32_t)get_be32(body);
        wire->secret = (int32_t)get_be32(body + 4);
        snprintf(to, to_size, "K");
        break;
    default:
        snprintf(to, to_size, "%c", type);
    }
}

/* Read messages up to `count` times ReadyForQuery (or the end: "EOF"); ParameterStatus left out. */
static const char *wire_read(struct wire *wire, int count, char until) {
    size_t used = 0;
    wire->got[0] = '\0';
    while (count > 0) {
        while (wire->in_end - wire->in_start < 5 ||
               wire->in_end - wire->in_start < 1 + get_be32(wire->in + wire->in_start + 1))
            if (!wire_fill(wire)) {
                snprintf(wire->got + used, sizeof wire->got - used, "EOF\n");
                return wire->got;
            }
        const uint8_t *at = wire->in + wire->in_start;
        uint32_t length = get_be32(at + 1);
        char line[1024];
        describe_message(wire, (char)at[0], at + 5, length - 4, line, sizeof line);
        if (at[0] != 'S')
            used += (size_t)snprintf(wire->got + used, sizeof wire->got - used, "%s\n", line);
        count -= at[0] == (uint8_t)until;
        wire->in_start += length + 1;
    }
    return wire->got;
}

#define USER "user\0satori\0database\0satori\0\0"

static struct wire *wire_login(void) {
    struct wire *wire = wire_open();
    put_startup(wire, PROTOCOL_VERSION_3, USER, sizeof USER - 1);
    wire_send(wire);
    assert_string_equal(wire_read(wire, 1, 'Z'), "R\nK\nZ I\n");
    return wire;
}

static void assert_answer(struct wire *wire, int readies, const char *want) {
    wire_send(wire);
    assert_string_equal(wire_read(wire, readies, 'Z'), want);
}

/* ---- start ------------------------------------------------------------------------------------
 */

static void encryption_is_declined_and_the_start_goes_on(void **state) {
    struct wire *wire = wire_open();
    char answer;
    put_startup(wire, SSL_REQUEST_CODE, "", 0);
    wire_send(wire);
    assert_int_equal(recv(wire->socket, &answer, 1, 0), 1);
    assert_int_equal(answer, 'N');
    put_startup(wire, GSSENC_REQUEST_CODE, "", 0);
    wire_send(wire);
    assert_int_equal(recv(wire->socket, &answer, 1, 0), 1);
    put_startup(wire, PROTOCOL_VERSION_3, USER, sizeof USER - 1);
    assert_answer(wire, 1, "R\nK\nZ I\n");
    put(wire, 'X', "", 0);
    assert_answer(wire, 1, "EOF\n");
    wire_close(wire);
}

static void a_newer_minor_version_is_negotiated(void **state) {
    struct wire *wire = wire_open();
    static const char parameters[] = "user\0satori\0_pq_.x\0y\0\0";
    put_startup(wire, PROTOCOL_VERSION_3 + 2, parameters, sizeof parameters - 1);
    assert_answer(wire, 1, "v\nR\nK\nZ I\n");
    wire_close(wire);
}

static void assert_refused(uint32_t code, const char *parameters, size_t size, const char *want) {
    struct wire *wire = wire_open();
    put_startup(wire, code, parameters, size);
    assert_answer(wire, 1, want);
    wire_close(wire);
}

#define TEXT(text) text, sizeof(text) - 1

static void unknown_names_are_refused(void **state) {
    assert_refused(PROTOCOL_VERSION_3, TEXT("user\0nobody\0\0"),
                   "E 28000 role \"nobody\" does not exist\nEOF\n");
    assert_refused(PROTOCOL_VERSION_3, TEXT("user\0satori\0database\0none\0\0"),
                   "E 3D000 database \"none\" does not exist\nEOF\n");
    assert_refused(PROTOCOL_VERSION_3, TEXT("user\0satori\0nonsense\0on\0\0"),
                   "E 42704 unrecognized configuration parameter \"nonsense\"\nEOF\n");
    assert_refused(PROTOCOL_VERSION_3, TEXT("database\0satori\0\0"),
                   "E 28000 no PostgreSQL user name specified in startup packet\nEOF\n");
    assert_refused(2 << 16, TEXT("x\0\0"),
                   "E 0A000 unsupported frontend protocol 2.0: server supports 3.0 to 3.0\nEOF\n");
}

static void rubbish_ends_only_its_sender(void **state) {
    struct wire *good = wire_login();
    struct wire *http = wire_open();
    buffer_append_text(&http->out, "GET / HTTP/1.0\r\n\r\n");
    assert_answer(http, 1, "E 08P01 invalid length of startup packet\nEOF\n");
    wire_close(http);
    struct wire *liar = wire_login();
    buffer_append(&liar->out, "Q\x7f\xff\xff\xff", 5);
    assert_answer(liar, 1, "E 08P01 invalid message length\nEOF\n");
    wire_close(liar);
    struct wire *odd = wire_login();
    buffer_append(&odd->out, "~\0\0\0\x04", 5);
    assert_answer(odd, 1, "E 08P01 invalid frontend message type 126\nEOF\n");
    wire_close(odd);
    struct wire *half = wire_login();
    buffer_append(&half->out, "Q\0\0\x10\0sel", 8);
    wire_send(half);
    shutdown(half->socket, SHUT_WR);
    assert_string_equal(wire_read(half, 1, 'Z'), "EOF\n");
    wire_close(half);
    put_text(good, 'Q', "select 1");
    assert_answer(good, 1, "T 1\nD 1\nC SELECT 1\nZ I\n");
    wire_close(good);
}

/* ---- simple query -------------------------------------------------------------------------------
 */

static void simple_queries_answer_in_order(void **state) {
    struct wire *wire = wire_login();
    put_text(wire, 'Q', "select a, b from n where a = 2; select 1 where false; ;");
    assert_answer(wire, 1, "T 2\nD 2 row 2\nC SELECT 1\nT 1\nC SELECT 0\nZ I\n");
    put_text(wire, 'Q', "");
    assert_answer(wire, 1, "I\nZ I\n");
    put_text(wire, 'Q', "begin");
    put_text(wire, 'Q', "selec");
    put_text(wire, 'Q', "select 1");
    put_text(wire, 'Q', "rollback");
    assert_answer(wire, 4,
                  "C BEGIN\nZ T\nE 42601 syntax error at or near \"selec\"\nZ E\n"
                  "E 25P02 current transaction is aborted, commands ignored until end of "
                  "transaction block\nZ E\nC ROLLBACK\nZ I\n");
    wire_close(wire);
}

/* ---- extended query -----------------------------------------------------------------------------
 */

static void a_pipeline_answers_everything(void **state) {
    struct wire *wire = wire_login();
    put_parse(wire, "one", "select b from n where a = $1");
    put_target(wire, 'D', 'S', "one");
    put_bind(wire, "", "one", "3", 0);
    put_target(wire, 'D', 'P', "");
    put_execute(wire, "", 0);
    put_bind(wire, "", "one", "4", 1);
    put_execute(wire, "", 0);
    put_target(wire, 'C', 'S', "one");
    put(wire, 'S', "", 0);
    put_bind(wire, "", "one", "4", 0);
    put(wire, 'S', "", 0);
    assert_answer(wire, 2,
                  "1\nt 1\nT 1\n2\nT 1\nD row 3\nC SELECT 1\n2\nD row 4\nC SELECT 1\n3\nZ I\n"
                  "E 26000 prepared statement \"one\" does not exist\nZ I\n");
    wire_close(wire);
}

static void an_empty_statement_has_no_plan(void **state) {
    struct wire *wire = wire_login();
    put_parse(wire, "nothing", "");
    put(wire, 'S', "", 0);
    put_text(wire, 'Q', "explain execute nothing");
    assert_answer(wire, 2,
                  "1\nZ I\nE 0A000 EXPLAIN EXECUTE of an empty statement is not supported\nZ I\n");
    wire_close(wire);
}

static void an_error_skips_to_sync_and_undoes_the_batch(void **state) {
    struct wire *wire = wire_login();
    put_parse(wire, "", "insert into n values (100, 'x')");
    put_bind(wire, "", "", NULL, 0);
    put_execute(wire, "", 0);
    put_parse(wire, "", "select 1/0");
    put_bind(wire, "", "", NULL, 0);
    put_execute(wire, "", 0);
    put_parse(wire, "", "select 'skipped'");
    put_execute(wire, "", 0);
    put(wire, 'S', "", 0);
    put_text(wire, 'Q', "select count(*) from n where a = 100");
    assert_answer(wire, 2,
                  "1\n2\nC INSERT 0 1\n1\nE 22012 division by zero\nZ I\n"
                  "T 1\nD 0\nC SELECT 1\nZ I\n");
    wire_close(wire);
}

static void portals_stop_at_their_limit(void **state) {
    struct wire *wire = wire_login();
    put_text(wire, 'Q', "begin");
    put_parse(wire, "", "select a from n order by a");
    put_bind(wire, "p", "", NULL, 1);
    put_execute(wire, "p", 2);
    put(wire, 'S', "", 0);
    assert_answer(wire, 2, "C BEGIN\nZ T\n1\n2\nD \\00\\00\\00\\01\nD \\00\\00\\00\\02\ns\nZ T\n");
    put_text(wire, 'Q', "select 'between', count(*) from n");
    put_execute(wire, "p", 3);
    put(wire, 'S', "", 0);
    assert_answer(wire, 2,
                  "T 2\nD between 10\nC SELECT 1\nZ T\n"
                  "D \\00\\00\\00\\03\nD \\00\\00\\00\\04\nD \\00\\00\\00\\05\ns\nZ T\n");
    put_execute(wire, "p", 5);
    put_execute(wire, "p", 5);
    put(wire, 'S', "", 0);
    put_text(wire, 'Q', "commit");
    put_execute(wire, "p", 5);
    put(wire, 'S', "", 0);
    assert_answer(wire, 3,
                  "D \\00\\00\\00\\06\nD \\00\\00\\00\\07\nD \\00\\00\\00\\08\nD \\00\\00\\00\\09\n"
                  "D \\00\\00\\00\\0a\ns\nC SELECT 0\nZ T\nC COMMIT\nZ I\n"
                  "E 34000 portal \"p\" does not exist\nZ I\n");
    wire_close(wire);
}

static void statements_without_rows_have_no_data(void **state) {
    struct wire *wire = wire_login();
    put_parse(wire, "", "set application_name = 'x'");
    put_target(wire, 'D', 'S', "");
    put_bind(wire, "", "", NULL, 0);
    put_execute(wire, "", 1);
    put_parse(wire, "", "");
    put_bind(wire, "", "", NULL, 0);
    put_execute(wire, "", 0);
    put(wire, 'S', "", 0);
    assert_answer(wire, 1, "1\nt 0\nn\n2\nC SET\n1\n2\nI\nZ I\n");
    wire_close(wire);
}

static void malformed_bodies_are_errors_of_the_message(void **state) {
    struct wire *wire = wire_login();
    put(wire, 'B', "\0\0\0\0\0\5", 6);
    put(wire, 'S', "", 0);
    put(wire, 'Q', "no end", 6);
    assert_answer(wire, 2,
                  "E 08P01 insufficient data left in message\nZ I\n"
                  "E 08P01 invalid string in message\nZ I\n");
    wire_close(wire);
}

/* An error of the protocol is one of the transaction: what was open is undone. */
static void malformed_bodies_undo_what_was_open(void **state) {
    struct wire *wire = wire_login();
    put_text(wire, 'Q', "create table undone(a int)");
    put_parse(wire, "", "insert into undone values (1)");
    put_bind(wire, "", "", NULL, 0);
    put_execute(wire, "", 0);
    put(wire, 'B', "\0\0\0\0\0\5", 6);
    put(wire, 'S', "", 0);
    put_text(wire, 'Q', "select count(*) from undone");
    put_text(wire, 'Q', "begin");
    put(wire, 'Q', "no end", 6);
    put_text(wire, 'Q', "commit");
    put_text(wire, 'Q', "drop table undone");
    assert_answer(wire, 7,
                  "C CREATE TABLE\nZ I\n1\n2\nC INSERT 0 1\n"
                  "E 08P01 insufficient data left in message\nZ I\nT 1\nD 0\nC SELECT 1\nZ I\n"
                  "C BEGIN\nZ T\nE 08P01 invalid string in message\nZ E\nC ROLLBACK\nZ I\n"
                  "C DROP TABLE\nZ I\n");
    wire_close(wire);
}

static void function_calls_are_refused(void **state) {
    struct wire *wire = wire_login();
    put(wire, 'F', "\0\0\x06\x3e\0\0\0\0\0\0", 10);
    put_text(wire, 'Q', "select 1");
    assert_answer(wire, 2,
                  "E 0A000 the FunctionCall message is not supported\nZ I\n"
                  "T 1\nD 1\nC SELECT 1\nZ I\n");
    wire_close(wire);
}

static void parameters_have_types_that_exist(void **state) {
    static const char unknown[] = "\0select array[$1]\0\0\1\0\0\0\1";
    static const char record[] = "\0select $1\0\0\1\0\0\x08\xc9";
    struct wire *wire = wire_login();
    put(wire, 'P', unknown, sizeof unknown - 1);
    put(wire, 'S', "", 0);
    put(wire, 'P', record, sizeof record - 1);
    put(wire, 'S', "", 0);
    assert_answer(wire, 2,
                  "E 42704 type with OID 1 does not exist\nZ I\n"
                  "E 0A000 a parameter of type record is not supported\nZ I\n");
    wire_close(wire);
}

static void fetch_and_execute_describe_what_they_return(void **state) {
    struct wire *wire = wire_login();
    put_text(wire, 'Q',
             "begin; declare c cursor for select a, b from n order by a; fetch 1 from c");
    put_text(wire, 'Q', "prepare q as select a, b from n where a = 2; execute q");
    put_parse(wire, "", "fetch 1 from c");
    put_target(wire, 'D', 'S', "");
    put_bind(wire, "", "", NULL, 0);
    put_execute(wire, "", 0);
    put_parse(wire, "", "execute q");
    put_target(wire, 'D', 'S', "");
    put_bind(wire, "", "", NULL, 1);
    put_execute(wire, "", 0);
    put(wire, 'S', "", 0);
    assert_answer(wire, 3,
                  "C BEGIN\nC DECLARE CURSOR\nT 2\nD 1 row 1\nC FETCH 1\nZ T\n"
                  "C PREPARE\nT 2\nD 2 row 2\nC SELECT 1\nZ T\n"
                  "1\nt 0\nT 2\n2\nD 2 row 2\nC FETCH 1\n"
                  "1\nt 0\nT 2\n2\nD \\00\\00\\00\\02 row 2\nC SELECT 1\nZ T\n");
    wire_close(wire);
}

/* ---- copy
 * ------------------------------------------------------------------------------------------ */

static void copy_goes_both_ways(void **state) {
    struct wire *wire = wire_login();
    put_text(wire, 'Q', "create table cp(a int, b text)");
    put_text(wire, 'Q', "copy cp from stdin");
    assert_answer(wire, 1, "C CREATE TABLE\nZ I\n");
    assert_string_equal(wire_read(wire, 1, 'G'), "G\n");
    put(wire, 'd', "1\to", 3);
    put(wire, 'd', "ne\n2\ttwo\n", 9);
    put(wire, 'c', "", 0);
    put_text(wire, 'Q', "copy cp to stdout");
    assert_answer(wire, 2, "C COPY 2\nZ I\nH\nd 1\tone\nd 2\ttwo\nc\nC COPY 2\nZ I\n");
    wire_close(wire);
}

static void copy_fails_and_the_rest_is_forgotten(void **state) {
    struct wire *wire = wire_login();
    put_text(wire, 'Q', "copy cp from stdin");
    put(wire, 'd', "9\tnine\n", 7);
    put_text(wire, 'f', "changed my mind");
    put_text(wire, 'Q', "copy cp from stdin");
    put(wire, 'd', "wrong\n", 6);
    put(wire, 'd', "more\n", 5);
    put(wire, 'c', "", 0);
    put_text(wire, 'Q', "select count(*) from cp where a = 9");
    assert_answer(wire, 3,
                  "G\nE 57014 COPY from stdin failed: changed my mind\nZ I\n"
                  "G\nE 22P02 invalid input syntax for type integer: \"wrong\"\nZ I\n"
                  "T 1\nD 0\nC SELECT 1\nZ I\n");
    wire_close(wire);
}

/* ---- cancel, limits, the end
 * ---------------------------------------------------------------------- */

static void another_connection_cancels(void **state) {
    struct wire *wire = wire_login();
    put_text(wire, 'Q', "select pg_sleep(30)");
    wire_send(wire);
    usleep(100000);
    struct wire *wrong = wire_open(), *right = wire_open();
    uint8_t key[8];
    put_be32(key, (uint32_t)wire->pid);
    put_be32(key + 4, (uint32_t)wire->secret + 1);
    put_startup(wrong, CANCEL_REQUEST_CODE, (const char *)key, 8);
    assert_answer(wrong, 1, "EOF\n");
    put_be32(key + 4, (uint32_t)wire->secret);
    put_startup(right, CANCEL_REQUEST_CODE, (const char *)key, 8);
    assert_answer(right, 1, "EOF\n");
    assert_string_equal(wire_read(wire, 1, 'Z'),
                        "T 1\nE 57014 canceling statement due to user request\nZ I\n");
    put_text(wire, 'Q', "select 1");
    assert_answer(wire, 1, "T 1\nD 1\nC SELECT 1\nZ I\n");
    wire_close(wrong);
    wire_close(right);
    wire_close(wire);
}

static void idle_transactions_time_out(void **state) {
    struct wire *wire = wire_login();
    put_text(wire, 'Q', "set idle_in_transaction_session_timeout = '50ms'");
    put_text(wire, 'Q', "begin");
    assert_answer(wire, 2, "C SET\nZ I\nC BEGIN\nZ T\n");
    assert_string_equal(wire_read(wire, 1, 'Z'),
                        "E 25P03 terminating connection due to idle-in-transaction timeout\n"
                        "EOF\n");
    wire_close(wire);
}

static void large_results_and_messages_pass(void **state) {
    struct wire *wire = wire_login();
    struct buffer text = {0};
    buffer_append_text(&text, "select length('");
    for (int i = 0; i < 300000; i++)
        buffer_append_byte(&text, 'x');
    buffer_append_text(&text, "')");
    buffer_append_byte(&text, 0);
    put(wire, 'Q', text.data, text.size);
    assert_answer(wire, 1, "T 1\nD 300000\nC SELECT 1\nZ I\n");
    buffer_release(&text);
    put_text(wire, 'Q', "select g, repeat('y', 100) from generate_series(1, 5000) g");
    wire_send(wire);
    int rows = 0;
    for (;;) {
        while (wire->in_end - wire->in_start < 5 ||
               wire->in_end - wire->in_start < 1 + get_be32(wire->in + wire->in_start + 1))
            assert_true(wire_fill(wire));
        char type = (char)wire->in[wire->in_start];
        wire->in_start += 1 + get_be32(wire->in + wire->in_start + 1);
        rows += type == 'D';
        if (type == 'Z')
            break;
    }
    assert_int_equal(rows, 5000);
    wire_close(wire);
}

/* Any messages with any bodies after a good start: others never notice. */
static void random_messages_hurt_nobody(void **state) {
    static const char types[] = "QPBDECHSdcfFpX~";
    struct wire *good = wire_login();
    struct random random;
    random_seed(&random, 7);
    for (int i = 0; i < 60; i++) {
        struct wire *wire = wire_login();
        for (int m = 0; m < 20; m++) {
            uint8_t body[32];
            size_t size = random_below(&random, sizeof body);
            for (size_t b = 0; b < size; b++)
                body[b] = random_below(&random, 2) == 0 ? 0 : (uint8_t)random_next(&random);
            put(wire, types[random_below(&random, sizeof types - 1)], body, size);
        }
        wire_send(wire);
        shutdown(wire->socket, SHUT_WR);
        while (wire_fill(wire))
            wire->in_start = wire->in_end;
        wire_close(wire);
    }
    put_text(good, 'Q', "select 1");
    assert_answer(good, 1, "T 1\nD 1\nC SELECT 1\nZ I\n");
    wire_close(good);
}

/* Whole messages up to the end of the stream, or the third ReadyForQuery. */
static void assert_whole_messages(struct wire *wire) {
    for (int readies = 0; readies < 3;) {
        size_t there = wire->in_end - wire->in_start;
        const uint8_t *at = wire->in + wire->in_start;
        if (there >= 5)
            assert_in_range(get_be32(at + 1), 4, 1 << 15);
        if (there < 5 || there < 1 + get_be32(at + 1)) {
            if (wire_fill(wire))
                continue;
            assert_int_equal(there, 0);
            return;
        }
        readies += at[0] == 'Z';
        wire->in_start += 1 + get_be32(at + 1);
    }
}

static void a_message_without_memory_is_not_sent_in_part(void **state) {
    char wide[2000];
    memset(wide, 'w', sizeof wide);
    memcpy(wide, "select ", 7);
    snprintf(wide + 1000, sizeof wide - 1000, " from n");
    wide[7] = '\'';
    wide[999] = '\'';
    for (uint64_t nth = 1; nth <= 250; nth++) {
        struct wire *wire = wire_open();
        put_startup(wire, PROTOCOL_VERSION_3, USER, sizeof USER - 1);
        put_text(wire, 'Q', wide);
        put_text(wire, 'Q', wide);
        memory_fail_nth(nth);
        wire_send(wire);
        assert_whole_messages(wire);
        memory_fail_nth(0);
        wire_close(wire);
    }
}

static void clients_that_vanish_leave_no_locks(void **state) {
    struct wire *wire = wire_login(), *other = wire_login();
    put_text(wire, 'Q', "begin; update n set b = 'held' where a = 1");
    assert_answer(wire, 1, "C BEGIN\nC UPDATE 1\nZ T\n");
    struct linger at_once = {.l_onoff = 1};
    setsockopt(wire->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    wire_close(wire);
    put_text(other, 'Q', "update n set b = 'free' where a = 1 returning b");
    assert_answer(other, 1, "T 1\nD free\nC UPDATE 1\nZ I\n");
    wire_close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encryption_is_declined_and_the_start_goes_on),
        cmocka_unit_test(a_newer_minor_version_is_negotiated),
        cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(rubbish_ends_only_its_sender),
        cmocka_unit_test(simple_queries_answer_in_order),
        cmocka_unit_test(a_pipeline_answers_everything),
        cmocka_unit_test(an_empty_statement_has_no_plan),
        cmocka_unit_test(an_error_skips_to_sync_and_undoes_the_batch),
        cmocka_unit_test(portals_stop_at_their_limit),
        cmocka_unit_test(statements_without_rows_have_no_data),
        cmocka_unit_test(malformed_bodies_are_errors_of_the_message),
        cmocka_unit_test(malformed_bodies_undo_what_was_open),
        cmocka_unit_test(function_calls_are_refused),
        cmocka_unit_test(parameters_have_types_that_exist),
        cmocka_unit_test(fetch_and_execute_describe_what_they_return),
        cmocka_unit_test(copy_goes_both_ways),
        cmocka_unit_test(copy_fails_and_the_rest_is_forgotten),
        cmocka_unit_test(another_connection_cancels),
        cmocka_unit_test(idle_transactions_time_out),
        cmocka_unit_test(large_results_and_messages_pass),
        cmocka_unit_test(random_messages_hurt_nobody),
        cmocka_unit_test(a_message_without_memory_is_not_sent_in_part),
        cmocka_unit_test(clients_that_vanish_leave_no_locks),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
