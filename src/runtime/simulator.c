/* The simulator's clock, its events, and whose turn it is. */
#include "runtime/simulator.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_chance.h"
#include "base/base_hash.h"
#include "base/base_log.h"
#include "base/base_memory.h"

enum {
    TURN_NS_MIN = 500, /* how long a fiber's turn takes */
    TURN_NS_SPREAD = 8000,
    SHUFFLE_DEPTH = 8, /* of a queue's first so many, any may go next */
};
/* 2026-01-01T00:00:00Z */
static const int64_t WALL_BEGIN_US = INT64_C(1767225600) * 1000000;

struct simulator *simulator__current;

static const char *const fault_names[SIMULATOR_FAULT_COUNT] = {
    [SIMULATOR_READ_ERROR] = "read error",   [SIMULATOR_WRITE_ERROR] = "write error",
    [SIMULATOR_SYNC_ERROR] = "sync error",   [SIMULATOR_DISK_FULL] = "disk full",
    [SIMULATOR_SHORT] = "short transfer",    [SIMULATOR_SLOW] = "slow request",
    [SIMULATOR_STUCK] = "stuck request",     [SIMULATOR_BIT_ROT] = "bit rot",
    [SIMULATOR_MISDIRECTED] = "misdirected", [SIMULATOR_CUT] = "connection cut",
    [SIMULATOR_SILENT] = "half-open",        [SIMULATOR_PAGE_LOST] = "page lost",
    [SIMULATOR_PAGE_TORN] = "page torn",     [SIMULATOR_PAGE_OLDER] = "page reordered",
    [SIMULATOR_NAME_LOST] = "name lost",     [SIMULATOR_NO_MEMORY] = "no memory",
};

const char *simulator_fault_name(enum simulator_fault fault) {
    return fault_names[fault];
}

/* ---- chance, trace and hash --------------------------------------------------------------- */

/* Tests make one allocation fail; the next one succeeds. */
void *simulator__alloc(size_t size) {
    void *block = NULL;
    for (int attempt = 0; attempt < 2 && block == NULL; attempt++)
        block = memory_alloc_zeroed(1, size);
    ASSERT(block != NULL);
    return block;
}

void simulator__grow(void *array_pointer, size_t *capacity, size_t count_min, size_t element_size) {
    bool grown = false;
    for (int attempt = 0; attempt < 2 && !grown; attempt++)
        grown = memory_grow(array_pointer, capacity, count_min, element_size);
    ASSERT(grown);
}

uint64_t simulator__below(struct simulator *s, unsigned stream, uint64_t bound) {
    return random_below(&s->streams[stream], bound);
}

bool simulator__fault(struct simulator *s, enum simulator_fault fault) {
    uint32_t rate = s->options.rates[fault];
    if (rate == 0 || random_below(&s->streams[fault], 1000000) >= rate)
        return false;
    s->counts.faults[fault]++;
    SIMULATOR_TRACE(s, "fault: %s", fault_names[fault]);
    return true;
}

void simulator__mix(struct simulator *s, uint64_t value) {
    s->hash = hash_combine(s->hash, value);
}

static void trace_line(const struct simulator *s, const char *format, va_list arguments) {
    char line[1024];
    int at = snprintf(line, sizeof line, "%12.6f ", (double)s->now_ns / 1e9);
    vsnprintf(line + at, sizeof line - (size_t)at, format, arguments);
    s->options.trace(line);
}

void simulator__trace(const struct simulator *s, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    trace_line(s, format, arguments);
    va_end(arguments);
}

void simulator_note(struct simulator *s, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    simulator__mix(s, hash_bytes(text, strlen(text)));
    SIMULATOR_TRACE(s, "%s", text);
}

/* A place that asks for the first time: most are off in a seed, some happen often. */
static size_t chance_enter(struct simulator *s, const char *place) {
    static const uint32_t rates[] = {0, 0, 0, 1000, 10000, 100000};
    ASSERT(s->chance_count < SIMULATOR_CHANCES_MAX);
    uint64_t drawn = hash_combine(s->options.seed, hash_bytes(place, strlen(place)));
    s->chances[s->chance_count] = (struct simulator_chance){place, 0};
    s->chance_rates[s->chance_count] = rates[drawn % (sizeof rates / sizeof rates[0])];
    return s->chance_count++;
}

static bool answer_chance(const char *place) {
    struct simulator *s = simulator__current;
    if (core__current() == NULL)
        return false;
    size_t at = 0;
    while (at < s->chance_count && s->chances[at].place != place)
        at++;
    if (at == s->chance_count)
        at = chance_enter(s, place);
    if (s->chance_rates[at] == 0 ||
        simulator__below(s, STREAM_CHANCE, 1000000) >= s->chance_rates[at])
        return false;
    s->chances[at].taken++;
    SIMULATOR_TRACE(s, "chance: %s", place);
    return true;
}

/* ---- events ------------------------------------------------------------------------------- */

static bool earlier(const struct simulator_event *a, const struct simulator_event *b) {
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void sift_up(struct simulator *s, size_t at) {
    while (at > 0 && earlier(&s->events[at], &s->events[(at - 1) / 2])) {
        struct simulator_event moved = s->events[at];
        s->events[at] = s->events[(at - 1) / 2];
        s->events[(at - 1) / 2] = moved;
        at = (at - 1) / 2;
    }
}

static void sift_down(struct simulator *s, size_t at) {
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < s->event_count && earlier(&s->events[child], &s->events[least]))
                least = child;
        }
        if (least == at)
            return;
        struct simulator_event moved = s->events[at];
        s->events[at] = s->events[least];
        s->events[least] = moved;
        at = least;
    }
}

void simulator__schedule(struct simulator *s, int64_t at_ns, struct simulator_event event) {
    simulator__grow(&s->events, &s->event_capacity, s->event_count + 1, sizeof *s->events);
    event.at_ns = at_ns;
    event.order = s->event_order++;
    s->events[s->event_count++] = event;
    sift_up(s, s->event_count - 1);
}

static void remove_event(struct simulator *s, size_t at) {
    s->events[at] = s->events[--s->event_count];
    if (at < s->event_count) {
        sift_down(s, at);
        sift_up(s, at);
    }
}

bool simulator__take_back(struct simulator *s, const struct operation *operation) {
    for (size_t i = 0; i < s->event_count; i++) {
        if (s->events[i].operation == operation) {
            remove_event(s, i);
            return true;
        }
    }
    return false;
}

void simulator__complete(struct simulator *s, struct operation *operation, int64_t result) {
    struct core *before = core__current_slot;
    core__current_slot = operation->core;
    operation->core->now_ns = s->now_ns;
    simulator__mix(s, (uint64_t)operation->kind << 56 ^ (uint64_t)result);
    operation__complete(operation, result);
    core__current_slot = before;
}

/* ---- turns -------------------------------------------------------------------------------- */

static bool has_fiber(const struct core *c) {
    for (int class = 0; class < FIBER_CLASS_COUNT; class ++) {
        if (!list_empty(&c->ready[class]))
            return true;
    }
    return false;
}

static bool has_work(const struct simulator *s, const struct core *c) {
    return atomic_load_explicit(&c->inbox, memory_order_relaxed) != NULL || has_fiber(c) ||
           timer__first(&c->timers) <= s->now_ns;
}

/* Mostly one of the highest class, sometimes one that would have to wait. */
static struct fiber *choose_fiber(struct simulator *s, struct core *c) {
    unsigned any = (unsigned)simulator__below(s, STREAM_SCHEDULE, 8 * FIBER_CLASS_COUNT);
    struct list *queue = NULL;
    if (any < FIBER_CLASS_COUNT && !list_empty(&c->ready[any]))
        queue = &c->ready[any];
    for (int class = 0; class < FIBER_CLASS_COUNT && queue == NULL; class ++) {
        if (!list_empty(&c->ready[class]))
            queue = &c->ready[class];
    }
    if (queue == NULL)
        return NULL;
    unsigned count = 0;
    LIST_FOR (queue, node) {
        if (++count == SHUFFLE_DEPTH)
            break;
    }
    unsigned skip = (unsigned)simulator__below(s, STREAM_SCHEDULE, count);
    struct list *node = queue->next;
    while (skip-- > 0)
        node = node->next;
    return CONTAINER_OF(node, struct fiber, ready_link);
}

static void take_turn(struct simulator *s, struct core *c) {
    s->counts.turns++;
    core__current_slot = c;
    c->now_ns = s->now_ns;
    timer__run(&c->timers, s->now_ns);
    if (!has_fiber(c) || simulator__below(s, STREAM_SCHEDULE, 4) != 0)
        core__drain_inbox(c);
    struct fiber *f = choose_fiber(s, c);
    if (f != NULL) {
        simulator__mix(s, hash_combine((uint64_t)s->now_ns, (uint64_t)c->index << 32 | f->slot));
        core__run_one(c, f);
    }
    if (c->stopping && c->fiber_count == 0)
        atomic_fetch_add(&c->runtime->drained, 1);
    core__current_slot = NULL;
    s->now_ns += TURN_NS_MIN + (int64_t)simulator__below(s, STREAM_SCHEDULE, TURN_NS_SPREAD);
}

/* The core that goes next; NULL when none has anything to do now. */
static struct core *choose_core(struct simulator *s) {
    struct core *candidates[SIMULATOR_RUNTIMES_MAX * RUNTIME_CORES_MAX];
    unsigned count = 0;
    for (unsigned r = 0; r < s->runtime_count; r++) {
        for (unsigned i = 0; i < s->runtimes[r]->core_count && !s->failed[r]; i++) {
            struct core *c = s->runtimes[r]->cores[i];
            if (has_work(s, c))
                candidates[count++] = c;
        }
    }
    return count == 0 ? NULL : candidates[simulator__below(s, STREAM_SCHEDULE, count)];
}

static int64_t next_time(const struct simulator *s) {
    int64_t next = s->event_count > 0 ? s->events[0].at_ns : INT64_MAX;
    for (unsigned r = 0; r < s->runtime_count; r++) {
        for (unsigned i = 0; i < s->runtimes[r]->core_count && !s->failed[r]; i++) {
            int64_t timer = timer__first(&s->runtimes[r]->cores[i]->timers);
            if (timer < next)
                next = timer;
        }
    }
    return next;
}

/* One thing happens, or time passes to the next thing but not beyond `until`. */
static void step(struct simulator *s, int64_t until_ns) {
    while (s->event_count > 0 && s->events[0].at_ns <= s->now_ns) {
        struct simulator_event event = s->events[0];
        remove_event(s, 0);
        event.fire(s, &event);
    }
    struct core *c = choose_core(s);
    if (c != NULL) {
        take_turn(s, c);
        return;
    }
    int64_t next = next_time(s);
    ASSERT(next != INT64_MAX || until_ns != INT64_MAX); /* nothing will ever happen again */
    next = next < until_ns ? next : until_ns;
    if (next > s->now_ns)
        s->now_ns = next;
}

static int64_t time_after(const struct simulator *s, int64_t duration_ns) {
    int64_t until;
    return __builtin_add_overflow(s->now_ns, duration_ns, &until) ? INT64_MAX : until;
}

void simulator_run_for(struct simulator *s, int64_t duration_ns) {
    simulator_run_until_operation(s, UINT64_MAX, duration_ns);
}

/* Until the counter has come to `count`. */
static void run_until(struct simulator *s, const uint64_t *counter, uint64_t count,
                      int64_t duration_ns_max) {
    ASSERT(core__current() == NULL);
    int64_t until = time_after(s, duration_ns_max);
    s->any_failed = false;
    while (s->now_ns < until && *counter < count && !s->any_failed)
        step(s, until);
}

void simulator_run_until_operation(struct simulator *s, uint64_t count, int64_t duration_ns_max) {
    run_until(s, &s->counts.file_operations, count, duration_ns_max);
}

void simulator_run_until_change(struct simulator *s, uint64_t count, int64_t duration_ns_max) {
    run_until(s, &s->counts.changes, count, duration_ns_max);
}

bool simulator_runs_fiber_of(const struct simulator *s, const struct runtime *runtime) {
    const struct core *c = core__current();
    return c != NULL && c->runtime == runtime && c->current != NULL && !s->serving;
}

static bool allocation_fails(void) {
    struct simulator *s = simulator__current;
    return simulator_runs_fiber_of(s, s->starved) && simulator__fault(s, SIMULATOR_NO_MEMORY);
}

void simulator_starve(struct simulator *s, const struct runtime *runtime) {
    s->starved = runtime;
    memory_fault_set(runtime != NULL ? allocation_fails : NULL);
}

static void simulated_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns) {
    struct simulator *s = simulator__current;
    ASSERT(core__current() == NULL);
    int64_t until = timeout_ns < 0 ? INT64_MAX : time_after(s, timeout_ns);
    while (atomic_load(word) == expected && s->now_ns < until)
        step(s, until);
}

static bool simulated_turn_is_over(struct core *c) {
    struct simulator *s = simulator__current;
    return simulator__below(s, STREAM_SCHEDULE, 1000000) < s->options.turn_rate;
}

/* ---- the back end ------------------------------------------------------------------------- */

static enum status simulated_open(struct core *c) {
    (void)c;
    return STATUS_OK;
}

static void simulated_nothing(struct core *c) {
    (void)c;
}

static void simulated_start(struct core *c, struct operation *o) {
    struct simulator *s = simulator__current;
    o->stage = 0;
    s->serving = true;
    if (operation_blocks(o))
        simulator__file_start(s, o);
    else
        simulator__socket_start(s, o);
    s->serving = false;
}

static void simulated_cancel(struct core *c, struct operation *o) {
    struct simulator *s = simulator__current;
    s->serving = true;
    if (!operation_blocks(o))
        simulator__socket_cancel(s, o);
    else if (simulator__below(s, STREAM_SCHEDULE, 2) == 0 && simulator__take_back(s, o))
        simulator__complete(s, o, -ECANCELED);
    /* else it was too far gone: it completes as if nobody had asked */
    s->serving = false;
}

static void simulated_poll(struct core *c, int64_t deadline_ns) {
    (void)c;
    (void)deadline_ns;
    ASSERT(false); /* nobody runs core__loop() */
}

static int64_t simulated_perform(struct operation *o) {
    struct simulator *s = simulator__current;
    s->serving = true;
    int64_t result = simulator__socket_perform(s, o);
    s->serving = false;
    return result;
}

static void simulated_forget(struct pollable *p) {
    p->core = NULL;
}

static const struct backend backend__simulator = {
    .name = "simulator",
    .sockets = &simulator__sockets,
    .open = simulated_open,
    .close = simulated_nothing,
    .release = simulated_nothing,
    .start = simulated_start,
    .cancel = simulated_cancel,
    .poll = simulated_poll,
    .wake = simulated_nothing,
    .perform = simulated_perform,
    .forget = simulated_forget,
};

/* ---- the environment ---------------------------------------------------------------------- */

static int64_t simulated_monotonic_ns(void) {
    return simulator__current->now_ns;
}

static int64_t simulated_wall_us(void) {
    return WALL_BEGIN_US + simulator__current->now_ns / 1000;
}

static int simulated_secret(void *bytes, size_t size) {
    uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)simulator__below(simulator__current, STREAM_SECRET, 256);
    return 0;
}

static enum status simulated_begin(struct runtime *runtime) {
    struct simulator *s = simulator__current;
    if (s->runtime_count == SIMULATOR_RUNTIMES_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "too many simulated runtimes");
    s->failed[s->runtime_count] = false;
    s->runtimes[s->runtime_count++] = runtime;
    return STATUS_OK;
}

static unsigned place_of(const struct simulator *s, const struct runtime *runtime) {
    unsigned place = 0;
    while (place < s->runtime_count && s->runtimes[place] != runtime)
        place++;
    return place;
}

static void forget_runtime(struct simulator *s, const struct runtime *runtime) {
    for (unsigned i = place_of(s, runtime); i + 1 < s->runtime_count; i++) {
        s->runtimes[i] = s->runtimes[i + 1];
        s->failed[i] = s->failed[i + 1];
    }
    s->runtime_count--;
}

static void simulated_end(struct runtime *runtime) {
    struct simulator *s = simulator__current;
    for (unsigned i = 0; i < runtime->core_count; i++) {
        core__current_slot = runtime->cores[i];
        if (runtime->cores[i] != NULL)
            core__drain_inbox(runtime->cores[i]); /* the message that stops it */
    }
    core__current_slot = NULL;
    if (place_of(s, runtime) < s->runtime_count)
        forget_runtime(s, runtime);
}

static const struct simulation simulation = {
    .backend = &backend__simulator,
    .begin = simulated_begin,
    .end = simulated_end,
    .wait = simulated_wait,
    .turn_is_over = simulated_turn_is_over,
};

static const struct environment simulated = {
    .monotonic_ns = simulated_monotonic_ns,
    .wall_us = simulated_wall_us,
    .secret = simulated_secret,
    .simulation = &simulation,
};

/* A line of the log is part of the trace. The fatal one is the last thing its fiber does: the
   process would end here, so the runtime stops for good. */
static void write_log(enum log_level level, const char *line) {
    struct simulator *s = simulator__current;
    const struct core *c = core__current();
    simulator_note(s, "log: %s", line);
    if (level != LOG_FATAL || c == NULL)
        return;
    unsigned place = place_of(s, c->runtime);
    if (place == s->runtime_count || c->current == NULL)
        return; /* nowhere to go: the process ends */
    s->failed[place] = s->any_failed = true;
    core__switch_away_for_ever(c->current);
}

/* ---- life --------------------------------------------------------------------------------- */

enum status simulator_create(const struct simulator_options *options,
                             struct simulator **simulator_out) {
    ASSERT(simulator__current == NULL);
    struct simulator *s = memory_alloc_zeroed(1, sizeof *s);
    *simulator_out = s;
    if (s == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    s->options = *options;
    for (unsigned stream = 0; stream < STREAM_COUNT; stream++)
        random_seed(&s->streams[stream], hash_combine(options->seed, stream));
    s->now_ns = 1;
    s->port_next = 40000;
    list_init(&s->endpoints);
    disk__init(&s->disk);
    s->machine = environment__current;
    simulator__current = s;
    environment__current = &simulated;
    log_writer_set(write_log);
    if (options->chances)
        chance_set(answer_chance);
    return STATUS_OK;
}

void simulator_destroy(struct simulator *s) {
    if (s == NULL)
        return;
    ASSERT(s->runtime_count == 0);
    if (s->starved != NULL)
        simulator_starve(s, NULL);
    log_writer_set(NULL);
    chance_set(NULL);
    environment__current = s->machine;
    simulator__current = NULL;
    simulator__network_release(s);
    disk__release(&s->disk);
    for (size_t i = 0; i < s->descriptor_count; i++)
        memory_free(s->descriptors[i].open);
    memory_free(s->descriptors);
    memory_free(s->events);
    memory_free(s);
}

void simulator_crash_seed(struct simulator *s, uint64_t seed) {
    random_seed(&s->streams[STREAM_CRASH], seed);
}

int64_t simulator_now_ns(const struct simulator *s) {
    return s->now_ns;
}

uint64_t simulator_hash(const struct simulator *s) {
    return s->hash;
}

const struct simulator_counts *simulator_counts(const struct simulator *s) {
    return &s->counts;
}

const struct simulator_chance *simulator_chances(const struct simulator *s, size_t *count_out) {
    *count_out = s->chance_count;
    return s->chances;
}

struct random *simulator_random(struct simulator *s) {
    return &s->streams[STREAM_WORKLOAD];
}

uint32_t simulator_rate_set(struct simulator *s, enum simulator_fault fault, uint32_t rate) {
    uint32_t before = s->options.rates[fault];
    s->options.rates[fault] = rate;
    return before;
}

void simulator_heal(struct simulator *s) {
    memset(s->options.rates, 0, sizeof s->options.rates);
    s->disk.full_until_ns = 0;
}

bool simulator_failed(const struct simulator *s, const struct runtime *runtime) {
    unsigned place = place_of(s, runtime);
    return place < s->runtime_count && s->failed[place];
}

/* Operations of the runtime's fibers are gone with them. Of a write that was under way, anything
   may have reached the disk. */
static void drop_operations(struct simulator *s, const struct runtime *runtime) {
    for (size_t i = s->event_count; i-- > 0;) {
        const struct operation *o = s->events[i].operation;
        if (o == NULL || o->core->runtime != runtime)
            continue;
        const struct descriptor *d = simulator__descriptor_of(s, o->fd);
        if (o->kind == OPERATION_WRITE && d != NULL && d->open != NULL &&
            simulator__below(s, STREAM_CRASH, 2) == 0)
            disk__write(s, d->open->file, o->data, o->size, o->offset);
        remove_event(s, i);
        i = s->event_count; /* others have changed places */
    }
}

void simulator_crash(struct simulator *s, struct runtime *runtime, enum simulator_crash how) {
    ASSERT(core__current() == NULL);
    simulator_note(s, "crash: %s", how == SIMULATOR_KILL ? "kill" : "power");
    drop_operations(s, runtime);
    simulator__sockets_close(s, runtime, how != SIMULATOR_KILL);
    simulator__files_close(s, runtime);
    if (how != SIMULATOR_KILL)
        disk__crash(s, how == SIMULATOR_BARE);
    disk__sweep(&s->disk);
    forget_runtime(s, runtime);
    runtime__abandon(runtime);
}
