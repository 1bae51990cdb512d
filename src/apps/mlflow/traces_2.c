/* SPDX-License-Identifier: GPL-3.0-or-later */
/* traces_2.c -- /mlflow/traces of version 2, which clients 2.x speak, and the searches of both. */
#include "apps/mlflow/search.h"
#include "apps/mlflow/traces.h"
#include "base/rand.h"

/* The states of version 3 under the names of version 2. */
static str status_of(str state)
{
    return str_eq(state, STR("STATE_UNSPECIFIED")) ? STR("TRACE_STATUS_UNSPECIFIED") : state;
}

void trace_write_info_2(struct json_out *w, const struct trace_info *info)
{
    json_object_begin(w);
    json_kv_str(w, "request_id", info->trace_id);
    json_key(w, "experiment_id");
    json_out_fmt(w, "%lld", (long long)info->experiment_id);
    json_kv_int(w, "timestamp_ms", info->request_ms);
    json_kv_int(w, "execution_time_ms", info->has_duration ? info->duration_ms : 0);
    json_kv_str(w, "status", status_of(info->state));
    wire_kv_tags(w, "request_metadata", info->metadata, info->metadata_count);
    wire_kv_tags(w, "tags", info->tags, info->tag_count);
    json_object_end(w);
}

static err reply_info_2(struct http_request *rq, struct http_reply *rp, str trace_id)
{
    struct trace_info info;
    TRY(trace_read(house_track(rq_house(rq)), trace_id, http_arena(rq), &info));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "trace_info");
    trace_write_info_2(w, &info);
    json_object_end(w);
    return OK;
}

static err pairs_of_2(const struct wire_args *a, arena *keep, struct trace_spec *spec)
{
    struct track_tag *tags, *metadata;
    TRY(wire_tags(a, "tags", TRACE_TAGS_MAX, keep, &tags, &spec->tag_count));
    TRY(wire_tags(a, "request_metadata", TRACE_TAGS_MAX, keep, &metadata, &spec->metadata_count));
    spec->tags = tags;
    spec->metadata = metadata;
    return OK;
}

err mlflow_trace_start_2(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct trace_spec spec = { .state = STR("IN_PROGRESS") };
    char id[HEX_ID_BYTES];
    TRY(wire_open(rq, &a));
    TRY(wire_need_experiment(&a, &spec.experiment_id));
    TRY(wire_int(&a, "timestamp_ms", &spec.request_ms));
    TRY(pairs_of_2(&a, http_arena(rq), &spec));
    rand_hex_id(id);
    spec.trace_id = str_of(id);
    TRY(trace_start(house_track(rq_house(rq)), &spec));
    return reply_info_2(rq, rp, spec.trace_id);
}

/* MLflow 3's server has no trace that ended in no state. */
static err state_of_2(const struct wire_args *a, str *ret_state)
{
    static const char *const states[] = { "OK", "ERROR", "IN_PROGRESS" };
    int64_t number = 0;
    if (!wire_int(a, "status", &number).code && number >= 1 &&
        number <= (int64_t)COUNT_OF(states)) {
        *ret_state = str_of(states[number - 1]);
        return OK;
    }
    TRY(wire_need_str(a, "status", ret_state));
    for (size_t i = 0; i < COUNT_OF(states); i++)
        if (str_eq(*ret_state, str_of(states[i])))
            return OK;
    return wire_invalid("status", *ret_state, "Value must be OK, ERROR or IN_PROGRESS");
}

err mlflow_trace_end_2(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct trace_spec spec = { .trace_id = http_param(rq, "trace_id") };
    int64_t end_ms = 0;
    TRY(wire_open(rq, &a));
    TRY(wire_int(&a, "timestamp_ms", &end_ms));
    TRY(state_of_2(&a, &spec.state));
    TRY(pairs_of_2(&a, http_arena(rq), &spec));
    TRY(trace_end(house_track(rq_house(rq)), &spec, end_ms));
    return reply_info_2(rq, rp, spec.trace_id);
}

err mlflow_trace_info_2(struct http_request *rq, struct http_reply *rp)
{
    return reply_info_2(rq, rp, http_param(rq, "trace_id"));
}

/* ------------------------------------------------------------------ searches */

static err hits_write(struct track *t, const struct search_hit *hits, size_t count, arena *memory,
                      struct json_out *w,
                      void (*write)(struct json_out *w, const struct trace_info *info))
{
    struct trace_info *infos;
    size_t found;
    str *ids = NEW_ARRAY(memory, str, count + 1);
    ARENA_TRY(ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = hits[i].id;
    TRY(traces_read(t, ids, count, memory, &infos, &found));
    for (size_t i = 0; i < found; i++)
        write(w, &infos[i]);
    return OK;
}

static err traces_write(struct track *t, const struct search_hit *hits, size_t count, arena *memory,
                        struct json_out *w)
{
    return hits_write(t, hits, count, memory, w, trace_write_info);
}

static err traces_write_2(struct track *t, const struct search_hit *hits, size_t count,
                          arena *memory, struct json_out *w)
{
    return hits_write(t, hits, count, memory, w, trace_write_info_2);
}

static err locations_of(const struct wire_args *a, arena *keep, struct search_spec *spec)
{
    const struct json *list = wire_node(a, "locations");
    size_t count = json_count(list);
    if (count == 0)
        return wire_missing("locations");
    if (count > SEARCH_EXPERIMENTS_MAX)
        return ERR(ERR_INVALID, "More than %d locations", SEARCH_EXPERIMENTS_MAX);
    int64_t *ids = NEW_ARRAY(keep, int64_t, count);
    ARENA_TRY(ids);
    for (size_t i = 0; i < count; i++) {
        struct wire_args location = wire_inner(json_at(list, i));
        struct wire_args inner = wire_inner(wire_node(&location, "mlflow_experiment"));
        str id;
        TRY(wire_need_str(&inner, "experiment_id", &id));
        if (!str_to_i64(id, &ids[spec->experiment_count]).code) /* others are found nowhere */
            spec->experiment_count++;
    }
    spec->experiment_ids = ids;
    return OK;
}

err mlflow_traces_search(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct search_spec spec = { .kind = SEARCH_TRACES, .limit = TRACE_SEARCH_DEFAULT };
    TRY(wire_open(rq, &a));
    TRY(locations_of(&a, http_arena(rq), &spec));
    TRY(search_args(&a, http_arena(rq), TRACES_MAX, TRACES_MAX, &spec));
    return search_answer(
        rq, rp, &(struct search_reply){ .spec = &spec, .list = "traces", .write = traces_write });
}

err mlflow_traces_search_2(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct search_spec spec = { .kind = SEARCH_TRACES, .limit = TRACE_SEARCH_DEFAULT };
    TRY(wire_open(rq, &a));
    if (!wire_has(&a, "experiment_ids"))
        return wire_missing("experiment_ids");
    TRY(search_args(&a, http_arena(rq), TRACES_MAX, TRACES_MAX, &spec));
    TRY(search_args_experiments(&a, http_arena(rq), &spec));
    return search_answer(
        rq, rp, &(struct search_reply){ .spec = &spec, .list = "traces", .write = traces_write_2 });
}
