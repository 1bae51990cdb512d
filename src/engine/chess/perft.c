/* SPDX-License-Identifier: GPL-3.0-or-later */
/* perft.c -- counts the positions at a depth: the proof that moves are right, and their speed.
 *
 * At depth one the legal moves are counted without listing them. Counting is where a CPU's
 * population count matters, so on x86-64 the walk exists twice and the CPU picks at run time.
 */
#include "engine/chess/generate.h"

GENERATE_INLINE uint64_t walk_step(const struct chess_position *p, int depth,
                                   uint64_t (*walk)(const struct chess_position *, int))
{
    chess_move moves[CHESS_MOVES_MAX];
    uint64_t total = 0;
    int count;

    if (depth == 1)
        return (uint64_t)generate(p, NULL, GENERATE_COUNT);
    count = generate(p, moves, GENERATE_LIST);
    for (int i = 0; i < count; i++) {
        struct chess_position next = *p;

        chess_move_make(&next, moves[i]);
        total += walk(&next, depth - 1);
    }
    return total;
}

static uint64_t walk_plain(const struct chess_position *p, int depth)
{
    return walk_step(p, depth, walk_plain);
}

#if defined(__x86_64__)
__attribute__((target("popcnt,bmi,bmi2"))) static uint64_t walk_bmi(const struct chess_position *p,
                                                                    int depth)
{
    return walk_step(p, depth, walk_bmi);
}

static bool has_bmi(void)
{
    return __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}
#endif

uint64_t chess_perft(const struct chess_position *p, int depth)
{
    if (depth <= 0)
        return 1;
#if defined(__x86_64__)
    if (has_bmi())
        return walk_bmi(p, depth);
#endif
    return walk_plain(p, depth);
}
