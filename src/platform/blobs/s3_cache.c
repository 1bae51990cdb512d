/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s3_cache.c -- the local folder: blobs being written, and copies kept for reading.
 *
 * The cache is a folder backend whose files carry the time of their last use. When it holds more
 * than its limit, those used longest ago go until a tenth is free. A reader that has a file open or
 * mapped keeps its bytes: removing takes away the name only. Several processes of one home share
 * the folder; each counts what it adds, and an eviction counts anew, so the limit may be passed for
 * a while by what the others added.
 */
#include <stdlib.h>

#include "platform/blobs/folder.h"
#include "platform/blobs/s3.h"

enum { ENTRIES_MAX = 1 << 20 };

static void set_bytes(struct s3 *s, int64_t bytes)
{
    atomic_store(&s->cache_bytes, bytes);
    if (s->metrics)
        metric_set(metric_cell_plain(s->metrics, &blobs_metrics[S3_FAMILY_CACHE_BYTES]),
                   (double)bytes);
}

struct entries {
    struct blob_object *items;
    size_t count, cap;
    int64_t bytes;
};

static err add_entry(void *arg, const struct blob_object *object)
{
    struct entries *all = arg;
    if (all->count == all->cap) {
        size_t cap = all->cap ? all->cap * 2 : 256;
        struct blob_object *larger = cap > ENTRIES_MAX ? NULL
                                                       : realloc(all->items, cap * sizeof *larger);
        if (!larger)
            return ERR(ERR_NO_MEMORY, "the read cache has too many blobs");
        all->items = larger;
        all->cap = cap;
    }
    all->items[all->count++] = *object;
    all->bytes += object->bytes;
    return OK;
}

static int oldest_first(const void *a, const void *b)
{
    int64_t x = ((const struct blob_object *)a)->age_ms,
            y = ((const struct blob_object *)b)->age_ms;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Counts what is there and removes down to nine tenths of the limit if it is above. */
static err evict(struct s3 *s)
{
    struct entries all = { 0 };
    int64_t most = s->cache_bytes_max;
    pthread_mutex_lock(&s->evict_lock);
    err e = blob_backend_folder.each(s->local, add_entry, &all);
    int64_t left = all.bytes;
    if (!e.code && all.bytes > most) {
        qsort(all.items, all.count, sizeof all.items[0], oldest_first);
        for (size_t i = 0; i < all.count && left > most - most / 10 && !e.code; i++) {
            bool is_gone = false;
            e = blob_backend_folder.remove(s->local, &all.items[i].id, 0, &is_gone);
            left -= is_gone ? all.items[i].bytes : 0;
        }
    }
    set_bytes(s, left);
    pthread_mutex_unlock(&s->evict_lock);
    free(all.items);
    return e;
}

err s3_cache_open(struct s3 *s, const char *local_folder)
{
    TRY(fs_mkdirs(local_folder));
    TRY(fs_join(s->uploads, local_folder, "uploads"));
    TRY(fs_mkdirs(s->uploads));
    TRY(folder_open_cache(local_folder, &s->local));
    return evict(s);
}

void s3_cache_close(struct s3 *s)
{
    blob_backend_folder.close(s->local);
}

bool s3_cache_fits(const struct s3 *s, int64_t bytes)
{
    return bytes <= s->cache_bytes_max;
}

void s3_cache_add(struct s3 *s, void *put, const struct blob_id *id, int64_t bytes)
{
    if (!s3_cache_fits(s, bytes)) {
        blob_backend_folder.put_abort(put);
        return;
    }
    err e = blob_backend_folder.put_commit(put, id);
    if (e.code)
        return; /* the object itself is safe in S3 */
    int64_t now = atomic_fetch_add(&s->cache_bytes, bytes) + bytes;
    if (now > s->cache_bytes_max)
        e = evict(s);
    else
        set_bytes(s, now);
    if (e.code && s->log)
        log_error(s->log, NULL, "s3.cache.failed", &e);
}

bool s3_cache_forget(void *engine, const struct blob_id *id)
{
    struct s3 *s = engine;
    int64_t bytes;
    bool is_gone = false;
    if (blob_backend_folder.stat(s->local, id, &bytes).code)
        return false;
    err e = blob_backend_folder.remove(s->local, id, 0, &is_gone);
    if (e.code || !is_gone)
        return false;
    atomic_fetch_sub(&s->cache_bytes, bytes);
    if (s->log)
        log_event(s->log, LOG_WARN, NULL, "s3.cache.damaged",
                  "a local copy had other bytes than its name says; it was dropped",
                  F_CSTR("blob", id->hex));
    return true;
}
