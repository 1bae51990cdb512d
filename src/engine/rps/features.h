/* SPDX-License-Identifier: GPL-3.0-or-later */
/* features.h -- feature set "contract-50": what a model sees before a round of a game.
 *
 * ONE function makes the vector, for training, serving and simulation: rps_features, from a history
 * that grows a round at a time in constant time and memory. The three ways in (a running game, the
 * lists of /predict, stored rounds for training) differ only in how they fill the history, so the
 * same rounds give the same bits everywhere.
 *
 * Values are raw; a model carries its own scaling. Names are in rps_feature_name. Pure functions.
 */
#ifndef SKERRY_RPS_FEATURES_H
#define SKERRY_RPS_FEATURES_H

#include "engine/rps/game.h"

enum { RPS_FEATURES = 50, RPS_LOOKBACK = 3 };

/* The first round that trains a model, as it is the first that one plays. */
enum { RPS_FIRST_MODEL_ROUND = RPS_GAMBIT_ROUNDS + 1 };

/* Rounds of one game that were played; all zero is none. */
struct rps_history {
    uint32_t rounds;
    uint32_t user_count[RPS_MOVES];
    /* how often the user took the move of most points, its beater, and the beater's beater */
    uint32_t favoured_count[RPS_MOVES];
    struct rps_past {
        uint8_t user, bot, outcome;
        struct rps_points points;
    } last[RPS_LOOKBACK]; /* last[0] is the newest */
    double user_score, bot_score;
};

/* Adds a round. Uses its moves, outcome, points and the scores after it. */
void rps_history_add(struct rps_history *history, const struct rps_round *round);

/* The vector before round `number`, whose points are `now`. `is_easy` marks games of the mode that
 * was retired; new ones have false. About 0.1 us. */
void rps_features(const struct rps_history *history, const struct rps_points *now, int64_t number,
                  bool is_easy, double out[RPS_FEATURES]);

/* Names as in the contract: "user_-1_r" is the OLDEST of the last three, "points_-1_r" the newest.
 */
const char *rps_feature_name(size_t index);

/* What /predict is told instead of a game. Lists are borrowed. */
struct rps_predict_input {
    const uint8_t *user, *bot; /* moves; the longer list is cut to the shorter */
    size_t user_count, bot_count;
    const uint8_t *results; /* outcomes; what is missing at the end counts as a draw */
    size_t result_count;
    struct rps_points now;           /* 1.0 each when nothing else is known */
    const struct rps_points *points; /* of past rounds; those without one count as `now` */
    size_t points_count;
    const double *user_scores, *bot_scores; /* after each round; NULL or too short: recomputed */
    size_t user_scores_count, bot_scores_count;
    double user_score, bot_score; /* final; replaces a recomputed one that differs */
    bool is_easy;
};

void rps_features_predict(const struct rps_predict_input *in, double out[RPS_FEATURES]);

/* Rows of one game for training: one for each round from RPS_FIRST_MODEL_ROUND on that has an
 * earlier one in `rounds` (oldest first). Writes at most `count` rows and labels (what the user
 * played) and returns how many. */
size_t rps_training_rows(const struct rps_round *rounds, size_t count, bool is_easy,
                         double (*rows)[RPS_FEATURES], uint8_t *labels);

#endif
