/* SPDX-License-Identifier: GPL-3.0-or-later */
/* softmax_regression.h -- multinomial logistic regression: one linear layer and softmax.
 *
 * The loss of training.h plus l2 times the sum of the squared weights of the standardised features,
 * minimised by L-BFGS. Biases are not penalised: how frequent a class is is no complexity. (The
 * reference penalised them, which pulled every class towards the same frequency.) Where there are
 * validation rows, the iteration that judged them best is kept: stopping early holds weights back
 * as a penalty does.
 */
#ifndef SKERRY_LEARN_SOFTMAX_REGRESSION_H
#define SKERRY_LEARN_SOFTMAX_REGRESSION_H

#include "engine/learn/dense.h"
#include "engine/learn/training.h"

struct learn_softmax_options {
    int iterations;
    double l2;
    int patience; /* iterations without a better validation loss */
    double lambda_danger;
    bool class_weights;
};

/* 200 iterations, l2 0.01, patience 25, no danger, class weights. */
struct learn_softmax_options learn_softmax_defaults(void);
/* ERR_INVALID names what is out of range. */
MUST_USE err learn_softmax_check(const struct learn_softmax_options *o);

/* ERR_INVALID for bad options or rows (learn_training_check); what training->report returned, if
 * that was an error. An epoch is an iteration. ret_outcome may be NULL. */
MUST_USE err learn_softmax_train(const struct learn_softmax_options *options,
                                 const struct learn_training *training,
                                 struct learn_dense **ret_dense, struct learn_outcome *ret_outcome);

#endif
