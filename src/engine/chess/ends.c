/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ends.c -- how games end: mate, stalemate, too little material, repetition, move counters. */
#include "engine/chess/bits.h"
#include "engine/chess/position.h"

enum {
    HALFMOVES_CLAIM = 100, /* fifty moves of each side */
    HALFMOVES_END = 150,   /* seventy-five */
};

/* Nobody can mate: bare kings, one minor piece in all, or bishops on squares of one colour only. */
static bool too_little_material(const struct chess_position *p)
{
    chess_bits knights = p->pieces[CHESS_KNIGHT], bishops = p->pieces[CHESS_BISHOP];

    if (p->pieces[CHESS_PAWN] | p->pieces[CHESS_ROOK] | p->pieces[CHESS_QUEEN])
        return false;
    if (knights)
        return !bishops && !bits_many(knights);
    return !(bishops & BITS_LIGHT) || !(bishops & ~BITS_LIGHT);
}

/* Earlier positions of a game in which this one could stand: not before the last capture or pawn
 * move. */
static int repetitions(const struct chess_position *p, const uint64_t *earlier_keys, size_t count)
{
    size_t reach = p->halfmoves < count ? p->halfmoves : count;
    int seen = 0;

    for (size_t back = 2; back <= reach; back += 2)
        seen += earlier_keys[count - back] == p->key;
    return seen;
}

enum chess_end chess_end_of(const struct chess_position *p, const uint64_t *earlier_keys,
                            size_t count)
{
    int seen;

    if (!chess_has_moves(p))
        return chess_in_check(p) ? CHESS_CHECKMATE : CHESS_STALEMATE;
    if (too_little_material(p))
        return CHESS_INSUFFICIENT;
    seen = repetitions(p, earlier_keys, count);
    if (seen >= 4)
        return CHESS_FIVEFOLD;
    if (p->halfmoves >= HALFMOVES_END)
        return CHESS_SEVENTY_FIVE;
    if (seen >= 2)
        return CHESS_THREEFOLD;
    if (p->halfmoves >= HALFMOVES_CLAIM)
        return CHESS_FIFTY;
    return CHESS_GOES_ON;
}

const char *chess_end_name(enum chess_end end)
{
    switch (end) {
    case CHESS_GOES_ON:
        return "goes on";
    case CHESS_CHECKMATE:
        return "checkmate";
    case CHESS_STALEMATE:
        return "stalemate";
    case CHESS_INSUFFICIENT:
        return "insufficient material";
    case CHESS_FIFTY:
        return "fifty-move rule";
    case CHESS_SEVENTY_FIVE:
        return "seventy-five-move rule";
    case CHESS_THREEFOLD:
        return "threefold repetition";
    case CHESS_FIVEFOLD:
        return "fivefold repetition";
    }
    return "unknown";
}

/* Judged by material, as arbiters do: a blocked position can still be beyond mating.
 *
 * A helpmate is always possible with a pawn, a rook, a queen, two knights, knight and bishop, or
 * bishops of both square colours. A lone knight, or bishops of one square colour, need an enemy man
 * to block the king's way out: a knight needs anything but queens; bishops need an enemy knight,
 * pawn, or a bishop on the other colour. */
bool chess_can_mate(const struct chess_position *p, enum chess_color color)
{
    chess_bits own = p->colors[color], enemy = p->colors[!color];
    chess_bits knights = p->pieces[CHESS_KNIGHT], bishops = p->pieces[CHESS_BISHOP];

    if (own & (p->pieces[CHESS_PAWN] | p->pieces[CHESS_ROOK] | p->pieces[CHESS_QUEEN]))
        return true;
    if (own & knights) {
        chess_bits blockers = enemy & ~p->pieces[CHESS_KING] & ~p->pieces[CHESS_QUEEN];

        return bits_many(own & knights) || (own & bishops) || blockers;
    }
    if (own & bishops)
        return ((bishops & BITS_LIGHT) && (bishops & ~BITS_LIGHT)) ||
               (enemy & (knights | p->pieces[CHESS_PAWN]));
    return false;
}
