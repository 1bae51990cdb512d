/* SPDX-License-Identifier: GPL-3.0-or-later */
/* runs.c -- reading runs: one, many, what they logged, the history of a metric. */
#include "platform/track/track_internal.h"

#include <math.h>

enum { POINTS_DEFAULT = 10000, POINTS_MAX = 100000 };

#define RUN_COLUMNS                                                                              \
    "run_id, run_name, CAST(experiment_id AS @text), component, user_id, status, error, job_id," \
    " job_kind, dataset_id, model_id, created_ms, start_ms, end_ms, attempts"

static struct run_info run_row(struct store_rows *rows, arena *keep)
{
    return (struct run_info){
        .run_id = store_col_text_keep(rows, 0, keep),
        .name = store_col_text_keep(rows, 1, keep),
        .experiment_id = store_col_text_keep(rows, 2, keep),
        .component = store_col_text_keep(rows, 3, keep),
        .username = store_col_text_keep(rows, 4, keep),
        .status = store_col_text_keep(rows, 5, keep),
        .error = store_col_text_keep(rows, 6, keep),
        .job_id = store_col_text_keep(rows, 7, keep),
        .job_kind = store_col_text_keep(rows, 8, keep),
        .dataset_id = store_col_text_keep(rows, 9, keep),
        .model_id = store_col_text_keep(rows, 10, keep),
        .created_ms = store_col_int(rows, 11),
        .start_ms = store_col_int(rows, 12),
        .end_ms = store_col_int(rows, 13),
        .attempts = (int)store_col_int(rows, 14),
    };
}

/* ------------------------------------------------------------------ one, many */

struct run_get_read {
    str run_id;
    arena *keep;
    struct run_info info;
};

static err run_get_fn(struct store_read *rd, void *arg)
{
    struct run_get_read *g = arg;
    struct store_rows *rows;
    TRY(store_query(rd, "SELECT " RUN_COLUMNS " FROM runs WHERE run_id = ?1",
                    ARGS(sql_text(g->run_id)), &rows));
    bool found = store_next(rows);
    if (found)
        g->info = run_row(rows, g->keep);
    TRY(store_rows_close(rows));
    if (!found)
        return ERR(ERR_NOT_FOUND, "Run with id=%.*s not found", STR_ARG(g->run_id));
    return arena_check(g->keep);
}

err track_run_get(struct track *t, str run_id, arena *keep, struct run_info *ret_info)
{
    struct run_get_read g = { .run_id = run_id, .keep = keep };
    TRY(store_read(t->store, run_get_fn, &g));
    *ret_info = g.info;
    return OK;
}

struct run_list_read {
    const struct run_filter *filter;
    arena *keep;
    struct run_info *infos;
    size_t count;
    int64_t total;
};

static void run_filter_add(struct track_query *q, const struct run_filter *f)
{
    if (f->component.len)
        track_query_and(q, "component = ", sql_text(f->component), "");
    if (f->status.len)
        track_query_and(q, "status = ", sql_text(f->status), "");
    if (f->job_kind.len)
        track_query_and(q, "job_kind = ", sql_text(f->job_kind), "");
    if (f->username.len)
        track_query_and(q, "user_id = ", sql_text(f->username), "");
    if (f->dataset_id.len)
        track_query_and(q, "dataset_id = ", sql_text(f->dataset_id), "");
    if (f->model_id.len)
        track_query_and(q, "model_id = ", sql_text(f->model_id), "");
}

static err run_list_fn(struct store_read *rd, void *arg)
{
    struct run_list_read *l = arg;
    struct track_query q;
    struct store_rows *rows;
    size_t room = (size_t)track_limit(l->filter->limit);

    l->count = 0;
    l->infos = NEW_ARRAY(l->keep, struct run_info, room);
    ARENA_TRY(l->infos);
    track_query_init(&q, "SELECT " RUN_COLUMNS " FROM runs WHERE lifecycle_stage = 'active'");
    run_filter_add(&q, l->filter);
    track_query_add(&q, " ORDER BY created_ms DESC, run_id DESC");
    track_query_page(&q, l->filter->limit, l->filter->offset);
    err e = track_query_run(&q, rd, &rows);
    if (!e.code) {
        while (l->count < room && store_next(rows))
            l->infos[l->count++] = run_row(rows, l->keep);
        e = store_rows_close(rows);
    }
    track_query_deinit(&q);
    return err_first(e, arena_check(l->keep));
}

err track_run_list(struct track *t, const struct run_filter *filter, arena *keep,
                   struct run_info **ret_infos, size_t *ret_count)
{
    struct run_list_read l = { .filter = filter, .keep = keep };
    TRY(store_read(t->store, run_list_fn, &l));
    *ret_infos = l.infos;
    *ret_count = l.count;
    return OK;
}

static err run_count_fn(struct store_read *rd, void *arg)
{
    struct run_list_read *l = arg;
    struct track_query q;
    struct store_rows *rows;

    l->total = 0;
    track_query_init(&q, "SELECT COUNT(*) FROM runs WHERE lifecycle_stage = 'active'");
    run_filter_add(&q, l->filter);
    err e = track_query_run(&q, rd, &rows);
    if (!e.code) {
        if (store_next(rows))
            l->total = store_col_int(rows, 0);
        e = store_rows_close(rows);
    }
    track_query_deinit(&q);
    return e;
}

err track_run_count(struct track *t, const struct run_filter *filter, int64_t *ret_count)
{
    struct run_list_read l = { .filter = filter };
    TRY(store_read(t->store, run_count_fn, &l));
    *ret_count = l.total;
    return OK;
}

/* ------------------------------------------------------------------ what it logged */

struct run_data_read {
    str run_id;
    struct json_out *out;
};

static err texts_json(struct store_read *rd, const char *sql, str run_id, const char *key,
                      struct json_out *out)
{
    struct store_rows *rows;
    TRY(store_query(rd, sql, ARGS(sql_text(run_id)), &rows));
    json_key(out, key);
    json_object_begin(out);
    while (store_next(rows)) {
        json_key_str(out, store_col_text(rows, 0));
        json_out_str(out, store_col_text(rows, 1));
    }
    json_object_end(out);
    return store_rows_close(rows);
}

static err latest_json(struct store_read *rd, str run_id, struct json_out *out)
{
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT key, value, is_nan FROM latest_metrics WHERE run_id = ?1 ORDER BY key",
                    ARGS(sql_text(run_id)), &rows));
    json_key(out, "metrics");
    json_object_begin(out);
    while (store_next(rows)) {
        json_key_str(out, store_col_text(rows, 0));
        json_out_real(out, store_col_int(rows, 2) ? NAN : store_col_real(rows, 1));
    }
    json_object_end(out);
    return store_rows_close(rows);
}

static err assets_json(struct store_read *rd, str run_id, const char *direction, const char *key,
                       struct json_out *out)
{
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT a.kind, a.asset_id, a.context, COALESCE(d.name, m.name),"
                    " COALESCE(d.version, CAST(m.version AS @text)), COALESCE(d.digest, m.digest)"
                    " FROM run_assets a"
                    " LEFT JOIN datasets d ON a.kind = 'dataset' AND d.id = a.asset_id"
                    " LEFT JOIN model_versions m ON a.kind = 'model' AND m.id = a.asset_id"
                    " WHERE a.run_id = ?1 AND a.direction = ?2 ORDER BY a.at_ms, a.asset_id",
                    ARGS(sql_text(run_id), sql_cstr(direction)), &rows));
    json_key(out, key);
    json_array_begin(out);
    while (store_next(rows)) {
        json_object_begin(out);
        json_kv_str(out, "type", store_col_text(rows, 0));
        json_kv_str(out, "id", store_col_text(rows, 1));
        json_kv_str(out, "name", store_col_text(rows, 3));
        json_kv_str(out, "version", store_col_text(rows, 4));
        if (store_col_is_null(rows, 5)) {
            json_key(out, "digest");
            json_out_null(out);
        } else {
            json_kv_str(out, "digest", store_col_text(rows, 5));
        }
        json_kv_str(out, "context", store_col_text(rows, 2));
        json_object_end(out);
    }
    json_array_end(out);
    return store_rows_close(rows);
}

static err run_data_fn(struct store_read *rd, void *arg)
{
    const struct run_data_read *d = arg;
    TRY(texts_json(rd, "SELECT key, value FROM params WHERE run_id = ?1 ORDER BY key", d->run_id,
                   "params", d->out));
    TRY(latest_json(rd, d->run_id, d->out));
    TRY(texts_json(rd, "SELECT key, value FROM tags WHERE run_id = ?1 ORDER BY key", d->run_id,
                   "tags", d->out));
    TRY(assets_json(rd, d->run_id, "in", "inputs", d->out));
    return assets_json(rd, d->run_id, "out", "outputs", d->out);
}

err track_run_data_json(struct track *t, str run_id, struct json_out *out)
{
    struct run_data_read d = { run_id, out };
    return store_read(t->store, run_data_fn, &d);
}

/* ------------------------------------------------------------------ history of a metric */

struct points_read {
    str run_id, key;
    int64_t since_ms;
    size_t limit;
    arena *keep;
    struct metric_point *points;
    size_t count;
};

static err points_fn(struct store_read *rd, void *arg)
{
    struct points_read *p = arg;
    struct store_rows *rows;
    int64_t there = 0, metric_id;

    p->count = 0;
    /* Not a join: points may be on another machine (store_spread), where one owner is found. */
    err e = store_get_int(rd, "SELECT metric_id FROM latest_metrics WHERE run_id = ?1 AND key = ?2",
                          ARGS(sql_text(p->run_id), sql_text(p->key)), &metric_id);
    if (e.code)
        return e.code == ERR_NOT_FOUND ? OK : e;
    /* Counted first: room for the most points would be 2 MB a call. */
    TRY(store_get_int(rd, "SELECT COUNT(*) FROM metrics WHERE metric_id = ?1 AND ts_ms >= ?2",
                      ARGS(sql_int(metric_id), sql_int(p->since_ms)), &there));
    size_t room = (size_t)there < p->limit ? (size_t)there : p->limit;
    p->points = NEW_ARRAY(p->keep, struct metric_point, room);
    ARENA_TRY(p->points);
    TRY(store_query(
        rd,
        "SELECT value, step, ts_ms, is_nan FROM metrics WHERE metric_id = ?1 AND ts_ms >= ?2"
        " ORDER BY ts_ms, step, value LIMIT ?3",
        ARGS(sql_int(metric_id), sql_int(p->since_ms), sql_int((int64_t)room)), &rows));
    while (p->count < room && store_next(rows))
        p->points[p->count++] = (struct metric_point){
            .value = store_col_int(rows, 3) ? NAN : store_col_real(rows, 0),
            .step = store_col_int(rows, 1),
            .ts_ms = store_col_int(rows, 2),
        };
    return store_rows_close(rows);
}

err track_metric_history(struct track *t, str run_id, str key, int64_t since_ms, size_t limit,
                         arena *keep, struct metric_point **ret_points, size_t *ret_count)
{
    struct points_read p = {
        .run_id = run_id,
        .key = key,
        .since_ms = since_ms,
        .limit = limit == 0           ? POINTS_DEFAULT
                 : limit > POINTS_MAX ? POINTS_MAX
                                      : limit,
        .keep = keep,
    };
    TRY(store_read(t->store, points_fn, &p));
    *ret_points = p.points;
    *ret_count = p.count;
    return OK;
}
