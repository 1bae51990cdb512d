/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pipeline.h -- a model, and everything that is known of how good it is, from a table.
 *
 *   hold-out    the games in order of time, 60/20/20: trained on the oldest, stopped by the next,
 *               judged on the newest, which nothing else has seen
 *   candidate   every fifth game stops the training, the others train: this model is what comes out
 *   folds       the training rows of the hold-out in three folds of whole games: each judged by a
 *               model of the other two, trained for as many epochs as the hold-out found best,
 *               because a fold that also stopped its training would praise itself
 *
 * Standardisation and class weights are of each one's own training rows. No group is in two parts
 * of any of it.
 */
#ifndef SKERRY_LEARN_PIPELINE_H
#define SKERRY_LEARN_PIPELINE_H

#include "engine/learn/classifier.h"
#include "engine/learn/report.h"
#include "engine/learn/training.h"

enum { LEARN_PIPELINE_FOLDS = 3, LEARN_PIPELINE_ROWS_MIN = 50, LEARN_PIPELINE_GROUPS_MIN = 10 };

enum learn_stage { LEARN_STAGE_HOLDOUT, LEARN_STAGE_CANDIDATE, LEARN_STAGE_FOLDS };
const char *learn_stage_name(enum learn_stage stage); /* "holdout", "candidate", "folds" */

struct learn_pipeline {
    const struct learn_table *table; /* its values are `prepare`'s to change, where there is one */
    const struct learn_config *config;
    str feature_set;
    const str *class_names;
    const uint8_t *danger; /* as in training.h */
    uint64_t seed;
    int threads;
    /* Columns whose distribution goes into the model's card (reference.h), LEARN_WATCHED_MAX at
     * most.
     */
    const uint8_t *watched;
    size_t watched_count;
    /* Trains trees; may be NULL for other families. Engines do not know the library: an app hands
     * this to tree_train (platform/scoring). ret_outcome->best_epoch is the number of rounds kept.
     */
    err (*train_trees)(void *arg, const struct learn_tree_options *options,
                       const struct learn_training *training, struct learn_forest **ret_forest,
                       struct learn_outcome *ret_outcome);
    /* Fits what features are made with to the rows that are about to train, and fills in the values
     * of all rows by it: nothing of the rows that judge gets into them. Before each training; NULL
     * where features need nothing. *ret_part is what the model keeps of it (classifier.h), borrowed
     * until the pipeline is done. */
    err (*prepare)(void *arg, enum learn_stage stage, int part, struct learn_rows train,
                   str *ret_part);
    /* After each epoch of each training, `part` counting the folds from 0; may be NULL. An error
     * ends it all and is returned. */
    err (*report)(void *arg, enum learn_stage stage, int part, const struct learn_epoch *epoch);
    /* Every figure, once, when it is known; an error ends it. The names:
     * val_acc_holdout, test_acc_holdout, and of the hold-out's test rows what
     * learn_report_each(.., "test") says: test_accuracy, test_acc_rock, ...;
     * train_acc_production, val_acc_production, val_log_loss_production;
     * cv_fold_1_acc to _3_acc, cv_mean_acc and cv_std_acc (both weighted by rows), cv_log_loss. */
    err (*metric)(void *arg, const char *name, double value);
    void *arg; /* of all of them */
};

/* The candidate, with the configuration as its params, and as its metrics all figures and what it
 * was trained on ("reference"). ERR_INVALID
 * when there are fewer rows or groups than the minima, or a part has only one class; what the
 * callbacks return; what training returns. */
MUST_USE err learn_pipeline_run(const struct learn_pipeline *p,
                                struct learn_classifier **ret_classifier);

/* Rows as trees take them: floats, missing values NAN, a weight each. */
struct learn_matrix {
    float *values, *labels, *weights;
    size_t count;
};
/* class_weights holds class_count. ERR_NO_MEMORY. */
MUST_USE err learn_matrix_init(struct learn_matrix *m, const struct learn_table *table,
                               struct learn_rows rows, const double *class_weights);
void learn_matrix_deinit(struct learn_matrix *m); /* accepts all zero */

#endif
