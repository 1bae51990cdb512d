/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The game: a wrong point or a wrong end is money paid to the wrong player. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/rps/game.h"

static void moves_and_names(void **state)
{
    assert_int_equal(rps_move_find(STR("PaPer")), RPS_PAPER);
    assert_int_equal(rps_move_find(STR("paper ")), RPS_NO_MOVE);
    assert_int_equal(rps_move_find(STR("")), RPS_NO_MOVE);
    assert_int_equal(rps_move_of_letter('S'), RPS_SCISSORS);
    assert_int_equal(rps_move_of_letter('x'), RPS_NO_MOVE);
    for (unsigned move = 0; move < RPS_MOVES; move++) {
        assert_int_equal(rps_move_find(str_of(rps_move_name(move))), move);
        assert_int_equal(rps_beaten(rps_beater(move)), move);
        assert_int_equal(rps_outcome(rps_beater(move), move), RPS_WIN);
        assert_int_equal(rps_outcome(rps_beaten(move), move), RPS_LOSE);
        assert_int_equal(rps_outcome(move, move), RPS_DRAW);
    }
    assert_int_equal(rps_beater(RPS_ROCK), RPS_PAPER);
    assert_string_equal(rps_move_name(RPS_NO_MOVE), "none");
}

static void points_of_a_round(void **state)
{
    struct rps_points points;

    /* made with a second implementation */
    rps_round_points(STR("c1d53d74-a619-4f20-a541-958fe99a27b5"), 5, &points);
    assert_true(points.of[RPS_ROCK] == 1.0 && points.of[RPS_PAPER] == 1.3 &&
                points.of[RPS_SCISSORS] == 1.8);
    for (int64_t round = -3; round < 500; round++) {
        unsigned order[RPS_MOVES];
        rps_round_points(STR("some id"), round, &points);
        rps_moves_by_points(&points, order);
        assert_int_equal(order[0], rps_best_move(&points));
        assert_true(points.of[order[2]] == 1.0);
        assert_int_equal(order[0], rps_beaten(order[2])); /* the low move beats the high one */
        assert_true(points.of[order[0]] >= 1.6 && points.of[order[0]] <= 2.0);
    }
}

static void equal_points_keep_their_order(void **state)
{
    const struct rps_points flat = { { 1, 1, 1 } }, two = { { 1, 2, 2 } };
    unsigned order[RPS_MOVES];

    rps_moves_by_points(&flat, order);
    assert_true(order[0] == 0 && order[1] == 1 && order[2] == 2);
    rps_moves_by_points(&two, order);
    assert_true(order[0] == 1 && order[1] == 2 && order[2] == 0);
    assert_int_equal(rps_best_move(&two), RPS_PAPER);
}

static void gambits_by_draw(void **state)
{
    unsigned count[RPS_GAMBITS] = { 0 }, moves[RPS_GAMBIT_ROUNDS];

    for (unsigned draw = 0; draw < RPS_GAMBIT_DRAWS; draw++)
        count[rps_gambit_choose(draw)]++;
    assert_int_equal(count[0], 14);
    assert_int_equal(count[RPS_GAMBITS - 1], 12);
    assert_string_equal(rps_gambit_name(rps_gambit_choose(13)), "crescendo");
    assert_string_equal(rps_gambit_name(rps_gambit_choose(14)), "denouement");

    /* an avalanche is always what is worth most */
    rps_gambit_moves(6, STR("any game"), moves);
    for (int i = 0; i < RPS_GAMBIT_ROUNDS; i++) {
        struct rps_points points;
        rps_round_points(STR("any game"), i + 1, &points);
        assert_int_equal(moves[i], rps_best_move(&points));
    }
}

static const struct rps_points points = { { 1.0, 1.3, 1.8 } };

static struct rps_round play(struct rps_game *game, unsigned user, unsigned bot)
{
    struct rps_round round;
    err e = rps_game_play(game, user, bot, &points, &round);
    assert_int_equal(e.code, ERR_NONE);
    return round;
}

static void scoring(void **state)
{
    struct rps_game game = { 0 };
    struct rps_round round = play(&game, RPS_PAPER, RPS_ROCK);

    assert_true(round.outcome == RPS_WIN && round.user_delta == 1.3 && round.bot_delta == 0);
    round = play(&game, RPS_PAPER, RPS_SCISSORS);
    assert_true(round.outcome == RPS_LOSE && round.user_delta == 0 && round.bot_delta == 1.8);
    round = play(&game, RPS_PAPER, RPS_PAPER);
    assert_true(round.user_delta == 0.5 && round.bot_delta == 0.5);
    assert_true(game.user_score == 1.3 + 0.5 && game.bot_score == 1.8 + 0.5);
    assert_int_equal(round.number, 3);
    assert_int_equal(game.draws, 1);
}

/* Ten tenths are a little less than 1 in binary: whoever has ten points must have won. */
static void a_rounding_error_is_no_point(void **state)
{
    struct rps_game game = { .user_score = 8.7 - 1e-9 };
    struct rps_round round = play(&game, RPS_PAPER, RPS_ROCK);

    assert_true(round.user_score == 10.0 && game.winner == RPS_USER_WINS);
    assert_true(round.user_delta == 1.3);
    game = (struct rps_game){ .user_score = 8.69 };
    play(&game, RPS_PAPER, RPS_ROCK);
    assert_int_equal(game.winner, RPS_NOBODY_YET);
}

static void the_end(void **state)
{
    struct rps_game game = { .user_score = 9.5, .bot_score = 9.7 }, before;
    struct rps_round round = play(&game, RPS_ROCK, RPS_ROCK);

    assert_int_equal(game.winner, RPS_BOT_WINS); /* both are there, the bot by more */
    before = game;
    err e = rps_game_play(&game, RPS_PAPER, RPS_ROCK, &points, &round);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_memory_equal(&game, &before, sizeof game);
    game = (struct rps_game){ .user_score = 9.5, .bot_score = 9.5 };
    play(&game, RPS_ROCK, RPS_ROCK);
    assert_string_equal(rps_winner_name(game.winner), "tie");
    assert_null(rps_winner_name(RPS_NOBODY_YET));
}

static void what_is_no_move(void **state)
{
    struct rps_game game = { 0 };
    struct rps_round round;
    err e = rps_game_play(&game, RPS_NO_MOVE, RPS_ROCK, &points, &round);

    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(game.rounds, 0);
}

/* Draws only is the longest game there is. */
static void no_game_is_longer(void **state)
{
    struct rps_game game = { 0 };
    while (game.winner == RPS_NOBODY_YET)
        play(&game, RPS_ROCK, RPS_ROCK);
    assert_int_equal(game.rounds, RPS_ROUNDS_MAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_and_names),
        cmocka_unit_test(points_of_a_round),
        cmocka_unit_test(equal_points_keep_their_order),
        cmocka_unit_test(gambits_by_draw),
        cmocka_unit_test(scoring),
        cmocka_unit_test(a_rounding_error_is_no_point),
        cmocka_unit_test(the_end),
        cmocka_unit_test(what_is_no_move),
        cmocka_unit_test(no_game_is_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
