/* SPDX-License-Identifier: GPL-3.0-or-later */
/* choose.c -- the bot's move. Pure but for the models it asks and the die of two bots. */
#include "apps/rps/choose.h"

#include <string.h>

#include "apps/rps/past.h"

static void uniform(double p[RPS_MOVES])
{
    memcpy(p, RPS_UNIFORM, sizeof(double[RPS_MOVES]));
}

err rps_ask(struct rps_state *s, enum rps_family family, enum rps_alias alias, bool with_others,
            struct rps_sight *sight, struct serving_call *ret_call, double ret_p[RPS_MOVES],
            const char **ret_why)
{
    const struct rps_shown shown = { sight };
    uniform(ret_p);
    *ret_why = NULL;
    if (!s->served[family]) {
        *ret_why = "not_assigned";
        return OK;
    }
    if (!serving_predict(s->served[family], (enum serving_slot)alias, with_others, &shown, ret_call,
                         ret_why)) {
        if (strcmp(*ret_why, SERVING_NOT_PREPARED) != 0)
            return OK;
        TRY(sight->failure);
        return ERR(ERR_BUSY, "what is known of the player has to be read first");
    }
    *ret_why = NULL;
    double p[RPS_MOVES];
    for (size_t move = 0; move < RPS_MOVES; move++)
        p[move] = ret_call->answers[alias].p[move];
    rps_normalise(p, RPS_MOVES, ret_p);
    return OK;
}

static unsigned bot_move(const struct rps_live *live, const struct rps_points *points, uint64_t die)
{
    struct rps_table table = { .rounds = live->rounds,
                               .count = live->game.rounds,
                               .points = *points,
                               .user_score = live->game.user_score,
                               .bot_score = live->game.bot_score };
    struct rng rng;
    rng_init(&rng, die);
    return rps_bot_move(live->policy->bot, &table, &rng);
}

static void moment_of(const struct rps_live *live, const struct rps_points *points,
                      struct rps_turn turns[RPS_ROUNDS_MAX], struct rps_moment *ret)
{
    for (uint32_t i = 0; i < live->game.rounds; i++)
        turns[i] = (struct rps_turn){ .points = live->rounds[i].points,
                                      .user = live->rounds[i].user,
                                      .bot = live->rounds[i].bot };
    str player = str_of(live->player);
    *ret = (struct rps_moment){ .game = str_of(live->id),
                                .person = rps_is_person(player) ? player : STR_NONE,
                                .seen = live->seen,
                                .turns = turns,
                                .turn_count = live->game.rounds,
                                .points = *points };
}

static err ask_models(struct rps_state *s, const struct rps_live *live,
                      const struct rps_points *points, struct rps_choice *choice)
{
    struct rps_turn turns[RPS_ROUNDS_MAX];
    if (s->is_fallback_forced) {
        choice->source = RPS_SOURCE_FORCED_FALLBACK;
        choice->why = "forced_fallback";
        return OK;
    }
    moment_of(live, points, turns, &choice->sight.moment);
    err e = rps_ask(s, live->policy->family, live->alias, true, &choice->sight, &choice->call,
                    choice->p, &choice->why);
    choice->sight.moment = (struct rps_moment){ 0 };
    TRY(e);
    choice->has_call = !choice->why;
    choice->source = choice->has_call ? RPS_SOURCE_MODEL : RPS_SOURCE_FALLBACK;
    if (choice->has_call)
        choice->version = choice->call.answers[live->alias].version;
    return OK;
}

void rps_remember(struct rps_state *s, const struct rps_live *after,
                  const struct rps_choice *choice, int64_t number)
{
    const struct rps_points none = { { 0 } };
    struct rps_turn turns[RPS_ROUNDS_MAX];
    struct rps_moment moment;
    moment_of(after, &none, turns, &moment);
    for (size_t i = 0; i < choice->sight.known_count; i++)
        rps_memory_end(s->memory, choice->sight.known[i].population, &moment, number);
}

err rps_choose_move(struct rps_state *s, const struct rps_live *live,
                    const struct rps_points *points, uint64_t die, bool may_read,
                    struct rps_choice *ret_choice)
{
    uint32_t number = live->game.rounds + 1;
    ret_choice->version = 0;
    ret_choice->why = NULL;
    ret_choice->has_call = false;
    uniform(ret_choice->p);
    ret_choice->sight.memory = s->memory;
    ret_choice->sight.may_read = may_read;
    ret_choice->sight.known_count = 0;
    rps_features(&live->history, points, number, live->is_easy, ret_choice->sight.contract);
    if (live->has_opening && number <= RPS_GAMBIT_ROUNDS) {
        ret_choice->source = RPS_SOURCE_GAMBIT;
    } else if (live->policy->bot != RPS_BOTS) {
        ret_choice->source = RPS_SOURCE_HEURISTIC;
    } else {
        TRY(ask_models(s, live, points, ret_choice));
    }
    rps_expected_values(ret_choice->p, points, live->game.user_score, live->game.bot_score,
                        ret_choice->values);
    if (ret_choice->source == RPS_SOURCE_GAMBIT)
        ret_choice->move = live->opening[number - 1];
    else if (ret_choice->source == RPS_SOURCE_HEURISTIC)
        ret_choice->move = bot_move(live, points, die);
    else
        ret_choice->move = rps_choose(ret_choice->values);
    return OK;
}
