#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base_arena.h"
#include "base/base_bytes.h"
#include "base/base_checked.h"
#include "base/base_hash.h"
#include "base/base_list.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "base/base_queue.h"
#include "base/base_random.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "base/crc_way.h"

static void status_table_names_states(void **state) {
    (void)state;
    assert_string_equal(status_name(STATUS_UNIQUE_VIOLATION), "UNIQUE_VIOLATION");
    assert_string_equal(status_sqlstate(STATUS_UNIQUE_VIOLATION), "23505");
    for (int status = 0; status <= STATUS_INDEX_CORRUPTED; status++)
        assert_int_equal(strlen(status_sqlstate((enum status)status)), 5);
}

static void error_keeps_the_first_position_and_whole_characters(void **state) {
    (void)state;
    assert_int_equal(error_set(STATUS_SYNTAX_ERROR, "at \"%s\"", "x"), STATUS_SYNTAX_ERROR);
    error_position(7);
    error_position(9);
    error_detail("because %d", 3);
    assert_int_equal(error_current()->position, 7);
    assert_string_equal(error_current()->message, "at \"x\"");
    assert_string_equal(error_current()->detail, "because 3");

    char text[2000] = "";
    memset(text, 'a', ERROR_MESSAGE_SIZE - 2);
    strcpy(text + ERROR_MESSAGE_SIZE - 2, "\xC3\xA9tail");
    (void)!error_set(STATUS_INTERNAL_ERROR, "%s", text);
    assert_int_equal(strlen(error_current()->message), ERROR_MESSAGE_SIZE - 2);
    assert_string_equal(error_current()->detail, "");

    /* Detail that quotes the slot it replaces. */
    (void)!error_set(STATUS_INTERNAL_ERROR, "inner");
    (void)!error_set(STATUS_IO_ERROR, "outer: %s", error_current()->message);
    assert_string_equal(error_current()->message, "outer: inner");
}

static void crc_and_hash_match_published_values(void **state) {
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xE3069283);
    assert_true(hash_bytes("", 0) == 0x2d06800538d394c2ull);
}

/* Bit by bit, from the definition. */
static uint32_t crc_slowly(const uint8_t *bytes, size_t size) {
    uint32_t state = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        state ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            state = (state & 1) != 0 ? state >> 1 ^ 0x82F63B78u : state >> 1;
    }
    return ~state;
}

static void crc_of_any_size_and_place_is_by_the_definition(void **state) {
    uint8_t bytes[320];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 167 + 13);
    for (size_t size = 0; size <= 300; size++) {
        const uint8_t *from = bytes + size % 9;
        uint32_t wanted = crc_slowly(from, size);
        assert_int_equal(crc32c(0, from, size), wanted);
        size_t first = size / 3;
        uint32_t crc = crc32c(0, from, first);
        assert_int_equal(crc32c(crc, from + first, size - first), wanted);
        assert_int_equal(crc32c_combine(crc, crc32c(0, from + first, size - first), size - first),
                         wanted);
    }
}

/* Sizes around those of the blocks that are summed at once (136 bytes by 7, 30 and 120), and a
   spread of others; each way that this processor has, at all places within a line and parts. */
static void crc_of_long_runs_is_the_same_in_every_way(void **state) {
    (void)state;
    static const size_t steps[] = {952, 4080, 16320, 952 + 4080, 2 * 16320, 16320 + 4080 + 952};
    static uint8_t bytes[80000], copy[80000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i * 31 + i / 7);
    size_t place = 0;
    for (size_t step = 0, size = 0; size <= 70000; size += 1 + size / 97) {
        if (step < 9 * sizeof steps / sizeof steps[0]) /* first these, each from -4 to +4 */
            size = steps[step / 9] - 4 + step % 9;
        else if (step == 9 * sizeof steps / sizeof steps[0])
            size = 0;
        step++;
        const uint8_t *from = bytes + place++ % 65;
        uint8_t *to = copy + 64 + place % 7;
        uint32_t wanted = crc_slowly(from, size);
        size_t first = size / 2 + size % 5 < size ? size / 2 + size % 5 : 0;
        for (enum crc_way way = CRC_LIBRARY; way <= crc__best(); way++) {
            assert_int_equal(crc__sum(way, 0, from, size), wanted);
            uint32_t half = crc__sum(way, 0, from, first);
            assert_int_equal(crc__sum(way, half, from + first, size - first), wanted);
            memset(to - 8, 0xEE, size + 16);
            assert_int_equal(crc__copy(way, 0, to, from, size), wanted);
            assert_memory_equal(to, from, size);
            assert_int_equal(to[-1], 0xEE);
            assert_int_equal(to[size], 0xEE);
            half = crc__copy(way, 0, to, from, first);
            assert_int_equal(crc__copy(way, half, to + first, from + first, size - first), wanted);
        }
        assert_int_equal(crc32c(0, from, size), wanted);
        assert_int_equal(crc32c_copy(0, to, from, size), wanted);
    }
}

static void integers_round_trip_unaligned(void **state) {
    (void)state;
    uint8_t bytes[16] = {0};
    put_le32(bytes + 1, 0x01020304);
    assert_int_equal(bytes[1], 4);
    assert_int_equal(get_le32(bytes + 1), 0x01020304);
    put_be64(bytes + 3, 0x0102030405060708ull);
    assert_int_equal(bytes[3], 1);
    assert_true(get_be64(bytes + 3) == 0x0102030405060708ull);
}

static void varint_round_trips_and_refuses_other_forms(void **state) {
    (void)state;
    uint8_t bytes[VARINT_SIZE_MAX];
    for (int bit = 0; bit < 64; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t value = (1ull << bit) + (uint64_t)delta, back = 0;
            size_t size = varint_put(bytes, value);
            assert_int_equal(size, varint_size(value));
            assert_int_equal(varint_get(bytes, size, &back), size);
            assert_true(back == value);
            assert_int_equal(varint_get(bytes, size - 1, &back), 0);
        }
    }
    uint64_t value;
    assert_int_equal(varint_get("\x80\x00", 2, &value), 0);
    assert_int_equal(varint_get("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, &value), 0);
}

static void slices_order_prefix_first(void **state) {
    (void)state;
    assert_true(slice_compare(slice_of_text("ab"), slice_of_text("abc")) < 0);
    assert_true(slice_compare(slice_of_text("b"), slice_of_text("abc")) > 0);
    assert_int_equal(slice_compare(SLICE_EMPTY, SLICE_EMPTY), 0);
    assert_true(slice_starts_with(slice_of_text("abc"), SLICE_EMPTY));
}

static void arena_aligns_and_keeps_contents(void **state) {
    (void)state;
    struct arena arena = {0};
    struct random random;
    random_seed(&random, 1);
    struct {
        uint8_t *at;
        size_t size;
    } piece[2000];
    for (int i = 0; i < 2000; i++) {
        piece[i].size = random_below(&random, i % 100 == 0 ? 200000 : 300);
        piece[i].at = arena_alloc(&arena, piece[i].size);
        assert_int_equal((uintptr_t)piece[i].at % 16, 0);
        memset(piece[i].at, i & 0xFF, piece[i].size);
    }
    for (int i = 0; i < 2000; i++) {
        for (size_t at = 0; at < piece[i].size; at++)
            assert_int_equal(piece[i].at[at], i & 0xFF);
    }
    assert_string_equal(arena_format(&arena, "%d-%s", 5, "x"), "5-x");
    arena_reset(&arena);
    assert_string_equal(arena_copy_text(&arena, "again"), "again");
    arena_release(&arena);
}

static void arena_survives_an_empty_heap(void **state) {
    (void)state;
    struct arena arena = {0};
    memory_fail_nth(1);
    void *small = arena_alloc(&arena, 100);
    /* The first attempt fails, a smaller one succeeds: not starved. */
    memory_fail_nth(0);
    assert_non_null(small);
    assert_ok(arena_status(&arena));
    arena_release(&arena);

    memory_fail_nth(1);
    void *large = arena_alloc(&arena, 10 << 20);
    memory_fail_nth(0);
    assert_null(large);
    assert_ok(arena_status(&arena));

    memory_fail_nth(1);
    small = arena_alloc(&arena, BUFSIZ + ARENA_SMALL_SIZE_MAX - BUFSIZ);
    memory_fail_nth(0);
    assert_non_null(small);
    memset(small, 1, ARENA_SMALL_SIZE_MAX);
    assert_status(arena_status(&arena), STATUS_OUT_OF_MEMORY);
    arena_release(&arena);
}

static void queue_keeps_order_and_refuses_when_full(void **state) {
    (void)state;
    struct queue queue;
    assert_ok(queue_init(&queue, 4, sizeof(int)));
    int pushed = 0, popped = 0, value;
    for (int round = 0; round < 100; round++) {
        while (queue_push(&queue, &pushed))
            pushed++;
        assert_int_equal(queue_count(&queue), 4);
        for (int i = 0; i < 1 + round % 4; i++) {
            assert_true(queue_pop(&queue, &value));
            assert_int_equal(value, popped++);
        }
    }
    while (queue_pop(&queue, &value))
        assert_int_equal(value, popped++);
    assert_int_equal(pushed, popped);
    queue_release(&queue);
}

static void random_is_the_same_for_the_same_seed(void **state) {
    (void)state;
    struct random a, b;
    random_seed(&a, 7);
    random_seed(&b, 7);
    for (int i = 0; i < 1000; i++)
        assert_true(random_next(&a) == random_next(&b));
    for (int i = 0; i < 1000; i++)
        assert_true(random_below(&a, 10) < 10);
    assert_true(random_unit(&a) < 1.0);
}

static void list_pushes_and_removes(void **state) {
    (void)state;
    struct list list, node[3] = {{0}};
    list_init(&list);
    for (int i = 0; i < 3; i++)
        list_push_back(&list, &node[i]);
    list_remove(&node[1]);
    assert_false(list_linked(&node[1]));
    assert_ptr_equal(list_pop_front(&list), &node[0]);
    assert_ptr_equal(list_pop_front(&list), &node[2]);
    assert_null(list_pop_front(&list));
}

static char last_line[256];
static void keep_line(enum log_level level, const char *line) {
    (void)level;
    snprintf(last_line, sizeof last_line, "%s", line);
}
static int64_t fixed_clock(void) {
    return 1709164800123456; /* 2024-02-29 */
}

static void log_lines_carry_time_level_and_room(void **state) {
    (void)state;
    log_writer_set(keep_line);
    log_clock_set(fixed_clock);
    LOG(LOG_INFO, "test", "a=%d\nb", 1);
    assert_string_equal(last_line, "2024-02-29T00:00:00.123Z info    test: a=1 b");
    last_line[0] = '\0';
    LOG(LOG_DEBUG, "test", "unseen");
    assert_string_equal(last_line, "");
    log_writer_set(NULL);
    log_clock_set(NULL);
}

static void checked_arithmetic_says_overflow(void **state) {
    (void)state;
    int32_t sum;
    assert_true(CHECKED_ADD(INT32_MAX, 1, &sum));
    assert_false(CHECKED_MUL(1000, 1000, &sum));
    assert_int_equal(sum, 1000000);
}

static size_t find_slowly(struct slice text, struct slice wanted) {
    for (size_t at = 0; at + wanted.size <= text.size; at++)
        if (memcmp(text.data + at, wanted.data, wanted.size) == 0)
            return at;
    return SIZE_MAX;
}

/* Few letters, so that much is almost found; texts end where memory does. */
static void slices_are_found_in_slices(void **state) {
    enum { PAGE = 4096, TEXT_MAX = 300 };
    uint8_t *pages =
        mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_NONE), 0);
    struct random random;
    random_seed(&random, 21);
    uint8_t wanted_bytes[100];
    unsigned found = 0;
    for (int round = 0; round < 200000; round++) {
        size_t size = random_below(&random, round % 10 == 0 ? TEXT_MAX : 90);
        size_t wanted_size = random_below(&random, round % 50 == 0 ? sizeof wanted_bytes : 12);
        unsigned letters = 1 + (unsigned)random_below(&random, 4);
        uint8_t *text = pages + PAGE - size;
        for (size_t i = 0; i < size; i++)
            text[i] = (uint8_t)('a' + random_below(&random, letters));
        for (size_t i = 0; i < wanted_size; i++)
            wanted_bytes[i] = (uint8_t)('a' + random_below(&random, letters));
        if (round % 3 == 0 && wanted_size <= size) /* certainly there */
            memcpy(wanted_bytes, text + random_below(&random, size - wanted_size + 1), wanted_size);
        struct slice in = slice_of(text, size), wanted = slice_of(wanted_bytes, wanted_size);
        size_t at = slice_find(in, wanted);
        assert_int_equal(at, find_slowly(in, wanted));
        found += at != SIZE_MAX;
    }
    assert_true(found > 70000 && found < 190000);
    assert_int_equal(slice_find(SLICE_EMPTY, SLICE_EMPTY), 0);
    assert_true(slice_find(SLICE_EMPTY, slice_of_text("x")) == SIZE_MAX);
    munmap(pages, 2 * PAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_table_names_states),
        cmocka_unit_test(error_keeps_the_first_position_and_whole_characters),
        cmocka_unit_test(crc_and_hash_match_published_values),
        cmocka_unit_test(crc_of_any_size_and_place_is_by_the_definition),
        cmocka_unit_test(crc_of_long_runs_is_the_same_in_every_way),
        cmocka_unit_test(integers_round_trip_unaligned),
        cmocka_unit_test(varint_round_trips_and_refuses_other_forms),
        cmocka_unit_test(slices_order_prefix_first),
        cmocka_unit_test(slices_are_found_in_slices),
        cmocka_unit_test(arena_aligns_and_keeps_contents),
        cmocka_unit_test(arena_survives_an_empty_heap),
        cmocka_unit_test(queue_keeps_order_and_refuses_when_full),
        cmocka_unit_test(random_is_the_same_for_the_same_seed),
        cmocka_unit_test(list_pushes_and_removes),
        cmocka_unit_test(log_lines_carry_time_level_and_room),
        cmocka_unit_test(checked_arithmetic_says_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
