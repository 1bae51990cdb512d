/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_follow.c -- one thread that brings what this process keeps in memory to what another
 * process wrote into the store: models that serve, and API keys.
 *
 * It looks when the store tells that an alias moved, and every few seconds besides where a store is
 * shared: wake-ups are lost with the connection that they come through, and a connection may be
 * dead for half a minute before anybody notices.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "platform/app/house_private.h"

enum {
    POLL_MS = 2000,
    /* Keys are told by their own wake-up: this is how long a revoked one may live without it. */
    KEYS_MS = 10000,
};

void house_follow_init(struct house *h)
{
    pthread_rwlock_init(&h->follow.promoting, NULL);
    pthread_mutex_init(&h->follow.lock, NULL);
    thread_cond_init(&h->follow.wake);
}

static void heard_of_move(void *arg)
{
    struct house_follow *f = arg;
    pthread_mutex_lock(&f->lock);
    f->is_moved = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
}

/* False: the end. */
static bool wait_for_turn(struct house *h)
{
    struct house_follow *f = &h->follow;
    struct timespec deadline = clock_deadline(POLL_MS);
    int waited = 0;
    pthread_mutex_lock(&f->lock);
    while (!f->is_stopping && !f->is_moved && !waited) {
        if (store_is_shared(h->store))
            waited = pthread_cond_timedwait(&f->wake, &f->lock, &deadline);
        else
            pthread_cond_wait(&f->wake, &f->lock);
    }
    f->is_moved = false;
    bool goes_on = !f->is_stopping;
    pthread_mutex_unlock(&f->lock);
    return goes_on;
}

/* Not while this process promotes: it loads what it moved the alias to itself, and takes that back
 * when it cannot. */
static err follow_apps(struct house *h)
{
    err first = OK;
    pthread_rwlock_wrlock(&h->follow.promoting);
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->follow)
            first = err_first(
                first, err_wrap(h->apps[i]->follow(h, h->states[i]), "app %s", h->apps[i]->name));
    pthread_rwlock_unlock(&h->follow.promoting);
    return first;
}

static void *follow_main(void *arg)
{
    struct house *h = arg;
    int64_t keys_ns = clock_mono_ns();
    bool was_bad = false;
    while (wait_for_turn(h)) {
        int64_t now = clock_mono_ns();
        err e = follow_apps(h);
        if (store_is_shared(h->store) && now - keys_ns >= KEYS_MS * INT64_C(1000000)) {
            e = err_first(e, auth_follow(h->auth));
            keys_ns = now;
        }
        if (e.code && !was_bad) /* once, however long the store is away */
            log_error(h->log, NULL, "house.follow_failed", &e);
        was_bad = e.code != ERR_NONE;
    }
    return NULL;
}

err house_follow_start(struct house *h)
{
    TRY(store_listen(h->store, MODEL_ALIAS_TOPIC, heard_of_move, &h->follow));
    err e = thread_start(&h->follow.thread, "follow", follow_main, h);
    if (e.code)
        store_unlisten(h->store, &h->follow);
    h->follow.is_started = !e.code;
    return e;
}

void house_follow_stop(struct house *h)
{
    struct house_follow *f = &h->follow;
    if (!f->is_started)
        return;
    store_unlisten(h->store, f);
    pthread_mutex_lock(&f->lock);
    f->is_stopping = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    f->is_started = false;
}

void house_follow_deinit(struct house *h)
{
    pthread_cond_destroy(&h->follow.wake);
    pthread_mutex_destroy(&h->follow.lock);
    pthread_rwlock_destroy(&h->follow.promoting);
}
