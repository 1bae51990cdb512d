/* SPDX-License-Identifier: GPL-3.0-or-later */
/* files_list.c -- what is in a directory, where only files are stored.
 *
 * One walk along the primary key: a path without a further slash is a file of the directory; with
 * one, its next part is a directory, and the walk jumps behind all that is below. So a directory of
 * a million files is one step of a list, and a page costs what it shows.
 */
#include "platform/track/files_internal.h"

#include <stdlib.h>

/* Rows read before the walk looks whether to jump. */
enum { BATCH_ROWS = 256 };

/* Above all paths. */
#define LAST_TEXT STR("\xF4\x8F\xBF\xBF")

struct listing {
    str directory, after;
    size_t max;
    arena *keep;

    struct files_place place;
    str prefix, end; /* the range of paths in the table */
    str from;        /* where the walk goes on; empty: it has ended */
    struct file_info *files;
    size_t count, room;
    bool has_more;
};

static err rows_from(struct store_read *rd, const struct listing *l, struct store_rows **ret_rows)
{
    struct store_value from = sql_text(l->from), end = sql_text(l->end), max = sql_int(BATCH_ROWS);
    if (l->place.run_id.len)
        return store_query(rd,
                           "SELECT path, blob, bytes, created_ms FROM artifacts"
                           " WHERE run_id = ?1 AND path >= ?2 AND path < ?3"
                           " ORDER BY path LIMIT ?4",
                           ARGS(sql_text(l->place.run_id), from, end, max), ret_rows);
    return store_query(rd,
                       "SELECT path, blob, bytes, created_ms FROM files"
                       " WHERE path >= ?1 AND path < ?2 ORDER BY path LIMIT ?3",
                       ARGS(from, end, max), ret_rows);
}

/* Where paths go on behind the entry: no path has a character below ' ', nor one between '/' and
 * '0'. */
static str behind(const struct listing *l, str name, bool is_directory)
{
    return arena_fmt(l->keep, "%.*s%.*s%s", STR_ARG(l->prefix), STR_ARG(name),
                     is_directory ? "0" : " ");
}

static err entry_add(struct listing *l, struct file_info info)
{
    if (l->count == l->room) { /* doubled; the old half stays in the arena */
        size_t room = l->room ? 2 * l->room : 16;
        struct file_info *grown = NEW_ARRAY(l->keep, struct file_info, room);
        ARENA_TRY(grown);
        for (size_t i = 0; i < l->count; i++)
            grown[i] = l->files[i];
        l->files = grown;
        l->room = room;
    }
    info.path = arena_str(l->keep, info.path);
    ARENA_TRY(info.path.ptr);
    l->files[l->count++] = info;
    return OK;
}

/* One row: a file, the first of a directory, or one more of the directory that was last. */
static err row_take(struct listing *l, struct store_rows *rows)
{
    str name = store_col_text(rows, 0);
    name = str_sub(name, l->prefix.len, name.len);
    ptrdiff_t slash = str_find_char(name, '/');
    struct file_info info = { .path = name, .is_directory = slash >= 0 };
    if (info.is_directory)
        info.path = str_sub(name, 0, (size_t)slash);
    const struct file_info *last = l->count ? &l->files[l->count - 1] : NULL;
    if (info.is_directory && last && last->is_directory && str_eq(last->path, info.path))
        return OK;
    l->has_more = l->count == l->max;
    if (l->has_more)
        return OK;
    if (!info.is_directory) {
        TRY(blob_id_parse(store_col_text(rows, 1), &info.blob));
        info.bytes = store_col_int(rows, 2);
        info.created_ms = store_col_int(rows, 3);
    }
    return entry_add(l, info);
}

static err batch_take(struct listing *l, struct store_read *rd)
{
    struct store_rows *rows;
    size_t count = 0;
    TRY(rows_from(rd, l, &rows));
    err e = OK;
    while (!e.code && !l->has_more && store_next(rows)) {
        e = row_take(l, rows);
        count++;
    }
    TRY(err_first(e, store_rows_close(rows)));
    l->from = STR_NONE;
    if (count == BATCH_ROWS && l->count)
        l->from = behind(l, l->files[l->count - 1].path, l->files[l->count - 1].is_directory);
    return arena_check(l->keep);
}

static err list_fn(struct store_read *rd, void *arg)
{
    struct listing *l = arg;
    l->count = 0;
    l->has_more = false;
    TRY(files_place_find(rd, l->directory, &l->place));
    str path = l->place.path;
    l->prefix = path.len ? arena_fmt(l->keep, "%.*s/", STR_ARG(path)) : STR("");
    l->end = path.len ? arena_fmt(l->keep, "%.*s0", STR_ARG(path)) : LAST_TEXT;
    bool is_directory = str_ends(l->after, STR("/"));
    l->from = l->prefix;
    if (l->after.len)
        l->from = behind(l, str_sub(l->after, 0, l->after.len - is_directory), is_directory);
    TRY(arena_check(l->keep));
    do
        TRY(batch_take(l, rd));
    while (l->from.len && !l->has_more);
    return OK;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct file_info *)a)->path, ((const struct file_info *)b)->path);
}

err files_list(struct track *t, str directory, str after, size_t max, arena *keep,
               struct files_page *ret_page)
{
    struct listing l = { .directory = directory, .after = after, .max = max, .keep = keep };
    TRY(store_read(t->store, list_fn, &l));
    struct files_page page = { .files = l.files, .count = l.count };
    if (l.has_more) {
        const struct file_info *last = &l.files[l.count - 1];
        page.next = arena_fmt(keep, "%.*s%s", STR_ARG(last->path), last->is_directory ? "/" : "");
        ARENA_TRY(page.next.ptr);
    }
    if (page.count) /* a directory was found where its first path stands: "a-b" before "a/" */
        qsort(page.files, page.count, sizeof *page.files, by_name);
    *ret_page = page;
    return OK;
}
