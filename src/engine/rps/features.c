/* SPDX-License-Identifier: GPL-3.0-or-later */
/* features.c -- the contract's 50 features from a history that grows a round at a time. */
#include "engine/rps/features.h"

#include <math.h>
#include <string.h>

/* Where each group begins. */
enum {
    AT_USER = 0,
    AT_BOT = AT_USER + RPS_LOOKBACK * RPS_MOVES,
    AT_RESULT = AT_BOT + RPS_LOOKBACK * RPS_MOVES,
    AT_POINTS = AT_RESULT + RPS_LOOKBACK * RPS_OUTCOMES,
    AT_POINTS_BACK = AT_POINTS + RPS_MOVES,
    AT_TENDENCY = AT_POINTS_BACK + RPS_LOOKBACK * RPS_MOVES,
    AT_FAVOURED = AT_TENDENCY + RPS_MOVES,
    AT_SCORES = AT_FAVOURED + RPS_MOVES,
    AT_ROUND = AT_SCORES + 3,
    AT_EASY = AT_ROUND + 1,
};
_Static_assert(AT_EASY + 1 == RPS_FEATURES, "the groups fill the vector");

void rps_history_add(struct rps_history *history, const struct rps_round *round)
{
    /* beats[0] is the favoured move, [1] its beater, [2] the move that beats that */
    unsigned favoured = rps_best_move(&round->points);

    history->rounds++;
    history->user_count[round->user]++;
    history->favoured_count[(round->user + RPS_MOVES - favoured) % RPS_MOVES]++;
    memmove(history->last + 1, history->last, sizeof history->last - sizeof history->last[0]);
    history->last[0] = (struct rps_past){ round->user, round->bot, round->outcome, round->points };
    history->user_score = round->user_score;
    history->bot_score = round->bot_score;
}

void rps_features(const struct rps_history *history, const struct rps_points *now, int64_t number,
                  bool is_easy, double out[RPS_FEATURES])
{
    size_t known = history->rounds < RPS_LOOKBACK ? history->rounds : RPS_LOOKBACK;
    double total = history->rounds ? history->rounds : 1;

    memset(out, 0, sizeof(double) * RPS_FEATURES);
    /* oldest first, with what is missing at the front */
    for (size_t back = 0; back < known; back++) {
        const struct rps_past *past = &history->last[back];
        size_t slot = RPS_LOOKBACK - 1 - back;
        out[AT_USER + slot * RPS_MOVES + past->user] = 1;
        out[AT_BOT + slot * RPS_MOVES + past->bot] = 1;
        out[AT_RESULT + slot * RPS_OUTCOMES + past->outcome] = 1;
    }
    memcpy(out + AT_POINTS, now->of, sizeof now->of);
    for (size_t back = 0; back < RPS_LOOKBACK; back++) {
        const struct rps_points *points = back < known ? &history->last[back].points : now;
        memcpy(out + AT_POINTS_BACK + back * RPS_MOVES, points->of, sizeof points->of);
    }
    for (size_t move = 0; move < RPS_MOVES; move++) {
        out[AT_TENDENCY + move] = history->user_count[move] / total;
        out[AT_FAVOURED + move] = history->favoured_count[move] / total;
    }
    out[AT_SCORES] = history->user_score - history->bot_score;
    out[AT_SCORES + 1] = fmax(0.0, RPS_TARGET - history->user_score);
    out[AT_SCORES + 2] = fmax(0.0, RPS_TARGET - history->bot_score);
    out[AT_ROUND] = (double)number;
    out[AT_EASY] = is_easy;
}

const char *rps_feature_name(size_t index)
{
    static const char *const names[RPS_FEATURES] = {
        "user_-1_r",    "user_-1_p",       "user_-1_s",
        "user_-2_r",    "user_-2_p",       "user_-2_s",
        "user_-3_r",    "user_-3_p",       "user_-3_s",
        "bot_-1_r",     "bot_-1_p",        "bot_-1_s",
        "bot_-2_r",     "bot_-2_p",        "bot_-2_s",
        "bot_-3_r",     "bot_-3_p",        "bot_-3_s",
        "res_-1_win",   "res_-1_lose",     "res_-1_draw",
        "res_-2_win",   "res_-2_lose",     "res_-2_draw",
        "res_-3_win",   "res_-3_lose",     "res_-3_draw",
        "rock_pts",     "paper_pts",       "scissors_pts",
        "points_-1_r",  "points_-1_p",     "points_-1_s",
        "points_-2_r",  "points_-2_p",     "points_-2_s",
        "points_-3_r",  "points_-3_p",     "points_-3_s",
        "user_tend_r",  "user_tend_p",     "user_tend_s",
        "tend_favored", "tend_fav_beater", "tend_fav_beater_beater",
        "score_diff",   "user_pts_to_win", "bot_pts_to_win",
        "step_no",      "easy_mode",
    };
    return index < RPS_FEATURES ? names[index] : NULL;
}

/* The score after the last of n rounds: as told, or recomputed, unless the final score differs. */
static double last_score(const double *told, size_t told_count, size_t n, double recomputed,
                         double final)
{
    if (told && told_count >= n)
        return told[n - 1];
    return fabs(recomputed - final) > RPS_TARGET_SLACK ? final : recomputed;
}

void rps_features_predict(const struct rps_predict_input *in, double out[RPS_FEATURES])
{
    size_t n = in->user_count < in->bot_count ? in->user_count : in->bot_count;
    struct rps_history history = { 0 };
    double user_score = 0, bot_score = 0;

    for (size_t i = 0; i < n; i++) {
        struct rps_round round = {
            .user = in->user[i],
            .bot = in->bot[i],
            .outcome = in->results && i < in->result_count ? in->results[i] : RPS_DRAW,
            .points = in->points && i < in->points_count ? in->points[i] : in->now,
        };
        /* by the outcome that was told, which need not be that of the moves */
        if (round.outcome != RPS_LOSE)
            user_score += round.outcome == RPS_WIN ? round.points.of[round.user] : 0.5;
        if (round.outcome != RPS_WIN)
            bot_score += round.outcome == RPS_LOSE ? round.points.of[round.bot] : 0.5;
        rps_history_add(&history, &round);
    }
    if (n) {
        history.user_score = last_score(in->user_scores, in->user_scores_count, n, user_score,
                                        in->user_score);
        history.bot_score = last_score(in->bot_scores, in->bot_scores_count, n, bot_score,
                                       in->bot_score);
    }
    rps_features(&history, &in->now, (int64_t)n + 1, in->is_easy, out);
}

size_t rps_training_rows(const struct rps_round *rounds, size_t count, bool is_easy,
                         double (*rows)[RPS_FEATURES], uint8_t *labels)
{
    struct rps_history history = { 0 };
    size_t made = 0;

    for (size_t i = 0; i < count; i++) {
        if (i > 0 && rounds[i].number >= RPS_FIRST_MODEL_ROUND) {
            rps_features(&history, &rounds[i].points, rounds[i].number, is_easy, rows[made]);
            labels[made++] = rounds[i].user;
        }
        rps_history_add(&history, &rounds[i]);
    }
    return made;
}
