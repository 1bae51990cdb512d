/* SPDX-License-Identifier: GPL-3.0-or-later */
/* acpl.h -- average centipawn loss: how much worse than the engine's best move somebody's moves
 * are. Pure arithmetic.
 *
 * A move's loss is the engine's score of its own best move minus its score of this move, both
 * within ACPL_CAP for the side to move (a mate is worth the cap), and never below zero. So a loss
 * lies in 0..2 * ACPL_CAP, and nothing is lost by winning more slowly.
 */
#ifndef SKERRY_APPS_CHESS_ACPL_H
#define SKERRY_APPS_CHESS_ACPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ACPL_CAP = 1000,
    ACPL_INACCURACY = 50, /* a loss from here to below the next is counted as one */
    ACPL_MISTAKE = 100,
    ACPL_BLUNDER = 200,
};

int acpl_loss(int best_cp, int move_cp); /* both within the cap already */

/* Running sums. Start with {0}. */
struct acpl_tally {
    size_t count, games, inaccuracies, mistakes, blunders, best;
    double sum;
    /* of the game at hand, and of the games before it: for the interval */
    uint32_t game;
    double game_sum, game_count, sum_squares, sum_products, count_squares;
};

/* Positions of one game must come one after another: they are no independent witnesses. is_best:
 * the engine would have played the same. A loss may be a difference of losses, hence negative. */
void acpl_add(struct acpl_tally *t, uint32_t game, int loss, bool is_best);

struct acpl {
    size_t positions, games;
    double mean, low, high; /* 95 %, positions of a game taken together; NaN below two games */
    double inaccuracies, mistakes, blunders, best; /* per 100 moves */
};
void acpl_of(const struct acpl_tally *t, struct acpl *ret);

#endif
