/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fen.c -- positions as text: FEN, X-FEN and Shredder-FEN.
 *
 * Reading is strict about what could be played and forgiving about what is only bookkeeping:
 * missing counters are 0 and 1, and an en passant square that no pawn can use is dropped, as the
 * key must not depend on it. A position read here satisfies chess_position_check, and the rest of
 * the room relies on that; in particular no side has more men than eight promoted pawns allow,
 * which bounds the number of legal moves by CHESS_MOVES_MAX.
 */
#include <string.h>

#include "engine/chess/attacks.h"
#include "engine/chess/bits.h"
#include "engine/chess/position.h"

enum {
    FEN_TEXT_MAX = 120,     /* 71 for the board, the rest for the other fields; shorter is usual */
    FEN_COUNTER_MAX = 9999, /* far above any game, far below the width of the counters */
};

static const char piece_letters[] = "PNBRQK";

/* Errors show the FEN, cut when it is long: the text is a stranger's. */
#define FEN_ERR(fen, ...) fen_err((fen), ERR(ERR_INVALID, __VA_ARGS__))

static err fen_err(str fen, err e)
{
    bool cut = fen.len > 100;

    return err_wrap(e, "reading FEN '%.*s%s'", cut ? 100 : (int)fen.len, fen.len ? fen.ptr : "",
                    cut ? "..." : "");
}

static int letter_piece(char c, int *ret_color)
{
    bool lower = c >= 'a' && c <= 'z';
    const char *at = c == '\0' ? NULL : strchr(piece_letters, lower ? c - 'a' + 'A' : c);

    if (!at)
        return CHESS_NO_PIECE;
    *ret_color = lower ? CHESS_BLACK : CHESS_WHITE;
    return (int)(at - piece_letters);
}

static err read_board(str fen, str field, struct chess_position *p)
{
    int rank = 7, file = 0;

    for (size_t i = 0; i < field.len; i++) {
        char c = field.ptr[i];
        int color = 0, piece = letter_piece(c, &color);

        if (c == '/') {
            if (file != 8 || rank == 0)
                return FEN_ERR(fen, "board: rank %d has %d files, or there are too many ranks",
                               rank + 1, file);
            rank--;
            file = 0;
        } else if (c >= '1' && c <= '8' && file + (c - '0') <= 8) {
            file += c - '0';
        } else if (piece != CHESS_NO_PIECE && file < 8) {
            int square = square_of(file++, rank);

            p->pieces[piece] |= bit(square);
            p->colors[color] |= bit(square);
            p->board[square] = (uint8_t)(piece | color << 3);
        } else {
            return FEN_ERR(fen, "board: byte %zu is not a piece, or rank %d is too long", i + 1,
                           rank + 1);
        }
    }
    if (rank != 0 || file != 8)
        return FEN_ERR(fen, "board: it ends on rank %d after %d files", rank + 1, file);
    return OK;
}

static err check_men(str fen, const struct chess_position *p)
{
    static const int at_start[6] = { 8, 2, 2, 2, 1, 1 };

    for (int color = 0; color < 2; color++) {
        const char *name = color == CHESS_WHITE ? "white" : "black";
        int promoted = 0, pawns = bits_count(p->pieces[CHESS_PAWN] & p->colors[color]);
        int kings = bits_count(p->pieces[CHESS_KING] & p->colors[color]);

        if (kings != 1)
            return FEN_ERR(fen, "board: %s has %d kings instead of one", name, kings);
        for (int piece = CHESS_KNIGHT; piece <= CHESS_QUEEN; piece++) {
            int more = bits_count(p->pieces[piece] & p->colors[color]) - at_start[piece];

            promoted += more > 0 ? more : 0;
        }
        if (pawns + promoted > 8)
            return FEN_ERR(fen,
                           "board: %s has %d pawns and %d promoted pieces, together over eight",
                           name, pawns, promoted);
    }
    if (p->pieces[CHESS_PAWN] & (BITS_RANK_1 | BITS_RANK_8))
        return FEN_ERR(fen, "board: a pawn stands on the first or last rank");
    return OK;
}

/* The rook that K, Q, k or q means: the outermost one on that side of the king (X-FEN). */
static int outer_rook(const struct chess_position *p, int color, int side)
{
    int king = position_king(p, color);
    int step = side == 0 ? -1 : 1, square = (king & 56) + (side == 0 ? 7 : 0);

    for (; square != king; square += step) {
        if (p->board[square] == (CHESS_ROOK | color << 3))
            return square;
    }
    return CHESS_NO_SQUARE;
}

static err read_castling(str fen, str field, struct chess_position *p)
{
    if (str_eq(field, STR("-")))
        return OK;
    if (field.len == 0 || field.len > 4)
        return FEN_ERR(fen, "castling '%.*s': write - or up to four of KQkq or of file letters",
                       STR_ARG(field));
    for (size_t i = 0; i < field.len; i++) {
        char c = field.ptr[i];
        int color = c >= 'a' && c <= 'z' ? CHESS_BLACK : CHESS_WHITE;
        char upper = color == CHESS_BLACK ? (char)(c - 'a' + 'A') : c;
        int king = position_king(p, color), home = color == CHESS_WHITE ? 0 : 7;
        int rook = CHESS_NO_SQUARE, side = 0;

        if (king >> 3 != home)
            return FEN_ERR(fen, "castling '%c': the king is not on its first rank", c);
        if (upper == 'K' || upper == 'Q') {
            side = upper == 'K' ? 0 : 1;
            rook = outer_rook(p, color, side);
            if ((king & 7) != 4 || (rook != CHESS_NO_SQUARE && (rook & 7) != (side == 0 ? 7 : 0)))
                p->is_960 = 1;
        } else if (upper >= 'A' && upper <= 'H') {
            rook = square_of(upper - 'A', home);
            side = rook > king ? 0 : 1;
            if (p->board[rook] != (CHESS_ROOK | color << 3))
                rook = CHESS_NO_SQUARE;
            p->is_960 = 1;
        } else {
            return FEN_ERR(fen, "castling: byte %zu is not one of KQkq, A-H, a-h", i + 1);
        }
        if (rook == CHESS_NO_SQUARE)
            return FEN_ERR(fen, "castling '%c': no rook stands there", c);
        if (p->castling_rook[color][side] != CHESS_NO_SQUARE)
            return FEN_ERR(fen, "castling '%c': that side is named twice", c);
        p->castling_rook[color][side] = (uint8_t)rook;
    }
    return OK;
}

static err read_en_passant(str fen, str field, struct chess_position *p)
{
    int us = p->turn, square, passed_from;
    chess_bits takers;

    if (str_eq(field, STR("-")))
        return OK;
    if (field.len != 2 || field.ptr[0] < 'a' || field.ptr[0] > 'h' ||
        field.ptr[1] != (us == CHESS_WHITE ? '6' : '3'))
        return FEN_ERR(fen, "en passant '%.*s': write - or a square on rank %d", STR_ARG(field),
                       us == CHESS_WHITE ? 6 : 3);
    square = square_of(field.ptr[0] - 'a', field.ptr[1] - '1');
    passed_from = us == CHESS_WHITE ? square + 8 : square - 8;
    if (p->board[square] != CHESS_NO_PIECE || p->board[passed_from] != CHESS_NO_PIECE ||
        p->board[square ^ 8] != (CHESS_PAWN | (!us) << 3))
        return FEN_ERR(fen, "en passant '%.*s': no pawn can just have passed it", STR_ARG(field));
    takers = attack_tables.pawn[!us][square] & p->pieces[CHESS_PAWN] & p->colors[us];
    if (takers)
        p->en_passant = (uint8_t)square;
    return OK;
}

static err read_counter(str fen, str field, const char *name, int least, uint16_t *ret_value)
{
    int64_t value = 0;
    err e;

    e = str_to_i64(field, &value);
    if (e.code || value < 0 || value > FEN_COUNTER_MAX)
        return FEN_ERR(fen, "%s '%.*s': write a number from 0 to %d", name,
                       field.len > 20 ? 20 : (int)field.len, field.ptr, FEN_COUNTER_MAX);
    *ret_value = (uint16_t)(value < least ? least : value);
    return OK;
}

/* Takes the next field; several spaces count as one. */
static str next_field(str *rest)
{
    *rest = str_trim(*rest);
    return str_split(rest, ' ');
}

err chess_fen_parse(str fen, struct chess_position *ret_position)
{
    struct chess_position p = { .fullmoves = 1 };
    str rest = str_trim(fen), field;
    size_t letters = 0;

    if (rest.len == 0)
        return ERR(ERR_INVALID, "reading a FEN: the text is empty");
    while (letters < rest.len && rest.ptr[letters] >= ' ' && rest.ptr[letters] < 127)
        letters++;
    if (letters < rest.len)
        return ERR(ERR_INVALID, "reading a FEN: byte %zu is not printable ASCII", letters + 1);
    fen = rest;
    if (rest.len > FEN_TEXT_MAX)
        return FEN_ERR(fen, "%zu bytes are more than the %d a FEN can have", rest.len,
                       FEN_TEXT_MAX);
    memset(p.board, CHESS_NO_PIECE, sizeof(p.board));
    memset(p.castling_rook, CHESS_NO_SQUARE, sizeof(p.castling_rook));
    p.en_passant = CHESS_NO_SQUARE;
    TRY(read_board(fen, next_field(&rest), &p));
    TRY(check_men(fen, &p));
    field = next_field(&rest);
    if (!str_eq(field, STR("w")) && !str_eq(field, STR("b")))
        return FEN_ERR(fen, "side to move: write w or b after the board");
    p.turn = field.ptr[0] == 'w' ? CHESS_WHITE : CHESS_BLACK;
    if (attack_to(&p, position_king(&p, !p.turn), !p.turn, p.colors[0] | p.colors[1],
                  p.colors[p.turn]))
        return FEN_ERR(fen, "side to move: it could take the king");
    field = next_field(&rest);
    if (field.len)
        TRY(read_castling(fen, field, &p));
    field = next_field(&rest);
    if (field.len)
        TRY(read_en_passant(fen, field, &p));
    field = next_field(&rest);
    if (field.len)
        TRY(read_counter(fen, field, "half moves", 0, &p.halfmoves));
    field = next_field(&rest);
    if (field.len)
        TRY(read_counter(fen, field, "move number", 1, &p.fullmoves));
    if (str_trim(rest).len)
        return FEN_ERR(fen, "something follows the move number");
    p.key = chess_position_key(&p);
    *ret_position = p;
    return OK;
}

/* ------------------------------------------------------------------ writing */

static char *write_board(const struct chess_position *p, char *out)
{
    for (int rank = 7; rank >= 0; rank--) {
        int empty = 0;

        for (int file = 0; file < 8; file++) {
            int code = p->board[square_of(file, rank)];

            if (code == CHESS_NO_PIECE) {
                empty++;
                continue;
            }
            if (empty)
                *out++ = (char)('0' + empty);
            empty = 0;
            *out++ = (char)(piece_letters[code & 7] | (code >> 3 == CHESS_BLACK ? 0x20 : 0));
        }
        if (empty)
            *out++ = (char)('0' + empty);
        *out++ = rank ? '/' : ' ';
    }
    return out;
}

/* Chess960 positions get file letters, which say the same whatever else stands on the rank, and by
 * which a reader knows that castling is written as in Chess960. */
static char *write_castling(const struct chess_position *p, char *out)
{
    char *before = out;

    for (int color = 0; color < 2; color++) {
        for (int side = 0; side < 2; side++) {
            int rook = p->castling_rook[color][side];
            char letter = p->is_960 ? (char)('A' + (rook & 7)) : "KQ"[side];

            if (rook != CHESS_NO_SQUARE)
                *out++ = (char)(letter | (color == CHESS_BLACK ? 0x20 : 0));
        }
    }
    if (out == before)
        *out++ = '-';
    *out++ = ' ';
    return out;
}

static char *write_counter(unsigned value, char *out)
{
    char digits[5]; /* 65535 */
    int count = 0;

    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        *out++ = digits[--count];
    return out;
}

void chess_fen_write(const struct chess_position *p, char out[CHESS_FEN_BYTES])
{
    out = write_board(p, out);
    *out++ = p->turn == CHESS_WHITE ? 'w' : 'b';
    *out++ = ' ';
    out = write_castling(p, out);
    if (p->en_passant != CHESS_NO_SQUARE) {
        *out++ = (char)('a' + (p->en_passant & 7));
        *out++ = (char)('1' + (p->en_passant >> 3));
    } else {
        *out++ = '-';
    }
    *out++ = ' ';
    out = write_counter(p->halfmoves, out);
    *out++ = ' ';
    out = write_counter(p->fullmoves, out);
    *out = '\0';
}
