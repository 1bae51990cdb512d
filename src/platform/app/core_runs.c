/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_runs.c -- /v1/runs, /v1/jobs, /v1/schedules, /v1/lineage: what was done, what is being done.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "platform/app/core.h"

enum { LIST_MAX = 1000, POINTS_MAX = 10000 };

static void write_run(struct json_out *w, const struct run_info *r)
{
    json_kv_str(w, "runId", r->run_id);
    json_kv_str(w, "name", r->name);
    json_kv_str(w, "experimentId", r->experiment_id);
    json_kv_str(w, "component", r->component);
    json_kv_str(w, "status", r->status);
    json_kv_str(w, "username", r->username);
    json_kv_str(w, "jobId", r->job_id);
    json_kv_str(w, "jobKind", r->job_kind);
    json_kv_str(w, "datasetId", r->dataset_id);
    json_kv_str(w, "modelId", r->model_id);
    json_kv_time_ms(w, "startedAt", r->start_ms);
    json_kv_time_ms(w, "finishedAt", r->end_ms);
    json_kv_str(w, "error", r->error);
}

err core_runs_list(struct http_request *rq, struct http_reply *rp)
{
    struct run_filter filter = { .component = http_query(rq, "component"),
                                 .status = http_query(rq, "status"),
                                 .job_kind = http_query(rq, "kind"),
                                 .username = http_query(rq, "username"),
                                 .limit = 50 };
    struct run_info *runs;
    size_t count;
    TRY(http_query_int(rq, "limit", 1, LIST_MAX, &filter.limit));
    TRY(http_query_int(rq, "offset", 0, INT32_MAX, &filter.offset));
    TRY(track_run_list(house_track(rq_house(rq)), &filter, http_arena(rq), &runs, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        write_run(w, &runs[i]);
        json_object_end(w);
    }
    json_items_end(w);
    return OK;
}

static err find_run(struct http_request *rq, struct run_info *ret_info)
{
    char run_id[HEX_ID_BYTES];
    TRY(app_run_id_parse(http_param(rq, "runId"), run_id));
    return track_run_get(house_track(rq_house(rq)), str_of(run_id), http_arena(rq), ret_info);
}

err core_run_get(struct http_request *rq, struct http_reply *rp)
{
    struct run_info run;
    TRY(find_run(rq, &run));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    write_run(w, &run);
    TRY(track_run_data_json(house_track(rq_house(rq)), run.run_id, w));
    json_object_end(w);
    return OK;
}

static void write_points(struct json_out *w, const struct metric_point *points, size_t count)
{
    json_key(w, "points");
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_int(w, "step", points[i].step);
        json_kv_real(w, "value", points[i].value);
        json_kv_real(w, "ts", (double)points[i].ts_ms / 1000);
        json_kv_time_ms(w, "time", points[i].ts_ms);
        json_object_end(w);
    }
    json_array_end(w);
}

/* ?points=N&by=step|time&from=&to=: what a chart of N points shows of the range. */
static err reduction_read(struct http_request *rq, struct metric_reduction *how)
{
    int64_t limit = 0;
    str by = http_query(rq, "by");
    bool has_from = http_query(rq, "from").len > 0, has_to = http_query(rq, "to").len > 0;
    TRY(http_query_int(rq, "points", REDUCED_POINTS_MIN, REDUCED_POINTS_MAX, &limit));
    if (by.len && !str_eq(by, STR("step")) && !str_eq(by, STR("time")))
        return ERR(ERR_INVALID, "query parameter 'by' must be step or time");
    if (has_from != has_to)
        return ERR(ERR_INVALID, "query parameters 'from' and 'to' go together: steps, or "
                                "milliseconds since 1970 with by=time");
    how->limit = (size_t)limit;
    how->by_time = str_eq(by, STR("time"));
    how->has_range = has_from;
    TRY(http_query_int(rq, "from", INT64_MIN, INT64_MAX, &how->from));
    return http_query_int(rq, "to", INT64_MIN, INT64_MAX, &how->to);
}

err core_run_metric(struct http_request *rq, struct http_reply *rp)
{
    struct run_info run;
    struct metric_point *points;
    size_t count;
    int64_t limit = 1000, total = 0;
    bool is_reduced = http_query(rq, "points").len > 0;
    struct track *track = house_track(rq_house(rq));
    struct metric_reduction how = { 0 };
    TRY(http_query_int(rq, "limit", 1, POINTS_MAX, &limit));
    TRY(find_run(rq, &run));
    if (is_reduced) {
        TRY(reduction_read(rq, &how));
        TRY(track_metric_reduce(track, run.run_id, http_param(rq, "key"), &how, http_arena(rq),
                                &points, &count, &total));
    } else {
        TRY(track_metric_history(track, run.run_id, http_param(rq, "key"), 0, (size_t)limit,
                                 http_arena(rq), &points, &count));
    }
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "runId", run.run_id);
    json_kv_str(w, "key", http_param(rq, "key"));
    if (is_reduced)
        json_kv_int(w, "total", total);
    write_points(w, points, count);
    json_object_end(w);
    return OK;
}

err core_run_artifacts(struct http_request *rq, struct http_reply *rp)
{
    struct run_info run;
    struct artifact_info *artifacts;
    size_t count;
    TRY(find_run(rq, &run));
    TRY(track_artifact_list(house_track(rq_house(rq)), run.run_id, http_arena(rq), &artifacts,
                            &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_str(w, "path", artifacts[i].path);
        json_kv_cstr(w, "digest", artifacts[i].blob.hex);
        json_kv_int(w, "sizeBytes", artifacts[i].bytes);
        json_kv_time_ms(w, "createdAt", artifacts[i].created_ms);
        json_object_end(w);
    }
    json_items_end(w);
    return OK;
}

static const char *content_type_of(str path)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        { ".json", "application/json" },       { ".txt", "text/plain; charset=utf-8" },
        { ".csv", "text/csv; charset=utf-8" }, { ".pgn", "application/x-chess-pgn" },
        { ".svg", "image/svg+xml" },           { ".png", "image/png" },
        { ".ndjson", "application/x-ndjson" }, { ".md", "text/markdown; charset=utf-8" }
    };
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_ends(path, str_of(types[i].ending)))
            return types[i].type;
    return "application/octet-stream";
}

err core_run_artifact(struct http_request *rq, struct http_reply *rp)
{
    struct run_info run;
    struct artifact_info artifact;
    TRY(find_run(rq, &run));
    TRY(track_artifact_get(house_track(rq_house(rq)), run.run_id, http_param(rq, "path"),
                           http_arena(rq), &artifact));
    return house_send_blob(rq_house(rq), rp, &artifact.blob, content_type_of(artifact.path));
}

/* What the kinds of datasets of all apps know of their imports. */
static err lineage_sources_of(const struct house *h, arena *keep,
                              struct lineage_sources **ret_sources)
{
    size_t count = 0;
    for (const struct app *const *a = house_apps(h); *a; a++)
        for (const struct dataset_kind *k = (*a)->dataset_kinds; k && k->name; k++)
            count++;
    struct lineage_sources *sources = NEW_ARRAY(keep, struct lineage_sources, count + 1);
    ARENA_TRY(sources);
    count = 0;
    for (const struct app *const *a = house_apps(h); *a; a++)
        for (const struct dataset_kind *k = (*a)->dataset_kinds; k && k->name; k++)
            if (k->sources.of_dataset)
                sources[count++] = k->sources;
    sources[count] = (struct lineage_sources){ 0 };
    *ret_sources = sources;
    return OK;
}

err core_lineage(struct http_request *rq, struct http_reply *rp)
{
    int64_t depth = 3;
    struct lineage_sources *sources = NULL;
    TRY(http_query_int(rq, "depth", 1, 20, &depth));
    TRY(lineage_sources_of(rq_house(rq), http_arena(rq), &sources));
    return track_lineage_json(house_track(rq_house(rq)), http_param(rq, "id"), (int)depth, sources,
                              http_json(rp));
}

/* ------------------------------------------------------------------ jobs */

static void write_members(struct json_out *w, const struct job_info *j)
{
    json_kv_cstr(w, "id", j->id);
    json_kv_cstr(w, "kind", j->kind);
    json_kv_cstr(w, "status", job_state_name(j->state));
    json_kv_str(w, "runId", j->run_id);
    json_kv_str(w, "username", j->username);
    json_kv_int(w, "priority", j->priority);
    json_kv_int(w, "attempts", j->attempts);
    json_kv_int(w, "triesMax", j->tries_max);
    json_kv_bool(w, "pauseWanted", j->pause_wanted);
    json_kv_bool(w, "stopWanted", j->stop_wanted);
    json_kv_int(w, "done", j->done);
    json_kv_int(w, "total", j->total);
    json_key(w, "etaSec");
    if (j->eta_s >= 0)
        json_out_real(w, j->eta_s);
    else
        json_out_null(w);
    json_kv_raw(w, "payload", j->payload);
    json_kv_raw(w, "result", j->result);
    json_kv_str(w, "error", j->error);
    json_kv_str(w, "errorCode", j->error_code);
    json_kv_time_ms(w, "createdAt", j->created_ms);
    json_kv_time_ms(w, "startedAt", j->started_ms);
    json_kv_time_ms(w, "finishedAt", j->finished_ms);
    json_kv_time_ms(w, "nextTryAt", j->next_try_ms);
}

void core_write_job(struct json_out *w, const struct job_info *j)
{
    json_object_begin(w);
    write_members(w, j);
    json_object_end(w);
}

err core_jobs_list(struct http_request *rq, struct http_reply *rp)
{
    struct job_filter filter = { .kind = http_query(rq, "kind"),
                                 .state = http_query(rq, "status"),
                                 .username = http_query(rq, "username"),
                                 .limit = 50 };
    struct job_info *jobs;
    size_t count;
    TRY(http_query_int(rq, "limit", 1, LIST_MAX, &filter.limit));
    TRY(http_query_int(rq, "offset", 0, INT32_MAX, &filter.offset));
    TRY(job_list(house_jobs(rq_house(rq)), &filter, http_arena(rq), &jobs, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++)
        core_write_job(w, &jobs[i]);
    json_items_end(w);
    return OK;
}

/* Of all jobs, or of one kind, and how many there are in each state. */
err core_jobs_count(struct http_request *rq, struct http_reply *rp)
{
    struct job_counts counts;
    int64_t all = 0;
    TRY(job_counts(house_jobs(rq_house(rq)), http_query(rq, "kind"), &counts));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "byStatus");
    json_object_begin(w);
    for (int state = JOB_WAITING; state <= JOB_STOPPED; state++) {
        json_kv_int(w, job_state_name((enum job_state)state), counts.by_state[state]);
        all += counts.by_state[state];
    }
    json_object_end(w);
    json_kv_int(w, "count", all);
    json_object_end(w);
    return OK;
}

/* Each change of state, newest first: every try with what became of it. */
err core_job_history(struct http_request *rq, struct http_reply *rp)
{
    struct jobs *jobs = house_jobs(rq_house(rq));
    str id = http_param(rq, "id");
    struct job_info job;
    struct job_event *events;
    size_t count;
    TRY(job_get(jobs, id, http_arena(rq), &job));
    TRY(job_events_list(jobs, id, http_arena(rq), &events, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++) {
        const struct job_event *ev = &events[i];
        json_object_begin(w);
        json_kv_time_ms(w, "at", ev->at_ms);
        json_kv_str(w, "event", ev->event);
        json_kv_str(w, "from", ev->from);
        json_kv_str(w, "to", ev->to);
        json_kv_int(w, "attempt", ev->attempt);
        json_key(w, "tookMs"); /* how long the state before lasted */
        if (ev->took_ms >= 0)
            json_out_int(w, ev->took_ms);
        else
            json_out_null(w);
        json_kv_str(w, "worker", ev->worker);
        json_kv_str(w, "detail", ev->detail);
        json_object_end(w);
    }
    json_items_end(w);
    return OK;
}

err core_job_get(struct http_request *rq, struct http_reply *rp)
{
    struct job_info job;
    TRY(job_get(house_jobs(rq_house(rq)), http_param(rq, "id"), http_arena(rq), &job));
    str why;
    TRY(job_why_waiting(house_jobs(rq_house(rq)), &job, http_arena(rq), &why));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    write_members(w, &job);
    json_kv_str(w, "waitsFor", why);
    json_object_end(w);
    return OK;
}

err core_job_control(struct http_request *rq, struct http_reply *rp)
{
    struct jobs *jobs = house_jobs(rq_house(rq));
    str id = http_param(rq, "id"), action;
    const struct json *body;
    TRY(http_body_json(rq, &body));
    TRY(json_need_str(body, "action", &action));
    if (str_eq(action, STR("stop")))
        TRY(job_stop(jobs, id));
    else if (str_eq(action, STR("pause")))
        TRY(job_pause(jobs, id));
    else if (str_eq(action, STR("resume")))
        TRY(job_resume(jobs, id));
    else if (str_eq(action, STR("replay")))
        TRY(job_replay(jobs, id));
    else
        return ERR(ERR_INVALID, "field 'action' must be stop, pause, resume or replay");
    struct job_info job;
    TRY(job_get(jobs, id, http_arena(rq), &job));
    http_status(rp, 202);
    core_write_job(http_json(rp), &job);
    return OK;
}

/* ------------------------------------------------------------------ schedules */

err core_schedules(struct http_request *rq, struct http_reply *rp)
{
    struct job_schedule_info *rows;
    size_t count;
    TRY(jobs_schedule_list(house_jobs(rq_house(rq)), http_arena(rq), &rows, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_str(w, "name", rows[i].name);
        json_kv_str(w, "cron", rows[i].cron);
        json_kv_str(w, "kind", rows[i].kind);
        json_kv_str(w, "lastJobId", rows[i].last_job_id);
        json_kv_str(w, "lastStatus", rows[i].last_state);
        json_kv_time_ms(w, "lastAt", rows[i].last_ms);
        json_kv_time_ms(w, "nextAt", rows[i].next_ms);
        json_object_end(w);
    }
    json_items_end(w);
    return OK;
}
