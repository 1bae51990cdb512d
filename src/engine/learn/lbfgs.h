/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lbfgs.h -- finds where a smooth function of many variables is least, from its value and gradient.
 *
 * L-BFGS with the two-loop recursion (Nocedal and Wright, Numerical Optimization, 2nd edition,
 * algorithms 7.4 and 7.5) and a line search for the strong Wolfe conditions (algorithms 3.5 and
 * 3.6). Nothing in it is random, and sums have a fixed order: the same start gives the same bits.
 */
#ifndef SKERRY_LEARN_LBFGS_H
#define SKERRY_LEARN_LBFGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* The value at x; fills the gradient. Both hold `count`. */
typedef double (*learn_lbfgs_function)(void *arg, const double *x, double *gradient);

enum learn_lbfgs_end {
    LEARN_LBFGS_CONVERGED, /* the gradient or the last gain is nothing beside the value */
    LEARN_LBFGS_ITERATIONS,
    LEARN_LBFGS_STUCK,   /* no step along the line is better: rounding, or a wrong gradient */
    LEARN_LBFGS_STOPPED, /* `after` said so */
};

struct learn_lbfgs_iteration {
    int iteration; /* the first is 1 */
    double value, step;
    const double *x;
};

struct learn_lbfgs {
    size_t count;
    int iterations;   /* at most */
    double tolerance; /* of the gradient's norm beside max(1, norm of x); 1e-5 is usual */
    learn_lbfgs_function function;
    /* After each iteration; may be NULL. An error ends it and is returned; *stop ends it as well.
     */
    err (*after)(void *arg, const struct learn_lbfgs_iteration *i, bool *stop);
    void *arg; /* of both */
};

/* Starts at x and leaves the best place found there. ERR_INVALID when the value at the start is no
 * number; ERR_NO_MEMORY. */
MUST_USE err learn_lbfgs_minimise(const struct learn_lbfgs *problem, double *x, double *ret_value,
                                  enum learn_lbfgs_end *ret_end);

#endif
