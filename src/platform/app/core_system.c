/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_system.c -- health, metrics, OpenAPI, STATUS, settings, permissions, keys, audit trail. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/app/core.h"
#include "platform/app/house_private.h"
#include "platform/app/process.h"
#include "platform/app/server_client.h"

#ifndef SKERRY_VERSION
#define SKERRY_VERSION "0"
#endif
#ifndef SKERRY_COMMIT
#define SKERRY_COMMIT "unknown"
#endif

/* With less room than this a server is not ready: a reply or a checkpoint may not fit. */
enum { KEY_DAYS_MAX = 36500, FREE_BYTES_MIN = 64 * 1024 * 1024 };

err core_health(struct http_request *rq, struct http_reply *rp)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "status", "ok");
    json_kv_bool(w, "ok", true); /* what programs that play ask of /healthz */
    json_kv_cstr(w, "version", SKERRY_VERSION);
    json_object_end(w);
    return OK;
}

static err ping_store(struct store_read *rd, void *arg)
{
    return store_get_int(rd, "SELECT 1", NO_ARGS, arg);
}

static void write_dependency(struct json_out *w, const char *name, const err *e, const char *detail)
{
    json_key(w, name);
    json_object_begin(w);
    json_kv_cstr(w, "status", e->code ? "down" : "up");
    json_kv_cstr(w, "detail", e->code ? e->msg : detail);
    json_object_end(w);
}

/* What this process stands on, each with its reason when it is down. */
struct dependencies {
    err store, blobs, disk;
    struct blobs_usage usage;
    int64_t free_bytes;
};

static bool look_at_dependencies(struct house *h, struct dependencies *ret)
{
    int64_t one;
    *ret = (struct dependencies){ 0 };
    ret->store = store_read(h->store, ping_store, &one);
    ret->blobs = blobs_usage(h->blobs, &ret->usage);
    ret->disk = fs_free_bytes(h->home, &ret->free_bytes);
    if (!ret->disk.code && ret->free_bytes < FREE_BYTES_MIN)
        ret->disk = ERR(ERR_NO_SPACE, "%lld MiB are left in '%s'",
                        (long long)(ret->free_bytes >> 20), h->home);
    return !ret->store.code && !ret->blobs.code && !ret->disk.code;
}

err core_health_deps(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    struct dependencies d;
    bool ready = look_at_dependencies(h, &d);
    char text[96];
    http_status(rp, ready ? 200 : 503);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "status", ready ? "ok" : "degraded");
    write_dependency(w, "store", &d.store, store_engine(h->store));
    snprintf(text, sizeof text, "%lld blobs, %lld bytes", (long long)d.usage.count,
             (long long)d.usage.bytes);
    write_dependency(w, "blobs", &d.blobs, text);
    snprintf(text, sizeof text, "%lld MiB free", (long long)(d.free_bytes >> 20));
    write_dependency(w, "disk", &d.disk, text);
    json_object_end(w);
    return OK;
}

/* Opens a component and its details; the caller writes what is known of it when it is up. */
static void begin_component(struct json_out *w, const char *name, const err *e)
{
    json_key(w, name);
    json_object_begin(w);
    json_kv_cstr(w, "status", e->code ? "DOWN" : "UP");
    json_key(w, "details");
    json_object_begin(w);
    if (e->code)
        json_kv_cstr(w, "error", e->msg);
}

static void end_component(struct json_out *w)
{
    json_object_end(w);
    json_object_end(w);
}

/* The same in the shape of Spring Boot's actuator, for what was set up to watch the reference. */
err core_actuator_health(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    struct dependencies d;
    bool ready = look_at_dependencies(h, &d);
    http_status(rp, ready ? 200 : 503);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "status", ready ? "UP" : "DOWN");
    json_key(w, "components");
    json_object_begin(w);
    begin_component(w, "db", &d.store);
    json_kv_cstr(w, "database", store_engine(h->store));
    end_component(w);
    begin_component(w, "blobs", &d.blobs);
    if (!d.blobs.code) {
        json_kv_int(w, "count", d.usage.count);
        json_kv_int(w, "bytes", d.usage.bytes);
    }
    end_component(w);
    begin_component(w, "diskSpace", &d.disk);
    json_kv_int(w, "free", d.free_bytes);
    json_kv_int(w, "threshold", FREE_BYTES_MIN);
    end_component(w);
    json_object_end(w);
    json_object_end(w);
    return OK;
}

err core_metrics(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    house_refresh_metrics(h);
    bool open = str_contains(http_header(rq, "Accept"), STR("application/openmetrics-text"));
    struct buf *out = http_text(rp,
                                open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                     : "text/plain; version=0.0.4; charset=utf-8");
    metrics_write(h->metrics, open ? METRICS_OPENMETRICS : METRICS_PROMETHEUS, out);
    return OK;
}

err core_openapi(struct http_request *rq, struct http_reply *rp)
{
    return openapi_write(rq_house(rq)->apps, http_text(rp, "application/json"));
}

/* ------------------------------------------------------------------ STATUS */

struct status {
    struct dataset_info latest;
    int64_t dataset_names, dataset_versions;
    bool has_dataset, has_run, has_model;
    struct run_info run;
    struct model_version_info model;
    double p50_ms;
    struct promotion promotion;
    bool has_promotion;
};

err core_prod_find(struct house *h, arena *keep, struct model_version_info *ret_info)
{
    for (size_t i = 0; i < h->app_count; i++)
        for (const struct model_kind *k = h->apps[i]->model_kinds; k && k->name; k++) {
            if (!k->loaded)
                continue; /* its versions serve in a family */
            err e = model_alias_holder(h->track, str_of(k->name), STR("prod"), keep, ret_info);
            if (e.code != ERR_NOT_FOUND)
                return e;
        }
    return ERR(ERR_NOT_FOUND, "no model is prod");
}

static err gather_status(struct house *h, arena *keep, struct status *s)
{
    struct dataset_info *datasets;
    struct run_info *runs;
    size_t count;
    *s = (struct status){ .p50_ms = NAN };
    TRY(dataset_count(h->track, &s->dataset_names, &s->dataset_versions));
    struct dataset_filter newest = { .state = STR("ready"), .sort = "createdAt", .limit = 1 };
    TRY(dataset_list(h->track, &newest, keep, &datasets, &count));
    if ((s->has_dataset = count > 0))
        s->latest = datasets[0];
    struct run_filter training = { .component = STR("training"), .limit = 1 };
    TRY(track_run_list(h->track, &training, keep, &runs, &count));
    if ((s->has_run = count > 0))
        s->run = runs[0];
    err found = core_prod_find(h, keep, &s->model);
    if (found.code && found.code != ERR_NOT_FOUND)
        return found;
    s->has_model = !found.code;
    if (s->has_model) {
        struct promotion *promotions;
        TRY(model_promotions(h->track, s->model.name, 1, keep, &promotions, &count));
        if ((s->has_promotion = count > 0))
            s->promotion = promotions[0];
    }
    int64_t now = clock_wall_ms();
    double seconds = NAN;
    TRY(history_quantile(h->history, STR("chs_predict_latency_seconds"), NULL, 0, 0.5,
                         now - 24 * 3600000LL, now, &seconds));
    s->p50_ms = seconds * 1000;
    return OK;
}

/* What apps add: members like "games". */
static err app_members(struct house *h, arena *keep, const struct json **ret_members,
                       struct json_out *into)
{
    struct buf text;
    struct json_out w;
    buf_init(&text, 64 * 1024);
    json_out_init(&w, &text);
    json_object_begin(&w);
    err e = OK;
    for (size_t i = 0; i < h->app_count && !e.code; i++)
        if (h->apps[i]->status)
            e = h->apps[i]->status(h, &w);
    json_object_end(&w);
    if (!e.code)
        e = buf_check(&text);
    if (!e.code)
        e = json_parse(keep, buf_str(&text), ret_members);
    if (!e.code && into)
        json_kv_raw(into, "apps", buf_str(&text));
    buf_deinit(&text);
    return e;
}

/* A verb looks at the server from outside: the lock tells whether there is one. */
static void write_infra(struct house *h, struct buf *out)
{
    struct server_address server;
    if (h->mode == HOUSE_SERVE)
        buf_add_fmt(out, "Infra: up  (one process, pid %d, %s, %.1f MiB resident)\n", (int)getpid(),
                    store_engine(h->store), (double)process_resident_bytes() / 1048576);
    else if (server_find(h->home, &server))
        buf_add_fmt(out, "Infra: up  (one process, pid %d, port %d, %s)\n", server.pid, server.port,
                    store_engine(h->store));
    else
        buf_add_cstr(out, "Infra: down  (skerry serve starts it)\n");
}

err house_status_text(struct house *h, arena *keep, struct buf *out)
{
    struct status s;
    const struct json *members;
    TRY(gather_status(h, keep, &s));
    TRY(app_members(h, keep, &members, NULL));
    buf_add_cstr(out, "STATUS\n");
    buf_add_fmt(out, "Repo: skerry  Commit/Tag: %s (%s)\n", SKERRY_VERSION, SKERRY_COMMIT);
    write_infra(h, out);
    buf_add_fmt(out, "Data: games=%lld, datasets=%lld",
                (long long)json_int(json_get(members, "games"), 0), (long long)s.dataset_names);
    if (s.has_dataset)
        buf_add_fmt(out, " (latest=%.*s@%.*s)", STR_ARG(s.latest.name), STR_ARG(s.latest.version));
    buf_add_char(out, '\n');
    if (s.has_run)
        buf_add_fmt(out, "Training: last_run=%.*s status=%.*s\n", STR_ARG(s.run.run_id),
                    STR_ARG(s.run.status));
    else
        buf_add_cstr(out, "Training: last_run=none\n");
    if (s.has_model)
        buf_add_fmt(out, "Model: prod=%.*s@%lld", STR_ARG(s.model.name),
                    (long long)s.model.version);
    else
        buf_add_cstr(out, "Model: prod=none");
    if (isfinite(s.p50_ms))
        buf_add_fmt(out, "  serve_latency_p50=%.3f ms\n", s.p50_ms);
    else
        buf_add_cstr(out, "  serve_latency_p50=none yet\n");
    char iso[CLOCK_ISO_BYTES];
    clock_iso(s.promotion.at_ms, iso);
    if (s.has_promotion)
        buf_add_fmt(out, "Changes since last chat: %.*s %lld -> %lld promoted to %.*s at %s\n",
                    STR_ARG(s.promotion.name), (long long)s.promotion.from_version,
                    (long long)s.promotion.to_version, STR_ARG(s.promotion.alias), iso);
    else
        buf_add_cstr(out, "Changes since last chat: none\n");
    struct job_counts failed;
    TRY(job_counts(h->jobs, STR_NONE, &failed));
    if (failed.by_state[JOB_FAILED])
        buf_add_fmt(out, "Blocker/Risiken: %lld failed jobs (GET /v1/jobs?status=failed)\n",
                    (long long)failed.by_state[JOB_FAILED]);
    else
        buf_add_cstr(out, "Blocker/Risiken: none\n");
    return buf_check(out);
}

err house_status_json(struct house *h, arena *keep, struct json_out *w)
{
    struct status s;
    const struct json *members;
    struct job_counts counts;
    struct buf text;
    TRY(gather_status(h, keep, &s));
    TRY(job_counts(h->jobs, STR_NONE, &counts));
    struct backup_times backups;
    TRY(core_backup_times(h, &backups));
    json_object_begin(w);
    json_kv_cstr(w, "version", SKERRY_VERSION);
    json_kv_cstr(w, "commit", SKERRY_COMMIT);
    json_kv_cstr(w, "infra", "up");
    json_kv_cstr(w, "store", store_engine(h->store));
    json_kv_int(w, "residentBytes", process_resident_bytes());
    json_kv_time_ms(w, "startedAt", h->started_ms);
    json_kv_time_ms(w, "lastBackupAt", backups.made_ms);
    json_kv_time_ms(w, "lastVerifiedBackupAt", backups.verified_ms);
    /* Blobs that are down are no reason to say nothing. */
    err measured = house_room_measure(h, h->mode == HOUSE_VERB);
    house_room_json(h, &measured, w);
    TRY(app_members(h, keep, &members, w));
    json_kv_int(w, "games", json_int(json_get(members, "games"), 0));
    json_kv_int(w, "datasets", s.dataset_names);
    json_key(w, "latestDataset");
    if (s.has_dataset)
        json_out_fmt(w, "%.*s@%.*s", STR_ARG(str_sub(s.latest.name, 0, 200)),
                     STR_ARG(s.latest.version));
    else
        json_out_null(w);
    json_kv_cstr(w, "lastRun", s.has_run ? s.run.run_id.ptr : NULL);
    json_kv_cstr(w, "lastRunStatus", s.has_run ? s.run.status.ptr : NULL);
    json_key(w, "prod");
    if (s.has_model)
        json_out_fmt(w, "%.*s@%lld", STR_ARG(str_sub(s.model.name, 0, 200)),
                     (long long)s.model.version);
    else
        json_out_null(w);
    json_kv_real(w, "serveLatencyP50Ms", s.p50_ms);
    json_kv_int(w, "failedJobs", counts.by_state[JOB_FAILED]);
    buf_init(&text, 64 * 1024);
    err e = house_status_text(h, keep, &text);
    if (!e.code)
        json_kv_str(w, "text", buf_str(&text));
    buf_deinit(&text);
    json_object_end(w);
    return e;
}

err core_status(struct http_request *rq, struct http_reply *rp)
{
    if (str_starts(http_header(rq, "Accept"), STR("text/plain")))
        return house_status_text(rq_house(rq), http_arena(rq),
                                 http_text(rp, "text/plain; charset=utf-8"));
    return house_status_json(rq_house(rq), http_arena(rq), http_json(rp));
}

/* ------------------------------------------------------------------ settings, permissions, people
 */

err core_settings(struct http_request *rq, struct http_reply *rp)
{
    const struct settings *s = &rq_house(rq)->settings;
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < s->count; i++) {
        const struct setting_value *v = &s->values[i];
        json_object_begin(w);
        json_kv_cstr(w, "name", v->setting->name);
        json_kv_str(w, "value", v->setting->is_secret && v->text.len ? STR("(set)") : v->text);
        json_kv_cstr(w, "default", v->setting->fallback);
        json_kv_cstr(w, "from", setting_source_name(v->source));
        json_kv_cstr(w, "type", setting_type_name(v->setting->type));
        json_kv_cstr(w, "help", v->setting->help);
        json_object_end(w);
    }
    json_items_end(w);
    return OK;
}

err core_permissions(struct http_request *rq, struct http_reply *rp)
{
    const struct app *const *apps = rq_house(rq)->apps;
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; apps[i]; i++) {
        for (const struct route *r = apps[i]->routes; r && r->method; r++) {
            json_object_begin(w);
            json_kv_cstr(w, "app", apps[i]->name);
            json_kv_cstr(w, "method", r->method);
            json_kv_cstr(w, "path", r->path);
            json_kv_cstr(w, "access", access_name(r->access));
            json_kv_cstr(w, "summary", r->summary);
            json_object_end(w);
        }
    }
    json_items_end(w);
    return OK;
}

static void write_user(struct json_out *w, const struct auth_user_info *user, enum access role)
{
    json_object_begin(w);
    json_kv_str(w, "id", user->username);
    json_kv_str(w, "username", user->username);
    json_kv_time_ms(w, "createdAt", user->created_ms);
    json_key(w, "roles");
    json_array_begin(w);
    if (role >= ACCESS_VIEWER)
        json_out_cstr(w, access_name(role));
    json_array_end(w);
    json_kv_int(w, "keys", user->key_count);
    json_object_end(w);
}

err core_me(struct http_request *rq, struct http_reply *rp)
{
    struct auth_user_info me;
    TRY(auth_user_get(rq_house(rq)->auth, http_user(rq), http_arena(rq), &me));
    write_user(http_json(rp), &me, http_granted(rq)); /* of the key he came with */
    return OK;
}

err core_users_list(struct http_request *rq, struct http_reply *rp)
{
    struct auth_user_info *users;
    size_t count;
    TRY(auth_user_list(rq_house(rq)->auth, http_arena(rq), &users, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++)
        write_user(w, &users[i], users[i].role);
    json_items_end(w);
    return OK;
}

/* {"roles":["analyst"]}: roles contain one another here, so the strongest of the list counts. */
static err read_roles(const struct json *roles, enum access *ret_role)
{
    enum access role = ACCESS_UNSET, one;
    for (size_t i = 0; i < json_count(roles); i++) {
        TRY(access_parse(json_str(json_at(roles, i), STR_NONE), &one));
        role = one > role ? one : role;
    }
    if (json_kind(roles) != JSON_IS_ARRAY || role < ACCESS_VIEWER)
        return ERR(ERR_INVALID,
                   "field 'roles' must be an array with viewer, analyst or admin in it");
    *ret_role = role;
    return OK;
}

err core_user_patch(struct http_request *rq, struct http_reply *rp)
{
    struct auth *auth = rq_house(rq)->auth;
    const struct json *body;
    enum access role = ACCESS_UNSET;
    struct auth_user_info user;
    TRY(http_body_json(rq, &body));
    TRY(read_roles(json_get(body, "roles"), &role));
    TRY(auth_user_get(auth, http_param(rq, "id"), http_arena(rq), &user));
    TRY(auth_user_set_role(auth, http_user(rq), user.username, role));
    user.role = role;
    write_user(http_json(rp), &user, role);
    return OK;
}

err core_keys_list(struct http_request *rq, struct http_reply *rp)
{
    struct auth_key_info *keys;
    size_t count;
    TRY(auth_key_list(rq_house(rq)->auth, http_arena(rq), &keys, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_str(w, "id", keys[i].id);
        json_kv_str(w, "username", keys[i].username);
        json_kv_cstr(w, "role", access_name(keys[i].role));
        json_kv_str(w, "note", keys[i].note);
        json_kv_time_ms(w, "createdAt", keys[i].created_ms);
        json_kv_time_ms(w, "lastUsedAt", keys[i].last_used_ms);
        json_kv_time_ms(w, "revokedAt", keys[i].revoked_ms);
        json_kv_time_ms(w, "expiresAt", keys[i].expires_ms);
        json_object_end(w);
    }
    json_items_end(w);
    return OK;
}

err core_keys_create(struct http_request *rq, struct http_reply *rp)
{
    struct auth *auth = rq_house(rq)->auth;
    const struct json *body;
    struct auth_key_spec spec = { 0 };
    str role_name = STR("viewer"), id, key;
    int64_t days = 0;
    TRY(http_body_json(rq, &body));
    TRY(json_need_str(body, "username", &spec.username));
    TRY(json_opt_str(body, "role", &role_name));
    TRY(json_opt_str(body, "note", &spec.note));
    TRY(json_opt_int(body, "expiresInDays", 0, KEY_DAYS_MAX, &days));
    TRY(access_parse(role_name, &spec.role));
    spec.expires_ms = days ? clock_wall_ms() + days * 24 * 3600 * 1000 : 0;
    TRY(auth_key_create(auth, http_user(rq), &spec, http_arena(rq), &id, &key));
    http_status(rp, 201);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "id", id);
    json_kv_str(w, "key", key); /* shown this once; only its hash is stored */
    json_kv_cstr(w, "role", access_name(spec.role));
    json_kv_time_ms(w, "expiresAt", spec.expires_ms);
    json_object_end(w);
    return OK;
}

err core_keys_revoke(struct http_request *rq, struct http_reply *rp)
{
    struct auth *auth = rq_house(rq)->auth;
    TRY(auth_key_revoke(auth, http_user(rq), http_param(rq, "id")));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "revoked", http_param(rq, "id"));
    json_object_end(w);
    return OK;
}

/* Who did what, newest first. */
err core_audit_list(struct http_request *rq, struct http_reply *rp)
{
    struct auth_audit_row *rows;
    size_t count;
    int64_t limit = 100, offset = 0;
    TRY(http_query_int(rq, "limit", 1, 1000, &limit));
    TRY(http_query_int(rq, "offset", 0, INT64_MAX, &offset));
    TRY(auth_audit_list(rq_house(rq)->auth, http_query(rq, "user"), http_query(rq, "action"), limit,
                        offset, http_arena(rq), &rows, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_time_ms(w, "at", rows[i].at_ms);
        json_kv_str(w, "username", rows[i].username);
        json_kv_str(w, "action", rows[i].action);
        json_kv_str(w, "subject", rows[i].subject);
        if (rows[i].detail.len)
            json_kv_raw(w, "detail", rows[i].detail);
        json_object_end(w);
    }
    json_items_end(w);
    return OK;
}
