/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_mirror.c -- a sample seen in a mirror: left and right change places. Without castling
 * rights the rules cannot tell, so what was played here could have been played there. */
#include <string.h>

#include "engine/chess/train.h"

static chess_bits mirror_bits(chess_bits b)
{
    b = (b >> 1 & 0x5555555555555555) | (b & 0x5555555555555555) << 1;
    b = (b >> 2 & 0x3333333333333333) | (b & 0x3333333333333333) << 2;
    return (b >> 4 & 0x0f0f0f0f0f0f0f0f) | (b & 0x0f0f0f0f0f0f0f0f) << 4;
}

bool train_mirror(struct chess_sample *s)
{
    struct chess_position *p = &s->position;
    uint8_t board[64];
    for (int color = 0; color < 2; color++)
        for (int side = 0; side < 2; side++)
            if (p->castling_rook[color][side] != CHESS_NO_SQUARE)
                return false;
    for (int piece = 0; piece < 6; piece++)
        p->pieces[piece] = mirror_bits(p->pieces[piece]);
    for (int color = 0; color < 2; color++)
        p->colors[color] = mirror_bits(p->colors[color]);
    for (int square = 0; square < 64; square++)
        board[square ^ 7] = p->board[square];
    memcpy(p->board, board, sizeof board);
    if (p->en_passant != CHESS_NO_SQUARE)
        p->en_passant ^= 7;
    p->key = chess_position_key(p);
    s->move ^= 7 | 7 << 6;
    return true;
}
