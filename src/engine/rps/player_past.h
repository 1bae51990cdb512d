/* SPDX-License-Identifier: GPL-3.0-or-later */
/* player_past.h -- what of a person's past is known in a game: one rule and one way of reading it,
 * for training, serving and measuring.
 *
 * A person's finished games are numbered from 1. A game sees those that had ended when it began:
 * `seen` of them, and of these the last 32 to 63. Memory is in chapters of 32 games and goes back
 * to the beginning of the chapter before the one that is being written. So what is known in a game
 * follows from stored games alone, takes a bounded time to make again, and is mostly what was known
 * in the last game and that game.
 *
 * Points that are all equal are points that nobody saw (imported games): they count as unknown.
 */
#ifndef SKERRY_RPS_PLAYER_PAST_H
#define SKERRY_RPS_PLAYER_PAST_H

#include "engine/rps/player.h"

enum { RPS_CHAPTER_GAMES = 32 };

/* The number of the first game that counts where `seen` were finished; seen + 1: none does. */
int64_t rps_past_first(int64_t seen);

/* A round of which only this matters here. */
struct rps_turn {
    struct rps_points points;
    uint8_t user, bot;
};

/* NULL where nobody saw any. */
const struct rps_points *rps_turn_points(const struct rps_turn *turn);

/* The vector before a round with these points, and the round itself. */
void rps_player_see(const struct rps_population *population, const struct rps_player *player,
                    const struct rps_points *points, double out[RPS_PLAYER_FEATURES]);
void rps_player_take(const struct rps_population *population, struct rps_player *player,
                     const struct rps_turn *turn);

/* A person between two games. All zero but for `seen` and `first`, it knows nobody yet. */
struct rps_recall {
    struct rps_player *player; /* owned; NULL: the first games are still to be read */
    int64_t first, seen;       /* games `first` to `seen` are in it */
};

/* Turns of a person's game, oldest first; valid until the next call. */
typedef err rps_past_game(void *arg, int64_t number, const struct rps_turn **ret_turns,
                          size_t *ret_count);

/* The number from which on games are asked for to bring `recall` to `seen`. */
int64_t rps_recall_needs(const struct rps_recall *recall, int64_t seen);
/* Brings it there: goes on from what is known where the chapters allow that, begins anew where they
 * do not; the result is the same to the bit. After an error it is as if empty. */
MUST_USE err rps_recall_to(const struct rps_population *population, struct rps_recall *recall,
                           int64_t seen, rps_past_game *game, void *arg);
void rps_recall_deinit(struct rps_recall *recall); /* accepts all zero */

#endif
