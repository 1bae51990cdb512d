/* SPDX-License-Identifier: GPL-3.0-or-later */
/* traces.c -- /mlflow/traces of version 3: start, read, tags, delete, links. */
#include "apps/mlflow/traces.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { DURATION_MS_MAX_DIGITS = 12, SHOWN_BYTES = 80, PROMPTS_MAX = 100, STATS_BYTES_MAX = 65536 };
static const char *const states[] = { "STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS" };

static struct track *track_of(const struct http_request *rq)
{
    return house_track(rq_house(rq));
}

/* ------------------------------------------------------------------ values of protobuf's JSON */

void trace_kv_time(struct json_out *w, const char *key, int64_t ms)
{
    char iso[CLOCK_ISO_BYTES];
    clock_iso(ms, iso);
    str text = str_of(iso);
    if (str_ends(text, STR(".000Z"))) {
        iso[text.len - 5] = 'Z';
        text.len -= 4;
    }
    json_kv_str(w, key, text);
}

static void kv_duration(struct json_out *w, const char *key, int64_t ms)
{
    json_key(w, key);
    int64_t rest = ms < 0 ? -(ms % 1000) : ms % 1000;
    const char *sign = ms < 0 && ms > -1000 ? "-" : "";
    if (rest)
        json_out_fmt(w, "%s%lld.%03llds", sign, (long long)(ms / 1000), (long long)rest);
    else
        json_out_fmt(w, "%llds", (long long)(ms / 1000));
}

err trace_time_of(const struct wire_args *a, const char *name, int64_t *ms)
{
    str text = STR_NONE;
    TRY(wire_str(a, name, &text));
    if (!text.len)
        return OK;
    if (clock_parse(text, ms).code)
        return wire_invalid(name, text, "Value must be a time like 2026-11-28T17:20:33.121Z");
    return OK;
}

static err duration_of(const struct wire_args *a, const char *name, struct trace_spec *spec)
{
    str text = STR_NONE;
    double seconds;
    TRY(wire_str(a, name, &text));
    if (!text.len)
        return OK;
    if (!str_ends(text, STR("s")) || str_to_f64(str_sub(text, 0, text.len - 1), &seconds).code ||
        fabs(seconds) > 1e11)
        return wire_invalid(name, text, "Value must be a duration like 1.5s");
    spec->duration_ms = (int64_t)llround(seconds * 1000);
    spec->has_duration = true;
    return OK;
}

err trace_pairs_of(const struct wire_args *a, const char *name, arena *keep,
                   struct track_tag **ret_pairs, size_t *ret_count)
{
    const struct json *node = wire_node(a, name), *value;
    size_t count = 0, max = json_count(node);
    void *iter = NULL;
    str key;
    if (node && json_kind(node) != JSON_IS_OBJECT)
        return ERR(ERR_INVALID,
                   "Invalid value for parameter '%s' supplied: Value must be an object", name);
    if (max > TRACE_TAGS_MAX)
        return ERR(ERR_INVALID, "'%s' holds more than %d keys", name, TRACE_TAGS_MAX);
    struct track_tag *pairs = NEW_ARRAY(keep, struct track_tag, max + 1);
    ARENA_TRY(pairs);
    while (count < max && json_next(node, &iter, &key, &value)) {
        pairs[count].key = key;
        pairs[count].value = STR("");
        TRY(wire_node_str(value, name, &pairs[count++].value));
    }
    *ret_pairs = pairs;
    *ret_count = count;
    return OK;
}

void trace_kv_pairs(struct json_out *w, const char *name, const struct track_tag *pairs,
                    size_t count)
{
    if (!count)
        return;
    json_key(w, name);
    json_object_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_key_str(w, pairs[i].key);
        json_out_str(w, pairs[i].value);
    }
    json_object_end(w);
}

/* ------------------------------------------------------------------ a trace's info */

static void kv_experiment(struct json_out *w, int64_t id)
{
    json_key(w, "experiment_id");
    json_out_fmt(w, "%lld", (long long)id);
}

void trace_write_info(struct json_out *w, const struct trace_info *info)
{
    json_object_begin(w);
    json_kv_str(w, "trace_id", info->trace_id);
    if (info->client_request_id.ptr)
        json_kv_str(w, "client_request_id", info->client_request_id);
    json_key(w, "trace_location");
    json_object_begin(w);
    json_kv_cstr(w, "type", "MLFLOW_EXPERIMENT");
    json_key(w, "mlflow_experiment");
    json_object_begin(w);
    kv_experiment(w, info->experiment_id);
    json_object_end(w);
    json_object_end(w);
    trace_kv_time(w, "request_time", info->request_ms);
    if (info->has_duration)
        kv_duration(w, "execution_duration", info->duration_ms);
    json_kv_str(w, "state", info->state);
    trace_kv_pairs(w, "trace_metadata", info->metadata, info->metadata_count);
    if (info->assessment_count) {
        json_key(w, "assessments");
        json_array_begin(w);
        for (size_t i = 0; i < info->assessment_count; i++)
            trace_write_assessment(w, &info->assessments[i]);
        json_array_end(w);
    }
    trace_kv_pairs(w, "tags", info->tags, info->tag_count);
    if (info->request_preview.ptr)
        json_kv_str(w, "request_preview", info->request_preview);
    if (info->response_preview.ptr)
        json_kv_str(w, "response_preview", info->response_preview);
    json_object_end(w);
}

static err reply_info(struct http_request *rq, struct http_reply *rp, str trace_id)
{
    struct trace_info info;
    TRY(trace_read(track_of(rq), trace_id, http_arena(rq), &info));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "trace");
    json_object_begin(w);
    json_key(w, "trace_info");
    trace_write_info(w, &info);
    json_object_end(w);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ start */

static err state_of(const struct wire_args *a, str *ret_state)
{
    int64_t number = 0;
    *ret_state = STR("STATE_UNSPECIFIED");
    if (!wire_has(a, "state"))
        return OK;
    if (!wire_int(a, "state", &number).code && number >= 0 && number < (int64_t)COUNT_OF(states)) {
        *ret_state = str_of(states[number]);
        return OK;
    }
    TRY(wire_str(a, "state", ret_state));
    for (size_t i = 0; i < COUNT_OF(states); i++)
        if (str_eq(*ret_state, str_of(states[i])))
            return OK;
    return wire_invalid("state", *ret_state, "Value must be OK, ERROR or IN_PROGRESS");
}

static err location_of(const struct wire_args *a, int64_t *ret_experiment)
{
    const struct json *location = wire_node(a, "trace_location");
    struct wire_args outer = wire_inner(location), inner;
    const struct json *experiment = wire_node(&outer, "mlflow_experiment");
    inner = wire_inner(experiment);
    return wire_need_experiment(&inner, ret_experiment);
}

static err assessments_of(const struct wire_args *a, arena *keep, struct trace_spec *spec)
{
    const struct json *node = wire_node(a, "assessments");
    size_t count = json_count(node);
    if (count > ASSESSMENTS_MAX)
        return ERR(ERR_INVALID, "A trace is given more than %d assessments", ASSESSMENTS_MAX);
    struct assessment *list = NEW_ARRAY(keep, struct assessment, count + 1);
    ARENA_TRY(list);
    for (size_t i = 0; i < count; i++)
        TRY(trace_assessment_of(json_at(node, i), keep, &list[i]));
    spec->assessments = list;
    spec->assessment_count = count;
    return OK;
}

/* What trace_start is told, and the mark by which clients know that it was. */
static err info_of(const struct wire_args *a, arena *keep, struct trace_spec *spec)
{
    struct track_tag *tags, *metadata;
    TRY(location_of(a, &spec->experiment_id));
    TRY(wire_need_str(a, "trace_id", &spec->trace_id));
    TRY(trace_time_of(a, "request_time", &spec->request_ms));
    TRY(duration_of(a, "execution_duration", spec));
    TRY(state_of(a, &spec->state));
    TRY(wire_str(a, "client_request_id", &spec->client_request_id));
    TRY(wire_str(a, "request_preview", &spec->request_preview));
    TRY(wire_str(a, "response_preview", &spec->response_preview));
    TRY(trace_pairs_of(a, "tags", keep, &tags, &spec->tag_count));
    TRY(trace_pairs_of(a, "trace_metadata", keep, &metadata, &spec->metadata_count));
    metadata[spec->metadata_count++] = (struct track_tag){ STR("mlflow.trace.infoFinalized"),
                                                           STR("true") };
    spec->tags = tags;
    spec->metadata = metadata;
    return assessments_of(a, keep, spec);
}

err mlflow_trace_start(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a, trace, info;
    struct trace_spec spec = { 0 };
    TRY(wire_open(rq, &a));
    if (!wire_has(&a, "trace"))
        return wire_missing("trace");
    trace = wire_inner(wire_node(&a, "trace"));
    info = wire_inner(wire_node(&trace, "trace_info"));
    TRY(info_of(&info, http_arena(rq), &spec));
    TRY(trace_start(track_of(rq), &spec));
    return reply_info(rq, rp, spec.trace_id);
}

/* ------------------------------------------------------------------ read */

err mlflow_trace_info(struct http_request *rq, struct http_reply *rp)
{
    return reply_info(rq, rp, http_param(rq, "trace_id"));
}

/* {"num_spans": 2, ...}: how many the client says there are; 0: it does not say. */
static int64_t spans_announced(const struct trace_info *info, arena *keep)
{
    const struct json *stats;
    for (size_t i = 0; i < info->metadata_count; i++)
        if (str_eq(info->metadata[i].key, STR("mlflow.trace.sizeStats")) &&
            info->metadata[i].value.len < STATS_BYTES_MAX &&
            !json_parse(keep, info->metadata[i].value, &stats).code)
            return json_int(json_get(stats, "num_spans"), 0);
    return 0;
}

static err is_complete(struct http_request *rq, const struct trace_info *info, bool *ret_is)
{
    int64_t count;
    TRY(trace_count_spans(track_of(rq), info, &count));
    *ret_is = count >= spans_announced(info, http_arena(rq));
    return OK;
}

static err write_whole(struct http_request *rq, struct json_out *w, const struct trace_info *info)
{
    json_object_begin(w);
    json_key(w, "trace_info");
    trace_write_info(w, info);
    json_key(w, "spans");
    json_array_begin(w);
    TRY(trace_write_spans(track_of(rq), info, w));
    json_array_end(w);
    json_object_end(w);
    return OK;
}

/* MLflow asks for "true" or "false", in any case. */
static err partial_of(const struct wire_args *a, bool *ret_is)
{
    str text = STR("false");
    TRY(wire_str(a, "allow_partial", &text));
    *ret_is = str_eq_nocase(text, STR("true"));
    if (!*ret_is && !str_eq_nocase(text, STR("false")))
        return ERR(ERR_INVALID, "Invalid boolean value: %.*s, must be 'true' or 'false'.",
                   STR_ARG(str_sub(text, 0, SHOWN_BYTES)));
    return OK;
}

err mlflow_trace_get(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct trace_info info;
    bool is_partial, is_whole = true;
    str id;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "trace_id", &id));
    TRY(partial_of(&a, &is_partial));
    err e = trace_read(track_of(rq), id, http_arena(rq), &info);
    if (e.code == ERR_NOT_FOUND)
        return ERR(ERR_NOT_FOUND, "Trace with ID %.*s is not found.",
                   STR_ARG(str_sub(id, 0, SHOWN_BYTES)));
    TRY(e);
    if (!info.has_spans)
        return ERR(ERR_NOT_FOUND, "Trace data not stored in tracking store");
    if (!is_partial)
        TRY(is_complete(rq, &info, &is_whole));
    if (!is_whole)
        return ERR(ERR_NOT_FOUND,
                   "Trace with ID %.*s is not fully exported yet, please try again later.",
                   STR_ARG(str_sub(id, 0, SHOWN_BYTES)));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "trace");
    TRY(write_whole(rq, w, &info));
    json_object_end(w);
    return OK;
}

static err ids_of(struct http_request *rq, struct trace_info **ret_infos, size_t *ret_count)
{
    struct wire_args a;
    str *ids;
    size_t count;
    TRY(wire_open(rq, &a));
    TRY(wire_strs(&a, "trace_ids", TRACES_MAX, http_arena(rq), &ids, &count));
    if (count == 0)
        return wire_missing("trace_ids");
    return traces_read(track_of(rq), ids, count, http_arena(rq), ret_infos, ret_count);
}

/* Those whose spans are all here: searches of clients ask for them together. */
err mlflow_trace_batch_get(struct http_request *rq, struct http_reply *rp)
{
    struct trace_info *infos;
    size_t count;
    bool is_first = true;
    TRY(ids_of(rq, &infos, &count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    for (size_t i = 0; i < count; i++) {
        bool is_whole = false;
        if (infos[i].has_spans)
            TRY(is_complete(rq, &infos[i], &is_whole));
        if (!is_whole)
            continue;
        if (is_first) {
            json_key(w, "traces");
            json_array_begin(w);
        }
        is_first = false;
        TRY(write_whole(rq, w, &infos[i]));
    }
    if (!is_first)
        json_array_end(w);
    json_object_end(w);
    return OK;
}

err mlflow_trace_batch_infos(struct http_request *rq, struct http_reply *rp)
{
    struct trace_info *infos;
    size_t count;
    TRY(ids_of(rq, &infos, &count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    if (count) {
        json_key(w, "trace_infos");
        json_array_begin(w);
        for (size_t i = 0; i < count; i++)
            trace_write_info(w, &infos[i]);
        json_array_end(w);
    }
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ tags, delete, links */

err mlflow_trace_set_tag(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str key, value = STR("");
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "key", &key));
    TRY(wire_str(&a, "value", &value));
    TRY(trace_tag_set(track_of(rq), http_param(rq, "trace_id"), key, value));
    return wire_empty(rp);
}

err mlflow_trace_delete_tag(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str key;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "key", &key));
    TRY(trace_tag_delete(track_of(rq), http_param(rq, "trace_id"), key));
    return wire_empty(rp);
}

static err delete_them(struct http_request *rq, const struct wire_args *a, int64_t experiment_id,
                       int64_t *ret_deleted)
{
    bool by_time = wire_has(a, "max_timestamp_millis");
    const char *name = wire_has(a, "trace_ids") ? "trace_ids" : "request_ids";
    int64_t max_ms = 0, max_traces = INT64_MAX;
    str *ids;
    size_t count;
    TRY(wire_strs(a, name, TRACES_MAX, http_arena(rq), &ids, &count));
    if (!by_time && count == 0)
        return ERR(ERR_INVALID, "Either `max_timestamp_millis` or `trace_ids` must be specified.");
    if (by_time && count)
        return ERR(ERR_INVALID,
                   "Only one of `max_timestamp_millis` and `trace_ids` can be specified.");
    if (!by_time)
        return traces_delete(track_of(rq), experiment_id, ids, count, ret_deleted);
    TRY(wire_int(a, "max_timestamp_millis", &max_ms));
    TRY(wire_int(a, "max_traces", &max_traces));
    if (max_traces < 1)
        return ERR(ERR_INVALID, "`max_traces` must be a positive integer, received %lld.",
                   (long long)max_traces);
    return traces_delete_older(track_of(rq), experiment_id, max_ms, max_traces, ret_deleted);
}

err mlflow_traces_delete(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    int64_t experiment_id, deleted = 0;
    TRY(wire_open(rq, &a));
    TRY(wire_need_experiment(&a, &experiment_id));
    TRY(delete_them(rq, &a, experiment_id, &deleted));
    if (deleted)
        TRY(wire_audit(rq, "trace.delete",
                       arena_fmt(http_arena(rq), "%lld of experiment %lld", (long long)deleted,
                                 (long long)experiment_id)));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "traces_deleted", deleted);
    json_object_end(w);
    return OK;
}

err mlflow_traces_link_run(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str *ids, run_id;
    size_t count;
    TRY(wire_open(rq, &a));
    TRY(wire_strs(&a, "trace_ids", TRACES_MAX, http_arena(rq), &ids, &count));
    if (count == 0)
        return wire_missing("trace_ids");
    TRY(wire_need_str(&a, "run_id", &run_id));
    TRY(traces_link_run(track_of(rq), ids, count, run_id));
    return wire_empty(rp);
}

err mlflow_trace_link_prompts(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str id;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "trace_id", &id));
    const struct json *list = wire_node(&a, "prompt_versions");
    size_t count = json_count(list);
    if (count > PROMPTS_MAX)
        return ERR(ERR_INVALID, "At most %d prompts can be linked at a time", PROMPTS_MAX);
    struct track_tag *versions = NEW_ARRAY(http_arena(rq), struct track_tag, count + 1);
    ARENA_TRY(versions);
    for (size_t i = 0; i < count; i++) {
        struct wire_args item = wire_inner(json_at(list, i));
        TRY(wire_need_str(&item, "name", &versions[i].key));
        TRY(wire_need_str(&item, "version", &versions[i].value));
    }
    TRY(trace_link_prompts(track_of(rq), id, versions, count));
    return wire_empty(rp);
}
