/* SPDX-License-Identifier: GPL-3.0-or-later */
/* retention_purge.c -- for good: what has been in the trash for long enough.
 *
 * Runs first, then logged models, then experiments that are empty by then. A run may have millions
 * of points, so it goes in several transactions: the first marks it (purge_ms), which takes it out
 * of restore's reach; then its points go in slices; the last takes everything else and the row. A
 * pass begins with the marked ones, so that what a kill left half done is finished, whatever the
 * rules say by then.
 */
#include "platform/track/retention_internal.h"

#include <stdio.h>

#include "base/clock.h"

/* Rows in one transaction, about: a quarter of a second for other writers at the worst. */
enum { ROWS_STEP = 20000, DATASET_REST_MS = 24 * 3600 * 1000 };

/* ------------------------------------------------------------------ runs: marked */

struct marking {
    int64_t before_ms, now_ms;
    struct retention_cursor after;
    bool is_rehearsal;
    arena *keep;
    /* results */
    str ids[RETENTION_STEP];
    int64_t times[RETENTION_STEP];
    bool is_needed[RETENTION_STEP];
    size_t count;
};

static err marking_read(struct store_read *rd, struct marking *m)
{
    struct store_rows *rows;
    arena_reset(m->keep);
    m->count = 0;
    TRY(store_query(rd,
                    "SELECT run_id, deleted_ms FROM runs WHERE deleted_ms IS NOT NULL"
                    " AND deleted_ms < ?1 AND (deleted_ms > ?2 OR (deleted_ms = ?2 AND"
                    " run_id > ?3)) AND lifecycle_stage = 'deleted' AND purge_ms IS NULL"
                    " ORDER BY deleted_ms, run_id LIMIT ?4",
                    ARGS(sql_int(m->before_ms), sql_int(m->after.at), sql_cstr(m->after.id),
                         sql_int(RETENTION_STEP)),
                    &rows));
    while (m->count < RETENTION_STEP && store_next(rows)) {
        m->ids[m->count] = store_col_text_keep(rows, 0, m->keep);
        m->times[m->count++] = store_col_int(rows, 1);
    }
    TRY(store_rows_close(rows));
    for (size_t i = 0; i < m->count; i++)
        TRY(retention_needs_run(rd, m->ids[i], &m->is_needed[i]));
    return arena_check(m->keep);
}

static err mark_look_fn(struct store_read *rd, void *arg)
{
    return marking_read(rd, arg);
}

static err mark_fn(struct store_tx *tx, void *arg)
{
    struct marking *m = arg;
    TRY(marking_read(store_tx_read(tx), m));
    for (size_t i = 0; i < m->count; i++)
        if (!m->is_needed[i])
            TRY(store_exec(tx, "UPDATE runs SET purge_ms = ?2 WHERE run_id = ?1",
                           ARGS(sql_text(m->ids[i]), sql_int(m->now_ms)), NULL));
    return OK;
}

static err mark_runs(struct retention_pass *p)
{
    arena steps;
    struct marking m = { .before_ms = p->want->deleted_before_ms,
                         .now_ms = p->want->now_ms,
                         .after = { .at = INT64_MIN },
                         .is_rehearsal = p->want->is_rehearsal,
                         .keep = &steps };
    err e;
    arena_init(&steps, RETENTION_ARENA_BYTES);
    do {
        e = retention_check(p);
        if (!e.code)
            e = m.is_rehearsal ? store_read(p->track->store, mark_look_fn, &m)
                               : store_write(p->track->store, mark_fn, &m);
        for (size_t i = 0; !e.code && i < m.count; i++)
            if (m.is_needed[i] || m.is_rehearsal)
                retention_tell(p, m.is_needed[i] ? RETENTION_KEEP_RUN : RETENTION_PURGE_RUN,
                               m.ids[i], STR_NONE);
        if (!e.code && m.count)
            retention_cursor_set(&m.after, m.times[m.count - 1], m.ids[m.count - 1]);
    } while (!e.code && m.count == RETENTION_STEP);
    arena_deinit(&steps);
    return e;
}

/* ------------------------------------------------------------------ runs: removed */

struct removal {
    arena *keep;
    /* results */
    str ids[RETENTION_STEP];
    size_t gone;  /* of them, from the first on */
    size_t count; /* marked ones that were found */
};

/* A slice of the points of one key, ended where a time ends: points of one time go together. */
static err points_remove(struct store_tx *tx, int64_t metric_id, int64_t *rows_left)
{
    int64_t gone = 0;
    TRY(store_exec(tx,
                   "DELETE FROM metrics WHERE metric_id = ?1 AND ts_ms <= COALESCE((SELECT m.ts_ms"
                   " FROM metrics m WHERE m.metric_id = ?1 ORDER BY m.ts_ms LIMIT 1 OFFSET ?2),"
                   " 9223372036854775807)",
                   ARGS(sql_int(metric_id), sql_int(*rows_left)), &gone));
    *rows_left -= gone;
    return OK;
}

/* Sets *ret_is_bare when no point is left. */
static err run_points_remove(struct store_tx *tx, str run_id, arena *keep, int64_t *rows_left,
                             bool *ret_is_bare)
{
    struct store_rows *rows;
    struct number {
        int64_t id;
        struct number *next;
    } *first = NULL;
    TRY(store_query(store_tx_read(tx), "SELECT metric_id FROM latest_metrics WHERE run_id = ?1",
                    ARGS(sql_text(run_id)), &rows));
    while (store_next(rows)) {
        struct number *n = NEW(keep, struct number);
        if (!n)
            break;
        *n = (struct number){ store_col_int(rows, 0), first };
        first = n;
    }
    TRY(store_rows_close(rows));
    TRY(arena_check(keep));
    for (struct number *n = first; n && *rows_left > 0; n = n->next)
        TRY(points_remove(tx, n->id, rows_left));
    *ret_is_bare = *rows_left > 0;
    return OK;
}

static err run_row_remove(struct store_tx *tx, str run_id)
{
    static const char *const sql[] = {
        "DELETE FROM latest_metrics WHERE run_id = ?1", "DELETE FROM params WHERE run_id = ?1",
        "DELETE FROM tags WHERE run_id = ?1",           "DELETE FROM artifacts WHERE run_id = ?1",
        "DELETE FROM input_tags WHERE run_id = ?1",     "DELETE FROM run_assets WHERE run_id = ?1",
        "DELETE FROM trace_runs WHERE run_id = ?1",     "DELETE FROM runs WHERE run_id = ?1",
    };
    for (size_t i = 0; i < COUNT_OF(sql); i++)
        TRY(store_exec(tx, sql[i], ARGS(sql_text(run_id)), NULL));
    return OK;
}

static err remove_fn(struct store_tx *tx, void *arg)
{
    struct removal *r = arg;
    struct store_rows *rows;
    int64_t rows_left = ROWS_STEP;
    arena_reset(r->keep);
    r->gone = r->count = 0;
    TRY(store_query(store_tx_read(tx),
                    "SELECT run_id FROM runs WHERE purge_ms IS NOT NULL ORDER BY purge_ms, run_id"
                    " LIMIT ?1",
                    ARGS(sql_int(RETENTION_STEP)), &rows));
    while (r->count < RETENTION_STEP && store_next(rows))
        r->ids[r->count++] = store_col_text_keep(rows, 0, r->keep);
    TRY(store_rows_close(rows));
    TRY(arena_check(r->keep));
    for (bool is_bare = true; is_bare && r->gone < r->count;) {
        TRY(run_points_remove(tx, r->ids[r->gone], r->keep, &rows_left, &is_bare));
        if (is_bare)
            TRY(run_row_remove(tx, r->ids[r->gone++]));
    }
    return OK;
}

static err remove_runs(struct retention_pass *p)
{
    arena keep;
    struct removal r = { .keep = &keep };
    err e;
    arena_init(&keep, RETENTION_ARENA_BYTES);
    do {
        e = retention_check(p);
        if (!e.code)
            e = store_write(p->track->store, remove_fn, &r);
        for (size_t i = 0; !e.code && i < r.gone; i++)
            retention_tell(p, RETENTION_PURGE_RUN, r.ids[i], STR_NONE);
    } while (!e.code && r.count > 0);
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ datasets of clients */

#define UNUSED_DATASETS                                                          \
    " SELECT d.id FROM datasets d WHERE d.kind = '" DATASET_KIND_CLIENT "'"      \
    " AND d.created_ms < ?1"                                                     \
    " AND NOT EXISTS (SELECT 1 FROM run_assets a WHERE a.asset_id = d.id)"       \
    " AND NOT EXISTS (SELECT 1 FROM model_versions v WHERE v.dataset_id = d.id)" \
    " AND NOT EXISTS (SELECT 1 FROM input_tags i WHERE i.dataset_id = d.id)"     \
    " AND NOT EXISTS (SELECT 1 FROM dataset_blobs b WHERE b.dataset_id = d.id)"

struct datasets {
    int64_t before_ms, gone;
};

static err datasets_fn(struct store_tx *tx, void *arg)
{
    struct datasets *d = arg;
    TRY(store_exec(tx, "DELETE FROM dataset_sources WHERE dataset_id IN (" UNUSED_DATASETS ")",
                   ARGS(sql_int(d->before_ms)), NULL));
    return store_exec(tx, "DELETE FROM datasets WHERE id IN (" UNUSED_DATASETS ")",
                      ARGS(sql_int(d->before_ms)), &d->gone);
}

/* What no run reads any more. Young ones may be on their way: their edge comes after them. */
static err remove_datasets(struct retention_pass *p)
{
    struct datasets d = { .before_ms = clock_wall_ms() - DATASET_REST_MS };
    TRY(store_write(p->track->store, datasets_fn, &d));
    p->report.datasets = d.gone;
    return OK;
}

/* ------------------------------------------------------------------ logged models */

struct models {
    int64_t before_ms;
    struct retention_cursor after;
    arena *keep;
    /* results */
    str ids[RETENTION_STEP], files[RETENTION_STEP];
    bool is_needed[RETENTION_STEP];
    size_t count;
};

/* Deleted long ago, or of an experiment that was. */
static err models_read(struct store_read *rd, struct models *m)
{
    struct store_rows *rows;
    arena_reset(m->keep);
    m->count = 0;
    TRY(store_query(rd,
                    "SELECT m.model_id, m.artifact_location FROM logged_models m"
                    " JOIN experiments e ON e.experiment_id = m.experiment_id"
                    " WHERE m.model_id > ?2"
                    " AND ((m.lifecycle_stage = 'deleted' AND m.updated_ms < ?1)"
                    " OR (e.lifecycle_stage = 'deleted' AND e.last_update_time < ?1))"
                    " ORDER BY m.model_id LIMIT ?3",
                    ARGS(sql_int(m->before_ms), sql_cstr(m->after.id), sql_int(RETENTION_STEP)),
                    &rows));
    err e = OK;
    while (!e.code && m->count < RETENTION_STEP && store_next(rows)) {
        size_t i = m->count++;
        m->ids[i] = store_col_text_keep(rows, 0, m->keep);
        e = retention_files(store_col_text(rows, 1), m->ids[i], m->keep, &m->files[i]);
    }
    TRY(err_first(e, store_rows_close(rows)));
    TRY(arena_check(m->keep));
    for (size_t i = 0; i < m->count; i++)
        TRY(retention_needs_model(rd, m->ids[i], &m->is_needed[i]));
    return OK;
}

static err models_look_fn(struct store_read *rd, void *arg)
{
    return models_read(rd, arg);
}

static err model_remove(struct store_tx *tx, str id)
{
    static const char *const sql[] = {
        "DELETE FROM logged_model_params WHERE model_id = ?1",
        "DELETE FROM logged_model_tags WHERE model_id = ?1",
        "DELETE FROM logged_model_metrics WHERE model_id = ?1",
        "DELETE FROM run_assets WHERE asset_id = ?1 AND kind = 'model'",
        "DELETE FROM logged_models WHERE model_id = ?1",
    };
    for (size_t i = 0; i < COUNT_OF(sql); i++)
        TRY(store_exec(tx, sql[i], ARGS(sql_text(id)), NULL));
    return OK;
}

static err models_fn(struct store_tx *tx, void *arg)
{
    struct models *m = arg;
    TRY(models_read(store_tx_read(tx), m));
    for (size_t i = 0; i < m->count; i++) {
        if (m->is_needed[i])
            continue;
        TRY(retention_files_remove(tx, m->files[i], m->keep));
        TRY(model_remove(tx, m->ids[i]));
    }
    return OK;
}

static err purge_models(struct retention_pass *p)
{
    arena keep;
    struct models m = { .before_ms = p->want->deleted_before_ms, .keep = &keep };
    err e;
    arena_init(&keep, RETENTION_ARENA_BYTES);
    do {
        e = retention_check(p);
        if (!e.code)
            e = p->want->is_rehearsal ? store_read(p->track->store, models_look_fn, &m)
                                      : store_write(p->track->store, models_fn, &m);
        for (size_t i = 0; !e.code && i < m.count; i++)
            retention_tell(p, m.is_needed[i] ? RETENTION_KEEP_MODEL : RETENTION_PURGE_MODEL,
                           m.ids[i], m.files[i]);
        if (!e.code && m.count)
            retention_cursor_set(&m.after, 0, m.ids[m.count - 1]);
    } while (!e.code && m.count == RETENTION_STEP);
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ experiments */

struct experiment {
    int64_t before_ms, now_ms;
    bool is_rehearsal; /* runs and models that would go count as gone */
    int64_t id;        /* looked for above it; then the one, or -1 */
    arena *keep;
    bool is_empty;
    str files; /* below which all of its are; empty: elsewhere, or shared */
};

static err is_gone_all(struct store_read *rd, const struct experiment *x, bool *ret_is)
{
    int64_t holds = 0;
    TRY(store_get_int(rd,
                      "SELECT (SELECT COUNT(*) FROM runs r WHERE r.experiment_id = ?1"
                      "  AND (?3 = 0 OR r.lifecycle_stage <> 'deleted' OR r.deleted_ms IS NULL"
                      "   OR r.deleted_ms >= ?2))"
                      " + (SELECT COUNT(*) FROM logged_models m WHERE m.experiment_id = ?1"
                      "  AND ?3 = 0)",
                      ARGS(sql_int(x->id), sql_int(x->before_ms), sql_int(x->is_rehearsal)),
                      &holds));
    *ret_is = holds == 0;
    return OK;
}

/* A page of the ids behind the cursor, which moves on. */
static err ids_read(struct store_read *rd, const char *sql, int64_t experiment_id,
                    struct retention_cursor *after, arena *keep, str *ids, size_t *ret_count)
{
    struct store_rows *rows;
    size_t count = 0;
    arena_reset(keep);
    TRY(store_query(rd, sql,
                    ARGS(sql_int(experiment_id), sql_cstr(after->id), sql_int(RETENTION_STEP)),
                    &rows));
    while (count < RETENTION_STEP && store_next(rows))
        ids[count++] = store_col_text_keep(rows, 0, keep);
    TRY(store_rows_close(rows));
    TRY(arena_check(keep));
    if (count)
        retention_cursor_set(after, 0, ids[count - 1]);
    *ret_count = count;
    return OK;
}

/* In a rehearsal its runs and models are still there: is one of them needed? */
static err is_any_needed(struct store_read *rd, const struct experiment *x, bool *ret_is)
{
    static const char *const sql[] = {
        "SELECT run_id FROM runs WHERE experiment_id = ?1 AND run_id > ?2 ORDER BY run_id LIMIT ?3",
        "SELECT model_id FROM logged_models WHERE experiment_id = ?1 AND model_id > ?2"
        " ORDER BY model_id LIMIT ?3",
    };
    str ids[RETENTION_STEP];
    size_t count;
    *ret_is = false;
    for (size_t kind = 0; kind < COUNT_OF(sql); kind++) {
        struct retention_cursor after = { .id = "" };
        do {
            TRY(ids_read(rd, sql[kind], x->id, &after, x->keep, ids, &count));
            for (size_t i = 0; i < count && !*ret_is; i++)
                TRY(kind ? retention_needs_model(rd, ids[i], ret_is)
                         : retention_needs_run(rd, ids[i], ret_is));
        } while (count == RETENTION_STEP && !*ret_is);
    }
    return OK;
}

/* Its own folder, as the server made it: a location that somebody chose may be another's, too. */
static err files_of(struct store_read *rd, struct experiment *x)
{
    char made[64];
    int64_t others = 0;
    int len = snprintf(made, sizeof made, "mlflow-artifacts:/%lld", (long long)x->id);
    x->files = STR_NONE;
    TRY(store_get_int(rd,
                      "SELECT (SELECT COUNT(*) FROM experiments WHERE experiment_id <> ?1"
                      "  AND (artifact_location = ?2"
                      "  OR substr(artifact_location, 1, length(?2) + 1) = ?2 || '/'))"
                      " + (SELECT COUNT(*) FROM experiments WHERE experiment_id = ?1"
                      "  AND artifact_location <> ?2)"
                      " + (SELECT COUNT(*) FROM model_versions WHERE stage <> 'Deleted_Internal'"
                      "  AND (substr(source, 1, length(?2) + 1) = ?2 || '/'"
                      "  OR substr(location, 1, length(?2) + 1) = ?2 || '/'))",
                      ARGS(sql_int(x->id), sql_text(str_from(made, (size_t)len))), &others));
    if (others == 0)
        x->files = arena_fmt(x->keep, "%lld", (long long)x->id);
    return arena_check(x->keep);
}

static err experiment_next_fn(struct store_read *rd, void *arg)
{
    struct experiment *x = arg;
    int64_t id = 0;
    bool is_needed = false;
    arena_reset(x->keep);
    TRY(store_get_int(rd,
                      "SELECT COALESCE(MIN(experiment_id), -1) FROM experiments"
                      " WHERE experiment_id > ?1 AND lifecycle_stage = 'deleted'"
                      " AND last_update_time < ?2",
                      ARGS(sql_int(x->id), sql_int(x->before_ms)), &id));
    x->id = id;
    if (id < 0)
        return OK;
    TRY(is_gone_all(rd, x, &x->is_empty));
    if (x->is_empty && x->is_rehearsal)
        TRY(is_any_needed(rd, x, &is_needed));
    x->is_empty = x->is_empty && !is_needed;
    return files_of(rd, x);
}

/* Whatever came or came back since then keeps it. */
static err experiment_fn(struct store_tx *tx, void *arg)
{
    struct experiment *x = arg;
    struct store_value id = sql_int(x->id);
    int64_t traces = 0, changed = 0;
    x->is_empty = false;
    TRY(store_get_int(store_tx_read(tx), "SELECT COUNT(*) FROM traces WHERE experiment_id = ?1",
                      ARGS(id), &traces));
    bool is_empty = false;
    TRY(is_gone_all(store_tx_read(tx), x, &is_empty));
    if (traces || !is_empty)
        return OK;
    TRY(store_exec(tx,
                   "INSERT INTO purged_experiments (experiment_id, name, purged_ms)"
                   " SELECT experiment_id, name, CAST(?2 AS @int) FROM experiments"
                   " WHERE experiment_id = ?1 AND lifecycle_stage = 'deleted'"
                   " ON CONFLICT (experiment_id) DO UPDATE SET purged_ms = excluded.purged_ms",
                   ARGS(id, sql_int(x->now_ms)), &changed));
    if (!changed)
        return OK;
    TRY(retention_files_remove(tx, x->files, x->keep));
    TRY(store_exec(tx, "DELETE FROM experiment_tags WHERE experiment_id = ?1", ARGS(id), NULL));
    TRY(store_exec(tx, "DELETE FROM experiments WHERE experiment_id = ?1", ARGS(id), NULL));
    x->is_empty = true;
    return OK;
}

static err experiment_purge(struct retention_pass *p, struct experiment *x)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)x->id);
    TRY(retention_traces_of(p, x->id));
    if (!x->is_rehearsal)
        TRY(store_write(p->track->store, experiment_fn, x));
    if (x->is_empty)
        retention_tell(p, RETENTION_PURGE_EXPERIMENT, str_from(text, (size_t)len), x->files);
    return OK;
}

static err purge_experiments(struct retention_pass *p)
{
    arena keep;
    struct experiment x = { .before_ms = p->want->deleted_before_ms,
                            .now_ms = p->want->now_ms,
                            .is_rehearsal = p->want->is_rehearsal,
                            .keep = &keep };
    arena_init(&keep, RETENTION_ARENA_BYTES); /* id 0, Default, is never looked for */
    err e = store_read(p->track->store, experiment_next_fn, &x);
    while (!e.code && x.id >= 0) {
        e = retention_check(p);
        if (!e.code && x.is_empty)
            e = experiment_purge(p, &x);
        if (!e.code)
            e = store_read(p->track->store, experiment_next_fn, &x);
    }
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ all of it */

err retention_purge(struct retention_pass *p)
{
    if (!p->want->is_rehearsal)
        TRY(remove_runs(p)); /* what a kill left */
    if (p->want->deleted_before_ms > 0) {
        TRY(mark_runs(p));
        if (!p->want->is_rehearsal)
            TRY(remove_runs(p));
        TRY(purge_models(p));
        TRY(purge_experiments(p));
    }
    return p->want->is_rehearsal ? OK : remove_datasets(p);
}
