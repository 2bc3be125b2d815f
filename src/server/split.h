/* Where does a statement end? For shells that collect lines until one is whole. */
#ifndef SERVER_SPLIT_H
#define SERVER_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

/* What the text is in the middle of; the letter psql shows in its prompt. */
enum split_state {
    SPLIT_DONE = ';',  /* a whole statement: its size with the semicolon is known */
    SPLIT_EMPTY = '=', /* nothing but white space and comments so far */
    SPLIT_STATEMENT = '-',
    SPLIT_QUOTE = '\'',
    SPLIT_IDENTIFIER = '"',
    SPLIT_DOLLAR = '$',
    SPLIT_COMMENT = '*',
    SPLIT_PARENTHESIS = '(',
};

/* Look at text[0..size). With SPLIT_DONE *statement_size_out is the size of the first statement. */
enum split_state split_statement(const char *text, size_t size, size_t *statement_size_out);

/* True when the statement is COPY ... FROM STDIN, whose data follow the statement. */
bool split_is_copy_from_stdin(const char *text, size_t size);

#endif
