/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trace_metrics.h -- numbers about many traces, spans or assessments at once: what charts show.
 *
 * A metric (latency, tokens, costs, how many) is aggregated over all that its view and filters
 * leave, for each value of the dimensions, and for each interval of time. What lacks the metric or
 * a dimension counts nowhere. Names and messages of errors are MLflow's. Any thread.
 */
#ifndef SKERRY_TRACK_TRACE_METRICS_H
#define SKERRY_TRACK_TRACE_METRICS_H

#include "base/arena.h"
#include "platform/track/track.h"

enum {
    TRACE_METRIC_AGGREGATIONS_MAX = 20,
    TRACE_METRIC_DIMENSIONS_MAX = 5,
    TRACE_METRIC_FILTERS_MAX = 50,
    TRACE_METRIC_POINTS_MAX = 10000,   /* of an answer */
    TRACE_METRIC_VALUES_MAX = 1000000, /* different ones in one point */
};

enum trace_view { TRACE_VIEW_NONE, TRACE_VIEW_TRACES, TRACE_VIEW_SPANS, TRACE_VIEW_ASSESSMENTS };

enum trace_aggregate { /* MLflow's numbers */
                       TRACE_COUNT = 1,
                       TRACE_SUM,
                       TRACE_AVG,
                       TRACE_PERCENTILE,
                       TRACE_MIN,
                       TRACE_MAX,
                       TRACE_AGGREGATE_END,
};
extern const char *const trace_aggregate_names[TRACE_AGGREGATE_END];

struct trace_aggregation {
    enum trace_aggregate kind;
    double percentile; /* 0 to 100 */
};

struct trace_metric_spec {
    enum trace_view view;
    str metric;
    const struct trace_aggregation *aggregations;
    const str *dimensions, *filters;
    const int64_t *experiment_ids;
    size_t aggregation_count, dimension_count, filter_count, experiment_count;
    int64_t interval_s; /* 0: no intervals */
    bool has_start, has_end;
    int64_t start_ms, end_ms; /* inclusive */
    int64_t limit;            /* of points, in the order of interval and dimensions */
};

struct trace_metric_point {
    int64_t interval_ms;   /* where its interval begins */
    const str *dimensions; /* as in the spec */
    const double *values;  /* of the aggregations */
};

/* Results live in `keep`. ERR_INVALID; ERR_TOO_BIG where a point has too many values. */
MUST_USE err trace_metrics_read(struct track *t, const struct trace_metric_spec *spec, arena *keep,
                                struct trace_metric_point **ret_points, size_t *ret_count);

#endif
