/*
 * Manifests that no pager would have written: whole stores of good entries that say what cannot be.
 * Opening refuses each; salvage takes what is left, or says that there is nothing.
 */
#include "pager_fixture.h"

#include "drive/drive_log.h"
#include "pager/pager_format.h"
#include "pager/pager_salvage.h"

enum { ENTRIES_MAX = 7, UNITS_FREE = 2 };

/* One entry. What `value` means is the part's: FILE its version, MAP the page's id, ROOTS the tree,
   COMMIT the number of the map's entries. */
struct entry_plan {
    enum manifest_part part; /* 0: the end of the list */
    uint64_t checkpoint, index, value, more;
    size_t size;    /* of the value; 0: as it should be */
    bool misplaced; /* ends a batch where none ends, or the other way round */
};

static uint64_t extent_at(uint64_t unit, uint32_t units) {
    struct extent extent = {.offset = unit, .units = units, .size = units * PAGE_UNIT_SIZE};
    return extent_encode(&extent);
}

static enum status entry_write(struct fiber *f, struct drive_log *log,
                               const struct entry_plan *plan) {
    static const size_t sizes[] = {0, MANIFEST_FILE_SIZE, MANIFEST_MAP_ENTRY_SIZE,
                                   MANIFEST_ROOT_ENTRY_SIZE, MANIFEST_COMMIT_SIZE};
    uint8_t value[64] = {0};
    char text[MANIFEST_KEY_MAX];
    struct manifest_key key = {plan->part, plan->checkpoint, plan->index};
    struct manifest_commit commit = {.applied = {plan->checkpoint},
                                     .page_id_end = 10,
                                     .map_count = plan->value,
                                     .root_count = plan->more,
                                     .full = plan->checkpoint == 1};
    put_le32(value, (uint32_t)plan->value);
    if (plan->part == MANIFEST_FILE)
        put_le32(value + 4, plan->more != 0 ? (uint32_t)plan->more : PAGE_UNIT_SIZE);
    else
        put_le64(value + 8, plan->more);
    if (plan->part == MANIFEST_COMMIT)
        manifest_commit_encode(&commit, value);
    size_t size = manifest_key_encode(&key, text);
    return drive_log_put(f, log, slice_of(text, size),
                         slice_of(value, plan->size != 0 ? plan->size : sizes[plan->part]),
                         (plan->part == MANIFEST_COMMIT) != plan->misplaced);
}

#define BEGIN                                                                                      \
    { MANIFEST_FILE, 0, 0, MANIFEST_VERSION }
#define NO_MAP                                                                                     \
    { MANIFEST_COMMIT, 1, 0, 0, 0 }

static const struct {
    const char *name;
    struct entry_plan plan[ENTRIES_MAX];
    enum status status;   /* of opening */
    const char *text;     /* part of what it says */
    enum status salvaged; /* of opening for salvage */
    uint64_t pages;       /* then */
} cases[] = {
    {"empty", {BEGIN, NO_MAP}, STATUS_OK, "", STATUS_OK, 0},
    {"nothing", {{0}}, STATUS_DATA_CORRUPTED, "no whole checkpoint", STATUS_DATA_CORRUPTED, 0},
    {"no checkpoint",
     {BEGIN, {MANIFEST_MAP, 1, 0, 1, 0, 16, true}},
     STATUS_DATA_CORRUPTED,
     "does not belong there",
     STATUS_DATA_CORRUPTED,
     0},
    {"no beginning", {NO_MAP}, STATUS_DATA_CORRUPTED, "does not belong there", STATUS_OK, 0},
    {"two beginnings",
     {BEGIN, BEGIN, NO_MAP},
     STATUS_DATA_CORRUPTED,
     "impossible beginning",
     STATUS_DATA_CORRUPTED,
     0},
    {"a short beginning",
     {{MANIFEST_FILE, 0, 0, MANIFEST_VERSION, 0, 4}, NO_MAP},
     STATUS_DATA_CORRUPTED,
     "impossible beginning",
     STATUS_DATA_CORRUPTED,
     0},
    {"another version",
     {{MANIFEST_FILE, 0, 0, MANIFEST_VERSION + 1}, NO_MAP},
     STATUS_FEATURE_NOT_SUPPORTED,
     "this program knows",
     STATUS_FEATURE_NOT_SUPPORTED,
     0},
    {"another unit",
     {{MANIFEST_FILE, 0, 0, MANIFEST_VERSION, 512}, NO_MAP},
     STATUS_DATA_CORRUPTED,
     "unit size",
     STATUS_DATA_CORRUPTED,
     0},
    {"a number left out",
     {BEGIN, NO_MAP, {MANIFEST_COMMIT, 3, 0, 0, MANIFEST_ROOTS_UNCHANGED}},
     STATUS_DATA_CORRUPTED,
     "does not belong there",
     STATUS_OK,
     0},
    {"an index left out",
     {BEGIN, {MANIFEST_MAP, 1, 1, 1, 0}, {MANIFEST_COMMIT, 1, 0, 1, 0}},
     STATUS_DATA_CORRUPTED,
     "does not belong there",
     STATUS_OK,
     0},
    {"parts out of order",
     {BEGIN,
      {MANIFEST_ROOTS, 1, 0, 4, 1},
      {MANIFEST_MAP, 1, 0, 1, 0},
      {MANIFEST_COMMIT, 1, 0, 1, 1}},
     STATUS_DATA_CORRUPTED,
     "does not belong there",
     STATUS_OK,
     0},
    {"a batch that ends early",
     {BEGIN, {MANIFEST_MAP, 1, 0, 1, 0, 16, true}, {MANIFEST_COMMIT, 1, 0, 1, 0}},
     STATUS_DATA_CORRUPTED,
     "does not belong there",
     STATUS_OK,
     0},
    {"half an entry",
     {BEGIN, {MANIFEST_MAP, 1, 0, 1, 0, 24}, {MANIFEST_COMMIT, 1, 0, 1, 0}},
     STATUS_DATA_CORRUPTED,
     "impossible map",
     STATUS_DATA_CORRUPTED,
     0},
    {"half a root",
     {BEGIN, {MANIFEST_ROOTS, 1, 0, 4, 1, 8}, {MANIFEST_COMMIT, 1, 0, 0, 1}},
     STATUS_DATA_CORRUPTED,
     "impossible roots",
     STATUS_DATA_CORRUPTED,
     0},
    {"half a commit",
     {BEGIN, {MANIFEST_COMMIT, 1, 0, 0, 0, 8}},
     STATUS_DATA_CORRUPTED,
     "impossible commit",
     STATUS_DATA_CORRUPTED,
     0},
    {"fewer entries",
     {BEGIN, {MANIFEST_COMMIT, 1, 0, 1, 0}},
     STATUS_DATA_CORRUPTED,
     "lacks entries",
     STATUS_OK,
     0},
    {"fewer roots",
     {BEGIN, {MANIFEST_COMMIT, 1, 0, 0, 1}},
     STATUS_DATA_CORRUPTED,
     "lacks entries",
     STATUS_OK,
     0},
    {"a page",
     {BEGIN, {MANIFEST_MAP, 1, 0, 3, 1}, {MANIFEST_COMMIT, 1, 0, 1, 0}},
     STATUS_OK,
     "",
     STATUS_OK,
     1},
    {"page 0",
     {BEGIN, {MANIFEST_MAP, 1, 0, 0, 1}, {MANIFEST_COMMIT, 1, 0, 1, 0}},
     STATUS_DATA_CORRUPTED,
     "",
     STATUS_OK,
     0},
    {"a page beyond the end",
     {BEGIN, {MANIFEST_MAP, 1, 0, 10, 1}, {MANIFEST_COMMIT, 1, 0, 1, 0}},
     STATUS_DATA_CORRUPTED,
     "",
     STATUS_OK,
     0},
    {"an impossible place",
     {BEGIN, {MANIFEST_MAP, 1, 0, 3, 7777}, {MANIFEST_COMMIT, 1, 0, 1, 0}},
     STATUS_DATA_CORRUPTED,
     "",
     STATUS_OK,
     0},
    {"a place beyond the file",
     {BEGIN, {MANIFEST_MAP, 1, 0, 3, 2}, {MANIFEST_COMMIT, 1, 0, 1, 0}},
     STATUS_DATA_CORRUPTED,
     "",
     STATUS_OK,
     1},
    {"one place twice",
     {BEGIN, {MANIFEST_MAP, 1, 0, 3, 1}, {MANIFEST_MAP, 1, 1, 4, 1}, {MANIFEST_COMMIT, 1, 0, 2, 0}},
     STATUS_DATA_CORRUPTED,
     "",
     STATUS_OK,
     2},
};

/* more: 1 and 2 stand for a place in the file and one far behind it. */
static struct entry_plan placed(const struct entry_plan *plan) {
    struct entry_plan made = *plan;
    if (plan->part == MANIFEST_MAP && plan->more > 0 && plan->more <= 2)
        made.more = extent_at(plan->more == 1 ? UNITS_FREE : 1 << 20, PAGE_SIZE / PAGE_UNIT_SIZE);
    return made;
}

static enum status manifest_make(struct fiber *f, const char *path, const struct entry_plan *plan) {
    struct drive_log *log;
    TRY(drive_log_create(f, path, &log));
    for (unsigned i = 0; i < ENTRIES_MAX && plan[i].part != 0; i++) {
        struct entry_plan made = placed(&plan[i]);
        TRY(entry_write(f, log, &made));
    }
    TRY(drive_log_sync(f, log));
    return drive_log_close(f, log);
}

static enum status salvage_try(struct fiber *f, struct stand *stand, size_t i) {
    struct pager_salvage *salvage;
    uint64_t pages = 0, offset;
    uint32_t size;
    enum status status = pager_salvage_open(f, stand->directory, &salvage);
    if (status != cases[i].salvaged)
        return error_set(STATUS_INTERNAL_ERROR, "case \"%s\", salvaged: %s %s", cases[i].name,
                         status_name(status), status ? error_current()->message : "");
    if (status != STATUS_OK)
        return STATUS_OK;
    for (uint64_t id = 0; id < 12; id++)
        pages += pager_salvage_has(salvage, (struct page_id){id}, &size, &offset);
    pager_salvage_close(f, salvage);
    if (pages != cases[i].pages)
        return error_set(STATUS_INTERNAL_ERROR, "case \"%s\", salvaged: %llu pages", cases[i].name,
                         (unsigned long long)pages);
    return STATUS_OK;
}

static enum status refused(struct fiber *f, struct stand *stand) {
    char path[128];
    struct page_id id;
    stand_path(stand, "manifest", path);
    for (uint64_t i = 0; i < 4; i++) /* a file to point into */
        TRY(stand_new_page(f, stand, PAGE_SIZE, i, &id));
    TRY(stand_checkpoint(f, stand, 1));
    pager_close(f, stand->pager);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TRY(manifest_make(f, path, cases[i].plan));
        TRY(salvage_try(f, stand, i)); /* changes nothing */
        enum status status = stand_open(f, stand, false);
        if (status != cases[i].status ||
            (status != STATUS_OK && strstr(error_current()->message, cases[i].text) == NULL)) {
            char message[400];
            snprintf(message, sizeof message, "%.300s", status ? error_current()->message : "");
            return error_set(STATUS_INTERNAL_ERROR, "case \"%s\": %s %s", cases[i].name,
                             status_name(status), message);
        }
        if (status == STATUS_OK)
            pager_close(f, stand->pager);
    }
    TRY(manifest_make(f, path, cases[0].plan));
    return stand_open(f, stand, false);
}

static void what_cannot_be_is_refused(void **state) {
    run_on_stand(32 * PAGE_SIZE, 0, refused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
