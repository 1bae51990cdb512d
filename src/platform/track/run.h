/* SPDX-License-Identifier: GPL-3.0-or-later */
/* run.h -- a run: the only way for a stage to produce anything.
 *
 * Every job executes inside a run. Whatever passes through here is persisted (tables shaped for the
 * MLflow data model), labelled (run_id, dataset_id, model_id, username, component), counted and
 * logged, so nothing a stage does can escape observation. Params, metrics and logs are buffered and
 * written in batches (when a buffer is full, and once a second); run_flush and the end of the run
 * make them durable. One thread at a time calls a run, except run_check and run_progress (any
 * thread of the stage). Inside a store_write or store_read nothing of a run may be called but
 * run_id, the getters and run_log: the rest may have to write itself.
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

const char *run_id(const struct run *r); /* 32 hex digits */
arena *run_arena(struct run *r);         /* lives until the run ends; capped at 256 MiB */
const struct log_labels *run_labels(const struct run *r);
void *run_ctx(const struct run *r); /* struct house *, see platform/app/app.h */
struct store *run_store(const struct run *r);
struct blobs *run_blobs(const struct run *r);
struct metrics *run_metrics(const struct run *r);
struct track *run_track(const struct run *r);
struct job *run_job(const struct run *r);
const char *run_username(const struct run *r);
const char *run_component(const struct run *r);
str run_dataset_id(const struct run *r); /* as set last; empty before */
str run_model_id(const struct run *r);
int run_attempt(const struct run *r); /* 1 on the first try of its job */

/* ------------------------------------------------------------------ what a stage tells */

void run_set_dataset(struct run *r, str dataset_id); /* labels from here on */
void run_set_model(struct run *r, str model_id);

/* Keys follow MLflow's rule: up to 250 of letters, digits, _ - . : / and blank. A param value has
 * up to 6000 bytes, a tag value up to 8000. */
/* The same value again is fine; another is ERR_CONFLICT, also on a later try. */
MUST_USE err run_param(struct run *r, const char *key, str value);
MUST_USE err run_param_fmt(struct run *r, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
MUST_USE err run_tag(struct run *r, const char *key, str value);
/* A point of a metric's history, and the gauge skerry_run_metric{run_id,key} while the run is at
 * work. NaN is kept as NaN, an infinity as the largest double. A run has up to 1000 metric keys. */
MUST_USE err run_metric(struct run *r, const char *key, double value, int64_t step);
void run_log(struct run *r, enum log_level level, const char *event, const char *msg,
             const struct log_field *fields, size_t field_count);
#define RUN_LOG(r, level, event, msg, ...)                                                   \
    run_log((r), (level), (event), (msg),                                                    \
            (const struct log_field[]){ { .type = LOG_FIELD_END }, ##__VA_ARGS__ },          \
            sizeof((const struct log_field[]){ { .type = LOG_FIELD_END }, ##__VA_ARGS__ }) / \
                sizeof(struct log_field))
void run_progress(struct run *r, int64_t done, int64_t total);
MUST_USE err run_flush(struct run *r);

/* ERR_CANCELLED and friends: see job_check. */
MUST_USE err run_check(struct run *r);

/* What the job answers with: JSON of at most 64 KiB, stored with its success. */
MUST_USE err run_result(struct run *r, str json);

/* ------------------------------------------------------------------ artifacts */

/* `path` is relative, like "report.json" or "model/net.bin"; written again it is replaced. */
MUST_USE err run_artifact(struct run *r, const char *path, str bytes);
MUST_USE err run_artifact_file(struct run *r, const char *path, const char *file);
/* A blob the stage has put itself; unpinned on success. */
MUST_USE err run_artifact_blob(struct run *r, const char *path, const struct blob_info *blob);
/* An artifact of this run, e.g. the checkpoint that an earlier try left. ERR_NOT_FOUND if there is
 * none. */
MUST_USE err run_artifact_read(struct run *r, const char *path, arena *keep, size_t bytes_max,
                               str *ret_bytes);

/* ------------------------------------------------------------------ lineage */

/* context: "training", "evaluation", ...; may be NULL. */
MUST_USE err run_dataset_in(struct run *r, str dataset_id, const char *context);
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
    struct job *job;        /* NULL: a run without a job (tests) */
    const char *name;       /* shown; NULL: made from the kind */
    const char *experiment; /* NULL: "Default" */
    const char *component;
    str username;
};
/* A run of a job takes the id chosen for the job; tries of one job share one run, which goes on. */
MUST_USE err run_begin(struct track *t, const struct run_options *options, struct run **ret_run);
/* Writes the end state and frees, whatever happens. OK is FINISHED; ERR_CANCELLED is KILLED, or
 * SCHEDULED when the job was paused or the process is shutting down; everything else is FAILED,
 * with its text. Returns an error when what the run has logged could not be stored: then the run is
 * FAILED, and so should its job be. Accepts NULL. */
MUST_USE err run_end(struct run *r, const err *result);

#endif
