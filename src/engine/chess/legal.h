/* SPDX-License-Identifier: GPL-3.0-or-later */
/* legal.h -- is one given move legal, without listing all? For the files of this room only.
 *
 * The fast paths (reading SAN, unpacking a game) know the move and only have to doubt it. They look
 * at the board after the move and ask whether anything attacks the mover's king: one question that
 * covers pins, checks, king walks and en passant alike.
 */
#ifndef SKERRY_CHESS_LEGAL_H
#define SKERRY_CHESS_LEGAL_H

#include "engine/chess/attacks.h"
#include "engine/chess/bits.h"

/* For a move by the rules of its piece that is neither castling nor en passant. */
static inline bool legal_leaves_king_safe(const struct chess_position *p, int from, int to)
{
    int us = p->turn;
    int king = position_king(p, us);
    chess_bits after = ((p->colors[0] | p->colors[1]) & ~bit(from)) | bit(to);

    return !attack_to(p, king == from ? to : king, us, after, p->colors[!us] & ~bit(to));
}

/* For an own piece, not a pawn, that reaches `to` on an empty board. */
static inline bool legal_piece(const struct chess_position *p, int from, int to)
{
    return !((attack_tables.between[from][to] & (p->colors[0] | p->colors[1])) |
             (p->colors[p->turn] & bit(to))) &&
           legal_leaves_king_safe(p, from, to);
}

/* For a capture of the pawn that just made a double step. */
static inline bool legal_en_passant(const struct chess_position *p, int from)
{
    int us = p->turn, to = p->en_passant, taken = to ^ 8;
    chess_bits after = (p->colors[0] | p->colors[1]) ^ bit(from) ^ bit(to) ^ bit(taken);

    return !attack_to(p, position_king(p, us), us, after, p->colors[!us] & ~bit(taken));
}

bool legal_castling(const struct chess_position *p, int side);

/* Any squares and any promotion piece, castling not meant: by the rules of the piece, and legal? */
bool legal_plain(const struct chess_position *p, int from, int to, int promotion);

void move_index_fill(void); /* of move_index.c; called by chess_init */

#endif
