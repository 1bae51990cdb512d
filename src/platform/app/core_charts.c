/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_charts.c -- /v1/metrics/...: series and scalars for charts, answered from our own history.
 *
 * A series reply is {"series":[{"label","metric","points":[{"ts","time","value"}]}]}, a scalar is
 * {"value","unit","at"}. A range that is not known reads as 2h, as in the reference.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "platform/app/core.h"

struct range {
    const char *name;
    int64_t span_s, step_s;
};
static const struct range ranges[] = {
    { "2h", 7200, 60 },
    { "24h", 86400, 300 },
    { "7d", 604800, 1800 },
    { "30d", 2592000, 7200 },
};

static const struct range *range_of(const struct http_request *rq)
{
    for (size_t i = 0; i < COUNT_OF(ranges); i++)
        if (str_eq(http_query(rq, "range"), str_of(ranges[i].name)))
            return &ranges[i];
    return &ranges[0];
}

static void write_points(struct json_out *w, const char *label, const char *metric,
                         const struct metric_point *points, size_t count)
{
    json_object_begin(w);
    json_kv_cstr(w, "label", label);
    json_kv_cstr(w, "metric", metric);
    json_key(w, "points");
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_real(w, "ts", (double)points[i].ts_ms / 1000);
        json_kv_time_ms(w, "time", points[i].ts_ms);
        json_kv_real(w, "value", points[i].value);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

/* One series of a registered family over the request's range. */
static err query_labelled(struct http_request *rq, const char *name, const str *labels,
                          size_t label_count, enum history_function function,
                          struct metric_point **ret_points, size_t *ret_count)
{
    const struct range *range = range_of(rq);
    int64_t now = clock_wall_ms();
    struct history_query q = { .name = str_of(name),
                               .labels = labels,
                               .label_count = label_count,
                               .function = function,
                               .from_ms = now - range->span_s * 1000,
                               .to_ms = now,
                               .step_ms = range->step_s * 1000 };
    return history_query(house_history(rq_house(rq)), &q, http_arena(rq), ret_points, ret_count);
}

/* label may be empty. */
static err query(struct http_request *rq, const char *name, str label,
                 enum history_function function, struct metric_point **ret_points,
                 size_t *ret_count)
{
    return query_labelled(rq, name, &label, label.len ? 1 : 0, function, ret_points, ret_count);
}

static void reply_points(struct http_reply *rp, const char *label, const char *metric,
                         const struct metric_point *points, size_t count)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "series");
    json_array_begin(w);
    write_points(w, label, metric, points, count);
    json_array_end(w);
    json_object_end(w);
}

static err reply_one(struct http_request *rq, struct http_reply *rp, const char *label,
                     const char *metric, str match, enum history_function function)
{
    struct metric_point *points;
    size_t count;
    TRY(query(rq, metric, match, function, &points, &count));
    reply_points(rp, label, metric, points, count);
    return OK;
}

/* Steps a second of one training, between the points at which it said how far it was. Series of the
 * process have no label for a run: they would grow with every training. */
static err run_throughput(struct http_request *rq, struct http_reply *rp)
{
    char run_id[HEX_ID_BYTES];
    struct run_info run;
    struct metric_point *points;
    size_t count, kept = 0;
    struct track *t = house_track(rq_house(rq));
    TRY(app_run_id_parse(http_query(rq, "runId"), run_id));
    TRY(track_run_get(t, str_of(run_id), http_arena(rq), &run));
    int64_t since = http_query(rq, "range").len ? clock_wall_ms() - range_of(rq)->span_s * 1000 : 0;
    TRY(track_metric_history(t, str_of(run_id), STR("step"), since, 2000, http_arena(rq), &points,
                             &count));
    struct metric_point last = { .ts_ms = run.start_ms };
    for (size_t i = 0; i < count; i++) {
        struct metric_point now = points[i];
        int64_t took_ms = now.ts_ms - last.ts_ms;
        if (took_ms <= 0)
            continue;
        points[kept] = now;
        points[kept++].value = (now.value - last.value) * 1000 / (double)took_ms;
        last = now;
    }
    reply_points(rp, "steps_per_s", "step", points, kept);
    return OK;
}

err core_chart_throughput(struct http_request *rq, struct http_reply *rp)
{
    if (http_query(rq, "runId").len)
        return run_throughput(rq, rp);
    return reply_one(rq, rp, "steps_per_s", "chs_training_step_duration_seconds_count", STR_NONE,
                     HISTORY_RATE);
}

err core_chart_rps(struct http_request *rq, struct http_reply *rp)
{
    return reply_one(rq, rp, "rps", "chs_api_requests_total", STR_NONE, HISTORY_RATE);
}

/* Of the version that serves now: numbers of several versions make no sum. */
err core_chart_elo(struct http_request *rq, struct http_reply *rp)
{
    struct model_version_info prod;
    struct metric_point *points = NULL;
    size_t count = 0;
    err e = core_prod_find(rq_house(rq), http_arena(rq), &prod);
    if (!e.code) {
        str labels[2] = {
            arena_fmt(http_arena(rq), "model_id=\"%.*s\"", STR_ARG(prod.name)),
            arena_fmt(http_arena(rq), "model_version=\"%lld\"", (long long)prod.version),
        };
        ARENA_TRY(labels[0].ptr && labels[1].ptr);
        e = query_labelled(rq, "chs_engine_elo", labels, COUNT_OF(labels), HISTORY_VALUE, &points,
                           &count);
    }
    if (e.code && e.code != ERR_NOT_FOUND)
        return e;
    reply_points(rp, "elo", "chs_engine_elo", points, count);
    return OK;
}

/* Both a series and the newest value: the reference's clients disagree about which it is. */
err core_chart_mps(struct http_request *rq, struct http_reply *rp)
{
    struct metric_point *points;
    size_t count;
    TRY(query(rq, "chs_moves_total", STR_NONE, HISTORY_RATE, &points, &count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_real(w, "value", count ? points[count - 1].value : 0);
    json_kv_cstr(w, "unit", "moves/s");
    json_kv_time_ms(w, "at", count ? points[count - 1].ts_ms : clock_wall_ms());
    json_key(w, "series");
    json_array_begin(w);
    write_points(w, "mps", "chs_moves_total", points, count);
    json_array_end(w);
    json_object_end(w);
    return OK;
}

err core_chart_error_rate(struct http_request *rq, struct http_reply *rp)
{
    struct metric_point *failed, *all;
    size_t failed_count, count;
    TRY(query(rq, "chs_api_requests_total", STR("outcome=\"error\""), HISTORY_RATE, &failed,
              &failed_count));
    TRY(query(rq, "chs_api_requests_total", STR_NONE, HISTORY_RATE, &all, &count));
    size_t f = 0;
    for (size_t i = 0; i < count; i++) {
        while (f < failed_count && failed[f].ts_ms < all[i].ts_ms)
            f++;
        double errors = f < failed_count && failed[f].ts_ms == all[i].ts_ms ? failed[f].value : 0;
        all[i].value = all[i].value > 0 ? errors / all[i].value : 0;
    }
    reply_points(rp, "error_rate", "chs_api_requests_total", all, count);
    return OK;
}

err core_chart_utilization(struct http_request *rq, struct http_reply *rp)
{
    struct metric_point *cpu;
    size_t count;
    TRY(query(rq, "process_cpu_seconds_total", STR_NONE, HISTORY_RATE, &cpu, &count));
    for (size_t i = 0; i < count; i++)
        cpu[i].value *= 100.0 / thread_core_count();
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "series");
    json_array_begin(w);
    write_points(w, "cpu_pct", "process_cpu_seconds_total", cpu, count);
    write_points(w, "gpu_pct", NULL, NULL,
                 0); /* no accelerator is used: an empty series, not zeros */
    write_points(w, "vram_pct", NULL, NULL, 0);
    json_array_end(w);
    json_object_end(w);
    return OK;
}

err core_chart_training(struct http_request *rq, struct http_reply *rp)
{
    char run_id[HEX_ID_BYTES];
    struct run_info run;
    TRY(app_run_id_parse(http_param(rq, "runId"), run_id));
    TRY(track_run_get(house_track(rq_house(rq)), str_of(run_id), http_arena(rq), &run));
    str keys = http_query(rq, "m").len ? http_query(rq, "m") : STR("loss,val_acc");
    int64_t since = http_query(rq, "range").len ? clock_wall_ms() - range_of(rq)->span_s * 1000 : 0;
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "series");
    json_array_begin(w);
    while (keys.len) {
        char *key = arena_cstr(http_arena(rq), str_trim(str_split(&keys, ',')));
        ARENA_TRY(key);
        struct metric_point *points;
        size_t count;
        TRY(track_metric_history(house_track(rq_house(rq)), str_of(run_id), str_of(key), since,
                                 2000, http_arena(rq), &points, &count));
        write_points(w, key, key, points, count);
    }
    json_array_end(w);
    json_object_end(w);
    return OK;
}

/* "?metric=name&fn=rate|value&match=label="x"": any series of ours. */
err core_chart_series(struct http_request *rq, struct http_reply *rp)
{
    str name = http_query(rq, "metric"), fn = http_query(rq, "fn");
    if (!name.len)
        return ERR(ERR_INVALID, "query parameter 'metric' is required: the name of a series, as "
                                "GET /metrics shows them");
    if (fn.len && !str_eq(fn, STR("rate")) && !str_eq(fn, STR("value")))
        return ERR(ERR_INVALID, "query parameter 'fn' must be rate or value");
    char *metric = arena_cstr(http_arena(rq), name);
    ARENA_TRY(metric);
    return reply_one(rq, rp, metric, metric, http_query(rq, "match"),
                     str_eq(fn, STR("rate")) ? HISTORY_RATE : HISTORY_VALUE);
}

static err latency_ms(struct http_request *rq, double q, double *ret_ms)
{
    int64_t now = clock_wall_ms();
    double seconds;
    TRY(history_quantile(house_history(rq_house(rq)), STR("chs_api_request_seconds"), NULL, 0, q,
                         now - 300000, now, &seconds));
    *ret_ms = seconds * 1000; /* NAN stays NAN, and is written as null */
    return OK;
}

err core_chart_latency(struct http_request *rq, struct http_reply *rp)
{
    int64_t p = 95;
    double ms;
    TRY(http_query_int(rq, "p", 1, 99, &p));
    TRY(latency_ms(rq, (double)p / 100, &ms));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_real(w, "value", ms);
    json_kv_cstr(w, "unit", "ms");
    json_kv_int(w, "p", p);
    json_kv_time_ms(w, "at", clock_wall_ms());
    json_object_end(w);
    return OK;
}

/* The share of requests of the last five minutes that failed for a reason of ours. */
static err recent_error_rate(struct http_request *rq, double *ret_share)
{
    int64_t now = clock_wall_ms();
    str label = STR("outcome=\"error\"");
    double sums[2] = { 0, 0 };
    for (int i = 0; i < 2; i++) {
        struct history_query q = { .name = STR("chs_api_requests_total"),
                                   .labels = &label,
                                   .label_count = (size_t)i,
                                   .function = HISTORY_RATE,
                                   .from_ms = now - 300000,
                                   .to_ms = now,
                                   .step_ms = 300000 };
        struct metric_point *points;
        size_t count;
        TRY(history_query(house_history(rq_house(rq)), &q, http_arena(rq), &points, &count));
        for (size_t k = 0; k < count; k++)
            sums[i] += points[k].value;
    }
    *ret_share = sums[0] > 0 ? sums[1] / sums[0] : 0;
    return OK;
}

err core_chart_health(struct http_request *rq, struct http_reply *rp)
{
    double ms, share;
    TRY(latency_ms(rq, 0.5, &ms));
    TRY(recent_error_rate(rq, &share));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "status", share > 0.05 ? "degraded" : "ok");
    json_kv_real(w, "pingMs", ms);
    json_kv_real(w, "errorRate", share);
    json_object_end(w);
    return OK;
}
