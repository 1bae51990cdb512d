/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The connections that read. Each is opened when all before it are in use, so that a quiet server
 * keeps one or two.
 *
 * A read inside a read of the same thread gets the same snapshot: it can neither see a different
 * state nor wait for a connection that its own caller holds.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/thread.h"
#include "platform/store/sqlite.h"

enum { READERS_DEFAULT = 8, READERS_MAX = 256, WAIT_MS = 5000 };

struct reader {
    struct sqlite_conn *conn; /* NULL: not opened yet */
    pthread_t owner;          /* while busy */
    bool is_busy;
};

struct sqlite_readers {
    const char *path;
    pthread_mutex_t lock;
    pthread_cond_t released;
    int count;
    struct reader readers[]; /* guarded by lock, but for what a busy one's owner does with conn */
};

err sqlite_readers_open(const char *path, int readers_max, struct sqlite_readers **ret_readers)
{
    int count = readers_max > 0 ? readers_max : READERS_DEFAULT;
    if (count > READERS_MAX)
        return ERR(ERR_INVALID, "a store has at most %d read connections, not %d", READERS_MAX,
                   count);
    struct sqlite_readers *r = calloc(1, sizeof *r + (size_t)count * sizeof r->readers[0]);
    if (!r)
        return ERR(ERR_NO_MEMORY, "opening store '%s': out of memory", path);
    r->path = path;
    r->count = count;
    pthread_mutex_init(&r->lock, NULL);
    thread_cond_init(&r->released);
    *ret_readers = r;
    return OK;
}

void sqlite_readers_close(struct sqlite_readers *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->count; i++)
        sqlite_conn_close(r->readers[i].conn);
    pthread_cond_destroy(&r->released);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* Under lock. */
static struct reader *reader_of_me(struct sqlite_readers *r)
{
    pthread_t me = pthread_self();
    for (int i = 0; i < r->count; i++)
        if (r->readers[i].is_busy && pthread_equal(r->readers[i].owner, me))
            return &r->readers[i];
    return NULL;
}

/* Under lock. The first free one: those in front are open and warm, those behind open under load.
 */
static struct reader *reader_free(struct sqlite_readers *r)
{
    for (int i = 0; i < r->count; i++)
        if (!r->readers[i].is_busy)
            return &r->readers[i];
    return NULL;
}

bool sqlite_readers_has_me(struct sqlite_readers *r)
{
    pthread_mutex_lock(&r->lock);
    bool found = reader_of_me(r) != NULL;
    pthread_mutex_unlock(&r->lock);
    return found;
}

static void reader_release(struct sqlite_readers *r, struct reader *reader)
{
    pthread_mutex_lock(&r->lock);
    reader->is_busy = false;
    pthread_cond_signal(&r->released);
    pthread_mutex_unlock(&r->lock);
}

/* Takes a reader for this thread; *ret_nested when its caller has it already. */
static err reader_take(struct sqlite_readers *r, struct reader **ret_reader, bool *ret_nested)
{
    struct timespec deadline = clock_deadline(WAIT_MS);
    int waited = 0;
    pthread_mutex_lock(&r->lock);
    struct reader *reader = reader_of_me(r);
    bool nested = reader != NULL;
    while (!reader && !(reader = reader_free(r)) && !waited)
        waited = pthread_cond_timedwait(&r->released, &r->lock, &deadline);
    if (reader && !nested) {
        reader->owner = pthread_self();
        reader->is_busy = true;
    }
    pthread_mutex_unlock(&r->lock);
    if (!reader)
        return ERR(ERR_BUSY, "reading: all %d read connections were in use for %d s (try again)",
                   r->count, WAIT_MS / 1000);
    *ret_reader = reader;
    *ret_nested = nested;
    return OK;
}

static err reader_run(struct sqlite_readers *r, struct reader *reader, store_read_fn fn, void *arg)
{
    if (!reader->conn)
        TRY(sqlite_conn_open(r->path, SQLITE_ROLE_READER, &reader->conn));
    struct sqlite_conn *c = reader->conn;
    TRY(sqlite_conn_control(c, CONTROL_BEGIN_READ));
    err e = sqlite_conn_settle(c, fn(&c->read, arg));
    if (sqlite3_get_autocommit(c->db))
        return e; /* the failure has ended it already */
    return err_first(e, sqlite_conn_control(c, CONTROL_ROLLBACK));
}

err sqlite_readers_run(struct sqlite_readers *r, store_read_fn fn, void *arg)
{
    struct reader *reader = NULL;
    bool nested = false;
    TRY(reader_take(r, &reader, &nested));
    if (nested)
        return fn(&reader->conn->read, arg);
    err e = reader_run(r, reader, fn, arg);
    reader_release(r, reader);
    return e;
}
