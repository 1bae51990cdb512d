/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_board.h -- the board of the PGN reader: only what deciding about one move needs.
 *
 * A PGN reader makes each move once and throws the board away. It wants neither a hash key nor a board of
 * squares nor counters, and it must not branch on what kind of piece was captured. So the pieces are
 * numbers of three bits, held as three bit planes, and a colour plane: the whole board is four machine
 * words that stay in registers, and a move is the same dozen instructions whatever moved or was taken.
 * The numbers are chosen so that "slides on diagonals" and "slides on lines" are each two planes.
 */
#ifndef SKERRY_CHESS_PGN_BOARD_H
#define SKERRY_CHESS_PGN_BOARD_H

#include "engine/chess/attacks.h"
#include "engine/chess/bits.h"
#include "engine/chess/position.h"

enum pgn_man {
    PGN_NO_MAN,
    PGN_PAWN = 1,
    PGN_KNIGHT = 2,
    PGN_KING = 3,
    PGN_BISHOP = 5,
    PGN_ROOK = 6,
    PGN_QUEEN = 7,
};

struct pgn_board {
    chess_bits plane[3];  /* bit n of the man on each square */
    chess_bits black;     /* squares of black men */
    chess_bits castle;    /* squares of the rooks still allowed to castle */
    uint32_t turn;        /* enum chess_color */
    uint32_t en_passant;  /* the square behind a pawn that just made a double step, else CHESS_NO_SQUARE */
};

#define PGN_INLINE static inline __attribute__((always_inline))

PGN_INLINE chess_bits pgn_occupied(const struct pgn_board *b)
{
    return b->plane[0] | b->plane[1] | b->plane[2];
}

PGN_INLINE chess_bits pgn_men(const struct pgn_board *b, enum pgn_man man)
{
    chess_bits m0 = man & 1 ? b->plane[0] : ~b->plane[0];
    chess_bits m1 = man & 2 ? b->plane[1] : ~b->plane[1];
    chess_bits m2 = man & 4 ? b->plane[2] : ~b->plane[2];
    return m0 & m1 & m2;
}

PGN_INLINE chess_bits pgn_side(const struct pgn_board *b, uint32_t color)
{
    return color == CHESS_WHITE ? pgn_occupied(b) & ~b->black : b->black;
}

/* Does any man of `theirs` attack `square`, which belongs to colour `us`? */
PGN_INLINE chess_bits pgn_attackers(const struct pgn_board *b, int square, uint32_t us, chess_bits occupied,
                                    chess_bits theirs)
{
    const struct attack_tables *t = &attack_tables;
    chess_bits p0 = b->plane[0], p1 = b->plane[1], p2 = b->plane[2];
    chess_bits hits = t->reach[CHESS_KNIGHT][square] & (p1 & ~p0 & ~p2);
    hits |= t->pawn[us][square] & (p0 & ~p1 & ~p2);
    hits |= t->reach[CHESS_KING][square] & (p0 & p1 & ~p2);
    hits |= attack_bishop(square, occupied) & (p0 & p2);
    hits |= attack_rook(square, occupied) & (p1 & p2);
    return hits & theirs;
}

/* Puts `man` of the side to move on `to`, empties `gone` (the squares left and taken). */
PGN_INLINE void pgn_place(struct pgn_board *b, chess_bits gone, chess_bits to, enum pgn_man man)
{
    chess_bits kept = ~(gone | to);
    for (int i = 0; i < 3; i++)
        b->plane[i] = (b->plane[i] & kept) | (to & (0 - (chess_bits)(man >> i & 1)));
    b->black = (b->black & kept) | (to & (0 - (chess_bits)b->turn));
}

void pgn_board_from(const struct chess_position *p, struct pgn_board *ret_board);
/* A position for the slow paths and for error texts; its counters are made up. */
void pgn_board_to(const struct pgn_board *b, const struct chess_position *start,
                  struct chess_position *ret_position);
/* Makes a move that is known to be legal. */
void pgn_board_make(struct pgn_board *b, chess_move m);

#endif
