/* SPDX-License-Identifier: GPL-3.0-or-later */
/* features.h -- what the network sees of a position: sparse rows, for the files of this room only.
 *
 * Everything is seen by the side to move: the board is turned so that its pawns go up and its
 * pieces come first. A position and its mirror image with colours swapped therefore have the same
 * features, except for the one that tells the side. Three kinds of rows come out, each a number of
 * a table's row:
 *
 *   bag      the position as a whole: pieces on squares, rights, ratings, clock class, balance
 *   square   surroundings of each square that a legal move starts from or ends on
 *   move     relations of each legal move: what it takes, risks, threatens, leaves, opens
 *
 * The meaning of every row is fixed by FEATURES_VERSION, which a model file carries.
 */
#ifndef SKERRY_CHESS_FEATURES_H
#define SKERRY_CHESS_FEATURES_H

#include "engine/chess/net.h"

enum { FEATURES_VERSION = 1 };

/* Rows of the bag: X(name, rows). */
#define FEATURES_BAG(X)                                                                           \
    X(BAG_CONSTANT, 1)                                                                            \
    X(BAG_PIECE, 2 * 6 * 64) /* owner, piece, square */                                           \
    X(BAG_CASTLING, 4)       /* right that still stands: own king side, own queen side, theirs */ \
    X(BAG_EN_PASSANT, 8)     /* file */                                                           \
    X(BAG_SIDE, 2)                                                                                \
    X(BAG_SPEED, 8)            /* enum chess_speed */                                             \
    X(BAG_RATING_SELF, 1 + 24) /* unknown, or two overlapping bands of 400 points */              \
    X(BAG_RATING_OPPONENT, 1 + 24)                                                                \
    X(BAG_RATING_LEAD, 1 + 13) /* self minus opponent in steps of 75 */                           \
    X(BAG_CHECK, 1)                                                                               \
    X(BAG_BALANCE, 21)    /* material, own minus theirs, in pawns */                              \
    X(BAG_PHASE, 13)      /* pieces other than pawns and kings left on the board */               \
    X(BAG_HANGING, 6 * 6) /* most valuable piece in danger: own, theirs */

/* Rows of a square beside the relative piece table. */
#define FEATURES_SQUARE(X)                                                                       \
    X(SQUARE_RELATIVE,                                                                           \
      2 * 6 * 15 * 15)               /* owner, piece, where it stands as seen from the square */ \
    X(SQUARE_CONTENT, 13 * 64)       /* what stands here, which square */                        \
    X(SQUARE_CONTROL, 7 * 7 * 2 * 2) /* cheapest attacker of both sides, attacked twice by each */

/* Rows of a move. P: moving piece; S: what the exchange on the target square brings, in 9 steps. */
#define FEATURES_MOVE(X)                                                                          \
    X(MOVE_PIECE_TO, 6 * 64)                                                                      \
    X(MOVE_PIECE_FROM, 6 * 64)                                                                    \
    X(MOVE_FROM_TO, 64 * 64)                                                                      \
    X(MOVE_CAPTURE, 6 * 6 * 9)    /* P, taken, S */                                               \
    X(MOVE_BEST, 6 * 2 * 9)       /* P, is the best exchange there is, its S */                   \
    X(MOVE_ESCAPE, 6 * 7 * 3 * 2) /* P, cheapest attacker of the start, defenders, safe target */ \
    X(MOVE_CONTACT, 6 * 7 * 7)    /* P, cheapest attacker and defender of the target after it */  \
    X(MOVE_CHECK, 6 * 3 * 2 * 2)  /* P, direct, discovered or both; safe; mate */                 \
    X(MOVE_LEAVES,                                                                                \
      6 * 6 * 6 * 2) /* P, dearest other piece in danger after and before; P was it */            \
    X(MOVE_THREAT,                                                                                \
      6 * 6 * 6 * 3)            /* P, their dearest piece in danger after and before; how many */ \
    X(MOVE_ATTACKS, 6 * 6 * 3)  /* P, dearest piece it attacks to its gain; how many */           \
    X(MOVE_MOBILITY, 6 * 8 * 8) /* P, safe squares it reaches before and after */                 \
    X(MOVE_THEIR_KING, 6 * 8 * 15) /* P, target as seen from their king */                        \
    X(MOVE_OWN_KING, 6 * 8 * 15)   /* P, target as seen from the own king */                      \
    X(MOVE_BOUND, 6 * 2 * 2)       /* P, in check, pinned */                                      \
    X(MOVE_PAWN,                                                                                  \
      6 * 2 * 2 * 2 * 2 * 2) /* rank, passed, supported, attacks a pawn, isolated, doubled */     \
    X(MOVE_PLACE, 6 * 2 * 2 * 2 * 3) /* P, pawn supports it, outpost, a pawn can kick it, file */ \
    X(MOVE_KINGS, 6 * 4 * 3)         /* P, change of attacks around their king, around the own */ \
    X(MOVE_PHASE, 6 * 13 * 2 * 2)    /* P, phase, takes, safe */                                  \
    X(MOVE_RIGHTS, 5)                /* castles king side, queen side; gives up a right */        \
    X(MOVE_PROMOTES, 4 * 2)          /* to which piece, safe */                                   \
    X(MOVE_TRADE, 6 * 6 * 5)         /* P, taken, balance */                                      \
    X(MOVE_SPACE, 6 * 7 * 5)         /* P, change of squares attacked by own side, by theirs */

/* Offsets of the groups in their table: BAG_PIECE is the first row of its group. */
#define FEATURES_ENUM(name, rows) name, name##_END = name + (rows)-1,
enum { FEATURES_BAG(FEATURES_ENUM) BAG_ROWS };
enum { FEATURES_SQUARE(FEATURES_ENUM) SQUARE_ROWS };
enum { FEATURES_MOVE(FEATURES_ENUM) MOVE_ROWS };
#undef FEATURES_ENUM

enum {
    FEATURES_BAG_MAX = 64,  /* rows of one position */
    FEATURES_MOVE_MAX = 24, /* rows of one move */
    FEATURES_SQUARES_MAX = 64,
};

struct features_square {
    uint16_t shift;   /* add to each of the position's `relative` to get SQUARE_RELATIVE rows */
    uint16_t rows[2]; /* SQUARE_CONTENT, SQUARE_CONTROL */
};

/* One position. Only the first `..._count` entries are set. */
struct features {
    int bag_count, relative_count, from_count, to_count, move_count;
    uint16_t bag[FEATURES_BAG_MAX];
    uint16_t relative[32];
    struct features_square from[FEATURES_SQUARES_MAX], to[FEATURES_SQUARES_MAX];
    /* by move, in the order of chess_moves() */
    uint8_t move_from[CHESS_MOVES_MAX], move_to[CHESS_MOVES_MAX]; /* indices into from[] and to[] */
    uint16_t move_start[CHESS_MOVES_MAX + 1]; /* its rows are rows[start .. next start) */
    uint16_t rows[CHESS_MOVES_MAX * FEATURES_MOVE_MAX];
};

/* `moves` are all legal moves of p. Every output is a valid row for any legal position. */
void features_extract(const struct chess_position *p, const struct chess_conditions *conditions,
                      const chess_move *moves, int move_count, struct features *out);

/* The builds behind it; see features_view.h. */
typedef void features_fn(const struct chess_position *p, const struct chess_conditions *conditions,
                         const chess_move *moves, int move_count, struct features *out);
features_fn features_extract_plain, features_extract_avx2;
/* The AVX2 build, or NULL when there is none or this processor cannot run it. */
features_fn *features_fast(void);

#endif
