/* The bytes of format 2 (format.h), committed: they decode to these fields and encode back. */
#include "drive_fixture.h"

#include "base/base_hash.h"
#include "drive/format.h"

static const struct geometry geometry = {
    .format = 2,
    .alignment_log = 6,
    .salt = 0x11223344,
    .id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
    .created_us = 1700000000000000,
    .compactions = 3,
};

static const uint8_t golden[192] = {
#include "format.golden"
};

/* Header and one entry "key" -> "the value". */
static void encode(uint8_t bytes[192]) {
    memset(bytes, 0, 192);
    header_encode(&geometry, bytes);
    struct entry entry = {
        .kind = ENTRY_PUT,
        .flags = ENTRY_ENDS_BATCH | ENTRY_SEALED,
        .key = text("key"),
        .value = text("the value"),
        .start = 72,
        .before = 64,
        .version = 40,
        .time_us = 1700000000000001,
    };
    uint8_t *at = bytes + entry.start;
    entry_encode(&geometry, &entry, at);
    uint64_t value_at = entry_value_offset(&geometry, 72, 3, 9);
    assert_int_equal(value_at, 128);
    memcpy(bytes + value_at, "the value", 9);
    uint64_t head = 72 + FORMAT_ENTRY_HEADER_SIZE + 3;
    uint32_t checksum = checksum_zeros(entry.header_checksum, value_at - head);
    checksum = crc32c(checksum, "the value", 9);
    entry_finish(at, checksum_zeros(checksum, 144 - value_at - 9));
}

static void header_and_entry_have_their_golden_bytes(void **state) {
    uint8_t bytes[192];
    encode(bytes);
    if (memcmp(bytes, golden, sizeof golden) != 0) {
        for (size_t i = 0; i < sizeof bytes; i++)
            printf("0x%02x,%s", bytes[i], i % 16 == 15 ? "\n" : " ");
    }
    assert_memory_equal(bytes, golden, sizeof golden);
    struct geometry decoded;
    assert_int_equal(header_decode(golden, 64, &decoded), HEADER_GOOD);
    assert_memory_equal(&decoded, &geometry, sizeof geometry);
    struct entry entry;
    assert_true(entry_decode(&geometry, golden, 144, 72, &entry));
    assert_true(entry_good(&geometry, golden, &entry));
    assert_int_equal(entry.kind, ENTRY_PUT);
    assert_int_equal(entry.flags, ENTRY_ENDS_BATCH | ENTRY_SEALED);
    assert_true(slice_equal(entry.key, text("key")));
    assert_true(slice_equal(entry.value, text("the value")));
    assert_int_equal(entry.before, 64);
    assert_int_equal(entry.version, 40);
    assert_int_equal(entry.time_us, 1700000000000001);
    assert_int_equal(entry.end, 144);
}

static void an_entry_is_good_only_where_it_was_written(void **state) {
    uint8_t moved[192] = {0};
    struct entry entry;
    memcpy(moved + 64, golden + 72, 72); /* the value starts at 128 either way */
    memmove(moved + 128, golden + 128, 16);
    assert_true(entry_decode(&geometry, moved, 192, 64, &entry) == false ||
                !entry_header_good(&geometry, moved, &entry));
    struct geometry other = geometry;
    other.salt++;
    assert_true(entry_decode(&other, golden, 144, 72, &entry));
    assert_false(entry_header_good(&other, golden, &entry));
}

static void a_header_is_known_by_its_magic_and_version(void **state) {
    uint8_t bytes[64];
    struct geometry decoded;
    assert_int_equal(header_decode(golden, 7, &decoded), HEADER_FOREIGN);
    assert_int_equal(header_decode(golden, 63, &decoded), HEADER_DAMAGED);
    for (size_t i = 0; i < 64; i++) {
        memcpy(bytes, golden, 64);
        bytes[i] ^= 1;
        assert_int_equal(header_decode(bytes, 64, &decoded),
                         i < 8 ? HEADER_FOREIGN : HEADER_DAMAGED);
    }
    memcpy(bytes, golden, 64); /* a whole header of a later version, whatever else is in it */
    put_le16(bytes + 8, 3);
    bytes[50] = 1;
    put_le32(bytes + 60, crc32c(0, bytes, 60));
    assert_int_equal(header_decode(bytes, 64, &decoded), HEADER_NEWER);
}

static void checksums_combine(void **state) {
    uint8_t bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    assert_int_equal(crc32_zlib(0, "123456789", 9), 0xCBF43926);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 13) {
        uint32_t both = crc32c_combine(
            crc32c(5, bytes, cut), crc32c(0, bytes + cut, sizeof bytes - cut), sizeof bytes - cut);
        assert_int_equal(both, crc32c(5, bytes, sizeof bytes));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_and_entry_have_their_golden_bytes),
        cmocka_unit_test(an_entry_is_good_only_where_it_was_written),
        cmocka_unit_test(a_header_is_known_by_its_magic_and_version),
        cmocka_unit_test(checksums_combine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
