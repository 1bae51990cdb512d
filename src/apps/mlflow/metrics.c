/* SPDX-License-Identifier: GPL-3.0-or-later */
/* metrics.c -- /mlflow/metrics/...: histories of metrics, of one run or several. */
#include <stdlib.h>

#include "apps/mlflow/mlflow_app.h"
#include "platform/track/client_runs.h"

enum { BULK_POINTS_MAX = 25000, RUNS_SEEN_MAX = 128 /* more than may be asked for */ };

static struct track *track_of(const struct http_request *rq)
{
    return house_track(rq_house(rq));
}

static void write_points(struct json_out *w, str key, str run_id, const struct client_point *points,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct client_metric m = {
            .key = key, .value = points[i].value, .ts_ms = points[i].ts_ms, .step = points[i].step
        };
        mlflow_write_metric(w, &m, run_id);
    }
}

err mlflow_metric_history(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct client_point *points;
    size_t count;
    int64_t limit = 0;
    str id, key, token = STR_NONE, next;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    TRY(wire_need_str(&a, "metric_key", &key));
    TRY(wire_str(&a, "page_token", &token));
    TRY(wire_int(&a, "max_results", &limit));
    if (wire_has(&a, "max_results") && limit <= 0)
        return ERR(ERR_INVALID,
                   "Invalid value %lld for parameter 'max_results' supplied. It must be a positive "
                   "integer.",
                   (long long)limit);
    err e = client_metric_history(track_of(rq), id, key, token, limit, http_arena(rq), &points,
                                  &count, &next);
    if (e.code == ERR_NOT_FOUND) /* as MLflow: no points */
        return wire_empty(rp);
    if (e.code)
        return e;
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    if (count) {
        json_key(w, "metrics");
        json_array_begin(w);
        write_points(w, key, STR_NONE, points, count);
        json_array_end(w);
    }
    if (next.len)
        json_kv_str(w, "next_page_token", next);
    json_object_end(w);
    return OK;
}

/* Run ids from repeated parameters. */
static err runs_read(const struct wire_args *a, const char *name, const char *endpoint, arena *keep,
                     str **ret_ids, size_t *ret_count)
{
    TRY(wire_strs(a, name, RUNS_SEEN_MAX, keep, ret_ids, ret_count));
    if (*ret_count == 0)
        return ERR(ERR_INVALID, "%s request must specify at least one run_id.", endpoint);
    if (*ret_count > CLIENT_BULK_RUNS_MAX)
        return ERR(ERR_INVALID,
                   "%s request cannot specify more than %d run_ids. Received %zu run_ids.",
                   endpoint, CLIENT_BULK_RUNS_MAX, *ret_count);
    return OK;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

err mlflow_metric_history_bulk(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str *ids, key, next;
    size_t count;
    int64_t left = BULK_POINTS_MAX;
    TRY(wire_open(rq, &a));
    TRY(runs_read(&a, "run_id", "GetMetricHistoryBulk", http_arena(rq), &ids, &count));
    if (!wire_has(&a, "metric_key"))
        return ERR(ERR_INVALID, "GetMetricHistoryBulk request must specify a metric_key.");
    TRY(wire_str(&a, "metric_key", &key));
    TRY(wire_int(&a, "max_results", &left));
    if (left < 0 || left > BULK_POINTS_MAX)
        left = BULK_POINTS_MAX;
    qsort(ids, count, sizeof *ids, by_text);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "metrics");
    json_array_begin(w);
    for (size_t i = 0; i < count && left > 0; i++) {
        struct client_point *points;
        size_t got;
        err e = client_metric_history(track_of(rq), ids[i], key, STR_NONE, left, http_arena(rq),
                                      &points, &got, &next);
        if (e.code == ERR_NOT_FOUND) /* as MLflow: no points */
            continue;
        if (e.code)
            return e;
        write_points(w, key, ids[i], points, got);
        left -= (int64_t)got;
    }
    json_array_end(w);
    json_object_end(w);
    return OK;
}

static err sampling_read(const struct wire_args *a, struct client_sampling *s)
{
    bool has_from = wire_has(a, "start_step"), has_to = wire_has(a, "end_step");
    s->limit = CLIENT_SAMPLES_MAX;
    TRY(wire_int(a, "max_results", &s->limit));
    TRY(wire_int(a, "start_step", &s->from_step));
    TRY(wire_int(a, "end_step", &s->to_step));
    if (has_from != has_to)
        return ERR(ERR_INVALID,
                   "If either start step or end step are specified, both must be specified.");
    s->has_range = has_from;
    if (has_from && s->from_step > s->to_step)
        return ERR(ERR_INVALID,
                   "end_step must be greater than start_step. Found start_step=%lld and "
                   "end_step=%lld.",
                   (long long)s->from_step, (long long)s->to_step);
    return OK;
}

err mlflow_metric_samples(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct client_sampling sampling = { 0 };
    str *ids, key;
    size_t count;
    TRY(wire_open(rq, &a));
    if (!wire_has(&a, "run_ids"))
        return wire_missing("run_ids");
    TRY(runs_read(&a, "run_ids", "GetMetricHistoryBulkInterval", http_arena(rq), &ids, &count));
    TRY(wire_need_str(&a, "metric_key", &key));
    TRY(sampling_read(&a, &sampling));
    struct json_out *w = http_json(rp);
    bool has_points = false;
    json_object_begin(w);
    for (size_t i = 0; i < count; i++) {
        struct client_point *points;
        size_t got;
        err e = client_metric_sample(track_of(rq), ids[i], key, &sampling, http_arena(rq), &points,
                                     &got);
        if (e.code && e.code != ERR_NOT_FOUND)
            return e;
        if (e.code || got == 0)
            continue;
        if (!has_points) {
            json_key(w, "metrics");
            json_array_begin(w);
        }
        has_points = true;
        write_points(w, key, ids[i], points, got);
    }
    if (has_points)
        json_array_end(w);
    json_object_end(w);
    return OK;
}
