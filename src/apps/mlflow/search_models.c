/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_models.c -- /mlflow/registered-models/search, model-versions/search, logged-models/search:
 * handlers. */
#include "apps/mlflow/search.h"
#include "platform/track/logged_models.h"
#include "platform/track/registry.h"

enum {
    MODELS_DEFAULT = 100, /* as MLflow, as are all of these */
    MODELS_MAX = 1000,
    VERSIONS_DEFAULT = 10000,
    VERSIONS_MAX = 200000,
    VERSIONS_PAGE_MAX = 10000, /* of what a page really holds */
    LOGGED_DEFAULT = 50,
    LOGGED_MAX = 1000,
    LOGGED_PAGE_MAX = 50,
};

/* NULL without memory. */
static str *ids_of(const struct search_hit *hits, size_t count, arena *memory)
{
    str *ids = NEW_ARRAY(memory, str, count);
    for (size_t i = 0; ids && i < count; i++)
        ids[i] = hits[i].id;
    return ids;
}

/* ------------------------------------------------------------------ the registry */

static err models_write(struct track *t, const struct search_hit *hits, size_t count, arena *memory,
                        struct json_out *w)
{
    struct registry_model *models;
    str *names = ids_of(hits, count, memory);
    ARENA_TRY(names);
    TRY(registry_models_read(t, names, count, memory, &models));
    for (size_t i = 0; i < count; i++)
        mlflow_write_registered_model(w, &models[i]);
    return OK;
}

err mlflow_search_models(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct search_spec spec = { .kind = SEARCH_MODELS, .limit = MODELS_DEFAULT };
    TRY(wire_open(rq, &a));
    TRY(search_args(&a, http_arena(rq), MODELS_MAX, MODELS_MAX, &spec));
    return search_answer(rq, rp,
                         &(struct search_reply){
                             .spec = &spec, .list = "registered_models", .write = models_write });
}

/* Without their aliases, as MLflow has it. */
static err versions_write(struct track *t, const struct search_hit *hits, size_t count,
                          arena *memory, struct json_out *w)
{
    struct registry_version *versions;
    str *ids = ids_of(hits, count, memory);
    ARENA_TRY(ids);
    TRY(registry_versions_read(t, ids, count, false, memory, &versions));
    for (size_t i = 0; i < count; i++)
        mlflow_write_model_version(w, &versions[i]);
    return OK;
}

err mlflow_search_versions(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct search_spec spec = { .kind = SEARCH_VERSIONS, .limit = VERSIONS_DEFAULT };
    TRY(wire_open(rq, &a));
    TRY(search_args(&a, http_arena(rq), VERSIONS_MAX, VERSIONS_PAGE_MAX, &spec));
    return search_answer(
        rq, rp,
        &(struct search_reply){ .spec = &spec, .list = "model_versions", .write = versions_write });
}

/* ------------------------------------------------------------------ logged models */

static err logged_write(struct track *t, const struct search_hit *hits, size_t count, arena *memory,
                        struct json_out *w)
{
    struct logged_model *models;
    str *ids = ids_of(hits, count, memory);
    ARENA_TRY(ids);
    TRY(logged_models_read(t, ids, count, memory, &models));
    for (size_t i = 0; i < count; i++)
        mlflow_write_logged_model(w, &models[i]);
    return OK;
}

static err dataset_read(const struct wire_args *a, struct search_dataset *ret)
{
    TRY(wire_str(a, "dataset_name", &ret->name));
    return wire_str(a, "dataset_digest", &ret->digest);
}

/* A list of objects; NULL and 0 when it is absent. */
static err list_of(const struct wire_args *a, const char *name, size_t max,
                   const struct json **ret_list, size_t *ret_count)
{
    *ret_list = wire_node(a, name);
    *ret_count = json_count(*ret_list);
    if (*ret_list && json_kind(*ret_list) != JSON_IS_ARRAY)
        return wire_mistyped(name, *ret_list);
    if (*ret_count > max)
        return ERR(ERR_INVALID,
                   "Invalid value for parameter '%s' supplied: at most %zu are allowed", name, max);
    return OK;
}

static err fields_read(const struct wire_args *a, arena *keep, struct search_spec *spec)
{
    const struct json *list;
    TRY(list_of(a, "order_by", SEARCH_ORDERS_MAX, &list, &spec->field_count));
    struct search_field *fields = NEW_ARRAY(keep, struct search_field, spec->field_count + 1);
    ARENA_TRY(fields);
    for (size_t i = 0; i < spec->field_count; i++) {
        struct wire_args item = wire_inner(json_at(list, i));
        bool is_ascending = true;
        TRY(wire_str(&item, "field_name", &fields[i].name));
        TRY(wire_bool(&item, "ascending", &is_ascending));
        TRY(dataset_read(&item, &fields[i].dataset));
        fields[i].is_descending = !is_ascending;
    }
    spec->fields = fields;
    return OK;
}

static err datasets_read(const struct wire_args *a, arena *keep, struct search_spec *spec)
{
    const struct json *list;
    TRY(list_of(a, "datasets", SEARCH_DATASETS_MAX, &list, &spec->dataset_count));
    struct search_dataset *datasets = NEW_ARRAY(keep, struct search_dataset,
                                                spec->dataset_count + 1);
    ARENA_TRY(datasets);
    for (size_t i = 0; i < spec->dataset_count; i++) {
        struct wire_args item = wire_inner(json_at(list, i));
        TRY(dataset_read(&item, &datasets[i]));
    }
    spec->datasets = datasets;
    return OK;
}

err mlflow_search_logged_models(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct search_spec spec = { .kind = SEARCH_LOGGED_MODELS, .limit = LOGGED_DEFAULT };
    arena *keep = http_arena(rq);
    TRY(wire_open(rq, &a));
    TRY(search_args(&a, keep, LOGGED_MAX, LOGGED_PAGE_MAX, &spec));
    TRY(search_args_experiments(&a, keep, &spec));
    TRY(fields_read(&a, keep, &spec));
    TRY(datasets_read(&a, keep, &spec));
    if (!wire_has(&a, "experiment_ids"))
        return wire_missing("experiment_ids");
    return search_answer(
        rq, rp, &(struct search_reply){ .spec = &spec, .list = "models", .write = logged_write });
}
