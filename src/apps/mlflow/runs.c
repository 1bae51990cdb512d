/* SPDX-License-Identifier: GPL-3.0-or-later */
/* runs.c -- /mlflow/runs/...: making, reading, changing, deleting and restoring runs. */
#include "apps/mlflow/mlflow_app.h"
#include "platform/track/client_runs.h"

enum { TAGS_MAX = 1000 };

static struct track *track_of(const struct http_request *rq)
{
    return house_track(rq_house(rq));
}

/* ------------------------------------------------------------------ a run as MLflow writes it */

static void write_info(struct json_out *w, const struct client_run *r)
{
    json_object_begin(w);
    json_kv_str(w, "run_uuid", r->run_id); /* an older name that some clients still read */
    json_key(w, "experiment_id");
    json_out_fmt(w, "%lld", (long long)r->experiment_id);
    json_kv_str(w, "run_name", r->name);
    json_kv_str(w, "user_id", r->user_id);
    json_kv_str(w, "status", r->status);
    json_kv_int(w, "start_time", r->start_ms);
    if (r->end_ms)
        json_kv_int(w, "end_time", r->end_ms);
    json_kv_str(w, "artifact_uri", r->artifact_uri);
    json_kv_cstr(w, "lifecycle_stage", r->is_deleted ? "deleted" : "active");
    json_kv_str(w, "run_id", r->run_id);
    json_object_end(w);
}

void mlflow_write_metric(struct json_out *w, const struct client_metric *m, str run_id)
{
    json_object_begin(w);
    json_kv_str(w, "key", m->key);
    wire_kv_real(w, "value", m->value);
    json_kv_int(w, "timestamp", m->ts_ms);
    json_kv_int(w, "step", m->step);
    if (run_id.len)
        json_kv_str(w, "run_id", run_id);
    json_object_end(w);
}

static void write_dataset(struct json_out *w, const struct client_dataset *d)
{
    json_object_begin(w);
    wire_kv_tags(w, "tags", d->tags, d->tag_count);
    json_key(w, "dataset");
    json_object_begin(w);
    json_kv_str(w, "name", d->name);
    json_kv_str(w, "digest", d->digest);
    json_kv_str(w, "source_type", d->source_type);
    json_kv_str(w, "source", d->source);
    if (d->schema.len)
        json_kv_str(w, "schema", d->schema);
    if (d->profile.len)
        json_kv_str(w, "profile", d->profile);
    json_object_end(w);
    json_object_end(w);
}

static void write_models(struct json_out *w, const char *name, const struct client_model *models,
                         size_t count, bool has_step)
{
    if (count == 0)
        return;
    json_key(w, name);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_str(w, "model_id", models[i].model_id);
        if (has_step)
            json_kv_int(w, "step", models[i].step);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_run(struct json_out *w, const struct client_run *r, bool is_new)
{
    json_object_begin(w);
    json_key(w, "info");
    write_info(w, r);
    json_kv_raw(w, "data", r->data);
    json_key(w, "inputs");
    json_object_begin(w);
    if (r->dataset_count) {
        json_key(w, "dataset_inputs");
        json_array_begin(w);
        for (size_t i = 0; i < r->dataset_count; i++)
            write_dataset(w, &r->datasets[i]);
        json_array_end(w);
    }
    write_models(w, "model_inputs", r->models_in, r->model_in_count, false);
    json_object_end(w);
    if (!is_new) { /* MLflow leaves it out when it has just made the run */
        json_key(w, "outputs");
        json_object_begin(w);
        write_models(w, "model_outputs", r->models_out, r->model_out_count, true);
        json_object_end(w);
    }
    json_object_end(w);
}

void mlflow_write_run(struct json_out *w, const struct client_run *r)
{
    write_run(w, r, false);
}

/* ------------------------------------------------------------------ handlers */

/* run_id, or run_uuid as old clients call it. */
err mlflow_need_run(const struct wire_args *a, str *ret_id)
{
    str id = STR_NONE;
    TRY(wire_str(a, "run_id", &id));
    if (id.len == 0)
        TRY(wire_str(a, "run_uuid", &id));
    if (id.len == 0)
        return wire_missing("run_id");
    *ret_id = id;
    return OK;
}

static void reply_run(struct http_reply *rp, const struct client_run *run, bool is_new)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "run");
    write_run(w, run, is_new);
    json_object_end(w);
}

err mlflow_run_get(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct client_run *run;
    str id;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    TRY(client_runs_read(track_of(rq), &id, 1, http_arena(rq), &run));
    reply_run(rp, run, false);
    return OK;
}

/* Whom the client names; else who asks. With keys in use that is somebody: then MLflow's pages show
 * it, too, and they read a tag; and "unknown", which MlflowClient.create_run sends when nothing
 * else is said, names nobody. */
static err user_choose(struct http_request *rq, const struct track_tag *tags,
                       struct client_run_spec *spec)
{
    bool has_keys = auth_has_admin_key(house_auth(rq_house(rq)));
    spec->tags = tags;
    if (has_keys && str_eq(spec->user_id, STR("unknown")))
        spec->user_id = STR_NONE;
    for (size_t i = 0; spec->user_id.len == 0 && i < spec->tag_count; i++)
        if (str_eq(tags[i].key, STR("mlflow.user")))
            spec->user_id = tags[i].value;
    if (spec->user_id.len)
        return OK;
    spec->user_id = http_user(rq);
    if (!has_keys)
        return OK; /* everybody is the same one */
    struct track_tag *more = NEW_ARRAY(http_arena(rq), struct track_tag, spec->tag_count + 1);
    ARENA_TRY(more);
    for (size_t i = 0; i < spec->tag_count; i++)
        more[i] = tags[i];
    more[spec->tag_count++] = (struct track_tag){ STR("mlflow.user"), spec->user_id };
    spec->tags = more;
    return OK;
}

err mlflow_run_create(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct client_run_spec spec = { 0 };
    struct track_tag *tags;
    struct client_run *run;
    char id[HEX_ID_BYTES];
    TRY(wire_open(rq, &a));
    TRY(wire_need_experiment(&a, &spec.experiment_id));
    TRY(wire_str(&a, "user_id", &spec.user_id));
    TRY(wire_str(&a, "run_name", &spec.name));
    TRY(wire_int(&a, "start_time", &spec.start_ms));
    TRY(wire_tags(&a, "tags", TAGS_MAX, http_arena(rq), &tags, &spec.tag_count));
    TRY(user_choose(rq, tags, &spec));
    TRY(client_run_create(track_of(rq), &spec, id));
    str made = str_of(id);
    TRY(client_runs_read(track_of(rq), &made, 1, http_arena(rq), &run));
    reply_run(rp, run, true);
    return OK;
}

/* By name or by number, as every enum. */
static err status_read(const struct wire_args *a, str *status)
{
    static const char *const names[] = { NULL,       "RUNNING", "SCHEDULED",
                                         "FINISHED", "FAILED",  "KILLED" };
    int64_t number = 0;
    str text = STR_NONE;
    if (!wire_has(a, "status"))
        return OK;
    if (!wire_int(a, "status", &number).code && number >= 1 && number < (int64_t)COUNT_OF(names)) {
        *status = str_of(names[number]);
        return OK;
    }
    TRY(wire_str(a, "status", &text));
    for (size_t i = 1; i < COUNT_OF(names); i++) {
        if (str_eq(text, str_of(names[i]))) {
            *status = text;
            return OK;
        }
    }
    return wire_invalid("status", text, "use RUNNING, SCHEDULED, FINISHED, FAILED or KILLED");
}

err mlflow_run_update(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct client_run_change change = { .end_ms = -1 };
    struct client_run *run;
    str id;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    TRY(status_read(&a, &change.status));
    TRY(wire_int(&a, "end_time", &change.end_ms));
    TRY(wire_str(&a, "run_name", &change.name));
    TRY(client_run_update(track_of(rq), id, &change));
    TRY(client_runs_read(track_of(rq), &id, 1, http_arena(rq), &run));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "run_info");
    write_info(w, run);
    json_object_end(w);
    return OK;
}

err mlflow_run_delete(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str id;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    TRY(client_run_delete(track_of(rq), id));
    TRY(wire_audit(rq, "run.delete", id));
    return wire_empty(rp);
}

err mlflow_run_restore(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str id;
    TRY(wire_open(rq, &a));
    TRY(mlflow_need_run(&a, &id));
    TRY(client_run_restore(track_of(rq), id));
    TRY(wire_audit(rq, "run.restore", id));
    return wire_empty(rp);
}
