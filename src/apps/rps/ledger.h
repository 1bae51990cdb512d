/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ledger.h -- decisions about promotion as the API of this game tells them: those that
 * platform/serving made, and those that another program reports (rps_promotion_events). */
#ifndef SKERRY_RPS_LEDGER_H
#define SKERRY_RPS_LEDGER_H

#include "apps/rps/rps_app.h"

struct rps_event {
    int64_t id, at_ms;
    str model_type, decision;
    double z, p; /* NAN: not known */
    int64_t production_wins, production_games, b_wins, b_games;
    bool is_reordered;
    str rankings, accuracies, assignments; /* JSON arrays */
    int64_t production_since, b_since, cycles;
    str reason, source;
};

struct rps_event_filter {
    str model_type, decision; /* empty: any */
    int64_t since_ms, limit;
};

extern const char rps_schema_events[];

/* Newest first, of both kinds; at most filter->limit. */
MUST_USE err rps_events_read(struct house *h, const struct rps_event_filter *filter, arena *keep,
                             struct rps_event **ret_events, size_t *ret_count);
/* Our own of a family alone, newest first; at most 200. */
MUST_USE err rps_events_own(struct rps_state *s, enum rps_family family, int64_t limit, arena *keep,
                            struct rps_event **ret_events, size_t *ret_count);
/* Adds a report; sets id. With `computes_since`, the three counts since the last swap are computed
 * from the reports before. */
MUST_USE err rps_event_insert(struct store_tx *tx, struct rps_event *event, bool computes_since,
                              str payload);

/* The share of the challenger's wins less the champion's, in standard errors, and the chance of as
 * much by chance; NAN where there is none. */
void rps_two_shares(int64_t wins_b, int64_t games_b, int64_t wins_p, int64_t games_p, double *ret_z,
                    double *ret_p);

#endif
