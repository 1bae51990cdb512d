/* SPDX-License-Identifier: GPL-3.0-or-later */
/* elo.h -- how much stronger one player is than another, from the results of a match. */
#ifndef SKERRY_LEARN_ELO_H
#define SKERRY_LEARN_ELO_H

#include <stdint.h>

/* Differences are kept within this: a match without a loss says "much stronger", not "infinitely".
 */
#define LEARN_ELO_MAX 1200.0

struct learn_elo {
    double score;       /* points per game, 0..1 */
    double difference;  /* logistic Elo; positive: the first player is stronger */
    double low, high;   /* 95 % interval of the difference */
    double superiority; /* probability that the first player is the stronger one, 0..1 */
};

/* From wins, draws and losses of the first player. The interval adds two wins and two losses' worth
 * of doubt (Agresti and Coull 1998), so that it stays honest for short and for one-sided matches.
 * No games give a difference of 0 within -MAX..MAX. Games are taken as independent: pairs with
 * swapped colours make the true interval a little narrower. */
struct learn_elo learn_elo_of(uint64_t wins, uint64_t draws, uint64_t losses);

#endif
