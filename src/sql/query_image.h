/*
 * The image of a bound query: bytes that are equal exactly when the queries are, so that they can
 * be hashed and compared without walking two trees side by side. Private to sql.
 *
 * Everything that decides what a query answers is in it: relations, joins, conditions, targets,
 * with types and the exact bytes of constants (1.0 is not 1.00); names and places in the text are
 * not. Tables, functions and common table expressions stand as the addresses of their descriptors:
 * an image means something within one statement only. Made before planning, which changes queries.
 */
#ifndef SQL_QUERY_IMAGE_H
#define SQL_QUERY_IMAGE_H

#include "base/base_buffer.h"
#include "sql/bind.h"

enum query_part {
    QUERY_WHOLE,
    QUERY_SOURCE, /* FROM and WHERE: the rows before grouping and projecting */
};

/* Appends the image. False: two such queries of one statement need not have one answer (volatile
   functions, locks), or it uses columns of a query around it. */
bool query_image(struct buffer *image, const struct query *query, enum query_part part);
/* Of a subquery in an expression: what it compares, but not with what. */
bool sublink_image(struct buffer *image, const struct bound_sublink *link);
/* Of one expression of a query; false as above. */
bool expression_image(struct buffer *image, const struct expression *expression);

#endif
