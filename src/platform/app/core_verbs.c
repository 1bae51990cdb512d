/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_verbs.c -- the platform's verbs: status, config, models, promote, key, collect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/app/core.h"
#include "platform/app/house_private.h"
#include "platform/app/server_client.h"

enum {
    KEY_DAYS_MAX = 36500,
    VERB_ARENA_BYTES = 64 * 1024 * 1024,
    OUTPUT_BYTES_MAX = 16 * 1024 * 1024,
};

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

/* "NAME=default  # help": what .env.example holds. A test keeps the file equal to this. */
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
    if (args->count == 1 && strcmp(args->values[0], "--example") == 0)
        return print_with(h, config_example);
    if (args->count)
        return ERR(ERR_INVALID, "usage: skerry config [--example] [--json]");
    return print_with(h, args->json ? config_json : config_text);
}

/* ------------------------------------------------------------------ models */

static err models_text(struct house *h, arena *keep, struct buf *out)
{
    struct model_version_info *models;
    size_t count;
    TRY(model_list(h->track, &(struct model_filter){ .limit = 200 }, keep, &models, &count));
    if (count == 0)
        buf_add_cstr(out, "No model is registered yet: train one (skerry chess train --help).\n");
    for (size_t i = 0; i < count; i++) {
        buf_add_fmt(out, "%-24.*s %4lld  %-12.*s ", STR_ARG(models[i].name),
                    (long long)models[i].version, STR_ARG(models[i].aliases));
        if (models[i].blob.hex[0])
            buf_add_fmt(out, "%9lld bytes  run %.*s\n", (long long)models[i].bytes,
                        STR_ARG(models[i].run_id));
        else /* a client's: it knows its files, we know where they are */
            buf_add_fmt(out, "%15.*s  from %.*s\n", STR_ARG(models[i].kind),
                        STR_ARG(models[i].source));
    }
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
        json_kv_str(&w, "kind", models[i].kind);
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

static err print_promoted(str name, int64_t version, str alias, bool as_json)
{
    struct buf out;
    struct json_out w;
    buf_init(&out, OUTPUT_BYTES_MAX);
    if (as_json) {
        json_out_init(&w, &out);
        json_object_begin(&w);
        json_kv_bool(&w, "ok", true);
        json_kv_str(&w, "modelId", name);
        json_kv_int(&w, "modelVersion", version);
        json_kv_str(&w, "alias", alias);
        json_object_end(&w);
    } else {
        buf_add_fmt(&out, "%.*s version %lld is now %.*s", STR_ARG(name), (long long)version,
                    STR_ARG(alias));
    }
    err e = buf_check(&out);
    if (!e.code)
        printf("%.*s\n", STR_ARG(buf_str(&out)));
    buf_deinit(&out);
    return e;
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
        return print_promoted(m.name, m.version, str_of(alias), args->json);
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
    if (e.code)
        return e;
    const struct json *told, *active;
    int64_t version = 0;
    TRY(json_parse(keep, reply, &told));
    active = json_get(told, "active");
    TRY(str_to_i64(json_str(json_get(active, "modelVersion"), STR_NONE), &version));
    return print_promoted(json_str(json_get(active, "modelId"), STR_NONE), version, str_of(alias),
                          args->json);
}

err core_verb_promote(struct house *h, const struct verb_args *args)
{
    if (args->count < 2 || args->count > 3)
        return ERR(ERR_INVALID, "usage: skerry promote MODEL VERSION [ALIAS]");
    arena keep;
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = promote(h, args, &keep);
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ keys, collection */

static err key_usage(void)
{
    return ERR(ERR_INVALID, "usage: skerry key create USER [viewer|analyst|admin] [--days N] | list"
                            " | revoke ID");
}

static err key_create(struct house *h, const struct verb_args *args, arena *keep)
{
    struct auth_key_spec spec = { .role = ACCESS_ADMIN, .note = STR("made on the command line") };
    str id, key;
    int64_t days = 0;
    for (int i = 1; i < args->count; i++) {
        str arg = str_of(args->values[i]);
        if (str_eq(arg, STR("--days")) && i + 1 < args->count)
            TRY(err_wrap(str_to_i64(str_of(args->values[++i]), &days), "--days"));
        else if (spec.username.len == 0)
            spec.username = arg;
        else
            TRY(access_parse(arg, &spec.role));
    }
    if (spec.username.len == 0 || days < 0 || days > KEY_DAYS_MAX)
        return key_usage();
    spec.expires_ms = days ? clock_wall_ms() + days * 24 * 3600 * 1000 : 0;
    TRY(auth_key_create(h->auth, setting_str(h, "SKERRY_USER"), &spec, keep, &id, &key));
    if (args->json)
        printf("{\"id\":\"%.*s\",\"key\":\"%.*s\"}\n", STR_ARG(id), STR_ARG(key));
    else
        printf("%.*s\n(id %.*s, role %s; this key is shown once)\n", STR_ARG(key), STR_ARG(id),
               access_name(spec.role));
    return OK;
}

static const char *key_state(const struct auth_key_info *key, int64_t now_ms)
{
    if (key->revoked_ms)
        return "revoked";
    return key->expires_ms && key->expires_ms <= now_ms ? "expired" : "works";
}

static err key_list_text(struct house *h, arena *keep, struct buf *out)
{
    struct auth_key_info *keys;
    size_t count;
    int64_t now_ms = clock_wall_ms();
    TRY(auth_key_list(h->auth, keep, &keys, &count));
    for (size_t i = 0; i < count; i++) {
        char until[CLOCK_ISO_BYTES] = "for ever";
        if (keys[i].expires_ms)
            clock_iso(keys[i].expires_ms, until);
        buf_add_fmt(out, "%.*s  %-8s %-7s %-24s %.*s\n", STR_ARG(keys[i].id),
                    access_name(keys[i].role), key_state(&keys[i], now_ms), until,
                    STR_ARG(keys[i].username));
    }
    if (count == 0)
        buf_add_cstr(out, "There are no API keys: whoever reaches 127.0.0.1 is the admin.\n");
    return OK;
}

static err key_list_json(struct house *h, arena *keep, struct buf *out)
{
    struct auth_key_info *keys;
    struct json_out w;
    size_t count;
    int64_t now_ms = clock_wall_ms();
    TRY(auth_key_list(h->auth, keep, &keys, &count));
    json_out_init(&w, out);
    json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(&w);
        json_kv_str(&w, "id", keys[i].id);
        json_kv_str(&w, "username", keys[i].username);
        json_kv_cstr(&w, "role", access_name(keys[i].role));
        json_kv_cstr(&w, "state", key_state(&keys[i], now_ms));
        json_kv_time_ms(&w, "expiresAt", keys[i].expires_ms);
        json_object_end(&w);
    }
    json_array_end(&w);
    buf_add_char(out, '\n');
    return OK;
}

static err key_revoke(struct house *h, const struct verb_args *args)
{
    TRY(auth_key_revoke(h->auth, setting_str(h, "SKERRY_USER"), str_of(args->values[1])));
    printf(args->json ? "{\"revoked\":\"%s\"}\n" : "%s is revoked\n", args->values[1]);
    return OK;
}

err core_verb_key(struct house *h, const struct verb_args *args)
{
    str what = args->count ? str_of(args->values[0]) : STR_NONE;
    if (str_eq(what, STR("list")) && args->count == 1)
        return print_with(h, args->json ? key_list_json : key_list_text);
    if (str_eq(what, STR("revoke")) && args->count == 2)
        return key_revoke(h, args);
    if (!str_eq(what, STR("create")))
        return key_usage();
    arena keep;
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = key_create(h, args, &keep);
    arena_deinit(&keep);
    return e;
}

/* is_here: the payload names a file of this machine. */
static err run_verb_job(struct house *h, const char *kind, str payload, bool is_here, bool json)
{
    arena keep;
    struct job_info info;
    arena_init(&keep, VERB_ARENA_BYTES);
    struct job_spec spec = { .kind = kind, .payload = payload, .is_here = is_here };
    err e = app_run_job(h, &spec, json, &keep, &info);
    arena_deinit(&keep);
    return e;
}

err core_verb_collect(struct house *h, const struct verb_args *args)
{
    return run_verb_job(h, "core.collect", STR("{}"), false, args->json);
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
