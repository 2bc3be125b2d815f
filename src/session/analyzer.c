/*
 * Statistics by themselves: a fiber in the background that runs ANALYZE on tables whose statistics
 * are missing or old.
 *
 * A table is due when it has some rows and was never analyzed; when it has twice or half the rows
 * it had; or, once a minute, when a tenth of them and a bit has changed (PostgreSQL's rule).
 * Changes are counted since the store was opened only. One table is analyzed at a time, in a
 * session of the engine's own, which gives way: it waits for no lock, and when somebody waits for
 * what it holds it is cancelled and the table's turn comes again later.
 */
#include <math.h>
#include <stdlib.h>

#include "base/base_chance.h"
#include "base/base_log.h"
#include "runtime/runtime_sync.h"
#include "session/state.h"
#include "table/table.h"

enum { ROWS_MIN = 64, CHANGES_MIN = 50 };
static const double CHANGED_SHARE = 0.1;
static const int64_t PASS_PAUSE_NS = INT64_C(1000000000), LOOK_PAUSE_NS = INT64_C(50000000);
static const int64_t CHANGED_NS = INT64_C(60000000000), RETRY_NS = INT64_C(10000000000);

/* What is remembered of a table. */
struct seen {
    uint32_t oid;
    double row_estimate;        /* the catalog's: another one tells of an ANALYZE */
    struct table_counts counts; /* when it was analyzed */
    int64_t at_ns;              /* when, or when it was tried in vain; 0: before our time */
    bool failed;
};

struct analyzer {
    struct engine *engine;
    bool stopping;
    struct event wanted, ended;
    struct seen *seen; /* by oid */
    size_t seen_count;
    uint64_t commits; /* when the tables were looked at */
    bool any_later;   /* a table's time has not come yet, or comes again */
};

/* Wait until the event is set, at most so long. */
static bool wait_for(struct fiber *f, struct event *event, int64_t ns) {
    fiber_deadline_set(f, (struct deadline){clock_monotonic_ns() + ns, STATUS_CANCELED, "pause"});
    bool set = event_wait(f, event) == STATUS_OK;
    if (!set)
        error_clear();
    fiber_deadline_set(f, (struct deadline){0});
    return set;
}

/* ---- one table -------------------------------------------------------------------------------
 */

struct turn {
    struct engine *engine;
    const struct table *table;
    struct session *session;
    struct event ended;
    enum status status;
    struct error error;
};

static enum status completed(struct fiber *f, struct sink *sink, const char *tag, bool suspended) {
    return STATUS_OK;
}

static enum status analyze_now(struct fiber *f, struct turn *turn) {
    static const char *const names[] = {"application_name", "lock_timeout"};
    static const char *const values[] = {"auto_analyze", "1"};
    struct sink sink = {.complete = completed};
    struct session_options options = {.setting_names = names,
                                      .setting_values = values,
                                      .setting_count = 2,
                                      .sink = &sink,
                                      .in_background = true};
    struct buffer text = {0};
    buffer_append_text(&text, "analyze ");
    identifier_append(&text, slice_of_text(turn->table->namespace_name));
    buffer_append_text(&text, ".");
    identifier_append(&text, slice_of_text(turn->table->name));
    buffer_append_byte(&text, 0);
    enum status status = buffer_status(&text);
    struct session *session;
    if (status == STATUS_OK)
        status = session_open(f, turn->engine, &options, &session);
    if (status == STATUS_OK) {
        turn->session = session;
        status = session_query(f, session, (const char *)text.data);
        turn->error = *error_current();
        turn->session = NULL;
        session_close(f, session);
    } else {
        turn->error = *error_current();
    }
    buffer_release(&text);
    return status;
}

static enum status turn_body(struct fiber *f, void *argument) {
    struct turn *turn = argument;
    turn->status = analyze_now(f, turn);
    event_set(&turn->ended);
    return STATUS_OK;
}

/* Does the session stand in anybody's way? */
static bool is_waited_for(struct fiber *f, struct turn *turn) {
    bool waited_for = false;
    if (turn->session == NULL || turn->session->transaction == NULL)
        return false;
    struct transaction_id id = transaction_id(turn->session->transaction);
    if (txn_is_waited_for(f, turn->engine->store, id, &waited_for) != STATUS_OK)
        error_clear();
    return waited_for;
}

/* The session runs in a fiber of its own, so that this one can watch it. */
static void analyze(struct fiber *f, struct analyzer *analyzer, const struct table *table,
                    struct seen *seen) {
    struct turn turn = {.engine = analyzer->engine, .table = table, .status = STATUS_CANCELED};
    int64_t start = clock_monotonic_ns();
    seen->at_ns = start;
    seen->failed = true;
    if (fiber_spawn_detached(f, FIBER_BACKGROUND, "analyze", turn_body, &turn) != STATUS_OK) {
        error_clear();
        return;
    }
    bool stop = false;
    while (!stop && !wait_for(f, &turn.ended, LOOK_PAUSE_NS)) {
        stop = analyzer->stopping || fiber_cancelled(f);
        if ((stop || is_waited_for(f, &turn)) && turn.session != NULL)
            engine__signal(analyzer->engine, session_pid(turn.session), false);
    }
    fiber_shield(f);
    enum status ended = event_wait(f, &turn.ended);
    ASSERT(ended == STATUS_OK);
    fiber_unshield(f);
    seen->failed = turn.status != STATUS_OK;
    analyzer->any_later |= seen->failed;
    seen->at_ns = clock_monotonic_ns();
    if (!seen->failed)
        LOG(LOG_INFO, "session", "table \"%s\" was analyzed: ms=%lld", table->name,
            (long long)(seen->at_ns - start) / 1000000);
    else if (!atomic_load(&analyzer->engine->stopping))
        LOG(LOG_INFO, "session", "table \"%s\" was not analyzed: %s", table->name,
            turn.error.message);
}

/* ---- which ----------------------------------------------------------------------------------
 */

static int compare_seen(const void *a, const void *b) {
    const struct seen *x = a, *y = b;
    return (x->oid > y->oid) - (x->oid < y->oid);
}

/* What was remembered, or a beginning. */
static struct seen recall(const struct analyzer *analyzer, const struct table *table,
                          const struct table_counts *now) {
    struct seen new = {.oid = table->oid, .row_estimate = table->row_estimate, .counts = *now};
    const struct seen *old =
        analyzer->seen_count == 0
            ? NULL
            : bsearch(&new, analyzer->seen, analyzer->seen_count, sizeof new, compare_seen);
    if (old != NULL && old->row_estimate == table->row_estimate)
        return *old;
    if (old == NULL) { /* what has changed before our time is not known */
        double rows = (double)now->rows;
        if (rows > table->row_estimate * 2 || rows < table->row_estimate / 2)
            new.counts.rows = (uint64_t)fmax(table->row_estimate, 0);
    } else {
        new.at_ns = clock_monotonic_ns();
    }
    return new;
}

static bool is_due(struct analyzer *analyzer, const struct table *table, const struct seen *seen,
                   const struct table_counts *now) {
    int64_t age = seen->at_ns == 0 ? INT64_MAX : clock_monotonic_ns() - seen->at_ns;
    double then = (double)seen->counts.rows, rows = (double)now->rows;
    double changes = fmax((double)(now->changes - seen->counts.changes), fabs(rows - then));
    bool chance = rows > 0 && by_chance("session: tables are analyzed early");
    bool missing = table->statistics == NULL;
    bool other_size = changes >= ROWS_MIN && (rows >= then * 2 || rows <= then / 2);
    if (missing ? rows < ROWS_MIN : changes < CHANGES_MIN + CHANGED_SHARE * then)
        return chance;
    int64_t wait = seen->failed ? RETRY_NS : missing || other_size ? 0 : CHANGED_NS;
    analyzer->any_later |= age < wait;
    return age >= wait || chance;
}

static enum status look(struct fiber *f, struct analyzer *analyzer, const struct table *table,
                        struct seen *seen) {
    struct arena arena = {0};
    struct table_context context = {
        .catalog = analyzer->engine->catalog, .store = analyzer->engine->store, .arena = &arena};
    struct table_counts now;
    enum status status = table_count_estimate(f, &context, table, &now);
    arena_release(&arena);
    TRY(status);
    *seen = recall(analyzer, table, &now);
    if (!is_due(analyzer, table, seen, &now))
        return STATUS_OK;
    analyze(f, analyzer, table, seen);
    if (!seen->failed) {
        struct schema *schema = catalog_schema(analyzer->engine->catalog);
        const struct table *after = schema_table_by_oid(schema, table->oid);
        seen->counts = now;
        seen->row_estimate = after != NULL ? after->row_estimate : seen->row_estimate;
        schema_release(schema);
    }
    return STATUS_OK;
}

static void pass(struct fiber *f, struct analyzer *analyzer) {
    struct store_statistics now;
    store_statistics(analyzer->engine->store, &now);
    if (now.commits == analyzer->commits && !analyzer->any_later)
        return;
    analyzer->commits = now.commits;
    analyzer->any_later = false;
    struct schema *schema = catalog_schema(analyzer->engine->catalog);
    size_t count = schema_table_count(schema), kept = 0;
    struct seen *seen = memory_alloc_zeroed(count + 1, sizeof *seen);
    for (size_t i = 0; i < count && seen != NULL && !analyzer->stopping; i++) {
        const struct table *table = schema_table_at(schema, i);
        if (table->kind != RELATION_TABLE || table->is_system)
            continue;
        if (look(f, analyzer, table, &seen[kept]) == STATUS_OK) {
            kept++;
        } else {
            error_clear(); /* dropped meanwhile, or no memory: its turn comes again */
            analyzer->any_later = true;
        }
    }
    schema_release(schema);
    if (seen == NULL)
        return;
    qsort(seen, kept, sizeof *seen, compare_seen);
    memory_free(analyzer->seen);
    analyzer->seen = seen;
    analyzer->seen_count = kept;
}

/* ---- its life --------------------------------------------------------------------------------
 */

static enum status analyzer_body(struct fiber *f, void *argument) {
    struct analyzer *analyzer = argument;
    while (!analyzer->stopping && !fiber_cancelled(f)) {
        wait_for(f, &analyzer->wanted, PASS_PAUSE_NS);
        if (!analyzer->stopping && !fiber_cancelled(f))
            pass(f, analyzer);
    }
    event_set(&analyzer->ended);
    return STATUS_OK;
}

enum status analyzer__start(struct fiber *f, struct engine *engine) {
    struct analyzer *analyzer = memory_alloc_zeroed(1, sizeof *analyzer);
    if (analyzer == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    analyzer->engine = engine;
    enum status status =
        fiber_spawn_detached(f, FIBER_BACKGROUND, "analyzer", analyzer_body, analyzer);
    if (status == STATUS_OK)
        engine->analyzer = analyzer;
    else
        memory_free(analyzer);
    return status;
}

void analyzer__stop(struct fiber *f, struct engine *engine) {
    struct analyzer *analyzer = engine->analyzer;
    if (analyzer == NULL)
        return;
    analyzer->stopping = true;
    event_set(&analyzer->wanted);
    fiber_shield(f);
    enum status status = event_wait(f, &analyzer->ended);
    ASSERT(status == STATUS_OK);
    fiber_unshield(f);
    engine->analyzer = NULL;
    memory_free(analyzer->seen);
    memory_free(analyzer);
}
