/* SPDX-License-Identifier: GPL-3.0-or-later */
/* zobrist.h -- random numbers that make up a position's key, for the files of this room only.
 *
 * They are the 781 published numbers of the Polyglot book format, so that a standard position has
 * the key that opening books use: the exclusive-or of one number for each piece on its square, each
 * castling right, the file of a possible en passant capture, and white to move.
 */
#ifndef SKERRY_CHESS_ZOBRIST_H
#define SKERRY_CHESS_ZOBRIST_H

#include "engine/chess/position.h"

struct zobrist_tables {
    uint64_t piece[16][64];  /* by code on the board; the row of the empty square is zero */
    uint64_t castling[2][2]; /* [colour][side] */
    uint64_t en_passant[8];  /* by file */
    uint64_t white;          /* white is to move */
};

extern struct zobrist_tables zobrist; /* written by chess_init alone */

void zobrist_fill(void);

#endif
