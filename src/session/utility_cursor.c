#include <stdio.h>

#include "session/state.h"

/*
 * DECLARE, FETCH, MOVE, CLOSE. A cursor is a portal under its name. As long as it is only read
 * forward it is run piece by piece; the first other move stores all its rows.
 *
 * position counts rows from 0 (before the first) to row_count + 1 (behind the last); it stands on
 * row number `position`.
 */

static enum status find_cursor(struct session *session, const char *name,
                               struct portal **cursor_out) {
    *cursor_out = (struct portal *)name_table_find(&session->portals, name);
    if (*cursor_out == NULL || !(*cursor_out)->is_cursor)
        return error_set(STATUS_INVALID_CURSOR_NAME, "cursor \"%s\" does not exist", name);
    return STATUS_OK;
}

static enum status declare(struct fiber *f, struct session *session, struct portal *portal) {
    const struct statement_cursor *said = &portal->statement->cursor;
    struct portal *cursor;
    if (!session->in_block && !said->with_hold)
        return error_set(STATUS_NO_ACTIVE_TRANSACTION,
                         "DECLARE CURSOR can only be used in transaction blocks");
    TRY(portal_create(f, session, said->name, &cursor));
    cursor->is_cursor = true;
    cursor->with_hold = said->with_hold;
    cursor->scroll = said->scroll;
    enum status status = portal_set(session, cursor, said->text, (struct statement *)said->query);
    for (size_t i = 0; status == STATUS_OK && said->binary && i < cursor->column_count; i++)
        cursor->columns[i].format = 1;
    if (status == STATUS_OK)
        status = session__check_constants(session, said->query, &cursor->arena);
    if (status == STATUS_OK && said->scroll)
        status = portal_store_rest(f, session, cursor);
    if (status != STATUS_OK)
        portal_close(f, session, cursor);
    return status;
}

/* Row number `number` (from 1) of a stored cursor into `part`. */
static bool stored_row(const struct portal *cursor, uint64_t number, struct batch *part) {
    if (number == 0 || number > cursor->stored.row_count)
        return false;
    const struct stored_batch *at = cursor->stored.first;
    uint64_t skip = number - 1;
    for (; skip >= at->batch.row_count; at = at->next)
        skip -= at->batch.row_count;
    *part = at->batch;
    part->selection = vector_identity + skip;
    part->selected_count = 1;
    return true;
}

struct fetch {
    struct fiber *f;
    struct session *session;
    struct portal *cursor, *portal; /* portal: where rows go; NULL for MOVE */
    uint64_t count;
};

static enum status hand_out(struct fetch *fetch, const struct batch *batch) {
    fetch->count += batch->selected_count;
    return fetch->portal == NULL ? STATUS_OK : kept_rows_append(&fetch->portal->stored, batch);
}

/* The next `count` rows of a cursor that has only been read forward. */
static enum status fetch_forward(struct fetch *fetch, uint64_t count) {
    struct portal *cursor = fetch->cursor;
    if (cursor->finished)
        return STATUS_OK;
    while (count > 0) {
        if (cursor->batch == NULL) {
            TRY(portal_next_batch(fetch->f, fetch->session, cursor, &cursor->batch));
            cursor->batch_row = 0;
            if (cursor->batch == NULL) {
                cursor->finished = true;
                cursor->position++;
                return STATUS_OK;
            }
        }
        struct batch part = *cursor->batch;
        uint64_t left = part.selected_count - cursor->batch_row;
        uint32_t take = (uint32_t)(left < count ? left : count);
        part.selection =
            (part.selection == NULL ? vector_identity : part.selection) + cursor->batch_row;
        part.selected_count = take;
        TRY(hand_out(fetch, &part));
        cursor->batch_row += take;
        cursor->position += take;
        count -= take;
        if (cursor->batch_row == cursor->batch->selected_count)
            cursor->batch = NULL;
    }
    return STATUS_OK;
}

/* Stand on row `position`, clamped to the ends; hand it out if there is one. */
static enum status go_to(struct fetch *fetch, int64_t position) {
    struct portal *cursor = fetch->cursor;
    uint64_t end = cursor->stored.row_count + 1;
    struct batch part;
    cursor->position = position < 0 ? 0 : (uint64_t)position > end ? end : (uint64_t)position;
    return stored_row(cursor, cursor->position, &part) ? hand_out(fetch, &part) : STATUS_OK;
}

static enum status fetch_stored(struct fetch *fetch, enum fetch_direction direction,
                                int64_t count) {
    struct portal *cursor = fetch->cursor;
    int64_t rows = (int64_t)cursor->stored.row_count;
    int64_t at = (int64_t)cursor->position;
    switch (direction) {
    case FETCH_ABSOLUTE:
        return go_to(fetch, count < 0 ? rows + 1 + count : count);
    case FETCH_RELATIVE:
        return go_to(fetch, at + count);
    case FETCH_FORWARD:
    case FETCH_BACKWARD:
        break;
    }
    bool backward = direction == FETCH_BACKWARD;
    if (count < 0) {
        backward = !backward;
        count = count == INT64_MIN ? INT64_MAX : -count;
    }
    if (count == 0)
        return go_to(fetch, at);
    for (int64_t i = 0; i < count; i++) {
        at += backward ? -1 : 1;
        TRY(go_to(fetch, at));
        if (at < 1 || at > rows)
            break;
    }
    return STATUS_OK;
}

static enum status run_fetch(struct fiber *f, struct session *session, struct portal *portal,
                             char tag[TAG_SIZE]) {
    const struct statement_cursor *said = &portal->statement->cursor;
    bool move = portal->statement->kind == STATEMENT_MOVE;
    struct fetch fetch = {.f = f, .session = session, .portal = move ? NULL : portal};
    TRY(find_cursor(session, said->name, &fetch.cursor));
    struct portal *cursor = fetch.cursor;
    bool plain = said->direction == FETCH_FORWARD && said->count > 0;
    if (!plain && !cursor->scroll) {
        enum status status =
            error_set(STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward");
        error_hint("Declare it with SCROLL option to enable backward scan.");
        return status;
    }
    if (cursor->scroll) {
        TRY(fetch_stored(&fetch, said->direction, said->count));
    } else {
        TRY(portal_start(f, session, cursor));
        TRY(fetch_forward(&fetch, (uint64_t)said->count));
    }
    snprintf(tag, TAG_SIZE, "%s %llu", move ? "MOVE" : "FETCH", (unsigned long long)fetch.count);
    return STATUS_OK;
}

static enum status run_close(struct fiber *f, struct session *session,
                             const struct statement *statement, char tag[TAG_SIZE]) {
    snprintf(tag, TAG_SIZE, "%s", statement->tag);
    struct portal *cursor;
    if (statement->cursor.name != NULL) {
        TRY(find_cursor(session, statement->cursor.name, &cursor));
        portal_close(f, session, cursor);
        return STATUS_OK;
    }
    for (int i = 0; i < NAME_BUCKETS; i++)
        for (struct named *at = session->portals.buckets[i], *next; at != NULL; at = next) {
            next = at->next;
            if (((struct portal *)at)->is_cursor)
                portal_close(f, session, (struct portal *)at);
        }
    return STATUS_OK;
}

enum status session__run_cursor(struct fiber *f, struct session *session, struct portal *portal,
                                char tag[TAG_SIZE]) {
    switch (portal->statement->kind) {
    case STATEMENT_DECLARE_CURSOR:
        return declare(f, session, portal);
    case STATEMENT_CLOSE_CURSOR:
        return run_close(f, session, portal->statement, tag);
    default:
        return run_fetch(f, session, portal, tag);
    }
}
