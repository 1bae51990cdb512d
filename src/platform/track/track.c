/* SPDX-License-Identifier: GPL-3.0-or-later */
/* track.c -- opening and closing tracking, its metric families, and the flusher.
 *
 * Runs buffer what a stage tells them. Full buffers are written by the stage itself; the flusher,
 * one thread for all runs, writes what has waited for up to a second; it also keeps the data of
 * runs that were read (client_data.c). It holds no lock while it writes: it marks the run as held,
 * and the end of a run waits for that mark to go.
 */
#include "platform/track/track_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Seconds a run takes: from an import of a small file to a night of training. */
static const double RUN_BUCKETS[] = { 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 43200 };

const struct metric_family track_metrics[] = {
    [TRACK_M_RUNS] = { "skerry_runs_total",
                       METRIC_COUNTER,
                       "Tries of runs that ended, by how.",
                       { "component", "status" } },
    [TRACK_M_RUN_SECONDS] = { "skerry_run_seconds",
                              METRIC_HISTOGRAM,
                              "Duration of one try of a run.",
                              { "component" },
                              .buckets = RUN_BUCKETS,
                              .bucket_count = COUNT_OF(RUN_BUCKETS) },
    [TRACK_M_RUNS_ACTIVE] = { "skerry_runs_active",
                              METRIC_GAUGE,
                              "Runs at work now.",
                              { "component" } },
    [TRACK_M_RUN_METRIC] = { "skerry_run_metric",
                             METRIC_GAUGE,
                             "Last value of a metric of a run at work; gone when the run ends.",
                             { "run_id", "key" },
                             .cells_max = 1024 },
    [TRACK_M_ARTIFACT_BYTES] = { "skerry_artifact_bytes_total",
                                 METRIC_COUNTER,
                                 "Bytes of artifacts that runs have written.",
                                 { "component" } },
    [TRACK_M_DATASETS] = { "skerry_datasets_total",
                           METRIC_COUNTER,
                           "Datasets that reached a state: created, ready, failed, deleted.",
                           { "kind", "state" } },
    [TRACK_M_MODEL_VERSIONS] = { "skerry_model_versions_total",
                                 METRIC_COUNTER,
                                 "Model versions registered.",
                                 { "kind" } },
    [TRACK_M_PROMOTIONS] = { "skerry_model_promotions_total",
                             METRIC_COUNTER,
                             "Times an alias moved to another model version.",
                             { "alias" } },
    [TRACK_M_FLUSH_ERRORS] = { "skerry_run_flush_errors_total", METRIC_COUNTER,
                               "Batches of params and metrics that the store refused; they are "
                               "kept and tried again." },
    [TRACK_M_RUN_READS] = { "skerry_run_reads_total",
                            METRIC_COUNTER,
                            "Runs that clients have read, from the text that is kept of one that "
                            "has ended or from its rows.",
                            { "from" } },
    [TRACK_M_HISTORY_SAMPLES] = { "skerry_history_samples_total", METRIC_COUNTER,
                                  "Samples of our own metrics written to the history." },
    [TRACK_M_HISTORY_SERIES] = { "skerry_history_series", METRIC_GAUGE,
                                 "Series that the history samples." },
    [TRACK_M_HISTORY_ERRORS] = { "skerry_history_errors_total", METRIC_COUNTER,
                                 "Rounds of sampling or compaction that failed, and series beyond "
                                 "the maximum." },
    { 0 },
};

struct metric_cell *track_cell(struct metrics *m, enum track_metric which, const str *labels,
                               size_t count)
{
    return metric_cell(m, &track_metrics[which], labels, count);
}

/* ------------------------------------------------------------------ the flusher */

void track_runs_add(struct track *t, struct run *r)
{
    pthread_mutex_lock(&t->lock);
    list_push(&t->runs, &r->link);
    r->round = t->round;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void track_runs_remove(struct track *t, struct run *r)
{
    pthread_mutex_lock(&t->lock);
    list_remove(&r->link);
    /* Ends with the write that is under way, which the store bounds. */
    while (r->held)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

/* The next run that this round has not seen, or NULL. t->lock is held. */
static struct run *next_unseen(struct track *t)
{
    for (struct list_link *l = t->runs.head.next; l != &t->runs.head; l = l->next) {
        struct run *r = LIST_ENTRY(l, struct run, link);
        if (r->round != t->round)
            return r;
    }
    return NULL;
}

static void flush_round(struct track *t)
{
    t->round++;
    for (struct run *r; (r = next_unseen(t)) != NULL;) {
        r->round = t->round;
        r->held = true;
        pthread_mutex_unlock(&t->lock);
        err e = run_flush(r);
        /* The batch is kept and the stage meets the error itself when its buffer is full. */
        if (e.code) {
            struct log_labels labels = { .component = str_of(r->component),
                                         .run_id = str_of(r->id) };
            log_error(t->log, &labels, "run.flush_failed", &e);
        }
        pthread_mutex_lock(&t->lock);
        r->held = false;
        pthread_cond_broadcast(&t->changed);
    }
}

/* Keeps what readers asked for. t->lock is held on entry and exit, but not while it writes. */
static void keep_wanted(struct track *t)
{
    enum { AT_ONCE = 32 }; /* others wait some milliseconds for it */
    char ids[AT_ONCE][HEX_ID_BYTES];
    str texts[AT_ONCE];
    while (t->wanted_count && !t->stop) {
        size_t count = 0;
        struct map seen; /* two readers of the same page */
        map_init(&seen, AT_ONCE);
        while (t->wanted_count && count < AT_ONCE) {
            union map_value *slot;
            bool is_new = false;
            memcpy(ids[count], t->wanted[--t->wanted_count], HEX_ID_BYTES);
            texts[count] = str_of(ids[count]);
            err e = map_put(&seen, texts[count], &slot, &is_new);
            count += !e.code && is_new;
        }
        map_deinit(&seen);
        pthread_mutex_unlock(&t->lock);
        err e = client_data_fill(t, texts, count);
        if (e.code)
            log_error(t->log, NULL, "track.keep_failed", &e);
        pthread_mutex_lock(&t->lock);
        if (e.code)
            t->wanted_count = 0; /* whoever reads them next asks again */
    }
}

static void *flusher_main(void *arg)
{
    struct track *t = arg;

    pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        keep_wanted(t);
        if (t->stop)
            break;
        if (list_is_empty(&t->runs)) {
            pthread_cond_wait(&t->changed, &t->lock);
            continue;
        }
        struct timespec deadline = clock_deadline(RUN_FLUSH_MS);
        while (!t->stop && pthread_cond_timedwait(&t->changed, &t->lock, &deadline) == 0)
            keep_wanted(t);
        if (!t->stop)
            flush_round(t);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* ------------------------------------------------------------------ recovery */

struct open_runs {
    arena *keep;
    struct open_run {
        str run_id, job_id;
        bool lost;
    } * runs;
    size_t count;
};

enum { OPEN_RUNS_MAX = 10000 };

static err open_runs_read(struct store_read *rd, void *arg)
{
    struct open_runs *o = arg;
    struct store_rows *rows;

    o->count = 0;
    o->runs = NEW_ARRAY(o->keep, struct open_run, OPEN_RUNS_MAX);
    ARENA_TRY(o->runs);
    /* Runs of clients are not ours to judge: their process may well be alive. */
    TRY(store_query(rd,
                    "SELECT run_id, job_id FROM runs WHERE status IN ('RUNNING', 'SCHEDULED')"
                    " AND origin = 'house' ORDER BY created_ms LIMIT ?1",
                    ARGS(sql_int(OPEN_RUNS_MAX)), &rows));
    while (store_next(rows))
        o->runs[o->count++] = (struct open_run){
            .run_id = store_col_text_keep(rows, 0, o->keep),
            .job_id = store_col_text_keep(rows, 1, o->keep),
        };
    TRY(store_rows_close(rows));
    return arena_check(o->keep);
}

static err open_runs_fail(struct store_tx *tx, void *arg)
{
    const struct open_runs *o = arg;
    for (size_t i = 0; i < o->count; i++)
        if (o->runs[i].lost)
            TRY(store_exec(tx,
                           "UPDATE runs SET status = 'FAILED', end_ms = ?2,"
                           " error = 'the process ended before the run did'"
                           " WHERE run_id = ?1 AND status IN ('RUNNING', 'SCHEDULED')",
                           ARGS(sql_text(o->runs[i].run_id), sql_int(clock_wall_ms())), NULL));
    return OK;
}

/* Sets *ret_is_lost unless the job of the run will run again. */
static err is_run_lost(struct jobs *jobs, bool is_shared, str job_id, bool *ret_is_lost)
{
    if (!jobs || job_id.len == 0) {
        *ret_is_lost = !is_shared; /* a run without a job lives and dies with its process */
        return OK;
    }
    arena scratch;
    struct job_info info;
    arena_init(&scratch, 1024u * 1024u); /* a job's payload, cursor and result */
    err e = job_get(jobs, job_id, &scratch, &info);
    arena_deinit(&scratch);
    if (e.code && e.code != ERR_NOT_FOUND)
        return e;
    *ret_is_lost = e.code == ERR_NOT_FOUND || info.state == JOB_SUCCEEDED ||
                   info.state == JOB_FAILED || info.state == JOB_STOPPED;
    return OK;
}

static err recover(struct track *t, struct jobs *jobs, bool is_shared)
{
    arena scratch;
    arena_init(&scratch, 16u * 1024u * 1024u);
    struct open_runs open = { .keep = &scratch };
    int64_t lost = 0;

    err e = store_read(t->store, open_runs_read, &open);
    for (size_t i = 0; !e.code && i < open.count; i++) {
        e = is_run_lost(jobs, is_shared, open.runs[i].job_id, &open.runs[i].lost);
        lost += open.runs[i].lost;
    }
    if (!e.code && lost > 0)
        e = store_write(t->store, open_runs_fail, &open);
    if (!e.code && lost > 0)
        log_event(t->log, LOG_WARN, NULL, "run.lost",
                  "runs whose process ended are marked as failed", F_INT("runs", lost));
    arena_deinit(&scratch);
    return e.code ? err_wrap(e, "looking for runs that a dead process left") : OK;
}

/* ------------------------------------------------------------------ open and close */

static err first_rows(struct store_tx *tx, void *arg)
{
    return store_exec(tx,
                      "INSERT INTO experiments (experiment_id, name, artifact_location,"
                      " lifecycle_stage, creation_time, last_update_time)"
                      " VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active', ?1, ?1)"
                      " ON CONFLICT DO NOTHING",
                      ARGS(sql_int(clock_wall_ms())), NULL);
}

/* Points of metrics are the rows that there are most of. In pieces of ninety days, because times
 * are the clients', and one of them may write any: each piece is a table to the engine. A refusal
 * costs speed later and nothing now, so it is said and no more. */
static void spread_metrics(struct track *t)
{
    err e = store_spread(t->store, "metrics", "metric_id", "ts_ms", 90 * 86400000LL);
    if (e.code)
        log_error(t->log, NULL, "track.spread_failed", &e);
}

err track_open(const struct track_options *options, struct track **ret_track)
{
    struct track *t = calloc(1, sizeof *t);
    if (!t)
        return ERR(ERR_NO_MEMORY, "opening tracking: out of memory");
    t->store = options->store;
    t->blobs = options->blobs;
    t->log = options->log;
    t->metrics = options->metrics;
    t->outbox = options->outbox;
    t->ctx = options->ctx;
    list_init(&t->runs);
    pthread_mutex_init(&t->lock, NULL);
    thread_cond_init(&t->changed);

    err e = store_migrate(t->store, "track", track_migrations);
    if (!e.code) {
        spread_metrics(t);
        e = store_write(t->store, first_rows, NULL);
    }
    if (!e.code && options->sole_worker)
        e = recover(t, options->jobs, options->is_shared);
    if (!e.code) {
        e = thread_start(&t->flusher, "track-flush", flusher_main, t);
        t->flusher_started = !e.code;
    }
    if (e.code) {
        track_close(t);
        return err_wrap(e, "opening tracking");
    }
    *ret_track = t;
    return OK;
}

void track_close(struct track *t)
{
    if (!t)
        return;
    if (t->flusher_started) {
        pthread_mutex_lock(&t->lock);
        assert(list_is_empty(&t->runs)); /* runs end before tracking does */
        t->stop = true;
        pthread_cond_broadcast(&t->changed);
        pthread_mutex_unlock(&t->lock);
        pthread_join(t->flusher, NULL);
    }
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* ------------------------------------------------------------------ blobs in use */

struct roots {
    blob_mark_fn mark;
    void *mark_arg;
};

static err roots_read(struct store_read *rd, void *arg)
{
    const struct roots *roots = arg;
    struct store_rows *rows;

    TRY(store_query(rd,
                    "SELECT blob FROM artifacts"
                    " UNION SELECT blob FROM files"
                    " UNION SELECT blob FROM datasets WHERE blob IS NOT NULL"
                    " UNION SELECT blob FROM dataset_blobs"
                    " UNION SELECT blob FROM model_versions WHERE blob IS NOT NULL",
                    NO_ARGS, &rows));
    err e = OK;
    while (!e.code && store_next(rows)) {
        struct blob_id id;
        e = blob_id_parse(store_col_text(rows, 0), &id);
        if (!e.code)
            e = roots->mark(roots->mark_arg, &id);
    }
    return err_first(e, store_rows_close(rows));
}

err track_roots(void *track, blob_mark_fn mark, void *mark_arg)
{
    struct track *t = track;
    return track_roots_in(t->store, mark, mark_arg);
}

err track_roots_in(struct store *s, blob_mark_fn mark, void *mark_arg)
{
    struct roots roots = { mark, mark_arg };
    return store_read(s, roots_read, &roots);
}
