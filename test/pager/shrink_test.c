/* The page file gets shorter, and no page is lost by it. */
#include <sys/stat.h>

#include "base/base_bytes.h"
#include "base/base_random.h"
#include "pager_fixture.h"
#include "runtime/runtime_sync.h"

static uint64_t file_bytes(const struct stand *stand) {
    char path[128];
    struct stat found;
    stand_path(stand, "pages", path);
    return stat(path, &found) == 0 ? (uint64_t)found.st_size : 0;
}

/* Every fourth page stays, the others leave holes in front of it. */
static enum status shrinks(struct fiber *f, struct stand *stand) {
    enum { COUNT = 400 };
    static struct page_id ids[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        TRY(stand_new_page(f, stand, (1 + i % 25) * PAGE_SIZE_MIN, i, &ids[i]));
    TRY(stand_checkpoint(f, stand, 1));
    uint64_t full = file_bytes(stand);
    for (unsigned i = 0; i < COUNT; i++) {
        if (i % 4 != 0)
            pager_free(stand->pager, ids[i]);
    }
    TRY(stand_checkpoint(f, stand, 2));
    CHECK(!pager_checkpoint_wanted(stand->pager));
    TRY(pager_shrink(f, stand->pager));
    CHECK(pager_checkpoint_wanted(stand->pager));
    TRY(stand_check(f, stand, true));
    CHECK(file_bytes(stand) == full); /* a crash finds the old places */
    TRY(stand_crash(f, stand));
    for (unsigned i = 0; i < COUNT; i += 4)
        TRY(stand_expect_page(f, stand, ids[i], i));
    TRY(pager_shrink(f, stand->pager));
    TRY(stand_checkpoint(f, stand, 3));
    CHECK(!pager_checkpoint_wanted(stand->pager));
    CHECK(file_bytes(stand) < full * 45 / 100);
    TRY(stand_crash(f, stand));
    TRY(stand_check(f, stand, true));
    for (unsigned i = 0; i < COUNT; i += 4)
        TRY(stand_expect_page(f, stand, ids[i], i));
    return STATUS_OK;
}

static void free_space_is_given_back_after_a_checkpoint(void **state) {
    run_on_stand(8 << 20, 0, shrinks);
}

/* Nothing has been taken since the pager was opened: what is free is due. */
static enum status waits_for_nobody(struct fiber *f, struct stand *stand) {
    enum { COUNT = 400 };
    static struct page_id ids[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        TRY(stand_new_page(f, stand, (1 + i % 25) * PAGE_SIZE_MIN, i, &ids[i]));
    TRY(stand_checkpoint(f, stand, 1));
    for (unsigned i = 0; i < COUNT; i++) {
        if (i % 4 != 0)
            pager_free(stand->pager, ids[i]);
    }
    TRY(stand_checkpoint(f, stand, 2));
    TRY(stand_crash(f, stand));
    CHECK(pager_maintenance_due(stand->pager));
    stand->untended = true;
    TRY(stand_crash(f, stand));
    CHECK(!pager_maintenance_due(stand->pager));
    TRY(pager_maintain(f, stand->pager));
    CHECK(!pager_checkpoint_wanted(stand->pager));
    return STATUS_OK;
}

static void an_untended_file_keeps_its_places(void **state) {
    run_on_stand(8 << 20, 0, waits_for_nobody);
}

/* ---- against a model ------------------------------------------------------------------------ */

enum { MODEL_PAGES = 300, MODEL_STEPS = 2000 };
struct model {
    struct page_id ids[MODEL_PAGES];
    uint64_t marks[MODEL_PAGES]; /* 0: no page */
};

static enum status change(struct fiber *f, struct stand *stand, struct model *now,
                          struct random *random, uint64_t mark) {
    unsigned at = (unsigned)random_below(random, MODEL_PAGES);
    if (now->marks[at] == 0) {
        uint32_t size = (uint32_t)(1 + random_below(random, 30)) * PAGE_SIZE_MIN;
        TRY(stand_new_page(f, stand, size, mark, &now->ids[at]));
        now->marks[at] = mark;
    } else if (random_below(random, 3) > 0) {
        pager_free(stand->pager, now->ids[at]);
        now->marks[at] = 0;
    } else {
        struct page *page;
        TRY(pager_reserve(f, stand->pager, 1));
        TRY(pager_fetch(f, stand->pager, now->ids[at], &page));
        pager_modify(stand->pager, page);
        put_le64(page->data, mark);
        put_le64(page->data + page->size - 8, ~mark);
        pager_unpin(stand->pager, page);
        now->marks[at] = mark;
    }
    return STATUS_OK;
}

static enum status compare(struct fiber *f, struct stand *stand, const struct model *model) {
    for (unsigned i = 0; i < MODEL_PAGES; i++) {
        if (model->marks[i] != 0)
            TRY(stand_expect_page(f, stand, model->ids[i], model->marks[i]));
    }
    return stand_check(f, stand, true);
}

/* The checkpoint runs while the next pass moves pages. */
struct beside {
    struct stand *stand;
    struct event ended;
};

static enum status shrink_beside(struct fiber *f, void *argument) {
    struct beside *beside = argument;
    enum status status = pager_shrink(f, beside->stand->pager);
    event_set(&beside->ended);
    return status;
}

static enum status checkpoint_beside(struct fiber *f, struct stand *stand, uint64_t applied) {
    struct beside beside = {.stand = stand};
    TRY(fiber_spawn_detached(f, FIBER_BACKGROUND, "shrink", shrink_beside, &beside));
    TRY(stand_checkpoint(f, stand, applied));
    return event_wait(f, &beside.ended);
}

static enum status model(struct fiber *f, struct stand *stand) {
    static struct model now, published;
    struct random random;
    uint64_t applied = 1, shortened = 0;
    random_seed(&random, 2024);
    TRY(stand_checkpoint(f, stand, applied));
    for (uint64_t step = 1; step <= MODEL_STEPS; step++) {
        uint64_t what = random_below(&random, 100), before = file_bytes(stand);
        if (what < 90) {
            TRY(change(f, stand, &now, &random, step));
        } else if (what < 93) {
            TRY(pager_shrink(f, stand->pager));
        } else if (what < 97) {
            published = now; /* beside the checkpoint pages move, none changes */
            TRY(what % 2 == 0 ? checkpoint_beside(f, stand, ++applied)
                              : stand_checkpoint(f, stand, ++applied));
        } else if (what < 98) {
            TRY(stand_crash(f, stand));
            now = published;
            TRY(compare(f, stand, &now));
        } else {
            TRY(compare(f, stand, &now));
        }
        shortened += file_bytes(stand) < before;
    }
    CHECK(shortened > 3);
    return STATUS_OK;
}

static void random_changes_and_passes_lose_no_page(void **state) {
    run_on_stand(8 << 20, 0, model);
}

int main(int argument_count, char **arguments) {
    if (argument_count > 1)
        cmocka_set_test_filter(arguments[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_space_is_given_back_after_a_checkpoint),
        cmocka_unit_test(an_untended_file_keeps_its_places),
        cmocka_unit_test(random_changes_and_passes_lose_no_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
