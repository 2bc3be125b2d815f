/* Messages: committed bytes both ways, and decoders against every truncation and much rubbish. */
#include "test.h"

#include "base/base_random.h"
#include "pgwire/pgwire_message.h"

#define BYTES(text) slice_of(text, sizeof(text) - 1)

static void assert_bytes(const struct buffer *buffer, struct slice want) {
    assert_ok(buffer_status(buffer));
    assert_int_equal(buffer->size, want.size);
    assert_memory_equal(buffer->data, want.data, want.size);
}

/* ---- to the client */

static void session_start_has_golden_bytes(void **state) {
    struct buffer out = {0};
    message_append_authentication_ok(&out);
    message_append_parameter_status(&out, "TimeZone", "UTC");
    message_append_backend_key(&out, 7, -2);
    message_append_ready(&out, 'I');
    assert_bytes(&out, BYTES("R\0\0\0\x08\0\0\0\0"
                             "S\0\0\0\x11TimeZone\0UTC\0"
                             "K\0\0\0\x0c\0\0\0\x07\xff\xff\xff\xfe"
                             "Z\0\0\0\x05I"));
    buffer_release(&out);
}

static void result_messages_have_golden_bytes(void **state) {
    struct buffer out = {0};
    const struct column_description columns[] = {
        {.name = "id", .type = TYPE_OF(INT4), .table_oid = 16384, .column_number = 1, .format = 1},
        {.name = "t", .type = {.id = TYPE_VARCHAR, .modifier = 14}},
    };
    const uint32_t types[] = {23, 25};
    message_append_row_description(&out, columns, 2);
    message_append_parameter_description(&out, types, 2);
    message_append_complete(&out, "SELECT 2");
    message_append_copy_response(&out, 'G', 2, true);
    message_append_copy_data(&out, BYTES("1\t2\n"));
    message_append_empty(&out, 's');
    assert_bytes(&out, BYTES("T\0\0\0\x2f\0\x02"
                             "id\0\0\0\x40\0\0\x01\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01"
                             "t\0\0\0\0\0\0\0\0\0\x04\x13\xff\xff\0\0\0\x0e\0\0"
                             "t\0\0\0\x0e\0\x02\0\0\0\x17\0\0\0\x19"
                             "C\0\0\0\x0dSELECT 2\0"
                             "G\0\0\0\x0b\x01\0\x02\0\x01\0\x01"
                             "d\0\0\0\x08"
                             "1\t2\n"
                             "s\0\0\0\x04"));
    buffer_release(&out);
}

static void errors_carry_every_field(void **state) {
    struct buffer out = {0};
    struct error error = {.status = STATUS_UNIQUE_VIOLATION, .position = 12};
    strcpy(error.message, "m");
    strcpy(error.detail, "d");
    strcpy(error.hint, "h");
    strcpy(error.context, "w");
    strcpy(error.schema, "s");
    strcpy(error.table, "t");
    strcpy(error.column, "c");
    strcpy(error.constraint, "n");
    message_append_error(&out, "ERROR", &error);
    message_append_notice(&out, "NOTICE", "00000", "x", NULL, NULL);
    assert_bytes(&out, BYTES("E\0\0\0\x36SERROR\0VERROR\0C23505\0Mm\0Dd\0Hh\0P12\0Ww\0ss\0tt\0"
                             "cc\0nn\0\0"
                             "N\0\0\0\x1fSNOTICE\0VNOTICE\0C00000\0Mx\0\0"));
    buffer_release(&out);
}

static void changed_plans_are_named_by_routine(void **state) {
    struct buffer out = {0};
    struct error error = {.status = STATUS_FEATURE_NOT_SUPPORTED};
    strcpy(error.message, "cached plan must not change result type");
    message_append_error(&out, "ERROR", &error);
    struct slice want = BYTES("RRevalidateCachedQuery\0\0");
    assert_true(out.size > want.size);
    assert_memory_equal(out.data + out.size - want.size, want.data, want.size);
    buffer_release(&out);
}

/* ---- from the client */

static void messages_are_framed(void **state) {
    struct slice bytes = BYTES("Q\0\0\0\x0dselect 1\0S\0\0\0\x04");
    struct message message;
    size_t size, needed;
    for (size_t cut = 0; cut < 14; cut++) {
        assert_ok(message_frame(slice_of(bytes.data, cut), &message, &size, &needed));
        assert_int_equal(size, 0);
        assert_int_equal(needed, cut < 5 ? 0 : 14);
    }
    assert_ok(message_frame(bytes, &message, &size, &needed));
    assert_int_equal(size, 14);
    assert_int_equal(message.type, 'Q');
    const char *text;
    assert_ok(text_decode(message.body, &text));
    assert_string_equal(text, "select 1");
    assert_ok(message_frame(slice_of(bytes.data + 14, 5), &message, &size, &needed));
    assert_int_equal(message.type, 'S');
    assert_int_equal(message.body.size, 0);
}

static void impossible_lengths_and_types_are_refused(void **state) {
    struct message message;
    size_t size, needed;
    assert_status(message_frame(BYTES("Q\0\0\0\x03"), &message, &size, &needed),
                  STATUS_PROTOCOL_VIOLATION);
    assert_status(message_frame(BYTES("Q\x7f\xff\xff\xff"), &message, &size, &needed),
                  STATUS_PROTOCOL_VIOLATION);
    assert_status(message_frame(BYTES("S\0\0\x80\0"), &message, &size, &needed),
                  STATUS_PROTOCOL_VIOLATION);
    assert_status(message_frame(BYTES("?"), &message, &size, &needed), STATUS_PROTOCOL_VIOLATION);
    assert_status(message_frame_first(BYTES("\0\0\0\x07"), &message, &size, &needed),
                  STATUS_PROTOCOL_VIOLATION);
    assert_status(message_frame_first(BYTES("GET "), &message, &size, &needed),
                  STATUS_PROTOCOL_VIOLATION);
}

static void startup_is_decoded(void **state) {
    struct slice bytes = BYTES("\0\0\0\x20\0\x03\0\0user\0satori\0a\0b\0\0\0");
    struct message message;
    size_t size, needed;
    struct slice whole = slice_of(bytes.data, 0x18 + 1);
    uint8_t copy[64];
    memcpy(copy, whole.data, whole.size);
    put_be32(copy, (uint32_t)whole.size);
    assert_ok(message_frame_first(slice_of(copy, whole.size), &message, &size, &needed));
    assert_int_equal(size, whole.size);
    assert_int_equal(message.code, PROTOCOL_VERSION_3);
    struct startup_message startup;
    assert_ok(startup_decode(message.body, &startup));
    assert_int_equal(startup.count, 2);
    assert_string_equal(startup.names[0], "user");
    assert_string_equal(startup.values[0], "satori");
    assert_string_equal(startup.names[1], "a");
    assert_status(startup_decode(BYTES("user\0x\0"), &startup), STATUS_PROTOCOL_VIOLATION);
    assert_status(startup_decode(BYTES("user"), &startup), STATUS_PROTOCOL_VIOLATION);
    assert_status(startup_decode(BYTES("\0x"), &startup), STATUS_PROTOCOL_VIOLATION);
}

static const struct slice bind_bytes = {(const uint8_t *)"p\0s\0\0\x01\0\x01\0\x03"
                                                         "\0\0\0\x02hi\xff\xff\xff\xff\0\0\0\0"
                                                         "\0\x02\0\x01\0\0",
                                        30};

static void bind_is_decoded(void **state) {
    struct session_parameter parameters[3];
    struct bind_message bind;
    uint16_t count;
    assert_ok(bind_parameter_count(bind_bytes, &count));
    assert_int_equal(count, 3);
    assert_ok(bind_decode(bind_bytes, parameters, &bind));
    assert_string_equal(bind.portal, "p");
    assert_string_equal(bind.statement, "s");
    assert_true(parameters[0].is_binary && !parameters[0].is_null);
    assert_int_equal(parameters[0].bytes.size, 2);
    assert_true(parameters[1].is_null);
    assert_int_equal(parameters[2].bytes.size, 0);
    assert_int_equal(bind.result_format_count, 2);
    assert_int_equal(get_be16(bind.result_formats), 1);
    assert_int_equal(get_be16(bind.result_formats + 2), 0);
}

static void no_truncation_of_a_body_is_accepted(void **state) {
    struct session_parameter parameters[3];
    struct bind_message bind;
    for (size_t size = 0; size < bind_bytes.size; size++) {
        uint8_t exact[64]; /* so that a sanitizer sees a read beyond */
        memcpy(exact + 64 - size, bind_bytes.data, size);
        assert_int_not_equal(bind_decode(slice_of(exact + 64 - size, size), parameters, &bind),
                             STATUS_OK);
    }
    struct slice parse_body = BYTES("n\0select $1\0\0\x01\0\0\0\x17");
    struct parse_message parse;
    assert_ok(parse_decode(parse_body, &parse));
    assert_int_equal(parse_type_oid(&parse, 0), 23);
    for (size_t size = 0; size < parse_body.size; size++)
        assert_int_not_equal(parse_decode(slice_of(parse_body.data, size), &parse), STATUS_OK);
    struct execute_message execute;
    assert_ok(execute_decode(BYTES("\0\0\0\0\x05"), &execute));
    assert_int_equal(execute.row_limit, 5);
    assert_status(execute_decode(BYTES("\0\0\0\0"), &execute), STATUS_PROTOCOL_VIOLATION);
    struct target_message target;
    assert_ok(target_decode(BYTES("Sx\0"), "DESCRIBE", &target));
    assert_status(target_decode(BYTES("Zx\0"), "DESCRIBE", &target), STATUS_PROTOCOL_VIOLATION);
    assert_status(bind_decode(BYTES("\0\0\0\x02\0\0\0\0\0\x01\0\0\0\0\0\0"), parameters, &bind),
                  STATUS_PROTOCOL_VIOLATION); /* 2 formats, 1 parameter */
}

/* Any bytes at all: an error or a result inside the body, never a crash. */
static void rubbish_is_survived(void **state) {
    struct random random;
    random_seed(&random, 42);
    static struct session_parameter parameters[65536];
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[48];
        size_t size = random_below(&random, sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = random_below(&random, 3) == 0 ? 0 : (uint8_t)random_next(&random);
        struct slice body = slice_of(bytes, size);
        struct message message;
        struct startup_message startup;
        struct parse_message parse;
        struct bind_message bind;
        struct execute_message execute;
        struct target_message target;
        struct cancel_message cancel;
        const char *text;
        size_t used, needed;
        if (message_frame(body, &message, &used, &needed) == STATUS_OK)
            assert_true(used <= size);
        if (message_frame_first(body, &message, &used, &needed) == STATUS_OK)
            assert_true(used <= size);
        unsigned good = 0;
        good += startup_decode(body, &startup) == STATUS_OK;
        good += parse_decode(body, &parse) == STATUS_OK;
        good += execute_decode(body, &execute) == STATUS_OK;
        good += target_decode(body, "CLOSE", &target) == STATUS_OK;
        good += cancel_decode(body, &cancel) == STATUS_OK;
        good += text_decode(body, &text) == STATUS_OK;
        if (bind_decode(body, parameters, &bind) == STATUS_OK)
            for (size_t i = 0; i < bind.parameter_count; i++)
                assert_true(parameters[i].is_null || parameters[i].bytes.size <= size);
        assert_true(good <= 6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_start_has_golden_bytes),
        cmocka_unit_test(result_messages_have_golden_bytes),
        cmocka_unit_test(errors_carry_every_field),
        cmocka_unit_test(changed_plans_are_named_by_routine),
        cmocka_unit_test(messages_are_framed),
        cmocka_unit_test(impossible_lengths_and_types_are_refused),
        cmocka_unit_test(startup_is_decoded),
        cmocka_unit_test(bind_is_decoded),
        cmocka_unit_test(no_truncation_of_a_body_is_accepted),
        cmocka_unit_test(rubbish_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
