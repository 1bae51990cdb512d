/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net_help.h -- samples and small networks for the tests of the network. */
#ifndef SKERRY_TEST_NET_HELP_H
#define SKERRY_TEST_NET_HELP_H

#include "board_help.h"

#include <stdlib.h>

#include "base/hash.h"
#include "engine/chess/net_model.h"

#define assert_ok(call)                    \
    do {                                   \
        err assert_e_ = (call);            \
        if (assert_e_.code)                \
            fail_msg("%s", assert_e_.msg); \
    } while (0)

struct sample_set {
    struct chess_sample *samples;
    size_t count, max;
};

static inline void sample_get(void *arg, size_t index, struct chess_sample *ret_sample)
{
    *ret_sample = ((struct sample_set *)arg)->samples[index];
}

static inline struct chess_sample_source source_of(struct sample_set *set)
{
    return (struct chess_sample_source){ .count = set->count, .get = sample_get, .arg = set };
}

/* Positions of random games with a "player" who prefers captures of dear pieces, then long moves:
 * there is something to learn. Standard chess and Chess960. */
static inline chess_move habit_of(const struct chess_position *p)
{
    chess_move moves[CHESS_MOVES_MAX], best = CHESS_MOVE_NONE;
    int count = chess_moves(p, moves), best_worth = -1;
    for (int i = 0; i < count; i++) {
        int to = chess_move_to(moves[i]), from = chess_move_from(moves[i]);
        int rise = (to >> 3) - (from >> 3);
        int taken = p->board[to] & 7;
        int worth = (chess_move_is_castling(moves[i]) || taken == CHESS_NO_PIECE
                         ? 0
                         : 100 * (taken + 1)) +
                    (rise < 0 ? -rise : rise) * 8 + (to & 7);
        if (worth > best_worth) {
            best_worth = worth;
            best = moves[i];
        }
    }
    return best;
}

static inline struct sample_set samples_make(uint64_t seed, size_t count)
{
    struct sample_set set = { calloc(count, sizeof *set.samples), 0, count };
    struct rng rng;
    rng_init(&rng, seed);
    assert_non_null(set.samples);
    for (uint32_t game = 0; set.count < count; game++) {
        struct chess_position p;
        if (game % 4 == 3)
            chess_position_start_960(&p, (int)rng_below(&rng, 960));
        else
            chess_position_start(&p);
        int8_t outcome = (int8_t)((int)rng_below(&rng, 4) - 1); /* 2 is unknown */
        for (uint16_t ply = 0; ply < 80 && set.count < count; ply++) {
            chess_move moves[CHESS_MOVES_MAX];
            int legal = chess_moves(&p, moves);
            if (legal == 0)
                break;
            set.samples[set.count++] = (struct chess_sample){
                .position = p,
                .move = habit_of(&p),
                .game = game,
                .ply = ply,
                .outcome = (int8_t)(outcome == 2 ? 2
                                    : p.turn     ? -outcome
                                                 : outcome),
                .conditions = { .rating_self = (uint16_t)rng_below(&rng, 3000),
                                .rating_opponent = 1500,
                                .speed = (uint8_t)rng_below(&rng, 7) },
            };
            chess_move_make(&p, moves[rng_below(&rng, (uint64_t)legal)]);
        }
    }
    return set;
}

static const struct net_shape small_shape = { .bag = 32, .square = 16, .move = 32, .value = 16 };

/* A network of random weights, larger than those at the start of training so that everything
 * matters. */
static inline struct chess_net *random_net(const struct net_shape *shape, uint64_t seed)
{
    struct net_layout at;
    struct chess_net *net;
    net_layout_of(shape, &at);
    float *weights = net_floats(at.count);
    assert_non_null(weights);
    net_init(shape, seed, weights);
    for (size_t i = at.move; i < at.move + (size_t)MOVE_ROWS * shape->move; i++)
        weights[i] *= 4;
    assert_ok(net_new(shape, weights, &net));
    free(weights);
    return net;
}

/* The position with ranks and colours swapped, and the move that belongs to it. */
static inline struct chess_position mirror_of(const struct chess_position *p)
{
    struct chess_position m;
    char fen[CHESS_FEN_BYTES], out[CHESS_FEN_BYTES], board[80];
    chess_fen_write(p, fen);
    str rest = str_of(fen), placement = str_split(&rest, ' '), turn = str_split(&rest, ' ');
    str rights = str_split(&rest, ' '), passant = str_split(&rest, ' ');
    size_t at = 0;
    for (int rank = 0; rank < 8;
         rank++) { /* the ranks in reverse order, letters in the other case */
        str walk = placement, part = STR_NONE;
        for (int i = 0; i < 8 - rank; i++)
            part = str_split(&walk, '/');
        for (size_t i = 0; i < part.len; i++)
            board[at++] = (char)(part.ptr[i] >= 'A' ? part.ptr[i] ^ 0x20 : part.ptr[i]);
        board[at++] = rank < 7 ? '/' : '\0';
    }
    char swapped[8] = { 0 };
    for (size_t i = 0; i < rights.len && i < 7; i++)
        swapped[i] = (char)(rights.ptr[i] == '-' ? '-' : rights.ptr[i] ^ 0x20);
    char target[3] = { passant.ptr[0], passant.len > 1 ? (char)('1' + '8' - passant.ptr[1]) : '\0',
                       '\0' };
    (void)snprintf(out, sizeof out, "%s %s %s %s %.*s", board, turn.ptr[0] == 'w' ? "b" : "w",
                   swapped, target, STR_ARG(rest));
    assert_ok(chess_fen_parse(str_of(out), &m));
    m.is_960 = p->is_960;
    return m;
}

static inline chess_move mirror_move(chess_move m)
{
    return (chess_move)(m ^ (56 | 56 << 6));
}

#endif
