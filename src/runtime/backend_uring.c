#include "backend.h"

static enum status refused(struct core *core) {
    return error_set(STATUS_FEATURE_NOT_SUPPORTED, "the io_uring back end is not built in");
}

const struct backend backend__io_uring = {.name = "io_uring", .open = refused};
