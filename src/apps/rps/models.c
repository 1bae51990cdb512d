/* SPDX-License-Identifier: GPL-3.0-or-later */
/* models.c -- the families behind the policies: how a version is loaded and asked, what serves, and
 * looking at the aliases again. What serves is what the registry's aliases say, always. */
#include <stdlib.h>
#include <string.h>

#include "apps/rps/sight.h"
#include "apps/rps/wire.h"
#include "base/clock.h"
#include "engine/learn/reference.h"

/* ------------------------------------------------------------------ loading and asking */

static void know_run(struct rps_state *s, str model, int64_t version, str run_id)
{
    enum rps_family family = 0;
    while (family < RPS_FAMILIES && !str_eq(model, str_of(rps_family_registry(family))))
        family++;
    if (run_id.len >= HEX_ID_BYTES)
        run_id.len = HEX_ID_BYTES - 1;
    pthread_mutex_lock(&s->runs_lock);
    struct rps_known_run *run = &s->runs[s->runs_next++ % RPS_RUNS_KNOWN];
    *run = (struct rps_known_run){ .family = family, .version = version };
    if (run_id.len)
        memcpy(run->run_id, run_id.ptr, run_id.len);
    pthread_mutex_unlock(&s->runs_lock);
}

void rps_run_of(struct rps_state *s, enum rps_family family, int64_t version,
                char ret_run_id[HEX_ID_BYTES])
{
    ret_run_id[0] = '\0';
    pthread_mutex_lock(&s->runs_lock);
    /* Newest first: a name can be made anew, with a version 1 again. */
    for (size_t i = 0; i < RPS_RUNS_KNOWN; i++) {
        const struct rps_known_run *run = &s->runs[(s->runs_next - 1 - i) % RPS_RUNS_KNOWN];
        if (run->family == family && run->version == version) {
            memcpy(ret_run_id, run->run_id, HEX_ID_BYTES);
            break;
        }
    }
    pthread_mutex_unlock(&s->runs_lock);
}

static err load(void *ctx, const struct model_version_info *info, str bytes, void **ret_model)
{
    struct rps_model *model;
    TRY(rps_model_load(bytes, &model));
    know_run(rps_state(ctx), info->name, info->version, info->run_id);
    *ret_model = model;
    return OK;
}

static void drop(void *model)
{
    rps_model_free(model);
}

/* user_tend_r to easy_mode, without the latter */
const uint8_t rps_watched[RPS_WATCHED] = { 39, 40, 41, 42, 43, 44, 45, 46, 47, 48 };

static void watch(const void *input, float *ret_values)
{
    const struct rps_shown *shown = input;
    const double *features = shown->sight->contract;
    for (size_t i = 0; i < RPS_WATCHED; i++)
        ret_values[i] = (float)features[rps_watched[i]];
}

static bool watches_what_we_do(const struct learn_reference *r)
{
    bool is_same = r->watched_count == RPS_WATCHED;
    for (size_t i = 0; is_same && i < RPS_WATCHED; i++)
        is_same = r->watched[i].column == rps_watched[i];
    return is_same;
}

/* Of models that say nothing about their training no drift is told. */
static void reference(const void *model, struct serving_reference *ret_reference)
{
    _Static_assert((int)LEARN_REFERENCE_BINS == (int)SERVING_BINS, "bins are compared one by one");
    const struct rps_model *rps = model;
    struct learn_reference r;
    const struct json *metrics = NULL;
    arena keep;
    arena_init(&keep, 16 * LEARN_TEXT_BYTES_MAX);
    err e = json_parse(&keep, learn_classifier_card(rps->classifier)->metrics, &metrics);
    bool is_there = !e.code && learn_reference_read(json_get(metrics, "reference"), &r);
    arena_deinit(&keep);
    if (!is_there)
        return;
    ret_reference->has_confidence = true;
    memcpy(ret_reference->confidence, r.confidence, sizeof r.confidence);
    /* Columns of the contract's features, whatever others a model has there. */
    if (rps->sort != RPS_OF_CONTRACT || !watches_what_we_do(&r))
        return;
    ret_reference->feature_count = RPS_WATCHED;
    for (size_t i = 0; i < RPS_WATCHED; i++) {
        /* Inputs are watched as floats: an edge that is a value must stay at or below it. */
        for (size_t k = 0; k < SERVING_BINS - 1; k++)
            ret_reference->edges[i][k] = (double)(float)r.watched[i].edges[k];
        memcpy(ret_reference->shares[i], r.watched[i].shares, sizeof r.watched[i].shares);
    }
}

#define FAMILY(type, registered, text)                                                            \
    {                                                                                             \
        .name = type, .model = registered, .help = text, .class_count = RPS_MOVES,                \
        .bytes_max = LEARN_MODEL_BYTES_MAX, .is_by_outcome = true, .load = load, .drop = drop,    \
        .prepare = rps_sight_prepare, .predict = rps_sight_predict, .feature_count = RPS_WATCHED, \
        .watch = watch, .reference = reference                                                    \
    }
const struct serving_family rps_families[] = {
    FAMILY("feedforward_nn", "rps_bot_feedforward", "Networks that play as policy brian."),
    FAMILY("xgboost", "rps_bot_xgboost", "Boosted trees that play as policy forrest."),
    FAMILY("multinomial_logistic", "rps_bot_mnlogit",
           "Logistic regressions that play as policy logan."),
    { 0 },
};

/* ------------------------------------------------------------------ what serves */

static err family_of(struct http_request *rq, enum rps_family *ret_family)
{
    str type = http_param(rq, "type");
    *ret_family = rps_family_find(type);
    if (*ret_family == RPS_FAMILIES)
        return ERR(ERR_NOT_FOUND,
                   "there is no model type '%.*s'; there are feedforward_nn, xgboost and "
                   "multinomial_logistic",
                   STR_ARG(str_sub(type, 0, 60)));
    return OK;
}

static void write_slot(struct rps_state *s, struct json_out *w, enum rps_family family,
                       const struct serving_slot_report *slot)
{
    char run_id[HEX_ID_BYTES];
    rps_run_of(s, family, slot->version, run_id);
    json_object_begin(w);
    json_kv_cstr(w, "model_type", rps_family_name(family));
    json_kv_cstr(w, "alias", serving_aliases[slot->slot]);
    json_kv_cstr(w, "registry_name", rps_family_registry(family));
    json_kv_cstr(w, "policy", rps_family_policy(family));
    json_kv_bool(w, "loaded", slot->version != 0);
    json_key(w, "version");
    if (slot->version)
        json_out_fmt(w, "%lld", (long long)slot->version);
    else
        json_out_null(w);
    json_kv_cstr(w, "run_id", run_id[0] ? run_id : NULL);
    json_kv_time_ms(w, "loaded_at", slot->loaded_ms);
    json_kv_real(w, "load_ms", slot->load_ms);
    json_kv_int(w, "predictions", slot->tally.judged);
    json_kv_real(w, "accuracy", serving_accuracy(&slot->tally));
    json_kv_cstr(w, "error", slot->failure[0] ? slot->failure : NULL);
    json_object_end(w);
}

/* All slots of all families as objects into an open array; `only`: one alias. */
static err write_slots(struct rps_state *s, struct json_out *w, enum rps_alias only)
{
    struct serving_slot_report slots[SERVING_SLOTS];
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++) {
        TRY(serving_report(s->served[family], 24, slots));
        for (size_t i = 0; i < SERVING_SLOTS; i++)
            if (only == RPS_ALIASES || only == (enum rps_alias)i)
                write_slot(s, w, family, &slots[i]);
    }
    return OK;
}

static err answer_slots(struct http_request *rq, struct http_reply *rp, enum rps_alias only)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "models");
    json_array_begin(w);
    TRY(write_slots(rps_state(rq_house(rq)), w, only));
    json_array_end(w);
    json_object_end(w);
    return OK;
}

err rps_models_list(struct http_request *rq, struct http_reply *rp)
{
    return answer_slots(rq, rp, RPS_ALIASES);
}

err rps_models_production(struct http_request *rq, struct http_reply *rp)
{
    return answer_slots(rq, rp, RPS_PRODUCTION);
}

err rps_models_stages(struct http_request *rq, struct http_reply *rp)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct serving_slot_report slots[SERVING_SLOTS];
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "stages");
    json_object_begin(w);
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++) {
        TRY(serving_report(s->served[family], 24, slots));
        json_key(w, rps_family_name(family));
        json_object_begin(w);
        for (size_t i = 0; i < SERVING_SLOTS; i++) {
            json_key(w, serving_aliases[i]);
            if (slots[i].version)
                json_out_fmt(w, "%lld", (long long)slots[i].version);
            else
                json_out_null(w);
        }
        json_object_end(w);
    }
    json_object_end(w);
    json_object_end(w);
    return OK;
}

err rps_models_ab(struct http_request *rq, struct http_reply *rp)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct serving_slot_report slots[SERVING_SLOTS];
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_bool(w, "enabled", s->is_ab_enabled);
    json_key(w, "models");
    json_object_begin(w);
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++) {
        TRY(serving_report(s->served[family], 24, slots));
        json_key(w, rps_family_name(family));
        json_object_begin(w);
        json_kv_real(w, "split_ratio", serving_ratio(s->served[family]));
        for (size_t i = SERVING_PRODUCTION; i <= SERVING_B; i++) {
            const struct serving_tally *t = &slots[i].tally;
            json_key(w, serving_aliases[i]);
            json_object_begin(w);
            json_kv_int(w, "version", slots[i].version);
            json_kv_int(w, "games", t->trials);
            json_kv_int(w, "games_won", t->wins);
            json_kv_real(w, "game_win_rate", t->trials ? (double)t->wins / (double)t->trials : 0);
            json_kv_int(w, "predictions", t->judged);
            json_kv_int(w, "predictions_correct", t->correct);
            json_object_end(w);
        }
        json_object_end(w);
    }
    json_object_end(w);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ looking at the aliases again
 */

/* Names of slots that serve, or that fail, into an open array. */
static err write_names(struct rps_state *s, struct json_out *w, bool failed, size_t *ret_count)
{
    struct serving_slot_report slots[SERVING_SLOTS];
    *ret_count = 0;
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++) {
        TRY(serving_report(s->served[family], 1, slots));
        for (size_t i = 0; i < SERVING_SLOTS; i++) {
            if (failed ? !slots[i].failure[0] : slots[i].version == 0)
                continue;
            json_out_fmt(w, "%s@%s", rps_family_name(family), serving_aliases[i]);
            ++*ret_count;
        }
    }
    return OK;
}

err rps_models_reload(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    struct rps_state *s = rps_state(h);
    size_t loaded = 0, failed = 0;
    err e = serving_follow(house_serving(h));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "reloaded");
    json_array_begin(w);
    TRY(write_names(s, w, false, &loaded));
    json_array_end(w);
    json_key(w, "failed");
    json_array_begin(w);
    TRY(write_names(s, w, true, &failed));
    json_array_end(w);
    json_kv_bool(w, "success", !e.code && failed == 0);
    /* There is one store of models: nothing is copied, so nothing can be out of step. */
    json_kv_bool(w, "minio_sync_success", true);
    json_kv_int(w, "minio_synced", 0);
    json_kv_int(w, "minio_skipped", 0);
    json_key(w, "minio_errors");
    json_array_begin(w);
    json_array_end(w);
    json_key(w, "message");
    if (e.code)
        json_out_cstr(w, e.msg);
    else
        json_out_fmt(w, "%zu models serve, %zu could not be loaded", loaded, failed);
    json_object_end(w);
    return OK;
}

/* Answers whether the slot serves, or with RPS_ALIASES any; ERR_CONFLICT where one cannot. */
static err look_again(struct http_request *rq, struct http_reply *rp, enum rps_family family,
                      enum rps_alias alias, bool is_forced)
{
    struct house *h = rq_house(rq);
    struct serving_slot_report slots[SERVING_SLOTS];
    bool is_there = false;
    if (is_forced)
        TRY(serving_reload(rps_state(h)->served[family]));
    else
        TRY(serving_follow(house_serving(h)));
    TRY(serving_report(rps_state(h)->served[family], 1, slots));
    for (size_t i = 0; i < SERVING_SLOTS; i++) {
        if (alias != RPS_ALIASES && alias != (enum rps_alias)i)
            continue;
        is_there = is_there || slots[i].version;
        if (slots[i].failure[0])
            return ERR(ERR_CONFLICT, "%s@%s: %s", rps_family_name(family), serving_aliases[i],
                       slots[i].failure);
    }
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_bool(w, "success", is_there);
    json_kv_cstr(w, "model_type", rps_family_name(family));
    json_kv_cstr(w, "alias", alias == RPS_ALIASES ? NULL : rps_alias_name(alias));
    json_key(w, "message");
    if (is_there)
        json_out_fmt(w, "%s serves what its aliases say", rps_family_registry(family));
    else
        json_out_fmt(w, "no alias of %s points at a version: train one, and promote it",
                     rps_family_registry(family));
    json_object_end(w);
    return OK;
}

err rps_models_load(struct http_request *rq, struct http_reply *rp)
{
    enum rps_family family;
    struct rps_input in;
    bool is_forced = false;
    TRY(family_of(rq, &family));
    rps_query_open(rq, &in);
    rps_query_bool(&in, "force_reload", &is_forced);
    if (in.count)
        return rps_refuse(&in, rp);
    return look_again(rq, rp, family, RPS_ALIASES, is_forced);
}

/* Out of memory with it: what the aliases say is loaded anew, and until then the old serves on. */
err rps_models_unload(struct http_request *rq, struct http_reply *rp)
{
    enum rps_family family;
    struct serving_slot_report slots[SERVING_SLOTS];
    bool is_there = false;
    TRY(family_of(rq, &family));
    TRY(serving_report(rps_state(rq_house(rq))->served[family], 1, slots));
    for (size_t i = 0; i < SERVING_SLOTS; i++)
        is_there = is_there || slots[i].version;
    if (!is_there)
        return ERR(ERR_NOT_FOUND, "no model of type %s is loaded", rps_family_name(family));
    return look_again(rq, rp, family, RPS_ALIASES, true);
}

err rps_models_reload_alias(struct http_request *rq, struct http_reply *rp)
{
    str type = http_param(rq, "type"), name = http_param(rq, "alias");
    enum rps_family family = rps_family_find(type);
    enum rps_alias alias = rps_alias_find(name);
    if (family == RPS_FAMILIES)
        return ERR(ERR_INVALID, "Invalid model type: %.*s", STR_ARG(str_sub(type, 0, 60)));
    if (alias == RPS_ALIASES)
        return ERR(ERR_INVALID,
                   "Invalid alias: %.*s (Production, B, shadow1 and shadow2 are known)",
                   STR_ARG(str_sub(name, 0, 60)));
    return look_again(rq, rp, family, alias, false);
}
