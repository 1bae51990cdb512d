/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one thread that writes, and group commit.
 *
 * Syncing the disk costs the same for one write as for a hundred. So the writer takes everything
 * that waits, runs it in one transaction, commits and syncs once, then wakes all callers. While it
 * syncs, the next group gathers by itself: no timer, no tuning.
 *
 * What one write does stays its own: when one fails, the group is undone and runs again with each
 * function between SAVEPOINT and RELEASE, and only the guilty one is rolled back. Savepoints from
 * the start would make all pay for the few that fail: each copies every page that it changes first.
 * When the transaction as a whole is lost (SQLite rolls back by itself when the disk is full; a
 * deferred foreign key shows only at COMMIT), its writes run again one by one, so that only the
 * guilty one fails. When the disk fails or another process holds the file, nothing is tried again:
 * all callers get the error.
 *
 * The write-ahead log is copied into the main file (checkpoint) here too, between groups, after the
 * callers are awake.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "platform/store/sqlite.h"

enum {
    QUEUE_DEFAULT = 4096,
    GROUP_MAX = 512,
    /* A group that runs longer commits what it has: nobody waits long for strangers. */
    GROUP_NS_MAX = 20 * 1000 * 1000,
    /* 4 MiB. Each checkpoint syncs the main file; this many pages make that cheap, and still keep
     * the log, which readers search, short. */
    CHECKPOINT_PAGES = 1000,
    /* Bulk inserts dirty the same index pages batch after batch: copying them seldom is what
       matters. */
    CHECKPOINT_PAGES_BULK = 16000,
    /* Beyond this somebody's long read keeps the log from starting over: wait a little for a gap.
     */
    WAL_PAGES_MAX = 2 * CHECKPOINT_PAGES_BULK,
    RESTART_WAIT_MS = 100,
    /* The large page cache is given back when no bulk insert came for this long. */
    ROOMY_IDLE_MS = 1000,
};

struct write_request {
    struct list_link link;
    store_write_fn fn;
    void *arg;
    void (*done)(void *arg, err result); /* NULL: a caller waits at `ready`, and owns the request */
    err result;
    sem_t ready;
};

struct sqlite_writer {
    struct sqlite_conn *conn; /* the writer thread's, once it runs */
    void (*on_commit)(void *arg, size_t writes, int64_t duration_ns);
    void *on_commit_arg;
    void (*heard)(void *arg, const char *topic); /* guarded by lock; NULL until somebody listens */
    void *heard_arg;                             /* guarded by lock */
    size_t queue_max;
    pthread_t thread;
    int checkpointed_pages; /* in the log when it was last copied, complete or not */

    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct list queue;  /* guarded by lock */
    size_t queue_count; /* guarded by lock */
    bool is_idle;       /* guarded by lock: the writer waits for `arrived` */
    bool is_stopping;   /* guarded by lock */

    struct write_request *taken[GROUP_MAX];
};

/* ------------------------------------------------------------------ one group */

/* Runs one function. Returns an error only when the transaction itself is lost. */
static err request_run(struct sqlite_conn *c, struct write_request *q, bool with_savepoint)
{
    q->result = OK;
    if (with_savepoint)
        TRY(sqlite_conn_control(c, CONTROL_SAVEPOINT));
    q->result = sqlite_conn_settle(c, q->fn(&c->tx, q->arg));
    if (sqlite3_get_autocommit(c->db))
        return q->result.code ? q->result
                              : ERR(ERR_INTERNAL, "a write ended the transaction it runs in");
    if (!with_savepoint)
        return OK;
    if (q->result.code)
        TRY(sqlite_conn_control(c, CONTROL_ROLLBACK_TO));
    return sqlite_conn_control(c, CONTROL_RELEASE);
}

/* A write that was undone may have said something, too: one wake-up too many. */
static void tell_topics(struct sqlite_writer *w)
{
    struct sqlite_conn *c = w->conn;
    if (!c->topic_count)
        return;
    pthread_mutex_lock(&w->lock);
    void (*heard)(void *, const char *) = w->heard;
    void *arg = w->heard_arg;
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; heard && i < c->topic_count; i++)
        heard(arg, c->topics[i]);
    c->topic_count = 0;
}

static void request_settle(struct write_request *q)
{
    if (!q->done) {
        sem_post(&q->ready); /* from here on the request is gone */
        return;
    }
    q->done(q->arg, q->result);
    free(q);
}

struct group {
    struct write_request **items;
    size_t count;
    size_t ran, kept;
    bool with_savepoints;
    bool is_spoilt; /* one failed, and without savepoints it cannot be undone alone */
};

/* Runs requests from the front until all ran or the group's time is up, and commits them. Returns
 * why none of them is stored, if so. */
static err group_try(struct sqlite_conn *c, struct group *g)
{
    int64_t start_ns = clock_mono_ns();
    g->ran = g->kept = 0;
    g->is_spoilt = false;
    err e = sqlite_conn_control(c, CONTROL_BEGIN_WRITE);
    while (!e.code && !g->is_spoilt && g->ran < g->count &&
           (g->ran == 0 || clock_mono_ns() - start_ns < GROUP_NS_MAX)) {
        struct write_request *q = g->items[g->ran];
        e = request_run(c, q, g->with_savepoints);
        g->kept += !e.code && !q->result.code;
        g->ran++;
        g->is_spoilt = !e.code && q->result.code && !g->with_savepoints && g->count > 1;
    }
    if (!e.code)
        e = sqlite_conn_control(c, g->kept && !g->is_spoilt ? CONTROL_COMMIT : CONTROL_ROLLBACK);
    if (e.code && !sqlite3_get_autocommit(c->db)) {
        err undo = sqlite_conn_control(c, CONTROL_ROLLBACK);
        e = err_first(e, undo);
    }
    return e;
}

static err group_commit(struct sqlite_writer *w, struct write_request **items, size_t count,
                        size_t *ret_ran, size_t *ret_kept)
{
    struct group g = { .items = items, .count = count };
    int64_t start_ns = clock_mono_ns();
    err e = group_try(w->conn, &g);
    if (!e.code && g.is_spoilt) {
        g.with_savepoints = true;
        e = group_try(w->conn, &g);
    }
    *ret_ran = g.ran ? g.ran : count;
    *ret_kept = g.kept;
    if (!e.code && g.kept && w->on_commit)
        w->on_commit(w->on_commit_arg, g.kept, clock_mono_ns() - start_ns);
    return e;
}

/* Runs and answers requests from the front; returns how many. */
static size_t group_run(struct sqlite_writer *w, struct write_request **items, size_t count)
{
    size_t ran, kept;
    err lost = group_commit(w, items, count, &ran, &kept);
    bool one_by_one = ran > 1 && (lost.code == ERR_NO_SPACE || lost.code == ERR_CONFLICT ||
                                  lost.code == ERR_NO_MEMORY || lost.code == ERR_TOO_BIG);
    for (size_t i = 0; i < ran; i++) {
        if (one_by_one) {
            size_t one, one_kept;
            err e = group_commit(w, &items[i], 1, &one, &one_kept);
            items[i]->result = err_first(items[i]->result, e);
        } else {
            items[i]->result = err_first(items[i]->result, lost);
        }
    }
    tell_topics(w);
    for (size_t i = 0; i < ran; i++)
        request_settle(items[i]);
    return ran;
}

/* ------------------------------------------------------------------ checkpoints */

static void checkpoint(struct sqlite_writer *w)
{
    struct sqlite_conn *c = w->conn;
    bool restart = c->wal_pages >= WAL_PAGES_MAX;
    if (restart)
        sqlite3_busy_timeout(c->db, RESTART_WAIT_MS);
    /* A failure loses nothing: the log keeps what could not be copied, and the next try comes. */
    sqlite3_wal_checkpoint_v2(
        c->db, NULL, restart ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (restart)
        sqlite3_busy_timeout(c->db, SQLITE_CONN_BUSY_MS);
    w->checkpointed_pages = c->wal_pages;
}

static void checkpoint_if_due(struct sqlite_writer *w)
{
    int pages = w->conn->wal_pages;
    if (pages < w->checkpointed_pages)
        w->checkpointed_pages = 0; /* the log has started over */
    if (pages - w->checkpointed_pages >=
        (w->conn->is_roomy ? CHECKPOINT_PAGES_BULK : CHECKPOINT_PAGES))
        checkpoint(w);
}

/* ------------------------------------------------------------------ the thread */

/* Waits for work and takes it. 0 means stop. */
static size_t take_waiting(struct sqlite_writer *w)
{
    size_t count = 0;
    pthread_mutex_lock(&w->lock);
    while (w->queue_count == 0 && !w->is_stopping) {
        w->is_idle = true;
        if (!w->conn->is_roomy) {
            pthread_cond_wait(&w->arrived, &w->lock);
            continue;
        }
        struct timespec deadline = clock_deadline(ROOMY_IDLE_MS);
        if (pthread_cond_timedwait(&w->arrived, &w->lock, &deadline) == 0 || w->queue_count)
            continue;
        pthread_mutex_unlock(&w->lock);
        sqlite_conn_resize(w->conn, false);
        checkpoint(w);
        pthread_mutex_lock(&w->lock);
    }
    w->is_idle = false;
    while (count < GROUP_MAX && w->queue_count > 0) {
        w->taken[count++] = LIST_ENTRY(list_pop(&w->queue), struct write_request, link);
        w->queue_count--;
    }
    pthread_mutex_unlock(&w->lock);
    return count;
}

static void *writer_main(void *arg)
{
    struct sqlite_writer *w = arg;
    size_t count;
    while ((count = take_waiting(w)) > 0) {
        size_t from = 0;
        while (from < count)
            from += group_run(w, w->taken + from, count - from);
        checkpoint_if_due(w);
    }
    return NULL;
}

static err enqueue(struct sqlite_writer *w, struct write_request *q)
{
    err e = OK;
    pthread_mutex_lock(&w->lock);
    if (w->is_stopping) {
        e = ERR(ERR_CANCELLED, "writing: the store is being closed");
    } else if (w->queue_count >= w->queue_max) {
        e = ERR(ERR_BUSY, "writing: %zu writes are waiting already (try again)", w->queue_count);
    } else {
        list_push(&w->queue, &q->link);
        w->queue_count++;
        if (w->is_idle)
            pthread_cond_signal(&w->arrived);
    }
    pthread_mutex_unlock(&w->lock);
    return e;
}

bool sqlite_writer_is_me(const struct sqlite_writer *w)
{
    return pthread_equal(w->thread, pthread_self());
}

err sqlite_writer_run(struct sqlite_writer *w, store_write_fn fn, void *arg)
{
    struct write_request q = { .fn = fn, .arg = arg };
    sem_init(&q.ready, 0, 0);
    err e = enqueue(w, &q);
    if (!e.code) {
        /* No deadline: the function uses the caller's memory. The queue ahead is bounded. */
        while (sem_wait(&q.ready) != 0)
            ;
        e = q.result;
    }
    sem_destroy(&q.ready);
    return e;
}

err sqlite_writer_later(struct sqlite_writer *w, store_write_fn fn, void *arg,
                        void (*done)(void *arg, err result))
{
    struct write_request *q = calloc(1, sizeof *q);
    if (!q)
        return ERR(ERR_NO_MEMORY, "writing: out of memory");
    q->fn = fn;
    q->arg = arg;
    q->done = done;
    err e = enqueue(w, q);
    if (e.code)
        free(q);
    return e;
}

/* ------------------------------------------------------------------ wake-ups */

void sqlite_writer_listen(struct sqlite_writer *w, void (*heard)(void *arg, const char *topic),
                          void *arg)
{
    pthread_mutex_lock(&w->lock);
    w->heard = heard;
    w->heard_arg = arg;
    pthread_mutex_unlock(&w->lock);
}

err sqlite_notify(struct store_tx *tx, const char *topic)
{
    struct sqlite_conn *c = (struct sqlite_conn *)(void *)tx->read;
    if (c->failure.code)
        return c->failure;
    for (size_t i = 0; i < c->topic_count; i++)
        if (strcmp(c->topics[i], topic) == 0)
            return OK;
    if (c->topic_count == SQLITE_TOPICS_MAX)
        return ERR(ERR_INTERNAL, "saying '%s': %d topics in one commit are the most", topic,
                   SQLITE_TOPICS_MAX);
    c->topics[c->topic_count++] = topic;
    return OK;
}

/* ------------------------------------------------------------------ open, close */

err sqlite_writer_open(const struct store_options *options, struct sqlite_conn *conn,
                       struct sqlite_writer **ret_writer)
{
    struct sqlite_writer *w = calloc(1, sizeof *w);
    if (!w) {
        sqlite_conn_close(conn);
        return ERR(ERR_NO_MEMORY, "starting the store's writer: out of memory");
    }
    w->conn = conn;
    w->on_commit = options->on_commit;
    w->on_commit_arg = options->on_commit_arg;
    w->queue_max = options->write_queue_max ? options->write_queue_max : QUEUE_DEFAULT;
    list_init(&w->queue);
    pthread_mutex_init(&w->lock, NULL);
    thread_cond_init(&w->arrived);
    err e = thread_start(&w->thread, "store-writer", writer_main, w);
    if (e.code) {
        pthread_cond_destroy(&w->arrived);
        pthread_mutex_destroy(&w->lock);
        sqlite_conn_close(conn);
        free(w);
        return e;
    }
    *ret_writer = w;
    return OK;
}

void sqlite_writer_close(struct sqlite_writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_cond_signal(&w->arrived);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    /* Leaves one file. A failure is fine: the log stays, and the next open reads it. */
    sqlite3_wal_checkpoint_v2(w->conn->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite_conn_close(w->conn);
    pthread_cond_destroy(&w->arrived);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
