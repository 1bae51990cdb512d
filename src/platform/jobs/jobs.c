/* SPDX-License-Identifier: GPL-3.0-or-later */
/* jobs.c -- opening, starting and closing; the table of kinds. */
#include <stdlib.h>
#include <string.h>

#include "platform/jobs/jobs_internal.h"

const struct job_kind *jobs_kind(const struct jobs *j, str name)
{
    for (size_t i = 0; i < j->kind_count; i++) {
        if (str_eq(str_of(j->kinds[i]->name), name))
            return j->kinds[i];
    }
    return NULL;
}

size_t jobs_kind_index(const struct jobs *j, const struct job_kind *kind)
{
    size_t i = 0;
    while (j->kinds[i] != kind)
        i++;
    return i;
}

static err kinds_collect(struct jobs *j, const struct job_kind *const *tables, size_t table_count)
{
    for (size_t t = 0; t < table_count; t++) {
        for (const struct job_kind *k = tables[t]; k && k->name; k++) {
            if (j->kind_count == JOBS_KINDS_MAX)
                return ERR(ERR_TOO_BIG, "at most %d job kinds are possible", JOBS_KINDS_MAX);
            if (strlen(k->name) >= sizeof(((struct job_info *)0)->kind))
                return ERR(ERR_INVALID, "the name of job kind '%s' is too long", k->name);
            if (jobs_kind(j, str_of(k->name)))
                return ERR(ERR_CONFLICT, "job kind '%s' is declared twice", k->name);
            j->kinds[j->kind_count++] = k;
        }
    }
    return OK;
}

static void options_fill(struct jobs *j, const struct jobs_options *options)
{
    j->options = *options;
    if (j->options.lease_ms <= 0)
        j->options.lease_ms = JOB_LEASE_DEFAULT_MS;
    if (j->options.retry_base_ms <= 0)
        j->options.retry_base_ms = JOB_RETRY_BASE_MS;
    if (j->options.pending_max <= 0)
        j->options.pending_max = JOB_PENDING_MAX;
    j->sweep_after = JOBS_SWEEP_AFTER;
    process_name(options->worker ? options->worker : "local", j->worker);
    j->options.worker = j->worker;
}

static void tell_crash(void *arg, const char *worker, int signal_number)
{
    struct jobs *j = arg;
    log_event(j->options.log, LOG_WARN, NULL, "process.crashed",
              "an earlier process ended by a fatal signal", F_CSTR("worker", worker),
              F_INT("signal", signal_number));
}

/* Jobs whose process is known to be dead go on at once; for others we must wait for their leases.
 */
static err leases_drop(struct jobs *j)
{
    size_t count = 0;
    err e = j->options.sole_worker ? jobs_reap(j, INT64_MAX, STR_NONE, clock_wall_ms(), &count)
                                   : jobs_reap_dead(j, clock_wall_ms());
    if (!e.code)
        jobs_changed(j);
    /* All that a note was needed for has been put back. */
    if (!e.code && j->options.crash_folder)
        e = crash_notes_sweep(j->options.crash_folder, str_of(j->worker), tell_crash, j);
    return e;
}

err jobs_open(const struct jobs_options *options, const struct job_kind *const *tables,
              size_t table_count, struct jobs **ret_jobs)
{
    struct jobs *j = calloc(1, sizeof(*j));
    if (!j)
        return ERR(ERR_NO_MEMORY, "no memory for the job queue");
    pthread_mutex_init(&j->lock, NULL);
    thread_cond_init(&j->work);
    thread_cond_init(&j->changed);
    thread_cond_init(&j->keeper);
    list_init(&j->running);
    list_init(&j->handed);
    options_fill(j, options);
    err e = kinds_collect(j, tables, table_count);
    if (!e.code)
        e = takes_decide(j);
    if (!e.code && j->options.crash_folder)
        e = crash_notes_open(j->options.crash_folder, j->worker);
    if (!e.code)
        e = store_migrate(j->options.store, "jobs", jobs_migrations);
    if (!e.code)
        e = jobs_events_start(j);
    if (!e.code)
        e = leases_drop(j);
    if (e.code) {
        jobs_close(j, 0);
        return e;
    }
    *ret_jobs = j;
    return OK;
}

/* Somebody queued a job, perhaps in another process. */
static void heard_of_work(void *arg)
{
    jobs_note_due(arg, clock_wall_ms() + JOBS_HEARD_MS);
}

/* Somebody wants a worker to drain, perhaps us. */
static void heard_of_wishes(void *arg)
{
    struct jobs *j = arg;
    pthread_mutex_lock(&j->lock);
    j->must_announce = true;
    j->keeper_is_poked = true;
    pthread_cond_signal(&j->keeper);
    pthread_mutex_unlock(&j->lock);
}

err jobs_start(struct jobs *j, int workers)
{
    if (workers < 1 || workers > JOBS_WORKERS_MAX)
        return ERR(ERR_INVALID, "%d job workers: from 1 to %d are possible", workers,
                   JOBS_WORKERS_MAX);
    if (j->worker_count)
        return ERR(ERR_CONFLICT, "the job workers run already");
    for (int i = 0; i < workers; i++) {
        char name[16];
        snprintf(name, sizeof(name), "job-%d", i);
        TRY(thread_start(&j->workers[i], name, jobs_worker_main, j));
        j->worker_count = i + 1;
    }
    TRY(worker_announce(j, "active"));
    TRY(jobs_keeper_start(j));
    jobs_note_due(j, 0);
    /* Within one process jobs_wake is enough. */
    if (!j->options.sole_worker && store_is_shared(j->options.store))
        TRY(store_listen(j->options.store, JOBS_TOPIC, heard_of_work, j));
    return store_listen(j->options.store, WORKERS_TOPIC, heard_of_wishes, j);
}

size_t jobs_running_count(struct jobs *j)
{
    pthread_mutex_lock(&j->lock);
    size_t count = j->running_count;
    pthread_mutex_unlock(&j->lock);
    return count;
}

/* Waits until no job runs here, at most wait_ms. */
static bool wait_idle(struct jobs *j, int64_t wait_ms)
{
    struct timespec until = clock_deadline(wait_ms);
    pthread_mutex_lock(&j->lock);
    while (j->running_count && pthread_cond_timedwait(&j->changed, &j->lock, &until) == 0) {
    }
    bool is_idle = !j->running_count;
    pthread_mutex_unlock(&j->lock);
    return is_idle;
}

static void warn_of_slow_jobs(struct jobs *j)
{
    struct job_beat slow[JOBS_RUNNING_MAX];
    size_t count = 0;
    pthread_mutex_lock(&j->lock);
    for (struct list_link *x = j->running.head.next; x != &j->running.head; x = x->next)
        snprintf(slow[count++].id, UUID_BYTES, "%s", LIST_ENTRY(x, struct job, link)->info.id);
    pthread_mutex_unlock(&j->lock);
    for (size_t i = 0; i < count; i++) {
        err e = ERR(
            ERR_TIMEOUT,
            "it was asked to stop, but does not answer (it must call its check at "
            "least every 100 ms); killing this process is safe: the job goes on at next start");
        jobs_warn(j, "jobs.slow_stop", slow[i].id, &e);
    }
}

void jobs_close(struct jobs *j, int64_t drain_ms)
{
    if (!j)
        return;
    store_unlisten(j->options.store, j);
    atomic_store(&j->is_closing, true);
    pthread_mutex_lock(&j->lock);
    jobs_wake_locked(j);
    pthread_mutex_unlock(&j->lock);
    if (!wait_idle(j, drain_ms))
        warn_of_slow_jobs(j);
    for (int i = 0; i < j->worker_count; i++)
        pthread_join(j->workers[i], NULL);
    /* The keeper ends last: until then leases are renewed. */
    pthread_mutex_lock(&j->lock);
    j->keeper_must_end = true;
    pthread_cond_signal(&j->keeper);
    pthread_mutex_unlock(&j->lock);
    if (j->keeper_is_running)
        pthread_join(j->keeper_thread, NULL);
    err e = j->worker_count ? worker_announce(j, "gone") : OK;
    if (e.code) /* its row falls silent instead */
        jobs_warn(j, "jobs.farewell_failed", NULL, &e);
    if (j->options.crash_folder)
        crash_notes_close();
    pthread_cond_destroy(&j->work);
    pthread_cond_destroy(&j->changed);
    pthread_cond_destroy(&j->keeper);
    pthread_mutex_destroy(&j->lock);
    free(j);
}
