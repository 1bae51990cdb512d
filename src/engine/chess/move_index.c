/* SPDX-License-Identifier: GPL-3.0-or-later */
/* move_index.c -- a small number for a move, found and read back without listing the moves.
 *
 * Every own piece has a fixed range of numbers, one for each way its kind can ever move: king
 * first, then queens, rooks, bishops, knights and pawns, each kind from a1 to h8. An ordinary army
 * needs 206 numbers, so a move fits a byte; only extra queens can go beyond. Most numbers are no
 * legal move at a given moment, which is the price for reading one back in a few nanoseconds.
 *
 * The numbers are part of the format of packed games: a change here needs a new version there.
 *
 *   king    0..7 steps (below), 8 castling king side, 9 queen side
 *
 *   rook    0..6 along the rank, by file of the target; 7..13 along the file, by its rank; the
 *           piece's own file or rank is left out of the count
 *
 *   bishop  0..6 along the rising diagonal, by file of the target; 7..13 along the falling one
 *
 *   queen   0..13 as a rook, 14..27 as a bishop
 *
 *   knight  0..7 jumps (below)
 *
 *   pawn    0 step, 1 double step, 2 capture towards the a file, 3 towards the h file; on the
 *           seventh rank 0..3 step and become knight .. queen, 4..7 capturing west, 8..11 east
 */
#include "engine/chess/bits.h"
#include "engine/chess/legal.h"
#include "engine/chess/position.h"

enum {
    SPAN_KING = 10,
    SPAN_QUEEN = 28,
    SPAN_ROOK = 14,
    SPAN_BISHOP = 14,
    SPAN_KNIGHT = 8,
    SPAN_PAWN = 12,
    KING_STEPS = 8,
};

/* One king, nine queens, and the rest of the army: the most that eight promotions can make. */
_Static_assert(CHESS_INDEX_MAX ==
                   SPAN_KING + 9 * SPAN_QUEEN + 2 * SPAN_ROOK + 2 * SPAN_BISHOP + 2 * SPAN_KNIGHT,
               "chess_move_index stays below CHESS_INDEX_MAX");

static const int8_t king_steps[8][2] = { { -1, -1 }, { 0, -1 }, { 1, -1 }, { -1, 0 },
                                         { 1, 0 },   { -1, 1 }, { 0, 1 },  { 1, 1 } };
static const int8_t knight_jumps[8][2] = { { -1, -2 }, { 1, -2 }, { -2, -1 }, { 2, -1 },
                                           { -2, 1 },  { 2, 1 },  { -1, 2 },  { 1, 2 } };

/* Where a queen, rook, bishop or knight on a square goes by a number of its range; CHESS_NO_SQUARE
 * off the board. Written by chess_init alone. */
static struct {
    uint8_t to[4][64][SPAN_QUEEN];
} move_targets;

/* ------------------------------------------------------------------ number to move */

static int step_to(int from, const int8_t step[2])
{
    int file = (from & 7) + step[0], rank = (from >> 3) + step[1];

    return (file | rank) & ~7 ? CHESS_NO_SQUARE : square_of(file, rank);
}

static int rook_to(int from, int code)
{
    int file = from & 7, rank = from >> 3;

    if (code < 7)
        return square_of(code + (code >= file), rank);
    code -= 7;
    return square_of(file, code + (code >= rank));
}

static int bishop_to(int from, int code)
{
    int file = from & 7, rank = from >> 3, falls = code >= 7, to_file;

    code -= 7 * falls;
    to_file = code + (code >= file);
    rank += falls ? file - to_file : to_file - file;
    return rank & ~7 ? CHESS_NO_SQUARE : square_of(to_file, rank);
}

void move_index_fill(void)
{
    for (int from = 0; from < 64; from++) {
        for (int code = 0; code < SPAN_ROOK; code++) {
            uint8_t rook = (uint8_t)rook_to(from, code), bishop = (uint8_t)bishop_to(from, code);

            move_targets.to[0][from][code] = rook;
            move_targets.to[0][from][SPAN_ROOK + code] = bishop;
            move_targets.to[1][from][code] = rook;
            move_targets.to[2][from][code] = bishop;
        }
        for (int code = 0; code < SPAN_KNIGHT; code++)
            move_targets.to[3][from][code] = (uint8_t)step_to(from, knight_jumps[code]);
    }
}

static chess_move pawn_move(const struct chess_position *p, int from, int code)
{
    int us = p->turn, forward = us == CHESS_WHITE ? 8 : -8;
    int promotion = CHESS_PAWN, to;

    if (from >> 3 == (us == CHESS_WHITE ? 6 : 1)) {
        promotion = CHESS_KNIGHT + (code & 3);
        code = code < 4 ? 0 : 1 + code / 4;
    }
    if (code > 3)
        return CHESS_MOVE_NONE;
    to = from + forward;
    if (code == 1)
        to += forward;
    else if (code >= 2)
        to += code == 2 ? -1 : 1;
    /* A capture over the edge of the board lands two files off, which no pawn's attack contains. */
    return !(to & ~63) && legal_plain(p, from, to, promotion) ? move_promoting(from, to, promotion)
                                                              : CHESS_MOVE_NONE;
}

static chess_move king_move(const struct chess_position *p, int code)
{
    int king = position_king(p, p->turn), side = code - KING_STEPS;
    int to;

    if (side >= 0)
        return legal_castling(p, side) ? move_castling(king, p->castling_rook[p->turn][side])
                                       : CHESS_MOVE_NONE;
    to = step_to(king, king_steps[code]);
    return to != CHESS_NO_SQUARE && legal_piece(p, king, to) ? move_of(king, to) : CHESS_MOVE_NONE;
}

static int nth_square(chess_bits b, unsigned n)
{
    while (n-- > 0)
        b &= b - 1;
    return bits_first(b);
}

chess_move chess_move_at(const struct chess_position *p, int index)
{
    /* In the order of the ranges. Which piece moves is hard to predict, so it is computed, not
     * branched on: all ranges are known first, then one way serves all pieces. */
    static const uint8_t order[4] = { CHESS_QUEEN, CHESS_ROOK, CHESS_BISHOP, CHESS_KNIGHT };
    static const uint8_t spans[4] = { SPAN_QUEEN, SPAN_ROOK, SPAN_BISHOP, SPAN_KNIGHT };
    chess_bits own = p->colors[p->turn], pawns = p->pieces[CHESS_PAWN] & own;
    unsigned left = (unsigned)index, ends[5], kind = 0, nth;
    int from, to;

    if (left < SPAN_KING)
        return king_move(p, (int)left);
    ends[0] = SPAN_KING;
    for (int i = 0; i < 4; i++)
        ends[i + 1] = ends[i] + spans[i] * (unsigned)bits_count(p->pieces[order[i]] & own);
    if (left >= ends[4]) { /* negative numbers are huge here */
        left -= ends[4];
        nth = left / SPAN_PAWN;
        return nth < (unsigned)bits_count(pawns)
                   ? pawn_move(p, nth_square(pawns, nth), (int)(left % SPAN_PAWN))
                   : CHESS_MOVE_NONE;
    }
    for (int i = 1; i < 4; i++)
        kind += left >= ends[i];
    left -= ends[kind];
    nth = left / spans[kind];
    from = nth_square(p->pieces[order[kind]] & own, nth);
    to = move_targets.to[kind][from][left - nth * spans[kind]];
    return to != CHESS_NO_SQUARE && legal_piece(p, from, to) ? move_of(from, to) : CHESS_MOVE_NONE;
}

/* ------------------------------------------------------------------ move to number */

static int step_code(const int8_t steps[8][2], int from, int to)
{
    int code = 0;

    while (step_to(from, steps[code]) != to)
        code++;
    return code;
}

static int rook_code(int from, int to)
{
    int at = to & 7, own = from & 7;

    if (from >> 3 == to >> 3)
        return at - (at > own);
    at = to >> 3;
    own = from >> 3;
    return 7 + at - (at > own);
}

static int bishop_code(int from, int to)
{
    int at = to & 7, own = from & 7;
    bool falls = (to > from) != (at > own);

    return at - (at > own) + 7 * falls;
}

static int pawn_code(int from, int to, int promotion)
{
    int side = (to & 7) - (from & 7);
    int way = side < 0 ? 1 : side > 0 ? 2 : 0;

    if (promotion)
        return 4 * way + promotion - CHESS_KNIGHT;
    return way ? 1 + way : (from ^ to) == 16;
}

int chess_move_index(const struct chess_position *p, chess_move m)
{
    static const int spans[6] = { SPAN_PAWN, SPAN_KNIGHT, SPAN_BISHOP,
                                  SPAN_ROOK, SPAN_QUEEN,  SPAN_KING };
    int from = chess_move_from(m), to = chess_move_to(m), piece = p->board[from] & 7;
    chess_bits own = p->colors[p->turn];
    int index = 0;

    if (!chess_move_is_legal(p, m))
        return -1;
    for (int before = CHESS_KING; before > piece; before--)
        index += spans[before] * bits_count(p->pieces[before] & own);
    index += spans[piece] * bits_count(p->pieces[piece] & own & (bit(from) - 1));
    switch ((enum chess_piece)piece) {
    case CHESS_KING:
        return chess_move_is_castling(m) ? KING_STEPS + (to < from)
                                         : step_code(king_steps, from, to);
    case CHESS_QUEEN:
        if (attack_tables.reach[CHESS_ROOK][from] & bit(to))
            return index + rook_code(from, to);
        return index + SPAN_ROOK + bishop_code(from, to);
    case CHESS_ROOK:
        return index + rook_code(from, to);
    case CHESS_BISHOP:
        return index + bishop_code(from, to);
    case CHESS_KNIGHT:
        return index + step_code(knight_jumps, from, to);
    case CHESS_PAWN:
        return index + pawn_code(from, to, chess_move_promotion(m));
    case CHESS_NO_PIECE:
        break;
    }
    return -1;
}
