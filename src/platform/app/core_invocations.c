/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_invocations.c -- POST /v1/models/{id}/{ref}/invocations: predictions in the shapes of
 * MLflow's scoring server, from models of clients and from those of our own kinds.
 *
 * What is wrong with the body is told as that server tells it: 400 or 415 with error_code and
 * message. What only a registry can say (no such version, a flavour that cannot be run) is a
 * problem, as everywhere under /v1.
 */
#include <stdio.h>

#include "platform/app/core.h"
#include "platform/scoring/scoring.h"

enum { SCRATCH_BYTES_MAX = 192 * 1024 * 1024 };

static void refuse(struct http_reply *rp, int status, const char *code, const char *why)
{
    http_status(rp, status);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "error_code", code);
    json_kv_cstr(w, "message", why);
    json_object_end(w);
}

/* ------------------------------------------------------------------ the body */

enum body_type { BODY_JSON, BODY_CSV, BODY_OTHER };

/* A type may say charset=utf-8, and nothing else. */
static enum body_type body_type(str header, const char **ret_why)
{
    str rest = header, type = str_trim(str_split(&rest, ';'));
    *ret_why = "the content type must be application/json or text/csv";
    while (rest.len) {
        str value = str_trim(str_split(&rest, ';')), name = str_split(&value, '=');
        if (!str_eq_nocase(name, STR("charset")) || !str_eq_nocase(value, STR("utf-8"))) {
            *ret_why = "the content type may say charset=utf-8, and nothing else";
            return BODY_OTHER;
        }
    }
    if (str_eq_nocase(type, STR("application/json")))
        return BODY_JSON;
    return str_eq_nocase(type, STR("text/csv")) ? BODY_CSV : BODY_OTHER;
}

static err read_batch(struct http_request *rq, enum body_type type, arena *keep,
                      struct score_batch *ret_batch)
{
    str body = http_body(rq);
    if (str_utf8_valid_len(body) != body.len)
        return ERR(ERR_INVALID, "the body is no UTF-8");
    err e = type == BODY_CSV ? batch_read_csv(body, keep, ret_batch)
                             : batch_read_json(body, keep, ret_batch);
    if (e.code == ERR_NO_MEMORY && keep->failed)
        return ERR(ERR_TOO_BIG, "reading the rows takes more than %d MiB: send fewer at once",
                   SCRATCH_BYTES_MAX >> 20);
    return e;
}

/* ------------------------------------------------------------------ whom to ask */

/* A version, and who answers for it: a kind of ours, or a model in memory. */
struct answerer {
    struct model_version_info info;
    const struct model_kind *kind;
    struct scored_model *model; /* NULL: the kind */
};

static err find_answerer(struct http_request *rq, arena *keep, struct answerer *ret_answerer)
{
    struct house *h = rq_house(rq);
    struct answerer a = { .model = NULL };
    TRY(model_get(house_track(h), http_param(rq, "id"), http_param(rq, "ref"), keep, &a.info));
    a.kind = a.info.kind.len ? house_model_kind(h, a.info.kind) : NULL;
    if (!a.kind)
        TRY(scoring_acquire_version(house_scoring(h), &a.info, &a.model));
    else if (!a.kind->score)
        return ERR(ERR_UNSUPPORTED, "models of kind '%s' have a predict address of their own",
                   a.kind->name);
    *ret_answerer = a;
    return OK;
}

static err ask(struct house *h, struct answerer *a, struct score_batch *in, arena *keep,
               struct prediction *ret_prediction, enum scoring_fault *ret_fault)
{
    *ret_fault = SCORING_BAD_MODEL;
    if (a->model)
        return scoring_predict(a->model, in, keep, ret_prediction, ret_fault);
    return a->kind->score(h, &a->info, in, keep, ret_prediction);
}

static err answer(struct http_request *rq, struct http_reply *rp, struct answerer *a, arena *keep)
{
    struct house *h = rq_house(rq);
    struct score_batch in;
    struct prediction p;
    const char *why;
    char version[24];
    enum scoring_fault fault = SCORING_BAD_VALUES;
    enum body_type type = body_type(http_header(rq, "Content-Type"), &why);
    if (type == BODY_OTHER) {
        scoring_count_fault(house_scoring(h), fault);
        refuse(rp, 415, "BAD_REQUEST", why);
        return OK;
    }
    err e = read_batch(rq, type, keep, &in);
    if (!e.code)
        e = ask(h, a, &in, keep, &p, &fault);
    if (e.code == ERR_INVALID) {
        scoring_count_fault(house_scoring(h), fault);
        refuse(rp, 400, fault == SCORING_BAD_COLUMNS ? "INVALID_PARAMETER_VALUE" : "BAD_REQUEST",
               e.msg);
        return OK;
    }
    if (e.code)
        return e;
    snprintf(version, sizeof version, "%lld", (long long)a->info.version);
    http_set_header(rp, "X-Model-Version", str_of(version));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "predictions");
    prediction_write(&p, w);
    json_object_end(w);
    return OK;
}

err core_invocations(struct http_request *rq, struct http_reply *rp)
{
    struct answerer a;
    arena keep;
    TRY(find_answerer(rq, http_arena(rq), &a));
    arena_init(&keep, SCRATCH_BYTES_MAX);
    err e = answer(rq, rp, &a, &keep);
    arena_deinit(&keep);
    scoring_release(a.model);
    return e;
}

/* ------------------------------------------------------------------ what it takes */

static void write_inputs(struct json_out *w, const struct signature *s)
{
    if (!s->is_given) {
        json_out_null(w);
        return;
    }
    json_array_begin(w);
    for (size_t i = 0; i < s->column_count; i++) {
        json_object_begin(w);
        if (s->columns[i].name.len)
            json_kv_str(w, "name", s->columns[i].name);
        if (s->is_tensor) {
            json_kv_cstr(w, "type", "tensor");
            json_kv_str(w, "dtype", s->tensor_type);
            json_key(w, "shape");
            json_array_begin(w);
            for (size_t k = 0; k < s->dims; k++)
                json_out_int(w, s->shape[k]);
            json_array_end(w);
        } else {
            json_kv_cstr(w, "type", column_type_name(s->columns[i].type));
            json_kv_bool(w, "required", !s->columns[i].is_optional);
        }
        json_object_end(w);
    }
    json_array_end(w);
}

err core_invocations_describe(struct http_request *rq, struct http_reply *rp)
{
    struct answerer a;
    TRY(find_answerer(rq, http_arena(rq), &a));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "modelId", a.info.name);
    json_key(w, "modelVersion");
    json_out_fmt(w, "%lld", (long long)a.info.version);
    json_kv_cstr(w, "id", a.info.id);
    json_kv_str(w, "aliases", a.info.aliases);
    json_kv_cstr(w, "flavour", a.model ? scored_model_flavour(a.model) : a.kind->name);
    json_key(w, "inputs"); /* null: it does not say */
    if (a.model)
        write_inputs(w, scored_model_signature(a.model));
    else
        json_out_raw(w, str_of(a.kind->score_inputs));
    json_object_end(w);
    scoring_release(a.model);
    return OK;
}
