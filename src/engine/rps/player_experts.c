/* SPDX-License-Identifier: GPL-3.0-or-later */
/* player_experts.c -- the experts: a table of what each looks at and relative to what it counts.
 *
 * Most are rotation-relative: "after a loss, one up from my last move" is one count, not three. The
 * order of rows is part of stored populations: new ones go to the end, with a new version.
 */
#include "engine/rps/player_internal.h"

#define U(n)          \
    {                 \
        DIGIT_USER, n \
    }
#define B(n)         \
    {                \
        DIGIT_BOT, n \
    }
#define R(n)            \
    {                   \
        DIGIT_RESULT, n \
    }
#define S(n)          \
    {                 \
        DIGIT_STEP, n \
    }
#define T(n)             \
    {                    \
        DIGIT_BOTSTEP, n \
    }
#define A(n)            \
    {                   \
        DIGIT_ANSWER, n \
    }
#define V(n)           \
    {                  \
        DIGIT_VALUE, n \
    }
#define SURE          \
    {                 \
        DIGIT_SURE, 0 \
    }

const struct expert rps_experts[RPS_EXPERTS] = {
    /* the move itself */
    { "move", FRAME_MOVE, 0, 1.0f, 0, { { 0 } } },
    { "move-90", FRAME_MOVE, 0, 0.9f, 0, { { 0 } } },
    { "move-u1", FRAME_MOVE, 0, 0.98f, 1, { U(1) } },
    { "move-b1", FRAME_MOVE, 0, 0.98f, 1, { B(1) } },
    { "move-u1b1", FRAME_MOVE, 0, 0.98f, 2, { U(1), B(1) } },
    { "move-u2", FRAME_MOVE, 0, 0.98f, 2, { U(1), U(2) } },
    { "move-b2", FRAME_MOVE, 0, 0.98f, 2, { B(1), B(2) } },
    { "move-u2b1", FRAME_MOVE, 0, 0.98f, 3, { U(1), B(1), U(2) } },
    { "move-u2b2", FRAME_MOVE, 0, 0.95f, 4, { U(1), B(1), U(2), B(2) } },
    { "move-u3", FRAME_MOVE, 0, 0.98f, 3, { U(1), U(2), U(3) } },
    { "move-b3", FRAME_MOVE, 0, 0.98f, 3, { B(1), B(2), B(3) } },
    { "move-u4", FRAME_MOVE, 0, 0.95f, 4, { U(1), U(2), U(3), U(4) } },
    { "move-u5", FRAME_MOVE, 0, 0.9f, 5, { U(1), U(2), U(3), U(4), U(5) } },
    { "move-u3b3", FRAME_MOVE, 0, 0.9f, 6, { U(1), B(1), U(2), B(2), U(3), B(3) } },
    /* relative to the own last move */
    { "step", FRAME_USER, 1, 1.0f, 0, { { 0 } } },
    { "step-90", FRAME_USER, 1, 0.9f, 0, { { 0 } } },
    { "step-70", FRAME_USER, 1, 0.7f, 0, { { 0 } } },
    { "step-r1", FRAME_USER, 1, 1.0f, 1, { R(1) } },
    { "step-r1-80", FRAME_USER, 1, 0.8f, 1, { R(1) } },
    { "step-s1", FRAME_USER, 1, 0.98f, 1, { S(1) } },
    { "step-s1-80", FRAME_USER, 1, 0.8f, 1, { S(1) } },
    { "step-r1s1", FRAME_USER, 1, 1.0f, 2, { R(1), S(1) } },
    { "step-r1s1-80", FRAME_USER, 1, 0.8f, 2, { R(1), S(1) } },
    { "step-r2", FRAME_USER, 1, 0.98f, 2, { R(1), R(2) } },
    { "step-r2-80", FRAME_USER, 1, 0.8f, 2, { R(1), R(2) } },
    { "step-s2", FRAME_USER, 1, 0.98f, 2, { S(1), S(2) } },
    { "step-r1t1", FRAME_USER, 1, 0.98f, 2, { R(1), T(1) } },
    { "step-r2s1", FRAME_USER, 1, 1.0f, 3, { R(1), S(1), R(2) } },
    { "step-r2s1-80", FRAME_USER, 1, 0.8f, 3, { R(1), S(1), R(2) } },
    { "step-r2s2", FRAME_USER, 1, 0.95f, 4, { R(1), S(1), R(2), S(2) } },
    { "step-s3", FRAME_USER, 1, 0.95f, 3, { S(1), S(2), S(3) } },
    { "step-r3", FRAME_USER, 1, 0.95f, 3, { R(1), R(2), R(3) } },
    { "step-r3s2", FRAME_USER, 1, 0.95f, 5, { R(1), S(1), R(2), S(2), R(3) } },
    { "step-s4", FRAME_USER, 1, 0.95f, 4, { S(1), S(2), S(3), S(4) } },
    { "step-r3s3", FRAME_USER, 1, 0.9f, 6, { R(1), S(1), R(2), S(2), R(3), S(3) } },
    /* relative to the other's last move */
    { "answer", FRAME_BOT, 1, 1.0f, 0, { { 0 } } },
    { "answer-90", FRAME_BOT, 1, 0.9f, 0, { { 0 } } },
    { "answer-70", FRAME_BOT, 1, 0.7f, 0, { { 0 } } },
    { "answer-t1", FRAME_BOT, 1, 0.98f, 1, { T(1) } },
    { "answer-t1-80", FRAME_BOT, 1, 0.8f, 1, { T(1) } },
    { "answer-t2", FRAME_BOT, 1, 0.98f, 2, { T(1), T(2) } },
    { "answer-t3", FRAME_BOT, 1, 0.95f, 3, { T(1), T(2), T(3) } },
    { "answer-a1", FRAME_BOT, 1, 0.98f, 1, { A(1) } },
    { "answer-a2", FRAME_BOT, 1, 0.95f, 2, { A(1), A(2) } },
    { "answer-b1", FRAME_BOT, 1, 0.95f, 2, { B(1), T(1) } },
    /* periods: what was played some rounds ago */
    { "own-2", FRAME_USER, 2, 0.9f, 0, { { 0 } } },
    { "own-3", FRAME_USER, 3, 0.9f, 0, { { 0 } } },
    { "own-4", FRAME_USER, 4, 0.9f, 0, { { 0 } } },
    { "own-5", FRAME_USER, 5, 0.9f, 0, { { 0 } } },
    { "own-6", FRAME_USER, 6, 0.9f, 0, { { 0 } } },
    { "other-2", FRAME_BOT, 2, 0.9f, 0, { { 0 } } },
    { "other-3", FRAME_BOT, 3, 0.9f, 0, { { 0 } } },
    /* the other is predictable, and the user may have noticed */
    { "guess-0", FRAME_GUESS, 0, 0.95f, 1, { SURE } },
    { "guess-1", FRAME_GUESS, 1, 0.95f, 1, { SURE } },
    { "guess-2", FRAME_GUESS, 2, 0.95f, 1, { SURE } },
    { "guess-3", FRAME_GUESS, 3, 0.95f, 1, { SURE } },
    { "guess-4", FRAME_GUESS, 4, 0.95f, 1, { SURE } },
    { "guess-5", FRAME_GUESS, 5, 0.95f, 1, { SURE } },
    { "guess-1-r1", FRAME_GUESS, 1, 0.95f, 2, { SURE, R(1) } },
    { "guess-3-r1", FRAME_GUESS, 3, 0.95f, 2, { SURE, R(1) } },
    /* what the points invite to */
    { "value", FRAME_VALUE, 0, 0.98f, 0, { { 0 } } },
    { "value-r1", FRAME_VALUE, 0, 0.98f, 1, { R(1) } },
    { "value-v1", FRAME_VALUE, 0, 0.98f, 1, { V(1) } },
    { "value-v2", FRAME_VALUE, 0, 0.98f, 2, { V(1), V(2) } },
};

void rps_expert_offsets(uint32_t out[RPS_EXPERTS + 1])
{
    out[0] = 0;
    for (size_t i = 0; i < RPS_EXPERTS; i++) {
        uint32_t contexts = 1;
        for (size_t d = 0; d < rps_experts[i].digit_count; d++)
            contexts *= 3;
        out[i + 1] = out[i] + contexts;
    }
}
