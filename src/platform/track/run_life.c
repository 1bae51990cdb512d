/* SPDX-License-Identifier: GPL-3.0-or-later */
/* run_life.c -- how a run begins, goes on with the next try of its job, and ends.
 *
 * A run's row may be there before the run: planned together with its job, or left by an earlier
 * try. Beginning takes it over: running again, no end, no error; what it has logged stays and its
 * params still bind. Ending writes everything that is buffered first, so that a run that shows
 * FINISHED shows all it has said.
 */
#include "platform/track/track_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ------------------------------------------------------------------ rows */

struct run_row {
    struct track *track;
    str run_id, job_id, job_kind, component, username, name, experiment;
    const char *status;
    int64_t start_ms; /* 0: not yet */
    /* results */
    bool existed;
    int attempts;
};

static err tag_put(struct store_tx *tx, str run_id, const char *key, str value)
{
    if (value.len == 0)
        return OK;
    return store_exec(tx,
                      "INSERT INTO tags (run_id, key, value) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value",
                      ARGS(sql_text(run_id), sql_cstr(key), sql_text(value)), NULL);
}

/* The tags by which MLflow's own pages name a run and its user. */
static err tags_put(struct store_tx *tx, const struct run_row *row, str name)
{
    TRY(tag_put(tx, row->run_id, "mlflow.runName", name));
    TRY(tag_put(tx, row->run_id, "mlflow.user", row->username));
    TRY(tag_put(tx, row->run_id, "mlflow.source.type", STR("JOB")));
    TRY(tag_put(tx, row->run_id, "mlflow.source.name",
                row->job_kind.len ? row->job_kind : row->component));
    return tag_put(tx, row->run_id, "component", row->component);
}

static err row_insert(struct store_tx *tx, const struct run_row *row)
{
    int64_t experiment_id = 0;
    TRY(track_experiment_need(tx, row->experiment, &experiment_id));

    /* The last eight digits of a run id are random, its first eight are the time. */
    char made[160];
    str name = row->name;
    if (name.len == 0) {
        str what = row->job_kind.len ? row->job_kind : row->component;
        snprintf(made, sizeof made, "%.*s-%.*s", (int)(what.len < 120 ? what.len : 120),
                 what.len ? what.ptr : "", 8, row->run_id.ptr + row->run_id.len - 8);
        name = str_of(made);
    }
    TRY(store_exec(
        tx,
        "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin,"
        " status, lifecycle_stage, created_ms, start_ms, attempts, job_id, job_kind)"
        " VALUES (?1, ?2, ?3, ?4, ?5, 'house', ?6, 'active', ?7, ?8, ?9, ?10, ?11)",
        ARGS(sql_text(row->run_id), sql_int(experiment_id), sql_text(name), sql_text(row->username),
             sql_text(row->component), sql_cstr(row->status), sql_int(clock_wall_ms()),
             row->start_ms ? sql_int(row->start_ms) : sql_null(), sql_int(row->start_ms ? 1 : 0),
             sql_text_opt(row->job_id), sql_text_opt(row->job_kind)),
        NULL));
    return tags_put(tx, row, name);
}

static err plan_check(const struct run_row *row)
{
    if (row->run_id.len != HEX_ID_BYTES - 1 ||
        strspn(row->run_id.ptr, "0123456789abcdef") < row->run_id.len)
        return ERR(ERR_INVALID, "run id '%.*s' is not 32 hex digits", STR_ARG(row->run_id));
    TRY(track_check_name("component of a run", row->component, 63, "\""));
    if (row->username.len)
        TRY(track_check_name("user name of a run", row->username, 127, ""));
    if (row->name.len)
        TRY(track_check_name("run name", row->name, TRACK_KEY_BYTES_MAX, ""));
    return OK;
}

err track_run_schedule_tx(struct track *t, struct store_tx *tx, const struct run_plan *plan)
{
    struct run_row row = {
        .track = t,
        .run_id = plan->run_id,
        .job_id = plan->job_id,
        .job_kind = str_of(plan->job_kind),
        .component = str_of(plan->component),
        .username = plan->username,
        .name = plan->name,
        .experiment = plan->experiment,
        .status = "SCHEDULED",
    };
    TRY(plan_check(&row));
    return row_insert(tx, &row);
}

struct abandonment {
    struct track *track;
    str run_id, reason;
    const char *status;
};

static err abandon_tx(struct store_tx *tx, void *arg)
{
    const struct abandonment *a = arg;
    int64_t changed = 0;
    TRY(store_exec(tx,
                   "UPDATE runs SET status = ?2, end_ms = ?3, error = ?4 WHERE run_id = ?1"
                   " AND status IN ('RUNNING', 'SCHEDULED')",
                   ARGS(sql_text(a->run_id), sql_cstr(a->status), sql_int(clock_wall_ms()),
                        sql_text(a->reason)),
                   &changed));
    if (!changed)
        return OK;
    bool is_killed = strcmp(a->status, "KILLED") == 0;
    return track_tell_run(a->track, tx, is_killed ? "run.killed" : "run.failed", a->run_id);
}

err track_run_abandon(struct track *t, str run_id, const char *status, str reason)
{
    struct abandonment a = { t, run_id, str_sub(reason, 0, 1000), status };
    return store_write(t->store, abandon_tx, &a);
}

static err begin_tx(struct store_tx *tx, void *arg)
{
    struct run_row *row = arg;
    int64_t changed = 0;

    TRY(store_exec(tx,
                   "UPDATE runs SET status = 'RUNNING', start_ms = COALESCE(start_ms, ?2),"
                   " end_ms = NULL, error = NULL, attempts = attempts + 1,"
                   " job_id = COALESCE(job_id, ?3), job_kind = COALESCE(job_kind, ?4)"
                   " WHERE run_id = ?1 AND lifecycle_stage = 'active'",
                   ARGS(sql_text(row->run_id), sql_int(row->start_ms), sql_text_opt(row->job_id),
                        sql_text_opt(row->job_kind)),
                   &changed));
    row->existed = changed > 0;
    if (!row->existed)
        TRY(row_insert(tx, row));
    int64_t attempts = 0;
    TRY(store_get_int(store_tx_read(tx), "SELECT attempts FROM runs WHERE run_id = ?1",
                      ARGS(sql_text(row->run_id)), &attempts));
    row->attempts = (int)attempts;
    return track_tell_run(row->track, tx, "run.started", row->run_id);
}

/* ------------------------------------------------------------------ the run in memory */

static void run_free(struct run *r)
{
    if (!r)
        return;
    map_deinit(&r->params);
    map_deinit(&r->metrics);
    run_batch_free(r->filling);
    run_batch_free(r->outgoing);
    pthread_cond_destroy(&r->flushed);
    pthread_mutex_destroy(&r->lock);
    arena_deinit(&r->memory);
    free(r);
}

static err run_new(struct track *t, const struct run_options *options, struct run **ret_run)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r)
        return ERR(ERR_NO_MEMORY, "beginning a run: out of memory");
    r->track = t;
    r->job = options->job;
    arena_init(&r->memory, RUN_ARENA_BYTES_MAX);
    map_init(&r->params, RUN_PARAM_KEYS_MAX);
    map_init(&r->metrics, RUN_METRIC_KEYS_MAX);
    pthread_mutex_init(&r->lock, NULL);
    thread_cond_init(&r->flushed);
    r->started_ns = clock_mono_ns();

    str chosen = r->job ? job_run_id(r->job) : STR_NONE;
    if (chosen.len == HEX_ID_BYTES - 1)
        memcpy(r->id, chosen.ptr, chosen.len);
    else
        rand_hex_id(r->id);
    str user = options->username;
    const char *component = options->component ? options->component : "run";
    if (r->job && user.len == 0)
        user = str_of(job_username(r->job));
    if (r->job && !options->component)
        component = job_kind_of(r->job)->component;
    snprintf(r->username, sizeof r->username, "%.*s", STR_ARG(user));
    snprintf(r->component, sizeof r->component, "%s", component);
    r->labels = (struct log_labels){
        .component = str_of(r->component),
        .run_id = str_of(r->id),
        .username = str_of(r->username),
    };

    err e = run_batch_new(&r->filling);
    if (!e.code)
        e = run_batch_new(&r->outgoing);
    if (e.code) {
        run_free(r);
        return e;
    }
    *ret_run = r;
    return OK;
}

/* What an earlier try has said: its params bind, its labels stay until set again. */
static err earlier_read(struct store_read *rd, void *arg)
{
    struct run *r = arg;
    struct store_rows *rows;

    TRY(store_query(rd, "SELECT dataset_id, model_id FROM runs WHERE run_id = ?1",
                    ARGS(sql_cstr(r->id)), &rows));
    if (store_next(rows)) {
        r->labels.dataset_id = store_col_text_keep(rows, 0, &r->memory);
        r->labels.model_id = store_col_text_keep(rows, 1, &r->memory);
    }
    TRY(store_rows_close(rows));

    TRY(store_query(rd, "SELECT key, value FROM params WHERE run_id = ?1 LIMIT ?2",
                    ARGS(sql_cstr(r->id), sql_int(RUN_PARAM_KEYS_MAX)), &rows));
    err e = OK;
    while (!e.code && store_next(rows)) {
        union map_value *slot = NULL;
        bool is_new;
        str *value = NEW(&r->memory, str);
        str key = store_col_text_keep(rows, 0, &r->memory);
        if (value) {
            *value = store_col_text_keep(rows, 1, &r->memory);
            e = map_put(&r->params, key, &slot, &is_new);
        }
        if (slot)
            slot->ptr = value;
    }
    e = err_first(e, store_rows_close(rows));
    return err_first(e, arena_check(&r->memory));
}

err run_begin(struct track *t, const struct run_options *options, struct run **ret_run)
{
    struct run *r = NULL;
    TRY(run_new(t, options, &r));

    struct run_row row = {
        .track = t,
        .run_id = str_of(r->id),
        .job_id = r->job ? str_of(job_id(r->job)) : STR_NONE,
        .job_kind = r->job ? str_of(job_kind_of(r->job)->name) : STR_NONE,
        .component = str_of(r->component),
        .username = str_of(r->username),
        .name = str_of(options->name),
        .experiment = str_of(options->experiment),
        .status = "RUNNING",
        .start_ms = clock_wall_ms(),
    };
    err e = plan_check(&row);
    if (!e.code)
        e = job_write(r->job, t->store, begin_tx, &row);
    if (!e.code && row.existed)
        e = store_read(t->store, earlier_read, r);
    if (e.code) {
        e = err_wrap(e, "beginning run %s", r->id);
        run_free(r);
        return e;
    }
    r->attempt = row.attempts;
    if (r->job && job_run_id(r->job).len == 0)
        job_run_id_set(r->job, str_of(r->id));

    metric_add(TRACK_CELL(t->metrics, TRACK_M_RUNS_ACTIVE, str_of(r->component)), 1);
    RUN_LOG(r, LOG_INFO, "run.started", NULL, F_STR("kind", row.job_kind),
            F_STR("job_id", row.job_id), F_INT("attempt", r->attempt));
    r->span = log_span_begin(t->log, &r->labels, r->job ? job_kind_of(r->job)->name : r->component,
                             0);
    track_runs_add(t, r);
    *ret_run = r;
    return OK;
}

/* ------------------------------------------------------------------ the end */

struct run_outcome {
    const struct run *run;
    const char *status, *event;
    enum log_level level;
    char error[ERR_MSG_BYTES + 32];
};

static void outcome_of(const struct run *r, const err *e, struct run_outcome *o)
{
    *o = (struct run_outcome){
        .run = r, .status = "FAILED", .event = "run.failed", .level = LOG_ERROR
    };
    if (e->code && r->job && job_is_lost(r->job)) { /* it goes on elsewhere: nothing is stored */
        o->status = "LOST";
        o->event = "run.lost";
        o->level = LOG_WARN;
    } else if (!e->code) {
        o->status = "FINISHED";
        o->event = "run.finished";
        o->level = LOG_INFO;
    } else if (e->code == ERR_CANCELLED && r->job && job_pause_wanted(r->job)) {
        o->status = "SCHEDULED";
        o->event = "run.paused";
        o->level = LOG_INFO;
    } else if (e->code == ERR_CANCELLED) {
        o->status = "KILLED";
        o->event = "run.killed";
        o->level = LOG_WARN;
    }
    if (e->code)
        snprintf(o->error, sizeof o->error, "%s: %s", err_code_name(e->code), e->msg);
}

static err end_tx(struct store_tx *tx, void *arg)
{
    const struct run_outcome *o = arg;
    bool goes_on = strcmp(o->status, "SCHEDULED") == 0;
    TRY(store_exec(tx, "UPDATE runs SET status = ?2, end_ms = ?3, error = ?4 WHERE run_id = ?1",
                   ARGS(sql_cstr(o->run->id), sql_cstr(o->status),
                        goes_on ? sql_null() : sql_int(clock_wall_ms()),
                        goes_on ? sql_null() : sql_text_opt(str_of(o->error))),
                   NULL));
    return track_tell_run(o->run->track, tx, o->event, str_of(o->run->id));
}

err run_end(struct run *r, const err *result)
{
    if (!r)
        return OK;
    struct track *t = r->track;
    track_runs_remove(t, r);

    err stored = run_flush(r);
    err final = err_first(result ? *result : OK, stored);
    struct run_outcome outcome;
    outcome_of(r, &final, &outcome);
    stored = err_first(stored, job_write(r->job, t->store, end_tx, &outcome));

    double seconds = (double)(clock_mono_ns() - r->started_ns) / 1e9;
    str component = str_of(r->component);
    metric_add(TRACK_CELL(t->metrics, TRACK_M_RUNS, component, str_of(outcome.status)), 1);
    metric_observe(TRACK_CELL(t->metrics, TRACK_M_RUN_SECONDS, component), seconds);
    metric_add(TRACK_CELL(t->metrics, TRACK_M_RUNS_ACTIVE, component), -1);
    metrics_drop(t->metrics, &track_metrics[TRACK_M_RUN_METRIC], "run_id", str_of(r->id));

    if (final.code)
        RUN_LOG(r, outcome.level, outcome.event, final.msg,
                F_CSTR("code", err_code_name(final.code)), F_CSTR("file", final.file),
                F_INT("line", final.line), F_REAL("seconds", seconds));
    else
        RUN_LOG(r, outcome.level, outcome.event, NULL, F_REAL("seconds", seconds));
    /* Stopped or paused is how somebody wanted it: no failure. */
    log_span_end(&r->span, final.code == ERR_CANCELLED ? NULL : &final);
    run_free(r);
    return stored;
}
