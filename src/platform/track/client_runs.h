/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_runs.h -- runs as MLflow's clients make, fill and read them.
 *
 * They are rows of the same tables as our own stages' runs, with origin 'client': a client's
 * process may well be alive, so recovery never ends its run. Our own runs are read here like
 * theirs.
 *
 * What a call has written is on disk when it returns, all of it or nothing. A run, or its
 * experiment, that is deleted can be read but not written (ERR_INVALID). A run that is not there is
 * ERR_NOT_FOUND. Messages of errors are MLflow's where clients read them. Any thread.
 */
#ifndef SKERRY_TRACK_CLIENT_RUNS_H
#define SKERRY_TRACK_CLIENT_RUNS_H

#include "platform/track/experiments.h"

enum {
    CLIENT_METRICS_MAX = 1000, /* of one log-batch; as MLflow */
    CLIENT_PARAMS_MAX = 100,
    CLIENT_TAGS_MAX = 100,
    CLIENT_ITEMS_MAX = 1000, /* of all three together */
    CLIENT_DATASETS_MAX = 1000,
    CLIENT_MODELS_MAX = 1000,
    CLIENT_READ_RUNS_MAX = 50000,
};

/* ------------------------------------------------------------------ reading */

struct client_metric {
    str key;
    double value; /* NAN; infinities are the largest double once they are stored */
    int64_t ts_ms, step;
    str model_id, dataset_name, dataset_digest; /* when it is logged; or empty */
};

struct client_dataset {
    str id; /* of the row; empty when it is logged */
    str name, digest;
    str source_type, source;      /* source_type "skerry": a dataset of our own */
    str schema, profile;          /* JSON texts, or empty */
    const struct track_tag *tags; /* of this use of it, mlflow.data.context first */
    size_t tag_count;
};

/* A logged model ("m-..."), or, of our own runs, the id of a model version. */
struct client_model {
    str model_id;
    int64_t step;
};

struct client_run {
    str run_id, name, user_id, status; /* RUNNING SCHEDULED FINISHED FAILED KILLED */
    str artifact_uri;                  /* <location of the experiment>/<run_id>/artifacts */
    int64_t experiment_id;
    int64_t start_ms, end_ms; /* 0: not yet */
    bool is_deleted;
    bool has_ended;
    bool is_clients; /* not one of our own stages' */
    /* {"metrics":[{"key","value","timestamp","step"}],"params":[{"key","value"}],"tags":[...]}: the
     * latest point of each metric, by key. A list that is empty is left out. A value that is no
     * number is "NaN". */
    str data;
    bool is_kept; /* data was read as a text */
    struct client_dataset *datasets;
    struct client_model *models_in, *models_out;
    size_t dataset_count, model_in_count, model_out_count;
};

/* Reads runs with all they have logged, in three to nine queries for up to 500 of them. ret_runs
 * has the order of run_ids. ERR_NOT_FOUND names one that is not there; deleted ones are. At most
 * CLIENT_READ_RUNS_MAX. */
MUST_USE err client_runs_read(struct track *t, const str *run_ids, size_t count, arena *keep,
                              struct client_run **ret_runs);

/* ------------------------------------------------------------------ making and changing */

struct client_run_spec {
    int64_t experiment_id;
    str user_id;
    str name;         /* empty: tag mlflow.runName, else one is made */
    int64_t start_ms; /* 0: now */
    const struct track_tag *tags;
    size_t tag_count;
};
/* ERR_NOT_FOUND or ERR_INVALID when the experiment is not there, or deleted. */
MUST_USE err client_run_create(struct track *t, const struct client_run_spec *spec,
                               char ret_id[HEX_ID_BYTES]);

struct client_run_change {
    str status;     /* empty: as it is. ERR_INVALID for a run of our own stages: its job sets it */
    int64_t end_ms; /* -1: as it is */
    str name;       /* empty: as it is; else tag mlflow.runName changes with it */
};
MUST_USE err client_run_update(struct track *t, str run_id, const struct client_run_change *change);
/* Again is fine. ERR_INVALID while one of our own stages is at work on it. */
MUST_USE err client_run_delete(struct track *t, str run_id);
MUST_USE err client_run_restore(struct track *t, str run_id);

/* ------------------------------------------------------------------ logging */

struct client_batch {
    const struct client_metric *metrics;
    const struct track_tag *params, *tags;
    size_t metric_count, param_count, tag_count;
    bool is_single; /* of log-metric and its like: errors name "key", not "metrics[0].key" */
};
struct client_conflict {
    str key, old_value, new_value;
};
/* Params that had another value. */
struct client_conflicts {
    struct client_conflict *items;
    size_t count;
};
/* All of it or nothing. Params do not change: ERR_INVALID, with what differs in *ret_conflicts (in
 * `keep`), which is empty for any other outcome. The last one of two tags with one key stands.
 * Metric points that are there already are ignored. Params are cut to 6000 characters, tags to
 * 8000, as MLflow's server does. A metric with a model_id is one of the logged model, too:
 * ERR_NOT_FOUND when there is no such model. */
MUST_USE err client_run_log(struct track *t, str run_id, const struct client_batch *batch,
                            arena *keep, struct client_conflicts *ret_conflicts);
/* ERR_NOT_FOUND when the run has no such tag. */
MUST_USE err client_run_tag_delete(struct track *t, str run_id, str key);
/* Appends a JSON object to the list that tag mlflow.log-model.history holds. */
MUST_USE err client_run_model_note(struct track *t, str run_id, str model_json, arena *keep);

/* ------------------------------------------------------------------ inputs and outputs */

/* The same dataset (name and digest) is one row for all runs, and is an input of a run once: what
 * the first call says of it stands. A dataset of our own with that name and digest, or version, is
 * that one. Models are logged models' ids. */
MUST_USE err client_run_inputs(struct track *t, str run_id, const struct client_dataset *datasets,
                               size_t dataset_count, const struct client_model *models,
                               size_t model_count);
MUST_USE err client_run_outputs(struct track *t, str run_id, const struct client_model *models,
                                size_t count);

struct client_dataset_use {
    int64_t experiment_id;
    str name, digest, context;
};
/* Which datasets the runs of some experiments read; at most 1000. */
MUST_USE err client_datasets_used(struct track *t, const int64_t *experiment_ids, size_t count,
                                  arena *keep, struct client_dataset_use **ret_uses,
                                  size_t *ret_count);

/* ------------------------------------------------------------------ histories */

enum { CLIENT_HISTORY_MAX = 100000, CLIENT_BULK_RUNS_MAX = 100, CLIENT_SAMPLES_MAX = 2500 };

struct client_point {
    double value;
    int64_t ts_ms, step;
};
/* Points by (time, step, value) after a token: at most `limit`, 0 or more than CLIENT_HISTORY_MAX
 * being that. *ret_next is empty when there are no more. ERR_INVALID for a token that is not ours.
 */
MUST_USE err client_metric_history(struct track *t, str run_id, str key, str token, int64_t limit,
                                   arena *keep, struct client_point **ret_points, size_t *ret_count,
                                   str *ret_next);
/* At most `limit` points spread evenly over a run's history by (step, time, value), its first and
 * last among them; of the steps from..to when has_range. */
struct client_sampling {
    int64_t limit; /* 1 to CLIENT_SAMPLES_MAX */
    bool has_range;
    int64_t from_step, to_step;
};
MUST_USE err client_metric_sample(struct track *t, str run_id, str key,
                                  const struct client_sampling *sampling, arena *keep,
                                  struct client_point **ret_points, size_t *ret_count);

#endif
