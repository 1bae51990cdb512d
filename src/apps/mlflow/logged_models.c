/* SPDX-License-Identifier: GPL-3.0-or-later */
/* logged_models.c -- /mlflow/logged-models...: handlers. */
#include "platform/track/logged_models.h"

#include "apps/mlflow/mlflow_app.h"
#include "platform/track/files.h"

enum { PAIRS_MAX = 1000, PAGE_MAX = 10000 };

static struct track *track_of(const struct http_request *rq)
{
    return house_track(rq_house(rq));
}

/* ------------------------------------------------------------------ a model as MLflow writes it */

static void write_info(struct json_out *w, const struct logged_model *m)
{
    json_object_begin(w);
    json_kv_str(w, "model_id", m->model_id);
    json_key(w, "experiment_id");
    json_out_fmt(w, "%lld", (long long)m->experiment_id);
    json_kv_str(w, "name", m->name);
    json_kv_int(w, "creation_timestamp_ms", m->created_ms);
    json_kv_int(w, "last_updated_timestamp_ms", m->updated_ms);
    json_kv_str(w, "artifact_uri", m->artifact_uri);
    json_kv_str(w, "status", m->status);
    json_kv_str(w, "model_type", m->model_type);
    json_kv_str(w, "source_run_id", m->source_run_id);
    if (m->status_message.ptr)
        json_kv_str(w, "status_message", m->status_message);
    wire_kv_tags(w, "tags", m->tags, m->tag_count);
    json_object_end(w);
}

static void write_metric(struct json_out *w, const struct logged_metric *m, str model_id)
{
    json_object_begin(w);
    json_kv_str(w, "key", m->key);
    wire_kv_real(w, "value", m->value);
    json_kv_int(w, "timestamp", m->ts_ms);
    json_kv_int(w, "step", m->step);
    if (m->dataset_name.len)
        json_kv_str(w, "dataset_name", m->dataset_name);
    if (m->dataset_digest.len)
        json_kv_str(w, "dataset_digest", m->dataset_digest);
    json_kv_str(w, "model_id", model_id);
    json_kv_str(w, "run_id", m->run_id);
    json_object_end(w);
}

void mlflow_write_logged_model(struct json_out *w, const struct logged_model *m)
{
    json_object_begin(w);
    json_key(w, "info");
    write_info(w, m);
    json_key(w, "data");
    json_object_begin(w);
    wire_kv_tags(w, "params", m->params, m->param_count);
    if (m->metric_count) {
        json_key(w, "metrics");
        json_array_begin(w);
        for (size_t i = 0; i < m->metric_count; i++)
            write_metric(w, &m->metrics[i], m->model_id);
        json_array_end(w);
    }
    json_object_end(w);
    json_object_end(w);
}

/* ------------------------------------------------------------------ handlers */

static err reply_model(struct http_request *rq, struct http_reply *rp, str id)
{
    struct logged_model *m;
    TRY(logged_model_get(track_of(rq), id, http_arena(rq), &m));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "model");
    mlflow_write_logged_model(w, m);
    json_object_end(w);
    return OK;
}

err mlflow_logged_create(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct logged_model_spec spec = { 0 };
    struct track_tag *params, *tags;
    char id[LOGGED_MODEL_ID_BYTES];
    TRY(wire_open(rq, &a));
    TRY(wire_need_experiment(&a, &spec.experiment_id));
    TRY(wire_str(&a, "name", &spec.name));
    TRY(wire_str(&a, "model_type", &spec.model_type));
    TRY(wire_str(&a, "source_run_id", &spec.source_run_id));
    TRY(wire_tags(&a, "params", PAIRS_MAX, http_arena(rq), &params, &spec.param_count));
    TRY(wire_tags(&a, "tags", PAIRS_MAX, http_arena(rq), &tags, &spec.tag_count));
    spec.params = params;
    spec.tags = tags;
    TRY(logged_model_create(track_of(rq), &spec, id));
    return reply_model(rq, rp, str_of(id));
}

err mlflow_logged_get(struct http_request *rq, struct http_reply *rp)
{
    return reply_model(rq, rp, http_param(rq, "model_id"));
}

/* MLflow wants the id in the body as well as in the path. */
static err open_model(struct http_request *rq, struct wire_args *a, str *ret_id)
{
    str again;
    TRY(wire_open(rq, a));
    TRY(wire_need_str(a, "model_id", &again));
    *ret_id = http_param(rq, "model_id");
    return str_eq(again, *ret_id) ? OK
                                  : wire_invalid("model_id", again, "the path names another model");
}

/* By name or by number, as every enum. */
static err status_read(const struct wire_args *a, str *ret_status)
{
    static const char *const names[] = { NULL, "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY",
                                         "LOGGED_MODEL_UPLOAD_FAILED" };
    int64_t number = 0;
    if (!wire_has(a, "status"))
        return wire_missing("status");
    if (!wire_int(a, "status", &number).code && number >= 1 && number < (int64_t)COUNT_OF(names)) {
        *ret_status = str_of(names[number]);
        return OK;
    }
    TRY(wire_need_str(a, "status", ret_status));
    for (size_t i = 1; i < COUNT_OF(names); i++)
        if (str_eq(*ret_status, str_of(names[i])))
            return OK;
    return wire_invalid("status", *ret_status,
                        "use LOGGED_MODEL_PENDING, LOGGED_MODEL_READY or "
                        "LOGGED_MODEL_UPLOAD_FAILED");
}

err mlflow_logged_finish(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str id, status;
    TRY(open_model(rq, &a, &id));
    TRY(status_read(&a, &status));
    TRY(logged_model_finish(track_of(rq), id, status));
    return reply_model(rq, rp, id);
}

err mlflow_logged_delete(struct http_request *rq, struct http_reply *rp)
{
    TRY(logged_model_delete(track_of(rq), http_param(rq, "model_id")));
    TRY(wire_audit(rq, "logged_model.delete", http_param(rq, "model_id")));
    return wire_empty(rp);
}

err mlflow_logged_tags(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct track_tag *tags;
    size_t count;
    TRY(wire_open(rq, &a));
    TRY(wire_tags(&a, "tags", PAIRS_MAX, http_arena(rq), &tags, &count));
    TRY(logged_model_tags_set(track_of(rq), http_param(rq, "model_id"), tags, count));
    return wire_empty(rp);
}

err mlflow_logged_delete_tag(struct http_request *rq, struct http_reply *rp)
{
    TRY(logged_model_tag_delete(track_of(rq), http_param(rq, "model_id"),
                                http_param(rq, "tag_key")));
    return wire_empty(rp);
}

err mlflow_logged_params(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct track_tag *params;
    size_t count;
    str id;
    TRY(open_model(rq, &a, &id));
    TRY(wire_tags(&a, "params", PAIRS_MAX, http_arena(rq), &params, &count));
    TRY(logged_model_params_add(track_of(rq), id, params, count));
    return wire_empty(rp);
}

/* The files of a model, as mlflow_artifact_list shows those of a run. */
err mlflow_logged_files(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct logged_model *m;
    struct files_page page;
    str id = http_param(rq, "model_id"), path = STR(""), token = STR(""), root, directory;
    TRY(wire_open(rq, &a));
    TRY(wire_str(&a, "artifact_directory_path", &path));
    TRY(wire_str(&a, "page_token", &token));
    TRY(files_path(path, http_arena(rq), &path));
    TRY(logged_model_get(track_of(rq), id, http_arena(rq), &m));
    TRY(files_uri_path(m->artifact_uri, http_arena(rq), &root));
    TRY(files_join(root, path, http_arena(rq), &directory));
    TRY(files_list(track_of(rq), directory, token, PAGE_MAX, http_arena(rq), &page));
    TRY(mlflow_name_below(&page, path, http_arena(rq)));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "root_uri", m->artifact_uri);
    mlflow_write_files(w, &page);
    if (page.next.len)
        json_kv_str(w, "next_page_token", page.next);
    json_object_end(w);
    return OK;
}
