/* SPDX-License-Identifier: GPL-3.0-or-later */
/* run.c -- what a stage knows and tells: the small calls of a run.
 *
 * Params are checked against what the run has said before, in memory, so that a changed one is
 * refused at the line that changes it. run_life.c begins and ends runs, run_flush.c writes the
 * batches.
 */
#include "platform/track/track_internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"

/* ------------------------------------------------------------------ what a stage knows */

const char *run_id(const struct run *r)
{
    return r->id;
}

arena *run_arena(struct run *r)
{
    return &r->memory;
}

const struct log_labels *run_labels(const struct run *r)
{
    return &r->labels;
}

void *run_ctx(const struct run *r)
{
    return r->track->ctx;
}

struct store *run_store(const struct run *r)
{
    return r->track->store;
}

struct blobs *run_blobs(const struct run *r)
{
    return r->track->blobs;
}

struct metrics *run_metrics(const struct run *r)
{
    return r->track->metrics;
}

struct track *run_track(const struct run *r)
{
    return r->track;
}

struct job *run_job(const struct run *r)
{
    return r->job;
}

const char *run_username(const struct run *r)
{
    return r->username;
}

const char *run_component(const struct run *r)
{
    return r->component;
}

str run_dataset_id(const struct run *r)
{
    return r->labels.dataset_id;
}

str run_model_id(const struct run *r)
{
    return r->labels.model_id;
}

int run_attempt(const struct run *r)
{
    return r->attempt;
}

/* ------------------------------------------------------------------ labels, params, tags */

void run_set_dataset(struct run *r, str dataset_id)
{
    str kept = arena_str(&r->memory, dataset_id);
    if (str_eq(kept, r->labels.dataset_id))
        return;
    r->labels.dataset_id = kept;
    run_queue_labels(r);
}

void run_set_model(struct run *r, str model_id)
{
    str kept = arena_str(&r->memory, model_id);
    if (str_eq(kept, r->labels.model_id))
        return;
    r->labels.model_id = kept;
    run_queue_labels(r);
}

err run_param(struct run *r, const char *key, str value)
{
    TRY(track_check_key("param", str_of(key)));
    if (value.len > TRACK_PARAM_BYTES_MAX)
        return ERR(ERR_TOO_BIG,
                   "param '%s' has %zu bytes: at most %d are kept; make it an artifact", key,
                   value.len, TRACK_PARAM_BYTES_MAX);

    union map_value *known = map_find(&r->params, str_of(key));
    if (known) {
        const str *before = known->ptr;
        if (str_eq(*before, value))
            return OK;
        return ERR(ERR_CONFLICT,
                   "param '%s' of run %s is '%.*s' and cannot become '%.*s': params do not change",
                   key, r->id, (int)(before->len < 60 ? before->len : 60), before->ptr,
                   (int)(value.len < 60 ? value.len : 60), value.len ? value.ptr : "");
    }

    str kept_key = arena_str(&r->memory, str_of(key));
    str *kept = NEW(&r->memory, str);
    ARENA_TRY(kept && kept_key.ptr);
    *kept = arena_str(&r->memory, value);
    ARENA_TRY(kept->ptr);

    union map_value *slot;
    bool is_new;
    err e = map_put(&r->params, kept_key, &slot, &is_new);
    if (e.code)
        return err_wrap(e, "a run keeps up to %d params", RUN_PARAM_KEYS_MAX);
    slot->ptr = kept;
    e = run_queue_text(r, false, kept_key, value);
    if (e.code)
        map_remove(&r->params, kept_key);
    return e;
}

err run_param_fmt(struct run *r, const char *key, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    str value = arena_vfmt(&r->memory, fmt, args);
    va_end(args);
    ARENA_TRY(value.ptr);
    return run_param(r, key, value);
}

err run_tag(struct run *r, const char *key, str value)
{
    TRY(track_check_key("tag", str_of(key)));
    if (value.len > TRACK_TAG_BYTES_MAX)
        return ERR(ERR_TOO_BIG, "tag '%s' has %zu bytes: at most %d are kept; make it an artifact",
                   key, value.len, TRACK_TAG_BYTES_MAX);
    return run_queue_text(r, true, str_of(key), value);
}

/* ------------------------------------------------------------------ metrics */

static err series_of(struct run *r, str key, uint32_t *ret_index)
{
    union map_value *slot = map_find(&r->metrics, key);
    if (slot) {
        *ret_index = (uint32_t)slot->num;
        return OK;
    }

    TRY(track_check_key("metric", key));
    if (r->series_count == RUN_METRIC_KEYS_MAX)
        return ERR(ERR_TOO_BIG, "metric '%.*s': run %s has %d metric keys already, the maximum",
                   STR_ARG(key), r->id, RUN_METRIC_KEYS_MAX);
    if (!r->series)
        r->series = NEW_ARRAY(&r->memory, struct run_series, RUN_METRIC_KEYS_MAX);
    str kept = arena_str(&r->memory, key);
    ARENA_TRY(r->series && kept.ptr);

    bool is_new;
    TRY(map_put(&r->metrics, kept, &slot, &is_new));
    uint32_t index = (uint32_t)r->series_count;
    slot->num = index;
    r->series[index] = (struct run_series){ .key = kept };
    if (index < RUN_LIVE_KEYS_MAX)
        r->series[index].live = TRACK_CELL(r->track->metrics, TRACK_M_RUN_METRIC, str_of(r->id),
                                           kept);
    r->series_count++;
    *ret_index = index;
    return OK;
}

err run_metric(struct run *r, const char *key, double value, int64_t step)
{
    struct run_point point = { .ts_ms = clock_wall_ms(), .step = step, .value = value };
    TRY(series_of(r, str_of(key), &point.series));
    if (isnan(value)) {
        point.is_nan = true;
        point.value = 0;
    } else if (isinf(value)) {
        point.value = value > 0 ? DBL_MAX : -DBL_MAX;
    }
    if (r->series[point.series].live)
        metric_set(r->series[point.series].live, value);
    return run_queue_point(r, &point);
}

/* ------------------------------------------------------------------ logs, progress, result */

void run_log(struct run *r, enum log_level level, const char *event, const char *msg,
             const struct log_field *fields, size_t field_count)
{
    log_event_fields(r->track->log, level, &r->labels, event, msg, fields, field_count);
}

void run_progress(struct run *r, int64_t done, int64_t total)
{
    if (r->job)
        job_progress(r->job, done, total);
}

err run_check(struct run *r)
{
    return r->job ? job_check(r->job) : OK;
}

err run_result(struct run *r, str json)
{
    TRY(track_check_json("the result of a run", json, RUN_RESULT_BYTES_MAX));
    if (r->job)
        job_result_set(r->job, json);
    return OK;
}

/* ------------------------------------------------------------------ spans */

struct run_span run_span_begin(struct run *r, const char *name)
{
    struct log *log = r->track->log;
    return (struct run_span){ .span = log_span_begin(log, &r->labels, name, r->span.span_id) };
}

void run_span_end(struct run_span *s, const err *e)
{
    log_span_end(&s->span, e);
}
