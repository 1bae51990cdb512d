/* SPDX-License-Identifier: GPL-3.0-or-later */
/* logged_models.h -- models as MLflow 3 logs them: files, params and metrics of their own, made by
 * a run, not yet registered.
 *
 * One is PENDING while its files arrive, then READY, or UPLOAD_FAILED. A deleted one keeps its rows
 * for lineage, and is not found any more. Messages of errors are MLflow's where clients read them.
 * Any thread.
 */
#ifndef SKERRY_TRACK_LOGGED_MODELS_H
#define SKERRY_TRACK_LOGGED_MODELS_H

#include "platform/track/experiments.h"

enum {
    LOGGED_MODEL_ID_BYTES = 35, /* "m-", 32 hex digits, NUL */
    LOGGED_MODELS_READ_MAX = 1000,
    LOGGED_MODEL_POINTS_MAX = 1000, /* of one model that are read: the newest */
};

struct logged_metric {
    str key;
    double value; /* NAN */
    int64_t ts_ms, step;
    str run_id, dataset_name, dataset_digest; /* of a dataset: empty: none */
};

struct logged_model {
    str model_id, name, artifact_uri, status, model_type, source_run_id;
    str status_message; /* ptr NULL: none */
    int64_t experiment_id, created_ms, updated_ms;
    bool is_deleted;
    struct track_tag *params, *tags; /* by key */
    struct logged_metric *metrics;   /* by key, time, step */
    size_t param_count, tag_count, metric_count;
};

/* Reads logged models with all that hangs on them, in four queries for up to 500 of them.
 * ret_models has the order of ids. ERR_NOT_FOUND names one that is not there; deleted ones are. At
 * most LOGGED_MODELS_READ_MAX, none twice. */
MUST_USE err logged_models_read(struct track *t, const str *ids, size_t count, arena *keep,
                                struct logged_model **ret_models);

/* One that is not deleted; ERR_NOT_FOUND. */
MUST_USE err logged_model_get(struct track *t, str id, arena *keep,
                              struct logged_model **ret_model);

struct logged_model_spec {
    int64_t experiment_id;
    str name; /* empty: made at random; else without / : . % and quotes */
    str model_type, source_run_id;
    const struct track_tag *params, *tags;
    size_t param_count, tag_count;
};
/* PENDING, with files at <location of the experiment>/models/<model id>/artifacts. */
MUST_USE err logged_model_create(struct track *t, const struct logged_model_spec *spec,
                                 char ret_id[LOGGED_MODEL_ID_BYTES]);
/* status as in struct logged_model. */
MUST_USE err logged_model_finish(struct track *t, str id, str status);
MUST_USE err logged_model_tags_set(struct track *t, str id, const struct track_tag *tags,
                                   size_t count);
/* ERR_NOT_FOUND without such a tag. */
MUST_USE err logged_model_tag_delete(struct track *t, str id, str key);
/* ERR_INVALID for a param that has another value already. */
MUST_USE err logged_model_params_add(struct track *t, str id, const struct track_tag *params,
                                     size_t count);
/* Again is fine. Its files stay until they are deleted as files. */
MUST_USE err logged_model_delete(struct track *t, str id);

#endif
