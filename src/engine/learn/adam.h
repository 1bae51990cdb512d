/* SPDX-License-Identifier: GPL-3.0-or-later */
/* adam.h -- Adam with decoupled weight decay, its moments, and the schedule of the learning rate.
 */
#ifndef SKERRY_LEARN_ADAM_H
#define SKERRY_LEARN_ADAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/learn/kernels.h"

enum learn_decay { LEARN_DECAY_COSINE, LEARN_DECAY_LINEAR };

/* Linear warm-up, then decay to rate * end_share. */
struct learn_schedule {
    enum learn_decay decay;
    double rate;      /* the peak */
    double warm_up;   /* share of the whole training, 0..1 */
    double end_share; /* of the peak, at the end */
};
/* progress 0..1 of the training; what is outside is clamped. */
double learn_schedule_rate(const struct learn_schedule *s, double progress);

struct learn_adam {
    double beta1, beta2, epsilon, weight_decay;
    int64_t step; /* updates done */
    size_t count;
    float *first, *second; /* moments; owned */
};

/* Sets the usual constants (0.9, 0.999, 1e-8). ERR_NO_MEMORY. */
MUST_USE err learn_adam_init(struct learn_adam *a, size_t count);
void learn_adam_deinit(struct learn_adam *a); /* accepts all zero */

/* The numbers of the next update: call once a step, then apply them to every slice of the weights.
 */
struct learn_adam_factors learn_adam_next(struct learn_adam *a, double rate, double gradient_scale);

#endif
