/*
 * Crashes at every change to the disk. A workload runs once while every change is recorded; then
 * for each of them the files are made as a crash at that point would leave them, in several ways,
 * and opened. What is found must be a state the workload went through, and none before the last one
 * that was durable.
 */
#include "drive_fixture.h"

#include "runtime/runtime_plain.h"

enum { EVENTS_MAX = 4000, STATES_MAX = 600, KEYS = 10, FILES_MAX = 6, VALUE_MAX = 610000 };

struct event {
    enum plain_change change;
    char path[96], path_to[96];
    uint64_t offset, size;
    bool truncates;
    uint8_t *bytes;
    unsigned state; /* states reached when it came */
};

/* What each key holds: 0 nothing, else the number of the write. */
struct state {
    unsigned value[KEYS];
};

static struct event events[EVENTS_MAX];
static unsigned event_count;
static struct state states[STATES_MAX];
static unsigned state_count; /* states[state_count] is being made, those before are reached */
static unsigned durable_at[EVENTS_MAX]; /* the last durable state when the event came */
static unsigned durable;
static bool recording;
static unsigned format;
static bool sync_fails;
static unsigned synced_count; /* changes before the last sync that worked */

static int record(void *context, struct plain_event *event) {
    if (!recording)
        return 0;
    assert_true(event_count < EVENTS_MAX);
    if (event->change == PLAIN_CHANGE_SYNC && sync_fails) {
        for (; event_count > synced_count; event_count--) /* and the system takes it for written */
            free(events[event_count - 1].bytes);
        return 5 /* EIO */;
    }
    struct event *e = &events[event_count];
    *e = (struct event){.change = event->change,
                        .offset = event->offset,
                        .size = event->size,
                        .truncates = event->truncates,
                        .state = state_count};
    snprintf(e->path, sizeof e->path, "%s", event->path);
    if (event->path_to != NULL)
        snprintf(e->path_to, sizeof e->path_to, "%s", event->path_to);
    if (event->change == PLAIN_CHANGE_WRITE) {
        e->bytes = malloc(event->size + 1);
        size_t at = 0;
        for (size_t i = 0; i < event->count; i++) {
            memcpy(e->bytes + at, event->pieces[i].data, event->pieces[i].size);
            at += event->pieces[i].size;
        }
        assert_int_equal(at, event->size);
    }
    durable_at[event_count++] = durable;
    if (event->change == PLAIN_CHANGE_SYNC)
        synced_count = event_count;
    return 0;
}

/* ---- the workload ------------------------------------------------------------------------------
 */

static void key_name(unsigned i, char *key) {
    snprintf(key, 16, "key %u", i);
}

static void make_value(unsigned i, unsigned number, uint8_t *value, size_t *size_out) {
    *size_out = 8 + (number * 37 + i * 11) % 300 + (number % 29 == 0 ? 6000 : 0);
    if (number == 115 || number == 117) /* written in pieces, the header last; 117 is streamed */
        *size_out += 600000;
    memset(value, (int)(number * 5 + i), *size_out);
    put_le32(value, number);
    put_le32(value + 4, i);
}

static void reached(void) {
    assert_true(state_count + 1 < STATES_MAX);
    states[state_count + 1] = states[state_count];
    state_count++;
}

/* One write of one or more keys; in format 1 each is a state of its own. */
static void write_some(struct drive *drive, struct random *random, unsigned number) {
    static uint8_t values[4][VALUE_MAX];
    char keys[4][16];
    struct drive_item items[4];
    size_t count = format == 1 ? 1 : 1 + random_below(random, 4), size;
    unsigned first = (unsigned)random_below(random, KEYS);
    for (size_t n = 0; n < count; n++) {
        unsigned i = (first + (unsigned)n * 3) % KEYS;
        bool is_delete = random_below(random, 5) == 0;
        key_name(i, keys[n]);
        make_value(i, number, values[n], &size);
        items[n] = (struct drive_item){
            .key = text(keys[n]), .value = slice_of(values[n], size), .is_delete = is_delete};
        states[state_count].value[i] = is_delete ? 0 : number;
    }
    bool sync = random_below(random, 4) == 0;
    assert_ok(drive_batch(drive, items, count, sync ? DRIVE_SYNC : DRIVE_NONE));
    if (sync)
        durable = state_count;
    reached();
}

struct pour {
    const uint8_t *bytes;
    size_t left;
};

static enum status pour_next(void *context, void *buffer, size_t size, size_t *size_out) {
    struct pour *pour = context;
    size_t count = pour->left < size ? pour->left : size;
    memcpy(buffer, pour->bytes, count);
    pour->bytes += count;
    pour->left -= count;
    *size_out = count;
    return STATUS_OK;
}

static void stream_one(struct drive *drive, unsigned number) {
    static uint8_t value[VALUE_MAX];
    char key[16];
    size_t size;
    unsigned i = number % KEYS;
    key_name(i, key);
    make_value(i, number, value, &size);
    struct pour pour = {value, size};
    struct drive_source source = {pour_next, &pour};
    states[state_count].value[i] = number;
    assert_ok(drive_put_stream(drive, text(key), &source, DRIVE_NONE));
    reached();
}

static struct drive *open_store(void) {
    struct drive *drive;
    assert_ok(drive_open(path_of("crash"),
                         &(struct drive_options){.create = true, .format = format}, &drive));
    return drive;
}

static void workload(void) {
    struct random random;
    random_seed(&random, format);
    memset(states, 0, sizeof states);
    event_count = synced_count = state_count = durable = 0;
    recording = true;
    plain_hook_set(record, NULL);
    struct drive *drive = open_store();
    reached(); /* state 0: nothing yet */
    for (unsigned number = 1; number < 120; number++) {
        if (number % 13 == 0)
            stream_one(drive, number);
        else
            write_some(drive, &random, number);
        if (number % 40 == 0) {
            assert_ok(drive_compact(drive, NULL));
            durable = state_count - 1;
        }
        if (number % 31 == 0) {
            assert_ok(drive_close(drive));
            drive = open_store();
        }
        if (number % 50 == 0) {
            assert_ok(drive_snapshot(drive));
            durable = state_count - 1;
        }
    }
    assert_ok(drive_close(drive));
    plain_hook_set(NULL, NULL);
    recording = false;
}

/* ---- what a crash leaves ------------------------------------------------------------------------
 */

struct image {
    char path[96]; /* "": free */
    uint8_t *bytes;
    size_t size;
};
static struct image images[FILES_MAX];

static struct image *image_of(const char *path) {
    for (int i = 0; i < FILES_MAX; i++) {
        if (strcmp(images[i].path, path) == 0)
            return &images[i];
    }
    for (int i = 0; i < FILES_MAX; i++) {
        if (images[i].path[0] == '\0') {
            snprintf(images[i].path, sizeof images[i].path, "%s", path);
            images[i].size = 0;
            return &images[i];
        }
    }
    fail_msg("too many files");
    return NULL;
}

static void image_resize(struct image *image, uint64_t size) {
    image->bytes = realloc(image->bytes, size + 1);
    if (size > image->size)
        memset(image->bytes + image->size, 0, size - image->size);
    image->size = size;
}

static void image_write(struct image *image, const struct event *e, uint64_t from, uint64_t to) {
    if (e->offset + to > image->size)
        image_resize(image, e->offset + to);
    memcpy(image->bytes + e->offset + from, e->bytes + from, to - from);
}

static void apply(const struct event *e) {
    struct image *image = image_of(e->path);
    switch (e->change) {
    case PLAIN_CHANGE_CREATE:
        if (e->truncates)
            image->size = 0;
        break;
    case PLAIN_CHANGE_WRITE:
        image_write(image, e, 0, e->size);
        break;
    case PLAIN_CHANGE_SYNC:
    case PLAIN_CHANGE_DIRECTORY_SYNC:
        break;
    case PLAIN_CHANGE_TRUNCATE:
        image_resize(image, e->size);
        break;
    case PLAIN_CHANGE_RENAME: {
        struct image *to = image_of(e->path_to);
        free(to->bytes);
        *to = *image;
        snprintf(to->path, sizeof to->path, "%s", e->path_to);
        *image = (struct image){0};
        break;
    }
    case PLAIN_CHANGE_REMOVE:
        image->path[0] = '\0';
        image->size = 0;
        break;
    }
}

enum loss {
    LOSS_NOTHING, /* the process dies between two changes */
    LOSS_TORN,    /* ... within a write */
    LOSS_ZEROS,   /* power fails: the file grew, the bytes of the last write did not come */
    LOSS_SOME,    /* ... and writes since the last sync are there or not, as it happens */
    LOSS_KINDS
};

/* The files after changes 0 .. count-1 and, torn, a part of change `count`. */
static void make_images(unsigned count, enum loss loss, struct random *random) {
    unsigned synced = 0;
    for (int i = 0; i < FILES_MAX; i++) {
        images[i].path[0] = '\0';
        images[i].size = 0;
    }
    for (unsigned n = 0; n < count; n++) {
        if (events[n].change == PLAIN_CHANGE_SYNC || events[n].change == PLAIN_CHANGE_RENAME)
            synced = n + 1;
    }
    for (unsigned n = 0; n < count; n++) {
        const struct event *e = &events[n];
        bool lost = loss == LOSS_SOME && n >= synced && e->change == PLAIN_CHANGE_WRITE &&
                    random_below(random, 3) == 0;
        if (!lost)
            apply(e);
        else if (random_below(random, 2) == 0) /* its length at least */
            image_resize(image_of(e->path), e->offset + e->size > image_of(e->path)->size
                                                ? e->offset + e->size
                                                : image_of(e->path)->size);
    }
    const struct event *last = &events[count];
    if (loss == LOSS_NOTHING || loss == LOSS_SOME || last->change != PLAIN_CHANGE_WRITE)
        return;
    struct image *image = image_of(last->path);
    uint64_t part = last->size == 0 ? 0 : random_below(random, last->size);
    if (loss == LOSS_TORN) {
        image_write(image, last, 0, part);
    } else if (last->offset + last->size > image->size) {
        image_resize(image, last->offset + last->size);
        image_write(image, last, part, last->size); /* the later part only */
    }
}

static void put_images(void) {
    static const char *const names[] = {"crash", "crash.index", "crash.compact", "crash.index-new",
                                        "crash.new"};
    for (int i = 0; i < 5; i++)
        unlink(path_of(names[i]));
    for (int i = 0; i < FILES_MAX; i++) {
        if (images[i].path[0] != '\0')
            file_put(images[i].path, images[i].bytes, images[i].size);
    }
}

static bool is_state(struct drive *drive, const struct state *state) {
    static uint8_t value[VALUE_MAX];
    size_t size;
    for (unsigned i = 0; i < KEYS; i++) {
        char key[16];
        struct drive_handle handle;
        key_name(i, key);
        assert_ok(drive_get(drive, text(key), &handle));
        bool same = (handle.data != NULL) == (state->value[i] != 0);
        if (same && handle.data != NULL) {
            make_value(i, state->value[i], value, &size);
            same = handle.size == size && memcmp(handle.data, value, size) == 0;
        }
        drive_handle_release(&handle);
        if (!same)
            return false;
    }
    return true;
}

static void check(unsigned count, enum loss loss) {
    struct drive *drive;
    enum status status = drive_open(
        path_of("crash"), &(struct drive_options){.create = true, .format = format}, &drive);
    if (status != STATUS_OK) {
        /* Format 1 has no header: before the first whole entry a file is nothing known. */
        if (format == 1 && status == STATUS_WRONG_OBJECT_TYPE && events[count].state <= 1)
            return;
        fail_msg("change %u, loss %d: %s", count, loss, error_current()->message);
    }
    unsigned last = count < event_count ? events[count].state : state_count;
    unsigned first = loss == LOSS_SOME || loss == LOSS_ZEROS ? durable_at[count] : last;
    first = first > 0 ? first - (loss == LOSS_NOTHING || loss == LOSS_TORN) : 0;
    bool found = false;
    for (unsigned s = first; s <= last && !found; s++)
        found = is_state(drive, &states[s]);
    if (!found)
        fail_msg("change %u (%d of %s), loss %d: not a state from %u to %u", count,
                 events[count].change, events[count].path, loss, first, last);
    uint64_t entries, damage;
    assert_ok(drive_verify(drive, 1, NULL, NULL, NULL, &entries, &damage));
    if (damage != 0 || drive_recovery(drive)->damage_count != 0)
        fail_msg("change %u, loss %d: damage at %llu", count, loss,
                 (unsigned long long)drive_recovery(drive)->damage[0].offset);
    assert_ok(drive_put(drive, text("key 0"), text("goes on"), DRIVE_SYNC));
    assert_ok(drive_close(drive));
    assert_ok(drive_open(path_of("crash"), &(struct drive_options){.format = format}, &drive));
    assert_value(drive, text("key 0"), text("goes on"));
    assert_int_equal(drive_recovery(drive)->tail_size, 0);
    assert_ok(drive_close(drive));
}

static void crash_everywhere(unsigned which, bool power) {
    struct random random;
    random_seed(&random, 77);
    format = which;
    unlink(path_of("crash"));
    workload();
    assert_true(event_count > 100);
    for (unsigned n = 0; n < event_count; n++) {
        for (int loss = LOSS_NOTHING; loss < (power ? LOSS_KINDS : LOSS_ZEROS); loss++) {
            make_images(n, (enum loss)loss, &random);
            put_images();
            check(n, (enum loss)loss);
        }
    }
    for (unsigned n = 0; n < event_count; n++)
        free(events[n].bytes);
}

static void format_2_survives_every_crash(void **state) {
    crash_everywhere(2, true);
}

static void format_1_survives_the_death_of_the_process(void **state) {
    crash_everywhere(1, false);
}

/* A sync that fails leaves the system believing that what it did not write is on the disk: the next
   one says nothing of it. */
static void what_a_failed_sync_lost_is_written_again(void **state) {
    struct random random;
    random_seed(&random, 1);
    format = 2;
    unlink(path_of("crash"));
    event_count = synced_count = 0;
    recording = true;
    plain_hook_set(record, NULL);
    struct drive *drive = open_store();
    assert_ok(drive_put(drive, text("a"), text("1"), DRIVE_SYNC));
    assert_ok(drive_put(drive, text("b"), text("2"), DRIVE_SYNC));
    sync_fails = true;
    assert_status(drive_put(drive, text("c"), text("3"), DRIVE_SYNC), STATUS_IO_ERROR);
    sync_fails = false;
    assert_ok(drive_close(drive));
    drive = open_store();
    assert_value(drive, text("c"), text("3"));
    assert_ok(drive_put(drive, text("d"), text("4"), DRIVE_SYNC));
    plain_hook_set(NULL, NULL);
    recording = false;
    make_images(event_count, LOSS_NOTHING, &random); /* the power fails */
    assert_ok(drive_close(drive));
    put_images();
    drive = open_store();
    assert_value(drive, text("a"), text("1"));
    assert_value(drive, text("b"), text("2"));
    assert_value(drive, text("c"), text("3"));
    assert_value(drive, text("d"), text("4"));
    assert_ok(drive_close(drive));
    for (unsigned n = 0; n < event_count; n++)
        free(events[n].bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_2_survives_every_crash),
        cmocka_unit_test(format_1_survives_the_death_of_the_process),
        cmocka_unit_test(what_a_failed_sync_lost_is_written_again),
    };
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
