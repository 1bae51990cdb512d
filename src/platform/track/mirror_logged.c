/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mirror_logged.c -- logged models of MLflow 3 in somebody's MLflow.
 *
 * That server gives them ids of its own; ours is a tag, by which one is found again. A server of
 * MLflow 2 knows none of this: it answers 404, and gets runs and versions as before. */
#include <string.h>

#include "platform/track/experiments.h"
#include "platform/track/files.h"
#include "platform/track/mirror_internal.h"

#define API "/api/2.0/mlflow/"
/* Which versions were made of it: there these are others, and that server notes them itself. */
#define TAG_VERSIONS "mlflow.modelVersions"

enum { RUNS_MAX = 100, MODELS_MAX = 100, POINTS_PAGE = 1000 };

/* ------------------------------------------------------------------ ours */

struct own_logged {
    str model_id;
    arena *keep;
    str name, model_type, source_run_id, status, artifact_uri, experiment;
    bool is_found, is_deleted;
};

/* Not found: it is not here any more, or came with a run from an MLflow or from a mirror. */
static err own_logged_fn(struct store_read *rd, void *arg)
{
    struct own_logged *l = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT l.name, l.model_type, l.source_run_id, l.status, l.artifact_location,"
                    " e.name, l.lifecycle_stage FROM logged_models l"
                    " JOIN experiments e ON e.experiment_id = l.experiment_id"
                    " WHERE l.model_id = ?1 AND NOT EXISTS (SELECT 1 FROM tags t"
                    " WHERE t.run_id = l.source_run_id AND t.key = '" IMPORT_TAG_SOURCE "')"
                    " AND NOT EXISTS (SELECT 1 FROM logged_model_tags o"
                    " WHERE o.model_id = l.model_id AND o.key = '" MIRROR_TAG_LOGGED "'"
                    " AND LENGTH(o.value) = 34)",
                    ARGS(sql_text(l->model_id)), &rows));
    l->is_found = store_next(rows);
    if (l->is_found) {
        str *const texts[] = { &l->name,   &l->model_type,   &l->source_run_id,
                               &l->status, &l->artifact_uri, &l->experiment };
        for (size_t i = 0; i < COUNT_OF(texts); i++)
            *texts[i] = store_col_text_keep(rows, (int)i, l->keep);
        l->is_deleted = str_eq(store_col_text(rows, 6), STR("deleted"));
    }
    return store_rows_close(rows);
}

static err own_logged_read(struct mirror *m, str model_id, struct own_logged *ret_model)
{
    *ret_model = (struct own_logged){ .model_id = model_id, .keep = &m->keep };
    TRY(store_read(m->config->store, own_logged_fn, ret_model));
    return arena_check(&m->keep);
}

static err params_read(struct mirror *m, str model_id, struct own_tags *ret_params)
{
    return mirror_tags_read(
        m, "SELECT key, value FROM logged_model_params WHERE model_id = ?1 ORDER BY key", model_id,
        ret_params);
}

static err tags_read(struct mirror *m, str model_id, struct own_tags *ret_tags)
{
    return mirror_tags_read(m,
                            "SELECT key, value FROM logged_model_tags WHERE model_id = ?1"
                            " AND key <> '" TAG_VERSIONS "' ORDER BY key",
                            model_id, ret_tags);
}

/* ------------------------------------------------------------------ there */

static void logged_of(const struct json *model, struct mirror_logged *ret_model)
{
    const struct json *info = json_get(model, "info");
    ret_model->id = json_str(json_get(info, "model_id"), STR_NONE);
    ret_model->artifact_uri = json_str(json_get(info, "artifact_uri"), STR_NONE);
}

/* *ret_there: the model with its tags; NULL when it is not there. *ret_knows: false on MLflow 2. */
static err logged_find(struct mirror *m, const struct own_logged *own, str experiment,
                       const struct json **ret_there, bool *ret_knows)
{
    const struct json *reply = NULL;
    struct json_out w = mirror_body(m);
    *ret_there = NULL;
    *ret_knows = true;
    json_key(&w, "experiment_ids");
    json_array_begin(&w);
    json_out_str(&w, experiment);
    json_array_end(&w);
    str filter = arena_fmt(&m->keep, "tags.`" MIRROR_TAG_LOGGED "` = '%.*s'",
                           STR_ARG(own->model_id));
    ARENA_TRY(filter.ptr);
    json_kv_str(&w, "filter", filter);
    json_kv_int(&w, "max_results", 1);
    json_object_end(&w);
    err e = mirror_ask(m, "POST", API "logged-models/search", &reply);
    if (e.code == ERR_NOT_FOUND) {
        *ret_knows = false;
        return OK;
    }
    TRY(e);
    *ret_there = json_at(json_get(reply, "models"), 0);
    return OK;
}

static err logged_make(struct mirror *m, const struct own_logged *own, str experiment,
                       struct mirror_logged *ret_model)
{
    const struct json *reply;
    struct mirror_run run = { .id = STR_NONE };
    struct own_tags params, tags;
    if (own->source_run_id.len)
        TRY(mirror_run_need(m, own->source_run_id, &run));
    TRY(params_read(m, own->model_id, &params));
    TRY(tags_read(m, own->model_id, &tags));
    struct json_out w = mirror_body(m);
    json_kv_str(&w, "experiment_id", experiment);
    json_kv_str(&w, "name", own->name);
    if (own->model_type.len)
        json_kv_str(&w, "model_type", own->model_type);
    if (run.id.len)
        json_kv_str(&w, "source_run_id", run.id);
    json_key(&w, "params");
    json_array_begin(&w);
    mirror_tags_write(&params, &w);
    json_array_end(&w);
    json_key(&w, "tags");
    json_array_begin(&w);
    mirror_key_value(&w, MIRROR_TAG_LOGGED, own->model_id);
    mirror_tags_write(&tags, &w);
    json_array_end(&w);
    json_object_end(&w);
    TRY(mirror_ask(m, "POST", API "logged-models", &reply));
    logged_of(json_get(reply, "model"), ret_model);
    ret_model->is_new = true;
    return ret_model->id.len
               ? OK
               : ERR(ERR_UPSTREAM, "%.80s made a logged model without an id", m->config->url);
}

/* *ret_there as of logged_find. */
static err need(struct mirror *m, const struct own_logged *own, struct mirror_logged *ret_model,
                const struct json **ret_there)
{
    str experiment;
    bool knows;
    *ret_model = (struct mirror_logged){ .id = STR_NONE };
    *ret_there = NULL;
    if (!own->is_found || own->is_deleted)
        return OK;
    TRY(mirror_experiment_need(m, own->experiment, &experiment));
    TRY(logged_find(m, own, experiment, ret_there, &knows));
    if (*ret_there)
        logged_of(*ret_there, ret_model);
    return *ret_there || !knows ? OK : logged_make(m, own, experiment, ret_model);
}

err mirror_logged_need(struct mirror *m, str model_id, struct mirror_logged *ret_model)
{
    struct own_logged own;
    const struct json *there;
    TRY(own_logged_read(m, model_id, &own));
    return need(m, &own, ret_model, &there);
}

/* ------------------------------------------------------------------ what it says of itself */

/* POST or PATCH of a list of pairs; nothing for an empty list. */
static err pairs_send(struct mirror *m, const char *method, str path, const char *list,
                      const struct own_tags *pairs)
{
    if (!pairs->count)
        return OK;
    struct json_out w = mirror_body(m);
    json_key(&w, list);
    json_array_begin(&w);
    mirror_tags_write(pairs, &w);
    json_array_end(&w);
    json_object_end(&w);
    return mirror_ask(m, method, path.ptr, NULL);
}

static bool has_tag(const struct own_tags *tags, str key)
{
    for (size_t i = 0; i < tags->count; i++)
        if (str_eq(tags->list[i].key, key))
            return true;
    return false;
}

/* Those that were taken off here. What that server, or we, put there stays. */
static err tags_drop(struct mirror *m, str root, const struct json *there,
                     const struct own_tags *tags)
{
    const struct json *list = json_get(json_get(there, "info"), "tags");
    for (size_t i = 0; i < json_count(list); i++) {
        str key = json_str(json_get(json_at(list, i), "key"), STR_NONE);
        bool is_gone;
        struct buf path;
        if (str_starts(key, STR("skerry.")) || str_starts(key, STR("mlflow.")) ||
            has_tag(tags, key))
            continue;
        buf_init(&path, 8000);
        buf_add_fmt(&path, "%.*s/tags/", STR_ARG(root));
        net_api_escape(&path, key, false);
        buf_clear(&m->body);
        err e = buf_check(&path);
        if (!e.code)
            e = mirror_try(m, "DELETE", path.ptr, "RESOURCE_DOES_NOT_EXIST", &is_gone, NULL);
        buf_deinit(&path);
        TRY(e);
    }
    return OK;
}

static err files_send(struct mirror *m, const struct own_logged *own,
                      const struct mirror_logged *model)
{
    struct mirror_run root = { .id = model->id, .artifact_uri = model->artifact_uri };
    str folder;
    if (!m->config->artifact_bytes_max || !str_starts(own->artifact_uri, STR("mlflow-artifacts:")))
        return OK;
    TRY(files_uri_path(own->artifact_uri, &m->keep, &folder));
    err e = mirror_folder(m, own->model_id, &root, folder, STR_NONE);
    return e.code == ERR_UNSUPPORTED ? OK : e;
}

static err fill(struct mirror *m, const struct own_logged *own, const struct mirror_logged *model,
                const struct json *there, bool with_files)
{
    struct own_tags params, tags;
    str root = arena_fmt(&m->keep, API "logged-models/%.*s", STR_ARG(model->id));
    str params_path = arena_fmt(&m->keep, "%.*s/params", STR_ARG(root));
    str tags_path = arena_fmt(&m->keep, "%.*s/tags", STR_ARG(root));
    TRY(arena_check(&m->keep));
    if (with_files)
        TRY(files_send(m, own, model));
    TRY(params_read(m, own->model_id, &params));
    TRY(tags_read(m, own->model_id, &tags));
    if (!model->is_new) {
        TRY(pairs_send(m, "PATCH", tags_path, "tags", &tags));
        TRY(tags_drop(m, root, there, &tags));
        if (params.count > json_count(json_get(json_get(there, "data"), "params")))
            TRY(pairs_send(m, "POST", params_path, "params", &params));
    }
    if (str_eq(own->status, STR("LOGGED_MODEL_PENDING")))
        return OK;
    struct json_out w = mirror_body(m);
    json_kv_str(&w, "model_id", model->id);
    json_kv_str(&w, "status", own->status);
    json_object_end(&w);
    return mirror_ask(m, "PATCH", root.ptr, NULL);
}

/* ------------------------------------------------------------------ runs and models */

/* One of the ids that a query finds, behind another. */
struct next_id {
    const char *sql; /* ?1 of what, ?2 behind which */
    str of, after;
    arena *keep;
    str id, direction;
    int64_t step;
};

static err next_id_fn(struct store_read *rd, void *arg)
{
    struct next_id *n = arg;
    struct store_rows *rows;
    TRY(store_query(rd, n->sql, ARGS(sql_text(n->of), sql_text(n->after)), &rows));
    n->id = STR_NONE;
    if (store_next(rows)) {
        n->id = store_col_text_keep(rows, 0, n->keep);
        n->direction = store_col_text_keep(rows, 1, n->keep);
        n->step = store_col_int(rows, 2);
        n->after = store_col_text_keep(rows, 3, n->keep);
    }
    return store_rows_close(rows);
}

/* Whether the run has it there: MLflow refuses to hear of it again. */
static err is_linked(struct mirror *m, str run_id, str model_id, bool is_out, bool *ret_linked)
{
    const struct json *reply;
    str path = arena_fmt(&m->keep, API "runs/get?run_id=%.*s", STR_ARG(run_id));
    ARENA_TRY(path.ptr);
    buf_clear(&m->body);
    TRY(mirror_ask(m, "GET", path.ptr, &reply));
    const struct json *run = json_get(reply, "run");
    const struct json *list = is_out ? json_get(json_get(run, "outputs"), "model_outputs")
                                     : json_get(json_get(run, "inputs"), "model_inputs");
    *ret_linked = false;
    for (size_t i = 0; i < json_count(list); i++)
        if (str_eq(json_str(json_get(json_at(list, i), "model_id"), STR_NONE), model_id))
            *ret_linked = true;
    return OK;
}

static err link_send(struct mirror *m, str run_id, str model_id, bool is_out, int64_t step)
{
    bool is_there = false;
    TRY(is_linked(m, run_id, model_id, is_out, &is_there));
    if (is_there)
        return OK;
    struct json_out w = mirror_body(m);
    json_kv_str(&w, "run_id", run_id);
    json_key(&w, "models");
    json_array_begin(&w);
    json_object_begin(&w);
    json_kv_str(&w, "model_id", model_id);
    if (is_out)
        json_kv_int(&w, "step", step);
    json_object_end(&w);
    json_array_end(&w);
    json_object_end(&w);
    return mirror_ask(m, "POST", is_out ? API "runs/outputs" : API "runs/log-inputs", NULL);
}

/* The runs that read or made a model: those that are there already. */
static err links_send(struct mirror *m, str model_id, const struct mirror_logged *model)
{
    struct next_id n = { .sql = "SELECT run_id, direction, COALESCE(step, 0), run_id || direction"
                                " FROM run_assets WHERE asset_id = ?1 AND kind = 'model'"
                                " AND run_id || direction > ?2 ORDER BY run_id || direction"
                                " LIMIT 1",
                         .of = model_id,
                         .keep = &m->keep };
    for (int i = 0; i < RUNS_MAX; i++) {
        struct mirror_run run;
        TRY(store_read(m->config->store, next_id_fn, &n));
        TRY(arena_check(&m->keep));
        if (!n.id.len)
            break;
        TRY(mirror_run_need(m, n.id, &run));
        if (run.id.len)
            TRY(link_send(m, run.id, model->id, str_eq(n.direction, STR("out")), n.step));
    }
    return OK;
}

struct points {
    str run_id, model_id, run_there, model_there;
    struct mirror *m;
    int64_t from, count;
};

/* A page of what a run measured of a model, as a body. */
static err points_fn(struct store_read *rd, void *arg)
{
    struct points *p = arg;
    struct store_rows *rows;
    struct json_out w = mirror_body(p->m);
    p->count = 0;
    json_kv_str(&w, "run_id", p->run_there);
    json_key(&w, "metrics");
    json_array_begin(&w);
    TRY(store_query(
        rd,
        "SELECT key, ts_ms, step, value, is_nan, dataset_name, dataset_digest"
        " FROM logged_model_metrics WHERE model_id = ?1 AND run_id = ?2"
        " ORDER BY key, ts_ms, step LIMIT ?3 OFFSET ?4",
        ARGS(sql_text(p->model_id), sql_text(p->run_id), sql_int(POINTS_PAGE), sql_int(p->from)),
        &rows));
    while (store_next(rows)) {
        json_object_begin(&w);
        json_kv_str(&w, "key", store_col_text(rows, 0));
        json_key(&w, "value");
        if (store_col_int(rows, 4))
            json_out_str(&w, STR("NaN"));
        else
            json_out_real(&w, store_col_real(rows, 3));
        json_kv_int(&w, "timestamp", store_col_int(rows, 1));
        json_kv_int(&w, "step", store_col_int(rows, 2));
        json_kv_str(&w, "model_id", p->model_there);
        if (!store_col_is_null(rows, 5) && store_col_text(rows, 5).len)
            json_kv_str(&w, "dataset_name", store_col_text(rows, 5));
        if (!store_col_is_null(rows, 6) && store_col_text(rows, 6).len)
            json_kv_str(&w, "dataset_digest", store_col_text(rows, 6));
        json_object_end(&w);
        p->count++;
    }
    json_array_end(&w);
    json_object_end(&w);
    return store_rows_close(rows);
}

static err points_send(struct mirror *m, str run_id, str model_id, const struct mirror_run *run,
                       const struct mirror_logged *model)
{
    struct points p = { .run_id = run_id,
                        .model_id = model_id,
                        .run_there = run->id,
                        .model_there = model->id,
                        .m = m };
    do {
        TRY(store_read(m->config->store, points_fn, &p));
        if (p.count)
            TRY(mirror_ask(m, "POST", API "runs/log-batch", NULL));
        p.from += p.count;
    } while (p.count == POINTS_PAGE);
    return OK;
}

err mirror_run_models(struct mirror *m, str run_id, const struct mirror_run *run)
{
    struct next_id n = { .sql = "SELECT a.asset_id, a.direction, COALESCE(a.step, 0), a.asset_id ||"
                                " a.direction FROM run_assets a JOIN logged_models l"
                                " ON l.model_id = a.asset_id WHERE a.run_id = ?1"
                                " AND a.kind = 'model' AND a.asset_id || a.direction > ?2"
                                " ORDER BY a.asset_id || a.direction LIMIT 1",
                         .of = run_id,
                         .keep = &m->keep };
    for (int i = 0; i < MODELS_MAX; i++) {
        struct mirror_logged model;
        TRY(store_read(m->config->store, next_id_fn, &n));
        TRY(arena_check(&m->keep));
        if (!n.id.len)
            break;
        TRY(mirror_logged_need(m, n.id, &model));
        if (!model.id.len)
            continue;
        TRY(link_send(m, run->id, model.id, str_eq(n.direction, STR("out")), n.step));
        TRY(points_send(m, run_id, n.id, run, &model));
    }
    return OK;
}

/* ------------------------------------------------------------------ events */

err mirror_logged_fill(struct mirror *m, str model_id, bool with_files)
{
    struct own_logged own;
    struct mirror_logged model;
    const struct json *there;
    TRY(own_logged_read(m, model_id, &own));
    /* It is all told when it is finished. */
    if (!with_files && str_eq(own.status, STR("LOGGED_MODEL_PENDING")))
        return OK;
    TRY(need(m, &own, &model, &there));
    if (!model.id.len)
        return OK;
    TRY(fill(m, &own, &model, there, with_files || model.is_new));
    return with_files || model.is_new ? links_send(m, model_id, &model) : OK;
}

err mirror_logged_whole(struct mirror *m, str model_id, struct mirror_logged *ret_model)
{
    struct own_logged own;
    const struct json *there;
    TRY(own_logged_read(m, model_id, &own));
    TRY(need(m, &own, ret_model, &there));
    bool is_pending = str_eq(own.status, STR("LOGGED_MODEL_PENDING"));
    if (!ret_model->id.len || !(ret_model->is_new || is_pending))
        return OK;
    return fill(m, &own, ret_model, there, true);
}

err mirror_logged_delete(struct mirror *m, str model_id)
{
    struct own_logged own;
    struct mirror_logged model = { .id = STR_NONE };
    const struct json *there = NULL;
    str experiment;
    bool knows, is_gone;
    TRY(own_logged_read(m, model_id, &own));
    if (!own.is_found) /* for good */
        return OK;
    TRY(mirror_experiment_need(m, own.experiment, &experiment));
    TRY(logged_find(m, &own, experiment, &there, &knows));
    if (!there)
        return OK;
    logged_of(there, &model);
    str path = arena_fmt(&m->keep, API "logged-models/%.*s", STR_ARG(model.id));
    ARENA_TRY(path.ptr);
    buf_clear(&m->body);
    return mirror_try(m, "DELETE", path.ptr, "RESOURCE_DOES_NOT_EXIST", &is_gone, NULL);
}
