/* SPDX-License-Identifier: GPL-3.0-or-later */
/* uci.h -- a move by its squares, for the files of this room only. */
#ifndef SKERRY_CHESS_UCI_H
#define SKERRY_CHESS_UCI_H

#include "engine/chess/position.h"

/* The legal move from square to square, castling in both spellings, or CHESS_MOVE_NONE. `promotion`
 * is CHESS_PAWN for none. */
chess_move uci_find(const struct chess_position *p, int from, int to, int promotion);

#endif
