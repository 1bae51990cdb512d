/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections that are lent out, one a thread. Each is made when all before it are in use, so that
 * a quiet server keeps one or two. Where the database lets in no more, those that are there go
 * round.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/thread.h"
#include "platform/store/postgres.h"

enum { COUNT_MAX = 256, WAIT_MS = 5000 };

struct lent {
    struct pg_conn *conn; /* NULL: not made yet */
    pthread_t owner;      /* while busy */
    bool is_busy;
    bool is_connected; /* when it was given back, or lent */
};

struct pg_pool {
    struct pg_engine *engine;
    const char *what; /* "read": for messages */
    pthread_mutex_t lock;
    pthread_cond_t given;
    int count;
    struct lent all[]; /* guarded by lock, but for what a busy one's owner does with conn */
};

err pg_pool_open(struct pg_engine *s, int count, const char *what, struct pg_pool **ret_pool)
{
    if (count < 1 || count > COUNT_MAX)
        return ERR(ERR_INVALID, "a store has 1 to %d %s connections, not %d", COUNT_MAX, what,
                   count);
    struct pg_pool *p = calloc(1, sizeof *p + (size_t)count * sizeof p->all[0]);
    if (!p)
        return ERR(ERR_NO_MEMORY, "opening store '%s': out of memory", s->where);
    p->engine = s;
    p->what = what;
    p->count = count;
    pthread_mutex_init(&p->lock, NULL);
    thread_cond_init(&p->given);
    *ret_pool = p;
    return OK;
}

void pg_pool_close(struct pg_pool *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->count; i++)
        pg_conn_free(p->all[i].conn);
    pthread_cond_destroy(&p->given);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* Under lock. */
static struct lent *lent_to_me(struct pg_pool *p)
{
    for (int i = 0; i < p->count; i++)
        if (p->all[i].is_busy && pthread_equal(p->all[i].owner, pthread_self()))
            return &p->all[i];
    return NULL;
}

/* Under lock. The first free one: those in front are connected and warm. */
static struct lent *lent_free(struct pg_pool *p, bool only_connected)
{
    for (int i = 0; i < p->count; i++)
        if (!p->all[i].is_busy && (!only_connected || p->all[i].is_connected))
            return &p->all[i];
    return NULL;
}

/* Under lock. */
static bool has_connected(struct pg_pool *p)
{
    for (int i = 0; i < p->count; i++)
        if (p->all[i].is_connected)
            return true;
    return false;
}

bool pg_pool_has_me(struct pg_pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool found = lent_to_me(p) != NULL;
    pthread_mutex_unlock(&p->lock);
    return found;
}

/* Under lock. */
static void lent_release(struct pg_pool *p, struct lent *x)
{
    x->is_busy = false;
    x->is_connected = x->conn && x->conn->pq;
    pthread_cond_broadcast(&p->given); /* not each of those that wait takes any */
}

/* Under lock, which it opens while it connects. */
static err lent_connect(struct pg_pool *p, struct lent *x)
{
    err e = x->conn ? OK : pg_conn_new(p->engine, &x->conn);
    if (e.code || x->conn->pq)
        return e;
    x->conn->is_claimer = p == p->engine->claimers;
    x->conn->is_reader = p == p->engine->readers;
    pthread_mutex_unlock(&p->lock);
    e = pg_conn_connect(x->conn);
    pthread_mutex_lock(&p->lock);
    return e;
}

static err in_use(const struct pg_pool *p)
{
    return ERR(ERR_BUSY, "all %d %s connections to %s were in use for %d s (try again)", p->count,
               p->what, p->engine->where, WAIT_MS / 1000);
}

/* Under lock. */
static err lend(struct pg_pool *p, struct lent **ret_lent)
{
    struct timespec deadline = clock_deadline(WAIT_MS);
    err refused = OK; /* why there are no more connections */
    for (int waited = 0;;) {
        struct lent *x = lent_free(p, refused.code != 0);
        if (x) {
            x->owner = pthread_self();
            x->is_busy = true;
            err e = lent_connect(p, x);
            x->is_connected = !e.code;
            if (!e.code) {
                *ret_lent = x;
                return OK;
            }
            lent_release(p, x);
            refused = e;
        }
        if (refused.code && !has_connected(p))
            return refused;
        if (waited)
            return refused.code ? refused : in_use(p);
        if (!lent_free(p, refused.code != 0))
            waited = pthread_cond_timedwait(&p->given, &p->lock, &deadline);
    }
}

err pg_pool_take(struct pg_pool *p, struct pg_conn **ret_conn, bool *ret_nested)
{
    pthread_mutex_lock(&p->lock);
    struct lent *x = lent_to_me(p);
    *ret_nested = x != NULL;
    err e = x ? OK : lend(p, &x);
    pthread_mutex_unlock(&p->lock);
    TRY(e);
    *ret_conn = x->conn;
    return OK;
}

void pg_pool_give(struct pg_pool *p, struct pg_conn *c)
{
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < p->count; i++)
        if (p->all[i].conn == c)
            lent_release(p, &p->all[i]);
    pthread_mutex_unlock(&p->lock);
}
