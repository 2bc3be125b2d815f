#include "pager_fixture.h"

#include "base/base_bytes.h"
#include "base/base_hash.h"

/* ---- pages -------------------------------------------------------------------------------- */

static enum status remark(struct fiber *f, struct stand *stand, struct page_id id, uint64_t mark) {
    struct page *page;
    TRY(pager_reserve(f, stand->pager, 1));
    TRY(pager_fetch(f, stand->pager, id, &page));
    pager_modify(stand->pager, page);
    put_le64(page->data, mark);
    put_le64(page->data + page->size - 8, ~mark);
    pager_unpin(stand->pager, page);
    return STATUS_OK;
}

static enum status all_sizes(struct fiber *f, struct stand *stand) {
    struct page_id ids[40];
    unsigned count = 0;
    for (uint32_t size = PAGE_SIZE_MIN; size <= PAGE_SIZE_MAX; size *= 2) {
        for (int i = 0; i < 4; i++, count++)
            TRY(stand_new_page(f, stand, size, count, &ids[count]));
    }
    for (unsigned i = 0; i < count; i++)
        TRY(stand_expect_page(f, stand, ids[i], i));
    TRY(stand_checkpoint(f, stand, 1));
    TRY(stand_crash(f, stand));
    TRY(stand_check(f, stand, true));
    for (unsigned i = 0; i < count; i++)
        TRY(stand_expect_page(f, stand, ids[i], i));
    return STATUS_OK;
}

static void pages_of_all_sizes_are_evicted_and_come_back(void **state) {
    run_on_stand(3 << 20, 0, all_sizes);
}

/* What was not in the last checkpoint does not exist after a crash; its space is free again. */
static enum status crash_forgets(struct fiber *f, struct stand *stand) {
    struct page_id kept, lost, changed, freed;
    TRY(stand_new_page(f, stand, PAGE_SIZE, 1, &kept));
    TRY(stand_new_page(f, stand, PAGE_SIZE, 2, &changed));
    TRY(stand_new_page(f, stand, PAGE_SIZE, 3, &freed));
    TRY(pager_root_set(stand->pager, (struct tree_id){9}, kept));
    TRY(stand_checkpoint(f, stand, 10));
    TRY(stand_new_page(f, stand, PAGE_SIZE, 4, &lost));
    TRY(remark(f, stand, changed, 22));
    pager_free(stand->pager, freed);
    TRY(pager_root_set(stand->pager, (struct tree_id){9}, lost));
    TRY(stand_crash(f, stand));
    CHECK(pager_checkpoint_applied(stand->pager).value == 10);
    CHECK(pager_root(stand->pager, (struct tree_id){9}).value == kept.value);
    CHECK(pager_root(stand->pager, (struct tree_id){8}).value == 0);
    TRY(stand_expect_page(f, stand, kept, 1));
    TRY(stand_expect_page(f, stand, changed, 2));
    TRY(stand_expect_page(f, stand, freed, 3));
    struct page *page;
    CHECK_STATUS(pager_fetch(f, stand->pager, lost, &page), STATUS_DATA_CORRUPTED);
    return stand_check(f, stand, true);
}

static void a_crash_forgets_what_no_checkpoint_has(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, crash_forgets);
}

/* Changes, frees and new pages behind the cut do not reach its checkpoint. */
static enum status cut_is_cut(struct fiber *f, struct stand *stand) {
    enum { COUNT = 12 };
    struct page_id ids[COUNT], later;
    for (unsigned i = 0; i < COUNT; i++)
        TRY(stand_new_page(f, stand, PAGE_SIZE, i, &ids[i]));
    TRY(stand_checkpoint(f, stand, 1));
    for (unsigned i = 0; i < COUNT; i++)
        TRY(remark(f, stand, ids[i], 100 + i));
    TRY(pager_reserve(f, stand->pager, COUNT));
    pager_checkpoint_begin(stand->pager, (struct commit_number){2});
    for (unsigned i = 0; i < COUNT; i += 3)
        TRY(remark(f, stand, ids[i], 200 + i));
    for (unsigned i = 1; i < COUNT; i += 3)
        pager_free(stand->pager, ids[i]);
    TRY(stand_new_page(f, stand, PAGE_SIZE, 300, &later));
    CHECK(later.value <= COUNT); /* takes a freed id */
    TRY(pager_checkpoint_finish(f, stand->pager));
    TRY(stand_check(f, stand, true));
    TRY(stand_crash(f, stand));
    for (unsigned i = 0; i < COUNT; i++)
        TRY(stand_expect_page(f, stand, ids[i], 100 + i));
    TRY(stand_check(f, stand, true));
    return STATUS_OK;
}

static void changes_behind_the_cut_stay_out_of_its_checkpoint(void **state) {
    run_on_stand(64 * PAGE_SIZE, 0, cut_is_cut);
}

/* A freed page's memory stays for whoever has it pinned. */
static enum status free_pinned(struct fiber *f, struct stand *stand) {
    struct page_id id, other;
    struct page *page;
    TRY(stand_new_page(f, stand, PAGE_SIZE, 5, &id));
    TRY(pager_fetch(f, stand->pager, id, &page));
    pager_free(stand->pager, id);
    CHECK(pager_fetch_cached(stand->pager, id) == NULL);
    TRY(stand_new_page(f, stand, PAGE_SIZE, 6, &other));
    CHECK(other.value == id.value && get_le64(page->data) == 5);
    TRY(stand_checkpoint(f, stand, 1));
    CHECK(get_le64(page->data) == 5);
    pager_unpin(stand->pager, page);
    return stand_expect_page(f, stand, other, 6);
}

static void a_freed_page_lives_until_it_is_unpinned(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, free_pinned);
}

/* ---- limits ------------------------------------------------------------------------------- */

static enum status everything_pinned(struct fiber *f, struct stand *stand) {
    struct page *pages[64];
    unsigned count = 0;
    enum status status = STATUS_OK;
    while (count < 64 && status == STATUS_OK) {
        status = pager_allocate(f, stand->pager, PAGE_TEMPORARY, PAGE_SIZE, &pages[count]);
        count += status == STATUS_OK;
    }
    CHECK(status == STATUS_OUT_OF_MEMORY);
    CHECK(count == 32);
    CHECK(page_budget_used(stand->budget) == 32 * PAGE_SIZE);
    while (count > 0) {
        struct page_id id = pages[--count]->id;
        pager_unpin(stand->pager, pages[count]);
        pager_free(stand->pager, id);
    }
    CHECK(page_budget_used(stand->budget) <= 8 * PAGE_SIZE);
    return STATUS_OK;
}

static void the_memory_limit_is_hard(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, everything_pinned);
}

static enum status full_disk(struct fiber *f, struct stand *stand) {
    struct page_id first, id;
    TRY(stand_new_page(f, stand, PAGE_SIZE, 1, &first));
    TRY(stand_checkpoint(f, stand, 1));
    enum status status = STATUS_OK;
    unsigned count = 0;
    for (; count < 1000 && status == STATUS_OK; count++)
        status = stand_new_page(f, stand, PAGE_SIZE, count, &id);
    CHECK(status == STATUS_DISK_FULL);
    CHECK(count > 200 && count <= 256);
    CHECK_STATUS(pager_reserve(f, stand->pager, 40), STATUS_DISK_FULL);
    TRY(stand_expect_page(f, stand, first, 1));
    TRY(stand_checkpoint(f, stand, 2)); /* every page made has its place in the file */
    for (uint64_t i = first.value + 1; i < first.value + count; i++)
        pager_free(stand->pager, (struct page_id){i});
    CHECK_STATUS(pager_reserve(f, stand->pager, 40), STATUS_DISK_FULL);
    TRY(stand_checkpoint(f, stand, 3)); /* now their places are free */
    TRY(pager_reserve(f, stand->pager, 20));
    TRY(stand_new_page(f, stand, PAGE_SIZE, 7, &id));
    TRY(stand_checkpoint(f, stand, 4));
    TRY(stand_crash(f, stand));
    TRY(stand_expect_page(f, stand, id, 7));
    return stand_check(f, stand, true);
}

static void a_full_disk_is_an_error_and_freeing_helps(void **state) {
    run_on_stand(64 * PAGE_SIZE, 4 << 20, full_disk);
}

/* The second pager of a budget gets its fair share from the first, which had taken all. */
static enum status share_fairly(struct fiber *f, struct stand *stand) {
    enum { COUNT = 256 };
    struct stand second = {.memory = stand->memory};
    struct stand first = {.memory = stand->memory};
    strcat(strcpy(first.directory, stand->directory), "/a");
    strcat(strcpy(second.directory, stand->directory), "/b");
    struct page_budget *budget;
    TRY(page_budget_create(COUNT * PAGE_SIZE, 2, &budget));
    first.budget = second.budget = budget;
    TRY(directory_create(f, first.directory));
    TRY(directory_create(f, second.directory));
    TRY(stand_open(f, &first, true));
    TRY(stand_open(f, &second, true));
    struct page_id id;
    for (unsigned i = 0; i < 2 * COUNT; i++)
        TRY(stand_new_page(f, &first, PAGE_SIZE, i, &id));
    struct pager_statistics statistics;
    pager_statistics(first.pager, &statistics);
    CHECK(statistics.frames >= COUNT - 64 - 1);
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < 100; i++)
            TRY(stand_new_page(f, &second, PAGE_SIZE, i, &id));
        TRY(pager_maintain(f, first.pager));
    }
    pager_statistics(second.pager, &statistics);
    CHECK(statistics.frames > COUNT / 2 - 8);
    CHECK(page_budget_used(budget) <= COUNT * PAGE_SIZE);
    pager_close(f, first.pager);
    pager_close(f, second.pager);
    page_budget_destroy(budget);
    const char *names[] = {"a/pages", "a/manifest", "b/pages", "b/manifest"};
    for (int i = 0; i < 4; i++) {
        char path[128];
        stand_path(stand, names[i], path);
        TRY(file_remove(f, path));
    }
    TRY(directory_remove(f, first.directory));
    return directory_remove(f, second.directory);
}

static void a_starving_pager_gets_its_fair_share(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, share_fairly);
}

/* ---- damage ------------------------------------------------------------------------------- */

static enum status flip(struct fiber *f, const char *path, uint64_t offset) {
    struct file *file;
    uint8_t byte;
    TRY(file_open(f, path, 0, &file));
    TRY(file_read_exact(f, file, &byte, 1, offset));
    byte ^= 0x10;
    TRY(file_write(f, file, &byte, 1, offset, FILE_WRITE_PLAIN));
    return file_close(f, file);
}

/* Rounds over more chunks than fit, with a few pages of a tree in between. */
static enum status rounds_of_chunks(struct fiber *f, struct stand *stand) {
    enum { CHUNKS = 96, CHUNK_SIZE = 64 << 10, PAGES = 20, ROUNDS = 6 };
    static struct page_id chunks[CHUNKS], pages[PAGES];
    struct pager_statistics before, after;
    for (unsigned i = 0; i < PAGES; i++)
        TRY(stand_new_page(f, stand, PAGE_SIZE, i, &pages[i]));
    for (unsigned i = 0; i < CHUNKS; i++)
        TRY(stand_new_page(f, stand, CHUNK_SIZE, i, &chunks[i]));
    TRY(stand_checkpoint(f, stand, 1));
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t read_for_pages = 0;
        pager_statistics(stand->pager, &before);
        for (unsigned i = 0; i < CHUNKS; i++) {
            TRY(stand_expect_page(f, stand, chunks[i], i));
            struct pager_statistics middle;
            pager_statistics(stand->pager, &middle);
            TRY(stand_expect_page(f, stand, pages[i % PAGES], i % PAGES));
            pager_statistics(stand->pager, &after);
            read_for_pages += after.reads - middle.reads;
        }
        /* Half of the chunks fit: a clock would read all of them in every round. */
        if (round > 1) {
            CHECK(after.reads - before.reads < CHUNKS * 3 / 4);
            CHECK(read_for_pages == 0);
        }
    }
    /* Others take their place in the end. */
    static struct page_id others[CHUNKS];
    for (unsigned i = 0; i < CHUNKS; i++)
        TRY(stand_new_page(f, stand, CHUNK_SIZE, i, &others[i]));
    TRY(stand_checkpoint(f, stand, 2));
    for (unsigned round = 0; round < 40; round++) {
        pager_statistics(stand->pager, &before);
        for (unsigned i = 0; i < CHUNKS / 4; i++)
            TRY(stand_expect_page(f, stand, others[i], i));
        pager_statistics(stand->pager, &after);
    }
    CHECK(after.reads - before.reads < 3);
    return stand_check(f, stand, true);
}

static void repeated_scans_keep_what_fits_and_leave_trees_alone(void **state) {
    run_on_stand(4 << 20, 0, rounds_of_chunks);
}

static void count_report(void *context, struct page_id id, uint64_t offset, const char *text) {
    ++*(int *)context;
}

static enum status damaged_pages(struct fiber *f, struct stand *stand) {
    char path[128];
    stand_path(stand, "pages", path);
    struct page_id id;
    TRY(stand_new_page(f, stand, PAGE_SIZE_MIN, 1, &id));
    TRY(stand_checkpoint(f, stand, 1));
    /* The one image is found by its magic. */
    uint64_t at = 0;
    struct file *file;
    uint8_t unit[PAGE_SIZE_MIN];
    TRY(file_open(f, path, 0, &file));
    for (;; at += PAGE_SIZE_MIN) {
        TRY(file_read_exact(f, file, unit, sizeof unit, at));
        if (memcmp(unit + 8, "sPAG", 4) == 0)
            break;
    }
    TRY(file_close(f, file));
    for (uint64_t i = 0; i < PAGE_SIZE_MIN; i += i < 80 ? 1 : 97) {
        TRY(flip(f, path, at + i));
        TRY(stand_crash(f, stand));
        struct page *page;
        CHECK_STATUS(pager_fetch(f, stand->pager, id, &page), STATUS_DATA_CORRUPTED);
        CHECK(strstr(error_current()->message, path) != NULL);
        int findings = 0;
        TRY(pager_check(f, stand->pager, true, count_report, &findings));
        CHECK(findings == 1);
        TRY(flip(f, path, at + i));
    }
    return stand_expect_page(f, stand, id, 1);
}

static void damage_to_any_byte_of_an_image_is_found(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, damaged_pages);
}

static enum status manifest_size(struct fiber *f, const char *path, uint64_t *size_out) {
    struct file *file;
    TRY(file_open(f, path, FILE_READ_ONLY, &file));
    TRY(file_size(f, file, size_out));
    return file_close(f, file);
}

static enum status damaged_manifest(struct fiber *f, struct stand *stand) {
    enum { SEAL = 40 };
    char path[128];
    stand_path(stand, "manifest", path);
    struct page_id id;
    for (uint64_t i = 1; i <= 3; i++) {
        TRY(stand_new_page(f, stand, PAGE_SIZE, i, &id));
        TRY(pager_root_set(stand->pager, (struct tree_id){(uint32_t)i}, id));
        TRY(stand_checkpoint(f, stand, i));
    }
    uint64_t size;
    TRY(manifest_size(f, path, &size));
    for (uint64_t i = 0; i < size - SEAL; i++) {
        TRY(flip(f, path, i));
        pager_close(f, stand->pager);
        CHECK_STATUS(stand_open(f, stand, false), STATUS_DATA_CORRUPTED);
        CHECK(strstr(error_current()->message, path) != NULL);
        stand->pager = NULL;
        TRY(flip(f, path, i));
    }
    TRY(flip(f, path, size - 5)); /* the seal itself is only a witness */
    TRY(stand_open(f, stand, false));
    CHECK(pager_checkpoint_applied(stand->pager).value == 3);
    return stand_expect_page(f, stand, id, 3);
}

static void damage_to_any_byte_of_the_manifest_is_found(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, damaged_manifest);
}

/* Cut the manifest anywhere: the newest checkpoint that is whole counts. */
static enum status torn_manifest(struct fiber *f, struct stand *stand) {
    char path[128];
    stand_path(stand, "manifest", path);
    uint64_t sizes[3];
    struct page_id id;
    for (uint64_t i = 0; i < 3; i++) {
        TRY(stand_new_page(f, stand, PAGE_SIZE, i, &id));
        TRY(stand_checkpoint(f, stand, i + 1));
        TRY(manifest_size(f, path, &sizes[i]));
    }
    static uint8_t bytes[1 << 16];
    struct file *file;
    CHECK(sizes[2] < sizeof bytes);
    TRY(file_open(f, path, 0, &file));
    TRY(file_read_exact(f, file, bytes, sizes[2], 0));
    for (uint64_t cut = sizes[1] - 40; cut < sizes[2]; cut += 5) {
        pager_close(f, stand->pager);
        TRY(file_truncate(f, file, 0));
        TRY(file_write(f, file, bytes, cut, 0, FILE_WRITE_PLAIN));
        TRY(stand_open(f, stand, false));
        uint64_t wanted = cut >= sizes[2] - 40 ? 3 : 2;
        CHECK(pager_checkpoint_applied(stand->pager).value == wanted);
    }
    TRY(file_close(f, file));
    TRY(stand_checkpoint(f, stand, 7));
    TRY(stand_crash(f, stand));
    CHECK(pager_checkpoint_applied(stand->pager).value == 7);
    return stand_check(f, stand, true);
}

static void a_torn_tail_of_the_manifest_is_ignored(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, torn_manifest);
}

/* A manifest that grew is written anew, small. */
static enum status rewrite(struct fiber *f, struct stand *stand) {
    enum { COUNT = 500 };
    static struct page_id ids[COUNT];
    char path[128];
    stand_path(stand, "manifest", path);
    for (unsigned i = 0; i < COUNT; i++)
        TRY(stand_new_page(f, stand, PAGE_SIZE_MIN, i, &ids[i]));
    uint64_t size = 0, largest = 0;
    bool shrank = false;
    for (unsigned round = 1; round <= 14; round++) {
        for (unsigned i = 0; i < COUNT; i++)
            TRY(remark(f, stand, ids[i], i + round));
        TRY(stand_checkpoint(f, stand, round));
        uint64_t before = size;
        TRY(manifest_size(f, path, &size));
        shrank |= size < before;
        largest = size > largest ? size : largest;
    }
    CHECK(shrank && largest < (64 << 10) + 2 * COUNT * 16);
    TRY(stand_crash(f, stand));
    CHECK(pager_checkpoint_applied(stand->pager).value == 14);
    for (unsigned i = 0; i < COUNT; i++)
        TRY(stand_expect_page(f, stand, ids[i], i + 14));
    struct pager_statistics statistics;
    pager_statistics(stand->pager, &statistics);
    CHECK(statistics.bytes_file < 8 << 20); /* old places were used again */
    return stand_check(f, stand, true);
}

static void a_long_manifest_is_written_anew(void **state) {
    run_on_stand(4 << 20, 0, rewrite);
}

/* ---- companions -------------------------------------------------------------------------- */

static uint64_t companion_bytes(const struct stand *stand) {
    struct pager_statistics statistics;
    pager_statistics(stand->pager, &statistics);
    return statistics.bytes_companions;
}

/* A companion goes with the content: at a change, with the page, and for another one. */
static enum status companion_life(struct fiber *f, struct stand *stand) {
    struct page_id id;
    struct page *page;
    TRY(stand_new_page(f, stand, PAGE_SIZE, 7, &id));
    TRY(pager_fetch(f, stand->pager, id, &page));
    CHECK(pager_companion(page) == NULL && companion_bytes(stand) == 0);
    uint8_t *bytes = pager_companion_make(stand->pager, page, 1000);
    CHECK(bytes != NULL && pager_companion(page) == bytes && companion_bytes(stand) == 1000);
    memset(bytes, 1, 1000);
    page->scanned = true;
    TRY(stand_checkpoint(f, stand, 1)); /* writing is no change */
    CHECK(pager_companion(page) == bytes && page->scanned);
    pager_modify(stand->pager, page);
    CHECK(pager_companion(page) == NULL && companion_bytes(stand) == 0 && !page->scanned);
    CHECK(pager_companion_make(stand->pager, page, 5000) != NULL);
    bytes = pager_companion_make(stand->pager, page, 300);
    CHECK(bytes != NULL && companion_bytes(stand) == 300);
    pager_free(stand->pager, id);
    CHECK(pager_companion(page) == bytes); /* the page is pinned still */
    pager_unpin(stand->pager, page);
    CHECK(companion_bytes(stand) == 0);
    return STATUS_OK;
}

static void a_companion_goes_with_the_content(void **state) {
    run_on_stand(4 << 20, 0, companion_life);
}

/* A note is its owner's to drop, and goes when pages want the memory. */
static enum status note_life(struct fiber *f, struct stand *stand) {
    void *notes[3] = {NULL};
    CHECK(pager_note_make(stand->pager, &notes[0], 1000) == notes[0] && notes[0] != NULL);
    CHECK((uintptr_t)notes[0] % 64 == 0 && companion_bytes(stand) == 1000);
    CHECK(pager_note_make(stand->pager, &notes[0], 700) != NULL && companion_bytes(stand) == 700);
    CHECK(pager_note_make(stand->pager, &notes[1], 300) != NULL);
    pager_note_drop(stand->pager, &notes[0]);
    CHECK(notes[0] == NULL && notes[1] != NULL && companion_bytes(stand) == 300);
    CHECK(!pager_has_spare(stand->pager, stand->memory + 1));
    CHECK(pager_note_make(stand->pager, &notes[2], (uint32_t)stand->memory) == NULL);
    CHECK(notes[2] == NULL && pager_has_spare(stand->pager, 1000));
    for (unsigned i = 0; notes[1] != NULL; i++) {
        struct page_id id;
        CHECK(i < stand->memory / PAGE_SIZE + 100);
        TRY(stand_new_page(f, stand, PAGE_SIZE, i, &id));
    }
    CHECK(companion_bytes(stand) == 0);
    return STATUS_OK;
}

static void a_note_gives_way_to_pages(void **state) {
    run_on_stand(4 << 20, 0, note_life);
}

/* Companions take what is spare, and give it back for pages: a pool full of them holds as many
   pages as one without. */
static enum status companions_yield(struct fiber *f, struct stand *stand) {
    enum { PAGES = 40, BYTES = 100000 };
    struct page_id ids[PAGES];
    struct page *page;
    unsigned made = 0;
    for (unsigned i = 0; i < PAGES; i++) {
        TRY(stand_new_page(f, stand, PAGE_SIZE, i, &ids[i]));
        TRY(pager_fetch(f, stand->pager, ids[i], &page));
        made += pager_companion_make(stand->pager, page, BYTES) != NULL;
        CHECK(page_budget_used(stand->budget) <= stand->memory);
        pager_unpin(stand->pager, page);
    }
    CHECK(made > 5 && companion_bytes(stand) > 0 && companion_bytes(stand) % BYTES == 0);
    struct page *pinned[PAGES];
    for (unsigned i = 0; i < PAGES; i++)
        TRY(pager_fetch(f, stand->pager, ids[i], &pinned[i]));
    for (unsigned i = 0; i < PAGES; i++) {
        CHECK(get_le64(pinned[i]->data) == i);
        pager_unpin(stand->pager, pinned[i]);
    }
    while (companion_bytes(stand) > 0) { /* each new page costs one in the end */
        struct page_id id;
        TRY(stand_new_page(f, stand, PAGE_SIZE, 1, &id));
        CHECK(page_budget_used(stand->budget) <= stand->memory);
    }
    for (unsigned i = 0; i < PAGES; i++)
        TRY(stand_expect_page(f, stand, ids[i], i));
    return STATUS_OK;
}

static void companions_give_way_to_pages(void **state) {
    run_on_stand(2 << 20, 0, companions_yield);
}

/* Every allocation of a short life fails once: an error, and nothing leaks or is torn. */
static enum status failing_memory(struct fiber *f, struct stand *stand) {
    for (uint64_t nth = 1; nth < 200; nth++) {
        struct page_id id = {0};
        pager_close(f, stand->pager);
        stand->pager = NULL;
        memory_fail_nth(nth);
        enum status status = stand_open(f, stand, false);
        if (status == STATUS_OK)
            status = stand_new_page(f, stand, PAGE_SIZE, nth, &id);
        if (status == STATUS_OK)
            status = stand_checkpoint(f, stand, nth);
        memory_fail_nth(0);
        CHECK(status == STATUS_OK || status == STATUS_OUT_OF_MEMORY);
        if (stand->pager == NULL)
            TRY(stand_open(f, stand, false));
        TRY(stand_check(f, stand, true));
        if (status == STATUS_OK)
            CHECK(pager_checkpoint_applied(stand->pager).value == nth);
    }
    return STATUS_OK;
}

static void running_out_of_heap_is_an_error_only(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, failing_memory);
}

int main(int argument_count, char **arguments) {
    if (argument_count > 1)
        cmocka_set_test_filter(arguments[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_of_all_sizes_are_evicted_and_come_back),
        cmocka_unit_test(a_crash_forgets_what_no_checkpoint_has),
        cmocka_unit_test(changes_behind_the_cut_stay_out_of_its_checkpoint),
        cmocka_unit_test(a_freed_page_lives_until_it_is_unpinned),
        cmocka_unit_test(the_memory_limit_is_hard),
        cmocka_unit_test(a_full_disk_is_an_error_and_freeing_helps),
        cmocka_unit_test(a_starving_pager_gets_its_fair_share),
        cmocka_unit_test(repeated_scans_keep_what_fits_and_leave_trees_alone),
        cmocka_unit_test(damage_to_any_byte_of_an_image_is_found),
        cmocka_unit_test(damage_to_any_byte_of_the_manifest_is_found),
        cmocka_unit_test(a_torn_tail_of_the_manifest_is_ignored),
        cmocka_unit_test(a_long_manifest_is_written_anew),
        cmocka_unit_test(running_out_of_heap_is_an_error_only),
        cmocka_unit_test(a_companion_goes_with_the_content),
        cmocka_unit_test(a_note_gives_way_to_pages),
        cmocka_unit_test(companions_give_way_to_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
