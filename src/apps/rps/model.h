/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model.h -- a version that is asked: a classifier, and what its features are made with. */
#ifndef SKERRY_RPS_MODEL_H
#define SKERRY_RPS_MODEL_H

#include "engine/learn/classifier.h"
#include "engine/rps/player.h"

#define RPS_CONTRACT_FEATURES "contract-50"

/* Which features a model takes. */
enum rps_sort {
    RPS_OF_CONTRACT, /* the game alone: engine/rps/features.h */
    RPS_OF_PLAYERS,  /* who plays, too: engine/rps/player.h */
    RPS_SORTS
};
const char *rps_sort_name(enum rps_sort sort);
size_t rps_sort_feature_count(enum rps_sort sort);
enum rps_sort rps_sort_find(str name); /* RPS_SORTS: none of them */

/* Never changed once loaded; any thread. */
struct rps_model {
    enum rps_sort sort;
    struct learn_classifier *classifier;
    struct rps_population *population; /* NULL for models of the contract's features */
};
/* ERR_UNSUPPORTED for a model of other features or classes; ERR_CORRUPT. */
MUST_USE err rps_model_load(str bytes, struct rps_model **ret_model);
void rps_model_free(struct rps_model *model); /* accepts NULL */

#endif
