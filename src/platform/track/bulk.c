/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bulk.c -- see bulk.h. */
#include "platform/track/bulk.h"

#include <string.h>

enum { SQL_BYTES_MAX = 16 * 1024, LIST_FIRST = 32 };

static err page_open(struct bulk *b, const str *ids)
{
    for (size_t i = 0; i < b->count; i++) {
        union map_value *slot;
        bool is_new;
        TRY(map_put(&b->by_id, ids[i], &slot, &is_new));
        if (!is_new)
            return ERR(ERR_INVALID, "'%.*s' is asked for twice", STR_ARG(str_sub(ids[i], 0, 100)));
        slot->num = (int64_t)i;
        b->ids[i] = sql_text(ids[i]);
    }
    return OK;
}

err bulk_each(struct store_read *rd, const str *ids, size_t count, arena *keep, bulk_page_fn page,
              void *arg)
{
    struct bulk *b = NEW(keep, struct bulk);
    ARENA_TRY(b);
    err e = OK;
    for (size_t done = 0; !e.code && done < count; done += b->count) {
        size_t left = count - done;
        b->rd = rd;
        b->keep = keep;
        b->count = left < BULK_PAGE_MAX ? left : BULK_PAGE_MAX;
        map_init(&b->by_id, BULK_PAGE_MAX);
        e = page_open(b, ids + done);
        if (!e.code)
            e = page(b, arg, done);
        map_deinit(&b->by_id);
    }
    return err_first(e, arena_check(keep));
}

err bulk_query(struct bulk *b, const char *sql, struct store_rows **ret_rows)
{
    struct buf list, text;
    buf_init(&list, SQL_BYTES_MAX);
    buf_init(&text, 4 * SQL_BYTES_MAX);
    for (size_t i = 0; i < b->count; i++)
        buf_add_fmt(&list, "%s?%zu", i ? "," : "(", i + 1);
    buf_add_cstr(&list, ")");
    for (const char *c = sql; *c; c++)
        buf_add(&text, *c == '#' ? buf_str(&list) : str_from(c, 1));
    err e = err_first(buf_check(&list), buf_check(&text));
    if (!e.code)
        e = store_query_dynamic(b->rd, buf_str(&text), (struct store_args){ b->ids, b->count },
                                ret_rows);
    buf_deinit(&list);
    buf_deinit(&text);
    return e;
}

size_t bulk_index(const struct bulk *b, struct store_rows *rows)
{
    const union map_value *found = map_find(&b->by_id, store_col_text(rows, 0));
    return found ? (size_t)found->num : 0; /* always found: it was asked for */
}

void bulk_list_init(struct bulk_list *l, size_t item_bytes)
{
    l->items = NULL;
    l->item_bytes = item_bytes;
    l->count = l->room = 0;
}

void *bulk_add(struct bulk_list *l, struct bulk *b, size_t index, size_t *of_thing)
{
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : LIST_FIRST;
        void *moved = arena_alloc(b->keep, room, l->item_bytes, _Alignof(max_align_t));
        if (!moved)
            return NULL;
        if (l->count)
            memcpy(moved, l->items, l->count * l->item_bytes);
        l->items = moved;
        l->room = room;
    }
    if ((*of_thing)++ == 0)
        l->first[index] = l->count;
    return (char *)l->items + l->count++ * l->item_bytes;
}

void *bulk_slice(const struct bulk_list *l, size_t index, size_t of_thing)
{
    return of_thing ? (char *)l->items + l->first[index] * l->item_bytes : NULL;
}
