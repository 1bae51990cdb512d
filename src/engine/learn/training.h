/* SPDX-License-Identifier: GPL-3.0-or-later */
/* training.h -- what every trainer of classes is given, says while it works, and answers.
 *
 * The loss is the same for all that minimise one: the mean over rows of the cross-entropy, weighted
 * by class where that is asked for, plus lambda times the mean probability of the class that is
 * dangerous to expect. "Dangerous" is the subject's word: expecting rock where scissors come loses
 * the round, expecting paper only draws it. The penalty shapes the weights and stays out of
 * serving: probabilities that are scaled afterwards are no longer calibrated.
 */
#ifndef SKERRY_LEARN_TRAINING_H
#define SKERRY_LEARN_TRAINING_H

#include <stdbool.h>

#include "engine/learn/table.h"

/* One pass over the training rows, one iteration, or one round of trees. */
struct learn_epoch {
    int epoch, epoch_max; /* the first is 1 */
    double train_loss, train_accuracy;
    double valid_loss, valid_accuracy; /* NAN without validation rows */
    double rate;                       /* learning rate, or length of the step */
};

struct learn_training {
    const struct learn_table *table;
    struct learn_rows train;
    struct learn_rows valid; /* count 0: nothing stops early and the last weights are kept */
    /* class_count entries: the dangerous one when this class is the truth. NULL where no
     * configuration has a lambda. */
    const uint8_t *danger;
    uint64_t seed; /* the same seed gives the same model, on the same kernels and library */
    int threads;   /* for trees; the others use the caller's alone. 0: one */
    /* Called after each epoch, in the caller's thread; may be NULL. An error ends the training,
     * which returns it: ERR_CANCELLED is how it is stopped. */
    err (*report)(void *arg, const struct learn_epoch *epoch);
    void *arg;
};

/* How it went. */
struct learn_outcome {
    int epochs;                    /* done */
    int best_epoch;                /* whose weights were kept */
    double train_loss, valid_loss; /* of that epoch */
    bool stopped_early;
};

/* ERR_INVALID unless there are at least two training rows of two classes, every index is a row of
 * the table, and dangers are classes. */
MUST_USE err learn_training_check(const struct learn_training *t);

/* Weights of the loss by class: learn_table_class_weights over the training rows, or 1. */
void learn_training_weights(const struct learn_training *t, bool balanced, double *ret_weights);

/* Sums of the loss over rows. */
struct learn_loss {
    double cross_entropy, weight; /* weighted */
    double danger;                /* sum of the probabilities */
    uint64_t count, hits;
};
/* Adds a prediction; class_weight of its label. */
void learn_loss_add(struct learn_loss *l, const float *probability, size_t class_count,
                    size_t label, double class_weight, const uint8_t *danger);
double learn_loss_value(const struct learn_loss *l, double lambda);
double learn_loss_accuracy(const struct learn_loss *l);

#endif
