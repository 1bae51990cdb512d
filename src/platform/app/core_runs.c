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

err core_run_metric(struct http_request *rq, struct http_reply *rp)
{
    struct run_info run;
    struct metric_point *points;
    size_t count;
    int64_t limit = 1000;
    TRY(http_query_int(rq, "limit", 1, POINTS_MAX, &limit));
    TRY(find_run(rq, &run));
    TRY(track_metric_history(house_track(rq_house(rq)), run.run_id, http_param(rq, "key"), 0,
                             (size_t)limit, http_arena(rq), &points, &count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "runId", run.run_id);
    json_kv_str(w, "key", http_param(rq, "key"));
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

/* A blob on its way to a client. */
struct blob_download {
    struct blobs *blobs;
    struct blob_id id;
    struct blob_reader *reader;
};

static ptrdiff_t pull_blob(void *arg, char *out, size_t max)
{
    struct blob_download *download = arg;
    size_t count;
    err e = blob_read(download->reader, out, max, &count);
    /* A digest that does not match ends the stream early: the client sees a broken transfer. */
    return e.code || count == 0 ? -1 : (ptrdiff_t)count;
}

static err seek_blob(void *arg, int64_t offset)
{
    struct blob_download *download = arg;
    blob_reader_close(download->reader);
    download->reader = NULL;
    return blob_reader_open(download->blobs, &download->id, offset, &download->reader, NULL);
}

static void close_blob(void *arg)
{
    struct blob_download *download = arg;
    blob_reader_close(download->reader);
    free(download);
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
    struct blob_reader *reader;
    int64_t bytes;
    char etag[sizeof artifact.blob.hex + 2];
    TRY(find_run(rq, &run));
    TRY(track_artifact_get(house_track(rq_house(rq)), run.run_id, http_param(rq, "path"),
                           http_arena(rq), &artifact));
    TRY(blob_reader_open(house_blobs(rq_house(rq)), &artifact.blob, 0, &reader, &bytes));
    struct blob_download *download = calloc(1, sizeof *download);
    if (!download) {
        blob_reader_close(reader);
        return ERR(ERR_NO_MEMORY, "sending an artifact: out of memory");
    }
    *download = (struct blob_download){ house_blobs(rq_house(rq)), artifact.blob, reader };
    snprintf(etag, sizeof etag, "\"%s\"", artifact.blob.hex);
    http_set_header(rp, "ETag", str_of(etag));
    http_stream(rp, content_type_of(artifact.path),
                (struct http_stream){ .pull = pull_blob,
                                      .done = close_blob,
                                      .arg = download,
                                      .seek = seek_blob,
                                      .bytes = bytes });
    return OK;
}

err core_lineage(struct http_request *rq, struct http_reply *rp)
{
    int64_t depth = 3;
    TRY(http_query_int(rq, "depth", 1, 20, &depth));
    return track_lineage_json(house_track(rq_house(rq)), http_param(rq, "id"), (int)depth,
                              http_json(rp));
}

/* ------------------------------------------------------------------ jobs */

static void write_job(struct json_out *w, const struct job_info *j)
{
    json_object_begin(w);
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
    json_kv_time_ms(w, "createdAt", j->created_ms);
    json_kv_time_ms(w, "startedAt", j->started_ms);
    json_kv_time_ms(w, "finishedAt", j->finished_ms);
    json_kv_time_ms(w, "nextTryAt", j->next_try_ms);
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
        write_job(w, &jobs[i]);
    json_items_end(w);
    return OK;
}

err core_job_get(struct http_request *rq, struct http_reply *rp)
{
    struct job_info job;
    TRY(job_get(house_jobs(rq_house(rq)), http_param(rq, "id"), http_arena(rq), &job));
    write_job(http_json(rp), &job);
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
    write_job(http_json(rp), &job);
    return OK;
}

/* ------------------------------------------------------------------ live progress */

struct job_watch {
    struct jobs *jobs;
    char id[UUID_BYTES];
    int64_t last_done;
    enum job_state last_state;
    bool sent_any, ended;
};

static ptrdiff_t pull_job(void *arg, char *out, size_t max)
{
    struct job_watch *watch = arg;
    struct job_info job;
    arena keep;
    struct buf text;
    struct json_out w;
    if (watch->ended)
        return -1;
    arena_init(&keep, 1024 * 1024);
    buf_init(&text, max);
    ptrdiff_t count = 0;
    err e = job_get(watch->jobs, str_of(watch->id), &keep, &job);
    bool changed = !watch->sent_any || job.state != watch->last_state ||
                   job.done != watch->last_done;
    if (e.code) {
        count = -1;
    } else if (changed) {
        job.payload = job.cursor = STR_NONE; /* an event is small; the whole job is one GET away */
        buf_add_fmt(&text, "event: %s\ndata: ", job_state_name(job.state));
        json_out_init(&w, &text);
        write_job(&w, &job);
        buf_add_cstr(&text, "\n\n");
        watch->sent_any = true;
        watch->last_done = job.done;
        watch->last_state = job.state;
        watch->ended = job.state == JOB_SUCCEEDED || job.state == JOB_FAILED ||
                       job.state == JOB_STOPPED;
        if (text.failed) {
            count = -1;
        } else {
            memcpy(out, text.ptr, text.len);
            count = (ptrdiff_t)text.len;
        }
    }
    buf_deinit(&text);
    arena_deinit(&keep);
    return count;
}

err core_job_events(struct http_request *rq, struct http_reply *rp)
{
    struct job_info job;
    TRY(job_get(house_jobs(rq_house(rq)), http_param(rq, "id"), http_arena(rq), &job));
    struct job_watch *watch = calloc(
        1, sizeof *watch); /* outlives the request's arena: freed by done */
    if (!watch)
        return ERR(ERR_NO_MEMORY, "no memory to watch a job");
    watch->jobs = house_jobs(rq_house(rq));
    memcpy(watch->id, job.id, sizeof watch->id);
    http_sse(rp, (struct http_stream){ .pull = pull_job, .done = free, .arg = watch });
    return OK;
}

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
