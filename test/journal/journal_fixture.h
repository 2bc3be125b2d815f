/* What the journal's tests share: a directory, a runtime of one core, files read and written whole.
 */
#ifndef JOURNAL_FIXTURE_H
#define JOURNAL_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#include "base/base_log.h"
#include "journal/journal.h"
#include "journal/journal_format.h"
#include "runtime/backend.h"
#include "runtime/runtime.h"

static char fixture_root[64];

/* Run a body on a fiber of a fresh runtime, in a fresh directory. */
static void fixture_run(fiber_function body, unsigned cores, enum runtime_backend backend) {
    struct runtime *runtime;
    struct runtime_options options = {.core_count = cores, .backend = backend, .random_seed = 7};
    char command[128];
    snprintf(fixture_root, sizeof fixture_root, "/tmp/satori-test-XXXXXX");
    assert_non_null(mkdtemp(fixture_root));
    assert_ok(runtime_create(&options, &runtime));
    enum status status = runtime_run(runtime, 0, body, NULL);
    runtime_destroy(runtime);
    snprintf(command, sizeof command, "rm -rf %s", fixture_root);
    assert_int_equal(system(command), 0);
    assert_ok(status);
}

/* The same; `fault` is asked for each operation on files (runtime/backend.h). */
static inline void fixture_run_faulty(fiber_function body,
                                      int (*fault)(const struct operation *operation)) {
    static struct environment faulty;
    const struct environment *before = environment__current;
    faulty = *before;
    faulty.file_fault = fault;
    environment__current = &faulty; /* no runtime runs yet */
    fixture_run(body, 1, RUNTIME_BACKEND_AUTO);
    environment__current = before;
}

static inline uint8_t *file_load(const char *path, size_t *size_out) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size_out = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size_out);
    assert_int_equal(fread(bytes, 1, *size_out, file), *size_out);
    fclose(file);
    return bytes;
}

static inline void file_store(const char *path, const uint8_t *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

#endif
