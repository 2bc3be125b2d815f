/* Chunks that are read before somebody asks for them. */
#include "pager_fixture.h"

enum { CHUNK_SIZE = 64 << 10 };

/* A read ahead under way, and its fiber. */
struct ahead {
    struct pager *pager;
    struct page *page;
};

static enum status read_one(struct fiber *f, void *argument) {
    struct ahead ahead = *(struct ahead *)argument;
    memory_free(argument);
    pager_read_ahead_finish(f, ahead.pager, ahead.page);
    CHECK(error_current()->status == STATUS_OK);
    return STATUS_OK;
}

/* Ask for the page; what begins goes on beside. */
static enum status ask(struct fiber *f, struct stand *stand, struct page_id id,
                       enum page_ahead *answer_out) {
    struct page *page;
    *answer_out = pager_read_ahead(stand->pager, id, &page);
    CHECK((page != NULL) == (*answer_out == PAGE_BEGUN));
    if (page == NULL)
        return STATUS_OK;
    struct ahead *ahead = memory_alloc(sizeof *ahead);
    CHECK(ahead != NULL);
    *ahead = (struct ahead){stand->pager, page};
    return fiber_spawn_detached(f, FIBER_NORMAL, "read-ahead", read_one, ahead);
}

#define CHECK_ASK(id, wanted)                                                                      \
    do {                                                                                           \
        enum page_ahead answer_;                                                                   \
        TRY(ask(f, stand, id, &answer_));                                                          \
        CHECK(answer_ == (wanted));                                                                \
    } while (0)

static struct pager_statistics statistics(const struct stand *stand) {
    struct pager_statistics statistics;
    pager_statistics(stand->pager, &statistics);
    return statistics;
}

/* `count` chunks on disk and nothing in memory. */
static enum status chunks_make(struct fiber *f, struct stand *stand, struct page_id *ids,
                               unsigned count) {
    for (unsigned i = 0; i < count; i++)
        TRY(stand_new_page(f, stand, CHUNK_SIZE, i, &ids[i]));
    TRY(stand_checkpoint(f, stand, 1));
    return stand_crash(f, stand);
}

static enum status several_at_once(struct fiber *f, struct stand *stand) {
    enum { COUNT = 8 };
    struct page_id ids[COUNT];
    TRY(chunks_make(f, stand, ids, COUNT));
    for (unsigned i = 0; i < COUNT; i++)
        CHECK_ASK(ids[i], PAGE_BEGUN);
    CHECK(statistics(stand).reads == 0); /* none has had a turn */
    for (unsigned i = 0; i < COUNT; i++)
        CHECK_ASK(ids[i], PAGE_COMING);
    for (unsigned i = 0; i < COUNT; i++)
        TRY(stand_expect_page(f, stand, ids[i], i));
    struct pager_statistics after = statistics(stand);
    CHECK(after.reads == COUNT && after.reads_ahead == COUNT && after.hits == COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        CHECK_ASK(ids[i], PAGE_HERE);
    return stand_check(f, stand, true);
}

static void chunks_are_read_side_by_side_and_once(void **state) {
    run_on_stand(16 << 20, 0, several_at_once);
}

/* Of 16 MiB a sixteenth. */
static enum status bound(struct fiber *f, struct stand *stand) {
    enum { COUNT = 64, ROOM = (16 << 20) / 16 / CHUNK_SIZE };
    static struct page_id ids[COUNT];
    TRY(chunks_make(f, stand, ids, COUNT));
    for (unsigned i = 0; i < ROOM; i++) {
        CHECK(pager_read_ahead_room(stand->pager));
        CHECK_ASK(ids[i], PAGE_BEGUN);
    }
    CHECK(!pager_read_ahead_room(stand->pager));
    CHECK_ASK(ids[ROOM], PAGE_DECLINED);
    for (unsigned i = 0; i < ROOM; i++) {
        TRY(stand_expect_page(f, stand, ids[i], i));
        CHECK_ASK(ids[ROOM + i], PAGE_BEGUN);
    }
    return STATUS_OK;
}

static void there_is_a_bound(void **state) {
    run_on_stand(16 << 20, 0, bound);
}

/* Left behind by a scan that ended early. */
static enum status given_up(struct fiber *f, struct stand *stand) {
    enum { COUNT = 128, ROOM = (16 << 20) / 16 / CHUNK_SIZE };
    static struct page_id ids[COUNT];
    TRY(chunks_make(f, stand, ids, COUNT));
    for (unsigned i = 0; i < ROOM; i++)
        CHECK_ASK(ids[i], PAGE_BEGUN);
    for (unsigned i = ROOM; i < 2 * ROOM + 2; i++) { /* until twice the room was read */
        CHECK_ASK(ids[i], PAGE_DECLINED);
        TRY(stand_expect_page(f, stand, ids[i], i));
    }
    CHECK_ASK(ids[2 * ROOM + 2], PAGE_BEGUN);
    CHECK_ASK(ids[0], PAGE_HERE); /* it stays as long as there is room */
    return STATUS_OK;
}

static void what_nobody_came_for_makes_room(void **state) {
    run_on_stand(16 << 20, 0, given_up);
}

/* All memory is held: by pinned pages, by pages of trees, by chunks that were read again. */
static enum status pressure(struct fiber *f, struct stand *stand) {
    enum { COUNT = 96, KEPT = 40 };
    static struct page_id ids[COUNT];
    struct page *pinned[COUNT];
    unsigned pins = 0;
    TRY(chunks_make(f, stand, ids, COUNT));
    for (; pins < KEPT; pins++)
        TRY(pager_fetch(f, stand->pager, ids[pins], &pinned[pins]));
    uint64_t used = page_budget_used(stand->budget);
    struct page_id pages[256];
    unsigned count = 0;
    for (; used + (count + 1) * PAGE_SIZE <= 4 << 20; count++)
        TRY(stand_new_page(f, stand, PAGE_SIZE, count, &pages[count]));
    CHECK(count > 0 && count < 256);
    uint64_t evictions = statistics(stand).evictions;
    CHECK_ASK(ids[KEPT], PAGE_DECLINED);
    CHECK(statistics(stand).evictions == evictions);
    /* Read once and let go: they may be replaced, by as many as are to be read ahead at most. */
    while (pins > 0)
        pager_unpin(stand->pager, pinned[--pins]);
    enum page_ahead answer = PAGE_BEGUN;
    unsigned begun = 0;
    for (unsigned i = KEPT; i < COUNT && answer == PAGE_BEGUN; i++, begun += answer == PAGE_BEGUN)
        TRY(ask(f, stand, ids[i], &answer));
    CHECK(begun == (4 << 20) / 16 / CHUNK_SIZE && answer == PAGE_DECLINED);
    for (unsigned i = 0; i < begun; i++)
        TRY(stand_expect_page(f, stand, ids[KEPT + i], KEPT + i));
    for (unsigned i = 0; i < count; i++)
        CHECK(pager_peek(stand->pager, pages[i]) != NULL);
    return STATUS_OK;
}

static void nothing_that_is_in_use_makes_room(void **state) {
    run_on_stand(4 << 20, 0, pressure);
}

/* Chunks that were all read again keep their memory, but for a small part. */
static enum status hot_chunks(struct fiber *f, struct stand *stand) {
    enum { COUNT = 120, HOT = 56, ROOM = (4 << 20) / 16 / CHUNK_SIZE };
    static struct page_id ids[COUNT];
    TRY(chunks_make(f, stand, ids, COUNT));
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < HOT; i++)
            TRY(stand_expect_page(f, stand, ids[i], i));
    for (unsigned i = HOT; i < COUNT; i++) { /* a scan, one ahead */
        enum page_ahead answer;
        TRY(ask(f, stand, ids[i], &answer));
        TRY(stand_expect_page(f, stand, ids[i - (i > HOT)], i - (i > HOT)));
    }
    unsigned here = 0;
    for (unsigned i = 0; i < HOT; i++) {
        enum page_ahead answer;
        TRY(ask(f, stand, ids[i], &answer));
        here += answer == PAGE_HERE;
    }
    CHECK(here >= HOT - ROOM);
    return STATUS_OK;
}

static void chunks_that_are_read_often_stay(void **state) {
    run_on_stand(4 << 20, 0, hot_chunks);
}

/* ---- accidents ---------------------------------------------------------------------------- */

static enum status freed(struct fiber *f, struct stand *stand) {
    struct page_id ids[4];
    TRY(chunks_make(f, stand, ids, 4));
    CHECK_ASK(ids[0], PAGE_BEGUN);
    pager_free(stand->pager, ids[0]); /* before its turn */
    CHECK_ASK(ids[1], PAGE_BEGUN);
    fiber_yield(f);
    pager_free(stand->pager, ids[1]); /* while it is read, or after it */
    CHECK_ASK(ids[0], PAGE_DECLINED);
    struct page_id other;
    TRY(stand_new_page(f, stand, CHUNK_SIZE, 9, &other)); /* with the number of one of them */
    TRY(stand_checkpoint(f, stand, 2));
    TRY(stand_expect_page(f, stand, other, 9));
    TRY(stand_expect_page(f, stand, ids[2], 2));
    CHECK_ASK(ids[3], PAGE_BEGUN);
    TRY(stand_crash(f, stand)); /* closing waits for it */
    TRY(stand_expect_page(f, stand, ids[3], 3));
    return stand_check(f, stand, true);
}

static void a_page_may_be_freed_and_the_pager_closed_meanwhile(void **state) {
    run_on_stand(16 << 20, 0, freed);
}

static enum status damage(struct fiber *f, struct stand *stand) {
    char path[128];
    struct page_id ids[2];
    struct file *file;
    struct page *page;
    static uint8_t before[16 * CHUNK_SIZE], zeros[16 * CHUNK_SIZE];
    size_t size;
    TRY(chunks_make(f, stand, ids, 2));
    stand_path(stand, "pages", path);
    TRY(file_open(f, path, 0, &file));
    TRY(file_read(f, file, before, sizeof before, 0, &size));
    TRY(file_write(f, file, zeros, size, 0, FILE_WRITE_PLAIN));
    CHECK_ASK(ids[0], PAGE_BEGUN);
    CHECK_STATUS(pager_fetch(f, stand->pager, ids[0], &page), STATUS_DATA_CORRUPTED);
    error_clear();
    TRY(file_truncate(f, file, 0));
    CHECK_ASK(ids[1], PAGE_BEGUN);
    CHECK_STATUS(pager_fetch(f, stand->pager, ids[1], &page), STATUS_DATA_CORRUPTED);
    error_clear();
    TRY(file_write(f, file, before, size, 0, FILE_WRITE_PLAIN));
    TRY(file_close(f, file));
    for (unsigned i = 0; i < 2; i++)
        TRY(stand_expect_page(f, stand, ids[i], i));
    return STATUS_OK;
}

static void a_failure_is_told_to_who_asks_for_the_page(void **state) {
    run_on_stand(16 << 20, 0, damage);
}

static enum status called_off(struct fiber *f, struct stand *stand) {
    struct page_id ids[1], temporary;
    struct page *page;
    TRY(chunks_make(f, stand, ids, 1));
    CHECK(pager_read_ahead(stand->pager, ids[0], &page) == PAGE_BEGUN);
    pager_read_ahead_cancel(stand->pager, page);
    CHECK(pager_read_ahead(stand->pager, ids[0], &page) == PAGE_BEGUN);
    pager_read_ahead_cancel(stand->pager, page);
    TRY(stand_expect_page(f, stand, ids[0], 0));
    /* What is no chunk, or not there. */
    TRY(pager_allocate(f, stand->pager, PAGE_TEMPORARY, CHUNK_SIZE, &page));
    temporary = page->id;
    pager_unpin(stand->pager, page);
    CHECK_ASK(temporary, PAGE_HERE);
    pager_free(stand->pager, temporary);
    CHECK_ASK(temporary, PAGE_DECLINED);
    CHECK_ASK((struct page_id){12345}, PAGE_DECLINED);
    return STATUS_OK;
}

static void it_may_be_called_off(void **state) {
    run_on_stand(16 << 20, 0, called_off);
}

int main(int argument_count, char **arguments) {
    if (argument_count > 1)
        cmocka_set_test_filter(arguments[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_read_side_by_side_and_once),
        cmocka_unit_test(there_is_a_bound),
        cmocka_unit_test(what_nobody_came_for_makes_room),
        cmocka_unit_test(nothing_that_is_in_use_makes_room),
        cmocka_unit_test(chunks_that_are_read_often_stay),
        cmocka_unit_test(a_page_may_be_freed_and_the_pager_closed_meanwhile),
        cmocka_unit_test(a_failure_is_told_to_who_asks_for_the_page),
        cmocka_unit_test(it_may_be_called_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
