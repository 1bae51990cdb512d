/* SPDX-License-Identifier: GPL-3.0-or-later */
/* registry_source.c -- what the source of a version names, and whether it may. */
#include "platform/track/files.h"
#include "platform/track/logged_models.h"
#include "platform/track/registry_internal.h"

enum { SHOWN_BYTES = 100 };

/* ------------------------------------------------------------------ models:/ */

static err wrong_uri(str text)
{
    return ERR(ERR_INVALID,
               "Not a proper models:/ URI: %.*s. Models URIs must be of the form "
               "'models:/model_name/suffix' or 'models:/model_name@alias' or "
               "'models:/<model_id>'.",
               STR_ARG(str_sub(text, 0, SHOWN_BYTES)));
}

err registry_uri_parse(str text, struct registry_uri *ret_uri)
{
    struct registry_uri uri = { 0 };
    if (!str_starts(text, STR("models:/")))
        return wrong_uri(text);
    str rest = str_sub(text, sizeof "models:/" - 1, text.len);
    if (str_starts(rest, STR("//"))) /* an authority, which is empty */
        rest = str_sub(rest, 2, rest.len);
    ptrdiff_t slash = str_find_char(rest, '/');
    if (slash >= 0) {
        uri.name = str_sub(rest, 0, (size_t)slash);
        uri.version = str_sub(rest, (size_t)slash + 1, rest.len);
        if (uri.name.len == 0 || uri.version.len == 0 || str_find_char(uri.version, '/') >= 0)
            return wrong_uri(text);
    } else {
        size_t at = rest.len;
        while (at > 0 && rest.ptr[at - 1] != '@')
            at--;
        if (at > 0) {
            uri.name = str_sub(rest, 0, at - 1);
            uri.alias = str_sub(rest, at, rest.len);
        } else if (str_starts(rest, STR("m-"))) {
            uri.model_id = rest;
        }
        if (!uri.model_id.len && (!uri.name.len || !uri.alias.len))
            return wrong_uri(text);
    }
    *ret_uri = uri;
    return OK;
}

/* The number of the version that a URI names. */
static err uri_version(struct track *t, const struct registry_uri *uri, arena *keep,
                       int64_t *ret_version)
{
    struct registry_version *v;
    struct registry_model *m;
    str stage = STR_NONE;
    if (uri->alias.len) {
        TRY(registry_alias_get(t, uri->name, uri->alias, keep, &v));
        *ret_version = v->version;
        return OK;
    }
    if (!str_to_i64(uri->version, ret_version).code)
        return OK;
    bool is_latest = str_eq_nocase(uri->version, STR("latest"));
    if (!is_latest)
        TRY(registry_stage_name(uri->version, &stage));
    TRY(registry_models_read(t, &uri->name, 1, keep, &m));
    *ret_version = 0;
    for (size_t i = 0; i < m->latest_count; i++)
        if (m->latest[i].version > *ret_version && (is_latest || str_eq(m->latest[i].stage, stage)))
            *ret_version = m->latest[i].version;
    return OK; /* 0 is no version, and not found as one */
}

/* ------------------------------------------------------------------ may it be named */

static err not_of(str source, const char *parameter)
{
    return ERR(ERR_INVALID,
               "Invalid model version source: '%.*s'. The %s request parameter must identify the "
               "resource that contains the source.",
               STR_ARG(str_sub(source, 0, SHOWN_BYTES)), parameter);
}

/* Is the path of one artifact URI at or below that of the other? */
static bool is_below(str uri, str root, arena *keep)
{
    str path, top;
    if (files_uri_path(uri, keep, &path).code || files_uri_path(root, keep, &top).code)
        return false;
    return str_starts(path, top) && (path.len == top.len || path.ptr[top.len] == '/');
}

/* A path below our own root belongs to the run or the logged model that is named: else whoever may
 * register could give away files of others under a name of their own. */
static err own_path(struct track *t, const struct registry_version_spec *s,
                    const struct logged_model *model, arena *keep)
{
    str root;
    if (model && is_below(s->source, model->artifact_uri, keep))
        return OK;
    if (s->run_id.len) {
        err e = files_root_of_run(t, s->run_id, keep, &root);
        if (e.code && e.code != ERR_NOT_FOUND)
            return e;
        if (!e.code && is_below(s->source, root, keep))
            return OK;
    }
    return not_of(s->source, "run_id");
}

static err follow_models(struct track *t, const struct registry_version_spec *s,
                         const struct logged_model *model, arena *keep, str *ret_location)
{
    struct registry_uri uri;
    int64_t version;
    TRY(registry_uri_parse(s->source, &uri));
    if (uri.model_id.len) {
        if (!model || !str_eq(uri.model_id, model->model_id))
            return not_of(s->source, "model_id");
        *ret_location = model->artifact_uri;
        return OK;
    }
    TRY(uri_version(t, &uri, keep, &version));
    str text = arena_fmt(keep, "%lld", (long long)version);
    ARENA_TRY(text.ptr);
    return files_root_of_version(t, uri.name, text, keep, ret_location);
}

err registry_source_resolve(struct track *t, const struct registry_version_spec *s, arena *keep,
                            str *ret_location, str *ret_run_id)
{
    struct logged_model *model = NULL;
    *ret_location = STR_NONE;
    *ret_run_id = s->run_id;
    for (size_t i = 0; i < s->tag_count; i++)
        if (str_eq(s->tags[i].key, REGISTRY_TAG_PROMPT))
            return OK;
    if (s->model_id.len) {
        TRY(logged_model_get(t, s->model_id, keep, &model));
        if (s->run_id.len == 0)
            *ret_run_id = model->source_run_id;
    }
    if (str_starts(s->source, STR("models:")))
        return follow_models(t, s, model, keep, ret_location);
    if (str_starts(s->source, STR("mlflow-artifacts:")))
        return own_path(t, s, model, keep);
    if (str_starts(s->source, STR("runs:/"))) {
        str rest = str_sub(s->source, sizeof "runs:/" - 1, s->source.len), root;
        return files_root_of_run(t, str_split(&rest, '/'), keep, &root);
    }
    return OK;
}
