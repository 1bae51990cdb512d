/* SPDX-License-Identifier: GPL-3.0-or-later */
/* control.c -- looking at jobs, and telling them what to do.
 *
 * A wish (stop, pause) for a job that nobody runs takes effect at once. For one that runs it is
 * noted in its row and, when it runs in this process, in its flags; the worker that holds the lease
 * carries it out when the work answers. A worker in another process sees it with its next
 * heartbeat.
 */
#include "platform/jobs/jobs_internal.h"

/* ------------------------------------------------------------------ reading */

struct get_read {
    str id, run_id;
    arena *keep;
    struct job_info info;
};

static err get_query(struct store_read *rd, void *arg)
{
    struct get_read *g = arg;
    if (g->id.len)
        return job_row_get(rd, g->id, g->keep, &g->info);
    str id = STR_NONE;
    err e = store_get_text(rd, "SELECT id FROM jobs WHERE run_id = ?1", ARGS(sql_text(g->run_id)),
                           g->keep, &id);
    if (e.code == ERR_NOT_FOUND)
        return ERR(ERR_NOT_FOUND, "no job belongs to run '%.*s'", STR_ARG(g->run_id));
    if (e.code)
        return e;
    return job_row_get(rd, id, g->keep, &g->info);
}

void job_progress_freshen(struct jobs *j, struct job_info *info)
{
    if (info->state != JOB_RUNNING)
        return;
    pthread_mutex_lock(&j->lock);
    for (struct list_link *x = j->running.head.next; x != &j->running.head; x = x->next) {
        struct job *job = LIST_ENTRY(x, struct job, link);
        if (!str_eq(str_of(job->info.id), str_of(info->id)) ||
            (atomic_load(&job->flags) & JOB_FLAG_LOST))
            continue;
        info->done = atomic_load(&job->done);
        info->total = atomic_load(&job->total);
        info->eta_s = job->eta_s;
    }
    pthread_mutex_unlock(&j->lock);
}

static err get(struct jobs *j, struct get_read *g, struct job_info *ret_info)
{
    TRY(store_read(j->options.store, get_query, g));
    job_progress_freshen(j, &g->info);
    *ret_info = g->info;
    return OK;
}

err job_get(struct jobs *j, str id, arena *keep, struct job_info *ret_info)
{
    if (!id.len)
        return ERR(ERR_NOT_FOUND, "there is no job without an id");
    struct get_read g = { .id = id, .keep = keep };
    return get(j, &g, ret_info);
}

err job_get_by_run(struct jobs *j, str run_id, arena *keep, struct job_info *ret_info)
{
    struct get_read g = { .run_id = run_id, .keep = keep };
    return get(j, &g, ret_info);
}

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

struct list_read {
    const struct job_filter *filter;
    int64_t limit;
    arena *keep;
    struct job_info *infos;
    size_t count;
};

static err list_query(struct store_read *rd, void *arg)
{
    struct list_read *l = arg;
    const struct job_filter *f = l->filter;
    l->count = 0;
    l->infos = NEW_ARRAY(l->keep, struct job_info, (size_t)l->limit);
    ARENA_TRY(l->infos);
    bool is_active = str_eq(f->state, STR("active"));
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT " JOB_COLUMNS " FROM jobs WHERE (?1 IS NULL OR kind = ?1) "
                    "AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR username = ?3) "
                    "AND (?4 = 0 OR state IN ('waiting', 'queued', 'running', 'paused')) "
                    "ORDER BY job_no DESC LIMIT ?5 OFFSET ?6",
                    ARGS(sql_text_opt(f->kind), sql_text_opt(is_active ? STR_NONE : f->state),
                         sql_text_opt(f->username), sql_int(is_active), sql_int(l->limit),
                         sql_int(f->offset > 0 ? f->offset : 0)),
                    &rows));
    err e = OK;
    while (!e.code && l->count < (size_t)l->limit && store_next(rows)) {
        e = job_row_read(rows, l->keep, &l->infos[l->count]);
        if (!e.code)
            l->count++;
    }
    return err_first(e, store_rows_close(rows));
}

err job_list(struct jobs *j, const struct job_filter *filter, arena *keep,
             struct job_info **ret_infos, size_t *ret_count)
{
    enum job_state state = JOB_WAITING;
    if (filter->state.len && !str_eq(filter->state, STR("active")) &&
        !job_state_parse(filter->state, &state))
        return ERR(ERR_INVALID,
                   "'%.*s' is not a job state: active, waiting, queued, running, paused, "
                   "succeeded, failed or stopped",
                   STR_ARG(filter->state));
    struct list_read l = { .filter = filter, .limit = filter->limit, .keep = keep };
    if (l.limit <= 0)
        l.limit = LIST_DEFAULT;
    if (l.limit > LIST_MAX)
        l.limit = LIST_MAX;
    TRY(store_read(j->options.store, list_query, &l));
    for (size_t i = 0; i < l.count; i++)
        job_progress_freshen(j, &l.infos[i]);
    *ret_infos = l.infos;
    *ret_count = l.count;
    return OK;
}

struct counts_read {
    str kind;
    struct job_counts counts;
};

static err counts_query(struct store_read *rd, void *arg)
{
    struct counts_read *c = arg;
    c->counts = (struct job_counts){ { 0 } };
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT state, count(*) FROM jobs WHERE ?1 IS NULL OR kind = ?1 GROUP BY state",
                    ARGS(sql_text_opt(c->kind)), &rows));
    while (store_next(rows)) {
        enum job_state state = JOB_WAITING;
        if (job_state_parse(store_col_text(rows, 0), &state))
            c->counts.by_state[state] = store_col_int(rows, 1);
    }
    return store_rows_close(rows);
}

err job_counts(struct jobs *j, str kind, struct job_counts *ret_counts)
{
    struct counts_read c = { .kind = kind };
    TRY(store_read(j->options.store, counts_query, &c));
    *ret_counts = c.counts;
    return OK;
}

/* ------------------------------------------------------------------ wishes */

struct wish_tx {
    struct jobs *jobs;
    str id;
    arena scratch;
    bool was_running; /* result: the worker has to be told */
};

static err wish_row(struct store_tx *tx, struct wish_tx *w, struct job_info *ret_info)
{
    arena_reset(&w->scratch);
    return job_row_get(store_tx_read(tx), w->id, &w->scratch, ret_info);
}

/* What goes with a change of a job that nobody runs. */
static err moved(struct store_tx *tx, struct wish_tx *w, const struct job_info *info,
                 enum job_state to, const char *event, int64_t now_ms)
{
    struct job_event_row row = {
        .job_id = w->id,
        .event = event,
        .from = (int)info->state,
        .to = to,
        .attempt = info->attempts,
        .took_ms = -1,
    };
    TRY(job_event_add(w->jobs, tx, &row, now_ms));
    return job_needs_follow(w->jobs, tx, w->id, to, now_ms);
}

static err stop_write(struct store_tx *tx, void *arg)
{
    struct wish_tx *w = arg;
    struct job_info info;
    TRY(wish_row(tx, w, &info));
    w->was_running = info.state == JOB_RUNNING;
    if (w->was_running)
        return store_exec(tx, "UPDATE jobs SET stop_wanted = 1 WHERE id = ?1",
                          ARGS(sql_text(w->id)), NULL);
    TRY(job_state_check(info.id, info.state, JOB_STOPPED));
    int64_t now_ms = clock_wall_ms();
    TRY(store_exec(tx, "UPDATE jobs SET state = 'stopped', finished_ms = ?2 WHERE id = ?1",
                   ARGS(sql_text(w->id), sql_int(now_ms)), NULL));
    return moved(tx, w, &info, JOB_STOPPED, "job.stopped", now_ms);
}

static err pause_write(struct store_tx *tx, void *arg)
{
    struct wish_tx *w = arg;
    struct job_info info;
    TRY(wish_row(tx, w, &info));
    w->was_running = info.state == JOB_RUNNING;
    if (w->was_running)
        return store_exec(tx, "UPDATE jobs SET pause_wanted = 1 WHERE id = ?1",
                          ARGS(sql_text(w->id)), NULL);
    TRY(job_state_check(info.id, info.state, JOB_PAUSED));
    TRY(store_exec(tx, "UPDATE jobs SET state = 'paused' WHERE id = ?1", ARGS(sql_text(w->id)),
                   NULL));
    return moved(tx, w, &info, JOB_PAUSED, "job.paused", clock_wall_ms());
}

static err resume_write(struct store_tx *tx, void *arg)
{
    struct wish_tx *w = arg;
    struct job_info info;
    TRY(wish_row(tx, w, &info));
    w->was_running = info.state == JOB_RUNNING && info.pause_wanted;
    if (w->was_running) /* it has not paused yet: the wish is taken back */
        return store_exec(tx, "UPDATE jobs SET pause_wanted = 0 WHERE id = ?1",
                          ARGS(sql_text(w->id)), NULL);
    if (info.state != JOB_PAUSED)
        return ERR(ERR_CONFLICT, "job %s is %s: only a paused job can be resumed", info.id,
                   job_state_name(info.state));
    enum job_state to = JOB_QUEUED;
    TRY(job_needs_state(store_tx_read(tx), w->id, &to));
    int64_t now_ms = clock_wall_ms();
    TRY(store_exec(
        tx,
        "UPDATE jobs SET state = ?2, "
        "next_try_ms = CASE WHEN next_try_ms > ?3 THEN next_try_ms ELSE ?3 END WHERE id = ?1",
        ARGS(sql_text(w->id), sql_cstr(job_state_name(to)), sql_int(now_ms)), NULL));
    return moved(tx, w, &info, to, "job.resumed", now_ms);
}

static err replay_write(struct store_tx *tx, void *arg)
{
    struct wish_tx *w = arg;
    struct job_info info;
    TRY(wish_row(tx, w, &info));
    w->was_running = false;
    if (info.state != JOB_FAILED && info.state != JOB_STOPPED)
        return ERR(ERR_CONFLICT, "job %s is %s: only a failed or stopped job can be replayed",
                   info.id, job_state_name(info.state));
    enum job_state to = JOB_QUEUED;
    TRY(job_needs_state(store_tx_read(tx), w->id, &to));
    int64_t now_ms = clock_wall_ms();
    err e = store_exec(tx,
                       "UPDATE jobs SET state = ?2, attempts = 0, crashes = 0, kills = 0, "
                       "next_try_ms = ?3, "
                       "finished_ms = NULL, error = NULL, error_code = NULL, blocked_by = NULL "
                       "WHERE id = ?1",
                       ARGS(sql_text(w->id), sql_cstr(job_state_name(to)), sql_int(now_ms)), NULL);
    if (e.code == ERR_CONFLICT)
        return ERR(ERR_CONFLICT,
                   "job %s cannot be replayed: a newer unfinished job of the kind %s has "
                   "its key '%.*s'",
                   info.id, info.kind, STR_ARG(info.key));
    if (e.code)
        return e;
    TRY(moved(tx, w, &info, to, "job.replayed", now_ms));
    return job_needs_revive(w->jobs, tx, w->id, now_ms);
}

static err wish(struct jobs *j, str id, const char *verb, store_write_fn fn, unsigned set,
                unsigned clear)
{
    struct wish_tx w = { .jobs = j, .id = id };
    arena_init(&w.scratch, JOB_ARENA_BYTES);
    err e = store_write(j->options.store, fn, &w);
    arena_deinit(&w.scratch);
    if (e.code)
        return err_wrap(e, "%s a job", verb);
    if (w.was_running)
        jobs_flag(j, id, set, clear);
    jobs_wake(j);
    return OK;
}

err job_stop(struct jobs *j, str id)
{
    return wish(j, id, "stopping", stop_write, JOB_FLAG_STOP, 0);
}

err job_pause(struct jobs *j, str id)
{
    return wish(j, id, "pausing", pause_write, JOB_FLAG_PAUSE, 0);
}

err job_resume(struct jobs *j, str id)
{
    return wish(j, id, "resuming", resume_write, 0, JOB_FLAG_PAUSE);
}

err job_replay(struct jobs *j, str id)
{
    return wish(j, id, "replaying", replay_write, 0, 0);
}

/* ------------------------------------------------------------------ waiting */

err job_wait(struct jobs *j, str id, int64_t timeout_ms, arena *keep, struct job_info *ret_info)
{
    struct timespec deadline = clock_deadline(timeout_ms);
    int64_t end_ns = clock_mono_ns() + timeout_ms * 1000000;
    while (true) {
        pthread_mutex_lock(&j->lock);
        uint64_t seen = j->change_count;
        pthread_mutex_unlock(&j->lock);
        arena scratch;
        arena_init(&scratch, JOB_ARENA_BYTES);
        struct job_info info;
        err e = job_get(j, id, &scratch, &info);
        arena_deinit(&scratch);
        if (e.code)
            return e;
        if (job_state_is_finished(info.state) || info.state == JOB_PAUSED)
            return job_get(j, id, keep, ret_info);
        if (clock_mono_ns() >= end_ns)
            return ERR(ERR_TIMEOUT, "job %s is still %s after %lld ms", info.id,
                       job_state_name(info.state), (long long)timeout_ms);
        pthread_mutex_lock(&j->lock);
        /* Another process does not wake us: look again now and then. */
        struct timespec look = clock_deadline(JOBS_POLL_MS);
        bool is_last = look.tv_sec > deadline.tv_sec ||
                       (look.tv_sec == deadline.tv_sec && look.tv_nsec > deadline.tv_nsec);
        if (j->change_count == seen && !atomic_load(&j->is_closing))
            pthread_cond_timedwait(&j->changed, &j->lock, is_last ? &deadline : &look);
        pthread_mutex_unlock(&j->lock);
        if (atomic_load(&j->is_closing))
            return ERR(ERR_CANCELLED, "waiting for job %s ended: this process is shutting down",
                       info.id);
    }
}

/* ------------------------------------------------------------------ forgetting */

struct purge_tx {
    int64_t before_ms, removed;
};

static err purge_write(struct store_tx *tx, void *arg)
{
    struct purge_tx *p = arg;
    p->removed = 0;
    TRY(store_exec(tx,
                   "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs f WHERE f.finished_ms < ?1 "
                   "AND NOT EXISTS (SELECT 1 FROM job_needs n JOIN jobs u ON u.id = n.job_id "
                   "                WHERE n.needs_id = f.id AND u.finished_ms IS NULL) "
                   "ORDER BY f.finished_ms LIMIT ?2)",
                   ARGS(sql_int(p->before_ms), sql_int(JOBS_PURGE_MAX)), &p->removed));
    /* The newest event stays: its number must not be given out again, or the one who tells events
     * would take the next for already told. */
    return store_exec(
        tx,
        "DELETE FROM job_events WHERE event_no < (SELECT max(event_no) FROM job_events) "
        "AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = job_events.job_id)",
        NO_ARGS, NULL);
}

err jobs_purge(struct jobs *j, int64_t before_ms, int64_t *ret_removed)
{
    struct purge_tx p = { .before_ms = before_ms };
    TRY(store_write(j->options.store, purge_write, &p));
    *ret_removed = p.removed;
    return OK;
}
