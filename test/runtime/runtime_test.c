#include "runtime_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "runtime/runtime_file.h"
#include "runtime/runtime_socket.h"
#include "runtime/runtime_sync.h"

/* ---- fibers and groups ------------------------------------------------------------------ */

static enum status count_up(struct fiber *f, void *argument) {
    int *count = argument;
    for (int i = 0; i < 10; i++) {
        ++*count;
        fiber_yield(f);
    }
    return STATUS_OK;
}

static enum status spawn_many(struct fiber *f, void *argument) {
    int count = 0;
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < 1000; i++)
        TRY(task_group_spawn(f, &group, (enum fiber_class)(i % 3), count_up, &count));
    TRY(task_group_wait(f, &group));
    CHECK(count == 10000);
    return STATUS_OK;
}

static void a_group_waits_for_its_children(void **state) {
    run_on_cores(1, spawn_many, NULL);
}

static enum status fail_late(struct fiber *f, void *argument) {
    TRY(fiber_sleep(f, 1000000));
    return error_set(STATUS_UNIQUE_VIOLATION, "key %d", 7);
}

static enum status sleep_long(struct fiber *f, void *argument) {
    return fiber_sleep(f, 3600ll * 1000000000);
}

static enum status first_failure(struct fiber *f, void *argument) {
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < 10; i++)
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, sleep_long, NULL));
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, fail_late, NULL));
    CHECK_STATUS(task_group_wait(f, &group), STATUS_UNIQUE_VIOLATION);
    CHECK(strcmp(error_current()->message, "key 7") == 0);
    return STATUS_OK;
}

static void the_first_failure_cancels_the_siblings(void **state) {
    run_on_cores(1, first_failure, NULL);
}

/* ---- calls ------------------------------------------------------------------------------ */

static enum status where_am_i(struct fiber *f, void *argument) {
    *(unsigned *)argument = fiber_core(f);
    return STATUS_OK;
}

static enum status refuse(struct fiber *f, void *argument) {
    return error_set(STATUS_DIVISION_BY_ZERO, "on core %u", fiber_core(f));
}

static enum status call_around(struct fiber *f, void *argument) {
    for (int i = 0; i < 1000; i++) {
        unsigned where = 99;
        TRY(core_call(f, (unsigned)i % 3, where_am_i, &where));
        CHECK(where == (unsigned)i % 3);
    }
    CHECK_STATUS(core_call(f, 2, refuse, NULL), STATUS_DIVISION_BY_ZERO);
    CHECK(strcmp(error_current()->message, "on core 2") == 0);
    unsigned where[3] = {9, 9, 9};
    void *arguments[] = {&where[0], &where[1], &where[2]};
    TRY(core_call_all(f, 7, where_am_i, arguments));
    CHECK(where[0] == 0 && where[1] == 1 && where[2] == 2);
    CHECK_STATUS(core_call_all(f, 7, refuse, arguments), STATUS_DIVISION_BY_ZERO);
    return STATUS_OK;
}

static void calls_run_there_and_come_back(void **state) {
    run_on_cores(3, call_around, NULL);
}

/* ---- deadlines -------------------------------------------------------------------------- */

static enum status with_deadline(struct fiber *f, void *argument) {
    struct deadline soon = {clock_monotonic_ns() + 2000000, STATUS_LOCK_NOT_AVAILABLE, "too late"};
    struct deadline before = fiber_deadline_set(f, soon);
    CHECK_STATUS(fiber_sleep(f, 3600ll * 1000000000), STATUS_LOCK_NOT_AVAILABLE);
    CHECK(strcmp(error_current()->message, "too late") == 0);
    fiber_deadline_set(f, before);
    TRY(fiber_sleep(f, 1000));
    soon.at_ns = clock_monotonic_ns() + 2000000;
    fiber_deadline_set(f, soon);
    CHECK_STATUS(core_call(f, 1, sleep_long, NULL), STATUS_LOCK_NOT_AVAILABLE);
    fiber_deadline_set(f, before);
    soon.at_ns = clock_monotonic_ns() + 2000000;
    fiber_deadline_set(f, soon);
    fiber_shield(f);
    TRY(fiber_sleep(f, 4000000));
    fiber_unshield(f);
    CHECK_STATUS(fiber_check(f), STATUS_LOCK_NOT_AVAILABLE);
    return STATUS_OK;
}

static void a_deadline_ends_a_wait(void **state) {
    run_on_cores(2, with_deadline, NULL);
}

/* ---- files ------------------------------------------------------------------------------ */

static enum status use_files(struct fiber *f, void *argument) {
    char path[] = "/tmp/satori_runtime_XXXXXX";
    CHECK(mkdtemp(path) != NULL);
    char name[100], other[100];
    snprintf(name, sizeof name, "%s/a", path);
    snprintf(other, sizeof other, "%s/b", path);
    struct file *file;
    CHECK_STATUS(file_open(f, name, 0, &file), STATUS_UNDEFINED_FILE);
    TRY(file_open(f, name, FILE_CREATE | FILE_EXCLUSIVE, &file));
    TRY(file_write(f, file, "hello world", 11, 5, FILE_WRITE_DURABLE));
    TRY(file_sync(f, file));
    char text[100];
    size_t size;
    TRY(file_read(f, file, text, sizeof text, 10, &size));
    CHECK(size == 6 && memcmp(text, " world", 6) == 0);
    CHECK_STATUS(file_read_exact(f, file, text, 17, 0), STATUS_DATA_CORRUPTED);
    TRY(file_close(f, file));
    TRY(file_rename(f, name, other));
    TRY(directory_sync(f, path));
    char **names;
    size_t count;
    TRY(directory_list(f, path, &names, &count));
    CHECK(count == 1 && strcmp(names[0], "b") == 0);
    memory_free(names[0]);
    memory_free(names);
    TRY(file_remove(f, other));
    return directory_remove(f, path);
}

static void files_are_written_and_read(void **state) {
    run_on_cores(1, use_files, NULL);
}

/* ---- sockets ---------------------------------------------------------------------------- */

static enum status echo_once(struct fiber *f, void *argument) {
    struct listener *listener = argument;
    struct connection *connection;
    TRY(listener_accept(f, listener, &connection));
    char bytes[1000];
    for (;;) {
        size_t size;
        TRY(connection_receive(f, connection, bytes, sizeof bytes, &size));
        if (size == 0)
            break;
        struct slice slice = slice_of(bytes, size);
        TRY(connection_send(f, connection, &slice, 1));
    }
    connection_close(f, connection);
    return STATUS_OK;
}

static enum status use_sockets(struct fiber *f, void *argument) {
    struct listener *listener;
    TRY(listener_open(f, "127.0.0.1:0", &listener));
    struct task_group group;
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, echo_once, listener));
    struct connection *connection;
    TRY(connection_open(f, listener_address(listener), &connection));
    static char out[300000], in[300000];
    for (int round = 0; round < 10; round++) {
        memset(out, round, sizeof out);
        struct slice slices[3] = {slice_of(out, 1000), slice_of(out, 0), slice_of(out, 3)};
        TRY(connection_send(f, connection, slices, 3));
        size_t got = 0;
        while (got < 1003) {
            size_t size;
            TRY(connection_receive(f, connection, in + got, sizeof in - got, &size));
            CHECK(size > 0);
            got += size;
        }
        CHECK(memcmp(in, out, 1003) == 0);
    }
    connection_close(f, connection);
    TRY(task_group_wait(f, &group));
    listener_close(f, listener);
    return STATUS_OK;
}

static void sockets_echo(void **state) {
    run_on_cores(1, use_sockets, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_group_waits_for_its_children),
    cmocka_unit_test(the_first_failure_cancels_the_siblings),
    cmocka_unit_test(calls_run_there_and_come_back),
    cmocka_unit_test(a_deadline_ends_a_wait),
    cmocka_unit_test(files_are_written_and_read),
    cmocka_unit_test(sockets_echo),
};

RUN_ON_BOTH(tests)
