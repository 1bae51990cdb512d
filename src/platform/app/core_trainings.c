/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_trainings.c -- /v1/trainings and /v1/evaluations: jobs of a model kind, read back by run id.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/app/core.h"

enum { LIST_MAX = 100, ARTIFACTS_MAX = 1000 };

err app_run_id_parse(str text, char out[HEX_ID_BYTES])
{
    str rest = text;
    ptrdiff_t prefix = str_find_char(rest, '_');
    if (prefix > 0 && prefix <= 8) /* "ing_": the reference put the kind before the id */
        rest = str_sub(rest, (size_t)prefix + 1, rest.len);
    size_t n = 0;
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.ptr[i];
        if (c == '-')
            continue;
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!is_hex || n + 1 >= HEX_ID_BYTES)
            return ERR(ERR_NOT_FOUND, "'%.*s' is not a run id", STR_ARG(str_sub(text, 0, 60)));
        out[n++] = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    }
    if (n + 1 != HEX_ID_BYTES)
        return ERR(ERR_NOT_FOUND, "'%.*s' is not a run id", STR_ARG(str_sub(text, 0, 60)));
    out[n] = '\0';
    return OK;
}

/* The job behind the run id in the path, if its kind is the `field` job of any model kind. */
enum work { WORK_TRAINING, WORK_EVALUATION };

static const char *work_job(const struct model_kind *k, enum work work)
{
    return work == WORK_TRAINING ? k->train_job : k->evaluate_job;
}

static bool is_work(const struct house *h, const char *job_kind, enum work work)
{
    for (size_t i = 0; house_apps(h)[i]; i++)
        for (const struct model_kind *k = house_apps(h)[i]->model_kinds; k && k->name; k++)
            if (strcmp(work_job(k, work), job_kind) == 0)
                return true;
    return false;
}

static err find_job(struct http_request *rq, enum work work, struct job_info *ret_info)
{
    char run_id[HEX_ID_BYTES];
    struct job_info info;
    TRY(app_run_id_parse(http_param(rq, "runId"), run_id));
    TRY(job_get_by_run(house_jobs(rq_house(rq)), str_of(run_id), http_arena(rq), &info));
    if (!is_work(rq_house(rq), info.kind, work))
        return ERR(ERR_NOT_FOUND, "run %s is a %s, not %s", run_id, info.kind,
                   work == WORK_TRAINING ? "a training" : "an evaluation");
    *ret_info = info;
    return OK;
}

/* ------------------------------------------------------------------ starting */

static err read_priority(const struct json *body, int *ret_priority)
{
    str priority = STR("normal");
    TRY(json_opt_str(body, "priority", &priority));
    if (!str_eq(priority, STR("low")) && !str_eq(priority, STR("normal")) &&
        !str_eq(priority, STR("high")))
        return ERR(ERR_INVALID, "field 'priority' must be low, normal or high");
    *ret_priority = str_eq(priority, STR("low")) ? -10 : str_eq(priority, STR("high")) ? 10 : 0;
    return OK;
}

/* The model kind that is trained on this kind of dataset. */
static const struct model_kind *kind_for_dataset(const struct house *h, str dataset_kind)
{
    for (size_t i = 0; house_apps(h)[i]; i++)
        for (const struct model_kind *k = house_apps(h)[i]->model_kinds; k && k->name; k++)
            if (str_eq(dataset_kind, str_of(k->dataset_kind)))
                return k;
    return NULL;
}

static void write_node(struct json_out *w, const char *key, const struct json *node)
{
    struct buf text;
    buf_init(&text, 4 * 1024 * 1024);
    if (node)
        json_dump(node, &text);
    json_kv_raw(w, key, node ? buf_str(&text) : STR("{}"));
    buf_deinit(&text);
}

err core_training_create(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    const struct json *body;
    str dataset_id, version = STR_NONE, model = STR_NONE;
    struct dataset_info dataset;
    struct job_spec job = { 0 };
    TRY(http_body_json(rq, &body));
    TRY(json_need_str(body, "datasetId", &dataset_id));
    TRY(json_opt_str(body, "datasetVersion", &version));
    TRY(json_opt_str(body, "modelId", &model));
    TRY(read_priority(body, &job.priority));
    TRY(core_dataset_find(rq, dataset_id, version, &dataset));
    if (!str_eq(dataset.state, STR("ready")))
        return ERR(ERR_CONFLICT, "dataset %.*s@%.*s is %.*s: train on it when it is ready",
                   STR_ARG(dataset.name), STR_ARG(dataset.version), STR_ARG(dataset.state));
    if (str_eq(dataset.kind, STR(DATASET_KIND_CLIENT)))
        return ERR(ERR_INVALID, "dataset %.*s@%.*s was logged by a client: its rows are not here",
                   STR_ARG(dataset.name), STR_ARG(dataset.version));
    const struct model_kind *kind = kind_for_dataset(h, dataset.kind);
    if (!kind)
        return ERR(ERR_INVALID, "no model of this build is trained on datasets of kind '%.*s'",
                   STR_ARG(dataset.kind));
    TRY(kind->check(h, body));

    struct buf payload;
    struct json_out w;
    buf_init(&payload, JOB_PAYLOAD_MAX);
    json_out_init(&w, &payload);
    json_object_begin(&w);
    json_kv_cstr(&w, "datasetId", dataset.id);
    json_kv_str(&w, "model", model);
    write_node(&w, "params", body);
    json_object_end(&w);
    err e = buf_check(&payload);
    job.kind = kind->train_job;
    job.payload = buf_str(&payload);
    if (!e.code)
        e = app_start_job(rq, rp, &job, 201, "/v1/trainings/");
    if (!e.code)
        e = auth_audit(house_auth(h), http_user(rq), STR("training.start"), str_of(dataset.id),
                       STR_NONE);
    buf_deinit(&payload);
    return e;
}

static bool has_word(const char *words, str word)
{
    for (str rest = str_of(words); rest.len;)
        if (str_eq(str_split(&rest, ' '), word))
            return true;
    return false;
}

/* What is to be evaluated, on what. */
struct evaluation_ask {
    str name, version, baseline_name, baseline_version, suite, dataset;
    int64_t limit, seed;       /* limit 0: all held-out positions, up to the job's own maximum */
    const struct json *params; /* what else the model's kind may want to know; may be NULL */
};

static err write_evaluation_payload(const struct evaluation_ask *ask,
                                    const struct model_version_info *candidate,
                                    const struct model_version_info *baseline, struct buf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    json_object_begin(&w);
    json_key(&w, "candidate");
    json_out_fmt(&w, "%.*s@%lld", STR_ARG(str_sub(candidate->name, 0, 500)),
                 (long long)candidate->version);
    json_key(&w, "baseline");
    if (ask->baseline_name.len)
        json_out_fmt(&w, "%.*s@%lld", STR_ARG(str_sub(baseline->name, 0, 500)),
                     (long long)baseline->version);
    else
        json_out_null(&w);
    json_kv_str(&w, "suite", ask->suite);
    json_kv_str(&w, "datasetId", ask->dataset);
    json_kv_int(&w, "limit", ask->limit);
    json_kv_int(&w, "seed", ask->seed);
    write_node(&w, "params", ask->params);
    json_object_end(&w);
    return buf_check(out);
}

/* Checks everything that can be known before the work, and queues it. */
static err queue_evaluation(struct http_request *rq, const struct evaluation_ask *ask,
                            char run_id[HEX_ID_BYTES], char job_id[UUID_BYTES])
{
    struct house *h = rq_house(rq);
    struct model_version_info candidate, baseline = { 0 };
    struct dataset_info dataset;
    struct evaluation_ask known = *ask;
    TRY(model_get(house_track(h), ask->name, ask->version, http_arena(rq), &candidate));
    if (ask->baseline_name.len)
        TRY(model_get(house_track(h), ask->baseline_name, ask->baseline_version, http_arena(rq),
                      &baseline));
    const struct model_kind *kind = house_model_kind(h, candidate.kind);
    if (!kind)
        return ERR(ERR_INVALID, "this build cannot evaluate models of kind '%.*s'",
                   STR_ARG(candidate.kind));
    if (!has_word(kind->suites, ask->suite))
        return ERR(ERR_INVALID, "field 'suite' is '%.*s'; models of kind %s have: %s",
                   STR_ARG(ask->suite), kind->name, kind->suites);
    if (kind->evaluate_check && ask->params)
        TRY(kind->evaluate_check(h, ask->params));
    if (ask->dataset.len) {
        TRY(core_dataset_find(rq, ask->dataset, STR_NONE, &dataset));
        known.dataset = str_of(dataset.id);
    }
    struct buf payload;
    buf_init(&payload, JOB_PAYLOAD_MAX);
    err e = write_evaluation_payload(&known, &candidate, &baseline, &payload);
    if (!e.code)
        e = app_queue_job(
            rq, &(struct job_spec){ .kind = kind->evaluate_job, .payload = buf_str(&payload) },
            run_id, job_id);
    buf_deinit(&payload);
    return e;
}

err core_evaluation_create(struct http_request *rq, struct http_reply *rp)
{
    const struct json *body;
    struct evaluation_ask ask = { .suite = STR("topk") };
    char run_id[HEX_ID_BYTES] = "", job_id[UUID_BYTES] = "";
    TRY(http_body_json(rq, &body));
    ask.params = body;
    TRY(json_need_str(body, "candidateModelId", &ask.name));
    TRY(json_opt_str(body, "candidateVersion", &ask.version));
    TRY(json_opt_str(body, "baselineModelId", &ask.baseline_name));
    TRY(json_opt_str(body, "baselineVersion", &ask.baseline_version));
    TRY(json_opt_str(body, "suite", &ask.suite));
    TRY(json_opt_str(body, "datasetId", &ask.dataset));
    TRY(json_opt_int(body, "limit", 1, INT32_MAX, &ask.limit));
    TRY(json_opt_int(body, "seed", 0, INT64_MAX, &ask.seed));
    TRY(queue_evaluation(rq, &ask, run_id, job_id));
    str location = arena_fmt(http_arena(rq), "/v1/evaluations/%s", run_id);
    ARENA_TRY(location.ptr);
    http_status(rp, 202);
    http_set_header(rp, "Location", location);
    struct json_out *out = http_json(rp);
    json_object_begin(out);
    json_kv_cstr(out, "evaluationId", run_id);
    json_kv_cstr(out, "jobId", job_id);
    json_kv_cstr(out, "status", "queued");
    json_object_end(out);
    return OK;
}

/* ------------------------------------------------------------------ listing */

static int newest_first(const void *a, const void *b)
{
    const struct job_info *x = a, *y = b;
    return x->created_ms < y->created_ms ? 1 : x->created_ms > y->created_ms ? -1 : 0;
}

/* Jobs of all model kinds, newest first; one more than asked for tells whether there are more. */
static err list_work(struct http_request *rq, enum work work, str state, int64_t limit,
                     int64_t offset, struct job_info **ret_infos, size_t *ret_count)
{
    struct house *h = rq_house(rq);
    size_t kinds = 0, count = 0;
    for (size_t i = 0; house_apps(h)[i]; i++)
        for (const struct model_kind *k = house_apps(h)[i]->model_kinds; k && k->name; k++)
            kinds++;
    size_t each_max = (size_t)(limit + offset);
    struct job_info *all = NEW_ARRAY(http_arena(rq), struct job_info, kinds * each_max);
    ARENA_TRY(all);
    for (size_t i = 0; house_apps(h)[i]; i++) {
        for (const struct model_kind *k = house_apps(h)[i]->model_kinds; k && k->name; k++) {
            struct job_info *infos;
            size_t n;
            struct job_filter filter = { .kind = str_of(work_job(k, work)),
                                         .state = state,
                                         .limit = (int64_t)each_max };
            TRY(job_list(house_jobs(h), &filter, http_arena(rq), &infos, &n));
            memcpy(all + count, infos, n * sizeof *infos);
            count += n;
        }
    }
    qsort(all, count, sizeof *all, newest_first);
    size_t skip = (size_t)offset < count ? (size_t)offset : count;
    *ret_infos = all + skip;
    *ret_count = count - skip < (size_t)limit ? count - skip : (size_t)limit;
    return OK;
}

static double progress_of(const struct job_info *info)
{
    if (info->state == JOB_SUCCEEDED)
        return 1;
    return info->total > 0 ? (double)info->done / (double)info->total : 0;
}

static err state_filter(str status, str *ret_state)
{
    if (str_eq(status, STR("finished")))
        *ret_state = STR("succeeded");
    else if (status.len == 0 || str_eq(status, STR("active")) || str_eq(status, STR("failed")) ||
             str_eq(status, STR("stopped")))
        *ret_state = status;
    else
        return ERR(ERR_INVALID,
                   "query parameter 'status' must be active, finished, failed or stopped");
    return OK;
}

err core_trainings_list(struct http_request *rq, struct http_reply *rp)
{
    int64_t limit = 20, offset = 0;
    str state;
    struct job_info *infos;
    size_t count;
    TRY(http_query_int(rq, "limit", 1, LIST_MAX, &limit));
    TRY(http_query_int(rq, "offset", 0, 10000, &offset));
    TRY(state_filter(http_query(rq, "status"), &state));
    TRY(list_work(rq, WORK_TRAINING, state, limit, offset, &infos, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_str(w, "runId", infos[i].run_id);
        json_kv_cstr(w, "status", job_state_name(infos[i].state));
        json_kv_real(w, "progress", progress_of(&infos[i]));
        json_kv_time_ms(w, "createdAt", infos[i].created_ms);
        json_kv_time_ms(w, "updatedAt",
                        infos[i].finished_ms  ? infos[i].finished_ms
                        : infos[i].started_ms ? infos[i].started_ms
                                              : infos[i].created_ms);
        json_object_end(w);
    }
    json_items_end(w);
    return OK;
}

err core_trainings_count(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    str state;
    TRY(state_filter(http_query(rq, "status"), &state));
    int64_t total = 0;
    for (size_t i = 0; house_apps(h)[i]; i++) {
        for (const struct model_kind *k = house_apps(h)[i]->model_kinds; k && k->name; k++) {
            struct job_counts counts;
            TRY(job_counts(house_jobs(h), str_of(k->train_job), &counts));
            for (int s = 0; s <= JOB_STOPPED; s++) {
                bool is_active = s == JOB_WAITING || s == JOB_QUEUED || s == JOB_RUNNING ||
                                 s == JOB_PAUSED;
                if (state.len == 0 || (str_eq(state, STR("active")) && is_active) ||
                    str_eq(state, str_of(job_state_name((enum job_state)s))))
                    total += counts.by_state[s];
            }
        }
    }
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "count", total);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ one training */

/* What the run has written so far, as a parsed tree. A run that has not begun has nothing. */
static err run_data(struct http_request *rq, str run_id, const struct json **ret_data)
{
    struct buf text;
    struct json_out w;
    buf_init(&text, 4 * 1024 * 1024);
    json_out_init(&w, &text);
    json_object_begin(&w);
    err e = track_run_data_json(house_track(rq_house(rq)), run_id, &w);
    if (e.code == ERR_NOT_FOUND) {
        buf_clear(&text);
        buf_add_cstr(&text, "{}");
        e = OK;
    } else if (!e.code) {
        json_object_end(&w);
    }
    if (!e.code)
        e = buf_check(&text);
    if (!e.code)
        e = json_parse(http_arena(rq), buf_str(&text), ret_data);
    buf_deinit(&text);
    return e;
}

static err write_artifact_uris(struct http_request *rq, struct json_out *w, str run_id)
{
    struct artifact_info *artifacts;
    size_t count;
    TRY(track_artifact_list(house_track(rq_house(rq)), run_id, http_arena(rq), &artifacts, &count));
    json_key(w, "artifactUris");
    json_object_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_key_str(w, artifacts[i].path);
        json_out_fmt(w, "/v1/runs/%.*s/artifacts/%.*s", STR_ARG(run_id),
                     STR_ARG(str_sub(artifacts[i].path, 0, 500)));
    }
    json_object_end(w);
    return OK;
}

err core_training_get(struct http_request *rq, struct http_reply *rp)
{
    struct job_info info;
    const struct json *data;
    TRY(find_job(rq, WORK_TRAINING, &info));
    TRY(run_data(rq, info.run_id, &data));
    const struct json *metrics = json_get(data, "metrics");
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "runId", info.run_id);
    json_kv_cstr(w, "jobId", info.id);
    json_kv_cstr(w, "status", job_state_name(info.state));
    json_kv_time_ms(w, "startedAt", info.started_ms);
    json_kv_time_ms(w, "finishedAt", info.finished_ms);
    write_node(w, "metrics", metrics);
    TRY(write_artifact_uris(rq, w, info.run_id));
    json_kv_int(w, "step", (int64_t)json_num(json_get(metrics, "step"), 0));
    json_kv_int(w, "epoch", (int64_t)json_num(json_get(metrics, "epoch"), 0));
    json_kv_real(w, "progress", progress_of(&info));
    json_key(w, "etaSec");
    if (info.eta_s >= 0)
        json_out_real(w, info.eta_s);
    else
        json_out_null(w);
    json_kv_raw(w, "result", info.result);
    json_kv_cstr(w, "error", info.error.len ? info.error.ptr : NULL);
    json_kv_time_ms(w, "updatedAt",
                    info.finished_ms  ? info.finished_ms
                    : info.started_ms ? info.started_ms
                                      : info.created_ms);
    json_object_end(w);
    return OK;
}

/* GET /v1/metrics/train/{runId}: the newest of each number, as the catalogue of panels wants it. */
err core_training_metrics(struct http_request *rq, struct http_reply *rp)
{
    struct job_info info;
    const struct json *data;
    TRY(find_job(rq, WORK_TRAINING, &info));
    TRY(run_data(rq, info.run_id, &data));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "runId", info.run_id);
    json_kv_cstr(w, "status", job_state_name(info.state));
    json_kv_real(w, "progress", progress_of(&info));
    write_node(w, "metrics", json_get(data, "metrics"));
    json_object_end(w);
    return OK;
}

err core_training_artifacts(struct http_request *rq, struct http_reply *rp)
{
    struct job_info info;
    struct artifact_info *artifacts;
    size_t count;
    TRY(find_job(rq, WORK_TRAINING, &info));
    TRY(track_artifact_list(house_track(rq_house(rq)), info.run_id, http_arena(rq), &artifacts,
                            &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count && i < ARTIFACTS_MAX; i++) {
        json_object_begin(w);
        json_kv_str(w, "name", artifacts[i].path);
        json_kv_int(w, "sizeBytes", artifacts[i].bytes);
        json_key(w, "downloadUrl");
        json_out_fmt(w, "/v1/runs/%.*s/artifacts/%.*s", STR_ARG(info.run_id),
                     STR_ARG(str_sub(artifacts[i].path, 0, 500)));
        json_object_end(w);
    }
    json_items_end(w);
    return OK;
}

err core_training_hyperparams(struct http_request *rq, struct http_reply *rp)
{
    struct job_info info;
    const struct json *payload;
    TRY(find_job(rq, WORK_TRAINING, &info));
    TRY(json_parse(http_arena(rq), info.payload, &payload));
    const struct json *params = json_get(payload, "params");
    struct buf *out = http_text(rp, "application/json");
    if (params)
        json_dump(params, out);
    else
        buf_add_cstr(out, "{}");
    return OK;
}

err core_training_control(struct http_request *rq, struct http_reply *rp)
{
    struct job_info info;
    const struct json *body;
    str action;
    struct jobs *jobs = house_jobs(rq_house(rq));
    TRY(http_body_json(rq, &body));
    TRY(json_need_str(body, "action", &action));
    TRY(find_job(rq, WORK_TRAINING, &info));
    if (str_eq(action, STR("pause")))
        TRY(job_pause(jobs, str_of(info.id)));
    else if (str_eq(action, STR("stop")))
        TRY(job_stop(jobs, str_of(info.id)));
    else if (str_eq(action, STR("resume")))
        TRY(job_resume(jobs, str_of(info.id)));
    else
        return ERR(ERR_INVALID, "field 'action' must be pause, resume or stop");
    str subject = arena_fmt(http_arena(rq), "%.*s %.*s", STR_ARG(info.run_id), STR_ARG(action));
    ARENA_TRY(subject.ptr);
    TRY(auth_audit(house_auth(rq_house(rq)), http_user(rq), STR("training.control"), subject,
                   STR_NONE));
    http_status(rp, 202);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_bool(w, "queued", true);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ evaluations */

static err write_evaluation(struct http_request *rq, struct json_out *w,
                            const struct job_info *info, bool whole)
{
    const struct json *payload, *result = NULL;
    TRY(json_parse(http_arena(rq), info->payload, &payload));
    if (whole && info->result.len)
        TRY(json_parse(http_arena(rq), info->result, &result));
    json_object_begin(w);
    json_kv_str(w, "id", info->run_id);
    json_kv_str(w, "evaluationId", info->run_id);
    json_kv_cstr(w, "jobId", info->id);
    json_kv_str(w, "baseline", json_str(json_get(payload, "baseline"), STR_NONE));
    json_kv_str(w, "candidate", json_str(json_get(payload, "candidate"), STR_NONE));
    json_kv_str(w, "suite", json_str(json_get(payload, "suite"), STR_NONE));
    json_kv_cstr(w, "status", job_state_name(info->state));
    json_kv_real(w, "progress", progress_of(info));
    json_kv_time_ms(w, "createdAt", info->created_ms);
    if (whole) {
        write_node(w, "summary", json_get(result, "summary"));
        write_node(w, "metricSuite", json_get(result, "metricSuite"));
        struct buf series;
        buf_init(&series, 1024 * 1024);
        if (json_get(result, "series"))
            json_dump(json_get(result, "series"), &series);
        json_kv_raw(w, "series", series.len ? buf_str(&series) : STR("[]"));
        buf_deinit(&series);
        json_kv_cstr(w, "error", info->error.len ? info->error.ptr : NULL);
    }
    json_object_end(w);
    return OK;
}

err core_evaluations_list(struct http_request *rq, struct http_reply *rp)
{
    int64_t limit = 20, offset = 0;
    struct job_info *infos;
    size_t count;
    TRY(http_query_int(rq, "limit", 1, LIST_MAX, &limit));
    TRY(http_query_int(rq, "offset", 0, 10000, &offset));
    TRY(list_work(rq, WORK_EVALUATION, STR_NONE, limit, offset, &infos, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++)
        TRY(write_evaluation(rq, w, &infos[i], false));
    json_items_end(w);
    return OK;
}

err core_evaluation_get(struct http_request *rq, struct http_reply *rp)
{
    struct job_info info;
    TRY(find_job(rq, WORK_EVALUATION, &info));
    return write_evaluation(rq, http_json(rp), &info, true);
}

/* ------------------------------------------------------------------ /runner/eval: the same, as the
 * reference's runner said it */

enum { EVAL_LIMIT_DEFAULT = 200, EVAL_BATCH_MAX = 65536 };

static const char *const eval_metrics[] = { "val_loss", "val_acc_top1", "val_acc_top3", "ece" };

/* "metrics" may name some; all are measured anyway, so it is only checked. */
static err check_eval_metrics(const struct json *names)
{
    if (json_kind(names) > JSON_IS_NULL && json_kind(names) != JSON_IS_ARRAY)
        return ERR(ERR_INVALID, "field 'metrics' must be an array of names");
    for (size_t i = 0; i < json_count(names); i++) {
        str name = json_str(json_at(names, i), STR_NONE);
        size_t k = 0;
        while (k < COUNT_OF(eval_metrics) && !str_eq(name, str_of(eval_metrics[k])))
            k++;
        if (k == COUNT_OF(eval_metrics))
            return ERR(ERR_INVALID,
                       "field 'metrics' has '%.*s'; there are val_loss, val_acc_top1, "
                       "val_acc_top3 and ece",
                       STR_ARG(str_sub(name, 0, 60)));
    }
    return OK;
}

/* modelId is "name" (the newest version) or "name@3". */
err core_eval_start(struct http_request *rq, struct http_reply *rp)
{
    const struct json *body;
    struct evaluation_ask ask = { .suite = STR("accuracy"), .limit = EVAL_LIMIT_DEFAULT };
    int64_t batch = 32; /* of the reference's torch loader; nothing depends on it here */
    char run_id[HEX_ID_BYTES] = "", job_id[UUID_BYTES] = "";
    TRY(http_body_json(rq, &body));
    TRY(json_need_str(body, "modelId", &ask.version));
    ask.name = str_split(&ask.version, '@');
    TRY(json_opt_str(body, "datasetId", &ask.dataset));
    TRY(check_eval_metrics(json_get(body, "metrics")));
    TRY(json_opt_int(body, "batchSize", 1, EVAL_BATCH_MAX, &batch));
    TRY(json_opt_int(body, "limit", 1, INT32_MAX, &ask.limit));
    TRY(json_opt_int(body, "seed", 0, INT64_MAX, &ask.seed));
    TRY(queue_evaluation(rq, &ask, run_id, job_id));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "evalId", run_id);
    json_kv_cstr(w, "jobId", job_id);
    json_object_end(w);
    return OK;
}

err core_eval_get(struct http_request *rq, struct http_reply *rp)
{
    struct job_info info;
    const struct json *data;
    TRY(find_job(rq, WORK_EVALUATION, &info));
    TRY(run_data(rq, info.run_id, &data));
    bool is_done = info.state == JOB_SUCCEEDED;
    bool has_failed = info.state == JOB_FAILED || info.state == JOB_STOPPED;
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "evalId", info.run_id);
    json_kv_cstr(w, "status", is_done ? "completed" : has_failed ? "error" : "running");
    json_key(w, "metrics");
    json_object_begin(w);
    for (size_t i = 0; i < COUNT_OF(eval_metrics); i++)
        json_kv_real(w, eval_metrics[i],
                     json_num(json_get(json_get(data, "metrics"), eval_metrics[i]), NAN));
    json_object_end(w);
    json_key(w, "reportUri");
    if (is_done)
        json_out_fmt(w, "/v1/runs/%.*s/artifacts/report.json", STR_ARG(info.run_id));
    else
        json_out_null(w);
    json_kv_cstr(w, "error", info.error.len ? info.error.ptr : NULL);
    json_object_end(w);
    return OK;
}
