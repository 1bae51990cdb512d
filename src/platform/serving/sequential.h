/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sequential.h -- is one share larger than another, asked as often as one likes?
 *
 * Each side is a stream of successes and failures. For a share p, the betabinomial likelihood ratio
 *     M(p) = B(1 + hits, 1 + misses) / (p^hits (1 - p)^misses)
 * is a martingale with mean 1 when p is true (a mixture of likelihood ratios; Robbins 1970). So is
 * the product of two sides', in whatever order and rhythm their observations come. By Ville's
 * inequality it ever exceeds 1/alpha with a chance of at most alpha: the pairs (p, q) with M(p)
 * M(q) below 1/alpha hold the truth at *all* times at once with a chance of 1 - alpha. No normal
 * approximation, no plan of looks, no rule for the sizes. Why this one: docs/adr/017.
 */
#ifndef SKERRY_SERVING_SEQUENTIAL_H
#define SKERRY_SERVING_SEQUENTIAL_H

#include <stdint.h>

struct serving_share_count {
    int64_t hits, total;
};

struct serving_test {
    double difference; /* challenger's share less the champion's, as observed; NAN: no data */
    double low, high;  /* holds the true difference at all times, with a chance of 1 - alpha */
    double
        log_e; /* evidence against "the challenger is not better", natural logarithm; <= 0: none */
    double p;  /* always valid: may be looked at after every observation */
};

/* Decide for the challenger when p <= alpha, which is when low >= 0: wrong with a chance of at most
 * alpha, however often it is asked. alpha in (0, 1). */
void serving_compare(struct serving_share_count challenger, struct serving_share_count champion,
                     double alpha, struct serving_test *ret_test);

#endif
