/*
 * Checkpoints that fail, and are tried again. A writer goes on beside them. A model knows what
 * every page held at each cut; after a failure what is in memory must be as the model says, a crash
 * must find the checkpoint before or the one that failed, and the next one must come through.
 */
#include "pager_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/base_bytes.h"
#include "base/base_random.h"
#include "runtime/backend.h"

enum {
    PAGES = 60,
    CHANGES = 40,
    FAULTS_MAX = 60,
    ROUNDS = 3,
    CUTS = 8,
    UNIT = 4096,
    UNITS_MAX = 8192
};

/* What each page says; 0: it is not there. */
struct model {
    uint64_t marks[PAGES];
    struct page_id ids[PAGES];
};

struct play {
    struct stand *stand;
    struct random random;
    struct model now, cuts[CUTS]; /* of the latest checkpoints, by number */
    uint64_t published;           /* number of the one that came through last */
    uint64_t applied, mark_next;
    bool over;     /* the writer beside a checkpoint shall end */
    bool one_size; /* of all pages: no free place is too small for one */
    unsigned retries, doubts;
};

/* ---- the fault ------------------------------------------------------------------------------ */

static struct environment faulty;
static bool armed, struck;
static unsigned operations, fault_at;
static int fault_error;

/* What a failed sync of the page file has lost, by units: written since the sync before, and not
   again. The system's memory has it until the crash. */
static bool written[UNITS_MAX], lost[UNITS_MAX];

static bool is_page_file(const struct operation *operation) {
    char link[32], path[128];
    snprintf(link, sizeof link, "/proc/self/fd/%d", operation->fd);
    ssize_t size = readlink(link, path, sizeof path);
    return size > 6 && memcmp(path + size - 6, "/pages", 6) == 0;
}

static void note_write(const struct operation *operation) {
    for (uint64_t at = operation->offset; at < operation->offset + operation->size; at += UNIT) {
        assert_true(at / UNIT < UNITS_MAX);
        written[at / UNIT] = true;
        lost[at / UNIT] = false;
    }
}

static void note_sync(bool failing) {
    for (unsigned i = 0; i < UNITS_MAX; i++) {
        lost[i] |= failing && written[i];
        written[i] = false;
    }
}

static int fault(const struct operation *operation) {
    struck |= armed && operations == fault_at;
    bool fails = armed && operations++ == fault_at;
    if (operation->kind == OPERATION_WRITE && is_page_file(operation))
        note_write(operation);
    if (operation->kind == OPERATION_SYNC && is_page_file(operation))
        note_sync(fails);
    return fails ? fault_error : 0;
}

/* The crash: now they are gone. */
static void lose(const char *path) {
    static const uint8_t garbage[UNIT] = {0xbd};
    int fd = open(path, O_WRONLY);
    struct stat stat;
    assert_int_equal(fstat(fd, &stat), 0);
    for (unsigned i = 0; i < UNITS_MAX && (off_t)i * UNIT < stat.st_size; i++) {
        if (lost[i])
            assert_int_equal(pwrite(fd, garbage, UNIT, (off_t)i * UNIT), UNIT);
        lost[i] = written[i] = false;
    }
    close(fd);
}

static void arm(unsigned at, int error) {
    fault_at = at;
    fault_error = error;
    operations = 0;
    armed = true;
    struck = false;
}

/* ---- pages ---------------------------------------------------------------------------------- */

static enum status make(struct fiber *f, struct play *play, unsigned at) {
    static const uint32_t sizes[] = {PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, PAGE_SIZE_MIN, 3 * PAGE_SIZE};
    struct pager *pager = play->stand->pager;
    struct page *page;
    TRY(pager_reserve(f, pager, 1));
    uint32_t size = play->one_size ? PAGE_SIZE : sizes[random_below(&play->random, 5)];
    TRY(pager_allocate(f, pager, PAGE_DURABLE, size, &page));
    uint64_t mark = ++play->mark_next;
    put_le64(page->data, mark);
    put_le64(page->data + page->size - 8, ~mark);
    play->now.marks[at] = mark;
    play->now.ids[at] = page->id;
    pager_unpin(pager, page);
    return STATUS_OK;
}

static enum status change(struct fiber *f, struct play *play) {
    struct pager *pager = play->stand->pager;
    unsigned at = (unsigned)random_below(&play->random, PAGES);
    if (play->now.marks[at] == 0)
        return make(f, play, at);
    if (random_below(&play->random, 6) == 0) {
        pager_free(pager, play->now.ids[at]);
        play->now.marks[at] = 0;
        return STATUS_OK;
    }
    struct page *page;
    TRY(pager_reserve(f, pager, 1));
    TRY(pager_fetch(f, pager, play->now.ids[at], &page));
    if (page->size != PAGE_SIZE - PAGE_HEADER_SIZE) { /* these are written once (pager.h) */
        pager_unpin(pager, page);
        return STATUS_OK;
    }
    pager_modify(pager, page);
    uint64_t mark = ++play->mark_next;
    put_le64(page->data, mark);
    put_le64(page->data + page->size - 8, ~mark);
    play->now.marks[at] = mark;
    pager_unpin(pager, page);
    return STATUS_OK;
}

static enum status expect(struct fiber *f, struct play *play, const struct model *model) {
    for (unsigned i = 0; i < PAGES; i++) {
        if (model->marks[i] == 0)
            continue;
        struct page *page;
        TRY(pager_fetch(f, play->stand->pager, model->ids[i], &page));
        CHECK(get_le64(page->data) == model->marks[i]);
        CHECK(get_le64(page->data + page->size - 8) == ~model->marks[i]);
        pager_unpin(play->stand->pager, page);
    }
    return stand_check(f, play->stand, true);
}

/* ---- checkpoints ---------------------------------------------------------------------------- */

/* Its own failures are the fault's. */
static enum status write_beside(struct fiber *f, void *argument) {
    struct play *play = argument;
    while (!play->over) {
        if (change(f, play) != STATUS_OK)
            error_clear();
        fiber_yield(f);
    }
    return STATUS_OK;
}

static enum status checkpoint(struct fiber *f, struct play *play) {
    struct pager *pager = play->stand->pager;
    TRY(pager_checkpoint_prepare(f, pager));
    pager_checkpoint_begin(pager, (struct commit_number){++play->applied});
    play->cuts[play->applied % CUTS] = play->now;
    struct task_group group;
    task_group_init(&group, f);
    play->over = false;
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, write_beside, play));
    enum status status = pager_checkpoint_finish(f, pager);
    play->over = true;
    TRY(task_group_wait(f, &group));
    if (status == STATUS_OK)
        play->published = play->applied;
    return status;
}

/* A crash finds the newest checkpoint that came through, or a later one that failed. */
static enum status crash(struct fiber *f, struct play *play) {
    char path[128];
    stand_path(play->stand, "pages", path);
    pager_close(f, play->stand->pager);
    lose(path);
    play->stand->pager = NULL;
    TRY(stand_open(f, play->stand, false));
    uint64_t applied = pager_checkpoint_applied(play->stand->pager).value;
    CHECK(applied >= play->published && applied <= play->applied);
    play->doubts += applied > play->published;
    play->applied = play->published = applied;
    play->now = play->cuts[applied % CUTS];
    return expect(f, play, &play->now);
}

/* One life: a checkpoint that fails at some operation, perhaps more than once; then one that does
   not. *met_out: was there such an operation? */
static enum status live(struct fiber *f, struct play *play, unsigned at, bool *met_out) {
    static const int errors[] = {EIO, ENOSPC};
    unsigned failures = 1 + (unsigned)random_below(&play->random, 3);
    for (unsigned i = 0; i < failures; i++) {
        for (unsigned change_count = 0; change_count < CHANGES; change_count++)
            TRY(change(f, play));
        arm(at, errors[random_below(&play->random, 2)]);
        enum status status = checkpoint(f, play);
        armed = false;
        *met_out = struck;
        CHECK(status == STATUS_OK || struck);
        play->retries += status != STATUS_OK;
        error_clear();
        TRY(expect(f, play, &play->now));
        if (random_below(&play->random, 2) == 0)
            TRY(crash(f, play));
    }
    TRY(checkpoint(f, play));
    TRY(expect(f, play, &play->now));
    uint64_t applied = play->applied;
    TRY(crash(f, play));
    CHECK(play->applied == applied);
    return STATUS_OK;
}

static enum status fail_and_repeat(struct fiber *f, struct stand *stand) {
    struct play play = {.stand = stand};
    random_seed(&play.random, 11);
    for (unsigned i = 0; i < PAGES; i++)
        TRY(make(f, &play, i));
    TRY(checkpoint(f, &play));
    unsigned misses = 0;
    for (unsigned at = 0; at < FAULTS_MAX && misses < 3; at++) {
        bool met = false;
        for (unsigned round = 0; round < ROUNDS; round++)
            TRY(live(f, &play, at, &met));
        misses = met ? 0 : misses + 1;
    }
    printf("# %u checkpoints failed, %u of them were found by a crash\n", play.retries,
           play.doubts);
    CHECK(play.retries > 20 && play.doubts > 0);
    struct pager_statistics statistics;
    pager_statistics(stand->pager, &statistics);
    CHECK(statistics.bytes_file < 16 << 20); /* failures leave no space behind */
    return STATUS_OK;
}

static void a_failed_checkpoint_is_repeated(void **state) {
    const struct environment *sound = environment__current;
    faulty = *sound;
    faulty.file_fault = fault;
    environment__current = &faulty;
    run_on_stand(40 * PAGE_SIZE, 0, fail_and_repeat);
    environment__current = sound;
}

/* ---- the disk is full to the last block ------------------------------------------------------ */

static bool full;

static int no_new_blocks(const struct operation *operation) {
    if (!full)
        return 0;
    if (operation->kind != OPERATION_WRITE)
        return operation->kind == OPERATION_ALLOCATE ? ENOSPC : 0;
    struct stat stat;
    assert_int_equal(fstat(operation->fd, &stat), 0);
    return operation->offset + operation->size > (uint64_t)stat.st_blocks * 512 ? ENOSPC : 0;
}

static enum status fill_and_publish(struct fiber *f, struct stand *stand) {
    struct play play = {.stand = stand, .one_size = true};
    random_seed(&play.random, 12);
    for (unsigned i = 0; i < PAGES; i++)
        TRY(make(f, &play, i));
    TRY(checkpoint(f, &play));
    for (unsigned round = 0; round < ROUNDS; round++) {
        enum status status = STATUS_OK;
        full = true;
        for (unsigned i = 0; i < 1000 && status == STATUS_OK; i++) {
            for (unsigned change_count = 0; change_count < CHANGES; change_count++)
                if (change(f, &play) != STATUS_OK)
                    error_clear();
            status = checkpoint(f, &play);
        }
        CHECK(status == STATUS_DISK_FULL);
        error_clear();
        TRY(checkpoint(f, &play)); /* room was held for this one */
        full = false;
        TRY(checkpoint(f, &play));
        TRY(crash(f, &play));
    }
    return STATUS_OK;
}

static void a_full_disk_has_room_for_a_checkpoint(void **state) {
    const struct environment *sound = environment__current;
    faulty = *sound;
    faulty.file_fault = no_new_blocks;
    environment__current = &faulty;
    run_on_stand(40 * PAGE_SIZE, 0, fill_and_publish);
    environment__current = sound;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_checkpoint_is_repeated),
        cmocka_unit_test(a_full_disk_has_room_for_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
