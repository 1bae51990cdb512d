/* SPDX-License-Identifier: GPL-3.0-or-later */
/* features_view.h -- a position as its mover sees it, and the attack maps from which features are
 * read.
 *
 * Own side is 0 and goes up; theirs is 1. The maps are sets of squares by attacking piece, made for
 * the position and made again after every legal move, so they are the inner loop of feature
 * extraction.
 */
#ifndef SKERRY_CHESS_FEATURES_VIEW_H
#define SKERRY_CHESS_FEATURES_VIEW_H

#include "engine/chess/attacks.h"
#include "engine/chess/bits.h"
#include "engine/chess/features.h"

/* features.c and features_moves.c are compiled once for any processor and once for those with AVX2
 * and bit instructions; FEATURES_BUILD tells their names apart. Both give the same rows. */
#ifndef FEATURES_BUILD
#define FEATURES_BUILD plain
#endif
#define FEATURES_JOIN_(name, build) name##_##build
#define FEATURES_JOIN(name, build) FEATURES_JOIN_(name, build)
#define FEATURES_NAME(name) FEATURES_JOIN(name, FEATURES_BUILD)

enum { OWN, THEIRS };

/* Attacks of one side. */
struct attack_map {
    chess_bits by[6];
    chess_bits all, twice;
};

struct features_view {
    const struct chess_position *position;
    int turned;            /* 56 when the board is turned, to be xored to squares; else 0 */
    chess_bits side[2][6]; /* by owner and piece */
    chess_bits of[2], occupied;
    int king[2];
    struct attack_map map[2];
    bool in_check;
    chess_bits pinned;     /* own pieces between own king and a slider of theirs */
    int balance, phase;    /* material in pawns, own minus theirs; pieces left */
    unsigned danger[2];    /* dearest piece in danger of each side, the other one to move */
    chess_bits endangered; /* own pieces in danger */
    int seen[2], ring[2];  /* squares attacked: by each side; around each king by the other side */
};

static inline int view_piece(const struct features_view *v, int square) /* or CHESS_NO_PIECE */
{
    return v->position->board[square ^ v->turned] & 7;
}

/* owner * 6 + piece; the square must not be empty */
static inline int view_content(const struct features_view *v, int square)
{
    return view_piece(v, square) + ((v->of[THEIRS] >> square) & 1 ? 6 : 0);
}

static inline chess_bits turn_board(chess_bits b)
{
    return __builtin_bswap64(b);
}

static inline chess_bits pawn_attacks_left(chess_bits pawns, int owner)
{
    return owner == OWN ? (pawns & ~BITS_FILE_A) << 7 : (pawns & ~BITS_FILE_A) >> 9;
}

static inline chess_bits pawn_attacks_right(chess_bits pawns, int owner)
{
    return owner == OWN ? (pawns & ~BITS_FILE_H) << 9 : (pawns & ~BITS_FILE_H) >> 7;
}

/* ------------------------------------------------------------------ attack maps
 *
 * Four directions at a time, all pieces of a kind at once, without a branch or a table: the sets
 * are pushed along each direction over empty squares, doubling the distance (Kogge-Stone). Where
 * the processor has vectors of four 64-bit lanes a map takes about 15 ns; tables of sliding attacks
 * would be driven out of the cache by the weights of the network. */

typedef uint64_t lanes __attribute__((vector_size(32)));

/* up, right, up-right, up-left by shifting left; down, left, down-left, down-right by shifting
 * right */
static const lanes line_shift = { 8, 1, 9, 7 };
static const lanes line_onto_left = { ~0ULL, ~BITS_FILE_A, ~BITS_FILE_A, ~BITS_FILE_H };
static const lanes line_onto_right = { ~0ULL, ~BITS_FILE_H, ~BITS_FILE_H, ~BITS_FILE_A };
static const lanes jump_shift = { 17, 15, 10, 6 };
#define BITS_FILES_AB (BITS_FILE_A | BITS_FILE_A << 1)
#define BITS_FILES_GH (BITS_FILE_H | BITS_FILE_H >> 1)
static const lanes jump_onto_left = { ~BITS_FILE_A, ~BITS_FILE_H, ~BITS_FILES_AB, ~BITS_FILES_GH };
static const lanes jump_onto_right = { ~BITS_FILE_H, ~BITS_FILE_A, ~BITS_FILES_GH, ~BITS_FILES_AB };

static inline void push_left(lanes *set, chess_bits empty)
{
    lanes from = *set;
    lanes open = line_onto_left & empty;
    from |= open & (from << line_shift);
    open &= open << line_shift;
    from |= open & (from << 2 * line_shift);
    open &= open << 2 * line_shift;
    from |= open & (from << 4 * line_shift);
    *set = (from << line_shift) & line_onto_left;
}

static inline void push_right(lanes *set, chess_bits empty)
{
    lanes from = *set;
    lanes open = line_onto_right & empty;
    from |= open & (from >> line_shift);
    open &= open >> line_shift;
    from |= open & (from >> 2 * line_shift);
    open &= open >> 2 * line_shift;
    from |= open & (from >> 4 * line_shift);
    *set = (from >> line_shift) & line_onto_right;
}

/* What an own piece attacks from a square. Without a branch on the piece, which nothing predicts.
 */
static inline chess_bits attacks_from(int piece, int square, chess_bits occupied)
{
    static const chess_bits straight[6] = { 0, 0, 0, ~0ULL, ~0ULL, 0 },
                            slant[6] = { 0, 0, ~0ULL, 0, ~0ULL, 0 };
    static const chess_bits near[6] = { ~0ULL, ~0ULL, 0, 0, 0, ~0ULL };
    chess_bits here = bit(square), s = here & straight[piece], d = here & slant[piece];
    lanes lines = { s, s, d, d }, down = lines;
    push_left(&lines, ~occupied);
    push_right(&down, ~occupied);
    lines |= down;
    chess_bits beside = piece == CHESS_PAWN ? attack_tables.pawn[CHESS_WHITE][square]
                                            : attack_tables.reach[piece][square];
    return lines[0] | lines[1] | lines[2] | lines[3] | (beside & near[piece]);
}

static inline void lanes_add(lanes *all, lanes *twice, const lanes *more)
{
    *twice |= *all & *more;
    *all |= *more;
}

static inline void attack_map_make(struct attack_map *m, const chess_bits pieces[6], int owner,
                                   chess_bits occupied)
{
    chess_bits empty = ~occupied, rook = pieces[CHESS_ROOK], bishop = pieces[CHESS_BISHOP];
    lanes up = { rook, rook, bishop, bishop }, down = up;
    lanes queen_up = (lanes){ 0 } + pieces[CHESS_QUEEN], queen_down = queen_up;
    lanes knight = (lanes){ 0 } + pieces[CHESS_KNIGHT];
    push_left(&up, empty);
    push_right(&down, empty);
    push_left(&queen_up, empty);
    push_right(&queen_down, empty);
    lanes knight_up = (knight << jump_shift) & jump_onto_left,
          knight_down = (knight >> jump_shift) & jump_onto_right;

    lanes all = up, twice = { 0 };
    lanes_add(&all, &twice, &down);
    lanes_add(&all, &twice, &queen_up);
    lanes_add(&all, &twice, &queen_down);
    lanes_add(&all, &twice, &knight_up);
    lanes_add(&all, &twice, &knight_down);
    chess_bits first = all[0] | all[1], both = (all[0] & all[1]) | (all[2] & all[3]),
               second = all[2] | all[3];
    both |= (first & second) | twice[0] | twice[1] | twice[2] | twice[3];
    first |= second;

    chess_bits left = pawn_attacks_left(pieces[CHESS_PAWN], owner),
               right = pawn_attacks_right(pieces[CHESS_PAWN], owner);
    chess_bits pawn = left | right,
               king = attack_tables.reach[CHESS_KING][bits_first(pieces[CHESS_KING])];
    both |= (left & right) | (first & pawn);
    first |= pawn;
    both |= first & king;
    up |= down;
    queen_up |= queen_down;
    knight_up |= knight_down;
    m->by[CHESS_PAWN] = pawn;
    m->by[CHESS_KNIGHT] = knight_up[0] | knight_up[1] | knight_up[2] | knight_up[3];
    m->by[CHESS_BISHOP] = up[2] | up[3];
    m->by[CHESS_ROOK] = up[0] | up[1];
    m->by[CHESS_QUEEN] = queen_up[0] | queen_up[1] | queen_up[2] | queen_up[3];
    m->by[CHESS_KING] = king;
    m->all = first | king;
    m->twice = both;
}

/* Pieces of a side that the other side would win something by taking: undefended and attacked, or
 * attacked by something cheaper. The king is left out. */
static inline chess_bits in_danger(const chess_bits pieces[6], const struct attack_map *defence,
                                   const struct attack_map *attack)
{
    chess_bits minor = pieces[CHESS_KNIGHT] | pieces[CHESS_BISHOP], rook = pieces[CHESS_ROOK],
               queen = pieces[CHESS_QUEEN];
    chess_bits loose = (pieces[CHESS_PAWN] | minor | rook | queen) & attack->all & ~defence->all;
    chess_bits by_pawn = attack->by[CHESS_PAWN] & (minor | rook | queen);
    chess_bits by_minor = (attack->by[CHESS_KNIGHT] | attack->by[CHESS_BISHOP]) & (rook | queen);
    return loose | by_pawn | by_minor | (attack->by[CHESS_ROOK] & queen);
}

/* The dearest kind of piece in a set: 0 none, 1 pawn .. 5 queen. A mask instead of a search,
 * because what comes out cannot be predicted. */
static inline unsigned dearest(const chess_bits pieces[6], chess_bits set)
{
    unsigned kinds = 1u | (unsigned)((set & pieces[CHESS_PAWN]) != 0) << 1 |
                     (unsigned)((set & pieces[CHESS_KNIGHT]) != 0) << 2 |
                     (unsigned)((set & pieces[CHESS_BISHOP]) != 0) << 3 |
                     (unsigned)((set & pieces[CHESS_ROOK]) != 0) << 4 |
                     (unsigned)((set & pieces[CHESS_QUEEN]) != 0) << 5;
    return 31 - (unsigned)__builtin_clz(kinds);
}

/* The cheapest kind of piece that attacks a square (a set of one): 0 none, 1 pawn .. 6 king. */
static inline unsigned cheapest_attacker(const struct attack_map *m, chess_bits square)
{
    unsigned kinds = 0;
    for (int piece = CHESS_PAWN; piece <= CHESS_KING; piece++)
        kinds |= (unsigned)((m->by[piece] & square) != 0) << piece;
    return kinds ? (unsigned)__builtin_ctz(kinds) + 1 : 0;
}

/* Writes the rows of the moves; features_extract calls it. */
void FEATURES_NAME(features_moves)(const struct features_view *v, const chess_move *moves,
                                   int move_count, struct features *out);

static const int8_t features_value[7] = { 1, 3, 3, 5, 9, 20, 0 };

#endif
