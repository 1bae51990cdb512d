/* SPDX-License-Identifier: GPL-3.0-or-later */
/* movegen.c -- lists of legal moves, and the legality of one move. */
#include "engine/chess/generate.h"
#include "engine/chess/legal.h"

int chess_moves(const struct chess_position *p, chess_move out[CHESS_MOVES_MAX])
{
    return generate(p, out, GENERATE_LIST);
}

bool chess_has_moves(const struct chess_position *p)
{
    return generate(p, NULL, GENERATE_ANY) > 0;
}

bool chess_in_check(const struct chess_position *p)
{
    return attack_to(p, position_king(p, p->turn), p->turn, p->colors[0] | p->colors[1],
                     p->colors[!p->turn]) != 0;
}

bool legal_castling(const struct chess_position *p, int side)
{
    int us = p->turn, king = position_king(p, us), rook = p->castling_rook[us][side];
    int king_to = castling_king_to(us, side), rook_to = castling_rook_to(us, side);
    chess_bits occupied = p->colors[0] | p->colors[1], rest, way;

    if (rook == CHESS_NO_SQUARE)
        return false;
    rest = occupied ^ bit(king) ^ bit(rook);
    way = attack_tables.between[king][king_to] | bit(king_to);
    if ((way | attack_tables.between[rook][rook_to] | bit(rook_to)) & rest)
        return false;
    way |= bit(king);
    while (way) {
        if (attack_to(p, bits_pop(&way), us, occupied ^ bit(king), p->colors[!us]))
            return false;
    }
    return !attack_to(p, king_to, us, rest | bit(king_to) | bit(rook_to), p->colors[!us]);
}

static bool legal_pawn(const struct chess_position *p, int from, int to, int promotion)
{
    int us = p->turn, forward = us == CHESS_WHITE ? 8 : -8;
    bool last = to >> 3 == (us == CHESS_WHITE ? 7 : 0);
    chess_bits occupied = p->colors[0] | p->colors[1];

    if (last ? promotion < CHESS_KNIGHT || promotion > CHESS_QUEEN : promotion != CHESS_PAWN)
        return false;
    if (attack_tables.pawn[us][from] & bit(to)) {
        if (to == p->en_passant)
            return legal_en_passant(p, from);
        return (p->colors[!us] & bit(to)) && legal_leaves_king_safe(p, from, to);
    }
    if (to == from + 2 * forward) {
        if (from >> 3 != (us == CHESS_WHITE ? 1 : 6) || (occupied & bit(from + forward)))
            return false;
    } else if (to != from + forward) {
        return false;
    }
    return !(occupied & bit(to)) && legal_leaves_king_safe(p, from, to);
}

bool legal_plain(const struct chess_position *p, int from, int to, int promotion)
{
    int us = p->turn, piece = p->board[from] & 7;

    if (!(p->colors[us] & bit(from)) || (p->colors[us] & bit(to)))
        return false;
    if (piece == CHESS_PAWN)
        return legal_pawn(p, from, to, promotion);
    return promotion == CHESS_PAWN && (attack_tables.reach[piece][from] & bit(to)) &&
           legal_piece(p, from, to);
}

bool chess_move_is_legal(const struct chess_position *p, chess_move m)
{
    int from = chess_move_from(m), to = chess_move_to(m), us = p->turn;

    if (!chess_move_is_castling(m))
        return legal_plain(p, from, to, chess_move_promotion(m));
    if (chess_move_promotion(m) || from != position_king(p, us))
        return false;
    for (int side = 0; side < 2; side++) {
        if (p->castling_rook[us][side] == to)
            return legal_castling(p, side);
    }
    return false;
}
