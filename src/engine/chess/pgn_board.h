/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_board.h -- the board of the PGN reader: only what deciding about one move needs.
 *
 * A PGN reader makes each move once and throws the board away. It wants neither a hash key nor a
 * board of squares nor counters, and it must not branch on what kind of piece was captured. So the
 * pieces are numbers of three bits, held as three bit planes, and a colour plane: the whole board
 * is four machine words that stay in registers, and a move is the same dozen instructions whatever
 * moved or was taken. The numbers are chosen so that "slides on diagonals" and "slides on lines"
 * are each two planes.
 */
#ifndef SKERRY_CHESS_PGN_BOARD_H
#define SKERRY_CHESS_PGN_BOARD_H

#include "engine/chess/attacks.h"
#include "engine/chess/bits.h"
#include "engine/chess/position.h"

enum pgn_man {
    PGN_NO_MAN,
    PGN_PAWN = 1,
    PGN_KNIGHT = 2,
    PGN_KING = 3,
    PGN_BISHOP = 5,
    PGN_ROOK = 6,
    PGN_QUEEN = 7,
};

struct pgn_board {
    chess_bits plane[3]; /* bit n of the man on each square */
    chess_bits black;    /* squares of black men */
    chess_bits unmoved;  /* kings and rooks that may still castle, if both stand here */
    chess_bits passed;   /* the square behind a pawn that just made a double step, if any */
    uint32_t turn;       /* enum chess_color */
};

#define PGN_INLINE static inline __attribute__((always_inline))
#define PGN_UNLIKELY(condition) __builtin_expect((condition), 0)

/* What is to be known about a way of moving, as masks, so that using it needs no branch: a branch
 * on what kind of man moves would be guessed wrong every few moves, at the price of all else done
 * for one move. */
struct pgn_kind {
    chess_bits bit[3]; /* the bits of the man's number, each spread over a word */
    chess_bits pawn, push,
        take;          /* all ones for a pawn, a pawn that goes straight, one that takes */
    chess_bits pad[2]; /* a power of two */
};
#define PGN_SPREAD(man)                                              \
    {                                                                \
        0 - (chess_bits)((man)&1), 0 - (chess_bits)((man) >> 1 & 1), \
            0 - (chess_bits)((man) >> 2 & 1)                         \
    }

/* Indexed by enum pgn_man; the number that no man has is a pawn that takes. */
enum { PGN_PAWN_TAKES = 4, PGN_KINDS = 8 };
static const struct pgn_kind pgn_kinds[PGN_KINDS] = {
    [PGN_PAWN] = { PGN_SPREAD(PGN_PAWN), ~0ULL, ~0ULL, 0, { 0 } },
    [PGN_PAWN_TAKES] = { PGN_SPREAD(PGN_PAWN), ~0ULL, 0, ~0ULL, { 0 } },
    [PGN_KNIGHT] = { PGN_SPREAD(PGN_KNIGHT), 0, 0, 0, { 0 } },
    [PGN_KING] = { PGN_SPREAD(PGN_KING), 0, 0, 0, { 0 } },
    [PGN_BISHOP] = { PGN_SPREAD(PGN_BISHOP), 0, 0, 0, { 0 } },
    [PGN_ROOK] = { PGN_SPREAD(PGN_ROOK), 0, 0, 0, { 0 } },
    [PGN_QUEEN] = { PGN_SPREAD(PGN_QUEEN), 0, 0, 0, { 0 } },
};

/* Squares from which a man of a kind may come to a square on an empty board. No pawn comes to the
 * last rank: that is a promotion, and read elsewhere. */
struct pgn_sources {
    chess_bits of[2][PGN_KINDS][64]; /* by colour, kind and target */
};

PGN_INLINE chess_bits pgn_occupied(const struct pgn_board *b)
{
    return b->plane[0] | b->plane[1] | b->plane[2];
}

PGN_INLINE chess_bits pgn_men(const struct pgn_board *b, unsigned kind)
{
    const struct pgn_kind *k = &pgn_kinds[kind];
    return ~((b->plane[0] ^ k->bit[0]) | (b->plane[1] ^ k->bit[1]) | (b->plane[2] ^ k->bit[2]));
}

PGN_INLINE chess_bits pgn_side(const struct pgn_board *b, uint32_t color)
{
    return color == CHESS_WHITE ? pgn_occupied(b) & ~b->black : b->black;
}

/* Does any man of `theirs` attack `square`, which belongs to colour `us`? */
PGN_INLINE chess_bits pgn_attackers(const struct pgn_board *b, int square, uint32_t us,
                                    chess_bits occupied, chess_bits theirs)
{
    const struct attack_tables *t = &attack_tables;
    chess_bits p0 = b->plane[0], p1 = b->plane[1], p2 = b->plane[2];
    chess_bits hits = t->reach[CHESS_KNIGHT][square] & (p1 & ~p0 & ~p2);
    hits |= t->pawn[us][square] & (p0 & ~p1 & ~p2);
    hits |= t->reach[CHESS_KING][square] & (p0 & p1 & ~p2);
    hits |= attack_bishop(square, occupied) & (p0 & p2);
    hits |= attack_rook(square, occupied) & (p1 & p2);
    return hits & theirs;
}

/* Puts a man of colour `us` on `to` and empties `gone` (the squares left and taken). */
PGN_INLINE void pgn_place(struct pgn_board *b, chess_bits gone, chess_bits to, unsigned kind,
                          uint32_t us)
{
    const struct pgn_kind *k = &pgn_kinds[kind];
    chess_bits kept = ~(gone | to);
    b->plane[0] = (b->plane[0] & kept) | (to & k->bit[0]);
    b->plane[1] = (b->plane[1] & kept) | (to & k->bit[1]);
    b->plane[2] = (b->plane[2] & kept) | (to & k->bit[2]);
    b->black = (b->black & kept) | (us == CHESS_BLACK ? to : 0);
    b->unmoved &= kept;
}

/* Rooks of `us` that may still castle. */
PGN_INLINE chess_bits pgn_castling_rooks(const struct pgn_board *b, uint32_t us)
{
    chess_bits home = b->unmoved & (us == CHESS_WHITE ? BITS_RANK_1 : BITS_RANK_8);
    chess_bits king = pgn_men(b, PGN_KING) & home;
    return king ? home & ~king : 0;
}

void pgn_sources_fill(struct pgn_sources *ret_sources);
void pgn_board_from(const struct chess_position *p, struct pgn_board *ret_board);
/* A position for the slow paths and for error texts; its counters are made up. */
void pgn_board_to(const struct pgn_board *b, const struct chess_position *start,
                  struct chess_position *ret_position);
/* Makes a move that is known to be legal. */
void pgn_board_make(struct pgn_board *b, chess_move m);

#endif
