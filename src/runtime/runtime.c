/* Starting and stopping cores. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "runtime/core.h"
#include "runtime/sanitizer.h"
#include "runtime/worker.h"

unsigned runtime_core_count(const struct runtime *runtime) {
    return runtime->core_count;
}

enum runtime_backend runtime_backend(const struct runtime *runtime) {
    return runtime->backend_kind;
}

const char *runtime_backend_name(enum runtime_backend backend) {
    switch (backend) {
    case RUNTIME_BACKEND_IO_URING:
        return "io_uring";
    case RUNTIME_BACKEND_POSIX:
        return "posix";
    case RUNTIME_BACKEND_SIMULATOR:
        return "simulator";
    default:
        return "auto";
    }
}

/* ---- the thread of a core --------------------------------------------------------------- */

static void find_own_stack(struct core *c) {
    pthread_attr_t attributes;
    void *low = NULL;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        (void)pthread_attr_getstack(&attributes, &low, &c->loop_stack_size);
        pthread_attr_destroy(&attributes);
    }
    c->loop_stack_low = low;
#ifdef WITH_TSAN
    c->loop_tsan_fiber = __tsan_get_current_fiber();
#endif
}

static void pin(const struct core *c) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(c->index, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0)
        LOG(LOG_DEBUG, "runtime", "core %u could not be pinned to its processor", c->index);
}

static enum status core_open(struct core *c) {
    TRY(c->backend->open(c));
    if (c->index == 0) {
        enum status status = signal__start(c);
        if (status != STATUS_OK) {
            c->backend->close(c);
            return status;
        }
    }
    return STATUS_OK;
}

/* Open the core's back end and tell whoever starts the runtime how that went. */
static void open_and_answer(struct core *c) {
    struct runtime *runtime = c->runtime;
    enum status status = core_open(c);
    c->opened = status == STATUS_OK;
    if (status == STATUS_OK)
        atomic_fetch_add(&runtime->started_well, 1);
    else if (atomic_exchange(&runtime->start_error_claimed, 1) == 0)
        error__copy(&runtime->start_error, error_current());
    atomic_fetch_add(&runtime->answered, 1);
    futex__wake(&runtime->answered);
}

static void *core_thread(void *argument) {
    struct core *c = argument;
    struct runtime *runtime = c->runtime;
    char name[16] = "core ";
    name[5] = (char)('0' + c->index / 10);
    name[6] = (char)('0' + c->index % 10);
    (void)pthread_setname_np(pthread_self(), name);
    core__current_slot = c;
    find_own_stack(c);
    if (runtime->pin_threads)
        pin(c);
    c->alternate_stack = overflow__thread_begin();
    open_and_answer(c);
    if (c->opened) {
        core__loop(c);
        c->backend->close(c);
    }
    overflow__thread_end(c->alternate_stack);
    core__current_slot = NULL;
    return NULL;
}

/* ---- creation --------------------------------------------------------------------------- */

static void core_free(struct core *c) {
    if (c == NULL)
        return;
    c->backend->release(c);
    stack__release_all(c);
    timer__release(&c->timers);
    memory_free(c->credits);
    memory_free(c);
}

static struct core *core_create(struct runtime *runtime, unsigned index) {
    struct core *c = memory_alloc_aligned(64, sizeof *c);
    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof *c);
    c->runtime = runtime;
    c->index = index;
    c->backend = runtime->backend;
    for (int class = 0; class < FIBER_CLASS_COUNT; class ++)
        list_init(&c->ready[class]);
    uint64_t tick_rate = runtime->ticks_per_us;
    c->turns = (struct turns){
        .ticks_per_us = tick_rate,
        .slice = {SLICE_US * tick_rate, SLICE_NORMAL_US * tick_rate,
                  SLICE_BACKGROUND_US * tick_rate},
    };
    random_seed(&c->random, runtime->seed + index);
    c->credits = memory_alloc_zeroed(runtime->core_count, sizeof *c->credits);
    if (c->credits == NULL) {
        core_free(c);
        return NULL;
    }
    return c;
}

static void join_all(struct runtime *runtime) {
    if (environment__current->simulation != NULL)
        environment__current->simulation->end(runtime);
    for (unsigned i = 0; i < runtime->core_count; i++) {
        struct core *c = runtime->cores[i];
        if (c != NULL && c->thread_started)
            pthread_join(c->thread, NULL);
    }
    if (runtime->workers != NULL)
        worker__pool_destroy(runtime->workers);
    runtime->workers = NULL;
    for (unsigned i = 0; i < runtime->core_count; i++) {
        core_free(runtime->cores[i]);
        runtime->cores[i] = NULL;
    }
}

static void deliver_stop(struct core *c, struct message *message) {
    c->stopped = true;
    memory_free(message);
}

static void deliver_stopping(struct core *c, struct message *message) {
    c->stopping = true;
    fiber__cancel_all(c, STATUS_SHUTDOWN, NULL);
    memory_free(message);
}

static void post_to_all(struct runtime *runtime, void (*deliver)(struct core *, struct message *)) {
    for (unsigned i = 0; i < runtime->core_count; i++) {
        struct message *message;
        while ((message = memory_alloc(sizeof *message)) == NULL)
            sched_yield(); /* tests make allocations fail; stopping must go on */
        *message = (struct message){NULL, deliver};
        core__post(runtime->cores[i], message);
    }
}

/* Fibers and submissions that have ended, and have begun, over all cores. Both only grow; if the
   ended ones, counted first, equal the begun ones, counted after, then there was a moment in
   between when nothing lived (Mattern 1987, the counting argument). */
static bool nothing_lives(const struct runtime *runtime) {
    uint64_t finished = atomic_load(&runtime->submit_finished);
    for (unsigned i = 0; i < runtime->core_count; i++)
        finished += atomic_load(&runtime->cores[i]->activity.finished);
    uint64_t started = atomic_load(&runtime->submitted);
    for (unsigned i = 0; i < runtime->core_count; i++)
        started += atomic_load(&runtime->cores[i]->activity.started);
    return finished == started;
}

static void stop_cores(struct runtime *runtime) {
    post_to_all(runtime, deliver_stopping);
    for (;;) {
        uint32_t before = atomic_load(&runtime->drained);
        if (nothing_lives(runtime))
            break;
        /* The time limit covers what ends without emptying a core, such as casts. */
        futex__wait(&runtime->drained, before, 10 * 1000 * 1000);
    }
    post_to_all(runtime, deliver_stop);
}

/* A core without a thread: the simulator runs it. */
static void begin_simulated(struct core *c) {
    core__current_slot = c;
    find_own_stack(c);
    open_and_answer(c);
    core__current_slot = NULL;
}

static int begin_thread(struct core *c) {
    int error = signal__thread_create(&c->thread, core_thread, c);
    c->thread_started = error == 0;
    return error;
}

/* Threads cannot be created half: on failure everything started is stopped again. */
static enum status start_cores(struct runtime *runtime) {
    atomic_store(&runtime->answered, 0);
    atomic_store(&runtime->started_well, 0);
    atomic_store(&runtime->start_error_claimed, 0);
    uint32_t started = 0;
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < runtime->core_count && status == STATUS_OK; i++) {
        runtime->cores[i] = core_create(runtime, i);
        if (runtime->cores[i] == NULL)
            status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    const struct simulation *simulation = environment__current->simulation;
    if (status == STATUS_OK && simulation == NULL &&
        (runtime->workers = worker__pool_create()) == NULL)
        status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (unsigned i = 0; i < runtime->core_count && status == STATUS_OK; i++) {
        int error = 0;
        if (simulation != NULL)
            begin_simulated(runtime->cores[i]);
        else
            error = begin_thread(runtime->cores[i]);
        if (error == 0)
            started++;
        else
            status = error_set(STATUS_IO_ERROR, "could not start a thread: %s", strerror(error));
    }
    if (status == STATUS_OK && simulation != NULL)
        status = simulation->begin(runtime);
    uint32_t answered;
    while ((answered = atomic_load(&runtime->answered)) < started)
        futex__wait(&runtime->answered, answered, -1);
    if (status == STATUS_OK && atomic_load(&runtime->started_well) == runtime->core_count)
        return STATUS_OK;
    if (status == STATUS_OK) {
        error__copy(error_current(), &runtime->start_error);
        status = error_current()->status;
    }
    for (unsigned i = 0; i < runtime->core_count; i++) {
        struct core *c = runtime->cores[i];
        if (c != NULL && c->opened) {
            struct message *message = memory_alloc(sizeof *message);
            if (message == NULL)
                abort();
            *message = (struct message){NULL, deliver_stop};
            core__post(c, message);
        }
    }
    join_all(runtime);
    return status;
}

/* Ticks in a microsecond, measured once. */
static uint64_t ticks_per_us(void) {
    static _Atomic uint64_t known;
    uint64_t result = atomic_load(&known);
    if (result != 0)
        return result;
    int64_t ns_begin = clock_monotonic_ns();
    uint64_t begin = clock_ticks();
    usleep(1000);
    uint64_t ticks = clock_ticks() - begin;
    int64_t us = (clock_monotonic_ns() - ns_begin) / 1000;
    result = us > 0 && ticks / (uint64_t)us > 0 ? ticks / (uint64_t)us : 1;
    atomic_store(&known, result);
    return result;
}

static unsigned processor_count(void) {
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > RUNTIME_CORES_MAX ? RUNTIME_CORES_MAX : (unsigned)count;
}

static enum runtime_backend wanted_backend(enum runtime_backend wanted) {
    if (environment__current->simulation != NULL)
        return RUNTIME_BACKEND_SIMULATOR;
    const char *forced = getenv("SATORI_RUNTIME");
    if (forced != NULL && strcmp(forced, "posix") == 0)
        return RUNTIME_BACKEND_POSIX;
    if (forced != NULL && strcmp(forced, "io_uring") == 0)
        return RUNTIME_BACKEND_IO_URING;
    return wanted;
}

static enum status start_with(struct runtime *runtime, enum runtime_backend kind) {
    ASSERT(kind != RUNTIME_BACKEND_SIMULATOR || environment__current->simulation != NULL);
    runtime->backend_kind = kind;
    runtime->backend = kind == RUNTIME_BACKEND_SIMULATOR ? environment__current->simulation->backend
                       : kind == RUNTIME_BACKEND_POSIX   ? &backend__posix
                                                         : &backend__io_uring;
    return start_cores(runtime);
}

static enum status start_some_backend(struct runtime *runtime, enum runtime_backend wanted) {
    if (wanted != RUNTIME_BACKEND_AUTO)
        return start_with(runtime, wanted);
    if (start_with(runtime, RUNTIME_BACKEND_IO_URING) == STATUS_OK)
        return STATUS_OK;
    char why[ERROR_MESSAGE_SIZE];
    memcpy(why, error_current()->message, sizeof why);
    LOG(LOG_WARNING, "runtime", "io_uring is not usable, using posix calls: %s", why);
    return start_with(runtime, RUNTIME_BACKEND_POSIX);
}

enum status runtime_create(const struct runtime_options *options, struct runtime **runtime_out) {
    *runtime_out = NULL;
    ASSERT(options->core_count <= RUNTIME_CORES_MAX);
    struct runtime *runtime = memory_alloc_zeroed(1, sizeof *runtime);
    if (runtime == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (options->on_signal != NULL) {
        enum status prepared = signal__prepare();
        if (prepared != STATUS_OK) {
            memory_free(runtime);
            return prepared;
        }
    }
    log_clock_set(clock_wall_us);
    overflow__install();
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t stack = options->fiber_stack_size != 0 ? options->fiber_stack_size : FIBER_STACK_DEFAULT;
    if (stack < FIBER_STACK_MIN)
        stack = FIBER_STACK_MIN;
    runtime->stack_size = (stack + page - 1) / page * page + page;
    runtime->core_count = options->core_count != 0 ? options->core_count : processor_count();
    runtime->fiber_count_max =
        options->fiber_count_max != 0 ? options->fiber_count_max : FIBER_COUNT_DEFAULT;
    runtime->pin_threads = options->pin_threads;
    runtime->seed = options->random_seed;
    runtime->on_signal = options->on_signal;
    runtime->on_signal_argument = options->on_signal_argument;
    uint64_t tick_rate = environment__current->simulation != NULL ? 1 : ticks_per_us();
    runtime->ticks_per_us = tick_rate;
    runtime->poll_ticks = POLL_INTERVAL_US * tick_rate;
    enum status status = STATUS_OK;
    if (runtime->seed == 0)
        status = secret_random(&runtime->seed, sizeof runtime->seed);
    if (status == STATUS_OK)
        status = start_some_backend(runtime, wanted_backend(options->backend));
    if (status != STATUS_OK) {
        memory_free(runtime);
        return status;
    }
    *runtime_out = runtime;
    return STATUS_OK;
}

void runtime__abandon(struct runtime *runtime) {
    for (unsigned i = 0; i < runtime->core_count; i++)
        core_free(runtime->cores[i]);
    memory_free(runtime);
}

void runtime_destroy(struct runtime *runtime) {
    if (runtime == NULL)
        return;
    ASSERT(core__current() == NULL);
    stop_cores(runtime);
    join_all(runtime);
    memory_free(runtime);
}
