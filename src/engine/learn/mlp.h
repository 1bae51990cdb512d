/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mlp.h -- a feed-forward network of classes, trained: for each hidden layer a linear map, batch
 * norm, ReLU and dropout, then a linear map and softmax.
 *
 * Adam on mini-batches; the loss of training.h. After every epoch the validation rows are judged:
 * when they have not become better for `plateau` epochs the learning rate is halved, after
 * `patience` the training ends, and the weights of the best epoch are what is returned. In the
 * calling thread alone: networks of this size are trained in seconds, and several at once are
 * trained by several threads.
 */
#ifndef SKERRY_LEARN_MLP_H
#define SKERRY_LEARN_MLP_H

#include "engine/learn/dense.h"
#include "engine/learn/training.h"

enum { LEARN_HIDDEN_MAX = LEARN_LAYERS_MAX - 1 };
enum { LEARN_EPOCHS_MAX = 100000, LEARN_BATCH_MAX = 4096 };

struct learn_mlp_options {
    size_t hidden_count;
    uint32_t hidden[LEARN_HIDDEN_MAX]; /* widths; multiples of 16 waste nothing */
    double dropout; /* share of units that a step leaves out; rounded to 1/256. 0 to below 1 */
    int epochs;
    int batch;           /* rows in a step; one that would be left alone joins the last */
    double rate;         /* of Adam, at the start */
    double weight_decay; /* added to the gradient as this times the weight (L2), matrices only */
    int patience;        /* epochs */
    int plateau;         /* epochs */
    double lambda_danger;
    bool class_weights;
};

/* Hidden 64 and 32, dropout 0.3, 200 epochs of batches of 64, rate 0.003, decay 0.0001, patience
 * 15, plateau 7, no danger, no class weights. */
struct learn_mlp_options learn_mlp_defaults(void);
/* ERR_INVALID names what is out of range. */
MUST_USE err learn_mlp_check(const struct learn_mlp_options *o);

/* Without validation rows all epochs are done and the last weights returned. ERR_INVALID for bad
 * options or rows (learn_training_check), or when the loss stops being a number; what
 * training->report returned, if that was an error. ret_outcome may be NULL. */
MUST_USE err learn_mlp_train(const struct learn_mlp_options *options,
                             const struct learn_training *training, struct learn_dense **ret_dense,
                             struct learn_outcome *ret_outcome);

#endif
