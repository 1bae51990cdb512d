/* SPDX-License-Identifier: GPL-3.0-or-later */
/* uci.c -- moves as coordinates: e2e4, e7e8q, and castling as e1g1 or, in Chess960, e1h1. */
#include "engine/chess/uci.h"

#include "engine/chess/bits.h"
#include "engine/chess/legal.h"

static const char promotion_letters[] = "pnbrq";

static char *write_square(char *out, int square)
{
    *out++ = (char)('a' + (square & 7));
    *out++ = (char)('1' + (square >> 3));
    return out;
}

void chess_uci_write(const struct chess_position *p, chess_move m, char out[CHESS_UCI_BYTES])
{
    int from = chess_move_from(m), to = chess_move_to(m);

    if (m == CHESS_MOVE_NONE) { /* what UCI calls a null move */
        for (int i = 0; i < 4; i++)
            *out++ = '0';
        *out = '\0';
        return;
    }
    if (chess_move_is_castling(m) && !p->is_960)
        to = castling_king_to(p->turn, to > from ? 0 : 1);
    out = write_square(write_square(out, from), to);
    if (chess_move_promotion(m) && chess_move_promotion(m) < CHESS_KING)
        *out++ = promotion_letters[chess_move_promotion(m)];
    *out = '\0';
}

chess_move uci_find(const struct chess_position *p, int from, int to, int promotion)
{
    int us = p->turn;

    if (!promotion && p->board[from] == (CHESS_KING | us << 3)) {
        for (int side = 0; side < 2; side++) {
            int rook = p->castling_rook[us][side];
            /* A king step to g1 is a step when the king stands next to it; in Chess960 the
             * king-takes-rook form tells them apart. */
            bool far = to == castling_king_to(us, side) && (from - to > 1 || to - from > 1);

            if (rook != CHESS_NO_SQUARE && (to == rook || far))
                return legal_castling(p, side) ? move_castling(from, rook) : CHESS_MOVE_NONE;
        }
    }
    return legal_plain(p, from, to, promotion) ? move_promoting(from, to, promotion)
                                               : CHESS_MOVE_NONE;
}

static int read_square(const char *text)
{
    if (text[0] < 'a' || text[0] > 'h' || text[1] < '1' || text[1] > '8')
        return CHESS_NO_SQUARE;
    return square_of(text[0] - 'a', text[1] - '1');
}

err chess_uci_parse(const struct chess_position *p, str text, chess_move *ret_move)
{
    int from = CHESS_NO_SQUARE, to = CHESS_NO_SQUARE, promotion = CHESS_PAWN;
    str shown = { text.ptr, text.len > 20 ? 20 : text.len };
    chess_move m;

    if (text.len == 4 || text.len == 5) {
        from = read_square(text.ptr);
        to = read_square(text.ptr + 2);
    }
    if (text.len == 5) {
        while (promotion <= CHESS_QUEEN && promotion_letters[promotion] != text.ptr[4])
            promotion++;
        if (promotion == CHESS_PAWN || promotion > CHESS_QUEEN)
            from = CHESS_NO_SQUARE;
    }
    if (from == CHESS_NO_SQUARE || to == CHESS_NO_SQUARE)
        return ERR(
            ERR_INVALID,
            "reading move '%.*s': write two squares and, to promote, one of nbrq, as in e2e4 "
            "or e7e8q",
            STR_ARG(shown));
    m = uci_find(p, from, to, promotion);
    if (m == CHESS_MOVE_NONE) {
        char fen[CHESS_FEN_BYTES];

        chess_fen_write(p, fen);
        return ERR(ERR_CONFLICT, "move '%.*s' is not legal in '%s'", STR_ARG(shown), fen);
    }
    *ret_move = m;
    return OK;
}
