/* SPDX-License-Identifier: GPL-3.0-or-later */
/* features.c -- turns the board to the mover's side and reads the rows of the bag and of the
 * squares; features_moves.c reads those of the moves. */
#include "engine/chess/features.h"

#include <string.h>

#include "engine/chess/features_view.h"

_Static_assert(MOVE_ROWS <= UINT16_MAX && SQUARE_ROWS <= UINT16_MAX && BAG_ROWS <= UINT16_MAX,
               "rows are 16 bits");

static void view_make(struct features_view *v, const struct chess_position *p)
{
    bool turned = p->turn == CHESS_BLACK;
    chess_bits us = p->colors[p->turn], them = p->colors[!p->turn];

    v->position = p;
    v->turned = turned ? 56 : 0;
    v->of[OWN] = turned ? turn_board(us) : us;
    v->of[THEIRS] = turned ? turn_board(them) : them;
    v->occupied = v->of[OWN] | v->of[THEIRS];
    v->balance = 0;
    for (int piece = 0; piece < 6; piece++) {
        chess_bits both = turned ? turn_board(p->pieces[piece]) : p->pieces[piece];
        v->side[OWN][piece] = both & v->of[OWN];
        v->side[THEIRS][piece] = both & v->of[THEIRS];
        v->balance += features_value[piece] *
                      (bits_count(v->side[OWN][piece]) - bits_count(v->side[THEIRS][piece]));
    }
    v->phase = bits_count(v->occupied & ~(v->side[OWN][CHESS_PAWN] | v->side[THEIRS][CHESS_PAWN])) -
               2;
    v->king[OWN] = bits_first(v->side[OWN][CHESS_KING]);
    v->king[THEIRS] = bits_first(v->side[THEIRS][CHESS_KING]);
    attack_map_make(&v->map[OWN], v->side[OWN], OWN, v->occupied);
    attack_map_make(&v->map[THEIRS], v->side[THEIRS], THEIRS, v->occupied);
    v->in_check = (v->map[THEIRS].all & v->side[OWN][CHESS_KING]) != 0;
    v->endangered = in_danger(v->side[OWN], &v->map[OWN], &v->map[THEIRS]);
    v->danger[OWN] = dearest(v->side[OWN], v->endangered);
    v->danger[THEIRS] = dearest(v->side[THEIRS],
                                in_danger(v->side[THEIRS], &v->map[THEIRS], &v->map[OWN]));
    for (int owner = 0; owner < 2; owner++) {
        v->seen[owner] = bits_count(v->map[owner].all);
        v->ring[owner] = bits_count(v->map[!owner].all &
                                    attack_tables.reach[CHESS_KING][v->king[owner]]);
    }

    int king = v->king[OWN];
    chess_bits queens = v->side[THEIRS][CHESS_QUEEN];
    chess_bits lined = (attack_tables.reach[CHESS_ROOK][king] &
                        (v->side[THEIRS][CHESS_ROOK] | queens)) |
                       (attack_tables.reach[CHESS_BISHOP][king] &
                        (v->side[THEIRS][CHESS_BISHOP] | queens));
    v->pinned = 0;
    while (lined) {
        chess_bits between = attack_tables.between[king][bits_pop(&lined)] & v->occupied;
        if (between && !bits_many(between))
            v->pinned |= between & v->of[OWN];
    }
}

/* ------------------------------------------------------------------ the bag */

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

/* Two bands of 400 points, shifted by 200, so that near ratings share rows: 0..3999 in 12 + 12
 * rows. */
static int rating_rows(uint16_t *rows, int first, int rating)
{
    if (rating == 0) {
        rows[0] = (uint16_t)first;
        return 1;
    }
    rows[0] = (uint16_t)(first + 1 + clamp(rating / 400, 0, 11));
    rows[1] = (uint16_t)(first + 13 + clamp((rating + 200) / 400, 0, 11));
    return 2;
}

static int condition_rows(uint16_t *rows, const struct chess_conditions *c)
{
    int n = 0;
    rows[n++] = (uint16_t)(BAG_SPEED + clamp(c->speed, 0, 7));
    n += rating_rows(rows + n, BAG_RATING_SELF, c->rating_self);
    n += rating_rows(rows + n, BAG_RATING_OPPONENT, c->rating_opponent);
    int lead = 0;
    if (c->rating_self && c->rating_opponent)
        lead = 1 + clamp((c->rating_self - c->rating_opponent + 75 * 6 + 37) / 75, 0, 12);
    rows[n++] = (uint16_t)(BAG_RATING_LEAD + lead);
    return n;
}

static void bag_rows(const struct features_view *v, const struct chess_conditions *conditions,
                     struct features *out)
{
    const struct chess_position *p = v->position;
    uint16_t *rows = out->bag;
    int n = 0;

    rows[n++] = BAG_CONSTANT;
    for (chess_bits b = v->occupied; b;) {
        int square = bits_pop(&b);
        rows[n++] = (uint16_t)(BAG_PIECE + view_content(v, square) * 64 + square);
    }
    for (int owner = 0; owner < 2; owner++)
        for (int side = 0; side < 2; side++)
            if (p->castling_rook[owner ^ p->turn][side] != CHESS_NO_SQUARE)
                rows[n++] = (uint16_t)(BAG_CASTLING + owner * 2 + side);
    if (p->en_passant != CHESS_NO_SQUARE)
        rows[n++] = (uint16_t)(BAG_EN_PASSANT + (p->en_passant & 7));
    rows[n++] = (uint16_t)(BAG_SIDE + p->turn);
    n += condition_rows(rows + n, conditions);
    if (v->in_check)
        rows[n++] = BAG_CHECK;
    rows[n++] = (uint16_t)(BAG_BALANCE + clamp(v->balance, -10, 10) + 10);
    rows[n++] = (uint16_t)(BAG_PHASE + clamp(v->phase, 0, 12));
    rows[n++] = (uint16_t)(BAG_HANGING + v->danger[OWN] * 6 + v->danger[THEIRS]);
    out->bag_count = n;
}

/* ------------------------------------------------------------------ the squares */

/* A relative row is content + where the piece stands as seen from the square. With ranks 15 rows
 * apart that is a number of the square plus a number of the piece, so each is computed once. */
static void relative_rows(const struct features_view *v, struct features *out)
{
    int n = 0;
    for (chess_bits b = v->occupied; b;) {
        int square = bits_pop(&b);
        out->relative[n++] = (uint16_t)(SQUARE_RELATIVE + view_content(v, square) * 225 +
                                        (7 - (square >> 3)) * 15 + 7 - (square & 7));
    }
    out->relative_count = n;
}

static void square_rows(const struct features_view *v, int square, struct features_square *out)
{
    chess_bits here = bit(square);
    int content = v->occupied & here ? view_content(v, square) : 12;
    unsigned own = cheapest_attacker(&v->map[OWN], here),
             theirs = cheapest_attacker(&v->map[THEIRS], here);
    unsigned own_twice = (v->map[OWN].twice & here) != 0,
             theirs_twice = (v->map[THEIRS].twice & here) != 0;

    out->shift = (uint16_t)((square >> 3) * 15 + (square & 7));
    out->rows[0] = (uint16_t)(SQUARE_CONTENT + content * 64 + square);
    out->rows[1] = (uint16_t)(SQUARE_CONTROL + ((own * 7 + theirs) * 2 + own_twice) * 2 +
                              theirs_twice);
}

/* Index of the square in the list, adding it when it is new. `index` holds 255 for unseen squares.
 */
static uint8_t square_index(const struct features_view *v, int square, uint8_t index[64],
                            struct features_square *list, int *count)
{
    if (index[square] == 255) {
        index[square] = (uint8_t)*count;
        square_rows(v, square, &list[(*count)++]);
    }
    return index[square];
}

void FEATURES_NAME(features_extract)(const struct chess_position *p,
                                     const struct chess_conditions *conditions,
                                     const chess_move *moves, int move_count, struct features *out)
{
    struct features_view v;
    uint8_t from_index[64], to_index[64];

    view_make(&v, p);
    bag_rows(&v, conditions, out);
    relative_rows(&v, out);
    out->from_count = out->to_count = 0;
    memset(from_index, 255, sizeof from_index);
    memset(to_index, 255, sizeof to_index);
    for (int i = 0; i < move_count; i++) {
        int from = chess_move_from(moves[i]) ^ v.turned, to = chess_move_to(moves[i]) ^ v.turned;
        if (chess_move_is_castling(moves[i]))
            to = castling_king_to(CHESS_WHITE, to < from); /* where the king lands, not its rook */
        out->move_from[i] = square_index(&v, from, from_index, out->from, &out->from_count);
        out->move_to[i] = square_index(&v, to, to_index, out->to, &out->to_count);
    }
    out->move_count = move_count;
    FEATURES_NAME(features_moves)(&v, moves, move_count, out);
}
