/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_serving.c -- /v1/serving: families of models that serve, how good they are, and moving them.
 */
#include "base/clock.h"
#include "platform/app/core.h"
#include "platform/serving/promotion.h"

enum { WINDOW_HOURS_MAX = 24 * 366, HISTORY_MAX = 200 };

const struct job_schedule core_serving_schedules[] = {
    { "core.promotion.often", "@every 600s", "core.promotion", "{}",
      "Judges the versions that serve, and moves aliases where that is earned." },
    { 0 },
};

/* ------------------------------------------------------------------ what serves */

static void write_calibration(struct json_out *w, const struct serving_tally *t)
{
    json_key(w, "calibration");
    json_array_begin(w);
    for (int i = 0; i < SERVING_BINS; i++) {
        if (!t->calibration_count[i])
            continue;
        double count = (double)t->calibration_count[i];
        json_object_begin(w);
        json_kv_int(w, "count", t->calibration_count[i]);
        json_kv_real(w, "said", (double)t->calibration_sum[i] / 1e6 / count);
        json_kv_real(w, "came", (double)t->calibration_hits[i] / count);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_tally(struct json_out *w, const struct serving_tally *t)
{
    json_kv_int(w, "predictions", t->made);
    json_kv_int(w, "judged", t->judged);
    json_kv_int(w, "correct", t->correct);
    json_kv_real(w, "accuracy", serving_accuracy(t));
    json_kv_real(w, "logLoss", serving_log_loss(t));
    json_kv_real(w, "calibrationError", serving_calibration_error(t));
    json_kv_int(w, "outcomes", t->trials);
    json_kv_int(w, "wins", t->wins);
}

static void write_slot(struct json_out *w, const struct serving_slot_report *slot)
{
    json_object_begin(w);
    json_kv_cstr(w, "alias", serving_aliases[slot->slot]);
    json_kv_int(w, "aliasVersion", slot->alias_version);
    json_kv_int(w, "version", slot->version);
    json_kv_bool(w, "loaded", slot->version != 0);
    json_kv_time_ms(w, "since", slot->since_ms);
    json_kv_time_ms(w, "loadedAt", slot->loaded_ms);
    json_kv_real(w, "loadMs", slot->load_ms);
    json_kv_int(w, "bytes", slot->bytes);
    json_kv_cstr(w, "failure", slot->failure[0] ? slot->failure : NULL);
    write_tally(w, &slot->tally);
    write_calibration(w, &slot->tally);
    json_kv_real(w, "driftInputs", slot->drift_inputs);
    json_kv_real(w, "driftPredictions", slot->drift_predictions);
    json_object_end(w);
}

static err write_family(struct json_out *w, struct served_family *f, int hours)
{
    struct serving_slot_report slots[SERVING_SLOTS];
    const struct serving_family *row = served_row(f);
    TRY(serving_report(f, hours, slots));
    json_object_begin(w);
    json_kv_cstr(w, "family", row->name);
    json_kv_cstr(w, "modelId", row->model);
    json_kv_cstr(w, "help", row->help);
    json_kv_real(w, "ratio", serving_ratio(f));
    json_kv_bool(w, "byOutcome", row->is_by_outcome);
    json_kv_int(w, "windowHours", hours);
    json_key(w, "slots");
    json_array_begin(w);
    for (int i = 0; i < SERVING_SLOTS; i++)
        write_slot(w, &slots[i]);
    json_array_end(w);
    json_object_end(w);
    return OK;
}

err core_serving_list(struct http_request *rq, struct http_reply *rp)
{
    struct serving *s = house_serving(rq_house(rq));
    int64_t hours = setting_int(rq_house(rq), "SKERRY_SERVING_WINDOW_HOURS");
    TRY(http_query_int(rq, "hours", 1, WINDOW_HOURS_MAX, &hours));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < serving_family_count(s); i++)
        TRY(write_family(w, serving_family_at(s, i), (int)hours));
    json_items_end(w);
    return OK;
}

static err find_family(struct http_request *rq, struct served_family **ret_family)
{
    str name = http_param(rq, "family");
    struct served_family *f = serving_find(house_serving(rq_house(rq)), name);
    if (!f)
        return ERR(ERR_NOT_FOUND, "there is no family '%.*s'; GET /v1/serving lists them",
                   STR_ARG(str_sub(name, 0, 80)));
    *ret_family = f;
    return OK;
}

/* ------------------------------------------------------------------ what was */

static void write_hour(struct json_out *w, const struct serving_hour *hour)
{
    json_object_begin(w);
    json_kv_time_ms(w, "hour", hour->hour_ms);
    json_kv_cstr(w, "alias", serving_aliases[hour->slot]);
    json_kv_int(w, "version", hour->version);
    write_tally(w, &hour->tally);
    json_object_end(w);
}

err core_serving_history(struct http_request *rq, struct http_reply *rp)
{
    struct served_family *f = NULL;
    struct serving_decision *decisions;
    struct serving_hour *hours;
    size_t decision_count, hour_count;
    int64_t limit = 20, back = 48;
    TRY(find_family(rq, &f));
    TRY(http_query_int(rq, "limit", 1, HISTORY_MAX, &limit));
    TRY(http_query_int(rq, "hours", 1, WINDOW_HOURS_MAX, &back));
    struct serving_decision_filter filter = { .family = f, .limit = limit };
    str verdict = http_query(rq, "decision");
    filter.has_verdict = verdict.len != 0;
    if (verdict.len)
        TRY(serving_verdict_parse(verdict, &filter.verdict));
    TRY(serving_decisions(house_serving(rq_house(rq)), &filter, http_arena(rq), &decisions,
                          &decision_count));
    TRY(serving_hours(f, clock_wall_ms() - back * 3600 * 1000, 0, http_arena(rq), &hours,
                      &hour_count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "family", served_row(f)->name);
    json_key(w, "decisions");
    json_array_begin(w);
    for (size_t i = 0; i < decision_count; i++)
        serving_decision_json(&decisions[i], w);
    json_array_end(w);
    json_key(w, "hours");
    json_array_begin(w);
    for (size_t i = 0; i < hour_count; i++)
        write_hour(w, &hours[i]);
    json_array_end(w);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ moving */

err core_serving_rollback(struct http_request *rq, struct http_reply *rp)
{
    struct served_family *f = NULL;
    struct serving_decision d;
    const struct json *body;
    str reason = STR("asked for over HTTP");
    TRY(find_family(rq, &f));
    TRY(http_body_json(rq, &body));
    TRY(json_opt_str(body, "reason", &reason));
    TRY(serving_rollback(f, http_user(rq), str_sub(reason, 0, 1000), http_arena(rq), &d));
    TRY(auth_audit(house_auth(rq_house(rq)), http_user(rq), STR("serving.rollback"), d.family,
                   STR_NONE));
    serving_decision_json(&d, http_json(rp));
    return OK;
}

err core_promotion_start(struct http_request *rq, struct http_reply *rp)
{
    const struct json *body;
    str family = STR_NONE;
    TRY(http_body_json(rq, &body));
    TRY(json_opt_str(body, "family", &family));
    if (family.len && !serving_find(house_serving(rq_house(rq)), family))
        return ERR(ERR_NOT_FOUND, "there is no family '%.*s'; GET /v1/serving lists them",
                   STR_ARG(str_sub(family, 0, 80)));
    struct buf payload;
    struct json_out w;
    buf_init(&payload, 1024);
    json_out_init(&w, &payload);
    json_object_begin(&w);
    json_kv_str(&w, "family", family);
    json_object_end(&w);
    str key = family.len ? family : STR("all");
    struct job_spec job = { .kind = "core.promotion", .payload = buf_str(&payload), .key = key };
    err e = buf_check(&payload);
    if (!e.code)
        e = app_start_job(rq, rp, &job, 202, "/v1/runs/");
    buf_deinit(&payload);
    return e;
}

err core_promotion_run(struct run *run, const struct json *payload)
{
    return serving_promotion_run(house_serving(run_house(run)), run,
                                 json_str(json_get(payload, "family"), STR_NONE));
}

err house_family_load(struct house *h, const struct model_version_info *info, str alias)
{
    return serving_load(house_serving(h), info, alias);
}
