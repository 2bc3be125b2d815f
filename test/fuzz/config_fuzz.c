/* A settings file. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static int file = -1; /* in memory: files of a disk give 130 inputs a second */
    char path[64], text[256];
    if (file < 0)
        file = memfd_create("settings", 0);
    fuzz_require(file >= 0 && ftruncate(file, 0) == 0);
    fuzz_require(pwrite(file, bytes, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    struct engine_options options = {.config_path = path};
    static const char *const NAMES[] = {"listen_addresses", "work_mem", "cores", "DateStyle"};
    enum status status = engine_start_setting(&options, NAMES[size % 4], text, sizeof text);
    fuzz_require(status != STATUS_INTERNAL_ERROR);
    return 0;
}
