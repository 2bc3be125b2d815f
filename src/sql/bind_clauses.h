/*
 * What the files about SELECT share. Private to them.
 */
#ifndef SQL_BIND_CLAUSES_H
#define SQL_BIND_CLAUSES_H

#include "sql/bind.h"

/* A select list that grows. */
struct target_list {
    uint32_t count, capacity;
    struct target *items;
};

/* An integer literal, which in ORDER BY and GROUP BY is a position. */
bool bind_is_integer(const parse_node *node, int *number);
/* A column's name without a table; else NULL. */
const char *bind_plain_name(const parse_node *node);

/* Each adds to the query. */
enum status bind_order_by(struct binder *b, struct query *query, size_t count, parse_node **items)
    MUST_USE;
enum status bind_group_by(struct binder *b, struct query *query, size_t count, parse_node **items)
    MUST_USE;
enum status bind_distinct_clause(struct binder *b, struct query *query, size_t count,
                                 parse_node **items) MUST_USE;
/* LIMIT or OFFSET: a bigint without variables. */
enum status bind_limit(struct binder *b, const parse_node *node, const char *what,
                       struct expression **out) MUST_USE;
enum status bind_locking(struct binder *b, struct query *query, size_t count, parse_node **items)
    MUST_USE;

enum status bind_push_target(struct binder *b, struct target_list *list, const char *name,
                             struct expression *expression) MUST_USE;
/* Literals of unknown type become text. */
enum status bind_settle_targets(struct binder *b, struct query *query) MUST_USE;

#endif
