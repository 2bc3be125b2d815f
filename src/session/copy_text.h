/*
 * What the text and the CSV format share: lines and their ends, fields into the batch. Private to
 * the two.
 */
#ifndef SESSION_COPY_TEXT_H
#define SESSION_COPY_TEXT_H

#include "session/copy.h"

/* The line at the input's start. */
struct copy_line {
    bool whole;        /* else more input is needed */
    struct slice text; /* without its end */
    size_t size;       /* with its end */
};

/* Look over what came since last time, through `line` if it is whole: valid UTF-8? carriage
   returns? One pass over a large region instead of one for each line. */
void copy__look_ahead(struct copy_in *copy, const struct copy_line *line);
/* 22021 for a line of a region that is not UTF-8. */
enum status copy__check_line(const struct copy_in *copy, struct slice line) MUST_USE;
/* Is the \r or \n at `at` the end of a line? *end_size_out: its bytes; 0: not known before more
   input comes. The first end of all decides what ends look like. */
enum status copy__measure_end(struct copy_in *copy, const uint8_t *at, size_t *end_size_out)
    MUST_USE;
/* The line up to the next newline; false: there is none. `escapes`: behind a backslash it is data.
 */
bool copy__find_newline(const struct copy_in *copy, bool escapes, struct copy_line *line);
/* What is left when no line end is found: whole when nothing more will come. */
void copy__rest_of_input(const struct copy_in *copy, struct copy_line *line);

/* Fields between delimiters and nothing else in the line. */
enum status copy__split_plain(struct copy_in *copy, struct slice line,
                              enum record_outcome *outcome_out) MUST_USE;
/* A field in its final form: into the batch's row, or compared with the header's name. */
enum status copy__take_field(struct copy_in *copy, size_t column, struct slice text, bool is_null,
                             struct slice line) MUST_USE;
/* The line had `count` fields. */
enum status copy__end_line(struct copy_in *copy, size_t count, struct slice line,
                           enum record_outcome *outcome_out) MUST_USE;
size_t copy__csv_field_count(const struct copy_in *copy, struct slice record);

#endif
