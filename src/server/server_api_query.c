/* libsatori: statements as text. See api.h for the conversation. */
#include "server/api.h"

/* ---- statements as text: the conversation --------------------------------------------------- */

static enum status query_fiber(struct fiber *f, void *argument) {
    struct conversation *conversation = argument;
    conversation->status = session_query(f, conversation->connection->session, conversation->sql);
    conversation->error = *error_current();
    conversation->finished = true;
    conversation->ready = true;
    condition_wake_all(&conversation->caller_wakes);
    return STATUS_OK;
}

/* On the core, for the caller: let the query fiber run until there is a tape to play. When it was
   cancelled it did not wait for the caller and may have finished before. */
static enum status conversation_next(struct fiber *f, void *argument) {
    struct conversation *conversation = argument;
    if (!conversation->started) {
        conversation->started = true;
        TRY(fiber_spawn_detached(f, FIBER_LATENCY, "embedded query", query_fiber, conversation));
    } else {
        conversation->waiting_for_input = false;
        conversation->ready = conversation->finished;
        condition_wake_all(&conversation->fiber_wakes);
    }
    /* Shielded: the query fiber uses our memory, so this wait ends only with it. */
    fiber_shield(f);
    enum status status = STATUS_OK;
    while (!conversation->ready && status == STATUS_OK)
        status = condition_wait(f, &conversation->caller_wakes);
    fiber_unshield(f);
    conversation->over = conversation->finished;
    return status;
}

void server__tape_rewind(struct tape *tape) {
    arena_reset(&tape->arena);
    tape->first = NULL;
    tape->last = &tape->first;
}

/* Returns non-zero when a receiver function gave up. */
static int play_event(const struct tape_event *event, const struct satori_receiver *receiver) {
    void *context = receiver->context;
    switch (event->kind) {
    case EVENT_COLUMNS:
        return receiver->columns == NULL
                   ? 0
                   : receiver->columns(context, event->count, event->texts, event->type_oids);
    case EVENT_ROW:
        return receiver->row == NULL
                   ? 0
                   : receiver->row(context, event->count, event->texts, event->sizes);
    case EVENT_COMPLETE:
        return receiver->complete == NULL ? 0 : receiver->complete(context, event->texts[0]);
    case EVENT_NOTICE:
        if (receiver->notice != NULL)
            receiver->notice(context, event->texts[0], event->texts[1]);
        return 0;
    case EVENT_COPY_WRITE:
        return receiver->copy_write == NULL
                   ? 0
                   : receiver->copy_write(context, event->texts[0], event->sizes[0]);
    }
    return 0;
}

static void play(struct conversation *conversation, const struct satori_receiver *receiver) {
    struct tape *tape = &conversation->tape;
    for (struct tape_event *event = tape->first; event != NULL && !conversation->abandoned;
         event = event->next)
        conversation->abandoned = play_event(event, receiver) != 0;
    server__tape_rewind(tape);
    if (conversation->waiting_for_input && !conversation->abandoned) {
        const char *data = NULL;
        long size = receiver->copy_read == NULL ? 0 : receiver->copy_read(receiver->context, &data);
        if (size < 0)
            conversation->abandoned = true;
        else
            conversation->input = slice_of(data, (size_t)size);
    }
}

int satori_query(struct satori_connection *connection, const char *sql,
                 const struct satori_receiver *receiver) {
    error_clear();
    if (connection->active_count > 0)
        return server__result(connection,
                              error_set(STATUS_OBJECT_IN_USE,
                                        "a prepared statement of this connection is still being "
                                        "stepped: reset or finalize it first"));
    struct conversation conversation = {.connection = connection, .sql = sql};
    server__tape_rewind(&conversation.tape);
    connection->conversation = &conversation;
    enum status status = STATUS_OK;
    while (!conversation.over && status == STATUS_OK) {
        status = runtime_run(connection->database->runtime, 0, conversation_next, &conversation);
        if (status == STATUS_OK)
            play(&conversation, receiver);
    }
    connection->conversation = NULL;
    arena_release(&conversation.tape.arena);
    if (status == STATUS_OK && conversation.status != STATUS_OK) {
        status = conversation.status;
        *error_current() = conversation.error;
    }
    return server__result(connection, status);
}

int satori_execute(struct satori_connection *connection, const char *sql) {
    static const struct satori_receiver nobody;
    return satori_query(connection, sql, &nobody);
}
