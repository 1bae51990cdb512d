/* SPDX-License-Identifier: GPL-3.0-or-later */
/* run_flush.c -- batches: what a run has logged, on its way into the store.
 *
 * Two batches of fixed size: the stage fills one while the other is written. A batch that the store
 * refused stays and is tried again first, so order is kept, nothing is lost while the disk is full,
 * and a stage that goes on logging is told once both are full. The lock is never held during a
 * write.
 *
 * A batch is one transaction: params (the first value stands), tags (the last one stands), metric
 * points (a repeated one counts once), and the latest point of each metric by (step, time, value).
 */
#include "platform/track/track_internal.h"

#include <stdlib.h>

/* ------------------------------------------------------------------ batches */

err run_batch_new(struct run_batch **ret_batch)
{
    struct run_batch *b = calloc(1, sizeof *b);
    if (!b)
        return ERR(ERR_NO_MEMORY, "beginning a run: out of memory");
    arena_init(&b->memory, RUN_TEXT_BYTES_MAX);
    *ret_batch = b;
    return OK;
}

void run_batch_free(struct run_batch *b)
{
    if (!b)
        return;
    arena_deinit(&b->memory);
    free(b);
}

static bool batch_is_empty(const struct run_batch *b)
{
    return b->text_count == 0 && b->point_count == 0 && !b->labels_changed;
}

static void batch_clear(struct run_batch *b)
{
    arena_reset(&b->memory);
    b->text_count = 0;
    b->point_count = 0;
    b->labels_changed = false;
}

/* ------------------------------------------------------------------ one batch into the store */

struct batch_write {
    struct run *run;
    const struct run_batch *batch;
    int64_t metric_ids[RUN_METRIC_KEYS_MAX]; /* of the series in this batch; else 0 */
    err conflict;
};

static err write_param(struct store_tx *tx, struct batch_write *w, const struct run_text *t)
{
    int64_t inserted = 0;
    TRY(store_exec(tx,
                   "INSERT INTO params (run_id, key, value) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT DO NOTHING",
                   ARGS(sql_cstr(w->run->id), sql_text(t->key), sql_text(t->value)), &inserted));
    if (inserted)
        return OK;
    int64_t same = 0;
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COUNT(*) FROM params WHERE run_id = ?1 AND key = ?2 AND value = ?3",
                      ARGS(sql_cstr(w->run->id), sql_text(t->key), sql_text(t->value)), &same));
    if (!same && !w->conflict.code)
        w->conflict = ERR(ERR_CONFLICT,
                          "param '%.*s' of run %s was set to another value by somebody else",
                          STR_ARG(t->key), w->run->id);
    return OK;
}

static err write_texts(struct store_tx *tx, struct batch_write *w)
{
    for (size_t i = 0; i < w->batch->text_count; i++) {
        const struct run_text *t = &w->batch->texts[i];
        if (!t->is_tag) {
            TRY(write_param(tx, w, t));
            continue;
        }
        TRY(store_exec(tx,
                       "INSERT INTO tags (run_id, key, value) VALUES (?1, ?2, ?3)"
                       " ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value",
                       ARGS(sql_cstr(w->run->id), sql_text(t->key), sql_text(t->value)), NULL));
    }
    return OK;
}

static bool is_later(const struct run_point *a, const struct run_point *b)
{
    if (a->step != b->step)
        return a->step > b->step;
    if (a->ts_ms != b->ts_ms)
        return a->ts_ms > b->ts_ms;
    return a->value > b->value;
}

/* Makes the row of a metric key with this point, or lifts its latest point to it. */
static err write_latest(struct store_tx *tx, struct batch_write *w, const struct run_point *p)
{
    const struct run_series *s = &w->run->series[p->series];
    struct store_args all = ARGS(sql_cstr(w->run->id), sql_text(s->key), sql_int(p->step),
                                 sql_int(p->ts_ms), sql_real(p->value), sql_int(p->is_nan));
    TRY(store_exec(tx,
                   "INSERT INTO latest_metrics (run_id, key, step, ts_ms, value, is_nan)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                   " ON CONFLICT (run_id, key) DO UPDATE SET step = excluded.step,"
                   " ts_ms = excluded.ts_ms, value = excluded.value, is_nan = excluded.is_nan"
                   " WHERE (excluded.step, excluded.ts_ms, excluded.value)"
                   " > (latest_metrics.step, latest_metrics.ts_ms, latest_metrics.value)",
                   all, NULL));
    w->metric_ids[p->series] = s->metric_id;
    if (s->metric_id)
        return OK;
    return store_get_int(store_tx_read(tx),
                         "SELECT metric_id FROM latest_metrics WHERE run_id = ?1 AND key = ?2",
                         ARGS(sql_cstr(w->run->id), sql_text(s->key)), &w->metric_ids[p->series]);
}

static err write_points(struct store_tx *tx, struct batch_write *w)
{
    const struct run_batch *b = w->batch;
    uint16_t latest[RUN_METRIC_KEYS_MAX] = { 0 }; /* index into points, plus 1 */

    if (b->point_count == 0)
        return OK;
    for (size_t i = 0; i < b->point_count; i++) {
        uint16_t *best = &latest[b->points[i].series];
        if (*best == 0 || is_later(&b->points[i], &b->points[*best - 1]))
            *best = (uint16_t)(i + 1);
    }
    for (size_t s = 0; s < RUN_METRIC_KEYS_MAX; s++)
        if (latest[s])
            TRY(write_latest(tx, w, &b->points[latest[s] - 1]));

    struct store_bulk *bulk;
    TRY(store_bulk_begin(tx, "metrics", "metric_id, ts_ms, step, value, is_nan", 5, &bulk));
    err e = OK;
    for (size_t i = 0; !e.code && i < b->point_count; i++) {
        const struct run_point *p = &b->points[i];
        e = store_bulk_row(bulk, (const struct store_value[]){
                                     sql_int(w->metric_ids[p->series]), sql_int(p->ts_ms),
                                     sql_int(p->step), sql_real(p->value), sql_int(p->is_nan) });
    }
    return err_first(e, store_bulk_end(bulk, NULL));
}

static err batch_write_tx(struct store_tx *tx, void *arg)
{
    struct batch_write *w = arg;

    w->conflict = OK;
    TRY(write_texts(tx, w));
    TRY(write_points(tx, w));
    if (w->batch->labels_changed)
        TRY(store_exec(tx, "UPDATE runs SET dataset_id = ?2, model_id = ?3 WHERE run_id = ?1",
                       ARGS(sql_cstr(w->run->id), sql_text_opt(w->batch->dataset_id),
                            sql_text_opt(w->batch->model_id)),
                       NULL));
    return OK;
}

/* ------------------------------------------------------------------ queue and flush */

/* Writes r->outgoing. r->lock is held on entry and exit, but not during the write. */
static err write_outgoing(struct run *r)
{
    struct batch_write *w = calloc(1, sizeof *w);
    if (!w)
        return ERR(ERR_NO_MEMORY, "writing the log of run %s: out of memory", r->id);
    w->run = r;
    w->batch = r->outgoing;

    r->flushing = true;
    pthread_mutex_unlock(&r->lock);
    err e = job_write(r->job, r->track->store, batch_write_tx, w);
    if (e.code)
        metric_add(metric_cell_plain(r->track->metrics, &track_metrics[TRACK_M_FLUSH_ERRORS]), 1);
    pthread_mutex_lock(&r->lock);
    r->flushing = false;
    pthread_cond_broadcast(&r->flushed);

    if (!e.code) {
        /* Only now: the number of a metric is good once its row is committed. */
        for (size_t i = 0; i < w->batch->point_count; i++) {
            uint32_t s = w->batch->points[i].series;
            r->series[s].metric_id = w->metric_ids[s];
        }
        if (w->conflict.code)
            r->conflict = err_first(r->conflict, w->conflict);
        batch_clear(r->outgoing);
    }
    free(w);
    return e.code ? err_wrap(e, "storing what run %s has logged", r->id) : OK;
}

/* Writes what is there, up to and including what the stage has said before this call. */
static err flush_locked(struct run *r)
{
    /* Two rounds: the batch that an earlier error left, and the one being filled. */
    for (int round = 0; round < 2; round++) {
        while (r->flushing)
            pthread_cond_wait(&r->flushed, &r->lock);
        if (batch_is_empty(r->outgoing)) {
            struct run_batch *empty = r->outgoing;
            r->outgoing = r->filling;
            r->filling = empty;
        }
        if (batch_is_empty(r->outgoing))
            break;
        TRY(write_outgoing(r));
    }
    return OK;
}

err run_flush(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    err e = flush_locked(r);
    if (!e.code)
        e = r->conflict;
    pthread_mutex_unlock(&r->lock);
    return e;
}

err run_queue_text(struct run *r, bool is_tag, str key, str value)
{
    err e = OK;

    pthread_mutex_lock(&r->lock);
    if (r->filling->text_count == RUN_TEXTS_MAX)
        e = flush_locked(r);
    struct run_batch *b = r->filling;
    if (!e.code) {
        struct run_text *t = &b->texts[b->text_count];
        t->is_tag = is_tag;
        t->key = arena_str(&b->memory, key);
        t->value = arena_str(&b->memory, value);
        if (t->key.ptr && t->value.ptr)
            b->text_count++;
        else
            e = ERR(ERR_NO_MEMORY, "logging '%.*s' of run %s: out of memory", STR_ARG(key), r->id);
    }
    pthread_mutex_unlock(&r->lock);
    return e;
}

err run_queue_point(struct run *r, const struct run_point *point)
{
    err e = OK;

    pthread_mutex_lock(&r->lock);
    if (r->filling->point_count == RUN_POINTS_MAX)
        e = flush_locked(r);
    if (!e.code)
        r->filling->points[r->filling->point_count++] = *point;
    pthread_mutex_unlock(&r->lock);
    return e;
}

void run_queue_labels(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    r->filling->labels_changed = true;
    r->filling->dataset_id = r->labels.dataset_id;
    r->filling->model_id = r->labels.model_id;
    pthread_mutex_unlock(&r->lock);
}
