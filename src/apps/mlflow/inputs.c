/* SPDX-License-Identifier: GPL-3.0-or-later */
/* inputs.c -- /mlflow/runs/log-inputs, runs/outputs, experiments/search-datasets: what runs read
 * and made. */
#include "apps/mlflow/mlflow_app.h"
#include "platform/track/client_runs.h"

enum { INPUT_TAGS_MAX = 1000, EXPERIMENTS_MAX = 1000 };

static struct track *track_of(const struct http_request *rq)
{
    return house_track(rq_house(rq));
}

/* A list in the body: NULL and 0 when absent. */
static err list_read(const struct wire_args *a, const char *name, size_t max,
                     const struct json **ret_list, size_t *ret_count)
{
    *ret_list = wire_node(a, name);
    *ret_count = json_count(*ret_list);
    if (*ret_list && json_kind(*ret_list) != JSON_IS_ARRAY)
        return wire_mistyped(name, *ret_list);
    if (*ret_count > max)
        return ERR(ERR_INVALID, "At most %zu %s can be logged at once. Got %zu.", max, name,
                   *ret_count);
    return OK;
}

static err dataset_read(const struct json *node, arena *keep, struct client_dataset *d)
{
    struct wire_args input = wire_inner(node);
    const struct json *inner = wire_node(&input, "dataset");
    struct wire_args a = wire_inner(inner);
    struct track_tag *tags;
    if (json_kind(inner) != JSON_IS_OBJECT)
        return wire_missing("dataset");
    TRY(wire_need_str(&a, "name", &d->name));
    TRY(wire_need_str(&a, "digest", &d->digest));
    TRY(wire_str(&a, "source_type", &d->source_type));
    TRY(wire_str(&a, "source", &d->source));
    TRY(wire_str(&a, "schema", &d->schema));
    TRY(wire_str(&a, "profile", &d->profile));
    TRY(wire_tags(&input, "tags", INPUT_TAGS_MAX, keep, &tags, &d->tag_count));
    d->tags = tags;
    return OK;
}

static err models_read(const struct wire_args *a, arena *keep, struct client_model **ret_models,
                       size_t *ret_count)
{
    const struct json *list;
    TRY(list_read(a, "models", CLIENT_MODELS_MAX, &list, ret_count));
    *ret_models = NEW_ARRAY(keep, struct client_model, *ret_count + 1);
    ARENA_TRY(*ret_models);
    for (size_t i = 0; i < *ret_count; i++) {
        struct wire_args item = wire_inner(json_at(list, i));
        TRY(wire_need_str(&item, "model_id", &(*ret_models)[i].model_id));
        TRY(wire_int(&item, "step", &(*ret_models)[i].step));
    }
    return OK;
}

err mlflow_log_inputs(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    const struct json *list;
    struct client_model *models;
    size_t count, model_count;
    arena *keep = http_arena(rq);
    str id;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    TRY(list_read(&a, "datasets", CLIENT_DATASETS_MAX, &list, &count));
    struct client_dataset *datasets = NEW_ARRAY(keep, struct client_dataset, count + 1);
    ARENA_TRY(datasets);
    for (size_t i = 0; i < count; i++)
        TRY(dataset_read(json_at(list, i), keep, &datasets[i]));
    TRY(models_read(&a, keep, &models, &model_count));
    TRY(client_run_inputs(track_of(rq), id, datasets, count, models, model_count));
    return wire_empty(rp);
}

err mlflow_log_outputs(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct client_model *models;
    size_t count;
    str id;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    if (!wire_has(&a, "models"))
        return wire_missing("models");
    TRY(models_read(&a, http_arena(rq), &models, &count));
    TRY(client_run_outputs(track_of(rq), id, models, count));
    return wire_empty(rp);
}

err mlflow_search_datasets(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct client_dataset_use *uses;
    size_t count, use_count;
    str *texts;
    TRY(wire_open(rq, &a));
    TRY(wire_strs(&a, "experiment_ids", EXPERIMENTS_MAX, http_arena(rq), &texts, &count));
    if (count == 0)
        return ERR(ERR_INVALID, "SearchDatasets request must specify at least one experiment_id.");
    int64_t *ids = NEW_ARRAY(http_arena(rq), int64_t, count);
    ARENA_TRY(ids);
    for (size_t i = 0; i < count; i++)
        if (str_to_i64(texts[i], &ids[i]).code)
            return ERR(ERR_INVALID,
                       "Invalid experiment ID '%.*s'. Experiment ID must be a valid integer.",
                       STR_ARG(str_sub(texts[i], 0, 60)));
    TRY(client_datasets_used(track_of(rq), ids, count, http_arena(rq), &uses, &use_count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    if (use_count) {
        json_key(w, "dataset_summaries");
        json_array_begin(w);
    }
    for (size_t i = 0; i < use_count; i++) {
        json_object_begin(w);
        json_key(w, "experiment_id");
        json_out_fmt(w, "%lld", (long long)uses[i].experiment_id);
        json_kv_str(w, "name", uses[i].name);
        json_kv_str(w, "digest", uses[i].digest);
        if (uses[i].context.len)
            json_kv_str(w, "context", uses[i].context);
        json_object_end(w);
    }
    if (use_count)
        json_array_end(w);
    json_object_end(w);
    return OK;
}
