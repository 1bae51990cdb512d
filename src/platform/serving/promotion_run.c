/* SPDX-License-Identifier: GPL-3.0-or-later */
/* promotion_run.c -- judging as a stage: params, metrics, an artifact, a result. */
#include <math.h>

#include "platform/serving/promotion_internal.h"

enum { REPORT_BYTES_MAX = 1024 * 1024, TRIES_MAX = 3 };

/* Keys are "family.alias.what", or "family.what" without an alias. */
static err tell_metric(struct run *r, const struct serving_family *row, const char *alias,
                       const char *what, double value)
{
    if (isnan(value))
        return OK;
    str key = arena_fmt(run_arena(r), "%s.%s%s%s", row->name, alias, alias[0] ? "." : "", what);
    ARENA_TRY(key.ptr);
    return run_metric(r, key.ptr, value, 0);
}

static err tell_slot(struct run *r, const struct serving_family *row, int i,
                     const struct serving_standing *slot)
{
    const char *alias = serving_aliases[i];
    if (!slot->version_before)
        return OK;
    TRY(tell_metric(r, row, alias, "accuracy",
                    slot->judged ? (double)slot->correct / (double)slot->judged : (double)NAN));
    TRY(tell_metric(r, row, alias, "judged", (double)slot->judged));
    return tell_metric(r, row, alias, "log_loss", slot->log_loss);
}

static err tell_decision(struct run *r, const struct served_family *f,
                         const struct serving_decision *d)
{
    str key = arena_fmt(run_arena(r), "%s.decision", f->row->name);
    ARENA_TRY(key.ptr);
    TRY(run_tag(r, key.ptr, str_of(serving_verdicts[d->verdict])));
    for (int i = 0; i < SERVING_SLOTS; i++)
        TRY(tell_slot(r, f->row, i, &d->slots[i]));
    if (d->has_test) {
        TRY(tell_metric(r, f->row, "", "p", d->test.p));
        TRY(tell_metric(r, f->row, "", "difference", d->test.difference));
    }
    return OK;
}

/* An alias that moves in between means judging what is there now. */
static err decide(struct served_family *f, struct run *r, struct serving_decision *d)
{
    err e = OK;
    for (int i = 0; i < TRIES_MAX; i++) {
        TRY(run_check(r));
        TRY(serving_judge(f, run_arena(r), d));
        d->username = str_of(run_username(r));
        d->run_id = str_of(run_id(r));
        e = serving_apply(f, d, run_job(r));
        if (e.code != ERR_CONFLICT)
            return e;
    }
    return e;
}

static err promote_family(struct served_family *f, struct run *r, struct json_out *w)
{
    struct serving_decision d;
    TRY(decide(f, r, &d));
    serving_decision_json(&d, w);
    RUN_LOG(r, LOG_INFO, "promotion.decided", NULL, F_CSTR("family", f->row->name),
            F_CSTR("decision", serving_verdicts[d.verdict]), F_STR("reason", d.reason));
    return tell_decision(r, f, &d);
}

static err tell_params(struct serving *s, struct run *r, str family)
{
    TRY(run_param(r, "family", family.len ? family : STR("all")));
    TRY(run_param_fmt(r, "alpha", "%g", s->options.alpha));
    TRY(run_param_fmt(r, "margin", "%g", s->options.margin));
    TRY(run_param_fmt(r, "trials_min", "%lld", (long long)s->options.trials_min));
    return run_param_fmt(r, "judged_min", "%lld", (long long)s->options.judged_min);
}

static err promote_all(struct serving *s, struct run *r, str family, struct buf *report)
{
    struct json_out w;
    int64_t done = 0;
    json_out_init(&w, report);
    json_items_begin(&w);
    for (size_t i = 0; i < s->family_count; i++) {
        struct served_family *f = &s->families[i];
        if (family.len && f != serving_find(s, family))
            continue;
        TRY(promote_family(f, r, &w));
        run_progress(r, ++done, family.len ? 1 : (int64_t)s->family_count);
    }
    json_items_end(&w);
    TRY(buf_check(report));
    TRY(run_artifact(r, "promotion.json", buf_str(report)));
    RUN_LOG(r, LOG_INFO, "promotion.completed", NULL, F_INT("families", done));
    str result = arena_fmt(run_arena(r), "{\"families\":%lld}", (long long)done);
    ARENA_TRY(result.ptr);
    return run_result(r, result);
}

err serving_promotion_run(struct serving *s, struct run *run, str family)
{
    struct buf report;
    if (family.len && !serving_find(s, family))
        return ERR(ERR_NOT_FOUND, "there is no family '%.*s'; GET /v1/serving lists them",
                   STR_ARG(str_sub(family, 0, 80)));
    TRY(tell_params(s, run, family));
    buf_init(&report, REPORT_BYTES_MAX);
    err e = promote_all(s, run, family, &report);
    buf_deinit(&report);
    return e;
}
