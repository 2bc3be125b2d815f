/* Time and secrets of the real machine. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "runtime/core.h"

static int64_t machine_monotonic_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    int64_t now = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
    return now > 0 ? now : 1;
}

static int64_t machine_wall_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static int machine_secret(void *bytes, size_t size) {
    uint8_t *at = bytes;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        at += got;
        size -= (size_t)got;
    }
    return 0;
}

static void machine_pause(void) {
    sched_yield();
}

static const struct environment machine = {
    .monotonic_ns = machine_monotonic_ns,
    .wall_us = machine_wall_us,
    .secret = machine_secret,
    .pause = machine_pause,
};
const struct environment *environment__current = &machine;

int64_t clock_monotonic_ns(void) {
    return environment__current->monotonic_ns();
}

int64_t clock_wall_us(void) {
    return environment__current->wall_us();
}

enum status secret_random(void *bytes, size_t size) {
    if (environment__current->secret(bytes, size) != 0)
        return error_set(STATUS_IO_ERROR, "could not get random bytes: %s", strerror(errno));
    return STATUS_OK;
}
