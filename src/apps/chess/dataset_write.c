/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_write.c -- a ring of chunks between a maker and the thread that writes them. */
#include "apps/chess/dataset_write.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/thread.h"

enum { CHUNKS = 4 };

struct chunk_writer {
    struct blob_writer *blob;
    pthread_t thread;
    bool has_thread;
    unsigned char *chunks[CHUNKS];

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    size_t counts[CHUNKS];
    uint64_t put, written; /* chunks handed over, chunks done: chunk n is in slot n % CHUNKS */
    bool ended;
    err result; /* of the first write that failed */
};

static void *writer_main(void *arg)
{
    struct chunk_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->put == w->written && !w->ended)
            pthread_cond_wait(&w->changed, &w->lock);
        if (w->put == w->written)
            break;
        size_t slot = w->written % CHUNKS, count = w->counts[slot];
        bool failed = w->result.code != ERR_NONE;
        pthread_mutex_unlock(&w->lock);
        err e = failed ? OK : blob_write(w->blob, w->chunks[slot], count);
        pthread_mutex_lock(&w->lock);
        w->result = err_first(w->result, e);
        w->written++;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

err chunk_writer_open(struct blobs *blobs, struct chunk_writer **ret_writer)
{
    struct chunk_writer *w = calloc(1, sizeof *w);
    if (!w)
        return ERR(ERR_NO_MEMORY, "writing a dataset: out of memory");
    pthread_mutex_init(&w->lock, NULL);
    thread_cond_init(&w->changed);
    err e = blob_writer_open(blobs, &w->blob);
    for (int i = 0; i < CHUNKS && !e.code; i++) {
        w->chunks[i] = malloc(CHUNK_BYTES);
        if (!w->chunks[i])
            e = ERR(ERR_NO_MEMORY, "writing a dataset: out of memory");
    }
    if (!e.code)
        e = thread_start(&w->thread, "dataset-write", writer_main, w);
    if (e.code) {
        chunk_writer_abort(w);
        return e;
    }
    w->has_thread = true;
    *ret_writer = w;
    return OK;
}

err chunk_writer_get(struct chunk_writer *w, unsigned char **ret_chunk)
{
    pthread_mutex_lock(&w->lock);
    while (w->put - w->written == CHUNKS)
        pthread_cond_wait(&w->changed, &w->lock);
    err e = w->result;
    size_t slot = w->put % CHUNKS;
    pthread_mutex_unlock(&w->lock);
    if (!e.code)
        *ret_chunk = w->chunks[slot];
    return e;
}

void chunk_writer_put(struct chunk_writer *w, size_t count)
{
    pthread_mutex_lock(&w->lock);
    w->counts[w->put % CHUNKS] = count;
    w->put++;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* Lets the thread finish what was put, and joins it. */
static err writer_end(struct chunk_writer *w)
{
    if (!w->has_thread)
        return OK;
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    w->has_thread = false;
    return w->result;
}

static void writer_free(struct chunk_writer *w)
{
    for (int i = 0; i < CHUNKS; i++)
        free(w->chunks[i]);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    free(w);
}

err chunk_writer_commit(struct chunk_writer *w, struct blob_info *ret_info)
{
    err e = writer_end(w);
    if (e.code)
        blob_writer_abort(w->blob);
    else
        e = blob_writer_commit(w->blob, ret_info);
    writer_free(w);
    return e;
}

void chunk_writer_abort(struct chunk_writer *w)
{
    if (!w)
        return;
    err e = writer_end(w);
    (void)e; /* given up anyway */
    blob_writer_abort(w->blob);
    writer_free(w);
}
