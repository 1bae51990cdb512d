/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sim.h -- games without people: a bot, or chance, plays as the user; in this process, or against a
 * server as a load generator. */
#ifndef SKERRY_RPS_SIM_H
#define SKERRY_RPS_SIM_H

#include "apps/rps/choose.h"

enum { RPS_SIM_CONNECTIONS_MAX = 512 };

struct rps_sim_plan {
    enum rps_bot user; /* RPS_BOTS: any move at random */
    const struct rps_policy *policy;
    int64_t games;
    uint64_t seed;
    /* Over HTTP only. */
    const char *host, *key; /* key: NULL without one */
    int port, connections;
    bool is_kept; /* games count in statistics; else they are marked as tests */
};

struct rps_sim_result {
    int64_t games, rounds, user_wins, bot_wins, ties;
    double user_points, bot_points, seconds;
    /* Over HTTP: of plays, in seconds; what the server answered wrongly or refused. */
    double p50, p99, longest;
    int64_t failures, mismatches;
};

/* One round of the user. */
unsigned rps_sim_move(const struct rps_sim_plan *plan, const struct rps_round *rounds, size_t count,
                      const struct rps_points *points, const struct rps_game *game,
                      struct rng *rng);

MUST_USE err rps_sim_local(struct rps_state *s, const struct rps_sim_plan *plan,
                           struct rps_sim_result *ret_result);
/* The rules are checked on this side, too: every answer must be what they say. */
MUST_USE err rps_sim_http(const struct rps_sim_plan *plan, struct rps_sim_result *ret_result);

#endif
