/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forest.h -- boosted trees of classes, asked without the library that trained them.
 *
 * A forest is read from the JSON that XGBoost saves (multi:softprob and multi:softmax of gbtree)
 * and predicts what XGBoost predicts: additions have its order, so the same bits come out (seen
 * with versions 1.7, 3.0 and 3.2). What the library spends on a call is not spent: a tree is eight
 * bytes a node, and eight trees are walked at once, because a walk is nothing but waiting for the
 * next node.
 */
#ifndef SKERRY_LEARN_FOREST_H
#define SKERRY_LEARN_FOREST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "engine/learn/table.h"

enum {
    LEARN_TREES_MAX = 100000,
    LEARN_TREE_NODES_MAX = 65535,
    LEARN_FOREST_NODES_MAX = 4 * 1000 * 1000, /* 36 MB */
    LEARN_FOREST_JSON_BYTES_MAX = 256 * 1024 * 1024,
};

struct learn_forest;

/* Without trees: every class is equally likely. ERR_INVALID beyond the maxima of a table. */
MUST_USE err learn_forest_new(size_t feature_count, size_t class_count,
                              struct learn_forest **ret_forest);
void learn_forest_free(struct learn_forest *f); /* accepts NULL */

/* Adds the trees of a model of XGBoost, as JSON, behind those that are there; so a large model can
 * be handed over in slices of its rounds, and its JSON need not be in memory at once. ERR_INVALID
 * when it is none, or has other features, classes or base scores; ERR_UNSUPPORTED, which says
 * what, for one that works otherwise (dart, categories, other objectives); ERR_TOO_BIG;
 * ERR_NO_MEMORY. The forest is as it was then. */
MUST_USE err learn_forest_add_xgboost(struct learn_forest *f, str json);

size_t learn_forest_feature_count(const struct learn_forest *f);
size_t learn_forest_class_count(const struct learn_forest *f);
size_t learn_forest_tree_count(const struct learn_forest *f);
size_t learn_forest_node_count(const struct learn_forest *f);
size_t learn_forest_bytes(const struct learn_forest *f); /* in memory */

/* What trees see of a feature: a float; what is not finite then is missing, NAN. */
float learn_forest_value(double feature);

/* Fills class_count probabilities, which are finite and sum to 1. No allocation; any number of
 * threads. */
void learn_forest_predict(const struct learn_forest *f, const double *features, float *probability);

/* The body of a model file (classifier.h). Reading checks every count before memory is taken, and
 * that every walk ends: ERR_CORRUPT. */
void learn_forest_write(const struct learn_forest *f, struct buf *out);
MUST_USE err learn_forest_read(struct cursor *c, size_t feature_count, size_t class_count,
                               struct learn_forest **ret_forest);

#endif
