/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_verbs.c -- the platform's verbs: status, config, doctor, models, promote, key, backup,
 * collect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fs.h"
#include "platform/app/core.h"
#include "platform/app/house_private.h"
#include "platform/app/server_client.h"

enum { VERB_ARENA_BYTES = 64 * 1024 * 1024, OUTPUT_BYTES_MAX = 16 * 1024 * 1024 };

/* Runs `fn` with an arena and an output buffer, prints the buffer. */
static err print_with(struct house *h, err (*fn)(struct house *h, arena *keep, struct buf *out))
{
    arena keep;
    struct buf out;
    arena_init(&keep, VERB_ARENA_BYTES);
    buf_init(&out, OUTPUT_BYTES_MAX);
    err e = fn(h, &keep, &out);
    if (!e.code)
        e = buf_check(&out);
    if (!e.code)
        fwrite(out.ptr, 1, out.len, stdout);
    buf_deinit(&out);
    arena_deinit(&keep);
    return e;
}

static err status_json(struct house *h, arena *keep, struct buf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    TRY(house_status_json(h, keep, &w));
    buf_add_char(out, '\n');
    return OK;
}

err core_verb_status(struct house *h, const struct verb_args *args)
{
    return print_with(h, args->json ? status_json : house_status_text);
}

static str shown_value(const struct setting_value *v)
{
    return v->setting->is_secret && v->text.len ? STR("(set)") : v->text;
}

static err config_text(struct house *h, arena *keep, struct buf *out)
{
    for (size_t i = 0; i < h->settings.count; i++) {
        const struct setting_value *v = &h->settings.values[i];
        buf_add_fmt(out, "%-24s %-14.*s (%s)\n    %s\n", v->setting->name, STR_ARG(shown_value(v)),
                    setting_source_name(v->source), v->setting->help);
    }
    return OK;
}

static err config_json(struct house *h, arena *keep, struct buf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    json_object_begin(&w);
    for (size_t i = 0; i < h->settings.count; i++) {
        const struct setting_value *v = &h->settings.values[i];
        json_key(&w, v->setting->name);
        json_object_begin(&w);
        json_kv_str(&w, "value", shown_value(v));
        json_kv_cstr(&w, "from", setting_source_name(v->source));
        json_kv_cstr(&w, "help", v->setting->help);
        json_object_end(&w);
    }
    json_object_end(&w);
    buf_add_char(out, '\n');
    return OK;
}

/* "NAME=default  # help": what .env.example holds. A tidy test keeps the file equal to this. */
static err config_example(struct house *h, arena *keep, struct buf *out)
{
    buf_add_cstr(
        out, "# Settings of Skerry with their defaults. Copy to .env in the data folder or here.\n"
             "# Written by: skerry config --example\n");
    for (size_t i = 0; i < h->settings.count; i++) {
        const struct setting *s = h->settings.values[i].setting;
        buf_add_fmt(out, "\n# %s\n#%s=%s\n", s->help, s->name, s->fallback);
    }
    return OK;
}

err core_verb_config(struct house *h, const struct verb_args *args)
{
    if (args->count && strcmp(args->values[0], "--example") == 0)
        return print_with(h, config_example);
    return print_with(h, args->json ? config_json : config_text);
}

/* ------------------------------------------------------------------ doctor */

enum { FINDINGS_MAX = 32 };

static void look_at(struct finding *f, const char *what, const err *e, const char *next_step)
{
    *f = (struct finding){ .what = what, .is_good = !e->code, .next_step = next_step };
    snprintf(f->state, sizeof f->state, "%s", e->code ? e->msg : "good");
}

static size_t examine(struct house *h, struct finding out[FINDINGS_MAX])
{
    size_t n = 0;
    struct server_address server;
    struct blobs_usage usage = { 0 };
    int64_t free_bytes = 0;
    err e = store_check(h->store);
    look_at(&out[n], "store", &e, "restore a backup: docs/operations.md");
    if (!e.code)
        snprintf(out[n].state, sizeof out[n].state, "%s, integrity check clean",
                 store_engine(h->store));
    e = blobs_usage(h->blobs, &usage);
    look_at(&out[++n], "blobs", &e,
            str_starts(setting_str(h, "SKERRY_BLOBS"), STR("s3:"))
                ? "see that the S3 server runs: docs/operations.md"
                : "check the permissions of the blobs folder");
    if (!e.code)
        snprintf(out[n].state, sizeof out[n].state, "%lld blobs, %lld bytes",
                 (long long)usage.count, (long long)usage.bytes);
    e = fs_free_bytes(h->home, &free_bytes);
    if (!e.code && free_bytes < (int64_t)256 << 20)
        e = ERR(ERR_NO_SPACE, "only %lld MiB free", (long long)(free_bytes >> 20));
    look_at(&out[++n], "disk", &e, "make room, or move SKERRY_HOME");
    if (!e.code)
        snprintf(out[n].state, sizeof out[n].state, "%lld MiB free in %s",
                 (long long)(free_bytes >> 20), h->home);
    e = access(h->home, W_OK) == 0 ? OK : ERR_SYS("'%s' cannot be written", h->home);
    look_at(&out[++n], "data folder", &e, "run as its owner, or set SKERRY_HOME");
    out[++n] = (struct finding){ .what = "server", .is_good = true };
    if (server_find(h->home, &server))
        snprintf(out[n].state, sizeof out[n].state, "running, pid %d, http://127.0.0.1:%d",
                 server.pid, server.port);
    else
        snprintf(out[n].state, sizeof out[n].state, "not running (skerry serve starts it)");
    out[++n] = (struct finding){ .what = "cores", .is_good = true };
    snprintf(out[n].state, sizeof out[n].state, "%d usable", thread_core_count());
    n++;
    for (size_t i = 0; house_apps(h)[i]; i++)
        if (house_apps(h)[i]->examine)
            n += house_apps(h)[i]->examine(h, out + n, FINDINGS_MAX - n);
    return n;
}

err core_verb_doctor(struct house *h, const struct verb_args *args)
{
    struct finding findings[FINDINGS_MAX];
    size_t count = examine(h, findings), bad = 0;
    struct buf out;
    struct json_out w;
    buf_init(&out, OUTPUT_BYTES_MAX);
    json_out_init(&w, &out);
    if (args->json)
        json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        const struct finding *f = &findings[i];
        bad += !f->is_good;
        if (args->json) {
            json_object_begin(&w);
            json_kv_cstr(&w, "what", f->what);
            json_kv_bool(&w, "good", f->is_good);
            json_kv_cstr(&w, "state", f->state);
            json_kv_cstr(&w, "nextStep", f->is_good ? NULL : f->next_step);
            json_object_end(&w);
        } else {
            buf_add_fmt(&out, "%-4s %-12s %s\n", f->is_good ? "ok" : "BAD", f->what, f->state);
            if (!f->is_good)
                buf_add_fmt(&out, "     next step:   %s\n", f->next_step);
        }
    }
    if (args->json)
        json_array_end(&w);
    printf("%.*s%s", STR_ARG(buf_str(&out)), args->json ? "\n" : "");
    buf_deinit(&out);
    return bad ? ERR(ERR_CONFLICT, "%zu findings need attention", bad) : OK;
}

/* ------------------------------------------------------------------ models */

static err models_text(struct house *h, arena *keep, struct buf *out)
{
    struct model_version_info *models;
    size_t count;
    TRY(model_list(h->track, &(struct model_filter){ .limit = 200 }, keep, &models, &count));
    if (count == 0)
        buf_add_cstr(out, "No model is registered yet: train one (skerry chess train --help).\n");
    for (size_t i = 0; i < count; i++)
        buf_add_fmt(out, "%-24.*s %4lld  %-12.*s %9lld bytes  run %.*s\n", STR_ARG(models[i].name),
                    (long long)models[i].version, STR_ARG(models[i].aliases),
                    (long long)models[i].bytes, STR_ARG(models[i].run_id));
    return OK;
}

static err models_json(struct house *h, arena *keep, struct buf *out)
{
    struct model_version_info *models;
    size_t count;
    struct json_out w;
    TRY(model_list(h->track, &(struct model_filter){ .limit = 200 }, keep, &models, &count));
    json_out_init(&w, out);
    json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(&w);
        json_kv_str(&w, "modelId", models[i].name);
        json_kv_int(&w, "version", models[i].version);
        json_kv_str(&w, "aliases", models[i].aliases);
        json_kv_str(&w, "runId", models[i].run_id);
        json_kv_raw(&w, "metrics", models[i].metrics);
        json_object_end(&w);
    }
    json_array_end(&w);
    buf_add_char(out, '\n');
    return OK;
}

err core_verb_models(struct house *h, const struct verb_args *args)
{
    return print_with(h, args->json ? models_json : models_text);
}

/* With a server running it must do the promotion, because it holds the model that serves. */
static err promote(struct house *h, const struct verb_args *args, arena *keep)
{
    const char *alias = args->count > 2 ? args->values[2] : "prod";
    struct server_address server;
    struct model_version_info m;
    if (!server_find(h->home, &server)) {
        TRY(house_promote(h, str_of(args->values[0]), str_of(args->values[1]), str_of(alias),
                          setting_str(h, "SKERRY_USER"), STR("asked for on the command line"), keep,
                          &m));
        printf("%.*s version %lld is now %s\n", STR_ARG(m.name), (long long)m.version, alias);
        return OK;
    }
    struct buf body;
    struct json_out w;
    str reply = STR_NONE;
    buf_init(&body, 4096);
    json_out_init(&w, &body);
    json_object_begin(&w);
    json_kv_cstr(&w, "modelId", args->values[0]);
    json_kv_cstr(&w, "modelVersion", args->values[1]);
    json_kv_cstr(&w, "to", alias);
    json_kv_cstr(&w, "reason", "asked for on the command line");
    json_object_end(&w);
    err e = buf_check(&body);
    if (!e.code)
        e = server_post(&server, "/v1/models/promote", buf_str(&body), keep, &reply);
    buf_deinit(&body);
    if (!e.code)
        printf("%.*s\n", STR_ARG(reply));
    return e;
}

err core_verb_promote(struct house *h, const struct verb_args *args)
{
    if (args->count < 2)
        return ERR(ERR_INVALID, "usage: skerry promote MODEL VERSION [ALIAS]");
    arena keep;
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = promote(h, args, &keep);
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ keys, backup, collection */

static err key_create(struct house *h, const struct verb_args *args, arena *keep)
{
    enum access role = ACCESS_ADMIN;
    str id, key;
    if (args->count > 2)
        TRY(access_parse(str_of(args->values[2]), &role));
    TRY(auth_key_create(h->auth, setting_str(h, "SKERRY_USER"), str_of(args->values[1]), role,
                        STR("made on the command line"), keep, &id, &key));
    if (args->json)
        printf("{\"id\":\"%.*s\",\"key\":\"%.*s\"}\n", STR_ARG(id), STR_ARG(key));
    else
        printf("%.*s\n(id %.*s, role %s; this key is shown once. A running server knows it after "
               "its next start.)\n",
               STR_ARG(key), STR_ARG(id), access_name(role));
    return OK;
}

err core_verb_key(struct house *h, const struct verb_args *args)
{
    if (args->count < 2 || strcmp(args->values[0], "create") != 0)
        return ERR(ERR_INVALID, "usage: skerry key create USER [viewer|analyst|admin]");
    arena keep;
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = key_create(h, args, &keep);
    arena_deinit(&keep);
    return e;
}

static err run_verb_job(struct house *h, const char *kind, str payload, bool json)
{
    arena keep;
    struct job_info info;
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = app_run_job(h, &(struct job_spec){ .kind = kind, .payload = payload }, json, &keep,
                        &info);
    arena_deinit(&keep);
    return e;
}

err core_verb_backup(struct house *h, const struct verb_args *args)
{
    if (args->count != 1)
        return ERR(ERR_INVALID, "usage: skerry backup FILE");
    char full[FS_PATH_BYTES], folder[FS_PATH_BYTES];
    if (args->values[0][0] == '/')
        snprintf(full, sizeof full, "%s", args->values[0]);
    else if (!getcwd(folder, sizeof folder))
        return ERR_SYS("asking for the current folder");
    else
        TRY(fs_join(full, folder,
                    args->values[0])); /* the server may do the job, from its own folder */
    struct buf payload;
    struct json_out w;
    buf_init(&payload, JOB_PAYLOAD_MAX);
    json_out_init(&w, &payload);
    json_object_begin(&w);
    json_kv_cstr(&w, "path", full);
    json_object_end(&w);
    err e = buf_check(&payload);
    if (!e.code)
        e = run_verb_job(h, "core.backup", buf_str(&payload), args->json);
    buf_deinit(&payload);
    return e;
}

err core_verb_collect(struct house *h, const struct verb_args *args)
{
    return run_verb_job(h, "core.collect", STR("{}"), args->json);
}

err core_verb_blob_url(struct house *h, const struct verb_args *args)
{
    int64_t seconds = 3600;
    struct blob_id id;
    arena keep;
    str url;
    if (args->count < 1 || args->count > 2)
        return ERR(ERR_INVALID, "usage: skerry blob-url DIGEST [SECONDS]");
    TRY(blob_id_parse(str_of(args->values[0]), &id));
    if (args->count == 2)
        TRY(err_wrap(str_to_i64(str_of(args->values[1]), &seconds), "SECONDS"));
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = blob_url(h->blobs, &id, seconds, &keep, &url);
    if (!e.code)
        printf("%.*s\n", STR_ARG(url));
    arena_deinit(&keep);
    return e;
}
