/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keeper.c -- the one thread that watches the clock.
 *
 * While jobs run it wakes once a second: renews their leases, writes their progress, picks up
 * wishes from other processes and marks tries whose time is over. Otherwise it sleeps until the
 * earliest moment at which something becomes due: a retry, a job put off, a schedule, the end of a
 * lease. With nothing to come it sleeps on, and the store is not asked.
 */
#include "platform/jobs/jobs_internal.h"

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t beat_interval_ms(const struct jobs *j)
{
    int64_t third = j->options.lease_ms / 3;
    return third < JOBS_HEARTBEAT_MS ? third : JOBS_HEARTBEAT_MS;
}

void jobs_note_due(struct jobs *j, int64_t at_ms)
{
    pthread_mutex_lock(&j->lock);
    if (at_ms < j->due_ms) {
        j->due_ms = at_ms;
        j->keeper_is_poked = true;
        pthread_cond_signal(&j->keeper);
    }
    pthread_mutex_unlock(&j->lock);
}

void jobs_wake_locked(struct jobs *j)
{
    j->wake_count++;
    pthread_cond_broadcast(&j->work);
    pthread_cond_broadcast(&j->changed);
}

static void wake_workers(struct jobs *j)
{
    pthread_mutex_lock(&j->lock);
    jobs_wake_locked(j);
    pthread_mutex_unlock(&j->lock);
    jobs_changed(j);
}

/* The keeper looks, too: what was added may be put off. Told before the commit, it could look
 * before it, find nothing yet and sleep on. */
void jobs_wake(struct jobs *j)
{
    jobs_note_due(j, 0);
    wake_workers(j);
}

/* ------------------------------------------------------------------ heartbeat */

/* Copies what runs; the store is written without the lock. */
static size_t beats_collect(struct jobs *j, struct job_beat *beats)
{
    int64_t now_ns = clock_mono_ns();
    size_t count = 0;
    pthread_mutex_lock(&j->lock);
    for (struct list_link *x = j->running.head.next; x != &j->running.head; x = x->next) {
        struct job *job = LIST_ENTRY(x, struct job, link);
        struct job_beat *b = &beats[count++];
        *b = (struct job_beat){ .lease_no = job->lease_no };
        snprintf(b->id, sizeof(b->id), "%s", job->info.id);
        b->done = atomic_load(&job->done);
        b->total = atomic_load(&job->total);
        b->eta_s = job->eta_s = job_pace_update(&job->pace, now_ns, b->done, b->total);
        if (now_ns > job->deadline_ns)
            atomic_fetch_or(&job->flags, JOB_FLAG_TIMEOUT);
        /* Work that does not answer for a whole lease after its time is over is stuck: somebody
         * else may have the job. What it still writes under this lease is refused. */
        b->is_overdue = now_ns > job->deadline_ns + j->options.lease_ms * 1000000;
    }
    pthread_mutex_unlock(&j->lock);
    return count;
}

static void beat_apply(struct jobs *j, const struct job_beat *b)
{
    unsigned flags = 0;
    if (b->is_lost)
        flags = JOB_FLAG_LOST;
    else
        flags = (b->stop_wanted ? JOB_FLAG_STOP : 0u) | (b->pause_wanted ? JOB_FLAG_PAUSE : 0u);
    if (!flags)
        return;
    pthread_mutex_lock(&j->lock);
    for (struct list_link *x = j->running.head.next; x != &j->running.head; x = x->next) {
        struct job *job = LIST_ENTRY(x, struct job, link);
        if (job->lease_no == b->lease_no && str_eq(str_of(job->info.id), str_of(b->id)))
            atomic_fetch_or(&job->flags, flags);
    }
    pthread_mutex_unlock(&j->lock);
}

void jobs_flag(struct jobs *j, str id, unsigned set, unsigned clear)
{
    pthread_mutex_lock(&j->lock);
    for (struct list_link *x = j->running.head.next; x != &j->running.head; x = x->next) {
        struct job *job = LIST_ENTRY(x, struct job, link);
        if (!str_eq(str_of(job->info.id), id))
            continue;
        atomic_fetch_or(&job->flags, set);
        atomic_fetch_and(&job->flags, ~clear);
    }
    pthread_mutex_unlock(&j->lock);
}

static void heartbeat(struct jobs *j)
{
    struct job_beat beats[JOBS_RUNNING_MAX];
    size_t count = beats_collect(j, beats);
    if (!count)
        return;
    int64_t start_ns = clock_mono_ns();
    err e = job_beat_all(j, beats, count, clock_wall_ms());
    jobs_note_hang(j, start_ns);
    if (e.code) {
        jobs_store_failed(j, "jobs.heartbeat_failed", &e);
        return;
    }
    jobs_store_answered(j);
    for (size_t i = 0; i < count; i++)
        beat_apply(j, &beats[i]);
}

/* ------------------------------------------------------------------ looking into the store */

struct sight {
    int64_t next_ms; /* when to look again */
    bool has_work;   /* workers should look */
};

static err look_at_store(struct jobs *j, int64_t now_ms, struct sight *ret_sight)
{
    int64_t schedule_ms = INT64_MAX;
    struct jobs_due due;
    if (j->worker_count > 0)
        TRY(jobs_schedules_fire(j, now_ms, &schedule_ms));
    TRY(jobs_next_due(j, now_ms, &due));
    if (due.has_expired && jobs_is_after_trouble(j)) {
        due.has_expired = false;
        due.next_ms = sooner(due.next_ms, now_ms + JOBS_POLL_MS);
    } else if (due.has_expired) {
        size_t count = 0;
        TRY(jobs_reap(j, now_ms, STR_NONE, now_ms, &count));
    }
    ret_sight->has_work = due.has_work || due.has_expired;
    ret_sight->next_ms = schedule_ms < due.next_ms ? schedule_ms : due.next_ms;
    return OK;
}

static void look(struct jobs *j)
{
    int64_t now_ms = clock_wall_ms();
    pthread_mutex_lock(&j->lock);
    bool is_due = now_ms >= j->due_ms;
    if (is_due)
        j->due_ms = INT64_MAX; /* what is noted from here on counts beside what we find */
    pthread_mutex_unlock(&j->lock);
    if (!is_due)
        return;
    struct sight sight = { .next_ms = INT64_MAX };
    int64_t start_ns = clock_mono_ns();
    err e = look_at_store(j, now_ms, &sight);
    jobs_note_hang(j, start_ns);
    if (e.code) {
        jobs_store_failed(j, "jobs.look_failed", &e);
        sight.next_ms = now_ms + JOBS_POLL_MS;
    } else {
        jobs_store_answered(j);
    }
    if (!j->options.sole_worker && sight.next_ms > now_ms + JOBS_POLL_MS)
        sight.next_ms = now_ms + JOBS_POLL_MS;
    jobs_note_due(j, sight.next_ms);
    if (sight.has_work)
        wake_workers(j);
    else
        jobs_changed(j);
}

/* ------------------------------------------------------------------ what taken jobs leave */

void jobs_note_taken(struct jobs *j, size_t count)
{
    int64_t before = atomic_fetch_add(&j->taken, (int64_t)count);
    if (before >= j->sweep_after || before + (int64_t)count < j->sweep_after)
        return;
    pthread_mutex_lock(&j->lock);
    j->keeper_is_poked = true;
    pthread_cond_signal(&j->keeper);
    pthread_mutex_unlock(&j->lock);
}

static void sweep(struct jobs *j, int64_t *next_ns)
{
    int64_t start_ns = clock_mono_ns();
    if (start_ns < *next_ns || atomic_load(&j->taken) < j->sweep_after)
        return;
    atomic_store(&j->taken, 0);
    err e = store_sweep(j->options.store, "jobs_queue");
    if (!e.code)
        e = store_sweep(j->options.store, "jobs_held");
    if (e.code)
        jobs_store_failed(j, "jobs.sweep_failed", &e);
    int64_t end_ns = clock_mono_ns();
    *next_ns = end_ns + JOBS_SWEEP_SHARE * (end_ns - start_ns);
}

/* ------------------------------------------------------------------ our row among the workers */

static void announce(struct jobs *j, int64_t *next_ns)
{
    pthread_mutex_lock(&j->lock);
    bool is_due = j->worker_count && (j->must_announce || clock_mono_ns() >= *next_ns);
    j->must_announce = false;
    pthread_mutex_unlock(&j->lock);
    if (!is_due)
        return;
    err e = worker_announce(j, worker_state(j));
    if (e.code)
        jobs_store_failed(j, "jobs.announce_failed", &e);
    /* Every second after a failure: the others wait for a sign of life. */
    *next_ns = clock_mono_ns() +
               (e.code ? JOBS_POLL_MS : worker_beat_interval_ms(j)) * INT64_C(1000000);
}

void jobs_drain(struct jobs *j, bool is_wanted)
{
    atomic_store(&j->drains, is_wanted);
    pthread_mutex_lock(&j->lock);
    j->must_announce = true;
    j->keeper_is_poked = true;
    pthread_cond_signal(&j->keeper);
    jobs_wake_locked(j);
    pthread_mutex_unlock(&j->lock);
}

bool jobs_is_draining(const struct jobs *j)
{
    return atomic_load(&j->drains) || atomic_load(&j->is_told_to_drain);
}

/* ------------------------------------------------------------------ ticks for a command line */

static void tick(struct jobs *j)
{
    pthread_mutex_lock(&j->lock);
    struct job_ticker t = j->ticker;
    j->ticker.is_calling = t.is_set;
    pthread_mutex_unlock(&j->lock);
    if (!t.is_set)
        return;
    arena scratch;
    arena_init(&scratch, JOB_ARENA_BYTES);
    struct job_info info;
    err e = job_get(j, str_of(t.id), &scratch, &info);
    if (!e.code)
        t.fn(t.arg, &info);
    arena_deinit(&scratch);
    pthread_mutex_lock(&j->lock);
    j->ticker.is_calling = false;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

/* ------------------------------------------------------------------ the thread */

/* When each is to be done next, on the monotonic clock. */
struct rounds {
    int64_t beat_ns, tick_ns, sweep_ns, announce_ns;
};

/* Sleeps until the next beat, tick, sweep or due time. Returns false when the thread must end. */
static bool keeper_sleep(struct jobs *j, const struct rounds *next)
{
    pthread_mutex_lock(&j->lock);
    while (!j->keeper_must_end && !j->keeper_is_poked) {
        int64_t now_ns = clock_mono_ns(), now_ms = clock_wall_ms(), wait_ms = JOBS_SLEEP_MAX_MS;
        if (j->running_count)
            wait_ms = sooner(wait_ms, (next->beat_ns - now_ns) / 1000000 + 1);
        if (j->ticker.is_set)
            wait_ms = sooner(wait_ms, (next->tick_ns - now_ns) / 1000000 + 1);
        if (atomic_load(&j->taken) >= j->sweep_after)
            wait_ms = sooner(wait_ms, (next->sweep_ns - now_ns) / 1000000 + 1);
        if (j->due_ms < now_ms + wait_ms)
            wait_ms = j->due_ms - now_ms;
        if (wait_ms <= 0)
            break;
        struct timespec until = clock_deadline(wait_ms);
        if (pthread_cond_timedwait(&j->keeper, &j->lock, &until) != 0)
            break;
    }
    j->keeper_is_poked = false;
    bool goes_on = !j->keeper_must_end;
    pthread_mutex_unlock(&j->lock);
    return goes_on;
}

void *jobs_keeper_main(void *arg)
{
    struct jobs *j = arg;
    struct rounds next = { .announce_ns = clock_mono_ns() +
                                          worker_beat_interval_ms(j) * INT64_C(1000000) };
    while (keeper_sleep(j, &next)) {
        int64_t now_ns = clock_mono_ns();
        if (now_ns >= next.beat_ns) {
            /* Before looking: after a long sleep of the machine our own leases come first. */
            heartbeat(j);
            next.beat_ns = now_ns + beat_interval_ms(j) * 1000000;
        }
        if (now_ns >= next.tick_ns) {
            tick(j);
            next.tick_ns = now_ns + (int64_t)JOBS_TICK_MS * 1000000;
        }
        announce(j, &next.announce_ns);
        look(j);
        sweep(j, &next.sweep_ns);
    }
    return NULL;
}

err jobs_keeper_start(struct jobs *j)
{
    pthread_mutex_lock(&j->lock);
    bool must_start = !j->keeper_is_running;
    j->keeper_is_running = true;
    pthread_mutex_unlock(&j->lock);
    if (!must_start)
        return OK;
    err e = thread_start(&j->keeper_thread, "jobs-keeper", jobs_keeper_main, j);
    if (!e.code)
        return OK;
    pthread_mutex_lock(&j->lock);
    j->keeper_is_running = false;
    pthread_mutex_unlock(&j->lock);
    return e;
}
