/* SPDX-License-Identifier: GPL-3.0-or-later */
/* result.c -- answers in the shapes of Prometheus' and Loki's HTTP APIs: times in seconds, values
 * as texts, because JSON has no NaN.
 */
#include <math.h>
#include <stdio.h>

#include "platform/query/query_internal.h"

static void write_time(struct json_out *out, int64_t ts_ms)
{
    char text[32];
    int64_t seconds = ts_ms / 1000, rest = ts_ms % 1000;
    if (rest < 0) {
        seconds--;
        rest += 1000;
    }
    if (seconds < 0 && rest) /* -1.5 s is -1 s and -500 ms */
        snprintf(text, sizeof text, "%s%lld.%03d", seconds == -1 ? "-" : "",
                 (long long)(seconds + 1), (int)(1000 - rest));
    else if (rest)
        snprintf(text, sizeof text, "%lld.%03d", (long long)seconds, (int)rest);
    else
        snprintf(text, sizeof text, "%lld", (long long)seconds);
    json_out_raw(out, str_of(text));
}

static void write_value(struct json_out *out, double value)
{
    if (isnan(value)) {
        json_out_cstr(out, "NaN");
    } else if (isinf(value)) {
        json_out_cstr(out, value > 0 ? "+Inf" : "-Inf");
    } else {
        struct buf text;
        buf_init(&text, 64);
        buf_add_f64(&text, value);
        json_out_str(out, buf_str(&text));
        buf_deinit(&text);
    }
}

static void write_pair(struct json_out *out, int64_t ts_ms, double value)
{
    json_array_begin(out);
    write_time(out, ts_ms);
    write_value(out, value);
    json_array_end(out);
}

static int64_t step_time(const struct query_result *r, size_t step)
{
    return r->times.start_ms + (int64_t)step * r->times.step_ms;
}

/* "values" of one series over time. */
static void write_values(const struct query_result *r, const double *values, struct json_out *out)
{
    json_key(out, "values");
    json_array_begin(out);
    for (size_t i = 0; i < r->step_count; i++)
        if (!query_is_absent(values[i]))
            write_pair(out, step_time(r, i), values[i]);
    json_array_end(out);
}

static void write_raw(const struct query_result *r, size_t k, struct json_out *out)
{
    json_key(out, "values");
    json_array_begin(out);
    for (size_t i = 0; i < r->point_counts[k]; i++)
        write_pair(out, r->points[k][i].ts_ms, r->points[k][i].value);
    json_array_end(out);
}

static void write_series(const struct query_result *r, struct json_out *out)
{
    json_array_begin(out);
    for (size_t k = 0; k < r->count; k++) {
        json_object_begin(out);
        json_key(out, "metric");
        labels_json(r->series[k].labels, out);
        if (r->points) {
            write_raw(r, k, out);
        } else if (r->times.is_range) {
            write_values(r, r->series[k].values, out);
        } else {
            json_key(out, "value");
            write_pair(out, r->times.start_ms, r->series[k].values[0]);
        }
        json_object_end(out);
    }
    if (r->times.is_range && r->type == QUERY_SCALAR) {
        json_object_begin(out);
        json_key(out, "metric");
        labels_json((struct labels){ 0 }, out);
        write_values(r, r->scalars, out);
        json_object_end(out);
    }
    json_array_end(out);
}

void query_result_json(const struct query_result *r, struct json_out *out)
{
    bool is_matrix = r->times.is_range || r->type == QUERY_MATRIX;
    json_object_begin(out);
    json_kv_cstr(out, "resultType",
                 is_matrix                 ? "matrix"
                 : r->type == QUERY_VECTOR ? "vector"
                 : r->type == QUERY_SCALAR ? "scalar"
                                           : "string");
    json_key(out, "result");
    if (is_matrix || r->type == QUERY_VECTOR) {
        write_series(r, out);
    } else if (r->type == QUERY_SCALAR) {
        write_pair(out, r->times.start_ms, r->scalars[0]);
    } else {
        json_array_begin(out);
        write_time(out, r->times.start_ms);
        json_out_str(out, r->text);
        json_array_end(out);
    }
    json_object_end(out);
}

void query_streams_json(const struct query_stream *streams, size_t count, struct json_out *out)
{
    json_object_begin(out);
    json_kv_cstr(out, "resultType", "streams");
    json_key(out, "result");
    json_array_begin(out);
    for (size_t k = 0; k < count; k++) {
        json_object_begin(out);
        json_key(out, "stream");
        labels_json(streams[k].labels, out);
        json_key(out, "values");
        json_array_begin(out);
        for (size_t i = 0; i < streams[k].count; i++) {
            json_array_begin(out);
            json_out_fmt(out, "%lld000000", (long long)streams[k].lines[i].ts_ms);
            json_out_str(out, streams[k].lines[i].line);
            json_array_end(out);
        }
        json_array_end(out);
        json_object_end(out);
    }
    json_array_end(out);
    json_key(out, "stats");
    json_object_begin(out);
    json_object_end(out);
    json_object_end(out);
}
