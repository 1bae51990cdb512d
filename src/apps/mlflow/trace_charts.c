/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trace_charts.c -- numbers about many traces, by time and by what they have in common. */
#include <stdio.h>

#include "apps/mlflow/search.h"
#include "base/clock.h"
#include "platform/app/app.h"
#include "platform/track/trace_metrics.h"

enum { POINTS_DEFAULT = 1000, LABEL_BYTES = 64 };
/* 1 January of the year 1, and the end of 9999: what a date can say. */
#define FIRST_MS INT64_C(-62135596800000)
#define LAST_MS INT64_C(253402300799999)

struct chart {
    struct trace_metric_spec spec;
    struct trace_aggregation aggregations[TRACE_METRIC_AGGREGATIONS_MAX];
    char labels[TRACE_METRIC_AGGREGATIONS_MAX][LABEL_BYTES];
};

/* ------------------------------------------------------------------ what was asked for */

/* A word of protobuf, or its number. */
static err word_read(const struct json *node, const char *name, const char *const *words,
                     int64_t count, int64_t *ret_word)
{
    str text;
    if (json_kind(node) == JSON_IS_STR) {
        text = json_str(node, STR_NONE);
        for (int64_t i = 1; i < count; i++)
            if (str_eq(text, str_of(words[i])))
                *ret_word = i;
    } else {
        TRY(wire_node_int(node, name, ret_word));
    }
    if (*ret_word < 1 || *ret_word >= count)
        return ERR(ERR_INVALID, "'%s' must be one of the words that charts know", name);
    return OK;
}

static err aggregation_read(struct chart *c, const struct json *node)
{
    size_t i = c->spec.aggregation_count;
    struct wire_args a = wire_inner(node);
    struct trace_aggregation *to = &c->aggregations[i];
    const struct json *kind = wire_node(&a, "aggregation_type");
    int64_t word = 0;
    if (!kind)
        return wire_missing("aggregation_type");
    TRY(word_read(kind, "aggregation_type", trace_aggregate_names, TRACE_AGGREGATE_END, &word));
    to->kind = (enum trace_aggregate)word;
    bool has_percentile = wire_has(&a, "percentile_value");
    if (to->kind != TRACE_PERCENTILE && has_percentile)
        return ERR(ERR_INVALID,
                   "Percentile value is only allowed for PERCENTILE aggregation type, got %s",
                   trace_aggregate_names[word]);
    struct buf label;
    buf_init(&label, LABEL_BYTES - 1);
    if (to->kind == TRACE_PERCENTILE) {
        if (!has_percentile)
            return ERR(ERR_INVALID, "Percentile value is required for PERCENTILE aggregation");
        TRY(wire_real(&a, "percentile_value", &to->percentile));
        buf_add_char(&label, 'P');
        buf_add_real(&label, to->percentile);
    } else {
        buf_add_cstr(&label, trace_aggregate_names[word]);
    }
    str text = buf_str(&label);
    err e = buf_check(&label);
    if (!e.code && !(to->percentile >= 0 && to->percentile <= 100))
        e = ERR(ERR_INVALID, "Percentile value must be between 0 and 100, got %.*s",
                STR_ARG(str_sub(text, 1, text.len)));
    bool is_again = false;
    for (size_t k = 0; k < i; k++)
        is_again |= str_eq(str_of(c->labels[k]), text);
    if (!e.code)
        snprintf(c->labels[i], LABEL_BYTES, "%.*s", STR_ARG(text));
    buf_deinit(&label);
    c->spec.aggregation_count += !is_again;
    return e;
}

static err aggregations_read(struct chart *c, const struct wire_args *a)
{
    const struct json *list = wire_node(a, "aggregations");
    if (list && json_kind(list) != JSON_IS_ARRAY)
        return wire_mistyped("aggregations", list);
    if (json_count(list) == 0)
        return wire_missing("aggregations");
    if (json_count(list) > TRACE_METRIC_AGGREGATIONS_MAX)
        return ERR(ERR_INVALID, "More than %d aggregations", TRACE_METRIC_AGGREGATIONS_MAX);
    c->spec.aggregations = c->aggregations;
    for (size_t i = 0; i < json_count(list); i++)
        TRY(aggregation_read(c, json_at(list, i)));
    return OK;
}

static err time_read(const struct wire_args *a, const char *name, bool *ret_has, int64_t *ret_ms)
{
    *ret_has = wire_has(a, name);
    TRY(wire_int(a, name, ret_ms));
    if (*ret_has && (*ret_ms < FIRST_MS || *ret_ms > LAST_MS))
        return ERR(ERR_INVALID, "'%s' is no time of the years 1 to 9999", name);
    return OK;
}

static err chart_read(struct chart *c, const struct wire_args *a, arena *keep)
{
    static const char *const views[] = { "", "TRACES", "SPANS", "ASSESSMENTS" };
    struct search_spec scope = { .kind = SEARCH_TRACES };
    struct trace_metric_spec *s = &c->spec;
    const struct json *view = wire_node(a, "view_type");
    int64_t word = 0;
    str *texts;
    if (!wire_has(a, "experiment_ids"))
        return wire_missing("experiment_ids");
    TRY(search_args_experiments(a, keep, &scope));
    s->experiment_ids = scope.experiment_ids;
    s->experiment_count = scope.experiment_count;
    if (!view)
        return wire_missing("view_type");
    TRY(word_read(view, "view_type", views, COUNT_OF(views), &word));
    s->view = (enum trace_view)word;
    TRY(wire_need_str(a, "metric_name", &s->metric));
    TRY(aggregations_read(c, a));
    TRY(wire_strs(a, "dimensions", TRACE_METRIC_DIMENSIONS_MAX, keep, &texts, &s->dimension_count));
    s->dimensions = texts;
    TRY(wire_strs(a, "filters", TRACE_METRIC_FILTERS_MAX, keep, &texts, &s->filter_count));
    s->filters = texts;
    TRY(wire_int(a, "time_interval_seconds", &s->interval_s));
    TRY(time_read(a, "start_time_ms", &s->has_start, &s->start_ms));
    TRY(time_read(a, "end_time_ms", &s->has_end, &s->end_ms));
    s->limit = POINTS_DEFAULT;
    TRY(wire_int(a, "max_results", &s->limit));
    if (s->limit < 0 || s->limit > TRACE_METRIC_POINTS_MAX)
        return ERR(ERR_INVALID, "max_results must be at least 0 and at most %d, got %lld",
                   TRACE_METRIC_POINTS_MAX, (long long)s->limit);
    return OK;
}

/* ------------------------------------------------------------------ what there is */

static void point_write(const struct chart *c, const struct trace_metric_point *p,
                        struct json_out *w)
{
    json_object_begin(w);
    json_kv_str(w, "metric_name", c->spec.metric);
    if (c->spec.interval_s || c->spec.dimension_count) {
        json_key(w, "dimensions");
        json_object_begin(w);
        if (c->spec.interval_s) {
            char iso[CLOCK_ISO_BYTES], shown[CLOCK_ISO_BYTES + 8];
            clock_iso(p->interval_ms, iso);
            snprintf(shown, sizeof shown, "%.19s+00:00", iso);
            json_kv_cstr(w, "time_bucket", shown);
        }
        for (size_t i = 0; i < c->spec.dimension_count; i++) {
            char name[40];
            snprintf(name, sizeof name, "%.*s", STR_ARG(c->spec.dimensions[i]));
            json_kv_str(w, name, p->dimensions[i]);
        }
        json_object_end(w);
    }
    json_key(w, "values");
    json_object_begin(w);
    for (size_t i = 0; i < c->spec.aggregation_count; i++)
        wire_kv_real(w, c->labels[i], p->values[i]);
    json_object_end(w);
    json_object_end(w);
}

err mlflow_traces_metrics(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct chart c = { .labels = { "" } };
    struct trace_metric_point *points;
    size_t count;
    TRY(wire_open(rq, &a));
    TRY(chart_read(&c, &a, http_arena(rq)));
    TRY(trace_metrics_read(house_track(rq_house(rq)), &c.spec, http_arena(rq), &points, &count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    if (count) {
        json_key(w, "data_points");
        json_array_begin(w);
        for (size_t i = 0; i < count; i++)
            point_write(&c, &points[i], w);
        json_array_end(w);
    }
    json_object_end(w);
    return OK;
}
