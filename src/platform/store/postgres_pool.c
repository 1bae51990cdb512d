/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections that are lent out, one a thread. Each is made when all before it are in use, so that
 * a quiet server keeps one or two.
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
static struct lent *lent_free(struct pg_pool *p)
{
    for (int i = 0; i < p->count; i++)
        if (!p->all[i].is_busy)
            return &p->all[i];
    return NULL;
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
    pthread_cond_signal(&p->given);
}

err pg_pool_take(struct pg_pool *p, struct pg_conn **ret_conn, bool *ret_nested)
{
    struct timespec deadline = clock_deadline(WAIT_MS);
    int waited = 0;
    pthread_mutex_lock(&p->lock);
    struct lent *x = lent_to_me(p);
    bool nested = x != NULL;
    while (!x && !(x = lent_free(p)) && !waited)
        waited = pthread_cond_timedwait(&p->given, &p->lock, &deadline);
    if (x && !nested) {
        x->owner = pthread_self();
        x->is_busy = true;
    }
    err e = !x || x->conn ? OK : pg_conn_new(p->engine, &x->conn); /* it does not connect yet */
    if (e.code)
        lent_release(p, x);
    pthread_mutex_unlock(&p->lock);
    TRY(e);
    if (!x)
        return ERR(ERR_BUSY, "all %d %s connections to %s were in use for %d s (try again)",
                   p->count, p->what, p->engine->where, WAIT_MS / 1000);
    x->conn->is_claimer = p == p->engine->claimers;
    *ret_conn = x->conn;
    *ret_nested = nested;
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
