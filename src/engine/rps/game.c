/* SPDX-License-Identifier: GPL-3.0-or-later */
/* game.c -- points of a round, scoring, the end of a game, gambits. */
#include "engine/rps/game.h"

#include <stdio.h>

#include "base/hash.h"

/* ---------------------------------------------------------------- names */

const char *rps_move_name(unsigned move)
{
    static const char *const names[] = { "rock", "paper", "scissors" };
    return move < RPS_MOVES ? names[move] : "none";
}

unsigned rps_move_find(str name)
{
    for (unsigned move = 0; move < RPS_MOVES; move++) {
        if (str_eq_nocase(name, str_of(rps_move_name(move))))
            return move;
    }
    return RPS_NO_MOVE;
}

unsigned rps_move_of_letter(char letter)
{
    switch (letter) {
    case 'r':
    case 'R':
        return RPS_ROCK;
    case 'p':
    case 'P':
        return RPS_PAPER;
    case 's':
    case 'S':
        return RPS_SCISSORS;
    default:
        return RPS_NO_MOVE;
    }
}

const char *rps_outcome_name(enum rps_outcome outcome)
{
    static const char *const names[] = { "win", "lose", "draw" };
    return names[outcome];
}

const char *rps_winner_name(enum rps_winner winner)
{
    static const char *const names[] = { NULL, "user", "bot", "tie" };
    return names[winner];
}

/* ---------------------------------------------------------------- points */

/* The first two bytes of SHA-256("id:round:tag") as a number. */
static unsigned draw_of(const struct sha256 *prefix, const char *tag, size_t len)
{
    struct sha256 h = *prefix;
    uint8_t digest[SHA256_BYTES];
    sha256_add(&h, tag, len);
    sha256_end(&h, digest);
    return (unsigned)digest[0] << 8 | digest[1];
}

void rps_round_points(str game_id, int64_t round, struct rps_points *ret_points)
{
    char number[32];
    int len = snprintf(number, sizeof number, ":%lld:", (long long)round);
    struct sha256 prefix;

    sha256_begin(&prefix);
    sha256_add(&prefix, game_id.ptr, game_id.len);
    sha256_add(&prefix, number, (size_t)len);
    unsigned low = draw_of(&prefix, "low", 3) % 3;
    unsigned base_tenths = 11 + draw_of(&prefix, "base", 4) % 5;

    /* whole tenths, divided once: the doubles nearest to the decimal numbers */
    ret_points->of[low] = 1.0;
    ret_points->of[rps_beaten(low)] = (base_tenths + 5) / 10.0;
    ret_points->of[rps_beater(low)] = base_tenths / 10.0;
}

unsigned rps_best_move(const struct rps_points *points)
{
    unsigned best = 0;
    for (unsigned move = 1; move < RPS_MOVES; move++) {
        if (points->of[move] > points->of[best])
            best = move;
    }
    return best;
}

void rps_moves_by_points(const struct rps_points *points, unsigned out[RPS_MOVES])
{
    for (unsigned move = 0; move < RPS_MOVES; move++) {
        unsigned at = move;
        for (; at > 0 && points->of[out[at - 1]] < points->of[move]; at--)
            out[at] = out[at - 1];
        out[at] = move;
    }
}

/* ---------------------------------------------------------------- gambits */

/* Letters of the contract are ranks, not moves: R the move of most points, S the second, P the
 * last. The order matters, because the weights are added up in it. */
static const struct gambit {
    const char *name;
    unsigned weight;
    char ranks[RPS_GAMBIT_ROUNDS];
} gambits[RPS_GAMBITS] = {
    { "crescendo", 14, { 'P', 'S', 'R' } },       { "denouement", 12, { 'R', 'S', 'P' } },
    { "paper-dolls", 12, { 'P', 'S', 'S' } },     { "fistful-of-dollars", 10, { 'R', 'P', 'P' } },
    { "scissor-sandwich", 8, { 'P', 'S', 'P' } }, { "bureaucrat", 6, { 'P', 'P', 'P' } },
    { "avalanche", 8, { 'R', 'R', 'R' } },        { "toolbox", 6, { 'S', 'S', 'S' } },
    { "razor", 12, { 'S', 'P', 'R' } },           { "switchblade", 12, { 'S', 'R', 'P' } },
};

size_t rps_gambit_choose(unsigned draw)
{
    unsigned sum = 0;
    for (size_t i = 0; i + 1 < RPS_GAMBITS; i++) {
        sum += gambits[i].weight;
        if (sum > draw)
            return i;
    }
    return RPS_GAMBITS - 1;
}

const char *rps_gambit_name(size_t gambit)
{
    return gambits[gambit].name;
}

void rps_gambit_moves(size_t gambit, str game_id, unsigned out[RPS_GAMBIT_ROUNDS])
{
    for (int i = 0; i < RPS_GAMBIT_ROUNDS; i++) {
        struct rps_points points;
        unsigned order[RPS_MOVES];
        char rank = gambits[gambit].ranks[i];

        rps_round_points(game_id, i + 1, &points);
        rps_moves_by_points(&points, order);
        out[i] = order[rank == 'R' ? 0 : rank == 'S' ? 1 : 2];
    }
}

/* ---------------------------------------------------------------- a game */

/* Whether the target is reached; a score that is a rounding error short of it becomes it. */
static bool reaches(double *score)
{
    if (*score >= RPS_TARGET)
        return true;
    if (RPS_TARGET - *score > RPS_TARGET_SLACK)
        return false;
    *score = RPS_TARGET;
    return true;
}

err rps_game_play(struct rps_game *game, unsigned user, unsigned bot,
                  const struct rps_points *points, struct rps_round *ret_round)
{
    if (game->winner != RPS_NOBODY_YET)
        return ERR(ERR_CONFLICT, "the game ended after round %u (start a new one)", game->rounds);
    if (user >= RPS_MOVES || bot >= RPS_MOVES)
        return ERR(ERR_INVALID, "%u is not a move (use 0, 1 or 2)", user >= RPS_MOVES ? user : bot);

    enum rps_outcome outcome = rps_outcome(user, bot);
    struct rps_round round = {
        .user = (uint8_t)user,
        .bot = (uint8_t)bot,
        .outcome = (uint8_t)outcome,
        .number = (int64_t)game->rounds + 1,
        .points = *points,
        .user_delta = outcome == RPS_WIN    ? points->of[user]
                      : outcome == RPS_DRAW ? 0.5
                                            : 0.0,
        .bot_delta = outcome == RPS_LOSE   ? points->of[bot]
                     : outcome == RPS_DRAW ? 0.5
                                           : 0.0,
    };
    game->user_score += round.user_delta;
    game->bot_score += round.bot_delta;
    bool user_reached = reaches(&game->user_score), bot_reached = reaches(&game->bot_score);
    if (user_reached || bot_reached)
        game->winner = game->user_score > game->bot_score   ? RPS_USER_WINS
                       : game->user_score < game->bot_score ? RPS_BOT_WINS
                                                            : RPS_TIE;
    game->rounds++;
    game->draws += outcome == RPS_DRAW;
    round.user_score = game->user_score;
    round.bot_score = game->bot_score;
    *ret_round = round;
    return OK;
}
