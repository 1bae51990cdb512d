/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rps_vectors_features.c -- vectors of the feature set contract-50: stateful, stateless, training.
 */
#include "rps_vectors.h"

#include <stdio.h>

#include "engine/rps/features.h"

static bool check_vector(const struct json *want, const double got[RPS_FEATURES],
                         bool (*compare)(const char *, const struct json *, double))
{
    if (json_count(want) != RPS_FEATURES)
        return mismatch("%zu numbers instead of %d", json_count(want), RPS_FEATURES);
    for (size_t i = 0; i < RPS_FEATURES; i++) {
        char what[64];
        (void)snprintf(what, sizeof what, "feature %zu %s", i, rps_feature_name(i));
        if (!compare(what, json_at(want, i), got[i]))
            return false;
    }
    return true;
}

/* Rounds as a store has them: moves, points by the game's id, and the scores after each. */
static bool read_rounds(const struct json *game, struct rps_round *rounds, size_t *ret_count)
{
    uint8_t user[VECTOR_ROUNDS_MAX], bot[VECTOR_ROUNDS_MAX];
    const struct json *user_scores = json_get(game, "user_scores"),
                      *bot_scores = json_get(game, "bot_scores");
    str id = json_str(json_get(game, "game_id"), STR_NONE);
    size_t count, bot_count;

    if (!read_moves(json_get(game, "user_moves"), user, VECTOR_ROUNDS_MAX, &count) ||
        !read_moves(json_get(game, "bot_moves"), bot, VECTOR_ROUNDS_MAX, &bot_count))
        return false;
    if (count != bot_count || count != json_count(user_scores) || count != json_count(bot_scores))
        return mismatch("moves and scores are not of one number");
    for (size_t i = 0; i < count; i++) {
        rounds[i] = (struct rps_round){
            .user = user[i],
            .bot = bot[i],
            .outcome = (uint8_t)rps_outcome(user[i], bot[i]),
            .number = (int64_t)i + 1,
            .user_score = json_num(json_at(user_scores, i), 0),
            .bot_score = json_num(json_at(bot_scores, i), 0),
        };
        rps_round_points(id, rounds[i].number, &rounds[i].points);
    }
    *ret_count = count;
    return true;
}

static bool check_stateful(const struct json *input, const struct json *expected)
{
    static struct rps_round rounds[VECTOR_ROUNDS_MAX];
    struct rps_history history = { 0 };
    struct rps_points now;
    double got[RPS_FEATURES];
    int64_t number = json_int(json_get(input, "step_no"), 0);
    size_t count;

    if (!read_rounds(input, rounds, &count))
        return false;
    for (size_t i = 0; i < count && rounds[i].number < number; i++)
        rps_history_add(&history, &rounds[i]);
    rps_round_points(json_str(json_get(input, "game_id"), STR_NONE), number, &now);
    rps_features(&history, &now, number, json_int(json_get(input, "easy_mode"), 0) != 0, got);
    return check_vector(json_get(expected, "features"), got, check_number);
}

static struct rps_points read_points(const struct json *object)
{
    struct rps_points points;
    for (unsigned move = 0; move < RPS_MOVES; move++)
        points.of[move] = json_num(json_get(object, rps_move_name(move)), 1.0);
    return points;
}

static const double *read_scores(const struct json *list, double *out)
{
    for (size_t i = 0; i < json_count(list) && i < VECTOR_ROUNDS_MAX; i++)
        out[i] = json_num(json_at(list, i), 0);
    return json_kind(list) == JSON_IS_ARRAY ? out : NULL;
}

static bool read_results(const struct json *list, uint8_t *out)
{
    for (size_t i = 0; i < json_count(list) && i < VECTOR_ROUNDS_MAX; i++) {
        str name = json_str(json_at(list, i), STR_NONE);
        unsigned outcome = 0;
        while (outcome < RPS_OUTCOMES &&
               !str_eq(name, str_of(rps_outcome_name((enum rps_outcome)outcome))))
            outcome++;
        if (outcome == RPS_OUTCOMES)
            return mismatch("'%.*s' is not a result", STR_ARG(name));
        out[i] = (uint8_t)outcome;
    }
    return true;
}

static bool check_stateless(const struct json *input, const struct json *expected)
{
    static uint8_t user[VECTOR_ROUNDS_MAX], bot[VECTOR_ROUNDS_MAX], results[VECTOR_ROUNDS_MAX];
    static double user_scores[VECTOR_ROUNDS_MAX], bot_scores[VECTOR_ROUNDS_MAX];
    static struct rps_points points[VECTOR_ROUNDS_MAX];
    const struct json *past = json_get(input, "round_points_history");
    double got[RPS_FEATURES];
    struct rps_predict_input in = {
        .user = user,
        .bot = bot,
        .results = results,
        .result_count = json_count(json_get(input, "results")),
        .now = read_points(json_get(input, "round_values")),
        .points = points,
        .points_count = json_count(past),
        .user_scores = read_scores(json_get(input, "user_scores_history"), user_scores),
        .user_scores_count = json_count(json_get(input, "user_scores_history")),
        .bot_scores = read_scores(json_get(input, "bot_scores_history"), bot_scores),
        .bot_scores_count = json_count(json_get(input, "bot_scores_history")),
        .user_score = json_num(json_get(input, "user_score"), 0),
        .bot_score = json_num(json_get(input, "bot_score"), 0),
        .is_easy = str_eq(json_str(json_get(input, "difficulty_mode"), STR("normal")), STR("easy")),
    };

    if (!read_moves(json_get(input, "user_moves"), user, VECTOR_ROUNDS_MAX, &in.user_count) ||
        !read_moves(json_get(input, "bot_moves"), bot, VECTOR_ROUNDS_MAX, &in.bot_count) ||
        !read_results(json_get(input, "results"), results))
        return false;
    for (size_t i = 0; i < in.points_count && i < VECTOR_ROUNDS_MAX; i++)
        points[i] = read_points(json_at(past, i));
    rps_features_predict(&in, got);
    return check_vector(json_get(expected, "features"), got, check_close);
}

/* The rows of one game, from row `first` of what is expected on. */
static bool check_rows(const struct json *game, const struct json *expected, bool is_filtered,
                       size_t first, size_t *ret_count)
{
    static struct rps_round rounds[VECTOR_ROUNDS_MAX];
    static double rows[VECTOR_ROUNDS_MAX][RPS_FEATURES];
    static uint8_t labels[VECTOR_ROUNDS_MAX];
    size_t count;

    if (!read_rounds(game, rounds, &count))
        return false;
    size_t cut = !is_filtered ? 0 : count < RPS_GAMBIT_ROUNDS ? count : RPS_GAMBIT_ROUNDS;
    size_t made = rps_training_rows(rounds + cut, count - cut,
                                    json_int(json_get(game, "easy_mode"), 0) != 0, rows, labels);
    for (size_t i = 0; i < made; i++) {
        const struct json *label = json_at(json_get(expected, "labels"), first + i);
        bool same = json_kind(label) == JSON_IS_STR
                        ? check_text("label", label, rps_move_name(labels[i]))
                        : check_int("label", label, labels[i]);
        if (!same ||
            !check_vector(json_at(json_get(expected, "rows"), first + i), rows[i], check_number))
            return mismatch("in row %zu", first + i);
    }
    *ret_count = made;
    return true;
}

static bool check_training(const struct json *input, const struct json *expected)
{
    const struct json *games = json_get(input, "games");
    bool is_filtered = json_bool(json_get(input, "gambit_rounds_filtered"), false);
    size_t rows = 0;

    for (size_t i = 0; i < json_count(games); i++) {
        size_t made = 0;
        if (!check_rows(json_at(games, i), expected, is_filtered, rows, &made))
            return false;
        rows += made;
    }
    return rows == json_count(json_get(expected, "rows")) ||
           mismatch("%zu rows instead of %zu", rows, json_count(json_get(expected, "rows")));
}

bool check_features(const struct json *input, const struct json *expected)
{
    str kind = json_str(json_get(input, "kind"), STR_NONE);

    if (str_eq(kind, STR("stateful")))
        return check_stateful(input, expected);
    if (str_eq(kind, STR("stateless")))
        return check_stateless(input, expected);
    if (str_eq(kind, STR("training")))
        return check_training(input, expected);
    return mismatch("unknown kind '%.*s'", STR_ARG(kind));
}
