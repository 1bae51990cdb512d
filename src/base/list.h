/* SPDX-License-Identifier: GPL-3.0-or-later */
/* list.h -- intrusive doubly linked list. The list owns nothing; a link sits in one list at a time.
 */
#ifndef SKERRY_BASE_LIST_H
#define SKERRY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
    struct list_link *prev, *next;
};

struct list {
    struct list_link head; /* circular: head.next is the first, head.prev the last */
};

#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->head.prev = l->head.next = &l->head;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->head.next == &l->head;
}

static inline void list_push(struct list *l, struct list_link *x)
{
    x->prev = l->head.prev;
    x->next = &l->head;
    l->head.prev->next = x;
    l->head.prev = x;
}

static inline void list_remove(struct list_link *x)
{
    x->prev->next = x->next;
    x->next->prev = x->prev;
    x->prev = x->next = x;
}

/* Takes the first link, or returns NULL. */
static inline struct list_link *list_pop(struct list *l)
{
    struct list_link *x = l->head.next;
    if (x == &l->head)
        return NULL;
    list_remove(x);
    return x;
}

#endif
