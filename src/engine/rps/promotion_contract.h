/* SPDX-License-Identifier: GPL-3.0-or-later */
/* promotion_contract.h -- promotion as the contract of this game describes it.
 *
 * Compatible to the bit, and weak: it compares two win rates without asking whether the difference
 * could be chance. It is here so that reports read the same and so that the golden vectors can be
 * run; what serves models decides with platform/serving. Pure functions.
 */
#ifndef SKERRY_RPS_PROMOTION_CONTRACT_H
#define SKERRY_RPS_PROMOTION_CONTRACT_H

#include "engine/rps/assign.h"

enum { RPS_CHALLENGERS = RPS_ALIASES - 1, RPS_PROMOTION_GAMES_MIN = 3 };

enum rps_decision { RPS_SWAP, RPS_RETAIN, RPS_TOO_LITTLE };
const char *rps_decision_name(enum rps_decision decision); /* "swap_production_b" ... */

struct rps_share {
    int64_t hits, total;
};

/* Counters as they stand. */
struct rps_promotion_input {
    struct rps_share games[RPS_ALIASES];    /* won; only Production and B are looked at */
    struct rps_share accuracy[RPS_ALIASES]; /* predictions */
    bool has_baseline;                      /* a swap was recorded before */
    int64_t baseline_production_games, baseline_b_games; /* totals at that time */
    int64_t cycles_since_swap;                           /* of the record before */
};

struct rps_promotion {
    enum rps_decision decision;
    bool has_z; /* z and p are meaningful */
    double z, p;
    bool is_reordered; /* a challenger's slot got another model than its own */
    /* whose model each alias serves from now on */
    enum rps_alias source[RPS_ALIASES];
    double accuracy[RPS_ALIASES]; /* of the source; 0 without predictions */
    int64_t production_games_since_swap, b_games_since_swap, cycles_since_swap;
};

void rps_promotion_decide(const struct rps_promotion_input *in, struct rps_promotion *ret);

#endif
