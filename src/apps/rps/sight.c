/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/rps/sight.h"

static const double *find_known(const struct rps_sight *sight, uint64_t population)
{
    for (size_t i = 0; i < sight->known_count; i++)
        if (sight->known[i].population == population)
            return sight->known[i].features;
    return NULL;
}

const double *rps_sight_features(const struct rps_sight *sight, const struct rps_model *model)
{
    return model->population ? find_known(sight, rps_population_digest(model->population))
                             : sight->contract;
}

bool rps_sight_prepare(const void *shown, const void *const models[SERVING_SLOTS])
{
    struct rps_sight *sight = ((const struct rps_shown *)shown)->sight;
    sight->known_count = 0;
    sight->failure = OK;
    for (int i = 0; i < SERVING_SLOTS; i++) {
        const struct rps_model *model = models[i];
        bool is_ready = false;
        if (!model || rps_sight_features(sight, model))
            continue;
        size_t at = sight->known_count;
        sight->failure = rps_memory_see(sight->memory, model->population, &sight->moment,
                                        sight->may_read, sight->known[at].features, &is_ready);
        if (sight->failure.code || !is_ready)
            return false;
        sight->known[at].population = rps_population_digest(model->population);
        sight->known_count++;
    }
    return true;
}

bool rps_sight_predict(const void *model, const void *shown, float *ret_p)
{
    const struct rps_model *m = model;
    const double *features = rps_sight_features(((const struct rps_shown *)shown)->sight, m);
    if (!features)
        return false;
    learn_classifier_predict(m->classifier, features, ret_p);
    return true;
}
