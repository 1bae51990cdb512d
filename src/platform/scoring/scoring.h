/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scoring.h -- registered models that clients logged with MLflow, loaded and asked.
 *
 * A name and an alias or version are looked up for every request, so an alias that moves, on this
 * server or another one that shares the store, serves its new version from the next request on.
 * Loaded versions are kept by their id, the least recently used go first; a version that is being
 * used when it goes lives until its last user releases it.
 */
#ifndef SKERRY_SCORING_H
#define SKERRY_SCORING_H

#include "platform/scoring/batch.h"
#include "platform/track/track.h"

struct scoring;
struct scored_model; /* a version in memory */

enum { SCORING_MODELS_MAX = 64, SCORING_LOAD_WAIT_MS = 60000 };

struct scoring_options {
    struct track *track;
    struct blobs *blobs;
    struct log *log;
    struct metrics *metrics;                    /* scoring_metrics must be registered */
    int64_t bytes_max;                          /* of all loaded models' files, and of one */
    const char *xgboost_library, *onnx_library; /* paths; NULL or empty: the usual names. Copied */
};

extern const struct metric_family scoring_metrics[];

MUST_USE err scoring_open(const struct scoring_options *options, struct scoring **ret_scoring);
void scoring_close(struct scoring *s); /* nobody holds a model; accepts NULL */

/* The version that `ref` names: a number, an alias or "latest". Loads it when it is not in memory;
 * who asks for one that another thread loads waits for that. Release it. ERR_NOT_FOUND when there
 * is no such version or its files are not here, ERR_UNSUPPORTED when its flavour cannot be run (the
 * sentence names the flavour), ERR_TOO_BIG above bytes_max. Any thread. */
MUST_USE err scoring_acquire(struct scoring *s, str name, str ref, struct scored_model **ret_model);
/* The same for a version that was read already. */
MUST_USE err scoring_acquire_version(struct scoring *s, const struct model_version_info *info,
                                     struct scored_model **ret_model);
void scoring_release(struct scored_model *m); /* accepts NULL */

/* Whose predictions these are; live as long as the model is held. */
str scored_model_name(const struct scored_model *m);
int64_t scored_model_version(const struct scored_model *m);
const char *scored_model_id(const struct scored_model *m); /* of lineage */
const char *scored_model_flavour(const struct scored_model *m);
const struct signature *scored_model_signature(const struct scored_model *m);

/* What was wrong with a request, as MLflow's scoring server tells it. */
enum scoring_fault { SCORING_FINE, SCORING_BAD_VALUES, SCORING_BAD_COLUMNS, SCORING_BAD_MODEL };
/* Fits the batch to the signature, which changes it, and predicts. The answer lives in `keep`.
 * Counts and measures what was answered. ret_fault is set also when it fails. */
MUST_USE err scoring_predict(struct scored_model *m, struct score_batch *in, arena *keep,
                             struct prediction *ret_prediction, enum scoring_fault *ret_fault);

/* Counts a request that was refused. */
void scoring_count_fault(struct scoring *s, enum scoring_fault fault);

/* Writes what is in memory as JSON objects into an open array: modelId, modelVersion, flavour,
 * bytes, loadedAt. */
void scoring_loaded(struct scoring *s, struct json_out *out);

#endif
