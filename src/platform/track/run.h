/* SPDX-License-Identifier: GPL-3.0-or-later */
/* run.h -- a run: the only way for a stage to produce anything.
 *
 * Every job executes inside a run. Whatever passes through here is persisted (tables shaped for the
 * MLflow data model), labelled (run_id, dataset_id, model_id, username, component), counted and logged,
 * so nothing a stage does can escape observation. Params, metrics and logs are buffered and written in
 * batches; run_flush and the end of the run make them durable. One thread at a time calls a run, except
 * run_check and run_progress (any thread of the stage).
 */
#ifndef SKERRY_TRACK_RUN_H
#define SKERRY_TRACK_RUN_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "platform/blobs/blobs.h"
#include "platform/jobs/jobs.h"
#include "platform/observe/log.h"
#include "platform/observe/metrics.h"
#include "platform/store/store.h"

struct run;
struct track;

/* ------------------------------------------------------------------ what a stage knows */

const char *run_id(const struct run *r);    /* 32 hex digits */
arena *run_arena(struct run *r);            /* lives until the run ends; capped at 256 MiB */
const struct log_labels *run_labels(const struct run *r);
void *run_ctx(const struct run *r);         /* struct house *, see platform/app/app.h */
struct store *run_store(const struct run *r);
struct blobs *run_blobs(const struct run *r);
struct metrics *run_metrics(const struct run *r);
struct track *run_track(const struct run *r);
struct job *run_job(const struct run *r);

/* ------------------------------------------------------------------ what a stage tells */

void run_set_dataset(struct run *r, str dataset_id); /* labels from here on */
void run_set_model(struct run *r, str model_id);

MUST_USE err run_param(struct run *r, const char *key, str value); /* same value again is fine; another is ERR_CONFLICT */
MUST_USE err run_param_fmt(struct run *r, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
MUST_USE err run_tag(struct run *r, const char *key, str value);
/* A point of a metric's history. NaN is kept as NaN. */
MUST_USE err run_metric(struct run *r, const char *key, double value, int64_t step);
void run_log(struct run *r, enum log_level level, const char *event, const char *msg,
             const struct log_field *fields, size_t field_count);
#define RUN_LOG(r, level, event, msg, ...)                                                         \
    run_log((r), (level), (event), (msg), (const struct log_field[]){ { .type = LOG_FIELD_END }, ##__VA_ARGS__ }, \
            sizeof((const struct log_field[]){ { .type = LOG_FIELD_END }, ##__VA_ARGS__ }) / sizeof(struct log_field))
void run_progress(struct run *r, int64_t done, int64_t total);
MUST_USE err run_flush(struct run *r);

/* ERR_CANCELLED and friends: see job_check. */
MUST_USE err run_check(struct run *r);

/* What the job answers with: JSON, stored with its success. */
MUST_USE err run_result(struct run *r, str json);

/* ------------------------------------------------------------------ artifacts */

/* `path` is relative, like "report.json" or "model/net.bin"; written again it is replaced. */
MUST_USE err run_artifact(struct run *r, const char *path, str bytes);
MUST_USE err run_artifact_file(struct run *r, const char *path, const char *file);
MUST_USE err run_artifact_blob(struct run *r, const char *path, const struct blob_info *blob); /* unpins it */

/* ------------------------------------------------------------------ lineage */

MUST_USE err run_dataset_in(struct run *r, str dataset_id, const char *context); /* "training", "evaluation" */
MUST_USE err run_dataset_out(struct run *r, str dataset_id);
MUST_USE err run_model_in(struct run *r, str model_version_id);
MUST_USE err run_model_out(struct run *r, str model_version_id);

/* ------------------------------------------------------------------ spans */

struct run_span {
    struct log_span span;
};
struct run_span run_span_begin(struct run *r, const char *name);
void run_span_end(struct run_span *s, const err *e);

/* ------------------------------------------------------------------ for the executor */

/* The run's name, component and username come from the job when there is one, unless given here. */
struct run_options {
    struct job *job;       /* NULL: a run without a job (tests) */
    const char *name;      /* shown; NULL: made from the kind */
    const char *experiment; /* NULL: "Default" */
    const char *component;
    str username;
};
MUST_USE err run_begin(struct track *t, const struct run_options *options, struct run **ret_run);
/* Writes the end state (finished, failed with the error, killed) and frees. Accepts NULL. */
MUST_USE err run_end(struct run *r, const err *result);

#endif
