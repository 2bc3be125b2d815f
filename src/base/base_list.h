/* Intrusive doubly linked list. A zeroed node is in no list; a list is a node linked to itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *previous;
};

#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *list) {
    list->next = list->previous = list;
}

static inline bool list_empty(const struct list *list) {
    return list->next == list;
}

static inline bool list_linked(const struct list *node) {
    return node->next != NULL && node->next != node;
}

static inline void list_insert_before(struct list *place, struct list *node) {
    node->previous = place->previous;
    node->next = place;
    place->previous->next = node;
    place->previous = node;
}

static inline void list_push_back(struct list *list, struct list *node) {
    list_insert_before(list, node);
}

static inline void list_push_front(struct list *list, struct list *node) {
    list_insert_before(list->next, node);
}

static inline void list_remove(struct list *node) {
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = node->previous = NULL;
}

/* NULL when empty. */
static inline struct list *list_pop_front(struct list *list) {
    if (list_empty(list))
        return NULL;
    struct list *node = list->next;
    list_remove(node);
    return node;
}

#define LIST_FOR(head, node)                                                                       \
    for (struct list *node = (head)->next; node != (head); node = node->next)
/* The body may remove `node`. */
#define LIST_FOR_SAFE(head, node)                                                                  \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);              \
         node = node##_next, node##_next = node->next)

#endif
