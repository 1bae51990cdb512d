/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_start.c -- asking for a training: skerry rps train, POST /v1/rps/train. */
#include <stdio.h>
#include <string.h>

#include "apps/rps/train.h"
#include "base/hash.h"

enum { VERB_ARENA_BYTES = 64 * 1024 * 1024 };

/* ------------------------------------------------------------------ HTTP */

/* Who asks twice for the same gets the training that waits; another wish is another training. */
static err wish_key(const struct json *body, str payload, arena *keep, str *ret_key)
{
    char hex[SHA256_HEX_BYTES];
    sha256_hex_of(payload, hex);
    *ret_key = arena_fmt(keep, "%.*s %.16s", STR_ARG(json_str(json_get(body, "family"), STR_NONE)),
                         hex);
    ARENA_TRY(ret_key->ptr);
    return OK;
}

err rps_train_start(struct http_request *rq, struct http_reply *rp)
{
    const struct json *body;
    struct buf payload;
    TRY(http_body_json(rq, &body));
    TRY(rps_train_check(body));
    buf_init(&payload, JOB_PAYLOAD_MAX);
    json_dump(body, &payload);
    struct job_spec job = { .kind = "rps.train", .payload = buf_str(&payload) };
    err e = buf_check(&payload);
    if (!e.code)
        e = wish_key(body, job.payload, http_arena(rq), &job.key);
    if (!e.code)
        e = app_start_job(rq, rp, &job, 202, "/v1/runs/");
    buf_deinit(&payload);
    return e;
}

/* ------------------------------------------------------------------ command line */

struct options {
    const char *family; /* NULL: all */
    const char *alias, *config, *seed, *source, *features;
    bool is_forced, is_sweep;
};

static err read_options(const struct verb_args *args, struct options *o)
{
    for (int i = 0; i < args->count; i++) {
        const char *name = args->values[i];
        const char **to = strcmp(name, "--family") == 0     ? &o->family
                          : strcmp(name, "--alias") == 0    ? &o->alias
                          : strcmp(name, "--config") == 0   ? &o->config
                          : strcmp(name, "--seed") == 0     ? &o->seed
                          : strcmp(name, "--source") == 0   ? &o->source
                          : strcmp(name, "--features") == 0 ? &o->features
                                                            : NULL;
        if (strcmp(name, "--force") == 0) {
            o->is_forced = true;
        } else if (strcmp(name, "--sweep") == 0) {
            o->is_sweep = true;
        } else if (strcmp(name, "--all") == 0) {
            o->family = NULL;
        } else if (!to) {
            return ERR(ERR_INVALID, "'%s' is not an option here; see: skerry help rps train", name);
        } else if (++i == args->count) {
            return ERR(ERR_INVALID, "%s needs a value", name);
        } else {
            *to = args->values[i];
        }
    }
    return OK;
}

static err write_payload(const struct options *o, const char *family, struct buf *out)
{
    struct json_out w;
    int64_t seed = 0;
    if (o->seed)
        TRY(err_wrap(str_to_i64(str_of(o->seed), &seed), "--seed"));
    json_out_init(&w, out);
    json_object_begin(&w);
    json_kv_cstr(&w, "family", family);
    if (o->alias)
        json_kv_cstr(&w, "alias", o->alias);
    if (o->config)
        json_kv_cstr(&w, "config", o->config);
    if (o->source)
        json_kv_cstr(&w, "source", o->source);
    if (o->features)
        json_kv_cstr(&w, "features", o->features);
    if (o->seed)
        json_kv_int(&w, "seed", seed);
    json_kv_bool(&w, "force", o->is_forced);
    if (o->is_sweep)
        json_kv_bool(&w, "sweep", true);
    json_object_end(&w);
    return buf_check(out);
}

static err train_one(struct house *h, const struct options *o, const char *family, bool json)
{
    arena keep;
    struct buf payload;
    const struct json *parsed;
    struct job_info info;
    arena_init(&keep, VERB_ARENA_BYTES);
    buf_init(&payload, JOB_PAYLOAD_MAX);
    err e = write_payload(o, family, &payload);
    if (!e.code)
        e = json_parse(&keep, buf_str(&payload), &parsed);
    if (!e.code)
        e = rps_train_check(parsed);
    if (!e.code)
        e = app_run_job(h, &(struct job_spec){ .kind = "rps.train", .payload = buf_str(&payload) },
                        json, &keep, &info);
    buf_deinit(&payload);
    arena_deinit(&keep);
    return e;
}

/* One after the other. Trees need a library that is not part of this program: without it the other
 * families are trained all the same. */
err rps_verb_train(struct house *h, const struct verb_args *args)
{
    static const enum rps_family order[] = { RPS_LOGISTIC, RPS_FEEDFORWARD, RPS_XGBOOST };
    struct options o = { 0 };
    TRY(read_options(args, &o));
    if (o.family)
        return train_one(h, &o, o.family, args->json);
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        err e = train_one(h, &o, rps_family_name(order[i]), args->json);
        if (e.code != ERR_UNSUPPORTED)
            TRY(e);
        else
            fprintf(stderr, "%s was not trained: %s\n", rps_family_name(order[i]), e.msg);
    }
    return OK;
}
