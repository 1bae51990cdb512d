/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_trees.c -- between the pipeline, which knows no library, and libxgboost, which trains. */
#include "apps/rps/train.h"
#include "platform/scoring/tree_train.h"

struct trees {
    const struct learn_training *training;
    struct learn_forest *forest;
};

static err report(void *arg, const struct tree_train_round *r)
{
    const struct learn_training *t = ((const struct trees *)arg)->training;
    struct learn_epoch epoch = { .epoch = r->round,
                                 .epoch_max = r->round_max,
                                 .train_loss = r->train_loss,
                                 .train_accuracy = r->train_accuracy,
                                 .valid_loss = r->valid_loss,
                                 .valid_accuracy = r->valid_accuracy };
    return t->report ? t->report(t->arg, &epoch) : OK;
}

static err take_slice(void *arg, str json)
{
    return learn_forest_add_xgboost(((struct trees *)arg)->forest, json);
}

static err train(const char *library, struct trees *trees, const struct learn_tree_options *o,
                 const struct learn_matrix *train, const struct learn_matrix *valid,
                 struct tree_train_outcome *ret_outcome)
{
    const struct learn_table *table = trees->training->table;
    struct tree_train_options options = { .feature_count = table->feature_count,
                                          .class_count = table->class_count,
                                          .rounds = o->rounds,
                                          .rate = o->rate,
                                          .depth = o->depth,
                                          .min_child_weight = o->min_child_weight,
                                          .subsample = o->subsample,
                                          .colsample = o->colsample,
                                          .lambda = o->lambda,
                                          .alpha = o->alpha,
                                          .gamma = o->gamma,
                                          .is_exact = o->is_exact,
                                          .patience = valid->count ? o->patience : 0,
                                          .seed = trees->training->seed,
                                          .threads = trees->training->threads };
    struct tree_train_rows rows = { train->values, train->labels, train->weights, train->count };
    struct tree_train_rows judge = { valid->values, valid->labels, valid->weights, valid->count };
    struct tree_train_ends ends = { report, take_slice, trees };
    return tree_train(library, &options, &rows, valid->count ? &judge : NULL, &ends, ret_outcome);
}

err rps_train_trees(const char *library, const struct learn_tree_options *options,
                    const struct learn_training *training, struct learn_forest **ret_forest,
                    struct learn_outcome *ret_outcome)
{
    const struct learn_table *table = training->table;
    double weights[LEARN_CLASSES_MAX];
    struct learn_matrix rows = { 0 }, judge = { 0 };
    struct trees trees = { .training = training };
    struct tree_train_outcome outcome = { 0 };
    TRY(learn_forest_new(table->feature_count, table->class_count, &trees.forest));
    learn_training_weights(training, options->class_weights, weights);
    err e = learn_matrix_init(&rows, table, training->train, weights);
    if (!e.code && training->valid.count)
        e = learn_matrix_init(&judge, table, training->valid, weights);
    if (!e.code)
        e = train(library, &trees, options, &rows, &judge, &outcome);
    learn_matrix_deinit(&rows);
    learn_matrix_deinit(&judge);
    if (e.code) {
        learn_forest_free(trees.forest);
        return e;
    }
    *ret_outcome = (struct learn_outcome){ .epochs = outcome.rounds,
                                           .best_epoch = outcome.best_round,
                                           .train_loss = outcome.train_loss,
                                           .valid_loss = outcome.valid_loss,
                                           .stopped_early = outcome.stopped_early };
    *ret_forest = trees.forest;
    return OK;
}
