/* Nobody who posts to a core that goes to sleep waits for ever (core_loop.c, "Sleeping"). */
#include "runtime_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "runtime/core.h"
#include "runtime/runtime_file.h"
#include "runtime/runtime_socket.h"
#include "runtime/runtime_sync.h"

/* Only a lost wake-up lets a wait last this long. */
enum { HANG_NS_MAX_S = 60 };
static const int64_t hang_ns = (int64_t)HANG_NS_MAX_S * 1000000000;

static bool wait_until(_Atomic uint32_t *word, uint32_t wanted) {
    int64_t until = clock_monotonic_ns() + hang_ns;
    uint32_t seen;
    while ((seen = atomic_load(word)) < wanted && clock_monotonic_ns() < until)
        futex__wait(word, seen, 100 * 1000 * 1000);
    return seen >= wanted;
}

/* ---- a forced order --------------------------------------------------------------------- */

/* The core reads the clock between saying that it sleeps and asking the back end to. In this
   environment a message is posted and the bell rung right there, each time: the moment at which a
   back end that clears its bell before it listens loses the ring. */
static struct {
    const struct environment *machine;
    _Atomic uint32_t wanted, delivered;
    struct message message;
    bool posting;
} rung;

static void count_delivery(struct core *c, struct message *message) {
    rung.posting = false;
    atomic_fetch_add(&rung.delivered, 1);
    futex__wake(&rung.delivered);
}

static int64_t ring_when_falling_asleep(void) {
    struct core *c = core__current();
    if (c != NULL && atomic_load(&c->sleeping) != 0 && !rung.posting &&
        atomic_load(&rung.delivered) < atomic_load(&rung.wanted)) {
        rung.posting = true;
        rung.message.deliver = count_delivery;
        core__post(c, &rung.message);
    }
    return rung.machine->monotonic_ns();
}

static enum status nothing(struct fiber *f, void *argument) {
    return STATUS_OK;
}

static void post_while_falling_asleep(uint32_t times) {
    rung.machine = environment__current;
    struct environment ringing = *rung.machine;
    ringing.monotonic_ns = ring_when_falling_asleep;
    rung.posting = false;
    atomic_store(&rung.delivered, 0);
    atomic_store(&rung.wanted, times);
    environment__current = &ringing;
    struct runtime *runtime = start_runtime(1);
    bool all = wait_until(&rung.delivered, times);
    if (!all) { /* it sleeps, and whoever posts now thinks that another has rung */
        atomic_store(&rung.wanted, 0);
        runtime->backend->wake(runtime->cores[0]);
    }
    runtime_destroy(runtime);
    environment__current = rung.machine;
    assert_true(all);
}

/* The first sleep is the one in which io_uring's poll of the bell is armed. */
static void a_bell_rung_before_the_first_sleep_ends_it(void **state) {
    post_while_falling_asleep(1);
}

static void a_bell_rung_before_any_sleep_ends_it(void **state) {
    post_while_falling_asleep(20000);
}

/* ---- many threads at once --------------------------------------------------------------- */

enum { RINGERS = 4, STRESS_CORES = 2, STRESS_RUNTIMES = 40, RINGS = 200 };

struct ringer {
    struct runtime *runtime;
    unsigned seed;
    _Atomic uint32_t *ended;
    enum status status;
};

/* Half of the work goes to the other core, so that the cores wake each other as well, and half of
   that lets them linger; a short sleep lets timers and bells meet. */
static enum status call_over(struct fiber *f, void *argument) {
    unsigned choice = *(unsigned *)argument;
    fiber_share_set(f, (choice & 4) != 0);
    if (choice & 1)
        return core_call(f, (fiber_core(f) + 1) % STRESS_CORES, nothing, NULL);
    return choice & 2 ? fiber_sleep(f, choice % 50000) : STATUS_OK;
}

static void *ring(void *argument) {
    struct ringer *ringer = argument;
    for (unsigned i = 0; i < RINGS && ringer->status == STATUS_OK; i++) {
        unsigned choice = (unsigned)rand_r(&ringer->seed);
        ringer->status =
            runtime_run(ringer->runtime, choice / 8 % STRESS_CORES, call_over, &choice);
        if (choice / 16 % 4 == 0)
            usleep(choice / 64 % 200); /* long enough to let a core fall asleep */
    }
    atomic_fetch_add(ringer->ended, 1);
    futex__wake(ringer->ended);
    return NULL;
}

static void ring_a_runtime(unsigned seed) {
    struct runtime *runtime = start_runtime(STRESS_CORES);
    _Atomic uint32_t ended = 0;
    struct ringer ringers[RINGERS];
    pthread_t threads[RINGERS];
    for (unsigned i = 0; i < RINGERS; i++) {
        ringers[i] = (struct ringer){runtime, seed * RINGERS + i, &ended, STATUS_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, ring, &ringers[i]), 0);
    }
    if (!wait_until(&ended, RINGERS))
        abort(); /* threads that hang cannot be joined */
    for (unsigned i = 0; i < RINGERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(ringers[i].status, STATUS_OK);
    }
    runtime_destroy(runtime);
}

/* SATORI_STRESS=N makes it N times as long. */
static void no_ring_of_many_threads_is_lost(void **state) {
    const char *longer = getenv("SATORI_STRESS");
    unsigned runtimes = STRESS_RUNTIMES * (longer != NULL ? (unsigned)atoi(longer) : 1);
    for (unsigned i = 0; i < runtimes; i++)
        ring_a_runtime(i);
}

/* ---- lingering -------------------------------------------------------------------------- */

static _Atomic unsigned pauses;
static void (*machine_pause)(void);

static void count_pause(void) {
    atomic_fetch_add(&pauses, 1);
    machine_pause();
}

static enum status answer(struct fiber *f, void *argument) {
    ASSERT(f->shares == *(bool *)argument);
    return STATUS_OK;
}

static enum status call_back(struct fiber *f, void *argument) {
    ASSERT(f->shares == *(bool *)argument);
    return core_call(f, 0, answer, argument);
}

static enum status call_often(struct fiber *f, void *argument) {
    fiber_share_set(f, *(bool *)argument);
    for (int i = 0; i < 1000; i++)
        TRY(core_call(f, 1, call_back, argument));
    fiber_share_set(f, false);
    return STATUS_OK;
}

/* From now on pauses are `pause`. Returns the environment to go back to. */
static const struct environment *pauses_begin(void (*pause)(void)) {
    static struct environment counting;
    const struct environment *machine = environment__current;
    counting = *machine;
    machine_pause = machine->pause;
    counting.pause = pause;
    environment__current = &counting;
    atomic_store(&pauses, 0);
    return machine;
}

static void cores_linger_while_they_share_work(void **state) {
    const struct environment *machine = pauses_begin(count_pause);
    struct runtime *runtime = start_runtime(STRESS_CORES);
    bool alone = false, together = true, can_look = runtime->backend->has_news != NULL;
    assert_int_equal(runtime_run(runtime, 0, call_often, &alone), STATUS_OK);
    assert_int_equal(atomic_load(&pauses), 0);
    assert_int_equal(runtime_run(runtime, 0, call_often, &together), STATUS_OK);
    assert_int_equal(atomic_load(&pauses) > 0, can_look);
    runtime_destroy(runtime);
    environment__current = machine;
}

static void count_pause_of_first(void) {
    if (core__current()->index == 0)
        count_pause();
    else
        machine_pause();
}

static enum status echo_bytes(struct fiber *f, void *argument) {
    struct connection *connection;
    TRY(listener_accept(f, argument, &connection));
    char byte;
    size_t size = 1;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && size > 0) {
        status = connection_receive(f, connection, &byte, 1, &size);
        struct slice slice = slice_of(&byte, size);
        if (status == STATUS_OK && size > 0)
            status = connection_send(f, connection, &slice, 1);
    }
    connection_close(f, connection);
    return status;
}

struct conversation {
    const char *address;
    unsigned lingered[2]; /* rounds with a client that asks at once, and with one that thinks */
};

enum { QUICK = 1000, SLOW = 400, THINKS_NS = 2000000 };

/* How many of `rounds` had the server's core linger? */
static enum status converse(struct fiber *f, struct connection *connection, int rounds,
                            int64_t thinks_ns, unsigned *lingered) {
    for (int i = 0; i < rounds; i++) {
        unsigned before = atomic_load(&pauses);
        char byte = (char)i;
        size_t size;
        struct slice slice = slice_of(&byte, 1);
        TRY(connection_send(f, connection, &slice, 1));
        TRY(connection_receive(f, connection, &byte, 1, &size));
        if (thinks_ns > 0)
            TRY(fiber_sleep(f, thinks_ns));
        *lingered += atomic_load(&pauses) != before;
    }
    return STATUS_OK;
}

static enum status ask_quickly_then_slowly(struct fiber *f, void *argument) {
    struct conversation *conversation = argument;
    struct connection *connection;
    TRY(connection_open(f, conversation->address, &connection));
    enum status status = converse(f, connection, QUICK, 0, &conversation->lingered[0]);
    if (status == STATUS_OK)
        status = converse(f, connection, SLOW, THINKS_NS, &conversation->lingered[1]);
    connection_close(f, connection);
    return status;
}

static enum status serve_one(struct fiber *f, void *argument) {
    struct conversation *conversation = argument;
    struct listener *listener;
    struct task_group group;
    TRY(listener_open(f, "127.0.0.1:0", &listener));
    conversation->address = listener_address(listener);
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_LATENCY, echo_bytes, listener));
    enum status status = core_call(f, 1, ask_quickly_then_slowly, conversation);
    if (status != STATUS_OK)
        task_group_cancel(&group, status); /* it may never have come to be accepted */
    enum status echoed = task_group_wait(f, &group);
    listener_close(f, listener);
    return status != STATUS_OK ? status : echoed;
}

/* A core lingers for a client that asks at once, and soon no longer for one that thinks. */
static void a_core_lingers_for_quick_clients(void **state) {
    const struct environment *machine = pauses_begin(count_pause_of_first);
    struct runtime *runtime = start_runtime(2);
    bool can_look = runtime->backend->has_news != NULL;
    struct conversation conversation = {0};
    assert_int_equal(runtime_run(runtime, 0, serve_one, &conversation), STATUS_OK);
    assert_int_equal(conversation.lingered[0] > 0, can_look);
    assert_in_range(conversation.lingered[1], 0, SLOW / 4);
    runtime_destroy(runtime);
    environment__current = machine;
}

enum { SYNCS = 100 };

static enum status sync_often(struct fiber *f, void *argument) {
    struct file *file;
    TRY(file_open(f, argument, FILE_CREATE, &file));
    enum status status = STATUS_OK;
    for (int i = 0; i < SYNCS && status == STATUS_OK; i++) {
        status = file_write(f, file, &i, sizeof i, 0, FILE_WRITE_PLAIN);
        if (status == STATUS_OK)
            status = file_sync(f, file);
    }
    enum status closed = file_close(f, file);
    return status != STATUS_OK ? status : closed;
}

struct classed {
    enum fiber_class class;
    fiber_function function;
    void *argument;
};

static enum status run_classed(struct fiber *f, void *argument) {
    struct classed *classed = argument;
    struct task_group group;
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, classed->class, classed->function, classed->argument));
    return task_group_wait(f, &group);
}

static enum status run_on_first(struct runtime *runtime, enum fiber_class class,
                                fiber_function function, void *argument) {
    struct classed classed = {class, function, argument};
    return runtime_run(runtime, 0, run_classed, &classed);
}

struct slow_disk {
    const char *path;  /* a pipe: what is read takes as long as its writer wants */
    unsigned lingered; /* reads for which the core did */
};

static enum status read_slowly(struct fiber *f, void *argument) {
    struct slow_disk *disk = argument;
    struct file *file;
    TRY(file_open(f, disk->path, 0, &file));
    enum status status = STATUS_OK;
    for (int i = 0; i < SLOW && status == STATUS_OK; i++) {
        unsigned before = atomic_load(&pauses);
        char byte;
        size_t size;
        status = file_read(f, file, &byte, 1, 0, &size);
        disk->lingered += atomic_load(&pauses) != before;
    }
    enum status closed = file_close(f, file);
    return status != STATUS_OK ? status : closed;
}

static void *write_slowly(void *path) {
    int fd = open(path, O_RDWR);
    for (int i = 0; i < SLOW && fd >= 0; i++) {
        usleep(THINKS_NS / 1000);
        if (write(fd, "x", 1) != 1)
            break;
    }
    return (void *)(intptr_t)fd; /* open: who reads must not meet the end */
}

/* ... and for a disk that is quick, when the latency class waits for it. */
static void a_core_lingers_for_a_quick_disk(void **state) {
    const struct environment *machine = pauses_begin(count_pause_of_first);
    struct runtime *runtime = start_runtime(2);
    bool can_look = runtime->backend->has_news != NULL;
    char directory[] = "/tmp/satori-test-XXXXXX", file[64], fifo[64];
    assert_non_null(mkdtemp(directory));
    snprintf(file, sizeof file, "%s/file", directory);
    snprintf(fifo, sizeof fifo, "%s/fifo", directory);

    assert_int_equal(run_on_first(runtime, FIBER_NORMAL, sync_often, file), STATUS_OK);
    assert_int_equal(atomic_load(&pauses), 0);
    assert_int_equal(run_on_first(runtime, FIBER_LATENCY, sync_often, file), STATUS_OK);
    assert_int_equal(atomic_load(&pauses) > 0, can_look);
    if (can_look) { /* the other back end cannot read from a pipe either */
        struct slow_disk disk = {.path = fifo};
        pthread_t writer;
        void *fd;
        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(pthread_create(&writer, NULL, write_slowly, fifo), 0);
        enum status status = run_on_first(runtime, FIBER_LATENCY, read_slowly, &disk);
        pthread_join(writer, &fd);
        assert_int_equal(status, STATUS_OK);
        assert_in_range(disk.lingered, 1, SLOW / 4);
        close((int)(intptr_t)fd);
        unlink(fifo);
    }
    runtime_destroy(runtime);
    unlink(file);
    rmdir(directory);
    environment__current = machine;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_bell_rung_before_the_first_sleep_ends_it),
    cmocka_unit_test(a_bell_rung_before_any_sleep_ends_it),
    cmocka_unit_test(no_ring_of_many_threads_is_lost),
    cmocka_unit_test(cores_linger_while_they_share_work),
    cmocka_unit_test(a_core_lingers_for_quick_clients),
    cmocka_unit_test(a_core_lingers_for_a_quick_disk),
};

RUN_ON_BOTH(tests)
