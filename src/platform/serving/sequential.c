/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sequential.c -- the always-valid comparison of two shares. */
#include "platform/serving/sequential.h"

#include <assert.h>
#include <math.h>

enum { SEARCH_STEPS = 40 }; /* halvings: shares to 1e-12 */

/* 0 log 0 = 0: what never happened says nothing against it being impossible. */
static double times_log(double count, double p)
{
    return count > 0 ? count * log(p) : 0;
}

/* log M(p), but for the part that does not depend on p. */
static double minus_log_likelihood(const struct serving_share_count *c, double p)
{
    return -times_log((double)c->hits, p) - times_log((double)(c->total - c->hits), 1 - p);
}

/* log B(1 + hits, 1 + misses) */
static double log_mixture(const struct serving_share_count *c)
{
    double hits = (double)c->hits, total = (double)c->total;
    return lgamma(hits + 1) + lgamma(total - hits + 1) - lgamma(total + 2);
}

static double slope(const struct serving_share_count *c, double p)
{
    double hits = (double)c->hits, misses = (double)(c->total - c->hits);
    return (misses > 0 ? misses / (1 - p) : 0) - (hits > 0 ? hits / p : 0);
}

/* The smallest log M(p + difference) M(p) over all p: convex in p, so its slope is searched. */
static double profile(const struct serving_share_count *a, const struct serving_share_count *b,
                      double difference)
{
    double low = fmax(0, -difference), high = fmin(1, 1 - difference);
    for (int i = 0; i < SEARCH_STEPS; i++) {
        double p = (low + high) / 2;
        if (slope(a, p + difference) + slope(b, p) > 0)
            high = p;
        else
            low = p;
    }
    double p = (low + high) / 2;
    return log_mixture(a) + log_mixture(b) + minus_log_likelihood(a, p + difference) +
           minus_log_likelihood(b, p);
}

/* From `inside`, where the profile is below `limit`, to `outside`: the difference where it is not
 * any more, or `outside`. */
static double edge(const struct serving_share_count *a, const struct serving_share_count *b,
                   double inside, double outside, double limit)
{
    for (int i = 0; i < SEARCH_STEPS; i++) {
        double middle = (inside + outside) / 2;
        if (profile(a, b, middle) < limit)
            inside = middle;
        else
            outside = middle;
    }
    return outside;
}

void serving_compare(struct serving_share_count challenger, struct serving_share_count champion,
                     double alpha, struct serving_test *ret_test)
{
    assert(alpha > 0 && alpha < 1);
    assert(challenger.hits >= 0 && challenger.hits <= challenger.total);
    assert(champion.hits >= 0 && champion.hits <= champion.total);
    struct serving_test t = { .difference = (double)NAN, .low = -1, .high = 1, .p = 1 };
    if (challenger.total > 0 && champion.total > 0) {
        t.difference = (double)challenger.hits / (double)challenger.total -
                       (double)champion.hits / (double)champion.total;
        t.low = edge(&challenger, &champion, t.difference, -1, -log(alpha));
        t.high = edge(&challenger, &champion, t.difference, 1, -log(alpha));
        /* "Not better" is all pairs with p <= q. The least against it is on the line p = q when the
         * challenger looks better, else at what was observed. */
        t.log_e = profile(&challenger, &champion, t.difference > 0 ? 0 : t.difference);
        t.p = fmin(1, exp(-t.log_e));
    }
    *ret_test = t;
}
