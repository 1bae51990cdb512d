/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bits.h -- sets of squares and how to walk them, for the files of this room only. */
#ifndef SKERRY_CHESS_BITS_H
#define SKERRY_CHESS_BITS_H

#include "engine/chess/position.h"

#define BITS_FILE_A 0x0101010101010101ULL
#define BITS_FILE_H 0x8080808080808080ULL
#define BITS_RANK_1 0x00000000000000ffULL
#define BITS_RANK_3 0x0000000000ff0000ULL
#define BITS_RANK_6 0x0000ff0000000000ULL
#define BITS_RANK_8 0xff00000000000000ULL
#define BITS_LIGHT 0x55aa55aa55aa55aaULL /* b1, a2, ... h1 */

static inline chess_bits bit(int square)
{
    return 1ULL << square;
}

static inline int bits_first(chess_bits b) /* b must not be empty */
{
    return __builtin_ctzll(b);
}

static inline int bits_pop(chess_bits *b) /* takes the lowest square out */
{
    int square = __builtin_ctzll(*b);

    *b &= *b - 1;
    return square;
}

static inline bool bits_many(chess_bits b) /* more than one */
{
    return (b & (b - 1)) != 0;
}

/* The compiler makes this one instruction where the target has it, and a dozen where it has not. */
static inline int bits_count(chess_bits b)
{
#if defined(__POPCNT__) || defined(__aarch64__)
    return __builtin_popcountll(b);
#else
    b -= (b >> 1) & 0x5555555555555555ULL;
    b = (b & 0x3333333333333333ULL) + ((b >> 2) & 0x3333333333333333ULL);
    return (int)((((b + (b >> 4)) & 0x0f0f0f0f0f0f0f0fULL) * BITS_FILE_A) >> 56);
#endif
}

static inline int square_of(int file, int rank)
{
    return file + 8 * rank;
}

static inline chess_move move_of(int from, int to)
{
    return (chess_move)(from | to << 6);
}

static inline chess_move move_promoting(int from, int to, int piece)
{
    return (chess_move)(from | to << 6 | piece << 12);
}

static inline chess_move move_castling(int king, int rook)
{
    return (chess_move)(king | rook << 6 | 1 << 15);
}

/* Where king and rook land: the g and f file on the king side, c and d on the queen side. */
static inline int castling_king_to(int color, int side)
{
    return square_of(side == 0 ? 6 : 2, color == CHESS_WHITE ? 0 : 7);
}

static inline int castling_rook_to(int color, int side)
{
    return square_of(side == 0 ? 5 : 3, color == CHESS_WHITE ? 0 : 7);
}

static inline int position_king(const struct chess_position *p, int color)
{
    return bits_first(p->pieces[CHESS_KING] & p->colors[color]);
}

#endif
