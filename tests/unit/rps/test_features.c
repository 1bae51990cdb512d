/* SPDX-License-Identifier: GPL-3.0-or-later */
/* contract-50: a vector that differs between training and serving makes every model wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rand.h"
#include "engine/rps/features.h"

enum { ROUNDS = 40 };

static void make_rounds(uint64_t seed, struct rps_round rounds[ROUNDS])
{
    struct rng rng;
    double user = 0, bot = 0;
    rng_init(&rng, seed);
    for (int i = 0; i < ROUNDS; i++) {
        struct rps_round *r = &rounds[i];
        *r = (struct rps_round){ .user = (uint8_t)rng_below(&rng, 3),
                                 .bot = (uint8_t)rng_below(&rng, 3),
                                 .number = i + 1 };
        r->outcome = (uint8_t)rps_outcome(r->user, r->bot);
        rps_round_points(STR("game"), r->number, &r->points);
        user += r->outcome == RPS_WIN ? r->points.of[r->user] : r->outcome == RPS_DRAW ? 0.5 : 0;
        bot += r->outcome == RPS_LOSE ? r->points.of[r->bot] : r->outcome == RPS_DRAW ? 0.5 : 0;
        r->user_score = user;
        r->bot_score = bot;
    }
}

static size_t index_of(const char *name)
{
    size_t i = 0;
    while (strcmp(rps_feature_name(i), name) != 0)
        i++;
    return i;
}

static double value(const double *v, const char *name)
{
    return v[index_of(name)];
}

static void names_are_one_each(void **state)
{
    for (size_t i = 0; i < RPS_FEATURES; i++) {
        assert_non_null(rps_feature_name(i));
        assert_int_equal(index_of(rps_feature_name(i)), i);
    }
    assert_null(rps_feature_name(RPS_FEATURES));
}

static void places(void **state)
{
    struct rps_round rounds[ROUNDS];
    struct rps_history history = { 0 };
    double v[RPS_FEATURES];
    const struct rps_points now = { { 1.1, 1.0, 1.6 } };

    rps_features(&history, &now, 1, false, v);
    assert_true(value(v, "user_-3_r") == 0 && value(v, "points_-3_s") == 1.6);
    assert_true(value(v, "user_pts_to_win") == 10 && value(v, "step_no") == 1);
    make_rounds(7, rounds);
    rounds[0].user = RPS_PAPER;
    rounds[1].user = RPS_SCISSORS;
    rps_history_add(&history, &rounds[0]);
    rps_history_add(&history, &rounds[1]);
    rps_features(&history, &now, 3, true, v);
    /* the newest is in the slot called -3; of points, -1 is the newest */
    assert_true(value(v, "user_-3_s") == 1 && value(v, "user_-2_p") == 1);
    assert_true(value(v, "user_-1_r") + value(v, "user_-1_p") + value(v, "user_-1_s") == 0);
    assert_true(value(v, "points_-1_r") == rounds[1].points.of[0]);
    assert_true(value(v, "points_-2_r") == rounds[0].points.of[0]);
    assert_true(value(v, "points_-3_r") == 1.1 && value(v, "scissors_pts") == 1.6);
    assert_true(value(v, "user_tend_p") == 0.5 && value(v, "easy_mode") == 1);
    assert_true(value(v, "score_diff") == rounds[1].user_score - rounds[1].bot_score);
}

/* The proof that training sees what serving sees, for every round of many games. */
static void training_equals_serving(void **state)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct rps_round rounds[ROUNDS];
        struct rps_history history = { 0 };
        double rows[ROUNDS][RPS_FEATURES], served[RPS_FEATURES];
        uint8_t labels[ROUNDS];

        make_rounds(seed, rounds);
        size_t made = rps_training_rows(rounds, ROUNDS, false, rows, labels), row = 0;
        assert_int_equal(made, ROUNDS - 3);
        for (int i = 0; i < ROUNDS; i++) {
            rps_features(&history, &rounds[i].points, rounds[i].number, false, served);
            if (rounds[i].number >= RPS_FIRST_MODEL_ROUND) {
                assert_memory_equal(served, rows[row], sizeof served);
                assert_int_equal(labels[row], rounds[i].user);
                row++;
            }
            rps_history_add(&history, &rounds[i]);
        }
        assert_int_equal(row, made);
    }
}

/* Tendencies count the whole history, the lags only three rounds of it. */
static void whole_history_counts(void **state)
{
    struct rps_round rounds[ROUNDS];
    struct rps_history history = { 0 };
    double v[RPS_FEATURES];
    unsigned rocks = 0, favoured = 0;

    make_rounds(3, rounds);
    for (int i = 0; i < ROUNDS; i++) {
        rps_history_add(&history, &rounds[i]);
        rocks += rounds[i].user == RPS_ROCK;
        favoured += rounds[i].user == rps_best_move(&rounds[i].points);
    }
    rps_features(&history, &rounds[0].points, ROUNDS + 1, false, v);
    assert_true(value(v, "user_tend_r") == rocks / (double)ROUNDS);
    assert_true(value(v, "tend_favored") == favoured / (double)ROUNDS);
    assert_true(fabs(value(v, "tend_favored") + value(v, "tend_fav_beater") +
                     value(v, "tend_fav_beater_beater") - 1) < 1e-12);
}

/* /predict with everything that a game knows gives the vector of the game. */
static void predict_equals_game(void **state)
{
    struct rps_round rounds[ROUNDS];
    struct rps_history history = { 0 };
    uint8_t user[ROUNDS], bot[ROUNDS], results[ROUNDS];
    struct rps_points points[ROUNDS];
    double from_game[RPS_FEATURES], from_lists[RPS_FEATURES];

    make_rounds(11, rounds);
    for (size_t i = 0; i < ROUNDS; i++) {
        user[i] = rounds[i].user;
        bot[i] = rounds[i].bot;
        results[i] = rounds[i].outcome;
        points[i] = rounds[i].points;
        rps_history_add(&history, &rounds[i]);
    }
    struct rps_predict_input in = {
        .user = user,
        .user_count = ROUNDS,
        .bot = bot,
        .bot_count = ROUNDS,
        .results = results,
        .result_count = ROUNDS,
        .now = points[0],
        .points = points,
        .points_count = ROUNDS,
        .user_score = history.user_score,
        .bot_score = history.bot_score,
    };
    rps_features(&history, &points[0], ROUNDS + 1, false, from_game);
    rps_features_predict(&in, from_lists);
    assert_memory_equal(from_game, from_lists, sizeof from_game);
    in.user_score = 3; /* who tells another score is believed */
    rps_features_predict(&in, from_lists);
    assert_true(value(from_lists, "user_pts_to_win") == 7);
    in = (struct rps_predict_input){ .user = user, .user_count = 2, .now = points[0] };
    rps_features_predict(&in, from_lists); /* the longer list is cut: nothing is known */
    assert_true(value(from_lists, "step_no") == 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_one_each),      cmocka_unit_test(places),
        cmocka_unit_test(training_equals_serving), cmocka_unit_test(whole_history_counts),
        cmocka_unit_test(predict_equals_game),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
