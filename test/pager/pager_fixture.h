/* A pager in a directory of its own, for tests of the pager and of what lies on it. */
#ifndef PAGER_FIXTURE_H
#define PAGER_FIXTURE_H

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_bytes.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "pager/pager.h"
#include "runtime/runtime.h"
#include "runtime/runtime_file.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return error_set(STATUS_INTERNAL_ERROR, "%s:%d: %s", __FILE__, __LINE__, #condition);  \
    } while (0)
#define CHECK_STATUS(expression, wanted)                                                           \
    do {                                                                                           \
        enum status check_status_ = (expression);                                                  \
        if (check_status_ != (wanted))                                                             \
            return error_set(STATUS_INTERNAL_ERROR, "%s:%d: %s gave %s: %s", __FILE__, __LINE__,   \
                             #expression, status_name(check_status_),                              \
                             check_status_ ? error_current()->message : "");                       \
    } while (0)

struct stand {
    char directory[64];
    uint64_t memory, file_size_max;
    bool untended;
    struct page_budget *budget;
    struct pager *pager;
    enum status (*body)(struct fiber *f, struct stand *stand);
};

static inline enum status stand_open(struct fiber *f, struct stand *stand, bool create) {
    static char directory[sizeof stand->directory]; /* the pager must keep a copy of its own */
    memcpy(directory, stand->directory, sizeof directory);
    struct pager_options options = {
        .directory = directory,
        .budget = stand->budget,
        .create = create,
        .name = "partition 0",
        .file_size_max = stand->file_size_max,
        .untended = stand->untended,
    };
    enum status status = pager_open(f, &options, &stand->pager);
    memset(directory, 0, sizeof directory);
    return status;
}

/* Closing does not checkpoint, so this is what a crash leaves. */
static inline enum status stand_crash(struct fiber *f, struct stand *stand) {
    pager_close(f, stand->pager);
    stand->pager = NULL;
    return stand_open(f, stand, false);
}

static inline enum status stand_checkpoint(struct fiber *f, struct stand *stand, uint64_t applied) {
    TRY(pager_checkpoint_prepare(f, stand->pager));
    pager_checkpoint_begin(stand->pager, (struct commit_number){applied});
    return pager_checkpoint_finish(f, stand->pager);
}

static inline void fail_on_report(void *context, struct page_id id, uint64_t offset,
                                  const char *text) {
    *(int *)context += 1;
    printf("# page %llu at %llu: %s\n", (unsigned long long)id.value, (unsigned long long)offset,
           text);
}

static inline enum status stand_check(struct fiber *f, struct stand *stand, bool images) {
    int findings = 0;
    TRY(pager_check(f, stand->pager, images, fail_on_report, &findings));
    CHECK(findings == 0);
    return STATUS_OK;
}

static inline void stand_path(const struct stand *stand, const char *name, char path[128]) {
    snprintf(path, 128, "%s/%s", stand->directory, name);
}

static inline enum status stand_main(struct fiber *f, void *argument) {
    struct stand *stand = argument;
    TRY(page_budget_create(stand->memory, 1, &stand->budget));
    TRY(stand_open(f, stand, true));
    enum status status = stand->body(f, stand);
    if (status == STATUS_OK) {
        pager_close(f, stand->pager);
        page_budget_destroy(stand->budget);
    }
    return status;
}

static inline void run_on_stand(uint64_t memory, uint64_t file_size_max,
                                enum status (*body)(struct fiber *f, struct stand *stand)) {
    struct stand stand = {.memory = memory, .file_size_max = file_size_max, .body = body};
    strcpy(stand.directory, "/tmp/satori-pager-XXXXXX");
    assert_non_null(mkdtemp(stand.directory));
    log_level_set(LOG_WARNING);
    struct runtime_options options = {.core_count = 1, .random_seed = 42};
    struct runtime *runtime;
    assert_ok(runtime_create(&options, &runtime));
    enum status status = runtime_run(runtime, 0, stand_main, &stand);
    char message[1024];
    snprintf(message, sizeof message, "%s", error_current()->message);
    runtime_destroy(runtime);
    char path[128];
    const char *names[] = {"pages", "manifest", "manifest.new"};
    for (int i = 0; i < 3; i++) {
        stand_path(&stand, names[i], path);
        unlink(path);
    }
    rmdir(stand.directory);
    if (status != STATUS_OK)
        fail_msg("%s: %s", status_name(status), message);
}

/* A new page with the mark at both ends, and a look whether it is there still. */
static inline enum status stand_new_page(struct fiber *f, struct stand *stand, uint32_t size,
                                         uint64_t mark, struct page_id *id_out) {
    struct page *page;
    *id_out = (struct page_id){0};
    TRY(pager_allocate(f, stand->pager, PAGE_DURABLE, size, &page));
    CHECK(page->size == size - PAGE_HEADER_SIZE);
    for (size_t i = 0; i < page->size; i++)
        CHECK(page->data[i] == 0);
    put_le64(page->data, mark);
    put_le64(page->data + page->size - 8, ~mark);
    *id_out = page->id;
    pager_unpin(stand->pager, page);
    return STATUS_OK;
}

static inline enum status stand_expect_page(struct fiber *f, struct stand *stand, struct page_id id,
                                            uint64_t mark) {
    struct page *page;
    TRY(pager_fetch(f, stand->pager, id, &page));
    CHECK(get_le64(page->data) == mark);
    CHECK(get_le64(page->data + page->size - 8) == ~mark);
    pager_unpin(stand->pager, page);
    return STATUS_OK;
}

#endif
