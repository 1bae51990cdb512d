/* SPDX-License-Identifier: GPL-3.0-or-later */
/* position.c -- start positions, making a move, and the invariants of a position. */
#include <string.h>

#include "engine/chess/attacks.h"
#include "engine/chess/bits.h"
#include "engine/chess/position.h"
#include "engine/chess/zobrist.h"

void chess_position_start(struct chess_position *p)
{
    chess_position_start_960(p, 518);
    p->is_960 = 0;
}

static void put(struct chess_position *p, int square, int piece, int color)
{
    p->pieces[piece] |= bit(square);
    p->colors[color] |= bit(square);
    p->board[square] = (uint8_t)(piece | color << 3);
}

/* The file of the n-th file that is still free. */
static int free_file(const uint8_t rank[8], int n)
{
    int file = 0;

    while (rank[file] != CHESS_NO_PIECE || n-- > 0)
        file++;
    return file;
}

/* Scharnagl's numbering: bishops by the two lowest digits to base four, then the queen, then the
 * knights as one of ten pairs; rook, king and rook take what is left. */
static void back_rank_960(int number, uint8_t rank[8])
{
    static const uint8_t knights[10][2] = { { 0, 0 }, { 0, 1 }, { 0, 2 }, { 0, 3 }, { 1, 1 },
                                            { 1, 2 }, { 1, 3 }, { 2, 2 }, { 2, 3 }, { 3, 3 } };
    const uint8_t *pair;

    memset(rank, CHESS_NO_PIECE, 8);
    rank[number % 4 * 2 + 1] = CHESS_BISHOP;
    rank[number / 4 % 4 * 2] = CHESS_BISHOP;
    rank[free_file(rank, number / 16 % 6)] = CHESS_QUEEN;
    pair = knights[number / 96 % 10];
    rank[free_file(rank, pair[0])] = CHESS_KNIGHT;
    rank[free_file(rank, pair[1])] = CHESS_KNIGHT; /* one file fewer is free now */
    rank[free_file(rank, 0)] = CHESS_ROOK;
    rank[free_file(rank, 0)] = CHESS_KING;
    rank[free_file(rank, 0)] = CHESS_ROOK;
}

void chess_position_start_960(struct chess_position *p, int number)
{
    uint8_t rank[8];
    bool king_seen = false;

    back_rank_960(number, rank);
    memset(p, 0, sizeof(*p));
    memset(p->board, CHESS_NO_PIECE, sizeof(p->board));
    for (int file = 0; file < 8; file++) {
        put(p, square_of(file, 0), rank[file], CHESS_WHITE);
        put(p, square_of(file, 1), CHESS_PAWN, CHESS_WHITE);
        put(p, square_of(file, 6), CHESS_PAWN, CHESS_BLACK);
        put(p, square_of(file, 7), rank[file], CHESS_BLACK);
        if (rank[file] == CHESS_ROOK) {
            p->castling_rook[CHESS_WHITE][!king_seen] = (uint8_t)square_of(file, 0);
            p->castling_rook[CHESS_BLACK][!king_seen] = (uint8_t)square_of(file, 7);
        }
        king_seen = king_seen || rank[file] == CHESS_KING;
    }
    p->en_passant = CHESS_NO_SQUARE;
    p->is_960 = 1;
    p->fullmoves = 1;
    p->key = chess_position_key(p);
}

/* ------------------------------------------------------------------ making a move */

static inline void lift(struct chess_position *p, int square, int code)
{
    p->pieces[code & 7] ^= bit(square);
    p->colors[code >> 3] ^= bit(square);
    p->board[square] = CHESS_NO_PIECE;
    p->key ^= zobrist.piece[code][square];
}

static inline void drop(struct chess_position *p, int square, int code)
{
    p->pieces[code & 7] ^= bit(square);
    p->colors[code >> 3] ^= bit(square);
    p->board[square] = (uint8_t)code;
    p->key ^= zobrist.piece[code][square];
}

static inline void drop_right(struct chess_position *p, int color, int side)
{
    if (p->castling_rook[color][side] != CHESS_NO_SQUARE) {
        p->key ^= zobrist.castling[color][side];
        p->castling_rook[color][side] = CHESS_NO_SQUARE;
    }
}

/* Rights end when the king moves, the rook moves or the rook is taken. */
static void update_rights(struct chess_position *p, int us, int from, int to, bool king_moves)
{
    for (int side = 0; side < 2; side++) {
        if (king_moves || p->castling_rook[us][side] == from)
            drop_right(p, us, side);
        if (p->castling_rook[!us][side] == to)
            drop_right(p, !us, side);
    }
}

static void make_castling(struct chess_position *p, int us, int king, int rook)
{
    int side = rook > king ? 0 : 1;

    lift(p, king, CHESS_KING | us << 3);
    lift(p, rook, CHESS_ROOK | us << 3);
    drop(p, castling_king_to(us, side), CHESS_KING | us << 3);
    drop(p, castling_rook_to(us, side), CHESS_ROOK | us << 3);
    drop_right(p, us, 0);
    drop_right(p, us, 1);
}

/* May a move between these squares end a castling right? One comparison of all four rook squares at
 * once: a byte that equals the square is zero after the exclusive-or, and the subtraction finds
 * zero bytes. A king's move is told by the caller. */
static inline bool touches_rook(const struct chess_position *p, int from, int to)
{
    const uint32_t ones = 0x01010101;
    uint32_t rooks, a, b;

    memcpy(&rooks, p->castling_rook, sizeof(rooks));
    a = rooks ^ (ones * (uint32_t)from);
    b = rooks ^ (ones * (uint32_t)to);
    return (((a - ones) & ~a) | ((b - ones) & ~b)) & (ones << 7);
}

/* What only pawns do: double steps, en passant, promotion. The pawn has already moved. */
static inline void make_pawn(struct chess_position *p, int us, int from, int to, int promotion,
                             int en_passant)
{
    if ((from ^ to) == 16) {
        int passed = (from + to) / 2;

        if (attack_tables.pawn[us][passed] & p->pieces[CHESS_PAWN] & p->colors[!us]) {
            p->en_passant = (uint8_t)passed;
            p->key ^= zobrist.en_passant[passed & 7];
        }
    } else if (to == en_passant) {
        lift(p, to ^ 8, CHESS_PAWN | (!us) << 3);
    } else if (promotion) {
        lift(p, to, CHESS_PAWN | us << 3);
        drop(p, to, promotion | us << 3);
    }
}

void chess_move_make(struct chess_position *p, chess_move m)
{
    int from = chess_move_from(m), to = chess_move_to(m);
    int us = p->turn, en_passant = p->en_passant;
    int code = p->board[from], taken = p->board[to];

    if (en_passant != CHESS_NO_SQUARE) {
        p->key ^= zobrist.en_passant[en_passant & 7];
        p->en_passant = CHESS_NO_SQUARE;
    }
    p->halfmoves = (uint16_t)(p->halfmoves + (p->halfmoves < UINT16_MAX));
    if (chess_move_is_castling(m)) {
        make_castling(p, us, from, to);
    } else {
        if ((code & 7) == CHESS_KING || touches_rook(p, from, to))
            update_rights(p, us, from, to, (code & 7) == CHESS_KING);
        if (taken != CHESS_NO_PIECE) {
            p->pieces[taken & 7] ^= bit(to);
            p->colors[!us] ^= bit(to);
            p->key ^= zobrist.piece[taken][to];
            p->halfmoves = 0;
        }
        p->pieces[code & 7] ^= bit(from) | bit(to);
        p->colors[us] ^= bit(from) | bit(to);
        p->board[from] = CHESS_NO_PIECE;
        p->board[to] = (uint8_t)code;
        p->key ^= zobrist.piece[code][from] ^ zobrist.piece[code][to];
        if ((code & 7) == CHESS_PAWN) {
            p->halfmoves = 0;
            make_pawn(p, us, from, to, chess_move_promotion(m), en_passant);
        }
    }
    p->key ^= zobrist.white;
    p->turn = (uint8_t)!us;
    p->fullmoves = (uint16_t)(p->fullmoves + (us == CHESS_BLACK && p->fullmoves < UINT16_MAX));
}

/* ------------------------------------------------------------------ invariants */

static bool boards_agree(const struct chess_position *p)
{
    chess_bits men = 0;

    for (int piece = 0; piece < 6; piece++)
        men |= p->pieces[piece];
    if ((p->colors[0] & p->colors[1]) || men != (p->colors[0] | p->colors[1]))
        return false;
    for (int square = 0; square < 64; square++) {
        int code = p->board[square];

        for (int piece = 0; piece < 6; piece++) {
            for (int color = 0; color < 2; color++) {
                bool set = p->pieces[piece] & p->colors[color] & bit(square);

                if (set != (code == (piece | color << 3)))
                    return false;
            }
        }
        if (code == CHESS_NO_PIECE && (men & bit(square)))
            return false;
    }
    return true;
}

static bool rights_stand(const struct chess_position *p)
{
    for (int color = 0; color < 2; color++) {
        int king = position_king(p, color);

        for (int side = 0; side < 2; side++) {
            int rook = p->castling_rook[color][side];

            if (rook == CHESS_NO_SQUARE)
                continue;
            if (rook > 63 || p->board[rook] != (CHESS_ROOK | color << 3) ||
                rook >> 3 != (color == CHESS_WHITE ? 0 : 7) || king >> 3 != rook >> 3 ||
                (rook > king) != (side == 0))
                return false;
        }
    }
    return true;
}

static bool en_passant_stands(const struct chess_position *p)
{
    int us = p->turn, to = p->en_passant;

    if (to == CHESS_NO_SQUARE)
        return true;
    return to >> 3 == (us == CHESS_WHITE ? 5 : 2) && p->board[to] == CHESS_NO_PIECE &&
           p->board[to ^ 8] == (CHESS_PAWN | (!us) << 3) &&
           (attack_tables.pawn[!us][to] & p->pieces[CHESS_PAWN] & p->colors[us]);
}

bool chess_position_check(const struct chess_position *p)
{
    chess_bits kings = p->pieces[CHESS_KING];

    if (p->turn > 1 || !boards_agree(p))
        return false;
    for (int color = 0; color < 2; color++) {
        if (!(kings & p->colors[color]) || bits_many(kings & p->colors[color]))
            return false;
    }
    if (p->pieces[CHESS_PAWN] & (BITS_RANK_1 | BITS_RANK_8))
        return false;
    return rights_stand(p) && en_passant_stands(p) && p->key == chess_position_key(p) &&
           !attack_to(p, position_king(p, !p->turn), !p->turn, p->colors[0] | p->colors[1],
                      p->colors[p->turn]);
}
