/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/chess/acpl.h"

#include <math.h>

int acpl_loss(int best_cp, int move_cp)
{
    return best_cp > move_cp ? best_cp - move_cp : 0;
}

static void close_game(struct acpl_tally *t)
{
    t->sum_squares += t->game_sum * t->game_sum;
    t->sum_products += t->game_sum * t->game_count;
    t->count_squares += t->game_count * t->game_count;
    t->game_sum = t->game_count = 0;
}

void acpl_add(struct acpl_tally *t, uint32_t game, int loss, bool is_best)
{
    if (t->games == 0 || t->game != game) {
        close_game(t);
        t->game = game;
        t->games++;
    }
    t->game_sum += loss;
    t->game_count += 1;
    t->sum += loss;
    t->count++;
    t->best += is_best;
    t->blunders += loss >= ACPL_BLUNDER;
    t->mistakes += loss >= ACPL_MISTAKE && loss < ACPL_BLUNDER;
    t->inaccuracies += loss >= ACPL_INACCURACY && loss < ACPL_MISTAKE;
}

void acpl_of(const struct acpl_tally *t, struct acpl *ret)
{
    struct acpl_tally all = *t;
    double n = (double)all.count, g = (double)all.games;
    *ret = (struct acpl){ .positions = all.count, .games = all.games, .low = NAN, .high = NAN };
    if (all.count == 0) {
        ret->mean = NAN;
        return;
    }
    close_game(&all);
    double mean = all.sum / n;
    ret->mean = mean;
    ret->inaccuracies = 100 * (double)all.inaccuracies / n;
    ret->mistakes = 100 * (double)all.mistakes / n;
    ret->blunders = 100 * (double)all.blunders / n;
    ret->best = 100 * (double)all.best / n;
    if (all.games < 2)
        return;
    /* The sum over games of (what its moves lost - what as many average moves lose) squared. */
    double spread = all.sum_squares - 2 * mean * all.sum_products + mean * mean * all.count_squares;
    double half = 1.96 * sqrt(fmax(spread, 0) * g / (g - 1)) / n;
    ret->low = mean - half;
    ret->high = mean + half;
}
