/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verbs_model.c -- the command line of the model half: train, evaluate, match. */
#include <stdio.h>
#include <string.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/evaluate.h"
#include "apps/chess/train.h"

enum { VERB_ARENA_BYTES = 64 * 1024 * 1024 };

/* "--learning-rate" is learningRate in JSON. */
static void json_name(const char *option, char out[64])
{
    size_t n = 0;
    for (const char *c = option; *c && n + 1 < 64; c++) {
        if (*c == '-' && c[1])
            out[n++] = (char)(c[1] >= 'a' && c[1] <= 'z' ? *++c - 'a' + 'A' : *++c);
        else
            out[n++] = *c;
    }
    out[n] = '\0';
}

static void write_value(struct json_out *w, str value)
{
    int64_t integer;
    double real;
    if (str_eq(value, STR("true")) || str_eq(value, STR("false")))
        json_out_bool(w, str_eq(value, STR("true")));
    else if (!str_to_i64(value, &integer).code)
        json_out_int(w, integer);
    else if (!str_to_f64(value, &real).code)
        json_out_real(w, real);
    else
        json_out_str(w, value);
}

/* Writes "--name value" pairs as members; words without dashes go to `words`. `known` lists the
 * options. */
static err write_options(struct json_out *w, const struct verb_args *args, const char *known,
                         const char **words, int words_max, int *ret_words)
{
    int count = 0;
    for (int i = 0; i < args->count; i++) {
        const char *arg = args->values[i];
        if (strncmp(arg, "--", 2) != 0) {
            if (count == words_max)
                return ERR(ERR_INVALID, "'%s' is one word too many", arg);
            words[count++] = arg;
            continue;
        }
        char name[64], padded[80];
        str value = str_of(arg + 2);
        str option = str_split(&value, '=');
        bool inline_value = option.len < strlen(arg + 2);
        snprintf(padded, sizeof padded, " %.*s ", STR_ARG(str_sub(option, 0, 60)));
        if (!strstr(known, padded))
            return ERR(ERR_INVALID, "'%s' is not an option here; the options are:%s", arg, known);
        if (!inline_value && i + 1 >= args->count)
            return ERR(ERR_INVALID, "%s needs a value", arg);
        snprintf(padded, sizeof padded, "%.*s", STR_ARG(str_sub(option, 0, 60)));
        json_name(padded, name);
        json_key(w, name);
        write_value(w, inline_value ? value : str_of(args->values[++i]));
    }
    *ret_words = count;
    return OK;
}

static err run_chess_job(struct house *h, const char *kind, const struct buf *payload, bool json)
{
    arena keep;
    struct job_info info;
    TRY(buf_check(payload));
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = app_run_job(h, &(struct job_spec){ .kind = kind, .payload = buf_str(payload) }, json,
                        &keep, &info);
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ train */

static err train(struct house *h, const struct verb_args *args, struct buf *params,
                 struct buf *payload)
{
    const char *words[2] = { NULL, NULL };
    int count;
    struct json_out w;
    arena keep;
    const struct json *parsed;
    json_out_init(&w, params);
    json_object_begin(&w);
    TRY(write_options(
        &w, args,
        " epochs batch-size learning-rate weight-decay dropout minutes patience seed threads book ",
        words, 2, &count));
    json_object_end(&w);
    if (count == 0)
        return ERR(ERR_INVALID, "name the dataset to train on: skerry chess train DATASET [MODEL]");
    arena_init(&keep, VERB_ARENA_BYTES);
    struct dataset_info dataset;
    str version = str_of(words[0]);
    str name = str_split(&version, '@');
    err e = json_parse(&keep, buf_str(params), &parsed);
    if (!e.code)
        e = train_check(h, parsed);
    if (!e.code)
        e = dataset_get(house_track(h), name, version, &keep, &dataset);
    if (!e.code) {
        json_out_init(&w, payload);
        json_object_begin(&w);
        json_kv_cstr(&w, "datasetId", dataset.id);
        json_kv_cstr(&w, "model", words[1] ? words[1] : "");
        json_kv_raw(&w, "params", buf_str(params));
        json_object_end(&w);
        e = run_chess_job(h, "chess.train", payload, args->json);
    }
    arena_deinit(&keep);
    return e;
}

err verb_train(struct house *h, const struct verb_args *args)
{
    struct buf params, payload;
    buf_init(&params, JOB_PAYLOAD_MAX);
    buf_init(&payload, JOB_PAYLOAD_MAX);
    err e = train(h, args, &params, &payload);
    buf_deinit(&params);
    buf_deinit(&payload);
    return e;
}

/* ------------------------------------------------------------------ evaluate, match: CANDIDATE
 * [BASELINE] */

/* A model that does not exist is said at once, not by a job that fails. NULL: none was named. */
static err check_model(struct house *h, const char *word)
{
    arena keep;
    struct model_version_info info;
    if (!word)
        return OK;
    str version = str_of(word);
    str name = str_split(&version, '@');
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = model_get(house_track(h), name, version, &keep, &info);
    arena_deinit(&keep);
    return e;
}

/* Options go where a request's body goes: "params". Only this program's own user may name the
 * engine, so that stands outside of it. */
static err write_evaluation(struct house *h, const struct verb_args *args, arena *keep,
                            struct buf *options, struct buf *payload)
{
    const char *words[2] = { NULL, NULL };
    int count = 0;
    struct json_out w;
    const struct json *params;
    json_out_init(&w, options);
    json_object_begin(&w);
    TRY(write_options(&w, args, " suite dataset-id positions nodes depth seed engine ", words, 2,
                      &count));
    json_object_end(&w);
    if (count == 0)
        return ERR(ERR_INVALID,
                   "name the model version to judge: skerry chess evaluate chess-policy@1");
    for (int i = 0; i < 2; i++)
        TRY(check_model(h, words[i]));
    TRY(buf_check(options));
    TRY(json_parse(keep, buf_str(options), &params));
    str suite = STR("topk"), dataset = STR_NONE, engine = STR_NONE;
    TRY(json_opt_str(params, "suite", &suite));
    TRY(json_opt_str(params, "datasetId", &dataset));
    TRY(json_opt_str(params, "engine", &engine));
    if (str_eq(suite, STR("acpl"))) {
        struct acpl_plan plan; /* a missing engine is said at once, too */
        TRY(acpl_plan_read(h, params, engine, &plan));
    }
    json_out_init(&w, payload);
    json_object_begin(&w);
    json_kv_cstr(&w, "candidate", words[0]);
    json_kv_cstr(&w, "baseline", words[1]);
    json_kv_str(&w, "suite", suite);
    json_kv_str(&w, "datasetId", dataset);
    json_kv_str(&w, "engine", engine);
    json_kv_raw(&w, "params", buf_str(options));
    json_object_end(&w);
    return buf_check(payload);
}

err verb_evaluate(struct house *h, const struct verb_args *args)
{
    struct buf options, payload;
    arena keep;
    buf_init(&options, JOB_PAYLOAD_MAX);
    buf_init(&payload, JOB_PAYLOAD_MAX);
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = write_evaluation(h, args, &keep, &options, &payload);
    if (!e.code)
        e = run_chess_job(h, "chess.evaluate", &payload, args->json);
    arena_deinit(&keep);
    buf_deinit(&options);
    buf_deinit(&payload);
    return e;
}

err verb_match(struct house *h, const struct verb_args *args)
{
    const char *words[2] = { NULL, NULL };
    int count = 0;
    struct buf payload;
    struct json_out w;
    buf_init(&payload, JOB_PAYLOAD_MAX);
    json_out_init(&w, &payload);
    json_object_begin(&w);
    err e = write_options(&w, args, " games seed temperature ", words, 2, &count);
    if (!e.code && !words[0])
        e = ERR(ERR_INVALID, "name the model version to play: skerry chess match chess-policy@1");
    for (int i = 0; i < 2 && !e.code; i++)
        e = check_model(h, words[i]);
    if (!e.code) {
        json_kv_cstr(&w, "candidate", words[0]);
        json_kv_cstr(&w, "baseline", words[1]);
        json_object_end(&w);
        e = run_chess_job(h, "chess.match", &payload, args->json);
    }
    buf_deinit(&payload);
    return e;
}
