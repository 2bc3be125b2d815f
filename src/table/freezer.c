/*
 * Which ranges to freeze, and when.
 *
 * A range with the table's option `on` is frozen when nobody has written to it for a while and
 * there is enough in it: half a range of new rows, or, over a block, a sixteenth of its rows
 * changed. Ranges at the end of the table that are not full yet must be quiet for longer. And
 * whatever is written to it, a range is frozen when scans have paid for it: when they have read its
 * hot rows so often that freezing all of it would have cost less (as one who rents skis buys them
 * when the rent has come to the price).
 *
 * `eager` (for tests, and for tables that are loaded and then read) takes whatever is there. Work
 * is paced: after each range the fiber sleeps at least as long as it worked.
 */
#include "table/table_freeze.h"

#include "base/base_chance.h"
#include "base/base_list.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "runtime/runtime_sync.h"
#include "table/catalog_private.h"
#include "table/freeze.h"

enum {
    PASS_PAUSE_MS = 1000,
    PASS_PAUSE_EAGER_MS = 100,
    ROWS_NEW_MIN = BLOCK_ROWS_MAX / 2,
    ROWS_CHANGED_MIN = BLOCK_ROWS_MAX / 16,
    ROWS_PARTIAL_MIN = BLOCK_ROWS_MAX / 8,
    ROWS_FULL_MIN = 1024,
    ROWS_PAID_MIN = 1024,
    JOIN_PASSES = 60,    /* of which one looks for small blocks ... */
    JOIN_ALL_TURNS = 60, /* of these, one at those whose headers must be fetched, too */
    PAID_READS = 40,     /* to freeze and purge a row costs as much as reading it hot so often */
    BUSY_ATTEMPTS = 10,
    REFUSED_MAX = 256, /* ranges remembered as too wide */
    FROZEN_MAX = 64,   /* ranges frozen before all of them are purged */
    OWED_MAX = 64,     /* ranges remembered as those that rows were moved to */
    HORIZON_WAITS = 50,
};
static const int64_t QUIET_NS = INT64_C(10000000000);
static const int64_t QUIET_PARTIAL_NS = INT64_C(60000000000);
static const int64_t BUSY_PAUSE_NS = INT64_C(5000000);
static const int64_t HORIZON_PAUSE_NS = INT64_C(10000000);

struct range_name {
    struct tree_id tree;
    unsigned partition;
    uint64_t range;
};

struct frozen {
    unsigned partition;
    uint64_t range;
    struct freeze_block made;
};

struct freezer {
    struct catalog *catalog;
    bool stopping;
    struct event wanted, ended;
    struct range_name refused[REFUSED_MAX], owed[OWED_MAX]; /* rings */
    size_t refused_next, owed_next;
    struct frozen frozen[FROZEN_MAX]; /* of the table at hand, not purged yet */
    size_t frozen_count;
    bool any_eager;
    uint64_t passes;
    struct freezer_progress progress;
    struct list demands; /* struct demand: what VACUUM (FREEZE) is at */
};

struct demand {
    struct list link;
    struct freezer_progress progress;
};

/* ---- one range ---------------------------------------------------------------------------------
 */

struct range_look {
    const struct table *table;
    uint64_t from;   /* row id */
    uint64_t range;  /* out; UINT64_MAX: no more */
    uint64_t rows;   /* out: estimate, leftovers included */
    bool full;       /* out: no more ids will be given out in it */
    uint64_t reads;  /* out: of hot rows, by scans since it was frozen last */
    int64_t idle_ns; /* out */
};

static enum status look_here(struct fiber *f, struct partition *partition, void *argument) {
    struct range_look *look = argument;
    struct tree_id tree = look->table->row_tree;
    uint64_t number;
    TRY(partition_number_from(f, partition, tree, look->from, &number));
    look->range = UINT64_MAX;
    if (number == UINT64_MAX)
        return STATUS_OK;
    look->range = number >> BLOCK_RANGE_BITS;
    uint64_t first = block_first_row(look->range), last = first + BLOCK_ROWS_MAX - 1;
    struct row_id next;
    TRY(partition_range_count(f, partition, tree, first, last, &look->rows));
    TRY(partition_row_ids(f, partition, tree, 0, &next));
    look->full = block_range(next) != look->range;
    look->idle_ns = partition_idle_ns(partition, tree, look->range);
    look->reads = partition_reads(partition, tree, look->range);
    return STATUS_OK;
}

/* What is being worked at. */
static void progress_note(struct freezer_progress *progress, const struct freeze_work *work) {
    progress->table_oid = work->table->oid;
    progress->partition = work->partition;
    progress->first_row = block_first_row(work->range);
}

/* Purge all that can be purged of a range. */
static enum status purge(struct fiber *f, struct freeze_work *work, uint64_t *purged) {
    do {
        TRY(freeze__purge(f, work));
        *purged += work->purged;
    } while (work->more);
    return STATUS_OK;
}

static struct range_name name_of(const struct freeze_work *work) {
    return (struct range_name){work->table->row_tree, work->partition, work->range};
}

/* Where it is in a ring; NULL: nowhere. */
static struct range_name *name_find(struct range_name *names, size_t count,
                                    const struct freeze_work *work) {
    for (size_t i = 0; i < count; i++) {
        if (names[i].tree.value == work->table->row_tree.value &&
            names[i].partition == work->partition && names[i].range == work->range)
            return &names[i];
    }
    return NULL;
}

static bool is_refused(struct freezer *freezer, const struct freeze_work *work) {
    return name_find(freezer->refused, REFUSED_MAX, work) != NULL;
}

static void refuse(struct freezer *freezer, const struct freeze_work *work) {
    freezer->refused[freezer->refused_next++ % REFUSED_MAX] = name_of(work);
    LOG(LOG_INFO, "table", "rows of table \"%s\" are too wide for a block: partition=%u range=%llu",
        work->table->name, work->partition, (unsigned long long)work->range);
}

/* Is it worth it, with so many rows that are newer than the block? */
static bool is_due(const struct range_look *look, uint64_t rows, uint64_t block_rows,
                   bool has_block) {
    if (look->table->freeze == FREEZE_EAGER || by_chance("table: rows freeze early"))
        return rows > 0;
    if (rows >= ROWS_PAID_MIN && look->reads / PAID_READS >= rows + block_rows)
        return true;
    if (has_block)
        return rows >= ROWS_CHANGED_MIN && look->idle_ns >= QUIET_NS;
    if (look->full && look->idle_ns >= QUIET_NS && rows >= ROWS_NEW_MIN)
        return true;
    if (look->full) /* of wide rows, or left behind */
        return rows >= ROWS_FULL_MIN && look->idle_ns >= QUIET_PARTIAL_NS;
    return rows >= ROWS_PARTIAL_MIN && look->idle_ns >= QUIET_PARTIAL_NS;
}

/* Purge what was frozen last, as soon as no snapshot needs it: until then scans step over it. Who
   has an old snapshot is waited for a moment only; another visit purges what remains. */
static enum status frozen_purge(struct fiber *f, struct freezer *freezer,
                                const struct table *table) {
    const struct store *store = freezer->catalog->store;
    size_t count = freezer->frozen_count;
    freezer->frozen_count = 0;
    if (count == 0)
        return STATUS_OK;
    struct commit_number last = freezer->frozen[count - 1].made.commit;
    for (int wait = 0;
         wait < HORIZON_WAITS && !freezer->stopping && store_horizon(store).value < last.value;
         wait++)
        TRY(fiber_sleep(f, HORIZON_PAUSE_NS));
    for (size_t i = 0; i < count && !freezer->stopping; i++) {
        const struct frozen *frozen = &freezer->frozen[i];
        struct freeze_work work = {.catalog = freezer->catalog,
                                   .table = table,
                                   .partition = frozen->partition,
                                   .range = frozen->range,
                                   .commit = frozen->made.commit,
                                   .made = frozen->made};
        TRY(purge(f, &work, &freezer->progress.rows_purged));
    }
    return STATUS_OK;
}

/* Freeze it now; frozen_purge does the rest. */
static enum status range_freeze(struct fiber *f, struct freezer *freezer,
                                struct freeze_work *work) {
    TRY(freeze__range(f, work));
    struct range_name *owed = name_find(freezer->owed, OWED_MAX, work);
    if (owed != NULL && work->outcome != FREEZE_BUSY)
        *owed = (struct range_name){0};
    if (work->outcome == FREEZE_TOO_LARGE)
        refuse(freezer, work);
    if (work->outcome == FREEZE_DONE) {
        freezer->progress.blocks_made++;
        freezer->progress.rows_frozen += work->rows;
        freezer->frozen[freezer->frozen_count++] =
            (struct frozen){work->partition, work->range, work->made};
    }
    return freezer->frozen_count < FROZEN_MAX ? STATUS_OK : frozen_purge(f, freezer, work->table);
}

static enum status range_visit(struct fiber *f, struct freezer *freezer, struct freeze_work *work,
                               const struct range_look *look) {
    bool owed = name_find(freezer->owed, OWED_MAX, work) != NULL;
    bool maybe = owed || is_due(look, look->rows, 0, false) || is_due(look, look->rows, 0, true);
    if (!maybe || is_refused(freezer, work))
        return STATUS_OK;
    uint64_t purged = 0;
    progress_note(&freezer->progress, work);
    TRY(purge(f, work, &purged));
    freezer->progress.rows_purged += purged;
    bool has_block = work->outcome != FREEZE_NOTHING;
    uint64_t rows = look->rows > purged ? look->rows - purged : 0;
    bool due = owed || is_due(look, rows, work->block_rows, has_block);
    return due ? range_freeze(f, freezer, work) : STATUS_OK;
}

/* ---- the background
 * ------------------------------------------------------------------------------ */

/* Wait for an event at most so long. */
static void pause_for(struct fiber *f, struct freezer *freezer, int64_t ns) {
    fiber_deadline_set(f, (struct deadline){clock_monotonic_ns() + ns, STATUS_CANCELED, "pause"});
    if (event_wait(f, &freezer->wanted) != STATUS_OK)
        error_clear();
    fiber_deadline_set(f, (struct deadline){0});
}

/* Pause for as long as was worked since `start`. */
static void pace(struct fiber *f, struct freezer *freezer, int64_t start) {
    int64_t worked = clock_monotonic_ns() - start;
    if (worked > 1000000)
        pause_for(f, freezer, worked);
}

/* Rows were moved to the range: they were cold and shall be so again. If it can't be frozen now,
   the next passes see to it. */
static enum status moved_freeze(struct fiber *f, struct freezer *freezer,
                                struct freeze_work *work) {
    TRY(range_freeze(f, freezer, work));
    if (work->outcome == FREEZE_BUSY && name_find(freezer->owed, OWED_MAX, work) == NULL)
        freezer->owed[freezer->owed_next++ % OWED_MAX] = name_of(work);
    return STATUS_OK;
}

/* Empty one into the range that grows, and freeze what is left at once: until then each of its rows
   is hidden by one that says that it is gone. */
static enum status range_empty(struct fiber *f, struct freezer *freezer, struct freeze_work *work,
                               uint64_t *moved) {
    uint64_t before = *moved;
    progress_note(&freezer->progress, work);
    do {
        int64_t start = clock_monotonic_ns();
        TRY(freeze__move_rows(f, work));
        *moved += work->moved;
        freezer->progress.rows_moved += work->moved;
        pace(f, freezer, start);
    } while (work->more && !freezer->stopping);
    bool emptied = *moved > before || work->outcome == FREEZE_NOTHING;
    return emptied ? range_freeze(f, freezer, work) : STATUS_OK;
}

static enum status partition_join(struct fiber *f, struct freezer *freezer,
                                  const struct table *table, unsigned partition) {
    bool eager = table->freeze == FREEZE_EAGER, early = by_chance("table: small blocks are joined");
    bool turn = freezer->passes % JOIN_PASSES == 0;
    if (!eager && !early && !turn)
        return STATUS_OK;
    struct freeze_small small = {
        .catalog = freezer->catalog,
        .table = table,
        .partition = partition,
        .quiet_ns = eager || early ? 0 : QUIET_NS,
        .at_once = eager || early,
        .all = early || (turn && (eager || freezer->passes / JOIN_PASSES % JOIN_ALL_TURNS == 1)),
    };
    struct freeze_work work = {.catalog = small.catalog, .table = table, .partition = partition};
    uint64_t moved = 0;
    TRY(freeze__small_find(f, &small));
    work.range = small.grows;
    if (is_refused(freezer, &work))
        return STATUS_OK;
    for (size_t i = 0; i < small.count && !freezer->stopping; i++) {
        work.range = small.ranges[i];
        work.block_rows = small.rows[i];
        TRY(range_empty(f, freezer, &work, &moved));
    }
    if (moved == 0)
        return STATUS_OK;
    work.range = small.grows;
    TRY(moved_freeze(f, freezer, &work));
    TRY(freeze__find_growing(f, &small));
    bool went_on = small.grows != work.range; /* the first one was full before all were moved */
    work.range = small.grows;
    return went_on ? moved_freeze(f, freezer, &work) : STATUS_OK;
}

static enum status partition_visit(struct fiber *f, struct freezer *freezer,
                                   const struct table *table, unsigned partition) {
    struct range_look look = {.table = table};
    struct freeze_work work = {.catalog = freezer->catalog, .table = table, .partition = partition};
    while (!freezer->stopping) {
        int64_t start = clock_monotonic_ns();
        TRY(partition_call(f, freezer->catalog->store, partition, look_here, &look));
        if (look.range == UINT64_MAX)
            break;
        work.range = look.range;
        look.from = block_first_row(look.range + 1);
        work.commit.value = work.made.commit.value = 0;
        TRY(range_visit(f, freezer, &work, &look));
        pace(f, freezer, start);
    }
    return partition_join(f, freezer, table, partition);
}

static void complain(const struct table *table, enum status status) {
    if (status == STATUS_OK)
        return;
    LOG(LOG_WARNING, "table", "freezing table \"%s\": %s", table->name, error_current()->message);
    error_clear();
}

static void pass(struct fiber *f, struct freezer *freezer) {
    struct schema *schema = catalog_schema(freezer->catalog);
    freezer->any_eager = false;
    freezer->passes++;
    for (size_t i = 0; i < schema_table_count(schema) && !freezer->stopping; i++) {
        const struct table *table = schema_table_at(schema, i);
        if (table->kind != RELATION_TABLE || table->is_system || table->freeze == FREEZE_OFF)
            continue;
        freezer->any_eager |= table->freeze == FREEZE_EAGER;
        uint64_t partitions = table_partitions(freezer->catalog->store, table);
        freezer->frozen_count = 0;
        for (unsigned p = 0; p < store_partition_count(freezer->catalog->store); p++) {
            if ((partitions >> p & 1) != 0)
                complain(table, partition_visit(f, freezer, table, p));
        }
        complain(table, frozen_purge(f, freezer, table));
    }
    freezer->progress.table_oid = 0;
    schema_release(schema);
}

size_t freezer_progress(const struct catalog *catalog, struct freezer_progress *progress,
                        size_t capacity) {
    const struct freezer *freezer = catalog->freezer;
    size_t count = 0;
    if (freezer == NULL || capacity == 0)
        return 0;
    progress[count++] = freezer->progress;
    LIST_FOR (&freezer->demands, node) {
        if (count < capacity)
            progress[count++] = CONTAINER_OF(node, struct demand, link)->progress;
    }
    return count;
}

static enum status freezer_body(struct fiber *f, void *argument) {
    struct freezer *freezer = argument;
    while (!freezer->stopping && !fiber_cancelled(f)) {
        int64_t ms = freezer->any_eager ? PASS_PAUSE_EAGER_MS : PASS_PAUSE_MS;
        pause_for(f, freezer, by_chance("table: freezing goes on at once") ? 1000 : ms * 1000000);
        if (!freezer->stopping && !fiber_cancelled(f))
            pass(f, freezer);
    }
    event_set(&freezer->ended);
    return STATUS_OK;
}

enum status freezer_start(struct fiber *f, struct catalog *catalog) {
    struct freezer *freezer = memory_alloc_zeroed(1, sizeof *freezer);
    if (freezer == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    freezer->catalog = catalog;
    list_init(&freezer->demands);
    enum status status =
        fiber_spawn_detached(f, FIBER_BACKGROUND, "freezer", freezer_body, freezer);
    if (status != STATUS_OK)
        memory_free(freezer);
    else
        catalog->freezer = freezer;
    return status;
}

void freezer_stop(struct fiber *f, struct catalog *catalog) {
    struct freezer *freezer = catalog->freezer;
    if (freezer == NULL)
        return;
    freezer->stopping = true;
    event_set(&freezer->wanted);
    fiber_shield(f);
    enum status status = event_wait(f, &freezer->ended);
    ASSERT(status == STATUS_OK);
    fiber_unshield(f);
    catalog->freezer = NULL;
    memory_free(freezer);
}

/* ---- at once
 * ---------------------------------------------------------------------------------------- */

static enum status range_now(struct fiber *f, struct freeze_work *work,
                             struct freezer_progress *progress) {
    progress_note(progress, work);
    TRY(purge(f, work, &progress->rows_purged));
    for (int attempt = 0; attempt < BUSY_ATTEMPTS; attempt++) {
        TRY(freeze__range(f, work));
        if (work->outcome != FREEZE_BUSY)
            break;
        TRY(fiber_sleep(f, BUSY_PAUSE_NS));
    }
    if (work->outcome == FREEZE_DONE) {
        progress->blocks_made++;
        progress->rows_frozen += work->rows;
    }
    return purge(f, work, &progress->rows_purged);
}

static enum status ranges_now(struct fiber *f, struct freeze_work *work,
                              struct freezer_progress *progress) {
    struct range_look look = {.table = work->table};
    for (;;) {
        TRY(partition_call(f, catalog_store(work->catalog), work->partition, look_here, &look));
        if (look.range == UINT64_MAX)
            return STATUS_OK;
        work->range = look.range;
        work->commit.value = work->made.commit.value = 0;
        look.from = block_first_row(look.range + 1);
        TRY(range_now(f, work, progress));
    }
}

static enum status partition_now(struct fiber *f, struct catalog *catalog,
                                 const struct table *table, unsigned partition,
                                 struct freezer_progress *progress) {
    struct freeze_work work = {.catalog = catalog, .table = table, .partition = partition};
    struct freeze_small small = {
        .catalog = catalog, .table = table, .partition = partition, .all = true, .at_once = true};
    TRY(ranges_now(f, &work, progress));
    TRY(freeze__small_find(f, &small));
    for (size_t i = 0; i < small.count; i++) {
        work.range = small.ranges[i];
        work.block_rows = small.rows[i];
        progress_note(progress, &work);
        do {
            TRY(freeze__move_rows(f, &work));
            progress->rows_moved += work.moved;
        } while (work.more);
    }
    /* What is left of them, and where their rows went. */
    return small.count > 0 ? ranges_now(f, &work, progress) : STATUS_OK;
}

enum status table_freeze(struct fiber *f, struct catalog *catalog, const struct table *table,
                         uint64_t *blocks_out) {
    *blocks_out = 0;
    if (table->kind != RELATION_TABLE || table->is_system)
        return STATUS_OK;
    struct demand demand = {.progress = {.table_oid = table->oid}};
    list_init(&demand.link);
    if (catalog->freezer != NULL)
        list_push_back(&catalog->freezer->demands, &demand.link);
    uint64_t partitions = table_partitions(catalog->store, table);
    enum status status = STATUS_OK;
    for (unsigned p = 0; p < store_partition_count(catalog->store) && status == STATUS_OK; p++) {
        if ((partitions >> p & 1) != 0)
            status = partition_now(f, catalog, table, p, &demand.progress);
    }
    list_remove(&demand.link);
    *blocks_out = demand.progress.blocks_made;
    return status;
}
