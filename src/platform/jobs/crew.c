/* SPDX-License-Identifier: GPL-3.0-or-later */
/* crew.c -- the threads that work: take jobs, run them, take the next.
 *
 * When some sleep and there is news, one of them looks for all: it takes as many jobs as threads
 * sleep, and hands them out, so that ten jobs for ten threads are one claim and not ten. Meanwhile
 * the others sleep on; what is handed out finds a thread free for it. A thread that comes from its
 * work takes one for itself.
 */
#include <string.h>

#include "platform/jobs/jobs_internal.h"

/* What a thread does next. */
struct turn {
    struct job *job;       /* handed to it; NULL: to look */
    size_t places;         /* for how many threads it looks, itself included */
    bool is_for_others;    /* they wait for it */
    uint64_t seen;         /* wake-ups before it looked */
    bool was_in_vain;      /* the last look found nothing: sleep */
    enum err_code trouble; /* or failed: sleep whatever happens */
};

/* Is there reason to sleep on? With the lock held. */
static bool must_sleep(const struct jobs *j, const struct turn *t, bool is_over)
{
    if (atomic_load(&j->is_closing) || !list_is_empty(&j->handed))
        return false;
    return j->is_taking || (!is_over && (t->trouble || j->wake_count == t->seen));
}

/* Until something may have become due, a job is handed to it, or shutdown. With the lock held. */
static void sleep_locked(struct jobs *j, const struct turn *t)
{
    struct timespec until = clock_deadline(t->trouble ? JOBS_POLL_MS : JOBS_SLEEP_MAX_MS);
    bool is_over = false;
    j->idle_count++;
    while (must_sleep(j, t, is_over)) {
        if (is_over) /* who takes jobs for us will wake us */
            pthread_cond_wait(&j->work, &j->lock);
        else
            is_over = pthread_cond_timedwait(&j->work, &j->lock, &until) != 0;
    }
    j->idle_count--;
}

/* Returns false when the thread must end. */
static bool turn_wait(struct jobs *j, struct turn *t)
{
    pthread_mutex_lock(&j->lock);
    if (t->was_in_vain)
        sleep_locked(j, t);
    bool goes_on = !atomic_load(&j->is_closing);
    struct list_link *first = goes_on && t->was_in_vain ? list_pop(&j->handed) : NULL;
    *t = (struct turn){ .places = 1, .seen = j->wake_count };
    if (first) {
        t->job = LIST_ENTRY(first, struct job, hand);
    } else if (goes_on && !j->is_taking) {
        j->is_taking = t->is_for_others = true;
        t->places += j->idle_count;
    }
    pthread_mutex_unlock(&j->lock);
    return goes_on;
}

/* Jobs that nobody is left to run. */
static void hand_back(struct jobs *j)
{
    while (true) {
        pthread_mutex_lock(&j->lock);
        struct list_link *first = list_pop(&j->handed);
        pthread_mutex_unlock(&j->lock);
        if (!first)
            return;
        struct job *job = LIST_ENTRY(first, struct job, hand);
        job_give_back(j, job);
        job_free(job);
    }
}

/* The first is this thread's, the others are for those that slept. */
static void hand_out(struct jobs *j, const struct turn *t, struct job *const *taken,
                     const struct job_claimed *claimed)
{
    pthread_mutex_lock(&j->lock);
    for (size_t i = 1; i < claimed->count; i++)
        list_push(&j->handed, &taken[i]->hand);
    if (t->is_for_others)
        j->is_taking = false;
    if (claimed->has_more) /* there may be others behind those that were passed over */
        j->wake_count++;
    pthread_cond_broadcast(&j->work);
    pthread_mutex_unlock(&j->lock);
    if (atomic_load(&j->is_closing))
        hand_back(j);
}

static err take(struct jobs *j, struct turn *t, struct job **jobs, struct job_claimed *ret_claimed)
{
    struct job_places places;
    *ret_claimed = (struct job_claimed){ 0 };
    for (size_t i = 0; i < t->places; i++)
        TRY(job_new(&jobs[i]));
    job_places_take(j, (int)t->places, &places);
    struct job_claim claim = {
        .kinds = places.kinds,
        .rooms = places.rooms,
        .kind_count = places.count,
        .now_ms = clock_wall_ms(),
    };
    err e = job_claim_several(j, &claim, jobs, t->places, ret_claimed);
    if (ret_claimed->count) /* before anybody can see that they run */
        jobs_count_claim(j);
    /* The keeper must know them before their places are certain, or their leases would not be
     * renewed. */
    for (size_t i = 0; i < ret_claimed->count; i++)
        job_enter(j, jobs[i]);
    job_places_return(j, &places, jobs, ret_claimed->count);
    return e;
}

static void look(struct jobs *j, struct turn *t)
{
    struct job *jobs[JOBS_CLAIM_MAX] = { NULL };
    struct job_claimed claimed = { 0 };
    err e = jobs_is_draining(j) ? OK : take(j, t, jobs, &claimed);
    if (e.code)
        jobs_store_failed(j, "jobs.claim_failed", &e);
    else if (claimed.count)
        jobs_store_answered(j);
    hand_out(j, t, jobs, &claimed);
    if (claimed.count)
        job_run(j, jobs[0]);
    job_free(jobs[0]);
    for (size_t i = claimed.count > 1 ? claimed.count : 1; i < t->places; i++)
        job_free(jobs[i]);
    t->was_in_vain = !claimed.count;
    t->trouble = e.code;
}

void *jobs_worker_main(void *arg)
{
    struct jobs *j = arg;
    struct turn t = { 0 };
    while (turn_wait(j, &t)) {
        if (t.job)
            job_run(j, t.job);
        else
            look(j, &t);
        job_free(t.job);
    }
    hand_back(j);
    return NULL;
}
