/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "apps/rps/sim.h"
#include "base/clock.h"

unsigned rps_sim_move(const struct rps_sim_plan *plan, const struct rps_round *rounds, size_t count,
                      const struct rps_points *points, const struct rps_game *game, struct rng *rng)
{
    struct rps_table table = { .rounds = rounds,
                               .count = count,
                               .points = *points,
                               .user_score = game->user_score,
                               .bot_score = game->bot_score };
    if (plan->user == RPS_BOTS)
        return (unsigned)rng_below(rng, RPS_MOVES);
    return rps_bot_move(plan->user, &table, rng);
}

static void begin(const struct rps_sim_plan *plan, struct rng *rng, struct rps_live *live)
{
    unsigned opening[RPS_GAMBIT_ROUNDS];
    *live = (struct rps_live){ .policy = plan->policy,
                               .alias = plan->policy->family == RPS_FAMILIES ? RPS_ALIASES
                                                                             : RPS_PRODUCTION,
                               .has_opening = true };
    snprintf(live->id, sizeof live->id, "sim-%016llx%016llx", (unsigned long long)rng_u64(rng),
             (unsigned long long)rng_u64(rng));
    rps_gambit_moves(rps_gambit_choose((unsigned)rng_below(rng, RPS_GAMBIT_DRAWS)),
                     str_of(live->id), opening);
    for (size_t i = 0; i < RPS_GAMBIT_ROUNDS; i++)
        live->opening[i] = (uint8_t)opening[i];
}

static err play(struct rps_state *s, const struct rps_sim_plan *plan, struct rng *rng,
                struct rps_live *live)
{
    struct rps_choice choice;
    struct rps_points points;
    struct rps_round round;
    begin(plan, rng, live);
    while (live->game.winner == RPS_NOBODY_YET) {
        struct rps_game after = live->game;
        rps_round_points(str_of(live->id), (int64_t)live->game.rounds + 1, &points);
        TRY(rps_choose_move(s, live, &points, rng_u64(rng), true, &choice));
        unsigned user = rps_sim_move(plan, live->rounds, live->game.rounds, &points, &live->game,
                                     rng);
        TRY(rps_game_play(&after, user, choice.move, &points, &round));
        rps_live_advance(live, &after, &round);
    }
    return OK;
}

err rps_sim_local(struct rps_state *s, const struct rps_sim_plan *plan,
                  struct rps_sim_result *ret_result)
{
    struct rps_sim_result r = { 0 };
    struct rps_live live;
    struct rng rng;
    int64_t begun_ns = clock_mono_ns();
    rng_init(&rng, plan->seed);
    for (int64_t i = 0; i < plan->games; i++) {
        TRY(play(s, plan, &rng, &live));
        r.games++;
        r.rounds += live.game.rounds;
        r.user_wins += live.game.winner == RPS_USER_WINS;
        r.bot_wins += live.game.winner == RPS_BOT_WINS;
        r.ties += live.game.winner == RPS_TIE;
        r.user_points += live.game.user_score;
        r.bot_points += live.game.bot_score;
    }
    r.seconds = (double)(clock_mono_ns() - begun_ns) / 1e9;
    *ret_result = r;
    return OK;
}
