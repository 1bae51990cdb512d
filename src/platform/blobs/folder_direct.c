/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder_direct.c -- the far part of a large object: past the page cache, by a thread of its own.
 *
 * Copying a gigabyte into fresh pages of the cache took more processor time than receiving and
 * hashing it together (bench mlflow-artifact), and pushed out what others read. So full blocks go
 * to the disk directly, while the next one is being filled.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/thread.h"
#include "platform/blobs/folder.h"

enum {
    BLOCK_BYTES = 1024 * 1024, /* half of it took a third longer */
    BLOCK_ALIGN = 4096,        /* enough for every disk */
};

struct direct {
    int fd;
    pthread_t thread;
    unsigned char *blocks[2];
    int filling; /* index; the other one is free, or being written */
    size_t filled;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned char *full; /* guarded by lock: to be written; NULL when that is done */
    bool ends;           /* guarded by lock */
    err failure;         /* guarded by lock: the first */
};

static bool set_direct(int fd, bool is_direct)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, is_direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

/* A file system may take the flag and refuse the write, or take a part of it where the disk is
 * nearly full: the rest then goes the usual way, and so does all that follows. */
static err block_write(int fd, const unsigned char *block)
{
    ssize_t n;
    do
        n = write(fd, block, BLOCK_BYTES);
    while (n < 0 && errno == EINTR);
    if (n == BLOCK_BYTES)
        return OK;
    if (n < 0 && errno != EINVAL)
        return ERR_SYS("writing past the page cache");
    if (n < 0)
        n = 0;
    if (!set_direct(fd, false))
        return ERR_SYS("writing through the page cache again");
    return fs_write_all(fd, block + n, (size_t)(BLOCK_BYTES - n));
}

static void *write_blocks(void *arg)
{
    struct direct *d = arg;
    pthread_mutex_lock(&d->lock);
    while (d->full || !d->ends) {
        if (!d->full) {
            pthread_cond_wait(&d->changed, &d->lock); /* the caller's deadline, or its close */
            continue;
        }
        const unsigned char *block = d->full;
        bool is_lost = d->failure.code != ERR_NONE;
        pthread_mutex_unlock(&d->lock);
        err e = is_lost ? OK : block_write(d->fd, block);
        pthread_mutex_lock(&d->lock);
        if (e.code)
            d->failure = e;
        d->full = NULL;
        pthread_cond_signal(&d->changed);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

static void direct_free(struct direct *d)
{
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d->blocks[0]);
    free(d->blocks[1]);
    free(d);
}

struct direct *folder_direct_begin(int fd)
{
    struct direct *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->fd = fd;
    d->failure = OK;
    pthread_mutex_init(&d->lock, NULL);
    thread_cond_init(&d->changed);
    void *memory[2] = { NULL, NULL };
    bool is_ready = posix_memalign(&memory[0], BLOCK_ALIGN, BLOCK_BYTES) == 0 &&
                    posix_memalign(&memory[1], BLOCK_ALIGN, BLOCK_BYTES) == 0;
    d->blocks[0] = memory[0];
    d->blocks[1] = memory[1];
    is_ready = is_ready && set_direct(fd, true);
    if (is_ready && thread_start(&d->thread, "blob-write", write_blocks, d).code) {
        is_ready = false;
        set_direct(fd, false);
    }
    if (is_ready)
        return d;
    direct_free(d);
    return NULL;
}

/* Waits for the block before, which the disk may take its time for, as for any write. */
static err hand_over(struct direct *d)
{
    pthread_mutex_lock(&d->lock);
    while (d->full)
        pthread_cond_wait(&d->changed, &d->lock);
    err e = d->failure;
    d->full = d->blocks[d->filling];
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->lock);
    d->filling ^= 1;
    d->filled = 0;
    return e;
}

err folder_direct_write(struct direct *d, const void *bytes, size_t count)
{
    const unsigned char *from = bytes;
    while (count > 0) {
        size_t part = BLOCK_BYTES - d->filled;
        if (part > count)
            part = count;
        memcpy(d->blocks[d->filling] + d->filled, from, part);
        d->filled += part;
        from += part;
        count -= part;
        if (d->filled == BLOCK_BYTES)
            TRY(hand_over(d));
    }
    return OK;
}

static void stop(struct direct *d)
{
    pthread_mutex_lock(&d->lock);
    d->ends = true;
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
}

err folder_direct_end(struct direct *d)
{
    stop(d);
    err e = d->failure;
    if (!e.code && !set_direct(d->fd, false))
        e = ERR_SYS("writing through the page cache again");
    if (!e.code)
        e = fs_write_all(d->fd, d->blocks[d->filling], d->filled);
    direct_free(d);
    return e;
}

void folder_direct_abort(struct direct *d)
{
    if (!d)
        return;
    stop(d);
    direct_free(d);
}
