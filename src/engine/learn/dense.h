/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dense.h -- standardisation, then linear layers with ReLU between them, then softmax: what a
 * trained network and a trained logistic regression are when they serve.
 *
 * Batch norm is folded into the linear layers when training ends (mlp.h). Standardisation is not:
 * it is done in double before the first layer, which costs nanoseconds, because a mean folded into
 * a float bias would cost a feature that is far from zero its digits.
 */
#ifndef SKERRY_LEARN_DENSE_H
#define SKERRY_LEARN_DENSE_H

#include <stddef.h>

#include "base/buf.h"
#include "engine/learn/kernels.h"
#include "engine/learn/table.h"

enum { LEARN_LAYERS_MAX = 7, LEARN_WIDTH_MAX = 1024 };

/* Sizes: `width[layer_count]` outputs, the last one being the classes. */
struct learn_dense_shape {
    size_t feature_count;
    size_t layer_count;
    size_t width[LEARN_LAYERS_MAX];
};
/* ERR_INVALID above the maxima or for anything that is zero. */
MUST_USE err learn_dense_shape_check(const struct learn_dense_shape *s);

struct learn_dense {
    struct learn_dense_shape shape;
    double *mean, *inverse_scale; /* feature_count each */
    /* Each layer: for each input a row of outputs, then the biases. Rows are as wide as the next
     * multiple of LEARN_LANES; what is beyond the width is zero. */
    float *weights[LEARN_LAYERS_MAX];
    const struct learn_kernels *kernels;
    float *memory; /* private: what weights point into */
};

/* All zero, scales 1. ERR_INVALID, ERR_NO_MEMORY. */
MUST_USE err learn_dense_new(const struct learn_dense_shape *shape, struct learn_dense **ret_dense);
void learn_dense_free(struct learn_dense *d); /* accepts NULL */

size_t learn_dense_bytes(const struct learn_dense *d);                /* in memory */
size_t learn_dense_inputs(const struct learn_dense *d, size_t layer); /* as in memory: padded */
size_t learn_dense_padded(size_t width);
float *learn_dense_bias(const struct learn_dense *d, size_t layer);

/* Whether every number is one that a file may hold. */
bool learn_dense_is_sane(const struct learn_dense *d);

/* Fills class_count probabilities, which are finite and sum to 1 whatever the features are: one
 * that is missing counts as its mean; were numbers to overflow, every class is equally likely. No
 * allocation; any number of threads. */
void learn_dense_predict(const struct learn_dense *d, const double *features, float *probability);

/* The body of a model file (classifier.h). Reading checks sizes before memory is taken and refuses
 * numbers that are not sane: ERR_CORRUPT. */
void learn_dense_write(const struct learn_dense *d, struct buf *out);
MUST_USE err learn_dense_read(struct cursor *c, size_t feature_count, size_t class_count,
                              struct learn_dense **ret_dense);

/* 64-byte aligned memory for floats, zeroed; free() gives it back. NULL when there is none. */
float *learn_floats(size_t count);

#endif
