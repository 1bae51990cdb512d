/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_internal.h -- what the files about clients' runs share. Not for other rooms. */
#ifndef SKERRY_TRACK_CLIENT_INTERNAL_H
#define SKERRY_TRACK_CLIENT_INTERNAL_H

#include "platform/track/client_runs.h"
#include "platform/track/track_internal.h"

#define CLIENT_TAG_RUN_NAME STR("mlflow.runName")
#define CLIENT_TAG_CONTEXT STR("mlflow.data.context")
#define CLIENT_TAG_MODELS STR("mlflow.log-model.history")

/* What every change of a client's run begins with: the run is there and active, and what was kept
 * of its data is no more. */
MUST_USE err client_write_begin(struct store_tx *tx, str run_id);
/* Sets a tag; of mlflow.runName the run's name, too. */
MUST_USE err client_tag_put(struct store_tx *tx, str run_id, const struct track_tag *tag);

/* Key of a param, metric or tag, by MLflow's rule and in its words: `list` and `index` say which
 * one of a batch it is; CLIENT_ALONE, or list NULL: the only one. */
#define CLIENT_ALONE SIZE_MAX
MUST_USE err client_check_key(const char *list, size_t index, const char *field, str key);
/* The data of a page's runs, in its order; zeroed runs are enough. */
struct bulk;
MUST_USE err client_data_read(struct bulk *b, struct client_run *runs);
/* Asks the flusher to keep the data of those that are worth it. It may have too much to do. */
void client_data_want(struct track *t, const struct client_run *runs, size_t count);

/* The first characters_max characters. */
str client_cut(str text, size_t characters_max);
size_t client_characters(str text);
/* "calm-otter-17", for what nobody named. */
void client_name_make(char out[64]);

/* Where a page of a metric's history ended, and the text that says so to the next request. */
struct client_place {
    int64_t ts_ms, step;
    double value; /* finite */
    int64_t is_nan;
};
MUST_USE err client_token_read(str token, struct client_place *ret_place);
MUST_USE err client_token_make(const struct client_place *place, arena *keep, str *ret_token);

#endif
