/*
 * What the runtime's own steps cost: `ninja -C build bench/runtime_bench`, then run it.
 * Figures are of one process on whatever machine this is; compare them only with one another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/runtime.h"
#include "runtime/runtime_file.h"
#include "runtime/runtime_socket.h"
#include "runtime/runtime_sync.h"

static const char *backend_name;

static void report(const char *what, int64_t begin_ns, uint64_t count) {
    double each = (double)(clock_monotonic_ns() - begin_ns) / (double)count;
    printf("%-10s %-44s %10.1f ns\n", backend_name, what, each);
}

/* ---- switching and spawning ------------------------------------------------------------- */

static enum status yield_often(struct fiber *f, void *argument) {
    for (uint64_t i = *(uint64_t *)argument; i > 0; i--)
        fiber_yield(f);
    return STATUS_OK;
}

static enum status ring(struct fiber *f, uint64_t fibers, uint64_t switches, const char *what) {
    uint64_t each = switches / fibers;
    struct task_group group;
    task_group_init(&group, f);
    for (uint64_t i = 0; i < fibers; i++)
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, yield_often, &each));
    int64_t begin = clock_monotonic_ns();
    TRY(task_group_wait(f, &group));
    report(what, begin, each * fibers);
    return STATUS_OK;
}

static enum status nothing(struct fiber *f, void *argument) {
    return STATUS_OK;
}

static enum status spawn_and_join(struct fiber *f) {
    enum { ROUNDS = 1000000 };
    int64_t begin = clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        struct task_group group;
        task_group_init(&group, f);
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, nothing, NULL));
        TRY(task_group_wait(f, &group));
    }
    report("spawn, run and join one fiber", begin, ROUNDS);
    return STATUS_OK;
}

static enum status check_often(struct fiber *f) {
    enum { ROUNDS = 20000000 };
    int64_t begin = clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++)
        TRY(fiber_check(f));
    report("fiber_check", begin, ROUNDS);
    return STATUS_OK;
}

static enum status lock_often(struct fiber *f) {
    enum { ROUNDS = 20000000 };
    struct fiber_mutex mutex = {0};
    int64_t begin = clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        TRY(fiber_mutex_lock(f, &mutex));
        fiber_mutex_unlock(f, &mutex);
    }
    report("lock and unlock a free mutex", begin, ROUNDS);
    return STATUS_OK;
}

/* ---- between cores ---------------------------------------------------------------------- */

static enum status call_often(struct fiber *f, void *argument) {
    for (uint64_t i = *(uint64_t *)argument; i > 0; i--)
        TRY(core_call(f, 1, nothing, NULL));
    return STATUS_OK;
}

static enum status calls(struct fiber *f, uint64_t depth, uint64_t count, const char *what) {
    uint64_t each = count / depth;
    struct task_group group;
    task_group_init(&group, f);
    for (uint64_t i = 0; i < depth; i++)
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, call_often, &each));
    int64_t begin = clock_monotonic_ns();
    TRY(task_group_wait(f, &group));
    report(what, begin, each * depth);
    return STATUS_OK;
}

/* ---- sockets ---------------------------------------------------------------------------- */

enum { MESSAGE = 64 };

static enum status echo(struct fiber *f, void *argument) {
    char bytes[MESSAGE];
    size_t size;
    for (;;) {
        TRY(connection_receive(f, argument, bytes, sizeof bytes, &size));
        if (size == 0)
            break;
        struct slice slice = slice_of(bytes, size);
        TRY(connection_send(f, argument, &slice, 1));
    }
    connection_close(f, argument);
    return STATUS_OK;
}

struct server {
    struct listener *listener;
    int clients;
};

static enum status serve(struct fiber *f, void *argument) {
    const struct server *server = argument;
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < server->clients; i++) {
        struct connection *connection;
        TRY(listener_accept(f, server->listener, &connection));
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, echo, connection));
    }
    return task_group_wait(f, &group);
}

struct talk {
    const char *address;
    uint64_t rounds;
};

static enum status talk(struct fiber *f, void *argument) {
    const struct talk *talk = argument;
    struct connection *connection;
    TRY(connection_open(f, talk->address, &connection));
    char bytes[MESSAGE] = {0};
    for (uint64_t i = 0; i < talk->rounds; i++) {
        struct slice slice = slice_of(bytes, sizeof bytes);
        TRY(connection_send(f, connection, &slice, 1));
        for (size_t done = 0, got; done < sizeof bytes; done += got)
            TRY(connection_receive(f, connection, bytes, sizeof bytes - done, &got));
    }
    connection_close(f, connection);
    return STATUS_OK;
}

static enum status talk_all(struct fiber *f, void *argument) {
    const struct server *server = argument;
    struct talk one = {listener_address(server->listener), 200000 / (uint64_t)server->clients};
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < server->clients; i++)
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, talk, &one));
    return task_group_wait(f, &group);
}

/* Server on core 0, clients on core 1: both ends cost, so this is a pair's throughput. */
static enum status sockets(struct fiber *f, int clients, const char *what) {
    struct server server = {NULL, clients};
    TRY(listener_open(f, "127.0.0.1:0", &server.listener));
    struct task_group group;
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, serve, &server));
    int64_t begin = clock_monotonic_ns();
    TRY(core_call(f, 1, talk_all, &server));
    report(what, begin, 200000);
    TRY(task_group_wait(f, &group));
    listener_close(f, server.listener);
    return STATUS_OK;
}

/* ---- files ------------------------------------------------------------------------------ */

struct reader {
    struct file *file;
    uint64_t count;
};

static enum status read_often(struct fiber *f, void *argument) {
    const struct reader *reader = argument;
    static uint8_t bytes[4096];
    for (uint64_t i = 0; i < reader->count; i++)
        TRY(file_read_exact(f, reader->file, bytes, sizeof bytes,
                            random_below(fiber_random(f), 4096) * 4096));
    return STATUS_OK;
}

static enum status files(struct fiber *f, uint64_t depth, const char *what) {
    const char *path = "/tmp/satori_runtime_bench";
    struct reader reader = {NULL, 100000 / depth};
    TRY(file_open(f, path, FILE_CREATE, &reader.file));
    static uint8_t block[1 << 20];
    for (uint64_t i = 0; i < 16; i++)
        TRY(file_write(f, reader.file, block, sizeof block, i * sizeof block, 0));
    struct task_group group;
    task_group_init(&group, f);
    for (uint64_t i = 0; i < depth; i++)
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, read_often, &reader));
    int64_t begin = clock_monotonic_ns();
    TRY(task_group_wait(f, &group));
    report(what, begin, depth * reader.count);
    TRY(file_close(f, reader.file));
    return file_remove(f, path);
}

static enum status run_all(struct fiber *f, void *argument) {
    TRY(ring(f, 1, 20000000, "yield, alone"));
    TRY(ring(f, 2, 20000000, "yield, 2 fibers"));
    TRY(ring(f, 10000, 20000000, "yield, 10,000 fibers"));
    TRY(spawn_and_join(f));
    TRY(check_often(f));
    TRY(lock_often(f));
    TRY(calls(f, 1, 20000, "core_call, one at a time"));
    TRY(calls(f, 64, 1000000, "core_call, 64 at a time"));
    TRY(sockets(f, 1, "64-byte echo, 1 client"));
    TRY(sockets(f, 32, "64-byte echo, 32 clients"));
    TRY(files(f, 1, "cached 4 KiB read, one at a time"));
    return files(f, 32, "cached 4 KiB read, 32 at a time");
}

int main(void) {
    for (int kind = RUNTIME_BACKEND_IO_URING; kind <= RUNTIME_BACKEND_POSIX; kind++) {
        struct runtime_options options = {.core_count = 2, .backend = (enum runtime_backend)kind};
        struct runtime *runtime;
        backend_name = runtime_backend_name(options.backend);
        enum status status = runtime_create(&options, &runtime);
        if (status == STATUS_OK) {
            status = runtime_run(runtime, 0, run_all, NULL);
            runtime_destroy(runtime);
        }
        if (status != STATUS_OK)
            printf("%s: %s\n", backend_name, error_current()->message);
    }
    return 0;
}
