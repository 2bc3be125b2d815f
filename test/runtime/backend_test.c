/* Choosing a back end, what an idle runtime costs, and how a fiber dies that overflows. */
#include "runtime_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_log.h"
#include "runtime/backend.h"
#include "runtime/sanitizer.h"

static char logged[4096];
static int logged_lines;

static void catch_log(enum log_level level, const char *line) {
    logged_lines++;
    snprintf(logged, sizeof logged, "%s", line);
}

static enum status hello(struct fiber *f, void *argument) {
    return fiber_sleep(f, 1000);
}

static void refused_io_uring_means_posix_and_one_line(void **state) {
    static const struct {
        int error;
        const char *why;
    } refusals[] = {{EPERM, "forbids"}, {ENOSYS, "does not have"}, {ENOMEM, "locked memory"}};
    log_writer_set(catch_log);
    for (size_t i = 0; i < 3; i++) {
        logged_lines = 0;
        backend__io_uring_refusal = refusals[i].error;
        struct runtime_options options = {.core_count = 2};
        struct runtime *runtime;
        enum status status = runtime_create(&options, &runtime);
        backend__io_uring_refusal = 0;
        assert_ok(status);
        assert_int_equal(runtime_backend(runtime), RUNTIME_BACKEND_POSIX);
        assert_int_equal(logged_lines, 1);
        assert_non_null(strstr(logged, refusals[i].why));
        assert_ok(runtime_run(runtime, 1, hello, NULL));
        runtime_destroy(runtime);
    }
    log_writer_set(NULL);
}

static void demanded_io_uring_that_is_refused_is_an_error(void **state) {
    backend__io_uring_refusal = EPERM;
    struct runtime_options options = {.core_count = 2, .backend = RUNTIME_BACKEND_IO_URING};
    struct runtime *runtime;
    enum status status = runtime_create(&options, &runtime);
    backend__io_uring_refusal = 0;
    assert_int_equal(status, STATUS_FEATURE_NOT_SUPPORTED);
    assert_null(runtime);
}

static void the_environment_can_force_a_back_end(void **state) {
    setenv("SATORI_RUNTIME", "posix", 1);
    struct runtime_options options = {.core_count = 1};
    struct runtime *runtime;
    assert_ok(runtime_create(&options, &runtime));
    assert_int_equal(runtime_backend(runtime), RUNTIME_BACKEND_POSIX);
    runtime_destroy(runtime);
    unsetenv("SATORI_RUNTIME");
}

/* ---- memory ----------------------------------------------------------------------------- */

static size_t resident_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size = 0, resident = 0;
    if (file == NULL || fscanf(file, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    if (file != NULL)
        fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static enum status touch_stack(struct fiber *f, void *argument) {
    volatile char bytes[100000];
    for (size_t i = 0; i < sizeof bytes; i += 1000)
        bytes[i] = 1;
    fiber_yield(f);
    return bytes[1000] == 1 ? STATUS_OK : STATUS_INTERNAL_ERROR;
}

static enum status touch_many_stacks(struct fiber *f, void *argument) {
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < 1000; i++)
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, touch_stack, NULL));
    return task_group_wait(f, &group);
}

static void used_stacks_are_given_back(void **state) {
#if defined(WITH_ASAN) || defined(WITH_TSAN)
    skip();
#endif
    struct runtime *runtime = start_runtime(1);
    size_t before = resident_bytes();
    assert_ok(runtime_run(runtime, 0, touch_many_stacks, NULL));
    /* Given back when the core has been idle for a second. */
    size_t after = SIZE_MAX;
    for (int i = 0; i < 60 && after > before + (8u << 20); i++) {
        usleep(100000);
        after = resident_bytes();
    }
    assert_true(after <= before + (8u << 20));
    runtime_destroy(runtime);
}

/* ---- overflow --------------------------------------------------------------------------- */

__attribute__((noinline)) static int recurse(int depth) {
    volatile char frame[200];
    frame[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + frame[0];
}

static enum status overflow(struct fiber *f, void *argument) {
    fiber_name_set(f, "the deep one");
    return recurse(0) == 0 ? STATUS_OK : STATUS_INTERNAL_ERROR;
}

static void overflow_in_child(int error_pipe) {
    dup2(error_pipe, STDERR_FILENO);
    struct runtime_options options = {.core_count = 1, .backend = tested_backend};
    struct runtime *runtime;
    if (runtime_create(&options, &runtime) == STATUS_OK)
        (void)!runtime_run(runtime, 0, overflow, NULL);
    _exit(0);
}

static void an_overflow_names_the_fiber(void **state) {
#if defined(WITH_ASAN) || defined(WITH_TSAN)
    skip(); /* they report it in their own way */
#endif
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        overflow_in_child(ends[1]);
    close(ends[1]);
    char text[1000] = "";
    size_t size = 0;
    ssize_t got;
    while (size < sizeof text - 1 && (got = read(ends[0], text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    close(ends[0]);
    int result;
    waitpid(child, &result, 0);
    assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGSEGV);
    assert_non_null(strstr(text, "stack overflow in fiber \"the deep one\""));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(refused_io_uring_means_posix_and_one_line),
    cmocka_unit_test(demanded_io_uring_that_is_refused_is_an_error),
    cmocka_unit_test(the_environment_can_force_a_back_end),
    cmocka_unit_test(used_stacks_are_given_back),
    cmocka_unit_test(an_overflow_names_the_fiber),
};

RUN_ON_BOTH(tests)
