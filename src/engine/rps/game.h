/* SPDX-License-Identifier: GPL-3.0-or-later */
/* game.h -- rock, paper, scissors to ten points: what a move is worth, who won a round, who won.
 *
 * Each round gives the three moves other points, which follow from the game's id and the number of
 * the round, so that nobody stores them and nobody can choose them. The first three moves of the
 * bot come from a gambit. A game is over when somebody has ten points; because every round brings
 * at least one point to the sum of both, that takes at most RPS_ROUNDS_MAX rounds.
 *
 * Moves are numbers 0, 1, 2 for rock, paper, scissors, everywhere and in this order. Everything is
 * seen from the user: RPS_WIN is the user's. Pure functions: any thread.
 */
#ifndef SKERRY_RPS_GAME_H
#define SKERRY_RPS_GAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum rps_move { RPS_ROCK, RPS_PAPER, RPS_SCISSORS };
enum { RPS_MOVES = 3, RPS_NO_MOVE = 3 };
enum rps_outcome { RPS_WIN, RPS_LOSE, RPS_DRAW };
enum { RPS_OUTCOMES = 3 };
enum rps_winner { RPS_NOBODY_YET, RPS_USER_WINS, RPS_BOT_WINS, RPS_TIE };

enum { RPS_ROUNDS_MAX = 20, RPS_GAMBIT_ROUNDS = 3, RPS_GAMBITS = 10, RPS_GAMBIT_DRAWS = 100 };

#define RPS_TARGET 10.0
/* A score this close below the target has reached it: tenths do not add up exactly in binary. */
#define RPS_TARGET_SLACK 1e-6

/* ---------------------------------------------------------------- moves */

/* "rock", "paper", "scissors"; "none" for anything else. */
const char *rps_move_name(unsigned move);
/* The move of a name in any case of letters, or RPS_NO_MOVE. No blanks around. */
unsigned rps_move_find(str name);
/* The move of 'r', 'p' or 's' in either case, or RPS_NO_MOVE. */
unsigned rps_move_of_letter(char letter);

static inline unsigned rps_beater(unsigned move)
{
    return move == RPS_SCISSORS ? RPS_ROCK : move + 1;
}

static inline unsigned rps_beaten(unsigned move)
{
    return move == RPS_ROCK ? RPS_SCISSORS : move - 1;
}

static inline enum rps_outcome rps_outcome(unsigned user, unsigned bot)
{
    return user == bot ? RPS_DRAW : rps_beater(bot) == user ? RPS_WIN : RPS_LOSE;
}

const char *rps_outcome_name(enum rps_outcome outcome); /* "win", "lose", "draw" */
const char *rps_winner_name(enum rps_winner winner);    /* "user", "bot", "tie"; NULL: nobody yet */

/* ---------------------------------------------------------------- points */

/* What each move wins in one round: 1.0, one of 1.1 to 1.5, and that plus 0.5. */
struct rps_points {
    double of[RPS_MOVES];
};

/* Points of a round, counted from 1, of the game with this id. The id may be any bytes. */
void rps_round_points(str game_id, int64_t round, struct rps_points *ret_points);

/* The move of most points; the first of equal ones. */
unsigned rps_best_move(const struct rps_points *points);
/* Moves by points, highest first; equal ones keep their order. */
void rps_moves_by_points(const struct rps_points *points, unsigned out[RPS_MOVES]);

/* ---------------------------------------------------------------- gambits */

/* The gambit of a uniform draw of 0..RPS_GAMBIT_DRAWS-1. */
size_t rps_gambit_choose(unsigned draw);
const char *rps_gambit_name(size_t gambit);
/* The bot's moves of rounds 1 to 3: a gambit names ranks of points, which are moves only in a given
 * game. */
void rps_gambit_moves(size_t gambit, str game_id, unsigned out[RPS_GAMBIT_ROUNDS]);

/* ---------------------------------------------------------------- a game */

/* One round that was played. */
struct rps_round {
    uint8_t user, bot;
    uint8_t outcome; /* enum rps_outcome */
    int64_t number;  /* from 1 */
    struct rps_points points;
    double user_delta, bot_delta; /* what the round brought */
    double user_score, bot_score; /* after it */
};

/* A game between rounds; all zero is a new one. */
struct rps_game {
    double user_score, bot_score;
    uint32_t rounds, draws;
    enum rps_winner winner; /* RPS_NOBODY_YET while it goes on */
};

/* Plays the next round. ERR_CONFLICT when the game is over, ERR_INVALID for what is no move; then
 * nothing has changed. The points are those of round `rounds + 1`. */
MUST_USE err rps_game_play(struct rps_game *game, unsigned user, unsigned bot,
                           const struct rps_points *points, struct rps_round *ret_round);

#endif
