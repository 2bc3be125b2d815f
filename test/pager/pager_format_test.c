#include "test.h"

#include <string.h>

#include "base/base_hash.h"
#include "base/base_random.h"
#include "pager/extents.h"
#include "pager/page_map.h"
#include "pager/pager_format.h"

#define GOLDEN_IMAGE 0xaf5e5d2afd26899ull

/* ---- golden bytes ------------------------------------------------------------------------- */

static void an_image_is_as_committed(void **state) {
    uint8_t bytes[4096];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    struct image image = {.id = {0x1122334455667788},
                          .size = 4096,
                          .stored_size = 4096,
                          .lifetime = 1,
                          .encoding = 1};
    static const uint8_t header[IMAGE_HEADER_SIZE] = {
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 's', 'P',  'A', 'G', 1, 1,    1, 0,
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0,   0x10, 0,   0,   0, 0x10, 0, 0,
    };
    uint64_t checksum = image_encode(&image, bytes);
    assert_memory_equal(bytes + 8, header + 8, sizeof header - 8);
    assert_int_equal(get_le64(bytes), checksum);
    assert_int_equal(checksum, GOLDEN_IMAGE);
    struct image decoded;
    assert_null(image_decode(bytes, sizeof bytes, &decoded));
    assert_int_equal(decoded.id.value, image.id.value);
    assert_int_equal(decoded.size, 4096);
}

static void every_changed_byte_of_an_image_is_noticed(void **state) {
    uint8_t bytes[4096] = {0};
    struct image image = {
        .id = {5}, .size = 4096, .stored_size = 4096, .lifetime = 1, .encoding = 1};
    image_encode(&image, bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        struct image decoded;
        bytes[i] ^= (uint8_t)(1 << (i % 8));
        assert_non_null(image_decode(bytes, sizeof bytes, &decoded));
        bytes[i] ^= (uint8_t)(1 << (i % 8));
    }
}

static void an_extent_is_as_committed(void **state) {
    struct extent extent = {.offset = 0x0123456789, .units = 4, .size = 16384, .check = 0xAB};
    uint64_t bits = extent_encode(&extent);
    assert_int_equal(bits, 0xAB0123456789010Aull);
    struct extent decoded;
    assert_true(extent_decode(bits, &decoded));
    assert_int_equal(extent_encode(&decoded), bits);
    assert_int_equal(decoded.offset, extent.offset);
    assert_int_equal(decoded.check, 0xAB);
    extent = (struct extent){.offset = 7, .units = 35, .size = 35 * 4096, .check = 1};
    bits = extent_encode(&extent);
    assert_int_equal(bits, 0x01000000000708FEull);
    assert_true(extent_decode(bits, &decoded));
    assert_int_equal(decoded.size, 35 * 4096);
    assert_false(extent_decode(bits | 1023 << 6, &decoded)); /* beyond the largest page */
    assert_false(extent_decode(0, &decoded));
    assert_false(extent_decode(bits & ~0xFFC0ull, &decoded)); /* no units */
}

static void manifest_values_are_as_committed(void **state) {
    uint8_t value[MANIFEST_COMMIT_SIZE];
    struct manifest_commit commit = {{77}, 1234, 3, MANIFEST_ROOTS_UNCHANGED, true}, decoded;
    manifest_commit_encode(&commit, value);
    static const uint8_t wanted[MANIFEST_COMMIT_SIZE] = {
        77, 0, 0, 0, 0,    0,    0,    0,    0xD2, 4,    0,    0,    0, 0, 0, 0, 3, 0, 0, 0,
        0,  0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 0, 0, 0, 0,
    };
    assert_memory_equal(value, wanted, sizeof wanted);
    assert_true(manifest_commit_decode(value, &decoded));
    assert_int_equal(decoded.applied.value, 77);
    assert_int_equal(decoded.page_id_end, 1234);
    assert_int_equal(decoded.map_count, 3);
    assert_true(decoded.root_count == MANIFEST_ROOTS_UNCHANGED && decoded.full);
    value[33] = 1;
    assert_false(manifest_commit_decode(value, &decoded));
}

static void manifest_keys_are_as_committed(void **state) {
    static const struct {
        struct manifest_key key;
        const char *text;
    } cases[] = {
        {{MANIFEST_FILE, 0, 0}, "manifest"},
        {{MANIFEST_MAP, 7, 0}, "7/map/0"},
        {{MANIFEST_MAP, UINT64_MAX, 12}, "18446744073709551615/map/12"},
        {{MANIFEST_ROOTS, 10, 3}, "10/roots/3"},
        {{MANIFEST_COMMIT, 42, 0}, "42/commit"},
        {{MANIFEST_ROOTS, UINT64_MAX, UINT64_MAX},
         "18446744073709551615/roots/18446744073709551615"},
    };
    static const char *const wrong[] = {"",        "7",         "map",     "/map/0",   "07/map/0",
                                        "7/map",   "7/map/",    "7/map/x", "7/map/00", "7/commit/0",
                                        "manifes", "manifest1", "7/roots", "x/commit", "7//map/0"};
    struct manifest_key key;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[MANIFEST_KEY_MAX];
        size_t size = manifest_key_encode(&cases[i].key, text);
        assert_int_equal(size, strlen(cases[i].text));
        assert_memory_equal(text, cases[i].text, size);
        assert_true(manifest_key_decode(slice_of(text, size), &key));
        assert_true(key.part == cases[i].key.part && key.checkpoint == cases[i].key.checkpoint &&
                    key.index == cases[i].key.index);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(manifest_key_decode(slice_of_text(wrong[i]), &key));
}

/* ---- free space against a naive map ------------------------------------------------------- */

enum { UNITS = 3000 };

static void extents_agree_with_a_naive_map(void **state) {
    static uint8_t naive[UNITS]; /* 0 free, 1 used, 2 deferred, 3 publishing */
    static struct {
        uint64_t offset;
        uint32_t units;
    } held[UNITS];
    size_t held_count = 0;
    struct extents extents = {0};
    struct random random;
    random_seed(&random, 3);
    assert_int_equal(extents_grow(&extents, UNITS / 2), STATUS_OK);
    for (int i = 0; i < 50000; i++) {
        unsigned dice = (unsigned)random_below(&random, 100);
        if (i == 20000)
            assert_int_equal(extents_grow(&extents, UNITS), STATUS_OK);
        if (dice < 55) {
            static const uint32_t sizes[] = {1, 2, 4, 4, 4, 8, 16, 64, 3, 100};
            uint32_t units = sizes[random_below(&random, 10)];
            uint64_t offset;
            if (!extents_take(&extents, units, &offset))
                continue;
            if (units <= 64 && (units & (units - 1)) == 0)
                assert_int_equal(offset % units, 0);
            for (uint32_t u = 0; u < units; u++) {
                assert_int_equal(naive[offset + u], 0);
                naive[offset + u] = 1;
            }
            held[held_count].offset = offset;
            held[held_count++].units = units;
        } else if (dice < 98 && held_count > 0) {
            size_t at = random_below(&random, held_count);
            uint8_t to = (uint8_t)random_below(&random, 4);
            if (to == 1)
                continue;
            if (to == 0)
                extents_free(&extents, held[at].offset, held[at].units);
            else if (to == 2)
                extents_defer(&extents, held[at].offset, held[at].units);
            else
                extents_defer_to_publication(&extents, held[at].offset, held[at].units);
            memset(naive + held[at].offset, to, held[at].units);
            held[at] = held[--held_count];
        } else if (dice >= 98) {
            extents_publish(&extents);
            extents_cut(&extents);
            for (size_t u = 0; u < UNITS; u++)
                naive[u] = naive[u] == 3 ? 0 : naive[u] == 2 ? 3 : naive[u];
        }
    }
    uint64_t free_count = 0;
    for (size_t u = 0; u < UNITS; u++)
        free_count += naive[u] == 0;
    assert_int_equal(extents.free_count, free_count);
    extents_release(&extents);
}

static void a_page_map_reuses_indexes(void **state) {
    struct page_map map;
    page_map_init(&map);
    assert_false(page_map_ready(&map, 1));
    assert_int_equal(page_map_reserve(&map, 3000), STATUS_OK);
    for (uint64_t i = 1; i <= 3000; i++) {
        assert_int_equal(page_map_take(&map), i);
        *page_map_entry(&map, i) = MAP_EXTENT;
    }
    page_map_give(&map, 17);
    page_map_give(&map, 2000);
    assert_false(page_map_has(&map, 17));
    assert_int_equal(map.page_count, 2998);
    assert_int_equal(page_map_take(&map), 2000);
    *page_map_entry(&map, 2000) = MAP_EXTENT;
    page_map_link_free(&map);
    assert_int_equal(map.page_count, 2999);
    assert_int_equal(page_map_take(&map), 17);
    page_map_set_changed(&map, 17);
    page_map_set_changed(&map, 2999);
    assert_int_equal(page_map_changed_count(&map), 2);
    page_map_changed_cut(&map);
    assert_int_equal(page_map_changed_count(&map), 0);
    page_map_set_changed(&map, 17);
    page_map_set_changed_in_cut(&map, 5);
    page_map_changed_uncut(&map);
    assert_int_equal(page_map_changed_count(&map), 3);
    assert_true(page_map_changed(&map, 5) && page_map_changed(&map, 2999));
    page_map_changed_cut(&map);
    page_map_changed_publish(&map);
    page_map_changed_uncut(&map);
    assert_int_equal(page_map_changed_count(&map), 0);
    page_map_release(&map);
}

/* With a right checksum: what a header says must be possible, and nothing else be in it. */
static void every_field_of_an_image_is_looked_at(void **state) {
    static const struct {
        unsigned at;
        uint8_t value;
        const char *problem; /* NULL: good */
    } cases[] = {
        {12, 2, "version"}, {13, 0, "header"}, {13, IMAGE_TEMPORARY, NULL}, {13, 3, "header"},
        {14, 0, "header"},  {14, 2, "header"}, {15, 1, "header"},           {16, 9, NULL},
        {25, 32, "header"}, {32, 1, "header"}, {63, 1, "header"},           {64, 1, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[4096] = {0};
        struct image image = {.id = {7},
                              .size = sizeof bytes,
                              .stored_size = sizeof bytes,
                              .lifetime = IMAGE_DURABLE,
                              .encoding = IMAGE_PLAIN};
        image_encode(&image, bytes);
        bytes[cases[i].at] = cases[i].value;
        put_le64(bytes, hash_bytes(bytes + 8, sizeof bytes - 8));
        const char *problem = image_decode(bytes, sizeof bytes, &image);
        if ((problem == NULL) != (cases[i].problem == NULL) ||
            (problem != NULL && strstr(problem, cases[i].problem) == NULL))
            fail_msg("case %zu: %s", i, problem != NULL ? problem : "good");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_is_as_committed),
        cmocka_unit_test(every_changed_byte_of_an_image_is_noticed),
        cmocka_unit_test(every_field_of_an_image_is_looked_at),
        cmocka_unit_test(an_extent_is_as_committed),
        cmocka_unit_test(manifest_values_are_as_committed),
        cmocka_unit_test(manifest_keys_are_as_committed),
        cmocka_unit_test(extents_agree_with_a_naive_map),
        cmocka_unit_test(a_page_map_reuses_indexes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
