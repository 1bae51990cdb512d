/* SPDX-License-Identifier: GPL-3.0-or-later */
/* board_help.h -- positions for the tests of the board: from text, from moves, from random games.
 */
#ifndef SKERRY_TEST_BOARD_HELP_H
#define SKERRY_TEST_BOARD_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "base/str.h"
#include "engine/chess/position.h"

static inline struct chess_position position_of(const char *fen)
{
    struct chess_position p;
    err e = chess_fen_parse(str_of(fen), &p);

    if (e.code)
        fail_msg("%s", e.msg);
    return p;
}

static inline void assert_fen(const struct chess_position *p, const char *fen)
{
    char text[CHESS_FEN_BYTES];

    chess_fen_write(p, text);
    assert_string_equal(text, fen);
}

/* Plays moves in SAN, separated by single spaces. */
static inline void play(struct chess_position *p, const char *moves)
{
    str rest = str_of(moves);

    while (rest.len) {
        str word = str_split(&rest, ' ');
        chess_move m;
        err e = chess_san_parse(p, word, &m);

        if (e.code)
            fail_msg("%s", e.msg);
        chess_move_make(p, m);
    }
}

/* Plays random games and hands every position on the way to `look`. Half of them are Chess960, and
 * captures are preferred half the time, so that endings are reached too. */
static inline void random_games(uint64_t seed, int games, int plies_max,
                                void (*look)(const struct chess_position *p, struct rng *rng))
{
    struct rng rng;

    rng_init(&rng, seed);
    for (int game = 0; game < games; game++) {
        struct chess_position p;

        if (game % 2)
            chess_position_start_960(&p, (int)rng_below(&rng, 960));
        else
            chess_position_start(&p);
        for (int ply = 0; ply < plies_max; ply++) {
            chess_move moves[CHESS_MOVES_MAX];
            int count = chess_moves(&p, moves), pick;

            look(&p, &rng);
            if (count == 0)
                break;
            pick = (int)rng_below(&rng, (uint64_t)count);
            for (int i = 0; i < count && rng_below(&rng, 2); i++) {
                if (p.board[chess_move_to(moves[i])] != CHESS_NO_PIECE)
                    pick = i;
            }
            chess_move_make(&p, moves[pick]);
        }
    }
}

#endif
