/* SPDX-License-Identifier: GPL-3.0-or-later */
/* counts.h -- what this app counts. Names and labels follow the contract; each has one meaning, and
 * every known set of labels is there from the start, as zero. Counted is what is stored. */
#ifndef SKERRY_RPS_COUNTS_H
#define SKERRY_RPS_COUNTS_H

#include "apps/rps/choose.h"

extern const struct metric_family rps_metrics[];

/* Makes all cells. */
MUST_USE err rps_counts_open(struct rps_state *s, struct rps_counts **ret_counts);
/* Gauges that are computed from counters and from what serves. */
MUST_USE err rps_counts_refresh(struct rps_state *s);
void rps_counts_close(struct rps_counts *c); /* accepts NULL */

/* A game that is in the store. */
void rps_count_start(struct rps_counts *c, const struct rps_live *live, size_t live_count);
/* A round that is in the store; `after` is the game with it. */
void rps_count_round(struct rps_counts *c, const struct rps_live *live,
                     const struct rps_choice *choice, const struct rps_round *round,
                     const struct rps_game *after);
/* A promotion that was reported and is stored; `rankings` may be NULL. */
struct rps_event;
void rps_count_promotion(struct rps_counts *c, const struct rps_event *event,
                         const struct json *rankings);
/* seconds: NAN when they are not known. */
void rps_count_training(struct rps_counts *c, enum rps_family family, bool is_success,
                        double seconds);

#endif
