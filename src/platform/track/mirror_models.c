/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mirror_models.c -- versions of our models in somebody's MLflow: found again, or made.
 *
 * Numbers of versions are given by the other side, and its names may lag behind a rename of ours;
 * our id is a tag, by which a version is found. What a client registered may name files that are
 * here: those of a run go with the run, others are sent below the run's artifacts. */
#include <stdio.h>
#include <string.h>

#include "platform/track/files.h"
#include "platform/track/mirror_internal.h"
#include "platform/track/registry.h"

#define OWN_TAG STR("skerry.")

/* ------------------------------------------------------------------ ours */

struct own_version {
    str id, name; /* of the event: what it was called then */
    int64_t version;
    arena *keep;
    str kind, run_id, blob, digest, metrics, description, source, location, stage, model_id;
    int64_t bytes;
    bool is_found, is_foreign;
};

static err own_version_fn(struct store_read *rd, void *arg)
{
    struct own_version *v = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT v.id, v.kind, v.run_id, v.blob, v.digest, v.metrics, v.description,"
                    " v.source, v.location, v.stage, v.bytes, v.version, (SELECT COUNT(*)"
                    " FROM registered_model_tags t WHERE t.name = v.name"
                    " AND t.key LIKE '" IMPORT_TAG_SOURCE ".%'), v.model_id FROM model_versions v"
                    " WHERE (v.id = ?1 OR (?1 = '' AND v.name = ?2 AND v.version = ?3))"
                    " AND v.stage <> 'Deleted_Internal' AND NOT EXISTS (SELECT 1"
                    " FROM model_version_tags o WHERE o.version_id = v.id"
                    " AND o.key = '" MIRROR_TAG_VERSION "' AND LENGTH(o.value) = 36)",
                    ARGS(sql_text(v->id), sql_text(v->name), sql_int(v->version)), &rows));
    v->is_found = store_next(rows);
    if (v->is_found) {
        str *const texts[] = { &v->id,      &v->kind,        &v->run_id, &v->blob,     &v->digest,
                               &v->metrics, &v->description, &v->source, &v->location, &v->stage };
        for (size_t i = 0; i < COUNT_OF(texts); i++)
            *texts[i] = store_col_text_keep(rows, (int)i, v->keep);
        v->bytes = store_col_int(rows, 10);
        v->version = store_col_int(rows, 11);
        v->is_foreign = store_col_int(rows, 12) != 0;
        v->model_id = store_col_text_keep(rows, 13, v->keep);
    }
    return store_rows_close(rows);
}

static err own_tags_fn(struct store_read *rd, void *arg)
{
    struct own_tags *t = arg;
    struct store_rows *rows;
    t->count = 0;
    TRY(store_query(rd, t->sql, ARGS(sql_text(t->key)), &rows));
    while (store_next(rows)) {
        if (t->count == t->room) {
            struct track_tag *more = NEW_ARRAY(t->keep, struct track_tag, t->room * 2 + 16);
            ARENA_TRY(more);
            if (t->count)
                memcpy(more, t->list, t->count * sizeof *more);
            t->list = more;
            t->room = t->room * 2 + 16;
        }
        t->list[t->count].key = store_col_text_keep(rows, 0, t->keep);
        t->list[t->count++].value = store_col_text_keep(rows, 1, t->keep);
    }
    return store_rows_close(rows);
}

err mirror_tags_read(struct mirror *m, const char *sql, str key, struct own_tags *ret_tags)
{
    *ret_tags = (struct own_tags){ .sql = sql, .key = key, .keep = &m->keep };
    TRY(store_read(m->config->store, own_tags_fn, ret_tags));
    return arena_check(&m->keep);
}

void mirror_tags_write(const struct own_tags *t, struct json_out *w)
{
    for (size_t i = 0; i < t->count; i++) {
        if (str_starts(t->list[i].key, OWN_TAG))
            continue;
        json_object_begin(w);
        json_kv_str(w, "key", t->list[i].key);
        json_kv_str(w, "value", t->list[i].value);
        json_object_end(w);
    }
}

/* ------------------------------------------------------------------ the name there */

struct own_name {
    str name;
    arena *keep;
    str kind, description;
};

static err own_name_fn(struct store_read *rd, void *arg)
{
    struct own_name *n = arg;
    struct store_rows *rows;
    TRY(store_query(rd, "SELECT kind, description FROM registered_models WHERE name = ?1",
                    ARGS(sql_text(n->name)), &rows));
    if (store_next(rows)) {
        n->kind = store_col_text_keep(rows, 0, n->keep);
        n->description = store_col_text_keep(rows, 1, n->keep);
    }
    return store_rows_close(rows);
}

err mirror_name_need(struct mirror *m, str name)
{
    bool is_there;
    struct own_tags tags;
    struct own_name own = { .name = name, .keep = &m->keep, .kind = STR("mlflow") };
    TRY(store_read(m->config->store, own_name_fn, &own));
    TRY(arena_check(&m->keep));
    TRY(mirror_tags_read(
        m, "SELECT key, value FROM registered_model_tags WHERE name = ?1 ORDER BY key", name,
        &tags));
    struct json_out w = mirror_body(m);
    json_kv_str(&w, "name", name);
    if (own.description.len)
        json_kv_str(&w, "description", own.description);
    json_key(&w, "tags");
    json_array_begin(&w);
    mirror_key_value(&w, MIRROR_TAG_KIND, own.kind);
    mirror_tags_write(&tags, &w);
    json_array_end(&w);
    json_object_end(&w);
    return mirror_try(m, "POST", "/api/2.0/mlflow/registered-models/create",
                      "RESOURCE_ALREADY_EXISTS", &is_there, NULL);
}

/* ------------------------------------------------------------------ the version there */

err mirror_version_find(struct mirror *m, str id, struct mirror_version *ret_version)
{
    /* Prompts are found only by who asks for them. */
    static const char *const more[] = { "", " AND tags.`mlflow.prompt.is_prompt` = 'true'" };
    const struct json *reply;
    struct buf path;
    err e = OK;
    *ret_version = (struct mirror_version){ .name = STR_NONE };
    buf_init(&path, 8000);
    for (size_t i = 0; i < COUNT_OF(more) && !e.code && !ret_version->number.len; i++) {
        str filter = arena_fmt(&m->keep, "tags.`" MIRROR_TAG_VERSION "` = '%.*s'%s", STR_ARG(id),
                               more[i]);
        buf_clear(&path);
        buf_add_cstr(&path, "/api/2.0/mlflow/model-versions/search?max_results=1&filter=");
        net_api_escape(&path, filter, false);
        buf_clear(&m->body);
        e = buf_check(&path);
        if (!e.code)
            e = arena_check(&m->keep);
        if (!e.code)
            e = mirror_ask(m, "GET", path.ptr, &reply);
        if (e.code)
            break;
        const struct json *found = json_at(json_get(reply, "model_versions"), 0);
        ret_version->name = json_str(json_get(found, "name"), STR_NONE);
        ret_version->number = json_str(json_get(found, "version"), STR_NONE);
    }
    buf_deinit(&path);
    return e;
}

/* ------------------------------------------------------------------ its files */

err mirror_folder(struct mirror *m, str key, const struct mirror_run *root, str folder, str target)
{
    struct mirror_progress *at = m->config->progress;
    if (!str_eq(str_of(at->run_id), key)) {
        *at = (struct mirror_progress){ .run_id = "" };
        snprintf(at->run_id, sizeof at->run_id, "%.*s", STR_ARG(key));
        snprintf(at->path, sizeof at->path, "%.*s/", STR_ARG(folder));
    }
    str end = arena_fmt(&m->keep, "%.*s0", STR_ARG(folder)); /* '0' comes after '/' */
    ARENA_TRY(end.ptr);
    for (;;) {
        struct mirror_file f;
        TRY(mirror_next_file(m,
                             "SELECT path, blob, bytes FROM files WHERE path > ?1 AND path < ?2"
                             " ORDER BY path LIMIT 1",
                             ARGS(sql_cstr(at->path), sql_text(end)), &f));
        if (!f.path.len)
            break;
        str path = arena_fmt(&m->keep, "%.*s%s%.*s", STR_ARG(target), target.len ? "/" : "",
                             STR_ARG(str_sub(f.path, folder.len + 1, f.path.len)));
        ARENA_TRY(path.ptr);
        if (f.bytes <= m->config->artifact_bytes_max) {
            err e = mirror_upload(m, root, path, f.blob);
            if (e.code && e.code != ERR_NOT_FOUND) /* deleted meanwhile */
                return e;
        }
        snprintf(at->path, sizeof at->path, "%.*s", STR_ARG(f.path));
    }
    *at = (struct mirror_progress){ .run_id = "" };
    return OK;
}

/* Where a client's version has its files, as the other side can reach them. */
static err client_source(struct mirror *m, const struct own_version *v,
                         const struct mirror_run *run, str target, str *ret_source)
{
    str uri = v->location.len ? v->location : v->source, folder = STR_NONE;
    str own = arena_fmt(&m->keep, "%.*s/artifacts", STR_ARG(v->run_id));
    ARENA_TRY(own.ptr);
    if (str_starts(uri, STR("runs:/"))) { /* "runs:/ID/path" */
        str rest = str_sub(uri, sizeof "runs:/" - 1, uri.len);
        str_split(&rest, '/');
        if (run->id.len)
            *ret_source = arena_fmt(&m->keep, "%.*s/%.*s", STR_ARG(run->artifact_uri),
                                    STR_ARG(rest));
        return arena_check(&m->keep);
    }
    if (!str_starts(uri, STR("mlflow-artifacts:"))) {
        *ret_source = uri; /* elsewhere: clients go there themselves */
        return OK;
    }
    TRY(files_uri_path(uri, &m->keep, &folder));
    if (!run->id.len || !m->config->artifact_bytes_max)
        return OK;
    ptrdiff_t at = str_find(folder, own);
    if (at >= 0) { /* goes along with the run */
        *ret_source = arena_fmt(&m->keep, "%.*s%.*s", STR_ARG(run->artifact_uri),
                                STR_ARG(str_sub(folder, (size_t)at + own.len, folder.len)));
        return arena_check(&m->keep);
    }
    err e = mirror_folder(m, v->id, run, folder, target);
    if (e.code == ERR_UNSUPPORTED)
        return OK;
    TRY(e);
    *ret_source = arena_fmt(&m->keep, "%.*s/%.*s", STR_ARG(run->artifact_uri), STR_ARG(target));
    return arena_check(&m->keep);
}

/* Files go to the run's artifacts there; the source says where. */
static err version_source(struct mirror *m, const struct own_version *v, struct mirror_run *ret_run,
                          str *ret_source)
{
    str target = arena_fmt(&m->keep, "skerry-model-%lld", (long long)v->version);
    *ret_run = (struct mirror_run){ .id = STR_NONE };
    *ret_source = arena_fmt(&m->keep, "skerry:%.*s/%lld", STR_ARG(v->name), (long long)v->version);
    ARENA_TRY(target.ptr && ret_source->ptr);
    if (v->run_id.len)
        TRY(mirror_run_need(m, v->run_id, ret_run));
    if (str_eq(v->kind, STR(REGISTRY_KIND_CLIENT)))
        return client_source(m, v, ret_run, target, ret_source);
    if (!ret_run->id.len || !v->blob.len || v->bytes > m->config->artifact_bytes_max)
        return OK;
    str path = arena_fmt(&m->keep, "%.*s/model.bin", STR_ARG(target));
    ARENA_TRY(path.ptr);
    err e = mirror_upload(m, ret_run, path, v->blob);
    if (e.code == ERR_UNSUPPORTED)
        return OK;
    TRY(e);
    *ret_source = arena_fmt(&m->keep, "%.*s/%.*s", STR_ARG(ret_run->artifact_uri), STR_ARG(target));
    return arena_check(&m->keep);
}

/* ------------------------------------------------------------------ making it */

/* A version that was registered from a logged model is that there, too. */
static err logged_source(struct mirror *m, const struct own_version *v,
                         struct mirror_logged *ret_model, str *ret_source)
{
    *ret_model = (struct mirror_logged){ .id = STR_NONE };
    if (v->model_id.len && m->config->artifact_bytes_max)
        TRY(mirror_logged_whole(m, v->model_id, ret_model));
    if (ret_model->id.len)
        *ret_source = arena_fmt(&m->keep, "models:/%.*s", STR_ARG(ret_model->id));
    return arena_check(&m->keep);
}

static err version_make(struct mirror *m, const struct own_version *v,
                        struct mirror_version *ret_version)
{
    struct mirror_run run = { .id = STR_NONE };
    struct mirror_logged logged;
    struct own_tags tags;
    const struct json *reply;
    char number[24];
    str source;
    TRY(logged_source(m, v, &logged, &source));
    if (!logged.id.len)
        TRY(version_source(m, v, &run, &source));
    else if (v->run_id.len)
        TRY(mirror_run_need(m, v->run_id, &run));
    snprintf(number, sizeof number, "%lld", (long long)v->version);
    TRY(mirror_tags_read(m,
                         "SELECT key, value FROM model_version_tags WHERE version_id = ?1"
                         " ORDER BY key",
                         v->id, &tags));
    struct json_out w = mirror_body(m);
    json_kv_str(&w, "name", v->name);
    json_kv_str(&w, "source", source);
    if (run.id.len)
        json_kv_str(&w, "run_id", run.id);
    if (logged.id.len)
        json_kv_str(&w, "model_id", logged.id);
    if (v->description.len)
        json_kv_str(&w, "description", v->description);
    json_key(&w, "tags");
    json_array_begin(&w);
    mirror_key_value(&w, MIRROR_TAG_VERSION, v->id);
    mirror_key_value(&w, "skerry.version", str_of(number));
    if (v->digest.len)
        mirror_key_value(&w, "skerry.sha256", v->digest);
    if (v->metrics.len && v->metrics.len < 4000)
        mirror_key_value(&w, "skerry.metrics", v->metrics);
    mirror_tags_write(&tags, &w);
    json_array_end(&w);
    json_object_end(&w);
    TRY(mirror_ask(m, "POST", "/api/2.0/mlflow/model-versions/create", &reply));
    const struct json *made = json_get(reply, "model_version");
    ret_version->name = v->name;
    ret_version->number = json_str(json_get(made, "version"), STR_NONE);
    return OK;
}

err mirror_version_need(struct mirror *m, const struct mirror_wanted *wanted,
                        struct mirror_version *ret_version)
{
    struct own_version v = {
        .id = wanted->id, .name = wanted->name, .version = wanted->version, .keep = &m->keep
    };
    *ret_version = (struct mirror_version){ .name = STR_NONE };
    TRY(store_read(m->config->store, own_version_fn, &v));
    TRY(arena_check(&m->keep));
    if (!v.is_found)
        return OK;
    TRY(mirror_version_find(m, v.id, ret_version));
    if (ret_version->number.len || (v.is_foreign && !wanted->is_new))
        return OK;
    TRY(mirror_name_need(m, v.name));
    TRY(version_make(m, &v, ret_version));
    if (str_eq(v.stage, STR("None")))
        return OK;
    return mirror_stage(m, ret_version, v.stage);
}
