/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes and reads: a transaction of its own for each, on a lent connection.
 *
 * Apps are written for one writer: they look, then act. Here many write at once, in several
 * processes, so a write is SERIALIZABLE: when its outcome could differ from that of one after the
 * other, PostgreSQL fails it and it runs again. A short one that comes often beats a long one for
 * ever that way (a heartbeat, the import whose job it keeps alive). So one that was beaten after
 * long work, or a few times, runs alone in this process, and the next of its kind do so at once.
 *
 * Writes for later run on one thread, in order.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"
#include "base/thread.h"
#include "platform/store/postgres.h"

enum {
    QUEUE_DEFAULT = 4096,
    TRIES_MAX = 30,
    TRIES_FREE = 3,       /* after these a write runs alone */
    LONG_MS = 50,         /* after so much work for nothing it does so at once */
    ALONE_MS = 60 * 1000, /* and for so long all that run the same function */
    ALONE_MAX = 16,
    /* Time for a restart of the server: 30 tries wait about 6 s together. */
    BACKOFF_MS_MAX = 250,
};

struct later_request {
    struct list_link link;
    store_write_fn fn;
    void *arg;
    void (*done)(void *arg, err result);
};

struct alone {
    store_write_fn fn;
    int64_t until_ns;
};

struct pg_later {
    struct pg_engine *engine;
    size_t queue_max;
    pthread_t thread;
    pthread_rwlock_t turns;        /* held while a write runs; for writing by one that runs alone */
    struct alone alone[ALONE_MAX]; /* guarded by lock: who was beaten lately */
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct list queue;  /* guarded by lock */
    size_t queue_count; /* guarded by lock: for later, and waiting for a connection */
    bool is_stopping;   /* guarded by lock */
};

/* ------------------------------------------------------------------ one transaction */

static err write_once(struct pg_conn *c, enum pg_begin begin, store_write_fn fn, void *arg)
{
    struct pg_engine *s = c->engine;
    int64_t start_ns = clock_mono_ns();
    pg_conn_begin(c, begin);
    err e = pg_conn_settle(c, fn(&c->tx, arg));
    if (!e.code)
        e = pg_conn_commit(c);
    if (e.code)
        pg_conn_rollback(c);
    else if (s->on_commit)
        s->on_commit(s->on_commit_arg, 1, clock_mono_ns() - start_ns);
    return e;
}

static void back_off(int tries)
{
    uint64_t random;
    rand_bytes(&random, sizeof random);
    int64_t limit = tries < 8 ? 1 << tries : BACKOFF_MS_MAX;
    clock_sleep_ms((int64_t)(random % (uint64_t)(limit + 1)));
}

static bool runs_alone(struct pg_later *l, store_write_fn fn, int64_t now_ns)
{
    bool found = false;
    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < ALONE_MAX; i++)
        found = found || (l->alone[i].fn == fn && now_ns < l->alone[i].until_ns);
    pthread_mutex_unlock(&l->lock);
    return found;
}

/* In the place of the same function, or of the one that was beaten longest ago. */
static void note_beaten(struct pg_later *l, store_write_fn fn, int64_t now_ns)
{
    pthread_mutex_lock(&l->lock);
    struct alone *place = &l->alone[0];
    for (int i = 0; i < ALONE_MAX && place->fn != fn; i++)
        if (l->alone[i].fn == fn || l->alone[i].until_ns < place->until_ns)
            place = &l->alone[i];
    *place = (struct alone){ fn, now_ns + ALONE_MS * INT64_C(1000000) };
    pthread_mutex_unlock(&l->lock);
}

static err write_on(struct pg_later *l, struct pg_conn *c, enum pg_begin begin, store_write_fn fn,
                    void *arg)
{
    for (int tries = 1;; tries++) {
        int64_t start_ns = clock_mono_ns();
        if (tries > TRIES_FREE || runs_alone(l, fn, start_ns))
            pthread_rwlock_wrlock(&l->turns);
        else
            pthread_rwlock_rdlock(&l->turns);
        start_ns = clock_mono_ns();
        err e = write_once(c, begin, fn, arg);
        int64_t end_ns = clock_mono_ns();
        pthread_rwlock_unlock(&l->turns);
        if (!e.code || !c->wants_retry || tries == TRIES_MAX)
            return e;
        atomic_fetch_add(&c->engine->retries, 1);
        if (end_ns - start_ns > LONG_MS * INT64_C(1000000))
            note_beaten(l, fn, end_ns);
        back_off(tries);
    }
}

/* ------------------------------------------------------------------ waiting in line */

/* Counts a caller among those that wait; bounded. */
static err line_enter(struct pg_later *l, struct later_request *q)
{
    err e = OK;
    pthread_mutex_lock(&l->lock);
    if (l->is_stopping) {
        e = ERR(ERR_CANCELLED, "writing: the store is being closed");
    } else if (l->queue_count >= l->queue_max) {
        e = ERR(ERR_BUSY, "writing: %zu writes are waiting already (try again)", l->queue_count);
    } else {
        l->queue_count++;
        if (q) {
            list_push(&l->queue, &q->link);
            pthread_cond_signal(&l->arrived);
        }
    }
    pthread_mutex_unlock(&l->lock);
    return e;
}

static void line_leave(struct pg_later *l)
{
    pthread_mutex_lock(&l->lock);
    l->queue_count--;
    pthread_mutex_unlock(&l->lock);
}

static bool is_later_thread(const struct pg_later *l)
{
    return pthread_equal(l->thread, pthread_self());
}

static bool is_writing(struct pg_engine *s)
{
    return pg_pool_has_me(s->writers) || pg_pool_has_me(s->claimers) || is_later_thread(s->later);
}

static err write_now(struct pg_engine *s, enum pg_begin begin, store_write_fn fn, void *arg)
{
    struct pg_conn *c = NULL;
    bool nested = false;
    struct pg_pool *pool = begin == PG_BEGIN_CLAIM ? s->claimers : s->writers;
    if (is_writing(s))
        return ERR(ERR_INTERNAL, "store_write inside a write would wait for itself (use its tx, or "
                                 "store_write_later)");
    if (pg_pool_has_me(s->readers))
        return ERR(ERR_INTERNAL, "store_write inside a read would hold its snapshot while it waits "
                                 "(end the read first)");
    TRY(line_enter(s->later, NULL));
    err e = pg_pool_take(pool, &c, &nested);
    line_leave(s->later);
    if (e.code)
        return e;
    e = write_on(s->later, c, begin, fn, arg);
    pg_pool_give(pool, c);
    return e;
}

err pg_write(void *engine, store_write_fn fn, void *arg)
{
    return write_now(engine, PG_BEGIN_WRITE, fn, arg);
}

err pg_write_claim(void *engine, store_write_fn fn, void *arg)
{
    return write_now(engine, PG_BEGIN_CLAIM, fn, arg);
}

err pg_read(void *engine, store_read_fn fn, void *arg)
{
    struct pg_engine *s = engine;
    struct pg_conn *c = NULL;
    bool nested = false;
    if (is_writing(s))
        return ERR(ERR_INTERNAL,
                   "store_read inside a write would not see the write (use store_tx_read)");
    TRY(pg_pool_take(s->readers, &c, &nested));
    if (nested)
        return fn(&c->read, arg);
    pg_conn_begin(c, PG_BEGIN_READ);
    err e = pg_conn_settle(c, fn(&c->read, arg));
    pg_conn_rollback(c);
    pg_pool_give(s->readers, c);
    return e;
}

/* ------------------------------------------------------------------ for later */

/* NULL: stop. */
static struct later_request *later_next(struct pg_later *l)
{
    pthread_mutex_lock(&l->lock);
    while (list_is_empty(&l->queue) && !l->is_stopping)
        pthread_cond_wait(&l->arrived, &l->lock);
    struct list_link *first = list_pop(&l->queue);
    if (first)
        l->queue_count--;
    pthread_mutex_unlock(&l->lock);
    return first ? LIST_ENTRY(first, struct later_request, link) : NULL;
}

static void *later_main(void *arg)
{
    struct pg_later *l = arg;
    struct pg_engine *s = l->engine;
    struct later_request *q;
    while ((q = later_next(l)) != NULL) {
        struct pg_conn *c = NULL;
        bool nested = false;
        err e = pg_pool_take(s->writers, &c, &nested);
        if (!e.code) {
            e = write_on(l, c, PG_BEGIN_WRITE, q->fn, q->arg);
            pg_pool_give(s->writers, c);
        }
        q->done(q->arg, e);
        free(q);
    }
    return NULL;
}

err pg_write_later(void *engine, store_write_fn fn, void *arg, void (*done)(void *, err))
{
    struct pg_engine *s = engine;
    struct later_request *q = calloc(1, sizeof *q);
    if (!q)
        return ERR(ERR_NO_MEMORY, "writing: out of memory");
    *q = (struct later_request){ .fn = fn, .arg = arg, .done = done };
    err e = line_enter(s->later, q);
    if (e.code)
        free(q);
    return e;
}

/* One that must run alone is not passed by for ever by those that need not. */
static void turns_init(pthread_rwlock_t *turns)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(turns, &attr);
    pthread_rwlockattr_destroy(&attr);
}

err pg_later_open(struct pg_engine *s, size_t queue_max, struct pg_later **ret_later)
{
    struct pg_later *l = calloc(1, sizeof *l);
    if (!l)
        return ERR(ERR_NO_MEMORY, "opening store '%s': out of memory", s->where);
    l->engine = s;
    l->queue_max = queue_max ? queue_max : QUEUE_DEFAULT;
    list_init(&l->queue);
    pthread_mutex_init(&l->lock, NULL);
    turns_init(&l->turns);
    thread_cond_init(&l->arrived);
    err e = thread_start(&l->thread, "store-later", later_main, l);
    if (e.code) {
        pthread_cond_destroy(&l->arrived);
        pthread_rwlock_destroy(&l->turns);
        pthread_mutex_destroy(&l->lock);
        free(l);
        return e;
    }
    *ret_later = l;
    return OK;
}

void pg_later_close(struct pg_later *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->is_stopping = true;
    pthread_cond_signal(&l->arrived);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->arrived);
    pthread_rwlock_destroy(&l->turns);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
