/* SPDX-License-Identifier: GPL-3.0-or-later */
/* position.h -- a chess position: bitboards, legal moves, make, draws, FEN and UCI; Chess960
 * included.
 *
 * A position is an open value (copy it to keep it). Squares are 0..63 = a1..h8 (file + 8 * rank).
 * Castling is stored as "king takes own rook" in a move, for standard chess and Chess960 alike; UCI
 * text is e1g1 in standard positions and e1h1 in Chess960 ones. Nothing here allocates or fails,
 * except text parsing.
 */
#ifndef SKERRY_CHESS_POSITION_H
#define SKERRY_CHESS_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

typedef uint64_t chess_bits; /* bit n = square n */

enum chess_color { CHESS_WHITE, CHESS_BLACK };
enum chess_piece {
    CHESS_PAWN,
    CHESS_KNIGHT,
    CHESS_BISHOP,
    CHESS_ROOK,
    CHESS_QUEEN,
    CHESS_KING,
    CHESS_NO_PIECE
};

/* from | to << 6 | promotion piece << 12 | kind << 15. 0 is no move. */
typedef uint16_t chess_move;
enum { CHESS_MOVE_NONE = 0, CHESS_MOVES_MAX = 256, CHESS_NO_SQUARE = 64 };
static inline int chess_move_from(chess_move m)
{
    return m & 63;
}
static inline int chess_move_to(chess_move m)
{
    return (m >> 6) & 63;
}
/* CHESS_KNIGHT..CHESS_QUEEN for promotions, else CHESS_PAWN (0) */
static inline enum chess_piece chess_move_promotion(chess_move m)
{
    return (enum chess_piece)((m >> 12) & 7);
}
static inline bool chess_move_is_castling(chess_move m)
{
    return m >> 15;
}

struct chess_position {
    chess_bits pieces[6]; /* by enum chess_piece, both colours */
    chess_bits colors[2];
    uint8_t board[64];  /* piece | colour << 3, or CHESS_NO_PIECE */
    uint64_t key;       /* Zobrist; Polyglot-compatible in standard chess (random table R64) */
    uint8_t turn;       /* enum chess_color */
    uint8_t en_passant; /* target square, only when a capture there is pseudo-legal; else
                           CHESS_NO_SQUARE */
    uint8_t castling_rook[2][2]; /* square of the rook still allowed to castle [color][0 king side,
                                    1 queen side], else CHESS_NO_SQUARE */
    uint8_t is_960;
    uint16_t halfmoves; /* since the last capture or pawn move */
    uint16_t fullmoves;
};

/* ------------------------------------------------------------------ positions */

/* Must be called once before anything else; idempotent, thread-safe. */
void chess_init(void);

void chess_position_start(struct chess_position *p);
void chess_position_start_960(struct chess_position *p,
                              int number); /* 0..959, Scharnagl; 518 is standard */

/* Reads FEN (also X-FEN and Shredder castling letters; missing counters read as 0 1). Refuses
 * positions that cannot be played: kings not one each, side not to move in check, pawns on the last
 * ranks, castling rights without rook. ERR_INVALID says which field and why. */
MUST_USE err chess_fen_parse(str fen, struct chess_position *ret_position);
enum { CHESS_FEN_BYTES = 128 };
void chess_fen_write(const struct chess_position *p, char out[CHESS_FEN_BYTES]);

/* Holds for every position reached by legal moves: bitboards, board and key agree. For tests. */
bool chess_position_check(const struct chess_position *p);
uint64_t chess_position_key(const struct chess_position *p); /* computed from scratch */

/* ------------------------------------------------------------------ moves */

/* All legal moves; returns how many. Order is fixed for a position. */
int chess_moves(const struct chess_position *p, chess_move out[CHESS_MOVES_MAX]);
bool chess_move_is_legal(const struct chess_position *p, chess_move m); /* any 16 bits */
void chess_move_make(struct chess_position *p, chess_move m);           /* m must be legal */
bool chess_in_check(const struct chess_position *p);
bool chess_has_moves(const struct chess_position *p);
/* A number for a legal move, from 0 and below CHESS_INDEX_MAX, below 206 while no side has more
 * pieces of a kind than at the start: what a packed game stores. It is not the place in
 * chess_moves(): reading it back costs about as much as reading a move's text. -1 when the move is
 * not legal here. */
enum { CHESS_INDEX_MAX = 334 };
int chess_move_index(const struct chess_position *p, chess_move m);
/* The move of a number, any number: CHESS_MOVE_NONE when it is out of range or not legal here. */
chess_move chess_move_at(const struct chess_position *p, int index);
uint64_t chess_perft(const struct chess_position *p, int depth);

/* Attackers of both colours to a square under an occupancy. */
chess_bits chess_attackers(const struct chess_position *p, int square, chess_bits occupied);
chess_bits chess_attacks(enum chess_piece piece, enum chess_color color, int square,
                         chess_bits occupied);

/* ------------------------------------------------------------------ text of moves */

enum { CHESS_UCI_BYTES = 6, CHESS_SAN_BYTES = 12 };
void chess_uci_write(const struct chess_position *p, chess_move m, char out[CHESS_UCI_BYTES]);
/* Accepts e1g1 and e1h1 for castling. ERR_INVALID for bad text, ERR_CONFLICT for an illegal move.
 */
MUST_USE err chess_uci_parse(const struct chess_position *p, str text, chess_move *ret_move);
/* With check and mate signs, least disambiguation (FIDE, PGN standard 8.2.3). */
void chess_san_write(const struct chess_position *p, chess_move m, char out[CHESS_SAN_BYTES]);
/* Accepts what is seen in the wild: 0-0, missing x + # =, e.p., long algebraic,
 * over-disambiguation, lower-case promotion, "!?" suffixes. ERR_INVALID unreadable; ERR_CONFLICT
 * illegal or ambiguous. */
MUST_USE err chess_san_parse(const struct chess_position *p, str text, chess_move *ret_move);
/* The same without an error text, for the fast path of the PGN reader: CHESS_MOVE_NONE when
 * refused. */
chess_move chess_san_find(const struct chess_position *p, const char *text, size_t len);

/* ------------------------------------------------------------------ ends of games */

enum chess_end {
    CHESS_GOES_ON,
    CHESS_CHECKMATE,
    CHESS_STALEMATE,
    CHESS_INSUFFICIENT, /* no sequence of moves can mate: K, KN, KB, KB*KB* all on one colour */
    CHESS_FIFTY,        /* may be claimed */
    CHESS_SEVENTY_FIVE, /* ends by itself */
    CHESS_THREEFOLD,    /* may be claimed */
    CHESS_FIVEFOLD,     /* ends by itself */
};
/* `earlier_keys` are the keys of all earlier positions of the game, oldest first. */
enum chess_end chess_end_of(const struct chess_position *p, const uint64_t *earlier_keys,
                            size_t count);
const char *chess_end_name(enum chess_end end); /* "checkmate" */
/* Could `color` mate by any legal sequence? False means its opponent's flag fall is a draw. */
bool chess_can_mate(const struct chess_position *p, enum chess_color color);

enum chess_result {
    CHESS_RESULT_UNKNOWN,
    CHESS_WHITE_WIN,
    CHESS_BLACK_WIN,
    CHESS_DRAW,
    CHESS_ABORTED
};

#endif
