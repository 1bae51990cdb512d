/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rps_vectors_play.c -- vectors of the game itself, of the policy, and of the heuristic bots. */
#include "rps_vectors.h"

#include "engine/rps/bots.h"
#include "engine/rps/policy.h"

static str game_id_of(const struct json *input)
{
    return json_str(json_get(input, "game_id"), STR_NONE);
}

bool check_round_points(const struct json *input, const struct json *expected)
{
    struct rps_points points;
    bool same = true;

    rps_round_points(game_id_of(input), json_int(json_get(input, "step_no"), 0), &points);
    for (unsigned move = 0; move < RPS_MOVES; move++)
        same &= check_number(rps_move_name(move), json_get(expected, rps_move_name(move)),
                             points.of[move]);
    return same;
}

bool check_gambit(const struct json *input, const struct json *expected)
{
    int64_t draw = json_int(json_get(input, "draw"), -1);
    unsigned moves[RPS_GAMBIT_ROUNDS];

    if (draw < 0 || draw >= RPS_GAMBIT_DRAWS)
        return mismatch("the draw must be 0 to %d", RPS_GAMBIT_DRAWS - 1);
    size_t gambit = rps_gambit_choose((unsigned)draw);
    bool same = check_text("name", json_get(expected, "name"), rps_gambit_name(gambit));
    rps_gambit_moves(gambit, game_id_of(input), moves);
    for (size_t i = 0; i < RPS_GAMBIT_ROUNDS; i++)
        same &= check_text("move", json_at(json_get(expected, "moves"), i),
                           rps_move_name(moves[i]));
    return same;
}

bool check_outcome(const struct json *input, const struct json *expected)
{
    unsigned user = rps_move_find(json_str(json_get(input, "user"), STR_NONE)),
             bot = rps_move_find(json_str(json_get(input, "bot"), STR_NONE));

    if (user == RPS_NO_MOVE || bot == RPS_NO_MOVE)
        return mismatch("no move");
    return check_text("result", json_get(expected, "result"),
                      rps_outcome_name(rps_outcome(user, bot)));
}

static bool check_round(const struct json *want, const struct rps_round *r,
                        const struct rps_game *game)
{
    bool same = check_text("result", json_at(want, 0),
                           rps_outcome_name((enum rps_outcome)r->outcome));
    same &= check_number("user_delta", json_at(want, 1), r->user_delta);
    same &= check_number("bot_delta", json_at(want, 2), r->bot_delta);
    same &= check_number("user_score", json_at(want, 3), r->user_score);
    same &= check_number("bot_score", json_at(want, 4), r->bot_score);
    same &= check_int("ties", json_at(want, 5), game->draws);
    same &= check_bool("finished", json_at(want, 6), game->winner != RPS_NOBODY_YET);
    return check_text("winner", json_at(want, 7), rps_winner_name(game->winner)) && same;
}

bool check_game(const struct json *input, const struct json *expected)
{
    const struct json *rounds = json_get(expected, "rounds");
    uint8_t user[VECTOR_ROUNDS_MAX], bot[VECTOR_ROUNDS_MAX];
    size_t user_count, bot_count;
    struct rps_game game = { 0 };

    if (!read_moves(json_get(input, "user_moves"), user, VECTOR_ROUNDS_MAX, &user_count) ||
        !read_moves(json_get(input, "bot_moves"), bot, VECTOR_ROUNDS_MAX, &bot_count))
        return false;
    if (user_count != bot_count || user_count != json_count(rounds))
        return mismatch("moves and rounds are not of one number");
    for (size_t i = 0; i < user_count; i++) {
        struct rps_points points;
        struct rps_round round;

        rps_round_points(game_id_of(input), (int64_t)i + 1, &points);
        err e = rps_game_play(&game, user[i], bot[i], &points, &round);
        if (e.code)
            return mismatch("round %zu: %s", i + 1, e.msg);
        if (!check_round(json_at(rounds, i), &round, &game))
            return mismatch("in round %zu", i + 1);
    }
    return true;
}

bool check_policy(const struct json *input, const struct json *expected)
{
    const struct json *given = json_get(input, "probabilities"),
                      *values_given = json_get(input, "round_values");
    double raw[2 * RPS_MOVES], probabilities[RPS_MOVES], values[RPS_MOVES];
    struct rps_points points;
    size_t count = json_count(given);

    enum rps_family family = rps_policy_family(json_str(json_get(input, "policy"), STR_NONE));
    if (family == RPS_FAMILIES || count > COUNT_OF(raw))
        return mismatch("an unknown policy, or too many probabilities");
    for (size_t i = 0; i < count; i++)
        raw[i] = json_num(json_at(given, i), 0);
    for (unsigned move = 0; move < RPS_MOVES; move++)
        points.of[move] = json_num(json_get(values_given, rps_move_name(move)), 1.0);

    rps_normalise(raw, count, probabilities);
    rps_expected_values(probabilities, &points, json_num(json_get(input, "user_score"), 0),
                        json_num(json_get(input, "bot_score"), 0), values);
    bool same = check_text("model_type", json_get(expected, "model_type"), rps_family_name(family));
    for (size_t i = 0; i < RPS_MOVES; i++) {
        same &= check_number("probability", json_at(json_get(expected, "probabilities"), i),
                             probabilities[i]);
        same &= check_number("value", json_at(json_get(expected, "move_values"), i), values[i]);
    }
    return check_text("move", json_get(expected, "move"), rps_move_name(rps_choose(values))) &&
           same;
}

enum { LEGACY_ROUNDS_MAX = 256 };

bool check_legacy(const struct json *input, const struct json *expected)
{
    uint8_t user[LEGACY_ROUNDS_MAX], bot[LEGACY_ROUNDS_MAX];
    struct rps_round rounds[LEGACY_ROUNDS_MAX];
    size_t count, bot_count;
    struct rps_game game = { 0 };
    struct rng rng;

    enum rps_bot who = rps_bot_find(json_str(json_get(input, "policy"), STR_NONE));
    if (who == RPS_BOTS)
        return mismatch("there is no such bot");
    if (!read_moves(json_get(input, "user_moves"), user, LEGACY_ROUNDS_MAX, &count) ||
        !read_moves(json_get(input, "bot_moves"), bot, LEGACY_ROUNDS_MAX, &bot_count))
        return false;
    if (count != bot_count)
        return mismatch("the moves are not of one number");
    for (size_t i = 0; i < count; i++) {
        struct rps_points points;
        game.winner = RPS_NOBODY_YET; /* some of these games went on after their end */
        rps_round_points(game_id_of(input), (int64_t)i + 1, &points);
        err e = rps_game_play(&game, user[i], bot[i], &points, &rounds[i]);
        if (e.code)
            return mismatch("round %zu: %s", i + 1, e.msg);
    }
    struct rps_table table = {
        .rounds = rounds, .count = count, .user_score = game.user_score, .bot_score = game.bot_score
    };
    rps_round_points(game_id_of(input), json_int(json_get(input, "round_no"), 0), &table.points);
    rng_init(&rng, 1);
    return check_text("move", json_get(expected, "move"),
                      rps_move_name(rps_bot_move(who, &table, &rng)));
}
