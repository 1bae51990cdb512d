/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sight.h -- what the models of a family are shown of a round, each in the features that it takes.
 *
 * A family may have models of both sets of features, and each model of "player-history" has a
 * population of its own: which vectors are needed is known when the models are at hand, so they are
 * made then (serving_family.prepare), one for each population.
 */
#ifndef SKERRY_RPS_SIGHT_H
#define SKERRY_RPS_SIGHT_H

#include "apps/rps/memory.h"
#include "apps/rps/model.h"
#include "engine/rps/features.h"
#include "platform/serving/serving.h"

struct rps_sight {
    double contract[RPS_FEATURES];
    struct rps_moment moment;
    struct rps_memory *memory;
    bool may_read; /* a worker: the store may be asked */

    /* what came of it */
    size_t known_count;
    struct {
        uint64_t population;
        double features[RPS_PLAYER_FEATURES];
    } known[SERVING_SLOTS];
    err failure;
};

/* The input of the families' models. */
struct rps_shown {
    struct rps_sight *sight;
};

/* For struct serving_family. prepare is false when it has to go on elsewhere (not may_read), or
 * when it failed. */
bool rps_sight_prepare(const void *shown, const void *const models[SERVING_SLOTS]);
bool rps_sight_predict(const void *model, const void *shown, float *ret_p);

/* What this model is shown; NULL when it was not prepared for it. */
const double *rps_sight_features(const struct rps_sight *sight, const struct rps_model *model);

#endif
