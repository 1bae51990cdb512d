/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tree_train.h -- boosted trees of classes, trained by libxgboost, which is loaded for it.
 *
 * After every round the validation rows are judged; when they have not become better for a while
 * the training ends, and only the rounds up to the best one are handed out. (The reference had that
 * switched off by accident, and kept all.) The model comes as XGBoost's JSON, in slices of rounds:
 * in one piece, a model of a thousand rounds takes hundreds of MiB to read.
 *
 * The same seed and number of threads give the same trees from the same library.
 */
#ifndef SKERRY_SCORING_TREE_TRAIN_H
#define SKERRY_SCORING_TREE_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum {
    TREE_TRAIN_ROUNDS_MAX = 10000,
    TREE_TRAIN_DEPTH_MAX = 12,
    TREE_TRAIN_SLICE_ROUNDS = 32,
};

/* Rows; borrowed for the call. */
struct tree_train_rows {
    const float *values;  /* row after row; NAN is missing, infinities are refused */
    const float *labels;  /* 0 to class_count - 1 */
    const float *weights; /* of rows; NULL: all count the same */
    size_t count;
};

/* The names are XGBoost's. */
struct tree_train_options {
    size_t feature_count, class_count;
    int rounds;  /* n_estimators; a round is a tree for each class */
    double rate; /* learning_rate */
    int depth;   /* max_depth */
    double min_child_weight, subsample, colsample; /* of a tree's features */
    double lambda, alpha, gamma;
    bool is_exact; /* tree_method exact, else hist */
    int patience;  /* early_stopping_rounds; 0: never */
    uint64_t seed; /* XGBoost uses 31 bits of it */
    int threads;   /* 0: one */
    /* How many rounds a slice has; 0: TREE_TRAIN_SLICE_ROUNDS. As many as there are rounds give the
     * model in one piece, which XGBoost's other tools can read. */
    int slice_rounds;
};

/* Losses are mean log losses, weighted as the rows are; NAN without validation rows. */
struct tree_train_round {
    int round, round_max; /* the first is 1 */
    double train_loss, train_accuracy, valid_loss, valid_accuracy;
};

struct tree_train_outcome {
    int rounds;                    /* done */
    int best_round;                /* the last that was handed out */
    double train_loss, valid_loss; /* of that round */
    bool stopped_early;
};

/* Where a training tells how it goes and leaves what it made. Called in the thread of the call; an
 * error ends the training and is returned. */
struct tree_train_ends {
    err (*report)(void *arg, const struct tree_train_round *round); /* may be NULL */
    /* A model of XGBoost as JSON: the next rounds of the result. Valid during the call. */
    err (*slice)(void *arg, str json);
    void *arg;
};

/* `library` is the path of libxgboost; empty: by its usual names (SKERRY_XGBOOST_LIB).
 * ERR_UNSUPPORTED says what to install when it cannot be loaded; ERR_INVALID for options or rows
 * out of range, before that. ret_outcome may be NULL. Any thread; several at once. */
MUST_USE err tree_train(const char *library, const struct tree_train_options *options,
                        const struct tree_train_rows *train, const struct tree_train_rows *valid,
                        const struct tree_train_ends *ends, struct tree_train_outcome *ret_outcome);

#endif
