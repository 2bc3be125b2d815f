/*
 * Journals that no writer would have written: each frame and header has a right checksum, and what
 * they say does not fit. Opening must refuse what recovery cannot build on, and say where; salvage
 * must read up to there, and say what is lost.
 */
#include "journal_fixture.h"

#include <sys/stat.h>

#include "base/base_bytes.h"

enum { DATABASE = 0x77, SIZE = 64 << 10, FRAMES_MAX = 6, RECORD_SIZE = 5000 };

/* ---- making journals ------------------------------------------------------------------------ */

enum frame_make {
    NOTHING, /* the end of the list */
    RECORDS, /* `count` records of one byte each, or what else `spoil` says */
    FIRST,   /* fragments */
    MIDDLE,
    LAST,
    WHOLE,   /* first and last */
    SEGMENT, /* the next segment begins */
};
enum spoil {
    SOUND,
    WRONG_FRAME,   /* the frame's number */
    WRONG_HASH,    /* of the frame before */
    WRONG_NUMBER,  /* of its first record */
    WRONG_COUNT,   /* it names more records than it holds */
    WRONG_PAYLOAD, /* its records are longer than it is */
    UNREADABLE,    /* the checksum */
    BEYOND,        /* its size goes beyond the segment's end, and the checksum is wrong */
    WRONG_HEADER,  /* of a segment: the checksum */
    WRONG_NAME,    /* of a segment: another sequence in the header */
    WRONG_SIZE,    /* of a segment: the file is shorter than the header says */
    WRONG_FIRST,   /* of a segment: another frame to begin with */
    WRONG_PREVIOUS,
    WRONG_DATABASE,
    LEFT_OUT, /* of a segment: there is no such file */
};

struct frame_plan {
    enum frame_make make;
    enum spoil spoil;
    unsigned count;
};

struct builder {
    uint8_t *bytes; /* of the segment */
    size_t at;
    enum spoil spoil; /* of the segment */
    uint64_t segment, frame, hash, number;
    bool open; /* the last frame belongs to an unfinished record */
};

static void segment_path(uint64_t sequence, char path[128]) {
    snprintf(path, 128, "%s/journal/%016llx.journal", fixture_root, (unsigned long long)sequence);
}

static void segment_end(struct builder *b) {
    char path[128];
    segment_path(b->segment, path);
    if (b->spoil == WRONG_HEADER)
        b->bytes[70] ^= 1;
    if (b->spoil != LEFT_OUT)
        file_store(path, b->bytes, b->spoil == WRONG_SIZE ? SIZE / 2 : SIZE);
    free(b->bytes);
}

static void segment_begin(struct builder *b, enum spoil spoil) {
    b->segment++;
    b->spoil = spoil;
    b->bytes = calloc(1, SIZE);
    b->at = JOURNAL_BLOCK_SIZE;
    struct journal_segment_header header = {
        .database_id = spoil == WRONG_DATABASE ? DATABASE + 1 : DATABASE,
        .sequence = b->segment + (spoil == WRONG_NAME),
        .size = SIZE,
        .first_number = b->number + (spoil == WRONG_NUMBER),
        .first_frame = b->frame + (spoil == WRONG_FIRST),
        .previous_hash = b->hash + (spoil == WRONG_PREVIOUS),
        .continues = b->open,
    };
    journal_segment_header_encode(&header, b->bytes);
}

static void frame_add(struct builder *b, const struct frame_plan *plan) {
    uint8_t *frame = b->bytes + b->at;
    bool records = plan->make == RECORDS;
    unsigned count = records ? plan->count : plan->make == LAST || plan->make == WHOLE;
    struct journal_frame_header header = {
        .segment = b->segment,
        .frame = b->frame + (plan->spoil == WRONG_FRAME),
        .previous_hash = b->hash + (plan->spoil == WRONG_HASH),
        .first_number = b->number + (plan->spoil == WRONG_NUMBER),
        .record_count = count + (plan->spoil == WRONG_COUNT),
        .payload_size = records ? 2 * plan->count : RECORD_SIZE,
        .kind = records ? JOURNAL_FRAME_RECORDS : JOURNAL_FRAME_FRAGMENT,
        .fragment_flags =
            (plan->make == FIRST || plan->make == WHOLE ? JOURNAL_FRAGMENT_FIRST : 0) |
            (plan->make == LAST || plan->make == WHOLE ? JOURNAL_FRAGMENT_LAST : 0),
    };
    memset(frame + JOURNAL_FRAME_HEADER_SIZE, plan->spoil == WRONG_PAYLOAD ? 100 : 1,
           header.payload_size);
    b->at += journal_frame_encode(&header, DATABASE, frame, &b->hash);
    if (plan->spoil == UNREADABLE || plan->spoil == BEYOND)
        frame[JOURNAL_FRAME_HEADER_SIZE] ^= 1;
    if (plan->spoil == BEYOND)
        put_le32(frame + 44, SIZE);
    b->frame++;
    b->number += count;
    b->open = plan->make == FIRST || plan->make == MIDDLE;
}

/* The first segment, which plan[0] may spoil, and all that follows. Record 1 is the first. */
static void journal_make(const struct frame_plan *plan) {
    char path[128];
    struct builder b = {.frame = 1, .number = 1};
    snprintf(path, sizeof path, "rm -rf %s/journal", fixture_root);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof path, "%s/journal", fixture_root);
    assert_int_equal(mkdir(path, 0700), 0);
    b.open = plan[0].make == MIDDLE || plan[0].make == LAST;
    segment_begin(&b, plan[0].make == SEGMENT ? plan[0].spoil : SOUND);
    for (unsigned i = plan[0].make == SEGMENT; i < FRAMES_MAX && plan[i].make != NOTHING; i++) {
        if (plan[i].make == SEGMENT) {
            segment_end(&b);
            segment_begin(&b, plan[i].spoil);
        } else {
            frame_add(&b, &plan[i]);
        }
    }
    segment_end(&b);
}

/* ---- what replay hands out ------------------------------------------------------------------ */

enum call { NO_CALL, IN_BEGIN, IN_BYTES, IN_END };

static struct {
    uint64_t count, last, size, got;
    enum call fails;
    bool cancels; /* instead of failing */
} seen;

static enum status call(struct fiber *f, enum call here) {
    if (seen.fails != here)
        return STATUS_OK;
    if (!seen.cancels)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "as ordered");
    fiber_cancel(f, STATUS_CANCELED, NULL);
    return STATUS_OK;
}

static enum status see_begin(struct fiber *f, void *context, struct commit_number number,
                             uint64_t size) {
    assert_true(number.value > seen.last);
    seen.last = number.value;
    seen.size = size;
    seen.got = 0;
    return call(f, IN_BEGIN);
}

static enum status see_bytes(struct fiber *f, void *context, struct slice bytes) {
    seen.got += bytes.size;
    return call(f, IN_BYTES);
}

static enum status see_end(struct fiber *f, void *context) {
    assert_int_equal(seen.got, seen.size);
    seen.count++;
    return call(f, IN_END);
}

static struct journal_replay replay_from(uint64_t from) {
    memset(&seen, 0, sizeof seen);
    return (struct journal_replay){{from}, see_begin, see_bytes, see_end, NULL};
}

static const char *directory(void) {
    static char path[128];
    snprintf(path, sizeof path, "%s/journal", fixture_root);
    return path;
}

static enum status open_from(struct fiber *f, const struct journal_replay *replay,
                             struct journal **journal_out) {
    struct journal_options options = {.directory = directory(),
                                      .segment_size = SIZE,
                                      .sync = JOURNAL_SYNC_OFF,
                                      .database_id = DATABASE};
    return journal_open(f, &options, replay, journal_out);
}

static unsigned lines;

static void take_line(void *context, const char *line) {
    lines++;
}

/* ---- the cases ------------------------------------------------------------------------------ */

#define R(count)                                                                                   \
    { RECORDS, SOUND, count }
#define S                                                                                          \
    { SEGMENT, SOUND, 0 }

/* `text`: part of the message or the detail; NULL: it opens. `count`: records handed out, by
   opening and by salvage; salvage: the rest. */
static const struct {
    const char *name;
    struct frame_plan plan[FRAMES_MAX];
    uint64_t from;
    const char *text;
    unsigned count;
    uint64_t last, lost_from, newest;
    bool tail_unreadable;
} cases[] = {
    {"sound", {R(2), R(1)}, 0, NULL, 3, 3, 0, 3, false},
    {"two segments", {R(2), S, R(1)}, 0, NULL, 3, 3, 0, 3, false},
    {"only the second is needed", {R(2), S, R(1)}, 2, NULL, 1, 3, 0, 3, false},
    {"an empty segment", {R(2), S}, 0, NULL, 2, 2, 0, 2, false},
    {"a large record", {R(1), {WHOLE}, R(1)}, 0, NULL, 3, 3, 0, 3, false},
    {"in pieces", {{FIRST}, {MIDDLE}, {LAST}, R(1)}, 0, NULL, 2, 2, 0, 2, false},
    {"over segments", {R(1), {FIRST}, S, {LAST}, R(1)}, 0, NULL, 3, 3, 0, 3, false},
    {"its end, not needed", {{MIDDLE}, {LAST}, R(1)}, 1, NULL, 1, 2, 0, 2, false},
    {"given up", {R(1), {FIRST}, R(1)}, 0, NULL, 2, 2, 0, 2, false},
    {"given up, then another", {{FIRST}, {FIRST}, {LAST}}, 0, NULL, 1, 1, 0, 1, false},
    {"cut off", {R(1), {FIRST}, {MIDDLE}}, 0, NULL, 1, 1, 0, 1, false},
    {"a torn tail", {R(1), {RECORDS, UNREADABLE, 1}}, 0, NULL, 1, 1, 0, 1, true},
    {"a torn tail that claims much", {R(1), {RECORDS, BEYOND, 1}}, 0, NULL, 1, 1, 0, 1, true},
    {"unreadable",
     {R(1), {RECORDS, UNREADABLE, 2}, R(1)},
     0,
     "valid ones behind it",
     1,
     1,
     2,
     4,
     false},
    {"unreadable, and a segment behind it",
     {R(1), {RECORDS, UNREADABLE, 2}, S, R(1)},
     0,
     "a segment behind it",
     1,
     1,
     2,
     4,
     false},
    {"unreadable, and nothing behind it",
     {R(1), {RECORDS, UNREADABLE, 2}, S},
     0,
     "a segment behind it",
     1,
     1,
     2,
     1,
     false},
    {"unreadable, not needed",
     {R(1), {RECORDS, UNREADABLE, 2}, R(1)},
     3,
     "valid ones behind it",
     1,
     4,
     0,
     4,
     false},
    {"another frame",
     {R(1), {RECORDS, WRONG_FRAME, 1}},
     0,
     "not the one that belongs here",
     1,
     1,
     2,
     1,
     false},
    {"another frame before it",
     {R(1), {RECORDS, WRONG_HASH, 1}},
     0,
     "not the one",
     1,
     1,
     2,
     1,
     false},
    {"another record", {R(1), {RECORDS, WRONG_NUMBER, 1}}, 0, "not the one", 1, 1, 2, 1, false},
    {"fewer records",
     {R(1), {RECORDS, WRONG_COUNT, 1}, R(1)},
     0,
     "the records it names",
     2,
     1,
     2,
     3,
     false},
    {"records cut off",
     {R(1), {RECORDS, WRONG_PAYLOAD, 1}, R(1)},
     0,
     "the records it names",
     1,
     1,
     2,
     3,
     false},
    {"a segment's first frame",
     {R(1), {SEGMENT, WRONG_FIRST}, R(1)},
     0,
     "a segment behind it",
     1,
     1,
     2,
     2,
     false},
    {"a segment's previous frame",
     {R(1), {SEGMENT, WRONG_PREVIOUS}, R(1)},
     0,
     "a segment behind it",
     1,
     1,
     2,
     2,
     false},
    {"a segment's number",
     {R(1), {SEGMENT, WRONG_NUMBER}, R(1)},
     0,
     "a segment behind it",
     1,
     1,
     2,
     2,
     false},
    {"continued, not begun", {R(1), {MIDDLE}, R(1)}, 0, "not begun", 1, 1, 2, 2, false},
    {"ended, not begun", {{LAST}, R(1)}, 0, "is missing", 0, 0, 1, 2, false},
    {"too late a begin",
     {{SEGMENT, LEFT_OUT}, R(2), S, R(1)},
     0,
     "replay must begin",
     0,
     0,
     1,
     0,
     false},
    {"a segment is missing",
     {R(1), {SEGMENT, LEFT_OUT}, R(1), S, R(1)},
     0,
     "is missing",
     1,
     1,
     2,
     3,
     false},
    {"a header",
     {R(1), {SEGMENT, WRONG_HEADER}, R(1)},
     0,
     "damaged at offset 0",
     2,
     2,
     0,
     2,
     false},
    {"a header, within a record",
     {{FIRST}, {SEGMENT, WRONG_HEADER}, {LAST}, R(1)},
     0,
     "damaged at offset 0",
     2,
     2,
     0,
     2,
     false},
    {"a header, and nothing behind it",
     {R(1), {SEGMENT, WRONG_HEADER}},
     0,
     "damaged at offset 0",
     1,
     1,
     0,
     1,
     false},
    {"a name", {R(1), {SEGMENT, WRONG_NAME}, R(1)}, 0, "does not fit its name", 2, 2, 0, 2, false},
    {"a file's size",
     {R(1), {SEGMENT, WRONG_SIZE}, R(1)},
     0,
     "does not fit its name",
     2,
     2,
     0,
     2,
     false},
    {"another database",
     {R(1), {SEGMENT, WRONG_DATABASE}, R(1)},
     0,
     "another database",
     2,
     2,
     0,
     2,
     false},
    {"unreadable begin of a record, not needed",
     {R(1), {FIRST, UNREADABLE}, {LAST}, R(1)},
     2,
     "valid ones behind it",
     1,
     3,
     0,
     3,
     false},
    {"unreadable, then a large record",
     {R(1), {RECORDS, UNREADABLE, 2}, {FIRST}, {LAST}},
     3,
     "valid ones behind it",
     1,
     4,
     0,
     4,
     false},
    {"unreadable, needed in part",
     {R(1), {RECORDS, UNREADABLE, 3}, R(1)},
     2,
     "valid ones behind it",
     0,
     1,
     3,
     5,
     false},
    {"unreadable, and a record cut off",
     {R(1), {RECORDS, UNREADABLE, 2}, R(1), {FIRST}},
     0,
     "valid ones behind it",
     1,
     1,
     2,
     4,
     false},
    {"no segment", {{SEGMENT, LEFT_OUT}}, 0, "has no segments", 0, 0, 1, 0, false},
};

static bool says(const char *text) {
    return strstr(error_current()->message, text) != NULL ||
           strstr(error_current()->detail, text) != NULL;
}

static void case_salvaged(struct fiber *f, size_t i) {
    struct journal_replay replay = replay_from(cases[i].from);
    struct journal_salvage found;
    lines = 0;
    assert_ok(journal_salvage(f, directory(), DATABASE, &replay, take_line, NULL, &found));
    if (seen.count != cases[i].count || found.last.value != cases[i].last ||
        found.lost_from.value != cases[i].lost_from || found.newest.value != cases[i].newest ||
        found.tail_unreadable != cases[i].tail_unreadable)
        fail_msg("case \"%s\": %lu, last %lu, lost from %lu, newest %lu, tail %d", cases[i].name,
                 seen.count, found.last.value, found.lost_from.value, found.newest.value,
                 found.tail_unreadable);
    if (cases[i].text == NULL)
        assert_int_equal(lines, 0);
}

static enum status cases_body(struct fiber *f, void *argument) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        journal_make(cases[i].plan);
        case_salvaged(f, i); /* changes nothing */
        struct journal *journal = NULL;
        struct journal_replay replay = replay_from(cases[i].from);
        uint64_t frames, records;
        enum status status = open_from(f, &replay, &journal);
        if (cases[i].text == NULL) {
            assert_ok(status);
            assert_int_equal(seen.count, cases[i].count);
            journal_close(f, journal);
            assert_ok(journal_check(f, directory(), &frames, &records));
        } else if (status != STATUS_DATA_CORRUPTED || !says(cases[i].text)) {
            fail_msg("case \"%s\": %s %s %s", cases[i].name, status_name(status),
                     error_current()->message, error_current()->detail);
        }
    }
    return STATUS_OK;
}

static void what_does_not_fit_is_refused_and_read_around(void **state) {
    log_level_set(LOG_FATAL);
    fixture_run(cases_body, 1, RUNTIME_BACKEND_AUTO);
}

/* What a callback says is passed on, and a cancellation is noticed behind each. */
static enum status callbacks_body(struct fiber *f, void *argument) {
    static const struct frame_plan plans[][FRAMES_MAX] = {
        {R(2), R(1)}, {{WHOLE}, R(1)}, {{FIRST}, {MIDDLE}, {LAST}, R(1)}};
    for (unsigned i = 0; i < sizeof plans / sizeof *plans; i++) {
        journal_make(plans[i]);
        for (unsigned way = 0; way < 12; way++) {
            struct journal_replay replay = replay_from(0);
            struct journal_salvage found;
            struct journal *journal = NULL;
            seen.fails = (enum call)(1 + way % 3);
            seen.cancels = way / 3 % 2 == 1;
            enum status status = way < 6 ? open_from(f, &replay, &journal)
                                         : journal_salvage(f, directory(), DATABASE, &replay,
                                                           take_line, NULL, &found);
            assert_int_equal(status, seen.cancels ? STATUS_CANCELED : STATUS_FEATURE_NOT_SUPPORTED);
            assert_null(journal);
            assert_true(seen.count <= 1);
            fiber_cancel_clear(f);
        }
    }
    return STATUS_OK;
}

static void a_callback_s_failure_ends_the_replay(void **state) {
    fixture_run(callbacks_body, 1, RUNTIME_BACKEND_AUTO);
}

/* Files that are none of the journal's are left alone; a spare of another size is removed. */
static enum status names_body(struct fiber *f, void *argument) {
    static const struct {
        const char *name;
        bool stays;
    } files[] = {
        {"spare-7", false},
        {"preparing", false},
        {"spare-12345678901234567890123456789", true},
        {"0000000000000000.journal", true},
        {"000000000000000g.journal", true},
        {"0000000000000001.journel", true},
        {"1.journal", true},
    };
    static const struct frame_plan plan[FRAMES_MAX] = {R(2), R(1)};
    struct journal *journal;
    char path[256];
    journal_make(plan);
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", directory(), files[i].name);
        file_store(path, (const uint8_t *)"x", 1);
    }
    struct journal_replay replay = replay_from(0);
    assert_ok(open_from(f, &replay, &journal));
    assert_int_equal(seen.count, 3);
    journal_close(f, journal);
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", directory(), files[i].name);
        assert_int_equal(access(path, F_OK) == 0, files[i].stays);
    }
    return STATUS_OK;
}

static void foreign_files_are_left_alone(void **state) {
    fixture_run(names_body, 1, RUNTIME_BACKEND_AUTO);
}

int main(void) {
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failure on a fiber cannot jump out of it */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_refused_and_read_around),
        cmocka_unit_test(a_callback_s_failure_ends_the_replay),
        cmocka_unit_test(foreign_files_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
