/* SPDX-License-Identifier: GPL-3.0-or-later */
/* versions.c -- /mlflow/model-versions/...: handlers. */
#include "apps/mlflow/mlflow_app.h"
#include "platform/http/path.h"
#include "platform/track/files.h"
#include "platform/track/registry.h"

enum { TAGS_MAX = 1000, DECODES_MAX = 10 };

static struct track *track_of(const struct http_request *rq)
{
    return house_track(rq_house(rq));
}

/* ------------------------------------------------------------------ a version as MLflow writes it
 */

static void write_optional(struct json_out *w, const char *key, str value)
{
    if (value.ptr)
        json_kv_str(w, key, value);
}

/* Who made it and which logged model it came from are kept, but not written: MLflow's server does
 * not, either. */
void mlflow_write_model_version(struct json_out *w, const struct registry_version *v)
{
    json_object_begin(w);
    json_kv_str(w, "name", v->name);
    json_key(w, "version");
    json_out_fmt(w, "%lld", (long long)v->version);
    json_kv_int(w, "creation_timestamp", v->created_ms);
    json_kv_int(w, "last_updated_timestamp", v->updated_ms);
    json_kv_str(w, "current_stage", v->stage);
    write_optional(w, "description", v->description);
    write_optional(w, "source", v->source);
    write_optional(w, "run_id", v->run_id);
    json_kv_str(w, "status", v->status);
    write_optional(w, "status_message", v->status_message);
    wire_kv_tags(w, "tags", v->tags, v->tag_count);
    write_optional(w, "run_link", v->run_link);
    if (v->alias_count) {
        json_key(w, "aliases");
        json_array_begin(w);
        for (size_t i = 0; i < v->alias_count; i++)
            json_out_str(w, v->aliases[i]);
        json_array_end(w);
    }
    json_object_end(w);
}

/* ------------------------------------------------------------------ handlers */

err mlflow_need_version(const struct wire_args *a, int64_t *ret_version)
{
    str text = STR_NONE;
    TRY(wire_need_str(a, "version", &text));
    if (str_to_i64(text, ret_version).code)
        return ERR(ERR_INVALID, "Parameter 'version' must be an integer, got '%.*s'.",
                   STR_ARG(str_sub(text, 0, 100)));
    return OK;
}

/* The arguments that every one of these has. */
static err open_version(struct http_request *rq, struct wire_args *a, str *ret_name,
                        int64_t *ret_version)
{
    TRY(wire_open(rq, a));
    TRY(wire_need_str(a, "name", ret_name));
    return mlflow_need_version(a, ret_version);
}

static err reply_version(struct http_request *rq, struct http_reply *rp, str name, int64_t version)
{
    struct registry_version *v;
    TRY(registry_version_get(track_of(rq), name, version, http_arena(rq), &v));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "model_version");
    mlflow_write_model_version(w, v);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ create */

/* Is there a ".." in the path, however often it is percent-encoded? */
static bool has_way_up(str text, arena *keep)
{
    for (int i = 0; i < DECODES_MAX; i++) {
        str rest = text;
        while (rest.len)
            if (str_eq(str_split(&rest, '/'), STR("..")))
                return true;
        char *decoded = NEW_ARRAY(keep, char, text.len + 1);
        ptrdiff_t len = decoded ? percent_decode(text, false, decoded) : -1;
        if (len < 0 || (size_t)len == text.len) /* nothing was encoded */
            return false;
        text = str_from(decoded, (size_t)len);
    }
    return true;
}

/* What can be told from the text alone. These sentences are longer than an err holds: *ret_refused
 * when the reply is made. */
static err check_source(struct http_reply *rp, str source, arena *keep, bool *ret_refused)
{
    static const char *const elsewhere[] = { "http", "https", "ftp", "sftp" };
    ptrdiff_t colon = str_find_char(source, ':');
    str scheme = str_sub(source, 0, colon > 0 ? (size_t)colon : 0);
    str shown = str_sub(source, 0, 1000);
    *ret_refused = true;
    if (str_eq(scheme, STR("models")) || str_eq(scheme, STR("runs"))) {
        *ret_refused = false;
        return OK;
    }
    if (scheme.len == 0 || str_find_char(scheme, '/') >= 0 || str_eq(scheme, STR("file")))
        return wire_refuse(
            rp, 400, "INVALID_PARAMETER_VALUE",
            "Invalid model version source: '%.*s'. To use a local path as a model "
            "version source, the run_id request parameter has to be specified and "
            "the local path has to be contained within the artifact directory of "
            "the run specified by the run_id.",
            STR_ARG(str_starts(shown, STR("file://")) ? str_sub(shown, 7, shown.len) : shown));
    if (has_way_up(source, keep))
        return wire_refuse(rp, 400, "INVALID_PARAMETER_VALUE",
                           "Invalid model version source: '%.*s'. If supplying a source as an "
                           "http, https, local file path, ftp, objectstore, or mlflow-artifacts "
                           "uri, an absolute path must be provided without relative path "
                           "references present. Please provide an absolute path.",
                           STR_ARG(shown));
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++)
        if (str_eq_nocase(scheme, str_of(elsewhere[i])))
            return wire_refuse(rp, 400, "INVALID_PARAMETER_VALUE",
                               "'source' cannot use the '%s' scheme: it addresses a host other "
                               "than the tracking server's artifact storage. Log the model with "
                               "this server and name its run or its logged model.",
                               elsewhere[i]);
    *ret_refused = false;
    return OK;
}

static bool is_prompt(const struct track_tag *tags, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(tags[i].key, STR("mlflow.prompt.is_prompt")))
            return true;
    return false;
}

static err audit(struct http_request *rq, const char *action, str name, int64_t version)
{
    str subject = arena_fmt(http_arena(rq), "%.*s@%lld", STR_ARG(name), (long long)version);
    ARENA_TRY(subject.ptr);
    return wire_audit(rq, action, subject);
}

err mlflow_version_create(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct registry_version_spec spec = { .username = http_user(rq) };
    struct track_tag *tags;
    int64_t version;
    bool refused = false;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &spec.name));
    TRY(wire_need_str(&a, "source", &spec.source));
    TRY(wire_str(&a, "run_id", &spec.run_id));
    TRY(wire_str(&a, "run_link", &spec.run_link));
    TRY(wire_str(&a, "description", &spec.description));
    TRY(wire_str(&a, "model_id", &spec.model_id));
    TRY(wire_tags(&a, "tags", TAGS_MAX, http_arena(rq), &tags, &spec.tag_count));
    spec.tags = tags;
    if (!is_prompt(tags, spec.tag_count))
        TRY(check_source(rp, spec.source, http_arena(rq), &refused));
    if (refused)
        return OK;
    TRY(registry_version_create(track_of(rq), &spec, http_arena(rq), &version));
    TRY(audit(rq, "model.create_version", spec.name, version));
    return reply_version(rq, rp, spec.name, version);
}

/* ------------------------------------------------------------------ read */

err mlflow_version_get(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name;
    int64_t version;
    TRY(open_version(rq, &a, &name, &version));
    return reply_version(rq, rp, name, version);
}

err mlflow_version_uri(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct registry_version *v;
    str name = STR_NONE, text = STR_NONE, uri;
    int64_t version;
    TRY(wire_open(rq, &a));
    TRY(wire_str(&a, "name", &name));
    TRY(wire_str(&a, "version", &text));
    if (name.len == 0)
        return ERR(ERR_INVALID, "Missing value for required parameter 'name'.");
    if (str_to_i64(text, &version).code)
        return ERR(ERR_INVALID, "Parameter 'version' must be an integer, got '%.*s'.",
                   STR_ARG(str_sub(text, 0, 100)));
    TRY(registry_version_get(track_of(rq), name, version, http_arena(rq), &v));
    uri = v->location.len ? v->location : v->source;
    if (str_starts(uri, STR("sha256:"))) /* says why there is none */
        TRY(files_root_of_version(track_of(rq), name, text, http_arena(rq), &uri));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "artifact_uri", uri);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ change */

err mlflow_version_update(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name, description = STR("");
    int64_t version;
    TRY(open_version(rq, &a, &name, &version));
    TRY(wire_str(&a, "description", &description));
    TRY(registry_version_describe(track_of(rq), name, version, description,
                                  wire_has(&a, "description")));
    return reply_version(rq, rp, name, version);
}

err mlflow_version_stage(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name, stage;
    int64_t version;
    bool archive = false;
    TRY(open_version(rq, &a, &name, &version));
    TRY(wire_need_str(&a, "stage", &stage));
    TRY(wire_bool(&a, "archive_existing_versions", &archive));
    TRY(registry_version_stage(track_of(rq), name, version, stage, archive));
    TRY(audit(rq, "model.stage", name, version));
    return reply_version(rq, rp, name, version);
}

err mlflow_version_delete(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name;
    int64_t version;
    TRY(open_version(rq, &a, &name, &version));
    TRY(mlflow_may_change(rq, name));
    TRY(registry_version_delete(track_of(rq), name, version, http_user(rq)));
    TRY(audit(rq, "model.delete", name, version));
    return wire_empty(rp);
}

err mlflow_version_set_tag(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name, key, value = STR("");
    int64_t version;
    TRY(open_version(rq, &a, &name, &version));
    TRY(wire_need_str(&a, "key", &key));
    TRY(wire_str(&a, "value", &value));
    TRY(registry_version_tag_set(track_of(rq), name, version, key, value));
    return wire_empty(rp);
}

err mlflow_version_delete_tag(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name, key;
    int64_t version;
    TRY(open_version(rq, &a, &name, &version));
    TRY(wire_need_str(&a, "key", &key));
    TRY(registry_version_tag_delete(track_of(rq), name, version, key));
    return wire_empty(rp);
}
