/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bulk.h -- reading many things of one kind with all that hangs on them, in a few queries. Not for
 * other rooms.
 *
 * The things of a page are asked for by their ids. What hangs on them (tags, say) is one query for
 * the whole page, sorted by id, so that what belongs to one thing are neighbours: they are gathered
 * into one list, and each thing gets a slice of it. Everything lives in the arena of the page.
 */
#ifndef SKERRY_TRACK_BULK_H
#define SKERRY_TRACK_BULK_H

#include "platform/track/track_internal.h"

/* Things of one page: far below what engines allow as arguments. */
enum { BULK_PAGE_MAX = 500 };

struct bulk {
    struct store_read *rd;
    arena *keep;
    struct store_value ids[BULK_PAGE_MAX];
    struct map by_id; /* id -> index; keys are the caller's */
    size_t count;
};

/* Calls `page` for up to BULK_PAGE_MAX of the ids at a time; `done` is how many came before.
 * ERR_INVALID when an id is there twice. */
typedef err (*bulk_page_fn)(struct bulk *b, void *arg, size_t done);
MUST_USE err bulk_each(struct store_read *rd, const str *ids, size_t count, arena *keep,
                       bulk_page_fn page, void *arg);

/* Every '#' in `sql` stands for the list of the page's ids. */
MUST_USE err bulk_query(struct bulk *b, const char *sql, struct store_rows **ret_rows);
/* Which thing a row belongs to, whose column 0 is the id. */
size_t bulk_index(const struct bulk *b, struct store_rows *rows);

/* What hangs on the things of a page. */
struct bulk_list {
    void *items;
    size_t item_bytes, count, room;
    size_t first[BULK_PAGE_MAX]; /* of each thing: where its own begin */
};
void bulk_list_init(struct bulk_list *l, size_t item_bytes);
/* A zeroed item more of thing `index`, which has *of_thing so far; NULL without memory. */
void *bulk_add(struct bulk_list *l, struct bulk *b, size_t index, size_t *of_thing);
/* Where the items of thing `index` are, once all are gathered. */
void *bulk_slice(const struct bulk_list *l, size_t index, size_t of_thing);

#endif
