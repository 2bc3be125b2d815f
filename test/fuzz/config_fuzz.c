/* A settings file. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"
#include "session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static char path[64];
    char text[256];
    if (path[0] == '\0')
        snprintf(path, sizeof path, "/tmp/satori-fuzz-%ld.conf", (long)getpid());
    FILE *file = fopen(path, "w");
    fuzz_require(file != NULL);
    fwrite(bytes, 1, size, file);
    fclose(file);
    struct engine_options options = {.config_path = path};
    static const char *const NAMES[] = {"listen_addresses", "work_mem", "cores", "DateStyle"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        enum status status = engine_start_setting(&options, NAMES[i], text, sizeof text);
        fuzz_require(status != STATUS_INTERNAL_ERROR);
    }
    unlink(path);
    return 0;
}
