/* SPDX-License-Identifier: GPL-3.0-or-later */
/* features_moves.c -- the tactical relations of each legal move, by far the most telling of all
 * features.
 *
 * For every move the board after it is set up as twelve sets of squares and the attack maps of both
 * sides are made again. Everything else is read from the maps before and after: what hangs, what is
 * threatened, how far the pieces see. An exchange is counted out square by square only when the
 * target is really contested.
 */
#include <string.h>

#include "engine/chess/features.h"
#include "engine/chess/features_view.h"

/* Row numbers of one move under construction. */
struct move_rows {
    uint16_t *rows;
    int count;
};

static inline void put_row(struct move_rows *r, unsigned row)
{
    r->rows[r->count++] = (uint16_t)row;
}

/* The move and the board behind it. */
struct after {
    int piece, landed;   /* landed: the piece that stands on `to`; differs for promotions */
    int from, to, taken; /* taken: 0 none, else piece + 1 */
    int castling;        /* -1, or side */
    chess_bits side[2][6], of[2], occupied;
    struct attack_map map[2];
    int exchange; /* material the exchange on `to` brings, in pawns */
    chess_bits reach_before,
        reach; /* what the piece attacks from `from`, and what stands on `to` from there */
};

static inline int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

/* ------------------------------------------------------------------ the board after a move */

static void after_make(const struct features_view *v, chess_move move, struct after *a)
{
    int from = chess_move_from(move) ^ v->turned, to = chess_move_to(move) ^ v->turned;

    memcpy(a->side, v->side, sizeof a->side);
    a->of[OWN] = v->of[OWN];
    a->of[THEIRS] = v->of[THEIRS];
    a->piece = view_piece(v, from);
    a->landed = a->piece;
    a->from = from;
    a->taken = 0;
    a->castling = -1;
    if (chess_move_is_castling(move)) {
        a->castling = to < from;
        int king_to = castling_king_to(CHESS_WHITE, a->castling),
            rook_to = castling_rook_to(CHESS_WHITE, a->castling);
        a->side[OWN][CHESS_KING] = bit(king_to);
        a->side[OWN][CHESS_ROOK] = (a->side[OWN][CHESS_ROOK] & ~bit(to)) | bit(rook_to);
        a->of[OWN] = (a->of[OWN] & ~(bit(from) | bit(to))) | bit(king_to) | bit(rook_to);
        to = king_to;
    } else {
        int taken = view_piece(v, to), taken_on = to;
        if (a->piece == CHESS_PAWN && taken == CHESS_NO_PIECE && ((from ^ to) & 7)) {
            taken = CHESS_PAWN;
            taken_on = to - 8;
        }
        if (taken != CHESS_NO_PIECE) {
            a->taken = taken + 1;
            a->side[THEIRS][taken] &= ~bit(taken_on);
            a->of[THEIRS] &= ~bit(taken_on);
        }
        if (chess_move_promotion(move) != CHESS_PAWN)
            a->landed = (int)chess_move_promotion(move);
        a->side[OWN][a->piece] &= ~bit(from);
        a->side[OWN][a->landed] |= bit(to);
        a->of[OWN] = (a->of[OWN] & ~bit(from)) | bit(to);
    }
    a->to = to;
    a->occupied = a->of[OWN] | a->of[THEIRS];
    attack_map_make(&a->map[OWN], a->side[OWN], OWN, a->occupied);
    attack_map_make(&a->map[THEIRS], a->side[THEIRS], THEIRS, a->occupied);
    a->reach_before = attacks_from(a->piece, from, v->occupied);
    a->reach = attacks_from(a->landed, to, a->occupied);
}

/* ------------------------------------------------------------------ exchanges */

static chess_bits attackers_to(const struct after *a, int square, chess_bits occupied)
{
    const struct attack_tables *t = &attack_tables;
    chess_bits queens = a->side[OWN][CHESS_QUEEN] | a->side[THEIRS][CHESS_QUEEN];
    chess_bits rooks = a->side[OWN][CHESS_ROOK] | a->side[THEIRS][CHESS_ROOK] | queens;
    chess_bits bishops = a->side[OWN][CHESS_BISHOP] | a->side[THEIRS][CHESS_BISHOP] | queens;
    chess_bits knights = a->side[OWN][CHESS_KNIGHT] | a->side[THEIRS][CHESS_KNIGHT];
    chess_bits kings = a->side[OWN][CHESS_KING] | a->side[THEIRS][CHESS_KING];
    return ((t->reach[CHESS_KNIGHT][square] & knights) | (t->reach[CHESS_KING][square] & kings) |
            (t->pawn[CHESS_BLACK][square] & a->side[OWN][CHESS_PAWN]) |
            (t->pawn[CHESS_WHITE][square] & a->side[THEIRS][CHESS_PAWN]) |
            (attack_rook(square, occupied) & rooks) | (attack_bishop(square, occupied) & bishops)) &
           occupied;
}

/* What they win by taking on `to`, both sides taking with their cheapest piece while it pays. */
static int exchange_loss(const struct after *a)
{
    int square = a->to, gain[33], depth = 0, owner = THEIRS, on_square = features_value[a->landed];
    chess_bits occupied = a->occupied;

    gain[0] = 0;
    for (;;) {
        chess_bits attackers = attackers_to(a, square, occupied);
        int piece = CHESS_PAWN;
        while (piece <= CHESS_KING && !(attackers & a->side[owner][piece]))
            piece++;
        /* a king may not take what is defended */
        if (piece > CHESS_KING || (piece == CHESS_KING && (attackers & a->of[!owner])))
            break;
        depth++;
        gain[depth] = on_square - gain[depth - 1];
        on_square = features_value[piece];
        chess_bits taker = attackers & a->side[owner][piece];
        occupied &= ~(taker & -taker);
        owner = !owner;
    }
    /* gain[d] is what the taker of step d is ahead; each side may stop instead */
    while (depth > 1) {
        gain[depth - 1] = -(gain[depth] > -gain[depth - 1] ? gain[depth] : -gain[depth - 1]);
        depth--;
    }
    return depth == 1 && gain[1] > 0 ? gain[1] : 0;
}

static int exchange_value(const struct after *a)
{
    static const int8_t taken_value[6] = { 0, 1, 3, 3, 5, 9 };
    chess_bits here = bit(a->to);
    int won = taken_value[a->taken] + features_value[a->landed] - features_value[a->piece];

    if (!(a->map[THEIRS].all & here))
        return won;
    if (!(a->map[OWN].all & here))
        return won - features_value[a->landed];
    return won - exchange_loss(a);
}

static unsigned exchange_step(int value)
{
    static const uint8_t steps[15] = { 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7, 7, 8 }; /* -7 .. 7 */
    return value < -7 ? 0 : value > 7 ? 8 : steps[value + 7];
}

/* ------------------------------------------------------------------ the rows */

static unsigned mobility_step(chess_bits squares)
{
    static const uint8_t steps[28] = { 0, 1, 2, 3, 3, 4, 4, 5, 5, 5, 6, 6, 6, 6,
                                       7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7 };
    return steps[bits_count(squares)];
}

static bool is_mate(const struct features_view *v, chess_move move)
{
    struct chess_position p = *v->position;
    chess_move_make(&p, move);
    return !chess_has_moves(&p);
}

static void check_rows(const struct features_view *v, const struct after *a, chess_move move,
                       unsigned safe, struct move_rows *r)
{
    chess_bits king = v->side[THEIRS][CHESS_KING];
    if (!(a->map[OWN].all & king))
        return;
    bool direct = a->reach & king;
    unsigned kind = direct ? (a->map[OWN].twice & king) != 0 ? 2 : 0 : 1;
    put_row(r, MOVE_CHECK + (((unsigned)a->piece * 3 + kind) * 2 + safe) * 2 + is_mate(v, move));
}

/* What the move does to pieces in danger, own and theirs. */
static void danger_rows(const struct features_view *v, const struct after *a, struct move_rows *r)
{
    unsigned piece = (unsigned)a->piece;
    chess_bits own = in_danger(a->side[OWN], &a->map[OWN], &a->map[THEIRS]) & ~bit(a->to);
    unsigned after = dearest(a->side[OWN], own), before = v->danger[OWN];
    if (after || before) {
        bool was_it = before == piece + 1 && (v->endangered & bit(a->from));
        put_row(r, MOVE_LEAVES + ((piece * 6 + after) * 6 + before) * 2 + was_it);
    }
    chess_bits theirs = in_danger(a->side[THEIRS], &a->map[THEIRS], &a->map[OWN]);
    after = dearest(a->side[THEIRS], theirs);
    before = v->danger[THEIRS];
    if (after || before) {
        unsigned many = !theirs ? 0 : bits_many(theirs) ? 2 : 1;
        put_row(r, MOVE_THREAT + ((piece * 6 + after) * 6 + before) * 3 + many);
    }
}

/* What the moved piece itself sees from its new square, and saw from the old one. */
static void reach_rows(const struct features_view *v, const struct after *a, struct move_rows *r)
{
    unsigned piece = (unsigned)a->piece;
    chess_bits dearer = 0;
    for (int p = a->landed + 1; p < CHESS_KING; p++)
        dearer |= a->side[THEIRS][p];
    if (a->landed == CHESS_KNIGHT)
        dearer &= ~a->side[THEIRS][CHESS_BISHOP];
    chess_bits loose = a->of[THEIRS] & ~a->map[THEIRS].all & ~a->side[THEIRS][CHESS_KING];
    chess_bits targets = a->reach & (dearer | loose);
    if (targets)
        put_row(r, MOVE_ATTACKS + (piece * 6 + dearest(a->side[THEIRS], targets)) * 3 +
                       (bits_many(targets) ? 2 : 1));
    if (a->piece != CHESS_PAWN) {
        chess_bits before = a->reach_before & ~v->of[OWN] & ~v->map[THEIRS].by[CHESS_PAWN];
        chess_bits after = a->reach & ~a->of[OWN] & ~a->map[THEIRS].by[CHESS_PAWN];
        put_row(r, MOVE_MOBILITY + (piece * 8 + mobility_step(before)) * 8 + mobility_step(after));
    }
}

static unsigned relative_to(int square, int king)
{
    int across = (square & 7) - (king & 7), up = (square >> 3) - (king >> 3);
    return (unsigned)((across < 0 ? -across : across) * 15 + up + 7);
}

static chess_bits file_of(int square)
{
    return BITS_FILE_A << (square & 7);
}

static chess_bits files_beside(int square)
{
    chess_bits file = file_of(square);
    return ((file & ~BITS_FILE_A) >> 1) | ((file & ~BITS_FILE_H) << 1);
}

static chess_bits ranks_above(int square)
{
    int rank = square >> 3;
    return rank == 7 ? 0 : ~0ULL << (8 * (rank + 1));
}

/* Pawn structure around the target: for pawns their own worth, for pieces how firmly they stand. */
static void pawn_rows(const struct after *a, struct move_rows *r)
{
    int to = a->to;
    chess_bits own = a->side[OWN][CHESS_PAWN], theirs = a->side[THEIRS][CHESS_PAWN], here = bit(to);
    chess_bits file = file_of(to), beside = files_beside(to), above = ranks_above(to);
    unsigned supported = (a->map[OWN].by[CHESS_PAWN] & here) != 0;
    unsigned hunted = (theirs & beside & above) !=
                      0; /* a pawn of theirs can attack it, now or later */

    if (a->landed == CHESS_PAWN) {
        unsigned passed = !hunted && !(theirs & file & above);
        unsigned lever = (attack_tables.pawn[CHESS_WHITE][to] & theirs) != 0;
        unsigned isolated = (own & beside) == 0, doubled = (own & file & ~here) != 0;
        unsigned rank = (unsigned)(to >> 3) - 1;
        put_row(r, MOVE_PAWN +
                       ((((rank * 2 + passed) * 2 + supported) * 2 + lever) * 2 + isolated) * 2 +
                       doubled);
        return;
    }
    /* one step of a pawn of theirs that would attack the piece */
    chess_bits stepped = (theirs >> 8) & ~a->occupied;
    chess_bits kick = pawn_attacks_left(stepped, THEIRS) | pawn_attacks_right(stepped, THEIRS);
    unsigned kicked = (kick & here) != 0;
    unsigned open = own & file ? 0 : theirs & file ? 1 : 2;
    put_row(r, MOVE_PLACE +
                   ((((unsigned)a->piece * 2 + supported) * 2 + !hunted) * 2 + kicked) * 3 + open);
}

static unsigned space_step(int change, int half)
{
    static const uint8_t steps[13] = {
        0, 0, 0, 0, 1, 1, 2, 3, 3, 4, 4, 4, 4
    }; /* -6..6, five steps */
    static const uint8_t wide[13] = { 0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6 }; /* seven steps */
    int at = clamp(change, -6, 6) + 6;
    return half ? steps[at] : wide[at];
}

static void board_rows(const struct features_view *v, const struct after *a, struct move_rows *r)
{
    unsigned piece = (unsigned)a->piece;
    int own = bits_count(a->map[OWN].all) - v->seen[OWN];
    int theirs = bits_count(a->map[THEIRS].all) - v->seen[THEIRS];
    put_row(r, MOVE_SPACE + (piece * 7 + space_step(own, 0)) * 5 + space_step(theirs, 1));

    int king = a->castling >= 0 || a->piece == CHESS_KING ? a->to : v->king[OWN];
    chess_bits own_ring = attack_tables.reach[CHESS_KING][king];
    chess_bits their_ring = attack_tables.reach[CHESS_KING][v->king[THEIRS]];
    int at_theirs = clamp(bits_count(a->map[OWN].all & their_ring) - v->ring[THEIRS] + 1, 0, 3);
    int at_own = clamp(bits_count(a->map[THEIRS].all & own_ring) - v->ring[OWN] + 1, 0, 2);
    put_row(r, MOVE_KINGS + (piece * 4 + (unsigned)at_theirs) * 3 + (unsigned)at_own);
    put_row(r, MOVE_THEIR_KING + piece * 120 + relative_to(a->to, v->king[THEIRS]));
    put_row(r, MOVE_OWN_KING + piece * 120 + relative_to(a->to, v->king[OWN]));
}

static void rights_row(const struct features_view *v, const struct after *a, struct move_rows *r)
{
    const uint8_t *rook = v->position->castling_rook[v->position->turn];
    if (a->castling >= 0)
        put_row(r, MOVE_RIGHTS + (unsigned)a->castling);
    else if (a->piece == CHESS_KING && (rook[0] != CHESS_NO_SQUARE || rook[1] != CHESS_NO_SQUARE))
        put_row(r, MOVE_RIGHTS + 2);
    else if (a->piece == CHESS_ROOK && (rook[0] ^ v->turned) == a->from)
        put_row(r, MOVE_RIGHTS + 3);
    else if (a->piece == CHESS_ROOK && (rook[1] ^ v->turned) == a->from)
        put_row(r, MOVE_RIGHTS + 4);
}

static unsigned balance_step(int balance)
{
    return balance <= -3 ? 0 : balance < 0 ? 1 : balance == 0 ? 2 : balance < 3 ? 3 : 4;
}

/* All rows of a move but MOVE_BEST, which needs the exchanges of the others. */
static void rows_of(const struct features_view *v, const struct after *a, chess_move move,
                    struct move_rows *r)
{
    unsigned piece = (unsigned)a->piece, from = (unsigned)a->from, to = (unsigned)a->to,
             taken = (unsigned)a->taken;
    unsigned step = exchange_step(a->exchange), safe = a->exchange >= 0;
    chess_bits start = bit(a->from), here = bit(a->to);
    unsigned phase = (unsigned)clamp(v->phase, 0, 12);

    put_row(r, MOVE_PIECE_TO + piece * 64 + to);
    put_row(r, MOVE_PIECE_FROM + piece * 64 + from);
    put_row(r, MOVE_FROM_TO + from * 64 + to);
    put_row(r, MOVE_CAPTURE + (piece * 6 + taken) * 9 + step);
    unsigned defenders = !(v->map[OWN].all & start) ? 0 : v->map[OWN].twice & start ? 2 : 1;
    put_row(r, MOVE_ESCAPE +
                   ((piece * 7 + cheapest_attacker(&v->map[THEIRS], start)) * 3 + defenders) * 2 +
                   safe);
    put_row(r, MOVE_CONTACT + (piece * 7 + cheapest_attacker(&a->map[THEIRS], here)) * 7 +
                   cheapest_attacker(&a->map[OWN], here));
    put_row(r, MOVE_PHASE + ((piece * 13 + phase) * 2 + (taken > 0)) * 2 + safe);
    if (taken)
        put_row(r, MOVE_TRADE + (piece * 6 + taken) * 5 + balance_step(v->balance));
    if (v->in_check || (v->pinned & start))
        put_row(r, MOVE_BOUND + (piece * 2 + v->in_check) * 2 + ((v->pinned & start) != 0));
    if (a->landed != a->piece)
        put_row(r, MOVE_PROMOTES + (unsigned)(a->landed - CHESS_KNIGHT) * 2 + safe);
    check_rows(v, a, move, safe, r);
    danger_rows(v, a, r);
    reach_rows(v, a, r);
    pawn_rows(a, r);
    board_rows(v, a, r);
    rights_row(v, a, r);
}

void FEATURES_NAME(features_moves)(const struct features_view *v, const chess_move *moves,
                                   int move_count, struct features *out)
{
    uint8_t piece[CHESS_MOVES_MAX], step[CHESS_MOVES_MAX], best = 0;
    struct after a;
    int at = 0;

    for (int i = 0; i < move_count; i++) {
        struct move_rows r = { .rows = out->rows + at };
        after_make(v, moves[i], &a);
        a.exchange = exchange_value(&a);
        out->move_start[i] = (uint16_t)at;
        rows_of(v, &a, moves[i], &r);
        piece[i] = (uint8_t)a.piece;
        step[i] = (uint8_t)exchange_step(a.exchange);
        best = step[i] > best ? step[i] : best;
        at += r.count + 1; /* room for MOVE_BEST */
    }
    out->move_start[move_count] = (uint16_t)at;
    for (int i = 0; i < move_count; i++)
        out->rows[out->move_start[i + 1] - 1] = (uint16_t)(MOVE_BEST +
                                                           (piece[i] * 2 + (step[i] == best)) * 9 +
                                                           best);
}
