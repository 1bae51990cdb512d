/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What processes say to each other through the server: wake-ups (LISTEN/NOTIFY) and locks that hold
 * across machines (advisory locks).
 *
 * One thread with a connection of its own waits for wake-ups. When its connection breaks, it makes
 * a new one and wakes everybody, because something may have been said meanwhile. Locks belong to a
 * connection, too: when that one breaks, they are gone.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "platform/store/postgres.h"

enum { TOPICS_MAX = 16, TOPIC_BYTES = 48, AGAIN_MS_MIN = 500, AGAIN_MS_MAX = 5000 };

struct pg_listener {
    struct pg_engine *engine;
    void (*heard)(void *arg, const char *topic);
    void *arg;
    pthread_t thread;
    int wake_fd;
    pthread_mutex_t lock;
    char topics[TOPICS_MAX][TOPIC_BYTES]; /* guarded by lock */
    size_t count;                         /* guarded by lock */
    bool is_stopping;                     /* guarded by lock */
    size_t listening; /* the thread's: how many topics this connection has been told */
};

/* ------------------------------------------------------------------ saying */

/* Channels are named after the schema: two installations in one database do not wake each other. */
err pg_notify(struct store_tx *tx, const char *topic)
{
    struct pg_conn *c = pg_conn_of(tx->read);
    if (c->failure.code)
        return c->failure;
    const char *const values[] = { topic };
    err e = pg_conn_run(c, "SELECT pg_notify('skerry_' || current_schema(), $1)::text", values, 1,
                        NULL, 0);
    return e.code ? pg_spoil(c, e) : OK;
}

/* ------------------------------------------------------------------ hearing */

static void hear_all(struct pg_listener *l)
{
    char topics[TOPICS_MAX][TOPIC_BYTES];
    pthread_mutex_lock(&l->lock);
    size_t count = l->count;
    memcpy(topics, l->topics, sizeof topics);
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < count; i++)
        l->heard(l->arg, topics[i]);
}

static bool must_stop(struct pg_listener *l)
{
    pthread_mutex_lock(&l->lock);
    bool stop = l->is_stopping;
    pthread_mutex_unlock(&l->lock);
    return stop;
}

/* Waits for the server, for a stop, or for `ms` (negative: for ever). */
static void wait_for(struct pg_listener *l, int server_fd, int ms)
{
    struct pollfd fds[] = { { .fd = l->wake_fd, .events = POLLIN },
                            { .fd = server_fd, .events = POLLIN } };
    uint64_t ignored;
    if (poll(fds, server_fd >= 0 ? 2 : 1, ms) > 0 && (fds[0].revents & POLLIN) &&
        read(l->wake_fd, &ignored, sizeof ignored) < 0 && errno != EAGAIN)
        clock_sleep_ms(AGAIN_MS_MIN);
}

static err listen_on(struct pg_conn *c)
{
    const struct pq *pq = &c->engine->pq;
    TRY(pg_conn_connect(c));
    pq->exitPipelineMode(c->pq);
    /* The channel's name is built where the schema is known; the server quotes it. */
    PGresult *result = pq->exec(c->pq, "DO $$ BEGIN EXECUTE format('LISTEN %I', 'skerry_' || "
                                       "current_schema()); END $$");
    err e = pq->resultStatus(result) == PGRES_COMMAND_OK ? OK
                                                         : pg_error(c, result, "listening", NULL);
    pq->clear(result);
    return e;
}

/* Until the connection breaks or the store closes. */
static void listen_while_connected(struct pg_listener *l, struct pg_conn *c)
{
    const struct pq *pq = &c->engine->pq;
    while (!must_stop(l) && !pg_conn_is_lost(c)) {
        PGnotify *n;
        while ((n = pq->notifies(c->pq)) != NULL) {
            l->heard(l->arg, n->extra);
            pq->freemem(n);
        }
        wait_for(l, pq->socket(c->pq), -1);
        if (!pq->consumeInput(c->pq))
            break;
    }
}

static void *listener_main(void *arg)
{
    struct pg_listener *l = arg;
    int again_ms = AGAIN_MS_MIN;
    while (!must_stop(l)) {
        struct pg_conn *c = NULL;
        err e = pg_conn_new(l->engine, &c);
        if (!e.code)
            e = listen_on(c);
        if (!e.code) {
            again_ms = AGAIN_MS_MIN;
            hear_all(l); /* what was said while nobody listened, the first time, too */
            listen_while_connected(l, c);
        }
        pg_conn_free(c);
        if (!must_stop(l))
            wait_for(l, -1, again_ms);
        again_ms = again_ms * 2 < AGAIN_MS_MAX ? again_ms * 2 : AGAIN_MS_MAX;
    }
    return NULL;
}

static void listener_free(struct pg_listener *l)
{
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static err listener_open(struct pg_engine *s, void (*heard)(void *, const char *), void *arg)
{
    struct pg_listener *l = calloc(1, sizeof *l);
    if (!l)
        return ERR(ERR_NO_MEMORY, "listening to %s: out of memory", s->where);
    l->engine = s;
    l->heard = heard;
    l->arg = arg;
    pthread_mutex_init(&l->lock, NULL);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    err e = l->wake_fd < 0 ? ERR_SYS("listening to %s", s->where) : OK;
    if (!e.code)
        e = thread_start(&l->thread, "store-listen", listener_main, l);
    if (e.code) {
        listener_free(l);
        return e;
    }
    s->listener = l;
    return OK;
}

err pg_listen(void *engine, const char *topic, void (*heard)(void *arg, const char *topic),
              void *arg)
{
    struct pg_engine *s = engine;
    if (!s->listener)
        TRY(listener_open(s, heard, arg));
    struct pg_listener *l = s->listener;
    err e = OK;
    pthread_mutex_lock(&l->lock);
    if (l->count >= TOPICS_MAX || strlen(topic) >= TOPIC_BYTES)
        e = ERR(ERR_INTERNAL, "listening to '%s': %d topics of less than %d bytes are the most",
                topic, TOPICS_MAX, TOPIC_BYTES);
    else
        snprintf(l->topics[l->count++], TOPIC_BYTES, "%s", topic);
    pthread_mutex_unlock(&l->lock);
    return e;
}

void pg_listener_close(struct pg_listener *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->is_stopping = true;
    pthread_mutex_unlock(&l->lock);
    uint64_t one = 1;
    while (write(l->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(l->thread, NULL);
    listener_free(l);
}

/* ------------------------------------------------------------------ locks across machines */

static err lock_run(struct pg_engine *s, const char *sql, const char *name, char *out,
                    size_t out_bytes)
{
    const char *const values[] = { name };
    pthread_mutex_lock(&s->locks_turn);
    err e = s->locks ? OK : pg_conn_new(s, &s->locks);
    if (!e.code) {
        pg_conn_begin(s->locks, PG_BEGIN_CLAIM);
        e = pg_conn_run(s->locks, sql, values, 1, out, out_bytes);
        pg_conn_rollback(s->locks); /* the lock is the connection's, and stays */
    }
    pthread_mutex_unlock(&s->locks_turn);
    return e;
}

err pg_lock_try(void *engine, const char *name, bool *ret_taken)
{
    char text[8] = "";
    TRY(lock_run(engine,
                 "SELECT pg_try_advisory_lock(hashtextextended("
                 "'skerry ' || current_schema() || ' ' || $1, 0))::text",
                 name, text, sizeof text));
    *ret_taken = text[0] == 't';
    return OK;
}

err pg_lock_release(void *engine, const char *name)
{
    return lock_run(engine,
                    "SELECT pg_advisory_unlock(hashtextextended("
                    "'skerry ' || current_schema() || ' ' || $1, 0))::text",
                    name, NULL, 0);
}
