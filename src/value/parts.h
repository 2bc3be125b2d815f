/* What the files of this room share and nobody else sees. */
#ifndef VALUE_PARTS_H
#define VALUE_PARTS_H

#include "value/value.h"
#include "value/value_text.h"

#define HASH_OF_NULL 0x6e756c6c6e756c6cull

/* NaN is equal to itself and larger than all else; -0 equals 0. */
int float8_compare(double a, double b);
uint64_t float8_hash(double number);
/* Without trailing spaces. */
struct slice bpchar_trim(struct slice text);
/* Order and hash of STRING forms by type. */
int string_order(uint32_t type_id, struct slice a, struct slice b);
uint64_t string_hash(uint32_t type_id, struct slice text);
/* As isspace in the C locale. */
bool text_is_space(uint8_t byte);
struct slice text_trim(struct slice text);
/* `lower` is in lower case; only ASCII letters fold. */
bool text_equal_ignoring_case(struct slice text, const char *lower);
/* Digits beyond `scale_max` after the point only round (unless there is an exponent). */
enum status numeric_parse_rounded(struct slice text, int scale_max, struct numeric *number_out);
/* int2, int4 or int8 with its range and messages; real and double precision likewise. */
enum status text_parse_integer(struct slice text, uint32_t type_id, int64_t *result);
enum status text_parse_float(struct slice text, uint32_t type_id, double *result);
void float_output(const struct value_context *context, double number, bool single,
                  struct buffer *buffer);
/* Apply the length of varchar(n), char(n) and name; `cut`: cut silently what is too long. */
enum status text_fit_length(struct slice text, struct type type, bool cut, struct arena *arena,
                            struct slice *result);
/* Text of arrays and records. */
enum status array_parse(const struct value_context *context, struct slice text, struct type type,
                        struct arena *arena, struct slice *body_out);
enum status array_format(const struct value_context *context, struct type type, struct slice body,
                         struct buffer *buffer);
enum status record_format(const struct value_context *context, struct slice body,
                          struct buffer *buffer);
/* ISO 8601 year (0 is 1 BC) and week. */
void date_iso_week(int32_t date, int *year_out, int *week_out);
/* Sets "timestamp out of range". */
enum status timestamp_range_error(void);
/* Arrays, int2vector and oidvector. */
bool type_has_array_body(uint32_t id);

#endif
