/* SPDX-License-Identifier: GPL-3.0-or-later */
/* elo.c -- Elo difference with a 95 % interval from wins, draws and losses. */
#include "engine/learn/elo.h"

#include <math.h>

#include "engine/learn/metrics.h"

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double difference_of(double score)
{
    if (score <= 0)
        return -LEARN_ELO_MAX;
    if (score >= 1)
        return LEARN_ELO_MAX;
    return clamp(-400 * log10(1 / score - 1), -LEARN_ELO_MAX, LEARN_ELO_MAX);
}

struct learn_elo learn_elo_of(uint64_t wins, uint64_t draws, uint64_t losses)
{
    double w = (double)wins, d = (double)draws, l = (double)losses, n = w + d + l;
    if (n <= 0)
        return (struct learn_elo){
            .score = 0.5, .low = -LEARN_ELO_MAX, .high = LEARN_ELO_MAX, .superiority = 0.5
        };

    /* the interval is symmetric in points, around a centre that z*z imaginary games pull to the
     * middle */
    double extra = LEARN_Z95 * LEARN_Z95 / 2;
    double wide_n = n + 2 * extra, centre = (w + extra + d / 2) / wide_n;
    double spread = ((w + extra) * (1 - centre) * (1 - centre) +
                     d * (0.5 - centre) * (0.5 - centre) + (l + extra) * centre * centre) /
                    wide_n;
    double half = LEARN_Z95 * sqrt(spread / wide_n);

    struct learn_elo elo = { .score = (w + d / 2) / n };
    elo.difference = difference_of(elo.score);
    /* a clean sweep lies outside the shrunken interval: the interval always holds the estimate */
    elo.low = fmin(difference_of(centre - half), elo.difference);
    elo.high = fmax(difference_of(centre + half), elo.difference);
    elo.superiority = w + l > 0 ? 0.5 * (1 + erf((w - l) / sqrt(2 * (w + l)))) : 0.5;
    return elo;
}
