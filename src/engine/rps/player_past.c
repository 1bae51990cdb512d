/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/rps/player_past.h"

int64_t rps_past_first(int64_t seen)
{
    int64_t chapter = seen / RPS_CHAPTER_GAMES;
    return chapter > 1 ? (chapter - 1) * RPS_CHAPTER_GAMES + 1 : 1;
}

/* NULL where nobody saw any. */
static const struct rps_points *seen_points(const struct rps_points *points)
{
    bool is_flat = points->of[0] == points->of[1] && points->of[1] == points->of[2];
    return is_flat ? NULL : points;
}

const struct rps_points *rps_turn_points(const struct rps_turn *turn)
{
    return seen_points(&turn->points);
}

void rps_player_see(const struct rps_population *population, const struct rps_player *player,
                    const struct rps_points *points, double out[RPS_PLAYER_FEATURES])
{
    rps_player_features(population, player, seen_points(points), out);
}

void rps_player_take(const struct rps_population *population, struct rps_player *player,
                     const struct rps_turn *turn)
{
    rps_player_add(population, player, turn->user, turn->bot, seen_points(&turn->points));
}

/* ---------------------------------------------------------------- between games */

static bool goes_on(const struct rps_recall *recall, int64_t seen)
{
    return recall->player && recall->first == rps_past_first(seen) && recall->seen <= seen;
}

int64_t rps_recall_needs(const struct rps_recall *recall, int64_t seen)
{
    return goes_on(recall, seen) ? recall->seen + 1 : rps_past_first(seen);
}

static err read_games(const struct rps_population *population, struct rps_recall *recall,
                      int64_t from, int64_t seen, rps_past_game *game, void *arg)
{
    for (int64_t number = from; number <= seen; number++) {
        const struct rps_turn *turns = NULL;
        size_t count = 0;
        TRY(game(arg, number, &turns, &count));
        rps_player_begin_game(recall->player);
        for (size_t i = 0; i < count; i++)
            rps_player_take(population, recall->player, &turns[i]);
    }
    return OK;
}

err rps_recall_to(const struct rps_population *population, struct rps_recall *recall, int64_t seen,
                  rps_past_game *game, void *arg)
{
    int64_t from = rps_recall_needs(recall, seen);
    err e = OK;

    if (!goes_on(recall, seen)) {
        rps_recall_deinit(recall);
        recall->first = from;
        e = rps_player_new(population, &recall->player);
    }
    recall->seen = seen;
    if (!e.code)
        e = read_games(population, recall, from, seen, game, arg);
    if (e.code)
        rps_recall_deinit(recall);
    return e;
}

void rps_recall_deinit(struct rps_recall *recall)
{
    rps_player_free(recall->player);
    *recall = (struct rps_recall){ 0 };
}
