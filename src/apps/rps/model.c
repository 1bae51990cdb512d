/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/rps/model.h"

#include <stdlib.h>

#include "engine/rps/features.h"

static const struct {
    const char *name;
    size_t feature_count;
} sorts[RPS_SORTS] = {
    [RPS_OF_CONTRACT] = { RPS_CONTRACT_FEATURES, RPS_FEATURES },
    [RPS_OF_PLAYERS] = { RPS_PLAYER_FEATURE_SET, RPS_PLAYER_FEATURES },
};

const char *rps_sort_name(enum rps_sort sort)
{
    return sorts[sort].name;
}

size_t rps_sort_feature_count(enum rps_sort sort)
{
    return sorts[sort].feature_count;
}

enum rps_sort rps_sort_find(str name)
{
    enum rps_sort sort = 0;
    while (sort < RPS_SORTS && !str_eq(name, str_of(sorts[sort].name)))
        sort++;
    return sort;
}

static err check(struct rps_model *m)
{
    const struct learn_card *card = learn_classifier_card(m->classifier);
    m->sort = rps_sort_find(card->feature_set);
    if (m->sort == RPS_SORTS || card->feature_count != sorts[m->sort].feature_count ||
        card->class_count != RPS_MOVES)
        return ERR(ERR_UNSUPPORTED,
                   "the model takes %zu features of set '%.*s' and tells %zu classes apart; asked "
                   "are %d of '" RPS_CONTRACT_FEATURES "' or %d of '" RPS_PLAYER_FEATURE_SET
                   "' for %d moves",
                   card->feature_count, STR_ARG(card->feature_set), card->class_count, RPS_FEATURES,
                   RPS_PLAYER_FEATURES, RPS_MOVES);
    if (m->sort == RPS_OF_PLAYERS)
        return rps_population_read(card->part, &m->population);
    return card->part.len == 0
               ? OK
               : ERR(ERR_UNSUPPORTED, "the model's features are made with something that those "
                                      "of '" RPS_CONTRACT_FEATURES "' do not need");
}

err rps_model_load(str bytes, struct rps_model **ret_model)
{
    struct rps_model *m = calloc(1, sizeof *m);
    if (!m)
        return ERR(ERR_NO_MEMORY, "loading a model: out of memory");
    err e = learn_classifier_load(bytes, &m->classifier);
    if (!e.code)
        e = check(m);
    if (e.code) {
        rps_model_free(m);
        return e;
    }
    *ret_model = m;
    return OK;
}

void rps_model_free(struct rps_model *model)
{
    if (!model)
        return;
    learn_classifier_free(model->classifier);
    rps_population_free(model->population);
    free(model);
}
