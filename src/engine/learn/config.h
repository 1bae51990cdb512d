/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config.h -- what a training is asked for, of any of the three families, and twelve of each to
 * choose from.
 *
 * A configuration is a value that is handed on; nothing is read from the environment. (The
 * reference did, and a family that was trained later got the hyper-parameters of an earlier one.)
 * As JSON it is one flat object, which is what is logged, kept in a model and read from a request.
 */
#ifndef SKERRY_LEARN_CONFIG_H
#define SKERRY_LEARN_CONFIG_H

#include "base/json.h"
#include "engine/learn/mlp.h"
#include "engine/learn/softmax_regression.h"

/* The numbers are in model files: they stay. */
enum learn_family { LEARN_LOGIT = 1, LEARN_NET = 2, LEARN_TREES = 3, LEARN_FAMILY_END };

/* "multinomial_logistic", "feedforward_nn", "xgboost" */
const char *learn_family_name(enum learn_family family);
/* ERR_INVALID names the three. */
MUST_USE err learn_family_find(str name, enum learn_family *ret_family);

/* What libxgboost is asked for (platform/scoring/tree_train.h). */
struct learn_tree_options {
    int rounds;
    double rate;
    int depth;
    double min_child_weight, subsample, colsample, lambda, alpha, gamma;
    bool is_exact; /* tree_method exact, else hist */
    int patience;  /* rounds; 0: never stop early */
    bool class_weights;
};

struct learn_config {
    const char *id; /* "c07"; NULL for one that is in no list */
    enum learn_family family;
    union {
        struct learn_softmax_options logit;
        struct learn_mlp_options net;
        struct learn_tree_options trees;
    };
};

struct learn_config learn_config_default(enum learn_family family);

/* The twelve of a family, "c01" to "c12". NULL for an id that is not there. */
enum { LEARN_SWEEP_COUNT = 12 };
const struct learn_config *learn_sweep(enum learn_family family); /* LEARN_SWEEP_COUNT of them */
const struct learn_config *learn_sweep_find(enum learn_family family, str id);

/* Changes what the object names and leaves the rest. ERR_INVALID for a name that the family does
 * not have, a value of another kind or out of range; the configuration is as it was then.
 *
 *   feedforward_nn        hidden (widths), dropout, epochs, batch_size, learning_rate,
 *                         weight_decay, patience, reduce_lr_patience, lambda_danger,
 *                         use_class_weights
 *   multinomial_logistic  iterations, l2_lambda, patience, lambda_danger, use_class_weights
 *   xgboost               n_estimators, learning_rate, max_depth, min_child_weight, subsample,
 *                         colsample_bytree, reg_lambda, reg_alpha, gamma, exact,
 *                         early_stopping_rounds, use_class_weights
 */
MUST_USE err learn_config_read(struct learn_config *config, const struct json *object);
/* Writes all of it into an open object. */
void learn_config_write(const struct learn_config *config, struct json_out *out);

#endif
