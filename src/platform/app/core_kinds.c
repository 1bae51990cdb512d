/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_kinds.c -- what the apps of this build can make, and what may be asked of it: from the
 * tables, so that a form can be made of it which knows no app. */
#include "platform/app/core.h"

void core_write_words(struct json_out *w, const char *words)
{
    json_array_begin(w);
    for (str rest = str_of(words); rest.len;)
        json_out_str(w, str_split(&rest, ' '));
    json_array_end(w);
}

static err write_properties(struct json_out *w, arena *keep, const char *key,
                            const char *properties)
{
    str schema = arena_fmt(keep, "{\"type\":\"object\",\"properties\":{%s}}",
                           properties ? properties : "");
    ARENA_TRY(schema.ptr);
    json_kv_raw(w, key, schema);
    return OK;
}

err core_dataset_kinds(struct http_request *rq, struct http_reply *rp)
{
    const struct app *const *apps = house_apps(rq_house(rq));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; apps[i]; i++) {
        for (const struct dataset_kind *k = apps[i]->dataset_kinds; k && k->name; k++) {
            json_object_begin(w);
            json_kv_cstr(w, "kind", k->name);
            json_kv_cstr(w, "app", apps[i]->name);
            json_kv_cstr(w, "buildJob", k->build_job);
            json_key(w, "formats");
            core_write_words(w, k->formats);
            TRY(write_properties(w, http_arena(rq), "filter", k->filter_schema));
            TRY(write_properties(w, http_arena(rq), "split", k->split_schema));
            json_object_end(w);
        }
    }
    json_items_end(w);
    return OK;
}

/* A kind with a route of its own takes no dataset: its rows are what the app has. */
err core_training_kinds(struct http_request *rq, struct http_reply *rp)
{
    const struct app *const *apps = house_apps(rq_house(rq));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; apps[i]; i++) {
        for (const struct model_kind *k = apps[i]->model_kinds; k && k->name; k++) {
            json_object_begin(w);
            json_kv_cstr(w, "kind", k->name);
            json_kv_cstr(w, "app", apps[i]->name);
            json_kv_cstr(w, "title", apps[i]->title);
            json_kv_cstr(w, "datasetKind", k->dataset_kind);
            json_kv_bool(w, "needsDataset", !k->train_route);
            json_kv_cstr(w, "trainAt", k->train_route ? k->train_route : "/v1/trainings");
            TRY(write_properties(w, http_arena(rq), "training", k->params_schema));
            json_key(w, "suites");
            core_write_words(w, k->suites);
            TRY(write_properties(w, http_arena(rq), "evaluation", k->evaluate_schema));
            json_kv_cstr(w, "matchAt", k->match_route);
            TRY(write_properties(w, http_arena(rq), "match", k->match_schema));
            json_object_end(w);
        }
    }
    json_items_end(w);
    return OK;
}
