/* SPDX-License-Identifier: GPL-3.0-or-later */
/* metrics.h -- how good predicted probabilities are: top-k, log loss, calibration, with intervals.
 *
 * A tally is an open value: fill one per thread, merge them in a fixed order, read the result. The
 * same definitions serve every app, so that two numbers with one name mean the same.
 */
#ifndef SKERRY_LEARN_METRICS_H
#define SKERRY_LEARN_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/rand.h"

enum { LEARN_BINS = 15 };
/* A probability of 0 for what happened would make the log loss infinite; it counts as this. */
#define LEARN_PROBABILITY_MIN 1e-9

struct learn_tally {
    uint64_t count;
    uint64_t top1, top3, top5;
    double log_loss; /* sums */
    /* the top choice by its probability, in equal bins of 0..1 */
    uint64_t bin_count[LEARN_BINS], bin_hits[LEARN_BINS];
    double bin_confidence[LEARN_BINS]; /* sum of probabilities */
};

/* How many choices are ahead of `truth`. Equal probabilities rank in index order, so that a model
 * that says nothing is not rewarded for it on average. */
size_t learn_rank(const float *probability, size_t count, size_t truth);

/* Adds one prediction: `count` >= 1 probabilities and the index of what happened. */
void learn_tally_add(struct learn_tally *t, const float *probability, size_t count, size_t truth);
void learn_tally_merge(struct learn_tally *into, const struct learn_tally *from);
/* Expected calibration error (Guo et al. 2017): mean gap between confidence and accuracy over the
 * bins, weighted by how many fall in. 0 when the tally is empty. */
double learn_tally_ece(const struct learn_tally *t);

struct learn_interval {
    double low, high;
};
/* Standard normal quantile for a two-sided 95 % interval. */
#define LEARN_Z95 1.959963984540054
/* Wilson's interval for a share; count 0 gives 0..1. Assumes independent trials: for rows that come
 * in groups use learn_bootstrap. */
struct learn_interval learn_wilson(uint64_t hits, uint64_t count, double z);

/* Sum and number of rows of one group (a game, a person). */
struct learn_group_sum {
    double sum;
    double count;
};
/* 95 % interval of the mean over rows, drawing whole groups with replacement `draws` times (at most
 * LEARN_DRAWS_MAX). group_count 0 gives 0..0. */
enum { LEARN_DRAWS_MAX = 2000 };
struct learn_interval learn_bootstrap(const struct learn_group_sum *groups, size_t group_count,
                                      size_t draws, struct rng *rng);

#endif
