/* SPDX-License-Identifier: GPL-3.0-or-later */
/* registry.c -- /mlflow/registered-models/...: names, their tags and aliases. */
#include "apps/mlflow/mlflow_app.h"
#include "platform/track/registry.h"

enum { TAGS_MAX = 1000, STAGES_MAX = 100 };

static struct track *track_of(const struct http_request *rq)
{
    return house_track(rq_house(rq));
}

/* ------------------------------------------------------------------ a name as MLflow writes it */

static void write_aliases(struct json_out *w, const struct registry_model *m)
{
    if (m->alias_count == 0)
        return;
    json_key(w, "aliases");
    json_array_begin(w);
    for (size_t i = 0; i < m->alias_count; i++) {
        json_object_begin(w);
        json_kv_str(w, "alias", m->aliases[i].alias);
        json_key(w, "version"); /* a text that holds a number, as everywhere */
        json_out_fmt(w, "%lld", (long long)m->aliases[i].version);
        json_object_end(w);
    }
    json_array_end(w);
}

void mlflow_write_registered_model(struct json_out *w, const struct registry_model *m)
{
    json_object_begin(w);
    json_kv_str(w, "name", m->name);
    json_kv_int(w, "creation_timestamp", m->created_ms);
    json_kv_int(w, "last_updated_timestamp", m->updated_ms);
    if (m->description.len)
        json_kv_str(w, "description", m->description);
    if (m->latest_count) {
        json_key(w, "latest_versions");
        json_array_begin(w);
        for (size_t i = 0; i < m->latest_count; i++)
            mlflow_write_model_version(w, &m->latest[i]);
        json_array_end(w);
    }
    wire_kv_tags(w, "tags", m->tags, m->tag_count);
    write_aliases(w, m);
    json_object_end(w);
}

/* ------------------------------------------------------------------ handlers */

static err reply_model(struct http_request *rq, struct http_reply *rp, str name)
{
    struct registry_model *m;
    TRY(registry_models_read(track_of(rq), &name, 1, http_arena(rq), &m));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "registered_model");
    mlflow_write_registered_model(w, m);
    json_object_end(w);
    return OK;
}

/* What this server has trained is promoted and deleted by administrators, as over /v1. */
err mlflow_may_change(struct http_request *rq, str name)
{
    struct registry_model *m;
    if (http_granted(rq) >= ACCESS_ADMIN)
        return OK;
    err e = registry_models_read(track_of(rq), &name, 1, http_arena(rq), &m);
    if (e.code) /* who is asked next knows how to say it */
        return e.code == ERR_NOT_FOUND ? OK : e;
    if (str_eq(m->kind, STR(REGISTRY_KIND_CLIENT)))
        return OK;
    return ERR(ERR_DENIED,
               "model '%.*s' was made by this server: its aliases, name and versions "
               "are changed by administrators",
               STR_ARG(str_sub(name, 0, 80)));
}

/* ------------------------------------------------------------------ names */

err mlflow_model_create(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct track_tag *tags;
    size_t count;
    str name, description = STR("");
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    TRY(wire_str(&a, "description", &description));
    TRY(wire_tags(&a, "tags", TAGS_MAX, http_arena(rq), &tags, &count));
    TRY(registry_model_create(track_of(rq), name, description, tags, count));
    return reply_model(rq, rp, name);
}

err mlflow_model_get(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    return reply_model(rq, rp, name);
}

err mlflow_model_update(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name, description = STR("");
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    TRY(wire_str(&a, "description", &description));
    TRY(registry_model_describe(track_of(rq), name, description));
    return reply_model(rq, rp, name);
}

/* What serves under a name of ours serves under the new one. */
static err load_again(struct http_request *rq, str name)
{
    struct house *h = rq_house(rq);
    struct registry_model *m;
    TRY(registry_models_read(house_track(h), &name, 1, http_arena(rq), &m));
    const struct model_kind *kind = house_model_kind(h, m->kind);
    for (size_t i = 0; kind && m->kind.len && i < m->alias_count; i++) {
        struct model_version_info info;
        TRY(model_get(house_track(h), name, m->aliases[i].alias, http_arena(rq), &info));
        TRY(kind->load(h, &info, m->aliases[i].alias));
    }
    return OK;
}

err mlflow_model_rename(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name, new_name;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    TRY(wire_need_str(&a, "new_name", &new_name));
    TRY(mlflow_may_change(rq, name));
    TRY(registry_model_rename(track_of(rq), name, new_name));
    TRY(wire_audit(rq, "model.rename", new_name));
    TRY(load_again(rq, new_name));
    return reply_model(rq, rp, new_name);
}

err mlflow_model_delete(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    TRY(mlflow_may_change(rq, name));
    TRY(registry_model_delete(track_of(rq), name, http_user(rq)));
    TRY(wire_audit(rq, "model.delete", name));
    return wire_empty(rp);
}

err mlflow_model_set_tag(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name, key, value = STR("");
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    TRY(wire_need_str(&a, "key", &key));
    TRY(wire_str(&a, "value", &value));
    TRY(registry_model_tag_set(track_of(rq), name, key, value));
    return wire_empty(rp);
}

err mlflow_model_delete_tag(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name, key;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    TRY(wire_need_str(&a, "key", &key));
    TRY(registry_model_tag_delete(track_of(rq), name, key));
    return wire_empty(rp);
}

/* ------------------------------------------------------------------ the newest of each stage */

static bool is_asked(str stage, const str *stages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(stages[i], stage))
            return true;
    return count == 0;
}

err mlflow_model_latest(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct registry_model *m;
    struct registry_version *versions;
    size_t count, shown = 0;
    str name, *stages;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    TRY(wire_strs(&a, "stages", STAGES_MAX, http_arena(rq), &stages, &count));
    TRY(registry_models_read(track_of(rq), &name, 1, http_arena(rq), &m));
    for (size_t i = 0; i < count; i++)
        TRY(registry_stage_name(stages[i], &stages[i]));
    str *ids = NEW_ARRAY(http_arena(rq), str, m->latest_count + 1);
    ARENA_TRY(ids);
    for (size_t i = 0; i < m->latest_count; i++)
        if (is_asked(m->latest[i].stage, stages, count))
            ids[shown++] = m->latest[i].id;
    TRY(registry_versions_read(track_of(rq), ids, shown, true, http_arena(rq), &versions));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    if (shown) {
        json_key(w, "model_versions");
        json_array_begin(w);
        for (size_t i = 0; i < shown; i++)
            mlflow_write_model_version(w, &versions[i]);
        json_array_end(w);
    }
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ aliases */

/* As /v1/models/promote: a model of ours is loaded, and what cannot be is not promoted. Whatever is
 * wrong with it will be wrong the next time, too: not a status that clients try again for minutes.
 */
static err promote(struct http_request *rq, struct http_reply *rp, str name, int64_t version,
                   str alias)
{
    struct model_version_info info;
    str text = arena_fmt(http_arena(rq), "%lld", (long long)version);
    ARENA_TRY(text.ptr);
    err e = house_promote(rq_house(rq), name, text, alias, http_user(rq),
                          STR("set by an MLflow client"), http_arena(rq), &info);
    struct registry_version *v;
    if (e.code == ERR_NOT_FOUND) /* the version itself, deleted meanwhile, is not there: 404 */
        TRY(registry_version_get(track_of(rq), name, version, http_arena(rq), &v));
    if (e.code == ERR_UNSUPPORTED || e.code == ERR_CORRUPT || e.code == ERR_NOT_FOUND ||
        e.code == ERR_INTERNAL)
        return wire_refuse(rp, 400, "INVALID_PARAMETER_VALUE", "%s", e.msg);
    TRY(e);
    TRY(wire_audit(rq, "model.promote", str_of(info.id)));
    return wire_empty(rp);
}

err mlflow_alias_set(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct registry_version *v;
    str name, alias;
    int64_t version;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    TRY(wire_need_str(&a, "alias", &alias));
    TRY(mlflow_need_version(&a, &version));
    TRY(model_alias_check(alias));
    TRY(registry_version_get(track_of(rq), name, version, http_arena(rq), &v));
    TRY(mlflow_may_change(rq, name));
    return promote(rq, rp, name, version, alias);
}

err mlflow_alias_delete(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name, alias;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    TRY(wire_need_str(&a, "alias", &alias));
    TRY(mlflow_may_change(rq, name));
    TRY(registry_alias_remove(track_of(rq), name, alias, http_user(rq)));
    TRY(wire_audit(rq, "model.alias_remove", name));
    return wire_empty(rp);
}

err mlflow_alias_get(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct registry_version *v;
    str name, alias;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    TRY(wire_need_str(&a, "alias", &alias));
    TRY(registry_alias_get(track_of(rq), name, alias, http_arena(rq), &v));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "model_version");
    mlflow_write_model_version(w, v);
    json_object_end(w);
    return OK;
}
