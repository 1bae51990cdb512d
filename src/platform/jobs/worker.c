/* SPDX-License-Identifier: GPL-3.0-or-later */
/* worker.c -- a job that was taken runs, and how it ended is stored.
 *
 * The same code serves the worker threads (crew.c) and a command line that works in its own thread.
 * Kinds may limit how many of them run at once in this process: before a claim, a place in every
 * kind that has one free is reserved; after it, the places that were not used are given back. So no
 * lock is held while the store works.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "platform/jobs/jobs_internal.h"

/* ------------------------------------------------------------------ what the work sees */

const char *job_id(const struct job *job)
{
    return job->info.id;
}

const struct job_kind *job_kind_of(const struct job *job)
{
    return job->kind;
}

str job_payload(const struct job *job)
{
    return job->info.payload;
}

int job_attempt(const struct job *job)
{
    return job->info.attempts;
}

const char *job_username(const struct job *job)
{
    return job->info.username.len ? job->info.username.ptr : "";
}

str job_cursor(const struct job *job)
{
    return job->info.cursor;
}

str job_run_id(const struct job *job)
{
    return job->run_id;
}

err job_check(struct job *job)
{
    unsigned flags = atomic_load_explicit(&job->flags, memory_order_relaxed);
    bool is_closing = atomic_load_explicit(&job->jobs->is_closing, memory_order_relaxed);
    if (!(flags & ~(unsigned)JOB_FLAG_TOLD) && !is_closing)
        return OK;
    if (flags & JOB_FLAG_LOST)
        return ERR(ERR_CONFLICT, "job %s was given to another worker", job->info.id);
    if ((flags & (JOB_FLAG_STOP | JOB_FLAG_PAUSE)) || is_closing) {
        atomic_fetch_or(&job->flags, JOB_FLAG_TOLD);
        return ERR(ERR_CANCELLED, "job %s was asked to %s", job->info.id,
                   flags & JOB_FLAG_STOP    ? "stop"
                   : flags & JOB_FLAG_PAUSE ? "pause"
                                            : "stop, because this process shuts down");
    }
    int timeout_s = job->kind->timeout_s > 0 ? job->kind->timeout_s : JOB_TIMEOUT_DEFAULT_S;
    return ERR(ERR_TIMEOUT, "job %s took longer than the %d s of one try", job->info.id, timeout_s);
}

bool job_is_lost(const struct job *job)
{
    return (atomic_load(&job->flags) & JOB_FLAG_LOST) != 0;
}

bool job_pause_wanted(const struct job *job)
{
    unsigned flags = atomic_load(&job->flags);
    if (flags & JOB_FLAG_STOP)
        return false;
    return (flags & JOB_FLAG_PAUSE) != 0 || atomic_load(&job->jobs->is_closing);
}

void job_progress(struct job *job, int64_t done, int64_t total)
{
    atomic_store_explicit(&job->done, done, memory_order_relaxed);
    atomic_store_explicit(&job->total, total, memory_order_relaxed);
}

void job_run_id_set(struct job *job, str run_id)
{
    str copy = arena_str(&job->mem, run_id);
    if (copy.ptr)
        job->run_id = copy;
}

void job_result_set(struct job *job, str json)
{
    job->is_result_refused = false;
    job->result = json.len > JOB_PAYLOAD_MAX ? STR_NONE : arena_str(&job->mem, json);
    if (json.len && !job->result.ptr)
        job->is_result_refused = true;
}

/* ------------------------------------------------------------------ places */

void job_places_take(struct jobs *j, int most, struct job_places *p)
{
    p->count = 0;
    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < j->kind_count; i++) {
        int max = j->kinds[i]->concurrent_max, room = most;
        if (max > 0 && room > max - j->running_by_kind[i])
            room = max - j->running_by_kind[i];
        if (!j->takes[i] || room <= 0)
            continue;
        if (max > 0)
            j->running_by_kind[i] += room;
        p->kinds[p->count] = j->kinds[i];
        p->rooms[p->count] = room;
        p->indexes[p->count++] = i;
    }
    pthread_mutex_unlock(&j->lock);
}

void job_places_return(struct jobs *j, const struct job_places *p, struct job *const *taken,
                       size_t count)
{
    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < p->count; i++)
        if (p->kinds[i]->concurrent_max > 0)
            j->running_by_kind[p->indexes[i]] -= p->rooms[i];
    for (size_t i = 0; i < count; i++)
        if (taken[i]->kind->concurrent_max > 0)
            j->running_by_kind[jobs_kind_index(j, taken[i]->kind)]++;
    if (count) {
        /* A worker that looked meanwhile may have seen a place taken that was only reserved. */
        jobs_wake_locked(j);
    }
    pthread_mutex_unlock(&j->lock);
}

static void place_leave(struct jobs *j, const struct job_kind *kind)
{
    pthread_mutex_lock(&j->lock);
    if (kind->concurrent_max > 0)
        j->running_by_kind[jobs_kind_index(j, kind)]--;
    jobs_wake_locked(j);
    pthread_mutex_unlock(&j->lock);
}

/* ------------------------------------------------------------------ one job */

err job_new(struct job **ret_job)
{
    struct job *job = calloc(1, sizeof(*job));
    if (!job)
        return ERR(ERR_NO_MEMORY, "no memory for taking a job");
    arena_init(&job->mem, JOB_ARENA_BYTES);
    *ret_job = job;
    return OK;
}

void job_free(struct job *job)
{
    if (job)
        arena_deinit(&job->mem);
    free(job);
}

void job_enter(struct jobs *j, struct job *job)
{
    int timeout_s = job->kind->timeout_s > 0 ? job->kind->timeout_s : JOB_TIMEOUT_DEFAULT_S;
    job->jobs = j;
    job->run_id = job->info.run_id;
    job->eta_s = -1;
    job->started_ns = clock_mono_ns();
    job->pace = (struct job_pace){
        .at_ns = job->started_ns,
        .done = job->info.done,
        .total = job->info.total,
        .rate = -1,
    };
    job->deadline_ns = job->started_ns + (int64_t)timeout_s * 1000000000;
    atomic_store(&job->done, job->info.done);
    atomic_store(&job->total, job->info.total);
    jobs_note_due(j, job_lease_end_ms(j, clock_wall_ms()) + 1);
    pthread_mutex_lock(&j->lock);
    list_push(&j->running, &job->link);
    j->running_count++;
    /* The keeper has heartbeats to give now. */
    j->keeper_is_poked = true;
    pthread_cond_signal(&j->keeper);
    pthread_mutex_unlock(&j->lock);
}

static void job_leave(struct jobs *j, struct job *job)
{
    pthread_mutex_lock(&j->lock);
    list_remove(&job->link);
    j->running_count--;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

/* The store may be busy or full: what was done is worth waiting for. Ends when it is stored, when
 * the lease is lost, or when this process shuts down; then the row stays running, and whoever opens
 * the store next puts it back with its cursor. */
static void job_finish_surely(struct jobs *j, struct job *job, const err *result)
{
    int64_t wait_ms = 50;
    while (true) {
        err e = job_finish(job, result, clock_wall_ms());
        if (!e.code)
            return;
        jobs_warn(j, e.code == ERR_CONFLICT ? "job.lease_lost" : "jobs.finish_failed", job->info.id,
                  &e);
        if (e.code == ERR_CONFLICT || atomic_load(&j->is_closing))
            return;
        jobs_note_trouble(j, &e);
        pthread_mutex_lock(&j->lock);
        struct timespec until = clock_deadline(wait_ms);
        while (!atomic_load(&j->is_closing) &&
               pthread_cond_timedwait(&j->work, &j->lock, &until) == 0) {
        }
        pthread_mutex_unlock(&j->lock);
        wait_ms = wait_ms < 5000 ? wait_ms * 2 : wait_ms;
    }
}

static void job_end(struct jobs *j, struct job *job, const err *result)
{
    job_finish_surely(j, job, result);
    job_leave(j, job);
    jobs_changed(j);
    if (result->code) /* a retry may have been put off: let the keeper look when it is due */
        jobs_note_due(j, 0);
    place_leave(j, job->kind);
}

void job_run(struct jobs *j, struct job *job)
{
    jobs_changed(j); /* job.started */
    err result = j->options.execute(j->options.arg, job, job->kind);
    job_end(j, job, &result);
}

void job_give_back(struct jobs *j, struct job *job)
{
    err result = ERR(ERR_CANCELLED, "this process shuts down");
    job_end(j, job, &result);
}

err jobs_work_once(struct jobs *j, str scope, bool *ret_worked)
{
    struct job *job = NULL;
    TRY(job_new(&job));
    struct job_places places;
    job_places_take(j, 1, &places);
    struct job_claim claim = {
        .kinds = places.kinds,
        .kind_count = places.count,
        .scope = scope,
        .now_ms = clock_wall_ms(),
    };
    bool is_claimed = false;
    err e = job_claim(j, &claim, job, &is_claimed);
    /* The keeper must know the job before its place is certain, or its lease would not be renewed.
     */
    if (!e.code && is_claimed)
        job_enter(j, job);
    job_places_return(j, &places, &job, !e.code && is_claimed);
    if (!e.code && is_claimed)
        job_run(j, job);
    job_free(job);
    if (e.code)
        return e;
    *ret_worked = is_claimed;
    return OK;
}

/* ------------------------------------------------------------------ the command line */

static err ticker_set(struct jobs *j, str id, void (*tick)(void *arg, const struct job_info *info),
                      void *tick_arg)
{
    if (!tick)
        return OK;
    err e = OK;
    pthread_mutex_lock(&j->lock);
    if (j->ticker.is_set) {
        e = ERR(ERR_CONFLICT, "another thread is waiting with a progress display already");
    } else {
        j->ticker = (struct job_ticker){ .fn = tick, .arg = tick_arg, .is_set = true };
        snprintf(j->ticker.id, sizeof(j->ticker.id), "%.*s", STR_ARG(id));
        j->keeper_is_poked = true;
        pthread_cond_signal(&j->keeper);
    }
    pthread_mutex_unlock(&j->lock);
    return e;
}

/* No tick is running, and none comes, when this returns. */
static void ticker_clear(struct jobs *j)
{
    pthread_mutex_lock(&j->lock);
    j->ticker.is_set = false;
    while (j->ticker.is_calling)
        pthread_cond_wait(&j->changed, &j->lock);
    pthread_mutex_unlock(&j->lock);
}

static err run_until_loop(struct jobs *j, str id)
{
    while (true) {
        pthread_mutex_lock(&j->lock);
        uint64_t seen = j->wake_count + j->change_count;
        pthread_mutex_unlock(&j->lock);
        arena scratch;
        arena_init(&scratch, JOB_ARENA_BYTES);
        struct job_info info;
        err e = job_get(j, id, &scratch, &info);
        arena_deinit(&scratch);
        if (e.code)
            return e;
        if (job_state_is_finished(info.state) || info.state == JOB_PAUSED)
            return OK;
        if (atomic_load(&j->is_closing))
            return ERR(ERR_CANCELLED, "this process is shutting down");
        bool worked = false;
        TRY(jobs_work_once(j, id, &worked));
        if (worked)
            continue;
        /* It waits for a backoff, for its start time, or for a worker elsewhere. */
        struct timespec until = clock_deadline(JOBS_POLL_MS);
        pthread_mutex_lock(&j->lock);
        if (j->wake_count + j->change_count == seen)
            pthread_cond_timedwait(&j->changed, &j->lock, &until);
        pthread_mutex_unlock(&j->lock);
    }
}

err jobs_run_until(struct jobs *j, str id, void (*tick)(void *arg, const struct job_info *info),
                   void *tick_arg, arena *keep, struct job_info *ret_info)
{
    assert(j->options.execute);
    TRY(jobs_keeper_start(j));
    TRY(ticker_set(j, id, tick, tick_arg));
    err e = run_until_loop(j, id);
    if (tick)
        ticker_clear(j);
    jobs_tell_now(j);
    return e.code ? e : job_get(j, id, keep, ret_info);
}
