/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lease.c -- keeping a job that was taken (claim.c), giving it back.
 *
 * A claim numbers the lease, with a number that no claim of the job had. All later statements of
 * the worker carry it, so when somebody else has taken the job meanwhile they match no row, and the
 * transaction fails with ERR_CONFLICT. That, not the clock, keeps effects single; the clock only
 * says when a silent worker may be taken for dead.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "platform/jobs/jobs_internal.h"

int64_t job_lease_end_ms(const struct jobs *j, int64_t now_ms)
{
    int64_t spare_ms = j->options.lease_ms / 8;
    return now_ms + j->options.lease_ms - (spare_ms < JOBS_SPARE_MS ? spare_ms : JOBS_SPARE_MS);
}

static err lease_lost(const char *id)
{
    return ERR(ERR_CONFLICT,
               "job %s is no longer ours: its lease ran out and it was given to another "
               "worker (this try changes nothing any more)",
               id);
}

/* ------------------------------------------------------------------ the end of a try */

struct finish_tx {
    struct job *job;
    err result;
    int64_t now_ms;
    uint64_t jitter;
    struct job_outcome outcome;
};

/* What the row says about this try; ERR_CONFLICT when it is not ours any more. */
static err try_read(struct store_tx *tx, const struct job *job, struct job_try *ret_try)
{
    struct store_rows *rows;
    TRY(store_query(store_tx_read(tx),
                    "SELECT attempts, tries_max, stop_wanted, pause_wanted, kills FROM jobs "
                    "WHERE id = ?1 AND lease_no = ?2 AND state = 'running'",
                    ARGS(sql_cstr(job->info.id), sql_int(job->lease_no)), &rows));
    bool found = store_next(rows);
    struct job_try t = { 0 };
    if (found) {
        t.attempts = (int)store_col_int(rows, 0);
        t.tries_max = (int)store_col_int(rows, 1);
        t.stop_wanted = store_col_int(rows, 2) != 0;
        t.pause_wanted = store_col_int(rows, 3) != 0;
        t.kills = (int)store_col_int(rows, 4);
    }
    TRY(store_rows_close(rows));
    if (!found)
        return lease_lost(job->info.id);
    *ret_try = t;
    return OK;
}

/* Being stopped is no failure, unless nobody asked for it. */
static bool is_failure(const struct finish_tx *f)
{
    return f->result.code && (f->result.code != ERR_CANCELLED || f->outcome.to == JOB_FAILED);
}

static err finish_row(struct store_tx *tx, struct finish_tx *f, int attempts, int kills)
{
    struct job *job = f->job;
    const struct job_outcome *o = &f->outcome;
    bool has_error = is_failure(f);
    int64_t delay_ms = o->has_backoff ? job_backoff_ms(attempts + kills,
                                                       job->jobs->options.retry_base_ms, f->jitter)
                                      : 0;
    bool is_success = o->to == JOB_SUCCEEDED;
    return store_exec(
        tx,
        "UPDATE jobs SET state = ?3, attempts = ?4, crashes = 0, kills = ?13, next_try_ms = ?5, "
        "finished_ms = ?6, "
        "result = ?7, error = CASE WHEN ?8 = 1 THEN NULL ELSE COALESCE(?9, error) END, "
        "error_code = CASE WHEN ?8 = 1 THEN NULL ELSE COALESCE(?10, error_code) END, "
        "done = ?11, total = ?12, eta_s = -1, stop_wanted = 0, pause_wanted = 0, "
        "lease_until_ms = NULL WHERE id = ?1 AND lease_no = ?2",
        ARGS(sql_cstr(job->info.id), sql_int(job->lease_no), sql_cstr(job_state_name(o->to)),
             sql_int(attempts), sql_int(f->now_ms + delay_ms),
             job_state_is_finished(o->to) ? sql_int(f->now_ms) : sql_null(),
             is_success ? sql_text_opt(job->result) : sql_null(), sql_int(is_success),
             sql_cstr(has_error ? f->result.msg : NULL),
             sql_cstr(has_error ? err_code_name(f->result.code) : NULL),
             sql_int(atomic_load(&job->done)), sql_int(atomic_load(&job->total)), sql_int(kills)),
        NULL);
}

static err finish_write(struct store_tx *tx, void *arg)
{
    struct finish_tx *f = arg;
    struct job *job = f->job;
    struct job_try t;
    TRY(try_read(tx, job, &t));
    unsigned told = JOB_FLAG_TOLD | JOB_FLAG_STOP | JOB_FLAG_PAUSE;
    t.was_told = (atomic_load(&job->flags) & told) != 0 || atomic_load(&job->jobs->is_closing);
    t.was_hindered = atomic_load(&job->had_trouble) || f->result.code == ERR_NO_SPACE ||
                     atomic_load(&job->jobs->trouble_ns) >= job->started_ns;
    f->outcome = job_outcome_of(&t, f->result.code);
    int attempts = f->outcome.is_spent || t.attempts < 1 ? t.attempts : t.attempts - 1;
    TRY(finish_row(tx, f, attempts, f->outcome.is_hindered ? t.kills + 1 : 0));
    struct job_event_row row = {
        .job_id = str_of(job->info.id),
        .event = f->outcome.event,
        .from = JOB_RUNNING,
        .to = f->outcome.to,
        .attempt = t.attempts,
        .took_ms = (clock_mono_ns() - job->started_ns) / 1000000,
        .detail = is_failure(f) ? str_of(f->result.msg) : STR_NONE,
    };
    TRY(job_event_add(job->jobs, tx, &row, f->now_ms));
    return job_needs_follow(job->jobs, tx, str_of(job->info.id), f->outcome.to, f->now_ms);
}

err job_finish(struct job *job, const err *result, int64_t now_ms)
{
    struct finish_tx f = { .job = job, .result = *result, .now_ms = now_ms };
    if (!f.result.code && job->is_result_refused)
        f.result = ERR(ERR_TOO_BIG,
                       "the result is over %d bytes: keep it as an artifact and answer "
                       "with its name",
                       JOB_PAYLOAD_MAX);
    rand_bytes(&f.jitter, sizeof(f.jitter));
    TRY(store_write(job->jobs->options.store, finish_write, &f));
    return OK;
}

err job_cursor_save(struct job *job, struct store_tx *tx, str cursor)
{
    if (cursor.len > JOB_CURSOR_MAX)
        return ERR(ERR_TOO_BIG,
                   "the cursor of job %s has %zu bytes; at most %d are kept: store what "
                   "is long in a table",
                   job->info.id, cursor.len, JOB_CURSOR_MAX);
    int64_t changed = 0;
    TRY(store_exec(tx,
                   "UPDATE jobs SET "
                   "crashes = CASE WHEN resume_cursor = ?3 THEN crashes ELSE 0 END, "
                   "kills = CASE WHEN resume_cursor = ?3 THEN kills ELSE 0 END, "
                   "lease_moved = CASE WHEN resume_cursor = ?3 THEN lease_moved ELSE 1 END, "
                   "resume_cursor = ?3 "
                   "WHERE id = ?1 AND lease_no = ?2 AND state = 'running'",
                   ARGS(sql_cstr(job->info.id), sql_int(job->lease_no), sql_text(cursor)),
                   &changed));
    if (changed)
        return OK;
    atomic_fetch_or(&job->flags, JOB_FLAG_LOST);
    return lease_lost(job->info.id);
}

err job_fence(struct job *job, struct store_tx *tx)
{
    int64_t one = 0;
    err e = store_get_int(store_tx_read(tx),
                          "SELECT 1 FROM jobs WHERE id = ?1 AND lease_no = ?2 "
                          "AND state = 'running'",
                          ARGS(sql_cstr(job->info.id), sql_int(job->lease_no)), &one);
    if (e.code != ERR_NOT_FOUND)
        return e;
    atomic_fetch_or(&job->flags, JOB_FLAG_LOST);
    return lease_lost(job->info.id);
}

struct fenced_write {
    struct job *job;
    store_write_fn fn;
    void *arg;
};

static err fenced_write(struct store_tx *tx, void *arg)
{
    const struct fenced_write *w = arg;
    TRY(job_fence(w->job, tx));
    return w->fn(tx, w->arg);
}

err job_write(struct job *job, struct store *s, store_write_fn fn, void *arg)
{
    if (!job)
        return store_write(s, fn, arg);
    struct fenced_write w = { job, fn, arg };
    err e = store_write(s, fenced_write, &w);
    /* What a store answers that is away, or full; our own statements have other mistakes. */
    if (e.code == ERR_BUSY || e.code == ERR_IO || e.code == ERR_NO_SPACE)
        atomic_store(&job->had_trouble, true);
    return e;
}

struct cursor_write {
    struct job *job;
    str cursor;
};

static err cursor_write(struct store_tx *tx, void *arg)
{
    const struct cursor_write *w = arg;
    return job_cursor_save(w->job, tx, w->cursor);
}

err job_cursor_commit(struct job *job, str cursor)
{
    struct cursor_write w = { job, cursor };
    return job_write(job, job->jobs->options.store, cursor_write, &w);
}

/* ------------------------------------------------------------------ heartbeat */

struct beats_tx {
    struct job_beat *beats;
    size_t count;
    int64_t until_ms;
};

static err beat_write(struct store_tx *tx, struct job_beat *b, int64_t until_ms)
{
    struct store_rows *rows;
    TRY(store_query(store_tx_read(tx),
                    "UPDATE jobs SET done = ?4, total = ?5, eta_s = ?6, "
                    "lease_until_ms = COALESCE(?3, lease_until_ms) "
                    "WHERE id = ?1 AND lease_no = ?2 AND state = 'running' "
                    "RETURNING stop_wanted, pause_wanted",
                    ARGS(sql_cstr(b->id), sql_int(b->lease_no),
                         b->is_overdue ? sql_null() : sql_int(until_ms), sql_int(b->done),
                         sql_int(b->total), sql_real(b->eta_s)),
                    &rows));
    b->is_lost = !store_next(rows);
    b->stop_wanted = !b->is_lost && store_col_int(rows, 0) != 0;
    b->pause_wanted = !b->is_lost && store_col_int(rows, 1) != 0;
    return store_rows_close(rows);
}

static err beats_write(struct store_tx *tx, void *arg)
{
    struct beats_tx *b = arg;
    for (size_t i = 0; i < b->count; i++)
        TRY(beat_write(tx, &b->beats[i], b->until_ms));
    return OK;
}

err job_beat_all(struct jobs *j, struct job_beat *beats, size_t count, int64_t now_ms)
{
    struct beats_tx b = { beats, count, job_lease_end_ms(j, now_ms) };
    return store_write(j->options.store, beats_write, &b);
}

/* ------------------------------------------------------------------ workers that fell silent */

struct reaped {
    char id[UUID_BYTES];
    char worker[PROCESS_NAME_BYTES];
    struct job_try t;
    int64_t lease_no;
};

struct reap_tx {
    struct jobs *jobs;
    int64_t expired_ms, now_ms;
    str worker;
    struct reaped *rows; /* JOBS_REAP_MAX */
    size_t count;
};

/* A process of this data folder that is gone, and did not say that it crashed; or one of another,
 * of which only the silence is known: its machine or the network went away, more likely than that
 * it crashed and nobody started it again. One of ours that lives and is silent hangs in its job. */
static bool was_killed(const struct jobs *j, str worker)
{
    const char *folder = j->options.crash_folder;
    str own = str_of(j->worker);
    if (!folder)
        return false;
    if (!process_is_kin(worker, own))
        return true;
    return process_is_dead(worker, own) && !crash_note_exists(folder, worker);
}

static err reap_list(struct store_tx *tx, struct reap_tx *r)
{
    struct store_rows *rows;
    r->count = 0;
    TRY(store_query(
        store_tx_read(tx),
        "SELECT id, worker, attempts, tries_max, crashes, stop_wanted, pause_wanted, "
        "lease_moved, lease_no, kills FROM jobs_held h JOIN jobs j ON j.job_no = h.job_no "
        "WHERE h.lease_until_ms < ?1 AND (?3 IS NULL OR j.worker = ?3) LIMIT ?2",
        ARGS(sql_int(r->expired_ms), sql_int(JOBS_REAP_MAX), sql_text_opt(r->worker)), &rows));
    while (r->count < JOBS_REAP_MAX && store_next(rows)) {
        struct reaped *x = &r->rows[r->count++];
        *x = (struct reaped){ .lease_no = store_col_int(rows, 8) };
        snprintf(x->id, sizeof(x->id), "%.*s", STR_ARG(store_col_text(rows, 0)));
        snprintf(x->worker, sizeof(x->worker), "%.*s", STR_ARG(store_col_text(rows, 1)));
        x->t.attempts = (int)store_col_int(rows, 2);
        x->t.tries_max = (int)store_col_int(rows, 3);
        x->t.crashes = (int)store_col_int(rows, 4);
        x->t.stop_wanted = store_col_int(rows, 5) != 0;
        x->t.pause_wanted = store_col_int(rows, 6) != 0;
        x->t.has_moved = store_col_int(rows, 7) != 0;
        x->t.kills = (int)store_col_int(rows, 9);
        x->t.was_killed = was_killed(r->jobs, str_of(x->worker));
    }
    return store_rows_close(rows);
}

static err reap_one(struct store_tx *tx, struct reap_tx *r, const struct reaped *x)
{
    struct job_outcome o = job_outcome_of_crash(&x->t);
    int attempts = o.is_spent || x->t.attempts < 1 ? x->t.attempts : x->t.attempts - 1;
    int crashes = x->t.crashes + !x->t.was_killed, kills = x->t.kills + x->t.was_killed;
    char detail[400];
    snprintf(detail, sizeof(detail), "its worker %s %s (%d in a row without progress%s)", x->worker,
             x->t.was_killed ? "died or fell silent: killed, cut off, or its machine went down"
                             : "died or fell silent",
             x->t.was_killed ? kills : crashes,
             o.to == JOB_FAILED ? "; given up: look for the cause, then replay it" : "");
    TRY(store_exec(tx,
                   "UPDATE jobs SET state = ?3, attempts = ?4, crashes = ?5, next_try_ms = ?6, "
                   "finished_ms = ?7, error = ?8, error_code = 'internal', eta_s = -1, kills = ?9, "
                   "stop_wanted = 0, pause_wanted = 0, lease_until_ms = NULL "
                   "WHERE id = ?1 AND lease_no = ?2 AND state = 'running'",
                   ARGS(sql_cstr(x->id), sql_int(x->lease_no), sql_cstr(job_state_name(o.to)),
                        sql_int(attempts), sql_int(crashes), sql_int(r->now_ms),
                        job_state_is_finished(o.to) ? sql_int(r->now_ms) : sql_null(),
                        sql_cstr(detail), sql_int(kills)),
                   NULL));
    struct job_event_row row = {
        .job_id = str_of(x->id),
        .event = o.event,
        .from = JOB_RUNNING,
        .to = o.to,
        .attempt = x->t.attempts,
        .took_ms = -1,
        .detail = str_of(detail),
    };
    TRY(job_event_add(r->jobs, tx, &row, r->now_ms));
    return job_needs_follow(r->jobs, tx, str_of(x->id), o.to, r->now_ms);
}

static err reap_write(struct store_tx *tx, void *arg)
{
    struct reap_tx *r = arg;
    TRY(reap_list(tx, r));
    for (size_t i = 0; i < r->count; i++)
        TRY(reap_one(tx, r, &r->rows[i]));
    return OK;
}

err jobs_reap(struct jobs *j, int64_t expired_ms, str worker, int64_t now_ms, size_t *ret_count)
{
    arena scratch;
    arena_init(&scratch, 64 * 1024);
    struct reap_tx r = { .jobs = j, .expired_ms = expired_ms, .worker = worker, .now_ms = now_ms };
    size_t total = 0;
    err e = OK;
    r.rows = NEW_ARRAY(&scratch, struct reaped, JOBS_REAP_MAX);
    if (!r.rows)
        e = arena_check(&scratch);
    do {
        if (!e.code)
            e = store_write(j->options.store, reap_write, &r);
        if (!e.code)
            total += r.count;
    } while (!e.code && r.count == JOBS_REAP_MAX);
    arena_deinit(&scratch);
    if (e.code)
        return err_wrap(e, "putting back jobs whose worker fell silent");
    *ret_count = total;
    return OK;
}

enum { HOLDERS_MAX = 1000 };

struct holders_read {
    arena keep;
    str *names;
    size_t count;
};

static err holders_query(struct store_read *rd, void *arg)
{
    struct holders_read *h = arg;
    arena_reset(&h->keep);
    h->count = 0;
    h->names = NEW_ARRAY(&h->keep, str, HOLDERS_MAX);
    ARENA_TRY(h->names);
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT DISTINCT worker FROM jobs "
                    "WHERE job_no IN (SELECT job_no FROM jobs_held) LIMIT ?1",
                    ARGS(sql_int(HOLDERS_MAX)), &rows));
    while (h->count < HOLDERS_MAX && store_next(rows))
        h->names[h->count++] = store_col_text_keep(rows, 0, &h->keep);
    return err_first(arena_check(&h->keep), store_rows_close(rows));
}

err jobs_reap_dead(struct jobs *j, int64_t now_ms)
{
    struct holders_read h = { .count = 0 };
    arena_init(&h.keep, 1024 * 1024);
    err e = store_read(j->options.store, holders_query, &h);
    for (size_t i = 0; !e.code && i < h.count; i++) {
        size_t count = 0;
        if (process_is_dead(h.names[i], str_of(j->worker)))
            e = jobs_reap(j, INT64_MAX, h.names[i], now_ms, &count);
    }
    arena_deinit(&h.keep);
    return e;
}

/* ------------------------------------------------------------------ when to look again */

struct due_read {
    int64_t now_ms, first_ms, retry_ms, lease_ms;
};

static err due_query(struct store_read *rd, void *arg)
{
    struct due_read *d = arg;
    struct store_value never = sql_int(INT64_MAX);
    TRY(store_get_int(
        rd, "SELECT COALESCE(min(next_try_ms), ?1) FROM jobs_queue WHERE state = 'queued'",
        ARGS(never), &d->first_ms));
    TRY(store_get_int(rd,
                      "SELECT COALESCE(min(next_try_ms), ?2) FROM jobs_queue "
                      "WHERE state = 'queued' AND next_try_ms > ?1",
                      ARGS(sql_int(d->now_ms), never), &d->retry_ms));
    return store_get_int(rd, "SELECT COALESCE(min(lease_until_ms) + 1, ?1) FROM jobs_held",
                         ARGS(never), &d->lease_ms);
}

err jobs_next_due(struct jobs *j, int64_t now_ms, struct jobs_due *ret_due)
{
    struct due_read d = { .now_ms = now_ms };
    TRY(store_read(j->options.store, due_query, &d));
    ret_due->has_work = d.first_ms <= now_ms;
    ret_due->has_expired = d.lease_ms <= now_ms;
    /* What is due already does not count: a worker takes it when one is free. */
    ret_due->next_ms = d.lease_ms > now_ms && d.lease_ms < d.retry_ms ? d.lease_ms : d.retry_ms;
    return OK;
}
