#include "test.h"

#include "base/base_random.h"
#include "column/image.h"
#include "column/kernel.h"
#include "column/stream.h"

/* Every instruction set that this processor has against plain code, and that against arithmetic. */

static const struct kernels *set;

static void fill(struct random *random, void *out, size_t size) {
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)out)[i] = (uint8_t)random_next(random);
}

static void packed_numbers_come_back(void) {
    struct random random;
    random_seed(&random, 1);
    for (unsigned width = 0; width <= 32; width++) {
        uint32_t in[PACK_ROWS], out[PACK_ROWS];
        uint16_t in16[PACK_ROWS], out16[PACK_ROWS];
        uint8_t packed[128 * 32 + 1], plain[128 * 32];
        for (int i = 0; i < PACK_ROWS; i++) {
            in[i] = width == 0 ? 0 : (uint32_t)random_next(&random) >> (32 - width);
            in16[i] = (uint16_t)in[i];
        }
        if (width <= 16) { /* at an odd address too */
            set->pack16(in16, width, packed + 1);
            kernels_plain.pack16(in16, width, plain);
            set->unpack16[width](packed + 1, out16);
            assert_memory_equal(out16, in16, sizeof in16);
        } else {
            set->pack32(in, width, packed + 1);
            kernels_plain.pack32(in, width, plain);
            set->unpack32[width](packed + 1, out);
            assert_memory_equal(out, in, sizeof in);
        }
        assert_memory_equal(packed + 1, plain, 128 * width);
    }
}

static void bases_are_added(void) {
    struct random random;
    random_seed(&random, 2);
    for (int round = 0; round < 20; round++) {
        uint16_t in16[PACK_ROWS];
        uint32_t in32[PACK_ROWS], high[PACK_ROWS];
        uint64_t base = random_next(&random), out[PACK_ROWS], sum = base;
        uint32_t count = (uint32_t)random_below(&random, PACK_ROWS + 1);
        fill(&random, in16, sizeof in16);
        fill(&random, in32, sizeof in32);
        fill(&random, high, sizeof high);
        for (int size = 0; size < 4; size++) {
            uint64_t mask = size == 3 ? UINT64_MAX : (1ull << 8 * (1 << size)) - 1;
            for (int wide = 0; wide < 2; wide++) {
                if (wide)
                    set->add32[size](in32, count, base, out);
                else
                    set->add16[size](in16, count, base, out);
                for (uint32_t i = 0; i < count; i++) {
                    uint64_t got = 0, in = wide ? in32[i] : in16[i];
                    memcpy(&got, (uint8_t *)out + ((size_t)i << size), (size_t)1 << size);
                    assert_true(got == ((base + in) & mask));
                }
            }
        }
        set->join(in32, high, count, base, out);
        for (uint32_t i = 0; i < count; i++)
            assert_true(out[i] == base + (in32[i] | (uint64_t)high[i] << 32));
        set->sum32(in32, count, base, 5, out);
        for (uint32_t i = 0; i < count; i++)
            assert_true(out[i] == (sum += in32[i] + 5));
    }
}

static void expect_mask(const uint64_t *mask, uint32_t count, const bool *wanted) {
    uint16_t rows[PACK_ROWS + 64];
    uint32_t selected = set->select(mask, (count + 63) / 64, rows), next = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(mask[i / 64] >> i % 64 & 1, wanted[i]);
        if (wanted[i])
            assert_int_equal(rows[next++], i);
    }
    assert_int_equal(selected, next);
    assert_int_equal(set->count(mask, (count + 63) / 64), next);
}

static void ranges_are_tested(void) {
    struct random random;
    random_seed(&random, 3);
    for (int round = 0; round < 100; round++) {
        uint64_t in[PACK_ROWS], mask[PACK_ROWS / 64];
        uint8_t in8[PACK_ROWS];
        uint16_t in16[PACK_ROWS];
        uint32_t in32[PACK_ROWS];
        bool wanted[PACK_ROWS];
        uint32_t count = (uint32_t)random_below(&random, PACK_ROWS + 1);
        uint64_t spread = round % 3 == 0 ? 5 : UINT64_MAX;
        for (int i = 0; i < PACK_ROWS; i++) {
            in[i] = random_next(&random) % spread;
            in8[i] = (uint8_t)in[i];
            in16[i] = (uint16_t)in[i];
            in32[i] = (uint32_t)in[i];
        }
        uint64_t low = random_next(&random) % spread, span = random_next(&random) % spread;
        set->range8(in8, count, (uint8_t)low, (uint8_t)span, mask);
        for (uint32_t i = 0; i < count; i++)
            wanted[i] = (uint8_t)(in8[i] - low) <= (uint8_t)span;
        expect_mask(mask, count, wanted);
        set->range16(in16, count, (uint16_t)low, (uint16_t)span, mask);
        for (uint32_t i = 0; i < count; i++)
            wanted[i] = (uint16_t)(in16[i] - low) <= (uint16_t)span;
        expect_mask(mask, count, wanted);
        set->range32(in32, count, (uint32_t)low, (uint32_t)span, mask);
        for (uint32_t i = 0; i < count; i++)
            wanted[i] = (uint32_t)(in32[i] - low) <= (uint32_t)span;
        expect_mask(mask, count, wanted);
        set->range64(in, count, low, span, mask);
        for (uint32_t i = 0; i < count; i++)
            wanted[i] = in[i] - low <= span;
        expect_mask(mask, count, wanted);
        uint16_t max = 0;
        int64_t least, greatest, min64 = INT64_MAX, max64 = INT64_MIN;
        for (uint32_t i = 0; i < count; i++) {
            max = in16[i] > max ? in16[i] : max;
            min64 = (int64_t)in[i] < min64 ? (int64_t)in[i] : min64;
            max64 = (int64_t)in[i] > max64 ? (int64_t)in[i] : max64;
        }
        assert_int_equal(set->max16(in16, count), max);
        if (count > 0) {
            set->bounds64((int64_t *)in, count, &least, &greatest);
            assert_true(least == min64 && greatest == max64);
        }
    }
}

static void images_keep_the_order_of_numbers(void) {
    static const double ascending[] = {-__builtin_inf(), -1e308, -1.5, -5e-324, 0,
                                       5e-324,           1,      1.5,  1e308,   __builtin_inf(),
                                       __builtin_nan("")};
    enum { COUNT = sizeof ascending / sizeof *ascending };
    int64_t images[COUNT], zero, nan;
    double minus_zero = -0.0, minus_nan = -__builtin_nan("7");
    set->image_double(ascending, COUNT, images);
    for (int i = 1; i < COUNT; i++)
        assert_true(images[i - 1] < images[i]);
    set->image_double(&minus_zero, 1, &zero);
    set->image_double(&minus_nan, 1, &nan);
    assert_true(zero == images[4] && nan == images[COUNT - 1]);
    for (int i = 0; i < COUNT; i++)
        assert_true(images[i] == image_of_double(ascending[i]));
}

static void entries_are_gathered(void) {
    struct random random;
    random_seed(&random, 4);
    uint64_t entries[300], out[PACK_ROWS];
    uint16_t codes[PACK_ROWS];
    fill(&random, entries, sizeof entries);
    for (int i = 0; i < PACK_ROWS; i++)
        codes[i] = (uint16_t)random_below(&random, 300);
    for (int size = 0; size < 4; size++) {
        set->gather[size](entries, codes, PACK_ROWS, out);
        for (int i = 0; i < PACK_ROWS; i++)
            assert_memory_equal((uint8_t *)out + ((size_t)i << size),
                                (uint8_t *)entries + ((size_t)codes[i] << size), (size_t)1 << size);
    }
}

static void every_instruction_set_does_the_same(void **state) {
    assert_string_equal(kernels_at(0)->name, "plain");
    for (unsigned i = 0; (set = kernels_at(i)) != NULL; i++) {
        packed_numbers_come_back();
        bases_are_added();
        ranges_are_tested();
        images_keep_the_order_of_numbers();
        entries_are_gathered();
    }
}

/* ---- streams ------------------------------------------------------------------------------- */

static int64_t shaped_number(struct random *random, int shape, uint32_t row, unsigned width) {
    uint64_t number = width == 0 ? 0 : random_next(random) >> (64 - width);
    switch (shape) {
    case 0:
        return (int64_t)number;
    case 1:
        return INT64_MIN + (int64_t)(number >> 1);
    case 2:
        return (int64_t)((uint64_t)row * 1000 + number % 1000);
    default:
        return (int64_t)(row / (1 + width) * 77);
    }
}

static void streams_of_every_width_and_length_come_back(void **state) {
    struct random random;
    random_seed(&random, 5);
    static int64_t values[COLUMN_ROWS_MAX];
    static int64_t out[COLUMN_ROWS_MAX];
    for (int round = 0; round < 400; round++) {
        struct arena arena = {0};
        struct stream_plan plan;
        struct slice bytes;
        struct column_packed stream;
        uint32_t count =
            1 + (uint32_t)random_below(&random, round % 20 == 0 ? COLUMN_ROWS_MAX : 3000);
        unsigned width = (unsigned)random_below(&random, 65);
        int shape = (int)random_below(&random, 4);
        for (uint32_t i = 0; i < count; i++)
            values[i] = shaped_number(&random, shape, i, width);
        kernels_use(kernels_at((unsigned)random_below(&random, 2)));
        stream_plan(values, count, &plan);
        assert_ok(stream_write(values, &plan, &arena, &bytes));
        assert_ok(stream_open(&stream, bytes, count));
        kernels_use(NULL);
        stream_read(&stream, 0, count, 8, out);
        assert_memory_equal(out, values, count * sizeof *values);
        for (int i = 0; i < 20; i++) {
            uint32_t row = (uint32_t)random_below(&random, count);
            assert_true(stream_get(&stream, row) == values[row]);
            uint32_t some = (uint32_t)random_below(&random, count - row) + 1;
            static const unsigned sizes[] = {1, 2, 4, 8};
            unsigned size = sizes[random_below(&random, 4)];
            static uint8_t cut[8 * COLUMN_ROWS_MAX];
            stream_read(&stream, row, some, size, cut);
            for (uint32_t k = 0; k < some; k++)
                assert_memory_equal(cut + (size_t)k * size, &values[row + k], size);
        }
        arena_release(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set_does_the_same),
        cmocka_unit_test(streams_of_every_width_and_length_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
