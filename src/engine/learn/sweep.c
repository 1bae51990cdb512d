/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sweep.c -- twelve configurations of each family, as data. The ranges are those of the reference's
 * sweep; its learning rates of the regression mean nothing to L-BFGS and are not here. */
#include "engine/learn/config.h"

/* The ones that are deployed in the reference, for Production, B, shadow1 and shadow2:
 * feedforward_nn c04 c02 c05 c06, xgboost c07 c02 c06 c08, multinomial_logistic c06 c12 c09 c10. */

#define NET(name, rate_, dropout_, decay_, lambda_, count_, ...) \
    {                                                            \
        .id = name, .family = LEARN_NET, .net = {                \
            .hidden_count = count_,                              \
            .hidden = { __VA_ARGS__ },                           \
            .dropout = dropout_,                                 \
            .epochs = 200,                                       \
            .batch = 64,                                         \
            .rate = rate_,                                       \
            .weight_decay = decay_,                              \
            .patience = 15,                                      \
            .plateau = 7,                                        \
            .lambda_danger = lambda_                             \
        }                                                        \
    }
#define LOGIT(name, l2_, lambda_, weights_)           \
    {                                                 \
        .id = name, .family = LEARN_LOGIT, .logit = { \
            .iterations = 200,                        \
            .l2 = l2_,                                \
            .patience = 25,                           \
            .lambda_danger = lambda_,                 \
            .class_weights = weights_                 \
        }                                             \
    }
#define TREES(name, rounds_, rate_, depth_, child_, sub_, col_, l2_, l1_) \
    {                                                                     \
        .id = name, .family = LEARN_TREES, .trees = {                     \
            .rounds = rounds_,                                            \
            .rate = rate_,                                                \
            .depth = depth_,                                              \
            .min_child_weight = child_,                                   \
            .subsample = sub_,                                            \
            .colsample = col_,                                            \
            .lambda = l2_,                                                \
            .alpha = l1_,                                                 \
            .patience = 20                                                \
        }                                                                 \
    }

/* clang-format off */
static const struct learn_config nets[LEARN_SWEEP_COUNT] = {
    /*          rate  drop  decay lambda  hidden layers */
    NET("c01", 1e-3, 0.3,  1e-4, 0.0,  2, 128, 64),
    NET("c02", 1e-3, 0.2,  1e-4, 0.0,  2, 64, 32),
    NET("c03", 1e-3, 0.3,  5e-4, 0.0,  2, 256, 128),
    NET("c04", 1e-3, 0.2,  1e-4, 0.1,  3, 128, 128, 64),
    NET("c05", 5e-4, 0.1,  1e-4, 0.0,  3, 128, 64, 32),
    NET("c06", 5e-4, 0.3,  5e-4, 0.0,  2, 512, 256),
    NET("c07", 5e-4, 0.2,  1e-4, 0.3,  3, 256, 256, 128),
    NET("c08", 1e-3, 0.0,  0.0,  0.0,  2, 64, 32),
    NET("c09", 5e-4, 0.3,  5e-4, 0.1,  2, 128, 64),
    NET("c10", 1e-3, 0.3,  1e-4, 0.3,  2, 256, 128),
    NET("c11", 5e-4, 0.2,  5e-4, 0.6,  3, 128, 128, 64),
    NET("c12", 1e-3, 0.1,  0.0,  0.6,  3, 128, 64, 32),
};
static const struct learn_config logits[LEARN_SWEEP_COUNT] = {
    /*            l2    lambda  class weights */
    LOGIT("c01", 0.0,  0.0, true),
    LOGIT("c02", 0.01, 0.0, true),
    LOGIT("c03", 0.05, 0.0, true),
    LOGIT("c04", 0.1,  0.0, true),
    LOGIT("c05", 0.2,  0.0, true),
    LOGIT("c06", 0.01, 0.0, false),
    LOGIT("c07", 0.4,  0.0, true),
    LOGIT("c08", 1.0,  0.0, true),
    LOGIT("c09", 0.05, 0.0, false),
    LOGIT("c10", 0.01, 0.1, true),
    LOGIT("c11", 0.01, 0.3, true),
    LOGIT("c12", 0.0,  0.0, false),
};
static const struct learn_config forests[LEARN_SWEEP_COUNT] = {
    /*          rounds rate depth child sub  col  lambda alpha */
    TREES("c01",  300, 0.08, 2,   2,  0.8, 0.7, 2,   0.1),
    TREES("c02",  300, 0.08, 3,   2,  0.8, 0.7, 2,   0.1),
    TREES("c03",  300, 0.08, 4,   2,  0.8, 0.7, 2,   0.1),
    TREES("c04",  600, 0.03, 2,   2,  0.8, 0.7, 2,   0.1),
    TREES("c05",  600, 0.03, 3,   2,  0.8, 0.7, 2,   0.1),
    TREES("c06",  600, 0.03, 4,   2,  0.8, 0.7, 2,   0.1),
    TREES("c07",  600, 0.03, 5,   4,  0.8, 0.7, 4,   0.1),
    TREES("c08",  600, 0.03, 6,   6,  0.7, 0.6, 4,   0.5),
    TREES("c09", 1000, 0.03, 3,   2,  0.8, 0.7, 2,   0.1),
    TREES("c10", 1000, 0.03, 4,   4,  0.7, 0.6, 4,   0.5),
    TREES("c11", 1000, 0.03, 5,   6,  0.7, 0.5, 8,   0.5),
    TREES("c12",  300, 0.08, 6,   8,  0.7, 0.5, 8,   1.0),
};
/* clang-format on */

const struct learn_config *learn_sweep(enum learn_family family)
{
    return family == LEARN_NET ? nets : family == LEARN_LOGIT ? logits : forests;
}

const struct learn_config *learn_sweep_find(enum learn_family family, str id)
{
    const struct learn_config *all = learn_sweep(family);
    for (size_t i = 0; i < LEARN_SWEEP_COUNT; i++)
        if (str_eq(id, str_of(all[i].id)))
            return &all[i];
    return NULL;
}
