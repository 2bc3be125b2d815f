/*
 * Inside libsatori: the embedding API over runtime, engine and sessions.
 *
 * The caller's thread never runs database code: each call sends a fiber to core 0 and sleeps until
 * it is done. Prepared statements fetch up to a batch of rows a call. satori_query must run the
 * receiver's functions on the caller's thread while the session produces results on the core, so
 * the two hold a conversation: a fiber runs the query and fills a tape of events; the caller takes
 * the tape when it is full or the fiber needs an answer, plays it, and comes back.
 *
 *      caller                       core 0
 *      ------                       ------
 *      conversation_next  ------->  query fiber fills the tape ... full, finished or COPY input
 *      play the tape      <-------  (query fiber waits)
 *      conversation_next  ------->  goes on
 */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "satori.h"

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "runtime/runtime.h"
#include "runtime/runtime_sync.h"
#include "session/session.h"

enum { TAPE_SIZE_FULL = 256 << 10, ROWS_PER_STEP = VECTOR_SIZE };

struct satori {
    struct runtime *runtime;
    struct engine *engine;
};

/* What the query fiber tells the caller, in order; all in the tape's arena. */
enum event_kind {
    EVENT_COLUMNS,
    EVENT_ROW,
    EVENT_COMPLETE,
    EVENT_NOTICE,
    EVENT_COPY_WRITE,
};

struct tape_event {
    struct tape_event *next;
    enum event_kind kind;
    size_t count;
    const char **texts;
    union {
        size_t *sizes;
        uint32_t *type_oids;
    };
};

struct tape {
    struct arena arena;
    struct tape_event *first, **last;
};

struct conversation {
    struct satori_connection *connection;
    const char *sql;
    struct tape tape;
    bool started, waiting_for_input, finished, ready, abandoned;
    bool over; /* as the caller knows: finished, when it was last on the core */
    struct slice input;
    struct condition caller_wakes, fiber_wakes;
    enum status status;
    struct error error;
};

struct satori_connection {
    struct sink sink; /* first: a sink pointer is a connection pointer */
    struct satori *database;
    struct session *session;
    struct error error;
    struct conversation *conversation; /* while satori_query runs */
    struct satori_statement *stepping; /* while satori_step runs */
    struct satori_statement *statements;
    unsigned active_count; /* statements with a portal open */
    uint64_t name_next;
};

struct bound_parameter {
    struct session_parameter parameter;
    uint8_t *bytes;
};

struct satori_statement {
    struct satori_connection *connection;
    struct satori_statement *next;
    char name[32];
    size_t parameter_count;
    uint32_t *parameter_types;
    struct bound_parameter *parameters;
    size_t column_count;
    struct column_description *columns;
    struct arena description_arena;
    bool active, suspended, done;
    /* The rows at hand. */
    struct arena row_arena;
    struct batch rows;
    uint32_t row_next;
    bool row_valid;
    struct buffer *texts; /* one for each column: the text of the current row */
    uint64_t changes;
};

/* Keep the failure of `status` (its detail is in the caller thread's slot) with the connection. */
int server__result(struct satori_connection *connection, enum status status);
/* The functions through which a session speaks to a connection (server_api_sink.c). */
extern const struct sink server__sink_functions;
/* Forget what was recorded. */
void server__tape_rewind(struct tape *tape);

#endif
