/* SPDX-License-Identifier: GPL-3.0-or-later */
/* attacks.h -- attack tables, for the files of this room only.
 *
 * Sliding attacks come from "fancy magic" tables: multiply the blockers on a piece's lines by a
 * constant found by random search, and the top bits number every different blocker pattern. It
 * needs a 64-bit multiplication and nothing newer, so one path serves every x86-64 and arm64; PEXT
 * would save about a nanosecond on some CPUs and cost tens on others, for a second code path to
 * test.
 *
 * The tables are filled once by chess_init and constant from then on.
 */
#ifndef SKERRY_CHESS_ATTACKS_H
#define SKERRY_CHESS_ATTACKS_H

#include "engine/chess/position.h"

enum {
    ATTACK_ROOK_SLOTS = 102400, /* sum over squares of 2 to the number of squares that can block */
    ATTACK_BISHOP_SLOTS = 5248,
};

struct attack_magic {
    chess_bits mask;   /* squares whose occupancy matters: the lines without their last square */
    chess_bits factor; /* the magic */
    uint32_t first;    /* of this square's slots */
    uint32_t shift;
};

struct attack_tables {
    chess_bits reach[6][64]; /* attacks on an empty board, by piece; nothing for pawns */
    chess_bits pawn[2][64];  /* attacks of a pawn of a colour */
    struct attack_magic rook[64], bishop[64];
    chess_bits between[64][64]; /* strictly between two squares of one line, else nothing */
    chess_bits slots[ATTACK_ROOK_SLOTS + ATTACK_BISHOP_SLOTS];
};

extern struct attack_tables attack_tables; /* written by chess_init alone */

static inline chess_bits attack_slide(const struct attack_magic *m, chess_bits occupied)
{
    return attack_tables.slots[m->first + (((occupied & m->mask) * m->factor) >> m->shift)];
}

static inline chess_bits attack_rook(int square, chess_bits occupied)
{
    return attack_slide(&attack_tables.rook[square], occupied);
}

static inline chess_bits attack_bishop(int square, chess_bits occupied)
{
    return attack_slide(&attack_tables.bishop[square], occupied);
}

/* Pieces among `pieces_of` that attack `square` under an occupancy. `color` is the colour attacked:
 * its pawn on `square` would attack exactly the squares from which enemy pawns attack. */
static inline chess_bits attack_to(const struct chess_position *p, int square, int color,
                                   chess_bits occupied, chess_bits pieces_of)
{
    const struct attack_tables *t = &attack_tables;
    chess_bits queens = p->pieces[CHESS_QUEEN];

    return ((t->reach[CHESS_KNIGHT][square] & p->pieces[CHESS_KNIGHT]) |
            (t->reach[CHESS_KING][square] & p->pieces[CHESS_KING]) |
            (t->pawn[color][square] & p->pieces[CHESS_PAWN]) |
            (attack_rook(square, occupied) & (p->pieces[CHESS_ROOK] | queens)) |
            (attack_bishop(square, occupied) & (p->pieces[CHESS_BISHOP] | queens))) &
           pieces_of;
}

#endif
