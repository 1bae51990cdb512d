/* SPDX-License-Identifier: GPL-3.0-or-later */
/* blob_copy.c -- which blobs there are, and one by one from here to there. */
#include <stdlib.h>
#include <string.h>

#include "platform/move/copy.h"

enum { BLOBS_MAX = 16 * 1000 * 1000, COPY_BYTES = 1024 * 1024 };

void blob_list_deinit(struct blob_list *l)
{
    free(l->items);
    *l = (struct blob_list){ 0 };
}

err blob_list_add(struct blob_list *l, const struct blob_id *id, int64_t bytes)
{
    if (l->count == BLOBS_MAX)
        return ERR(ERR_TOO_BIG, "more than %d blobs are named", BLOBS_MAX);
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 1024;
        struct blob_info *more = realloc(l->items, capacity * sizeof *more);
        if (!more)
            return ERR(ERR_NO_MEMORY, "listing blobs: out of memory");
        l->items = more;
        l->capacity = capacity;
    }
    l->items[l->count++] = (struct blob_info){ *id, bytes };
    return OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct blob_info *)a)->id.hex, ((const struct blob_info *)b)->id.hex);
}

void blob_list_sort(struct blob_list *l)
{
    size_t kept = 0;
    if (l->count)
        qsort(l->items, l->count, sizeof *l->items, by_name);
    for (size_t i = 0; i < l->count; i++)
        if (!kept || by_name(&l->items[kept - 1], &l->items[i]) != 0)
            l->items[kept++] = l->items[i];
    l->count = kept;
}

static err add_named(void *arg, const struct blob_id *id)
{
    return blob_list_add(arg, id, -1);
}

err blob_list_named(struct blob_list *l, blob_roots_fn roots, void *roots_arg)
{
    l->count = 0;
    TRY(roots(roots_arg, add_named, l));
    blob_list_sort(l);
    return OK;
}

/* ------------------------------------------------------------------ copying */

static err pour(struct blob_reader *from, struct blob_writer *to)
{
    unsigned char *buffer = malloc(COPY_BYTES);
    if (!buffer)
        return ERR(ERR_NO_MEMORY, "copying a blob: out of memory");
    err e = OK;
    size_t got = 1;
    while (!e.code && got) {
        e = blob_read(from, buffer, COPY_BYTES, &got);
        if (!e.code && got)
            e = blob_write(to, buffer, got);
    }
    free(buffer);
    return e;
}

static bool is_there(struct blobs *b, const struct blob_info *info)
{
    struct blob_info found;
    err e = blob_stat(b, &info->id, &found);
    return !e.code && found.bytes == info->bytes;
}

err blob_copy(struct blobs *from, struct blobs *to, struct blob_info *info, bool check,
              bool *ret_copied)
{
    struct blob_reader *r = NULL;
    struct blob_writer *w = NULL;
    struct blob_info put;
    TRY(blob_stat(from, &info->id, info));
    *ret_copied = false;
    if (is_there(to, info))
        return OK;
    TRY(blob_reader_open(from, &info->id, 0, &r, NULL)); /* its end checks the digest */
    err e = blob_writer_open(to, &w);
    if (!e.code)
        e = pour(r, w);
    blob_reader_close(r);
    if (e.code) {
        blob_writer_abort(w);
        return e;
    }
    TRY(blob_writer_commit(w, &put));
    blob_unpin(to, &put.id); /* nobody collects there before its rows are there */
    if (strcmp(put.id.hex, info->id.hex) != 0)
        return ERR(ERR_CORRUPT, "blob %s was read as %s", info->id.hex, put.id.hex);
    *ret_copied = true;
    return check ? blob_verify(to, &info->id) : OK;
}

err move_tell(const struct move_progress *progress, const char *what, int64_t done, int64_t total)
{
    if (progress && progress->show)
        progress->show(progress->arg, what, done, total);
    return progress && progress->check ? progress->check(progress->arg) : OK;
}
