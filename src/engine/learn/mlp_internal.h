/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mlp_internal.h -- the network while it is trained. Private to mlp.c, mlp_batch.c and their test.
 */
#ifndef SKERRY_LEARN_MLP_INTERNAL_H
#define SKERRY_LEARN_MLP_INTERNAL_H

#include "base/rand.h"
#include "engine/learn/mlp.h"

#define MLP_NORM_EPSILON 1e-5f
#define MLP_NORM_MOMENTUM 0.1f

/* Where a layer's parts stand in the array of weights. Rows of a matrix are padded as in dense.h;
 * what is beyond the width is zero and stays so, because its gradient is. A hidden layer has no
 * bias: the shift of the batch norm is one. */
struct mlp_layer {
    size_t inputs, outputs; /* padded, but for the features */
    size_t matrix;
    size_t scale, shift; /* of the batch norm; the last layer has a bias at shift, and no scale */
    /* Of the batch that is being looked at, row_max x outputs. */
    float *normal; /* after batch norm, before its scale */
    float *out;    /* after dropout; of the last layer, probabilities */
    float *d_out;
    float *deviation; /* 1 / sqrt(variance), outputs */
    uint8_t *drop;    /* random bytes, row_max x outputs */
    float *running_mean, *running_variance;
};

struct mlp {
    struct learn_dense_shape shape;
    const struct learn_kernels *kernels;
    struct mlp_layer layers[LEARN_LAYERS_MAX];
    size_t weight_count;
    float *weights, *gradient;
    float *transposed; /* room for the largest matrix */
    size_t row_max;
    int drop_below; /* bytes below are dropped; 0: nothing is */
    float *floats;  /* what the pointers above point into */
    uint8_t *bytes;
};

/* What makes a loss of probabilities. */
struct mlp_loss {
    const double *class_weights;
    const uint8_t *danger; /* NULL: lambda counts as 0 */
    double lambda;
};

/* Xavier-uniform weights (Glorot and Bengio 2010), scale 1, the rest 0. */
MUST_USE err mlp_init(struct mlp *m, const struct learn_dense_shape *shape, size_t row_max,
                      double dropout, struct rng *rng);
void mlp_deinit(struct mlp *m); /* accepts all zero */

/* Fresh bytes to drop by. */
void mlp_draw(struct mlp *m, size_t rows, struct rng *rng);
/* The gradient of the mean loss over 2 or more rows of feature_count floats, into m->gradient,
 * which it overwrites; adds the loss of the rows to *sum and moves the running statistics. */
void mlp_step(struct mlp *m, const float *rows, const uint8_t *labels, size_t row_count,
              const struct mlp_loss *loss, struct learn_loss *sum);
/* The network as it serves, from the running statistics; d has the same shape. */
void mlp_fold(const struct mlp *m, struct learn_dense *d);

#endif
