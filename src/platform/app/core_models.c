/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_models.c -- /v1/models: the registry as people see it, loading and promoting. */
#include <string.h>

#include "platform/app/core.h"
#include "platform/app/house_private.h"
#include "platform/scoring/scoring.h"
#include "platform/serving/serving.h"
#include "platform/track/registry.h"

enum { LIST_MAX = 1000, SETTLE_MAX = 16 };

static err list(struct http_request *rq, const struct model_filter *filter,
                struct model_version_info **ret_infos, size_t *ret_count)
{
    return model_list(house_track(rq_house(rq)), filter, http_arena(rq), ret_infos, ret_count);
}

err core_models_list(struct http_request *rq, struct http_reply *rp)
{
    struct model_version_info *infos;
    size_t count;
    TRY(list(rq, &(struct model_filter){ .newest_only = true, .limit = LIST_MAX }, &infos, &count));
    struct json_out *w = http_json(rp);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_str(w, "modelId", infos[i].name);
        json_kv_str(w, "displayName",
                    infos[i].display_name.len ? infos[i].display_name : infos[i].name);
        json_kv_str(w, "kind", infos[i].kind);
        json_kv_int(w, "latestVersion", infos[i].version);
        json_kv_raw(w, "tags", infos[i].tags);
        json_object_end(w);
    }
    json_array_end(w);
    return OK;
}

err core_models_count(struct http_request *rq, struct http_reply *rp)
{
    struct model_version_info *infos;
    size_t count;
    TRY(list(rq, &(struct model_filter){ .newest_only = true, .limit = LIST_MAX }, &infos, &count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "count", (int64_t)count);
    json_object_end(w);
    return OK;
}

static void write_version(struct json_out *w, const struct model_version_info *m)
{
    json_kv_str(w, "modelId", m->name);
    json_key(w, "modelVersion");
    json_out_fmt(w, "%lld", (long long)m->version);
    json_kv_cstr(w, "id", m->id);
    json_kv_str(w, "aliases", m->aliases);
    json_kv_cstr(w, "digest", m->blob.hex);
    json_kv_int(w, "sizeBytes", m->bytes);
    if (m->blob.hex[0]) {
        json_key(w, "artifactUri");
        json_out_fmt(w, "models/%s", m->blob.hex);
    } else { /* a client's, who keeps the files where it likes */
        json_kv_str(w, "artifactUri", m->source);
    }
    json_kv_str(w, "kind", m->kind);
    json_kv_raw(w, "metrics", m->metrics);
    json_kv_str(w, "runId", m->run_id);
    json_kv_str(w, "datasetId", m->dataset_id);
    json_kv_time_ms(w, "createdAt", m->created_ms);
}

err core_model_versions(struct http_request *rq, struct http_reply *rp)
{
    struct model_version_info *infos;
    size_t count;
    str name = http_param(rq, "id");
    TRY(list(rq, &(struct model_filter){ .name = name, .limit = LIST_MAX }, &infos, &count));
    if (count == 0)
        return ERR(ERR_NOT_FOUND, "there is no registered model '%.*s'; GET /v1/models lists them",
                   STR_ARG(name));
    struct json_out *w = http_json(rp);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        write_version(w, &infos[i]);
        json_object_end(w);
    }
    json_array_end(w);
    return OK;
}

static err kind_of(struct house *h, const struct model_version_info *m,
                   const struct model_kind **ret_kind)
{
    const struct model_kind *kind = house_model_kind(h, m->kind);
    if (m->kind.len == 0 || !kind)
        return ERR(ERR_INVALID,
                   "model %.*s version %lld is of kind '%.*s', which this build cannot load",
                   STR_ARG(m->name), (long long)m->version, STR_ARG(m->kind));
    *ret_kind = kind;
    return OK;
}

/* Accepts what the contract's clients send: modelId or name, modelVersion or version; a number too.
 */
static err read_model_ref(const struct json *body, arena *keep, str *ret_name, str *ret_version)
{
    str name = STR_NONE, version = STR_NONE;
    TRY(json_opt_str(body, "name", &name));
    TRY(json_opt_str(body, "modelId", &name));
    if (name.len == 0)
        return ERR(ERR_INVALID, "field 'modelId' is required and must be a string");
    static const char *const keys[] = { "version", "modelVersion" };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const struct json *node = json_get(body, keys[i]);
        if (json_kind(node) == JSON_IS_INT) {
            version = arena_fmt(keep, "%lld", (long long)json_int(node, 0));
            ARENA_TRY(version.ptr);
        } else {
            TRY(json_opt_str(body, keys[i], &version));
        }
    }
    *ret_name = name;
    *ret_version = version;
    return OK;
}

static void reply_active(struct http_reply *rp, const struct model_version_info *m, str alias)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_bool(w, "ok", true);
    json_key(w, "artifactUri");
    json_out_fmt(w, "models/%s", m->blob.hex);
    json_kv_str(w, "alias", alias);
    json_key(w, "active");
    json_object_begin(w);
    json_kv_str(w, "modelId", m->name);
    json_key(w, "modelVersion");
    json_out_fmt(w, "%lld", (long long)m->version);
    json_object_end(w);
    json_object_end(w);
}

err core_model_load(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    const struct json *body;
    str name, version;
    struct model_version_info m;
    const struct model_kind *kind = NULL;
    TRY(http_body_json(rq, &body));
    TRY(read_model_ref(body, http_arena(rq), &name, &version));
    TRY(model_get(house_track(h), name, version, http_arena(rq), &m));
    TRY(kind_of(h, &m, &kind));
    TRY(kind->load(h, &m, STR("prod")));
    reply_active(rp, &m, STR("prod"));
    return OK;
}

/* "prod" of a kind is one place for all its models: what unqualified predictions use. */
static bool is_shared(const struct model_kind *kind, str alias)
{
    return kind->loaded && str_eq(alias, STR("prod"));
}

/* Of two who promote at once, one moves the alias last and the other may load last. So whoever has
 * loaded looks again: in the end what serves is what the alias says. */
static err settle(struct house *h, const struct model_version_info *loaded, str alias, arena *keep)
{
    struct model_version_info now, last = *loaded;
    const struct model_kind *kind = NULL;
    TRY(kind_of(h, &last, &kind));
    for (int i = 0; i < SETTLE_MAX; i++) {
        err e = is_shared(kind, alias)
                    ? model_alias_holder(house_track(h), last.kind, alias, keep, &now)
                    : model_get(house_track(h), last.name, alias, keep, &now);
        if (e.code == ERR_NOT_FOUND || (!e.code && strcmp(now.id, last.id) == 0))
            return OK;
        TRY(e);
        TRY(kind_of(h, &now, &kind));
        TRY(kind->load(h, &now, alias));
        last = now;
    }
    return OK; /* someone else is at it, and looks again too */
}

/* What cannot be loaded must not stay promoted: the next start would have no model. `before` is
 * where the alias was, with from_version 0 when it was nowhere. */
static void promote_undo(struct house *h, const struct model_version_info *next,
                         const struct model_kind *kind, const struct promotion *before, arena *keep)
{
    str alias = before->alias, why = STR("the new version could not be loaded");
    struct promotion *taken, again = *before;
    size_t count;
    again.reason = why;
    again.to_version = before->from_version;
    err back = !again.to_version
                   ? model_alias_remove(house_track(h), next->name, alias, before->username, why)
               : is_shared(kind, alias)
                   ? model_promote_alone(house_track(h), next->kind, &again, keep, &taken, &count)
                   : model_promote(house_track(h), next->name, again.to_version, alias,
                                   before->username, why);
    if (back.code)
        log_error(house_log(h), NULL, "model.promote_undo_failed", &back);
}

static err promote(struct house *h, str name, str version, str alias, str username, str reason,
                   arena *keep, struct model_version_info *ret_info)
{
    struct model_version_info next, held;
    const struct model_kind *kind = NULL;
    struct promotion *taken = NULL;
    size_t taken_count = 0;
    TRY(model_get(house_track(h), name, version, keep, &next));
    if (str_eq(next.name_kind, STR(REGISTRY_KIND_CLIENT))) { /* nothing here has it loaded */
        *ret_info = next;
        return model_promote(house_track(h), name, next.version, alias, username, reason);
    }
    TRY(kind_of(h, &next, &kind));
    err found = model_get(house_track(h), name, alias, keep, &held);
    if (found.code && found.code != ERR_NOT_FOUND)
        return found;
    struct promotion before = { .name = name,
                                .alias = alias,
                                .username = username,
                                .from_version = found.code ? 0 : held.version };
    if (is_shared(kind, alias))
        TRY(model_promote_alone(house_track(h), next.kind,
                                &(struct promotion){ .name = name,
                                                     .alias = alias,
                                                     .username = username,
                                                     .reason = reason,
                                                     .to_version = next.version },
                                keep, &taken, &taken_count));
    else
        TRY(model_promote(house_track(h), name, next.version, alias, username, reason));
    err e = kind->load(h, &next, alias);
    if (e.code) {
        if (taken_count) {
            before.name = taken[0].name;
            before.from_version = taken[0].from_version;
        }
        promote_undo(h, &next, kind, &before, keep);
        return err_wrap(e, "promoting %.*s version %lld", STR_ARG(name), (long long)next.version);
    }
    *ret_info = next;
    return settle(h, &next, alias, keep);
}

err house_promote(struct house *h, str name, str version, str alias, str username, str reason,
                  arena *keep, struct model_version_info *ret_info)
{
    pthread_rwlock_rdlock(&h->follow.promoting);
    err e = promote(h, name, version, alias, username, reason, keep, ret_info);
    pthread_rwlock_unlock(&h->follow.promoting);
    return e;
}

/* The reference's clients name what to promote by the run that made it, or by its artifact. That
 * chooses the version, and must not contradict one that is given. */
static err version_by_origin(struct http_request *rq, const struct json *body, str name,
                             str *version)
{
    struct house *h = rq_house(rq);
    str run = STR_NONE, uri = STR_NONE;
    char run_id[HEX_ID_BYTES] = "";
    struct model_version_info *all, given;
    struct model_filter filter = { .name = name, .limit = LIST_MAX };
    size_t count;
    TRY(json_opt_str(body, "runId", &run));
    TRY(json_opt_str(body, "artifactUri", &uri));
    if (!run.len && !uri.len)
        return OK;
    if (run.len)
        TRY(app_run_id_parse(run, run_id));
    if (str_starts(uri, STR("models/")))
        uri = str_sub(uri, strlen("models/"), uri.len);
    TRY(model_list(house_track(h), &filter, http_arena(rq), &all, &count));
    size_t i = 0;
    while (i < count && !((!run.len || str_eq(all[i].run_id, str_of(run_id))) &&
                          (!uri.len || str_eq(uri, str_of(all[i].blob.hex)))))
        i++;
    if (i == count)
        return ERR(ERR_INVALID,
                   "no version of model '%.*s' was made by that run or has that artifact: see GET "
                   "/v1/models/%.*s/versions",
                   STR_ARG(str_sub(name, 0, 80)), STR_ARG(str_sub(name, 0, 80)));
    if (version->len) {
        TRY(model_get(house_track(h), name, *version, http_arena(rq), &given));
        if (given.version != all[i].version)
            return ERR(ERR_INVALID,
                       "field 'modelVersion' is version %lld, but that run or artifact is version "
                       "%lld: leave one out",
                       (long long)given.version, (long long)all[i].version);
    }
    *version = arena_fmt(http_arena(rq), "%lld", (long long)all[i].version);
    ARENA_TRY(version->ptr);
    return OK;
}

err core_model_promote(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    const struct json *body;
    str name, version, alias = STR("prod"), from = STR_NONE, reason = STR("asked for over HTTP");
    struct model_version_info m;
    TRY(http_body_json(rq, &body));
    TRY(read_model_ref(body, http_arena(rq), &name, &version));
    TRY(json_opt_str(body, "to", &alias));
    TRY(json_opt_str(body, "alias", &alias));
    TRY(json_opt_str(body, "from", &from));
    TRY(json_opt_str(body, "reason", &reason));
    TRY(version_by_origin(rq, body, name, &version));
    TRY(house_promote(h, name, version.len ? version : from, alias, http_user(rq), reason,
                      http_arena(rq), &m));
    TRY(auth_audit(house_auth(h), http_user(rq), STR("model.promote"), str_of(m.id), STR_NONE));
    reply_active(rp, &m, alias);
    return OK;
}

err core_model_promotions(struct http_request *rq, struct http_reply *rp)
{
    int64_t limit = 100;
    struct promotion *rows;
    size_t count;
    TRY(http_query_int(rq, "limit", 1, LIST_MAX, &limit));
    TRY(model_promotions(house_track(rq_house(rq)), http_param(rq, "id"), limit, http_arena(rq),
                         &rows, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_str(w, "alias", rows[i].alias);
        json_kv_int(w, "from", rows[i].from_version);
        json_kv_int(w, "to", rows[i].to_version);
        json_kv_str(w, "by", rows[i].username);
        json_kv_str(w, "reason", rows[i].reason);
        json_kv_time_ms(w, "at", rows[i].at_ms);
        json_object_end(w);
    }
    json_items_end(w);
    return OK;
}

err core_models_active(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; house_apps(h)[i]; i++)
        for (const struct model_kind *k = house_apps(h)[i]->model_kinds; k && k->name; k++)
            if (k->loaded)
                TRY(k->loaded(h, w));
    scoring_loaded(house_scoring(h), w);
    serving_loaded(house_serving(h), w);
    json_items_end(w);
    return OK;
}
