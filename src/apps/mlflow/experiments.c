/* SPDX-License-Identifier: GPL-3.0-or-later */
/* experiments.c -- /mlflow/experiments/...: handlers. */
#include "apps/mlflow/mlflow_app.h"

#include <stdio.h>
#include "platform/track/experiments.h"

enum { TAGS_MAX = 100 };

static struct track *track_of(const struct http_request *rq)
{
    return house_track(rq_house(rq));
}

void mlflow_write_experiment(struct json_out *w, const struct experiment_info *e)
{
    json_object_begin(w);
    json_key(w, "experiment_id");
    json_out_fmt(w, "%lld", (long long)e->id);
    json_kv_str(w, "name", e->name);
    json_kv_str(w, "artifact_location", e->artifact_location);
    json_kv_cstr(w, "lifecycle_stage", e->is_deleted ? "deleted" : "active");
    json_kv_int(w, "last_update_time", e->updated_ms);
    json_kv_int(w, "creation_time", e->created_ms);
    wire_kv_tags(w, "tags", e->tags, e->tag_count);
    json_kv_cstr(w, "workspace", "default");
    json_object_end(w);
}

err mlflow_experiment_create(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct experiment_spec spec = { 0 };
    struct track_tag *tags;
    int64_t id;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &spec.name));
    TRY(wire_str(&a, "artifact_location", &spec.artifact_location));
    TRY(wire_tags(&a, "tags", TAGS_MAX, http_arena(rq), &tags, &spec.tag_count));
    spec.tags = tags;
    TRY(experiment_create(track_of(rq), &spec, &id));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "experiment_id");
    json_out_fmt(w, "%lld", (long long)id);
    json_object_end(w);
    return OK;
}

static void reply_experiment(struct http_reply *rp, const struct experiment_info *info)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "experiment");
    mlflow_write_experiment(w, info);
    json_object_end(w);
}

err mlflow_experiment_get(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct experiment_info info;
    int64_t id;
    TRY(wire_open(rq, &a));
    TRY(wire_need_experiment(&a, &id));
    TRY(experiment_get(track_of(rq), id, http_arena(rq), &info));
    reply_experiment(rp, &info);
    return OK;
}

err mlflow_experiment_get_by_name(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct experiment_info info;
    str name;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "experiment_name", &name));
    TRY(experiment_get_by_name(track_of(rq), name, http_arena(rq), &info));
    reply_experiment(rp, &info);
    return OK;
}

err mlflow_experiment_update(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    int64_t id;
    str name;
    TRY(wire_open(rq, &a));
    TRY(wire_need_experiment(&a, &id));
    TRY(wire_need_str(&a, "new_name", &name));
    TRY(experiment_rename(track_of(rq), id, name));
    return wire_empty(rp);
}

static err audit(struct http_request *rq, const char *action, int64_t id)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)id);
    return wire_audit(rq, action, str_from(text, (size_t)len));
}

err mlflow_experiment_delete(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    int64_t id;
    TRY(wire_open(rq, &a));
    TRY(wire_need_experiment(&a, &id));
    TRY(experiment_delete(track_of(rq), id));
    TRY(audit(rq, "experiment.delete", id));
    return wire_empty(rp);
}

err mlflow_experiment_restore(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    int64_t id;
    TRY(wire_open(rq, &a));
    TRY(wire_need_experiment(&a, &id));
    TRY(experiment_restore(track_of(rq), id));
    TRY(audit(rq, "experiment.restore", id));
    return wire_empty(rp);
}

err mlflow_experiment_set_tag(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    int64_t id;
    str key, value = STR("");
    TRY(wire_open(rq, &a));
    TRY(wire_need_experiment(&a, &id));
    TRY(wire_need_str(&a, "key", &key));
    TRY(wire_str(&a, "value", &value));
    TRY(experiment_tag_set(track_of(rq), id, key, value));
    if (str_starts(key, STR("skerry.keep_"))) /* a rule: things go because of it */
        TRY(audit(rq, "experiment.rule", id));
    return wire_empty(rp);
}

err mlflow_experiment_delete_tag(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    int64_t id;
    str key;
    TRY(wire_open(rq, &a));
    TRY(wire_need_experiment(&a, &id));
    TRY(wire_need_str(&a, "key", &key));
    TRY(experiment_tag_delete(track_of(rq), id, key));
    return wire_empty(rp);
}
