/* SPDX-License-Identifier: GPL-3.0-or-later */
/* experiments.h -- experiments as people and MLflow clients manage them: named groups of runs.
 *
 * Names are unique among active and deleted ones. A deleted experiment keeps its rows and can be
 * restored; its runs go and come back with it. Experiment 0, Default, is always there. Messages of
 * errors are MLflow's where clients read them. Any thread.
 */
#ifndef SKERRY_TRACK_EXPERIMENTS_H
#define SKERRY_TRACK_EXPERIMENTS_H

#include "platform/track/track.h"

struct track_tag {
    str key, value;
};

struct experiment_info {
    int64_t id;
    str name, artifact_location;
    bool is_deleted;
    int64_t created_ms, updated_ms;
    struct track_tag *tags; /* by key */
    size_t tag_count;
};

struct experiment_spec {
    str name;              /* 1 to 500 bytes */
    str artifact_location; /* empty: mlflow-artifacts:/<id> */
    const struct track_tag *tags;
    size_t tag_count;
};
/* ERR_CONFLICT when the name is taken, by a deleted one too; ERR_INVALID for a name, location or
 * tag that cannot be. */
MUST_USE err experiment_create(struct track *t, const struct experiment_spec *spec,
                               int64_t *ret_id);
/* Deleted ones too. ERR_NOT_FOUND. */
MUST_USE err experiment_get(struct track *t, int64_t id, arena *keep,
                            struct experiment_info *ret_info);
MUST_USE err experiment_get_by_name(struct track *t, str name, arena *keep,
                                    struct experiment_info *ret_info);
/* Many at once, in the order of ids, without those that are not there. */
MUST_USE err experiments_read(struct track *t, const int64_t *ids, size_t count, arena *keep,
                              struct experiment_info **ret_infos, size_t *ret_count);
/* ERR_INVALID when it is deleted. */
MUST_USE err experiment_rename(struct track *t, int64_t id, str name);
/* Its active runs are deleted with it. ERR_NOT_FOUND when it is deleted already. */
MUST_USE err experiment_delete(struct track *t, int64_t id);
/* All its runs come back. ERR_NOT_FOUND when it is not deleted. */
MUST_USE err experiment_restore(struct track *t, int64_t id);
MUST_USE err experiment_tag_set(struct track *t, int64_t id, str key, str value);
MUST_USE err experiment_tag_delete(struct track *t, int64_t id, str key);
/* Within a transaction: it is there and active, or ERR_NOT_FOUND, or ERR_INVALID. */
MUST_USE err experiment_need_active(struct store_read *rd, int64_t id);

#endif
