/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mirror.h -- our runs and models, kept up in somebody's MLflow: a destination of the outbox.
 *
 * An event only says that something happened to a run or a model; what it is now is read from the
 * store when the event is sent, so that events that come late, or twice, do no harm. What the other
 * side has of ours carries our id in a tag (skerry.run_id, skerry.model_version_id) and is looked
 * up by it before anything is made. Params, metric points and files that are there already are the
 * same there after another time. What is changed or deleted there carries that tag: what others
 * keep under the same name is theirs.
 *
 * Runs and versions that were imported from an MLflow are not sent: they would go in circles.
 */
#ifndef SKERRY_TRACK_MIRROR_H
#define SKERRY_TRACK_MIRROR_H

#include "platform/blobs/blobs.h"
#include "platform/outbox/outbox.h"
#include "platform/store/store.h"

/* How far the run is that is being sent, so that a long one goes on after a pause. Zeroed. */
struct mirror_progress {
    char run_id[64];
    int phase;
    int64_t metric_id, ts_ms, step;
    double value;
    int is_nan;
    char path[1200]; /* the artifact sent last; before that, the key of a param or tag */
};

struct mirror_config {
    const char *url, *token, *ca_file; /* as net_api_options has them */
    const char *prefix;                /* before the name of an experiment */
    int64_t artifact_bytes_max;        /* larger files stay here; 0: all do */
    struct store *store;
    struct blobs *blobs;
    struct mirror_progress *progress;
};

extern const struct outbox_kind mirror_kind; /* "mlflow"; config: struct mirror_config */

MUST_USE err mirror_check(const struct mirror_config *config, const char *url_setting);

#endif
