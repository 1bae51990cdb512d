/* SPDX-License-Identifier: GPL-3.0-or-later */
/* signals.c -- wake-ups and named locks. */
#include "platform/store/signals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"

/* How often a lock that another process holds is asked for. */
enum { ASK_AGAIN_MS = 50 };

struct store_lock {
    struct signals *signals;
    struct list_link link;
    char name[SIGNALS_NAME_BYTES];
};

void signals_init(struct signals *s, const struct store_backend *backend, void *engine)
{
    memset(s, 0, sizeof *s);
    s->backend = backend;
    s->engine = engine;
    pthread_mutex_init(&s->hearing, NULL);
    pthread_mutex_init(&s->lock, NULL);
    thread_cond_init(&s->unlocked);
    list_init(&s->held);
}

void signals_deinit(struct signals *s)
{
    pthread_cond_destroy(&s->unlocked);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->hearing);
}

/* ------------------------------------------------------------------ wake-ups */

/* The lock is held during the calls, so that nobody is called after signals_unlisten. */
static void heard(void *arg, const char *topic)
{
    struct signals *s = arg;
    pthread_mutex_lock(&s->hearing);
    for (size_t i = 0; i < SIGNALS_LISTENERS_MAX; i++) {
        const struct signals_listener *l = &s->listeners[i];
        if (l->topic && strcmp(l->topic, topic) == 0)
            l->fn(l->arg);
    }
    pthread_mutex_unlock(&s->hearing);
}

err signals_listen(struct signals *s, const char *topic, void (*fn)(void *arg), void *arg)
{
    struct signals_listener *free_place = NULL;
    pthread_mutex_lock(&s->hearing);
    for (size_t i = 0; i < SIGNALS_LISTENERS_MAX && !free_place; i++)
        if (!s->listeners[i].topic)
            free_place = &s->listeners[i];
    if (free_place)
        *free_place = (struct signals_listener){ topic, fn, arg };
    pthread_mutex_unlock(&s->hearing);
    if (!free_place)
        return ERR(ERR_INTERNAL, "listening to '%s': %d listen already", topic,
                   SIGNALS_LISTENERS_MAX);
    return s->backend->listen(s->engine, topic, heard, s);
}

void signals_unlisten(struct signals *s, void *arg)
{
    pthread_mutex_lock(&s->hearing);
    for (size_t i = 0; i < SIGNALS_LISTENERS_MAX; i++)
        if (s->listeners[i].topic && s->listeners[i].arg == arg)
            s->listeners[i] = (struct signals_listener){ 0 };
    pthread_mutex_unlock(&s->hearing);
}

/* ------------------------------------------------------------------ locks */

/* Under lock. */
static bool is_held(struct signals *s, const char *name)
{
    for (struct list_link *x = s->held.head.next; x != &s->held.head; x = x->next)
        if (strcmp(LIST_ENTRY(x, struct store_lock, link)->name, name) == 0)
            return true;
    return false;
}

static err lock_here(struct signals *s, struct store_lock *k, const struct timespec *deadline)
{
    int waited = 0;
    pthread_mutex_lock(&s->lock);
    while (is_held(s, k->name) && !waited)
        waited = pthread_cond_timedwait(&s->unlocked, &s->lock, deadline);
    bool is_free = !is_held(s, k->name);
    if (is_free)
        list_push(&s->held, &k->link);
    pthread_mutex_unlock(&s->lock);
    return is_free ? OK : ERR(ERR_BUSY, "lock '%s' is held by another thread (try again)", k->name);
}

static void unlock_here(struct store_lock *k)
{
    struct signals *s = k->signals;
    pthread_mutex_lock(&s->lock);
    list_remove(&k->link);
    pthread_cond_broadcast(&s->unlocked);
    pthread_mutex_unlock(&s->lock);
}

static err lock_everywhere(struct signals *s, const struct store_lock *k, int64_t until_ns)
{
    if (!s->backend->lock_try)
        return OK;
    for (;;) {
        bool is_taken = false;
        TRY(s->backend->lock_try(s->engine, k->name, &is_taken));
        if (is_taken)
            return OK;
        if (clock_mono_ns() >= until_ns)
            return ERR(ERR_BUSY, "lock '%s' is held by another process (try again)", k->name);
        clock_sleep_ms(ASK_AGAIN_MS);
    }
}

err signals_lock(struct signals *s, const char *name, int64_t timeout_ms,
                 struct store_lock **ret_lock)
{
    struct timespec deadline = clock_deadline(timeout_ms);
    int64_t until_ns = clock_mono_ns() + timeout_ms * 1000000;
    if (!name[0] || strlen(name) >= SIGNALS_NAME_BYTES)
        return ERR(ERR_INVALID, "a lock's name has 1 to %d bytes, not %zu", SIGNALS_NAME_BYTES - 1,
                   strlen(name));
    struct store_lock *k = calloc(1, sizeof *k);
    if (!k)
        return ERR(ERR_NO_MEMORY, "locking '%s': out of memory", name);
    k->signals = s;
    snprintf(k->name, sizeof k->name, "%s", name);
    err e = lock_here(s, k, &deadline);
    if (e.code) {
        free(k);
        return e;
    }
    e = lock_everywhere(s, k, until_ns);
    if (e.code) {
        unlock_here(k);
        free(k);
        return e;
    }
    *ret_lock = k;
    return OK;
}

void store_unlock(struct store_lock *k)
{
    if (!k)
        return;
    struct signals *s = k->signals;
    if (s->backend->lock_release) {
        /* A broken connection has released it already. */
        err e = s->backend->lock_release(s->engine, k->name);
        (void)e;
    }
    unlock_here(k);
    free(k);
}
