/*
 * COPY FROM STDIN: bytes of the client to batches. Private to the room.
 *
 *     sink.copy_read --> input [ start ....... end )  --> vectors of up to VECTOR_SIZE rows
 *                              record, record, part       --> exec_insert_batch
 *
 * Long strings of the batch point into the input or the batch's arena, so the input is moved only
 * when the batch is empty. A record is parsed when it is whole; a parser that meets the end of the
 * input says so and is called again with more.
 *
 * Formats (PostgreSQL, "COPY"):
 *   text    fields between delimiters, lines end with \n (or all with \r\n, or with \r), backslash
 *           escapes, \. at the end of a line ends the data
 *   csv     fields may stand in quotes and then hold delimiters, quotes (escaped) and line ends
 *   binary  signature of 11 bytes, flags i32, extension size i32 and bytes; then rows:
 *           field count i16, each field size i32 (-1 null) and bytes; count -1 ends
 */
#ifndef SESSION_COPY_H
#define SESSION_COPY_H

#include "session/state.h"

enum {
    COPY_INPUT_SIZE = 256 << 10, /* grows for longer records */
    COPY_CONTEXT_SIZE = 100,     /* bytes of a value or line shown in an error */
    COPY_SIGNATURE_SIZE = 11,
    COPY_PADDED_SIZE_MAX = 4096, /* of char(n) padded without a look at memory */
};
extern const uint8_t copy_signature[COPY_SIGNATURE_SIZE]; /* "PGCOPY\n\377\r\n\0" */

enum record_outcome {
    RECORD_ROW,        /* one row more in the batch */
    RECORD_NONE,       /* something was consumed that is no row: a header */
    RECORD_INCOMPLETE, /* more input is needed */
    RECORD_END,        /* \. or the binary trailer; nothing after it counts */
};

struct copy_column {
    const char *name;
    struct type type;
    struct vector *vector;
    bool force_not_null, force_null;
};

/* How all lines of the input end; the first one decides. */
enum line_end { LINE_END_UNKNOWN, LINE_END_NEWLINE, LINE_END_BOTH, LINE_END_RETURN };

/* Where a row of the batch came from, for the error that may still come. */
struct copy_origin {
    uint64_t line;
    struct slice text; /* without its end; in the input, which stands still as long as the batch */
};

struct copy_in {
    struct fiber *f;
    struct session *session;
    const struct statement_copy *said;
    const char *table_name;
    struct slice null_text;
    size_t column_count;
    struct copy_column *columns;

    uint8_t *input;
    size_t start, end, capacity;
    bool input_ended;

    /* Text formats: input up to `checked` (an offset) is valid UTF-8; carriage returns were looked
       for. When a region is not good, its lines are checked one by one. */
    size_t checked;
    bool check_lines, has_carriage_returns;
    enum line_end line_end;
    bool header_done; /* also: the binary header was read */
    bool last_line;   /* \. ended the line that is being read */

    struct batch batch;
    struct arena arena;          /* strings of the batch */
    uint32_t row;                /* rows in the batch */
    struct copy_origin *origins; /* of the rows of the batch */
    uint64_t line;               /* of the record being read, from 1 */
    struct exec_insert *insert;
};

/* ---- copy_in.c */
/* CONTEXT of an error in a column's value. */
void copy__context_value(const struct copy_in *copy, size_t column, const struct slice *text);
/* CONTEXT of an error about a whole line, of which nothing is shown. */
void copy__context_number(const struct copy_in *copy);
/* CONTEXT of an error about a whole line. */
void copy__context_line(const struct copy_in *copy, struct slice line);

/* ---- copy_in_text.c, copy_in_binary.c: the record at the input's start */
enum status copy__text_record(struct copy_in *copy, enum record_outcome *outcome_out) MUST_USE;
enum status copy__csv_record(struct copy_in *copy, enum record_outcome *outcome_out) MUST_USE;
enum status copy__binary_record(struct copy_in *copy, enum record_outcome *outcome_out) MUST_USE;
/* One field into the batch's current row. NULL text: null. */
enum status copy__store_text(struct copy_in *copy, size_t column, const struct slice *text)
    MUST_USE;

/* ---- copy_out.c */
enum status copy__out(struct fiber *f, struct session *session, struct portal *portal,
                      uint64_t *count_out) MUST_USE;

#endif
