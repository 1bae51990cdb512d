/* SPDX-License-Identifier: GPL-3.0-or-later */
/* metrics.c -- tallies of predictions, and intervals for shares and for grouped means. */
#include "engine/learn/metrics.h"

#include <math.h>
#include <stdlib.h>

size_t learn_rank(const float *probability, size_t count, size_t truth)
{
    size_t ahead = 0;
    for (size_t i = 0; i < count; i++)
        ahead += probability[i] > probability[truth] ||
                 (probability[i] == probability[truth] && i < truth);
    return ahead;
}

static size_t bin_of(double confidence)
{
    double at = confidence * LEARN_BINS;
    if (!(at > 0))
        return 0;
    return at >= LEARN_BINS ? LEARN_BINS - 1 : (size_t)at;
}

void learn_tally_add(struct learn_tally *t, const float *probability, size_t count, size_t truth)
{
    size_t rank = learn_rank(probability, count, truth);
    double confidence = 0;
    for (size_t i = 0; i < count; i++)
        confidence = (double)probability[i] > confidence ? (double)probability[i] : confidence;
    double p = (double)probability[truth];

    t->count++;
    t->top1 += rank < 1;
    t->top3 += rank < 3;
    t->top5 += rank < 5;
    t->log_loss -= log(p > LEARN_PROBABILITY_MIN ? p : LEARN_PROBABILITY_MIN);
    size_t bin = bin_of(confidence);
    t->bin_count[bin]++;
    t->bin_hits[bin] += rank < 1;
    t->bin_confidence[bin] += confidence;
}

void learn_tally_merge(struct learn_tally *into, const struct learn_tally *from)
{
    into->count += from->count;
    into->top1 += from->top1;
    into->top3 += from->top3;
    into->top5 += from->top5;
    into->log_loss += from->log_loss;
    for (size_t b = 0; b < LEARN_BINS; b++) {
        into->bin_count[b] += from->bin_count[b];
        into->bin_hits[b] += from->bin_hits[b];
        into->bin_confidence[b] += from->bin_confidence[b];
    }
}

double learn_tally_ece(const struct learn_tally *t)
{
    double gap = 0;
    for (size_t b = 0; b < LEARN_BINS; b++)
        gap += fabs(t->bin_confidence[b] - (double)t->bin_hits[b]);
    return t->count ? gap / (double)t->count : 0;
}

struct learn_interval learn_wilson(uint64_t hits, uint64_t count, double z)
{
    if (count == 0)
        return (struct learn_interval){ 0, 1 };
    double n = (double)count, p = (double)hits / n, z2 = z * z;
    double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
    double half = z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    return (struct learn_interval){ fmax(0, centre - half), fmin(1, centre + half) };
}

static int double_cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct learn_interval learn_bootstrap(const struct learn_group_sum *groups, size_t group_count,
                                      size_t draws, struct rng *rng)
{
    double means[LEARN_DRAWS_MAX];
    if (draws > LEARN_DRAWS_MAX)
        draws = LEARN_DRAWS_MAX;
    if (group_count == 0 || draws == 0)
        return (struct learn_interval){ 0, 0 };
    for (size_t d = 0; d < draws; d++) {
        double sum = 0, count = 0;
        for (size_t i = 0; i < group_count; i++) {
            const struct learn_group_sum *g = &groups[rng_below(rng, group_count)];
            sum += g->sum;
            count += g->count;
        }
        means[d] = count > 0 ? sum / count : 0;
    }
    qsort(means, draws, sizeof means[0], double_cmp);
    size_t tail = (size_t)(0.025 * (double)draws);
    return (struct learn_interval){ means[tail], means[draws - 1 - tail] };
}
