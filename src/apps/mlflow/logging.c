/* SPDX-License-Identifier: GPL-3.0-or-later */
/* logging.c -- /mlflow/runs/log-..., set-tag, delete-tag: what a run says, one thing or a batch. */
#include "apps/mlflow/batch_scan.h"
#include "apps/mlflow/mlflow_app.h"
#include "platform/track/client_runs.h"

#include <string.h>

enum { CONFLICTS_BYTES_MAX = 64 * 1024, REFUSAL_BYTES_MAX = 4000, NOTE_BYTES_MAX = 1024 * 1024 };

static struct track *track_of(const struct http_request *rq)
{
    return house_track(rq_house(rq));
}

/* ------------------------------------------------------------------ params do not change */

/* Texts are longer than an err holds, and people look for their values in them. */
static err refuse_one(struct http_reply *rp, str run_id, const struct client_conflict *c)
{
    return wire_refuse(rp, 400, "INVALID_PARAMETER_VALUE",
                       "Changing param values is not allowed. Param with key='%.*s' was already "
                       "logged with value='%.*s' for run ID='%.*s'. Attempted logging new value "
                       "'%.*s'.",
                       STR_ARG(c->key), STR_ARG(str_sub(c->old_value, 0, 1000)), STR_ARG(run_id),
                       STR_ARG(str_sub(c->new_value, 0, 1000)));
}

static err refuse_all(struct http_reply *rp, str run_id, const struct client_conflicts *all)
{
    struct buf text;
    buf_init(&text, CONFLICTS_BYTES_MAX);
    for (size_t i = 0; i < all->count && text.len < REFUSAL_BYTES_MAX; i++) {
        const struct client_conflict *c = &all->items[i];
        buf_add_fmt(&text, "%s{'key': '%.*s', 'old_value': '%.*s', 'new_value': '%.*s'}",
                    i ? ", " : "", STR_ARG(c->key), STR_ARG(str_sub(c->old_value, 0, 1000)),
                    STR_ARG(str_sub(c->new_value, 0, 1000)));
    }
    err e = buf_check(&text);
    if (!e.code)
        e = wire_refuse(rp, 400, "INVALID_PARAMETER_VALUE",
                        "Changing param values is not allowed. Params were already logged='[%.*s]' "
                        "for run ID='%.*s'.",
                        STR_ARG(str_sub(buf_str(&text), 0, REFUSAL_BYTES_MAX - 200)),
                        STR_ARG(run_id));
    buf_deinit(&text);
    return e;
}

/* Stores it and answers {}, or says which params differ. */
static err log_it(struct http_request *rq, struct http_reply *rp, str run_id,
                  const struct client_batch *batch)
{
    struct client_conflicts conflicts;
    err e = client_run_log(track_of(rq), run_id, batch, http_arena(rq), &conflicts);
    if (e.code && conflicts.count > 0)
        return batch->is_single ? refuse_one(rp, run_id, &conflicts.items[0])
                                : refuse_all(rp, run_id, &conflicts);
    return e.code ? e : wire_empty(rp);
}

/* ------------------------------------------------------------------ one thing */

static err metric_read(const struct wire_args *a, struct client_metric *ret_metric)
{
    struct client_metric m = { 0 };
    TRY(wire_need_str(a, "key", &m.key));
    TRY(wire_need_real(a, "value", &m.value));
    TRY(wire_need_int(a, "timestamp", &m.ts_ms));
    TRY(wire_int(a, "step", &m.step));
    TRY(wire_str(a, "model_id", &m.model_id));
    TRY(wire_str(a, "dataset_name", &m.dataset_name));
    TRY(wire_str(a, "dataset_digest", &m.dataset_digest));
    *ret_metric = m;
    return OK;
}

err mlflow_log_metric(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct client_metric metric;
    str id;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    TRY(metric_read(&a, &metric));
    return log_it(
        rq, rp, id,
        &(struct client_batch){ .metrics = &metric, .metric_count = 1, .is_single = true });
}

static err text_read(const struct wire_args *a, struct track_tag *ret_text)
{
    *ret_text = (struct track_tag){ STR(""), STR("") };
    TRY(wire_need_str(a, "key", &ret_text->key));
    return wire_str(a, "value", &ret_text->value);
}

err mlflow_log_parameter(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct track_tag param;
    str id;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    TRY(text_read(&a, &param));
    return log_it(rq, rp, id,
                  &(struct client_batch){ .params = &param, .param_count = 1, .is_single = true });
}

err mlflow_set_tag(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct track_tag tag;
    str id;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    TRY(text_read(&a, &tag));
    return log_it(rq, rp, id,
                  &(struct client_batch){ .tags = &tag, .tag_count = 1, .is_single = true });
}

err mlflow_delete_tag(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str id, key;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    TRY(wire_need_str(&a, "key", &key));
    TRY(client_run_tag_delete(track_of(rq), id, key));
    return wire_empty(rp);
}

/* ------------------------------------------------------------------ a batch */

/* The same for one of many: its members are walked once, in whatever order they come, where looking
 * for each by both its names would take longer than storing the point. */
static err metric_walk(const struct json *node, size_t index, struct client_metric *m)
{
    bool has_value = false, has_time = false;
    void *iter = NULL;
    str key;
    const struct json *value;
    if (json_kind(node) != JSON_IS_OBJECT)
        return wire_mistyped("metrics", node);
    while (json_next(node, &iter, &key, &value)) {
        if (json_kind(value) == JSON_IS_NULL)
            continue;
        if (str_eq(key, STR("key"))) {
            TRY(wire_node_str(value, "key", &m->key));
        } else if (str_eq(key, STR("value"))) {
            TRY(wire_node_real(value, "value", &m->value));
            has_value = true;
        } else if (str_eq(key, STR("timestamp"))) {
            TRY(wire_node_int(value, "timestamp", &m->ts_ms));
            has_time = true;
        } else if (str_eq(key, STR("step"))) {
            TRY(wire_node_int(value, "step", &m->step));
        } else if (str_eq(key, STR("model_id")) || str_eq(key, STR("modelId"))) {
            TRY(wire_node_str(value, "model_id", &m->model_id));
        } else if (str_eq(key, STR("dataset_name")) || str_eq(key, STR("datasetName"))) {
            TRY(wire_node_str(value, "dataset_name", &m->dataset_name));
        } else if (str_eq(key, STR("dataset_digest")) || str_eq(key, STR("datasetDigest"))) {
            TRY(wire_node_str(value, "dataset_digest", &m->dataset_digest));
        }
    }
    const char *missing = !m->key.len  ? "key"
                          : !has_value ? "value"
                          : !has_time  ? "timestamp"
                                       : NULL;
    return missing ? ERR(ERR_INVALID,
                         "Missing value for required parameter 'metrics[%zu].%s'. See the API docs "
                         "for more information about request parameters.",
                         index, missing)
                   : OK;
}

static err metrics_read(const struct wire_args *a, arena *keep, struct client_batch *batch)
{
    const struct json *list = wire_node(a, "metrics");
    size_t count = json_count(list);
    if (list && json_kind(list) != JSON_IS_ARRAY)
        return wire_mistyped("metrics", list);
    batch->metric_count = count;
    if (count > CLIENT_METRICS_MAX) /* refused by their number, before they are read */
        return OK;
    struct client_metric *metrics = NEW_ARRAY(keep, struct client_metric, count + 1);
    ARENA_TRY(metrics);
    for (size_t i = 0; i < count; i++)
        TRY(metric_walk(json_at(list, i), i, &metrics[i]));
    batch->metrics = metrics;
    return OK;
}

err mlflow_log_batch(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct client_batch batch = { 0 };
    struct track_tag *params, *tags;
    struct batch_scan scan;
    arena *keep = http_arena(rq);
    str id;
    bool is_plain = batch_scan(http_body(rq), keep, &scan);
    TRY(wire_open_text(rq, is_plain ? scan.rest : http_body(rq), &a));
    TRY(mlflow_need_run(&a, &id));
    if (is_plain) {
        batch.metrics = scan.metrics;
        batch.metric_count = scan.count;
    } else {
        TRY(metrics_read(&a, keep, &batch));
    }
    TRY(wire_tags(&a, "params", CLIENT_ITEMS_MAX, keep, &params, &batch.param_count));
    TRY(wire_tags(&a, "tags", CLIENT_ITEMS_MAX, keep, &tags, &batch.tag_count));
    batch.params = params;
    batch.tags = tags;
    return log_it(rq, rp, id, &batch);
}

/* ------------------------------------------------------------------ the model of an old client */

static void write_node(struct json_out *w, const struct json *node)
{
    struct buf text;
    buf_init(&text, NOTE_BYTES_MAX);
    json_dump(node, &text);
    json_out_raw(w, text.failed ? STR("null") : buf_str(&text));
    buf_deinit(&text);
}

/* What MLflow keeps of a model: no signature, no configuration of a flavor. */
static void write_note(struct json_out *w, const struct json *model)
{
    static const char *const kept[] = { "run_id", "artifact_path", "utc_time_created",
                                        "model_uuid" };
    void *iter = NULL, *inner;
    str name, key;
    const struct json *flavor, *value;
    json_object_begin(w);
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (json_kind(json_get(model, kept[i])) == JSON_IS_STR)
            json_kv_str(w, kept[i], json_str(json_get(model, kept[i]), STR_NONE));
        else if (strcmp(kept[i], "model_uuid") == 0)
            json_kv_cstr(w, kept[i], NULL);
    json_key(w, "flavors");
    json_object_begin(w);
    while (json_next(json_get(model, "flavors"), &iter, &name, &flavor)) {
        json_key_str(w, name);
        json_object_begin(w);
        inner = NULL;
        while (json_next(flavor, &inner, &key, &value)) {
            if (str_eq(key, STR("config")))
                continue;
            json_key_str(w, key);
            write_node(w, value);
        }
        json_object_end(w);
    }
    json_object_end(w);
    json_object_end(w);
}

static err model_parse(arena *keep, str text, const struct json **ret_model)
{
    static const char *const needed[] = { "artifact_path", "flavors", "utc_time_created",
                                          "run_id" };
    err e = json_parse(keep, text, ret_model);
    if (e.code == ERR_INVALID || json_kind(*ret_model) != JSON_IS_OBJECT)
        return ERR(ERR_INVALID, "Malformed model info. \n %.*s \n is not a valid JSON.",
                   STR_ARG(str_sub(text, 0, 100)));
    if (e.code)
        return e;
    str missing = STR("");
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (!json_get(*ret_model, needed[i]))
            missing = arena_fmt(keep, "%.*s%s'%s'", STR_ARG(missing), missing.len ? ", " : "",
                                needed[i]);
    TRY(arena_check(keep));
    return missing.len ? ERR(ERR_INVALID, "Model json is missing mandatory fields: {%.*s}",
                             STR_ARG(missing))
                       : OK;
}

err mlflow_log_model(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    const struct json *model = NULL;
    str id, text;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    TRY(wire_need_str(&a, "model_json", &text));
    TRY(model_parse(http_arena(rq), text, &model));
    struct buf note;
    struct json_out w;
    buf_init(&note, NOTE_BYTES_MAX);
    json_out_init(&w, &note);
    write_note(&w, model);
    err e = buf_check(&note);
    if (!e.code)
        e = client_run_model_note(track_of(rq), id, buf_str(&note), http_arena(rq));
    buf_deinit(&note);
    return e.code ? e : wire_empty(rp);
}
