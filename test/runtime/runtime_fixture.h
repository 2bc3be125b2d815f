/* Every test of the room runs once per back end: main() of a test is RUN_ON_BOTH(tests) or
   RUN_ON_ALL(tests). */
#ifndef RUNTIME_FIXTURE_H
#define RUNTIME_FIXTURE_H

#include "test.h"

#include <stdio.h>
#include <string.h>

#include "runtime/runtime.h"
#include "runtime/runtime_simulator.h"

static enum runtime_backend tested_backend;

/* A runtime of `cores` on the back end under test. */
__attribute__((unused)) static struct runtime *start_runtime(unsigned cores) {
    struct runtime_options options = {
        .core_count = cores, .backend = tested_backend, .random_seed = 42};
    struct runtime *runtime;
    assert_ok(runtime_create(&options, &runtime));
    return runtime;
}

/* Run `function` on core 0 of a fresh runtime; cmocka's failures inside it end the process's test
   by longjmp, so fibers use CHECK instead. */
__attribute__((unused)) static void run_on_cores(unsigned cores, fiber_function function,
                                                 void *argument) {
    struct runtime *runtime = start_runtime(cores);
    enum status status = runtime_run(runtime, 0, function, argument);
    if (status != STATUS_OK)
        fail_msg("%s", error_current()->message);
    runtime_destroy(runtime);
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return error_set(STATUS_INTERNAL_ERROR, "%s:%d: %s", __FILE__, __LINE__, #condition);  \
    } while (0)
#define CHECK_STATUS(expression, wanted)                                                           \
    do {                                                                                           \
        enum status check_status_ = (expression);                                                  \
        if (check_status_ != (wanted))                                                             \
            return error_set(STATUS_INTERNAL_ERROR, "%s:%d: %s gave %s", __FILE__, __LINE__,       \
                             #expression, status_name(check_status_));                             \
    } while (0)

static inline bool io_uring_works(void) {
    struct runtime_options options = {.core_count = 1, .backend = RUNTIME_BACKEND_IO_URING};
    struct runtime *runtime;
    if (runtime_create(&options, &runtime) != STATUS_OK) {
        printf("# io_uring is not tested here: %s\n", error_current()->message);
        return false;
    }
    runtime_destroy(runtime);
    return true;
}

#define RUN_ON_BOTH(tests) RUN_ON_BOTH_WITH(tests, NULL, NULL)
#define RUN_ON_BOTH_WITH(tests, set_up, tear_down)                                                 \
    int main(void) {                                                                               \
        return RUN_ON_MACHINE(tests, set_up, tear_down);                                           \
    }

/* A macro, for cmocka counts the tests of an array. */
#define RUN_ON_MACHINE(tests, set_up, tear_down)                                                   \
    (tested_backend = RUNTIME_BACKEND_POSIX,                                                       \
     cmocka_run_group_tests_name(__FILE__ " (posix)", tests, set_up, tear_down) +                  \
         (io_uring_works()                                                                         \
              ? (tested_backend = RUNTIME_BACKEND_IO_URING,                                        \
                 cmocka_run_group_tests_name(__FILE__ " (io_uring)", tests, set_up, tear_down))    \
              : 0))

/* ... and in the simulator: for tests that keep to what a runtime offers (no threads or sockets of
   their own, no time but the runtime's). */
#define RUN_ON_ALL(tests)                                                                          \
    int main(void) {                                                                               \
        int failed = RUN_ON_MACHINE(tests, NULL, NULL);                                            \
        struct simulator_options options = {.seed = 1, .turn_rate = 100000};                       \
        struct simulator *simulator;                                                               \
        if (simulator_create(&options, &simulator) != STATUS_OK)                                   \
            return 1;                                                                              \
        tested_backend = RUNTIME_BACKEND_SIMULATOR;                                                \
        failed += cmocka_run_group_tests_name(__FILE__ " (simulator)", tests, NULL, NULL);         \
        simulator_destroy(simulator);                                                              \
        return failed;                                                                             \
    }

#endif
