/* SPDX-License-Identifier: GPL-3.0-or-later */
/* generate.h -- the generator of legal moves, as functions to be inlined with constant arguments.
 *
 * It makes only legal moves: check and pins are found first, by looking from the king along its
 * lines, and then restrict where pieces may go; nothing is made and taken back. A piece pinned on a
 * rank or file can never land on a square of another pin's rank or file (and so for diagonals), so
 * two sets hold all pins. The one rule that fits no set, an en passant capture that takes two
 * pieces off a line, is tried out by looking.
 *
 * The same code lists moves, counts them (for perft) and asks for one: `want` is constant in each
 * use, so each use is its own machine code. For the files of this room only.
 */
#ifndef SKERRY_CHESS_GENERATE_H
#define SKERRY_CHESS_GENERATE_H

#include "engine/chess/attacks.h"
#include "engine/chess/bits.h"

#define GENERATE_INLINE static inline __attribute__((always_inline))

enum generate_want { GENERATE_LIST, GENERATE_COUNT, GENERATE_ANY };

struct generate {
    const struct chess_position *p;
    chess_bits own, enemy, occupied;
    chess_bits target;                 /* squares that answer a check and are not our own */
    chess_bits pin_line, pin_diagonal; /* from king (without) to pinning piece (with) */
    chess_bits checkers;
    int king;
    int count;       /* GENERATE_ANY: not zero if there is a move */
    chess_move *out; /* GENERATE_LIST only */
};

/* Shifts towards the enemy's side for `us`. Wrapping over the edge is masked by the caller. */
GENERATE_INLINE chess_bits generate_forward(chess_bits b, int us)
{
    return us == CHESS_WHITE ? b << 8 : b >> 8;
}

GENERATE_INLINE chess_bits generate_west(chess_bits b, int us)
{
    b &= ~BITS_FILE_A;
    return us == CHESS_WHITE ? b << 7 : b >> 9;
}

GENERATE_INLINE chess_bits generate_east(chess_bits b, int us)
{
    b &= ~BITS_FILE_H;
    return us == CHESS_WHITE ? b << 9 : b >> 7;
}

/* For GENERATE_ANY it only matters whether the sum is zero. The builtin, not bits_count: perft.c
 * inlines this where it is one instruction. */
GENERATE_INLINE int generate_tally(chess_bits targets, int want)
{
    return want == GENERATE_COUNT ? __builtin_popcountll(targets) : targets != 0;
}

GENERATE_INLINE void generate_add(struct generate *g, int from, chess_bits targets, int want)
{
    if (want != GENERATE_LIST) {
        g->count += generate_tally(targets, want);
        return;
    }
    while (targets)
        g->out[g->count++] = move_of(from, bits_pop(&targets));
}

/* Pawn moves by one shift: `delta` is to minus from. */
GENERATE_INLINE void generate_add_pawns(struct generate *g, chess_bits targets, int delta, int want)
{
    const chess_bits last = BITS_RANK_1 | BITS_RANK_8;

    if (want != GENERATE_LIST) {
        g->count += generate_tally(targets, want) + 3 * generate_tally(targets & last, want);
        return;
    }
    while (targets) {
        int to = bits_pop(&targets);

        if (!(bit(to) & last)) {
            g->out[g->count++] = move_of(to - delta, to);
            continue;
        }
        for (int piece = CHESS_QUEEN; piece >= CHESS_KNIGHT; piece--)
            g->out[g->count++] = move_promoting(to - delta, to, piece);
    }
}

/* Looks from the king: who gives check, who is pinned. */
GENERATE_INLINE void generate_look(struct generate *g, int us)
{
    const struct chess_position *p = g->p;
    const struct attack_tables *t = &attack_tables;
    chess_bits queens = p->pieces[CHESS_QUEEN];
    chess_bits lines = t->reach[CHESS_ROOK][g->king] & (p->pieces[CHESS_ROOK] | queens) & g->enemy;
    chess_bits diagonals = t->reach[CHESS_BISHOP][g->king] & (p->pieces[CHESS_BISHOP] | queens) &
                           g->enemy;

    g->checkers = ((t->reach[CHESS_KNIGHT][g->king] & p->pieces[CHESS_KNIGHT]) |
                   (t->pawn[us][g->king] & p->pieces[CHESS_PAWN])) &
                  g->enemy;
    g->pin_line = g->pin_diagonal = 0;
    g->target = ~g->own;
    for (chess_bits left = lines | diagonals; left; left &= left - 1) {
        chess_bits sniper = left & -left;
        chess_bits way = t->between[g->king][bits_first(left)];
        chess_bits blockers = way & g->occupied;

        if (!blockers)
            g->checkers |= sniper;
        else if (!bits_many(blockers) && (blockers & g->own)) {
            if (sniper & lines)
                g->pin_line |= way | sniper;
            else
                g->pin_diagonal |= way | sniper;
        }
    }
    if (g->checkers)
        g->target &= g->checkers | t->between[g->king][bits_first(g->checkers)];
}

/* Every square the enemy attacks, seen through our king. */
GENERATE_INLINE chess_bits generate_danger(const struct generate *g, int us)
{
    const struct chess_position *p = g->p;
    const struct attack_tables *t = &attack_tables;
    chess_bits occupied = g->occupied ^ bit(g->king);
    chess_bits pawns = p->pieces[CHESS_PAWN] & g->enemy;
    chess_bits queens = p->pieces[CHESS_QUEEN];
    chess_bits danger = generate_west(pawns, !us) | generate_east(pawns, !us);

    danger |= t->reach[CHESS_KING][bits_first(p->pieces[CHESS_KING] & g->enemy)];
    for (chess_bits left = p->pieces[CHESS_KNIGHT] & g->enemy; left;)
        danger |= t->reach[CHESS_KNIGHT][bits_pop(&left)];
    for (chess_bits left = (p->pieces[CHESS_BISHOP] | queens) & g->enemy; left;)
        danger |= attack_bishop(bits_pop(&left), occupied);
    for (chess_bits left = (p->pieces[CHESS_ROOK] | queens) & g->enemy; left;)
        danger |= attack_rook(bits_pop(&left), occupied);
    return danger;
}

/* Is the way free for king and rook? Attacks are looked at by the caller. */
GENERATE_INLINE bool generate_castling_free(const struct generate *g, int us, int side, int rook)
{
    int king_to = castling_king_to(us, side), rook_to = castling_rook_to(us, side);
    chess_bits way = attack_tables.between[g->king][king_to] | bit(king_to) |
                     attack_tables.between[rook][rook_to] | bit(rook_to);

    return !(way & (g->occupied ^ bit(g->king) ^ bit(rook)));
}

GENERATE_INLINE void generate_king(struct generate *g, int us, int want)
{
    const struct chess_position *p = g->p;
    chess_bits steps = attack_tables.reach[CHESS_KING][g->king] & ~g->own;
    chess_bits danger = 0;
    bool castling[2] = { false, false };

    if (!g->checkers) {
        for (int side = 0; side < 2; side++) {
            int rook = p->castling_rook[us][side];

            castling[side] = rook != CHESS_NO_SQUARE && generate_castling_free(g, us, side, rook);
        }
    }
    if (!steps && !castling[0] && !castling[1])
        return;
    danger = generate_danger(g, us);
    generate_add(g, g->king, steps & ~danger, want);
    for (int side = 0; side < 2; side++) {
        int king_to = castling_king_to(us, side);
        int rook = p->castling_rook[us][side];
        chess_bits after;

        if (!castling[side] || (danger & (attack_tables.between[g->king][king_to] | bit(king_to))))
            continue;
        /* In Chess960 the rook itself may have been shielding the king's new square. */
        after = (g->occupied ^ bit(g->king) ^ bit(rook)) | bit(castling_rook_to(us, side));
        if (attack_rook(king_to, after) & g->enemy &
            (p->pieces[CHESS_ROOK] | p->pieces[CHESS_QUEEN]))
            continue;
        if (want == GENERATE_LIST)
            g->out[g->count] = move_castling(g->king, rook);
        g->count++;
    }
}

GENERATE_INLINE void generate_pieces(struct generate *g, int want)
{
    const struct chess_position *p = g->p;
    chess_bits own = g->own;
    chess_bits queens = p->pieces[CHESS_QUEEN];
    chess_bits left = p->pieces[CHESS_KNIGHT] & own & ~(g->pin_line | g->pin_diagonal);

    while (left) {
        int from = bits_pop(&left);

        generate_add(g, from, attack_tables.reach[CHESS_KNIGHT][from] & g->target, want);
    }
    left = (p->pieces[CHESS_BISHOP] | queens) & own & ~g->pin_line;
    while (left) {
        int from = bits_pop(&left);
        chess_bits to = attack_bishop(from, g->occupied) & g->target;

        generate_add(g, from, g->pin_diagonal & bit(from) ? to & g->pin_diagonal : to, want);
    }
    left = (p->pieces[CHESS_ROOK] | queens) & own & ~g->pin_diagonal;
    while (left) {
        int from = bits_pop(&left);
        chess_bits to = attack_rook(from, g->occupied) & g->target;

        generate_add(g, from, g->pin_line & bit(from) ? to & g->pin_line : to, want);
    }
}

GENERATE_INLINE void generate_en_passant(struct generate *g, int us, int want)
{
    const struct chess_position *p = g->p;
    int to = p->en_passant;
    int taken = to ^ 8; /* the square behind: e6 and e5, e3 and e4 */
    chess_bits left = attack_tables.pawn[!us][to] & p->pieces[CHESS_PAWN] & g->own;

    while (left) {
        int from = bits_pop(&left);
        chess_bits after = g->occupied ^ bit(from) ^ bit(to) ^ bit(taken);

        if (!attack_to(p, g->king, us, after, g->enemy & ~bit(taken)))
            generate_add(g, from, bit(to), want);
    }
}

GENERATE_INLINE void generate_pawns(struct generate *g, int us, int want)
{
    const int forward = us == CHESS_WHITE ? 8 : -8;
    chess_bits pawns = g->p->pieces[CHESS_PAWN] & g->own;
    chess_bits pushers = pawns & ~g->pin_diagonal, takers = pawns & ~g->pin_line;
    chess_bits prey = g->enemy & g->target;
    chess_bits one, two, west, east;

    one = generate_forward(pushers & ~g->pin_line, us) |
          (generate_forward(pushers & g->pin_line, us) & g->pin_line);
    one &= ~g->occupied;
    two = generate_forward(one & (us == CHESS_WHITE ? BITS_RANK_3 : BITS_RANK_6), us);
    west = generate_west(takers & ~g->pin_diagonal, us) |
           (generate_west(takers & g->pin_diagonal, us) & g->pin_diagonal);
    east = generate_east(takers & ~g->pin_diagonal, us) |
           (generate_east(takers & g->pin_diagonal, us) & g->pin_diagonal);
    generate_add_pawns(g, one & g->target, forward, want);
    two &= ~g->occupied & g->target;
    if (want != GENERATE_LIST)
        g->count += generate_tally(two, want);
    else
        generate_add_pawns(g, two, 2 * forward, want);
    generate_add_pawns(g, west & prey, forward - 1, want);
    generate_add_pawns(g, east & prey, forward + 1, want);
    if (g->p->en_passant != CHESS_NO_SQUARE)
        generate_en_passant(g, us, want);
}

GENERATE_INLINE int generate_color(const struct chess_position *p, chess_move *out, int us,
                                   int want)
{
    struct generate g = {
        .p = p,
        .own = p->colors[us],
        .enemy = p->colors[!us],
        .occupied = p->colors[0] | p->colors[1],
        .king = position_king(p, us),
        .out = out,
    };

    generate_look(&g, us);
    generate_king(&g, us, want);
    if (!bits_many(g.checkers)) {
        generate_pieces(&g, want);
        generate_pawns(&g, us, want);
    }
    return g.count;
}

GENERATE_INLINE int generate(const struct chess_position *p, chess_move *out, int want)
{
    return p->turn == CHESS_WHITE ? generate_color(p, out, CHESS_WHITE, want)
                                  : generate_color(p, out, CHESS_BLACK, want);
}

#endif
