/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/thread.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void thread_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

enum { THREAD_STACK_BYTES = 512 * 1024 };

err thread_start(pthread_t *ret_thread, const char *name, void *(*fn)(void *arg), void *arg)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    /* Signals are for the main thread, which waits for them; but not those that the thread's own
     * mistakes raise: blocked, they would end the process without its handlers (jobs/crash.c). */
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < COUNT_OF(own); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int failed = pthread_create(&thread, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (failed)
        return ERR(ERR_NO_MEMORY, "starting thread '%s': %s", name, strerrordesc_np(failed));
    char shortened[16];
    snprintf(shortened, sizeof shortened, "%s", name);
    pthread_setname_np(thread, shortened);
    *ret_thread = thread;
    return OK;
}

int thread_core_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}

struct task {
    void (*fn)(void *arg);
    void *arg;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;            /* a task came, or the pool is closing */
    struct task *queue;             /* guarded by lock: ring of queue_max */
    size_t queue_max, first, count; /* guarded by lock */
    bool closing;                   /* guarded by lock */
    pthread_t *threads;
    int thread_count;
};

static void *pool_worker(void *arg)
{
    struct pool *p = arg;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (p->count == 0 && !p->closing)
            pthread_cond_wait(&p->work, &p->lock);
        if (p->count == 0) {
            pthread_mutex_unlock(&p->lock);
            return NULL;
        }
        struct task task = p->queue[p->first];
        p->first = (p->first + 1) % p->queue_max;
        p->count--;
        pthread_mutex_unlock(&p->lock);
        task.fn(task.arg);
    }
}

err pool_open(const char *name, int threads, size_t queue_max, struct pool **ret_pool)
{
    if (threads < 1 || queue_max < 1)
        return ERR(ERR_INVALID, "pool '%s' needs at least one thread and one place in its queue",
                   name);
    struct pool *p = calloc(1, sizeof *p);
    if (!p)
        return ERR(ERR_NO_MEMORY, "no memory for pool '%s'", name);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    p->queue_max = queue_max;
    p->queue = calloc(queue_max, sizeof *p->queue);
    p->threads = calloc((size_t)threads, sizeof *p->threads);
    err e = p->queue && p->threads ? OK : ERR(ERR_NO_MEMORY, "no memory for pool '%s'", name);
    while (!e.code && p->thread_count < threads) {
        e = thread_start(&p->threads[p->thread_count], name, pool_worker, p);
        if (!e.code)
            p->thread_count++;
    }
    if (e.code) {
        pool_close(p);
        return e;
    }
    *ret_pool = p;
    return OK;
}

err pool_submit(struct pool *p, void (*fn)(void *arg), void *arg)
{
    err e = OK;
    pthread_mutex_lock(&p->lock);
    if (p->closing) {
        e = ERR(ERR_CANCELLED, "the program is shutting down");
    } else if (p->count == p->queue_max) {
        e = ERR(ERR_BUSY, "%zu tasks are waiting already: try again later", p->queue_max);
    } else {
        p->queue[(p->first + p->count) % p->queue_max] = (struct task){ fn, arg };
        p->count++;
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    return e;
}

size_t pool_waiting(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    size_t count = p->count;
    pthread_mutex_unlock(&p->lock);
    return count;
}

/* Shared by the caller and the workers of one pool_each. Lives on the caller's stack: the caller
 * leaves only when every helper has left (helpers is 0). */
struct each {
    void (*fn)(void *arg, size_t index);
    void *arg;
    size_t count;
    atomic_size_t next;
    pthread_mutex_t lock;
    pthread_cond_t left;
    int helpers; /* guarded by lock */
};

static void each_work(struct each *each)
{
    size_t index;
    while ((index = atomic_fetch_add(&each->next, 1)) < each->count)
        each->fn(each->arg, index);
}

static void each_helper(void *arg)
{
    struct each *each = arg;
    each_work(each);
    pthread_mutex_lock(&each->lock);
    each->helpers--;
    pthread_cond_signal(&each->left);
    pthread_mutex_unlock(&each->lock);
}

/* Takes back the helpers of `each` that no worker has begun: the caller does not wait behind other
 * people's tasks, and a pool_each inside a pool task cannot lock the pool up. */
static int withdraw_helpers(struct pool *p, const struct each *each)
{
    pthread_mutex_lock(&p->lock);
    size_t kept = 0;
    int withdrawn = 0;
    for (size_t i = 0; i < p->count; i++) {
        struct task task = p->queue[(p->first + i) % p->queue_max];
        if (task.arg == each)
            withdrawn++;
        else
            p->queue[(p->first + kept++) % p->queue_max] = task;
    }
    p->count = kept;
    pthread_mutex_unlock(&p->lock);
    return withdrawn;
}

void pool_each(struct pool *p, size_t count, void (*fn)(void *arg, size_t index), void *arg)
{
    struct each each = { .fn = fn, .arg = arg, .count = count };
    atomic_init(&each.next, 0);
    pthread_mutex_init(&each.lock, NULL);
    pthread_cond_init(&each.left, NULL);

    /* The caller is one of the workers, so one helper less than there are threads is enough. A full
     * queue is no failure: the caller then does more itself. */
    int wanted = p ? p->thread_count - 1 : 0;
    for (int i = 0; i < wanted && (size_t)i + 1 < count; i++) {
        pthread_mutex_lock(&each.lock);
        each.helpers++;
        pthread_mutex_unlock(&each.lock);
        err e = pool_submit(p, each_helper, &each);
        if (e.code) {
            pthread_mutex_lock(&each.lock);
            each.helpers--;
            pthread_mutex_unlock(&each.lock);
            break;
        }
    }
    each_work(&each);
    int withdrawn = p ? withdraw_helpers(p, &each) : 0;
    pthread_mutex_lock(&each.lock);
    each.helpers -= withdrawn;
    while (each.helpers > 0)
        pthread_cond_wait(&each.left, &each.lock);
    pthread_mutex_unlock(&each.lock);
    pthread_cond_destroy(&each.left);
    pthread_mutex_destroy(&each.lock);
}

void pool_close(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->thread_count; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p->queue);
    free(p->threads);
    free(p);
}
